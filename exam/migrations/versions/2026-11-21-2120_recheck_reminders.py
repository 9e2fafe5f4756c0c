"""a recheck that falls due is reminded of once.

Revision: 0012; after: 0011.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLE, NAME = "registration_recheck_fact", "ck_registration_recheck_fact_kind"
KINDS = "kind in ('book', 'done', 'cancel', 'withdraw', 'postpone', 'undo', 'remind')"
KINDS_BEFORE = "kind in ('book', 'done', 'cancel', 'withdraw', 'postpone', 'undo')"


def _allow(kinds: str) -> None:
    """SQLite keeps a check in the table's own text: there the table is written anew, elsewhere only the check."""
    with op.batch_alter_table(TABLE) as table:
        table.drop_constraint(op.f(NAME), type_="check")
        table.create_check_constraint(op.f(NAME), kinds)


def upgrade() -> None:
    _allow(KINDS)


def downgrade() -> None:
    _allow(KINDS_BEFORE)

"""the rule book holds the wording of department summaries too.

Revision: 0013; after: 0012.
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLE, NAME = "exam_knowledge_rule", "ck_exam_knowledge_rule_kind"
KINDS = "kind in ('rule', 'merge', 'policy', 'grade', 'check', 'template', 'summary')"
KINDS_BEFORE = "kind in ('rule', 'merge', 'policy', 'grade', 'check', 'template')"


def _allow(kinds: str) -> None:
    """SQLite keeps a check in the table's own text: there the table is written anew, elsewhere only the check."""
    with op.batch_alter_table(TABLE) as table:
        table.drop_constraint(op.f(NAME), type_="check")
        table.create_check_constraint(op.f(NAME), kinds)


def upgrade() -> None:
    _allow(KINDS)


def downgrade() -> None:
    _allow(KINDS_BEFORE)

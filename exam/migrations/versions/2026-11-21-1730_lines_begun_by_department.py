"""the lines begun on an earlier day, by department: a department's work list reads its own few and nothing of its past.

Revision: 0007; after: 0006.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEX, TABLE = "ix_exam_line_board_underway", "exam_line_board"


def upgrade() -> None:
    op.drop_index(INDEX, table_name=TABLE)
    op.create_index(INDEX, TABLE, ["site", "state", "department", "exam_on"], unique=False)


def downgrade() -> None:
    op.drop_index(INDEX, table_name=TABLE)
    op.create_index(INDEX, TABLE, ["site", "state", "exam_on"], unique=False)

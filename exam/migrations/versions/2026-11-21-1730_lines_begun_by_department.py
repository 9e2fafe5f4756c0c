"""the lines begun on an earlier day, by department: a department's work list reads its own few and nothing of its past.

Values lose their index by visit: whoever wants them comes by their version, and every value saved had to be put into it.

Revision: 0007; after: 0006.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEX, TABLE = "ix_exam_line_board_underway", "exam_line_board"
BY_VISIT, VALUES = "ix_results_value_visit", "results_value"


def upgrade() -> None:
    op.drop_index(INDEX, table_name=TABLE)
    op.create_index(INDEX, TABLE, ["site", "state", "department", "exam_on"], unique=False)
    op.drop_index(BY_VISIT, table_name=VALUES)


def downgrade() -> None:
    op.create_index(BY_VISIT, VALUES, ["visit_id", "item_code"], unique=False)
    op.drop_index(INDEX, table_name=TABLE)
    op.create_index(INDEX, TABLE, ["site", "state", "exam_on"], unique=False)

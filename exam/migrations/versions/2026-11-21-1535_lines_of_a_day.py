"""the lines of a day, and those begun on an earlier one: indexes, so that the counts above a work list read nothing else.

Revision: 0005; after: 0004.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_exam_line_board_day", "exam_line_board", ["site", "exam_on"], unique=False)
    op.create_index("ix_exam_line_board_underway", "exam_line_board", ["site", "state", "exam_on"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_exam_line_board_underway", table_name="exam_line_board")
    op.drop_index("ix_exam_line_board_day", table_name="exam_line_board")

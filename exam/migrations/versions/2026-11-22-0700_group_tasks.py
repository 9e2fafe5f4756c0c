"""group orders: work on many members at once (booking, reminding, printing).

Revision: 0020; after: 0019.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from exam.kit.db import UtcTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "group_orders_task",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("order_id", sa.Uuid(), sa.ForeignKey("group_orders_order.id"), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("file_digest", sa.String(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("asked_at", UtcTime(), nullable=False),
        sa.Column("asked_by", sa.Uuid()),
        sa.Column("asked_login", sa.String(), nullable=False),
        sa.Column("asked_name", sa.String(), nullable=False),
        sa.Column("ended_at", UtcTime()),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind in ('book', 'unbook', 'remind', 'print')", name="kind"),
        sa.CheckConstraint("state in ('running', 'done', 'stopped', 'cancelled')", name="state"),
    )
    op.create_index("ix_group_orders_task_order", "group_orders_task", ["order_id", "asked_at"])
    op.create_index("ix_group_orders_task_state", "group_orders_task", ["state"])
    op.create_table(
        "group_orders_task_row",
        sa.Column("task_id", sa.Uuid(), sa.ForeignKey("group_orders_task.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.Uuid(), sa.ForeignKey("group_orders_member.id"), nullable=False),
        sa.Column("visit_id", sa.Uuid(), sa.ForeignKey("exam_visit.id"), nullable=False, index=True),
        sa.Column("day", sa.Date()),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.CheckConstraint("state in ('waiting', 'done', 'refused')", name="state"),
    )
    op.create_index("ix_group_orders_task_row_state", "group_orders_task_row", ["task_id", "state"])


def downgrade() -> None:
    op.drop_table("group_orders_task_row")
    op.drop_table("group_orders_task")

"""rosters of group orders while they wait to be accepted, sealed, and what an organisation's columns mean.

Revision: 0019; after: 0018.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import exam.kit.db

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

STATES = "state in ('read', 'checked', 'accepting', 'stopped', 'accepted', 'discarded', 'undone')"


def upgrade() -> None:
    op.create_table(
        "group_orders_roster",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("file_digest", sa.LargeBinary(), nullable=False),
        sa.Column("sheets", sa.Text(), nullable=False),
        sa.Column("sheet", sa.Integer(), nullable=False),
        sa.Column("header_row", sa.Integer(), nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("rows_digest", sa.LargeBinary(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("uploaded_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=True),
        sa.Column("uploaded_name", sa.String(), nullable=False),
        sa.Column("accepted_at", exam.kit.db.UtcTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.Column("accepted_login", sa.String(), nullable=False),
        sa.Column("accepted_name", sa.String(), nullable=False),
        sa.Column("ended_at", exam.kit.db.UtcTime(timezone=True), nullable=True),
        sa.Column("ended_name", sa.String(), nullable=False),
        sa.Column("ended_reason", sa.String(), nullable=False),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint(STATES, name=op.f("ck_group_orders_roster_state")),
        sa.ForeignKeyConstraint(["order_id"], ["group_orders_order.id"], name=op.f("fk_group_orders_roster_order_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["exam_organization.id"], name=op.f("fk_group_orders_roster_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_orders_roster")),
    )
    op.create_index("ix_group_orders_roster_order", "group_orders_roster", ["order_id", "uploaded_at"], unique=False)
    op.create_index("ix_group_orders_roster_state", "group_orders_roster", ["state"], unique=False)
    op.create_table(
        "group_orders_roster_chunk",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("sheet", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("done_at", exam.kit.db.UtcTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('cells', 'checked')", name=op.f("ck_group_orders_roster_chunk_kind")),
        sa.ForeignKeyConstraint(["batch_id"], ["group_orders_roster.id"], name=op.f("fk_group_orders_roster_chunk_batch_id")),
        sa.PrimaryKeyConstraint("batch_id", "kind", "sheet", "number", name=op.f("pk_group_orders_roster_chunk")),
    )
    op.create_table(
        "group_orders_roster_mapping",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("changed_at", exam.kit.db.UtcTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["exam_organization.id"], name=op.f("fk_group_orders_roster_mapping_organization_id")
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_group_orders_roster_mapping")),
    )


def downgrade() -> None:
    op.drop_table("group_orders_roster_mapping")
    op.drop_table("group_orders_roster_chunk")
    op.drop_table("group_orders_roster")

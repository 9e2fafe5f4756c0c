"""group orders: contracts, rounds, cohorts with their terms, and members.

Revision: 0018; after: 0017.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from exam.kit.db import UtcTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "group_orders_organization",
        sa.Column("organization_id", sa.Uuid(), sa.ForeignKey("exam_organization.id"), primary_key=True),
        sa.Column("credit_code", sa.String(), nullable=False, index=True),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("invoice_title", sa.String(), nullable=False),
        sa.Column("bank_account", sa.String(), nullable=False),
        sa.Column("industry", sa.String(), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("ver", sa.Integer(), nullable=False),
    )
    op.create_table(
        "group_orders_contract",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("contract_no", sa.String(), nullable=False, unique=True),
        sa.Column("organization_id", sa.Uuid(), sa.ForeignKey("exam_organization.id"), nullable=False, index=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("billable_when", sa.String(), nullable=False),
        sa.Column("settled_by", sa.String(), nullable=False),
        sa.Column("reductions", sa.Text(), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint("billable_when in ('registered', 'checked_in', 'examined', 'reported')", name="billable_when"),
        sa.CheckConstraint("starts_on <= ends_on", name="dates"),
        sa.CheckConstraint("settled_by in ('package', 'item')", name="settled_by"),
    )
    op.create_table(
        "group_orders_order",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("order_no", sa.String(), nullable=False, unique=True),
        sa.Column("contract_id", sa.Uuid(), sa.ForeignKey("group_orders_contract.id"), nullable=False, index=True),
        sa.Column("organization_id", sa.Uuid(), sa.ForeignKey("exam_organization.id"), nullable=False, index=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("round_no", sa.Integer(), nullable=False),
        sa.Column("opens_on", sa.Date(), nullable=False),
        sa.Column("closes_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("previous_id", sa.Uuid(), sa.ForeignKey("group_orders_order.id")),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("approved_by", sa.Uuid()),
        sa.Column("approved_at", UtcTime()),
        sa.Column("completed_at", UtcTime()),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint("opens_on <= closes_on", name="dates"),
        sa.Index("ix_group_orders_order_state", "site", "state", "closes_on"),
    )
    op.create_table(
        "group_orders_cohort",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("order_id", sa.Uuid(), sa.ForeignKey("group_orders_order.id"), nullable=False, index=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sex", sa.String()),
        sa.Column("age_from", sa.Integer(), nullable=False),
        sa.Column("age_to", sa.Integer(), nullable=False),
        sa.Column("marital", sa.String()),
        sa.Column("jobs", sa.Text(), nullable=False),
        sa.Column("posts", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint("age_from <= age_to", name="ages"),
        sa.CheckConstraint("sex in ('M', 'F')", name="sex"),
        sa.UniqueConstraint("order_id", "name"),
    )
    op.create_table(
        "group_orders_terms",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("cohort_id", sa.Uuid(), sa.ForeignKey("group_orders_cohort.id"), nullable=False, index=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.UniqueConstraint("cohort_id", "revision"),
    )
    op.create_table(
        "group_orders_member",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("order_id", sa.Uuid(), sa.ForeignKey("group_orders_order.id"), nullable=False),
        sa.Column("cohort_id", sa.Uuid(), sa.ForeignKey("group_orders_cohort.id"), nullable=False, index=True),
        sa.Column("terms_id", sa.Uuid(), sa.ForeignKey("group_orders_terms.id"), nullable=False),
        sa.Column("person_id", sa.Uuid(), sa.ForeignKey("exam_person.id"), nullable=False, index=True),
        sa.Column("visit_id", sa.Uuid(), sa.ForeignKey("exam_visit.id"), nullable=False, unique=True),
        sa.Column("batch_id", sa.Uuid(), index=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("employee_no", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("post", sa.String(), nullable=False),
        sa.Column("relation", sa.String(), nullable=False),
        sa.Column("of_member_id", sa.Uuid(), sa.ForeignKey("group_orders_member.id")),
        sa.Column("replaces_id", sa.Uuid(), sa.ForeignKey("group_orders_member.id")),
        sa.Column("covered", sa.Text(), nullable=False),
        sa.Column("kept", sa.Text(), nullable=False),
        sa.Column("remark", sa.String(), nullable=False),
        sa.Column("added_at", UtcTime(), nullable=False),
        sa.Column("left_at", UtcTime()),
        sa.Column("left_reason", sa.String(), nullable=False),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.Index("ix_group_orders_member_employee", "order_id", "employee_no"),
        sa.Index("ix_group_orders_member_order", "order_id", "cohort_id", "left_at"),
        sa.Index(
            "uq_group_orders_member_person", "order_id", "person_id", unique=True,
            sqlite_where=sa.text("left_at is null"), postgresql_where=sa.text("left_at is null"),
        ),
    )


def downgrade() -> None:
    for name in ("member", "terms", "cohort", "order", "contract", "organization"):
        op.drop_table(f"group_orders_{name}")

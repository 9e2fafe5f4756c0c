"""bank transfers, settlements of group orders with their lines and payments, and what is done with prepayments.

Revision: 0023; after: 0022.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from exam.kit.db import UtcTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_STANDS = sa.text("bank_reference <> '' and voided_at is null")
_PROPOSED = sa.text("state = 'proposed'")


def upgrade() -> None:
    op.create_table(
        "billing_bank_transfer",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("transfer_no", sa.String(), nullable=False, unique=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("matched_fen", sa.BigInteger(), nullable=False),
        sa.Column("payer_name", sa.String(), nullable=False),
        sa.Column("payer_account", sa.String(), nullable=False),
        sa.Column("bank_reference", sa.String(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("remark", sa.String(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), sa.ForeignKey("billing_transaction.id"), nullable=False),
        sa.Column("recorded_at", UtcTime(), nullable=False),
        sa.Column("recorded_by", sa.Uuid()),
        sa.Column("recorded_name", sa.String(), nullable=False),
        sa.Column("voided_at", UtcTime()),
        sa.Column("voided_name", sa.String(), nullable=False),
        sa.Column("void_reason", sa.String(), nullable=False),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name="amount"),
        sa.CheckConstraint("voided_at is null or matched_fen = 0", name="voided"),
        sa.CheckConstraint("matched_fen >= 0 and matched_fen <= amount_fen", name="matched"),
        sa.Index("ix_billing_bank_transfer_day", "site", "received_on"),
        sa.Index(
            "uq_billing_bank_transfer_reference",
            "site",
            "bank_reference",
            unique=True,
            sqlite_where=_STANDS,
            postgresql_where=_STANDS,
        ),
    )
    op.create_table(
        "billing_transfer_match",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("transfer_id", sa.Uuid(), sa.ForeignKey("billing_bank_transfer.id"), nullable=False, index=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), sa.ForeignKey("billing_transaction.id"), nullable=False, unique=True),
        sa.Column("undoes", sa.Uuid(), sa.ForeignKey("billing_transfer_match.id"), unique=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.CheckConstraint("kind in ('prepayment', 'settlement', 'returned')", name="kind"),
        sa.CheckConstraint("amount_fen > 0", name="amount"),
    )
    op.create_table(
        "group_orders_settlement",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("settlement_no", sa.String(), nullable=False, unique=True),
        sa.Column("order_id", sa.Uuid(), sa.ForeignKey("group_orders_order.id"), nullable=False, index=True),
        sa.Column("organization_id", sa.Uuid(), sa.ForeignKey("exam_organization.id"), nullable=False, index=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("until_on", sa.Date()),
        sa.Column("billable_when", sa.String(), nullable=False),
        sa.Column("settled_by", sa.String(), nullable=False),
        sa.Column("adjustments", sa.Text(), nullable=False),
        sa.Column("lines_fen", sa.BigInteger(), nullable=False),
        sa.Column("adjusted_fen", sa.BigInteger(), nullable=False),
        sa.Column("due_fen", sa.BigInteger(), nullable=False),
        sa.Column("prepaid_fen", sa.BigInteger(), nullable=False),
        sa.Column("receivable_fen", sa.BigInteger(), nullable=False),
        sa.Column("credited_fen", sa.BigInteger(), nullable=False),
        sa.Column("paid_fen", sa.BigInteger(), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("member_count", sa.Integer(), nullable=False),
        sa.Column("remark", sa.String(), nullable=False),
        sa.Column("proposed_at", UtcTime(), nullable=False),
        sa.Column("proposed_by", sa.Uuid()),
        sa.Column("proposed_name", sa.String(), nullable=False),
        sa.Column("approved_at", UtcTime()),
        sa.Column("approved_by", sa.Uuid()),
        sa.Column("approved_name", sa.String(), nullable=False),
        sa.Column("paid_at", UtcTime()),
        sa.Column("ended_at", UtcTime()),
        sa.Column("ended_by", sa.Uuid()),
        sa.Column("ended_name", sa.String(), nullable=False),
        sa.Column("ended_reason", sa.String(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), sa.ForeignKey("billing_transaction.id")),
        sa.Column("void_transaction_id", sa.Uuid(), sa.ForeignKey("billing_transaction.id")),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.CheckConstraint("approved_by is null or proposed_by is null or approved_by <> proposed_by", name="two_people"),
        sa.CheckConstraint("state in ('proposed', 'returned', 'approved', 'paid', 'void')", name="state"),
        sa.CheckConstraint("prepaid_fen >= 0 and receivable_fen >= 0 and credited_fen >= 0", name="amounts"),
        sa.CheckConstraint(
            "due_fen = lines_fen + adjusted_fen and due_fen = prepaid_fen + receivable_fen - credited_fen", name="sums"
        ),
        sa.CheckConstraint("kind in ('interim', 'final', 'supplement')", name="kind"),
        sa.CheckConstraint("paid_fen >= 0 and paid_fen <= receivable_fen", name="paid"),
        sa.Index("ix_group_orders_settlement_state", "site", "state", "proposed_at"),
        sa.Index("uq_group_orders_settlement_open", "order_id", unique=True, sqlite_where=_PROPOSED, postgresql_where=_PROPOSED),
    )
    op.create_table(
        "group_orders_settlement_member",
        sa.Column("settlement_id", sa.Uuid(), sa.ForeignKey("group_orders_settlement.id"), primary_key=True),
        sa.Column("visit_id", sa.Uuid(), sa.ForeignKey("exam_visit.id"), primary_key=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("visit_no", sa.String(), nullable=False),
        sa.Column("cohort", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("employee_no", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("exam_on", sa.Date(), nullable=False),
        sa.Column("package_name", sa.String(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "group_orders_settlement_line",
        sa.Column("settlement_id", sa.Uuid(), sa.ForeignKey("group_orders_settlement.id"), primary_key=True),
        sa.Column("line_id", sa.Uuid(), sa.ForeignKey("exam_order_line.id"), primary_key=True),
        sa.Column("order_id", sa.Uuid(), sa.ForeignKey("group_orders_order.id"), nullable=False),
        sa.Column("visit_id", sa.Uuid(), sa.ForeignKey("exam_visit.id"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("standard_fen", sa.BigInteger(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind in ('first', 'correction')", name="kind"),
        sa.CheckConstraint("amount_fen > 0 or kind = 'correction' and amount_fen <> 0", name="amount"),
        sa.Index("ix_group_orders_settlement_line_line", "line_id"),
        sa.Index("ix_group_orders_settlement_line_member", "settlement_id", "visit_id"),
        sa.Index("ix_group_orders_settlement_line_order", "order_id", "settlement_id"),
    )
    op.create_table(
        "group_orders_settlement_hold",
        sa.Column("order_id", sa.Uuid(), sa.ForeignKey("group_orders_order.id"), primary_key=True),
        sa.Column("line_id", sa.Uuid(), sa.ForeignKey("exam_order_line.id"), primary_key=True),
        sa.Column("settlement_id", sa.Uuid(), sa.ForeignKey("group_orders_settlement.id"), nullable=False, index=True),
    )
    op.create_table(
        "group_orders_settlement_payment",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("settlement_id", sa.Uuid(), sa.ForeignKey("group_orders_settlement.id"), nullable=False, index=True),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.CheckConstraint("amount_fen <> 0", name="amount"),
        sa.CheckConstraint("way in ('transfer', 'receipt')", name="way"),
    )
    op.create_table(
        "group_orders_prepayment",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("act_no", sa.String(), nullable=False, unique=True),
        sa.Column("order_id", sa.Uuid(), sa.ForeignKey("group_orders_order.id"), nullable=False, index=True),
        sa.Column("to_order_id", sa.Uuid(), sa.ForeignKey("group_orders_order.id"), index=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), sa.ForeignKey("billing_transaction.id"), nullable=False, unique=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.CheckConstraint("kind in ('refunded', 'carried')", name="kind"),
        sa.CheckConstraint("(kind = 'carried') = (to_order_id is not null)", name="carried"),
        sa.CheckConstraint("amount_fen > 0", name="amount"),
    )


def downgrade() -> None:
    for table in (
        "group_orders_prepayment",
        "group_orders_settlement_payment",
        "group_orders_settlement_hold",
        "group_orders_settlement_line",
        "group_orders_settlement_member",
        "group_orders_settlement",
        "billing_transfer_match",
        "billing_bank_transfer",
    ):
        op.drop_table(table)

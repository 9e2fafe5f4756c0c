"""receipts, drawers, and discounts as data with a second person.

Revision: 0021; after: 0020.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from exam.kit.db import UtcTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_OPEN = sa.text("closed_at is null")
_TAKEN = sa.text("part_of is null and gateway_order_id is not null")


def upgrade() -> None:
    op.create_table(
        "billing_drawer",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("cashier_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("opened_at", UtcTime(), nullable=False),
        sa.Column("closed_at", UtcTime()),
        sa.Column("ver", sa.Integer(), nullable=False),
        sa.Index("uq_billing_drawer_open", "site", "cashier_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        sa.Index("ix_billing_drawer_closed", "site", "closed_at"),
    )
    op.create_table(
        "billing_receipt",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("receipt_no", sa.String(), nullable=False, unique=True),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("sign", sa.Integer(), nullable=False),
        sa.Column("target_kind", sa.String(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False, index=True),
        sa.Column("visit_id", sa.Uuid(), sa.ForeignKey("exam_visit.id"), index=True),
        sa.Column("total_fen", sa.BigInteger(), nullable=False),
        sa.Column("drawer_id", sa.Uuid(), sa.ForeignKey("billing_drawer.id"), nullable=False, index=True),
        sa.Column("cashier_id", sa.Uuid()),
        sa.Column("transaction_id", sa.Uuid(), sa.ForeignKey("billing_transaction.id"), nullable=False, unique=True),
        sa.Column("voids", sa.Uuid(), sa.ForeignKey("billing_receipt.id"), unique=True),
        sa.Column("reissues", sa.Uuid(), sa.ForeignKey("billing_receipt.id"), unique=True),
        sa.Column("refund_of", sa.Uuid(), sa.ForeignKey("billing_receipt.id"), index=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("approved_by", sa.Uuid()),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.CheckConstraint("kind in ('payment', 'refund', 'void')", name="kind"),
        sa.CheckConstraint("sign = 1 and kind <> 'refund' or sign = -1 and kind <> 'payment'", name="sign"),
        sa.CheckConstraint("total_fen > 0", name="total"),
        sa.CheckConstraint("(kind = 'void') = (voids is not null) and (kind = 'refund') = (refund_of is not null)", name="about"),
        sa.Index("ix_billing_receipt_day", "site", "booked_on", "id"),
    )
    op.create_table(
        "billing_receipt_part",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("receipt_id", sa.Uuid(), sa.ForeignKey("billing_receipt.id"), nullable=False, index=True),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("card_id", sa.Uuid(), index=True),
        sa.Column("gateway_order_id", sa.Uuid()),
        sa.Column("tendered_fen", sa.BigInteger()),
        sa.Column("part_of", sa.Uuid(), sa.ForeignKey("billing_receipt_part.id"), index=True),
        sa.CheckConstraint("amount_fen > 0", name="amount"),
        sa.CheckConstraint("tendered_fen is null or (method = 'cash' and tendered_fen >= amount_fen)", name="tendered"),
        sa.CheckConstraint("(method = 'card') = (card_id is not null)", name="card"),
        sa.Index(
            "uq_billing_receipt_part_gateway", "gateway_order_id", unique=True, sqlite_where=_TAKEN, postgresql_where=_TAKEN
        ),
    )  # fmt: skip
    op.create_table(
        "billing_receipt_line",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("receipt_id", sa.Uuid(), sa.ForeignKey("billing_receipt.id"), nullable=False, index=True),
        sa.Column("line_id", sa.Uuid(), sa.ForeignKey("exam_order_line.id"), nullable=False, index=True),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen <> 0", name="amount"),
    )
    op.create_table(
        "billing_receipt_print",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("receipt_id", sa.Uuid(), sa.ForeignKey("billing_receipt.id"), nullable=False, index=True),
        sa.Column("paper", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
    )
    op.create_table(
        "billing_discount_limit",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("least_factor", sa.String(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Index("ix_billing_discount_limit_role", "role", "valid_from"),
    )
    op.create_table(
        "billing_booking_scheme",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("code", sa.String(), nullable=False, index=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("factor", sa.String(), nullable=False),
        sa.Column("stackable", sa.Boolean(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date()),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
    )
    op.create_table(
        "billing_discount_request",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("visit_id", sa.Uuid(), sa.ForeignKey("exam_visit.id"), nullable=False, index=True),
        sa.Column("site", sa.String(), nullable=False, index=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("line_id", sa.Uuid(), sa.ForeignKey("exam_order_line.id")),
        sa.Column("factor", sa.String()),
        sa.Column("total_fen", sa.BigInteger()),
        sa.Column("before_fen", sa.BigInteger(), nullable=False),
        sa.Column("after_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.CheckConstraint("kind in ('manual', 'waiver')", name="kind"),
        sa.CheckConstraint("(factor is null) <> (total_fen is null)", name="one_measure"),
        sa.CheckConstraint("0 <= after_fen and after_fen <= before_fen", name="lower"),
    )
    op.create_table(
        "billing_discount_decision",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("request_id", sa.Uuid(), sa.ForeignKey("billing_discount_request.id"), nullable=False, unique=True),
        sa.Column("is_approved", sa.Boolean(), nullable=False),
        sa.Column("discount_id", sa.Uuid(), sa.ForeignKey("billing_discount.id")),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
    )
    with op.batch_alter_table("billing_discount") as table:
        table.drop_constraint(op.f("ck_billing_discount_kind"), type_="check")
        table.create_check_constraint(op.f("ck_billing_discount_kind"), "kind in ('booking', 'manual', 'waiver')")


def downgrade() -> None:
    with op.batch_alter_table("billing_discount") as table:
        table.drop_constraint(op.f("ck_billing_discount_kind"), type_="check")
        table.create_check_constraint(op.f("ck_billing_discount_kind"), "kind in ('booking', 'manual')")
    for name in (
        "billing_discount_decision", "billing_discount_request", "billing_booking_scheme", "billing_discount_limit",
        "billing_receipt_print", "billing_receipt_line", "billing_receipt_part", "billing_receipt", "billing_drawer",
    ):  # fmt: skip
        op.drop_table(name)

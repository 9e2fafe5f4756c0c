"""Tables of settlements: what was settled with which members and lines, what was paid of it, and what a round paid ahead."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model

_PROPOSED = text("state = 'proposed'")


class SettlementRow(Model):
    """One settlement of a round. What it bills is fixed when it is proposed; only its state, its acts and `paid_fen` move.

    `billable_when` and `settled_by` are the contract's at that time; `adjustments` is a list of `settlement_facts.Adjustment` as
    JSON. The ledger transaction is written with the approval, if there is anything to move, and reversed with the void.
    """

    __tablename__ = "group_orders_settlement"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    settlement_no: Mapped[str] = mapped_column(unique=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_order.id"), index=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("exam_organization.id"), index=True)
    site: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    until_on: Mapped[date | None]
    billable_when: Mapped[str]
    settled_by: Mapped[str]
    adjustments: Mapped[str] = mapped_column(Text)
    lines_fen: Mapped[int] = mapped_column(BigInteger)
    adjusted_fen: Mapped[int] = mapped_column(BigInteger)
    due_fen: Mapped[int] = mapped_column(BigInteger)
    prepaid_fen: Mapped[int] = mapped_column(BigInteger)
    receivable_fen: Mapped[int] = mapped_column(BigInteger)
    credited_fen: Mapped[int] = mapped_column(BigInteger)
    paid_fen: Mapped[int] = mapped_column(BigInteger)
    line_count: Mapped[int]
    member_count: Mapped[int]
    remark: Mapped[str]
    proposed_at: Mapped[datetime]
    proposed_by: Mapped[UUID | None]
    proposed_name: Mapped[str]
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[UUID | None]
    approved_name: Mapped[str]
    paid_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None]
    ended_name: Mapped[str]
    ended_reason: Mapped[str]
    transaction_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_transaction.id"))
    void_transaction_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_transaction.id"))
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("kind in ('interim', 'final', 'supplement')", name="kind"),
        CheckConstraint("state in ('proposed', 'returned', 'approved', 'paid', 'void')", name="state"),
        CheckConstraint(
            "due_fen = lines_fen + adjusted_fen and due_fen = prepaid_fen + receivable_fen - credited_fen", name="sums"
        ),
        CheckConstraint("prepaid_fen >= 0 and receivable_fen >= 0 and credited_fen >= 0", name="amounts"),
        CheckConstraint("paid_fen >= 0 and paid_fen <= receivable_fen", name="paid"),
        CheckConstraint("approved_by is null or proposed_by is null or approved_by <> proposed_by", name="two_people"),
        # One proposal of a round waits at a time: the next one is worked out on what this one comes to.
        Index("uq_group_orders_settlement_open", "order_id", unique=True, sqlite_where=_PROPOSED, postgresql_where=_PROPOSED),
        Index("ix_group_orders_settlement_state", "site", "state", "proposed_at"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class SettlementMemberRow(Model):
    """A member on a settlement, as the list showed them when it was made."""

    __tablename__ = "group_orders_settlement_member"
    __append_only__ = True

    settlement_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_settlement.id"), primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), primary_key=True)
    position: Mapped[int]
    visit_no: Mapped[str]
    cohort: Mapped[str]
    name: Mapped[str]
    employee_no: Mapped[str]
    department: Mapped[str]
    exam_on: Mapped[date]
    package_name: Mapped[str]
    amount_fen: Mapped[int] = mapped_column(BigInteger)


class SettlementLineRow(Model):
    """A line on a settlement with the company's part of its charge; a correction is the difference to what was settled before."""

    __tablename__ = "group_orders_settlement_line"
    __append_only__ = True

    settlement_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_settlement.id"), primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("exam_order_line.id"), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_order.id"))
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    position: Mapped[int]
    kind: Mapped[str]
    name: Mapped[str]
    standard_fen: Mapped[int] = mapped_column(BigInteger)
    amount_fen: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint("kind in ('first', 'correction')", name="kind"),
        CheckConstraint("amount_fen > 0 or kind = 'correction' and amount_fen <> 0", name="amount"),
        Index("ix_group_orders_settlement_line_line", "line_id"),
        Index("ix_group_orders_settlement_line_order", "order_id", "settlement_id"),
        Index("ix_group_orders_settlement_line_member", "settlement_id", "visit_id"),
    )


class SettlementHold(Model):
    """Which live settlement a line of a round is on: the database itself keeps a line from being settled twice.

    A row comes with the settlement's proposal and goes when it is returned or voided; verify compares them with the lines.
    """

    __tablename__ = "group_orders_settlement_hold"
    __audited__ = False

    order_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_order.id"), primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("exam_order_line.id"), primary_key=True)
    settlement_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_settlement.id"), index=True)


class SettlementPayment(Model):
    """Money that came in for a settlement, or its going back. `source_id` is the transfer's match or the receipt."""

    __tablename__ = "group_orders_settlement_payment"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    settlement_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_settlement.id"), index=True)
    way: Mapped[str]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    source_id: Mapped[UUID] = mapped_column(index=True)
    reason: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]

    __table_args__ = (
        CheckConstraint("amount_fen <> 0", name="amount"),
        CheckConstraint("way in ('transfer', 'receipt')", name="way"),
    )


class PrepaymentAct(Model):
    """A round's prepayment sent back by bank, or carried to the next round (`to_order_id`). It comes in by receipts and transfers."""

    __tablename__ = "group_orders_prepayment"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    act_no: Mapped[str] = mapped_column(unique=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("group_orders_order.id"), index=True)
    to_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("group_orders_order.id"), index=True)
    kind: Mapped[str]
    reference: Mapped[str]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("billing_transaction.id"), unique=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]

    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("kind in ('refunded', 'carried')", name="kind"),
        CheckConstraint("(kind = 'carried') = (to_order_id is not null)", name="carried"),
    )

"""Tables of the cashier: drawers, receipts with their parts and lines, and each print of one."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model

_OPEN = text("closed_at is null")
_TAKEN = text("part_of is null and gateway_order_id is not null")


class DrawerRow(Model):
    """A cashier's money from the first receipt until the day close; at most one is open for each cashier and site.

    `cashier_id` is NOBODY for money that no cashier waits for. A receipt holds the row while it is booked, so that it is either
    wholly in what was closed or not at all.
    """

    __tablename__ = "billing_drawer"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    cashier_id: Mapped[UUID] = mapped_column(index=True)
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        Index("uq_billing_drawer_open", "site", "cashier_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_billing_drawer_closed", "site", "closed_at"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class ReceiptRow(Model):
    """Money that was taken or given back in one go. `voids`, `reissues` and `refund_of` name the receipt that this one is about."""

    __tablename__ = "billing_receipt"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    receipt_no: Mapped[str] = mapped_column(unique=True)
    site: Mapped[str]
    kind: Mapped[str]
    sign: Mapped[int]
    target_kind: Mapped[str]
    target_id: Mapped[UUID] = mapped_column(index=True)
    visit_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    total_fen: Mapped[int] = mapped_column(BigInteger)
    drawer_id: Mapped[UUID] = mapped_column(ForeignKey("billing_drawer.id"), index=True)
    cashier_id: Mapped[UUID | None]
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("billing_transaction.id"), unique=True)
    voids: Mapped[UUID | None] = mapped_column(ForeignKey("billing_receipt.id"), unique=True)
    reissues: Mapped[UUID | None] = mapped_column(ForeignKey("billing_receipt.id"), unique=True)
    refund_of: Mapped[UUID | None] = mapped_column(ForeignKey("billing_receipt.id"), index=True)
    reason: Mapped[str]
    approved_by: Mapped[UUID | None]
    at: Mapped[datetime]
    booked_on: Mapped[date]

    __table_args__ = (
        CheckConstraint("kind in ('payment', 'refund', 'void')", name="kind"),
        CheckConstraint("sign = 1 and kind <> 'refund' or sign = -1 and kind <> 'payment'", name="sign"),
        CheckConstraint("total_fen > 0", name="total"),
        CheckConstraint("(kind = 'void') = (voids is not null) and (kind = 'refund') = (refund_of is not null)", name="about"),
        Index("ix_billing_receipt_day", "site", "booked_on", "id"),
    )


class ReceiptPartRow(Model):
    """What came in or went back by one way. A refund's or void's part names the part that it takes back."""

    __tablename__ = "billing_receipt_part"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    receipt_id: Mapped[UUID] = mapped_column(ForeignKey("billing_receipt.id"), index=True)
    method: Mapped[str]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    reference: Mapped[str]
    card_id: Mapped[UUID | None] = mapped_column(index=True)
    gateway_order_id: Mapped[UUID | None]
    tendered_fen: Mapped[int | None] = mapped_column(BigInteger)
    part_of: Mapped[UUID | None] = mapped_column(ForeignKey("billing_receipt_part.id"), index=True)

    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("tendered_fen is null or (method = 'cash' and tendered_fen >= amount_fen)", name="tendered"),
        CheckConstraint("(method = 'card') = (card_id is not null)", name="card"),
        # A payment of a gateway is booked once, whatever comes twice (M5).
        Index(
            "uq_billing_receipt_part_gateway", "gateway_order_id", unique=True, sqlite_where=_TAKEN, postgresql_where=_TAKEN
        ),
    )  # fmt: skip


class ReceiptLineRow(Model):
    """By how much a receipt changed what is paid of an order line; the lines of a receipt add up to its total, a refund's to less it."""

    __tablename__ = "billing_receipt_line"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    receipt_id: Mapped[UUID] = mapped_column(ForeignKey("billing_receipt.id"), index=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("exam_order_line.id"), index=True)
    amount_fen: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("amount_fen <> 0", name="amount"),)


class ReceiptPrint(Model):
    """One print of a receipt; the second and every later one says on paper that it is a reprint."""

    __tablename__ = "billing_receipt_print"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    receipt_id: Mapped[UUID] = mapped_column(ForeignKey("billing_receipt.id"), index=True)
    paper: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

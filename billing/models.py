"""Billing's tables: charges that follow the order, payments and refunds at the hospital's window, and who is owed money."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class Charge(Model):
    """What one order line costs its payer, in fen; `sign` is 1 for the charge and -1 for its reversal."""

    __tablename__ = "billing_charge"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("exam_order_line.id"))
    payer: Mapped[str]
    sign: Mapped[int]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (
        UniqueConstraint("line_id", "sign"),
        CheckConstraint("sign in (1, -1)", name="sign"),
        CheckConstraint("amount_fen >= 0", name="amount"),
        CheckConstraint("payer in ('person', 'organization')", name="payer"),
    )


class WindowPayment(Model):
    """A payment taken at the hospital's window, or the undoing of one. `receipt_no` is the window's own number."""

    __tablename__ = "billing_window_payment"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    receipt_no: Mapped[str]
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("billing_window_payment.id"), unique=True)
    reason: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (CheckConstraint("amount_fen > 0", name="amount"),)


class WindowRefund(Model):
    """Money given back at the hospital's window, or the undoing of such a record."""

    __tablename__ = "billing_window_refund"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    receipt_no: Mapped[str]
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("billing_window_refund.id"), unique=True)
    reason: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (CheckConstraint("amount_fen > 0", name="amount"),)


class RefundBoard(Model):
    """The projection behind the list of refunds: a row while money is owed to a person. Compared with the facts by verify."""

    __tablename__ = "billing_refund_board"
    __audited__ = False

    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), primary_key=True)
    site: Mapped[str] = mapped_column(index=True)
    amount_fen: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("amount_fen > 0", name="amount"),)

"""Billing's tables: the ledger, charges that follow the order, what the hospital's window did, and who is owed money."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from billing import card_models as card_models  # the migrations look for a room's tables here
from billing import day_close_models as day_close_models
from billing import discount_models as discount_models
from billing import gateway_models as gateway_models
from billing import invoice_models as invoice_models
from billing import receipt_models as receipt_models
from billing import transfer_models as transfer_models
from exam.kit.db import ADDED, Model


class LedgerTransaction(Model):
    """What happened once, with the paper behind it (`about`), the cashier's drawer and, for a mistake taken back, what it reverses."""

    __tablename__ = "billing_transaction"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    site: Mapped[str]
    visit_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    about: Mapped[UUID | None] = mapped_column(index=True)
    drawer_id: Mapped[UUID | None] = mapped_column(index=True)
    reverses: Mapped[UUID | None] = mapped_column(ForeignKey("billing_transaction.id"), unique=True)
    at: Mapped[datetime]
    booked_on: Mapped[date]
    actor_id: Mapped[UUID | None]

    __table_args__ = (Index("ix_billing_transaction_day", "site", "booked_on", "kind"),)


class LedgerTransfer(Model):
    """An amount that one account is debited and another credited: a row cannot be written that does not sum to zero."""

    __tablename__ = "billing_transfer"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("billing_transaction.id"), index=True)
    debit: Mapped[str]
    debit_of: Mapped[UUID]
    credit: Mapped[str]
    credit_of: Mapped[UUID]
    amount_fen: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("debit <> credit or debit_of <> credit_of", name="two_accounts"),
        Index("ix_billing_transfer_debit", "debit_of", "debit"),
        Index("ix_billing_transfer_credit", "credit_of", "credit"),
    )


class GuardedBalance(Model):
    """What a card or a prepayment holds: moved under the condition that it stays above zero; verify compares it with the transfers."""

    __tablename__ = "billing_balance"
    __audited__ = False

    kind: Mapped[str] = mapped_column(primary_key=True)
    of: Mapped[UUID] = mapped_column(primary_key=True)
    balance_fen: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("balance_fen >= 0", name="balance"),)


class Charge(Model):
    """What an order line costs one payer, in fen; `sign` is 1 for the charge and -1 for its reversal.

    A new price, discount or payer is the reversal of what stood and a new charge. `catalog_revision` is the price list that it
    was priced by, `standard_fen` the list price there, `payer_id` the group order whose organisation pays.
    """

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
    payer_id: Mapped[UUID | None] = mapped_column(info=ADDED)
    standard_fen: Mapped[int | None] = mapped_column(BigInteger, info=ADDED)
    catalog_revision: Mapped[int | None] = mapped_column(info=ADDED)

    __table_args__ = (
        CheckConstraint("sign in (1, -1)", name="sign"),
        CheckConstraint("amount_fen >= 0", name="amount"),
        CheckConstraint("payer in ('person', 'organization')", name="payer"),
        Index("ix_billing_charge_line", "line_id"),
        Index("ix_billing_charge_payer", "payer_id"),
    )


class DiscountRow(Model):
    """A discount on the person's own part, or the undoing of one (domain.md §8.2).

    Who asked and who approved are two people where the asker's own limit did not reach.
    """

    __tablename__ = "billing_discount"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    kind: Mapped[str]
    line_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_order_line.id"))
    factor: Mapped[str | None]
    total_fen: Mapped[int | None] = mapped_column(BigInteger)
    stackable: Mapped[bool]
    source: Mapped[str]
    reason: Mapped[str]
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("billing_discount.id"), unique=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    approved_by: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint("kind in ('booking', 'manual', 'waiver')", name="kind"),
        CheckConstraint("undoes is not null or (factor is null) <> (total_fen is null)", name="one_measure"),
        CheckConstraint("total_fen >= 0", name="total"),
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

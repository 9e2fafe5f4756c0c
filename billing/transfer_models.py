"""Tables of money that came in on the bank account: the transfers, and which part of one was found to be for what."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model

_STANDS = text("bank_reference <> '' and voided_at is null")


class BankTransfer(Model):
    """One amount on the bank's statement. It is never edited: what was typed wrong is voided and recorded anew.

    `matched_fen` is the sum of its matches that stand, moved together with them; the database keeps it within the amount.
    """

    __tablename__ = "billing_bank_transfer"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    transfer_no: Mapped[str] = mapped_column(unique=True)
    site: Mapped[str]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    matched_fen: Mapped[int] = mapped_column(BigInteger)
    payer_name: Mapped[str]
    payer_account: Mapped[str]
    bank_reference: Mapped[str]
    received_on: Mapped[date]
    remark: Mapped[str]
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("billing_transaction.id"))
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[UUID | None]
    recorded_name: Mapped[str]
    voided_at: Mapped[datetime | None]
    voided_name: Mapped[str]
    void_reason: Mapped[str]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("matched_fen >= 0 and matched_fen <= amount_fen", name="matched"),
        CheckConstraint("voided_at is null or matched_fen = 0", name="voided"),
        # The same line of a bank's statement is recorded once.
        Index(
            "uq_billing_bank_transfer_reference", "site", "bank_reference", unique=True, sqlite_where=_STANDS, postgresql_where=_STANDS
        ),
        Index("ix_billing_bank_transfer_day", "site", "received_on"),
    )  # fmt: skip
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class TransferMatch(Model):
    """A part of a transfer that was assigned, or the undoing of one. `target_id` is a group order, a settlement or the transfer itself."""

    __tablename__ = "billing_transfer_match"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    transfer_id: Mapped[UUID] = mapped_column(ForeignKey("billing_bank_transfer.id"), index=True)
    kind: Mapped[str]
    target_id: Mapped[UUID] = mapped_column(index=True)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("billing_transaction.id"), unique=True)
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("billing_transfer_match.id"), unique=True)
    reason: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]

    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("kind in ('prepayment', 'settlement', 'returned')", name="kind"),
    )

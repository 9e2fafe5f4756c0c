"""Tables of the day close: each cashier's count, its undoing, the centre's close, and the first day that takes bookings."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class DayClose(Model):
    """A cashier's drawer, counted and closed: `digest` is over every row that was booked in it (M6).

    Amounts are fen. `closing_fen` is what stays in the drawer: counted less handed in; the cashier's next drawer opens with it.
    `attempt` counts on when finance took a close back and the drawer was counted again.
    """

    __tablename__ = "billing_day_close"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    close_no: Mapped[str] = mapped_column(unique=True)
    site: Mapped[str]
    drawer_id: Mapped[UUID] = mapped_column(ForeignKey("billing_drawer.id"))
    attempt: Mapped[int]
    cashier_id: Mapped[UUID]
    day: Mapped[date]
    opened_at: Mapped[datetime]
    before: Mapped[UUID | None] = mapped_column(ForeignKey("billing_day_close.id"))
    opening_fen: Mapped[int] = mapped_column(BigInteger)
    received_fen: Mapped[int] = mapped_column(BigInteger)
    expected_fen: Mapped[int] = mapped_column(BigInteger)
    counted_fen: Mapped[int] = mapped_column(BigInteger)
    handed_fen: Mapped[int] = mapped_column(BigInteger)
    closing_fen: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    transaction_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_transaction.id"))
    statement: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (
        # Of two screens that close the same drawer one wins.
        UniqueConstraint("drawer_id", "attempt"),
        CheckConstraint("closing_fen = counted_fen - handed_fen", name="closing"),
        CheckConstraint("opening_fen >= 0 and received_fen >= 0 and handed_fen >= 0 and closing_fen >= 0", name="amounts"),
        CheckConstraint("(counted_fen = expected_fen) = (transaction_id is null)", name="difference"),
        CheckConstraint("counted_fen = expected_fen or reason <> ''", name="reason"),
        Index("ix_billing_day_close_cashier", "site", "cashier_id", "day"),
        Index("ix_billing_day_close_day", "site", "day"),
    )


class DayCloseUndone(Model):
    """Finance took a count back, before the centre's close. The drawer stays shut: it is counted again, nothing is booked in it."""

    __tablename__ = "billing_day_close_undone"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    close_id: Mapped[UUID] = mapped_column(ForeignKey("billing_day_close.id"), unique=True)
    reason: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]


class CentreClose(Model):
    """A day of the whole centre, closed by finance for good: its sums by method and kind, and the digest of its ledger rows (M6)."""

    __tablename__ = "billing_centre_close"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    day: Mapped[date]
    statement: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (UniqueConstraint("site", "day"),)


class OpenDay(Model):
    """The first day of a site that takes bookings. Every booking holds it shared, the centre's close alone: none falls between.

    Derived from the centre's closes, compared by verify.
    """

    __tablename__ = "billing_open_day"
    __audited__ = False

    site: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date]

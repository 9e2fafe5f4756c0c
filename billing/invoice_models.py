"""Tables of invoices: segments of numbers, invoices with what they cover, and everything that happened to them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model

_LIVE = text("is_live")
_LIVE_ON_SQLITE = text("is_live = 1")
_NUMBERED = text("number <> ''")
_RED = text("original_id is not null and state <> 'failed'")


class InvoiceSegment(Model):
    """Numbered sheets that were handed to a cashier. How many were used is counted from `InvoiceNumber`, which is the fact."""

    __tablename__ = "billing_invoice_segment"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    cashier_id: Mapped[UUID] = mapped_column(index=True)
    code: Mapped[str]
    first: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    given_at: Mapped[datetime]
    given_by: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint('0 < first and first <= last', name="range"),
        Index("ix_billing_invoice_segment_code", "code", "first"),
    )  # fmt: skip


class InvoiceRow(Model):
    """An invoice, blue or red. A red one names the invoice that it takes back. `request_no` is our own number of the wish."""

    __tablename__ = "billing_invoice"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    request_no: Mapped[str] = mapped_column(unique=True)
    site: Mapped[str]
    kind: Mapped[str]
    medium: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID] = mapped_column(index=True)
    visit_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    about: Mapped[str]
    title: Mapped[str]
    tax_no: Mapped[str]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    items: Mapped[str] = mapped_column(Text)
    original_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_invoice.id"))
    state: Mapped[str]
    why: Mapped[str]
    code: Mapped[str]
    number: Mapped[str]
    check_code: Mapped[str]
    url: Mapped[str]
    reason: Mapped[str]
    drawer_id: Mapped[UUID] = mapped_column(ForeignKey("billing_drawer.id"), index=True)
    cashier_id: Mapped[UUID | None]
    opened_at: Mapped[datetime]
    issued_at: Mapped[datetime | None]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("kind in ('blue', 'red') and (kind = 'red') = (original_id is not null)", name="kind"),
        CheckConstraint("medium in ('paper', 'fiscal', 'tax')", name="medium"),
        CheckConstraint("subject_kind in ('receipt', 'settlement')", name="subject"),
        CheckConstraint("state in ('requested', 'unknown', 'issued', 'failed', 'voided', 'reddened')", name="state"),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("state in ('requested', 'unknown', 'failed') or number <> ''", name="number"),
        Index(
            "uq_billing_invoice_number", "medium", "code", "number", unique=True, sqlite_where=_NUMBERED, postgresql_where=_NUMBERED
        ),
        Index("uq_billing_invoice_red", "original_id", unique=True, sqlite_where=_RED, postgresql_where=_RED),
        Index("ix_billing_invoice_list", "site", "opened_at"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class InvoiceCover(Model):
    """What an invoice stands for: a part of a receipt, or a settlement. It is on one live invoice at most, by the index (M9)."""

    __tablename__ = "billing_invoice_cover"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("billing_invoice.id"), index=True)
    covers: Mapped[UUID]
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    is_live: Mapped[bool]

    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount"),
        Index("uq_billing_invoice_cover_live", "covers", unique=True, sqlite_where=_LIVE_ON_SQLITE, postgresql_where=_LIVE),
    )


class InvoiceNumber(Model):
    """One number of a segment that was used: by an invoice, or by nobody (`invoice_id` None: a blank sheet that was spoiled)."""

    __tablename__ = "billing_invoice_number"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    segment_id: Mapped[UUID] = mapped_column(ForeignKey("billing_invoice_segment.id"), index=True)
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_invoice.id"), index=True)
    code: Mapped[str]
    number: Mapped[int] = mapped_column(BigInteger)
    drawer_id: Mapped[UUID] = mapped_column(ForeignKey("billing_drawer.id"), index=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (UniqueConstraint("code", "number"),)


class InvoiceFact(Model):
    """One thing that happened to an invoice. `number` is the sheet's, for a print, a spoiled sheet and a void; `drawer_id` for the latter two."""

    __tablename__ = "billing_invoice_fact"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("billing_invoice.id"), index=True)
    kind: Mapped[str]
    number: Mapped[str]
    reason: Mapped[str]
    drawer_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_drawer.id"), index=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]


class InvoiceWatch(Model):
    """What the worker asks a platform about next. Not audited: it says only when."""

    __tablename__ = "billing_invoice_watch"
    __audited__ = False

    id: Mapped[UUID] = mapped_column(ForeignKey("billing_invoice.id"), primary_key=True)
    asks: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(index=True)

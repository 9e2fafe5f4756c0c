"""Tables of discounts that are data: how much each role may take off, booking schemes, and what waits for a second person."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class DiscountLimit(Model):
    """From a day on, the least factor down to which a role may discount on its own word; the newest version of a role counts."""

    __tablename__ = "billing_discount_limit"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str]
    least_factor: Mapped[str]
    valid_from: Mapped[date]
    source: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (Index("ix_billing_discount_limit_role", "role", "valid_from"),)


class BookingScheme(Model):
    """A version of a booking scheme (预约打折方案): its coefficient and the exam days it holds for. The newest of a code counts."""

    __tablename__ = "billing_booking_scheme"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    factor: Mapped[str]
    stackable: Mapped[bool]
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    source: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]


class DiscountRequest(Model):
    """What one person may not give on their own word: a discount beyond their limit, or money back for what was done already."""

    __tablename__ = "billing_discount_request"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    site: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    line_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_order_line.id"))
    factor: Mapped[str | None]
    total_fen: Mapped[int | None] = mapped_column(BigInteger)
    before_fen: Mapped[int] = mapped_column(BigInteger)
    after_fen: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint("kind in ('manual', 'waiver')", name="kind"),
        CheckConstraint("(factor is null) <> (total_fen is null)", name="one_measure"),
        CheckConstraint("0 <= after_fen and after_fen <= before_fen", name="lower"),
    )


class DiscountDecision(Model):
    """What a second person said to a request, once; `discount_id` is what came of it."""

    __tablename__ = "billing_discount_decision"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    request_id: Mapped[UUID] = mapped_column(ForeignKey("billing_discount_request.id"), unique=True)
    is_approved: Mapped[bool]
    discount_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_discount.id"))
    reason: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

"""Tables of the working calendar: versions of a year and their approvals, both facts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class CalendarYear(Model):
    """One version of a year's special days. `days` is a JSON list of `SpecialDay`."""

    __tablename__ = "exam_calendar_year"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    year: Mapped[int]
    version: Mapped[int]
    days: Mapped[str] = mapped_column(Text)
    source: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str]
    author_id: Mapped[UUID | None]
    at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("year", "version"), CheckConstraint("version > 0", name="version"),
        CheckConstraint("year between 2000 and 2200", name="year"),
    )  # fmt: skip


class CalendarApproval(Model):
    """That somebody compared a version with the official notice."""

    __tablename__ = "exam_calendar_approval"
    __append_only__ = True

    calendar_id: Mapped[UUID] = mapped_column(ForeignKey("exam_calendar_year.id"), primary_key=True)
    approved_by: Mapped[str]
    approver_id: Mapped[UUID | None]
    approved_at: Mapped[datetime]

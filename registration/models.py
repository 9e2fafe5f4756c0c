"""Registration's tables: places a day, the desk's settings, the log of everything printed, consent texts and consents."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class DeskSetting(Model):
    """The desk's settings of one site. Whoever opens or moves a visit locks this row, so that places are counted one by one."""

    __tablename__ = "registration_desk_setting"

    site: Mapped[str] = mapped_column(primary_key=True)
    default_capacity: Mapped[int]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (CheckConstraint("default_capacity between 0 and 5000", name="capacity"),)
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class DayCapacity(Model):
    """How many visits a day takes, where it differs from the site's default."""

    __tablename__ = "registration_day_capacity"

    site: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    capacity: Mapped[int]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (CheckConstraint("capacity between 0 and 5000", name="capacity"),)
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class SlipPrint(Model):
    """One print of one slip; the second of the same subject is a reprint (补打)."""

    __tablename__ = "registration_print"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    kind: Mapped[str]
    subject: Mapped[str]
    copies: Mapped[int]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (
        Index("ix_registration_print_visit", "visit_id", "kind"),
        CheckConstraint("kind in ('guide_sheet', 'label', 'request_form')", name="kind"),
        CheckConstraint("copies > 0", name="copies"),
    )


class ConsentTextRow(Model):
    """One version of a site's consent text; the newest is in force. What was signed once is never rewritten."""

    __tablename__ = "registration_consent_text"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    version: Mapped[int]
    issued_on: Mapped[date]
    source: Mapped[str]
    body: Mapped[str] = mapped_column(Text)
    asks_everyone: Mapped[bool]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (UniqueConstraint("site", "version"), CheckConstraint("version > 0", name="version"))


class ConsentFact(Model):
    """A person's consent to one version of the text, or its withdrawal. `channel` is where it was given."""

    __tablename__ = "registration_consent"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    text_id: Mapped[UUID] = mapped_column(ForeignKey("registration_consent_text.id"))
    given_by: Mapped[str]
    channel: Mapped[str]
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("registration_consent.id"), unique=True)
    reason: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint("given_by in ('person', 'guardian')", name="given_by"),
        CheckConstraint("channel in ('desk', 'program')", name="channel"),
    )

"""Registration's tables: places a day, the desk's settings, the log of everything printed, consents, and rechecks."""

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


class RecheckRow(Model):
    """What is to be examined again after a visit (复查), until when, why and by whose order. `groups` is a JSON list of codes."""

    __tablename__ = "registration_recheck"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("exam_person.id"))
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    groups: Mapped[str] = mapped_column(Text)
    due_on: Mapped[date]
    reason: Mapped[str] = mapped_column(Text)
    rule: Mapped[str] = mapped_column(Text)
    is_private: Mapped[bool]
    ordered_by: Mapped[UUID | None]
    ordered_name: Mapped[str]
    ordered_at: Mapped[datetime]


class RecheckFact(Model):
    """What happened to a recheck: booked for a visit, examined, cancelled, put off, or the last of these taken back."""

    __tablename__ = "registration_recheck_fact"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recheck_id: Mapped[UUID] = mapped_column(ForeignKey("registration_recheck.id"))
    number: Mapped[int]
    kind: Mapped[str]
    visit_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_visit.id"))
    due_on: Mapped[date | None]
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str]

    __table_args__ = (
        UniqueConstraint("recheck_id", "number"),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("kind in ('book', 'done', 'cancel', 'withdraw', 'postpone', 'undo', 'remind')", name="kind"),
        CheckConstraint("kind <> 'book' or visit_id is not null", name="visit"),
        CheckConstraint("kind <> 'postpone' or due_on is not null", name="day"),
    )


class RecheckBoard(Model):
    """Where a recheck stands, for lists: derived from its row and facts, and compared with them by `exam verify`."""

    __tablename__ = "registration_recheck_board"
    __audited__ = False

    recheck_id: Mapped[UUID] = mapped_column(ForeignKey("registration_recheck.id"), primary_key=True)
    site: Mapped[str]
    person_id: Mapped[UUID]
    visit_id: Mapped[UUID]
    state: Mapped[str]
    due_on: Mapped[date]
    booked_id: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(Text)
    is_withdrawn: Mapped[bool]
    facts: Mapped[int]

    __table_args__ = (
        Index("ix_registration_recheck_board_due", "site", "state", "due_on"),
        Index("ix_registration_recheck_board_visit", "visit_id"),
        Index("ix_registration_recheck_board_booked", "booked_id"),
        Index("ix_registration_recheck_board_person", "person_id"),
    )

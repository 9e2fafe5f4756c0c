"""Tables of messages. Phones, texts and notices are sealed; what happened to a message is a fact that nobody changes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class Message(Model):
    """One SMS. `state` is what its facts say (`exam verify` compares them); `why` is the last reason.

    `due_at` is when the worker looks at it next: to send it, or to ask the gateway about it. `until_at` is until when that goes on:
    `useful_until` before it was handed over, then until when a receipt is awaited.
    """

    __tablename__ = "exam_message"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    occasion: Mapped[str]
    audience: Mapped[str]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_person.id"))
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_staff.id"))
    visit_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_visit.id"))
    visit_no: Mapped[str]
    template_code: Mapped[str]
    template_version: Mapped[int]
    phone: Mapped[bytes]
    text: Mapped[bytes]
    segments: Mapped[int]
    is_urgent: Mapped[bool]
    is_quiet: Mapped[bool]
    state: Mapped[str]
    why: Mapped[str]
    tries: Mapped[int]
    reference: Mapped[str]
    queued_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    useful_until: Mapped[datetime]
    until_at: Mapped[datetime | None]
    resends: Mapped[UUID | None] = mapped_column(ForeignKey("exam_message.id"), unique=True)
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("state in ('waiting', 'held', 'unknown', 'sent', 'delivered', 'failed', 'expired')", name="state"),
        CheckConstraint("audience in ('person', 'doctor')", name="audience"),
        CheckConstraint("(person_id is null) <> (staff_id is null)", name="one_reader"),
        Index("ix_exam_message_due", "state", "due_at"),
        Index("ix_exam_message_until", "until_at"),
        Index("ix_exam_message_list", "site", "queued_at"),
        Index("ix_exam_message_person", "person_id"),
        Index("ix_exam_message_visit", "visit_id"),
        Index("ix_exam_message_visit_no", "visit_no"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class MessageFact(Model):
    """One thing that happened to a message: queued, handed over, answered, a receipt … `kind` is an action of `rules.DELIVERY`,
    or a note that moves nothing. A gateway's receipt carries its number, so that the same one counts once.
    """

    __tablename__ = "exam_message_fact"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(ForeignKey("exam_message.id"), index=True)
    kind: Mapped[str]
    code: Mapped[str]
    reference: Mapped[str]
    receipt_id: Mapped[str | None] = mapped_column(unique=True)
    at: Mapped[datetime]
    actor: Mapped[str]


class SmsConsent(Model):
    """What a person said about SMS, and who wrote it down. The latest one counts."""

    __tablename__ = "exam_sms_consent"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("exam_person.id"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str]

    __table_args__ = (CheckConstraint("kind in ('given', 'withdrawn')", name="kind"),)


class StaffPhone(Model):
    """Where a member of staff takes SMS, as they said themselves. The latest one counts; an empty one takes it back."""

    __tablename__ = "exam_staff_phone"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"), index=True)
    phone: Mapped[bytes]
    at: Mapped[datetime]


class InboxNotice(Model):
    """A notice inside the system for one member of staff."""

    __tablename__ = "exam_notice"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"))
    visit_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_visit.id"))
    text: Mapped[bytes]
    link: Mapped[str]
    at: Mapped[datetime]

    __table_args__ = (Index("ix_exam_notice_staff", "staff_id", "at"),)


class InboxNoticeRead(Model):
    """That a notice was read."""

    __tablename__ = "exam_notice_read"
    __append_only__ = True

    notice_id: Mapped[UUID] = mapped_column(ForeignKey("exam_notice.id"), primary_key=True)
    at: Mapped[datetime]


class InboxNoticeUnread(Model):
    """The notices that are not read yet: every request counts its reader's few rows here, however old the inbox is."""

    __tablename__ = "exam_notice_unread"
    __audited__ = False

    notice_id: Mapped[UUID] = mapped_column(ForeignKey("exam_notice.id"), primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("exam_staff.id"), index=True)

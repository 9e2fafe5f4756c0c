"""Chief review's tables: reviews, their append-only versions and signatures with their pictures, recheck plans, and pushes to specialists."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class ReviewRow(Model):
    """The review of one visit. `version` is the number of its last version; the author is who wrote that one."""

    __tablename__ = "chief_review_review"

    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), primary_key=True)
    site: Mapped[str]
    state: Mapped[str]
    version: Mapped[int]
    author_id: Mapped[UUID | None]
    author: Mapped[str]
    is_rereview: Mapped[bool]
    attention: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        CheckConstraint("state in ('open', 'first_signed', 'final')", name="state"),
        Index("ix_chief_review_review_state", "site", "state", "is_rereview"),
        Index("ix_chief_review_review_again", "is_rereview"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class ReviewVersion(Model):
    """One version of a review. `lines` and `removed` are JSON; `digest` is of the lines, `basis` of the results they rest on."""

    __tablename__ = "chief_review_version"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    number: Mapped[int]
    parent: Mapped[UUID | None] = mapped_column(ForeignKey("chief_review_version.id"), unique=True)
    lines: Mapped[str] = mapped_column(Text)
    is_nothing_abnormal: Mapped[bool]
    removed: Mapped[str] = mapped_column(Text)
    digest: Mapped[str]
    basis: Mapped[str]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)

    __table_args__ = (UniqueConstraint("visit_id", "number"), CheckConstraint("number > 0", name="number"))


class ReviewSignature(Model):
    """A doctor's signature under one version, or the undoing of one. `digest` is of what the screen showed."""

    __tablename__ = "chief_review_signature"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    number: Mapped[int]
    level: Mapped[str]
    version: Mapped[int]
    digest: Mapped[str]
    basis: Mapped[str]
    staff_id: Mapped[UUID | None]
    name: Mapped[str]
    title: Mapped[str]
    at: Mapped[datetime]
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("chief_review_signature.id"), unique=True)
    reason: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("visit_id", "number"),
        CheckConstraint("level in ('first', 'final')", name="level"),
        CheckConstraint("undoes is not null or staff_id is not null", name="signer"),
        CheckConstraint("undoes is null or reason <> ''", name="reason"),
    )


class SignedPicture(Model):
    """Which picture of the hand-written signature was in force when a doctor signed; no row when there was none.

    A table of its own: the digests of the signatures that are there already cover their columns as they are.
    """

    __tablename__ = "chief_review_signed_picture"
    __append_only__ = True

    signature_id: Mapped[UUID] = mapped_column(ForeignKey("chief_review_signature.id"), primary_key=True)
    picture_id: Mapped[UUID] = mapped_column(ForeignKey("exam_signature_picture.id"))


class RecheckPlan(Model):
    """What a review's writers chose of the proposed rechecks, as often as somebody saved it. `body` is JSON."""

    __tablename__ = "chief_review_recheck_plan"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    number: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str]

    __table_args__ = (UniqueConstraint("visit_id", "number"), CheckConstraint("number > 0", name="number"))


class PushRow(Model):
    """Findings of a visit that were pushed to a specialist department (推送专科). `findings` is a JSON list of key and text."""

    __tablename__ = "chief_review_push"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    specialist: Mapped[str]
    findings: Mapped[str] = mapped_column(Text)
    urgency: Mapped[str]
    note: Mapped[str] = mapped_column(Text)
    is_private: Mapped[bool]
    pushed_by: Mapped[UUID | None]
    pushed_name: Mapped[str]
    pushed_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("urgency in ('routine', 'soon', 'urgent')", name="urgency"),)


class PushFact(Model):
    """What came of a push: read, the person told, visited with a diagnosis and fees, not coming, withdrawn, or taken back."""

    __tablename__ = "chief_review_push_fact"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    push_id: Mapped[UUID] = mapped_column(ForeignKey("chief_review_push.id"))
    number: Mapped[int]
    kind: Mapped[str]
    channel: Mapped[str]
    message_id: Mapped[UUID | None]
    diagnosis: Mapped[str] = mapped_column(Text)
    fee_fen: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str]

    __table_args__ = (
        UniqueConstraint("push_id", "number"),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("kind in ('see', 'message', 'tell', 'visit', 'not_coming', 'withdraw', 'undo')", name="kind"),
        Index("ix_chief_review_push_fact_message", "message_id"),
        CheckConstraint("fee_fen is null or fee_fen >= 0", name="fee"),
    )


class PushBoard(Model):
    """Where a push stands, for the specialists' lists and for counting: derived from its facts, compared by `exam verify`."""

    __tablename__ = "chief_review_push_board"
    __audited__ = False

    push_id: Mapped[UUID] = mapped_column(ForeignKey("chief_review_push.id"), primary_key=True)
    site: Mapped[str]
    visit_id: Mapped[UUID]
    specialist: Mapped[str]
    urgency: Mapped[str]
    state: Mapped[str]
    pushed_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    visited_at: Mapped[datetime | None]
    sms: Mapped[str]
    diagnosis: Mapped[str] = mapped_column(Text)
    fee_fen: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    facts: Mapped[int]

    __table_args__ = (
        Index("ix_chief_review_push_board_list", "site", "state", "specialist", "pushed_at"),
        Index("ix_chief_review_push_board_visit", "visit_id"),
    )

"""Reporting's tables: versions and their facts (append-only), requests of a batch, the site's settings, and figures told for indicators."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class Version(Model):
    """One sealed file of one version of a visit's report, with everything it was drawn from. Kept for ever.

    `document` is the report as data (JSON); `drawn_sha256` is the digest of the PDF before the seal, `pdf_sha256` and
    `pdf_bytes` are those of the sealed file in the store; `manifest` lists the record versions it was made of (JSON).
    """

    __tablename__ = "reporting_version"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    number: Mapped[int]
    kind: Mapped[str]
    document: Mapped[str] = mapped_column(Text)
    document_digest: Mapped[str]
    drawn_sha256: Mapped[str]
    pdf_sha256: Mapped[str]
    pdf_bytes: Mapped[int] = mapped_column(BigInteger)
    review_version: Mapped[int]
    manifest: Mapped[str] = mapped_column(Text)
    signed_at: Mapped[datetime]
    issued_by: Mapped[UUID | None]
    at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("visit_id", "number", "kind"),
        CheckConstraint("kind in ('main', 'supplement')", name="kind"),
        CheckConstraint("number > 0", name="number"),
        Index("ix_reporting_version_signed", "kind", "signed_at"),
        Index("ix_reporting_version_first", "kind", "number", "signed_at"),
    )


class ReportFact(Model):
    """What happened to a version (issued, delivered, recalled, superseded, not current), or the undoing of a fact."""

    __tablename__ = "reporting_fact"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    version_number: Mapped[int]
    kind: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("reporting_fact.id"), unique=True)

    __table_args__ = (
        CheckConstraint("kind in ('issued', 'delivered', 'recalled', 'superseded', 'not_current')", name="kind"),
    )


class IssueRequest(Model):
    """One visit of a batch that is issued in the background: waiting, done, or refused with the reason."""

    __tablename__ = "reporting_issue_request"
    __audited__ = False

    id: Mapped[UUID] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(index=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    site: Mapped[str]
    state: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[UUID | None]
    asked_by_login: Mapped[str]
    asked_by_name: Mapped[str]
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_reporting_issue_request_state", "state", "id"),)


class Setting(Model):
    """What a site chose: whether a report is issued by itself as soon as the final signature is given."""

    __tablename__ = "reporting_setting"

    site: Mapped[str] = mapped_column(primary_key=True)
    is_issued_automatically: Mapped[bool]
    ver: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class IndicatorFigure(Model):
    """A number that an indicator needs and that nobody can count from the records, with who told it and the document it comes from.

    `posts` and `days` are the ultrasound posts and working days of a month (`subject` is empty); `parts` are the body parts of an
    ultrasound group (`subject` is its code) from a month on. The newest row of a kind, subject and month counts; the others are its
    history. `number_text` is decimal text.
    """

    __tablename__ = "reporting_indicator_figure"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str]
    month: Mapped[str]
    number_text: Mapped[str]
    source: Mapped[str] = mapped_column(Text)
    put_by: Mapped[str]
    put_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("kind in ('posts', 'days', 'parts')", name="kind"),
        CheckConstraint("source <> ''", name="source"),
        Index("ix_reporting_indicator_figure", "site", "kind", "month"),
    )

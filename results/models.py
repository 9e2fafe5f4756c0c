"""Tables of results: a record for each visit and department, its append-only versions, and the values of each version."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class Record(Model):
    """A department's record of a visit. `version` is the number of its last version, 0 before the first.

    `values_id` names the version whose values hold now: signing and undoing make a version without values of its own.
    """

    __tablename__ = "results_record"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    site: Mapped[str]
    department: Mapped[str]
    state: Mapped[str]
    version: Mapped[int]
    version_id: Mapped[UUID | None]
    values_id: Mapped[UUID | None]
    summary: Mapped[str] = mapped_column(Text)
    doctor_id: Mapped[UUID | None]
    doctor: Mapped[str]
    verified_at: Mapped[datetime | None]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (
        UniqueConstraint("visit_id", "department"),
        CheckConstraint("state in ('open', 'saved', 'verified', 'locked')", name="state"),
        CheckConstraint("(state in ('verified', 'locked')) = (verified_at is not null)", name="verified"),
    )
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class Version(Model):
    """One version of a record. `parent` is the version before it: a chain, never a fork.

    `base` is the number of the version that the screen had shown; it is older than the parent when two people's
    changes were merged.
    """

    __tablename__ = "results_version"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    record_id: Mapped[UUID] = mapped_column(ForeignKey("results_record.id"))
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    number: Mapped[int]
    parent: Mapped[UUID | None] = mapped_column(ForeignKey("results_version.id"), unique=True)
    base: Mapped[int]
    values_id: Mapped[UUID]
    summary: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    kind: Mapped[str]

    __table_args__ = (
        UniqueConstraint("record_id", "number"),
        CheckConstraint("kind in ('entered', 'imported', 'verified', 'reopened')", name="kind"),
        CheckConstraint("number > 0", name="number"),
    )


class Value(Model):
    """One item's value in one version, with what it was judged by. `choices` is a JSON list of the picked choices.

    `judged_by` is `catalog` or `delivered`: whose range `low`, `high` and `range_text` are.
    """

    __tablename__ = "results_value"
    __append_only__ = True

    version_id: Mapped[UUID] = mapped_column(ForeignKey("results_version.id"), primary_key=True)
    item_code: Mapped[str] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"))
    raw: Mapped[str] = mapped_column(Text)
    raw_unit: Mapped[str]
    choices: Mapped[str] = mapped_column(Text)
    comparator: Mapped[str]
    number_text: Mapped[str]
    unit: Mapped[str]
    flag: Mapped[str]
    range_text: Mapped[str]
    low: Mapped[str]
    high: Mapped[str]
    judged_by: Mapped[str]
    why: Mapped[str] = mapped_column(Text)

    __table_args__ = (CheckConstraint("judged_by in ('catalog', 'delivered')", name="judged_by"),)

"""A visit's tables: the visit, its facts (append-only), and the projections that lists read and `exam verify` rebuilds."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from exam.kit.db import Model


class Visit(Model):
    """One person's exam (一次体检). Sex and birth date are those of the day of registration; the catalogue is pinned."""

    __tablename__ = "exam_visit"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_no: Mapped[str] = mapped_column(unique=True)
    site: Mapped[str]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("exam_person.id"), index=True)
    person_name: Mapped[str]
    sex: Mapped[str]
    birth_on: Mapped[date]
    category: Mapped[str]
    exam_on: Mapped[date]
    package_code: Mapped[str]
    package_name: Mapped[str]
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("exam_organization.id"), index=True)
    organization: Mapped[str]
    catalog_revision: Mapped[int]
    catalog_on: Mapped[date]
    urgent: Mapped[bool]
    created_at: Mapped[datetime]
    ver: Mapped[int] = mapped_column()

    __table_args__ = (Index("ix_exam_visit_day", "site", "exam_on"), Index("ix_exam_visit_name", "person_name"))
    __mapper_args__ = {"version_id_col": ver}  # noqa: RUF012


class VisitMilestone(Model):
    """A milestone of a visit, or the undoing of an earlier one."""

    __tablename__ = "exam_milestone"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    kind: Mapped[str]
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("exam_milestone.id"), unique=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(Text)


class OrderLineRow(Model):
    """One ordered group of a visit with its frozen price. Its state is in the facts."""

    __tablename__ = "exam_order_line"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    site: Mapped[str]
    group_code: Mapped[str]
    name: Mapped[str]
    department: Mapped[str]
    standard_fen: Mapped[int] = mapped_column(BigInteger)
    price_fen: Mapped[int] = mapped_column(BigInteger)
    origin: Mapped[str]
    service_only: Mapped[bool]
    position: Mapped[int]
    ordered_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("origin in ('package', 'added')", name="origin"),
        CheckConstraint("price_fen >= 0", name="price"),
    )


class LineProgress(Model):
    """A progress fact about an order line, or the undoing of one."""

    __tablename__ = "exam_line_progress"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("exam_order_line.id"), index=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    kind: Mapped[str]
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("exam_line_progress.id"), unique=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(Text)
    due_on: Mapped[date | None]


class TubeRow(Model):
    """One tube of a visit. The barcode is the visit number with two more digits and is never used again."""

    __tablename__ = "exam_tube"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    barcode: Mapped[str] = mapped_column(unique=True)
    tube_code: Mapped[str]
    name: Mapped[str]
    colour: Mapped[str]
    section: Mapped[str]
    draw_order: Mapped[int]
    is_blood: Mapped[bool]
    planned_at: Mapped[datetime]


class TubeLine(Model):
    """Which order lines are drawn into which tube."""

    __tablename__ = "exam_tube_line"
    __append_only__ = True

    tube_id: Mapped[UUID] = mapped_column(ForeignKey("exam_tube.id"), primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("exam_order_line.id"), primary_key=True, index=True)


class TubeFact(Model):
    """A fact about a tube (printed, collected, sent …), or the undoing of one."""

    __tablename__ = "exam_tube_fact"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tube_id: Mapped[UUID] = mapped_column(ForeignKey("exam_tube.id"), index=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    kind: Mapped[str]
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("exam_tube_fact.id"), unique=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(Text)


class VisitBoard(Model):
    """The projection that lists read: where the visit stands. Derived from the facts, rebuilt and compared by verify."""

    __tablename__ = "exam_visit_board"
    __audited__ = False

    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), primary_key=True)
    site: Mapped[str]
    exam_on: Mapped[date]
    state: Mapped[str]
    booked_at: Mapped[datetime | None]
    registered_at: Mapped[datetime | None]
    checked_in_at: Mapped[datetime | None]
    blood_drawn_at: Mapped[datetime | None]
    sheet_returned_at: Mapped[datetime | None]
    sections_done_at: Mapped[datetime | None]
    final_reviewed_at: Mapped[datetime | None]
    report_issued_at: Mapped[datetime | None]
    amount_due_fen: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_exam_visit_board_day", "site", "exam_on", "state"),
        Index("ix_exam_visit_board_state", "site", "state", "sections_done_at"),
    )


class LineBoard(Model):
    """The projection that department work lists read: each line's state and the visit's arrival."""

    __tablename__ = "exam_line_board"
    __audited__ = False

    line_id: Mapped[UUID] = mapped_column(ForeignKey("exam_order_line.id"), primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("exam_visit.id"), index=True)
    site: Mapped[str]
    department: Mapped[str]
    exam_on: Mapped[date]
    state: Mapped[str]
    group_code: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    due_on: Mapped[date | None]
    checked_in_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_exam_line_board_work", "site", "department", "exam_on", "state"),
        Index("ix_exam_line_board_due", "site", "state", "due_on"),
        Index("ix_exam_line_board_day", "site", "exam_on"),
        Index("ix_exam_line_board_underway", "site", "state", "department", "exam_on"),
    )

"""The lists of reports: waiting, issued, recalled; and what checks of the whole database read of many visits at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from chief_review import rules as review_rules
from chief_review.facts import FINAL as REVIEW_FINAL
from chief_review.facts import AbnormalCount, ConclusionLine, ReviewState
from chief_review.models import ReviewRow, ReviewSignature, ReviewVersion
from exam.catalog import service as catalog
from exam.kit import ids
from exam.kit.clock import CENTRE_ZONE, day_of
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of
from exam.kit.moments import minutes_between, month_of
from exam.kit.period import Period, day_after, start_of
from exam.knowledge.facts import Case, Flag, Reading, Subject
from exam.knowledge.rules import OUTSTANDING
from exam.people import service as people
from exam.people.rules import age_on
from exam.staff.models import StaffPractice
from exam.visits.facts import LineState, Milestone, VisitState
from exam.visits.models import LineBoard, Visit, VisitBoard, VisitMilestone
from exam.visits.spans import Span
from reporting.facts import RecordVersion, ReportEvent, ReportKind, ReportRow
from reporting.models import ReportFact, Version
from results.models import Record, Value

PAGE_SIZE = 20
MOST_EXPORTED = 5000
DAYS = (7, 30, 90, 0)
"""How far back the lists of issued and recalled reports go; 0 is without limit."""


class Tab(StrEnum):
    """The three lists."""

    WAITING = "waiting"
    ISSUED = "issued"
    RECALLED = "recalled"


TAB_NAMES = {Tab.WAITING: "待发布", Tab.ISSUED: "已发布", Tab.RECALLED: "已撤回"}

_PUBLISHED = (VisitState.PUBLISHED.value, VisitState.DELIVERED.value)


class Found(msgspec.Struct, frozen=True):
    """One page of a list: which page of how many, and how many lines in all."""

    rows: tuple[ReportRow, ...]
    page: int
    pages: int
    total: int


def find(db: Session, tab: Tab, text: str = "", days: int = 30, page: int = 1, size: int = PAGE_SIZE) -> Found:
    """A page of a list. A search looks through all days; a tube's barcode finds its visit."""
    statement = _statement(db, tab, text.strip(), days)
    page = max(1, min(page, 100_000))
    rows = db.execute(statement.limit(size).offset((page - 1) * size)).all()
    total = rows[0].total if rows else 0
    if not rows and page > 1:
        return find(db, tab, text, days, 1, size)
    return Found(tuple(_to_row(row) for row in rows), page, max(1, -(-total // size)), total)


def _statement(db: Session, tab: Tab, text: str, days: int) -> Any:
    later = aliased(Version)
    is_latest = ~exists().where(
        later.visit_id == Version.visit_id, later.kind == ReportKind.MAIN, later.number > Version.number
    )
    own_fact = and_(ReportFact.visit_id == Version.visit_id, ReportFact.version_number == Version.number)
    outdated = exists().where(own_fact, ReportFact.kind == ReportEvent.NOT_CURRENT)
    reason = select(func.max(ReportFact.reason)).where(own_fact, ReportFact.kind == ReportEvent.RECALLED).scalar_subquery()
    statement = (
        select(
            Visit.id, Visit.visit_no, Visit.person_name, Visit.sex, Visit.birth_on, Visit.category, Visit.organization,
            Visit.package_name, Visit.exam_on, Visit.urgent, VisitBoard.state, VisitBoard.final_reviewed_at, Version.number,
            Version.signed_at, outdated.label("outdated"), reason.label("reason"), was_rereviewed(Visit.id).label("again"),
            func.count().over().label("total"),
        )
        .select_from(VisitBoard)
        .join(Visit, Visit.id == VisitBoard.visit_id)
        .join(Version, and_(Version.visit_id == VisitBoard.visit_id, Version.kind == ReportKind.MAIN, is_latest),
              isouter=tab == Tab.WAITING)
        .where(VisitBoard.site == actor_of(db).site)
    )  # fmt: skip
    if tab == Tab.WAITING:
        # Re-reviewed reports come first (OTH-3), issued before or not, then urgent ones, then in the order of the final signature.
        is_again = or_(Version.number.is_not(None), was_rereviewed(Visit.id))
        order: tuple[Any, ...] = (is_again.desc(), Visit.urgent.desc(), VisitBoard.final_reviewed_at, Visit.id)
        statement = statement.where(VisitBoard.state == VisitState.FINAL)
    else:
        order = (Version.signed_at.desc(), Visit.id.desc())
        is_published = VisitBoard.state.in_(_PUBLISHED)
        statement = statement.where(is_published if tab == Tab.ISSUED else ~is_published)
        if days > 0 and not text:
            first = day_of(house_of(db).clock.now()) - timedelta(days=days - 1)
            statement = statement.where(Version.signed_at >= _start(first))
    if text:
        statement = statement.where(_matches(db, text))
    return statement.order_by(*order)


def was_rereviewed(visit_id: ColumnElement[UUID] | Any) -> ColumnElement[bool]:
    """Whether a final signature of a visit was ever taken back: its present one is of a re-review (OTH-3)."""
    return exists().where(
        ReviewSignature.visit_id == visit_id, ReviewSignature.level == REVIEW_FINAL, ReviewSignature.undoes.is_not(None)
    )


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), CENTRE_ZONE)


def _matches(db: Session, text: str) -> ColumnElement[bool]:
    try:
        return Visit.visit_no == ids.read_visit_no(text)
    except Refused:
        pass
    low, high = people.prefix_bounds(text[:60])
    by_name = and_(Visit.person_name >= low, Visit.person_name < high)
    found = people.search_statement(db, text)
    return by_name if found is None else or_(by_name, Visit.person_id.in_(found))


def _to_row(row: Any) -> ReportRow:
    return ReportRow(
        visit_id=row.id, visit_no=row.visit_no, person_name=row.person_name, sex=row.sex, age=age_on(row.birth_on, row.exam_on),
        category=row.category, organization=row.organization, package_name=row.package_name, exam_on=row.exam_on,
        state=row.state, is_urgent=row.urgent, final_reviewed_at=row.final_reviewed_at, number=row.number or 0,
        signed_at=row.signed_at, is_outdated=bool(row.outdated), recall_reason=row.reason or "", is_rereviewed=bool(row.again),
    )  # fmt: skip


# --- for the chief's queue -------------------------------------------------------------------------------------------


def abnormal_counts(db: Session, visit_ids: Sequence[UUID]) -> dict[UUID, AbnormalCount]:
    """Fills the chief's ABNORMAL_COUNTS: present values and the flagged ones among them; one statement."""
    flagged = func.sum(case((Value.flag.in_(OUTSTANDING), 1), else_=0))
    counted = (
        select(Record.visit_id, flagged, func.count())
        .join(Value, Value.version_id == Record.values_id)
        .where(Record.visit_id.in_(visit_ids))
        .group_by(Record.visit_id)
    )
    return {visit_id: AbnormalCount(int(few), many) for visit_id, few, many in db.execute(counted)}


# --- for checks of the whole database --------------------------------------------------------------------------------


def present_manifests(db: Session, span: Span) -> dict[UUID, tuple[RecordVersion, ...]]:
    """For each visit of a span the record versions that a report would be made of now; one statement."""
    has_values = exists().where(Value.version_id == Record.values_id)
    is_ordered = exists().where(
        LineBoard.visit_id == Record.visit_id, LineBoard.department == Record.department, LineBoard.state != LineState.REMOVED
    )
    listed = select(Record.visit_id, Record.department, Record.version).where(
        span.holds(Record.visit_id), or_(has_values, is_ordered)
    )
    found: dict[UUID, list[RecordVersion]] = {}
    for visit_id, department, version in db.execute(listed):
        found.setdefault(visit_id, []).append(RecordVersion(department, version))
    return {visit_id: tuple(versions) for visit_id, versions in found.items()}


def review_versions(db: Session, span: Span) -> dict[UUID, int]:
    """For each visit of a span the number of its review's last version; one statement."""
    listed = select(ReviewRow.visit_id, ReviewRow.version).where(span.holds(ReviewRow.visit_id))
    return dict(db.execute(listed).all())


class FinalReview(msgspec.Struct, frozen=True):
    """A final review as far as decision 22 goes: the flagged items that no line answers for, and whether it says anything."""

    visit_id: UUID
    uncovered: tuple[str, ...]
    is_silent: bool


def final_reviews(db: Session, span: Span) -> Iterator[FinalReview]:
    """The final reviews of a span at the actor's site; one marked for re-review waits for a doctor. Two statements."""
    flagged = _flagged(db, span)
    signed = (
        select(ReviewRow.visit_id, ReviewVersion.lines, ReviewVersion.is_nothing_abnormal, Visit.sex, Visit.exam_on)
        .join(ReviewVersion, and_(ReviewVersion.visit_id == ReviewRow.visit_id, ReviewVersion.number == ReviewRow.version))
        .join(Visit, Visit.id == ReviewRow.visit_id)
        .where(*_finally_signed(db, span))
        .execution_options(yield_per=200)
    )
    for row in db.execute(signed):
        told = msgspec.json.decode(row.lines, type=tuple[ConclusionLine, ...])
        judged = Case(Subject(row.sex, 0), row.exam_on, flagged.get(row.visit_id, {}))
        uncovered = review_rules.uncovered_readings(told, judged)
        yield FinalReview(row.visit_id, tuple(each.item for each in uncovered), not told and not row.is_nothing_abnormal)


def _finally_signed(db: Session, span: Span) -> tuple[ColumnElement[bool], ...]:
    return (
        span.holds(ReviewRow.visit_id), ReviewRow.site == actor_of(db).site, ReviewRow.state == ReviewState.FINAL,
        ReviewRow.is_rereview.is_(False),
    )  # fmt: skip


def _flagged(db: Session, span: Span) -> dict[UUID, dict[str, Reading]]:
    """The flagged values of the final reviews, as far as it matters who answers for them; which choices are abnormal, the
    visit's own catalogue says."""
    listed = (
        select(Record.visit_id, Value.item_code, Value.flag, Value.choices, Visit.catalog_revision, Visit.catalog_on, Visit.exam_on)
        .join(Value, Value.version_id == Record.values_id)
        .join(ReviewRow, ReviewRow.visit_id == Record.visit_id)
        .join(Visit, Visit.id == Record.visit_id)
        .where(*_finally_signed(db, span), Value.flag.in_(OUTSTANDING))
        .execution_options(yield_per=1000)
    )
    found: dict[UUID, dict[str, Reading]] = {}
    for row in db.execute(listed):
        choices = tuple(msgspec.json.decode(row.choices, type=list[str])) if row.choices else ()
        item = catalog.catalogue_at(db, row.catalog_revision, row.catalog_on or row.exam_on).items.get(row.item_code)
        normal = {choice.text for choice in item.choices if not choice.abnormal} if item else set()
        abnormal = tuple(text for text in choices if text not in normal)
        reading = Reading(row.item_code, row.item_code, "", choices=choices, flag=Flag(row.flag), abnormal=abnormal)
        found.setdefault(row.visit_id, {})[row.item_code] = reading
    return found


# --- for the indicators ----------------------------------------------------------------------------------------------


def first_issued(db: Session, period: Period) -> Any:
    """The reports issued for the first time in a period, with who had signed the conclusions and when all sections were done.

    One row for each visit: a later correction or recall changes no figure of a month that was told already. `signer_*` are of the
    final signature that this first version rests on; the title is the one under the signature, the specialty that of the day. Compared
    is with `at`: the time inside the seal (`signed_at`) has whole seconds.
    """
    signed = (
        select(ReviewSignature.id)
        .where(
            ReviewSignature.visit_id == Version.visit_id, ReviewSignature.level == REVIEW_FINAL,
            ReviewSignature.undoes.is_(None), ReviewSignature.at <= Version.at,
        )
        .order_by(ReviewSignature.number.desc()).limit(1).correlate(Version).scalar_subquery()
    )  # fmt: skip
    specialty = (
        select(StaffPractice.specialty)
        .where(StaffPractice.staff_id == ReviewSignature.staff_id, StaffPractice.from_at <= ReviewSignature.at)
        .order_by(StaffPractice.from_at.desc(), StaffPractice.id.desc()).limit(1).correlate(ReviewSignature).scalar_subquery()
    )  # fmt: skip
    done_at = (
        select(func.max(VisitMilestone.at))
        .where(
            VisitMilestone.visit_id == Version.visit_id, VisitMilestone.kind == Milestone.SECTIONS_DONE,
            VisitMilestone.undoes.is_(None), VisitMilestone.at <= Version.at,
        )
        .correlate(Version).scalar_subquery()
    )  # fmt: skip
    return (
        select(
            Visit.id.label("visit_id"), Visit.visit_no, Visit.person_name, Version.signed_at.label("issued_at"),
            month_of(Version.signed_at, period).label("month"), done_at.label("done_at"),
            (minutes_between(db, done_at, Version.at) / 1440.0).label("days"),
            func.coalesce(ReviewSignature.name, "").label("signer"), func.coalesce(ReviewSignature.title, "").label("title"),
            func.coalesce(specialty, "").label("specialty"),
        )
        .select_from(Version)
        .join(Visit, Visit.id == Version.visit_id)
        .join(ReviewSignature, ReviewSignature.id == signed, isouter=True)
        .where(
            Visit.site == actor_of(db).site, Version.kind == ReportKind.MAIN, Version.number == 1,
            Version.signed_at >= start_of(period.since), Version.signed_at < day_after(period.until),
        )
    )  # fmt: skip


def ultrasound_days(db: Session, period: Period, department: str) -> dict[str, tuple[int, int]]:
    """By month: how many doctors signed a department's records and on how many days, to compare with what was told."""
    day = func.date(Record.verified_at, "+8 hours") if house_of(db).is_sqlite else func.date(func.timezone("Asia/Shanghai", Record.verified_at))
    month = month_of(Record.verified_at, period)
    found = (
        select(month.label("month"), Record.doctor.label("doctor"), day.label("day"))
        .where(
            Record.site == actor_of(db).site, Record.department == department, Record.verified_at >= start_of(period.since),
            Record.verified_at < day_after(period.until),
        )
        .distinct()
        .subquery()
    )
    counted = select(found.c.month, func.count(found.c.doctor.distinct()), func.count(found.c.day.distinct())).group_by(found.c.month)
    return {row[0]: (row[1], row[2]) for row in db.execute(counted)}

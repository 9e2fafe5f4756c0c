"""The lists of reports: waiting, issued, recalled; paged and searched, one statement each."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from exam.kit import ids
from exam.kit.clock import CENTRE_ZONE, day_of
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of
from exam.people import service as people
from exam.people.rules import age_on
from exam.visits.facts import VisitState
from exam.visits.models import Visit, VisitBoard
from reporting.facts import ReportEvent, ReportKind, ReportRow
from reporting.models import ReportFact, Version

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
            Version.signed_at, outdated.label("outdated"), reason.label("reason"), func.count().over().label("total"),
        )
        .select_from(VisitBoard)
        .join(Visit, Visit.id == VisitBoard.visit_id)
        .join(Version, and_(Version.visit_id == VisitBoard.visit_id, Version.kind == ReportKind.MAIN, is_latest),
              isouter=tab == Tab.WAITING)
        .where(VisitBoard.site == actor_of(db).site)
    )  # fmt: skip
    if tab == Tab.WAITING:
        # Re-reviewed reports come first (OTH-3), then urgent ones, then in the order of the final signature.
        order: tuple[Any, ...] = (Version.number.is_(None), Visit.urgent.desc(), VisitBoard.final_reviewed_at, Visit.id)
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
        signed_at=row.signed_at, is_outdated=bool(row.outdated), recall_reason=row.reason or "",
    )  # fmt: skip

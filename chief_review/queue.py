"""The chief's queue: visits in the order in which their departments finished, re-reviews and urgent ones first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from chief_review.facts import (
    ABNORMAL_COUNTS,
    FINAL,
    FIRST,
    AbnormalCount,
    Queue,
    QueueFilters,
    QueueRow,
    QueueTab,
    ReviewState,
)
from chief_review.models import ReviewRow, ReviewSignature, ReviewVersion
from exam.kit.clock import day_of
from exam.kit.house import actor_of, house_of
from exam.knowledge.facts import Severity
from exam.people.service import prefix_bounds
from exam.visits import service as visits
from exam.visits.facts import VisitState
from exam.visits.models import Visit, VisitBoard

PAGE_SIZE = 50
MOST_EXPORTED = 5_000
FINAL_DAYS = 30
"""How many days back the list of finished reviews goes unless a day is asked for."""

_WAITING = (VisitState.SECTIONS_DONE, VisitState.CHIEF)
_RETURNED = (VisitState.CHECKED_IN, VisitState.IN_EXAM, VisitState.SHEET_RETURNED)
_FINISHED = (VisitState.FINAL, VisitState.PUBLISHED, VisitState.DELIVERED)


def queue(db: Session, filters: QueueFilters, page: int = 1, size: int = PAGE_SIZE) -> Queue:
    """A page of the queue with the count of every tab; at most five statements."""
    filters = _with_days(db, filters)
    conditions = _conditions(db, filters)
    counts = _counts(db, filters)
    total = db.scalar(_joined(select(func.count())).where(*conditions)) or 0
    pages = max(1, -(-total // size))
    page = min(max(1, page), pages)
    order: tuple[Any, ...] = (VisitBoard.final_reviewed_at.desc(), Visit.id.desc())
    if filters.tab is not QueueTab.FINAL:
        is_again = func.coalesce(ReviewRow.is_rereview, False)
        order = (is_again.desc(), Visit.urgent.desc(), VisitBoard.sections_done_at, Visit.id)
    statement = _joined(select(Visit, VisitBoard, ReviewRow, ReviewVersion.lines)).where(*conditions).order_by(*order)
    statement = statement.outerjoin(
        ReviewVersion, (ReviewVersion.visit_id == ReviewRow.visit_id) & (ReviewVersion.number == ReviewRow.version)
    )
    found = db.execute(statement.limit(size).offset((page - 1) * size)).all()
    ids = [row.Visit.id for row in found]
    signers, abnormal = _signers(db, ids), _abnormal(db, ids)
    rows = tuple(_row(visit, board, review, signers, lines, abnormal) for visit, board, review, lines in found)
    return Queue(tab=filters.tab, rows=rows, counts=counts, total=total, page=page, pages=pages, since=filters.since)


def next_in_queue(db: Session, tab: QueueTab) -> str:
    """The number of the visit that is next in a tab; empty when nobody waits."""
    first = queue(db, QueueFilters(tab=tab), size=1).rows
    return first[0].card.visit_no if first else ""


def _with_days(db: Session, filters: QueueFilters) -> QueueFilters:
    if filters.tab is QueueTab.FINAL and filters.since is None:
        since = day_of(house_of(db).clock.now()) - timedelta(days=FINAL_DAYS)
        return msgspec.structs.replace(filters, since=since)
    return filters


def _joined(statement: Any) -> Any:
    return (
        statement.select_from(VisitBoard)
        .join(Visit, Visit.id == VisitBoard.visit_id)
        .outerjoin(ReviewRow, ReviewRow.visit_id == VisitBoard.visit_id)
    )


def _tab_condition(tab: QueueTab) -> ColumnElement[bool]:
    if tab is QueueTab.WAITING:
        return VisitBoard.state.in_(_WAITING)
    if tab is QueueTab.FIRST_SIGNED:
        return VisitBoard.state == VisitState.FIRST_REVIEWED
    if tab is QueueTab.REREVIEW:
        # From the few reviews that are marked, not from every visit there ever was.
        marked = select(ReviewRow.visit_id).where(ReviewRow.is_rereview.is_(True))
        return VisitBoard.visit_id.in_(marked)
    if tab is QueueTab.RETURNED:
        return VisitBoard.state.in_(_RETURNED) & ReviewRow.visit_id.is_not(None)
    return VisitBoard.state.in_(_FINISHED)


def _conditions(db: Session, filters: QueueFilters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [VisitBoard.site == actor_of(db).site, _tab_condition(filters.tab)]
    if filters.name.strip():
        low, high = prefix_bounds(filters.name.strip())
        found += [Visit.person_name >= low, Visit.person_name < high]
    if filters.since:
        found.append(VisitBoard.exam_on >= filters.since)
    if filters.until:
        found.append(VisitBoard.exam_on <= filters.until)
    if filters.organization.strip():
        low, high = prefix_bounds(filters.organization.strip())
        found += [Visit.organization >= low, Visit.organization < high]
    return found


def _counts(db: Session, filters: QueueFilters) -> dict[str, int]:
    """How many visits each tab holds; the finished ones of the last days only."""
    site = actor_of(db).site
    recent = day_of(house_of(db).clock.now()) - timedelta(days=FINAL_DAYS)
    counted = []
    for tab in QueueTab:
        # Of the board alone: a month of finished visits is counted in its index, and looked up nowhere.
        statement = select(func.count()).select_from(VisitBoard).where(VisitBoard.site == site, _tab_condition(tab))
        if tab is QueueTab.RETURNED:
            statement = statement.join(ReviewRow, ReviewRow.visit_id == VisitBoard.visit_id)
        if tab is QueueTab.FINAL:
            statement = statement.where(VisitBoard.exam_on >= (filters.since or recent))
        counted.append(statement.scalar_subquery().label(tab.value))
    return dict(db.execute(select(*counted)).one()._mapping)


def _abnormal(db: Session, visit_ids: Sequence[UUID]) -> dict[UUID, AbnormalCount]:
    found: dict[UUID, AbnormalCount] = {}
    for fill in house_of(db).modules.fillings(ABNORMAL_COUNTS):
        found.update(fill(db, visit_ids))
    return found


def _signers(db: Session, visit_ids: Sequence[UUID]) -> dict[tuple[UUID, str], ReviewSignature]:
    wanted = select(ReviewSignature).where(ReviewSignature.visit_id.in_(visit_ids))
    rows = db.scalars(wanted.order_by(ReviewSignature.visit_id, ReviewSignature.number)).all()
    undone = {row.undoes for row in rows if row.undoes is not None}
    return {(row.visit_id, row.level): row for row in rows if row.undoes is None and row.id not in undone}


def _row(
    visit: Visit, board: VisitBoard, review: ReviewRow | None, signers: dict[tuple[UUID, str], ReviewSignature],
    lines: str | None, abnormal: dict[UUID, AbnormalCount],
) -> QueueRow:  # fmt: skip
    first, final = signers.get((visit.id, FIRST)), signers.get((visit.id, FINAL))
    severities = [line.severity for line in msgspec.json.decode(lines, type=tuple[_Weighed, ...])] if lines else []
    return QueueRow(
        card=visits.to_card(visit, board),
        state=ReviewState(review.state) if review else None,
        is_rereview=review.is_rereview if review else False,
        attention=review.attention if review else "",
        author=review.author if review else "",
        first_signer=first.name if first else "",
        final_signer=final.name if final else "",
        final_at=final.at if final else None,
        conclusions=len(severities),
        severity=max(severities, default=None),
        abnormal=abnormal.get(visit.id),
    )


class _Weighed(msgspec.Struct):
    """A stored line as far as the queue needs it."""

    severity: Severity = Severity.MILD

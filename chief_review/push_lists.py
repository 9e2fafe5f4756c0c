"""The specialist's lists, and what came of pushes counted by department."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, case, func, or_, select, true
from sqlalchemy.orm import Session

from chief_review import pushes
from chief_review.models import PushBoard
from chief_review.push_facts import PushCounts, PushLine, PushList, PushState, PushTab
from exam.kit.clock import CENTRE_ZONE
from exam.kit.house import actor_of
from exam.people.service import prefix_bounds
from exam.visits import service as visits
from exam.visits.models import Visit

PAGE_SIZE = 30
_STATES = {
    PushTab.NEW: (PushState.PUSHED,),
    PushTab.WAITING: (PushState.SEEN,),
    PushTab.DONE: (PushState.VISITED, PushState.NOT_COMING, PushState.WITHDRAWN),
}


class PushFilters(msgspec.Struct, frozen=True):
    """Which pushes a list shows: a tab, a department, a visit number or the beginning of a name."""

    tab: PushTab = PushTab.NEW
    specialist: str = ""
    q: str = ""


def push_list(db: Session, filters: PushFilters, page: int = 1, size: int = PAGE_SIZE) -> PushList:
    """A page of the actor's departments' pushes, the urgent and oldest first; a fixed number of statements."""
    conditions = [_reach(db), *_matches(filters)]
    known = pushes.PUSHES.rows.join(Visit, Visit.id == PushBoard.visit_id).where(*conditions)
    counted = known.with_only_columns(*(func.count().filter(_of_tab(tab)) for tab in PushTab))
    counts = dict(zip(PushTab, db.execute(counted).one(), strict=True))
    total = counts[filters.tab]
    pages = max(-(-total // size), 1)
    page = min(max(page, 1), pages)
    weight = case((PushBoard.urgency == "urgent", 0), (PushBoard.urgency == "soon", 1), else_=2)
    order: tuple[Any, ...] = (weight, PushBoard.pushed_at, PushBoard.push_id)
    if filters.tab is PushTab.DONE:
        order = (PushBoard.pushed_at.desc(), PushBoard.push_id.desc())
    listed = known.where(_of_tab(filters.tab)).order_by(*order).limit(size).offset((page - 1) * size)
    found = [pushes.to_push(row) for row in db.execute(listed)]
    cards = {card.id: card for card in visits.cards(db, sorted({each.visit_id for each in found}))} if found else {}
    lines = tuple(PushLine(each, cards[each.visit_id]) for each in found if each.visit_id in cards)
    return PushList(filters.tab, lines, counts, page, pages, total)


def _of_tab(tab: PushTab) -> ColumnElement[bool]:
    return PushBoard.state.in_([state.value for state in _STATES[tab]])


def _reach(db: Session) -> ColumnElement[bool]:
    """The site, and the departments that the actor's right is limited to."""
    actor = actor_of(db)
    limited = actor.scopes.get(pushes.PERMISSION)
    own = true() if limited is None else PushBoard.specialist.in_(sorted(limited))
    return and_(PushBoard.site == actor.site, own)


def _matches(filters: PushFilters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.specialist:
        found.append(PushBoard.specialist == filters.specialist)
    text = filters.q.strip()
    if text:
        low, high = prefix_bounds(text[:60])
        found.append(or_(Visit.visit_no == text, and_(Visit.person_name >= low, Visit.person_name < high)))
    return found


def counts_by_specialist(db: Session, since: date, until: date) -> tuple[PushCounts, ...]:
    """What came of the pushes of these days, by department within the actor's reach; withdrawn ones do not count. One statement."""
    first, last = (datetime.combine(day, time(), CENTRE_ZONE) for day in (since, until + timedelta(days=1)))

    def number(condition: ColumnElement[bool]) -> Any:
        return func.count().filter(condition)

    rows = db.execute(
        select(
            PushBoard.specialist, func.count().label("pushed"), number(PushBoard.told_at.is_not(None)).label("told"),
            number(PushBoard.seen_at.is_not(None)).label("seen"), number(PushBoard.state == PushState.VISITED.value).label("visited"),
            number(PushBoard.state == PushState.NOT_COMING.value).label("not_coming"), func.sum(PushBoard.fee_fen).label("fee_fen"),
        )
        .where(
            _reach(db), PushBoard.state != PushState.WITHDRAWN.value, PushBoard.pushed_at >= first, PushBoard.pushed_at < last
        )
        .group_by(PushBoard.specialist)
        .order_by(PushBoard.specialist)
    )  # fmt: skip
    return tuple(
        PushCounts(row.specialist, row.pushed, row.told, row.seen, row.visited, row.not_coming, int(row.fee_fen or 0))
        for row in rows
    )

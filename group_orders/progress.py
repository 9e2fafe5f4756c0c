"""How far rounds are: counts at a glance, by cohort and department, and the list of unfinished companies (GRP-1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from exam.kit import audit, sheets
from exam.kit.clock import day_of
from exam.kit.house import actor_of, house_of
from exam.people import service as people
from exam.people.models import Organization
from exam.visits.facts import VisitState
from exam.visits.models import VisitBoard
from group_orders.facts import ORDER_STATE_NAMES, OrderState
from group_orders.models import GroupOrder, Member

PAGE_SIZE = 50
MOST_EXPORTED = 20_000
ROUNDS_HEADER = ("单位", "批次", "批次号", "状态", "开始日期", "截止日期", "应检", "预约", "登记", "到检", "完成", "报告", "未到检")


class Counts(msgspec.Struct, frozen=True):
    """How many members a list has and how many of them came how far; each later number is among the ones before it."""

    expected: int = 0
    booked: int = 0
    registered: int = 0
    checked_in: int = 0
    finished: int = 0
    reported: int = 0
    cancelled: int = 0

    @property
    def absent(self) -> int:
        """Who has not come."""
        return self.expected - self.checked_in - self.cancelled

    def percent(self, count: int) -> int:
        """A count as a part of all, in whole percent, never 100 before all are there."""
        return count * 100 // self.expected if self.expected else 0


class MemberTab(StrEnum):
    """The lists of a round: one behind each count."""

    ALL = "all"
    UNBOOKED = "unbooked"
    BOOKED = "booked"
    REGISTERED = "registered"
    CHECKED_IN = "checked_in"
    FINISHED = "finished"
    REPORTED = "reported"
    ABSENT = "absent"
    LEFT = "left"


MEMBER_TAB_NAMES = {
    MemberTab.ALL: "应检", MemberTab.UNBOOKED: "未预约", MemberTab.BOOKED: "预约", MemberTab.REGISTERED: "登记",
    MemberTab.CHECKED_IN: "到检", MemberTab.FINISHED: "完成", MemberTab.REPORTED: "报告", MemberTab.ABSENT: "未到检",
    MemberTab.LEFT: "已移出",
}  # fmt: skip

AWAY = (VisitState.LISTED.value, VisitState.CANCELLED.value)
_PREDICATES: dict[MemberTab, ColumnElement[bool]] = {
    MemberTab.UNBOOKED: VisitBoard.state == VisitState.LISTED.value,
    MemberTab.BOOKED: VisitBoard.state.not_in(AWAY),
    MemberTab.REGISTERED: and_(VisitBoard.registered_at.is_not(None), VisitBoard.state.not_in(AWAY)),
    MemberTab.CHECKED_IN: and_(VisitBoard.checked_in_at.is_not(None), VisitBoard.state.not_in(AWAY)),
    MemberTab.FINISHED: and_(VisitBoard.sheet_returned_at.is_not(None), VisitBoard.state.not_in(AWAY)),
    MemberTab.REPORTED: and_(VisitBoard.report_issued_at.is_not(None), VisitBoard.state.not_in(AWAY)),
    MemberTab.ABSENT: and_(VisitBoard.checked_in_at.is_(None), VisitBoard.state != VisitState.CANCELLED.value),
}
_COUNTED = (
    func.count(), *(func.count().filter(_PREDICATES[tab]) for tab in (
        MemberTab.BOOKED, MemberTab.REGISTERED, MemberTab.CHECKED_IN, MemberTab.FINISHED, MemberTab.REPORTED)),
    func.count().filter(VisitBoard.state == VisitState.CANCELLED.value),
)  # fmt: skip


def is_in(tab: MemberTab) -> ColumnElement[bool]:
    """The condition of a list on member and board; those who left are on no other list than theirs."""
    if tab is MemberTab.LEFT:
        return Member.left_at.is_not(None)
    here = Member.left_at.is_(None)
    return and_(here, _PREDICATES[tab]) if tab in _PREDICATES else here


def _by(db: Session, key: Any, *conditions: ColumnElement[bool]) -> dict[Any, Counts]:
    rows = db.execute(
        select(key, *_COUNTED)
        .select_from(Member)
        .join(VisitBoard, VisitBoard.visit_id == Member.visit_id)
        .where(Member.left_at.is_(None), Member.site == actor_of(db).site, *conditions)
        .group_by(key)
    )
    return {row[0]: Counts(*row[1:]) for row in rows}


def of_orders(db: Session, order_ids: Iterable[UUID]) -> dict[UUID, Counts]:
    """The counts of several rounds; one statement. A round without members is not in it."""
    return _by(db, Member.order_id, Member.order_id.in_(list(order_ids)))


def of_order(db: Session, order_id: UUID) -> Counts:
    """The counts of one round."""
    return of_orders(db, [order_id]).get(order_id, Counts())


def by_cohort(db: Session, order_id: UUID) -> dict[UUID, Counts]:
    """A round's counts by cohort."""
    return _by(db, Member.cohort_id, Member.order_id == order_id)


def by_department(db: Session, order_id: UUID) -> dict[str, Counts]:
    """A round's counts by the organisation's department, in its name's order; those without one at the end."""
    found = _by(db, Member.department, Member.order_id == order_id)
    return dict(sorted(found.items(), key=lambda each: (not each[0], each[0])))


# --- rounds ----------------------------------------------------------------------------------------------------------


class RoundTab(StrEnum):
    """The lists of rounds. UNFINISHED (GRP-1): approved or open, somebody has still to come or to finish."""

    UNFINISHED = "unfinished"
    DRAFT = "draft"
    COMPLETED = "completed"
    ALL = "all"


ROUND_TAB_NAMES = {
    RoundTab.UNFINISHED: "未完成", RoundTab.DRAFT: "草稿", RoundTab.COMPLETED: "已完成", RoundTab.ALL: "全部",
}  # fmt: skip
_ROUND_STATES = {
    RoundTab.UNFINISHED: (OrderState.APPROVED, OrderState.OPEN), RoundTab.DRAFT: (OrderState.DRAFT,),
    RoundTab.COMPLETED: (OrderState.COMPLETED, OrderState.SETTLED, OrderState.ARCHIVED),
}  # fmt: skip


class RoundLine(msgspec.Struct, frozen=True, kw_only=True):
    """One round of a list with its counts; `days_left` below zero: its last day is over."""

    id: UUID
    order_no: str
    name: str
    organization_id: UUID
    organization: str
    contract_id: UUID
    category: str
    round_no: int
    opens_on: date
    closes_on: date
    state: OrderState
    counts: Counts
    days_left: int


class RoundList(msgspec.Struct, frozen=True):
    """A page of rounds. `organizations` is how many companies the whole list has; `totals` how many rounds each list has."""

    lines: tuple[RoundLine, ...]
    totals: dict[RoundTab, int]
    organizations: int
    page: int
    pages: int
    total: int


def _tab(tab: RoundTab) -> ColumnElement[bool] | None:
    states = _ROUND_STATES.get(tab)
    return GroupOrder.state.in_([state.value for state in states]) if states else None


def rounds(
    db: Session, tab: RoundTab = RoundTab.ALL, q: str = "", page: int = 1, size: int = PAGE_SIZE, *,
    organization_id: UUID | None = None, contract_id: UUID | None = None,
) -> RoundList:  # fmt: skip
    """Rounds, by which ends first; finished ones the newest first. A fixed number of statements."""
    known = select(GroupOrder, Organization.name).join(Organization, Organization.id == GroupOrder.organization_id)
    known = known.where(GroupOrder.site == actor_of(db).site, *_of_text(q))
    if organization_id:
        known = known.where(GroupOrder.organization_id == organization_id)
    if contract_id:
        known = known.where(GroupOrder.contract_id == contract_id)
    every = {each: _tab(each) for each in RoundTab}
    counted = known.with_only_columns(
        *(func.count() if each is None else func.count().filter(each) for each in every.values())
    )
    totals = dict(zip(every, db.execute(counted).one(), strict=True))
    condition = every[tab]
    listed = known if condition is None else known.where(condition)
    companies = db.scalar(listed.with_only_columns(func.count(func.distinct(GroupOrder.organization_id)))) or 0
    pages = max(-(-totals[tab] // size), 1)
    page = min(max(page, 1), pages)
    is_late_first = tab in (RoundTab.UNFINISHED, RoundTab.DRAFT)
    order = (GroupOrder.closes_on, GroupOrder.id) if is_late_first else (GroupOrder.closes_on.desc(), GroupOrder.id.desc())
    rows = db.execute(listed.order_by(*order).limit(size).offset((page - 1) * size)).all()
    return RoundList(_lines(db, rows), totals, companies, page, pages, totals[tab])


def _of_text(q: str) -> list[ColumnElement[bool]]:
    text = " ".join(q.split())[:60]
    if not text:
        return []
    found = []
    columns = ((Organization.name, text), (Organization.pinyin, text.lower()), (GroupOrder.name, text), (GroupOrder.order_no, text.upper()))
    for column, beginning in columns:
        low, high = people.prefix_bounds(beginning)
        found.append((column >= low) & (column < high))
    return [or_(*found)]


def _lines(db: Session, rows: Sequence[Any]) -> tuple[RoundLine, ...]:
    today = day_of(house_of(db).clock.now())
    counts = of_orders(db, [row.id for row, _ in rows])
    return tuple(
        RoundLine(
            id=row.id, order_no=row.order_no, name=row.name, organization_id=row.organization_id, organization=name,
            contract_id=row.contract_id, category=row.category, round_no=row.round_no, opens_on=row.opens_on, closes_on=row.closes_on,
            state=OrderState(row.state), counts=counts.get(row.id, Counts()), days_left=(row.closes_on - today).days,
        )
        for row, name in rows
    )  # fmt: skip


def round_line(db: Session, order: GroupOrder) -> RoundLine:
    """A round that the caller has, with its company's name and counts."""
    return _lines(db, [(order, people.organization_name(db, order.organization_id))])[0]


def rounds_sheet(db: Session, tab: RoundTab, q: str) -> bytes:
    """A list of rounds as a workbook; the export is audited."""
    listed = rounds(db, tab, q, size=MOST_EXPORTED)
    audit.read(db, "group_orders.export_rounds", f"rounds:{tab.value}", f"{len(listed.lines)} 行")
    rows = [
        (each.organization, each.name, each.order_no, ORDER_STATE_NAMES[each.state], each.opens_on.isoformat(), each.closes_on.isoformat(),
         each.counts.expected, each.counts.booked, each.counts.registered, each.counts.checked_in, each.counts.finished,
         each.counts.reported, each.counts.absent)
        for each in listed.lines
    ]  # fmt: skip
    return sheets.workbook([("团检批次", ROUNDS_HEADER, rows)])


# --- the years ---------------------------------------------------------------------------------------------------------


class YearLine(msgspec.Struct, frozen=True):
    """An organisation's members of one calendar year, by when its rounds began."""

    year: int
    rounds: int
    counts: Counts


def years_of(db: Session, organization_id: UUID) -> tuple[YearLine, ...]:
    """An organisation's members over the years, the newest first; two statements."""
    orders = db.execute(
        select(GroupOrder.id, GroupOrder.opens_on).where(
            GroupOrder.organization_id == organization_id, GroupOrder.site == actor_of(db).site
        )
    ).all()
    counts = of_orders(db, [row.id for row in orders])
    found: dict[int, list[Counts]] = {}
    for row in orders:
        found.setdefault(row.opens_on.year, []).append(counts.get(row.id, Counts()))
    return tuple(YearLine(year, len(each), _sum(each)) for year, each in sorted(found.items(), reverse=True))


def _sum(parts: Sequence[Counts]) -> Counts:
    return Counts(*(sum(getattr(each, name) for each in parts) for name in Counts.__struct_fields__))

"""Booking a company over days: which days have places, how members fall on them, and the task that books them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from exam.kit.errors import BadInput, Refused
from group_orders import member_lists, members, rules, tasks
from group_orders.member_lists import MemberFilters
from group_orders.models import GroupOrder
from group_orders.progress import MemberTab
from group_orders.tasks import Chosen
from registration import board
from registration import service as registration
from registration.facts import DayPlaces

MOST_DAYS = 45
"""Days that the form offers, from tomorrow or the round's first day on."""


class PlannedDay(msgspec.Struct, frozen=True):
    """One day of a plan: its places, how many were asked for, who falls on it by department."""

    places: DayPlaces
    asked: int
    departments: tuple[tuple[str, int], ...]
    count: int


class Plan(msgspec.Struct, frozen=True):
    """How members fall on days. `left_over` find no place on the days that were asked for."""

    days: tuple[PlannedDay, ...]
    chosen: tuple[Chosen, ...]
    total: int
    left_over: int


def days(db: Session, order: GroupOrder) -> tuple[DayPlaces, ...]:
    """The days that a round's members may be booked for, with their places; three statements a month."""
    tomorrow = registration.today_of(db) + timedelta(days=1)
    first, last = max(tomorrow, order.opens_on), order.closes_on
    last = min(last, first + timedelta(days=MOST_DAYS - 1))
    found: list[DayPlaces] = []
    month = first.replace(day=1)
    while month <= last:
        found += [each for each in board.calendar(db, month.year, month.month) if first <= each.day <= last]
        month = (month + timedelta(days=32)).replace(day=1)
    return tuple(found)


def plan(db: Session, order_id: UUID, filters: MemberFilters, asked: Mapping[date, int]) -> Plan:
    """Lays the chosen members on the days in the list's order, so that a department and a family come together.

    Refuses a day that has fewer places than were asked for, or that is not one of the round.
    """
    order = members.order_row(db, order_id)
    rules.require_takes_members(order.state)
    if filters.tab not in (MemberTab.UNBOOKED, MemberTab.BOOKED):
        raise BadInput([("who", "只能预约未预约的人员,或改期已预约的人员")])
    open_days = {each.day: each for each in days(db, order)}
    problems = []
    for day, count in asked.items():
        places = open_days.get(day)
        if places is None:
            problems.append((f"day_{day.isoformat()}", f"{day.isoformat()} 不在可预约的日期内,请刷新页面"))
        elif count > places.left:
            told = "名额已满" if not places.left else f"只剩 {places.left} 个名额"
            problems.append((f"day_{day.isoformat()}", f"{day.isoformat()} {told},不能安排 {count} 人"))
    if problems:
        raise BadInput(problems, code="group_orders.day_full")
    wanted = member_lists.chosen(db, order_id, filters)
    if filters.tab is MemberTab.BOOKED:  # who is registered already stands at the desk
        listed = {line.id for line in member_lists.member_list(db, order_id, filters, size=tasks.MOST_MEMBERS).lines if not line.registered}
        wanted = [each for each in wanted if each[0] in listed]
    days_asked = [(open_days[day], count) for day, count in sorted(asked.items()) if count]
    return _laid(wanted, days_asked, is_move=filters.tab is MemberTab.BOOKED)


def _laid(wanted: Sequence[tuple[UUID, UUID, str, date]], asked: Sequence[tuple[DayPlaces, int]], *, is_move: bool) -> Plan:
    """Only who has a day already can be on theirs: the day of a listed visit is the last one of its list."""
    chosen: list[Chosen] = []
    planned: list[PlannedDay] = []
    at = 0
    for places, count in asked:
        part = wanted[at : at + count]
        at += len(part)
        chosen += [Chosen(member_id, visit_id, places.day) for member_id, visit_id, _, before in part if not is_move or before != places.day]
        own = Counter(department or "未填部门" for _, _, department, _ in part)
        planned.append(PlannedDay(places, count, tuple(own.items()), len(part)))
    return Plan(tuple(planned), tuple(chosen), len(wanted), len(wanted) - at)


def book(db: Session, order_id: UUID, filters: MemberFilters, asked: Mapping[date, int]) -> UUID:
    """Books the chosen members as `plan` lays them; the worker does it. Returns the task."""
    if not any(asked.values()):
        raise BadInput([("days", "没有安排任何一天:请至少在一个日期填写人数")])
    return tasks.start(db, order_id, tasks.BOOK, plan(db, order_id, filters, asked).chosen)


def unbook(db: Session, order_id: UUID, filters: MemberFilters, reason: str) -> UUID:
    """Takes the days of the chosen members back; the worker does it. Returns the task."""
    if not reason.strip():
        raise Refused("group_orders.reason_missing", "取消预约必须填写原因", "请填写原因", "reason")
    if filters.tab is not MemberTab.BOOKED:
        raise BadInput([("who", "请选择已预约的人员")])
    listed = member_lists.member_list(db, order_id, filters, size=tasks.MOST_MEMBERS).lines
    chosen = [Chosen(line.id, line.card.id, line.card.exam_on) for line in listed if not line.registered]
    return tasks.start(db, order_id, tasks.UNBOOK, chosen, reason.strip())


def remind(db: Session, order_id: UUID, filters: MemberFilters) -> UUID:
    """Writes to everybody chosen who has not come; the worker does it. Returns the task."""
    order = members.order_row(db, order_id)
    rules.require_takes_members(order.state)
    if filters.tab not in (MemberTab.ABSENT, MemberTab.UNBOOKED):
        filters = msgspec.structs.replace(filters, tab=MemberTab.ABSENT)
    chosen = [Chosen(member_id, visit_id) for member_id, visit_id, _, _ in member_lists.chosen(db, order_id, filters)]
    return tasks.start(db, order_id, tasks.REMIND, chosen)

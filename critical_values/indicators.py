"""The regulator's indicators 6 and 7 (domain.md §3.7) and how fast people were told, counted in the database, with the alerts behind each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, extract, func, literal, not_, select
from sqlalchemy.orm import Session

from critical_values import rules
from critical_values.facts import AlertState, Share
from critical_values.models import AlertBoard, AlertRow, AlertStep
from exam.calendar import service as calendar
from exam.calendar.facts import WEEKENDS_ONLY, WorkCalendar
from exam.kit.clock import CENTRE_ZONE, local
from exam.kit.errors import BadInput
from exam.kit.house import actor_of, house_of
from exam.kit.moments import minutes_between, month_of
from exam.kit.period import Period, day_after, start_of
from exam.knowledge import service as rule_store
from exam.knowledge.book import AlertPolicy
from exam.knowledge.facts import AlertClass
from exam.visits.models import Visit

MOST_MONTHS = 24
_REFUTED = (AlertState.DISMISSED.value, AlertState.SUPERSEDED.value)
URGENT = (AlertClass.CRITICAL.value, AlertClass.A.value)
EVERY = (*URGENT, AlertClass.B.value)


class Figures(msgspec.Struct, frozen=True):
    """The figures of one month, or of the whole time (`month` is empty).

    `notified` and `followed` count people (indicators 6 and 7); `by_class` counts alerts.
    """

    month: str
    notified: Share
    followed: Share
    by_class: dict[str, Speed]


class Speed(msgspec.Struct, frozen=True):
    """How fast the people of one class were told: alerts, those told in time, and the median minutes from finding to notice.

    `pending` alerts are neither told nor due: whether they will be in time nobody knows, so `in_time` counts them nowhere.
    """

    found: int
    told: int
    in_time: Share
    median: float | None
    pending: int = 0


def period_of(db: Session, since: date | None, until: date | None) -> Period:
    """The days asked for, by default the last twelve months; refuses what is none."""
    today = local(house_of(db).clock.now()).date()
    until = until or today
    since = since or (until.replace(day=1) - timedelta(days=330)).replace(day=1)
    period = Period(since, until)
    if until < since:
        raise BadInput([("until", "结束日期早于开始日期")])
    if (until.year - since.year) * 12 + until.month - since.month >= MOST_MONTHS:
        raise BadInput([("until", f"一次最多 {MOST_MONTHS} 个月")])
    return period


# --- the alerts of a period, one row each ------------------------------------------------------------------------------


def _alerts(db: Session, period: Period) -> Select[Any]:
    """One row for each alert that is not refuted: person, class, month, notified, followed, minutes to the notice, whether in time or not due yet."""
    opened = _latest(AlertStep.at, AlertStep.kind.in_(("changed", "reopened")))
    opened_number = _latest(AlertStep.number, AlertStep.kind.in_(("changed", "reopened")))
    confirmed = _latest(AlertStep.at, AlertStep.kind == "confirmed")
    called = (
        select(literal(1))
        .where(
            AlertStep.alert_id == AlertRow.id, AlertStep.kind == "called_back", AlertStep.number > func.coalesce(opened_number, 0),
            not_(AlertStep.body.contains('"outcome":"lost"', autoescape=True)),
        )
        .correlate(AlertRow)
        .exists()
    )  # fmt: skip
    begins = func.coalesce(opened, AlertRow.found_at)
    since_confirmed = func.coalesce(confirmed, begins)
    return (
        select(
            AlertRow.id.label("alert_id"),
            Visit.person_id.label("person_id"),
            AlertBoard.alert_class.label("alert_class"),
            month_of(AlertRow.found_at, period).label("month"),
            case((AlertBoard.notified_at.is_not(None), 1), else_=0).label("notified"),
            case((called, 1), else_=0).label("followed"),
            minutes_between(db, begins, AlertBoard.notified_at).label("minutes"),
            case((_is_in_time(db, since_confirmed, period), 1), else_=0).label("in_time"),
            case((_is_pending(db, since_confirmed, period), 1), else_=0).label("pending"),
        )
        .join(AlertBoard, AlertBoard.alert_id == AlertRow.id)
        .join(Visit, Visit.id == AlertRow.visit_id)
        .where(
            AlertRow.site == actor_of(db).site,
            AlertRow.found_at >= start_of(period.since),
            AlertRow.found_at < day_after(period.until),
            AlertBoard.state.not_in(_REFUTED),
        )
    )


def _latest(column: Any, kinds: ColumnElement[bool]) -> Any:
    return select(func.max(column)).where(AlertStep.alert_id == AlertRow.id, kinds).correlate(AlertRow).scalar_subquery()


def _is_in_time(db: Session, confirmed: Any, period: Period) -> ColumnElement[bool]:
    """Whether somebody was told within the class's time after the confirmation, by the policies of the period's last day."""
    return and_(AlertBoard.notified_at.is_not(None), _is_within_time(db, confirmed, AlertBoard.notified_at, period))


def _is_pending(db: Session, confirmed: Any, period: Period) -> ColumnElement[bool]:
    """Whether nobody was told and there is time left."""
    now = literal(house_of(db).clock.now(), AlertRow.found_at.type)
    return and_(AlertBoard.notified_at.is_(None), _is_within_time(db, confirmed, now, period))


def _is_within_time(db: Session, confirmed: Any, moment: Any, period: Period) -> ColumnElement[bool]:
    policies = rule_store.rules_in_force(db, period.until).book.policies
    minutes = minutes_between(db, confirmed, moment)
    return case(
        *(
            (AlertBoard.alert_class == each.value, minutes <= _allowed(db, rules.policy_of(each, policies), confirmed, period))
            for each in AlertClass
        ),
        else_=False,
    )  # fmt: skip


_LATER_DAYS = 60
"""How long after the last day of a period a finding of it is confirmed at most, as far as holidays are looked at."""


def _allowed(db: Session, policy: AlertPolicy, moment: Any, period: Period) -> Any:
    """Minutes allowed from a moment on; working days are more or fewer days by the day on which they begin."""
    if not policy.working_days:
        return literal(float(policy.notify_minutes))
    if house_of(db).is_sqlite:
        day: Any = func.strftime("%Y-%m-%d", moment, "+8 hours")
        weekday: Any = func.strftime("%w", moment, "+8 hours")
        name: Any = str
    else:
        day = func.to_char(func.timezone("Asia/Shanghai", moment), "YYYY-MM-DD")
        weekday = extract("dow", func.timezone("Asia/Shanghai", moment))
        name = int
    sunday = date(2026, 11, 1)
    usual = {each: _length(WEEKENDS_ONLY, sunday + timedelta(days=each), policy.working_days) for each in range(7)}
    others: dict[int, list[str]] = {}
    known = calendar.work_calendar(db)
    for number in range((period.until - period.since).days + _LATER_DAYS):
        begin = period.since + timedelta(days=number)
        length = _length(known, begin, policy.working_days)
        if length != usual[begin.isoweekday() % 7]:
            others.setdefault(length, []).append(f"{begin}")
    return case(
        *((day.in_(days), float(length * 1440)) for length, days in others.items()),
        *((weekday == name(each), float(length * 1440)) for each, length in usual.items()),
        else_=0.0,
    )  # fmt: skip


def _length(known: WorkCalendar, begin: date, working_days: int) -> int:
    """Days from one day to the end of so many working days."""
    noon = datetime.combine(begin, time(12), CENTRE_ZONE)
    return (known.add_working_days(noon, working_days) - noon).days


# --- the figures -------------------------------------------------------------------------------------------------------


def figures(db: Session, period: Period) -> tuple[list[Figures], Figures]:
    """The figures of every month and of the whole period; six statements, whatever their size."""
    alerts = _alerts(db, period).subquery()
    by_month, whole = (
        (_shares(db, alerts, "notified", URGENT, each), _shares(db, alerts, "followed", EVERY, each), _speeds(db, alerts, each))
        for each in (True, False)
    )
    months = [_figures(month, by_month) for month in period.months]
    return months, _figures("", whole)


_Counted = tuple[dict[str, Share], dict[str, Share], dict[tuple[str, str], Speed]]


def _figures(month: str, counted: _Counted) -> Figures:
    notified, followed, speeds = counted
    none = Speed(0, 0, Share(0, 0), None)
    return Figures(
        month, notified.get(month, Share(0, 0)), followed.get(month, Share(0, 0)),
        {each.value: speeds.get((month, each.value), none) for each in AlertClass},
    )  # fmt: skip


def _shares(db: Session, alerts: Any, done: str, classes: Sequence[str], is_by_month: bool) -> dict[str, Share]:
    """People: one counts as done when all of their alerts are, so that a second finding is not forgotten behind the first."""
    month = alerts.c.month if is_by_month else literal("").label("month")
    people = (
        select(month, func.min(alerts.c[done]).label("done"))
        .where(alerts.c.alert_class.in_(classes))
        .group_by(alerts.c.person_id, *((alerts.c.month,) if is_by_month else ()))
        .subquery()
    )
    rows = db.execute(select(people.c.month, func.sum(people.c.done), func.count()).group_by(people.c.month))
    return {row[0]: Share(int(row[1]), row[2]) for row in rows}


def _speeds(db: Session, alerts: Any, is_by_month: bool) -> dict[tuple[str, str], Speed]:
    """Alerts by class: the median is the middle row, or the mean of the two in the middle, of those who were told."""
    month = alerts.c.month if is_by_month else literal("")
    groups = (alerts.c.alert_class, alerts.c.month) if is_by_month else (alerts.c.alert_class,)
    told_first = (*groups, alerts.c.notified)
    ranked = select(
        month.label("month"), alerts.c.alert_class, alerts.c.notified, alerts.c.in_time, alerts.c.pending, alerts.c.minutes,
        func.row_number().over(partition_by=told_first, order_by=alerts.c.minutes).label("place"),
        func.count().over(partition_by=told_first).label("among"),
    ).subquery()  # fmt: skip
    is_middle = and_(ranked.c.notified == 1, ranked.c.place * 2 >= ranked.c.among, ranked.c.place * 2 <= ranked.c.among + 2)
    rows = db.execute(
        select(
            ranked.c.month, ranked.c.alert_class, func.count(), func.sum(ranked.c.notified), func.sum(ranked.c.in_time),
            func.avg(case((is_middle, ranked.c.minutes))), func.sum(ranked.c.pending),
        ).group_by(ranked.c.month, ranked.c.alert_class)
    )  # fmt: skip
    return {(row[0], row[1]): _speed(*row[2:]) for row in rows}


def _speed(found: int, told: int, in_time: int, median: Any, pending: int) -> Speed:
    """The database's sums may come as decimals."""
    due = found - int(pending)
    return Speed(found, int(told), Share(int(in_time), due), None if median is None else float(median), int(pending))


# --- the alerts behind a figure -----------------------------------------------------------------------------------------

MEASURES = {
    "found": "检出例数", "notified": "高危异常结果通知率", "followed": "重要异常结果随访率", "in_time": "按时通知率",
}  # fmt: skip
PARTS = {"part": "分子", "whole": "分母", "rest": "未完成", "pending": "未到期"}
MOST_BEHIND = 1000


def behind(db: Session, period: Period, measure: str, part: str, month: str = "", alert_class: str = "") -> list[UUID]:
    """The alerts that a numerator, a denominator or the rest between them is made of, the newest first; `MOST_BEHIND` at most."""
    found = _behind(db, period, measure, part, month, alert_class)
    return list(db.scalars(found.order_by(found.selected_columns.alert_id.desc()).limit(MOST_BEHIND)))


def page_behind(db: Session, period: Period, measure: str, part: str, month: str, offset: int, most: int) -> tuple[list[UUID], int]:
    """As `behind`, one page of it, and how many there are in all."""
    found = _behind(db, period, measure, part, month, "")
    total = db.scalar(select(func.count()).select_from(found.subquery())) or 0
    return list(db.scalars(found.order_by(found.selected_columns.alert_id.desc()).offset(offset).limit(most))), total


def _behind(db: Session, period: Period, measure: str, part: str, month: str, alert_class: str) -> Select[Any]:
    alerts = _alerts(db, period).subquery()
    classes = (alert_class,) if alert_class in EVERY else URGENT if measure == "notified" else EVERY
    found = select(alerts.c.alert_id).where(alerts.c.alert_class.in_(classes))
    if month:
        found = found.where(alerts.c.month == month)
    if measure == "found":
        return found
    if measure == "in_time" or part == "pending":
        if part == "pending":
            return found.where(alerts.c.pending == 1)
        found = found.where(alerts.c.pending == 0)
        return found if part == "whole" else found.where(alerts.c.in_time == (1 if part == "part" else 0))
    if part == "whole":
        return found
    others = _alerts(db, period).subquery()
    people = select(others.c.person_id).where(others.c.alert_class.in_(classes)).group_by(others.c.person_id)
    if month:
        people = people.where(others.c.month == month)
    all_done = func.min(others.c[measure]) == (1 if part == "part" else 0)
    return found.where(alerts.c.person_id.in_(people.having(all_done)))

"""The regulator's indicators 6 and 7 (domain.md §3.7) and how fast people were told, counted in the database, with the alerts behind each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, extract, func, literal, not_, select
from sqlalchemy.orm import Session

from critical_values import rules
from critical_values.facts import AlertState
from critical_values.models import AlertBoard, AlertRow, AlertStep
from critical_values.register import day_after, start_of
from exam.kit.clock import CENTRE_ZONE, add_working_days, local
from exam.kit.errors import BadInput
from exam.kit.house import actor_of, house_of
from exam.knowledge import service as rule_store
from exam.knowledge.book import AlertPolicy
from exam.knowledge.facts import AlertClass
from exam.visits.models import Visit

MOST_MONTHS = 24
_REFUTED = (AlertState.DISMISSED.value, AlertState.SUPERSEDED.value)
URGENT = (AlertClass.CRITICAL.value, AlertClass.A.value)
EVERY = (*URGENT, AlertClass.B.value)


class Share(msgspec.Struct, frozen=True):
    """A part of a whole, both counted."""

    part: int
    whole: int

    @property
    def percent(self) -> str:
        """In percent with one decimal; a dash where there is nothing to count."""
        return f"{100 * self.part / self.whole:.1f}%" if self.whole else "–"


class Figures(msgspec.Struct, frozen=True):
    """The figures of one month, or of the whole time (`month` is empty).

    `notified` and `followed` count people (indicators 6 and 7); `by_class` counts alerts.
    """

    month: str
    notified: Share
    followed: Share
    by_class: dict[str, Speed]


class Speed(msgspec.Struct, frozen=True):
    """How fast the people of one class were told: alerts, those told in time, and the median minutes from finding to notice."""

    found: int
    told: int
    in_time: Share
    median: float | None


class Period(msgspec.Struct, frozen=True):
    """Whole days from `since` to `until`, and the months in it."""

    since: date
    until: date

    @property
    def months(self) -> tuple[str, ...]:
        """`2026-11`, oldest first."""
        found, day = [], self.since.replace(day=1)
        while day <= self.until:
            found.append(f"{day:%Y-%m}")
            day = (day + timedelta(days=32)).replace(day=1)
        return tuple(found)


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
    """One row for each alert that is not refuted: person, class, month, notified, followed, minutes to the notice, whether in time."""
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
            _month(AlertRow.found_at, period).label("month"),
            case((AlertBoard.notified_at.is_not(None), 1), else_=0).label("notified"),
            case((called, 1), else_=0).label("followed"),
            _minutes(db, begins, AlertBoard.notified_at).label("minutes"),
            case((_is_in_time(db, since_confirmed, period), 1), else_=0).label("in_time"),
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


def _month(moment: Any, period: Period) -> ColumnElement[str]:
    """The centre's month of a moment; its midnights are not those of UTC."""
    edges = [date.fromisoformat(f"{month}-01") for month in period.months]
    branches = [(moment < start_of(edge), f"{edges[place - 1]:%Y-%m}") for place, edge in enumerate(edges) if place]
    return case(*branches, else_=literal(period.months[-1])) if branches else literal(period.months[-1])


def _minutes(db: Session, begins: Any, ends: Any) -> ColumnElement[Any]:
    if house_of(db).is_sqlite:
        return (func.julianday(ends) - func.julianday(begins)) * 1440.0
    return extract("epoch", ends - begins) / 60.0


def _is_in_time(db: Session, confirmed: Any, period: Period) -> ColumnElement[bool]:
    """Whether somebody was told within the class's time after the confirmation, by the policies of the period's last day."""
    policies = rule_store.rules_in_force(db, period.until).book.policies
    minutes = _minutes(db, confirmed, AlertBoard.notified_at)
    return and_(
        AlertBoard.notified_at.is_not(None),
        case(
            *(
                (AlertBoard.alert_class == each.value, minutes <= _allowed(db, rules.policy_of(each, policies), confirmed))
                for each in AlertClass
            ),
            else_=False,
        ),
    )  # fmt: skip


def _allowed(db: Session, policy: AlertPolicy, moment: Any) -> Any:
    """Minutes allowed from a moment on; working days are more or fewer days by the day of the week on which they begin."""
    if not policy.working_days:
        return literal(float(policy.notify_minutes))
    if house_of(db).is_sqlite:
        weekday: Any = func.strftime("%w", moment, "+8 hours")
        name = str
    else:
        weekday = extract("dow", func.timezone("Asia/Shanghai", moment))
        name = int  # type: ignore[assignment]
    sunday = datetime(2026, 11, 1, 12, tzinfo=CENTRE_ZONE)
    days = {each: (add_working_days(sunday + timedelta(days=each), policy.working_days) - sunday).days - each for each in range(7)}
    return case(*((weekday == name(each), float(length * 1440)) for each, length in days.items()), else_=0.0)


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
        month.label("month"), alerts.c.alert_class, alerts.c.notified, alerts.c.in_time, alerts.c.minutes,
        func.row_number().over(partition_by=told_first, order_by=alerts.c.minutes).label("place"),
        func.count().over(partition_by=told_first).label("among"),
    ).subquery()  # fmt: skip
    is_middle = and_(ranked.c.notified == 1, ranked.c.place * 2 >= ranked.c.among, ranked.c.place * 2 <= ranked.c.among + 2)
    rows = db.execute(
        select(
            ranked.c.month, ranked.c.alert_class, func.count(), func.sum(ranked.c.notified), func.sum(ranked.c.in_time),
            func.avg(case((is_middle, ranked.c.minutes))),
        ).group_by(ranked.c.month, ranked.c.alert_class)
    )  # fmt: skip
    return {
        (row[0], row[1]): Speed(row[2], int(row[3]), Share(int(row[4]), row[2]), None if row[5] is None else float(row[5])) for row in rows
    }


# --- the alerts behind a figure -----------------------------------------------------------------------------------------

MEASURES = {
    "notified": "高危异常结果通知率", "followed": "重要异常结果随访率", "in_time": "按时通知率",
}  # fmt: skip
PARTS = {"part": "分子", "whole": "分母", "rest": "未完成"}
MOST_BEHIND = 1000


def behind(db: Session, period: Period, measure: str, part: str, month: str = "", alert_class: str = "") -> list[UUID]:
    """The alerts that a numerator, a denominator or the rest between them is made of, the newest first."""
    alerts = _alerts(db, period).subquery()
    classes = (alert_class,) if alert_class in EVERY else URGENT if measure == "notified" else EVERY
    found = select(alerts.c.alert_id).where(alerts.c.alert_class.in_(classes))
    if month:
        found = found.where(alerts.c.month == month)
    if part != "whole":
        done = alerts.c[measure if measure in MEASURES else "notified"]
        if measure == "in_time":
            found = found.where(done == (1 if part == "part" else 0))
        else:
            others = _alerts(db, period).subquery()
            people = select(others.c.person_id).where(others.c.alert_class.in_(classes)).group_by(others.c.person_id)
            if month:
                people = people.where(others.c.month == month)
            all_done = func.min(others.c[done.key]) == (1 if part == "part" else 0)
            found = found.where(alerts.c.person_id.in_(people.having(all_done)))
    return list(db.scalars(found.order_by(alerts.c.alert_id.desc()).limit(MOST_BEHIND)))

"""Alerts: found with the result that makes them, led through their loop step by step, never deleted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, exists, select, text
from sqlalchemy.orm import Session

from critical_values import board, indicators, rules
from critical_values.board import alert_of, alerts_of_visit, screen
from critical_values.facts import (
    AlertLine,
    AlertState,
    CalledBack,
    Changed,
    Closed,
    Confirmed,
    CriticalAlert,
    CriticalAlertMoved,
    CriticalAlertOverdue,
    CriticalAlertRaised,
    Dismissed,
    Escalated,
    HandedOver,
    Handled,
    Notice,
    Received,
    Reopened,
    Share,
    Step,
    StepTaken,
    Superseded,
)
from critical_values.models import AlertBoard, AlertPulse, AlertRow
from exam.calendar.facts import CalendarChanged
from exam.catalog.facts import Catalogue
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.errors import NotFound, trace_of
from exam.kit.events import announce
from exam.kit.house import House, actor_of, house_of, system_actor
from exam.kit.period import Period
from exam.kit.prepared import PreparedStatement
from exam.knowledge import rules as knowledge
from exam.knowledge import service as rule_store
from exam.knowledge.book import AlertPolicy
from exam.knowledge.facts import FiredAlert
from exam.visits import service as visits
from results import service as results
from results.facts import ResultStored

__all__ = [
    "alert_of",
    "alerts_of_visit",
    "board",
    "escalate_due",
    "hand_over",
    "on_result_stored",
    "screen",
    "since_opened",
    "take",
    "untold",
]

log = logging.getLogger("exam.critical_values")

_KNOWN = PreparedStatement(
    select(
        rule_store.REVISION.scalar_subquery().label("revision"),
        exists(select(AlertRow.id).where(AlertRow.visit_id == bindparam("of_visit"))).label("has_alert"),
    )
)
"""What is asked at every saving of results, in one statement."""


# --- found -----------------------------------------------------------------------------------------------------------


def on_result_stored(db: Session, event: ResultStored) -> None:
    """A result was stored, by whomever: its alerts are raised, changed or superseded in the same transaction (CRV-2)."""
    today = day_of(house_of(db).clock.now())
    known = _KNOWN.first(db, of_visit=event.visit_id)
    assert known is not None  # a select without a table has one row
    book = rule_store.rules_of_revision(db, known.revision or 0, today)
    part = msgspec.structs.replace(results.stored_case(db), on=today)
    # Most values are ordinary: the department's own ones say so, and nothing else is read.
    if known.has_alert or knowledge.may_alert(part, book, event.items):
        _judge(db, event.visit_id)


def _judge(db: Session, visit_id: UUID) -> None:
    """Compares what the rules find in a visit now with the alerts it has."""
    now = house_of(db).clock.now()
    book = rule_store.rules_in_force(db, day_of(now))
    case = msgspec.structs.replace(results.case_of(db, visit_id), on=day_of(now))
    fired = {each.rule: each for each in knowledge.alerts_of(case, book)}
    rows = {row.rule: row for row in db.scalars(select(AlertRow).where(AlertRow.visit_id == visit_id))}
    for rule, found in fired.items():
        if rule in rows:
            _found_again(db, rows[rule], found)
        else:
            _raise(db, visit_id, found, book.book.policies, now)
    values = {reading.item: knowledge.finding_text(reading) for reading in case.readings.values()}
    for rule, row in rows.items():
        if rule not in fired:
            _gone(db, row, values)


def _raise(db: Session, visit_id: UUID, found: FiredAlert, policies: Sequence[AlertPolicy], now: datetime) -> None:
    visit = visits.get_row(db, visit_id)
    policy = rules.policy_of(found.alert_class, policies)
    alert_id = house_of(db).ids.new()
    row = {
        "id": alert_id, "site": visit.site, "visit_id": visit_id, "rule": found.rule, "rule_version": found.version,
        "alert_class": found.alert_class.value, "name": found.name, "department": found.department,
        "items": _json(found.items), "evidence": _json(found.evidence), "specialist": found.specialist, "advice": found.advice,
        "call_back_days": _json(found.follow_up_days or policy.follow_up_days), "found_at": now,
        "found_by": actor_of(db).name, "is_private": _is_private(visits.catalogue_of(db, visit), found.items),
    }  # fmt: skip
    stands = rules.standing(now, found.follow_up_days or policy.follow_up_days, (), policy, board.calendar_for(db, policy))
    board.ALERTS.open(db, [(row, board.told(stands, found.alert_class))])
    _beat(db, visit.site)
    audit.note(db, "critical_values.raise", subject=f"visit:{visit.visit_no}")
    announce(db, CriticalAlertRaised(visit_id, visit.site, alert_id, found.alert_class.value))


def _is_private(catalogue: Catalogue, items: Sequence[str]) -> bool:
    private = {code for code, item in catalogue.items.items() if item.privacy}
    private.update(code for group in catalogue.groups.values() if group.privacy for code in group.items)
    return not private.isdisjoint(items)


def _found_again(db: Session, row: AlertRow, found: FiredAlert) -> None:
    """A correction that still makes the alert: it stands anew with the new values; the same values change nothing."""
    alert = alert_of(db, row.id)
    if alert.state is AlertState.SUPERSEDED:
        _add(db, row, Reopened("更正后的结果再次达到标准"))
    elif alert.evidence == found.evidence:
        return
    _add(db, row, Changed(found.evidence, found.version, found.alert_class))


def _gone(db: Session, row: AlertRow, values: dict[str, str]) -> None:
    alert = alert_of(db, row.id)
    if alert.state is not AlertState.SUPERSEDED:
        _add(db, row, Superseded(tuple(values.get(item, f"{item} 已无结果") for item in alert.items)))


# --- the loop --------------------------------------------------------------------------------------------------------

Act = Confirmed | Dismissed | Notice | Received | Handled | CalledBack | Closed | Reopened


def take(db: Session, alert_id: UUID, seen: int, step: Act) -> CriticalAlert:
    """One step of somebody on an alert. `seen` is the number of steps that the screen showed.

    Refuses what is not possible now, a step without its facts (each field named), and one from an outdated screen.
    """
    row = _locked(db, alert_id)
    steps = board.steps_of(db, alert_id)
    rules.require_version(seen, len(steps))
    rules.require_facts(step, alert_of(db, alert_id).alert_class, steps)
    if isinstance(step, CalledBack):
        done = 1 + sum(isinstance(each.step, CalledBack) for each in since_opened(steps))
        step = msgspec.structs.replace(step, round=done)
    _add(db, row, step)
    return alert_of(db, alert_id)


def since_opened(steps: Sequence[StepTaken]) -> Sequence[StepTaken]:
    """The steps after the alert was opened last."""
    opened = max((n for n, each in enumerate(steps, 1) if isinstance(each.step, Changed | Reopened)), default=0)
    return steps[opened:]


def hand_over(db: Session, alert_ids: Sequence[UUID], staff_id: UUID, name: str, note: str = "") -> int:
    """Gives open alerts to another member of staff (交接). Returns how many changed hands."""
    moved = 0
    # Every visit is locked before the first step touches the site's pulse: who saves a result takes the two in that order.
    wanted = select(AlertRow).where(AlertRow.id.in_(alert_ids), AlertRow.site == actor_of(db).site).order_by(AlertRow.visit_id)
    for row in db.scalars(wanted).all():
        visits.lock(db, row.visit_id)
    for alert_id in alert_ids:
        row = _locked(db, alert_id)
        alert = alert_of(db, alert_id)
        if alert.is_open and alert.duty_id != staff_id:
            step = HandedOver(staff_id, name, note.strip())
            rules.require_facts(step, alert.alert_class, ())
            _add(db, row, step)
            moved += 1
    return moved


def _locked(db: Session, alert_id: UUID) -> AlertRow:
    """The alert, while its visit is locked: two people take turns from here."""
    row = db.execute(select(AlertRow).where(AlertRow.id == alert_id, AlertRow.site == actor_of(db).site)).scalar()
    if row is None:
        raise NotFound("没有找到该危急值记录", "请从危急值看板中选择")
    visits.lock(db, row.visit_id)
    return row


def _add(db: Session, row: AlertRow, step: Step) -> None:
    now = house_of(db).clock.now()
    before = board.steps_of(db, row.id)
    taken = (*before, StepTaken(len(before) + 1, now, actor_of(db).name, step))
    stands = board.standing_of(db, row, taken)
    fact = {"kind": board.kind_of(step), "at": now, "body": msgspec.json.encode(step).decode()}
    board.ALERTS.add(db, row.id, len(taken), fact, board.told(stands, board.class_of(row, taken)))
    _beat(db, row.site)
    audit.note(db, f"critical_values.{board.kind_of(step)}", subject=f"alert:{row.id}", reason=getattr(step, "reason", ""))
    if isinstance(step, Escalated):
        announce(db, CriticalAlertOverdue(row.visit_id, row.site, row.id, step.level, step.to))
    else:
        announce(db, CriticalAlertMoved(row.visit_id, row.site, row.id, stands.state.value))


def _json(values: Sequence[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()


def _beat(db: Session, site: str) -> None:
    """Screens that wait for this site look again."""
    _BEAT.run(db, of_site=site)


_BEAT = PreparedStatement(
    text(
        "insert into critical_values_pulse (site, number) values (:of_site, 1) "
        "on conflict (site) do update set number = critical_values_pulse.number + 1"
    )
)
"""Two first alerts of a site at once must not refuse each other: the results they come of would be refused with them."""


def pulse(db: Session, site: str) -> int:
    """The site's number: it differs when any of its alerts changed."""
    return db.scalar(select(AlertPulse.number).where(AlertPulse.site == site)) or 0


# --- clocks ----------------------------------------------------------------------------------------------------------

_MOST_AT_ONCE = 200


def escalate_due(house: House) -> None:
    """The job: every alert whose next in line is to be told now gets its step; each in a transaction of its own."""
    now = house.clock.now()
    with house.unit(None, write=False) as db:
        due = select(AlertBoard.alert_id, AlertBoard.site).where(AlertBoard.ring_at <= now)
        waiting = list(db.execute(due.order_by(AlertBoard.ring_at).limit(_MOST_AT_ONCE)))
    for alert_id, site in waiting:
        try:
            with house.unit(system_actor(site)) as db:
                _escalate(db, alert_id)
        except Exception as error:
            # One that cannot be told must not keep those behind it from being told.
            log.error("escalation of alert %s failed\n%s", alert_id, trace_of(error))


def _escalate(db: Session, alert_id: UUID) -> None:
    row = _locked(db, alert_id)
    steps = board.steps_of(db, alert_id)
    stands = board.standing_of(db, row, steps)
    now = house_of(db).clock.now()
    if stands.ring_at is None or stands.ring_at > now:
        return  # somebody was faster
    policy = board.policy_of(db, row)
    _add(db, row, Escalated(stands.level + 1, policy.escalation[stands.level].to, stands.next_step))


def on_calendar_changed(db: Session, event: CalendarChanged) -> None:
    """A year's holidays are others than before: what is to be told within some working days is due when they say now."""
    waiting = (
        select(AlertRow, AlertBoard)
        .join(AlertBoard, AlertBoard.alert_id == AlertRow.id)
        .where(AlertBoard.next_step.in_(("notify", "tell_correction")))
        .order_by(AlertRow.visit_id)
    )
    for visit_id in dict.fromkeys(row.AlertRow.visit_id for row in db.execute(waiting)):
        visits.lock(db, visit_id)
    for row, held in db.execute(waiting.execution_options(populate_existing=True)).all():
        stands = board.standing_of(db, row, board.steps_of(db, row.id))
        if (stands.due_at, stands.ring_at) != (held.due_at, held.ring_at):
            held.due_at, held.ring_at = stands.due_at, stands.ring_at
            _beat(db, row.site)


# --- what others ask -------------------------------------------------------------------------------------------------


def untold(db: Session, visit_id: UUID) -> tuple[CriticalAlert, ...]:
    """The alerts of a visit that keep its report from being released: nobody was told, and no attempt is on record (T15)."""
    return tuple(
        alert for alert in alerts_of_visit(db, visit_id)
        if rules.blocks_release(alert.state, alert.attempts, board.policy_in_force(db, alert.alert_class))
    )  # fmt: skip


def shares_by_month(db: Session, period: Period) -> dict[str, dict[str, Share]]:
    """The regulator's indicators 6 (`notified`) and 7 (`followed`) in people, by month and, under the empty month, of the whole time."""
    months, whole = indicators.figures(db, period)
    every = (*months, whole)
    return {"notified": {each.month: each.notified for each in every}, "followed": {each.month: each.followed for each in every}}


def alerts_counted(
    db: Session, period: Period, measure: str, part: str, month: str, offset: int, most: int
) -> tuple[tuple[AlertLine, ...], int]:
    """One page of the alerts behind a count of `shares_by_month` (`part`, `whole` or `rest`), and how many there are."""
    ids, total = indicators.page_behind(db, period, measure, part, month, offset, most)
    return board.lines_of(db, ids), total

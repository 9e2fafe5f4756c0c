"""Reading alerts: one with its steps, a visit's, and the lists of the board."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, and_, func, or_, select
from sqlalchemy.orm import Session

from critical_values import rules
from critical_values.facts import (
    AlertLine,
    AlertScreen,
    AlertState,
    BoardFilters,
    Changed,
    CriticalAlert,
    Step,
    StepTaken,
    Superseded,
)
from critical_values.models import AlertBoard, AlertRow, AlertStep
from exam.calendar import service as calendar
from exam.calendar.facts import WEEKENDS_ONLY, WorkCalendar
from exam.kit.boards import FactBoard
from exam.kit.clock import day_of
from exam.kit.errors import NotFound
from exam.kit.house import actor_of, house_of
from exam.kit.period import day_after, start_of
from exam.knowledge import service as rule_store
from exam.knowledge.book import AlertPolicy
from exam.knowledge.facts import AlertClass
from exam.people.service import prefix_bounds
from exam.visits import service as visits
from exam.visits.models import Visit, VisitBoard

PAGE_SIZE = 50
_TEXTS = tuple[str, ...]
ALERTS = FactBoard("alert", AlertRow, AlertStep, AlertBoard, key="alert_id", count="steps")


def kind_of(step: Step) -> str:
    """How a kind of step is stored."""
    return str(type(step).__struct_config__.tag)


def steps_of(db: Session, alert_id: UUID) -> tuple[StepTaken, ...]:
    """Every step of an alert, in order."""
    rows = db.execute(select(AlertStep.__table__).where(AlertStep.alert_id == alert_id).order_by(AlertStep.number))
    return tuple(to_step(row) for row in rows)


def to_step(row: Row[Any]) -> StepTaken:
    """A step's row as a struct."""
    return StepTaken(row.number, row.at, row.actor, msgspec.json.decode(row.body, type=Step))


def policy_in_force(db: Session, alert_class: AlertClass) -> AlertPolicy:
    """The clocks of a class today."""
    book = rule_store.rules_in_force(db, day_of(house_of(db).clock.now()))
    return rules.policy_of(alert_class, book.book.policies)


def policy_of(db: Session, row: AlertRow) -> AlertPolicy:
    """The clocks of an alert: those that held on the day it was found, so that a later change moves no deadline behind it."""
    book = rule_store.rules_in_force(db, day_of(row.found_at))
    return rules.policy_of(AlertClass(row.alert_class), book.book.policies)


def standing_of(db: Session, row: AlertRow, steps: Sequence[StepTaken]) -> rules.Standing:
    """Where an alert stands after these steps."""
    days = msgspec.json.decode(row.call_back_days, type=tuple[int, ...])
    policy = policy_of(db, row)
    return rules.standing(row.found_at, days, steps, policy, calendar_for(db, policy))


def calendar_for(db: Session, policy: AlertPolicy) -> WorkCalendar:
    """The calendar that a class's clocks run by; only one that counts working days asks for it."""
    return calendar.work_calendar(db) if policy.working_days else WEEKENDS_ONLY


def class_of(row: AlertRow, steps: Sequence[StepTaken]) -> AlertClass:
    """The class of an alert: what the last correction made of it."""
    changed = [each.step.alert_class for each in steps if isinstance(each.step, Changed)]
    return changed[-1] if changed else AlertClass(row.alert_class)


def told(stands: rules.Standing, alert_class: AlertClass) -> dict[str, Any]:
    """What the board says of an alert that stands there."""
    return {**msgspec.structs.asdict(stands), "state": stands.state.value, "alert_class": alert_class.value}


# --- one and a visit's -----------------------------------------------------------------------------------------------


def alert_of(db: Session, alert_id: UUID) -> CriticalAlert:
    """An alert of the actor's site as it stands now."""
    found = select(AlertRow, AlertBoard).join(AlertBoard, AlertBoard.alert_id == AlertRow.id)
    row = db.execute(found.where(AlertRow.id == alert_id, AlertRow.site == actor_of(db).site)).first()
    if row is None:
        raise NotFound("没有找到该危急值记录", "请从危急值看板中选择")
    return _to_alert(*row, _latest_evidence(db, [alert_id]))


def alerts_of_visit(db: Session, visit_id: UUID) -> tuple[CriticalAlert, ...]:
    """Every alert of a visit, the most urgent first; two statements, one where there is none."""
    found = select(AlertRow, AlertBoard).join(AlertBoard, AlertBoard.alert_id == AlertRow.id)
    rows = db.execute(found.where(AlertBoard.visit_id == visit_id, AlertBoard.site == actor_of(db).site)).all()
    latest = _latest_evidence(db, [row.AlertRow.id for row in rows])
    alerts = [_to_alert(*row, latest) for row in rows]
    return tuple(sorted(alerts, key=lambda each: (not each.is_open, CLASS_ORDER[each.alert_class], each.found_at)))


CLASS_ORDER = {AlertClass.CRITICAL: 0, AlertClass.A: 1, AlertClass.B: 2}


def _latest_evidence(db: Session, alert_ids: Sequence[UUID]) -> dict[UUID, Step]:
    """What the last correction says of each alert that had one; no statement where there are no alerts."""
    if not alert_ids:
        return {}
    changed = select(AlertStep.alert_id, AlertStep.body).where(
        AlertStep.alert_id.in_(alert_ids), AlertStep.kind.in_(("changed", "superseded"))
    )
    rows = db.execute(changed.order_by(AlertStep.number))
    return {row.alert_id: msgspec.json.decode(row.body, type=Step) for row in rows}


def _to_alert(row: AlertRow, stands: AlertBoard, latest: dict[UUID, Step]) -> CriticalAlert:
    change = latest.get(row.id)
    evidence = change.evidence if isinstance(change, Changed | Superseded) else msgspec.json.decode(row.evidence, type=_TEXTS)
    return CriticalAlert(
        id=row.id, visit_id=row.visit_id, site=row.site, rule=row.rule,
        rule_version=change.rule_version if isinstance(change, Changed) else row.rule_version,
        alert_class=AlertClass(stands.alert_class), name=row.name, department=row.department,
        items=msgspec.json.decode(row.items, type=_TEXTS), evidence=evidence, specialist=row.specialist, advice=row.advice,
        found_at=row.found_at, found_by=row.found_by, state=AlertState(stands.state), next_step=stands.next_step,
        due_at=stands.due_at, level=stands.level, duty_id=stands.duty_id, duty=stands.duty, attempts=stands.attempts,
        notified_at=stands.notified_at, call_back_days=msgspec.json.decode(row.call_back_days, type=tuple[int, ...]),
        ver=stands.steps, is_private=row.is_private,
    )  # fmt: skip


def screen(db: Session, alert_id: UUID) -> AlertScreen:
    """Everything that an alert's page shows."""
    alert = alert_of(db, alert_id)
    return AlertScreen(_line(db, alert), steps_of(db, alert_id))


def _line(db: Session, alert: CriticalAlert) -> AlertLine:
    now = house_of(db).clock.now()
    return AlertLine(alert, visits.card(db, alert.visit_id), alert.due_at is not None and alert.due_at < now)


# --- lists -----------------------------------------------------------------------------------------------------------


class AlertList(msgspec.Struct, frozen=True):
    """A page of the board with the count of every tab."""

    lines: tuple[AlertLine, ...]
    counts: dict[str, int]
    total: int
    page: int
    pages: int


def alert_list(db: Session, filters: BoardFilters, page: int = 1, size: int = PAGE_SIZE) -> AlertList:
    """A page of alerts: open ones by what is due first, ended ones newest first; four statements."""
    now = house_of(db).clock.now()
    conditions = _conditions(db, filters, now)
    joined = select(AlertRow, AlertBoard, Visit, VisitBoard).select_from(AlertBoard)
    counted = select(func.count()).select_from(AlertBoard)
    statement, total_of = (
        each.join(AlertRow, AlertRow.id == AlertBoard.alert_id)
        .join(Visit, Visit.id == AlertBoard.visit_id)
        .join(VisitBoard, VisitBoard.visit_id == AlertBoard.visit_id)
        .where(*conditions)
        for each in (joined, counted)
    )
    total = db.scalar(total_of) or 0
    pages = max(1, -(-total // size))
    page = min(max(1, page), pages)
    order: tuple[Any, ...] = (AlertBoard.found_at.desc(), AlertBoard.alert_id)
    if filters.tab != "ended":
        order = (AlertBoard.due_at, AlertBoard.found_at, AlertBoard.alert_id)
    rows = db.execute(statement.order_by(*order).limit(size).offset((page - 1) * size)).all()
    latest = _latest_evidence(db, [row.AlertRow.id for row in rows])
    lines = tuple(
        AlertLine(alert, visits.to_card(row.Visit, row.VisitBoard), alert.due_at is not None and alert.due_at < now)
        for row in rows
        for alert in (_to_alert(row.AlertRow, row.AlertBoard, latest),)
    )
    return AlertList(lines, _counts(db, now), total, page, pages)


def lines_of(db: Session, alert_ids: Sequence[UUID]) -> tuple[AlertLine, ...]:
    """These alerts of the actor's site as lines, in the order asked for."""
    now = house_of(db).clock.now()
    found = (
        select(AlertRow, AlertBoard, Visit, VisitBoard)
        .join(AlertBoard, AlertBoard.alert_id == AlertRow.id)
        .join(Visit, Visit.id == AlertBoard.visit_id)
        .join(VisitBoard, VisitBoard.visit_id == AlertBoard.visit_id)
        .where(AlertBoard.alert_id.in_(alert_ids), AlertBoard.site == actor_of(db).site)
    )
    latest = _latest_evidence(db, alert_ids)
    lines = {}
    for row in db.execute(found):
        alert = _to_alert(row.AlertRow, row.AlertBoard, latest)
        is_late = alert.due_at is not None and alert.due_at < now
        lines[alert.id] = AlertLine(alert, visits.to_card(row.Visit, row.VisitBoard), is_late)
    return tuple(lines[each] for each in alert_ids if each in lines)


def _counts(db: Session, now: datetime) -> dict[str, int]:
    is_open = AlertBoard.next_step != ""
    row = db.execute(
        select(
            func.count(),
            func.count().filter(AlertBoard.due_at < now),
            func.count().filter(AlertBoard.duty_id == actor_of(db).staff_id),
        ).where(AlertBoard.site == actor_of(db).site, is_open)
    ).one()
    return dict(zip(("open", "late", "mine"), row, strict=True))


def _conditions(db: Session, filters: BoardFilters, now: datetime) -> list[ColumnElement[bool]]:
    actor = actor_of(db)
    is_open = AlertBoard.next_step != ""
    found: list[ColumnElement[bool]] = [AlertBoard.site == actor.site]
    match filters.tab:
        case "late":
            found += [is_open, AlertBoard.due_at < now]
        case "mine":
            found += [is_open, AlertBoard.duty_id == actor.staff_id]
        case "ended":
            found.append(AlertBoard.next_step == "")
        case "all":
            pass
        case _:
            found.append(is_open)
    if filters.alert_class:
        found.append(AlertBoard.alert_class == filters.alert_class)
    if filters.state:
        found.append(AlertBoard.state == filters.state)
    if filters.department:
        found.append(AlertRow.department == filters.department)
    if filters.q.strip():
        low, high = prefix_bounds(filters.q.strip())
        found.append(or_(Visit.visit_no == filters.q.strip(), and_(Visit.person_name >= low, Visit.person_name < high)))
    if filters.since:
        found.append(AlertBoard.found_at >= start_of(filters.since))
    if filters.until:
        found.append(AlertBoard.found_at < day_after(filters.until))
    return found

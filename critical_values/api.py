"""Alerts for programs: the open ones of the site, and the next step of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import FromPath, FromQuery, JSONBody

from critical_values import board, screens, service
from critical_values.facts import (
    AlertLine,
    AlertState,
    BoardFilters,
    CalledBack,
    Closed,
    Confirmed,
    Dismissed,
    Handled,
    Notice,
    Received,
    Reopened,
)
from exam.kit import audit, web
from exam.kit.house import actor_of
from exam.knowledge.facts import AlertClass

AnyRequest = Request[Any, Any, Any]

MOST = 200


class AlertAnswer(msgspec.Struct, frozen=True):
    """An alert as another screen shows it; of a private finding name and values are withheld from who may not read them."""

    id: UUID
    visit_no: str
    person_name: str
    alert_class: AlertClass
    name: str
    evidence: tuple[str, ...]
    department: str
    state: AlertState
    next_step: str
    found_at: datetime
    due_at: datetime | None
    is_late: bool
    level: int
    duty: str
    attempts: int
    version: int


class OpenAlerts(msgspec.Struct, frozen=True):
    """A page of the site's open alerts, what is due first first. `pulse` changes with every change of any of them."""

    pulse: int
    total: int
    late: int
    page: int
    pages: int
    alerts: tuple[AlertAnswer, ...]


class StepBody(msgspec.Struct, forbid_unknown_fields=True):
    """The number of steps that were seen, and the step; its `type` says which one."""

    seen: int
    step: Confirmed | Dismissed | Notice | Received | Handled | CalledBack | Closed | Reopened


@web.get("/api/alerts", may="critical_values.read")
def list_alerts(request: AnyRequest, db: web.Db, page: FromQuery[int] = 1) -> OpenAlerts:
    """The open alerts of the site, two hundred at a time, what is due first first."""
    pulse = service.pulse(db, actor_of(db).site)
    found = board.alert_list(db, BoardFilters(), page, MOST)
    audit.read(db, "critical_values.read_list", "list:alerts", f"{len(found.lines)} 条")
    alerts = tuple(_answer(db, line) for line in found.lines)
    return OpenAlerts(pulse, found.total, found.counts["late"], found.page, found.pages, alerts)


@web.post("/api/alerts/{alert_id:str}/steps", may="critical_values.read")
def take_step(request: AnyRequest, db: web.Db, alert_id: FromPath[str], data: JSONBody[StepBody]) -> AlertAnswer:
    """The next step of an alert; each kind needs its own permission, and 409 says that somebody else was faster."""
    of_alert, step = web.uuid_of(alert_id), data.step
    if isinstance(step, Notice):
        step = msgspec.structs.replace(step, message_id=None)  # only the system knows which of its messages a notice was
    screens.require_may_take(db, service.alert_of(db, of_alert), step)
    service.take(db, of_alert, data.seen, step)
    db.flush()
    return _answer(db, service.screen(db, of_alert).line)


def _answer(db: web.Db, line: AlertLine) -> AlertAnswer:
    alert, shown = line.alert, screens.shown(db, line.alert)
    return AlertAnswer(
        id=alert.id, visit_no=line.card.visit_no, person_name=line.card.person_name, alert_class=alert.alert_class, name=shown.name,
        evidence=shown.evidence, department=alert.department, state=alert.state, next_step=alert.next_step, found_at=alert.found_at,
        due_at=alert.due_at, is_late=shown.is_late, level=alert.level, duty=alert.duty, attempts=alert.attempts, version=alert.ver,
    )  # fmt: skip


routes = (list_alerts, take_step)

"""The register of critical and important results (登记本): every alert of some days with all that a regulator asks of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from critical_values import board, screens
from critical_values.facts import (
    ALERT_STATE_NAMES,
    CALL_BACK_OUTCOMES,
    CONFIRM_WAYS,
    NOTICE_CHANNELS,
    NOTICE_OUTCOMES,
    NOTICE_RECIPIENTS,
    AlertLine,
    BoardFilters,
    CalledBack,
    Changed,
    Closed,
    Confirmed,
    Dismissed,
    Handled,
    Notice,
    Received,
    Reopened,
    StepTaken,
)
from critical_values.models import AlertStep
from exam.kit.clock import local
from exam.kit.errors import BadInput
from exam.kit.house import house_of
from exam.kit.money import yuan

MOST_DAYS = 366
MOST_ROWS = 5000


class Entry(msgspec.Struct, frozen=True):
    """One alert in the register, in words. An employer is not among its columns, and no one outside gets it."""

    alert_id: UUID
    number: int
    class_name: str
    found_at: datetime
    visit_no: str
    person_name: str
    sex: str
    age: int
    department: str
    name: str
    result: str
    rule: str
    found_by: str
    confirmed: str
    confirmed_by: str
    confirmed_at: datetime | None
    dismissed: str
    notified_at: datetime | None
    channel: str
    recipient: str
    notifier: str
    read_back: str
    outcome: str
    attempts: int
    minutes: int | None
    received_by: str
    received_at: datetime | None
    advice: str
    referred_to: str
    appointment_no: str
    green_channel: str
    handled_by: str
    handled_at: datetime | None
    call_backs: tuple[str, ...]
    diagnosis: str
    fee: str
    closed_by: str
    closed_at: datetime | None
    state: str
    escalated: int
    steps: tuple[screens.StepLine, ...]


def entries(db: Session, since: date, until: date, alert_class: str = "", most: int = MOST_ROWS) -> tuple[list[Entry], int]:
    """The alerts found on these days in the order of finding, and how many there are; `most` of them at once."""
    if until < since:
        raise BadInput([("until", "结束日期早于开始日期")])
    if (until - since).days > MOST_DAYS:
        raise BadInput([("until", f"一次最多 {MOST_DAYS} 天")])
    filters = BoardFilters(tab="all", alert_class=alert_class, since=since, until=until)
    found = board.alert_list(db, filters, 1, most)
    lines = sorted(found.lines, key=lambda line: (line.alert.found_at, line.card.visit_no))
    steps = _steps_of(db, [line.alert.id for line in lines])
    departments = screens.department_names(db)
    return [_entry(db, number, line, steps.get(line.alert.id, ()), departments) for number, line in enumerate(lines, 1)], found.total


def first_days(db: Session) -> tuple[date, date]:
    """The days that the register shows at first: this month until today."""
    today = local(house_of(db).clock.now()).date()
    return today.replace(day=1), today


_AT_ONCE = 400


def _steps_of(db: Session, alert_ids: Sequence[UUID]) -> dict[UUID, tuple[StepTaken, ...]]:
    table = AlertStep.__table__
    found: dict[UUID, list[StepTaken]] = {}
    for start in range(0, len(alert_ids), _AT_ONCE):
        some = alert_ids[start : start + _AT_ONCE]
        for row in db.execute(select(table).where(table.c.alert_id.in_(some)).order_by(table.c.alert_id, table.c.number)):
            found.setdefault(row.alert_id, []).append(board.to_step(row))
    return {alert_id: tuple(steps) for alert_id, steps in found.items()}


def _entry(db: Session, number: int, line: AlertLine, steps: Sequence[StepTaken], departments: dict[str, str]) -> Entry:
    alert, card = line.alert, line.card
    shown = screens.shown(db, alert)
    words = screens.timeline(steps, shown.is_hidden)
    told = _Told(steps, shown.is_hidden)
    return Entry(
        alert_id=alert.id, number=number, class_name=screens.CLASS_NAMES[alert.alert_class], found_at=alert.found_at, visit_no=card.visit_no,
        person_name=card.person_name, sex="男" if card.sex == "M" else "女", age=card.age,
        department=departments.get(alert.department, alert.department), name=shown.name, result=";".join(shown.evidence),
        rule="" if shown.is_hidden else f"{alert.rule} 第 {alert.rule_version} 版", found_by=alert.found_by,
        state=ALERT_STATE_NAMES[alert.state], escalated=sum(each.kind == "escalated" for each in words), steps=words,
        attempts=told.attempts, minutes=told.minutes(alert.found_at), **told.values(),
    )  # fmt: skip


class _Told:
    """What the steps say, column by column. After a correction or a reopening the new round counts; the old one stays among the steps."""

    def __init__(self, steps: Sequence[StepTaken], is_hidden: bool) -> None:
        opened = max((n for n, each in enumerate(steps, 1) if isinstance(each.step, Changed | Reopened)), default=0)
        self._opened_at = steps[opened - 1].at if opened else None
        self._steps = steps[opened:]
        self._is_hidden = is_hidden
        notices = [each for each in self._steps if isinstance(each.step, Notice)]
        self.attempts = len(notices)
        reached = [each for each in notices if each.step.outcome in ("confirmed", "reached")]  # type: ignore[union-attr]
        self._notice = reached[0] if reached else None
        self._last_notice = notices[-1] if notices else None

    def minutes(self, found_at: datetime) -> int | None:
        """Minutes from the finding, or from what opened it again, to the notice that reached somebody."""
        if self._notice is None:
            return None
        return int((self._notice.at - (self._opened_at or found_at)).total_seconds() // 60)

    def _last(self, kind: type) -> StepTaken | None:
        return next((each for each in reversed(self._steps) if isinstance(each.step, kind)), None)

    def values(self) -> dict[str, Any]:
        """The columns that the steps fill."""
        confirmed, dismissed, received = self._last(Confirmed), self._last(Dismissed), self._last(Received)
        handled, called, closed = self._last(Handled), self._last(CalledBack), self._last(Closed)
        notice = self._notice or self._last_notice
        told, done, back = _of(notice, Notice), _of(handled, Handled), _of(called, CalledBack)
        sure, taken, wrong = _of(confirmed, Confirmed), _of(received, Received), _of(dismissed, Dismissed)
        is_read_back = told is not None and told.outcome == "confirmed"
        values = {
            "confirmed": CONFIRM_WAYS[sure.way] + (f":{sure.note}" if sure.note else "") if sure else "",
            "confirmed_by": confirmed.actor if confirmed else "", "confirmed_at": confirmed.at if confirmed else None,
            "dismissed": wrong.reason if wrong else "",
            "notified_at": self._notice.at if self._notice else None,
            "channel": NOTICE_CHANNELS[told.channel] if told else "",
            "recipient": f"{NOTICE_RECIPIENTS[told.recipient]} {told.recipient_name}" if told else "",
            "notifier": notice.actor if notice else "", "read_back": told.read_back if told else "",
            "outcome": NOTICE_OUTCOMES[told.outcome] if told else "",
            "received_by": taken.by if taken else told.recipient_name if told and is_read_back else "",
            "received_at": received.at if received else notice.at if notice and is_read_back else None,
            "advice": done.advice if done else "", "referred_to": done.department if done else "",
            "appointment_no": done.appointment_no if done else "", "green_channel": "是" if done and done.is_green_channel else "",
            "handled_by": handled.actor if handled else "", "handled_at": handled.at if handled else None,
            "call_backs": tuple(self._call_backs()), "diagnosis": back.diagnosis if back else "", "fee": self._fee(),
            "closed_by": closed.actor if closed else "", "closed_at": closed.at if closed else None,
        }  # fmt: skip
        return {key: _hidden(key, value) for key, value in values.items()} if self._is_hidden else values

    def _call_backs(self) -> Iterator[str]:
        for each in self._steps:
            if isinstance(each.step, CalledBack):
                said = f"第 {each.step.round} 次 {local(each.at):%Y-%m-%d %H:%M} {NOTICE_CHANNELS[each.step.channel]}"
                yield f"{said} {CALL_BACK_OUTCOMES[each.step.outcome]} {each.actor}" + (f" {each.step.note}" if each.step.note else "")

    def _fee(self) -> str:
        fees = [each.step.fee_fen for each in self._steps if isinstance(each.step, CalledBack) and each.step.fee_fen is not None]
        return yuan(sum(fees)) if fees else ""


_TELLING = ("confirmed", "dismissed", "read_back", "advice", "referred_to", "appointment_no", "diagnosis", "call_backs")


def _hidden(key: str, value: Any) -> Any:
    """Of a private finding the register says when and by whom, never what."""
    if key not in _TELLING or not value:
        return value
    return (screens.HIDDEN_TEXT,) if isinstance(value, tuple) else screens.HIDDEN_TEXT


def _of(taken: StepTaken | None, kind: type) -> Any:
    return taken.step if taken is not None and isinstance(taken.step, kind) else None


# --- the workbook ----------------------------------------------------------------------------------------------------

HEADER = (
    "序号", "类别", "发现时间", "体检号", "姓名", "性别", "年龄", "发现科室", "异常结果", "检查结果", "规则", "发现人",
    "复核", "复核人", "复核时间", "排除原因", "通知时间", "通知方式", "被通知人", "通知人", "复述内容", "通知结果", "联系次数", "通知用时(分)",
    "接收人", "接收时间", "处理意见", "转诊科室", "挂号单号", "绿色通道", "处理人", "处理时间", "回访", "诊断", "就诊费用(元)",
    "结案人", "结案时间", "状态", "超时升级次数",
)  # fmt: skip
STEPS_HEADER = ("登记序号", "体检号", "姓名", "异常结果", "步骤", "时间", "经手人", "结果", "内容")


def rows_of(found: Sequence[Entry]) -> list[tuple[Any, ...]]:
    """The register's rows for a workbook."""
    return [
        (
            each.number, each.class_name, _at(each.found_at), each.visit_no, each.person_name, each.sex, each.age, each.department, each.name,
            each.result, each.rule, each.found_by, each.confirmed, each.confirmed_by, _at(each.confirmed_at), each.dismissed,
            _at(each.notified_at), each.channel, each.recipient, each.notifier, each.read_back, each.outcome, each.attempts, each.minutes,
            each.received_by, _at(each.received_at), each.advice, each.referred_to, each.appointment_no, each.green_channel,
            each.handled_by, _at(each.handled_at), ";".join(each.call_backs), each.diagnosis, each.fee, each.closed_by,
            _at(each.closed_at), each.state, each.escalated,
        )
        for each in found
    ]  # fmt: skip


def step_rows_of(found: Sequence[Entry]) -> list[tuple[Any, ...]]:
    """Every step of every alert, for the second sheet."""
    return [
        (
            each.number, each.visit_no, each.person_name, each.name, step.name, _at(step.at), step.actor, step.told,
            ";".join(f"{label}:{text}" for label, text in step.facts),
        )
        for each in found
        for step in each.steps
    ]  # fmt: skip


def _at(moment: datetime | None) -> str:
    return f"{local(moment):%Y-%m-%d %H:%M}" if moment else ""

"""The loop of an alert, pure: which step may follow which, what it needs, when it is due, and who is told when it is late."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from critical_values.facts import (
    ALERT_STATE_NAMES,
    CALL_BACK_OUTCOMES,
    FINAL_OUTCOMES,
    AlertState,
    CalledBack,
    Changed,
    Closed,
    Confirmed,
    Dismissed,
    Escalated,
    HandedOver,
    Handled,
    Notice,
    Received,
    Reopened,
    Step,
    StepTaken,
    Superseded,
)
from exam.calendar.facts import WEEKENDS_ONLY, WorkCalendar
from exam.kit.errors import BadInput, Refused
from exam.kit.states import StateTable
from exam.knowledge.book import AlertPolicy, Escalation
from exam.knowledge.facts import AlertClass

LONGEST_TEXT = 500
_S = AlertState

_OPEN = (_S.FOUND, _S.CONFIRMED, _S.NOTIFIED, _S.RECEIVED, _S.HANDLED, _S.CALLED_BACK)
_TOLD = (_S.NOTIFIED, _S.RECEIVED, _S.HANDLED, _S.CALLED_BACK)

ALERT = StateTable(
    "critical_values",
    {
        (_S.FOUND, "confirm"): _S.CONFIRMED,
        (_S.FOUND, "dismiss"): _S.DISMISSED,
        (_S.CONFIRMED, "dismiss"): _S.DISMISSED,
        (_S.CONFIRMED, "notify"): _S.NOTIFIED,
        (_S.CONFIRMED, "notify_read_back"): _S.RECEIVED,
        (_S.NOTIFIED, "notify"): _S.NOTIFIED,
        (_S.NOTIFIED, "notify_read_back"): _S.RECEIVED,
        (_S.NOTIFIED, "receive"): _S.RECEIVED,
        (_S.RECEIVED, "handle"): _S.HANDLED,
        (_S.HANDLED, "call_back"): _S.HANDLED,
        (_S.HANDLED, "last_call_back"): _S.CALLED_BACK,
        (_S.CALLED_BACK, "close"): _S.CLOSED,
        **{(state, "change"): _S.FOUND for state in (*_OPEN, _S.DISMISSED, _S.CLOSED)},
        **{(state, "supersede"): _S.SUPERSEDED for state in (*_OPEN, _S.CLOSED, _S.DISMISSED)},
        (_S.SUPERSEDED, "reopen"): _S.FOUND,
        (_S.DISMISSED, "reopen"): _S.FOUND,
        (_S.CLOSED, "reopen"): _S.FOUND,
    },
    {state.value: name for state, name in ALERT_STATE_NAMES.items()},
)

_WAITED_FOR = {
    _S.FOUND: "confirm", _S.CONFIRMED: "notify", _S.NOTIFIED: "receive", _S.RECEIVED: "handle", _S.HANDLED: "call_back",
    _S.CALLED_BACK: "close",
}  # fmt: skip
NEXT_STEP_NAMES = {
    "confirm": "复核", "notify": "通知", "receive": "接收确认", "handle": "处理", "call_back": "回访", "close": "结案",
    "tell_correction": "告知更正",
}  # fmt: skip


class Standing(msgspec.Struct, frozen=True):
    """Where an alert stands, derived from its steps."""

    state: AlertState
    next_step: str
    due_at: datetime | None
    ring_at: datetime | None
    level: int
    duty_id: UUID | None
    duty: str
    attempts: int
    notified_at: datetime | None


def standing(
    found_at: datetime, call_back_days: Sequence[int], steps: Sequence[StepTaken], policy: AlertPolicy,
    calendar: WorkCalendar = WEEKENDS_ONLY,
) -> Standing:  # fmt: skip
    """Replays the steps: the state, the next step with its clock, and when the next in line is told."""
    state, since, level, attempts = _S.FOUND, found_at, 0, 0
    notified_at: datetime | None = None
    duty_id: UUID | None = None
    duty, rounds, owes_correction = "", 0, False
    was_told = False  # of this finding, with whatever value: a correction that ends it is told too
    for taken in steps:
        step, before = taken.step, state
        match step:
            case HandedOver():
                duty_id, duty = step.staff_id, step.name
                continue
            case Escalated():
                level = step.level
                continue
            case Notice() if state is _S.SUPERSEDED or owes_correction:
                if step.outcome in ("confirmed", "reached"):
                    owes_correction = was_told = False
                continue
            case Notice():
                attempts += 1
                if step.outcome in ("confirmed", "reached"):
                    notified_at, was_told = notified_at or taken.at, True
            case CalledBack():
                rounds += 1
            case Superseded() | Dismissed():
                owes_correction = was_told
            case Changed() | Reopened():
                rounds, attempts, notified_at, owes_correction = 0, 0, None, False
        state = after(state, step, rounds, call_back_days)
        if state is not before or not isinstance(step, Notice):
            since, level = taken.at, 0
    next_step = _WAITED_FOR.get(state, "tell_correction" if owes_correction else "")
    due_at = _due(next_step, since, notified_at, rounds, call_back_days, policy, calendar)
    ring_at = _ring_at(next_step, since, due_at, level, policy)
    return Standing(state, next_step, due_at, ring_at, level, duty_id, duty, attempts, notified_at)


def after(state: AlertState, step: Step, rounds: int, call_back_days: Sequence[int]) -> AlertState:
    """The state after a step; refuses what is not possible now. `rounds` counts this call-back too."""
    if isinstance(step, Notice) and step.outcome in ("not_reached", "sent"):
        # An attempt is kept whatever came of it; only somebody who was reached moves the loop.
        if state not in (_S.CONFIRMED, _S.NOTIFIED):
            ALERT.move(state, "notify", "登记通知")
        return state
    return AlertState(ALERT.move(state, _action(step, rounds, call_back_days), _LABELS[type(step)]))


def _action(step: Step, rounds: int, call_back_days: Sequence[int]) -> str:
    match step:
        case Notice(outcome="confirmed"):
            return "notify_read_back"
        case CalledBack():
            is_last = rounds >= len(call_back_days) or step.outcome in FINAL_OUTCOMES
            return "last_call_back" if is_last else "call_back"
    return _ACTIONS[type(step)]


_ACTIONS: dict[type, str] = {
    Confirmed: "confirm", Dismissed: "dismiss", Notice: "notify", Received: "receive", Handled: "handle", Closed: "close",
    Changed: "change", Superseded: "supersede", Reopened: "reopen",
}  # fmt: skip
_LABELS: dict[type, str] = {
    Confirmed: "复核确认", Dismissed: "排除误报", Notice: "登记通知", Received: "接收确认", Handled: "登记处理", CalledBack: "登记回访",
    Closed: "结案", Changed: "更正", Superseded: "撤销", Reopened: "重新打开",
}  # fmt: skip


def _due(
    next_step: str, since: datetime, notified_at: datetime | None, rounds: int, call_back_days: Sequence[int], policy: AlertPolicy,
    calendar: WorkCalendar,
) -> datetime | None:  # fmt: skip
    match next_step:
        case "confirm":
            return since + timedelta(minutes=policy.confirm_minutes)
        case "notify" | "tell_correction":
            if policy.working_days:
                return calendar.add_working_days(since, policy.working_days)
            return since + timedelta(minutes=policy.notify_minutes)
        case "receive":
            return since + timedelta(minutes=policy.receive_minutes)
        case "handle" | "close":
            return since + timedelta(minutes=policy.handle_minutes)
        case "call_back":
            days = call_back_days[min(rounds, len(call_back_days) - 1)] if call_back_days else 0
            return (notified_at or since) + timedelta(days=days)
    return None


def _ring_at(next_step: str, since: datetime, due_at: datetime | None, level: int, policy: AlertPolicy) -> datetime | None:
    """When the next in line is told. Until somebody was told the clock runs from the finding's last step, not from its due time:
    an hour without a notice is an hour, whoever was meant to confirm first."""
    if due_at is None or level >= len(policy.escalation):
        return None
    after_minutes = timedelta(minutes=policy.escalation[level].after_minutes)
    if next_step in ("confirm", "notify", "tell_correction") and not policy.working_days:
        return since + after_minutes
    return due_at + after_minutes - timedelta(minutes=policy.escalation[0].after_minutes)


# --- what a step needs -----------------------------------------------------------------------------------------------


def step_problems(step: Step, alert_class: AlertClass, steps: Sequence[StepTaken]) -> list[tuple[str, str]]:
    """The facts that a step lacks, by field: nothing is closed on a wave of the hand."""
    found = [(field, f"{label}过长或含有控制字符(最多 {LONGEST_TEXT} 字)") for field, label in _TEXTS.items() if _is_bad(step, field)]
    match step:
        case Dismissed(reason=reason) | Reopened(reason=reason):
            found += [("reason", "请填写原因")] if not reason.strip() else []
        case Notice():
            if not step.recipient_name.strip():
                found.append(("recipient_name", "请填写被通知人姓名"))
            if step.outcome == "confirmed" and not step.read_back.strip():
                found.append(("read_back", "请填写对方复述的内容"))
            if step.outcome == "not_reached" and not step.note.strip():
                found.append(("note", "请写明未联系上的情况(如无人接听、号码错误)"))
        case Received(by=by):
            found += [("by", "请填写接收人")] if not by.strip() else []
        case Handled(advice=advice):
            found += [("advice", "请填写处理意见")] if not advice.strip() else []
        case CalledBack():
            found += _call_back_problems(step, steps)
        case Confirmed(note=note, way="retest"):
            found += [("note", "请填写复测结果")] if not note.strip() and alert_class is not AlertClass.B else []
    return found


def _call_back_problems(step: CalledBack, steps: Sequence[StepTaken]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if step.outcome == "lost":
        used = [taken.step.channel for taken in steps if isinstance(taken.step, Notice | CalledBack)] + [step.channel]
        if len(used) < 2 or len(set(used)) < 2:
            found.append(("outcome", "登记失访前,至少要用两种不同方式各联系一次"))
    if step.outcome in ("refused", "lost", "died") and not step.note.strip():
        found.append(("note", f"结果为“{CALL_BACK_OUTCOMES[step.outcome]}”时请填写说明"))
    if step.fee_fen is not None and step.fee_fen < 0:
        found.append(("fee_fen", "就诊费用不能为负数"))
    return found


_TEXTS = {
    "note": "备注", "reason": "原因", "recipient_name": "被通知人", "read_back": "复述内容", "by": "接收人", "advice": "处理意见",
    "department": "转诊科室", "appointment_no": "挂号单号", "diagnosis": "诊断",
}  # fmt: skip


def _is_bad(step: Step, field: str) -> bool:
    text = getattr(step, field, "")
    return isinstance(text, str) and (len(text) > LONGEST_TEXT or not _is_plain(text))


def _is_plain(text: str) -> bool:
    return all(each in "\n\r\t" or unicodedata.category(each) not in ("Cc", "Cs") for each in text)


def require_facts(step: Step, alert_class: AlertClass, steps: Sequence[StepTaken]) -> None:
    """Refuses a step that lacks facts, naming each field."""
    problems = step_problems(step, alert_class, steps)
    if problems:
        raise BadInput(problems, code="critical_values.facts_missing")


# --- what it means for the report ------------------------------------------------------------------------------------


def blocks_release(state: AlertState, attempts: int, policy: AlertPolicy) -> bool:
    """Whether a report may not be released yet (T15): nobody was told, and no attempt is on record."""
    return policy.blocks_release and state in (_S.FOUND, _S.CONFIRMED) and attempts == 0


def policy_of(alert_class: AlertClass, policies: Iterable[AlertPolicy]) -> AlertPolicy:
    """The clocks of a class. Without any in force the strictest thinkable ones hold, so that nothing is forgotten."""
    for policy in policies:
        if policy.alert_class is alert_class:
            return policy
    return AlertPolicy(
        code="", version=0, alert_class=alert_class, confirm_minutes=15, notify_minutes=30, receive_minutes=30, handle_minutes=60,
        follow_up_days=(1, 7), escalation=(Escalation(30, "critical_values.head"), Escalation(60, "critical_values.direct")),
    )  # fmt: skip


def require_version(seen: int, steps: int) -> None:
    """Refuses a step from a screen that did not show the last one: two people must not do the same call twice unknowingly."""
    if seen != steps:
        raise Refused("critical_values.moved_on", "该条已被他人处理,您看到的不是最新情况", "请核对最新进展后再登记")

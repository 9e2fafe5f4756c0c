"""The forms of an alert's steps: a browser's fields to a step, with each wrong field named in Chinese."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from critical_values.facts import (
    CalledBack,
    Closed,
    Confirmed,
    Dismissed,
    Handled,
    Notice,
    Received,
    Reopened,
)
from critical_values.service import Act
from exam.kit.errors import BadInput
from exam.kit.forms import read_form
from exam.kit.money import fen_from_yuan

Channel = Literal["phone", "in_person", "sms", "wechat", "other"]

LABELS = {
    "seen": "页面版本", "way": "复核方式", "note": "备注", "reason": "原因", "channel": "通知方式", "recipient": "被通知人",
    "recipient_name": "被通知人姓名", "outcome": "结果", "read_back": "复述内容", "by": "接收人", "advice": "处理意见",
    "department": "转诊科室", "appointment_no": "挂号单号", "diagnosis": "诊断", "fee": "就诊费用",
}  # fmt: skip


class ConfirmForm(msgspec.Struct, forbid_unknown_fields=True):
    """复核: the finding is real."""

    seen: int
    way: Literal["retest", "doctor", "laboratory"]
    note: str = ""


class DismissForm(msgspec.Struct, forbid_unknown_fields=True):
    """排除误报."""

    seen: int
    reason: str = ""


class NotifyForm(msgspec.Struct, forbid_unknown_fields=True):
    """通知: one attempt."""

    seen: int
    channel: Channel
    recipient: Literal["person", "family", "doctor"]
    outcome: Literal["confirmed", "reached", "not_reached", "sent"]
    recipient_name: str = ""
    read_back: str = ""
    note: str = ""


class ReceiveForm(msgspec.Struct, forbid_unknown_fields=True):
    """接收确认."""

    seen: int
    by: str = ""
    note: str = ""


class HandleForm(msgspec.Struct, forbid_unknown_fields=True):
    """处理."""

    seen: int
    advice: str = ""
    department: str = ""
    appointment_no: str = ""
    is_green_channel: str = ""


class CallBackForm(msgspec.Struct, forbid_unknown_fields=True):
    """回访; the fee is in yuan, as it is read off a bill."""

    seen: int
    outcome: Literal["visited", "hospitalised", "waiting", "refused", "lost", "died"]
    channel: Channel
    diagnosis: str = ""
    fee: str = ""
    note: str = ""


class CloseForm(msgspec.Struct, forbid_unknown_fields=True):
    """结案."""

    seen: int
    note: str = ""


class ReopenForm(msgspec.Struct, forbid_unknown_fields=True):
    """重新打开."""

    seen: int
    reason: str = ""


FORMS: dict[str, type[msgspec.Struct]] = {
    "confirm": ConfirmForm, "dismiss": DismissForm, "notify": NotifyForm, "receive": ReceiveForm, "handle": HandleForm,
    "call-back": CallBackForm, "close": CloseForm, "reopen": ReopenForm,
}  # fmt: skip


def read(kind: str, data: dict[str, Any]) -> tuple[int, Act]:
    """The number of steps that the screen showed, and the step that its form describes."""
    form = read_form(data, FORMS[kind], LABELS)
    return form.seen, _step(form)  # type: ignore[attr-defined]


def _step(form: Any) -> Act:
    match form:
        case ConfirmForm():
            return Confirmed(form.way, form.note)
        case DismissForm():
            return Dismissed(form.reason)
        case NotifyForm():
            return Notice(form.channel, form.recipient, form.recipient_name, form.outcome, form.read_back, form.note)
        case ReceiveForm():
            return Received(form.by, form.note)
        case HandleForm():
            return Handled(form.advice, form.department, form.appointment_no, bool(form.is_green_channel))
        case CallBackForm():
            return CalledBack(0, form.outcome, form.channel, form.diagnosis, _fen(form.fee), form.note)
        case CloseForm():
            return Closed(form.note)
    return Reopened(form.reason)


def _fen(text: str) -> int | None:
    fen = fen_from_yuan(text, "fee") if text else None
    if fen is not None and fen < 0:
        raise BadInput([("fee", "就诊费用不能为负数")])
    return fen

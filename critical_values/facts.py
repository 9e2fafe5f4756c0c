"""Critical and important results as frozen structs: the alert, the steps of its loop, and what happened to it."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from exam.knowledge.facts import AlertClass
from exam.visits.facts import VisitCard


class AlertState(StrEnum):
    """Where an alert stands (domain.md §3.6). `SUPERSEDED`: a corrected result no longer makes it; nothing is deleted."""

    FOUND = "found"
    CONFIRMED = "confirmed"
    NOTIFIED = "notified"
    RECEIVED = "received"
    HANDLED = "handled"
    CALLED_BACK = "called_back"
    CLOSED = "closed"
    DISMISSED = "dismissed"
    SUPERSEDED = "superseded"


ALERT_STATE_NAMES = {
    AlertState.FOUND: "待复核",
    AlertState.CONFIRMED: "待通知",
    AlertState.NOTIFIED: "待接收确认",
    AlertState.RECEIVED: "待处理",
    AlertState.HANDLED: "待回访",
    AlertState.CALLED_BACK: "待结案",
    AlertState.CLOSED: "已结案",
    AlertState.DISMISSED: "误报已排除",
    AlertState.SUPERSEDED: "结果更正已撤销",
}

ENDED = frozenset({AlertState.CLOSED, AlertState.DISMISSED, AlertState.SUPERSEDED})

NOTICE_CHANNELS = {"phone": "电话", "in_person": "当面", "sms": "短信", "wechat": "微信", "other": "其他"}
NOTICE_RECIPIENTS = {"person": "受检者本人", "family": "家属", "doctor": "接诊医师"}
"""Whom one may tell. An employer is not among them: health exams forbid it (domain.md §3.6)."""

NOTICE_OUTCOMES = {"confirmed": "已复述确认", "reached": "已通知,未复述", "not_reached": "未联系上", "sent": "已发送,未见回执"}

CONFIRM_WAYS = {"retest": "复测确认", "doctor": "医师判定", "laboratory": "检验科复核"}

CALL_BACK_OUTCOMES = {
    "visited": "已就诊", "hospitalised": "已住院", "waiting": "尚未就诊", "refused": "拒绝就诊", "lost": "失访", "died": "死亡",
}  # fmt: skip

FINAL_OUTCOMES = frozenset({"hospitalised", "refused", "lost", "died"})
"""After these no further call-back is waited for."""


class Confirmed(msgspec.Struct, frozen=True, tag="confirmed"):
    """A re-test or a doctor's word says that the finding is real."""

    way: Literal["retest", "doctor", "laboratory"]
    note: str = ""


class Dismissed(msgspec.Struct, frozen=True, tag="dismissed"):
    """It was no such finding (误报), with the reason."""

    reason: str


class Notice(msgspec.Struct, frozen=True, tag="notice"):
    """One attempt to tell somebody: how, whom, and whether it was read back. `message_id` names the message that was sent."""

    channel: Literal["phone", "in_person", "sms", "wechat", "other"]
    recipient: Literal["person", "family", "doctor"]
    recipient_name: str
    outcome: Literal["confirmed", "reached", "not_reached", "sent"]
    read_back: str = ""
    note: str = ""
    message_id: UUID | None = None


class Received(msgspec.Struct, frozen=True, tag="received"):
    """Who was told says that it arrived (接收)."""

    by: str
    note: str = ""


class Handled(msgspec.Struct, frozen=True, tag="handled"):
    """What was done: the advice given, where the person was sent, the number of the appointment there."""

    advice: str
    department: str = ""
    appointment_no: str = ""
    is_green_channel: bool = False


class CalledBack(msgspec.Struct, frozen=True, tag="called_back"):
    """One call-back (回访): the round, what came of it, a diagnosis and the fees it led to, in fen."""

    round: int
    outcome: Literal["visited", "hospitalised", "waiting", "refused", "lost", "died"]
    channel: Literal["phone", "in_person", "sms", "wechat", "other"]
    diagnosis: str = ""
    fee_fen: int | None = None
    note: str = ""


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """The end of the loop."""

    note: str = ""


class HandedOver(msgspec.Struct, frozen=True, tag="handed_over"):
    """The task goes to another member of staff, for instance at the change of shifts (交接)."""

    staff_id: UUID
    name: str
    note: str = ""


class Escalated(msgspec.Struct, frozen=True, tag="escalated"):
    """A clock ran out: the next in line, staff with the permission `to`, were told."""

    level: int
    to: str
    waited_for: str


class Changed(msgspec.Struct, frozen=True, tag="changed"):
    """A result was corrected and still makes the alert: it stands with the new values and is confirmed anew."""

    evidence: tuple[str, ...]
    rule_version: int
    alert_class: AlertClass


class Superseded(msgspec.Struct, frozen=True, tag="superseded"):
    """A result was corrected and no longer makes the alert. Who had been told must be told again."""

    evidence: tuple[str, ...]


class Reopened(msgspec.Struct, frozen=True, tag="reopened"):
    """An ended alert is open again: the finding is back, or somebody says why."""

    reason: str


Step: TypeAlias = (
    Confirmed
    | Dismissed
    | Notice
    | Received
    | Handled
    | CalledBack
    | Closed
    | HandedOver
    | Escalated
    | Changed
    | Superseded
    | Reopened
)

STEP_NAMES: dict[str, str] = {
    "confirmed": "复核", "dismissed": "排除误报", "notice": "通知", "received": "接收确认", "handled": "处理", "called_back": "回访",
    "closed": "结案", "handed_over": "交接", "escalated": "超时升级", "changed": "结果更正", "superseded": "结果更正撤销",
    "reopened": "重新打开",
}  # fmt: skip


class StepTaken(msgspec.Struct, frozen=True):
    """One kept step: its place in the loop, when and by whom, and what it says."""

    number: int
    at: datetime
    actor: str
    step: Step


class CriticalAlert(msgspec.Struct, frozen=True):
    """An alert as it stands now. `next_step` is what is waited for, `due_at` until when; None when nothing is.

    `evidence` are the values that made it; `is_private` says that they may be read only by those who may read private items.
    """

    id: UUID
    visit_id: UUID
    site: str
    rule: str
    rule_version: int
    alert_class: AlertClass
    name: str
    department: str
    items: tuple[str, ...]
    evidence: tuple[str, ...]
    specialist: str
    advice: str
    found_at: datetime
    found_by: str
    state: AlertState
    next_step: str
    due_at: datetime | None
    level: int
    duty_id: UUID | None
    duty: str
    attempts: int
    notified_at: datetime | None
    call_back_days: tuple[int, ...]
    ver: int
    is_private: bool = False

    @property
    def is_open(self) -> bool:
        """Whether something is still waited for."""
        return bool(self.next_step)


class AlertLine(msgspec.Struct, frozen=True):
    """An alert on the board, with its person."""

    alert: CriticalAlert
    card: VisitCard
    is_late: bool


class AlertScreen(msgspec.Struct, frozen=True):
    """Everything that an alert's page shows."""

    line: AlertLine
    steps: tuple[StepTaken, ...]


class BoardFilters(msgspec.Struct, frozen=True):
    """Which alerts a list shows. `tab`: open, late, mine, ended; `q` is a visit number or the beginning of a name."""

    tab: str = "open"
    alert_class: str = ""
    state: str = ""
    department: str = ""
    q: str = ""
    since: date | None = None
    until: date | None = None


class CriticalAlertRaised(msgspec.Struct, frozen=True):
    """A critical or important result was found. Which one is in the alert, never in the event."""

    visit_id: UUID
    site: str
    alert_id: UUID
    alert_class: str


class CriticalAlertMoved(msgspec.Struct, frozen=True):
    """An alert went a step on in its loop."""

    visit_id: UUID
    site: str
    alert_id: UUID
    state: str


class CriticalAlertOverdue(msgspec.Struct, frozen=True):
    """A clock of an alert ran out; `to` is the permission of those who are told now."""

    visit_id: UUID
    site: str
    alert_id: UUID
    level: int
    to: str


# --- what is counted of alerts ---------------------------------------------------------------------------------------


class Share(msgspec.Struct, frozen=True):
    """A part of a whole, both counted."""

    part: int
    whole: int

    @property
    def percent(self) -> str:
        """In percent with one decimal; a dash where there is nothing to count."""
        return f"{100 * self.part / self.whole:.1f}%" if self.whole else "–"

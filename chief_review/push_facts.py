"""Pushes to specialists (推送专科) as frozen structs: what is pushed, where it stands, what came of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from exam.visits.facts import VisitCard


class PushState(StrEnum):
    """Where a push stands: sent, read by the specialist, the person came, will not come, or it was taken back."""

    PUSHED = "pushed"
    SEEN = "seen"
    VISITED = "visited"
    NOT_COMING = "not_coming"
    WITHDRAWN = "withdrawn"


PUSH_STATE_NAMES = {
    PushState.PUSHED: "待阅",
    PushState.SEEN: "已阅",
    PushState.VISITED: "已就诊",
    PushState.NOT_COMING: "未来就诊",
    PushState.WITHDRAWN: "已撤回",
}

SEE, MESSAGE, TELL, VISIT, NOT_COMING, WITHDRAW, UNDO = "see", "message", "tell", "visit", "not_coming", "withdraw", "undo"
PUSH_FACT_NAMES = {
    SEE: "已阅", MESSAGE: "短信提醒", TELL: "告知受检者", VISIT: "已就诊", NOT_COMING: "未来就诊", WITHDRAW: "撤回推送", UNDO: "撤销",
}  # fmt: skip

SMS_QUEUED = "已提交"
URGENCY_NAMES = {"routine": "常规", "soon": "尽快", "urgent": "紧急"}
TOLD_CHANNELS = {"sms": "短信", "phone": "电话", "in_person": "当面"}
NOT_COMING_REASONS = ("受检者拒绝就诊", "已在外院就诊", "联系不上")


class PushFinding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finding: the key of its conclusion (`alert:ID` for an alert), its text, and the values behind it."""

    key: str
    text: str
    evidence: tuple[str, ...] = ()


class PushOption(msgspec.Struct, frozen=True):
    """A finding that may be pushed, the department that its line names, and whether somebody pushed it already."""

    finding: PushFinding
    specialist: str
    is_private: bool = False
    pushed_to: tuple[str, ...] = ()


class ChosenFinding(msgspec.Struct, frozen=True):
    """A finding that was ticked, and where it goes."""

    key: str
    specialist: str


class PushStanding(msgspec.Struct, frozen=True):
    """What follows from a push's facts. `fee_fen` is the sum of all recorded fees.

    `sms` is `SMS_QUEUED`, or why the last message could not go out. A person counts as told only by word of mouth, or when a
    receipt says that the message arrived.
    """

    state: PushState = PushState.PUSHED
    seen_at: datetime | None = None
    told_at: datetime | None = None
    visited_at: datetime | None = None
    diagnosis: str = ""
    fee_fen: int = 0
    reason: str = ""
    sms: str = ""


class Push(msgspec.Struct, frozen=True):
    """A push as it stands now."""

    id: UUID
    site: str
    visit_id: UUID
    specialist: str
    findings: tuple[PushFinding, ...]
    urgency: str
    note: str
    is_private: bool
    pushed_by: str
    pushed_at: datetime
    standing: PushStanding

    @property
    def state(self) -> PushState:
        """Where it stands."""
        return self.standing.state


class PushTab(StrEnum):
    """The specialist's lists: to be read, waiting for the person, done, and all."""

    NEW = "new"
    WAITING = "waiting"
    DONE = "done"


PUSH_TAB_NAMES = {PushTab.NEW: "待阅", PushTab.WAITING: "待就诊", PushTab.DONE: "已结束"}


class PushLine(msgspec.Struct, frozen=True):
    """A push in a list with its person."""

    push: Push
    card: VisitCard


class PushCounts(msgspec.Struct, frozen=True):
    """What came of the pushes of one specialist department, or of all (empty name)."""

    specialist: str
    pushed: int
    told: int
    seen: int
    visited: int
    not_coming: int
    fee_fen: int


class PushList(msgspec.Struct, frozen=True):
    """One page of a list with the count of every tab."""

    tab: PushTab
    lines: tuple[PushLine, ...]
    counts: dict[PushTab, int]
    page: int
    pages: int
    total: int


class PushStep(msgspec.Struct, frozen=True):
    """One fact of a push as its history shows it."""

    at: datetime
    text: str
    by: str
    about: str = ""


class FindingsPushed(msgspec.Struct, frozen=True):
    """Findings went to a specialist department. Which, is in the push and in no event."""

    visit_id: UUID
    site: str
    push_id: UUID


class PushMoved(msgspec.Struct, frozen=True):
    """A fact was added to a push."""

    visit_id: UUID
    site: str
    push_id: UUID
    kind: str

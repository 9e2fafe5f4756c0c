"""Rechecks (复查) as frozen structs: what is to be examined again, until when, and what happened to it."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from exam.visits.facts import VisitCard


class RecheckState(StrEnum):
    """Where a recheck stands: nobody booked it yet, a visit is booked for it, it was examined, or it is not wanted any more."""

    OPEN = "open"
    BOOKED = "booked"
    DONE = "done"
    CANCELLED = "cancelled"


RECHECK_STATE_NAMES = {
    RecheckState.OPEN: "待预约",
    RecheckState.BOOKED: "已预约",
    RecheckState.DONE: "已复查",
    RecheckState.CANCELLED: "已取消",
}

BOOK, DONE, CANCEL, WITHDRAW, POSTPONE, UNDO, REMIND = "book", "done", "cancel", "withdraw", "postpone", "undo", "remind"
RECHECK_FACT_NAMES = {
    BOOK: "预约", DONE: "已复查", CANCEL: "取消", WITHDRAW: "撤回", POSTPONE: "改期", UNDO: "撤销",
    REMIND: "短信提醒",
}  # fmt: skip
"""What happens to a recheck. WITHDRAW is a cancelling by the review that ordered it, which may order it once more."""

RECHECK_CANCEL_REASONS = ("已在外院复查", "受检者不复查", "联系不上", "重复")


class NewRecheck(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be examined again. `rule` says which rules proposed it (`code@version`), empty where a doctor did."""

    groups: tuple[str, ...]
    due_on: date
    reason: str
    rule: str = ""
    is_private: bool = False


class RecheckStanding(msgspec.Struct, frozen=True):
    """What follows from a recheck's facts: its state, its day, the visit that is booked for it, why it ended."""

    state: RecheckState
    due_on: date
    booked_id: UUID | None = None
    reason: str = ""
    is_withdrawn: bool = False


class Recheck(msgspec.Struct, frozen=True):
    """A recheck as it stands now. `visit_id` is where it came from, `booked_id` the visit for it."""

    id: UUID
    site: str
    person_id: UUID
    visit_id: UUID
    groups: tuple[str, ...]
    reason: str
    rule: str
    ordered_by: str
    ordered_at: datetime
    standing: RecheckStanding
    is_private: bool = False

    @property
    def state(self) -> RecheckState:
        """Where it stands."""
        return self.standing.state

    @property
    def due_on(self) -> date:
        """Until when it should be examined."""
        return self.standing.due_on

    @property
    def booked_id(self) -> UUID | None:
        """The visit that is booked for it."""
        return self.standing.booked_id


class RecheckTab(StrEnum):
    """The lists of the desk: due within two weeks, overdue, later, booked, ended."""

    DUE = "due"
    OVERDUE = "overdue"
    LATER = "later"
    BOOKED = "booked"
    ENDED = "ended"


RECHECK_TAB_NAMES = {
    RecheckTab.DUE: "近期到期",
    RecheckTab.OVERDUE: "已逾期",
    RecheckTab.LATER: "以后到期",
    RecheckTab.BOOKED: "已预约",
    RecheckTab.ENDED: "已结束",
}


class RecheckLine(msgspec.Struct, frozen=True):
    """A recheck in a list: the visit it came from, the groups by name, the visit booked for it, how many days it is late."""

    recheck: Recheck
    card: VisitCard
    group_names: tuple[str, ...]
    booked: VisitCard | None = None
    days_late: int = 0


class RecheckOrigin(msgspec.Struct, frozen=True):
    """An earlier visit, and what is examined again because of it: names of groups, without those of private ones."""

    card: VisitCard
    names: tuple[str, ...]


class RecheckList(msgspec.Struct, frozen=True):
    """One page of a list with the count of every tab."""

    tab: RecheckTab
    lines: tuple[RecheckLine, ...]
    counts: dict[RecheckTab, int]
    page: int
    pages: int
    total: int


class RecheckStep(msgspec.Struct, frozen=True):
    """One fact of a recheck as its history shows it."""

    at: datetime
    text: str
    by: str
    reason: str = ""


class RecheckOrdered(msgspec.Struct, frozen=True):
    """Something is to be examined again. What, is in the recheck and in no event."""

    visit_id: UUID
    site: str
    recheck_id: UUID


class RecheckMoved(msgspec.Struct, frozen=True):
    """A fact was added to a recheck."""

    visit_id: UUID
    site: str
    recheck_id: UUID
    kind: str

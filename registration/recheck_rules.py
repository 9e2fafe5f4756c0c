"""A recheck's states from its facts, which day it may be put off to, and what of an order answers for it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from exam.kit.errors import Refused
from exam.kit.states import StateTable
from exam.visits.facts import LineState
from registration.recheck_facts import (
    BOOK,
    CANCEL,
    DONE,
    POSTPONE,
    RECHECK_FACT_NAMES,
    RECHECK_STATE_NAMES,
    REMIND,
    UNDO,
    WITHDRAW,
    RecheckStanding,
    RecheckState,
)

SOON_DAYS = 14
"""How far ahead the list of rechecks that fall due looks."""

REMIND_DAYS = 7
"""So many days before the day the person is reminded."""

REMIND_LATE_DAYS = 14
"""What is overdue longer is the desk's to telephone about: a reminder would come out of the blue."""

MOST_DAYS = 3 * 366
_S = RecheckState

RECHECK = StateTable(
    "recheck",
    {
        (_S.OPEN, BOOK): _S.BOOKED,
        (_S.OPEN, POSTPONE): _S.OPEN,
        (_S.OPEN, REMIND): _S.OPEN,
        (_S.OPEN, CANCEL): _S.CANCELLED,
        (_S.OPEN, WITHDRAW): _S.CANCELLED,
        (_S.BOOKED, DONE): _S.DONE,
        (_S.BOOKED, UNDO): _S.OPEN,
        (_S.DONE, UNDO): _S.BOOKED,
        (_S.CANCELLED, UNDO): _S.OPEN,
    },
    {str(state): name for state, name in RECHECK_STATE_NAMES.items()},
)


class Fact(Protocol):
    """What a fact of a recheck says."""

    kind: str
    visit_id: UUID | None
    due_on: date | None
    reason: str


def standing(due_on: date, facts: Iterable[Fact]) -> RecheckStanding:
    """Replays the facts over the day that was ordered. Refuses a fact that is not possible after those before it."""
    now = RecheckStanding(_S.OPEN, due_on)
    for fact in facts:
        now = after(now, fact.kind, fact.visit_id, fact.due_on, fact.reason)
    return now


def after(now: RecheckStanding, kind: str, visit_id: UUID | None, due_on: date | None, reason: str) -> RecheckStanding:
    """Where a recheck stands after one more fact."""
    state = RecheckState(RECHECK.move(now.state, kind, RECHECK_FACT_NAMES.get(kind, kind)))
    return msgspec.structs.replace(
        now, state=state, due_on=due_on if kind == POSTPONE and due_on else now.due_on,
        booked_id=visit_id if kind == BOOK else None if state in (_S.OPEN, _S.CANCELLED) else now.booked_id,
        reason=reason if kind in (CANCEL, WITHDRAW) else "", is_withdrawn=kind == WITHDRAW,
    )  # fmt: skip


def require_day(due_on: date | None, today: date) -> date:
    """The day until which something is to be examined again; refuses one that is past or years away."""
    if due_on is None or due_on < today or due_on > today + timedelta(days=MOST_DAYS):
        raise Refused("registration.recheck_day", "复查日期必须在今天之后、三年以内", "请重新选择日期", "due_on")
    return due_on


def still_wanted(groups: Iterable[str], ordered: Iterable[Collection[str]]) -> tuple[str, ...]:
    """The groups that no recheck was ordered for yet."""
    have = {group for each in ordered for group in each}
    return tuple(group for group in dict.fromkeys(groups) if group not in have)


def is_answered(groups: Iterable[str], order: Collection[str]) -> bool:
    """Whether an order holds everything that a recheck asks for."""
    return set(groups) <= set(order)


def was_examined(groups: Iterable[str], lines: Mapping[str, LineState]) -> bool:
    """Whether at least one group of a recheck was examined in the visit booked for it; what was refused or put off is not."""
    return any(lines.get(group) == LineState.CONFIRMED for group in groups)

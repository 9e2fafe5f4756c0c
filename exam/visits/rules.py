"""What a visit's facts mean: pure functions from milestones and progress facts to states, and the moves they allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec

from exam.kit.errors import Refused
from exam.kit.states import StateTable
from exam.visits.facts import (
    BEGUN,
    LINE_STATE_NAMES,
    TUBE_STATE_NAMES,
    VISIT_STATE_NAMES,
    LineState,
    Milestone,
    OrderLine,
    Progress,
    TubeEvent,
    VisitState,
)

LINE = StateTable(
    "line",
    {
        ("pending", "sampled"): "sampled",
        ("pending", "started"): "started",
        ("pending", "resulted"): "resulted",
        ("pending", "refused"): "refused",
        ("pending", "postponed"): "postponed",
        ("pending", "removed"): "removed",
        ("sampled", "started"): "started",
        ("sampled", "resulted"): "resulted",
        ("started", "resulted"): "resulted",
        ("resulted", "confirmed"): "confirmed",
        ("postponed", "sampled"): "sampled",
        ("postponed", "started"): "started",
        ("postponed", "resulted"): "resulted",
        ("postponed", "refused"): "refused",
        ("refused", "removed"): "removed",
        ("postponed", "removed"): "removed",
    },
    {str(state): name for state, name in LINE_STATE_NAMES.items()},
)

TUBE = StateTable(
    "tube",
    {
        ("planned", "printed"): "printed",
        ("printed", "printed"): "printed",
        ("planned", "collected"): "collected",
        ("printed", "collected"): "collected",
        ("collected", "printed"): "collected",
        ("collected", "sent"): "sent",
        ("sent", "received"): "received",
        ("collected", "received"): "received",
        ("sent", "rejected"): "rejected",
        ("received", "rejected"): "rejected",
    },
    {str(state): name for state, name in TUBE_STATE_NAMES.items()},
)

VISIT = StateTable(
    "visit",
    {
        ("listed", "booked"): "booked",
        ("listed", "registered"): "registered",
        ("listed", "cancelled"): "cancelled",
        ("booked", "registered"): "registered",
        ("booked", "cancelled"): "cancelled",
        ("registered", "checked_in"): "checked_in",
        ("registered", "cancelled"): "cancelled",
        ("checked_in", "cancelled"): "cancelled",
        ("checked_in", "sheet_returned"): "sheet_returned",
        ("in_exam", "sheet_returned"): "sheet_returned",
        ("sheet_returned", "sections_done"): "sections_done",
        ("sections_done", "chief_started"): "chief",
        ("chief", "first_reviewed"): "first_reviewed",
        ("first_reviewed", "final_reviewed"): "final",
        ("final", "report_issued"): "published",
        ("published", "delivered"): "delivered",
    },
    {str(state): name for state, name in VISIT_STATE_NAMES.items()},
)

UNDO_ONLY_IN: dict[Milestone, frozenset[VisitState]] = {
    Milestone.BOOKED: frozenset({VisitState.BOOKED}),
    Milestone.CHECKED_IN: frozenset({VisitState.CHECKED_IN}),
    Milestone.SHEET_RETURNED: frozenset({VisitState.SHEET_RETURNED, VisitState.SECTIONS_DONE}),
    Milestone.SECTIONS_DONE: frozenset({VisitState.SECTIONS_DONE}),
    Milestone.CHIEF_STARTED: frozenset({VisitState.CHIEF}),
    Milestone.FIRST_REVIEWED: frozenset({VisitState.FIRST_REVIEWED}),
    Milestone.FINAL_REVIEWED: frozenset({VisitState.FINAL}),
    Milestone.REPORT_ISSUED: frozenset({VisitState.PUBLISHED}),
    Milestone.DELIVERED: frozenset({VisitState.DELIVERED}),
}
"""In which states a milestone may be undone: one level at a time (domain.md §1.4)."""

UNDO_BLOCKED_TEXT = "只能逐级撤销,当前状态为“{state}”"

_HIGHEST_FIRST = (
    (Milestone.CANCELLED, VisitState.CANCELLED),
    (Milestone.DELIVERED, VisitState.DELIVERED),
    (Milestone.REPORT_ISSUED, VisitState.PUBLISHED),
    (Milestone.FINAL_REVIEWED, VisitState.FINAL),
    (Milestone.FIRST_REVIEWED, VisitState.FIRST_REVIEWED),
    (Milestone.CHIEF_STARTED, VisitState.CHIEF),
    (Milestone.SECTIONS_DONE, VisitState.SECTIONS_DONE),
    (Milestone.SHEET_RETURNED, VisitState.SHEET_RETURNED),
)

_WITH_REASON = frozenset({Progress.REFUSED, Progress.POSTPONED, Progress.REMOVED})
_SETTLED = frozenset({LineState.CONFIRMED, LineState.REFUSED, LineState.REMOVED, LineState.POSTPONED})


class Fact(Protocol):
    """What milestones, progress facts and tube facts have in common."""

    id: UUID
    kind: str
    undoes: UUID | None
    at: datetime


class LineFact(Fact, Protocol):
    """A progress fact, with its reason and until when a line is postponed."""

    reason: str
    due_on: date | None


F = TypeVar("F", bound=Fact)


class BoardTimes(msgspec.Struct, frozen=True):
    """The moments that lists need, each that of the standing milestone or None."""

    booked_at: datetime | None
    registered_at: datetime | None
    checked_in_at: datetime | None
    sheet_returned_at: datetime | None
    sections_done_at: datetime | None
    final_reviewed_at: datetime | None
    report_issued_at: datetime | None


def standing(facts: Iterable[F]) -> list[F]:
    """The facts that hold: in order, without the undone ones and the undoings themselves."""
    listed = list(facts)
    undone = {fact.undoes for fact in listed if fact.undoes is not None}
    return [fact for fact in listed if fact.undoes is None and fact.id not in undone]


def line_state(facts: Iterable[Fact]) -> LineState:
    """An order line's state: that of its last standing fact; a line with none but `planned` is pending."""
    state = LineState.PENDING
    for fact in standing(facts):
        if fact.kind != Progress.PLANNED:
            state = LineState(fact.kind)
    return state


def line_words(facts: Iterable[LineFact]) -> tuple[str, date | None]:
    """Why a line is refused, postponed or removed, and until when it is postponed; nothing for any other state."""
    last = next((fact for fact in reversed(standing(facts)) if fact.kind != Progress.PLANNED), None)
    if last is None or last.kind not in _WITH_REASON:
        return "", None
    return last.reason, last.due_on if last.kind == Progress.POSTPONED else None


def tube_state(facts: Iterable[Fact]) -> TubeEvent:
    """A tube's state. Printing again after collection leaves it collected."""
    state = TubeEvent.PLANNED
    for fact in standing(facts):
        state = TubeEvent(TUBE.moves.get((state, fact.kind), fact.kind))
    return state


def visit_state(milestones: Iterable[Fact], lines: Iterable[LineState]) -> VisitState:
    """Where a visit stands: its highest standing milestone; once checked in, work on any line makes it IN_EXAM."""
    reached = {fact.kind for fact in standing(milestones)}
    for milestone, state in _HIGHEST_FIRST:
        if milestone in reached:
            return state
    if Milestone.CHECKED_IN in reached:
        return VisitState.IN_EXAM if any(state in BEGUN for state in lines) else VisitState.CHECKED_IN
    if Milestone.REGISTERED in reached:
        return VisitState.REGISTERED
    return VisitState.LISTED if Milestone.LISTED in reached and Milestone.BOOKED not in reached else VisitState.BOOKED


def board_times(milestones: Iterable[Fact]) -> BoardTimes:
    """When each milestone that still stands was reached."""
    at = {fact.kind: fact.at for fact in standing(milestones)}
    return BoardTimes(
        booked_at=at.get(Milestone.BOOKED),
        registered_at=at.get(Milestone.REGISTERED),
        checked_in_at=at.get(Milestone.CHECKED_IN),
        sheet_returned_at=at.get(Milestone.SHEET_RETURNED),
        sections_done_at=at.get(Milestone.SECTIONS_DONE),
        final_reviewed_at=at.get(Milestone.FINAL_REVIEWED),
        report_issued_at=at.get(Milestone.REPORT_ISSUED),
    )


def are_sections_done(lines: Sequence[tuple[LineState, bool]]) -> bool:
    """Whether every line (with its `service_only`) is confirmed, refused, postponed or removed (T12)."""
    return all(is_service or state in _SETTLED for state, is_service in lines)


def require_undo(milestone: Milestone, state: VisitState) -> None:
    """Refuses to undo a milestone out of turn: undo goes one level at a time."""
    allowed = UNDO_ONLY_IN.get(milestone, frozenset())
    if state not in allowed:
        shown = VISIT_STATE_NAMES[state]
        raise Refused("visits.undo_out_of_turn", UNDO_BLOCKED_TEXT.format(state=shown), "请先撤销其后的步骤(如撤回报告、撤销终审)")


def require_removable(line: OrderLine, others: Iterable[OrderLine]) -> None:
    """Refuses to take a service (venipuncture, chief review) off an order that was begun: it was rendered with the rest (T7)."""
    begun = next((each for each in others if each.state in BEGUN), None)
    if line.service_only and begun is not None:
        shown = f"“{begun.name}”{LINE_STATE_NAMES[begun.state]}"
        raise Refused("visits.service_rendered", f"{shown},不能再退“{line.name}”", "服务费随体检发生;如确需减免,请由收费处办理退费")


def require_replaceable(smaller: OrderLine, larger: str) -> None:
    """Refuses a larger group while the smaller one in it was begun: the same items would be examined and charged twice."""
    if smaller.state in BEGUN:
        raise Refused(
            "visits.smaller_begun",
            f"“{larger}”包含“{smaller.name}”,后者{LINE_STATE_NAMES[smaller.state]},不能再替代",
            "请只添加其中没有的项目;未检测的标本可先撤销采集再更换组合",
            "groups",
        )


def require_open_for_orders(state: VisitState) -> None:
    """Refuses a change of the order outside registration to sections done (T6–T9)."""
    if state not in {
        VisitState.LISTED,
        VisitState.BOOKED,
        VisitState.REGISTERED,
        VisitState.CHECKED_IN,
        VisitState.IN_EXAM,
        VisitState.SHEET_RETURNED,
        VisitState.SECTIONS_DONE,
    }:
        shown = VISIT_STATE_NAMES[state]
        raise Refused("visits.order_closed", f"当前状态为“{shown}”,不能再增减项目", "如确需修改,请先由主检撤销主检或终审")

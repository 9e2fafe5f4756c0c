"""Rechecks: ordered by a final review, booked at the desk, done when they were examined; every step a fact, nothing deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, bindparam, or_, select
from sqlalchemy.orm import Session

from exam.catalog import rules as catalog_rules
from exam.kit import audit
from exam.kit.boards import FactBoard
from exam.kit.clock import day_of
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.prepared import PreparedStatement
from exam.messages import service as messages
from exam.messages.facts import Occasion
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineState, Milestone, MilestoneReached
from exam.visits.models import Visit
from registration import recheck_rules, rules
from registration.models import RecheckBoard, RecheckFact, RecheckRow
from registration.recheck_facts import (
    BOOK,
    CANCEL,
    DONE,
    POSTPONE,
    RECHECK_FACT_NAMES,
    REMIND,
    UNDO,
    WITHDRAW,
    NewRecheck,
    Recheck,
    RecheckMoved,
    RecheckOrdered,
    RecheckStanding,
    RecheckState,
    RecheckStep,
)

_GROUPS = tuple[str, ...]
RECHECKS = FactBoard("recheck", RecheckRow, RecheckFact, RecheckBoard, key="recheck_id")
_CONCERNED = PreparedStatement(
    select(RecheckBoard.recheck_id)
    .join(Visit, Visit.person_id == RecheckBoard.person_id)
    .where(
        Visit.id == bindparam("of_visit"), RecheckBoard.visit_id != bindparam("of_visit"),
        or_(RecheckBoard.booked_id == bindparam("of_visit"), RecheckBoard.state == RecheckState.OPEN.value),
    )
    .limit(1)
)  # fmt: skip


# --- ordering --------------------------------------------------------------------------------------------------------


def order(db: Session, visit_id: UUID, wanted: Sequence[NewRecheck]) -> tuple[UUID, ...]:
    """Orders what a visit's final review wants examined again. What it ordered before and did not withdraw is not ordered twice."""
    house, actor = house_of(db), actor_of(db)
    visit = visits.get_row(db, visit_id)
    have = [each.groups for each in of_visit(db, visit_id) if not each.standing.is_withdrawn]
    now = house.clock.now()
    rows: list[dict[str, Any]] = []
    for each in wanted:
        groups = recheck_rules.still_wanted(each.groups, have)
        if not groups:
            continue
        rows.append(
            {"id": house.ids.new(), "site": visit.site, "person_id": visit.person_id, "visit_id": visit_id,
             "groups": msgspec.json.encode(groups).decode(), "due_on": each.due_on, "reason": each.reason, "rule": each.rule,
             "is_private": each.is_private, "ordered_by": actor.staff_id, "ordered_name": actor.name, "ordered_at": now}
        )  # fmt: skip
        have.append(groups)
    RECHECKS.open(db, [(row, told(recheck_rules.standing(row["due_on"], ()))) for row in rows])
    for row in rows:
        announce(db, RecheckOrdered(visit_id, visit.site, row["id"]))
    return tuple(row["id"] for row in rows)


def withdraw(db: Session, visit_id: UUID, reason: str) -> int:
    """The review that ordered them no longer stands: what nobody booked yet is cancelled. Returns how many."""
    waiting = _hold_open(db, RecheckBoard.visit_id == visit_id)
    for each in waiting:
        _add(db, each.id, WITHDRAW, reason=reason)
    return len(waiting)


def told(stands: RecheckStanding) -> dict[str, Any]:
    """What the board says of a recheck that stands there."""
    return {**msgspec.structs.asdict(stands), "state": stands.state.value}


# --- the desk's acts -------------------------------------------------------------------------------------------------


def book(db: Session, recheck_ids: Iterable[UUID], visit_id: UUID) -> tuple[Recheck, ...]:
    """A visit was booked for these; those whose groups it all holds are marked so. The same visit again changes nothing.

    Refuses a visit of another person, and one that answers for none of them.
    """
    visit = visits.get_row(db, visit_id)
    held = set(_contents(db, visit_id))
    booked = []
    for recheck_id in dict.fromkeys(recheck_ids):
        known = recheck(db, recheck_id)
        if known.person_id != visit.person_id:
            raise Refused("registration.recheck_person", "复查计划属于另一位受检者", "请从复查名单中重新打开", "rechecks")
        if known.booked_id == visit_id:
            booked.append(known)
        elif recheck_rules.is_answered(known.groups, held):
            booked.append(_add(db, recheck_id, BOOK, visit_id=visit_id))
    if not booked:
        raise Refused("registration.recheck_groups", "所选项目中没有需要复查的项目", "请勾选复查项目,或改用普通预约", "groups")
    return tuple(booked)


def cancel(db: Session, recheck_id: UUID, reason: str) -> Recheck:
    """It is not wanted any more, for instance because it was examined elsewhere."""
    return _add(db, recheck_id, CANCEL, reason=rules.require_reason(reason, "取消复查"))


def postpone(db: Session, recheck_id: UUID, due_on: date | None, reason: str) -> Recheck:
    """It shall be examined until another day."""
    day = recheck_rules.require_day(due_on, _today(db))
    if day == recheck(db, recheck_id).due_on:
        raise Refused("registration.recheck_same_day", f"复查日期已是 {day.isoformat()}", "请选择其他日期", "due_on")
    return _add(db, recheck_id, POSTPONE, due_on=day, reason=reason.strip())


def undo(db: Session, recheck_id: UUID, reason: str) -> Recheck:
    """Takes a cancelling of the desk back. A booking is taken back by cancelling its visit, an examination by its department."""
    known = recheck(db, recheck_id)
    if known.standing.is_withdrawn:
        # The next final signature orders what is still wanted: restored, it would stand there twice.
        raise Refused("registration.recheck_withdrawn", "该复查计划已随终审撤销,不能恢复", "如仍需复查,由主检医师终审时重新开立")
    if known.state in (RecheckState.BOOKED, RecheckState.DONE):
        raise Refused(
            "registration.recheck_by_visit", "已预约或已复查的计划随体检单变化,不能单独撤销", "如不再复查,请取消该体检单的预约"
        )
    return _add(db, recheck_id, UNDO, reason=rules.require_reason(reason, "恢复复查"))


def reminded(db: Session, recheck_id: UUID) -> Recheck:
    """The person was written to about it; once, whatever comes of the message."""
    return _add(db, recheck_id, REMIND)


def _add(
    db: Session, recheck_id: UUID, kind: str, *, visit_id: UUID | None = None, due_on: date | None = None, reason: str = ""
) -> Recheck:
    held = RECHECKS.hold(db, recheck_id)
    if held is None:
        raise NotFound("没有找到该复查计划", "请从复查名单中选择")
    known = to_recheck(held)
    stands = recheck_rules.after(known.standing, kind, visit_id, due_on, reason)
    fact = {"kind": kind, "visit_id": visit_id, "due_on": due_on, "reason": reason, "at": house_of(db).clock.now()}
    RECHECKS.add(db, recheck_id, held.now_facts + 1, fact, told(stands))
    audit.note(db, f"registration.recheck_{kind}", subject=f"visit:{visits.get_row(db, known.visit_id).visit_no}", reason=reason)
    announce(db, RecheckMoved(known.visit_id, known.site, recheck_id, kind))
    if stands.state is not RecheckState.OPEN and not any(each.state is RecheckState.OPEN for each in of_visit(db, known.visit_id)):
        # Nobody is asked any more to come for what is booked or not wanted.
        messages.withdraw(db, known.visit_id, Occasion.RECHECK, "not_due")
    return msgspec.structs.replace(known, standing=stands)


def _contents(db: Session, visit_id: UUID) -> dict[str, LineState]:
    """The groups of a visit's order with their states; a larger group stands for those it contains."""
    catalogue = visits.catalogue_of(db, visits.get_row(db, visit_id))
    found: dict[str, LineState] = {}
    for line in orders.lines(db, visit_id):
        if line.state != LineState.REMOVED:
            found.update(dict.fromkeys(catalog_rules.included(catalogue, line.group_code), line.state))
            found[line.group_code] = line.state
    return found


def _today(db: Session) -> date:
    return day_of(house_of(db).clock.now())


# --- what happens to the visit booked for it --------------------------------------------------------------------------


def on_milestone_reached(db: Session, event: MilestoneReached) -> None:
    """A visit was cancelled, examined, or opened again: the rechecks booked for it follow it.

    What was examined in any other visit of the person is answered too, for instance by the next year's exam.
    """
    if event.milestone not in (Milestone.CANCELLED, Milestone.SECTIONS_DONE):
        return
    if _CONCERNED.first(db, of_visit=event.visit_id) is None:
        return
    lines = _contents(db, event.visit_id)
    for each in booked_for(db, event.visit_id):
        if event.undone:
            if each.state is RecheckState.DONE:
                _add(db, each.id, UNDO, reason="复查体检单重新打开")
        elif each.state is not RecheckState.BOOKED:
            continue
        elif event.milestone is Milestone.CANCELLED:
            _add(db, each.id, UNDO, reason="复查预约已取消")
        elif recheck_rules.was_examined(each.groups, lines):
            _add(db, each.id, DONE)
        else:
            _add(db, each.id, UNDO, reason="复查项目未检")
    if event.milestone is Milestone.SECTIONS_DONE and not event.undone:
        _answer(db, event.visit_id, lines)


def _answer(db: Session, visit_id: UUID, lines: Mapping[str, LineState]) -> None:
    visit = visits.get_row(db, visit_id)
    examined = {code for code, state in lines.items() if state == LineState.CONFIRMED}
    for each in _hold_open(db, RecheckBoard.person_id == visit.person_id):
        is_later = each.visit_id != visit_id and day_of(each.ordered_at) <= visit.exam_on
        if is_later and recheck_rules.is_answered(each.groups, examined):
            _add(db, each.id, BOOK, visit_id=visit_id, reason="该次体检已检查")
            _add(db, each.id, DONE)


# --- reading ---------------------------------------------------------------------------------------------------------


def recheck(db: Session, recheck_id: UUID) -> Recheck:
    """One recheck of the actor's site."""
    found = _read(db, RecheckRow.id == recheck_id)
    if not found:
        raise NotFound("没有找到该复查计划", "请从复查名单中选择")
    return found[0]


def of_visit(db: Session, visit_id: UUID) -> tuple[Recheck, ...]:
    """What was ordered after a visit, the earliest day first; one statement."""
    return _read(db, RecheckBoard.visit_id == visit_id)


def booked_for(db: Session, visit_id: UUID) -> tuple[Recheck, ...]:
    """What a visit is booked for; one statement."""
    return _read(db, RecheckBoard.booked_id == visit_id)


def open_of_person(db: Session, person_id: UUID) -> tuple[Recheck, ...]:
    """What a person has still to be examined again; one statement."""
    return _read(db, RecheckBoard.person_id == person_id, RecheckBoard.state == RecheckState.OPEN.value)


def _hold_open(db: Session, condition: ColumnElement[bool]) -> tuple[Recheck, ...]:
    """What is open and stays so until the unit ends: what somebody else answers or books at this moment is not among it."""
    return _read(db, condition, RecheckBoard.state == RecheckState.OPEN.value, is_held=True)


def _read(db: Session, *conditions: ColumnElement[bool], is_held: bool = False) -> tuple[Recheck, ...]:
    mine = RECHECKS.rows.where(*conditions, RecheckRow.site == actor_of(db).site).order_by(RecheckBoard.due_on, RecheckRow.id)
    return tuple(to_recheck(row) for row in db.execute(RECHECKS.held(mine) if is_held else mine))


def to_recheck(row: Row[Any]) -> Recheck:
    """A row with its board as a struct."""
    standing = RecheckStanding(RecheckState(row.now_state), row.now_due_on, row.now_booked_id, row.now_reason, row.now_is_withdrawn)
    return Recheck(
        id=row.id, site=row.site, person_id=row.person_id, visit_id=row.visit_id, groups=msgspec.json.decode(row.groups, type=_GROUPS),
        reason=row.reason, rule=row.rule, ordered_by=row.ordered_name, ordered_at=row.ordered_at, standing=standing,
        is_private=row.is_private,
    )  # fmt: skip


def steps(db: Session, recheck_id: UUID) -> tuple[RecheckStep, ...]:
    """Everything that happened to a recheck, in order; the reading is of one the actor's site has."""
    known = recheck(db, recheck_id)
    table = RecheckFact.__table__
    found = [RecheckStep(known.ordered_at, "终审开立", known.ordered_by)]
    for row in db.execute(select(table).where(table.c.recheck_id == recheck_id).order_by(table.c.number)):
        day = f"至 {row.due_on.isoformat()}" if row.due_on else ""
        found.append(RecheckStep(row.at, f"{RECHECK_FACT_NAMES[row.kind]}{day}", row.actor, row.reason))
    return tuple(found)

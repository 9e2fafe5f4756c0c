"""What must hold of all visits: the projections agree with the facts, numbers are sound, the board's counts add up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exam.kit import ids
from exam.kit.module import Invariant
from exam.visits import rules
from exam.visits.facts import LineState, TubeEvent
from exam.visits.models import (
    LineBoard,
    LineProgress,
    OrderLineRow,
    TubeFact,
    TubeLine,
    TubeRow,
    Visit,
    VisitBoard,
    VisitMilestone,
)


def _grouped(db: Session, model: type[Any], key: str) -> dict[UUID, list[Any]]:
    table = model.__table__
    found: dict[UUID, list[Any]] = {}
    for row in db.execute(select(table).order_by(table.c.id).execution_options(yield_per=5000)):
        found.setdefault(getattr(row, key), []).append(row)
    return found


def projections(db: Session) -> Iterator[str]:
    """Every board row says what the facts say."""
    progress = _grouped(db, LineProgress, "line_id")
    milestones = _grouped(db, VisitMilestone, "visit_id")
    tube_facts = _grouped(db, TubeFact, "visit_id")
    blood = set(db.scalars(select(TubeRow.id).where(TubeRow.is_blood)))
    states: dict[UUID, list[LineState]] = {}
    for board in db.execute(select(LineBoard.__table__).execution_options(yield_per=5000)):
        state = rules.line_state(progress.get(board.line_id, ()))
        states.setdefault(board.visit_id, []).append(state)
        if board.state != state:
            yield f"line {board.line_id}: the board says {board.state}, the facts say {state.value}"
        if (board.reason, board.due_on) != rules.line_words(progress.get(board.line_id, ())):
            yield f"line {board.line_id}: reason or due day differs between board and facts"
    for board in db.execute(select(VisitBoard.__table__).execution_options(yield_per=5000)):
        own = milestones.get(board.visit_id, [])
        stands = rules.visit_state(own, states.get(board.visit_id, ()))
        if board.state != stands:
            yield f"visit {board.visit_id}: the board says {board.state}, the facts say {stands.value}"
        for field in msgspec.structs.fields(rules.BoardTimes):
            if getattr(board, field.name) != getattr(rules.board_times(own), field.name):
                yield f"visit {board.visit_id}: {field.name} differs between board and facts"
        drawn = [
            fact.at for fact in rules.standing(tube_facts.get(board.visit_id, ()))
            if fact.kind == TubeEvent.COLLECTED and fact.tube_id in blood
        ]  # fmt: skip
        if board.blood_drawn_at != min(drawn, default=None):
            yield f"visit {board.visit_id}: blood_drawn_at differs between board and facts"


def lines_complete(db: Session) -> Iterator[str]:
    """R7: every line has its facts and its board row; a visit without lines does not exist."""
    bare = select(OrderLineRow.id).outerjoin(LineBoard, LineBoard.line_id == OrderLineRow.id).where(LineBoard.line_id.is_(None))
    for line_id in db.scalars(bare):
        yield f"line {line_id} has no board row"
    unplanned = select(OrderLineRow.id).where(~select(LineProgress.id).where(LineProgress.line_id == OrderLineRow.id).exists())
    for line_id in db.scalars(unplanned):
        yield f"line {line_id} has no progress fact"
    empty = select(Visit.visit_no).where(~select(OrderLineRow.id).where(OrderLineRow.visit_id == Visit.id).exists())
    for visit_no in db.scalars(empty):
        yield f"visit {visit_no} has no order line"


def numbers(db: Session) -> Iterator[str]:
    """B1, R3: visit numbers carry a right check digit, tube barcodes belong to their visit."""
    for visit_no in db.scalars(select(Visit.visit_no)):
        if not ids.is_valid_number(visit_no):
            yield f"visit {visit_no}: wrong check digit"
    for barcode, visit_no in db.execute(select(TubeRow.barcode, Visit.visit_no).join(Visit, Visit.id == TubeRow.visit_id)):
        if barcode[:-2] != visit_no:
            yield f"tube {barcode} hangs on visit {visit_no}"
    crossing = (
        select(TubeLine.tube_id)
        .join(TubeRow, TubeRow.id == TubeLine.tube_id)
        .join(OrderLineRow, OrderLineRow.id == TubeLine.line_id)
        .where(TubeRow.visit_id != OrderLineRow.visit_id)
    )
    for tube_id in db.scalars(crossing):
        yield f"tube {tube_id} holds a line of another visit"


def one_visit_a_day(db: Session) -> Iterator[str]:
    """A person has at most one visit a day that is not cancelled."""
    twice = (
        select(Visit.person_id, Visit.exam_on)
        .join(VisitBoard, VisitBoard.visit_id == Visit.id)
        .where(VisitBoard.state != "cancelled")
        .group_by(Visit.person_id, Visit.exam_on)
        .having(func.count() > 1)
    )
    for person_id, exam_on in db.execute(twice):
        yield f"person {person_id} has two visits on {exam_on}"


INVARIANTS = (
    Invariant("projections agree with the facts", projections),
    Invariant("R7 every line has its facts", lines_complete),
    Invariant("B1 numbers and barcodes are sound", numbers),
    Invariant("one visit a person and day", one_visit_a_day),
)

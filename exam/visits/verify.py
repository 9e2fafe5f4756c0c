"""What must hold of all visits: the projections agree with the facts, numbers are sound, the board's counts add up.

Everything is read in spans of visits or as a stream: the memory stays bounded however many visits there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
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
from exam.visits.spans import Span, visit_spans

_STREAM = {"yield_per": 5000}


def _grouped(rows: Any, key: str) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(getattr(row, key), []).append(row)
    return found


def projections(db: Session) -> Iterator[str]:
    """Every board row says what the facts say."""
    for span in visit_spans(db):
        states: dict[UUID, list[LineState]] = {}
        yield from _lines_agree(db, span, states)
        yield from _visits_agree(db, span, states)


def _lines_agree(db: Session, span: Span, states: dict[UUID, list[LineState]]) -> Iterator[str]:
    facts, lines = LineProgress.__table__, LineBoard.__table__
    # By line, not by visit: a fact counts for its line even where it names another visit.
    told = select(facts).join(lines, lines.c.line_id == facts.c.line_id).where(span.holds(lines.c.visit_id)).order_by(facts.c.id)
    progress = _grouped(db.execute(told), "line_id")
    for board in db.execute(select(lines).where(span.holds(lines.c.visit_id))):
        state = rules.line_state(progress.get(board.line_id, ()))
        states.setdefault(board.visit_id, []).append(state)
        if board.state != state:
            yield f"line {board.line_id}: the board says {board.state}, the facts say {state.value}"
        if (board.reason, board.due_on) != rules.line_words(progress.get(board.line_id, ())):
            yield f"line {board.line_id}: reason or due day differs between board and facts"


def _visits_agree(db: Session, span: Span, states: dict[UUID, list[LineState]]) -> Iterator[str]:
    reached, events, boards = VisitMilestone.__table__, TubeFact.__table__, VisitBoard.__table__
    milestones = _grouped(db.execute(select(reached).where(span.holds(reached.c.visit_id)).order_by(reached.c.id)), "visit_id")
    told = select(*events.c, TubeRow.is_blood).outerjoin(TubeRow, TubeRow.id == events.c.tube_id)
    tube_facts = _grouped(db.execute(told.where(span.holds(events.c.visit_id)).order_by(events.c.id)), "visit_id")
    for board in db.execute(select(boards).where(span.holds(boards.c.visit_id))):
        own = milestones.get(board.visit_id, [])
        stands = rules.visit_state(own, states.get(board.visit_id, ()))
        if board.state != stands:
            yield f"visit {board.visit_id}: the board says {board.state}, the facts say {stands.value}"
        for field in msgspec.structs.fields(rules.BoardTimes):
            if getattr(board, field.name) != getattr(rules.board_times(own), field.name):
                yield f"visit {board.visit_id}: {field.name} differs between board and facts"
        drawn = [
            fact.at for fact in rules.standing(tube_facts.get(board.visit_id, ()))
            if fact.kind == TubeEvent.COLLECTED and fact.is_blood
        ]  # fmt: skip
        if board.blood_drawn_at != min(drawn, default=None):
            yield f"visit {board.visit_id}: blood_drawn_at differs between board and facts"


def lines_complete(db: Session) -> Iterator[str]:
    """R7: every line has its facts and its board row; a visit without lines does not exist."""
    bare = select(OrderLineRow.id).outerjoin(LineBoard, LineBoard.line_id == OrderLineRow.id).where(LineBoard.line_id.is_(None))
    for line_id in db.scalars(bare, execution_options=_STREAM):
        yield f"line {line_id} has no board row"
    unplanned = select(OrderLineRow.id).where(~select(LineProgress.id).where(LineProgress.line_id == OrderLineRow.id).exists())
    for line_id in db.scalars(unplanned, execution_options=_STREAM):
        yield f"line {line_id} has no progress fact"
    empty = select(Visit.visit_no).where(~select(OrderLineRow.id).where(OrderLineRow.visit_id == Visit.id).exists())
    for visit_no in db.scalars(empty, execution_options=_STREAM):
        yield f"visit {visit_no} has no order line"


def numbers(db: Session) -> Iterator[str]:
    """B1, R3: visit numbers carry a right check digit, tube barcodes belong to their visit."""
    for visit_no in db.scalars(select(Visit.visit_no), execution_options=_STREAM):
        if not ids.is_valid_number(visit_no):
            yield f"visit {visit_no}: wrong check digit"
    tubes = select(TubeRow.barcode, Visit.visit_no).join(Visit, Visit.id == TubeRow.visit_id)
    for barcode, visit_no in db.execute(tubes, execution_options=_STREAM):
        if barcode[:-2] != visit_no:
            yield f"tube {barcode} hangs on visit {visit_no}"
    crossing = (
        select(TubeLine.tube_id)
        .join(TubeRow, TubeRow.id == TubeLine.tube_id)
        .join(OrderLineRow, OrderLineRow.id == TubeLine.line_id)
        .where(TubeRow.visit_id != OrderLineRow.visit_id)
    )
    for tube_id in db.scalars(crossing, execution_options=_STREAM):
        yield f"tube {tube_id} holds a line of another visit"


def one_visit_a_day(db: Session) -> Iterator[str]:
    """A person has at most one visit a day that is not cancelled."""
    visits = (
        select(Visit.person_id, Visit.exam_on)
        .join(VisitBoard, VisitBoard.visit_id == Visit.id)
        .where(VisitBoard.state != "cancelled")
        .order_by(Visit.person_id)  # along its index: grouping in the database would hold all visits in memory
    )
    for person_id, own in groupby(db.execute(visits, execution_options=_STREAM), key=lambda row: row.person_id):
        days = [row.exam_on for row in own]
        for exam_on in sorted({day for day in days if days.count(day) > 1}):
            yield f"person {person_id} has two visits on {exam_on}"


INVARIANTS = (
    Invariant("projections agree with the facts", projections),
    Invariant("R7 every line has its facts", lines_complete),
    Invariant("B1 numbers and barcodes are sound", numbers),
    Invariant("one visit a person and day", one_visit_a_day),
)

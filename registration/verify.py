"""What must hold of the desk: the board counts what the facts say, prints belong to their visit, cancelled means untouched.

Everything is read in spans of visits or as a stream: the memory grows with the days that had visits, not with the visits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exam.kit.module import Invariant
from exam.visits import rules as visit_rules
from exam.visits.facts import BEGUN, LineState, TubeEvent, VisitState
from exam.visits.models import LineBoard, TubeFact, TubeRow, Visit, VisitBoard, VisitMilestone
from exam.visits.spans import Span, spans, visit_spans
from registration import recheck_rules, rechecks
from registration.board import predicate
from registration.facts import TILE_NAMES, BoardRow, Tile
from registration.models import RecheckRow, SlipPrint
from registration.rules import PREDICATES

_STREAM = {"yield_per": 5000}


def board_counts(db: Session) -> Iterator[str]:
    """Every day's counts by SQL over the projection equal the pure predicates over rows made from the facts alone."""
    expected: dict[tuple[str, date, Tile], int] = Counter()
    for span in visit_spans(db):
        for site, row in _rows_from_facts(db, span):
            for tile, holds in PREDICATES.items():
                expected[site, row.exam_on, tile] += holds(row, row.exam_on)
    for site, day in db.execute(select(VisitBoard.site, VisitBoard.exam_on).distinct()).all():
        counts = db.execute(
            select(*(func.count().filter(predicate(tile, day)) for tile in Tile)).where(
                VisitBoard.site == site, VisitBoard.exam_on == day
            )
        ).one()
        for tile, count in zip(Tile, counts, strict=True):
            if count != expected[site, day, tile]:
                yield f"site {site}, {day}: the board counts {count} {TILE_NAMES[tile]}, the facts {expected[site, day, tile]}"


def _rows_from_facts(db: Session, span: Span) -> Iterator[tuple[str, BoardRow]]:
    reached, events = VisitMilestone.__table__, TubeFact.__table__
    milestones: dict[UUID, list[VisitMilestone]] = {}
    for fact in db.execute(select(reached).where(span.holds(reached.c.visit_id)).order_by(reached.c.id)):
        milestones.setdefault(fact.visit_id, []).append(fact)  # type: ignore[arg-type]
    lines: dict[UUID, list[LineState]] = {}
    for visit_id, state in db.execute(select(LineBoard.visit_id, LineBoard.state).where(span.holds(LineBoard.visit_id))):
        lines.setdefault(visit_id, []).append(LineState(state))
    drawn: dict[UUID, list[TubeFact]] = {}
    of_blood = select(events).join(TubeRow, TubeRow.id == events.c.tube_id).where(TubeRow.is_blood)
    for fact in db.execute(of_blood.where(span.holds(events.c.visit_id)).order_by(events.c.id)):
        drawn.setdefault(fact.visit_id, []).append(fact)  # type: ignore[arg-type]
    # What is due is billing's to prove: its own invariant compares the board with charges and payments.
    shown = select(VisitBoard.visit_id, VisitBoard.amount_due_fen).where(span.holds(VisitBoard.visit_id))
    due = {row.visit_id: row.amount_due_fen for row in db.execute(shown)}
    for visit_id, site, exam_on in db.execute(select(Visit.id, Visit.site, Visit.exam_on).where(span.holds(Visit.id))):
        own = milestones.get(visit_id, [])
        times = visit_rules.board_times(own)
        collected = [fact.at for fact in visit_rules.standing(drawn.get(visit_id, ())) if fact.kind == TubeEvent.COLLECTED]
        yield site, BoardRow(
            exam_on=exam_on, state=visit_rules.visit_state(own, lines.get(visit_id, ())), registered_at=times.registered_at,
            checked_in_at=times.checked_in_at, blood_drawn_at=min(collected, default=None),
            sheet_returned_at=times.sheet_returned_at, amount_due_fen=due.get(visit_id, 0),
        )  # fmt: skip


def cancelled_is_untouched(db: Session) -> Iterator[str]:
    """T18: of a cancelled visit no blood tube is collected and no line was sampled or examined."""
    cancelled = select(VisitBoard.visit_id).where(VisitBoard.state == VisitState.CANCELLED)
    for visit_id in db.scalars(cancelled.where(VisitBoard.blood_drawn_at.is_not(None)), execution_options=_STREAM):
        yield f"visit {visit_id}: cancelled although blood was drawn"
    busy = select(LineBoard.line_id).where(LineBoard.visit_id.in_(cancelled), LineBoard.state.in_(sorted(BEGUN)))
    for line_id in db.scalars(busy, execution_options=_STREAM):
        yield f"line {line_id}: was examined on a visit that is cancelled"


def prints_have_subjects(db: Session) -> Iterator[str]:
    """A printed label names a tube of its own visit."""
    is_known = select(TubeRow.id).where(TubeRow.barcode == SlipPrint.subject, TubeRow.visit_id == SlipPrint.visit_id).exists()
    strange = select(SlipPrint.subject, SlipPrint.visit_id).where(SlipPrint.kind == "label", ~is_known)
    for subject, visit_id in db.execute(strange, execution_options=_STREAM):
        yield f"print of {subject}: no such tube on visit {visit_id}"


def rechecks_follow(db: Session) -> Iterator[str]:
    """A recheck's facts are numbered 1, 2, 3 …, each was possible, and the list says what follows from them."""

    def follow(row: Any, facts: Any) -> dict[str, Any]:
        return rechecks.told(recheck_rules.standing(row.due_on, facts))

    yield from rechecks.RECHECKS.breaches(db, spans(db, RecheckRow.id), follow)


INVARIANTS = (
    Invariant("R the board's counts are what the facts say", board_counts),
    Invariant("R cancelled visits are untouched", cancelled_is_untouched),
    Invariant("R printed labels belong to their visit", prints_have_subjects),
    Invariant("R rechecks stand where their facts led", rechecks_follow),
)

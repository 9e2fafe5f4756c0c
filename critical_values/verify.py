"""What must hold of all alerts: R6 (every critical result has one), steps without gaps, a board that follows from the steps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from critical_values import board
from critical_values.facts import AlertState, Changed
from critical_values.models import AlertBoard, AlertRow, AlertStep
from exam.kit.clock import day_of
from exam.kit.errors import Refused
from exam.kit.module import Invariant
from exam.knowledge import rules as knowledge
from exam.knowledge import service as rule_store
from exam.knowledge.rules import CompiledRules
from exam.visits.spans import spans, visit_spans
from results import service as results
from results.service import StoredCase

_COMPARED = (
    "visit_id", "site", "alert_class", "state", "next_step", "due_at", "ring_at", "level", "duty_id", "duty", "attempts", "notified_at",
    "steps", "found_at",
)  # fmt: skip


def boards(db: Session) -> Iterator[str]:
    """R6: an alert's steps are numbered 1, 2, 3 …, each was possible, and the board says what follows from them."""
    for span in spans(db, AlertRow.id):
        steps: dict[UUID, list[Any]] = {}
        table = AlertStep.__table__
        for row in db.execute(select(table).where(span.holds(table.c.alert_id)).order_by(table.c.alert_id, table.c.number)):
            steps.setdefault(row.alert_id, []).append(row)
        held = {row.alert_id: row for row in db.execute(select(AlertBoard.__table__).where(span.holds(AlertBoard.alert_id)))}
        for alert in db.scalars(select(AlertRow).where(span.holds(AlertRow.id))):
            yield from _alert(db, alert, steps.get(alert.id, []), held.get(alert.id))


def _alert(db: Session, alert: AlertRow, rows: list[Any], held: Any) -> Iterator[str]:
    if [row.number for row in rows] != list(range(1, len(rows) + 1)):
        yield f"alert {alert.id}: its steps are not numbered without a gap"
        return
    taken = tuple(board.to_step(row) for row in rows)
    wrong_kind = next((row.number for row, step in zip(rows, taken, strict=True) if board.kind_of(step.step) != row.kind), None)
    if wrong_kind is not None:
        yield f"alert {alert.id}: step {wrong_kind} is stored as another kind than it is"
    try:
        stands = board.standing_of(db, alert, taken)
    except Refused:
        yield f"alert {alert.id}: its steps were not possible in this order"
        return
    if held is None:
        yield f"alert {alert.id}: stands on no board"
        return
    changed = [each.step.alert_class for each in taken if isinstance(each.step, Changed)]
    row = {column.key: getattr(alert, column.key) for column in AlertRow.__table__.c}
    wanted = board.board_row(row, stands, len(taken), changed[-1] if changed else None)
    for key in _COMPARED:
        if getattr(held, key) != wanted[key]:
            yield f"alert {alert.id}: the board's {key} does not follow from the steps"


def every_finding_has_one(db: Session) -> Iterator[str]:
    """R6: what the rules of the day of storing find in a visit's present values has an alert with a person and a time."""
    books: dict[tuple[int, object], CompiledRules] = {}
    moments = rule_store.revision_moments(db)
    for span in visit_spans(db):
        have: dict[UUID, set[str]] = {}
        standing = select(AlertRow.visit_id, AlertRow.rule).join(AlertBoard, AlertBoard.alert_id == AlertRow.id)
        standing = standing.where(span.holds(AlertRow.visit_id), AlertBoard.state != AlertState.SUPERSEDED)
        for visit_id, rule in db.execute(standing):
            have.setdefault(visit_id, set()).add(rule)
        for each in results.cases_in_span(db, span):
            book = _book_at(db, books, bisect_right(moments, each.stored_at), each.stored_at)
            judged = msgspec.structs.replace(each.case, on=day_of(each.stored_at))
            for found in knowledge.alerts_of(judged, book):
                if found.rule not in have.get(each.visit_id, ()) and _was_known(db, books, moments, each, found.rule):
                    yield f"visit {each.visit_id}: rule {found.rule} finds what nobody was alerted of"


def _was_known(
    db: Session, books: dict[tuple[int, object], CompiledRules], moments: list[datetime], each: StoredCase, rule: str
) -> bool:
    """Whether the rule held when one of the values that it asks for was stored: a saving judges what asks for the saved."""
    last = _book_at(db, books, bisect_right(moments, each.stored_at), each.stored_at)
    found = next(one for one, _ in last.alerts if one.code == rule)
    wanted = {each.case.readings[item].department for item in knowledge.condition_items(found.condition) if item in each.case.readings}
    for department in wanted & each.stored_of.keys():
        moment = each.stored_of[department]
        judged = msgspec.structs.replace(each.case, on=day_of(moment))
        book = _book_at(db, books, bisect_right(moments, moment), moment)
        if any(alert.rule == rule for alert in knowledge.alerts_of(judged, book)):
            return True
    return False


def _book_at(db: Session, books: dict[tuple[int, object], CompiledRules], known: int, moment: datetime) -> CompiledRules:
    """The rules of the day of a moment, of which `known` revisions were there then. Built once for each day and state of the book."""
    key = (known, day_of(moment))
    if key not in books:
        if len(books) > 40:
            books.clear()
        books[key] = rule_store.rules_known_at(db, day_of(moment), moment)
    return books[key]


INVARIANTS = (
    Invariant("R6 every critical result has its alert", every_finding_has_one),
    Invariant("R6 alerts stand where their steps led", boards),
)


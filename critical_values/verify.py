"""What must hold of all alerts: R6 (every critical result has one), steps without gaps, a board that follows from the steps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from critical_values import attachments, board
from critical_values.facts import AlertState
from critical_values.models import AlertBoard, AlertRow, AlertStep
from exam.kit.clock import day_of
from exam.kit.module import Invariant
from exam.knowledge import rules as knowledge
from exam.knowledge import service as rule_store
from exam.knowledge.rules import CompiledRules
from exam.visits.spans import spans, visit_spans
from results import service as results
from results.service import StoredCase


def boards(db: Session) -> Iterator[str]:
    """R6: an alert's steps are numbered 1, 2, 3 …, each was possible, and the board says what follows from them."""

    def follow(alert: Any, rows: Sequence[Any]) -> dict[str, Any]:
        steps = [board.to_step(row) for row in rows]
        return board.told(board.standing_of(db, alert, steps), board.class_of(alert, steps))

    yield from board.ALERTS.breaches(db, spans(db, AlertRow.id), follow)
    for row in db.execute(select(AlertStep.__table__).execution_options(yield_per=1000)):
        if board.kind_of(board.to_step(row).step) != row.kind:
            yield f"alert {row.alert_id}: step {row.number} is stored as another kind than it is"


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
    Invariant("attachments of alerts are what was handed in", attachments.breaches),
    Invariant("R6 every critical result has its alert", every_finding_has_one),
    Invariant("R6 alerts stand where their steps led", boards),
)

"""The whole database in spans of bounded size, for its checks: a fixed number of statements for each span.

What a check holds in memory is what belongs to one span, however many visits there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, SQLColumnExpression, func, select, true
from sqlalchemy.orm import Session

from exam.kit import progress
from exam.visits.models import Visit

SPAN = 1000
"""How many ids one span holds: few enough for the memory, many enough that statements do not matter."""


class Span(msgspec.Struct, frozen=True):
    """The rows whose ids come after one and up to another; None is open, so that all spans together leave nothing out."""

    after: UUID | None
    last: UUID | None

    def holds(self, column: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
        """The condition that a column of these ids lies in this span."""
        condition: ColumnElement[bool] = true() if self.after is None else column > self.after
        return condition if self.last is None else condition & (column <= self.last)


def visit_spans(db: Session) -> Iterator[Span]:
    """Spans over every visit there is, of all sites; the last one is open and holds what names no visit at all."""
    return spans(db, Visit.id)


def spans(db: Session, column: Any) -> Iterator[Span]:
    """Spans over every value of a primary key that is an id; the last one is open. Tells how far the check is."""
    total = db.scalar(select(func.count(column))) or 0 if progress.is_wanted(db) else 0
    after: UUID | None = None
    done = 0
    while True:
        wanted = select(column).order_by(column).limit(SPAN)
        ids = db.scalars(wanted if after is None else wanted.where(column > after)).all()
        if len(ids) < SPAN:
            yield Span(after, None)
            return
        yield Span(after, ids[-1])
        after = ids[-1]
        done += len(ids)
        progress.tell(db, done, total)

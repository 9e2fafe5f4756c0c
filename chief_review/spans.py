"""All visits in spans of bounded size, for checks of the whole database: a fixed number of statements for each span."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, SQLColumnExpression, select, true
from sqlalchemy.orm import Session

from exam.visits.models import Visit

SPAN = 1000
"""How many visits one span holds: few enough for the memory, many enough that statements do not matter."""


class Span(msgspec.Struct, frozen=True):
    """The visits whose ids come after one and up to another; None is open, so that all spans together leave nothing out."""

    after: UUID | None
    last: UUID | None

    def holds(self, column: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
        """The condition that a column of visit ids lies in this span."""
        condition: ColumnElement[bool] = true() if self.after is None else column > self.after
        return condition if self.last is None else condition & (column <= self.last)


def visit_spans(db: Session) -> Iterator[Span]:
    """Spans over every visit there is, of all sites; the last one is open and holds what names no visit at all."""
    after: UUID | None = None
    while True:
        wanted = select(Visit.id).order_by(Visit.id).limit(SPAN)
        ids = db.scalars(wanted if after is None else wanted.where(Visit.id > after)).all()
        if len(ids) < SPAN:
            yield Span(after, None)
            return
        yield Span(after, ids[-1])
        after = ids[-1]

"""Things of which facts are only ever added, and a board with one derived row for each: where its facts led, ready for lists.

Three tables make one: the rows, the facts about each row, numbered 1, 2, 3 …, and the board. Only the board's rows change, each
in the transaction that adds a fact. What a room says of it is how a standing follows from a row and its facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, select, update
from sqlalchemy.orm import Session

from exam.kit.db import Model, insert_rows
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of

Told = Mapping[str, Any]
"""The columns of a board's row that follow from the facts."""


class Span(Protocol):
    """A part of all ids, so that a check holds no more than that part in memory."""

    def holds(self, column: Any) -> ColumnElement[bool]:
        """The condition that a column of ids lies in this part."""
        ...


class FactBoard:
    """`key` is the column of facts and board that holds a row's id, `count` the board's column that counts its facts.

    A column of the board that the row has too is copied from it, unless the facts may change it.
    """

    def __init__(
        self, name: str, row: type[Model], fact: type[Model], board: type[Model], *, key: str, count: str = "facts"
    ) -> None:
        self._name, self._key, self._count = name, key, count
        self._row, self._fact, self._board = row, fact, board
        self._rows, self._facts, self._boards = row.__table__, fact.__table__, board.__table__
        self._copied = [column.key for column in self._boards.c if column.key in self._rows.c]
        told = (column.label(f"now_{column.key}") for column in self._boards.c)
        self.rows: Select[Any] = select(self._rows, *told).join_from(
            self._boards, self._rows, self._rows.c.id == self._boards.c[key]
        )
        """Every row with its board, whose columns are called `now_…`."""

    def held(self, statement: Select[Any]) -> Select[Any]:
        """The same rows, held until the unit ends. A condition on the board is asked again of what somebody else changed meanwhile."""
        return statement.with_for_update(of=self._boards)

    def hold(self, db: Session, row_id: UUID) -> Row[Any] | None:
        """One row of the actor's site with its board, held: two people who act on it take turns from here."""
        mine = self.rows.where(self._rows.c.id == row_id, self._rows.c.site == actor_of(db).site)
        return db.execute(self.held(mine)).first()

    def open(self, db: Session, opened: Sequence[tuple[dict[str, Any], Told]]) -> None:
        """Adds rows, each with what its board says before there is any fact."""
        insert_rows(db, self._row, [row for row, _ in opened])
        insert_rows(db, self._board, [self._board_row(row, told, 0) for row, told in opened])

    def add(self, db: Session, row_id: UUID, number: int, fact: Mapping[str, Any], told: Told) -> None:
        """Adds the fact of this number in the actor's name, and what the board says from now on. The caller holds the row."""
        actor = actor_of(db)
        by = {"id": house_of(db).ids.new(), self._key: row_id, "number": number, "actor_id": actor.staff_id, "actor": actor.name}
        insert_rows(db, self._fact, [{**by, **fact}])
        db.execute(update(self._board).where(self._boards.c[self._key] == row_id).values({**told, self._count: number}))

    def _board_row(self, row: Mapping[str, Any], told: Told, facts: int) -> dict[str, Any]:
        return {**{key: row[key] for key in self._copied}, **told, self._key: row["id"], self._count: facts}

    def breaches(
        self, db: Session, spans: Iterable[Span], follow: Callable[[Row[Any], Sequence[Row[Any]]], Told]
    ) -> Iterator[str]:  # fmt: skip
        """Facts that are not numbered 1, 2, 3 …, that were not possible in their order, and boards that do not follow from them.

        `follow` says what the board shall say after a row's facts, and refuses one that was not possible.
        """
        of_fact, of_board = self._facts.c[self._key], self._boards.c[self._key]
        for span in spans:
            facts: dict[UUID, list[Row[Any]]] = {}
            for fact in db.execute(select(self._facts).where(span.holds(of_fact)).order_by(of_fact, self._facts.c.number)):
                facts.setdefault(getattr(fact, self._key), []).append(fact)
            held = db.execute(select(self._boards).where(span.holds(of_board))).mappings()
            boards = {board[self._key]: dict(board) for board in held}
            for row in db.execute(select(self._rows).where(span.holds(self._rows.c.id))):
                for breach in self._breaches_of(row, facts.get(row.id, []), boards.get(row.id), follow):
                    yield f"{self._name} {row.id}: {breach}"

    def _breaches_of(
        self, row: Row[Any], facts: list[Row[Any]], board: Told | None, follow: Callable[[Row[Any], Sequence[Row[Any]]], Told]
    ) -> Iterator[str]:
        if [fact.number for fact in facts] != list(range(1, len(facts) + 1)):
            yield "its facts are not numbered without a gap"
            return
        try:
            told = follow(row, facts)
        except Refused:
            yield "its facts were not possible in this order"
            return
        if board is None:
            yield "stands on no board"
            return
        for key, value in self._board_row(row._asdict(), told, len(facts)).items():
            if board[key] != value:
                yield f"the board's {key} does not follow from its facts"

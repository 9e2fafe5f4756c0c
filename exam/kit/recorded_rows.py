"""Every audited row against what the audit last recorded of it, in bounded memory however many rows there are.

Both sides are sorted into a file beside the database, row by row together, and looked through once in that order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any, NamedTuple

from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session

from exam.kit import progress
from exam.kit.db import Model, row_digest, row_key
from exam.kit.side_file import SideFile

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHUNK = 20_000
KEEP_FREE_BYTES = 512 * 1024 * 1024
"""Room that the comparison leaves on the disk: people go on working."""

_IN_QUESTION = """
    SELECT part, key FROM rows GROUP BY part, key
    HAVING NOT (count(*) = 2 AND min(place) < 0 AND max(place) > 0 AND min(digest) = max(digest))
"""
"""All but the rows that were written once and are still so, which are nearly all."""


def breaches(db: Session, told: Any, doubt: timedelta) -> Iterator[str]:
    """Every audited row that is not what was last recorded of it, is not recorded, or is recorded and gone.

    `told` selects time, writer, sequence and lines of every audit row, in any order. `doubt` is how far the times of two writers
    may be wrong against each other.
    """
    tables: dict[str, Table] = {
        mapper.class_.__tablename__: mapper.class_.__table__
        for mapper in Model.registry.mappers
        if getattr(mapper.class_, "__audited__", True)
    }
    names = sorted(tables)
    with SideFile(db.info["house"].data, ("digest", "at", "writer", "seq")) as side:
        gathered = chain(_recorded(db, told, names), *(_present(db, part, tables[name]) for part, name in enumerate(names)))
        total = _rows_to_gather(db, tables) if progress.is_wanted(db) else 0
        done = 0
        while rows := list(islice(gathered, CHUNK)):
            if done and db.info["house"].space.free_bytes() < KEEP_FREE_BYTES:
                yield "not compared: less than 512 MB are free on the disk of the data folder"
                return
            side.add(rows)
            done += len(rows)
            progress.tell(db, done, total)
        for part, key in side.select(_IN_QUESTION):
            found = side.select("SELECT digest, at, writer, seq, place FROM rows WHERE part = ? AND key = ?", part, key)
            yield from _breaches_of(f"{names[part]} {key}", list(found), doubt)


def _recorded(db: Session, told: Any, names: list[str]) -> Iterator[tuple[Any, ...]]:
    """What the audit says of each row, in any order, numbered upwards from 1."""
    parts = {name: part for part, name in enumerate(names)}
    place = 0
    for at, writer, seq, rows in db.execute(told.execution_options(yield_per=1000)):
        moment = (at - _EPOCH) // timedelta(microseconds=1)
        for line in rows.splitlines():
            name, key, digest = line.split(" ")
            if name in parts:
                place += 1
                yield parts[name], key, place, digest, moment, writer, seq


def _present(db: Session, part: int, table: Table) -> Iterator[tuple[Any, ...]]:
    """What a table holds, numbered downwards from -1."""
    keys = [column.key for column in table.primary_key.columns]
    for number, row in enumerate(db.execute(select(table).execution_options(yield_per=1000)), 1):
        values = dict(row._mapping)
        yield part, row_key(values, keys), -number, row_digest(table, values), None, None, None


def _rows_to_gather(db: Session, tables: dict[str, Table]) -> int:
    """About how many: a line of the audit for each row."""
    return 2 * sum(db.scalar(select(func.count()).select_from(table)) or 0 for table in tables.values())


def _breaches_of(name: str, found: list[tuple[Any, ...]], doubt: timedelta) -> Iterator[str]:
    expected: tuple[_Recorded, ...] = ()
    for digest, at, writer, seq, _ in sorted((each for each in found if each[4] > 0), key=lambda each: each[1:]):
        expected = _with(expected, _Recorded(digest, timedelta(microseconds=at), writer, seq), doubt)
    present = [each[0] for each in found if each[4] < 0]
    for digest in present:
        if not expected:
            yield f"{name}: no audit row knows it"
        elif digest not in {each.digest for each in expected}:
            yield f"{name}: its content differs from what the audit recorded"
        expected = ()
    if not present and all(each.digest != "-" for each in expected):
        yield f"{name}: the audit knows it, the table does not"


class _Recorded(NamedTuple):
    """What one audit row says of one row: its digest, and where that stands. `at` is since 1970."""

    digest: str
    at: timedelta
    writer: int
    seq: int


def _with(before: tuple[_Recorded, ...], new: _Recorded, doubt: timedelta) -> tuple[_Recorded, ...]:
    """Which records of a row may be its last one, with one more. They come in the order of their time.

    Within one chain the sequence says what came last. Between two chains only the clock does, and where they are closer than
    `doubt` it may be wrong: then either may be the last.
    """
    if any(each.writer == new.writer and each.seq > new.seq for each in before):
        return before
    return (*(each for each in before if each.writer != new.writer and new.at - each.at <= doubt), new)

"""Numbered series that are never used twice: counted in the database, with a high-water mark in a file outside it.

After a restore the database may be behind; the mark makes the next number come after every number ever given out.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import BigInteger, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from exam.kit.db import Model
from exam.kit.durable import store
from exam.kit.house import house_of


class Series(Model):
    """The last number given out of one series."""

    __tablename__ = "exam_series"
    __audited__ = False

    name: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


def next_number(db: Session, name: str, count: int = 1) -> int:
    """The first of the next `count` numbers of a series, beginning at 1. Other transactions wait until this one ends.

    A number whose transaction is rolled back is skipped, never given out again.
    """
    path = house_of(db).data.parent / "anchor" / "series.json"
    last = _advance(db, name, count)
    with _locked(path) as marks:
        mark = marks.get(name, 0)
        if last - count < mark:
            last = mark + count
            db.execute(update(Series).where(Series.name == name).values(last=last))
        marks[name] = last
    return last - count + 1


def _advance(db: Session, name: str, count: int) -> int:
    statement = update(Series).where(Series.name == name).values(last=Series.last + count).returning(Series.last)
    last = db.execute(statement).scalar()
    if last is None:
        try:
            with db.begin_nested():
                db.execute(insert(Series).values(name=name, last=count))
            return count
        except IntegrityError:
            last = db.execute(statement).scalar_one()
    return last


@contextmanager
def _locked(path: Path) -> Iterator[dict[str, int]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stored = msgspec.json.decode(path.read_bytes(), type=dict[str, int]) if path.exists() else {}
        before = dict(stored)
        yield stored
        if stored != before:
            store(path, [msgspec.json.encode(stored)])
    finally:
        os.close(lock)

"""Rows sorted beside the database, for a check that compares more of them than the memory holds.

The file lies in the data folder without a name, is encrypted with a key that is kept nowhere, and is gone with the process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from exam.kit.random import SystemRandom

CACHE_KIB = 64 * 1024
"""What of it is held in memory; a small database's rows never reach the disk."""


class SideFile:
    """Rows of `(part, key, place, text, …)` in the order of their first three columns; closed by `with`."""

    def __init__(self, folder: Path, columns: tuple[str, ...]) -> None:
        """`columns` names what follows `part`, `key` and `place`."""
        from sqlcipher3 import dbapi2

        with tempfile.TemporaryDirectory(prefix=".side-", dir=folder) as place:
            self._connection: Any = dbapi2.connect(f"{place}/rows", isolation_level=None)
            names = ", ".join(columns)
            for statement in (
                f"PRAGMA key = \"x'{SystemRandom().token_bytes(32).hex()}'\"",
                "PRAGMA journal_mode = OFF",
                "PRAGMA synchronous = OFF",
                "PRAGMA locking_mode = EXCLUSIVE",
                f"PRAGMA cache_size = -{CACHE_KIB}",
                f"CREATE TABLE rows (part, key, place, {names}, PRIMARY KEY (part, key, place)) WITHOUT ROWID",
                "BEGIN IMMEDIATE",
            ):
                self._connection.execute(statement)
        self._insert = f"INSERT INTO rows VALUES ({', '.join('?' * (3 + len(columns)))})"

    def __enter__(self) -> SideFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Puts rows in their places."""
        self._connection.executemany(self._insert, rows)

    def select(self, statement: str, *values: Any) -> Iterator[Any]:
        """What a statement over the table `rows` finds, one after the other."""
        found: Iterator[Any] = self._connection.execute(statement, values)
        return found

"""How far a long check of the whole database is: told by the check, shown on the terminal where somebody waits for it."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from sqlalchemy.orm import Session

EVERY_SECONDS = 0.2


def is_wanted(db: Session) -> bool:
    """Whether anybody waits: what has to be counted only for them is not counted otherwise."""
    return db.info.get("progress") is not None


def tell(db: Session, done: int, total: int) -> None:
    """Says that `done` of `total` parts are checked. Costs nothing where nobody waits."""
    line: Line | None = db.info.get("progress")
    if line is not None:
        line.show(done, total)


class Line:
    """One line of a terminal, written over and over; on anything else (a pipe, a log) it is not seen and nothing is written."""

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self._name = name
        self._stream = stream if stream is not None else sys.stderr
        self.is_seen = self._stream.isatty()
        self._began = time.monotonic()
        self._last = self._began

    def show(self, done: int, total: int) -> None:
        """Writes how much is done, at most five times a second."""
        now = time.monotonic()
        if self.is_seen and now - self._last >= EVERY_SECONDS:
            self._last = now
            share = min(99, 100 * done // total) if total else 0
            self._stream.write(f"\r\x1b[K...  {self._name}  {share} %  {now - self._began:.0f} s")
            self._stream.flush()

    def clear(self) -> None:
        """Takes the line away again."""
        if self.is_seen and self._last > self._began:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

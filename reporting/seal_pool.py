"""The seals of many reports, checked on every core: one takes about ten milliseconds of arithmetic.

Nothing is remembered between two runs: a mark "checked already" could be planted by whoever can write to the database. The keys
stay with the one who reads the files; the other processes are given a file's bytes and say what is wrong with its seal.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a server starts without what only a check of the whole store needs
    from concurrent.futures import Future, ProcessPoolExecutor

WORTH_IT = 200
"""Fewer reports than this are checked sooner than other processes start."""

AHEAD = 4
"""Files that wait for each process: enough to keep it busy, few enough for the memory (a file has about a megabyte)."""


def seal_problems(content: bytes, roots: Sequence[bytes], signed_at: datetime, drawn_sha256: str) -> list[str]:
    """What is wrong with a sealed file: its seal must be good and of `signed_at`, and it must begin with what was drawn."""
    from reporting.seal_check import verify  # half a second of imports, only where seals are checked

    problems = []
    verdict = verify(content, roots)
    if not verdict.is_valid or verdict.signed_at != signed_at:
        problems.append(f"the seal is not valid or not of {signed_at}")
    if hashlib.sha256(content[: _unsealed_length(content, drawn_sha256)]).hexdigest() != drawn_sha256:
        problems.append("the sealed file does not begin with what was drawn")
    return problems


def _unsealed_length(content: bytes, drawn_sha256: str) -> int:
    """How long the drawn file was: the seal is appended after one of the file's end marks."""
    end = 0
    while (end := content.find(b"%%EOF", end) + 5) > 4:
        for length in (end, end + 1, end + 2):
            if hashlib.sha256(content[:length]).hexdigest() == drawn_sha256:
                return length
    return len(content)


class SealPool:
    """Takes files one after the other and gives their breaches back in the same order, a few files later."""

    def __init__(self, roots: Sequence[bytes], total: int) -> None:
        """`roots` are the certificates that a seal must lead up to, `total` says how many files will come."""
        self._roots = list(roots)
        self._waiting: deque[tuple[str, Future[list[str]]]] = deque()
        self.processes = len(os.sched_getaffinity(0)) if total >= WORTH_IT else 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> SealPool:
        if self.processes > 1:
            import multiprocessing
            from concurrent.futures import ProcessPoolExecutor

            # Not forked: a copy of this process would hold the database's connection and the keys.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.processes, context, initializer=_leave_interrupts_to_the_first)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def check(self, name: str, content: bytes, signed_at: datetime, drawn_sha256: str) -> Iterator[str]:
        """Has one file checked; gives what is known by now of those before it."""
        if self._pool is None:
            yield from _named(name, seal_problems(content, self._roots, signed_at, drawn_sha256))
            return
        self._waiting.append((name, self._pool.submit(seal_problems, content, self._roots, signed_at, drawn_sha256)))
        while len(self._waiting) > AHEAD * self.processes:
            yield from self._next()

    def rest(self) -> Iterator[str]:
        """Waits for the last files."""
        while self._waiting:
            yield from self._next()

    def _next(self) -> Iterator[str]:
        name, problems = self._waiting.popleft()
        yield from _named(name, problems.result())


def _named(name: str, problems: list[str]) -> Iterator[str]:
    return (f"{name}: {problem}" for problem in problems)


def _leave_interrupts_to_the_first() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

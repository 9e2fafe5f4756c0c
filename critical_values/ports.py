"""What the room asks of others: a look at files that people hand in."""

from __future__ import annotations

from collections.abc import Callable

from exam.kit.module import Slot

FILE_SCANS: Slot[Callable[[bytes], str]] = Slot(
    "You get the content of a file that somebody hands in and return in Chinese what is wrong with it, or nothing. Nobody fills it by default."
)

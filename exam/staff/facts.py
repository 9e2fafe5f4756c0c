"""What staff needs from the rooms above: the departments that a right can be limited to."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from exam.kit.module import Slot

DEPARTMENTS: Slot[Callable[[Session], list[tuple[str, str]]]] = Slot("(code, name) of departments that a right can be limited to")

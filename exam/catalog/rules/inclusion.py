"""Which groups a group includes, and what a computed item reads: everything that is reached step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exam.catalog.facts import Catalogue


def included(catalogue: Catalogue, code: str) -> frozenset[str]:
    """All groups that a group includes, directly or through others; contains the group itself only in a cycle."""
    return reached(code, lambda each: catalogue.groups[each].includes if each in catalogue.groups else ())


def reached(start: str, steps: Callable[[str], Iterable[str]]) -> frozenset[str]:
    """Everything one gets to from `start` in one or more steps."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = set(steps(waiting.pop())) - found
        found |= fresh
        waiting.extend(fresh)
    return frozenset(found)

"""The grade A to E of one domain of a case, such as blood pressure (domain.md §4.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from exam.knowledge.book import GradeScale
from exam.knowledge.facts import Case
from exam.knowledge.rules.conditions import condition_items, holds
from exam.knowledge.rules.wording import finding_text

Grade = Literal["A", "B", "C", "D", "E"]


def grade(case: Case, scale: GradeScale) -> Grade | None:
    """The grade of the first step that holds; None where a value is missing or leaves it open.

    A step that is unknown ends the search: a later one might hold too, but it would not be known to be the first.
    """
    for step in scale.steps:
        answer = holds(step.condition, case)
        if answer is None:
            return None
        if answer:
            return step.grade
    return None


class Graded(msgspec.Struct, frozen=True):
    """A domain's grade with the items and findings that it follows from."""

    name: str
    grade: Grade
    items: tuple[str, ...]
    evidence: tuple[str, ...]


def graded(case: Case, scales: Iterable[GradeScale]) -> tuple[Graded, ...]:
    """Every domain that can be graded, in the order of the book."""
    found: list[Graded] = []
    for scale in scales:
        reached = grade(case, scale)
        if reached is not None:
            items = tuple(dict.fromkeys(item for step in scale.steps for item in condition_items(step.condition) if item in case.readings))
            found.append(Graded(scale.name, reached, items, tuple(finding_text(case.readings[item]) for item in items)))
    return tuple(found)

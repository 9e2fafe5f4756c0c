"""Checks of sides: a conclusion must not name a side of a paired organ on which nothing was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exam.knowledge.gate import Sided
from exam.knowledge.rules.conditions import compiled
from exam.knowledge.rules.gate.prepared import Review
from exam.knowledge.rules.gate.texts import is_of_relative, is_past
from exam.knowledge.rules.gate.values import Check
from exam.knowledge.rules.statements import states

_BOTH = ("双", "两侧", "两肺", "两肾", "两眼", "两耳", "左右")
_HEALTHY = ("未见", "正常", "清晰", "无")
_LEFT_RIGHT = frozenset({"左", "右"})

_Said = tuple[frozenset[str], tuple[str, ...], str]
"""Sides, lesions, and the clause that says so."""


def sided(test: Sided) -> Check:
    """Sides in conclusions against sides in findings, lesion by lesion."""
    marks = tuple((compiled(mark.when), mark) for mark in test.marks)

    def check(review: Review) -> Iterator[str]:
        if not any(word in review.told for word in test.organ):
            return
        told = [each for each in _said(test, review.told_clauses) if each[0]]
        if not told:
            return
        found = [each for each in _said(test, (*review.found_clauses, *review.chosen.split("\n"))) if each[0]]
        found += [(frozenset({mark.side}), (mark.lesion,), "") for is_true, mark in marks if is_true(review.case)]
        for sides, lesions, clause in told:
            comparable = _comparable(lesions, found)
            seen = frozenset().union(*(each[0] for each in comparable))
            if seen and sides - seen:
                other = next((each[2] for each in comparable if each[2]), "")
                yield f"结论“{clause}”,所见{f'“{other}”' if other else f'在{_name(seen)}'}"

    return check


def _comparable(lesions: tuple[str, ...], found: Iterable[_Said]) -> list[_Said]:
    """The findings that speak of the same lesion; a text without one is compared with all."""
    listed = list(found)
    if not lesions:
        return listed
    return [each for each in listed if not each[1] or set(each[1]) & set(lesions)]


def _said(test: Sided, parts: Iterable[str]) -> Iterator[_Said]:
    is_same = False
    for clause in parts:
        names = any(word in clause for word in test.organ)
        is_same = names or (is_same and clause.startswith(test.continues))
        if not is_same or is_past(clause) or is_of_relative(clause):
            continue
        lesions = tuple(lesion for lesion in test.lesions if lesion in clause)
        if lesions and not states(clause, lesions):
            continue
        if not lesions and any(word in clause for word in _HEALTHY):
            continue
        yield _sides(test, clause), lesions, clause


def _sides(test: Sided, clause: str) -> frozenset[str]:
    for word in test.ignore:
        clause = clause.replace(word, "")
    if any(word in clause for word in _BOTH):
        return _LEFT_RIGHT
    return frozenset(side for side in _LEFT_RIGHT if side in clause)


def _name(sides: frozenset[str]) -> str:
    return "双侧" if len(sides) > 1 else f"{next(iter(sides))}侧"

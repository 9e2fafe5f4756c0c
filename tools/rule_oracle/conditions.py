"""Conditions by possible worlds: a simple condition is what it is for every number the value could be, a composite one what it
comes to whichever way its unknown parts turn out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from exam.knowledge import language as say
from exam.knowledge.facts import Subject
from tools.rule_oracle.values import Value, worlds

Answer: TypeAlias = bool | None

RELATIONS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
}

DENIALS = ("未见", "未发现", "未闻及", "未触及", "未探及", "未及", "未提示", "无", "没有", "排除", "除外", "否认", "不伴", "不考虑")
"""Words before a phrase that deny it (domain.md writes findings such as 未见异常, 未闻及, 未触及)."""


@dataclass(frozen=True)
class Visit:
    """A case with the oracle's values. It remembers what a condition came to, as rules are asked about more than once."""

    subject: Subject
    today: dict[str, Value]
    earlier: dict[str, Value]
    is_partial: bool = False
    known: dict[int, tuple[say.Condition, set[bool]]] = field(default_factory=dict, repr=False, compare=False)


def truth(condition: say.Condition, visit: Visit) -> Answer:
    """True, false, or None where it could be either."""
    known = visit.known.get(id(condition))
    if known is None:  # the condition is kept beside its answer, so that no other one can get its place in memory
        known = visit.known[id(condition)] = condition, outcomes(condition, visit)
    found = known[1]
    return True if found == {True} else False if found == {False} else None


def outcomes(condition: say.Condition, visit: Visit) -> set[bool]:
    """All that a condition can come to, whichever way each of its unknown parts turns out."""
    match condition:
        case say.AllOf(of=of):
            return {all(world) for world in _worlds(of, visit)}
        case say.AnyOf(of=of):
            return {any(world) for world in _worlds(of, visit)}
        case say.AtLeast(n=n, of=of):
            return {sum(world) >= n for world in _worlds(of, visit)}
        case say.Not(condition=inner):
            return {not each for each in outcomes(inner, visit)}
    answer = simple(condition, visit)
    return {True, False} if answer is None else {answer}


def _worlds(parts: Sequence[say.Condition], visit: Visit) -> Iterator[tuple[bool, ...]]:
    return itertools.product(*(outcomes(each, visit) for each in parts))


def simple(condition: say.Condition, visit: Visit) -> Answer:
    """A condition without parts."""
    match condition:
        case say.Age(at_least=at_least, below=below):
            return at_least <= visit.subject.age < below
        case say.Sex(sex=sex):
            return visit.subject.sex == sex
        case say.History(any_of=any_of):
            return True if visit.subject.history & set(any_of) else None if visit.is_partial else False
        case say.Missing(item=item):
            return _is_there(visit.today, item, visit, is_there=False)
        case say.HasEarlier(item=item):
            return _is_there(visit.earlier, item, visit, is_there=True)
        case say.EarlierChosen(item=item, any_of=any_of):
            there = _is_there(visit.earlier, item, visit, is_there=True)
            return _of_today(say.Chosen(item, any_of), visit.earlier.get(item)) if there else there
        case say.Earlier(item=item, op=op, value=value):
            return _compared(visit.earlier.get(item), op, Fraction(value))
        case say.Change():
            return _changed(condition, visit)
    return _of_today(condition, visit.today.get(condition.item))  # type: ignore[union-attr]


def _is_there(values: dict[str, Value], item: str, visit: Visit, *, is_there: bool) -> Answer:
    if item in values and not values[item].is_empty:
        return is_there
    if item not in values and visit.is_partial:
        return None
    return not is_there


def _of_today(condition: say.Condition, value: Value | None) -> Answer:
    if value is None or value.is_empty:
        return None
    match condition:
        case say.Compare(op=op, value=limit, unit=unit):
            return _compared(value, op, Fraction(limit)) if _is_in(unit, value) else None
        case say.Between(unit=unit):
            return _between(condition, value) if _is_in(unit, value) else None
        case say.LimitMultiple(op=op, times=times):
            return None if value.high is None else _compared(value, op, Fraction(times) * value.high)
        case say.Flagged(any_of=any_of):
            return None if value.flag in ("unknown", "none") else value.flag in any_of
        case say.Chosen(any_of=any_of):
            if set(value.choices) & set(any_of):
                return True
            return False if value.choices and not value.unread else None  # what nobody can read may be one of these
        case say.Says(any_of=any_of):
            return any(states(value.text, phrase) for phrase in any_of)
    raise TypeError(condition)


def _is_in(unit: str, value: Value) -> bool:
    return not unit or unit == value.unit


def _compared(value: Value | None, op: str, limit: Fraction) -> Answer:
    if value is None or value.number is None:
        return None
    return _same_everywhere(RELATIONS[op](each, limit) for each in worlds(value.comparator, value.number, [limit]))


def _between(condition: say.Between, value: Value) -> Answer:
    if value.number is None:
        return None
    low, high = Fraction(condition.low), Fraction(condition.high)
    return _same_everywhere(
        (each > low if condition.low_open else each >= low) and (each < high if condition.high_open else each <= high)
        for each in worlds(value.comparator, value.number, [low, high])
    )


def _same_everywhere(answers: object) -> Answer:
    found = set(answers)  # type: ignore[call-overload]
    return found.pop() if len(found) == 1 else None


def _changed(condition: say.Change, visit: Visit) -> Answer:
    now, before = visit.today.get(condition.item), visit.earlier.get(condition.item)
    for each in (now, before):
        if each is None or each.number is None or each.comparator:
            return None
    assert now is not None and now.number is not None and before is not None and before.number is not None
    if before.number == 0 or now.unit != before.unit:
        return None
    percent = (now.number - before.number) / abs(before.number) * 100
    return RELATIONS[condition.op](percent, Fraction(condition.percent))


def states(text: str, phrase: str) -> bool:
    """Whether a clause of the text has the phrase with no word of denial before it."""
    for clause in re.split(r"[,,。;;::!!??\s]", text):
        for found in re.finditer(re.escape(phrase), clause):
            before = clause[: found.start()]
            if not any(denial in before for denial in DENIALS):
                return True
    return False

"""Evaluate the condition language in three values, and tell which values made a condition true.

Conditions are compiled once into closures; a rule set then costs microseconds a case. `None` means unknown.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from exam.knowledge.facts import Case, Flag, Reading
from exam.knowledge.language import (
    Age,
    AllOf,
    AnyOf,
    AtLeast,
    Between,
    Change,
    Chosen,
    Compare,
    Condition,
    Earlier,
    EarlierChosen,
    Flagged,
    HasEarlier,
    History,
    LimitMultiple,
    Missing,
    Not,
    Says,
    Sex,
)
from exam.knowledge.rules.statements import states
from exam.knowledge.rules.trends import difference_of_kind

Test = Callable[[Case], bool | None]

_EXACT: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
_HUNDRED = Decimal(100)
_PERSONAL = (AllOf, AnyOf, AtLeast, Not, Age, Sex, History)


def holds(condition: Condition, case: Case) -> bool | None:
    """True, false, or None for unknown. For one look; compile the condition where it is asked often."""
    return compiled(condition)(case)


def compare_amount(comparator: str, number: Decimal, relation: str, limit: Decimal) -> bool | None:
    """A number, or an open-ended result such as `<0.5`, against a limit; None when the result leaves it open."""
    if not comparator:
        return _EXACT[relation](number, limit)
    is_below = comparator[0] == "<"
    # The result is a half line; on the far side of its end every value agrees, on the near side none is certain.
    reaches = number == limit and len(comparator) == 2
    if is_below:
        all_under = number < limit or (number == limit and not reaches)
        all_under_or_equal = number <= limit
        known = {"<": all_under, "<=": all_under_or_equal, ">": False, ">=": False, "=": False, "!=": all_under}
        refuted = {"<": False, "<=": False, ">": all_under_or_equal, ">=": all_under, "=": all_under, "!=": False}
    else:
        all_over = number > limit or (number == limit and not reaches)
        all_over_or_equal = number >= limit
        known = {">": all_over, ">=": all_over_or_equal, "<": False, "<=": False, "=": False, "!=": all_over}
        refuted = {">": False, ">=": False, "<": all_over_or_equal, "<=": all_over, "=": all_over, "!=": False}
    if known[relation]:
        return True
    return False if refuted[relation] else None


def compiled(condition: Condition) -> Test:
    """The condition as a function of a case."""
    match condition:
        case Compare(item=item, op=op, value=value, unit=unit):
            return _in_unit(item, unit, _compare_test(item, op, value))
        case Between(item=item, low=low, high=high, unit=unit, low_open=low_open, high_open=high_open):
            above = _compare_test(item, ">" if low_open else ">=", low)
            below = _compare_test(item, "<" if high_open else "<=", high)
            return _in_unit(item, unit, _all_test((above, below)))
        case Flagged(item=item, any_of=flags):
            return _flag_test(item, frozenset(Flag(flag) for flag in flags))
        case Chosen(item=item, any_of=texts):
            return _choice_test(item, frozenset(texts))
        case Says(item=item, any_of=phrases):
            return _says_test(item, phrases)
        case LimitMultiple(item=item, op=op, times=times):
            return _limit_test(item, op, times)
        case Age(at_least=at_least, below=under):
            return lambda case: at_least <= case.subject.age < under
        case Sex(sex=sex):
            return lambda case: case.subject.sex == sex
        case History(any_of=texts):
            return _history_test(frozenset(texts))
        case Missing(item=item):
            return lambda case: _not(_is_there(case.readings, item, case))
        case HasEarlier(item=item):
            return lambda case: _is_there(case.earlier, item, case)
        case EarlierChosen(item=item, any_of=texts):
            return _earlier_choice_test(item, frozenset(texts))
        case Earlier(item=item, op=op, value=value):
            return _earlier_test(item, op, value)
        case Change(item=item, op=op, percent=percent):
            return _change_test(item, op, percent)
        case AllOf(of=of):
            return _all_test(tuple(compiled(part) for part in of))
        case AnyOf(of=of):
            return _any_test(tuple(compiled(part) for part in of))
        case AtLeast(n=n, of=of):
            return _at_least_test(n, tuple(compiled(part) for part in of))
        case Not(condition=inner):
            return _not_test(compiled(inner))


def ways_of(condition: Condition) -> tuple[Condition, ...]:
    """The conditions of which one must be true for the whole to be."""
    return condition.of if isinstance(condition, AnyOf) else (condition,)


def could_hold(condition: Condition) -> Test:
    """As `compiled`, for a part of a case that says of which items it is complete: of these, what is not there makes nothing
    true. False is certain: whatever the rest of the case holds, the condition is not true of it."""
    match condition:
        case AllOf(of=of):
            return _all_test(tuple(could_hold(part) for part in of))
        case AnyOf(of=of):
            return _any_test(tuple(could_hold(part) for part in of))
        case AtLeast(n=n, of=of):
            return _at_least_test(n, tuple(could_hold(part) for part in of))
        case Not(condition=inner):
            return _not_test(could_hold(inner))
        case Missing(item=item):
            return lambda case: True if item in case.complete and item not in case.readings else _not(_is_there(case.readings, item, case))
        case Age() | Sex() | History() | HasEarlier() | EarlierChosen() | Earlier():
            return compiled(condition)
        case _:
            return _unless_absent(condition.item, compiled(condition))


def _unless_absent(item: str, test: Test) -> Test:
    return lambda case: False if item in case.complete and item not in case.readings else test(case)


def evidence(condition: Condition, case: Case) -> dict[tuple[str, str], bool]:
    """The values that made a true condition true, as (item, choice or nothing), in order of appearance.

    The value says whether the condition asserts something of it; an item that is only excluded (`not`) is shown
    beside the line but not answered for by it.
    """
    found: dict[tuple[str, str], bool] = {}
    _gather(condition, case, True, found)
    return found


def leaves(condition: Condition) -> Iterator[Condition]:
    """Every simple condition in a condition, breadth first."""
    waiting: list[Condition] = [condition]
    while waiting:
        current = waiting.pop(0)
        match current:
            case AllOf(of=of) | AnyOf(of=of) | AtLeast(of=of):
                waiting.extend(of)
            case Not(condition=inner):
                waiting.append(inner)
            case _:
                yield current


def condition_items(condition: Condition) -> tuple[str, ...]:
    """Every item code a condition mentions, once each."""
    mentioned = (part.item for part in leaves(condition) if not isinstance(part, _PERSONAL))
    return tuple(dict.fromkeys(mentioned))


def _gather(condition: Condition, case: Case, asserts: bool, found: dict[tuple[str, str], bool]) -> None:
    match condition:
        case AllOf(of=of):
            for part in of:
                _gather(part, case, asserts, found)
        case AnyOf(of=of) | AtLeast(of=of):
            for part in of:
                # Under a `not` every part counts, because each of them had to be excluded.
                if not asserts or compiled(part)(case):
                    _gather(part, case, asserts, found)
        case Not(condition=inner):
            _gather(inner, case, False, found)
        case Earlier(item=item) | HasEarlier(item=item) | EarlierChosen(item=item):
            if item in case.readings:
                found.setdefault((item, ""), False)
        case Age() | Sex() | History() | Missing():
            pass
        case _:
            reading = case.readings.get(condition.item)
            if reading is not None:
                texts = reading.choices if asserts else ()
                if isinstance(condition, Chosen):
                    texts = tuple(text for text in texts if text in condition.any_of)
                elif isinstance(condition, Says):
                    texts = tuple(text for text in texts if states(text, condition.any_of))
                for text in texts or ("",):
                    found[(reading.item, text)] = found.get((reading.item, text), False) or asserts


def _compare_reading(reading: Reading | None, op: str, value: Decimal) -> bool | None:
    if reading is None or reading.number is None:
        return None
    if not reading.comparator:
        return _EXACT[op](reading.number, value)
    return compare_amount(reading.comparator, reading.number, op, value)


def _compare_test(item: str, op: str, value: Decimal) -> Test:
    exact = _EXACT[op]

    def test(case: Case) -> bool | None:
        reading = case.readings.get(item)
        if reading is None or reading.number is None:
            return None
        if not reading.comparator:
            return exact(reading.number, value)
        return compare_amount(reading.comparator, reading.number, op, value)

    return test


def _in_unit(item: str, unit: str, test: Test) -> Test:
    """A bound means its number in its unit: what is in another one cannot be compared with it."""
    if not unit:
        return test

    def in_unit(case: Case) -> bool | None:
        reading = case.readings.get(item)
        return test(case) if reading is not None and reading.unit == unit else None

    return in_unit


def _is_there(readings: Mapping[str, Reading], item: str, case: Case) -> bool | None:
    """Whether there is a value: a computed item without one has an empty reading. Of a part of a case nobody knows."""
    reading = readings.get(item)
    if reading is not None:
        return has_value(reading)
    return None if case.is_partial else False


def has_value(reading: Reading) -> bool:
    """Whether something was written down."""
    return reading.number is not None or bool(reading.choices or reading.raw.strip())


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _history_test(wanted: frozenset[str]) -> Test:
    def test(case: Case) -> bool | None:
        if not wanted.isdisjoint(case.subject.history):
            return True
        return None if case.is_partial else False

    return test


def _says_test(item: str, phrases: tuple[str, ...]) -> Test:
    def test(case: Case) -> bool | None:
        reading = case.readings.get(item)
        if reading is None or not has_value(reading):
            return None
        return any(states(text, phrases) for text in reading.choices or (reading.raw,))

    return test


def _earlier_test(item: str, op: str, value: Decimal) -> Test:
    return lambda case: _compare_reading(case.earlier.get(item), op, value)


def _flag_test(item: str, flags: frozenset[Flag]) -> Test:
    def test(case: Case) -> bool | None:
        reading = case.readings.get(item)
        if reading is None or reading.flag in (Flag.UNKNOWN, Flag.NONE):
            return None
        return reading.flag in flags

    return test


def _choice_test(item: str, texts: frozenset[str]) -> Test:
    return lambda case: _picked(case.readings.get(item), texts)


def _earlier_choice_test(item: str, texts: frozenset[str]) -> Test:
    def test(case: Case) -> bool | None:
        return _picked(case.earlier.get(item), texts) if _is_there(case.earlier, item, case) else _is_there(case.earlier, item, case)

    return test


def _picked(reading: Reading | None, texts: frozenset[str]) -> bool | None:
    if reading is None:
        return None
    picked = reading.choices or ((reading.raw.strip(),) if reading.raw.strip() else ())
    if not picked:
        return None
    if not texts.isdisjoint(picked):
        return True
    # A text that is none of the dictionary's choices might mean one of these in other words.
    return None if reading.flag is Flag.UNKNOWN or reading.why else False


def _limit_test(item: str, op: str, times: Decimal) -> Test:
    def test(case: Case) -> bool | None:
        reading = case.readings.get(item)
        if reading is None or reading.high is None:
            return None
        return _compare_reading(reading, op, reading.high * times)

    return test


def _change_test(item: str, op: str, percent: Decimal) -> Test:
    exact = _EXACT[op]

    def test(case: Case) -> bool | None:
        now, before = case.readings.get(item), case.earlier.get(item)
        if now is None or before is None or now.number is None or before.number is None:
            return None
        if now.comparator or before.comparator or difference_of_kind(now, before) or before.number == 0:
            return None
        return exact((now.number - before.number) / abs(before.number) * _HUNDRED, percent)

    return test


def _all_test(tests: tuple[Test, ...]) -> Test:
    def test(case: Case) -> bool | None:
        is_unknown = False
        for part in tests:
            answer = part(case)
            if answer is None:
                is_unknown = True
            elif not answer:
                return False
        return None if is_unknown else True

    return test


def _any_test(tests: tuple[Test, ...]) -> Test:
    def test(case: Case) -> bool | None:
        is_unknown = False
        for part in tests:
            answer = part(case)
            if answer:
                return True
            if answer is None:
                is_unknown = True
        return None if is_unknown else False

    return test


def _at_least_test(n: int, tests: tuple[Test, ...]) -> Test:
    def test(case: Case) -> bool | None:
        true = unknown = 0
        for part in tests:
            answer = part(case)
            if answer:
                true += 1
            elif answer is None:
                unknown += 1
        if true >= n:
            return True
        return None if true + unknown >= n else False

    return test


def _not_test(inner: Test) -> Test:
    return lambda case: _not(inner(case))

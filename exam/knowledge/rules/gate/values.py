"""Checks of values: what no living person has, what cannot be true together, what does not change in a life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation

from exam.catalog.facts import Formula
from exam.knowledge.facts import Reading
from exam.knowledge.gate import Alone, Bound, Bounds, Holds, Relation, Unchanged
from exam.knowledge.rules.conditions import compare_amount, compiled, evidence
from exam.knowledge.rules.formulas import evaluate, formula_items
from exam.knowledge.rules.gate.prepared import Review
from exam.knowledge.rules.wording import finding_text, value_text

Check = Callable[[Review], Iterator[str]]
"""A compiled test: yields the evidence of each finding."""

_HUNDRED = Decimal(100)


def bounds(test: Bounds) -> Check:
    """Values outside the bounds; a result such as `>1000` counts when all it can be is outside."""

    def check(review: Review) -> Iterator[str]:
        for bound in test.of:
            reading = review.readings.get(bound.item)
            if reading is not None and reading.number is not None and _is_outside(reading, reading.number, bound):
                hint = f",疑为{bound.slip}" if bound.slip else ""
                yield f"{_told(reading)}{hint}"

    return check


def _is_outside(reading: Reading, number: Decimal, bound: Bound) -> bool:
    is_low = bound.low is not None and compare_amount(reading.comparator, number, "<", bound.low)
    return bool(is_low or (bound.high is not None and compare_amount(reading.comparator, number, ">", bound.high)))


def relation(test: Relation) -> Check:
    """A relation between exact values of this visit that does not hold."""
    items = tuple(dict.fromkeys((*formula_items(test.left), *formula_items(test.right))))

    def check(review: Review) -> Iterator[str]:
        values: dict[str, Decimal] = {}
        for item in items:
            reading = review.readings.get(item)
            if reading is None or reading.number is None or reading.comparator:
                return
            values[item] = reading.number
        if _fits(test, values, review) is False:
            yield "、".join(_told(review.readings[item]) for item in items)

    return check


def _fits(test: Relation, values: dict[str, Decimal], review: Review) -> bool | None:
    left, right = (_value(formula, values, review) for formula in (test.left, test.right))
    if left is None or right is None:
        return None
    slack = test.tolerance + abs(right) * test.percent / _HUNDRED
    match test.op:
        case "<":
            return left < right + slack
        case "<=":
            return left <= right + slack
        case "=":
            return abs(left - right) <= slack


def _value(formula: Formula, values: dict[str, Decimal], review: Review) -> Decimal | None:
    try:
        return evaluate(formula, values, review.case.subject)
    except (ValueError, InvalidOperation):
        return None


def holds(test: Holds) -> Check:
    """A combination that cannot be."""
    is_true = compiled(test.condition)

    def check(review: Review) -> Iterator[str]:
        if is_true(review.case):
            items = dict.fromkeys(item for item, _ in evidence(test.condition, review.case))
            yield "、".join(_told(review.readings[item]) for item in items)

    return check


def unchanged(test: Unchanged) -> Check:
    """A choice that differs from the one of an earlier visit."""

    def check(review: Review) -> Iterator[str]:
        for item in test.items:
            now, before = review.readings.get(item), review.case.earlier.get(item)
            if now is not None and before is not None and set(now.choices) != set(before.choices):
                yield f"{_told(now)},上次为 {value_text(before)}"

    return check


def alone(test: Alone) -> Check:
    """The normal choice beside another one."""

    def check(review: Review) -> Iterator[str]:
        for item, normal in test.of:
            reading = review.readings.get(item)
            if reading is not None and len(reading.choices) > 1 and normal in reading.choices:
                yield _told(reading)

    return check


def _told(reading: Reading) -> str:
    return finding_text(reading)

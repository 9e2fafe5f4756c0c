"""The make of a formula: its operators, and the items that it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

from exam.catalog.facts import Formula

FORMULA_NAMES = frozenset({"age", "sex"})
FORMULA_OPERATORS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("+", "-", "*", "/", "min", "max"), (2, 99)),
    "^": (2, 2),
    "if": (5, 5),
    "require": (3, 3),
}
"""The operators a formula may use, with the least and the most operands; `exam.knowledge` evaluates them."""


def calls(formula: Formula) -> Iterator[list[Formula]]:
    """A formula and every formula within it, each with its operator first."""
    if isinstance(formula, list):
        yield formula
        for operand in _operands(formula):
            yield from calls(operand)


def _operands(formula: list[Formula]) -> list[Formula]:
    """The parts of a formula that are formulas themselves: no operator, comparison sign, sex code or reason."""
    match formula:
        case ["if", _, "sex", _, *answers]:
            return answers
        case ["if", _, *parts]:
            return parts
        case ["require", [_, *compared], _, *parts]:
            return [*compared, *parts]
        case _:
            return formula[1:]


def formula_items(formula: Formula) -> frozenset[str]:
    """The codes of the items a formula reads: when one of them changes, the result is computed again."""
    if isinstance(formula, list):
        return frozenset(code for operand in _operands(formula) for code in formula_items(operand))
    if not isinstance(formula, str) or formula in FORMULA_NAMES or _is_number(formula):
        return frozenset()
    return frozenset({formula})


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False

"""The contradiction gate: a book's checks compiled once, and asked about one review at a time. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from exam.knowledge.gate import (
    Alone,
    Bounds,
    GateCheck,
    GateFinding,
    GateInput,
    GateTest,
    Holds,
    Matching,
    Named,
    NotFor,
    OpenOrders,
    Relation,
    Removed,
    Sided,
    Unchanged,
    UnnoticedAlerts,
)
from exam.knowledge.rules.gate.matching import matching, named
from exam.knowledge.rules.gate.orders import open_orders, unnoticed_alerts
from exam.knowledge.rules.gate.persons import not_for, removed
from exam.knowledge.rules.gate.prepared import Review
from exam.knowledge.rules.gate.sides import sided
from exam.knowledge.rules.gate.values import Check, alone, bounds, holds, relation, unchanged

__all__ = ["CompiledGate", "compiled_test"]

_LONGEST = 160


class CompiledGate:
    """The checks of a book ready to be asked; build it once per book and keep it."""

    __slots__ = ("checks",)

    def __init__(self, checks: Iterable[GateCheck]) -> None:
        self.checks: tuple[tuple[GateCheck, Check], ...] = tuple((check, compiled_test(check.test)) for check in checks)

    def findings(self, given: GateInput) -> tuple[GateFinding, ...]:
        """Every contradiction, blocking ones first, in the order of the book; each once."""
        review = Review(given)
        found = [
            GateFinding(check.code, check.version, check.is_blocking, f"{check.text}:{evidence[:_LONGEST]}", check.remedy)
            for check, test in self.checks
            if _is_in_force(check, given.case.on)
            for evidence in dict.fromkeys(test(review))
        ]
        return tuple(sorted(found, key=lambda each: not each.is_blocking))


def compiled_test(test: GateTest) -> Check:
    """A test as a function of a review."""
    match test:
        case Bounds():
            return bounds(test)
        case Relation():
            return relation(test)
        case Holds():
            return holds(test)
        case Unchanged():
            return unchanged(test)
        case Alone():
            return alone(test)
        case NotFor():
            return not_for(test)
        case Matching():
            return matching(test)
        case Named():
            return named(test)
        case Sided():
            return sided(test)
        case Removed():
            return removed(test)
        case OpenOrders():
            return open_orders(test)
        case UnnoticedAlerts():
            return unnoticed_alerts()


def _is_in_force(check: GateCheck, on: date) -> bool:
    if check.valid_from is not None and on < check.valid_from:
        return False
    return check.valid_to is None or on < check.valid_to

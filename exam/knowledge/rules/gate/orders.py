"""Checks of how the order ended, and of critical values without a notice."""

from __future__ import annotations

from collections.abc import Iterator

from exam.knowledge.gate import OpenOrders
from exam.knowledge.rules.gate.prepared import Review
from exam.knowledge.rules.gate.values import Check


def open_orders(test: OpenOrders) -> Check:
    """Lines that were ordered and neither done nor given up."""
    states = frozenset(test.states)

    def check(review: Review) -> Iterator[str]:
        left = [order.name for order in review.given.orders if order.state in states]
        if left:
            yield "、".join(left)

    return check


def unnoticed_alerts() -> Check:
    """Critical or A-class findings that nobody was told of."""

    def check(review: Review) -> Iterator[str]:
        if review.given.alerts_without_notice:
            yield f"{review.given.alerts_without_notice} 项"

    return check

"""Run the seeded reviews through the shipped checks: what was found of the errors, and of which kind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache

import msgspec

from exam.catalog import starter as catalogue
from exam.catalog.facts import Catalogue
from exam.knowledge.facts import Case, Reading, Subject
from exam.knowledge.gate import GateFinding, GateInput, GateLine, GateOrder
from exam.knowledge.rules import judge
from exam.knowledge.rules.gate import CompiledGate
from exam.knowledge.starter import load_rule_book
from tests.gate.seeded import ERRORS, SeededReview
from tests.gate.seeded_correct import CORRECT

ON = date(2026, 11, 21)
LEAST_RECALL = 0.95
MOST_FALSE_ALARMS = 0.05

FAMILIES = {
    "sex": ("GATE_MALE", "GATE_FEMALE"),
    "unit": ("GATE_VITAL", "GATE_CHEM", "GATE_IONS", "GATE_BLOOD", "GATE_OTHER", "GATE_REST", "GATE_WEIGHT"),
    "impossible": ("GATE_VITAL", "GATE_CHEM", "GATE_IONS", "GATE_BLOOD", "GATE_OTHER", "GATE_REST"),
    "missing": ("MATCH_", "GATE_NAMED"),
    "unsupported": ("MATCH_", "GATE_NAMED"),
    "side": ("GATE_SIDE_",),
    "order": ("GATE_ORDER",),
    "between": ("GATE_",),
    "age": ("GATE_MALE", "GATE_MENOPAUSE", "GATE_PREGNANT", "GATE_SENILE", "GATE_CHILD"),
    "removed": ("GATE_UTERUS", "GATE_CERVIX", "GATE_GALLBLADDER", "GATE_THYROID", "GATE_KIDNEY", "GATE_BREAST", "GATE_SPLEEN",
                "GATE_PROSTATE", "GATE_OVARIES"),
    "alert": ("GATE_ALERT",),
}  # fmt: skip
"""The checks that tell an error of a kind as what it is; another finding beside it counts as luck."""


class Proof(msgspec.Struct, frozen=True):
    """How the gate did on the seeded reviews: errors seen by kind, what was missed or only met by luck, and false alarms."""

    seen: dict[str, tuple[int, int]]
    missed: tuple[SeededReview, ...]
    lucky: tuple[SeededReview, ...]
    false_alarms: tuple[tuple[SeededReview, tuple[GateFinding, ...]], ...]
    errors: int
    correct: int

    @property
    def recall(self) -> float:
        """The share of the errors that a check of their own kind found."""
        return 1 - (len(self.missed) + len(self.lucky)) / self.errors

    @property
    def false_alarm_rate(self) -> float:
        """The share of the correct reviews with any finding, a warning included."""
        return len(self.false_alarms) / self.correct


@cache
def shipped_gate() -> CompiledGate:
    """The checks that a new centre begins with."""
    return CompiledGate(load_rule_book().checks)


@cache
def shipped_catalogue() -> Catalogue:
    return catalogue.as_catalogue(catalogue.load(), 1, ON)


def as_input(review: SeededReview) -> GateInput:
    """A seeded review as the gate reads it."""
    known = shipped_catalogue()
    history = {*review.history, *(text for text in review.values.get("MED_HIS", ()) if text != "无特殊")}
    subject = Subject(sex=review.sex, age=review.age, history=frozenset(history))

    def judged(values: dict[str, tuple[str, ...]]) -> dict[str, Reading]:
        return {code: judge(known.items[code], raw if len(raw) > 1 else raw[0], "", subject) for code, raw in values.items()}

    return GateInput(
        case=Case(subject=subject, on=ON, readings=judged(review.values), earlier=judged(review.earlier)),
        summaries=tuple(review.summaries.values()), lines=tuple(GateLine(text) for text in review.conclusions),
        orders=tuple(GateOrder(known.groups[code].name, state) for code, state in review.orders.items()),
        alerts_without_notice=review.alerts_without_notice,
    )  # fmt: skip


def prove(errors: Sequence[SeededReview] = ERRORS, correct: Sequence[SeededReview] = CORRECT) -> Proof:
    """Every seeded review through the shipped checks."""
    gate = shipped_gate()
    seen: dict[str, tuple[int, int]] = {}
    missed: list[SeededReview] = []
    lucky: list[SeededReview] = []
    for review in errors:
        found = gate.findings(as_input(review))
        is_seen = any(each.code.startswith(FAMILIES[review.kind]) for each in found)
        hits, total = seen.get(review.kind, (0, 0))
        seen[review.kind] = (hits + is_seen, total + 1)
        if not is_seen:
            (lucky if found else missed).append(review)
    alarms = [(review, found) for review in correct if (found := gate.findings(as_input(review)))]
    return Proof(seen, tuple(missed), tuple(lucky), tuple(alarms), len(errors), len(correct))

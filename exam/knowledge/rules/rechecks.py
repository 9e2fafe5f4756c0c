"""What should be examined again (复查项目), by the rules that stay behind a case's lines. Pure; no line is changed by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from exam.knowledge.book import Rule, RuleBook
from exam.knowledge.facts import Because
from exam.knowledge.rules.conclusions import CompiledRules


class Reasoned(Protocol):
    """A suggestion, or a conclusion that a doctor made of it."""

    @property
    def text(self) -> str:
        """What it says."""

    @property
    def because(self) -> tuple[Because, ...]:
        """The rules and findings that it rests on."""


class RecheckProposal(msgspec.Struct, frozen=True):
    """Groups to be examined again in `after_days` days; `reason` are the conclusions that ask for it, `rules` `code@version`."""

    groups: tuple[str, ...]
    after_days: int
    reason: str
    rules: tuple[str, ...]
    items: tuple[str, ...] = ()


class _Wanted:
    """What is known of one group so far."""

    __slots__ = ("days", "items", "reasons", "rules")

    def __init__(self, days: int) -> None:
        self.days = days
        self.reasons: dict[str, None] = {}
        self.rules: dict[str, None] = {}
        self.items: dict[str, None] = {}


def recheck_proposals(lines: Iterable[Reasoned], rules: CompiledRules | RuleBook) -> tuple[RecheckProposal, ...]:
    """The proposals behind these lines, the earliest first; a group that several rules ask for comes once, at the earliest day.

    Of one hierarchy behind a line only the highest rule that has something to propose does so: what a higher one took over is
    still among the line's reasons, and its proposal stands where the higher one has none.
    """
    book = rules.book if isinstance(rules, CompiledRules) else rules
    by_code = {rule.code: rule for rule in book.rules}
    wanted: dict[str, _Wanted] = {}
    for line in lines:
        behind = {why.rule: (by_code[why.rule], why) for why in line.because if why.rule in by_code}
        for rule, why in _highest([each for each in behind.values() if each[0].recheck is not None]):
            assert rule.recheck is not None
            for group in rule.recheck.groups:
                held = wanted.setdefault(group, _Wanted(rule.recheck.after_days))
                held.days = min(held.days, rule.recheck.after_days)
                held.reasons[line.text] = None
                held.rules[f"{rule.code}@{rule.version}"] = None
                held.items.update(dict.fromkeys(why.items))
    return _bundled(wanted)


def _highest(behind: list[tuple[Rule, Because]]) -> list[tuple[Rule, Because]]:
    highest: dict[str, int] = {}
    for rule, _ in behind:
        if rule.hierarchy:
            highest[rule.hierarchy] = max(rule.rank, highest.get(rule.hierarchy, rule.rank))
    return [(rule, why) for rule, why in behind if not rule.hierarchy or rule.rank == highest[rule.hierarchy]]


def _bundled(wanted: dict[str, _Wanted]) -> tuple[RecheckProposal, ...]:
    """Groups that the same rules want on the same day stay together, as the rules wrote them."""
    bundles: dict[tuple[int, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    items: dict[tuple[int, tuple[str, ...], tuple[str, ...]], dict[str, None]] = {}
    for group, held in wanted.items():
        key = (held.days, tuple(held.reasons), tuple(held.rules))
        bundles.setdefault(key, []).append(group)
        items.setdefault(key, {}).update(held.items)
    found = (
        RecheckProposal(tuple(groups), days, ";".join(reasons), rules, tuple(items[days, reasons, rules]))
        for (days, reasons, rules), groups in bundles.items()
    )
    return tuple(sorted(found, key=lambda each: each.after_days))

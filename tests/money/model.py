"""The money of a centre in plain Python: dicts of whole fen, written from the facts on billing (domain.md §8) and not from the code.

It knows no database and no ledger. The machine tells it what was done and compares what everybody owes, holds and was paid.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

Key = Hashable
Shares = dict[Key, tuple[int, int, Key]]
"""By line: what the person pays, what an organisation pays, and by which round."""


def half_up(amount: Fraction) -> int:
    """To a whole fen, halves upwards (§8.1)."""
    return floor(amount + Fraction(1, 2))


def split(weights: Mapping[Key, tuple[int, str]], total: int) -> dict[Key, int]:
    """§8.3: by ascending standard amount, ties by code; each its rounded part, the largest what is left; nothing to what costs nothing."""
    ordered = sorted((key for key in weights if weights[key][0]), key=weights.__getitem__)
    parts = dict.fromkeys(weights, 0)
    left, whole = total, sum(amount for amount, _ in weights.values())
    for key in ordered[:-1]:
        parts[key] = min(half_up(Fraction(weights[key][0] * total, whole)), left)
        left -= parts[key]
    if ordered:
        parts[ordered[-1]] = left
    return parts


@dataclass
class Line:
    """One order line: its group, list price, what its visit froze, and what may be done with its price."""

    code: str
    standard: int
    own: int
    discountable: bool
    least: int
    is_service: bool = False
    is_gone: bool = False
    is_begun: bool = False


@dataclass
class Deal:
    """What a round agreed for a member (§8.2). `covered` are the groups that the organisation ordered."""

    order: Key
    covered: frozenset[str]
    factor: Fraction
    package: int | None = None
    limit: int | None = None
    extras_factor: Fraction = Fraction(1)
    extras_by_organization: bool = False
    group_factors: Mapping[str, Fraction] = field(default_factory=dict)


@dataclass
class Discount:
    """What was taken off the person's own part: by booking, by hand on a line or the whole, or waived for what was done."""

    kind: str
    line: Key = None
    factor: Fraction | None = None
    total: int | None = None
    stackable: bool = True

    def on(self, amount: int) -> int:
        return min(amount, self.total) if self.total is not None else half_up(amount * (1 if self.factor is None else self.factor))


@dataclass
class Visit:
    """A visit's order, what was agreed for it and what its person paid."""

    lines: dict[Key, Line] = field(default_factory=dict)
    deal: Deal | None = None
    kept: list[tuple[frozenset[Key], Deal | None]] = field(default_factory=list)
    discounts: dict[Key, Discount] = field(default_factory=dict)
    receipts_fen: int = 0
    window_fen: int = 0

    @property
    def paid(self) -> int:
        return self.receipts_fen + self.window_fen

    @property
    def owes(self) -> int:
        return sum(person for person, _, _ in self.shares().values()) - self.paid

    def shares(self, without: Iterable[Key] = ()) -> Shares:
        """Who pays what of each line that is on the order."""
        left = {key: line for key, line in self.lines.items() if not line.is_gone and key not in set(without)}
        ordered, found = list(left), {}
        for keys, deal in [*self.kept, (frozenset(left), self.deal)]:
            part = {key: left.pop(key) for key in list(left) if key in keys}
            found |= _agreed(part, deal)
        person = self._discounted({key: self.lines[key] for key in ordered}, {key: found[key][0] for key in ordered}, found)
        return {key: (person[key], *found[key][1:]) for key in ordered}

    def _discounted(self, lines: Mapping[Key, Line], person: dict[Key, int], agreed: Shares) -> dict[Key, int]:
        """§8.2 steps 1 and 3 to 5: booking, then by hand on lines, then on the whole; floors hold; what was waived comes last."""

        def lower(key: Key, wanted: int) -> None:
            line = lines[key]
            if line.discountable:
                person[key] = max(min(person[key], wanted), min(line.least, person[key]))

        given = list(self.discounts.values())
        for each in (each for each in given if each.kind == "booking"):
            for key in lines:
                if each.stackable:
                    lower(key, each.on(person[key]))
                elif not agreed[key][1]:
                    lower(key, each.on(lines[key].standard))
        for each in (each for each in given if each.kind == "manual" and each.line in lines):
            lower(each.line, each.on(person[each.line]))
        for each in (each for each in given if each.kind == "manual" and each.line is None):
            free = {key: (person[key], line.code) for key, line in lines.items() if line.discountable and person[key]}
            fixed = sum(person.values()) - sum(amount for amount, _ in free.values())
            before = sum(amount for amount, _ in free.values())
            after = each.on(before) if each.total is None else min(before, max(each.total - fixed, 0))
            for key, part in split(free, after).items():
                lower(key, part)
        for each in (each for each in given if each.kind == "waiver" and each.line in lines):
            person[each.line] = min(person[each.line], each.total or 0)
        return person


def _agreed(lines: Mapping[Key, Line], deal: Deal | None) -> Shares:
    if deal is None:
        return {key: (line.own, 0, None) for key, line in lines.items()}
    covered = {key: line for key, line in lines.items() if line.code in deal.covered}
    extras = {key: line for key, line in lines.items() if key not in covered}
    if deal.package is not None and {line.code for line in covered.values()} == deal.covered:
        prices = split({key: (line.standard, line.code) for key, line in covered.items()}, deal.package)
    else:
        prices = {}
        factors = {key: deal.group_factors.get(line.code, deal.factor) for key, line in covered.items()}
        for factor in set(factors.values()):
            prices |= _at({key: line for key, line in covered.items() if factors[key] == factor}, factor)
    prices |= _at(extras, deal.extras_factor)
    theirs = [*covered, *(extras if deal.extras_by_organization else ())]
    left, found = deal.limit, {}
    for key in theirs:
        found[key] = prices[key] if left is None else min(prices[key], left)
        left = None if left is None else left - found[key]
    return {key: (prices[key] - found.get(key, 0), found.get(key, 0), deal.order if found.get(key) else None) for key in lines}


def _at(lines: Mapping[Key, Line], factor: Fraction) -> dict[Key, int]:
    """§8.2 step 1 and invariant 10: what takes no discount costs its list price, the rest rounded as one sum."""
    free = {key: (line.standard, line.code) for key, line in lines.items() if line.discountable}
    total = half_up(sum(amount for amount, _ in free.values()) * factor)
    return {key: line.standard for key, line in lines.items()} | split(free, total)


def package_prices(lines: Mapping[Key, tuple[int, str]], factor: Fraction) -> dict[Key, int]:
    """What a person pays for each line of a whole package."""
    return split(lines, half_up(sum(amount for amount, _ in lines.values()) * factor))


class Money:
    """Everybody's money. Amounts are fen; `taken` is what came in by each way less what went back by it."""

    def __init__(self) -> None:
        self.visits: dict[Key, Visit] = {}
        self.prepaid: dict[Key, int] = defaultdict(int)
        self.settled_in: dict[Key, int] = defaultdict(int)
        """What came in for a round's organisation, and what its contract took off."""
        self.cards: dict[Key, int] = defaultdict(int)
        self.taken: dict[str, int] = defaultdict(int)
        self.drawers: dict[Key, int] = defaultdict(int)
        """The cash of each cashier since the last count."""
        self.unmatched = 0
        self.held: dict[Key, int] = defaultdict(int)
        """What came through a gateway and is on its way back, by order."""

    def books(self, orders: Iterable[Key]) -> dict[tuple[str, Key], int]:
        """What every account must say: what is owed to the centre above zero, what it owes below; accounts of nothing left out."""
        found: dict[tuple[str, Key], int] = {("organization", order): -self.settled_in[order] for order in orders}
        for key, visit in self.visits.items():
            shares = visit.shares().values()
            found["person", key] = sum(person for person, _, _ in shares) - visit.paid
            for _, part, payer in shares:
                if part:
                    found["organization", payer] += part
        found |= {("prepayment", order): -fen for order, fen in self.prepaid.items()}
        found |= {("card", card): -fen for card, fen in self.cards.items()}
        found |= {("gateway_held", order): -fen for order, fen in self.held.items()}
        found |= {(way, ""): fen for way, fen in self.taken.items()}
        found["unmatched", ""] = -self.unmatched
        return {key: fen for key, fen in found.items() if fen}

    def come(self, way: str, fen: int, *, card: Any = None, cashier: Key = None) -> None:
        """Money by a way to pay: of a card so much less, in the drawer so much more. Below zero it goes back."""
        if way == "card":
            self.cards[card] -= fen
            return
        self.taken[way] += fen
        if way == "cash":
            self.drawers[cashier] += fen

"""What each line costs and who pays it: pure arithmetic in the order of domain.md §8.2, split by §8.3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from billing.facts import Discount, DiscountKind, Payer, PricedLine, Share, Terms, VisitTerms
from exam.kit.money import allocate, times

Prices = dict[UUID, int]


def shares(lines: Sequence[PricedLine], terms: VisitTerms | None = None, discounts: Iterable[Discount] = ()) -> dict[UUID, Share]:
    """What every line of an order costs the person and the organisation. `lines` are those that were not removed, in order.

    First the group order's factors (for a person's own order what the visit froze), then what the organisation takes over, then
    the discounts on what is left to the person: booking, line, total. Nothing falls below its least price by a discount.
    """
    found: dict[UUID, Share] = {}
    for part, agreed in _parts(lines, terms or VisitTerms(None)):
        found |= _agreed_shares(part, agreed)
    own = {line.id: found[line.id].person_fen for line in lines}
    shared = frozenset(line.id for line in lines if found[line.id].organization_fen)
    reduced = _reduced(lines, own, shared, list(discounts))
    return {line.id: msgspec.structs.replace(found[line.id], person_fen=reduced[line.id]) for line in lines}


def _parts(lines: Sequence[PricedLine], terms: VisitTerms) -> Iterator[tuple[list[PricedLine], Terms | None]]:
    """The lines by the terms that they are priced by: each keeps the first that names it, the others go by what holds now."""
    left = list(lines)
    for kept, agreed in terms.kept:
        yield [line for line in left if line.id in kept], agreed
        left = [line for line in left if line.id not in kept]
    yield left, terms.now


def _agreed_shares(lines: Sequence[PricedLine], terms: Terms | None) -> dict[UUID, Share]:
    if terms is None:
        return {line.id: Share(line.price_fen) for line in lines}
    prices = _agreed(lines, terms)
    taken = _taken_over(lines, prices, terms)
    return {
        line.id: Share(prices[line.id] - taken[line.id], taken[line.id], terms.payer_id if taken[line.id] else None) for line in lines
    }


def _agreed(lines: Sequence[PricedLine], terms: Terms) -> Prices:
    """The prices of a group order: one price for all that is covered, or factors; what takes no discount costs its own."""
    covered = [line for line in lines if line.group_code in terms.covered]
    extras = [line for line in lines if line.group_code not in terms.covered]
    if terms.package_fen is not None and terms.covered <= {line.group_code for line in lines}:
        prices = _split(covered, terms.package_fen)
    else:
        factors = {line.id: terms.group_factors.get(line.group_code, terms.factor) for line in covered}
        prices = _by_factor(covered, factors)
    return prices | _by_factor(extras, {line.id: terms.extras_factor for line in extras})


def _by_factor(lines: Sequence[PricedLine], factors: Mapping[UUID, str]) -> Prices:
    """List prices times their factors; lines of one factor are rounded as one sum and split, so that the sum is exact."""
    prices = {line.id: line.standard_fen for line in lines if not line.is_discountable}
    for factor in dict.fromkeys(factors.values()):
        reduced = [line for line in lines if line.is_discountable and factors[line.id] == factor]
        prices |= _split(reduced, times(sum(line.standard_fen for line in reduced), Decimal(factor)))
    return prices


def _split(lines: Sequence[PricedLine], total_fen: int) -> Prices:
    """A total over lines by their list prices (§8.3); lines without a price get none, and then nothing is left to split."""
    if not any(line.standard_fen for line in lines):
        return {line.id: 0 for line in lines}
    parts = allocate([(line.group_code, line.standard_fen) for line in lines], total_fen)
    return {line.id: parts[line.group_code] for line in lines}


def _taken_over(lines: Sequence[PricedLine], prices: Prices, terms: Terms) -> Prices:
    """What the organisation pays of each line: what is covered first, then extras that are its own to pay, up to its limit."""
    left = terms.limit_fen
    taken = {line.id: 0 for line in lines}
    for line in sorted(lines, key=lambda line: line.group_code not in terms.covered):
        if line.group_code not in terms.covered and terms.extras_payer is not Payer.ORGANIZATION and not terms.pays_all:
            continue
        part = prices[line.id] if left is None else min(prices[line.id], left)
        taken[line.id] = part
        left = None if left is None else left - part
    return taken


def _reduced(lines: Sequence[PricedLine], own: Prices, shared: frozenset[UUID], discounts: Sequence[Discount]) -> Prices:
    """The person's own part after discounts, in the order: booking, single lines, the whole; what was waived comes last."""
    now = dict(own)
    for discount in discounts:
        if discount.kind is DiscountKind.BOOKING and discount.factor is not None:
            now = _lowered(lines, now, _offer(lines, shared, now, discount))
    for discount in discounts:
        if discount.kind is DiscountKind.MANUAL and discount.line_id is not None:
            now = _lowered(lines, now, {line.id: _measured(now[line.id], discount) for line in lines if line.id == discount.line_id})
    for discount in discounts:
        if discount.kind is DiscountKind.MANUAL and discount.line_id is None:
            now = _lowered(lines, now, _whole(lines, now, discount))
    for discount in discounts:
        if discount.kind is DiscountKind.WAIVER and discount.line_id in now and discount.total_fen is not None:
            now[discount.line_id] = min(now[discount.line_id], discount.total_fen)
    return now


def _offer(lines: Sequence[PricedLine], shared: frozenset[UUID], now: Prices, discount: Discount) -> Prices:
    """A booking coefficient: on what is reduced already, or on the list price where the lower of the two counts (step 3).

    Of a line that an organisation pays in part (`shared`) the list price says nothing about the person's part: it stays.
    """
    factor = Decimal(discount.factor or "1")
    if discount.stackable:
        return {line.id: times(now[line.id], factor) for line in lines}
    return {line.id: now[line.id] if line.id in shared else min(now[line.id], times(line.standard_fen, factor)) for line in lines}


def _measured(price_fen: int, discount: Discount) -> int:
    if discount.total_fen is not None:
        return min(price_fen, discount.total_fen)
    return times(price_fen, Decimal(discount.factor or "1"))


def _whole(lines: Sequence[PricedLine], now: Prices, discount: Discount) -> Prices:
    """A discount on all of the person's part: its total is rounded once and split over the lines that take a discount."""
    reducible = [line for line in lines if line.is_discountable and now[line.id] > 0]
    fixed_fen = sum(now[line.id] for line in lines) - sum(now[line.id] for line in reducible)
    before = sum(now[line.id] for line in reducible)
    if not before:
        return {}
    after = _measured(before, discount) if discount.total_fen is None else min(before, max(discount.total_fen - fixed_fen, 0))
    parts = allocate([(line.group_code, now[line.id]) for line in reducible], after)
    return {line.id: parts[line.group_code] for line in reducible}


def _lowered(lines: Sequence[PricedLine], now: Prices, wanted: Prices) -> Prices:
    """The new prices where they are lower, for lines that take a discount, never below a line's least price."""
    return {
        line.id: max(min(now[line.id], wanted.get(line.id, now[line.id])), min(line.min_fen, now[line.id]))
        if line.is_discountable else now[line.id]
        for line in lines
    }  # fmt: skip

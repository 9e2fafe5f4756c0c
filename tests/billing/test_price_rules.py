"""What lines cost and who pays: the vectors of domain.md §8.3, the three modes of §8.2, and properties that hold for any order."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.facts import Discount, DiscountKind, Payer, PricedLine, Share, Terms, VisitTerms
from billing.price_rules import shares
from exam.kit.money import times

ORDER = UUID(int=99)


def line(n: int, standard_fen: int, **more: object) -> PricedLine:
    fields = {"id": UUID(int=n), "group_code": f"G{n:03d}", "standard_fen": standard_fen, "price_fen": standard_fen}
    return PricedLine(**(fields | more))  # type: ignore[arg-type]


def terms(*codes: int, **more: object) -> VisitTerms:
    return VisitTerms(Terms(payer_id=ORDER, covered=frozenset(f"G{n:03d}" for n in codes), **more))  # type: ignore[arg-type]


def amounts(found: dict[UUID, Share]) -> list[tuple[int, int]]:
    return [(share.person_fen, share.organization_fen) for _, share in sorted(found.items(), key=lambda each: each[0].int)]


@pytest.mark.parametrize(
    ("standards", "factor", "expected"),
    [
        ([1200, 2000, 6750, 13333], "0.85", [1020, 1700, 5738, 11333]),
        ([5, 5, 5], "0.9", [5, 5, 4]),
        ([0, 1000], "0.5", [0, 500]),
    ],
)
def test_a_factor_is_rounded_as_one_sum_and_split(standards: list[int], factor: str, expected: list[int]) -> None:
    lines = [line(n, fen) for n, fen in enumerate(standards)]
    found = shares(lines, terms(*range(len(standards)), factor=factor))
    assert [organization for _, organization in amounts(found)] == expected


def test_an_agreed_price_is_split_over_what_is_covered() -> None:
    lines = [line(n, fen) for n, fen in enumerate([3333, 3333, 3334])]
    assert [organization for _, organization in amounts(shares(lines, terms(0, 1, 2, package_fen=9999)))] == [3333, 3333, 3333]


def test_an_agreed_price_falls_back_to_the_factor_when_something_covered_was_taken_off() -> None:
    found = shares([line(0, 1000)], terms(0, 1, package_fen=1500, factor="0.9"))
    assert amounts(found) == [(0, 900)]


def test_what_takes_no_discount_costs_its_own() -> None:
    found = shares([line(0, 1000), line(1, 800, is_discountable=False)], terms(0, 1, factor="0.5"))
    assert amounts(found) == [(0, 500), (0, 800)]


def test_a_groups_own_factor_counts_before_the_general_one() -> None:
    found = shares([line(0, 1000), line(1, 1000)], terms(0, 1, factor="0.8", group_factors={"G001": "0.5"}))
    assert amounts(found) == [(0, 800), (0, 500)]


def test_extras_are_the_members_own_unless_the_organisation_takes_them_over() -> None:
    lines = [line(0, 1000), line(1, 500)]
    assert amounts(shares(lines, terms(0))) == [(0, 1000), (500, 0)]
    assert amounts(shares(lines, terms(0, extras_payer=Payer.ORGANIZATION, extras_factor="0.8"))) == [(0, 1000), (0, 400)]


def test_over_the_limit_the_person_pays_the_rest() -> None:
    assert amounts(shares([line(0, 1000), line(1, 500)], terms(0, 1, limit_fen=1200))) == [(0, 1000), (300, 200)]


def test_up_to_an_amount_the_organisation_pays_what_the_member_chooses() -> None:
    found = shares([line(0, 1000), line(1, 500), line(2, 700)], terms(0, pays_all=True, limit_fen=1600))
    assert amounts(found) == [(0, 1000), (0, 500), (600, 100)]


def test_what_was_done_before_a_move_stays_under_its_terms() -> None:
    old, new = terms(0, 1, factor="0.5").now, terms(0, 1, factor="0.9").now
    found = shares([line(0, 1000), line(1, 1000)], VisitTerms(new, ((frozenset({UUID(int=0)}), old),)))
    assert amounts(found) == [(0, 500), (0, 900)]


@pytest.mark.parametrize(
    ("discounts", "expected"),
    [
        ([Discount(kind=DiscountKind.BOOKING, factor="0.9")], [720, 450]),
        ([Discount(kind=DiscountKind.BOOKING, factor="0.9", stackable=False)], [800, 450]),
        ([Discount(kind=DiscountKind.MANUAL, line_id=UUID(int=1), factor="0.5")], [800, 250]),
        ([Discount(kind=DiscountKind.MANUAL, factor="0.85")], [680, 425]),
        ([Discount(kind=DiscountKind.MANUAL, total_fen=1000)], [615, 385]),
        (
            [Discount(kind=DiscountKind.MANUAL, factor="0.5"), Discount(kind=DiscountKind.BOOKING, factor="0.9")],
            [360, 225],
        ),
    ],
)
def test_discounts_come_in_their_order(discounts: list[Discount], expected: list[int]) -> None:
    lines = [line(0, 1000, price_fen=800), line(1, 500)]
    assert [person for person, _ in amounts(shares(lines, None, discounts))] == expected


def test_a_booking_coefficient_on_list_prices_leaves_a_shared_line_alone() -> None:
    offer = Discount(kind=DiscountKind.BOOKING, factor="0.9", stackable=False)
    assert amounts(shares([line(0, 10000)], terms(0, limit_fen=500), [offer])) == [(9500, 500)]


def test_no_discount_goes_below_the_least_price_or_touches_what_takes_none() -> None:
    lines = [line(0, 1000, min_fen=900), line(1, 500, is_discountable=False)]
    assert amounts(shares(lines, None, [Discount(kind=DiscountKind.MANUAL, factor="0.1")])) == [(900, 0), (500, 0)]


LINES = st.lists(
    st.tuples(st.integers(0, 300_000), st.booleans(), st.booleans(), st.integers(0, 5_000)), min_size=1, max_size=12
).map(lambda rows: [
    (line(n, fen, is_discountable=discountable, min_fen=least), is_covered)
    for n, (fen, discountable, is_covered, least) in enumerate(rows)
])  # fmt: skip
FACTOR = st.integers(0, 10_000).map(lambda n: str(Decimal(n) / 10_000))
TERMS = st.fixed_dictionaries(
    {"factor": FACTOR, "extras_factor": FACTOR, "limit_fen": st.none() | st.integers(1, 500_000), "pays_all": st.booleans(),
     "extras_payer": st.sampled_from(list(Payer)), "package_fen": st.none() | st.integers(1, 800_000)}
)  # fmt: skip
DISCOUNTS = st.lists(
    st.builds(
        lambda kind, factor, stackable: Discount(kind=kind, factor=factor, stackable=stackable), st.sampled_from(list(DiscountKind)), FACTOR,
        st.booleans(),
    ),
    max_size=3,
)  # fmt: skip


@given(drawn=LINES, agreed=TERMS, discounts=DISCOUNTS)
def test_every_fen_has_a_payer_and_limits_hold(drawn: list[tuple[PricedLine, bool]], agreed: dict[str, object], discounts: list[Discount]) -> None:
    lines = [each for each, _ in drawn]
    covered = [int(each.group_code[1:]) for each, is_covered in drawn if is_covered]
    whole = shares(lines, terms(*covered, **agreed))
    found = shares(lines, terms(*covered, **agreed), discounts)
    assert found.keys() == {each.id for each in lines}
    assert all(share.person_fen >= 0 and share.organization_fen >= 0 for share in found.values())
    assert all(found[key].person_fen <= whole[key].person_fen for key in found), "a discount never raises a price"
    assert all(found[key].organization_fen == whole[key].organization_fen for key in found), "nor touches the organisation's part"
    if agreed["limit_fen"] is not None:
        assert sum(share.organization_fen for share in found.values()) <= agreed["limit_fen"]  # type: ignore[operator]
    assert all((share.payer_id == ORDER) == (share.organization_fen > 0) for share in found.values())


@given(fens=st.lists(st.integers(0, 300_000), min_size=1, max_size=15), factor=FACTOR)
def test_the_parts_of_a_factor_are_the_rounded_whole(fens: list[int], factor: str) -> None:
    lines = [line(n, fen) for n, fen in enumerate(fens)]
    found = shares(lines, terms(*range(len(fens)), factor=factor))
    assert sum(share.amount_fen for share in found.values()) == times(sum(fens), Decimal(factor))


@given(drawn=LINES, agreed=TERMS)
def test_the_order_of_lines_of_one_kind_changes_no_price(drawn: list[tuple[PricedLine, bool]], agreed: dict[str, object]) -> None:
    covered = [int(each.group_code[1:]) for each, is_covered in drawn if is_covered]
    without_limit = terms(*covered, **{**agreed, "limit_fen": None})
    lines = [each for each, _ in drawn]
    assert shares(lines, without_limit) == shares(list(reversed(lines)), without_limit)


def test_a_share_says_what_the_line_costs_in_all() -> None:
    assert msgspec.structs.replace(Share(30), organization_fen=70).amount_fen == 100

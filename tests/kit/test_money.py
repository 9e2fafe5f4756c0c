"""Money: the vectors of domain.md §8.3, and that no fen is lost."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.kit.errors import Refused
from exam.kit.money import allocate, fen_from_yuan, times, yuan

LINES = st.lists(st.integers(0, 500_000), min_size=1, max_size=40).map(
    lambda amounts: [(f"G{n:03d}", amount) for n, amount in enumerate(amounts)]
)


@pytest.mark.parametrize(
    ("amounts", "total", "parts"),
    [
        ([1200, 2000, 6750, 13333], 19791, [1020, 1700, 5738, 11333]),
        ([3333, 3333, 3334], 9999, [3333, 3333, 3333]),
        ([5, 5, 5], 14, [5, 5, 4]),
        ([0, 1000, 0], 880, [0, 880, 0]),
        ([1000, 2000], 0, [0, 0]),
        ([0, 0], 0, [0, 0]),
        ([], 0, []),
    ],
)
def test_a_total_is_split_as_the_vectors_say(amounts: list[int], total: int, parts: list[int]) -> None:
    lines = [(f"G{n}", amount) for n, amount in enumerate(amounts)]
    assert list(allocate(lines, total).values()) == parts


@pytest.mark.parametrize(
    ("fen", "factor", "result"),
    [
        (67400, "0.88", 59312),
        (23283, "0.85", 19791),
        (15, "0.9", 14),
        (1, "0.5", 1),
        (5, "0.5", 3),
        (-1, "0.5", -1),
        (6800, "0.88", 5984),
        (12000, "0.88", 10560),
    ],
)
def test_a_factor_rounds_half_up(fen: int, factor: str, result: int) -> None:
    assert times(fen, Decimal(factor)) == result


def test_ties_are_broken_by_the_key_whatever_the_order() -> None:
    assert allocate([("b", 5), ("c", 5), ("a", 5)], 14) == {"a": 5, "b": 5, "c": 4}


@given(lines=LINES, basis_points=st.integers(0, 10_000))
def test_the_parts_add_up_and_none_is_negative(lines: list[tuple[str, int]], basis_points: int) -> None:
    total = times(sum(amount for _, amount in lines), Decimal(basis_points) / 10_000)
    parts = allocate(lines, total)
    assert sum(parts.values()) == total
    assert set(parts) == {key for key, _ in lines}
    assert all(part >= 0 for part in parts.values())
    assert all(parts[key] == 0 for key, amount in lines if amount == 0)


@given(lines=LINES, basis_points=st.integers(0, 10_000))
def test_all_parts_but_the_largest_are_their_rounded_share(lines: list[tuple[str, int]], basis_points: int) -> None:
    standard = sum(amount for _, amount in lines)
    total = times(standard, Decimal(basis_points) / 10_000)
    parts = allocate(lines, total)
    ordered = sorted((amount, key) for key, amount in lines if amount)
    left = total
    for amount, key in ordered[:-1]:
        assert parts[key] == min(times(amount, Decimal(total) / Decimal(standard)), left)
        left -= parts[key]


@given(lines=LINES, basis_points=st.integers(0, 10_000), data=st.data())
def test_the_order_of_the_lines_changes_nothing(lines: list[tuple[str, int]], basis_points: int, data: st.DataObject) -> None:
    total = times(sum(amount for _, amount in lines), Decimal(basis_points) / 10_000)
    assert allocate(data.draw(st.permutations(lines)), total) == allocate(lines, total)


def test_money_cannot_be_split_over_nothing() -> None:
    with pytest.raises(Refused, match=r"money\.nothing_to_split"):
        allocate([("a", 0)], 1)


@given(fen=st.integers(-(10**9), 10**9), factor=st.decimals(0, 2, places=4))
def test_rounding_is_the_decimal_rounding(fen: int, factor: Decimal) -> None:
    assert times(fen, factor) == int((fen * factor).to_integral_value(ROUND_HALF_UP))


@given(st.integers(-(10**11), 10**11))
def test_yuan_reads_back(fen: int) -> None:
    assert fen_from_yuan(yuan(fen)) == fen


@pytest.mark.parametrize(
    ("text", "fen"), [("128.50", 12850), (" 1,280 ", 128000), ("0", 0), ("-0.01", -1), ("12,345,678.9", 1234567890)]
)
def test_an_amount_is_read_as_typed(text: str, fen: int) -> None:
    assert fen_from_yuan(text) == fen


@pytest.mark.parametrize(
    "text",
    ["", "1.005", "abc", "nan", "inf", "-inf", "12元", "1e20", "10000000000", "sNaN", "1e3", "1,2,3", "１０", "1_0", "12.500", ".5", "1,28", "+5"],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        fen_from_yuan(text, "price")
    assert refusal.value.field == "price"


@pytest.mark.parametrize(("fen", "text"), [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (12850, "128.50"), (-100, "-1.00")])
def test_fen_are_shown_as_yuan(fen: int, text: str) -> None:
    assert yuan(fen) == text

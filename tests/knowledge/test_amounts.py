"""What is read as a number and what is not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exam.knowledge.rules import read_amount

FULL_WIDTH = {ord(sign): chr(ord(sign) + 0xFEE0) for sign in "0123456789.<>=-+"}


@pytest.mark.parametrize(
    ("text", "comparator", "number"),
    [
        ("5.2", "", "5.2"),
        (" 5.20 ", "", "5.20"),
        ("-2.5", "", "-2.5"),
        ("+3", "", "3"),
        ("<0.5", "<", "0.5"),
        ("< 0.5", "<", "0.5"),
        (">1000", ">", "1000"),
        ("≤8", "<=", "8"),
        ("≥200", ">=", "200"),
        ("<=8", "<=", "8"),
        ("\uff15\uff0e\uff12", "", "5.2"),
        ("\uff1c\uff10\uff0e\uff15", "<", "0.5"),
        ("\u22122.5", "", "-2.5"),
        ("\u30007.0\u3000", "", "7.0"),
    ],
)
def test_an_amount_is_read_with_its_comparator(text: str, comparator: str, number: str) -> None:
    amount = read_amount(text)
    assert (amount.raw, amount.comparator, amount.number) == (text, comparator, Decimal(number))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1+", "4+", "±", "-", "−", "+", "阴性", "阴性(-)", "<", "1,234", "1,5", "1e5", "1E-3", "0x10"),
        *("5..2", "5.", ".5", "5.2.1", "1 000", "5-8", "≈5", "NaN", "Infinity", "٣", "²", "５,０"),
        *("1234567890", "0.1234567", "1" * 400, "0" * 21, "=5", "<>5", "5 mmol/L"),
    ],
)
def test_what_is_no_plain_number_is_kept_as_text(text: str) -> None:
    amount = read_amount(text)
    assert amount.raw == text
    assert amount.number is None
    assert amount.comparator == ""


@settings(deadline=None)
@given(st.decimals(min_value=-9999, max_value=9999, places=3), st.sampled_from(["", "<", ">", "<=", ">="]))
def test_half_and_full_width_mean_the_same(number: Decimal, comparator: str) -> None:
    text = f"{comparator}{number:f}"
    plain, wide = read_amount(text), read_amount(text.translate(FULL_WIDTH))
    assert (plain.comparator, plain.number) == (wide.comparator, wide.number) == (comparator, number)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_reading_never_fails_and_never_invents(text: str) -> None:
    amount = read_amount(text)
    assert amount.raw == text
    if amount.number is not None:
        assert amount.number.is_finite()
        assert any(sign.isdigit() for sign in text)

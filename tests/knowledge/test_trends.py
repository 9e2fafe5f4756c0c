"""What changed since last time, and where a line over the years breaks."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exam.knowledge.facts import Reading
from exam.knowledge.rules import change_text, trend_points


def reading(number: str | None, *, comparator: str = "", unit: str = "mmol/L", method: str = "", decimals: int = 2) -> Reading:
    return Reading("GLU", "葡萄糖", f"{comparator}{number}", comparator, Decimal(number) if number else None, unit, decimals=decimals, method=method)


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (reading("5.60"), reading("5.00"), "+0.60 (+12%)"),
        (reading("4.50"), reading("5.00"), "−0.50 (−10%)"),
        (reading("5.0"), reading("5.00"), "无变化"),
        (reading("5.00"), reading("0"), "+5.00"),
        (reading("500.1"), reading("500.00"), "+0.10"),
        (reading("5.6"), reading("5.0", comparator="<"), ""),
        (reading("5.6", comparator=">"), reading("5.0"), ""),
        (reading("5.6"), reading(None), ""),
        (None, reading("5.0"), ""),
        (reading("5.6"), None, ""),
        (reading("101", unit="mg/dL"), reading("5.6"), "单位不同"),
        (reading("5.6", method="己糖激酶法"), reading("5.0", method="氧化酶法"), "方法不同"),
    ],
)
def test_the_change_since_last_time(now: Reading | None, before: Reading | None, text: str) -> None:
    assert change_text(now, before) == text


def test_a_line_breaks_where_unit_or_method_changed_and_nowhere_else() -> None:
    years = [
        ("2022-05-01", reading("5.0", method="氧化酶法")), ("2023-05-01", reading("5.2", method="氧化酶法")),
        ("2024-05-01", reading("0.5", comparator="<", method="己糖激酶法")), ("2025-05-01", reading("5.4", method="己糖激酶法")),
        ("2026-05-01", reading("5.5", method="己糖激酶法")),
    ]  # fmt: skip
    assert [(each.day[:4], each.number, each.breaks) for each in trend_points(years)] == [
        ("2022", "5.0", ""), ("2023", "5.2", ""), ("2025", "5.4", "方法不同"), ("2026", "5.5", ""),
    ]  # fmt: skip

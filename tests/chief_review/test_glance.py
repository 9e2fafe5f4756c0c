"""Where a value stands beside its range, and how long somebody has been waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chief_review import glance
from exam.knowledge.facts import Flag, Reading


@pytest.mark.parametrize(
    ("number", "low", "high", "expected"),
    [
        ("5.0", "4.0", "6.0", (20, 40, 30)), ("4.0", "4.0", "6.0", (20, 40, 20)), ("6.0", "4.0", "6.0", (20, 40, 40)),
        ("99", "4.0", "6.0", (20, 40, 58)), ("0", "4.0", "6.0", (20, 40, 2)), ("2.60", None, "5.20", (0, 40, 20)),
        ("1.0", "1.0", None, (20, 60, 20)), ("2.0", "1.0", None, (20, 60, 40)), ("-3", "-6", "6", (20, 40, 25)),
        ("5.0", None, None, None), ("5.0", "6.0", "6.0", None), ("5.0", None, "0", None), (None, "4.0", "6.0", None),
    ],
)  # fmt: skip
def test_a_value_stands_where_its_range_says(
    number: str | None, low: str | None, high: str | None, expected: tuple[int, int, int] | None
) -> None:
    def decimal(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    reading = Reading("X", "x", "", number=decimal(number), low=decimal(low), high=decimal(high), flag=Flag.HIGH)
    mark = glance.range_mark(reading)
    assert (mark and (mark.begins, mark.ends, mark.at)) == expected
    assert mark is None or mark.is_outside


@pytest.mark.parametrize(
    ("minutes", "text", "weight"),
    [(0, "0 分", 0), (59, "59 分", 0), (61, "1 小时 1 分", 0), (24 * 60, "1 天", 1), (5 * 24 * 60, "5 天", 2), (-5, "0 分", 0)],
)
def test_a_wait_is_told_in_words_that_a_glance_can_read(minutes: int, text: str, weight: int) -> None:
    since = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
    waited = glance.waited(since, since + timedelta(minutes=minutes, seconds=59 if minutes >= 0 else 0))
    assert (waited.text, waited.weight) == (text, weight)
    assert glance.waited(None, since).text == ""

"""The same item over the years: what changed since last time, and where a line through the values must break."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from exam.knowledge.facts import Reading
from exam.knowledge.rules.wording import number_text


class TrendPoint(msgspec.Struct, frozen=True):
    """One value of a trend. `breaks` says why no line leads to it from the one before: `单位不同`, `方法不同`, or empty."""

    day: str
    number: str
    breaks: str = ""


def difference_of_kind(now: Reading, before: Reading) -> str:
    """Why two numbers of an item cannot be compared, in Chinese; empty when they can."""
    if now.unit != before.unit:
        return "单位不同"
    return "方法不同" if now.method != before.method else ""


def change_text(now: Reading | None, before: Reading | None) -> str:
    """`+0.60 (+12%)` since last time, or why it cannot be told; empty where there are no two exact numbers."""
    if now is None or before is None or now.number is None or before.number is None or now.comparator or before.comparator:
        return ""
    kind = difference_of_kind(now, before)
    if kind:
        return kind
    change = now.number - before.number
    if not change:
        return "无变化"
    sign = "+" if change > 0 else "−"
    text = sign + number_text(abs(change), now.decimals)
    if not before.number:
        return text
    share = (abs(change / before.number) * 100).quantize(Decimal(1), ROUND_HALF_UP)
    return f"{text} ({sign}{share}%)" if share else text


def trend_points(readings: Iterable[tuple[str, Reading]]) -> tuple[TrendPoint, ...]:
    """The exact numbers as points, oldest first; an open-ended result such as `<0.5` is left out, a point there would lie."""
    points: list[TrendPoint] = []
    last: Reading | None = None
    for day, reading in readings:
        if reading.number is None or reading.comparator:
            continue
        points.append(TrendPoint(day, f"{reading.number:f}", difference_of_kind(reading, last) if last else ""))
        last = reading
    return tuple(points)

"""What people look at rather than read: where a value stands beside its range, and how long somebody has been waiting. Pure."""

from __future__ import annotations

from datetime import datetime

from chief_review.facts import RangeMark, Waited
from exam.knowledge.facts import Flag, Reading

SCALE, SCALE_THIRD, SCALE_EDGE = 60, 20, 2
"""The little bar beside a value: how long it is, how long the range on it, and how near its end a value far out is drawn."""


def range_mark(reading: Reading) -> RangeMark | None:
    """A number on the scale of its reference range; None for words, without a range, or when nothing can be said of it.

    The range takes the middle third. A range with one end reaches to the end of the scale; the value is then placed in
    proportion to that one end.
    """
    value, low, high = reading.number, reading.low, reading.high
    if value is None or (low is None and high is None):
        return None
    begins, ends = 0 if low is None else SCALE_THIRD, SCALE if high is None else 2 * SCALE_THIRD
    if low is not None and high is not None:
        if high <= low:
            return None
        place = SCALE_THIRD + SCALE_THIRD * (value - low) / (high - low)
    else:
        end, drawn_at = (high, ends) if high is not None else (low, begins)
        if end is None or end <= 0:
            return None
        place = drawn_at * value / end
    at = min(max(round(place), SCALE_EDGE), SCALE - SCALE_EDGE)
    return RangeMark(begins, ends, at, reading.flag in (Flag.LOW, Flag.HIGH))


def waited(since: datetime | None, now: datetime) -> Waited:
    """How long somebody has been waiting since `since`, in whole minutes, hours or days."""
    minutes = max(0, int((now - since).total_seconds()) // 60) if since is not None else 0
    hours, days = minutes // 60, minutes // (24 * 60)
    text = f"{days} 天" if days else f"{hours} 小时 {minutes % 60} 分" if hours else f"{minutes} 分"
    return Waited(text if since is not None else "", min(days, 2))

"""Reference ranges: the one that holds for a person, and how paper shows it."""

from __future__ import annotations

from exam.catalog.facts import Item, ReferenceRange


def range_for(item: Item, sex: str, age: int) -> ReferenceRange | None:
    """The range that holds for this sex ("M" or "F") and age in full years at the day of collection (domain.md §2.4).

    Both ends of an age band belong to it. None means that no range is known, so the value cannot be judged.
    """
    for entry in item.ranges:
        if entry.sex in (None, sex) and entry.age_from <= age <= entry.age_to:
            return entry
    return None


def range_text(entry: ReferenceRange) -> str:
    """The range as paper shows it: `3.5–9.5`, `<5.18`, `≤26.2`, `>1.04`, `≥90`; empty without bounds."""
    low = None if entry.low is None else entry.low.replace("-", "−")
    high = None if entry.high is None else entry.high.replace("-", "−")
    low_sign, high_sign = (">" if entry.low_open else "≥"), ("<" if entry.high_open else "≤")
    if low is None:
        return "" if high is None else f"{high_sign}{high}"
    if high is None:
        return f"{low_sign}{low}"
    if entry.low_open or entry.high_open:
        return f"{low_sign}{low}且{high_sign}{high}"
    return f"{low}–{high}"

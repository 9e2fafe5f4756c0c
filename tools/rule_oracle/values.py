"""Read, convert and judge one value, slowly: what somebody wrote, in which unit, against which range of which person."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from exam.catalog.facts import Item, ReferenceRange, ValueType
from exam.knowledge.facts import Subject, UnitConversion

MINUS_SIGNS = "-−－﹣–"
COMPARATORS = {"": "", "<": "<", "﹤": "<", "<=": "<=", "≤": "<=", "≦": "<=", ">": ">", "﹥": ">", ">=": ">=", "≥": ">=", "≧": ">="}


@dataclass(frozen=True)
class Value:
    """A value as the oracle understands it. An empty one is no value at all."""

    item: str
    text: str = ""
    comparator: str = ""
    number: Fraction | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    abnormal: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    flag: str = "none"
    low: Fraction | None = None
    high: Fraction | None = None
    department: str = ""

    @property
    def is_empty(self) -> bool:
        """Nothing was written."""
        return not self.text


def ascii_of(text: str) -> str:
    """Full-width signs and spaces as plain ones, ends stripped; every minus sign the same."""
    plain = ""
    for sign in text:
        if "！" <= sign <= "～":
            sign = chr(ord(sign) - ord("！") + ord("!"))
        elif sign == "　":
            sign = " "
        plain += "-" if sign in MINUS_SIGNS else sign
    return plain.strip()


def amount(text: str) -> tuple[str, Fraction | None]:
    """Comparator and number of a text; no number where it is one of words, grades, thousands or powers."""
    found = re.fullmatch(r"([<>≤≥≦≧﹤﹥]=?)?\s*([+-]?)([0-9]+)(?:\.([0-9]+))?", ascii_of(text))
    if found is None:
        return "", None
    sign, minus, whole, part = found.groups()
    if (sign or "") not in COMPARATORS:
        return "", None
    number = Fraction(int(whole + (part or "")), 10 ** len(part or ""))
    return COMPARATORS[sign or ""], -number if minus == "-" else number


def fraction(text: str | None) -> Fraction | None:
    """A bound of a range."""
    return None if text is None else amount(text)[1]


def half_up(number: Fraction, decimals: int) -> Fraction:
    """A converted number as a laboratory would report it: rounded half away from zero to the item's decimals."""
    scale = 10**decimals
    size = (abs(number) * scale * 2 + 1) // 2
    return Fraction(size if number >= 0 else -size, scale)


def range_for(item: Item, subject: Subject) -> ReferenceRange | None:
    """The one range of this sex and age. Bands are written in full years and hold from the first to the last of them."""
    fitting = [
        each
        for each in item.ranges
        if (each.sex is None or each.sex == subject.sex) and subject.age in range(each.age_from, each.age_to + 1)
    ]
    return fitting[0] if fitting else None


def can_be_negative(item: Item) -> bool:
    """Does the dictionary know negative values of this quantity?"""
    limits = [item.plausible_low, item.plausible_high, *(bound for each in item.ranges for bound in (each.low, each.high))]
    return any(number is not None and number < 0 for number in map(fraction, limits))


def worlds(comparator: str, number: Fraction, marks: Sequence[Fraction], start: Fraction | None = None) -> list[Fraction]:
    """Numbers that an open result may stand for: every mark, one between any two, and one beyond each end.

    A question that changes its answer only at the marks has its answer for all possible numbers when it has it for these.
    """
    if not comparator:
        return [number]
    points = sorted({number, *marks, *([start] if start is not None else [])})
    tried = [points[0] - 1, *points, points[-1] + 1]
    tried += [(left + right) / 2 for left, right in itertools.pairwise(points)]
    kept = {"<": lambda x: x < number, "<=": lambda x: x <= number, ">": lambda x: x > number, ">=": lambda x: x >= number}
    return [each for each in tried if kept[comparator](each) and (start is None or each >= start)]


def place(number: Fraction, low: Fraction | None, high: Fraction | None, used: ReferenceRange) -> str:
    """Where one number lies."""
    if low is not None and (number < low or (used.low_open and number == low)):
        return "low"
    if high is not None and (number > high or (used.high_open and number == high)):
        return "high"
    return "normal"


def flag(
    comparator: str,
    number: Fraction,
    bounds: tuple[Fraction | None, Fraction | None],
    used: ReferenceRange,
    *,
    has_negatives: bool,
) -> str:
    """The flag that every possible number has; unknown when they differ or no number is possible, none without a bound."""
    low, high = bounds
    marks = [bound for bound in bounds if bound is not None]
    if not marks:
        return "none"
    possible = worlds(comparator, number, marks, None if has_negatives else Fraction(0))
    found = {place(each, low, high, used) for each in possible}
    return found.pop() if len(found) == 1 else "unknown"


def judge(
    item: Item,
    raw: str | Sequence[str],
    unit: str,
    subject: Subject,
    conversion: UnitConversion | None,
    lab_range: ReferenceRange | None = None,
) -> Value:
    """One value of one person. `conversion` is how the unit becomes the dictionary's; None where it is another quantity."""
    if item.value_type in (ValueType.CHOICE, ValueType.MULTI):
        return _picked(item, raw)
    text = raw if isinstance(raw, str) else ";".join(raw)
    blank = Value(item.code, text.strip(), unit=item.unit, department=item.department)
    if blank.is_empty:
        return blank
    if item.value_type == ValueType.TEXT:
        return blank
    comparator, number = amount(text)
    if conversion is None or number is None:
        return _changed(blank, flag="unknown", comparator=comparator if conversion is None else "")
    factor = Fraction(conversion.times) / Fraction(conversion.divided_by)
    seen = _changed(blank, comparator=comparator, number=number if factor == 1 else half_up(number * factor, item.decimals))
    if lab_range is not None and (lab_range.low or lab_range.high):  # the laboratory's numbers, compared as it wrote them
        low, high = fraction(lab_range.low), fraction(lab_range.high)
        result = flag(comparator, number, (low, high), lab_range, has_negatives=can_be_negative(item))
        return _changed(
            seen, flag=result, low=None if low is None else low * factor, high=None if high is None else high * factor
        )
    used = range_for(item, subject)
    if used is None:  # for others there may be a range: what this value means for this person nobody can say
        return _changed(seen, flag="unknown" if item.ranges else "none")
    low, high = fraction(used.low), fraction(used.high)
    assert seen.number is not None
    result = flag(comparator, seen.number, (low, high), used, has_negatives=can_be_negative(item))
    return _changed(seen, flag=result, low=low, high=high)


def _changed(value: Value, **changes: object) -> Value:
    return Value(**{**value.__dict__, **changes})


def _picked(item: Item, raw: str | Sequence[str]) -> Value:
    texts = [raw] if isinstance(raw, str) else list(raw)
    texts = [each.strip() for each in texts if each.strip()]
    known = {each.text: each for each in item.choices}
    picks: list[str] = []
    for text in texts:
        pick = _choice_meant(text, list(known))
        if pick not in picks:
            picks.append(pick)
    abnormal = tuple(pick for pick in picks if pick not in known or known[pick].abnormal)
    if not picks:
        judged = "none"
    elif any(pick in known and known[pick].abnormal for pick in picks):
        judged = "abnormal"
    else:
        judged = "unknown" if abnormal else "normal"
    return Value(
        item.code, ";".join(texts), unit=item.unit, choices=tuple(picks), abnormal=abnormal,
        unread=tuple(pick for pick in picks if pick not in known), flag=judged, department=item.department,
    )  # fmt: skip


def _choice_meant(text: str, choices: list[str]) -> str:
    """The dictionary's choice that a text means, or the text itself where that is not sure."""
    if text in choices:
        return text
    plain = ascii_of(text)
    by_plain = {ascii_of(each): each for each in choices}
    if plain in by_plain:
        return by_plain[plain]
    graded = re.fullmatch(r"\(?(\++|-|\+-|\+/-)\)?", plain)
    negative = plain in ("阴性", "阴性(-)", "-", "(-)")
    for wanted in ("阴性", "-") if negative else ():
        if wanted in by_plain:
            return by_plain[wanted]
    if plain == "阳性(+)" and "阳性" in by_plain:
        return by_plain["阳性"]
    if graded is None:
        return text
    signs = graded.group(1)
    if signs in ("+-", "+/-"):
        return by_plain.get("±", text)
    grade = f"{len(signs)}+"
    if grade in by_plain:
        return by_plain[grade]
    return by_plain.get("阳性", text) if signs == "+" else text

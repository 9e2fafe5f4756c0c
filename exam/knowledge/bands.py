"""A grade scale as a table: which grade each stretch of an item's values has, without a gap and without an overlap. Pure.

A scale is kept as steps with conditions, of which the first that holds is the grade. Where these only compare numbers, they say the
same as a table of bands for each item, the worst grade of all items being the scale's. Whether they do is tried on every
combination of stretches, so a scale that says more than a table can is never shown as one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

import msgspec

from exam.catalog.facts import Item
from exam.knowledge.book import GradeScale, GradeStep
from exam.knowledge.facts import Case, Reading, Subject
from exam.knowledge.language import AllOf, AnyOf, Between, Compare, Condition, History
from exam.knowledge.rules import grade, number_text
from exam.knowledge.rules.conditions import leaves

GRADES = ("A", "B", "C", "D", "E")
WORST_FIRST = ("E", "D", "C", "B", "A")
MOST_ITEMS = 3
MOST_COMBINATIONS = 20_000

_DAY = date(2000, 1, 1)  # a scale without dates of its own holds on every day


class Band(msgspec.Struct, frozen=True):
    """A stretch of an item's values and its grade; an end that is None goes on without end, an open one excludes its value."""

    item: str
    grade: str
    low: Decimal | None = None
    low_open: bool = False
    high: Decimal | None = None
    high_open: bool = True


class Table(msgspec.Struct, frozen=True):
    """A scale as bands, and the illness in the history that settles the grade before any value."""

    bands: tuple[Band, ...]
    history: tuple[str, ...] = ()
    history_grade: str = "E"


def band_words(band: Band) -> str:
    """`B ≥ 5.6 且 < 6.1`."""
    low = "" if band.low is None else f"{'>' if band.low_open else '≥'} {band.low:f}"
    high = "" if band.high is None else f"{'<' if band.high_open else '≤'} {band.high:f}"
    return f"{band.grade}({' 且 '.join(filter(None, (low, high))) or '任何值'})"


def problems_between(bands: Sequence[Band], name: str) -> Iterator[tuple[int, str]]:
    """Gaps and overlaps of one item's bands, in the order of their values: the place of the later band, and the sentence."""
    order = sorted(range(len(bands)), key=lambda at: _low_end(bands[at]))
    first, last = bands[order[0]], bands[order[-1]]
    if first.low is not None:
        yield order[0], f"{name}:{'≤' if first.low_open else '<'} {first.low:f} 没有等级,最低的一段 {band_words(first)} 下限应留空"
    for before, after in itertools.pairwise(order):
        yield from ((after, text) for text in _between(bands[before], bands[after], name))
    if last.high is not None and all(each.high is not None for each in bands):
        top = max(bands, key=lambda each: (each.high, not each.high_open))
        yield order[-1], f"{name}:{'≥' if top.high_open else '>'} {top.high:f} 没有等级,最高的一段 {band_words(top)} 上限应留空"


def _low_end(band: Band) -> tuple[bool, Decimal, bool]:
    return band.low is not None, band.low or Decimal(0), band.low_open


def _between(before: Band, after: Band, name: str) -> Iterator[str]:
    pair = f"{band_words(before)}与 {band_words(after)}"
    if before.high is None or after.low is None or after.low < before.high:
        yield f"{name}:{pair}重叠"
    elif after.low > before.high:
        yield f"{name}:{pair}之间有空缺,{before.high:f} 到 {after.low:f} 没有等级"
    elif before.high_open and after.low_open:
        yield f"{name}:{pair}之间有空缺,恰好 {after.low:f} 没有等级"
    elif not before.high_open and not after.low_open:
        yield f"{name}:{pair}重叠,恰好 {after.low:f} 属于两段"


# --- a table as steps ------------------------------------------------------------------------------------------------


def steps_of(table: Table, items: Mapping[str, Item]) -> tuple[GradeStep, ...]:
    """The steps that a sound table says: the history first, then the worst grade first; the best asks for all items, each of
    which must have a band of it."""
    steps: list[GradeStep] = []
    if table.history:
        steps.append(_step(table.history_grade, History(table.history)))
    codes = list(dict.fromkeys(band.item for band in table.bands))
    used = [each for each in WORST_FIRST if any(band.grade == each for band in table.bands)]
    for each in used:
        by_item = [[_condition(band, items) for band in table.bands if band.grade == each and band.item == code] for code in codes]
        if each == used[-1]:
            # Every item must be there: the best grade is not given to half a result.
            parts = [_any(several) for several in by_item]
            steps.append(_step(each, parts[0] if len(parts) == 1 else AllOf(tuple(parts))))
        else:
            steps.append(_step(each, _any([part for several in by_item for part in several])))
    return tuple(steps)


def _any(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))


def _step(given: str, condition: Condition) -> GradeStep:
    return msgspec.convert({"grade": given, "condition": msgspec.to_builtins(condition)}, GradeStep)


def _condition(band: Band, items: Mapping[str, Item]) -> Condition:
    unit = items[band.item].unit
    if band.low is not None and band.high is not None:
        return Between(band.item, band.low, band.high, unit, band.low_open, band.high_open)
    if band.low is not None:
        return Compare(band.item, ">" if band.low_open else ">=", band.low, unit)
    assert band.high is not None
    return Compare(band.item, "<" if band.high_open else "<=", band.high, unit)


# --- steps as a table ------------------------------------------------------------------------------------------------


def table_of(scale: GradeScale, items: Mapping[str, Item]) -> Table | None:
    """The table that says the same as a scale; None for one that no table can say, such as one with a choice in it."""
    history, rest = _history_of(scale.steps)
    parts = [part for step in rest for part in leaves(step.condition)]
    if not parts or not all(isinstance(part, Compare | Between) for part in parts):
        return None
    cuts: dict[str, set[Decimal]] = {}
    for part in parts:
        if isinstance(part, Compare | Between):
            if part.item not in items:
                return None
            cuts.setdefault(part.item, set()).update([part.value] if isinstance(part, Compare) else [part.low, part.high])
    stretches = {item: _stretches(sorted(found)) for item, found in cuts.items()}
    count = 1
    for each in stretches.values():
        count *= len(each)
    if len(cuts) > MOST_ITEMS or count > MOST_COMBINATIONS:
        return None
    own = _own_grades(msgspec.structs.replace(scale, steps=rest), stretches, items)
    if own is None:
        return None
    bands = tuple(band for item, grades in own.items() for band in _joined(item, stretches[item], grades))
    return Table(bands, history.condition.any_of if history else (), history.grade if history else "E")  # type: ignore[union-attr]


def _history_of(steps: tuple[GradeStep, ...]) -> tuple[GradeStep | None, tuple[GradeStep, ...]]:
    if steps and isinstance(steps[0].condition, History):
        return steps[0], steps[1:]
    return None, steps


class _Stretch(msgspec.Struct, frozen=True):
    """One cut, or all between two of them, with a value in it."""

    at: Decimal
    low: Decimal | None
    high: Decimal | None

    @property
    def is_point(self) -> bool:
        return self.low is not None and self.low == self.high


def _stretches(cuts: list[Decimal]) -> list[_Stretch]:
    found = [_Stretch(cuts[0] - 1, None, cuts[0])]
    for place, cut in enumerate(cuts):
        found.append(_Stretch(cut, cut, cut))
        if place + 1 < len(cuts):
            found.append(_Stretch((cut + cuts[place + 1]) / 2, cut, cuts[place + 1]))
    return [*found, _Stretch(cuts[-1] + 1, cuts[-1], None)]


def _own_grades(
    scale: GradeScale, stretches: Mapping[str, list[_Stretch]], items: Mapping[str, Item]
) -> dict[str, list[str]] | None:
    """The grade of every stretch of every item, if the scale's grade is always the worst of them."""
    codes = list(stretches)
    grades: dict[tuple[int, ...], str] = {}
    for places in itertools.product(*(range(len(stretches[code])) for code in codes)):
        values = {code: stretches[code][at].at for code, at in zip(codes, places, strict=True)}
        found = grade_at(scale, values, items)
        if found is None:
            return None
        grades[places] = found
    own = {
        code: [min(given for places, given in grades.items() if places[number] == at) for at in range(len(stretches[code]))]
        for number, code in enumerate(codes)
    }
    fits = all(max(own[code][at] for code, at in zip(codes, places, strict=True)) == given for places, given in grades.items())
    return own if fits else None


def _joined(item: str, stretches: Iterable[_Stretch], grades: Iterable[str]) -> Iterator[Band]:
    """Neighbours of one grade as one band."""
    for given, group in itertools.groupby(zip(stretches, grades, strict=True), key=lambda pair: pair[1]):
        members = [stretch for stretch, _ in group]
        first, last = members[0], members[-1]
        yield Band(item, given, first.low, not first.is_point and first.low is not None, last.high, not last.is_point)


def grade_at(scale: GradeScale, values: Mapping[str, Decimal], items: Mapping[str, Item]) -> str | None:
    """The grade that a scale gives to a person with these values and no illness in the history."""
    readings = {
        code: Reading(code, items[code].name, f"{value:f}", number=value, unit=items[code].unit) for code, value in values.items()
    }
    return grade(Case(Subject("M", 45), _DAY, readings), scale)


def trials(table: Table, scale: GradeScale, items: Mapping[str, Item]) -> list[tuple[str, str]]:
    """Each bound of the table tried: what lies just under it, on it and just over it, and the grade the scale then gives."""
    found = []
    codes = list(dict.fromkeys(band.item for band in table.bands))
    best = {code: _best(table, code) for code in codes}
    for code in codes:
        step = Decimal(1).scaleb(-max(items[code].decimals or 0, 0))
        cuts = sorted({end for band in table.bands if band.item == code for end in (band.low, band.high) if end is not None})
        for cut in cuts:
            given = []
            for value in (cut - step, cut, cut + step):
                others = {other: value_of for other, value_of in best.items() if other != code}
                given.append(f"{number_text(value, items[code].decimals)}→{grade_at(scale, {**others, code: value}, items) or '?'}")
            found.append((items[code].name, " ".join(given)))
    return found


def _best(table: Table, code: str) -> Decimal:
    """A value in the best band of an item, so that another item alone decides."""
    band = min((each for each in table.bands if each.item == code), key=lambda each: each.grade)
    if band.low is not None and band.high is not None:
        return (band.low + band.high) / 2
    return band.low + 1 if band.low is not None else (band.high or Decimal(1)) - 1

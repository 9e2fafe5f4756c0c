"""The only part that knows both: asks the product and the oracle the same question and tells where they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import TypeAlias

import msgspec

from exam.catalog.facts import Item, ReferenceRange
from exam.knowledge import rules as product
from exam.knowledge.book import RuleBook
from exam.knowledge.facts import Case, Reading, Subject, Suggestion
from exam.knowledge.language import Condition
from exam.knowledge.rules import CompiledRules, compiled
from exam.knowledge.rules.conclusions import SAME_ORGAN
from tools.rule_oracle import conclusions, values
from tools.rule_oracle.conditions import Visit, truth
from tools.rule_oracle.values import Value

Raw: TypeAlias = str | tuple[str, ...]
Written: TypeAlias = tuple[Raw, str]
"""A value as delivered and its unit, empty for the dictionary's own."""

EXACT = Fraction(1, 10**15)
"""Decimal division ends after 28 digits; that is no difference."""


@dataclass
class Pair:
    """One visit twice: as the product sees it and as the oracle does."""

    case: Case
    visit: Visit
    today: dict[str, Written] = field(default_factory=dict)
    earlier: dict[str, Written] = field(default_factory=dict)

    def shown(self) -> str:
        """The visit in one line, to try again by hand."""
        who = self.case.subject
        partly = ", a part only" if self.case.is_partial else ""
        return f"{who.sex} {who.age} {sorted(who.history)} today {self.today} earlier {self.earlier}{partly}"


class Judges:
    """Judges values by both and remembers what it judged: visits repeat each other's values."""

    def __init__(self, items: Mapping[str, Item]) -> None:
        self.items = items
        self.differences: list[str] = []
        self._known: dict[tuple[str, Raw, str, str, int], tuple[Reading, Value]] = {}

    def judge(self, code: str, raw: Raw, unit: str, subject: Subject) -> tuple[Reading, Value]:
        """Both judgements; a difference between them is noted."""
        key = code, raw, unit, subject.sex, subject.age
        known = self._known.get(key)
        if known is None:
            reading, value, problem = judged(self.items[code], raw, unit, subject)
            if problem:
                self.differences.append(problem)
            known = self._known[key] = reading, value
        return known

    def pair(
        self, subject: Subject, on: date, today: Mapping[str, Written], earlier: Mapping[str, Written] | None = None,
        *, is_partial: bool = False,
    ) -> Pair:  # fmt: skip
        """One visit for both."""
        now = {code: self.judge(code, raw, unit, subject) for code, (raw, unit) in today.items()}
        before = {code: self.judge(code, raw, unit, subject) for code, (raw, unit) in (earlier or {}).items()}
        case = Case(
            subject, on, {code: each for code, (each, _) in now.items()}, {code: each for code, (each, _) in before.items()},
            is_partial,
        )  # fmt: skip
        visit = Visit(
            subject, {code: each for code, (_, each) in now.items()}, {code: each for code, (_, each) in before.items()}, is_partial
        )
        return Pair(case, visit, dict(today), dict(earlier or {}))


def judged(
    item: Item, raw: Raw, unit: str, subject: Subject, lab_range: ReferenceRange | None = None
) -> tuple[Reading, Value, str | None]:
    """A value judged by both, and in words where they differ."""
    reading = product.judge(item, raw, unit, subject, lab_range)
    conversion = product.conversion_for(item.code, unit, item.unit)
    value = values.judge(item, raw, unit, subject, conversion, lab_range)
    wrong = []
    if reading.flag.value != value.flag:
        wrong.append(f"flag {reading.flag.value}, not {value.flag}")
    if not _same(reading.number, value.number):
        wrong.append(f"number {reading.number}, not {value.number}")
    if value.number is not None and reading.comparator != value.comparator:
        wrong.append(f"comparator {reading.comparator!r}, not {value.comparator!r}")
    if reading.choices != value.choices or reading.abnormal != value.abnormal:
        wrong.append(f"choices {reading.choices} {reading.abnormal}, not {value.choices} {value.abnormal}")
    if not (_same(reading.low, value.low) and _same(reading.high, value.high)):
        wrong.append(f"range {reading.low} to {reading.high}, not {value.low} to {value.high}")
    if not wrong:
        return reading, value, None
    ranged = f" lab range {lab_range.low} to {lab_range.high}" if lab_range else ""
    return reading, value, f"judge {item.code} {raw!r} {unit or item.unit!r} {subject.sex} {subject.age}{ranged}: {'; '.join(wrong)}"


def _same(number: object, exact: Fraction | None) -> bool:
    if number is None or exact is None:
        return number is exact
    return abs(Fraction(str(number)) - exact) < EXACT


def condition_difference(condition: Condition, pair: Pair) -> str | None:
    """Both answers to one condition, where they differ."""
    fast, slow = compiled(condition)(pair.case), truth(condition, pair.visit)
    if fast is slow:
        return None
    return f"condition {told(condition)}: {fast}, not {slow}; {pair.shown()}"


def told(entry: object) -> str:
    """A condition or an entry as the store keeps it."""
    return msgspec.json.encode(entry).decode()


PLAIN = ("plain",)

Told: TypeAlias = tuple[tuple[str, ...], int, str, tuple[tuple[str, str], ...]]
"""A line as it is compared: its entries, severity, category, and the outstanding values it answers for.

How many plain lines there are and how heavy they are, is no rule of medicine: they are compared by what they answer for.
"""


def book_differences(book: RuleBook, rules: CompiledRules, pair: Pair) -> list[str]:
    """What the two make of one visit by one book: rules, lines with what they answer for, their order, and alerts."""
    found = []
    fast_fired = sorted(rule.code for rule in rules.fired(pair.case))
    slow_fired = sorted(rule.code for rule in conclusions.fired(book, pair.visit, pair.case.on))
    if fast_fired != slow_fired:
        found.append(f"fired {_apart(fast_fired, slow_fired)}")
    outstanding = [part for value in pair.visit.today.values() for part in conclusions.outstanding(value)]
    suggestions = product.suggest(pair.case, rules)
    fast = _fast_lines(suggestions, outstanding)
    slow = _slow_lines(conclusions.lines(book, pair.visit, pair.case.on, SAME_ORGAN), outstanding)
    if fast != slow:
        found.append(f"lines {_apart(fast, slow)}")
    answered = {part for line in fast for part in line[3]}
    if any(part not in answered for part in outstanding):
        found.append("a flagged value has no line")
    places = [conclusions.Line("", "", each.category, int(each.severity), 0).place() for each in suggestions]
    if places != sorted(places):
        found.append(f"order {[each.key for each in suggestions]}")
    fast_alerts = {(each.rule, each.alert_class.value) for each in product.alerts_of(pair.case, rules)}
    slow_alerts = conclusions.alerts(book, pair.visit, pair.case.on)
    if fast_alerts != slow_alerts:
        found.append(f"alerts {_apart(sorted(fast_alerts), sorted(slow_alerts))}")
    return found


def smallest(judges: Judges, pair: Pair, differs: Callable[[Pair], object]) -> Pair:
    """The visit without what the difference does not need."""
    now, before, subject = dict(pair.today), dict(pair.earlier), pair.case.subject

    def made(today: Mapping[str, Written], earlier: Mapping[str, Written], who: Subject) -> Pair:
        return judges.pair(who, pair.case.on, today, earlier, is_partial=pair.case.is_partial)

    for code in [*now]:
        fewer = {each: value for each, value in now.items() if each != code}
        if differs(made(fewer, before, subject)):
            now = fewer
    for code in [*before]:
        fewer = {each: value for each, value in before.items() if each != code}
        if differs(made(now, fewer, subject)):
            before = fewer
    for history in sorted(subject.history):
        less = Subject(subject.sex, subject.age, subject.history - {history})
        if differs(made(now, before, less)):
            subject = less
    return made(now, before, subject)


def smallest_book(book: RuleBook, differs: Callable[[RuleBook], object]) -> RuleBook:
    """The book without what the difference does not need."""
    for rule in book.rules:
        fewer = RuleBook(tuple(each for each in book.rules if each is not rule), book.merges)
        if differs(fewer):
            book = fewer
    for merge in book.merges:
        fewer = RuleBook(book.rules, tuple(each for each in book.merges if each is not merge))
        if differs(fewer):
            book = fewer
    return book


def book_problem(book: RuleBook, rules: CompiledRules, judges: Judges, pair: Pair) -> str | None:
    """Where the two differ on one visit, as small as it gets."""
    if not book_differences(book, rules, pair):
        return None
    small = smallest(judges, pair, lambda each: book_differences(book, rules, each))
    few = smallest_book(book, lambda each: book_differences(each, CompiledRules(each), small))
    what = "; ".join(book_differences(few, CompiledRules(few), small))
    return f"{what}; {small.shown()}; book {told(few)}"


def _fast_lines(suggestions: Sequence[Suggestion], outstanding: Sequence[tuple[str, str]]) -> list[Told]:
    found: list[Told] = []
    for each in suggestions:
        parts = tuple(sorted(part for part in outstanding if part in each.covers_choices or (not part[1] and part[0] in each.covers)))
        found.append((tuple(sorted({why.rule for why in each.because})), int(each.severity), each.category, parts))
    return _plain_as_one(found)


def _slow_lines(lines: Sequence[conclusions.Line], outstanding: Sequence[tuple[str, str]]) -> list[Told]:
    return _plain_as_one(
        (tuple(sorted(each.codes)), int(each.severity), each.category, tuple(sorted(each.answers.intersection(outstanding))))
        for each in lines
    )


def _plain_as_one(found: Iterable[Told]) -> list[Told]:
    every = list(found)
    plainly = sorted({part for codes, _, _, parts in every if codes == PLAIN for part in parts})
    return sorted([each for each in every if each[0] != PLAIN] + [(PLAIN, 0, "", tuple(plainly))])


def _apart(fast: Sequence[object], slow: Sequence[object]) -> str:
    more, less = [each for each in fast if each not in slow], [each for each in slow if each not in fast]
    return f"too much {more}, missing {less}" if more or less else f"{list(fast)}, not {list(slow)}"

"""The trials themselves: each throws, compares, and returns how much it compared and what differed."""

from __future__ import annotations

import random  # noqa: TID251 - a proof throws dice, with a printed seed
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import msgspec

from exam.catalog.facts import Item, ReferenceRange, ValueType
from exam.catalog.starter import load
from exam.knowledge.book import RuleBook
from exam.knowledge.facts import Case, Subject
from exam.knowledge.rules import CompiledRules, alerts_of, compiled, conversion_for, may_alert
from exam.knowledge.rules.conclusions import SAME_ORGAN
from exam.knowledge.starter import load_rule_book
from tools.rule_oracle import draws
from tools.rule_oracle.compare import Judges, Pair, Written, book_problem, condition_difference, judged, told
from tools.rule_oracle.values import can_be_negative

ITEMS: dict[str, Item] = {item.code: item for item in load().items} | {draws.TEXT_ITEM.code: draws.TEXT_ITEM}
NUMBERS = tuple(item for item in ITEMS.values() if item.value_type in (ValueType.NUMBER, ValueType.CALCULATED))

SCALES = {
    ("mg/dL", "mmol/L", "GLU"): "18.016", ("mg/dL", "mmol/L", "GLU2H"): "18.016", ("mg/dL", "umol/L", "CREA"): "1/88.42",
    ("mg/dL", "umol/L", "UA"): "1/59.48", ("mg/dL", "umol/L", "TBIL"): "1/17.10", ("mg/dL", "umol/L", "DBIL"): "1/17.10",
    ("mg/dL", "umol/L", "IBIL"): "1/17.10", ("mg/dL", "mmol/L", "TC"): "38.67", ("mg/dL", "mmol/L", "HDL"): "38.67",
    ("mg/dL", "mmol/L", "LDL"): "38.67", ("mg/dL", "mmol/L", "NHDL"): "38.67", ("mg/dL", "mmol/L", "TG"): "88.57",
    ("mg/dL", "mmol/L", "CA"): "4.008", ("mEq/L", "mmol/L", "K"): "1", ("mEq/L", "mmol/L", "NA"): "1", ("mEq/L", "mmol/L", "CL"): "1",
    ("L/L", "%", "HCT"): "1/100", ("m", "cm", ""): "1/100", ("g/dL", "g/L", ""): "1/10", ("g/L", "g/dL", ""): "10",
    ("mg/dL", "mg/L", ""): "1/10", ("mg/L", "mg/dL", ""): "10",
}  # fmt: skip
"""How many of the first unit make one of the second, after molar masses: written here a second time, from chemistry books."""

CLOSE = Fraction(1, 200)

FELT = {item for sign, _, scan, _ in SAME_ORGAN for item in (sign, scan)}
"""Signs and scans of one organ. Unreadable texts of these are compared in tests of their own."""

ENOUGH = 20
"""So many differences tell what is wrong; making each as small as it gets takes long."""


@dataclass
class Found:
    """What a trial compared, by kind, and every difference."""

    counts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def add(self, kind: str, *differences: str | None) -> None:
        """One comparison."""
        self.counts[kind] += 1
        self.differences += [each for each in differences if each]

    def join(self, other: Found) -> None:
        """Another trial's finds."""
        self.counts += other.counts
        self.differences += other.differences


def units_of(item: Item) -> list[str]:
    """Every unit we know of in which the item may be delivered and which converts."""
    every = dict.fromkeys([*draws.UNITS, *(unit for unit, _, _ in SCALES), *(each.unit for each in ITEMS.values())])
    return [unit for unit in every if unit and conversion_for(item.code, unit, item.unit) is not None]


def factors(_seed: int, _size: int) -> Found:
    """Each conversion against the book of molar masses, and no conversion where the book has none."""
    found = Found()
    for item in NUMBERS:
        for unit in dict.fromkeys([*draws.UNITS, *(each.unit for each in ITEMS.values())]):
            rule = conversion_for(item.code, unit, item.unit)
            wanted = SCALES.get((unit, item.unit, item.code)) or SCALES.get((unit, item.unit, ""))
            if rule is None or not unit:
                found.add("conversions", wanted and f"{item.code}: {unit} to {item.unit} is not converted")
                continue
            factor = Fraction(rule.divided_by) / Fraction(rule.times)
            expected = _quotient(wanted) if wanted else Fraction(1)
            wrong = abs(factor / expected - 1) > CLOSE
            found.add("conversions", f"{item.code}: {unit} to {item.unit} is {float(factor):g}" if wrong else None)
    return found


def _quotient(text: str) -> Fraction:
    above, _, below = text.partition("/")
    return Fraction(above) / Fraction(below or "1")


def boundaries(seed: int, size: int) -> Found:
    """Both sides of every bound, with and without comparator, at every edge of every age band, in every unit that converts."""
    found = Found()
    for item in NUMBERS[seed::size]:
        ages = {0, 150} | {age + near for each in item.ranges for age in (each.age_from, each.age_to) for near in (-1, 0, 1)}
        texts = draws.edges([*draws.bounds_of(item), Fraction(0)], item.decimals)
        units = ["", *(unit for unit in units_of(item) if unit != item.unit)]
        for sex, age in ((sex, age) for sex in "MF" for age in sorted(ages) if 0 <= age <= 150):
            subject = Subject(sex, age)
            for unit in units:
                for text in texts if not unit else _in_unit(item, unit):
                    for sign in ("", "<", "≤", ">", ">="):
                        found.add("boundaries", judged(item, sign + text, unit, subject)[2])
        for sex, age in ((sex, age) for sex in "MF" for age in range(151)):  # the choice of the range at every age
            for text in texts[::3]:
                found.add("ages", judged(item, text, "", Subject(sex, age))[2])
    return found


def _in_unit(item: Item, unit: str) -> list[str]:
    rule = conversion_for(item.code, unit, item.unit)
    assert rule is not None
    factor = Fraction(rule.divided_by) / Fraction(rule.times)
    return draws.edges([bound * factor for bound in draws.bounds_of(item)], item.decimals + 1)


def values(seed: int, size: int) -> Found:
    """So many visits' worth of values of every item: what is drawn more than once is judged once, and counted as drawn."""
    found = Found()
    dice = random.Random(seed)  # noqa: S311
    for item in ITEMS.values():
        written: list[tuple[str | tuple[str, ...], str]] = []
        if item in NUMBERS:
            units = units_of(item)
            texts: list[str | tuple[str, ...]] = [*draws.grid(item), *draws.SCRAWLS]
            texts += [dice.choice(draws.SIGNS) + dice.choice(texts[:1500]) for _ in range(400)]  # type: ignore[operator]
            written = [(text, "" if dice.random() < 0.8 else dice.choice([*units, *draws.UNITS])) for text in texts]
            written += [(draws.full_width(str(text)), "") for text in texts[::20]]
        else:
            written = [(draws.texts_of(item, (), dice), "") for _ in range(300)]
        subjects = [Subject(sex, age) for sex in "MF" for age in draws.AGES]
        for (text, unit), times in Counter(dice.choices(written, k=size)).items():
            for subject in dice.sample(subjects, 2 if item.ranges else 1):
                found.differences += filter(None, [judged(item, text, unit, subject)[2]])
                found.counts["distinct values judged"] += 1
            found.counts["values drawn"] += times
    return found


def lab_ranges(seed: int, size: int) -> Found:
    """Values with a range that came along, in the unit of delivery."""
    found = Found()
    dice = random.Random(seed)  # noqa: S311
    for _ in range(size):
        item = dice.choice(NUMBERS)
        least = -20 if can_be_negative(item) else 0
        low, high = sorted(Fraction(dice.randint(least, 2000), 10**item.decimals) for _ in range(2))
        bounds = [dice.choice((draws.text_of(each, item.decimals), None)) for each in (low, high)]
        ranged = ReferenceRange(bounds[0], bounds[1], low_open=dice.random() < 0.3, high_open=dice.random() < 0.3)
        texts = [text for text in draws.edges([low, high], item.decimals) if least or not text.startswith("-")]
        raw = dice.choice(draws.SIGNS) + dice.choice(texts)
        unit = dice.choice(["", "", *units_of(item), "%"])
        found.add("lab ranges", judged(item, raw, unit, Subject(dice.choice("MF"), dice.choice(draws.AGES)), ranged)[2])
    return found


class Visits:
    """Random visits over some items, judged by both."""

    def __init__(self, dice: random.Random, items: Sequence[Item], marks: Mapping[str, set[Fraction]], pool: int = 60) -> None:
        self.dice, self.items = dice, items
        self.judges = Judges({item.code: item for item in items})
        self.pools: dict[str, list[Written]] = {}
        for item in items:
            raws = [draws.texts_of(item, sorted(marks.get(item.code, ())), dice, is_tidy=item.code in FELT) for _ in range(pool)]
            units = units_of(item) if item in NUMBERS else []
            self.pools[item.code] = [(raw, dice.choice([*units, "%"]) if units and dice.random() < 0.08 else "") for raw in raws]

    def throw(self, part: float, *, is_partial: bool = False) -> Pair:
        """One visit in which each item was examined with this chance."""
        dice = self.dice
        history = frozenset(each for each in draws.HISTORY if dice.random() < 0.2)
        subject = Subject(dice.choice("MF"), dice.choice(draws.AGES), history)
        today = {item.code: dice.choice(self.pools[item.code]) for item in self.items if dice.random() < part}
        earlier = {item.code: dice.choice(self.pools[item.code]) for item in self.items if dice.random() < part / 2}
        return self.judges.pair(subject, draws.ON, today, earlier, is_partial=is_partial)


def shipped(seed: int, size: int) -> Found:
    """The shipped book over random visits of its own items and some others."""
    dice = random.Random(seed)  # noqa: S311
    book = load_rule_book()
    rules = CompiledRules(book)
    conditions = [rule.condition for rule in book.rules] + [each for rule in book.rules for each in rule.also_covers]
    marks = draws.marks_of(conditions)
    others = dice.sample([item for item in ITEMS.values() if item.code not in marks], 20)
    found = Found()
    visits = Visits(dice, [*(ITEMS[code] for code in marks), *others], marks)
    for _ in range(size):
        pair = visits.throw(dice.choice((0.05, 0.2, 0.9)))
        found.add("visits by the shipped book", book_problem(book, rules, visits.judges, pair))
        if len(found.differences) > ENOUGH:
            break
    found.differences += visits.judges.differences
    return found


def other_books(seed: int, size: int) -> Found:
    """Random books, each over some random visits."""
    dice = random.Random(seed)  # noqa: S311
    found = Found()
    for _ in range(size):
        items = [*dice.sample(list(ITEMS.values()), 6), draws.TEXT_ITEM]
        items = list({item.code: item for item in items}.values())
        book = draws.book(dice, items)
        rules = CompiledRules(book)
        alone = CompiledRules(RuleBook(tuple(msgspec.structs.replace(rule, hierarchy="") for rule in book.rules)))
        visits = Visits(dice, items, draws.marks_of(rule.condition for rule in book.rules), 12)
        for _ in range(20):
            pair = visits.throw(0.7)
            found.add("visits by random books", book_problem(book, rules, visits.judges, pair))
            found.add("alerts asked for quickly", hurried_problem(dice, alone, pair))
        found.differences += visits.judges.differences
        if len(found.differences) > ENOUGH:
            break
    return found


def hurried_problem(dice: random.Random, rules: CompiledRules, pair: Pair) -> str | None:
    """New values that make an alert must be noticed from the part of the visit which holds them.

    Each rule by itself: of one hierarchy a lower rule may speak up because a higher one fell silent, which is no new finding.
    """
    case = pair.case
    changed = {code for code in case.readings if dice.random() < 0.4}
    kept = {code for code in case.readings if code in changed or dice.random() < 0.3}
    before = Case(case.subject, case.on, _only(case.readings, case.readings.keys() - changed), case.earlier)
    part = Case(case.subject, case.on, _only(case.readings, kept), is_partial=True)
    new = {each.rule for each in alerts_of(case, rules)} - {each.rule for each in alerts_of(before, rules)}
    if not new or may_alert(part, rules, changed):
        return None
    return f"may_alert of {sorted(changed)} in {sorted(kept)} misses {sorted(new)}; {pair.shown()}; book {told(rules.book)}"


def conditions(seed: int, size: int) -> Found:
    """Random conditions on whole visits and on parts of visits; and what a part says must hold of the whole."""
    dice = random.Random(seed)  # noqa: S311
    found = Found()
    for _ in range(size):
        items = [*dice.sample(list(ITEMS.values()), 2), draws.TEXT_ITEM]
        asked = draws.condition(dice, items, 3)
        visits = Visits(dice, items, draws.marks_of([asked]), 8)
        for _ in range(6):
            whole = visits.throw(0.8)
            found.add("conditions", condition_difference(asked, whole))
            part = part_of(dice, whole)
            found.add("conditions on a part", condition_difference(asked, part))
            test = compiled(asked)
            early, late = test(part.case), test(whole.case)
            wrong = early is not None and early is not late
            found.add("part against whole", f"{asked}: {early} of a part, {late} of {whole.shown()}" if wrong else None)
        found.differences += visits.judges.differences
    return found


def part_of(dice: random.Random, whole: Pair) -> Pair:
    """Some of a visit, which says so."""
    case, visit = whole.case, whole.visit
    today = {code for code in case.readings if dice.random() < 0.5}
    earlier = {code for code in case.earlier if dice.random() < 0.5}
    history = frozenset(each for each in sorted(case.subject.history) if dice.random() < 0.5)
    subject = Subject(case.subject.sex, case.subject.age, history)
    fewer = Case(subject, case.on, _only(case.readings, today), _only(case.earlier, earlier), True)
    seen = type(visit)(subject, _only(visit.today, today), _only(visit.earlier, earlier), True)
    return Pair(fewer, seen, _only(whole.today, today), _only(whole.earlier, earlier))


def _only(values: Mapping[str, object], kept: Collection[str]) -> dict:
    return {code: each for code, each in values.items() if code in kept}

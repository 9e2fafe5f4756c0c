"""The workload "rules": what the rule book costs for one visit, and how fast a year is judged again, from memory and from a database."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec

from bench.ground import Ground
from exam.catalog.facts import Item, ReferenceRange, ValueType
from exam.catalog.starter import load
from exam.kit.house import system_actor
from exam.kit.random import SeededRandom
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import Case, Reading, Subject
from exam.knowledge.rules import CompiledRules
from exam.knowledge.starter import load_rule_book
from results.past_cases import past_cases

ITEMS = 150
"""Items of a visit, the first hundred and fifty of the catalogue that rules ask for or that have a range."""

PEOPLE = 300
"""Different people; a year is made of these again and again, for 30,000 different visits do not fit the memory."""

ABNORMAL_PERCENT = 8
ROUND_SECONDS = 0.5
ON = date(2026, 11, 21)

Raw = str | tuple[str, ...]


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules cost in memory; times in us of one visit, medians of several rounds."""

    rules: int
    items: int
    fired_us: float
    quiet_us: float
    suggest_us: float
    alerts_us: float
    stored_us: float
    fired: float
    visits: int
    judged_per_second: float
    concluded_per_second: float

    @property
    def hundred_us(self) -> float:
        """For a hundred rules against one visit."""
        return self.fired_us / self.rules * 100


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A year judged again from a database: what was read, how fast, and how much memory was added on the way."""

    visits: int
    values: int
    per_second: float
    read_per_second: float
    grown_mb: float


# --- people ---------------------------------------------------------------------------------------------------------------


def items_of_a_visit() -> list[Item]:
    """The items of one large visit, those of rules first."""
    asked = {code for rule in load_rule_book().rules for code in knowledge.condition_items(rule.condition)}
    every = load().items
    found = [item for item in every if item.code in asked]
    found += [item for item in every if item.code not in asked and (item.ranges or item.choices)]
    return found[:ITEMS]


def person(dice: SeededRandom, items: Sequence[Item]) -> tuple[Subject, dict[str, Raw]]:
    """A grown-up with a value of every item, most of them normal."""
    subject = Subject("MF"[_throw(dice, 2)], 20 + _throw(dice, 60), frozenset({"高血压"} if _throw(dice, 7) == 0 else ()))
    return subject, {item.code: _value(dice, item, subject) for item in items}


def _throw(dice: SeededRandom, sides: int) -> int:
    return int.from_bytes(dice.token_bytes(4), "big") % sides


def _value(dice: SeededRandom, item: Item, subject: Subject) -> Raw:
    is_abnormal = _throw(dice, 100) < ABNORMAL_PERCENT
    if item.choices:
        wanted = [each.text for each in item.choices if each.abnormal is is_abnormal] or [item.choices[0].text]
        text = wanted[_throw(dice, len(wanted))]
        return (text,) if item.value_type is ValueType.MULTI else text
    low, high = _limits(item, subject)
    part = Decimal(_throw(dice, 100)) / 100
    number = low + (high - low) * part
    if is_abnormal:
        number = high + (high - low) * part / 2 if _throw(dice, 3) else low - (high - low) * part / 4
    return f"{max(number, Decimal(0)):.{item.decimals}f}"


def _limits(item: Item, subject: Subject) -> tuple[Decimal, Decimal]:
    fitting = [each for each in item.ranges if each.sex in (None, subject.sex) and each.age_from <= subject.age <= each.age_to]
    used = fitting[0] if fitting else ReferenceRange(item.plausible_low, item.plausible_high)
    high = Decimal(used.high or item.plausible_high or "100") if used.high else Decimal(used.low or 1) * 2
    return Decimal(used.low or 0), high


# --- in memory ------------------------------------------------------------------------------------------------------------


def measure(visits: int, rounds: int) -> Speed:
    """The shipped book on visits of 150 items in memory."""
    dice = SeededRandom("rules")
    items = items_of_a_visit()
    by_code = {item.code: item for item in items}
    book = load_rule_book()
    rules = CompiledRules(book)
    people = [person(dice, items) for _ in range(PEOPLE)]

    def judged(subject: Subject, raw: dict[str, Raw]) -> Case:
        return Case(subject, ON, {code: knowledge.judge(by_code[code], each, "", subject) for code, each in raw.items()})

    cases = [judged(*each) for each in people]
    nobody = [Case(each.subject, ON, _normal(each)) for each in cases]
    stored = [msgspec.structs.replace(each, is_partial=True, readings=dict(list(each.readings.items())[:20])) for each in cases]

    def a_year(work: Callable[[int], object]) -> float:
        began = time.perf_counter()
        for number in range(visits):
            work(number % PEOPLE)
        return visits / (time.perf_counter() - began)

    def conclude(number: int) -> None:
        case = judged(*people[number])
        knowledge.suggest(case, rules)
        knowledge.alerts_of(case, rules)

    return Speed(
        rules=len(book.rules), items=len(items), visits=visits,
        fired_us=_median(cases, rules.fired, rounds), quiet_us=_median(nobody, rules.fired, rounds),
        suggest_us=_median(cases, lambda case: knowledge.suggest(case, rules), rounds),
        alerts_us=_median(cases, lambda case: knowledge.alerts_of(case, rules), rounds),
        stored_us=_median(stored, lambda case: knowledge.may_alert(case, rules, case.readings.keys()), rounds),
        fired=statistics.mean(len(rules.fired(case)) for case in cases),
        judged_per_second=a_year(lambda number: judged(*people[number])), concluded_per_second=a_year(conclude),
    )  # fmt: skip


def _normal(case: Case) -> dict[str, Reading]:
    return {code: each for code, each in case.readings.items() if each.flag == "normal"}


def _median(cases: Sequence[Case], work: Callable[[Case], object], rounds: int) -> float:
    """Microseconds for one case."""
    found = []
    for _ in range(rounds):
        done = 0
        began = time.perf_counter()
        while time.perf_counter() - began < ROUND_SECONDS:
            for case in cases:
                work(case)
            done += len(cases)
        found.append((time.perf_counter() - began) * 1e6 / done)
    return statistics.median(found)


# --- from a database ------------------------------------------------------------------------------------------------------


def past(on: Ground, most: int) -> Past:
    """The finished visits of a database judged again, read span by span."""
    rules = CompiledRules(load_rule_book())
    with on.house() as house, house.unit(system_actor(house.site), write=False) as db:
        count = values = 0
        before = _memory_mb()
        began = time.perf_counter()
        for each in past_cases(db, most).cases:
            count, values = count + 1, values + len(each.case.readings)
            knowledge.suggest(each.case, rules)
            knowledge.alerts_of(each.case, rules)
        both = time.perf_counter() - began
        grown = _memory_mb() - before
        began = time.perf_counter()
        for _ in past_cases(db, most).cases:
            pass
        read = time.perf_counter() - began
    return Past(visits=count, values=values, per_second=count / both, read_per_second=count / read, grown_mb=grown)


def _memory_mb() -> float:
    """The most memory this process ever had."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0

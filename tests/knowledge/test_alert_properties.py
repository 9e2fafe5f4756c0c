"""Alerts over many people: one alert a finding, a line for each, nobody well alarmed, and no alert lost by reading a part."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exam.catalog.facts import Item, ValueType
from exam.knowledge.book import Rule
from exam.knowledge.facts import Case, Flag, Reading, Subject
from exam.knowledge.language import Compare
from exam.knowledge.rules import (
    CompiledRules,
    alerts_of,
    condition_items,
    example_case,
    holds,
    is_nothing_abnormal_allowed,
    judge,
    leaves,
    may_alert,
    suggest,
    uncovered_items,
)
from tests.knowledge.cases import BOOK, ITEMS, MAN, ON, RULES, WOMAN, case_of

Values = dict[str, str | tuple[str, ...]]

ALERTING = {rule.code: rule for rule in BOOK.rules if rule.alert is not None}
FIRING = [(rule, example) for rule in ALERTING.values() for example in rule.examples if example.fires]


@st.composite
def findings(draw: st.DrawFn) -> Case:
    """Several people's alerts in one: what makes some rules fire, beside other values of the same and of other items."""
    chosen = draw(st.lists(st.sampled_from(FIRING), min_size=1, max_size=6))
    sex = chosen[0][1].sex
    values: Values = {}
    earlier: Values = {}
    for _, example in chosen:
        values.update(example.values)
        earlier.update(example.earlier)
    subject = Subject(sex, draw(st.sampled_from([12, 25, 40, 45, 70])), frozenset(draw(st.sets(st.sampled_from(["高血压", "糖尿病"])))))
    for code, item in draw(st.lists(st.sampled_from(sorted(ITEMS.items())), max_size=15, unique_by=lambda pair: pair[0])):
        if item.choices:
            values.setdefault(code, (draw(st.sampled_from([choice.text for choice in item.choices])),))
    return case_of(values, subject, earlier)


@settings(max_examples=200, deadline=None)
@given(findings())
def test_a_finding_has_one_alert_a_hierarchy_and_every_alert_a_line_as_weighty(case: Case) -> None:
    raised = alerts_of(case, RULES)
    fired = [rule for rule in RULES.fired(case) if rule.alert is not None]
    expected = {rule.hierarchy or rule.code for rule in fired}
    assert len(raised) == len(expected)
    lines = suggest(case, RULES)
    for alert in raised:
        rule = ALERTING[alert.rule]
        rivals = [other for other in fired if rule.hierarchy and other.hierarchy == rule.hierarchy]
        assert not rivals or rule.rank == max(rival.rank for rival in rivals)
        speaking = [line for line in lines if any(because.rule == alert.rule for because in line.because)]
        assert len(speaking) == 1 and speaking[0].severity >= rule.severity
    assert not fired or not is_nothing_abnormal_allowed(case, RULES)
    assert uncovered_items(case, lines) == ()
    answered = {item for line in lines for item in line.covers}
    assert {code for code, reading in case.readings.items() if reading.flag not in (Flag.NORMAL, Flag.NONE)} <= answered


def test_a_severe_anaemia_never_comes_out_as_nothing_abnormal() -> None:
    case = case_of({"HGB": "60", "MCV": "90.0"})
    lines = suggest(case, RULES)
    assert [(line.key, line.severity, line.covers) for line in lines] == [("C-HGB-LOW", 5, ("HGB",))]
    assert not is_nothing_abnormal_allowed(case, RULES)


@pytest.mark.parametrize("code", sorted(ITEMS))
def test_every_abnormal_choice_and_every_value_out_of_range_has_a_line(code: str) -> None:
    item = ITEMS[code]
    for subject in (MAN, WOMAN, Subject("F", 70, frozenset({"糖尿病"}))):
        values: list[str | tuple[str, ...]] = [(choice.text,) for choice in item.choices if choice.abnormal]
        for value in (*values, *numbers_around(item)):
            case = case_of({code: value}, subject)
            assert uncovered_items(case, suggest(case, RULES)) == ()
            if case.readings[code].flag not in (Flag.NORMAL, Flag.NONE):
                assert suggest(case, RULES) and not is_nothing_abnormal_allowed(case, RULES)


def numbers_around(item: Item) -> list[str]:
    """Every bound of the shipped alerts on this item, and numbers beside and far from it."""
    if item.value_type not in (ValueType.NUMBER, ValueType.CALCULATED):
        return []
    step = Decimal(1).scaleb(-item.decimals)
    bounds = {part.value for rule in ALERTING.values() for part in leaves(rule.condition) if isinstance(part, Compare) and part.item == item.code}
    limits = {Decimal(text) for entry in item.ranges for text in (entry.low, entry.high) if text is not None}
    found = [f"{bound + move:f}" for bound in bounds | limits for move in (-step, Decimal(0), step)]
    return [*found, *(f"{sign}{bound:f}" for bound in bounds | limits for sign in ("<", ">"))]


def usual_values(item: Item, subject: Subject) -> list[str | tuple[str, ...]]:
    """What a well person of this sex and age may have: the ends and the middle of the range, the choices that are not abnormal."""
    if item.choices:
        return [(choice.text,) for choice in item.choices if not choice.abnormal]
    found: list[str | tuple[str, ...]] = []
    for entry in item.ranges:
        low = Decimal(entry.low) if entry.low is not None else None
        high = Decimal(entry.high) if entry.high is not None else None
        middle = (low + high) / 2 if low is not None and high is not None else None
        found += [f"{number:.{item.decimals}f}" for number in (low, middle, high) if number is not None]
    return [value for value in found if judge(item, value, "", subject).flag is Flag.NORMAL]


HISTORIES: tuple[frozenset[str], ...] = (frozenset(), frozenset({"高血压", "糖尿病"}))
PEOPLE = [Subject(sex, age, history) for sex in ("M", "F") for age in (20, 45, 65, 85) for history in HISTORIES]
WELL = {(person.sex, person.age): {code: usual_values(item, person) for code, item in ITEMS.items()} for person in PEOPLE}


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(PEOPLE))
def test_nobody_well_gets_an_alert(data: st.DataObject, person: Subject) -> None:
    usual = {code: values for code, values in WELL[person.sex, person.age].items() if values and ITEMS[code].sex in (None, person.sex)}
    today = {code: data.draw(st.sampled_from(values)) for code, values in usual.items()}
    before = {code: data.draw(st.sampled_from(values)) for code, values in usual.items()} if data.draw(st.booleans()) else {}
    case = case_of(today, person, before)
    assert all(reading.flag in (Flag.NORMAL, Flag.NONE) for reading in case.readings.values())
    assert alerts_of(case, RULES) == ()


def test_a_part_of_a_case_never_rules_out_an_alert_of_the_whole() -> None:
    for rule, example in FIRING:
        whole = example_case(example, ITEMS, ON)
        single = CompiledRules(msgspec.structs.replace(BOOK, rules=(rule,), merges=()))
        for code in set(whole.readings) & set(condition_items(rule.condition)):
            part = Case(Subject(whole.subject.sex, whole.subject.age), ON, {code: whole.readings[code]}, is_partial=True)
            if holds(rule.condition, whole) and not without(whole, code, rule):
                assert may_alert(part, single, {code}), (rule.code, example)


def without(case: Case, code: str, rule: Rule) -> bool:
    """Whether the rule fires without this item too."""
    others: dict[str, Reading] = {item: reading for item, reading in case.readings.items() if item != code}
    return holds(rule.condition, msgspec.structs.replace(case, readings=others)) is True

"""The condition language: three values, open-ended results, strict decoding."""

from __future__ import annotations

import itertools
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exam.knowledge.book import RuleBook
from exam.knowledge.facts import Subject
from exam.knowledge.language import (
    Age,
    AllOf,
    AnyOf,
    AtLeast,
    Between,
    Change,
    Chosen,
    Compare,
    Condition,
    Earlier,
    Flagged,
    History,
    LimitMultiple,
    Not,
    Sex,
)
from exam.knowledge.rules import condition_items, evidence, holds
from exam.knowledge.rules.conditions import compare_amount
from tests.knowledge.cases import BOOK, WOMAN, case_of

YES: Condition = Compare("GLU", ">=", Decimal("7.0"))
NO: Condition = Compare("GLU", "<", Decimal("7.0"))
UNKNOWN: Condition = Compare("HBA1C", ">=", Decimal("6.5"))
CASE = case_of({"GLU": "7.50"})
MEANING: dict[bool | None, Condition] = {True: YES, False: NO, None: UNKNOWN}


@pytest.mark.parametrize("answers", list(itertools.product([True, False, None], repeat=3)))
def test_all_any_and_at_least_follow_three_valued_logic(answers: tuple[bool | None, ...]) -> None:
    parts = tuple(MEANING[answer] for answer in answers)
    possible = [
        [world for world in options if world is not None]
        for options in ([answer] if answer is not None else [True, False] for answer in answers)
    ]
    worlds = list(itertools.product(*possible))

    def agreed(outcomes: set[bool]) -> bool | None:
        return outcomes.pop() if len(outcomes) == 1 else None

    assert holds(AllOf(parts), CASE) is agreed({all(world) for world in worlds})
    assert holds(AnyOf(parts), CASE) is agreed({any(world) for world in worlds})
    for n in (1, 2, 3):
        assert holds(AtLeast(n, parts), CASE) is agreed({sum(world) >= n for world in worlds})


@pytest.mark.parametrize(("answer", "opposite"), [(True, False), (False, True), (None, None)])
def test_not_keeps_the_unknown_unknown(answer: bool | None, opposite: bool | None) -> None:
    assert holds(Not(MEANING[answer]), CASE) is opposite


@settings(deadline=None)
@given(
    st.sampled_from(["", "<", "<=", ">", ">="]),
    st.integers(0, 20),
    st.sampled_from(["<", "<=", ">", ">=", "=", "!="]),
    st.integers(0, 20),
)
def test_an_open_ended_result_compares_only_when_every_value_it_stands_for_agrees(
    comparator: str, number: int, relation: str, limit: int
) -> None:
    tests = {
        "": lambda a, b: a == b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
        "=": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
    }
    halves = [Decimal(step) / 2 for step in range(-40, 100)]
    outcomes = {tests[relation](value, limit) for value in halves if tests[comparator](value, number)}
    expected = outcomes.pop() if len(outcomes) == 1 else None
    assert compare_amount(comparator, Decimal(number), relation, Decimal(limit)) is expected


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        (Between("GLU", Decimal("7.5"), Decimal("8.0")), True),
        (Between("GLU", Decimal("7.0"), Decimal("7.5")), False),
        (Between("GLU", Decimal("7.0"), Decimal("7.5"), high_open=False), True),
        (Between("GLU", Decimal("7.5"), Decimal("8.0"), low_open=True), False),
        (Flagged("GLU", ("high",)), True),
        (Flagged("GLU", ("low",)), False),
        (Flagged("HBA1C", ("high",)), None),
        (Flagged("HT", ("normal",)), None),
        (Chosen("US_ABD", ("胆囊结石",)), True),
        (Chosen("US_ABD", ("肾结石",)), False),
        (Chosen("HBSAG", ("阳性",)), None),
        (Chosen("U_PRO", ("1+",)), None),
        (LimitMultiple("ALT", ">", Decimal(2)), True),
        (LimitMultiple("ALT", ">", Decimal("2.02")), False),
        (LimitMultiple("AST", ">", Decimal(1)), None),
        (Age(at_least=40, below=50), True),
        (Age(at_least=46), False),
        (Age(below=45), False),
        (Sex("M"), True),
        (Sex("F"), False),
        (History(("高血压", "糖尿病")), True),
        (History(("脑卒中",)), False),
        (Earlier("CEA", "<", Decimal(4)), True),
        (Earlier("AFP", "<", Decimal(4)), None),
        (Change("CEA", ">=", Decimal(50)), True),
        (Change("CEA", ">", Decimal(50)), False),
        (Change("GLU", ">", Decimal(1)), None),
        (Change("TSH", "<", Decimal(0)), None),
    ],
)
def test_every_kind_of_condition_answers(condition: Condition, answer: bool | None) -> None:
    case = case_of(
        {
            "GLU": "7.50",
            "ALT": "101",
            "CEA": "4.50",
            "TSH": "<0.010",
            "HT": "170",
            "US_ABD": ("肝囊肿", "胆囊结石"),
            "U_PRO": "痕量",
        },
        Subject("M", 45, frozenset({"糖尿病"})),
        {"CEA": "3.00", "TSH": "1.000"},
    )
    assert holds(condition, case) is answer


def test_a_value_in_a_unit_nobody_can_convert_fires_nothing() -> None:
    case = case_of({"K": "6.80"})
    assert holds(Compare("K", ">=", Decimal("6.5")), case) is True
    unread = msgspec.structs.replace(case.readings["K"], number=None)
    assert holds(Compare("K", ">=", Decimal("6.5")), msgspec.structs.replace(case, readings={"K": unread})) is None


def test_the_evidence_is_what_was_true_and_tells_claims_from_exclusions() -> None:
    case = case_of({"SBP": "150", "DBP": "70", "GLU": "5.00", "US_ABD": ("胆囊结石", "肝囊肿")})
    either = AnyOf((Compare("SBP", ">=", Decimal(140)), Compare("DBP", ">=", Decimal(90))))
    assert evidence(either, case) == {("SBP", ""): True}
    picked = AllOf((Chosen("US_ABD", ("胆囊结石", "肾结石")), Not(Compare("GLU", ">=", Decimal(7)))))
    assert evidence(picked, case) == {("US_ABD", "胆囊结石"): True, ("GLU", ""): False}


def test_the_items_of_a_condition_are_found_at_any_depth() -> None:
    deep = AllOf((Not(AnyOf((YES, Sex("M")))), AtLeast(1, (UNKNOWN, YES)), Age(at_least=4)))
    assert set(condition_items(deep)) == {"GLU", "HBA1C"}


def test_the_rule_book_survives_being_written_and_read() -> None:
    assert msgspec.json.decode(msgspec.json.encode(BOOK), type=RuleBook) == BOOK


@pytest.mark.parametrize(
    "text",
    [
        '{"kind":"compare","item":"GLU","op":">=","value":7,"then":"x"}',
        '{"kind":"compare","item":"GLU","op":"=>","value":7}',
        '{"kind":"compare","item":"GLU","op":">="}',
        '{"kind":"run","code":"1"}',
        '{"kind":"all_of","of":[{"kind":"sex","sex":"X"}]}',
        '{"kind":"flagged","item":"GLU","any_of":["unknown"]}',
        '"GLU >= 7"',
    ],
)
def test_what_is_not_in_the_language_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Condition)


def test_sex_decides_for_women_too() -> None:
    assert holds(Sex("F"), case_of({}, WOMAN)) is True

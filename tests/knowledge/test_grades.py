"""Grades A to E of a domain: every edge from both sides, no gap, and no grade where a value is missing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exam.knowledge.book import GradeScale
from exam.knowledge.facts import Subject
from exam.knowledge.language import Compare
from exam.knowledge.rules import condition_items, grade, leaves
from tests.knowledge.cases import BOOK, ITEMS, MAN, case_of

SCALES: dict[str, GradeScale] = {scale.code: scale for scale in BOOK.grades}
Values = dict[str, str | tuple[str, ...]]

EDGES: list[tuple[str, Values, str]] = [
    ("G-BP", {"SBP": "129", "DBP": "84"}, "A"), ("G-BP", {"SBP": "130", "DBP": "84"}, "B"), ("G-BP", {"SBP": "129", "DBP": "85"}, "B"),
    ("G-BP", {"SBP": "139", "DBP": "89"}, "B"), ("G-BP", {"SBP": "140", "DBP": "80"}, "C"), ("G-BP", {"SBP": "120", "DBP": "90"}, "C"),
    ("G-BP", {"SBP": "159", "DBP": "99"}, "C"), ("G-BP", {"SBP": "160", "DBP": "80"}, "D"), ("G-BP", {"SBP": "120", "DBP": "100"}, "D"),
    ("G-BP", {"SBP": "90", "DBP": "60"}, "A"), ("G-BP", {"SBP": "89", "DBP": "60"}, "B"), ("G-BP", {"SBP": "90", "DBP": "59"}, "B"),
    ("G-BMI", {"BMI": "18.4"}, "C"), ("G-BMI", {"BMI": "18.5"}, "A"), ("G-BMI", {"BMI": "25.0"}, "A"), ("G-BMI", {"BMI": "25.1"}, "C"),
    ("G-GLU", {"GLU": "3.89"}, "C"), ("G-GLU", {"GLU": "3.90"}, "A"), ("G-GLU", {"GLU": "5.59"}, "A"), ("G-GLU", {"GLU": "5.60"}, "B"),
    ("G-GLU", {"GLU": "6.09"}, "B"), ("G-GLU", {"GLU": "6.10"}, "C"), ("G-GLU", {"GLU": "6.99"}, "C"), ("G-GLU", {"GLU": "7.00"}, "D"),
    ("G-LDL", {"LDL": "1.54"}, "C"), ("G-LDL", {"LDL": "1.55"}, "A"), ("G-LDL", {"LDL": "3.09"}, "A"), ("G-LDL", {"LDL": "3.10"}, "B"),
    ("G-LDL", {"LDL": "3.59"}, "B"), ("G-LDL", {"LDL": "3.60"}, "C"), ("G-LDL", {"LDL": "4.64"}, "C"), ("G-LDL", {"LDL": "4.65"}, "D"),
    ("G-UA", {"UA": "416"}, "A"), ("G-UA", {"UA": "417"}, "B"), ("G-UA", {"UA": "470"}, "B"), ("G-UA", {"UA": "471"}, "C"),
    ("G-UA", {"UA": "529"}, "C"), ("G-UA", {"UA": "530"}, "D"),
]  # fmt: skip


@pytest.mark.parametrize(("scale", "values", "expected"), EDGES)
def test_every_edge_is_exact(scale: str, values: Values, expected: str) -> None:
    assert grade(case_of(values), SCALES[scale]) == expected


@pytest.mark.parametrize("scale", BOOK.grades, ids=[scale.code for scale in BOOK.grades])
def test_there_is_no_gap_between_the_grades(scale: GradeScale) -> None:
    bounds: dict[str, set[Decimal]] = {}
    for step in scale.steps:
        for part in leaves(step.condition):
            if isinstance(part, Compare):
                bounds.setdefault(part.item, set()).add(part.value)
    items = sorted({item for step in scale.steps for item in condition_items(step.condition)})
    middle = {"SBP": "110", "DBP": "70"}
    for item in items:
        for bound in bounds[item]:
            # Finer than the dictionary writes: a converted or calculated value may stand between two printed ones.
            for move in ("-0.0001", "0", "0.0001"):
                values: Values = {other: middle[other] for other in items if other != item}
                values[item] = f"{bound + Decimal(move):f}"
                assert grade(case_of(values), scale) in ("A", "B", "C", "D"), values


@pytest.mark.parametrize("scale", BOOK.grades, ids=[scale.code for scale in BOOK.grades])
def test_without_a_value_there_is_no_grade(scale: GradeScale) -> None:
    assert grade(case_of({}), scale) is None
    assert grade(case_of({"HT": "170.0"}), scale) is None
    assert scale.source and not scale.approved and scale.name
    assert {item for step in scale.steps for item in condition_items(step.condition)} <= set(ITEMS)


def test_a_treated_disease_is_graded_before_today_s_value() -> None:
    pressed, sugar = Subject("M", 60, frozenset({"高血压"})), Subject("M", 60, frozenset({"糖尿病"}))
    assert grade(case_of({"SBP": "120", "DBP": "70"}, pressed), SCALES["G-BP"]) == "E"
    assert grade(case_of({"GLU": "8.00"}, sugar), SCALES["G-GLU"]) == "E"
    assert grade(case_of({"GLU": "8.00"}, pressed), SCALES["G-GLU"]) == "D"


@pytest.mark.parametrize(
    ("scale", "values", "expected"),
    [
        ("G-BP", {"SBP": "165"}, "D"),
        ("G-BP", {"SBP": "135"}, None),
        ("G-BP", {"SBP": "120"}, None),
        ("G-GLU", {"GLU": ">10.00"}, "D"),
        ("G-GLU", {"GLU": "<6.00"}, None),
        ("G-GLU", {"GLU": "<2.00"}, "C"),
        ("G-UA", {"UA": "溶血"}, None),
    ],
)
def test_half_a_finding_is_graded_only_where_the_rest_could_not_change_it(scale: str, values: Values, expected: str | None) -> None:
    assert grade(case_of(values, MAN), SCALES[scale]) == expected

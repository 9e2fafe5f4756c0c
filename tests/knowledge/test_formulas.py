"""Computed items: worked values, missing inputs, dependencies."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exam.catalog.facts import Formula, Item, ValueType
from exam.knowledge.facts import Reading, Subject
from exam.knowledge.rules import compute, compute_all, evaluate, formula_items, friedewald, judge
from tests.knowledge.cases import ITEMS, MAN


def computed_item(code: str, formula: Formula, decimals: int = 1) -> Item:
    """A computed item with this formula."""
    return Item(code, f"项目{code}", "LAB", ValueType.CALCULATED, decimals=decimals, formula=formula)


@pytest.mark.parametrize(
    ("sex", "age", "values", "code", "expected"),
    [
        ("M", 45, {"CREA": "80"}, "EGFR", "107"),
        ("F", 60, {"CREA": "150"}, "EGFR", "34"),
        ("F", 30, {"CREA": "60"}, "EGFR", "120"),
        ("M", 45, {"HT": "175.0", "WT": "75.0"}, "BMI", "24.5"),
        ("M", 45, {"WC": "90.0", "HC": "100.0"}, "WHR", "0.90"),
        ("M", 45, {"TP": "70.0", "ALB": "45.0"}, "GLB", "25.0"),
        ("M", 45, {"TP": "70.0", "ALB": "45.0"}, "AGR", "1.80"),
        ("M", 45, {"TBIL": "20.5", "DBIL": "5.1"}, "IBIL", "15.4"),
        ("M", 45, {"TC": "5.80", "HDL": "1.10"}, "NHDL", "4.70"),
        ("M", 45, {"PSA": "4.00", "FPSA": "0.640"}, "FPSAR", "0.16"),
    ],
)
def test_the_catalogues_formulas_give_the_worked_values(
    sex: str, age: int, values: dict[str, str], code: str, expected: str
) -> None:
    computed = compute_all(ITEMS, values, Subject(sex=sex, age=age))[code]
    assert computed.number == Decimal(expected)
    assert computed.why == ""


def test_friedewald_is_refused_for_high_triglycerides() -> None:
    assert friedewald("5.8", "1.1", "2.6").number == Decimal("3.52")
    refused = friedewald("5.8", "1.1", "4.5")
    assert refused.number is None
    assert "甘油三酯" in refused.why
    assert friedewald("5.8", "1.1", "4.49").number is not None


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"HT": "175"}, "缺少体重"),
        ({"HT": "175", "WT": " "}, "缺少体重"),
        ({"HT": "175", "WT": "<70"}, "不是确切数值"),
        ({"HT": "175", "WT": "约70"}, "不是可计算的数值"),
        ({"HT": "0", "WT": "70"}, "除数为零"),
    ],
)
def test_without_exact_inputs_there_is_no_value_but_a_reason(values: dict[str, str], why: str) -> None:
    computed = compute(ITEMS["BMI"], values, MAN, {code: item.name for code, item in ITEMS.items()})
    assert computed.number is None
    assert why in computed.why


def test_every_computed_item_gets_an_answer_even_without_any_value() -> None:
    computed = compute_all(ITEMS, {}, MAN)
    wanted = {code for code, item in ITEMS.items() if item.value_type is ValueType.CALCULATED and item.formula}
    assert computed.keys() == wanted
    assert all(answer.number is None and answer.why for answer in computed.values())


def test_computed_items_may_read_each_other_in_any_order() -> None:
    items = [computed_item("C", ["+", "B", 1]), computed_item("B", ["*", "A", 2])]
    computed = compute_all(items, {"A": "1.5"}, MAN)
    assert {code: answer.number for code, answer in computed.items()} == {"C": Decimal("4.0"), "B": Decimal("3.0")}
    missing = compute_all(items, {}, MAN)
    assert missing["C"].why == missing["B"].why == "缺少A"


def test_a_circle_of_formulas_ends_with_a_reason() -> None:
    computed = compute_all([computed_item("A", ["+", "B", 1]), computed_item("B", ["+", "A", 1])], {}, MAN)
    assert all("循环" in answer.why for answer in computed.values())


def test_a_value_handed_in_for_a_computed_item_is_ignored() -> None:
    assert compute_all(ITEMS, {"TP": "70", "ALB": "45", "GLB": "99"}, MAN)["GLB"].number == Decimal("25.0")


def test_a_reading_counts_in_the_dictionarys_unit() -> None:
    reading: Reading = judge(ITEMS["CREA"], "0.905", "mg/dL", MAN)
    assert compute_all(ITEMS, {"CREA": reading}, MAN)["EGFR"].number == Decimal("107")
    refused = judge(ITEMS["CREA"], "80", "条", MAN)
    assert compute_all(ITEMS, {"CREA": refused}, MAN)["EGFR"].number is None


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (["+", 1, 2, 3], "6"),
        (["*", 2, 3, 4], "24"),
        (["-", 10, 4], "6"),
        (["min", 3, 1, 2], "1"),
        (["max", 3, 1, 2], "3"),
        (["if", "=", "sex", "F", 1, 2], "2"),
        (["if", "<", "A", 5, 1, 2], "1"),
        (["+", "age", 0.1], "45.1"),
    ],
)
def test_every_operator_works(formula: Formula, expected: str) -> None:
    assert evaluate(formula, {"A": Decimal(4)}, MAN) == Decimal(expected)


@pytest.mark.parametrize("formula", [["%", 1, 2], ["+", 1], ["^", 1, 2, 3], ["^", -2, 0.5], ["/", 1, 0], ["+", "Q", 1]])
def test_a_broken_formula_gives_a_reason_and_no_crash(formula: Formula) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        evaluate(formula, {}, MAN)


def test_the_inputs_of_a_formula_are_its_items_only() -> None:
    assert formula_items(ITEMS["EGFR"].formula) == ("CREA",)
    assert formula_items(ITEMS["BMI"].formula) == ("WT", "HT")
    assert formula_items(None) == ()


@settings(deadline=None)
@given(st.decimals(min_value=1, max_value=300, places=1), st.decimals(min_value=1, max_value=300, places=1))
def test_the_body_mass_index_agrees_with_float_arithmetic(weight: Decimal, height: Decimal) -> None:
    computed = compute(ITEMS["BMI"], {"WT": weight, "HT": height}, MAN)
    assert computed.number is not None
    expected = float(weight) / (float(height) / 100) ** 2
    assert abs(float(computed.number) - expected) <= 0.05 + expected * 1e-9

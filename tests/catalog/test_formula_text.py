"""Formulas as people read and write them: what is written reads back as the same formula, and a slip is named with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exam.catalog.rules import FormulaProblem, read_formula, write_formula
from exam.catalog.starter import load

NAMES = {item.code: item.name for item in load().items}
FORMULAS = {item.code: item.formula for item in load().items if item.formula is not None}

numbers = st.integers(-999, 999) | st.sampled_from([0.5, -0.241, 88.4, 0.9938, 1e-7])
names = st.sampled_from(["WT", "HT", "CREA", "GGT", "VITD", "PSA", "age"])


def calls(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Formulas with one more call around `inner` ones."""
    several = st.tuples(st.sampled_from(["+", "-", "*", "/", "min", "max"]), st.lists(inner, min_size=2, max_size=4))
    relations = st.sampled_from(["<", "<=", ">", ">=", "="])
    return st.one_of(
        several.map(lambda each: [each[0], *each[1]]),
        st.tuples(inner, inner).map(lambda each: ["^", *each]),
        st.tuples(st.sampled_from("MF"), inner, inner).map(lambda each: ["if", "=", "sex", *each]),
        st.tuples(relations, inner, inner, inner, inner).map(lambda each: ["if", *each]),
        st.tuples(relations, inner, inner, inner).map(lambda each: ["require", [*each[:3]], "不能推算", each[3]]),
    )


formulas = st.recursive(numbers | names, calls, max_leaves=12).filter(lambda each: isinstance(each, list))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("BMI", "体重 ÷ (身高 ÷ 100) ^ 2"), ("AGR", "白蛋白 ÷ (总蛋白 − 白蛋白)"), ("IBIL", "总胆红素 − 直接胆红素"),
        (
            "EGFR",
            "142 × 较小值(([肌酐(酶法)] ÷ 88.4) ÷ 如果(性别 = 女, 0.7, 0.9), 1) ^ 如果(性别 = 女, -0.241, -0.302)"
            " × 较大值(([肌酐(酶法)] ÷ 88.4) ÷ 如果(性别 = 女, 0.7, 0.9), 1) ^ -1.2 × 0.9938 ^ 年龄 × 如果(性别 = 女, 1.012, 1)",
        ),
    ],
)  # fmt: skip
def test_a_formula_reads_as_people_write_it(code: str, text: str) -> None:
    assert write_formula(FORMULAS[code] or [], NAMES) == text
    assert read_formula(text, NAMES) == FORMULAS[code]


@settings(max_examples=300, deadline=None)
@given(formula=formulas, with_names=st.booleans())
def test_what_is_written_reads_back_as_the_same_formula(formula: Any, with_names: bool) -> None:
    known = NAMES if with_names else {}
    assert read_formula(write_formula(formula, known), known) == formula


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("WT/(HT/100)^2", FORMULAS["BMI"]), ("体重÷(身高/100)^2", FORMULAS["BMI"]), ("[体重] / ( [HT] ÷ 100 ) ^ 2", FORMULAS["BMI"]),
        ("wt + ht", ["+", "WT", "HT"]), ("体重 + 身高 + 1", ["+", "WT", "HT", 1]), ("体重 − (身高 − 1)", ["-", "WT", ["-", "HT", 1]]),
        ("体重 + 2 × 身高", ["+", "WT", ["*", 2, "HT"]]), ("max(体重,身高)", ["max", "WT", "HT"]),
        ("如果(年龄>=60,1,2)", ["if", ">=", "age", 60, 1, 2]), ("如果(性别=男,1,2)", ["if", "=", "sex", "M", 1, 2]),
        ("仅当(甘油三酯 < 4.5, “太高”, 体重)", ["require", ["<", "TG", 4.5], "太高", "WT"]),
    ],
)  # fmt: skip
def test_names_codes_and_either_keyboards_signs_are_understood(text: str, formula: Any) -> None:
    assert read_formula(text, NAMES) == formula


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("体重 /", "第 5 个字符处公式到此结束"), ("体重 + × 1", "第 6 个字符处出现“*”"), ("(体重", "应为右括号"), ("体重)", "位置不对"),
        ("体胖 + 1", "“体胖”不是目录中的项目"), ("性别 + 1", "“性别”只能用在条件中"), ("如果(性别 = 女, 1)", "“如果”需要条件和两个值"),
        ("如果(性别 = 它, 1, 2)", "应为男 或 女"), ("如果(体重, 1, 2)", "应为比较符号"), ("体重 @ 1", "第 4 个字符“@”无法识别"),
        ("", "公式到此结束"), ("-体重", "负号只用在数字前"), ("(" * 40 + "1" + ")" * 40, "超过 20 层"), ("较小值(1)", "至少需要两个值"),
        ("仅当(体重 < 1, 体重)", "引号中的原因"), ("体重 + 123456789012345678901", "过长"),
    ],
)  # fmt: skip
def test_a_slip_is_named_with_its_place_and_a_remedy(text: str, words: str) -> None:
    with pytest.raises(FormulaProblem) as caught:
        read_formula(text, NAMES)
    assert words in caught.value.reason
    assert caught.value.remedy


def test_a_name_that_two_items_share_is_written_and_asked_for_by_code() -> None:
    shared = {"A1": "同名", "A2": "同名", "B": "别名"}
    assert write_formula(["+", "A1", "B"], shared) == "A1 + 别名"
    with pytest.raises(FormulaProblem, match="有 2 个项目叫“同名”"):
        read_formula("同名 + 别名", shared)

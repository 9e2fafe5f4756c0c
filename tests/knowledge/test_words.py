"""Conditions in the words that doctors read."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from exam.knowledge import words
from exam.knowledge.gate import GateExample
from exam.knowledge.language import Condition
from tests.knowledge.cases import BOOK, ITEMS

GLU = {"kind": "compare", "item": "GLU", "op": ">=", "value": "7.0"}
FIRST = {"kind": "not", "condition": {"kind": "has_earlier", "item": "HGB"}}


def in_words(condition: object) -> str:
    return words.condition_words(msgspec.convert(condition, Condition), ITEMS)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (GLU, "空腹血糖 ≥ 7.0 mmol/L"),
        ({"kind": "all_of", "of": [{"kind": "compare", "item": "HGB", "op": "<=", "value": "60"}, FIRST]}, "血红蛋白 ≤ 60 g/L 且 无既往值"),
        ({"kind": "between", "item": "SBP", "low": "90", "high": "140"}, "90 ≤ 收缩压 < 140 mmHg"),
        ({"kind": "between", "item": "SBP", "low": "90", "high": "140", "low_open": True, "high_open": False}, "90 < 收缩压 ≤ 140 mmHg"),
        ({"kind": "flagged", "item": "HGB", "any_of": ["low", "high"]}, "血红蛋白 偏低或偏高"),
        ({"kind": "says", "item": "CXR_D", "any_of": ["气胸"]}, "CXR_D 提及“气胸”"),
        ({"kind": "chosen", "item": "HBSAG", "any_of": ["阳性", "弱阳性"]}, "乙肝表面抗原 为“阳性”、“弱阳性”之一"),
        ({"kind": "limit_multiple", "item": "ALT", "op": ">", "times": "3"}, "丙氨酸氨基转移酶 > 3 倍参考上限"),
        ({"kind": "age", "at_least": 40, "below": 60}, "年龄 40–59 岁"),
        ({"kind": "age", "at_least": 65}, "年龄 ≥ 65 岁"),
        ({"kind": "not", "condition": {"kind": "history", "any_of": ["糖尿病"]}}, "无糖尿病病史"),
        ({"kind": "missing", "item": "TSH"}, "促甲状腺激素 无结果"),
        ({"kind": "earlier", "item": "GLU", "op": "<", "value": "6.1"}, "空腹血糖 上次 < 6.1 mmol/L"),
        ({"kind": "change", "item": "GLU", "op": ">", "percent": "20"}, "空腹血糖 较上次变化 > +20%"),
        ({"kind": "not", "condition": GLU}, "非(空腹血糖 ≥ 7.0 mmol/L)"),
        ({"kind": "any_of", "of": [GLU, {"kind": "all_of", "of": [{"kind": "sex", "sex": "F"}, GLU]}]},
         "空腹血糖 ≥ 7.0 mmol/L 或 (女性 且 空腹血糖 ≥ 7.0 mmol/L)"),
        ({"kind": "at_least", "n": 1, "of": [GLU, {"kind": "sex", "sex": "M"}]}, "以下 2 项中至少 1 项(空腹血糖 ≥ 7.0 mmol/L;男性)"),
    ],
)  # fmt: skip
def test_a_condition_reads_as_a_doctor_would_write_it(condition: object, expected: str) -> None:
    assert in_words(condition) == expected


def test_every_entry_of_the_shipped_book_has_words_and_no_bare_code() -> None:
    for entry in BOOK.entries:
        assert words.title_of(entry)
        assert words.summary_of(entry, ITEMS)
        assert all(text is not None for _, text in words.facts_of(entry, ITEMS))
    for rule in BOOK.rules:
        said = words.condition_words(rule.condition, ITEMS)
        assert not [code for code in ITEMS if len(code) > 3 and code not in ITEMS[code].name and code in said]


def test_a_difference_names_the_field_in_words_before_and_after() -> None:
    rule = next(each for each in BOOK.rules if each.code == "D13")
    bound = msgspec.convert({**GLU, "value": "6.5"}, Condition)
    changed = msgspec.structs.replace(rule, condition=bound, severity=3, version=9, approved=True)
    found = words.differences(rule, changed, ITEMS)
    assert [label for label, _, _ in found] == ["条件", "程度"]
    assert found[0][2] == "空腹血糖 ≥ 6.5 mmol/L"
    assert words.same_content(rule, msgspec.structs.replace(rule, version=7, approved=True))
    assert not words.same_content(rule, changed)


def test_a_number_is_never_in_exponent_form() -> None:
    assert words.number_words(Decimal("1E+3")) == "1000"


def test_an_example_of_a_check_reads_as_a_person_not_as_fields() -> None:
    example = GateExample(hits=True, values={"GLU": "98"}, sex="F", conclusions=("前列腺增生",), orders={"腹部彩超": "pending"})
    told = words.field_words("examples", (example, GateExample(hits=False, alerts_without_notice=2)), ITEMS)
    assert told.split("\n") == [
        "应查出:女性 45 岁,空腹血糖 98 mmol/L,结论“前列腺增生”,腹部彩超待检", "不应查出:男性 45 岁,2 项危急值未通知",
    ]  # fmt: skip

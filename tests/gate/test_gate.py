"""The contradiction gate: the seeded reviews, the shipped checks' own examples, and each kind of test by itself. Pure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from exam.knowledge.facts import Case, Reading, Subject
from exam.knowledge.gate import (
    Bound,
    Bounds,
    GateCheck,
    GateExample,
    GateFinding,
    GateInput,
    GateLine,
    GateTest,
    Matching,
    Named,
    NamedChoice,
    NotFor,
    Relation,
    Sided,
    Unchanged,
)
from exam.knowledge.language import Age, Chosen, Sex
from exam.knowledge.rules import judge
from exam.knowledge.rules.gate import CompiledGate
from exam.knowledge.rules.gate.examples import check_problems, checks_problems, example_input
from exam.knowledge.rules.gate.texts import Words
from exam.knowledge.starter import load_rule_book
from tests.gate import runs
from tests.gate.seeded import ERRORS
from tests.gate.seeded_correct import CORRECT

ITEMS = runs.shipped_catalogue().items
CHECKS = load_rule_book().checks


def check(test: GateTest, **more: Any) -> GateCheck:
    """A check of our own."""
    return GateCheck("T", 1, test, "不符", "请核对", **more)


def found(
    test: GateTest, values: dict[str, Any] | None = None, *, lines: tuple[Any, ...] = (), notes: tuple[str, ...] = (), sex: str = "M",
    age: int = 45, earlier: dict[str, Any] | None = None, history: tuple[str, ...] = (),
) -> tuple[GateFinding, ...]:  # fmt: skip
    """What one test says about a review."""
    subject = Subject(sex=sex, age=age, history=frozenset(history))

    def judged(raw: dict[str, Any] | None) -> dict[str, Reading]:
        return {code: judge(ITEMS[code], value, "", subject) for code, value in (raw or {}).items()}

    case = Case(subject=subject, on=runs.ON, readings=judged(values), earlier=judged(earlier))
    told = tuple(line if isinstance(line, GateLine) else GateLine(line) for line in lines)
    return CompiledGate([check(test)]).findings(GateInput(case, notes, told))


def test_the_seeded_errors_are_found_and_correct_reviews_are_left_alone() -> None:
    proof = runs.prove()
    assert proof.recall >= runs.LEAST_RECALL, [review.name for review in (*proof.missed, *proof.lucky)]
    assert proof.false_alarm_rate <= runs.MOST_FALSE_ALARMS, [review.name for review, _ in proof.false_alarms]


def test_the_seeded_set_is_as_large_as_it_must_be_and_has_every_kind() -> None:
    assert len(ERRORS) >= 150 and len(CORRECT) >= 300
    assert {review.kind for review in ERRORS} == set(runs.FAMILIES) and {review.kind for review in CORRECT} == {""}
    assert len({(review.name, review.sex, review.age) for review in (*ERRORS, *CORRECT)}) > 600


def test_no_correct_review_is_blocked() -> None:
    gate = runs.shipped_gate()
    assert [review.name for review in CORRECT if any(each.is_blocking for each in gate.findings(runs.as_input(review)))] == []


def test_every_shipped_check_has_examples_that_hold() -> None:
    assert checks_problems(CHECKS, ITEMS, runs.ON) == ()
    assert all(each.text and each.remedy and each.source and not each.approved for each in CHECKS)


@pytest.mark.parametrize("name", ["GATE_MALE", "GATE_CHEM", "GATE_SIDE_KIDNEY", "GATE_ORDER", "GATE_ALERT", "GATE_BP"])
def test_what_is_certain_blocks(name: str) -> None:
    assert next(each for each in CHECKS if each.code == name).is_blocking


def test_what_a_doctor_may_judge_only_warns() -> None:
    assert not any(each.is_blocking for each in CHECKS if isinstance(each.test, Matching))


def test_a_check_without_a_true_and_a_false_example_is_refused() -> None:
    mine = check(Bounds((Bound("GLU", high=Decimal(60)),)), examples=(GateExample(True, {"GLU": "98"}),))
    assert check_problems(mine, ITEMS, runs.ON) == ("至少要有一个应命中和一个不应命中的例子",)
    wrong = msgspec.structs.replace(mine, examples=(*mine.examples, GateExample(False, {"GLU": "70"})))
    assert check_problems(wrong, ITEMS, runs.ON) == ("第 2 个例子不应命中却命中了",)


def test_a_check_of_what_the_catalogue_does_not_know_is_refused() -> None:
    examples = (GateExample(True), GateExample(False))
    assert check_problems(check(Unchanged(("NOPE",)), examples=examples), ITEMS, runs.ON) == ("项目字典中没有 NOPE",)
    mine = check(Matching(when=Chosen("US_ABD", ("没有这一项",)), words=("x",)), examples=examples)
    assert check_problems(mine, ITEMS, runs.ON) == ("腹部超声没有“没有这一项”这一选项",)


def test_a_check_holds_only_between_its_dates() -> None:
    given = example_input(GateExample(True, {"GLU": "98"}), ITEMS, runs.ON)
    mine = check(Bounds((Bound("GLU", high=Decimal(60)),)))
    for since, until, hits in (("2026-11-21", None, 1), ("2026-11-22", None, 0), (None, "2026-11-22", 1), (None, "2026-11-21", 0)):
        dated = msgspec.structs.replace(
            mine, valid_from=since and date.fromisoformat(since), valid_to=until and date.fromisoformat(until)
        )
        assert len(CompiledGate([dated]).findings(given)) == hits


_GLUCOSE = Bounds((Bound("GLU", low=Decimal("0.5"), high=Decimal(60), slip="mg/dL"),))


@pytest.mark.parametrize(
    ("raw", "hits"),
    [("60.00", 0), ("60.01", 1), ("0.50", 0), ("0.49", 1), (">60", 1), (">33.3", 0), ("<0.5", 1), ("<0.6", 0), ("溶血", 0)],
)
def test_a_value_at_its_bound_is_possible_and_beyond_it_is_not(raw: str, hits: int) -> None:
    assert len(found(_GLUCOSE, {"GLU": raw})) == hits


def test_a_bound_tells_the_unit_that_is_likely_meant() -> None:
    (finding,) = found(_GLUCOSE, {"GLU": "98.00"})
    assert finding == GateFinding("T", 1, False, "不符:空腹血糖 98.00 mmol/L ↑,疑为mg/dL", "请核对")


_PRESSURE = Relation("DBP", "<", "SBP")


@pytest.mark.parametrize(
    ("values", "hits"),
    [
        ({"SBP": "80", "DBP": "122"}, 1), ({"SBP": "90", "DBP": "90"}, 1), ({"SBP": "91", "DBP": "90"}, 0), ({"SBP": "80"}, 0),
        ({"SBP": ">80", "DBP": "122"}, 0), ({"SBP": "无法测出", "DBP": "90"}, 0),
    ],
)  # fmt: skip
def test_a_relation_speaks_only_of_exact_values_that_are_there(values: dict[str, str], hits: int) -> None:
    assert len(found(_PRESSURE, values)) == hits


def test_a_relation_allows_its_tolerance() -> None:
    test = msgspec.convert({"kind": "relation", "left": "DBIL", "op": "<=", "right": "TBIL", "tolerance": "0.5", "percent": "5"}, Relation)
    assert not found(test, {"TBIL": "10.0", "DBIL": "11.0"})
    assert found(test, {"TBIL": "10.0", "DBIL": "11.1"})


def test_a_computation_that_cannot_be_done_says_nothing() -> None:
    assert not found(Relation("MCV", "=", ["/", "HCT", "RBC"]), {"MCV": "90", "HCT": "40", "RBC": "0"})


_NOT_MALE = NotFor(Sex("M"), words=("子宫", "宫颈"))


@pytest.mark.parametrize(
    ("note", "hits"),
    [("子宫肌瘤", 1), ("母亲患子宫肌瘤", 0), ("未见子宫异常", 1), ("妻子子宫切除,本人宫颈炎", 1), ("胆囊息肉", 0)],
)
def test_a_word_of_the_other_sex_counts_unless_said_of_a_relative(note: str, hits: int) -> None:
    assert len(found(_NOT_MALE, notes=(note,))) == hits
    assert not found(_NOT_MALE, notes=(note,), sex="F")


def test_a_stated_word_may_be_denied() -> None:
    test = NotFor(Age(at_least=56), words=("宫内妊娠",), is_stated=True)
    assert found(test, notes=("宫内妊娠",), age=68) and not found(test, notes=("未见宫内妊娠",), age=68)


_STONE = Matching(
    when=Chosen("US_ABD", ("胆囊结石",)), phrases=("胆囊*结石",), words=("胆囊*结石", "胆石"), claims=("胆囊*结石",), history=("胆囊结石",)
)


@pytest.mark.parametrize(
    ("values", "notes", "lines", "hits"),
    [
        ({"US_ABD": "胆囊结石"}, (), ("胆囊结石",), 0), ({"US_ABD": "胆囊结石"}, (), ("胆石症",), 0), ({"US_ABD": "胆囊结石"}, (), ("肾结石",), 1),
        ({"US_ABD": "胆囊结石"}, (), ("未见胆囊结石",), 1), ({}, ("胆囊多发结石",), (), 1), ({}, ("胆囊未见结石",), (), 0),
        ({}, ("既往胆囊结石",), (), 0), ({}, ("胆囊、肾未见结石",), (), 0), ({}, ("胆囊炎、肾结石",), (), 0), ({}, (), ("胆囊结石",), 1),
        ({}, (), ("胆囊结石术后",), 0), ({}, (), ("排除胆囊结石",), 0), ({}, ("胆囊强回声,考虑胆囊结石",), ("胆囊结石",), 0),
    ],
)  # fmt: skip
def test_a_finding_and_its_conclusion_belong_together(values: dict[str, str], notes: Any, lines: Any, hits: int) -> None:
    assert len(found(_STONE, values, notes=notes, lines=lines)) == hits


def test_a_known_history_supports_a_conclusion() -> None:
    assert not found(_STONE, lines=("胆囊结石",), history=("胆囊结石",))


def test_a_line_that_answers_for_a_finding_needs_no_matching_words() -> None:
    values = {"US_ABD": ["胆囊结石", "肾结石"]}
    assert not found(_STONE, values, lines=(GateLine("腹部超声重要异常", frozenset({("US_ABD", "胆囊结石")})),))
    assert found(_STONE, values, lines=(GateLine("腹部超声重要异常", frozenset({("US_ABD", "肾结石")})),))


def test_what_a_rule_claims_is_the_rules_own_matter() -> None:
    assert found(_STONE, lines=(GateLine("胆囊结石"),)) and not found(_STONE, lines=(GateLine("胆囊结石", is_by_rule=True),))


_NAMED = Named(
    (NamedChoice("US_ABD", "胆囊腺肌症", "胆囊腺肌症", ("腺肌",)), NamedChoice("XR_CHE", "主动脉迂曲钙化", "主动脉钙化", ("主动脉",)),
     NamedChoice("CT_CHE", "主动脉钙化", "主动脉钙化", ("主动脉",)))
)  # fmt: skip


@pytest.mark.parametrize(
    ("values", "notes", "lines", "hits"),
    [
        ({"US_ABD": "胆囊腺肌症"}, (), ("胆囊腺肌症",), 0), ({"US_ABD": "胆囊腺肌症"}, (), ("胆囊底腺肌样改变",), 0),
        ({"US_ABD": "胆囊腺肌症"}, (), ("肝囊肿",), 1), ({}, (), ("胆囊腺肌症",), 1), ({}, ("考虑胆囊腺肌症",), ("胆囊腺肌症",), 0),
        ({"XR_CHE": "主动脉迂曲钙化"}, (), ("主动脉钙化",), 0), ({"XR_CHE": "心肺膈未见异常"}, (), ("主动脉钙化",), 1),
        ({"US_ABD": "胆囊腺肌症"}, (), (GateLine("腹部超声重要异常", frozenset({("US_ABD", "胆囊腺肌症")})),), 0),
    ],
)  # fmt: skip
def test_a_choice_and_the_conclusion_called_like_it_belong_together(values: Any, notes: Any, lines: Any, hits: int) -> None:
    assert len(found(_NAMED, values, notes=notes, lines=lines)) == hits


def test_what_a_department_writes_of_the_past_supports_a_conclusion() -> None:
    test = Matching(claims=("冠心病",))
    assert found(test, lines=("冠心病",)) and not found(test, notes=("既往冠心病史",), lines=("冠心病",))
    assert found(test, notes=("父亲冠心病",), lines=("冠心病",)) and found(test, notes=("否认冠心病",), lines=("冠心病",))


_KIDNEYS = Sided(("肾",), ("结石", "囊肿"), ignore=("左心室",))


@pytest.mark.parametrize(
    ("note", "line", "hits"),
    [
        ("左肾囊肿", "左肾囊肿", 0), ("左肾囊肿", "右肾囊肿", 1), ("左肾囊肿", "肾囊肿", 0), ("双肾囊肿", "左肾囊肿", 0), ("左肾囊肿", "双肾囊肿", 1),
        ("左肾囊肿,右肾结石", "右肾囊肿", 1), ("左肾囊肿,右肾结石", "左肾囊肿;右肾结石", 0), ("左肾囊肿,右肾未见异常", "右肾囊肿", 1),
        ("肾囊肿", "右肾囊肿", 0), ("左肾切除术后,右肾囊肿", "右肾囊肿", 0), ("左心室肥大,右肾囊肿", "右肾囊肿", 0), ("左肾结石", "右肾囊肿", 0),
    ],
)  # fmt: skip
def test_sides_are_compared_lesion_by_lesion(note: str, line: str, hits: int) -> None:
    assert len(found(_KIDNEYS, notes=(note,), lines=(line,))) == hits


@pytest.mark.parametrize(
    ("word", "text", "is_stated"),
    [
        ("血尿^酸", "镜下血尿", True), ("血尿^酸", "血尿酸升高", False), ("肝*囊肿", "肝右叶囊肿", True), ("肝*囊肿", "脂肪肝、肾囊肿", False),
        ("甲状腺*结节", "甲状腺未见结节", False), ("甲状腺*结节", "甲状腺右叶低回声结节", True), ("肺*结节", "不除外肺结节", True),
    ],
)  # fmt: skip
def test_words_with_gaps_and_exceptions(word: str, text: str, is_stated: bool) -> None:
    assert Words((word,)).stated_in(text) is is_stated


def test_the_same_review_gives_the_same_findings_blocking_ones_first() -> None:
    review = next(each for each in ERRORS if each.name == "male with a uterus scan")
    first, again = (CompiledGate(CHECKS).findings(runs.as_input(review)) for _ in range(2))
    assert first == again and [each.is_blocking for each in first] == sorted((each.is_blocking for each in first), reverse=True)

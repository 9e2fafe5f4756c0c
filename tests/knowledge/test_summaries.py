"""The drafted department summary, and its wording as data of the book."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exam.knowledge.book import RuleBook
from exam.knowledge.facts import Flag
from exam.knowledge.rules import OUTSTANDING, book_problems, judge, nothing_text, summarize, value_text, wording_for
from exam.knowledge.rules.summaries import wording_problems
from exam.knowledge.soundness import entry_problems
from exam.knowledge.summary_wording import STANDARD, SummaryExample, SummaryWording
from results.summaries import summary_problem
from tests.knowledge.cases import BOOK, ITEMS, MAN, ON


def test_findings_are_listed_in_the_order_of_the_dictionary() -> None:
    readings = [judge(ITEMS[code], raw, "", MAN) for code, raw in (("TC", "4.00"), ("TG", "2.80"), ("HDL", "0.90"))]
    summary = summarize("检验科", readings, True)
    assert summary.text == "甘油三酯 2.80 mmol/L ↑;高密度脂蛋白胆固醇 0.90 mmol/L ↓"
    assert summary.abnormal_items == ("TG", "HDL")


def test_an_abnormal_choice_is_written_with_its_item() -> None:
    readings = [judge(ITEMS["MED_RHY"], "早搏", "", MAN), judge(ITEMS["MED_LUNG"], "呼吸音清", "", MAN)]
    assert summarize("内科", readings, True).text == "心律:早搏"


def test_a_value_that_could_not_be_judged_is_named_with_its_reason() -> None:
    text = summarize("检验科", [judge(ITEMS["GLU"], "5.0", "条", MAN)], True).text
    assert "空腹血糖 5.0 条 ?" in text
    assert "不能换算" in text


def test_nothing_abnormal_is_written_only_when_everything_is_done() -> None:
    readings = [judge(ITEMS["MED_RHY"], "齐", "", MAN)]
    assert summarize("内科", readings, True).text == "内科未见明显异常"
    assert summarize("内科", readings, False).text == ""


@settings(deadline=None)
@given(st.lists(st.sampled_from(["齐", "早搏", "房颤律", "看不清"]), max_size=6), st.booleans())
def test_nothing_abnormal_never_stands_beside_a_finding(picks: list[str], is_complete: bool) -> None:
    readings = [judge(ITEMS["MED_RHY"], pick, "", MAN) for pick in picks]
    summary = summarize("内科", readings, is_complete)
    is_clean = all(reading.flag is Flag.NORMAL for reading in readings)
    assert ("未见明显异常" in summary.text) is (is_clean and is_complete)
    assert len(summary.abnormal_items) == sum(reading.flag in OUTSTANDING for reading in readings)


# --- wording as data -------------------------------------------------------------------------------------------------

OWN = SummaryWording(
    "SUM-X", 1, "检验科小结", number="{name}{word}({value})", choice="{name}为{value}", unjudged="{finding},原因 {why}",
    nothing="{department}所检结果均在参考范围内", departments=("LAB",), source="自拟",
    examples=(
        SummaryExample("检验科", {"TG": "2.80", "HBSAG": "阳性"}, "甘油三酯偏高(2.80 mmol/L);乙肝表面抗原为阳性"),
        SummaryExample("检验科", {"TG": "1.00"}, "检验科所检结果均在参考范围内"),
    ),
)  # fmt: skip


@pytest.mark.parametrize("wording", BOOK.summaries, ids=[each.code for each in BOOK.summaries])
def test_every_shipped_wording_passes_its_own_examples_and_says_what_was_said_before(wording: SummaryWording) -> None:
    assert wording_problems(wording, ITEMS) == ()
    assert len(wording.examples) >= 2 and wording.source and not wording.approved
    names = ("number", "choice", "unjudged", "nothing")
    assert [getattr(wording, each) for each in names] == [getattr(STANDARD, each) for each in names]


def test_a_department_has_its_own_wording_before_the_general_one() -> None:
    assert {each for wording in BOOK.summaries for each in wording.departments} >= {"GEN", "LAB", "MED", "USG", "RAD", "GYN"}
    assert wording_for(BOOK.summaries, "LAB", ON).code == "SUM-LAB"
    assert wording_for(BOOK.summaries, "NEW", ON).code == "SUM"
    assert wording_for((), "LAB", ON) is STANDARD
    ended = msgspec.structs.replace(OWN, valid_to=ON)
    later = msgspec.structs.replace(OWN, valid_from=ON + timedelta(1))
    assert wording_for((ended, later), "LAB", ON) is STANDARD
    assert wording_for((ended, later), "LAB", ON - timedelta(1)).code == "SUM-X"
    assert wording_for((ended, later), "LAB", ON + timedelta(1)).code == "SUM-X"


def test_a_summary_is_written_in_the_words_of_the_book() -> None:
    readings = [judge(ITEMS[code], raw, "", MAN) for code, raw in (("TG", "2.80"), ("HDL", "0.90"), ("HBSAG", "阳性"), ("K", "溶血"))]
    found = summarize("检验科", readings, True, OWN)
    assert found.text == (
        "甘油三酯偏高(2.80 mmol/L);高密度脂蛋白胆固醇偏低(0.90 mmol/L);乙肝表面抗原为阳性;钾未能判定(溶血),原因 “溶血”不是数值"
    )
    assert found.abnormal_items == ("TG", "HDL", "HBSAG", "K")
    assert summarize("检验科", [judge(ITEMS["TG"], "1.00", "", MAN)], True, OWN).text == "检验科所检结果均在参考范围内"


def test_what_a_person_typed_is_never_read_as_a_placeholder() -> None:
    reading = judge(ITEMS["K"], "{name}{why}", "", MAN)
    assert "{name}{why}" in summarize("检验科", [reading], True).text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"number": "{name} 异常"}, "缺少 {value}"),
        ({"number": "{name} {value}"}, "{sign} 或 {word}"),
        ({"number": "{value} {name} {sign}"}, "以 {name} 开头"),
        ({"number": "{name} {value} {sign} {value}"}, "只能写一次"),
        ({"choice": "{value}"}, "以 {name} 开头"),
        ({"choice": "{name};{value}"}, "分号"),
        ({"unjudged": "{why}"}, "以 {finding} 开头"),
        ({"unjudged": "{finding}"}, "缺少 {why}"),
        ({"nothing": " "}, "不能为空"),
        ({"nothing": "{name}正常"}, "没有占位符 {name}"),
        ({"nothing": "{department.__class__}"}, "花括号"),
        ({"nothing": "正常" * 60}, "超过"),
    ],
)
def test_a_wording_that_could_hide_a_finding_cannot_be_made(changes: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        SummaryWording(**{**msgspec.structs.asdict(OWN), **changes})


def test_what_is_wrong_with_a_wording_is_told_before_it_may_be_proposed() -> None:
    def problems(**changes: Any) -> str:
        return ";".join(text for _, text in entry_problems(msgspec.structs.replace(OWN, **changes), ITEMS, set(), ON))

    assert problems() == ""
    assert "科室 XYZ" in problems(departments=("XYZ",))
    assert "不能写项目名称“甘油三酯”" in problems(nothing="甘油三酯等均正常")
    assert "至少要有一个有异常和一个无异常" in problems(examples=OWN.examples[:1])
    wrong = msgspec.structs.replace(OWN.examples[0], text="甘油三酯高")
    assert "第 1 个例子得出的小结是“甘油三酯偏高" in problems(examples=(wrong, OWN.examples[1]))
    unknown = msgspec.structs.replace(OWN.examples[0], values={"NOSUCH": "1"})
    assert "没有 NOSUCH" in problems(examples=(unknown, OWN.examples[1]))


def test_two_wordings_of_one_department_do_not_make_a_book() -> None:
    second = msgspec.structs.replace(OWN, code="SUM-Y")
    assert any("已有小结用语 SUM-X" in each for each in book_problems(RuleBook(summaries=(OWN, second)), ITEMS, ON))
    ended = msgspec.structs.replace(second, valid_to=ON)
    assert book_problems(RuleBook(summaries=(OWN, ended)), ITEMS, ON) == ()


_LITERAL = st.text("的结果为提示:,() -未见明显异常", max_size=8)


@st.composite
def wordings(draw: st.DrawFn) -> SummaryWording:
    """Any wording that can be made."""
    mark = draw(st.sampled_from(["{sign}", "{word}", "{word}{sign}"]))
    value = "{value}"
    parts = draw(st.permutations([value, mark]))
    return SummaryWording(
        "X", 1, "x", number="{name}" + draw(_LITERAL) + parts[0] + draw(_LITERAL) + parts[1] + draw(_LITERAL),
        choice="{name}" + draw(_LITERAL) + value + draw(_LITERAL), unjudged="{finding}" + draw(_LITERAL) + "{why}",
        nothing="{department}" + draw(_LITERAL) + "均可",
    )  # fmt: skip


_WRITTEN = st.fixed_dictionaries(
    {},
    optional={
        "TG": st.sampled_from(["1.00", "2.80", "<0.5", "溶血"]), "HDL": st.sampled_from(["0.90", "1.30"]),
        "HBSAG": st.sampled_from(["阴性", "阳性", "看不清"]), "GLU": st.sampled_from(["5.0", "9.10"]),
    },
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(wordings(), _WRITTEN, st.booleans())
def test_no_wording_leaves_a_finding_out_or_says_nothing_beside_one(
    wording: SummaryWording, written: dict[str, str], is_complete: bool
) -> None:
    readings = {code: judge(ITEMS[code], raw, "", MAN) for code, raw in written.items()}
    found = summarize("检验科", readings.values(), is_complete, wording)
    flagged = [each for each in readings.values() if each.flag in OUTSTANDING]
    assert found.abnormal_items == tuple(each.item for each in flagged)
    for each in flagged:
        assert each.name in found.text and value_text(each) in found.text
    assert (found.text == nothing_text("检验科", wording)) is (is_complete and not flagged)
    assert bool(found.text) is bool(flagged or is_complete)
    # What was drafted may be signed, and is refused once one of its values is another one.
    assert summary_problem("检验科", found.text, ITEMS, readings, wording) is None
    if flagged:
        assert summary_problem("检验科", nothing_text("检验科", wording), ITEMS, readings, wording) is not None

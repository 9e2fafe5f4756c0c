"""The drafted department summary."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from exam.knowledge.facts import Flag
from exam.knowledge.rules import OUTSTANDING, judge, summarize
from tests.knowledge.cases import ITEMS, MAN


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

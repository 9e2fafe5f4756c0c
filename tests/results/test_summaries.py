"""The department's summary: drafted anew from what is saved, and never signed against the values."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exam.kit.clock import day_of
from exam.kit.errors import Refused
from exam.kit.house import House, system_actor
from exam.knowledge import service as rule_store
from exam.knowledge.book import Entry as BookEntry
from exam.knowledge.starter import load_rule_book
from exam.visits.facts import OrderLine
from results import rules, summaries
from results import service as results
from results.facts import DeliveredValue, Entry, RecordState
from tests.results.cases import GENERAL, Acting, arrive, assert_sound, enter, normal_of, verify
from tests.results.test_rules import CATALOGUE, MAN, line, sheet

Values = dict[str, Any]


def problem(lines: tuple[OrderLine, ...], department: str, values: dict[str, tuple[str, ...]], summary: str) -> str:
    """The code of what is wrong with a summary of these values; empty when nothing is."""
    asked = sheet(*lines, department=department)
    readings = rules.judged(asked, values, MAN, {})
    found = summaries.summary_problem(CATALOGUE.departments[department].name, summary, asked.items, readings)
    return found[0].removeprefix("results.summary_") if found else ""


GENERAL_LINE = (line("G001"),)
LIPID_LINE = (line("G038"),)
PRESSURE = {"SBP": ("150",), "DBP": ("82",), "SPO2": ("88",)}
LIPIDS = {"TC": ("6.50",), "TG": ("1.20",), "HDL": ("1.30",), "LDL": ("2.50",)}


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("收缩压 150 mmHg ↑;血氧饱和度(指脉氧) 88 % ↓", ""),
        ("收缩压偏高,血氧饱和度低,建议复测", ""),
        ("收缩压 150 mmHg ↑", "omits"),
        ("血压偏高;指脉氧低", "omits"),
        ("未见明显异常", "contradicts"),
        ("收缩压 150 mmHg ↑;舒张压 105 mmHg ↑;血氧饱和度(指脉氧) 88 % ↓", "outdated"),
        ("收缩压 160 mmHg ↑;血氧饱和度(指脉氧) 88 % ↓", "outdated"),
        ("收缩压 150 mmHg ↓;血氧饱和度(指脉氧) 88 % ↓", "outdated"),
        ("收缩压 150.0 mmHg ↑;血氧饱和度(指脉氧) 88 % ↓", ""),
        ("收缩压 150 mmHg ↑(上次收缩压 170 mmHg ↑);血氧饱和度 88 % ↓", ""),
        ("舒张压 82 mmHg 收缩压 150 mmHg ↑ 血氧饱和度 88 % ↓", ""),
    ],
)
def test_a_summary_names_every_flagged_item_and_quotes_only_present_values(summary: str, expected: str) -> None:
    named = sheet(*GENERAL_LINE).items["SPO2"].name
    said = summary.replace("血氧饱和度(指脉氧)", named).replace("血氧饱和度", named)
    assert problem(GENERAL_LINE, "GEN", PRESSURE, said) == expected


def test_a_name_inside_a_longer_name_is_not_mistaken_for_it() -> None:
    asked = sheet(*LIPID_LINE, department="LAB")
    assert any(a.name != b.name and a.name in b.name for a in asked.items.values() for b in asked.items.values())
    readings = rules.judged(asked, LIPIDS, MAN, {})
    draft = summaries.draft_summary("检验科", asked, readings).text
    assert problem(LIPID_LINE, "LAB", LIPIDS, draft) == ""
    low = {**LIPIDS, "HDL": ("0.70",)}
    assert problem(LIPID_LINE, "LAB", low, draft) in ("omits", "outdated")


def test_choices_are_said_by_their_words_and_not_when_they_are_gone() -> None:
    lines, picked = (line("G013"),), {"US_ABD": ("脂肪肝(轻度)", "胆囊结石")}
    name = sheet(*lines, department="USG").items["US_ABD"].name
    for summary, expected in (
        (f"{name}:脂肪肝(轻度)、胆囊结石", ""), ("轻度脂肪肝,胆囊结石约 5mm", ""), ("脂肪肝", "omits"),
        (f"{name}:脂肪肝(重度)、胆囊结石", "outdated"),
    ):  # fmt: skip
        assert problem(lines, "USG", picked, summary) == expected, summary


def test_an_untouched_draft_is_drafted_anew_from_what_is_saved(house: House, acting: Acting) -> None:
    """The screen drafts a moment after typing; a value may be typed and signed within that moment."""
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    shown = "收缩压 150 mmHg ↑"
    entry = Entry(base_version=0, values={**GENERAL, "SBP": "150", "SPO2": "88"}, summary=shown, shown_draft=shown)
    with house.unit(wu) as db:
        signed = results.finish(db, visit_id, "GEN", entry)
    assert signed.state == RecordState.VERIFIED
    assert "收缩压 150 mmHg ↑" in signed.summary and "88" in signed.summary
    with house.unit(wu) as db:
        results.reopen(db, visit_id, "GEN", "血压复测")
    assert "收缩压" not in enter(house, wu, visit_id, base=3, SBP="120").summary
    assert_sound(house)


def test_an_old_draft_that_a_browser_calls_the_doctors_own_words_is_not_signed(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    entry = Entry(base_version=0, values={**GENERAL, "SBP": "150", "SPO2": "88"}, summary="收缩压 150 mmHg ↑")
    with pytest.raises(Refused, match="summary_omits") as refused, house.unit(wu) as db:
        results.finish(db, visit_id, "GEN", entry)
    assert refused.value.field == "summary" and "采用自动小结" in refused.value.hint and "88" in refused.value.text
    with house.unit(wu, write=False) as db:
        assert results.department_result(db, visit_id, "GEN").version == 0


def test_own_words_that_quote_a_corrected_value_are_not_signed(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, **{**GENERAL, "DBP": "105"}, summary="舒张压 105 mmHg ↑,建议复测")
    assert verify(house, wu, visit_id).state == RecordState.VERIFIED
    with house.unit(wu) as db:
        results.reopen(db, visit_id, "GEN", "复测")
    enter(house, wu, visit_id, base=3, DBP="82")
    with pytest.raises(Refused, match="summary_outdated") as refused:
        verify(house, wu, visit_id, seen=4)
    assert "105" in refused.value.text and "82" in refused.value.text
    taken = enter(house, wu, visit_id, base=4, summary="")
    assert "105" not in taken.summary
    assert verify(house, wu, visit_id, seen=5).state == RecordState.VERIFIED
    assert_sound(house)


def test_a_correction_of_a_signed_record_takes_words_away_that_it_made_false(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, **{**GENERAL, "DBP": "105"}, summary="舒张压 105 mmHg ↑,建议复测")
    verify(house, wu, visit_id)
    with house.unit(wu) as db:
        corrected = results.receive(db, visit_id, "GEN", [DeliveredValue("DBP", "82")], reason="血压计更正")
    assert corrected.state == RecordState.VERIFIED and "105" not in corrected.summary
    with house.unit(wu, write=False) as db:
        kept = [change.before for version in results.versions(db, visit_id, "GEN") for change in version.changes]
    assert "舒张压 105 mmHg ↑,建议复测" in kept


def test_taking_the_draft_replaces_ones_own_words(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, SBP="150", summary="血压偏高")
    with house.unit(wu) as db:
        found = results.enter(
            db, visit_id, "GEN", Entry(base_version=1, values={"SBP": "160"}, summary="收缩压 150 mmHg ↑", shown_draft="收缩压 150 mmHg ↑")
        )
    assert found.summary == "收缩压 160 mmHg ↑"


def test_a_number_shown_with_its_decimals_is_no_change(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    item = sheet(*GENERAL_LINE).items["WC"]
    assert (rules.shown_text(item, "95"), rules.shown_text(item, "<95"), rules.shown_text(item, "95.55")) == ("95.0", "<95", "95.55")
    assert enter(house, wu, visit_id, WC="95").version == 1
    assert enter(house, wu, visit_id, base=1, WC="95.0").version == 1
    enter(house, wu, visit_id, base=1, WC="96")
    found = enter(house, wu, visit_id, base=1, WC="95.0", HT="170")
    assert {each.item: each.raw for each in found.readings} == {"WC": "96", "HT": "170"}


# --- worded by the book ----------------------------------------------------------------------------------------------

SHIPPED = next(each for each in load_rule_book().summaries if each.code == "SUM-GEN")
WORDED = msgspec.structs.replace(
    SHIPPED, number="{name}{word}:{value}", nothing="{department}各项在参考范围内",
    examples=(
        msgspec.structs.replace(SHIPPED.examples[0], values={"SBP": "150"}, text="收缩压偏高:150 mmHg"),
        msgspec.structs.replace(SHIPPED.examples[0], values={"SBP": "118"}, text="一般检查各项在参考范围内"),
    ),
)  # fmt: skip


def publish(house: House, *entries: BookEntry) -> None:
    with house.unit(system_actor("01")) as db:
        rule_store.publish(db, entries, valid_from=day_of(house.clock.now()), reason="改用本院写法")


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("收缩压偏高:150 mmHg;血氧饱和度偏低:88 %", ""),
        ("收缩压偏高:160 mmHg;血氧饱和度偏低:88 %", "outdated"),
        ("收缩压偏低:150 mmHg;血氧饱和度偏低:88 %", "outdated"),
        ("收缩压偏高:150 mmHg;舒张压偏高:105 mmHg;血氧饱和度偏低:88 %", "outdated"),
        ("收缩压偏高:130-150 mmHg 之间波动;血氧饱和度偏低:88 %", ""),
        ("上次收缩压偏高:170 mmHg,本次收缩压偏高:150 mmHg;血氧饱和度偏低:88 %", ""),
        ("收缩压 160 mmHg ↑;血氧饱和度偏低:88 %", "outdated"),
        ("一般检查各项在参考范围内", "contradicts"),
        ("未见明显异常", "contradicts"),
    ],
)
def test_a_value_quoted_in_the_words_of_the_book_is_compared_too(summary: str, expected: str) -> None:
    asked = sheet(*GENERAL_LINE, department="GEN")
    readings = rules.judged(asked, PRESSURE, MAN, {})
    said = summary.replace("血氧饱和度", asked.items["SPO2"].name)
    found = summaries.summary_problem("一般检查", said, asked.items, readings, WORDED)
    assert (found[0].removeprefix("results.summary_") if found else "") == expected


def test_the_book_words_the_draft_which_is_signed_and_follows_a_correction(house: House, acting: Acting) -> None:
    publish(house, WORDED)
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    assert enter(house, wu, visit_id, **{**GENERAL, "SBP": "150"}).summary == "收缩压偏高:150 mmHg"
    assert verify(house, wu, visit_id).state == RecordState.VERIFIED
    with house.unit(wu) as db:
        corrected = results.receive(db, visit_id, "GEN", [DeliveredValue("SBP", "118")], reason="血压计更正")
    assert (corrected.state, corrected.summary) == (RecordState.VERIFIED, "一般检查各项在参考范围内")
    assert_sound(house)


def test_another_departments_words_are_left_as_they_are(house: House, acting: Acting) -> None:
    publish(house, WORDED)
    visit_id = arrive(house, acting("lin"))
    assert "未见明显异常" in enter(house, acting("mo"), visit_id, "MED", **{**normal_of("MED"), "MED_HR": "72"}).summary


def test_a_draft_in_the_words_of_this_morning_is_never_signed_against_the_values(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    assert enter(house, wu, visit_id, **{**GENERAL, "SBP": "150"}).summary == "收缩压 150 mmHg ↑"
    publish(house, WORDED)
    assert enter(house, wu, visit_id, base=1, SBP="120").summary == "收缩压 150 mmHg ↑"  # taken for a doctor's own by now
    with pytest.raises(Refused, match="summary_outdated") as refused:
        verify(house, wu, visit_id, seen=2)
    assert "采用自动小结" in refused.value.hint
    assert enter(house, wu, visit_id, base=2, summary="").summary == "一般检查各项在参考范围内"
    assert verify(house, wu, visit_id, seen=3).state == RecordState.VERIFIED

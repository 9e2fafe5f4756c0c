"""The pure rules of results: merging, missing items, summaries, states."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.catalog import starter
from exam.catalog.facts import Catalogue, Item
from exam.kit.errors import Refused
from exam.knowledge.facts import Flag, Subject
from exam.knowledge.rules import judge
from exam.visits.facts import LineState, OrderLine, VisitState
from results import rules, summaries
from results.facts import RecordState
from tests.results.cases import TODAY

LOADED = starter.load()
CATALOGUE = Catalogue(
    1,
    TODAY,
    departments={each.code: each for each in LOADED.departments},
    items={each.code: each for each in LOADED.items},
    groups={each.code: each for each in LOADED.groups},
    packages={each.code: each for each in LOADED.packages},
    tubes={each.code: each for each in LOADED.tubes},
)
MAN = Subject("M", 41)


def line(group: str, state: LineState = LineState.PENDING, number: int = 1) -> OrderLine:
    found = CATALOGUE.groups[group]
    return OrderLine(UUID(int=number), UUID(int=0), group, found.name, found.department, 0, "added", state)


def sheet(*lines: OrderLine, department: str = "GEN", sex: str = "M") -> rules.Sheet:
    return rules.sheet_of(CATALOGUE, lines, department, sex)


texts = st.sampled_from([(), ("1",), ("2",), ("1", "2")])
entries = st.dictionaries(st.sampled_from("abcde"), texts)


# --- merging ---------------------------------------------------------------------------------------------------------


@given(base=entries, mine=entries)
def test_without_anybody_else_our_entry_is_taken_as_it_is(base: dict[str, rules.Texts], mine: dict[str, rules.Texts]) -> None:
    merged = rules.merge(base, base, mine)
    assert merged.conflicts == ()
    after, wanted = {**base, **merged.changed}, {**base, **mine}
    assert all(after.get(item, ()) == wanted.get(item, ()) for item in wanted)


@given(base=entries, theirs=entries, mine=entries)
def test_every_item_is_ours_theirs_or_asked_about(
    base: dict[str, rules.Texts], theirs: dict[str, rules.Texts], mine: dict[str, rules.Texts]
) -> None:
    merged = rules.merge(base, theirs, mine)
    asked = {item for item, *_ in merged.conflicts}
    assert not asked & merged.changed.keys()
    for item in {*base, *theirs, *mine}:
        before, now, own = base.get(item, ()), theirs.get(item, ()), mine.get(item, base.get(item, ()))
        result = merged.changed.get(item, now)
        if item in asked:
            assert before != now and before != own and now != own
        elif own == before:
            assert result == now
        else:
            assert result == own


@given(base=entries, theirs=entries, mine=entries)
def test_merging_again_after_choosing_finds_no_conflict(
    base: dict[str, rules.Texts], theirs: dict[str, rules.Texts], mine: dict[str, rules.Texts]
) -> None:
    merged = rules.merge(base, theirs, mine)
    chosen = {**merged.changed, **{item: own for item, _, _, own in merged.conflicts}}
    assert rules.merge(theirs, theirs, chosen).conflicts == ()


# --- what there is to fill in ----------------------------------------------------------------------------------------


def test_items_of_the_other_sex_and_of_refused_lines_are_absent_and_postponed_ones_are_not_required() -> None:
    assert "SUR_BRE" not in sheet(line("G003"), department="SUR").items
    assert "SUR_PRO" not in sheet(line("G003"), department="SUR", sex="F").items
    assert sheet(line("G001", LineState.REFUSED)).items == {}
    postponed = sheet(line("G001", LineState.POSTPONED))
    assert "HT" in postponed.items and postponed.required == frozenset()


def test_computed_and_optional_items_are_never_missing() -> None:
    missing = rules.missing_items(sheet(line("G004"), line("G001", number=2), department="EYE"), {})
    assert "VA_R" in missing and "VAC_R" not in missing
    assert "BMI" not in rules.missing_items(sheet(line("G001")), {})


def test_private_items_are_known_by_item_and_by_group() -> None:
    assert sheet(line("G050"), department="LAB").privacy
    assert not sheet(line("G001")).privacy


@pytest.mark.parametrize("item", [each for each in LOADED.items if each.choices], ids=lambda item: item.code)
def test_every_choice_item_has_a_normal_answer_that_is_a_choice_and_not_abnormal(item: Item) -> None:
    normal = rules.normal_value(item)
    assert normal in {choice.text for choice in item.choices if not choice.abnormal}


def test_a_line_is_whole_with_its_required_items_and_begun_with_any() -> None:
    whole = sheet(line("G001"))
    numbers = {
        "HT": "170.0",
        "WT": "65",
        "WC": "80",
        "HC": "95",
        "SBP": "120",
        "DBP": "80",
        "PULSE": "70",
        "TEMP": "36.5",
        "SPO2": "98",
    }
    for values, expected in (({}, "none"), ({"HT": "170"}, "some"), (numbers, "all")):
        readings = rules.judged(whole, {code: (text,) for code, text in values.items()}, MAN, {})
        assert rules.line_targets(CATALOGUE, whole, readings) == {UUID(int=1): expected}


# --- judging ---------------------------------------------------------------------------------------------------------


def test_a_computed_item_without_exact_inputs_says_why_and_is_not_flagged() -> None:
    readings = rules.judged(sheet(line("G001")), {"HT": ("<150",), "WT": ("60",)}, MAN, {})
    assert (readings["BMI"].number, readings["BMI"].flag) == (None, Flag.NONE)
    assert "身高" in readings["BMI"].why
    assert "WHR" not in readings


def test_a_number_in_another_unit_is_shown_and_kept_in_the_dictionarys() -> None:
    item = CATALOGUE.items["CREA"]
    delivered = judge(item, "0.9", "mg/dL", MAN)
    assert delivered.number is not None and delivered.number > Decimal(70)
    (shown,) = rules.as_written(delivered)
    lab = sheet(line("G035"), department="LAB")
    assert rules.judged(lab, {"CREA": (shown,)}, MAN, {"CREA": delivered})["CREA"] is delivered


@pytest.mark.parametrize(
    ("stored", "stored_draft", "new_draft", "handed_in", "after"),
    [
        ("", "", "甲", None, "甲"),
        ("甲", "甲", "乙", None, "乙"),
        ("甲", "甲", "乙", "甲", "乙"),
        ("自写", "甲", "乙", None, "自写"),
        ("自写", "甲", "乙", "自写", "自写"),
        ("自写", "甲", "乙", "甲", "乙"),
        ("甲", "甲", "乙", "自写", "自写"),
    ],
)
def test_a_drafted_summary_follows_and_a_written_one_stays(
    stored: str, stored_draft: str, new_draft: str, handed_in: str | None, after: str
) -> None:
    assert summaries.next_summary(stored, stored_draft, new_draft, handed_in) == after


# --- what may happen -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(VisitState))
def test_entry_is_open_from_arrival_to_before_the_final_review(state: VisitState) -> None:
    is_open = state in {
        VisitState.CHECKED_IN, VisitState.IN_EXAM, VisitState.SHEET_RETURNED, VisitState.SECTIONS_DONE, VisitState.CHIEF,
        VisitState.FIRST_REVIEWED,
    }  # fmt: skip
    if is_open:
        rules.require_open_for_entry(state, RecordState.SAVED)
    else:
        with pytest.raises(Refused):
            rules.require_open_for_entry(state, RecordState.SAVED)


@pytest.mark.parametrize("state", [RecordState.VERIFIED, RecordState.LOCKED])
def test_a_signed_record_takes_no_entry(state: RecordState) -> None:
    with pytest.raises(Refused):
        rules.require_open_for_entry(VisitState.IN_EXAM, state)


def test_the_record_table_knows_only_record_states() -> None:
    known = {state.value for state in RecordState}
    assert {before for before, _ in rules.RECORD.moves} | set(rules.RECORD.moves.values()) == known


@given(st.text(max_size=60))
def test_what_is_kept_of_a_text_can_be_stored_and_is_stable(text: str) -> None:
    kept = rules.plain(text)
    assert "\x00" not in kept and kept.encode().decode() == kept
    assert rules.plain(kept) == kept

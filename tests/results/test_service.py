"""Entering through the services, by one, by two at once and from outside, on both databases."""

from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal

import pytest

from exam.catalog.facts import ReferenceRange
from exam.kit.errors import BadInput, Forbidden, NotFound, Refused, Stale
from exam.kit.house import Actor, House
from exam.knowledge.facts import Flag
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineState, Milestone
from results import service as results
from results.facts import DeliveredValue, EntryConflict, RecordState, VersionKind
from tests.conftest import actor_named
from tests.results.cases import GENERAL, Acting, arrive, assert_sound, enter, line_states

# --- records open ----------------------------------------------------------------------------------------------------


def test_check_in_opens_a_record_for_every_department_of_the_order(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    with house.unit(acting("wu"), write=False) as db:
        found = results.department_results(db, visit_id)
    assert [each.department for each in found] == ["GEN", "LAB", "USG", "ECG", "MED", "SUR", "EYE", "ENT", "DEN", "RAD"]
    assert {each.state for each in found} == {RecordState.OPEN}
    assert found[0].missing == ("HT", "WT", "WC", "HC", "SBP", "DBP", "PULSE", "TEMP", "SPO2")
    assert_sound(house)


def test_items_of_the_other_sex_are_absent(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    with house.unit(acting("wu"), write=False) as db:
        surgery = results.department_result(db, visit_id, "SUR")
    assert "SUR_PRO" in surgery.missing and "SUR_BRE" not in surgery.missing
    with pytest.raises(BadInput) as refused:
        enter(house, acting("wu"), visit_id, "SUR", SUR_BRE="未见异常")
    assert refused.value.field == "SUR_BRE"


def test_a_group_added_after_check_in_opens_its_department(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    with house.unit(acting("lin")) as db:
        orders.add_groups(db, visit_id, ["G027"])
    with house.unit(acting("mo"), write=False) as db:
        assert results.department_result(db, visit_id, "TCM").missing == ("TCM_TYPE",)
    assert_sound(house)


# --- entering --------------------------------------------------------------------------------------------------------


def test_what_is_entered_is_judged_computed_and_moves_the_lines(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    first = enter(house, wu, visit_id, HT="170.0", WT="80.5", SBP="150")
    assert (first.version, first.state) == (1, RecordState.SAVED)
    readings = {reading.item: reading for reading in first.readings}
    assert (readings["BMI"].number, readings["BMI"].flag) == (Decimal("27.9"), Flag.HIGH)
    assert (readings["SBP"].flag, readings["SBP"].range_text) == (Flag.HIGH, "90–139")
    assert "收缩压 150 mmHg ↑" in first.summary
    assert line_states(house, wu, visit_id, "GEN") == {LineState.STARTED}
    second = enter(house, wu, visit_id, base=1, **{**GENERAL, "SBP": "120"})
    assert second.missing == () and second.summary == "一般检查未见明显异常"
    assert line_states(house, wu, visit_id, "GEN") == {LineState.RESULTED}
    assert_sound(house)


def test_clearing_a_value_takes_the_line_back_and_the_computed_item_away(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, **GENERAL)
    cleared = enter(house, wu, visit_id, base=1, HT="")
    assert cleared.missing == ("HT",)
    assert "BMI" not in {reading.item for reading in cleared.readings}
    assert line_states(house, wu, visit_id, "GEN") == {LineState.STARTED}
    emptied = enter(house, wu, visit_id, base=2, **dict.fromkeys(GENERAL, ""))
    assert emptied.readings == () and line_states(house, wu, visit_id, "GEN") == {LineState.PENDING}
    assert_sound(house)


def test_saving_without_a_change_makes_no_version(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, HT="170")
    assert enter(house, wu, visit_id, base=1, HT="170").version == 1
    assert enter(house, wu, visit_id, base=1).version == 1


def test_a_summary_that_a_doctor_wrote_stays_and_a_drafted_one_follows_the_values(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    assert enter(house, wu, visit_id, SBP="150").summary == "收缩压 150 mmHg ↑"
    assert enter(house, wu, visit_id, base=1, SBP="160").summary == "收缩压 160 mmHg ↑"
    assert enter(house, wu, visit_id, base=2, summary="血压偏高,建议复测").summary == "血压偏高,建议复测"
    assert enter(house, wu, visit_id, base=3, SBP="165").summary == "血压偏高,建议复测"
    assert enter(house, wu, visit_id, base=4, summary="收缩压 165 mmHg ↑").summary == "收缩压 165 mmHg ↑"
    assert enter(house, wu, visit_id, base=5, SBP="170").summary == "收缩压 170 mmHg ↑"


BAD = [
    ("unknown item", {"NOPE": "1"}, "NOPE"),
    ("item of another department", {"MED_HR": "70"}, "MED_HR"),
    ("computed item", {"BMI": "22"}, "BMI"),
    ("text for a number", {"HT": "高"}, "HT"),
    ("ten thousand characters", {"HT": "1" * 10_000}, "HT"),
    ("NUL", {"HT": "17\x000"}, "HT"),
    ("half a surrogate pair", {"HT": "\ud800"}, "HT"),
    ("two values", {"HT": ["170", "171"]}, "HT"),
    ("implausible", {"HT": "1700"}, "HT"),
    ("too many decimals", {"SBP": "120.5"}, "SBP"),
    ("markup as a key", {"<script>alert(1)</script>": "1"}, "<script>alert(1)</script>"),
]


@pytest.mark.parametrize(("values", "field"), [each[1:] for each in BAD], ids=[each[0] for each in BAD])
def test_a_bad_value_is_refused_by_its_item(sqlite_house: House, values: dict[str, str], field: str) -> None:
    visit_id = arrive(sqlite_house, actor_named(sqlite_house, "lin"))
    with pytest.raises(BadInput) as refused:
        enter(sqlite_house, actor_named(sqlite_house, "wu"), visit_id, **values)
    assert refused.value.problems[0][0] == field
    assert all(len(text) < 300 for _, text in refused.value.problems)


def test_all_bad_values_are_named_at_once(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    with pytest.raises(BadInput) as refused:
        enter(house, acting("wu"), visit_id, HT="x", WT="y", SBP="120")
    assert [field for field, _ in refused.value.problems] == ["HT", "WT"]


def test_a_choice_outside_the_dictionary_is_refused(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    with pytest.raises(BadInput, match="没有"):
        enter(house, acting("wu"), visit_id, "SUR", SUR_SKIN="很好")


def test_markup_in_a_summary_is_kept_literally(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    text = "<script>alert('x')</script> & \"引号\""
    assert enter(house, acting("wu"), visit_id, SBP="120", summary=text).summary == text
    with pytest.raises(Refused, match="control_character"):
        enter(house, acting("wu"), visit_id, base=1, summary="a\x00b")
    with pytest.raises(Refused, match="too_long"):
        enter(house, acting("wu"), visit_id, base=1, summary="长" * 10_000)


def test_nobody_enters_for_another_department_or_before_arrival(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    with pytest.raises(Forbidden):
        enter(house, acting("huang"), visit_id, HT="170")
    with pytest.raises(NotFound):
        enter(house, acting("mo"), visit_id, "TCM", TCM_TYPE="平和质")
    with house.unit(acting("lin")) as db:
        visits.undo(db, visit_id, Milestone.CHECKED_IN, "点错")
    with pytest.raises(Refused, match="not_checked_in"):
        enter(house, acting("wu"), visit_id, HT="170")


def test_another_site_does_not_find_the_visit(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    stranger = Actor(staff_id=None, login="zhou", name="周", site="02", permissions=frozenset({"results.enter", "results.read"}))
    with pytest.raises(NotFound):
        enter(house, stranger, visit_id, HT="170")
    with pytest.raises(NotFound), house.unit(stranger, write=False) as db:
        results.department_results(db, visit_id)


def test_a_refused_line_asks_for_nothing_and_a_postponed_one_may_be_made_up(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    with house.unit(acting("lin")) as db:
        lines = {line.group_code: line.id for line in orders.lines(db, visit_id)}
        orders.refuse(db, visit_id, [lines["G001"]], "受检者拒绝")
        orders.postpone(db, visit_id, lines["G003"], date(2026, 11, 28), "改日")
    with house.unit(wu, write=False) as db:
        general, surgery = (results.department_result(db, visit_id, code) for code in ("GEN", "SUR"))
    assert (general.missing, general.is_expected) == ((), False)
    assert (surgery.missing, surgery.is_expected) == ((), False)
    with pytest.raises(BadInput):
        enter(house, wu, visit_id, HT="170")
    assert enter(house, wu, visit_id, "SUR", SUR_SKIN="未见异常").version == 1
    assert line_states(house, wu, visit_id, "SUR") == {LineState.STARTED}
    assert_sound(house)


# --- two at once -----------------------------------------------------------------------------------------------------


def test_different_items_of_two_doctors_merge_by_themselves(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    enter(house, acting("wu"), visit_id, HT="170", WT="65")
    enter(house, acting("wu"), visit_id, base=1, SBP="120")
    merged = enter(house, acting("wu"), visit_id, base=1, HT="171", WT="65", DBP="80")
    assert {reading.item: reading.raw for reading in merged.readings if reading.item != "BMI"} == {
        "HT": "171", "WT": "65", "SBP": "120", "DBP": "80",
    }  # fmt: skip
    assert merged.version == 3


def test_the_same_item_changed_by_two_doctors_is_shown_with_both_values(house: House, acting: Acting) -> None:
    wu, mo = acting("wu"), acting("mo")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, "MED", MED_HR="70")
    enter(house, mo, visit_id, "MED", base=1, MED_HR="75")
    with pytest.raises(EntryConflict) as conflict:
        enter(house, wu, visit_id, "MED", base=1, MED_HR="80", MED_HIS=["高血压", "糖尿病"])
    found = conflict.value
    assert [(each.item, each.base, each.theirs, each.mine) for each in found.conflicts] == [("MED_HR", ("70",), ("75",), ("80",))]
    assert (found.changed, found.version, found.by) == ({"MED_HIS": ("高血压", "糖尿病")}, 2, "莫文斌")
    assert isinstance(found, Stale)
    settled = enter(house, wu, visit_id, "MED", base=2, MED_HR="80", MED_HIS=["高血压", "糖尿病"])
    assert settled.version == 3
    with house.unit(wu, write=False) as db:
        assert [change.after for change in results.versions(db, visit_id, "MED")[1].changes if change.item == "MED_HR"] == ["75"]
    assert_sound(house)


def test_two_edited_summaries_conflict_but_drafts_do_not(house: House, acting: Acting) -> None:
    wu, mo = acting("wu"), acting("mo")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, "MED", MED_HR="120")
    enter(house, mo, visit_id, "MED", base=1, MED_HR="130")
    assert enter(house, wu, visit_id, "MED", base=1, MED_HIS="高血压", summary="心率(听诊) 120 次/分 ↑").version == 3
    enter(house, mo, visit_id, "MED", base=3, summary="心率快")
    with pytest.raises(EntryConflict) as conflict:
        enter(house, wu, visit_id, "MED", base=3, summary="心动过速")
    assert [each.item for each in conflict.value.conflicts] == ["summary"]


def test_two_doctors_saving_in_the_same_moment_both_keep_their_values(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    actors = {"MED_HR": acting("wu"), "MED_HIS": acting("mo")}
    ready = threading.Barrier(2)
    failed: list[BaseException] = []

    def save(item: str, text: str) -> None:
        try:
            ready.wait(10)
            enter(house, actors[item], visit_id, "MED", **{item: text})
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=save, args=each) for each in (("MED_HR", "70"), ("MED_HIS", "无特殊"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    with house.unit(actors["MED_HR"], write=False) as db:
        found = results.department_result(db, visit_id, "MED")
    assert {reading.item for reading in found.readings} == {"MED_HR", "MED_HIS"}
    assert found.version == 2
    assert_sound(house)


# --- from outside ----------------------------------------------------------------------------------------------------


def test_a_delivered_value_keeps_its_unit_and_range_and_a_later_entry_does_not_lose_them(house: House, acting: Acting) -> None:
    nong = acting("nong")
    visit_id = arrive(house, acting("lin"))
    own = ReferenceRange(low="3.0", high="5.0")
    with house.unit(nong) as db:
        got = results.receive(
            db, visit_id, "LAB",
            [DeliveredValue("GLU", "5.2", "mmol/L", own), DeliveredValue("CREA", "0.9", "mg/dL"), DeliveredValue("TC", "9999")],
        )  # fmt: skip
    readings = {reading.item: reading for reading in got.readings}
    assert (readings["GLU"].flag, readings["GLU"].range_text) == (Flag.HIGH, "3.0–5.0")
    later = enter(house, nong, visit_id, "LAB", base=1, UREA="5.0", CREA=f"{readings['CREA'].number}")
    kept = {reading.item: reading for reading in later.readings}
    assert kept["GLU"].flag == Flag.HIGH
    assert kept["CREA"] == readings["CREA"]
    with house.unit(nong, write=False) as db:
        assert results.versions(db, visit_id, "LAB")[1].kind == VersionKind.IMPORTED
    assert_sound(house)


def test_a_complete_delivery_is_signed_in_the_name_of_who_confirmed_it(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    with house.unit(acting("lu")) as db:
        got = results.receive(db, visit_id, "RAD", [DeliveredValue("XR_CHE", ("心肺膈未见异常",))], signed_by="影像 黄医生")
    assert (got.state, got.doctor, got.doctor_id) == (RecordState.VERIFIED, "影像 黄医生", None)
    with house.unit(acting("lu")) as db:
        corrected = results.receive(db, visit_id, "RAD", [DeliveredValue("XR_CHE", ("新的说法",))], reason="更正报告")
    assert (corrected.state, corrected.version, corrected.readings[0].flag) == (RecordState.VERIFIED, 3, Flag.UNKNOWN)
    assert_sound(house)

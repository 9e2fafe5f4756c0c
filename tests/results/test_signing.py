"""Signing a record, taking the signature back, and the chief's lock, on both databases."""

from __future__ import annotations

import pytest

from exam.kit.errors import Refused, Stale
from exam.kit.house import House
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineState, Milestone
from results import service as results
from results.facts import Entry, RecordState, UnseenValues, VersionKind
from tests.results.cases import GENERAL, Acting, arrive, assert_sound, enter, line_states, normal_of, verify

NORMAL_MED = {**normal_of("MED"), "MED_HR": "72"}


def test_signing_needs_every_item_and_the_version_that_was_seen(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, HT="170")
    with pytest.raises(Refused, match="items_missing") as refused:
        verify(house, wu, visit_id)
    assert "体重" in refused.value.text and refused.value.field == "WT"
    enter(house, wu, visit_id, base=1, **GENERAL)
    with pytest.raises(Stale):
        verify(house, wu, visit_id, seen=1)
    signed = verify(house, wu, visit_id, seen=2)
    assert (signed.state, signed.doctor, signed.version) == (RecordState.VERIFIED, "吴建国", 3)
    assert line_states(house, wu, visit_id, "GEN") == {LineState.CONFIRMED}
    with pytest.raises(Refused, match="verified"):
        enter(house, wu, visit_id, base=3, HT="171")
    assert_sound(house)


def test_nothing_abnormal_is_refused_as_summary_while_a_value_is_flagged(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, **{**GENERAL, "SBP": "150"}, summary="未见明显异常。")
    with pytest.raises(Refused, match="summary_contradicts"):
        verify(house, wu, visit_id)


def test_taking_a_signature_back_needs_a_reason_and_keeps_every_version(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, **GENERAL)
    verify(house, wu, visit_id)
    with pytest.raises(Refused, match="reason_missing"), house.unit(wu) as db:
        results.reopen(db, visit_id, "GEN", "  ")
    with house.unit(wu) as db:
        opened = results.reopen(db, visit_id, "GEN", "身高量错")
    assert (opened.state, opened.doctor, opened.version) == (RecordState.SAVED, "", 3)
    assert line_states(house, wu, visit_id, "GEN") == {LineState.RESULTED}
    enter(house, wu, visit_id, base=3, HT="172.0")
    verify(house, wu, visit_id, seen=4)
    with house.unit(wu, write=False) as db:
        kept = results.versions(db, visit_id, "GEN")
    assert [(each.number, each.kind, each.reason) for each in kept] == [
        (5, VersionKind.VERIFIED, ""), (4, VersionKind.ENTERED, ""), (3, VersionKind.REOPENED, "身高量错"),
        (2, VersionKind.VERIFIED, ""), (1, VersionKind.ENTERED, ""),
    ]  # fmt: skip
    change = kept[1].changes[0]
    assert (change.name, change.before, change.after) == ("身高", "170.0", "172.0")
    assert_sound(house)


def test_the_chief_locks_and_returns(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, **GENERAL)
    verify(house, wu, visit_id)
    with house.unit(acting("he")) as db:
        results.lock(db, visit_id)
    with pytest.raises(Refused, match="locked"), house.unit(wu) as db:
        results.reopen(db, visit_id, "GEN", "改")
    with house.unit(acting("he")) as db:
        returned = results.return_for_correction(db, visit_id, "GEN", "身高与体重不符")
    assert returned.state == RecordState.SAVED
    verify(house, wu, visit_id, seen=3)
    with house.unit(acting("he")) as db:
        results.lock(db, visit_id)
        results.unlock(db, visit_id)
    with house.unit(wu) as db:
        assert results.reopen(db, visit_id, "GEN", "改").state == RecordState.SAVED
    assert_sound(house)


def test_after_the_final_review_nothing_is_taken_back(house: House, acting: Acting) -> None:
    wu, lin = acting("wu"), acting("lin")
    visit_id = arrive(house, lin)
    enter(house, wu, visit_id, **GENERAL)
    verify(house, wu, visit_id)
    with house.unit(lin) as db:
        waiting = [line.id for line in orders.lines(db, visit_id) if line.state == LineState.PENDING and not line.service_only]
        orders.refuse(db, visit_id, waiting, "受检者拒绝")
        visits.reach(db, visit_id, Milestone.SHEET_RETURNED)
        for milestone in (Milestone.CHIEF_STARTED, Milestone.FIRST_REVIEWED, Milestone.FINAL_REVIEWED):
            visits.reach(db, visit_id, milestone)
    for act in (results.reopen, results.return_for_correction):
        with pytest.raises(Refused, match="closed"), house.unit(wu) as db:
            act(db, visit_id, "GEN", "改")
    with pytest.raises(Refused, match="closed"):
        enter(house, wu, visit_id, base=2, HT="171")
    assert_sound(house)


def test_a_signed_department_opens_again_when_a_group_is_added_or_a_refusal_taken_back(house: House, acting: Acting) -> None:
    wu, lin = acting("wu"), acting("lin")
    visit_id = arrive(house, lin)
    enter(house, wu, visit_id, **GENERAL)
    verify(house, wu, visit_id)
    with house.unit(lin) as db:
        orders.add_groups(db, visit_id, ["G026"])
    with house.unit(wu, write=False) as db:
        found = results.department_result(db, visit_id, "GEN")
    assert (found.state, found.missing) == (RecordState.SAVED, ("BFP", "VFA"))
    with house.unit(lin) as db:
        added = next(line.id for line in orders.lines(db, visit_id) if line.group_code == "G026")
        orders.refuse(db, visit_id, [added], "不做")
    verify(house, wu, visit_id, seen=3)
    with house.unit(lin) as db:
        orders.resume(db, visit_id, added, "还是做")
    with house.unit(wu, write=False) as db:
        assert results.department_result(db, visit_id, "GEN").state == RecordState.SAVED
    assert_sound(house)


def test_values_of_somebody_else_that_the_screen_did_not_show_are_not_signed(house: House, acting: Acting) -> None:
    wu, mo = acting("wu"), acting("mo")
    visit_id = arrive(house, acting("lin"))
    enter(house, mo, visit_id, "MED", **NORMAL_MED)
    enter(house, wu, visit_id, "MED", base=1, MED_HR="130")
    mine = Entry(base_version=1, values={**NORMAL_MED, "MED_MUR": "未闻及"})
    with pytest.raises(UnseenValues) as unseen, house.unit(mo) as db:
        results.finish(db, visit_id, "MED", mine)
    assert "心率" in unseen.value.text and "130" in unseen.value.text and unseen.value.by == "吴建国"
    with house.unit(mo) as db:
        entered = results.take_in(db, visit_id, "MED", mine)
    assert [(each.item, each.after) for each in entered.merged] == [("MED_HR", "130")]
    assert (entered.result.state, entered.by) == (RecordState.SAVED, "吴建国")
    with house.unit(mo) as db:
        signed = results.finish(db, visit_id, "MED", Entry(base_version=entered.result.version, values={"MED_HR": "130"}))
    assert signed.doctor == "莫文斌"
    assert_sound(house)


def test_own_words_of_somebody_else_that_the_screen_did_not_show_are_not_signed(house: House, acting: Acting) -> None:
    wu, mo = acting("wu"), acting("mo")
    visit_id = arrive(house, acting("lin"))
    enter(house, mo, visit_id, "MED", **NORMAL_MED)
    enter(house, wu, visit_id, "MED", base=1, summary="心肺听诊正常")
    draft = "内科未见明显异常"
    mine = Entry(base_version=1, values=NORMAL_MED, summary=draft, shown_draft=draft)
    with pytest.raises(UnseenValues, match="科室小结"), house.unit(mo) as db:
        results.finish(db, visit_id, "MED", mine)


def test_a_record_that_became_newer_without_another_value_is_signed(house: House, acting: Acting) -> None:
    wu, mo = acting("wu"), acting("mo")
    visit_id = arrive(house, acting("lin"))
    enter(house, mo, visit_id, "MED", **NORMAL_MED)
    enter(house, wu, visit_id, "MED", base=1, MED_HR="73")
    with house.unit(mo) as db:
        signed = results.finish(db, visit_id, "MED", Entry(base_version=1, values={**NORMAL_MED, "MED_HR": "73"}))
    assert signed.doctor == "莫文斌"


def test_enter_and_sign_in_one_act_is_all_or_nothing(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    with pytest.raises(Refused, match="items_missing"), house.unit(wu) as db:
        results.finish(db, visit_id, "GEN", Entry(base_version=0, values={"HT": "170"}))
    with house.unit(wu, write=False) as db:
        assert results.department_result(db, visit_id, "GEN").version == 0
    with house.unit(wu) as db:
        assert results.finish(db, visit_id, "GEN", Entry(base_version=0, values=GENERAL)).state == RecordState.VERIFIED
    assert_sound(house)

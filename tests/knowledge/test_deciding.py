"""Deciding on many proposals in one act, and publishing beside entries that a change of the catalogue broke, on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import select

from exam.catalog import service as catalog
from exam.catalog.facts import ValueType
from exam.kit.audit import Audit
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.house import Actor, House, system_actor
from exam.knowledge import deciding, dry_run, proposals
from exam.knowledge import service as store
from exam.knowledge.book import Rule
from tests.knowledge.cases import case_of
from tests.knowledge.test_proposals import lower_bound, proposed
from tests.knowledge.test_store import TODAY, rule_named

Acting = Callable[[str], Actor]
Desks = Callable[[str], Any]


def reworded(code: str, text: str = "本院用语") -> Rule:
    return msgspec.structs.replace(rule_named(code), text=text, source="本院")


def test_many_are_approved_in_one_act_each_with_its_own_version_and_audit_row(house: House, acting: Acting) -> None:
    he, zhao = acting("he"), acting("zhao")
    first, second = proposed(house, he, reworded("D13")), proposed(house, he, reworded("D18"))
    own = proposed(house, zhao, reworded("D19"))
    late = proposed(house, he, reworded("D13", "另一种说法"))
    with house.unit(zhao, write=False) as db:
        seen = deciding.foreseen(db, [first, own, second, late, first], is_approval=True)
        done = deciding.decide_each(db, [first, own, second, late, first], is_approval=True, note="一并同意")
    assert [bool(each.why_not) for each in seen] == [False, True, False, True]
    assert "自己提交" in seen[1].why_not
    assert "D13 的另一份申请" in seen[3].why_not
    assert [bool(each.why_not) for each in done] == [False, True, False, True]
    assert "自己提交" in done[1].why_not
    assert "第 2 版" in done[3].why_not
    with house.unit(zhao, write=False) as db:
        states = [proposals.proposal(db, each).state for each in (first, own, second, late)]
        acts = list(db.scalars(select(Audit.subject).where(Audit.act == "knowledge.approve").order_by(Audit.at, Audit.seq)))
        revisions = [store.history(db, code)[0].revision for code in ("D13", "D18")]
    assert states == ["approved", "open", "approved", "open"]
    assert acts == ["knowledge:D13", "knowledge:D18"]
    assert revisions == [2, 3]


def test_many_are_turned_down_in_one_act_and_what_is_decided_is_skipped(house: House, acting: Acting) -> None:
    he, zhao = acting("he"), acting("zhao")
    first, second = proposed(house, he, reworded("D13")), proposed(house, he, reworded("D18"))
    with house.unit(zhao) as db:
        proposals.reject(db, first, note="证据不足")
    with house.unit(zhao, write=False) as db:
        done = deciding.decide_each(db, [first, second], is_approval=False, note="暂缓")
    assert [each.why_not for each in done] == ["该申请已退回,不能再次处理", ""]
    with house.unit(zhao, write=False) as db:
        assert proposals.proposal(db, second).decision == "暂缓"
        assert store.revision(db) == 1


def test_a_day_that_has_passed_becomes_today_when_many_are_approved(house: House, acting: Acting) -> None:
    made = proposed(house, acting("he"))
    zhao = acting("zhao")
    house.clock.advance(days=2)  # type: ignore[attr-defined]
    with house.unit(zhao, write=False) as db:
        [done] = deciding.decide_each(db, [made], is_approval=True, note="同意")
        assert (done.why_not, done.begins) == ("", TODAY + timedelta(days=2))
    with house.unit(zhao, write=False) as db:
        assert store.history(db, "D13")[0].valid_from == TODAY + timedelta(days=2)


def test_deciding_on_many_needs_a_choice_and_a_note(house: House, acting: Acting) -> None:
    made = proposed(house, acting("he"))
    with house.unit(acting("zhao"), write=False) as db:
        with pytest.raises(Refused, match="none_chosen"):
            deciding.decide_each(db, [], is_approval=True, note="同意")
        with pytest.raises(BadInput, match="审批意见"):
            deciding.decide_each(db, [made], is_approval=True, note=" ")
        with pytest.raises(NotFound):
            deciding.foreseen(db, [uuid4()], is_approval=True)
        with pytest.raises(Refused, match="too_many"):
            deciding.foreseen(db, [uuid4() for _ in range(deciding.MOST + 1)], is_approval=True)
        assert proposals.proposal(db, made).state == "open"


def test_several_rules_are_tried_together(house: House, acting: Acting) -> None:
    tighter = lower_bound("7.6")
    with house.unit(acting("he"), write=False) as db:
        trial = dry_run.Trial(store.rules_in_force(db, TODAY), [tighter, reworded("D18", "总胆固醇高")], TODAY)
    found = trial.judge(case_of({"GLU": "7.4", "TC": "6.5"}, earlier={"GLU": "7.2"}))
    assert (found.spoke, found.would_speak) == (True, True)
    assert found.lost == (rule_named("D13").text,)


def test_on_screen_the_chosen_are_reviewed_then_decided_and_one_s_own_is_named(desk: Desks, house: House) -> None:
    he, zhao = desk("he"), desk("zhao")
    first, own = proposed(house, he.actor, reworded("D13")), proposed(house, zhao.actor, reworded("D18"))
    listed = unescape(zhao.get("/knowledge/proposals").text)
    assert re.findall(r'value="([0-9a-f-]+)" form="decisions" data-chosen data-own', listed) == [str(own)]
    assert re.findall(r'value="([0-9a-f-]+)" form="decisions" data-chosen aria', listed) == [str(first)]
    form = {"chosen": [str(first), str(own)]}
    review = unescape(zhao.post("/knowledge/decisions", form).text)
    assert "批准 1 项" in review
    assert "不能审批自己提交的申请" in review
    assert "<ins>本院用语</ins>" in review
    assert zhao.htmx("/knowledge/decisions/try", form).status_code == 200
    bare = zhao.post("/knowledge/decisions/done", {**form, "act": "approve", "note": ""})
    assert bare.status_code == 422
    assert "请填写审批意见" in unescape(bare.text)
    assert zhao.post("/knowledge/decisions/done", {**form, "act": "burn", "note": "留着这句"}).status_code == 422
    done = zhao.post("/knowledge/decisions/done", {**form, "act": "approve", "note": "同意"})
    assert done.status_code == 200
    assert "不能审批自己提交的申请" in unescape(done.text)
    with house.unit(system_actor("01"), write=False) as db:
        assert [each.id for each in proposals.proposals(db)] == [own]
    assert "没有选择任何申请" in unescape(zhao.post("/knowledge/decisions", {}).text)
    assert desk("lin").post("/knowledge/decisions", form).status_code == 403


# --- beside what is broken -------------------------------------------------------------------------------------------


def break_glucose(house: House, actor: Actor) -> None:
    """Makes the glucose a text, which what asks for a number of it does not fit any more."""
    with house.unit(actor) as db:
        in_words = msgspec.structs.replace(catalog.catalogue(db, TODAY).items["GLU"], value_type=ValueType.TEXT, unit="", ranges=())
        catalog.change(db, [in_words], valid_from=TODAY, source="test", reason="改为文字结果")


def test_a_rule_that_another_change_broke_stands_in_nobody_elses_way(house: House, acting: Acting) -> None:
    he, tan = acting("he"), acting("tan")
    made = proposed(house, he, reworded("D18"))
    break_glucose(house, tan)
    with house.unit(acting("zhao")) as db:
        proposals.approve(db, made, note="同意")
    with house.unit(he, write=False) as db:
        assert store.history(db, "D18")[0].version == 2
        told = store.standing_problems(db)
    assert {code for code, _ in told} >= {"D13"}
    assert "D18" not in {code for code, _ in told}


def test_what_the_change_breaks_or_touches_is_still_refused(house: House, acting: Acting) -> None:
    tan = acting("tan")
    break_glucose(house, tan)
    with pytest.raises(BadInput, match="D13") as touched, house.unit(tan) as db:
        store.publish(db, [reworded("D13")], valid_from=TODAY, reason="改用语")
    assert all(text.startswith("D13:") for _, text in touched.value.problems)
    merge = msgspec.structs.replace(store_merge(house, tan), of=("D18", "NOT-THERE"))
    with pytest.raises(BadInput, match="没有规则 NOT-THERE") as caused, house.unit(tan) as db:
        store.publish(db, [merge], valid_from=TODAY, reason="改合并")
    assert [text for _, text in caused.value.problems] == [f"{merge.code}:没有规则 NOT-THERE"]
    with house.unit(tan, write=False) as db:
        assert store.revision(db) == 1


def store_merge(house: House, actor: Actor) -> Any:
    with house.unit(actor, write=False) as db:
        return store.history(db, "M02")[0].entry


def test_of_two_published_together_a_failing_one_refuses_both(house: House, acting: Acting) -> None:
    tan = acting("tan")
    wrong = tuple(msgspec.structs.replace(each, fires=not each.fires) for each in rule_named("D18").examples)
    with pytest.raises(BadInput, match="D18"), house.unit(tan) as db:
        store.publish(
            db, [reworded("D19"), msgspec.structs.replace(rule_named("D18"), examples=wrong)], valid_from=TODAY, reason="两条一起"
        )
    with house.unit(tan, write=False) as db:
        assert store.revision(db) == 1


def test_a_rule_that_the_catalogue_broke_can_still_be_ended(house: House, acting: Acting) -> None:
    break_glucose(house, acting("tan"))
    with house.unit(acting("he")) as db:
        made = proposals.propose_end(db, "D13", base_version=1, valid_from=TODAY, reason="项目已改为文字")
    with house.unit(acting("zhao")) as db:
        proposals.approve(db, made, note="同意")
    with house.unit(acting("he"), write=False) as db:
        assert "D13" not in {code for code, _ in store.standing_problems(db)}


def test_the_knowledge_page_tells_what_is_broken_until_it_is_mended_or_ended(desk: Desks, house: House, acting: Acting) -> None:
    he = desk("he")
    assert "需要处理" not in he.get("/knowledge").text
    break_glucose(house, acting("tan"))
    page = unescape(he.get("/knowledge").text)
    assert "需要处理" in page
    assert 'href="/knowledge/entries/D13"' in page

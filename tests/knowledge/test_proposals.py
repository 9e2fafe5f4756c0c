"""Changes of the book by two people, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import select

from exam.kit.audit import Audit
from exam.kit.errors import BadInput, NotFound, Refused, Stale
from exam.kit.house import Actor, House, system_actor
from exam.knowledge import proposals
from exam.knowledge import service as store
from exam.knowledge.book import Example, Rule
from exam.knowledge.gate import GateCheck
from exam.knowledge.language import AllOf, AtLeast, Compare
from tests.knowledge.test_store import rule_named

TODAY = date(2026, 11, 21)
Acting = Callable[[str], Actor]


def lower_bound(value: str = "6.8", **changed: object) -> Rule:
    """D13 with another bound, with examples that fit it."""
    examples = (Example(True, {"GLU": value}), Example(False, {"GLU": "5.00"}))
    rule = msgspec.structs.replace(rule_named("D13"), condition=Compare("GLU", ">=", Decimal(value)), examples=examples, source="本院")
    return msgspec.structs.replace(rule, **changed)


def proposed(house: House, actor: Actor, rule: Rule | None = None, base: int = 1, on: date = TODAY, reason: str = "新指南") -> UUID:
    with house.unit(actor) as db:
        return proposals.propose(db, rule or lower_bound(), base_version=base, valid_from=on, reason=reason)


def test_what_one_proposes_another_approves_and_it_holds_from_its_day(house: House, acting: Acting) -> None:
    begins = TODAY + timedelta(days=5)
    proposal_id = proposed(house, acting("he"), on=begins)
    with house.unit(acting("zhao")) as db:
        assert [each.id for each in proposals.proposals(db)] == [proposal_id]
        proposals.approve(db, proposal_id, note="同意")
    with house.unit(acting("he"), write=False) as db:
        before = {each.code: each for each in store.rules_in_force(db, begins - timedelta(days=1)).book.rules}["D13"]
        after = {each.code: each for each in store.rules_in_force(db, begins).book.rules}["D13"]
        done = proposals.proposal(db, proposal_id)
        acts = list(db.scalars(select(Audit.act).where(Audit.subject == "knowledge:D13").order_by(Audit.at)))
    assert (before.version, before.approved) == (1, False)
    assert (after.version, after.approved, after.condition) == (2, True, Compare("GLU", ">=", Decimal("6.8")))
    assert (done.state, done.decided_by, done.decision, done.author) == ("approved", acting("zhao").name, "同意", acting("he").name)
    assert acts == ["knowledge.propose", "knowledge.approve"]


def test_nobody_approves_or_rejects_what_they_proposed_themselves(house: House, acting: Acting) -> None:
    proposal_id = proposed(house, acting("he"))
    for decide in (proposals.approve, proposals.reject):
        with pytest.raises(Refused, match="second_person"), house.unit(acting("he")) as db:
            decide(db, proposal_id, note="同意")
    with house.unit(acting("he"), write=False) as db:
        assert proposals.proposal(db, proposal_id).state == "open"
        assert store.revision(db) == 1


def test_only_the_author_withdraws_and_what_is_decided_stays_so(house: House, acting: Acting) -> None:
    proposal_id = proposed(house, acting("he"))
    with pytest.raises(Refused, match="not_author"), house.unit(acting("zhao")) as db:
        proposals.withdraw(db, proposal_id)
    with house.unit(acting("he")) as db:
        proposals.withdraw(db, proposal_id)
    with pytest.raises(Refused, match="decided"), house.unit(acting("zhao")) as db:
        proposals.approve(db, proposal_id, note="同意")
    with house.unit(acting("he"), write=False) as db:
        assert proposals.proposals(db) == []
        assert [each.state for each in proposals.proposals(db, code="D13")] == ["withdrawn"]


def test_a_proposal_on_a_version_that_is_not_the_newest_is_refused_with_the_remedy(house: House, acting: Acting) -> None:
    he, zhao = acting("he"), acting("zhao")
    first, second = proposed(house, he), proposed(house, he, lower_bound("6.5"))
    with house.unit(zhao) as db:
        proposals.approve(db, first, note="同意")
    with pytest.raises(Stale) as late, house.unit(zhao) as db:
        proposals.approve(db, second, note="同意")
    assert "第 2 版" in late.value.text
    assert "重新提交" in late.value.hint
    with pytest.raises(Stale), house.unit(he) as db:
        proposals.propose(db, lower_bound("6.6"), base_version=1, valid_from=TODAY, reason="再改")
    with house.unit(zhao) as db:
        proposals.reject(db, second, note="已有新版")
    with house.unit(zhao, write=False) as db:
        assert [each.version for each in store.history(db, "D13")] == [2, 1]


def test_a_failing_example_is_named_when_proposing_and_when_approving(house: House, acting: Acting) -> None:
    wrong = lower_bound(examples=(Example(True, {"GLU": "6.9"}), Example(False, {"GLU": "7.0"})))
    with pytest.raises(BadInput) as refused, house.unit(acting("he")) as db:
        proposals.propose(db, wrong, base_version=1, valid_from=TODAY, reason="新指南")
    assert refused.value.problems == [("examples", "第 2 个例子不应触发却触发了")]
    proposal_id = proposed(house, acting("he"))
    with house.unit(acting("he")) as db:
        row = db.get_one(proposals.KnowledgeProposal, proposal_id)
        row.body = msgspec.json.encode(wrong).decode()
    with pytest.raises(Refused, match="第 2 个例子"), house.unit(acting("zhao")) as db:
        proposals.approve(db, proposal_id, note="同意")


@pytest.mark.parametrize(
    ("changed", "field", "text"),
    [
        ({"examples": ()}, "examples", "至少要有一个应触发和一个不应触发的例子"),
        ({"condition": Compare("NOTHING", ">", Decimal(1))}, "condition", "项目字典中没有 NOTHING"),
        ({"condition": Compare("GLU", ">", Decimal("NaN"))}, "", "数值 NaN 无效"),
        ({"condition": Compare("GLU", ">", Decimal("1e30"))}, "", "数值 1E+30 无效"),
        ({"condition": Compare("GLU", ">", Decimal(7), "mg/dL")}, "condition", "单位"),
        ({"condition": AllOf(())}, "condition", "分组中没有内容"),
        ({"condition": AtLeast(3, (Compare("GLU", ">", Decimal(7)),))}, "condition", "不合理"),
        ({"text": " "}, "text", "结论:不能为空"),
        ({"text": "长" * 600}, "", "文字过长"),
        ({"source": ""}, "source", "来源:不能为空"),
    ],
)
def test_an_unsound_entry_is_refused_with_field_and_reason(
    house: House, acting: Acting, changed: dict[str, object], field: str, text: str
) -> None:
    with pytest.raises(BadInput) as refused, house.unit(acting("he")) as db:
        proposals.propose(db, lower_bound(**changed), base_version=1, valid_from=TODAY, reason="新指南")
    assert any(name == field and text in told for name, told in refused.value.problems), refused.value.problems


def test_a_proposal_needs_a_reason_a_day_to_come_a_change_and_a_free_code(house: House, acting: Acting) -> None:
    he = acting("he")
    for rule, base, day, reason, code in (
        (lower_bound(), 1, TODAY, "  ", "reason_missing"),
        (lower_bound(), 1, TODAY, "长" * 501, "reason_long"),
        (lower_bound(), 1, TODAY - timedelta(days=1), "新指南", "knowledge.past"),
        (rule_named("D13"), 1, TODAY, "新指南", "nothing_changed"),
        (lower_bound(), 0, TODAY, "新指南", "code_taken"),
        (lower_bound(code="a b"), 0, TODAY, "新指南", "unsound"),
    ):
        with pytest.raises(Refused, match=code), house.unit(he) as db:
            proposals.propose(db, rule, base_version=base, valid_from=day, reason=reason)
    with pytest.raises(NotFound), house.unit(he) as db:
        proposals.approve(db, uuid4(), note="同意")


def test_a_new_rule_becomes_version_one_and_an_ended_one_is_silent_from_its_day(house: House, acting: Acting) -> None:
    he, zhao = acting("he"), acting("zhao")
    new_id = proposed(house, he, lower_bound(code="H01", hierarchy=""), base=0)
    with house.unit(zhao) as db:
        proposals.approve(db, new_id, note="同意")
    ends = TODAY + timedelta(days=3)
    with house.unit(he) as db:
        end_id = proposals.propose_end(db, "H01", base_version=1, valid_from=ends, reason="不再使用")
        assert proposals.proposal(db, end_id).is_ending
    with house.unit(zhao) as db:
        proposals.approve(db, end_id, note="同意", valid_from=ends + timedelta(days=1))
    with house.unit(he, write=False) as db:
        last = store.history(db, "H01")[0]
    assert (last.version, last.entry.valid_to, last.valid_from) == (2, ends + timedelta(days=1), ends + timedelta(days=1))
    with pytest.raises(Refused, match="ended"), house.unit(he) as db:
        proposals.propose_end(db, "H01", base_version=2, valid_from=ends + timedelta(days=9), reason="再停")


def test_a_proposal_whose_day_has_passed_is_approved_from_another_day(house: House, acting: Acting) -> None:
    proposal_id = proposed(house, acting("he"))
    zhao = acting("zhao")
    house.clock.advance(days=2)  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match="past"), house.unit(zhao) as db:
        proposals.approve(db, proposal_id, note="同意")
    with house.unit(zhao) as db:
        proposals.approve(db, proposal_id, note="同意", valid_from=TODAY + timedelta(days=2))
    with house.unit(zhao, write=False) as db:
        assert store.history(db, "D13")[0].valid_from == TODAY + timedelta(days=2)


def test_a_doctor_signs_a_shipped_version_as_it_stands(house: House, acting: Acting) -> None:
    he = acting("he")
    with house.unit(he, write=False) as db:
        assert proposals.unapproved(db, [("D13", 1), ("plain", 1), ("M02", 1)], TODAY) == {("D13", 1), ("M02", 1)}
    with house.unit(he) as db:
        assert proposals.approve_version(db, "D13", 1, note="符合指南") == 2
    with house.unit(he, write=False) as db:
        assert store.history(db, "D13")[0].approved
        assert proposals.approvals_of(db, "D13")[1].name == he.name
        assert proposals.unapproved(db, [("D13", 1)], TODAY) == frozenset()
    for version, code in ((1, "approved_already"), (7, "stale")):
        with pytest.raises(Refused, match=code), house.unit(acting("zhao")) as db:
            proposals.approve_version(db, "D13", version, note="再签")
    with pytest.raises(Refused, match="reason_missing"), house.unit(he) as db:
        proposals.approve_version(db, "D12", 1, note=" ")
    with pytest.raises(Refused, match="nobody"), house.unit(system_actor("01")) as db:
        proposals.approve_version(db, "D12", 1, note="自动")


def test_who_wrote_a_version_does_not_sign_it(house: House, acting: Acting) -> None:
    with house.unit(acting("he")) as db:
        store.publish(db, [lower_bound()], valid_from=TODAY, reason="试用")
    with pytest.raises(Refused, match="second_person"), house.unit(acting("he")) as db:
        proposals.approve_version(db, "D13", 2, note="同意")
    with house.unit(acting("zhao")) as db:
        proposals.approve_version(db, "D13", 2, note="同意")


def test_an_old_version_that_spoke_unapproved_stays_marked_after_a_new_one_is_approved(house: House, acting: Acting) -> None:
    proposal_id = proposed(house, acting("he"))
    with house.unit(acting("zhao")) as db:
        proposals.approve(db, proposal_id, note="同意")
    with house.unit(acting("he"), write=False) as db:
        assert proposals.unapproved(db, [("D13", 1), ("D13", 2)], TODAY) == {("D13", 1)}


def test_the_list_shows_the_newest_version_of_each_and_what_waits(house: House, acting: Acting) -> None:
    proposed(house, acting("he"))
    with house.unit(acting("he"), write=False) as db:
        listed = {each.version.code: each for each in proposals.newest(db)}
        count = len(store.rules_in_force(db, TODAY).book.entries)
    assert len(listed) == count
    assert (listed["D13"].waiting, listed["D12"].waiting, listed["M02"].kind) == (1, 0, "merge")


@pytest.mark.parametrize("code", ["M02", "ALERT-A", "G-BP", "GATE_BP", "MSG_BOOKED"])
def test_every_kind_of_entry_is_approved_as_it_stands(house: House, acting: Acting, code: str) -> None:
    with house.unit(acting("he")) as db:
        proposals.approve_version(db, code, 1, note="已核对")
    with house.unit(acting("he"), write=False) as db:
        assert store.history(db, code)[0].approved


def test_a_check_whose_example_fails_is_not_proposed(house: House, acting: Acting) -> None:
    with house.unit(acting("he"), write=False) as db:
        check = store.history(db, "GATE_BP")[0].entry
    assert isinstance(check, GateCheck)
    wrong = msgspec.structs.replace(check, examples=tuple(msgspec.structs.replace(each, hits=not each.hits) for each in check.examples))
    with pytest.raises(BadInput, match="例子"), house.unit(acting("he")) as db:
        proposals.propose(db, wrong, base_version=1, valid_from=TODAY, reason="试改")


def test_a_published_version_names_who_wrote_it_beside_who_approved_it(house: House, acting: Acting) -> None:
    proposal_id = proposed(house, acting("he"), reason="按新指南")
    with house.unit(acting("zhao")) as db:
        proposals.approve(db, proposal_id, note="同意")
        last, decided = store.history(db, "D13")[0], proposals.proposal(db, proposal_id)
    assert (last.author, last.reason, decided.decided_by) == (acting("he").name, "按新指南", acting("zhao").name)

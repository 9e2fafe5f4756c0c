"""Pushing findings to specialists: who gets what, what came of it, who may see it, and how it is counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chief_review import push_lists, push_rules, pushes
from chief_review import service as reviews
from chief_review.models import PushBoard, PushFact
from chief_review.push_facts import SMS_QUEUED, ChosenFinding, Push, PushState, PushTab
from chief_review.push_lists import PushFilters
from exam.kit.errors import NotFound, Refused
from exam.kit.house import House, system_actor
from exam.messages.facts import DeliveryState, MessageSettled, Occasion
from exam.messages.models import Message
from exam.staff import rights
from exam.staff.models import Grant, Staff
from tests.chief_review.cases import OTHER, TODAY, breaches, examined, finalized, started
from tests.chief_review.test_service import Acting
from tests.conftest import Desk

Desks = Callable[[str], Desk]
FATTY, STONE = "D55A", "D57"
ENDOCRINE, SURGERY = "内分泌科", "普外科"


def pushed(house: House, acting: Acting, visit_id: UUID, *chosen: tuple[str, str], is_told: bool = False) -> tuple[UUID, ...]:
    with house.unit(acting("he")) as db:
        return pushes.push(db, visit_id, [ChosenFinding(key, name) for key, name in chosen], is_told=is_told)


def of_visit(house: House, visit_id: UUID) -> tuple[Push, ...]:
    with house.unit(system_actor("01"), write=False) as db:
        return pushes.of_visit(db, visit_id)


def limit_to(house: House, login: str, department: str) -> None:
    """The member of staff is a specialist of one department."""
    with house.unit(system_actor("01")) as db:
        staff_id = db.scalars(select(Staff.id).where(Staff.login == login)).one()
        rights.grant(db, staff_id, "specialist", department)


# --- pushing ---------------------------------------------------------------------------------------------------------


def test_findings_of_one_department_go_there_together_with_the_values_behind_them(house: House, acting: Acting) -> None:
    visit_id = started(house)
    pushed(house, acting, visit_id, (FATTY, "消化科"), (STONE, SURGERY), ("M02", "消化科"))
    found = {each.specialist: each for each in of_visit(house, visit_id)}
    assert {one.key for one in found["消化科"].findings} == {FATTY, "M02"}
    assert found[SURGERY].findings[0].evidence and found[SURGERY].state is PushState.PUSHED
    assert found[SURGERY].pushed_by == "何志远"
    assert breaches(house) == []


def test_what_may_be_pushed_are_open_alerts_and_conclusions_with_the_first_department_they_name(house: House, acting: Acting) -> None:
    visit_id = started(house)
    with house.unit(acting("he"), write=False) as db:
        options = pushes.options(db, visit_id)
    assert any(each.finding.key.startswith("alert:") for each in options)
    assert {FATTY, STONE, "M02"} <= {each.finding.key for each in options}
    assert all("/" not in each.specialist for each in options)
    alert = next(each for each in options if each.finding.key.startswith("alert:"))
    pushed(house, acting, visit_id, (alert.finding.key, ENDOCRINE))
    assert of_visit(house, visit_id)[0].findings[0].text == alert.finding.text


def test_the_same_finding_goes_to_a_department_once_unless_it_was_taken_back(house: House, acting: Acting) -> None:
    visit_id = started(house)
    (first,) = pushed(house, acting, visit_id, (STONE, SURGERY))
    with pytest.raises(Refused, match="nothing_to_push"):
        pushed(house, acting, visit_id, (STONE, SURGERY))
    assert len(pushed(house, acting, visit_id, (STONE, "肝胆科"))) == 1
    with house.unit(acting("he")) as db:
        pushes.withdraw(db, first, "推错科室")
    assert len(pushed(house, acting, visit_id, (STONE, SURGERY))) == 1


@pytest.mark.parametrize("specialist", ["", "内科,外科", "a" * 41, "心内科/普外科", "科\x07"])
def test_a_department_that_cannot_be_granted_is_refused(house: House, acting: Acting, specialist: str) -> None:
    visit_id = started(house)
    with pytest.raises(Refused, match=r"chief_review\.specialist"):
        pushed(house, acting, visit_id, (STONE, specialist))
    assert of_visit(house, visit_id) == ()


def test_an_unknown_finding_or_none_at_all_is_refused(house: House, acting: Acting) -> None:
    visit_id = started(house)
    for chosen in ((), (("NOPE", SURGERY),)):
        with pytest.raises(Refused):
            pushed(house, acting, visit_id, *chosen)


def test_the_person_is_told_by_sms_without_finding_or_value(house: House, acting: Acting) -> None:
    visit_id = finalized(house)
    (push_id,) = pushed(house, acting, visit_id, (STONE, SURGERY), is_told=True)
    with house.unit(system_actor("01"), write=False) as db:
        fact = db.scalars(select(PushFact).where(PushFact.push_id == push_id)).one()
        message = db.get_one(Message, fact.message_id)
        text = house.cipher.open(message.text, f"exam_message.text:{message.id}")
        assert (fact.kind, fact.channel, message.visit_id, message.occasion) == ("message", "sms", visit_id, "abnormal")
    assert "结石" not in text and "7.4" not in text
    stands = of_visit(house, visit_id)[0].standing
    assert stands.told_at is None and stands.sms not in ("", SMS_QUEUED), "nobody agreed to SMS: it is held, with the reason"
    assert breaches(house) == []


def test_only_a_receipt_or_word_of_mouth_counts_as_told(house: House, acting: Acting) -> None:
    visit_id = finalized(house)
    (push_id,) = pushed(house, acting, visit_id, (STONE, SURGERY), is_told=True)
    with house.unit(system_actor("01")) as db:
        message_id = db.scalars(select(PushFact.message_id).where(PushFact.push_id == push_id)).one()
        assert message_id is not None
        for state in (DeliveryState.FAILED, DeliveryState.DELIVERED):
            pushes.on_message_settled(db, MessageSettled(message_id, "01", visit_id, Occasion.ABNORMAL, state))
            assert (pushes.of_visit(db, visit_id)[0].standing.told_at is not None) == (state is DeliveryState.DELIVERED)
    (other,) = pushed(house, acting, visit_id, (FATTY, "消化科"))
    with house.unit(acting("zhao")) as db:
        assert pushes.tell(db, other, "phone").standing.told_at is not None
    assert breaches(house) == []


# --- what came of it -------------------------------------------------------------------------------------------------


def test_a_visit_is_recorded_with_diagnosis_and_fees_which_add_up_and_can_be_taken_back(house: House, acting: Acting) -> None:
    visit_id = started(house)
    (push_id,) = pushed(house, acting, visit_id, (STONE, SURGERY))
    with house.unit(acting("zhao")) as db:
        pushes.see(db, push_id)
        pushes.record_visit(db, push_id, "胆囊结石", 12_050)
        known = pushes.record_visit(db, push_id, "胆囊结石伴胆囊炎", 30_000)
    assert (known.state, known.standing.diagnosis, known.standing.fee_fen) == (PushState.VISITED, "胆囊结石伴胆囊炎", 42_050)
    assert breaches(house) == []
    with house.unit(acting("zhao")) as db:
        back = pushes.undo(db, push_id, "登记错人")
        texts = [step.text for step in pushes.steps(db, push_id)]
    assert (back.state, back.standing.diagnosis, back.standing.fee_fen, back.standing.visited_at) == (PushState.SEEN, "", 0, None)
    assert texts == ["推送", "已阅", "已就诊", "已就诊", "撤销"]
    assert breaches(house) == []


def test_what_is_missing_or_not_possible_now_is_refused(house: House, acting: Acting) -> None:
    visit_id = started(house)
    (push_id,) = pushed(house, acting, visit_id, (STONE, SURGERY))
    with house.unit(acting("zhao")) as db:
        assert pushes.record_not_coming(db, push_id, "受检者拒绝就诊").standing.reason == "受检者拒绝就诊"
    with house.unit(acting("zhao")) as db:
        assert pushes.tell(db, push_id, "phone").standing.reason == "受检者拒绝就诊"
    acts: tuple[Callable[[Session], object], ...] = (
        lambda db: pushes.see(db, push_id), lambda db: pushes.record_visit(db, push_id, " ", None),
        lambda db: pushes.record_visit(db, push_id, "胆囊结石", -1), lambda db: pushes.tell(db, push_id, "pigeon"),
        lambda db: pushes.undo(db, push_id, ""),
    )  # fmt: skip
    for act in acts:
        with pytest.raises(Refused), house.unit(acting("zhao")) as db:
            act(db)
    with house.unit(acting("zhao")) as db:
        assert pushes.record_visit(db, push_id, "胆囊结石", None).state is PushState.VISITED
    with pytest.raises(Refused), house.unit(acting("he")) as db:
        pushes.withdraw(db, push_id, "推错")


def test_states_follow_the_facts() -> None:
    at = datetime(2026, 11, 21, 1, tzinfo=UTC)
    now = push_rules.after(push_rules.standing(()), "tell", at)
    assert (now.state, now.told_at) == (PushState.PUSHED, at)
    withdrawn = push_rules.after(now, "withdraw", at, reason="推错")
    assert (withdrawn.state, withdrawn.reason) == (PushState.WITHDRAWN, "推错")
    assert push_rules.after(withdrawn, "undo", at).state is PushState.PUSHED
    assert push_rules.first_of("心内科/内分泌科") == "心内科" and push_rules.first_of("") == ""


def test_a_list_that_does_not_follow_from_the_facts_is_a_breach(house: House, acting: Acting) -> None:
    (push_id,) = pushed(house, acting, started(house), (STONE, SURGERY))
    assert breaches(house) == []
    with house.unit(system_actor("01")) as db:
        db.execute(update(PushBoard).where(PushBoard.push_id == push_id).values(fee_fen=5))
    assert breaches(house) != []


# --- who sees it -----------------------------------------------------------------------------------------------------


def test_a_specialist_sees_and_handles_only_what_goes_to_the_own_department(house: House, acting: Acting) -> None:
    visit_id = started(house)
    stone, fatty = pushed(house, acting, visit_id, (STONE, SURGERY), (FATTY, "消化科"))
    limit_to(house, "mo", SURGERY)
    mo = acting("mo")
    with house.unit(mo) as db:
        found = push_lists.push_list(db, PushFilters())
        assert [line.push.id for line in found.lines] == [stone] and found.counts[PushTab.NEW] == 1
        assert pushes.see(db, stone).state is PushState.SEEN
    with pytest.raises(NotFound), house.unit(mo) as db:
        pushes.see(db, fatty)
    with house.unit(mo, write=False) as db:
        assert [each.specialist for each in push_lists.counts_by_specialist(db, TODAY, TODAY)] == [SURGERY]
    with pytest.raises(NotFound), house.unit(system_actor("02"), write=False) as db:
        pushes.find(db, stone)


def test_counts_tell_who_was_pushed_came_and_paid(house: House, acting: Acting) -> None:
    visit_id = started(house)
    stone, fatty, lipids = pushed(house, acting, visit_id, (STONE, SURGERY), (FATTY, "消化科"), ("M02", "心内科"))
    with house.unit(acting("zhao")) as db:
        pushes.record_visit(db, stone, "胆囊结石", 12_000)
        pushes.record_not_coming(db, fatty, "联系不上")
        pushes.withdraw(db, lipids, "重复")
    with house.unit(acting("zhao"), write=False) as db:
        counted = {each.specialist: each for each in push_lists.counts_by_specialist(db, TODAY, TODAY)}
        assert push_lists.counts_by_specialist(db, TODAY.replace(day=1), TODAY.replace(day=2)) == ()
    assert (counted[SURGERY].pushed, counted[SURGERY].visited, counted[SURGERY].fee_fen) == (1, 1, 12_000)
    assert (counted["消化科"].not_coming, "心内科" in counted) == (1, False)


def test_departments_of_specialists_can_be_granted(house: House, desk: Desks) -> None:
    with house.unit(system_actor("01"), write=False) as db:
        names = dict(pushes.specialist_departments(db))
        staff_id = db.scalars(select(Staff.id).where(Staff.login == "mo")).one()
    assert ENDOCRINE in names and not any("/" in name for name in names)
    page = desk("security").get(f"/staff/rights?person={staff_id}")
    assert f'value="{ENDOCRINE}"' in page.text
    with house.unit(system_actor("01"), write=False) as db:
        assert db.scalars(select(Grant).where(Grant.role == "specialist", Grant.staff_id == staff_id)).all() == []


# --- screens ---------------------------------------------------------------------------------------------------------


def number_of(house: House, visit_id: UUID) -> str:
    with house.unit(system_actor("01"), write=False) as db:
        return reviews.screen(db, visit_id).card.visit_no


def test_the_chief_pushes_and_the_specialist_handles_it(house: House, desk: Desks) -> None:
    visit_id = started(house)
    visit_no, he = number_of(house, visit_id), desk("he")
    form = he.get(f"/chief/{visit_no}/push").text
    assert f'value="{STONE}"' in form and "短信不含检查结果" in form
    keys = re.findall(r'name="key" value="([^"]*)"', form)
    sent = {"chosen": [STONE], "key": keys, "specialist": ["" for _ in keys], "urgency": "urgent"}
    assert "结石”没有填写就诊科室" in he.htmx(f"/chief/{visit_no}/push", sent).text
    sent["specialist"] = ["普外科" if key == STONE else "" for key in keys]
    answer = he.htmx(f"/chief/{visit_no}/push", sent)
    assert answer.status_code == 200, answer.text
    page = he.get(f"/chief/{visit_no}").text
    assert "普外科" in page and "待阅" in page
    limit_to(house, "mo", SURGERY)
    mo = desk("mo")
    listed = mo.get("/specialists").text
    assert "韦小明" in listed and "结石" in listed and "紧急" in listed
    (push,) = of_visit(house, visit_id)
    for action in ("visit", "not-coming", "tell", "undo", "history"):
        assert "韦小明" in mo.get(f"/specialists/{push.id}/ask/{action}").text
    assert mo.get(f"/specialists/{push.id}/ask/burn").status_code == 404
    assert mo.htmx(f"/specialists/{push.id}/see").status_code == 200
    assert mo.htmx(f"/specialists/{push.id}/visit", {"diagnosis": "", "fee": ""}).status_code == 409
    assert mo.htmx(f"/specialists/{push.id}/visit", {"diagnosis": "胆囊结石", "fee": "120.50"}).status_code == 200
    assert "¥120.50" in mo.get("/specialists?tab=done").text and "120.50" in mo.get("/specialists").text
    assert "诊断:胆囊结石" in he.get(f"/chief/{visit_no}").text
    assert "没有符合条件" in mo.post("/specialists", {"tab": "done", "q": "覃"}).text
    assert desk("wu").get("/specialists").status_code == 403
    assert breaches(house) == []


def test_a_push_is_taken_back_from_the_desk(house: House, acting: Acting, desk: Desks) -> None:
    visit_id = started(house)
    (push_id,) = pushed(house, acting, visit_id, (STONE, SURGERY))
    other = examined(house, person=OTHER)
    visit_no = number_of(house, visit_id)
    assert desk("he").post(f"/chief/{number_of(house, other)}/push/{push_id}/withdraw", {"reason": "x"}).status_code == 404
    assert desk("he").htmx(f"/chief/{visit_no}/push/{push_id}/withdraw", {"reason": ""}).status_code == 409
    assert desk("he").htmx(f"/chief/{visit_no}/push/{push_id}/withdraw", {"reason": "推错科室"}).status_code == 200
    assert of_visit(house, visit_id)[0].state is PushState.WITHDRAWN



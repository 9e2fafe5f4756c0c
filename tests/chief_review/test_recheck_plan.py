"""The recheck plan: proposed by the rules, chosen by the doctor, ordered by the final signature, withdrawn with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from chief_review import plan_rules, recheck_plan
from chief_review import service as reviews
from chief_review.plan_rules import PlanChoice, PlanItem
from exam.kit.errors import BadInput, Refused, Stale
from exam.kit.house import House, system_actor
from exam.knowledge import service as rule_store
from exam.knowledge.book import Recheck
from exam.knowledge.rules import RecheckProposal
from registration import rechecks, service
from registration.facts import NewBooking
from registration.recheck_facts import RecheckState
from tests.chief_review.cases import TODAY, breaches, enter, examined, finalized, first_signed, shown, signer, started
from tests.chief_review.test_service import Acting, lines_of
from tests.conftest import Desk

Desks = Callable[[str], Desk]
SUGAR = PlanItem(("G036",), 30, "血糖", ("D13@1",), 30)
PROPOSED = RecheckProposal(("G036",), 30, "血糖", ("D13@1",), ("GLU",))


@pytest.fixture(autouse=True)
def sugar_is_rechecked(house: House) -> None:
    """The rule of high glucose wants it examined again in thirty days, no other rule anything."""
    with house.unit(system_actor("01")) as db:
        rules = rule_store.rules_in_force(db, TODAY).book.rules
        changed = [
            msgspec.structs.replace(rule, recheck=Recheck(("G036",), 30) if rule.code == "D13" else None)
            for rule in rules if rule.code == "D13" or rule.recheck
        ]  # fmt: skip
        rule_store.publish(db, changed, valid_from=TODAY, reason="复查")


def screen_of(house: House, visit_id: UUID, login: str = "he") -> recheck_plan.PlanScreen:
    from tests.conftest import actor_named

    with house.unit(actor_named(house, login), write=False) as db:
        return recheck_plan.plan_screen(db, reviews.screen(db, visit_id))


def ordered(house: House, visit_id: UUID) -> list[tuple[tuple[str, ...], int, RecheckState]]:
    with house.unit(system_actor("01"), write=False) as db:
        return [(each.groups, (each.due_on - TODAY).days, each.state) for each in rechecks.of_visit(db, visit_id)]


# --- pure ------------------------------------------------------------------------------------------------------------


def test_a_day_that_a_doctor_changed_stays_one_that_nobody_touched_follows_the_rules() -> None:
    later = msgspec.structs.replace(PROPOSED, after_days=60)
    assert plan_rules.plan([later], [SUGAR], ())[0].after_days == 60
    changed = msgspec.structs.replace(SUGAR, after_days=14)
    assert plan_rules.plan([later], [changed], ())[0].after_days == 14


def test_what_no_rule_proposes_any_more_falls_away_and_what_a_doctor_added_stays() -> None:
    manual = PlanItem(("G038",), 90)
    assert plan_rules.plan([], [SUGAR, manual], ()) == (manual,)
    unticked = msgspec.structs.replace(SUGAR, is_wanted=False)
    assert plan_rules.plan([PROPOSED], [unticked, manual], ()) == (unticked, manual)


def test_private_findings_and_groups_make_a_private_item() -> None:
    assert plan_rules.plan([PROPOSED], (), {"GLU"})[0].is_private
    assert plan_rules.plan([PROPOSED], (), (), {"G036"})[0].is_private
    assert not plan_rules.plan([PROPOSED], (), {"HIV"}, {"G001"})[0].is_private


def test_days_out_of_bounds_and_too_many_items_are_refused() -> None:
    for days in (0, 1097):
        with pytest.raises(BadInput):
            plan_rules.chosen([SUGAR], [PlanChoice("G036", days, True)])
    many = [PlanItem((f"G{number}",), 1) for number in range(plan_rules.MOST_ITEMS)]
    with pytest.raises(Refused, match="recheck_many"):
        plan_rules.added(many, "X", is_private=False)


def test_adding_what_is_there_ticks_it_again_and_only_added_ones_can_be_taken_away() -> None:
    unticked = msgspec.structs.replace(SUGAR, is_wanted=False)
    assert plan_rules.added([unticked], "G036", is_private=False) == (SUGAR,)
    assert plan_rules.removed([SUGAR], "G036") == (SUGAR,)
    assert plan_rules.removed(plan_rules.added([], "G038", is_private=False), "G038") == ()


# --- through the review ----------------------------------------------------------------------------------------------


def test_what_the_rules_propose_is_ticked_and_ordered_by_the_final_signature(house: House) -> None:
    visit_id = first_signed(house)
    assert [(line.item.groups, line.item.is_wanted, line.due_on) for line in screen_of(house, visit_id).lines] == [
        (("G036",), True, TODAY + timedelta(days=30))
    ]  # fmt: skip
    assert ordered(house, visit_id) == []
    with house.unit(signer(house, "liang")) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)
    assert ordered(house, visit_id) == [(("G036",), 30, RecheckState.OPEN)]
    assert [line.recheck.state for line in screen_of(house, visit_id).ordered] == [RecheckState.OPEN]
    assert breaches(house) == []


def test_a_doctor_unticks_changes_the_days_and_adds_a_group(house: House, acting: Acting) -> None:
    visit_id = started(house)
    with house.unit(acting("he")) as db:
        saved = recheck_plan.save(db, visit_id, 0, [PlanChoice("G036", 30, False)], add="G038")
        assert saved.number == 1
        saved = recheck_plan.save(db, visit_id, 1, [PlanChoice("G036", 30, False), PlanChoice("G038", 14, True)])
        same = recheck_plan.save(db, visit_id, 2, [PlanChoice("G036", 30, False), PlanChoice("G038", 14, True)])
    assert (saved.number, same.number) == (2, 2)
    finalized(house, visit_id)
    assert ordered(house, visit_id) == [(("G038",), 14, RecheckState.OPEN)]


def test_a_deleted_line_proposes_nothing_any_more(house: House, acting: Acting) -> None:
    visit_id = started(house)
    review = shown(house, visit_id)
    of_sugar = {line.key for line in review.lines if any(why.rule == "D13" for why in line.because)}
    assert of_sugar and screen_of(house, visit_id).lines
    lines = [line for line in lines_of(review) if line.key not in of_sugar]
    with house.unit(acting("he")) as db:
        reviews.save(db, visit_id, 1, lines, False)
    assert screen_of(house, visit_id).lines == ()


def test_undoing_the_final_signature_withdraws_what_nobody_booked(house: House, acting: Acting) -> None:
    visit_id = finalized(house)
    with house.unit(acting("liang")) as db:
        reviews.undo_final(db, visit_id, "补充结论")
    assert ordered(house, visit_id) == [(("G036",), 30, RecheckState.CANCELLED)]
    with house.unit(signer(house, "liang")) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)
    assert sorted(state for *_, state in ordered(house, visit_id)) == [RecheckState.CANCELLED, RecheckState.OPEN]
    assert breaches(house) == []


def test_what_is_booked_already_stays_when_the_final_signature_is_undone(house: House, acting: Acting) -> None:
    visit_id = finalized(house)
    with house.unit(acting("lin")) as db:
        (known,) = rechecks.of_visit(db, visit_id)
        again = service.book(db, NewBooking(person_id=known.person_id, exam_on=TODAY + timedelta(days=20), groups=("G036",)))
        rechecks.book(db, [known.id], again.visit_id)
    with house.unit(acting("liang")) as db:
        reviews.undo_final(db, visit_id, "补充结论")
    with house.unit(signer(house, "liang")) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)
    assert ordered(house, visit_id) == [(("G036",), 30, RecheckState.BOOKED)]


def test_a_corrected_value_takes_its_proposal_away(house: House, acting: Acting) -> None:
    visit_id = started(house)
    with house.unit(acting("he")) as db:
        recheck_plan.save(db, visit_id, 0, [PlanChoice("G036", 20, True)])
        reviews.return_to_department(db, visit_id, "LAB", "复核")
    enter(house, visit_id, "LAB", {"GLU": "5.10"})
    with house.unit(acting("he")) as db:
        reviews.start(db, visit_id)
    assert screen_of(house, visit_id).lines == ()


def test_a_plan_is_closed_before_the_review_and_after_its_end_and_refuses_an_old_page(house: House, acting: Acting) -> None:
    visit_id = examined(house)
    with pytest.raises(Refused, match="plan_closed"), house.unit(acting("he")) as db:
        recheck_plan.save(db, visit_id, 0, ())
    started(house, visit_id=visit_id)
    with house.unit(acting("he")) as db:
        recheck_plan.save(db, visit_id, 0, ())
    with pytest.raises(Stale), house.unit(acting("zhao")) as db:
        recheck_plan.save(db, visit_id, 0, ())
    with pytest.raises(Refused, match="unknown_group"), house.unit(acting("zhao")) as db:
        recheck_plan.save(db, visit_id, 1, (), add="NOPE")
    finalized(house, visit_id)
    with pytest.raises(Refused, match="plan_closed"), house.unit(acting("he")) as db:
        recheck_plan.save(db, visit_id, 1, ())


# --- the screen ------------------------------------------------------------------------------------------------------


def test_the_plan_is_saved_alone_and_a_group_is_added_by_name(house: House, desk: Desks) -> None:
    visit_id = started(house)
    with house.unit(system_actor("01"), write=False) as db:
        visit_no = reviews.screen(db, visit_id).card.visit_no
    he, url = desk("he"), f"/chief/{visit_no}/rechecks"
    page = he.get(f"/chief/{visit_no}").text
    assert 'id="recheck-plan"' in page and 'name="wanted" value="G036"' in page
    form: dict[str, Any] = {"base_number": "0", "key": "G036", "after_days": "30", "wanted": "G036", "act": "save"}
    many = he.htmx(url, {**form, "q": "血"})
    assert many.status_code == 200 and many.text.count('value="add:') > 1
    number = re.findall(r'name="base_number" value="(\d+)"', many.text)[0]
    added = he.htmx(url, {**form, "base_number": number, "q": "g038"})
    assert added.status_code == 200 and 'name="wanted" value="G038" id="wanted-2" checked' in added.text
    form = {**form, "base_number": "2", "key": ["G036", "G038"], "after_days": ["30", "20"], "wanted": ["G038"]}
    kept = he.htmx(url, form).text
    assert 'name="wanted" value="G036" id="wanted-1">' in kept and 'value="20"' in kept
    assert "G038" not in he.htmx(url, {**form, "base_number": "3", "act": "remove:G038"}).text
    assert he.htmx(url, {**form, "base_number": "1"}).status_code == 409
    form = {"base_number": "4", "key": "G036", "after_days": "30", "act": "save"}
    assert "没有匹配" in he.htmx(url, {**form, "q": "没有这个"}).text
    assert he.htmx(url, {**form, "after_days": "x"}).status_code == 422
    assert he.htmx(url, {**form, "key": ["G036", "G038"]}).status_code == 422
    assert desk("wu").post(url, form).status_code == 403

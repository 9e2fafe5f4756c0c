"""Writing, signing, taking back and returning through the service, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from chief_review import service as reviews
from chief_review.facts import EditedLine, QueueFilters, QueueTab, Review, ReviewConflict, ReviewState
from exam.kit.errors import NotFound, Refused
from exam.kit.house import Actor, House
from exam.visits import service as visits
from exam.visits.facts import Milestone, VisitState
from results import service as results
from results.facts import DeliveredValue, RecordState
from tests.chief_review.cases import (
    GROUPS,
    HEALTHY_LIPIDS,
    OTHER,
    breaches,
    enter,
    examined,
    finalized,
    first_signed,
    shown,
    signer,
    started,
)

Acting = Callable[[str], Actor]
HEALTHY = {"LAB": {**HEALTHY_LIPIDS, "GLU": "5.20"}, "USG": {"US_ABD": ["肝、胆、胰、脾、双肾未见明显异常"]}}


def state_of(house: House, acting: Acting, visit_id: object) -> VisitState:
    with house.unit(acting("he"), write=False) as db:
        return visits.state_of(db, visit_id)  # type: ignore[arg-type]


def lines_of(review: Review) -> list[EditedLine]:
    return [
        EditedLine(
            key=line.key, text=line.text, category=line.category, severity=line.severity, advice=line.advice,
            lifestyle=line.lifestyle, specialist=line.specialist,
        )
        for line in review.lines
    ]  # fmt: skip


# --- writing ---------------------------------------------------------------------------------------------------------


def test_starting_collects_a_line_for_every_flagged_value(house: House, acting: Acting) -> None:
    visit_id = started(house)
    review = shown(house, visit_id)
    assert (review.state, review.version, review.author) == (ReviewState.OPEN, 1, "何志远")
    assert {"B02", "M02", "D57"} <= {line.key for line in review.lines}
    assert state_of(house, acting, visit_id) == VisitState.CHIEF
    with house.unit(acting("he"), write=False) as db:
        screen = reviews.screen(db, visit_id)
    assert (screen.uncovered, screen.blocks, screen.has_new_results) == ((), (), False)
    assert breaches(house) == []


def test_a_visit_whose_departments_are_not_done_cannot_be_started(house: House, acting: Acting) -> None:
    visit_id = examined(house, {"LAB": HEALTHY["LAB"]})
    with pytest.raises(Refused, match="not_ready") as refused, house.unit(acting("he")) as db:
        reviews.start(db, visit_id)
    assert "已交单" in refused.value.text


def test_starting_again_changes_nothing(house: House, acting: Acting) -> None:
    visit_id = started(house)
    with house.unit(acting("zhao")) as db:
        assert reviews.start(db, visit_id).version == 1
    assert shown(house, visit_id).author == "何志远"


def test_a_save_makes_a_version_and_the_same_again_makes_none(house: House, acting: Acting) -> None:
    visit_id = started(house)
    lines = [*lines_of(shown(house, visit_id)), EditedLine(text="建议戒烟限酒", category="提示")]
    with house.unit(acting("zhao")) as db:
        review = reviews.save(db, visit_id, 1, lines, False)
    assert (review.version, review.author, review.lines[-1].origin) == (2, "赵慧敏", "manual")
    with house.unit(acting("he")) as db:
        assert reviews.save(db, visit_id, 2, lines_of(review), False).version == 2
    assert shown(house, visit_id).author == "赵慧敏"
    assert breaches(house) == []


def test_a_save_on_an_old_version_is_refused_and_shows_theirs(house: House, acting: Acting) -> None:
    visit_id = started(house)
    lines = lines_of(shown(house, visit_id))
    with house.unit(acting("zhao")) as db:
        reviews.save(db, visit_id, 1, lines[1:], False)
    with pytest.raises(ReviewConflict) as conflict, house.unit(acting("he")) as db:
        reviews.save(db, visit_id, 1, lines[:1], False)
    assert "赵慧敏" in conflict.value.text
    assert [line.key for line in conflict.value.theirs.lines] == [line.key for line in lines[1:]]
    assert shown(house, visit_id).version == 2


def test_merged_reworded_and_deleted_lines_survive_a_correction_of_the_results(house: House, acting: Acting) -> None:
    visit_id = started(house)
    review = shown(house, visit_id)
    lines = lines_of(review)
    with house.unit(acting("he")) as db:
        merged = reviews.save(db, visit_id, 1, lines, False, act="merge", chosen=["D55A", "D57"])
        reviews.return_to_department(db, visit_id, "LAB", "血糖请复核")
    assert "D55A+D57" in {line.key for line in merged.lines}
    assert state_of(house, acting, visit_id) == VisitState.SHEET_RETURNED
    enter(house, visit_id, "LAB", {"GLU": "6.50"})
    assert state_of(house, acting, visit_id) == VisitState.SECTIONS_DONE
    with house.unit(acting("he")) as db:
        again = reviews.start(db, visit_id)
    keys = {line.key for line in again.lines}
    assert {"D12", "D55A+D57"} <= keys and "B02" not in keys and again.attention == ""
    assert breaches(house) == []


# --- signing ---------------------------------------------------------------------------------------------------------


def test_two_doctors_sign_and_the_visit_is_final(house: House, acting: Acting) -> None:
    visit_id = finalized(house)
    review = shown(house, visit_id)
    assert review.state == ReviewState.FINAL
    assert [(each.level, each.name, each.title) for each in review.signatures] == [
        ("first", "何志远", "主治医师"), ("final", "梁国栋", "主任医师"),
    ]  # fmt: skip
    assert {each.digest for each in review.signatures} == {review.digest}
    assert state_of(house, acting, visit_id) == VisitState.FINAL
    assert breaches(house) == []


def test_the_first_signature_locks_the_departments(house: House, acting: Acting) -> None:
    visit_id = first_signed(house)
    with house.unit(acting("he"), write=False) as db:
        assert {each.state for each in results.department_results(db, visit_id)} == {RecordState.LOCKED}
    with pytest.raises(Refused, match="locked"), house.unit(acting("nong")) as db:
        results.reopen(db, visit_id, "LAB", "想改")


def test_without_an_open_signing_window_nothing_is_signed(house: House, acting: Acting) -> None:
    visit_id = started(house)
    with pytest.raises(Refused, match="signing_closed"), house.unit(acting("he")) as db:
        reviews.sign_first(db, visit_id, reviews.review(db, visit_id).digest)
    assert shown(house, visit_id).signatures == ()
    late = signer(house, "he")
    house.clock.advance(minutes=14)  # type: ignore[attr-defined]
    with house.unit(late) as db:
        reviews.sign_first(db, visit_id, reviews.review(db, visit_id).digest)
    other = first_signed_other = started(house, "he", examined(house, person=OTHER))
    house.clock.advance(minutes=31)  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="signing_closed"), house.unit(late) as db:
        reviews.sign_first(db, other, reviews.review(db, first_signed_other).digest)


def test_what_was_not_shown_is_not_signed(house: House, acting: Acting) -> None:
    visit_id = started(house)
    seen = shown(house, visit_id)
    with house.unit(acting("zhao")) as db:
        reviews.save(db, visit_id, 1, [*lines_of(seen), EditedLine(text="另加一条", category="提示")], False)
    with pytest.raises(Refused, match="digest_changed"), house.unit(signer(house, "he")) as db:
        reviews.sign_first(db, visit_id, seen.digest)


def test_a_result_that_changes_between_looking_and_signing_is_noticed(house: House, acting: Acting) -> None:
    visit_id = started(house)
    seen = shown(house, visit_id)
    with house.unit(acting("nong")) as db:
        results.receive(db, visit_id, "LAB", [DeliveredValue("GLU", "7.60", "mmol/L")], reason="检验科更正")
    with pytest.raises(Refused, match="digest_changed"), house.unit(signer(house, "he")) as db:
        reviews.sign_first(db, visit_id, seen.digest)


def test_a_flagged_value_without_a_line_refuses_the_signature_by_name(house: House, acting: Acting) -> None:
    visit_id = started(house)
    lines = [line for line in lines_of(shown(house, visit_id)) if line.key != "D57"]
    with house.unit(acting("he")) as db:
        reviews.save(db, visit_id, 1, lines, False)
    with pytest.raises(Refused, match="uncovered") as refused, house.unit(signer(house, "he")) as db:
        reviews.sign_first(db, visit_id, reviews.review(db, visit_id).digest)
    assert "胆囊结石" in refused.value.text
    with house.unit(acting("he")) as db:
        review = reviews.review(db, visit_id)
        reviews.save(db, visit_id, review.version, lines_of(review), False, act="cover:US_ABD")
    with house.unit(signer(house, "he")) as db:
        assert reviews.sign_first(db, visit_id, reviews.review(db, visit_id).digest).state == ReviewState.FIRST_SIGNED
    assert breaches(house) == []


def test_a_healthy_person_needs_the_explicit_statement(house: House, acting: Acting) -> None:
    visit_id = started(house, visit_id=examined(house, HEALTHY))
    with pytest.raises(Refused, match="no_line"), house.unit(signer(house, "he")) as db:
        reviews.sign_first(db, visit_id, reviews.review(db, visit_id).digest)
    with house.unit(acting("he")) as db:
        reviews.save(db, visit_id, 1, [], True)
    finalized_review = shown(house, first_signed_only(house, visit_id))
    assert finalized_review.is_nothing_abnormal and finalized_review.lines == ()
    assert breaches(house) == []


def first_signed_only(house: House, visit_id: object) -> object:
    with house.unit(signer(house, "he")) as db:
        reviews.sign_first(db, visit_id, reviews.review(db, visit_id).digest)  # type: ignore[arg-type]
    return visit_id


def test_the_statement_is_refused_while_a_value_is_flagged(house: House, acting: Acting) -> None:
    visit_id = started(house)
    with house.unit(acting("he")) as db:
        reviews.save(db, visit_id, 1, [], True)
    with pytest.raises(Refused, match="uncovered") as refused, house.unit(signer(house, "he")) as db:
        reviews.sign_first(db, visit_id, reviews.review(db, visit_id).digest)
    assert "不能下“未见明显异常”" in refused.value.text


@pytest.mark.parametrize(("login", "code"), [("he", "same_doctor"), ("zhao", "")])
def test_the_first_signer_does_not_sign_finally(house: House, login: str, code: str) -> None:
    visit_id = first_signed(house)
    doctor = signer(house, login)
    if not code:
        with house.unit(doctor) as db:
            assert reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest).state == ReviewState.FINAL
        return
    with pytest.raises(Refused, match=code), house.unit(doctor) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)


def test_a_senior_title_is_needed_for_the_final_signature(house: House) -> None:
    visit_id = first_signed(house, login="liang")
    with pytest.raises(Refused, match="title_too_low") as refused, house.unit(signer(house, "he")) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)
    assert "主治医师" in refused.value.text


def test_the_author_does_not_sign_finally_even_when_another_signed_first(house: House, acting: Acting) -> None:
    visit_id = started(house, "liang")
    first_signed_only(house, visit_id)
    with pytest.raises(Refused, match="same_doctor"), house.unit(signer(house, "liang")) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)


def test_of_two_chiefs_who_sign_at_once_one_wins_and_the_other_hears_who(house: House) -> None:
    visit_id = started(house)
    digest = shown(house, visit_id).digest
    doctors = [signer(house, "he"), signer(house, "zhao")]
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def sign(doctor: Actor) -> None:
        start.wait()
        try:
            with house.unit(doctor) as db:
                reviews.sign_first(db, visit_id, digest)
            outcomes.append("signed")
        except Refused as refused:
            outcomes.append(refused.code + refused.text)

    threads = [threading.Thread(target=sign, args=(doctor,)) for doctor in doctors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    winner = shown(house, visit_id).signatures[0].name
    assert sorted(outcomes) == sorted(["signed", f"chief_review.signed{winner}已完成初审签名,未重复签名"])
    assert len(shown(house, visit_id).signatures) == 1
    assert breaches(house) == []


# --- taking back -----------------------------------------------------------------------------------------------------


def test_signatures_are_undone_one_level_at_a_time_and_stay_in_the_history(house: House, acting: Acting) -> None:
    visit_id = finalized(house)
    with pytest.raises(Refused, match="not_possible"), house.unit(acting("he")) as db:
        reviews.undo_first(db, visit_id, "想改")
    with house.unit(acting("liang")) as db:
        review = reviews.undo_final(db, visit_id, "受检者有异议")
    assert (review.state, review.is_rereview, review.attention) == (ReviewState.FIRST_SIGNED, True, "受检者有异议")
    with house.unit(acting("he")) as db:
        assert reviews.undo_first(db, visit_id, "修改超声结论").state == ReviewState.OPEN
        assert {each.state for each in results.department_results(db, visit_id)} == {RecordState.VERIFIED}
    with house.unit(acting("he"), write=False) as db:
        history = reviews.screen(db, visit_id).history
    assert [(each.level, each.is_undoing) for each in history] == [
        ("first", True), ("final", True), ("final", False), ("first", False),
    ]  # fmt: skip
    assert breaches(house) == []


def test_after_undoing_it_can_be_written_and_signed_again(house: House, acting: Acting) -> None:
    visit_id = finalized(house)
    with house.unit(acting("liang")) as db:
        reviews.undo_final(db, visit_id, "修改")
        reviews.undo_first(db, visit_id, "修改")
    review = shown(house, visit_id)
    with house.unit(acting("he")) as db:
        reviews.save(db, visit_id, review.version, lines_of(review)[::-1], False)
    first_signed_only(house, visit_id)
    with house.unit(signer(house, "liang")) as db:
        final = reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)
    assert (final.state, final.is_rereview, len(final.signatures)) == (ReviewState.FINAL, False, 2)
    assert breaches(house) == []


def test_undoing_needs_a_reason_and_an_issued_report_comes_first(house: House, acting: Acting) -> None:
    visit_id = finalized(house)
    with pytest.raises(Refused, match="reason_missing"), house.unit(acting("liang")) as db:
        reviews.undo_final(db, visit_id, "  ")
    with house.unit(acting("liang")) as db:
        visits.reach(db, visit_id, Milestone.REPORT_ISSUED)
    with pytest.raises(Refused, match="undo_out_of_turn"), house.unit(acting("liang")) as db:
        reviews.undo_final(db, visit_id, "修改")
    assert shown(house, visit_id).state == ReviewState.FINAL


# --- departments -----------------------------------------------------------------------------------------------------


def test_a_return_is_refused_once_signed(house: House, acting: Acting) -> None:
    visit_id = first_signed(house)
    with pytest.raises(Refused, match="not_possible"), house.unit(acting("he")) as db:
        reviews.return_to_department(db, visit_id, "LAB", "请复核")


def test_a_returned_visit_keeps_its_lines_and_cannot_be_written(house: House, acting: Acting) -> None:
    visit_id = started(house)
    with house.unit(acting("he")) as db:
        reviews.return_to_department(db, visit_id, "USG", "请补充描述")
    review = shown(house, visit_id)
    assert (review.version, review.attention) == (1, "已退回科室:请补充描述")
    with pytest.raises(Refused, match="not_started"), house.unit(acting("he")) as db:
        reviews.save(db, visit_id, 1, lines_of(review), False)
    with house.unit(acting("he"), write=False) as db:
        returned = reviews.queue(db, QueueFilters(tab=QueueTab.RETURNED))
    assert [row.attention for row in returned.rows] == ["已退回科室:请补充描述"]
    assert breaches(house) == []


def test_a_department_that_opens_its_own_record_takes_the_review_back(house: House, acting: Acting) -> None:
    visit_id = started(house)
    with house.unit(acting("nong")) as db:
        results.reopen(db, visit_id, "LAB", "录错")
    assert state_of(house, acting, visit_id) == VisitState.SHEET_RETURNED
    assert "录错" in shown(house, visit_id).attention
    assert breaches(house) == []


def test_a_correction_from_outside_takes_a_first_signature_back(house: House, acting: Acting) -> None:
    visit_id = first_signed(house)
    with house.unit(acting("nong")) as db:
        results.receive(db, visit_id, "LAB", [DeliveredValue("GLU", "12.80", "mmol/L")], reason="仪器更正")
    review = shown(house, visit_id)
    assert (review.state, review.signatures, review.is_rereview) == (ReviewState.OPEN, (), True)
    with house.unit(acting("he"), write=False) as db:
        screen = reviews.screen(db, visit_id)
        assert reviews.queue(db, QueueFilters()).rows[0].is_rereview
    assert screen.has_new_results
    assert breaches(house) == []


def test_a_correction_after_the_final_review_is_kept_and_asks_for_a_re_review(house: House, acting: Acting) -> None:
    visit_id = finalized(house)
    with house.unit(acting("nong")) as db:
        results.receive(db, visit_id, "LAB", [DeliveredValue("GLU", "3.10", "mmol/L")], reason="仪器更正")
    review = shown(house, visit_id)
    assert (review.state, review.is_rereview) == (ReviewState.FINAL, True)
    assert {each.digest == review.digest for each in review.signatures} == {False}
    with house.unit(acting("he"), write=False) as db:
        assert [row.card.id for row in reviews.queue(db, QueueFilters(tab=QueueTab.REREVIEW)).rows] == [visit_id]
    assert breaches(house) == []


# --- lines whose findings are gone ---------------------------------------------------------------------------------


def corrected(house: House, acting: Acting) -> UUID:
    """A review with a reworded line about a glucose that the department corrected to a normal one afterwards."""
    visit_id = started(house)
    review = shown(house, visit_id)
    with house.unit(acting("he")) as db:
        lines = [msgspec.structs.replace(line, advice="控制饮食") if line.key == "B02" else line for line in lines_of(review)]
        reviews.save(db, visit_id, 1, lines, False)
        reviews.return_to_department(db, visit_id, "LAB", "血糖请复核")
    enter(house, visit_id, "LAB", {"GLU": "5.20"})
    with house.unit(acting("he")) as db:
        reviews.start(db, visit_id)
    return visit_id


def test_a_line_whose_finding_is_gone_is_not_signed_before_it_is_kept_or_deleted(house: House, acting: Acting) -> None:
    visit_id = corrected(house, acting)
    with pytest.raises(Refused, match="outdated") as refused, house.unit(signer(house, "he")) as db:
        reviews.sign_first(db, visit_id, reviews.review(db, visit_id).digest)
    assert "依据已变化" in refused.value.text and "删除" in refused.value.hint
    review = shown(house, visit_id)
    with pytest.raises(Refused, match="reason_missing"), house.unit(acting("he")) as db:
        reviews.save(db, visit_id, review.version, lines_of(review), False, act="keep:B02")
    with house.unit(acting("he")) as db:
        kept = reviews.save(db, visit_id, review.version, lines_of(review), False, act="keep:B02", reason="近期确诊糖尿病")
        assert reviews.screen(db, visit_id).outdated == frozenset()
    line = next(line for line in kept.lines if line.key == "B02")
    assert line.kept is not None and line.kept.by == "何志远"
    assert any("近期确诊糖尿病" in text and "2026-11-21" in text for why in line.because for text in why.evidence)
    finalized(house, visit_id)
    assert breaches(house) == []


def test_a_line_whose_finding_is_gone_gives_way_to_the_suggestions(house: House, acting: Acting) -> None:
    visit_id = corrected(house, acting)
    review = shown(house, visit_id)
    with house.unit(acting("he")) as db:
        renewed = reviews.save(db, visit_id, review.version, lines_of(review), False, act="renew:B02")
    assert "B02" not in {line.key for line in renewed.lines}
    finalized(house, visit_id)
    assert breaches(house) == []


def test_the_second_signer_hears_first_that_the_content_changed(house: House) -> None:
    visit_id = first_signed(house)
    with pytest.raises(Refused, match="digest_changed") as refused, house.unit(signer(house, "he")) as db:
        reviews.sign_final(db, visit_id, "0" * 64)
    assert refused.value.text.startswith("内容已变化")


# --- the queue -------------------------------------------------------------------------------------------------------


def test_the_queue_is_in_order_of_completion_with_urgent_and_re_reviews_first(house: House, acting: Acting) -> None:
    first = examined(house)
    house.clock.advance(minutes=5)  # type: ignore[attr-defined]
    second = examined(house, person=OTHER, urgent=True)
    with house.unit(acting("he"), write=False) as db:
        found = reviews.queue(db, QueueFilters())
    assert [row.card.id for row in found.rows] == [second, first]
    finalized(house, first)
    with house.unit(acting("liang")) as db:
        reviews.undo_final(db, first, "重审")
        reviews.undo_first(db, first, "重审")
    with house.unit(acting("he"), write=False) as db:
        found = reviews.queue(db, QueueFilters())
        since = visits.card(db, first).exam_on - timedelta(days=1)
        counts = reviews.queue(db, QueueFilters(tab=QueueTab.FINAL, since=since)).counts
    assert [(row.card.id, row.is_rereview) for row in found.rows] == [(first, True), (second, False)]
    assert counts == {"waiting": 2, "first_signed": 0, "rereview": 1, "returned": 0, "final": 0}


def test_the_queue_is_searched_by_name_and_paged(house: House, acting: Acting) -> None:
    examined(house)
    examined(house, HEALTHY, GROUPS, OTHER)
    with house.unit(acting("he"), write=False) as db:
        assert [row.card.person_name for row in reviews.queue(db, QueueFilters(name="黄")).rows] == ["黄秋燕"]
        page = reviews.queue(db, QueueFilters(), page=2, size=1)
        assert (page.page, page.pages, page.total, len(page.rows)) == (2, 2, 2, 1)
        assert reviews.queue(db, QueueFilters(), page=99, size=1).page == 2


def test_a_review_of_another_site_is_not_found(house: House, acting: Acting) -> None:
    visit_id = finalized(house)
    stranger = Actor(staff_id=None, login="zhou", name="周", site="02")
    with pytest.raises(NotFound), house.unit(stranger, write=False) as db:
        reviews.review(db, visit_id)

"""Rechecks at the desk: ordered, booked, examined, put off, cancelled, taken back; the lists and what must hold of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select, update

from exam.kit.audit import Audit
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.house import Actor, House, system_actor
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineState, Milestone
from registration import recheck_lists, recheck_rules, rechecks, service
from registration.facts import NewBooking
from registration.models import RecheckBoard
from registration.recheck_facts import NewRecheck, RecheckState, RecheckTab
from registration.recheck_lists import RecheckFilters
from tests.chief_review.cases import enter, examined
from tests.conftest import Desk
from tests.registration.cases import TODAY, Acting, no_breaches, numbered, walk_in

Desks = Callable[[str], Desk]
SUGAR, LIPIDS = "G036", "G038"


def ordered(house: House, visit_id: UUID, *wanted: tuple[tuple[str, ...], int], is_private: bool = False) -> tuple[UUID, ...]:
    """What a final review orders: groups, and in how many days."""
    with house.unit(system_actor("01")) as db:
        news = [
            NewRecheck(groups=groups, due_on=TODAY + timedelta(days=days), reason="空腹血糖升高", rule="D13@1", is_private=is_private)
            for groups, days in wanted
        ]  # fmt: skip
        return rechecks.order(db, visit_id, news)


def booked(house: House, actor: Actor, recheck_id: UUID, on: date, groups: tuple[str, ...] = (SUGAR,)) -> UUID:
    with house.unit(actor) as db:
        known = rechecks.recheck(db, recheck_id)
        visit_id = service.book(db, NewBooking(person_id=known.person_id, exam_on=on, groups=groups)).visit_id
        rechecks.book(db, [recheck_id], visit_id)
    return visit_id


def state_of(house: House, actor: Actor, recheck_id: UUID) -> RecheckState:
    with house.unit(actor, write=False) as db:
        return rechecks.recheck(db, recheck_id).state


def listed(house: House, actor: Actor, **filters: Any) -> list[UUID]:
    with house.unit(actor, write=False) as db:
        return [line.recheck.id for line in recheck_lists.recheck_list(db, RecheckFilters(**filters)).lines]


# --- ordering --------------------------------------------------------------------------------------------------------


def test_what_was_ordered_is_not_ordered_twice_and_comes_back_after_a_withdrawal(house: House, acting: Acting, desk: Desks) -> None:
    lin = acting("lin")
    visit_id = walk_in(house, lin).visit_id
    first = ordered(house, visit_id, ((SUGAR, LIPIDS), 30))
    again = ordered(house, visit_id, ((SUGAR, "G013"), 60))
    with house.unit(lin, write=False) as db:
        assert [each.groups for each in rechecks.of_visit(db, visit_id)] == [(SUGAR, LIPIDS), ("G013",)]
    with house.unit(lin) as db:
        assert rechecks.withdraw(db, visit_id, "终审已撤销") == 2
    with pytest.raises(Refused, match="recheck_withdrawn"), house.unit(lin) as db:
        rechecks.undo(db, first[0], "恢复")
    assert "恢复</button>" not in desk("lin").get("/registration/rechecks?tab=ended").text
    third = ordered(house, visit_id, ((SUGAR,), 10))
    assert {state_of(house, lin, each) for each in (*first, *again)} == {RecheckState.CANCELLED}
    assert state_of(house, lin, third[0]) is RecheckState.OPEN
    assert no_breaches(house)


def test_a_booked_one_outlives_the_withdrawal_and_is_not_ordered_again(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = walk_in(house, lin).visit_id
    (recheck_id,) = ordered(house, visit_id, ((SUGAR,), 30))
    booked(house, lin, recheck_id, TODAY + timedelta(days=30))
    with house.unit(lin) as db:
        assert rechecks.withdraw(db, visit_id, "终审已撤销") == 0
    assert ordered(house, visit_id, ((SUGAR,), 30)) == ()
    assert state_of(house, lin, recheck_id) is RecheckState.BOOKED


def test_what_the_desk_cancelled_stays_cancelled_when_the_review_is_signed_again(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = walk_in(house, lin).visit_id
    (recheck_id,) = ordered(house, visit_id, ((SUGAR,), 30))
    with house.unit(lin) as db:
        rechecks.cancel(db, recheck_id, "已在外院复查")
    assert ordered(house, visit_id, ((SUGAR,), 30)) == ()
    with house.unit(lin) as db:
        assert rechecks.undo(db, recheck_id, "记错了").state is RecheckState.OPEN
    assert no_breaches(house)


# --- the visit for it ------------------------------------------------------------------------------------------------


def test_a_booking_that_holds_the_groups_marks_it_and_its_cancelling_opens_it_again(house: House, acting: Acting) -> None:
    lin = acting("lin")
    (recheck_id,) = ordered(house, walk_in(house, lin).visit_id, ((SUGAR,), 30))
    visit_id = booked(house, lin, recheck_id, TODAY + timedelta(days=20))
    with house.unit(lin, write=False) as db:
        known = rechecks.recheck(db, recheck_id)
        assert (known.state, known.booked_id) == (RecheckState.BOOKED, visit_id)
    with house.unit(lin) as db:
        service.cancel(db, visit_id, "受检者要求取消")
    with house.unit(lin, write=False) as db:
        known = rechecks.recheck(db, recheck_id)
        assert (known.state, known.booked_id) == (RecheckState.OPEN, None)
    assert no_breaches(house)


def test_a_booking_without_the_groups_or_of_another_person_is_refused(house: House, acting: Acting) -> None:
    lin = acting("lin")
    (recheck_id,) = ordered(house, walk_in(house, lin).visit_id, ((SUGAR, LIPIDS), 30))
    with pytest.raises(Refused, match="recheck_groups"):
        booked(house, lin, recheck_id, TODAY + timedelta(days=20))
    other = walk_in(house, lin, numbered(3)).visit_id
    with pytest.raises(Refused, match="recheck_person"), house.unit(lin) as db:
        rechecks.book(db, [recheck_id], other)
    assert state_of(house, lin, recheck_id) is RecheckState.OPEN


def examined_again(house: House, acting: Acting, *, is_refused: bool) -> tuple[UUID, UUID]:
    """A recheck whose visit of the next month was examined, or whose only group was refused there."""
    lin = acting("lin")
    visit_id = examined(house, {"LAB": {"GLU": "7.40"}}, (SUGAR,))
    (recheck_id,) = ordered(house, visit_id, ((SUGAR,), 30))
    with house.unit(lin) as db:
        person_id = rechecks.recheck(db, recheck_id).person_id
        new = visits.NewVisit(person_id=person_id, exam_on=TODAY + timedelta(days=30), groups=(SUGAR, LIPIDS))
        again = visits.open_visit(db, new)
        rechecks.book(db, [recheck_id], again)
        visits.reach(db, again, Milestone.CHECKED_IN)
        if is_refused:
            line = next(each for each in orders.lines(db, again) if each.group_code == SUGAR)
            service.refuse_line(db, again, [line.id], "受检者拒绝")
    values: dict[str, str | list[str]] = {"TC": "4.50", "TG": "1.20", "HDL": "1.30", "LDL": "2.50"}
    enter(house, again, "LAB", values if is_refused else {**values, "GLU": "5.10"})
    with house.unit(lin) as db:
        visits.reach(db, again, Milestone.SHEET_RETURNED)
    return recheck_id, again


def test_it_is_done_when_its_visit_was_examined_and_booked_again_when_that_is_reopened(house: House, acting: Acting) -> None:
    recheck_id, again = examined_again(house, acting, is_refused=False)
    assert state_of(house, acting("lin"), recheck_id) is RecheckState.DONE
    with house.unit(acting("qin")) as db:
        service.undo_return(db, again, "操作错误")
    assert state_of(house, acting("lin"), recheck_id) is RecheckState.BOOKED
    with house.unit(acting("lin")) as db:
        visits.reach(db, again, Milestone.SHEET_RETURNED)
    assert state_of(house, acting("lin"), recheck_id) is RecheckState.DONE
    assert no_breaches(house)


def test_the_next_exam_of_the_same_groups_answers_a_recheck_that_nobody_booked(house: House, acting: Acting) -> None:
    first = examined(house, {"LAB": {"GLU": "7.40"}}, (SUGAR,))
    of_sugar, of_both = ordered(house, first, ((SUGAR,), 30), ((LIPIDS,), 30))
    later = examined(house, {"LAB": {"GLU": "5.10"}}, (SUGAR,), on=TODAY + timedelta(days=200))
    with house.unit(acting("lin"), write=False) as db:
        known = rechecks.recheck(db, of_sugar)
        assert (known.state, known.booked_id) == (RecheckState.DONE, later)
    assert state_of(house, acting("lin"), of_both) is RecheckState.OPEN
    assert no_breaches(house)


def side_by_side(*acts: Callable[[], None]) -> list[str]:
    """What becomes of acts that begin at the same moment, each in its own thread: nothing, or the code of its refusal."""
    outcomes: list[str] = []
    start = threading.Barrier(len(acts))

    def one(act: Callable[[], None]) -> None:
        start.wait()
        try:
            act()
            outcomes.append("")
        except Refused as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=one, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_two_visits_that_end_at_once_answer_a_recheck_once_and_both_end(
    house: House, acting: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = examined(house, {"LAB": {"GLU": "7.40"}}, (SUGAR,))
    lin = acting("lin")
    later = [examined(house, {"LAB": {"GLU": "5.10"}}, (SUGAR,), on=TODAY + timedelta(days=days)) for days in (100, 200)]
    for visit_id in later:
        with house.unit(acting("qin")) as db:
            service.undo_return(db, visit_id, "操作错误")
    (recheck_id,) = ordered(house, first, ((SUGAR,), 30))
    read = rechecks._read
    both_read = threading.Barrier(2)

    def read_side_by_side(*args: Any, **kwargs: Any) -> Any:
        found = read(*args, **kwargs)
        with suppress(threading.BrokenBarrierError):  # who holds what it read keeps the other from reading
            both_read.wait(0.5)
        return found

    monkeypatch.setattr(rechecks, "_read", read_side_by_side)

    def end(visit_id: UUID) -> Callable[[], None]:
        def act() -> None:
            with house.unit(lin) as db:
                visits.reach(db, visit_id, Milestone.SHEET_RETURNED)

        return act

    assert side_by_side(*(end(visit_id) for visit_id in later)) == ["", ""]
    monkeypatch.undo()
    with house.unit(lin, write=False) as db:
        assert rechecks.recheck(db, recheck_id).state is RecheckState.DONE
        assert [step.text for step in rechecks.steps(db, recheck_id)] == ["终审开立", "预约", "已复查"]
    assert no_breaches(house)


def test_a_refused_group_is_no_recheck(house: House, acting: Acting) -> None:
    recheck_id, _ = examined_again(house, acting, is_refused=True)
    assert state_of(house, acting("lin"), recheck_id) is RecheckState.OPEN
    assert no_breaches(house)


# --- acts and rules --------------------------------------------------------------------------------------------------


def test_a_day_is_put_off_and_what_is_wrong_is_refused(house: House, acting: Acting) -> None:
    lin = acting("lin")
    (recheck_id,) = ordered(house, walk_in(house, lin).visit_id, ((SUGAR,), 30))
    with house.unit(lin) as db:
        assert rechecks.postpone(db, recheck_id, TODAY + timedelta(days=45), "出差").due_on == TODAY + timedelta(days=45)
    for day in (None, TODAY - timedelta(days=1), TODAY + timedelta(days=4000), TODAY + timedelta(days=45)):
        with pytest.raises(Refused), house.unit(lin) as db:
            rechecks.postpone(db, recheck_id, day, "")
    with pytest.raises(Refused), house.unit(lin) as db:
        rechecks.cancel(db, recheck_id, " ")
    with house.unit(lin, write=False) as db:
        assert [step.text for step in rechecks.steps(db, recheck_id)] == ["终审开立", f"改期至 {TODAY + timedelta(days=45)}"]
    assert no_breaches(house)


def test_a_booked_one_cannot_be_cancelled_or_undone_by_itself(house: House, acting: Acting) -> None:
    lin = acting("lin")
    (recheck_id,) = ordered(house, walk_in(house, lin).visit_id, ((SUGAR,), 30))
    booked(house, lin, recheck_id, TODAY + timedelta(days=20))
    for act in (rechecks.cancel, rechecks.undo):
        with pytest.raises(Refused), house.unit(lin) as db:
            act(db, recheck_id, "误操作")
    assert state_of(house, lin, recheck_id) is RecheckState.BOOKED


def test_another_site_sees_none_of_it(house: House, acting: Acting) -> None:
    (recheck_id,) = ordered(house, walk_in(house, acting("lin")).visit_id, ((SUGAR,), 30))
    with pytest.raises(NotFound), house.unit(system_actor("02"), write=False) as db:
        rechecks.recheck(db, recheck_id)
    with pytest.raises(NotFound), house.unit(system_actor("02")) as db:
        rechecks.cancel(db, recheck_id, "重复")


def test_larger_groups_and_states_answer_as_they_should() -> None:
    assert recheck_rules.is_answered(("A", "B"), {"A", "B", "C"}) and not recheck_rules.is_answered(("A", "B"), {"A"})
    assert recheck_rules.was_examined(("A", "B"), {"A": LineState.REFUSED, "B": LineState.CONFIRMED})
    assert not recheck_rules.was_examined(("A",), {"A": LineState.POSTPONED})
    assert recheck_rules.still_wanted(("A", "B", "A"), [("B",)]) == ("A",)


def test_a_list_that_does_not_follow_from_the_facts_is_a_breach(house: House, acting: Acting) -> None:
    (recheck_id,) = ordered(house, walk_in(house, acting("lin")).visit_id, ((SUGAR,), 30))
    assert no_breaches(house)
    with house.unit(system_actor("01")) as db:
        db.execute(update(RecheckBoard).where(RecheckBoard.recheck_id == recheck_id).values(state="done"))
    assert not no_breaches(house)


# --- the lists -------------------------------------------------------------------------------------------------------


def test_every_recheck_is_in_the_list_of_its_day_and_found_by_name_number_and_group(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit = walk_in(house, lin)
    soon, later = ordered(house, visit.visit_id, ((SUGAR,), 14), ((LIPIDS,), 15))
    (over,) = ordered(house, walk_in(house, lin, numbered(1)).visit_id, ((SUGAR,), -1))
    assert listed(house, lin) == [soon]
    assert listed(house, lin, tab=RecheckTab.LATER) == [later]
    assert listed(house, lin, tab=RecheckTab.OVERDUE) == [over]
    assert listed(house, lin, q="韦小明") == listed(house, lin, q=visit.visit_no) == listed(house, lin, q="wxm") == [soon]
    assert listed(house, lin, q="覃志") == listed(house, lin, group=LIPIDS) == listed(house, lin, group="G03") == []
    assert listed(house, lin, tab=RecheckTab.LATER, since=TODAY, until=TODAY + timedelta(days=14)) == []
    with house.unit(lin, write=False) as db:
        found = recheck_lists.recheck_list(db, RecheckFilters(tab=RecheckTab.OVERDUE))
    assert [line.days_late for line in found.lines] == [1]
    assert found.counts == {
        RecheckTab.DUE: 1, RecheckTab.OVERDUE: 1, RecheckTab.LATER: 1, RecheckTab.BOOKED: 0, RecheckTab.ENDED: 0,
    }  # fmt: skip


# --- screens ---------------------------------------------------------------------------------------------------------


def test_the_desk_books_from_the_list_and_the_visit_says_where_it_comes_from(house: House, acting: Acting, desk: Desks) -> None:
    visit = walk_in(house, acting("lin"))
    (recheck_id, other) = ordered(house, visit.visit_id, ((SUGAR,), 10), ((LIPIDS,), 12))
    lin = desk("lin")
    page = lin.get("/registration/rechecks").text
    assert "韦小明" in page and f"/registration/rechecks/{recheck_id}/book" in page and "空腹血糖升高" in page
    form = lin.get(f"/registration/rechecks/{recheck_id}/book")
    assert form.status_code == 200 and f'value="{SUGAR}" checked' in form.text and "450110198503150018" not in form.text
    day = (TODAY + timedelta(days=10)).isoformat()
    sent = {"key": "a" * 20, "exam_on": day, "groups": SUGAR, "sex": "M", "birth_on": "1985-03-15", "package": "", "category": ""}
    answer = lin.htmx(f"/registration/rechecks/{recheck_id}/book", sent)
    assert answer.status_code == 200
    url = answer.headers["HX-Redirect"]
    assert lin.htmx(f"/registration/rechecks/{recheck_id}/book", sent).headers["HX-Redirect"] == url
    shown = lin.get(url).text
    assert "复查自" in shown and f'href="/registration/visits/{visit.visit_no}"' in shown
    assert "复查自" not in lin.get(f"/registration/visits/{visit.visit_no}").text
    assert state_of(house, acting("lin"), recheck_id) is RecheckState.BOOKED
    assert state_of(house, acting("lin"), other) is RecheckState.OPEN
    assert lin.get(f"/registration/rechecks/{recheck_id}/book").status_code == 409
    assert "韦小明" in lin.get("/registration/rechecks?tab=booked").text
    assert no_breaches(house)


def test_two_rechecks_of_one_visit_name_it_once(house: House, acting: Acting, desk: Desks) -> None:
    lin = acting("lin")
    visit = walk_in(house, lin)
    ordered(house, visit.visit_id, ((SUGAR,), 10))
    ordered(house, visit.visit_id, ((LIPIDS,), 12), (("G013",), 12), is_private=True)
    with house.unit(lin) as db:
        new = NewBooking(person_id=visits.card(db, visit.visit_id).person_id, exam_on=TODAY + timedelta(days=9),
                         groups=(SUGAR, LIPIDS, "G013"))  # fmt: skip
        opened = service.book(db, new)
        assert len(rechecks.book(db, [each.id for each in rechecks.of_visit(db, visit.visit_id)], opened.visit_id)) == 3
    shown = desk("lin").get(f"/registration/visits/{opened.visit_no}").text
    strip = shown[shown.index('class="visit-strip"') :].partition("</p>")[0]
    assert strip.count("复查自") == strip.count(visit.visit_no) == strip.count("隐私项目") == 1
    assert strip.endswith(":空腹血糖、隐私项目")


def test_putting_off_cancelling_and_restoring_ask_first(house: House, acting: Acting, desk: Desks) -> None:
    (recheck_id,) = ordered(house, walk_in(house, acting("lin")).visit_id, ((SUGAR,), 10))
    lin, base = desk("lin"), f"/registration/rechecks/{recheck_id}"
    for action in ("cancel", "postpone", "history"):
        asked = lin.get(f"{base}/ask/{action}")
        assert asked.status_code == 200 and "韦小明" in asked.text and "空腹血糖" in asked.text
    assert lin.get(f"{base}/ask/burn").status_code == 404
    assert lin.htmx(f"{base}/postpone", {"due_on": "2026-12-20", "reason": ""}).headers["HX-Redirect"] == "/registration/rechecks"
    assert lin.htmx(f"{base}/cancel", {"reason": "受检者不复查", "other": ""}).status_code == 200
    ended = lin.get("/registration/rechecks?tab=ended").text
    assert "受检者不复查" in ended and "恢复</button>" in ended
    assert lin.htmx(f"{base}/undo", {"reason": ""}).status_code == 409
    assert lin.htmx(f"{base}/undo", {"reason": "改主意了"}).status_code == 200
    assert state_of(house, acting("lin"), recheck_id) is RecheckState.OPEN


def test_words_of_a_search_stay_out_of_addresses_and_the_export_is_masked_and_audited(house: House, acting: Acting, desk: Desks) -> None:
    visit = walk_in(house, acting("lin"))
    ordered(house, visit.visit_id, ((SUGAR,), 10))
    assert "韦小明" in desk("lin").post("/registration/rechecks", {"q": "韦小", "tab": "due"}).text
    assert "没有符合条件" in desk("lin").post("/registration/rechecks", {"q": "覃", "tab": "due"}).text
    assert desk("lin").post("/registration/rechecks/export", {"tab": "due"}).status_code == 403
    content = desk("qin").post("/registration/rechecks/export", {"tab": "due", "q": "韦"})
    rows = CalamineWorkbook.from_filelike(BytesIO(content.content)).get_sheet_by_index(0).to_python()
    assert rows[1][0] == "韦小明" and rows[1][3] == "138****8000" and rows[1][5] == visit.visit_no
    assert b"13800138000" not in content.content
    with house.unit(system_actor("01"), write=False) as db:
        assert "registration.export_rechecks" in set(db.scalars(select(Audit.act)))


def test_what_is_private_is_not_explained_to_the_desk(house: House, acting: Acting, desk: Desks) -> None:
    visit_id = walk_in(house, acting("lin")).visit_id
    ordered(house, visit_id, ((SUGAR,), 10), is_private=True)
    assert "空腹血糖升高" not in desk("lin").get("/registration/rechecks").text


def test_wrong_words_are_named(house: House, acting: Acting, desk: Desks) -> None:
    with pytest.raises(BadInput):
        from registration.recheck_pages import FindForm

        _ = FindForm(group='"').filters
    assert desk("lin").post("/registration/rechecks", {"group": '"', "tab": "due"}).status_code == 422

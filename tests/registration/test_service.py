"""Registration through its services, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import func, select

from billing import service as billing
from exam import commands
from exam.kit import idempotency
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.house import Actor, House
from exam.people import service as people
from exam.people.models import Person
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import LineState, Progress, TubeEvent, VisitState
from exam.visits.models import Visit
from registration import drawing, printing, recognition, service
from registration.facts import AUTO_REFUSAL_REASON, NewBooking, Opened, OpenLineChoice, SlipKind, WalkIn
from registration.rules import DEFAULT_CAPACITY, open_lines

TODAY = date(2026, 11, 21)
TOMORROW = TODAY + timedelta(days=1)
Acting = Callable[[str], Actor]

WEI = WalkIn(name="韦小明", id_no="450110198503150018", phone="13800138000", package="P02")


def numbered(number: int) -> WalkIn:
    """One of many invented men, each with a sound ID number of his own."""
    from exam.people.rules import check_character

    body = f"45010219800101{number:02d}1"
    return WalkIn(name=f"覃志{'一二三四五六七八九十'[number % 10]}", id_no=body + check_character(body), package="P02")


def walk_in(house: House, actor: Actor, new: WalkIn = WEI) -> Opened:
    with house.unit(actor) as db:
        return service.walk_in(db, new)


def pay_all(house: House, actor: Actor, visit_id: UUID) -> None:
    with house.unit(actor) as db:
        service.pay(db, visit_id, billing.amount_due(db, visit_id), "A0001")


def arrived(house: House, actor: Actor, new: WalkIn = WEI) -> UUID:
    """A visit that is registered, paid and checked in."""
    visit_id = walk_in(house, actor, new).visit_id
    pay_all(house, actor, visit_id)
    with house.unit(actor) as db:
        service.check_in(db, visit_id)
    return visit_id


def no_breaches(house: House) -> bool:
    return [(name, found) for name, found in commands.breaches_of(house) if found] == []


# --- registering and booking -------------------------------------------------------------------------------------------


def test_a_walk_in_by_id_number_opens_file_and_visit_at_once(house: House, acting: Acting) -> None:
    lin = acting("lin")
    opened = walk_in(house, lin)
    with house.unit(lin, write=False) as db:
        card = visits.card(db, opened.visit_id)
    assert (card.person_name, card.sex, card.age, card.state, card.amount_due_fen) == (
        "韦小明",
        "M",
        41,
        VisitState.REGISTERED,
        59312,
    )


def test_a_known_document_needs_no_name_and_opens_no_second_file(house: House, acting: Acting) -> None:
    lin = acting("lin")
    walk_in(house, lin)
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    again = walk_in(house, lin, WalkIn(id_no="450110198503150018", package="P02"))
    with house.unit(lin, write=False) as db:
        assert visits.card(db, again.visit_id).person_name == "韦小明"
        assert db.scalar(select(func.count()).select_from(Person)) == 1


def test_a_booking_for_today_becomes_the_registration(house: House, acting: Acting) -> None:
    lin = acting("lin")
    booked = walk_in(house, lin, WalkIn(name="韦小明", id_no="450110198503150018", package="P02", exam_on=TOMORROW))
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    arrived = walk_in(house, lin, WalkIn(id_no="450110198503150018", package="P06"))
    assert (arrived.visit_id, arrived.was_booked) == (booked.visit_id, True)
    assert arrived.warnings == ("已按原预约的套餐登记,如需调整请在体检单中增减项目",)


def test_a_booking_is_registered_only_on_its_day(house: House, acting: Acting) -> None:
    lin = acting("lin")
    booked = walk_in(house, lin, WalkIn(name="韦小明", id_no="450110198503150018", package="P02", exam_on=TOMORROW))
    with pytest.raises(Refused, match=r"registration\.other_day"), house.unit(lin) as db:
        service.register(db, booked.visit_id)
    with house.unit(lin) as db:
        service.rebook(db, booked.visit_id, TODAY)
        service.register(db, booked.visit_id)
    with house.unit(lin, write=False) as db:
        assert visits.card(db, booked.visit_id).exam_on == TODAY
    assert no_breaches(house)


@pytest.mark.parametrize(
    ("days", "code"), [(-1, "registration.day_past"), (366, "registration.day_far")]
)  # fmt: skip
def test_a_day_that_is_past_or_too_far_is_refused(sqlite_house: House, days: int, code: str) -> None:
    from tests.conftest import actor_named

    with pytest.raises(Refused) as refused, sqlite_house.unit(actor_named(sqlite_house, "lin")) as db:
        service.walk_in(db, WalkIn(name="韦小明", id_no="450110198503150018", package="P02", exam_on=TODAY + timedelta(days=days)))
    assert (refused.value.code, refused.value.field) == (code, "exam_on")
    assert refused.value.text and refused.value.hint


def test_a_full_day_refuses_bookings_but_takes_in_who_stands_at_the_desk(house: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    with house.unit(qin) as db:
        service.set_capacity(db, TODAY, 1)
        service.set_capacity(db, TOMORROW, 1)
    walk_in(house, lin)
    assert "今日名额已满,本次按现场登记接收" in walk_in(house, lin, numbered(1)).warnings
    walk_in(house, lin, booked_for(numbered(2), TOMORROW))
    with pytest.raises(Refused, match=r"registration\.day_full"):
        walk_in(house, lin, booked_for(numbered(3), TOMORROW))
    assert no_breaches(house)


def booked_for(new: WalkIn, day: date) -> WalkIn:
    return msgspec.structs.replace(new, exam_on=day)


def test_of_many_bookings_at_once_only_as_many_as_places_succeed(house: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    with house.unit(qin) as db:
        service.set_capacity(db, TOMORROW, 3)
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def one(number: int) -> None:
        start.wait()
        try:
            walk_in(house, lin, booked_for(numbered(number), TOMORROW))
            outcomes.append("booked")
        except Refused as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["booked"] * 3 + ["registration.day_full"] * 5
    with house.unit(lin, write=False) as db:
        assert service.taken(db, TOMORROW) == 3


def test_two_desks_registering_the_same_person_make_one_visit(house: House, acting: Acting) -> None:
    lin = acting("lin")
    walk_in(house, lin, booked_for(WEI, TOMORROW))
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def one() -> None:
        start.wait()
        try:
            outcomes.append(str(walk_in(house, lin).visit_id))
        except Refused as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("visits.same_day") == 1
    with house.unit(lin, write=False) as db:
        assert db.scalar(select(func.count()).select_from(Visit)) == 2


def test_another_default_capacity_holds_for_every_day_without_its_own(house: House, acting: Acting) -> None:
    qin = acting("qin")
    with house.unit(qin, write=False) as db:
        assert service.capacity_of(db, TODAY) == DEFAULT_CAPACITY
    with house.unit(qin) as db:
        service.set_capacity(db, None, 80)
        service.set_capacity(db, TOMORROW, 20)
        service.set_capacity(db, TOMORROW, 25)
    with house.unit(qin, write=False) as db:
        assert (service.capacity_of(db, TODAY), service.capacity_of(db, TOMORROW)) == (80, 25)
    assert no_breaches(house)


def test_an_unknown_organisation_or_category_is_refused_by_name(house: House, acting: Acting) -> None:
    lin = acting("lin")
    with pytest.raises(Refused, match="unknown_organization"), house.unit(lin) as db:
        service.walk_in(db, WalkIn(name="韦小明", id_no="450110198503150018", package="P02", organization_id=house.ids.new()))
    with pytest.raises(Refused, match="unknown_category"), house.unit(lin) as db:
        service.walk_in(db, WalkIn(name="韦小明", id_no="450110198503150018", package="P02", category="vip"))


def test_recognising_a_number_tells_sex_birth_age_and_offers_a_package(house: House, acting: Acting) -> None:
    lin = acting("lin")
    with house.unit(lin) as db:
        found = recognition.recognise(db, "450110198503150018")
    assert (found.sex, found.birth_on, found.age, found.person_id, found.package) == ("M", date(1985, 3, 15), 41, None, "P03")
    walk_in(house, lin)
    with house.unit(lin) as db:
        found = recognition.recognise(db, "450110198503150018")
    assert (found.name, found.package, len(found.visits), found.id_masked) == ("韦小明", "P02", 1, "450****0018")
    assert found.today is not None and found.today.state == VisitState.REGISTERED


# --- the day itself ----------------------------------------------------------------------------------------------------


def test_check_in_wants_payment_and_then_plans_the_tubes(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = walk_in(house, lin).visit_id
    with pytest.raises(Refused, match=r"billing\.unpaid"), house.unit(lin) as db:
        service.check_in(db, visit_id)
    pay_all(house, lin, visit_id)
    with house.unit(lin) as db:
        service.check_in(db, visit_id)
    with house.unit(lin, write=False) as db:
        kinds = [each.kind for each in printing.printables(db, visit_id)]
    assert kinds.count(SlipKind.LABEL) == 5
    assert kinds[0] == SlipKind.GUIDE_SHEET and SlipKind.REQUEST_FORM in kinds


def test_a_check_in_is_undone_until_the_first_tube(house: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    visit_id = arrived(house, lin)
    with house.unit(qin) as db:
        service.undo_check_in(db, visit_id, "操作错误")
        assert visits.card(db, visit_id).state == VisitState.REGISTERED
        service.check_in(db, visit_id)
    with house.unit(lin) as db:
        drawing.collect(db, visit_id, tubes.of_visit(db, visit_id)[0].barcode)
    with pytest.raises(Refused, match="tubes_collected"), house.unit(qin) as db:
        service.undo_check_in(db, visit_id, "操作错误")
    assert no_breaches(house)


def test_a_cancelled_visit_owes_nothing_and_tells_what_to_pay_back(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    with house.unit(lin) as db:
        line = orders.lines(db, visit_id)[2]
        service.refuse_line(db, visit_id, [line.id], "受检者拒绝")
    with house.unit(lin) as db:
        assert service.cancel(db, visit_id, "受检者要求取消") == 59312
    with house.unit(lin, write=False) as db:
        assert visits.card(db, visit_id).state == VisitState.CANCELLED
        assert {each.state for each in orders.lines(db, visit_id)} == {LineState.REMOVED}
    assert no_breaches(house)


def test_a_visit_with_a_collected_tube_or_a_result_cannot_be_cancelled(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    with house.unit(lin) as db:
        drawing.collect(db, visit_id, tubes.of_visit(db, visit_id)[0].barcode)
    with pytest.raises(Refused, match="tubes_collected"), house.unit(lin) as db:
        service.cancel(db, visit_id, "受检者要求取消")
    with house.unit(lin) as db:
        drawing.undo(db, visit_id, tubes.of_visit(db, visit_id)[0].barcode, "扫错人")
        orders.progress(db, visit_id, [orders.lines(db, visit_id)[1].id], Progress.STARTED)
    with pytest.raises(Refused, match="already_examined"), house.unit(lin) as db:
        service.cancel(db, visit_id, "受检者要求取消")


def test_added_groups_get_their_tubes_and_removed_ones_give_their_label_up(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    with house.unit(lin) as db:
        (added,) = service.add_groups(db, visit_id, ["G061"])
        assert [tube.tube_code for tube in tubes.of_visit(db, visit_id)].count("EDTA-B") == 1
        service.remove_line(db, visit_id, added, "开错项目")
        tube = next(tube for tube in tubes.of_visit(db, visit_id) if tube.tube_code == "EDTA-B")
        assert tube.barcode not in [each.subject for each in printing.printables(db, visit_id)]
    with pytest.raises(Refused, match="tube_not_needed"), house.unit(lin) as db:
        drawing.collect(db, visit_id, tube.barcode)
    assert no_breaches(house)


def test_the_last_line_of_a_visit_stays(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = walk_in(house, lin, WalkIn(name="韦小明", id_no="450110198503150018", groups=("G061",))).visit_id
    with pytest.raises(Refused, match="last_line"), house.unit(lin) as db:
        service.remove_line(db, visit_id, orders.lines(db, visit_id)[0].id, "开错项目")


# --- sheet return ------------------------------------------------------------------------------------------------------


def test_automatic_return_refuses_what_is_open_and_undo_opens_it_again(house: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    visit_id = arrived(house, lin)
    with house.unit(lin) as db:
        for tube in tubes.of_visit(db, visit_id):
            drawing.collect(db, visit_id, tube.barcode)
        by_hand = open_lines(orders.lines(db, visit_id))[0]
        service.refuse_line(db, visit_id, [by_hand.id], "受检者拒绝")
    with house.unit(lin) as db:
        count = service.return_sheet(db, visit_id)
    with house.unit(lin, write=False) as db:
        states = {line.id: line for line in orders.lines(db, visit_id)}
        assert count == sum(line.reason == AUTO_REFUSAL_REASON for line in states.values()) > 5
        assert not open_lines(tuple(states.values()))
        assert any(line.state == LineState.SAMPLED for line in states.values())
    with house.unit(qin) as db:
        service.undo_return(db, visit_id, "操作错误")
    with house.unit(lin, write=False) as db:
        assert len(open_lines(orders.lines(db, visit_id))) == count
        assert {line.id: line.state for line in orders.lines(db, visit_id)}[by_hand.id] == LineState.REFUSED
        assert visits.card(db, visit_id).state == VisitState.IN_EXAM
    assert no_breaches(house)


def test_a_return_that_finished_all_sections_can_be_undone_too(house: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    visit_id = arrived(house, lin)
    with house.unit(lin) as db:
        service.return_sheet(db, visit_id)
        assert visits.card(db, visit_id).state == VisitState.SECTIONS_DONE
    with house.unit(qin) as db:
        service.undo_return(db, visit_id, "操作错误")
        assert visits.card(db, visit_id).state == VisitState.CHECKED_IN
    assert no_breaches(house)


def test_manual_return_wants_a_choice_for_every_open_line(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    with house.unit(lin, write=False) as db:
        still_open = open_lines(orders.lines(db, visit_id))
    with pytest.raises(BadInput) as refused, house.unit(lin) as db:
        service.return_sheet(db, visit_id, [])
    assert len(refused.value.problems) == len(still_open)
    choices = [OpenLineChoice(still_open[0].id, "postpone", "标本未留取", TOMORROW)]
    choices += [OpenLineChoice(line.id, "refuse", "受检者拒绝") for line in still_open[1:]]
    with house.unit(lin) as db:
        service.return_sheet(db, visit_id, choices)
    with house.unit(lin, write=False) as db:
        found = {line.id: (line.state, line.due_on) for line in orders.lines(db, visit_id)}
    assert found[still_open[0].id] == (LineState.POSTPONED, TOMORROW)
    assert found[still_open[1].id] == (LineState.REFUSED, None)


def test_adding_after_the_return_opens_the_sheet_again(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    with house.unit(lin) as db:
        service.return_sheet(db, visit_id)
        service.add_groups(db, visit_id, ["G061"])
        assert visits.card(db, visit_id).state == VisitState.CHECKED_IN
    assert no_breaches(house)


def test_a_sheet_is_not_returned_before_check_in_nor_twice(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = walk_in(house, lin).visit_id
    with pytest.raises(Refused, match="不能交单"), house.unit(lin) as db:
        service.return_sheet(db, visit_id)
    pay_all(house, lin, visit_id)
    with house.unit(lin) as db:
        service.check_in(db, visit_id)
        service.return_sheet(db, visit_id)
    with pytest.raises(Refused, match="不能交单"), house.unit(lin) as db:
        service.return_sheet(db, visit_id)


# --- drawing and printing ----------------------------------------------------------------------------------------------


def test_a_tube_is_taken_only_for_the_person_whose_sheet_is_open(house: House, acting: Acting) -> None:
    lin = acting("lin")
    mine, other = arrived(house, lin), arrived(house, lin, numbered(1))
    with house.unit(lin, write=False) as db:
        my_no, my_tube = visits.card(db, mine).visit_no, tubes.of_visit(db, mine)[0].barcode
        other_tube = tubes.of_visit(db, other)[0].barcode
    with pytest.raises(Refused, match="no_open_visit"), house.unit(lin) as db:
        drawing.scan(db, my_tube)
    with house.unit(lin) as db:
        assert len(drawing.scan(db, my_no).waiting) == 5
    with pytest.raises(Refused, match="wrong_person"), house.unit(lin) as db:
        drawing.scan(db, other_tube, my_no)
    with house.unit(lin) as db:
        taken = drawing.scan(db, my_tube, my_no)
    assert (taken.drawn, taken.was_taken_before) == (1, False)
    with house.unit(lin) as db:
        assert drawing.scan(db, my_tube, my_no).was_taken_before
    with house.unit(lin) as db:
        assert drawing.undo(db, mine, my_tube, "扫错人").drawn == 0
    assert no_breaches(house)


def test_every_print_is_counted_and_the_second_is_a_reprint(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    with house.unit(lin, write=False) as db:
        label = next(each for each in printing.printables(db, visit_id) if each.kind == SlipKind.LABEL)
    for copies in (1, 2):
        with house.unit(lin) as db:
            done = printing.record(db, visit_id, [("guide_sheet", ""), ("label", label.subject)])
        assert [each.copies for each in done] == [copies, copies]
    with house.unit(lin, write=False) as db:
        tube = next(tube for tube in tubes.of_visit(db, visit_id) if tube.barcode == label.subject)
        assert (tube.state, tube.print_count) == (TubeEvent.PRINTED, 2)
        for pdf in (
            printing.guide_sheet(db, visit_id),
            printing.labels(db, visit_id, ()),
            printing.request_forms(db, visit_id, ()),
        ):
            assert pdf.startswith(b"%PDF")
    with pytest.raises(Refused, match="unknown_slip"), house.unit(lin) as db:
        printing.record(db, visit_id, [("label", "12345")])
    assert no_breaches(house)


# --- the same form twice -----------------------------------------------------------------------------------------------


def test_the_same_key_makes_one_visit_and_is_answered_twice(house: House, acting: Acting) -> None:
    lin = acting("lin")
    answers: list[Opened] = []
    start = threading.Barrier(3)

    def one() -> None:
        start.wait()
        with house.unit(lin) as db:
            answers.append(idempotency.once(db, "form-00000001", WEI, Opened, lambda: service.walk_in(db, WEI)))

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3 and len({answer.visit_no for answer in answers}) == 1
    with pytest.raises(Refused, match="idempotency_reused"), house.unit(lin) as db:
        idempotency.once(db, "form-00000001", numbered(1), Opened, lambda: service.walk_in(db, numbered(1)))
    with house.unit(lin, write=False) as db:
        assert db.scalar(select(func.count()).select_from(Visit)) == 1
    assert no_breaches(house)


def test_a_refused_form_may_be_sent_again_with_the_same_key(house: House, acting: Acting) -> None:
    lin = acting("lin")
    wrong = WalkIn(name="韦小明", id_no="450110198503150018", package="NONE")
    with pytest.raises(Refused), house.unit(lin) as db:
        idempotency.once(db, "form-00000002", wrong, Opened, lambda: service.walk_in(db, wrong))
    with house.unit(lin) as db:
        assert idempotency.once(db, "form-00000002", WEI, Opened, lambda: service.walk_in(db, WEI)).visit_no
    with house.unit(lin) as db:
        idempotency.forget(db, house.clock.now() + timedelta(days=1))


@pytest.mark.parametrize("key", ["", "short", "x" * 81, "键键键键键键键键"])
def test_a_malformed_key_is_refused(sqlite_house: House, key: str) -> None:
    from tests.conftest import actor_named

    with pytest.raises(Refused, match="idempotency_key"), sqlite_house.unit(actor_named(sqlite_house, "lin")) as db:
        idempotency.once(db, key, WEI, Opened, lambda: service.walk_in(db, WEI))


def test_a_visit_of_another_site_is_not_found_by_number(house: House, acting: Acting) -> None:
    opened = walk_in(house, acting("lin"))
    stranger = Actor(staff_id=None, login="zhou", name="周", site="02")
    with pytest.raises(NotFound), house.unit(stranger, write=False) as db:
        service.visit_of(db, opened.visit_no)


def test_a_booking_for_a_known_person_is_what_upper_rooms_call(house: House, acting: Acting) -> None:
    lin = acting("lin")
    with house.unit(lin) as db:
        person = people.register(db, people.NewPerson(name="韦小明", id_no="450110198503150018"))
        opened = service.book(db, NewBooking(person_id=person.person_id, exam_on=TOMORROW, package="P02"))
        assert visits.card(db, opened.visit_id).state == VisitState.BOOKED

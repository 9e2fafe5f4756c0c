"""Registering and booking through the services, and the same form sent twice, on both databases."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import msgspec
import pytest
from sqlalchemy import func, select

from exam.kit import idempotency
from exam.kit.errors import NotFound, Refused
from exam.kit.house import Actor, House
from exam.people import service as people
from exam.people.models import Person
from exam.visits import service as visits
from exam.visits.facts import VisitState
from exam.visits.models import Visit
from registration import recognition, service
from registration.facts import NewBooking, Opened, WalkIn
from registration.rules import DEFAULT_CAPACITY
from tests.registration.cases import TODAY, TOMORROW, WEI, Acting, no_breaches, numbered, walk_in

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

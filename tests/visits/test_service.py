"""Visits through their services, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from exam import commands
from exam.kit.errors import NotFound, Refused
from exam.kit.house import Actor, House
from exam.people import service as people
from exam.people.facts import NewPerson
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import LineState, Milestone, TubeEvent, VisitState

TODAY = date(2026, 11, 21)
Acting = Callable[[str], Actor]


def open_visit(house: House, actor: Actor, package: str = "P02") -> object:
    with house.unit(actor) as db:
        person = people.register(db, NewPerson(name="韦小明", id_no="450110198503150018", phone="13800138000"))
        return visits.open_visit(db, visits.NewVisit(person_id=person.person_id, exam_on=TODAY, package=package))


def test_a_visit_of_the_basic_package_costs_its_price_and_needs_five_labels(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = open_visit(house, lin)
    with house.unit(lin) as db:
        card = visits.card(db, visit_id)
        assert (card.state, card.amount_due_fen) == (VisitState.REGISTERED, 59312)
        assert sum(line.price_fen for line in orders.lines(db, visit_id)) == 59312
        visits.reach(db, visit_id, Milestone.CHECKED_IN)
        planned = tubes.plan(db, visit_id)
    assert [tube.tube_code for tube in planned] == ["SST", "EDTA", "FLU", "STO", "URI"]


def test_drawing_blood_makes_lines_sampled_and_undoing_makes_them_pending_again(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = open_visit(house, lin)
    with house.unit(lin) as db:
        visits.reach(db, visit_id, Milestone.CHECKED_IN)
        tube = tubes.plan(db, visit_id)[0]
    with house.unit(lin) as db:
        assert tubes.collect(db, visit_id, tube.barcode).state == TubeEvent.COLLECTED
        assert visits.card(db, visit_id).state == VisitState.IN_EXAM
    with house.unit(lin) as db:
        tubes.undo_collect(db, visit_id, tube.barcode, "扫错人")
    with house.unit(lin, write=False) as db:
        assert {line.state for line in orders.lines(db, visit_id)} == {LineState.PENDING}
        assert visits.card(db, visit_id).state == VisitState.CHECKED_IN


def test_the_same_person_cannot_have_two_visits_on_one_day(house: House, acting: Acting) -> None:
    open_visit(house, acting("lin"))
    with pytest.raises(Refused, match="same_day"):
        open_visit(house, acting("lin"))


def test_a_visit_of_another_site_is_not_found(house: House, acting: Acting) -> None:
    visit_id = open_visit(house, acting("lin"))
    stranger = Actor(staff_id=None, login="zhou", name="周", site="02")
    with pytest.raises(NotFound), house.unit(stranger, write=False) as db:
        visits.card(db, visit_id)


def test_every_invariant_holds_after_a_morning(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = open_visit(house, lin, "P06")
    with house.unit(lin) as db:
        visits.reach(db, visit_id, Milestone.CHECKED_IN)
        orders.add_groups(db, visit_id, ["G061"])
        lines = orders.lines(db, visit_id)
        orders.refuse(db, visit_id, [lines[1].id], "受检者拒绝")
        orders.remove_line(db, visit_id, lines[3].id, "开错")
        for tube in tubes.plan(db, visit_id)[:3]:
            tubes.collect(db, visit_id, tube.barcode)
    assert [(name, found) for name, found in commands.breaches_of(house) if found] == []

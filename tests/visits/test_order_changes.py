"""What may leave an order and what may take its place, once something of the visit was done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from billing import service as billing
from exam.kit.errors import Refused
from exam.kit.house import Actor, House
from exam.visits import orders, tubes
from exam.visits.facts import LineState, OrderLine
from registration import recognition
from registration.facts import GroupChoice
from tests.visits.test_held_states import TODAY, arrived, line_of, sound

Acting = Callable[[str], Actor]
LIPIDS_4, LIPIDS_7, VENIPUNCTURE, CHIEF_FEE = "G038", "G039", "G070", "G072"


def draw_everything(house: House, actor: Actor, visit_id: object) -> None:
    with house.unit(actor) as db:
        for tube in tubes.of_visit(db, visit_id):
            tubes.collect(db, visit_id, tube.barcode)


def offered(house: House, actor: Actor, visit_id: object, text: str) -> GroupChoice:
    with house.unit(actor, write=False) as db:
        return next(each for each in recognition.groups_for_visit(db, visit_id, text) if each.code == LIPIDS_7)


@pytest.mark.parametrize("code", [VENIPUNCTURE, CHIEF_FEE])
def test_a_service_leaves_the_order_only_before_anything_was_done(house: House, acting: Acting, code: str) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    draw_everything(house, lin, visit_id)
    with pytest.raises(Refused, match=r"visits\.service_rendered"), house.unit(lin) as db:
        orders.remove_line(db, visit_id, line_of(house, lin, visit_id, code).id, "开错项目")
    with house.unit(lin, write=False) as db:
        assert billing.amount_due(db, visit_id) == 0


def test_a_service_leaves_the_order_of_somebody_who_has_only_arrived(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    with house.unit(lin) as db:
        orders.remove_line(db, visit_id, line_of(house, lin, visit_id, CHIEF_FEE).id, "开错项目")
    assert line_of(house, lin, visit_id, CHIEF_FEE).state == LineState.REMOVED


def test_a_larger_group_does_not_come_beside_a_smaller_one_that_was_drawn(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    assert offered(house, lin, visit_id, "血脂7").warnings == ("将替代“血脂4项”",)
    draw_everything(house, lin, visit_id)
    choice = offered(house, lin, visit_id, "血脂7")
    assert (choice.blocked, choice.warnings) == ("其中的“血脂4项”已采样或检查,不能替代", ())
    with pytest.raises(Refused, match=r"visits\.smaller_begun"), house.unit(lin) as db:
        orders.add_groups(db, visit_id, [LIPIDS_7])
    assert not sound(house)


@pytest.mark.parametrize("way", ["refused", "postponed"])
def test_a_larger_group_takes_the_place_of_a_smaller_one_that_was_put_off(house: House, acting: Acting, way: str) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    smaller = line_of(house, lin, visit_id, LIPIDS_4)
    with house.unit(lin) as db:
        put_off(db, visit_id, smaller, way)
        orders.add_groups(db, visit_id, [LIPIDS_7])
    assert line_of(house, lin, visit_id, LIPIDS_4).state == LineState.REMOVED
    assert not sound(house)


@pytest.mark.parametrize("way", ["refused", "postponed"])
def test_a_line_that_was_put_off_is_taken_off_and_its_price_is_owed_back(house: House, acting: Acting, way: str) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    line = line_of(house, lin, visit_id, LIPIDS_4)
    with house.unit(lin) as db:
        put_off(db, visit_id, line, way)
        orders.remove_line(db, visit_id, line.id, "不再检查")
    with house.unit(lin, write=False) as db:
        assert billing.amount_due(db, visit_id) == -line.price_fen
    assert not sound(house)


def put_off(db: object, visit_id: object, line: OrderLine, way: str) -> None:
    if way == "refused":
        orders.refuse(db, visit_id, [line.id], "本人拒绝")
    else:
        orders.postpone(db, visit_id, line.id, TODAY + timedelta(days=7), "未空腹")

"""Undo chains, postponed items, tubes that nobody needs, and what two desks do at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from billing import service as billing
from exam import commands
from exam.kit.errors import Refused
from exam.kit.house import Actor, House
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import LineState, OrderLine, Progress, TubeCard, TubeEvent, VisitState
from exam.visits.models import LineBoard, VisitBoard
from registration import service
from registration.facts import WalkIn

TODAY = date(2026, 11, 21)
LATER = TODAY + timedelta(days=7)
Acting = Callable[[str], Actor]
WEI = WalkIn(name="韦小明", id_no="450110198503150018", phone="13800138000", package="P02")


@pytest.fixture
def postgresql(house: House) -> House:
    """Two transactions side by side exist on PostgreSQL only: the embedded database has one writer at a time."""
    if house.is_sqlite:
        pytest.skip("one writer at a time")
    return house


def registered(house: House, actor: Actor) -> UUID:
    with house.unit(actor) as db:
        visit_id = service.walk_in(db, WEI).visit_id
        service.pay(db, visit_id, billing.amount_due(db, visit_id), "A1")
    return visit_id


def arrived(house: House, actor: Actor) -> UUID:
    visit_id = registered(house, actor)
    with house.unit(actor) as db:
        service.check_in(db, visit_id)
    return visit_id


def line_of(house: House, actor: Actor, visit_id: UUID, code: str = "") -> OrderLine:
    """The visit's line of a group; without one, its first line of the laboratory."""
    with house.unit(actor, write=False) as db:
        return next(
            line for line in orders.lines(db, visit_id)
            if line.group_code == code or (not code and line.department == "LAB" and not line.service_only)
        )  # fmt: skip


def first_tube(house: House, actor: Actor, visit_id: UUID) -> tuple[TubeCard, OrderLine]:
    """The first tube of a visit, and the first order line that it serves."""
    with house.unit(actor, write=False) as db:
        tube = tubes.of_visit(db, visit_id)[0]
        return tube, next(line for line in orders.lines(db, visit_id) if line.name in tube.groups)


def sound(house: House) -> list[object]:
    return [(name, found) for name, found in commands.breaches_of(house) if found]


# --- undo chains ------------------------------------------------------------------------------------------------------


def test_a_visit_is_cancelled_although_a_postponed_line_was_refused_later(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = registered(house, lin)
    line = line_of(house, lin, visit_id)
    with house.unit(lin) as db:
        service.postpone_line(db, visit_id, line.id, LATER, "改日再来")
        service.refuse_line(db, visit_id, [line.id], "受检者拒绝")
    with house.unit(lin) as db:
        service.cancel(db, visit_id, "不来了")
    with house.unit(lin, write=False) as db:
        assert {each.state for each in orders.lines(db, visit_id)} == {LineState.REMOVED}
        assert visits.card(db, visit_id).state == VisitState.CANCELLED
    assert sound(house) == []


def test_a_refused_line_that_had_been_postponed_is_pending_after_one_resume(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    line = line_of(house, lin, visit_id)
    with house.unit(lin) as db:
        service.postpone_line(db, visit_id, line.id, LATER, "改日再来")
        service.refuse_line(db, visit_id, [line.id], "受检者拒绝")
        service.resume_line(db, visit_id, line.id)
    found = line_of(house, lin, visit_id)
    assert (found.state, found.reason, found.due_on) == (LineState.PENDING, "", None)


def test_a_postponed_line_keeps_its_day_and_reason_when_a_drawing_is_taken_back(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    tube, line = first_tube(house, lin, visit_id)
    with house.unit(lin) as db:
        service.postpone_line(db, visit_id, line.id, LATER, "未空腹")
        tubes.collect(db, visit_id, tube.barcode)
        tubes.undo_collect(db, visit_id, tube.barcode, "扫错管")
    found = line_of(house, lin, visit_id, line.group_code)
    assert (found.state, found.reason, found.due_on) == (LineState.POSTPONED, "未空腹", LATER)
    assert sound(house) == []


# --- tubes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["refused", "postponed"])
def test_a_line_put_off_before_check_in_gets_its_tube_when_it_is_resumed(house: House, acting: Acting, way: str) -> None:
    lin = acting("lin")
    visit_id = registered(house, lin)
    with house.unit(lin, write=False) as db:
        line = next(each for each in orders.lines(db, visit_id) if each.name.startswith("尿"))  # has a tube of its own
    with house.unit(lin) as db:
        if way == "refused":
            service.refuse_line(db, visit_id, [line.id], "受检者拒绝")
        else:
            service.postpone_line(db, visit_id, line.id, LATER, "经期")
        service.check_in(db, visit_id)
        assert not [tube for tube in tubes.of_visit(db, visit_id) if line.name in tube.groups]
    with house.unit(lin) as db:
        service.resume_line(db, visit_id, line.id)
    with house.unit(lin, write=False) as db:
        assert [tube for tube in tubes.of_visit(db, visit_id) if line.name in tube.groups]


def test_a_tube_whose_lines_have_results_cannot_be_uncollected(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    with house.unit(lin) as db:
        tube = tubes.of_visit(db, visit_id)[0]
        tubes.collect(db, visit_id, tube.barcode)
        line = next(each for each in orders.lines(db, visit_id) if each.name in tube.groups)
        orders.progress(db, visit_id, [line.id], Progress.RESULTED)
    with pytest.raises(Refused, match="tube_in_use"), house.unit(lin) as db:
        tubes.undo_collect(db, visit_id, tube.barcode, "扫错管")


def test_no_tube_is_collected_for_a_cancelled_visit_or_for_lines_that_were_refused(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    with house.unit(lin) as db:
        tube = tubes.of_visit(db, visit_id)[0]
        refused = [line.id for line in orders.lines(db, visit_id) if line.name in tube.groups]
        service.refuse_line(db, visit_id, refused, "受检者拒绝")
    with pytest.raises(Refused, match="tube_not_needed"), house.unit(lin) as db:
        tubes.collect(db, visit_id, tube.barcode)
    with house.unit(lin) as db:
        other = tubes.of_visit(db, visit_id)[1]
        service.cancel(db, visit_id, "不做了")
    with pytest.raises(Refused, match=r"visits\.cancelled"), house.unit(lin) as db:
        tubes.collect(db, visit_id, other.barcode)


@pytest.mark.parametrize("kind", [Progress.STARTED, Progress.RESULTED, Progress.CONFIRMED, Progress.SAMPLED])
def test_a_department_writes_no_progress_on_a_refused_line(house: House, acting: Acting, kind: Progress) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    line = line_of(house, lin, visit_id)
    with house.unit(lin) as db:
        service.refuse_line(db, visit_id, [line.id], "受检者拒绝")
        orders.progress(db, visit_id, [line.id], kind)
    assert line_of(house, lin, visit_id).state == LineState.REFUSED


# --- two desks at once ------------------------------------------------------------------------------------------------


def test_who_waited_for_a_visit_sees_what_was_changed_meanwhile(postgresql: House, acting: Acting) -> None:
    """One desk has the visit on its hands, another moves it to tomorrow; the first may not check in any more."""
    lin, qin = acting("lin"), acting("qin")
    visit_id = registered(postgresql, lin)
    with pytest.raises(Refused, match=r"registration\."), postgresql.unit(lin) as db:
        held = visits.get_row(db, visit_id)
        with postgresql.unit(qin) as other:
            service.rebook(other, visit_id, TODAY + timedelta(days=1))
        service.check_in(db, held.id)
    assert sound(postgresql) == []


def test_a_line_that_was_drawn_meanwhile_is_not_taken_off(postgresql: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    visit_id = arrived(postgresql, lin)
    tube, line = first_tube(postgresql, lin, visit_id)
    with pytest.raises(Refused, match=r"line\.not_possible"), postgresql.unit(lin) as db:
        seen = db.scalars(select(LineBoard).where(LineBoard.visit_id == visit_id)).all()
        with postgresql.unit(qin) as other:
            tubes.collect(other, visit_id, tube.barcode)
        assert {each.state for each in seen} == {"pending"}
        orders.remove_line(db, visit_id, line.id, "开错")
    assert sound(postgresql) == []


def test_a_tube_is_not_collected_when_the_check_in_was_taken_back_meanwhile(postgresql: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    visit_id = arrived(postgresql, lin)
    tube, _ = first_tube(postgresql, lin, visit_id)
    with pytest.raises(Refused, match="not_checked_in"), postgresql.unit(lin) as db:
        board = db.get_one(VisitBoard, visit_id)
        with postgresql.unit(qin) as other:
            service.undo_check_in(other, visit_id, "认错人")
        assert board.checked_in_at is not None
        tubes.collect(db, visit_id, tube.barcode)
    with postgresql.unit(lin, write=False) as db:
        assert {each.state for each in tubes.of_visit(db, visit_id)} == {TubeEvent.PLANNED}
        assert visits.card(db, visit_id).state == VisitState.REGISTERED

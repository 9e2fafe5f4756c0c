"""The day of a visit through the services: check-in, orders, the sheet's return, drawing and printing, on both databases."""

from __future__ import annotations

import pytest

from exam.kit.errors import BadInput, Refused
from exam.kit.house import House
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import LineState, Progress, TubeEvent, VisitState
from registration import drawing, printing, service
from registration.facts import AUTO_REFUSAL_REASON, OpenLineChoice, SlipKind, WalkIn
from registration.rules import open_lines
from tests.registration.cases import TOMORROW, Acting, arrived, no_breaches, numbered, pay_all, walk_in

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

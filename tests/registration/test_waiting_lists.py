"""Who waits for the drawing chair and whose sheet is still out: what the lists hold, in which order, at which cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from exam.kit.house import Actor, House
from exam.visits import orders, tubes
from exam.visits import service as visits
from registration import drawing, queues, service
from registration.facts import SheetTab
from tests.registration.cases import arrived, numbered, walk_in

Acting = Callable[[str], Actor]
MOST = {"/registration/drawing": 4, "/registration/return": 6, "/registration/return?tab=earlier": 6}


def tubes_of(house: House, actor: Actor, visit_id: UUID) -> tuple[str, list[str]]:
    """A visit's number and its tubes' barcodes."""
    with house.unit(actor, write=False) as db:
        return visits.card(db, visit_id).visit_no, [tube.barcode for tube in tubes.of_visit(db, visit_id)]


def queue(house: House, actor: Actor) -> dict[str, int]:
    """The queue of the chair: visit number and tubes, in its order; compared with what the chair itself would show."""
    with house.unit(actor, write=False) as db:
        found = queues.drawing_queue(db)
        for each in found.rows:
            assert each.tubes == len(drawing.drawing_of(db, visits.find_id(db, each.visit_no)).waiting)
        assert found.total == len(found.rows)
        return {each.visit_no: each.tubes for each in found.rows}


def test_the_chair_lists_who_has_tubes_left_in_the_order_of_arrival(house: House, acting: Acting) -> None:
    lin = acting("lin")
    later = walk_in(house, lin, numbered(2)).visit_id
    first = arrived(house, lin, numbered(1))
    house.clock.advance(minutes=12)  # type: ignore[attr-defined]
    with house.unit(lin) as db:
        from billing import service as billing

        service.pay(db, later, billing.amount_due(db, later), "A2")
        service.check_in(db, later)
    walk_in(house, lin, numbered(3))  # registered only: nobody to draw from
    house.clock.advance(minutes=3)  # type: ignore[attr-defined]
    first_no, barcodes = tubes_of(house, lin, first)
    later_no, others = tubes_of(house, lin, later)
    assert list(queue(house, lin).items()) == [(first_no, len(barcodes)), (later_no, len(others))]
    with house.unit(lin, write=False) as db:
        assert [each.minutes for each in queues.drawing_queue(db).rows] == [15, 3]
        assert all(each.masked_name.startswith("覃*") for each in queues.drawing_queue(db).rows)
    with house.unit(lin) as db:
        for barcode in barcodes:
            drawing.collect(db, first, barcode)
    assert list(queue(house, lin)) == [later_no]
    with house.unit(lin) as db:
        drawing.undo(db, first, barcodes[0], "扫错人")
    assert list(queue(house, lin).items()) == [(first_no, 1), (later_no, len(others))]


def test_a_tube_that_nobody_needs_keeps_nobody_waiting(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = arrived(house, lin)
    visit_no, barcodes = tubes_of(house, lin, visit_id)
    with house.unit(lin, write=False) as db:
        by_tube = {tube.barcode: tube.groups for tube in tubes.of_visit(db, visit_id)}
        gone = [line.id for line in orders.lines(db, visit_id) if line.name in by_tube[barcodes[0]]]
    with house.unit(lin) as db:
        service.refuse_line(db, visit_id, gone, "受检者拒绝")
    assert queue(house, lin) == {visit_no: len(barcodes) - 1}
    with house.unit(lin) as db:
        service.return_sheet(db, visit_id)
    assert queue(house, lin) == {}


def test_sheets_that_are_out_are_listed_today_and_never_forgotten(house: House, acting: Acting, desk: Callable[[str], Any]) -> None:
    lin = acting("lin")
    forgotten = arrived(house, lin, numbered(1))
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    lin = acting("lin")
    todays, returned = arrived(house, lin, numbered(2)), arrived(house, lin, numbered(3))
    with house.unit(lin) as db:
        service.return_sheet(db, returned)
    numbers = [tubes_of(house, lin, each)[0] for each in (forgotten, todays, returned)]
    with house.unit(lin, write=False) as db:
        for tab, wanted in ((SheetTab.TODAY, todays), (SheetTab.EARLIER, forgotten)):
            found = queues.sheets_out(db, tab)
            assert [card.id for card in found.listed.rows] == [wanted]
            assert found.counts == {SheetTab.TODAY: 1, SheetTab.EARLIER: 1}
    today, earlier = (desk("lin").get(f"/registration/return?tab={tab}").text for tab in ("today", "earlier"))
    assert [number in today for number in numbers] == [False, True, False]
    assert [number in earlier for number in numbers] == [True, False, False]
    assert "未检" in desk("lin").get(f"/registration/return?visit_no={numbers[0]}").text


def test_the_chair_shows_the_queue_only_while_nobody_sits_in_it(house: House, acting: Acting, desk: Callable[[str], Any]) -> None:
    lin = acting("lin")
    one, other = arrived(house, lin, numbered(1)), arrived(house, lin, numbered(2))
    (visit_no, barcodes), (waiting_no, _) = (tubes_of(house, lin, each) for each in (one, other))
    chair = desk("lin")
    page = chair.get("/registration/drawing").text
    assert f'"code": "{visit_no}"' in page and "覃志二" not in page and "覃*二" in page
    assert "等候采血" not in chair.htmx("/registration/drawing/scan", {"code": visit_no}).text
    for barcode in barcodes:
        answer = chair.htmx("/registration/drawing/scan", {"code": barcode, "visit_no": visit_no})
    assert "已全部采集" in answer.text and 'href="/registration/drawing"' in answer.text
    assert f'"code": "{waiting_no}"' in chair.get("/registration/drawing").text


def test_no_scan_counts_the_queue_while_other_writers_wait(
    house: House, acting: Acting, desk: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lin = acting("lin")
    visit_no, barcodes = tubes_of(house, lin, arrived(house, lin, numbered(1)))
    counted: list[bool] = []
    original = queues.drawing_queue

    def drawing_queue(db: Any) -> Any:
        counted.append(True)
        return original(db)

    monkeypatch.setattr(queues, "drawing_queue", drawing_queue)
    chair = desk("lin")
    for code in (visit_no, *barcodes):
        assert chair.htmx("/registration/drawing/scan", {"code": code, "visit_no": visit_no}).status_code == 200
    undone = {"visit_no": visit_no, "barcode": barcodes[0], "reason": "扫错人"}
    assert chair.htmx("/registration/drawing/undo", undone).status_code == 200
    assert counted == []
    assert chair.get("/registration/drawing").status_code == 200 and counted == [True]


@pytest.mark.parametrize("path", MOST)
def test_a_list_takes_no_more_statements_the_longer_it_grows(
    house: House, acting: Acting, desk: Callable[[str], Any], path: str
) -> None:
    lin = acting("lin")
    for number in range(3):
        arrived(house, lin, numbered(number))
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    lin = acting("lin")
    for number in range(3, 6):
        arrived(house, lin, numbered(number))
    someone = desk("lin")
    assert someone.get(path).status_code == 200
    seen: list[str] = []

    def count(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if not statement.lstrip().upper().startswith(("BEGIN", "PRAGMA", "SAVEPOINT")) and "exam_audit" not in statement:
            seen.append(statement)

    event.listen(house.engine, "before_cursor_execute", count)
    assert someone.get(path).status_code == 200
    event.remove(house.engine, "before_cursor_execute", count)
    assert 1 <= len(seen) <= MOST[path], "\n".join(seen)


def test_a_visit_of_another_day_is_not_called_to_the_chair(house: House, acting: Acting) -> None:
    arrived(house, acting("lin"), numbered(1))
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    with house.unit(acting("lin"), write=False) as db:
        found = queues.drawing_queue(db)
        assert (found.rows, found.total) == ((), 0)
        assert service.today_of(db) - timedelta(days=1) == queues.sheets_out(db, SheetTab.EARLIER).listed.rows[0].exam_on

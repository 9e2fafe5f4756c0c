"""The board's counts, lists, export and calendar, and how many statements they take, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import event, select

from exam import commands
from exam.kit.errors import Refused
from exam.kit.house import Actor, House
from exam.people.rules import check_character
from exam.visits import tubes
from exam.visits.models import VisitBoard
from registration import board, drawing, service, sheet
from registration.facts import BoardRow, Tile, WalkIn
from registration.rules import PREDICATES

TODAY = date(2026, 11, 21)
Acting = Callable[[str], Actor]
NAMES = "一二三四五六七八九十"


def person(number: int, **more: Any) -> WalkIn:
    body = f"45010219800101{number:02d}1"
    return WalkIn(name=f"覃志{NAMES[number % 10]}", id_no=body + check_character(body), package="P02", **more)


@contextmanager
def statements(house: House) -> Iterator[list[str]]:
    """The statements that the block sends."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(house.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(house.engine, "before_cursor_execute", note)


def morning(house: House, lin: Actor) -> list[UUID]:
    """Seven visits of today, each one step further than the one before, and a booking for tomorrow."""
    found = []
    with house.unit(lin) as db:
        found = [service.walk_in(db, person(0, exam_on=TODAY)).visit_id]
        found += [service.walk_in(db, person(number)).visit_id for number in range(1, 7)]
        service.walk_in(db, person(7, exam_on=TODAY + timedelta(days=1)))
        for visit_id in found[2:]:
            service.pay(db, visit_id, 59312, "A1")
        for visit_id in found[3:]:
            service.check_in(db, visit_id)
        for visit_id in found[4:6]:
            drawing.collect(db, visit_id, tubes.of_visit(db, visit_id)[0].barcode)
        service.return_sheet(db, found[5])
        service.cancel(db, found[6], "受检者要求取消")
    return found


def test_the_five_counts_of_a_morning(house: House, acting: Acting) -> None:
    lin = acting("lin")
    morning(house, lin)
    with house.unit(lin, write=False) as db:
        counts = board.board(db, TODAY)
        assert (counts.booked, counts.to_pay, counts.checked_in, counts.blood_drawn, counts.examined) == (1, 1, 3, 2, 1)
        assert (counts.taken, counts.capacity) == (6, 150)
        for tile in Tile:
            assert board.day_list(db, TODAY, tile).total == getattr(counts, tile.value)
        rows = [
            BoardRow(
                each.exam_on, each.state, each.registered_at, each.checked_in_at, each.blood_drawn_at, each.sheet_returned_at,
                each.amount_due_fen,
            )
            for each in db.scalars(select(VisitBoard))
        ]  # fmt: skip
        for tile, predicate in PREDICATES.items():
            assert sum(predicate(each, TODAY) for each in rows) == getattr(counts, tile.value)
        assert board.board(db, TODAY + timedelta(days=1)).booked == 1
    assert [(name, found) for name, found in commands.breaches_of(house) if found] == []


def test_a_count_that_lies_is_found_by_verify(house: House, acting: Acting) -> None:
    lin = acting("lin")
    found = morning(house, lin)
    with house.unit(lin) as db:
        db.get_one(VisitBoard, found[3]).checked_in_at = None
    told = [text for name, texts in commands.breaches_of(house) if "board's counts" in name for text in texts]
    assert told == [f"site 01, {TODAY}: the board counts 2 已报到, the facts 3"]


def test_the_board_and_its_list_take_a_fixed_number_of_statements(house: House, acting: Acting) -> None:
    lin = acting("lin")

    def count() -> int:
        with house.unit(lin, write=False) as db, statements(house) as sent:
            board.board(db, TODAY)
            board.day_list(db, TODAY)
        return len([each for each in sent if each.lstrip().upper().startswith("SELECT")])

    empty = count()
    morning(house, lin)
    assert count() == empty == 5


def test_a_visits_page_takes_as_many_statements_with_many_lines_as_with_one(house: House, acting: Acting) -> None:
    lin = acting("lin")
    with house.unit(lin) as db:
        small = service.walk_in(db, WalkIn(name="覃一", id_no=person(8).id_no, groups=("G061",)))
        large = service.walk_in(db, person(9))
        for opened, due in ((small, 2000), (large, 59312)):
            service.pay(db, opened.visit_id, due, "A1")
            service.check_in(db, opened.visit_id)

    def count(visit_no: str) -> int:
        with house.unit(lin, write=False) as db, statements(house) as sent:
            shown = sheet.visit_sheet(db, visit_no)
            assert shown.card.visit_no == visit_no and shown.steps[-1].name == "报到"
        return len([each for each in sent if each.lstrip().upper().startswith("SELECT") and "exam_audit" not in each])

    with house.unit(lin, write=False) as db:
        sheet.visit_sheet(db, small.visit_no)  # the catalogue of this revision is read once for each process
    assert count(small.visit_no) == count(large.visit_no) <= 18


def test_lists_are_paged_and_a_page_too_far_is_the_last(house: House, acting: Acting) -> None:
    lin = acting("lin")
    morning(house, lin)
    with house.unit(lin, write=False) as db:
        first, second = (board.day_list(db, TODAY, page=page, size=4) for page in (1, 2))
        assert (len(first.rows), len(second.rows), first.pages, first.total) == (4, 3, 2, 7)
        assert not {card.id for card in first.rows} & {card.id for card in second.rows}
        assert board.day_list(db, TODAY, page=99, size=4).page == 2


def test_the_export_holds_plain_text_and_is_audited(house: House, acting: Acting) -> None:
    qin = acting("qin")
    with house.unit(qin) as db:
        service.walk_in(db, WalkIn(name="覃一", id_no=person(8).id_no, package="P02"))
    with house.unit(qin, write=False) as db:
        content = board.day_sheet(db, TODAY)
    rows = CalamineWorkbook.from_filelike(BytesIO(content)).get_sheet_by_index(0).to_python()
    assert rows[0][0] == "体检号" and rows[1][1] == "覃一" and isinstance(rows[1][0], str) and len(rows[1][0]) == 16
    assert person(8).id_no not in str(rows)


def test_the_calendar_shows_every_days_places(house: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    morning(house, lin)
    with house.unit(qin) as db:
        service.set_capacity(db, TODAY, 5)
    with house.unit(lin, write=False) as db:
        days = {each.day: each for each in board.calendar(db, 2026, 11)}
    assert (days[TODAY].taken, days[TODAY].capacity, days[TODAY].left, days[TODAY].is_own) == (6, 5, 0, True)
    assert (days[TODAY + timedelta(days=1)].taken, len(days)) == (1, 30)


def test_search_by_whole_number_is_exact_and_by_name_is_a_page(house: House, acting: Acting) -> None:
    lin = acting("lin")
    morning(house, lin)
    with house.unit(lin, write=False) as db:
        listed = board.find(db, "覃志")
        assert (listed.visits.total, listed.exact) == (8, "")
        number = listed.visits.rows[0].visit_no
        assert board.find(db, f" {number} ").exact == number
        assert board.find(db, "q").hint and board.find(db, "  ").visits.total == 0
    stranger = Actor(staff_id=None, login="zhou", name="周", site="02")
    with house.unit(stranger, write=False) as db:
        elsewhere = board.find(db, "覃志")
        assert elsewhere.visits.total == 0 and elsewhere.persons == ()
        assert all("****" in each.id_masked for each in elsewhere.persons)


@pytest.mark.parametrize("name", ["none", "BOOKED", "已预约"])
def test_an_unknown_list_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="没有名单"):
        board.tile_of(name)

"""The hot read says what the ordinary read says, to whom the ordinary read says it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from sqlalchemy import event

from bench import fill
from exam.catalog import service as catalog
from exam.kit import ids
from exam.kit.clock import FrozenClock
from exam.kit.errors import NotFound, Refused
from exam.kit.house import Actor, House, system_actor
from exam.visits import service as visits
from results import hot, screen, service


@pytest.fixture
def visit_no(house: House) -> str:
    """A visit of today with sixty results, its number."""
    assert isinstance(house.clock, FrozenClock)
    pattern = fill._make(house, house.clock, fill.VisitState.IN_EXAM, "F")
    with house.unit(fill.everything_allowed(house), write=False) as db:
        return visits.card(db, pattern.visit_id).visit_no


def test_the_hot_read_says_what_the_ordinary_read_says(house: House, visit_no: str, acting: Callable[[str], Actor]) -> None:
    for login, department in (("nong", "LAB"), ("lu", "LAB"), ("wu", "MED"), ("zhao", "SUR")):
        with house.unit(acting(login), write=False) as db:
            ordinary = screen.visible(db, service.department_result(db, visits.find_id(db, visit_no), department))
            found = hot.record_by_barcode(db, ids.tube_barcode(visit_no, 1), department)
        assert (found.visit_no, found.version, found.state, found.summary) == (
            visit_no, ordinary.version, ordinary.state, ordinary.summary,
        )  # fmt: skip
        assert [(each.item, each.name, each.raw, each.unit, each.flag, tuple(each.choices)) for each in found.readings] == [
            (each.item, each.name, each.raw, each.unit, each.flag, each.choices) for each in ordinary.readings
        ]
        assert found.readings


def test_the_hot_read_takes_one_statement(house: House, visit_no: str, acting: Callable[[str], Actor]) -> None:
    statements: list[str] = []

    def count(connection: object, cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    with house.unit(acting("nong"), write=False) as db:
        hot.record_by_barcode(db, visit_no, "LAB")  # the catalogue is kept after the first
        event.listen(house.engine, "before_cursor_execute", count)
        hot.record_by_barcode(db, visit_no, "LAB")
        event.remove(house.engine, "before_cursor_execute", count)
    assert len(statements) == 1


def test_private_items_are_known_by_item_and_by_group(house: House) -> None:
    with house.unit(system_actor("01"), write=False) as db:
        catalogue = catalog.catalogue(db, date(2026, 11, 21))
    private = hot._make_sheet(catalogue).private
    assert "HIVAB" in private
    assert not {"WBC", "HT"} & private


def test_a_private_value_of_another_department_is_left_out_with_the_summary(
    house: House, visit_no: str, acting: Callable[[str], Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_sheet = hot._make_sheet
    monkeypatch.setattr(hot, "_make_sheet", lambda found: hot._Sheet(make_sheet(found).places, frozenset({"WBC"})))
    for login, sees in (("nong", True), ("zhao", True), ("lu", False)):
        with house.unit(acting(login), write=False) as db:
            found = hot.record_by_barcode(db, visit_no, "LAB")
        assert ("WBC" in [each.item for each in found.readings]) == sees
        assert bool(found.summary) == sees


def test_an_unknown_code_is_refused(house: House, visit_no: str, acting: Callable[[str], Actor]) -> None:
    with house.unit(acting("nong"), write=False) as db:
        with pytest.raises(Refused):
            hot.record_by_barcode(db, visit_no[:-1] + str((int(visit_no[-1]) + 1) % 10), "LAB")
        with pytest.raises(NotFound):
            hot.record_by_barcode(db, ids.visit_no("01", "99", date(2026, 11, 21), 1), "LAB")
        with pytest.raises(NotFound):
            hot.record_by_barcode(db, visit_no, "NOWHERE")

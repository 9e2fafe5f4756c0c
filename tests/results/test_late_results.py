"""What comes late: a postponed tube drawn after the laboratory signed, and a page read while a colleague saves."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import event

from exam import commands
from exam.kit.house import House
from exam.visits import orders, tubes
from exam.visits.facts import LineState
from rehearsal.cast import Dice
from rehearsal.day import ITEMS
from rehearsal.values import value_of
from results import queries, service
from results.facts import RecordState, WorkFilter
from tests.conftest import actor_named
from tests.results.cases import TODAY, arrive, enter

DUE_ON = date(2026, 11, 24)


def fill(house: House, visit_id: object, base: int) -> int:
    """Enters whatever the laboratory still misses, and signs."""
    nong = actor_named(house, "nong")
    with house.unit(nong, write=False) as db:
        missing = service.department_result(db, visit_id, "LAB").missing
    values = {code: value_of(ITEMS[code], "M", 41, False, Dice(code)) for code in missing}
    stored = enter(house, nong, visit_id, "LAB", base, **values)
    with house.unit(nong) as db:
        return service.verify(db, visit_id, "LAB", stored.version).version


def test_a_postponed_tube_drawn_later_brings_the_visit_back_to_the_laboratory(house: House) -> None:
    lin = actor_named(house, "lin")
    visit_id = arrive(house, lin)
    with house.unit(actor_named(house, "qin")) as db:
        tubes.plan(db, visit_id)
        stool = next(line for line in orders.lines(db, visit_id) if line.group_code == "G032")
        orders.postpone(db, visit_id, stool.id, DUE_ON, "标本未留取")
        for tube in tubes.of_visit(db, visit_id):
            if tube.tube_code != "STO":
                tubes.collect(db, visit_id, tube.barcode)
    signed = fill(house, visit_id, 0)
    house.clock.advance(days=3)  # type: ignore[attr-defined]
    with house.unit(lin) as db:
        barcode = next(tube.barcode for tube in tubes.of_visit(db, visit_id) if tube.tube_code == "STO")
        tubes.collect(db, visit_id, barcode)
    with house.unit(actor_named(house, "nong"), write=False) as db:
        assert service.department_result(db, visit_id, "LAB").state == RecordState.SAVED
        for day in (DUE_ON, DUE_ON + timedelta(days=1)):
            waiting = service.work_list(db, "LAB", day, WorkFilter.TO_DO)
            assert [row.visit_id for row in waiting.rows] == [visit_id]
        version = service.department_result(db, visit_id, "LAB").version
    assert version > signed
    fill(house, visit_id, version)
    with house.unit(lin, write=False) as db:
        assert {line.state for line in orders.lines(db, visit_id) if line.department == "LAB" and not line.service_only} == {
            LineState.CONFIRMED
        }
    assert [(name, found) for name, found in commands.breaches_of(house) if found] == []


def test_a_page_read_while_a_colleague_saves_never_shows_a_version_without_its_values(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit_id = arrive(house, actor_named(house, "lin"))
    wu = actor_named(house, "wu")
    enter(house, wu, visit_id, "GEN", 0, HT="172.0", WT="70.0")
    real = queries._values_of
    saved: list[int] = []

    def after_a_colleague(*given: object) -> object:
        if not saved:
            saved.append(1)
            enter(house, wu, visit_id, "GEN", 1, WC="82.0")
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(queries, "_values_of", after_a_colleague)
    with house.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection, house.session(write=False) as db:
        if not house.is_sqlite:
            db.bind = connection
        db.info["actor"] = wu
        shown = queries.department_result(db, visit_id, "GEN")
    assert saved and shown.version == 1
    assert {reading.item: reading.raw for reading in shown.readings if reading.item in ("HT", "WT")} == {"HT": "172.0", "WT": "70.0"}


def test_the_counts_of_a_day_have_an_index_for_each_part(sqlite_house: House) -> None:
    wu = actor_named(sqlite_house, "wu")
    for back in range(3):
        arrive(sqlite_house, actor_named(sqlite_house, "lin"), on=TODAY - timedelta(days=back))
    asked: list[tuple[str, object]] = []

    def note(connection: object, cursor: object, statement: str, values: object, *rest: object) -> None:
        asked.append((statement, values))

    with sqlite_house.unit(wu, write=False) as db:
        event.listen(sqlite_house.engine, "before_cursor_execute", note)
        service.departments_of_actor(db)
        service.work_list(db, "GEN", TODAY)
        event.remove(sqlite_house.engine, "before_cursor_execute", note)
        plans = [
            str(step[3])
            for statement, values in asked
            if "exam_line_board" in statement
            for step in db.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    touched = [step for step in plans if "exam_line_board" in step]
    assert touched
    assert all("exam_on=" in step or "due_on=" in step or "state=" in step for step in touched), touched

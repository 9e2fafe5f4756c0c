"""Prepared statements give what SQLAlchemy would give; hot reads run where they should; writers and readers wait in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, event, func, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from exam.kit import audit
from exam.kit.audit import Entry
from exam.kit.db import update_row
from exam.kit.house import GroupWrite, House, system_actor
from exam.kit.prepared import PreparedStatement
from exam.people import service as people
from exam.people.models import Organization
from exam.visits.models import Visit
from results.models import Record
from tests.conftest import Desk, actor_named
from tests.results.cases import arrive

_VISITS = select(Visit.id, Visit.visit_no, Visit.exam_on, Visit.created_at, Visit.urgent, Visit.organization_id).where(
    Visit.visit_no == bindparam("number")
)
_ORGANIZATION: Any = Organization.__table__


def test_a_prepared_statement_reads_the_same_values_as_sqlalchemy(house: House) -> None:
    visit_id = arrive(house, actor_named(house, "lin"))
    prepared = PreparedStatement(_VISITS)
    with house.unit(system_actor("01"), write=False) as db:
        number = db.get_one(Visit, visit_id).visit_no
        expected = tuple(db.execute(_VISITS, {"number": number}).one())
        assert tuple(prepared.first(db, number=number)) == expected
        assert [tuple(row) for row in prepared.all(db, number=number)] == [expected]
        assert prepared.first(db, number="0") is None
    assert expected[0] == visit_id
    assert isinstance(expected[2], date) and isinstance(expected[3], datetime) and expected[3].tzinfo is UTC
    assert expected[4] is False and expected[5] is None


def test_a_value_that_is_not_given_is_a_fault_not_a_null(house: House) -> None:
    prepared = PreparedStatement(_VISITS)
    with house.unit(system_actor("01"), write=False) as db, pytest.raises(KeyError, match="number"):
        prepared.all(db)


def test_literals_and_limits_stand_in_the_statement(house: House) -> None:
    with house.unit(system_actor("01")) as db:
        for code in ("A1", "A2", "A3"):
            people.add_organization(db, code, "武鸣糖厂")
    joined = PreparedStatement(
        select(func.aggregate_strings(Organization.code, "+")).where(Organization.code < bindparam("below")).limit(1)
    )
    with house.unit(system_actor("01"), write=False) as db:
        assert sorted(joined.first(db, below="A3")[0].split("+")) == ["A1", "A2"]
        with pytest.raises(KeyError, match="below"):
            joined.first(db)


def test_what_the_session_holds_is_written_before_a_prepared_statement_reads(house: House) -> None:
    count = PreparedStatement(select(func.count()).select_from(_ORGANIZATION))
    with house.unit(system_actor("01")) as db:
        people.add_organization(db, "A1", "武鸣糖厂")
        assert count.first(db)[0] == 1


def test_the_databases_refusal_comes_as_sqlalchemys_and_names_no_value(house: House) -> None:
    with house.unit(system_actor("01")) as db:
        people.add_organization(db, "A1", "武鸣糖厂")
        row = dict(db.execute(select(_ORGANIZATION)).mappings().one())
    again = PreparedStatement(insert(_ORGANIZATION))
    with pytest.raises(IntegrityError) as raised, house.unit(system_actor("01")) as db:
        again.run_many(db, [row])
    assert "武鸣糖厂" not in str(raised.value)


def test_a_row_that_somebody_else_changed_is_not_overwritten(house: House) -> None:
    arrive(house, actor_named(house, "lin"))
    with house.unit(system_actor("01")) as db:
        row = dict(db.execute(select(Record.__table__).limit(1)).mappings().one())
        after = update_row(db, Record, {**row, "summary": "甲"})
        assert after["ver"] == row["ver"] + 1
    with pytest.raises(StaleDataError), house.unit(system_actor("01")) as db:
        update_row(db, Record, {**row, "summary": "乙"})
    with house.unit(system_actor("01"), write=False) as db:
        assert db.scalar(select(Record.summary).where(Record.id == row["id"])) == "甲"
        assert list(audit.row_breaches(db)) == []


def test_a_hot_read_runs_on_the_event_loop_of_the_embedded_database_and_in_a_thread_elsewhere(
    house: House, desk: Callable[[str], Desk]
) -> None:
    visit_id = arrive(house, actor_named(house, "lin"))
    with house.unit(system_actor("01"), write=False) as db:
        number = db.get_one(Visit, visit_id).visit_no
    nong = desk("nong")
    path = f"/api/visits/{number}/results/LAB"
    assert nong.get(path).status_code == 200
    threads: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "exam_audit" not in statement:
            threads.append(threading.current_thread().name)

    event.listen(house.engine, "before_cursor_execute", note)
    assert nong.get(path).status_code == 200
    assert nong.get("/api/visits/0101000000000000/results/LAB").status_code == 409
    event.remove(house.engine, "before_cursor_execute", note)
    assert threads
    assert all(("asyncio_" in name or "AnyIO" in name) != house.is_sqlite for name in threads), threads
    assert nong.get(path).json()["visit_no"] == number, "a refused read must end its transaction"


def test_hot_reads_go_on_after_the_database_ended_every_connection(house: House, desk: Callable[[str], Desk]) -> None:
    if house.is_sqlite:
        pytest.skip("the embedded database has no server")
    visit_id = arrive(house, actor_named(house, "lin"))
    with house.unit(system_actor("01"), write=False) as db:
        path = f"/api/visits/{db.get_one(Visit, visit_id).visit_no}/results/LAB"
    nong = desk("nong")
    assert nong.get(path).status_code == 200
    with house.unit(None, write=False) as db:
        db.execute(
            text("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
        )
    answers = [nong.get(path).status_code for _ in range(4)]
    assert answers[-2:] == [200, 200], answers


def test_every_read_of_the_hot_path_is_in_the_audit_before_the_answer(house: House, desk: Callable[[str], Desk]) -> None:
    visit_id = arrive(house, actor_named(house, "lin"))
    with house.unit(system_actor("01"), write=False) as db:
        number = db.get_one(Visit, visit_id).visit_no
    nong = desk("nong")
    for done in (1, 2, 3):
        assert nong.get(f"/api/visits/{number}/results/LAB").status_code == 200
        with house.unit(system_actor("01"), write=False) as db:
            reads = select(func.count()).where(audit.Audit.act == "results.read_record", audit.Audit.actor == "nong")
            assert db.scalar(reads) == done


def test_one_entry_that_cannot_be_stored_does_not_fail_its_neighbours(house: House) -> None:
    def spoil(db: Session) -> None:
        raise ZeroDivisionError

    good, bad = Entry(act="results.read_record", subject="visit:1"), Entry(act="results.read_record", subject="visit:2")
    outcomes: dict[str, BaseException | None] = {}
    gate = threading.Barrier(9)

    def write(name: str, work: GroupWrite) -> None:
        gate.wait()
        try:
            house.group_writer.write(work)
            outcomes[name] = None
        except BaseException as error:
            outcomes[name] = error

    works = {f"good {n}": GroupWrite({}, [good], []) for n in range(8)} | {"bad": GroupWrite({}, [bad], [spoil])}
    threads = [threading.Thread(target=write, args=item) for item in works.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert isinstance(outcomes.pop("bad"), ZeroDivisionError)
    assert list(outcomes.values()) == [None] * 8
    with house.unit(system_actor("01"), write=False) as db:
        subjects = db.scalars(select(audit.Audit.subject).where(audit.Audit.act == "results.read_record")).all()
    assert subjects == ["visit:1"] * 8


def test_after_a_restart_of_the_server_one_request_fails_and_the_pool_is_whole_again(house: House) -> None:
    if house.is_sqlite:
        pytest.skip("the embedded database has no server to lose")
    count = PreparedStatement(select(func.count()).select_from(_ORGANIZATION))
    with ExitStack() as kept:
        for _ in range(4):
            count.first(kept.enter_context(house.unit(None, write=False)))
    with house.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            text("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
        )
    outcomes = []
    for _ in range(6):
        try:
            with house.unit(None, write=False) as db:
                outcomes.append(count.first(db)[0])
        except OperationalError:
            outcomes.append("gone")
    assert outcomes.count("gone") <= 1, outcomes
    assert outcomes[-1] == 0

"""The unit of work: everything commits together with its audit row, in the handler's own thread, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import DatabaseError

from exam.kit import audit
from exam.kit.house import Actor, House, system_actor
from exam.people import service as people
from exam.people.models import Organization
from tests.conftest import Desk


def test_a_refused_unit_leaves_nothing_behind(house: House) -> None:
    with house.unit(system_actor("01"), write=False) as db:
        before = db.scalars(select(audit.Audit.seq)).all()
    with pytest.raises(ZeroDivisionError), house.unit(system_actor("01")) as db:
        people.add_organization(db, "A1", "武鸣糖厂")
        raise ZeroDivisionError
    with house.unit(system_actor("01"), write=False) as db:
        assert people.organizations(db) == []
        assert db.scalars(select(audit.Audit.seq)).all() == before


def test_a_read_unit_that_writes_is_a_fault(house: House) -> None:
    with pytest.raises(RuntimeError, match="read unit"), house.unit(system_actor("01"), write=False) as db:
        people.add_organization(db, "A1", "武鸣糖厂")
        db.flush()


def test_begin_commit_and_rollback_happen_in_the_handlers_thread(house: House, desk: Callable[[str], Desk]) -> None:
    lin = desk("lin")
    seen: list[tuple[str, str]] = []
    for name in ("begin", "commit", "rollback"):
        event.listen(house.engine, name, lambda *_, name=name: seen.append((name, threading.current_thread().name)))
    assert lin.get("/api/me").status_code == 200
    assert lin.post("/sign-out").status_code in (200, 303)
    assert {name for name, _ in seen} >= {"begin", "commit"}
    assert not [thread for _, thread in seen if thread == "MainThread" or "portal" in thread]


def test_every_connection_of_the_embedded_database_is_durable(sqlite_house: House) -> None:
    connections = [sqlite_house.engine.connect() for _ in range(5)]
    for connection in connections:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "journal_mode", "foreign_keys", "mmap_size", "wal_autocheckpoint")
        }
        assert values == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1, "mmap_size": 0, "wal_autocheckpoint": 0}
        connection.close()


def test_the_embedded_database_is_unreadable_without_its_key(sqlite_house: House) -> None:
    with sqlite_house.unit(system_actor("01")) as db:
        people.add_organization(db, "NEEDLE-77", "针尖单位")
    raw = (sqlite_house.data / "exam.db").read_bytes() + Path(f"{sqlite_house.data}/exam.db-wal").read_bytes()
    assert b"NEEDLE-77" not in raw and "针尖单位".encode() not in raw
    assert not raw.startswith(b"SQLite format 3")


def test_facts_cannot_be_changed_or_deleted_even_by_raw_sql(house: House) -> None:
    with house.unit(system_actor("01")) as db:
        people.add_organization(db, "A1", "武鸣糖厂")
    for statement in ("update exam_audit set actor = 'x'", "delete from exam_audit", "delete from exam_catalog_entry"):
        with pytest.raises(DatabaseError), house.engine.execution_options(write=True).begin() as connection:
            connection.execute(text(statement))
        house.turn.give()


def test_an_audit_row_names_who_what_and_which_rows(house: House, acting: Callable[[str], Actor]) -> None:
    lin = acting("lin")
    with house.unit(lin) as db:
        organization_id = people.add_organization(db, "A1", "武鸣糖厂")
        audit.note(db, "people.add_organization", subject="organization:A1", reason="新客户")
    with house.unit(lin, write=False) as db:
        row = db.scalars(select(audit.Audit).order_by(audit.Audit.at.desc(), audit.Audit.seq.desc())).first()
        assert row is not None
        assert (row.actor, row.act, row.subject, row.reason) == ("lin", "people.add_organization", "organization:A1", "新客户")
        assert row.rows.startswith(f"exam_organization {organization_id} ")


def test_raw_sql_edits_deletions_and_a_cut_tail_are_found(sqlite_house: House) -> None:
    house = sqlite_house
    for code in ("A1", "A2", "A3"):
        with house.unit(system_actor("01")) as db:
            people.add_organization(db, code, f"单位{code}")
    with house.unit(system_actor("01"), write=False) as db:
        house.anchor.write(db, house.clock.now())
        assert [*audit.breaches(db), *audit.row_breaches(db), *house.anchor.breaches(db)] == []

    def tamper(*statements: str) -> list[str]:
        with house.unit(None) as db:
            for name in ("update", "delete"):
                db.execute(text(f"drop trigger if exists exam_audit_no_{name}"))
            for statement in statements:
                db.execute(text(statement))
            db.info.pop("changed_rows", None)
            found = [*audit.breaches(db), *audit.row_breaches(db), *house.anchor.breaches(db)]
            db.rollback()
        return found

    last = "select max(seq) from exam_audit where writer = 1"
    assert any("content differs" in each for each in tamper("update exam_organization set name = '别的' where code = 'A2'"))
    assert any("the table does not" in each for each in tamper("delete from exam_organization where code = 'A2'"))
    assert any("was changed" in each for each in tamper(f"update exam_audit set reason = 'x' where seq = ({last}) and writer = 1"))
    assert any("missing" in each for each in tamper(f"delete from exam_audit where writer = 1 and seq = ({last}) - 1"))
    cut = tamper(
        f"delete from exam_audit where writer = 1 and seq = ({last})",
        "update exam_audit_writer set seq = (select max(seq) from exam_audit where writer = 1), "
        "head = (select hash from exam_audit where writer = 1 order by seq desc limit 1) where writer = 1",
    )
    assert any("tail was cut" in each for each in cut)


def test_two_writers_at_once_keep_every_chain_whole(house: House) -> None:
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(8):
                with house.unit(system_actor("01")) as db:
                    people.add_organization(db, f"{name}{number}", f"单位{name}{number}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ABCD"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with house.unit(system_actor("01"), write=False) as db:
        assert len(db.scalars(select(Organization.id)).all()) == 32
        assert [*audit.breaches(db), *audit.row_breaches(db)] == []

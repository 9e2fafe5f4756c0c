"""What durability rests on: the settings of every connection (decision 21). Kills do not show a wrong one, only power cuts."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from exam import commands
from exam.backup_chain import DATABASE, raw_connection
from exam.kit import jobs
from exam.kit.db import postgresql_engine
from exam.kit.house import House, system_actor
from exam.people import service as people

WANTED = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "mmap_size": 0,
    "wal_autocheckpoint": 0,
    "secure_delete": 1,
    "busy_timeout": 10000,
}


def test_every_connection_of_the_pool_writes_through_to_the_disk(sqlite_house: House) -> None:
    connections: list[Connection] = [sqlite_house.engine.connect() for _ in range(24 + 40)]
    try:
        for connection in connections:
            for name, wanted in WANTED.items():
                answer = connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                assert (answer if answer is not None else 0) == wanted, name
    finally:
        for connection in connections:
            connection.close()


def test_a_connection_for_shipping_is_as_durable_and_folds_nothing_by_itself(sqlite_house: House) -> None:
    connection = raw_connection(sqlite_house.data / DATABASE, sqlite_house.keys["database"])
    answers = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "wal_autocheckpoint")]
    connection.close()
    assert answers == ["wal", 2, 0]


def test_our_postgresql_connections_do_not_ask_for_less_than_the_servers_durability() -> None:
    engine = postgresql_engine("postgresql+psycopg://exam_app@db.example/exam")
    arguments, options = engine.dialect.create_connect_args(engine.url)
    assert "synchronous_commit" not in f"{arguments}{options}"
    assert engine.get_execution_options() == {}


def test_nothing_in_a_unit_of_work_turns_synchronous_commit_off(house: House) -> None:
    with house.unit(None, write=False) as db:
        if house.is_sqlite:
            assert db.connection().exec_driver_sql("PRAGMA synchronous").scalar() == 2
        else:
            # The server of the test run itself is set to "off" to be quick; what counts is that we never ask for it.
            source = db.connection().exec_driver_sql("select source from pg_settings where name = 'synchronous_commit'").scalar()
            assert source not in ("client", "session", "user", "database")


def test_a_long_log_is_begun_again_without_waiting_for_a_reader(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "LONGEST_WAL_BYTES", 0)
    log = sqlite_house.data / "exam.db-wal"
    with sqlite_house.unit(system_actor("01")) as db:
        people.add_organization(db, "A1", "武鸣糖厂")
    with sqlite_house.unit(None, write=False) as reader:
        assert len(people.organizations(reader)) == 1
        with sqlite_house.unit(system_actor("01")) as db:
            people.add_organization(db, "A2", "武鸣糖厂二分厂")
        commands.checkpoint(sqlite_house)
        assert log.stat().st_size > 0, "a reader still needs it"
        assert len(people.organizations(reader)) == 1
    commands.checkpoint(sqlite_house)
    assert log.stat().st_size == 0
    with sqlite_house.unit(system_actor("01")) as db:
        people.add_organization(db, "A3", "武鸣糖厂三分厂")
        assert len(people.organizations(db)) == 3
        assert db.connection().exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000


def test_a_long_log_is_folded_before_the_job_is_due(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    log = sqlite_house.data / "exam.db-wal"
    jobs.run_jobs(sqlite_house)
    with sqlite_house.unit(system_actor("01")) as db:
        people.add_organization(db, "A1", "武鸣糖厂")
    jobs.run_jobs(sqlite_house)
    assert log.stat().st_size > 0, "it is neither long nor due"
    monkeypatch.setattr(commands, "LONGEST_WAL_BYTES", 0)
    jobs.run_jobs(sqlite_house)
    assert log.stat().st_size == 0

"""`exam verify` while people work: each check sees one state of the database; on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from exam import commands
from exam.kit import audit
from exam.kit.house import Actor, House
from exam.kit.module import Invariant, Module, Modules
from exam.staff import accounts
from exam.staff.models import Role


def test_a_check_of_several_statements_sees_nothing_that_is_written_in_between(
    house: House, acting: Callable[[str], Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    security = acting("security")

    def codes(db: Session) -> set[str]:
        return set(db.scalars(select(Role.code)))

    def check(db: Session) -> Iterator[str]:
        before = codes(db)
        with house.unit(security) as other:
            accounts.set_role(other, f"new{len(before)}", "新角色", [])
        yield from codes(db) - before

    checks = (Invariant("one snapshot", check), Invariant("A2", audit.breaches), Invariant("again", check))
    monkeypatch.setattr(house, "modules", Modules([*house.modules.all, Module(name="busy", title="", invariants=checks)]))
    found = [each for each in commands.breaches_of(house) if each[0].startswith("busy")]
    assert found == [("busy: one snapshot", []), ("busy: A2", []), ("busy: again", [])]
    with house.unit(None, write=False) as db:
        assert len([code for code in codes(db) if code.startswith("new")]) == 2


def test_a_connection_that_served_a_check_writes_again_afterwards(house: House, acting: Callable[[str], Actor]) -> None:
    assert [name for name, breaches in commands.breaches_of(house) if breaches] == []
    with house.unit(acting("security")) as db:
        accounts.set_role(db, "after", "新角色", [])
        if not house.is_sqlite:
            assert db.connection().exec_driver_sql("show transaction_isolation").scalar_one() == "read committed"


def test_a_check_cannot_write_on_the_server_database(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    if house.is_sqlite:
        pytest.skip("the embedded database has one writer and no read-only transaction")

    def check(db: Session) -> Iterator[str]:
        with pytest.raises(DBAPIError, match="read-only"):
            db.connection().exec_driver_sql("update exam_role set name = name")
        yield "refused"

    monkeypatch.setattr(house, "modules", Modules([Module(name="bad", title="", invariants=(Invariant("writes", check),))]))
    assert commands.breaches_of(house) == [("bad: writes", ["refused"])]

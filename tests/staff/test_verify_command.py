"""`exam verify` while people work: each check sees one state of the database; on both databases."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from datetime import date
from types import SimpleNamespace

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from exam import commands
from exam.kit import audit, progress
from exam.kit.house import Actor, House
from exam.kit.module import Invariant, Module, Modules
from exam.people.facts import IdKind, NewPerson
from exam.staff import rights
from exam.staff.models import Role
from exam.visits import spans
from tests.results.cases import arrive


def test_a_check_of_several_statements_sees_nothing_that_is_written_in_between(
    house: House, acting: Callable[[str], Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    security = acting("security")

    def codes(db: Session) -> set[str]:
        return set(db.scalars(select(Role.code)))

    def check(db: Session) -> Iterator[str]:
        before = codes(db)
        with house.unit(security) as other:
            rights.set_role(other, f"new{len(before)}", "新角色", [])
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
        rights.set_role(db, "after", "新角色", [])
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


class Terminal(io.StringIO):
    """What a person at a terminal sees."""

    def isatty(self) -> bool:
        return True


def shown_on(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> progress.Line:
    moments = itertools.count(0.0, 0.15)
    monkeypatch.setattr("time.monotonic", lambda: next(moments))
    line = progress.Line("long check", stream)
    for done in range(5):
        line.show(done, 4)
    line.clear()
    return line


def test_a_long_check_says_how_far_it_is_on_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, pipe = Terminal(), io.StringIO()
    with monkeypatch.context() as patch:
        assert [shown_on(stream, patch).is_seen for stream in (terminal, pipe)] == [True, False]
    assert terminal.getvalue() == "\r\x1b[K...  long check  25 %  0 s\r\x1b[K...  long check  75 %  1 s\r\x1b[K"
    assert pipe.getvalue() == ""


def test_spans_tell_how_far_they_are(house: House, acting: Callable[[str], Actor], monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        arrive(house, acting("lin"), person=NewPerson(name=f"韦小{number}", id_kind=IdKind.NONE, sex="M", birth_on=date(1985, 3, 15)))
    monkeypatch.setattr(spans, "SPAN", 1)
    told: list[tuple[int, int]] = []
    with house.unit(None, write=False) as db:
        db.info["progress"] = SimpleNamespace(show=lambda done, total: told.append((done, total)))
        assert len(list(spans.visit_spans(db))) == 4
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_of_very_many_breaches_the_first_are_kept_and_all_are_counted(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = Invariant("holds nowhere", lambda db: (f"breach {number}" for number in range(2345)))
    monkeypatch.setattr(sqlite_house, "modules", Modules([Module(name="bad", title="", invariants=(check,))]))
    ((name, breaches),) = commands.breaches_of(sqlite_house)
    assert (len(breaches), breaches[999], breaches[-1]) == (1001, "breach 999", "2345 in all")
    assert commands.show(name, breaches) == 1001
    assert commands.show(name, breaches[:25]) == 25
    assert commands.show(name, breaches[:20]) == 20
    printed = capsys.readouterr().out.splitlines()
    assert (len(printed), printed[21], printed[43], printed[-1]) == (22 + 22 + 21, "     … 2345 in all", "     … 25 in all", "     breach 19")

"""The anchor: signed heads of the audit chains outside the database, whatever a crash leaves of its last line."""

from __future__ import annotations

import fcntl
import threading
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from exam import commands
from exam.kit import audit
from exam.kit.house import House, system_actor
from exam.people import service as people
from exam.people.models import Organization

Lines = list[bytes]


def act(house: House) -> None:
    with house.unit(system_actor("01")) as db:
        audit.note(db, "test.act")


def breaches(house: House) -> list[str]:
    with house.unit(None, write=False) as db:
        return list(house.anchor.breaches(db))


@pytest.fixture
def lines(sqlite_house: House) -> Lines:
    """The two signed lines of a house in which something happened before each."""
    for _ in range(2):
        act(sqlite_house)
        commands.anchor(sqlite_house)
    written = sqlite_house.anchor.path.read_bytes().splitlines(keepends=True)
    assert len(written) == 2
    return written


def at_month(house: House, year: int, month: int) -> None:
    """Something happens on the second day of a month, and the timed job comes by."""
    moment = datetime(year, month, 2, 8, tzinfo=UTC)
    house.clock.advance(seconds=(moment - house.clock.now()).total_seconds())  # type: ignore[attr-defined]
    act(house)
    commands.anchor(house)


def leave(house: House, content: bytes) -> None:
    house.anchor.path.write_bytes(content)


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """For many lines one after the other; that each is synced has a test of its own."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.mark.usefixtures("quick_disk")
def test_a_last_line_cut_at_any_byte_is_no_breach_and_the_next_one_takes_its_place(sqlite_house: House, lines: Lines) -> None:
    first, last = lines
    anchor = sqlite_house.anchor
    with sqlite_house.unit(None, write=False) as db:
        for length in range(len(last) + 1):
            anchor.path.write_bytes(first + last[:length])
            is_torn = 0 < length < len(last) - 1  # with nothing of it, or only its line end missing, every line is whole
            assert list(anchor.breaches(db)) == [], length
            assert len(list(anchor.notes())) == is_torn, length
            anchor.write(db, sqlite_house.clock.now())
            healed = anchor.path.read_bytes().splitlines(keepends=True)
            assert healed[0] == first
            assert len(healed) == 2, length
            assert list(anchor.notes()) == [] == list(anchor.breaches(db)), length


@pytest.mark.parametrize("hole", [slice(0, 512), slice(300, None), slice(0, None)])
def test_blocks_of_the_last_line_that_never_reached_the_disk_are_no_breach(sqlite_house: House, lines: Lines, hole: slice) -> None:
    first, last = lines
    damaged = bytearray(last)
    damaged[hole] = bytes(len(damaged[hole]))
    leave(sqlite_house, first + bytes(damaged))
    assert breaches(sqlite_house) == []
    assert len(list(sqlite_house.anchor.notes())) == 1
    commands.anchor(sqlite_house)
    assert sqlite_house.anchor.path.read_bytes().count(b"\n") == 2
    assert breaches(sqlite_house) == []


def test_a_torn_first_line_is_no_breach(sqlite_house: House, lines: Lines) -> None:
    leave(sqlite_house, lines[0][:100])
    assert breaches(sqlite_house) == []
    commands.anchor(sqlite_house)
    assert sqlite_house.anchor.path.read_bytes().count(b"\n") == 1


@pytest.mark.usefixtures("quick_disk")
def test_any_changed_byte_is_found_and_stays_found_after_the_next_line(sqlite_house: House, lines: Lines) -> None:
    content = b"".join(lines)
    anchor = sqlite_house.anchor
    with sqlite_house.unit(None, write=False) as db:
        for at in range(0, len(content), 7):
            damaged = bytearray(content)
            damaged[at] ^= 1
            anchor.path.write_bytes(damaged)
            assert list(anchor.breaches(db)), at
            anchor.write(db, sqlite_house.clock.now())
            assert list(anchor.breaches(db)), at


@pytest.mark.parametrize("tail", [b"x", b"foreign words", b'{"at":"2026-11-21T00:00:00+00:00","heads":{}} 00', b'{"at":1}\n'])
def test_what_no_crash_of_ours_leaves_is_found(sqlite_house: House, lines: Lines, tail: bytes) -> None:
    leave(sqlite_house, b"".join(lines) + tail)
    assert breaches(sqlite_house) == ["audit anchor line 3: the signature is wrong"]
    assert list(sqlite_house.anchor.notes()) == []
    commands.anchor(sqlite_house)
    assert breaches(sqlite_house) == ["audit anchor line 3: the signature is wrong"]
    at_month(sqlite_house, 2026, 12)
    assert breaches(sqlite_house) == ["audit anchor line 3 of audit-2026-11.log: the signature is wrong"]


def test_no_line_is_written_while_no_head_moves(sqlite_house: House, lines: Lines) -> None:
    for _ in range(3):
        sqlite_house.clock.advance(seconds=60)  # type: ignore[attr-defined]
        commands.anchor(sqlite_house)
    assert sqlite_house.anchor.path.read_bytes() == b"".join(lines)
    act(sqlite_house)
    commands.anchor(sqlite_house)
    assert sqlite_house.anchor.path.read_bytes().count(b"\n") == 3


def test_the_lines_of_a_month_are_put_aside_with_the_first_line_of_a_later_one(sqlite_house: House, lines: Lines) -> None:
    anchor = sqlite_house.anchor
    at_month(sqlite_house, 2026, 12)
    at_month(sqlite_house, 2026, 12)
    at_month(sqlite_house, 2027, 2)
    assert [path.name for path in anchor.kept()] == ["audit-2026-11.log", "audit-2026-12.log"]
    assert anchor.kept()[0].read_bytes() == b"".join(lines)
    assert [path.read_bytes().count(b"\n") for path in (*anchor.kept(), anchor.path)] == [2, 2, 1]
    assert breaches(sqlite_house) == []


def test_a_crash_between_the_two_steps_of_putting_aside_loses_no_line(
    sqlite_house: House, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(audit, "store", lambda path, parts: (_ for _ in ()).throw(OSError("power cut")))
        with pytest.raises(OSError, match="power cut"):
            at_month(sqlite_house, 2026, 12)
    assert breaches(sqlite_house) == []
    commands.anchor(sqlite_house)
    assert sqlite_house.anchor.kept()[0].read_bytes() == b"".join(lines)
    assert sqlite_house.anchor.path.read_bytes().count(b"\n") == 1
    assert breaches(sqlite_house) == []


def test_damage_in_the_lines_of_a_month_and_a_missing_file_are_found(sqlite_house: House, lines: Lines) -> None:
    at_month(sqlite_house, 2026, 12)
    kept, path = sqlite_house.anchor.kept()[0], sqlite_house.anchor.path
    last = path.read_bytes()
    path.write_bytes(b"")
    assert breaches(sqlite_house) == ["audit anchor: no line of audit.log is whole"]
    path.unlink()
    assert breaches(sqlite_house) == ["audit anchor: the file of this month is missing"]
    path.write_bytes(last)
    kept.write_bytes(lines[0] + lines[1][:-20])
    assert breaches(sqlite_house) == ["audit anchor line 2 of audit-2026-11.log: the signature is wrong"]


def test_who_waited_for_the_lock_while_the_file_was_put_aside_writes_into_the_new_one(
    sqlite_house: House, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor, lock, is_waiting = sqlite_house.anchor, fcntl.flock, threading.Event()

    def told(*given: Any) -> None:
        is_waiting.set()
        lock(*given)

    act(sqlite_house)
    monkeypatch.setattr(fcntl, "flock", told)
    with anchor.path.open("a+b") as file:
        lock(file, fcntl.LOCK_EX)
        waiting = threading.Thread(target=commands.anchor, args=(sqlite_house,))
        waiting.start()
        assert is_waiting.wait(10)
        anchor.path.rename(anchor.path.with_name("audit-2026-10.log"))
        leave(sqlite_house, lines[0])
    waiting.join(10)
    assert anchor.kept()[0].read_bytes() == b"".join(lines)
    assert anchor.path.read_bytes().count(b"\n") == 2


def test_the_command_says_that_a_line_is_torn_and_ends_well(
    sqlite_house: House, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(sqlite_house, lines[0] + lines[1][:70])
    verify = next(command for command in commands.COMMANDS if command.name == "verify")
    assert verify.run(sqlite_house.settings, Namespace()) == 0
    assert "note the last line of the audit anchor is torn" in capsys.readouterr().out


def test_a_torn_line_before_the_last_is_found(sqlite_house: House, lines: Lines) -> None:
    leave(sqlite_house, lines[0][:50] + b"\n" + lines[1])
    assert breaches(sqlite_house) == ["audit anchor line 1: the signature is wrong"]


def test_a_cut_tail_of_the_audit_shows_although_the_last_anchor_line_is_torn(sqlite_house: House, lines: Lines) -> None:
    leave(sqlite_house, lines[0] + lines[1] + lines[1][:40])
    with sqlite_house.engine.execution_options(write=True).begin() as connection:
        for (name,) in connection.exec_driver_sql("select name from sqlite_master where type = 'trigger'").fetchall():
            connection.exec_driver_sql(f'drop trigger "{name}"')
        connection.exec_driver_sql("delete from exam_audit where seq = (select max(seq) from exam_audit)")
    sqlite_house.turn.give()
    assert any("tail was cut" in breach for breach in breaches(sqlite_house))


def test_the_line_and_its_name_are_on_the_disk_when_the_writing_returns(
    sqlite_house: House, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(sqlite_house)
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").stat().st_ino))
    commands.anchor(sqlite_house)
    path = sqlite_house.anchor.path
    assert synced == [path.stat().st_ino, path.parent.stat().st_ino]


# --- clocks


def clock_breaches(house: House) -> list[str]:
    with house.unit(None, write=False) as db:
        return [*audit.breaches(db), *audit.row_breaches(db)]


def test_a_clock_set_back_a_little_is_no_breach_and_one_set_back_far_is_named_once(sqlite_house: House) -> None:
    act(sqlite_house)
    sqlite_house.clock.advance(seconds=-audit.CLOCK_STEP.total_seconds())  # type: ignore[attr-defined]
    act(sqlite_house)
    assert clock_breaches(sqlite_house) == []
    sqlite_house.clock.advance(seconds=-1)  # type: ignore[attr-defined]
    for _ in range(3):
        act(sqlite_house)
    found = clock_breaches(sqlite_house)
    assert len(found) == 1
    assert "the clock goes back at row" in found[0]


def test_many_small_steps_back_are_one_large_step(sqlite_house: House) -> None:
    act(sqlite_house)
    for _ in range(7):
        sqlite_house.clock.advance(seconds=-10)  # type: ignore[attr-defined]
        act(sqlite_house)
    assert len(clock_breaches(sqlite_house)) == 1


def rename(house: House, name: str) -> None:
    with house.unit(system_actor("01")) as db:
        db.scalars(select(Organization)).one().name = name


@pytest.fixture
def organization(house: House) -> None:
    with house.unit(system_actor("01")) as db:
        people.add_organization(db, "A1", "武鸣糖厂")


def edit(house: House, name: str) -> None:
    """As somebody with the database's own tools would."""
    with house.engine.execution_options(write=True).begin() as connection:
        connection.execute(update(Organization.__table__).values(name=name))
    house.turn.give()


@pytest.mark.usefixtures("organization")
def test_a_row_changed_again_after_the_clock_stepped_back_is_no_edit(house: House) -> None:
    rename(house, "一厂")
    house.clock.advance(seconds=-30)  # type: ignore[attr-defined]
    rename(house, "二厂")
    assert clock_breaches(house) == []
    edit(house, "一厂")
    assert ["its content differs" in breach for breach in clock_breaches(house)] == [True]


@pytest.mark.usefixtures("organization")
@pytest.mark.parametrize("house", ["postgresql"], indirect=True)
def test_a_row_changed_through_two_chains_while_the_clock_stepped_back_is_no_edit(house: House) -> None:
    house.clock.advance(seconds=60)  # type: ignore[attr-defined]
    rename(house, "一厂")
    house.clock.advance(seconds=-2)  # type: ignore[attr-defined]
    with house.session() as other:  # keeps the first chain, as a unit of work at the same moment does
        other.execute(select(audit.AuditWriter).where(audit.AuditWriter.writer == 1).with_for_update())
        rename(house, "二厂")
        other.rollback()
    with house.unit(None, write=False) as db:
        assert set(db.scalars(select(audit.Audit.writer).where(audit.Audit.rows.contains("organization")))) == {1, 2}
    assert clock_breaches(house) == []
    edit(house, "三厂")
    assert ["its content differs" in breach for breach in clock_breaches(house)] == [True]


@pytest.mark.usefixtures("organization")
@pytest.mark.parametrize("house", ["postgresql"], indirect=True)
def test_an_older_state_from_another_chain_is_an_edit(house: House) -> None:
    rename(house, "一厂")
    house.clock.advance(seconds=audit.CLOCK_DOUBT.total_seconds() + 1)  # type: ignore[attr-defined]
    with house.session() as other:
        other.execute(select(audit.AuditWriter).where(audit.AuditWriter.writer == 1).with_for_update())
        rename(house, "二厂")
        other.rollback()
    edit(house, "一厂")
    assert ["its content differs" in breach for breach in clock_breaches(house)] == [True]

"""A disk that fills: people's writes are refused in time, reads and their audit go on, and it recovers by itself (F03)."""

from __future__ import annotations

from pathlib import Path

import pytest

from exam.kit import audit, space
from exam.kit.errors import Refused
from exam.kit.house import Actor, House, system_actor
from exam.kit.space import Space
from tests.durability.desk import register

MEGABYTE = 1024 * 1024
LIN = Actor(staff_id=None, login="lin", name="林晓燕", site="01")


def fill(house: House, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(house.space, "free_bytes", lambda: free)
    house.space._look_again_at = 0.0


def test_people_are_refused_before_the_disk_is_full_and_served_again_after_it_was_cleaned(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(sqlite_house, monkeypatch, 100 * MEGABYTE)
    with pytest.raises(Refused, match=r"space\.full") as refused, sqlite_house.unit(LIN) as db:
        audit.note(db, "test.write")
    assert "只读" in refused.value.text and refused.value.hint
    with sqlite_house.unit(LIN, write=False) as db:
        audit.read(db, "test.read", "visit:1")
    fill(sqlite_house, monkeypatch, 1000 * MEGABYTE)
    assert register(sqlite_house, 1)


def test_the_houses_own_work_goes_on_until_the_reserve_is_used(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(sqlite_house, monkeypatch, 9 * MEGABYTE)
    with sqlite_house.unit(system_actor("01")) as db:
        audit.note(db, "test.own")
    fill(sqlite_house, monkeypatch, 7 * MEGABYTE)
    with pytest.raises(Refused, match=r"space\.full"), sqlite_house.unit(system_actor("01")) as db:
        audit.note(db, "test.own")


def test_the_ballast_is_really_allocated_and_given_up_when_nothing_else_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Space(tmp_path)
    monkeypatch.setattr(space, "BALLAST_BYTES", MEGABYTE)
    monkeypatch.setattr(room, "free_bytes", lambda: 1000 * MEGABYTE)
    room.keep()
    assert room.ballast.stat().st_blocks * 512 >= MEGABYTE
    monkeypatch.setattr(room, "free_bytes", lambda: 100 * MEGABYTE)
    room.keep()
    assert room.ballast.exists()
    monkeypatch.setattr(room, "free_bytes", lambda: 7 * MEGABYTE)
    room.require(is_own=True)
    assert not room.ballast.exists()


def test_the_disk_is_asked_at_most_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Space(tmp_path)
    asked: list[int] = []
    monkeypatch.setattr(room, "free_bytes", lambda: asked.append(1) or 1000 * MEGABYTE)
    monkeypatch.setattr("time.monotonic", lambda: 50.0)
    for _ in range(100):
        room.require(is_own=False)
    assert len(asked) == 1
    monkeypatch.setattr("time.monotonic", lambda: 51.0)
    room.require(is_own=False)
    assert len(asked) == 2


def test_a_second_thread_never_sees_an_empty_answer_while_the_first_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Space(tmp_path)
    looking: list[int] = []

    def look() -> int:
        if not looking:
            looking.append(1)
            room.require(is_own=False)  # what another thread does in the middle
        return 1000 * MEGABYTE

    monkeypatch.setattr(room, "free_bytes", look)
    room.require(is_own=False)
    assert looking == [1]

"""kill -9 loses no acknowledged write and leaves nothing half, at named crash points and at random moments (F01)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from exam import commands
from exam.backup_restore import open_restored, restore
from exam.backup_ship import ship
from exam.kit.house import House, system_actor
from exam.knowledge import service as rule_store
from tests.critical_values.cases import TEMPERATURE
from tests.fixtures import houses

CRASH_POINTS = (
    "before_commit",
    "after_commit",
    "statement:BEGIN IMMEDIATE",
    "statement:UPDATE exam_series",
    "statement:INSERT INTO exam_person ",
    "statement:INSERT INTO exam_event",
    "statement:INSERT INTO exam_outbox",
    "statement:INSERT INTO exam_audit ",
    "statement:UPDATE exam_audit_writer",
    "statement:INSERT INTO results_value",
    "statement:INSERT INTO critical_values_alert",
    "statement:INSERT INTO critical_values_board",
)
RANDOM_KILLS = int(os.environ.get("EXAM_RANDOM_KILLS", "6"))
"""`make prove-durability` asks for more."""

SEED = 20261121


@pytest.fixture
def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a database that is set up; its keys are where the command line looks for them."""
    template = houses.template("sqlite", tmp_path_factory)
    for house in template.copy(tmp_path / "home"):
        (tmp_path / "home" / "keys").symlink_to(house.keys.folder)
        with house.unit(system_actor("01")) as db:
            rule_store.publish(db, [TEMPERATURE], valid_from=date(2025, 1, 1), reason="测试用规则")
        yield tmp_path / "home"


class Desks:
    """The process that forks desks; `run` orders one and returns its promises."""

    def __init__(self, home: Path) -> None:
        repository = Path(__file__).parents[2]
        command = [sys.executable, "-m", "tests.durability.desk", str(home)]
        environment = {**os.environ, "PYTHONPATH": str(repository)}
        self.process = subprocess.Popen(
            command, cwd=repository, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip

    def run(self, crash_at: str, skip: int, first: int, delay: float | None, acks: int) -> list[str]:
        """Lets a desk crash, or kills it `delay` seconds after its `acks`-th promise."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{crash_at.replace(' ', '~')} {skip} {first}\n")
        self.process.stdin.flush()
        promises: list[str] = []
        desk = 0
        for line in self.process.stdout:
            kind, _, rest = line.strip().partition(" ")
            assert len(promises) < 200, f"the crash point {crash_at} is never reached"
            if kind == "ready":
                desk = int(rest)
            elif kind == "done" and len(rest) == 16:
                promises.append(rest)
                if delay is not None and len(promises) == acks:
                    threading.Event().wait(delay)
                    os.kill(desk, signal.SIGKILL)
            elif kind == "ended":
                assert rest == "-9", f"the desk ended by itself: {rest}"
                return promises
        raise AssertionError("the process that forks desks is gone")


@pytest.fixture
def desks(home: Path) -> Iterator[Desks]:
    desks = Desks(home)
    yield desks
    os.killpg(desks.process.pid, signal.SIGKILL)
    desks.process.communicate()


def present(house: House) -> set[str]:
    with house.unit(system_actor("01"), write=False) as db:
        return set(db.scalars(text("select visit_no from exam_visit")))


def opened(home: Path) -> House:
    return commands.open_house(houses.template("sqlite", None).settings(home, ""))  # type: ignore[arg-type]


def test_every_promise_survives_kills_at_named_points_and_at_random(desks: Desks, home: Path, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    copies = tmp_path / "copies"
    kills: list[tuple[str, int, float | None, int]] = [(point, chance.randint(0, 3), None, 0) for point in CRASH_POINTS]
    kills += [("-", 0, chance.uniform(0, 0.15), chance.randint(1, 5)) for _ in range(RANDOM_KILLS)]
    promised: list[str] = []
    for round_, (crash_at, skip, delay, acks) in enumerate(kills):
        fresh = desks.run(crash_at, skip, round_ * 1000, delay, acks)
        promised += fresh
        house = opened(home)
        found = present(house)
        assert set(fresh) <= found, f"seed {SEED}, round {round_} ({crash_at} {delay}): acknowledged writes are gone"
        assert len(found) <= len(promised) + round_ + 1, "more than the one write in flight appeared"
        house.engine.dispose()
    assert len(promised) == len(set(promised)), "a number was given out twice"
    house = opened(home)
    assert set(promised) <= present(house)
    assert [(name, breaches) for name, breaches in commands.breaches_of(house) if breaches] == []
    with house.unit(system_actor("01"), write=False) as db:
        letters = db.scalar(text("select count(*) from exam_outbox where delivery = 'test.letter'"))
    assert letters == len(present(house)), "a visit without its letter, or a letter without its visit"
    with house.unit(system_actor("01"), write=False) as db:
        hot = set(db.scalars(text("select visit_id from results_value where item_code = 'TEMP'")))
        alerted = set(db.scalars(text("select visit_id from critical_values_alert")))
    assert hot == alerted, "a critical value without its alert, or an alert without its value"
    assert len(hot) >= len(promised)
    ship(house, copies)
    restore(copies, tmp_path / "restored" / "data", house.keys)
    again = open_restored(house.settings, tmp_path / "restored" / "data")
    assert present(again) == present(house)
    again.engine.dispose()
    house.engine.dispose()

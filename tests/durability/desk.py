"""Desks that write and say so: processes of their own that acknowledge each commit with a line, until they are killed.

`python -m tests.durability.desk HOME` imports everything once and reads orders `CRASH_AT SKIP FIRST` from its input, forking a
desk for each: it opens the house in HOME, does SKIP commits safely and goes on with the crash point armed (`-`: none). A crash
point is one of the unit of work (`before_commit`, `after_commit`) or `statement:TEXT`, before a statement that begins so is
executed (`~` stands for a space).
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import event

from exam import commands, settings
from exam.kit.house import House, system_actor
from exam.people import service as people
from exam.people.facts import IdKind, NewPerson
from exam.visits import service as visits
from exam.visits.facts import Milestone, VisitOpened
from results import service as results
from results.facts import DeliveredValue

TODAY = date(2026, 11, 21)
LETTERS = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"


def register(house: House, number: int) -> str:
    """One acknowledged write: a person with a visit; returns the visit number. Before it says so, a critical value is stored."""
    name = "".join(LETTERS[int(digit, 16)] for digit in f"{number:04x}")
    new = NewPerson(name=name, id_kind=IdKind.NONE, phone=f"138{number:08}", sex="F", birth_on=date(1990, 1, 1))
    with house.unit(system_actor("01")) as db:
        person = people.register(db, new)
        visit_id = visits.open_visit(db, visits.NewVisit(person_id=person.person_id, exam_on=TODAY, package="P02"))
        visits.reach(db, visit_id, Milestone.CHECKED_IN)
        visit_no = visits.card(db, visit_id).visit_no
    with house.unit(system_actor("01")) as db:
        results.receive(db, visit_id, "GEN", [DeliveredValue("TEMP", "41.2", "℃")])
    return visit_no


def arm(house: House, crash_at: str) -> None:
    """From now on this process kills itself at the crash point."""
    if not crash_at.startswith("statement:"):
        house.settings = msgspec.structs.replace(house.settings, crash_at=crash_at)
        return
    text = crash_at.removeprefix("statement:")

    @event.listens_for(house.engine, "before_cursor_execute")
    def kill(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith(text):
            os.kill(os.getpid(), signal.SIGKILL)


def work(home: str, crash_at: str, skip: int, first: int) -> None:
    """Writes until killed; every line on standard output is a promise."""
    house = commands.open_house(settings.read({"EXAM_HOME": home, "EXAM_COPIES": str(Path(home).parent / "copies")}))
    house.modules._deliveries.setdefault(VisitOpened, []).append(("test.letter", lambda db, event: None))
    print(f"ready {os.getpid()}", flush=True)
    for number in range(first, first + 100_000):
        if crash_at != "-" and number == first + skip:
            arm(house, crash_at.replace("~", " "))
        print(f"done {register(house, number)}", flush=True)
        if number % 7 == 6:
            commands.checkpoint(house)


def main(home: str) -> None:
    """Forks a desk for each order and says with which signal it ended."""
    for order in sys.stdin:
        crash_at, skip, first = order.split()
        desk = os.fork()
        if desk == 0:
            work(home, crash_at, int(skip), int(first))
        _, status = os.waitpid(desk, 0)
        print(f"\nended {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

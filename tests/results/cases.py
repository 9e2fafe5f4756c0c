"""A person who has arrived, and values a doctor would type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import event

from exam import commands
from exam.catalog import starter
from exam.kit.house import Actor, House
from exam.people import service as people
from exam.people.facts import NewPerson
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import Milestone
from results import service as results
from results.facts import DepartmentResult, Entry

TODAY = date(2026, 11, 21)
Acting = Callable[[str], Actor]

MAN = NewPerson(name="韦小明", id_no="450110198503150018", phone="13800138000")

GENERAL: dict[str, str | list[str]] = {
    "HT": "170.0", "WT": "65.0", "WC": "80.0", "HC": "95.0", "SBP": "120", "DBP": "78", "PULSE": "72", "TEMP": "36.5",
    "SPO2": "98",
}  # fmt: skip
"""The general examination of a healthy man: BMI 22.5."""


def arrive(house: House, actor: Actor, package: str = "P02", person: NewPerson = MAN, on: date = TODAY) -> UUID:
    """Registers and checks in one person; returns the visit."""
    with house.unit(actor) as db:
        person_id = people.register(db, person).person_id
        visit_id = visits.open_visit(db, visits.NewVisit(person_id=person_id, exam_on=on, package=package))
        visits.reach(db, visit_id, Milestone.CHECKED_IN)
    return visit_id


def enter(house: House, actor: Actor, visit_id: UUID, department: str = "GEN", base: int = 0, **values: Any) -> DepartmentResult:
    """Enters values in a unit of work of its own; `summary` among them is the summary."""
    summary = values.pop("summary", None)
    with house.unit(actor) as db:
        return results.enter(db, visit_id, department, Entry(base_version=base, values=values, summary=summary))


def verify(house: House, actor: Actor, visit_id: UUID, department: str = "GEN", seen: int = 1) -> DepartmentResult:
    """Signs a department's record."""
    with house.unit(actor) as db:
        return results.verify(db, visit_id, department, seen)


def normal_of(department: str) -> dict[str, str | list[str]]:
    """What “everything normal” fills in for a department of the shipped dictionary; numbers stay away."""
    items = {each.code: each for each in starter.load().items if each.department == department}
    return dict(results.normal_values(items.values()))


class Statements:
    """Counts the statements of a house's engine while it is open."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.texts: list[str] = []

    def __enter__(self) -> Statements:
        event.listen(self.house.engine, "before_cursor_execute", self._count)
        return self

    def __exit__(self, *gone: object) -> None:
        event.remove(self.house.engine, "before_cursor_execute", self._count)

    def _count(self, connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if not statement.startswith("BEGIN"):
            self.texts.append(statement)

    def __len__(self) -> int:
        return len(self.texts)


def line_states(house: House, actor: Actor, visit_id: UUID, department: str) -> set[str]:
    """The states of a department's order lines that are examined."""
    with house.unit(actor, write=False) as db:
        return {line.state for line in orders.lines_of_department(db, visit_id, department) if not line.service_only}


def assert_sound(house: House) -> None:
    """No invariant of this room or of one below is broken."""
    # Rooms above are not part of what these tests do: a final milestone here has no chief review behind it.
    own = ("exam:", "billing:", "results:")
    assert [(name, found) for name, found in commands.breaches_of(house) if found and name.startswith(own)] == []

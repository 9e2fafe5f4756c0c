"""Somebody who keeps the register: the shipped cast's roles and one more."""

from __future__ import annotations

from sqlalchemy import select

from exam.kit.house import House, system_actor
from exam.staff.models import Grant, Staff


def grant(house: House, login: str, role: str, department: str = "") -> None:
    """Gives a member of the cast one more role."""
    with house.unit(system_actor("01")) as db:
        staff_id = db.scalars(select(Staff.id).where(Staff.login == login)).one()
        db.add(
            Grant(
                id=house.ids.new(), staff_id=staff_id, staff_kind="staff", role=role, site="01", department=department, granted_by="test",
                granted_at=house.clock.now(),
            )
        )  # fmt: skip


def keeper(house: House, login: str = "liang") -> str:
    """Makes a chief the keeper of critical values too; returns the login."""
    grant(house, login, "critical_keeper")
    return login

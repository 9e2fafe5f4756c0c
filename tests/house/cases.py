"""A visit full of planted personal data, and somebody who may do everything."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import select

from exam.kit.house import House, system_actor
from exam.people.models import Person
from exam.staff.models import Grant, Role, RolePermission, Staff
from tests.conftest import Desk
from tests.flows.test_personal_visit import Day, ok

Sit = Callable[[str], Desk]

NAME, ID_NUMBER, PHONE, ADDRESS = "韦𬭼", "450110198503150018", "13800138000", "桂平市西山镇大街九十九号"


def planted_in(words: str) -> list[str]:
    """Which of the planted values stand in a text, plainly or percent-encoded."""
    from urllib.parse import unquote

    plain = unquote(words)
    return [each for each in (NAME, ID_NUMBER, PHONE, ADDRESS, ID_NUMBER[6:14]) if each in words or each in plain]


def everybody(house: House, site: str, login: str) -> None:
    """Makes somebody of a site who holds every permission that a member of staff can hold, in all departments."""
    now = house.clock.now()
    with house.unit(system_actor("01")) as db:
        if db.get(Role, "everything") is None:
            db.add(Role(code="everything", name="全部", ver=1))
            db.flush()
            for permission in house.modules.permissions:
                db.add(RolePermission(role="everything", permission=permission))
        staff_id = house.ids.new()
        db.add(
            Staff(
                id=staff_id,
                login=login,
                name="周",
                title="主任医师",
                kind="staff",
                site=site,
                active=True,
                password_hash="-",
                password_changed_at=now,
                password_must_change=False,
                password_expires_at=None,
                totp_secret=b"",
                created_at=now,
                ver=1,
            )
        )
        db.flush()
        db.add(
            Grant(
                id=house.ids.new(),
                staff_id=staff_id,
                staff_kind="staff",
                role="everything",
                site=site,
                department="",
                granted_by="test",
                granted_at=now,
            )
        )


def person_id_of(house: House) -> UUID:
    with house.unit(None, write=False) as db:
        return db.scalars(select(Person.id)).one()


def a_day(house: House, desk: Sit) -> Day:
    """A visit that was registered, drawn, examined in part and refused in part."""
    day = Day(house, desk)
    day.register()
    day.pay_and_check_in()
    day.enter("wu", "GEN")
    day.verify("wu", "GEN")
    surgery = next(line["id"] for line in day.visit()["lines"] if line["department"] == "SUR")
    ok(day.at_desk("qin", "lines/refuse", line_ids=[surgery], reason="受检者拒绝"))
    return day

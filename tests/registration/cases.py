"""People who come to the desk in the tests of registration: opened, paid for, checked in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

from billing import service as billing
from exam import commands
from exam.kit.house import Actor, House
from registration import service
from registration.facts import Opened, WalkIn

TODAY = date(2026, 11, 21)
TOMORROW = TODAY + timedelta(days=1)
Acting = Callable[[str], Actor]

WEI = WalkIn(name="韦小明", id_no="450110198503150018", phone="13800138000", package="P02")


def numbered(number: int) -> WalkIn:
    """One of many invented men, each with a sound ID number of his own."""
    from exam.people.rules import check_character

    body = f"45010219800101{number:02d}1"
    return WalkIn(name=f"覃志{'一二三四五六七八九十'[number % 10]}", id_no=body + check_character(body), package="P02")


def walk_in(house: House, actor: Actor, new: WalkIn = WEI) -> Opened:
    """Opens file and visit of somebody who stands at the desk."""
    with house.unit(actor) as db:
        return service.walk_in(db, new)


def pay_all(house: House, actor: Actor, visit_id: UUID) -> None:
    """Pays what is due at the window."""
    with house.unit(actor) as db:
        service.pay(db, visit_id, billing.amount_due(db, visit_id), "A0001")


def arrived(house: House, actor: Actor, new: WalkIn = WEI) -> UUID:
    """A visit that is registered, paid and checked in."""
    visit_id = walk_in(house, actor, new).visit_id
    pay_all(house, actor, visit_id)
    with house.unit(actor) as db:
        service.check_in(db, visit_id)
    return visit_id


def no_breaches(house: House) -> bool:
    """Whether every invariant holds."""
    return [(name, found) for name, found in commands.breaches_of(house) if found] == []

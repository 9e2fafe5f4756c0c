"""The roles that modules propose, when the program is newer than the database: on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from exam.kit import audit
from exam.kit.audit import Audit
from exam.kit.house import Actor, House, system_actor
from exam.kit.module import Module, Modules
from exam.staff import rights

Acting = Callable[[str], Actor]

NEWER = Module(
    name="newer", title="新功能", permissions={"newer.weigh": "称重", "newer.lend": "借用轮椅"},
    roles={"reception": ("前台", ("newer.weigh", "people.read")), "guide": ("导检", ("newer.weigh", "newer.lend", "people.read"))},
)  # fmt: skip


def migrate(house: House, *newer: Module) -> None:
    """What `exam migrate` does about roles, with a program that brings more modules."""
    with house.unit(system_actor("01")) as db:
        rights.load_roles(db, Modules([*house.modules.all, *newer]))


def held(house: House) -> dict[str, rights.RoleView]:
    with house.unit(None, write=False) as db:
        return {role.code: role for role in rights.role_list(db)}


def told(house: House) -> list[str]:
    with house.unit(None, write=False) as db:
        assert [*audit.breaches(db), *audit.row_breaches(db)] == []
        return list(db.scalars(select(Audit.reason).where(Audit.act == "staff.new_permissions").order_by(Audit.at, Audit.seq)))


def take_away(house: House, actor: Actor, code: str, permission: str) -> None:
    role = held(house)[code]
    with house.unit(actor) as db:
        rights.set_role(db, code, role.name, sorted(role.permissions - {permission}), role.ver)


def test_a_permission_that_is_new_to_the_database_reaches_the_roles_it_is_declared_for(house: House, acting: Acting) -> None:
    with house.unit(acting("security")) as db:
        rights.set_role(db, "own", "本院角色", ["people.read"])
    before = held(house)
    migrate(house, NEWER)
    after = held(house)
    assert after["reception"].permissions == before["reception"].permissions | {"newer.weigh"}
    assert after["reception"].ver == before["reception"].ver + 1, "whoever has the role open must not save over it"
    assert after["guide"].permissions == {"newer.weigh", "newer.lend", "people.read"}
    assert {code: role for code, role in after.items() if code not in ("reception", "guide")} == {
        code: role for code, role in before.items() if code != "reception"
    }
    assert told(house) == ["reception: newer.weigh"]
    migrate(house, NEWER)
    assert held(house) == after
    assert told(house) == ["reception: newer.weigh"]


def test_what_the_hospital_took_away_is_not_given_back(house: House, acting: Acting) -> None:
    migrate(house, NEWER)
    for code, permission in (
        ("reception", "newer.weigh"),  # nobody keeps these two
        ("catalog_keeper", "catalog.change"),
        ("reception", "people.reveal"),  # the desk chief keeps it
    ):
        take_away(house, acting("security"), code, permission)
    with house.unit(system_actor("01")) as db:
        rights.set_role(db, "guide", "导检", [])
    before = held(house)
    assert not {"catalog.change", "newer.weigh"} & {each for role in before.values() for each in role.permissions}
    migrate(house, NEWER)
    assert held(house) == before
    assert told(house) == ["reception: newer.weigh"]


def test_a_role_that_names_an_unknown_permission_is_a_fault_of_the_program(house: House) -> None:
    wrong = Module(name="wrong", title="错误", roles={"reception": ("前台", ("wrong.typo",))})
    with pytest.raises(RuntimeError, match=r"wrong\.typo"):
        migrate(house, wrong)
    assert "wrong.typo" not in held(house)["reception"].permissions

"""Signing in as the tests of staff do it, and what the audit then says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from litestar.testing import TestClient
from sqlalchemy import select

from exam.kit import auth
from exam.kit.audit import Audit
from exam.kit.house import Actor, House
from exam.staff import accounts
from exam.staff.models import Staff
from tests.fixtures.houses import PASSWORD

NEW_PASSWORD = "Xunjiang-boat-71"
Client = TestClient[Any]
Desks = Callable[[str], Any]


def sign_in(client: Client, login: str, password: str = PASSWORD, code: str = "", **headers: str) -> Any:
    client.cookies.clear()
    body = {"login": login, "password": password, "code": code}
    return client.post("/sign-in", data=body, headers={"hx-request": "true", **headers}, follow_redirects=False)


def token_in(answer: Any) -> str:
    return re.search(rf"{auth.COOKIE}=([^;]*)", answer.headers["set-cookie"])[1]  # type: ignore[index]


def me(client: Client, token: str) -> Any:
    client.cookies.clear()
    return client.get("/api/me", headers={"cookie": f"{auth.COOKIE}={token}"})


def staff_id(house: House, login: str) -> Any:
    with house.unit(None, write=False) as db:
        return db.scalars(select(Staff.id).where(Staff.login == login)).one()


def code_of(house: House, login: str) -> str:
    with house.unit(None, write=False) as db:
        return accounts.present_code(db, login)


def acts(house: House, act: str) -> list[Any]:
    with house.unit(None, write=False) as db:
        return list(db.execute(select(Audit.actor, Audit.subject, Audit.reason, Audit.result).where(Audit.act == act)))


def make_account(house: House, actor: Actor, login: str = "wei", kind: str = "staff") -> tuple[Any, str]:
    with house.unit(actor) as db:
        return accounts.create(db, accounts.NewAccount(login=login, name="韦小梅", kind=kind))

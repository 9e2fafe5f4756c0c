"""Whatever a person or a program sends, the answer is a clear refusal: never a fault, never another's data."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from litestar.testing import TestClient
from sqlalchemy import select

from exam.app import routes_with_permission
from exam.kit.house import House, system_actor
from exam.staff.models import Grant, Role, RolePermission, Staff
from tests.conftest import Desk

HOSTILE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'{"a":1,"a":2}',
    b'{"unknown_field":"x"}',
    b"[" * 6000,
    b'{"name":"\xff\xfe"}',
    b'{"id":' + b"9" * 5000 + b"}",
]
FORMS: list[dict[str, Any]] = [
    {},
    {"unknown_field": "x"},
    {"reason": "\x00", "version": "nonsense", "day": "2026-02-30", "amount": "NaN"},
    {"q": "' or 1=1 --", "number": "9" * 400, "name": "<script>alert(1)</script>"},
    {"lines": ["a", "b"], "groups": ["G999"], "id_no": "=cmd|'/c calc'!A0"},
]


@pytest.fixture
def powerful(house: House, desk: Callable[[str], Desk]) -> Desk:
    """Somebody who holds every permission of a member of staff, so that nothing is refused for want of one."""
    with house.unit(system_actor("01")) as db:
        db.add(Role(code="everything", name="全部", ver=1))
        db.flush()
        for permission in house.modules.permissions:
            db.add(RolePermission(role="everything", permission=permission))
        staff = db.scalars(select(Staff).where(Staff.login == "liang")).one()
        db.add(
            Grant(
                id=house.ids.new(), staff_id=staff.id, staff_kind="staff", role="everything", site="01", department="",
                granted_by="test", granted_at=house.clock.now(),
            )
        )  # fmt: skip
    return desk("liang")


def filled(path: str, value: str) -> str:
    """A route's path with its parameters filled in."""
    return re.sub(r"\{[^}]+\}", value, path)


def met(path: str) -> str:
    """A path that meets its route: a parameter that is a number gets one, any other a word."""
    return filled(re.sub(r"\{[^}]+:int\}", "7", path), "x")


def routes(client: TestClient[Any], method: str) -> list[tuple[str, str]]:
    """`(path, may)` of the routes of one method."""
    return [(path, may) for verb, path, may in routes_with_permission(client.app) if verb == method]  # type: ignore[arg-type]


def test_nobody_reads_anything_without_signing_in(client: TestClient[Any]) -> None:
    answers = {}
    for path, may in routes(client, "GET"):
        if may == "open":
            continue
        answer = client.get(filled(path, "0101261121000013"), follow_redirects=False)
        answers[path] = answer.status_code
    assert len(answers) > 3
    assert {path: status for path, status in answers.items() if status not in (303, 401)} == {}


def test_nobody_changes_anything_without_signing_in(client: TestClient[Any]) -> None:
    for path, may in routes(client, "POST"):
        if may != "open":
            answer = client.post(met(path), data={}, follow_redirects=False)
            assert answer.status_code in (400, 401, 403, 303), (path, answer.status_code)


def test_a_change_without_the_sessions_own_token_is_refused(client: TestClient[Any], powerful: Desk) -> None:
    cookie = {"cookie": powerful.headers["cookie"]}
    for path, may in routes(client, "POST"):
        if may != "open":
            for headers in (cookie, {**cookie, "x-csrf-token": "0" * 64}):
                answer = client.post(met(path), data={}, headers=headers, follow_redirects=False)
                assert answer.status_code in (400, 403), (path, answer.status_code)


def test_a_change_from_another_site_is_refused(powerful: Desk, client: TestClient[Any]) -> None:
    for path, may in routes(client, "POST"):
        if may != "open":
            answer = powerful.post(met(path), {}, headers={"origin": "https://evil.example"})
            assert answer.status_code in (400, 403), (path, answer.status_code)


def test_hostile_bodies_get_a_refusal_on_every_route(powerful: Desk, client: TestClient[Any]) -> None:
    faults = []
    for path, _ in routes(client, "POST"):
        for body in HOSTILE:
            answer = powerful.post(filled(path, "0101261121000013"), content=body, headers={"content-type": "application/json"})
            if answer.status_code >= 500:
                faults.append((path, body[:20], answer.status_code))
        for form in FORMS:
            answer = powerful.htmx(filled(path, "0101261121000013"), form)
            if answer.status_code >= 500:
                faults.append((path, form, answer.status_code))
    assert faults == []


def faults_of_reading(powerful: Desk, client: TestClient[Any], value: str, *, with_parameters: bool) -> list[tuple[str, str, int]]:
    """What the GET routes with parameters in their path, or those without, answer with a fault."""
    paths = [path for path, _ in routes(client, "GET") if ("{" in path) is with_parameters]
    assert len(paths) > 20
    faults = []
    for path in paths:
        for query in ("", "?page=-1&page=x", "?q=%00&day=2026-13-45&state=nonsense&sort=;drop", "?page=99999999999999999999"):
            answer = powerful.get(filled(path, value) + query)
            if answer.status_code >= 500:
                faults.append((path, query, answer.status_code))
    return faults


@pytest.mark.parametrize("value", ["x", "0101261121000013", "%00", "..%2F..%2Fetc", "9" * 300, "' or 1=1", "𠮷"])
def test_hostile_addresses_get_a_refusal(powerful: Desk, client: TestClient[Any], value: str) -> None:
    assert faults_of_reading(powerful, client, value, with_parameters=True) == []


def test_hostile_queries_get_a_refusal(powerful: Desk, client: TestClient[Any]) -> None:
    assert faults_of_reading(powerful, client, "", with_parameters=False) == []


def test_every_answer_carries_the_strict_headers(powerful: Desk) -> None:
    for path in ("/sign-in", "/api/me", "/nowhere", "/static/exam/exam.css"):
        headers = powerful.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["cache-control"] == ("public, max-age=604800" if path.startswith("/static") else "no-store"), path

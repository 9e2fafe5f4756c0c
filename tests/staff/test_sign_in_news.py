"""What somebody is told at sign-in (other sessions, an expiring password), and the change of one's own password; over the real app."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from litestar.testing import TestClient
from sqlalchemy import func, select

from exam.kit import auth
from exam.kit.audit import Audit
from exam.kit.errors import BadInput, Refused
from exam.kit.house import Actor, House
from exam.staff import accounts, credentials, rules
from exam.staff.models import SignIn, SignInFailure, Staff
from tests.fixtures.houses import PASSWORD
from tests.staff.test_guessing import side_by_side

Acting = Callable[[str], Actor]
Client = TestClient[Any]
Desks = Callable[[str], Any]
NEW_PASSWORD = "Xunjiang-boat-71"
WRONG = "wrong-password-1"


def advance(house: House, **time: int) -> None:
    house.clock.advance(**time)  # type: ignore[attr-defined]


def sign_in(client: Client, login: str, password: str = PASSWORD, cookie: str = "") -> Any:
    client.cookies.clear()
    headers = {"hx-request": "true", **({"cookie": cookie} if cookie else {})}
    return client.post("/sign-in", data={"login": login, "password": password}, headers=headers, follow_redirects=False)


def cookie_in(answer: Any) -> str:
    return re.search(rf"{auth.COOKIE}=[^;]*", answer.headers["set-cookie"])[0]  # type: ignore[index]


def get(client: Client, path: str, cookie: str) -> Any:
    client.cookies.clear()
    return client.get(path, headers={"cookie": cookie}, follow_redirects=False)


def acts(house: House, act: str) -> list[tuple[str, str, str, str]]:
    with house.unit(None, write=False) as db:
        wanted = select(Audit.actor, Audit.subject, Audit.reason, Audit.result).where(Audit.act == act)
        return [tuple(each) for each in db.execute(wanted)]


def failures(house: House, subject: str) -> int:
    with house.unit(None, write=False) as db:
        return db.scalar(select(func.count()).select_from(SignInFailure).where(SignInFailure.subject == subject)) or 0


# --- a second live session of one account -----------------------------------------------------------------------------


def test_a_second_sign_in_is_shown_to_the_person_and_flagged_in_the_audit(client: Client, house: House) -> None:
    first = cookie_in(sign_in(client, "lin"))
    advance(house, minutes=5)
    answer = sign_in(client, "lin")
    assert answer.headers["hx-redirect"] == "/staff/notices"
    page = get(client, "/staff/notices", cookie_in(answer)).text
    assert "该账号另有 1 处登录" in page
    assert "时间 2026-11-21 08:00终端 testclient,最近操作 08:00" in re.sub("<[^>]*>", "", page)
    assert get(client, "/api/me", first).status_code == 200, "flagged, not ended: AC-02"
    assert acts(house, "auth.sign_in_second") == [("lin", "staff:lin", "该账号另有 1 处登录:2026-11-21 08:00 testclient", "ok")]
    assert len(acts(house, "auth.sign_in")) == 1


def test_the_person_ends_the_other_sessions(client: Client, house: House) -> None:
    first = cookie_in(sign_in(client, "lin"))
    second = cookie_in(sign_in(client, "lin"))
    csrf = get(client, "/api/me", second).json()["csrf"]
    client.cookies.clear()
    headers = {"cookie": second, "x-csrf-token": csrf}
    assert client.post("/staff/notices/sign-out-others", headers=headers, follow_redirects=False).status_code == 303
    assert get(client, "/api/me", first).status_code == 401
    assert get(client, "/api/me", second).status_code == 200
    assert get(client, "/staff/notices", second).headers["location"] == "/"
    assert [each[:2] for each in acts(house, "auth.end_other_sessions")] == [("lin", "staff:lin")]


def test_neither_a_dead_session_nor_this_browsers_own_nor_somebody_elses_counts(client: Client, house: House) -> None:
    sign_in(client, "lin")
    advance(house, minutes=16)
    sign_in(client, "wu")
    own = sign_in(client, "lin")
    assert own.headers["hx-redirect"] == "/"
    assert sign_in(client, "lin", cookie=cookie_in(own)).headers["hx-redirect"] == "/"
    assert acts(house, "auth.sign_in_second") == []


def test_programs_are_told_of_other_sessions_too(client: Client, house: House) -> None:
    sign_in(client, "lin")
    client.cookies.clear()
    answer = client.post("/api/sign-in", json={"login": "lin", "password": PASSWORD}).json()
    assert [each["terminal"] for each in answer["other_sessions"]] == ["testclient"]
    assert answer["password_days_left"] is None


# --- a password that expires soon -------------------------------------------------------------------------------------


def test_the_warning_comes_with_the_last_days_and_leads_to_the_change(client: Client, house: House) -> None:
    advance(house, days=82, hours=23)
    assert sign_in(client, "lin").headers["hx-redirect"] == "/"
    advance(house, hours=13)  # the session before is over
    answer = sign_in(client, "lin")
    assert answer.headers["hx-redirect"] == "/staff/notices"
    page = get(client, "/staff/notices", cookie_in(answer)).text
    assert "密码还有 7 天到期" in page
    assert 'href="/staff/password"' in page
    assert "密码还有 7 天到期" in get(client, auth.CHANGE_PASSWORD_URL, cookie_in(answer)).text
    advance(house, days=6)
    client.cookies.clear()
    assert client.post("/api/sign-in", json={"login": "lin", "password": PASSWORD}).json()["password_days_left"] == 1
    advance(house, days=1)
    assert sign_in(client, "lin").headers["hx-redirect"] == auth.CHANGE_PASSWORD_URL


def test_who_must_change_first_is_sent_there_from_the_notices_too(client: Client, house: House) -> None:
    advance(house, days=91)
    cookie = cookie_in(sign_in(client, "lin"))
    assert get(client, "/staff/notices", cookie).headers["location"] == auth.CHANGE_PASSWORD_URL


@pytest.mark.parametrize(("day", "left"), [(0, None), (82, None), (83, 7), (84, 6), (89, 1), (90, None)])
def test_begun_days_count(day: int, left: int | None) -> None:
    changed = datetime(2026, 1, 1, tzinfo=UTC)
    now = changed + (datetime(2026, 1, 2, tzinfo=UTC) - changed) * day
    assert rules.password_days_left(changed, now, rules.DENGBAO3) == left
    assert rules.password_days_left(changed, now, rules.ASVS5) is None


# --- a wrong old password ---------------------------------------------------------------------------------------------


def test_a_wrong_old_password_counts_like_a_wrong_one_at_sign_in(desk: Desks, client: Client, house: House) -> None:
    lin = desk("lin")
    for number in range(1, 6):
        body = {"old": WRONG, "password": NEW_PASSWORD, "again": NEW_PASSWORD}
        assert "原密码不正确" in lin.htmx(auth.CHANGE_PASSWORD_URL, body).text
        assert (failures(house, "login:lin"), failures(house, "address:testclient")) == (number, number)
    right = {"old": PASSWORD, "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert "临时锁定" in lin.htmx(auth.CHANGE_PASSWORD_URL, right).text
    assert "临时锁定" in sign_in(client, "lin").text
    assert acts(house, "auth.change_password") == [("lin", "staff:lin", "", "refused")] * 5
    advance(house, minutes=14)
    assert lin.get("/api/me").status_code == 200
    advance(house, minutes=1, seconds=1)
    assert "hx-redirect" in lin.htmx(auth.CHANGE_PASSWORD_URL, right).headers
    assert failures(house, "login:lin") == 0


def test_failures_at_sign_in_and_at_the_change_add_up(desk: Desks, client: Client, house: House) -> None:
    lin = desk("lin")
    for _ in range(3):
        sign_in(client, "lin", WRONG)
    for _ in range(2):
        assert lin.post("/api/password", json={"old": WRONG, "password": NEW_PASSWORD}).json()["type"] == "auth.old_password"
    assert lin.post("/api/password", json={"old": PASSWORD, "password": NEW_PASSWORD}).json()["type"] == "auth.locked"


def test_twelve_old_passwords_at_once_are_five_guesses_and_a_right_one_among_them_tells_nothing(
    house: House, acting: Acting
) -> None:
    lin = acting("lin")

    def guess(old: str) -> Callable[[], Any]:
        return lambda: credentials.change_password(house, lin, old, "short", "10.0.0.7")

    found = side_by_side([guess(WRONG)] * 12)
    assert (found.count("auth.old_password"), found.count("auth.locked")) == (5, 7)
    with pytest.raises(Refused, match="locked"):
        credentials.change_password(house, lin, PASSWORD, "short", "10.0.0.7")


def test_a_new_password_that_the_policy_refuses_is_no_failure(house: House, acting: Acting) -> None:
    with pytest.raises(BadInput, match="至少10位"):
        credentials.change_password(house, acting("lin"), PASSWORD, "Short-1", "test")
    assert failures(house, "login:lin") == 0


# --- the change over JSON ---------------------------------------------------------------------------------------------


def test_a_first_password_is_changed_over_json(client: Client, house: House, acting: Acting) -> None:
    with house.unit(acting("system")) as db:
        _, first = accounts.create(db, accounts.NewAccount(login="wei", name="韦小梅"))
    client.cookies.clear()
    signed = client.post("/api/sign-in", json={"login": "wei", "password": first})
    assert signed.json()["must_change_password"] is True
    headers = {"cookie": cookie_in(signed), "x-csrf-token": signed.json()["csrf"]}

    def post(body: Any) -> Any:
        client.cookies.clear()
        return client.post("/api/password", json=body, headers=headers)

    assert client.get("/api/organizations", headers=headers).json()["type"] == "auth.password_must_change"
    refused = post({"old": first, "password": "short"})
    assert (refused.status_code, refused.json()["type"]) == (422, "staff.password_refused")
    assert {"field": "password", "text": "密码至少10位"} in refused.json()["fields"]
    changed = post({"old": first, "password": NEW_PASSWORD})
    assert (changed.status_code, changed.json()["must_change_password"]) == (200, False)
    assert get(client, "/api/me", cookie_in(signed)).status_code == 401
    own = get(client, "/api/me", cookie_in(changed)).json()
    assert (own["must_change_password"], own["csrf"]) == (False, changed.json()["csrf"])


@pytest.mark.parametrize(
    "body",
    [
        {"old": PASSWORD, "password": NEW_PASSWORD, "again": NEW_PASSWORD}, {"old": PASSWORD, "password": NEW_PASSWORD, "login": "wu"},
        {"old": PASSWORD}, {"old": PASSWORD, "password": 7}, {"old": PASSWORD, "password": "x" * 257}, [],
    ],
)  # fmt: skip
def test_unknown_missing_and_oversized_fields_are_refused(desk: Desks, house: House, body: Any) -> None:
    lin = desk("lin")
    assert lin.post("/api/password", json=body).status_code == 400
    assert lin.get("/api/me").status_code == 200
    assert failures(house, "login:lin") == 0


def test_the_change_needs_a_session_and_its_token_and_stands_in_the_schema(desk: Desks, client: Client) -> None:
    body = {"old": PASSWORD, "password": NEW_PASSWORD}
    assert desk("lin").post("/api/password", json=body, headers={"x-csrf-token": "0" * 64}).status_code == 403
    client.cookies.clear()
    assert client.post("/api/password", json=body).status_code == 401
    schema = client.get("/api/schema/openapi.json").json()
    reference = schema["paths"]["/api/password"]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    described = schema["components"]["schemas"][reference.rpartition("/")[2]]
    assert set(described["required"]) == {"old", "password"}
    assert described["properties"]["password"]["maxLength"] == 256


def test_a_change_ends_every_other_session(desk: Desks, house: House) -> None:
    here, elsewhere = desk("lin"), desk("lin")
    assert "该账号另有 1 处登录" in here.get(auth.CHANGE_PASSWORD_URL).text
    assert here.post("/api/password", json={"old": PASSWORD, "password": NEW_PASSWORD}).status_code == 200
    assert elsewhere.get("/api/me").status_code == 401
    with house.unit(None, write=False) as db:
        own = select(func.count()).select_from(SignIn).join(Staff, Staff.id == SignIn.staff_id).where(Staff.login == "lin")
        assert db.scalar(own) == 1

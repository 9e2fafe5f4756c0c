"""Signing in and out, cross-site requests, passwords and the signing window, over the real app."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from exam.kit import auth
from exam.kit.errors import Refused
from exam.kit.house import Actor, House
from exam.staff import accounts, credentials
from tests.fixtures.houses import PASSWORD
from tests.staff.cases import NEW_PASSWORD, Client, Desks, code_of, make_account, me, sign_in, staff_id, token_in

# --- signing in ------------------------------------------------------------------------------------------------------


def test_a_right_password_opens_a_session_whose_cookie_is_for_this_host_only(client: Client) -> None:
    answer = sign_in(client, "lin")
    cookie = answer.headers["set-cookie"].lower()
    assert answer.headers["hx-redirect"] == "/"
    assert all(word in cookie for word in ("__host-session=", "httponly", "secure", "samesite=lax", "path=/"))
    assert "domain" not in cookie
    assert me(client, token_in(answer)).json()["login"] == "lin"


def test_without_scripts_the_form_works_too(client: Client) -> None:
    answer = client.post("/sign-in", data={"login": "LIN ", "password": PASSWORD}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_an_unknown_name_and_a_wrong_password_get_the_same_words_for_a_disabled_account_too(
    client: Client, house: House, acting: Callable[[str], Actor]
) -> None:
    with house.unit(acting("system")) as db:
        accounts.set_active(db, staff_id(house, "mo"), False)
    texts = {
        re.sub(r"\s+", " ", sign_in(client, login, password).text)
        for login, password in (("lin", "wrong-password-1"), ("nobody", "wrong-password-1"), ("mo", "wrong-password-1"))
    }
    assert len(texts) == 1
    assert credentials.FAILED_TEXT in texts.pop()


@pytest.mark.parametrize("login", ["lin", "nobody"])
def test_five_failures_lock_a_name_for_fifteen_minutes_whether_it_exists_or_not(client: Client, house: House, login: str) -> None:
    for _ in range(5):
        assert credentials.FAILED_TEXT in sign_in(client, login, "wrong-password-1").text
    assert "临时锁定" in sign_in(client, login).text
    house.clock.advance(minutes=15, seconds=1)  # type: ignore[attr-defined]
    answer = sign_in(client, login)
    assert ("hx-redirect" in answer.headers) is (login == "lin")
    assert "临时锁定" not in answer.text


def test_an_administrator_needs_a_code_and_a_code_works_once(client: Client, house: House) -> None:
    assert credentials.FAILED_TEXT in sign_in(client, "system").text
    code = code_of(house, "system")
    assert sign_in(client, "system", code=code).headers["hx-redirect"] == "/"
    assert credentials.FAILED_TEXT in sign_in(client, "system", code=code).text


def test_a_planted_session_is_worth_nothing_and_signing_in_makes_a_new_one(client: Client) -> None:
    planted = "A" * 43
    assert me(client, planted).status_code == 401
    answer = sign_in(client, "lin", cookie=f"{auth.COOKIE}={planted}")
    assert token_in(answer) != planted
    assert me(client, planted).status_code == 401


def test_a_session_dies_of_idleness_and_of_age(client: Client, house: House) -> None:
    token = token_in(sign_in(client, "lin"))
    for _ in range(12 * 6 - 1):
        house.clock.advance(minutes=10)  # type: ignore[attr-defined]
        assert me(client, token).status_code == 200
    house.clock.advance(minutes=10)  # type: ignore[attr-defined]
    assert me(client, token).status_code == 401
    token = token_in(sign_in(client, "lin"))
    house.clock.advance(minutes=15)  # type: ignore[attr-defined]
    assert me(client, token).status_code == 401


def test_signing_out_ends_the_session_on_the_server(desk: Desks, client: Client) -> None:
    lin = desk("lin")
    assert lin.get("/api/me").status_code == 200
    answer = lin.post("/sign-out", {})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    client.cookies.clear()
    assert lin.get("/api/me").status_code == 401
    assert lin.get("/people").headers["location"] == "/sign-in"


def test_a_disabled_account_is_out_at_its_next_request(desk: Desks, house: House) -> None:
    lin, system = desk("lin"), desk("system")
    assert system.htmx(f"/staff/accounts/{staff_id(house, 'lin')}/active", {"active": "no"}).status_code == 200
    assert lin.get("/api/me").status_code == 401


def test_programs_sign_in_with_json(client: Client) -> None:
    answer = client.post("/api/sign-in", json={"login": "lin", "password": PASSWORD})
    assert answer.json()["name"] == "林晓燕"
    headers = {"cookie": f"{auth.COOKIE}={token_in(answer)}", "x-csrf-token": answer.json()["csrf"]}
    client.cookies.clear()
    assert client.post("/api/sign-out", headers=headers).status_code == 200
    client.cookies.clear()
    assert client.get("/api/me", headers=headers).status_code == 401
    refused = client.post("/api/sign-in", json={"login": "lin", "password": "wrong-password-1"})
    assert (refused.status_code, refused.json()["type"]) == (409, "auth.sign_in_failed")
    assert client.post("/api/sign-in", json={"login": "lin", "password": PASSWORD, "more": 1}).status_code == 400


# --- requests from elsewhere -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"x-csrf-token": ""},
        {"x-csrf-token": "0" * 64},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "null", "sec-fetch-site": "none"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_change_without_the_own_token_or_from_elsewhere_is_refused(desk: Desks, headers: dict[str, str]) -> None:
    lin = desk("lin")
    assert lin.post("/sign-out", {}, headers=headers).status_code == 403
    assert lin.get("/api/me").status_code == 200


def test_a_plain_form_of_our_own_pages_which_send_no_referrer_is_taken(desk: Desks) -> None:
    lin = desk("lin")
    browser = {"origin": "null", "sec-fetch-site": "same-origin", "x-csrf-token": ""}
    assert lin.post("/people", {"q": "韦", "csrf": lin.actor.csrf}, headers=browser).status_code == 200
    assert lin.post("/sign-out", {"csrf": lin.actor.csrf}, headers=browser).status_code == 303


def test_the_token_of_another_session_does_not_fit(desk: Desks) -> None:
    lin, other = desk("lin"), desk("lin")
    assert lin.post("/sign-out", {}, headers={"x-csrf-token": other.actor.csrf}).status_code == 403
    assert lin.post("/sign-out", {"csrf": lin.actor.csrf}, headers={"x-csrf-token": ""}).status_code == 303


def test_signing_in_from_another_site_is_refused(client: Client) -> None:
    assert sign_in(client, "lin", origin="https://evil.example").status_code in (403, 409)
    assert "set-cookie" not in sign_in(client, "lin", origin="https://evil.example").headers


# --- passwords -------------------------------------------------------------------------------------------------------


def test_a_first_password_opens_nothing_but_the_change_of_password(
    client: Client, house: House, acting: Callable[[str], Actor]
) -> None:
    _, first = make_account(house, acting("system"))
    answer = sign_in(client, "wei", first)
    assert answer.headers["hx-redirect"] == auth.CHANGE_PASSWORD_URL
    headers = {"cookie": f"{auth.COOKIE}={token_in(answer)}"}
    client.cookies.clear()
    assert client.get("/people", headers=headers, follow_redirects=False).headers["location"] == auth.CHANGE_PASSWORD_URL
    assert client.get("/", headers=headers, follow_redirects=False).headers["location"] == auth.CHANGE_PASSWORD_URL
    page = client.get(auth.CHANGE_PASSWORD_URL, headers=headers)
    csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)[1]  # type: ignore[index]
    headers |= {"x-csrf-token": csrf, "hx-request": "true"}

    def change(new: str, again: str | None = None, old: str = first) -> Any:
        client.cookies.clear()
        body = {"old": old, "password": new, "again": new if again is None else again}
        return client.post(auth.CHANGE_PASSWORD_URL, data=body, headers=headers, follow_redirects=False)

    assert "两次输入的新密码不一致" in change(NEW_PASSWORD, "something-else-1").text
    assert "原密码不正确" in change(NEW_PASSWORD, old="wrong-password-1").text
    assert "至少10位" in change("Short-1").text
    assert "最近5次" in change(first + "", old=first).text or "至少3类" in change(first).text
    changed = change(NEW_PASSWORD)
    assert changed.headers["hx-redirect"] == "/"
    assert me(client, token_in(answer)).status_code == 401
    assert me(client, token_in(changed)).json()["must_change_password"] is False


def test_a_first_password_dies_after_a_day(client: Client, house: House, acting: Callable[[str], Actor]) -> None:
    _, first = make_account(house, acting("system"))
    house.clock.advance(hours=24, seconds=1)  # type: ignore[attr-defined]
    assert credentials.FAILED_TEXT in sign_in(client, "wei", first).text


def test_one_of_the_last_five_passwords_is_refused(house: House, acting: Callable[[str], Actor]) -> None:
    credentials.change_password(house, acting("lin"), PASSWORD, NEW_PASSWORD, "test")
    with pytest.raises(Refused, match="最近5次"):
        credentials.change_password(house, acting("lin"), NEW_PASSWORD, PASSWORD, "test")


def test_an_old_password_has_to_be_changed_first(client: Client, house: House) -> None:
    house.clock.advance(days=91)  # type: ignore[attr-defined]
    assert sign_in(client, "lin").headers["hx-redirect"] == auth.CHANGE_PASSWORD_URL


# --- the signing window ----------------------------------------------------------------------------------------------


def test_a_code_opens_the_signing_window_once(desk: Desks, house: House) -> None:
    chief, code = desk("he"), code_of(house, "he")
    assert chief.post("/api/signing-window", json={"code": code}).status_code == 200
    assert chief.get("/api/me").json()["signing_until"] is not None
    again = desk("he").post("/api/signing-window", json={"code": code})
    assert (again.status_code, again.json()["type"]) == (409, "auth.code_wrong")


def test_five_wrong_codes_lock_signing_though_each_was_refused(desk: Desks, house: House) -> None:
    chief = desk("he")
    for _ in range(5):
        assert chief.post("/api/signing-window", json={"code": "000000"}).json()["type"] == "auth.code_wrong"
    assert chief.post("/api/signing-window", json={"code": code_of(house, "he")}).json()["type"] == "auth.locked"
    house.clock.advance(minutes=14)  # type: ignore[attr-defined]
    assert chief.get("/api/me").json()["signing_until"] is None


def test_the_signing_page_leads_back_inside_the_system_only(desk: Desks, house: House) -> None:
    chief = desk("he")
    assert "//evil.example" not in chief.get("/staff/signing?next=//evil.example/x").text
    answer = chief.htmx("/staff/signing", {"code": code_of(house, "he"), "next": "https://evil.example"})
    assert answer.headers["hx-redirect"] == "/"
    assert "签名已开启" in chief.get("/staff/signing").text


def test_a_signing_window_closes_with_its_time(desk: Desks, house: House) -> None:
    chief = desk("he")
    chief.post("/api/signing-window", json={"code": code_of(house, "he")})
    for _ in range(3):
        house.clock.advance(minutes=10)  # type: ignore[attr-defined]
        last = chief.get("/api/me").json()["signing_until"]
    assert last is None

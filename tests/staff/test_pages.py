"""Signing in, passwords, sessions, cross-site requests, the signing window, accounts, rights and the audit, over the real app."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from litestar.testing import TestClient
from python_calamine import CalamineWorkbook
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from exam.kit import auth
from exam.kit.audit import Audit
from exam.kit.errors import Refused
from exam.kit.house import Actor, House, system_actor
from exam.kit.module import Modules
from exam.staff import accounts, credentials, rules
from exam.staff.models import Grant, Role, SignIn, Staff
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


def make_account(house: House, actor: Actor, login: str = "wei", kind: str = "staff") -> tuple[Any, str]:
    with house.unit(actor) as db:
        return accounts.create(db, accounts.NewAccount(login=login, name="韦小梅", kind=kind))


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


# --- accounts and rights ---------------------------------------------------------------------------------------------


def test_the_database_itself_keeps_roles_from_administrators(house: House) -> None:
    with house.unit(None, write=False) as db:
        administrators = db.execute(select(Staff.id, Staff.kind).where(Staff.kind != "staff")).all()
        role = db.scalars(select(Role.code)).first()
    assert len(administrators) == 3
    for person, kind in administrators:
        for claimed in ("staff", kind):
            row = {"id": house.ids.new(), "staff_id": person, "staff_kind": claimed, "role": role, "site": "01", "department": "",
                   "granted_by": "x", "granted_at": house.clock.now()}  # fmt: skip
            with pytest.raises(IntegrityError), house.unit(None) as db:
                db.execute(insert(Grant.__table__).values(**row))  # type: ignore[arg-type]


def test_administrators_see_only_their_own_screens(desk: Desks) -> None:
    screens = {"system": "/staff", "security": "/staff/rights", "audit": "/audit"}
    for login in screens:
        for owner, screen in screens.items():
            assert desk(login).get(screen).status_code == (200 if owner == login else 403), (login, screen)
        assert desk(login).get("/people").status_code == 403


def test_an_administrators_right_cannot_be_put_into_a_role(desk: Desks) -> None:
    answer = desk("security").htmx("/staff/rights/roles", {"code": "reception", "name": "前台", "permissions": "audit.read"})
    assert "三权分立" in answer.text


def test_a_new_account_shows_its_first_password_once(desk: Desks, client: Client) -> None:
    system = desk("system")
    answer = system.htmx("/staff", {"login": "wei", "name": "韦小梅", "title": "", "kind": "staff"})
    first = re.search(r'data-secret="password">([^<]+)<', answer.text)[1]  # type: ignore[index]
    assert first not in system.post("/staff/find", {"q": "wei"}).text
    assert "韦小梅" in system.post("/staff/find", {"q": "wei"}).text
    assert sign_in(client, "wei", first).headers["hx-redirect"] == auth.CHANGE_PASSWORD_URL
    assert "已被使用过" in system.htmx("/staff", {"login": "WEI", "name": "另一人", "kind": "staff"}).text
    missing = system.htmx("/staff", {"login": "", "name": "", "kind": "staff"})
    assert (missing.status_code, "用户名:不能为空" in missing.text, "姓名:不能为空" in missing.text) == (422, True, True)


def test_a_reset_password_ends_every_session(desk: Desks, house: House) -> None:
    lin, system = desk("lin"), desk("system")
    assert system.htmx(f"/staff/accounts/{staff_id(house, 'lin')}/password", {}).status_code == 200
    assert lin.get("/api/me").status_code == 401


def test_a_new_second_factor_is_shown_as_a_code_that_a_phone_reads(desk: Desks, client: Client, house: House) -> None:
    answer = desk("system").htmx(f"/staff/accounts/{staff_id(house, 'system')}/second-factor", {})
    assert 'src="data:image/svg+xml;base64,' in answer.text
    secret = re.search(r'data-secret="key">([A-Z2-7 ]+)<', answer.text)[1]  # type: ignore[index]
    code = rules.totp_code(secret, rules.totp_counter(house.clock.now()))
    assert sign_in(client, "system", code=code).headers["hx-redirect"] == "/"


def test_nobody_disables_the_own_account(desk: Desks, house: House) -> None:
    answer = desk("system").htmx(f"/staff/accounts/{staff_id(house, 'system')}/active", {"active": "no"})
    assert "不能停用自己" in answer.text


def test_live_sessions_are_shown_and_ended(desk: Desks, house: House) -> None:
    lin, system = desk("lin"), desk("system")
    address = f"/staff/accounts/{staff_id(house, 'lin')}"
    assert "1 个" in system.get(address).text
    system.htmx(f"{address}/sessions", {})
    assert lin.get("/api/me").status_code == 401
    assert "目前没有登录" in system.get(address).text


def test_a_grant_holds_from_the_next_request_and_stops_with_the_next(desk: Desks, house: House) -> None:
    tan, security = desk("tan"), desk("security")
    assert tan.get("/people").status_code == 403
    given = security.htmx(f"/staff/rights/people/{staff_id(house, 'tan')}", {"role": "reception", "department": ""})
    assert given.status_code == 200
    assert tan.get("/people").status_code == 200
    with house.unit(None, write=False) as db:
        grant = db.scalars(select(Grant.id).where(Grant.staff_id == staff_id(house, "tan"), Grant.role == "reception")).one()
    assert security.htmx(f"/staff/rights/grants/{grant}/revoke", {}).status_code == 200
    assert tan.get("/people").status_code == 403
    assert [each.subject for each in acts(house, "staff.revoke")] == ["staff:tan"]


def test_a_right_taken_from_a_role_stops_at_the_next_request_and_an_old_screen_is_refused(desk: Desks, house: House) -> None:
    lin, security = desk("lin"), desk("security")
    assert lin.get("/people").status_code == 200
    with house.unit(None, write=False) as db:
        seen = db.scalars(select(Role.ver).where(Role.code == "reception")).one()
    form = {"code": "reception", "name": "前台", "seen": str(seen), "permissions": "catalog.read"}
    assert security.htmx("/staff/rights/roles", form).status_code == 200
    assert lin.get("/people").status_code == 403
    assert "已被他人修改" in security.htmx("/staff/rights/roles", form).text


def test_an_administrator_or_an_unknown_department_gets_no_role(desk: Desks, house: House) -> None:
    security = desk("security")
    for login in ("security", "audit", "system"):
        answer = security.htmx(f"/staff/rights/people/{staff_id(house, login)}", {"role": "reception"})
        assert "不能同时拥有业务角色" in answer.text
    answer = security.htmx(f"/staff/rights/people/{staff_id(house, 'tan')}", {"role": "doctor", "department": "XXX"})
    assert "没有该科室" in answer.text


def test_the_screens_of_rights_name_people_roles_and_departments(desk: Desks) -> None:
    page = desk("security").get("/staff/rights").text
    assert "科室医生·内科" in page
    assert "checked" in desk("security").get("/staff/rights/roles/doctor").text
    assert desk("security").get("/staff/rights/roles/audit").status_code == 404


def many(house: House, count: int) -> None:
    """More accounts than one page holds, with no password of their own."""
    with house.unit(system_actor("01")) as db:
        for number in range(count):
            db.add(
                Staff(
                    id=house.ids.new(), login=f"temp{number:03}", name=f"临时工 Ana_{number:03}", title="", kind="staff", site="01",
                    active=True, password_hash="", password_changed_at=house.clock.now(), password_must_change=True,
                    password_expires_at=None, totp_secret=b"", created_at=house.clock.now(), ver=1,
                )
            )  # fmt: skip


def test_accounts_come_in_pages_and_none_is_left_out(desk: Desks, house: House) -> None:
    many(house, 70)
    system = desk("system")
    logins: list[str] = []
    for number in (1, 2, 3):
        page = system.get(f"/staff?page={number}").text
        assert f"第 <b>{number}</b> / 3 页" in page
        logins += re.findall(r'href="/staff/accounts/[^"]+">([^<]+)</a>', page)
    assert len(logins) == len(set(logins)) == 84
    assert system.get("/staff?page=99").text.count("第 <b>3</b> / 3 页") == 1
    assert system.get("/staff?page=-1").status_code == 200


def test_names_are_searched_in_the_body_by_part_and_the_pages_keep_the_words(desk: Desks, house: House) -> None:
    many(house, 40)
    system = desk("system")
    found = system.post("/staff/find", {"q": "临时工 ana_0"}).text
    assert "共 <b>40</b> 条" in found
    assert 'name="q" value="临时工 ana_0"' in found
    assert "?q=" not in found
    second = system.post("/staff/find", {"q": "临时工 ana_0", "page": "2"}).text
    assert "temp030" in second and "temp029" not in second
    assert "temp007" in system.post("/staff/find", {"q": "TEMP007"}).text
    assert "没有符合条件的账号" in system.post("/staff/find", {"q": "a%7"}).text, "a wildcard is a letter like any other"
    assert system.post("/staff/find", {"q": "lin", "more": "1"}).status_code == 422


def test_leavers_are_a_list(desk: Desks, house: House) -> None:
    system = desk("system")
    for login, reason in (("mo", "left"), ("wu", "suspended")):
        answer = system.htmx(f"/staff/accounts/{staff_id(house, login)}/active", {"active": "no", "reason": reason})
        assert "hx-redirect" in answer.headers
    left = system.get("/staff?status=left").text
    assert "莫文斌" in left and "离职" in left and "吴建国" not in left
    disabled = system.get("/staff?status=disabled").text
    assert "莫文斌" in disabled and "吴建国" in disabled and "林晓燕" not in disabled
    assert "莫文斌" not in system.post("/staff/find", {"q": "m", "status": "active"}).text
    assert [each.reason for each in acts(house, "staff.disable")] == ["离职", "暂停使用"]
    system.htmx(f"/staff/accounts/{staff_id(house, 'mo')}/active", {"active": "yes"})
    assert "莫文斌" not in system.get("/staff?status=left").text
    assert system.htmx(f"/staff/accounts/{staff_id(house, 'mo')}/active", {"active": "perhaps"}).status_code == 422


def test_people_of_the_rights_come_in_pages_and_a_change_leads_back_to_them(desk: Desks, house: House) -> None:
    many(house, 40)
    security = desk("security")
    assert "第 <b>2</b> / 2 页" in security.get("/staff/rights?page=2").text
    found = security.post("/staff/rights/find", {"q": "谭静怡"}).text
    assert "tan" in found and "吴建国" not in found
    person = staff_id(house, "tan")
    form = {"role": "reception", "department": ""}
    on_page = security.htmx(f"/staff/rights/people/{person}", {**form, "page": "2"})
    assert on_page.headers["hx-redirect"] == "/staff/rights?page=2"
    by_name = security.htmx(f"/staff/rights/people/{person}", {**form, "page": "0"})
    assert by_name.headers["hx-redirect"] == f"/staff/rights?person={person}"
    alone = security.get(f"/staff/rights?person={person}").text
    assert "谭静怡" in alone and "吴建国" not in alone
    with house.unit(None, write=False) as db:
        grant = db.scalars(select(Grant.id).where(Grant.staff_id == person, Grant.role == "reception")).one()
    taken = security.htmx(f"/staff/rights/grants/{grant}/revoke", {"page": "0"})
    assert taken.headers["hx-redirect"] == f"/staff/rights?person={person}"


# --- the audit -------------------------------------------------------------------------------------------------------


def test_the_audit_is_found_by_actor_subject_act_and_result(desk: Desks, house: House) -> None:
    desk("security").htmx(f"/staff/rights/people/{staff_id(house, 'tan')}", {"role": "reception", "department": ""})
    auditor = desk("audit")
    found = auditor.get("/audit?actor=security&act=staff.grant").text
    assert "账号 tan" in found
    assert "没有符合条件的记录" in auditor.get("/audit?actor=nobody").text
    assert "账号 tan" in auditor.get("/audit?subject=staff:tan").text
    assert "账号 tan" in auditor.get("/audit/touched?actor=security").text
    assert "没有符合条件的记录" in auditor.get("/audit?day_from=2020-01-01&day_to=2020-01-02").text
    assert auditor.get("/audit?day_from=yesterday").status_code == 422


def test_the_export_of_the_audit_is_itself_in_the_audit_and_holds_no_formulas(desk: Desks, house: House) -> None:
    system = desk("system")
    system.htmx("/staff", {"login": "wei", "name": "=1+1", "kind": "staff"})
    answer = desk("audit").get("/audit/export?actor=system")
    rows = CalamineWorkbook.from_filelike(BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    assert rows[0][0] == "时间"
    assert any("staff:wei" in map(str, row) for row in rows)
    assert [each.actor for each in acts(house, "audit.export")] == ["audit"]


def test_nothing_of_the_pages_breaks_the_audit(desk: Desks, house: House) -> None:
    from exam.kit import audit

    system, security = desk("system"), desk("security")
    system.htmx("/staff", {"login": "wei", "name": "韦小梅", "kind": "staff"})
    system.htmx(f"/staff/accounts/{staff_id(house, 'wei')}/second-factor", {})
    security.htmx(f"/staff/rights/people/{staff_id(house, 'wei')}", {"role": "reception"})
    role = {"code": "guide", "name": "导检", "seen": "0", "permissions": ["people.read", "catalog.read"]}
    security.htmx("/staff/rights/roles", role)
    with house.unit(None, write=False) as db:
        assert [*audit.breaches(db), *audit.row_breaches(db)] == []


def test_the_way_home_leads_to_the_first_desk_or_says_whom_to_ask(
    desk: Desks, client: Client, house: House, acting: Callable[[str], Actor]
) -> None:
    modules: Modules = house.modules
    first = next(entry.url for entry in modules.menu if desk("lin").actor.may(entry.may))
    assert desk("lin").get("/").headers["location"] == first
    make_account(house, acting("system"))
    with house.unit(None) as db:
        staff = db.scalars(select(Staff).where(Staff.login == "wei")).one()
        staff.password_must_change = False
    assert "请联系安全管理员授权" in desk("wei").get("/").text
    assert client.get("/favicon.ico", follow_redirects=False).headers["location"].endswith("favicon.svg")
    with house.unit(None, write=False) as db:
        assert db.scalar(select(func.count()).select_from(SignIn)) > 0

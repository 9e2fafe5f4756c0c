"""Accounts, rights and the audit, over the real app."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from exam.kit import auth
from exam.kit.house import Actor, House, system_actor
from exam.kit.module import Modules
from exam.staff import rules
from exam.staff.models import Grant, Role, SignIn, Staff
from tests.conftest import actor_named
from tests.staff.cases import Client, Desks, acts, make_account, sign_in, staff_id

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
    many(house, 64)  # with the cast of 22 three pages
    system = desk("system")
    logins: list[str] = []
    for number in (1, 2, 3):
        page = system.get(f"/staff?page={number}").text
        assert f"第 <b>{number}</b> / 3 页" in page
        logins += re.findall(r'href="/staff/accounts/[^"]+">([^<]+)</a>', page)
    assert len(logins) == len(set(logins)) == 86
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


def test_an_act_of_the_audit_opens_and_says_which_rows_it_changed(desk: Desks, house: House) -> None:
    from exam.kit.audit import Audit
    from exam.visits.models import OrderLineRow
    from registration import service
    from tests.registration.cases import walk_in

    lin = actor_named(house, "lin")
    visit_id = walk_in(house, lin).visit_id
    with house.unit(lin) as db:
        line = db.scalars(select(OrderLineRow).where(OrderLineRow.visit_id == visit_id)).first()
        assert line is not None
        service.refuse_line(db, visit_id, [line.id], "受检者拒绝")
        name = line.name
    auditor = desk("audit")
    listed = auditor.get("/audit?actor=lin&act=visits.refuse").text
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d</a>", listed), "the time has seconds and opens the act"
    found = re.search(r'href="(/audit/acts/\d+/\d+)"', listed)
    assert found is not None
    page = auditor.get(found[1]).text
    assert "项目进度" in page and "拒检" in page and "受检者拒绝" in page and "与记录一致" in page and "lin" in page
    with house.unit(None, write=False) as db:
        refused = db.scalars(select(Audit).where(Audit.act == "visits.refuse")).one()
        opened = db.scalars(select(Audit).where(Audit.act.in_(["registration.walk_in", "visits.open"]))).first()
        assert opened is not None and refused.rows.splitlines()
        address, subject = f"/audit/acts/{opened.writer}/{opened.seq}", f"audit:{refused.writer}/{refused.seq}"
        for row in refused.rows.splitlines():
            assert row.split(" ")[2] in page and row.split(" ")[1] in page
    whole = auditor.get(address).text
    assert "体检单项目" in whole and name not in whole and "韦小明" not in whole and "450110198503150018" not in whole
    assert "健康信息" in whole and "可修改的数据只记录摘要" in whole
    for nowhere in ("1/999999", "1/99999999999999999999999", "99999999999999999999/1", "0/0"):
        assert auditor.get(f"/audit/acts/{nowhere}").status_code == 404, nowhere
    assert desk("lin").get(found[1]).status_code == 403
    assert subject in [each.subject for each in acts(house, "audit.detail")], "reading it is an act too"


def test_a_row_that_was_changed_again_says_so_in_the_act_that_wrote_it(desk: Desks, house: House) -> None:
    from exam.kit.audit import Audit
    from exam.staff import audit_rows

    desk("security").htmx(f"/staff/rights/people/{staff_id(house, 'tan')}", {"role": "reception", "department": ""})
    with house.unit(actor_named(house, "audit")) as db:
        entry = db.scalars(select(Audit).where(Audit.act == "staff.grant")).first()
        assert entry is not None
        act = audit_rows.act_of(db, entry.writer, entry.seq)
        assert act.total == len(entry.rows.splitlines()) and all(row.is_sound for row in act.rows)
        assert {row.table_name for row in act.rows} >= {"角色授权"}
        for row in db.scalars(select(Grant).where(Grant.staff_id == staff_id(house, "tan"), Grant.role == "reception")):
            row.department = "LAB"
        db.flush()
        changed = next(row for row in audit_rows.act_of(db, entry.writer, entry.seq).rows if row.table == "exam_grant")
        assert changed.stands == "此后又有改动"


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

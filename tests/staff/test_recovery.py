"""A doctor who lost the second factor, and perhaps the password: two administrators, and neither alone; on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from exam.kit import audit
from exam.kit.audit import Audit
from exam.kit.errors import NotFound, Refused
from exam.kit.house import Actor, House, system_actor
from exam.staff import accounts, credentials, recovery, rules
from exam.staff.models import Recovery, RecoveryDecision, Staff
from exam.staff.rules import RecoveryState
from tests.fixtures.houses import PASSWORD
from tests.staff.test_guessing import side_by_side

Acting = Callable[[str], Actor]
Desks = Callable[[str], Any]
NEW_PASSWORD = "Xunjiang-boat-71"


def staff_id(house: House, login: str) -> Any:
    with house.unit(None, write=False) as db:
        return db.scalars(select(Staff.id).where(Staff.login == login)).one()


def ask(house: House, actor: Actor, login: str = "zhao", is_password_lost: bool = True) -> Any:
    with house.unit(actor) as db:
        return recovery.ask(db, staff_id(house, login), is_password_lost, "手机丢失,已核对工作证")


def secret_of(house: House, login: str) -> bytes:
    with house.unit(None, write=False) as db:
        return db.scalars(select(Staff.totp_secret).where(Staff.login == login)).one()


def acts(house: House, act: str) -> list[tuple[str, str, str]]:
    with house.unit(None, write=False) as db:
        return [tuple(each) for each in db.execute(select(Audit.actor, Audit.subject, Audit.result).where(Audit.act == act))]


def states(house: House, login: str = "zhao") -> list[RecoveryState]:
    with house.unit(system_actor("01"), write=False) as db:
        return [each.state for each in recovery.of_account(db, staff_id(house, login))]


# --- two persons on their screens -------------------------------------------------------------------------------------


def test_two_administrators_bring_a_doctor_back_who_lost_password_and_second_factor(desk: Desks, house: House) -> None:
    system, security, zhao = desk("system"), desk("security"), desk("zhao")
    address = f"/staff/accounts/{staff_id(house, 'zhao')}"
    before = secret_of(house, "zhao")
    assert "申请双人恢复" in system.get(address).text
    asked = system.htmx(f"{address}/recovery", {"lost": "both", "reason": "手机丢失,已核对工作证"})
    assert asked.headers["hx-redirect"] == address
    assert "待批准" in system.get(address).text
    assert zhao.get("/api/me").status_code == 200, "a request alone changes nothing"
    assert secret_of(house, "zhao") == before

    assert "1 待批准" in security.get("/staff/rights").text
    page = security.get("/staff/recoveries").text
    assert all(word in page for word in ("赵慧敏", "手机丢失,已核对工作证", "系统管理员", "密码和动态码"))
    request = re.search(r"/staff/recoveries/([0-9a-f-]{36})/approve", page)[1]  # type: ignore[index]
    approved = security.htmx(f"/staff/recoveries/{request}/approve", {})
    assert 'src="data:image/svg+xml;base64,' in approved.text
    secret = re.search(r'data-secret="key">([A-Z2-7 ]+)<', approved.text)[1]  # type: ignore[index]
    assert secret not in security.get("/staff/recoveries").text
    assert zhao.get("/api/me").status_code == 401
    with pytest.raises(Refused, match="sign_in_failed"):
        credentials.sign_in(house, "zhao", PASSWORD, "", "test")

    assert "请重置密码" in system.get(address).text
    first = re.search(r'data-secret="password">([^<]+)<', system.htmx(f"{address}/password", {}).text)[1]  # type: ignore[index]
    assert "请重置密码" not in system.get(address).text
    opened = credentials.sign_in(house, "zhao", first, "", "test")
    assert opened.must_change_password
    again = desk("zhao")
    changed = again.post("/api/password", json={"old": first, "password": NEW_PASSWORD})
    assert changed.status_code == 200
    code = rules.totp_code(secret, rules.totp_counter(house.clock.now()))
    assert desk("zhao").post("/api/signing-window", json={"code": code}).status_code == 200
    assert acts(house, "staff.ask_recovery") == [("system", "staff:zhao", "ok")]
    assert acts(house, "staff.approve_recovery") == [("security", "staff:zhao", "ok")]
    with house.unit(None, write=False) as db:
        assert [*audit.breaches(db), *audit.row_breaches(db)] == []


def test_with_the_second_factor_alone_lost_the_password_stays(house: House, acting: Acting) -> None:
    request = ask(house, acting("system"), is_password_lost=False)
    with house.unit(acting("security")) as db:
        recovery.approve(db, request)
    assert not credentials.sign_in(house, "zhao", PASSWORD, "", "test").must_change_password


# --- neither alone ----------------------------------------------------------------------------------------------------


def test_the_system_administrator_alone_replaces_no_second_factor(desk: Desks, house: House) -> None:
    system, before = desk("system"), secret_of(house, "zhao")
    address = f"/staff/accounts/{staff_id(house, 'zhao')}"
    assert "须由两位管理员办理" in system.htmx(f"{address}/second-factor", {}).text
    system.htmx(f"{address}/recovery", {"lost": "both", "reason": "手机丢失"})
    with house.unit(None, write=False) as db:
        request = db.scalars(select(Recovery.id)).one()
    assert system.htmx(f"/staff/recoveries/{request}/approve", {}).status_code in (403, 409)
    assert system.get("/staff/recoveries").status_code == 403
    assert secret_of(house, "zhao") == before
    assert states(house) == [RecoveryState.OPEN]


def test_the_security_administrator_alone_can_neither_ask_nor_reset(desk: Desks, house: House) -> None:
    security = desk("security")
    address = f"/staff/accounts/{staff_id(house, 'zhao')}"
    for act, form in (("recovery", {"lost": "both", "reason": "x"}), ("second-factor", {}), ("password", {})):
        assert "没有该操作的权限" in security.htmx(f"{address}/{act}", form).text
    assert states(house) == []


def test_whoever_asked_cannot_approve_and_the_attempt_is_in_the_audit(house: House, acting: Acting) -> None:
    system, before = acting("system"), secret_of(house, "zhao")
    request = ask(house, system)
    with pytest.raises(Refused, match="recovery_alone"), house.unit(system) as db:
        recovery.approve(db, request)
    assert acts(house, "staff.approve_recovery") == [("system", "staff:zhao", "refused")]
    assert (secret_of(house, "zhao"), states(house)) == (before, [RecoveryState.OPEN])


def test_the_database_itself_refuses_an_approval_by_the_one_who_asked(house: House, acting: Acting) -> None:
    system, security = acting("system"), acting("security")
    request = ask(house, system)
    forged = {"recovery_id": request, "asked_by": system.staff_id, "outcome": "approved", "decided_by": system.staff_id}
    for row in (forged, {**forged, "asked_by": security.staff_id}):
        with pytest.raises(IntegrityError), house.unit(None) as db:
            db.execute(insert(RecoveryDecision.__table__).values(**row, decided_at=house.clock.now()))  # type: ignore[arg-type]


def test_requests_and_decisions_are_facts(house: House, acting: Acting) -> None:
    request = ask(house, acting("system"))
    with house.unit(acting("security")) as db:
        recovery.refuse(db, request)
    for statement in (
        "update exam_recovery set reason = 'x'", "delete from exam_recovery_decision",
        "update exam_recovery_decision set outcome = 'approved'", "delete from exam_account_change",
    ):  # fmt: skip
        with house.unit(system_actor("01")) as db:
            accounts.set_active(db, staff_id(house, "mo"), "delete" not in statement)
        with pytest.raises(DBAPIError), house.unit(None) as db:
            db.execute(text(statement))


# --- its time and its end ---------------------------------------------------------------------------------------------


def test_a_request_expires_after_a_day(house: House, acting: Acting) -> None:
    request = ask(house, acting("system"))
    house.clock.advance(hours=24)  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="已过期"), house.unit(acting("security")) as db:
        recovery.approve(db, request)
    assert states(house) == [RecoveryState.EXPIRED]
    ask(house, acting("system"))
    assert states(house) == [RecoveryState.OPEN, RecoveryState.EXPIRED]


def test_a_request_is_approved_once_and_a_refused_or_withdrawn_one_never(house: House, acting: Acting) -> None:
    system, security = acting("system"), acting("security")
    for close, words in ((recovery.approve, "已批准"), (recovery.refuse, "未批准"), (recovery.withdraw, "已撤回")):
        request = ask(house, system)
        with house.unit(system if close is recovery.withdraw else security) as db:
            close(db, request)
        for again in (recovery.approve, recovery.refuse, recovery.withdraw):
            with pytest.raises(Refused, match=words), house.unit(security) as db:
                again(db, request)


def test_two_approvals_side_by_side_are_one(house: House, acting: Acting) -> None:
    request, security = ask(house, acting("system")), acting("security")

    def approve() -> None:
        with house.unit(security) as db:
            recovery.approve(db, request)

    assert sorted(side_by_side([approve, approve])) == ["done", "staff.recovery_closed"]


def test_one_request_at_a_time_for_an_account_with_a_reason_and_only_where_it_is_needed(house: House, acting: Acting) -> None:
    system = acting("system")
    ask(house, system)
    for login, reason, code in (
        ("zhao", "又一次", "recovery_open"), ("he", " ", "recovery_reason"), ("he", "长" * 201, "recovery_reason"),
        ("lin", "没有动态码", "recovery_needless"), ("audit", "管理员", "recovery_administrator"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=code), house.unit(system) as db:
            recovery.ask(db, staff_id(house, login), True, reason)


def test_another_sites_request_looks_like_none(house: House, acting: Acting) -> None:
    request = ask(house, acting("system"))
    for act in (recovery.approve, recovery.refuse, recovery.withdraw):
        with pytest.raises(NotFound), house.unit(system_actor("02")) as db:
            act(db, request)
    with house.unit(system_actor("02"), write=False) as db:
        assert (recovery.latest(db), recovery.count_open(db)) == ([], 0)


def test_screens_withdraw_and_refuse(desk: Desks, house: House) -> None:
    system, security = desk("system"), desk("security")
    address = f"/staff/accounts/{staff_id(house, 'he')}"
    for desk_, act, word in ((system, "withdraw", "已撤回"), (security, "refuse", "未批准")):
        system.htmx(f"{address}/recovery", {"lost": "code", "reason": "换手机"})
        request = re.search(r"/staff/recoveries/([0-9a-f-]{36})/withdraw", system.get(address).text)[1]  # type: ignore[index]
        assert "hx-redirect" in desk_.htmx(f"/staff/recoveries/{request}/{act}", {}).headers
        assert word in security.get("/staff/recoveries").text
    refused = system.htmx(f"{address}/recovery", {"lost": "everything", "reason": ""})
    assert (refused.status_code, "恢复原因:不能为空" in refused.text) == (422, True)


def test_the_server_itself_still_recovers_anybody(house: House) -> None:
    before = secret_of(house, "zhao"), secret_of(house, "security")
    with house.unit(system_actor("01")) as db:
        for login in ("zhao", "security"):
            accounts.reset_second_factor(db, staff_id(house, login))
    assert all(secret_of(house, login) != old for login, old in zip(("zhao", "security"), before, strict=True))


def test_a_first_second_factor_takes_one_administrator(house: House, acting: Acting) -> None:
    with house.unit(acting("system")) as db:
        assert "otpauth://" in accounts.reset_second_factor(db, staff_id(house, "lin"))


@pytest.mark.parametrize(
    ("outcome", "hours", "state"),
    [
        (None, 23, "open"),
        (None, 24, "expired"),
        ("approved", 30, "approved"),
        ("refused", 1, "refused"),
        ("withdrawn", 1, "withdrawn"),
    ],
)
def test_the_state_of_a_request(house: House, outcome: str | None, hours: int, state: str) -> None:
    asked = house.clock.now()
    assert rules.recovery_state(outcome, asked + rules.RECOVERY_LIFE, asked + timedelta(hours=hours)) == state

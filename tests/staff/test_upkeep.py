"""What the worker does for accounts: unused ones are disabled, old failures removed; on both databases, with a faked clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import func, select, text

from exam.kit import audit, jobs
from exam.kit.audit import Audit
from exam.kit.db import Turn, sqlite_engine
from exam.kit.errors import Refused
from exam.kit.house import Actor, House, system_actor
from exam.migrations import config_for
from exam.staff import accounts, credentials, passwords, rules, upkeep
from exam.staff.models import AccountChange, SignInFailure, Staff
from tests.fixtures.houses import PASSWORD

Acting = Callable[[str], Actor]


def advance(house: House, **time: int) -> None:
    house.clock.advance(**time)  # type: ignore[attr-defined]


def active(house: House) -> set[str]:
    with house.unit(None, write=False) as db:
        return set(db.scalars(select(Staff.login).where(Staff.active.is_(True))))


def staff_id(house: House, login: str) -> Any:
    with house.unit(None, write=False) as db:
        return db.scalars(select(Staff.id).where(Staff.login == login)).one()


def sign_in(house: House, login: str, password: str = PASSWORD, code: str = "") -> credentials.SignedIn:
    return credentials.sign_in(house, login, password, code, "10.0.0.7")


def disabled_by_the_system(house: House) -> list[tuple[str, str, str]]:
    with house.unit(None, write=False) as db:
        wanted = select(Audit.actor, Audit.subject, Audit.reason).where(Audit.act == "staff.disable_unused")
        return [tuple(each) for each in db.execute(wanted)]


def after_days(house: House, days: int) -> None:
    """So many days later somebody comes to work: a centre where nobody does is a test of its own."""
    advance(house, days=days)
    sign_in(house, "lin")


# --- accounts that nobody uses ----------------------------------------------------------------------------------------


def test_an_account_unused_for_ninety_days_is_disabled_and_one_that_is_used_is_not(house: House) -> None:
    advance(house, days=60)
    sign_in(house, "lin")
    advance(house, days=29, hours=23)
    upkeep.disable_unused(house)
    assert {"lin", "wu", "system"} <= active(house)
    advance(house, hours=1)
    upkeep.disable_unused(house)
    assert active(house) == {"lin", "system", "security", "audit"}
    told = disabled_by_the_system(house)
    assert ("system", "staff:wu", "连续 90 天未登录") in told
    assert len(told) == 18
    upkeep.disable_unused(house)
    assert len(disabled_by_the_system(house)) == 18
    with house.unit(None, write=False) as db:
        assert [*audit.breaches(db), *audit.row_breaches(db)] == []


@pytest.mark.parametrize("kind", ["system", "security", "audit"])
def test_the_last_active_administrator_of_a_kind_stays(house: House, kind: str) -> None:
    advance(house, hours=1)
    with house.unit(system_actor("01")) as db:
        second, _ = accounts.create(db, accounts.NewAccount(login=f"second{kind}", name="第二人", kind=kind))
    after_days(house, 90)
    upkeep.disable_unused(house)
    kept = {login for login in active(house) if login.endswith(kind)}
    assert kept == {f"second{kind}"}, "the one used last is the one that stays"
    with house.unit(system_actor("01")) as db:
        accounts.set_active(db, staff_id(house, kind), True)
        accounts.set_active(db, second, False)
    after_days(house, 91)
    upkeep.disable_unused(house)
    assert {login for login in active(house) if login.endswith(kind)} == {kind}


def test_an_account_of_another_site_is_disabled_in_its_own_sites_name(house: House) -> None:
    with house.unit(system_actor("02")) as db:
        accounts.create(db, accounts.NewAccount(login="zhou", name="周一"))
    after_days(house, 90)
    upkeep.disable_unused(house)
    with house.unit(None, write=False) as db:
        sites = db.scalars(select(Audit.site).where(Audit.subject == "staff:zhou", Audit.act == "staff.disable_unused")).all()
    assert sites == ["02"]


def test_a_policy_without_the_number_disables_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "password_profile", lambda house: rules.ASVS5)
    after_days(house, 400)
    upkeep.disable_unused(house)
    assert "wu" in active(house)


def test_where_nobody_came_for_ninety_days_nobody_is_disabled_until_somebody_comes(house: House) -> None:
    everybody = active(house)
    advance(house, days=400)
    upkeep.disable_unused(house)
    assert active(house) == everybody, "nobody ever came"
    sign_in(house, "lin")
    advance(house, days=90)
    upkeep.disable_unused(house)
    assert active(house) == everybody, "the centre was closed, or the clock is wrong"
    assert disabled_by_the_system(house) == []
    sign_in(house, "lin")
    upkeep.disable_unused(house)
    assert "wu" not in active(house)


def test_a_clock_that_is_set_back_hides_no_reason_and_breaks_no_list(house: House, acting: Acting) -> None:
    system, wu = acting("system"), staff_id(house, "wu")
    for is_active, hours in ((False, 0), (True, 1), (False, -3)):
        advance(house, hours=hours)
        with house.unit(system) as db:
            accounts.set_active(db, wu, is_active, rules.Closed.LEFT)
    with house.unit(system, write=False) as db:
        assert [each.closed for each in accounts.find(db, "wu").accounts] == ["离职"]
        assert [each.login for each in accounts.find(db, status=rules.Closed.LEFT).accounts] == ["wu"]
    with pytest.raises(Refused, match="离职"):
        sign_in(house, "wu")


def test_an_account_whose_closing_has_no_reason_is_listed_all_the_same(house: House, acting: Acting) -> None:
    system, wu = acting("system"), staff_id(house, "wu")
    for is_active in (False, True):
        with house.unit(system) as db:
            accounts.set_active(db, wu, is_active, rules.Closed.LEFT)
    with house.unit(system) as db:
        db.get_one(Staff, wu).active = False
        last = house.ids.new()
        db.add(AccountChange(id=last, staff_id=wu, is_active=False, reason="", changed_by="-", changed_at=house.clock.now()))
    with house.unit(system, write=False) as db:
        assert [(each.is_active, each.closed) for each in accounts.find(db, "wu").accounts] == [(False, "离职")]


def test_its_owner_alone_is_told_why_and_the_administrator_opens_it_again(house: House, acting: Acting) -> None:
    after_days(house, 90)
    upkeep.disable_unused(house)
    with pytest.raises(Refused, match="disabled") as told:
        sign_in(house, "wu")
    assert (told.value.text, told.value.hint) == ("该账号连续 90 天未登录,已自动停用", "请联系系统管理员重新启用")
    with pytest.raises(Refused, match="sign_in_failed"):
        sign_in(house, "wu", "wrong-password-1")
    with house.unit(acting("system")) as db:
        accounts.set_active(db, staff_id(house, "wu"), True)
    upkeep.disable_unused(house)
    assert sign_in(house, "wu").must_change_password, "after 90 days the password is too old as well"
    own = AccountChange.staff_id == staff_id(house, "wu")
    with house.unit(None, write=False) as db:
        facts = db.execute(select(AccountChange.is_active, AccountChange.reason).where(own).order_by(AccountChange.id))
        assert [tuple(each) for each in facts] == [(False, "unused"), (True, "")]


def test_a_disabled_administrator_is_told_only_with_the_second_factor(house: House) -> None:
    with house.unit(system_actor("01")) as db:
        accounts.set_active(db, staff_id(house, "audit"), False)
        code = accounts.present_code(db, "audit")
    with pytest.raises(Refused, match="sign_in_failed"):
        sign_in(house, "audit", code="000000")
    with pytest.raises(Refused, match="暂停使用"):
        sign_in(house, "audit", code=code)


def test_a_disabled_account_opens_no_session_though_it_was_active_when_the_password_was_compared(
    house: House, acting: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, system = passwords.is_password, acting("system")

    def disabled_meanwhile(stored: str, password: str) -> bool:
        with house.unit(system) as db:
            accounts.set_active(db, staff_id(house, "lin"), False, rules.Closed.LEFT)
        return plain(stored, password)

    monkeypatch.setattr(credentials, "is_password", disabled_meanwhile)
    with pytest.raises(Refused, match="离职"):
        sign_in(house, "lin")


def test_the_worker_runs_both_jobs(sqlite_house: House) -> None:
    house = sqlite_house
    jobs.run_jobs(house)
    assert "wu" in active(house)
    advance(house, days=90)
    add_failures(house, 1)
    after_days(house, 8)
    jobs.run_jobs(house)
    assert "wu" not in active(house)
    assert count_failures(house) == 0


def test_whoever_signed_in_before_the_table_was_there_counts_as_seen(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "old.db", b"k" * 32, Turn())
    config = config_for(engine)
    command.upgrade(config, "0001")
    staff = "insert into exam_staff values (:id, :id, '', '', 'staff', '01', 1, '', :at, 0, null, x'', :at, 1)"
    act = "insert into exam_audit values (1, :seq, :at, '01', :id, '', '', '', :act, :result, '', '', '', x'')"
    with engine.begin() as connection:
        for name in ("a" * 32, "b" * 32):
            connection.execute(text(staff), {"id": name, "at": "2026-01-01 00:00:00.000000"})
        for seq, (name, at, what, result) in enumerate(
            (
                ("a" * 32, "2026-05-01 08:00:00.000000", "auth.sign_in", "ok"),
                ("a" * 32, "2026-06-01 08:00:00.000000", "auth.sign_in", "ok"),
                ("a" * 32, "2026-07-01 08:00:00.000000", "auth.sign_in", "refused"),
                ("b" * 32, "2026-07-01 08:00:00.000000", "auth.sign_out", "ok"),
            )
        ):
            connection.execute(text(act), {"seq": seq, "at": at, "id": name, "act": what, "result": result})
    command.upgrade(config, "0002")
    with engine.connect() as connection:
        rows = [tuple(each) for each in connection.execute(text("select staff_id, used_at from exam_account_use"))]
    assert rows == [("a" * 32, "2026-06-01 08:00:00.000000")]


# --- failures ---------------------------------------------------------------------------------------------------------


def add_failures(house: House, count: int) -> None:
    with house.unit(None) as db:
        for _ in range(count):
            db.add(SignInFailure(id=house.ids.new(), subject="login:lin", at=house.clock.now(), reason="password"))


def count_failures(house: House) -> int:
    with house.unit(None, write=False) as db:
        return db.scalar(select(func.count()).select_from(SignInFailure)) or 0


def test_failures_are_removed_after_a_week_and_not_before(house: House) -> None:
    add_failures(house, 3)
    advance(house, days=7)
    add_failures(house, 2)
    upkeep.purge_failures(house)
    assert count_failures(house) == 5
    advance(house, seconds=1)
    upkeep.purge_failures(house)
    assert count_failures(house) == 2


def test_one_run_removes_no_more_than_it_may(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "PURGED_AT_ONCE", 3)
    monkeypatch.setattr(upkeep, "MOST_PURGES", 2)
    add_failures(house, 10)
    advance(house, days=8)
    upkeep.purge_failures(house)
    assert count_failures(house) == 4
    upkeep.purge_failures(house)
    assert count_failures(house) == 0


def test_a_lock_outlives_a_purge(house: House) -> None:
    add_failures(house, 5)
    upkeep.purge_failures(house)
    with pytest.raises(Refused, match="locked"):
        sign_in(house, "lin")

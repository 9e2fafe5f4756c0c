"""Accounts: made, given first passwords and second factors, closed and found by the system administrator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import ScalarSelect, func, or_, select
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.errors import NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.staff import rules
from exam.staff.credentials import mark_used
from exam.staff.models import AccountChange, Grant, Staff
from exam.staff.passwords import HASHER, store_password
from exam.staff.service import end_sessions, secret_of

ADMINISTRATORS = {"system": "系统管理员", "security": "安全管理员", "audit": "审计管理员"}
KIND_NAMES = {"staff": "业务人员", **ADMINISTRATORS}
FIRST_PASSWORD_HOURS = 24
PAGE_SIZE = 30
STATUSES = {
    "": "全部", "active": "启用", "disabled": "停用", rules.Closed.UNUSED: "停用:长期未登录", rules.Closed.LEFT: "停用:离职",
}  # fmt: skip
"""What the list of accounts can be narrowed to; the leavers are one of them."""


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new account; `kind` is `staff` or one of the three administrators."""

    login: str
    name: str
    title: str = ""
    kind: str = "staff"


class Account(msgspec.Struct, frozen=True):
    """An account as the administrators' screens show it."""

    id: UUID
    login: str
    name: str
    title: str
    kind: str
    kind_name: str
    site: str
    is_active: bool
    has_second_factor: bool
    ver: int
    grants: tuple[tuple[UUID, str, str, str], ...] = ()
    closed: str = ""
    closed_at: datetime | None = None
    needs_first_password: bool = False


class Found(msgspec.Struct, frozen=True):
    """One page of the accounts that fit."""

    accounts: list[Account]
    total: int
    page: int
    pages: int


def create(db: Session, new: NewAccount) -> tuple[UUID, str]:
    """Makes an account with a random first password that dies after 24 h; returns its id and that password."""
    house, actor = house_of(db), actor_of(db)
    login = rules.normalise_login(new.login)
    if not login or len(login) > 40 or not login.isalnum():
        raise Refused("staff.login", "用户名只能由 1 到 40 个字母、数字或汉字组成", "请修改用户名", "login")
    if not new.name.strip() or len(new.name) > 50:
        raise Refused("staff.name", "姓名不能为空且不超过 50 字", "请填写姓名", "name")
    if new.kind not in KIND_NAMES:
        raise Refused("staff.kind", "账号类型无效", "请从列表中选择", "kind")
    _refuse_other_administrator(db, new.kind)
    if new.title and new.title not in rules.TITLES:
        raise Refused("staff.title", f"没有职称“{new.title[:20]}”", "请从列表中选择职称", "title")
    if db.scalar(select(Staff.id).where(Staff.login == login)):
        raise Refused("staff.login_taken", f"用户名 {login} 已被使用过,不能再分配", "请换一个用户名", "login")
    staff_id = house.ids.new()
    now = house.clock.now()
    staff = Staff(
        id=staff_id, login=login, name=new.name.strip(), title=new.title, kind=new.kind, site=actor.site, active=True,
        password_hash="", password_changed_at=now, password_must_change=True, password_expires_at=None, totp_secret=b"",
        created_at=now, ver=1,
    )  # fmt: skip
    db.add(staff)
    db.flush()
    first = _give_first_password(db, staff)
    audit.note(db, "staff.create", subject=f"staff:{login}")
    return staff_id, first


def _refuse_other_administrator(db: Session, kind: str) -> None:
    """The system administrator neither makes, takes over nor silences the two others: that is done on the server."""
    if kind in _OTHERS and actor_of(db).staff_id is not None:
        text = f"{KIND_NAMES[kind]}的账号不能由系统管理员操作"
        raise Refused("staff.other_administrator", text, "三权分立,请在服务器上用 exam staff 命令办理", "kind")


_OTHERS = ("security", "audit")


def first_password(db: Session) -> str:
    """A random one-time password: 16 characters, easy to read aloud."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join(
        "".join(alphabet[byte % len(alphabet)] for byte in house_of(db).random.token_bytes(4)) for _ in range(4)
    )


def reset_password(db: Session, staff_id: UUID) -> str:
    """A new random first password; every session of the account ends."""
    staff = get(db, staff_id)
    _refuse_other_administrator(db, staff.kind)
    first = _give_first_password(db, staff)
    end_sessions(db, staff.id)
    audit.note(db, "staff.reset_password", subject=f"staff:{staff.login}")
    return first


def _give_first_password(db: Session, staff: Staff) -> str:
    first = first_password(db)
    expires_at = house_of(db).clock.now() + timedelta(hours=FIRST_PASSWORD_HOURS)
    store_password(db, staff, HASHER.hash(first), must_change=True, expires_at=expires_at)
    return first


def reset_second_factor(db: Session, staff_id: UUID) -> str:
    """A TOTP secret for an account that has none; returns the `otpauth:` address to show once.

    One administrator alone does not replace somebody's second factor: with a new password on top that would be signing in
    another's name. That takes two (`exam.staff.recovery`), or the command line.
    """
    staff = get(db, staff_id)
    _refuse_other_administrator(db, staff.kind)
    if staff.kind == "staff" and staff.totp_secret and actor_of(db).staff_id is not None:
        text = "更换已启用的动态码须由两位管理员办理"
        raise Refused("staff.two_administrators", text, "请在该账号页面申请双人恢复,由安全管理员批准")
    address = give_second_factor(db, staff)
    audit.note(db, "staff.reset_second_factor", subject=f"staff:{staff.login}")
    return address


def give_second_factor(db: Session, staff: Staff) -> str:
    """Stores a new TOTP secret and ends the account's sessions; returns the `otpauth:` address."""
    house = house_of(db)
    secret = rules.totp_secret(house.random.token_bytes(rules.TOTP_SECRET_BYTES))
    staff.totp_secret = house.cipher.seal(secret, f"exam_staff.totp_secret:{staff.id}")
    end_sessions(db, staff.id)
    return rules.totp_address(secret, staff.login, getattr(house.settings, "centre_name", "exam"))


def present_code(db: Session, login: str) -> str:
    """The second-factor code of this moment, for demonstration installations only."""
    house = house_of(db)
    staff = db.scalar(select(Staff).where(Staff.login == rules.normalise_login(login)))
    if staff is None or not staff.totp_secret:
        raise NotFound(f"账号 {login[:40]} 不存在或未启用动态码")
    return rules.totp_code(secret_of(house, staff), rules.totp_counter(house.clock.now()))


def set_active(db: Session, staff_id: UUID, active: bool, reason: rules.Closed = rules.Closed.SUSPENDED) -> None:
    """Enables or disables an account; disabling ends its sessions before the next request. `reason` is why it is disabled."""
    staff = get(db, staff_id)
    if staff.id == actor_of(db).staff_id:
        raise Refused("staff.own_account", "不能停用自己的账号", "请由另一位管理员操作")
    _refuse_other_administrator(db, staff.kind)
    switch(db, staff, active, reason)
    audit.note(db, "staff.enable" if active else "staff.disable", subject=f"staff:{staff.login}", reason="" if active else
               rules.CLOSED_NAMES[reason])  # fmt: skip


def switch(db: Session, staff: Staff, active: bool, reason: rules.Closed) -> None:
    """Opens or closes an account and keeps the fact; an account that was opened counts as used now."""
    house = house_of(db)
    end_sessions(db, staff.id)
    if staff.active == active:
        return
    staff.active = active
    db.add(
        AccountChange(
            id=house.ids.new(), staff_id=staff.id, is_active=active, reason="" if active else reason.value,
            changed_by=actor_of(db).login, changed_at=house.clock.now(),
        )
    )  # fmt: skip
    db.flush()
    if active:
        mark_used(db, staff)


def end_all_sessions(db: Session, staff_id: UUID) -> None:
    """Signs an account out everywhere, before its next request."""
    staff = get(db, staff_id)
    end_sessions(db, staff.id)
    audit.note(db, "staff.end_sessions", subject=f"staff:{staff.login}")


def get(db: Session, staff_id: UUID) -> Staff:
    """An account of the actor's site."""
    staff = db.get(Staff, staff_id)
    if staff is None or staff.site != actor_of(db).site:
        raise NotFound("没有找到该账号", "请从列表中选择")
    return staff


def accounts(db: Session) -> list[Account]:
    """Every account of the actor's site, with its grants."""
    statement = select(Staff).where(Staff.site == actor_of(db).site).order_by(Staff.kind.desc(), Staff.login)
    return _accounts(db, db.scalars(statement).all())


def find(db: Session, text: str = "", *, status: str = "", kind: str = "", page: int = 1) -> Found:
    """A page of the accounts of the actor's site whose login or name holds `text`; `status` is one of `STATUSES`."""
    wanted = select(Staff).where(Staff.site == actor_of(db).site)
    for word in text.split():
        login = Staff.login.contains(rules.normalise_login(word), autoescape=True)
        wanted = wanted.where(or_(login, func.lower(Staff.name).contains(word.lower(), autoescape=True)))
    if kind:
        wanted = wanted.where(Staff.kind == kind)
    if status:
        wanted = wanted.where(Staff.active.is_(status == "active"))
    if status in tuple(rules.Closed):
        wanted = wanted.where(_newest_reason() == status)
    total = db.scalar(select(func.count()).select_from(wanted.subquery())) or 0
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(page, 1), pages)
    rows = db.scalars(wanted.order_by(Staff.kind.desc(), Staff.login).limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE)).all()
    return Found(_accounts(db, rows), total, page, pages)


def _newest_reason() -> ScalarSelect[str]:
    closings = select(AccountChange.reason).where(AccountChange.staff_id == Staff.id, AccountChange.reason != "")
    return closings.correlate(Staff).order_by(AccountChange.id.desc()).limit(1).scalar_subquery()


def account(db: Session, staff_id: UUID) -> Account:
    """One account of the actor's site, with its grants."""
    return _accounts(db, [get(db, staff_id)])[0]


def _accounts(db: Session, rows: Sequence[Staff]) -> list[Account]:
    grants: dict[UUID, list[tuple[UUID, str, str, str]]] = {}
    wanted = select(Grant).where(Grant.staff_id.in_([row.id for row in rows])).order_by(Grant.role, Grant.department)
    for grant in db.scalars(wanted):
        grants.setdefault(grant.staff_id, []).append((grant.id, grant.role, grant.site, grant.department))
    now = house_of(db).clock.now()
    disabled = [row.id for row in rows if not row.active]
    # In the order of their ids, which a clock that is set back does not turn round; an opening has no reason.
    told = select(AccountChange).where(AccountChange.staff_id.in_(disabled), AccountChange.reason != "")
    told = told.order_by(AccountChange.id)
    closed = {change.staff_id: change for change in db.scalars(told)} if disabled else {}
    return [
        Account(
            id=row.id, login=row.login, name=row.name, title=row.title, kind=row.kind, kind_name=KIND_NAMES[row.kind],
            site=row.site, is_active=row.active, has_second_factor=bool(row.totp_secret), ver=row.ver,
            grants=tuple(grants.get(row.id, ())),
            closed=rules.CLOSED_NAMES[rules.Closed(closed[row.id].reason)] if row.id in closed else "",
            closed_at=closed[row.id].changed_at if row.id in closed else None,
            needs_first_password=row.password_must_change and row.password_expires_at is not None and row.password_expires_at <= now,
        )
        for row in rows
    ]  # fmt: skip


def names(db: Session, ids: Sequence[UUID | None]) -> dict[UUID, tuple[str, str]]:
    """`(name, title)` of staff by id, for signatures and lists."""
    wanted = {each for each in ids if each is not None}
    if not wanted:
        return {}
    found = db.execute(select(Staff.id, Staff.name, Staff.title).where(Staff.id.in_(wanted)))
    return {row.id: (row.name, row.title) for row in found}

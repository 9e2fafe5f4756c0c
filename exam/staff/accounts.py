"""Accounts, roles and grants: made by the system administrator, given rights by the security administrator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import ScalarSelect, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from exam.kit import audit
from exam.kit.errors import NotFound, Refused, Stale
from exam.kit.house import actor_of, house_of
from exam.kit.module import Modules
from exam.staff import rules
from exam.staff.credentials import mark_used
from exam.staff.models import AccountChange, Grant, Role, RolePermission, Staff
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


# --- roles and grants ------------------------------------------------------------------------------------------------


def load_roles(db: Session, modules: Modules) -> None:
    """Brings the roles that the modules propose into the database.

    A role that is there already is the hospital's: it is given only permissions that are new to this database, which no role
    ever held. So an upgrade's new work can be done by somebody, and what was taken away stays away.
    """
    present = {role.code: role for role in db.scalars(select(Role))}
    proposed: dict[str, tuple[str, list[str]]] = {}
    for module in modules.all:
        for code, (name, permissions) in module.roles.items():
            proposed.setdefault(code, (name, []))[1].extend(permissions)
    new = _never_held(db, {each for code in present if code in proposed for each in proposed[code][1]})
    told = []
    for code, (name, several) in proposed.items():
        wanted = [each for each in dict.fromkeys(several) if code not in present or each in new]
        unknown = [each for each in wanted if each not in modules.permissions]
        if unknown:
            raise RuntimeError(f"role {code!r} names the unknown permission {unknown[0]!r}")
        if code not in present:
            db.add(Role(code=code, name=name, ver=1))
            db.flush()
        elif wanted:
            flag_modified(present[code], "name")  # the version counts for the permissions too
            told.append(f"{code}: {', '.join(wanted)}")
        db.add_all(RolePermission(role=code, permission=each) for each in wanted)
    if told:
        audit.note(db, "staff.new_permissions", reason="; ".join(told))


def _never_held(db: Session, permissions: set[str]) -> set[str]:
    """Those of `permissions` that no role holds or ever held. The audit tells: it lists every row that was ever written."""
    left = permissions - set(db.scalars(select(RolePermission.permission)))
    if left:
        start = f"{RolePermission.__tablename__} "
        for rows in db.scalars(select(audit.Audit.rows).where(audit.Audit.rows.contains(start, autoescape=True))):
            # Each line is `table role/permission digest`.
            left -= {line.split(" ")[1].partition("/")[2] for line in rows.splitlines() if line.startswith(start)}
    return left


def roles(db: Session) -> list[tuple[str, str, frozenset[str]]]:
    """`(code, name, permissions)` of every role."""
    held: dict[str, set[str]] = {}
    for role, permission in db.execute(select(RolePermission.role, RolePermission.permission)):
        held.setdefault(role, set()).add(permission)
    return [(role.code, role.name, frozenset(held.get(role.code, ()))) for role in db.scalars(select(Role).order_by(Role.code))]


class RoleView(msgspec.Struct, frozen=True):
    """A role as the rights screens show it."""

    code: str
    name: str
    permissions: frozenset[str]
    ver: int


def role_list(db: Session) -> list[RoleView]:
    """Every role with its version, for screens."""
    versions = {row.code: row.ver for row in db.execute(select(Role.code, Role.ver))}
    return [RoleView(code, name, permissions, versions[code]) for code, name, permissions in roles(db)]


def fixed_permissions(db: Session) -> frozenset[str]:
    """What only the three administrators may do; no other role can hold it."""
    return frozenset(db.scalars(select(RolePermission.permission).where(RolePermission.role.in_(list(ADMINISTRATORS)))))


def set_role(db: Session, code: str, name: str, permissions: Sequence[str], seen: int | None = None) -> None:
    """Makes a role or changes its permissions. The administrators' own kinds cannot be widened into clinical rights.

    `seen` is the version that the screen showed, 0 for a new role; somebody else's change in between is not lost.
    """
    house = house_of(db)
    code = code.strip()
    unknown = [each for each in permissions if each not in house.modules.permissions]
    if unknown:
        raise Refused("staff.unknown_permission", f"没有权限 {unknown[0][:60]}", "请从列表中选择", "permissions")
    if code in ADMINISTRATORS:
        raise Refused("staff.fixed_role", f"“{ADMINISTRATORS[code]}”的权限由系统固定", "三权分立,不能修改", "code")
    if not code.replace("_", "").isalnum() or len(code) > 40 or not name.strip():
        raise Refused("staff.role_code", "角色编码只能由字母、数字和下划线组成,名称不能为空", "请修改后重试", "code")
    fixed = sorted(fixed_permissions(db) & set(permissions))
    if fixed:
        text = house.modules.permissions.get(fixed[0], fixed[0])
        raise Refused("staff.fixed_permission", f"权限“{text}”只属于管理员", "三权分立,请去掉该权限", "permissions")
    role = db.get(Role, code)
    if seen == 0 and role is not None:
        raise Refused("staff.role_exists", f"角色编码 {code} 已存在", "请换一个编码,或修改已有角色", "code")
    if seen and (role is None or role.ver != seen):
        raise Stale("该角色已被他人修改", "请刷新后核对最新内容再保存")
    if role is None:
        db.add(Role(code=code, name=name.strip(), ver=1))
        db.flush()
    else:
        role.name = name.strip()
        flag_modified(role, "name")  # the version counts for the permissions too
    present = {each.permission: each for each in db.scalars(select(RolePermission).where(RolePermission.role == code))}
    for permission in set(permissions) - set(present):
        db.add(RolePermission(role=code, permission=permission))
    for permission in set(present) - set(permissions):
        db.delete(present[permission])
    audit.note(db, "staff.set_role", subject=f"role:{code}")


def grant(db: Session, staff_id: UUID, role: str, department: str = "") -> UUID:
    """Gives a role at the actor's site, for one department or (empty) for all. Nobody grants to oneself."""
    house, actor = house_of(db), actor_of(db)
    staff = get(db, staff_id)
    if staff.kind != "staff":
        text = f"{KIND_NAMES[staff.kind]}不能同时拥有业务角色"
        raise Refused("staff.administrator", text, "三权分立,请使用另外的账号", "role")
    if staff.id == actor.staff_id:
        raise Refused("staff.own_grant", "不能给自己授权", "请由另一位安全管理员操作")
    if db.get(Role, role) is None or role in ADMINISTRATORS:
        raise Refused("staff.unknown_role", f"没有角色 {role[:40]}", "请从列表中选择", "role")
    same = (Grant.staff_id == staff.id, Grant.role == role, Grant.site == staff.site, Grant.department == department)
    held = db.scalar(select(Grant.id).where(*same))
    if held:
        return held
    grant_id = house.ids.new()
    db.add(
        Grant(
            id=grant_id, staff_id=staff.id, staff_kind=staff.kind, role=role, site=staff.site, department=department,
            granted_by=actor.login, granted_at=house.clock.now(),
        )
    )  # fmt: skip
    audit.note(db, "staff.grant", subject=f"staff:{staff.login}", reason=f"{role} {department}".strip())
    return grant_id


def revoke(db: Session, grant_id: UUID) -> UUID:
    """Takes a role back; it stops at the next request. Returns whose it was."""
    row = db.get(Grant, grant_id)
    if row is None or row.site != actor_of(db).site:
        raise NotFound("没有找到该授权", "请刷新页面后重试")
    staff = get(db, row.staff_id)
    db.delete(row)
    audit.note(db, "staff.revoke", subject=f"staff:{staff.login}", reason=f"{row.role} {row.department}".strip())
    return staff.id

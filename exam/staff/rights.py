"""Roles and grants: what a role may do and who holds it, given and taken by the security administrator."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from exam.kit import audit
from exam.kit.errors import NotFound, Refused, Stale
from exam.kit.house import actor_of, house_of
from exam.kit.module import Modules
from exam.staff.accounts import ADMINISTRATORS, KIND_NAMES, get
from exam.staff.models import Grant, Role, RolePermission

# --- roles -----------------------------------------------------------------------------------------------------------


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


# --- grants ----------------------------------------------------------------------------------------------------------


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

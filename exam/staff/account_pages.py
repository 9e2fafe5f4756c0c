"""Screens of the system administrator (accounts) and of the security administrator (roles and grants)."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import zxingcpp
from litestar.params import FromPath, FromQuery

from exam.kit import web
from exam.kit.errors import NotFound
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.staff import accounts, rules, service
from exam.staff.facts import DEPARTMENTS
from exam.staff.pages import AnyRequest, FormData

NEW_LABELS = {"login": "用户名", "name": "姓名", "title": "职称", "kind": "账号类型"}


def qr_image(text: str) -> str:
    """A QR code as a `data:` address for <img>, without anything fetched from elsewhere."""
    drawing = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M").to_svg(scale=5)
    return "data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode()


# --- accounts --------------------------------------------------------------------------------------------------------


@web.get("/staff", may="staff.accounts")
def show_accounts(request: AnyRequest, db: web.Db, q: FromQuery[str] = "") -> web.Page:
    """The accounts of this site."""
    found = accounts.accounts(db, q[:50])
    return web.page(
        db, "exam/staff_accounts.html", accounts=found, q=q[:50], kinds=list(accounts.KIND_NAMES.items()),
        titles=[(each, each) for each in rules.TITLES], sessions=service.count_sessions(db),
    )  # fmt: skip


@web.post("/staff", may="staff.accounts")
def create_account(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Makes an account and shows its first password once."""
    staff_id, first = accounts.create(db, read_form(data, accounts.NewAccount, NEW_LABELS))
    return _secret(db, staff_id, password=first)


@web.get("/staff/accounts/{staff_id:str}", may="staff.accounts")
def show_account(request: AnyRequest, db: web.Db, staff_id: FromPath[str]) -> web.Page:
    """One account: what may be done with it, and where it is signed in."""
    account = accounts.account(db, web.uuid_of(staff_id))
    return web.page(db, "exam/staff_account.html", account=account, sessions=service.sessions_of(db, account.id))


@web.post("/staff/accounts/{staff_id:str}/password", may="staff.accounts")
def reset_password(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FormData) -> web.Page:
    """A new first password, shown once."""
    each = web.uuid_of(staff_id)
    return _secret(db, each, password=accounts.reset_password(db, each))


@web.post("/staff/accounts/{staff_id:str}/second-factor", may="staff.accounts")
def reset_second_factor(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FormData) -> web.Page:
    """A new second factor, shown once as a QR code."""
    each = web.uuid_of(staff_id)
    return _secret(db, each, address=accounts.reset_second_factor(db, each))


@web.post("/staff/accounts/{staff_id:str}/active", may="staff.accounts")
def set_active(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FormData) -> web.Page:
    """Enables or disables an account."""
    is_active = data.get("active") == "yes"
    accounts.set_active(db, web.uuid_of(staff_id), is_active)
    return web.back_to(db, f"/staff/accounts/{web.uuid_of(staff_id)}", toast="账号已启用" if is_active else "账号已停用")


@web.post("/staff/accounts/{staff_id:str}/sessions", may="staff.accounts")
def end_sessions(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FormData) -> web.Page:
    """Signs an account out everywhere."""
    accounts.end_all_sessions(db, web.uuid_of(staff_id))
    return web.back_to(db, f"/staff/accounts/{web.uuid_of(staff_id)}", toast="已强制退出")


def _secret(db: web.Db, staff_id: Any, password: str = "", address: str = "") -> web.Page:
    account = accounts.account(db, staff_id)
    image = qr_image(address) if address else ""
    return web.page(db, "exam/staff_secret.html", account=account, password=password, address=address, image=image,
                    hours=accounts.FIRST_PASSWORD_HOURS)  # fmt: skip


# --- roles and grants ------------------------------------------------------------------------------------------------


class RoleForm(msgspec.Struct, forbid_unknown_fields=True):
    """A role as its form sends it; `seen` is the version that the screen showed, 0 for a new role."""

    code: str
    name: str
    seen: int = 0
    permissions: list[str] = []


class GrantForm(msgspec.Struct, forbid_unknown_fields=True):
    """A role for a person, in one department or (empty) in all."""

    role: str
    department: str = ""


@web.get("/staff/rights", may="staff.rights")
def show_rights(request: AnyRequest, db: web.Db, q: FromQuery[str] = "") -> web.Page:
    """Who holds which role, and the roles."""
    found = [each for each in accounts.accounts(db, q[:50]) if each.kind == "staff"]
    roles = [each for each in accounts.role_list(db) if each.code not in accounts.ADMINISTRATORS]
    return web.page(
        db, "exam/staff_rights.html", accounts=found, q=q[:50], roles=roles, role_names={each.code: each.name for each in roles},
        departments=_departments(db), permissions=_permissions_by_room(db), is_own=lambda each: each.id == actor_of(db).staff_id,
    )  # fmt: skip


@web.get("/staff/rights/roles/{code:str}", may="staff.rights")
def show_role(request: AnyRequest, db: web.Db, code: FromPath[str]) -> web.Page:
    """One role with a box for every permission; `new` is the empty form of a new one."""
    role = next((each for each in accounts.role_list(db) if each.code == code and code not in accounts.ADMINISTRATORS), None)
    if role is None and code != "new":
        raise NotFound("没有该角色", "请从列表中选择")
    return web.page(db, "exam/staff_role.html", role=role, permissions=_permissions_by_room(db))


@web.post("/staff/rights/roles", may="staff.rights")
def set_role(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Makes a role or changes what it allows."""
    form = read_form(data, RoleForm, {"code": "角色编码", "name": "角色名称", "permissions": "权限"})
    accounts.set_role(db, form.code, form.name, form.permissions, form.seen)
    return web.back_to(db, "/staff/rights", toast="角色已保存,下一次操作即生效")


@web.post("/staff/rights/people/{staff_id:str}", may="staff.rights")
def grant(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FormData) -> web.Page:
    """Gives a role."""
    form = read_form(data, GrantForm, {"role": "角色", "department": "科室"})
    if form.department and form.department not in dict(_departments(db)):
        raise NotFound("没有该科室", "请从列表中选择科室")
    accounts.grant(db, web.uuid_of(staff_id), form.role, form.department)
    return web.back_to(db, "/staff/rights", toast="已授权,下一次操作即生效")


@web.post("/staff/rights/grants/{grant_id:str}/revoke", may="staff.rights")
def revoke(request: AnyRequest, db: web.Db, grant_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a role back."""
    accounts.revoke(db, web.uuid_of(grant_id))
    return web.back_to(db, "/staff/rights", toast="已收回,下一次操作即生效")


def _departments(db: web.Db) -> list[tuple[str, str]]:
    return [each for departments in house_of(db).modules.fillings(DEPARTMENTS) for each in departments(db)]


def _permissions_by_room(db: web.Db) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every room's permissions that may be given to a role; the administrators' own are fixed and not among them."""
    fixed = accounts.fixed_permissions(db)
    rooms = []
    for module in house_of(db).modules.all:
        permissions = [each for each in module.permissions.items() if each[0] not in fixed]
        if permissions:
            rooms.append((module.title, permissions))
    return rooms


routes = (
    show_accounts, create_account, show_account, reset_password, reset_second_factor, set_active, end_sessions,
    show_rights, show_role, set_role, grant, revoke,
)  # fmt: skip

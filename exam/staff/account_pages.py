"""Screens of the system administrator (accounts) and of the security administrator (roles and grants)."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar.params import FromPath, FromQuery

from exam.kit import web
from exam.kit.errors import NotFound
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.staff import accounts, practice, recovery, recovery_pages, rights, rules, service, signatures
from exam.staff.facts import DEPARTMENTS
from exam.staff.pages import AnyRequest, FormData

FIND_LABELS = {"q": "用户名或姓名", "status": "状态", "page": "页码"}
PRACTICE_LABELS = {"title": "职称", "specialty": "执业专业", "from_on": "起始日期", "source": "依据"}
NEW_LABELS = {"login": "用户名", "name": "姓名", "title": "职称", "kind": "账号类型"}


class FindForm(msgspec.Struct, forbid_unknown_fields=True):
    """What to look for, and which page of it."""

    q: str = ""
    status: str = ""
    page: int = 1


class ActiveForm(msgspec.Struct, forbid_unknown_fields=True):
    """Whether an account is to be open, and why not."""

    active: Literal["yes", "no"]
    reason: rules.Closed = rules.Closed.SUSPENDED


# --- accounts --------------------------------------------------------------------------------------------------------


@web.get("/staff", may="staff.accounts")
def show_accounts(request: AnyRequest, db: web.Db, status: FromQuery[str] = "", page: FromQuery[int] = 1) -> web.Page:
    """The accounts of this site, page by page."""
    return _accounts(db, "", status, page)


@web.post("/staff/find", may="staff.accounts", write=False)
def find_accounts(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """As `show_accounts`, by login or name; the words travel in the body, so a name stands in no address and no log."""
    form = read_form(data, FindForm, FIND_LABELS)
    return _accounts(db, form.q, form.status, form.page)


def _accounts(db: web.Db, q: str, status: str, page: int) -> web.Page:
    q, status = q.strip()[:50], status if status in accounts.STATUSES else ""
    return web.page(
        db, "exam/staff_accounts.html", found=accounts.find(db, q, status=status, page=page), q=q, chosen=status,
        statuses=[(str(code), name) for code, name in accounts.STATUSES.items()], kinds=list(accounts.KIND_NAMES.items()),
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
    closings = [(str(each), rules.CLOSED_NAMES[each]) for each in (rules.Closed.LEFT, rules.Closed.SUSPENDED)]
    return web.page(
        db, "exam/staff_account.html", account=account, sessions=service.sessions_of(db, account.id), closings=closings,
        recoveries=recovery.of_account(db, account.id), pictures=signatures.of_account(db, account.id),
        practices=practice.history(db, account.id), titles=[(each, each) for each in rules.TITLES],
        specialties=[(each, each) for each in rules.SPECIALTIES],
    )  # fmt: skip


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


@web.post("/staff/accounts/{staff_id:str}/practice", may="staff.accounts")
def set_practice(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FormData) -> web.Page:
    """Notes somebody's title and specialty from a day on."""
    each = web.uuid_of(staff_id)
    practice.set_practice(db, each, read_form(data, practice.NewPractice, PRACTICE_LABELS))
    return web.back_to(db, f"/staff/accounts/{each}", toast="职称与执业专业已登记")


@web.post("/staff/accounts/{staff_id:str}/active", may="staff.accounts")
def set_active(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FormData) -> web.Page:
    """Enables or disables an account."""
    form = read_form(data, ActiveForm, {"active": "启用或停用", "reason": "停用原因"})
    is_active = form.active == "yes"
    accounts.set_active(db, web.uuid_of(staff_id), is_active, form.reason)
    return web.back_to(db, f"/staff/accounts/{web.uuid_of(staff_id)}", toast="账号已启用" if is_active else "账号已停用")


@web.post("/staff/accounts/{staff_id:str}/sessions", may="staff.accounts")
def end_sessions(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FormData) -> web.Page:
    """Signs an account out everywhere."""
    accounts.end_all_sessions(db, web.uuid_of(staff_id))
    return web.back_to(db, f"/staff/accounts/{web.uuid_of(staff_id)}", toast="已强制退出")


def _secret(db: web.Db, staff_id: Any, password: str = "", address: str = "") -> web.Page:
    account = accounts.account(db, staff_id)
    return web.page(
        db, "exam/staff_secret.html", account=account, password=password, hours=accounts.FIRST_PASSWORD_HOURS,
        image=recovery_pages.qr_image(address) if address else "", secret=recovery_pages.typed_secret(address) if address else "",
    )  # fmt: skip


# --- roles and grants ------------------------------------------------------------------------------------------------


class RoleForm(msgspec.Struct, forbid_unknown_fields=True):
    """A role as its form sends it; `seen` is the version that the screen showed, 0 for a new role."""

    code: str
    name: str
    seen: int = 0
    permissions: list[str] = []


class GrantForm(msgspec.Struct, forbid_unknown_fields=True):
    """A role for a person, in one department or (empty) in all; `page` is the list's page it was given on, 0 if found by name."""

    role: str
    department: str = ""
    page: int = 0


class RevokeForm(msgspec.Struct, forbid_unknown_fields=True):
    """On which page of the list a role was taken back, 0 if found by name."""

    page: int = 0


class PersonForm(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to look for, and which page of the list."""

    q: str = ""
    page: int = 1


@web.get("/staff/rights", may="staff.rights")
def show_rights(request: AnyRequest, db: web.Db, page: FromQuery[int] = 1, person: FromQuery[str] = "") -> web.Page:
    """Who holds which role, page by page or one person (by id), and the roles."""
    if person:
        one = accounts.account(db, web.uuid_of(person))
        return _rights(db, accounts.Found([one], 1, 1, 1), "", is_one=True)
    return _rights(db, accounts.find(db, kind="staff", page=page), "")


@web.post("/staff/rights/find", may="staff.rights", write=False)
def find_rights(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """As `show_rights`, by login or name; the words travel in the body."""
    form = read_form(data, PersonForm, FIND_LABELS)
    q = form.q.strip()[:50]
    return _rights(db, accounts.find(db, q, kind="staff", page=form.page), q)


def _rights(db: web.Db, found: accounts.Found, q: str, is_one: bool = False) -> web.Page:
    roles = [each for each in rights.role_list(db) if each.code not in accounts.ADMINISTRATORS]
    return web.page(
        db, "exam/staff_rights.html", found=found, q=q, roles=roles, role_names={each.code: each.name for each in roles},
        departments=_departments(db), permissions=_permissions_by_room(db), is_own=lambda each: each.id == actor_of(db).staff_id,
        is_one=is_one, page=0 if q or is_one else found.page, waiting=recovery.count_open(db),
    )  # fmt: skip


@web.get("/staff/rights/roles/{code:str}", may="staff.rights")
def show_role(request: AnyRequest, db: web.Db, code: FromPath[str]) -> web.Page:
    """One role with a box for every permission; `new` is the empty form of a new one."""
    role = next((each for each in rights.role_list(db) if each.code == code and code not in accounts.ADMINISTRATORS), None)
    if role is None and code != "new":
        raise NotFound("没有该角色", "请从列表中选择")
    return web.page(db, "exam/staff_role.html", role=role, permissions=_permissions_by_room(db))


@web.post("/staff/rights/roles", may="staff.rights")
def set_role(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Makes a role or changes what it allows."""
    form = read_form(data, RoleForm, {"code": "角色编码", "name": "角色名称", "permissions": "权限"})
    rights.set_role(db, form.code, form.name, form.permissions, form.seen)
    return web.back_to(db, "/staff/rights", toast="角色已保存,下一次操作即生效")


@web.post("/staff/rights/people/{staff_id:str}", may="staff.rights")
def grant(request: AnyRequest, db: web.Db, staff_id: FromPath[str], data: FormData) -> web.Page:
    """Gives a role."""
    form = read_form(data, GrantForm, {"role": "角色", "department": "科室"})
    if form.department and form.department not in dict(_departments(db)):
        raise NotFound("没有该科室", "请从列表中选择科室")
    rights.grant(db, web.uuid_of(staff_id), form.role, form.department)
    return web.back_to(db, _list_of(form.page, web.uuid_of(staff_id)), toast="已授权,下一次操作即生效")


@web.post("/staff/rights/grants/{grant_id:str}/revoke", may="staff.rights")
def revoke(request: AnyRequest, db: web.Db, grant_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a role back."""
    form = read_form(data, RevokeForm, FIND_LABELS)
    whose = rights.revoke(db, web.uuid_of(grant_id))
    return web.back_to(db, _list_of(form.page, whose), toast="已收回,下一次操作即生效")


def _list_of(page: int, staff_id: UUID) -> str:
    """Where a right was changed: that page of the list, or that person alone."""
    return f"/staff/rights?page={page}" if page > 1 else "/staff/rights" if page == 1 else f"/staff/rights?person={staff_id}"


def _departments(db: web.Db) -> list[tuple[str, str]]:
    return [each for departments in house_of(db).modules.fillings(DEPARTMENTS) for each in departments(db)]


def _permissions_by_room(db: web.Db) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every room's permissions that may be given to a role; the administrators' own are fixed and not among them."""
    fixed = rights.fixed_permissions(db)
    rooms = []
    for module in house_of(db).modules.all:
        permissions = [each for each in module.permissions.items() if each[0] not in fixed]
        if permissions:
            rooms.append((module.title, permissions))
    return rooms


routes = (
    show_accounts, find_accounts, create_account, show_account, reset_password, reset_second_factor, set_practice, set_active, end_sessions,
    *recovery_pages.routes, show_rights, find_rights, show_role, set_role, grant, revoke,
)  # fmt: skip

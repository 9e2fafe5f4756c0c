"""Screens of group orders' first floor: rounds at a glance, organisations with their profile, contracts."""

from __future__ import annotations

from typing import Any

from litestar import Response
from litestar.params import FromPath, FromQuery

from exam.kit import sheets, web
from exam.kit.house import actor_of
from exam.people import service as people
from exam.visits.facts import CATEGORY_NAMES
from group_orders import organizations, progress, service
from group_orders.facts import BILLABLE_WHEN_NAMES, ORDER_STATE_NAMES, SETTLED_BY_NAMES
from group_orders.forms import AnyRequest, ContractForm, FormData, ProfileForm, RoundForm, read, reduction_texts
from group_orders.progress import ROUND_TAB_NAMES, RoundTab

ROUNDS = "/group-orders"
ORGANIZATIONS = "/group-orders/organizations"
CONTRACTS = "/group-orders/contracts"


# --- rounds ----------------------------------------------------------------------------------------------------------


@web.get(ROUNDS, may="group_orders.read")
def show_rounds(
    request: AnyRequest, db: web.Db, tab: FromQuery[RoundTab] = RoundTab.UNFINISHED, q: FromQuery[str] = "", page: FromQuery[int] = 1
) -> web.Page:
    """Rounds by how far they are: companies that are not finished come first (GRP-1)."""
    listed = progress.rounds(db, tab, q, page)
    return web.page(
        db, "group_orders/orders.html", listed=listed, tab=tab, tabs=ROUND_TAB_NAMES, q=q[:60], states=ORDER_STATE_NAMES,
        url=f"{ROUNDS}?tab={tab.value}", categories=CATEGORY_NAMES,
    )  # fmt: skip


@web.get(f"{ROUNDS}/export", may="group_orders.export")
def export_rounds(request: AnyRequest, db: web.Db, tab: FromQuery[RoundTab] = RoundTab.UNFINISHED, q: FromQuery[str] = "") -> Response[bytes]:
    """The rounds of a list as a workbook."""
    name = f"团检批次-{ROUND_TAB_NAMES[tab]}-{service.today_of(db).isoformat()}.xlsx"
    return web.download(progress.rounds_sheet(db, tab, q), name, sheets.XLSX)


# --- organisations ---------------------------------------------------------------------------------------------------


@web.get(ORGANIZATIONS, may="group_orders.read")
def show_organizations(request: AnyRequest, db: web.Db, q: FromQuery[str] = "", page: FromQuery[int] = 1) -> web.Page:
    """Organisations by name, pinyin, code or credit code."""
    return web.page(db, "group_orders/organizations.html", listed=organizations.organization_list(db, q, page), q=q[:60])


@web.get(f"{ORGANIZATIONS}/export", may="group_orders.export")
def export_organizations(request: AnyRequest, db: web.Db, q: FromQuery[str] = "") -> Response[bytes]:
    """The organisations that were looked for, as a workbook."""
    name = f"体检单位-{service.today_of(db).isoformat()}.xlsx"
    return web.download(organizations.organization_sheet(db, q), name, sheets.XLSX)


@web.post(ORGANIZATIONS, may="group_orders.manage")
def add_organization(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """A new organisation with its profile."""
    form = read(data, ProfileForm)
    organization_id = organizations.add(db, form.code, form.name, form.profile)
    return web.back_to(db, f"{ORGANIZATIONS}/{organization_id}", toast="单位已建立")


@web.get(f"{ORGANIZATIONS}/{{organization_id:str}}", may="group_orders.read")
def show_organization(request: AnyRequest, db: web.Db, organization_id: FromPath[str]) -> web.Page:
    """One organisation: its profile, contracts, rounds, and its members over the years."""
    found = organizations.profile(db, web.uuid_of(organization_id))
    return web.page(
        db, "group_orders/organizations_one.html", profile=found, contracts=organizations.contracts(db, found.id),
        rounds=progress.rounds(db, RoundTab.ALL, organization_id=found.id), years=progress.years_of(db, found.id), states=ORDER_STATE_NAMES,
        today=service.today_of(db), url=f"{ORGANIZATIONS}/{found.id}", **_contract_words(),
    )  # fmt: skip


def _contract_words() -> dict[str, Any]:
    return {"billable_when": BILLABLE_WHEN_NAMES, "settled_by": SETTLED_BY_NAMES}


@web.post(f"{ORGANIZATIONS}/{{organization_id:str}}", may="group_orders.manage")
def save_organization(request: AnyRequest, db: web.Db, organization_id: FromPath[str], data: FormData) -> web.Page:
    """Changes an organisation's profile."""
    form = read(data, ProfileForm)
    organizations.save(db, web.uuid_of(organization_id), form.profile, form.ver)
    return web.back_to(db, f"{ORGANIZATIONS}/{web.uuid_of(organization_id)}", toast="单位资料已保存")


@web.post(f"{ORGANIZATIONS}/{{organization_id:str}}/phone", may="group_orders.manage")
def reveal_phone(request: AnyRequest, db: web.Db, organization_id: FromPath[str]) -> web.Page:
    """The contact's phone in plain; the reading is in the audit."""
    plain = organizations.reveal_phone(db, web.uuid_of(organization_id))
    return web.page(db, "exam/people_revealed.html", label="联系电话", plain=plain)


# --- contracts -------------------------------------------------------------------------------------------------------


@web.post(f"{ORGANIZATIONS}/{{organization_id:str}}/contracts", may="group_orders.manage")
def add_contract(request: AnyRequest, db: web.Db, organization_id: FromPath[str], data: FormData) -> web.Page:
    """A new contract with an organisation."""
    contract_id = service.add_contract(db, read(data, ContractForm).contract(web.uuid_of(organization_id)))
    return web.back_to(db, f"{CONTRACTS}/{contract_id}", toast="合同已登记")


@web.get(f"{CONTRACTS}/{{contract_id:str}}", may="group_orders.read")
def show_contract(request: AnyRequest, db: web.Db, contract_id: FromPath[str]) -> web.Page:
    """One contract with its rounds, and the form that changes it."""
    row = service.contract_row(db, web.uuid_of(contract_id))
    return web.page(
        db, "group_orders/contracts_one.html", contract=row, organization=people.organization_name(db, row.organization_id),
        rounds=progress.rounds(db, RoundTab.ALL, contract_id=row.id), states=ORDER_STATE_NAMES, reductions=service.reductions_of(row),
        texts=reduction_texts(service.reductions_of(row)), categories=list(CATEGORY_NAMES.items()), today=service.today_of(db),
        may_manage=actor_of(db).may("group_orders.manage"), url=f"{CONTRACTS}/{row.id}", **_contract_words(),
    )  # fmt: skip


@web.post(f"{CONTRACTS}/{{contract_id:str}}", may="group_orders.manage")
def change_contract(request: AnyRequest, db: web.Db, contract_id: FromPath[str], data: FormData) -> web.Page:
    """Changes a contract."""
    form, row = read(data, ContractForm), service.contract_row(db, web.uuid_of(contract_id))
    service.change_contract(db, row.id, form.contract(row.organization_id), form.ver)
    return web.back_to(db, f"{CONTRACTS}/{row.id}", toast="合同已保存")


@web.post(f"{CONTRACTS}/{{contract_id:str}}/orders", may="group_orders.manage")
def add_round(request: AnyRequest, db: web.Db, contract_id: FromPath[str], data: FormData) -> web.Page:
    """A new round of a contract, as a draft."""
    order_id = service.add_order(db, read(data, RoundForm).order(web.uuid_of(contract_id)))
    return web.back_to(db, f"{ROUNDS}/{order_id}", toast="批次已建立,请设置分组和方案")


routes = (
    show_rounds, export_rounds, show_organizations, export_organizations, add_organization, show_organization, save_organization,
    reveal_phone, add_contract, show_contract, change_contract, add_round,
)  # fmt: skip

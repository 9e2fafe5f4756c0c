"""Organisations as group orders know them: found by name, pinyin or credit code, with their profile and the years' numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from exam.kit import audit, masks, sheets
from exam.kit.errors import BadInput, NotFound, Refused, Stale
from exam.kit.house import actor_of, house_of
from exam.people import service as people
from exam.people.models import Organization
from exam.people.rules import read_phone
from group_orders import rules
from group_orders.facts import ORDER_STATE_NAMES, OrderState
from group_orders.models import Contract, GroupOrder, Member, OrganizationProfile

PAGE_SIZE = 30
MOST_EXPORTED = 5_000
HEADER = ("单位名称", "单位编号", "统一社会信用代码", "联系人", "联系电话", "发票抬头", "行业", "合同数", "批次数", "在册人数")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation with what is on file of it; the phone of its contact is masked. `ver` 0: nothing was written down yet."""

    id: UUID
    code: str
    name: str
    credit_code: str = ""
    contact: str = ""
    phone_masked: str = ""
    address: str = ""
    invoice_title: str = ""
    bank_account: str = ""
    industry: str = ""
    remark: str = ""
    ver: int = 0


class NewProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be on file of an organisation. An empty phone leaves the one that is there."""

    credit_code: str = ""
    contact: str = ""
    phone: str = ""
    address: str = ""
    invoice_title: str = ""
    bank_account: str = ""
    industry: str = ""
    remark: str = ""


class OrganizationLine(msgspec.Struct, frozen=True):
    """One organisation of the list, with how many contracts, rounds and members it has at the actor's site."""

    profile: Profile
    contracts: int
    rounds: int
    open_rounds: int
    members: int


class OrganizationList(msgspec.Struct, frozen=True):
    """A page of organisations."""

    lines: tuple[OrganizationLine, ...]
    page: int
    pages: int
    total: int


def organization_list(db: Session, q: str = "", page: int = 1, size: int = PAGE_SIZE) -> OrganizationList:
    """Organisations by name, pinyin initials, code or credit code, each by its beginning; four statements."""
    known = (
        select(Organization, OrganizationProfile)
        .outerjoin(OrganizationProfile, OrganizationProfile.organization_id == Organization.id)
        .where(Organization.active, *_matches(q))
    )
    total = db.scalar(select(func.count()).select_from(known.subquery())) or 0
    pages = max(-(-total // size), 1)
    page = min(max(page, 1), pages)
    rows = db.execute(known.order_by(Organization.name, Organization.id).limit(size).offset((page - 1) * size)).all()
    counts = _counts(db, [row[0].id for row in rows])
    lines = tuple(OrganizationLine(_profile(db, row[0], row[1]), *counts.get(row[0].id, (0, 0, 0, 0))) for row in rows)
    return OrganizationList(lines, page, pages, total)


def _matches(q: str) -> list[ColumnElement[bool]]:
    text = " ".join(q.split())[:60]
    if not text:
        return []
    columns = ((Organization.name, text), (Organization.code, text), (Organization.pinyin, text.lower()),
               (OrganizationProfile.credit_code, text.upper()))  # fmt: skip
    found = []
    for column, beginning in columns:
        low, high = people.prefix_bounds(beginning)
        found.append((column >= low) & (column < high))
    return [or_(*found)]


def _counts(db: Session, ids: Sequence[UUID]) -> dict[UUID, tuple[int, int, int, int]]:
    site = actor_of(db).site
    contracts = dict(
        db.execute(
            select(Contract.organization_id, func.count())
            .where(Contract.organization_id.in_(ids), Contract.site == site)
            .group_by(Contract.organization_id)
        ).all()
    )
    is_open = GroupOrder.state.in_([str(state) for state in rules.TAKES_MEMBERS])
    rounds = db.execute(
        select(GroupOrder.organization_id, func.count(), func.count().filter(is_open))
        .where(GroupOrder.organization_id.in_(ids), GroupOrder.site == site)
        .group_by(GroupOrder.organization_id)
    ).all()
    members = dict(
        db.execute(
            select(GroupOrder.organization_id, func.count(func.distinct(Member.person_id)))
            .join(Member, Member.order_id == GroupOrder.id)
            .where(GroupOrder.organization_id.in_(ids), GroupOrder.site == site, Member.left_at.is_(None))
            .group_by(GroupOrder.organization_id)
        ).all()
    )
    of_rounds = {row[0]: (row[1], row[2]) for row in rounds}
    return {each: (contracts.get(each, 0), *of_rounds.get(each, (0, 0)), members.get(each, 0)) for each in ids}


def organization_sheet(db: Session, q: str) -> bytes:
    """The list as a workbook; phones are masked, the export is audited."""
    listed = organization_list(db, q, size=MOST_EXPORTED)
    audit.read(db, "group_orders.export_organizations", "organizations", f"{len(listed.lines)} 行")
    rows = [
        (each.profile.name, each.profile.code, each.profile.credit_code, each.profile.contact, each.profile.phone_masked,
         each.profile.invoice_title, each.profile.industry, each.contracts, each.rounds, each.members)
        for each in listed.lines
    ]  # fmt: skip
    return sheets.workbook([("单位", HEADER, rows)])


def _row(db: Session, organization_id: UUID) -> Organization:
    row = db.get(Organization, organization_id)
    if row is None or not row.active:
        raise NotFound("没有找到该单位", "请从单位列表重新进入")
    return row


def profile(db: Session, organization_id: UUID) -> Profile:
    """One organisation; not found when it does not exist."""
    return _profile(db, _row(db, organization_id), db.get(OrganizationProfile, organization_id))


def _profile(db: Session, row: Organization, known: OrganizationProfile | None) -> Profile:
    if known is None:
        return Profile(id=row.id, code=row.code, name=row.name)
    return Profile(
        id=row.id, code=row.code, name=row.name, credit_code=known.credit_code, contact=known.contact,
        phone_masked=masks.mask_phone(_phone(db, known)), address=known.address, invoice_title=known.invoice_title,
        bank_account=known.bank_account, industry=known.industry, remark=known.remark, ver=known.ver,
    )  # fmt: skip


def _place(organization_id: UUID) -> str:
    return f"group_orders_organization.phone:{organization_id}"


def _phone(db: Session, known: OrganizationProfile) -> str:
    return house_of(db).cipher.open(known.phone, _place(known.organization_id))


def reveal_phone(db: Session, organization_id: UUID) -> str:
    """The contact's phone in plain, with a row in the audit."""
    known = db.get(OrganizationProfile, _row(db, organization_id).id)
    plain = _phone(db, known) if known is not None else ""
    if not plain:
        raise Refused("group_orders.no_phone", "该单位没有登记联系电话", "请在单位资料中填写", "phone")
    audit.read(db, "group_orders.reveal_phone", f"organization:{organization_id}")
    return plain


def add(db: Session, code: str, name: str, new: NewProfile) -> UUID:
    """A new organisation with its profile. Without a code of its own its credit code is taken."""
    checked = _checked(new)
    organization_id = people.add_organization(db, code.strip() or checked.credit_code, name)
    db.flush()
    save(db, organization_id, checked, 0)
    return organization_id


def save(db: Session, organization_id: UUID, new: NewProfile, ver: int) -> None:
    """Writes an organisation's profile down. `ver` is the version that was seen, 0 for none."""
    organization = _row(db, organization_id)
    checked = _checked(new)
    _refuse_known_code(db, organization_id, checked.credit_code)
    row = db.get(OrganizationProfile, organization_id)
    if (row.ver if row else 0) != ver:
        raise Stale("该单位资料已被他人修改")
    values: dict[str, Any] = {
        "credit_code": checked.credit_code, "contact": checked.contact, "address": checked.address,
        "invoice_title": checked.invoice_title, "bank_account": checked.bank_account, "industry": checked.industry, "remark": checked.remark,
    }  # fmt: skip
    if checked.phone or row is None:
        values["phone"] = house_of(db).cipher.seal(checked.phone, _place(organization_id))
    if row is None:
        db.add(OrganizationProfile(organization_id=organization_id, ver=1, **values))
    else:
        for name, value in values.items():
            setattr(row, name, value)
    audit.note(db, "group_orders.save_organization", subject=f"organization:{organization.code}")


def _checked(new: NewProfile) -> NewProfile:
    problems: list[tuple[str, str]] = []
    credit_code, phone = "", ""
    try:
        credit_code = rules.read_credit_code(new.credit_code)
    except BadInput as bad:
        problems += bad.problems
    try:
        phone = read_phone(new.phone)
    except Refused as refused:
        problems.append(("phone", f"{refused.text},{refused.hint}"))
    account = new.bank_account.replace(" ", "")
    if problems:
        raise BadInput(problems, code="group_orders.organization")
    plain = {name: getattr(new, name).strip() for name in ("contact", "address", "invoice_title", "industry", "remark")}
    return NewProfile(credit_code=credit_code, phone=phone, bank_account=account, **plain)


def _refuse_known_code(db: Session, organization_id: UUID, credit_code: str) -> None:
    if not credit_code:
        return
    other = db.scalar(
        select(Organization.name)
        .join(OrganizationProfile, OrganizationProfile.organization_id == Organization.id)
        .where(OrganizationProfile.credit_code == credit_code, Organization.id != organization_id)
        .limit(1)
    )
    if other:
        raise BadInput([("credit_code", f"该信用代码已登记在“{other}”名下,请核对是否为同一单位")])


# --- what an organisation has had done -------------------------------------------------------------------------------


class ContractLine(msgspec.Struct, frozen=True):
    """A contract with its rounds' number."""

    row: Contract
    rounds: int


def contracts(db: Session, organization_id: UUID) -> tuple[ContractLine, ...]:
    """An organisation's contracts at the actor's site, the newest first; one statement."""
    rows = db.execute(
        select(Contract, func.count(GroupOrder.id))
        .outerjoin(GroupOrder, GroupOrder.contract_id == Contract.id)
        .where(Contract.organization_id == organization_id, Contract.site == actor_of(db).site)
        .group_by(Contract.id)
        .order_by(Contract.starts_on.desc(), Contract.id.desc())
    )
    return tuple(ContractLine(row, count) for row, count in rows)


def state_name(state: str) -> str:
    """What a round's state is called."""
    return ORDER_STATE_NAMES[OrderState(state)]

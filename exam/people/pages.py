"""Screens of people: find a file, show one masked field plainly for a reason, correct the basics, organisations."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery

from exam.kit import web
from exam.kit.errors import NotFound
from exam.kit.forms import read_form
from exam.kit.house import actor_of
from exam.people import service
from exam.people.facts import ID_KIND_NAMES, SEX_NAMES, IdKind, NewPerson

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

LABELS = {
    "name": "姓名", "id_kind": "证件类型", "id_no": "证件号码", "sex": "性别", "birth_on": "出生日期", "phone": "电话",
    "address": "地址", "nation": "民族", "marital": "婚姻状况", "organization": "单位", "reason": "原因", "ver": "版本",
}  # fmt: skip
ORGANIZATION_LABELS = {"code": "单位编号", "name": "单位名称"}
MOST_ORGANIZATIONS = 200


class RevealForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which masked field is to be shown, and why."""

    field: str
    reason: str = ""


class CorrectionForm(msgspec.Struct, forbid_unknown_fields=True):
    """A correction; a number, phone or address left empty stays what it is."""

    name: str
    sex: str
    birth_on: date
    ver: int
    reason: str = ""
    id_kind: IdKind = IdKind.RESIDENT
    id_no: str = ""
    phone: str = ""
    address: str = ""
    nation: str = ""
    marital: str = ""
    organization: UUID | None = None


class OrganizationForm(msgspec.Struct, forbid_unknown_fields=True):
    """A new organisation."""

    code: str
    name: str


class OrganizationFound(msgspec.Struct):
    """An organisation that fits what was typed."""

    id: UUID
    code: str
    name: str


@web.get("/people", may="people.read")
def show_people(request: AnyRequest, db: web.Db) -> web.Page:
    """The search form; nothing is listed unasked."""
    return _found(db, "")


@web.post("/people", may="people.read", write=False)
def find_people(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Files by whole number or phone, last four, name or pinyin by prefix. The words are in the body: a typed document number
    stands in no address and no log.
    """
    return _found(db, str(data.get("q", "")))


def _found(db: web.Db, q: str) -> web.Page:
    text = q.strip()[:60]
    found = service.search(db, text) if text else []
    names: dict[str, Any] = {"sexes": SEX_NAMES, "kinds": ID_KIND_NAMES}
    return web.page(db, "exam/people_list.html", q=text, people=found, most=service.MOST_FOUND, **names)


@web.post("/people/{person_id:str}/reveal", may="people.reveal")
def reveal(request: AnyRequest, db: web.Db, person_id: FromPath[str], data: FormData) -> web.Page:
    """One masked field in plain text, with the reason in the audit."""
    form = read_form(data, RevealForm, {"field": "查看内容", "reason": "查看原因"})
    plain = service.reveal(db, web.uuid_of(person_id), form.field, form.reason)
    return web.page(db, "exam/people_revealed.html", label=service.REVEALABLE[form.field], plain=plain)


@web.get("/people/{person_id:str}/correct", may="people.correct")
def show_correction(request: AnyRequest, db: web.Db, person_id: FromPath[str]) -> web.Page:
    """The form of a correction; numbers stay masked and are only typed anew."""
    basics = service.basics(db, web.uuid_of(person_id))
    organization = service.organization_name(db, basics.organization_id)
    return web.page(
        db, "exam/people_correct.html", basics=basics, person=service.person(db, basics.id), kinds=ID_KIND_NAMES,
        organization=organization, organizations=service.organizations(db, limit=MOST_ORGANIZATIONS),
    )  # fmt: skip


@web.post("/people/{person_id:str}/correct", may="people.correct")
def correct(request: AnyRequest, db: web.Db, person_id: FromPath[str], data: FormData) -> web.Page:
    """Corrects the basics, with a reason."""
    form = read_form(data, CorrectionForm, LABELS)
    new = NewPerson(
        name=form.name, id_kind=form.id_kind if form.id_no else IdKind.NONE, id_no=form.id_no, sex=form.sex, birth_on=form.birth_on,
        phone=form.phone, address=form.address, nation=form.nation, marital=form.marital, organization_id=form.organization,
    )  # fmt: skip
    service.correct(db, web.uuid_of(person_id), new, form.ver, form.reason)
    return web.back_to(db, f"/people/{web.uuid_of(person_id)}", toast="档案已更正")


@web.get("/organizations", may="people.read")
def show_organizations(request: AnyRequest, db: web.Db, q: FromQuery[str] = "") -> web.Page:
    """Organisations by name, code or pinyin initials."""
    found = service.organizations(db, q[:60], limit=MOST_ORGANIZATIONS)
    may_add = actor_of(db).may("people.organizations")
    return web.page(db, "exam/people_organizations.html", q=q[:60], organizations=found, may_add=may_add, most=MOST_ORGANIZATIONS)


@web.post("/organizations", may="people.organizations")
def add_organization(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """A new organisation."""
    form = read_form(data, OrganizationForm, ORGANIZATION_LABELS)
    service.add_organization(db, form.code, form.name)
    return web.back_to(db, "/organizations", toast="单位已添加")


@web.get("/api/organizations", may="people.read")
def find_organizations(request: AnyRequest, db: web.Db, q: FromQuery[str] = "") -> list[OrganizationFound]:
    """Organisations for a search field."""
    if len(q) > 60:
        raise NotFound("没有找到单位", "请缩短查询内容")
    return [OrganizationFound(*each) for each in service.organizations(db, q, limit=20)]


routes = (
    show_people, find_people, reveal, show_correction, correct, show_organizations, add_organization,
    find_organizations,
)  # fmt: skip

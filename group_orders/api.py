"""Group orders as JSON: organisations, rounds with their progress, and members, for other programs of the hospital."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec
from litestar.params import FromPath, FromQuery

from exam.kit import audit, web
from exam.visits.facts import VisitState
from group_orders import member_lists, members, organizations, progress
from group_orders.facts import OrderState
from group_orders.forms import AnyRequest, department_of
from group_orders.member_lists import MemberFilters
from group_orders.organizations import Profile
from group_orders.progress import MemberTab, RoundLine, RoundTab


class OrganizationsAnswer(msgspec.Struct):
    """A page of organisations."""

    organizations: list[Profile]
    page: int
    pages: int
    total: int


class RoundsAnswer(msgspec.Struct):
    """A page of rounds; `companies` is how many organisations the whole list has."""

    rounds: list[RoundLine]
    companies: int
    page: int
    pages: int
    total: int


class MemberAnswer(msgspec.Struct, kw_only=True):
    """A member with where their visit stands; no document number and no phone."""

    id: UUID
    visit_no: str
    name: str
    sex: str
    age: int
    state: VisitState
    exam_on: date | None
    cohort: str
    department: str
    employee_no: str
    relation: str
    of_member_id: UUID | None
    checked_in: bool
    amount_due_fen: int


class MembersAnswer(msgspec.Struct):
    """A page of a round's members; `counts` by list."""

    members: list[MemberAnswer]
    counts: dict[str, int]
    state: OrderState
    page: int
    pages: int
    total: int


@web.get("/api/group-orders/organizations", may="group_orders.read")
def list_organizations(request: AnyRequest, db: web.Db, q: FromQuery[str] = "", page: FromQuery[int] = 1) -> OrganizationsAnswer:
    """Organisations by the beginning of name, pinyin initials, code or credit code; the contact's phone is masked."""
    listed = organizations.organization_list(db, q, page)
    return OrganizationsAnswer([each.profile for each in listed.lines], listed.page, listed.pages, listed.total)


@web.get("/api/group-orders/rounds", may="group_orders.read")
def list_rounds(
    request: AnyRequest, db: web.Db, tab: FromQuery[RoundTab] = RoundTab.UNFINISHED, q: FromQuery[str] = "", page: FromQuery[int] = 1
) -> RoundsAnswer:
    """Rounds with their counts; `unfinished` lists those whose companies still have somebody to come or to finish."""
    listed = progress.rounds(db, tab, q, page)
    return RoundsAnswer(list(listed.lines), listed.organizations, listed.page, listed.pages, listed.total)


@web.get("/api/group-orders/rounds/{order_id:str}", may="group_orders.read")
def show_round(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> RoundLine:
    """One round with its counts."""
    return progress.round_line(db, members.order_row(db, web.uuid_of(order_id)))


@web.get("/api/group-orders/rounds/{order_id:str}/members", may="group_orders.read")
def list_members(
    request: AnyRequest, db: web.Db, order_id: FromPath[str], tab: FromQuery[MemberTab] = MemberTab.ALL, department: FromQuery[str] = "",
    page: FromQuery[int] = 1,
) -> MembersAnswer:  # fmt: skip
    """A round's members by list and department; the reading is audited."""
    row = members.order_row(db, web.uuid_of(order_id))
    listed = member_lists.member_list(db, row.id, MemberFilters(tab, department=department_of(department)), page)
    audit.read(db, "group_orders.read_members", f"group_order:{row.order_no}", f"{tab.value} 第 {listed.page} 页")
    found = [
        MemberAnswer(
            id=line.id, visit_no=line.card.visit_no, name=line.card.person_name, sex=line.card.sex, age=line.card.age, state=line.card.state,
            exam_on=None if line.card.state.value in progress.AWAY else line.card.exam_on, cohort=line.cohort, department=line.department,
            employee_no=line.employee_no, relation=line.relation, of_member_id=line.of_member_id,
            checked_in=line.card.checked_in_at is not None, amount_due_fen=line.card.amount_due_fen,
        )
        for line in listed.lines
    ]  # fmt: skip
    counts = {name.value: count for name, count in listed.counts.items()}
    return MembersAnswer(found, counts, OrderState(row.state), listed.page, listed.pages, listed.total)


routes = (list_organizations, list_rounds, show_round, list_members)

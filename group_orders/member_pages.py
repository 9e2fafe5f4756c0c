"""Screens of a round's members: the lists behind every count, a late member, and what can be done for one of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Response
from litestar.params import FromPath, FromQuery
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.kit import audit, idempotency, sheets, web
from exam.kit.errors import BadInput, Refused
from exam.kit.house import actor_of, house_of
from exam.people import rules as people_rules
from exam.people import service as people
from exam.people.facts import ID_KIND_NAMES, IdKind, NewPerson
from group_orders import member_lists, members, progress, roster_rules, roster_staging, rounds, rules, service, tasks
from group_orders.facts import MemberDraft
from group_orders.forms import AnyRequest, ChooseForm, DayForm, FindForm, FormData, MemberForm, MoveForm, ReasonForm, read
from group_orders.models import Cohort, GroupOrder, Member
from group_orders.order_pages import rule_words, url_of
from group_orders.progress import MEMBER_TAB_NAMES, MemberTab
from group_orders.roster_fields import MARITAL_STATES

MEMBERS = "/group-orders/members"
RELATIONS = ("配偶", "父亲", "母亲", "子女", "其他亲属")


# --- lists -----------------------------------------------------------------------------------------------------------


@web.get("/group-orders/{order_id:str}/members", may="group_orders.read")
def show_members(
    request: AnyRequest, db: web.Db, order_id: FromPath[str], tab: FromQuery[MemberTab] = MemberTab.ALL, cohort: FromQuery[str] = "",
    department: FromQuery[str] = "", day: FromQuery[str] = "", page: FromQuery[int] = 1,
) -> web.Page:  # fmt: skip
    """A list of a round's members: the one behind a count."""
    data = {"tab": tab.value, "cohort": cohort, "department": department, "day": day, "page": str(page)}
    return _list_page(db, web.uuid_of(order_id), read(data, FindForm))


@web.post("/group-orders/{order_id:str}/members", may="group_orders.read", write=False)
def find_members(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """As `show_members`, with the words in the body: a name stands in no address and no log."""
    return _list_page(db, web.uuid_of(order_id), read(data, FindForm))


def _fields(form: FindForm) -> dict[str, str]:
    return {
        "tab": form.tab.value, "cohort": str(form.cohort or ""), "department": form.department,
        "day": form.day.isoformat() if form.day else "", "q": form.q,
    }  # fmt: skip


def _list_page(db: Session, order_id: UUID, form: FindForm) -> web.Page:
    row = members.order_row(db, order_id)
    listed = member_lists.member_list(db, row.id, form.filters, form.page)
    fields = _fields(form)
    kept = "&".join(f"{name}={value}" for name, value in fields.items() if value and name not in ("tab", "q"))
    audit.read(db, "group_orders.read_members", f"group_order:{row.order_no}", f"{MEMBER_TAB_NAMES[form.tab]} 第 {listed.page} 页")
    return web.page(
        db, "group_orders/members.html", order=progress.round_line(db, row), listed=listed, tab=form.tab, tabs=MEMBER_TAB_NAMES, fields=fields,
        kept=kept, url=url_of(row.id), cohorts=[(str(each.id), each.name) for each, _ in service.cohorts_of(db, row.id)],
        departments=[(each or "-", each or "未填部门") for each in member_lists.departments(db, row.id)],
        days=[(day.isoformat(), f"{day.isoformat()} {count} 人") for day, count in member_lists.booked_days(db, row.id).items()],
        is_searched=bool(form.q or form.cohort or form.department or form.day), takes=row.state in rules.TAKES_MEMBERS,
    )  # fmt: skip


@web.post("/group-orders/{order_id:str}/members/export", may="group_orders.export", write=False)
def export_members(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> Response[bytes]:
    """What was looked for, as a workbook."""
    row, form = members.order_row(db, web.uuid_of(order_id)), read(data, FindForm)
    name = f"{row.name}-{MEMBER_TAB_NAMES[form.tab]}-{service.today_of(db).isoformat()}.xlsx"
    return web.download(member_lists.member_sheet(db, row, form.filters), name, sheets.XLSX)


# --- a late member, a replacement ------------------------------------------------------------------------------------


@web.get("/group-orders/{order_id:str}/members/add", may="group_orders.import")
def show_adding(request: AnyRequest, db: web.Db, order_id: FromPath[str], of: FromQuery[str] = "") -> web.Page:
    """The form of a late member; with `of`, of that employee's family."""
    row = members.order_row(db, web.uuid_of(order_id))
    rules.require_takes_members(row.state)
    employee = members.member_row(db, web.uuid_of(of)) if of else None
    of_whom = member_lists.one_member(db, employee) if employee else None
    return web.page(db, "group_orders/members_add.html", **_form_values(db, row), replaced=None, employee=of_whom)


def _form_values(db: Session, row: GroupOrder) -> dict[str, Any]:
    return {
        "order": progress.round_line(db, row), "url": url_of(row.id), "kinds": list(ID_KIND_NAMES.items()), "marital": MARITAL_STATES,
        "cohorts": [(each.id, f"{each.name}({rule_words(rounds.rule_of(each))})") for each, _ in service.cohorts_of(db, row.id)],
        "departments": [each for each in member_lists.departments(db, row.id) if each], "relations": RELATIONS, "key": house_of(db).ids.new().hex,
    }  # fmt: skip


@web.post("/group-orders/{order_id:str}/members/add", may="group_orders.import")
def add_member(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """Adds a late member; the same form sent twice adds one."""
    row, form = members.order_row(db, web.uuid_of(order_id)), read(data, MemberForm)
    member_id = idempotency.once(
        db, form.key, ("group_orders.add", row.id, form), UUID, lambda: members.add_one(db, row.id, _draft_of(db, row, form, form.cohort_id))
    )
    return web.back_to(db, f"{MEMBERS}/{member_id}", toast=f"{form.name} 已加入名单")


def _draft_of(db: Session, row: GroupOrder, form: MemberForm, cohort_id: UUID | None) -> MemberDraft:
    kind = form.id_kind if form.id_no else IdKind.NONE
    person = people_rules.check_person(
        NewPerson(name=form.name, id_kind=kind, id_no=form.id_no, sex=form.sex, birth_on=form.birth_on, phone=form.phone, marital=form.marital),
        service.today_of(db),
    )
    if form.relation and not form.of_employee_no:
        raise BadInput([("of_employee_no", "家属须填写员工的工号")])
    if form.relation and _employee(db, row.id, form.of_employee_no) is None:
        raise BadInput([("of_employee_no", f"名单中没有工号为“{form.of_employee_no}”的员工,请先添加员工")])
    return MemberDraft(
        row=1, person_id=people.find_by_document(db, person.id_kind, person.id_no), name=person.name, id_kind=person.id_kind,
        id_no=person.id_no, sex=person.sex, birth_on=person.birth_on, phone=person.phone, marital=person.marital,
        department=form.department, job=form.job, post=form.post, employee_no="" if form.relation else form.employee_no,
        cohort_id=cohort_id or _cohort_by_rule(db, row, form, person), relation=form.relation,
        of_employee_no=form.of_employee_no if form.relation else "", remark=form.remark,
    )  # fmt: skip


def _employee(db: Session, order_id: UUID, employee_no: str) -> UUID | None:
    return db.scalar(
        select(Member.id).where(
            Member.order_id == order_id, Member.employee_no == employee_no, Member.relation == "", Member.left_at.is_(None)
        ).limit(1)
    )  # fmt: skip


def _cohort_by_rule(db: Session, row: GroupOrder, form: MemberForm, person: Any) -> UUID:
    fitting = roster_rules.Fitting(person.sex, person.birth_on, person.marital, form.job, form.post)
    found = roster_rules.cohort_for(fitting, roster_staging.cohort_rules(db, row.id), row.closes_on)
    if len(found) == 1:
        return found[0].cohort_id
    told = f"符合多个分组:{'、'.join(each.name for each in found)}" if found else "不符合任何分组的条件"
    raise BadInput([("cohort_id", f"按性别、年龄等条件{told},请选择分组")])


# --- one member ------------------------------------------------------------------------------------------------------


@web.get(f"{MEMBERS}/{{member_id:str}}", may="group_orders.read")
def show_member(request: AnyRequest, db: web.Db, member_id: FromPath[str]) -> web.Page:
    """One member: who, in which cohort, what can be chosen, their family, and what can be done."""
    member = members.member_row(db, web.uuid_of(member_id))
    row = members.order_row(db, member.order_id)
    line = member_lists.one_member(db, member)
    audit.read(db, "group_orders.read_member", f"visit:{line.card.visit_no}")
    actor = actor_of(db)
    is_here = member.left_at is None
    takes = row.state in rules.TAKES_MEMBERS and is_here
    return web.page(
        db, "group_orders/members_one.html", member=line, order=progress.round_line(db, row), url=f"{MEMBERS}/{member.id}", order_url=url_of(row.id),
        person=people.person(db, member.person_id), family=member_lists.family_of(db, member), replaced=_other(db, member.replaces_id),
        choices=rounds.choices_of(db, member) if takes else [], cohorts=_other_cohorts(db, row, member),
        takes=takes and actor.may("group_orders.import"), may_book=takes and actor.may("group_orders.book"), today=service.today_of(db),
        may_visit=actor.may("registration.read"), replaced_by=_replaced_by(db, member),
    )  # fmt: skip


def _other(db: Session, member_id: UUID | None) -> member_lists.MemberLine | None:
    return member_lists.one_member(db, members.member_row(db, member_id)) if member_id else None


def _replaced_by(db: Session, member: Member) -> member_lists.MemberLine | None:
    return _other(db, db.scalar(select(Member.id).where(Member.replaces_id == member.id).limit(1)))


def _other_cohorts(db: Session, row: GroupOrder, member: Member) -> list[tuple[UUID, str]]:
    """Cohorts of this and of the organisation's other rounds that take members."""
    rows = db.execute(
        select(Cohort.id, Cohort.name, GroupOrder.id.label("order_id"), GroupOrder.name.label("round"))
        .join(GroupOrder, GroupOrder.id == Cohort.order_id)
        .where(
            GroupOrder.organization_id == row.organization_id, GroupOrder.site == row.site, Cohort.active,
            GroupOrder.state.in_([str(state) for state in rules.TAKES_MEMBERS]),
        )
        .order_by(GroupOrder.opens_on, Cohort.position)
    )  # fmt: skip
    found = []
    for each in rows:
        now = "(当前,改用最新方案)" if each.id == member.cohort_id else ""
        found.append((each.id, f"{each.name}{now}" if each.order_id == row.id else f"{each.round} · {each.name}"))
    return found


def _back(db: Session, member_id: UUID, toast: str) -> web.Page:
    return web.back_to(db, f"{MEMBERS}/{member_id}", toast=toast)


@web.post(f"{MEMBERS}/{{member_id:str}}/move", may="group_orders.import")
def move_member(request: AnyRequest, db: web.Db, member_id: FromPath[str], data: FormData) -> web.Page:
    """Another cohort, another round, or the newest offer."""
    members.move_to_cohort(db, web.uuid_of(member_id), read(data, MoveForm).cohort_id)
    return _back(db, web.uuid_of(member_id), "已调整分组,未检项目按新方案执行")


@web.post(f"{MEMBERS}/{{member_id:str}}/choose", may="group_orders.import")
def choose(request: AnyRequest, db: web.Db, member_id: FromPath[str], data: FormData) -> web.Page:
    """Which of the optional groups the member takes."""
    rounds.choose(db, web.uuid_of(member_id), read(data, ChooseForm).chosen)
    return _back(db, web.uuid_of(member_id), "可选项目已保存")


@web.post(f"{MEMBERS}/{{member_id:str}}/book", may="group_orders.book")
def book_member(request: AnyRequest, db: web.Db, member_id: FromPath[str], data: FormData) -> web.Page:
    """A day for one member, or another day."""
    member, day = members.member_row(db, web.uuid_of(member_id)), read(data, DayForm).exam_on
    if member.left_at is not None:
        raise Refused("group_orders.member_left", "该成员已移出名单,不能预约", "请先重新加入名单")
    tasks.book(db, member, day)
    return _back(db, member.id, f"已预约 {day.isoformat()}")


@web.post(f"{MEMBERS}/{{member_id:str}}/unbook", may="group_orders.book")
def unbook_member(request: AnyRequest, db: web.Db, member_id: FromPath[str], data: FormData) -> web.Page:
    """The member has no day any more, and stays on the list."""
    tasks.unbook(db, members.member_row(db, web.uuid_of(member_id), lock=True), read(data, ReasonForm).reason)
    return _back(db, web.uuid_of(member_id), "已取消预约,仍在名单中")


@web.post(f"{MEMBERS}/{{member_id:str}}/remove", may="group_orders.import")
def remove_member(request: AnyRequest, db: web.Db, member_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a member off the list who was not given a day."""
    member = members.member_row(db, web.uuid_of(member_id), lock=True)
    if members.withdraw(db, [member], read(data, ReasonForm).reason) != 1:
        raise Refused("group_orders.member_begun", "该成员已预约或到检,不能移出名单", "请先取消其预约")
    return _back(db, member.id, "已移出名单")


@web.get(f"{MEMBERS}/{{member_id:str}}/replace", may="group_orders.import")
def show_replacing(request: AnyRequest, db: web.Db, member_id: FromPath[str]) -> web.Page:
    """The form of whoever comes instead."""
    member = members.member_row(db, web.uuid_of(member_id))
    row = members.order_row(db, member.order_id)
    return web.page(db, "group_orders/members_add.html", **_form_values(db, row), replaced=member_lists.one_member(db, member), employee=None)


@web.post(f"{MEMBERS}/{{member_id:str}}/replace", may="group_orders.import")
def replace_member(request: AnyRequest, db: web.Db, member_id: FromPath[str], data: FormData) -> web.Page:
    """Somebody else comes instead; place and cohort stay."""
    member, form = members.member_row(db, web.uuid_of(member_id)), read(data, MemberForm)
    row = members.order_row(db, member.order_id)

    def replaced() -> UUID:
        return members.replace(db, member.id, _draft_of(db, row, form, member.cohort_id), form.reason)

    new_id = idempotency.once(db, form.key, ("group_orders.replace", member.id, form), UUID, replaced)
    return _back(db, new_id, f"已由 {form.name} 替换")


routes = (
    show_members, find_members, export_members, show_adding, add_member, show_member, move_member, choose, book_member, unbook_member,
    remove_member, show_replacing, replace_member,
)  # fmt: skip

"""The members behind every count of a round: searched, filtered, paged, exported, family right after their employee."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, cast
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from exam.kit import audit, ids, masks, sheets
from exam.kit.errors import Refused
from exam.kit.house import actor_of
from exam.people import service as people
from exam.people.facts import SEX_NAMES
from exam.visits import service as visits
from exam.visits.facts import VISIT_STATE_NAMES, VisitCard
from exam.visits.models import Visit, VisitBoard
from group_orders.models import Cohort, GroupOrder, Member
from group_orders.progress import AWAY, MEMBER_TAB_NAMES, MOST_EXPORTED, PAGE_SIZE, MemberTab, is_in

MEMBERS_HEADER = (
    "姓名", "性别", "年龄", "联系电话", "工号", "部门", "岗位", "职务", "家属", "分组", "体检号", "状态", "体检日期", "到检", "个人应缴(元)",
    "移出原因", "备注",
)  # fmt: skip


class MemberFilters(msgspec.Struct, frozen=True):
    """Which members of a round: a list, a cohort, a department (None: any), a day they are booked for, what was searched for."""

    tab: MemberTab = MemberTab.ALL
    cohort_id: UUID | None = None
    department: str | None = None
    day: date | None = None
    q: str = ""


class MemberLine(msgspec.Struct, frozen=True, kw_only=True):
    """A member with their visit. `of_name` is the employee whose family they are."""

    id: UUID
    card: VisitCard
    cohort_id: UUID
    cohort: str
    employee_no: str
    department: str
    job: str
    post: str
    relation: str
    of_member_id: UUID | None
    of_name: str
    remark: str
    left_reason: str
    is_away: bool
    registered: bool


class MemberList(msgspec.Struct, frozen=True):
    """A page of members; `counts` by list, under the same cohort, department, day and search."""

    lines: tuple[MemberLine, ...]
    counts: dict[MemberTab, int]
    page: int
    pages: int
    total: int


_EMPLOYEE = aliased(Member)
_EMPLOYEE_VISIT = aliased(Visit)


def _known(db: Session, order_id: UUID, filters: MemberFilters) -> Select[Any]:
    found: Any = (
        select(Member, Cohort.name, VisitBoard.registered_at, _EMPLOYEE_VISIT.person_name)
        .join(Cohort, Cohort.id == Member.cohort_id)
        .join(VisitBoard, VisitBoard.visit_id == Member.visit_id)
        .join(Visit, Visit.id == Member.visit_id)
        .outerjoin(_EMPLOYEE, _EMPLOYEE.id == Member.of_member_id)
        .outerjoin(_EMPLOYEE_VISIT, _EMPLOYEE_VISIT.id == _EMPLOYEE.visit_id)
        .where(Member.order_id == order_id, Member.site == actor_of(db).site)
    )
    if filters.cohort_id:
        found = found.where(Member.cohort_id == filters.cohort_id)
    if filters.department is not None:
        found = found.where(Member.department == filters.department)
    if filters.day:
        found = found.where(VisitBoard.exam_on == filters.day, VisitBoard.state.not_in(AWAY))
    if filters.q.strip():
        found = found.where(_of_person(db, " ".join(filters.q.split())))
    return cast("Select[Any]", found)


def in_order() -> tuple[Any, ...]:
    """The order of a list: by department and employee, family right after their employee."""
    own = func.coalesce(_EMPLOYEE.employee_no, Member.employee_no)
    department = func.coalesce(_EMPLOYEE.department, Member.department)
    return department == "", department, own == "", own, func.coalesce(_EMPLOYEE.id, Member.id), Member.relation != "", Member.id


def _of_person(db: Session, text: str) -> ColumnElement[bool]:
    try:
        return Visit.visit_no == ids.read_visit_no(text)
    except Refused:
        pass
    by_number = Member.employee_no == text
    wanted = people.search_statement(db, text)
    if wanted is None:
        return by_number
    return or_(by_number, Member.person_id.in_(wanted))


def member_list(db: Session, order_id: UUID, filters: MemberFilters, page: int = 1, size: int = PAGE_SIZE) -> MemberList:
    """A page of a round's members; a fixed number of statements."""
    known = _known(db, order_id, filters)
    counted = known.with_only_columns(*(func.count().filter(is_in(tab)) for tab in MemberTab))
    counts = dict(zip(MemberTab, db.execute(counted).one(), strict=True))
    total = counts[filters.tab]
    pages = max(-(-total // size), 1)
    page = min(max(page, 1), pages)
    rows = db.execute(known.where(is_in(filters.tab)).order_by(*in_order()).limit(size).offset((page - 1) * size)).all()
    return MemberList(member_lines(db, rows), counts, page, pages, total)


def member_lines(db: Session, rows: Sequence[Any]) -> tuple[MemberLine, ...]:
    """Rows of `_known` with their visits; one statement."""
    cards = {card.id: card for card in visits.cards(db, [row[0].visit_id for row in rows])}
    return tuple(
        MemberLine(
            id=row.id, card=cards[row.visit_id], cohort_id=row.cohort_id, cohort=cohort, employee_no=row.employee_no,
            department=row.department, job=row.job, post=row.post, relation=row.relation, of_member_id=row.of_member_id,
            of_name=of_name or "", remark=row.remark, left_reason=row.left_reason, is_away=row.left_at is not None,
            registered=registered_at is not None,
        )
        for row, cohort, registered_at, of_name in rows
    )  # fmt: skip


def one_member(db: Session, member: Member) -> MemberLine:
    """A member that the caller has, as a line."""
    rows = db.execute(_known(db, member.order_id, MemberFilters()).where(Member.id == member.id)).all()
    return member_lines(db, rows)[0]


def family_of(db: Session, member: Member) -> tuple[MemberLine, ...]:
    """The family that came with an employee and is still on the list."""
    rows = db.execute(
        _known(db, member.order_id, MemberFilters()).where(Member.of_member_id == member.id, Member.left_at.is_(None)).order_by(Member.id)
    ).all()
    return member_lines(db, rows)


def chosen(db: Session, order_id: UUID, filters: MemberFilters) -> list[tuple[UUID, UUID, str, date]]:
    """`(member, visit, department, day)` of everybody whom the filters name, in the list's order."""
    wanted = _known(db, order_id, filters).where(is_in(filters.tab)).order_by(*in_order())
    rows = db.execute(wanted.with_only_columns(Member.id, Member.visit_id, Member.department, VisitBoard.exam_on))
    return [(row.id, row.visit_id, row.department, row.exam_on) for row in rows]


def departments(db: Session, order_id: UUID) -> list[str]:
    """The departments that a round's members come from."""
    here = select(Member.department).where(Member.order_id == order_id, Member.left_at.is_(None))
    return list(db.scalars(here.distinct().order_by(Member.department)))


def booked_days(db: Session, order_id: UUID) -> dict[date, int]:
    """On which days how many of a round's members are booked or came."""
    rows = db.execute(
        select(VisitBoard.exam_on, func.count())
        .join(Member, Member.visit_id == VisitBoard.visit_id)
        .where(Member.order_id == order_id, Member.left_at.is_(None), VisitBoard.state.not_in(AWAY))
        .group_by(VisitBoard.exam_on)
        .order_by(VisitBoard.exam_on)
    )
    return {row[0]: row[1] for row in rows}


def member_sheet(db: Session, order: GroupOrder, filters: MemberFilters) -> bytes:
    """A list of members as a workbook; phones are masked, the export is audited."""
    listed = member_list(db, order.id, filters, size=MOST_EXPORTED)
    phones = people.masked_phones(db, {line.card.person_id for line in listed.lines})
    audit.read(db, "group_orders.export_members", f"group_order:{order.order_no}", f"{MEMBER_TAB_NAMES[filters.tab]} {len(listed.lines)} 行")
    return sheets.workbook([(MEMBER_TAB_NAMES[filters.tab], MEMBERS_HEADER, [_cells(line, phones) for line in listed.lines])])


def _cells(line: MemberLine, phones: dict[UUID, str]) -> tuple[Any, ...]:
    card = line.card
    has_day = card.state.value not in AWAY
    return (
        card.person_name, SEX_NAMES.get(card.sex, card.sex), card.age, phones.get(card.person_id, masks.STARS), line.employee_no,
        line.department, line.job, line.post, f"{line.of_name} {line.relation}".strip(), line.cohort, card.visit_no,
        "已移出" if line.is_away else VISIT_STATE_NAMES[card.state], card.exam_on.isoformat() if has_day else "",
        "是" if card.checked_in_at else "", card.amount_due_fen / 100, line.left_reason, line.remark,
    )  # fmt: skip

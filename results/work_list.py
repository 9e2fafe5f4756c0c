"""Work lists: who waits in which department, in order of arrival; two statements whatever the length."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ColumnElement, Subquery, case, func, select, union_all
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.kit.clock import day_of
from exam.kit.house import actor_of, house_of
from exam.visits import service as visits
from exam.visits.facts import LineState
from exam.visits.models import LineBoard, OrderLineRow, Visit, VisitBoard
from results.facts import DepartmentCount, RecordState, WorkFilter, WorkList, WorkRow
from results.models import Record

PAGE_SIZE = 50

_SIGNED = (RecordState.VERIFIED.value, RecordState.LOCKED.value)
_SKIPPED = (LineState.REFUSED.value, LineState.POSTPONED.value)
_UNDERWAY = (LineState.SAMPLED.value, LineState.STARTED.value)
_DONE = (LineState.RESULTED.value, LineState.CONFIRMED.value)


def _lines_of(site: str, day: date, department: str | None) -> Subquery:
    """Per visit and department of a day: lines, lines done, lines skipped. A postponed line counts again on its due day.

    So does a line of an earlier day that was drawn or begun and has no result yet. Each branch has an index of its own: an
    `or` reads the whole table.
    """
    here = [LineBoard.site == site] if department is None else [LineBoard.site == site, LineBoard.department == department]
    columns = (LineBoard.line_id, LineBoard.visit_id, LineBoard.department, LineBoard.state, LineBoard.checked_in_at, LineBoard.due_on)
    of_day = select(*columns).where(*here, LineBoard.exam_on == day)
    due_again = select(*columns).where(
        *here, LineBoard.state == LineState.POSTPONED.value, LineBoard.due_on == day, LineBoard.exam_on != day
    )
    # A `case`, because a planner that may use the day reads every earlier line of a department by it.
    is_earlier = case((LineBoard.exam_on < day, 1), else_=0) == 1
    left_over = select(*columns).where(*here, LineBoard.state.in_(_UNDERWAY), is_earlier)
    board = union_all(of_day, due_again, left_over).subquery()
    is_due_again = (board.c.state == LineState.POSTPONED.value) & (board.c.due_on == day)
    return (
        select(
            board.c.visit_id,
            board.c.department,
            func.count().label("lines"),
            func.sum(case((board.c.state.in_(_DONE), 1), else_=0)).label("lines_done"),
            func.sum(case((board.c.state.in_(_SKIPPED) & ~is_due_again, 1), else_=0)).label("lines_skipped"),
        )
        .join(OrderLineRow, OrderLineRow.id == board.c.line_id)
        .where(
            board.c.checked_in_at.is_not(None), board.c.state != LineState.REMOVED.value, OrderLineRow.service_only.is_(False)
        )
        .group_by(board.c.visit_id, board.c.department)
        .subquery()
    )


def _conditions(lines: Subquery) -> dict[WorkFilter, ColumnElement[bool]]:
    is_signed = Record.state.in_(_SIGNED)
    is_skipped = lines.c.lines == lines.c.lines_skipped
    return {
        WorkFilter.TO_DO: ~is_signed & ~is_skipped,
        WorkFilter.DONE: is_signed,
        WorkFilter.SKIPPED: ~is_signed & is_skipped,
    }


def work_list(db: Session, department: str, day: date, state: WorkFilter = WorkFilter.TO_DO, page: int = 1) -> WorkList:
    """A page of a department's list of a day, in order of arrival. The department's scope is the caller's to ask."""
    lines = _lines_of(actor_of(db).site, day, department)
    conditions = _conditions(lines)
    joined = Record.__table__.join(lines, (lines.c.visit_id == Record.visit_id) & (lines.c.department == Record.department))
    totals = db.execute(
        select(*(func.coalesce(func.sum(case((condition, 1), else_=0)), 0).label(name) for name, condition in conditions.items()))
        .select_from(joined)
    ).one()  # fmt: skip
    counts = {str(name): int(getattr(totals, name)) for name in conditions}
    counts[WorkFilter.ALL] = sum(counts.values())
    pages = max(1, -(-counts[state] // PAGE_SIZE))
    page = min(max(1, page), pages)
    listing = (
        select(Visit, VisitBoard, Record, lines.c.lines, lines.c.lines_done, lines.c.lines_skipped)
        .select_from(
            joined.join(Visit.__table__, Visit.id == Record.visit_id).join(VisitBoard.__table__, VisitBoard.visit_id == Visit.id)
        )
        .order_by(VisitBoard.checked_in_at, Visit.visit_no)
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
    )
    if state in conditions:
        listing = listing.where(conditions[state])
    rows = tuple(_row(*each) for each in db.execute(listing))
    return WorkList(department, rows, counts, page, pages)


def _row(visit: Visit, board: VisitBoard, record: Record, lines: int, lines_done: int, lines_skipped: int) -> WorkRow:
    card = visits.to_card(visit, board)
    return WorkRow(
        visit_id=card.id, visit_no=card.visit_no, person_name=card.person_name, sex=card.sex, age=card.age,
        exam_on=card.exam_on.isoformat(), arrived_at=card.checked_in_at or visit.created_at, urgent=card.urgent,
        state=RecordState(record.state), lines=int(lines), lines_done=int(lines_done), lines_skipped=int(lines_skipped),
        package_name=card.package_name, organization=card.organization, doctor=record.doctor,
    )  # fmt: skip


def next_visit_no(db: Session, department: str, day: date, after: str) -> str:
    """The number of the person to call next: who arrived first after the holder of `after`, else the first who waits."""
    lines = _lines_of(actor_of(db).site, day, department)
    arrived = (
        select(VisitBoard.checked_in_at)
        .join(Visit, Visit.id == VisitBoard.visit_id)
        .where(Visit.visit_no == after)
        .scalar_subquery()
    )
    is_behind = case((VisitBoard.checked_in_at < arrived, 1), else_=0)
    waiting = (
        select(Visit.visit_no)
        .join(Record, Record.visit_id == Visit.id)
        .join(lines, (lines.c.visit_id == Record.visit_id) & (lines.c.department == Record.department))
        .join(VisitBoard, VisitBoard.visit_id == Visit.id)
        .where(_conditions(lines)[WorkFilter.TO_DO], Visit.visit_no != after)
        .order_by(is_behind, VisitBoard.checked_in_at, Visit.visit_no)
        .limit(1)
    )
    return db.scalar(waiting) or ""


def departments_of_actor(db: Session) -> tuple[DepartmentCount, ...]:
    """The departments whose work list the actor may see, with today's counts; one statement beside the catalogue's."""
    today = day_of(house_of(db).clock.now())
    actor = actor_of(db)
    lines = _lines_of(actor.site, today, None)
    conditions = _conditions(lines)
    joined = Record.__table__.join(lines, (lines.c.visit_id == Record.visit_id) & (lines.c.department == Record.department))
    counted = {
        row.department: row for row in db.execute(
            select(
                Record.department,
                func.sum(case((conditions[WorkFilter.TO_DO], 1), else_=0)).label("to_do"),
                func.sum(case((conditions[WorkFilter.DONE], 1), else_=0)).label("done"),
            ).select_from(joined).group_by(Record.department)
        )
    }  # fmt: skip
    catalogue = catalog.catalogue(db, today)
    examining = {group.department for group in catalogue.groups.values() if not group.service_only}
    return tuple(
        DepartmentCount(
            code, each.name, each.location, int(counted[code].to_do) if code in counted else 0,
            int(counted[code].done) if code in counted else 0,
        )
        for code, each in catalogue.departments.items()
        if code in examining and actor.serves("results.work_list", code)
    )  # fmt: skip

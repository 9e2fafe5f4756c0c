"""Order lines: add and remove groups, refuse, postpone, and the progress facts that departments write by calling down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.catalog import rules as catalog_rules
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.people.rules import age_on
from exam.visits import rules
from exam.visits import service as visits
from exam.visits.facts import LINE_STATE_NAMES, LineProgressed, LineState, OrderChanged, OrderLine, Progress
from exam.visits.models import LineBoard, LineProgress, OrderLineRow, Visit

_LINES = select(OrderLineRow, LineBoard).join(LineBoard, LineBoard.line_id == OrderLineRow.id)

PROGRESS_LABELS = {
    Progress.SAMPLED: "采样",
    Progress.STARTED: "开始检查",
    Progress.RESULTED: "录入结果",
    Progress.CONFIRMED: "审核",
    Progress.REFUSED: "拒检",
    Progress.POSTPONED: "延期",
    Progress.REMOVED: "退项",
}


def lines(db: Session, visit_id: UUID) -> tuple[OrderLine, ...]:
    """All lines of a visit, also refused and removed ones, in walking order; one statement."""
    rows = db.execute(_LINES.where(OrderLineRow.visit_id == visit_id).order_by(OrderLineRow.position, OrderLineRow.id))
    return tuple(to_line(row, board) for row, board in rows)


def to_line(row: OrderLineRow, board: LineBoard) -> OrderLine:
    """An order line's row and board row as one struct."""
    return OrderLine(
        id=row.id, visit_id=row.visit_id, group_code=row.group_code, name=row.name, department=row.department,
        price_fen=row.price_fen, origin=row.origin, state=LineState(board.state), reason=board.reason, due_on=board.due_on,
        service_only=row.service_only,
    )  # fmt: skip


def lines_of_department(db: Session, visit_id: UUID, department: str) -> tuple[OrderLine, ...]:
    """A visit's lines that one department has to do or has done (not the removed ones)."""
    return tuple(line for line in lines(db, visit_id) if line.department == department and line.state != LineState.REMOVED)


def add_groups(db: Session, visit_id: UUID, codes: Sequence[str]) -> tuple[UUID, ...]:
    """Adds groups to the order at their own prices (T6). Refuses what is ordered already or breaks a rule."""
    visit = visits.get_row(db, visit_id, lock=True)
    rules.require_open_for_orders(visits.state_of(db, visit_id))
    catalogue = visits.catalogue_of(db, visit)
    present = {line.group_code for line in lines(db, visit_id) if line.state != LineState.REMOVED}
    unknown = [code for code in codes if code not in catalogue.groups]
    if unknown:
        raise Refused("visits.unknown_group", f"没有项目 {unknown[0]}", "请从项目列表中选择", "groups")
    twice = [code for code in codes if code in present]
    if twice:
        raise Refused("visits.already_ordered", f"“{catalogue.groups[twice[0]].name}”已在体检单中", "无需重复添加", "groups")
    contained = [
        (larger, code) for larger in present if larger in catalogue.groups for code in codes
        if code in catalogue.groups[larger].includes
    ]  # fmt: skip
    if contained:
        larger, code = contained[0]
        text = f"“{catalogue.groups[code].name}”已包含在“{catalogue.groups[larger].name}”中"
        raise Refused("visits.already_included", text, "无需重复添加", "groups")
    added = catalog_rules.expand(catalogue, None, tuple(codes))
    together = [*(catalogue.groups[code] for code in sorted(present) if code in catalogue.groups), *added]
    age = age_on(visit.birth_on, visit.exam_on)
    visits.refuse_conflicts(catalogue, together, visit.sex, age, visit.category)
    replaced = [
        line for line in lines(db, visit_id)
        if line.state == LineState.PENDING and any(line.group_code in group.includes for group in added)
    ]  # fmt: skip
    ids = visits.order_groups(db, visit, added, catalogue)
    for line in replaced:
        _write(db, visit, line.id, Progress.REMOVED, "由更大的组合项目替代")
    audit.note(db, "visits.add_groups", subject=f"visit:{visit.visit_no}")
    visits.refresh(db, visit)
    announce(db, OrderChanged(visit.id, visit.site, added=tuple(ids), removed=tuple(line.id for line in replaced)))
    return tuple(ids)


def remove_line(db: Session, visit_id: UUID, line_id: UUID, reason: str) -> None:
    """Takes a pending line off the order (T7); a line that was sampled, started or done stays."""
    visit = visits.get_row(db, visit_id, lock=True)
    rules.require_open_for_orders(visits.state_of(db, visit_id))
    audit.note(db, "visits.remove_line", subject=f"visit:{visit.visit_no}", reason=reason)
    _move(db, visit, line_id, Progress.REMOVED, reason)
    visits.refresh(db, visit)
    announce(db, OrderChanged(visit.id, visit.site, removed=(line_id,)))


def remove_all(db: Session, visit_id: UUID, reason: str) -> None:
    """Takes every line off the order, refused and postponed ones too, before a visit is cancelled (T18)."""
    visit = visits.get_row(db, visit_id, lock=True)
    kept = [line for line in lines(db, visit_id) if line.state != LineState.REMOVED]
    for line in kept:
        if line.state in _PUT_OFF:
            _take_up_again(db, visit, line.id, reason)
        _move(db, visit, line.id, Progress.REMOVED, reason)
    visits.refresh(db, visit)
    announce(db, OrderChanged(visit.id, visit.site, removed=tuple(line.id for line in kept)))


def refuse(db: Session, visit_id: UUID, line_ids: Iterable[UUID], reason: str) -> None:
    """The person refuses these pending lines (T8); a reason is needed."""
    visit = visits.get_row(db, visit_id, lock=True)
    if not reason.strip():
        raise Refused("visits.reason_missing", "拒检必须填写原因", "请选择或填写拒检原因", "reason")
    rules.require_open_for_orders(visits.state_of(db, visit_id))
    audit.note(db, "visits.refuse", subject=f"visit:{visit.visit_no}", reason=reason)
    for line_id in line_ids:
        _move(db, visit, line_id, Progress.REFUSED, reason)
    visits.refresh(db, visit)


def postpone(db: Session, visit_id: UUID, line_id: UUID, due_on: date, reason: str) -> None:
    """A pending line will be done later, at the latest on `due_on` (T9)."""
    visit = visits.get_row(db, visit_id, lock=True)
    rules.require_open_for_orders(visits.state_of(db, visit_id))
    if due_on <= visit.exam_on:
        raise Refused("visits.due_in_past", "延期日期必须晚于体检日期", "请选择之后的日期", "due_on")
    audit.note(db, "visits.postpone", subject=f"visit:{visit.visit_no}", reason=reason)
    _move(db, visit, line_id, Progress.POSTPONED, reason, due_on)
    visits.refresh(db, visit)


def resume(db: Session, visit_id: UUID, line_id: UUID, reason: str) -> None:
    """Undoes a refusal or postponement: the line is pending again (弃检恢复), until the chief review."""
    visit = visits.get_row(db, visit_id, lock=True)
    rules.require_open_for_orders(visits.state_of(db, visit_id))
    audit.note(db, "visits.resume", subject=f"visit:{visit.visit_no}", reason=reason)
    _take_up_again(db, visit, line_id, reason)
    visits.refresh(db, visit)


_PUT_OFF = (LineState.REFUSED, LineState.POSTPONED)


def _take_up_again(db: Session, visit: Visit, line_id: UUID, reason: str) -> None:
    """Undoes a refusal and the postponement that may be under it, so that the line is pending."""
    undo_progress(db, visit, line_id, (Progress.REFUSED, Progress.POSTPONED), reason)
    while db.get_one(LineBoard, line_id).state in _PUT_OFF:
        undo_progress(db, visit, line_id, (Progress.REFUSED, Progress.POSTPONED), reason)


def progress(db: Session, visit_id: UUID, line_ids: Iterable[UUID], kind: Progress, reason: str = "") -> None:
    """Departments write what was done: `started`, `resulted`, `confirmed`. A line that cannot go there now is left alone."""
    visit = visits.get_row(db, visit_id, lock=True)
    wanted = set(line_ids)
    for line in lines(db, visit_id):
        if line.id in wanted and rules.LINE.may(line.state, kind.value):
            _write(db, visit, line.id, kind, reason)
    visits.refresh(db, visit)


def withdraw(db: Session, visit_id: UUID, line_ids: Iterable[UUID], kinds: Sequence[Progress], reason: str) -> None:
    """Departments take back what they wrote: each line loses its last standing facts of these kinds."""
    visit = visits.get_row(db, visit_id, lock=True)
    for line_id in line_ids:
        for kind in kinds:
            undo_progress(db, visit, line_id, (kind,), reason, may_be_absent=True)
    visits.refresh(db, visit)


def undo_progress(
    db: Session, visit: Visit, line_id: UUID, kinds: Sequence[Progress], reason: str, *, may_be_absent: bool = False
) -> None:
    """Undoes a line's last standing fact, which must be one of `kinds`."""
    facts = db.scalars(select(LineProgress).where(LineProgress.line_id == line_id).order_by(LineProgress.id)).all()
    held = [fact for fact in rules.standing(facts) if fact.kind != Progress.PLANNED]
    if not held or held[-1].kind not in kinds:
        if may_be_absent:
            return
        shown = LINE_STATE_NAMES[rules.line_state(facts)]
        raise Refused("visits.nothing_to_undo", f"项目当前为“{shown}”,不能恢复", "请刷新页面查看最新状态")
    _write(db, visit, line_id, Progress(held[-1].kind), reason, undoes=held[-1].id)


def _move(db: Session, visit: Visit, line_id: UUID, kind: Progress, reason: str, due_on: date | None = None) -> None:
    board = db.get(LineBoard, line_id)
    if board is None or board.visit_id != visit.id:
        raise NotFound("没有找到该项目", "请刷新页面后重试")
    rules.LINE.move(board.state, kind, PROGRESS_LABELS[kind])
    _write(db, visit, line_id, kind, reason, due_on)


def _write(
    db: Session, visit: Visit, line_id: UUID, kind: Progress, reason: str, due_on: date | None = None, undoes: UUID | None = None
) -> None:
    house, actor = house_of(db), actor_of(db)
    insert_rows(
        db,
        LineProgress,
        [{"id": house.ids.new(), "line_id": line_id, "visit_id": visit.id, "kind": kind.value, "undoes": undoes,
          "at": house.clock.now(), "actor_id": actor.staff_id, "reason": reason, "due_on": due_on}],
    )  # fmt: skip
    facts = db.scalars(select(LineProgress).where(LineProgress.line_id == line_id).order_by(LineProgress.id)).all()
    board = db.get_one(LineBoard, line_id)
    board.state = rules.line_state(facts)
    board.reason, board.due_on = rules.line_words(facts)
    announce(db, LineProgressed(visit.id, visit.site, line_id, kind, undone=undoes is not None))

"""Order lines: add and remove groups, refuse, postpone, and the progress facts that departments write by calling down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from exam.catalog import rules as catalog_rules
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.prepared import PreparedStatement
from exam.people.rules import age_on
from exam.visits import rules
from exam.visits import service as visits
from exam.visits.facts import LINE_STATE_NAMES, LineProgressed, LineState, OrderChanged, OrderLine, Progress
from exam.visits.models import LineBoard, LineProgress, OrderLineRow, Visit

_LINES = PreparedStatement(
    select(
        OrderLineRow.id, OrderLineRow.group_code, OrderLineRow.name, OrderLineRow.department,
        OrderLineRow.price_fen, OrderLineRow.origin, LineBoard.state, LineBoard.reason, LineBoard.due_on, OrderLineRow.service_only,
        OrderLineRow.standard_fen,
    )
    .join(LineBoard, LineBoard.line_id == OrderLineRow.id)
    .where(OrderLineRow.visit_id == bindparam("of_visit"))
    .order_by(OrderLineRow.position, OrderLineRow.id)
)  # fmt: skip

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
    return tuple(_to_line(visit_id, row) for row in _LINES.all(db, of_visit=visit_id))


def _to_line(visit_id: UUID, row: Any) -> OrderLine:
    return OrderLine(
        id=row.id, visit_id=visit_id, group_code=row.group_code, name=row.name, department=row.department,
        price_fen=row.price_fen, origin=row.origin, state=LineState(row.state), reason=row.reason, due_on=row.due_on,
        service_only=row.service_only, standard_fen=row.standard_fen,
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
        if code in catalog_rules.included(catalogue, larger)
    ]  # fmt: skip
    if contained:
        larger, code = contained[0]
        text = f"“{catalogue.groups[code].name}”已包含在“{catalogue.groups[larger].name}”中"
        raise Refused("visits.already_included", text, "无需重复添加", "groups")
    added = catalog_rules.expand(catalogue, None, tuple(codes))
    together = [*(catalogue.groups[code] for code in sorted(present) if code in catalogue.groups), *added]
    age = age_on(visit.birth_on, visit.exam_on)
    visits.refuse_conflicts(catalogue, together, visit.sex, age, visit.category)
    replaced = []
    for line in lines(db, visit_id):
        whole = next((group for group in added if line.group_code in catalog_rules.included(catalogue, group.code)), None)
        if whole is not None and line.state != LineState.REMOVED:
            rules.require_replaceable(line, whole.name)
            replaced.append(line)
    ids = visits.order_groups(db, visit, added, catalogue)
    _write(db, visit, [Step(line.id, Progress.REMOVED, "由更大的组合项目替代") for line in replaced])
    audit.note(db, "visits.add_groups", subject=f"visit:{visit.visit_no}")
    visits.refresh(db, visit)
    announce(db, OrderChanged(visit.id, visit.site, added=tuple(ids), removed=tuple(line.id for line in replaced)))
    return tuple(ids)


def remove_line(db: Session, visit_id: UUID, line_id: UUID, reason: str) -> None:
    """Takes a line off the order of which nothing was done (T7); also a refused or postponed one, to pay it back (§8.5)."""
    visit = visits.get_row(db, visit_id, lock=True)
    rules.require_open_for_orders(visits.state_of(db, visit_id))
    present = lines(db, visit_id)
    for line in present:
        if line.id == line_id:
            rules.require_removable(line, present)
    audit.note(db, "visits.remove_line", subject=f"visit:{visit.visit_no}", reason=reason)
    _move(db, visit, [Step(line_id, Progress.REMOVED, reason)])
    visits.refresh(db, visit)
    announce(db, OrderChanged(visit.id, visit.site, removed=(line_id,)))


def remove_all(db: Session, visit_id: UUID, reason: str) -> None:
    """Takes every line off the order, refused and postponed ones too, before a visit is cancelled (T18)."""
    visit = visits.get_row(db, visit_id, lock=True)
    kept = [line for line in lines(db, visit_id) if line.state != LineState.REMOVED]
    _move(db, visit, [Step(line.id, Progress.REMOVED, reason) for line in kept])
    visits.refresh(db, visit)
    announce(db, OrderChanged(visit.id, visit.site, removed=tuple(line.id for line in kept)))


def refuse(db: Session, visit_id: UUID, line_ids: Iterable[UUID], reason: str) -> None:
    """The person refuses these pending lines (T8); a reason is needed."""
    visit = visits.get_row(db, visit_id, lock=True)
    if not reason.strip():
        raise Refused("visits.reason_missing", "拒检必须填写原因", "请选择或填写拒检原因", "reason")
    rules.require_open_for_orders(visits.state_of(db, visit_id))
    audit.note(db, "visits.refuse", subject=f"visit:{visit.visit_no}", reason=reason)
    _move(db, visit, [Step(line_id, Progress.REFUSED, reason) for line_id in dict.fromkeys(line_ids)])
    visits.refresh(db, visit)


def postpone(db: Session, visit_id: UUID, line_id: UUID, due_on: date, reason: str) -> None:
    """A pending line will be done later, at the latest on `due_on` (T9)."""
    visit = visits.get_row(db, visit_id, lock=True)
    rules.require_open_for_orders(visits.state_of(db, visit_id))
    if due_on <= visit.exam_on:
        raise Refused("visits.due_in_past", "延期日期必须晚于体检日期", "请选择之后的日期", "due_on")
    audit.note(db, "visits.postpone", subject=f"visit:{visit.visit_no}", reason=reason)
    _move(db, visit, [Step(line_id, Progress.POSTPONED, reason, due_on)])
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
    moved = [line.id for line in lines(db, visit_id) if line.id in wanted and rules.LINE.may(line.state, kind.value)]
    _write(db, visit, [Step(line_id, kind, reason) for line_id in moved])
    visits.refresh(db, visit)


def withdraw(db: Session, visit_id: UUID, line_ids: Iterable[UUID], kinds: Sequence[Progress], reason: str) -> None:
    """Departments take back what they wrote: each line loses its last standing facts of these kinds."""
    visit = visits.get_row(db, visit_id, lock=True)
    wanted = list(line_ids)
    for kind in kinds:
        last = {line_id: _last_standing(facts) for line_id, facts in _facts_of(db, wanted).items()}
        _write(db, visit, [Step(each, kind, reason, undoes=fact.id) for each, fact in last.items() if fact and fact.kind == kind])
    visits.refresh(db, visit)


def undo_progress(db: Session, visit: Visit, line_id: UUID, kinds: Sequence[Progress], reason: str) -> None:
    """Undoes a line's last standing fact, which must be one of `kinds`."""
    facts = _facts_of(db, [line_id]).get(line_id, [])
    last = _last_standing(facts)
    if last is None or last.kind not in kinds:
        shown = LINE_STATE_NAMES[rules.line_state(facts)]
        raise Refused("visits.nothing_to_undo", f"项目当前为“{shown}”,不能恢复", "请刷新页面查看最新状态")
    _write(db, visit, [Step(line_id, Progress(last.kind), reason, undoes=last.id)])


class Step(msgspec.Struct, frozen=True):
    """One progress fact to be written, or the undoing of one."""

    line_id: UUID
    kind: Progress
    reason: str = ""
    due_on: date | None = None
    undoes: UUID | None = None


def _facts_of(db: Session, line_ids: Sequence[UUID]) -> dict[UUID, list[LineProgress]]:
    found: dict[UUID, list[LineProgress]] = {}
    for fact in db.scalars(select(LineProgress).where(LineProgress.line_id.in_(line_ids)).order_by(LineProgress.id)):
        found.setdefault(fact.line_id, []).append(fact)
    return found


def _last_standing(facts: Sequence[LineProgress]) -> rules.Fact | None:
    return next((fact for fact in reversed(rules.standing(facts)) if fact.kind != Progress.PLANNED), None)


def _move(db: Session, visit: Visit, steps: Sequence[Step]) -> None:
    """Writes facts that the state table allows now; refuses all of them when it does not allow one."""
    boards = {each.line_id: each for each in db.scalars(select(LineBoard).where(LineBoard.visit_id == visit.id))}
    for step in steps:
        board = boards.get(step.line_id)
        if board is None:
            raise NotFound("没有找到该项目", "请刷新页面后重试")
        rules.LINE.move(board.state, step.kind, PROGRESS_LABELS[step.kind])
    _write(db, visit, steps)


def _write(db: Session, visit: Visit, steps: Sequence[Step]) -> None:
    """Writes facts of any number of lines in a fixed number of statements, and brings the lines' board rows up to them."""
    if not steps:
        return
    house, actor = house_of(db), actor_of(db)
    now, ids = house.clock.now(), [step.line_id for step in steps]
    rows = [
        {"id": house.ids.new(), "line_id": step.line_id, "visit_id": visit.id, "kind": step.kind.value, "undoes": step.undoes,
         "at": now, "actor_id": actor.staff_id, "reason": step.reason, "due_on": step.due_on}
        for step in steps
    ]  # fmt: skip
    insert_rows(db, LineProgress, rows)
    facts = _facts_of(db, ids)
    for board in db.scalars(select(LineBoard).where(LineBoard.line_id.in_(ids))):
        board.state = rules.line_state(facts[board.line_id])
        board.reason, board.due_on = rules.line_words(facts[board.line_id])
    announce(
        db, *(LineProgressed(visit.id, visit.site, step.line_id, step.kind, undone=step.undoes is not None) for step in steps)
    )

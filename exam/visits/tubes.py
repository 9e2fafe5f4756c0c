"""Tubes: planned at check-in, printed, collected by scanning, undone while not yet sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.catalog import rules as catalog_rules
from exam.kit import audit, ids
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.visits import orders, rules
from exam.visits import service as visits
from exam.visits.facts import LineState, Progress, TubeCard, TubeEvent, VisitState
from exam.visits.models import LineBoard, OrderLineRow, TubeFact, TubeLine, TubeRow, Visit, VisitBoard


def plan(db: Session, visit_id: UUID) -> tuple[TubeCard, ...]:
    """Plans the tubes of all lines that need one and have none yet (domain.md §2.5), and returns all tubes of the visit.

    A group added after a tube was collected gets a tube of its own; one added before joins nothing that is printed.
    """
    visit = visits.get_row(db, visit_id, lock=True)
    house = house_of(db)
    catalogue = visits.catalogue_of(db, visit)
    in_tubes = select(TubeLine.line_id).join(TubeRow, TubeRow.id == TubeLine.tube_id).where(TubeRow.visit_id == visit_id)
    have = set(db.scalars(in_tubes))
    wanting = {
        line.group_code: line.id for line in orders.lines(db, visit_id)
        if line.id not in have and line.state == LineState.PENDING and line.group_code in catalogue.groups
    }  # fmt: skip
    planned = catalog_rules.tubes_for(catalogue, [catalogue.groups[code] for code in wanting])
    count = len(db.scalars(select(TubeRow.id).where(TubeRow.visit_id == visit_id)).all())
    now = house.clock.now()
    tubes, links, facts = [], [], []
    for number, each in enumerate(planned, count + 1):
        tube = catalogue.tubes[each.tube]
        tube_id = house.ids.new()
        tubes.append(
            {"id": tube_id, "visit_id": visit_id, "barcode": ids.tube_barcode(visit.visit_no, number), "tube_code": tube.code,
             "name": tube.name, "colour": tube.colour, "section": each.section, "draw_order": tube.draw_order,
             "is_blood": tube.draw_order > 0, "planned_at": now}
        )  # fmt: skip
        links += [{"tube_id": tube_id, "line_id": wanting[code]} for code in each.groups]
        facts.append(_fact(db, tube_id, visit_id, TubeEvent.PLANNED, ""))
    insert_rows(db, TubeRow, tubes)
    insert_rows(db, TubeLine, links)
    insert_rows(db, TubeFact, facts)
    return of_visit(db, visit_id)


def _fact(
    db: Session, tube_id: UUID, visit_id: UUID, kind: TubeEvent, reason: str, undoes: UUID | None = None
) -> dict[str, object]:
    house, actor = house_of(db), actor_of(db)
    return {
        "id": house.ids.new(), "tube_id": tube_id, "visit_id": visit_id, "kind": kind.value, "undoes": undoes,
        "at": house.clock.now(), "actor_id": actor.staff_id, "reason": reason,
    }  # fmt: skip


def of_visit(db: Session, visit_id: UUID) -> tuple[TubeCard, ...]:
    """All tubes of a visit in draw order; three statements."""
    rows = db.scalars(select(TubeRow).where(TubeRow.visit_id == visit_id)).all()
    facts = db.scalars(select(TubeFact).where(TubeFact.visit_id == visit_id).order_by(TubeFact.id)).all()
    links = db.execute(
        select(TubeLine.tube_id, OrderLineRow.name)
        .join(OrderLineRow, OrderLineRow.id == TubeLine.line_id)
        .where(OrderLineRow.visit_id == visit_id)
        .order_by(OrderLineRow.position)
    ).all()
    cards = []
    for row in rows:
        own = [fact for fact in facts if fact.tube_id == row.id]
        cards.append(
            TubeCard(
                id=row.id, barcode=row.barcode, tube_code=row.tube_code, name=row.name, colour=row.colour,
                state=rules.tube_state(own), groups=tuple(name for tube_id, name in links if tube_id == row.id),
                draw_order=row.draw_order, print_count=sum(fact.kind == TubeEvent.PRINTED for fact in rules.standing(own)),
            )
        )  # fmt: skip
    return tuple(sorted(cards, key=lambda tube: (tube.draw_order or 99, tube.barcode)))


def idle(db: Session, visit_id: UUID) -> frozenset[UUID]:
    """The tubes that nobody need draw or print: every line of theirs was refused or taken off the order. One statement."""
    states = db.execute(
        select(TubeLine.tube_id, LineBoard.state).join(LineBoard, LineBoard.line_id == TubeLine.line_id)
        .where(LineBoard.visit_id == visit_id)
    ).all()  # fmt: skip
    off = (LineState.REFUSED, LineState.REMOVED)
    return frozenset({tube_id for tube_id, _ in states} - {tube_id for tube_id, state in states if state not in off})


def mark_printed(db: Session, visit_id: UUID, tube_ids: Sequence[UUID]) -> None:
    """Counts a print of each label; a reprint keeps the number."""
    visits.get_row(db, visit_id, lock=True)
    known = {tube.id for tube in of_visit(db, visit_id)}
    if not set(tube_ids) <= known:
        raise NotFound("没有找到该试管", "请刷新页面后重试")
    insert_rows(db, TubeFact, [_fact(db, tube_id, visit_id, TubeEvent.PRINTED, "") for tube_id in tube_ids])


def collect(db: Session, visit_id: UUID, barcode: str) -> TubeCard:
    """A tube was drawn: its barcode, scanned, must belong to this visit. Its lines become sampled (T5)."""
    visit = visits.get_row(db, visit_id, lock=True)
    row = _of_barcode(db, visit, barcode)
    board = db.get_one(VisitBoard, visit_id)
    if board.checked_in_at is None:
        raise Refused("visits.not_checked_in", "受检者尚未报到,不能采样", "请先在前台办理报到")
    facts = db.scalars(select(TubeFact).where(TubeFact.tube_id == row.id).order_by(TubeFact.id)).all()
    state = rules.tube_state(facts)
    if state == TubeEvent.COLLECTED:
        return next(tube for tube in of_visit(db, visit_id) if tube.id == row.id)
    rules.TUBE.move(state, TubeEvent.COLLECTED, "采集")
    if board.state == VisitState.CANCELLED:
        raise Refused("visits.cancelled", "该体检单已取消,不能采样", "请受检者到前台核对", "barcode")
    if row.id in idle(db, visit_id):
        raise Refused("visits.tube_not_needed", "该管的项目均已拒检或退项,无需采集", "请勿采集该管,并废弃标签", "barcode")
    insert_rows(db, TubeFact, [_fact(db, row.id, visit_id, TubeEvent.COLLECTED, "")])
    board.blood_drawn_at = blood_drawn_at(db, visit_id)
    audit.note(db, "visits.collect", subject=f"visit:{visit.visit_no}")
    line_ids = db.scalars(select(TubeLine.line_id).where(TubeLine.tube_id == row.id)).all()
    pending = [line.id for line in orders.lines(db, visit_id) if line.id in line_ids and line.state in _DRAWABLE]
    orders.progress(db, visit_id, pending, Progress.SAMPLED)
    return next(tube for tube in of_visit(db, visit_id) if tube.id == row.id)


_DRAWABLE = (LineState.PENDING, LineState.POSTPONED)
_EXAMINED = (LineState.STARTED, LineState.RESULTED, LineState.CONFIRMED)


def undo_collect(db: Session, visit_id: UUID, barcode: str, reason: str) -> None:
    """Takes a collection back, with a reason, while the tube was not sent (T5)."""
    if not reason.strip():
        raise Refused("visits.reason_missing", "撤销采集必须填写原因", "请填写撤销原因", "reason")
    visit = visits.get_row(db, visit_id, lock=True)
    row = _of_barcode(db, visit, barcode)
    facts = db.scalars(select(TubeFact).where(TubeFact.tube_id == row.id).order_by(TubeFact.id)).all()
    if rules.tube_state(facts) != TubeEvent.COLLECTED:
        raise Refused("visits.not_collected", "该试管未采集或已送出,不能撤销", "已送出的标本请在检验科退回")
    line_ids = db.scalars(select(TubeLine.line_id).where(TubeLine.tube_id == row.id)).all()
    examined = next((line for line in orders.lines(db, visit_id) if line.id in line_ids and line.state in _EXAMINED), None)
    if examined is not None:
        text = f"“{examined.name}”已有结果,不能撤销采集"
        raise Refused("visits.tube_in_use", text, "请先由检验科撤销审核并清空该项结果", "barcode")
    last = next(fact for fact in reversed(rules.standing(facts)) if fact.kind == TubeEvent.COLLECTED)
    insert_rows(db, TubeFact, [_fact(db, row.id, visit_id, TubeEvent.COLLECTED, reason, undoes=last.id)])
    audit.note(db, "visits.undo_collect", subject=f"visit:{visit.visit_no}", reason=reason)
    orders.withdraw(db, visit_id, line_ids, (Progress.SAMPLED,), reason)
    board = db.get_one(VisitBoard, visit_id)
    board.blood_drawn_at = blood_drawn_at(db, visit_id)


def blood_drawn_at(db: Session, visit_id: UUID) -> datetime | None:
    """When the first blood tube that still counts as collected was drawn; None when there is none."""
    blood = set(db.scalars(select(TubeRow.id).where(TubeRow.visit_id == visit_id, TubeRow.is_blood)))
    facts = db.scalars(select(TubeFact).where(TubeFact.visit_id == visit_id).order_by(TubeFact.id)).all()
    drawn: list[datetime] = [
        fact.at for fact in rules.standing(facts)
        if fact.kind == TubeEvent.COLLECTED and fact.tube_id in blood
    ]  # fmt: skip
    return min(drawn, default=None)


def _of_barcode(db: Session, visit: Visit, barcode: str) -> TubeRow:
    visit_no, number = ids.read_barcode(barcode)
    if visit_no != visit.visit_no:
        raise Refused("visits.wrong_tube", f"条码不属于当前受检者(体检号 {visit.visit_no})", "请核对试管与指引单", "barcode")
    row = db.scalar(select(TubeRow).where(TubeRow.barcode == ids.tube_barcode(visit_no, number))) if number else None
    if row is None:
        raise Refused("visits.unknown_tube", "该条码不是本次体检的试管", "请扫描试管标签(18 位)", "barcode")
    return row

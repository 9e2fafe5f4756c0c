"""Visits: open one, read one, move its milestones. Orders and tubes are in the files beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, cast
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from exam.catalog import rules as catalog_rules
from exam.catalog import service as catalog
from exam.catalog.facts import Catalogue, ItemGroup
from exam.kit import audit, ids
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.money import allocate
from exam.kit.prepared import PreparedStatement
from exam.kit.series import next_number
from exam.people import service as people
from exam.people.rules import age_on
from exam.visits import rules
from exam.visits.facts import (
    AWAY,
    VISIT_STATE_NAMES,
    VISIT_STRIPS,
    LineState,
    Milestone,
    MilestoneReached,
    OrderChanged,
    Progress,
    VisitCard,
    VisitOpened,
    VisitState,
    VisitStrip,
)
from exam.visits.models import LineBoard, LineProgress, OrderLineRow, Visit, VisitBoard, VisitMilestone


class NewVisit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a visit is opened with: whom, when, which package and which groups on top of it."""

    person_id: UUID
    exam_on: date
    package: str = ""
    groups: tuple[str, ...] = ()
    category: str = "health"
    organization_id: UUID | None = None
    is_booking: bool = False
    urgent: bool = False


def open_visit(db: Session, new: NewVisit) -> UUID:
    """Opens a visit with its priced order: booked for a day, or registered at once. One open visit a person and day."""
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    person = people.get_row(db, new.person_id)
    _refuse_second_visit(db, person.id, new.exam_on)
    catalogue = catalog.catalogue(db, new.exam_on)
    groups = catalog_rules.expand(catalogue, new.package or None, new.groups)
    if not groups:
        raise Refused("visits.empty_order", "没有选择任何体检项目", "请选择套餐或至少一个项目", "package")
    age = age_on(person.birth_on, new.exam_on)
    refuse_conflicts(catalogue, groups, person.sex, age, new.category, new.package)
    sequence = next_number(db, f"visit:{actor.site}:{house.device}:{day_of(now):%y%m%d}")
    package = catalogue.packages.get(new.package)
    organization_id = new.organization_id or person.organization_id
    visit = Visit(
        id=house.ids.new(), visit_no=ids.visit_no(actor.site, house.device, day_of(now), sequence), site=actor.site,
        person_id=person.id, person_name=person.name, sex=person.sex, birth_on=person.birth_on, category=new.category,
        exam_on=new.exam_on, package_code=new.package, package_name=package.name if package else "自选项目",
        organization_id=organization_id, organization=people.organization_name(db, organization_id),
        catalog_revision=catalogue.revision, catalog_on=catalogue.on, urgent=new.urgent, created_at=now, ver=1,
    )  # fmt: skip
    db.add(visit)
    db.add(
        VisitBoard(
            visit_id=visit.id, site=visit.site, exam_on=visit.exam_on, state=VisitState.BOOKED, booked_at=None, registered_at=None,
            checked_in_at=None, blood_drawn_at=None, sheet_returned_at=None, sections_done_at=None, final_reviewed_at=None,
            report_issued_at=None, amount_due_fen=0,
        )
    )  # fmt: skip
    db.flush()
    audit.note(db, "visits.open", subject=f"visit:{visit.visit_no}")
    milestone = Milestone.BOOKED if new.is_booking else Milestone.REGISTERED
    _add_milestone(db, visit.id, milestone, "")
    line_ids = order_groups(db, visit, groups, catalogue, first=True)
    refresh(db, visit)
    announce(db, VisitOpened(visit.id, visit.site, person.id))
    announce(db, OrderChanged(visit.id, visit.site, added=tuple(line_ids)))
    announce(db, MilestoneReached(visit.id, visit.site, milestone))
    return visit.id


def _refuse_second_visit(db: Session, person_id: UUID, exam_on: date) -> None:
    found = db.execute(
        select(Visit.visit_no)
        .join(VisitBoard, VisitBoard.visit_id == Visit.id)
        .where(Visit.person_id == person_id, Visit.exam_on == exam_on, VisitBoard.state.not_in(sorted(AWAY)))
    ).scalar()
    if found:
        raise Refused("visits.same_day", f"该受检者当日已有体检号 {found}", "请打开已有的体检单,或先取消登记", "exam_on")


def refuse_conflicts(
    catalogue: Catalogue, groups: Sequence[ItemGroup], sex: str, age: int, category: str, package: str = ""
) -> None:
    """Refuses an order that breaks a sex, age or category rule of the catalogue."""
    for conflict in catalog_rules.conflicts(catalogue, groups, sex, age, category, package or None):
        if conflict.is_blocking:
            raise Refused(conflict.code, conflict.text, conflict.hint, "groups")


def order_groups(
    db: Session, visit: Visit, groups: Sequence[ItemGroup], catalogue: Catalogue, *, first: bool = False
) -> list[UUID]:
    """Adds order lines with frozen prices: a package's price is allocated over its lines, added groups cost their own."""
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    package = catalogue.packages.get(visit.package_code) if first else None
    in_package = {g.code for g in groups if package and g.code in package.groups}
    if package and in_package == set(package.groups):
        shares = allocate([(g.code, g.price_fen) for g in groups if g.code in in_package], package.price_fen)
    else:
        shares = {}
    arrived_at = db.get_one(VisitBoard, visit.id).checked_in_at
    rows: list[dict[str, Any]] = []
    progress: list[dict[str, Any]] = []
    board: list[dict[str, Any]] = []
    for position, group in enumerate(groups):
        line_id = house.ids.new()
        rows.append(
            {"id": line_id, "visit_id": visit.id, "site": visit.site, "group_code": group.code, "name": group.name,
             "department": group.department, "standard_fen": group.price_fen,
             "price_fen": shares.get(group.code, group.price_fen), "origin": "package" if group.code in in_package else "added",
             "service_only": group.service_only, "position": group.order * 100 + position, "ordered_at": now}
        )  # fmt: skip
        progress.append(
            {"id": house.ids.new(), "line_id": line_id, "visit_id": visit.id, "kind": Progress.PLANNED.value, "undoes": None,
             "at": now, "actor_id": actor.staff_id, "reason": "", "due_on": None}
        )  # fmt: skip
        board.append(
            {"line_id": line_id, "visit_id": visit.id, "site": visit.site, "department": group.department,
             "exam_on": visit.exam_on, "state": LineState.PENDING.value, "group_code": group.code, "reason": "", "due_on": None,
             "checked_in_at": arrived_at}
        )  # fmt: skip
    insert_rows(db, OrderLineRow, rows)
    insert_rows(db, LineProgress, progress)
    insert_rows(db, LineBoard, board)
    return [row["id"] for row in rows]


# --- reading ---------------------------------------------------------------------------------------------------------


def get_row(db: Session, visit_id: UUID, *, lock: bool = False) -> Visit:
    """The visit's row, of the actor's own site; another site's is not found. `lock` holds it until the transaction ends."""
    statement = select(Visit).where(Visit.id == visit_id, Visit.site == actor_of(db).site)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    visit = db.execute(statement).scalar()
    if visit is None:
        raise NotFound("没有找到该体检单", "请核对体检号后重新查询")
    if lock:
        _forget_what_was_read_before(db, visit_id)
    return visit


_LOCK = PreparedStatement(
    select(Visit.id).where(Visit.id == bindparam("of_visit"), Visit.site == bindparam("of_site")).with_for_update()
)


def lock(db: Session, visit_id: UUID) -> None:
    """Holds a visit of the actor's own site until the transaction ends, for a caller that reads it afterwards by itself."""
    if visit_id in db.info.get("locked_visits", ()):
        return
    # A unit that writes holds the whole of an embedded database from its first statement.
    if not house_of(db).is_sqlite and _LOCK.first(db, of_visit=visit_id, of_site=actor_of(db).site) is None:
        raise NotFound("没有找到该体检单", "请核对体检号后重新查询")
    db.flush()  # what this unit itself changed must not be forgotten with what it had read
    _forget_what_was_read_before(db, visit_id)


def _forget_what_was_read_before(db: Session, visit_id: UUID) -> None:
    """At the first lock of a unit: whoever held it before us may have changed what this unit read without it."""
    held: set[UUID] = db.info.setdefault("locked_visits", set())
    if visit_id in held:
        return
    held.add(visit_id)
    for row in list(db.identity_map.values()):
        if isinstance(row, (VisitBoard, LineBoard)) and row.visit_id == visit_id:
            db.expire(row)


_ID_OF = PreparedStatement(select(Visit.id).where(Visit.visit_no == bindparam("of_visit_no"), Visit.site == bindparam("of_site")))


def find_id(db: Session, number: str) -> UUID:
    """The visit that a typed or scanned visit number or tube barcode belongs to."""
    visit_no, _ = ids.read_barcode(number)
    found = _ID_OF.first(db, of_visit_no=visit_no, of_site=actor_of(db).site)
    if found is None:
        raise NotFound(f"没有找到体检号 {visit_no}", "请核对条码,或用姓名、证件号查询")
    return cast(UUID, found.id)


_CARD = select(Visit, VisitBoard).join(VisitBoard, VisitBoard.visit_id == Visit.id)


def card(db: Session, visit_id: UUID) -> VisitCard:
    """A visit as screens show it."""
    row = db.execute(_CARD.where(Visit.id == visit_id, Visit.site == actor_of(db).site)).first()
    if row is None:
        raise NotFound("没有找到该体检单", "请核对体检号后重新查询")
    return to_card(*row)


def card_of(db: Session, visit_no: str) -> VisitCard:
    """As `card`, by the visit's number; anything else is not found. One statement."""
    plain = visit_no.strip()
    is_number = plain.isascii() and plain.isdigit() and len(plain) <= 20
    row = db.execute(_CARD.where(Visit.visit_no == plain, Visit.site == actor_of(db).site)).first() if is_number else None
    if row is None:
        raise NotFound("没有找到该体检单", "请核对体检号后重新查询")
    return to_card(*row)


def cards(db: Session, visit_ids: Sequence[UUID]) -> list[VisitCard]:
    """Several visits of the actor's site, in the order asked for; one statement."""
    rows = db.execute(_CARD.where(Visit.id.in_(visit_ids), Visit.site == actor_of(db).site))
    found = {visit.id: to_card(visit, board) for visit, board in rows}
    return [found[each] for each in visit_ids if each in found]


def strips(db: Session, shown: VisitCard) -> list[VisitStrip]:
    """What upper rooms say of a visit, for every screen on which it is called up (`exam/_strips.html`)."""
    return [strip for fill in house_of(db).modules.fillings(VISIT_STRIPS) if (strip := fill(db, shown)) is not None]


def of_person(db: Session, person_id: UUID) -> list[VisitCard]:
    """A person's visits at the actor's site, newest first (往年档案)."""
    statement = _CARD.where(Visit.person_id == person_id, Visit.site == actor_of(db).site)
    newest_first = statement.order_by(Visit.exam_on.desc(), Visit.id.desc())
    return [to_card(visit, board) for visit, board in db.execute(newest_first)]


def to_card(visit: Visit, board: VisitBoard) -> VisitCard:
    """A visit's row and its board row as one struct."""
    return VisitCard(
        id=visit.id, visit_no=visit.visit_no, site=visit.site, person_id=visit.person_id, person_name=visit.person_name,
        sex=visit.sex, age=age_on(visit.birth_on, visit.exam_on), category=visit.category, exam_on=visit.exam_on,
        state=VisitState(board.state), package_name=visit.package_name, organization=visit.organization,
        checked_in_at=board.checked_in_at, sheet_returned_at=board.sheet_returned_at, sections_done_at=board.sections_done_at,
        amount_due_fen=board.amount_due_fen, catalog_revision=visit.catalog_revision, catalog_on=visit.catalog_on,
        urgent=visit.urgent, ver=visit.ver,
    )  # fmt: skip


def catalogue_of(db: Session, visit: Visit | VisitCard) -> Catalogue:
    """The catalogue that this visit is pinned to."""
    return catalog.catalogue_at(db, visit.catalog_revision, visit.catalog_on or visit.exam_on)


# --- milestones ------------------------------------------------------------------------------------------------------


def state_of(db: Session, visit_id: UUID) -> VisitState:
    """Where a visit stands now, derived from its facts."""
    state, _ = _derive(db, visit_id)
    return state


def reach(db: Session, visit_id: UUID, milestone: Milestone, reason: str = "") -> None:
    """Adds a milestone. Refuses one that the state table does not allow now."""
    visit = get_row(db, visit_id, lock=True)
    rules.VISIT.move(state_of(db, visit_id), milestone, _MILESTONE_LABELS.get(milestone, milestone))
    _add_milestone(db, visit_id, milestone, reason)
    refresh(db, visit)
    announce(db, MilestoneReached(visit_id, visit.site, milestone))


def undo(db: Session, visit_id: UUID, milestone: Milestone, reason: str) -> None:
    """Undoes a milestone with a reason, one level at a time. Listeners may veto."""
    if not reason.strip():
        raise Refused("visits.reason_missing", "撤销必须填写原因", "请填写撤销原因", "reason")
    visit = get_row(db, visit_id, lock=True)
    state = state_of(db, visit_id)
    rules.require_undo(milestone, state)
    if milestone == Milestone.SHEET_RETURNED and state == VisitState.SECTIONS_DONE:
        # "Sections done" came by itself with the sheet and goes with it.
        _undo_milestone(db, visit, Milestone.SECTIONS_DONE, reason)
    _undo_milestone(db, visit, milestone, reason)
    refresh(db, visit)


def move_day(db: Session, visit_id: UUID, exam_on: date) -> None:
    """Moves a visit that has not begun to another day (改期); a listed one gets its day and is booked.

    Prices stay; the order must suit the age of the new day.
    """
    visit = get_row(db, visit_id, lock=True)
    state = state_of(db, visit_id)
    if state not in (VisitState.LISTED, VisitState.BOOKED, VisitState.REGISTERED):
        text = f"当前状态为“{VISIT_STATE_NAMES[state]}”,不能改期"
        raise Refused("visits.day_fixed", text, "请先取消报到,或按原日期继续体检", "exam_on")
    _refuse_second_visit(db, visit.person_id, exam_on)
    catalogue = catalogue_of(db, visit)
    codes = db.scalars(select(LineBoard.group_code).where(LineBoard.visit_id == visit_id, LineBoard.state != LineState.REMOVED))
    groups = [catalogue.groups[code] for code in codes if code in catalogue.groups]
    refuse_conflicts(catalogue, groups, visit.sex, age_on(visit.birth_on, exam_on), visit.category, visit.package_code)
    visit.exam_on = exam_on
    if state == VisitState.LISTED:
        _add_milestone(db, visit.id, Milestone.BOOKED, "")
    refresh(db, visit)
    if state == VisitState.LISTED:
        announce(db, MilestoneReached(visit.id, visit.site, Milestone.BOOKED))


def give_day_back(db: Session, visit_id: UUID, last_on: date, reason: str) -> None:
    """A booked visit has no day any more and is only listed again, until `last_on`."""
    visit = get_row(db, visit_id, lock=True)
    undo(db, visit_id, Milestone.BOOKED, reason)
    visit.exam_on = last_on
    refresh(db, visit)


def _undo_milestone(db: Session, visit: Visit, milestone: Milestone, reason: str) -> None:
    facts = db.scalars(select(VisitMilestone).where(VisitMilestone.visit_id == visit.id).order_by(VisitMilestone.id)).all()
    last = next((fact for fact in reversed(rules.standing(facts)) if fact.kind == milestone), None)
    if last is None:
        raise Refused("visits.nothing_to_undo", "没有可撤销的步骤", "请刷新页面查看最新状态")
    _add_milestone(db, visit.id, milestone, reason, undoes=last.id)
    announce(db, MilestoneReached(visit.id, visit.site, milestone, undone=True))


def _add_milestone(db: Session, visit_id: UUID, milestone: Milestone, reason: str, undoes: UUID | None = None) -> None:
    house, actor = house_of(db), actor_of(db)
    insert_rows(
        db,
        VisitMilestone,
        [{"id": house.ids.new(), "visit_id": visit_id, "kind": milestone.value, "undoes": undoes, "at": house.clock.now(),
          "actor_id": actor.staff_id, "reason": reason}],
    )  # fmt: skip


_MILESTONE_LABELS = {
    Milestone.REGISTERED: "登记",
    Milestone.CHECKED_IN: "报到",
    Milestone.SHEET_RETURNED: "交单",
    Milestone.CHIEF_STARTED: "开始主检",
    Milestone.FIRST_REVIEWED: "初审",
    Milestone.FINAL_REVIEWED: "终审",
    Milestone.REPORT_ISSUED: "发布报告",
    Milestone.DELIVERED: "领取报告",
    Milestone.CANCELLED: "取消登记",
}


# --- projections -----------------------------------------------------------------------------------------------------


def _derive(
    db: Session, visit_id: UUID, states: Sequence[LineState] | None = None
) -> tuple[VisitState, rules.BoardTimes]:
    milestones = db.execute(
        select(VisitMilestone.id, VisitMilestone.kind, VisitMilestone.undoes, VisitMilestone.at)
        .where(VisitMilestone.visit_id == visit_id)
        .order_by(VisitMilestone.id)
    ).all()
    if states is None:
        states = [LineState(each) for each in db.scalars(select(LineBoard.state).where(LineBoard.visit_id == visit_id))]
    return rules.visit_state(milestones, states), rules.board_times(milestones)


def refresh(db: Session, visit: Visit) -> None:
    """Brings a visit's projection up to its facts, and reaches or undoes `sections_done` by itself (T12)."""
    db.flush()
    lines = db.execute(
        select(LineBoard.state, OrderLineRow.service_only)
        .join(OrderLineRow, OrderLineRow.id == LineBoard.line_id)
        .where(LineBoard.visit_id == visit.id)
    ).all()
    states = [LineState(each.state) for each in lines]
    state, times = _derive(db, visit.id, states)
    is_done = rules.are_sections_done([(LineState(each.state), each.service_only) for each in lines])
    if state == VisitState.SHEET_RETURNED and is_done:
        _add_milestone(db, visit.id, Milestone.SECTIONS_DONE, "")
        announce(db, MilestoneReached(visit.id, visit.site, Milestone.SECTIONS_DONE))
        state, times = _derive(db, visit.id, states)
    elif state == VisitState.SECTIONS_DONE and not is_done:
        _undo_milestone(db, visit, Milestone.SECTIONS_DONE, "有项目未完成,自动回退")
        state, times = _derive(db, visit.id, states)
    board = db.get_one(VisitBoard, visit.id)
    is_arrival_changed = (board.checked_in_at, board.exam_on) != (times.checked_in_at, visit.exam_on)
    board.state = state
    board.exam_on = visit.exam_on
    for name in msgspec.structs.fields(rules.BoardTimes):
        setattr(board, name.name, getattr(times, name.name))
    if is_arrival_changed:
        for line in db.scalars(select(LineBoard).where(LineBoard.visit_id == visit.id)):
            line.checked_in_at, line.exam_on = times.checked_in_at, visit.exam_on


def set_amount_due(db: Session, visit_id: UUID, amount_fen: int) -> None:
    """Billing tells the board what the person still has to pay, in fen."""
    db.get_one(VisitBoard, visit_id).amount_due_fen = amount_fen

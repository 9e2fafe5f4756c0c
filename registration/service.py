"""The desk's own acts: book, register, check in, change the order, take the sheet back. Each is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing import service as billing
from exam.catalog import service as catalog
from exam.kit import audit, idempotency
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import House, actor_of, house_of, system_actor
from exam.people import rules as people_rules
from exam.people import service as people
from exam.people.facts import IdKind, NewPerson
from exam.people.rules import age_on
from exam.visits import orders, tubes
from exam.visits import rules as visit_rules
from exam.visits import service as visits
from exam.visits.facts import AWAY, LineState, Milestone, TubeEvent, VisitState
from exam.visits.models import Visit, VisitBoard, VisitMilestone
from registration import consents, rules, telling
from registration.facts import (
    AUTO_REFUSAL_REASON,
    NewBooking,
    Opened,
    OpenLineChoice,
    VisitMoved,
    WalkIn,
)
from registration.models import DayCapacity, DeskSetting

FALL_BACK_REASON = "增加或恢复项目,自动回退"


def today_of(db: Session) -> date:
    """The centre's day of this moment."""
    return day_of(house_of(db).clock.now())


# --- places of a day ---------------------------------------------------------------------------------------------------


def lock_desk(db: Session) -> DeskSetting:
    """The site's settings, locked: whoever opens or moves a visit takes turns, so no place is given away twice."""
    site = actor_of(db).site
    statement = select(DeskSetting).where(DeskSetting.site == site).with_for_update().execution_options(populate_existing=True)
    row = db.scalar(statement)
    if row is None:
        try:
            with db.begin_nested():
                insert_rows(db, DeskSetting, [{"site": site, "default_capacity": rules.DEFAULT_CAPACITY, "ver": 1}])
        except IntegrityError:
            pass  # somebody else made it in between
        row = db.scalars(statement).one()
    return row


def default_capacity(db: Session) -> int:
    """Places of a day that has no number of its own."""
    found = db.scalar(select(DeskSetting.default_capacity).where(DeskSetting.site == actor_of(db).site))
    return rules.DEFAULT_CAPACITY if found is None else found


def capacity_of(db: Session, day: date) -> int:
    """How many visits a day takes at the actor's site."""
    own = db.scalar(select(DayCapacity.capacity).where(DayCapacity.site == actor_of(db).site, DayCapacity.day == day))
    return default_capacity(db) if own is None else own


def taken(db: Session, day: date) -> int:
    """How many places of a day are taken: every visit that has this day and is not cancelled, also of those who just came."""
    statement = select(func.count()).where(
        VisitBoard.site == actor_of(db).site, VisitBoard.exam_on == day, VisitBoard.state.not_in(sorted(AWAY))
    )
    return db.scalar(statement) or 0


def set_capacity(db: Session, day: date | None, capacity: int) -> None:
    """Sets the places of one day, or of every day without a number of its own (`day` None)."""
    rules.require_capacity(capacity)
    setting = lock_desk(db)
    audit.note(db, "registration.set_capacity", subject=f"day:{day.isoformat() if day else 'default'}")
    if day is None:
        setting.default_capacity = capacity
        return
    row = db.get(DayCapacity, (setting.site, day))
    if row is None:
        db.add(DayCapacity(site=setting.site, day=day, capacity=capacity, ver=1))
    else:
        row.capacity = capacity


# --- booking and registering -------------------------------------------------------------------------------------------


def book(db: Session, new: NewBooking) -> Opened:
    """Books a visit for a known person (T1). Refuses a day that is past, too far ahead or full."""
    rules.require_bookable(new.exam_on, today_of(db))
    lock_desk(db)
    rules.require_place(new.exam_on, capacity_of(db, new.exam_on), taken(db, new.exam_on))
    return _open(db, new, is_booking=True)


def walk_in(db: Session, new: WalkIn) -> Opened:
    """Registers a person at the desk and opens their visit, in one transaction (T2).

    A known document leads to its file, whose name may be left out. A booking for today becomes the registration, or else
    the place on an employer's list; who has none is taken in even when the day is full, with a warning. With `exam_on` it is
    a booking for that day instead.
    """
    today = today_of(db)
    lock_desk(db)
    person_id, warnings = _register_person(db, new)
    if new.takes_sms:
        telling.agree_to_sms(db, person_id)
    booking = NewBooking(
        person_id=person_id, exam_on=new.exam_on or today, package=new.package, groups=new.groups, category=new.category,
        organization_id=new.organization_id, urgent=new.urgent,
    )  # fmt: skip
    if new.exam_on is not None:
        opened = book(db, booking)
        return Opened(opened.visit_id, opened.visit_no, False, (*warnings, *opened.warnings))
    waiting = rules.waiting(visits.of_person(db, person_id), today)
    if waiting is not None:
        register(db, waiting.id)
        changed = ("已按原预约的套餐登记,如需调整请在体检单中增减项目",) if new.package or new.groups else ()
        return Opened(waiting.id, waiting.visit_no, True, (*warnings, *changed))
    if taken(db, today) >= capacity_of(db, today):
        warnings = (*warnings, "今日名额已满,本次按现场登记接收")
    opened = _open(db, booking, is_booking=False)
    return Opened(opened.visit_id, opened.visit_no, False, (*warnings, *opened.warnings))


def walk_in_once(db: Session, key: str, new: WalkIn) -> Opened:
    """As `walk_in`; the same form sent twice makes one visit and is answered twice."""
    return idempotency.once(db, key, ("walk_in", new), Opened, lambda: walk_in(db, new))


def _register_person(db: Session, new: WalkIn) -> tuple[UUID, tuple[str, ...]]:
    number = people_rules.read_id_number(new.id_kind if new.id_no or new.id_kind else IdKind.NONE, new.id_no, today_of(db))
    known = people.find_by_document(db, number.kind, number.number)
    name, sex, birth_on = new.name, new.sex, new.birth_on
    if known is not None and not name.strip():
        row = people.get_row(db, known)
        name, sex, birth_on = row.name, row.sex, row.birth_on
    if new.organization_id is not None and not people.organization_name(db, new.organization_id):
        raise Refused("registration.unknown_organization", "没有该单位", "请从单位列表中选择", "organization_id")
    registered = people.register(
        db,
        NewPerson(
            name=name, id_kind=number.kind, id_no=new.id_no, sex=sex, birth_on=birth_on, phone=new.phone,
            organization_id=new.organization_id, address=new.address, nation=new.nation, marital=new.marital,
        ),
    )  # fmt: skip
    return registered.person_id, registered.warnings


def _open(db: Session, new: NewBooking, *, is_booking: bool) -> Opened:
    catalogue = catalog.catalogue(db, new.exam_on)
    package = catalogue.packages.get(new.package)
    category = new.category or (package.category if package else "health")
    rules.require_category(category)
    visit_id = visits.open_visit(
        db,
        visits.NewVisit(
            person_id=new.person_id, exam_on=new.exam_on, package=new.package, groups=new.groups, category=category,
            organization_id=new.organization_id, is_booking=is_booking, urgent=new.urgent,
        ),
    )  # fmt: skip
    visit = visits.get_row(db, visit_id)
    audit.note(db, "registration.book" if is_booking else "registration.walk_in", subject=f"visit:{visit.visit_no}")
    priced = rules.quote(catalogue, new.package, new.groups, visit.sex, age_on(visit.birth_on, new.exam_on), category)
    return Opened(visit_id, visit.visit_no, False, priced.warnings)


def register(db: Session, visit_id: UUID) -> None:
    """A booked person stands at the desk: the booking becomes a registration (T2). Only on the day of the visit.

    Who is on an employer's list may come on any day until the list ends; the visit's day is today then.
    """
    visit = visits.get_row(db, visit_id, lock=True)
    if visits.state_of(db, visit_id) == VisitState.LISTED and visit.exam_on >= today_of(db):
        visits.move_day(db, visit_id, today_of(db))
    rules.require_exam_day(visit.exam_on, today_of(db))
    visits.reach(db, visit_id, Milestone.REGISTERED)
    audit.note(db, "registration.register", subject=f"visit:{visit.visit_no}")


def rebook(db: Session, visit_id: UUID, exam_on: date) -> None:
    """Moves a visit that was not checked in to another day. Today is never full for somebody who stands at the desk."""
    today = today_of(db)
    rules.require_bookable(exam_on, today)
    lock_desk(db)
    visit = visits.get_row(db, visit_id, lock=True)
    before = visit.exam_on
    if exam_on == before and visits.state_of(db, visit_id) != VisitState.LISTED:
        raise Refused("registration.same_day", f"体检日期已是 {before.isoformat()}", "请选择其他日期", "exam_on")
    if exam_on != today:
        rules.require_place(exam_on, capacity_of(db, exam_on), taken(db, exam_on))
    visits.move_day(db, visit_id, exam_on)
    audit.note(db, "registration.rebook", subject=f"visit:{visit.visit_no}", reason=f"{before.isoformat()} → {exam_on.isoformat()}")
    announce(db, VisitMoved(visit_id, visit.site, before, exam_on))


def cancel(db: Session, visit_id: UUID, reason: str) -> int:
    """Cancels a visit of which nothing was drawn or examined (T18). Returns what is to be paid back to the person, in fen."""
    reason = rules.require_reason(reason, "取消登记")
    visit = visits.get_row(db, visit_id, lock=True)
    collected = sum(tube.state not in (TubeEvent.PLANNED, TubeEvent.PRINTED) for tube in tubes.of_visit(db, visit_id))
    rules.require_cancellable(visits.state_of(db, visit_id), orders.lines(db, visit_id), collected)
    orders.remove_all(db, visit_id, reason)
    visits.reach(db, visit_id, Milestone.CANCELLED, reason)
    audit.note(db, "registration.cancel", subject=f"visit:{visit.visit_no}", reason=reason)
    return max(-billing.amount_due(db, visit_id), 0)


# --- arriving ----------------------------------------------------------------------------------------------------------


def check_in(db: Session, visit_id: UUID) -> None:
    """The person is here, identified and paid for: tubes are planned, slips may be printed (T4). Only on the day itself.

    An order with private items needs the signed consent (T2).
    """
    visit = visits.get_row(db, visit_id, lock=True)
    rules.require_exam_day(visit.exam_on, today_of(db))
    billing.require_paid(db, visit_id)
    consents.require(db, visit_id)
    visits.reach(db, visit_id, Milestone.CHECKED_IN)
    tubes.plan(db, visit_id)
    audit.note(db, "registration.check_in", subject=f"visit:{visit.visit_no}")


def undo_check_in(db: Session, visit_id: UUID, reason: str) -> None:
    """Takes a check-in back while no tube was collected and nothing was started (T4, desk chief)."""
    reason = rules.require_reason(reason, "取消报到")
    visit = visits.get_row(db, visit_id, lock=True)
    collected = sum(tube.state not in (TubeEvent.PLANNED, TubeEvent.PRINTED) for tube in tubes.of_visit(db, visit_id))
    if collected:
        raise Refused("registration.tubes_collected", f"已采集 {collected} 管标本,不能取消报到", "请先在采血页撤销采集")
    visits.undo(db, visit_id, Milestone.CHECKED_IN, reason)
    audit.note(db, "registration.undo_check_in", subject=f"visit:{visit.visit_no}", reason=reason)


def pay(db: Session, visit_id: UUID, amount_fen: int, receipt_no: str) -> UUID:
    """Records what the person paid at the hospital's window (T3)."""
    return billing.pay_at_window(db, visit_id, amount_fen, receipt_no)


def refund_once(db: Session, key: str, visit_id: UUID, amount_fen: int, receipt_no: str, *, may_differ: bool = False) -> UUID:
    """Records what the window gave back (T18); the same form sent twice records one refund.

    `may_differ` where somebody looked at the amount and knows that it is not what is owed.
    """
    return idempotency.once(
        db, key, ("refund", visit_id, amount_fen, receipt_no), UUID,
        lambda: billing.refund_at_window(db, visit_id, amount_fen, receipt_no, may_differ=may_differ),
    )  # fmt: skip


def pay_once(db: Session, key: str, visit_id: UUID, amount_fen: int, receipt_no: str) -> UUID:
    """As `pay`; the same form sent twice records one payment."""
    return idempotency.once(
        db, key, ("pay", visit_id, amount_fen, receipt_no), UUID, lambda: pay(db, visit_id, amount_fen, receipt_no)
    )  # fmt: skip


# --- changing the order ------------------------------------------------------------------------------------------------


def add_groups(
    db: Session, visit_id: UUID, codes: Sequence[str], consent: int | None = None, channel: str = "desk"
) -> tuple[UUID, ...]:
    """Adds groups during the visit (T6); once checked in their tubes are planned at once. A returned sheet is open again.

    `consent` is the version of the text that was signed for the private ones among them.
    """
    if not codes:
        raise Refused("registration.nothing_chosen", "没有选择要增加的项目", "请先勾选项目", "groups")
    added = orders.add_groups(db, visit_id, tuple(dict.fromkeys(codes)))
    if consent is not None:  # only now, because a signature stands for what was ordered before it
        consents.give(db, visit_id, consent, channel)
    _after_reopening(db, visit_id)
    _prepare_if_arrived(db, visit_id, added, "在“增加项目”列表下方勾选“已阅读并签署”,再加入体检单")
    return added


def remove_line(db: Session, visit_id: UUID, line_id: UUID, reason: str) -> None:
    """Takes a line off the order that nobody has sampled or begun (T7)."""
    reason = rules.require_reason(reason, "退项")
    visits.get_row(db, visit_id, lock=True)  # two desks must not take the last two lines at once
    left = [line for line in orders.lines(db, visit_id) if line.state != LineState.REMOVED and line.id != line_id]
    if not left:
        raise Refused("registration.last_line", "体检单至少要保留一个项目", "如不再体检,请办理取消登记")
    orders.remove_line(db, visit_id, line_id, reason)


def refuse_line(db: Session, visit_id: UUID, line_ids: Sequence[UUID], reason: str) -> None:
    """The person refuses these lines (T8)."""
    orders.refuse(db, visit_id, line_ids, rules.require_reason(reason, "拒检"))


def postpone_line(db: Session, visit_id: UUID, line_id: UUID, due_on: date, reason: str) -> None:
    """A line will be done later, at the latest on `due_on` (T9)."""
    today = today_of(db)
    if due_on <= today or (due_on - today).days > rules.BOOKABLE_DAYS:
        raise Refused("registration.due_on", "延期日期必须在今天之后、一年以内", "请重新选择日期", "due_on")
    orders.postpone(db, visit_id, line_id, due_on, rules.require_reason(reason, "延期"))


def resume_line(db: Session, visit_id: UUID, line_id: UUID, reason: str = "恢复检查") -> None:
    """A refused or postponed line is to be examined after all (弃检恢复). A returned sheet is open again.

    A line that was refused or postponed before check-in gets its tube now.
    """
    orders.resume(db, visit_id, line_id, reason)
    _after_reopening(db, visit_id)
    _prepare_if_arrived(db, visit_id, (line_id,), "在体检单的“知情同意书”一栏勾选并登记,再恢复项目")


def _prepare_if_arrived(db: Session, visit_id: UUID, line_ids: Sequence[UUID], where: str) -> None:
    """Whoever has arrived gets the tubes of new lines at once, and must have consented to the private ones of them (T6)."""
    if visits.card(db, visit_id).checked_in_at is not None:
        consents.require_for(db, visit_id, line_ids, where)
        tubes.plan(db, visit_id)


def _after_reopening(db: Session, visit_id: UUID) -> None:
    """A returned sheet has no open line (T11), so an added or resumed line puts the visit back into the exam (T6)."""
    if visits.state_of(db, visit_id) in (VisitState.SHEET_RETURNED, VisitState.SECTIONS_DONE):
        visits.undo(db, visit_id, Milestone.SHEET_RETURNED, FALL_BACK_REASON)


# --- sheet return ------------------------------------------------------------------------------------------------------


def return_sheet(db: Session, visit_id: UUID, choices: Sequence[OpenLineChoice] | None = None) -> int:
    """Takes the guide sheet back (T11). Without `choices` every open line is refused with "交单时未检"; with them each open
    line needs its own choice. Returns how many lines were refused or postponed.
    """
    visit = visits.get_row(db, visit_id, lock=True)
    if visits.state_of(db, visit_id) not in (VisitState.CHECKED_IN, VisitState.IN_EXAM):
        visits.reach(db, visit_id, Milestone.SHEET_RETURNED)  # refuses with the state's own words
    still_open = rules.open_lines(orders.lines(db, visit_id))
    if choices is None:
        if still_open:
            orders.refuse(db, visit_id, [line.id for line in still_open], AUTO_REFUSAL_REASON)
    else:
        rules.check_choices(still_open, choices, visit.exam_on)
        for choice in choices:
            if choice.choice == "refuse":
                refuse_line(db, visit_id, [choice.line_id], choice.reason)
            elif choice.due_on is not None:
                postpone_line(db, visit_id, choice.line_id, choice.due_on, choice.reason or "交单时延期")
    visits.reach(db, visit_id, Milestone.SHEET_RETURNED)
    audit.note(db, "registration.return_sheet", subject=f"visit:{visit.visit_no}")
    return len(still_open)


def undo_own_return(db: Session, visit_id: UUID, reason: str) -> int:
    """As `undo_return`, for the person at the desk: only a return made by themselves on the same day (T11)."""
    rows = db.scalars(
        select(VisitMilestone).where(VisitMilestone.visit_id == visit_id, VisitMilestone.kind == Milestone.SHEET_RETURNED)
        .order_by(VisitMilestone.id)
    ).all()  # fmt: skip
    last = next(reversed(visit_rules.standing(rows)), None)
    rules.require_own_return(last.actor_id if last else None, last.at if last else None, actor_of(db).staff_id, today_of(db))
    return undo_return(db, visit_id, reason)


def undo_return(db: Session, visit_id: UUID, reason: str) -> int:
    """Gives the sheet back (反交单): what the return refused by itself is open again; what a person refused stays so.

    A private line for which no consent stands stays refused too; returns how many of those.
    """
    reason = rules.require_reason(reason, "撤销交单")
    visit = visits.get_row(db, visit_id, lock=True)
    visits.undo(db, visit_id, Milestone.SHEET_RETURNED, reason)
    unsigned = {line.id for line in consents.unsigned_lines(db, visit_id)}
    refused = [
        line.id for line in orders.lines(db, visit_id)
        if line.state == LineState.REFUSED and line.reason == AUTO_REFUSAL_REASON
    ]  # fmt: skip
    for line_id in refused:
        if line_id not in unsigned:
            orders.resume(db, visit_id, line_id, reason)
    audit.note(db, "registration.undo_return", subject=f"visit:{visit.visit_no}", reason=reason)
    return sum(line_id in unsigned for line_id in refused)


def visit_of(db: Session, visit_no: str) -> Visit:
    """The visit with this number at the actor's site; anything else is not found."""
    plain = visit_no.strip()
    is_number = plain.isascii() and plain.isdigit() and len(plain) <= 20
    found = db.scalar(select(Visit).where(Visit.visit_no == plain, Visit.site == actor_of(db).site)) if is_number else None
    if found is None:
        raise NotFound("没有找到该体检单", "请核对体检号后重新查询")
    return found


def forget_keys(house: House) -> None:
    """Removes idempotency keys older than a week; nobody sends such a form again."""
    with house.unit(system_actor(house.site)) as db:
        idempotency.forget(db, house.clock.now() - timedelta(days=7))


def set_up(db: Session) -> None:
    """Makes the site's settings and its consent text where they are missing."""
    lock_desk(db)
    consents.load_starter(db)

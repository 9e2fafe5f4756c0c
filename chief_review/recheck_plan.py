"""The recheck plan beside a review: shown and changed while it is written, ordered by the final signature, withdrawn with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from chief_review import plan_rules
from chief_review.desk import Desk, proposals, sit_down
from chief_review.facts import ReviewFinalized, ReviewReopened, ReviewScreen, ReviewState
from chief_review.models import RecheckPlan
from chief_review.plan_rules import PlanChoice, PlanItem
from exam.catalog import rules as catalog_rules
from exam.catalog.facts import Catalogue, ItemGroup
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import Refused, Stale
from exam.kit.house import actor_of, house_of
from exam.knowledge.rules import RecheckProposal
from exam.visits import service as visits
from exam.visits.facts import VisitCard, VisitState
from registration import recheck_lists, rechecks, recognition
from registration.facts import GroupChoice
from registration.recheck_facts import RecheckLine

WITHDRAWN = "终审已撤销"
_ITEMS = tuple[PlanItem, ...]


class PlanLine(msgspec.Struct, frozen=True):
    """One item as the screen shows it: the groups by name, and the day it would fall on if it were signed today."""

    item: PlanItem
    names: str
    due_on: date


class PlanScreen(msgspec.Struct, frozen=True):
    """The plan on the reviewer's desk. `ordered` is what a final signature made of it; `found` are groups that were looked for."""

    lines: tuple[PlanLine, ...]
    number: int
    is_editable: bool
    ordered: tuple[RecheckLine, ...] = ()
    found: tuple[GroupChoice, ...] = ()
    q: str = ""


def plan_screen(db: Session, screen: ReviewScreen) -> PlanScreen:
    """The plan beside a review that was read already: one statement while it is written; with what was ordered a few more."""
    review = screen.review
    ordered: tuple[RecheckLine, ...] = ()
    if review.state is ReviewState.FINAL or review.is_rereview:
        listed = recheck_lists.lines_of_visit(db, screen.card.id, is_origin=True)
        ordered = tuple(line for line in listed if not line.recheck.standing.is_withdrawn)
        if review.state is ReviewState.FINAL:
            return PlanScreen((), 0, is_editable=False, ordered=ordered)
    private = {item for each in screen.results for item in each.privacy_items}
    number, stored = _stored(db, screen.card.id) if review.version else (0, ())
    hidden = _private_groups(visits.catalogue_of(db, screen.card), screen.proposals)
    items = plan_rules.plan(screen.proposals, stored, private, hidden)
    is_editable = _is_editable(review.state, screen.card.state) and actor_of(db).may("chief_review.write")
    return PlanScreen(_lines(db, screen.card, items), number, is_editable, ordered)


def _is_editable(review: ReviewState, visit: VisitState) -> bool:
    return visit in (VisitState.CHIEF, VisitState.FIRST_REVIEWED) and review is not ReviewState.FINAL


def _lines(db: Session, card: VisitCard, items: Sequence[PlanItem]) -> tuple[PlanLine, ...]:
    today = day_of(house_of(db).clock.now())
    names = {code: group.name for code, group in visits.catalogue_of(db, card).groups.items()} if items else {}
    return tuple(PlanLine(item, plan_rules.names_of(item, names), today + timedelta(days=item.after_days)) for item in items)


def _stored(db: Session, visit_id: UUID) -> tuple[int, _ITEMS]:
    wanted = select(RecheckPlan.number, RecheckPlan.body).where(RecheckPlan.visit_id == visit_id)
    row = db.execute(wanted.order_by(RecheckPlan.number.desc()).limit(1)).first()
    return (row.number, msgspec.json.decode(row.body, type=_ITEMS)) if row is not None else (0, ())


def _present(db: Session, desk: Desk) -> tuple[int, _ITEMS]:
    """The plan's last number, and its items of this moment."""
    private = {item for each in desk.departments for item in each.privacy_items}
    wanted = proposals(desk)
    number, stored = _stored(db, desk.visit.id)
    return number, plan_rules.plan(wanted, stored, private, _private_groups(visits.catalogue_of(db, desk.visit), wanted))


def _private_groups(catalogue: Catalogue, wanted: Sequence[RecheckProposal]) -> frozenset[str]:
    held = {code for each in wanted for code in each.groups if code in catalogue.groups}
    return frozenset(code for code in held if catalog_rules.is_private_group(catalogue, catalogue.groups[code]))


def save(
    db: Session, visit_id: UUID, base_number: int, choices: Sequence[PlanChoice], *, add: str = "", remove: str = ""
) -> PlanScreen:  # fmt: skip
    """Stores the plan with what the screen says of each item, one group added by its code, or an added one taken away.

    Refuses a plan that somebody changed in between, and one of a review that is not being written.
    """
    desk = sit_down(db, visit_id, lock=True)
    state = ReviewState(desk.row.state) if desk.row else ReviewState.OPEN
    if desk.row is None or not _is_editable(state, visits.state_of(db, visit_id)):
        raise Refused("chief_review.plan_closed", "当前不能修改复查计划", "请先开始主检;已终审的需先撤销终审")
    number, items = _present(db, desk)
    if number != base_number:
        raise Stale("复查计划已被他人修改,您的修改没有保存", "请刷新页面核对后重新修改")
    after = plan_rules.chosen(items, choices)
    if add:
        catalogue = visits.catalogue_of(db, desk.visit)
        group = _group(catalogue, add)
        after = plan_rules.added(after, group.code, catalog_rules.is_private_group(catalogue, group))
    after = plan_rules.removed(after, remove) if remove else after
    if after != items or not number:
        number += 1
        _store(db, desk, number, after)
    return PlanScreen(_lines(db, visits.card(db, visit_id), after), number, is_editable=True)


def _group(catalogue: Catalogue, code: str) -> ItemGroup:
    if code not in catalogue.groups:
        raise Refused("chief_review.unknown_group", f"没有项目“{code[:20]}”", "请输入项目名称、拼音首字母或编号后选择", "q")
    return catalogue.groups[code]


def _store(db: Session, desk: Desk, number: int, items: Sequence[PlanItem]) -> None:
    house, actor = house_of(db), actor_of(db)
    row = {
        "id": house.ids.new(), "visit_id": desk.visit.id, "number": number, "body": msgspec.json.encode(tuple(items)).decode(),
        "at": house.clock.now(), "actor_id": actor.staff_id, "actor": actor.name,
    }  # fmt: skip
    insert_rows(db, RecheckPlan, [row])
    audit.note(db, "chief_review.recheck_plan", subject=f"visit:{desk.visit.visit_no}")


def groups_matching(db: Session, visit_id: UUID, text: str) -> tuple[GroupChoice, ...]:
    """The groups that match what a doctor typed; the one whose code or name it is, alone."""
    visit = visits.get_row(db, visit_id)
    found = recognition.groups_for_day(
        db, day_of(house_of(db).clock.now()), text[:60], (), visit.sex, visit.birth_on, visit.category
    )
    fitting = tuple(each for each in found if not each.blocked)
    exact = tuple(each for each in fitting if text.strip().lower() in (each.code.lower(), each.name.lower()))
    return exact or fitting


# --- the final signature ---------------------------------------------------------------------------------------------


def on_review_finalized(db: Session, event: ReviewFinalized) -> None:
    """The final signature orders what the plan wants."""
    desk = sit_down(db, event.visit_id)
    _, items = _present(db, desk)
    rechecks.order(db, event.visit_id, plan_rules.ordered(items, day_of(house_of(db).clock.now())))


def on_review_reopened(db: Session, event: ReviewReopened) -> None:
    """The final signature was taken back: what nobody booked yet is withdrawn with it."""
    rechecks.withdraw(db, event.visit_id, WITHDRAWN)

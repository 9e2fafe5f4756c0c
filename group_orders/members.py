"""The members of a round: enrolled in bulk with their visits, moved, replaced and taken off again."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import listed as billing_listed
from billing import service as billing
from billing.facts import Terms, VisitTerms
from exam.catalog import rules as catalog_rules
from exam.catalog import service as catalog
from exam.catalog.facts import Catalogue, ItemGroup
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.people import bulk
from exam.people import service as people
from exam.people.facts import Holder, NewPerson
from exam.visits import listing, orders
from exam.visits import service as visits
from exam.visits.facts import BEGUN, LineState, VisitState
from group_orders import rules
from group_orders.facts import Kept, MemberDraft, Offer
from group_orders.models import Cohort, CohortTerms, GroupOrder, Member

_KEPT = list[Kept]


def order_row(db: Session, order_id: UUID, *, lock: bool = False) -> GroupOrder:
    """A round of the actor's own site; another site's is not found."""
    statement = select(GroupOrder).where(GroupOrder.id == order_id, GroupOrder.site == actor_of(db).site)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    row = db.scalar(statement)
    if row is None:
        raise NotFound("没有找到该团检批次", "请从批次列表重新进入")
    return row


def member_row(db: Session, member_id: UUID, *, lock: bool = False) -> Member:
    """A member of a round of the actor's own site."""
    statement = select(Member).where(Member.id == member_id, Member.site == actor_of(db).site)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    row = db.scalar(statement)
    if row is None:
        raise NotFound("没有找到该成员", "请从名单重新进入")
    return row


def current_terms(db: Session, cohort_ids: Iterable[UUID]) -> dict[UUID, CohortTerms]:
    """The newest version of each cohort's terms; one statement."""
    rows = db.scalars(select(CohortTerms).where(CohortTerms.cohort_id.in_(list(cohort_ids))).order_by(CohortTerms.revision))
    return {row.cohort_id: row for row in rows}


def offer_of(terms: CohortTerms) -> Offer:
    """What a version of terms says."""
    return msgspec.json.decode(terms.offer, type=Offer)


# --- enrolling ---------------------------------------------------------------------------------------------------------


def enrol(db: Session, order_id: UUID, batch_id: UUID | None, drafts: Sequence[MemberDraft]) -> list[UUID]:
    """Puts persons on a round's list: file, listed visit with its orders, charges by the cohort's terms, member. In their order.

    A fixed number of statements however many they are. Refuses all of them when one cannot be taken.
    """
    house = house_of(db)
    order = order_row(db, order_id, lock=True)
    rules.require_takes_members(order.state)
    now = house.clock.now()
    catalogue = catalog.catalogue(db, day_of(now))
    cohorts = {row.id: row for row in db.scalars(select(Cohort).where(Cohort.order_id == order_id, Cohort.active))}
    terms = current_terms(db, cohorts)
    for draft in drafts:
        if draft.cohort_id not in terms:
            raise Refused("group_orders.no_terms", f"第 {draft.row} 行所属分组没有体检方案", "请先为该分组设置套餐或项目", "cohort")
    holders = bulk.register_many(db, [_new_person(draft, order.organization_id) for draft in drafts])
    _refuse_members(db, order_id, holders, drafts)
    offers = {cohort_id: offer_of(row) for cohort_id, row in terms.items()}
    fitting = _fitting(catalogue, offers, order)
    groups = [fitting(draft.cohort_id, holder) for draft, holder in zip(drafts, holders, strict=True)]
    listings = listing.list_many(
        db,
        [listing.NewListing(holder=holder, package=offers[draft.cohort_id].package, groups=each)
         for draft, holder, each in zip(drafts, holders, groups, strict=True)],
        catalogue, last_on=order.closes_on, category=order.category, organization_id=order.organization_id,
        organization=people.organization_name(db, order.organization_id),
    )  # fmt: skip
    agreed = _agreed(offers, order_id)
    codes = [tuple(group.code for group in each) for each in groups]
    billing_listed.charge_many(
        db,
        [billing_listed.Listed(each.visit_id, each.lines, agreed(draft.cohort_id, covered))
         for each, draft, covered in zip(listings, drafts, codes, strict=True)],
        catalogue,
    )  # fmt: skip
    rows = [
        _member(house.ids.new(), order, draft, terms[draft.cohort_id].id, holder, each.visit_id, batch_id, covered, now)
        for draft, holder, each, covered in zip(drafts, holders, listings, codes, strict=True)
    ]
    _join_families(db, order_id, drafts, rows)
    insert_rows(db, Member, rows)
    audit.note(db, "group_orders.enrol", subject=f"group_order:{order.order_no}", reason=f"{len(rows)} 人")
    return [row["id"] for row in rows]


def _new_person(draft: MemberDraft, organization_id: UUID) -> NewPerson:
    return NewPerson(
        name=draft.name, id_kind=draft.id_kind, id_no=draft.id_no, sex=draft.sex, birth_on=draft.birth_on, phone=draft.phone,
        organization_id=None if draft.relation else organization_id, marital=draft.marital,
    )  # fmt: skip


def _refuse_second_place(db: Session, order_id: UUID, person_id: UUID) -> None:
    if _present(db, order_id, [person_id]):
        raise Refused("group_orders.member_twice", "该成员已在目标批次名单中", "请核对目标批次的名单", "cohort_id")


def _present(db: Session, order_id: UUID, person_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these persons are on a round's list."""
    here = select(Member.person_id).where(Member.order_id == order_id, Member.left_at.is_(None))
    return set(db.scalars(here.where(Member.person_id.in_(person_ids))))


def _refuse_members(db: Session, order_id: UUID, holders: Sequence[Holder], drafts: Sequence[MemberDraft]) -> None:
    """Refuses a person who is on this list already, or is in these drafts twice."""
    present = _present(db, order_id, [holder.person_id for holder in holders])
    seen: set[UUID] = set()
    for holder, draft in zip(holders, drafts, strict=True):
        if holder.person_id in present or holder.person_id in seen:
            raise Refused("group_orders.member_twice", f"{holder.name} 已在该批次名单中", f"请删除第 {draft.row} 行后重试", "id_no")
        seen.add(holder.person_id)


def _fitting(catalogue: Catalogue, offers: dict[UUID, Offer], order: GroupOrder) -> Any:
    """What an offer gives a person; worked out once for each cohort, sex and birth date."""

    @functools.cache
    def of(cohort_id: UUID, sex: str, birth_on: Any) -> tuple[ItemGroup, ...]:
        holder = Holder(cohort_id, "该成员", sex, birth_on)
        return rules.groups_of(offers[cohort_id], catalogue, holder, order.closes_on, order.category)

    def fitting(cohort_id: UUID, holder: Holder) -> tuple[ItemGroup, ...]:
        groups = of(cohort_id, holder.sex, holder.birth_on)
        if not groups:
            raise Refused("group_orders.nothing_fits", f"分组方案中没有适合 {holder.name} 的项目", "请调整分组或方案", "cohort")
        return groups

    return fitting


def _agreed(offers: dict[UUID, Offer], order_id: UUID) -> Any:
    @functools.cache
    def agreed(cohort_id: UUID, covered: tuple[str, ...]) -> VisitTerms:
        return VisitTerms(rules.terms_of(offers[cohort_id], order_id, covered))

    return agreed


def _member(
    member_id: UUID, order: GroupOrder, draft: MemberDraft, terms_id: UUID, holder: Holder, visit_id: UUID, batch_id: UUID | None,
    covered: tuple[str, ...], now: datetime,
) -> dict[str, Any]:  # fmt: skip
    return {
        "id": member_id, "order_id": order.id, "cohort_id": draft.cohort_id, "terms_id": terms_id, "person_id": holder.person_id,
        "visit_id": visit_id, "batch_id": batch_id, "site": order.site, "employee_no": draft.employee_no,
        "department": draft.department, "job": draft.job, "post": draft.post, "relation": draft.relation, "of_member_id": None,
        "replaces_id": None, "covered": _text(covered), "kept": "[]", "remark": draft.remark, "added_at": now, "left_at": None,
        "left_reason": "", "ver": 1,
    }  # fmt: skip


def _text(codes: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(codes)).decode()


def _join_families(db: Session, order_id: UUID, drafts: Sequence[MemberDraft], rows: Sequence[dict[str, Any]]) -> None:
    """Ties family to the employee whose number they came with: one of this list, or already on the round."""
    wanted = {draft.of_employee_no for draft in drafts if draft.of_employee_no}
    if not wanted:
        return
    known = {
        row.employee_no: row.id
        for row in db.execute(
            select(Member.employee_no, Member.id).where(
                Member.order_id == order_id, Member.left_at.is_(None), Member.relation == "", Member.employee_no.in_(wanted)
            )
        )
    }
    known |= {draft.employee_no: row["id"] for draft, row in zip(drafts, rows, strict=True) if draft.employee_no and not draft.relation}
    for draft, row in zip(drafts, rows, strict=True):
        if draft.of_employee_no:
            row["of_member_id"] = known.get(draft.of_employee_no)


# --- leaving -----------------------------------------------------------------------------------------------------------


def withdraw_batch(db: Session, batch_id: UUID, reason: str) -> int:
    """Takes a whole import back while nobody of it has a day or came; how many were taken off."""
    rows = db.scalars(select(Member).where(Member.batch_id == batch_id, Member.site == actor_of(db).site, Member.left_at.is_(None))).all()
    return withdraw(db, rows, reason, all_or_none=True)


def withdraw(db: Session, members: Sequence[Member], reason: str, *, all_or_none: bool = False) -> int:
    """Takes members off who were not given a day yet: their visits are cancelled and their charges reversed.

    `all_or_none` refuses when one of them was booked or came; otherwise those stay on the list.
    """
    if not reason.strip() or len(reason) > 200:
        raise Refused("group_orders.reason_missing", "撤出名单必须填写原因(不超过 200 字)", "请填写原因", "reason")
    gone = set(listing.unlist_many(db, [member.visit_id for member in members], reason.strip()))
    if all_or_none and len(gone) < len(members):
        text = f"名单中有 {len(members) - len(gone)} 人已预约或到检,不能整批撤销"
        raise Refused("group_orders.batch_begun", text, "请先取消这些人的预约,或逐人移出名单")
    billing_listed.uncharge_many(db, sorted(gone))
    now = house_of(db).clock.now()
    for member in members:
        if member.visit_id in gone:
            member.left_at, member.left_reason = now, reason.strip()
    audit.note(db, "group_orders.withdraw", reason=reason.strip())
    return len(gone)


# --- changing ----------------------------------------------------------------------------------------------------------


def terms_of_visit(db: Session, visit_id: UUID) -> VisitTerms | None:
    """What a group order agreed for a visit (fills `billing.facts.VISIT_TERMS`): the member's pinned terms, and what older ones keep."""
    row = db.execute(
        select(Member.order_id, Member.covered, Member.kept, CohortTerms.offer)
        .join(CohortTerms, CohortTerms.id == Member.terms_id)
        .where(Member.visit_id == visit_id)
    ).first()
    if row is None:
        return None
    now = rules.terms_of(
        msgspec.json.decode(row.offer, type=Offer), row.order_id, msgspec.json.decode(row.covered, type=list[str])
    )
    kept = msgspec.json.decode(row.kept, type=_KEPT)
    return VisitTerms(now, tuple((each.lines, _kept_terms(db, each)) for each in kept))


def _kept_terms(db: Session, kept: Kept) -> Terms | None:
    if kept.terms_id is None or kept.order_id is None:
        return None
    return rules.terms_of(offer_of(db.get_one(CohortTerms, kept.terms_id)), kept.order_id, kept.covered)


def move_to_cohort(db: Session, member_id: UUID, cohort_id: UUID, chosen: Iterable[str] = ()) -> None:
    """Gives a member another cohort of the same or another open round of the organisation, or its newest terms.

    What was done stays under the terms that it was done by (F35); what was not done is replaced by the new cohort's groups.
    What the member added at own cost stays.
    """
    member = member_row(db, member_id, lock=True)
    before, cohort = order_row(db, member.order_id), db.get(Cohort, cohort_id)
    if cohort is None or not cohort.active:
        raise NotFound("没有找到该分组", "请刷新页面后重新选择")
    order = order_row(db, cohort.order_id, lock=True)
    rules.require_takes_members(order.state)
    if order.organization_id != before.organization_id:
        raise Refused("group_orders.other_organization", "只能调整到同一单位的批次", "如更换单位,请先移出名单再登记", "cohort_id")
    if order.id != member.order_id:
        _refuse_second_place(db, order.id, member.person_id)
    found = current_terms(db, [cohort_id]).get(cohort_id)
    if found is None:
        raise Refused("group_orders.no_terms", f"分组“{cohort.name}”没有体检方案", "请先为该分组设置套餐或项目", "cohort_id")
    visit = visits.get_row(db, member.visit_id, lock=True)
    card = visits.card(db, visit.id)
    lines = orders.lines(db, visit.id)
    covered = set(msgspec.json.decode(member.covered, type=list[str]))
    catalogue = visits.catalogue_of(db, visit)
    holder = Holder(member.person_id, visit.person_name, visit.sex, visit.birth_on)
    wanted = {each.code for each in rules.groups_of(offer_of(found), catalogue, holder, visit.exam_on, order.category, chosen)}
    present = {line.group_code: line for line in lines if line.state is not LineState.REMOVED}
    begun = any(line.state in BEGUN for line in lines)
    # A service (venipuncture, the chief's review) was rendered with whatever was begun.
    done = {code: line.id for code, line in present.items() if line.state in BEGUN or (begun and line.service_only)}
    kept = msgspec.json.decode(member.kept, type=_KEPT)
    fresh = frozenset(done.values()) - frozenset().union(*(each.lines for each in kept))
    if fresh:
        kept.append(Kept(fresh, member.order_id, member.terms_id, frozenset(covered)))
    member.order_id, member.cohort_id, member.terms_id = order.id, cohort_id, found.id
    member.covered, member.kept = _text(wanted), msgspec.json.encode(kept).decode()
    db.flush()  # billing asks for the terms below
    for code, line in present.items():
        if code in covered - wanted and code not in done:
            orders.remove_line(db, visit.id, line.id, "调整分组")
    held = set(done) | set(present) - covered
    held |= set().union(*(catalog_rules.included(catalogue, code) for code in held))
    missing = [code for code in wanted if code not in held and code not in present]
    if missing:
        orders.add_groups(db, visit.id, missing)
    if card.state is VisitState.LISTED:
        visit.exam_on = order.closes_on
        visits.refresh(db, visit)
    billing.reprice(db, visit.id, "moved")
    audit.note(db, "group_orders.move", subject=f"visit:{visit.visit_no}", reason=cohort.name)


def add_one(db: Session, order_id: UUID, draft: MemberDraft) -> UUID:
    """Adds a late member by hand."""
    return enrol(db, order_id, None, [draft])[0]


def replace(db: Session, member_id: UUID, draft: MemberDraft, reason: str) -> UUID:
    """Another person comes instead of a member who was not given a day yet; the place and the cohort stay."""
    member = member_row(db, member_id, lock=True)
    if withdraw(db, [member], reason) != 1:
        raise Refused("group_orders.member_begun", "该成员已预约或到检,不能替换", "请先取消其预约;已到检的请作为新成员登记")
    db.flush()
    new_id = enrol(db, member.order_id, member.batch_id, [msgspec.structs.replace(draft, cohort_id=member.cohort_id)])[0]
    db.flush()
    db.get_one(Member, new_id).replaces_id = member.id
    return new_id

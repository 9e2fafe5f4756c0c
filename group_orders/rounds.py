"""The next round of a contract with the last one's cohorts, changes of a cohort's rule, and the price preview of an offer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from uuid import UUID, uuid5

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import price_rules
from billing.facts import NOBODY, PricedLine, VisitTerms
from exam.catalog import rules as catalog_rules
from exam.catalog import service as catalog
from exam.catalog.facts import Catalogue
from exam.kit import audit
from exam.kit.errors import BadInput, Refused, Stale
from exam.people.facts import Holder
from exam.people.rules import age_on
from exam.visits import service as visits
from group_orders import members, rules, service
from group_orders.facts import NewCohort, NewOrder, Offer, OrderState
from group_orders.models import Cohort, CohortTerms, GroupOrder, Member

_PREVIEW = UUID(int=7)


def next_round(db: Session, order_id: UUID, new: NewOrder) -> tuple[UUID, list[str]]:
    """Opens the round after this one as a draft, with its cohorts and what they get.

    Returns it and the cohorts whose offer the catalogue of today does not know any more: those need a new one.
    """
    before = members.order_row(db, order_id)
    if before.state in (OrderState.DRAFT, OrderState.APPROVED):
        raise Refused("group_orders.not_begun", "本批次尚未开放,不能建立下一批次", "请先开放本批次")
    next_id = service.add_order(db, msgspec.structs.replace(new, contract_id=before.contract_id))
    db.flush()
    missing = []
    for cohort, terms in service.cohorts_of(db, order_id):
        copied = service.add_cohort(db, next_id, rule_of(cohort))
        db.flush()
        if terms is None:
            continue
        # Days of validity were this round's own.
        offer = msgspec.structs.replace(members.offer_of(terms), valid_from=None, valid_until=None)
        try:
            service.set_offer(db, copied, offer, "沿用上一批次")
        except BadInput:
            missing.append(cohort.name)
    return next_id, missing


def rule_of(cohort: Cohort) -> NewCohort:
    """A cohort's rule as the form has it."""
    words = msgspec.json.Decoder(tuple[str, ...])
    return NewCohort(
        name=cohort.name, sex=cohort.sex, age_from=cohort.age_from, age_to=cohort.age_to, marital=cohort.marital,
        jobs=words.decode(cohort.jobs), posts=words.decode(cohort.posts),
    )  # fmt: skip


def change_cohort(db: Session, cohort_id: UUID, new: NewCohort, ver: int) -> None:
    """Changes whom a cohort takes from now on; who is on the list stays where they are."""
    cohort = service.cohort_row(db, cohort_id)
    order = members.order_row(db, cohort.order_id, lock=True)
    if order.state != OrderState.DRAFT:
        rules.require_takes_members(order.state)
    rules.require_sound_cohort(new)
    if cohort.ver != ver:
        raise Stale("该分组已被他人修改")
    taken = db.scalars(select(Cohort.name).where(Cohort.order_id == order.id, Cohort.id != cohort_id)).all()
    if new.name.strip() in taken:
        raise BadInput([("name", f"分组“{new.name.strip()}”已存在,请换一个名称")])
    cohort.name, cohort.sex, cohort.age_from, cohort.age_to = new.name.strip(), new.sex, new.age_from, new.age_to
    cohort.marital, cohort.jobs, cohort.posts = new.marital, _words(new.jobs), _words(new.posts)
    audit.note(db, "group_orders.change_cohort", subject=f"group_order:{order.order_no}", reason=cohort.name)


def _words(words: Iterable[str]) -> str:
    return msgspec.json.encode([word.strip() for word in words if word.strip()]).decode()


def drop_cohort(db: Session, cohort_id: UUID) -> None:
    """Takes a cohort out of a round; refuses while somebody is in it."""
    cohort = service.cohort_row(db, cohort_id)
    order = members.order_row(db, cohort.order_id, lock=True)
    if order.state != OrderState.DRAFT:
        rules.require_takes_members(order.state)
    if db.scalar(select(Member.id).where(Member.cohort_id == cohort_id, Member.left_at.is_(None)).limit(1)):
        raise Refused("group_orders.cohort_in_use", f"分组“{cohort.name}”中还有成员,不能停用", "请先把成员调整到其他分组")
    cohort.active = False
    audit.note(db, "group_orders.drop_cohort", subject=f"group_order:{order.order_no}", reason=cohort.name)


def versions(db: Session, cohort_id: UUID) -> list[CohortTerms]:
    """Every version of a cohort's terms, the newest first."""
    return list(db.scalars(select(CohortTerms).where(CohortTerms.cohort_id == cohort_id).order_by(CohortTerms.revision.desc())))


# --- the price preview -----------------------------------------------------------------------------------------------


class Sample(msgspec.Struct, frozen=True):
    """Somebody who might be in a cohort."""

    sex: str
    age: int


class Quoted(msgspec.Struct, frozen=True):
    """What an offer comes to for somebody: the groups, list price, and who pays how much, in fen. `problem`: why it does not fit."""

    sample: Sample
    groups: tuple[str, ...] = ()
    standard_fen: int = 0
    organization_fen: int = 0
    person_fen: int = 0
    problem: str = ""


def samples_of(rule: NewCohort) -> list[Sample]:
    """Whom a preview is shown for: both sexes where the rule takes both, young and old within its ages."""
    ages = dict.fromkeys(min(max(age, rule.age_from), rule.age_to) for age in (28, 45, 60))
    return [Sample(sex, age) for sex in ((rule.sex,) if rule.sex else ("M", "F")) for age in ages]


def quote(db: Session, order: GroupOrder, offer: Offer, samples: Iterable[Sample]) -> list[Quoted]:
    """What an offer gives these persons and what each side pays, by the same rules as a member's charges."""
    catalogue = catalog.catalogue(db, service.today_of(db))
    rules.require_sound_offer(offer, catalogue)
    return [_quoted(catalogue, order, offer, sample) for sample in samples]


def _quoted(catalogue: Catalogue, order: GroupOrder, offer: Offer, sample: Sample) -> Quoted:
    on = order.closes_on
    holder = Holder(_PREVIEW, "该成员", sample.sex, date(on.year - sample.age, 1, 1))
    assert age_on(holder.birth_on, on) == sample.age
    try:
        groups = rules.groups_of(offer, catalogue, holder, on, order.category)
    except Refused as refused:
        return Quoted(sample, problem=refused.text)
    if not groups:
        return Quoted(sample, problem="方案中没有适合的项目")
    lines = [
        PricedLine(
            id=uuid5(_PREVIEW, group.code), group_code=group.code, standard_fen=group.price_fen, price_fen=group.price_fen,
            is_discountable=group.discountable, min_fen=group.min_price_fen,
        )
        for group in groups
    ]  # fmt: skip
    terms = rules.terms_of(offer, NOBODY, (group.code for group in groups))
    shares = price_rules.shares(lines, VisitTerms(terms)).values()
    return Quoted(
        sample, tuple(group.name for group in groups), sum(line.standard_fen for line in lines),
        sum(share.organization_fen for share in shares), sum(share.person_fen for share in shares),
    )  # fmt: skip


class ChoiceLine(msgspec.Struct, frozen=True):
    """What a member may choose: so many of the groups that suit them, `(code, name, is taken now)`."""

    label: str
    choose: int
    groups: tuple[tuple[str, str, bool], ...]


def choices_of(db: Session, member: Member) -> list[ChoiceLine]:
    """What a member may choose by the newest terms of their cohort; groups for the other sex or another age are left out."""
    terms = members.current_terms(db, [member.cohort_id])[member.cohort_id]
    visit, order = visits.card(db, member.visit_id), members.order_row(db, member.order_id)
    catalogue = catalog.catalogue(db, service.today_of(db))
    covered = set(msgspec.json.decode(member.covered, type=list[str]))
    found = []
    for choice in members.offer_of(terms).choices:
        fitting = [
            code for code in choice.groups
            if code in catalogue.groups and not any(
                each.is_blocking for each in catalog_rules.conflicts(
                    catalogue, (catalogue.groups[code],), visit.sex, visit.age, order.category, None))
        ]  # fmt: skip
        lines = tuple((code, catalogue.groups[code].name, code in covered) for code in fitting)
        found.append(ChoiceLine(choice.label, min(choice.choose, len(fitting)), lines))
    return found


def choose(db: Session, member_id: UUID, chosen: Iterable[str]) -> None:
    """The member takes these of the optional groups. What was examined already stays."""
    member, picked = members.member_row(db, member_id), set(chosen)
    for choice in choices_of(db, member):
        count = len(picked & {code for code, _, _ in choice.groups})
        if count != choice.choose:
            raise Refused("group_orders.choice_count", f"“{choice.label}”应选 {choice.choose} 项,现选了 {count} 项", "请重新勾选", "chosen")
    members.move_to_cohort(db, member_id, member.cohort_id, picked)

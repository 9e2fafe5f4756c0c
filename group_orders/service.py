"""Group orders' front door: organisations' profiles, contracts, rounds and their cohorts. Members are in the file beside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import listed as billing_listed
from exam.catalog import service as catalog
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.kit.series import next_number
from exam.people import service as people
from exam.visits.facts import VisitState
from exam.visits.models import VisitBoard
from group_orders import members, rules
from group_orders.facts import ORDER_STATE_NAMES, NewCohort, NewContract, NewOrder, Offer, OrderState, Reduction
from group_orders.models import Cohort, CohortTerms, Contract, GroupOrder, Member


def today_of(db: Session) -> date:
    """The centre's day of this moment."""
    return day_of(house_of(db).clock.now())


# --- contracts and rounds ----------------------------------------------------------------------------------------------


def contract_row(db: Session, contract_id: UUID) -> Contract:
    """A contract of the actor's own site."""
    row = db.scalar(select(Contract).where(Contract.id == contract_id, Contract.site == actor_of(db).site))
    if row is None:
        raise NotFound("没有找到该合同", "请从合同列表重新进入")
    return row


def add_contract(db: Session, new: NewContract) -> UUID:
    """Records a contract with an organisation. Its number is given out where none is typed."""
    if not people.organization_name(db, new.organization_id):
        raise Refused("group_orders.unknown_organization", "没有该单位", "请从单位列表中选择", "organization_id")
    rules.require_sound_contract(new)
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    contract_no = new.contract_no.strip() or f"HT{day_of(now):%Y}{next_number(db, f'contract:{actor.site}:{day_of(now):%Y}'):04d}"
    if db.scalar(select(Contract.id).where(Contract.contract_no == contract_no)):
        raise BadInput([("contract_no", f"合同编号 {contract_no} 已存在")])
    row = Contract(
        id=house.ids.new(), contract_no=contract_no, organization_id=new.organization_id, site=actor.site, name=new.name.strip(),
        starts_on=new.starts_on, ends_on=new.ends_on, billable_when=new.billable_when, settled_by=new.settled_by,
        reductions=msgspec.json.encode(new.reductions).decode(), remark=new.remark.strip(), created_at=now, created_by=actor.staff_id, ver=1,
    )  # fmt: skip
    db.add(row)
    audit.note(db, "group_orders.add_contract", subject=f"contract:{contract_no}")
    return row.id


def change_contract(db: Session, contract_id: UUID, new: NewContract, ver: int) -> None:
    """Changes a contract; its organisation and number stay. What was settled keeps the terms it was settled by."""
    row = contract_row(db, contract_id)
    rules.require_sound_contract(new)
    if row.ver != ver:
        raise Refused("group_orders.changed_meanwhile", "该合同已被他人修改", "请刷新页面后重新修改")
    row.name, row.starts_on, row.ends_on, row.remark = new.name.strip(), new.starts_on, new.ends_on, new.remark.strip()
    row.billable_when, row.settled_by = new.billable_when, new.settled_by
    row.reductions = msgspec.json.encode(new.reductions).decode()
    audit.note(db, "group_orders.change_contract", subject=f"contract:{row.contract_no}")


def reductions_of(contract: Contract) -> list[Reduction]:
    """What a contract takes off or adds to a settlement."""
    return msgspec.json.decode(contract.reductions, type=list[Reduction])


def add_order(db: Session, new: NewOrder) -> UUID:
    """Opens a round of a contract, as a draft. After the first, a round may begin when the one before it is completed."""
    contract = contract_row(db, new.contract_id)
    rules.require_sound_order(new, contract.starts_on, contract.ends_on)
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    previous = db.scalar(
        select(GroupOrder).where(GroupOrder.contract_id == contract.id).order_by(GroupOrder.round_no.desc()).limit(1)
    )
    row = GroupOrder(
        id=house.ids.new(), order_no=f"TJ{day_of(now):%y%m%d}{next_number(db, f'group_order:{actor.site}:{day_of(now):%y%m%d}'):03d}",
        contract_id=contract.id, organization_id=contract.organization_id, site=actor.site, name=new.name.strip(),
        category=new.category, round_no=previous.round_no + 1 if previous else 1, opens_on=new.opens_on, closes_on=new.closes_on,
        state=OrderState.DRAFT.value, previous_id=previous.id if previous else None, created_at=now, created_by=actor.staff_id,
        approved_by=None, approved_at=None, completed_at=None, ver=1,
    )  # fmt: skip
    db.add(row)
    audit.note(db, "group_orders.add_order", subject=f"group_order:{row.order_no}")
    return row.id


def approve(db: Session, order_id: UUID) -> None:
    """A second person approves the round with its cohorts: its list may be imported now."""
    row = members.order_row(db, order_id, lock=True)
    actor = actor_of(db)
    cohorts = cohorts_of(db, order_id)
    missing = [cohort.name for cohort, terms in cohorts if terms is None]
    if not cohorts or missing:
        text = f"分组“{missing[0]}”没有体检方案" if missing else "该批次还没有分组"
        raise Refused("group_orders.no_terms", f"{text},不能审批", "请先设置分组和套餐")
    if row.created_by is not None and row.created_by == actor.staff_id:
        raise Refused("group_orders.own_order", "不能审批自己创建的批次", "请由另一位有权限的人员审批")
    _move(row, "approve", "审批")
    row.approved_by, row.approved_at = actor.staff_id, house_of(db).clock.now()
    audit.note(db, "group_orders.approve", subject=f"group_order:{row.order_no}")


def act(db: Session, order_id: UUID, action: str, reason: str = "") -> None:
    """Moves a round on or back by one step of its state table: `return`, `open`, `reopen`, `archive`; `complete` has its own act."""
    if action not in ("return", "open", "reopen", "archive"):
        raise Refused("group_orders.unknown_action", "没有该操作", "请从页面按钮操作", "action")
    row = members.order_row(db, order_id, lock=True)
    if action == "reopen" and db.scalar(select(GroupOrder.id).where(GroupOrder.previous_id == row.id, GroupOrder.state != OrderState.DRAFT)):
        raise Refused("group_orders.next_round", "下一批次已审批或开放,不能恢复本批次", "请在下一批次中登记,或先退回下一批次")
    _move(row, action, {"return": "退回", "open": "开放", "reopen": "恢复", "archive": "归档"}[action])
    if action == "reopen":
        row.completed_at = None
    audit.note(db, f"group_orders.{action}", subject=f"group_order:{row.order_no}", reason=reason.strip())


def complete(db: Session, order_id: UUID, reason: str) -> int:
    """The round is over (T19): who was never given a day is taken off the list; how many those were.

    Refuses while members are booked for a day or on their way; they finish, or their bookings are cancelled, first.
    """
    row = members.order_row(db, order_id, lock=True)
    rules.ORDER.move(row.state, "complete", "设为完成")
    states = dict(
        db.execute(
            select(VisitBoard.state, func.count())
            .join(Member, Member.visit_id == VisitBoard.visit_id)
            .where(Member.order_id == order_id, Member.left_at.is_(None))
            .group_by(VisitBoard.state)
        ).all()
    )
    under_way = sum(count for state, count in states.items() if state in rules.UNDER_WAY)
    if under_way:
        raise Refused(
            "group_orders.under_way", f"尚有 {under_way} 人已预约、登记或正在体检,不能设为完成", "请待其完成交单,或先取消其预约后重试"
        )
    waiting = db.scalars(
        select(Member)
        .join(VisitBoard, VisitBoard.visit_id == Member.visit_id)
        .where(Member.order_id == order_id, Member.left_at.is_(None), VisitBoard.state == VisitState.LISTED)
    ).all()
    gone = members.withdraw(db, waiting, reason or "批次完成,未到检") if waiting else 0
    _move(row, "complete", "设为完成")
    row.completed_at = house_of(db).clock.now()
    audit.note(db, "group_orders.complete", subject=f"group_order:{row.order_no}", reason=f"未到检 {gone} 人")
    return gone


def _move(row: GroupOrder, action: str, label: str) -> None:
    row.state = rules.ORDER.move(row.state, action, label)


# --- cohorts -----------------------------------------------------------------------------------------------------------


def cohorts_of(db: Session, order_id: UUID) -> list[tuple[Cohort, CohortTerms | None]]:
    """A round's active cohorts in order, each with the newest version of its terms; two statements."""
    rows = db.scalars(select(Cohort).where(Cohort.order_id == order_id, Cohort.active).order_by(Cohort.position, Cohort.id)).all()
    terms = members.current_terms(db, [row.id for row in rows])
    return [(row, terms.get(row.id)) for row in rows]


def add_cohort(db: Session, order_id: UUID, new: NewCohort) -> UUID:
    """Adds a cohort to a round that is a draft or takes members."""
    order = members.order_row(db, order_id, lock=True)
    if order.state != OrderState.DRAFT:
        rules.require_takes_members(order.state)
    rules.require_sound_cohort(new)
    present = db.scalars(select(Cohort).where(Cohort.order_id == order_id)).all()
    if any(each.name == new.name.strip() for each in present):
        raise BadInput([("name", f"分组“{new.name.strip()}”已存在,请换一个名称")])
    cohort = Cohort(
        id=house_of(db).ids.new(), order_id=order_id, name=new.name.strip(), position=len(present) + 1, sex=new.sex, age_from=new.age_from,
        age_to=new.age_to, marital=new.marital, jobs=_words(new.jobs), posts=_words(new.posts), active=True, ver=1,
    )  # fmt: skip
    db.add(cohort)
    db.flush()
    audit.note(db, "group_orders.add_cohort", subject=f"group_order:{order.order_no}", reason=cohort.name)
    return cohort.id


def _words(words: Sequence[str]) -> str:
    return msgspec.json.encode([word.strip() for word in words if word.strip()]).decode()


def cohort_row(db: Session, cohort_id: UUID) -> Cohort:
    """A cohort of a round of the actor's own site."""
    row = db.scalar(
        select(Cohort).join(GroupOrder, GroupOrder.id == Cohort.order_id).where(Cohort.id == cohort_id, GroupOrder.site == actor_of(db).site)
    )
    if row is None:
        raise NotFound("没有找到该分组", "请刷新页面后重新选择")
    return row


def set_offer(db: Session, cohort_id: UUID, offer: Offer, reason: str) -> UUID:
    """Adds a version of a cohort's terms. Who is on the list keeps the version it was enrolled by, until somebody moves them to it."""
    cohort = cohort_row(db, cohort_id)
    order = members.order_row(db, cohort.order_id, lock=True)
    if order.state not in (OrderState.DRAFT, *rules.TAKES_MEMBERS):
        raise Refused("group_orders.not_open", f"该批次当前为“{ORDER_STATE_NAMES[OrderState(order.state)]}”,不能修改方案", "已完成的批次请先恢复")
    rules.require_sound_offer(offer, catalog.catalogue(db, today_of(db)))
    before = members.current_terms(db, [cohort_id]).get(cohort_id)
    if before is not None and not reason.strip():
        raise Refused("group_orders.reason_missing", "修改方案必须填写原因", "请填写修改原因", "reason")
    house = house_of(db)
    terms_id = house.ids.new()
    insert_rows(
        db, CohortTerms,
        [{"id": terms_id, "cohort_id": cohort_id, "revision": before.revision + 1 if before else 1,
          "offer": msgspec.json.encode(offer).decode(), "reason": reason.strip(), "at": house.clock.now(),
          "actor_id": actor_of(db).staff_id}],
    )  # fmt: skip
    audit.note(db, "group_orders.set_offer", subject=f"group_order:{order.order_no}", reason=f"{cohort.name} {reason.strip()}".strip())
    return terms_id


def owed(db: Session, order_id: UUID) -> int:
    """What the organisation owes for a round by the ledger, in fen."""
    return billing_listed.owed_by(db, order_id)

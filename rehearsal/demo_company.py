"""A company in the demonstration: a contract, a round with three cohorts, members in every state, money that came in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import cashier, transfers
from billing.cashier_facts import Way
from billing.facts import AccountKind
from billing.receipt_facts import Part
from billing.transfer_facts import NewTransfer
from exam.kit.house import Actor, House
from exam.people import service as people
from exam.people.facts import IdKind
from exam.staff.models import Staff
from exam.staff.service import authenticate, open_session
from exam.visits import service as visits
from group_orders import members, organizations, prepaying, service, settling
from group_orders.facts import Choice, MemberDraft, NewCohort, NewContract, NewOrder, Offer, OfferMode, Reduction, ReductionKind
from group_orders.models import Member
from group_orders.organizations import NewProfile
from group_orders.settlement_facts import SettlementKind
from registration import service as desk
from registration.facts import WalkIn
from rehearsal.cast import ORGANIZATIONS, Invented, invent

CODE, NAME = ORGANIZATIONS[2]
MEMBERS, COMING_TODAY, BOOKED = 42, 10, 16
MEN, WOMEN, HEADS = "男职工", "女职工", "管理人员"

OFFERS = {
    MEN: Offer(mode=OfferMode.ITEMS, package="P02", choices=(Choice("三选一", 1, ("G018", "G021", "G023")),), factor="0.85"),
    WOMEN: Offer(mode=OfferMode.DISCOUNT, package="P02", groups=("G015", "G016"), factor="0.8", limit_fen=70_000),
    HEADS: Offer(mode=OfferMode.AMOUNT, package="P02", limit_fen=150_000, factor="0.9"),
}


def add_company(house: House, today: date) -> None:
    """Adds the company's round to a demonstration that has none."""
    with house.unit(acting(house, "ning"), write=False) as db:
        organization_id = next(each for each, code, _ in people.organizations(db, CODE) if code == CODE)
        if organizations.contracts(db, organization_id):
            return
    order_id, cohorts = _open_round(house, organization_id, today)
    employees = list(invent(f"company-{today}", today, MEMBERS))
    with house.unit(acting(house, "ning")) as db:
        ids = members.enrol(db, order_id, None, [_draft(row, each, cohorts) for row, each in enumerate(employees, 2)])
    for number, each in enumerate(employees[:COMING_TODAY]):
        _come(house, each, ("G061",) if number % 3 == 0 else ())
    for number, member_id in enumerate(ids[COMING_TODAY : COMING_TODAY + BOOKED]):
        with house.unit(acting(house, "qin")) as db:
            desk.rebook(db, db.get_one(Member, member_id).visit_id, today + timedelta(days=1 + number % 4))
    _pay_ahead_and_settle(house, order_id, today)


def acting(house: House, login: str) -> Actor:
    """A member of the cast, signed in."""
    with house.unit(None) as db:
        staff_id = db.scalars(select(Staff.id).where(Staff.login == login)).one()
        token = open_session(db, staff_id, "demo")
    with house.unit(None, write=False) as db:
        return authenticate(db, token)


def _open_round(house: House, organization_id: UUID, today: date) -> tuple[UUID, dict[str, UUID]]:
    keeper, chief = acting(house, "ning"), acting(house, "gan")

    def do(actor: Actor, act: Callable[[Session], UUID]) -> UUID:
        with house.unit(actor) as db:
            return act(db)

    with house.unit(keeper) as db:
        profile = organizations.profile(db, organization_id)
        known = NewProfile(contact="韦主任", phone="13907710000", address="武鸣区工业大道 8 号", invoice_title=NAME, industry="机械制造")
        organizations.save(db, organization_id, known, profile.ver)
    new = NewContract(
        organization_id=organization_id, name=f"{today.year} 年度职工体检", starts_on=today - timedelta(days=30),
        ends_on=today + timedelta(days=335), settled_by="package", reductions=(Reduction(ReductionKind.OFF_FROM, 2_000_000, 100_000),),
    )  # fmt: skip
    contract_id = do(keeper, lambda db: service.add_contract(db, new))
    order = NewOrder(contract_id=contract_id, name="第一批(车间)", opens_on=today, closes_on=today + timedelta(days=40))
    order_id = do(keeper, lambda db: service.add_order(db, order))
    rules = (NewCohort(name=MEN, sex="M"), NewCohort(name=WOMEN, sex="F"), NewCohort(name=HEADS, posts=("主任", "经理")))
    cohorts = {}
    for cohort in rules:
        cohorts[cohort.name] = do(keeper, lambda db, cohort=cohort: service.add_cohort(db, order_id, cohort))  # type: ignore[misc]
        do(keeper, lambda db, cohort=cohort: service.set_offer(db, cohorts[cohort.name], OFFERS[cohort.name], ""))  # type: ignore[misc]
    with house.unit(chief) as db:
        service.approve(db, order_id)
    with house.unit(chief) as db:
        service.act(db, order_id, "open")
    return order_id, cohorts


def _draft(row: int, person: Invented, cohorts: dict[str, UUID]) -> MemberDraft:
    post = "主任" if row % 14 == 0 else ""
    cohort = HEADS if post else MEN if person.sex == "M" else WOMEN
    return MemberDraft(
        row=row, person_id=None, name=person.name, id_kind=IdKind.RESIDENT, id_no=person.id_no, sex=person.sex, birth_on=person.birth_on,
        phone=person.phone, marital="", department=f"{'一二三'[row % 3]}车间", job="机加工", post=post, employee_no=f"NW{row:04d}",
        cohort_id=cohorts[cohort], relation="", of_employee_no="", remark="",
    )  # fmt: skip


def _come(house: House, person: Invented, extra: tuple[str, ...]) -> None:
    """Somebody of the list stands at the desk today; every third adds something at own cost and pays it."""
    reception, cashier_ = acting(house, "lin"), acting(house, "chen")
    with house.unit(reception) as db:
        visit_id = desk.walk_in(db, WalkIn(name=person.name, id_no=person.id_no)).visit_id
    if extra:
        with house.unit(reception) as db:
            desk.add_groups(db, visit_id, extra)
    with house.unit(cashier_) as db:
        due_fen = visits.card(db, visit_id).amount_due_fen
        if due_fen > 0:
            tendered_fen = -(-due_fen // 10_000) * 10_000
            cashier.take(db, visit_id, [Way(method=AccountKind.CASH, amount_fen=due_fen, tendered_fen=tendered_fen)])
    with house.unit(reception) as db:
        desk.check_in(db, visit_id)


def _pay_ahead_and_settle(house: House, order_id: UUID, today: date) -> None:
    """The company paid half ahead, an interim settlement waits for its second person, and a transfer nobody knows came in."""
    keeper = acting(house, "ning")
    with house.unit(keeper) as db:
        prepaying.take(db, order_id, Part(method=AccountKind.TRANSFER, amount_fen=500_000, reference="HK0001"))
    with house.unit(keeper) as db:
        transfers.record(
            db, NewTransfer(amount_fen=258_000, payer_name=NAME, received_on=today - timedelta(days=3), bank_reference="BK0001", remark="体检费")
        )  # fmt: skip
    with house.unit(keeper) as db:
        seen = settling.preview(db, order_id, SettlementKind.INTERIM)
        settling.propose(db, order_id, SettlementKind.INTERIM, None, seen.digest)

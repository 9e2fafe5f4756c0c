"""Lists of settlements for screens and workbooks: records, what is not settled yet, who owes for how long, what a transfer may be for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from billing import billable, ledger, transfers
from billing.facts import AccountKind
from billing.transfer_facts import Transfer
from exam.kit.clock import day_of
from exam.kit.house import actor_of, house_of
from exam.kit.period import day_after, start_of
from exam.people.models import Organization
from group_orders import settlement_rules as terms
from group_orders import settling
from group_orders.facts import OrderState
from group_orders.models import GroupOrder, OrganizationProfile
from group_orders.settlement_facts import (
    AGES,
    LIVE,
    Adjustment,
    Basis,
    LineKind,
    SettledLine,
    SettledMember,
    Settlement,
    SettlementKind,
    SettlementState,
    Sums,
)
from group_orders.settlement_models import SettlementLineRow, SettlementMemberRow, SettlementPayment, SettlementRow

PAGE = 50
EXPORT_MOST = 20_000
TABS = {"open": "待处理", "proposed": "待审核", "approved": "待收款", "paid": "已结清", "ended": "退回与作废", "all": "全部"}
_STATES = {
    "open": (SettlementState.PROPOSED, SettlementState.APPROVED), "proposed": (SettlementState.PROPOSED,),
    "approved": (SettlementState.APPROVED,), "paid": (SettlementState.PAID,),
    "ended": (SettlementState.RETURNED, SettlementState.VOID), "all": tuple(SettlementState),
}  # fmt: skip


class Query(msgspec.Struct, frozen=True):
    """Which settlements: by tab, words (settlement, round or organisation) and the days on which they were made."""

    tab: str = "open"
    q: str = ""
    since: date | None = None
    until: date | None = None


class Found(msgspec.Struct, frozen=True):
    """One page of settlements; sums over all that were found, in fen."""

    settlements: tuple[Settlement, ...]
    total: int
    page: int
    pages: int
    due_fen: int
    rest_fen: int


def _settlements() -> Select[Any, Any, Any, Any]:
    return (
        select(SettlementRow, GroupOrder.order_no, GroupOrder.name, Organization.name.label("organization"))
        .join(GroupOrder, GroupOrder.id == SettlementRow.order_id)
        .join(Organization, Organization.id == SettlementRow.organization_id)
    )


def find(db: Session, query: Query, page: int = 1, size: int = PAGE) -> Found:
    """Settlements of the actor's site, the newest first."""
    conditions: list[Any] = [
        SettlementRow.site == actor_of(db).site,
        SettlementRow.state.in_(_STATES.get(query.tab, _STATES["all"])),
    ]
    words = query.q.strip()[:64]
    if words:
        conditions.append(
            or_(SettlementRow.settlement_no.endswith(words.upper(), autoescape=True), GroupOrder.order_no == words.upper(),
                GroupOrder.name.contains(words, autoescape=True), Organization.name.contains(words, autoescape=True))
        )  # fmt: skip
    if query.since:
        conditions.append(SettlementRow.proposed_at >= start_of(query.since))
    if query.until:
        conditions.append(SettlementRow.proposed_at < day_after(query.until))
    chosen = _settlements().where(*conditions)
    counted = select(
        func.count(), func.sum(SettlementRow.due_fen),
        func.sum(SettlementRow.receivable_fen - SettlementRow.paid_fen).filter(SettlementRow.state == SettlementState.APPROVED),
    )  # fmt: skip
    total, due_fen, rest_fen = db.execute(
        counted.select_from(SettlementRow)
        .join(GroupOrder, GroupOrder.id == SettlementRow.order_id)
        .join(Organization, Organization.id == SettlementRow.organization_id)
        .where(*conditions)
    ).one()
    pages = max(-(-total // size), 1)
    page = min(max(page, 1), pages)
    rows = db.execute(
        chosen.order_by(SettlementRow.proposed_at.desc(), SettlementRow.id.desc()).offset((page - 1) * size).limit(size)
    )
    return Found(tuple(_settlement(row) for row in rows), total, page, pages, int(due_fen or 0), int(rest_fen or 0))


def of_round(db: Session, order_id: UUID) -> list[Settlement]:
    """A round's settlements, the oldest first."""
    return [
        _settlement(row) for row in db.execute(_settlements().where(SettlementRow.order_id == order_id).order_by(SettlementRow.id))
    ]


def get(db: Session, settlement_id: UUID) -> Settlement:
    """One settlement of the actor's own site."""
    row = settling.get_row(db, settlement_id)
    return _settlement(db.execute(_settlements().where(SettlementRow.id == row.id)).one())


def _settlement(found: Any) -> Settlement:
    row: SettlementRow = found[0]
    return Settlement(
        id=row.id, settlement_no=row.settlement_no, order_id=row.order_id, order_no=found.order_no, order_name=found.name,
        organization=found.organization, kind=SettlementKind(row.kind), state=SettlementState(row.state), until_on=row.until_on,
        basis=Basis(row.billable_when, row.settled_by),
        sums=Sums(
            lines_fen=row.lines_fen, adjusted_fen=row.adjusted_fen, due_fen=row.due_fen, prepaid_fen=row.prepaid_fen,
            receivable_fen=row.receivable_fen, credited_fen=row.credited_fen,
        ),
        adjustments=msgspec.json.decode(row.adjustments, type=tuple[Adjustment, ...]), paid_fen=row.paid_fen, line_count=row.line_count,
        member_count=row.member_count, remark=row.remark, proposed_at=row.proposed_at, proposed_by=row.proposed_by,
        proposed_name=row.proposed_name, approved_at=row.approved_at, approved_name=row.approved_name, ended_at=row.ended_at,
        ended_name=row.ended_name, ended_reason=row.ended_reason, paid_at=row.paid_at, ver=row.ver,
    )  # fmt: skip


class Members(msgspec.Struct, frozen=True):
    """One page of a settlement's members with their lines."""

    members: tuple[SettledMember, ...]
    total: int
    page: int
    pages: int


def members_of(db: Session, settlement_id: UUID, q: str = "", page: int = 1, size: int = PAGE) -> Members:
    """The members of a settlement in the order of its statement; `q` is a part of a name, a number or a cohort."""
    statement = select(SettlementMemberRow).where(SettlementMemberRow.settlement_id == settlement_id)
    words = q.strip()[:64]
    if words:
        statement = statement.where(
            or_(SettlementMemberRow.name.contains(words, autoescape=True), SettlementMemberRow.employee_no == words,
                SettlementMemberRow.visit_no == words, SettlementMemberRow.cohort == words)
        )  # fmt: skip
    total = db.scalar(select(func.count()).select_from(statement.subquery())) or 0
    pages = max(-(-total // size), 1)
    page = min(max(page, 1), pages)
    rows = db.scalars(statement.order_by(SettlementMemberRow.position).offset((page - 1) * size).limit(size)).all()
    lines: dict[UUID, list[SettledLine]] = {}
    mine = select(SettlementLineRow).where(SettlementLineRow.settlement_id == settlement_id)
    if size <= PAGE:
        mine = mine.where(SettlementLineRow.visit_id.in_([row.visit_id for row in rows]))
    for line in db.scalars(mine.order_by(SettlementLineRow.position)):
        lines.setdefault(line.visit_id, []).append(
            SettledLine(
                line_id=line.line_id, visit_id=line.visit_id, kind=LineKind(line.kind), name=line.name, standard_fen=line.standard_fen,
                amount_fen=line.amount_fen,
            )
        )  # fmt: skip
    found = tuple(
        SettledMember(
            visit_id=row.visit_id, visit_no=row.visit_no, cohort=row.cohort, name=row.name, employee_no=row.employee_no,
            department=row.department, exam_on=row.exam_on, package_name=row.package_name, amount_fen=row.amount_fen,
            lines=tuple(lines.get(row.visit_id, ())),
        )
        for row in rows
    )  # fmt: skip
    return Members(found, total, page, pages)


def payments_of(db: Session, settlement_id: UUID) -> Sequence[SettlementPayment]:
    """What came in for a settlement and went back, the oldest first."""
    return db.scalars(
        select(SettlementPayment).where(SettlementPayment.settlement_id == settlement_id).order_by(SettlementPayment.id)
    ).all()


# --- not settled yet ---------------------------------------------------------------------------------------------------


class Unsettled(msgspec.Struct, frozen=True, kw_only=True):
    """A round and what of it is on no settlement, in fen; `waiting_fen` is on a proposal that nobody approved yet."""

    order_id: UUID
    order_no: str
    name: str
    organization: str
    state: OrderState
    closes_on: date
    charged_fen: int
    settled_fen: int
    waiting_fen: int
    prepaid_fen: int

    @property
    def unsettled_fen(self) -> int:
        """What stands charged to the organisation and is on no settlement."""
        return self.charged_fen - self.settled_fen


class UnsettledPage(msgspec.Struct, frozen=True):
    """One page of rounds."""

    rounds: tuple[Unsettled, ...]
    total: int
    page: int
    pages: int


def unsettled(db: Session, q: str = "", page: int = 1, size: int = PAGE) -> UnsettledPage:
    """Rounds of the actor's site that are not archived, those that close first on top, with what is settled of them and what not."""
    states = (OrderState.OPEN, OrderState.COMPLETED, OrderState.SETTLED)
    statement = (
        select(GroupOrder, Organization.name.label("organization"))
        .join(Organization, Organization.id == GroupOrder.organization_id)
        .where(GroupOrder.site == actor_of(db).site, GroupOrder.state.in_(states))
    )
    words = q.strip()[:64]
    if words:
        statement = statement.where(
            or_(GroupOrder.order_no == words.upper(), GroupOrder.name.contains(words, autoescape=True),
                Organization.name.contains(words, autoescape=True))
        )  # fmt: skip
    total = db.scalar(select(func.count()).select_from(statement.subquery())) or 0
    pages = max(-(-total // size), 1)
    page = min(max(page, 1), pages)
    rows = db.execute(statement.order_by(GroupOrder.closes_on, GroupOrder.id).offset((page - 1) * size).limit(size)).all()
    ids = [row[0].id for row in rows]
    charged = billable.charged_sums(db, ids)
    sums: dict[tuple[UUID, str], int] = {}
    for order_id, state, fen in db.execute(
        select(SettlementRow.order_id, SettlementRow.state, func.sum(SettlementRow.lines_fen))
        .where(SettlementRow.order_id.in_(ids), SettlementRow.state.in_(LIVE))
        .group_by(SettlementRow.order_id, SettlementRow.state)
    ):
        sums[order_id, state] = int(fen)
    balances = ledger.guarded_balances(db, AccountKind.PREPAYMENT, ids)
    return UnsettledPage(
        tuple(
            Unsettled(
                order_id=row[0].id, order_no=row[0].order_no, name=row[0].name, organization=row.organization,
                state=OrderState(row[0].state), closes_on=row[0].closes_on, charged_fen=charged.get(row[0].id, 0),
                settled_fen=sum(sums.get((row[0].id, state), 0) for state in LIVE),
                waiting_fen=sums.get((row[0].id, SettlementState.PROPOSED), 0), prepaid_fen=balances.get(row[0].id, 0),
            )
            for row in rows
        ),
        total, page, pages,
    )  # fmt: skip


def charged_of(db: Session, order_id: UUID) -> int:
    """What stands charged to a round's organisation, settled or not, in fen."""
    return billable.charged_sums(db, [order_id]).get(order_id, 0)


# --- arrears -----------------------------------------------------------------------------------------------------------


class Debtor(msgspec.Struct, frozen=True):
    """An organisation and what it owes for approved settlements, in fen, by the age of each; with how many and the oldest."""

    organization_id: UUID
    name: str
    by_age: tuple[int, ...]
    settlements: int
    oldest_on: date

    @property
    def owed_fen(self) -> int:
        """All of it."""
        return sum(self.by_age)


def _owing(db: Session) -> Select[Any, Any, Any, Any]:
    return (
        _settlements()
        .where(
            SettlementRow.site == actor_of(db).site, SettlementRow.state == SettlementState.APPROVED,
            SettlementRow.paid_fen < SettlementRow.receivable_fen,
        )
        .order_by(SettlementRow.approved_at, SettlementRow.id)
    )  # fmt: skip


def arrears(db: Session) -> list[Debtor]:
    """Who owes money for approved settlements, the largest debt first. Age counts from the day of approval."""
    today = day_of(house_of(db).clock.now())
    owed: dict[UUID, list[tuple[date, int]]] = {}
    names: dict[UUID, str] = {}
    for found in db.execute(_owing(db)):
        row: SettlementRow = found[0]
        owed.setdefault(row.organization_id, []).append(
            (day_of(row.approved_at or row.proposed_at), row.receivable_fen - row.paid_fen)
        )
        names[row.organization_id] = found.organization
    debtors = [
        Debtor(of, names[of], terms.by_age(sums, today), len(sums), min(day for day, _ in sums)) for of, sums in owed.items()
    ]
    return sorted(debtors, key=lambda each: (-each.owed_fen, each.name))


def owing(db: Session, organization_id: UUID | None = None, age: int | None = None) -> list[Settlement]:
    """The settlements behind the arrears of an organisation, or of all, or of one class of age; the oldest first."""
    today = day_of(house_of(db).clock.now())
    statement = _owing(db)
    if organization_id is not None:
        statement = statement.where(SettlementRow.organization_id == organization_id)
    found = [_settlement(row) for row in db.execute(statement)]
    return [each for each in found if age is None or terms.age_class(day_of(each.approved_at or each.proposed_at), today) == age]


def unmatched_by_age(db: Session) -> tuple[int, ...]:
    """Transfers that nobody has assigned, in fen by their age."""
    return terms.by_age(transfers.open_amounts(db), day_of(house_of(db).clock.now()))


AGE_NAMES = tuple(name for _, name in AGES)


# --- what a transfer may be for ----------------------------------------------------------------------------------------


class Suggestion(msgspec.Struct, frozen=True):
    """What a transfer may be for: a settlement, or a round's prepayment. `likelihood` as in the rules; `amount_fen` what to assign."""

    kind: str
    target_id: UUID
    number: str
    title: str
    organization: str
    wanted_fen: int
    amount_fen: int
    likelihood: int


def suggestions(db: Session, transfer: Transfer, q: str = "") -> list[Suggestion]:
    """What a transfer may be for, the likeliest first: settlements that wait for money, and rounds that take a prepayment.

    Without words only what fits by name or amount; with words (organisation, settlement or round) whatever they find.
    """
    words = q.strip()[:64]
    found: list[Suggestion] = []
    titles: dict[UUID, list[str]] = {}
    for organization_id, name, title in db.execute(
        select(Organization.id, Organization.name, OrganizationProfile.invoice_title).outerjoin(
            OrganizationProfile, OrganizationProfile.organization_id == Organization.id
        )
    ):
        titles[organization_id] = [name, title or ""]
    for row in db.execute(_owing(db)):
        each = _settlement(row)
        likely = terms.likelihood(transfer.open_fen, each.rest_fen, terms.fits(transfer.payer_name, titles[row[0].organization_id]))
        if likely if not words else words in each.organization or words.upper() in (each.settlement_no, each.order_no):
            found.append(
                Suggestion("settlement", each.id, each.settlement_no, each.order_name, each.organization, each.rest_fen,
                           min(each.rest_fen, transfer.open_fen), likely)
            )  # fmt: skip
    rounds = select(GroupOrder).where(
        GroupOrder.site == actor_of(db).site, GroupOrder.state.in_((OrderState.APPROVED, OrderState.OPEN, OrderState.COMPLETED))
    )
    for order in db.scalars(rounds.order_by(GroupOrder.opens_on.desc(), GroupOrder.id.desc())):
        names = titles[order.organization_id]
        is_named = terms.fits(transfer.payer_name, names)
        if is_named if not words else words in names[0] or words.upper() == order.order_no:
            found.append(
                Suggestion("prepayment", order.id, order.order_no, order.name, names[0], 0, transfer.open_fen, 2 if is_named else 0)
            )
    return sorted(found, key=lambda each: (-each.likelihood, each.kind != "settlement"))[:20]

"""What the cashier's screens list: a visit with everything owed and paid, and the receipts of a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased

from billing import cashier, charging, receipts, service
from billing.cashier_facts import CashierLine, CashierSheet, ShownReceipt, TodayRow
from billing.facts import ACCOUNT_NAMES, MONEY, AccountKind
from billing.receipt_facts import Receipt, ReceiptKind
from billing.receipt_models import DrawerRow, ReceiptPrint, ReceiptRow
from exam.kit.clock import day_of
from exam.kit.house import actor_of, house_of
from exam.people.models import Person
from exam.staff.models import Staff
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.models import Visit

PAGE = 50


def names_of(db: Session, staff_ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Names of members of staff; one statement, none where nobody is asked for."""
    wanted = {each for each in staff_ids if each is not None}
    return {row.id: row.name for row in db.execute(select(Staff.id, Staff.name).where(Staff.id.in_(wanted)))} if wanted else {}


def sheet(db: Session, visit_id: UUID) -> CashierSheet:
    """A visit at the cashier's."""
    card, account = visits.card(db, visit_id), service.account(db, visit_id)
    money, charged = cashier.money_of(db, visit_id), charging.standing_charges(db, visit_id)
    paid = {line.line_id: line.paid_fen + money.layout.covered[line.line_id] for line in money.layout.lines}
    lines = tuple(
        CashierLine(
            id=line.id, name=line.name, department=line.department, state=line.state, standard_fen=line.standard_fen,
            person_fen=charged[line.id].person_fen, organization_fen=charged[line.id].organization_fen, paid_fen=paid[line.id],
        )
        for line in orders.lines(db, visit_id) if line.id in charged
    )  # fmt: skip
    return CashierSheet(
        card=card, balance=account.balance, lines=lines, receipts=shown(db, receipts.of_visit(db, visit_id)),
        window_payments=account.payments, window_refunds=account.refunds,
        refundable_fen=min(money.layout.refundable_fen, max(-account.balance.due_fen, 0)),
        window_back_fen=money.layout.window_over_fen,
    )  # fmt: skip


def shown(db: Session, found: Sequence[Receipt]) -> tuple[ShownReceipt, ...]:
    """Receipts with what became of them; five statements however many there are."""
    ids = [each.id for each in found]
    if not ids:
        return ()
    names, today, actor = names_of(db, (each.cashier_id for each in found)), day_of(house_of(db).clock.now()), actor_of(db)
    voided = set(db.scalars(select(ReceiptRow.voids).where(ReceiptRow.voids.in_(ids))))
    reissued = set(db.scalars(select(ReceiptRow.reissues).where(ReceiptRow.reissues.in_(ids))))
    counted = (
        select(ReceiptPrint.receipt_id, func.count()).where(ReceiptPrint.receipt_id.in_(ids)).group_by(ReceiptPrint.receipt_id)
    )
    prints = {row[0]: row[1] for row in db.execute(counted)}
    open_ = set(
        db.scalars(select(DrawerRow.id).where(DrawerRow.id.in_({each.drawer_id for each in found}), DrawerRow.closed_at.is_(None)))
    )
    returned = receipts.returned_of_all(db, ids)

    def may_void(each: Receipt) -> bool:
        is_own = each.cashier_id == actor.staff_id or actor.may("billing.approve")
        is_fresh = (
            each.kind is ReceiptKind.PAYMENT and each.booked_on == today and each.drawer_id in open_ and each.target.kind == "visit"
        )
        is_whole = each.id not in voided and not returned.get(each.id) and all(part.gateway_order_id is None for part in each.parts)
        return is_own and is_fresh and is_whole and actor.may("billing.refund")

    return tuple(
        ShownReceipt(
            each, names.get(each.cashier_id, "系统") if each.cashier_id else "系统", each.id in voided, each.id in reissued,
            may_void(each), prints.get(each.id, 0), returned.get(each.id, {}),
        )
        for each in found
    )  # fmt: skip


# --- receipts of a day -----------------------------------------------------------------------------------------------


class Found(msgspec.Struct, frozen=True):
    """One page of receipts, and what came in by each way less what went back, over all pages."""

    rows: tuple[TodayRow, ...]
    total: int
    page: int
    pages: int
    sums: tuple[tuple[str, int], ...]


class Asked(msgspec.Struct, frozen=True):
    """Which receipts: of a day, by (the end of) a number or a person's name, one's own only."""

    day: date
    q: str = ""
    is_own: bool = False


def find(db: Session, asked: Asked, page: int = 1) -> Found:
    """Receipts of the actor's site, the newest first."""
    statement = _asked(db, asked)
    total = db.scalar(select(func.count()).select_from(statement.subquery())) or 0
    pages = max(-(-total // PAGE), 1)
    page = min(max(page, 1), pages)
    rows = db.execute(statement.order_by(ReceiptRow.id.desc()).offset((page - 1) * PAGE).limit(PAGE)).all()
    every = db.scalars(_asked(db, asked).with_only_columns(ReceiptRow.id).order_by(ReceiptRow.id).limit(20_000)).all()
    return Found(_rows(db, rows), total, page, pages, _sums(receipts.of_ids(db, every)))


def everything(db: Session, asked: Asked) -> tuple[TodayRow, ...]:
    """As `find`, all of it, the oldest first: for a workbook."""
    return _rows(db, db.execute(_asked(db, asked).order_by(ReceiptRow.id)).all())


def _asked(db: Session, asked: Asked) -> Any:
    actor = actor_of(db)
    statement = (
        select(ReceiptRow.id, Visit.visit_no, Person.name)
        .outerjoin(Visit, Visit.id == ReceiptRow.visit_id)
        .outerjoin(Person, Person.id == Visit.person_id)
        .where(ReceiptRow.site == actor.site)
    )
    if asked.is_own:
        statement = statement.where(ReceiptRow.cashier_id == actor.staff_id)
    words = asked.q.strip()[:40]
    if not words:
        return statement.where(ReceiptRow.booked_on == asked.day)
    return statement.where(
        or_(
            ReceiptRow.receipt_no.endswith(words.upper(), autoescape=True), Visit.visit_no == words,
            Person.name.startswith(words, autoescape=True),
        )
    )  # fmt: skip


def _rows(db: Session, rows: Sequence[Any]) -> tuple[TodayRow, ...]:
    known = {each.id: each for each in receipts.of_ids(db, [row.id for row in rows])}
    void = aliased(ReceiptRow)
    voided = set(db.scalars(select(void.voids).where(void.voids.in_(known)))) if known else set()
    names = names_of(db, (each.cashier_id for each in known.values()))
    found = []
    for row in rows:
        each = known[row.id]
        methods = tuple((ACCOUNT_NAMES[part.method], part.amount_fen) for part in each.parts)
        cashier_name = names.get(each.cashier_id, "系统") if each.cashier_id else "系统"
        found.append(
            TodayRow(
                each.id, each.receipt_no, each.kind.value, each.sign, each.target.kind, each.total_fen, methods, each.at, cashier_name,
                row.visit_no or "", row.name or "", each.id in voided, each.reason,
            )
        )  # fmt: skip
    return tuple(found)


def _sums(found: Sequence[Receipt]) -> tuple[tuple[str, int], ...]:
    sums: dict[AccountKind, int] = {}
    for each in found:
        for part in each.parts:
            sums[part.method] = sums.get(part.method, 0) + each.sign * part.amount_fen
    return tuple((ACCOUNT_NAMES[kind], sums[kind]) for kind in (*MONEY, AccountKind.CARD) if kind in sums)

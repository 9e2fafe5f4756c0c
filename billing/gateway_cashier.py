"""Payments by telephone at the cashier's: a visit's money is asked for, waited for, and shown as what is known of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import balances, cashier, receipts
from billing import gateway_rules as rules
from billing import gateway_service as service
from billing.gateway_facts import REASONS, GatewayOrder, OrderState
from billing.gateway_models import GatewayWatch
from billing.ports import Method
from billing.receipt_models import ReceiptPartRow
from exam.kit import idempotency
from exam.kit.errors import Refused
from exam.kit.house import house_of
from exam.kit.money import yuan
from exam.visits import service as visits

_PATIENCE_SECONDS = 6
"""A conversation with a gateway takes a moment: before that nobody is told that its result is unknown."""


class Waiting(msgspec.Struct, frozen=True):
    """An order as the cashier who waits for it sees it. `stage` is what the screen shows; with `receipt_id` the money is booked.

    `asks` and `next_at`: how often the gateway was asked, and when it is asked again.
    """

    order: GatewayOrder
    visit_id: UUID
    stage: str
    why: str
    left_seconds: int
    asks: int
    next_at: datetime | None
    receipt_id: UUID | None


def ask_once(db: Session, key: str, visit_id: UUID, amount_fen: int, method: Method | None, auth_code: str) -> UUID:
    """As `ask`; the same form sent any number of times asks once. Returns the order's id."""
    asked = ("scan_pay", visit_id, amount_fen, method, auth_code)
    return idempotency.once(db, key, asked, UUID, lambda: ask(db, visit_id, amount_fen, method, auth_code))


def ask(db: Session, visit_id: UUID, amount_fen: int, method: Method | None, auth_code: str = "") -> UUID:
    """Asks for money of a visit: the customer's code is charged, or ours is shown. Never for more than is due."""
    visit = cashier.hold(db, visit_id)
    if visits.state_of(db, visit_id) in cashier.NO_MONEY_IN:
        raise Refused("billing.no_money_in", "该体检单尚未预约或已取消,不能收款", "请核对体检单状态")
    due_fen = balances.amount_due(db, visit_id)
    if amount_fen > due_fen:
        raise Refused("billing.too_much", f"收款 {yuan(amount_fen)} 元,超过应收 {yuan(max(due_fen, 0))} 元", "请核对金额", "amount")
    code = rules.require_auth_code(auth_code) if auth_code.strip() else ""
    way = rules.method_of_code(code) if code else method
    if way is None:
        raise Refused("billing.method", "没有扫到付款码,也没有选择收款码", "请扫描顾客的付款码,或点击“显示收款码”", "auth_code")
    return service.open_order(db, way, f"visit:{visit.id}", amount_fen, auth_code=code).id


def live(db: Session, visit_id: UUID) -> UUID | None:
    """The order that somebody may still pay for a visit, or that is not settled; None when there is none."""
    orders = service.orders_of(db, f"visit:{visit_id}")
    return next((each.id for each in orders if each.state in rules.OPEN), None)


def waiting(db: Session, order_id: UUID) -> Waiting:
    """Where an order stands; three statements at most."""
    order = service.order(db, order_id)
    visit_id = service.visit_of(order.target)
    if visit_id is None:
        raise RuntimeError("only a visit's order is waited for here")
    now = house_of(db).clock.now()
    watch = db.execute(select(GatewayWatch.asks, GatewayWatch.due_at).where(GatewayWatch.id == order_id)).one_or_none()
    receipt_id = None
    if order.state in rules.SETTLED:
        mine = (ReceiptPartRow.gateway_order_id == order_id, ReceiptPartRow.part_of.is_(None))
        receipt_id = db.scalar(select(ReceiptPartRow.receipt_id).where(*mine))
    return Waiting(
        order=order, visit_id=visit_id, stage=_stage(order, now, receipt_id is not None), why=REASONS.get(order.why, order.why),
        left_seconds=max(int((order.expires_at - now).total_seconds()), 0), asks=watch.asks if watch else 0,
        next_at=watch.due_at if watch else None, receipt_id=receipt_id,
    )  # fmt: skip


def _stage(order: GatewayOrder, now: datetime, is_booked: bool) -> str:
    """submitting, code (ours is shown), pays (on the customer's telephone), unknown, closing, booked, returned, disputed or over."""
    if order.state is OrderState.ASKED:
        return "code" if order.code else "pays"
    if order.state is OrderState.UNKNOWN and (now - order.opened_at).total_seconds() >= _PATIENCE_SECONDS:
        return "unknown"
    return {
        OrderState.CREATED: "submitting", OrderState.UNKNOWN: "submitting", OrderState.CLOSING: "closing",
        OrderState.PAID: "booked" if is_booked else "returned", OrderState.LATE: "returned", OrderState.DISPUTED: "disputed",
    }.get(order.state, "over")  # fmt: skip


def refunds_of_receipt(db: Session, receipt_id: UUID) -> list[tuple[str, str]]:
    """The state and the reason of each gateway's refund that a refund's receipt asked for: it is over when the gateway says so."""
    found: list[tuple[str, str]] = []
    for part in receipts.get(db, receipt_id).parts:
        if part.gateway_order_id is not None and part.part_of is not None:
            refunds = service.refunds_of(db, part.gateway_order_id)
            found += [(each.state, REASONS.get(each.why, each.why)) for each in refunds if str(each.id) == part.reference]
    return found

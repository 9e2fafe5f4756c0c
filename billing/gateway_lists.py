"""Lists of payments through gateways for screens: what needs somebody, what waits, everything; one order with its history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from billing import gateway_held as held
from billing import gateway_rules as rules
from billing import gateway_service as service
from billing.gateway_facts import (
    FACT_NAMES,
    METHOD_NAMES,
    REASONS,
    REFUND_STATE_NAMES,
    GatewayOrder,
    GatewayRefund,
    HistoryLine,
    OrderState,
    RefundState,
)
from billing.gateway_models import GatewayDifference, GatewayFact, GatewayOrderRow, GatewayRefundRow
from exam.kit.house import actor_of, house_of

PAGE = 50
AGE_OF_ALARM = timedelta(minutes=10)
"""What the gateways have not settled for longer than this is shown to somebody."""

TABS = {"attention": "需处理", "open": "未了结", "all": "全部"}


class Found(msgspec.Struct, frozen=True):
    """One page of orders."""

    orders: tuple[GatewayOrder, ...]
    total: int
    page: int
    pages: int


def find(db: Session, tab: str, q: str = "", page: int = 1) -> Found:
    """Orders of the actor's site, newest first. `q` is (the end of) our order number or the gateway's own number."""
    statement = select(GatewayOrderRow).where(GatewayOrderRow.site == actor_of(db).site)
    words = q.strip().upper()[:64]
    if words:
        statement = statement.where(
            or_(GatewayOrderRow.order_no.endswith(words, autoescape=True), GatewayOrderRow.trade_no == q.strip()[:64])
        )
    elif tab == "attention":
        statement = statement.where(_needs_somebody(db))
    elif tab == "open":
        statement = statement.where(GatewayOrderRow.state.in_(rules.OPEN))
    total = db.scalar(select(func.count()).select_from(statement.subquery())) or 0
    pages = max(-(-total // PAGE), 1)
    page = min(max(page, 1), pages)
    rows = db.scalars(
        statement.order_by(GatewayOrderRow.opened_at.desc(), GatewayOrderRow.id.desc()).offset((page - 1) * PAGE).limit(PAGE)
    )
    return Found(tuple(service.order_of(row) for row in rows), total, page, pages)


def _needs_somebody(db: Session) -> ColumnElement[bool]:
    """Money that is not where it belongs, or a question that the gateway has not answered for ten minutes."""
    before = house_of(db).clock.now() - AGE_OF_ALARM
    refunds = select(GatewayRefundRow.id).where(GatewayRefundRow.order_id == GatewayOrderRow.id)
    failed = GatewayRefundRow.state == RefundState.FAILED
    stuck = and_(GatewayRefundRow.state.in_((RefundState.REQUESTED, RefundState.UNKNOWN)), GatewayRefundRow.changed_at < before)
    not_returned = GatewayOrderRow.returned_fen < GatewayOrderRow.paid_fen
    asked = select(func.coalesce(func.sum(GatewayRefundRow.amount_fen), 0)).where(
        GatewayRefundRow.order_id == GatewayOrderRow.id, GatewayRefundRow.state.in_(rules.REFUND_OPEN)
    )
    is_stranded = held.of_order(GatewayOrderRow.id) > asked.scalar_subquery()
    return or_(
        GatewayOrderRow.is_unbooked,
        and_(GatewayOrderRow.state.in_((OrderState.UNKNOWN, OrderState.CLOSING)), GatewayOrderRow.changed_at < before),
        and_(GatewayOrderRow.state.in_((OrderState.DISPUTED, OrderState.LATE)), not_returned),
        and_(not_returned, exists(refunds.where(failed)), is_stranded),
        and_(not_returned, exists(refunds.where(stuck))),
    )


def count_of_attention(db: Session) -> tuple[int, int]:
    """How many orders, and how many statement differences, wait for somebody."""
    mine = GatewayOrderRow.site == actor_of(db).site
    orders = db.scalar(select(func.count()).select_from(GatewayOrderRow).where(mine, _needs_somebody(db))) or 0
    differences = (
        db.scalar(select(func.count()).select_from(GatewayDifference).where(GatewayDifference.explained_at.is_(None))) or 0
    )
    return orders, differences


class Detail(msgspec.Struct, frozen=True):
    """One order with its refunds and everything that happened to them."""

    order: GatewayOrder
    why: str
    is_unbooked: bool
    refunds: Sequence[GatewayRefund]
    history: Sequence[HistoryLine]
    returnable_fen: int
    is_waiting: bool


def detail(db: Session, order_id: UUID) -> Detail:
    """One order of the actor's site."""
    row = service.get_row(db, order_id)
    refunds = service.refunds_of(db, row.id)
    numbers = {refund.id: refund.refund_no for refund in refunds}
    facts = db.scalars(select(GatewayFact).where(GatewayFact.order_id == row.id).order_by(GatewayFact.id))
    is_waiting = row.state in rules.OPEN or any(refund.state in rules.REFUND_OPEN for refund in refunds)
    return Detail(
        service.order_of(row), REASONS.get(row.why, row.why), row.is_unbooked, refunds,
        [HistoryLine(fact.at, _fact_text(fact, numbers), _by(fact.actor)) for fact in facts],
        max(service.to_return(db, row), 0), is_waiting,
    )  # fmt: skip


def _fact_text(fact: GatewayFact, refund_numbers: dict[UUID, str]) -> str:
    name = FACT_NAMES.get(fact.kind, fact.kind)
    if fact.refund_id is not None:
        tail = refund_numbers.get(fact.refund_id, "").rpartition("R")[2]
        name = f"退款 {tail}:{name}"
    told = [] if fact.kind in _SAY_ENOUGH else [_CODES.get(fact.code, fact.code)]
    if fact.reference:
        told.append(f"网关单号 {fact.reference}")
    shown = ",".join(part for part in told if part)
    return f"{name}({shown})" if shown else name


_SAY_ENOUGH = frozenset({"submit", "cancel", "expire", "pay_late", "return_funds"})
_STATES = {
    "paid": "已支付",
    "unpaid": "未支付",
    "closed": "已关闭",
    "failed": "未成功",
    "returned": "已全额退回",
    "none": "无此订单",
}
_CODES = {**_STATES, **{str(state): name for state, name in REFUND_STATE_NAMES.items()}, **REASONS}


def _by(actor: str) -> str:
    names = {str(method): name for method, name in METHOD_NAMES.items()}
    return "系统" if actor == "system" else names.get(actor, actor)

"""What must hold of all payments through gateways: each stands where its facts say, money is told of once, and nothing is given back twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import gateway_rules as rules
from billing.gateway_facts import OrderState, RefundState
from billing.gateway_models import GatewayFact, GatewayOrderRow, GatewayRefundRow, GatewayWatch
from exam.kit.errors import Refused
from exam.kit.module import Invariant

_STREAM = {"yield_per": 5000}
_MONEY = ("pay", "pay_late", "dispute")


def order_states(db: Session) -> Iterator[str]:
    """Every order's state is what its facts say, and money came at most once; read as a stream in the order of the orders."""
    rows = db.execute(
        select(GatewayOrderRow.id, GatewayOrderRow.order_no, GatewayOrderRow.state, GatewayFact.kind)
        .outerjoin(GatewayFact, (GatewayFact.order_id == GatewayOrderRow.id) & GatewayFact.refund_id.is_(None))
        .order_by(GatewayOrderRow.id, GatewayFact.id)
        .execution_options(**_STREAM)
    )
    for (_, order_no, state), facts in groupby(rows, key=lambda row: (row.id, row.order_no, row.state)):
        kinds = [fact.kind for fact in facts if fact.kind is not None]
        try:
            told = rules.order_state_after(kinds)
        except Refused:
            yield f"order {order_no}: its facts {kinds} do not follow each other"
            continue
        if told != state:
            yield f"order {order_no}: {state}, its facts say {told}"
        if sum(kind in _MONEY for kind in kinds) != (state in rules.SETTLED):
            yield f"order {order_no}: {state}, money came {sum(kind in _MONEY for kind in kinds)} times"


def refund_states(db: Session) -> Iterator[str]:
    """Every refund's state is what its facts say."""
    rows = db.execute(
        select(GatewayRefundRow.id, GatewayRefundRow.refund_no, GatewayRefundRow.state, GatewayFact.kind)
        .outerjoin(GatewayFact, GatewayFact.refund_id == GatewayRefundRow.id)
        .order_by(GatewayRefundRow.id, GatewayFact.id)
        .execution_options(**_STREAM)
    )
    for (_, refund_no, state), facts in groupby(rows, key=lambda row: (row.id, row.refund_no, row.state)):
        kinds = [fact.kind for fact in facts if fact.kind is not None]
        try:
            told = rules.refund_state_after(kinds)
        except Refused:
            yield f"refund {refund_no}: its facts {kinds} do not follow each other"
            continue
        if told != state:
            yield f"refund {refund_no}: {state}, its facts say {told}"


def amounts(db: Session) -> Iterator[str]:
    """What came is what was asked for, and what went back is its refunds and never more than came (M4)."""
    returned = (
        select(
            GatewayRefundRow.order_id,
            func.sum(GatewayRefundRow.amount_fen).filter(GatewayRefundRow.state == RefundState.SUCCESS).label("done"),
            func.sum(GatewayRefundRow.amount_fen).filter(GatewayRefundRow.state != RefundState.FAILED).label("given"),
        )
        .group_by(GatewayRefundRow.order_id)
        .subquery()
    )
    rows = db.execute(
        select(
            GatewayOrderRow.order_no, GatewayOrderRow.state, GatewayOrderRow.amount_fen, GatewayOrderRow.paid_fen,
            GatewayOrderRow.returned_fen, func.coalesce(returned.c.done, 0).label("done"), func.coalesce(returned.c.given, 0).label("given"),
        )
        .outerjoin(returned, returned.c.order_id == GatewayOrderRow.id)
        .execution_options(**_STREAM)
    )  # fmt: skip
    for row in rows:
        is_settled = row.state in rules.SETTLED
        if row.paid_fen != (row.amount_fen if is_settled else 0) and row.state != OrderState.DISPUTED:
            yield f"order {row.order_no}: {row.state} with {row.paid_fen} of {row.amount_fen} fen"
        if row.returned_fen != row.done or row.given > row.paid_fen:
            yield f"order {row.order_no}: {row.paid_fen} fen came, {row.done} went back, {row.given} are on the way, the row says {row.returned_fen}"


def watched(db: Session) -> Iterator[str]:
    """What is not over is watched, so that somebody asks (F28)."""
    for model, table, states in ((GatewayOrderRow, "order", rules.OPEN), (GatewayRefundRow, "refund", rules.REFUND_OPEN)):
        rows = db.scalars(
            select(model.id)
            .outerjoin(GatewayWatch, GatewayWatch.id == model.id)
            .where(model.state.in_(states), GatewayWatch.id.is_(None))
        )
        for row_id in rows:
            yield f"{table} {row_id} is open and nobody asks about it"


INVARIANTS = (
    Invariant("gateway orders stand where their facts say, and money came once", order_states),
    Invariant("gateway refunds stand where their facts say", refund_states),
    Invariant("M4 no gateway order gives back more than came", amounts),
    Invariant("every open gateway order and refund is watched", watched),
)

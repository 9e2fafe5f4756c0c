"""What must hold of all payments through gateways: each stands where its facts say, money is told of once, and nothing is given back twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import gateway_held, ledger
from billing import gateway_rules as rules
from billing.facts import Account, AccountKind
from billing.gateway_facts import OrderState, RefundState
from billing.gateway_models import GatewayFact, GatewayOrderRow, GatewayRefundRow, GatewayWatch
from billing.models import LedgerTransaction, LedgerTransfer
from billing.ports import Method
from billing.receipt_models import ReceiptPartRow, ReceiptRow
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


def ledger_matches(db: Session) -> Iterator[str]:
    """M5: what came of an order is one transaction and one only, so is each refund that went back; what lies between is held for it.

    So the gateways' accounts hold to the fen what the gateways' statements say, order by order.
    """
    came, went = _booked_in(db), _booked_out(db)
    rows = db.execute(
        select(GatewayOrderRow.id, GatewayOrderRow.order_no, GatewayOrderRow.state, GatewayOrderRow.method, GatewayOrderRow.paid_fen)
        .execution_options(**_STREAM)
    )  # fmt: skip
    for row in rows:
        wanted = [(row.method, row.paid_fen)] if row.state in rules.SETTLED else []
        if (booked := came.pop(row.id, [])) != wanted:
            yield f"order {row.order_no}: {row.state} with {wanted}, the ledger holds {booked}"
    refunds = db.execute(
        select(
            GatewayRefundRow.id,
            GatewayRefundRow.refund_no,
            GatewayRefundRow.state,
            GatewayRefundRow.amount_fen,
            GatewayOrderRow.method,
        )
        .join(GatewayOrderRow, GatewayOrderRow.id == GatewayRefundRow.order_id)
        .execution_options(**_STREAM)
    )
    for each in refunds:
        wanted = [(each.method, each.amount_fen)] if each.state == RefundState.SUCCESS else []
        if (booked := went.pop(each.id, [])) != wanted:
            yield f"refund {each.refund_no}: {each.state} with {wanted}, the ledger holds {booked}"
    for stray, booked in (came | went).items():
        yield f"gateway money {booked} is booked for {stray}, which is no order and no refund"


def _booked_in(db: Session) -> dict[UUID, list[tuple[str, int]]]:
    """What the ledger says came through gateways, by order: by a receipt's part, or held because nobody wanted it."""
    found: dict[UUID, list[tuple[str, int]]] = {}
    by_receipt = (
        select(ReceiptPartRow.gateway_order_id, LedgerTransfer.debit, LedgerTransfer.amount_fen)
        .join(ReceiptRow, ReceiptRow.id == ReceiptPartRow.receipt_id)
        .join(
            LedgerTransfer,
            (LedgerTransfer.transaction_id == ReceiptRow.transaction_id)
            & (LedgerTransfer.debit == ReceiptPartRow.method) & (LedgerTransfer.amount_fen == ReceiptPartRow.amount_fen),
        )
        .where(ReceiptPartRow.gateway_order_id.is_not(None), ReceiptPartRow.part_of.is_(None), ReceiptRow.kind == "payment")
    )  # fmt: skip
    kept = (
        select(LedgerTransaction.about, LedgerTransfer.debit, LedgerTransfer.amount_fen)
        .join(LedgerTransfer, LedgerTransfer.transaction_id == LedgerTransaction.id)
        .where(LedgerTransaction.kind == gateway_held.HELD)
    )
    for wanted in (by_receipt, kept):
        for order_id, method, fen in db.execute(wanted.execution_options(**_STREAM)):
            if order_id is not None:
                found.setdefault(order_id, []).append((method, fen))
    return found


def _booked_out(db: Session) -> dict[UUID, list[tuple[str, int]]]:
    """What the ledger says went back through gateways, by refund."""
    found: dict[UUID, list[tuple[str, int]]] = {}
    wanted = (
        select(LedgerTransaction.about, LedgerTransfer.credit, LedgerTransfer.amount_fen)
        .join(LedgerTransfer, LedgerTransfer.transaction_id == LedgerTransaction.id)
        .where(LedgerTransaction.kind == gateway_held.RETURNED)
    )
    for refund_id, method, fen in db.execute(wanted.execution_options(**_STREAM)):
        if refund_id is not None:
            found.setdefault(refund_id, []).append((method, fen))
    return found


def nothing_else_moves(db: Session) -> Iterator[str]:
    """M5, from the ledger's side: the accounts of the gateways hold what their orders brought less what went back, and nothing else."""
    told = {
        method: int(fen or 0)
        for method, fen in db.execute(
            select(GatewayOrderRow.method, func.sum(GatewayOrderRow.paid_fen - GatewayOrderRow.returned_fen)).group_by(
                GatewayOrderRow.method
            )
        )
    }
    for method in Method:
        held = ledger.balance_of(db, Account(AccountKind(method.value)))
        if held != told.get(method.value, 0):
            yield f"{method.value}: the ledger holds {held} fen, its gateway orders say {told.get(method.value, 0)}"


def held_goes_back(db: Session) -> Iterator[str]:
    """Of no order less than nothing is held, and whatever is on its way back is held."""
    on_the_way = select(GatewayRefundRow.order_id, func.sum(GatewayRefundRow.amount_fen)).where(
        GatewayRefundRow.state.in_(rules.REFUND_OPEN)
    )
    asked = {row[0]: int(row[1]) for row in db.execute(on_the_way.group_by(GatewayRefundRow.order_id))}
    kind, held = AccountKind.GATEWAY_HELD.value, dict[UUID, int]()
    for side, of, sign in (
        (LedgerTransfer.credit, LedgerTransfer.credit_of, 1),
        (LedgerTransfer.debit, LedgerTransfer.debit_of, -1),
    ):
        for order_id, fen in db.execute(select(of, func.sum(LedgerTransfer.amount_fen)).where(side == kind).group_by(of)):
            held[order_id] = held.get(order_id, 0) + sign * int(fen)
    for order_id in sorted(asked.keys() | held.keys()):
        if held.get(order_id, 0) < asked.get(order_id, 0):
            yield f"gateway order {order_id}: {held.get(order_id, 0)} fen are held, {asked.get(order_id, 0)} are on their way back"


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
    Invariant("M5 each gateway payment and refund is one transaction of the ledger", ledger_matches),
    Invariant("M5 the gateways' accounts hold what their gateway orders say", nothing_else_moves),
    Invariant("what goes back through a gateway is held for it", held_goes_back),
    Invariant("every open gateway order and refund is watched", watched),
)

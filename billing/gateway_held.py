"""Money of gateways that is to go back: what nobody wants, and what a receipt gave back until the gateway says that it has gone.

A gateway's own account of the ledger moves only when the gateway has moved its money, so it can be compared with the gateway's
statement line by line (M5). What lies between is held for the order that brought it.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing import ledger
from billing.facts import Account, AccountKind, Move
from billing.models import LedgerTransfer
from billing.ports import Method

HELD, RETURNED = "gateway_held", "gateway_returned"
"""Kinds of transactions: money that came and nobody wants (`about` its order), and money that went back (`about` its refund)."""


def account(order_id: UUID) -> Account:
    """What is to go back of an order."""
    return Account(AccountKind.GATEWAY_HELD, order_id)


def gateways_account(method: Method) -> Account:
    """What a gateway holds for us."""
    return Account(AccountKind(method.value))


def keep(db: Session, order_id: UUID, method: Method, amount_fen: int, site: str) -> UUID:
    """Books money that came and is nobody's: it waits to go back."""
    move = Move(gateways_account(method), account(order_id), amount_fen)
    return ledger.post(db, ledger.Posting(kind=HELD, moves=(move,), site=site, about=order_id))


def let_go(db: Session, order_id: UUID, refund_id: UUID, method: Method, amount_fen: int, site: str) -> UUID:
    """Books that the gateway gave money back."""
    move = Move(account(order_id), gateways_account(method), amount_fen)
    return ledger.post(db, ledger.Posting(kind=RETURNED, moves=(move,), site=site, about=refund_id))


def held(db: Session, order_id: UUID) -> int:
    """What is to go back of an order and has not gone, in fen; what is on its way is in it."""
    return -ledger.balance_of(db, account(order_id))


def of_order(order_id: InstrumentedAttribute[UUID]) -> ColumnElement[int]:
    """As `held`, for a condition over orders."""
    kind = AccountKind.GATEWAY_HELD.value
    came = select(func.coalesce(func.sum(LedgerTransfer.amount_fen), 0)).where(
        LedgerTransfer.credit_of == order_id, LedgerTransfer.credit == kind
    )
    went = select(func.coalesce(func.sum(LedgerTransfer.amount_fen), 0)).where(
        LedgerTransfer.debit_of == order_id, LedgerTransfer.debit == kind
    )
    return came.scalar_subquery() - went.scalar_subquery()

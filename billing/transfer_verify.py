"""What must hold of bank transfers: what is assigned of one is the sum of its matches, and the ledger says the same."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from billing import ledger
from billing.facts import Account, AccountKind
from billing.transfer_models import BankTransfer, TransferMatch
from exam.kit.module import Invariant


def transfers_are_their_matches(db: Session) -> Iterator[str]:
    """Of every transfer as much is assigned as its matches that stand add up to, and never more than came in."""
    signed = func.sum(case((TransferMatch.undoes.is_(None), TransferMatch.amount_fen), else_=-TransferMatch.amount_fen))
    sums = {
        row[0]: int(row[1]) for row in db.execute(select(TransferMatch.transfer_id, signed).group_by(TransferMatch.transfer_id))
    }
    for row in db.scalars(select(BankTransfer)):
        if row.matched_fen != sums.get(row.id, 0) or row.matched_fen > row.amount_fen:
            yield f"transfer {row.transfer_no}: {row.matched_fen} fen are assigned, its matches say {sums.get(row.id, 0)}"


def unmatched_money_is_in_the_ledger(db: Session) -> Iterator[str]:
    """The account of unmatched money holds exactly what is left of the transfers."""
    left = db.scalar(select(func.sum(BankTransfer.amount_fen - BankTransfer.matched_fen)).where(BankTransfer.voided_at.is_(None)))
    held = -ledger.balance_of(db, Account(AccountKind.UNMATCHED))
    if held != int(left or 0):
        yield f"unmatched transfers: {int(left or 0)} fen are left, the ledger holds {held}"


INVARIANTS = (
    Invariant("transfers are assigned as their matches say", transfers_are_their_matches),
    Invariant("unmatched money is in the ledger", unmatched_money_is_in_the_ledger),
)

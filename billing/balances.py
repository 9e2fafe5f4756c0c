"""What a visit's person still owes, derived from charges and the ledger, and the boards that show it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.orm import Session

from billing.facts import AccountKind, Balance, Payer
from billing.models import Charge, LedgerTransfer, RefundBoard
from exam.visits import service as visits
from exam.visits.models import VisitBoard


def balance(db: Session, visit_id: UUID) -> Balance:
    """A visit's money: what stands charged, and by the ledger what came in for its person less what went back; one statement."""
    person = AccountKind.PERSON.value
    charged = select(Charge.payer.label("what"), func.sum(Charge.sign * Charge.amount_fen).label("fen")).where(Charge.visit_id == visit_id)
    is_in = (LedgerTransfer.credit_of == visit_id) & (LedgerTransfer.credit == person)
    is_out = (LedgerTransfer.debit_of == visit_id) & (LedgerTransfer.debit == person)
    paid = [
        select(literal("paid"), sign * func.sum(LedgerTransfer.amount_fen)).where(is_it, other != AccountKind.REVENUE.value)
        for is_it, other, sign in ((is_in, LedgerTransfer.debit, 1), (is_out, LedgerTransfer.credit, -1))
    ]
    sums: dict[str, int] = {}
    for what, fen in db.execute(union_all(charged.group_by(Charge.payer), *paid)):
        sums[what] = sums.get(what, 0) + int(fen or 0)
    charged_fen, paid_fen = sums.get(Payer.PERSON, 0), sums.get("paid", 0)
    return Balance(visit_id, charged_fen, paid_fen, charged_fen - paid_fen, sums.get(Payer.ORGANIZATION, 0))


def amount_due(db: Session, visit_id: UUID) -> int:
    """What the person still has to pay, in fen; negative where money is owed to them."""
    return balance(db, visit_id).due_fen


def show_due(db: Session, visit_id: UUID, site: str) -> None:
    """After money moved: tells the board what is due, and the list of refunds whether money is owed."""
    due_fen, before_fen = amount_due(db, visit_id), db.get_one(VisitBoard, visit_id).amount_due_fen
    visits.set_amount_due(db, visit_id, due_fen)
    if min(due_fen, before_fen) >= 0:
        return
    row = db.get(RefundBoard, visit_id)
    if due_fen >= 0:
        if row is not None:
            db.delete(row)
    elif row is None:
        db.add(RefundBoard(visit_id=visit_id, site=site, amount_fen=-due_fen))
    else:
        row.amount_fen = -due_fen


def charged_in_all(db: Session) -> dict[Payer, int]:
    """What stands charged to persons and to organisations in all, in fen."""
    standing = func.sum(Charge.sign * Charge.amount_fen)
    return {Payer(payer): int(fen) for payer, fen in db.execute(select(Charge.payer, standing).group_by(Charge.payer))}

"""The ledger's opening: visits that were charged before there was a ledger get their transactions once."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import charging, ledger
from billing.facts import Account, AccountKind, Move
from billing.models import Charge, LedgerTransaction, WindowPayment, WindowRefund
from exam.visits.models import Visit

PART = 500


def open_ledger(db: Session) -> int:
    """Books what stands charged and what the window took for every visit without a transaction; how many visits that were.

    Done at every set-up: on a database that began with the ledger it finds nothing.
    """
    has_none = ~select(LedgerTransaction.id).where(LedgerTransaction.visit_id == Visit.id).exists()
    charged = select(Charge.id).where(Charge.visit_id == Visit.id, Charge.amount_fen > 0).exists()
    waiting = db.execute(select(Visit.id, Visit.site).where(has_none, charged).order_by(Visit.id)).all()
    for start in range(0, len(waiting), PART):
        _book(db, [(row.id, row.site) for row in waiting[start : start + PART]])
    return len(waiting)


def _book(db: Session, visits: Sequence[tuple[UUID, str]]) -> None:
    ids = [visit_id for visit_id, _ in visits]
    sums: dict[UUID, dict[Account, int]] = {visit_id: {} for visit_id in ids}
    stands = func.sum(Charge.sign * Charge.amount_fen)
    rows = select(Charge.visit_id, Charge.payer, Charge.payer_id, stands.label("fen")).where(Charge.visit_id.in_(ids))
    for row in db.execute(rows.group_by(Charge.visit_id, Charge.payer, Charge.payer_id)):
        sums[row.visit_id][charging.account_of(row.visit_id, row.payer, row.payer_id)] = int(row.fen)
    paid: dict[UUID, int] = dict.fromkeys(ids, 0)
    for model, sign in ((WindowPayment, 1), (WindowRefund, -1)):
        for fact in db.execute(select(model.visit_id, model.undoes, model.amount_fen).where(model.visit_id.in_(ids))):
            paid[fact.visit_id] += -sign * fact.amount_fen if fact.undoes else sign * fact.amount_fen
    postings = []
    for visit_id, site in visits:
        person, window = Account(AccountKind.PERSON, visit_id), Account(AccountKind.WINDOW)
        moves = [Move(account, charging.REVENUE, fen) for account, fen in sums[visit_id].items() if fen]
        if moves:
            postings.append(ledger.Posting(kind="opened", moves=tuple(moves), site=site, visit_id=visit_id))
        if paid[visit_id]:
            move = Move(window, person, paid[visit_id])
            postings.append(ledger.Posting(kind="window_opened", moves=(move,), site=site, visit_id=visit_id))
    ledger.post_all(db, postings)

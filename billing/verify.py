"""What must hold of all money: charges follow orders, the ledger follows charges, and the boards show what is due.

Everything is read in spans of visits: the memory stays bounded however many visits there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import charging
from billing.facts import GUARDED, Account, AccountKind, Payer, Share
from billing.models import Charge, GuardedBalance, LedgerTransaction, LedgerTransfer, RefundBoard, WindowPayment, WindowRefund
from exam.kit.module import Invariant
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.models import LineBoard, OrderLineRow, Visit, VisitBoard
from exam.visits.spans import Span, visit_spans


def charges_follow_order(db: Session) -> Iterator[str]:
    """What stands charged of a line is nothing once it was removed, and otherwise what its order, terms and discounts say (M8)."""
    for span in visit_spans(db):
        yield from _lines_are_charged(db, span)


def _lines_are_charged(db: Session, span: Span) -> Iterator[str]:
    is_here = span.holds(OrderLineRow.visit_id)
    priced = select(OrderLineRow.id, OrderLineRow.visit_id, OrderLineRow.price_fen, LineBoard.state).join(
        LineBoard, LineBoard.line_id == OrderLineRow.id
    )
    # By line, not by visit: a charge counts for its line even where it names another visit.
    charged = select(Charge.line_id, Charge.payer, Charge.sign, Charge.amount_fen)
    found: dict[UUID, list[int]] = {}
    for row in db.execute(charged.join(OrderLineRow, OrderLineRow.id == Charge.line_id).where(is_here).order_by(Charge.id)):
        standing = found.setdefault(row.line_id, [0, 0])
        standing[row.payer == Payer.ORGANIZATION] += row.sign * row.amount_fen
        if min(standing) < 0:
            yield f"line {row.line_id}: more was reversed than charged"
    reduced: dict[UUID, None] = {}
    for line_id, visit_id, price_fen, state in db.execute(priced.where(is_here)):
        if line_id not in found:
            yield f"line {line_id}: was never charged"
        elif state == "removed" and any(found[line_id]):
            yield f"line {line_id}: is removed, {sum(found[line_id])} fen stand charged"
        elif state != "removed" and found[line_id] != [price_fen, 0]:
            reduced[visit_id] = None
    for visit_id in reduced:
        yield from _shares_are_right(db, visit_id)


def _shares_are_right(db: Session, visit_id: UUID) -> Iterator[str]:
    """A visit of which some line costs other than its own price: its terms and discounts must say just that (M7, M10)."""
    visit = db.get_one(Visit, visit_id)
    wanted = charging.wanted_shares(
        orders.lines(db, visit_id), visits.catalogue_of(db, visit), charging.terms_of(db, visit_id), charging.discounts_of(db, visit_id)
    )
    for line_id, standing in charging.standing_charges(db, visit_id).items():
        share = wanted.get(line_id, Share(0))
        if (standing.person_fen, standing.organization_fen) != (share.person_fen, share.organization_fen):
            yield (
                f"line {line_id}: charged {standing.person_fen} + {standing.organization_fen}, "
                f"its terms say {share.person_fen} + {share.organization_fen}"
            )


def ledger_follows_charges(db: Session) -> Iterator[str]:
    """What persons and organisations owe by the ledger for each visit is what stands charged of its lines (M1)."""
    revenue = AccountKind.REVENUE.value
    is_charge = (LedgerTransfer.credit == revenue) | (LedgerTransfer.debit == revenue)
    owed = select(LedgerTransaction.visit_id, LedgerTransfer.debit, LedgerTransfer.credit, LedgerTransfer.amount_fen).join(
        LedgerTransfer, LedgerTransfer.transaction_id == LedgerTransaction.id
    )
    for span in visit_spans(db):
        charged = select(Charge.visit_id, Charge.payer, func.sum(Charge.sign * Charge.amount_fen)).where(span.holds(Charge.visit_id))
        told = {(row[0], row[1]): int(row[2]) for row in db.execute(charged.group_by(Charge.visit_id, Charge.payer))}
        booked: dict[tuple[UUID, str], int] = {}
        for row in db.execute(owed.join(Visit, Visit.id == LedgerTransaction.visit_id).where(span.holds(Visit.id), is_charge)):
            payer, sign = (row.debit, 1) if row.credit == revenue else (row.credit, -1)
            booked[row.visit_id, payer] = booked.get((row.visit_id, payer), 0) + sign * row.amount_fen
        for key in sorted(told.keys() | booked.keys()):
            if told.get(key, 0) != booked.get(key, 0):
                yield f"visit {key[0]}: {told.get(key, 0)} fen stand charged to the {key[1]}, the ledger says {booked.get(key, 0)}"


def balances_are_sums(db: Session) -> Iterator[str]:
    """The balance of every card and prepayment is the sum of its transfers, and not below zero (M2, M4)."""
    sums: dict[tuple[str, UUID], int] = {}
    for kind, of, sign in (
        (LedgerTransfer.credit, LedgerTransfer.credit_of, 1),
        (LedgerTransfer.debit, LedgerTransfer.debit_of, -1),
    ):
        moved = select(kind, of, func.sum(LedgerTransfer.amount_fen)).where(kind.in_(sorted(GUARDED))).group_by(kind, of)
        for name, owner, amount in db.execute(moved):
            sums[name, owner] = sums.get((name, owner), 0) + sign * int(amount)
    kept = {(row.kind, row.of): row.balance_fen for row in db.scalars(select(GuardedBalance))}
    for key in sorted(sums.keys() | kept.keys()):
        if sums.get(key, 0) != kept.get(key, 0) or kept.get(key, 0) < 0:
            yield f"{key[0]} {key[1]}: the balance says {kept.get(key, 0)} fen, its transfers {sums.get(key, 0)}"


def reversals_are_opposites(db: Session) -> Iterator[str]:
    """A transaction that reverses another moves the same amounts the other way (M2, M9)."""
    is_reversal = LedgerTransaction.reverses.is_not(None)
    pairs = dict(db.execute(select(LedgerTransaction.id, LedgerTransaction.reverses).where(is_reversal)).tuples().all())
    either = LedgerTransfer.transaction_id.in_(select(LedgerTransaction.id).where(is_reversal)) | LedgerTransfer.transaction_id.in_(
        select(LedgerTransaction.reverses).where(is_reversal)
    )
    moves: dict[UUID, list[tuple[Account, Account, int]]] = {}
    for row in db.execute(select(LedgerTransfer.__table__).where(either).order_by(LedgerTransfer.id)):
        debit, credit = Account(AccountKind(row.debit), row.debit_of), Account(AccountKind(row.credit), row.credit_of)
        moves.setdefault(row.transaction_id, []).append((debit, credit, row.amount_fen))
    for transaction_id, reverses in pairs.items():
        there = moves.get(reverses or transaction_id, [])
        if there != [(credit, debit, fen) for debit, credit, fen in moves.get(transaction_id, [])]:
            yield f"transaction {transaction_id}: is not the opposite of {reverses}"


def no_transaction_is_empty(db: Session) -> Iterator[str]:
    """Every transaction has at least one transfer."""
    has_one = select(LedgerTransfer.id).where(LedgerTransfer.transaction_id == LedgerTransaction.id).exists()
    for transaction_id in db.scalars(select(LedgerTransaction.id).where(~has_one)):
        yield f"transaction {transaction_id}: moves nothing"


def _due_by_visit(db: Session, span: Span) -> dict[UUID, int]:
    """What is due of every visit of a span by the facts alone: the debits less the credits of its person's account."""
    due: dict[UUID, int] = {}
    person = AccountKind.PERSON.value
    for kind, of, sign in (
        (LedgerTransfer.debit, LedgerTransfer.debit_of, 1),
        (LedgerTransfer.credit, LedgerTransfer.credit_of, -1),
    ):
        moved = select(of, func.sum(LedgerTransfer.amount_fen)).where(kind == person, span.holds(of)).group_by(of)
        for visit_id, amount in db.execute(moved):
            due[visit_id] = due.get(visit_id, 0) + sign * int(amount)
    return due


def _kept_by_visit(db: Session, span: Span) -> dict[UUID, int]:
    """What the window took for each visit of a span less what it gave back, by its own records."""
    kept: dict[UUID, int] = {}
    for model, sign in ((WindowPayment, 1), (WindowRefund, -1)):
        moved = select(model.visit_id, model.undoes, model.amount_fen).where(span.holds(model.visit_id))
        for row in db.execute(moved):
            kept[row.visit_id] = kept.get(row.visit_id, 0) + (-sign if row.undoes else sign) * row.amount_fen
    return kept


def due_on_board(db: Session) -> Iterator[str]:
    """The board's amount due equals charges less payments, given back what was given back."""
    for span in visit_spans(db):
        due = _due_by_visit(db, span)
        listed = select(VisitBoard.visit_id, VisitBoard.amount_due_fen).where(span.holds(VisitBoard.visit_id))
        for visit_id, shown in db.execute(listed):
            if shown != due.get(visit_id, 0):
                yield f"visit {visit_id}: the board shows {shown} fen due, the facts say {due.get(visit_id, 0)}"


def refunds_on_board(db: Session) -> Iterator[str]:
    """The list of refunds holds exactly the visits whose persons are owed money, to the fen."""
    for span in visit_spans(db):
        owed = {visit_id: -amount for visit_id, amount in _due_by_visit(db, span).items() if amount < 0}
        listed = select(RefundBoard.visit_id, RefundBoard.amount_fen).where(span.holds(RefundBoard.visit_id))
        shown = {row.visit_id: row.amount_fen for row in db.execute(listed)}
        for visit_id in sorted(owed.keys() | shown.keys()):
            if owed.get(visit_id) != shown.get(visit_id):
                yield f"visit {visit_id}: the refund list says {shown.get(visit_id)} fen, the facts say {owed.get(visit_id)}"


def nobody_gets_back_more_than_was_paid(db: Session) -> Iterator[str]:
    """Of no visit was more given back at the window than was paid there."""
    for span in visit_spans(db):
        for visit_id, amount in _kept_by_visit(db, span).items():
            if amount < 0:
                yield f"visit {visit_id}: {-amount} fen more were given back than paid"


INVARIANTS = (
    Invariant("charges follow the order", charges_follow_order),
    Invariant("the ledger follows the charges", ledger_follows_charges),
    Invariant("balances are the sums of their transfers", balances_are_sums),
    Invariant("a reversal is the opposite of what it reverses", reversals_are_opposites),
    Invariant("no transaction is empty", no_transaction_is_empty),
    Invariant("the board shows what is due", due_on_board),
    Invariant("the refund list shows who is owed money", refunds_on_board),
    Invariant("nobody gets back more than was paid", nobody_gets_back_more_than_was_paid),
)

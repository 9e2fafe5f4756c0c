"""What must hold of all money so far: every line is charged once, reversals match, and the board shows what is due."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.facts import Payer
from billing.models import Charge, RefundBoard, WindowPayment, WindowRefund
from exam.kit.module import Invariant
from exam.visits.models import LineBoard, OrderLineRow, VisitBoard


def charges_follow_order(db: Session) -> Iterator[str]:
    """Every order line has its charge at its own price; a reversal only where the line was removed, and always there."""
    priced = select(OrderLineRow.id, OrderLineRow.price_fen, LineBoard.state).join(LineBoard, LineBoard.line_id == OrderLineRow.id)
    charges = {
        (row.line_id, row.sign): row.amount_fen for row in db.execute(select(Charge.line_id, Charge.sign, Charge.amount_fen))
    }
    for line_id, price_fen, state in db.execute(priced):
        if charges.get((line_id, 1)) != price_fen:
            yield f"line {line_id}: charged {charges.get((line_id, 1))}, its price is {price_fen}"
        reversed_fen = charges.get((line_id, -1))
        if (reversed_fen is not None) != (state == "removed") or (reversed_fen is not None and reversed_fen != price_fen):
            yield f"line {line_id}: is {state}, its reversal is {reversed_fen}"


def due_by_visit(db: Session) -> dict[UUID, int]:
    """What is due of every visit by the facts alone: charges less payments, and what was given back again."""
    due: dict[UUID, int] = {}
    for visit_id, amount in db.execute(
        select(Charge.visit_id, func.sum(Charge.sign * Charge.amount_fen))
        .where(Charge.payer == Payer.PERSON)
        .group_by(Charge.visit_id)
    ):
        due[visit_id] = int(amount)
    for row in db.execute(select(WindowPayment.visit_id, WindowPayment.undoes, WindowPayment.amount_fen)):
        due[row.visit_id] = due.get(row.visit_id, 0) + (row.amount_fen if row.undoes else -row.amount_fen)
    for row in db.execute(select(WindowRefund.visit_id, WindowRefund.undoes, WindowRefund.amount_fen)):
        due[row.visit_id] = due.get(row.visit_id, 0) + (-row.amount_fen if row.undoes else row.amount_fen)
    return due


def due_on_board(db: Session) -> Iterator[str]:
    """The board's amount due equals charges less payments, given back what was given back."""
    due = due_by_visit(db)
    for visit_id, shown in db.execute(select(VisitBoard.visit_id, VisitBoard.amount_due_fen)):
        if shown != due.get(visit_id, 0):
            yield f"visit {visit_id}: the board shows {shown} fen due, the facts say {due.get(visit_id, 0)}"


def refunds_on_board(db: Session) -> Iterator[str]:
    """The list of refunds holds exactly the visits whose persons are owed money, to the fen."""
    owed = {visit_id: -amount for visit_id, amount in due_by_visit(db).items() if amount < 0}
    shown = {row.visit_id: row.amount_fen for row in db.execute(select(RefundBoard.visit_id, RefundBoard.amount_fen))}
    for visit_id in sorted(owed.keys() | shown.keys()):
        if owed.get(visit_id) != shown.get(visit_id):
            yield f"visit {visit_id}: the refund list says {shown.get(visit_id)} fen, the facts say {owed.get(visit_id)}"


def nobody_gets_back_more_than_was_paid(db: Session) -> Iterator[str]:
    """Of no visit was more given back at the window than was paid there."""
    left: dict[UUID, int] = {}
    for row in db.execute(select(WindowPayment.visit_id, WindowPayment.undoes, WindowPayment.amount_fen)):
        left[row.visit_id] = left.get(row.visit_id, 0) + (-row.amount_fen if row.undoes else row.amount_fen)
    for row in db.execute(select(WindowRefund.visit_id, WindowRefund.undoes, WindowRefund.amount_fen)):
        left[row.visit_id] = left.get(row.visit_id, 0) + (row.amount_fen if row.undoes else -row.amount_fen)
    for visit_id, amount in left.items():
        if amount < 0:
            yield f"visit {visit_id}: {-amount} fen more were given back than paid"


INVARIANTS = (
    Invariant("charges follow the order", charges_follow_order),
    Invariant("the board shows what is due", due_on_board),
    Invariant("the refund list shows who is owed money", refunds_on_board),
    Invariant("nobody gets back more than was paid", nobody_gets_back_more_than_was_paid),
)

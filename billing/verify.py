"""What must hold of all money so far: every line is charged once, reversals match, and the board shows what is due.

Everything is read in spans of visits: the memory stays bounded however many visits there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.facts import Payer
from billing.models import Charge, RefundBoard, WindowPayment, WindowRefund
from exam.kit.module import Invariant
from exam.visits.models import LineBoard, OrderLineRow, VisitBoard
from exam.visits.spans import Span, visit_spans


def charges_follow_order(db: Session) -> Iterator[str]:
    """Every order line has its charge at its own price; a reversal only where the line was removed, and always there."""
    for span in visit_spans(db):
        yield from _lines_are_charged(db, span)


def _lines_are_charged(db: Session, span: Span) -> Iterator[str]:
    is_here = span.holds(OrderLineRow.visit_id)
    priced = select(OrderLineRow.id, OrderLineRow.price_fen, LineBoard.state).join(LineBoard, LineBoard.line_id == OrderLineRow.id)
    # By line, not by visit: a charge counts for its line even where it names another visit.
    charged = select(Charge.line_id, Charge.sign, Charge.amount_fen).join(OrderLineRow, OrderLineRow.id == Charge.line_id)
    charges = {(row.line_id, row.sign): row.amount_fen for row in db.execute(charged.where(is_here))}
    for line_id, price_fen, state in db.execute(priced.where(is_here)):
        if charges.get((line_id, 1)) != price_fen:
            yield f"line {line_id}: charged {charges.get((line_id, 1))}, its price is {price_fen}"
        reversed_fen = charges.get((line_id, -1))
        if (reversed_fen is not None) != (state == "removed") or (reversed_fen is not None and reversed_fen != price_fen):
            yield f"line {line_id}: is {state}, its reversal is {reversed_fen}"


def _due_by_visit(db: Session, span: Span) -> dict[UUID, int]:
    """What is due of every visit of a span by the facts alone: charges less payments, and what was given back again."""
    due: dict[UUID, int] = {}
    for visit_id, amount in db.execute(
        select(Charge.visit_id, func.sum(Charge.sign * Charge.amount_fen))
        .where(Charge.payer == Payer.PERSON, span.holds(Charge.visit_id))
        .group_by(Charge.visit_id)
    ):
        due[visit_id] = int(amount)
    for visit_id, amount in _kept_by_visit(db, span).items():
        due[visit_id] = due.get(visit_id, 0) - amount
    return due


def _kept_by_visit(db: Session, span: Span) -> dict[UUID, int]:
    """What the window took for each visit of a span less what it gave back."""
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
    Invariant("the board shows what is due", due_on_board),
    Invariant("the refund list shows who is owed money", refunds_on_board),
    Invariant("nobody gets back more than was paid", nobody_gets_back_more_than_was_paid),
)

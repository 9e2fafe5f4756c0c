"""What must hold of receipts and discounts: each is its transaction, nothing goes back twice, and two people are two people."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from billing.discount_models import DiscountDecision, DiscountRequest
from billing.models import Charge, DiscountRow, LedgerTransaction, LedgerTransfer
from billing.receipt_models import DrawerRow, ReceiptLineRow, ReceiptPartRow, ReceiptRow
from exam.kit.module import Invariant

_SIGNED = ReceiptRow.sign * ReceiptRow.total_fen


def receipts_are_their_transactions(db: Session) -> Iterator[str]:
    """A receipt's parts add up to its total, and are the moves of its transaction, in its drawer (M2, M3)."""
    parts = (
        select(ReceiptPartRow.receipt_id, func.sum(ReceiptPartRow.amount_fen).label("fen"))
        .group_by(ReceiptPartRow.receipt_id)
        .subquery()
    )
    moves = (
        select(LedgerTransfer.transaction_id, func.sum(LedgerTransfer.amount_fen).label("fen"))
        .group_by(LedgerTransfer.transaction_id)
        .subquery()
    )
    rows = db.execute(
        select(
            ReceiptRow.receipt_no, ReceiptRow.total_fen, ReceiptRow.drawer_id, parts.c.fen.label("parts"), moves.c.fen.label("moved"),
            LedgerTransaction.drawer_id.label("booked_in"), LedgerTransaction.about, ReceiptRow.id,
        )
        .join(LedgerTransaction, LedgerTransaction.id == ReceiptRow.transaction_id)
        .outerjoin(parts, parts.c.receipt_id == ReceiptRow.id)
        .outerjoin(moves, moves.c.transaction_id == ReceiptRow.transaction_id)
    )  # fmt: skip
    for row in rows:
        if not row.total_fen == row.parts == row.moved:
            yield f"receipt {row.receipt_no}: says {row.total_fen} fen, its parts {row.parts}, its transaction {row.moved}"
        if row.drawer_id != row.booked_in or row.about != row.id:
            yield f"receipt {row.receipt_no}: its transaction is in another drawer or about something else"


def no_part_goes_back_twice(db: Session) -> Iterator[str]:
    """Of no part went more back than came in (M4), and by the way it came."""
    back, receipt, undoing = aliased(ReceiptPartRow), aliased(ReceiptRow), aliased(ReceiptRow)
    rows = db.execute(
        select(ReceiptPartRow.id, ReceiptPartRow.amount_fen, func.sum(back.amount_fen).label("back"))
        .join(back, back.part_of == ReceiptPartRow.id)
        .join(receipt, receipt.id == back.receipt_id)
        .where(~select(undoing.id).where(undoing.voids == receipt.id).exists())
        .group_by(ReceiptPartRow.id, ReceiptPartRow.amount_fen)
        .having(func.sum(back.amount_fen) > ReceiptPartRow.amount_fen)
    )
    for part_id, amount, given in rows:
        yield f"receipt part {part_id}: {given} fen went back of {amount}"
    other = select(back.id).join(ReceiptPartRow, ReceiptPartRow.id == back.part_of)
    for part_id in db.scalars(other.where((back.method != ReceiptPartRow.method) | (back.card_id != ReceiptPartRow.card_id))):
        yield f"receipt part {part_id}: goes back another way than it came"


def lines_add_up(db: Session) -> Iterator[str]:
    """The lines of a visit's receipt add up to it; of no line more was given back than paid, or paid than ever charged (M4)."""
    lines = (
        select(ReceiptLineRow.receipt_id, func.sum(ReceiptLineRow.amount_fen).label("fen"))
        .group_by(ReceiptLineRow.receipt_id)
        .subquery()
    )
    rows = db.execute(
        select(ReceiptRow.receipt_no, _SIGNED.label("total"), func.coalesce(lines.c.fen, 0).label("lines"))
        .outerjoin(lines, lines.c.receipt_id == ReceiptRow.id)
        .where(ReceiptRow.target_kind == "visit", func.coalesce(lines.c.fen, 0) != _SIGNED)
    )
    for row in rows:
        yield f"receipt {row.receipt_no}: changes {row.total} fen, its lines {row.lines}"
    charged = (
        select(Charge.line_id, func.sum(Charge.amount_fen).label("fen"))
        .where(Charge.sign == 1, Charge.payer == "person")
        .group_by(Charge.line_id)
        .subquery()
    )
    paid = (
        select(
            ReceiptLineRow.line_id,
            func.sum(ReceiptLineRow.amount_fen).label("paid"),
            func.coalesce(charged.c.fen, 0).label("charged"),
        )
        .outerjoin(charged, charged.c.line_id == ReceiptLineRow.line_id)
        .group_by(ReceiptLineRow.line_id, charged.c.fen)
    )
    for line_id, fen, most in db.execute(paid):
        if not 0 <= fen <= most:
            yield f"line {line_id}: {fen} fen stand paid of {most} ever charged"


def closed_drawers_stay_closed(db: Session) -> Iterator[str]:
    """Nothing is booked in a drawer after it was closed (M6)."""
    late = (
        select(ReceiptRow.receipt_no)
        .join(DrawerRow, DrawerRow.id == ReceiptRow.drawer_id)
        .where(ReceiptRow.at > DrawerRow.closed_at)
    )
    for receipt_no in db.scalars(late):
        yield f"receipt {receipt_no}: was booked in a drawer that was closed"


def two_people_are_two(db: Session) -> Iterator[str]:
    """What needed a second person has one, another than who asked, and stands by that decision."""
    approved: dict[UUID | None, UUID | None] = {}
    rows = db.execute(
        select(
            DiscountRequest.actor_id, DiscountDecision.actor_id, DiscountDecision.discount_id, DiscountDecision.is_approved
        ).join(DiscountDecision, DiscountDecision.request_id == DiscountRequest.id)
    )
    for asked_by, decided_by, discount_id, is_approved in rows:
        if asked_by == decided_by:
            yield f"discount {discount_id}: was decided by who asked for it"
        if is_approved:
            approved[discount_id] = decided_by
    given = select(DiscountRow.id, DiscountRow.kind, DiscountRow.approved_by).where(DiscountRow.undoes.is_(None))
    for row in db.execute(given):
        if row.approved_by is not None and approved.get(row.id) != row.approved_by:
            yield f"discount {row.id}: names somebody who did not approve it"
        if row.kind == "waiver" and row.approved_by is None:
            yield f"waiver {row.id}: nobody approved it"


INVARIANTS = (
    Invariant("receipts are their transactions", receipts_are_their_transactions),
    Invariant("no part of a receipt goes back twice", no_part_goes_back_twice),
    Invariant("what receipts paid adds up line by line", lines_add_up),
    Invariant("closed drawers stay closed", closed_drawers_stay_closed),
    Invariant("a second person is another person", two_people_are_two),
)

"""Receipts: the one way by which money comes in, goes back and is taken back. Who may and how much is the caller's to check.

A receipt is one transaction of the ledger with a move for each way to pay, booked in a drawer. Nothing is changed afterwards: money
goes back by a refund's own receipt, and a mistake of the same day is voided by another that reverses its transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from billing import drawers, gateway_held, gateway_service, ledger, receipt_rules
from billing.booking_days import open_day
from billing.facts import Account, AccountKind, Move
from billing.receipt_facts import (
    BookedPart,
    LineAmount,
    Part,
    Receipt,
    ReceiptGivenBack,
    ReceiptKind,
    ReceiptTaken,
    Return,
    Target,
)
from billing.receipt_models import ReceiptLineRow, ReceiptPartRow, ReceiptPrint, ReceiptRow
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.series import next_number

__all__ = ["Part", "Receipt", "Return", "Target"]  # callers find the words of this interface here


def take(
    db: Session, target: Target, credit: Account, parts: Sequence[Part], *, visit_id: UUID | None = None, kind: str = "payment",
    lines: Sequence[LineAmount] = (), reissues: UUID | None = None, cashier_id: UUID | None = None,
) -> Receipt:  # fmt: skip
    """Takes money by any number of ways for `target` and credits `credit`; returns the receipt. `kind` names the transaction.

    The caller holds what it is for and has checked that so much may be paid. A card is debited under its balance and refused when
    it does not hold enough. `cashier_id` names whose drawer it is where the actor is not a cashier (a gateway's answer).
    """
    receipt_rules.require_parts(parts)
    if reissues is not None:
        _require_reissuable(db, reissues, target)
    moves = tuple(Move(_account(part.method, part.card_id), credit, part.amount_fen) for part in parts)
    drawer_id = drawers.drawer_of(db, cashier_id)
    receipt_id = house_of(db).ids.new()
    transaction_id = ledger.post(
        db,
        ledger.Posting(kind=kind, moves=moves, site=actor_of(db).site, visit_id=visit_id, about=receipt_id, drawer_id=drawer_id),
    )
    booked = tuple(
        BookedPart(
            id=house_of(db).ids.new(), method=part.method, amount_fen=part.amount_fen, reference=part.reference.strip(),
            card_id=part.card_id, gateway_order_id=part.gateway_order_id, tendered_fen=part.tendered_fen,
        )
        for part in parts
    )  # fmt: skip
    receipt = _write(
        db, receipt_id, ReceiptKind.PAYMENT, target, booked, lines, _next_no(db), transaction_id, drawer_id,
        visit_id=visit_id, reissues=reissues, cashier_id=cashier_id,
    )  # fmt: skip
    audit.note(db, "billing.receipt", subject=f"receipt:{receipt.receipt_no}")
    announce(db, ReceiptTaken(receipt.id, receipt.site, target, receipt.total_fen))
    return receipt


def give_back(
    db: Session, receipt_id: UUID, returns: Sequence[Return], reason: str, *, kind: str = "refund", lines: Sequence[LineAmount] = (),
    approved_by: UUID | None = None,
) -> Receipt:  # fmt: skip
    """Gives money of a receipt back, each amount the way it came (红冲); booked today, in the actor's drawer. Returns the refund's receipt.

    The caller holds what the receipt was for. Parts that came through a gateway are asked back from it, unless the caller has done so
    (`Return.reference` is that refund's id). Refuses more than came in by a way less what went back by it.
    """
    reason = require_reason(reason, "退费")
    before = get(db, receipt_id)
    wanted = receipt_rules.require_returns(before, is_voided(db, receipt_id), returned_of(db, receipt_id), returns)
    returns = [_asked_back(db, part, each, reason) for part, each in zip(wanted, returns, strict=True)]
    credit = ledger.moves_of(db, before.transaction_id)[0].credit
    moves = tuple(Move(credit, _way_back(part), each.amount_fen) for part, each in zip(wanted, returns, strict=True))
    drawer_id = drawers.drawer_of(db)
    refund_id = house_of(db).ids.new()
    transaction_id = ledger.post(
        db,
        ledger.Posting(
            kind=kind, moves=moves, site=actor_of(db).site, visit_id=before.visit_id, about=refund_id, drawer_id=drawer_id
        ),
    )  # fmt: skip
    booked = tuple(
        BookedPart(
            id=house_of(db).ids.new(), method=part.method, amount_fen=each.amount_fen, reference=each.reference.strip(),
            card_id=part.card_id, gateway_order_id=part.gateway_order_id, part_of=part.id,
        )
        for part, each in zip(wanted, returns, strict=True)
    )  # fmt: skip
    refund = _write(
        db, refund_id, ReceiptKind.REFUND, before.target, booked, lines, _next_no(db), transaction_id, drawer_id,
        visit_id=before.visit_id, refund_of=receipt_id, reason=reason, approved_by=approved_by, sign=-1,
    )  # fmt: skip
    audit.note(db, "billing.receipt_refund", subject=f"receipt:{refund.receipt_no}", reason=reason)
    announce(db, ReceiptGivenBack(refund.id, receipt_id, refund.site, refund.target, refund.total_fen, False))
    return refund


def void(db: Session, receipt_id: UUID, reason: str, *, kind: str = "receipt_void", lines: Sequence[LineAmount] = ()) -> Receipt:
    """Takes a receipt of today back before its drawer is closed, as if it had not been, in the same drawer.

    The caller holds what it was for, and says for a visit which lines are paid less. Another cashier's receipt is voided only by
    somebody who may approve.
    """
    reason = require_reason(reason, "作废")
    before = get(db, receipt_id)
    require_voidable(db, before)
    void_id = house_of(db).ids.new()
    transaction_id = ledger.reverse(db, before.transaction_id, kind, drawer_id=before.drawer_id, about=void_id)
    booked = tuple(
        BookedPart(
            id=house_of(db).ids.new(), method=part.method, amount_fen=part.amount_fen, reference=part.reference, card_id=part.card_id,
            part_of=part.id,
        )
        for part in before.parts
    )  # fmt: skip
    done = _write(
        db, void_id, ReceiptKind.VOID, before.target, booked, lines, f"{before.receipt_no}V", transaction_id, before.drawer_id,
        visit_id=before.visit_id, voids=receipt_id, reason=reason, sign=-1,
    )  # fmt: skip
    audit.note(db, "billing.receipt_void", subject=f"receipt:{before.receipt_no}", reason=reason)
    announce(db, ReceiptGivenBack(done.id, receipt_id, done.site, done.target, done.total_fen, True))
    return done


def require_voidable(db: Session, before: Receipt) -> None:
    """Refuses to void what `void` would refuse, and holds the drawer of what it would not."""
    drawers.require_open(db, before.drawer_id)
    receipt_rules.require_voidable(
        before, is_voided(db, before.id), sum(returned_of(db, before.id).values()), day_of(house_of(db).clock.now())
    )
    actor = actor_of(db)
    if before.cashier_id != actor.staff_id and not actor.may("billing.approve"):
        raise Refused("billing.not_own_receipt", "只能作废本人开具的收据", "请由开具人作废,或由收费主管办理")


def undo_refund(db: Session, refund_id: UUID, reason: str, *, kind: str = "refund_failed") -> Receipt:
    """A refund that another system did not pay out after all: the money is ours again and owed again, booked today.

    The caller holds what it was for. Refuses one that was undone already.
    """
    before = get(db, refund_id)
    if before.kind is not ReceiptKind.REFUND or is_voided(db, refund_id):
        raise Refused("billing.no_such_refund", "没有可撤销的退费", "请刷新页面查看")
    drawer_id = drawers.drawer_of(db, before.cashier_id)
    undo_id = house_of(db).ids.new()
    transaction_id = ledger.reverse(db, before.transaction_id, kind, drawer_id=drawer_id, about=undo_id)
    booked = tuple(
        BookedPart(
            id=house_of(db).ids.new(), method=part.method, amount_fen=part.amount_fen, reference=part.reference, card_id=part.card_id,
            gateway_order_id=part.gateway_order_id, part_of=part.id,
        )
        for part in before.parts
    )  # fmt: skip
    lines = [LineAmount(each.line_id, -each.amount_fen) for each in before.lines]
    done = _write(
        db, undo_id, ReceiptKind.VOID, before.target, booked, lines, f"{before.receipt_no}V", transaction_id, drawer_id,
        visit_id=before.visit_id, voids=refund_id, reason=reason, cashier_id=before.cashier_id,
    )  # fmt: skip
    audit.note(db, "billing.refund_failed", subject=f"receipt:{before.receipt_no}", reason=reason)
    return done


def note_print(db: Session, receipt_id: UUID, paper: str) -> int:
    """Counts one print of a receipt; returns which one it is, beginning at 1."""
    row = {"id": house_of(db).ids.new(), "receipt_id": receipt_id, "paper": paper, "at": house_of(db).clock.now()}
    insert_rows(db, ReceiptPrint, [row | {"actor_id": actor_of(db).staff_id}])
    return db.scalar(select(func.count()).select_from(ReceiptPrint).where(ReceiptPrint.receipt_id == receipt_id)) or 1


def require_reason(reason: str, action: str) -> str:
    """The reason without blanks around it; refuses none, and one of more than 200 characters."""
    if not reason.strip() or len(reason) > 200:
        raise Refused("billing.reason_missing", f"{action}必须填写原因(不超过 200 字)", "请选择或填写原因", "reason")
    return reason.strip()


# --- reading ---------------------------------------------------------------------------------------------------------


def get(db: Session, receipt_id: UUID) -> Receipt:
    """One receipt of the actor's own site."""
    found = _receipts(db, ReceiptRow.id == receipt_id, ReceiptRow.site == actor_of(db).site)
    if not found:
        raise NotFound("没有找到该收据", "请核对收据号后重新查询")
    return found[0]


def of_visit(db: Session, visit_id: UUID) -> list[Receipt]:
    """A visit's receipts, the oldest first; three statements."""
    return _receipts(db, ReceiptRow.visit_id == visit_id)


def of_target(db: Session, target: Target) -> list[Receipt]:
    """What was taken and given back for one thing, the oldest first; three statements."""
    return _receipts(db, ReceiptRow.target_kind == target.kind, ReceiptRow.target_id == target.id)


def of_ids(db: Session, receipt_ids: Sequence[UUID]) -> list[Receipt]:
    """These receipts, the oldest first; three statements."""
    return _receipts(db, ReceiptRow.id.in_(receipt_ids)) if receipt_ids else []


def is_voided(db: Session, receipt_id: UUID) -> bool:
    """Whether a receipt was voided."""
    return db.scalar(select(ReceiptRow.id).where(ReceiptRow.voids == receipt_id)) is not None


def returned_of(db: Session, receipt_id: UUID) -> dict[UUID, int]:
    """What went back of each part of a receipt by refunds that stand, in fen; parts of which nothing did are not in it."""
    return returned_of_all(db, [receipt_id]).get(receipt_id, {})


def returned_of_all(db: Session, receipt_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, int]]:
    """As `returned_of`, for many receipts in one statement; those of which nothing went back are not in it."""
    undoing = aliased(ReceiptRow)
    rows = db.execute(
        select(ReceiptRow.refund_of, ReceiptPartRow.part_of, func.sum(ReceiptPartRow.amount_fen))
        .join(ReceiptPartRow, ReceiptPartRow.receipt_id == ReceiptRow.id)
        .where(ReceiptRow.refund_of.in_(receipt_ids), ~select(undoing.id).where(undoing.voids == ReceiptRow.id).exists())
        .group_by(ReceiptRow.refund_of, ReceiptPartRow.part_of)
    )
    found: dict[UUID, dict[UUID, int]] = {}
    for of, part_id, amount in rows:
        if of is not None and part_id is not None:
            found.setdefault(of, {})[part_id] = int(amount)
    return found


def paid_of_lines(db: Session, visit_id: UUID) -> dict[UUID, int]:
    """What receipts paid of each line of a visit less what they gave back, in fen; one statement."""
    rows = db.execute(
        select(ReceiptLineRow.line_id, func.sum(ReceiptLineRow.amount_fen))
        .join(ReceiptRow, ReceiptRow.id == ReceiptLineRow.receipt_id)
        .where(ReceiptRow.visit_id == visit_id)
        .group_by(ReceiptLineRow.line_id)
    )
    return {line_id: int(amount) for line_id, amount in rows}


def _receipts(db: Session, *conditions: Any) -> list[Receipt]:
    rows = db.scalars(select(ReceiptRow).where(*conditions).order_by(ReceiptRow.id)).all()
    ids = [row.id for row in rows]
    parts: dict[UUID, list[BookedPart]] = {}
    lines: dict[UUID, list[LineAmount]] = {}
    if ids:
        for part in db.execute(
            select(ReceiptPartRow.__table__).where(ReceiptPartRow.receipt_id.in_(ids)).order_by(ReceiptPartRow.id)
        ):
            parts.setdefault(part.receipt_id, []).append(
                BookedPart(
                    id=part.id, method=AccountKind(part.method), amount_fen=part.amount_fen, reference=part.reference,
                    card_id=part.card_id, gateway_order_id=part.gateway_order_id, tendered_fen=part.tendered_fen, part_of=part.part_of,
                )
            )  # fmt: skip
        for line in db.execute(
            select(ReceiptLineRow.__table__).where(ReceiptLineRow.receipt_id.in_(ids)).order_by(ReceiptLineRow.id)
        ):
            lines.setdefault(line.receipt_id, []).append(LineAmount(line.line_id, line.amount_fen))
    return [
        Receipt(
            id=row.id, receipt_no=row.receipt_no, site=row.site, kind=ReceiptKind(row.kind), sign=row.sign,
            target=Target(row.target_kind, row.target_id),  # type: ignore[arg-type]
            visit_id=row.visit_id, total_fen=row.total_fen, drawer_id=row.drawer_id, cashier_id=row.cashier_id,
            transaction_id=row.transaction_id, at=row.at, booked_on=row.booked_on, parts=tuple(parts.get(row.id, ())),
            lines=tuple(lines.get(row.id, ())), voids=row.voids, reissues=row.reissues, refund_of=row.refund_of, reason=row.reason,
            approved_by=row.approved_by,
        )
        for row in rows
    ]  # fmt: skip


# --- writing ---------------------------------------------------------------------------------------------------------


def _account(method: AccountKind, card_id: UUID | None) -> Account:
    return Account(method) if card_id is None else Account(method, card_id)


def _asked_back(db: Session, part: BookedPart, wanted: Return, reason: str) -> Return:
    """What came through a gateway is asked back from it in this transaction, where the caller has not done so."""
    if part.gateway_order_id is None or wanted.reference:
        return wanted
    refund_id = gateway_service.request_refund(db, part.gateway_order_id, wanted.amount_fen, reason)
    return Return(wanted.part_id, wanted.amount_fen, str(refund_id))


def _way_back(part: BookedPart) -> Account:
    """Where money of a part goes. What came through a gateway is held until the gateway says that it has given it back (M5)."""
    return _account(part.method, part.card_id) if part.gateway_order_id is None else gateway_held.account(part.gateway_order_id)


def _next_no(db: Session) -> str:
    """`R`, the site, the device that gave it, and eight digits that count on."""
    site, device = actor_of(db).site, house_of(db).device
    return f"R{site}{device}{next_number(db, f'receipt:{site}:{device}'):08d}"


def _require_reissuable(db: Session, receipt_id: UUID, target: Target) -> None:
    before = get(db, receipt_id)
    if before.target != target or not is_voided(db, receipt_id):
        raise Refused("billing.not_reissuable", "只有已作废的收据可以重开", "请先作废原收据")
    if db.scalar(select(ReceiptRow.id).where(ReceiptRow.reissues == receipt_id)) is not None:
        raise Refused("billing.reissued_already", f"收据 {before.receipt_no} 已经重开", "请刷新页面查看新收据")


def _write(
    db: Session, receipt_id: UUID, kind: ReceiptKind, target: Target, parts: Sequence[BookedPart], lines: Iterable[LineAmount],
    receipt_no: str, transaction_id: UUID, drawer_id: UUID, *, visit_id: UUID | None, voids: UUID | None = None,
    reissues: UUID | None = None, refund_of: UUID | None = None, reason: str = "", approved_by: UUID | None = None,
    cashier_id: UUID | None = None, sign: int = 1,
) -> Receipt:  # fmt: skip
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    receipt = Receipt(
        id=receipt_id, receipt_no=receipt_no, site=actor.site, kind=kind, sign=sign, target=target, visit_id=visit_id,
        total_fen=sum(part.amount_fen for part in parts), drawer_id=drawer_id, cashier_id=cashier_id or actor.staff_id,
        transaction_id=transaction_id, at=now, booked_on=open_day(db, actor.site, drawer_id), parts=tuple(parts), lines=tuple(lines), voids=voids,
        reissues=reissues, refund_of=refund_of, reason=reason, approved_by=approved_by,
    )  # fmt: skip
    row = {
        "id": receipt.id, "receipt_no": receipt_no, "site": receipt.site, "kind": kind.value, "sign": sign, "target_kind": target.kind,
        "target_id": target.id, "visit_id": visit_id, "total_fen": receipt.total_fen, "drawer_id": drawer_id,
        "cashier_id": receipt.cashier_id, "transaction_id": transaction_id, "voids": voids, "reissues": reissues, "refund_of": refund_of,
        "reason": reason, "approved_by": approved_by, "at": now, "booked_on": receipt.booked_on,
    }  # fmt: skip
    insert_rows(db, ReceiptRow, [row])
    insert_rows(
        db, ReceiptPartRow,
        [{"id": part.id, "receipt_id": receipt_id, "method": part.method.value, "amount_fen": part.amount_fen, "reference": part.reference,
          "card_id": part.card_id, "gateway_order_id": part.gateway_order_id, "tendered_fen": part.tendered_fen,
          "part_of": part.part_of} for part in parts],
    )  # fmt: skip
    insert_rows(
        db, ReceiptLineRow,
        [{"id": house.ids.new(), "receipt_id": receipt_id, "line_id": each.line_id, "amount_fen": each.amount_fen}
         for each in receipt.lines],
    )  # fmt: skip
    return receipt

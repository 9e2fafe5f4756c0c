"""Billing: charges follow the order, a payment at the window settles them, and the board learns what is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.orm import Session

from billing import rules
from billing.facts import LINE_PAYER, Account, Balance, Payer, Payment, PaymentTaken, Refund, RefundDue, RefundGiven
from billing.models import Charge, RefundBoard, WindowPayment, WindowRefund
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import OrderChanged, OrderLine
from exam.visits.models import VisitBoard


def on_order_changed(db: Session, event: OrderChanged) -> None:
    """Charges what was added and reverses what was taken off, in the same transaction."""
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    lines = {line.id: line for line in orders.lines(db, event.visit_id)}
    charged = {
        row.line_id: row for row in db.execute(
            select(Charge.line_id, Charge.payer, Charge.amount_fen).where(Charge.visit_id == event.visit_id, Charge.sign == 1)
        )
    }  # fmt: skip
    rows = [
        {"id": house.ids.new(), "visit_id": event.visit_id, "line_id": line_id, "payer": payer_of(db, lines[line_id]).value,
         "sign": 1, "amount_fen": lines[line_id].price_fen, "at": now, "actor_id": actor.staff_id}
        for line_id in event.added
    ] + [
        {"id": house.ids.new(), "visit_id": event.visit_id, "line_id": line_id, "payer": charged[line_id].payer, "sign": -1,
         "amount_fen": charged[line_id].amount_fen, "at": now, "actor_id": actor.staff_id}
        for line_id in event.removed if line_id in charged
    ]  # fmt: skip
    insert_rows(db, Charge, rows)
    _show_due(db, event.visit_id, event.site)


def payer_of(db: Session, line: OrderLine) -> Payer:
    """Who pays a line: the first filling of LINE_PAYER that has a say, otherwise the person."""
    for filling in house_of(db).modules.fillings(LINE_PAYER):
        payer = filling(db, line)
        if payer is not None:
            return payer
    return Payer.PERSON


def balance(db: Session, visit_id: UUID) -> Balance:
    """A visit's balance, derived from its charges, payments and refunds; two statements."""
    taken, given = (
        select(literal(is_refund).label("is_refund"), model.undoes, model.amount_fen).where(model.visit_id == visit_id)
        for is_refund, model in ((False, WindowPayment), (True, WindowRefund))
    )
    moves = [(each.is_refund, each.undoes is not None, each.amount_fen) for each in db.execute(union_all(taken, given))]
    return rules.balance(
        visit_id, _charges(db, visit_id), [(is_undoing, amount) for is_refund, is_undoing, amount in moves if not is_refund],
        [(is_undoing, amount) for is_refund, is_undoing, amount in moves if is_refund],
    )  # fmt: skip


def _charges(db: Session, visit_id: UUID) -> list[tuple[str, int, int]]:
    charges = db.execute(select(Charge.payer, Charge.sign, Charge.amount_fen).where(Charge.visit_id == visit_id))
    return [(each.payer, each.sign, each.amount_fen) for each in charges]


def account(db: Session, visit_id: UUID) -> Account:
    """A visit's balance with every payment and refund; three statements."""
    taken, given = payments(db, visit_id), refunds(db, visit_id)
    balance = rules.balance(
        visit_id, _charges(db, visit_id), [(False, each.amount_fen) for each in taken if not each.is_undone],
        [(False, each.amount_fen) for each in given if not each.is_undone],
    )  # fmt: skip
    return Account(balance, tuple(taken), tuple(given))


def amount_due(db: Session, visit_id: UUID) -> int:
    """What the person still has to pay, in fen; negative where money is owed to them."""
    return balance(db, visit_id).due_fen


def _show_due(db: Session, visit_id: UUID, site: str) -> None:
    """Tells the board what is due, and the list of refunds whether money is owed."""
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


def require_paid(db: Session, visit_id: UUID) -> None:
    """Refuses a visit of which the person still owes something."""
    from exam.kit.money import yuan

    due = amount_due(db, visit_id)
    if due > 0:
        raise Refused("billing.unpaid", f"尚有 {yuan(due)} 元未缴费,不能报到", "请在收费窗口缴费,并登记收据号后再报到")


def pay_at_window(db: Session, visit_id: UUID, amount_fen: int, receipt_no: str) -> UUID:
    """Records that the person paid at the hospital's window; the receipt number is the window's."""
    house, actor = house_of(db), actor_of(db)
    visit = visits.get_row(db, visit_id, lock=True)
    rules.require_payment(amount_fen, amount_due(db, visit_id), receipt_no)
    payment_id = house.ids.new()
    _add_at_window(db, WindowPayment, visit_id, payment_id, amount_fen, receipt_no.strip(), None, "")
    _show_due(db, visit_id, visit.site)
    audit.note(db, "billing.pay_at_window", subject=f"visit:{visit.visit_no}")
    announce(db, PaymentTaken(visit_id, actor.site, amount_fen))
    return payment_id


def undo_payment(db: Session, visit_id: UUID, payment_id: UUID, reason: str) -> None:
    """Takes a recorded payment back, with a reason, before check-in and before any of it was given back."""
    visit = visits.get_row(db, visit_id, lock=True)
    _require_reason(reason, "撤销收款")
    found = next((each for each in payments(db, visit_id) if each.id == payment_id), None)
    if found is None or found.is_undone:
        raise NotFound("没有找到可撤销的收款", "请刷新页面后重试")
    if visits.card(db, visit_id).checked_in_at is not None:
        raise Refused("billing.checked_in", "已报到,不能撤销收款", "请先取消报到,或办理退费")
    rules.require_undoable(found.amount_fen, balance(db, visit_id).paid_fen)
    _add_at_window(db, WindowPayment, visit_id, house_of(db).ids.new(), found.amount_fen, found.receipt_no, payment_id, reason.strip())
    _show_due(db, visit_id, visit.site)
    audit.note(db, "billing.undo_payment", subject=f"visit:{visit.visit_no}", reason=reason)
    announce(db, PaymentTaken(visit_id, visit.site, found.amount_fen, undone=True))


def _require_reason(reason: str, action: str) -> None:
    if not reason.strip() or len(reason) > 200:
        raise Refused("billing.reason_missing", f"{action}必须填写原因(不超过 200 字)", "请选择或填写原因", "reason")


def _add_at_window(
    db: Session, model: type[WindowPayment | WindowRefund], visit_id: UUID, fact_id: UUID, amount_fen: int, receipt_no: str,
    undoes: UUID | None, reason: str,
) -> None:  # fmt: skip
    house, actor = house_of(db), actor_of(db)
    insert_rows(
        db,
        model,
        [{"id": fact_id, "visit_id": visit_id, "amount_fen": amount_fen, "receipt_no": receipt_no, "undoes": undoes,
          "reason": reason, "at": house.clock.now(), "actor_id": actor.staff_id}],
    )  # fmt: skip


def payments(db: Session, visit_id: UUID) -> list[Payment]:
    """The payments of a visit, the undone ones marked."""
    rows = db.execute(select(WindowPayment.__table__).where(WindowPayment.visit_id == visit_id).order_by(WindowPayment.id)).all()
    return [Payment(**fields) for fields in _moves(rows)]


def _moves(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of payments or refunds as the fields of their structs, each with its undoing."""
    undoing = {row.undoes: row for row in rows if row.undoes is not None}
    found = []
    for row in rows:
        if row.undoes is None:
            undone = undoing.get(row.id)
            found.append(
                {"id": row.id, "amount_fen": row.amount_fen, "receipt_no": row.receipt_no, "at": row.at, "actor_id": row.actor_id,
                 "is_undone": undone is not None, "undone_at": undone.at if undone else None,
                 "undone_by": undone.actor_id if undone else None, "undone_reason": undone.reason if undone else ""}
            )  # fmt: skip
    return found


# --- giving back -------------------------------------------------------------------------------------------------------


def refund_at_window(db: Session, visit_id: UUID, amount_fen: int, receipt_no: str, *, may_differ: bool = False) -> UUID:
    """Records that the hospital's window gave the person money back: what is owed, or with `may_differ` any part of what was paid.

    What was given back beyond what is owed is due again.
    """
    visit = visits.get_row(db, visit_id, lock=True)
    rules.require_refund(amount_fen, balance(db, visit_id), receipt_no, may_differ=may_differ)
    refund_id = house_of(db).ids.new()
    _add_at_window(db, WindowRefund, visit_id, refund_id, amount_fen, receipt_no.strip(), None, "")
    _show_due(db, visit_id, visit.site)
    audit.note(db, "billing.refund_at_window", subject=f"visit:{visit.visit_no}")
    announce(db, RefundGiven(visit_id, visit.site, amount_fen))
    return refund_id


def undo_refund(db: Session, visit_id: UUID, refund_id: UUID, reason: str) -> None:
    """Takes the record of a refund back, with a reason: the money is owed again."""
    visit = visits.get_row(db, visit_id, lock=True)
    _require_reason(reason, "撤销退费登记")
    found = next((each for each in refunds(db, visit_id) if each.id == refund_id), None)
    if found is None or found.is_undone:
        raise NotFound("没有找到可撤销的退费登记", "请刷新页面后重试")
    _add_at_window(db, WindowRefund, visit_id, house_of(db).ids.new(), found.amount_fen, found.receipt_no, refund_id, reason.strip())
    _show_due(db, visit_id, visit.site)
    audit.note(db, "billing.undo_refund", subject=f"visit:{visit.visit_no}", reason=reason)
    announce(db, RefundGiven(visit_id, visit.site, found.amount_fen, undone=True))


def refunds(db: Session, visit_id: UUID) -> list[Refund]:
    """The refunds of a visit, the undone ones marked."""
    rows = db.execute(select(WindowRefund.__table__).where(WindowRefund.visit_id == visit_id).order_by(WindowRefund.id)).all()
    return [Refund(**fields) for fields in _moves(rows)]


def refunds_due_count(db: Session) -> int:
    """Of how many visits of the actor's site the persons are owed money; one statement."""
    return db.scalar(select(func.count()).select_from(RefundBoard).where(RefundBoard.site == actor_of(db).site)) or 0


def refunds_due(db: Session, limit: int, offset: int = 0) -> Sequence[RefundDue]:
    """Visits of the actor's site whose persons are owed money, the latest exam day first; one statement."""
    rows = db.execute(
        select(RefundBoard.visit_id, RefundBoard.amount_fen)
        .join(VisitBoard, VisitBoard.visit_id == RefundBoard.visit_id)
        .where(RefundBoard.site == actor_of(db).site)
        .order_by(VisitBoard.exam_on.desc(), RefundBoard.visit_id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [RefundDue(row.visit_id, row.amount_fen) for row in rows]

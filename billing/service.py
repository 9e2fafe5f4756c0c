"""Billing's front door: charges follow the order, a payment at the window settles them, and the board learns what is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.orm import Session

from billing import charging, ledger, rules
from billing.balances import amount_due, balance, show_due
from billing.facts import (
    Account,
    AccountKind,
    Move,
    Payment,
    PaymentTaken,
    Refund,
    RefundDue,
    RefundGiven,
    VisitAccount,
)
from billing.models import RefundBoard, WindowPayment, WindowRefund
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.visits import service as visits
from exam.visits.facts import OrderChanged
from exam.visits.models import Visit, VisitBoard

__all__ = ["amount_due", "balance"]  # what a visit owes is asked here, and worked out beside


def on_order_changed(db: Session, event: OrderChanged) -> None:
    """Charges what was added and reverses what was taken off, in the same transaction."""
    visit = visits.get_row(db, event.visit_id)
    if charging.replan(db, visit, "order"):
        show_due(db, event.visit_id, event.site)


def reprice(db: Session, visit_id: UUID, kind: str) -> bool:
    """Prices a visit anew after its terms or discounts changed (`kind` says what); whether anything did."""
    visit = visits.get_row(db, visit_id, lock=True)
    is_changed = charging.replan(db, visit, kind)
    if is_changed:
        show_due(db, visit_id, visit.site)
    return is_changed


def account(db: Session, visit_id: UUID) -> VisitAccount:
    """A visit's balance with every payment and refund at the window; two statements."""
    rows = _at_window(db, visit_id)
    taken = tuple(Payment(**fields) for fields in _moves(rows, WindowPayment.__tablename__))
    given = tuple(Refund(**fields) for fields in _moves(rows, WindowRefund.__tablename__))
    return VisitAccount(balance(db, visit_id), taken, given)


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
    _add_at_window(db, WindowPayment, visit, payment_id, amount_fen, receipt_no.strip(), None, "")
    show_due(db, visit_id, visit.site)
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
    rules.require_undoable(found.amount_fen, min(balance(db, visit_id).paid_fen, _kept_at_window(db, visit_id)))
    _add_at_window(db, WindowPayment, visit, house_of(db).ids.new(), found.amount_fen, found.receipt_no, payment_id, reason.strip())
    show_due(db, visit_id, visit.site)
    audit.note(db, "billing.undo_payment", subject=f"visit:{visit.visit_no}", reason=reason)
    announce(db, PaymentTaken(visit_id, visit.site, found.amount_fen, undone=True))


def _require_reason(reason: str, action: str) -> None:
    if not reason.strip() or len(reason) > 200:
        raise Refused("billing.reason_missing", f"{action}必须填写原因(不超过 200 字)", "请选择或填写原因", "reason")


def _add_at_window(
    db: Session, model: type[WindowPayment | WindowRefund], visit: Visit, fact_id: UUID, amount_fen: int, receipt_no: str,
    undoes: UUID | None, reason: str,
) -> None:  # fmt: skip
    """The record of what the window did or did not do after all, and its transaction in the ledger."""
    house, actor = house_of(db), actor_of(db)
    person, window = Account(AccountKind.PERSON, visit.id), Account(AccountKind.WINDOW)
    is_coming_in = (model is WindowPayment) == (undoes is None)
    move = Move(window, person, amount_fen) if is_coming_in else Move(person, window, amount_fen)
    kind = ("window_payment" if model is WindowPayment else "window_refund") + ("" if undoes is None else "_undone")
    ledger.post(db, ledger.Posting(kind=kind, moves=(move,), site=visit.site, visit_id=visit.id, about=fact_id))
    insert_rows(
        db,
        model,
        [{"id": fact_id, "visit_id": visit.id, "amount_fen": amount_fen, "receipt_no": receipt_no, "undoes": undoes,
          "reason": reason, "at": house.clock.now(), "actor_id": actor.staff_id}],
    )  # fmt: skip


def payments(db: Session, visit_id: UUID) -> list[Payment]:
    """The payments of a visit, the undone ones marked."""
    return [Payment(**fields) for fields in _moves(_at_window(db, visit_id), WindowPayment.__tablename__)]


def _at_window(db: Session, visit_id: UUID) -> Sequence[Any]:
    """What was recorded of the window for a visit, payments and refunds with the names of their tables; one statement."""
    parts = (
        select(literal(model.__tablename__).label("kind"), *model.__table__.columns).where(model.visit_id == visit_id)
        for model in (WindowPayment, WindowRefund)
    )
    both = union_all(*parts).subquery()
    return db.execute(select(both).order_by(both.c.id)).all()


def _moves(rows: Sequence[Any], kind: str) -> list[dict[str, Any]]:
    """Rows of payments or refunds (by the name of their table) as the fields of their structs, each with its undoing."""
    undoing = {row.undoes: row for row in rows if row.undoes is not None}
    found = []
    for row in rows:
        if row.kind == kind and row.undoes is None:
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
    rules.require_refund(amount_fen, balance(db, visit_id), _kept_at_window(db, visit_id), receipt_no, may_differ=may_differ)
    refund_id = house_of(db).ids.new()
    _add_at_window(db, WindowRefund, visit, refund_id, amount_fen, receipt_no.strip(), None, "")
    show_due(db, visit_id, visit.site)
    audit.note(db, "billing.refund_at_window", subject=f"visit:{visit.visit_no}")
    announce(db, RefundGiven(visit_id, visit.site, amount_fen))
    return refund_id


def _kept_at_window(db: Session, visit_id: UUID) -> int:
    """What the window took for a visit less what it gave back by its own records; receipts' money is not its to give."""
    rows = _at_window(db, visit_id)
    taken = sum(each["amount_fen"] for each in _moves(rows, WindowPayment.__tablename__) if not each["is_undone"])
    return int(taken - sum(each["amount_fen"] for each in _moves(rows, WindowRefund.__tablename__) if not each["is_undone"]))


def undo_refund(db: Session, visit_id: UUID, refund_id: UUID, reason: str) -> None:
    """Takes the record of a refund back, with a reason: the money is owed again."""
    visit = visits.get_row(db, visit_id, lock=True)
    _require_reason(reason, "撤销退费登记")
    found = next((each for each in refunds(db, visit_id) if each.id == refund_id), None)
    if found is None or found.is_undone:
        raise NotFound("没有找到可撤销的退费登记", "请刷新页面后重试")
    _add_at_window(db, WindowRefund, visit, house_of(db).ids.new(), found.amount_fen, found.receipt_no, refund_id, reason.strip())
    show_due(db, visit_id, visit.site)
    audit.note(db, "billing.undo_refund", subject=f"visit:{visit.visit_no}", reason=reason)
    announce(db, RefundGiven(visit_id, visit.site, found.amount_fen, undone=True))


def refunds(db: Session, visit_id: UUID) -> list[Refund]:
    """The refunds of a visit, the undone ones marked."""
    return [Refund(**fields) for fields in _moves(_at_window(db, visit_id), WindowRefund.__tablename__)]


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

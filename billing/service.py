"""Billing: charges follow the order, a payment at the window settles them, and the board learns what is due."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import rules
from billing.facts import LINE_PAYER, Balance, Payer, Payment, PaymentTaken
from billing.models import Charge, WindowPayment
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import OrderChanged, OrderLine


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
    visits.set_amount_due(db, event.visit_id, amount_due(db, event.visit_id))


def payer_of(db: Session, line: OrderLine) -> Payer:
    """Who pays a line: the first filling of LINE_PAYER that has a say, otherwise the person."""
    for filling in house_of(db).modules.fillings(LINE_PAYER):
        payer = filling(db, line)
        if payer is not None:
            return payer
    return Payer.PERSON


def balance(db: Session, visit_id: UUID) -> Balance:
    """A visit's balance, derived from its charges and payments."""
    charges = db.execute(select(Charge.payer, Charge.sign, Charge.amount_fen).where(Charge.visit_id == visit_id))
    payments = db.execute(select(WindowPayment.undoes, WindowPayment.amount_fen).where(WindowPayment.visit_id == visit_id))
    return rules.balance(
        visit_id, [(each.payer, each.sign, each.amount_fen) for each in charges],
        [(each.undoes is not None, each.amount_fen) for each in payments],
    )  # fmt: skip


def amount_due(db: Session, visit_id: UUID) -> int:
    """What the person still has to pay, in fen."""
    return balance(db, visit_id).due_fen


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
    _add_payment(db, visit_id, payment_id, amount_fen, receipt_no.strip(), None, "")
    visits.set_amount_due(db, visit_id, amount_due(db, visit_id))
    audit.note(db, "billing.pay_at_window", subject=f"visit:{visit.visit_no}")
    announce(db, PaymentTaken(visit_id, actor.site, amount_fen))
    return payment_id


def undo_payment(db: Session, visit_id: UUID, payment_id: UUID, reason: str) -> None:
    """Takes a recorded payment back, with a reason, before check-in."""
    visit = visits.get_row(db, visit_id, lock=True)
    if not reason.strip():
        raise Refused("billing.reason_missing", "撤销收款必须填写原因", "请填写撤销原因", "reason")
    found = next((each for each in payments(db, visit_id) if each.id == payment_id), None)
    if found is None or found.is_undone:
        raise NotFound("没有找到可撤销的收款", "请刷新页面后重试")
    if visits.card(db, visit_id).checked_in_at is not None:
        raise Refused("billing.checked_in", "已报到,不能撤销收款", "请先取消报到,或办理退费")
    _add_payment(db, visit_id, house_of(db).ids.new(), found.amount_fen, found.receipt_no, payment_id, reason)
    visits.set_amount_due(db, visit_id, amount_due(db, visit_id))
    audit.note(db, "billing.undo_payment", subject=f"visit:{visit.visit_no}", reason=reason)
    announce(db, PaymentTaken(visit_id, visit.site, found.amount_fen, undone=True))


def _add_payment(
    db: Session, visit_id: UUID, payment_id: UUID, amount_fen: int, receipt_no: str, undoes: UUID | None, reason: str
) -> None:
    house, actor = house_of(db), actor_of(db)
    insert_rows(
        db,
        WindowPayment,
        [{"id": payment_id, "visit_id": visit_id, "amount_fen": amount_fen, "receipt_no": receipt_no, "undoes": undoes,
          "reason": reason, "at": house.clock.now(), "actor_id": actor.staff_id}],
    )  # fmt: skip


def payments(db: Session, visit_id: UUID) -> list[Payment]:
    """The payments of a visit, the undone ones marked."""
    rows = db.execute(select(WindowPayment.__table__).where(WindowPayment.visit_id == visit_id).order_by(WindowPayment.id)).all()
    undone = {row.undoes for row in rows if row.undoes is not None}
    return [
        Payment(
            id=row.id,
            amount_fen=row.amount_fen,
            receipt_no=row.receipt_no,
            at=row.at,
            is_undone=row.id in undone,
            actor_id=row.actor_id,
        )
        for row in rows
        if row.undoes is None
    ]

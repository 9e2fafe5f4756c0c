"""Callbacks of gateways, checked by their adapters: stored before they are acknowledged, counted once, and never believed alone."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import gateway_rules as rules
from billing.gateway_models import GatewayNotice, GatewayOrderRow, GatewayRefundRow
from billing.gateway_service import (
    NotBooked,
    add_fact,
    apply_refund,
    apply_trade,
    gateway_actor,
    hold,
    keep_unbooked,
    tell,
    watch,
)
from billing.ports import CallbackRefused, Method, Notice, RefundWord
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.house import House, house_of


class UnheardOrder(Exception):
    """A good callback about an order that is not here (yet): the gateway is to send it again."""


def receive_notice(house: House, notice: Notice) -> bool:
    """Takes a checked callback: stored before this returns, counted once. False when it was known.

    Raises UnheardOrder when there is no such order yet, and CallbackRefused for an amount or currency that is not the order's: then
    the gateway is asked. Where the money cannot be booked at this moment, the callback is kept and the worker tries again.
    """
    actor = gateway_actor(house.site, notice.method)
    try:
        with house.unit(actor) as db:
            return _receive(db, notice, is_booked=True)
    except CallbackRefused:
        with house.unit(actor) as db:
            row = _order_of(db, notice)
            audit.note(db, "billing.gateway_callback", subject=f"order:{row.order_no}", reason="mismatch", result="refused")
            if row.state in rules.OPEN:
                watch(db, row.id, notice.method, house.clock.now())
        raise
    except NotBooked:
        with house.unit(actor) as db:
            return _receive(db, notice, is_booked=False)


def _order_of(db: Session, notice: Notice) -> GatewayOrderRow:
    if not rules.may_be_order_no(notice.order_no):
        raise UnheardOrder
    row = hold(db, GatewayOrderRow.order_no == notice.order_no, GatewayOrderRow.method == notice.method.value)
    if row is None:
        raise UnheardOrder
    db.info["actor"] = gateway_actor(row.site, notice.method)
    return row


def _receive(db: Session, notice: Notice, *, is_booked: bool) -> bool:
    house = house_of(db)
    rules.require_readable(notice)
    row = _order_of(db, notice)
    same_event = (GatewayNotice.method == notice.method.value, GatewayNotice.event_id == notice.event_id)
    known = db.scalar(select(GatewayNotice.order_id).where(*same_event))
    if known is not None:
        if known != row.id:
            raise CallbackRefused("reused")
        return False
    trade, word = notice.trade, notice.refund
    if trade is not None and trade.state == "paid" and (problem := rules.mismatch(trade, row.amount_fen)):
        raise CallbackRefused(problem)
    audit.note(db, "billing.gateway_callback", subject=f"order:{row.order_no}")
    told = trade or word
    assert told is not None  # an adapter gives one of the two
    stored = {
        "id": house.ids.new(), "method": notice.method.value, "event_id": notice.event_id, "order_id": row.id, "refund_no": notice.refund_no,
        "state": told.state, "amount_fen": told.amount_fen, "trade_no": rules.clean_code(trade.trade_no if trade else ""),
        "at": house.clock.now(),
    }  # fmt: skip
    insert_rows(db, GatewayNotice, [stored])
    if word is not None:
        _receive_refund(db, row, notice.refund_no, word)
    else:
        add_fact(db, row.id, "payment_notice", told.state)
        if not is_booked:
            keep_unbooked(db, row)
        elif trade is not None:
            apply_trade(db, row, trade)
    return True


def _receive_refund(db: Session, row: GatewayOrderRow, refund_no: str, word: RefundWord) -> None:
    """A refund's callback may come before the payment's own: then it proves nothing of the payment, and the gateway is asked."""
    wanted = select(GatewayRefundRow).where(GatewayRefundRow.refund_no == refund_no, GatewayRefundRow.order_id == row.id)
    refund = db.scalar(wanted.with_for_update())
    if refund is None:
        add_fact(db, row.id, "refund_notice", "unasked_refund", rules.clean_code(refund_no))
        tell(db, "网关通知了一笔本系统没有发起的退款,请到对账页核实", f"/payments/orders/{row.id}")
    else:
        add_fact(db, row.id, "refund_notice", word.state, refund_id=refund.id)
        apply_refund(db, row, refund, word)
    if row.state in rules.OPEN:
        watch(db, row.id, Method(row.method), house_of(db).clock.now())

"""The worker's part: hands orders and refunds to the gateways, asks about whatever is not settled, and closes what nobody paid.

The row itself is what is to be done, so whatever ends this process loses nothing. No unit of work is open while a gateway is spoken to.
Before it is spoken to, the order is `unknown` on disk, and from there only an answer or a checked callback moves it.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from billing import gateway_rules as rules
from billing import gateway_service as service
from billing.gateway_facts import OrderState, RefundState
from billing.gateway_models import GatewayOrderRow, GatewayRefundRow, GatewayWatch
from billing.ports import (
    PAYMENT_GATEWAYS,
    Declined,
    GatewayProblem,
    Method,
    NotTaken,
    PaymentGateway,
    PaymentWanted,
    RefundWanted,
    RefundWord,
    Trade,
    Unclear,
)
from exam.kit import audit
from exam.kit.errors import trace_of
from exam.kit.house import House, system_actor
from exam.kit.prepared import PreparedStatement

log = logging.getLogger("billing.gateways")

MOST_IN_ROUND = 100
AT_ONCE = 4
"""So many conversations at a time: one slow gateway must not keep the other desks' customers waiting."""

_UNREACHABLE = ("unreachable", "not_authorised", "busy")


class Due(msgspec.Struct, frozen=True):
    """One order or refund whose time has come, and how often it was asked about."""

    id: UUID
    is_refund: bool
    method: Method
    asks: int


def work_in_background(house: House) -> None:
    """A round in a thread of its own: a slow gateway must not keep the worker from its other tasks."""
    before = house.cache.get("billing.gateway_round")
    if before is not None and before.is_alive():
        return
    if not _due(house, 1):
        return
    thread = threading.Thread(target=_round, args=(house,), name="gateways", daemon=True)
    house.cache["billing.gateway_round"] = thread
    thread.start()


def _round(house: House) -> None:
    try:
        while work_due(house):
            pass
    except Exception as error:
        log.error("gateways: round failed\n%s", trace_of(error))


def work_due(house: House, at_once: int = AT_ONCE) -> int:
    """One round over whatever is due. Returns how many it dealt with; a gateway that cannot be reached ends its part of the round."""
    due = _due(house, MOST_IN_ROUND)
    silent: set[Method] = set()
    if at_once == 1 or len(due) < 2:
        return sum(_attend(house, each, silent) for each in due)
    with ThreadPoolExecutor(at_once, "gateways") as pool:
        return sum(pool.map(lambda each: _attend(house, each, silent), due))


def _due(house: House, most: int) -> list[Due]:
    """What is due, of the gateways that are set up: orders of one that was switched off must not stand before the others."""
    usable = service.offered(house)
    with house.unit(None, write=False) as db:
        wanted = (
            select(GatewayWatch)
            .where(GatewayWatch.due_at <= house.clock.now(), GatewayWatch.method.in_(usable))
            .order_by(GatewayWatch.due_at)
            .limit(most)
        )
        return [Due(row.id, row.is_refund, Method(row.method), row.asks) for row in db.scalars(wanted)]


def _attend(house: House, due: Due, silent: set[Method]) -> bool:
    """Deals with one; False when its gateway is silent in this round, or somebody else has it."""
    gateway = house.modules.provided(PAYMENT_GATEWAYS)[due.method]
    if due.method in silent or not _claim(house, due):
        return False
    try:
        if due.is_refund:
            _attend_refund(house, gateway, due)
        else:
            _attend_order(house, gateway, due)
    except GatewayProblem as problem:
        if problem.reason in _UNREACHABLE:
            silent.add(due.method)
    except StaleDataError:  # a callback or a colleague was quicker
        pass
    except service.NotBooked:
        _keep_unbooked(house, due)
    except Exception as error:  # one that cannot be read or stored must not keep those behind it waiting
        log.error("order or refund %s was not dealt with\n%s", due.id, trace_of(error))
    return True


_MOVE = PreparedStatement(
    update(GatewayWatch)
    .where(
        GatewayWatch.id == bindparam("of_id"), GatewayWatch.asks == bindparam("asks_before"), GatewayWatch.due_at <= bindparam("due_before")
    )
    .values(asks=bindparam("asks_after"), due_at=bindparam("due_after"))
)  # fmt: skip


def _claim(house: House, due: Due) -> bool:
    """Of several workers one takes it. It comes again after the lease if that worker dies, else when the next question is due."""
    now = house.clock.now()
    with house.unit(None) as db:
        lease = max(rules.next_question(now, due.asks), now + rules.LEASE)
        return _MOVE.run(db, of_id=due.id, asks_before=due.asks, asks_after=due.asks + 1, due_before=now, due_after=lease) == 1


def _again(db: Session, house: House, due: Due) -> None:
    """The conversation is over before its lease: the next one is when the customer's patience says."""
    next_at, asks = rules.next_question(house.clock.now(), due.asks), due.asks + 1
    _MOVE.run(db, of_id=due.id, asks_before=asks, asks_after=asks, due_before=datetime.max.replace(tzinfo=UTC), due_after=next_at)


def _let_rest(house: House, due: Due) -> None:
    with house.unit(None) as db:
        _again(db, house, due)


def _keep_unbooked(house: House, due: Due) -> None:
    with house.unit(system_actor(house.site)) as db:
        row = _locked(db, due.id)
        if row is not None:
            audit.note(db, "billing.gateway_settle", subject=f"order:{row.order_no}", result="not_booked")
            service.keep_unbooked(db, row)


def _locked(db: Session, order_id: UUID) -> GatewayOrderRow | None:
    row = service.hold(db, GatewayOrderRow.id == order_id)
    if row is not None:
        db.info["actor"] = system_actor(row.site)
    return row


_STANDING = PreparedStatement(
    select(GatewayOrderRow.order_no, GatewayOrderRow.state, GatewayOrderRow.is_charge).where(
        GatewayOrderRow.id == bindparam("of_order")
    )
)


# --- orders ----------------------------------------------------------------------------------------------------------


def _attend_order(house: House, gateway: PaymentGateway, due: Due) -> None:
    with house.unit(None, write=False) as db:
        row = _STANDING.first(db, of_order=due.id)
    if row is None or row.state not in rules.OPEN:
        with house.unit(None) as db:
            db.execute(delete(GatewayWatch).where(GatewayWatch.id == due.id))
    elif row.state == OrderState.CREATED:
        _submit(house, gateway, due)
    else:
        _question(house, gateway, due, row.order_no, row.is_charge)


def _submit(house: House, gateway: PaymentGateway, due: Due) -> None:
    taken = _take(house, due)
    if taken is None:
        return
    wanted, auth_code = taken
    try:
        told: Trade | str = gateway.charge(house, wanted, auth_code) if auth_code else gateway.ask(house, wanted)
    except NotTaken as problem:
        _record_problem(house, due, "not_taken", problem.reason)
        raise
    except Declined as problem:
        _record_problem(house, due, "decline", problem.reason)
    except Unclear as problem:
        _record_problem(house, due, "no_answer", problem.reason)
    else:
        _record_answer(house, due, told)


def _take(house: House, due: Due) -> tuple[PaymentWanted, str] | None:
    """Puts on disk that the order is about to be handed over. None when it must not be any more."""
    with house.unit(system_actor(house.site)) as db:
        row = _locked(db, due.id)
        if row is None or row.state != OrderState.CREATED:
            return None
        now = house.clock.now()
        audit.note(db, "billing.gateway_submit", subject=f"order:{row.order_no}")
        if rules.is_too_late_to_hand_over(now, row.opened_at, row.expires_at, row.is_charge):
            service.move(db, row, "expire", "too_late" if row.is_charge else "expired")
            return None
        service.move(db, row, "submit", "no_answer")
        auth_code = house.cipher.open(row.auth_code, f"billing_gateway_order.auth_code:{row.id}")
        return PaymentWanted(row.order_no, row.amount_fen, row.title, row.expires_at), auth_code


def _record_problem(house: House, due: Due, kind: str, reason: str) -> None:
    with house.unit(system_actor(house.site)) as db:
        row = _locked(db, due.id)
        if row is None:
            return
        why = rules.clean_code(reason)
        audit.note(db, "billing.gateway_submit", subject=f"order:{row.order_no}", result=kind)
        if kind == "no_answer" or not rules.ORDER.may(row.state, kind):  # a callback or the cashier was quicker
            service.add_fact(db, row.id, "no_answer", why)
        else:
            service.move(db, row, kind, why)
        _again(db, house, due)


def _record_answer(house: House, due: Due, told: Trade | str) -> None:
    with house.unit(system_actor(house.site)) as db:
        row = _locked(db, due.id)
        if row is None:
            return
        audit.note(db, "billing.gateway_submit", subject=f"order:{row.order_no}")
        if isinstance(told, Trade):
            service.apply_trade(db, row, told)
        elif row.state == OrderState.UNKNOWN:
            row.code = told
            service.move(db, row, "take")
        _again(db, house, due)


def _question(house: House, gateway: PaymentGateway, due: Due, order_no: str, is_charge: bool) -> None:
    """Asks; what is over its time or not wanted any more is closed, and asked about once more: only an answer ends it."""
    try:
        must_close = _settle(house, due, gateway.query(house, order_no))
        if must_close:
            with suppress(Declined):  # it is paid or closed already: the question tells which
                gateway.close(house, order_no, was_charged=is_charge)
            _settle(house, due, gateway.query(house, order_no), is_over=True)
    except BaseException:
        _let_rest(house, due)
        raise


def _settle(house: House, due: Due, trade: Trade, *, is_over: bool = False) -> bool:
    """Puts an answer down. True when the order is to be closed at the gateway, which keeps its lease unless the conversation `is_over`."""
    with house.unit(system_actor(house.site)) as db:
        row = _locked(db, due.id)
        if row is None or row.state not in rules.OPEN:
            _again(db, house, due)
            return False
        before = row.state
        service.apply_trade(db, row, trade)
        now = house.clock.now()
        if row.state in (OrderState.UNKNOWN, OrderState.ASKED) and now >= row.expires_at and trade.state in ("none", "unpaid"):
            service.move(db, row, "expire", "expired")
        if row.state != before:
            audit.note(db, "billing.gateway_settle", subject=f"order:{row.order_no}", result=row.state)
        if is_over or row.state != OrderState.CLOSING:
            _again(db, house, due)
        return row.state == OrderState.CLOSING


# --- refunds ---------------------------------------------------------------------------------------------------------


def _attend_refund(house: House, gateway: PaymentGateway, due: Due) -> None:
    taken = _take_refund(house, due)
    if taken is None:
        return
    wanted, is_new = taken
    try:
        word = gateway.refund(house, wanted) if is_new else gateway.query_refund(house, wanted.order_no, wanted.refund_no)
    except NotTaken as problem:
        if is_new:
            _record_refund(house, due, "not_taken", problem.reason)
        raise
    except Declined as problem:
        if is_new:
            _record_refund(house, due, "decline", problem.reason)
    except Unclear as problem:
        if is_new:
            _record_refund(house, due, "no_answer", problem.reason)
    else:
        _record_refund(house, due, "", "", word)
    finally:
        _let_rest(house, due)


def _take_refund(house: House, due: Due) -> tuple[RefundWanted, bool] | None:
    """What is to be given back, and whether it is handed over (True) or only asked about."""
    with house.unit(system_actor(house.site)) as db:
        refund = db.get(GatewayRefundRow, due.id)
        row = _locked(db, refund.order_id) if refund is not None else None
        if refund is None or row is None:
            return None
        db.refresh(refund)  # the order's row is held only now
        wanted = RefundWanted(row.order_no, refund.refund_no, refund.amount_fen, row.paid_fen, refund.reason)
        if refund.state == RefundState.REQUESTED:
            audit.note(db, "billing.gateway_refund", subject=f"order:{row.order_no}")
            service.move_refund(db, row, refund, "submit", "no_answer")
            return wanted, True
        return (wanted, False) if refund.state in rules.REFUND_OPEN else None


def _record_refund(house: House, due: Due, kind: str, reason: str, word: RefundWord | None = None) -> None:
    with house.unit(system_actor(house.site)) as db:
        order_id = db.scalars(select(GatewayRefundRow.order_id).where(GatewayRefundRow.id == due.id)).one()
        row = _locked(db, order_id)
        assert row is not None
        refund = db.scalars(select(GatewayRefundRow).where(GatewayRefundRow.id == due.id)).one()
        before = (refund.state, refund.why)
        if word is not None:
            service.apply_refund(db, row, refund, word)
        elif kind == "no_answer" or not rules.REFUND.may(refund.state, kind):
            service.add_fact(db, row.id, "no_answer", rules.clean_code(reason), refund_id=refund.id)
        else:
            service.move_refund(db, row, refund, kind, rules.clean_code(reason))
        if (refund.state, refund.why) != before or kind:
            audit.note(db, "billing.gateway_refund", subject=f"order:{row.order_no}", result=refund.state)

"""Payments through a gateway: put one down, cancel it, give money back, and settle it by what the gateway said.

Nothing here speaks to a gateway. What is to be asked is a row in the caller's transaction; `gateway_reconciler` does the asking after
the commit. Money is told of once, in the transaction that makes the order paid (`GatewayPaid`): whoever it is for makes the receipt
there, and what nobody books goes back by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from billing import gateway_held as held
from billing import gateway_rules as rules
from billing.gateway_facts import (
    METHOD_NAMES,
    REASONS,
    GatewayOrder,
    GatewayOrderEnded,
    GatewayPaid,
    GatewayRefund,
    GatewayRefunded,
    OpenedOrder,
    OrderState,
    RefundState,
)
from billing.gateway_models import GatewayFact, GatewayOrderRow, GatewayRefundRow, GatewayWatch
from billing.ports import PAYMENT_GATEWAYS, Method, RefundWord, Trade
from billing.receipt_models import ReceiptPartRow
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import Actor, House, actor_of, house_of
from exam.messages import notices
from exam.visits.models import Visit

ENDED = (OrderState.CLOSED, OrderState.DECLINED)


def offered(house: House) -> tuple[Method, ...]:
    """The ways to pay that are set up here; the others are not offered."""
    gateways = house.modules.provided(PAYMENT_GATEWAYS)
    return tuple(method for method, gateway in gateways.items() if not gateway.problem(house))


def gateway_actor(site: str, method: Method) -> Actor:
    """A gateway, as who its callbacks and answers are written down for."""
    return Actor(staff_id=None, login=str(method), name=METHOD_NAMES[method], site=site, kind="system")


# --- what the desk does ----------------------------------------------------------------------------------------------


def open_order(
    db: Session, method: Method, target: str, amount_fen: int, *, auth_code: str = "", life: timedelta = rules.LIFE
) -> OpenedOrder:
    """Puts a payment down in the caller's transaction; it goes to the gateway after the commit.

    `target` is what is paid for, in the caller's words (`visit:<id>`, at most 80 characters). With `auth_code` the customer's own
    code is charged, otherwise the customer scans ours. Refuses a way that is not set up, and a second order while one is open.
    """
    house, actor = house_of(db), actor_of(db)
    rules.require_amount(amount_fen)
    gateway = house.modules.provided(PAYMENT_GATEWAYS).get(method)
    problem = gateway.problem(house) if gateway is not None else "not_connected"
    if problem:
        name = METHOD_NAMES[method]
        raise Refused(
            f"billing.gateway_{problem}", f"{name}不可用:{REASONS[problem]}", "请改用其他收款方式,或请系统管理员配置", "method"
        )
    sealed = rules.require_auth_code(auth_code) if auth_code else ""
    if live_order(db, target) is not None:
        raise Refused("billing.order_open", "已有一笔扫码付款正在等待", "请先完成或取消那一笔,再重新收款")
    now, order_id = house.clock.now(), house.ids.new()
    number = rules.order_no(actor.site, day_of(now), house.random.token_bytes(8))
    row = {
        "id": order_id, "order_no": number, "site": actor.site, "method": method.value, "target": target[:80],
        "amount_fen": amount_fen, "title": f"{rules.TITLE} {number[-6:]}", "is_charge": bool(auth_code), "code": "",
        "auth_code": house.cipher.seal(sealed, f"billing_gateway_order.auth_code:{order_id}"), "state": OrderState.CREATED.value,
        "why": "", "is_unbooked": False, "trade_no": "", "paid_fen": 0, "returned_fen": 0, "opened_at": now,
        "opened_by": actor.staff_id, "expires_at": now + life, "changed_at": now, "paid_at": None, "ver": 1,
    }  # fmt: skip
    insert_rows(db, GatewayOrderRow, [row])
    add_fact(db, order_id, "open")
    watch(db, order_id, method, now)
    return OpenedOrder(order_id, number)


def cancel_order(db: Session, order_id: UUID) -> None:
    """The cashier waits for it no more. Money that comes all the same goes back by itself."""
    row = get_row(db, order_id, lock=True)
    if row.state == OrderState.CLOSING and row.why == "cancelled":
        return
    move(db, row, "cancel", "cancelled", "取消")
    if row.state in rules.OPEN:
        watch(db, row.id, Method(row.method), house_of(db).clock.now())


def request_refund(db: Session, order_id: UUID, amount_fen: int, reason: str) -> UUID:
    """Puts money down to go back to where it came from; `GatewayRefunded` tells later whether it did.

    The caller has put it on the account of what is held for the order (`receipts.give_back` does). Refuses more than was paid less every
    refund that did not fail. The order's row is held, so two cashiers cannot give it back twice.
    """
    row = get_row(db, order_id, lock=True)
    return _add_refund(db, row, amount_fen, reason, is_automatic=False)


def return_rest(db: Session, order_id: UUID) -> UUID:
    """Gives back what is held of an order and not on its way: money that nobody wanted, or whose refund failed. Refuses where nothing is."""
    row = get_row(db, order_id, lock=True)
    rest_fen = to_return(db, row)
    if rest_fen <= 0:
        raise Refused("billing.not_to_return", "该笔订单不在待退回之列", "已入账的款项请在收费页按项目退费")
    return _add_refund(db, row, rest_fen, REASONS.get(row.why, "") or REASONS.get(row.state, "退款失败后重新退回"), is_automatic=True)


def to_return(db: Session, row: GatewayOrderRow) -> int:
    """What is held of an order and not on its way back, in fen."""
    if row.state not in rules.SETTLED:
        return 0
    open_fen = db.scalar(
        select(func.coalesce(func.sum(GatewayRefundRow.amount_fen), 0)).where(
            GatewayRefundRow.order_id == row.id, GatewayRefundRow.state.in_(rules.REFUND_OPEN)
        )
    )
    return held.held(db, row.id) - int(open_fen or 0)


def ask_again(db: Session, order_id: UUID) -> None:
    """Has the gateway asked at once, about the order and its refunds."""
    row = get_row(db, order_id, lock=True)
    now = house_of(db).clock.now()
    refunds = list(db.scalars(select(GatewayRefundRow).where(GatewayRefundRow.order_id == row.id)))
    waiting = [each for each in refunds if each.state in rules.REFUND_OPEN]
    if row.state not in rules.OPEN and not waiting:
        raise Refused("billing.nothing_to_ask", "该笔订单已有结果,无需再次查询", "请查看下方的经过")
    add_fact(db, row.id, "ask_again")
    if row.state in rules.OPEN:
        watch(db, row.id, Method(row.method), now)
    for refund in waiting:
        watch(db, refund.id, Method(row.method), now, is_refund=True)


def _add_refund(db: Session, row: GatewayOrderRow, amount_fen: int, reason: str, *, is_automatic: bool) -> UUID:
    house, actor = house_of(db), actor_of(db)
    given = db.execute(
        select(func.count(), func.coalesce(func.sum(GatewayRefundRow.amount_fen).filter(GatewayRefundRow.state != RefundState.FAILED), 0))
        .where(GatewayRefundRow.order_id == row.id)
    ).one()  # fmt: skip
    rules.require_returnable(OrderState(row.state), row.paid_fen, int(given[1]), amount_fen)
    now, refund_id = house.clock.now(), house.ids.new()
    refund = {
        "id": refund_id, "refund_no": f"{row.order_no}R{given[0] + 1}", "order_id": row.id, "amount_fen": amount_fen, "reason": reason[:80],
        "is_automatic": is_automatic, "state": RefundState.REQUESTED.value, "why": "", "reference": "", "requested_at": now,
        "requested_by": actor.staff_id, "changed_at": now, "settled_at": None, "ver": 1,
    }  # fmt: skip
    insert_rows(db, GatewayRefundRow, [refund])
    add_fact(db, row.id, "open", refund_id=refund_id)
    watch(db, refund_id, Method(row.method), now, is_refund=True)
    return refund_id


# --- what the gateway says -------------------------------------------------------------------------------------------


class NotBooked(Exception):
    """The gateway has the money, and whoever books it refused: the transaction goes back, and the order is tried again."""


def apply_trade(db: Session, row: GatewayOrderRow, trade: Trade) -> None:
    """Settles an order by what the gateway said of it. Raises NotBooked where the booking of its money was refused."""
    now = house_of(db).clock.now()
    state = OrderState(row.state)
    if trade.state == "paid":
        _take_money(db, row, trade)
    elif state not in rules.OPEN:
        return
    elif trade.state in ("closed", "returned"):
        if state == OrderState.CREATED:  # the number is used up: it is closed at the gateway before we handed it over again
            move(db, row, "expire", "expired")
        elif trade.state == "returned":
            move(db, row, "return_funds", "returned")
        else:
            move(db, row, "close", row.why if state == OrderState.CLOSING else "expired")
    elif trade.state == "failed":
        if state in (OrderState.UNKNOWN, OrderState.ASKED):
            move(db, row, "expire", rules.clean_code(trade.code) or "refused")
    elif trade.state == "unpaid" and state == OrderState.UNKNOWN:
        # The gateway has the order, but its answer with the code was lost: asking under the same number gives the same order.
        move(db, row, "take" if row.is_charge else "ask_code")
    elif trade.state == "none" and state == OrderState.UNKNOWN and not row.is_charge:
        move(db, row, "not_taken", "not_known")
    elif trade.state == "none" and state == OrderState.CLOSING and now >= row.expires_at + rules.GRACE:
        move(db, row, "close", row.why)


def _take_money(db: Session, row: GatewayOrderRow, trade: Trade) -> None:
    if row.state in rules.SETTLED:
        if trade.trade_no and trade.trade_no != row.trade_no:
            add_fact(db, row.id, "second_payment", reference=trade.trade_no)
        return
    now = house_of(db).clock.now()
    row.paid_fen, row.trade_no, row.paid_at = trade.amount_fen, rules.clean_code(trade.trade_no), trade.at or now
    row.auth_code, row.is_unbooked = b"", False
    problem = rules.mismatch(trade, row.amount_fen)
    if problem:
        move(db, row, "dispute", problem, reference=row.trade_no)
        held.keep(db, row.id, Method(row.method), row.paid_fen, row.site)
        tell(db, f"一笔{METHOD_NAMES[Method(row.method)]}到账金额与订单不符,未入账,请核实后处理", f"/payments/orders/{row.id}")
        return
    action = rules.what_payment_means(OrderState(row.state), row.why)
    move(db, row, action, "late" if action == "pay_late" else "", reference=row.trade_no)
    try:
        book(db, row)
    except Refused as refused:
        raise NotBooked from refused


def book(db: Session, row: GatewayOrderRow) -> None:
    """The money itself: told once, in the transaction that makes the order paid. What a listener refuses takes all of it back.

    Whoever the money is for makes its receipt. What nobody books, because it came too late or nothing is due any more, is kept on an
    account of its own and goes back to the customer.
    """
    announce(
        db,
        GatewayPaid(
            row.id, row.order_no, row.site, row.target, Method(row.method), row.paid_fen, row.trade_no,
            row.paid_at or row.changed_at, row.state == OrderState.LATE, row.opened_by,
        ),
    )  # fmt: skip
    if is_booked(db, row.id):
        return
    name = METHOD_NAMES[Method(row.method)]
    held.keep(db, row.id, Method(row.method), row.paid_fen, row.site)
    if row.state == OrderState.LATE:
        tell(db, f"一笔{name}在取消后到账,系统已自动发起退款", f"/payments/orders/{row.id}")
    else:
        row.why = "not_due"
        add_fact(db, row.id, "turn_back")
        tell(db, f"一笔{name}到账时应收已变化,未入账,系统已自动发起退款", f"/payments/orders/{row.id}")
    _add_refund(db, row, row.paid_fen, REASONS[row.why], is_automatic=True)


def is_booked(db: Session, order_id: UUID) -> bool:
    """Whether a receipt was made for the money of an order."""
    wanted = select(ReceiptPartRow.id).where(ReceiptPartRow.gateway_order_id == order_id, ReceiptPartRow.part_of.is_(None))
    return db.scalar(wanted) is not None


def apply_refund(db: Session, row: GatewayOrderRow, refund: GatewayRefundRow, word: RefundWord) -> None:
    """Settles a refund by what the gateway said of it. Another amount than ours is no answer: it stays unknown and is listed."""
    now = house_of(db).clock.now()
    is_too_much = row.returned_fen + refund.amount_fen > row.paid_fen
    if word.state == "success" and (word.amount_fen != refund.amount_fen or (is_too_much and refund.state != RefundState.SUCCESS)):
        refund.why = "amount"
    elif word.state == "success" and rules.REFUND.may(refund.state, "succeed"):
        refund.settled_at, row.returned_fen = word.at or now, row.returned_fen + refund.amount_fen
        held.let_go(db, row.id, refund.id, Method(row.method), refund.amount_fen, row.site)
        move_refund(db, row, refund, "succeed", "", word.reference)
    elif word.state == "failed" and rules.REFUND.may(refund.state, "fail"):
        move_refund(db, row, refund, "fail", rules.clean_code(word.code) or "refused", word.reference)
    elif word.state == "processing" and rules.REFUND.may(refund.state, "process"):
        move_refund(db, row, refund, "process", "", word.reference)
    elif word.state == "none" and refund.state == RefundState.UNKNOWN:
        move_refund(db, row, refund, "not_taken", "not_known")


# --- callbacks -------------------------------------------------------------------------------------------------------


def keep_unbooked(db: Session, row: GatewayOrderRow) -> None:
    """The money came and could not be booked: nothing moves, it is listed, and the worker tries again."""
    if not row.is_unbooked:
        row.is_unbooked = True
        add_fact(db, row.id, "not_booked")
        tell(db, "一笔扫码付款已到账但入账未完成,请到对账页核实", f"/payments/orders/{row.id}")
    watch(db, row.id, Method(row.method), rules.next_question(house_of(db).clock.now(), 9))


def tell(db: Session, text: str, link: str) -> None:
    notices.notify_holders(db, "billing.reconcile", text, link)


# --- rows and facts --------------------------------------------------------------------------------------------------


def hold(db: Session, *where: ColumnElement[bool]) -> GatewayOrderRow | None:
    """An order of whatever site, held, and before it the visit that it pays for: who takes or gives back money holds the visit first."""
    target = db.scalar(select(GatewayOrderRow.target).where(*where))
    if target is None:
        return None
    visit_id = visit_of(target)
    if visit_id is not None:
        db.execute(select(Visit.id).where(Visit.id == visit_id).with_for_update())
    return db.scalar(select(GatewayOrderRow).where(*where).with_for_update())


def visit_of(target: str) -> UUID | None:
    """The visit that an order pays for; None when it pays for something else."""
    kind, _, rest = target.partition(":")
    try:
        return UUID(rest) if kind == "visit" else None
    except ValueError:
        return None


def get_row(db: Session, order_id: UUID, *, lock: bool = False) -> GatewayOrderRow:
    """An order of the actor's site."""
    wanted = select(GatewayOrderRow).where(GatewayOrderRow.id == order_id, GatewayOrderRow.site == actor_of(db).site)
    row = db.scalar(wanted.with_for_update() if lock else wanted)
    if row is None:
        raise NotFound("没有找到该笔扫码订单", "请从对账页打开")
    return row


def move(db: Session, row: GatewayOrderRow, kind: str, why: str = "", label: str = "", *, reference: str = "") -> None:
    """Moves an order by a fact. One that is over is watched no more; one that nobody will pay is told of."""
    state = OrderState(rules.ORDER.move(row.state, kind, label or kind))
    add_fact(db, row.id, kind, why, reference)
    row.state, row.why, row.changed_at = state.value, why, house_of(db).clock.now()
    if state not in rules.OPEN:
        row.auth_code = b""
        db.execute(delete(GatewayWatch).where(GatewayWatch.id == row.id))
    if state in ENDED:
        announce(db, GatewayOrderEnded(row.id, row.order_no, row.site, row.target, state, why))


def move_refund(db: Session, row: GatewayOrderRow, refund: GatewayRefundRow, kind: str, why: str = "", reference: str = "") -> None:
    """Moves a refund by a fact, and tells how it ended."""
    state = RefundState(rules.REFUND.move(refund.state, kind))
    add_fact(db, row.id, kind, why, rules.clean_code(reference), refund.id)
    refund.state, refund.why, refund.changed_at = state.value, why, house_of(db).clock.now()
    refund.reference = rules.clean_code(reference) or refund.reference
    if state in rules.REFUND_OPEN:
        return
    db.execute(delete(GatewayWatch).where(GatewayWatch.id == refund.id))
    is_success = state == RefundState.SUCCESS
    announce(
        db,
        GatewayRefunded(
            refund.id, refund.refund_no, row.id, row.site, row.target, Method(row.method), refund.amount_fen,
            refund.settled_at or refund.changed_at, is_success, refund.is_automatic,
        ),
    )  # fmt: skip
    if not is_success:
        tell(db, f"一笔{METHOD_NAMES[Method(row.method)]}退款失败,请到对账页处理", f"/payments/orders/{row.id}")


def add_fact(db: Session, order_id: UUID, kind: str, code: str = "", reference: str = "", refund_id: UUID | None = None) -> None:
    """Writes down one thing that happened to an order or one of its refunds."""
    house, actor = house_of(db), actor_of(db)
    fact = {
        "id": house.ids.new(), "order_id": order_id, "refund_id": refund_id, "kind": kind, "code": code, "reference": reference,
        "at": house.clock.now(), "actor": actor.login,
    }  # fmt: skip
    insert_rows(db, GatewayFact, [fact])


def watch(db: Session, row_id: UUID, method: Method, due_at: datetime, *, is_refund: bool = False) -> None:
    """Has the worker look at an order or a refund at this time, and often again from then on."""
    changed = db.execute(update(GatewayWatch).where(GatewayWatch.id == row_id).values(asks=0, due_at=due_at))
    if changed.rowcount == 0:  # type: ignore[attr-defined]
        db.execute(insert(GatewayWatch).values(id=row_id, is_refund=is_refund, method=method.value, asks=0, due_at=due_at))
    db.info["has_deliveries"] = True  # the worker is woken after the commit


# --- reading ---------------------------------------------------------------------------------------------------------


def live_order(db: Session, target: str) -> GatewayOrder | None:
    """The order that a customer may pay for this at the moment; None when nobody is asked."""
    row = db.scalar(select(GatewayOrderRow).where(GatewayOrderRow.target == target, GatewayOrderRow.state.in_(rules.LIVE)))
    return order_of(row) if row else None


def order(db: Session, order_id: UUID) -> GatewayOrder:
    """One order of the actor's site, for the screen that waits for it."""
    return order_of(get_row(db, order_id))


def orders_of(db: Session, target: str) -> Sequence[GatewayOrder]:
    """Every order for this, the newest first."""
    wanted = select(GatewayOrderRow).where(GatewayOrderRow.target == target).order_by(GatewayOrderRow.id.desc())
    return [order_of(row) for row in db.scalars(wanted)]


def refunds_of(db: Session, order_id: UUID) -> Sequence[GatewayRefund]:
    """Every refund of an order, the newest first."""
    rows = db.scalars(select(GatewayRefundRow).where(GatewayRefundRow.order_id == order_id).order_by(GatewayRefundRow.id.desc()))
    return [refund_of(row) for row in rows]


def order_of(row: GatewayOrderRow) -> GatewayOrder:
    """A row as others see it."""
    fields = {name: getattr(row, name) for name in GatewayOrder.__struct_fields__ if name not in ("method", "state", "code")}
    code = row.code if row.state == OrderState.ASKED else ""
    return GatewayOrder(method=Method(row.method), state=OrderState(row.state), code=code, **fields)


def refund_of(row: GatewayRefundRow) -> GatewayRefund:
    """A row as others see it."""
    return msgspec.convert(row, GatewayRefund, from_attributes=True)

"""Payments through gateways in tests: a gateway that says what it is told to, and both real peers over sockets."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from billing import gateway_reconciler, gateway_service, receipts
from billing.facts import Account, AccountKind
from billing.gateway_facts import GatewayOrder, GatewayPaid, GatewayRefunded
from billing.gateway_models import GatewayFact, GatewayOrderRow, GatewayRefundRow, GatewayWatch
from billing.ports import PAYMENT_GATEWAYS, Method, NotTaken, RefundWord, Trade
from billing.receipt_facts import Part, Return, Target
from exam.kit.events import Event
from exam.kit.house import Actor, House
from rehearsal.payment_books import Books, Keys
from rehearsal.payment_gateways import Behaviour, Gateways, make
from tests.conftest import actor_named

AMOUNT = 12_345
TARGET = "visit:0190"


class Clock:
    """The machine's clock, moved on by a test: WeChat's library signs with the machine's own time."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC) + self.offset

    def advance(self, **step: float) -> None:
        self.offset += timedelta(**step)


class Scripted:
    """Stands where a gateway is: gives or raises its `answers` of a kind one after the other, and remembers what it was asked."""

    method = Method.WECHAT

    def __init__(self) -> None:
        self.unset = ""
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, str]] = []

    def will(self, kind: str, *answers: Any) -> None:
        self.answers.setdefault(kind, []).extend(answers)

    def _say(self, kind: str, number: str, otherwise: Any) -> Any:
        self.asked.append((kind, number))
        left = self.answers.get(kind)
        answer = left.pop(0) if left else otherwise
        if isinstance(answer, Exception):
            raise answer
        return answer

    def problem(self, house: Any) -> str:
        return self.unset

    def ask(self, house: Any, wanted: Any) -> str:
        return str(self._say("ask", wanted.order_no, "weixin://code"))

    def charge(self, house: Any, wanted: Any, auth_code: str) -> Trade:
        self.auth_code = auth_code
        return self._say("charge", wanted.order_no, Trade("unpaid"))  # type: ignore[no-any-return]

    def query(self, house: Any, order_no: str) -> Trade:
        return self._say("query", order_no, Trade("unpaid"))  # type: ignore[no-any-return]

    def close(self, house: Any, order_no: str, *, was_charged: bool) -> None:
        self._say("close", order_no, None)

    def refund(self, house: Any, wanted: Any) -> RefundWord:
        return self._say("refund", wanted.refund_no, RefundWord("processing", wanted.amount_fen))  # type: ignore[no-any-return]

    def query_refund(self, house: Any, order_no: str, refund_no: str) -> RefundWord:
        return self._say("query_refund", refund_no, RefundWord("processing"))  # type: ignore[no-any-return]

    def read_callback(self, house: Any, headers: Any, body: bytes, now: datetime) -> Any:
        raise NotImplementedError

    def statement(self, house: Any, day: Any) -> Any:
        return self._say("statement", str(day), NotTaken("not_ready"))


def paid(amount_fen: int = AMOUNT, trade_no: str = "T1", **other: Any) -> Trade:
    """The gateway says that money came."""
    return Trade("paid", amount_fen, trade_no=trade_no, **other)


@contextmanager
def through(house: House, gateway: Any) -> Iterator[Any]:
    """Puts a gateway for WeChat Pay into the port, and nothing else."""
    before = house.modules._ports[id(PAYMENT_GATEWAYS)]
    house.modules._ports[id(PAYMENT_GATEWAYS)] = {Method.WECHAT: gateway}
    try:
        yield gateway
    finally:
        house.modules._ports[id(PAYMENT_GATEWAYS)] = before


@contextmanager
def peers(house: House, folder: Path, callback: str) -> Iterator[Gateways]:
    """Both peers over sockets, and the house set up for them; callbacks come only when a test says so."""
    server, gateways = make(folder, 0, callback)
    gateways.books.clock = house.clock.now
    gateways.behaviour = Behaviour(callbacks="never")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    house.settings = msgspec.structs.replace(house.settings, payments=str(folder))
    house.cache.pop("wechat_pay", None)
    house.cache.pop("alipay", None)
    try:
        yield gateways
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def books(db: Any, event: GatewayPaid) -> None:
    """Stands for whoever an order's money is for, where a test made no visit: a receipt like any other, on an account of its own."""
    try:
        UUID(event.target.partition(":")[2])
        return
    except ValueError:
        pass
    if not event.is_late:
        part = Part(method=AccountKind(event.method.value), amount_fen=event.amount_fen, gateway_order_id=event.order_id)
        credit = Account(AccountKind.UNMATCHED, event.order_id)
        receipts.take(db, Target("transfer", event.order_id), credit, [part], cashier_id=event.cashier_id)


def give_back(house: House, order_id: UUID, amount_fen: int) -> UUID:
    """Gives money of a booked order back at the desk; returns the gateway's refund."""
    with house.unit(desk_of(house)) as db:
        [booked] = [each for each in receipts.of_target(db, Target("transfer", order_id)) if each.kind == "payment"]
        refund_id = gateway_service.request_refund(db, order_id, amount_fen, "退项")
        receipts.give_back(db, booked.id, [Return(booked.parts[0].id, amount_fen, str(refund_id))], "退项")
        return refund_id


def opened(
    house: House, method: Method = Method.WECHAT, amount_fen: int = AMOUNT, target: str = TARGET, **more: Any
) -> GatewayOrder:
    """An order that the desk put down."""
    if books not in house.modules.listeners(GatewayPaid):
        house.modules._listeners.setdefault(GatewayPaid, []).append(books)
    with house.unit(actor_named(house, "qin")) as db:
        made = gateway_service.open_order(db, method, target, amount_fen, **more)
    return order(house, made.id)


def desk_of(house: House) -> Actor:
    """Who reconciles."""
    return actor_named(house, "qin")


def order(house: House, order_id: UUID) -> GatewayOrder:
    with house.unit(desk_of(house), write=False) as db:
        return gateway_service.order(db, order_id)


def refunds(house: House, order_id: UUID) -> list[Any]:
    with house.unit(None, write=False) as db:
        return list(gateway_service.refunds_of(db, order_id))


def work(house: House, **step: float) -> int:
    """Moves on, and lets the worker do what is due, one after the other."""
    if step:
        house.clock.advance(**step)  # type: ignore[attr-defined]
    return gateway_reconciler.work_due(house, at_once=1)


def facts(house: House, order_id: UUID) -> list[str]:
    wanted = select(GatewayFact.kind).where(GatewayFact.order_id == order_id).order_by(GatewayFact.id)
    with house.unit(None, write=False) as db:
        return list(db.scalars(wanted))


def told(house: House, kind: type = GatewayPaid) -> list[Any]:
    """What was announced: each is a row of the events."""
    wanted = select(Event.body).where(Event.kind == kind.__name__).order_by(Event.id)
    with house.unit(None, write=False) as db:
        return [msgspec.json.decode(body, type=kind) for body in db.scalars(wanted)]


def told_refunds(house: House) -> list[GatewayRefunded]:
    return told(house, GatewayRefunded)


def watched(house: House) -> int:
    with house.unit(None, write=False) as db:
        return len(list(db.scalars(select(GatewayWatch.id))))


def breaches(house: House) -> list[str]:
    """What `exam verify` says of payments through gateways, and of the audit's rows."""
    names = ("gateway", "A2", "A5")
    found = [each for module in house.modules.all for each in module.invariants if any(name in each.name for name in names)]
    with house.unit(None, write=False) as db:
        return [text for each in found for text in each.check(db)]


def row_of(house: House, order_id: UUID) -> Any:
    with house.unit(None, write=False) as db:
        return db.execute(select(GatewayOrderRow.__table__).where(GatewayOrderRow.id == order_id)).one()


def refund_row(house: House, refund_id: UUID) -> Any:
    with house.unit(None, write=False) as db:
        return db.execute(select(GatewayRefundRow.__table__).where(GatewayRefundRow.id == refund_id)).one()


def signing(house: House, folder: Path) -> Books:
    """Both gateways' handwriting without their sockets: the house is set up for callbacks and reaches nobody."""
    books = Books(Keys(folder), house.clock.now)
    books.keys.write_papers("http://127.0.0.1:9", "http://127.0.0.1:9")
    house.settings = msgspec.structs.replace(house.settings, payments=str(folder))
    house.cache.pop("wechat_pay", None)
    house.cache.pop("alipay", None)
    return books


def asked_for(house: House, books: Books, method: Method, target: str = TARGET) -> GatewayOrder:
    """An order that the gateway took, and that its customer may pay; put there without asking over the wire."""
    made = opened(house, method, target=target)
    with house.unit(desk_of(house)) as db:
        row = gateway_service.get_row(db, made.id, lock=True)
        gateway_service.move(db, row, "submit")
        gateway_service.move(db, row, "take")
        gateway_service.watch(db, row.id, method, house.clock.now() + timedelta(seconds=30))
    books.ask(str(method), made.order_no, made.amount_fen, "")
    return order(house, made.id)

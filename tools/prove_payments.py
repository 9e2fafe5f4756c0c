"""Proves that each payment through a gateway is settled or listed, none double and none missing: `make prove-payments` (issue 4, section 3).

Real: the product's own service, worker, callbacks, receipts and ledger on a real SQLite database; one transaction for each step of an
order, as in production; the comparison of the statements, and what `exam verify` says of gateways at the end. Of every hundred orders,
one also goes through the real libraries over real sockets, and its callbacks are signed, encrypted and checked as in production.

Simulated: both gateways, in this process (for the sample: behind their sockets); the customers; the clock; and the cashier's desk, which
books each payment by the product's receipt on an account of its own instead of a visit's. Answers are lost after they had their effect,
callbacks come never, twice, late, in another order and with another amount, cashiers cancel, customers pay all the same, and refunds
fare no better. Orders are put down fifty in a transaction, because nothing is proved by their being put down one by one.

The work is shared between processes, each with a database and gateways of its own; the gateways' books are compared with ours at the
end, by the product's own statement and by a second count.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from billing import gateway_notices, gateway_reconciler, gateway_service, gateway_statement, receipts  # noqa: E402 - the checkout is not installed
from billing.facts import Account, AccountKind  # noqa: E402
from billing.gateway_facts import GatewayPaid, OrderState  # noqa: E402
from billing.gateway_models import GatewayOrderRow, GatewayRefundRow, GatewayWatch  # noqa: E402
from billing.gateway_verify import INVARIANTS  # noqa: E402
from billing.ports import (  # noqa: E402
    PAYMENT_GATEWAYS,
    CallbackRefused,
    Declined,
    Method,
    Notice,
    NotTaken,
    PaymentWanted,
    RefundWanted,
    RefundWord,
    StatementLine,
    Trade,
    Unclear,
)
from billing.receipt_facts import Part, Return, Target  # noqa: E402
from exam import commands, settings  # noqa: E402
from exam.kit.clock import FrozenClock, day_of  # noqa: E402
from exam.kit.events import Event  # noqa: E402
from exam.kit.house import House, system_actor  # noqa: E402
from exam.kit.random import SeededRandom  # noqa: E402
from interfaces.payment_gateways import GATEWAYS  # noqa: E402
from rehearsal.draws import chances  # noqa: E402
from rehearsal.payment_books import Books, Keys, Order, Refusal  # noqa: E402
from rehearsal.payment_gateways import Behaviour, Gateways, make  # noqa: E402

MORNING = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
BATCH = 500
REAL_EVERY = 100
AUTH_CODE = "134567890123456789"


class Fate(msgspec.Struct):
    """What becomes of an order: drawn once, so that a seed makes the same run again."""

    id: UUID
    number: str
    method: Method
    is_real: bool
    is_charge: bool
    is_cancelled: bool
    pays_in: int
    callback: str
    refund_fen: int


class InProcess:
    """A gateway's books without wire and signature; every answer may be lost, after the books took what was asked."""

    def __init__(self, method: Method, books: Books, random: SeededRandom) -> None:
        self.method, self.books, self.random = method, books, random

    def problem(self, house: Any) -> str:
        return ""

    def _through(self, act: Callable[[], Any]) -> Any:
        [luck] = chances(self.random, 1)
        if luck < 0.04:
            raise NotTaken("reset")
        try:
            said = act()
        except Refusal as refusal:
            if refusal.code == "ORDER_NOT_EXIST":
                return None
            raise (Unclear if refusal.code in ("ORDERPAID", "ORDER_CLOSED") else Declined)(refusal.code) from None
        if luck < 0.10:
            raise Unclear("no_answer")
        return said

    def ask(self, house: Any, wanted: PaymentWanted) -> str:
        self._through(lambda: self.books.ask(str(self.method), wanted.order_no, wanted.amount_fen, ""))
        return "code"

    def charge(self, house: Any, wanted: PaymentWanted, auth_code: str) -> Trade:
        def act() -> Trade:
            order = self.books.ask(str(self.method), wanted.order_no, wanted.amount_fen, "", is_charge=True)
            return _trade(self.books.pay(order.order_no) if order.state == "unpaid" else order)

        return self._through(act)  # type: ignore[no-any-return]

    def query(self, house: Any, order_no: str) -> Trade:
        found = self._through(lambda: self.books.find(str(self.method), order_no))
        return Trade("none") if found is None else _trade(found)

    def close(self, house: Any, order_no: str, *, was_charged: bool) -> None:
        self._through(lambda: self.books.close(str(self.method), order_no))

    def refund(self, house: Any, wanted: RefundWanted) -> RefundWord:
        def act() -> RefundWord:
            given = self.books.give_back(str(self.method), wanted.order_no, wanted.refund_no, wanted.amount_fen, "success")
            return RefundWord("success", given.amount_fen, given.reference, given.at)

        return self._through(act)  # type: ignore[no-any-return]

    def query_refund(self, house: Any, order_no: str, refund_no: str) -> RefundWord:
        order: Order | None = self._through(lambda: self.books.find(str(self.method), order_no))
        refund = order.refunds.get(refund_no) if order else None
        return RefundWord("success", refund.amount_fen, refund.reference, refund.at) if refund else RefundWord("none")

    def read_callback(self, house: Any, headers: Any, body: bytes, now: datetime) -> Notice:
        raise CallbackRefused("in_process")

    def statement(self, house: Any, day: Any) -> tuple[StatementLine, ...]:
        return GATEWAYS[self.method].statement(house, day)


def _trade(order: Order) -> Trade:
    if order.state != "paid":
        return Trade("unpaid" if order.state == "unpaid" else "closed")
    return Trade("paid", order.amount_fen, "CNY", order.trade_no, order.paid_at)


class Chosen:
    """The real adapter for the orders of the sample, this process for the others."""

    def __init__(self, inside: InProcess, sample: set[str]) -> None:
        self.method, self.inside, self.sample = inside.method, inside, sample

    def problem(self, house: Any) -> str:
        return GATEWAYS[self.method].problem(house)

    def __getattr__(self, name: str) -> Any:
        if name in ("read_callback", "statement"):
            return getattr(GATEWAYS[self.method], name)

        def call(house: Any, about: Any, *more: Any, **options: Any) -> Any:
            number = about if isinstance(about, str) else about.order_no
            return getattr(GATEWAYS[self.method] if number in self.sample else self.inside, name)(house, about, *more, **options)

        return call


class Run:
    """One run over one house."""

    def __init__(self, house: House, gateways: Gateways, seed: int) -> None:
        self.house, self.gateways, self.books = house, gateways, gateways.books
        self.random = SeededRandom(f"payments {seed}")
        self.sample: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.queue: list[tuple[int, Callable[[], None]]] = []
        self.desk = system_actor(house.site)
        inside = {method: InProcess(method, self.books, self.random) for method in (Method.WECHAT, Method.ALIPAY)}
        self.ports = {method: Chosen(each, self.sample) for method, each in inside.items()}

    # --- one batch ---

    def batch(self, first: int, count: int) -> None:
        """Opens orders and lets everything happen to them, until nobody has to be asked any more."""
        self.gateways.behaviour = Behaviour(callbacks="never", mode=("answer", "drop", "fault", "busy")[first // BATCH % 4])
        fates = self._open(first, count)
        for step in range(60):
            while gateway_reconciler.work_due(self.house, at_once=1):
                pass
            if step == 0:
                self.gateways.behaviour = Behaviour(callbacks="never")
                self._cancel([each for each in fates if each.is_cancelled])
            self._customers(fates, step)
            self._deliver(step)
            if step == 3:
                self._give_back(fates)
            if step > 6 and not self.queue and self._watched() == 0:
                break
            self.house.clock.advance(seconds=45 if step < 2 else 200)  # type: ignore[attr-defined]
        else:
            self.wrong.append(f"batch {first}: {self._watched()} orders or refunds are not settled after hours")

    def _open(self, first: int, count: int) -> list[Fate]:
        fates: list[Fate] = []
        for begin in range(first, first + count, 50):
            with self.house.unit(self.desk) as db:
                for at in range(begin, min(begin + 50, first + count)):
                    luck = chances(self.random, 7)
                    method = Method.WECHAT if luck[0] < 0.6 else Method.ALIPAY
                    is_charge = luck[1] < 0.25
                    amount = 100 + int(luck[2] * 100_000)
                    made = gateway_service.open_order(db, method, f"visit:{at}", amount, auth_code=AUTH_CODE if is_charge else "")
                    is_real = at % REAL_EVERY == 0
                    if is_real:
                        self.sample.add(made.order_no)
                    pays_in = -1 if luck[3] < 0.1 else 0 if luck[3] < 0.8 else 1 + int(luck[3] * 100) % 7
                    callback = ("once", "once", "once", "once", "lost", "twice", "late", "reordered", "lies", "held")[
                        int(luck[4] * 10)
                    ]
                    refund = 0 if luck[5] > 0.15 else amount if luck[5] < 0.07 else 1 + amount // 3
                    fates.append(
                        Fate(made.id, made.order_no, method, is_real, is_charge, luck[6] < 0.05, pays_in, callback, refund)
                    )
        self.counts["orders"] += count
        return fates

    def _cancel(self, fates: Sequence[Fate]) -> None:
        for each in fates:
            with self.house.unit(self.desk) as db:
                row = gateway_service.get_row(db, each.id)
                if row.state in ("created", "unknown", "asked"):
                    gateway_service.cancel_order(db, each.id)
                    self.counts["cancelled"] += 1

    def _customers(self, fates: Sequence[Fate], step: int) -> None:
        for each in fates:
            order = self.books.orders.get(each.number)
            if order is None or each.pays_in < 0:
                continue
            if order.state == "unpaid" and step >= each.pays_in:
                self.books.pay(each.number)
                self._tell(each, order, step)
            elif order.state == "paid" and each.is_charge and step == 0:
                self._tell(each, order, step)

    def _tell(self, fate: Fate, order: Order, step: int) -> None:
        """Puts the callbacks of a payment on their way."""
        self.counts[f"callback {fate.callback}"] += 1
        later = {"late": step + 4, "reordered": step + 1, "held": step + 9}.get(fate.callback, step)
        if fate.callback == "lost":
            return
        if fate.callback == "lies":
            self.queue.append((later, lambda: self._post(fate, order, lie_fen=-1)))
        for _ in range(2 if fate.callback == "twice" else 1):
            self.queue.append((later, lambda: self._post(fate, order)))

    def _deliver(self, step: int) -> None:
        """Delivers what is due, in an order of its own; two at a time."""
        due = [call for at, call in self.queue if at <= step]
        self.queue = [(at, call) for at, call in self.queue if at > step]
        places = chances(self.random, len(due)) if due else ()
        shuffled = [call for _, call in sorted(zip(places, due, strict=True), key=lambda pair: pair[0])]
        with ThreadPoolExecutor(2) as pool:
            for done in pool.map(lambda call: call(), shuffled):
                assert done is None

    def _post(self, fate: Fate, order: Order, lie_fen: int = 0) -> None:
        notice: Notice | None = None
        event = f"EV-{order.order_no}-{lie_fen}"
        try:
            if fate.is_real:
                notice = self._signed(order, event, lie_fen)
            else:
                trade = Trade("paid", order.amount_fen + lie_fen, "CNY", order.trade_no, order.paid_at)
                notice = Notice(fate.method, event, order.order_no, trade)
            assert notice is not None
            is_new = gateway_notices.receive_notice(self.house, notice)
        except CallbackRefused:
            self.counts["callbacks refused"] += 1
            if not lie_fen:
                self.wrong.append(f"{order.order_no}: a true callback was refused")
            return
        except Exception as error:
            self.wrong.append(f"{order.order_no}: a callback ended in {type(error).__name__}")
            return
        self.counts["callbacks taken" if is_new else "callbacks known"] += 1
        if lie_fen:
            self.wrong.append(f"{order.order_no}: a lie was taken")

    def _signed(self, order: Order, event: str, lie_fen: int) -> Notice | None:
        """The callback as it comes over the wire, read by the real adapter."""
        self.counts["signatures checked"] += 1
        total = order.amount_fen + lie_fen
        if order.method == "wechat":
            content = self.books.wechat_trade(order, amount={"total": total, "currency": "CNY"})
            headers, body = self.books.wechat_callback(content, event)
        else:
            told = self.books.alipay_fields(order, event, total_amount=f"{total // 100}.{total % 100:02d}")
            headers, body = self.books.alipay_callback(told)
        return GATEWAYS[Method(order.method)].read_callback(self.house, headers, body, self.house.clock.now())

    def _give_back(self, fates: Sequence[Fate]) -> None:
        for each in [one for one in fates if one.refund_fen]:
            with self.house.unit(self.desk) as db:
                if gateway_service.get_row(db, each.id).state == OrderState.PAID:
                    [booked] = receipts.of_target(db, Target("transfer", each.id))
                    refund_id = gateway_service.request_refund(db, each.id, each.refund_fen, "退项")
                    receipts.give_back(db, booked.id, [Return(booked.parts[0].id, each.refund_fen, str(refund_id))], "退项")
                    self.counts["refunds"] += 1

    def _watched(self) -> int:
        with self.house.unit(None, write=False) as db:
            return db.scalar(select(func.count()).select_from(GatewayWatch)) or 0

    # --- the account ---

    def compare(self) -> None:
        """Both books against each other, order by order and by the statements; and what `exam verify` says."""
        told: Counter[str] = Counter()
        with self.house.unit(None, write=False) as db:
            bodies = db.scalars(select(Event.body).where(Event.kind == "GatewayPaid").execution_options(yield_per=5000))
            for body in bodies:
                told[msgspec.json.decode(body, type=GatewayPaid).order_no] += 1
            rows = db.execute(
                select(GatewayOrderRow.order_no, GatewayOrderRow.state, GatewayOrderRow.paid_fen, GatewayOrderRow.returned_fen)
                .execution_options(yield_per=5000)
            )  # fmt: skip
            for row in rows:
                self._compare_one(row, told[row.order_no])
            unsettled = db.scalar(select(func.count()).select_from(GatewayRefundRow).where(GatewayRefundRow.state != "success"))
            self.counts["refunds listed as failed"] += unsettled or 0
            for invariant in INVARIANTS:
                self.wrong += [f"verify: {text}" for text in invariant.check(db)]
        for method in self.ports:
            for day in sorted({day_of(each.paid_at) for each in self.books.orders.values() if each.paid_at}):
                found = gateway_statement.fetch(self.house, method, day)
                self.counts["statements compared"] += 1
                if found:
                    self.wrong.append(f"statement of {method} on {day}: {found} differences")

    def _compare_one(self, row: Any, times_told: int) -> None:
        order = self.books.orders.get(row.order_no)
        is_paid = order is not None and order.state == "paid"
        self.counts[f"state {row.state}"] += 1
        if times_told != int(is_paid):
            self.wrong.append(f"{row.order_no}: paid {int(is_paid)} times, told of {times_told} times ({row.state})")
        if row.state not in ("paid", "late", "closed", "declined"):
            self.wrong.append(f"{row.order_no}: left {row.state}")
        if order is None:
            return
        if order.payments > 1 or row.paid_fen != (order.amount_fen if is_paid else 0):
            self.wrong.append(f"{row.order_no}: {row.paid_fen} fen here, {order.payments} payments there")
        if row.returned_fen != order.returned_fen or (row.state == "late" and row.returned_fen != row.paid_fen):
            self.wrong.append(f"{row.order_no}: {row.returned_fen} fen went back here, {order.returned_fen} there ({row.state})")


def book(db: Session, event: GatewayPaid) -> None:
    """Stands where the cashier's desk is: the product's own receipt, for money that nobody has a visit for."""
    if not event.is_late:
        part = Part(method=AccountKind(event.method.value), amount_fen=event.amount_fen, gateway_order_id=event.order_id)
        receipts.take(db, Target("transfer", event.order_id), Account(AccountKind.UNMATCHED, event.order_id), [part])


@contextmanager
def running(house: House, folder: Path, seed: int) -> Iterator[Run]:
    """A run over a house, with both peers behind it."""
    books = Books(Keys(folder), house.clock.now)
    server, gateways = make(folder, 0, "http://127.0.0.1:9", books)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    house.settings = msgspec.structs.replace(house.settings, payments=str(folder))
    house.cache.pop("wechat_pay", None)
    house.cache.pop("alipay", None)
    run = Run(house, gateways, seed)
    before = house.modules._ports[id(PAYMENT_GATEWAYS)]
    house.modules._ports[id(PAYMENT_GATEWAYS)] = run.ports
    heard = house.modules._listeners.setdefault(GatewayPaid, [])
    heard.append(book)
    try:
        yield run
    finally:
        house.modules._ports[id(PAYMENT_GATEWAYS)] = before
        heard.remove(book)
        server.shutdown()
        server.server_close()


class Told(msgspec.Struct):
    """What one process found."""

    counts: dict[str, int]
    wrong: list[str]


def play(many: int, seed: int, name: str) -> Told:
    """Plays so many orders over a house of their own."""
    began = time.perf_counter()
    # Nobody cuts the power of a proof: the database may lie where nobody waits for a disk.
    shared = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made in it
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        home = Path(folder)
        house = commands.set_up(settings.read({"EXAM_HOME": str(home)}), clock=FrozenClock(MORNING))
        with running(house, home / "payments", seed) as run:
            for first in range(0, many, BATCH):
                run.batch(first, min(BATCH, many - first))
                commands.checkpoint(house)  # no worker folds the log here, and memory would fill with it
                if first // BATCH % 10 == 9:
                    seconds = time.perf_counter() - began
                    print(f"{name}{first + BATCH:,} orders, {len(run.wrong)} wrong, {seconds:.0f} s", file=sys.stderr, flush=True)
            run.compare()
        house.engine.dispose()
    return Told(dict(run.counts), run.wrong)


def main(arguments: list[str] | None = None) -> int:
    """Runs the proof; status 1 where an order was double, missing or left alone."""
    parser = argparse.ArgumentParser(prog="prove_payments", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 orders instead of 100,000")
    parser.add_argument("--orders", type=int, default=0)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--processes", type=int, default=max(1, min(os.cpu_count() or 1, 8)))
    chosen = parser.parse_args(arguments)
    many = chosen.orders or (2_000 if chosen.quick else 100_000)
    began = time.perf_counter()
    processes = min(chosen.processes, -(-many // BATCH))
    shares = [many // processes + (at < many % processes) for at in range(processes)]
    if processes == 1:
        told = [play(many, chosen.seed, "")]
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            waiting = [pool.submit(play, share, chosen.seed + at, f"{at + 1}: ") for at, share in enumerate(shares)]
            told = [each.result() for each in waiting]
    counts: Counter[str] = Counter()
    for each in told:
        counts.update(each.counts)
    wrong = [text for each in told for text in each.wrong]
    for name, count in sorted(counts.items()):
        print(f"{count:>10,}  {name}")
    for text in wrong[:40]:
        print(f"WRONG {text}")
    seconds = time.perf_counter() - began
    print(f"{len(wrong)} wrong in {many:,} orders, {seconds:.0f} s ({seconds / many * 1000:.1f} ms an order)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""The real libraries against peers over real sockets: WeChat Pay and Alipay, asked, charged, paid, lost, late, given back, compared."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from billing import gateway_service as service
from billing import gateway_statement as statement
from billing.gateway_facts import OrderState, RefundState
from billing.ports import Method
from exam.kit.clock import day_of
from exam.kit.house import House
from rehearsal.payment_gateways import Behaviour, Gateways, make
from tests.billing.gateway_cases import (
    AMOUNT,
    Clock,
    breaches,
    desk_of,
    facts,
    give_back,
    opened,
    order,
    peers,
    refunds,
    told,
    told_refunds,
    watched,
    work,
)  # fmt: skip
from tests.fixtures.server import serving

ROOT = Path(__file__).parents[2]
BOTH = pytest.mark.parametrize("method", [Method.WECHAT, Method.ALIPAY])
WECHAT_CODE, ALIPAY_CODE = "134567890123456789", "281234567890123456"


@pytest.fixture
def gateways(house: House, tmp_path: Path) -> Iterator[Gateways]:
    house.clock = Clock()
    with serving(house) as base, peers(house, tmp_path / "payments", base) as both:
        yield both


def behave(gateways: Gateways, **how: object) -> None:
    gateways.behaviour = Behaviour(**{"callbacks": "never", **how})  # type: ignore[arg-type]


@BOTH
def test_a_scanned_code_is_paid_and_told_of_by_a_callback(house: House, gateways: Gateways, method: Method) -> None:
    asked = opened(house, method)
    assert (asked.state, work(house), order(house, asked.id).state) == (OrderState.CREATED, 1, OrderState.ASKED)
    code = order(house, asked.id).code
    assert code.startswith("weixin://wxpay/" if method is Method.WECHAT else "https://qr.alipay.com/")
    gateways.books.pay(asked.order_no)
    assert gateways.tell_payment(gateways.books.orders[asked.order_no]) == 200
    now = order(house, asked.id)
    assert (now.state, now.paid_fen, now.trade_no, now.code) == (
        OrderState.PAID,
        AMOUNT,
        gateways.books.orders[asked.order_no].trade_no,
        "",
    )
    assert [(each.amount_fen, each.is_late) for each in told(house)] == [(AMOUNT, False)]
    assert gateways.tell_payment(gateways.books.orders[asked.order_no]) == 200, (
        "the same callback again is taken and counts nothing"
    )
    assert (len(told(house)), watched(house), breaches(house)) == (1, 0, [])


@BOTH
def test_a_lost_callback_is_found_by_asking(house: House, gateways: Gateways, method: Method) -> None:
    asked = opened(house, method)
    work(house)
    gateways.books.pay(asked.order_no)
    work(house, seconds=61)
    assert order(house, asked.id).state == OrderState.PAID
    assert facts(house, asked.id) == ["open", "submit", "take", "pay"]
    assert breaches(house) == []


@BOTH
def test_the_customers_own_code_is_charged(house: House, gateways: Gateways, method: Method) -> None:
    behave(gateways, payer="pays")
    asked = opened(house, method, auth_code=WECHAT_CODE if method is Method.WECHAT else ALIPAY_CODE)
    work(house)
    assert order(house, asked.id).state == OrderState.PAID
    assert gateways.books.orders[asked.order_no].is_charge


@BOTH
def test_a_gateway_that_times_out_after_charging_charges_once(house: House, gateways: Gateways, method: Method) -> None:
    for mode in ("drop", "fault"):
        behave(gateways, payer="pays", mode=mode, only="charge")
        asked = opened(house, method, auth_code=WECHAT_CODE if method is Method.WECHAT else ALIPAY_CODE)
        work(house)
        assert order(house, asked.id).state == OrderState.UNKNOWN, "a time-out is neither failure nor payment"
        work(house, seconds=61)
        assert order(house, asked.id).state == OrderState.PAID
        assert gateways.books.orders[asked.order_no].payments == 1
    assert breaches(house) == []


@BOTH
def test_an_answer_lost_while_asking_is_asked_for_again_under_the_same_number(
    house: House, gateways: Gateways, method: Method
) -> None:
    behave(gateways, mode="drop", only="ask")
    asked = opened(house, method)
    work(house)
    assert order(house, asked.id).state == OrderState.UNKNOWN
    behave(gateways)
    for _ in range(3):
        work(house, seconds=61)
    assert order(house, asked.id).state == OrderState.ASKED
    assert [each.asked for each in gateways.books.orders.values()] == [2]


@BOTH
def test_a_busy_gateway_leaves_the_order_for_later_and_a_refusal_ends_it(house: House, gateways: Gateways, method: Method) -> None:
    behave(gateways, mode="busy")
    asked = opened(house, method)
    work(house)
    assert order(house, asked.id).state == OrderState.CREATED
    behave(gateways, mode="refuse")
    work(house, seconds=61)
    assert order(house, asked.id).state == OrderState.DECLINED
    assert watched(house) == 0


@BOTH
def test_an_unpaid_order_is_closed_after_its_time_and_one_paid_meanwhile_is_not(
    house: House, gateways: Gateways, method: Method
) -> None:
    left, last_second = opened(house, method, target="a"), opened(house, method, target="b")
    work(house)
    gateways.books.pay(last_second.order_no)
    for _ in range(3):
        work(house, minutes=6)
    assert order(house, left.id).state == OrderState.CLOSED
    assert order(house, last_second.id).state == OrderState.PAID
    assert breaches(house) == []


@BOTH
def test_money_that_comes_after_a_cancellation_goes_back_by_itself(house: House, gateways: Gateways, method: Method) -> None:
    asked = opened(house, method)
    work(house)
    with house.unit(desk_of(house)) as db:
        service.cancel_order(db, asked.id)
    gateways.books.pay(asked.order_no)
    work(house)
    assert order(house, asked.id).state == OrderState.LATE
    for _ in range(4):
        work(house, minutes=6)
    now = order(house, asked.id)
    assert (now.returned_fen, [refund.state for refund in refunds(house, asked.id)]) == (AMOUNT, [RefundState.SUCCESS])
    assert gateways.books.orders[asked.order_no].returned_fen == AMOUNT
    assert [(each.is_late) for each in told(house)] == [True]
    assert [(each.is_success, each.is_automatic) for each in told_refunds(house)] == [(True, True)]
    assert breaches(house) == []


@BOTH
@pytest.mark.parametrize("mode", ["answer", "drop", "fault"])
def test_a_refund_is_given_once_however_its_answer_fares(house: House, gateways: Gateways, method: Method, mode: str) -> None:
    asked = opened(house, method)
    work(house)
    gateways.books.pay(asked.order_no)
    work(house, seconds=61)
    behave(gateways, mode=mode, only="refund")
    refund_id = give_back(house, asked.id, 3_000)
    for _ in range(3):
        work(house, minutes=6)
    assert [(each.id, each.state, each.amount_fen) for each in refunds(house, asked.id)] == [
        (refund_id, RefundState.SUCCESS, 3_000)
    ]
    assert gateways.books.orders[asked.order_no].returned_fen == 3_000
    assert order(house, asked.id).returned_fen == 3_000
    assert [each.is_success for each in told_refunds(house)] == [True]
    assert breaches(house) == []


def test_a_refund_takes_its_time_and_its_callback_ends_it(house: House, gateways: Gateways) -> None:
    asked = opened(house)
    work(house)
    gateways.books.pay(asked.order_no)
    work(house, seconds=61)
    behave(gateways, refunds="processing")
    give_back(house, asked.id, AMOUNT)
    work(house)
    assert [each.state for each in refunds(house, asked.id)] == [RefundState.PROCESSING]
    [refund] = gateways.books.orders[asked.order_no].refunds.values()
    refund.state = "success"
    assert gateways.tell_refund(gateways.books.orders[asked.order_no], refund) == 200
    assert [each.state for each in refunds(house, asked.id)] == [RefundState.SUCCESS]
    assert (watched(house), breaches(house)) == (0, [])


def test_a_refund_that_the_bank_refuses_is_told_as_failed(house: House, gateways: Gateways) -> None:
    asked = opened(house)
    work(house)
    gateways.books.pay(asked.order_no)
    work(house, seconds=61)
    behave(gateways, refunds="failed")
    give_back(house, asked.id, AMOUNT)
    work(house)
    assert [(each.state, each.why) for each in refunds(house, asked.id)] == [(RefundState.FAILED, "ABNORMAL")]
    assert [each.is_success for each in told_refunds(house)] == [False]
    assert order(house, asked.id).returned_fen == 0


@BOTH
def test_callbacks_that_lie_about_the_amount_are_refused_and_the_gateway_is_asked(
    house: House, gateways: Gateways, method: Method
) -> None:
    asked = opened(house, method)
    work(house)
    gateways.books.pay(asked.order_no)
    behave(gateways, lie_fen=-100)
    assert gateways.tell_payment(gateways.books.orders[asked.order_no]) == 401
    assert order(house, asked.id).state == OrderState.ASKED
    assert told(house) == []
    work(house)
    assert order(house, asked.id).state == OrderState.PAID, "asked at once, and the truth was right"


@BOTH
def test_the_statement_of_yesterday_is_compared_and_differences_are_listed(
    house: House, gateways: Gateways, method: Method
) -> None:
    kept, lost, forgotten, returned = (opened(house, method, target=name) for name in ("a", "b", "c", "d"))
    work(house)
    for each in (kept, forgotten, returned):
        gateways.books.pay(each.order_no)
    work(house, seconds=61)
    give_back(house, returned.id, 500)
    for _ in range(2):
        work(house, seconds=61)
    assert order(house, returned.id).returned_fen == 500
    today = day_of(house.clock.now())
    if day_of(house.clock.now() - timedelta(minutes=10)) != today:
        pytest.skip("midnight lies between payment and refund")
    del gateways.books.orders[forgotten.order_no]  # we say paid, the gateway's statement does not
    gateways.books.pay(lost.order_no)  # the gateway says paid, and we have not heard of it
    assert statement.fetch(house, method, today) == 2
    with house.unit(desk_of(house), write=False) as db:
        found = {(each.kind, each.order_no, each.ours_fen, each.theirs_fen) for each in statement.differences(db)}
        [summary] = statement.statements(db)
    assert found == {("short", forgotten.order_no, AMOUNT, 0), ("long", lost.order_no, 0, AMOUNT)}
    assert (summary.lines, summary.paid_fen, summary.refunded_fen, summary.open_differences) == (4, 3 * AMOUNT, 500, 2)
    work(house)
    assert order(house, lost.id).state == OrderState.PAID, "what the statement has more is asked about at once"
    assert statement.explain_settled(house) == 1
    assert statement.fetch(house, method, today) == 0, "a day is compared once"
    assert breaches(house) == []


def test_a_statement_that_is_not_there_yet_is_waited_for(house: House, gateways: Gateways) -> None:
    opened(house)
    work(house)
    behave(gateways, mode="refuse", only="statement")
    house.clock.advance(days=2)  # type: ignore[attr-defined]
    statement.fetch_due(house)
    with house.unit(desk_of(house), write=False) as db:
        assert statement.statements(db) == []
    behave(gateways)


def test_a_gateway_that_is_down_settles_within_ten_minutes_of_coming_back(house: House, tmp_path: Path) -> None:
    house.clock = Clock()
    with peers(house, tmp_path / "payments", "http://127.0.0.1:9") as gateways:
        asked = opened(house)
        work(house)
        books = gateways.books
        books.pay(asked.order_no)
    for _ in range(30):
        work(house, minutes=5)
    assert order(house, asked.id).state == OrderState.ASKED, "nobody was reached: nothing is known"
    server, _ = make(tmp_path / "payments", 0, "http://127.0.0.1:9", books)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    house.cache.pop("wechat_pay", None)
    try:
        for _ in range(5):
            work(house, minutes=2)
        assert order(house, asked.id).state == OrderState.PAID
    finally:
        server.shutdown()
        server.server_close()
    assert breaches(house) == []


def test_the_rehearsal_command_serves_both_gateways_and_writes_papers_for_our_eyes_only(tmp_path: Path) -> None:
    folder = tmp_path / "payments"
    command = [sys.executable, "-m", "exam.cli", "rehearse-payments", "--port", "0", "--keys", str(folder)]
    environment = {**os.environ, "EXAM_PLUGINS": "rehearsal", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split(" ")[1]
            assert "等待付款" in httpx.get(f"{url}/", trust_env=False).text
            assert httpx.post(f"{url}/gateway.do", data={"app_id": "x"}, trust_env=False).json()["_response"]["code"] == "40002"
            assert httpx.get(f"{url}/v3/pay/transactions/out-trade-no/x", trust_env=False).status_code == 401
        finally:
            process.kill()
    assert {path.name for path in folder.glob("*.toml")} == {"wechat.toml", "alipay.toml"}
    assert [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077] == []

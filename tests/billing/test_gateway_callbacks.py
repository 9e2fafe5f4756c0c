"""Callbacks of payment gateways under attack (AT-30) and out of order (AT-31): through the real route, signed by the peers' own hand."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from litestar.testing import TestClient
from sqlalchemy import func, select

from billing import gateway_service as service
from billing.gateway_facts import OrderState, RefundState
from billing.gateway_models import GatewayNotice
from billing.ports import Method, Trade
from exam.kit.audit import Audit
from exam.kit.errors import Refused
from exam.kit.house import House
from rehearsal.payment_books import Books, sign
from tests.billing.gateway_cases import (
    AMOUNT,
    Scripted,
    asked_for,
    breaches,
    desk_of,
    facts,
    opened,
    order,
    paid,
    refunds,
    signing,
    through,
    told,
    told_refunds,
    watched,
    work,
)  # fmt: skip
from tests.fixtures.server import serving

BOTH = pytest.mark.parametrize("method", [Method.WECHAT, Method.ALIPAY])
Signed = tuple[dict[str, str], bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("payments")


@pytest.fixture
def books(house: House, folder: Path) -> Books:
    return signing(house, folder)


def callback_of(books: Books, order_no: str, event: str = "EV-1") -> Signed:
    """The true callback of a payment."""
    kept = books.orders[order_no]
    if kept.method == "wechat":
        return books.wechat_callback(books.wechat_trade(kept), event)
    return books.alipay_callback(books.alipay_fields(kept, event))


def post(client: TestClient[Any], method: Method, signed: Signed) -> int:
    headers, body = signed
    return client.post(f"/api/payments/{method}", content=body, headers=headers).status_code


def notices(house: House) -> int:
    with house.unit(None, write=False) as db:
        return db.scalar(select(func.count()).select_from(GatewayNotice)) or 0


# --- AT-30 -----------------------------------------------------------------------------------------------------------


def wechat_attacks(books: Books, order_no: str) -> dict[str, Signed]:
    """Everything that a stranger, or a gateway gone wrong, might send as WeChat Pay."""
    kept, now = books.orders[order_no], books.clock()
    good, body = callback_of(books, order_no)
    told = books.wechat_trade(kept)

    def lied(**other: Any) -> Signed:
        return books.wechat_callback({**told, **other}, "EV-lie")

    return {
        "signature of another": ({**good, "Wechatpay-Signature": sign(books.keys.merchant["wechat"], "x")}, body),
        "empty signature": ({**good, "Wechatpay-Signature": ""}, body),
        "no base64": ({**good, "Wechatpay-Signature": "%%%"}, body),
        "no headers": ({"content-type": "application/json"}, body),
        "another body": (good, body + b" "),
        "another nonce": ({**good, "Wechatpay-Nonce": "0" * 32}, body),
        "another algorithm": ({**good, "Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}, body),
        "unknown serial": books_headers(books, body, serial="PUB_KEY_ID_0"),
        "serial that is a number": books_headers(books, body, serial="7"),
        "ten minutes old": books.wechat_callback(told, "EV-old", at=now - timedelta(minutes=10)),
        "of the future": books.wechat_callback(told, "EV-new", at=now + timedelta(minutes=6)),
        "timestamp that is none": ({**good, "Wechatpay-Timestamp": "soon"}, body),
        "another amount": lied(amount={"total": AMOUNT - 1, "currency": "CNY"}),
        "amount as text": lied(amount={"total": str(AMOUNT), "currency": "CNY"}),
        "negative amount": lied(amount={"total": -AMOUNT, "currency": "CNY"}),
        "no amount": lied(amount=None),
        "another currency": lied(amount={"total": AMOUNT, "currency": "USD"}),
        "another merchant": lied(mchid="1900000110"),
        "another application": lied(appid="wxffffffffffffffff"),
        "no order": lied(out_trade_no=None),
        "no state": lied(trade_state="DONE"),
        "no JSON": books_headers(books, b"{"),
        "a list": books_headers(books, b"[]"),
        "not encrypted": books_headers(books, b'{"id":"1","event_type":"TRANSACTION.SUCCESS","resource":{"out_trade_no":"x"}}'),
    }


def books_headers(books: Books, body: bytes, **other: Any) -> Signed:
    return books.wechat_headers(body.decode(), **other), body


def alipay_attacks(books: Books, order_no: str) -> dict[str, Signed]:
    """Everything that a stranger, or a gateway gone wrong, might send as Alipay."""
    kept, now = books.orders[order_no], books.clock()
    good, body = callback_of(books, order_no)
    fields = dict(parse_qsl(body.decode()))

    def with_fields(**other: str) -> Signed:
        return good, urlencode({**fields, **other}).encode()

    def lied(**other: str) -> Signed:
        return books.alipay_callback(books.alipay_fields(kept, "EV-lie", **other))

    def without(name: str) -> Signed:
        return good, urlencode({key: value for key, value in fields.items() if key != name}).encode()

    return {
        "signature of another": with_fields(sign=sign(books.keys.merchant["alipay"], "x")),
        "empty signature": with_fields(sign=""),
        "no signature": without("sign"),
        "no base64": with_fields(sign="%%%"),
        "another sign type": with_fields(sign_type="RSA"),
        "no sign type": without("sign_type"),
        "another amount, not signed": with_fields(total_amount="0.01"),
        "an extra field": with_fields(extra="1"),
        "a field twice": (good, body + b"&total_amount=0.01"),
        "ten minutes old": books.alipay_callback(books.alipay_fields(kept, "EV-old", at=now - timedelta(minutes=10))),
        "of the future": books.alipay_callback(books.alipay_fields(kept, "EV-new", at=now + timedelta(minutes=6))),
        "no time": lied(notify_time="soon"),
        "another amount": lied(total_amount="0.01"),
        "amount that is none": lied(total_amount="1e3"),
        "another currency": lied(trans_currency="USD"),
        "another application": lied(app_id="2021000000000002"),
        "another seller": lied(seller_id="2088000000000002"),
        "no order": lied(out_trade_no=""),
        "no state": lied(trade_status="DONE"),
        "event number that nobody could store": lied(notify_id="a b"),
        "no form": (good, b"\xff\xfe"),
        "empty": (good, b""),
        "many fields": (good, "&".join(f"f{at}=1" for at in range(500)).encode()),
    }


@BOTH
def test_a_callback_that_is_not_right_in_everything_is_refused(
    house: House, client: TestClient[Any], books: Books, method: Method
) -> None:
    asked = asked_for(house, books, method)
    books.pay(asked.order_no)
    attacks = (wechat_attacks if method is Method.WECHAT else alipay_attacks)(books, asked.order_no)
    assert {name: post(client, method, signed) for name, signed in attacks.items()} == dict.fromkeys(attacks, 401)
    assert order(house, asked.id).state == OrderState.ASKED
    assert (told(house), notices(house)) == ([], 0)
    assert post(client, method, callback_of(books, asked.order_no)) == 200, "the true one still counts"
    assert order(house, asked.id).state == OrderState.PAID
    assert breaches(house) == []


@BOTH
def test_a_refused_callback_is_audited_without_what_it_said(
    house: House, client: TestClient[Any], books: Books, method: Method
) -> None:
    asked = asked_for(house, books, method)
    books.pay(asked.order_no)
    headers, body = callback_of(books, asked.order_no)
    for _ in range(70):
        post(client, method, (headers, body + b"x"))
    wanted = select(Audit.actor, Audit.subject, Audit.result, Audit.reason).where(Audit.act == "interfaces.payment_callback")
    with house.unit(None, write=False) as db:
        rows = [tuple(row) for row in db.execute(wanted)]
    assert len(rows) == 60, "a flood does not fill the disk"
    assert set(rows) == {(str(method), f"gateway:{method}", "refused", "signature")}


def test_a_callback_of_another_way_or_of_no_size_is_refused(house: House, client: TestClient[Any], books: Books) -> None:
    asked = asked_for(house, books, Method.WECHAT)
    books.pay(asked.order_no)
    headers, body = callback_of(books, asked.order_no)
    assert client.post("/api/payments/alipay", content=body, headers=headers).status_code == 401
    assert client.post("/api/payments/wechat", content=b"x" * 70_000, headers=headers).status_code == 413
    assert client.get("/api/payments/wechat").status_code == 405
    assert order(house, asked.id).state == OrderState.ASKED


def test_nothing_is_believed_where_no_gateway_is_set_up(house: House, client: TestClient[Any], books: Books) -> None:
    asked = asked_for(house, books, Method.WECHAT)
    books.pay(asked.order_no)
    signed = callback_of(books, asked.order_no)
    (books.keys.folder / "wechat.toml").chmod(0o644)
    house.cache.pop("wechat_pay", None)
    try:
        assert post(client, Method.WECHAT, signed) == 401
        with house.unit(desk_of(house)) as db, pytest.raises(Refused, match=r"billing.gateway_exposed"):
            service.open_order(db, Method.WECHAT, "other", AMOUNT)
    finally:
        (books.keys.folder / "wechat.toml").chmod(0o600)


def test_an_event_number_that_comes_again_for_another_order_is_refused(house: House, client: TestClient[Any], books: Books) -> None:
    first, second = asked_for(house, books, Method.WECHAT, "a"), asked_for(house, books, Method.WECHAT, "b")
    for each in (first, second):
        books.pay(each.order_no)
    assert post(client, Method.WECHAT, callback_of(books, first.order_no, "EV-1")) == 200
    assert post(client, Method.WECHAT, callback_of(books, second.order_no, "EV-1")) == 401
    assert order(house, second.id).state == OrderState.ASKED


MUTANTS = {
    "signature": (Method.WECHAT, "wechatpayv3.core.rsa_verify", lambda *_: True, "another body"),
    "time": (Method.WECHAT, "interfaces.wechat_pay.CLOCK_SECONDS", 10**9, "ten minutes old"),
    "amount": (Method.WECHAT, "billing.gateway_rules.mismatch", lambda *_: "", "another amount"),
    "currency": (Method.WECHAT, "billing.gateway_rules.mismatch", lambda *_: "", "another currency"),
    "merchant": (Method.WECHAT, "interfaces.wechat_pay.is_merchant", lambda *_: True, "another merchant"),
    "application": (Method.WECHAT, "interfaces.wechat_pay.is_application", lambda *_: True, "another application"),
    "Alipay's merchant": (Method.ALIPAY, "interfaces.alipay.is_merchant", lambda *_: True, "another seller"),
    "Alipay's application": (Method.ALIPAY, "interfaces.alipay.is_application", lambda *_: True, "another application"),
    "Alipay's sign type": (Method.ALIPAY, "interfaces.alipay.is_sign_type", lambda *_: True, "no sign type"),
    "Alipay's signature": (Method.ALIPAY, "alipay.BaseAliPay._verify", lambda *_: True, "an extra field"),
    "Alipay's time": (Method.ALIPAY, "interfaces.alipay.CLOCK_SECONDS", 10**9, "of the future"),
    "Alipay's amount": (Method.ALIPAY, "billing.gateway_rules.mismatch", lambda *_: "", "another amount"),
}  # fmt: skip
"""A check taken out, and the attack that then gets through: the tests above would see it."""


@pytest.mark.parametrize("name", MUTANTS)
def test_without_its_check_an_attack_gets_through(
    house: House, client: TestClient[Any], books: Books, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    method, place, instead, attack = MUTANTS[name]
    asked = asked_for(house, books, method)
    books.pay(asked.order_no)
    attacks = (wechat_attacks if method is Method.WECHAT else alipay_attacks)(books, asked.order_no)
    monkeypatch.setattr(place, instead)
    assert post(client, method, attacks[attack]) == 200


# --- AT-31 -----------------------------------------------------------------------------------------------------------


@BOTH
def test_the_same_callback_a_hundred_times_at_once_is_one_payment(house: House, books: Books, method: Method) -> None:
    asked = asked_for(house, books, method)
    books.pay(asked.order_no)
    sent = [callback_of(books, asked.order_no, f"EV-{at % 3}") for at in range(100)]
    with serving(house) as base, ThreadPoolExecutor(16) as pool:

        def send(signed: Signed) -> int:
            headers, body = signed
            return httpx.post(
                f"{base}/api/payments/{method}", content=body, headers=headers, timeout=60, trust_env=False
            ).status_code

        answers = Counter(pool.map(send, sent))
    assert answers == {200: 100}
    assert [each.amount_fen for each in told(house)] == [AMOUNT]
    assert (notices(house), facts(house, asked.id).count("pay"), watched(house), breaches(house)) == (3, 1, 0, [])


@BOTH
def test_a_callback_before_our_own_order_is_stored_is_to_come_again(
    house: House, client: TestClient[Any], books: Books, method: Method
) -> None:
    number = "EX01261121ABCDEFGHJKLM"
    books.ask(str(method), number, AMOUNT, "")
    books.pay(number)
    assert post(client, method, callback_of(books, number)) == 404
    other = {"wechat": Method.ALIPAY, "alipay": Method.WECHAT}[method]
    asked = asked_for(house, books, other)
    books.orders[number].order_no = asked.order_no
    assert post(client, method, callback_of(books, number)) == 404, "another gateway's order is not this one's"
    assert (notices(house), told(house)) == (0, [])


@BOTH
def test_a_callback_after_a_cancellation_sends_the_money_back(
    house: House, client: TestClient[Any], books: Books, method: Method
) -> None:
    asked = asked_for(house, books, method)
    with house.unit(desk_of(house)) as db:
        service.cancel_order(db, asked.id)
        service.cancel_order(db, asked.id)
    books.pay(asked.order_no)
    assert post(client, method, callback_of(books, asked.order_no)) == 200
    assert order(house, asked.id).state == OrderState.LATE
    assert [(each.amount_fen, each.is_automatic, each.state) for each in refunds(house, asked.id)] == [
        (AMOUNT, True, RefundState.REQUESTED)
    ]
    assert [each.is_late for each in told(house)] == [True]
    assert breaches(house) == []


def test_money_for_a_closed_or_declined_order_goes_back_even_three_days_later(
    house: House, client: TestClient[Any], books: Books
) -> None:
    with through(house, Scripted()) as gateway:
        closed = opened(house, target="a")
        work(house)
        gateway.will("query", Trade("closed"))
        work(house, seconds=45)
        assert order(house, closed.id).state == OrderState.CLOSED
    books.ask("wechat", closed.order_no, AMOUNT, "")
    books.pay(closed.order_no)
    house.clock.advance(days=3)  # type: ignore[attr-defined]
    assert post(client, Method.WECHAT, callback_of(books, closed.order_no)) == 200
    assert (order(house, closed.id).state, len(refunds(house, closed.id))) == (OrderState.LATE, 1)


@BOTH
def test_a_callback_three_days_late_pays_an_order_about_which_nobody_knew(
    house: House, client: TestClient[Any], books: Books, method: Method
) -> None:
    asked = asked_for(house, books, method)
    books.pay(asked.order_no)
    house.clock.advance(days=3)  # type: ignore[attr-defined]
    assert post(client, method, callback_of(books, asked.order_no)) == 200
    assert order(house, asked.id).state == OrderState.PAID


@BOTH
def test_a_refunds_callback_before_the_payments_own_moves_no_money(
    house: House, client: TestClient[Any], books: Books, method: Method
) -> None:
    asked = asked_for(house, books, method)
    kept = books.pay(asked.order_no)
    refund = books.give_back(str(method), kept.order_no, f"{kept.order_no}R1", AMOUNT, "success")
    if method is Method.WECHAT:
        signed = books.wechat_callback(books.wechat_refund(kept, refund, is_callback=True), "EV-R", kind="REFUND.SUCCESS")
    else:
        signed = books.alipay_callback(books.alipay_fields(kept, "EV-R", out_biz_no=refund.refund_no, refund_fee="123.45"))
    assert post(client, method, signed) == 200
    assert order(house, asked.id).state == OrderState.ASKED
    assert (told(house), told_refunds(house), refunds(house, asked.id)) == ([], [], [])
    assert facts(house, asked.id)[-1] == "refund_notice"
    assert post(client, method, callback_of(books, asked.order_no)) == 200
    assert order(house, asked.id).state == OrderState.PAID
    assert post(client, method, signed) == 200, "the same event is known"
    assert notices(house) == 2


def test_money_that_cannot_be_booked_at_the_moment_is_kept_and_tried_again(
    house: House, client: TestClient[Any], books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asked_for(house, books, Method.WECHAT)
    books.pay(asked.order_no)

    def refuse(*_: Any) -> None:
        raise Refused("billing.closed_day", "当日已日结", "请登记在次日")

    with monkeypatch.context() as patched:
        patched.setattr(service, "book", refuse)
        assert post(client, Method.WECHAT, callback_of(books, asked.order_no)) == 200, "stored, so it need not come again"
        assert (order(house, asked.id).state, notices(house), told(house)) == (OrderState.ASKED, 1, [])
        with through(house, Scripted()) as gateway:
            gateway.will("query", paid())
            work(house, minutes=2)
        assert order(house, asked.id).state == OrderState.ASKED
        assert facts(house, asked.id).count("not_booked") == 1
        assert breaches(house) == []
    with through(house, Scripted()) as gateway:
        gateway.will("query", paid())
        work(house, minutes=2)
    assert order(house, asked.id).state == OrderState.PAID
    assert [each.amount_fen for each in told(house)] == [AMOUNT]
    assert breaches(house) == []

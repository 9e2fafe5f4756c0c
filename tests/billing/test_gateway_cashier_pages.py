"""The cashier's dialog for payments by telephone: what it asks for, what it says while nobody knows, and where it ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from billing import gateway_service as service
from billing.ports import Unclear
from exam.kit.house import Actor, House
from exam.visits import service as visits
from tests.billing.cashier_cases import due, take_all, visit_of
from tests.billing.gateway_cases import Scripted, order, paid, through, work
from tests.conftest import Desk

Signing = Callable[[str], Desk]
Acting = Callable[[str], Actor]
CODE = "134567890123456789"


@pytest.fixture
def gateway(house: House) -> Iterator[Scripted]:
    with through(house, Scripted()) as put:
        yield put


@pytest.fixture
def visit_id(house: House, acting: Acting) -> UUID:
    return visit_of(house, acting)


@pytest.fixture
def url(house: House, acting: Acting, visit_id: UUID) -> str:
    with house.unit(acting("chen"), write=False) as db:
        return f"/cashier/visits/{visits.card(db, visit_id).visit_no}"


def order_in(page: str) -> UUID:
    found = re.search(r"/cashier/scan-pay/([0-9a-f-]{36})", page)
    assert found is not None
    return UUID(found.group(1))


def asked(chen: Desk, url: str, **form: str) -> UUID:
    answer = chen.htmx(f"{url}/scan-pay", {"key": "scan-pay-1", "amount": "10.00", **form})
    assert answer.status_code == 200
    return order_in(answer.text)


def test_our_code_is_shown_large_until_it_is_paid_and_then_the_receipt(
    house: House, gateway: Scripted, desk: Signing, url: str, visit_id: UUID
) -> None:
    chen = desk("chen")
    start = chen.get(f"{url}/scan-pay").text
    assert "微信支付收款码" in start
    assert "支付宝收款码" not in start, "only what is set up is offered"
    amount = due(house, visit_id)
    order_id = asked(chen, url, method="wechat", amount=f"{amount / 100:.2f}")
    follow = f"/cashier/scan-pay/{order_id}"
    assert "正在提交微信支付" in chen.get(f"{follow}?stage=submitting").text
    work(house)
    answer = chen.get(f"{follow}?stage=submitting")
    assert answer.headers["HX-Retarget"] == "#scan-pay-body"
    assert "<svg" in answer.text
    assert "剩余 5:00" in answer.text
    same = chen.get(f"{follow}?stage=code")
    assert "<svg" not in same.text
    assert "every 1s" in same.text
    assert "尚无结果" in chen.get(f"{url}/scan-pay/live").text
    gateway.will("query", paid(amount))
    work(house, seconds=45)
    ended = chen.get(f"{follow}?stage=code", headers={"HX-Request": "true"})
    assert ended.headers["HX-Redirect"].startswith("/cashier/receipts/")
    assert "微信支付" in chen.get(ended.headers["HX-Redirect"]).text
    assert chen.get(f"{url}/scan-pay/live").text.strip() == ""


def test_what_is_unknown_is_said_to_be_unknown(house: House, gateway: Scripted, desk: Signing, url: str) -> None:
    chen = desk("chen")
    gateway.will("charge", Unclear("no_answer"))
    gateway.will("query", *[Unclear("no_answer")] * 5)
    order_id = asked(chen, url, auth_code=CODE)
    work(house)
    work(house, seconds=45)
    page = chen.get(f"/cashier/scan-pay/{order_id}?stage=submitting").text
    assert "结果未知,正在向微信支付查询,请勿重复收款" in page
    assert 'id="scan-pay-cancel"' not in page, "it may be left alone"
    assert "取消收款" in page


def test_a_cancelled_order_is_asked_for_anew(house: House, gateway: Scripted, desk: Signing, url: str) -> None:
    chen = desk("chen")
    order_id = asked(chen, url, method="wechat")
    page = chen.htmx(f"/cashier/scan-pay/{order_id}/cancel").text
    assert "未收款:收费员取消" in page
    assert "重新收款" in page
    assert 'name="key"' in chen.get(f"{url}/scan-pay").text


def test_money_that_went_another_way_meanwhile_is_said_to_go_back(
    house: House, gateway: Scripted, desk: Signing, acting: Acting, url: str, visit_id: UUID
) -> None:
    chen = desk("chen")
    amount = due(house, visit_id)
    order_id = asked(chen, url, method="wechat", amount=f"{amount / 100:.2f}")
    work(house)
    take_all(house, acting("lan"), visit_id)
    gateway.will("query", paid(amount))
    work(house, seconds=45)
    assert "正在自动原路退回" in chen.get(f"/cashier/scan-pay/{order_id}?stage=code").text


def test_the_browser_does_not_say_what_something_costs(
    house: House, gateway: Scripted, desk: Signing, url: str, visit_id: UUID
) -> None:
    chen = desk("chen")
    for amount in ("0", "-1", "0.005", "1e9", "NaN", f"{due(house, visit_id) / 100 + 0.01:.2f}"):
        answer = chen.htmx(f"{url}/scan-pay", {"key": "scan-pay-1", "amount": amount, "method": "wechat"})
        assert answer.status_code in (409, 422), amount
    for extra in ({"currency": "USD"}, {"paid": "1"}, {"method": "cash"}, {"auth_code": "12"}):
        answer = chen.htmx(f"{url}/scan-pay", {"key": "scan-pay-1", "amount": "1.00", "method": "wechat", **extra})
        assert answer.status_code in (409, 422), extra
    with house.unit(None, write=False) as db:
        assert list(service.orders_of(db, f"visit:{visit_id}")) == []


def test_who_takes_no_money_asks_for_none(house: House, gateway: Scripted, desk: Signing, url: str) -> None:
    order_id = asked(desk("chen"), url, method="wechat")
    for path in (f"{url}/scan-pay", f"/cashier/scan-pay/{order_id}"):
        assert desk("wu").get(path).status_code == 403
    assert desk("wu").htmx(f"/cashier/scan-pay/{order_id}/cancel").status_code in (403, 409)
    assert order(house, order_id).state == "created"

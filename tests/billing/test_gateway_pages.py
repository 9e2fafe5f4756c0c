"""The screens of payments through gateways: who needs somebody, one order's history, statements and their differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from billing import gateway_service as service
from billing import gateway_statement as statement
from billing.gateway_facts import OrderState
from billing.ports import Method, StatementLine
from exam.kit.house import House
from tests.billing.gateway_cases import AMOUNT, Scripted, desk_of, facts, opened, order, paid, refunds, through, work
from tests.conftest import Desk

Signing = Callable[[str], Desk]


@pytest.fixture
def gateway(house: House) -> Iterator[Scripted]:
    with through(house, Scripted()) as put:
        yield put


def late(house: House, gateway: Scripted) -> Any:
    """An order whose money came after the cashier cancelled it."""
    made = opened(house, target="late")
    work(house)
    with house.unit(desk_of(house)) as db:
        service.cancel_order(db, made.id)
    gateway.will("query", paid())
    work(house)
    return made


def test_the_first_list_is_what_needs_somebody(house: House, gateway: Scripted, desk: Signing) -> None:
    quiet, returning = opened(house), late(house, gateway)
    page = desk("qin").get("/payments/orders").text
    assert returning.order_no in page
    assert quiet.order_no not in page
    assert "取消后到账" in page
    assert quiet.order_no in desk("qin").get("/payments/orders?tab=open").text
    both = desk("qin").get("/payments/orders?tab=all").text
    assert quiet.order_no in both
    assert "微信支付(已启用)" in both


def test_an_order_is_found_by_the_end_of_its_number_and_by_the_gateways(house: House, gateway: Scripted, desk: Signing) -> None:
    first, second = opened(house, target="a"), late(house, gateway)
    found = desk("qin").get(f"/payments/orders?q={first.order_no[-8:].lower()}").text
    assert first.order_no in found
    assert second.order_no not in found
    assert second.order_no in desk("qin").get("/payments/orders?q=T1").text
    for odd in ("%25", "_", "%00", "x" * 3000, "' or 1=1"):
        assert desk("qin").get(f"/payments/orders?q={odd}").status_code in (200, 422)
    assert "没有找到该订单" in desk("qin").get("/payments/orders?q=%25").text


def test_one_order_tells_its_history_and_is_asked_about_at_once(house: House, gateway: Scripted, desk: Signing) -> None:
    made = opened(house)
    work(house)
    page = desk("qin").get(f"/payments/orders/{made.id}").text
    assert "网关已受理" in page
    assert "立即查询网关" in page
    gateway.will("query", paid())
    assert desk("qin").post(f"/payments/orders/{made.id}/ask").status_code == 303
    work(house)
    assert order(house, made.id).state == OrderState.PAID
    page = desk("qin").get(f"/payments/orders/{made.id}").text
    assert "确认到账" in page
    assert "立即查询网关" not in page
    answer = desk("qin").htmx(f"/payments/orders/{made.id}/ask")
    assert (answer.status_code, "已有结果" in answer.text) == (409, True)
    assert desk("qin").htmx(f"/payments/orders/{made.id}/return").status_code == 409, "what was booked is given back by the cashier"


def test_a_disputed_payment_is_given_back_by_hand_once(house: House, gateway: Scripted, desk: Signing) -> None:
    made = opened(house)
    work(house)
    gateway.will("query", paid(AMOUNT + 5))
    work(house, seconds=45)
    assert "原路退回 123.50 元" in desk("qin").get(f"/payments/orders/{made.id}").text
    assert desk("qin").post(f"/payments/orders/{made.id}/return").status_code == 303
    assert desk("qin").htmx(f"/payments/orders/{made.id}/return").status_code == 409
    assert [each.amount_fen for each in refunds(house, made.id)] == [AMOUNT + 5]
    assert facts(house, made.id)[-1] == "open"


def test_a_difference_is_listed_until_it_is_explained(house: House, gateway: Scripted, desk: Signing) -> None:
    gateway.will("statement", (StatementLine("EX01261121ABCDEFGHJKLM", "T9", 777),))
    statement.fetch(house, Method.WECHAT, date(2026, 11, 20))
    page = desk("qin").get("/payments/statements").text
    assert "网关多出(长款)" in page
    assert "7.77" in page
    with house.unit(desk_of(house), write=False) as db:
        [found] = statement.differences(db)
    url = f"/payments/statements/{found.id}/explain"
    answer = desk("qin").htmx(url, {"explanation": "x"})
    assert (answer.status_code, "差异说明应为" in answer.text) == (409, True)
    assert desk("qin").post(url, {"explanation": "<b>恢复备份前的订单</b>,已核实"}).status_code == 303
    assert "没有待说明的差异" in desk("qin").get("/payments/statements").text
    assert "&lt;b&gt;恢复备份前的订单" in desk("qin").get("/payments/statements?tab=explained").text


def test_only_who_reconciles_sees_it(house: House, gateway: Scripted, desk: Signing) -> None:
    made = opened(house)
    for url in ("/payments/orders", f"/payments/orders/{made.id}", "/payments/statements"):
        assert desk("wu").get(url).status_code == 403
    assert desk("wu").post(f"/payments/orders/{made.id}/ask").status_code == 403
    assert desk("qin").get("/payments/orders/nothing").status_code == 404


def test_a_folder_of_papers_that_others_can_read_is_told_on_the_screen(house: House, desk: Signing) -> None:
    gateway = Scripted()
    gateway.unset = "exposed"
    with through(house, gateway):
        page = desk("qin").get("/payments/orders").text
    assert "密钥文件权限过宽" in page

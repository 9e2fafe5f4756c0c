"""Pure rules of payments through gateways: numbers, schedules, statements, and the forms in which the gateways write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
import zxingcpp
from PIL import Image

from billing import gateway_rules as rules
from billing.gateway_code import draw_code
from billing.gateway_facts import OrderState
from billing.ports import StatementLine, Unclear
from exam.kit.errors import Refused
from interfaces import alipay, wechat_pay

NOON = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def test_an_order_number_fits_every_gateway_and_is_known_again() -> None:
    number = rules.order_no("01", date(2026, 11, 21), bytes(range(250, 256)) + b"\x00\x01")
    assert len(number) == 22
    assert rules.is_ours(number, "01")
    assert not rules.is_ours(number, "02")
    assert not rules.is_ours(number + "1", "01")
    assert len({rules.order_no("01", date(2026, 11, 21), at.to_bytes(8, "big")) for at in range(0, 16_000, 16)}) == 1000


def test_questions_begin_at_once_and_never_pause_for_more_than_five_minutes() -> None:
    pauses = [rules.next_question(NOON, asks) - NOON for asks in range(200)]
    assert pauses[0] == timedelta(seconds=3)
    assert max(pauses) == timedelta(minutes=5)
    assert pauses == sorted(pauses)


@pytest.mark.parametrize("code", ["", "12345", "13456789012345678x", "1" * 25, "１３４５６７８９０１２３４５６７８"])
def test_what_is_no_payment_code_is_refused(code: str) -> None:
    with pytest.raises(Refused, match=r"billing.auth_code"):
        rules.require_auth_code(code)


def test_money_is_late_only_for_what_nobody_waits_for() -> None:
    assert rules.what_payment_means(OrderState.CLOSING, "expired") == "pay"
    assert rules.what_payment_means(OrderState.CLOSING, "cancelled") == "pay_late"
    assert rules.what_payment_means(OrderState.CLOSED, "expired") == "pay_late"
    assert rules.what_payment_means(OrderState.UNKNOWN, "") == "pay"


def test_statements_are_due_from_ten_in_the_morning_and_for_a_week() -> None:
    nine, first = datetime(2026, 11, 21, 1, 0, tzinfo=UTC), date(2026, 11, 1)
    assert rules.statement_days(nine, first, [])[-1] == date(2026, 11, 19)
    assert rules.statement_days(NOON, first, []) == [date(2026, 11, day) for day in range(14, 21)]
    assert rules.statement_days(NOON, date(2026, 11, 20), []) == [date(2026, 11, 20)]
    assert rules.statement_days(NOON, date(2026, 11, 20), [date(2026, 11, 20)]) == []
    assert rules.statement_days(NOON, None, []) == []


def test_a_statement_and_our_books() -> None:
    lines = [
        StatementLine("A", "1", 100),
        StatementLine("B", "2", 200),
        StatementLine("C", "3", 300),
        StatementLine("C", "3", 50, "C-R"),
    ]
    booked = {
        ("A", ""): rules.Booked("A", "", 100, True), ("B", ""): rules.Booked("B", "", 201, True), ("D", ""): rules.Booked("D", "", 5, True),
        ("C", "C-R"): rules.Booked("C", "C-R", 50, False), ("E", ""): rules.Booked("E", "", 5, False),
    }  # fmt: skip
    found = {(each.kind, each.order_no, each.refund_no, each.ours_fen, each.theirs_fen) for each in rules.compare(lines, booked)}
    assert found == {("amount", "B", "", 201, 200), ("long", "C", "", 0, 300), ("short", "D", "", 5, 0)}


def test_statements_are_read_by_the_names_of_their_columns() -> None:
    wechat = (
        "交易状态,微信订单号,商户订单号,商户退款单号,退款金额,订单金额\r\n`SUCCESS,`42,`EX1,`0,`0.00,`123.45\r\n"
        "`REFUND,`42,`EX1,`R1,`3.00,`0.00\r\n总交易单数\r\n`2\r\n"
    )
    assert wechat_pay.statement_lines(wechat) == (StatementLine("EX1", "42", 12_345), StatementLine("EX1", "42", 300, "R1"))
    bill = (
        "#x\r\n支付宝交易号,商户订单号,业务类型,订单金额（元）,退款批次号/请求号\r\n20\t,EX1\t,交易,123.45,\r\n"
        "20\t,EX1\t,退款,-3.00,R1\t\r\n#end\r\n"
    )
    assert alipay.statement_lines(bill) == (StatementLine("EX1", "20", 12_345), StatementLine("EX1", "20", 300, "R1"))
    for read, text in (
        (wechat_pay.statement_lines, ""),
        (alipay.statement_lines, "#"),
        (wechat_pay.statement_lines, "商户订单号\r\n`1\r\n"),
    ):
        with pytest.raises(Unclear):
            read(text)


def test_a_code_is_drawn_so_that_a_telephone_reads_it() -> None:
    text = "weixin://wxpay/bizpayurl?pr=EX01261121&<x>"
    drawn = draw_code(text)
    assert re.fullmatch(r"(M\d+ \d+h1v1h-1z)+", drawn.dark)
    picture = Image.new("L", (drawn.size, drawn.size), 255)
    for x, y in re.findall(r"M(\d+) (\d+)h1", drawn.dark):
        picture.putpixel((int(x), int(y)), 0)
    [found] = zxingcpp.read_barcodes(picture.resize((drawn.size * 4, drawn.size * 4), Image.Resampling.NEAREST))
    assert found.text == text

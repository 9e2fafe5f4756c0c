"""Screens of payments through gateways: what needs somebody, one order with its history, the statements and their differences."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery

from billing import gateway_lists as lists
from billing import gateway_service as service
from billing import gateway_statement as statement
from billing.gateway_facts import (
    DIFFERENCE_NAMES,
    METHOD_NAMES,
    ORDER_STATE_NAMES,
    REASONS,
    REFUND_STATE_NAMES,
    REFUND_TONES,
    OrderState,
)
from billing.ports import PAYMENT_GATEWAYS
from exam.kit import audit, web
from exam.kit.forms import read_form
from exam.kit.house import House, house_of

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

TONES = {
    OrderState.CREATED: "blue", OrderState.UNKNOWN: "amber", OrderState.ASKED: "blue", OrderState.CLOSING: "amber",
    OrderState.PAID: "green", OrderState.CLOSED: "grey", OrderState.DECLINED: "grey", OrderState.LATE: "red", OrderState.DISPUTED: "red",
}  # fmt: skip
WORDS: dict[str, Any] = {
    "states": ORDER_STATE_NAMES, "tones": TONES, "refund_states": REFUND_STATE_NAMES, "refund_tones": REFUND_TONES, "methods": METHOD_NAMES,
    "reasons": REASONS,
}  # fmt: skip


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def _gateways(house: House) -> list[tuple[str, str]]:
    """Each way to pay and why it is not offered; empty where it is."""
    gateways = house.modules.provided(PAYMENT_GATEWAYS)
    return [(METHOD_NAMES[method], REASONS.get(problem := gateway.problem(house), problem)) for method, gateway in gateways.items()]


@web.get("/payments/orders", may="billing.reconcile")
def show_orders(
    request: AnyRequest, db: web.Db, tab: FromQuery[str] = "attention", q: FromQuery[str] = "", page: FromQuery[str] = "1"
) -> web.Page:
    """Orders that need somebody, those that are open, or all of them."""
    tab = tab if tab in lists.TABS else "attention"
    orders, differences = lists.count_of_attention(db)
    return web.page(
        db, "billing/gateway_orders.html", found=lists.find(db, tab, q, _number(page)), tab=tab, tabs=lists.TABS, q=q.strip()[:64],
        attention=orders, differences=differences, gateways=_gateways(house_of(db)), **WORDS,
    )  # fmt: skip


@web.get("/payments/orders/{order_id:str}", may="billing.reconcile")
def show_order(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> web.Page:
    """One order: where it stands, its refunds, and what happened."""
    return web.page(db, "billing/gateway_order.html", detail=lists.detail(db, web.uuid_of(order_id)), **WORDS)


@web.post("/payments/orders/{order_id:str}/ask", may="billing.reconcile")
def ask(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> web.Page:
    """Has the gateway asked at once."""
    row = service.get_row(db, web.uuid_of(order_id))
    audit.note(db, "billing.gateway_ask", subject=f"order:{row.order_no}")
    service.ask_again(db, row.id)
    return web.back_to(db, f"/payments/orders/{row.id}", toast="已提交查询,稍后刷新查看结果")


@web.post("/payments/orders/{order_id:str}/return", may="billing.reconcile")
def return_money(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> web.Page:
    """Gives back all that is left of money that was disputed or came late."""
    row = service.get_row(db, web.uuid_of(order_id))
    audit.note(db, "billing.gateway_return", subject=f"order:{row.order_no}")
    service.return_rest(db, row.id)
    return web.back_to(db, f"/payments/orders/{row.id}", toast="已发起退款")


@web.get("/payments/statements", may="billing.reconcile")
def show_statements(request: AnyRequest, db: web.Db, tab: FromQuery[str] = "open") -> web.Page:
    """The gateways' statements and what they and our books do not agree about."""
    is_open = tab != "explained"
    orders, count = lists.count_of_attention(db)
    return web.page(
        db, "billing/gateway_statements.html", statements=statement.statements(db), found=statement.differences(db, is_open=is_open),
        is_open=is_open, kinds=DIFFERENCE_NAMES, attention=orders, differences=count, **WORDS,
    )  # fmt: skip


class ExplainForm(msgspec.Struct, forbid_unknown_fields=True):
    """Why a statement and our books differ."""

    explanation: str = ""


@web.post("/payments/statements/{difference_id:str}/explain", may="billing.reconcile")
def explain(request: AnyRequest, db: web.Db, difference_id: FromPath[str], data: FormData) -> web.Page:
    """Writes an explanation down."""
    form = read_form(data, ExplainForm, {"explanation": "差异说明"})
    statement.explain(db, web.uuid_of(difference_id), form.explanation)
    return web.back_to(db, "/payments/statements", toast="已登记说明")


routes = (show_orders, show_order, ask, return_money, show_statements, explain)

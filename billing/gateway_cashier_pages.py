"""The cashier's dialog for payments by telephone: show our code or scan the customer's, wait, and say only what is known."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from sqlalchemy.orm import Session

from billing import balances, gateway_cashier
from billing import gateway_service as service
from billing.gateway_code import draw_code
from billing.gateway_facts import METHOD_NAMES
from billing.ports import Method
from exam.kit import audit, web
from exam.kit.forms import read_form
from exam.kit.house import house_of
from exam.kit.money import fen_from_yuan
from exam.visits import service as visits

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
Text = Annotated[str, msgspec.Meta(max_length=80)]

TEMPLATE = "billing/_gateway_pay.html"
LABELS = {"key": "提交标识", "amount": "金额", "auth_code": "付款码", "method": "收款方式"}


class AskForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be paid, in yuan; the customer's code, or by which gateway ours is shown."""

    key: Text
    amount: Text
    auth_code: Text = ""
    method: Method | None = None


def _start(db: Session, visit_no: str) -> web.Page:
    card = visits.card_of(db, visit_no)
    return web.page(
        db, TEMPLATE, part="start", url=f"/cashier/visits/{card.visit_no}/scan-pay", key=house_of(db).ids.new().hex,
        due=balances.amount_due(db, card.id), offered=service.offered(house_of(db)), methods=METHOD_NAMES,
    )  # fmt: skip


def _shown(db: Session, waiting: gateway_cashier.Waiting, part: str, headers: dict[str, str] | None = None) -> web.Page:
    code = draw_code(waiting.order.code) if part == "wait" and waiting.stage == "code" else None
    return web.page(
        db, TEMPLATE, headers=headers, part=part, waiting=waiting, order=waiting.order, code=code, methods=METHOD_NAMES,
        url=f"/cashier/visits/{visits.card(db, waiting.visit_id).visit_no}", may_reconcile=db.info["actor"].may("billing.reconcile"),
    )  # fmt: skip


@web.get("/cashier/visits/{visit_no:str}/scan-pay", may="billing.take_payment")
def show(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> web.Page:
    """The dialog: the order that waits, or what a new one needs."""
    order_id = gateway_cashier.live(db, visits.card_of(db, visit_no).id)
    return _start(db, visit_no) if order_id is None else _shown(db, gateway_cashier.waiting(db, order_id), "wait")


@web.get("/cashier/visits/{visit_no:str}/scan-pay/live", may="billing.take_payment")
def show_live(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> web.Page:
    """A line on the visit's page while an order is not settled, so that nobody takes the money twice; nothing otherwise."""
    order_id = gateway_cashier.live(db, visits.card_of(db, visit_no).id)
    if order_id is None:
        return web.page(db, TEMPLATE, part="quiet")
    return _shown(db, gateway_cashier.waiting(db, order_id), "line")


@web.post("/cashier/visits/{visit_no:str}/scan-pay", may="billing.take_payment")
def ask(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Puts the order down, once however often the form is sent, and waits."""
    form = read_form({name: value for name, value in data.items() if value != ""}, AskForm, LABELS)
    card = visits.card_of(db, visit_no)
    order_id = gateway_cashier.ask_once(db, form.key, card.id, fen_from_yuan(form.amount), form.method, form.auth_code)
    order = service.order(db, order_id)
    audit.note(db, "billing.scan_pay", subject=f"order:{order.order_no}")
    return _shown(db, gateway_cashier.waiting(db, order_id), "wait")


@web.get("/cashier/scan-pay/{order_id:str}", may="billing.take_payment")
def follow(request: AnyRequest, db: web.Db, order_id: FromPath[str], stage: FromQuery[str] = "") -> web.Page:
    """Asked each second while the dialog is open: the line below the code, or all of it when something happened."""
    found = gateway_cashier.waiting(db, web.uuid_of(order_id))
    if found.stage == "booked":
        return web.back_to(db, f"/cashier/receipts/{found.receipt_id}", toast="已收款")
    if found.stage == stage:
        return _shown(db, found, "state")
    return _shown(db, found, "wait", {"HX-Retarget": "#scan-pay-body", "HX-Reswap": "innerHTML"})


@web.post("/cashier/scan-pay/{order_id:str}/cancel", may="billing.take_payment")
def cancel(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> web.Page:
    """Waits for it no more; what is paid all the same goes back by itself."""
    found = gateway_cashier.waiting(db, web.uuid_of(order_id))
    if found.stage == "booked":
        return web.back_to(db, f"/cashier/receipts/{found.receipt_id}", toast="取消前已到账,已收款")
    if found.stage not in ("over", "returned", "disputed"):
        audit.note(db, "billing.scan_pay_cancel", subject=f"order:{found.order.order_no}")
        service.cancel_order(db, found.order.id)
    return _shown(db, gateway_cashier.waiting(db, found.order.id), "wait")


routes = (show, show_live, ask, follow, cancel)

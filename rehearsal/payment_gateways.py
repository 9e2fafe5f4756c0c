"""WeChat Pay and Alipay on this machine: peers over real sockets that sign with keys of their own, and misbehave on command.

`exam rehearse-payments` serves both on one port, with a page of the open orders on which a customer is played by a button.
"""

from __future__ import annotations

import html
import json
import re
import threading
import time
from argparse import Namespace
from collections.abc import Callable
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import msgspec

from exam.settings import Settings
from rehearsal.payment_books import (
    ALIPAY_APPID,
    BEIJING,
    MCHID,
    PUBLIC_KEY_ID,
    SERIAL,
    Books,
    Keys,
    Order,
    Refund,
    Refusal,
    is_signed,
    sign,
    zipped,
)

CLOCK_SECONDS = 300
Kind = Literal["", "ask", "charge", "query", "close", "refund", "query_refund", "statement"]


class Behaviour(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How the gateways behave from now on, towards requests of kind `only` (all when empty).

    `busy`: 429, no effect. `refuse`: a definite no. `fault`: has its effect, then 500. `drop`: has its effect, and the connection ends
    without an answer. `delay`: has its effect, answered after `seconds`. `payer`: whether a customer pays at once. Callbacks are sent
    `once`, `twice`, `never`, or are held until `/control/release`, which sends them in the opposite order. `refunds`: how they end.
    `lie_fen` is added to the amount that callbacks tell.
    """

    mode: Literal["answer", "busy", "refuse", "fault", "drop", "delay"] = "answer"
    only: Kind = ""
    seconds: float = 0.0
    payer: Literal["waits", "pays"] = "waits"
    callbacks: Literal["once", "twice", "never", "hold"] = "once"
    refunds: Literal["success", "processing", "failed"] = "success"
    lie_fen: int = 0


class Gateways:
    """Both gateways: their books, how they behave, and the callbacks that are on the way."""

    def __init__(self, books: Books) -> None:
        self.books, self.behaviour = books, Behaviour()
        self.held: list[Callable[[], int]] = []
        self.number = 0

    def tell_payment(self, order: Order, *, event: str = "", at: datetime | None = None) -> int:
        """Sends the callback of a payment; returns the status it was answered with."""
        event, lie = event or f"EV-{order.order_no}", self.behaviour.lie_fen
        if order.method == "wechat":
            lied = {"total": order.amount_fen + lie, "currency": "CNY"}
            content = self.books.wechat_trade(order, **({"amount": lied} if lie else {}))
            return self._post(order, *self.books.wechat_callback(content, event, at=at))
        total = order.amount_fen + lie
        fields = self.books.alipay_fields(order, event, at=at, total_amount=f"{total // 100}.{total % 100:02d}")
        return self._post(order, *self.books.alipay_callback(fields))

    def tell_refund(self, order: Order, refund: Refund) -> int:
        """Sends the callback of a refund."""
        event = f"EV-{refund.refund_no}"
        if order.method == "wechat":
            content = self.books.wechat_refund(order, refund, is_callback=True)
            kind = {"success": "REFUND.SUCCESS", "processing": "REFUND.SUCCESS", "failed": "REFUND.ABNORMAL"}[refund.state]
            return self._post(order, *self.books.wechat_callback(content, event, kind=kind))
        back = order.returned_fen
        fields = self.books.alipay_fields(order, event, out_biz_no=refund.refund_no, refund_fee=f"{back // 100}.{back % 100:02d}")
        return self._post(order, *self.books.alipay_callback(fields))

    def _post(self, order: Order, headers: dict[str, str], body: bytes) -> int:
        try:
            status = httpx.post(order.notify_url, content=body, headers=headers, timeout=20, trust_env=False).status_code
        except httpx.HTTPError:
            status = 0
        order.answers.append(status)
        return status

    def send(self, call: Callable[[], int]) -> None:
        """Sends a callback as often as the behaviour says, a moment later."""
        how = self.behaviour.callbacks
        if how == "hold":
            self.held.append(call)
        for _ in range({"once": 1, "twice": 2}.get(how, 0)):
            threading.Thread(target=call, daemon=True).start()

    def release(self) -> list[int]:
        """Sends what was held, the last one first."""
        held, self.held = self.held, []
        return [call() for call in reversed(held)]

    def customer_pays(self, order_no: str) -> Order:
        """The customer pays, and the callback is on its way."""
        order = self.books.pay(order_no)
        self.send(lambda: self.tell_payment(order))
        return order

    def asked(self, method: str, order_no: str, amount_fen: int, notify_url: str, *, is_charge: bool = False) -> Order:
        """An order was asked for; a customer who pays at once does."""
        order = self.books.ask(method, order_no, amount_fen, notify_url, is_charge=is_charge)
        if self.behaviour.payer == "pays" and order.state == "unpaid":
            self.customer_pays(order_no)
        return order

    def refunded(self, method: str, order_no: str, refund_no: str, amount_fen: int) -> Refund:
        """A refund was asked for."""
        refund = self.books.give_back(method, order_no, refund_no, amount_fen, self.behaviour.refunds)
        order = self.books.orders[order_no]
        self.send(lambda: self.tell_refund(order, refund))
        return refund


def _handler(gateways: Gateways) -> type[BaseHTTPRequestHandler]:
    books = gateways.books

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            """Nothing: who paid what is what nobody needs in a log."""

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def answer_json(self, status: int, content: Any) -> None:
            self.answer(status, msgspec.json.encode(content), {"content-type": "application/json"})

        def do_GET(self) -> None:
            self.serve(b"")

        def do_POST(self) -> None:
            self.serve(self.rfile.read(int(self.headers.get("content-length") or 0)))

        def serve(self, body: bytes) -> None:
            path = urlsplit(self.path).path
            if path.startswith("/v3/"):
                self.wechat(path, body)
            elif path == "/gateway.do":
                self.alipay(body)
            elif path.startswith("/bills/"):
                self.answer(
                    200,
                    books.alipay_statement(date.fromisoformat(path.removeprefix("/bills/"))),
                    {"content-type": "application/zip"},
                )
            else:
                self.control(path, body)

        # --- WeChat Pay ---

        def wechat(self, path: str, body: bytes) -> None:
            if not self._is_merchant(body):
                self.answer_json(401, {"code": "SIGN_ERROR", "message": "signature"})
                return
            if path == "/v3/billdownload/file":
                packed, _ = zipped(books.wechat_statement(date.fromisoformat(parse_qs(urlsplit(self.path).query)["token"][0])))
                self.answer(200, packed, {"content-type": "application/x-gzip"})
                return
            kind = _wechat_kind(path, self.command)
            if not self._meets(kind, lambda code, status: self.answer_json(status, {"code": code, "message": code})):
                return
            try:
                content = self._wechat_content(kind, path, json.loads(body or b"{}"))
            except Refusal as refusal:
                code = "RESOURCE_NOT_EXISTS" if kind == "query_refund" else refusal.code
                self.answer_json(refusal.status, {"code": code, "message": code})
                return
            text = "" if content is None else json.dumps(content)
            self._finish(lambda status: self.answer(status, text.encode(), books.wechat_headers(text)), 200 if text else 204)

        def _is_merchant(self, body: bytes) -> bool:
            scheme, _, told = self.headers.get("authorization", "").partition(" ")
            given = dict(re.findall(r'(\w+)="([^"]*)"', told))
            if scheme != "WECHATPAY2-SHA256-RSA2048" or given.get("mchid") != MCHID or given.get("serial_no") != SERIAL:
                return False
            stamp = given.get("timestamp", "")
            if (
                not stamp.isdigit()
                or abs(time.time() - int(stamp)) > CLOCK_SECONDS
                or self.headers.get("wechatpay-serial") != PUBLIC_KEY_ID
            ):
                return False
            text = f"{self.command}\n{self.path}\n{stamp}\n{given.get('nonce_str', '')}\n{body.decode()}\n"
            return is_signed(books.keys.merchant["wechat"], text, given.get("signature", ""))

        def _wechat_content(self, kind: str, path: str, given: dict[str, Any]) -> dict[str, Any] | None:
            parts = path.split("/")
            if kind in ("ask", "charge"):
                amount, number = int(given["amount"]["total"]), str(given["out_trade_no"])
                url = str(given.get("notify_url") or f"{self._callback()}/api/payments/wechat")
                order = gateways.asked("wechat", number, amount, url, is_charge=kind == "charge")
                return books.wechat_trade(order) if kind == "charge" else {"code_url": f"weixin://wxpay/bizpayurl?pr={number}"}
            if kind == "query":
                return books.wechat_trade(books.find("wechat", parts[-1]))
            if kind == "close":
                books.close("wechat", parts[-2])
                return {"out_trade_no": parts[-2]} if parts[-1] == "reverse" else None
            if kind == "refund":
                number = str(given["out_trade_no"])
                refund = gateways.refunded("wechat", number, str(given["out_refund_no"]), int(given["amount"]["refund"]))
                return books.wechat_refund(books.orders[number], refund)
            if kind == "query_refund":
                for order in books.orders.values():
                    if parts[-1] in order.refunds:
                        return books.wechat_refund(order, order.refunds[parts[-1]])
                raise Refusal("RESOURCE_NOT_EXISTS", 404)
            day = parse_qs(urlsplit(self.path).query)["bill_date"][0]
            _, digest = zipped(books.wechat_statement(date.fromisoformat(day)))
            url = f"http://{self.headers['host']}/v3/billdownload/file?token={day}"
            return {"hash_type": "SHA1", "hash_value": digest, "download_url": url}

        def _callback(self) -> str:
            return str(gateways.books.keys.folder.joinpath("peer", "callback").read_text())

        # --- Alipay ---

        def alipay(self, body: bytes) -> None:
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
            name = fields.get("method", "").replace(".", "_") + "_response"
            text = "&".join(f"{key}={value}" for key, value in sorted(fields.items()) if key != "sign")
            told_at = datetime.strptime(fields.get("timestamp", "2000-01-01 00:00:00"), "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
            is_near = abs((told_at - books.clock().astimezone(BEIJING).replace(tzinfo=None)).total_seconds()) <= CLOCK_SECONDS
            is_own = fields.get("app_id") == ALIPAY_APPID and fields.get("sign_type") == "RSA2" and is_near
            if not is_own or not is_signed(books.keys.merchant["alipay"], text, fields.get("sign", "")):
                self._alipay_answer(name, {"code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-signature"})
                return
            kind, asked = _ALIPAY_KINDS[fields["method"]], json.loads(fields["biz_content"])

            def refuse(code: str, status: int) -> None:
                sub_code = {"busy": "isv.app-call-limited", "FREQUENCY_LIMITED": "isv.app-call-limited"}.get(code, f"ACQ.{code}")
                self._alipay_answer(name, {"code": "40004", "msg": "Business Failed", "sub_code": sub_code})

            if not self._meets(kind, refuse):
                return
            try:
                content = self._alipay_content(kind, asked, fields)
            except Refusal as refusal:
                codes = {"ORDER_NOT_EXIST": "TRADE_NOT_EXIST", "ORDERPAID": "TRADE_HAS_SUCCESS", "ORDER_CLOSED": "TRADE_HAS_CLOSE"}
                refuse(codes.get(refusal.code, refusal.code), refusal.status)
                return
            self._finish(lambda status: self._alipay_answer(name, {"code": "10000", "msg": "Success", **content}, status), 200)

        def _alipay_answer(self, name: str, content: dict[str, Any], status: int = 200) -> None:
            text = json.dumps(content, ensure_ascii=False)
            signature = sign(books.keys.platform["alipay"], text)
            self.answer(status, f'{{"{name}":{text},"sign":"{signature}"}}'.encode(), {"content-type": "text/html;charset=utf-8"})

        def _alipay_content(self, kind: str, asked: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
            number = str(asked.get("out_trade_no", ""))
            if kind == "statement":
                return {"bill_download_url": f"http://{self.headers['host']}/bills/{asked['bill_date']}"}
            if kind in ("ask", "charge"):
                amount = _fen(str(asked["total_amount"]))
                order = gateways.asked("alipay", number, amount, fields.get("notify_url", ""), is_charge=kind == "charge")
                if kind == "ask":
                    return {"out_trade_no": number, "qr_code": f"https://qr.alipay.com/{number.lower()}"}
                if order.state != "paid":
                    return {"code": "10003", "out_trade_no": number}
                told = books.alipay_fields(order, "")
                return {key: told[key] for key in ("out_trade_no", "trade_no", "total_amount", "gmt_payment")}
            order = books.find("alipay", number)
            if order.state == "unpaid" and not order.is_charge:
                raise Refusal("ORDER_NOT_EXIST")  # a scanned order exists only once it was scanned
            if kind == "query":
                told = books.alipay_fields(order, "")
                kept = {key: told[key] for key in ("out_trade_no", "trade_no", "trade_status", "total_amount")}
                return kept | ({"send_pay_date": told["gmt_payment"]} if "gmt_payment" in told else {})
            if kind == "close":
                books.close("alipay", number)
                return {"out_trade_no": number}
            refund_no = str(asked["out_request_no"])
            if kind == "refund":
                gateways.refunded("alipay", number, refund_no, _fen(str(asked["refund_amount"])))
                back = order.returned_fen
                return {
                    "out_trade_no": number,
                    "trade_no": order.trade_no,
                    "fund_change": "Y",
                    "refund_fee": f"{back // 100}.{back % 100:02d}",
                }
            refund = order.refunds.get(refund_no)
            if refund is None or refund.state == "failed":
                return {}
            amount_text = f"{refund.amount_fen // 100}.{refund.amount_fen % 100:02d}"
            told = {"out_trade_no": number, "trade_no": order.trade_no, "out_request_no": refund_no, "refund_amount": amount_text}
            return told | {"refund_status": "REFUND_SUCCESS" if refund.state == "success" else "REFUND_PROCESSING"}

        # --- how it behaves ---

        def _meets(self, kind: str, refuse: Callable[[str, int], None]) -> bool:
            how = gateways.behaviour
            if how.mode not in ("busy", "refuse") or how.only not in ("", kind):
                self.kind = kind
                return True
            refuse(*(("FREQUENCY_LIMITED", 429) if how.mode == "busy" else ("NOAUTH", 403)))
            return False

        def _finish(self, answer: Callable[[int], None], status: int) -> None:
            how = gateways.behaviour
            mode = how.mode if how.only in ("", self.kind) else "answer"
            if mode == "drop":
                self.close_connection = True
                return
            if mode == "delay":
                time.sleep(how.seconds)
            answer(500 if mode == "fault" else status)

        def control(self, path: str, body: bytes) -> None:
            try:
                if path == "/control":
                    gateways.behaviour = msgspec.json.decode(body, type=Behaviour)
                    self.answer_json(200, gateways.behaviour)
                elif path == "/control/pay":
                    given = dict(parse_qsl(body.decode())) if b"=" in body else json.loads(body)
                    self._paid(str(given["order_no"]))
                elif path == "/control/tell":
                    order = books.orders[str(json.loads(body)["order_no"])]
                    self.answer_json(200, {"status": gateways.tell_payment(order)})
                elif path == "/control/settle":  # refunds that were processing are done
                    for order in books.orders.values():
                        for refund in order.refunds.values():
                            refund.state = "success"
                    self.answer_json(200, {})
                elif path == "/control/release":
                    self.answer_json(200, {"statuses": gateways.release()})
                elif path == "/stored":
                    self.answer_json(200, list(books.orders.values()))
                elif path == "/":
                    self.answer(200, _page(books).encode(), {"content-type": "text/html; charset=utf-8"})
                else:
                    self.answer_json(404, {"code": "unknown"})
            except (msgspec.DecodeError, ValueError, KeyError, Refusal):
                self.answer_json(400, {"code": "body"})

        def _paid(self, order_no: str) -> None:
            gateways.customer_pays(order_no)
            if self.headers.get("content-type", "").startswith("application/x-www-form"):
                self.answer(303, b"", {"location": "/"})
            else:
                self.answer_json(200, {})

    return Handler


_ALIPAY_KINDS = {
    "alipay.trade.precreate": "ask", "alipay.trade.pay": "charge", "alipay.trade.query": "query", "alipay.trade.close": "close",
    "alipay.trade.cancel": "close", "alipay.trade.refund": "refund", "alipay.trade.fastpay.refund.query": "query_refund",
    "alipay.data.dataservice.bill.downloadurl.query": "statement",
}  # fmt: skip


def _wechat_kind(path: str, verb: str) -> str:
    if path.endswith("/native"):
        return "ask"
    if path.endswith("/codepay"):
        return "charge"
    if path.endswith(("/close", "/reverse")):
        return "close"
    if path.startswith("/v3/refund/"):
        return "refund" if verb == "POST" else "query_refund"
    return "statement" if path.startswith("/v3/bill/") else "query"


def _fen(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * 100 + int((part + "00")[:2])


def _page(books: Books) -> str:
    """The customers' telephones: the open orders, each with a button."""
    rows = "".join(
        f"<li>{html.escape(order.method)} {html.escape(order.order_no)} {order.amount_fen / 100:.2f} 元 "
        f'<form method="post" action="/control/pay"><button name="order_no" value="{html.escape(order.order_no)}">付款</button></form></li>'
        for order in books.orders.values()
        if order.state == "unpaid"
    )
    return f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>支付演练</title><h1>等待付款</h1><ul>{rows or "没有"}</ul></html>'


def make(folder: Path, port: int, callback: str, books: Books | None = None) -> tuple[ThreadingHTTPServer, Gateways]:
    """Both gateways on loopback, and the merchant's papers in `folder`; the caller serves them. Port 0 lets the system choose."""
    gateways = Gateways(books or Books(Keys(folder)))
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(gateways))
    server.daemon_threads = True
    gateways.books.keys.write_papers(f"http://127.0.0.1:{server.server_port}", callback)
    gateways.books.keys.write("peer/callback", callback.encode())
    return server, gateways


def run(settings: Settings, arguments: Namespace) -> int:
    """`exam rehearse-payments`: serves until it is interrupted."""
    folder = Path(arguments.keys or settings.payments or settings.keys.parent / "payments")
    server, _ = make(folder, arguments.port, arguments.callback)
    print(f"支付网关演练: http://127.0.0.1:{server.server_port} (EXAM_PAYMENTS={folder})", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0

"""WeChat Pay (API v3) through wechatpayv3: native codes, payment codes, refunds, callbacks, and the statement of a day.

The library signs, verifies and decrypts. It takes a callback of any age and asks the network about a key that it does not know, so
the time and the key's id are checked here before it sees anything. Answers with an error status carry no checked signature; they
never make a payment, only TLS stands behind them.
"""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from billing.ports import (
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
from exam.kit.clock import local
from exam.kit.errors import Refused
from exam.kit.money import fen_from_yuan
from interfaces.payment_keys import Papers, WechatPaper, read_papers

CONNECT_SECONDS, READ_SECONDS = 4.0, 10.0
CLOCK_SECONDS = 300
"""How far a callback's time may be from ours: the library accepts one that is years old."""

MOST_STATEMENT_BYTES = 64 * 1024 * 1024
ALGORITHM = "WECHATPAY2-SHA256-RSA2048"

_STATES = {
    "SUCCESS": "paid", "REFUND": "paid", "NOTPAY": "unpaid", "USERPAYING": "unpaid", "ACCEPT": "unpaid", "CLOSED": "closed",
    "REVOKED": "closed", "PAYERROR": "failed",
}  # fmt: skip
_REFUND_STATES = {"SUCCESS": "success", "PROCESSING": "processing", "CLOSED": "failed", "ABNORMAL": "failed"}

_NO_EFFECT = {"SIGN_ERROR": "not_authorised", "FREQUENCY_LIMITED": "busy", "RATELIMIT_EXCEEDED": "busy", "RATE_LIMITED": "busy"}
_OPEN_QUESTION = frozenset(
    {"SYSTEM_ERROR", "SYSTEMERROR", "BANK_ERROR", "BANKERROR", "USERPAYING", "USER_PAYING", "ORDERPAID", "ORDER_PAID", "ORDER_CLOSED",
     "ORDERCLOSED", "OUT_TRADE_NO_USED", "TRADE_ERROR"}
)  # fmt: skip
"""Refusals after which the order may be paid all the same, or was before: only a question tells."""


class WechatPay:
    """The gateway of one house. It keeps nothing but the library's client, in the house."""

    method = Method.WECHAT

    def problem(self, house: Any) -> str:
        return str(self._client(house)[1])

    def _client(self, house: Any) -> tuple[Any, str]:
        """`((client, papers), "")`, or None and why; the files are read once in a process."""
        found: tuple[Any, str] | None = house.cache.get("wechat_pay")
        if found is None:
            papers, problem = read_papers(house.settings, "wechat", WechatPaper)
            found = house.cache["wechat_pay"] = (None, problem) if papers is None else _made(papers)
        return found

    def _both(self, house: Any) -> tuple[Any, WechatPaper]:
        both, problem = self._client(house)
        if both is None:
            raise NotTaken(problem)
        client, told = both
        return client, told

    # --- asking ---

    def ask(self, house: Any, wanted: PaymentWanted) -> str:
        from wechatpayv3 import WeChatPayType

        client, _ = self._both(house)
        content = _checked(
            lambda: client.pay(
                description=wanted.title, out_trade_no=wanted.order_no, amount={"total": wanted.amount_fen, "currency": "CNY"},
                time_expire=local(wanted.expires_at).isoformat(timespec="seconds"), pay_type=WeChatPayType.NATIVE,
            )
        )  # fmt: skip
        code = content.get("code_url")
        if not isinstance(code, str) or not code.startswith("weixin://") or len(code) > 500:
            raise Unclear("no_answer")
        return code

    def charge(self, house: Any, wanted: PaymentWanted, auth_code: str) -> Trade:
        from wechatpayv3 import WeChatPayType

        client, told = self._both(house)
        content = _checked(
            lambda: client.pay(
                description=wanted.title, out_trade_no=wanted.order_no, amount={"total": wanted.amount_fen, "currency": "CNY"},
                payer={"auth_code": auth_code}, scene_info={"store_info": {"id": wanted.order_no[2:4]}}, pay_type=WeChatPayType.CODEPAY,
            )
        )  # fmt: skip
        return _trade(content, told, wanted.order_no)

    def query(self, house: Any, order_no: str) -> Trade:
        client, told = self._both(house)
        try:
            return _trade(_checked(lambda: client.query(out_trade_no=order_no)), told, order_no)
        except Declined as problem:
            if problem.reason in ("ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"):
                return Trade("none")
            raise Unclear(problem.reason) from None

    def close(self, house: Any, order_no: str, *, was_charged: bool) -> None:
        client, _ = self._both(house)
        _checked(lambda: client.codepay_reverse(out_trade_no=order_no) if was_charged else client.close(out_trade_no=order_no))

    def refund(self, house: Any, wanted: RefundWanted) -> RefundWord:
        client, _ = self._both(house)
        content = _checked(
            lambda: client.refund(
                out_refund_no=wanted.refund_no, out_trade_no=wanted.order_no, reason=wanted.reason,
                amount={"refund": wanted.amount_fen, "total": wanted.paid_fen, "currency": "CNY"},
            )
        )  # fmt: skip
        return _refund(content, wanted.order_no, wanted.refund_no)

    def query_refund(self, house: Any, order_no: str, refund_no: str) -> RefundWord:
        client, _ = self._both(house)
        try:
            return _refund(_checked(lambda: client.query_refund(refund_no)), order_no, refund_no)
        except Declined as problem:
            if problem.reason in ("RESOURCE_NOT_EXISTS", "REFUND_NOT_EXISTS"):
                return RefundWord("none")
            raise Unclear(problem.reason) from None

    # --- being told ---

    def read_callback(self, house: Any, headers: Mapping[str, str], body: bytes, now: datetime) -> Notice | None:
        both, problem = self._client(house)
        if both is None:
            raise CallbackRefused(problem)
        client, told = both
        given = {name.lower(): value for name, value in headers.items() if name.lower().startswith("wechatpay-")}
        stamp = given.get("wechatpay-timestamp", "")
        if given.get("wechatpay-serial") != told.public_key_id:
            raise CallbackRefused("serial")  # the library would ask the network for any key that a stranger names
        if given.get("wechatpay-signature-type", ALGORITHM) != ALGORITHM or not given.get("wechatpay-signature"):
            raise CallbackRefused("signature")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12) or abs(now.timestamp() - int(stamp)) > CLOCK_SECONDS:
            raise CallbackRefused("too_old")
        try:
            base64.b64decode(given["wechatpay-signature"], validate=True)  # the library overlooks whatever is no base64
            content = client.callback({**given, "wechatpay-signature-type": ALGORITHM}, body)
        except Exception:  # the library raises whatever its parsers raise; none of it says more than that this is no callback
            raise CallbackRefused("unreadable") from None
        if not isinstance(content, dict):
            raise CallbackRefused("signature")
        return _notice(content, told)

    def statement(self, house: Any, day: date) -> tuple[StatementLine, ...]:
        client, _ = self._both(house)
        try:
            told = _checked(lambda: client.trade_bill(day.isoformat(), "ALL", "GZIP"))
        except Declined as problem:
            raise NotTaken(
                "not_ready" if problem.reason in ("NO_STATEMENT_EXIST", "STATEMENT_CREATING") else problem.reason
            ) from None
        url = told.get("download_url")
        if not isinstance(url, str) or not url.startswith(client._core._gate_way + "/"):
            raise Unclear("no_answer")  # a signed request goes to the gateway and nowhere else
        status, content = _called(lambda: client.download_bill(url))
        if status != 200 or not isinstance(content, bytes | str):
            raise Unclear("no_answer")
        plain = _unzipped(content if isinstance(content, bytes) else content.encode())
        # The gateway itself names the digest; it tells a file that was cut short.
        if hashlib.sha1(plain).hexdigest() != str(told.get("hash_value", "")).lower():  # noqa: S324
            raise Unclear("no_answer")
        return statement_lines(plain.decode("utf-8-sig"))


def _made(papers: Papers) -> tuple[Any, str]:
    from wechatpayv3 import WeChatPay, WeChatPayType

    told: WechatPaper = papers.told
    proxies = {"http": told.proxy or None, "https": told.proxy or None, "all": None}
    try:
        client = WeChatPay(
            wechatpay_type=WeChatPayType.NATIVE, mchid=told.mchid, private_key=papers.keys["private_key"],
            cert_serial_no=told.certificate_serial, appid=told.appid, apiv3_key=papers.keys["apiv3_key"],
            notify_url=f"{told.callback.rstrip('/')}/api/payments/wechat", timeout=(CONNECT_SECONDS, READ_SECONDS), proxy=proxies,
            public_key=papers.keys["public_key"], public_key_id=told.public_key_id,
        )  # fmt: skip
    except Exception:  # the library raises a bare Exception for a key that it cannot read
        return None, "misset"
    if len(papers.keys["apiv3_key"].encode()) != 32:
        return None, "misset"
    client._core._gate_way = told.gateway.rstrip("/")
    return (client, told), ""


def _called(call: Any) -> tuple[int, Any]:
    import requests

    try:
        status, content = call()
    except (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError):
        raise NotTaken("unreachable") from None
    except requests.exceptions.ConnectionError as error:
        raise (NotTaken("unreachable") if _never_connected(error) else Unclear("no_answer")) from None
    except requests.exceptions.RequestException:
        raise Unclear("no_answer") from None
    except Exception:  # an answer whose signature is wrong, or that the library could not read: it may have had its effect
        raise Unclear("no_answer") from None
    return int(status), content


def _never_connected(error: Exception) -> bool:
    """Whether a connection was never made; one that ended in between may have carried the request."""
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _checked(call: Any) -> dict[str, Any]:
    """The content of an answer; what is none of success is raised as what is known of it."""
    status, text = _called(call)
    try:
        content = json.loads(text) if text else {}
    except (ValueError, TypeError, RecursionError):
        content = {}
    if not isinstance(content, dict):
        content = {}
    if 200 <= status < 300:
        return content
    code = str(content.get("code") or "refused")
    if code in _NO_EFFECT or status in (401, 429):
        raise NotTaken(_NO_EFFECT.get(code, "busy" if status == 429 else "not_authorised"))
    if code in _OPEN_QUESTION or status >= 500 or not 400 <= status < 500:
        raise Unclear(code)
    raise Declined(code)


def _trade(content: dict[str, Any], told: WechatPaper, order_no: str) -> Trade:
    """What is said of an order; anything that is not about our order is no answer."""
    amount, state = content.get("amount"), _STATES.get(str(content.get("trade_state")))
    is_ours = content.get("out_trade_no") == order_no and is_merchant(content, told) and is_application(content, told)
    if state is None or not is_ours:
        raise Unclear("no_answer")
    total, currency = (amount.get("total"), amount.get("currency", "CNY")) if isinstance(amount, dict) else (0, "CNY")
    if state == "paid" and (type(total) is not int or total <= 0):
        raise Unclear("no_answer")
    return Trade(
        state, total if type(total) is int else 0, str(currency), str(content.get("transaction_id") or ""),  # type: ignore[arg-type]
        _moment(content.get("success_time")), str(content.get("trade_state")),
    )  # fmt: skip


def _refund(content: dict[str, Any], order_no: str, refund_no: str) -> RefundWord:
    state = _REFUND_STATES.get(str(content.get("status") or content.get("refund_status")))
    amount = content.get("amount")
    given = amount.get("refund") if isinstance(amount, dict) else None
    is_ours = content.get("out_refund_no") == refund_no and content.get("out_trade_no") == order_no
    if state is None or type(given) is not int or not is_ours:
        raise Unclear("no_answer")
    return RefundWord(
        state, given, str(content.get("refund_id") or ""), _moment(content.get("success_time")),  # type: ignore[arg-type]
        str(content.get("status") or content.get("refund_status")),
    )  # fmt: skip


def is_merchant(content: dict[str, Any], told: WechatPaper) -> bool:
    """Whether what was told is of our account."""
    return content.get("mchid") == told.mchid


def is_application(content: dict[str, Any], told: WechatPaper) -> bool:
    """Whether what was told is of our application."""
    return content.get("appid") == told.appid


def _notice(content: dict[str, Any], told: WechatPaper) -> Notice | None:
    resource, event_id, kind = content.get("resource"), content.get("id"), str(content.get("event_type"))
    if not isinstance(resource, dict) or not isinstance(event_id, str) or not 0 < len(event_id) <= 64:
        raise CallbackRefused("unreadable")
    order_no = resource.get("out_trade_no")
    if not is_merchant(resource, told):
        raise CallbackRefused("merchant")
    if not isinstance(order_no, str) or not 0 < len(order_no) <= 64:
        raise CallbackRefused("order")
    try:
        if kind.startswith("REFUND."):
            refund_no = str(resource.get("out_refund_no"))[:64]
            return Notice(Method.WECHAT, event_id, order_no, None, refund_no, _refund(resource, order_no, refund_no))
        if kind.startswith("TRANSACTION."):
            if not is_application(resource, told):
                raise CallbackRefused("application")
            return Notice(Method.WECHAT, event_id, order_no, _trade(resource, told, order_no))
    except Unclear:
        raise CallbackRefused("unreadable") from None
    return None


def _moment(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _unzipped(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            plain = file.read(MOST_STATEMENT_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise Unclear("no_answer") from None
    if len(plain) > MOST_STATEMENT_BYTES:
        raise Unclear("no_answer")
    return plain


def statement_lines(text: str) -> tuple[StatementLine, ...]:
    """The lines of a trade statement of kind ALL. Every value begins with a backquote; the last two lines are sums."""
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or "商户订单号" not in rows[0]:
        raise Unclear("no_answer")
    head = {name.strip().lstrip("\ufeff"): at for at, name in enumerate(rows[0])}
    lines: list[StatementLine] = []
    for row in rows[1:]:
        if not row or not row[0].startswith("`"):
            break  # the sums' own heading
        values = [value.strip().lstrip("`").strip() for value in row]
        try:
            state, order_no, trade_no = (values[head[name]] for name in ("交易状态", "商户订单号", "微信订单号"))
            is_refund = state in ("REFUND", "REVOKED")
            column = "申请退款金额" if is_refund and "申请退款金额" in head else "退款金额" if is_refund else "订单金额"
            amount = fen_from_yuan(values[head[column]])
            refund_no = values[head["商户退款单号"]] if is_refund else ""
        except (KeyError, IndexError, Refused):
            raise Unclear("no_answer") from None
        lines.append(StatementLine(order_no, trade_no, amount, refund_no or ("revoked" if is_refund else "")))
    return tuple(lines)

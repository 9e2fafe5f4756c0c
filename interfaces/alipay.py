"""Alipay through python-alipay-sdk: scanned codes (precreate), payment codes, refunds, callbacks, and the bill of a day.

The library signs and verifies. What it leaves open is closed here: it would put the whole signed request into an address, stamp it with
the server's own zone, wait for an answer of any length, and take a callback without `sign_type` or of any age.
"""

from __future__ import annotations

import base64
import csv
import io
import time
import zipfile
import zlib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

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
from exam.kit.clock import CENTRE_ZONE, local
from exam.kit.errors import Refused
from exam.kit.money import fen_from_yuan, yuan
from interfaces.payment_keys import AlipayPaper, Papers, is_loopback, read_papers

TIMEOUT_SECONDS, CONNECT_SECONDS, LONGEST_SECONDS = 10.0, 4.0, 20.0
MOST_ANSWER_BYTES = 256 * 1024
MOST_STATEMENT_BYTES = 64 * 1024 * 1024
CLOCK_SECONDS = 300
SIGN_TYPE = "RSA2"
MOST_FIELDS = 60

_STATES = {"WAIT_BUYER_PAY": "unpaid", "TRADE_SUCCESS": "paid", "TRADE_FINISHED": "paid", "TRADE_CLOSED": "closed"}
_UNKNOWN_ORDER = ("ACQ.TRADE_NOT_EXIST",)
_OPEN_QUESTION = frozenset(
    {"ACQ.SYSTEM_ERROR", "aop.ACQ.SYSTEM_ERROR", "isp.unknow-error", "ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_CLOSE", "ACQ.CONTEXT_INCONSISTENT"}
)  # fmt: skip
_NO_EFFECT = {"isv.invalid-signature": "not_authorised", "isv.invalid-app-id": "not_authorised", "isv.app-call-limited": "busy"}


class Alipay:
    """The gateway of one house. It keeps nothing but the library's client, in the house."""

    method = Method.ALIPAY

    def problem(self, house: Any) -> str:
        return str(self._client(house)[1])

    def _client(self, house: Any) -> tuple[Any, str]:
        found: tuple[Any, str] | None = house.cache.get("alipay")
        if found is None:
            papers, problem = read_papers(house.settings, "alipay", AlipayPaper)
            found = house.cache["alipay"] = (None, problem) if papers is None else _made(house, papers)
        return found

    def _both(self, house: Any) -> tuple[Any, AlipayPaper]:
        both, problem = self._client(house)
        if both is None:
            raise NotTaken(problem)
        client, told = both
        return client, told

    # --- asking ---

    def ask(self, house: Any, wanted: PaymentWanted) -> str:
        client, told = self._both(house)
        content = _checked(
            lambda: client.api_alipay_trade_precreate(
                wanted.title, wanted.order_no, yuan(wanted.amount_fen), notify_url=_callback(told), **_until(wanted)
            )
        )
        code = content.get("qr_code")
        if not isinstance(code, str) or content.get("out_trade_no") != wanted.order_no or not 0 < len(code) <= 500:
            raise Unclear("no_answer")
        return code

    def charge(self, house: Any, wanted: PaymentWanted, auth_code: str) -> Trade:
        client, told = self._both(house)
        content = _checked(
            lambda: client.api_alipay_trade_pay(
                wanted.order_no, "bar_code", auth_code, wanted.title, notify_url=_callback(told), total_amount=yuan(wanted.amount_fen),
                timeout_express="5m",
            )
        )  # fmt: skip
        if content.get("out_trade_no") != wanted.order_no:
            raise Unclear("no_answer")
        if content.get("code") == "10003":
            return Trade("unpaid", code="10003")
        return Trade(
            "paid",
            _fen(content.get("total_amount")),
            "CNY",
            str(content.get("trade_no") or ""),
            _moment(content.get("gmt_payment")),
        )

    def query(self, house: Any, order_no: str) -> Trade:
        client, _ = self._both(house)
        try:
            content = _checked(lambda: client.api_alipay_trade_query(out_trade_no=order_no))
        except Declined as problem:
            if problem.reason in _UNKNOWN_ORDER:
                return Trade("none")
            raise Unclear(problem.reason) from None
        if content.get("out_trade_no") != order_no:
            raise Unclear("no_answer")
        return _trade(content)

    def close(self, house: Any, order_no: str, *, was_charged: bool) -> None:
        client, _ = self._both(house)
        _checked(lambda: client.api_alipay_trade_cancel(order_no) if was_charged else client.api_alipay_trade_close(order_no))

    def refund(self, house: Any, wanted: RefundWanted) -> RefundWord:
        client, _ = self._both(house)
        content = _checked(
            lambda: client.api_alipay_trade_refund(
                yuan(wanted.amount_fen), wanted.order_no, out_request_no=wanted.refund_no, refund_reason=wanted.reason
            )
        )
        # `refund_fee` is the sum of all refunds of the order, and `fund_change` N may mean a repeated request: the question tells.
        return RefundWord("processing", wanted.amount_fen, str(content.get("trade_no") or ""))

    def query_refund(self, house: Any, order_no: str, refund_no: str) -> RefundWord:
        client, _ = self._both(house)
        try:
            content = _checked(lambda: client.api_alipay_trade_fastpay_refund_query(refund_no, out_trade_no=order_no))
        except Declined as problem:
            if problem.reason in _UNKNOWN_ORDER:
                return RefundWord("none")
            raise Unclear(problem.reason) from None
        if content.get("out_request_no") is None:
            return RefundWord("none")
        if content.get("out_request_no") != refund_no or content.get("out_trade_no") != order_no:
            raise Unclear("no_answer")
        is_done = content.get("refund_status", "REFUND_SUCCESS") == "REFUND_SUCCESS"
        return RefundWord(
            "success" if is_done else "processing", _fen(content.get("refund_amount")), str(content.get("trade_no") or ""),
            _moment(content.get("gmt_refund_pay")),
        )  # fmt: skip

    # --- being told ---

    def read_callback(self, house: Any, headers: Mapping[str, str], body: bytes, now: datetime) -> Notice | None:
        both, problem = self._client(house)
        if both is None:
            raise CallbackRefused(problem)
        client, told = both
        fields = _fields(body)
        signature = fields.pop("sign", "")
        if not is_sign_type(fields) or not signature:
            raise CallbackRefused("signature")
        try:
            base64.b64decode(signature, validate=True)  # the library overlooks whatever is no base64
            is_signed = client.verify(dict(fields), signature)
        except Exception:  # base64, RSA and the library's own complaints: none of them is a signature
            is_signed = False
        if not is_signed:
            raise CallbackRefused("signature")
        told_at = _moment(fields.get("notify_time"))
        if told_at is None or abs((now - told_at).total_seconds()) > CLOCK_SECONDS:
            raise CallbackRefused("too_old")
        if not is_application(fields, told):
            raise CallbackRefused("application")
        if not is_merchant(fields, told):
            raise CallbackRefused("merchant")
        return _notice(fields)

    def statement(self, house: Any, day: date) -> tuple[StatementLine, ...]:
        client, told = self._both(house)
        try:
            content = _checked(
                lambda: client.server_api(
                    "alipay.data.dataservice.bill.downloadurl.query", {"bill_type": "trade", "bill_date": day.isoformat()}
                )
            )
        except Declined as problem:
            raise NotTaken("not_ready" if "bill_not_exist" in problem.reason.lower() else problem.reason) from None
        url = str(content.get("bill_download_url") or "")
        if not _is_theirs(url, told):
            raise Unclear("no_answer")
        return statement_lines(_unzipped(client.fetch(url)))


def is_sign_type(fields: Mapping[str, str]) -> bool:
    """Whether a callback says that it is signed as we sign: the library checks that only where it is said at all."""
    return fields.get("sign_type") == SIGN_TYPE


def is_application(fields: Mapping[str, str], told: AlipayPaper) -> bool:
    """Whether a callback is for our application: Alipay's signature is good for everybody's."""
    return fields.get("app_id") == told.appid


def is_merchant(fields: Mapping[str, str], told: AlipayPaper) -> bool:
    """Whether a callback is for our account, where the papers name it."""
    return not told.seller_id or fields.get("seller_id") == told.seller_id


def _callback(told: AlipayPaper) -> str:
    return f"{told.callback.rstrip('/')}/api/payments/alipay"


def _until(wanted: PaymentWanted) -> dict[str, str]:
    """Until when it may be paid, on the centre's wall clock."""
    return {"time_expire": f"{local(wanted.expires_at):%Y-%m-%d %H:%M:%S}"}


def _made(house: Any, papers: Papers) -> tuple[Any, str]:
    import httpx
    from alipay import AliPay

    told: AlipayPaper = papers.told
    http = httpx.Client(
        timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS), limits=httpx.Limits(max_keepalive_connections=0),
        follow_redirects=False, trust_env=False, proxy=told.proxy or None,
    )  # fmt: skip

    class Client(AliPay):  # type: ignore[misc]
        """The library, with our clock and our way over the wire."""

        def build_body(self, method: str, biz_content: Any = None, **more: Any) -> Any:
            return super().build_body(method, biz_content, timestamp=f"{local(house.clock.now()):%Y-%m-%d %H:%M:%S}", **more)

        def verified_sync_response(self, data: Any, response_type: str) -> Any:
            headers = {"content-type": "application/x-www-form-urlencoded;charset=utf-8"}
            content = self.fetch(self._gateway, self.sign_data(data).encode(), headers)
            return self._verify_and_return_sync_response(content.decode(), response_type)

        def fetch(self, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
            """What an address answers, of bounded length and in bounded time."""
            most = MOST_ANSWER_BYTES if body is not None else MOST_STATEMENT_BYTES
            ends = time.monotonic() + LONGEST_SECONDS
            try:
                with http.stream("GET" if body is None else "POST", url, content=body, headers=headers) as response:
                    content = bytearray()
                    for part in response.iter_bytes():
                        content += part
                        if len(content) > most or time.monotonic() > ends:
                            raise Unclear("no_answer")
                    if response.status_code != 200:
                        raise Unclear("no_answer")
                    return bytes(content)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol):
                raise NotTaken("unreachable") from None
            except httpx.HTTPError:  # the request, or a part of it, may have left
                raise Unclear("no_answer") from None

    try:
        client = Client(
            appid=told.appid, app_notify_url=None, app_private_key_string=papers.keys["private_key"],
            alipay_public_key_string=papers.keys["public_key"], sign_type=SIGN_TYPE,
        )  # fmt: skip
    except Exception:  # the library raises whatever its key parser raises
        return None, "misset"
    client._gateway = told.gateway
    return (client, told), ""


def _checked(call: Any) -> dict[str, Any]:
    """The content of a signed answer; what is none of success is raised as what is known of it."""
    try:
        content = call()
    except (NotTaken, Unclear):
        raise
    except Exception:  # an answer without a signature, with a wrong one, or that the library could not read
        raise Unclear("no_answer") from None
    if not isinstance(content, dict):
        raise Unclear("no_answer")
    code, detail = str(content.get("code")), str(content.get("sub_code") or content.get("code") or "refused")
    if code in ("10000", "10003"):
        return content
    if detail in _NO_EFFECT:
        raise NotTaken(_NO_EFFECT[detail])
    if code in ("20000", "10003") or detail in _OPEN_QUESTION:
        raise Unclear(detail)
    if detail.startswith(("ACQ.TRADE_NOT_EXIST", "aop.ACQ.TRADE_NOT_EXIST")):
        raise Declined("ACQ.TRADE_NOT_EXIST")
    raise Declined(detail)


def _trade(content: Mapping[str, Any]) -> Trade:
    state = _STATES.get(str(content.get("trade_status")))
    if state is None:
        raise Unclear("no_answer")
    amount = _fen(content.get("total_amount")) if state == "paid" else 0
    currency = str(content.get("trans_currency") or content.get("pay_currency") or "CNY")
    at = _moment(content.get("send_pay_date") or content.get("gmt_payment"))
    return Trade(state, amount, currency, str(content.get("trade_no") or ""), at, str(content.get("trade_status")))  # type: ignore[arg-type]


def _notice(fields: Mapping[str, str]) -> Notice | None:
    event_id, order_no = fields.get("notify_id", ""), fields.get("out_trade_no", "")
    if fields.get("notify_type") != "trade_status_sync":
        return None
    if not 0 < len(event_id) <= 128 or not 0 < len(order_no) <= 64:
        raise CallbackRefused("order")
    try:
        if "refund_fee" in fields or "gmt_refund" in fields:
            # It tells the sum of all refunds, not this one's amount: a reason to ask, and no more.
            word = RefundWord("processing", _fen(fields.get("refund_fee", "0")), fields.get("trade_no", ""))
            return Notice(Method.ALIPAY, event_id, order_no, None, fields.get("out_biz_no", "")[:64], word)
        return Notice(Method.ALIPAY, event_id, order_no, _trade(fields))
    except Unclear:
        raise CallbackRefused("unreadable") from None


def _fields(body: bytes) -> dict[str, str]:
    """The fields of a form; one that comes twice makes the signed text ambiguous and is refused."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_FIELDS, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise CallbackRefused("unreadable") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise CallbackRefused("unreadable")
    return fields


def _fen(text: Any) -> int:
    try:
        return fen_from_yuan(str(text))
    except Refused:
        raise Unclear("no_answer") from None


def _moment(text: Any) -> datetime | None:
    """Alipay tells the time of Beijing, without saying so."""
    try:
        return datetime.strptime(str(text)[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=CENTRE_ZONE)
    except ValueError:
        return None


def _is_theirs(url: str, told: AlipayPaper) -> bool:
    """Whether a bill's address is Alipay's own: what an answer names is not followed anywhere else."""
    parts, own = urlsplit(url), urlsplit(told.gateway)
    host = parts.hostname or ""
    if is_loopback(host):
        return is_loopback(own.hostname or "") and parts.netloc == own.netloc
    return parts.scheme == "https" and (host == own.hostname or host.endswith(".alipay.com"))


def _unzipped(content: bytes) -> str:
    """The one file of a bill's archive that holds the lines; the other holds sums (its name says 汇总)."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [each for each in archive.infolist() if "汇总" not in _name(each) and each.filename.lower().endswith(".csv")]
            if len(entries) != 1:
                raise Unclear("no_answer")
            with archive.open(entries[0]) as file:
                plain = file.read(MOST_STATEMENT_BYTES + 1)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, zlib.error):
        raise Unclear("no_answer") from None
    if len(plain) > MOST_STATEMENT_BYTES:
        raise Unclear("no_answer")
    return plain.decode("gb18030", "replace")


def _name(entry: zipfile.ZipInfo) -> str:
    """An entry's name as Alipay writes it: GBK, without the flag that says UTF-8."""
    if entry.flag_bits & 0x800:
        return entry.filename
    return entry.filename.encode("cp437", "replace").decode("gb18030", "replace")


def statement_lines(text: str) -> tuple[StatementLine, ...]:
    """The lines of a trade bill. Lines that begin with `#` frame it; a refund's amount is negative there."""
    rows = [row for row in csv.reader(io.StringIO(text)) if row and not row[0].lstrip("\ufeff").startswith("#")]
    if not rows or not any(name.strip() == "商户订单号" for name in rows[0]):
        raise Unclear("no_answer")
    head = {name.strip(): at for at, name in enumerate(rows[0])}
    lines: list[StatementLine] = []
    for row in rows[1:]:
        values = [value.strip().strip("`").strip() for value in row]
        try:
            order_no, trade_no, kind = (values[head[name]] for name in ("商户订单号", "支付宝交易号", "业务类型"))
            amount = abs(fen_from_yuan(values[head["订单金额（元）"]]))
            refund_no = values[head["退款批次号/请求号"]] if kind == "退款" else ""
        except (KeyError, IndexError, Refused):
            raise Unclear("no_answer") from None
        lines.append(StatementLine(order_no, trade_no, amount, refund_no or ("revoked" if kind == "退款" else "")))
    return tuple(lines)

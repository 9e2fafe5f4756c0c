"""Two payment gateways' memory and handwriting: merchants' papers, orders, refunds, statements, and signed callbacks.

Written from the gateways' public documents and not from our adapters: signatures and forms are its own.
"""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import secrets
import threading
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

MCHID, WECHAT_APPID, ALIPAY_APPID, SELLER = "1900000109", "wx0123456789abcdef", "2021000000000001", "2088000000000001"
SERIAL, PUBLIC_KEY_ID = "5157F09EFDC096DE15EBE81A47057A72", "PUB_KEY_ID_0119000001092026112100000001"
BEIJING = timezone(timedelta(hours=8))


class Refund(msgspec.Struct):
    """Money given back; `state` is success, processing or failed."""

    refund_no: str
    amount_fen: int
    state: str
    reference: str
    at: datetime


class Order(msgspec.Struct):
    """An order as a gateway has it. `payments` counts how often money was taken: more than once would be the worst of all."""

    method: str
    order_no: str
    amount_fen: int
    state: str = "unpaid"
    trade_no: str = ""
    paid_at: datetime | None = None
    is_charge: bool = False
    asked: int = 1
    payments: int = 0
    refunds: dict[str, Refund] = {}
    notify_url: str = ""
    answers: list[int] = []

    @property
    def returned_fen(self) -> int:
        """What went back so far."""
        return sum(refund.amount_fen for refund in self.refunds.values() if refund.state == "success")


class Refusal(Exception):
    """The gateway says no, with its own code."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.status = code, status


class Keys:
    """The key pairs of both sides, kept in the folder of papers: what is missing is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "peer").mkdir(parents=True, exist_ok=True, mode=0o700)
        self.merchant = {name: self._pair(f"{name}-merchant.pem") for name in ("wechat", "alipay")}
        self.platform = {name: self._pair(f"peer/{name}.pem") for name in ("wechat", "alipay")}
        self.apiv3 = self._word("wechat-apiv3.key")

    def _pair(self, name: str) -> rsa.RSAPrivateKey:
        path = self.folder / name
        if not path.exists():
            made = rsa.generate_private_key(65537, 2048)
            no_password = serialization.NoEncryption()
            text = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
            self.write(name, text)
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key

    def _word(self, name: str) -> str:
        if not (self.folder / name).exists():
            self.write(name, secrets.token_hex(16).encode())
        return (self.folder / name).read_text()

    def write(self, name: str, content: bytes) -> None:
        """One file, for its owner's eyes."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)

    def write_papers(self, gateway: str, callback: str) -> None:
        """The merchant's side: what `EXAM_PAYMENTS` names."""
        for name, pair in self.platform.items():
            public = pair.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            self.write(f"{name}-public.pem", public)
        papers = {
            "wechat": {
                "mchid": MCHID, "appid": WECHAT_APPID, "certificate_serial": SERIAL, "private_key": "wechat-merchant.pem",
                "apiv3_key": "wechat-apiv3.key", "public_key": "wechat-public.pem", "public_key_id": PUBLIC_KEY_ID, "callback": callback,
                "gateway": gateway,
            },
            "alipay": {
                "appid": ALIPAY_APPID, "seller_id": SELLER, "private_key": "alipay-merchant.pem", "public_key": "alipay-public.pem",
                "callback": callback, "gateway": f"{gateway}/gateway.do",
            },
        }  # fmt: skip
        for name, fields in papers.items():
            self.write(f"{name}.toml", "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items()).encode())


def sign(key: rsa.RSAPrivateKey, text: str) -> str:
    """SHA256 with RSA, in base64: both gateways' handwriting."""
    return base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), SHA256())).decode()


def is_signed(key: rsa.RSAPrivateKey, text: str, signature: str) -> bool:
    """Whether the holder of this pair wrote a text."""
    try:
        key.public_key().verify(base64.b64decode(signature, validate=True), text.encode(), padding.PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def _now() -> datetime:
    import time

    return datetime.fromtimestamp(time.time(), UTC)


class Books:
    """What both gateways know. `clock` is theirs; a test gives the house's own."""

    def __init__(self, keys: Keys, clock: Callable[[], datetime] = _now) -> None:
        self.keys, self.clock = keys, clock
        self.orders: dict[str, Order] = {}
        self.lock = threading.RLock()
        self.events = 0

    # --- what a merchant asks ---

    def ask(self, method: str, order_no: str, amount_fen: int, notify_url: str, *, is_charge: bool = False) -> Order:
        """An order; the same number is the same order, and another amount under it is refused."""
        with self.lock:
            known = self.orders.get(order_no)
            if known is None:
                known = self.orders[order_no] = Order(method, order_no, amount_fen, is_charge=is_charge, notify_url=notify_url)
                return known
            known.asked += 1
            if known.amount_fen != amount_fen:
                raise Refusal("OUT_TRADE_NO_USED", 403)
            if known.state != "unpaid":
                raise Refusal("ORDERPAID" if known.state == "paid" else "ORDER_CLOSED")
            return known

    def find(self, method: str, order_no: str) -> Order:
        """An order, or a refusal."""
        order = self.orders.get(order_no)
        if order is None or order.method != method:
            raise Refusal("ORDER_NOT_EXIST", 404)
        return order

    def pay(self, order_no: str) -> Order:
        """The customer pays."""
        with self.lock:
            order = self.orders[order_no]
            if order.state != "unpaid":
                raise Refusal("ORDER_CLOSED")
            self.events += 1
            order.state, order.paid_at, order.payments = "paid", self.clock(), order.payments + 1
            order.trade_no = f"42{self.clock():%Y%m%d}{self.events:014d}"
            return order

    def close(self, method: str, order_no: str) -> Order:
        """An unpaid order is paid no more."""
        with self.lock:
            order = self.find(method, order_no)
            if order.state == "paid":
                raise Refusal("ORDERPAID")
            order.state = "closed"
            return order

    def give_back(self, method: str, order_no: str, refund_no: str, amount_fen: int, state: str) -> Refund:
        """A refund; the same number is the same refund."""
        with self.lock:
            order = self.find(method, order_no)
            known = order.refunds.get(refund_no)
            if known is None:
                if order.state != "paid" or amount_fen + sum(each.amount_fen for each in order.refunds.values()) > order.amount_fen:
                    raise Refusal("INVALID_REQUEST")
                self.events += 1
                known = order.refunds[refund_no] = Refund(refund_no, amount_fen, state, f"50{self.events:016d}", self.clock())
            elif known.amount_fen != amount_fen:
                raise Refusal("INVALID_REQUEST")
            return known

    # --- WeChat Pay's words ---

    def wechat_trade(self, order: Order, **other: Any) -> dict[str, Any]:
        """An order in WeChat Pay's words; `other` says something else than the truth."""
        state = {"unpaid": "USERPAYING" if order.is_charge else "NOTPAY", "paid": "SUCCESS", "closed": "CLOSED"}[order.state]
        told: dict[str, Any] = {
            "mchid": MCHID, "appid": WECHAT_APPID, "out_trade_no": order.order_no, "trade_state": state, "trade_state_desc": state,
            "amount": {"total": order.amount_fen, "currency": "CNY", "payer_total": order.amount_fen, "payer_currency": "CNY"},
        }  # fmt: skip
        if order.paid_at is not None:
            told |= {
                "transaction_id": order.trade_no, "trade_type": "NATIVE", "bank_type": "OTHERS",
                "success_time": order.paid_at.astimezone(BEIJING).isoformat(timespec="seconds"), "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
            }  # fmt: skip
        return told | other

    def wechat_refund(self, order: Order, refund: Refund, is_callback: bool = False) -> dict[str, Any]:
        """A refund in WeChat Pay's words."""
        state = {"success": "SUCCESS", "processing": "PROCESSING", "failed": "ABNORMAL"}[refund.state]
        told: dict[str, Any] = {
            "out_trade_no": order.order_no, "transaction_id": order.trade_no, "out_refund_no": refund.refund_no, "refund_id": refund.reference,
            "amount": {"total": order.amount_fen, "refund": refund.amount_fen, "payer_total": order.amount_fen, "payer_refund": refund.amount_fen},
            "refund_status" if is_callback else "status": state,
        }  # fmt: skip
        if is_callback:
            told["mchid"] = MCHID
        if refund.state == "success":
            told["success_time"] = refund.at.astimezone(BEIJING).isoformat(timespec="seconds")
        return told

    def wechat_headers(self, body: str, *, at: datetime | None = None, serial: str = PUBLIC_KEY_ID) -> dict[str, str]:
        """The headers with which WeChat Pay signs an answer or a callback."""
        stamp, nonce = str(int((at or self.clock()).timestamp())), secrets.token_hex(16)
        return {
            "content-type": "application/json", "Wechatpay-Timestamp": stamp, "Wechatpay-Nonce": nonce, "Wechatpay-Serial": serial,
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
            "Wechatpay-Signature": sign(self.keys.platform["wechat"], f"{stamp}\n{nonce}\n{body}\n"),
        }  # fmt: skip

    def wechat_callback(
        self, content: dict[str, Any], event_id: str, *, kind: str = "TRANSACTION.SUCCESS", at: datetime | None = None
    ) -> tuple[dict[str, str], bytes]:
        """A callback: the content encrypted, the whole signed."""
        nonce = secrets.token_hex(6)
        sealed = AESGCM(self.keys.apiv3.encode()).encrypt(nonce.encode(), json.dumps(content).encode(), b"transaction")
        resource = {
            "original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "ciphertext": base64.b64encode(sealed).decode(),
            "associated_data": "transaction", "nonce": nonce,
        }  # fmt: skip
        told = {
            "id": event_id, "create_time": self.clock().isoformat(), "resource_type": "encrypt-resource", "event_type": kind,
            "summary": "支付成功", "resource": resource,
        }  # fmt: skip
        body = json.dumps(told, ensure_ascii=False)
        return self.wechat_headers(body, at=at), body.encode()

    def wechat_statement(self, day: date) -> bytes:
        """The trade statement of a day, kind ALL: a backquote before every value, sums at the end."""
        heading = (
            "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,"
            "商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
        )
        rows = [heading]
        for order, refund in self._moves("wechat", day):
            at = (refund.at if refund else order.paid_at or self.clock()).astimezone(BEIJING)
            back = refund.amount_fen if refund else 0
            values = (
                f"{at:%Y-%m-%d %H:%M:%S}", WECHAT_APPID, MCHID, "0", "", order.trade_no, order.order_no, "oUpF8uMuAJO", "NATIVE",
                "REFUND" if refund else "SUCCESS", "OTHERS", "CNY", _yuan(0 if refund else order.amount_fen), "0.00",
                refund.reference if refund else "0", refund.refund_no if refund else "0", _yuan(back), "0.00", "ORIGINAL" if refund else "",
                "SUCCESS" if refund else "", "服务费", "", "0.00000", "0.60%", _yuan(0 if refund else order.amount_fen), _yuan(back), "",
            )  # fmt: skip
            rows.append(",".join(f"`{value}" for value in values))
        sums = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
        rows += [sums, f"`{len(rows) - 1}" + ",`0.00" * 6]
        return ("\ufeff" + "\r\n".join(rows) + "\r\n").encode()

    # --- Alipay's words ---

    def alipay_fields(self, order: Order, event_id: str, *, at: datetime | None = None, **other: str) -> dict[str, str]:
        """The fields of a callback, not signed yet; `other` says something else than the truth."""
        status = {"unpaid": "WAIT_BUYER_PAY", "paid": "TRADE_SUCCESS", "closed": "TRADE_CLOSED"}[order.state]
        fields = {
            "notify_time": f"{(at or self.clock()).astimezone(BEIJING):%Y-%m-%d %H:%M:%S}", "notify_type": "trade_status_sync",
            "notify_id": event_id, "app_id": ALIPAY_APPID, "seller_id": SELLER, "charset": "utf-8", "version": "1.0", "sign_type": "RSA2",
            "trade_no": order.trade_no, "out_trade_no": order.order_no, "trade_status": status, "total_amount": _yuan(order.amount_fen),
            "receipt_amount": _yuan(order.amount_fen), "subject": "服务费",
        }  # fmt: skip
        if order.paid_at is not None:
            fields["gmt_payment"] = f"{order.paid_at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
        return fields | other

    def alipay_callback(self, fields: dict[str, str]) -> tuple[dict[str, str], bytes]:
        """A callback: everything but `sign` and `sign_type` in the order of the names, signed, as a form."""
        text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()) if name not in ("sign", "sign_type"))
        body = urlencode({**fields, "sign": sign(self.keys.platform["alipay"], text)}).encode()
        return {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, body

    def alipay_statement(self, day: date) -> bytes:
        """The trade bill of a day: an archive of two files in GBK, the lines and the sums."""
        lines = io.StringIO()
        for text in ("#支付宝业务明细查询", f"#账号:[{SELLER}0156]", f"#起始日期:[{day} 00:00:00]", "#-----业务明细列表-----"):
            lines.write(text + "\r\n")
        writer = csv.writer(lines)
        writer.writerow(
            ("支付宝交易号", "商户订单号", "业务类型", "商品名称", "创建时间", "完成时间", "门店编号", "门店名称", "操作员", "终端号",
             "对方账户", "订单金额（元）", "商家实收（元）", "支付宝红包（元）", "集分宝（元）", "支付宝优惠（元）", "商家优惠（元）",
             "券核销金额（元）", "券名称", "商家红包消费金额（元）", "卡消费金额（元）", "退款批次号/请求号", "服务费（元）", "分润（元）", "备注")
        )  # fmt: skip
        for order, refund in self._moves("alipay", day):
            at = f"{(refund.at if refund else order.paid_at or self.clock()).astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
            amount = ("-" + _yuan(refund.amount_fen)) if refund else _yuan(order.amount_fen)
            writer.writerow(
                (f"{order.trade_no}\t", f"{order.order_no}\t", "退款" if refund else "交易", "服务费", at, at, "", "", "", "", "*", amount, amount,
                 *["0.00"] * 5, "", "0.00", "0.00", f"{refund.refund_no if refund else ''}\t", "0.00", "0.00", "")
            )  # fmt: skip
        lines.write("#-----业务明细列表结束-----\r\n")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(f"{SELLER}_{day:%Y%m%d}_lines.csv", lines.getvalue().encode("gb18030"))
            file.writestr(f"{SELLER}_{day:%Y%m%d}_业务明细(汇总).csv", "#汇总\r\n".encode("gb18030"))
        return archive.getvalue()

    def _moves(self, method: str, day: date) -> list[tuple[Order, Refund | None]]:
        moves: list[tuple[Order, Refund | None]] = []
        for order in [each for each in self.orders.values() if each.method == method]:
            if order.paid_at is not None and order.paid_at.astimezone(BEIJING).date() == day:
                moves.append((order, None))
            done = [
                each for each in order.refunds.values() if each.state == "success" and each.at.astimezone(BEIJING).date() == day
            ]
            moves += [(order, each) for each in done]
        return moves


def zipped(content: bytes) -> tuple[bytes, str]:
    """A statement as WeChat Pay hands it out, and the digest of what is inside."""
    return gzip.compress(content), hashlib.sha1(content).hexdigest()  # noqa: S324 - the gateway's own choice


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"

"""The gateways of this house. What nobody has built an adapter for says so, and is never offered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NoReturn

from billing.ports import (
    CallbackRefused,
    Method,
    Notice,
    NotTaken,
    PaymentGateway,
    PaymentWanted,
    RefundWanted,
    RefundWord,
    StatementLine,
    Trade,
)
from interfaces.alipay import Alipay
from interfaces.wechat_pay import WechatPay


class NotConnected:
    """A way to pay behind the same port for which there is no contract with anybody yet (UnionPay, 医保).

    Both need the hospital's own contract and its channel's test environment. Nothing is pretended: whoever asks is refused.
    """

    def __init__(self, method: Method) -> None:
        self.method = method

    def problem(self, house: Any) -> str:
        return "not_connected"

    def _refuse(self) -> NoReturn:
        raise NotTaken("not_connected")

    def ask(self, house: Any, wanted: PaymentWanted) -> str:
        self._refuse()

    def charge(self, house: Any, wanted: PaymentWanted, auth_code: str) -> Trade:
        self._refuse()

    def query(self, house: Any, order_no: str) -> Trade:
        self._refuse()

    def close(self, house: Any, order_no: str, *, was_charged: bool) -> None:
        self._refuse()

    def refund(self, house: Any, wanted: RefundWanted) -> RefundWord:
        self._refuse()

    def query_refund(self, house: Any, order_no: str, refund_no: str) -> RefundWord:
        self._refuse()

    def read_callback(self, house: Any, headers: Mapping[str, str], body: bytes, now: datetime) -> Notice | None:
        raise CallbackRefused("not_connected")

    def statement(self, house: Any, day: date) -> tuple[StatementLine, ...]:
        self._refuse()


GATEWAYS: Mapping[Method, PaymentGateway] = {
    Method.WECHAT: WechatPay(),
    Method.ALIPAY: Alipay(),
    Method.UNIONPAY: NotConnected(Method.UNIONPAY),
    Method.INSURANCE: NotConnected(Method.INSURANCE),
}

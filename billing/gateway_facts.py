"""Payments through a gateway as facts: their states in words, why something is as it is, and the events others listen to."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from billing.ports import Method

METHOD_NAMES = {Method.WECHAT: "微信支付", Method.ALIPAY: "支付宝", Method.UNIONPAY: "银联", Method.INSURANCE: "医保"}


class OrderState(StrEnum):
    """Where an order at a gateway stands. `unknown` is a state of its own: nobody may take it for failed or for paid."""

    CREATED = "created"
    UNKNOWN = "unknown"
    ASKED = "asked"
    CLOSING = "closing"
    PAID = "paid"
    CLOSED = "closed"
    DECLINED = "declined"
    LATE = "late"
    DISPUTED = "disputed"


class RefundState(StrEnum):
    """Where a refund at a gateway stands."""

    REQUESTED = "requested"
    UNKNOWN = "unknown"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"


ORDER_STATE_NAMES = {
    OrderState.CREATED: "待提交", OrderState.UNKNOWN: "待核实", OrderState.ASKED: "待付款", OrderState.CLOSING: "正在关闭",
    OrderState.PAID: "已支付", OrderState.CLOSED: "已关闭", OrderState.DECLINED: "网关未受理", OrderState.LATE: "取消后到账",
    OrderState.DISPUTED: "金额不符",
}  # fmt: skip

REFUND_STATE_NAMES = {
    RefundState.REQUESTED: "待提交", RefundState.UNKNOWN: "待核实", RefundState.PROCESSING: "退款处理中", RefundState.SUCCESS: "已退款",
    RefundState.FAILED: "退款失败",
}  # fmt: skip

REFUND_TONES = {
    RefundState.REQUESTED: "blue", RefundState.UNKNOWN: "amber", RefundState.PROCESSING: "blue", RefundState.SUCCESS: "green",
    RefundState.FAILED: "red",
}  # fmt: skip

REASONS = {
    "not_set_up": "尚未配置商户资料", "misset": "商户资料不完整或有误", "exposed": "密钥文件权限过宽,请执行 chmod 600",
    "not_connected": "本系统尚未接入该渠道", "unreachable": "网关连接不上", "no_answer": "没有收到网关答复", "busy": "网关繁忙",
    "not_authorised": "网关未认可本商户的签名或权限", "not_known": "网关没有这笔订单", "expired": "超过付款时限", "cancelled": "收费员取消",
    "late": "取消后到账,自动退回", "not_due": "到账时应收已结清或已变化,自动退回",
    "disputed": "金额不符,人工退回", "amount": "网关金额与订单不符", "currency": "币种不是人民币",
    "too_late": "付款码超过有效时间,未提交", "returned": "网关已全额退回", "not_ready": "对账单尚未生成", "refused": "网关拒绝",
    "unasked_refund": "网关通知了一笔本系统没有的退款",
    "NOT_ENOUGH": "商户账户余额不足", "NOAUTH": "商户没有该接口权限", "NO_AUTH": "商户没有该接口权限", "ABNORMAL": "退款异常,需在商户平台处理",
    "AUTH_CODE_ERROR": "付款码无效", "AUTHCODEEXPIRE": "付款码已过期", "AUTH_CODE_EXPIRE": "付款码已过期", "NOTENOUGH": "顾客余额不足",
    "PAYERROR": "顾客支付失败", "ACQ.PAYMENT_AUTH_CODE_INVALID": "付款码无效或已过期", "ACQ.BUYER_BALANCE_NOT_ENOUGH": "顾客余额不足",
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": "商户账户余额不足", "ACQ.TRADE_HAS_CLOSE": "交易已关闭",
}  # fmt: skip
"""Ours in small letters; the gateways' own codes as they write them. One that is not here is shown as it came."""

FACT_NAMES = {
    "open": "登记", "submit": "提交网关", "take": "网关已受理", "not_taken": "确认未受理", "decline": "网关未受理", "no_answer": "没有收到答复",
    "pay": "确认到账", "pay_late": "取消后到账", "dispute": "金额不符", "cancel": "收费员取消", "expire": "超过付款时限",
    "close": "网关确认已关闭", "return_funds": "网关已全额退回", "payment_notice": "收到支付通知", "refund_notice": "收到退款通知",
    "process": "退款处理中", "succeed": "退款成功", "fail": "退款失败", "ask_again": "人工发起查询", "not_booked": "入账未完成",
    "second_payment": "网关又报一笔到账", "turn_back": "未入账,自动退回",
}  # fmt: skip


class OpenedOrder(msgspec.Struct, frozen=True):
    """An order that was put down: it goes to the gateway after the commit."""

    id: UUID
    order_no: str


class GatewayOrder(msgspec.Struct, frozen=True):
    """An order as others see it. `code` is what the customer scans, empty before the gateway gave it and after it is over."""

    id: UUID
    order_no: str
    method: Method
    target: str
    amount_fen: int
    paid_fen: int
    returned_fen: int
    state: OrderState
    why: str
    code: str
    is_charge: bool
    trade_no: str
    opened_at: datetime
    expires_at: datetime
    changed_at: datetime
    paid_at: datetime | None


class GatewayRefund(msgspec.Struct, frozen=True):
    """A refund as others see it."""

    id: UUID
    refund_no: str
    order_id: UUID
    amount_fen: int
    state: RefundState
    why: str
    is_automatic: bool
    requested_at: datetime
    changed_at: datetime


class HistoryLine(msgspec.Struct, frozen=True):
    """One thing that happened to an order or one of its refunds."""

    at: datetime
    text: str
    by: str


class StatementSummary(msgspec.Struct, frozen=True):
    """One day's statement of a gateway, as it was compared."""

    method: Method
    day: date
    lines: int
    paid_fen: int
    refunded_fen: int
    foreign: int
    open_differences: int
    at: datetime


class StatementDifference(msgspec.Struct, frozen=True):
    """What a statement and our books do not agree about. `long`: the gateway has more, `short`: we have more."""

    id: UUID
    method: Method
    day: date
    kind: str
    order_no: str
    refund_no: str
    trade_no: str
    ours_fen: int
    theirs_fen: int
    order_id: UUID | None
    at: datetime
    explanation: str
    explained_at: datetime | None


DIFFERENCE_NAMES = {"long": "网关多出(长款)", "short": "网关缺少(短款)", "amount": "金额不一致"}


class GatewayPaid(msgspec.Struct, frozen=True):
    """Money of an order came, once. Whoever it is for makes the receipt; what nobody books goes back by itself.

    `is_late`: it came after the order was cancelled or closed, and nobody may book it. `cashier_id` waits for it at the desk.
    """

    order_id: UUID
    order_no: str
    site: str
    target: str
    method: Method
    amount_fen: int
    trade_no: str
    at: datetime
    is_late: bool
    cashier_id: UUID | None = None


class GatewayRefunded(msgspec.Struct, frozen=True):
    """A refund ended: the money went back, or the gateway said that it will not."""

    refund_id: UUID
    refund_no: str
    order_id: UUID
    site: str
    target: str
    method: Method
    amount_fen: int
    at: datetime
    is_success: bool
    is_automatic: bool


class GatewayOrderEnded(msgspec.Struct, frozen=True):
    """An order will not be paid any more: closed or declined. Whoever waits for it may take the money another way."""

    order_id: UUID
    order_no: str
    site: str
    target: str
    state: OrderState
    why: str

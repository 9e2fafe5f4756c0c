"""Messages as frozen structs: why somebody is written to, where a message stands, a gateway's receipt, and what happened."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec


class Occasion(StrEnum):
    """Why somebody is written to. CRITICAL is a critical value or class A, ABNORMAL class B, ESCALATION a clock that ran out."""

    BOOKED = "booked"
    REPORT_READY = "report_ready"
    ABNORMAL = "abnormal"
    CRITICAL = "critical"
    FOLLOW_UP = "follow_up"
    RECHECK = "recheck"
    ESCALATION = "escalation"
    GROUP_EXAM = "group_exam"


OCCASION_NAMES = {
    Occasion.BOOKED: "预约成功",
    Occasion.REPORT_READY: "报告完成",
    Occasion.ABNORMAL: "B类异常",
    Occasion.CRITICAL: "危急值/A类",
    Occasion.FOLLOW_UP: "回访",
    Occasion.RECHECK: "复查提醒",
    Occasion.GROUP_EXAM: "团检提醒",
    Occasion.ESCALATION: "超时升级",
}


class Audience(StrEnum):
    """Who reads it: the examined person, or a doctor of the house."""

    PERSON = "person"
    DOCTOR = "doctor"


class Channel(StrEnum):
    """How it reaches them."""

    SMS = "sms"
    IN_APP = "in_app"


class DeliveryState(StrEnum):
    """Where an SMS stands. From the moment it is handed over it is UNKNOWN; only an answer or a receipt moves it on.

    SENT: the gateway has taken it, its receipt is outstanding. HELD: something is missing (`why`). EXPIRED: no longer useful, or
    no receipt came in time; a late receipt still counts.
    """

    WAITING = "waiting"
    HELD = "held"
    UNKNOWN = "unknown"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"


DELIVERY_STATE_NAMES = {
    DeliveryState.WAITING: "待发送",
    DeliveryState.HELD: "暂缓",
    DeliveryState.UNKNOWN: "结果不明",
    DeliveryState.SENT: "已提交,待回执",
    DeliveryState.DELIVERED: "已送达",
    DeliveryState.FAILED: "发送失败",
    DeliveryState.EXPIRED: "已过期",
}

REASONS = {
    "no_gateway": "未配置短信网关",
    "no_consent": "受检者未同意接收短信",
    "consent_withdrawn": "受检者已撤回短信同意",
    "no_phone": "没有登记手机号",
    "no_mobile": "登记的电话不是手机号",
    "no_template": "没有该场景的短信模板",
    "template_unapproved": "含结果内容的模板未经审定",
    "centre_phone": "未设置体检中心电话(EXAM_CENTRE_PHONE)",
    "bad_text": "内容含控制字符",
    "too_long": "内容过长",
    "quiet_hours": "免打扰时段,稍后发送",
    "unreachable": "网关无法连接",
    "busy": "网关繁忙",
    "not_authorised": "网关不接受本系统的签名,请核对密钥和时间",
    "refused": "网关拒绝发送",
    "no_answer": "已提交但没有收到网关答复",
    "not_known": "网关没有收到该短信",
    "undelivered": "运营商回执:未送达",
    "too_late": "超过有效时间未能发送",
    "no_receipt": "超过时限没有回执",
    "cancelled": "体检已取消",
    "recalled": "报告已撤回",
    "moved": "体检已改期",
    "not_due": "复查已预约或不再需要",
    "misset": "网关地址或密钥设置有误",
}
"""Why a message stands where it does, in words; a gateway's own code is shown as it is."""


class ConsentKind(StrEnum):
    """What a person said about SMS. Nobody who was never asked counts as having said yes."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"


CONSENT_NAMES = {ConsentKind.GIVEN: "同意", ConsentKind.WITHDRAWN: "撤回同意"}


class Queued(msgspec.Struct, frozen=True):
    """What came of queueing: the message, where it stands and, when it is held, why (a key of `REASONS`)."""

    message_id: UUID
    state: DeliveryState
    why: str = ""
    segments: int = 0


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gateway's word on one message. `receipt_id` is the gateway's own number of this receipt: the same one counts once."""

    receipt_id: str
    message_id: UUID
    is_delivered: bool
    code: str = ""


class MessageLine(msgspec.Struct, frozen=True):
    """One line of the list. The phone is masked, the text is not in it."""

    id: UUID
    queued_at: datetime
    occasion: Occasion
    audience: Audience
    to_name: str
    phone_masked: str
    visit_no: str
    template: str
    segments: int
    state: DeliveryState
    why: str
    tries: int
    changed_at: datetime
    is_resend: bool = False


class FactLine(msgspec.Struct, frozen=True):
    """One thing that happened to a message."""

    at: datetime
    text: str
    by: str


class MessageDetail(msgspec.Struct, frozen=True):
    """One message with its text and its history."""

    line: MessageLine
    text: str
    history: tuple[FactLine, ...]
    until_at: datetime | None
    due_at: datetime | None
    resent_as: UUID | None = None


class NoticeLine(msgspec.Struct, frozen=True):
    """One notice in somebody's inbox."""

    id: UUID
    at: datetime
    text: str
    link: str
    read_at: datetime | None


class MessageQueued(msgspec.Struct, frozen=True):
    """A message was put down to be sent, or is held. Neither phone nor text."""

    message_id: UUID
    site: str
    visit_id: UUID | None
    occasion: Occasion
    state: DeliveryState


class MessageSettled(msgspec.Struct, frozen=True):
    """What became of a message is known, or nothing more is expected: delivered, failed or expired."""

    message_id: UUID
    site: str
    visit_id: UUID | None
    occasion: Occasion
    state: DeliveryState

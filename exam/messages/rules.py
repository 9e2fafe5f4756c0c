"""The rules of messages, pure: wording, quiet hours, consent, length, and what moves a message from one state to the next."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from exam.kit.clock import local
from exam.kit.errors import Refused
from exam.kit.states import StateTable
from exam.knowledge.message_template import MessageTemplate, placeholders
from exam.messages.facts import DELIVERY_STATE_NAMES, Audience, Channel, ConsentKind, DeliveryState, Occasion
from exam.people.pinyin import COMPOUND_SURNAMES

QUIET_FROM, QUIET_TO = time(21, 0), time(8, 0)
"""On the centre's wall clock; what is not urgent waits until the morning."""

FIRST_SEGMENT = 70
FURTHER_SEGMENT = 67
"""Characters (UTF-16 units) of an SMS, and of each part of a long one (3GPP TS 23.040 §9.2.3.24.1: the header takes three)."""

MOST_SEGMENTS = 5

URGENT = frozenset({Occasion.CRITICAL, Occasion.ESCALATION})

USEFUL = {
    Occasion.BOOKED: timedelta(days=3), Occasion.REPORT_READY: timedelta(days=7), Occasion.ABNORMAL: timedelta(days=7),
    Occasion.CRITICAL: timedelta(hours=24), Occasion.FOLLOW_UP: timedelta(days=3), Occasion.RECHECK: timedelta(days=7),
    Occasion.ESCALATION: timedelta(hours=4), Occasion.GROUP_EXAM: timedelta(days=3),
}  # fmt: skip
"""How long a message that could not be sent is still worth sending: a booking's SMS must not come weeks later."""

RECEIPT_URGENT, RECEIPT_USUAL = timedelta(hours=2), timedelta(hours=72)
"""How long a receipt is awaited; then the message expires and somebody is told."""

LEASE = timedelta(minutes=2)
"""A worker that died while handing over is taken for dead after this; then the gateway is asked."""

_SLOWEST = timedelta(minutes=30)

DELIVERY = StateTable(
    "message",
    {
        ("waiting", "hold"): "held",
        ("held", "release"): "waiting",
        ("waiting", "hand_over"): "unknown",
        ("unknown", "accept"): "sent",
        ("unknown", "not_sent"): "waiting",
        ("unknown", "reject"): "failed",
        ("unknown", "no_answer"): "unknown",
        ("unknown", "retry"): "waiting",
        ("waiting", "deliver"): "delivered",
        ("waiting", "fail"): "failed",
        ("held", "deliver"): "delivered",
        ("held", "fail"): "failed",
        ("unknown", "deliver"): "delivered",
        ("unknown", "fail"): "failed",
        ("sent", "deliver"): "delivered",
        ("sent", "fail"): "failed",
        ("failed", "deliver"): "delivered",
        ("expired", "deliver"): "delivered",
        ("expired", "fail"): "failed",
        ("waiting", "withdraw"): "expired",
        ("held", "withdraw"): "expired",
        ("waiting", "expire"): "expired",
        ("held", "expire"): "expired",
        ("unknown", "expire"): "expired",
        ("sent", "expire"): "expired",
    },
    {str(state): name for state, name in DELIVERY_STATE_NAMES.items()},
)

NOTES = frozenset({"queue", "answer", "receipt", "resend"})
"""Facts that are kept and move nothing: an answer or a receipt that came after the state was settled, a resend as another one."""

FACT_NAMES = {
    "queue": "登记待发送", "hold": "暂缓", "release": "恢复发送", "hand_over": "提交网关", "accept": "网关已接收", "not_sent": "确认未发出",
    "reject": "网关拒绝", "no_answer": "没有收到答复", "retry": "手工重试", "deliver": "回执:已送达", "fail": "回执:未送达",
    "withdraw": "撤回待发短信", "expire": "过期", "answer": "网关答复(迟到)", "receipt": "重复或迟到的回执", "resend": "手工重发为新短信",
}  # fmt: skip


def state_after(kinds: Iterable[str]) -> DeliveryState:
    """Where a message stands after these facts, in their order."""
    state = str(DeliveryState.WAITING)
    for kind in kinds:
        if kind not in NOTES:
            state = DELIVERY.move(state, kind)
    return DeliveryState(state)


# --- wording ---------------------------------------------------------------------------------------------------------


class Choice(msgspec.Struct, frozen=True):
    """The template to use, or why there is none (a key of `facts.REASONS`)."""

    template: MessageTemplate | None
    why: str = ""


def choose(
    templates: Sequence[MessageTemplate], occasion: Occasion, audience: Audience, channel: Channel, on: date, has_findings: bool,
    has_department: bool = True,
) -> Choice:  # fmt: skip
    """The template of an occasion: an approved one before one that nobody signed, the later in the book before the earlier.

    A template that may hold a result is used only when a doctor approved it; one that may not is used unapproved, too. One that
    names the findings, or the department, is passed over when there is none to name.
    """
    fits = [
        each for each in templates
        if (each.occasion, each.audience, each.channel) == (occasion, audience, channel)
        and (each.valid_from is None or each.valid_from <= on) and (each.valid_to is None or on <= each.valid_to)
        and (has_findings or "findings" not in placeholders(each.text))
        and (has_department or "department" not in placeholders(each.text))
    ]  # fmt: skip
    usable = [each for each in fits if each.approved or not each.allows_findings]
    if not usable:
        return Choice(None, "template_unapproved" if fits else "no_template")
    return Choice(max(enumerate(usable), key=lambda pair: (pair[1].approved, pair[0]))[1])


def render(template: MessageTemplate, values: Mapping[str, str]) -> str:
    """The text for one reader. A value is put in once and never looked at again: braces in a name stay braces.

    Refuses a control character (also one that turns the direction of writing) and a text longer than an SMS may be.
    """
    if "findings" in placeholders(template.text) and not (template.allows_findings and template.approved):
        raise Refused("messages.template_unapproved", "含结果内容的模板未经审定", "请由审批人审定模板")
    text = re.sub(r"\{([a-z_]+)\}", lambda found: values.get(found[1], ""), template.text)
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp") for character in text):
        raise Refused("messages.bad_text", "短信内容含有不可见的控制字符", "请核对姓名等信息后重试")
    if segments(text) > MOST_SEGMENTS:
        raise Refused("messages.too_long", f"短信超过 {MOST_SEGMENTS} 条的长度", "请缩短模板")
    return text


def segments(text: str) -> int:
    """How many SMS a text takes."""
    units = len(text.encode("utf-16-le")) // 2
    return 1 if units <= FIRST_SEGMENT else -(-units // FURTHER_SEGMENT)


def surname(name: str) -> str:
    """How somebody is called politely: 韦, 欧阳; the first part of a name with a dot or spaces, which has no Chinese surname."""
    name = name.strip()
    for separator in ("\u00b7", " "):
        if separator in name:
            return name.partition(separator)[0]
    if name.isascii():
        return name
    return name[:2] if name[:2] in COMPOUND_SURNAMES and len(name) > 2 else name[:1]


def address(name: str, sex: str) -> str:
    """韦先生, 欧阳女士."""
    return f"{surname(name)}{'先生' if sex == 'M' else '女士'}"


# --- when and to whom ------------------------------------------------------------------------------------------------


def not_before(moment: datetime, is_quiet: bool) -> datetime:
    """The first moment at which a message may go: the morning, when it respects quiet hours and it is night."""
    there = local(moment)
    if not is_quiet or QUIET_TO <= there.time() < QUIET_FROM:
        return moment
    morning = there.replace(hour=QUIET_TO.hour, minute=QUIET_TO.minute, second=0, microsecond=0)
    return (morning if there.time() < QUIET_TO else morning + timedelta(days=1)).astimezone(UTC)


def consent_problem(occasion: Occasion, consent: ConsentKind | None) -> str:
    """Why a person may not be written to; empty when they may.

    A critical result is told without having asked before, because informing is the centre's duty; a refusal is kept even then,
    and somebody calls instead.
    """
    if consent == ConsentKind.GIVEN:
        return ""
    if consent == ConsentKind.WITHDRAWN:
        return "consent_withdrawn"
    return "" if occasion in URGENT else "no_consent"


def phone_problem(phone: str) -> str:
    """Why a phone takes no SMS; empty for a mobile of this country."""
    if not phone:
        return "no_phone"
    return "" if re.fullmatch(r"1[3-9]\d{9}", phone) else "no_mobile"


def next_try(now: datetime, tries: int) -> datetime:
    """When to try again after so many tries: 15 s, 30 s, 1 min … half an hour."""
    return now + min(timedelta(seconds=15) * (1 << min(max(tries, 1) - 1, 10)), _SLOWEST)


def next_question(now: datetime, handed_over_at: datetime) -> datetime:
    """When to ask the gateway again: in two minutes, four, eight …, each question being a row in the audit."""
    return now + min(max(now - handed_over_at, LEASE), timedelta(hours=12))


def receipt_until(now: datetime, is_urgent: bool) -> datetime:
    """Until when a receipt is awaited."""
    return now + (RECEIPT_URGENT if is_urgent else RECEIPT_USUAL)


def clean_code(text: str) -> str:
    """A gateway's code or reference as it is kept: a short word without spaces, and nothing that could be a phone or a text."""
    if not text:
        return ""
    return text if re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", text) and not re.search(r"1[3-9]\d{9}(?!\d)", text) else "other"

"""A message's wording as data: a text with a fixed small set of placeholders. Nothing in it is ever evaluated."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Literal

import msgspec

OccasionCode = Literal["booked", "report_ready", "abnormal", "critical", "follow_up", "recheck", "escalation", "group_exam"]
"""Why somebody is written to; `exam.messages.facts.Occasion` has the same."""

PLACEHOLDERS = {
    "name": "姓氏和称呼",
    "centre": "体检中心名称",
    "phone": "体检中心电话",
    "visit_no_tail": "体检号后四位",
    "exam_on": "体检日期",
    "department": "科室",
    "findings": "结果内容",
}
"""What a text may name in braces."""

URGENT: frozenset[str] = frozenset({"critical", "escalation"})
"""Occasions that wait for nothing."""

LONGEST_TEXT = 300

_BRACES = re.compile(r"\{([a-z_]+)\}")


class MessageTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The wording of one occasion for one audience and channel, as versioned data.

    `allows_findings` is the approver's word that a result may stand in the message; without it the text names no value and no
    disease (domain.md §3.6). A text that is not sound cannot be made, so none can be stored.
    """

    code: str
    version: int
    occasion: OccasionCode
    audience: Literal["person", "doctor"]
    channel: Literal["sms", "in_app"]
    text: str
    allows_findings: bool = False
    respects_quiet_hours: bool = True
    source: str = ""
    approved: bool = False
    approver: str = ""
    valid_from: date | None = None
    valid_to: date | None = None

    def __post_init__(self) -> None:
        problem = text_problem(self.text)
        if not problem and "findings" in placeholders(self.text) and not self.allows_findings:
            problem = "文字中有{findings},但没有允许发送结果内容"
        if not problem and self.respects_quiet_hours and self.occasion in URGENT:
            problem = "紧急通知不受免打扰时段限制,请去掉“免打扰”"
        if problem:
            raise ValueError(f"{self.code}:{problem}")


def placeholders(text: str) -> frozenset[str]:
    """Which placeholders a text names."""
    return frozenset(_BRACES.findall(text))


def text_problem(text: str) -> str:
    """What is wrong with a template's text, in Chinese; empty when it is sound."""
    if not text.strip():
        return "文字不能为空"
    if len(text) > LONGEST_TEXT:
        return f"文字超过 {LONGEST_TEXT} 字"
    if any(unicodedata.category(character)[0] == "C" for character in text):
        return "文字中有不可见的控制字符"
    unknown = sorted(placeholders(text) - set(PLACEHOLDERS))
    if unknown:
        return f"没有占位符 {{{unknown[0]}}},可用:{'、'.join(PLACEHOLDERS)}"
    if re.search(r"[{}]", _BRACES.sub("", text)):
        return "花括号只能用于占位符,例如 {name}"
    return ""

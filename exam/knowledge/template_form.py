"""The form of a message template: its words, what may stand in them, and how an invented person would read it."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, get_args

from exam.knowledge import words
from exam.knowledge.book import Entry
from exam.knowledge.entry_form import Draft, EntryForm, Items, Problems, Shown, common_of, common_texts, refuse
from exam.knowledge.message_template import (
    LONGEST_TEXT,
    PLACEHOLDERS,
    URGENT,
    MessageTemplate,
    OccasionCode,
    placeholders,
    text_problem,
)

INVENTED = {
    "name": "覃先生", "centre": "示范体检中心", "phone": "0775-0000000", "visit_no_tail": "4071", "exam_on": "2026-12-01",
    "department": "内科", "findings": "空腹血糖 17.2 mmol/L ↑",
}  # fmt: skip
"""What stands in the preview for each placeholder; nobody real."""

AUDIENCES = words.CODED_WORDS["audience"]
CHANNELS = words.CODED_WORDS["channel"]

_ONE_SMS, _EACH_OF_SEVERAL = 70, 67  # characters; as exam.messages counts them (3GPP TS 23.040 §9.2.3.24.1)
_NUMBER_WITH_UNIT = re.compile(
    r"\d+(?:\.\d+)?\s*(?:[a-zμµ]?mol/L|m?g/[dm]?L|g/L|mmHg|kPa|[µμ]?g/L|10\*?\^?9/L|U/L|IU/m?L|mm|cm|%)", re.IGNORECASE
)
_NAMED = re.compile("[\u4e00-\u9fff]{2,}.*")  # a choice that is a word; 1+ and 4A tell nothing in a sentence
_SAY_NOTHING = frozenset({"其他"})


def draft_of(entry: Entry, items: Items) -> Draft:
    """The draft that shows a template as it is."""
    assert isinstance(entry, MessageTemplate)
    return Draft(
        common_texts(entry)
        | {
            "occasion": entry.occasion, "audience": entry.audience, "channel": entry.channel, "text": entry.text,
            "allows_findings": "yes" if entry.allows_findings else "", "respects_quiet_hours": "yes" if entry.respects_quiet_hours else "",
        }
    )  # fmt: skip


def empty() -> Draft:
    """The draft of a new template."""
    texts = {
        "occasion": "",
        "audience": "person",
        "channel": "sms",
        "text": "",
        "allows_findings": "",
        "respects_quiet_hours": "yes",
    }
    return Draft({"code": "", "source": "", **texts})


def read(draft: Draft, items: Items, present: Entry | None) -> Entry:
    """The template that a draft says. Raises BadInput."""
    assert present is None or isinstance(present, MessageTemplate)
    problems: Problems = []
    common = common_of(draft, present, problems)
    chosen: dict[str, Any] = {name: draft.text(name) for name in ("occasion", "audience", "channel")}
    for name, label, known in (
        ("occasion", "场合", get_args(OccasionCode)), ("audience", "对象", tuple(AUDIENCES)), ("channel", "途径", tuple(CHANNELS)),
    ):  # fmt: skip
        if chosen[name] not in known:
            problems.append((name, f"{label}:请选择"))
    text, allows, quiet = draft.text("text"), draft.text("allows_findings") == "yes", draft.text("respects_quiet_hours") == "yes"
    wrong = text_problem(text)
    if wrong:
        problems.append(("text", f"文字:{wrong}" if text.strip() else "文字:不能为空"))
    elif "findings" in placeholders(text) and not allows:
        problems.append(("allows_findings", "文字中有 {findings},请勾选“允许写明结果”,或从文字中去掉"))
    if quiet and chosen["occasion"] in URGENT:
        problems.append(("respects_quiet_hours", "紧急通知不受免打扰时段限制,请取消“遵守免打扰时段”"))
    refuse(problems)
    template = MessageTemplate(
        **common, **chosen, text=text, allows_findings=allows, respects_quiet_hours=quiet, approver=present.approver if present else "",
    )  # fmt: skip
    refuse(template_problems(template, items))
    return template


def template_problems(template: MessageTemplate, items: Items) -> Problems:
    """A value or a disease in the words of a template that may not tell one."""
    if template.allows_findings:
        return []
    number = _NUMBER_WITH_UNIT.search(template.text)
    if number is not None:
        return [("text", f"文字中有数值“{number[0]}”,没有允许写明结果,请去掉")]
    named = next((name for name in sorted(_diseases(items), key=len, reverse=True) if name in template.text), "")
    return [("text", f"文字中有结果或疾病名称“{named}”,没有允许写明结果,请去掉")] if named else []


def _diseases(items: Items) -> set[str]:
    """What the dictionary calls an abnormal finding or an illness."""
    names = {choice.text for item in items.values() for choice in item.choices if choice.abnormal}
    return {name for name in names - _SAY_NOTHING if _NAMED.fullmatch(name)}


# --- the living example ----------------------------------------------------------------------------------------------


def preview(text: str) -> str:
    """A text as an invented person would read it."""
    return re.sub(r"\{([a-z_]+)\}", lambda found: INVENTED.get(found[1], found[0]), text)


def shown(entry: Entry, items: Items, today: date) -> Shown:
    """The message as it arrives."""
    assert isinstance(entry, MessageTemplate)
    written = preview(entry.text)
    count = len(written)
    parts = 1 if count <= _ONE_SMS else -(-count // _EACH_OF_SEVERAL)
    lines = [("发给", f"{AUDIENCES[entry.audience]},{CHANNELS[entry.channel]}")]
    lines.append(("长度", f"{count} 字{f',{parts} 条短信' if entry.channel == 'sms' else ''}"))
    lines.append(("夜间", "等到早上再发" if entry.respects_quiet_hours else "立即发送"))
    lines.append(("结果内容", "允许写明,经审批后才使用" if entry.allows_findings else "不写数值和疾病名称"))
    return Shown(written, tuple(lines), "预览(虚构的人)")


def _options(items: Items) -> dict[str, Any]:
    return {
        "occasions": list(words.OCCASION_WORDS.items()), "audiences": list(AUDIENCES.items()), "channels": list(CHANNELS.items()),
        "places": list(PLACEHOLDERS.items()), "longest": LONGEST_TEXT,
    }  # fmt: skip


FORM = EntryForm(
    kind="template", parts="exam/knowledge_template_parts.html", draft_of=draft_of, read=read, shown=shown, options=_options, empty=empty,
    fields=("occasion", "audience", "channel", "text", "allows_findings", "respects_quiet_hours"),
)  # fmt: skip

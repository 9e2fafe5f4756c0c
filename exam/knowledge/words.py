"""Rules in Chinese words: a condition as a doctor would write it, an entry's fields with their labels, and what two entries differ in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from exam.catalog.facts import Item
from exam.catalog.words import source_name
from exam.knowledge.book import Alert, Entry, Escalation, Example, GradeStep, Merge, Recheck, Rule
from exam.knowledge.facts import ALERT_CLASS_NAMES, AlertClass, Severity
from exam.knowledge.gate import GateCheck, GateExample
from exam.knowledge.language import (
    Age,
    AllOf,
    AnyOf,
    AtLeast,
    Between,
    Change,
    Chosen,
    Compare,
    Condition,
    Earlier,
    EarlierChosen,
    Flagged,
    HasEarlier,
    History,
    LimitMultiple,
    Missing,
    Not,
    Says,
    Sex,
)
from exam.knowledge.message_template import MessageTemplate
from exam.knowledge.rules import condition_items
from exam.knowledge.rules.units import printed_unit
from exam.knowledge.summary_wording import SummaryExample, SummaryWording

KIND_NAMES = {
    "rule": "结论规则", "merge": "合并规则", "policy": "时限策略", "grade": "分级标准", "check": "矛盾检查", "template": "消息模板",
    "summary": "小结用语",
}  # fmt: skip
RELATION_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "=": "=", "!=": "≠"}
FLAG_NAMES = {"normal": "正常", "low": "偏低", "high": "偏高", "abnormal": "异常"}
SEX_WORDS = {"M": "男性", "F": "女性"}
SEVERITY_WORDS = {
    Severity.HINT: "提示", Severity.MILD: "轻度", Severity.RECHECK: "复查", Severity.SPECIALIST: "专科就诊",
    Severity.IMPORTANT: "重要", Severity.CRITICAL: "最重要",
}  # fmt: skip

FIELD_LABELS = {
    "condition": "条件", "text": "结论", "category": "类别", "severity": "程度", "advice": "建议", "lifestyle": "生活指导",
    "specialist": "就诊科室", "hierarchy": "互斥组", "rank": "组内级别", "order": "报告中的次序", "covers": "只解释的项目",
    "also_covers": "另外解释的项目", "alert": "危急/重要异常", "recheck": "复查", "source": "来源", "valid_from": "生效日期",
    "valid_to": "停用日期", "examples": "例子", "of": "合并的规则", "at_least": "至少成立几条", "with_one_of": "还须成立",
    "alert_class": "等级", "confirm_minutes": "确认时限(分钟)", "notify_minutes": "通知时限(分钟)", "receive_minutes": "接收时限(分钟)",
    "handle_minutes": "处理时限(分钟)", "follow_up_days": "回访(天)", "working_days": "通知时限(工作日)", "escalation": "超时上报",
    "blocks_release": "未处理时不能发布报告", "name": "名称", "steps": "分级条件", "approved": "批准", "version": "版本", "code": "编号",
    "test": "检查内容", "remedy": "处理办法", "is_blocking": "阻止签名", "occasion": "场合", "audience": "对象", "channel": "途径",
    "allows_findings": "允许写明结果", "respects_quiet_hours": "遵守免打扰时段", "approver": "文字批准人",
    "icd10": "ICD-10 编码", "departments": "适用科室", "number": "数值异常写法", "choice": "选项异常写法", "unjudged": "不能判定写法",
    "nothing": "无异常写法",
}  # fmt: skip
"""What the fields of entries are called; one that has no word here goes by its own name."""

_OWN_LABELS: Mapping[type, Mapping[str, str]] = {MessageTemplate: {"text": "文字"}, GateCheck: {"text": "提示"}}
"""What a field is called where the entry is no conclusion."""

OCCASION_WORDS = {
    "booked": "预约成功", "report_ready": "报告完成", "abnormal": "B类异常", "critical": "危急值/A类", "follow_up": "回访", "recheck": "复查提醒",
    "escalation": "超时升级", "group_exam": "团检提醒",
}  # fmt: skip
CODED_WORDS = {"audience": {"person": "受检者", "doctor": "医师"}, "channel": {"sms": "短信", "in_app": "系统内"}, "occasion": OCCASION_WORDS}
_PART_LABELS = {
    "of": "", "item": "", "low": "下限", "high": "上限", "slip": "常见误录", "hits": "应查出", "values": "结果", "sex": "性别", "age": "年龄",
    "history": "病史", "conclusions": "结论", "summaries": "小结", "earlier": "上次结果", "left": "左边", "right": "右边", "op": "应",
    "tolerance": "允许差", "percent": "允许差(%)", "when": "当", "words": "词语", "phrases": "描述词语", "claims": "须有依据的结论词",
    "support": "依据", "condition": "", "items": "项目", "organ": "器官", "lesions": "病变", "continues": "接着说的开头词",
    "ignore": "不算左右的词", "marks": "本身说明左右的结果", "side": "", "lesion": "", "removed": "已切除的词", "present": "仍在描述的词",
    "states": "状态", "is_stated": "否认的不算", "choice": "", "name": "结论名称", "alerts_without_notice": "未通知的危急值", "orders": "项目状态",
}  # fmt: skip
"""What the fields of an entry's parts are called; one without a word goes by its own name."""

ORDER_WORDS = {
    "pending": "待检", "sampled": "已采样", "started": "检查中", "resulted": "已出结果", "confirmed": "已审核", "refused": "拒检",
    "postponed": "延期", "removed": "已退项",
}  # fmt: skip

_PLACES = {"{values}": "各项结果", "{first}": "首条结论", "{others}": "其余结论"}
"""What stands for something else in a conclusion's text, as a title says it."""

ESCALATED_TO = {"critical_values.head": "科主任", "critical_values.direct": "中心主任"}
"""Who is told when a clock runs out, by the permission that they hold."""

_NOT_CONTENT = ("code", "version", "approved", "valid_from")
_BARE: Mapping[str, Item] = {}


def number_words(number: Decimal) -> str:
    """A bound as it was written: never in exponent form."""
    return f"{number:f}"


def condition_words(condition: Condition, items: Mapping[str, Item] = _BARE) -> str:
    """A condition in words, such as `血红蛋白 ≤ 60 g/L 且 无既往值`; an item that the catalogue does not have goes by its code."""
    return _words(condition, items, "", is_inner=False)


def title_of(entry: Entry) -> str:
    """What an entry is about, in one line: its conclusion, or its name."""
    if isinstance(entry, Rule) and entry.alert is not None and entry.alert.name:
        return entry.alert.name
    if isinstance(entry, MessageTemplate):
        return f"{OCCASION_WORDS[entry.occasion]}({CODED_WORDS['channel'][entry.channel]})"
    found = getattr(entry, "text", "") or getattr(entry, "name", "")
    if isinstance(entry, Rule | Merge):
        for place, meaning in _PLACES.items():
            found = found.replace(place, meaning)
    if not found and isinstance(getattr(entry, "alert_class", None), AlertClass):
        found = f"{ALERT_CLASS_NAMES[entry.alert_class]}时限"  # type: ignore[union-attr]
    return str(found) or entry.code


def summary_of(entry: Entry, items: Mapping[str, Item] = _BARE) -> str:
    """When an entry speaks, in one line."""
    if isinstance(entry, Rule):
        return condition_words(entry.condition, items)
    if isinstance(entry, Merge):
        more = "".join(f",并有 {'或'.join(group)}" for group in entry.with_one_of)
        return f"{'、'.join(entry.of)} 中至少 {entry.at_least} 条成立{more}"
    if isinstance(entry, MessageTemplate):
        return entry.text
    if isinstance(entry, SummaryWording):
        return f"{entry.number};{entry.choice};{entry.nothing}"
    if isinstance(entry, GateCheck):
        return f"{'阻止签名' if entry.is_blocking else '提醒'}:{entry.remedy}"
    hidden = (*_NOT_CONTENT, "text", "name", "source")
    return ";".join(f"{label}:{text}" for label, text in facts_of(entry, items, hidden=hidden) if text)[:300]


def example_words(example: Example, items: Mapping[str, Item] = _BARE) -> str:
    """A person of an example in one line."""
    parts = [f"{SEX_WORDS[example.sex]} {example.age} 岁"]
    parts += [f"{_name(code, items)} {_joined(raw)}{_unit(code, items)}" for code, raw in example.values.items()]
    parts += [f"既往 {_name(code, items)} {_joined(raw)}{_unit(code, items)}" for code, raw in example.earlier.items()]
    if example.history:
        parts.append(f"病史:{'、'.join(example.history)}")
    return ",".join(parts)


def gate_example_words(example: GateExample, items: Mapping[str, Item]) -> str:
    """A review of a check's example in one line."""
    person = Example(
        fires=example.hits, values=example.values, sex=example.sex, age=example.age, history=example.history, earlier=example.earlier
    )  # fmt: skip
    parts = [example_words(person, items)]
    parts += [f"小结“{text}”" for text in example.summaries]
    parts += [f"结论“{text}”" for text in example.conclusions]
    parts += [f"{name}{ORDER_WORDS.get(state, state)}" for name, state in example.orders.items()]
    if example.alerts_without_notice:
        parts.append(f"{example.alerts_without_notice} 项危急值未通知")
    return ",".join(parts)


def facts_of(
    entry: Entry, items: Mapping[str, Item] = _BARE, hidden: Iterable[str] = _NOT_CONTENT
) -> list[tuple[str, str]]:
    """Every field of an entry that says something, as `(label, words)`."""
    left_out = set(hidden)
    own = _OWN_LABELS.get(type(entry), {})
    return [
        (own.get(each.name) or FIELD_LABELS.get(each.name, each.name), field_words(each.name, getattr(entry, each.name), items))
        for each in msgspec.structs.fields(entry)
        if each.name not in left_out
    ]


def differences(old: Entry | None, new: Entry | None, items: Mapping[str, Item] = _BARE) -> list[tuple[str, str, str]]:
    """What two versions of an entry differ in, as `(label, before, after)`; approval, version and day are not content."""
    before = dict(facts_of(old, items)) if old is not None else {}
    after = dict(facts_of(new, items)) if new is not None else {}
    labels = dict.fromkeys((*after, *before))
    found = [(label, before.get(label, ""), after.get(label, "")) for label in labels]
    return [(label, was, now) for label, was, now in found if was != now]


def same_content(old: Entry, new: Entry) -> bool:
    """Whether two entries say the same, whatever their versions, days and approvals are."""
    plain = {"version": 1, "approved": False, "valid_from": None}
    return type(old) is type(new) and msgspec.structs.replace(old, **plain) == msgspec.structs.replace(new, **plain)


def field_words(name: str, value: Any, items: Mapping[str, Item] = _BARE) -> str:
    """A field's value in words; nothing for an empty one."""
    if value is None or value in ("", (), frozenset()):
        return "" if value is not None or name != "covers" else "条件中的全部项目"
    if name == "source":
        return source_name(value)
    if name == "covers":
        return "、".join(_name(code, items) for code in value)
    if name == "severity":
        return f"{int(value)} {SEVERITY_WORDS[Severity(value)]}"
    if name in ("advice", "lifestyle", "text"):
        return str(value)
    if name in CODED_WORDS:
        return CODED_WORDS[name].get(str(value), str(value))
    return _value_words(value, items)


def _value_words(value: Any, items: Mapping[str, Item]) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, Condition):
        return condition_words(value, items)
    if isinstance(value, Example):
        return f"{'应触发' if value.fires else '不应触发'}:{example_words(value, items)}"
    if isinstance(value, GateExample):
        return f"{'应查出' if value.hits else '不应查出'}:{gate_example_words(value, items)}"
    if isinstance(value, SummaryExample):
        person = Example(fires=True, values=value.values, sex=value.sex, age=value.age)
        done = "" if value.is_complete else ",尚未做完"
        return f"{value.department} {example_words(person, items)}{done}:{f'“{value.text}”' if value.text else '无小结'}"
    if isinstance(value, Alert):
        days = f"回访 {'、'.join(map(str, value.follow_up_days))} 天" if value.follow_up_days else ""
        parts = (ALERT_CLASS_NAMES[value.alert_class], value.name, "、".join(value.departments), days)
        return " ".join(part for part in parts if part)
    if isinstance(value, Recheck):
        return f"{value.after_days} 天后复查 {'、'.join(value.groups)}"
    if isinstance(value, Escalation):
        return f"{value.after_minutes} 分钟后通知{ESCALATED_TO.get(value.to, f' {value.to}')}"
    if isinstance(value, GradeStep):
        return f"{value.grade}:{condition_words(value.condition, items)}"
    if isinstance(value, AlertClass):
        return ALERT_CLASS_NAMES[value]
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return number_words(value)
    if isinstance(value, tuple | list):
        texts = [_value_words(each, items) for each in value]
        is_long = any(isinstance(each, msgspec.Struct | tuple) for each in value)
        return ("\n" if is_long else "、").join(texts)
    if isinstance(value, msgspec.Struct):
        held = ((each.name, getattr(value, each.name)) for each in msgspec.structs.fields(value))
        told = [(_PART_LABELS.get(name, name), _value_words(part, items)) for name, part in held if part not in (None, "", (), {})]
        return ",".join(f"{label} {text}".strip() for label, text in told if text)
    if isinstance(value, dict):
        return "、".join(f"{_name(str(key), items)} {_joined(each) if isinstance(each, str | tuple) else each}" for key, each in value.items())
    if isinstance(value, str):
        return ORDER_WORDS.get(value) or _name(value, items)
    return str(value)


# --- conditions ------------------------------------------------------------------------------------------------------


def _words(condition: Condition, items: Mapping[str, Item], of: str, *, is_inner: bool) -> str:
    """`of` is the item that stands before already, so that it need not be said again."""
    match condition:
        case AllOf(of=parts):
            return _group(parts, " 且 ", items, is_inner)
        case AnyOf(of=parts):
            return _group(parts, " 或 ", items, is_inner)
        case AtLeast(n=n, of=parts):
            return f"以下 {len(parts)} 项中至少 {n} 项({';'.join(_words(part, items, '', is_inner=True) for part in parts)})"
        case Not(condition=HasEarlier(item=item)):
            return f"{_of(item, of, items)}无既往值"
        case Not(condition=EarlierChosen(item=item, any_of=texts)):
            return f"{_of(item, of, items)}上次不是{_either(texts, quoted=True)}(或无既往值)"
        case Not(condition=Missing(item=item)):
            return f"{_of(item, of, items)}已有结果"
        case Not(condition=History(any_of=texts)):
            return f"无{_either(texts)}病史"
        case Not(condition=Flagged(item=item, any_of=flags)):
            return f"{_of(item, of, items)}不是{'或'.join(FLAG_NAMES[flag] for flag in flags)}"
        case Not(condition=Chosen(item=item, any_of=texts)):
            return f"{_of(item, of, items)}不是{_either(texts, quoted=True)}"
        case Not(condition=Says(item=item, any_of=texts)):
            return f"{_of(item, of, items)}未提及{_either(texts, quoted=True)}"
        case Not(condition=inner):
            return f"非({_words(inner, items, '', is_inner=False)})"
        case Age(at_least=at_least, below=below):
            return _age_words(at_least, below)
        case Sex(sex=sex):
            return SEX_WORDS[sex]
        case History(any_of=texts):
            return f"有{_either(texts)}病史"
        case _:
            return _item_words(condition, items, of)


def _item_words(condition: Condition, items: Mapping[str, Item], of: str) -> str:
    match condition:
        case Compare(item=item, op=op, value=value, unit=unit):
            return f"{_of(item, of, items)}{RELATION_SIGNS[op]} {number_words(value)}{_unit(item, items, unit)}"
        case Between(item=item, low=low, high=high, unit=unit, low_open=low_open, high_open=high_open):
            signs = ("<" if low_open else "≤", "<" if high_open else "≤")
            return f"{number_words(low)} {signs[0]} {_name(item, items)} {signs[1]} {number_words(high)}{_unit(item, items, unit)}"
        case Flagged(item=item, any_of=flags):
            return f"{_of(item, of, items)}{'或'.join(FLAG_NAMES[flag] for flag in flags)}"
        case Chosen(item=item, any_of=texts):
            return f"{_of(item, of, items)}为{_either(texts, quoted=True)}"
        case Says(item=item, any_of=texts):
            return f"{_of(item, of, items)}提及{_either(texts, quoted=True)}"
        case LimitMultiple(item=item, op=op, times=times):
            return f"{_of(item, of, items)}{RELATION_SIGNS[op]} {number_words(times)} 倍参考上限"
        case Missing(item=item):
            return f"{_of(item, of, items)}无结果"
        case HasEarlier(item=item):
            return f"{_of(item, of, items)}有既往值"
        case EarlierChosen(item=item, any_of=texts):
            return f"{_of(item, of, items)}上次为{_either(texts, quoted=True)}"
        case Earlier(item=item, op=op, value=value):
            return f"{_of(item, of, items)}上次 {RELATION_SIGNS[op]} {number_words(value)}{_unit(item, items)}"
        case Change(item=item, op=op, percent=percent):
            return f"{_of(item, of, items)}较上次变化 {RELATION_SIGNS[op]} {percent:+f}%"
        case _:
            raise TypeError(condition)


def _group(parts: tuple[Condition, ...], joint: str, items: Mapping[str, Item], is_inner: bool) -> str:
    mentioned = {code for part in parts for code in condition_items(part)}
    told = ""
    texts: list[str] = []
    for part in parts:
        texts.append(_words(part, items, told, is_inner=True))
        own = condition_items(part)
        told = own[0] if len(mentioned) == 1 and len(own) == 1 and joint == " 且 " else ""
    joined = joint.join(texts)
    return f"({joined})" if is_inner and len(parts) > 1 else joined


def _age_words(at_least: int, below: int) -> str:
    if at_least and below < 1000:
        return f"年龄 {at_least}–{below - 1} 岁" if below - 1 > at_least else f"年龄 {at_least} 岁"
    if at_least:
        return f"年龄 ≥ {at_least} 岁"
    return f"年龄 < {below} 岁" if below < 1000 else "任何年龄"


def _of(item: str, of: str, items: Mapping[str, Item]) -> str:
    return "" if item == of else f"{_name(item, items)} "


def _name(code: str, items: Mapping[str, Item]) -> str:
    return items[code].name if code in items else code


def _unit(code: str, items: Mapping[str, Item], unit: str = "") -> str:
    written = printed_unit(unit or (items[code].unit if code in items else ""))
    return f" {written}" if written else ""


def _either(texts: tuple[str, ...], quoted: bool = False) -> str:
    if not quoted:
        return "或".join(texts)
    return "、".join(f"“{text}”" for text in texts) + ("之一" if len(texts) > 1 else "")


def _joined(raw: str | tuple[str, ...]) -> str:
    return raw if isinstance(raw, str) else "、".join(raw)

"""A typed draft as a rule, with every problem named by the field it stands in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, get_args

import msgspec

from exam.catalog.facts import Item, ValueType
from exam.catalog.words import source_code
from exam.kit.errors import BadInput
from exam.knowledge import words
from exam.knowledge.book import Alert, Example, Recheck, Rule
from exam.knowledge.facts import AlertClass, Category, Severity
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
    Relation,
    Says,
    Sex,
)
from exam.knowledge.rule_form import EDGES, NO_COVERS, Draft, Part, item_named, read_number
from exam.knowledge.soundness import icd10_problem

Problems = list[tuple[str, str]]

_SEPARATOR = re.compile(r"[、,,;;\n]+")
_PAIR_SEPARATOR = re.compile(r"[;;\n]+")
_FLAG_CODES = {name: code for code, name in words.FLAG_NAMES.items()}


def read(draft: Draft, items: Mapping[str, Item], present: Rule | None) -> Rule:
    """The rule that a draft says; `present` is the one it changes. Raises BadInput with every problem at once."""
    problems: Problems = []
    condition = condition_of(draft.condition, items, problems)
    rule = _plain_fields(draft.texts, items, present, problems)
    examples = tuple(_example(number, each, items, problems) for number, each in enumerate(draft.examples))
    if problems:
        raise BadInput(problems)
    assert condition is not None
    return msgspec.structs.replace(rule, condition=condition, examples=examples)


def _plain_fields(texts: Mapping[str, str], items: Mapping[str, Item], present: Rule | None, problems: Problems) -> Rule:
    text = {name: value.strip() for name, value in texts.items()}
    if text["category"] not in get_args(Category):
        problems.append(("category", "类别:请选择"))
    if text["severity"] not in {str(int(each)) for each in Severity}:
        problems.append(("severity", "程度:请选择"))
    for name, label in (("text", "结论"), ("source", "来源")):
        if not text[name]:
            problems.append((name, f"{label}:不能为空"))
    code = present.code if present else text["code"]
    if not code:
        problems.append(("code", "编号:不能为空"))
    rank, order = whole_of(text, "rank", "组内级别", 0, problems), whole_of(text, "order", "报告中的次序", 500, problems)
    covers = _covers(text["covers"], items, problems)
    rule = Rule(
        code=code, version=present.version if present else 1, condition=Missing(""), text=text["text"], category="异常",
        severity=Severity.MILD, advice=text["advice"], lifestyle=text["lifestyle"], specialist=text["specialist"],
        hierarchy=text["hierarchy"], rank=rank, order=order, covers=covers,
        also_covers=_also_covers(text["also_covers"], items, problems), alert=_alert(text, problems), recheck=_recheck(text, problems),
        icd10=_icd10(text["icd10"], problems), source=source_code(text["source"]), valid_to=None,
    )  # fmt: skip
    if problems:
        return rule
    category: Any = text["category"]
    return msgspec.structs.replace(rule, category=category, severity=Severity(int(text["severity"])))


def _icd10(text: str, problems: Problems) -> tuple[str, ...]:
    codes = tuple(each.upper() for each in listed(text.replace("/", "、")))
    problems += [("icd10", wrong) for each in codes if (wrong := icd10_problem(each))]
    return codes


def whole_of(text: Mapping[str, str], name: str, label: str, default: int, problems: Problems) -> int:
    """A whole number as typed."""
    if not text[name]:
        return default
    if not re.fullmatch(r"\d{1,6}", text[name], re.ASCII):
        problems.append((name, f"{label}:“{text[name][:20]}”不是整数,请填写 0 到 999999"))
        return default
    return int(text[name])


def listed(text: str) -> tuple[str, ...]:
    """The words of a list as typed."""
    return tuple(dict.fromkeys(part.strip() for part in _SEPARATOR.split(text) if part.strip()))


def _covers(text: str, items: Mapping[str, Item], problems: Problems) -> tuple[str, ...] | None:
    if not text:
        return None
    if text == NO_COVERS:
        return ()
    return tuple(item_of(part, "covers", items, problems) for part in listed(text))


def _also_covers(text: str, items: Mapping[str, Item], problems: Problems) -> tuple[Flagged, ...]:
    found = []
    for part in (each.strip() for each in _PAIR_SEPARATOR.split(text) if each.strip()):
        name, _, flags = part.partition("=")
        codes: list[Any] = [_FLAG_CODES.get(flag.strip(), "") for flag in flags.split("|")]
        if "" in codes:
            problems.append(("also_covers", f"另外解释的项目:“{part[:40]}”应写成 项目=偏高 或 项目=偏低|异常"))
            continue
        found.append(Flagged(item_of(name, "also_covers", items, problems), tuple(codes)))
    return tuple(found)


def _alert(text: Mapping[str, str], problems: Problems) -> Alert | None:
    if not text["alert_class"]:
        return None
    if text["alert_class"] not in {each.value for each in AlertClass}:
        problems.append(("alert_class", "危急/重要异常:请选择"))
        return None
    days = days_of(text["alert_days"], "alert_days", "回访", problems)
    return Alert(AlertClass(text["alert_class"]), text["alert_name"], listed(text["alert_departments"]), days)


def _recheck(text: Mapping[str, str], problems: Problems) -> Recheck | None:
    groups = listed(text["recheck_groups"])
    if not groups and not text["recheck_days"]:
        return None
    days = days_of(text["recheck_days"], "recheck_days", "复查", problems)
    if not groups or len(days) != 1:
        problems.append(("recheck_groups" if not groups else "recheck_days", "复查:组合和几天后都要填写"))
        return None
    return Recheck(groups, days[0])


def days_of(text: str, name: str, label: str, problems: Problems) -> tuple[int, ...]:
    """Days as typed, separated by commas."""
    parts = listed(text)
    wrong = [part for part in parts if not re.fullmatch(r"[1-9]\d{0,3}", part, re.ASCII)]
    if wrong:
        problems.append((name, f"{label}:“{wrong[0][:20]}”不是天数"))
        return ()
    return tuple(int(part) for part in parts)


def item_of(text: str, field: str, items: Mapping[str, Item], problems: Problems) -> str:
    """The code of the item that was typed by code, name or initials."""
    code = item_named(text, items)
    if code is None:
        shown = text.strip()[:40]
        problems.append((field, f"项目:{f'字典中没有“{shown}”' if shown else '不能为空'},请按编码、名称或拼音首字母选择"))
        return ""
    return code


# --- examples --------------------------------------------------------------------------------------------------------


def _example(number: int, texts: Mapping[str, str], items: Mapping[str, Item], problems: Problems) -> Example:
    place = f"第 {number + 1} 个例子"
    age = texts["age"].strip() or "45"
    if not re.fullmatch(r"\d{1,3}", age, re.ASCII) or int(age) > 150:
        problems.append((f"e.{number}.age", f"{place}:年龄“{age[:20]}”应为 0 到 150"))
        age = "45"
    sex: Any = texts["sex"] if texts["sex"] in ("M", "F") else "M"
    return Example(
        fires=texts["fires"] == "yes", values=pairs_of(texts["values"], f"e.{number}.values", place, items, problems), sex=sex,
        age=int(age), history=listed(texts["history"]),
        earlier=pairs_of(texts["earlier"], f"e.{number}.earlier", place, items, problems),
    )  # fmt: skip


def pairs_of(
    text: str, field: str, place: str, items: Mapping[str, Item], problems: Problems
) -> dict[str, str | tuple[str, ...]]:
    """The values of an example as typed; `place` names it in what is wrong."""
    found: dict[str, str | tuple[str, ...]] = {}
    for part in (each.strip() for each in _PAIR_SEPARATOR.split(text) if each.strip()):
        name, sign, raw = (piece.strip() for piece in part.replace("=", "=").partition("="))
        code = item_named(name, items)
        if not name or not sign or not raw:
            problems.append((field, f"{place}:“{part[:40]}”应写成 项目=结果,多项用分号隔开"))
            continue
        if code is None:
            problems.append((field, f"{place}:项目字典中没有“{name[:40]}”,请写项目编码、名称或拼音首字母"))
            continue
        if code in found:
            problems.append((field, f"{place}:{items[code].name}写了两次,请只留一个结果;多选结果用 | 隔开"))
            continue
        choices = tuple(each.strip() for each in raw.split("|") if each.strip())
        found[code] = choices if len(choices) > 1 or items[code].value_type is ValueType.MULTI else raw
    return found


# --- conditions ------------------------------------------------------------------------------------------------------


def condition_of(part: Part, items: Mapping[str, Item], problems: Problems) -> Condition | None:
    """The condition that the form's parts say; None with problems added."""
    name = f"c.{part.way}"
    if part.is_group:
        return _group(part, items, problems)
    if part.kind == "age":
        return _age(part, problems)
    if part.kind == "sex":
        if part.text("sex") not in ("M", "F"):
            problems.append((f"{name}.sex", "性别:请选择"))
            return None
        sex: Any = part.text("sex")
        return Sex(sex)
    if part.kind in ("history", "no_history"):
        texts = listed(part.text("texts")) or tuple(part.picks)
        if not texts:
            problems.append((f"{name}.texts", "病史:不能为空"))
        return History(texts) if part.kind == "history" else Not(History(texts))
    item = item_of(part.text("item"), f"{name}.item", items, problems)
    return _about_item(part, item, items, problems)


def _group(part: Part, items: Mapping[str, Item], problems: Problems) -> Condition | None:
    read_parts = [condition_of(each, items, problems) for each in part.parts]
    if not part.parts:
        problems.append((f"c.{part.way}.kind", "条件:分组中没有内容,请加一项或删除该组"))
        return None
    inner = tuple(each for each in read_parts if each is not None)
    if part.kind == "at_least":
        wanted = part.text("n").strip()
        if not re.fullmatch(r"\d{1,2}", wanted, re.ASCII) or not 1 <= int(wanted) <= len(part.parts):
            problems.append((f"c.{part.way}.n", f"至少几项:请填写 1 到 {len(part.parts)}"))
            return None
        return AtLeast(int(wanted), inner)
    if part.kind == "not":
        return Not(inner[0] if len(inner) == 1 else AllOf(inner))
    if len(inner) == 1:
        return inner[0]
    return AllOf(inner) if part.kind == "all_of" else AnyOf(inner)


def _age(part: Part, problems: Problems) -> Condition | None:
    limits = []
    for name, default in (("at_least", 0), ("below", 1000)):
        text = part.text(name).strip()
        if text and not re.fullmatch(r"\d{1,3}", text, re.ASCII):
            problems.append((f"c.{part.way}.{name}", f"年龄:“{text[:20]}”不是整数"))
            return None
        limits.append(int(text) if text else default)
    if limits[0] >= limits[1] or limits == [0, 1000]:
        problems.append((f"c.{part.way}.at_least", "年龄:请填写下限或上限,下限应小于上限"))
        return None
    return Age(limits[0], limits[1])


def _about_item(part: Part, item: str, items: Mapping[str, Item], problems: Problems) -> Condition | None:
    unit = items[item].unit if item in items and part.text("with_unit") else ""
    match part.kind:
        case "compare":
            return Compare(item, _op(part, problems), _number(part, "value", "数值", problems), unit)
        case "between":
            edges = part.text("edges") if part.text("edges") in EDGES else "[)"
            low, high = _number(part, "low", "下限", problems), _number(part, "high", "上限", problems)
            if low >= high and part.text("low").strip() and part.text("high").strip():
                problems.append((f"c.{part.way}.low", "数值区间:下限应小于上限"))
            return Between(item, low, high, unit, edges[0] == "(", edges[1] == ")")
        case "limit_multiple":
            return LimitMultiple(item, _op(part, problems), _number(part, "times", "倍数", problems))
        case "earlier":
            return Earlier(item, _op(part, problems), _number(part, "value", "上次数值", problems))
        case "change":
            return Change(item, _op(part, problems), _number(part, "percent", "变化百分比", problems))
        case "missing":
            return Missing(item)
        case "has_earlier":
            return HasEarlier(item)
        case "no_earlier":
            return Not(HasEarlier(item))
        case "chosen" | "earlier_chosen":
            choices = tuple(dict.fromkeys((*part.picks, *(listed(part.text("texts")) if not _choices(item, items) else ()))))
            if not choices:
                problems.append((f"c.{part.way}.any_of", "选项:请至少选一个"))
            return Chosen(item, choices) if part.kind == "chosen" else EarlierChosen(item, choices)
        case "flagged":
            flags: list[Any] = [each for each in part.picks if each in words.FLAG_NAMES]
            if not flags:
                problems.append((f"c.{part.way}.any_of", "高低标志:请至少选一个"))
            return Flagged(item, tuple(flags))
        case _:
            phrases = listed(part.text("texts"))
            if not phrases:
                problems.append((f"c.{part.way}.texts", "描述中提及:请填写词语"))
            return Says(item, phrases)


def _choices(item: str, items: Mapping[str, Item]) -> bool:
    return item in items and bool(items[item].choices)


def _op(part: Part, problems: Problems) -> Relation:
    if part.text("op") not in words.RELATION_SIGNS:
        problems.append((f"c.{part.way}.op", "比较符:请选择"))
        return ">"
    op: Any = part.text("op")
    return op  # type: ignore[no-any-return]


def _number(part: Part, name: str, label: str, problems: Problems) -> Decimal:
    text = part.text(name).strip()
    number = read_number(text)
    if number is None:
        problems.append((f"c.{part.way}.{name}", f"{label}:{f'“{text[:20]}”不是数值,' if text else '不能为空,'}请填写数字,例如 7.0"))
        return Decimal(0)
    return number

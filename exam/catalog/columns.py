"""Catalogue entries as columns of text and back: what the edit forms and the workbook share. No clock, no database."""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, cast

import msgspec

from exam.catalog import rules, words
from exam.catalog.facts import (
    Choice,
    Department,
    DepartmentKind,
    Item,
    ItemGroup,
    Package,
    ReferenceRange,
    Tube,
    TubeMerge,
    ValueType,
)
from exam.kit.errors import Refused
from exam.kit.money import fen_from_yuan, yuan

STRUCTS: Mapping[str, type[Any]] = {"department": Department, "item": Item, "group": ItemGroup, "package": Package, "tube": Tube}
SHEETS: Mapping[str, str] = {"department": "科室", "item": "项目", "group": "组合", "package": "套餐", "tube": "试管"}
RANGE_SHEET = "参考范围"

VALUE_TYPES = {"number": "数值", "choice": "单选", "multi": "多选", "text": "文字", "calculated": "计算"}
DEPARTMENT_KINDS = {"manual": "医生录入", "lab": "检验", "imaging": "影像", "device": "设备"}
MERGES = {
    "group": "每组合一管", "section": "同检验分组合管", "visit": "同次体检合管", "time_point": "同时间点合管",
    "site": "同采样部位合管",
}  # fmt: skip
SEXES = {"M": "男", "F": "女"}

MOST_TEXT = 4_000
MOST_LIST = 500
Names = Mapping[str, Mapping[str, str]]
"""The entries' names by kind and code: with them a form takes names for codes and refuses unknown ones."""

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,29}")
_SEPARATORS = re.compile(r"[\s,，、;；]+")


class CellProblem(Exception):
    """A cell that cannot be read: why, and what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class Column(msgspec.Struct, frozen=True):
    """One field of an entry. `shape` says how its text is read; `options` are the words of a choice."""

    name: str
    label: str
    shape: str = "text"
    is_required: bool = False
    hint: str = ""
    options: Mapping[str, str] = {}


_CODE_COLUMN = Column("code", "编码", "code", True, "字母、数字、点、横线、下划线")
_NAME_COLUMN = Column("name", "名称", "text", True)
_SEX_COLUMN = Column("sex", "限性别", "optional_choice", hint="空为不限", options=SEXES)
_CODES_HINT = "编码或名称,用空格或顿号分开"
_AGE_COLUMNS = (Column("age_from", "年龄起", "integer"), Column("age_to", "年龄止", "integer"))
_ORDER_COLUMN = Column("order", "排序", "integer")
_SOURCE_COLUMN = Column("source", "来源", "source", hint="、".join(words.SOURCES.values()) + ",或标准号")

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "department": (
        _CODE_COLUMN, _NAME_COLUMN, Column("kind", "录入方式", "choice", True, options=DEPARTMENT_KINDS),
        Column("location", "位置"), _ORDER_COLUMN,
    ),
    "item": (
        _CODE_COLUMN, _NAME_COLUMN, Column("department", "科室编码", "reference", True, options={"kind": "department"}),
        Column("value_type", "结果类型", "choice", True, options=VALUE_TYPES), Column("unit", "单位", "unit", hint="如 mmol/L、次/分"),
        Column("decimals", "小数位", "integer"), Column("plausible_low", "合理下限", "number"),
        Column("plausible_high", "合理上限", "number"),
        Column("choices", "选项", "choices", hint="每行一个,异常选项前加 *"), Column("normal_text", "正常描述", "optional_text"),
        Column("formula", "公式", "formula", hint="如 体重 ÷ (身高 ÷ 100) ^ 2"), _SEX_COLUMN,
        Column("privacy", "隐私项目", "yes_no"), Column("optional", "可不填", "yes_no"), Column("loinc", "LOINC"),
        Column("method", "检测方法", hint="更换方法或仪器后,与以前的结果不再连线比较"), _ORDER_COLUMN, _SOURCE_COLUMN,
        Column("note", "说明", "long_text"),
    ),
    "group": (
        _CODE_COLUMN, _NAME_COLUMN, Column("department", "科室编码", "reference", True, options={"kind": "department"}),
        Column("items", "项目编码", "codes", hint=_CODES_HINT, options={"kind": "item"}), Column("price_fen", "价格(元)", "yuan", True),
        Column("tube", "试管编码", "optional_reference", options={"kind": "tube"}), Column("lab_section", "检验分组"),
        Column("time_point", "采样时间点"), Column("sample_site", "采样部位"), Column("send_out", "外送机构"), _SEX_COLUMN,
        *_AGE_COLUMNS, Column("includes", "包含组合", "codes", hint="选了本组合就不再另做的组合", options={"kind": "group"}),
        Column("privacy", "隐私项目", "yes_no"),
        Column("barred_categories", "禁用类别", "words", hint="这些体检不得包含本组合", options=rules.CATEGORY_NAMES),
        Column("discountable", "可打折", "yes_no"), Column("min_price_fen", "最低价(元)", "yuan", hint="打折后不低于此价;空为不限"),
        Column("service_only", "仅服务", "yes_no"),
        Column("advice", "注意事项", "long_text"), _ORDER_COLUMN, _SOURCE_COLUMN,
    ),
    "package": (
        _CODE_COLUMN, _NAME_COLUMN, Column("groups", "组合编码", "codes", True, hint=_CODES_HINT, options={"kind": "group"}),
        Column("factor", "折扣系数", "number", True, hint="如 0.88"),
        Column("price_fen", "价格(元)", "yuan", True, hint="= 组合价格合计 × 折扣系数"), _SEX_COLUMN, *_AGE_COLUMNS,
        Column("category", "体检类别", "choice", options=rules.CATEGORY_NAMES), _ORDER_COLUMN,
    ),
    "tube": (
        _CODE_COLUMN, _NAME_COLUMN, Column("colour", "管帽颜色", "text", True), Column("additive", "添加剂"),
        Column("merge", "合管规则", "choice", True, options=MERGES), Column("draw_order", "采血顺序", "integer", hint="0 为非采血"),
        Column("volume", "采集量"),
    ),
}  # fmt: skip

RANGE_COLUMNS: tuple[Column, ...] = (
    Column("sex", "性别", "optional_choice", options=SEXES), *_AGE_COLUMNS,
    Column("low", "下限", "number"), Column("low_open", "不含下限", "yes_no"),
    Column("high", "上限", "number"), Column("high_open", "不含上限", "yes_no"),
    Column("source", "来源", "source"), Column("approved", "已审核", "yes_no"),
)  # fmt: skip


def default_of(struct: type[Any], name: str) -> Any:
    """A field's default; None for one that has to be given."""
    return _defaults(cast(Hashable, struct))[name]


@functools.cache
def _defaults(struct: Any) -> dict[str, Any]:
    # To ask a struct for its fields evaluates every annotation anew, and a workbook asks for each of its cells.
    found = {each.name: each.default for each in msgspec.structs.fields(struct)}
    return {name: None if default is msgspec.NODEFAULT else default for name, default in found.items()}


def text_of(column: Column, value: Any) -> str:
    """A field's value as its text in a form or a cell."""
    match column.shape:
        case "yes_no":
            return "是" if value else "否"
        case "yuan":
            return yuan(value)
        case "choice" | "optional_choice":
            return column.options.get(str(value), str(value)) if value is not None else ""
        case "codes":
            return "、".join(value)
        case "choices":
            return "\n".join(f"{'*' if each.abnormal else ''}{each.text}" for each in value)
        case "words":
            return "、".join(column.options.get(each, each) for each in value)
        case "unit":
            return words.common_unit(value)
        case "source":
            return words.source_name(value)
        case "formula":
            return rules.write_formula(value, {}) if value is not None else ""
        case _:
            return "" if value is None else str(value)


def shown(column: Column, value: Any, names: Names) -> str:
    """A field's value as people read it: names instead of codes, where `names` has them."""
    kind = column.options.get("kind", "")
    match column.shape:
        case "codes":
            return "、".join(f"{names[kind][each]}({each})" if each in names.get(kind, {}) else each for each in value)
        case "reference" | "optional_reference":
            return names.get(kind, {}).get(value, value or "")
        case "formula":
            return rules.write_formula(value, names.get("item", {})) if value is not None else ""
        case _:
            return text_of(column, value)


def form_text(column: Column, value: Any, names: Names) -> str:
    """A field's value as a form shows it for editing: a formula speaks of the items by name, lists keep their codes."""
    return shown(column, value, names) if column.shape == "formula" else text_of(column, value)


def value_of(column: Column, text: str, default: Any = None, names: Names = MappingProxyType({})) -> Any:
    """A field's value from its text; raises CellProblem with the reason and the remedy.

    With `names` a list and a formula may give names for codes, and an unknown entry is refused here.
    """
    text = text.strip()
    if not text:
        if column.is_required:
            raise CellProblem("不能为空", "请填写")
        if column.shape in ("codes", "choices", "words"):
            return ()
        return None if column.shape.startswith("optional") or column.shape in ("formula", "number") else default
    if len(text) > MOST_TEXT:
        raise CellProblem(f"超过 {MOST_TEXT} 字", "请缩短")
    if any(ord(character) < 32 and character not in "\n\r\t" for character in text):
        raise CellProblem("含有控制字符", "请删除后重新输入")
    if column.shape in ("codes", "formula"):
        return (_codes if column.shape == "codes" else _formula)(column, text, names)
    return _READERS.get(column.shape, _text)(column, text)


def _text(column: Column, text: str) -> str:
    return text.replace("\r\n", "\n")


def _code(column: Column, text: str) -> str:
    if not _CODE.fullmatch(text):
        raise CellProblem(f"“{text[:30]}”不是有效编码", "只能用字母、数字、点、横线、下划线,最长 30 位")
    return text


def _integer(column: Column, text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text):
        raise CellProblem(f"“{text[:20]}”不是整数", "请填写 0 或正整数")
    return int(text)


def _number(column: Column, text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or "e" in text.lower() or "_" in text or len(text) > 20:
        raise CellProblem(f"“{text[:20]}”不是数字", "请填写数字,例如 3.5")
    return text


def _yuan(column: Column, text: str) -> int:
    try:
        fen = fen_from_yuan(text)
    except Refused as refused:
        raise CellProblem(refused.text, refused.hint) from None
    if fen < 0:
        raise CellProblem("金额不能为负数", "请填写 0 或正数")
    return fen


def _yes_no(column: Column, text: str) -> bool:
    if text not in ("是", "否"):
        raise CellProblem(f"“{text[:20]}”不在可选范围内", "请填写 是 或 否")
    return text == "是"


def _choice(column: Column, text: str) -> str:
    found = next((value for value, word in column.options.items() if text in (word, value)), None)
    if found is None:
        raise CellProblem(f"“{text[:20]}”不在可选范围内", f"请填写 {'、'.join(column.options.values())} 之一")
    return found


def _codes(column: Column, text: str, names: Names) -> tuple[str, ...]:
    codes = tuple(each for each in _SEPARATORS.split(text) if each)
    if len(codes) > MOST_LIST:
        raise CellProblem(f"超过 {MOST_LIST} 个编码", "请减少")
    kind = column.options.get("kind", "")
    known = names.get(kind)
    return tuple(_code(column, each) if known is None else _known_code(each, known, kind) for each in codes)


def _known_code(text: str, known: Mapping[str, str], kind: str) -> str:
    for code in (text, text.upper()):
        if code in known:
            return code
    named = [code for code, name in known.items() if name == text]
    if len(named) == 1:
        return named[0]
    if named:
        raise CellProblem(f"有 {len(named)} 个{SHEETS[kind]}叫“{text[:30]}”", f"请填写编码:{'、'.join(named[:5])}")
    raise CellProblem(f"目录中没有{SHEETS[kind]}“{text[:30]}”", "请核对编码或名称,或从列表中选择")


def _words(column: Column, text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_choice(column, each) for each in _SEPARATORS.split(text) if each))


def _unit(column: Column, text: str) -> str:
    return words.ucum_unit(text)


def _source(column: Column, text: str) -> str:
    return words.source_code(text)


def _choices(column: Column, text: str) -> tuple[Choice, ...]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(Choice(line.lstrip("*").strip(), line.startswith("*")) for line in lines)


def _formula(column: Column, text: str, names: Names) -> Any:
    try:
        found = rules.read_formula(text, names.get("item", {}))
    except rules.FormulaProblem as problem:
        raise CellProblem(problem.reason, problem.remedy) from None
    if not isinstance(found, list):
        raise CellProblem("公式中没有运算", f"请写成算式,{column.hint}")
    return found


_READERS: Mapping[str, Any] = {
    "code": _code, "reference": _code, "optional_reference": _code, "integer": _integer, "number": _number, "yuan": _yuan,
    "yes_no": _yes_no, "choice": _choice, "optional_choice": _choice, "choices": _choices, "words": _words, "unit": _unit,
    "source": _source,
}  # fmt: skip

_ENUMS: Mapping[str, type[Any]] = {"value_type": ValueType, "merge": TubeMerge, "kind": DepartmentKind}


def read(
    struct: type[Any], columns: Sequence[Column], texts: Mapping[str, str], more: Mapping[str, Any] | None = None,
    names: Names = MappingProxyType({}),
) -> tuple[Any, list[tuple[str, str, str]]]:  # fmt: skip
    """A struct from the texts of its columns, and every problem as `(column name, reason, remedy)`; None when there is one."""
    values: dict[str, Any] = dict(more or {})
    problems: list[tuple[str, str, str]] = []
    for column in columns:
        try:
            value = value_of(column, texts.get(column.name, ""), default_of(struct, column.name), names)
        except CellProblem as problem:
            problems.append((column.name, problem.reason, problem.remedy))
            continue
        values[column.name] = _ENUMS[column.name](value) if column.name in _ENUMS and value is not None else value
    return (None, problems) if problems else (struct(**values), [])


def range_line(entry: ReferenceRange) -> str:
    """A reference range in one line, for lists and differences."""
    said = (SEXES.get(entry.sex or "", ""), age_text(entry.age_from, entry.age_to), rules.range_text(entry))
    return f"{' '.join(each for each in said if each)}({words.source_name(entry.source) or '无来源'},{'已审核' if entry.approved else '未审核'})"


def age_text(age_from: int, age_to: int) -> str:
    """An age from and to in words; empty where every age is meant."""
    if age_to < 150:
        return f"{age_from}–{age_to}岁"
    return f"{age_from}岁及以上" if age_from else ""


def facts_of(kind: str, entry: Any, names: Names = MappingProxyType({})) -> list[tuple[str, str]]:
    """An entry as `(label, text)`, ranges last."""
    found = [(label_of(column), shown(column, getattr(entry, column.name), names)) for column in COLUMNS[kind]]
    if kind == "item":
        found.append((RANGE_SHEET, "\n".join(range_line(each) for each in entry.ranges)))
    return found


def label_of(column: Column) -> str:
    """A column's label on a screen that shows names: `科室` for the workbook's `科室编码`."""
    return column.label if column.name == "code" else column.label.replace("编码", "")


def changes_between(kind: str, before: Any, after: Any, names: Names = MappingProxyType({})) -> list[tuple[str, str, str]]:
    """What differs between two versions, as `(label, before, after)`; of a list only what was taken out and what came in."""
    found = []
    lists = {label_of(column): column for column in COLUMNS[kind] if column.shape == "codes"}
    for (label, old), (_, new) in zip(facts_of(kind, before, names), facts_of(kind, after, names), strict=True):
        if old == new:
            continue
        column = lists.get(label)
        if column is not None:
            was, now = getattr(before, column.name), getattr(after, column.name)
            gone, come = [each for each in was if each not in now], [each for each in now if each not in was]
            if gone or come:
                old, new = shown(column, gone, names), shown(column, come, names)
        found.append((label, old, new))
    return found


def names_of(kinds: Mapping[str, Mapping[str, Any]]) -> Names:
    """The entries' names by kind and code."""
    return {kind: {code: entry.name for code, entry in entries.items()} for kind, entries in kinds.items()}


class Difference(msgspec.Struct, frozen=True):
    """One entry that a new catalogue brings, changes or no longer has. `act` is new, changed or retired."""

    act: str
    kind: str
    code: str
    name: str
    changes: list[tuple[str, str, str]] = []


def differences(now: Mapping[str, Mapping[str, Any]], wanted: Iterable[tuple[str, Any]]) -> list[Difference]:
    """What makes the entries `wanted` (with their kinds) differ from those of `now` (by kind and code), retired ones last."""
    found: list[Difference] = []
    wanted = list(wanted)
    # What one entry of the new catalogue says of another that is new too is told by its name.
    names = {kind: dict(known) for kind, known in names_of(now).items()}
    for kind, entry in wanted:
        names[kind].setdefault(entry.code, entry.name)
    seen: set[tuple[str, str]] = set()
    for kind, entry in wanted:
        seen.add((kind, entry.code))
        before = now[kind].get(entry.code)
        if before is None:
            found.append(Difference("new", kind, entry.code, entry.name))
        elif before != entry:
            found.append(Difference("changed", kind, entry.code, entry.name, changes_between(kind, before, entry, names)))
    for kind, entries in now.items():
        found += [Difference("retired", kind, code, each.name) for code, each in entries.items() if (kind, code) not in seen]
    return found

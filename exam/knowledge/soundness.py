"""What is wrong with an entry that somebody hands in, before it may become a proposal: limits, numbers, names, examples."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from exam.catalog.facts import Item
from exam.knowledge.book import Entry, Merge, Rule
from exam.knowledge.facts import Case, Flag
from exam.knowledge.gate import GateCheck
from exam.knowledge.language import AllOf, AnyOf, AtLeast, Condition, Not
from exam.knowledge.rules import example_case, holds, rule_problems
from exam.knowledge.rules.gate.examples import check_problems
from exam.knowledge.rules.summaries import wording_problems
from exam.knowledge.summary_wording import SummaryWording
from exam.knowledge.words import FIELD_LABELS

MOST_LEVELS = 5
MOST_PARTS = 60
MOST_EXAMPLES = 40
LONGEST_TEXT = 500
MOST_LISTED = 200
_MOST_DIGITS = 9
_MOST_INTEGER = 10**6
_ICD10 = re.compile(r"[A-Z][0-9]{2}(\.[0-9]{1,2})?")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,29}")

Problem = tuple[str, str]
"""`(field, sentence)`; the field is the name of the entry's field, empty for the whole."""


def entry_problems(entry: Entry, items: Mapping[str, Item], known_codes: Collection[str], on: date) -> list[Problem]:
    """Everything that keeps an entry from being proposed or approved, in Chinese, field by field."""
    problems: list[Problem] = []
    if not _CODE.fullmatch(entry.code):
        problems.append(("code", "编号:只能用字母、数字、点、横线和下划线,最长 30 个字符"))
    if not entry.source.strip():
        problems.append(("source", "来源:不能为空,请写明依据的指南、文件或“自拟”"))
    limits = [("", problem) for problem in limit_problems(entry)]
    problems += limits
    # A number without end must not be written out, so nothing else is said of it.
    for name, condition in () if limits else conditions_of(entry):
        problems += [(name, problem) for problem in condition_problems(condition)]
    if isinstance(entry, Rule) and not entry.text.strip():
        problems.append(("text", "结论:不能为空"))
    if isinstance(entry, Rule):
        problems += [("icd10", icd10_problem(code)) for code in entry.icd10 if icd10_problem(code)]
    if isinstance(entry, Rule | SummaryWording) and len(entry.examples) > MOST_EXAMPLES:
        problems.append(("examples", f"例子:最多 {MOST_EXAMPLES} 个"))
    if isinstance(entry, Merge):
        named = (*entry.of, *(code for group in entry.with_one_of for code in group))
        problems += [("of", f"没有规则 {code}") for code in dict.fromkeys(named) if code not in known_codes]
    if problems:
        return problems
    if isinstance(entry, GateCheck):
        return [("examples" if "例子" in each else "", each) for each in check_problems(entry, items, on)]
    if isinstance(entry, SummaryWording):
        return [("examples" if "例子" in each else "", each) for each in wording_problems(entry, items)]
    if not isinstance(entry, Rule):
        return []
    return [("examples" if "例子" in each else "condition", each) for each in rule_problems(entry, items, on)]


def icd10_problem(code: str) -> str:
    """What is wrong with an ICD-10 code, in Chinese; empty when it has the form of one."""
    return "" if _ICD10.fullmatch(code) else f"ICD-10 编码:“{code[:20]}”应写成 K76.0 或 M81 的样子"


def conditions_of(entry: Entry) -> list[tuple[str, Condition]]:
    """Every condition of an entry with the name of the field it stands in."""
    found = []
    for each in msgspec.structs.fields(entry):
        value = getattr(entry, each.name)
        if isinstance(value, Condition):
            found.append((each.name, value))
        elif isinstance(value, tuple):
            found += [(each.name, part.condition) for part in value if isinstance(getattr(part, "condition", None), Condition)]
    return found


def condition_problems(condition: Condition) -> list[str]:
    """What is wrong with the shape of a condition: too deep, too many parts, an empty group, a bound nobody can compare with."""
    parts = list(_walk(condition, 1))
    found: list[str] = []
    if any(level > MOST_LEVELS for level, _ in parts):
        found.append(f"条件:最多 {MOST_LEVELS} 层")
    if len(parts) > MOST_PARTS:
        found.append(f"条件:最多 {MOST_PARTS} 项")
    for _, part in parts:
        found += _part_problems(part)
    return list(dict.fromkeys(found))


def _walk(condition: Condition, level: int) -> Iterator[tuple[int, Condition]]:
    yield level, condition
    match condition:
        case AllOf(of=of) | AnyOf(of=of) | AtLeast(of=of):
            for part in of:
                yield from _walk(part, level + 1)
        case Not(condition=inner):
            yield from _walk(inner, level)
        case _:
            pass


def _part_problems(part: Condition) -> Iterator[str]:
    if isinstance(part, AllOf | AnyOf | AtLeast) and not part.of:
        yield "条件:分组中没有内容"
    if isinstance(part, AtLeast) and not 1 <= part.n <= max(1, len(part.of)):
        yield f"条件:“至少 {part.n} 项”不合理,分组中有 {len(part.of)} 项"
    low, high = getattr(part, "low", None), getattr(part, "high", None)
    if isinstance(low, Decimal) and isinstance(high, Decimal) and low.is_finite() and high.is_finite() and low >= high:
        yield f"条件:下限 {low:f} 应小于上限 {high:f}"
    at_least, below = getattr(part, "at_least", None), getattr(part, "below", None)
    if isinstance(at_least, int) and isinstance(below, int) and not 0 <= at_least < below <= 1000:
        yield f"条件:年龄范围 {at_least}–{below} 不合理"
    if getattr(part, "any_of", None) == ():
        yield "条件:至少要选一个选项"


def limit_problems(value: Any, way: str = "") -> Iterator[str]:
    """Texts that are too long, numbers that are none, lists without end, wherever they stand in the entry."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            yield f"{way}文字过长,最多 {LONGEST_TEXT} 字"
        if any(ord(sign) < 32 and sign not in "\n\t" for sign in value):
            yield f"{way}含有不可见字符"
    elif isinstance(value, Decimal):
        if not value.is_finite() or value.adjusted() >= _MOST_DIGITS or _digits_after(value) > 6:
            yield f"{way}数值 {str(value)[:20]} 无效"
    elif isinstance(value, bool):
        return
    elif isinstance(value, int):
        if not -_MOST_INTEGER <= value <= _MOST_INTEGER:
            yield f"{way}数值 {str(value)[:20]} 过大"
    elif isinstance(value, tuple):
        if len(value) > MOST_LISTED:
            yield f"{way}条目过多,最多 {MOST_LISTED} 个"
        for each in value[:MOST_LISTED]:
            yield from limit_problems(each, way)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from limit_problems(key, way)
            yield from limit_problems(each, way)
    elif isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            label = FIELD_LABELS.get(field.name, "")
            yield from limit_problems(getattr(value, field.name), f"{label}:" if label and not way else way)


def _digits_after(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


class Verdict(msgspec.Struct, frozen=True):
    """What came of one example: whether it fired, `None` when it cannot be tried, and whether that is as it should be."""

    number: int
    fired: bool | None
    is_right: bool
    text: str = ""


def verdicts(rule: Rule, items: Mapping[str, Item], on: date) -> list[Verdict]:
    """Each example of a rule tried by itself, also while others are still wrong."""
    if list(limit_problems(rule)) or condition_problems(rule.condition):
        return [Verdict(number, None, False, "条件未填写完整") for number, _ in enumerate(rule.examples, 1)]
    found = []
    for number, example in enumerate(rule.examples, 1):
        unknown = [code for code in (*example.values, *example.earlier) if code not in items]
        if unknown:
            found.append(Verdict(number, None, False, f"项目字典中没有 {unknown[0][:40]}"))
            continue
        case = example_case(example, items, on)
        answer = holds(rule.condition, case)
        text = "触发" if answer else f"未触发({_unclear(case)})" if answer is None else "未触发"
        found.append(Verdict(number, bool(answer), bool(answer) is example.fires, text))
    return found


def _unclear(case: Case) -> str:
    """Why a condition stays open: the values nobody can judge, each with its reason, else that one is not there."""
    judged = [*case.readings.values(), *case.earlier.values()]
    found = [f"{reading.name}:{reading.why}" for reading in judged if reading.why and reading.flag is Flag.UNKNOWN]
    return ";".join(found[:3]) or "有结果缺失或无法判断"

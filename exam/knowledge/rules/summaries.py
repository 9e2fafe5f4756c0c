"""Draft a department's summary (科室小结) from its judged readings, in the words of the book."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache

from exam.catalog.facts import Item
from exam.knowledge.facts import FLAG_SIGNS, DepartmentSummary, Flag, Reading, Subject
from exam.knowledge.rules.flags import judge
from exam.knowledge.rules.wording import FLAG_WORDS, OUTSTANDING, value_text
from exam.knowledge.summary_wording import STANDARD, SummaryExample, SummaryWording, filled

NOTHING_ABNORMAL = "未见明显异常"


def wording_for(wordings: Iterable[SummaryWording], department: str, on: date) -> SummaryWording:
    """The wording of a department on a day: its own before the one for every department, the standard one where there is none."""
    general = None
    for each in wordings:
        if (each.valid_from is not None and on < each.valid_from) or (each.valid_to is not None and on >= each.valid_to):
            continue
        if department in each.departments:
            return each
        if not each.departments and general is None:
            general = each
    return general or STANDARD


def summarize(
    department_name: str, readings: Iterable[Reading], is_complete: bool, wording: SummaryWording = STANDARD
) -> DepartmentSummary:
    """The findings in the order handed in, which is the dictionary's (domain.md §4.3 M15).

    “未见明显异常”, in whatever words, is written only when every item of the department is done and none is abnormal; before
    that a department without findings has an empty summary.
    """
    outstanding = [reading for reading in readings if reading.flag in OUTSTANDING]
    if outstanding:
        text = ";".join(phrase(reading, wording) for reading in outstanding)
        return DepartmentSummary(text=text, abnormal_items=tuple(reading.item for reading in outstanding))
    return DepartmentSummary(text=nothing_text(department_name, wording) if is_complete else "")


def nothing_text(department_name: str, wording: SummaryWording = STANDARD) -> str:
    """How it is said of a department that everything is done and nothing abnormal."""
    return filled(wording.nothing, {"department": department_name})


def phrase(reading: Reading, wording: SummaryWording = STANDARD) -> str:
    """A finding as the summary says it."""
    words = {"name": reading.name, "value": value_text(reading)}
    if reading.choices:
        finding = filled(wording.choice, words)
    else:
        signs = {"sign": FLAG_SIGNS[reading.flag], "word": FLAG_WORDS.get(reading.flag, "")}
        finding = filled(wording.number, words | signs).strip()
    if reading.flag is Flag.UNKNOWN and reading.why:
        return filled(wording.unjudged, {"finding": finding, "why": reading.why})
    return finding


@lru_cache(maxsize=200)
def quoting(number: str) -> re.Pattern[str]:
    """What stands behind an item's name where a summary quotes a value in the words of `number`: the groups are `number` and
    `sign` or `word`, as far as the wording has them."""
    parts = {
        "value": r"[<>≤≥]?=?\s*(?P<number>-?\d+(?:\.\d+)?)(?![\d.–~-])[^;\uff1b,\uff0c。、\n↑↓*]{0,24}?",
        "sign": r"(?P<sign>[↑↓*])",
        "word": "(?P<word>" + "|".join(FLAG_WORDS.values()) + ")",
    }
    pattern = ""
    for part in re.split(r"(\{[a-z_]+\}|\s+)", number.removeprefix("{name}")):
        pattern += r"\s*" if part.isspace() else parts[part[1:-1]] if part.startswith("{") else re.escape(part)
    return re.compile(pattern)


# --- wordings as entries of the book ---------------------------------------------------------------------------------


def example_summary(example: SummaryExample, wording: SummaryWording, items: Mapping[str, Item]) -> str:
    """What comes of an example; values are in the catalogue's units."""
    subject = Subject(sex=example.sex, age=example.age)
    readings = [judge(items[code], raw, "", subject) for code, raw in example.values.items()]
    return summarize(example.department, readings, example.is_complete, wording).text


def wording_problems(wording: SummaryWording, items: Mapping[str, Item]) -> tuple[str, ...]:
    """What keeps a wording from being used, in Chinese: unknown departments or items, missing or failing examples, and a
    text for “nothing abnormal” that names an item, as if a doctor had looked at its value."""
    used = [code for example in wording.examples for code in example.values]
    problems = [f"例子:项目字典中没有 {code}" for code in dict.fromkeys(used) if code not in items]
    known = {item.department for item in items.values()}
    problems += [f"项目字典中没有科室 {code} 的项目" for code in wording.departments if code not in known]
    own = [item for item in items.values() if not wording.departments or item.department in wording.departments]
    problems += [f"无异常写法:不能写项目名称“{item.name}”" for item in own if len(item.name) > 1 and item.name in wording.nothing]
    if problems:
        return tuple(problems)
    has_finding = False
    has_nothing = False
    for number, example in enumerate(wording.examples, start=1):
        told = example_summary(example, wording, items)
        is_nothing = told == nothing_text(example.department, wording)
        has_nothing, has_finding = has_nothing or is_nothing, has_finding or (not is_nothing and bool(told))
        if told != example.text:
            problems.append(f"第 {number} 个例子得出的小结是“{told}”")
    if not (has_finding and has_nothing):
        problems.append("至少要有一个有异常和一个无异常的例子")
    return tuple(problems)


def wordings_problems(wordings: Sequence[SummaryWording], items: Mapping[str, Item]) -> Iterator[str]:
    """The problems of several wordings, each with its code, and a department that two of them claim."""
    for each in wordings:
        yield from (f"{each.code}:{problem}" for problem in wording_problems(each, items))
    holders: dict[str, str] = {}
    for each in (wording for wording in wordings if wording.valid_to is None):
        for department in each.departments or ("",):
            first = holders.setdefault(department, each.code)
            if first != each.code:
                yield f"{each.code}:{f'科室 {department}' if department else '全部科室'}已有小结用语 {first}"

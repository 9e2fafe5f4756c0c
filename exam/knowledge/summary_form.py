"""The form of a summary wording: the four texts, for which departments, and its examples with what comes of each."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from exam.knowledge import soundness
from exam.knowledge.book import Entry
from exam.knowledge.entry_form import Draft, EntryForm, Items, Problems, Row, Shown, common_of, common_texts, refuse
from exam.knowledge.rule_form import pairs_text
from exam.knowledge.rule_reading import listed, pairs_of
from exam.knowledge.rules.summaries import example_summary
from exam.knowledge.summary_wording import LONGEST_TEXT, STANDARD, TEXTS, SummaryExample, SummaryWording, text_problems

_FRESH = {"department": "", "values": "", "done": "yes", "sex": "M", "age": "45", "text": ""}


def draft_of(entry: Entry, items: Items) -> Draft:
    """The draft that shows a wording as it is."""
    assert isinstance(entry, SummaryWording)
    texts = {name: getattr(entry, name) for name in ("name", *TEXTS)} | {"departments": "、".join(entry.departments)}
    return Draft(common_texts(entry) | texts, {"examples": [_row(each, items) for each in entry.examples]})


def _row(example: SummaryExample, items: Items) -> Row:
    return {
        "department": example.department, "values": pairs_text(example.values, items), "done": "yes" if example.is_complete else "no",
        "sex": example.sex, "age": str(example.age), "text": example.text,
    }  # fmt: skip


def empty() -> Draft:
    """The draft of a new wording: the standard texts, to be changed."""
    texts = {name: getattr(STANDARD, name) for name in TEXTS}
    rows = [dict(_FRESH), dict(_FRESH)]
    return Draft({"code": "", "source": "", "name": "", "departments": "", **texts}, {"examples": rows})


def read(draft: Draft, items: Items, present: Entry | None) -> Entry:
    """The wording that a draft says. Raises BadInput."""
    assert present is None or isinstance(present, SummaryWording)
    problems: Problems = []
    common = common_of(draft, present, problems)
    if not draft.text("name"):
        problems.append(("name", "名称:不能为空"))
    texts: dict[str, Any] = {name: draft.text(name) for name in TEXTS}
    problems += text_problems(texts)
    rows = draft.tables.get("examples", [])
    examples = tuple(_example(number, row, items, problems) for number, row in enumerate(rows))
    refuse(problems)
    departments = listed(draft.text("departments"))
    return SummaryWording(name=draft.text("name"), departments=departments, examples=examples, **texts, **common)


def _example(number: int, row: Row, items: Items, problems: Problems) -> SummaryExample:
    name, place = f"r.examples.{number}", f"第 {number + 1} 个例子"
    if not row["department"].strip():
        problems.append((f"{name}.department", f"{place}:请填写科室名称"))
    age = row["age"].strip() or "45"
    if not re.fullmatch(r"\d{1,3}", age, re.ASCII) or int(age) > 150:
        problems.append((f"{name}.age", f"{place}:年龄“{age[:20]}”应为 0 到 150"))
        age = "45"
    sex: Any = row["sex"] if row["sex"] in ("M", "F") else "M"
    return SummaryExample(
        department=row["department"].strip(), values=pairs_of(row["values"], f"{name}.values", place, items, problems),
        text=row["text"].strip(), is_complete=row["done"] != "no", sex=sex, age=int(age),
    )  # fmt: skip


def shown(entry: Entry, items: Items, today: date) -> Shown:
    """What comes of each example."""
    assert isinstance(entry, SummaryWording)
    told = [example_summary(each, entry, items) for each in entry.examples if all(code in items for code in each.values)]
    tried = [
        soundness.Verdict(number, None, text == each.text, text or "(没有小结)")
        for number, (each, text) in enumerate(zip(entry.examples, told, strict=False), 1)
    ]
    where = f"用于 {'、'.join(entry.departments)}" if entry.departments else "用于没有自己写法的全部科室"
    return Shown(where, tried=tuple(tried) if len(told) == len(entry.examples) else ())


def _options(items: Items) -> dict[str, Any]:
    texts = [
        (name, label, "、".join(f"{{{place}}} {meaning}" for place, meaning in places.items()))
        for name, (label, places, _, _) in TEXTS.items()
    ]
    return {"texts": texts, "longest": LONGEST_TEXT}


FORM = EntryForm(
    kind="summary", parts="exam/knowledge_summary_parts.html", draft_of=draft_of, read=read, shown=shown, options=_options, empty=empty,
    fields=("name", "departments", *TEXTS), tables={"examples": tuple(_FRESH)}, fresh={"examples": _FRESH},
)  # fmt: skip

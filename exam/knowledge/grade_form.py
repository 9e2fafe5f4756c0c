"""The form of a grade scale: the bands A to E of each item in a table, and the illness that settles the grade."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from exam.knowledge.bands import GRADES, MOST_ITEMS, Band, Table, problems_between, steps_of, table_of, trials
from exam.knowledge.book import Entry, GradeScale
from exam.knowledge.entry_form import Draft, EntryForm, Items, Problems, Row, Shown, common_of, common_texts, refuse
from exam.knowledge.rule_form import read_number
from exam.knowledge.rule_reading import item_of, listed
from exam.knowledge.rules import condition_items, printed_unit

LOW_SIGNS = {"closed": "≥", "open": ">"}
HIGH_SIGNS = {"open": "<", "closed": "≤"}
_FRESH = {"item": "", "grade": "A", "low_sign": "closed", "low": "", "high_sign": "open", "high": ""}


def can_show(entry: Entry, items: Items) -> bool:
    """Whether a table can say what the scale says."""
    return isinstance(entry, GradeScale) and table_of(entry, items) is not None


def draft_of(entry: Entry, items: Items) -> Draft:
    """The draft that shows a scale as it is."""
    assert isinstance(entry, GradeScale)
    table = table_of(entry, items)
    assert table is not None
    texts = {"name": entry.name, "history": "、".join(table.history), "history_grade": table.history_grade}
    return Draft(common_texts(entry) | texts, {"bands": [_row(band) for band in table.bands]})


def _row(band: Band) -> Row:
    return {
        "item": band.item, "grade": band.grade, "low_sign": "open" if band.low_open else "closed", "low": _text(band.low),
        "high_sign": "open" if band.high_open or band.high is None else "closed", "high": _text(band.high),
    }  # fmt: skip


def _text(number: Decimal | None) -> str:
    return "" if number is None else f"{number:f}"


def empty() -> Draft:
    """The draft of a new scale: two bands of one item to begin with."""
    rows = [dict(_FRESH), {**_FRESH, "grade": "C"}]
    return Draft({"code": "", "source": "", "name": "", "history": "", "history_grade": "E"}, {"bands": rows})


def read(draft: Draft, items: Items, present: Entry | None) -> Entry:
    """The scale that a draft says. Raises BadInput; gaps and overlaps are told with both bands."""
    assert present is None or isinstance(present, GradeScale)
    problems: Problems = []
    common = common_of(draft, present, problems)
    if not draft.text("name"):
        problems.append(("name", "名称:不能为空"))
    rows = draft.tables.get("bands", [])
    bands = [_band(number, row, items, problems) for number, row in enumerate(rows)]
    if not rows:
        problems.append(("bands", "分级:至少要有一段"))
    history, history_grade = listed(draft.text("history")), draft.text("history_grade")
    if history and history_grade not in GRADES:
        problems.append(("history_grade", "有病史时的等级:请选择"))
    whole = [(number, band) for number, band in enumerate(bands) if band.item]
    if whole and all(field.endswith(".item") or not field.startswith("r.") for field, _ in problems):
        problems += _table_problems(whole, items)
    refuse(problems)
    table = Table(_in_order(bands), history, history_grade or "E")
    steps = steps_of(table, items)
    if present is not None and table_of(present, items) == table_of(msgspec.structs.replace(present, steps=steps), items):
        steps = present.steps  # the same said in its own words
    return GradeScale(name=draft.text("name"), steps=steps, **common)


def _band(number: int, row: Row, items: Items, problems: Problems) -> Band:
    name, place = f"r.bands.{number}", f"第 {number + 1} 行"
    item = item_of(row["item"], f"{name}.item", items, problems)
    if row["grade"] not in GRADES:
        problems.append((f"{name}.grade", f"{place}:请选择等级"))
    ends: dict[str, Decimal | None] = {}
    for end, label in (("low", "下限"), ("high", "上限")):
        text = row[end].strip()
        ends[end] = read_number(text) if text else None
        if text and ends[end] is None:
            problems.append((f"{name}.{end}", f"{place}{label}:“{text[:20]}”不是数值,请填写数字,例如 7.0,没有则留空"))
    low, high = ends["low"], ends["high"]
    is_closed = row["low_sign"] == "closed" and row["high_sign"] == "closed"
    if low is not None and high is not None and not (low < high or (low == high and is_closed)):
        problems.append((f"{name}.low", f"{place}:下限 {low:f} 应小于上限 {high:f}"))
    return Band(
        item, row["grade"], low, low is not None and row["low_sign"] == "open", high, high is None or row["high_sign"] == "open"
    )


def _table_problems(placed: list[tuple[int, Band]], items: Items) -> Problems:
    """Gaps, overlaps and items that never reach the best grade; every band comes with the number of its row."""
    found: Problems = []
    codes = list(dict.fromkeys(band.item for _, band in placed))
    best = min(band.grade for _, band in placed)
    if len(codes) > MOST_ITEMS:
        found.append(("bands", f"分级:一张表最多 {MOST_ITEMS} 个项目"))
    for code in codes:
        rows = [number for number, band in placed if band.item == code]
        own = [band for _, band in placed if band.item == code]
        if len(own) == 1 and own[0].low is None and own[0].high is None:
            found.append((f"r.bands.{rows[0]}.low", f"{items[code].name}:只有一段且没有上下限,不成分级"))
        else:
            found += [(f"r.bands.{rows[at]}.low", text) for at, text in problems_between(own, items[code].name)]
        if all(band.grade != best for band in own):
            found.append(("bands", f"{items[code].name}:没有 {best} 级的一段,任何人都得不到 {best};请补上或改用文本修改"))
    return found


def _in_order(bands: list[Band]) -> tuple[Band, ...]:
    codes = list(dict.fromkeys(band.item for band in bands))
    return tuple(
        sorted(bands, key=lambda band: (codes.index(band.item), band.low is not None, band.low or Decimal(0), band.low_open))
    )


def scale_problems(scale: GradeScale, items: Items) -> Problems:
    """What keeps a scale from being used, however it was written."""
    found: Problems = [("name", "名称:不能为空")] if not scale.name.strip() else []
    if not scale.steps:
        found.append(("steps", "分级条件:不能为空"))
    unknown = [code for step in scale.steps for code in condition_items(step.condition) if code not in items]
    return [*found, *(("steps", f"项目字典中没有 {code}") for code in dict.fromkeys(unknown))]


# --- the living example ----------------------------------------------------------------------------------------------


def shown(entry: Entry, items: Items, today: date) -> Shown:
    """Every bound tried from both sides."""
    assert isinstance(entry, GradeScale)
    table = table_of(entry, items)
    if table is None:
        return Shown()
    several = len({band.item for band in table.bands}) > 1
    told = "取各项目中最差的等级" if several else "按数值分级"
    history = f";有{'或'.join(table.history)}病史时为 {table.history_grade}" if table.history else ""
    titled = "边界试算(其他项目按最好的一段)" if several else "边界试算"
    return Shown(f"{entry.name}:{told}{history}", tuple(trials(table, entry, items)), titled)


def _options(items: Items) -> dict[str, Any]:
    return {"grades": [(each, each) for each in GRADES], "low_signs": list(LOW_SIGNS.items()), "high_signs": list(HIGH_SIGNS.items()), "items": items,
            "printed_unit": printed_unit}  # fmt: skip


FORM = EntryForm(
    kind="grade", parts="exam/knowledge_grade_parts.html", draft_of=draft_of, read=read, shown=shown, options=_options, empty=empty,
    fields=("name", "history", "history_grade"), tables={"bands": ("item", "grade", "low_sign", "low", "high_sign", "high")},
    fresh={"bands": _FRESH}, carried={"bands": ("item",)},
)  # fmt: skip

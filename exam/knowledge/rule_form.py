"""The form of a rule: what was typed as a draft that never loses anything, a rule as a draft, and a draft as a rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from exam.catalog.facts import Item
from exam.catalog.words import source_name
from exam.kit.errors import BadInput
from exam.kit.pinyin import initials
from exam.knowledge import words
from exam.knowledge.book import Example, Rule
from exam.knowledge.language import (
    Age,
    AllOf,
    AnyOf,
    AtLeast,
    Between,
    Condition,
    HasEarlier,
    History,
    Not,
    Sex,
)
from exam.knowledge.rules import read_amount
from exam.knowledge.soundness import MOST_EXAMPLES, MOST_LEVELS, MOST_PARTS

GROUPS = {"all_of": "全部满足", "any_of": "任一满足", "at_least": "至少几项", "not": "不满足"}
SIMPLE = {
    "compare": "数值", "between": "数值区间", "flagged": "高低标志", "chosen": "选项", "says": "描述中提及",
    "limit_multiple": "参考上限的倍数", "earlier": "上次数值", "change": "较上次变化", "earlier_chosen": "上次选项",
    "has_earlier": "有既往值", "no_earlier": "无既往值(首次)", "missing": "没有结果",
    "age": "年龄", "sex": "性别", "history": "有病史", "no_history": "无病史",
}  # fmt: skip
WITHOUT_ITEM = ("age", "sex", "history", "no_history")
EDGES = {"[)": "≤ 值 <", "[]": "≤ 值 ≤", "()": "< 值 <", "(]": "< 值 ≤"}
NO_COVERS = "无"

_FIELDS = ("item", "op", "value", "low", "high", "edges", "times", "percent", "at_least", "below", "sex", "texts", "n", "with_unit")
TEXT_FIELDS = (
    "code", "text", "category", "severity", "advice", "lifestyle", "specialist", "hierarchy", "rank", "order", "covers", "also_covers",
    "alert_class", "alert_name", "alert_departments", "alert_days", "recheck_groups", "recheck_days", "source", "icd10",
)  # fmt: skip
EXAMPLE_FIELDS = ("fires", "sex", "age", "values", "earlier", "history")
NEW_EXAMPLES = (
    {"fires": "yes", "sex": "M", "age": "45", "values": "", "earlier": "", "history": ""},
    {"fires": "no", "sex": "M", "age": "45", "values": "", "earlier": "", "history": ""},
)

_PLACE = re.compile(r"[0-9]{1,3}")


class Part(msgspec.Struct):
    """A part of a condition as typed. A group has `parts`; `picks` are the choices that were ticked; `way` is its place."""

    kind: str
    texts: dict[str, str] = {}
    picks: list[str] = []
    parts: list[Part] = []
    way: str = "0"

    @property
    def is_group(self) -> bool:
        return self.kind in GROUPS

    def text(self, name: str) -> str:
        """What was typed in a field."""
        return self.texts.get(name, "")


class Draft(msgspec.Struct):
    """A rule as typed: its plain fields, its condition, its examples."""

    texts: dict[str, str]
    condition: Part
    examples: list[dict[str, str]]


def new_part(kind: str = "compare") -> Part:
    """An empty part; a number that is typed now means the dictionary's unit."""
    parts = [new_part()] if kind in GROUPS else []
    return Part(kind, {"op": ">=", "edges": "[)", "with_unit": "1"}, [], parts)


def empty_draft() -> Draft:
    """The draft of a new rule."""
    texts = {"category": "异常", "severity": "1", "order": "500", "rank": "0"}
    return placed(Draft({**dict.fromkeys(TEXT_FIELDS, ""), **texts}, new_part("all_of"), [dict(each) for each in NEW_EXAMPLES]))


def placed(draft: Draft) -> Draft:
    """The draft with every part told its place, by which its fields are named."""
    place(draft.condition, "0")
    return draft


def place(part: Part, way: str) -> Part:
    """A condition's parts told their places; `way` is its own, the first number of all of them."""
    part.way = way
    for number, each in enumerate(part.parts):
        place(each, f"{way}.{number}")
    return part


# --- what was typed --------------------------------------------------------------------------------------------------


def typed(data: Mapping[str, Any]) -> Draft:
    """The draft that a form sent. Raises BadInput for one with more parts or levels than a rule may have."""
    condition = typed_condition(data, "0") or new_part("all_of")
    examples = []
    for number in range(MOST_EXAMPLES + 1):
        if f"e.{number}.fires" not in data and f"e.{number}.values" not in data:
            break
        examples.append({name: text_of(data, f"e.{number}.{name}") for name in EXAMPLE_FIELDS})
    return placed(Draft({name: text_of(data, name) for name in TEXT_FIELDS}, condition, examples))


def typed_condition(data: Mapping[str, Any], root: str) -> Part | None:
    """The condition that a form sent under a root, always as a group; None without any. Raises BadInput for a boundless one."""
    part = _typed_part(data, root, 1, [0])
    return None if part is None else _as_group(part)


def _as_group(part: Part) -> Part:
    return part if part.is_group else Part("all_of", {}, [], [part])


def _typed_part(data: Mapping[str, Any], way: str, level: int, counter: list[int]) -> Part | None:
    kind = text_of(data, f"c.{way}.kind")
    if kind not in GROUPS and kind not in SIMPLE:
        return None
    counter[0] += 1
    if counter[0] > MOST_PARTS + 1 or level > MOST_LEVELS + 1:
        raise BadInput([("", f"条件最多 {MOST_PARTS} 项、{MOST_LEVELS} 层,请拆成几条规则")])
    picked = data.get(f"c.{way}.any_of", [])
    part = Part(
        kind, {name: text_of(data, f"c.{way}.{name}") for name in _FIELDS}, [str(each) for each in _listed(picked)], [], way
    )
    if kind in GROUPS:
        for number in range(MOST_PARTS + 1):
            inner = _typed_part(data, f"{way}.{number}", level + 1, counter)
            if inner is None:
                break
            part.parts.append(inner)
    return part


def text_of(data: Mapping[str, Any], name: str) -> str:
    """One field of a form; the first where several came."""
    value = data.get(name, "")
    return str(_listed(value)[0] if _listed(value) else "")[:2000]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value in ("", None) else [value]


def acted(draft: Draft, act: str) -> tuple[Draft, str]:
    """The draft after one of the form's buttons, and the way of the part (or `e.number` of the example) that gets the focus."""
    verb, _, way = act.partition(":")
    focus = way
    if verb == "example" and len(draft.examples) < MOST_EXAMPLES:
        draft.examples.append(dict(NEW_EXAMPLES[len(draft.examples) % 2]))
        focus = f"e.{len(draft.examples) - 1}"
    elif verb == "drop_example" and _PLACE.fullmatch(way) and int(way) < len(draft.examples):
        del draft.examples[int(way)]
        focus = f"e.{max(0, int(way) - 1)}"
    else:
        focus = condition_acted(draft.condition, verb, way)
    return placed(draft), focus


def condition_acted(condition: Part, verb: str, way: str) -> str:
    """Carries out one of the picker's buttons on a condition; the way of the part that gets the focus."""
    if verb in ("add", "group"):
        group = _part_at(condition, way)
        if group is not None and group.is_group:
            group.parts.append(new_part("any_of" if verb == "group" else "compare"))
            return f"{way}.{len(group.parts) - 1}"
    elif verb == "drop":
        above, _, last = way.rpartition(".")
        group = _part_at(condition, above)
        if group is not None and _PLACE.fullmatch(last) and int(last) < len(group.parts):
            del group.parts[int(last)]
            return f"{above}.{max(0, int(last) - 1)}" if group.parts else above
    elif verb == "kind":
        part = _part_at(condition, way)
        if part is not None and part.is_group and not part.parts:
            part.parts.append(new_part())
    return way


def _part_at(part: Part, way: str) -> Part | None:
    steps = way.split(".")
    if steps[0] != part.way or not all(_PLACE.fullmatch(step) for step in steps):
        return None
    for step in steps[1:]:
        if int(step) >= len(part.parts):
            return None
        part = part.parts[int(step)]
    return part


# --- a rule as a draft -----------------------------------------------------------------------------------------------


def draft_of(rule: Rule, items: Mapping[str, Item]) -> Draft:
    """The draft that shows a rule as it is."""
    alert, recheck = rule.alert, rule.recheck
    texts = {
        "code": rule.code, "text": rule.text, "category": rule.category, "severity": str(int(rule.severity)), "advice": rule.advice,
        "lifestyle": rule.lifestyle, "specialist": rule.specialist, "hierarchy": rule.hierarchy, "rank": str(rule.rank),
        "order": str(rule.order), "source": source_name(rule.source), "icd10": "、".join(rule.icd10),
        "covers": "" if rule.covers is None else names_of(rule.covers, items) or NO_COVERS,
        "also_covers": ";".join(f"{_name(each.item, items)}={'|'.join(words.FLAG_NAMES[flag] for flag in each.any_of)}"
                               for each in rule.also_covers),
        "alert_class": alert.alert_class.value if alert else "", "alert_name": alert.name if alert else "",
        "alert_departments": "、".join(alert.departments) if alert else "",
        "alert_days": "、".join(map(str, alert.follow_up_days)) if alert else "",
        "recheck_groups": "、".join(recheck.groups) if recheck else "", "recheck_days": str(recheck.after_days) if recheck else "",
    }  # fmt: skip
    return placed(Draft(texts, part_of(rule.condition), [_example_texts(each, items) for each in rule.examples]))


def part_of(condition: Condition) -> Part:
    """A condition as the form shows it: a group at the top."""
    return _as_group(_part_of(condition))


def _part_of(condition: Condition) -> Part:
    match condition:
        case AllOf(of=of):
            return Part("all_of", {}, [], [_part_of(part) for part in of])
        case AnyOf(of=of):
            return Part("any_of", {}, [], [_part_of(part) for part in of])
        case AtLeast(n=n, of=of):
            return Part("at_least", {"n": str(n)}, [], [_part_of(part) for part in of])
        case Not(condition=HasEarlier(item=item)):
            return Part("no_earlier", {"item": item})
        case Not(condition=History(any_of=texts)):
            return Part("no_history", {"texts": "、".join(texts)}, list(texts))
        case Not(condition=inner):
            return Part("not", {}, [], [_part_of(inner)])
        case Age(at_least=at_least, below=below):
            return Part("age", {"at_least": str(at_least or ""), "below": str(below) if below < 1000 else ""})
        case Sex(sex=sex):
            return Part("sex", {"sex": sex})
        case Between(low_open=low_open, high_open=high_open):
            edges = ("(" if low_open else "[") + (")" if high_open else "]")
            return Part("between", {**_plain_texts(condition), "edges": edges})
        case _:
            picks = list(getattr(condition, "any_of", ()))
            return Part(str(condition.__struct_config__.tag), {**_plain_texts(condition), "texts": "、".join(picks)}, picks)


def _plain_texts(condition: Any) -> dict[str, str]:
    found = {"with_unit": "1" if getattr(condition, "unit", "") else ""}
    for name in ("item", "op", "value", "low", "high", "times", "percent"):
        value = getattr(condition, name, None)
        if value is not None:
            found[name] = words.number_words(value) if isinstance(value, Decimal) else str(value)
    return found


def _example_texts(example: Example, items: Mapping[str, Item]) -> dict[str, str]:
    return {
        "fires": "yes" if example.fires else "no", "sex": example.sex, "age": str(example.age), "history": "、".join(example.history),
        "values": pairs_text(example.values, items), "earlier": pairs_text(example.earlier, items),
    }  # fmt: skip


def pairs_text(values: Mapping[str, str | tuple[str, ...]], items: Mapping[str, Item]) -> str:
    """Values of an example as they are typed: `空腹血糖=7.4;心电图=早搏|房颤`."""
    return ";".join(f"{_name(code, items)}={raw if isinstance(raw, str) else '|'.join(raw)}" for code, raw in values.items())


def _name(code: str, items: Mapping[str, Item]) -> str:
    return items[code].name if code in items else code


def names_of(codes: Sequence[str], items: Mapping[str, Item]) -> str:
    """Items as they are typed, by their names."""
    return "、".join(_name(code, items) for code in codes)


# --- finding items ---------------------------------------------------------------------------------------------------


def item_named(text: str, items: Mapping[str, Item]) -> str | None:
    """The code of the item that somebody means by code, name or pinyin initials; None when it is none or not certain."""
    wanted = text.strip()
    if wanted in items:
        return wanted
    folded = wanted.casefold()
    exact = [code for code, item in items.items() if code.casefold() == folded or item.name == wanted]
    if not exact and wanted:
        exact = [code for code, item in items.items() if initials(item.name) == folded]
    return exact[0] if len(exact) == 1 else None


def read_number(text: str) -> Decimal | None:
    """A bound as typed, in half or full width; None for anything else."""
    amount = read_amount(text)
    return amount.number if amount.number is not None and not amount.comparator else None

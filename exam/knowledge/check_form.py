"""The form of a gate check: its sentence and remedy, whether it blocks, whether it is in use, what it asks, and its examples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from exam.catalog.rules import FormulaProblem, read_formula, write_formula
from exam.kit.errors import BadInput
from exam.knowledge import soundness, words
from exam.knowledge.book import Entry
from exam.knowledge.entry_form import (
    Draft,
    EntryForm,
    Items,
    Problems,
    Row,
    Shown,
    common_of,
    common_texts,
    empty_condition,
    refuse,
    whole_number,
)
from exam.knowledge.gate import (
    Alone,
    Bound,
    Bounds,
    GateCheck,
    GateExample,
    GateTest,
    Holds,
    Matching,
    Named,
    NotFor,
    OpenOrders,
    Relation,
    Removed,
    Sided,
    Unchanged,
    UnnoticedAlerts,
)
from exam.knowledge.language import Condition
from exam.knowledge.rule_form import (
    EDGES,
    GROUPS,
    SIMPLE,
    WITHOUT_ITEM,
    names_of,
    new_part,
    pairs_text,
    part_of,
    place,
    read_number,
)
from exam.knowledge.rule_reading import condition_of, item_of, listed, pairs_of
from exam.knowledge.rules import printed_unit
from exam.knowledge.rules.gate import compiled_test
from exam.knowledge.rules.gate.examples import example_input
from exam.knowledge.rules.gate.prepared import Review

KINDS: Mapping[str, tuple[type[GateTest], str]] = {
    "holds": (Holds, "不可能同时成立的情况"), "bounds": (Bounds, "结果的可能范围"), "relation": (Relation, "结果之间的关系"),
    "matching": (Matching, "所见与结论一致"), "not_for": (NotFor, "不应出现于某些人的内容"), "removed": (Removed, "已切除的器官"),
    "sided": (Sided, "左右一致"), "named": (Named, "所见与同名结论一致"), "unchanged": (Unchanged, "终身不变的结果"),
    "alone": (Alone, "不能与其他并选的选项"), "open_orders": (OpenOrders, "未完成的项目"), "unnoticed_alerts": (UnnoticedAlerts, "未通知的危急值"),
}  # fmt: skip
"""What a check tests, by the kind of its test."""

NEW_KINDS = ("holds", "bounds", "relation", "matching", "not_for", "removed")
RELATIONS = {"<": "<", "<=": "≤", "=": "="}
WORDS = {
    "matching": {"words": "结论中应有的词", "phrases": "科室描述中的词", "claims": "须有依据的结论词", "history": "也可作依据的病史"},
    "not_for": {"items": "不应有结果的项目", "words": "不应出现的词"},
    "removed": {"removed": "说明已切除的词", "present": "仍在描述的词"},
    "sided": {"organ": "器官", "lesions": "病变", "continues": "接着说同一器官的开头词", "ignore": "不算左右的词"},
    "unchanged": {"items": "项目"},
}  # fmt: skip
"""The lists of words of each test with their labels; `items` are named as a person names them."""

ROOTS = {
    "holds": {"0": "condition"}, "matching": {"0": "when", "1": "support"}, "not_for": {"0": "when"}, "removed": {"0": "when"},
}  # fmt: skip
ROOT_LABELS = {
    ("holds", "0"): "同时成立即提示", ("matching", "0"): "所见:什么结果应有相应结论", ("matching", "1"): "依据:怎样的结果足以支持结论",
    ("not_for", "0"): "对哪些人", ("removed", "0"): "怎样的结果说明器官还在",
}  # fmt: skip
OPTIONAL = frozenset({("matching", "0"), ("matching", "1"), ("removed", "0")})
ORDER_STATES = words.ORDER_WORDS
_FRESH = {
    "hits": "yes", "sex": "M", "age": "45", "values": "", "earlier": "", "history": "", "summaries": "", "conclusions": "", "orders": "",
    "alerts": "",
}  # fmt: skip
_LINES = re.compile(r"\n+")
_STATE_CODES = {word: code for code, word in words.ORDER_WORDS.items()}


def kind_of(test: GateTest) -> str:
    """The kind of a test."""
    return str(test.__struct_config__.tag)


def draft_of(entry: Entry, items: Items) -> Draft:
    """The draft that shows a check as it is."""
    assert isinstance(entry, GateCheck)
    kind = kind_of(entry.test)
    texts = common_texts(entry) | {
        "test": kind, "text": entry.text, "remedy": entry.remedy, "is_blocking": "yes" if entry.is_blocking else "",
        "is_on": "" if entry.valid_to is not None else "yes",
    }  # fmt: skip
    for name in WORDS.get(kind, {}):
        value = getattr(entry.test, name)
        texts[f"t_{name}"] = names_of(value, items) if name == "items" else "、".join(value)
    draft = Draft(texts, {"examples": [_example_row(each, items) for each in entry.examples]})
    for root, name in ROOTS.get(kind, {}).items():
        condition: Condition | None = getattr(entry.test, name)
        draft.conditions[root] = place(empty_condition() if condition is None else part_of(condition), root)
    _test_texts(entry.test, draft, items)
    return draft


def _test_texts(test: GateTest, draft: Draft, items: Items) -> None:
    match test:
        case Bounds(of=of):
            draft.tables["bounds"] = [
                {"item": each.item, "low": _text(each.low), "high": _text(each.high), "slip": each.slip} for each in of
            ]
        case Relation(left=left, op=op, right=right, tolerance=tolerance, percent=percent):
            names = _names(items)
            draft.texts |= {
                "left": write_formula(left, names), "op": op, "right": write_formula(right, names),
                "tolerance": _text(tolerance) if tolerance else "", "percent": _text(percent) if percent else "",
            }  # fmt: skip
        case NotFor(is_stated=is_stated):
            draft.texts["is_stated"] = "yes" if is_stated else ""
        case Alone(of=of):
            draft.tables["alone"] = [{"item": item, "choice": choice} for item, choice in of]
        case OpenOrders(states=states):
            draft.texts |= {f"state_{each}": "yes" for each in states}
        case _:
            pass


def _text(number: Decimal | None) -> str:
    return "" if number is None else f"{number:f}"


def _names(items: Items) -> dict[str, str]:
    return {code: item.name for code, item in items.items()}


def _example_row(example: GateExample, items: Items) -> Row:
    return {
        "hits": "yes" if example.hits else "no", "sex": example.sex, "age": str(example.age), "history": "、".join(example.history),
        "values": pairs_text(example.values, items), "earlier": pairs_text(example.earlier, items),
        "summaries": "\n".join(example.summaries), "conclusions": "\n".join(example.conclusions),
        "orders": ";".join(f"{name}={words.ORDER_WORDS.get(state, state)}" for name, state in example.orders.items()),
        "alerts": str(example.alerts_without_notice or ""),
    }  # fmt: skip


def empty() -> Draft:
    """The draft of a new check."""
    texts = {"code": "", "source": "", "test": "holds", "text": "", "remedy": "", "is_blocking": "", "is_on": "yes"}
    examples = [dict(_FRESH), {**_FRESH, "hits": "no"}]
    return Draft(texts, {"examples": examples}, {"0": place(new_part("all_of"), "0"), "1": place(empty_condition(), "1")})


# --- a draft as a check ----------------------------------------------------------------------------------------------


def read(draft: Draft, items: Items, present: Entry | None) -> Entry:
    """The check that a draft says. Raises BadInput. What the form does not show of a test stays as it is."""
    assert present is None or isinstance(present, GateCheck)
    problems: Problems = []
    common = common_of(draft, present, problems)
    for name, label in (("text", "提示"), ("remedy", "处理办法")):
        if not draft.text(name):
            problems.append((name, f"{label}:不能为空"))
    test = _test(draft, items, present.test if present is not None else None, problems)
    examples = tuple(_example(number, row, items, problems) for number, row in enumerate(draft.tables.get("examples", [])))
    refuse(problems)
    assert test is not None
    as_written = {_plain(each): each for each in present.examples} if present is not None else {}
    examples = tuple(as_written.get(_plain(each), each) for each in examples)
    is_blocking = draft.text("is_blocking") == "yes"
    return GateCheck(
        test=test, text=draft.text("text"), remedy=draft.text("remedy"), is_blocking=is_blocking, examples=examples, **common
    )


def _test(draft: Draft, items: Items, present: GateTest | None, problems: Problems) -> GateTest | None:
    kind = kind_of(present) if present is not None else draft.text("test")
    if present is None and kind not in NEW_KINDS:
        problems.append(("test", "检查内容:请选择"))
        return None
    if kind == "bounds":
        return Bounds(tuple(_bound(number, row, items, problems) for number, row in enumerate(_rows(draft, "bounds", problems))))
    if kind == "relation":
        return _relation(draft, items, problems)
    if kind == "alone":
        return Alone(tuple((item_of(row["item"], f"r.alone.{number}.item", items, problems), row["choice"].strip())
                           for number, row in enumerate(_rows(draft, "alone", problems))))  # fmt: skip
    if kind == "open_orders":
        states = tuple(each for each in ORDER_STATES if draft.text(f"state_{each}") == "yes")
        problems += [] if states else [("state_pending", "未完成的状态:请至少选一个")]
        return OpenOrders(states)
    return _of_words(kind, draft, items, present, problems)


def _rows(draft: Draft, table: str, problems: Problems) -> list[Row]:
    rows = draft.tables.get(table, [])
    if not rows:
        problems.append((table, "检查内容:至少要有一行"))
    return rows


def _of_words(kind: str, draft: Draft, items: Items, present: GateTest | None, problems: Problems) -> GateTest | None:
    given: dict[str, Any] = {}
    for name in WORDS.get(kind, {}):
        texts = listed(draft.text(f"t_{name}"))
        given[name] = tuple(item_of(each, f"t_{name}", items, problems) for each in texts) if name == "items" else texts
    for root, name in ROOTS.get(kind, {}).items():
        part = draft.conditions.get(root)
        if part is None or (not part.parts and (kind, root) in OPTIONAL):
            given[name] = None
        else:
            given[name] = condition_of(part, items, problems)
    if kind == "not_for":
        given["is_stated"] = draft.text("is_stated") == "yes"
    problems += _missing(kind, given)
    if problems:
        return present
    return msgspec.structs.replace(present, **given) if present is not None else KINDS[kind][0](**given)


def _missing(kind: str, given: Mapping[str, Any]) -> Problems:
    """A test that asks nothing would never find anything."""
    if kind == "matching" and not (given["when"] or given["phrases"] or given["claims"]):
        return [("t_phrases", "所见:请填写条件、科室描述中的词,或须有依据的结论词")]
    if kind == "matching" and (given["when"] or given["phrases"]) and not given["words"]:
        return [("t_words", "结论中应有的词:不能为空")]
    if kind == "not_for" and not (given["items"] or given["words"]):
        return [("t_words", "不应出现的词:与项目不能都为空")]
    if kind == "removed":
        lacking = [("t_removed", "说明已切除的词:不能为空")] if not given["removed"] else []
        return lacking if given["present"] or given["when"] else [*lacking, ("t_present", "仍在描述的词:与条件不能都为空")]
    needed = {"sided": ("organ", "lesions"), "unchanged": ("items",)}.get(kind, ())
    return [(f"t_{name}", f"{WORDS[kind][name]}:不能为空") for name in needed if not given[name]]


def _bound(number: int, row: Row, items: Items, problems: Problems) -> Bound:
    name, place_words = f"r.bounds.{number}", f"第 {number + 1} 行"
    item = item_of(row["item"], f"{name}.item", items, problems)
    ends = {
        end: _number(row[end], f"{name}.{end}", f"{place_words}{label}", problems)
        for end, label in (("low", "下限"), ("high", "上限"))
    }
    low, high = ends["low"], ends["high"]
    if low is None and high is None:
        problems.append((f"{name}.low", f"{place_words}:请填写下限或上限"))
    elif low is not None and high is not None and low >= high:
        problems.append((f"{name}.low", f"{place_words}:下限 {low:f} 应小于上限 {high:f}"))
    return Bound(item, low, high, row["slip"].strip())


def _number(text: str, field: str, label: str, problems: Problems) -> Decimal | None:
    if not text.strip():
        return None
    found = read_number(text.strip())
    if found is None:
        problems.append((field, f"{label}:“{text.strip()[:20]}”不是数值,请填写数字,例如 7.0"))
    return found


def _relation(draft: Draft, items: Items, problems: Problems) -> Relation | None:
    sides: dict[str, Any] = {}
    for name, label in (("left", "左边"), ("right", "右边")):
        try:
            sides[name] = read_formula(draft.text(name), _names(items)) if draft.text(name) else None
        except FormulaProblem as wrong:
            problems.append((name, f"{label}:{wrong}"))
            continue
        if sides[name] is None:
            problems.append((name, f"{label}:不能为空"))
    if draft.text("op") not in RELATIONS:
        problems.append(("op", "应:请选择"))
    tolerance = _number(draft.text("tolerance"), "tolerance", "允许差", problems) or Decimal(0)
    percent = _number(draft.text("percent"), "percent", "允许差(%)", problems) or Decimal(0)
    allowed = (("tolerance", "允许差", tolerance), ("percent", "允许差(%)", percent))
    problems += [(name, f"{label}:不能为负数") for name, label, value in allowed if value < 0]
    if problems:
        return None
    op: Any = draft.text("op")
    return Relation(sides["left"], op, sides["right"], tolerance, percent)


def _example(number: int, row: Row, items: Items, problems: Problems) -> GateExample:
    name, place_words = f"r.examples.{number}", f"第 {number + 1} 个例子"
    sex: Any = row["sex"] if row["sex"] in ("M", "F") else "M"
    age = whole_number(row["age"].strip() or "45", f"{name}.age", f"{place_words}:年龄", 0, 150, problems)
    alerts = whole_number(row["alerts"].strip() or "0", f"{name}.alerts", f"{place_words}:未通知的危急值", 0, 99, problems)
    orders: dict[str, str] = {}
    for part in (each.strip() for each in re.split(r"[;;\n]+", row["orders"]) if each.strip()):
        order, _, state = (piece.strip() for piece in part.replace("=", "=").partition("="))
        if not order or state not in _STATE_CODES:
            problems.append((f"{name}.orders", f"{place_words}:“{part[:40]}”应写成 项目=状态,状态为{'、'.join(_STATE_CODES)}之一"))
            continue
        orders[order] = _STATE_CODES[state]
    return GateExample(
        hits=row["hits"] == "yes", values=pairs_of(row["values"], f"{name}.values", place_words, items, problems), sex=sex, age=age,
        history=listed(row["history"]), earlier=pairs_of(row["earlier"], f"{name}.earlier", place_words, items, problems),
        summaries=_lines(row["summaries"]), conclusions=_lines(row["conclusions"]), orders=orders, alerts_without_notice=alerts,
    )  # fmt: skip


def _plain(example: GateExample) -> bytes:
    """An example whatever way its values are written: one choice of many may stand as a text or as a list of one."""
    values, earlier = (
        {code: (raw,) if isinstance(raw, str) else raw for code, raw in each.items()} for each in (example.values, example.earlier)
    )
    return msgspec.json.encode(msgspec.structs.replace(example, values=values, earlier=earlier))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in _LINES.split(text.replace("\r", "")) if line.strip())


def can_show(entry: Entry, items: Items) -> bool:
    """Whether the form can say everything that the check says."""
    try:
        same = read(draft_of(entry, items), items, entry)
    except BadInput:
        return False
    return words.same_content(msgspec.structs.replace(same, valid_to=entry.valid_to), entry)


# --- the living examples ---------------------------------------------------------------------------------------------


def shown(entry: Entry, items: Items, today: date) -> Shown:
    """What the check asks, in words, and each of its examples tried."""
    assert isinstance(entry, GateCheck)
    told = f"{KINDS[kind_of(entry.test)][1]}:{_test_words(entry.test, items)}"
    lines = (("查出时", f"{'阻止签名' if entry.is_blocking else '只提醒'}:{entry.text}"), ("处理", entry.remedy))
    return Shown(_short(told), lines, "医师看到的", tuple(tried(entry, items, today)))


def _test_words(test: GateTest, items: Items) -> str:
    match test:
        case Bounds(of=of):
            return f"{len(of)} 个项目中任一项超出表中的范围"
        case Relation(left=left, op=op, right=right, tolerance=tolerance, percent=percent):
            names = _names(items)
            allowed = [f"{tolerance:f}"] if tolerance else []
            allowed += [f"右边的 {percent:f}%"] if percent else []
            more = f",允许相差 {' 加 '.join(allowed)}" if allowed else ""
            return f"应 {write_formula(left, names)} {RELATIONS[op]} {write_formula(right, names)}{more}"
        case Named(of=of):
            return f"{len(of)} 个所见各应有同名结论"
        case _:
            return words.field_words("test", test, items)


def _short(text: str) -> str:
    return text if len(text) <= 400 else f"{text[:400]}…"


def tried(check: GateCheck, items: Items, today: date) -> list[soundness.Verdict]:
    """Each example of a check tried by itself."""
    test = compiled_test(check.test)
    found = []
    for number, example in enumerate(check.examples, 1):
        unknown = [code for code in (*example.values, *example.earlier) if code not in items]
        if unknown:
            found.append(soundness.Verdict(number, None, False, f"项目字典中没有 {unknown[0][:40]}"))
            continue
        hits = list(dict.fromkeys(test(Review(example_input(example, items, today)))))
        told = f"查出:{hits[0][:80]}" if hits else "未查出"
        found.append(soundness.Verdict(number, bool(hits), bool(hits) is example.hits, told))
    return found


def _options(items: Items) -> dict[str, Any]:
    return {
        "items": items, "groups": GROUPS, "simple": SIMPLE, "edges": EDGES, "without_item": WITHOUT_ITEM, "signs": words.RELATION_SIGNS,
        "flags": words.FLAG_NAMES, "printed_unit": printed_unit, "most_levels": soundness.MOST_LEVELS,
        "test_names": {kind: name for kind, (_, name) in KINDS.items()},
        "new_kinds": NEW_KINDS, "word_fields": WORDS, "roots": ROOTS, "root_labels": ROOT_LABELS, "optional_roots": OPTIONAL,
        "order_states": ORDER_STATES, "relations": list(RELATIONS.items()),
    }  # fmt: skip


FORM = EntryForm(
    kind="check", parts="exam/knowledge_check_parts.html", draft_of=draft_of, read=read, shown=shown, options=_options, empty=empty,
    fields=(
        "test", "text", "remedy", "is_blocking", "is_on", "left", "op", "right", "tolerance", "percent", "is_stated",
        *dict.fromkeys(f"t_{name}" for several in WORDS.values() for name in several), *(f"state_{each}" for each in ORDER_STATES),
    ),
    tables={"examples": tuple(_FRESH), "bounds": ("item", "low", "high", "slip"), "alone": ("item", "choice")},
    fresh={"examples": _FRESH, "bounds": {"item": "", "low": "", "high": "", "slip": ""}, "alone": {"item": "", "choice": ""}},
    roots=("0", "1"),
)  # fmt: skip

"""The forms of the entries that are no rules: what was typed as a draft that never loses anything, whatever the kind.

A draft holds plain fields, tables of rows, and conditions by the root under which their parts are named. Each kind says which of
these it has (`policy_form`, `template_form`, `grade_form`, `check_form`); what is common to all of them stands here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import msgspec

from exam.catalog.facts import Item
from exam.catalog.words import source_code, source_name
from exam.kit.errors import BadInput
from exam.knowledge.book import Entry
from exam.knowledge.rule_form import Part, condition_acted, new_part, place, text_of, typed_condition
from exam.knowledge.soundness import MOST_LISTED, Problem, Verdict

Items = Mapping[str, Item]
Row = dict[str, str]
Problems = list[tuple[str, str]]

_PLACE = re.compile(r"[0-9]{1,3}")


class Draft(msgspec.Struct):
    """An entry as typed: plain fields, tables by name, conditions by root; an optional condition may be an empty group."""

    texts: dict[str, str] = {}
    tables: dict[str, list[Row]] = {}
    conditions: dict[str, Part] = {}

    def text(self, name: str) -> str:
        """What was typed in a field, without blanks around it."""
        return self.texts.get(name, "").strip()


class Shown(msgspec.Struct, frozen=True):
    """What an entry as typed means: in words, as lines of an example `(label, text)`, its examples tried, and what is wrong."""

    words: str = ""
    lines: tuple[tuple[str, str], ...] = ()
    lines_title: str = ""
    tried: tuple[Verdict, ...] = ()
    problems: tuple[str, ...] = ()


class EntryForm(msgspec.Struct, frozen=True):
    """The form of one kind of entry.

    `tables` are the columns of each table; `fresh` is what a new row begins with, `carried` what it takes from the row above.
    `read` raises BadInput with every problem at once; `shown` draws the living example of a sound entry. `parts` is the template
    of what the buttons redraw, `roots` name the conditions, `empty` begins a new entry where there can be one.
    """

    kind: str
    parts: str
    fields: tuple[str, ...]
    draft_of: Callable[[Entry, Items], Draft]
    read: Callable[[Draft, Items, Entry | None], Entry]
    shown: Callable[[Entry, Items, date], Shown]
    tables: Mapping[str, tuple[str, ...]] = {}
    fresh: Mapping[str, Row] = {}
    carried: Mapping[str, tuple[str, ...]] = {}
    roots: tuple[str, ...] = ()
    options: Callable[[Items], dict[str, Any]] = lambda items: {}
    empty: Callable[[], Draft] | None = None


def typed(form: EntryForm, data: Mapping[str, Any]) -> Draft:
    """The draft that a form sent. Raises BadInput for a condition without bounds."""
    draft = Draft(texts={name: text_of(data, name) for name in ("code", "source", *form.fields)})
    for table, columns in form.tables.items():
        rows: list[Row] = []
        for number in range(MOST_LISTED + 1):
            if not any(f"r.{table}.{number}.{column}" in data for column in columns):
                break
            rows.append({column: text_of(data, f"r.{table}.{number}.{column}") for column in columns})
        draft.tables[table] = rows
    for root in form.roots:
        draft.conditions[root] = place(typed_condition(data, root) or empty_condition(), root)
    return draft


def empty_condition() -> Part:
    """A group in which nothing is asked yet."""
    return Part("all_of", {}, [], [])


def acted(form: EntryForm, draft: Draft, act: str) -> tuple[Draft, str]:
    """The draft after one of the form's buttons, and the place that gets the focus (`r.bands.2`, or a part's way)."""
    verb, _, way = act.partition(":")
    if verb in ("row", "drop_row", "up", "down"):
        return draft, _row_acted(form, draft, verb, way)
    if verb == "item":
        return draft, f"r.{way}"
    root = way.split(".")[0]
    if root not in draft.conditions:
        return draft, ""
    if verb == "add" and way == root and not draft.conditions[root].parts:
        draft.conditions[root].parts.append(new_part())
        focus = f"{root}.0"
    else:
        focus = condition_acted(draft.conditions[root], verb, way)
    place(draft.conditions[root], root)
    return draft, focus


def _row_acted(form: EntryForm, draft: Draft, verb: str, way: str) -> str:
    table, _, place_text = way.partition(".")
    rows = draft.tables.get(table)
    if rows is None:
        return ""
    at = int(place_text) if _PLACE.fullmatch(place_text) else len(rows)
    if verb == "row" and len(rows) < MOST_LISTED:
        at = min(at, len(rows))
        above = rows[at - 1] if at else {}
        rows.insert(at, form.fresh.get(table, {}) | {name: above.get(name, "") for name in form.carried.get(table, ())})
    elif verb == "drop_row" and at < len(rows):
        del rows[at]
        at = max(0, at - 1)
    elif verb == "up" and 0 < at < len(rows):
        rows[at - 1], rows[at] = rows[at], rows[at - 1]
        at -= 1
    elif verb == "down" and at + 1 < len(rows):
        rows[at + 1], rows[at] = rows[at], rows[at + 1]
        at += 1
    return f"r.{table}.{at}"


# --- what every kind reads alike -------------------------------------------------------------------------------------


def common_texts(entry: Entry) -> dict[str, str]:
    """The fields that every kind shows."""
    return {"code": entry.code, "source": source_name(entry.source)}


def common_of(draft: Draft, present: Entry | None, problems: Problems) -> dict[str, Any]:
    """Code, version and source of an entry as typed; what is saved through a form holds again, also where it had ended."""
    code = present.code if present is not None else draft.text("code")
    if not code:
        problems.append(("code", "编号:不能为空"))
    if not draft.text("source"):
        problems.append(("source", "来源:不能为空,请写明依据的指南、文件或“自拟”"))
    version = present.version if present is not None else 1
    return {"code": code, "version": version, "source": source_code(draft.text("source")), "valid_to": None}


def refuse(problems: Problems) -> None:
    """Raises BadInput when there is anything wrong."""
    if problems:
        raise BadInput(problems)


def whole_number(text: str, field: str, label: str, low: int, high: int, problems: Problems) -> int:
    """A whole number as typed, within bounds."""
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not low <= int(text) <= high:
        shown = f"“{text[:20]}”不对," if text else "不能为空,"
        problems.append((field, f"{label}:{shown}请填写 {low} 到 {high} 的整数"))
        return low
    return int(text)


def told(problems: list[Problem], most: int = 8) -> tuple[str, ...]:
    """The sentences of problems, each once."""
    return tuple(dict.fromkeys(text for _, text in problems))[:most]

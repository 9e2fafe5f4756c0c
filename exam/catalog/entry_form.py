"""The form of a catalogue entry: its fields in sections, what can be chosen in them, and an entry from what was typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from exam.catalog import columns, rules, words
from exam.catalog.columns import COLUMNS, RANGE_COLUMNS, Column, Names
from exam.catalog.facts import Catalogue, ItemGroup, ReferenceRange
from exam.kit.errors import BadInput
from exam.kit.pinyin import initials

SPARE_RANGES = 3
MOST_RANGES = 60

_SECTIONS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "item": (
        ("基本信息", "", "code name department value_type sex order privacy optional"),
        ("数值", "数值和计算项目填写", "unit decimals plausible_low plausible_high method"),
        ("选项与描述", "单选、多选和文字项目填写", "choices normal_text"),
        ("计算公式", "计算项目填写", "formula"),
        ("来源与说明", "", "loinc source note"),
    ),
    "group": (
        ("基本信息", "", "code name department price_fen discountable min_price_fen service_only order"),
        ("包含的项目", "", "items includes"),
        ("标本", "需要采样的组合填写", "tube lab_section time_point sample_site send_out"),
        ("适用范围", "", "sex age_from age_to privacy barred_categories"),
        ("来源与说明", "", "advice source"),
    ),
    "package": (
        ("基本信息", "", "code name category sex age_from age_to order"),
        ("包含的组合", "价格 = 组合价格合计 × 折扣系数,保存时计算", "groups factor"),
    ),
}
"""The sections of a form as `(title, note, column names)`; a kind that is not listed has one."""


class Known(msgspec.Struct, frozen=True):
    """An entry that a field can name: `initials` in pinyin for searching, `note` beside its name, `fen` its price."""

    code: str
    name: str
    initials: str
    note: str = ""
    fen: int | None = None


class Section(msgspec.Struct, frozen=True):
    """Some fields of the form under one heading."""

    title: str
    note: str
    fields: tuple[Column, ...]


def sections_of(kind: str) -> tuple[Section, ...]:
    """The form's sections. A package's price is computed, so it has no field."""
    by_name = {each.name: each for each in COLUMNS[kind] if (kind, each.name) != ("package", "price_fen")}
    if kind not in _SECTIONS:
        return (Section(columns.SHEETS[kind], "", tuple(by_name.values())),)
    return tuple(Section(title, note, tuple(by_name[name] for name in names.split())) for title, note, names in _SECTIONS[kind])


def known_entries(catalogue: Catalogue) -> dict[str, list[Known]]:
    """What the fields of a form can name, by kind."""
    rooms = {code: each.name for code, each in catalogue.departments.items()}
    return {
        "department": [Known(each.code, each.name, initials(each.name)) for each in catalogue.departments.values()],
        "tube": [Known(each.code, each.name, initials(each.name)) for each in catalogue.tubes.values()],
        "item": [
            Known(
                each.code, each.name, initials(each.name),
                " ".join(filter(None, (rooms.get(each.department, each.department), words.common_unit(each.unit)))),
            )
            for each in catalogue.items.values()
        ],
        "group": [
            Known(
                each.code, each.name, initials(each.name),
                f"{rooms.get(each.department, each.department)} {f'{len(each.items)} 项' if each.items else '服务'}", each.price_fen,
            )
            for each in catalogue.groups.values()
        ],
    }  # fmt: skip


def texts_of(kind: str, entry: Any, names: Names) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The texts of the form's fields and of its ranges, for an entry or, without one, for a new one."""
    texts = {}
    for section in sections_of(kind):
        for each in section.fields:
            value = getattr(entry, each.name) if entry else columns.default_of(columns.STRUCTS[kind], each.name)
            texts[each.name] = columns.form_text(each, value, names) if entry or value is not None else ""
    if kind != "item":
        return texts, []
    present = entry.ranges if entry else ()
    ranges = [{each.name: columns.text_of(each, getattr(row, each.name)) for each in RANGE_COLUMNS} for row in present]
    return texts, [*ranges, *([{"age_from": "0", "age_to": "150"}] * SPARE_RANGES)]


def typed(kind: str, data: Mapping[str, Any]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """As `texts_of`, from what a form sent; a field that was sent several times is a list."""
    texts = {each.name: _joined(data.get(each.name, "")) for each in COLUMNS[kind]}
    if kind != "item":
        return texts, []
    rows = [{each.name: _joined(data.get(f"range.{row}.{each.name}", "")) for each in RANGE_COLUMNS} for row in range(MOST_RANGES)]
    while rows and not any(f"range.{len(rows) - 1}.{each.name}" in data for each in RANGE_COLUMNS):
        rows.pop()
    return texts, rows


def _joined(value: Any) -> str:
    return "、".join(str(each) for each in value if each) if isinstance(value, list) else str(value)


def read(kind: str, data: Mapping[str, Any], names: Names, groups: Mapping[str, ItemGroup]) -> Any:
    """The entry that a form says; raises BadInput with every problem at once. A package gets the price of its `groups`."""
    texts, rows = typed(kind, data)
    labels = {each.name: columns.label_of(each) for each in COLUMNS[kind]}
    fields = COLUMNS[kind]
    more: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    if kind == "item":
        more["ranges"], problems = _read_ranges(rows)
    if kind == "package":
        fields = tuple(each for each in fields if each.name != "price_fen")
        more["price_fen"] = 0
    entry, wrong = columns.read(columns.STRUCTS[kind], fields, texts, more, names)
    problems += [(name, f"{labels[name]}:{reason},{remedy}") for name, reason, remedy in wrong]
    if problems:
        raise BadInput(problems)
    if kind == "package":
        price = rules.package_price([groups[code] for code in entry.groups if code in groups], entry.factor)
        entry = msgspec.structs.replace(entry, price_fen=price)
    return entry


def _read_ranges(rows: list[dict[str, str]]) -> tuple[tuple[ReferenceRange, ...], list[tuple[str, str]]]:
    """The ranges of an item's form; a row without bounds is an empty one."""
    found: list[ReferenceRange] = []
    problems: list[tuple[str, str]] = []
    labels = {each.name: each.label for each in RANGE_COLUMNS}
    for row, texts in enumerate(rows):
        if not texts["low"].strip() and not texts["high"].strip():
            continue
        entry, wrong = columns.read(ReferenceRange, RANGE_COLUMNS, texts)
        place = f"参考范围第{row + 1}行"
        problems += [(f"range.{row}.{name}", f"{place} {labels[name]}:{reason},{remedy}") for name, reason, remedy in wrong]
        if entry is not None:
            found.append(entry)
    return tuple(found), problems

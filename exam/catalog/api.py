"""The catalogue for programs: the items with what a value of each must look like."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from litestar import Request
from litestar.params import FromQuery

from exam.catalog import rules, service, words
from exam.catalog.facts import Choice, Item, ReferenceRange, SexCode, ValueType
from exam.kit import web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput
from exam.kit.house import house_of

AnyRequest = Request[Any, Any, Any]

PAGE_SIZE = 100
MOST_OF_PAGE = 500


class AnswerChoice(msgspec.Struct):
    """One answer of a choice item; an abnormal one is a finding."""

    text: str
    abnormal: bool


class RangeAnswer(msgspec.Struct):
    """A reference range for a sex (None: both) and an age band in full years, both ends in it. `text` is what paper shows;
    bounds are decimal text, and an open bound excludes its own value.
    """

    text: str
    low: str | None
    high: str | None
    low_open: bool
    high_open: bool
    sex: SexCode | None
    age_from: int
    age_to: int


class ItemAnswer(msgspec.Struct):
    """One item. `unit` is its UCUM code and `unit_text` what people write; `decimals` are the places a number keeps.

    A number outside `plausible_low` to `plausible_high` is refused as a slip of the pen. A `computed` item takes no value: it
    follows from others. An `optional` one may stay empty when its group is complete.
    """

    code: str
    name: str
    department: str
    department_name: str
    value_type: ValueType
    computed: bool
    optional: bool
    unit: str
    unit_text: str
    decimals: int
    plausible_low: str | None
    plausible_high: str | None
    sex: SexCode | None
    choices: list[AnswerChoice]
    ranges: list[RangeAnswer]
    normal_text: str | None
    loinc: str


class ItemPage(msgspec.Struct):
    """Items as they hold on a day, in the catalogue's order: page `page` of `pages`, `count` in all."""

    revision: int
    on: date
    count: int
    page: int
    pages: int
    items: list[ItemAnswer]


def _choice(choice: Choice) -> AnswerChoice:
    return AnswerChoice(choice.text, choice.abnormal)


def _range(entry: ReferenceRange) -> RangeAnswer:
    return RangeAnswer(
        rules.range_text(entry), entry.low, entry.high, entry.low_open, entry.high_open, entry.sex, entry.age_from, entry.age_to
    )


def _answer(item: Item, department_name: str) -> ItemAnswer:
    return ItemAnswer(
        code=item.code, name=item.name, department=item.department, department_name=department_name, value_type=item.value_type,
        computed=item.value_type == ValueType.CALCULATED, optional=item.optional, unit=item.unit,
        unit_text=words.common_unit(item.unit), decimals=item.decimals, plausible_low=item.plausible_low,
        plausible_high=item.plausible_high, sex=item.sex, choices=[_choice(each) for each in item.choices],
        ranges=[_range(each) for each in item.ranges], normal_text=item.normal_text, loinc=item.loinc,
    )  # fmt: skip


@web.get("/api/catalog/items", may="catalog.read")
def list_items(
    request: AnyRequest, db: web.Db, on: FromQuery[str] = "", department: FromQuery[str] = "", page: FromQuery[int] = 1,
    size: FromQuery[int] = PAGE_SIZE,
) -> ItemPage:  # fmt: skip
    """The items that hold on a day (today without `on`), of one department or of all, with types, units, choices and ranges."""
    try:
        day = date.fromisoformat(on) if on else day_of(house_of(db).clock.now())
    except ValueError:
        raise BadInput([("on", "“on”请填写日期,例如 2026-11-21")]) from None
    if not 1 <= size <= MOST_OF_PAGE:
        raise BadInput([("size", f"“size”请填写 1 到 {MOST_OF_PAGE} 之间的整数")])
    if page < 1:
        raise BadInput([("page", "“page”请填写从 1 开始的页码")])
    catalogue = service.catalogue(db, day)
    names = {each.code: each.name for each in catalogue.departments.values()}
    if department and department not in names:
        raise BadInput([("department", f"“department”没有科室 {department[:40]},可用:{'、'.join(names)}")])
    found = [each for each in catalogue.items.values() if not department or each.department == department]
    shown = found[(page - 1) * size : page * size]
    return ItemPage(
        revision=catalogue.revision, on=day, count=len(found), page=page, pages=max(1, -(-len(found) // size)),
        items=[_answer(each, names.get(each.department, "")) for each in shown],
    )  # fmt: skip


routes = (list_items,)

"""Units and sources as the catalogue's screens and workbook show them."""

from __future__ import annotations

import pytest

from exam.catalog import words
from exam.catalog.starter import load
from exam.knowledge.rules import printed_unit

ITEMS = load().items
UNITS = sorted({item.unit for item in ITEMS})


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_shown_as_everywhere_else_and_comes_back_as_its_ucum_code(unit: str) -> None:
    assert words.common_unit(unit) == printed_unit(unit)
    assert words.ucum_unit(words.common_unit(unit)) == unit
    assert words.ucum_unit(unit) == unit


@pytest.mark.parametrize(("text", "unit"), [("µmol/L", "umol/L"), (" °C ", "Cel"), ("次/分", "/min"), ("没见过", "没见过")])
def test_other_spellings_of_a_unit_are_understood(text: str, unit: str) -> None:
    assert words.ucum_unit(text) == unit


def test_no_source_of_the_starter_is_an_english_word_on_the_screen() -> None:
    sources = {item.source for item in ITEMS} | {entry.source for item in ITEMS for entry in item.ranges}
    shown = {words.source_name(each) for each in sources}
    assert shown == {"", "WS/T 404/405", "临床指南", "试剂说明书", "自拟待审"} - ({""} - sources)
    assert {words.source_code(each) for each in shown} == sources

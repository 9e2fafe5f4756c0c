"""What a catalogue refuses as nonsense: names, decimals, units, LOINC codes and prices."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from exam.catalog.facts import Catalogue
from exam.catalog.rules import validate
from exam.catalog.rules.soundness import is_loinc
from exam.catalog.rules.units import is_unit, nearest_unit
from exam.catalog.starter import as_catalogue, load

CATALOGUE = as_catalogue(load(), 1, date(2026, 1, 1))


def problems_with(kind: str, code: str, **changes: object) -> str:
    """What is wrong once this entry of the starter catalogue says something else."""
    entries = dict(getattr(CATALOGUE, kind))
    entries[code] = msgspec.structs.replace(entries[code], **changes)
    changed: Catalogue = msgspec.structs.replace(CATALOGUE, **{kind: entries})
    return ";".join(validate(changed))


@pytest.mark.parametrize(
    ("kind", "code"), [("departments", "LAB"), ("items", "WBC"), ("groups", "G030"), ("packages", "P02"), ("tubes", "SST")]
)
def test_a_name_has_at_most_fifty_letters_whatever_it_names(kind: str, code: str) -> None:
    assert "名称不能超过50个字,现为51个字" in problems_with(kind, code, name="名" * 51)
    assert "名称" not in problems_with(kind, code, name="名" * 50)


@pytest.mark.parametrize(("decimals", "is_right"), [(-1, False), (0, True), (6, True), (7, False), (99, False)])
def test_decimals_are_between_none_and_six(decimals: int, is_right: bool) -> None:
    assert ("小数位数" not in problems_with("items", "WBC", decimals=decimals)) is is_right


@pytest.mark.parametrize("code", ["6690-2", "718-7", "4544-3", "2160-0", "1742-6", "1920-8"])
def test_sound_loinc_codes_are_taken(code: str) -> None:
    assert is_loinc(code) and "LOINC" not in problems_with("items", "WBC", loinc=code)


@pytest.mark.parametrize("code", ["6690-3", "7187", "718-", "-7", "abc-1", "718-7 ", "0-0", "12345678-1", "718-71"])
def test_a_wrong_check_digit_or_another_form_is_refused(code: str) -> None:
    assert not is_loinc(code) and "LOINC" in problems_with("items", "WBC", loinc=code)


def test_an_item_needs_no_loinc_code() -> None:
    assert "LOINC" not in problems_with("items", "WBC", loinc="")


@pytest.mark.parametrize(
    ("unit", "near"), [("mmol/l", "mmol/L"), ("umol/1", "umol/L"), ("10^9/L", "10*9/L"), ("mmHg ", "mm[Hg]"), ("hello world of units", "")]
)
def test_an_unknown_unit_is_refused_with_the_nearest_one(unit: str, near: str) -> None:
    assert not is_unit(unit) and nearest_unit(unit) == near
    assert f"单位“{unit}”不在单位表中" in problems_with("items", "WBC", unit=unit)


@pytest.mark.parametrize("unit", ["", "mmol/L", "10*9/L", "mm[Hg]", "dB HL", "{score}", "{copies}/mL"])
def test_known_units_and_annotations_are_taken(unit: str) -> None:
    assert is_unit(unit) and "单位“" not in problems_with("items", "WBC", unit=unit)


def test_a_price_has_bounds() -> None:
    assert "价格不能为负数" in problems_with("groups", "G030", price_fen=-1)
    assert "价格不能超过100000.00元" in problems_with("groups", "G030", price_fen=10_000_001)
    assert "价格不能超过" not in problems_with("groups", "G030", price_fen=10_000_000)
    assert "价格不能超过" in problems_with("packages", "P02", price_fen=10_000_001)

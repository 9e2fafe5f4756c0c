"""Flags against the catalogue's ranges, with a slow oracle that tries many values one by one."""

from __future__ import annotations

import itertools
import operator
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exam.catalog.facts import Choice, Item, ReferenceRange, ValueType
from exam.catalog.rules import range_for
from exam.knowledge.facts import Amount, Flag, Subject
from exam.knowledge.rules import check_entry, flag_amount, is_plausible, judge
from tests.knowledge.cases import ITEMS, MAN, WOMAN

TYPES = (ValueType.NUMBER, ValueType.CALCULATED)
RANGED = [
    (code, index)
    for code, item in ITEMS.items()
    if item.value_type in TYPES and not item.choices
    for index in range(len(item.ranges))
]


def number_item(low: str | None = None, high: str | None = None, unit: str = "mg/L", **more: object) -> Item:
    """An item with one range for everybody."""
    ranges = (ReferenceRange(low=low, high=high),) if low or high else ()
    return Item("X", "某项", "LAB", ValueType.NUMBER, unit=unit, decimals=2, ranges=ranges, **more)  # type: ignore[arg-type]


def oracle(number: Decimal, used: ReferenceRange) -> Flag:
    """The flag of one exact number, said as plainly as possible."""
    if used.low is not None:
        low = Decimal(used.low)
        if number < low:
            return Flag.LOW
        if number == low and used.low_open:
            return Flag.LOW
    if used.high is not None:
        high = Decimal(used.high)
        if number > high:
            return Flag.HIGH
        if number == high and used.high_open:
            return Flag.HIGH
    return Flag.NORMAL


@pytest.mark.parametrize(("code", "index"), RANGED)
def test_both_sides_of_every_catalogue_range_are_flagged_as_the_oracle_says(code: str, index: int) -> None:
    item = ITEMS[code]
    used = item.ranges[index]
    subject = Subject(sex=used.sex or item.sex or "M", age=used.age_from)
    assert range_for(item, subject.sex, subject.age) == used
    step = Decimal(1).scaleb(-item.decimals)
    bounds = [Decimal(text) for text in (used.low, used.high) if text is not None]
    for bound in bounds:
        for number in (bound - step, bound, bound + step):
            reading = judge(item, f"{number:f}", item.unit, subject)
            assert reading.flag is oracle(number, used), (code, number)
            assert reading.number == number
            assert reading.range_text


@pytest.mark.parametrize("comparator", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("openness", list(itertools.product([False, True], repeat=2)))
def test_an_open_ended_result_is_flagged_only_when_all_its_values_agree(comparator: str, openness: tuple[bool, bool]) -> None:
    is_low_open, is_high_open = openness
    is_meant = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[comparator]
    checked = 0
    for low, high, limit in itertools.product([None, -1, 0, 1, 2, 4], [None, 0, 1, 3, 4], range(6)):
        # “under 0” holds for no amount at all; such a range is not worth a rule.
        if (low is not None and high is not None and low >= high) or (high == 0 and is_high_open):
            continue
        used = ReferenceRange(
            low=None if low is None else str(low),
            high=None if high is None else str(high),
            low_open=is_low_open,
            high_open=is_high_open,
        )
        flags = {oracle(step, used) for step in (Decimal(n) / 4 for n in range(60)) if is_meant(step, limit)}
        if not flags:
            continue
        expected = flags.pop() if len(flags) == 1 else Flag.UNKNOWN
        if low is None and high is None:
            expected = Flag.NONE
        bounds = [None if text is None else Decimal(text) for text in (used.low, used.high)]
        flag = flag_amount(comparator, Decimal(limit), bounds[0], bounds[1], is_low_open, is_high_open)
        assert flag is expected, (comparator, limit, used)
        checked += 1
    assert checked > 80


def test_a_quantity_that_may_be_negative_has_no_floor_at_zero() -> None:
    assert flag_amount("<", Decimal(1), Decimal(0), None) is Flag.NORMAL
    assert flag_amount("<", Decimal(1), Decimal(0), None, has_negatives=True) is Flag.UNKNOWN
    assert judge(ITEMS["ECG_AX"], "<10", "deg", MAN).flag is Flag.UNKNOWN


@pytest.mark.parametrize(
    ("low", "high", "raw", "flag"),
    [
        (None, "0.5", "<0.5", Flag.NORMAL),
        ("1", None, "<0.5", Flag.LOW),
        (None, "500", ">1000", Flag.HIGH),
        ("1", "10", "<5", Flag.UNKNOWN),
        ("1", "10", ">5", Flag.UNKNOWN),
        ("1", None, ">5", Flag.NORMAL),
        (None, "5", "≥5", Flag.UNKNOWN),
        ("1", "10", "阴性", Flag.UNKNOWN),
        (None, None, "5", Flag.NONE),
        ("1", "10", "  ", Flag.NONE),
    ],
)
def test_the_comparator_is_part_of_the_judgement(low: str | None, high: str | None, raw: str, flag: Flag) -> None:
    reading = judge(number_item(low, high), raw, "mg/L", MAN)
    assert reading.flag is flag
    assert reading.raw == raw
    assert bool(reading.why) is (flag is Flag.UNKNOWN)


@pytest.mark.parametrize(
    ("code", "raw", "unit", "number", "flag"),
    [
        ("GLU", "126", "mg/dL", "7.00", Flag.HIGH),
        ("GLU", "90", "mg/dL", "5.00", Flag.NORMAL),
        ("CREA", "1.2", "mg/dL", "106", Flag.HIGH),
        ("HGB", "14.0", "g/dL", "140", Flag.NORMAL),
        ("HGB", "5.9", "g/dL", "59", Flag.LOW),
        ("SBP", "120", "mmHg", "120", Flag.NORMAL),
        ("UA", "420", "\u03bcmol/L", "420", Flag.NORMAL),
        ("UA", "420", "\u00b5mol/L", "420", Flag.NORMAL),
        ("WBC", "5.00", "10^9/L", "5.00", Flag.NORMAL),
        ("TEMP", "36.5", "℃", "36.5", Flag.NORMAL),
        ("AFP", "3.00", "ug/L", "3.00", Flag.NORMAL),
        ("HCT", "0.45", "L/L", "45.0", Flag.NORMAL),
    ],
)
def test_units_convert_exactly_or_are_the_same_in_other_letters(
    code: str, raw: str, unit: str, number: str, flag: Flag
) -> None:
    reading = judge(ITEMS[code], raw, unit, MAN)
    assert (reading.number, reading.flag, reading.unit) == (Decimal(number), flag, ITEMS[code].unit)
    assert (reading.raw, reading.raw_unit) == (raw, unit)


@pytest.mark.parametrize(
    ("code", "unit"),
    [("CKMB", "ug/L"), ("CKMB", "ng/mL"), ("NEUTP", "L/L"), ("GLU", "mg/L"), ("ALT", "mg/dL"), ("K", "%"), ("HGB", "条")],
)
def test_a_unit_that_does_not_convert_is_never_flagged_nor_given_a_number(code: str, unit: str) -> None:
    reading = judge(ITEMS[code], "5000", unit, MAN)
    assert reading.flag is Flag.UNKNOWN
    assert reading.number is None
    assert unit in reading.why


def test_the_range_of_the_laboratory_wins_and_stays_in_its_own_unit() -> None:
    item = ITEMS["GLU"]
    assert judge(item, "6.50", "mmol/L", MAN).flag is Flag.HIGH
    assert judge(item, "6.50", "mmol/L", MAN, ReferenceRange(low="3.9", high="7.0")).flag is Flag.NORMAL
    converted = judge(item, "120", "mg/dL", MAN, ReferenceRange(low="70", high="119"))
    assert converted.flag is Flag.HIGH
    assert converted.high is not None and abs(converted.high - Decimal("6.61")) < Decimal("0.01")


def test_rounding_a_converted_value_never_carries_it_over_the_laboratorys_own_limit() -> None:
    just_over = judge(ITEMS["GLU"], "110.01", "mg/dL", MAN, ReferenceRange(high="110"))
    assert just_over.flag is Flag.HIGH
    assert judge(ITEMS["GLU"], "110", "mg/dL", MAN, ReferenceRange(high="110")).flag is Flag.NORMAL


def test_a_value_without_a_range_for_this_person_is_unknown_and_not_normal() -> None:
    reading = judge(ITEMS["HGB"], "60", "g/L", Subject(sex="M", age=10))
    assert reading.flag is Flag.UNKNOWN
    assert reading.why


def test_a_choice_is_abnormal_when_one_picked_answer_is() -> None:
    stone = judge(ITEMS["US_ABD"], ("肝囊肿", "胆囊结石"), "", MAN)
    assert stone.flag is Flag.ABNORMAL
    assert stone.abnormal == ("肝囊肿", "胆囊结石")
    assert judge(ITEMS["MED_RHY"], "齐", "", MAN).flag is Flag.NORMAL
    assert judge(ITEMS["U_PRO"], "-", "", MAN).flag is Flag.NORMAL
    assert judge(ITEMS["U_PRO"], "\uff11\uff0b", "", MAN).flag is Flag.ABNORMAL
    assert judge(ITEMS["HBSAB"], "阳性", "", MAN).flag is Flag.NORMAL


def test_a_text_the_dictionary_does_not_know_is_never_taken_for_normal() -> None:
    odd = judge(ITEMS["HBSAG"], "弱阳", "", MAN)
    assert odd.flag is Flag.UNKNOWN
    assert "弱阳" in odd.why
    both = judge(ITEMS["US_ABD"], ("肝囊肿", "某种占位"), "", MAN)
    assert both.flag is Flag.ABNORMAL
    assert "某种占位" in both.abnormal


@pytest.mark.parametrize(
    ("code", "raw", "choice", "flag"),
    [
        ("HBSAG", "阴性(-)", "阴性", Flag.NORMAL),
        ("HBSAG", "-", "阴性", Flag.NORMAL),
        ("HBSAG", "+", "阳性", Flag.ABNORMAL),
        ("HBSAG", "阳性(+)", "阳性", Flag.ABNORMAL),
        ("U_PRO", "阴性", "−", Flag.NORMAL),
        ("U_PRO", "+", "1+", Flag.ABNORMAL),
        ("U_PRO", "++", "2+", Flag.ABNORMAL),
        ("U_PRO", "+-", "±", Flag.ABNORMAL),
    ],
)
def test_the_spellings_of_analysers_are_understood(code: str, raw: str, choice: str, flag: Flag) -> None:
    reading = judge(ITEMS[code], raw, "", MAN)
    assert (reading.raw, reading.choices, reading.flag) == (raw, (choice,), flag)


def test_positive_without_a_grade_is_not_guessed() -> None:
    assert judge(ITEMS["U_PRO"], "阳性", "", MAN).flag is Flag.UNKNOWN


def test_a_range_of_the_laboratory_without_bounds_is_no_range() -> None:
    assert judge(ITEMS["GLU"], "6.50", "", MAN, ReferenceRange()).flag is Flag.HIGH


@pytest.mark.parametrize("broken", [ReferenceRange(low="阴性"), ReferenceRange(low="9", high="3"), ReferenceRange(high="<5")])
def test_a_range_nobody_can_read_judges_nothing(broken: ReferenceRange) -> None:
    reading = judge(ITEMS["GLU"], "6.50", "", MAN, broken)
    assert reading.flag is Flag.UNKNOWN
    assert "参考范围" in reading.why
    assert reading.number == Decimal("6.50")


def test_several_answers_in_one_text_are_taken_apart() -> None:
    assert judge(ITEMS["US_ABD"], "肝囊肿;胆囊结石", "", MAN).choices == ("肝囊肿", "胆囊结石")


@settings(deadline=None)
@given(st.sampled_from(sorted(ITEMS)), st.text(max_size=25), st.sampled_from(["", "mmol/L", "U/L", "%", "x"]))
def test_judging_never_fails_whatever_arrives(code: str, raw: str, unit: str) -> None:
    reading = judge(ITEMS[code], raw, unit, WOMAN)
    assert reading.raw == raw
    assert (reading.flag is Flag.UNKNOWN) <= bool(reading.why)


def test_the_entry_screen_names_what_is_wrong() -> None:
    item = number_item("1", "10", plausible_low="0", plausible_high="100")
    assert check_entry(item, "5.25") is None
    assert check_entry(item, "") is None
    assert "无法识别" in (check_entry(item, "1+") or "")
    assert "2 位小数" in (check_entry(item, "5.255") or "")
    assert "可信范围" in (check_entry(item, "101") or "")
    colour = Item("C", "色觉", "EYE", ValueType.CHOICE, choices=(Choice("正常"), Choice("红绿色弱", True)))
    assert check_entry(colour, "正常") is None
    assert "没有" in (check_entry(colour, "蓝") or "")
    assert "一项" in (check_entry(colour, ("正常", "红绿色弱")) or "")
    whole = Item("P", "脉率", "GEN", ValueType.NUMBER, unit="/min")
    assert "不带小数" in (check_entry(whole, "60.5") or "")


def test_plausibility_includes_its_limits() -> None:
    item = number_item(plausible_low="0", plausible_high="100")
    assert is_plausible(item, Amount("100", "", Decimal(100)))
    assert not is_plausible(item, Amount("100.1", "", Decimal("100.1")))
    assert not is_plausible(item, Amount("-1", "", Decimal(-1)))
    assert not is_plausible(item, Amount("x"))

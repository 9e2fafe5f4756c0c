"""How a judged value is written in one line."""

from __future__ import annotations

from decimal import Decimal

from exam.knowledge.facts import FLAG_SIGNS, Flag, Reading
from exam.knowledge.rules.units import printed_unit

FLAG_WORDS = {Flag.LOW: "偏低", Flag.HIGH: "偏高", Flag.ABNORMAL: "异常", Flag.UNKNOWN: "未能判定"}

OUTSTANDING = frozenset(FLAG_WORDS)
"""The flags that must never be without a line (decision 22)."""


def number_text(number: Decimal, decimals: int | None = None) -> str:
    """A number with the item's decimals at least, never in exponent form and never losing a digit."""
    written = f"{number:f}"
    after_point = len(written.partition(".")[2])
    return f"{number:.{decimals}f}" if decimals is not None and decimals > after_point else written


def value_text(reading: Reading) -> str:
    """`2.80 mmol/L`, `<0.5 mg/L`, or the picked choices; the text as delivered where it is no number."""
    if reading.choices:
        return "、".join(reading.choices)
    if reading.number is None:
        return f"{reading.raw.strip()} {printed_unit(reading.raw_unit)}".strip()
    sign = {"<=": "≤", ">=": "≥"}.get(reading.comparator, reading.comparator)
    return f"{sign}{number_text(reading.number, reading.decimals)} {printed_unit(reading.unit)}".strip()


def finding_text(reading: Reading) -> str:
    """`甘油三酯 2.80 mmol/L ↑`, or `心律:早搏` for what was chosen."""
    if reading.choices:
        return f"{reading.name}:{value_text(reading)}"
    return f"{reading.name} {value_text(reading)} {FLAG_SIGNS[reading.flag]}".strip()


def plain_line(reading: Reading, choice: str = "") -> str:
    """The least that is said of a flagged value (decision 22): `项目 偏高(值 单位,参考 …)`, `项目:选项`;
    what is there or not (`龋齿:有`) by its name alone, as a doctor writes it."""
    if reading.flag is Flag.UNKNOWN:
        return f"{reading.name} 未能判定({value_text(reading)},{reading.why or '无法判断'})"
    if reading.choices:
        told = choice or value_text(reading)
        return reading.name if told == "有" else f"{reading.name}:{told}"
    reference = f",参考 {reading.range_text}" if reading.range_text else ""
    return f"{reading.name} {FLAG_WORDS[reading.flag]}({value_text(reading)}{reference})"

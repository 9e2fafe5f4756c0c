"""The values of a visit as the desks would type them: a body's own, and for items nobody knows here the dictionary's usual ones."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from exam.catalog.facts import Item, ValueType
from exam.catalog.rules import range_for
from exam.catalog.starter import load
from rehearsal.bodies import Body
from rehearsal.cast import Dice
from rehearsal.findings import findings
from rehearsal.laboratory import laboratory

Values = dict[str, str | list[str]]

ITEMS: dict[str, Item] = {item.code: item for item in load().items}


def _bounds(item: Item) -> tuple[float, float]:
    low = float(item.plausible_low) if item.plausible_low is not None else float("-inf")
    return low, float(item.plausible_high) if item.plausible_high is not None else float("inf")


def _normal_answer(item: Item) -> str:
    texts = [choice.text for choice in item.choices if not choice.abnormal]
    return item.normal_text if item.normal_text in texts and item.normal_text is not None else texts[0]


_NUMBERS = {
    code: (f".{item.decimals}f", *_bounds(item)) for code, item in ITEMS.items() if item.value_type is ValueType.NUMBER
}
_NORMAL: dict[str, dict[str, str | list[str]]] = {
    sex: {
        code: [_normal_answer(item)] if item.value_type is ValueType.MULTI else _normal_answer(item)
        for code, item in ITEMS.items()
        if item.choices and item.sex in (None, sex) and not item.optional
    }
    for sex in ("M", "F")
}
_BARRED = {sex: frozenset(code for code, item in ITEMS.items() if item.sex not in (None, sex)) for sex in ("M", "F")}
_HARMLESS = "节育器位置正常"


def values_of(body: Body) -> Values:
    """Everything that could be measured in a body, by item code: numbers with the dictionary's decimals, choices as it has them.

    Computed items and those of the other sex are left out, and optional ones that this person has no use for.
    """
    values: Values = dict(_NORMAL[body.sex])
    barred = _BARRED[body.sex]
    for found in (laboratory(body), findings(body)):
        for code, value in found.items():
            if code in barred:
                continue
            values[code] = value if isinstance(value, str | list) else _written(value, *_NUMBERS[code])
    return values


def _written(value: float, spec: str, low: float, high: float) -> str:
    text = format(low if value < low else high if value > high else value, spec)
    return text[1:] if value < 0 and not text.strip("-0.") else text  # nobody writes minus nothing


COMMON = {
    "HT": ("165", "7"), "WT": ("64", "10"), "WC": ("82", "8"), "HC": ("95", "6"), "SBP": ("124", "14"), "DBP": ("78", "9"),
    "PULSE": ("74", "9"), "TEMP": ("36.5", "0.2"), "VA_R": ("5.0", "0.1"), "VA_L": ("5.0", "0.1"), "VAC_R": ("5.0", "0.1"),
    "VAC_L": ("5.0", "0.1"), "FVCP": ("95", "8"), "FEV1P": ("94", "8"), "FEV1R": ("81", "5"), "BMD_T": ("-0.6", "0.9"),
    "ECG_HR": ("72", "9"), "ECG_PR": ("156", "14"), "ECG_QRS": ("92", "7"), "ECG_QT": ("390", "20"), "ECG_QTC": ("410", "15"),
}  # fmt: skip
"""Mean and spread of items whose range does not tell what is usual."""


def value_of(item: Item, sex: str, age: int, is_ill: bool, dice: Dice) -> str | list[str] | None:
    """A likely value for one item by itself, of whatever catalogue; None for what nobody types (computed items)."""
    if item.value_type is ValueType.CALCULATED:
        return None
    if item.choices:
        normal = [choice.text for choice in item.choices if not choice.abnormal]
        abnormal = [choice.text for choice in item.choices if choice.abnormal]
        picked = dice.pick(abnormal[:2]) if abnormal and dice.chance(12 if is_ill else 2) else (normal or abnormal)[0]
        return [picked] if item.value_type is ValueType.MULTI else picked
    if item.value_type is ValueType.TEXT:
        return item.normal_text or "未见明显异常"
    return str(_number(item, sex, age, is_ill, dice))


def _number(item: Item, sex: str, age: int, is_ill: bool, dice: Dice) -> Decimal:
    entry = range_for(item, sex, age)
    low = Decimal(entry.low) if entry and entry.low is not None else None
    high = Decimal(entry.high) if entry and entry.high is not None else None
    if item.code in COMMON:
        middle, spread = (Decimal(text) for text in COMMON[item.code])
    elif low is not None and high is not None:
        middle, spread = (low + high) / 2, (high - low) / 6
    elif high is not None:
        middle, spread = high * Decimal("0.55"), high / 8
    elif low is not None:
        middle, spread = low * Decimal("1.3") + Decimal("0.2"), abs(low) / 12
    else:
        middle, spread = Decimal(20), Decimal(3)
    value = middle + spread * Decimal(str(round(dice.bell(), 3)))
    if is_ill and item.code in COMMON and dice.chance(12):
        value = middle + spread * Decimal("2.2")  # vital signs go astray by little; nobody walks in with 43 degrees
    elif is_ill and dice.chance(12) and (high or low) is not None:
        value = high * Decimal("1.25") if high is not None and dice.chance(70) else (low or high or middle) * Decimal("0.8")
    if item.plausible_low is not None:
        value = max(value, Decimal(item.plausible_low))
    if item.plausible_high is not None:
        value = min(value, Decimal(item.plausible_high))
    return value.quantize(Decimal(1).scaleb(-item.decimals), rounding=ROUND_HALF_UP)

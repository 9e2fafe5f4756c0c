"""Judge one value against its range, and check a value before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from exam.catalog.facts import Item, ReferenceRange, ValueType
from exam.catalog.rules import range_for, range_text
from exam.knowledge.facts import Amount, Flag, Reading, Subject
from exam.knowledge.rules.amounts import decimals_of, plain_text, read_amount
from exam.knowledge.rules.units import conversion_for, convert, printed_unit, rounded

_ZERO = Decimal(0)

CHOICE_SPELLINGS: dict[str, tuple[str, ...]] = {
    "-": ("阴性",),
    "(-)": ("-", "阴性"),
    "阴性": ("-",),
    "阴性(-)": ("阴性", "-"),
    "+": ("1+", "阳性"),
    "(+)": ("1+", "阳性"),
    "阳性(+)": ("阳性",),
    "++": ("2+",),
    "+++": ("3+",),
    "++++": ("4+",),
    "+-": ("±",),
    "+/-": ("±",),
}
"""How analysers write what the dictionary calls otherwise; the first that is a choice of the item is meant.

A bare `阳性` is not here: on an item with grades it does not say which grade.
"""


def judge(
    item: Item, raw: str | Sequence[str], unit: str, subject: Subject, lab_range: ReferenceRange | None = None
) -> Reading:
    """What a value means for this person (domain.md §2.2): the text as delivered, the number in the item's unit, a flag.

    `unit` is the unit of delivery, empty for the dictionary's own. `lab_range` is the range that came with the result,
    in the unit of delivery; it wins over the catalogue's unless it has no bounds. What cannot be judged is UNKNOWN
    and says why.
    """
    if item.choices:
        return _judge_choices(item, raw)
    text = raw if isinstance(raw, str) else ";".join(raw)
    if item.value_type not in (ValueType.NUMBER, ValueType.CALCULATED) or not text.strip():
        return Reading(item=item.code, name=item.name, raw=text, unit=item.unit, department=item.department, method=item.method)
    amount = read_amount(text)
    if amount.number is None:
        return _unknown(item, text, unit, f"“{text.strip()}”不是数值")
    conversion = conversion_for(item.code, unit, item.unit)
    if conversion is None:
        wanted = printed_unit(item.unit) or "无单位"
        return _unknown(item, text, unit, f"单位“{unit}”不能换算为“{wanted}”,未作判断")
    is_other_size = conversion.times != conversion.divided_by
    exact = convert(amount.number, conversion) if is_other_size else amount.number
    number = rounded(exact, max(item.decimals, 0)) if is_other_size else exact
    if lab_range is not None and lab_range.low is None and lab_range.high is None:
        lab_range = None
    used = lab_range or range_for(item, subject.sex, subject.age)
    if used is None:
        why = "参考范围中没有适用于该性别和年龄的一项" if item.ranges else ""
        flag = Flag.UNKNOWN if item.ranges else Flag.NONE
        return _number_reading(item, amount, number, unit, flag, None, None, "", why)
    low, high = _bound(used.low), _bound(used.high)
    if _is_broken(used, low, high):
        why = f"参考范围“{used.low or ''}–{used.high or ''}”无法识别"
        return _number_reading(item, amount, number, unit, Flag.UNKNOWN, None, None, "", why)
    if lab_range is not None and is_other_size:
        low = None if low is None else convert(low, conversion)
        high = None if high is None else convert(high, conversion)
    # A laboratory's own limits were meant for its own number, so rounding must not carry the value over them.
    judged = exact if lab_range is not None else number
    flag = flag_amount(amount.comparator, judged, low, high, used.low_open, used.high_open, _has_negatives(item))
    shown = range_text(used) if lab_range is None or not is_other_size else _converted_text(low, high, item.decimals)
    why = f"结果“{text.strip()}”无法与参考范围 {shown} 比较" if flag is Flag.UNKNOWN else ""
    return _number_reading(item, amount, number, unit, flag, low, high, shown, why)


def flag_amount(
    comparator: str,
    number: Decimal,
    low: Decimal | None,
    high: Decimal | None,
    is_low_open: bool = False,
    is_high_open: bool = False,
    has_negatives: bool = False,
) -> Flag:
    """The flag of a number or an open-ended result against a range (domain.md §2.2).

    `<0.5` stands for every value under 0.5. It is LOW or HIGH when all of them are outside, NORMAL when all are inside
    and UNKNOWN otherwise; quantities that cannot be negative start at 0. Without any bound there is no flag.
    """
    if low is None and high is None:
        return Flag.NONE
    if not comparator:
        if low is not None and (number < low or (is_low_open and number == low)):
            return Flag.LOW
        if high is not None and (number > high or (is_high_open and number == high)):
            return Flag.HIGH
        return Flag.NORMAL
    is_open = comparator in ("<", ">")
    if comparator[0] == "<":
        if not has_negatives and (number < _ZERO or (number == _ZERO and is_open)):
            return Flag.UNKNOWN  # no number is meant: what cannot be is neither low nor normal
        if low is not None and (number < low or (number == low and (is_open or is_low_open))):
            return Flag.LOW
        floor_is_inside = low is None or (not has_negatives and (low < _ZERO or (low == _ZERO and not is_low_open)))
        top_is_inside = high is None or number < high or (number == high and (is_open or not is_high_open))
        return Flag.NORMAL if floor_is_inside and top_is_inside else Flag.UNKNOWN
    if high is not None and (number > high or (number == high and (is_open or is_high_open))):
        return Flag.HIGH
    start_is_inside = low is None or number > low or (number == low and (is_open or not is_low_open))
    return Flag.NORMAL if high is None and start_is_inside else Flag.UNKNOWN


def is_plausible(item: Item, amount: Amount) -> bool:
    """Could a living person have this value? An item without plausible limits accepts every number."""
    if amount.number is None:
        return False
    if item.plausible_low is not None and amount.number < Decimal(item.plausible_low):
        return False
    return item.plausible_high is None or amount.number <= Decimal(item.plausible_high)


def check_entry(item: Item, raw: str | Sequence[str]) -> str | None:
    """What is wrong with a value typed in by hand, in Chinese, or None. An empty value is not wrong, only missing."""
    if item.choices:
        _, unknown = _picked(item, raw)
        if unknown:
            return f"{item.name}没有“{unknown[0]}”这一选项"
        if item.value_type is ValueType.CHOICE and not isinstance(raw, str) and len(raw) > 1:
            return f"{item.name}只能选一项"
        return None
    text = raw if isinstance(raw, str) else ";".join(raw)
    if item.value_type is not ValueType.NUMBER or not text.strip():
        return None
    amount = read_amount(text)
    if amount.number is None:
        return f"{item.name}应为数值,“{text.strip()}”无法识别"
    if decimals_of(amount.number) > item.decimals:
        allowed = f"最多 {item.decimals} 位小数" if item.decimals else "不带小数"
        return f"{item.name}应{allowed}" if not item.decimals else f"{item.name}{allowed}"
    if not is_plausible(item, amount):
        limits = f"{item.plausible_low or '不限'}~{item.plausible_high or '不限'} {printed_unit(item.unit)}".strip()
        return f"{item.name} {text.strip()} 超出可信范围({limits}),请核对"
    return None


def _bound(text: str | None) -> Decimal | None:
    if text is None:
        return None
    amount = read_amount(text)
    return None if amount.comparator else amount.number


def _is_broken(used: ReferenceRange, low: Decimal | None, high: Decimal | None) -> bool:
    """A bound that is no number, or a lower bound above the upper one: ranges of partners come as free text."""
    if (used.low is not None and low is None) or (used.high is not None and high is None):
        return True
    return low is not None and high is not None and low > high


def _has_negatives(item: Item) -> bool:
    return item.plausible_low is not None and Decimal(item.plausible_low) < _ZERO


def _converted_text(low: Decimal | None, high: Decimal | None, decimals: int) -> str:
    lower = "" if low is None else str(rounded(low, decimals))
    upper = "" if high is None else str(rounded(high, decimals))
    if not upper:
        return f"≥{lower}"
    return f"{lower}–{upper}" if lower else f"≤{upper}"


def _unknown(item: Item, raw: str, unit: str, why: str) -> Reading:
    return Reading(
        item=item.code,
        name=item.name,
        raw=raw,
        unit=item.unit,
        raw_unit=unit,
        flag=Flag.UNKNOWN,
        why=why,
        department=item.department,
        method=item.method,
        decimals=item.decimals,
    )


def _number_reading(
    item: Item,
    amount: Amount,
    number: Decimal,
    unit: str,
    flag: Flag,
    low: Decimal | None,
    high: Decimal | None,
    shown: str,
    why: str,
) -> Reading:
    return Reading(
        item=item.code,
        name=item.name,
        raw=amount.raw,
        comparator=amount.comparator,
        number=number,
        unit=item.unit,
        raw_unit=unit or item.unit,
        flag=flag,
        range_text=shown,
        low=low,
        high=high,
        why=why,
        department=item.department,
        method=item.method,
        decimals=item.decimals,
    )


@lru_cache(maxsize=4096)
def _comparable(text: str) -> str:
    return plain_text(text).replace(" ", "")


def _picked(item: Item, raw: str | Sequence[str]) -> tuple[list[str], list[str]]:
    """The dictionary's choices that were picked, and the texts that are none of them."""
    by_text = {_comparable(choice.text): choice.text for choice in item.choices}
    if not isinstance(raw, str):
        parts = list(raw)
    elif item.value_type is ValueType.MULTI and _comparable(raw) not in by_text:
        parts = plain_text(raw).split(";")
    else:
        parts = [raw]
    known, unknown = [], []
    for part in parts:
        comparable = _comparable(part)
        if not comparable:
            continue
        spellings = (comparable, *CHOICE_SPELLINGS.get(comparable, ()))
        meant = next((by_text[spelling] for spelling in spellings if spelling in by_text), None)
        if meant is None:
            unknown.append(part.strip())
        else:
            known.append(meant)
    return known, unknown


def _judge_choices(item: Item, raw: str | Sequence[str]) -> Reading:
    known, unknown = _picked(item, raw)
    abnormal = {choice.text for choice in item.choices if choice.abnormal}
    flag = Flag.NONE
    if any(text in abnormal for text in known):
        flag = Flag.ABNORMAL
    elif unknown:
        flag = Flag.UNKNOWN
    elif known:
        flag = Flag.NORMAL
    return Reading(
        item=item.code,
        name=item.name,
        raw=raw if isinstance(raw, str) else ";".join(raw),
        unit=item.unit,
        choices=(*known, *unknown),
        abnormal=(*(text for text in known if text in abnormal), *unknown),
        flag=flag,
        range_text=item.normal_text or "",
        why=f"“{unknown[0]}”不在字典选项中" if unknown else "",
        department=item.department,
        method=item.method,
    )

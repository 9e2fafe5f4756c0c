"""What is compared: the values, visits and rule books that are thrown, with a weight on edges and on what people mistype."""

from __future__ import annotations

import random  # noqa: TID251 - a proof throws dice, with a printed seed
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from exam.catalog.facts import Item, ValueType
from exam.knowledge import language as say
from exam.knowledge.book import Alert, Merge, Rule, RuleBook
from exam.knowledge.facts import AlertClass, Severity
from tools.rule_oracle.values import fraction

ON = date(2026, 11, 21)
AGES = (0, 17, 18, 19, 20, 45, 49, 50, 59, 60, 79, 80, 101)
HISTORY = ("高血压", "糖尿病", "冠心病", "手术史")
SIGNS = ("", "", "", "", "<", "<=", ">", ">=", "≤", "≥", "＜", "＞", "≦", "< ", "＞＝")
SCRAWLS = ("阴性", "阳性(+)", "1+", "±", "-", "未检", "5.2↑", "1,234", "1e3", "3-5", "约5", "5.", ".5", "++", "nan", "<", "<<3", "=5")
UNITS = ("%", "L/L", "g/dL", "mg/dL", "mmol/L", "U/L", "ug/L", "g/L", "mEq/L", "m", "mmHg", "kPa", "IU/mL", "一")
PHRASES = ("气胸", "脑出血", "胸腔积液", "主动脉夹层", "占位")
SENTENCES = (
    "右侧气胸,压缩约30%", "未见气胸、胸腔积液", "左侧胸腔积液;未见气胸", "无脑出血", "排除主动脉夹层", "脑出血?", "考虑占位,建议增强",
    "双肺纹理清晰,心影不大", "未见明显异常", "否认气胸", "气胸", "肝内占位。未见胸腔积液", "未见占位。脑出血", "术后改变 气胸",
)  # fmt: skip
SAME = "同一句话"
"""A text that several rules say, under one category and no hierarchy: which of two would win, nobody has said."""

RELATIONS = ("<", "<=", ">", ">=", "=", "!=")


def text_of(number: Fraction, decimals: int) -> str:
    """The number with so many digits, as people and devices write it."""
    scaled = round(number * 10**decimals)
    digits = str(abs(scaled)).rjust(decimals + 1, "0")
    whole, part = (digits[:-decimals], digits[-decimals:]) if decimals else (digits, "")
    return ("-" if scaled < 0 else "") + whole + ("." + part if part else "")


def full_width(text: str) -> str:
    """The text as a Chinese keyboard writes it."""
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


def bounds_of(item: Item) -> list[Fraction]:
    """Every bound of the item's ranges, once each."""
    found = {fraction(bound) for each in item.ranges for bound in (each.low, each.high)}
    return sorted(each for each in found if each is not None)


def edges(marks: Iterable[Fraction], decimals: int) -> list[str]:
    """Each mark and its neighbours on both sides, in the item's digits and one more."""
    found: list[str] = []
    for mark in marks:
        for digits in (decimals, decimals + 1):
            step = Fraction(1, 10**digits)
            found += [text_of(each, digits) for each in (mark - step, mark, mark + step)]
    return list(dict.fromkeys(found))


def grid(item: Item, most: int = 1500) -> list[str]:
    """Numbers over and well beyond the item's ranges, in steps of its last digit where these are not too many."""
    marks = bounds_of(item) or [fraction(item.plausible_low or "0") or Fraction(0), fraction(item.plausible_high or "100") or Fraction(100)]
    width = (marks[-1] - marks[0]) or abs(marks[-1]) or Fraction(1)
    start, end = marks[0] - width, marks[-1] + 2 * width
    step = max(Fraction(1, 10**item.decimals), (end - start) / most)
    numbers = [text_of(start + step * place, item.decimals) for place in range(int((end - start) / step) + 1)]
    far = [text for text in (item.plausible_low, item.plausible_high, "0", "0.0", "00.5", "+3", "100000") if text]
    return list(dict.fromkeys([*numbers, *edges(marks, item.decimals), *far]))


def texts_of(item: Item, marks: Sequence[Fraction], dice: random.Random, *, is_tidy: bool = False) -> str | tuple[str, ...]:
    """One value somebody may deliver for an item; the marks are numbers that rules ask for."""
    if item.value_type == ValueType.TEXT:
        return dice.choice(SENTENCES)
    if item.choices:
        known = [each.text for each in item.choices]
        odd = ["阴性(-)", "+", "++", "+-", "-", "—", "别的", "(-)", "阳性(+)"]
        if item.value_type == ValueType.CHOICE:
            odd += ["（＋）", "１＋"]
        if item.value_type == ValueType.MULTI and dice.random() < 0.4:
            picks = dice.sample(known, min(len(known), dice.randint(1, 3)))
            return tuple(picks)
        return dice.choice(known) if is_tidy or dice.random() < 0.85 else dice.choice(odd)
    throw = dice.random()
    if throw < 0.05:
        return dice.choice(SCRAWLS)
    points = [*marks, *bounds_of(item)] or [Fraction(1)]
    if throw < 0.5:
        text = dice.choice(edges([dice.choice(points)], item.decimals))
    else:
        low, high = min(points), max(points)
        spread = (high - low) or abs(high) or Fraction(1)
        text = text_of(low + spread * Fraction(dice.randint(-60, 160), 100), item.decimals)
    text = dice.choice(SIGNS) + text
    return full_width(text) if dice.random() < 0.05 else text


def marks_of(conditions: Iterable[say.Condition]) -> dict[str, set[Fraction]]:
    """The numbers that conditions ask of each item."""
    found: dict[str, set[Fraction]] = {}
    for each in conditions:
        match each:
            case say.AllOf(of=of) | say.AnyOf(of=of) | say.AtLeast(of=of):
                inner = marks_of(of)
            case say.Not(condition=condition):
                inner = marks_of([condition])
            case say.Compare(item=item, value=value) | say.Earlier(item=item, value=value):
                inner = {item: {Fraction(value)}}
            case say.Between(item=item, low=low, high=high):
                inner = {item: {Fraction(low), Fraction(high)}}
            case say.Age() | say.Sex() | say.History():
                inner = {}
            case _:
                inner = {each.item: set()}
        for item, numbers in inner.items():
            found.setdefault(item, set()).update(numbers)
    return found


def condition(dice: random.Random, items: Sequence[Item], depth: int = 2) -> say.Condition:
    """A condition over these items, at most so deep."""
    if depth and dice.random() < 0.6:
        parts = tuple(condition(dice, items, depth - 1) for _ in range(dice.randint(1, 3)))
        kind = dice.randrange(4)
        if kind == 0:
            return say.AllOf(parts)
        if kind == 1:
            return say.AnyOf(parts)
        return say.AtLeast(dice.randint(0, len(parts) + 1), parts) if kind == 2 else say.Not(parts[0])
    item = dice.choice(items)
    kind = dice.randrange(10)
    if kind < 6:
        return of_value(dice, item)
    person: list[say.Condition] = [
        say.Age(*sorted(dice.sample(AGES, 2))), say.Sex(dice.choice(("M", "F"))), say.History(tuple(dice.sample(HISTORY, 2))),
        say.Missing(item.code), say.HasEarlier(item.code),
    ]  # fmt: skip
    if item.choices:
        person.append(say.EarlierChosen(item.code, (dice.choice(item.choices).text,)))
    return dice.choice(person)


def of_value(dice: random.Random, item: Item) -> say.Condition:
    """A condition that asks for an item's value."""
    flags: list[Any] = ["normal", "low", "high", "abnormal"]
    if item.value_type == ValueType.TEXT:
        return say.Says(item.code, tuple(dice.sample(PHRASES, 2)))
    if item.choices:
        known = [each.text for each in item.choices]
        if dice.random() < 0.2:
            return say.Flagged(item.code, (dice.choice(flags),))
        return say.Chosen(item.code, tuple(dice.sample(known, min(2, len(known)))))
    op: Any = dice.choice(RELATIONS)
    points = bounds_of(item) or [Fraction(10)]
    near = dice.choice(points) + Fraction(dice.randint(-3, 3), 10**item.decimals)
    number = Decimal(text_of(near, item.decimals))
    unit = dice.choice(("", "", item.unit, "%"))
    kind = dice.randrange(6)
    if kind == 0:
        return say.Compare(item.code, op, number, unit)
    if kind == 1:
        ends = {"low_open": dice.random() < 0.5, "high_open": dice.random() < 0.5}
        return say.Between(item.code, number, number + dice.choice((1, 5)), unit, **ends)
    if kind == 2:
        return say.Flagged(item.code, tuple(dice.sample(flags, dice.randint(1, 2))))
    if kind == 3:
        return say.LimitMultiple(item.code, op, Decimal(dice.choice(("1", "2", "0.5"))))
    if kind == 4:
        return say.Earlier(item.code, op, number)
    return say.Change(item.code, op, Decimal(dice.choice(("-10", "0", "10", "50", "100"))))


def book(dice: random.Random, items: Sequence[Item]) -> RuleBook:
    """A rule book with hierarchies, merges, alerts, days and rules of one text."""
    rules = []
    for place in range(dice.randint(4, 10)):
        chosen = dice.sample(list(items), min(3, len(items)))
        asks: Any = condition(dice, chosen)
        named = [each.code for each in chosen]
        text = dice.choice((f"结论{place}", f"结论{place}", f"左侧结论{place}", SAME))
        alert = Alert(dice.choice(list(AlertClass)), departments=dice.choice(((), (), (chosen[0].department,))))
        category: Any = "异常" if text == SAME else dice.choice(("疾病", "高危", "异常", "提示"))
        rule = Rule(f"R{place}", 1, asks, text, category, Severity(dice.randint(0, 5)), order=dice.choice((100, 200, 300)))
        rules.append(
            msgspec.structs.replace(
                rule,
                hierarchy="" if text == SAME else dice.choice(("", "", "H1", "H2")), rank=dice.randint(0, 3),
                covers=dice.choice((None, None, tuple(dice.sample(named, 1)), ())),
                also_covers=(say.Flagged(named[0], ("high", "abnormal")),) if dice.random() < 0.3 else (),
                alert=alert if dice.random() < 0.5 else None,
                valid_from=dice.choice((None, None, ON, ON + timedelta(1))),
                valid_to=dice.choice((None, None, ON, ON + timedelta(1))),
            )
        )  # fmt: skip
    codes = [rule.code for rule in rules]
    dice.shuffle(codes)  # each rule belongs to one merge at most: who would take it first, nobody has said
    merges = (
        Merge("M1", 1, "合并({values})", tuple(codes[:2]), at_least=dice.randint(1, 2), severity=dice.choice((None, Severity.CRITICAL))),
        Merge("M2", 1, "{first}合并", tuple(codes[2:3]), with_one_of=(tuple(codes[3:4]),), order=dice.choice((None, 150))),
    )
    if dice.random() < 0.5:
        rules += _of_one_disease(dice, items)
    return RuleBook(tuple(rules), merges if dice.random() < 0.7 else ())


def _of_one_disease(dice: random.Random, items: Sequence[Item]) -> list[Rule]:
    """Rules that find one disease, or nearly the same, in several examinations: what M13 puts together, or must not."""
    found = []
    for place, item in enumerate(dice.choices(items, k=5)):
        category: Any = "疾病" if dice.random() < 0.1 else "异常"
        codes = dice.choice((("B98.0", "K29"), ("B98.0", "K29"), ("B98.0", "K29"), ("K29", "B98.0"), ("K29",)))
        rule = Rule(
            f"S{place}", 1, say.Flagged(item.code, ("low", "high", "abnormal")), ("左侧" if dice.random() < 0.2 else "所见") + str(place), category,
            Severity.MILD if dice.random() < 0.8 else Severity.RECHECK, order=dice.choice((100, 200)), icd10=codes,
            hierarchy="H3" if dice.random() < 0.2 else "", covers=() if dice.random() < 0.1 else None,
        )  # fmt: skip
        found.append(rule)
    return found


TEXT_ITEM = Item("CT_TEXT", "胸部CT描述", "CT", ValueType.TEXT)
"""A written finding; the shipped catalogue has none that rules ask for by phrase."""

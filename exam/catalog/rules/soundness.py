"""A sound catalogue: what has to hold before it may be published."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from exam.catalog.facts import Catalogue, Formula, Item, ItemGroup, Package, ReferenceRange, SexCode, ValueType
from exam.catalog.rules.formulas import FORMULA_OPERATORS, calls, formula_items
from exam.catalog.rules.inclusion import included, reached
from exam.catalog.rules.orders import SEX_NAMES
from exam.catalog.rules.ranges import range_text
from exam.catalog.rules.units import is_unit, nearest_unit
from exam.catalog.words import common_unit
from exam.kit.money import times, yuan

MOST_NAME = 50
"""Letters of a name: a label, a sheet and a table still show it; source: kit."""
MOST_DECIMALS = 6
"""No laboratory method reads further; source: kit."""
MOST_PRICE_FEN = 10_000_000
"""100 000 yuan: more is a slip of the finger; source: kit."""
_LOINC = re.compile(r"[1-9][0-9]{0,6}-[0-9]")


def validate(catalogue: Catalogue) -> list[str]:
    """Everything that is wrong with the catalogue, one Chinese sentence each; empty when it may be published."""
    problems: list[str] = []
    for kind, entries in (
        ("科室", catalogue.departments),
        ("细项", catalogue.items),
        ("组合项目", catalogue.groups),
        ("套餐", catalogue.packages),
        ("容器", catalogue.tubes),
    ):
        problems.extend(f"{kind} {code}:{problem}" for code, entry in entries.items() for problem in _name_problems(entry.name))
    for item in catalogue.items.values():
        problems.extend(f"细项 {item.code}:{problem}" for problem in _item_problems(catalogue, item))
    for group in catalogue.groups.values():
        problems.extend(f"组合项目 {group.code}:{problem}" for problem in _group_problems(catalogue, group))
    for package in catalogue.packages.values():
        problems.extend(f"套餐 {package.code}:{problem}" for problem in _package_problems(catalogue, package))
    return problems


def _name_problems(name: str) -> Iterator[str]:
    if not name.strip():
        yield "名称不能为空"
    elif len(name.strip()) > MOST_NAME:
        yield f"名称不能超过{MOST_NAME}个字,现为{len(name.strip())}个字"


def _item_problems(catalogue: Catalogue, item: Item) -> Iterator[str]:
    if item.department not in catalogue.departments:
        yield f"科室“{item.department}”不存在"
    if item.value_type in (ValueType.CHOICE, ValueType.MULTI) and not item.choices:
        yield "缺少选项"
    texts = [choice.text for choice in item.choices]
    if len(set(texts)) < len(texts) or not all(text.strip() for text in texts):
        yield "选项重复或为空"
    if (item.formula is not None) != (item.value_type is ValueType.CALCULATED):
        yield "计算项目须有公式,其他类型不得有公式"
    if item.formula is not None:
        yield from _formula_problems(catalogue, item, item.formula)
    if not 0 <= item.decimals <= MOST_DECIMALS:
        yield f"小数位数应为0至{MOST_DECIMALS},现为{item.decimals}"
    if not is_unit(item.unit):
        near = nearest_unit(item.unit)
        hint = f",是否为“{common_unit(near)}”" if near else ",请使用UCUM单位"
        yield f"单位“{item.unit[:30]}”不在单位表中{hint}"
    if item.loinc and not is_loinc(item.loinc):
        yield f"LOINC“{item.loinc[:20]}”不正确,应为编号、短横线和一位校验码,例如 718-7"
    yield from _bound_problems("合理值", item.plausible_low, item.plausible_high)
    for index, entry in enumerate(item.ranges):
        label = f"参考范围{range_text(entry)}"
        yield from _bound_problems(label, entry.low, entry.high)
        if entry.low is None and entry.high is None:
            yield f"第{index + 1}条参考范围没有上下限"
        if entry.age_from > entry.age_to:
            yield f"{label}的起始年龄大于截止年龄"
        for other in item.ranges[index + 1 :]:
            if _overlap(entry, other):
                yield f"{label}与{range_text(other)}的性别和年龄重叠"


def _bound_problems(label: str, low: str | None, high: str | None) -> Iterator[str]:
    try:
        bounds = [Decimal(bound) for bound in (low, high) if bound is not None]
    except InvalidOperation:
        yield f"{label}的上下限不是数字"
        return
    if not all(bound.is_finite() for bound in bounds):
        yield f"{label}的上下限不是数字"
    elif len(bounds) == 2 and bounds[0] > bounds[1]:
        yield f"{label}的下限大于上限"


def _price_problems(price_fen: int) -> Iterator[str]:
    if price_fen < 0:
        yield "价格不能为负数"
    elif price_fen > MOST_PRICE_FEN:
        yield f"价格不能超过{yuan(MOST_PRICE_FEN)}元"


def is_loinc(code: str) -> bool:
    """Whether a code has LOINC's form and its check digit is right (mod 10, LOINC Users' Guide, appendix on check digits)."""
    number, dash, check = code.partition("-")
    if not (dash and _LOINC.fullmatch(code)):
        return False
    from_right = number[::-1]
    digits = from_right[1::2] + str(int(from_right[0::2]) * 2)
    return int(check) == -sum(map(int, digits)) % 10


def _overlap(left: ReferenceRange, right: ReferenceRange) -> bool:
    same_sex = left.sex is None or right.sex is None or left.sex == right.sex
    return same_sex and left.age_from <= right.age_to and right.age_from <= left.age_to


def _formula_problems(catalogue: Catalogue, item: Item, formula: Formula) -> Iterator[str]:
    for part in calls(formula):
        operator = str(part[0]) if part else ""
        least, most = FORMULA_OPERATORS.get(operator, (0, 0))
        if not most:
            yield f"公式中的运算“{operator}”不存在"
        elif not least <= len(part) - 1 <= most:
            yield f"公式中的运算“{operator}”参数个数不对"
    for name in sorted(formula_items(formula)):
        source = catalogue.items.get(name)
        if source is None:
            yield f"公式引用的细项“{name}”不存在"
        elif source.value_type not in (ValueType.NUMBER, ValueType.CALCULATED):
            yield f"公式引用的细项“{name}”不是数值"
    if item.code in _sources(catalogue, item.code):
        yield "公式循环引用"


def _sources(catalogue: Catalogue, code: str) -> frozenset[str]:
    """All items a computed item reads, directly or through others; contains the item itself only in a cycle."""
    return reached(code, lambda each: formula_items(_formula_of(catalogue, each)))


def _formula_of(catalogue: Catalogue, code: str) -> Formula:
    """An item's formula; an empty list, which reads nothing, when it has none."""
    item = catalogue.items.get(code)
    return [] if item is None or item.formula is None else item.formula


def _group_problems(catalogue: Catalogue, group: ItemGroup) -> Iterator[str]:
    if group.department not in catalogue.departments:
        yield f"科室“{group.department}”不存在"
    yield from (f"细项“{code}”不存在" for code in group.items if code not in catalogue.items)
    if len(set(group.items)) < len(group.items):
        yield "细项重复"
    if not group.items and not group.service_only:
        yield "没有细项,也不是服务类项目"
    if group.tube is not None and group.tube not in catalogue.tubes:
        yield f"容器“{group.tube}”不存在"
    yield from _price_problems(group.price_fen)
    if group.age_from > group.age_to:
        yield "起始年龄大于截止年龄"
    if group.code in included(catalogue, group.code):
        yield "包含关系成环"
    for code in group.includes:
        smaller = catalogue.groups.get(code)
        if smaller is None:
            yield f"所包含的组合项目“{code}”不存在"
        elif not set(smaller.items) <= set(group.items):
            # The larger group replaces the smaller one: whatever it lacks would silently not be examined.
            yield f"未覆盖所包含组合项目“{code}”的全部细项"


def _package_problems(catalogue: Catalogue, package: Package) -> Iterator[str]:
    missing = [code for code in package.groups if code not in catalogue.groups]
    yield from (f"组合项目“{code}”不存在" for code in missing)
    if not package.groups:
        yield "没有组合项目"
    if len(set(package.groups)) < len(package.groups):
        yield "组合项目重复"
    if package.age_from > package.age_to:
        yield "起始年龄大于截止年龄"
    yield from _price_problems(package.price_fen)
    if missing:
        return
    groups = [catalogue.groups[code] for code in package.groups]
    for group in groups:
        yield from _misfits(package.sex, group)
        if package.category in group.barred_categories:
            yield f"本类体检不得包含“{group.name}”"
        yield from (
            f"“{group.name}”已包含“{other.name}”"
            for other in groups
            if other.code != group.code and other.code in included(catalogue, group.code)
        )
    try:
        factor = Decimal(package.factor)
    except InvalidOperation:
        factor = Decimal("NaN")
    if not factor.is_finite() or factor < 0:
        yield f"折扣系数“{package.factor}”无效"
        return
    expected = times(sum(group.price_fen for group in groups), factor)
    if expected != package.price_fen:
        yield f"价格应为{yuan(expected)}元,现为{yuan(package.price_fen)}元"


def _misfits(sex: SexCode | None, group: ItemGroup) -> Iterator[str]:
    if group.sex is not None and group.sex != sex:
        yield f"含有仅适用于{SEX_NAMES[group.sex]}的“{group.name}”"

"""The rules of the catalogue: ranges, what an order contains, what contradicts it, its tubes, and a sound catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import msgspec

from exam.catalog.facts import (
    Catalogue,
    Formula,
    Item,
    ItemGroup,
    Package,
    ReferenceRange,
    SexCode,
    Tube,
    TubeMerge,
    ValueType,
)
from exam.kit.errors import Refused
from exam.kit.money import times, yuan

FORMULA_NAMES = frozenset({"age", "sex"})
FORMULA_OPERATORS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("+", "-", "*", "/", "min", "max"), (2, 99)),
    "^": (2, 2),
    "if": (5, 5),
    "require": (3, 3),
}
"""The operators a formula may use, with the least and the most operands; `exam.knowledge` evaluates them."""

CATEGORY_NAMES: Mapping[str, str] = {
    "health": "健康体检",
    "elderly": "老年人体检",
    "entry": "入职体检",
    "school": "入学体检",
    "occupational": "职业健康检查",
}
SEX_NAMES: Mapping[str, str] = {"M": "男性", "F": "女性"}


class OrderConflict(msgspec.Struct, frozen=True):
    """Something about an order that is wrong (blocking) or worth a look (a warning). `group` is empty for the package."""

    code: str
    text: str
    hint: str
    group: str
    is_blocking: bool


class PlannedTube(msgspec.Struct, frozen=True):
    """One label to print: a container and the groups that share it."""

    tube: str
    section: str
    time_point: str
    send_out: str
    privacy: bool
    groups: tuple[str, ...]
    sample_site: str = ""


# --- reference ranges ---


def range_for(item: Item, sex: str, age: int) -> ReferenceRange | None:
    """The range that holds for this sex ("M" or "F") and age in full years at the day of collection (domain.md §2.4).

    Both ends of an age band belong to it. None means that no range is known, so the value cannot be judged.
    """
    for entry in item.ranges:
        if entry.sex in (None, sex) and entry.age_from <= age <= entry.age_to:
            return entry
    return None


def range_text(entry: ReferenceRange) -> str:
    """The range as paper shows it: `3.5–9.5`, `<5.18`, `≤26.2`, `>1.04`, `≥90`; empty without bounds."""
    low = None if entry.low is None else entry.low.replace("-", "−")
    high = None if entry.high is None else entry.high.replace("-", "−")
    low_sign, high_sign = (">" if entry.low_open else "≥"), ("<" if entry.high_open else "≤")
    if low is None:
        return "" if high is None else f"{high_sign}{high}"
    if high is None:
        return f"{low_sign}{low}"
    if entry.low_open or entry.high_open:
        return f"{low_sign}{low}且{high_sign}{high}"
    return f"{low}–{high}"


# --- what an order contains ---


def expand(catalogue: Catalogue, package_code: str | None, extra: Sequence[str]) -> tuple[ItemGroup, ...]:
    """The groups of a package and the added ones, once each, in walking order.

    A group that a chosen larger one includes, directly or through others, is left out (domain.md §2.6: the larger
    replaces the smaller).
    """
    codes: list[str] = []
    if package_code is not None:
        package = catalogue.packages.get(package_code)
        if package is None:
            raise Refused("catalog.unknown_package", f"套餐“{package_code}”不存在或已停用", "请重新选择套餐", "package")
        codes.extend(package.groups)
    codes.extend(extra)
    unknown = [code for code in codes if code not in catalogue.groups]
    if unknown:
        raise Refused("catalog.unknown_group", f"组合项目“{unknown[0]}”不存在或已停用", "请删除该项目或重新选择", "groups")
    chosen = dict.fromkeys(codes)
    reach = {code: _included(catalogue, code) for code in chosen}
    # Two groups that include each other are an error of the catalogue; neither then makes the other vanish.
    kept = [
        code
        for code in chosen
        if not any(code in reach[other] and other not in reach[code] for other in chosen if other != code)
    ]
    return tuple(sorted((catalogue.groups[code] for code in kept), key=_walking))


def items_of(catalogue: Catalogue, groups: Iterable[ItemGroup], sex: str) -> tuple[Item, ...]:
    """The distinct items to fill in, in catalogue order, without those bound to the other sex."""
    codes = {code for group in groups for code in group.items}
    items = (catalogue.items[code] for code in codes)
    return tuple(sorted((item for item in items if item.sex in (None, sex)), key=lambda item: (item.order, item.code)))


def conflicts(
    catalogue: Catalogue,
    groups: Sequence[ItemGroup],
    sex: str,
    age: int,
    category: str,
    package_code: str | None = None,
) -> list[OrderConflict]:
    """What contradicts this order for this person (`age` in full years) in this exam category, the blocking ones first.

    Blocking: a group or package of the other sex, a group outside its age bounds, and a group barred in the category
    (hepatitis B and HIV in entry and school exams, domain.md §2.7). Warnings: a package outside its usual age, and an
    item that two groups hold; it is examined once.
    """
    found: list[OrderConflict] = []
    if package_code is not None and package_code in catalogue.packages:
        found.extend(_package_conflicts(catalogue.packages[package_code], sex, age))
    for group in groups:
        found.extend(_group_conflicts(group, sex, age, category))
    found.extend(_shared_items(catalogue, groups))
    return sorted(found, key=lambda conflict: not conflict.is_blocking)


def _package_conflicts(package: Package, sex: str, age: int) -> Iterator[OrderConflict]:
    if package.sex is not None and package.sex != sex:
        text = f"套餐“{package.name}”仅适用于{SEX_NAMES[package.sex]}"
        yield OrderConflict("catalog.package_wrong_sex", text, "请核对性别或改选套餐", "", True)
    if not package.age_from <= age <= package.age_to:
        text = f"套餐“{package.name}”适用年龄为{_age_text(package.age_from, package.age_to)},受检者{age}岁"
        yield OrderConflict("catalog.package_outside_age", text, "请核对年龄,确认后可继续登记", "", False)


def _group_conflicts(group: ItemGroup, sex: str, age: int, category: str) -> Iterator[OrderConflict]:
    if group.sex is not None and group.sex != sex:
        text = f"“{group.name}”仅适用于{SEX_NAMES[group.sex]}"
        yield OrderConflict("catalog.wrong_sex", text, "请核对性别或删除该项目", group.code, True)
    if not group.age_from <= age <= group.age_to:
        text = f"“{group.name}”适用年龄为{_age_text(group.age_from, group.age_to)},受检者{age}岁"
        yield OrderConflict("catalog.outside_age", text, "请核对出生日期或删除该项目", group.code, True)
    if category in group.barred_categories:
        text = f"{CATEGORY_NAMES.get(category, '本类体检')}不得包含“{group.name}”"
        yield OrderConflict("catalog.barred_category", text, "依规定不得检查,请删除该项目", group.code, True)


def _shared_items(catalogue: Catalogue, groups: Sequence[ItemGroup]) -> Iterator[OrderConflict]:
    first: dict[str, ItemGroup] = {}
    shared: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        for code in dict.fromkeys(group.items):
            holder = first.setdefault(code, group)
            if holder.code != group.code:
                shared.setdefault((holder.code, group.code), []).append(code)
    for (left, right), codes in shared.items():
        names = "、".join(catalogue.items[code].name if code in catalogue.items else code for code in codes)
        text = f"“{catalogue.groups[left].name}”与“{catalogue.groups[right].name}”重复包含:{names}"
        yield OrderConflict("catalog.same_item_twice", text, "重复的细项只检查一次,请确认是否需要保留两个组合", right, False)


def _age_text(age_from: int, age_to: int) -> str:
    if age_to >= 150:
        return f"{age_from}岁及以上"
    return f"{age_to}岁及以下" if age_from <= 0 else f"{age_from}–{age_to}岁"


# --- tubes ---


def tubes_for(catalogue: Catalogue, groups: Sequence[ItemGroup]) -> tuple[PlannedTube, ...]:
    """The labels these groups need, in the order of drawing (domain.md §2.5); containers without blood come last.

    Groups share a container by the tube's merge rule, and never across send-out organisations or the privacy bound.
    """
    shared: dict[tuple[object, ...], list[ItemGroup]] = {}
    for group in groups:
        if group.tube is not None:
            shared.setdefault(_merge_key(catalogue.tubes[group.tube], group), []).append(group)
    together = [sorted(members, key=_walking) for members in shared.values()]
    together.sort(key=lambda members: _draw_key(catalogue.tubes[members[0].tube or ""], members[0]))
    return tuple(_planned(members) for members in together)


def _walking(group: ItemGroup) -> tuple[int, str]:
    return group.order, group.code


def _draw_key(tube: Tube, first: ItemGroup) -> tuple[bool, int, str, str, int, str]:
    """Drawing order; within one kind of tube by time point, then in walking order."""
    return tube.draw_order == 0, tube.draw_order, tube.code, first.time_point, *_walking(first)


def _merge_key(tube: Tube, group: ItemGroup) -> tuple[object, ...]:
    common = (tube.code, group.send_out, group.privacy)
    match tube.merge:
        case TubeMerge.GROUP:
            return (*common, group.code)
        case TubeMerge.SECTION:
            return (*common, group.lab_section, group.time_point)
        case TubeMerge.VISIT:
            return common
        case TubeMerge.TIME_POINT:
            return (*common, group.time_point)
        case TubeMerge.SITE:
            return (*common, group.sample_site)


def _planned(members: Sequence[ItemGroup]) -> PlannedTube:
    first = members[0]
    return PlannedTube(
        tube=first.tube or "",
        section=first.lab_section,
        time_point=first.time_point,
        send_out=first.send_out,
        privacy=first.privacy,
        groups=tuple(dict.fromkeys(group.code for group in members)),
        sample_site=first.sample_site,
    )


# --- a sound catalogue ---


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
        problems.extend(f"{kind} {code}:名称不能为空" for code, entry in entries.items() if not entry.name.strip())
    for item in catalogue.items.values():
        problems.extend(f"细项 {item.code}:{problem}" for problem in _item_problems(catalogue, item))
    for group in catalogue.groups.values():
        problems.extend(f"组合项目 {group.code}:{problem}" for problem in _group_problems(catalogue, group))
    for package in catalogue.packages.values():
        problems.extend(f"套餐 {package.code}:{problem}" for problem in _package_problems(catalogue, package))
    return problems


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


def _overlap(left: ReferenceRange, right: ReferenceRange) -> bool:
    same_sex = left.sex is None or right.sex is None or left.sex == right.sex
    return same_sex and left.age_from <= right.age_to and right.age_from <= left.age_to


def _formula_problems(catalogue: Catalogue, item: Item, formula: Formula) -> Iterator[str]:
    for part in _calls(formula):
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


def _calls(formula: Formula) -> Iterator[list[Formula]]:
    if isinstance(formula, list):
        yield formula
        for operand in _operands(formula):
            yield from _calls(operand)


def _operands(formula: list[Formula]) -> list[Formula]:
    """The parts of a formula that are formulas themselves: no operator, comparison sign, sex code or reason."""
    match formula:
        case ["if", _, "sex", _, *answers]:
            return answers
        case ["if", _, *parts]:
            return parts
        case ["require", [_, *compared], _, *parts]:
            return [*compared, *parts]
        case _:
            return formula[1:]


def formula_items(formula: Formula) -> frozenset[str]:
    """The codes of the items a formula reads: when one of them changes, the result is computed again."""
    if isinstance(formula, list):
        return frozenset(code for operand in _operands(formula) for code in formula_items(operand))
    if not isinstance(formula, str) or formula in FORMULA_NAMES or _is_number(formula):
        return frozenset()
    return frozenset({formula})


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _sources(catalogue: Catalogue, code: str) -> frozenset[str]:
    """All items a computed item reads, directly or through others; contains the item itself only in a cycle."""
    return _reached(code, lambda each: formula_items(_formula_of(catalogue, each)))


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
    if group.price_fen < 0:
        yield "价格不能为负数"
    if group.age_from > group.age_to:
        yield "起始年龄大于截止年龄"
    if group.code in _included(catalogue, group.code):
        yield "包含关系成环"
    for code in group.includes:
        smaller = catalogue.groups.get(code)
        if smaller is None:
            yield f"所包含的组合项目“{code}”不存在"
        elif not set(smaller.items) <= set(group.items):
            # The larger group replaces the smaller one: whatever it lacks would silently not be examined.
            yield f"未覆盖所包含组合项目“{code}”的全部细项"


def _included(catalogue: Catalogue, code: str) -> frozenset[str]:
    """All groups that a group includes, directly or through others; contains the group itself only in a cycle."""
    return _reached(code, lambda each: catalogue.groups[each].includes if each in catalogue.groups else ())


def _reached(start: str, steps: Callable[[str], Iterable[str]]) -> frozenset[str]:
    """Everything one gets to from `start` in one or more steps."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = set(steps(waiting.pop())) - reached
        reached |= fresh
        waiting.extend(fresh)
    return frozenset(reached)


def _package_problems(catalogue: Catalogue, package: Package) -> Iterator[str]:
    missing = [code for code in package.groups if code not in catalogue.groups]
    yield from (f"组合项目“{code}”不存在" for code in missing)
    if not package.groups:
        yield "没有组合项目"
    if len(set(package.groups)) < len(package.groups):
        yield "组合项目重复"
    if package.age_from > package.age_to:
        yield "起始年龄大于截止年龄"
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
            if other.code != group.code and other.code in _included(catalogue, group.code)
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


def repriced(packages: Mapping[str, Package], groups: Mapping[str, ItemGroup], changed: str) -> list[Package]:
    """The packages that contain the group `changed` and whose price, factor × sum of the standard prices, is another now."""
    found = []
    for package in packages.values():
        if changed in package.groups and all(code in groups for code in package.groups):
            price = package_price([groups[code] for code in package.groups], package.factor)
            if price != package.price_fen:
                found.append(msgspec.structs.replace(package, price_fen=price))
    return found


def package_price(groups: Sequence[ItemGroup], factor: str) -> int:
    """A package's price in fen: factor × the sum of its groups' standard prices (domain.md §8.3)."""
    return times(sum(group.price_fen for group in groups), Decimal(factor))


def _misfits(sex: SexCode | None, group: ItemGroup) -> Iterator[str]:
    if group.sex is not None and group.sex != sex:
        yield f"含有仅适用于{SEX_NAMES[group.sex]}的“{group.name}”"

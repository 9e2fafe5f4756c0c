"""What an order contains, and what contradicts it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from exam.catalog.facts import Catalogue, Item, ItemGroup, Package
from exam.catalog.rules.inclusion import included
from exam.kit.errors import Refused

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
    reach = {code: included(catalogue, code) for code in chosen}
    # Two groups that include each other are an error of the catalogue; neither then makes the other vanish.
    kept = [
        code for code in chosen if not any(code in reach[other] and other not in reach[code] for other in chosen if other != code)
    ]
    return tuple(sorted((catalogue.groups[code] for code in kept), key=walking))


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


def walking(group: ItemGroup) -> tuple[int, str]:
    """The place of a group on the way through the centre."""
    return group.order, group.code

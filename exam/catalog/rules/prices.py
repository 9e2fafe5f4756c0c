"""Prices of packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from exam.catalog.facts import ItemGroup, Package
from exam.kit.money import times


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

"""What of an order is private: that it was ordered, refused or done tells of a person as much as its result."""

from __future__ import annotations

from exam.catalog.facts import Catalogue, ItemGroup


def is_private_group(catalogue: Catalogue, group: ItemGroup) -> bool:
    """Whether a group, or any item of it, is private."""
    return group.privacy or any(catalogue.items[code].privacy for code in group.items if code in catalogue.items)

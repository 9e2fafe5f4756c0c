"""What the peers know of the items: name, unit and the range for either sex, as our catalogue has them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec


class Bounds(msgspec.Struct, frozen=True):
    """The reference range of one sex, as text."""

    low: str
    high: str
    range_text: str


class Item(msgspec.Struct, frozen=True):
    """One item of the laboratory's sheet."""

    name: str
    unit: str
    bounds: dict[str, Bounds]


def read_items(path: Path) -> dict[str, Item]:
    """The items by code, in catalogue order."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Item])


def flag_of(raw: str, bounds: Bounds) -> str:
    """High, low, or within the range; the bounds belong to the range."""
    number = Decimal(raw)
    if bounds.high and number > Decimal(bounds.high):
        return "high"
    if bounds.low and number < Decimal(bounds.low):
        return "low"
    return "normal"

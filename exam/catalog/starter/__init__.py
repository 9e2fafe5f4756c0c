"""The starter catalogue: departments, items, groups, packages and tubes as data files, read into the catalogue's structs.

Every row says where it comes from. `source` is one of

- `WS/T 404/405`: reference intervals of these Chinese health standards; approved;
- `guideline`: other guideline values listed in domain.md §2.3 with a dagger; approved;
- `kit`: a reagent maker's cut-off, to be replaced by the laboratory's own; not approved;
- `memory`: a proposal nobody has checked yet; not approved. The groups with this source are our own additions for items
  that no group of domain.md §2.6 asks for; they wait for the centre's approval. Twenty-one items are additions too: rules of
  domain.md §3 and §4.2 ask for them. Those seen in a listed examination stand in its group and may stay empty.

Adult laboratory and vital-sign ranges begin at 18 years: a child gets no range rather than a wrong one. Prices are invented.

Formulas are prefix lists over item codes and the two names `age` (full years) and `sex` ("M" or "F"):

- `["+", a, b, …]`, `["*", a, b, …]`, `["-", a, b, …]`, `["/", a, b, …]`, `["min", a, b, …]` and `["max", a, b, …]` take two
  or more operands, from left to right;
- `["^", base, exponent]` is a power, the exponent may be negative and a fraction;
- `["if", "=", "sex", "F", a, b]` is `a` when the sex is F and `b` otherwise; the fourth element is plain text, never an item;
- `["if", "<", x, y, a, b]` chooses by comparing two numbers, and `["require", ["<", "TG", 4.5], "why not", a]` is `a` while the
  comparison holds. The shipped formulas need neither.

An operand is a number, a name or another formula. The shipped formulas name measured items only, so nothing is rounded
before the result, which is rounded half up to the item's decimals. A missing source or a division by zero gives no value.
"""

from __future__ import annotations

from datetime import date
from importlib.resources import files
from typing import TypeVar

import msgspec

from exam.catalog.facts import Catalogue, Department, Item, ItemGroup, Package, Tube

Entry = TypeVar("Entry", Department, Item, ItemGroup, Package, Tube)


class StarterCatalogue(msgspec.Struct, frozen=True):
    """The entries a new centre begins with, in the order of the data files."""

    departments: tuple[Department, ...]
    items: tuple[Item, ...]
    groups: tuple[ItemGroup, ...]
    packages: tuple[Package, ...]
    tubes: tuple[Tube, ...]


def load() -> StarterCatalogue:
    """Reads the data files beside this module; a value of the wrong type raises `msgspec.ValidationError`."""
    return StarterCatalogue(
        departments=_read("departments.json", Department),
        items=_read("items.json", Item),
        groups=_read("groups.json", ItemGroup),
        packages=_read("packages.json", Package),
        tubes=_read("tubes.json", Tube),
    )


def as_catalogue(starter: StarterCatalogue, revision: int, on: date) -> Catalogue:
    """The starter entries as one catalogue, keyed by code: for seeding, and for tests that need no database."""
    return Catalogue(
        revision=revision,
        on=on,
        departments={entry.code: entry for entry in starter.departments},
        items={entry.code: entry for entry in starter.items},
        groups={entry.code: entry for entry in starter.groups},
        packages={entry.code: entry for entry in starter.packages},
        tubes={entry.code: entry for entry in starter.tubes},
    )


def _read(name: str, kind: type[Entry]) -> tuple[Entry, ...]:
    content = files(__name__).joinpath(name).read_bytes()
    return msgspec.json.decode(content, type=tuple[kind, ...], strict=True)  # type: ignore[valid-type]

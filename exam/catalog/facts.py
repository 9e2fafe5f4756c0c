"""The catalogue as frozen structs: what can be examined, in which room, in which tube and at which price."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    Formula: TypeAlias = "str | int | float | list[Formula]"
else:  # the decoder cannot follow a recursive alias, so it only checks the outermost level
    Formula = str | int | float | list
"""A computed item's formula as prefix lists: `["/", "WT", ["^", ["/", "HT", 100], 2]]` is the BMI.

A string names an item or one of `age` (full years) and `sex`; the operators are in `exam.knowledge.rules.formulas`.
"""

SexCode = Literal["M", "F"]


class ValueType(StrEnum):
    """How an item's result is written down."""

    NUMBER = "number"
    CHOICE = "choice"
    MULTI = "multi"
    TEXT = "text"
    CALCULATED = "calculated"


class DepartmentKind(StrEnum):
    """Who fills in a department's results: its doctors, the laboratory, an imaging system or a device."""

    MANUAL = "manual"
    LAB = "lab"
    IMAGING = "imaging"
    DEVICE = "device"


class TubeMerge(StrEnum):
    """What decides whether two groups may share one tube (domain.md §2.5)."""

    GROUP = "group"
    SECTION = "section"
    VISIT = "visit"
    TIME_POINT = "time_point"
    SITE = "site"


class Department(msgspec.Struct, frozen=True, omit_defaults=True):
    """A room of the centre (科室)."""

    code: str
    name: str
    kind: DepartmentKind
    order: int = 0
    location: str = ""


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer of a choice item; the abnormal ones are findings."""

    text: str
    abnormal: bool = False


class ReferenceRange(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reference range for one sex and age band. Bounds are decimal text; an open bound excludes its own value."""

    low: str | None = None
    high: str | None = None
    low_open: bool = False
    high_open: bool = False
    sex: SexCode | None = None
    age_from: int = 0
    age_to: int = 150
    source: str = ""
    approved: bool = False


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One result field (细项): its type, unit, ranges by sex and age, choices or formula.

    `method` is how it is measured now (a reagent, an instrument): after a change of it earlier values are not compared.
    An `optional` item may stay empty when its group is complete: corrected vision, bone conduction, a TI-RADS grade.
    """

    code: str
    name: str
    department: str
    value_type: ValueType
    unit: str = ""
    decimals: int = 0
    plausible_low: str | None = None
    plausible_high: str | None = None
    choices: tuple[Choice, ...] = ()
    ranges: tuple[ReferenceRange, ...] = ()
    normal_text: str | None = None
    formula: Formula | None = None
    sex: SexCode | None = None
    privacy: bool = False
    loinc: str = ""
    order: int = 0
    source: str = ""
    note: str = ""
    optional: bool = False
    method: str = ""


class ItemGroup(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is ordered, priced and charged together (组合项目). `price_fen` is the standard price in fen.

    No discount takes it below `min_price_fen`, or off its price at all where it is not `discountable`.

    `source` says where the group comes from when no rule book lists it; an addition of our own waits for approval.
    """

    code: str
    name: str
    department: str
    items: tuple[str, ...]
    price_fen: int
    tube: str | None = None
    lab_section: str = ""
    time_point: str = ""
    sample_site: str = ""
    send_out: str = ""
    sex: SexCode | None = None
    age_from: int = 0
    age_to: int = 150
    includes: tuple[str, ...] = ()
    privacy: bool = False
    barred_categories: tuple[str, ...] = ()
    discountable: bool = True
    min_price_fen: int = 0
    service_only: bool = False
    advice: str = ""
    order: int = 0
    source: str = ""


class Package(msgspec.Struct, frozen=True, omit_defaults=True):
    """A set of groups sold together (套餐). `factor` is a decimal text applied to the sum of the standard prices."""

    code: str
    name: str
    groups: tuple[str, ...]
    factor: str
    price_fen: int
    sex: SexCode | None = None
    age_from: int = 0
    age_to: int = 150
    category: str = "health"
    order: int = 0


class Tube(msgspec.Struct, frozen=True, omit_defaults=True):
    """A specimen container (采血管/标本容器) and its merge rule; `draw_order` is the order of drawing, 0 for no blood."""

    code: str
    name: str
    colour: str
    additive: str
    merge: TubeMerge
    draw_order: int = 0
    volume: str = ""


class Catalogue(msgspec.Struct, frozen=True):
    """The whole catalogue as known at one revision for one day. A visit keeps `(revision, on)` for ever."""

    revision: int
    on: date
    departments: dict[str, Department]
    items: dict[str, Item]
    groups: dict[str, ItemGroup]
    packages: dict[str, Package]
    tubes: dict[str, Tube]


class CatalogueChanged(msgspec.Struct, frozen=True):
    """Somebody changed the catalogue: `entries` are `kind:code` pairs."""

    revision: int
    entries: tuple[str, ...]

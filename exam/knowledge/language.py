"""The condition language of the medical rules: declarative structs over a case, never code and never a string to evaluate.

Every condition is a tagged struct that decodes strictly from JSON (`kind` names it, unknown fields are refused) and is
true, false or unknown: a value that is missing or cannot be judged makes it unknown, and what is unknown does not fire.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

Relation = Literal["<", "<=", ">", ">=", "=", "!="]


class Compare(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="compare", omit_defaults=True):
    """Today's value against a number. With a `unit` (the dictionary's) a value in another one leaves it unknown."""

    item: str
    op: Relation
    value: Decimal
    unit: str = ""


class Between(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="between", omit_defaults=True):
    """Today's value from `low` up to, and by default without, `high`; `unit` as in `Compare`."""

    item: str
    low: Decimal
    high: Decimal
    unit: str = ""
    low_open: bool = False
    high_open: bool = True


class Flagged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="flagged"):
    """Today's value carries one of these flags."""

    item: str
    any_of: tuple[Literal["normal", "low", "high", "abnormal"], ...]


class Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="chosen"):
    """One of these choices was picked today."""

    item: str
    any_of: tuple[str, ...]


class Says(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="says", omit_defaults=True):
    """Today's text states one of these phrases. A phrase that its own clause denies (未见, 无, 排除 …) is not stated."""

    item: str
    any_of: tuple[str, ...]


class LimitMultiple(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="limit_multiple"):
    """Today's value against `times` the upper limit of the range it was judged by (ULN)."""

    item: str
    op: Relation
    times: Decimal


class Age(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="age", omit_defaults=True):
    """Full years at the day of collection: `at_least` and over, under `below`."""

    at_least: int = 0
    below: int = 1000


class Sex(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sex"):
    """Holds for one sex only."""

    sex: Literal["M", "F"]


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="history"):
    """The person is known to have one of these; what nobody told counts as not known, never as unknown."""

    any_of: tuple[str, ...]


class Missing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="missing"):
    """There is no value today (still missing)."""

    item: str


class HasEarlier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="has_earlier"):
    """There is a value of an earlier visit; its opposite means that today's is the first."""

    item: str


class EarlierChosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="earlier_chosen"):
    """One of these choices was picked at the latest earlier visit that has the item; without such a visit none was."""

    item: str
    any_of: tuple[str, ...]


class Earlier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="earlier"):
    """The latest earlier value against a number."""

    item: str
    op: Relation
    value: Decimal


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="change"):
    """The change since the latest earlier value in percent of it (rise positive); unknown without two exact values."""

    item: str
    op: Relation
    percent: Decimal


class AllOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="all_of"):
    """Every one is true; false as soon as one is false."""

    of: tuple[Condition, ...]


class AnyOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="any_of"):
    """At least one is true."""

    of: tuple[Condition, ...]


class AtLeast(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="at_least"):
    """At least `n` are true; unknown while the missing ones could still decide."""

    n: int
    of: tuple[Condition, ...]


class Not(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="not"):
    """The opposite; unknown stays unknown."""

    condition: Condition


Condition: TypeAlias = (
    Compare
    | Between
    | Flagged
    | Chosen
    | Says
    | LimitMultiple
    | Age
    | Sex
    | History
    | Missing
    | HasEarlier
    | EarlierChosen
    | Earlier
    | Change
    | AllOf
    | AnyOf
    | AtLeast
    | Not
)

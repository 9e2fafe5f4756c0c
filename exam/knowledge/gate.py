"""The contradiction gate (发布前核查) as data: what a review is checked for before it is signed and released.

A check names its kind of test with the words and conditions it needs; whether it blocks or only warns is data too. What comes
out are findings with a remedy each. Deterministic: the same review gives the same findings.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from exam.catalog.facts import Formula
from exam.knowledge.facts import Case
from exam.knowledge.language import Condition

Side = Literal["左", "右"]


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Between which limits, in the dictionary's unit, a living person's value lies. `slip` says which other unit is likely meant."""

    item: str
    low: Decimal | None = None
    high: Decimal | None = None
    slip: str = ""


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="bounds"):
    """One value that no living person has, or that was typed in another unit."""

    of: tuple[Bound, ...]


class Relation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="relation", omit_defaults=True):
    """What must hold between values of one visit: `left` under, up to, or equal to `right`, both formulas of the catalogue.

    `tolerance` (in the value's unit) and `percent` (of the right side) are added up. Where a value is missing nothing is said.
    """

    left: Formula
    op: Literal["<", "<=", "="]
    right: Formula
    tolerance: Decimal = Decimal(0)
    percent: Decimal = Decimal(0)


class Holds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="holds"):
    """A combination of values and choices that cannot be true together."""

    condition: Condition


class Unchanged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="unchanged"):
    """What a person keeps for life, such as the blood group, and that differs from an earlier visit."""

    items: tuple[str, ...]


class Alone(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="alone"):
    """The normal choice of an item picked together with another one; pairs of item and normal choice."""

    of: tuple[tuple[str, str], ...]


class NotFor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="not_for", omit_defaults=True):
    """Items and words that a person of this sex or age cannot have: in values, department summaries or conclusions.

    A word that its clause says of a relative is not said of the person. With `is_stated` a denied word does not count.
    """

    when: Condition
    items: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    is_stated: bool = False


class Matching(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="matching", omit_defaults=True):
    """A finding and its conclusion belong together: neither may be there without the other.

    Found by the condition `when`, or by one of `phrases` in a department's words. Told by one of `words` in a conclusion. A
    conclusion with one of `claims` needs the finding, the weaker condition `support`, one of `history` in the history, or a
    department that writes of it, be it of the past.
    In a word `*` stands for a short gap within one entry of a list, and `^` names what must not follow (血尿^酸).
    """

    when: Condition | None = None
    phrases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    support: Condition | None = None
    history: tuple[str, ...] = ()


class NamedChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding of the dictionary: the item's choice, its name in a conclusion, and words that tell it less exactly."""

    item: str
    choice: str
    name: str
    words: tuple[str, ...]


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="named"):
    """As `Matching`, for the many findings whose conclusion is called like the choice itself.

    A choice picked needs its name or one of its words in a conclusion; a name in a conclusion needs one of the choices of that
    name, or a department that writes of it.
    """

    of: tuple[NamedChoice, ...]


class SideMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that tells a side by itself, such as the left eye's pressure; `lesion` is what it tells of the organ."""

    when: Condition
    side: Side
    lesion: str


class Sided(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sided", omit_defaults=True):
    """A conclusion names a side of a paired organ on which nothing was found.

    `organ` are its words, `lesions` what is compared: a stone's side with a stone's only. A clause that begins with one of
    `continues` still speaks of the organ named before it. `ignore` are words with a side that name something else.
    """

    organ: tuple[str, ...]
    lesions: tuple[str, ...]
    continues: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    marks: tuple[SideMark, ...] = ()


class Removed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="removed", omit_defaults=True):
    """An organ that was taken out, by the words of `removed` anywhere now, in the history or in an earlier visit, is described.

    Described by one of the `present` words in findings or conclusions (outside a clause that tells of the operation), or by the
    condition `when`.
    """

    removed: tuple[str, ...]
    present: tuple[str, ...] = ()
    when: Condition | None = None


class OpenOrders(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="open_orders"):
    """Ordered and neither done nor refused, postponed or removed: order lines in one of these states."""

    states: tuple[str, ...]


class UnnoticedAlerts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="unnoticed_alerts"):
    """A critical value without a notice."""


GateTest: TypeAlias = (
    Bounds | Relation | Holds | Unchanged | Alone | NotFor | Matching | Named | Sided | Removed | OpenOrders | UnnoticedAlerts
)


class GateExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A review that a check must hit, or must not. Values are as somebody writes them; the catalogue judges them."""

    hits: bool
    values: dict[str, str | tuple[str, ...]] = {}
    sex: Literal["M", "F"] = "M"
    age: int = 45
    history: tuple[str, ...] = ()
    earlier: dict[str, str | tuple[str, ...]] = {}
    summaries: tuple[str, ...] = ()
    conclusions: tuple[str, ...] = ()
    orders: dict[str, str] = {}
    alerts_without_notice: int = 0


class GateCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One check: its test, the Chinese sentence and remedy it gives, and whether it blocks or only warns."""

    code: str
    version: int
    test: GateTest
    text: str
    remedy: str
    is_blocking: bool = False
    source: str = ""
    approved: bool = False
    valid_from: date | None = None
    valid_to: date | None = None
    examples: tuple[GateExample, ...] = ()


class GateLine(msgspec.Struct, frozen=True):
    """A conclusion as the gate reads it.

    `answers` are pairs of item and choice (empty for a number) for which the line needs no matching words: a rule wrote it for
    them, or a doctor put them under it. A line `is_by_rule` as long as nobody changed its words: its own rule supports it.
    """

    text: str
    answers: frozenset[tuple[str, str]] = frozenset()
    is_by_rule: bool = False


class GateOrder(msgspec.Struct, frozen=True):
    """An order line as the gate reads it; service-only lines are left out."""

    name: str
    state: str


class GateInput(msgspec.Struct, frozen=True):
    """Everything the gate compares: the judged values, what departments and chief wrote, and how the order ended."""

    case: Case
    summaries: tuple[str, ...] = ()
    lines: tuple[GateLine, ...] = ()
    orders: tuple[GateOrder, ...] = ()
    alerts_without_notice: int = 0


class GateFinding(msgspec.Struct, frozen=True):
    """What a check found: the sentence with its evidence, the remedy, and whether it stands in the way of release."""

    code: str
    version: int
    is_blocking: bool
    text: str
    remedy: str

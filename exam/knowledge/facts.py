"""The neutral input and output of the medical rules: a subject with readings goes in, flags and suggestions come out."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Literal, TypeAlias

import msgspec


class Flag(StrEnum):
    """What a value means against its range. UNKNOWN is a state of its own: it could not be judged, `why` says so."""

    NORMAL = "normal"
    LOW = "low"
    HIGH = "high"
    ABNORMAL = "abnormal"
    UNKNOWN = "unknown"
    NONE = "none"


FLAG_SIGNS = {
    Flag.NORMAL: "",
    Flag.LOW: "↓",
    Flag.HIGH: "↑",
    Flag.ABNORMAL: "*",
    Flag.UNKNOWN: "?",
    Flag.NONE: "",
}


class Severity(IntEnum):
    """How much a conclusion weighs (domain.md §4): 0 hint … 4 important class B, 5 class A or critical."""

    HINT = 0
    MILD = 1
    RECHECK = 2
    SPECIALIST = 3
    IMPORTANT = 4
    CRITICAL = 5


class Amount(msgspec.Struct, frozen=True):
    """A measured value as written: `<0.5` keeps its comparator. `number` is None when the text is not a number."""

    raw: str
    comparator: str = ""
    number: Decimal | None = None


class Reading(msgspec.Struct, frozen=True):
    """One item's current value, judged. `choices` holds what was picked of a choice or multi item.

    `raw` and `raw_unit` are as delivered; `number` is in `unit`, the dictionary's, and None when it cannot be.
    `abnormal` are the picked choices that need a line each: the abnormal ones and those the dictionary does not know.
    """

    item: str
    name: str
    raw: str
    comparator: str = ""
    number: Decimal | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    flag: Flag = Flag.NONE
    range_text: str = ""
    low: Decimal | None = None
    high: Decimal | None = None
    why: str = ""
    department: str = ""
    decimals: int | None = None
    raw_unit: str = ""
    abnormal: tuple[str, ...] = ()


class Subject(msgspec.Struct, frozen=True):
    """The person as the rules see one: sex, full years at the day of collection, known histories."""

    sex: str
    age: int
    history: frozenset[str] = frozenset()


class Case(msgspec.Struct, frozen=True):
    """Everything the rules judge: the subject, today's readings by item code, and the latest earlier ones."""

    subject: Subject
    on: date
    readings: dict[str, Reading]
    earlier: dict[str, Reading] = {}


class Because(msgspec.Struct, frozen=True):
    """Why a line is there: the rule (code and version) and the readings that made it fire."""

    rule: str
    version: int
    items: tuple[str, ...]
    evidence: tuple[str, ...]


class Suggestion(msgspec.Struct, frozen=True):
    """A suggested conclusion with its advice. `key` identifies it over regenerations.

    `covers` are the items the line answers for; of an item with choices it answers only for `covers_choices`
    (item, choice): a fatty liver does not answer for the stone picked beside it.
    """

    key: str
    text: str
    category: str
    severity: Severity
    advice: str = ""
    lifestyle: str = ""
    specialist: str = ""
    because: tuple[Because, ...] = ()
    covers: tuple[str, ...] = ()
    covers_choices: tuple[tuple[str, str], ...] = ()


class DepartmentSummary(msgspec.Struct, frozen=True):
    """A department's drafted summary (科室小结) with the items that carried it."""

    text: str
    abnormal_items: tuple[str, ...] = ()


class UnitConversion(msgspec.Struct, frozen=True):
    """How one unit becomes another: times `times`, divided by `divided_by`. Without `items` it holds for every analyte."""

    unit: str
    to: str
    times: str = "1"
    divided_by: str = "1"
    items: tuple[str, ...] = ()
    source: str = ""


class Computed(msgspec.Struct, frozen=True):
    """A computed item's value, or None with the Chinese reason; `inputs` are the items it was made of."""

    item: str
    number: Decimal | None = None
    why: str = ""
    inputs: tuple[str, ...] = ()


# The condition language. Every condition is a tagged struct that decodes strictly from JSON (`kind` names it, unknown
# fields are refused) and is true, false or unknown: a value that is missing or cannot be judged makes it unknown, and
# what is unknown does not fire.

Relation = Literal["<", "<=", ">", ">=", "=", "!="]


class Compare(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="compare"):
    """Today's value against a number in the dictionary's unit."""

    item: str
    op: Relation
    value: Decimal


class Between(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="between", omit_defaults=True):
    """Today's value from `low` up to, and by default without, `high`."""

    item: str
    low: Decimal
    high: Decimal
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
    | LimitMultiple
    | Age
    | Sex
    | History
    | Earlier
    | Change
    | AllOf
    | AnyOf
    | AtLeast
    | Not
)

Category = Literal["疾病", "高危", "异常", "提示", "正常变异"]


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person a rule must fire on, or must not. Values are as somebody writes them; the catalogue judges them."""

    fires: bool
    values: dict[str, str | tuple[str, ...]]
    sex: Literal["M", "F"] = "M"
    age: int = 45
    history: tuple[str, ...] = ()
    earlier: dict[str, str | tuple[str, ...]] = {}


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a conclusion is suggested, and with which words.

    `covers` says which flagged values the line answers for: None means every value that made it fire, a list narrows
    these down. `also_covers` adds values that the line explains though it does not ask for them. Of the rules of one
    `hierarchy` only the highest `rank` stays. `order` is the organ system's place in the report.
    """

    code: str
    version: int
    condition: Condition
    text: str
    category: Category
    severity: Severity
    advice: str = ""
    lifestyle: str = ""
    specialist: str = ""
    hierarchy: str = ""
    rank: int = 0
    order: int = 500
    covers: tuple[str, ...] | None = None
    also_covers: tuple[Flagged, ...] = ()
    source: str = ""
    approved: bool = False
    valid_from: date | None = None
    valid_to: date | None = None
    examples: tuple[Example, ...] = ()


class Merge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Several fired rules become one line (domain.md §4.3).

    At least `at_least` of `of` must have fired and, for every list in `with_one_of`, one of that list too. In `text`
    `{first}` is the text of the first fired rule of `of` and `{values}` lists the values. Advice and severity left
    out are taken from the merged rules.
    """

    code: str
    version: int
    text: str
    of: tuple[str, ...]
    at_least: int = 1
    with_one_of: tuple[tuple[str, ...], ...] = ()
    category: Category | None = None
    severity: Severity | None = None
    advice: str = ""
    lifestyle: str = ""
    specialist: str = ""
    order: int | None = None
    source: str = ""
    approved: bool = False
    valid_from: date | None = None
    valid_to: date | None = None


class RuleBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The conclusion rules and merges as one dated set."""

    rules: tuple[Rule, ...]
    merges: tuple[Merge, ...] = ()

"""The neutral input and output of the medical rules: a subject with readings goes in, flags and suggestions come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec

from exam.kit.module import Slot


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


Category = Literal["疾病", "高危", "异常", "提示", "正常变异"]


class AlertClass(StrEnum):
    """How urgent a finding is (domain.md §3.1): 危急值 by the hospital's list, 重要异常结果 A and B by the consensus."""

    CRITICAL = "critical"
    A = "a"
    B = "b"


ALERT_CLASS_NAMES = {AlertClass.CRITICAL: "危急值", AlertClass.A: "A类", AlertClass.B: "B类"}


class Amount(msgspec.Struct, frozen=True):
    """A measured value as written: `<0.5` keeps its comparator. `number` is None when the text is not a number."""

    raw: str
    comparator: str = ""
    number: Decimal | None = None


class Reading(msgspec.Struct, frozen=True):
    """One item's current value, judged. `choices` holds what was picked of a choice or multi item.

    `raw` and `raw_unit` are as delivered; `number` is in `unit`, the dictionary's, and None when it cannot be.
    `abnormal` are the picked choices that need a line each: the abnormal ones and those the dictionary does not know.
    `method` is how it was measured, as the dictionary of that day says: another method makes another line in a trend.
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
    method: str = ""


class Subject(msgspec.Struct, frozen=True):
    """The person as the rules see one: sex, full years at the day of collection, known histories."""

    sex: str
    age: int
    history: frozenset[str] = frozenset()


class Case(msgspec.Struct, frozen=True):
    """Everything the rules judge: the subject, today's readings by item code, and the latest earlier ones.

    A case `is_partial` when only a part of the visit was read: what is not in it is then unknown, not absent, so that a
    condition which is false of a part is false of the whole. `complete` are the items of which nothing else can come.
    """

    subject: Subject
    on: date
    readings: dict[str, Reading]
    earlier: dict[str, Reading] = {}
    is_partial: bool = False
    complete: frozenset[str] = frozenset()


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


class FiredAlert(msgspec.Struct, frozen=True):
    """A critical or important finding of a case: the rule that fired, and the values (`evidence`) that made it."""

    rule: str
    version: int
    alert_class: AlertClass
    name: str
    department: str
    items: tuple[str, ...]
    evidence: tuple[str, ...]
    specialist: str = ""
    advice: str = ""
    follow_up_days: tuple[int, ...] = ()


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


class PastCase(msgspec.Struct, frozen=True):
    """A finished visit as the rules see it, with what a list shows of it; `url` is the page about it."""

    visit_id: UUID
    visit_no: str
    exam_on: date
    person_name: str
    url: str
    case: Case


class PastCases(msgspec.Struct, frozen=True):
    """The latest finished visits of a site, newest first: how many come, and the cases, read on as they are asked for."""

    total: int
    cases: Iterator[PastCase]


PAST_CASES: Slot[Callable[[Any, int], PastCases]] = Slot(
    "You get the session (read only) and how many visits are wanted at most; return the latest finished visits of the actor's site "
    "as judged cases, in bounded memory and with a fixed number of statements for each span."
)

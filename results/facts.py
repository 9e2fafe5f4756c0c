"""Results as frozen structs: a department's record of a visit, its versions, and what happened to it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from exam.catalog.facts import ReferenceRange
from exam.kit.errors import Stale
from exam.knowledge.facts import Reading


class RecordState(StrEnum):
    """Where a department's record stands (domain.md §1.3, Section)."""

    OPEN = "open"
    SAVED = "saved"
    VERIFIED = "verified"
    LOCKED = "locked"


RECORD_STATE_NAMES = {
    RecordState.OPEN: "待录入",
    RecordState.SAVED: "已暂存",
    RecordState.VERIFIED: "已审核",
    RecordState.LOCKED: "主检已引用",
}


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a doctor hands in for one department: the version the screen showed, values by item, the summary.

    `values` may name a part of the items: the others keep what they have. An empty text clears a value. A summary of None
    is left as it is; an empty one, or one that equals `shown_draft`, the draft that the screen showed, is drafted anew from
    what is saved.
    """

    base_version: int
    values: dict[str, str | list[str]] = {}
    summary: str | None = None
    shown_draft: str = ""


class DepartmentResult(msgspec.Struct, frozen=True):
    """One department's part of a visit as other rooms see it: current readings in catalogue order, summary, signature.

    `missing` are codes of items that still need a value. `is_expected` is False when every line of the department was
    refused, postponed or removed, so that nothing is waited for.
    """

    department: str
    department_name: str
    kind: str
    state: RecordState
    version: int
    readings: tuple[Reading, ...]
    missing: tuple[str, ...]
    summary: str
    doctor_id: UUID | None = None
    doctor: str = ""
    verified_at: datetime | None = None
    privacy_items: tuple[str, ...] = ()
    is_expected: bool = True


class EarlierValue(msgspec.Struct, frozen=True):
    """The same item in an earlier visit of the person; its reading has the method of that visit's dictionary."""

    visit_id: UUID
    visit_no: str
    exam_on: str
    reading: Reading


class RecordVerified(msgspec.Struct, frozen=True):
    """A department verified its record; `version` is the one that holds."""

    visit_id: UUID
    site: str
    department: str
    version: int


class ResultStored(msgspec.Struct, frozen=True):
    """Values were stored, whoever stored them; `items` are the codes that changed. The values are in the record."""

    visit_id: UUID
    site: str
    department: str
    version: int
    items: tuple[str, ...]


class RecordReopened(msgspec.Struct, frozen=True):
    """A verified record was opened again: by its doctor, by the chief's return, or for a correction."""

    visit_id: UUID
    site: str
    department: str
    reason: str


class VersionKind(StrEnum):
    """Why a version of a record exists."""

    ENTERED = "entered"
    IMPORTED = "imported"
    VERIFIED = "verified"
    REOPENED = "reopened"


VERSION_KIND_NAMES = {
    VersionKind.ENTERED: "录入",
    VersionKind.IMPORTED: "接口传入",
    VersionKind.VERIFIED: "审核",
    VersionKind.REOPENED: "撤销审核",
}

SUMMARY = "summary"
"""The name under which a conflict or change of the summary goes, beside item codes (which are upper case)."""


class Change(msgspec.Struct, frozen=True):
    """One item whose text differs between two versions; `item` may be `summary`."""

    item: str
    name: str
    before: str
    after: str


class Conflict(msgspec.Struct, frozen=True):
    """One item that somebody else changed meanwhile to something else than we want: both texts as lists of choices."""

    item: str
    name: str
    base: tuple[str, ...]
    theirs: tuple[str, ...]
    mine: tuple[str, ...]


class EntryConflict(Stale):
    """Two people changed the same items. `conflicts` shows both values, `changed` are our other changes, by item.

    Hand in again with `base_version` = `version`, the chosen values and `changed`.
    """

    def __init__(self, conflicts: tuple[Conflict, ...], changed: dict[str, tuple[str, ...]], version: int, by: str) -> None:
        names = "、".join(conflict.name for conflict in conflicts)
        super().__init__(f"“{names}”已被{by or '他人'}修改,与您的录入不一致", "请逐项选择保留哪一个值")
        self.code = "results.conflict"
        self.conflicts = conflicts
        self.changed = changed
        self.version = version
        self.by = by


class Entered(msgspec.Struct, frozen=True):
    """What an entry made of a record; `merged` are values of somebody else (`by`) that the screen of the entry did not show."""

    result: DepartmentResult
    merged: tuple[Change, ...] = ()
    by: str = ""


class UnseenValues(Stale):
    """A doctor wants to sign, but somebody else changed values that the screen did not show. Nothing was stored yet.

    Enter the same values without signing, show the record, and let the doctor sign what is there then.
    """

    def __init__(self, merged: tuple[Change, ...], by: str) -> None:
        told = "、".join(told_change(each) for each in merged[:6])
        super().__init__(f"您打开页面后,{by or '他人'}修改了 {told},尚未审核", "请核对后再审核")
        self.code = "results.unseen_values"
        self.merged = merged
        self.by = by


def told_change(change: Change) -> str:
    """A change in few words: the name and what holds now."""
    return f"{change.name} {change.after or '(已清空)'}"


class RecordVersion(msgspec.Struct, frozen=True):
    """One kept version of a record: who made it, when and why, and what it changed."""

    number: int
    kind: VersionKind
    at: datetime
    actor: str
    reason: str
    changes: tuple[Change, ...] = ()


class DeliveredValue(msgspec.Struct, frozen=True):
    """One value as a laboratory, device or imaging system delivers it, with its own unit and range."""

    item: str
    raw: str | tuple[str, ...]
    unit: str = ""
    lab_range: ReferenceRange | None = None


class WorkRow(msgspec.Struct, frozen=True):
    """One person on a department's work list: lines still to do and done, and where the record stands."""

    visit_id: UUID
    visit_no: str
    person_name: str
    sex: str
    age: int
    exam_on: str
    arrived_at: datetime
    urgent: bool
    state: RecordState
    lines: int
    lines_done: int
    lines_skipped: int
    package_name: str = ""
    organization: str = ""
    doctor: str = ""


class WorkFilter(StrEnum):
    """Which part of a work list is shown."""

    TO_DO = "to_do"
    DONE = "done"
    SKIPPED = "skipped"
    ALL = "all"


WORK_FILTER_NAMES = {
    WorkFilter.TO_DO: "待检",
    WorkFilter.DONE: "已审核",
    WorkFilter.SKIPPED: "拒检/延期",
    WorkFilter.ALL: "全部",
}


class WorkList(msgspec.Struct, frozen=True):
    """A page of a department's work list in order of arrival; `counts` by filter."""

    department: str
    rows: tuple[WorkRow, ...]
    counts: dict[str, int]
    page: int
    pages: int


class DepartmentCount(msgspec.Struct, frozen=True):
    """A department and how many people wait for it and are done on a day."""

    code: str
    name: str
    location: str
    to_do: int
    done: int

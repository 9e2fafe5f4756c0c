"""Results as frozen structs: a department's record of a visit, its versions, and what happened to it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

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
    lets the system draft it.
    """

    base_version: int
    values: dict[str, str | list[str]] = {}
    summary: str | None = None


class DepartmentResult(msgspec.Struct, frozen=True):
    """One department's part of a visit as other rooms see it: current readings in catalogue order, summary, signature."""

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


class EarlierValue(msgspec.Struct, frozen=True):
    """The same item in an earlier visit of the person."""

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

"""A roster's import as frozen structs: its sheets, what came of checking it, how far it is."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from exam.kit.states import StateTable


class RosterState(StrEnum):
    """How far an uploaded roster is."""

    READ = "read"
    CHECKED = "checked"
    ACCEPTING = "accepting"
    STOPPED = "stopped"
    ACCEPTED = "accepted"
    DISCARDED = "discarded"
    UNDONE = "undone"


ROSTER_STATE_NAMES = {
    RosterState.READ: "待对应列", RosterState.CHECKED: "待确认", RosterState.ACCEPTING: "导入中", RosterState.STOPPED: "导入中断",
    RosterState.ACCEPTED: "已导入", RosterState.DISCARDED: "已放弃", RosterState.UNDONE: "已撤销",
}  # fmt: skip

ROSTER = StateTable(
    "group_orders_roster",
    {
        ("read", "check"): "checked",
        ("checked", "check"): "checked",
        ("checked", "accept"): "accepting",
        ("accepting", "finish"): "accepted",
        ("accepting", "stop"): "stopped",
        ("stopped", "accept"): "accepting",
        ("read", "discard"): "discarded",
        ("checked", "discard"): "discarded",
        ("stopped", "undo"): "undone",
        ("accepted", "undo"): "undone",
    },
    {str(state): name for state, name in ROSTER_STATE_NAMES.items()},
)


class SheetInfo(msgspec.Struct, frozen=True):
    """A sheet that was uploaded: its name, where its header seems to be, how many rows it has."""

    name: str
    header_row: int
    rows: int


class CohortCount(msgspec.Struct, frozen=True):
    """How many persons of a roster go to a cohort: with a new file, with one already known."""

    name: str
    new: int
    known: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of checking: rows, rows with faults and their faults, warnings; new and known persons; conflicts not yet decided,
    decided for the file, skipped; persons already in the order; what is to be enrolled, by cohort."""

    rows: int = 0
    bad: int = 0
    problems: int = 0
    warnings: int = 0
    new: int = 0
    known: int = 0
    conflicts: int = 0
    by_file: int = 0
    skipped: int = 0
    members: int = 0
    cohorts: tuple[CohortCount, ...] = ()

    @property
    def ready(self) -> int:
        """How many rows will become members."""
        return self.new + self.known + self.by_file


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One uploaded roster, as screens show it."""

    id: UUID
    order_id: UUID
    order_name: str
    organization_id: UUID
    organization: str
    opens_on: date
    closes_on: date
    file_name: str
    sheets: tuple[SheetInfo, ...]
    sheet: int
    header_row: int
    mapping: dict[str, int]
    state: RosterState
    summary: Summary
    done: int
    fault: str
    uploaded_at: datetime
    uploaded_name: str
    accepted_at: datetime | None
    accepted_name: str
    ended_at: datetime | None
    ended_name: str
    ended_reason: str
    ver: int

    @property
    def percent(self) -> int:
        """How much of the acceptance is done, in percent."""
        return min(100, 100 * self.done // max(self.summary.ready, 1))


class OrderInfo(msgspec.Struct, frozen=True):
    """The order that a roster is for."""

    id: UUID
    name: str
    organization_id: UUID
    organization: str
    opens_on: date
    closes_on: date
    is_open: bool

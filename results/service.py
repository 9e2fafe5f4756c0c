"""Results' front door: records open at check-in, departments enter and sign, others read. The work is in the files beside."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineProgressed, LineState, Milestone, MilestoneReached, OrderChanged, Progress
from exam.visits.models import LineBoard, VisitBoard
from results.entry import (
    enter,
    finish,
    receive,
    reopen,
    reopen_for_new_lines,
    require_department,
    return_for_correction,
    take_in,
    verify,
)
from results.facts import RecordState
from results.locks import lock, open_empty, unlock
from results.models import Record
from results.queries import (
    case_of,
    department_result,
    department_results,
    earlier_values,
    examined,
    present_findings,
    readings,
    stored_case,
    versions,
)
from results.rules import normal_values
from results.stored_cases import StoredCase, cases_in_span
from results.work_list import departments_of_actor, next_visit_no, work_list

__all__ = [
    "StoredCase",
    "case_of",
    "cases_in_span",
    "department_result",
    "department_results",
    "departments_of_actor",
    "earlier_values",
    "enter",
    "examined",
    "finish",
    "lock",
    "next_visit_no",
    "normal_values",
    "on_line_progressed",
    "on_milestone_reached",
    "on_order_changed",
    "open_records",
    "present_findings",
    "readings",
    "receive",
    "reopen",
    "require_department",
    "return_for_correction",
    "stored_case",
    "take_in",
    "unlock",
    "verify",
    "versions",
    "work_list",
]


def open_records(db: Session, visit_id: UUID) -> None:
    """Opens a record for every department that has something to do for this visit and has none yet."""
    present = set(db.scalars(select(Record.department).where(Record.visit_id == visit_id)))
    site = visits.get_row(db, visit_id).site
    wanted = {
        line.department: None for line in orders.lines(db, visit_id)
        if not line.service_only and line.state != LineState.REMOVED and line.department not in present
    }  # fmt: skip
    open_empty(db, visit_id, site, wanted)


def on_milestone_reached(db: Session, event: MilestoneReached) -> None:
    """A person arrived: the departments get their records."""
    if event.milestone == Milestone.CHECKED_IN and not event.undone:
        open_records(db, event.visit_id)


def on_order_changed(db: Session, event: OrderChanged) -> None:
    """A group was added after check-in: its department gets a record, and one that has signed already opens again (T6)."""
    if event.added and db.get_one(VisitBoard, event.visit_id).checked_in_at is not None:
        open_records(db, event.visit_id)
        for department in dict.fromkeys(_department_of(db, line_id) for line_id in event.added):
            _open_again(db, event.visit_id, department, "加项后重新打开")


def on_line_progressed(db: Session, event: LineProgressed) -> None:
    """The department has something to do again: a refusal or postponement was taken back, or what had been postponed when
    it signed was drawn after all."""
    if not event.undone and event.progress is Progress.SAMPLED:
        _open_again(db, event.visit_id, _department_of(db, event.line_id), "补采标本后重新打开")
    if event.undone and event.progress in (Progress.REFUSED, Progress.POSTPONED):
        _open_again(db, event.visit_id, _department_of(db, event.line_id), "弃检或延期恢复后重新打开")


def _department_of(db: Session, line_id: UUID) -> str:
    return db.get_one(LineBoard, line_id).department


def _open_again(db: Session, visit_id: UUID, department: str, reason: str) -> None:
    state = select(Record.state).where(Record.visit_id == visit_id, Record.department == department)
    if db.scalar(state) == RecordState.VERIFIED:
        reopen_for_new_lines(db, visit_id, department, reason)

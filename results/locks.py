"""Opening empty records at check-in, and the chief's lock over signed ones."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.orm import Session

from exam.kit.db import insert_rows, update_row
from exam.kit.house import house_of
from exam.visits import service as visits
from results import queries, rules
from results.facts import RecordState
from results.models import Record


def lock(db: Session, visit_id: UUID) -> None:
    """The chief review takes over: signed records can no longer be taken back by their department."""
    _move_all(db, visit_id, "lock", RecordState.VERIFIED)


def unlock(db: Session, visit_id: UUID) -> None:
    """The chief review was undone: the departments may take their signatures back again."""
    _move_all(db, visit_id, "unlock", RecordState.LOCKED)


def _move_all(db: Session, visit_id: UUID, action: str, only: RecordState) -> None:
    visits.lock(db, visit_id)
    for record in queries.load(db, visit_id).records.values():
        if record.state == only:
            record.state = rules.RECORD.move(record.state, action)
            record.ver = update_row(db, Record, vars(record))["ver"]


def open_empty(db: Session, visit_id: UUID, site: str, departments: Iterable[str]) -> None:
    """Opens the empty records of departments."""
    rows = [
        {"id": house_of(db).ids.new(), "visit_id": visit_id, "site": site, "department": department,
         "state": RecordState.OPEN.value, "version": 0, "version_id": None, "values_id": None, "summary": "", "doctor_id": None,
         "doctor": "", "verified_at": None, "ver": 1}
        for department in departments
    ]  # fmt: skip
    insert_rows(db, Record, rows)

"""Finished visits as cases, for rules that are tried over the past: span by span, four statements each, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from exam.kit.house import actor_of
from exam.knowledge.facts import Case, PastCase, PastCases, Reading, Subject
from exam.people.rules import age_on
from exam.visits import service as visits
from exam.visits.facts import VisitState
from exam.visits.models import Visit, VisitBoard
from results import rules
from results.models import Record, Value
from results.queries import earlier_reading, to_readings

SPAN = 200
"""Visits read at a time: some thirty thousand values, few enough for the memory."""

_FINISHED = (
    VisitState.SECTIONS_DONE, VisitState.CHIEF, VisitState.FIRST_REVIEWED, VisitState.FINAL, VisitState.PUBLISHED,
    VisitState.DELIVERED,
)  # fmt: skip
VISIT_COLUMNS = (
    Visit.id, Visit.visit_no, Visit.person_id, Visit.person_name, Visit.sex, Visit.birth_on, Visit.exam_on, Visit.catalog_revision,
    Visit.catalog_on,
)  # fmt: skip
_SIGNED = ("verified", "locked")
_VALUES = Value.__table__.c


def past_cases(db: Session, most: int) -> PastCases:
    """The latest visits of the actor's site whose departments are done, newest first."""
    site = actor_of(db).site
    wanted = (VisitBoard.site == site) & VisitBoard.state.in_(_FINISHED)
    there = db.scalar(select(func.count()).select_from(VisitBoard).where(wanted)) or 0
    return PastCases(min(there, most), _cases(db, site, most))


def _cases(db: Session, site: str, most: int) -> Iterator[PastCase]:
    after: tuple[date, UUID] | None = None
    left = most
    while left > 0:
        listed = (
            select(*VISIT_COLUMNS)
            .join(VisitBoard, VisitBoard.visit_id == Visit.id)
            .where(VisitBoard.site == site, VisitBoard.state.in_(_FINISHED))
            .order_by(VisitBoard.exam_on.desc(), VisitBoard.visit_id.desc())
            .limit(min(SPAN, left))
        )  # fmt: skip
        if after is not None:
            listed = listed.where(tuple_(VisitBoard.exam_on, VisitBoard.visit_id) < after)
        rows = db.execute(listed).all()
        if not rows:
            return
        yield from cases_of(db, site, rows)
        left -= len(rows)
        after = (rows[-1].exam_on, rows[-1].id)


def cases_of(db: Session, site: str, rows: Sequence[Any]) -> Iterator[PastCase]:
    """The visits of one site whose rows are given (columns as `VISIT_COLUMNS`) as cases; three statements."""
    values: dict[UUID, list[Any]] = {}
    held = select(*_VALUES).join(Record, Record.values_id == _VALUES.version_id).where(Record.visit_id.in_([row.id for row in rows]))
    for value in db.execute(held):
        values.setdefault(value.visit_id, []).append(value)
    earlier = _earlier(db, site, rows)
    for row in rows:
        catalogue = visits.catalogue_of(db, row)
        today = to_readings(values.pop(row.id, ()), catalogue.items)
        before: dict[str, Reading] = {}
        for value in earlier.get(row.person_id, ()):
            if value.exam_on < row.exam_on and value.item_code not in before:
                before[value.item_code] = earlier_reading(db, value, catalogue)
        subject = Subject(row.sex, age_on(row.birth_on, row.exam_on), rules.history_of(today))
        yield PastCase(
            row.id, row.visit_no, row.exam_on, row.person_name, f"/results/visit/{row.visit_no}",
            Case(subject, row.exam_on, today, before),
        )  # fmt: skip


def _earlier(db: Session, site: str, rows: Sequence[Any]) -> dict[UUID, list[Any]]:
    """Signed values of visits before, by person, newest first; only of the few who have been here before."""
    people = {row.person_id for row in rows}
    again = select(Visit.person_id).where(Visit.person_id.in_(people), Visit.site == site).group_by(Visit.person_id)
    returning = list(db.scalars(again.having(func.count() > 1)))
    if not returning:
        return {}
    last = max(row.exam_on for row in rows)
    statement = (
        select(*_VALUES, Visit.person_id, Visit.exam_on, Visit.catalog_revision, Visit.catalog_on)
        .join(Record, Record.values_id == _VALUES.version_id)
        .join(Visit, Visit.id == Record.visit_id)
        .where(Visit.person_id.in_(returning), Visit.site == site, Visit.exam_on < last, Record.state.in_(_SIGNED))
        .order_by(Visit.exam_on.desc(), Visit.id.desc())
    )
    found: dict[UUID, list[Any]] = {}
    for value in db.execute(statement):
        found.setdefault(value.person_id, []).append(value)
    return found

"""Reading results: a visit's departments, one case for the rules, earlier values, and the kept versions of a record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.catalog.facts import Catalogue, Item
from exam.kit.errors import NotFound
from exam.kit.house import actor_of
from exam.knowledge.facts import Case, Flag, Reading, Subject
from exam.people.rules import age_on
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineState, OrderLine, VisitState
from exam.visits.models import LineBoard, OrderLineRow, Visit, VisitBoard
from results import rules
from results.facts import (
    SUMMARY,
    DepartmentResult,
    EarlierValue,
    RecordState,
    RecordVersion,
    VersionKind,
)
from results.models import Record, Value, Version

_VALUES = Value.__table__.c
_VISIT_LINES = (
    select(Visit, VisitBoard, OrderLineRow, LineBoard)
    .join(VisitBoard, VisitBoard.visit_id == Visit.id)
    .join(OrderLineRow, OrderLineRow.visit_id == Visit.id)
    .join(LineBoard, LineBoard.line_id == OrderLineRow.id)
    .order_by(OrderLineRow.position, OrderLineRow.id)
)
_SIGNED = (RecordState.VERIFIED.value, RecordState.LOCKED.value)


@dataclass
class VisitResults:
    """A visit with everything that was written down about it; rows stay inside this room."""

    visit: Visit
    board: VisitBoard
    state: VisitState
    catalogue: Catalogue
    lines: tuple[OrderLine, ...]
    records: dict[str, Record]
    values: dict[UUID, dict[str, Any]]

    def subject(self, history: frozenset[str] = frozenset()) -> Subject:
        """The person as the rules see one, at the day of the exam."""
        return Subject(self.visit.sex, age_on(self.visit.birth_on, self.visit.exam_on), history)

    def sheet(self, department: str) -> rules.Sheet:
        """What a department has to fill in."""
        return rules.sheet_of(self.catalogue, self.lines, department, self.visit.sex)

    def readings(self, record: Record) -> dict[str, Reading]:
        """A record's current readings by item code."""
        rows = self.values.get(record.values_id, {}) if record.values_id else {}
        return to_readings(rows.values(), self.catalogue.items)

    def department_name(self, department: str) -> str:
        """The name of a department in the visit's catalogue."""
        return self.catalogue.departments[department].name if department in self.catalogue.departments else department


def load(db: Session, visit_id: UUID, department: str | None = None) -> VisitResults:
    """A visit's lines, records and current values; three statements. `department` limits records and values to one."""
    rows = db.execute(_VISIT_LINES.where(Visit.id == visit_id, Visit.site == actor_of(db).site)).all()
    if not rows:
        raise NotFound("没有找到该体检单", "请核对体检号后重新查询")
    visit, board = rows[0][0], rows[0][1]
    records = _records_of(db, visit_id, department)
    # By the versions that these very rows name, not by a join: what a colleague saves between two statements of a read would
    # give a record of the new version and no value, and saving that page would clear what it did not show.
    versions = [record.values_id for record in records.values() if record.values_id]
    values: dict[UUID, dict[str, Any]] = {}
    for row in db.execute(select(*_VALUES).where(_VALUES.version_id.in_(versions))):
        values.setdefault(row.version_id, {})[row.item_code] = row
    return VisitResults(
        visit=visit, board=board, state=VisitState(board.state), catalogue=visits.catalogue_of(db, visit),
        lines=tuple(orders.to_line(line, line_board) for _, _, line, line_board in rows), records=records, values=values,
    )  # fmt: skip


def _records_of(db: Session, visit_id: UUID, department: str | None) -> dict[str, Record]:
    wanted = select(Record).where(Record.visit_id == visit_id)
    if department is not None:
        wanted = wanted.where(Record.department == department)
    return {record.department: record for record in db.scalars(wanted)}


def to_readings(rows: Iterable[Any], items: Mapping[str, Item]) -> dict[str, Reading]:
    """Value rows as readings by item code, in catalogue order."""
    found = {row.item_code: to_reading(row, items.get(row.item_code)) for row in rows}
    place = {code: number for number, code in enumerate(items)}
    return dict(sorted(found.items(), key=lambda each: place.get(each[0], len(place))))


def to_reading(row: Any, item: Item | None) -> Reading:
    """One value row as a reading. Name, decimals and which choices are abnormal come from the visit's catalogue."""
    choices = tuple(msgspec.json.decode(row.choices, type=list[str])) if row.choices else ()
    normal = {choice.text for choice in item.choices if not choice.abnormal} if item else set()
    is_number = bool(row.number_text) or (item is not None and not item.choices and row.flag == Flag.UNKNOWN)
    return Reading(
        item=row.item_code, name=item.name if item else row.item_code, raw=row.raw, comparator=row.comparator,
        number=Decimal(row.number_text) if row.number_text else None, unit=row.unit, choices=choices, flag=Flag(row.flag),
        range_text=row.range_text, low=Decimal(row.low) if row.low else None, high=Decimal(row.high) if row.high else None,
        why=row.why, department=item.department if item else "", decimals=item.decimals if item and is_number else None,
        raw_unit=row.raw_unit, abnormal=tuple(text for text in choices if text not in normal),
    )  # fmt: skip


def to_result(found: VisitResults, record: Record) -> DepartmentResult:
    """A record as other rooms see it."""
    sheet = found.sheet(record.department)
    readings = found.readings(record)
    department = found.catalogue.departments.get(record.department)
    return DepartmentResult(
        department=record.department, department_name=found.department_name(record.department),
        kind=department.kind.value if department else "", state=RecordState(record.state), version=record.version,
        readings=tuple(readings.values()), missing=rules.missing_items(sheet, readings), summary=record.summary,
        doctor_id=record.doctor_id, doctor=record.doctor, verified_at=record.verified_at,
        privacy_items=tuple(code for code in sheet.items if code in sheet.privacy),
        is_expected=any(line.state not in rules.IDLE_LINES for line in sheet.lines),
    )  # fmt: skip


def department_results(db: Session, visit_id: UUID) -> tuple[DepartmentResult, ...]:
    """Every department of a visit, in the order of the rooms; three statements."""
    return in_room_order(load(db, visit_id))


def in_room_order(found: VisitResults) -> tuple[DepartmentResult, ...]:
    """Every department that has something to do or has done something, in the order of the rooms."""
    place = {code: number for number, code in enumerate(found.catalogue.departments)}
    records = sorted(found.records.values(), key=lambda record: (place.get(record.department, len(place)), record.department))
    ordered = {line.department for line in found.lines if line.state != LineState.REMOVED}
    return tuple(
        result for result in (to_result(found, record) for record in records)
        if result.readings or result.department in ordered
    )  # fmt: skip


def department_result(db: Session, visit_id: UUID, department: str) -> DepartmentResult:
    """One department of a visit; three statements."""
    found = load(db, visit_id, department)
    return to_result(found, record_of(found, department))


def record_of(found: VisitResults, department: str) -> Record:
    """The record of a department. Not found where the person has nothing to do there or did not arrive."""
    record = found.records.get(department)
    if record is None:
        if found.state in (VisitState.BOOKED, VisitState.REGISTERED):
            rules.require_open_for_entry(found.state, RecordState.OPEN, "查看科室结果")
        raise NotFound(f"该受检者没有“{found.department_name(department)[:20]}”的项目", "请核对体检号和科室")
    return record


def readings(db: Session, visit_id: UUID) -> dict[str, Reading]:
    """All current readings of a visit by item code; three statements."""
    return _all_readings(load(db, visit_id))


def _all_readings(found: VisitResults) -> dict[str, Reading]:
    rows = (row for record in found.records.values() if record.values_id for row in found.values.get(record.values_id, {}).values())
    return to_readings(rows, found.catalogue.items)


def case_of(db: Session, visit_id: UUID) -> Case:
    """Everything the medical rules judge, the latest earlier readings included; four statements."""
    found = load(db, visit_id)
    today = _all_readings(found)
    earlier = {item: values[0].reading for item, values in earlier_of(db, found, None).items()}
    return Case(found.subject(rules.history_of(today)), found.visit.exam_on, today, earlier)


def earlier_values(db: Session, visit_id: UUID, department: str | None = None) -> dict[str, tuple[EarlierValue, ...]]:
    """What the person had in earlier visits at this site, signed records only, newest first, by item; two statements."""
    row = db.execute(select(Visit).where(Visit.id == visit_id, Visit.site == actor_of(db).site)).scalar()
    if row is None:
        raise NotFound("没有找到该体检单", "请核对体检号后重新查询")
    return _earlier_of(db, row, visits.catalogue_of(db, row), department)


def earlier_of(db: Session, found: VisitResults, department: str | None) -> dict[str, tuple[EarlierValue, ...]]:
    """As `earlier_values`, for a visit that is loaded already; one statement."""
    return _earlier_of(db, found.visit, found.catalogue, department)


def _earlier_of(db: Session, visit: Visit, catalogue: Catalogue, department: str | None) -> dict[str, tuple[EarlierValue, ...]]:
    statement = (
        select(*_VALUES, Visit.visit_no, Visit.exam_on)
        .join(Record, Record.values_id == _VALUES.version_id)
        .join(Visit, Visit.id == Record.visit_id)
        .where(
            Visit.person_id == visit.person_id, Visit.site == visit.site, Visit.exam_on < visit.exam_on, Record.state.in_(_SIGNED)
        )
        .order_by(Visit.exam_on.desc(), Visit.id.desc())
    )
    if department is not None:
        statement = statement.where(Record.department == department)
    found: dict[str, list[EarlierValue]] = {}
    for row in db.execute(statement):
        reading = to_reading(row, catalogue.items.get(row.item_code))
        found.setdefault(row.item_code, []).append(EarlierValue(row.visit_id, row.visit_no, row.exam_on.isoformat(), reading))
    return {item: tuple(values) for item, values in found.items()}


def texts_at(db: Session, record: Record, number: int) -> tuple[dict[str, rules.Texts], str]:
    """What stood in a record at a version, as written, with its summary; nothing for version 0."""
    version = db.execute(
        select(Version.values_id, Version.summary).where(Version.record_id == record.id, Version.number == number)
    ).first()
    if version is None:
        return {}, ""
    rows = db.execute(select(*_VALUES).where(_VALUES.version_id == version.values_id))
    return {row.item_code: written(row) for row in rows}, version.summary


def written(row: Any) -> rules.Texts:
    """A value row in the form that entries have."""
    return rules.as_written(to_reading(row, None))


def versions(db: Session, visit_id: UUID, department: str) -> tuple[RecordVersion, ...]:
    """Every kept version of a record with what it changed, newest first; three statements."""
    row = db.execute(
        select(Record.id, Visit)
        .join(Visit, Visit.id == Record.visit_id)
        .where(Record.visit_id == visit_id, Record.department == department, Visit.site == actor_of(db).site)
    ).first()
    if row is None:
        raise NotFound
    kept = db.execute(select(Version.__table__).where(Version.record_id == row.id).order_by(Version.number)).all()
    values: dict[UUID, dict[str, rules.Texts]] = {}
    for value in db.execute(select(*_VALUES).join(Version, Version.id == _VALUES.version_id).where(Version.record_id == row.id)):
        values.setdefault(value.version_id, {})[value.item_code] = written(value)
    items = visits.catalogue_of(db, row.Visit).items
    found: list[RecordVersion] = []
    before: dict[str, rules.Texts] = {}
    for version in kept:
        after = {**values.get(version.values_id, {}), SUMMARY: rules.as_texts(version.summary)}
        found.append(
            RecordVersion(
                number=version.number, kind=VersionKind(version.kind), at=version.at, actor=version.actor, reason=version.reason,
                changes=rules.changes(items, before, after),
            )
        )  # fmt: skip
        before = after
    return tuple(reversed(found))

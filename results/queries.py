"""Reading results: a visit's departments, one case for the rules, earlier values, and the kept versions of a record."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.catalog.facts import Catalogue, Item
from exam.kit.errors import NotFound
from exam.kit.house import Actor, actor_of, house_of
from exam.kit.prepared import PreparedStatement
from exam.knowledge import rules as knowledge
from exam.knowledge import service as rule_store
from exam.knowledge.facts import Case, Flag, Reading, Subject
from exam.knowledge.summary_wording import SummaryWording
from exam.people.rules import age_on
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineState, OrderLine, VisitCard, VisitState
from exam.visits.models import Visit, VisitBoard
from exam.visits.spans import Span
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

STORED = "results.stored"
_VALUES = Value.__table__.c
_VISIT = (
    Visit.id, Visit.visit_no, Visit.site, Visit.person_id, Visit.person_name, Visit.sex, Visit.birth_on, Visit.category,
    Visit.exam_on, Visit.package_name, Visit.organization, Visit.catalog_revision, Visit.catalog_on, Visit.urgent, Visit.ver,
    VisitBoard.state, VisitBoard.checked_in_at, VisitBoard.sheet_returned_at, VisitBoard.sections_done_at, VisitBoard.amount_due_fen,
    rule_store.REVISION.scalar_subquery().label("knowledge_revision"),
)  # fmt: skip
_RECORD = [column.label(f"record_{column.key}") for column in Record.__table__.c]
_IS_ASKED_FOR = (Visit.id == bindparam("of_visit")) & (Visit.site == bindparam("of_site"))
_ALL_RECORDS = PreparedStatement(
    select(*_VISIT, *_RECORD)
    .join(VisitBoard, VisitBoard.visit_id == Visit.id)
    .outerjoin(Record, Record.visit_id == Visit.id)
    .where(_IS_ASKED_FOR)
    .order_by(Record.id)
)
_ONE_RECORD = PreparedStatement(
    select(*_VISIT, *_RECORD)
    .join(VisitBoard, VisitBoard.visit_id == Visit.id)
    .outerjoin(Record, (Record.visit_id == Visit.id) & (Record.department == bindparam("of_department")))
    .where(_IS_ASKED_FOR)
)
_VALUES_OF = PreparedStatement(
    select(*(column for column in _VALUES if column.key not in ("version_id", "visit_id"))).where(
        _VALUES.version_id == bindparam("of_version")
    )
)
"""Without the ids that the asker has: to read each of them twenty times would cost as much as the values."""
SIGNED = (RecordState.VERIFIED.value, RecordState.LOCKED.value)


def may_read_private(actor: Actor, department: str) -> bool:
    """Whether the actor reads a department's private items: who enters them, and who has the right for all departments."""
    return actor.may("results.read_privacy") or actor.serves("results.enter", department)


@dataclass
class RecordRow:
    """A department's record as it is stored; `save_record` writes what was changed in it."""

    id: UUID
    visit_id: UUID
    site: str
    department: str
    state: str
    version: int
    version_id: UUID | None
    values_id: UUID | None
    summary: str
    doctor_id: UUID | None
    doctor: str
    verified_at: datetime | None
    ver: int


@dataclass
class VisitResults:
    """A visit with everything that was written down about it; rows stay inside this room.

    `visit` is one row with the columns of the visit and of its board.
    """

    visit: Any
    state: VisitState
    catalogue: Catalogue
    lines: tuple[OrderLine, ...]
    records: dict[str, RecordRow]
    values: dict[UUID, dict[str, Any]]

    @property
    def board(self) -> Any:
        """The visit's row of the board, as `visits.to_card` asks for it."""
        return self.visit

    def subject(self, history: frozenset[str] = frozenset()) -> Subject:
        """The person as the rules see one, at the day of the exam."""
        return Subject(self.visit.sex, age_on(self.visit.birth_on, self.visit.exam_on), history)

    def sheet(self, department: str) -> rules.Sheet:
        """What a department has to fill in."""
        return rules.sheet_of(self.catalogue, self.lines, department, self.visit.sex)

    def readings(self, record: RecordRow) -> dict[str, Reading]:
        """A record's current readings by item code."""
        rows = self.values.get(record.values_id, {}) if record.values_id else {}
        return to_readings(rows.values(), self.catalogue.items)

    def department_name(self, department: str) -> str:
        """The name of a department in the visit's catalogue."""
        return self.catalogue.departments[department].name if department in self.catalogue.departments else department


def load(db: Session, visit_id: UUID, department: str | None = None) -> VisitResults:
    """A visit's lines, records and current values; three statements. `department` limits records and values to one."""
    site = actor_of(db).site
    if department is None:
        rows = _ALL_RECORDS.all(db, of_visit=visit_id, of_site=site)
    else:
        rows = _ONE_RECORD.all(db, of_visit=visit_id, of_site=site, of_department=department)
    if not rows:
        raise NotFound("没有找到该体检单", "请核对体检号后重新查询")
    visit = rows[0]
    records = {row.record_department: RecordRow(*row[len(_VISIT) :]) for row in rows if row.record_id is not None}
    return VisitResults(
        visit=visit, state=VisitState(visit.state), catalogue=visits.catalogue_of(db, visit), lines=orders.lines(db, visit_id),
        records=records, values=_values_of(db, [record.values_id for record in records.values() if record.values_id]),
    )  # fmt: skip


def wording_of(db: Session, found: VisitResults, department: str) -> SummaryWording:
    """How a department's summary of this visit is worded; each process keeps the book, so mostly no statement."""
    wordings = rule_store.summary_wordings(db, found.visit.knowledge_revision, found.visit.exam_on)
    return knowledge.wording_for(wordings, department, found.visit.exam_on)


def _values_of(db: Session, versions: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Values by version and item. By the versions that the records' rows name, not by a join with them: what a colleague
    saves between two statements of a read would give a record of the new version and no value, and saving that page would
    clear what it did not show.
    """
    found: dict[UUID, dict[str, Any]] = {}
    if len(versions) == 1:
        found[versions[0]] = {row.item_code: row for row in _VALUES_OF.all(db, of_version=versions[0])}
    elif versions:
        for row in db.execute(select(*_VALUES).where(_VALUES.version_id.in_(versions))):
            found.setdefault(row.version_id, {})[row.item_code] = row
    return found


def to_readings(rows: Iterable[Any], items: Mapping[str, Item]) -> dict[str, Reading]:
    """Value rows as readings by item code, in catalogue order."""
    found = {row.item_code: to_reading(row, items.get(row.item_code)) for row in rows}
    known = {code: found[code] for code in items if code in found}
    return known if len(known) == len(found) else {**known, **found}


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
        method=item.method if item else "",
    )  # fmt: skip


def to_result(found: VisitResults, record: RecordRow) -> DepartmentResult:
    """A record as other rooms see it."""
    return result_of(found, record, found.sheet(record.department), found.readings(record))


def result_of(found: VisitResults, record: RecordRow, sheet: rules.Sheet, readings: Mapping[str, Reading]) -> DepartmentResult:
    """As `to_result`, of a sheet and readings that are at hand."""
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


def record_of(found: VisitResults, department: str) -> RecordRow:
    """The record of a department. Not found where the person has nothing to do there or did not arrive."""
    record = found.records.get(department)
    if record is None:
        if found.state in (VisitState.LISTED, VisitState.BOOKED, VisitState.REGISTERED):
            rules.require_open_for_entry(found.state, RecordState.OPEN, "查看科室结果")
        raise NotFound(f"该受检者没有“{found.department_name(department)[:20]}”的项目", "请核对体检号和科室")
    return record


def readings(db: Session, visit_id: UUID) -> dict[str, Reading]:
    """All current readings of a visit by item code; three statements."""
    return _all_readings(load(db, visit_id))


def _all_readings(found: VisitResults) -> dict[str, Reading]:
    rows = (row for record in found.records.values() if record.values_id for row in found.values.get(record.values_id, {}).values())
    return to_readings(rows, found.catalogue.items)


@dataclass(frozen=True)
class Examined:
    """A whole visit at one look: its card, the case for the rules, every department in the order of the rooms, its lines, what the
    person had before, and the revision that the rule book had."""

    card: VisitCard
    case: Case
    departments: tuple[DepartmentResult, ...]
    lines: tuple[OrderLine, ...]
    earlier: dict[str, tuple[EarlierValue, ...]]
    knowledge_revision: int | None


def examined(db: Session, visit_id: UUID) -> Examined:
    """A whole visit; four statements."""
    found = load(db, visit_id)
    today = _all_readings(found)
    earlier = earlier_of(db, found, None)
    latest = {item: values[0].reading for item, values in earlier.items()}
    case = Case(found.subject(rules.history_of(today)), found.visit.exam_on, today, latest)
    card = visits.to_card(found.visit, found.board)
    return Examined(card, case, in_room_order(found), found.lines, earlier, found.visit.knowledge_revision)


def case_of(db: Session, visit_id: UUID) -> Case:
    """Everything the medical rules judge, the latest earlier readings included; four statements."""
    return examined(db, visit_id).case


def own_items(db: Session, found: VisitResults, department: str) -> frozenset[str]:
    """The items that no other department can enter; each process keeps them by catalogue."""
    kept: dict[tuple[int, date | None, str], frozenset[str]] = house_of(db).cache.setdefault("own_items", {})
    key = (found.visit.catalog_revision, found.visit.catalog_on, department)
    if key not in kept:
        if len(kept) > 200:
            kept.clear()
        others = {code for group in found.catalogue.groups.values() if group.department != department for code in group.items}
        kept[key] = frozenset(code for code, item in found.catalogue.items.items() if item.department == department) - others
    return kept[key]


def stored_case(db: Session) -> Case:
    """For a listener of ResultStored: the one department's readings that are stored right now, at no statement."""
    found: Case = db.info[STORED]
    return found


def earlier_values(db: Session, visit_id: UUID, department: str | None = None) -> dict[str, tuple[EarlierValue, ...]]:
    """What the person had in earlier visits at this site, signed records only, newest first, by item; two statements."""
    row = db.execute(select(Visit).where(Visit.id == visit_id, Visit.site == actor_of(db).site)).scalar()
    if row is None:
        raise NotFound("没有找到该体检单", "请核对体检号后重新查询")
    return _earlier_of(db, row, visits.catalogue_of(db, row), department)


def earlier_of(db: Session, found: VisitResults, department: str | None) -> dict[str, tuple[EarlierValue, ...]]:
    """As `earlier_values`, for a visit that is loaded already; one statement."""
    return _earlier_of(db, found.visit, found.catalogue, department)


def _earlier_of(db: Session, visit: Any, catalogue: Catalogue, department: str | None) -> dict[str, tuple[EarlierValue, ...]]:
    statement = (
        select(*_VALUES, Visit.visit_no, Visit.exam_on, Visit.catalog_revision, Visit.catalog_on)
        .join(Record, Record.values_id == _VALUES.version_id)
        .join(Visit, Visit.id == Record.visit_id)
        .where(
            Visit.person_id == visit.person_id, Visit.site == visit.site, Visit.exam_on < visit.exam_on, Record.state.in_(SIGNED)
        )
        .order_by(Visit.exam_on.desc(), Visit.id.desc())
    )
    if department is not None:
        statement = statement.where(Record.department == department)
    found: dict[str, list[EarlierValue]] = {}
    for row in db.execute(statement):
        reading = earlier_reading(db, row, catalogue)
        found.setdefault(row.item_code, []).append(EarlierValue(row.visit_id, row.visit_no, row.exam_on.isoformat(), reading))
    return {item: tuple(values) for item, values in found.items()}


def earlier_reading(db: Session, row: Any, catalogue: Catalogue) -> Reading:
    """A value of an earlier visit in today's words, with the method of its own day."""
    reading = to_reading(row, catalogue.items.get(row.item_code))
    was = catalog.catalogue_at(db, row.catalog_revision, row.catalog_on).items.get(row.item_code)
    method = was.method if was else ""
    return reading if reading.method == method else msgspec.structs.replace(reading, method=method)


def present_findings(db: Session, span: Span, items: Collection[str]) -> dict[UUID, dict[str, tuple[str, str]]]:
    """What the present values of some items say, for the visits of a span: by item its name and its finding in words, as
    suggestions quote it; one statement, and one for each catalogue."""
    listed = (
        select(*_VALUES, Visit.catalog_revision, Visit.catalog_on, Visit.exam_on)
        .join(Record, Record.values_id == _VALUES.version_id)
        .join(Visit, Visit.id == Record.visit_id)
        .where(span.holds(Record.visit_id), _VALUES.item_code.in_(items))
        .execution_options(yield_per=1000)
    )
    found: dict[UUID, dict[str, tuple[str, str]]] = {}
    for row in db.execute(listed):
        known = catalog.catalogue_at(db, row.catalog_revision, row.catalog_on or row.exam_on).items
        reading = to_reading(row, known.get(row.item_code))
        found.setdefault(row.visit_id, {})[row.item_code] = (reading.name, knowledge.finding_text(reading))
    return found


def texts_at(db: Session, record: RecordRow, number: int) -> tuple[dict[str, rules.Texts], str]:
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

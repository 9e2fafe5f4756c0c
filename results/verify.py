"""What must hold of all results: chains without gaps, flags that follow from what is stored, lines that agree with records.

Everything is read in spans or as a stream: the memory stays bounded however many results there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.catalog.facts import Catalogue, Item
from exam.kit.module import Invariant
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import Flag, Subject
from exam.people.rules import age_on
from exam.visits.facts import LineState
from exam.visits.models import LineBoard, OrderLineRow, Visit
from exam.visits.spans import Span, spans, visit_spans
from results.facts import RecordState, VersionKind
from results.models import Record, Value, Version

_SIGNED = (RecordState.VERIFIED, RecordState.LOCKED)
_STREAM = {"yield_per": 5000}
_KEEPS_VALUES = (VersionKind.VERIFIED, VersionKind.REOPENED)


def chains(db: Session) -> Iterator[str]:
    """R5: each record's versions are numbered 1, 2, 3 … and each names the one before; signing keeps the values."""
    for span in spans(db, Record.id):
        yield from _chains(db, span)


def _chains(db: Session, span: Span) -> Iterator[str]:
    last: dict[UUID, Any] = {}
    table, records = Version.__table__, Record.__table__
    listed = select(table).where(span.holds(table.c.record_id)).order_by(table.c.record_id, table.c.number)
    for row in db.execute(listed):
        before = last.get(row.record_id)
        if row.number != (before.number + 1 if before else 1) or row.parent != (before.id if before else None):
            yield f"record {row.record_id}: version {row.number} does not follow version {before.number if before else 0}"
        if row.kind in _KEEPS_VALUES:
            if before is not None and row.values_id != before.values_id:
                yield f"record {row.record_id}: version {row.number} was signed with other values than those before it"
        elif row.values_id != row.id:
            yield f"record {row.record_id}: version {row.number} has no values of its own"
        if row.base >= row.number:
            yield f"record {row.record_id}: version {row.number} is based on version {row.base}"
        last[row.record_id] = row
    for record in db.execute(select(records).where(span.holds(records.c.id))):
        final = last.get(record.id)
        if final is None:
            if record.version or record.version_id is not None or record.state != RecordState.OPEN:
                yield f"record {record.id}: says version {record.version}, but none is kept"
        elif (record.version, record.version_id, record.values_id, record.summary) != (
            final.number, final.id, final.values_id, final.summary,
        ):  # fmt: skip
            yield f"record {record.id}: says version {record.version}, the last one kept is {final.number}"


def belonging(db: Session) -> Iterator[str]:
    """R1: a value belongs to the visit of its version, a version to the visit of its record, a record to its visit's site."""
    stray = select(Value.version_id).join(Version, Version.id == Value.version_id).where(Version.visit_id != Value.visit_id)
    for version_id in db.scalars(stray, execution_options=_STREAM):
        yield f"version {version_id}: a value names another visit"
    foreign = select(Version.id).join(Record, Record.id == Version.record_id).where(Version.visit_id != Record.visit_id)
    for version_id in db.scalars(foreign, execution_options=_STREAM):
        yield f"version {version_id}: its record is of another visit"
    moved = select(Record.id).join(Visit, Visit.id == Record.visit_id).where(Record.site != Visit.site)
    for record_id in db.scalars(moved, execution_options=_STREAM):
        yield f"record {record_id}: its visit is of another site"


def flags(db: Session) -> Iterator[str]:
    """R4: every flag follows from the stored text, unit and range, and from the catalogue that the visit is pinned to."""
    catalogues: dict[tuple[int, date], Catalogue] = {}
    columns = (Visit.id, Visit.sex, Visit.birth_on, Visit.exam_on, Visit.catalog_revision, Visit.catalog_on)
    for span in visit_spans(db):
        judged: dict[UUID, tuple[Catalogue, Subject]] = {}
        for visit in db.execute(select(*columns).where(span.holds(Visit.id))):
            key = (visit.catalog_revision, visit.catalog_on)
            if key not in catalogues:
                catalogues[key] = catalog.catalogue_at(db, *key)
            judged[visit.id] = (catalogues[key], Subject(visit.sex, age_on(visit.birth_on, visit.exam_on)))
        yield from _flags(db, span, judged)


def _flags(db: Session, span: Span, judged: dict[UUID, tuple[Catalogue, Subject]]) -> Iterator[str]:
    values = select(*_JUDGED).join(Version, Version.id == Value.version_id).where(span.holds(Version.visit_id))
    for row in db.execute(values, execution_options=_STREAM):
        if row.visit_id not in judged:
            continue
        catalogue, subject = judged[row.visit_id]
        item = catalogue.items.get(row.item_code)
        if item is None:
            yield f"version {row.version_id}: item {row.item_code} is not in the visit's catalogue"
            continue
        if item.sex not in (None, subject.sex):
            yield f"version {row.version_id}: item {row.item_code} is not for sex {subject.sex}"
        allowed = _delivered_flags(item, row) if row.judged_by == "delivered" else {_catalogue_flag(item, row, subject)}
        if row.flag not in allowed:
            yield f"version {row.version_id}: {row.item_code} is stored as {row.flag}, it follows {'/'.join(sorted(allowed))}"


_JUDGED = (
    Value.version_id, Value.visit_id, Value.item_code, Value.raw, Value.raw_unit, Value.flag, Value.range_text, Value.low, Value.high,
    Value.judged_by,
)  # fmt: skip


def _catalogue_flag(item: Item, row: Any, subject: Subject) -> str:
    return knowledge.judge(item, row.raw, row.raw_unit, subject).flag.value


def _delivered_flags(item: Item, row: Any) -> set[str]:
    """The flags that a delivered range can mean. A converted range no longer says whether its ends belong to it."""
    amount = knowledge.read_amount(row.raw)
    conversion = knowledge.conversion_for(item.code, row.raw_unit, item.unit)
    if amount.number is None or conversion is None:
        return (
            {Flag.UNKNOWN.value, Flag.NONE.value, Flag.NORMAL.value, Flag.ABNORMAL.value} if item.choices else {Flag.UNKNOWN.value}
        )
    is_other_size = conversion.times != conversion.divided_by
    exact = knowledge.convert(amount.number, conversion) if is_other_size else amount.number
    low, high = Decimal(row.low) if row.low else None, Decimal(row.high) if row.high else None
    if low is None and high is None:
        return {Flag.UNKNOWN.value, Flag.NONE.value}
    has_negatives = item.plausible_low is not None and Decimal(item.plausible_low) < 0
    ends = product((False, True), repeat=2) if is_other_size else [(">" in row.range_text, "<" in row.range_text)]
    return {
        knowledge.flag_amount(amount.comparator, exact, low, high, is_low_open, is_high_open, has_negatives).value
        for is_low_open, is_high_open in ends
    }


def lines_agree(db: Session) -> Iterator[str]:
    """R7: a line is confirmed exactly when its department has signed; a checked-in visit has a record for each department."""
    for span in visit_spans(db):
        yield from _lines_agree(db, span)


def _lines_agree(db: Session, span: Span) -> Iterator[str]:
    kept = select(Record.__table__).where(span.holds(Record.visit_id))
    records = {(row.visit_id, row.department): row for row in db.execute(kept)}
    statement = (
        select(LineBoard.line_id, LineBoard.visit_id, LineBoard.department, LineBoard.state, LineBoard.checked_in_at)
        .join(OrderLineRow, OrderLineRow.id == LineBoard.line_id)
        .where(OrderLineRow.service_only.is_(False), span.holds(LineBoard.visit_id))
    )
    for line in db.execute(statement):
        record = records.get((line.visit_id, line.department))
        if record is None:
            if line.state in (LineState.RESULTED, LineState.CONFIRMED):
                yield f"line {line.line_id}: is {line.state} without a record of {line.department}"
            elif line.checked_in_at is not None and line.state != LineState.REMOVED:
                yield f"line {line.line_id}: the visit is checked in, {line.department} has no record"
            continue
        is_signed = record.state in _SIGNED
        if line.state == LineState.CONFIRMED and not is_signed:
            yield f"line {line.line_id}: is confirmed, the record of {line.department} is {record.state}"
        if is_signed and line.state in (LineState.PENDING, LineState.SAMPLED, LineState.STARTED, LineState.RESULTED):
            yield f"line {line.line_id}: is {line.state}, the record of {line.department} is {record.state}"


INVARIANTS = (
    Invariant("R1 values belong to their visit", belonging),
    Invariant("R4 flags follow from what is stored", flags),
    Invariant("R5 versions are a chain", chains),
    Invariant("R7 lines agree with records", lines_agree),
)

"""What the entry screen shows: fields with their ranges, live judgement of what is typed, history and other departments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.catalog import rules as catalog_rules
from exam.catalog.facts import Catalogue, Item, ValueType
from exam.kit.house import actor_of
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import Flag, Reading, Subject
from exam.visits import service as visits
from exam.visits.facts import LineState, OrderLine, VisitCard
from results import queries, rules, summaries
from results.facts import DepartmentResult, EarlierValue, RecordState, RecordVersion
from results.models import Record, Version

YEARS_SHOWN = 3
BAND_ROWS = 36
DENSE_FIELDS = 12
"""From so many numbers on, a department fills its screen in two columns, and history stands below instead of beside."""


class Mark(msgspec.Struct, frozen=True):
    """What is said beside a field: its flag with words, or what is wrong with the text."""

    item: str
    flag: str = ""
    text: str = ""
    value: str = ""
    is_problem: bool = False
    is_computed: bool = False


class Field(msgspec.Struct, frozen=True):
    """One item of the entry screen. `is_graded`: the choices are grades such as `1+` or `4A`, which digit keys name."""

    code: str
    name: str
    kind: str
    unit: str
    range_text: str
    choices: tuple[str, ...]
    abnormal: tuple[str, ...]
    normal: str | None
    value: str
    picked: tuple[str, ...]
    mark: Mark
    is_required: bool
    is_private: bool
    note: str
    is_graded: bool = False
    last: EarlierValue | None = None
    change: str = ""


class Section(msgspec.Struct, frozen=True):
    """The fields of one item group under its name. `state` and `reason` are those of its order line."""

    name: str
    state: str
    reason: str
    fields: tuple[Field, ...]


class HistoryRow(msgspec.Struct, frozen=True):
    """One item over the person's earlier visits, newest first, beside today's value; `points` are for the trend."""

    name: str
    unit: str
    cells: tuple[EarlierValue | None, ...]
    points: tuple[knowledge.TrendPoint, ...]
    change: str
    low: str | None
    high: str | None


class ReadingSheet(msgspec.Struct, frozen=True):
    """A department's current values to be read, under the groups that were ordered as on its entry screen.

    `outside` has the values that no open group asks for any more; `lines` are the ones that were refused or postponed.
    """

    result: DepartmentResult
    bands: tuple[tuple[Section, ...], ...]
    common_state: str
    is_dense: bool
    outside: DepartmentResult
    lines: tuple[OrderLine, ...]


class EntryScreen(msgspec.Struct, frozen=True):
    """Everything on the entry screen.

    `common_state` is the state that most order lines with a section have; only others are said beside a section.
    A band is some sections that stand beside each other, about a screen high: the eye goes down a column, not down the page.
    `lines` are those without a section: refused, or with nothing to fill in. `abnormal` counts the findings.
    """

    card: VisitCard
    result: DepartmentResult
    bands: tuple[tuple[Section, ...], ...]
    common_state: str
    lines: tuple[OrderLine, ...]
    is_dense: bool
    missing_names: tuple[str, ...]
    abnormal: int
    draft: str
    history_days: tuple[str, ...]
    history: tuple[HistoryRow, ...]
    earlier_visits: tuple[tuple[str, str], ...]
    others: tuple[DepartmentResult, ...]
    versions: tuple[RecordVersion, ...]
    is_editable: bool
    may_enter: bool
    may_verify: bool
    may_reopen: bool


class Live(msgspec.Struct, frozen=True):
    """The judgement of what is being typed; nothing of it is stored."""

    marks: tuple[Mark, ...]
    draft: str
    missing: tuple[str, ...]
    abnormal: int


def entry_screen(db: Session, visit_id: UUID, department: str) -> EntryScreen:
    """The entry screen of a department for one visit; seven statements."""
    found = queries.load(db, visit_id)
    record = queries.record_of(found, department)
    result = queries.to_result(found, record)
    sheet, subject, readings = found.sheet(department), found.subject(), found.readings(record)
    earlier = queries.earlier_of(db, found, department)
    days = tuple(sorted({value.exam_on for values in earlier.values() for value in values}, reverse=True))[:YEARS_SHOWN]
    actor = actor_of(db)
    is_open = record.state in (RecordState.OPEN, RecordState.SAVED)
    fields = {code: _field(item, readings.get(code), subject, sheet, earlier.get(code, ())) for code, item in sheet.items.items()}
    lines = tuple(line for line in sheet.lines if line.state != "removed")
    sections, rest = _sections(found.catalogue, lines, fields)
    return EntryScreen(
        card=visits.to_card(found.visit, found.board),
        result=shown(db, result),
        bands=_bands(sections),
        common_state=_common_state(sections),
        lines=rest,
        is_dense=_is_dense(fields.values()),
        missing_names=tuple(fields[code].name for code in result.missing if code in fields),
        abnormal=_abnormal(field.mark for field in fields.values()),
        draft=summaries.draft_summary(result.department_name, sheet, readings, queries.wording_of(db, found, department)).text,
        history_days=days,
        history=tuple(
            _history_row(item, readings.get(code), earlier[code], days, found.visit.exam_on.isoformat())
            for code, item in sheet.items.items()
            if code in earlier
        ),
        earlier_visits=tuple(dict.fromkeys((value.exam_on, value.visit_no) for values in earlier.values() for value in values)),
        others=tuple(shown(db, each) for each in queries.in_room_order(found) if each.department != department),
        versions=queries.versions(db, visit_id, department),
        is_editable=is_open and actor.serves("results.enter", department),
        may_enter=actor.serves("results.enter", department),
        may_verify=actor.serves("results.verify", department),
        may_reopen=record.state == RecordState.VERIFIED and actor.serves("results.reopen", department),
    )


def reading_sheets(db: Session, visit_id: UUID) -> tuple[ReadingSheet, ...]:
    """Every department of a visit to be read, in the order of the rooms; three statements."""
    found = queries.load(db, visit_id)
    actor = actor_of(db)
    return tuple(
        _reading_sheet(found, shown(db, result), queries.may_read_private(actor, result.department))
        for result in queries.in_room_order(found)
    )


def _reading_sheet(found: queries.VisitResults, result: DepartmentResult, may_read_private: bool) -> ReadingSheet:
    sheet, subject = found.sheet(result.department), found.subject()
    readings = {reading.item: reading for reading in result.readings}
    fields = {code: _field(item, readings[code], subject, sheet, ()) for code, item in sheet.items.items() if code in readings}
    lines = tuple(line for line in sheet.lines if line.state != LineState.REMOVED)
    sections, rest = _sections(found.catalogue, lines, fields)
    placed = {field.code for section in sections for field in section.fields}
    return ReadingSheet(
        result=result,
        bands=_bands(sections),
        common_state=_common_state(sections),
        is_dense=_is_dense(fields.values()),
        outside=msgspec.structs.replace(result, readings=tuple(each for each in result.readings if each.item not in placed)),
        lines=tuple(
            line for line in rest
            if line.state in (LineState.REFUSED, LineState.POSTPONED)
            and (may_read_private or not catalog_rules.is_private_group(found.catalogue, found.catalogue.groups[line.group_code]))
        ),
    )  # fmt: skip


def _common_state(sections: Sequence[Section]) -> str:
    return Counter(section.state for section in sections).most_common(1)[0][0] if sections else ""


def _is_dense(fields: Iterable[Field]) -> bool:
    return sum(field.kind in ("number", "calculated") for field in fields) >= DENSE_FIELDS


def _sections(
    catalogue: Catalogue, lines: Sequence[OrderLine], fields: Mapping[str, Field]
) -> tuple[list[Section], tuple[OrderLine, ...]]:
    """The fields under the groups that were ordered, in the order of the items, and the lines that have none to fill in.

    An item that several groups hold stands once, in the group with the most items, where people look for it.
    """
    place = {code: number for number, code in enumerate(fields)}
    held = {line.id: [code for code in catalogue.groups[line.group_code].items if code in fields]
            for line in lines if line.group_code in catalogue.groups and line.state != "refused"}  # fmt: skip
    owner: dict[str, UUID] = {}
    for line_id, codes in sorted(held.items(), key=lambda each: -len(each[1])):
        for code in codes:
            owner.setdefault(code, line_id)
    found: list[tuple[int, Section]] = []
    rest: list[OrderLine] = []
    for line in lines:
        codes = sorted((code for code in held.get(line.id, ()) if owner[code] == line.id), key=place.__getitem__)
        if codes:
            section = Section(line.name, line.state, line.reason, tuple(fields[code] for code in codes))
            found.append((place[codes[0]], section))
        else:
            rest.append(line)
    return [section for _, section in sorted(found, key=lambda each: each[0])], tuple(rest)


def _bands(sections: Sequence[Section]) -> tuple[tuple[Section, ...], ...]:
    bands: list[list[Section]] = [[]]
    height = 0
    for section in sections:
        if height >= BAND_ROWS:
            bands.append([])
            height = 0
        bands[-1].append(section)
        height += len(section.fields) + 1
    return tuple(tuple(band) for band in bands if band)


def _abnormal(marks: Iterable[Mark]) -> int:
    """How many values are findings; a value that cannot be judged is none."""
    return sum(mark.flag in (Flag.LOW, Flag.HIGH, Flag.ABNORMAL) for mark in marks)


def visible(db: Session, result: DepartmentResult) -> DepartmentResult:
    """A department's result as the actor may read it: private items of another department only with the permission."""
    actor = actor_of(db)
    if queries.may_read_private(actor, result.department):
        return result
    hidden = set(result.privacy_items)
    shown = tuple(reading for reading in result.readings if reading.item not in hidden)
    # The summary may name what is hidden, so it goes with it.
    summary = result.summary if len(shown) == len(result.readings) else ""
    return msgspec.structs.replace(result, readings=shown, summary=summary)


def shown(db: Session, result: DepartmentResult) -> DepartmentResult:
    """A department's result for a screen: what the actor may read, with units as they are printed."""
    allowed = visible(db, result)
    printed = (
        msgspec.structs.replace(
            reading, raw_unit=knowledge.printed_unit(reading.raw_unit), unit=knowledge.printed_unit(reading.unit)
        )
        for reading in allowed.readings
    )
    return msgspec.structs.replace(allowed, readings=tuple(printed))


def _field(item: Item, reading: Reading | None, subject: Subject, sheet: rules.Sheet, earlier: Sequence[EarlierValue]) -> Field:
    used = catalog_rules.range_for(item, subject.sex, subject.age)
    limits = (reading.range_text if reading is not None else "") or (catalog_rules.range_text(used) if used else "")
    written = rules.as_written(reading)
    return Field(
        code=item.code,
        name=item.name,
        kind=item.value_type.value,
        unit=knowledge.printed_unit(item.unit),
        range_text="" if item.choices else limits,
        choices=tuple(choice.text for choice in item.choices),
        abnormal=tuple(choice.text for choice in item.choices if choice.abnormal),
        normal=rules.normal_value(item),
        value="" if item.value_type is ValueType.MULTI else ";".join(rules.shown_text(item, text) for text in written),
        picked=written if item.value_type is ValueType.MULTI else (),
        mark=_mark(item, reading),
        is_required=item.code in sheet.required,
        is_private=item.code in sheet.privacy,
        note=item.note,
        is_graded=any(choice.text[:1].isdigit() for choice in item.choices),
        last=earlier[0] if earlier else None,
        change=knowledge.change_text(reading, earlier[0].reading) if earlier else "",
    )


def _mark(item: Item, reading: Reading | None) -> Mark:
    is_computed = item.value_type is ValueType.CALCULATED
    if reading is None:
        return Mark(item.code, is_computed=is_computed)
    words = {Flag.LOW: "偏低", Flag.HIGH: "偏高", Flag.ABNORMAL: "异常", Flag.UNKNOWN: reading.why or "未能判定"}
    text = words.get(reading.flag, reading.why)
    value = knowledge.value_text(msgspec.structs.replace(reading, unit="")) if reading.number is not None else ""
    return Mark(item.code, reading.flag.value, text, value, is_computed=is_computed)


def _history_row(item: Item, today: Reading | None, values: Sequence[EarlierValue], days: Sequence[str], now: str) -> HistoryRow:
    by_day = {value.exam_on: value for value in reversed(values)}
    over_time = [(value.exam_on, value.reading) for value in reversed(values)]
    newest = values[0].reading
    low, high = newest.low, newest.high
    if today is not None and today.number is not None:
        over_time.append((now, today))
        low, high = today.low, today.high
    return HistoryRow(
        name=item.name, unit=knowledge.printed_unit(item.unit), cells=tuple(by_day.get(day) for day in days),
        points=knowledge.trend_points(over_time), change=knowledge.change_text(today, newest),
        low=None if low is None else f"{low:f}", high=None if high is None else f"{high:f}",
    )  # fmt: skip


def live(db: Session, visit_id: UUID, department: str, values: Mapping[str, str | list[str]]) -> Live:
    """Judges what stands on the screen, computes the formulas and drafts the summary; stores nothing. Three statements."""
    found = queries.load(db, visit_id, department)
    record = queries.record_of(found, department)
    sheet, subject, kept = found.sheet(department), found.subject(), found.readings(record)
    problems = dict(rules.entry_problems(sheet, values))
    good = {code: raw for code, raw in values.items() if code not in problems}
    texts = {code: rules.as_written(reading) for code, reading in kept.items() if code not in problems}
    typed = rules.as_was_written(sheet.items, rules.handed_in(sheet, good, subject), texts)
    readings = rules.judged(sheet, {**texts, **typed}, subject, kept)
    marks = tuple(
        Mark(code, text=problems[code], is_problem=True) if code in problems else _mark(item, readings.get(code))
        for code, item in sheet.items.items()
    )
    wording = queries.wording_of(db, found, department)
    draft = summaries.draft_summary(found.department_name(department), sheet, readings, wording).text
    missing = tuple(sheet.items[code].name for code in rules.missing_items(sheet, readings))
    return Live(marks, draft, missing, _abnormal(marks))


def news(db: Session, visit_id: UUID, department: str, seen: int) -> str:
    """Who changed the record after the version on the screen; empty when nobody did. One statement."""
    row = db.execute(
        select(Version.actor)
        .join(Record, Record.version_id == Version.id)
        .where(
            Record.visit_id == visit_id, Record.department == department, Record.site == actor_of(db).site, Record.version > seen
        )
    ).first()
    return row.actor if row else ""

"""The hot read (decision 16, P6): a visit with one department's values by tube barcode, in one prepared statement, without mapped rows."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec
from litestar import Request
from litestar.params import FromPath
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.catalog.facts import Catalogue
from exam.kit import audit, ids, web
from exam.kit.errors import NotFound
from exam.kit.house import actor_of, house_of
from exam.kit.prepared import PreparedStatement
from exam.people.rules import age_on
from exam.visits.models import Visit, VisitBoard
from results import queries
from results.models import Record, Value

_VALUES_OF = (
    Value.item_code, Value.raw, Value.choices, Value.comparator, Value.number_text, Value.unit, Value.flag, Value.range_text,
    Value.low, Value.high,
)  # fmt: skip
_RECORD = PreparedStatement(
    select(
        *_VALUES_OF, Visit.visit_no, Visit.person_name, Visit.sex, Visit.birth_on, Visit.exam_on, Visit.catalog_revision,
        Visit.catalog_on, VisitBoard.state.label("visit_state"), Record.state, Record.version, Record.summary, Record.doctor,
        Record.verified_at,
    )
    .join(VisitBoard, VisitBoard.visit_id == Visit.id)
    .join(Record, Record.visit_id == Visit.id)
    .outerjoin(Value, Value.version_id == Record.values_id)
    .where(
        Visit.visit_no == bindparam("visit_no"), Visit.site == bindparam("site"), Record.department == bindparam("department")
    )
)  # fmt: skip


class HotValue(msgspec.Struct, frozen=True):
    """One current value as stored: numbers are decimal text in `unit`; a private one of another department is left out."""

    item: str
    name: str
    raw: str
    choices: list[str]
    comparator: str
    number: str
    unit: str
    flag: str
    range_text: str
    low: str
    high: str


class HotRecord(msgspec.Struct, frozen=True):
    """A visit's head and one department's current values in catalogue order."""

    visit_no: str
    person_name: str
    sex: str
    age: int
    exam_on: date
    visit_state: str
    department: str
    state: str
    version: int
    summary: str
    doctor: str
    verified_at: datetime | None
    readings: list[HotValue]


class _Sheet(msgspec.Struct, frozen=True):
    """What of a catalogue the hot read needs: each item's place and name, and which items are private."""

    places: dict[str, tuple[int, str]]
    private: frozenset[str]


def _sheet_of(db: Session, revision: int, on: date) -> _Sheet:
    # What a catalogue says at a revision never changes; the few that are in use are kept.
    house = house_of(db)
    kept: dict[tuple[int, date], _Sheet] = house.cache.setdefault("hot_sheets", {})
    found = kept.get((revision, on))
    if found is None:
        with house.unit(None, write=False) as unhurried:
            found = _make_sheet(catalog.catalogue_at(unhurried, revision, on))
        if len(kept) >= 1000:
            kept.clear()
        kept[revision, on] = found
    return found


def _make_sheet(catalogue: Catalogue) -> _Sheet:
    private = {code for code, item in catalogue.items.items() if item.privacy}
    private |= {code for group in catalogue.groups.values() if group.privacy for code in group.items}
    places = {code: (place, item.name) for place, (code, item) in enumerate(catalogue.items.items())}
    return _Sheet(places, frozenset(private))


def record_by_barcode(db: Session, code: str, department: str) -> HotRecord:
    """A department's current values of the visit that a visit number or tube barcode names, at the actor's own site.

    Whoever neither enters for the department nor may read private items gets no private value and, where one was left
    out, no summary. An item that is private in any group counts as private here, also where it was ordered by another.
    """
    actor = actor_of(db)
    visit_no = ids.read_visit_no(code)
    found = _RECORD.all(db, visit_no=visit_no, site=actor.site, department=department)
    if not found:
        raise NotFound(f"没有找到体检号 {visit_no} 在该科室的结果", "请核对条码和科室")
    head = found[0]
    sheet = _sheet_of(db, head.catalog_revision, head.catalog_on)
    rows = [row[: len(_VALUES_OF)] for row in found if row.item_code is not None]
    may_read_all = queries.may_read_private(actor, department)
    shown = rows if may_read_all else [row for row in rows if row[0] not in sheet.private]
    last = (len(sheet.places), "")
    ordered = sorted(((sheet.places.get(row[0], last), row) for row in shown), key=lambda each: (each[0][0], each[1][0]))
    return HotRecord(
        visit_no=visit_no, person_name=head.person_name, sex=head.sex, age=age_on(head.birth_on, head.exam_on),
        exam_on=head.exam_on, visit_state=head.visit_state, department=department, state=head.state, version=head.version,
        summary=head.summary if len(shown) == len(rows) else "", doctor=head.doctor, verified_at=head.verified_at,
        readings=[
            HotValue(
                item, name or item, raw, msgspec.json.decode(choices, type=list[str]) if choices else [], comparator, number, unit,
                flag, range_text, low, high,
            )
            for (_, name), (item, raw, choices, comparator, number, unit, flag, range_text, low, high) in ordered
        ],
    )  # fmt: skip


@web.get("/api/visits/{code:str}/results/{department:str}", may="results.read", direct=True)
def show_record_by_barcode(
    request: Request[Any, Any, Any], db: web.Db, code: FromPath[str], department: FromPath[str]
) -> HotRecord:  # fmt: skip
    """A visit and one department's values, by visit number or tube barcode."""
    found = record_by_barcode(db, code, department)
    audit.read(db, "results.read_record", f"visit:{found.visit_no}", department)
    return found


routes = (show_record_by_barcode,)

"""Results for programs: the work list and a record to read; enter, verify and reopen, with JSON in and out."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from exam.kit import audit, web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput
from exam.kit.house import house_of
from exam.visits import service as visits
from results import screen, service
from results.facts import Conflict, DepartmentResult, Entry, EntryConflict, WorkFilter, WorkList

AnyRequest = Request[Any, Any, Any]


class VerifyBody(msgspec.Struct, forbid_unknown_fields=True):
    """The version that was read and is signed."""

    seen_version: int


class ReopenBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why the signature is taken back."""

    reason: str


class ConflictAnswer(msgspec.Struct):
    """Problem details of a conflict: both values of each item, and the version to base the next entry on."""

    type: str
    title: str
    status: int
    hint: str
    version: int
    by: str
    conflicts: tuple[Conflict, ...]


def _day(db: web.Db, text: str) -> date:
    if not text:
        return day_of(house_of(db).clock.now())
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput([("day", "日期:请填写日期,例如 1990-03-07")]) from None


@web.get("/api/results/{department:str}", may="results.work_list")
def show_work_list(
    request: AnyRequest, db: web.Db, department: FromPath[str], day: FromQuery[str] = "",
    wanted: Annotated[WorkFilter, QueryParameter(name="state")] = WorkFilter.TO_DO, page: FromQuery[int] = 1,
) -> WorkList:  # fmt: skip
    """A department's work list of a day (today without one), in order of arrival."""
    service.require_department(db, "results.work_list", department)
    return service.work_list(db, department, _day(db, day), wanted, page)


@web.get("/api/results/{department:str}/{visit_no:str}", may="results.read")
def show_record(request: AnyRequest, db: web.Db, department: FromPath[str], visit_no: FromPath[str]) -> DepartmentResult:
    """A department's record: current readings, what is missing, summary and signature."""
    visit_id = visits.find_id(db, visit_no)
    result = screen.visible(db, service.department_result(db, visit_id, department))
    audit.read(db, "results.read_record", f"visit:{visits.card(db, visit_id).visit_no}", department)
    return result


@web.post("/api/results/{department:str}/{visit_no:str}/enter", may="results.enter")
def enter(
    request: AnyRequest, db: web.Db, department: FromPath[str], visit_no: FromPath[str], data: JSONBody[Entry]
) -> DepartmentResult | Response[ConflictAnswer]:
    """Stores values as a new version. 409 with both values where somebody else changed the same item."""
    try:
        return service.enter(db, visits.find_id(db, visit_no), department, data)
    except EntryConflict as conflict:
        answer = ConflictAnswer(
            conflict.code, conflict.text, conflict.status, conflict.hint, conflict.version, conflict.by, conflict.conflicts
        )
        return Response(answer, status_code=conflict.status, media_type="application/problem+json")


@web.post("/api/results/{department:str}/{visit_no:str}/verify", may="results.verify")
def verify(
    request: AnyRequest, db: web.Db, department: FromPath[str], visit_no: FromPath[str], data: JSONBody[VerifyBody]
) -> DepartmentResult:
    """Signs the version that was read."""
    return service.verify(db, visits.find_id(db, visit_no), department, data.seen_version)


@web.post("/api/results/{department:str}/{visit_no:str}/reopen", may="results.reopen")
def reopen(
    request: AnyRequest, db: web.Db, department: FromPath[str], visit_no: FromPath[str], data: JSONBody[ReopenBody]
) -> DepartmentResult:
    """Takes the signature back, with a reason."""
    return service.reopen(db, visits.find_id(db, visit_no), department, data.reason)


routes = (show_work_list, show_record, enter, verify, reopen)

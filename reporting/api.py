"""Reports as JSON and bytes, for programs that are signed in like anybody else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.params import FromPath, JSONBody

from exam.kit import audit, web
from exam.visits import service as visits
from reporting import service
from reporting.facts import ReportVersion

AnyRequest = Request[Any, Any, Any]


class RecallBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why a report is recalled, and whether the examinee who holds a copy was told that it is void."""

    reason: str
    is_examinee_told: bool = False


class VersionView(msgspec.Struct, frozen=True):
    """One version as a program sees it."""

    number: int
    state: str
    is_current: bool
    has_supplement: bool
    document_digest: str
    pdf_sha256: str
    pdf_bytes: int
    signed_at: datetime
    recalled_at: datetime | None
    recall_reason: str


class ReportView(msgspec.Struct, frozen=True):
    """A visit's report: where the visit stands, which version counts (0: none), and all versions, newest first."""

    visit_no: str
    state: str
    current: int
    versions: tuple[VersionView, ...]


class IssuedView(msgspec.Struct, frozen=True):
    """The version that was issued; `missing_characters` could not be drawn and show as boxes."""

    number: int
    missing_characters: str


class RecalledView(msgspec.Struct, frozen=True):
    """The version that was recalled."""

    number: int


def _view(version: ReportVersion) -> VersionView:
    return VersionView(**{name: getattr(version, name) for name in VersionView.__struct_fields__})


@web.get("/api/reports/{visit_no:str}", may="reporting.read")
def read_report(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> ReportView:
    """A visit's report with all its versions."""
    visit_id = service.visit_of(db, visit_no)
    audit.read(db, "reporting.read_report", f"visit:{visit_no}")
    versions = service.versions(db, visit_id)
    current = next((each.number for each in versions if each.is_standing and each.is_current), 0)
    state = visits.card(db, visit_id).state.value
    return ReportView(visit_no, state, current, tuple(_view(each) for each in versions))


@web.get("/api/reports/{visit_no:str}/pdf", may="reporting.read")
def read_pdf(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> Response[bytes]:
    """The sealed file that counts now; never a recalled, replaced or outdated one (S4)."""
    found = service.current_pdf(db, service.visit_of(db, visit_no))
    audit.read(db, "reporting.read_file", f"visit:{visit_no}")
    return web.download(found.content, found.name, "application/pdf")


@web.post("/api/reports/{visit_no:str}/issue", may="reporting.issue", write=False)
def issue_report(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> IssuedView:
    """Issues the report of a visit whose final review is done."""
    issued = service.issue_off_turn(db, service.visit_of(db, visit_no))
    return IssuedView(issued.number, issued.missing_characters)


@web.post("/api/reports/{visit_no:str}/recall", may="reporting.recall")
def recall_report(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[RecallBody]) -> RecalledView:
    """Recalls the issued version."""
    number = service.recall(db, service.visit_of(db, visit_no), data.reason, is_examinee_told=data.is_examinee_told)
    return RecalledView(number)


routes = (read_report, read_pdf, issue_report, recall_report)

"""Reports as frozen structs: the versions of a visit's report, where each stands, and what happened to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from exam.kit.module import Slot
from exam.kit.period import Period


class ReportKind(StrEnum):
    """The report itself, or the sealed supplement that holds the private items alone."""

    MAIN = "main"
    SUPPLEMENT = "supplement"


class ReportState(StrEnum):
    """Where one version stands. A draft is what the preview shows; it is never stored."""

    DRAFT = "draft"
    ISSUED = "issued"
    DELIVERED = "delivered"
    RECALLED = "recalled"
    SUPERSEDED = "superseded"


REPORT_STATE_NAMES = {
    ReportState.DRAFT: "未发布",
    ReportState.ISSUED: "已发布",
    ReportState.DELIVERED: "已领取",
    ReportState.RECALLED: "已撤回",
    ReportState.SUPERSEDED: "已被替代",
}


class ReportEvent(StrEnum):
    """An append-only fact about one version of a report."""

    ISSUED = "issued"
    DELIVERED = "delivered"
    RECALLED = "recalled"
    SUPERSEDED = "superseded"
    NOT_CURRENT = "not_current"


class RecordVersion(msgspec.Struct, frozen=True):
    """One line of a manifest: the version of a department's record that went into a report."""

    department: str
    version: int


class ReportVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a visit's report as pages show it. `is_current` is false once a newer result exists (S3)."""

    visit_id: UUID
    number: int
    state: ReportState
    is_current: bool
    has_supplement: bool
    document_digest: str
    drawn_sha256: str
    pdf_sha256: str
    pdf_bytes: int
    review_version: int
    manifest: tuple[RecordVersion, ...]
    signed_at: datetime
    issued_by: UUID | None
    recalled_at: datetime | None = None
    recall_reason: str = ""
    delivered_at: datetime | None = None
    received_by: str = ""
    outdated_reason: str = ""

    @property
    def is_standing(self) -> bool:
        """Whether this version is the one that counts: issued or handed over, not recalled, not replaced."""
        return self.state in (ReportState.ISSUED, ReportState.DELIVERED)


class Issued(msgspec.Struct, frozen=True):
    """What came of issuing: the version's number, and characters that no font could draw (they show as a box)."""

    number: int
    missing_characters: str = ""


class File(msgspec.Struct, frozen=True):
    """A stored file as it is served, with a name that tells what it is."""

    content: bytes
    name: str
    state: ReportState


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the lists of reports. `is_rereviewed`: its review was signed finally once more, so it goes before the others."""

    visit_id: UUID
    visit_no: str
    person_name: str
    sex: str
    age: int
    category: str
    organization: str
    package_name: str
    exam_on: date
    state: str
    is_urgent: bool
    final_reviewed_at: datetime | None
    number: int = 0
    signed_at: datetime | None = None
    is_outdated: bool = False
    recall_reason: str = ""
    is_rereviewed: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """The check of one stored file: each question with its answer in words, and whether all came out well."""

    is_valid: bool
    is_standing: bool
    headline: str
    lines: tuple[tuple[str, bool, str], ...]
    signer: str = ""
    signed_at: datetime | None = None
    pdf_sha256: str = ""


class ReportIssued(msgspec.Struct, frozen=True):
    """A version of the report was issued: drawn, sealed and stored."""

    visit_id: UUID
    site: str
    number: int


class ReportRecalled(msgspec.Struct, frozen=True):
    """The issued version was recalled; it is kept, but it is no longer the report."""

    visit_id: UUID
    site: str
    number: int
    reason: str


class ReportDelivered(msgspec.Struct, frozen=True):
    """The report was handed over, or a wrong entry of that was taken back."""

    visit_id: UUID
    site: str
    number: int
    undone: bool = False


class ReportOutdated(msgspec.Struct, frozen=True):
    """A result changed after the report was issued: what was issued no longer shows the present results (S3)."""

    visit_id: UUID
    site: str
    number: int
    department: str


class IssueAsked(msgspec.Struct, frozen=True):
    """Somebody asked for a report to be issued in the background, as one of a batch."""

    visit_id: UUID
    site: str
    request_id: UUID


QUESTIONNAIRES: Slot[Callable[[Any, Period], frozenset[UUID]]] = Slot(
    "You get the session (read only) and a period of whole days; return the visits that were checked in on these days and whose "
    "questionnaire was completed (indicator 2). Without a filling that indicator is shown as not available."
)

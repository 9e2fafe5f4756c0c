"""Chief review for programs: the same rules as the screens, with JSON in and out."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.params import FromPath, FromQuery, JSONBody

from chief_review import service
from chief_review.facts import FINAL, EditedLine, Queue, QueueFilters, QueueTab, Review
from exam.kit import audit, web
from exam.kit.errors import BadInput
from exam.knowledge.facts import Suggestion
from exam.visits import service as visits

AnyRequest = Request[Any, Any, Any]


class ReviewAnswer(msgspec.Struct):
    """A review with what stands in the way of a signature and what the rules suggest now.

    `uncovered` are codes of flagged items without a line. Sign with `review.digest`.
    """

    review: Review
    blocks: list[str]
    uncovered: list[str]
    suggestions: tuple[Suggestion, ...]
    has_new_results: bool


class SaveBody(msgspec.Struct, forbid_unknown_fields=True):
    """The lines in order, on top of the version that was read; `act` as in the editor (`save`, `merge`, `regenerate` …).

    `keep:KEY` keeps a line whose findings have changed and needs a `reason`; `renew:KEY` takes what is suggested now.
    """

    base_version: int
    lines: list[EditedLine]
    is_nothing_abnormal: bool = False
    act: str = "save"
    chosen: list[str] = []
    reason: str = ""


class SignBody(msgspec.Struct, forbid_unknown_fields=True):
    """The digest of the review that was read."""

    digest: str


class UndoBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which signature is taken back (`final` before `first`), and why."""

    level: str
    reason: str


class ReturnBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which department gets its record back, and why."""

    department: str
    reason: str


class SearchBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is looked for: a tab and the beginning of a name; and which page."""

    tab: QueueTab = QueueTab.WAITING
    name: str = ""
    page: int = 1


@web.get("/api/reviews", may="chief_review.queue")
def list_reviews(
    request: AnyRequest, db: web.Db, tab: FromQuery[QueueTab] = QueueTab.WAITING, page: FromQuery[int] = 1
) -> Queue:
    """A page of the queue."""
    return service.queue(db, QueueFilters(tab=tab), page)


@web.post("/api/reviews/search", may="chief_review.queue", write=False)
def search_reviews(request: AnyRequest, db: web.Db, data: JSONBody[SearchBody]) -> Queue:
    """As `list_reviews`, with the words in the body: a person's name stands in no address and no log."""
    return service.queue(db, QueueFilters(tab=data.tab, name=data.name), data.page)


@web.get("/api/reviews/{visit_no:str}", may="chief_review.queue")
def read_review(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> ReviewAnswer:
    """One review."""
    found = service.screen(db, visits.find_id(db, visit_no))
    audit.read(db, "chief_review.read_review", f"visit:{found.card.visit_no}")
    return ReviewAnswer(
        review=found.review, blocks=[each.text for each in found.blocks], uncovered=[each.item for each in found.uncovered],
        suggestions=found.suggestions, has_new_results=found.has_new_results,
    )  # fmt: skip


@web.post("/api/reviews/{visit_no:str}/start", may="chief_review.write")
def start(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> Review:
    """Opens the review for writing."""
    return service.start(db, visits.find_id(db, visit_no))


@web.post("/api/reviews/{visit_no:str}/save", may="chief_review.write")
def save(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[SaveBody]) -> Review:
    """Stores the lines as the next version."""
    visit_id = visits.find_id(db, visit_no)
    return service.save(
        db, visit_id, data.base_version, data.lines, data.is_nothing_abnormal, act=data.act, chosen=data.chosen, reason=data.reason
    )


@web.post("/api/reviews/{visit_no:str}/sign-first", may="chief_review.sign_first")
def sign_first(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[SignBody]) -> Review:
    """The first signature."""
    return service.sign_first(db, visits.find_id(db, visit_no), data.digest)


@web.post("/api/reviews/{visit_no:str}/sign-final", may="chief_review.sign_final")
def sign_final(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[SignBody]) -> Review:
    """The final signature."""
    return service.sign_final(db, visits.find_id(db, visit_no), data.digest)


@web.post("/api/reviews/{visit_no:str}/undo", may="chief_review.undo")
def undo(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[UndoBody]) -> Review:
    """Takes one signature back."""
    if data.level not in ("first", "final"):
        raise BadInput([("level", "级别应为 first 或 final")])
    act = service.undo_final if data.level == FINAL else service.undo_first
    return act(db, visits.find_id(db, visit_no), data.reason)


@web.post("/api/reviews/{visit_no:str}/return", may="chief_review.return")
def return_to_department(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[ReturnBody]) -> Review:
    """Sends a department's record back."""
    visit_id = visits.find_id(db, visit_no)
    service.return_to_department(db, visit_id, data.department, data.reason)
    return service.review(db, visit_id)


routes = (list_reviews, search_reviews, read_review, start, save, sign_first, sign_final, undo, return_to_department)

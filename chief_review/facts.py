"""A chief review as frozen structs: its lines, its signatures, its state, and what happened to it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from exam.knowledge.facts import Because, Severity


class ReviewState(StrEnum):
    """Where a review stands: being written, signed by its author, signed finally by a second doctor."""

    OPEN = "open"
    FIRST_SIGNED = "first_signed"
    FINAL = "final"


REVIEW_STATE_NAMES = {
    ReviewState.OPEN: "主检中",
    ReviewState.FIRST_SIGNED: "待终审",
    ReviewState.FINAL: "已终审",
}


class ConclusionLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One conclusion with its advice. `origin` is `rule`, `manual`, `merged` or `reworded`; `key` survives regeneration."""

    key: str
    text: str
    category: str = "异常"
    severity: Severity = Severity.MILD
    advice: str = ""
    lifestyle: str = ""
    specialist: str = ""
    because: tuple[Because, ...] = ()
    covers: tuple[str, ...] = ()
    origin: str = "rule"


class Signature(msgspec.Struct, frozen=True):
    """A doctor's signature inside the system: who, with which title, when, and the digest of what was shown."""

    level: str
    staff_id: UUID
    name: str
    title: str
    at: datetime
    digest: str


class Review(msgspec.Struct, frozen=True):
    """A visit's review: its current version with the lines in order, the synopsis, and the standing signatures."""

    visit_id: UUID
    state: ReviewState
    version: int
    lines: tuple[ConclusionLine, ...]
    is_nothing_abnormal: bool
    digest: str
    signatures: tuple[Signature, ...] = ()
    author_id: UUID | None = None


class ReviewFinalized(msgspec.Struct, frozen=True):
    """The final signature was given; the report may be issued."""

    visit_id: UUID
    site: str
    version: int


class ReviewReopened(msgspec.Struct, frozen=True):
    """A final review was undone."""

    visit_id: UUID
    site: str
    reason: str

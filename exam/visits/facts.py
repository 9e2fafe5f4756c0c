"""A visit as frozen structs: its milestones, its order lines and their progress, its tubes, and what happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from exam.kit.module import Slot


class Milestone(StrEnum):
    """What has happened to a whole visit. Rooms write these through `exam.visits.service`; each may be undone."""

    LISTED = "listed"
    BOOKED = "booked"
    REGISTERED = "registered"
    CHECKED_IN = "checked_in"
    SHEET_RETURNED = "sheet_returned"
    SECTIONS_DONE = "sections_done"
    CHIEF_STARTED = "chief_started"
    FIRST_REVIEWED = "first_reviewed"
    FINAL_REVIEWED = "final_reviewed"
    REPORT_ISSUED = "report_issued"
    REPORT_RECALLED = "report_recalled"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class VisitState(StrEnum):
    """Where a visit stands, for reading: derived from milestones and progress facts, never stored as the truth.

    A listed visit has no day yet: its `exam_on` is the last day on which it may come, and it takes no place of that day.
    """

    LISTED = "listed"
    BOOKED = "booked"
    REGISTERED = "registered"
    CHECKED_IN = "checked_in"
    IN_EXAM = "in_exam"
    SHEET_RETURNED = "sheet_returned"
    SECTIONS_DONE = "sections_done"
    CHIEF = "chief"
    FIRST_REVIEWED = "first_reviewed"
    FINAL = "final"
    PUBLISHED = "published"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


VISIT_STATE_NAMES = {
    VisitState.LISTED: "待预约",
    VisitState.BOOKED: "已预约",
    VisitState.REGISTERED: "已登记",
    VisitState.CHECKED_IN: "已报到",
    VisitState.IN_EXAM: "检查中",
    VisitState.SHEET_RETURNED: "已交单",
    VisitState.SECTIONS_DONE: "分科完成",
    VisitState.CHIEF: "主检中",
    VisitState.FIRST_REVIEWED: "已初审",
    VisitState.FINAL: "已终审",
    VisitState.PUBLISHED: "已发布",
    VisitState.DELIVERED: "已领取",
    VisitState.CANCELLED: "已取消",
}


class Progress(StrEnum):
    """An append-only fact about one order line (decision 3)."""

    PLANNED = "planned"
    SAMPLED = "sampled"
    STARTED = "started"
    RESULTED = "resulted"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    POSTPONED = "postponed"
    REMOVED = "removed"


class LineState(StrEnum):
    """Where an order line stands: the latest progress fact that was not undone."""

    PENDING = "pending"
    SAMPLED = "sampled"
    STARTED = "started"
    RESULTED = "resulted"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    POSTPONED = "postponed"
    REMOVED = "removed"


LINE_STATE_NAMES = {
    LineState.PENDING: "待检",
    LineState.SAMPLED: "已采样",
    LineState.STARTED: "检查中",
    LineState.RESULTED: "已出结果",
    LineState.CONFIRMED: "已审核",
    LineState.REFUSED: "拒检",
    LineState.POSTPONED: "延期",
    LineState.REMOVED: "已退项",
}

AWAY = frozenset({VisitState.LISTED, VisitState.CANCELLED})
"""States of a visit that is nobody's business on its day: it takes no place, and nobody waits for it."""

BEGUN = frozenset({LineState.SAMPLED, LineState.STARTED, LineState.RESULTED, LineState.CONFIRMED})
"""States of a line of which something was done: it is examined, or its tube was drawn."""


class TubeEvent(StrEnum):
    """An append-only fact about one tube."""

    PLANNED = "planned"
    PRINTED = "printed"
    COLLECTED = "collected"
    SENT = "sent"
    RECEIVED = "received"
    REJECTED = "rejected"


TUBE_STATE_NAMES = {
    TubeEvent.PLANNED: "待打印",
    TubeEvent.PRINTED: "已打印",
    TubeEvent.COLLECTED: "已采集",
    TubeEvent.SENT: "已送出",
    TubeEvent.RECEIVED: "已接收",
    TubeEvent.REJECTED: "已拒收",
}

CATEGORY_NAMES = {
    "health": "健康体检",
    "entry": "入职体检",
    "school": "入学体检",
    "occupational": "职业健康检查",
    "elderly": "老年人体检",
}


class OrderLine(msgspec.Struct, frozen=True):
    """One ordered group of a visit, with its list price and, as `price_fen`, its part of a package's, both frozen when it was ordered.

    What is charged in the end is billing's to say: a group order or a discount may lower it.
    """

    id: UUID
    visit_id: UUID
    group_code: str
    name: str
    department: str
    price_fen: int
    origin: str
    state: LineState
    reason: str = ""
    due_on: date | None = None
    tube: str | None = None
    service_only: bool = False
    standard_fen: int = 0


class TubeCard(msgspec.Struct, frozen=True):
    """One tube of a visit with its barcode, state and what is drawn into it."""

    id: UUID
    barcode: str
    tube_code: str
    name: str
    colour: str
    state: TubeEvent
    groups: tuple[str, ...]
    draw_order: int
    print_count: int = 0


class VisitCard(msgspec.Struct, frozen=True):
    """A visit as every screen's header and list shows it. Names and numbers only, the document number masked."""

    id: UUID
    visit_no: str
    site: str
    person_id: UUID
    person_name: str
    sex: str
    age: int
    category: str
    exam_on: date
    state: VisitState
    package_name: str = ""
    organization: str = ""
    checked_in_at: datetime | None = None
    sheet_returned_at: datetime | None = None
    sections_done_at: datetime | None = None
    amount_due_fen: int = 0
    catalog_revision: int = 0
    catalog_on: date | None = None
    urgent: bool = False
    ver: int = 0


class VisitStrip(msgspec.Struct, frozen=True):
    """What an upper room says of a visit under its card, wherever that person is called up: the room's template, shown with this as `strip`."""

    template: str
    data: Any


VISIT_STRIPS: Slot[Callable[[Any, VisitCard], VisitStrip | None]] = Slot(
    "You get the session (read only) and a visit's card; return what is shown under it on every screen about the visit, or None."
)


class VisitOpened(msgspec.Struct, frozen=True):
    """A visit exists: booked for a day, or registered at once."""

    visit_id: UUID
    site: str
    person_id: UUID


class VisitsListed(msgspec.Struct, frozen=True):
    """Visits without a day were opened for the persons of an employer's list."""

    visit_ids: tuple[UUID, ...]
    site: str


class VisitsUnlisted(msgspec.Struct, frozen=True):
    """Listed visits were cancelled: the persons were taken off the list before anybody gave them a day."""

    visit_ids: tuple[UUID, ...]
    site: str


class OrderChanged(msgspec.Struct, frozen=True):
    """Lines were added to or taken from a visit's order; ids of order lines."""

    visit_id: UUID
    site: str
    added: tuple[UUID, ...] = ()
    removed: tuple[UUID, ...] = ()


class MilestoneReached(msgspec.Struct, frozen=True):
    """A visit reached a milestone, or had one undone."""

    visit_id: UUID
    site: str
    milestone: Milestone
    undone: bool = False


class LineProgressed(msgspec.Struct, frozen=True):
    """A progress fact was added to a line, or undone."""

    visit_id: UUID
    site: str
    line_id: UUID
    progress: Progress
    undone: bool = False

"""Who is waiting: at the drawing chair for tubes, and whose guide sheet has not come back, of today or of an earlier day."""

from __future__ import annotations

from datetime import date, datetime

import msgspec
from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.orm import Session, aliased

from billing import service as billing
from exam.kit import masks
from exam.kit.house import actor_of, house_of
from exam.visits import service as visits
from exam.visits.facts import TubeEvent, VisitCard, VisitState
from exam.visits.models import LineBoard, TubeFact, TubeLine, TubeRow, Visit, VisitBoard
from registration import board, rules, service
from registration.facts import SheetTab

UNDERWAY = (VisitState.CHECKED_IN, VisitState.IN_EXAM)
MOST_WAITING = 100
MOST_REFUNDS = 10
_TAKEN = (TubeEvent.COLLECTED, TubeEvent.SENT, TubeEvent.RECEIVED, TubeEvent.REJECTED)


class Waiting(msgspec.Struct, frozen=True):
    """One person in the queue of the chair, the name masked because the screen can be read from the chairs around."""

    visit_no: str
    masked_name: str
    sex: str
    age: int
    package_name: str
    minutes: int
    tubes: int
    urgent: bool


class DrawingQueue(msgspec.Struct, frozen=True):
    """Everybody of today with tubes still to be drawn, in the order of arrival; the first hundred are listed."""

    rows: tuple[Waiting, ...]
    total: int
    at: datetime


class SheetList(msgspec.Struct, frozen=True):
    """One tab of the sheets that are still out, and how many every tab holds."""

    tab: SheetTab
    listed: board.Page
    counts: dict[SheetTab, int]


class RefundLine(msgspec.Struct, frozen=True):
    """A visit whose person is owed money, in fen."""

    card: VisitCard
    amount_fen: int


class RefundPage(msgspec.Struct, frozen=True):
    """One page of those who are owed money: which page of how many, and how many persons in all."""

    rows: tuple[RefundLine, ...]
    page: int
    pages: int
    total: int


def _is_open_tube() -> ColumnElement[bool]:
    """A tube that nobody took and somebody needs: the mirror in SQL of what the chair shows as waiting (a test compares)."""
    undone = aliased(TubeFact)
    was_taken = exists().where(
        TubeFact.tube_id == TubeRow.id, TubeFact.undoes.is_(None), TubeFact.kind.in_(_TAKEN),
        ~exists().where(undone.undoes == TubeFact.id),
    )  # fmt: skip
    is_needed = exists().where(
        TubeLine.tube_id == TubeRow.id, LineBoard.line_id == TubeLine.line_id, LineBoard.state.not_in(sorted(rules.GONE))
    )
    return and_(~was_taken, is_needed)


def drawing_queue(db: Session) -> DrawingQueue:
    """The queue of the drawing chair; one statement over today's part of the board."""
    now = house_of(db).clock.now()
    tubes = (
        select(TubeRow.visit_id, func.count().label("tubes"))
        .join(VisitBoard, VisitBoard.visit_id == TubeRow.visit_id)
        .where(_of_day(db, service.today_of(db)), _is_open_tube())
        .group_by(TubeRow.visit_id)
        .subquery()
    )
    rows = db.execute(
        select(Visit, VisitBoard, tubes.c.tubes, func.count().over().label("total"))
        .join(VisitBoard, VisitBoard.visit_id == Visit.id)
        .join(tubes, tubes.c.visit_id == Visit.id)
        .order_by(VisitBoard.checked_in_at, Visit.id)
        .limit(MOST_WAITING)
    ).all()
    return DrawingQueue(
        tuple(_waiting(visits.to_card(visit, row), count, now) for visit, row, count, _ in rows), rows[0].total if rows else 0, now
    )


def _of_day(db: Session, day: date) -> ColumnElement[bool]:
    return and_(VisitBoard.site == actor_of(db).site, VisitBoard.exam_on == day, VisitBoard.state.in_(UNDERWAY))


def _waiting(card: VisitCard, tubes: int, now: datetime) -> Waiting:
    minutes = int((now - card.checked_in_at).total_seconds()) // 60 if card.checked_in_at else 0
    return Waiting(
        visit_no=card.visit_no, masked_name=masks.mask_name(card.person_name), sex=card.sex, age=card.age,
        package_name=card.package_name, minutes=max(minutes, 0), tubes=tubes, urgent=card.urgent,
    )  # fmt: skip


def sheets_out(db: Session, tab: SheetTab, page: int = 1) -> SheetList:
    """Visits whose guide sheet is still out: today's in the order of arrival, earlier ones the latest day first; three statements."""
    today = service.today_of(db)
    underway = and_(VisitBoard.site == actor_of(db).site, VisitBoard.state.in_(UNDERWAY))
    of_tab = {SheetTab.TODAY: _of_day(db, today), SheetTab.EARLIER: and_(underway, VisitBoard.exam_on < today)}
    counts = db.execute(
        select(*(func.count().filter(of_tab[each]) for each in SheetTab)).where(underway, VisitBoard.exam_on <= today)
    ).one()
    is_today = tab == SheetTab.TODAY
    order = () if is_today else (VisitBoard.exam_on.desc(),)
    listed = board.paged(db, of_tab[tab], (*order, VisitBoard.checked_in_at, VisitBoard.visit_id), page)
    return SheetList(tab, listed, dict(zip(SheetTab, counts, strict=True)))


def refunds(db: Session, page: int = 1, size: int = board.PAGE_SIZE) -> RefundPage:
    """One page of the visits whose persons are owed money, the latest first; three statements, one when there is none."""
    total = billing.refunds_due_count(db)
    pages = max(-(-total // size), 1)
    page = min(max(page, 1), pages)
    if not total:
        return RefundPage((), page, pages, total)
    due = billing.refunds_due(db, size, (page - 1) * size)
    cards = {card.id: card for card in visits.cards(db, [each.visit_id for each in due])}
    rows = tuple(RefundLine(cards[each.visit_id], each.amount_fen) for each in due if each.visit_id in cards)
    return RefundPage(rows, page, pages, total)

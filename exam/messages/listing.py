"""Lists of messages for screens: found by person, visit number or state, page by page, phones masked; one with its history."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from exam.kit import audit, ids, masks
from exam.kit.clock import CENTRE_ZONE, day_of
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of
from exam.messages import rules, service
from exam.messages.facts import REASONS, Audience, DeliveryState, FactLine, MessageDetail, MessageLine, Occasion
from exam.messages.models import Message, MessageFact
from exam.people import service as people
from exam.people.models import Person
from exam.staff.models import Staff

PAGE = 50
MOST_EXPORTED = 5000
DAYS = ((7, "近 7 天"), (30, "近 30 天"), (90, "近 90 天"), (0, "全部"))


class Wanted(msgspec.Struct, frozen=True):
    """What is looked for: words (name, pinyin, visit number, phone), state, occasion, how many days back (0: all)."""

    q: str = ""
    state: str = ""
    occasion: str = ""
    days: int = 7
    page: int = 1


class Found(msgspec.Struct, frozen=True):
    """One page of what was found."""

    lines: tuple[MessageLine, ...]
    total: int
    page: int
    pages: int


def find(db: Session, wanted: Wanted, size: int = PAGE) -> Found:
    """Messages of the actor's site, newest first."""
    narrowed = _narrowed(db, wanted)
    if narrowed is None:
        return Found((), 0, 1, 1)
    total = db.scalar(select(func.count()).select_from(narrowed.subquery())) or 0
    pages = max(-(-total // size), 1)
    page = min(max(wanted.page, 1), pages)
    chosen = narrowed.order_by(Message.queued_at.desc(), Message.id.desc()).offset((page - 1) * size).limit(size).subquery()
    rows = _rows(db, select(Message.id).where(Message.id.in_(select(chosen.c.id))))
    return Found(tuple(_line(db, *row) for row in rows), total, page, pages)


def of_person(db: Session, person_id: UUID, most: int = PAGE) -> tuple[MessageLine, ...]:
    """A person's newest messages at the actor's site."""
    mine = select(Message.id).where(Message.person_id == person_id, Message.site == actor_of(db).site)
    chosen = mine.order_by(Message.queued_at.desc(), Message.id.desc()).limit(most).subquery()
    return tuple(_line(db, *row) for row in _rows(db, select(chosen.c.id)))


def _narrowed(db: Session, wanted: Wanted) -> Select[Any] | None:
    statement = select(Message.id).where(Message.site == actor_of(db).site)
    if wanted.state in list(DeliveryState):
        statement = statement.where(Message.state == wanted.state)
    if wanted.occasion in list(Occasion):
        statement = statement.where(Message.occasion == wanted.occasion)
    if wanted.days > 0:
        today = day_of(house_of(db).clock.now())
        statement = statement.where(Message.queued_at >= _midnight(today - timedelta(days=min(wanted.days, 3650) - 1)))
    q = wanted.q.strip()[:60]
    if not q:
        return statement
    try:
        return statement.where(Message.visit_no == ids.read_visit_no(q))
    except Refused:
        persons = people.search_statement(db, q)
    return None if persons is None else statement.where(Message.person_id.in_(persons))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CENTRE_ZONE)


def _rows(db: Session, chosen: Select[Any]) -> Any:
    return db.execute(
        select(Message, func.coalesce(Person.name, Staff.name))
        .outerjoin(Person, Person.id == Message.person_id)
        .outerjoin(Staff, Staff.id == Message.staff_id)
        .where(Message.id.in_(chosen))
        .order_by(Message.queued_at.desc(), Message.id.desc())
    ).all()


def _line(db: Session, row: Message, name: str) -> MessageLine:
    phone = house_of(db).cipher.open(row.phone, f"exam_message.phone:{row.id}")
    return MessageLine(
        id=row.id, queued_at=row.queued_at, occasion=Occasion(row.occasion), audience=Audience(row.audience), to_name=name,
        phone_masked=masks.mask_phone(phone), visit_no=row.visit_no,
        template=f"{row.template_code} v{row.template_version}" if row.template_code else "", segments=row.segments,
        state=DeliveryState(row.state), why=REASONS.get(row.why, row.why), tries=row.tries, changed_at=row.changed_at,
        is_resend=row.resends is not None,
    )  # fmt: skip


def detail(db: Session, message_id: UUID) -> MessageDetail:
    """One message with its text and history; the reading is audited."""
    row = service.get_row(db, message_id)
    audit.read(db, "messages.read_text", f"message:{row.id}")
    [(_, name)] = _rows(db, select(Message.id).where(Message.id == row.id))
    facts = db.scalars(select(MessageFact).where(MessageFact.message_id == row.id).order_by(MessageFact.id))
    history = tuple(FactLine(fact.at, _fact_text(fact), fact.actor) for fact in facts)
    text = house_of(db).cipher.open(row.text, f"exam_message.text:{row.id}")
    resent_as = db.scalar(select(Message.id).where(Message.resends == row.id))
    return MessageDetail(_line(db, row, name), text, history, row.until_at, row.due_at, resent_as)


def _fact_text(fact: MessageFact) -> str:
    name = rules.FACT_NAMES.get(fact.kind, fact.kind)
    reason = REASONS.get(fact.code, fact.code) if fact.kind != "hand_over" else ""
    return f"{name}({reason})" if reason else name

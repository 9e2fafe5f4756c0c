"""Events: a row first, then listeners in the same transaction, then deliveries from the outbox after the commit."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, Session, mapped_column

from exam.kit.db import Model, insert_rows


class Event(Model):
    """Something that happened, as its announcer told it. `body` is the event struct as JSON; it never holds results."""

    __tablename__ = "exam_event"
    __append_only__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    site: Mapped[str]
    visit_id: Mapped[UUID | None]
    actor_id: Mapped[UUID | None]
    at: Mapped[datetime]
    body: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("ix_exam_event_visit", "visit_id", "at"),)


class Outbox(Model):
    """One delivery of one event: waiting, done, or given up with its last error kept."""

    __tablename__ = "exam_outbox"
    __audited__ = False

    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    delivery: Mapped[str]
    state: Mapped[str]
    tries: Mapped[int]
    due_at: Mapped[datetime]
    error: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("ix_exam_outbox_due", "state", "due_at"),)


def announce(db: Session, *events: msgspec.Struct) -> None:
    """Stores events, lets every listener act in this transaction (and veto by raising), and queues their deliveries.

    Several events of one act are stored together; listeners hear them in order.
    """
    house = db.info["house"]
    actor = db.info.get("actor")
    now = house.clock.now()
    rows = [
        {
            "id": house.ids.new(),
            "kind": type(event).__name__,
            "site": getattr(event, "site", ""),
            "visit_id": getattr(event, "visit_id", None),
            "actor_id": actor.staff_id if actor else None,
            "at": now,
            "body": msgspec.json.encode(event).decode(),
        }
        for event in events
    ]
    insert_rows(db, Event, rows)
    for event in events:
        for listener in house.modules.listeners(type(event)):
            listener(db, event)
    deliveries = [
        {"id": house.ids.new(), "event_id": row["id"], "delivery": name, "state": "waiting", "tries": 0, "due_at": now, "error": ""}
        for row, event in zip(rows, events, strict=True)
        for name, _ in house.modules.deliveries(type(event))
    ]
    insert_rows(db, Outbox, deliveries)
    if deliveries:
        db.info["has_deliveries"] = True

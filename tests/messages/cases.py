"""People who are written to, and senders that a test can tell what to answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from exam.kit.house import Actor, House
from exam.messages import service
from exam.messages.facts import ConsentKind, Occasion, Queued
from exam.messages.models import Message, MessageFact
from exam.messages.ports import MESSAGE_SENDER, Told
from exam.people import service as people
from exam.people.facts import NewPerson

WEI = NewPerson(name="韦小明", id_no="450110198503150018", phone="13800138000")
CHEN = NewPerson(name="陈大文", id_no="450110199003070016", phone="0771-5321234")
CENTRE_PHONE = "0771-6221100"


class Sender:
    """Stands where the gateway is: does what `answers` say, one after the other, and remembers what it was given."""

    def __init__(self) -> None:
        self.unset = ""
        self.answers: list[Exception | None] = []
        self.told: list[Told | Exception | None] = []
        self.sent: list[tuple[UUID, str, str]] = []

    def problem(self, house: Any) -> str:
        return self.unset

    def send(self, house: Any, message_id: UUID, phone: str, text: str) -> str:
        self.sent.append((message_id, phone, text))
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        return f"R{len(self.sent)}"

    def ask(self, house: Any, message_id: UUID) -> Told | None:
        told = self.told.pop(0) if self.told else Told("", "accepted")
        if isinstance(told, Exception):
            raise told
        return told


@contextmanager
def sending(house: House, sender: Any) -> Iterator[Any]:
    """Puts a sender into the port."""
    before = house.modules._ports[id(MESSAGE_SENDER)]
    house.modules._ports[id(MESSAGE_SENDER)] = sender
    try:
        yield sender
    finally:
        house.modules._ports[id(MESSAGE_SENDER)] = before


def set_up(house: House, **settings: Any) -> None:
    """Settings of a centre that sends messages."""
    house.settings = msgspec.structs.replace(house.settings, centre_phone=CENTRE_PHONE, **settings)
    house.cache.pop("sms_gateway.setting", None)


def person_of(house: House, actor: Actor, new: NewPerson = WEI, consent: ConsentKind | None = ConsentKind.GIVEN) -> UUID:
    """A person with a file, who was asked about SMS or was not."""
    with house.unit(actor) as db:
        person_id = people.register(db, new).person_id
        if consent is not None:
            service.record_consent(db, person_id, consent)
    return person_id


def queued(house: House, actor: Actor, occasion: Occasion, person_id: UUID, **about: Any) -> Queued:
    """A message put down in a unit of its own."""
    with house.unit(actor) as db:
        return service.queue(db, occasion, person_id, service.About(visit_no="0101261121000013", **about))


def row_of(house: House, message_id: UUID) -> Any:
    """A message as it stands."""
    with house.unit(None, write=False) as db:
        return db.execute(select(Message.__table__).where(Message.id == message_id)).one()


def facts_of(house: House, message_id: UUID) -> list[tuple[str, str]]:
    """`(kind, code)` of everything that happened to a message."""
    wanted = select(MessageFact.kind, MessageFact.code).where(MessageFact.message_id == message_id).order_by(MessageFact.id)
    with house.unit(None, write=False) as db:
        return [(row.kind, row.code) for row in db.execute(wanted)]

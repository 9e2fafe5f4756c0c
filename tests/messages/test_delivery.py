"""One message that cannot be read keeps no other one waiting; a receipt and a click on "all read" do all that follows from them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy import select, update

from exam.kit.events import Event
from exam.kit.house import Actor, House, actor_of, system_actor
from exam.messages import delivery, notices, service, verify
from exam.messages.facts import DeliveryState, Occasion, Receipt
from exam.messages.models import Message
from exam.people.facts import NewPerson
from tests.messages.cases import WEI, Sender, person_of, queued, row_of, sending, set_up
from tests.results.cases import Statements

Acting = Callable[[str], Actor]
OTHER = NewPerson(name="黄秀英", id_no="450110199003070032", phone="13900139000")


@pytest.fixture(autouse=True)
def _centre(house: House) -> None:
    set_up(house)


def _spoil(house: House, message_id: object) -> None:
    """As if the row had been sealed with another key."""
    with house.unit(system_actor("01")) as db:
        db.execute(update(Message).where(Message.id == message_id).values(phone=b"\x01" * 40))


def test_a_message_that_cannot_be_opened_holds_up_nobody_elses(
    house: House, acting: Acting, caplog: pytest.LogCaptureFixture
) -> None:
    lin = acting("lin")
    with sending(house, Sender()) as sender:
        spoilt = queued(house, lin, Occasion.CRITICAL, person_of(house, lin, WEI)).message_id
        sound = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin, OTHER)).message_id
        _spoil(house, spoilt)
        delivery.send_due(house)
        delivery.send_due(house)
    assert [phone for _, phone, _ in sender.sent] == ["13900139000"]
    assert row_of(house, sound).state == DeliveryState.SENT
    assert row_of(house, spoilt).state == DeliveryState.WAITING
    told = [each.getMessage() for each in caplog.records if each.name == "exam.messages"]
    assert len(told) == 2 and all(str(spoilt) in text and "13800138000" not in text for text in told)


def test_what_waited_for_the_gateway_goes_out_beside_one_that_cannot_be_opened(house: House, acting: Acting) -> None:
    lin = acting("lin")
    with sending(house, Sender()) as sender:
        sender.unset = "no_gateway"
        spoilt = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin, WEI)).message_id
        sound = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin, OTHER)).message_id
        _spoil(house, spoilt)
        sender.unset = ""
        delivery.look_after(house)
        assert row_of(house, sound).state == DeliveryState.WAITING
        assert row_of(house, spoilt).state == DeliveryState.HELD
        house.clock.advance(days=8)  # type: ignore[attr-defined]
        delivery.look_after(house)
    assert [row_of(house, each).state for each in (spoilt, sound)] == [DeliveryState.EXPIRED] * 2


def test_a_receipt_acts_at_the_site_of_its_message(house: House, acting: Acting) -> None:
    other_site = msgspec.structs.replace(acting("lin"), site="02")
    put = queued(house, other_site, Occasion.CRITICAL, person_of(house, acting("lin"), WEI))
    with house.unit(system_actor("01")) as db:
        assert service.receive_receipt(db, Receipt("C-9", put.message_id, True)) is True
        assert actor_of(db).site == "02"
    with house.unit(None, write=False) as db:
        assert db.scalars(select(Event.site).where(Event.kind == "MessageSettled")).all() == ["02"]


def test_all_notices_are_marked_read_in_as_many_statements_as_one(house: House, acting: Acting) -> None:
    lin, wu = acting("lin"), acting("wu")
    counts = []
    for many in (1, 7):
        with house.unit(lin) as db:
            for number in range(many):
                notices.notify_staff(db, [lin.staff_id, wu.staff_id], f"通知 {number}")  # type: ignore[list-item]
        with Statements(house) as seen, house.unit(lin) as db:
            assert notices.mark_all_read(db) == many
        counts.append(len(seen))
    assert counts[0] == counts[1]
    with house.unit(wu, write=False) as db:
        assert notices.unread_count(db) == 8
    with house.unit(None, write=False) as db:
        assert list(verify.unread(db)) == []

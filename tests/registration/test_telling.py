"""Consent to SMS at a booking, and the one reminder of a recheck that falls due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from exam.kit.errors import Forbidden
from exam.kit.house import Actor, House, system_actor
from exam.messages import delivery
from exam.messages import service as messages
from exam.messages.facts import ConsentKind, DeliveryState, Occasion
from exam.messages.models import Message
from exam.visits import service as visits
from exam.visits.facts import VisitState
from exam.visits.models import VisitBoard
from registration import rechecks, telling
from registration.facts import Opened
from tests.conftest import Desk
from tests.messages.cases import Sender, sending, set_up
from tests.registration.cases import TODAY, TOMORROW, WEI, Acting, no_breaches, numbered, walk_in
from tests.registration.test_rechecks import LIPIDS, SUGAR, booked, ordered

Desks = Callable[[str], Desk]


@pytest.fixture
def sender(house: House) -> Iterator[Sender]:
    set_up(house)
    with sending(house, Sender()) as put:
        yield put


def consent_of(house: House, visit_id: UUID) -> ConsentKind | None:
    with house.unit(system_actor("01"), write=False) as db:
        return messages.consent_of(db, visits.get_row(db, visit_id).person_id)


def states_of(house: House, occasion: Occasion) -> list[tuple[str, str]]:
    with house.unit(None, write=False) as db:
        return [(row.state, row.why) for row in db.scalars(select(Message).where(Message.occasion == occasion.value).order_by(Message.id))]


# --- consent ---------------------------------------------------------------------------------------------------------


def test_a_tick_at_the_booking_lets_its_own_sms_go_out(house: House, acting: Acting, sender: Sender) -> None:
    booking = msgspec.structs.replace(WEI, exam_on=TOMORROW, takes_sms=True)
    opened = walk_in(house, acting("lin"), booking)
    assert consent_of(house, opened.visit_id) is ConsentKind.GIVEN
    assert states_of(house, Occasion.BOOKED) == [(DeliveryState.WAITING, "")]
    delivery.send_due(house)
    assert len(sender.sent) == 1 and "您已预约" in sender.sent[0][2]
    assert no_breaches(house)


def test_without_a_tick_nothing_is_said_and_a_consent_that_stands_is_not_taken_back(house: House, acting: Acting, sender: Sender) -> None:
    opened = walk_in(house, acting("lin"))
    assert consent_of(house, opened.visit_id) is None
    with house.unit(acting("lin")) as db:
        messages.record_consent(db, visits.get_row(db, opened.visit_id).person_id, ConsentKind.GIVEN)
    again = walk_in(house, acting("lin"), msgspec.structs.replace(WEI, exam_on=TOMORROW))
    assert consent_of(house, again.visit_id) is ConsentKind.GIVEN


def test_who_may_not_record_consent_cannot_by_a_booking(house: House, acting: Acting) -> None:
    lin = acting("lin")
    poor = msgspec.structs.replace(lin, permissions=lin.permissions - {"messages.consent"})
    with pytest.raises(Forbidden) as refused:
        walk_in(house, poor, msgspec.structs.replace(WEI, takes_sms=True))
    assert refused.value.field == "takes_sms"
    assert walk_in(house, poor).visit_id


def test_the_form_asks_once_and_shows_what_was_said(house: House, desk: Desks, acting: Acting) -> None:
    lin = desk("lin")
    new = lin.htmx("/registration/recognise", {"id_no": WEI.id_no, "exam_on": TOMORROW.isoformat()}).text
    assert 'name="takes_sms"' in new and "已同意接收短信" not in new
    fields = {
        "key": "booking-with-a-tick-0001", "id_no": WEI.id_no, "name": WEI.name, "package": "P02", "exam_on": TOMORROW.isoformat(),
        "takes_sms": "on",
    }  # fmt: skip
    assert lin.htmx("/registration/walk-ins", fields).status_code < 400
    form = {"id_no": WEI.id_no, "exam_on": (TOMORROW + timedelta(days=1)).isoformat()}
    known = lin.htmx("/registration/recognise", form).text
    assert "已同意接收短信" in known and 'name="takes_sms"' not in known
    with house.unit(acting("lin")) as db:
        person_id = db.scalars(select(Message.person_id).where(Message.occasion == "booked")).one()
        assert person_id is not None
        messages.record_consent(db, person_id, ConsentKind.WITHDRAWN)
    withdrawn = lin.htmx("/registration/recognise", form).text
    assert 'name="takes_sms"' in withdrawn and "曾撤回同意" in withdrawn and " checked" not in withdrawn.split('name="takes_sms"')[1][:80]


def test_a_recheck_is_booked_with_a_tick_too(house: House, desk: Desks, acting: Acting) -> None:
    visit_id = walk_in(house, acting("lin")).visit_id
    (recheck_id,) = ordered(house, visit_id, ((SUGAR,), 30))
    lin = desk("lin")
    url = f"/registration/rechecks/{recheck_id}/book"
    assert 'name="takes_sms"' in lin.get(url).text
    fields = {"key": "recheck-with-a-tick-0001", "exam_on": TOMORROW.isoformat(), "groups": SUGAR, "takes_sms": "on"}
    assert lin.htmx(url, fields).status_code < 400
    assert consent_of(house, visit_id) is ConsentKind.GIVEN
    assert "已同意接收短信" in lin.get(f"/registration/rechecks/{ordered(house, visit_id, ((LIPIDS,), 30))[0]}/book").text


# --- reminders -------------------------------------------------------------------------------------------------------


def reported(house: House, lin: Actor) -> Opened:
    """A visit of somebody who agreed to SMS, whose report is out."""
    opened = walk_in(house, lin, msgspec.structs.replace(WEI, takes_sms=True))
    issue(house, opened.visit_id)
    return opened


def issue(house: House, visit_id: UUID) -> None:
    with house.unit(None) as db:
        db.execute(update(VisitBoard).where(VisitBoard.visit_id == visit_id).values(state=VisitState.PUBLISHED.value))


def test_a_recheck_that_falls_due_is_reminded_of_once(house: House, acting: Acting, sender: Sender) -> None:
    lin = acting("lin")
    visit_id = reported(house, lin).visit_id
    soon, late = ordered(house, visit_id, ((SUGAR,), 7), ((LIPIDS,), 8))
    telling.remind_due(house)
    telling.remind_due(house)
    delivery.send_due(house)
    assert [text for _, _, text in sender.sent] == [sender.sent[0][2]] and "复查" in sender.sent[0][2] and "血糖" not in sender.sent[0][2]
    with house.unit(lin, write=False) as db:
        assert [each.text for each in rechecks.steps(db, soon)] == ["终审开立", "短信提醒"]
        assert [each.text for each in rechecks.steps(db, late)] == ["终审开立"]
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    telling.remind_due(house)
    assert len(states_of(house, Occasion.RECHECK)) == 2


def test_two_of_one_visit_are_one_sms(house: House, acting: Acting, sender: Sender) -> None:
    visit_id = reported(house, acting("lin")).visit_id
    ordered(house, visit_id, ((SUGAR,), 5), ((LIPIDS,), 6))
    telling.remind_due(house)
    assert len(states_of(house, Occasion.RECHECK)) == 1


def test_one_that_cannot_be_reminded_keeps_nobody_else_from_it(
    house: House, acting: Acting, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = reported(house, acting("lin")).visit_id
    other = walk_in(house, acting("lin"), msgspec.structs.replace(numbered(2), takes_sms=True, phone="13900139000")).visit_id
    issue(house, other)
    for visit_id in (broken, other):
        ordered(house, visit_id, ((SUGAR,), 5))
    remind = telling._remind

    def failing(db: Session, visit_id: UUID) -> None:
        remind(db, visit_id)
        if visit_id == broken:
            raise RuntimeError

    monkeypatch.setattr(telling, "_remind", failing)
    for _ in range(2):
        telling.remind_due(house)
    with house.unit(None, write=False) as db:
        assert db.scalars(select(Message.visit_id).where(Message.occasion == Occasion.RECHECK.value)).all() == [other]


def test_nobody_is_reminded_before_the_report_or_of_what_is_booked_or_long_overdue(house: House, acting: Acting, sender: Sender) -> None:
    lin = acting("lin")
    visit_id = walk_in(house, lin).visit_id
    first, second = ordered(house, visit_id, ((SUGAR,), 5), ((LIPIDS,), 5))
    telling.remind_due(house)
    assert states_of(house, Occasion.RECHECK) == []
    issue(house, visit_id)
    booked(house, lin, first, TODAY + timedelta(days=5))
    with house.unit(lin) as db:
        rechecks.cancel(db, second, "已在外院复查")
    telling.remind_due(house)
    ordered(house, visit_id, (("G013",), 0))
    house.clock.advance(days=15)  # type: ignore[attr-defined]
    telling.remind_due(house)
    assert states_of(house, Occasion.RECHECK) == []


def test_a_reminder_that_has_not_gone_is_taken_back_when_the_desk_books(house: House, acting: Acting, sender: Sender) -> None:
    lin = acting("lin")
    visit_id = reported(house, lin).visit_id
    first, second = ordered(house, visit_id, ((SUGAR,), 5), ((LIPIDS,), 6))
    telling.remind_due(house)
    booked(house, lin, first, TODAY + timedelta(days=5))
    assert states_of(house, Occasion.RECHECK)[0][0] == DeliveryState.WAITING
    with house.unit(lin) as db:
        rechecks.cancel(db, second, "重复")
    assert states_of(house, Occasion.RECHECK) == [(DeliveryState.EXPIRED, "not_due")]

"""Who is told of an alert: colleagues in their inboxes, the person by SMS, and what the receipt says, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import select

from critical_values import service as alerts
from critical_values import telling
from critical_values.facts import AlertState, Confirmed, CriticalAlert, Notice
from exam.kit.errors import Refused
from exam.kit.house import Actor, House, system_actor
from exam.kit.jobs import deliver
from exam.knowledge.book import Alert
from exam.knowledge.facts import AlertClass, Severity
from exam.messages import delivery, notices
from exam.messages import service as messages
from exam.messages.facts import ConsentKind, Occasion, Receipt
from exam.messages.models import Message
from exam.visits import service as visits
from tests.critical_values.cases import TEMPERATURE, Acting, breaches, only, taken, with_rule
from tests.messages.cases import Sender, sending, set_up
from tests.results.cases import arrive, enter


@pytest.fixture
def sender(house: House) -> Iterator[Sender]:
    set_up(house)
    with sending(house, Sender()) as put:
        yield put


def hot(house: House, acting: Acting) -> UUID:
    with_rule(house)
    visit_id = arrive(house, acting("lin"))
    enter(house, acting("wu"), visit_id, TEMP="41.2")
    return visit_id


def confirmed(house: House, acting: Acting, visit_id: UUID) -> CriticalAlert:
    return taken(house, acting("wu"), only(house, acting("wu"), visit_id), Confirmed("doctor"))


def sent(house: House, actor: Actor, alert: CriticalAlert) -> CriticalAlert:
    with house.unit(actor) as db:
        return telling.send(db, alert.id, alert.ver)


def inbox(house: House, actor: Actor) -> list[tuple[str, str]]:
    with house.unit(actor, write=False) as db:
        return [(line.text, line.link) for line in notices.inbox(db).lines]


def receipt(house: House, message_id: UUID, is_delivered: bool) -> None:
    with house.unit(system_actor("01")) as db:
        messages.receive_receipt(db, Receipt(f"R-{message_id}", message_id, is_delivered))


def test_an_urgent_finding_is_in_the_inbox_of_its_department_without_any_result(house: House, acting: Acting, sender: Sender) -> None:
    visit_id = hot(house, acting)
    alert = only(house, acting("wu"), visit_id)
    deliver(house)
    found = [text for text, link in inbox(house, acting("wu")) if link == f"/alerts/{alert.id}"]
    assert len(found) == 1 and "一般检查" in found[0]
    assert "41.2" not in found[0] and "体温" not in found[0] and "超高热" not in found[0]
    assert inbox(house, acting("lu")) == []


def test_a_late_one_is_told_to_the_next_in_line_by_notice_and_sms(house: House, acting: Acting, sender: Sender) -> None:
    he = acting("he")
    with house.unit(he) as db:
        messages.set_own_phone(db, "13800138066")
    before = len(inbox(house, he))
    hot(house, acting)
    house.clock.advance(hours=1)  # type: ignore[attr-defined]
    alerts.escalate_due(house)
    deliver(house)
    assert any("超时" in text for text, _ in inbox(house, he)[: len(inbox(house, he)) - before])
    delivery.send_due(house)
    assert [phone for _, phone, text in sender.sent if "超时" in text] == ["13800138066"]
    with house.unit(None, write=False) as db:
        written_to = db.scalars(select(Message.staff_id).where(Message.occasion == Occasion.ESCALATION.value)).all()
    assert set(written_to) == {he.staff_id}, "who gave no phone has no message that could not be sent"


def test_an_sms_to_the_person_is_an_attempt_and_its_receipt_reaches_them(house: House, acting: Acting, sender: Sender) -> None:
    visit_id = hot(house, acting)
    alert = sent(house, acting("he"), confirmed(house, acting, visit_id))
    assert (alert.state, alert.attempts) == (AlertState.CONFIRMED, 1)
    with house.unit(acting("he"), write=False) as db:
        assert alerts.untold(db, visit_id) == ()
        step = next(each.step for each in alerts.screen(db, alert.id).steps if isinstance(each.step, Notice))
    delivery.send_due(house)
    text = next(text for _, phone, text in sender.sent if phone == "13800138000")
    assert "41.2" not in text and "超高热" not in text
    assert step.message_id is not None
    receipt(house, step.message_id, True)
    receipt(house, step.message_id, True)
    told = only(house, acting("he"), visit_id)
    assert (told.state, told.attempts) == (AlertState.NOTIFIED, 2)
    assert breaches(house) == []


def test_an_sms_that_did_not_arrive_is_told_to_whoever_is_on_duty(house: House, acting: Acting, sender: Sender) -> None:
    visit_id = hot(house, acting)
    he = acting("he")
    assert he.staff_id is not None
    alert = sent(house, he, confirmed(house, acting, visit_id))
    with house.unit(he) as db:
        alerts.hand_over(db, [alert.id], he.staff_id, he.name)
        step = next(each.step for each in alerts.screen(db, alert.id).steps if isinstance(each.step, Notice))
    delivery.send_due(house)
    assert step.message_id is not None
    receipt(house, step.message_id, False)
    assert any("未送达" in text for text, _ in inbox(house, he))
    assert only(house, he, visit_id).state is AlertState.CONFIRMED


def test_who_refused_messages_is_not_written_to_and_nothing_counts_as_an_attempt(house: House, acting: Acting, sender: Sender) -> None:
    visit_id = hot(house, acting)
    alert = confirmed(house, acting, visit_id)
    with house.unit(acting("lin")) as db:
        person_id = visits.card(db, visit_id).person_id
        messages.record_consent(db, person_id, ConsentKind.WITHDRAWN)
    with pytest.raises(Refused) as refused:
        sent(house, acting("he"), alert)
    assert refused.value.code == "critical_values.not_sent" and "电话" in refused.value.hint
    assert only(house, acting("he"), visit_id).attempts == 0


def test_a_further_sms_that_arrives_is_an_attempt_too(house: House, acting: Acting, sender: Sender) -> None:
    visit_id = hot(house, acting)
    he = acting("he")
    told = taken(house, he, confirmed(house, acting, visit_id), Notice("phone", "family", "家属", "reached"))
    sent(house, he, told)
    with house.unit(he, write=False) as db:
        step = next(each.step for each in reversed(alerts.screen(db, told.id).steps) if isinstance(each.step, Notice))
    delivery.send_due(house)
    assert step.message_id is not None
    receipt(house, step.message_id, True)
    alert = only(house, he, visit_id)
    assert (alert.state, alert.attempts, alert.due_at) == (AlertState.NOTIFIED, 3, told.due_at)
    assert breaches(house) == []


@pytest.mark.parametrize("is_private", [False, True])
def test_an_sms_of_class_b_names_the_department_unless_the_finding_is_private(
    house: House, acting: Acting, sender: Sender, is_private: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "_is_private", lambda *_: is_private)
    with_rule(house, msgspec.structs.replace(TEMPERATURE, alert=Alert(AlertClass.B), severity=Severity.IMPORTANT, specialist="发热门诊"))
    visit_id = arrive(house, acting("lin"))
    enter(house, acting("wu"), visit_id, TEMP="41.2")
    alert = confirmed(house, acting, visit_id)
    with house.unit(acting("lin")) as db:
        messages.record_consent(db, visits.card(db, visit_id).person_id, ConsentKind.GIVEN)
    sent(house, acting("he"), alert)
    delivery.send_due(house)
    (text,) = [text for _, _, text in sender.sent if "预约" not in text]
    assert ("发热门诊" in text) is not is_private

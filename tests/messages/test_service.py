"""Messages through the store: queued with the act they belong to, held with a reason, moved only by evidence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import func, select, text

from exam.kit import audit
from exam.kit.audit import Audit
from exam.kit.errors import NotFound, Refused
from exam.kit.events import Event, Outbox
from exam.kit.house import Actor, House, system_actor
from exam.knowledge import service as knowledge
from exam.knowledge.message_template import MessageTemplate
from exam.messages import delivery, notices, service, verify
from exam.messages.facts import ConsentKind, DeliveryState, Occasion, Receipt
from exam.messages.models import InboxNoticeUnread, Message
from exam.messages.ports import NotSent, Rejected, Told, Unclear
from exam.people import service as people
from exam.staff.models import Staff
from tests.house.test_privacy import contents_of
from tests.messages.cases import CENTRE_PHONE, CHEN, WEI, Sender, facts_of, person_of, queued, row_of, sending, set_up

Acting = Callable[[str], Actor]


@pytest.fixture
def sender(house: House) -> Iterator[Sender]:
    set_up(house)
    with sending(house, Sender()) as put:
        yield put


@pytest.fixture
def lin(acting: Acting) -> Actor:
    return acting("lin")


def breaches(house: House) -> list[str]:
    with house.unit(None, write=False) as db:
        return [breach for invariant in verify.INVARIANTS for breach in invariant.check(db)]


def unread_of(house: House, login: str) -> int:
    with house.unit(None, write=False) as db:
        wanted = select(func.count()).select_from(InboxNoticeUnread).join(Staff, Staff.id == InboxNoticeUnread.staff_id).where(Staff.login == login)
        return db.scalar(wanted) or 0


def receipt(house: House, message_id: UUID, receipt_id: str = "C-1", is_delivered: bool = True) -> bool:
    with house.unit(system_actor("01")) as db:
        return service.receive_receipt(db, Receipt(receipt_id, message_id, is_delivered))


# --- queueing


def test_a_message_is_queued_handed_over_and_delivered(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin))
    assert (put.state, put.why, put.segments) == (DeliveryState.WAITING, "", 1)
    assert delivery.send_due(house) == 1
    [(sent_id, phone, words)] = sender.sent
    assert (sent_id, phone) == (put.message_id, "13800138000")
    assert words.startswith("韦先生您好,您的体检报告(体检号尾号0013)已完成")
    assert CENTRE_PHONE in words
    assert row_of(house, put.message_id).state == DeliveryState.SENT
    assert receipt(house, put.message_id)
    assert row_of(house, put.message_id).state == DeliveryState.DELIVERED
    assert [kind for kind, _ in facts_of(house, put.message_id)] == ["queue", "hand_over", "accept", "deliver"]
    assert delivery.send_due(house) == 0
    assert breaches(house) == []


def test_a_refused_act_leaves_no_message(house: House, sender: Sender, lin: Actor) -> None:
    person = person_of(house, lin)
    with pytest.raises(Refused), house.unit(lin) as db:
        service.queue(db, Occasion.BOOKED, person)
        raise Refused("test.no", "不行")
    with house.unit(None, write=False) as db:
        assert db.scalars(select(Message)).all() == []


def test_the_rows_stand_in_the_audit_of_the_act_itself(house: House, sender: Sender, lin: Actor) -> None:
    person = person_of(house, lin)
    with house.unit(lin) as db:
        put = service.queue(db, Occasion.REPORT_READY, person)
        audit.note(db, "reporting.issue", subject="visit:1")
    with house.unit(None, write=False) as db:
        row = db.execute(select(Audit.rows, Audit.actor).where(Audit.act == "reporting.issue")).one()
    assert f"exam_message {put.message_id}" in row.rows
    assert "exam_message_fact " in row.rows
    assert row.actor == "lin"


@pytest.mark.parametrize(
    ("consent", "new", "occasion", "why"),
    [
        (None, WEI, Occasion.ABNORMAL, "no_consent"), (None, WEI, Occasion.CRITICAL, ""),
        (ConsentKind.WITHDRAWN, WEI, Occasion.CRITICAL, "consent_withdrawn"), (ConsentKind.GIVEN, CHEN, Occasion.CRITICAL, "no_mobile"),
    ],
)  # fmt: skip
def test_what_may_not_be_sent_is_held_with_the_reason(
    house: House, sender: Sender, lin: Actor, consent: ConsentKind | None, new: object, occasion: Occasion, why: str
) -> None:
    put = queued(house, lin, occasion, person_of(house, lin, new, consent))  # type: ignore[arg-type]
    assert put.why == why
    assert put.state == (DeliveryState.HELD if why else DeliveryState.WAITING)
    assert delivery.send_due(house) == (0 if why else 1)
    assert len(sender.sent) == (0 if why else 1)
    assert breaches(house) == []


def test_without_a_gateway_messages_are_held_and_go_out_once_there_is_one(house: House, sender: Sender, lin: Actor) -> None:
    sender.unset = "no_gateway"
    put = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin))
    assert (put.state, put.why) == (DeliveryState.HELD, "no_gateway")
    delivery.look_after(house)
    assert delivery.send_due(house) == 0
    sender.unset = ""
    delivery.look_after(house)
    assert delivery.send_due(house) == 1
    assert row_of(house, put.message_id).state == DeliveryState.SENT


def test_what_nobody_agreed_to_expires_without_a_notice(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.BOOKED, person_of(house, lin, consent=None))
    house.clock.advance(days=4)  # type: ignore[attr-defined]
    delivery.look_after(house)
    assert row_of(house, put.message_id).state == DeliveryState.EXPIRED
    assert unread_of(house, "qin") == 0


def test_without_the_centres_phone_no_text_names_an_empty_one(house: House, sender: Sender, lin: Actor) -> None:
    house.settings = msgspec.structs.replace(house.settings, centre_phone="")
    put = queued(house, lin, Occasion.CRITICAL, person_of(house, lin))
    assert (put.state, put.why, put.segments) == (DeliveryState.HELD, "centre_phone", 0)


def test_what_waited_for_consent_goes_out_when_it_is_given(house: House, sender: Sender, lin: Actor) -> None:
    person = person_of(house, lin, consent=None)
    put = queued(house, lin, Occasion.ABNORMAL, person)
    with house.unit(lin) as db:
        service.record_consent(db, person, ConsentKind.GIVEN)
    assert delivery.send_due(house) == 1
    assert row_of(house, put.message_id).state == DeliveryState.SENT
    with house.unit(None, write=False) as db:
        told = db.execute(select(Audit.actor, Audit.reason).where(Audit.act == "messages.consent")).one()
    assert (told.actor, told.reason) == ("lin", "given")


def test_a_consent_taken_back_stops_what_waits(house: House, sender: Sender, lin: Actor) -> None:
    person = person_of(house, lin)
    put = queued(house, lin, Occasion.ABNORMAL, person)
    with house.unit(lin) as db:
        service.record_consent(db, person, ConsentKind.WITHDRAWN)
    delivery.send_due(house)
    assert sender.sent == []
    assert (row_of(house, put.message_id).state, row_of(house, put.message_id).why) == (DeliveryState.HELD, "consent_withdrawn")


def test_at_night_b_waits_for_the_morning_and_critical_does_not(house: House, sender: Sender, lin: Actor) -> None:
    person = person_of(house, lin)
    house.clock.advance(hours=14)  # type: ignore[attr-defined]
    later, now = queued(house, lin, Occasion.ABNORMAL, person), queued(house, lin, Occasion.CRITICAL, person)
    delivery.send_due(house)
    assert [message_id for message_id, _, _ in sender.sent] == [now.message_id]
    house.clock.advance(hours=9, minutes=59)  # type: ignore[attr-defined]
    delivery.send_due(house)
    assert len(sender.sent) == 1
    house.clock.advance(minutes=1)  # type: ignore[attr-defined]
    delivery.send_due(house)
    assert sender.sent[-1][0] == later.message_id


def test_a_second_try_does_not_fall_into_the_night(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.ABNORMAL, person_of(house, lin))
    house.clock.advance(hours=12, minutes=59, seconds=50)  # type: ignore[attr-defined]
    sender.answers = [NotSent("busy")]
    delivery.send_due(house)
    house.clock.advance(minutes=1)  # type: ignore[attr-defined]
    delivery.send_due(house)
    assert len(sender.sent) == 1
    house.clock.advance(hours=11)  # type: ignore[attr-defined]
    delivery.send_due(house)
    assert len(sender.sent) == 2
    assert row_of(house, put.message_id).state == DeliveryState.SENT


def test_a_result_stands_only_in_a_template_that_a_doctor_approved(house: House, sender: Sender, lin: Actor) -> None:
    told = MessageTemplate(
        code="MSG_TOLD", version=1, occasion="abnormal", audience="person", channel="sms", text="{name}:{findings}", allows_findings=True
    )
    person = person_of(house, lin)
    with house.unit(system_actor("01")) as db:
        knowledge.publish(db, [told], valid_from=house.clock.now().date(), reason="试")
    with house.unit(lin) as db:
        plain = service.queue(db, Occasion.ABNORMAL, person, service.About(findings="低密度脂蛋白 6.0"))
    with house.unit(system_actor("01")) as db:
        signed = msgspec.structs.replace(told, approved=True, approver="赵慧敏")
        knowledge.publish(db, [signed], valid_from=house.clock.now().date(), reason="审定")
    with house.unit(lin) as db:
        full = service.queue(db, Occasion.ABNORMAL, person, service.About(findings="低密度脂蛋白 6.0"))
    delivery.send_due(house)
    words = {message_id: words for message_id, _, words in sender.sent}
    assert "低密度" not in words[plain.message_id]
    assert words[full.message_id] == "韦先生:低密度脂蛋白 6.0"


def test_a_person_is_told_the_department_only_where_that_gives_nothing_private_away(house: House, sender: Sender, lin: Actor) -> None:
    person = person_of(house, lin)
    put = [
        queued(house, lin, Occasion.ABNORMAL, person, department=department, may_name_department=may).message_id
        for department, may in (("感染科", False), ("心内科", True), ("", True))
    ]
    delivery.send_due(house)
    words = {message_id: words for message_id, _, words in sender.sent}
    assert [("感染科" in words[each], "心内科" in words[each]) for each in put] == [(False, False), (False, True), (False, False)]
    assert "建议到心内科就诊" in words[put[1]] and "需要复查" in words[put[0]] and "需要复查" in words[put[2]]


def test_a_cancelled_visit_takes_back_only_what_did_not_go_out(house: House, sender: Sender, lin: Actor) -> None:
    from registration import service as registration
    from registration.facts import NewBooking
    from tests.registration.cases import TOMORROW

    person = person_of(house, lin)
    with house.unit(lin) as db:
        opened = registration.book(db, NewBooking(person_id=person, exam_on=TOMORROW, package="P02"))
    with house.unit(None, write=False) as db:
        row = db.scalars(select(Message).where(Message.visit_id == opened.visit_id)).one()
        assert (row.occasion, row.visit_no, row.state) == ("booked", opened.visit_no, DeliveryState.WAITING)
    with house.unit(lin) as db:
        registration.rebook(db, opened.visit_id, TOMORROW + timedelta(days=1))
    delivery.send_due(house)
    [(_, _, words)] = sender.sent
    assert "11月23日" in words
    with house.unit(lin) as db:
        registration.cancel(db, opened.visit_id, "受检者要求取消")
    with house.unit(None, write=False) as db:
        states = db.scalars(select(Message.state).where(Message.visit_id == opened.visit_id).order_by(Message.queued_at, Message.id)).all()
    assert states == [DeliveryState.EXPIRED, DeliveryState.SENT]
    assert breaches(house) == []


def test_an_issued_report_is_told_and_a_recalled_one_no_more(house: House, sender: Sender, acting: Acting) -> None:
    from reporting import service as reports
    from tests.chief_review.cases import finalized

    visit_id = finalized(house)
    with house.unit(acting("zhao")) as db:
        reports.issue(db, visit_id)
    mine = select(Message.occasion, Message.state, Message.why).where(Message.visit_id == visit_id)
    with house.unit(None, write=False) as db:
        assert [tuple(row) for row in db.execute(mine)] == [("report_ready", "held", "no_consent")]
    with house.unit(acting("zhao")) as db:
        reports.recall(db, visit_id, "结论有误")
    with house.unit(None, write=False) as db:
        assert [tuple(row) for row in db.execute(mine)] == [("report_ready", "expired", "recalled")]


# --- what a gateway may do


def test_a_lost_answer_leaves_it_unknown_and_no_second_sms_is_sent(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin))
    sender.answers = [Unclear("no_answer")]
    delivery.send_due(house)
    assert row_of(house, put.message_id).state == DeliveryState.UNKNOWN
    sender.told = [NotSent("unreachable"), Told("R9", "accepted"), Told("R9", "delivered")]
    for _ in range(3):
        house.clock.advance(hours=12)  # type: ignore[attr-defined]
        delivery.send_due(house)
    assert len(sender.sent) == 1
    assert row_of(house, put.message_id).state == DeliveryState.DELIVERED
    assert row_of(house, put.message_id).reference == "R9"


def test_what_the_gateway_never_got_is_handed_over_again_under_the_same_number(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin))
    sender.answers, sender.told = [Unclear("no_answer")], [None]
    delivery.send_due(house)
    house.clock.advance(minutes=3)  # type: ignore[attr-defined]
    delivery.send_due(house)
    delivery.send_due(house)
    assert [message_id for message_id, _, _ in sender.sent] == [put.message_id] * 2
    assert row_of(house, put.message_id).state == DeliveryState.SENT
    assert breaches(house) == []


def test_a_gateway_that_is_down_is_tried_again_less_and_less_often(house: House, sender: Sender, lin: Actor) -> None:
    person = person_of(house, lin)
    first, second = (queued(house, lin, Occasion.REPORT_READY, person) for _ in range(2))
    sender.answers = [NotSent("unreachable")] * 3
    assert delivery.send_due(house) == 1, "the round ends when nobody is there"
    assert len(sender.sent) == 1
    house.clock.advance(seconds=14)  # type: ignore[attr-defined]
    delivery.send_due(house)
    assert len(sender.sent) == 2, "the other one has its own time"
    house.clock.advance(minutes=5)  # type: ignore[attr-defined]
    delivery.send_due(house)
    house.clock.advance(minutes=5)  # type: ignore[attr-defined]
    delivery.send_due(house)
    assert {row_of(house, each.message_id).state for each in (first, second)} == {DeliveryState.SENT}


def test_what_cannot_be_sent_in_time_expires_and_somebody_is_told(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.BOOKED, person_of(house, lin))
    sender.answers = [NotSent("unreachable")] * 9
    delivery.send_due(house)
    house.clock.advance(days=3, seconds=1)  # type: ignore[attr-defined]
    delivery.look_after(house)
    assert (row_of(house, put.message_id).state, row_of(house, put.message_id).why) == (DeliveryState.EXPIRED, "too_late")
    assert unread_of(house, "qin") == 1
    assert unread_of(house, "wu") == 0
    delivery.look_after(house)
    assert unread_of(house, "qin") == 1
    assert breaches(house) == []


def test_without_a_receipt_it_expires_with_a_notice_and_a_late_one_still_counts(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.CRITICAL, person_of(house, lin))
    delivery.send_due(house)
    house.clock.advance(hours=2, seconds=1)  # type: ignore[attr-defined]
    delivery.look_after(house)
    assert (row_of(house, put.message_id).state, row_of(house, put.message_id).why) == (DeliveryState.EXPIRED, "no_receipt")
    assert unread_of(house, "zhao") == 1
    assert receipt(house, put.message_id)
    assert row_of(house, put.message_id).state == DeliveryState.DELIVERED
    with house.unit(None, write=False) as db:
        bodies = list(db.scalars(select(Event.body).where(Event.kind == "MessageSettled").order_by(Event.id)))
    assert ["expired" in body for body in bodies] == [True, False]


def test_a_refused_critical_message_is_told_at_once(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.CRITICAL, person_of(house, lin))
    sender.answers = [Rejected("BLACKLIST")]
    delivery.send_due(house)
    assert (row_of(house, put.message_id).state, row_of(house, put.message_id).why) == (DeliveryState.FAILED, "BLACKLIST")
    assert unread_of(house, "qin") == 1


def test_a_receipt_counts_once_and_its_number_stands_for_one_content(house: House, sender: Sender, lin: Actor) -> None:
    person = person_of(house, lin)
    put, other = (queued(house, lin, Occasion.REPORT_READY, person) for _ in range(2))
    delivery.send_due(house)
    assert receipt(house, put.message_id)
    before = facts_of(house, put.message_id)
    assert not receipt(house, put.message_id)
    assert facts_of(house, put.message_id) == before
    with pytest.raises(Refused, match="receipt_reused"):
        receipt(house, other.message_id)
    with pytest.raises(Refused, match="receipt_reused"):
        receipt(house, put.message_id, is_delivered=False)
    with pytest.raises(NotFound):
        receipt(house, house.ids.new(), "C-2")
    assert receipt(house, put.message_id, "C-3", is_delivered=False), "kept, though a delivered message stays delivered"
    assert row_of(house, put.message_id).state == DeliveryState.DELIVERED
    assert breaches(house) == []


def test_a_receipt_that_is_quicker_than_the_answer_stays(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin))

    def send(house: House, message_id: UUID, phone: str, text: str) -> str:
        assert row_of(house, message_id).state == DeliveryState.UNKNOWN, "on disk before the gateway is spoken to"
        receipt(house, message_id)
        return "R1"

    sender.send = send  # type: ignore[method-assign]
    delivery.send_due(house)
    row = row_of(house, put.message_id)
    assert (row.state, row.reference) == (DeliveryState.DELIVERED, "R1")
    assert [kind for kind, _ in facts_of(house, put.message_id)] == ["queue", "hand_over", "deliver", "answer"]
    assert breaches(house) == []


def test_a_worker_that_died_while_handing_over_loses_nothing(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin))

    def die(*_: object) -> str:
        raise KeyboardInterrupt

    alive, sender.send = sender.send, die  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        delivery.send_due(house)
    sender.send = alive  # type: ignore[method-assign]
    assert row_of(house, put.message_id).state == DeliveryState.UNKNOWN
    assert delivery.send_due(house) == 0, "the lease still holds"
    house.clock.advance(minutes=2)  # type: ignore[attr-defined]
    sender.told = [None]
    delivery.send_due(house)
    delivery.send_due(house)
    assert len(sender.sent) == 1
    assert row_of(house, put.message_id).state == DeliveryState.SENT


def test_a_phone_in_a_gateways_code_is_not_kept(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin))
    sender.answers = [Rejected("13800138000 空号")]
    delivery.send_due(house)
    assert facts_of(house, put.message_id)[-1] == ("reject", "other")


# --- sending again


def test_what_failed_is_sent_again_once_as_a_new_message_to_the_phone_of_now(house: House, sender: Sender, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    person = person_of(house, lin)
    put = queued(house, lin, Occasion.REPORT_READY, person)
    sender.answers = [Rejected("EMPTY")]
    delivery.send_due(house)
    with house.unit(qin) as db:
        people.register(db, msgspec.structs.replace(WEI, phone="13900139000"))
    with house.unit(qin) as db:
        again = service.resend(db, put.message_id)
    assert again != put.message_id
    with pytest.raises(Refused, match="resent_already"), house.unit(qin) as db:
        service.resend(db, put.message_id)
    delivery.send_due(house)
    assert [(message_id, phone) for message_id, phone, _ in sender.sent] == [(put.message_id, "13800138000"), (again, "13900139000")]
    assert sender.sent[0][2] == sender.sent[1][2]
    assert breaches(house) == []


def test_of_what_is_unknown_the_same_message_is_handed_over_again(house: House, sender: Sender, acting: Acting) -> None:
    put = queued(house, acting("lin"), Occasion.REPORT_READY, person_of(house, acting("lin")))
    sender.answers = [Unclear("no_answer")]
    delivery.send_due(house)
    with house.unit(acting("qin")) as db:
        assert service.resend(db, put.message_id) == put.message_id
    delivery.send_due(house)
    assert {message_id for message_id, _, _ in sender.sent} == {put.message_id}
    with pytest.raises(Refused, match="not_resendable"), house.unit(acting("qin")) as db:
        service.resend(db, put.message_id)


def test_what_is_held_is_not_sent_until_nothing_is_missing(house: House, sender: Sender, acting: Acting) -> None:
    person = person_of(house, acting("lin"), consent=None)
    put = queued(house, acting("lin"), Occasion.ABNORMAL, person)
    with pytest.raises(Refused) as refused, house.unit(acting("qin")) as db:
        service.resend(db, put.message_id)
    assert refused.value.code == "messages.no_consent"
    assert "短信同意" in refused.value.hint


def test_another_sites_message_is_not_found(house: House, sender: Sender, lin: Actor) -> None:
    put = queued(house, lin, Occasion.REPORT_READY, person_of(house, lin))
    with pytest.raises(NotFound), house.unit(system_actor("02")) as db:
        service.resend(db, put.message_id)


# --- doctors and notices


def test_a_doctor_is_written_to_on_the_phone_they_gave_themselves(house: House, sender: Sender, acting: Acting) -> None:
    zhao = acting("zhao")
    assert zhao.staff_id is not None
    with house.unit(acting("lin")) as db:
        held = service.queue_for_staff(db, Occasion.CRITICAL, zhao.staff_id, service.About(visit_no="0101261121000013"))
    assert (held.state, held.why) == (DeliveryState.HELD, "no_phone")
    with pytest.raises(Refused, match="no_mobile"), house.unit(zhao) as db:
        service.set_own_phone(db, "0771-5321234")
    with house.unit(zhao) as db:
        service.set_own_phone(db, "139 0013 9000")
        assert service.own_phone_masked(db) == "139****9000"
    with house.unit(acting("lin")) as db:
        service.queue_for_staff(db, Occasion.CRITICAL, zhao.staff_id, service.About(visit_no="0101261121000013"))
    delivery.send_due(house)
    [(_, phone, words)] = sender.sent
    assert phone == "13900139000"
    assert words.startswith("赵医生:体检号尾号0013有重要异常结果待处理")


def test_notices_go_to_named_staff_and_to_holders_and_are_read_by_their_owner_only(house: House, acting: Acting) -> None:
    lin, wu, nong = acting("lin"), acting("wu"), acting("nong")
    assert wu.staff_id is not None
    with house.unit(lin) as db:
        assert notices.notify_staff(db, [wu.staff_id, wu.staff_id], "请看", "/results/GEN") == 1
        assert notices.notify_holders(db, "results.verify", "检验科有退回", "/results/LAB", department="LAB") == 1
        assert notices.notify(db, Occasion.CRITICAL, [wu.staff_id], service.About(visit_no="0101261121000013", department="检验科")) == 1
    assert (acting("wu").unread, acting("nong").unread, acting("lin").unread) == (2, 1, 0)
    with house.unit(wu, write=False) as db:
        box = notices.inbox(db)
    assert [(each.text, each.link) for each in box.lines] == [("体检号尾号0013有重要异常结果待处理(检验科)", ""), ("请看", "/results/GEN")]
    with pytest.raises(NotFound), house.unit(nong) as db:
        notices.mark_read(db, box.lines[1].id)
    with house.unit(wu) as db:
        assert notices.mark_read(db, box.lines[1].id) == "/results/GEN"
    with house.unit(wu) as db:
        assert notices.mark_read(db, box.lines[1].id) == "/results/GEN", "opening it again is no second fact"
    assert acting("wu").unread == 1
    with house.unit(wu) as db:
        assert notices.mark_all_read(db) == 1
    assert acting("wu").unread == 0
    assert breaches(house) == []


@pytest.mark.parametrize("link", ["https://evil.example", "//evil.example", "javascript:alert(1)", "/\\evil.example"])
def test_a_notice_links_to_a_page_of_this_system_only(house: House, acting: Acting, link: str) -> None:
    wu = acting("wu")
    assert wu.staff_id is not None
    with pytest.raises(ValueError, match="page of this system"), house.unit(acting("lin")) as db:
        notices.notify_staff(db, [wu.staff_id], "请看", link)


def test_an_edit_of_a_state_is_a_breach(house: House, sender: Sender, acting: Acting) -> None:
    put = queued(house, acting("lin"), Occasion.REPORT_READY, person_of(house, acting("lin")))
    assert acting("wu").staff_id is not None
    with house.unit(acting("lin")) as db:
        notices.notify_staff(db, [acting("wu").staff_id], "请看")  # type: ignore[list-item]
    with house.engine.execution_options(write=True).begin() as connection:
        connection.execute(text("update exam_message set state = 'delivered'"))
        connection.execute(text("delete from exam_notice_unread"))
    house.turn.give()
    assert [f"message {put.message_id}: delivered, its facts say waiting", "neither read nor unread"] == [
        breach if breach.startswith("message") else breach.partition(": ")[2] for breach in breaches(house)
    ]


# --- privacy


def test_phone_and_text_stand_in_no_log_no_event_and_no_column(
    house: House, sender: Sender, acting: Acting, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    person = person_of(house, acting("lin"))
    sender.answers = [NotSent("unreachable"), Unclear("no_answer"), RuntimeError("13800138000 韦先生您好")]
    for _ in range(3):
        queued(house, acting("lin"), Occasion.REPORT_READY, person)
    for _ in range(3):
        delivery._round(house)
        house.clock.advance(minutes=1)  # type: ignore[attr-defined]
    assert acting("wu").staff_id is not None
    with house.unit(acting("lin")) as db:
        notices.notify_staff(db, [acting("wu").staff_id], "韦先生您好")  # type: ignore[list-item]
    marks = ("13800138000", "韦先生您好", "已完成")
    formatter = logging.Formatter("%(name)s %(message)s")
    logged = [formatter.format(record) for record in caplog.records]
    assert any("was not dealt with" in line for line in logged)
    assert [line for line in logged if any(mark in line for mark in marks)] == []
    with house.unit(None, write=False) as db:
        bodies = [*db.scalars(select(Event.body)), *db.scalars(select(Outbox.error))]
    assert any("message_id" in body for body in bodies)
    assert [body for body in bodies if any(mark in body for mark in marks)] == []
    found = [place for place, content in contents_of(house) if any(mark.encode() in content for mark in marks[:2])]
    assert found == []

"""Who is told of an alert by the system: colleagues in their inboxes, the person by SMS, and what came of that."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from critical_values import board, service
from critical_values.facts import AlertState, CriticalAlert, CriticalAlertOverdue, CriticalAlertRaised, Notice
from exam.kit.clock import local
from exam.kit.errors import Refused
from exam.kit.house import house_of, system_actor
from exam.knowledge.facts import ALERT_CLASS_NAMES, AlertClass
from exam.messages import notices
from exam.messages import service as messages
from exam.messages.facts import REASONS, DeliveryState, MessageSettled, Occasion
from exam.visits import service as visits
from exam.visits.facts import VisitCard

URGENT = frozenset({AlertClass.CRITICAL, AlertClass.A})
NOT_SENT = frozenset({DeliveryState.FAILED, DeliveryState.EXPIRED})


def tell_raised(db: Session, event: CriticalAlertRaised) -> None:
    """Who may confirm an urgent finding of that department hears of it in the inbox, beside the board that everybody has.

    After the commit, as a delivery: nothing about messages may keep a critical value from being stored.
    """
    db.info["actor"] = system_actor(event.site)
    alert = service.alert_of(db, event.alert_id)
    if alert.alert_class in URGENT:
        card = visits.card(db, alert.visit_id)
        holders = notices.holders(db, "critical_values.confirm", alert.department)
        notices.notify(db, Occasion.CRITICAL, holders, _about(alert, card, _department(db, alert, card)), _page(alert))


def tell_overdue(db: Session, event: CriticalAlertOverdue) -> None:
    """A clock ran out: the next in line is told in the inbox and, whoever gave a phone, by SMS; after the commit as well."""
    db.info["actor"] = system_actor(event.site)
    alert = service.alert_of(db, event.alert_id)
    card = visits.card(db, alert.visit_id)
    about, holders = _about(alert, card, _department(db, alert, card)), notices.holders(db, event.to)
    notices.notify(db, Occasion.ESCALATION, holders, about, _page(alert))
    for staff_id in holders:
        if messages.staff_phone(db, staff_id):  # the others would only fill the list of what could not be sent
            messages.queue_for_staff(db, Occasion.ESCALATION, staff_id, about)


def send(db: Session, alert_id: UUID, seen: int) -> CriticalAlert:
    """Writes an SMS to the person and logs it as an attempt; `sent` until a receipt says that it arrived.

    Refused, with the reason, where it would not go out: then nothing is logged, for nobody was told.
    """
    alert = service.alert_of(db, alert_id)
    card = visits.card(db, alert.visit_id)
    occasion = Occasion.CRITICAL if alert.alert_class in URGENT else Occasion.ABNORMAL
    # One department is enough to go to, and "/肿瘤科" behind it would say too much.
    queued = messages.queue(db, occasion, card.person_id, _about(alert, card, alert.specialist.partition("/")[0]))
    if queued.state is DeliveryState.HELD:
        reason = REASONS.get(queued.why, queued.why)
        raise Refused("critical_values.not_sent", f"短信不能发送:{reason}", "请改用电话或当面通知,并登记结果")
    due_at = messages.get_row(db, queued.message_id).due_at
    is_later = due_at is not None and due_at > house_of(db).clock.now()
    note = f"免打扰时段,{local(due_at):%H:%M} 后发出" if due_at is not None and is_later else ""
    step = Notice("sms", "person", card.person_name, "sent", note=note, message_id=queued.message_id)
    return service.take(db, alert_id, seen, step)


def on_message_settled(db: Session, event: MessageSettled) -> None:
    """A receipt says that the SMS arrived: the person was reached. One that did not arrive is told to the one on duty."""
    if event.visit_id is None or event.occasion not in (Occasion.CRITICAL, Occasion.ABNORMAL):
        return
    for alert in service.alerts_of_visit(db, event.visit_id):
        sent = next((each.step for each in board.steps_of(db, alert.id) if _is_of(each.step, event.message_id)), None)
        if not isinstance(sent, Notice):
            continue
        if event.state is DeliveryState.DELIVERED and alert.state in (AlertState.CONFIRMED, AlertState.NOTIFIED):
            told = Notice("sms", "person", sent.recipient_name, "reached", note="短信已送达(回执)", message_id=event.message_id)
            service.take(db, alert.id, alert.ver, told)
        elif event.state in NOT_SENT and alert.is_open:
            card = visits.card(db, alert.visit_id)
            text = f"{ALERT_CLASS_NAMES[alert.alert_class]}短信未送达(体检号 {card.visit_no}),请改用电话通知"
            who = [alert.duty_id] if alert.duty_id else notices.holders(db, "critical_values.notify", alert.department)
            notices.notify_staff(db, who, text, _page(alert), alert.visit_id)


def _is_of(step: object, message_id: UUID) -> bool:
    return isinstance(step, Notice) and step.message_id == message_id and step.outcome == "sent"


def _page(alert: CriticalAlert) -> str:
    return f"/alerts/{alert.id}"


def _department(db: Session, alert: CriticalAlert, card: VisitCard) -> str:
    department = visits.catalogue_of(db, card).departments.get(alert.department)
    return department.name if department else alert.department


def _about(alert: CriticalAlert, card: VisitCard, department: str) -> messages.About:
    """No result: what is found goes along only for a template whose approver allowed findings, and a private one never."""
    return messages.About(
        visit_id=alert.visit_id, visit_no=card.visit_no, exam_on=card.exam_on, department=department,
        findings="" if alert.is_private else alert.name, may_name_department=not alert.is_private,
    )  # fmt: skip

"""Messages: queue one in the caller's transaction, take a receipt, send again by hand, and who may be written to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.kit import audit, masks
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.knowledge import service as knowledge
from exam.messages import rules
from exam.messages.facts import (
    DELIVERY_STATE_NAMES,
    REASONS,
    Audience,
    Channel,
    ConsentKind,
    DeliveryState,
    MessageQueued,
    MessageSettled,
    Occasion,
    Queued,
    Receipt,
)
from exam.messages.models import Message, MessageFact, SmsConsent, StaffPhone
from exam.messages.ports import MESSAGE_SENDER
from exam.people import service as people
from exam.people.rules import read_phone
from exam.staff.models import Staff

SETTLED = frozenset({DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.EXPIRED})


class About(msgspec.Struct, frozen=True):
    """What a message is about: the visit and the words that a template may take from it.

    `may_name_department`: the examined person may be told the department. Not for a private finding, which it gives away.
    """

    visit_id: UUID | None = None
    visit_no: str = ""
    exam_on: date | None = None
    department: str = ""
    findings: str = ""
    may_name_department: bool = False


class Reader(msgspec.Struct, frozen=True):
    """Whom a message goes to, and where."""

    audience: Audience
    person_id: UUID | None
    staff_id: UUID | None
    phone: str


class Words(msgspec.Struct, frozen=True):
    """A message's text and the template that it was made of."""

    template: str
    version: int
    text: str
    is_quiet: bool


# --- queueing --------------------------------------------------------------------------------------------------------


def queue(db: Session, occasion: Occasion, person_id: UUID, about: About = About(), *, until_at: datetime | None = None) -> Queued:  # noqa: B008
    """Puts an SMS to an examined person down, in the caller's transaction; a worker hands it over after the commit.

    Never refuses: what is missing (consent, phone, template, gateway) holds the message with a reason that the list shows.
    `until_at` is until when it is worth sending, else the occasion's own time.
    """
    reader, why = _person(db, person_id, occasion)
    person = people.get_row(db, person_id)
    return _queue(db, occasion, reader, rules.address(person.name, person.sex), about, why, until_at)


def _person(db: Session, person_id: UUID, occasion: Occasion) -> tuple[Reader, str]:
    """A person as a reader, and why they may not be written to."""
    person = people.get_row(db, person_id)
    phone = house_of(db).cipher.open(person.phone, f"exam_person.phone:{person.id}")
    why = rules.consent_problem(occasion, consent_of(db, person_id)) or rules.phone_problem(phone)
    return Reader(Audience.PERSON, person_id, None, phone), why


def queue_for_staff(
    db: Session, occasion: Occasion, staff_id: UUID, about: About = About(), *, until_at: datetime | None = None  # noqa: B008
) -> Queued:
    """As `queue`, to a member of staff, on the phone they gave themselves."""
    name = db.scalar(select(Staff.name).where(Staff.id == staff_id))
    if name is None:
        raise NotFound("没有找到该账号", "请核对接收人")
    reader = Reader(Audience.DOCTOR, None, staff_id, staff_phone(db, staff_id))
    return _queue(db, occasion, reader, f"{rules.surname(name)}医生", about, rules.phone_problem(reader.phone), until_at)


def _queue(
    db: Session, occasion: Occasion, reader: Reader, name: str, about: About, why: str, until_at: datetime | None
) -> Queued:
    choice, text, unwritten = words_for(db, occasion, reader.audience, Channel.SMS, name, about)
    template = choice.template
    is_quiet = template is not None and template.respects_quiet_hours and occasion not in rules.URGENT
    words = Words(template.code if template else "", template.version if template else 0, text, is_quiet)
    return _put(db, occasion, reader, words, about, unwritten or why, until_at)


def _put(
    db: Session, occasion: Occasion, reader: Reader, words: Words, about: About, why: str, until_at: datetime | None = None,
    resends: UUID | None = None,
) -> Queued:  # fmt: skip
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    why = why or house.modules.provided(MESSAGE_SENDER).problem(house)
    state = DeliveryState.HELD if why else DeliveryState.WAITING
    message_id = house.ids.new()
    segments = rules.segments(words.text) if words.text else 0
    useful_until = until_at or now + rules.USEFUL[occasion]
    row = {
        "id": message_id, "site": actor.site, "occasion": occasion.value, "audience": reader.audience.value, "person_id": reader.person_id,
        "staff_id": reader.staff_id, "visit_id": about.visit_id, "visit_no": about.visit_no, "template_code": words.template,
        "template_version": words.version, "phone": house.cipher.seal(reader.phone, f"exam_message.phone:{message_id}"),
        "text": house.cipher.seal(words.text, f"exam_message.text:{message_id}"), "segments": segments,
        "is_urgent": occasion in rules.URGENT, "is_quiet": words.is_quiet, "state": state.value, "why": why, "tries": 0, "reference": "",
        "queued_at": now, "changed_at": now, "due_at": None if why else rules.not_before(now, words.is_quiet),
        "useful_until": useful_until, "until_at": useful_until, "resends": resends, "ver": 1,
    }  # fmt: skip
    insert_rows(db, Message, [row])
    add_fact(db, message_id, "queue", words.template)
    if why:
        add_fact(db, message_id, "hold", why)
    announce(db, MessageQueued(message_id, actor.site, about.visit_id, occasion, state))
    db.info["has_deliveries"] = True  # the worker is woken after the commit
    return Queued(message_id, state, why, segments)


def words_for(
    db: Session, occasion: Occasion, audience: Audience, channel: Channel, name: str, about: About
) -> tuple[rules.Choice, str, str]:
    """The template in force today and its text for one reader; the third is why there is no text."""
    house = house_of(db)
    today = day_of(house.clock.now())
    templates = knowledge.rules_in_force(db, today).book.templates
    department = about.department if audience is Audience.DOCTOR or about.may_name_department else ""
    has_department = bool(department) or audience is Audience.DOCTOR
    choice = rules.choose(templates, occasion, audience, channel, today, bool(about.findings), has_department)
    if choice.template is None:
        return choice, "", choice.why
    centre_phone = getattr(house.settings, "centre_phone", "")
    if not centre_phone and "{phone}" in choice.template.text:
        return choice, "", "centre_phone"
    values = {
        "name": name, "centre": getattr(house.settings, "centre_name", ""), "phone": centre_phone,
        "visit_no_tail": about.visit_no[-4:], "exam_on": f"{about.exam_on.month}月{about.exam_on.day}日" if about.exam_on else "",
        "department": department, "findings": about.findings,
    }  # fmt: skip
    try:
        return choice, rules.render(choice.template, values), ""
    except Refused as refused:
        return choice, "", refused.code.partition(".")[2]


def withdraw(db: Session, visit_id: UUID, occasion: Occasion, why: str) -> None:
    """Takes back what of a visit was not handed over yet, because it is no longer true (cancelled, recalled, moved)."""
    not_gone = (DeliveryState.WAITING, DeliveryState.HELD)
    rows = select(Message).where(Message.visit_id == visit_id, Message.occasion == occasion, Message.state.in_(not_gone))
    for row in db.scalars(rows.with_for_update()):
        move(db, row, "withdraw", why)


# --- states ----------------------------------------------------------------------------------------------------------


def add_fact(db: Session, message_id: UUID, kind: str, code: str = "", reference: str = "", receipt_id: str | None = None) -> None:
    """Writes down one thing that happened to a message."""
    house, actor = house_of(db), actor_of(db)
    fact = {
        "id": house.ids.new(), "message_id": message_id, "kind": kind, "code": code, "reference": reference,
        "receipt_id": receipt_id, "at": house.clock.now(), "actor": actor.login,
    }  # fmt: skip
    insert_rows(db, MessageFact, [fact])


def move(
    db: Session, row: Message, kind: str, why: str = "", *, reference: str = "", receipt_id: str | None = None,
    due_at: datetime | None = None, until_at: datetime | None = None,
) -> None:  # fmt: skip
    """Moves a message by a fact. `until_at` None keeps it; a settled message is awaited no longer."""
    state = DeliveryState(rules.DELIVERY.move(row.state, kind, rules.FACT_NAMES[kind]))
    add_fact(db, row.id, kind, why, reference, receipt_id)
    row.state, row.why, row.changed_at, row.due_at = state.value, why, house_of(db).clock.now(), due_at
    row.reference = reference or row.reference
    row.until_at = None if state in SETTLED else until_at or row.until_at
    if state in SETTLED:
        announce(db, MessageSettled(row.id, row.site, row.visit_id, Occasion(row.occasion), state))


def receive_receipt(db: Session, receipt: Receipt) -> bool:
    """Takes a gateway's receipt; False when it was known already. A receipt is evidence, however late it comes.

    Raises NotFound for a message that is not ours, and refuses a receipt number that came before with other content.
    """
    row = db.scalar(select(Message).where(Message.id == receipt.message_id).with_for_update())
    if row is None:
        raise NotFound("没有这条短信", "请核对短信编号")
    # What follows from it (an alert that counts as told) is of the message's own site, whichever one the gateway reports to.
    db.info["actor"] = msgspec.structs.replace(actor_of(db), site=row.site)
    known = db.execute(select(MessageFact).where(MessageFact.receipt_id == receipt.receipt_id)).scalar()
    kind = "deliver" if receipt.is_delivered else "fail"
    if known is not None:
        if known.message_id != receipt.message_id or known.kind not in (kind, "receipt"):
            raise Refused("messages.receipt_reused", "同一回执编号的内容不同,未采纳", "请使用新的回执编号", "receipt_id")
        return False
    audit.note(db, "messages.receipt", subject=f"message:{row.id}")
    why = rules.clean_code(receipt.code) or ("" if receipt.is_delivered else "undelivered")
    if rules.DELIVERY.may(row.state, kind):
        move(db, row, kind, why, receipt_id=receipt.receipt_id)
    else:
        add_fact(db, row.id, "receipt", f"{kind} {why}".strip(), receipt_id=receipt.receipt_id)
    return True


def get_row(db: Session, message_id: UUID, *, lock: bool = False) -> Message:
    """A message of the actor's site."""
    wanted = select(Message).where(Message.id == message_id, Message.site == actor_of(db).site)
    row = db.scalar(wanted.with_for_update() if lock else wanted)
    if row is None:
        raise NotFound("没有找到该短信", "请从短信列表中打开")
    return row


def resend(db: Session, message_id: UUID) -> UUID:
    """Sends again by hand; returns the message that goes out.

    What failed or expired becomes a new message, once. What is held is released when nothing is missing any more. Of one whose
    fate is unknown the same message is handed over again under its own number, which a gateway takes only once.
    """
    house = house_of(db)
    row = get_row(db, message_id, lock=True)
    state, now = DeliveryState(row.state), house.clock.now()
    audit.note(db, "messages.resend", subject=f"message:{row.id}")
    if state in (DeliveryState.FAILED, DeliveryState.EXPIRED):
        return _resend_as_new(db, row)
    if state == DeliveryState.UNKNOWN:
        row.useful_until = now + rules.USEFUL[Occasion(row.occasion)]
        move(db, row, "retry", due_at=now, until_at=row.useful_until)
    elif state == DeliveryState.HELD:
        why = still_missing(db, row) or house.modules.provided(MESSAGE_SENDER).problem(house)
        if why:
            raise refusal_of(why)
        row.useful_until = now + rules.USEFUL[Occasion(row.occasion)]
        move(db, row, "release", due_at=rules.not_before(now, row.is_quiet), until_at=row.useful_until)
    else:
        shown = DELIVERY_STATE_NAMES[state]
        raise Refused("messages.not_resendable", f"当前状态为“{shown}”,不需要重发", "请刷新页面查看最新状态")
    db.info["has_deliveries"] = True
    return row.id


def _resend_as_new(db: Session, row: Message) -> UUID:
    if db.scalar(select(Message.id).where(Message.resends == row.id)) is not None:
        raise Refused("messages.resent_already", "该短信已经重发过", "请打开重发的那一条查看状态")
    if not row.text:
        raise refusal_of("no_template")
    occasion = Occasion(row.occasion)
    if row.person_id is not None:
        reader, why = _person(db, row.person_id, occasion)
    else:
        phone = staff_phone(db, row.staff_id) if row.staff_id else ""
        reader, why = Reader(Audience.DOCTOR, None, row.staff_id, phone), rules.phone_problem(phone)
    # The words of then, to the phone of now: what they said of the visit is not looked up again.
    text = house_of(db).cipher.open(row.text, f"exam_message.text:{row.id}")
    words = Words(row.template_code, row.template_version, text, row.is_quiet)
    again = _put(db, occasion, reader, words, About(row.visit_id, row.visit_no), why, resends=row.id)
    add_fact(db, row.id, "resend")
    return again.message_id


def still_missing(db: Session, row: Message) -> str:
    """What keeps a message from being sent at this moment, apart from the gateway; empty when nothing does."""
    cipher = house_of(db).cipher
    if not row.text:
        return row.why or "no_template"
    problem = rules.phone_problem(cipher.open(row.phone, f"exam_message.phone:{row.id}"))
    if problem or row.person_id is None:
        return problem
    return rules.consent_problem(Occasion(row.occasion), consent_of(db, row.person_id))


def refusal_of(why: str) -> Refused:
    """Why something cannot be sent, as a refusal with its remedy."""
    remedies = {
        "no_gateway": "请系统管理员配置短信网关(EXAM_SMS_URL、EXAM_SMS_KEY)", "no_consent": "请先在“短信同意”中登记受检者的同意",
        "consent_withdrawn": "受检者不接收短信,请改用电话通知", "no_phone": "请先在档案中登记手机号,再重新发送",
        "no_mobile": "请改用电话通知,或在档案中登记手机号",
    }  # fmt: skip
    return Refused(f"messages.{why}", f"不能发送:{REASONS.get(why, why)}", remedies.get(why, "请排除后重试"))


# --- who may be written to -------------------------------------------------------------------------------------------


def consent_of(db: Session, person_id: UUID) -> ConsentKind | None:
    """What a person last said about SMS; None when never asked."""
    latest = select(SmsConsent.kind).where(SmsConsent.person_id == person_id).order_by(SmsConsent.id.desc()).limit(1)
    kind = db.scalar(latest)
    return ConsentKind(kind) if kind else None


def consents_of(db: Session, person_id: UUID) -> Sequence[SmsConsent]:
    """Everything a person ever said about SMS, newest first."""
    return db.scalars(select(SmsConsent).where(SmsConsent.person_id == person_id).order_by(SmsConsent.id.desc())).all()


def record_consent(db: Session, person_id: UUID, kind: ConsentKind) -> None:
    """Writes down that a person agreed to SMS, or took it back. What waited for the consent goes out now."""
    house, actor = house_of(db), actor_of(db)
    person = people.get_row(db, person_id)
    if consent_of(db, person_id) == kind:
        return
    fact = {
        "id": house.ids.new(), "person_id": person_id, "kind": kind.value, "at": house.clock.now(), "actor_id": actor.staff_id,
        "actor": actor.login,
    }  # fmt: skip
    insert_rows(db, SmsConsent, [fact])
    audit.note(db, "messages.consent", subject=f"person:{person.file_no}", reason=kind.value)
    if kind != ConsentKind.GIVEN:
        return
    waiting = select(Message).where(
        Message.person_id == person_id, Message.state == DeliveryState.HELD, Message.why.in_(("no_consent", "consent_withdrawn"))
    )
    for row in db.scalars(waiting.with_for_update()):
        release(db, row)


def release(db: Session, row: Message) -> None:
    """Lets a held message go if nothing is missing any more; otherwise its reason is the present one."""
    house = house_of(db)
    why = still_missing(db, row) or house.modules.provided(MESSAGE_SENDER).problem(house)
    if not why:
        move(db, row, "release", due_at=rules.not_before(house.clock.now(), row.is_quiet))
        db.info["has_deliveries"] = True
    elif why != row.why:
        row.why = why


def staff_phone(db: Session, staff_id: UUID) -> str:
    """Where a member of staff takes SMS; empty when nowhere."""
    row = db.scalar(select(StaffPhone).where(StaffPhone.staff_id == staff_id).order_by(StaffPhone.id.desc()).limit(1))
    return house_of(db).cipher.open(row.phone, f"exam_staff_phone.phone:{row.id}") if row else ""


def own_phone_masked(db: Session) -> str:
    """The actor's own phone as the inbox shows it."""
    staff_id = actor_of(db).staff_id
    return masks.mask_phone(staff_phone(db, staff_id)) if staff_id else ""


def set_own_phone(db: Session, phone: str) -> None:
    """Where the actor takes SMS; empty takes it back. Refuses what is no mobile."""
    house, actor = house_of(db), actor_of(db)
    number = read_phone(phone)
    if number and rules.phone_problem(number):
        raise Refused("messages.no_mobile", "接收短信的电话必须是手机号", "请输入11位手机号", "phone")
    fact_id = house.ids.new()
    sealed = house.cipher.seal(number, f"exam_staff_phone.phone:{fact_id}")
    insert_rows(db, StaffPhone, [{"id": fact_id, "staff_id": actor.staff_id, "phone": sealed, "at": house.clock.now()}])
    audit.note(db, "messages.own_phone", subject=f"staff:{actor.login}")

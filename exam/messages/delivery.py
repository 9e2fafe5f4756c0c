"""The worker's part: hands messages over, asks the gateway about those whose fate is unknown, and lets old ones expire.

The row itself is what is to be done, so whatever ends this process loses nothing. No unit of work is open while the gateway is
spoken to: that would keep every writer waiting. Before it is spoken to, the message is `unknown` on disk, and from there only an
answer, a receipt or an answer to a question moves it.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from exam.kit import audit
from exam.kit.errors import trace_of
from exam.kit.house import House, system_actor
from exam.messages import notices, rules, service
from exam.messages.facts import DeliveryState
from exam.messages.models import Message
from exam.messages.ports import MESSAGE_SENDER, MessageSender, NotSent, Rejected, SendProblem, Unclear

log = logging.getLogger("exam.messages")

MOST_IN_ROUND = 50
MOST_HELD = 500
_AWAITED = (DeliveryState.UNKNOWN, DeliveryState.SENT)
_NOT_GONE = (DeliveryState.WAITING, DeliveryState.HELD)


class Outgoing(msgspec.Struct, frozen=True):
    """What is handed over."""

    id: UUID
    site: str
    phone: str
    text: str


def send_in_background(house: House) -> None:
    """A round in a thread of its own: a slow gateway must not keep the worker from its other tasks."""
    before = house.cache.get("messages.round")
    if before is not None and before.is_alive():
        return
    if not _due(house, 1):
        return
    thread = threading.Thread(target=_round, args=(house,), name="messages", daemon=True)
    house.cache["messages.round"] = thread
    thread.start()


def _round(house: House) -> None:
    try:
        send_due(house)
    except Exception as error:
        log.error("messages: round failed\n%s", trace_of(error))


def send_due(house: House) -> int:
    """One round: sends what is due, asks about what was due to be asked. Returns how many it dealt with.

    Once the gateway cannot be reached the round ends; each message keeps its own time for the next try.
    """
    sender = house.modules.provided(MESSAGE_SENDER)
    if sender.problem(house):
        return 0
    done = 0
    for message_id, state in _due(house, MOST_IN_ROUND):
        try:
            is_there = _send(house, sender, message_id) if state == DeliveryState.WAITING else _ask(house, sender, message_id)
        except StaleDataError:  # a receipt or a colleague was quicker
            is_there = True
        except Exception as error:  # one that cannot be read or stored must not keep those behind it waiting, round after round
            log.error("message %s was not dealt with\n%s", message_id, trace_of(error))
            is_there = True
        done += 1
        if not is_there:
            break
    return done


def _due(house: House, most: int) -> list[tuple[UUID, str]]:
    with house.unit(None, write=False) as db:
        wanted = (
            select(Message.id, Message.state)
            .where(Message.state.in_((DeliveryState.WAITING, *_AWAITED)), Message.due_at <= house.clock.now())
            .order_by(Message.is_urgent.desc(), Message.due_at)
            .limit(most)
        )
        return [(row.id, row.state) for row in db.execute(wanted)]


# --- handing over ----------------------------------------------------------------------------------------------------


def _send(house: House, sender: MessageSender, message_id: UUID) -> bool:
    """Hands one message over; False when the gateway could not be reached."""
    outgoing = _take(house, message_id)
    if outgoing is None:
        return True
    try:
        reference = sender.send(house, outgoing.id, outgoing.phone, outgoing.text)
    except NotSent as problem:
        _record(house, outgoing, "not_sent", problem.reason)
        return problem.reason != "unreachable"
    except Rejected as problem:
        _record(house, outgoing, "reject", problem.reason)
    except Unclear as problem:
        _record(house, outgoing, "no_answer", problem.reason)
    else:
        _record(house, outgoing, "accept", "", rules.clean_code(reference))
    return True


def _take(house: House, message_id: UUID) -> Outgoing | None:
    """Puts on disk that the message is about to be handed over. None when it must not be: no longer wanted, agreed to, or day."""
    with house.unit(system_actor(house.site)) as db:
        now = house.clock.now()
        row = db.scalar(select(Message).where(Message.id == message_id).with_for_update(skip_locked=True))
        if row is None or row.state != DeliveryState.WAITING or row.due_at is None or row.due_at > now:
            return None
        db.info["actor"] = system_actor(row.site)
        audit.note(db, "messages.hand_over", subject=f"message:{row.id}")
        if row.until_at is not None and row.until_at <= now:
            _expire(db, row, "too_late")
            return None
        missing = service.still_missing(db, row)
        if missing:
            service.move(db, row, "hold", missing)
            return None
        morning = rules.not_before(now, row.is_quiet)
        if morning > now:  # a later try that fell into the night
            row.due_at = morning
            return None
        row.tries += 1
        until_at = rules.receipt_until(now, row.is_urgent)
        service.move(db, row, "hand_over", "no_answer", due_at=now + rules.LEASE, until_at=until_at)
        cipher = house.cipher
        return Outgoing(
            row.id, row.site, cipher.open(row.phone, f"exam_message.phone:{row.id}"), cipher.open(row.text, f"exam_message.text:{row.id}")
        )


def _record(house: House, outgoing: Outgoing, kind: str, why: str, reference: str = "") -> None:
    """What came of handing over. A receipt may have been quicker: then the answer is only noted."""
    with house.unit(system_actor(outgoing.site)) as db:
        row = db.scalar(select(Message).where(Message.id == outgoing.id).with_for_update())
        if row is None:
            return
        audit.note(db, "messages.hand_over", subject=f"message:{row.id}", result=kind)
        now = house.clock.now()
        why = rules.clean_code(why)
        if row.state != DeliveryState.UNKNOWN:
            service.add_fact(db, row.id, "answer", f"{kind} {why}".strip(), reference)
            row.reference = reference or row.reference
            return
        due_at = {"not_sent": rules.next_try(now, row.tries), "reject": None}.get(kind, now + rules.LEASE)
        until_at = row.useful_until if kind == "not_sent" else None
        service.move(db, row, kind, why, reference=reference, due_at=due_at, until_at=until_at)
        if kind == "reject":
            _tell_failure(db, row)


def _ask(house: House, sender: MessageSender, message_id: UUID) -> bool:
    """Asks the gateway about a message without a receipt; False when it could not be reached."""
    try:
        told = sender.ask(house, message_id)
        problem = ""
    except SendProblem as raised:
        told, problem = None, raised.reason
    with house.unit(system_actor(house.site)) as db:
        row = db.scalar(select(Message).where(Message.id == message_id).with_for_update())
        if row is None or row.state not in _AWAITED:
            return True
        db.info["actor"] = system_actor(row.site)
        audit.note(db, "messages.ask", subject=f"message:{row.id}")
        now = house.clock.now()
        later = rules.next_question(now, row.changed_at)
        if problem:
            row.due_at = later
        elif told is None:
            # The gateway never got it, so it was not sent: the one case in which it may be handed over again.
            if row.state == DeliveryState.UNKNOWN:
                service.move(db, row, "not_sent", "not_known", due_at=now, until_at=row.useful_until)
            else:
                row.due_at = later
        else:
            reference, code = rules.clean_code(told.reference), rules.clean_code(told.code)
            if told.state == "delivered":
                service.move(db, row, "deliver", code, reference=reference)
            elif told.state == "failed":
                service.move(db, row, "fail", code or "undelivered", reference=reference)
                _tell_failure(db, row)
            elif row.state == DeliveryState.UNKNOWN:
                service.move(db, row, "accept", code, reference=reference, due_at=later)
            else:
                row.due_at = later
    return problem != "unreachable"


# --- what waits too long ---------------------------------------------------------------------------------------------


def look_after(house: House) -> None:
    """Once a minute: lets go what waited for the gateway, expires what is too late or without a receipt, and tells somebody."""
    now = house.clock.now()
    sender = house.modules.provided(MESSAGE_SENDER)
    with house.unit(None, write=False) as db:
        late = list(db.scalars(select(Message.id).where(Message.until_at <= now).order_by(Message.until_at).limit(MOST_HELD)))
        held: list[UUID] = []
        if not sender.problem(house):
            for_gateway = select(Message.id).where(Message.state == DeliveryState.HELD, Message.why.in_(("no_gateway", "misset")))
            held = list(db.scalars(for_gateway.order_by(Message.queued_at).limit(MOST_HELD)))
    for ids, settle in ((late, _expire_late), (held, _release_held)):
        try:
            settle(house, ids)
        except Exception as error:  # one of them cannot be settled: the others are, each by itself
            log.error("messages: looked after one by one\n%s", trace_of(error))
            for message_id in ids:
                with suppress(Exception):
                    settle(house, [message_id])


def _expire_late(house: House, ids: Sequence[UUID]) -> None:
    if not ids:
        return
    now = house.clock.now()
    with house.unit(system_actor(house.site)) as db:
        audit.note(db, "messages.look_after")
        expired: Counter[str] = Counter()
        for message_id in ids:
            row = db.scalar(select(Message).where(Message.id == message_id).with_for_update())
            if row is not None and _is_late(row, now):
                expired[row.site] += _expire(db, row, "too_late" if row.state in _NOT_GONE else "no_receipt")
        for site, count in (+expired).items():
            db.info["actor"] = system_actor(site)
            text = f"有 {count} 条短信没有收到送达回执或未能发出,已过期,请核实是否改用电话通知"
            notices.notify_holders(db, "messages.send", text, "/messages?status=expired")


def _release_held(house: House, ids: Sequence[UUID]) -> None:
    if not ids:
        return
    with house.unit(system_actor(house.site)) as db:
        audit.note(db, "messages.look_after")
        for message_id in ids:
            row = db.scalar(select(Message).where(Message.id == message_id).with_for_update())
            if row is not None and row.state == DeliveryState.HELD:
                db.info["actor"] = system_actor(row.site)
                service.release(db, row)


def _is_late(row: Message, now: datetime) -> bool:
    return row.until_at is not None and row.until_at <= now and row.state in (*_NOT_GONE, *_AWAITED)


def _expire(db: Session, row: Message, why: str) -> int:
    """Expires a message; 1 when somebody should hear of it. What was held for want of consent concerns nobody."""
    is_news = row.state != DeliveryState.HELD or row.is_urgent
    db.info["actor"] = system_actor(row.site)
    service.move(db, row, "expire", why)
    return int(is_news)


def _tell_failure(db: Session, row: Message) -> None:
    """An urgent message that did not arrive is told at once: somebody has to call."""
    if row.is_urgent:
        notices.notify_holders(db, "messages.send", "一条重要异常结果短信发送失败,请立即改用电话通知", f"/messages/{row.id}")

"""What must hold of all messages: each stands where its facts say, and the unread notices are those that nobody read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.kit.errors import Refused
from exam.kit.module import Invariant
from exam.messages import rules
from exam.messages.models import InboxNotice, InboxNoticeRead, InboxNoticeUnread, Message, MessageFact

_STREAM = {"yield_per": 5000}


def states(db: Session) -> Iterator[str]:
    """Every message's state is what its facts say; read as a stream in the order of the messages."""
    rows = db.execute(
        select(Message.id, Message.state, MessageFact.kind)
        .outerjoin(MessageFact, MessageFact.message_id == Message.id)
        .order_by(Message.id, MessageFact.id)
        .execution_options(**_STREAM)
    )
    for (message_id, state), facts in groupby(rows, key=lambda row: (row.id, row.state)):
        kinds = [fact.kind for fact in facts if fact.kind is not None]
        try:
            told = rules.state_after(kinds)
        except Refused:
            yield f"message {message_id}: its facts {kinds} do not follow each other"
            continue
        if told != state:
            yield f"message {message_id}: {state}, its facts say {told}"


def unread(db: Session) -> Iterator[str]:
    """A notice is among the unread ones exactly as long as nobody read it."""
    rows = db.execute(
        select(InboxNotice.id, InboxNoticeRead.notice_id.label("read"), InboxNoticeUnread.notice_id.label("unread"))
        .outerjoin(InboxNoticeRead, InboxNoticeRead.notice_id == InboxNotice.id)
        .outerjoin(InboxNoticeUnread, InboxNoticeUnread.notice_id == InboxNotice.id)
        .where((InboxNoticeRead.notice_id.is_(None)) == (InboxNoticeUnread.notice_id.is_(None)))
        .execution_options(**_STREAM)
    )
    for row in rows:
        yield f"notice {row.id}: {'both read and unread' if row.read is not None else 'neither read nor unread'}"


INVARIANTS = (
    Invariant("messages stand where their facts say", states),
    Invariant("unread notices are those that nobody read", unread),
)

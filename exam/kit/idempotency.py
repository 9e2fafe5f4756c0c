"""Idempotency keys: a request that costs money or makes paper, sent twice, happens once and is answered twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec
from sqlalchemy import Text, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from exam.kit.db import Model
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of

A = TypeVar("A")

_KEY = re.compile("[A-Za-z0-9_-]{8,80}")


class IdempotencyKey(Model):
    """One key of one actor, the keyed digest of what was asked with it, and the answer that was given."""

    __tablename__ = "exam_idempotency_key"
    __audited__ = False

    actor: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_digest: Mapped[bytes]
    answer: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(index=True)


def once(db: Session, key: str, asked: object, answer_type: type[A], act: Callable[[], A]) -> A:
    """Acts, or gives the answer that this actor's same request with this key was given before.

    The key is claimed before anything else happens, so that of two requests at the same time one waits for the other.
    A refusal rolls the claim back: the corrected form may carry the same key. A used key with another request is refused.
    """
    if not _KEY.fullmatch(key):
        raise Refused("kit.idempotency_key", "重复提交标识缺失或格式不正确", "请刷新页面后重新填写", "key")
    house, actor = house_of(db), actor_of(db)
    digest = _digest(db, asked)
    where = (IdempotencyKey.actor == actor.login, IdempotencyKey.key == key)
    try:
        with db.begin_nested():
            db.execute(
                insert(IdempotencyKey).values(
                    actor=actor.login, key=key, request_digest=digest, answer="", at=house.clock.now()
                )
            )  # fmt: skip
    except IntegrityError:
        return _replay(db, key, digest, answer_type)
    answer = act()
    db.execute(update(IdempotencyKey).where(*where).values(answer=msgspec.json.encode(answer).decode()))
    return answer


def _digest(db: Session, asked: object) -> bytes:
    """Keyed, because a request holds document numbers, and a plain hash of one can be guessed."""
    return house_of(db).cipher.blind_index("idempotency", msgspec.json.encode(asked, order="deterministic").decode())


def _replay(db: Session, key: str, digest: bytes, answer_type: type[A]) -> A:
    found = db.execute(
        select(IdempotencyKey.request_digest, IdempotencyKey.answer).where(
            IdempotencyKey.actor == actor_of(db).login, IdempotencyKey.key == key
        )
    ).one()
    if bytes(found.request_digest) != digest:
        raise Refused("kit.idempotency_reused", "同一提交标识已用于另一份内容,未执行", "请刷新页面后重新填写", "key")
    return msgspec.json.decode(found.answer, type=answer_type)


def forget(db: Session, before: datetime) -> None:
    """Removes keys that nobody will send again."""
    db.execute(delete(IdempotencyKey).where(IdempotencyKey.at < before))

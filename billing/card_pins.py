"""A card's PIN: kept as an Argon2 hash, checked, and locked after five wrong tries."""

from __future__ import annotations

from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import update
from sqlalchemy.orm import Session

from billing import card_rules as rules
from billing.card_facts import MOST_TRIES
from billing.card_models import CardPin, CardRow
from exam.kit import audit
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""As for passwords of staff. Six digits are guessed from any hash within hours; it is the lock that protects a PIN."""


def store(db: Session, card_id: UUID, pin: str, *, needs_pin: bool) -> None:
    """Sets or replaces a card's PIN and forgets the wrong tries. An empty one leaves the card without, or with the one it has."""
    row = db.get(CardPin, card_id, populate_existing=True)
    rules.require_pin(pin, needs_pin=needs_pin and row is None)
    if not pin:
        return
    hashed = HASHER.hash(pin)
    if row is None:
        db.add(CardPin(card_id=card_id, pin_hash=hashed, tries=0))
    else:
        row.pin_hash, row.tries = hashed, 0
    db.flush()


def copy(db: Session, from_id: UUID, to_id: UUID) -> None:
    """The card that takes another's place has its PIN, with the wrong tries: a new card is no way around the lock."""
    row = db.get(CardPin, from_id, populate_existing=True)
    if row is not None:
        db.add(CardPin(card_id=to_id, pin_hash=row.pin_hash, tries=row.tries))
        db.flush()


def forget(db: Session, card_id: UUID) -> None:
    """A card that goes back to the stock has no PIN."""
    row = db.get(CardPin, card_id)
    if row is not None:
        db.delete(row)
        db.flush()


def is_locked(db: Session, card_id: UUID) -> bool:
    """Whether the PIN was wrong too often."""
    row = db.get(CardPin, card_id)
    return row is not None and row.tries >= MOST_TRIES


def has_pin(db: Session, card_id: UUID) -> bool:
    """Whether the card pays only with a PIN."""
    return db.get(CardPin, card_id) is not None


def require(db: Session, card: CardRow, pin: str) -> None:
    """Refuses a wrong PIN, and counts it although the unit of work is undone. The caller holds the card."""
    row = db.get(CardPin, card.id, populate_existing=True)
    if row is None:
        return
    if row.tries >= MOST_TRIES:
        raise _locked()
    if not pin:
        raise Refused("billing.pin_asked", "该卡须输入密码", "请由持卡人输入密码", "pin")
    try:
        HASHER.verify(row.pin_hash, pin)
    except (VerifyMismatchError, InvalidHashError):
        _refuse(db, card.id, card.card_no)
    if row.tries:
        row.tries = 0
        db.flush()


def _refuse(db: Session, card_id: UUID, card_no: str) -> None:
    """What was begun is undone before the try is written down: a second connection beside the first would wait for it."""
    house, actor, terminal = house_of(db), actor_of(db), db.info.get("terminal", "")
    db.rollback()
    with house.unit(actor) as own:
        own.info["terminal"] = terminal
        left = MOST_TRIES - (
            own.scalar(
                update(CardPin).where(CardPin.card_id == card_id).values(tries=CardPin.tries + 1).returning(CardPin.tries)
            )
            or 0
        )  # fmt: skip
        audit.note(own, "billing.card_pin", subject=f"card:{card_no}", result="refused")
    if left <= 0:
        raise _locked()
    raise Refused("billing.pin_wrong", f"密码不正确,还可再试 {left} 次", "请由持卡人重新输入;忘记密码可凭证件重设", "pin")


def _locked() -> Refused:
    return Refused(
        "billing.pin_locked", f"密码已连续输错 {MOST_TRIES} 次,该卡已锁定", "请核对持卡人身份后在卡片页面重设密码", "pin"
    )

"""Passwords as they are kept: hashing, the policy of this installation, its word lists, and storing a new one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.kit.house import House, house_of
from exam.staff import rules
from exam.staff.models import PasswordHistory, Staff

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""Argon2id with 19 MiB, two passes, one lane: OWASP's first choice, 23 ms here (reliability.md DP-05)."""


def is_password(stored: str, password: str) -> bool:
    """Whether a password is the one of a stored hash."""
    try:
        return HASHER.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def unknown_hash(house: House) -> str:
    """Verified for an unknown name too, so that the answer takes the same time."""
    if "unknown_hash" not in house.cache:
        house.cache["unknown_hash"] = HASHER.hash(house.random.token_bytes(16).hex())
    found: str = house.cache["unknown_hash"]
    return found


def password_profile(house: House) -> rules.PasswordProfile:
    """The password policy of this installation."""
    return rules.PROFILES[house.settings.password_profile if house.settings else rules.DENGBAO3.name]


def must_change(house: House, staff: Any) -> bool:
    """Whether an account's password opens nothing but its own change: a first one, or one that is too old."""
    age = rules.password_age(staff.password_changed_at, house.clock.now(), password_profile(house))
    return staff.password_must_change or age == rules.PasswordAge.EXPIRED


def days_left(house: House, staff: Any) -> int | None:
    """In how many days an account's password expires, as soon as its owner is to be warned."""
    return rules.password_days_left(staff.password_changed_at, house.clock.now(), password_profile(house))


def remembered(db: Session, staff: Staff) -> list[str]:
    """The hashes of the passwords that an account may not use again."""
    earlier = (
        select(PasswordHistory.password_hash)
        .where(PasswordHistory.staff_id == staff.id)
        .order_by(PasswordHistory.id.desc())
        .limit(password_profile(house_of(db)).remembered)
    )
    return [staff.password_hash, *db.scalars(earlier)]


def require_allowed(house: House, staff: Staff, new: str, earlier: Sequence[str]) -> None:
    """Refuses a new password that the policy does not allow; needs no transaction, because it may hash several times."""
    rules.check_password(
        new, password_profile(house), words=rules.forbidden_words(staff.login, staff.name, "", tuple(hospital_words(house))),
        common=common_passwords(house), is_recent=lambda word: any(is_password(each, word) for each in earlier),
    )  # fmt: skip


def store_password(
    db: Session, staff: Staff, hashed: str, *, must_change: bool = False, expires_at: datetime | None = None
) -> None:
    """Stores a password's hash and remembers it."""
    house = house_of(db)
    staff.password_hash = hashed
    staff.password_changed_at = house.clock.now()
    staff.password_must_change = must_change
    staff.password_expires_at = expires_at
    db.add(PasswordHistory(id=house.ids.new(), staff_id=staff.id, password_hash=hashed, at=house.clock.now()))


def common_passwords(house: House) -> frozenset[str]:
    """The list of common passwords, read once."""
    return _word_list(house, "common_passwords")


def hospital_words(house: House) -> frozenset[str]:
    """Words of the hospital that no password may contain, read once."""
    return _word_list(house, "hospital_words")


def _word_list(house: House, name: str) -> frozenset[str]:
    if name not in house.cache:
        house.cache[name] = rules.parse_common(files("exam.staff").joinpath(f"{name}.txt").read_text(encoding="utf-8"))
    found: frozenset[str] = house.cache[name]
    return found

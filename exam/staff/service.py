"""Sign-in: passwords, lockout, second factor, sessions; and who a session token belongs to."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any
from uuid import UUID

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import bindparam, case, delete, func, insert, select, update
from sqlalchemy.orm import Session

from exam.kit import audit, auth
from exam.kit.errors import BadInput, Forbidden, NotSignedIn, Refused
from exam.kit.house import Actor, House, actor_of, house_of
from exam.staff import rules
from exam.staff.models import Grant, PasswordHistory, RolePermission, SignIn, SignInFailure, Staff, UsedCode

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""Argon2id with 19 MiB, two passes, one lane: OWASP's first choice, 23 ms here (reliability.md DP-05)."""

TOUCH_AFTER = timedelta(seconds=60)
FAILED_TEXT = "用户名、密码或动态码不正确"
FAILED_HINT = "请核对后重试;连续 5 次失败将锁定 15 分钟"


class SignedIn(msgspec.Struct, frozen=True):
    """A fresh session: the cookie's token, and the CSRF token that its pages carry."""

    token: str
    csrf: str
    name: str
    must_change_password: bool


def sign_in(house: House, login: str, password: str, code: str, terminal: str, replaces: str = "") -> SignedIn:
    """Checks name, password and, for administrators, the second factor, and opens a session with a new id.

    The password is hashed outside any transaction. Failures count against the name and against the address. `replaces` is
    the token of the session that this browser carried so far; it ends.
    """
    name = rules.normalise_login(login)[:100]
    if not name or not password or len(password) > 256:
        raise Refused("auth.sign_in_failed", FAILED_TEXT, FAILED_HINT, "login")
    now = house.clock.now()
    with house.unit(None, write=False) as db:
        staff = db.scalar(select(Staff).where(Staff.login == name))
        if staff is not None:
            db.expunge(staff)  # what was read stays readable after this unit
        _require_unlocked(db, name, terminal, now)
    is_same = _is_password(staff.password_hash if staff else _unknown_hash(house), password)
    is_right = is_same and staff is not None and staff.active
    if is_right and staff and staff.password_must_change and staff.password_expires_at and staff.password_expires_at < now:
        is_right = False
    with house.unit(None) as db:
        db.info["terminal"] = terminal
        if staff is not None:
            # Guesses that were sent side by side take turns here, and those behind the fifth wrong one count for nothing.
            db.execute(select(Staff.id).where(Staff.id == staff.id).with_for_update(key_share=True))
            _require_unlocked(db, name, terminal, now)
        if is_right and staff is not None and staff.kind != "staff":
            is_right = _use_code(db, house, staff, code)
        if not is_right:
            for subject in (f"login:{name}", f"address:{terminal}"):
                db.add(SignInFailure(id=house.ids.new(), subject=subject, at=now, reason="password"))
            audit.note(db, "auth.sign_in", subject=f"login:{hashlib.sha256(name.encode()).hexdigest()[:12]}", result="refused")
        else:
            assert staff is not None
            db.execute(delete(SignInFailure).where(SignInFailure.subject == f"login:{name}"))
            if replaces:
                db.execute(delete(SignIn).where(SignIn.token_hash == _token_hash(replaces)))
            token = open_session(db, staff.id, terminal)
            db.info["actor"] = Actor(staff_id=staff.id, login=staff.login, name=staff.name, site=staff.site)
            audit.note(db, "auth.sign_in", subject=f"staff:{staff.login}")
    if not is_right or staff is None:
        raise Refused("auth.sign_in_failed", FAILED_TEXT, FAILED_HINT, "login")
    csrf = auth.csrf_token(house.keys["tokens"], _token_hash(token))
    return SignedIn(token, csrf, staff.name, _must_change(house, staff))


def _require_unlocked(db: Session, name: str, terminal: str, now: datetime) -> None:
    for subject in (f"login:{name}", f"address:{terminal}"):
        limits = rules.LOCK_LIMITS if subject.startswith("login:") else rules.LockLimits(failures=50)
        lately = SignInFailure.at >= now - timedelta(hours=1)
        failures = db.scalars(select(SignInFailure.at).where(SignInFailure.subject == subject, lately)).all()
        if rules.locked_until(failures, now, limits):
            raise Refused("auth.locked", "登录失败次数过多,账号已临时锁定", "请 15 分钟后再试,或联系系统管理员", "login")


def _unknown_hash(house: House) -> str:
    """Verified for an unknown name too, so that the answer takes the same time."""
    if "unknown_hash" not in house.cache:
        house.cache["unknown_hash"] = HASHER.hash(house.random.token_bytes(16).hex())
    found: str = house.cache["unknown_hash"]
    return found


def _is_password(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def open_session(db: Session, staff_id: UUID, terminal: str) -> str:
    """A new session with a server-made 256-bit id; the database keeps only its hash."""
    house = house_of(db)
    token = base64.urlsafe_b64encode(house.random.token_bytes(32)).decode().rstrip("=")
    now = house.clock.now()
    is_over = SignIn.created_at < now - session_limits(house).absolute
    db.execute(delete(SignIn).where(SignIn.staff_id == staff_id, is_over))  # or dead ones would pile up for ever
    db.execute(
        insert(SignIn).values(
            token_hash=_token_hash(token), staff_id=staff_id, created_at=now, last_seen_at=now, terminal=terminal,
            signing_until=None, signing_left=0,
        )
    )  # fmt: skip
    return token


def _token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


_OWN_RIGHTS = (
    select(func.aggregate_strings(RolePermission.permission + ":" + Grant.department, ","))
    .join(Grant, Grant.role == RolePermission.role)
    .where(Grant.staff_id == Staff.id, Grant.site == Staff.site)
    .correlate(Staff)
    .scalar_subquery()
)
_KIND_RIGHTS = (
    select(func.aggregate_strings(RolePermission.permission + ":", ","))
    .where(RolePermission.role == Staff.kind)
    .correlate(Staff)
    .scalar_subquery()
)
_SESSION = (
    select(
        SignIn.token_hash, SignIn.created_at, SignIn.last_seen_at, Staff.id, Staff.login, Staff.name, Staff.site, Staff.title,
        Staff.kind, Staff.active, Staff.password_changed_at, Staff.password_must_change,
        case((Staff.kind == "staff", _OWN_RIGHTS), else_=_KIND_RIGHTS).label("rights"),
    )
    .join(Staff, Staff.id == SignIn.staff_id)
    .where(SignIn.token_hash == bindparam("hash"))
)  # fmt: skip
# Many sessions are touched in one transaction; a row that somebody else holds is passed over, so that no two ever wait
# for each other.
_FREE = select(SignIn.token_hash).where(SignIn.token_hash == bindparam("hash")).with_for_update(skip_locked=True)
_TOUCH = (
    update(SignIn)
    .where(SignIn.token_hash.in_(_FREE))
    .values(last_seen_at=bindparam("now"))
    .execution_options(synchronize_session=False)
)


def authenticate(db: Session, token: str) -> Actor:
    """Who a session token belongs to, with the rights of this moment. Raises NotSignedIn for a dead or unknown one.

    One prebuilt statement, because every request of every page begins with it; nothing is kept from one to the next.
    """
    house = house_of(db)
    row = db.connection().execute(_SESSION, {"hash": _token_hash(token)}).first()
    if row is None:
        raise NotSignedIn
    now = house.clock.now()
    if not row.active or not rules.is_session_alive(row.created_at, row.last_seen_at, now, session_limits(house)):
        raise NotSignedIn
    session_id = bytes(row.token_hash)
    if now - row.last_seen_at >= TOUCH_AFTER:
        db.info.setdefault("later", []).append(lambda later: later.execute(_TOUCH, {"hash": session_id, "now": now}))
    permissions, scopes = _parse_rights(row.rights or "")
    return Actor(
        staff_id=row.id, login=row.login, name=row.name, site=row.site, title=row.title, kind=row.kind,
        permissions=permissions, scopes=scopes, session_id=session_id, csrf=auth.csrf_token(house.keys["tokens"], session_id),
        must_change_password=_must_change(house, row),
    )  # fmt: skip


@lru_cache(maxsize=256)
def _parse_rights(text: str) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """`permission:department,…` as read this moment: the permissions, and for the limited ones the departments they reach."""
    reached: dict[str, set[str]] = {}
    for pair in text.split(",") if text else ():
        permission, _, department = pair.partition(":")
        reached.setdefault(permission, set()).add(department)
    scopes = {permission: frozenset(departments) for permission, departments in reached.items() if "" not in departments}
    return frozenset(reached), scopes


def password_profile(house: House) -> rules.PasswordProfile:
    """The password policy of this installation."""
    return rules.PROFILES[house.settings.password_profile if house.settings else rules.DENGBAO3.name]


def _must_change(house: House, staff: Any) -> bool:
    age = rules.password_age(staff.password_changed_at, house.clock.now(), password_profile(house))
    return staff.password_must_change or age == rules.PasswordAge.EXPIRED


def sign_out(db: Session) -> None:
    """Ends the actor's session on the server."""
    db.execute(delete(SignIn).where(SignIn.token_hash == actor_of(db).session_id))
    audit.note(db, "auth.sign_out", subject=f"staff:{actor_of(db).login}")


class LiveSession(msgspec.Struct, frozen=True):
    """Where somebody is signed in: since when, last seen, from which address."""

    created_at: datetime
    last_seen_at: datetime
    terminal: str


def session_limits(house: House) -> rules.SessionLimits:
    """How long sessions of this installation live."""
    if not house.settings:
        return rules.SESSION_LIMITS
    return rules.SessionLimits(
        idle=timedelta(minutes=house.settings.idle_minutes), absolute=timedelta(hours=house.settings.absolute_hours)
    )


def sessions_of(db: Session, staff_id: UUID) -> list[LiveSession]:
    """An account's live sessions, the latest first."""
    house = house_of(db)
    limits, now = session_limits(house), house.clock.now()
    rows = db.scalars(select(SignIn).where(SignIn.staff_id == staff_id).order_by(SignIn.last_seen_at.desc()))
    return [
        LiveSession(row.created_at, row.last_seen_at, row.terminal)
        for row in rows
        if rules.is_session_alive(row.created_at, row.last_seen_at, now, limits)
    ]


def count_sessions(db: Session) -> dict[UUID, int]:
    """How many live sessions each account has."""
    house = house_of(db)
    limits, now = session_limits(house), house.clock.now()
    found: dict[UUID, int] = {}
    for row in db.execute(select(SignIn.staff_id, SignIn.created_at, SignIn.last_seen_at)):
        if rules.is_session_alive(row.created_at, row.last_seen_at, now, limits):
            found[row.staff_id] = found.get(row.staff_id, 0) + 1
    return found


def end_sessions(db: Session, staff_id: UUID) -> None:
    """Ends every session of a person: after a password or right change, or when an account is disabled."""
    db.execute(delete(SignIn).where(SignIn.staff_id == staff_id))


def change_password(db: Session, old: str, new: str) -> str:
    """Changes the actor's own password, ends all sessions and opens a new one; returns its token."""
    actor = actor_of(db)
    staff = db.get_one(Staff, actor.staff_id)
    if not _is_password(staff.password_hash, old):
        raise BadInput([("old", "原密码不正确")], code="auth.old_password")
    set_password(db, staff, new, must_change=False)
    end_sessions(db, staff.id)
    audit.note(db, "auth.change_password", subject=f"staff:{staff.login}")
    return open_session(db, staff.id, str(db.info.get("terminal", "")))


def set_password(db: Session, staff: Staff, new: str, *, must_change: bool, expires_at: datetime | None = None) -> None:
    """Stores a password that the profile allows and that is not one of the last five."""
    house = house_of(db)
    if not must_change:
        earlier = db.scalars(
            select(PasswordHistory.password_hash)
            .where(PasswordHistory.staff_id == staff.id)
            .order_by(PasswordHistory.id.desc())
            .limit(5)
        ).all()
        rules.check_password(
            new, password_profile(house), words=rules.forbidden_words(staff.login, staff.name, "", tuple(hospital_words(house))),
            common=common_passwords(house),
            is_recent=lambda word: any(_is_password(each, word) for each in (staff.password_hash, *earlier)),
        )  # fmt: skip
    staff.password_hash = HASHER.hash(new)
    staff.password_changed_at = house.clock.now()
    staff.password_must_change = must_change
    staff.password_expires_at = expires_at
    db.add(PasswordHistory(id=house.ids.new(), staff_id=staff.id, password_hash=staff.password_hash, at=house.clock.now()))


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


# --- second factor ---------------------------------------------------------------------------------------------------


def secret_of(house: House, staff: Staff) -> str:
    """An account's TOTP secret in plain text."""
    return house.cipher.open(staff.totp_secret, f"exam_staff.totp_secret:{staff.id}")


def _use_code(db: Session, house: House, staff: Staff, code: str) -> bool:
    """Whether the code is right; a code works once, also when two requests race for it."""
    used = db.scalar(select(UsedCode.counter).where(UsedCode.staff_id == staff.id))
    secret = secret_of(house, staff)
    counter = rules.matching_counter(secret, code, house.clock.now(), used) if secret else None
    if counter is None:
        return False
    if used is None:
        db.execute(insert(UsedCode).values(staff_id=staff.id, counter=counter))
        return True
    won = db.execute(update(UsedCode).where(UsedCode.staff_id == staff.id, UsedCode.counter < counter).values(counter=counter))
    return bool(won.rowcount == 1)  # type: ignore[attr-defined]


class SigningWindow(msgspec.Struct, frozen=True):
    """The actor's signing window: whether the account has a second factor, until when it is open, and for how many."""

    has_second_factor: bool
    until: datetime | None
    left: int


def signing_limits(house: House) -> tuple[int, int]:
    """`(minutes, signatures)` of one signing window."""
    return (house.settings.signing_minutes, house.settings.signing_count) if house.settings else (30, 200)


def signing_window(db: Session) -> SigningWindow:
    """The actor's signing window at this moment."""
    until = signing_until(db)
    left = db.scalar(select(SignIn.signing_left).where(SignIn.token_hash == actor_of(db).session_id)) if until else 0
    staff = db.get_one(Staff, actor_of(db).staff_id)
    return SigningWindow(bool(staff.totp_secret), until, left or 0)


def open_signing_window(house: House, actor: Actor, code: str, terminal: str) -> datetime:
    """Opens the signing window of this session with a second factor (decision 18). Five wrong codes lock for 15 minutes."""
    if actor.must_change_password:
        raise Forbidden("auth.password_must_change", "首次登录或密码到期,请先修改密码", "请打开“修改密码”页面设置新密码")
    now = house.clock.now()
    subject = f"code:{actor.login}"
    with house.unit(actor) as db:
        db.info["terminal"] = terminal
        staff = db.get_one(Staff, actor.staff_id, with_for_update={"key_share": True})  # side by side they take turns
        lately = SignInFailure.at >= now - timedelta(hours=1)
        failures = db.scalars(select(SignInFailure.at).where(SignInFailure.subject == subject, lately)).all()
        if rules.locked_until(failures, now):
            raise Refused("auth.locked", "动态码错误次数过多,签名已临时锁定", "请 15 分钟后再试", "code")
        is_right = _use_code(db, house, staff, code)
        minutes, left = signing_limits(house)
        until = now + timedelta(minutes=minutes)
        if is_right:
            own = update(SignIn).where(SignIn.token_hash == actor.session_id)
            db.execute(own.values(signing_until=until, signing_left=left))
            db.execute(delete(SignInFailure).where(SignInFailure.subject == subject))
        else:
            db.add(SignInFailure(id=house.ids.new(), subject=subject, at=now, reason="code"))
        audit.note(db, "auth.open_signing", subject=f"staff:{actor.login}", result="ok" if is_right else "refused")
    if not is_right:
        raise Refused("auth.code_wrong", "动态码不正确或已使用过", "请等待新的动态码后重试", "code")
    return until


def signing_until(db: Session) -> datetime | None:
    """Until when the actor's signing window is open; None when it is closed."""
    row = db.execute(
        select(SignIn.signing_until, SignIn.signing_left).where(SignIn.token_hash == actor_of(db).session_id)
    ).first()
    if row is None or not rules.is_signing_open(row.signing_until, row.signing_left, house_of(db).clock.now()):
        return None
    until: datetime = row.signing_until
    return until


def use_signature(db: Session) -> None:
    """Uses one signature of the open window. Refuses when the window is closed or used up."""
    won = db.execute(
        update(SignIn)
        .where(
            SignIn.token_hash == actor_of(db).session_id,
            SignIn.signing_left > 0,
            SignIn.signing_until > house_of(db).clock.now(),
        )
        .values(signing_left=SignIn.signing_left - 1)
    )  # fmt: skip
    if won.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused("auth.signing_closed", "签名需要先输入动态码", "请在“开启签名”中输入动态码后再签名", "code")

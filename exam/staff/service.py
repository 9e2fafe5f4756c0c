"""Sessions, who a session token belongs to with which rights, the second factor, and the signing window."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import msgspec
from sqlalchemy import Uuid, bindparam, case, column, delete, func, insert, select, table, update
from sqlalchemy.orm import Session

from exam.kit import audit, auth
from exam.kit.errors import Forbidden, NotSignedIn, Refused
from exam.kit.house import Actor, House, actor_of, house_of
from exam.kit.prepared import PreparedStatement
from exam.staff import rules
from exam.staff.models import Grant, RolePermission, SignIn, SignInFailure, Staff, UsedCode
from exam.staff.passwords import must_change

TOUCH_AFTER = timedelta(seconds=60)


def open_session(db: Session, staff_id: UUID, terminal: str) -> str:
    """A new session with a server-made 256-bit id; the database keeps only its hash."""
    house = house_of(db)
    token = base64.urlsafe_b64encode(house.random.token_bytes(32)).decode().rstrip("=")
    now = house.clock.now()
    is_over = SignIn.created_at < now - session_limits(house).absolute
    db.execute(delete(SignIn).where(SignIn.staff_id == staff_id, is_over))  # or dead ones would pile up for ever
    db.execute(
        insert(SignIn).values(
            token_hash=token_hash(token), staff_id=staff_id, created_at=now, last_seen_at=now, terminal=terminal,
            signing_until=None, signing_left=0,
        )
    )  # fmt: skip
    return token


def token_hash(token: str) -> bytes:
    """What the database keeps of a session's token."""
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
# The table of messages, a room above this one: how many notices wait is asked with the session, not in a statement of its own.
_UNREAD = table("exam_notice_unread", column("staff_id", Uuid()))
_SESSION = PreparedStatement(
    select(
        SignIn.token_hash, SignIn.created_at, SignIn.last_seen_at, Staff.id, Staff.login, Staff.name, Staff.site, Staff.title,
        Staff.kind, Staff.active, Staff.password_changed_at, Staff.password_must_change,
        case((Staff.kind == "staff", _OWN_RIGHTS), else_=_KIND_RIGHTS).label("rights"),
        select(func.count()).select_from(_UNREAD).where(_UNREAD.c.staff_id == Staff.id).correlate(Staff).scalar_subquery().label("unread"),
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
    row = _SESSION.first(db, hash=token_hash(token))
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
        must_change_password=must_change(house, row), unread=row.unread,
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


def sessions_of(db: Session, staff_id: UUID, but: bytes = b"") -> list[LiveSession]:
    """An account's live sessions, the latest first; `but` is the id of one that is left out."""
    house = house_of(db)
    limits, now = session_limits(house), house.clock.now()
    columns = select(SignIn.token_hash, SignIn.created_at, SignIn.last_seen_at, SignIn.terminal)
    return [
        LiveSession(row.created_at, row.last_seen_at, row.terminal)
        for row in db.execute(columns.where(SignIn.staff_id == staff_id).order_by(SignIn.last_seen_at.desc()))
        if bytes(row.token_hash) != but and rules.is_session_alive(row.created_at, row.last_seen_at, now, limits)
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


def end_session(db: Session, token: str) -> None:
    """Ends the session of one token."""
    db.execute(delete(SignIn).where(SignIn.token_hash == token_hash(token)))


def end_other_sessions(db: Session) -> None:
    """Signs the actor's account out everywhere but here."""
    actor = actor_of(db)
    db.execute(delete(SignIn).where(SignIn.staff_id == actor.staff_id, SignIn.token_hash != actor.session_id))
    audit.note(db, "auth.end_other_sessions", subject=f"staff:{actor.login}")


# --- second factor ---------------------------------------------------------------------------------------------------


def secret_of(house: House, staff: Staff) -> str:
    """An account's TOTP secret in plain text."""
    return house.cipher.open(staff.totp_secret, f"exam_staff.totp_secret:{staff.id}")


def use_code(db: Session, house: House, staff: Staff, code: str) -> bool:
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
        is_right = use_code(db, house, staff, code)
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

"""What proves who somebody is: signing in, the lock after wrong guesses, and the change of one's own password."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from exam.kit import audit, auth
from exam.kit.clock import local
from exam.kit.errors import BadInput, Refused
from exam.kit.house import Actor, House
from exam.staff import rules, service
from exam.staff.models import AccountChange, AccountUse, SignInFailure, Staff
from exam.staff.passwords import (
    HASHER,
    days_left,
    is_password,
    must_change,
    password_profile,
    remembered,
    require_allowed,
    store_password,
    unknown_hash,
)
from exam.staff.service import LiveSession

FAILED_TEXT = "用户名、密码或动态码不正确"
FAILED_HINT = "请核对后重试;连续 5 次失败将锁定 15 分钟"
LONGEST_TYPED = 256


class SignedIn(msgspec.Struct, frozen=True):
    """A fresh session: the cookie's token, the CSRF token that its pages carry, and what its owner is to be told.

    `others` are the account's other live sessions; `password_days_left` is None while there is no need to warn.
    """

    token: str
    csrf: str
    name: str
    must_change_password: bool
    others: tuple[LiveSession, ...] = ()
    password_days_left: int | None = None


def sign_in(house: House, login: str, password: str, code: str, terminal: str, replaces: str = "") -> SignedIn:
    """Checks name, password and, for administrators, the second factor, and opens a session with a new id.

    The password is hashed outside any transaction. Failures count against the name and against the address. `replaces` is
    the token of the session that this browser carried so far; it ends. Other sessions of the account go on: they are shown
    to the person and flagged in the audit (reliability.md AC-02).
    """
    name = rules.normalise_login(login)[:100]
    if not name or not password or len(password) > LONGEST_TYPED:
        raise Refused("auth.sign_in_failed", FAILED_TEXT, FAILED_HINT, "login")
    now = house.clock.now()
    with house.unit(None, write=False) as db:
        staff = db.scalar(select(Staff).where(Staff.login == name))
        if staff is not None:
            db.expunge(staff)  # what was read stays readable after this unit
        require_unlocked(db, name, terminal, now)
    is_right = is_password(staff.password_hash if staff else unknown_hash(house), password) and staff is not None
    if staff is None or (staff.password_must_change and staff.password_expires_at and staff.password_expires_at < now):
        is_right = False
    closed = ""
    others: tuple[LiveSession, ...] = ()
    with house.unit(None) as db:
        db.info["terminal"] = terminal
        if staff is not None:
            is_same, is_active = _take_turn(db, staff, terminal, now)
            is_right = is_right and is_same
            if is_right and staff.kind != "staff":
                is_right = service.use_code(db, house, staff, code)
            closed = "" if is_active or not is_right else _closed(db, staff)
        if not is_right or staff is None:
            _count_failure(db, name, terminal, now)
            audit.note(db, "auth.sign_in", subject=f"login:{hashlib.sha256(name.encode()).hexdigest()[:12]}", result="refused")
        elif closed:
            audit.note(db, "auth.sign_in", subject=f"staff:{staff.login}", reason=closed, result="refused")
        else:
            token, others = _open(db, staff, terminal, replaces)
    if not is_right or staff is None:
        raise Refused("auth.sign_in_failed", FAILED_TEXT, FAILED_HINT, "login")
    if closed:
        raise Refused("auth.disabled", closed, "请联系系统管理员重新启用")
    return SignedIn(token, _csrf(house, token), staff.name, must_change(house, staff), others, days_left(house, staff))


def _take_turn(db: Session, staff: Staff, terminal: str, now: datetime) -> tuple[bool, bool]:
    """Whether the account still has the password that was compared, and whether it is active.

    Guesses that were sent side by side take turns here, and those behind the fifth wrong one count for nothing.
    """
    turn = select(Staff.password_hash, Staff.active).where(Staff.id == staff.id).with_for_update(key_share=True)
    row = db.execute(turn).one()
    require_unlocked(db, staff.login, terminal, now)
    return row.password_hash == staff.password_hash, row.active


def _open(db: Session, staff: Staff, terminal: str, replaces: str) -> tuple[str, tuple[LiveSession, ...]]:
    db.execute(delete(SignInFailure).where(SignInFailure.subject == f"login:{staff.login}"))
    if replaces:
        service.end_session(db, replaces)
    others = tuple(service.sessions_of(db, staff.id))
    token = service.open_session(db, staff.id, terminal)
    mark_used(db, staff)
    db.info["actor"] = Actor(staff_id=staff.id, login=staff.login, name=staff.name, site=staff.site)
    told = ";".join(f"{local(each.created_at):%Y-%m-%d %H:%M} {each.terminal}" for each in others[:5])
    if others:
        audit.note(db, "auth.sign_in_second", subject=f"staff:{staff.login}", reason=f"该账号另有 {len(others)} 处登录:{told}")
    else:
        audit.note(db, "auth.sign_in", subject=f"staff:{staff.login}")
    return token, others


def mark_used(db: Session, staff: Staff) -> None:
    """Notes that an account is used now; an account that is not is disabled after a time (`upkeep`)."""
    now = db.info["house"].clock.now()
    own = update(AccountUse).where(AccountUse.staff_id == staff.id).values(used_at=now)
    if db.execute(own).rowcount == 0:  # type: ignore[attr-defined]
        db.execute(insert(AccountUse).values(staff_id=staff.id, used_at=now))


def _closed(db: Session, staff: Staff) -> str:
    """Why an account is disabled, in words for its owner, who has just proved to be that."""
    closings = select(AccountChange.reason).where(AccountChange.staff_id == staff.id, AccountChange.reason != "")
    reason = db.scalar(closings.order_by(AccountChange.id.desc()).limit(1))
    if reason == rules.Closed.UNUSED:
        days = password_profile(db.info["house"]).unused_days
        return f"该账号连续 {days} 天未登录,已自动停用" if days else "该账号长期未登录,已自动停用"
    return f"该账号已停用({rules.CLOSED_NAMES[rules.Closed(reason)]})" if reason else "该账号已停用"


def _csrf(house: House, token: str) -> str:
    return auth.csrf_token(house.keys["tokens"], service.token_hash(token))


# --- the lock after wrong guesses ------------------------------------------------------------------------------------


def require_unlocked(db: Session, name: str, terminal: str, now: datetime) -> None:
    """Refuses while a name or an address is locked for its wrong passwords."""
    for subject in (f"login:{name}", f"address:{terminal}"):
        limits = rules.LOCK_LIMITS if subject.startswith("login:") else rules.LockLimits(failures=50)
        lately = SignInFailure.at >= now - timedelta(hours=1)
        failures = db.scalars(select(SignInFailure.at).where(SignInFailure.subject == subject, lately)).all()
        if rules.locked_until(failures, now, limits):
            raise Refused("auth.locked", "密码错误次数过多,账号已临时锁定", "请 15 分钟后再试,或联系系统管理员", "login")


def _count_failure(db: Session, name: str, terminal: str, now: datetime) -> None:
    for subject in (f"login:{name}", f"address:{terminal}"):
        db.add(SignInFailure(id=db.info["house"].ids.new(), subject=subject, at=now, reason="password"))


# --- one's own password ----------------------------------------------------------------------------------------------


def change_password(house: House, actor: Actor, old: str, new: str, terminal: str) -> SignedIn:
    """Changes the actor's own password, ends all sessions of the account and opens a new one.

    A wrong old password counts towards the lock as a wrong one at sign-in does, and stays counted though the change is
    refused; whoever finds a screen left open must not try passwords there at leisure.
    """
    now = house.clock.now()
    with house.unit(actor, write=False) as db:
        staff = db.get_one(Staff, actor.staff_id)
        earlier = remembered(db, staff)
        db.expunge(staff)
        require_unlocked(db, staff.login, terminal, now)
    is_right = len(old) <= LONGEST_TYPED and is_password(staff.password_hash, old)
    problem: BadInput | None = None
    hashed = ""
    if is_right:
        try:
            require_allowed(house, staff, new, earlier)
            hashed = HASHER.hash(new)
        except BadInput as refused:
            problem = refused
    with house.unit(actor) as db:
        db.info["terminal"] = terminal
        is_same, _ = _take_turn(db, staff, terminal, now)
        is_right = is_right and is_same
        if not is_right:
            _count_failure(db, staff.login, terminal, now)
            audit.note(db, "auth.change_password", subject=f"staff:{staff.login}", result="refused")
        elif problem is None:
            staff = db.get_one(Staff, staff.id)
            store_password(db, staff, hashed)
            db.execute(delete(SignInFailure).where(SignInFailure.subject == f"login:{staff.login}"))
            service.end_sessions(db, staff.id)
            audit.note(db, "auth.change_password", subject=f"staff:{staff.login}")
            token = service.open_session(db, staff.id, terminal)
    if not is_right:
        raise BadInput([("old", "原密码不正确")], code="auth.old_password")
    if problem is not None:
        raise problem
    return SignedIn(token, _csrf(house, token), staff.name, must_change_password=False)

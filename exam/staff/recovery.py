"""Recovery of somebody who lost the second factor: one administrator asks, another approves, and neither can do it alone.

The system administrator asks (and can only reset passwords), the security administrator approves and hands over the new
second factor (and can reset no password). A password that is lost too dies with the approval; the new one comes from the
system administrator. So no administrator ever holds both. The administrators themselves are recovered on the server.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from exam.kit import audit
from exam.kit.errors import NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.staff import accounts, rules
from exam.staff.models import Recovery, RecoveryDecision, Staff
from exam.staff.passwords import HASHER, store_password
from exam.staff.rules import RecoveryState

LONGEST_REASON = 200
SHOWN = 30


class Request(msgspec.Struct, frozen=True):
    """A request for recovery as the administrators' screens show it; `is_own` is one that the reader asked for."""

    id: UUID
    staff_id: UUID
    login: str
    name: str
    title: str
    is_password_lost: bool
    reason: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    state: RecoveryState
    decided_by: str
    decided_at: datetime | None
    is_own: bool

    @property
    def state_name(self) -> str:
        """The state in Chinese."""
        return rules.RECOVERY_NAMES[self.state]


def ask(db: Session, staff_id: UUID, is_password_lost: bool, reason: str) -> UUID:
    """Asks for a recovery of a member of staff; nothing of the account changes yet. It can be approved for 24 hours."""
    house, actor = house_of(db), actor_of(db)
    staff = accounts.get(db, staff_id)
    if staff.kind != "staff":
        raise Refused("staff.recovery_administrator", "管理员账号不在此恢复", "请在服务器上用 exam staff 命令办理")
    if not staff.totp_secret:
        raise Refused("staff.recovery_needless", "该账号没有启用动态码,不需要双人恢复", "请直接重置密码或启用动态码")
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise Refused(
            "staff.recovery_reason", f"恢复原因不能为空且不超过 {LONGEST_REASON} 字", "请填写原因和核对身份的方式", "reason"
        )
    _lock(db, staff.id)
    if any(each.state is RecoveryState.OPEN for each in of_account(db, staff.id)):
        raise Refused("staff.recovery_open", "该账号已有待批准的恢复申请", "请等待安全管理员批准,或先撤回")
    now = house.clock.now()
    request = Recovery(
        id=house.ids.new(), site=staff.site, staff_id=staff.id, is_password_lost=is_password_lost, reason=reason,
        asked_by=actor.staff_id, asked_at=now, expires_at=now + rules.RECOVERY_LIFE,
    )  # fmt: skip
    db.add(request)
    audit.note(db, "staff.ask_recovery", subject=f"staff:{staff.login}", reason=reason)
    return request.id


def approve(db: Session, recovery_id: UUID) -> tuple[UUID, str]:
    """Gives the account a new second factor and ends its sessions; returns whose it is and the `otpauth:` address, once.

    A password that was lost as well is dead from now on. Refuses the one who asked, and a request that is no longer open.
    """
    house, actor = house_of(db), actor_of(db)
    request, staff = _open(db, recovery_id)
    if actor.staff_id is None or request.asked_by == actor.staff_id:
        _refuse_alone(db, staff.login)
    _decide(db, request, "approved")
    if request.is_password_lost:
        unknown = HASHER.hash(house.random.token_bytes(32).hex())
        store_password(db, staff, unknown, must_change=True, expires_at=house.clock.now())
    address = accounts.give_second_factor(db, staff)
    audit.note(db, "staff.approve_recovery", subject=f"staff:{staff.login}", reason=request.reason)
    return staff.id, address


def refuse(db: Session, recovery_id: UUID) -> None:
    """Turns a request down."""
    request, staff = _open(db, recovery_id)
    _decide(db, request, "refused")
    audit.note(db, "staff.refuse_recovery", subject=f"staff:{staff.login}")


def withdraw(db: Session, recovery_id: UUID) -> UUID:
    """Takes a request back; any system administrator of the site may. Returns whose account it is about."""
    request, staff = _open(db, recovery_id)
    _decide(db, request, "withdrawn")
    audit.note(db, "staff.withdraw_recovery", subject=f"staff:{staff.login}")
    return staff.id


def _open(db: Session, recovery_id: UUID) -> tuple[Recovery, Staff]:
    """An open request of the actor's site and its account, locked: two administrators at once take turns."""
    request = db.get(Recovery, recovery_id)
    if request is None or request.site != actor_of(db).site:
        raise NotFound("没有找到该恢复申请", "请刷新页面后重试")
    _lock(db, request.staff_id)
    outcome = db.scalar(select(RecoveryDecision.outcome).where(RecoveryDecision.recovery_id == request.id))
    state = rules.recovery_state(outcome, request.expires_at, house_of(db).clock.now())
    if state is not RecoveryState.OPEN:
        text = f"该恢复申请{rules.RECOVERY_NAMES[state]}"
        raise Refused("staff.recovery_closed", text, "请刷新页面;如仍需恢复,请由系统管理员重新申请")
    return request, accounts.get(db, request.staff_id)


def _lock(db: Session, staff_id: UUID) -> None:
    db.execute(select(Staff.id).where(Staff.id == staff_id).with_for_update(key_share=True))


def _decide(db: Session, request: Recovery, outcome: str) -> None:
    db.add(
        RecoveryDecision(
            recovery_id=request.id, asked_by=request.asked_by, outcome=outcome, decided_by=actor_of(db).staff_id,
            decided_at=house_of(db).clock.now(),
        )
    )  # fmt: skip


def _refuse_alone(db: Session, login: str) -> None:
    """Refuses an approval of one's own request; the attempt stays in the audit though the unit of work is undone."""
    house, actor, terminal = house_of(db), actor_of(db), db.info.get("terminal", "")
    db.rollback()
    with house.unit(actor) as own:
        own.info["terminal"] = terminal
        audit.note(own, "staff.approve_recovery", subject=f"staff:{login}", result="refused")
    raise Refused("staff.recovery_alone", "申请人不能批准自己的申请", "请由另一位管理员批准")


# --- reading ---------------------------------------------------------------------------------------------------------


def of_account(db: Session, staff_id: UUID) -> list[Request]:
    """An account's requests, the latest first."""
    return _requests(db, _listing().where(Recovery.staff_id == staff_id).limit(SHOWN))


def latest(db: Session) -> list[Request]:
    """The latest requests of the actor's site."""
    return _requests(db, _listing().where(Recovery.site == actor_of(db).site).limit(SHOWN))


def count_open(db: Session) -> int:
    """How many requests of the actor's site wait for an approval."""
    undecided = ~select(RecoveryDecision.recovery_id).where(RecoveryDecision.recovery_id == Recovery.id).exists()
    own = Recovery.site == actor_of(db).site, Recovery.expires_at > house_of(db).clock.now()
    return db.scalar(select(func.count()).select_from(Recovery).where(*own, undecided)) or 0


_ASKER, _DECIDER = aliased(Staff), aliased(Staff)


def _listing() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Recovery, Staff.login, Staff.name, Staff.title, _ASKER.name, RecoveryDecision.outcome, RecoveryDecision.decided_at,
            _DECIDER.name,
        )
        .join(Staff, Staff.id == Recovery.staff_id)
        .join(_ASKER, _ASKER.id == Recovery.asked_by)
        .outerjoin(RecoveryDecision, RecoveryDecision.recovery_id == Recovery.id)
        .outerjoin(_DECIDER, _DECIDER.id == RecoveryDecision.decided_by)
        .order_by(Recovery.asked_at.desc(), Recovery.id.desc())
    )  # fmt: skip


def _requests(db: Session, listing: Select[*tuple[Any, ...]]) -> list[Request]:
    now, reader = house_of(db).clock.now(), actor_of(db).staff_id
    return [
        Request(
            id=row.id, staff_id=row.staff_id, login=login, name=name, title=title, is_password_lost=row.is_password_lost,
            reason=row.reason, asked_by=asker, asked_at=row.asked_at, expires_at=row.expires_at,
            state=rules.recovery_state(outcome, row.expires_at, now), decided_by=decider or "", decided_at=decided_at,
            is_own=row.asked_by == reader,
        )
        for row, login, name, title, asker, outcome, decided_at, decider in db.execute(listing)
    ]  # fmt: skip

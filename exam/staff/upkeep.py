"""What the worker does for accounts: disables those that nobody uses, and removes old sign-in failures."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.house import House, system_actor
from exam.kit.module import Job
from exam.staff import accounts, rules
from exam.staff.models import AccountUse, SignInFailure, Staff
from exam.staff.passwords import password_profile

HOUR = 3600.0
MOST_DISABLED = 200
"""How many accounts one run looks at; the next run takes the rest."""

FAILURES_KEPT = timedelta(days=7)
"""The lock looks back one hour; a week leaves time to look into a series of guesses. The audit keeps each refusal anyway."""

PURGED_AT_ONCE = 500
MOST_PURGES = 40
"""So one run removes at most 20,000 failures, never more than 500 in one transaction."""

_USED_AT = func.coalesce(AccountUse.used_at, Staff.created_at)


def disable_unused(house: House) -> None:
    """Disables the accounts that nobody signed in to for the policy's time (AC-02).

    Each account is a unit of work of its own. The last active administrator of a kind stays, so that a centre that was
    closed for long can be opened again from within. Where nobody at all signed in for that time, the centre was closed or the
    clock is wrong: then nobody is disabled.
    """
    days = password_profile(house).unused_days
    if days is None:
        return
    before = house.clock.now() - timedelta(days=days)
    unused = (
        select(Staff.id, Staff.site)
        .outerjoin(AccountUse, AccountUse.staff_id == Staff.id)
        .where(Staff.active.is_(True), before >= _USED_AT)
        .order_by(_USED_AT, Staff.id)
        .limit(MOST_DISABLED)
    )
    with house.unit(system_actor(house.site), write=False) as db:
        newest = db.scalar(select(func.max(AccountUse.used_at)))
        if newest is None or newest <= before:
            return
        found = db.execute(unused).all()
    for staff_id, site in found:
        with house.unit(system_actor(site)) as db:
            staff = db.get_one(Staff, staff_id, with_for_update=True)
            used_at = db.scalar(select(AccountUse.used_at).where(AccountUse.staff_id == staff_id)) or staff.created_at
            if not staff.active or used_at > before or _is_last(db, staff):
                continue
            accounts.switch(db, staff, False, rules.Closed.UNUSED)
            audit.note(db, "staff.disable_unused", subject=f"staff:{staff.login}", reason=f"连续 {days} 天未登录")


def _is_last(db: Session, staff: Staff) -> bool:
    """Whether an account is the only active administrator of its kind at its site."""
    if staff.kind == "staff":
        return False
    same = Staff.kind == staff.kind, Staff.site == staff.site, Staff.active.is_(True), Staff.id != staff.id
    others: list[UUID] = list(db.scalars(select(Staff.id).where(*same).order_by(Staff.id).with_for_update()))
    return not others


def purge_failures(house: House) -> None:
    """Removes sign-in failures older than a week, in small transactions, the oldest first."""
    before = house.clock.now() - FAILURES_KEPT
    oldest = select(SignInFailure.id).where(SignInFailure.at < before).order_by(SignInFailure.id).limit(PURGED_AT_ONCE)
    for _ in range(MOST_PURGES):
        with house.unit(system_actor(house.site)) as db:
            ids = list(db.scalars(oldest))
            if ids:
                db.execute(delete(SignInFailure).where(SignInFailure.id.in_(ids)))
        if len(ids) < PURGED_AT_ONCE:
            break


JOBS = (Job("disable_unused", HOUR, disable_unused), Job("purge_failures", HOUR, purge_failures))

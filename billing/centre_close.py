"""The centre's close: finance closes a day of all cashiers for good, once every drawer with bookings of it is counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing import closed_rows, day_close, takings
from billing import day_close_rules as rules
from billing.booking_days import open_day
from billing.day_close_models import CentreClose, DayClose, OpenDay
from billing.day_close_rules import Documents, Statement
from billing.invoice_facts import NumberUse
from billing.models import LedgerTransaction
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import Refused
from exam.kit.house import actor_of, crash_point, house_of


class CentreDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day of the centre before or after its close."""

    day: date
    statement: Statement
    closes: tuple[day_close.Closed, ...]
    waiting: tuple[UUID, ...]
    """Drawers with bookings of the day, or of one before, that are not counted."""
    closed_at: datetime | None = None
    closed_by: UUID | None = None
    digest: str = ""


def day_of_centre(db: Session, day: date) -> CentreDay:
    """The centre's sums of a day with the closes they rest on."""
    site = actor_of(db).site
    row = db.scalar(select(CentreClose).where(CentreClose.site == site, CentreClose.day == day))
    booked = (
        select(LedgerTransaction.drawer_id)
        .where(LedgerTransaction.site == site, LedgerTransaction.drawer_id.is_not(None))
        .distinct()
    )
    of_day = set(db.scalars(booked.where(LedgerTransaction.booked_on == day)))
    closes = tuple(day_close.closes_where(db, DayClose.drawer_id.in_(of_day), live_only=True))
    is_waiting = (LedgerTransaction.booked_on <= day, LedgerTransaction.drawer_id.in_(day_close.uncounted(site)))
    waiting = sorted(each for each in db.scalars(booked.where(*is_waiting)) if each is not None)
    statement = msgspec.json.decode(row.statement, type=Statement) if row is not None else _centre_statement(db, day, closes)
    return CentreDay(
        day=day, statement=statement, closes=closes, waiting=tuple(waiting), closed_at=row.at if row else None,
        closed_by=row.actor_id if row else None, digest=bytes(row.digest).hex() if row else "",
    )  # fmt: skip


def _centre_statement(db: Session, day: date, closes: Sequence[day_close.Closed]) -> Statement:
    found = takings.of_period(db, day, day)
    receipts = [each.statement.receipts for each in closes]
    uses = [each.statement.invoices for each in closes]
    return Statement(
        methods=tuple(day_close.method_sums(found)), purposes=tuple(day_close.purpose_sums(found)),
        receipts=Documents(
            sum(each.payments for each in receipts), sum(each.refunds for each in receipts), sum(each.voids for each in receipts),
            min((each.first_no for each in receipts if each.first_no), default=""),
            max((each.last_no for each in receipts if each.last_no), default=""), tuple(no for each in receipts for no in each.void_nos),
        ),
        invoices=NumberUse(
            tuple(run for each in uses for run in each.used), tuple(run for each in uses for run in each.void),
            sum(each.count for each in uses), sum(each.void_count for each in uses),
        ),
        pending=tuple(one for each in closes for one in each.statement.pending), closes=tuple(each.close_no for each in closes),
    )  # fmt: skip


def close(db: Session, day: date) -> UUID:
    """Closes a day of the whole centre for good, once every drawer with bookings of it is counted; what comes later counts on the next.

    Refuses a day that is closed, one before which another is open, one that has not begun, and sums that the ledger does not show.
    """
    house, actor = house_of(db), actor_of(db)
    site, now = actor.site, house.clock.now()
    open_day(db, site)  # the site's row exists from here on
    day_close.hold_site(db, site)
    through = day_close.closed_through(db, site)
    if through is not None and day <= through:
        raise Refused("billing.centre_closed_already", f"{day} 已全院日结", "请刷新页面查看")
    if day > day_of(now):
        raise Refused("billing.day_not_begun", f"{day} 尚未到来,不能日结", "请核对日期;若日期无误,请系统管理员核对服务器时间")
    last = db.scalar(select(func.max(LedgerTransaction.at)).where(LedgerTransaction.site == site))
    rules.require_clock(now, [last] if last is not None else [])
    earliest = None  # the first close may be of any day: what was before it is before the day closes began
    if through is not None:
        between = (LedgerTransaction.booked_on > through, LedgerTransaction.booked_on < day)
        earliest = db.scalar(select(func.min(LedgerTransaction.booked_on)).where(LedgerTransaction.site == site, *between))
    if earliest is not None:
        raise Refused("billing.earlier_day_open", f"{earliest} 尚未全院日结", "请按日期先结更早的一天")
    found = day_of_centre(db, day)
    if found.waiting:
        raise Refused("billing.drawers_open", f"还有 {len(found.waiting)} 个班次未日结", "请通知收费员日结,或由财务代结后再办理")
    crash_point(house, "centre_close")
    close_id = house.ids.new()
    row = {
        "id": close_id, "site": site, "day": day, "statement": msgspec.json.encode(found.statement).decode(),
        "digest": closed_rows.digest_of_day(db, site, day), "at": now, "actor_id": actor.staff_id,
    }  # fmt: skip
    try:
        with db.begin_nested():
            insert_rows(db, CentreClose, [row])
    except IntegrityError:
        raise Refused("billing.centre_closed_already", f"{day} 已全院日结", "请刷新页面查看") from None
    db.get_one(OpenDay, site).day = date.fromordinal(day.toordinal() + 1)
    db.flush()
    audit.note(db, "billing.centre_close", subject=f"day:{day}")
    return close_id


def closed_days(db: Session, most: int = 60) -> list[tuple[date, datetime, UUID | None]]:
    """The last days that the centre closed, newest first: day, when and by whom."""
    rows = db.execute(
        select(CentreClose.day, CentreClose.at, CentreClose.actor_id)
        .where(CentreClose.site == actor_of(db).site)
        .order_by(CentreClose.day.desc())
        .limit(most)
    )
    return [(row.day, row.at, row.actor_id) for row in rows]


def next_day_to_close(db: Session) -> date:
    """The first day with bookings after the last close; before the first close, the first day that a cashier booked on."""
    site = actor_of(db).site
    through = day_close.closed_through(db, site)
    is_next = LedgerTransaction.drawer_id.is_not(None) if through is None else LedgerTransaction.booked_on > through
    found = db.scalar(select(func.min(LedgerTransaction.booked_on)).where(LedgerTransaction.site == site, is_next))
    return found or day_of(house_of(db).clock.now())

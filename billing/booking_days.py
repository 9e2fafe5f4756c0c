"""On which day a booking counts: today, or the first day after it that nobody has closed."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing.day_close_models import DayClose, OpenDay
from billing.receipt_models import DrawerRow
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.house import house_of
from exam.kit.prepared import PreparedStatement

_OPEN_DAY = PreparedStatement(select(OpenDay.day).where(OpenDay.site == bindparam("of_site")).with_for_update(read=True))
_CLOSED_BY_CASHIER = PreparedStatement(
    select(func.max(DayClose.day).label("closed_on"))
    .join(DrawerRow, (DrawerRow.site == DayClose.site) & (DrawerRow.cashier_id == DayClose.cashier_id))
    .where(DrawerRow.id == bindparam("of_drawer"))
)


def open_day(db: Session, site: str, drawer_id: UUID | None = None) -> date:
    """The day that a booking of this moment counts on: after every day that the centre, or the drawer's cashier, has closed.

    A clock that was set back therefore books into no closed day. The answer is held until the transaction ends: the centre's close
    waits for what is being booked, and the other way round.
    """
    day = max(day_of(house_of(db).clock.now()), _of_centre(db, site))
    if drawer_id is not None:
        closed = _CLOSED_BY_CASHIER.first(db, of_drawer=drawer_id)
        if closed is not None and closed.closed_on is not None:
            day = max(day, closed.closed_on + timedelta(days=1))
    return day


def _of_centre(db: Session, site: str) -> date:
    found = _OPEN_DAY.first(db, of_site=site)
    if found is not None:
        return found.day  # type: ignore[no-any-return]
    day = day_of(house_of(db).clock.now())
    try:
        with db.begin_nested():
            insert_rows(db, OpenDay, [{"site": site, "day": day}])
    except IntegrityError:  # somebody else made the site's first booking in between
        opened = _OPEN_DAY.first(db, of_site=site)
        assert opened is not None
        return opened.day  # type: ignore[no-any-return]
    return day

"""Screens of booking: the month with its places, the form for one day, and how many places a day has."""

from __future__ import annotations

import re
from datetime import date, timedelta

from litestar.params import FromQuery

from exam.kit import web
from exam.kit.errors import Refused
from registration import board, service
from registration.facts import Tile
from registration.forms import AnyRequest, CapacityForm, FormData, read


@web.get("/registration/bookings", may="registration.book")
def show_bookings(
    request: AnyRequest, db: web.Db, month: FromQuery[str] = "", day: FromQuery[date | None] = None, page: FromQuery[int] = 1
) -> web.Page:
    """A month of places, and the chosen day's bookings."""
    today = service.today_of(db)
    first = month_of(month) if month else (day or today).replace(day=1)
    days = board.calendar(db, first.year, first.month)
    listed = board.day_list(db, day, Tile.BOOKED, page) if day else None
    before, after = (first - timedelta(days=1)).replace(day=1), (first + timedelta(days=32)).replace(day=1)
    return web.page(
        db, "registration/bookings.html", first=first, days=days, blanks=first.weekday(), day=day, today=today, listed=listed,
        before=f"{before:%Y-%m}", after=f"{after:%Y-%m}", usual=service.default_capacity(db),
        places=next((each for each in days if each.day == day), None), is_open=day is not None and day >= today,
        url=f"/registration/bookings?day={day.isoformat() if day else ''}",
    )  # fmt: skip


@web.post("/registration/capacity", may="registration.capacity")
def set_capacity(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """How many places a day has, or every day without a number of its own."""
    form = read(data, CapacityForm)
    service.set_capacity(db, form.day, form.capacity)
    return web.back_to(db, f"/registration/bookings{f'?day={form.day.isoformat()}' if form.day else ''}", toast="已保存名额")


def month_of(text: str) -> date:
    """The first day of a month written 2026-11."""
    found = re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", text)
    if found is None:
        raise Refused("registration.month", f"月份“{text[:10]}”格式不正确", "请使用年-月,例如 2026-11", "month")
    return date(int(found[1]), int(found[2]), 1)


routes = (show_bookings, set_capacity)

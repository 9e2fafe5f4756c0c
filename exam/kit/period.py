"""Periods of whole days on the centre's calendar, and the months in them. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import msgspec

from exam.kit.clock import CENTRE_ZONE


class Period(msgspec.Struct, frozen=True):
    """Whole days from `since` to `until`, and the months in it."""

    since: date
    until: date

    @property
    def months(self) -> tuple[str, ...]:
        """`2026-11`, oldest first."""
        found, day = [], self.since.replace(day=1)
        while day <= self.until:
            found.append(f"{day:%Y-%m}")
            day = (day + timedelta(days=32)).replace(day=1)
        return tuple(found)


def start_of(day: date) -> datetime:
    """The centre's midnight."""
    return datetime.combine(day, time(), CENTRE_ZONE)


def day_after(day: date) -> datetime:
    """The midnight that ends a day."""
    return start_of(day + timedelta(days=1))


def first_of_month(day: date, months: int = 0) -> date:
    """The first day of a day's month, or of one so many months later."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)

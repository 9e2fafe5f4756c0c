"""The working calendar as frozen structs: the special days of a year as somebody entered them, and the calendar that clocks ask."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec

from exam.kit.clock import local


class SpecialDay(msgspec.Struct, frozen=True):
    """A day that is not what its weekday says: off (放假), or a weekend day that is worked instead (调休上班)."""

    on: date
    is_off: bool
    name: str


class CalendarVersion(msgspec.Struct, frozen=True):
    """The special days of one year as they were entered once: nothing of it changes, the next version takes its place.

    `approved_by` is empty until somebody other than the author compared it with the official notice.
    """

    id: UUID
    year: int
    version: int
    days: tuple[SpecialDay, ...]
    source: str
    reason: str
    author: str
    author_id: UUID | None
    at: datetime
    approved_by: str = ""
    approved_at: datetime | None = None


class WorkCalendar(msgspec.Struct, frozen=True):
    """What clocks ask: the days off and the worked weekend days of the years that are entered.

    Of a year that is not, only the weekends are known; `missing` says so.
    """

    off: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()
    years: frozenset[int] = frozenset()

    def is_working(self, day: date) -> bool:
        """Whether people work on that day."""
        return day in self.worked or (day.weekday() < 5 and day not in self.off)

    def add_working_days(self, moment: datetime, days: int) -> datetime:
        """The same time of day so many working days on, in UTC."""
        at, left = local(moment), days
        while left:
            at += timedelta(days=1)
            left -= self.is_working(at.date())
        return at.astimezone(UTC)

    def missing(self, first: date, last: date) -> tuple[int, ...]:
        """The years between two days whose calendar nobody entered."""
        return tuple(year for year in range(first.year, last.year + 1) if year not in self.years)


WEEKENDS_ONLY = WorkCalendar()


class CalendarChanged(msgspec.Struct, frozen=True):
    """The special days of a year are others than before: deadlines in working days are."""

    year: int

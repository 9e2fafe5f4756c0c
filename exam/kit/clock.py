"""The clock: injected everywhere, so that a test can hold it still. Times are UTC, days are the centre's own."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

CENTRE_ZONE = ZoneInfo("Asia/Shanghai")


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)


class FrozenClock:
    """A clock that moves only when told to; for tests and rehearsals."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, **step: float) -> None:
        """Moves on by a `timedelta` given in its own keywords, for example `minutes=5`."""
        self.at += timedelta(**step)


def day_of(moment: datetime) -> date:
    """The centre's calendar day of a moment."""
    return moment.astimezone(CENTRE_ZONE).date()


def local(moment: datetime) -> datetime:
    """A moment on the centre's wall clock."""
    return moment.astimezone(CENTRE_ZONE)

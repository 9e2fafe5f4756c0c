"""Earlier years of a demonstration: visits of people who come again, played by the same desks on days that have passed.

The visits are registered, examined and published as on any day, by a server of our own whose clock runs behind; so the
history, the trends and "since last time" rest on real records. Only what stirred no alert is played: its clocks ran out long ago.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import msgspec
import uvicorn

from exam.app import create_app
from exam.kit.clock import SystemClock
from exam.kit.errors import Refused
from exam.kit.house import House
from exam.kit.serving import Server
from rehearsal.cast import Invented
from rehearsal.people import classes_of

DAYS_BACK = (731, 364)
"""How many days ago the earlier visits were, the oldest first."""


class ClockBehind:
    """Tells the time of so many days ago, and runs like any clock."""

    def __init__(self, days: int) -> None:
        self._behind = timedelta(days=days)
        self._clock = SystemClock()

    def now(self) -> datetime:
        """That moment, in UTC."""
        return self._clock.now() - self._behind


@contextmanager
def serving(house: House) -> Iterator[str]:
    """Serves a house in a thread of this process, so that its clock may be another one; gives the address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = Server(house, uvicorn.Config(create_app(house), log_level="warning", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="earlier", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    if not server.started:
        raise Refused("rehearsal.no_server", "演练用的服务未能启动", "请查看上方的错误信息")
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def as_of(person: Invented, day: date) -> Invented | None:
    """The person as they came on an earlier day, or None: too young then, here for their first job, or not well that day."""
    age = person.health.age_on(day)
    if person.package == "P01" or age < 20 or person.refuses:
        return None
    earlier = msgspec.structs.replace(person, package=person.package if age >= 40 else "P02", extra=())
    return None if classes_of(earlier, day) else earlier

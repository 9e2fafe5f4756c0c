"""The live line to every screen: server-sent events that say "look again", from one look-out per process at the sites' pulses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import case, func, select

from critical_values.models import AlertBoard, AlertPulse
from exam.kit.errors import trace_of
from exam.kit.house import House
from exam.knowledge.facts import AlertClass

log = logging.getLogger("exam.critical_values")

LOOK_SECONDS = 0.25
"""How often the pulses are read while somebody listens: a task is on every screen well under a second after its commit."""
HEARTBEAT_SECONDS = 15.0
STREAM_SECONDS = 300.0
"""A stream ends after this long, so that whoever listens signs in anew with the rights of that moment."""
MOST_LISTENERS = 2000
WHEN_FULL_SECONDS = 30


class Beacon(msgspec.Struct, frozen=True):
    """What a screen hears of its site: numbers and moments, no person and no finding.

    `pulse` changes with every alert's change; `open` tasks, how many of them are `late`, when the next one will be
    (`turns_at`), and the number of `urgent` ones (critical and class A) with the moment the newest was found.
    """

    pulse: int
    open: int
    late: int
    urgent: int
    newest_at: datetime | None
    turns_at: datetime | None


class Listener:
    """One open stream. Until a look that began after it joined, it has heard nothing."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.is_new = True
        self.is_over = False


class Lookout:
    """Reads the pulses for every stream of one event loop. Between two looks it holds no thread and no connection."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.listeners: dict[str, set[Listener]] = {}
        self.beacons: dict[str, Beacon] = {}
        self._task: asyncio.Task[None] | None = None

    def is_full(self) -> bool:
        """Whether no more streams can be held."""
        return sum(len(each) for each in self.listeners.values()) >= MOST_LISTENERS

    def join(self, site: str) -> Listener:
        """A new stream of a site; the first one starts the looking."""
        listener = Listener()
        self.listeners.setdefault(site, set()).add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look())
        return listener

    def leave(self, site: str, listener: Listener) -> None:
        """A stream has ended; nobody keeps what a site without listeners said."""
        held = self.listeners.get(site, set())
        held.discard(listener)
        if not held:
            self.listeners.pop(site, None)
            self.beacons.pop(site, None)

    async def _look(self) -> None:
        while self.listeners and not self.house.stopping.is_set():
            newcomers = [each for some in self.listeners.values() for each in some if each.is_new]
            try:
                found = await asyncio.to_thread(self._read, tuple(self.listeners), dict(self.beacons))
            except Exception as error:  # the streams end, and their screens say so until a new one can be opened
                log.error("the pulses of the sites cannot be read\n%s", trace_of(error))
                break
            for site, beacon in found.items():
                self.beacons[site] = beacon
                for listener in self.listeners.get(site, ()):
                    listener.news.set()
            for listener in newcomers:
                listener.is_new = False
                listener.news.set()
            await asyncio.sleep(LOOK_SECONDS)
        for listener in [each for some in self.listeners.values() for each in some]:
            listener.is_over = True
            listener.news.set()

    def _read(self, sites: Iterable[str], known: dict[str, Beacon]) -> dict[str, Beacon]:
        """What is new of these sites: one short statement, and one more for each site that changed or has a task that is late now."""
        now = self.house.clock.now()
        with self.house.unit(None, write=False) as db:
            pulses = {row.site: row.number for row in db.execute(select(AlertPulse.site, AlertPulse.number))}
            found = {}
            for site in sites:
                before, pulse = known.get(site), pulses.get(site, 0)
                is_turned = before is not None and before.turns_at is not None and before.turns_at < now
                if before is not None and before.pulse == pulse and not is_turned:
                    continue
                is_urgent = AlertBoard.alert_class != AlertClass.B.value
                row = db.execute(
                    select(
                        func.count(),
                        func.count().filter(AlertBoard.due_at < now),
                        func.count().filter(is_urgent),
                        func.max(case((is_urgent, AlertBoard.found_at))),
                        func.min(case((AlertBoard.due_at >= now, AlertBoard.due_at))),
                    ).where(AlertBoard.site == site, AlertBoard.next_step != "")
                ).one()
                found[site] = Beacon(pulse, *row)
        return found


def lookout_of(house: House) -> Lookout:
    """The look-out of this house on the running event loop."""
    of_loops: WeakKeyDictionary[Any, Lookout] = house.cache.setdefault("critical_values.lookouts", WeakKeyDictionary())
    return of_loops.setdefault(asyncio.get_running_loop(), Lookout(house))


async def events(house: House, site: str) -> AsyncIterator[str]:
    """A site's events as text/event-stream: what holds now, then every change, a comment now and then, and an orderly end."""
    lookout = lookout_of(house)
    if lookout.is_full():
        yield f"retry: {WHEN_FULL_SECONDS * 1000}\n\n"
        return
    listener = lookout.join(site)
    loop = asyncio.get_running_loop()
    ends = loop.time() + STREAM_SECONDS
    told: Beacon | None = None
    try:
        yield "retry: 1000\n\n"
        while not listener.is_over:
            left = ends - loop.time()
            if left <= 0:
                yield "event: end\ndata: \n\n"
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(listener.news.wait(), min(HEARTBEAT_SECONDS, left))
            if not listener.news.is_set():
                yield ": \n\n"
                continue
            listener.news.clear()
            beacon = lookout.beacons.get(site)
            if beacon is not None and beacon != told and not listener.is_over:
                told = beacon
                yield f"event: alerts\ndata: {msgspec.json.encode(beacon).decode()}\n\n"
    finally:
        lookout.leave(site, listener)

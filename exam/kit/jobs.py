"""The worker: delivers outbox rows and runs timed jobs. More workers are more processes; there is no broker."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from exam.kit.db import Model
from exam.kit.errors import trace_of
from exam.kit.events import Event, Outbox
from exam.kit.house import House, system_actor

log = logging.getLogger("exam.worker")

MOST_TRIES = 12
LEASE = timedelta(minutes=2)


class JobRun(Model):
    """When a timed job is next due; the row is the claim."""

    __tablename__ = "exam_job_run"
    __audited__ = False

    name: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]
    last_error: Mapped[str]


def _claim(house: House) -> list[UUID]:
    """Claims waiting deliveries for two minutes by a conditional update; a worker that dies loses only its lease."""
    now = house.clock.now()
    with house.unit(None, write=False) as db:  # mostly there is nothing to do, which must not cost the writers their turn
        if db.scalar(select(Outbox.id).where(Outbox.state == "waiting", Outbox.due_at <= now).limit(1)) is None:
            return []
    with house.unit(system_actor(house.site)) as db:
        due = (
            select(Outbox.id)
            .where(Outbox.state == "waiting", Outbox.due_at <= now)
            .order_by(Outbox.due_at, Outbox.id)
            .limit(50)
            .with_for_update(skip_locked=True)
        )
        ids = list(db.scalars(due))
        if ids:
            db.execute(update(Outbox).where(Outbox.id.in_(ids)).values(due_at=now + LEASE))
    return ids


def event_of(row: Event, house: House) -> Any:
    """The event struct that a stored event row holds."""
    types = {type_.__name__: type_ for module in house.modules.all for type_, _, _ in module.deliveries}
    return msgspec.json.decode(row.body, type=types[row.kind])


def deliver(house: House) -> int:
    """Delivers what is due; returns how many deliveries were tried."""
    ids = _claim(house)
    for outbox_id in ids:
        try:
            with house.unit(system_actor(house.site)) as db:
                outbox = db.get_one(Outbox, outbox_id)
                run = house.modules.delivery(outbox.delivery)
                if run is None:
                    raise LookupError(f"no loaded module delivers {outbox.delivery!r}")
                run(db, event_of(db.get_one(Event, outbox.event_id), house))
                outbox.state, outbox.error = "done", ""
        except Exception as error:
            log.warning("delivery failed: %s", type(error).__name__)
            _postpone(house, outbox_id, error)
    return len(ids)


def _postpone(house: House, outbox_id: UUID, error: Exception) -> None:
    with house.unit(system_actor(house.site)) as db:
        outbox = db.get_one(Outbox, outbox_id)
        outbox.tries += 1
        outbox.error = type(error).__name__
        outbox.state = "failed" if outbox.tries >= MOST_TRIES else "waiting"
        outbox.due_at = house.clock.now() + timedelta(seconds=min(2**outbox.tries, 3600))


def run_jobs(house: House) -> None:
    """Runs each timed job that is due; claims it first, so that two workers do not run it twice."""
    with house.unit(None, write=False) as db:
        due_at = {row.name: row.due_at for row in db.execute(select(JobRun.name, JobRun.due_at))}
    for module in house.modules.all:
        for job in module.jobs:
            now = house.clock.now()
            is_early = job.early is not None and job.early(house)
            if not is_early and due_at.get(f"{module.name}.{job.name}", now) > now:
                continue
            with house.unit(system_actor(house.site)) as db:
                if not _claim_job(db, f"{module.name}.{job.name}", now, job.every, is_early):
                    continue
            try:
                job.run(house)
            except Exception as error:
                log.error("job %s.%s failed\n%s", module.name, job.name, trace_of(error))


def _claim_job(db: Session, name: str, now: datetime, every: float, is_early: bool) -> bool:
    row = db.get(JobRun, name, with_for_update=True)
    if row is None:
        db.add(JobRun(name=name, due_at=now + timedelta(seconds=every), last_error=""))
        return True
    if row.due_at > now and not is_early:
        return False
    row.due_at = now + timedelta(seconds=every)
    return True


def work(house: House, stop: threading.Event, pause: float = 1.0) -> None:
    """The worker's loop, until `stop` is set. A delivery wakes it at once; timed jobs are looked at every `pause` seconds."""
    look_again_at = 0.0
    while not stop.is_set():
        try:
            if time.monotonic() >= look_again_at:
                run_jobs(house)
                look_again_at = time.monotonic() + pause
            while deliver(house):
                pass
        except Exception as error:
            log.error("worker round failed\n%s", trace_of(error))
        house.wake.wait(pause)
        house.wake.clear()


def import_models(names: list[str]) -> None:
    """Imports the `models` of every named package, so that the metadata is whole."""
    for name in names:
        try:
            importlib.import_module(f"{name}.models")
        except ModuleNotFoundError as error:
            if error.name != f"{name}.models":
                raise

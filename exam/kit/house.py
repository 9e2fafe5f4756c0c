"""The house at run time: what one process shares, and the unit of work, the only place that commits."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Engine, Table, event, inspect
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from exam.kit import audit
from exam.kit.clock import Clock, SystemClock
from exam.kit.db import Model, Turn, row_digest
from exam.kit.direct import DirectReads
from exam.kit.errors import Refused
from exam.kit.ids import IdMaker
from exam.kit.keys import FieldCipher, Keys
from exam.kit.module import Modules
from exam.kit.random import Randomness, SystemRandom
from exam.kit.space import Space


class Actor(msgspec.Struct, frozen=True):
    """Who acts, with which permissions. `scopes` limits a permission to departments; one without an entry is unlimited.

    `unread` is how many notices wait in the inbox: the pages' top bar shows it.
    """

    staff_id: UUID | None
    login: str
    name: str
    site: str
    title: str = ""
    kind: str = "staff"
    permissions: frozenset[str] = frozenset()
    scopes: dict[str, frozenset[str]] = {}
    session_id: bytes = b""
    csrf: str = ""
    must_change_password: bool = False
    unread: int = 0

    def may(self, permission: str) -> bool:
        """Whether the actor holds this permission."""
        return permission in self.permissions

    def serves(self, permission: str, department: str) -> bool:
        """Whether the actor holds this permission for this department."""
        return self.may(permission) and (permission not in self.scopes or department in self.scopes[permission])


def system_actor(site: str, permissions: frozenset[str] = frozenset()) -> Actor:
    """The system itself, for the worker and for set-up."""
    return Actor(staff_id=None, login="system", name="系统", site=site, kind="system", permissions=permissions)


class GroupWrite(msgspec.Struct, frozen=True):
    """What one request still has to put on disk before its answer leaves: its reads' audit entries, and small touches."""

    info: dict[str, Any]
    reads: list[audit.Entry]
    touches: list[Callable[[Session], None]]


PACE_SECONDS = 0.005
"""Commits of reads' audits follow each other at this distance: one costs nearly as much for one entry as for twenty, so under
load many small ones took half of the processor. A read that comes alone does not wait."""


class GroupWriter:
    """Writes that must be on disk before an answer leaves, many requests in one transaction (reads of personal detail)."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._queue: queue.SimpleQueue[tuple[GroupWrite, Waiter]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def write(self, work: GroupWrite) -> None:
        """Returns when `work` is committed, or raises what the transaction raised."""
        done: Future[None] = Future()
        self._submit(work, done)
        done.result()

    async def written(self, work: GroupWrite) -> None:
        """As `write`, for a caller on an event loop. A browser that goes away takes nothing back."""
        done = asyncio.get_running_loop().create_future()
        self._submit(work, done)
        await done

    def _submit(self, work: GroupWrite, waiter: Waiter) -> None:
        self._queue.put((work, waiter))
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="group-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        not_before = 0.0
        while True:
            batch = [self._queue.get()]
            time.sleep(max(0.0, not_before - time.monotonic()))
            while len(batch) < 200 and not self._queue.empty():
                batch.append(self._queue.get())
            error = self._commit([work for work, _ in batch])
            not_before = time.monotonic() + PACE_SECONDS
            if error is not None and len(batch) > 1 and not isinstance(error, _OF_THE_WHOLE_DATABASE):
                # What one of them cannot have stored must not fail its neighbours.
                for work, waiter in batch:
                    _tell([waiter], self._commit([work]))
            else:
                _tell([waiter for _, waiter in batch], error)

    def _commit(self, works: list[GroupWrite]) -> BaseException | None:
        try:
            with self._house.unit(None, is_own=True) as db:
                audit.append_all(db, [(work.info, entry) for work in works for entry in work.reads])
                for work in works:
                    for touch in work.touches:
                        touch(db)
        except BaseException as raised:  # every waiting request must hear of it
            return raised
        return None


Waiter = Future[None] | asyncio.Future[None]

_OF_THE_WHOLE_DATABASE = (OperationalError, InterfaceError, TimeoutError, PoolTimeout, Refused)
"""What meets every entry alike: to try them one by one would only make them wait in line."""


def _tell(waiters: list[Waiter], error: BaseException | None) -> None:
    """Wakes everybody who waited; those on an event loop with one call into it, because each call wakes the loop."""
    on_loops: dict[asyncio.AbstractEventLoop, list[Waiter]] = {}
    for waiter in waiters:
        if isinstance(waiter, asyncio.Future):
            on_loops.setdefault(waiter.get_loop(), []).append(waiter)
        else:
            _settle([waiter], error)
    for loop, waiting in on_loops.items():
        with suppress(RuntimeError):  # the server stopped in between
            loop.call_soon_threadsafe(_settle, waiting, error)


def _settle(waiters: list[Waiter], error: BaseException | None) -> None:
    for waiter in waiters:
        if waiter.done():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)


@dataclass
class House:
    """What one process shares. Tests make one with a frozen clock and seeded randomness."""

    engine: Engine
    modules: Modules
    keys: Keys
    data: Path
    site: str = "01"
    device: str = "01"
    clock: Clock = field(default_factory=SystemClock)
    random: Randomness = field(default_factory=SystemRandom)
    settings: Any = None
    turn: Turn = field(default_factory=Turn)

    def __post_init__(self) -> None:
        self.ids = IdMaker(self.clock, self.random)
        self.cipher = FieldCipher(self.keys, self.random)
        self.group_writer = GroupWriter(self)
        self.anchor = audit.Anchor(self.data.parent / "anchor" / "audit.log", self.keys["anchor"])
        self._writing = self.engine.execution_options(write=True)
        # READ COMMITTED gives every statement its own snapshot anyway, so a page's reads may save BEGIN and ROLLBACK on the wire.
        # On SQLite a transaction costs nothing and one snapshot for a whole page is worth having.
        self._paging = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.wake = threading.Event()
        self.stopping = threading.Event()  # the server is going down: what would wait for ever ends now
        self.direct_reads = DirectReads(self)
        # On SQLite one writes at a time anyway: one thread for them spares the others waiting and changing places.
        self.writers = ThreadPoolExecutor(1, "writer") if self.is_sqlite else None
        self.space = Space(self.data)
        self.cache: dict[Any, Any] = {}

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    def session(self, write: bool = True, *, is_page: bool = False) -> Session:
        """A session that touches the database only with its first statement. A page's reads need no server-side cursors."""
        engine = self._writing if write else self._paging if is_page else self.engine
        db = Session(engine, autoflush=True, expire_on_commit=False)
        db.info.update(house=self, write=write)
        return db

    @contextmanager
    def unit(
        self, actor: Actor | None, *, write: bool = True, db: Any = None, is_own: bool = False
    ) -> Iterator[Session]:
        """One unit of work: everything inside commits together, with its audit row, or not at all.

        `is_own` is work of the house itself, which goes on a little longer than people's while the disk fills.
        """
        db = db if db is not None else self.session(write)
        if db.info["write"]:
            self.space.require(is_own=is_own or (actor is not None and actor.kind == "system" and actor.staff_id is None))
        if actor is not None:
            db.info["actor"] = actor
        try:
            yield db
            self._finish(db)
        except BaseException:
            db.rollback()
            raise
        finally:
            db.close()
            self.turn.give()
        self._after(db)

    def _finish(self, db: Session) -> None:
        if not db.info["write"]:
            db.rollback()
            return
        db.flush()
        rows = _changed_lines(db)
        entries: list[audit.Entry] = []
        entry: audit.Entry | None = db.info.get("audit_entry")
        if rows or entry:
            entries.append(msgspec.structs.replace(entry or audit.Entry(act=db.info.get("act", "system")), rows=rows))
        entries += db.info.pop("audit_reads", [])
        audit.append(db, entries)
        crash_point(self, "before_commit")
        db.commit()
        crash_point(self, "after_commit")

    def _after(self, db: Session) -> None:
        reads: list[audit.Entry] = db.info.pop("audit_reads", [])
        touches: list[Callable[[Session], None]] = db.info.pop("later", [])
        if reads or touches:
            info = {key: db.info[key] for key in ("actor", "terminal", "correlation") if key in db.info}
            work = GroupWrite(info, reads, touches)
            if "await_later" in db.info:
                db.info["await_later"] = work  # the web edge waits for it without holding a thread
            else:
                self.group_writer.write(work)
        if db.info.get("has_deliveries"):
            self.wake.set()


def crash_point(house: House, name: str) -> None:
    """A named place where a durability test may kill the process; does nothing unless settings name it."""
    settings = house.settings
    if settings is not None and settings.crash_at == name:
        settings.crash()


def _changed_lines(db: Session) -> str:
    """One line `table key digest` for each audited row that this unit wrote."""
    lines = {(name, key): digest for name, key, digest in db.info.pop("changed_rows", [])}
    for instance in db.info.pop("changed_objects", {}).values():
        state = inspect(instance)
        table: Table = state.mapper.local_table
        if state.deleted or state.was_deleted:
            key = "/".join(str(part) for part in state.identity or ())
            lines[(table.name, key)] = "-"
            continue
        values = {column.key: getattr(instance, state.mapper.get_property_by_column(column).key) for column in table.columns}
        key = "/".join(str(values[column.key]) for column in table.primary_key.columns)
        lines[(table.name, key)] = row_digest(table, values)
    return "\n".join(f"{name} {key} {digest}" for (name, key), digest in lines.items())


@event.listens_for(Session, "before_flush")
def _collect(db: Session, context: Any, instances: Any) -> None:
    if "house" not in db.info:
        return
    if not db.info["write"] and (db.new or db.dirty or db.deleted):
        raise RuntimeError("a read unit tried to write")
    changed = db.info.setdefault("changed_objects", {})
    for instance in (*db.new, *(each for each in db.dirty if db.is_modified(each)), *db.deleted):
        if isinstance(instance, Model) and instance.__audited__:
            changed[id(instance)] = instance


def house_of(db: Session) -> House:
    """The house that a session belongs to."""
    house: House = db.info["house"]
    return house


def actor_of(db: Session) -> Actor:
    """Who acts in this unit of work."""
    actor: Actor | None = db.info.get("actor")
    if actor is None:
        raise Refused("auth.nobody", "没有登录人", "请重新登录")
    return actor

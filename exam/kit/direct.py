"""Reads without a session: hot routes run a few prepared statements on a bare connection of the driver.

The embedded database answers on the event loop, sooner than a hop to a thread and back takes. PostgreSQL is asked from a
thread, on connections that need no BEGIN and no ROLLBACK.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Engine, create_engine, event

if TYPE_CHECKING:
    from exam.kit.house import House


class DirectReads:
    """Reading connections that are kept open: one for each event loop's thread on the embedded database, a pool on PostgreSQL."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._kept = threading.local()
        self._pool: Engine | None = None
        if not house.is_sqlite:
            self._pool = create_engine(
                house.engine.url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, pool_use_lifo=True, pool_size=8,
                max_overflow=32, hide_parameters=True,
            )  # fmt: skip
            event.listen(house.engine, "engine_disposed", self._on_disposed)

    def begin(self) -> DirectRead:
        """One request's reads. On the embedded database they see one snapshot, on PostgreSQL each statement its own."""
        if self._pool is not None:
            return PooledRead(self._house, self._pool)
        kept: Any = getattr(self._kept, "connection", None)
        if kept is not None and kept.driver_connection.in_transaction:
            kept.invalidate()  # a request before this one could not end its transaction: nothing may be read in that old state
            kept = None
        if kept is None:
            kept = self._kept.connection = self._house.engine.raw_connection()
        return DirectRead(self._house, kept.driver_connection)

    def _on_disposed(self, engine: Engine) -> None:
        # Whoever closes the house's connections means these, too.
        if self._pool is not None:
            self._pool.dispose()


class DirectRead:
    """What a request reads with. It runs prepared statements only, and has of a session what they and the house ask for."""

    new: tuple[Any, ...] = ()
    dirty: tuple[Any, ...] = ()
    deleted: tuple[Any, ...] = ()

    def __init__(self, house: House, driver: Any) -> None:
        self.info: dict[str, Any] = {"house": house, "write": False}
        self.engine = house.engine
        self.driver = driver
        self._is_begun = False

    def begun(self) -> Any:
        """The driver's connection, inside the transaction."""
        if not self._is_begun:
            self.driver.execute("BEGIN").close()
            self._is_begun = True
        return self.driver

    def rollback(self) -> None:
        """Ends the transaction."""
        if self._is_begun:
            self._is_begun = False
            self.driver.execute("ROLLBACK").close()

    def close(self) -> None:
        """The connection stays open for the next request."""


class PooledRead(DirectRead):
    """The same on PostgreSQL: a connection of the pool from the first statement on, each statement a transaction of its own."""

    def __init__(self, house: House, pool: Engine) -> None:
        super().__init__(house, None)
        self._pool = pool
        self._borrowed: Any = None

    def begun(self) -> Any:
        """The driver's connection."""
        if self._borrowed is None:
            self._borrowed = self._pool.raw_connection()
            self.driver = self._borrowed.driver_connection
        return self.driver

    def rollback(self) -> None:
        """Gives the connection back. One whose server went away takes the others of its time with it."""
        borrowed, self._borrowed = self._borrowed, None
        if borrowed is None:
            return
        if cast(bool, self.driver.closed):
            borrowed.invalidate()
            self._pool.dispose()
        else:
            borrowed.close()

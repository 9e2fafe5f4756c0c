"""Reads on the event loop: the embedded database answers sooner than a hop to a thread and back takes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exam.kit.house import House


class DirectReads:
    """Reading connections of the embedded database that are kept open, one for each thread that runs an event loop."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._kept = threading.local()

    def begin(self) -> DirectRead:
        """A read transaction: one snapshot for everything that one request reads."""
        kept: Any = getattr(self._kept, "connection", None)
        if kept is not None and kept.driver_connection.in_transaction:
            kept.invalidate()  # a request before this one could not end its transaction: nothing may be read in that old state
            kept = None
        if kept is None:
            kept = self._kept.connection = self._house.engine.raw_connection()
        return DirectRead(self._house, kept.driver_connection)


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

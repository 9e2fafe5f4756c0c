"""The web server's process: uvicorn, told to say when it goes down."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress

import uvicorn

from exam.kit.house import House


class Server(uvicorn.Server):
    """Goes down at once: what waits for ever (a screen's stream of events) hears of it before anybody waits for it to end."""

    def __init__(self, house: House, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._house = house

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells the house first."""
        self._house.stopping.set()
        await super().shutdown(sockets)


def run(house: House, config: uvicorn.Config) -> None:
    """Serves until it is told to stop, as `uvicorn.run` does."""
    config.load_app()
    server = Server(house, config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(3)

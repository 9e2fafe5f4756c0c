"""The real server, killed with -9 while desks sign in over HTTP: every session it acknowledged is open after the restart."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from exam import commands
from exam.backup_chain import folders
from tests.durability.test_kills import home, opened
from tests.fixtures.houses import PASSWORD

__all__ = ["home"]

KILLS = 3
SEED = 7


def start(home: Path, copies: Path, port: int) -> subprocess.Popen[str]:
    repository = Path(__file__).parents[2]
    own = {"PYTHONPATH": str(repository), "EXAM_HOME": str(home), "EXAM_COPIES": str(copies), "PORT": str(port)}
    environment = {**os.environ, **own}
    server = subprocess.Popen(
        [sys.executable, "-m", "exam.cli", "serve"], cwd=repository, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    server.stdout.readline()  # it has said that it starts
    return server


def ready(client: httpx.Client, server: subprocess.Popen[str]) -> None:
    for _ in range(600):
        try:
            client.get("/sign-in")
            return
        except httpx.ConnectError:
            assert server.poll() is None, "the server stopped by itself"
            threading.Event().wait(0.05)
    raise AssertionError("the server did not answer within 30 s")


def test_every_session_a_killed_server_acknowledged_is_still_open(home: Path, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    dice = random.Random(SEED)
    copies = tmp_path / "copies"
    address = f"http://127.0.0.1:{port}"
    cookies: list[str] = []
    lock = threading.Lock()

    def sign_in(login: str) -> None:
        with httpx.Client(base_url=address, headers={"origin": address}, timeout=30) as client:
            try:
                while True:
                    answer = client.post("/api/sign-in", json={"login": login, "password": PASSWORD})
                    assert answer.status_code == 200, answer.text
                    with lock:
                        cookies.append(answer.headers["set-cookie"].split(";")[0])
            except httpx.TransportError:
                return  # killed in the middle: not acknowledged

    for _ in range(KILLS):
        server = start(home, copies, port)
        with httpx.Client(base_url=address, timeout=30) as client:
            ready(client, server)
            for cookie in cookies:
                assert client.get("/api/me", headers={"cookie": cookie}).status_code == 200, "an acknowledged session is gone"
        desks = [threading.Thread(target=sign_in, args=(login,)) for login in ("lin", "wu")]
        for desk in desks:
            desk.start()
        threading.Event().wait(dice.uniform(0.3, 1.2))
        server.send_signal(signal.SIGKILL)
        server.communicate()
        for desk in desks:
            desk.join()
    assert cookies
    house = opened(home)
    assert [(name, breaches) for name, breaches in commands.breaches_of(house) if breaches] == []
    house.engine.dispose()
    assert folders(copies), "the server shipped no copy"


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EXAM_DEMO", "EXAM_DATABASE_URL", "EXAM_PLUGINS"):
        monkeypatch.delenv(name, raising=False)

"""The real server, killed with -9 while desks register people over HTTP: all that it acknowledged is there afterwards."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path

import httpx
import pytest

from exam import commands
from exam.backup_chain import folders
from rehearsal.cast import invent
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


class Desk:
    """A reception desk over HTTP: signs in, then registers one invented person after another until the server is gone."""

    def __init__(self, address: str, seed: str) -> None:
        self.address = address
        self.seed = seed
        self.cookies: list[str] = []
        self.visits: list[str] = []

    def work(self) -> None:
        with httpx.Client(base_url=self.address, headers={"origin": self.address}, timeout=30) as client:
            try:
                answer = client.post("/api/sign-in", json={"login": "lin", "password": PASSWORD})
                assert answer.status_code == 200, answer.text
                self.cookies.append(answer.headers["set-cookie"].split(";")[0])
                own = {"cookie": self.cookies[-1], "x-csrf-token": answer.json()["csrf"]}
                for person in invent(f"{self.seed}-{len(self.visits)}", date(2026, 11, 21), 10_000):
                    body = {"name": person.name, "id_no": person.id_no, "package": "P01" if person.package == "P01" else "P02"}
                    answer = client.post("/api/visits", json=body, headers=own)
                    assert answer.status_code == 201, answer.text
                    self.visits.append(answer.json()["visit_no"])
            except httpx.TransportError:
                return  # killed in the middle: not acknowledged


def test_everything_a_killed_server_acknowledged_is_there_after_the_restart(home: Path, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    dice = random.Random(SEED)
    copies = tmp_path / "copies"
    address = f"http://127.0.0.1:{port}"
    desks = [Desk(address, "one"), Desk(address, "two")]
    for _ in range(KILLS):
        server = start(home, copies, port)
        with httpx.Client(base_url=address, timeout=30) as client:
            ready(client, server)
            for desk in desks:
                for cookie in desk.cookies:
                    assert client.get("/api/me", headers={"cookie": cookie}).status_code == 200, "a session is gone"
                for visit_no in desk.visits:
                    answer = client.get(f"/api/visits/{visit_no}", headers={"cookie": desk.cookies[-1]})
                    assert answer.status_code == 200, f"the acknowledged visit {visit_no} is gone"
        threads = [threading.Thread(target=desk.work) for desk in desks]
        for thread in threads:
            thread.start()
        # Killed in the middle of the work: after some more acknowledgements and a first copy, however slow the machine is.
        enough = sum(len(desk.visits) for desk in desks) + dice.randint(5, 15)
        deadline = time.monotonic() + 60
        while (sum(len(desk.visits) for desk in desks) < enough or not folders(copies)) and time.monotonic() < deadline:
            threading.Event().wait(0.005)
        server.send_signal(signal.SIGKILL)
        server.communicate()
        for thread in threads:
            thread.join()
    numbers = [visit_no for desk in desks for visit_no in desk.visits]
    assert len(numbers) >= KILLS * 5 and len(set(numbers)) == len(numbers)
    house = opened(home)
    assert [(name, breaches) for name, breaches in commands.breaches_of(house) if breaches] == []
    house.engine.dispose()
    assert folders(copies), "the server shipped no copy"


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EXAM_DEMO", "EXAM_DATABASE_URL", "EXAM_PLUGINS"):
        monkeypatch.delenv(name, raising=False)

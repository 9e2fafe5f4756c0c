"""The ground the bench stands on: durable databases of its own, filled step by step, and servers in processes of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from sqlalchemy import create_engine, select, update

from bench import fill
from exam import commands, settings
from exam.app import make_house
from exam.kit import auth, table_statistics
from exam.kit.clock import FrozenClock, SystemClock, day_of
from exam.kit.events import Outbox
from exam.kit.house import House, system_actor
from exam.kit.random import SystemRandom
from exam.staff.demo import make_staff
from exam.staff.models import AccountUse, Staff
from exam.staff.service import authenticate, open_session

ROOT = Path(__file__).parent.parent
KINDS = ("sqlite", "postgresql")
PASSWORD = "Bench-2026-guiping"  # noqa: S105 - of a database that lives for one run


class Session(msgspec.Struct, frozen=True):
    """A signed-in doctor of the laboratory, as a program would be."""

    cookie: str
    csrf: str


# --- PostgreSQL ----------------------------------------------------------------------------------------------------------


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return found[-1] if found else None


def _as_postgres(*command: str) -> None:
    full = ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)
    subprocess.run(full, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)  # noqa: S603 - our own words


@contextlib.contextmanager
def postgresql(parent: Path) -> Iterator[Path | None]:
    """A cluster with full durability (fsync and synchronous commit on), unix socket only; None where it is not installed."""
    programs = _programs()
    if programs is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=parent))
    for each in (parent, folder):
        each.chmod(0o711)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    _as_postgres(
        str(programs / "initdb"), "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
        "--no-sync", "--no-instructions",
    )  # fmt: skip
    options = (
        f"-k {folder} -c listen_addresses= -c fsync=on -c synchronous_commit=on -c full_page_writes=on -c max_connections=200 "
        "-c shared_buffers=512MB -c max_wal_size=4GB -c random_page_cost=1.1"
    )
    _as_postgres(str(programs / "pg_ctl"), "-D", f"{folder}/data", "-l", f"{folder}/log", "-w", "-t", "60", "-o", options, "start")
    try:
        yield folder
    finally:
        _as_postgres(str(programs / "pg_ctl"), "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


# --- one installation ----------------------------------------------------------------------------------------------------


class Ground:
    """One installation of ours on one kind of database, with its patterns, growing as the bench goes on."""

    def __init__(self, kind: str, home: Path, cluster: Path | None) -> None:
        self.kind = kind
        self.home = home
        self.cluster = cluster
        self.size = 0
        self.today = day_of(SystemClock().now())
        environment = {"EXAM_HOME": str(home), "EXAM_DEMO": "1"}
        if kind == "postgresql":
            with psycopg.connect(f"host={cluster} user=postgres dbname=postgres", autocommit=True) as connection:
                with contextlib.suppress(psycopg.errors.DuplicateObject):
                    connection.execute("create role exam_app login")
                connection.execute("create database bench")
            environment["EXAM_DATABASE_URL"] = self.url("exam_app")
            environment["EXAM_OWNER_URL"] = self.url("postgres")
        self.environment = environment
        self.settings = settings.read(environment)
        # Patterns are made in the past, by a house that believes it is that day.
        start = FrozenClock(SystemClock().now() - fill.YEARS_AGO)
        house = commands.set_up(self.settings, clock=start)
        with house.unit(system_actor(house.site)) as db:
            make_staff(db, PASSWORD)
        self.patterns = fill.make_patterns(house)
        house.engine.dispose()
        with self.house() as present, present.unit(system_actor(present.site)) as db:
            for staff in db.scalars(select(Staff)):
                staff.password_changed_at = present.clock.now()
                db.merge(AccountUse(staff_id=staff.id, used_at=present.clock.now()))
            # What the patterns' day asked for (reports to issue …) is not to be done while something is measured.
            db.execute(update(Outbox).values(state="done"))

    def url(self, user: str) -> str:
        """The address of the PostgreSQL database."""
        return f"postgresql+psycopg://{user}@/bench?host={self.cluster}"

    @contextlib.contextmanager
    def house(self) -> Iterator[House]:
        """A house over this installation, in this process, with the real clock."""
        house = make_house(self.settings, clock=SystemClock(), random=SystemRandom())
        try:
            yield house
        finally:
            house.engine.dispose()

    def grow(self, size: int) -> float:
        """Fills up to `size` visits; returns the seconds it took."""
        began = time.perf_counter()
        with self.house() as house:
            engine = house.engine if house.is_sqlite else create_engine(self.url("postgres"))
            with engine.connect() as connection:
                if house.is_sqlite:
                    raw: Any = connection.connection.driver_connection
                    for pragma in ("foreign_keys = OFF", "synchronous = OFF", "wal_autocheckpoint = 20000"):
                        raw.execute(f"PRAGMA {pragma}")
                else:
                    connection.exec_driver_sql("set session_replication_role = replica")
                    connection.commit()
                fill.grow(house, connection, self.patterns, self.size, size, self.today)
            if house.is_sqlite:
                engine.dispose()
                table_statistics.refresh(house)
                with house.engine.connect() as connection:
                    raw = connection.connection.driver_connection
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            else:
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.exec_driver_sql("vacuum analyze")
                    connection.exec_driver_sql("checkpoint")
                engine.dispose()
        self.size = size
        return time.perf_counter() - began

    def sign_in(self, login: str) -> Session:
        """A session of a member of the cast."""
        with self.house() as house:
            with house.unit(None) as db:
                staff = db.scalars(select(Staff).where(Staff.login == login)).one()
                token = open_session(db, staff.id, "127.0.0.1")
            with house.unit(None, write=False) as db:
                actor = authenticate(db, token)
        return Session(f"{auth.COOKIE}={token}", actor.csrf)


# --- servers -------------------------------------------------------------------------------------------------------------


class Server:
    """A server in a process of its own; `ready_seconds` is from its start to its first answer of 200."""

    def __init__(self, command: list[str], environment: dict[str, str], port: int, probe: str, headers: dict[str, str]) -> None:
        self.port = port
        base = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        began = time.perf_counter()
        self.process = subprocess.Popen(  # noqa: S603 - our own words
            command, env={**base, **environment}, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self.ready_seconds = self._wait(began, probe, headers)

    def _wait(self, began: float, probe: str, headers: dict[str, str]) -> float:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"GET {probe} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{lines}Connection: close\r\n\r\n".encode()
        while time.perf_counter() - began < 30:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
                line.sendall(request)
                answer = line.recv(4096)
                if answer.startswith(b"HTTP/1.1 200"):
                    return time.perf_counter() - began
                if answer.startswith(b"HTTP/1.1"):
                    raise RuntimeError(f"{probe} answered {answer[:200]!r}")
            time.sleep(0.005)
        self.kill()
        assert self.process.stderr is not None
        raise RuntimeError(f"server did not start: {self.process.stderr.read()[-2000:].decode()}")

    def settle(self) -> None:
        """Waits until the server does nothing by itself any more (it loads on after its first answer), at most 15 s."""
        time.sleep(2)
        for _ in range(26):
            before = self.cpu_seconds
            time.sleep(0.5)
            if self.cpu_seconds - before <= 0.02:
                return

    def kill(self) -> None:
        """As a power switch would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Asks the server to end."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
            return
        self.kill()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()

    @property
    def cpu_seconds(self) -> float:
        """Processor time that this process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


ONLY_THE_PEERS_BRING = ("pydantic", "annotated_types", "opentelemetry", "starlette")
"""The framework loads each of these at its start where it finds one; no installation of ours has them."""

_AS_INSTALLED = f"""
import sys
sys.modules.update(dict.fromkeys({ONLY_THE_PEERS_BRING!r}))
from exam.cli import main
sys.exit(main(["serve"]))
"""


def ours(ground: Ground, session: Session, probe: str) -> Server:
    """Our server, as `exam serve` starts it: one process, its worker inside, audit and sign-in on."""
    port = free_port()
    command = [sys.executable, "-c", _AS_INSTALLED]
    return Server(command, {**ground.environment, "PORT": str(port)}, port, probe, {"cookie": session.cookie})


def peer(name: str, ground: Ground, probe: str, items_file: str) -> Server:
    """A peer's server under uvicorn, one process, on the same database."""
    port = free_port()
    command = [sys.executable, "-m", f"bench.peers.{name}", str(port), *peer_arguments(ground), items_file]
    return Server(command, {}, port, probe, {})


def peer_arguments(ground: Ground) -> list[str]:
    """What a peer is told: the database, and for the embedded one its key's file."""
    if ground.kind == "sqlite":
        return [str(ground.settings.data / "exam.db"), str(ground.settings.keys / "database.key")]
    return [ground.url("exam_app"), ""]

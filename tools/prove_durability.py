"""Proves that no simulated power cut loses an acknowledged commit: `make prove-durability` (F02, reliability §0.2).

A run of commits goes through a recording VFS: every write, truncation, sync and deletion of the database and its log, and
every acknowledgement, in order. Then the power is cut at many points of that record: of everything written since a file's
last sync each piece is dropped, kept, or torn at a sector, each by its own throw of the dice. SQLite recovers what is left, and
we look whether every acknowledged commit is there and whole. The settings are those of the house's real engine, read from
one of its connections. `--synchronous NORMAL` shows that the proof can fail.
"""

from __future__ import annotations

import argparse
import os
import random  # noqa: TID251 - a proof throws dice, with a printed seed
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from exam.kit.db import Turn, sqlite_engine  # noqa: E402 - the checkout is not installed

SECTOR = 512
COMMITS_A_RUN = 60
MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
"""The disk is a simulated one: what it is told counts, not where it lies, and the proof would spend its time on a real one's flushes."""
PRAGMAS = ("journal_mode", "synchronous", "foreign_keys", "mmap_size", "wal_autocheckpoint", "secure_delete", "cache_size")

Step = tuple[str, str, int, bytes]
"""`(what, file, offset or size or commit number, content)`."""


@dataclass
class Disk:
    """What a file system holds: the synced content of each file and the operations since, which a cut may undo."""

    durable: dict[str, bytearray] = field(default_factory=dict)
    pending: dict[str, list[Step]] = field(default_factory=dict)

    def apply(self, step: Step) -> None:
        """One step of the record."""
        what, name, _, _ = step
        if what == "sync":
            content = self.durable.setdefault(name, bytearray())
            for each in self.pending.pop(name, []):
                _carry_out(content, each)
        elif what == "delete":  # the folder is synced after it, as SQLite asks
            self.durable.pop(name, None)
            self.pending.pop(name, None)
        else:
            self.pending.setdefault(name, []).append(step)

    def after_cut(self, dice: random.Random) -> dict[str, bytearray]:
        """The files as the next start finds them."""
        files = {name: bytearray(content) for name, content in self.durable.items()}
        mood = dice.choice(("drop all", "keep all", "each", "each", "each"))
        for name, steps in self.pending.items():
            content = files.setdefault(name, bytearray())
            for step in steps:
                fate = dice.choice(("drop", "keep", "tear")) if mood == "each" else mood.split()[0]
                if fate == "keep":
                    _carry_out(content, step)
                elif fate == "tear":
                    _carry_out(content, _torn(step, dice))
        return files


def _carry_out(content: bytearray, step: Step) -> None:
    what, _, at, data = step
    if what == "truncate":
        del content[at:]
        return
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


def _torn(step: Step, dice: random.Random) -> Step:
    """Only some sectors of a write reached the disk: a beginning, or an end."""
    what, name, at, data = step
    if what != "write" or len(data) <= SECTOR:
        return step
    cut = dice.randrange(1, (len(data) + SECTOR - 1) // SECTOR) * SECTOR
    return (what, name, at, data[:cut]) if dice.random() < 0.5 else (what, name, at + cut, data[cut:])


class Recorder(apsw.VFS):
    """The ordinary file system, written down."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        super().__init__("recorder", base="")

    def xOpen(self, name: Any, flags: list[int]) -> RecordedFile:
        return RecordedFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.steps.append(("delete", Path(filename).name, 0, b""))


class RecordedFile(apsw.VFSFile):
    """One file of it."""

    def __init__(self, vfs: Recorder, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._steps = vfs.steps
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name)).name

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._steps.append(("write", self._name, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._steps.append(("truncate", self._name, size, b""))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._steps.append(("sync", self._name, 0, b""))


def settings_of_the_house(folder: Path) -> list[tuple[str, Any]]:
    """The pragmas of a real connection of the embedded database."""
    engine = sqlite_engine(folder / "real.db", bytes(range(32)), Turn())
    with engine.connect() as connection:
        found = [(name, connection.exec_driver_sql(f"PRAGMA {name}").scalar()) for name in PRAGMAS]
    engine.dispose()
    return [(name, value) for name, value in found if value is not None]


def record(folder: Path, pragmas: list[tuple[str, Any]], dice: random.Random, vfs: Recorder) -> tuple[dict[str, bytes], list[Step]]:
    """Runs commits as a unit of work makes them; gives the files at the start, and the record with its acknowledgements."""
    path = folder / "exam.db"
    connection = apsw.Connection(str(path), vfs="recorder")
    for name, value in pragmas:
        connection.execute(f"PRAGMA {name} = {value}").fetchall()
    connection.execute(
        "CREATE TABLE fact(id INTEGER PRIMARY KEY, text BLOB); CREATE TABLE audit(seq INTEGER PRIMARY KEY, fact INTEGER);"
        "CREATE TABLE head(seq INTEGER); INSERT INTO head VALUES (0); PRAGMA wal_checkpoint(TRUNCATE);"
    )
    start = {each.name: each.read_bytes() for each in folder.iterdir() if each.name in ("exam.db", "exam.db-wal")}
    vfs.steps.clear()
    for number in range(1, COMMITS_A_RUN + 1):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO fact VALUES (?, ?)", (number, dice.randbytes(dice.choice((20, 300, 6000)))))
        connection.execute("INSERT INTO audit VALUES (?, ?)", (number, number))
        connection.execute("UPDATE head SET seq = ?", (number,))
        connection.execute("COMMIT")
        vfs.steps.append(("acknowledged", "", number, b""))
        if dice.random() < 0.1:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    steps = list(vfs.steps)
    connection.close()
    return start, steps


@dataclass
class Tally:
    """What was found."""

    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    half: int = 0
    corrupt: int = 0


def inspect(folder: Path, files: dict[str, bytearray], promised: int, tally: Tally) -> None:
    """Starts on what the cut left, and counts."""
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    tally.cuts += 1
    tally.acknowledged += promised
    try:
        connection = apsw.Connection(str(folder / "exam.db"))
        try:
            is_whole = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            facts = {row[0] for row in connection.execute("SELECT id FROM fact")}
            acts = {row[0] for row in connection.execute("SELECT fact FROM audit")}
            head = next(iter(connection.execute("SELECT seq FROM head")))[0]
        finally:
            connection.close()
    except apsw.Error:
        tally.corrupt += 1
        tally.lost += promised
        return
    tally.corrupt += not is_whole
    tally.lost += len(set(range(1, promised + 1)) - facts)
    tally.half += facts != acts or head != max(facts, default=0)


def kill_real_processes(kills: int) -> int:
    """Runs the kill tests (desks, and the real server) with more random kills; their status."""
    command = [sys.executable, "-m", "pytest", "tests/durability/test_kills.py", "tests/durability/test_server.py"]
    environment = {**os.environ, "EXAM_RANDOM_KILLS": str(kills)}  # noqa: TID251 - passed on, not read
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - our own tests


def main() -> int:
    """Cuts until the count or the time is reached; status 1 if anything was lost, half or corrupt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="at most 60 seconds")
    parser.add_argument("--cuts", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--synchronous", default="", help="another setting than the house's, to see the proof fail")
    parser.add_argument("--kills", type=int, default=1000, help="random kills of a writer after the cuts; not with --quick")
    arguments = parser.parse_args()
    cuts, seconds = arguments.cuts, arguments.seconds
    if arguments.quick:
        cuts, seconds = min(cuts, 5_000), min(seconds, 50)
    began = time.monotonic()
    dice = random.Random(arguments.seed)  # noqa: S311 - the same cuts for the same seed
    vfs = Recorder()
    tally = Tally()
    folder = Path(tempfile.mkdtemp(prefix="prove-durability-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    try:
        pragmas = settings_of_the_house(folder)
        if arguments.synchronous:
            pragmas = [(name, arguments.synchronous if name == "synchronous" else value) for name, value in pragmas]
        shown = ", ".join(f"{name}={value}" for name, value in pragmas)
        print(f"seed {arguments.seed}, SQLite {apsw.sqlite_lib_version()}, {shown}", flush=True)
        run = 0
        while tally.cuts < cuts and time.monotonic() - began < seconds:
            run += 1
            place, left = folder / f"run-{run}", folder / "left"
            place.mkdir()
            left.mkdir(exist_ok=True)
            start, steps = record(place, pragmas, dice, vfs)
            disk = Disk({name: bytearray(content) for name, content in start.items()})
            promised = 0
            for step in steps:
                if step[0] == "acknowledged":
                    promised = step[2]
                else:
                    disk.apply(step)
                if dice.random() < 0.3:
                    inspect(left, disk.after_cut(dice), promised, tally)
            shutil.rmtree(place)
    finally:
        shutil.rmtree(folder)
    print(
        f"cuts {tally.cuts}, acknowledged {tally.acknowledged}, lost {tally.lost}, half {tally.half}, corrupt {tally.corrupt}, "
        f"runs {run}, {time.monotonic() - began:.0f} s"
    )
    is_safe = not (tally.lost or tally.half or tally.corrupt)
    if arguments.quick or arguments.synchronous or not arguments.kills:
        return 0 if is_safe else 1
    return 0 if kill_real_processes(arguments.kills) == 0 and is_safe else 1


if __name__ == "__main__":
    sys.exit(main())

"""Full snapshots and log shipping of the embedded database while the server writes (decision 23, reliability rule 11).

The one law: *what is folded into the main file was shipped before*. Only `ship` folds the log, one process at a time, while
a read transaction of its own keeps the log from being restarted. If anything else folded it (the last connection of a
stopped server does, when it closes), the main file's signature differs and the next `ship` begins a new generation.
The main file is never opened as a plain file here: closing it would drop the locks that SQLite holds in this process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from exam.backup_chain import (
    DATABASE,
    Generation,
    Line,
    Manifest,
    Signature,
    digest_of,
    folders,
    newest,
    raw_connection,
)
from exam.kit.clock import local
from exam.kit.durable import store, sync
from exam.kit.errors import Refused
from exam.kit.house import House
from exam.kit.sealed_files import FOLDERS

KEPT = 14
"""How many generations stay; older ones are removed after a new one is complete."""

NIGHT_HOUR = 2
"""The centre's hour after which the day's full snapshot is due."""

LONGEST_LOG_BYTES = 64 * 1024 * 1024
"""A longer log is folded whole, with writers held back for that moment, so that it can restart."""

LINE_BYTES = 4096
"""More than any line of the anchor is long."""

WAL_HEADER = 32
FRAME_HEADER = 24


def require_embedded(house: House) -> None:
    """Refuses on PostgreSQL: its own tools do this better."""
    if not house.is_sqlite:
        raise refused_on_postgresql()


def refused_on_postgresql() -> Refused:
    """The refusal, with where to read on."""
    return Refused("backup.postgresql", "PostgreSQL 数据库请使用其自带的备份工具", "步骤见 docs/backup.md(pgBackRest)")


def require_apart(copies: Path, data: Path, keys: Path) -> Path:
    """The folder of copies, made if missing; refuses one that lies in the data, holds it, would lie beside the keys, or is none."""
    refuse_overlap(copies, data, keys)
    copies = copies.resolve()
    try:
        copies.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (FileExistsError, NotADirectoryError):
        raise Refused("backup.not_a_folder", f"备份目录 {copies} 不是目录(路径上有同名文件)", "请用 --to 或 EXAM_COPIES 指定一个目录") from None
    except OSError as error:
        raise Refused("backup.no_access", f"无法建立备份目录 {copies}({error.strerror})", "请核对磁盘是否已挂载、有无写权限") from None
    return copies


def refuse_overlap(copies: Path, data: Path, keys: Path) -> None:
    """Refuses copies that lie in the data, hold it, or lie beside the keys."""
    copies, data, keys = copies.resolve(), data.resolve(), keys.resolve()
    if copies.is_relative_to(data) or data.is_relative_to(copies):
        raise Refused("backup.inside_data", f"备份目录 {copies} 与数据目录重叠", "请将 EXAM_COPIES 设为另一块磁盘上的目录")
    if copies.is_relative_to(keys) or keys.is_relative_to(copies):
        raise Refused("backup.beside_keys", f"备份目录 {copies} 与密钥目录重叠", "密钥必须与备份分开存放,请更换目录")


def is_on_same_disk(copies: Path, data: Path) -> bool:
    """Whether losing one disk would lose both."""
    return copies.stat().st_dev == data.stat().st_dev


def ship(house: House, copies: Path, *, full: bool = False) -> Generation:
    """Ships every commit made so far, beginning a new generation if one is due or `full` asks for it, then folds the log."""
    require_embedded(house)
    copies = require_apart(copies, house.data, house.keys.folder)
    with _alone(house.data), _pinned(house) as (reader, probe):
        _copy_beside(house, copies)
        generation = _current(house, copies)
        if full or generation is None or generation.main != _signature(house) or _is_full_due(house, generation):
            generation = _take_full(house, copies, reader)
        _ship_piece(house, copies, generation, probe)
        fold(house, generation, probe)
        wal = house.data / f"{DATABASE}-wal"
        if wal.exists() and wal.stat().st_size > LONGEST_LOG_BYTES:
            reader.execute("ROLLBACK")
            with writers_held(house, reader):
                _ship_piece(house, copies, generation, probe)
                fold(house, generation, probe)
    store(copies / "shipped.json", [msgspec.json.encode({"at": house.clock.now(), "generation": generation.folder.name})])
    return generation


def fold(house: House, generation: Generation, probe: Any) -> None:
    """Folds what was shipped back into the main file, and remembers how that file looks now."""
    probe.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    signature = _signature(house)
    if signature != generation.main:
        generation.append(Line("fold", house.clock.now(), main=signature))


@contextmanager
def ship_and_pin(house: House, copies: Path) -> Iterator[tuple[Generation, Any]]:
    """Ships, and gives a read transaction on the live database at exactly the last shipped commit (for comparisons)."""
    ship(house, copies)
    live = raw_connection(house.data / DATABASE, house.keys["database"])
    try:
        with _alone(house.data), _pinned(house) as (reader, probe):
            reader.execute("ROLLBACK")
            with writers_held(house, reader):
                generation = _current(house, copies)
                if generation is None:
                    raise RuntimeError("the generation just shipped is gone")
                _ship_piece(house, copies, generation, probe)
                _begin_read(live)
        yield generation, live
    finally:
        live.close()


@contextmanager
def writers_held(house: House, connection: Any) -> Iterator[None]:
    """No commit happens in this block, in this process or another."""
    house.turn.take()
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
    finally:
        house.turn.give()


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """One process ships and folds at a time."""
    handle = os.open(data / "backup.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _pinned(house: House) -> Iterator[tuple[Any, Any]]:
    """A connection with an open read transaction, and a second one to look and fold with."""
    path, key = house.data / DATABASE, house.keys["database"]
    reader = raw_connection(path, key)
    probe = raw_connection(path, key)
    try:
        _begin_read(reader)
        probe.execute("SELECT count(*) FROM sqlite_master").fetchall()
        yield reader, probe
    finally:
        if reader.in_transaction:
            reader.execute("ROLLBACK")
        reader.close()
        probe.close()


def _begin_read(connection: Any) -> None:
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchall()


def _signature(house: House) -> Signature:
    stat = (house.data / DATABASE).stat()
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _current(house: House, copies: Path) -> Generation | None:
    """The newest generation, kept in memory between two rounds: its chain is long by the evening."""
    known: Generation | None = house.cache.get("backup.generation")
    found = folders(copies)
    if known is None or not found or found[-1] != known.folder or not known.is_current:
        try:
            known = newest(copies, house.keys["anchor"])
        except Refused:
            known = None  # a damaged chain is left for people to look at; a new generation begins
        house.cache["backup.generation"] = known
    return known


def _is_full_due(house: House, generation: Generation) -> bool:
    now = local(house.clock.now())
    night = now.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    if now < night:
        night -= timedelta(days=1)
    return generation.at < night


def _take_full(house: House, copies: Path, reader: Any) -> Generation:
    """The snapshot of the reader's moment, through SQLite's online backup in one step: it cannot livelock, nobody waits.

    The copy gets the salt of the original, and with it the same page authentication, so that pieces of the log fit onto it.
    """
    for leftover in copies.glob(".full-*.partial"):
        shutil.rmtree(leftover)
    now = house.clock.now()
    name = _free_name(copies, now)
    partial = copies / f".{name}.partial"
    (partial / "wal").mkdir(parents=True, mode=0o700)
    signature = _signature(house)
    salt = reader.execute("PRAGMA cipher_salt").fetchone()[0]
    copy = raw_connection(partial / DATABASE, house.keys["database"], salt)
    try:
        reader.backup(copy, pages=-1)
    finally:
        copy.close()
    sync(partial / DATABASE)
    manifest = Manifest(
        at=now,
        app_version=app_version(),
        schema_revision=",".join(row[0] for row in reader.execute("SELECT version_num FROM alembic_version ORDER BY 1")),
        files={DATABASE: digest_of(partial / DATABASE)},
        counts=counts_of(reader),
        heads=heads_of(reader),
        reports=_copy_reports(house, copies),
    )
    base = Generation(partial, house.keys["anchor"])
    base.append(Line("base", now, main=signature, file=DATABASE, sha256=manifest.files[DATABASE]))
    store(partial / "manifest.json", [msgspec.json.format(msgspec.json.encode(manifest), indent=1)])
    sync(partial)
    partial.rename(copies / name)
    sync(copies)
    generation = Generation(copies / name, house.keys["anchor"])
    house.cache["backup.generation"] = generation
    for old in folders(copies)[:-KEPT]:
        shutil.rmtree(old)
    return generation


def _free_name(copies: Path, now: datetime) -> str:
    number = 1
    while (copies / (name := f"full-{now:%Y%m%dT%H%M%SZ}-{number:02}")).exists():
        number += 1
    return name


def app_version() -> str:
    """The version that is installed, or `source` when run from a checkout."""
    try:
        return version("exam-centre")
    except PackageNotFoundError:
        return "source"


def counts_of(connection: Any) -> dict[str, int]:
    """Rows of every table."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    ).fetchall()
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names}


def heads_of(connection: Any) -> dict[str, tuple[int, str]]:
    """The head of every audit chain: `[seq, hash]` by writer."""
    rows = connection.execute("SELECT writer, seq, head FROM exam_audit_writer ORDER BY writer").fetchall()
    return {str(writer): (seq, bytes(head).hex()) for writer, seq, head in rows}


def _ship_piece(house: House, copies: Path, generation: Generation, probe: Any) -> None:
    """Ships the committed frames that are not shipped yet. Sealed files go first: no shipped row may lack its file."""
    wal = house.data / f"{DATABASE}-wal"
    last = generation.last_piece
    for _ in range(100):
        found = _read_frames(wal, probe, last)
        if found is not None:
            break
    else:
        raise RuntimeError("the write-ahead log restarted on every attempt to read it")
    content, salts, frames = found
    if not content:
        return
    _copy_reports(house, copies)
    epoch = 1 if last is None else last.epoch if last.salts == salts else last.epoch + 1
    name = f"wal/{epoch:06}-{frames:09}.wal"
    store(generation.folder / name, [content])
    generation.append(
        Line("wal", house.clock.now(), file=name, epoch=epoch, salts=salts, frames=frames, sha256=sha256(content).hexdigest())
    )


def _read_frames(wal: Path, probe: Any, last: Line | None) -> tuple[bytes, str, int] | None:
    """The committed frames after the last piece (with the log's header if the log is new to us); None: try again.

    SQLite says how many frames are committed; each must carry the salts of the header read before, or the log was
    restarted under our hands. Their checksums are SQLite's to judge, at every restore and drill.
    """
    nothing = (b"", "", 0)
    if not wal.exists():
        return nothing
    with wal.open("rb") as file:
        header = file.read(WAL_HEADER)
        committed = probe.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()[1]
        if len(header) < WAL_HEADER or committed <= 0:
            return nothing
        salts = header[16:24]
        size = FRAME_HEADER + int.from_bytes(header[8:12], "big")
        begin = last.frames if last is not None and last.salts == salts.hex() else 0
        if committed < begin:
            return None
        file.seek(WAL_HEADER + begin * size)
        frames = file.read((committed - begin) * size)
        file.seek(0)
        is_same_log = file.read(WAL_HEADER) == header
    is_whole = len(frames) == (committed - begin) * size
    if not is_same_log or not is_whole or any(frames[at + 8 : at + 16] != salts for at in range(0, len(frames), size)):
        return None
    if not frames:
        return nothing
    return (frames if begin else header + frames), salts.hex(), committed


def _copy_reports(house: House, copies: Path) -> int:
    """Copies sealed files (reports, attachments) that are not there yet. They are named by their content; one is only ever repaired."""
    seen = house.cache.setdefault("backup.reports", {})
    return sum(_copy_new(house.data / name, copies / name, seen) for name in FOLDERS if (house.data / name).is_dir())


def _copy_new(source: Path, target: Path, seen: dict[tuple[Path, Path], tuple[int, list[str], int]]) -> int:
    """Copies new files of one folder and of those below it; returns how many files the source has.

    An unchanged folder is not listed again. A folder changed within the last second is not remembered: its time may not move
    again for another change in the same tick.
    """
    changed = source.stat().st_mtime_ns
    remembered = seen.get((source, target))
    if remembered is None or remembered[0] != changed or not target.exists():
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        entries = [entry for entry in os.scandir(source) if not entry.name.startswith(".")]
        files = [entry.name for entry in entries if entry.is_file()]
        for name in files:
            if not (target / name).exists() or (target / name).stat().st_mtime_ns < (source / name).stat().st_mtime_ns:
                store(target / name, [(source / name).read_bytes()])
        remembered = (changed, [entry.name for entry in entries if entry.is_dir()], len(files))
        if time.time_ns() - changed > 1_000_000_000:
            seen[source, target] = remembered
    return remembered[2] + sum(_copy_new(source / name, target / name, seen) for name in remembered[1])


def _copy_beside(house: House, copies: Path) -> None:
    """Copies the anchor folder (audit heads, high-water marks). Before the log: every anchored row is then in the copy."""
    source, target = house.data.parent / "anchor", copies / "anchor"
    target.mkdir(exist_ok=True, mode=0o700)
    kept = [path.name for path in house.anchor.kept()]
    for name in kept:
        if not (target / name).exists() and (target / "audit.log").exists():
            (target / "audit.log").replace(target / name)  # as the anchor's own file was put aside with the new month
    for name in (*kept, "audit.log", "series.json"):
        if not (source / name).exists():
            continue
        content = (source / name).read_bytes() if name == "series.json" else _tail(source / name, target / name)
        if name == "series.json":
            if not (target / name).exists() or (target / name).read_bytes() != content:
                store(target / name, [content])
        elif content:
            with (target / name).open("ab") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            sync(target)


def _tail(source: Path, target: Path) -> bytes:
    """What a growing file has more than its copy. A copy that is no beginning of it (another file's, or made before a power
    cut tore the last line) is set aside."""
    have = target.stat().st_size if target.exists() else 0
    with source.open("rb") as file:
        if have and _end(target, have) != _end(source, have):
            target.replace(target.with_suffix(f".before-{int(target.stat().st_mtime)}"))
            have = 0
        file.seek(have)
        content = file.read()
    return content[: content.rfind(b"\n") + 1]


def _end(path: Path, size: int) -> bytes:
    """The last bytes of the first `size` bytes of a file: more than a line of the anchor has."""
    with path.open("rb") as file:
        file.seek(max(0, size - LINE_BYTES))
        return file.read(min(size, LINE_BYTES))

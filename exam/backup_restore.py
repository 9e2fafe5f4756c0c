"""Restoring: the snapshot, then every shipped piece of the log in turn, recovered by SQLite itself; and what is lost, named."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

import msgspec

from exam.backup_chain import DATABASE, Generation, Line, digest_of, newest, raw_connection
from exam.kit import audit
from exam.kit.durable import store
from exam.kit.errors import Refused
from exam.kit.house import House, system_actor
from exam.kit.keys import Keys
from exam.kit.sealed_files import FOLDERS
from exam.settings import Settings

SKIPPED_NUMBERS = 1000
"""Numbers left out of every series when the machine's own high-water marks are lost: some may be on paper already."""


@dataclass(frozen=True)
class Restored:
    """What was restored: from which generation, up to which moment, from how many pieces."""

    generation: str
    at: datetime
    pieces: int
    reports: int


def restore(copies: Path, data: Path, keys: Keys, until: datetime | None = None) -> Restored:
    """Puts a database back into the empty folder `data`, as of the last shipped commit, or of `until`.

    Refuses damage instead of restoring less in silence. High-water marks beside `data` that are still there are kept; only
    where they are missing, the copy's marks come back, raised so that no number already on paper is given out again.
    """
    generation = find(copies, keys, until)
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise Refused("backup.not_empty", f"目标目录 {data} 不是空目录", "请先移走原有数据(不要删除),再恢复到空目录")
    partial = data.with_name(f".{data.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True, mode=0o700)
    pieces = generation.pieces(until)
    _place_snapshot(generation, partial / DATABASE)
    replay(generation, pieces, partial / DATABASE, keys["database"])
    store_of = generation.folder.parent
    reports = 0
    for name in FOLDERS:
        if (store_of / name).is_dir():
            shutil.copytree(store_of / name, partial / name)
            reports += sum(path.is_file() for path in (partial / name).rglob("*"))
    _place_anchor(store_of / "anchor", data.parent / "anchor")
    partial.replace(data)
    return Restored(generation.folder.name, pieces[-1].at if pieces else generation.at, len(pieces), reports)


def seal_note(data: Path) -> str:
    """What to do when the seal's folder does not lie beside a data folder; empty when it does."""
    seal = data.parent / "seal"
    if seal.is_dir() and any(seal.iterdir()):
        return ""
    return (
        f"缺少签章目录 {seal}:签章(含根证书)不在备份中,没有它就无法核对报告的签章,也无法签发报告。"
        "请把原安装的 seal 目录放到该处,再运行 exam verify"
    )


def find(copies: Path, keys: Keys, until: datetime | None = None) -> Generation:
    """The generation that a restore would use: a folder `full-…` itself, or the newest one in a folder of copies."""
    if not copies.is_dir():
        raise Refused("backup.no_such_folder", f"没有目录 {copies}", "请用 --from 指定备份目录,或其中一个 full-… 目录")
    if (copies / "manifest.json").exists():
        return Generation(copies, keys["anchor"])
    found = newest(copies, keys["anchor"], until)
    if found is None:
        raise Refused("backup.none", f"目录 {copies} 中没有可用的完整备份", "请核对目录与时间;--until 不能早于最早的完整备份")
    return found


def _place_snapshot(generation: Generation, target: Path) -> None:
    shutil.copyfile(generation.folder / DATABASE, target)
    base = generation.lines[0] if generation.lines else None
    digest = digest_of(target)
    if base is None or digest != base.sha256 or digest != generation.manifest.files[DATABASE]:
        raise Refused(
            "backup.snapshot_damaged",
            f"完整备份 {generation.folder.name} 的数据库文件已损坏",
            "请改用异地副本,或选用更早的一份完整备份",
        )


def replay(generation: Generation, pieces: list[Line], target: Path, key: bytes) -> None:
    """Rebuilds each write-ahead log from its pieces and lets SQLite recover it into the database.

    SQLite stops at the first frame whose checksum is wrong; a log that recovers fewer frames than were shipped is refused.
    """
    wal = target.with_name(target.name + "-wal")
    for _, group in groupby(pieces, key=lambda line: line.epoch):
        lines = list(group)
        with wal.open("wb") as file:
            for line in lines:
                content = _piece(generation, line)
                file.write(content)
        connection = raw_connection(target, key)
        try:
            recovered = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if tuple(recovered[1:]) != (lines[-1].frames, lines[-1].frames):
                raise _damaged(generation, lines[-1])
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()
        wal.unlink(missing_ok=True)


def _piece(generation: Generation, line: Line) -> bytes:
    path = generation.folder / line.file
    if not path.exists() or digest_of(path) != line.sha256:
        raise _damaged(generation, line)
    return path.read_bytes()


def _damaged(generation: Generation, line: Line) -> Refused:
    return Refused(
        "backup.piece_damaged",
        f"备份 {generation.folder.name} 的增量文件 {line.file} 缺失或已损坏",
        f"请改用异地副本;或用 --until 恢复到 {line.at.isoformat(timespec='seconds')} 之前",
    )


def _place_anchor(source: Path, target: Path) -> None:
    if (target / "series.json").exists() or not source.is_dir():
        return
    target.mkdir(parents=True, exist_ok=True)
    for name in (*sorted(path.name for path in source.glob("audit-*.log")), "audit.log", "series.json"):
        if (source / name).exists() and not (target / name).exists():
            content = (source / name).read_bytes()
            if name == "series.json":
                marks = msgspec.json.decode(content, type=dict[str, int])
                content = msgspec.json.encode({series: mark + SKIPPED_NUMBERS for series, mark in marks.items()})
            store(target / name, [content])


def record(house: House, restored: Restored) -> str:
    """Writes the restore into the audit as an act that names what the anchors remember and the database does not."""
    with house.unit(system_actor(house.site), write=False) as db:
        lost = list(house.anchor.breaches(db))
    gap = "; ".join(lost) or "no anchored row is missing"
    with house.unit(system_actor(house.site)) as db:
        audit.note(db, "backup.restore", subject=f"backup:{restored.generation}", reason=f"as of {restored.at.isoformat()}: {gap}")
    with house.unit(system_actor(house.site), write=False) as db:
        house.anchor.write(db, house.clock.now())
    return gap


def open_restored(settings: Settings, data: Path) -> House:
    """The house over a restored folder, with this installation's keys and rooms."""
    from exam.app import make_house

    return make_house(msgspec.structs.replace(settings, data=data, database_url="", owner_url="", copies=""))

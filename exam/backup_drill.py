"""The restore drill: restores into a side folder, runs every invariant, compares with the live database, one page of result."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exam.backup_chain import DATABASE, Generation, digest_of, raw_connection
from exam.backup_restore import Restored, find, open_restored, restore
from exam.backup_ship import counts_of, heads_of, ship_and_pin
from exam.kit.clock import Clock, local
from exam.kit.house import House
from exam.kit.keys import Keys
from exam.kit.sealed_files import FOLDERS
from exam.settings import Settings


def drill(settings: Settings, copies: Path, clock: Clock, live: House | None, side: Path | None = None) -> tuple[bool, str]:
    """Whether the copies can be trusted, and the page that says so. `live` is the running installation, if it is here.

    With `live` the copies are brought up to date first and both databases are compared at the same commit, table by table.
    """
    began = time.monotonic()
    started = clock.now()
    keys = live.keys if live is not None else Keys(settings.keys)
    live_files = live.data if live is not None else None
    folder = (side or copies) / f"drill-{started:%Y%m%dT%H%M%SZ}"
    page = ["恢复演练结果", "=" * 40, f"时间        {local(started):%Y-%m-%d %H:%M:%S}", f"备份目录    {copies}"]
    try:
        with _source(copies, keys, live) as (generation, pinned):
            restored = restore(generation.folder, folder / "data", keys)
            seconds = time.monotonic() - began
            side_connection = raw_connection(folder / "data" / DATABASE, keys["database"])
            try:
                compared = _compare(side_connection, pinned, generation, restored)
                compared.append(_intact(side_connection))
            finally:
                side_connection.close()
        page += [
            f"完整备份    {restored.generation}(增量 {restored.pieces} 段,报告与附件 {restored.reports} 个)",
            f"恢复到      {local(restored.at):%Y-%m-%d %H:%M:%S}",
            f"恢复用时    {seconds:.1f} 秒",
            "",
        ]
        if (seal := settings.data.parent / "seal").exists():  # what the reports were sealed with; no part of the copies
            (folder / "seal").symlink_to(seal.resolve())
        house = open_restored(settings, folder / "data")
        try:
            checks = [*compared, *_invariants(house), _reports(folder / "data", live_files)]
        finally:
            house.engine.dispose()
    finally:
        if folder.exists():
            shutil.rmtree(folder)
    is_good = all(not breaches for _, breaches in checks)
    for name, breaches in checks:
        page.append(f"[{'通过' if not breaches else '失败'}] {name}")
        page += [f"         {breach}" for breach in breaches[:10]]
    verdict = "备份可用" if is_good else "备份有问题,请立即处理"
    page += ["", f"总用时      {time.monotonic() - began:.1f} 秒", f"结论        {verdict}"]
    text = "\n".join(page) + "\n"
    (copies / f"drill-{started:%Y%m%dT%H%M%SZ}.txt").write_text(text)
    return is_good, text


@contextmanager
def _source(copies: Path, keys: Keys, live: House | None) -> Iterator[tuple[Generation, Any | None]]:
    if live is None:
        yield find(copies, keys), None
    else:
        with ship_and_pin(live, copies) as (generation, pinned):
            yield generation, pinned


def _compare(side: Any, pinned: Any | None, generation: Generation, restored: Restored) -> list[tuple[str, list[str]]]:
    """Against the live database at the same commit; without one, against the manifest where no piece came after it."""
    heads = heads_of(side)
    counts = counts_of(side)
    manifest = generation.manifest
    if pinned is None:
        rows_before = [f"审计链 {writer}: 备份清单 {seq} 行,恢复后 {heads[writer][0]} 行"
                       for writer, (seq, _) in manifest.heads.items() if heads[writer][0] < seq]  # fmt: skip
        same = restored.pieces or counts == manifest.counts
        return [
            ("审计链不短于备份清单", rows_before),
            (f"各表行数与备份清单一致({sum(counts.values())} 行)", [] if same else ["行数与清单不一致"]),
        ]
    live_heads, live_counts = heads_of(pinned), counts_of(pinned)
    acts = sum(seq for seq, _ in heads.values())
    return [
        (f"审计位置与在用库相同(共 {acts} 条)", [] if heads == live_heads else ["审计链头不一致"]),
        (
            f"各表行数与在用库相同({len(counts)} 张表,{sum(counts.values())} 行)",
            [f"{name}: 在用库 {live_counts.get(name)} 行,恢复后 {counts.get(name)} 行"
             for name in sorted({*counts, *live_counts}) if counts.get(name) != live_counts.get(name)],
        ),
        (
            "各表内容摘要与在用库相同(SHA-256)",
            [f"{name}: 内容不同" for name in sorted({*counts} & {*live_counts}) if _digest(side, name) != _digest(pinned, name)],
        ),
    ]  # fmt: skip


def _digest(connection: Any, table: str) -> str:
    """SHA-256 over all rows of a table in the order of its key."""
    digest = hashlib.sha256()
    keyed = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    order = ", ".join(f'"{row[1]}"' for row in sorted(keyed, key=lambda row: row[5]) if row[5]) or "1"
    for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY {order}'):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def _intact(connection: Any) -> tuple[str, list[str]]:
    broken = [str(row[0]) for row in connection.execute("PRAGMA cipher_integrity_check").fetchall()]
    verdicts = [str(row[0]) for row in connection.execute("PRAGMA integrity_check").fetchall()]
    return "数据库文件完整(每页校验码、B 树)", broken + [verdict for verdict in verdicts if verdict != "ok"]


def _invariants(house: House) -> list[tuple[str, list[str]]]:
    from exam.commands import breaches_of

    return breaches_of(house)


def _reports(folder: Path, live: Path | None) -> tuple[str, list[str]]:
    """Restored reports and attachments are the live ones, byte for byte; what is in them, the rooms' own invariants check."""
    files = [path for name in FOLDERS for path in (folder / name).rglob("*") if path.is_file()]
    different = []
    for path in files:
        origin = live / path.relative_to(folder) if live is not None else path
        if not origin.exists() or digest_of(origin) != digest_of(path):
            different.append(f"{path.name}: 与在用文件不同或在用文件缺失")
    return f"报告与附件和在用文件一致({len(files)} 个)" if live is not None else f"报告与附件 {len(files)} 个", different

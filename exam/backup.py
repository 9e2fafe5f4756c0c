"""Backup, restore and drill from the command line (docs/backup.md); the machinery is in the `backup_…` files beside this one."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from exam.backup_chain import folders
from exam.backup_drill import drill
from exam.backup_restore import open_restored, record, restore, seal_note
from exam.backup_ship import is_on_same_disk, refuse_overlap, refused_on_postgresql, require_embedded, ship
from exam.kit.clock import CENTRE_ZONE, SystemClock, local
from exam.kit.errors import Refused
from exam.kit.house import House
from exam.kit.keys import Keys
from exam.kit.module import Command
from exam.settings import Settings


def ship_if_asked(house: House) -> bool:
    """Ships and folds the log where a folder of copies is set; False where the caller has to fold it."""
    copies = getattr(house.settings, "copies", "")
    if not copies or not house.is_sqlite:
        return False
    ship(house, Path(copies))
    return True


def moment(text: str) -> datetime:
    """A moment from the command line; without an offset it is on the centre's wall clock."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("backup.time", f"时间 {text} 无法识别", "例如 2026-11-21T14:30") from None
    return (found if found.tzinfo else found.replace(tzinfo=CENTRE_ZONE)).astimezone(UTC)


def copies_of(settings: Settings, chosen: str) -> Path:
    """The folder of copies: the one named on the command line, or that of the settings."""
    if not (chosen or settings.copies):
        raise Refused("backup.no_folder", "没有指定备份目录", "请设置 EXAM_COPIES,或在命令中指定目录")
    return Path(chosen or settings.copies).resolve()


def _backup(settings: Settings, arguments: Namespace) -> int:
    from exam.commands import open_house

    copies = copies_of(settings, arguments.to)
    house = open_house(settings)
    require_embedded(house)
    generation = ship(house, copies, full=True)
    manifest = generation.manifest
    print(f"完整备份已完成: {generation.folder}")
    print(f"  {sum(manifest.counts.values())} 行,{len(manifest.counts)} 张表,报告与附件 {manifest.reports} 个")
    print(f"  目录中现有完整备份 {len(folders(copies))} 份")
    if is_on_same_disk(copies, settings.data):
        print("  注意: 备份目录与数据在同一块磁盘上,磁盘损坏时将同时丢失", file=sys.stderr)
    print("  密钥不在备份中,请确认密钥已另行保管(docs/backup.md)")
    return 0


def _restore(settings: Settings, arguments: Namespace) -> int:
    from exam.commands import breaches_of, show

    target = Path(arguments.to).resolve()
    source = Path(arguments.source).resolve()
    refuse_overlap(source, target, settings.keys)
    until = moment(arguments.until) if arguments.until else None
    restored = restore(source, target, Keys(settings.keys), until)
    print(f"已恢复 {restored.generation},到 {local(restored.at):%Y-%m-%d %H:%M:%S}(增量 {restored.pieces} 段)")
    house = open_restored(settings, target)
    print(f"  审计已记录本次恢复: {record(house, restored)}")
    if note := seal_note(target):
        print(f"  注意: {note}", file=sys.stderr)
    bad = 0
    for name, breaches in breaches_of(house):
        bad += show(name, breaches)
    house.engine.dispose()
    return 1 if bad else 0


def _drill(settings: Settings, arguments: Namespace) -> int:
    from exam.commands import open_house

    if settings.database_url and not arguments.source:
        raise refused_on_postgresql()
    copies = copies_of(settings, arguments.source)
    is_live = not arguments.source and not settings.database_url
    live = open_house(settings) if is_live else None
    is_good, page = drill(settings, copies, SystemClock(), live, Path(arguments.side) if arguments.side else None)
    print(page, end="")
    return 0 if is_good else 1


def _backup_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--to", default="", metavar="DIR", help="folder of copies; EXAM_COPIES without it")


def _restore_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", required=True, metavar="DIR", help="folder of copies, or one full-… in it")
    parser.add_argument("--to", required=True, metavar="DIR",
                        help="an empty data folder. Beside it belong the anchor folder, which comes from the copies, and "
                        "the folder `seal`, which is no part of them: put it there first, or no report's seal can be checked")  # fmt: skip
    parser.add_argument("--until", default="", metavar="TIME", help="for example 2026-11-21T14:30 on the centre's clock")


def _drill_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", default="", metavar="DIR", help="other copies; not compared with the live data")
    parser.add_argument("--side", default="", metavar="DIR", help="where to restore; the folder of copies without it")


COMMANDS = (
    Command("backup", "take a full backup now; the server ships the rest by itself", _backup, _backup_arguments),
    Command("restore", "restore a backup into an empty data folder and check it", _restore, _restore_arguments),
    Command("drill", "prove that the copies can be restored: one page of result", _drill, _drill_arguments),
)

"""`exam knowledge`: the rule book as a file from the command line; an import only proposes, doctors decide on the screen."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import date
from pathlib import Path
from typing import Any

from exam.commands import open_for_work, open_house
from exam.kit.clock import day_of
from exam.kit.errors import Refused
from exam.kit.house import system_actor
from exam.kit.module import Command
from exam.knowledge import exchange, words


def _arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = actions.add_parser("export", help="write the whole rule book to a file")
    export.add_argument("file", type=Path)
    export.add_argument(
        "--shipped", action="store_true", help="the book that this version of the program ships, instead of your own"
    )
    diff = actions.add_parser("diff", help="show what a file would change; nothing is stored")
    diff.add_argument("file", type=Path)
    take = actions.add_parser("import", help="propose what a file changes, for doctors to decide on")
    take.add_argument("file", type=Path)
    take.add_argument("--reason", required=True, help="why, as the approvers will read it")
    take.add_argument(
        "--from", dest="valid_from", default="", metavar="DAY", help="first day, such as 2026-12-01; today if not given"
    )
    take.add_argument("--only", nargs="+", default=[], metavar="CODE", help="only these entries")
    take.add_argument("--ended", action="store_true", help="also propose to end what the file no longer has")


def _run(settings: Any, arguments: Namespace) -> int:
    if arguments.action == "export":
        return _export(settings, arguments.file, is_shipped=arguments.shipped)
    found = exchange.read(_content(arguments.file))
    if found.problems:
        for problem in found.problems:
            print(f"{problem.place}: {problem.text}")
        raise Refused("knowledge.bad_file", f"文件有 {len(found.problems)} 处错误,没有导入", "请更正后重试")
    house = open_for_work(settings) if arguments.action == "import" else open_house(settings)
    with house.unit(system_actor(house.site), write=arguments.action == "import") as db:
        differing = [each for each in exchange.compare(db, found.entries) if each.act != "same"]
        if arguments.action == "diff":
            _show(differing)
            return 0
        only = set(arguments.only)
        chosen = [
            each for each in differing if (each.code in only if only else each.act != "ended" or arguments.ended)
        ]  # fmt: skip
        unknown = only - {each.code for each in differing}
        if unknown:
            raise Refused(
                "knowledge.not_in_file", f"没有差别的编号:{'、'.join(sorted(unknown))}", "请用 exam knowledge diff 查看差别"
            )
        day = _day(arguments.valid_from, day_of(house.clock.now()))
        _show(chosen)
        print(f"已提交 {len(exchange.accept(db, chosen, valid_from=day, reason=arguments.reason))} 条,等待医师审批")
    return 0


def _export(settings: Any, path: Path, *, is_shipped: bool) -> int:
    house = open_house(settings)
    with house.unit(system_actor(house.site), write=False) as db:
        content = exchange.export_shipped(db) if is_shipped else exchange.export(db)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Refused("knowledge.file", f"文件 {path.name} 无法写入:{error.strerror}", "请换一个位置") from None
    print(f"已导出到 {path}")
    return 0


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(exchange.MOST_BYTES + 1)
    except OSError as error:
        raise Refused("knowledge.file", f"文件 {path.name} 无法读取:{error.strerror}", "请核对文件名") from None


def _day(text: str, default: date) -> date:
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise Refused("knowledge.day", f"日期“{text[:20]}”无效", "请填写日期,例如 2026-12-01") from None


def _show(differing: list[exchange.Difference]) -> None:
    if not differing:
        print("没有差别")
    for each in differing:
        print(f"{exchange.ACT_NAMES[each.act]} {words.KIND_NAMES[each.kind]} {each.code} {each.title}")
        for label, before, after in each.changes:
            print(f"    {label}: {before or '无'} -> {after or '无'}".replace("\n", " / "))
        for problem in each.problems:
            print(f"    ! {problem}")


COMMANDS = (Command("knowledge", "export, compare and import the rule book as a file", _run, _arguments),)

"""`exam catalog-additions`: what a new version's starter catalogue has beyond one's own, as a workbook to import on the screen."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from exam.catalog import service, workbook
from exam.commands import open_house
from exam.kit.errors import Refused
from exam.kit.house import system_actor
from exam.kit.module import Command

MOST_NAMED = 40


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE.xlsx", help="your catalogue of today with the additions; nothing is stored"
    )


def _run(settings: Any, arguments: Namespace) -> int:
    path: Path = arguments.file
    house = open_house(settings)
    with house.unit(system_actor(house.site), write=False) as db:
        found, added = service.with_shipped(db)
    if not added:
        print("初始目录没有本院目录未有的内容,没有写文件")
        return 0
    try:
        path.write_bytes(workbook.write(found))
    except OSError as error:
        raise Refused("catalog.file", f"文件 {path.name} 无法写入:{error.strerror}", "请换一个位置") from None
    print(f"已写入 {path}:{len(added)} 条新增或增加了细项:{'、'.join(added[:MOST_NAMED])}{' …' if len(added) > MOST_NAMED else ''}")
    print("价格为虚构。请先核对、修改,再在目录页面导入;之后运行 exam migrate,随版本补充的规则即可载入")
    return 0


COMMANDS = (
    Command(
        "catalog-additions", "write your catalogue with what the starter has beyond it, to import on the screen", _run, _arguments
    ),
)

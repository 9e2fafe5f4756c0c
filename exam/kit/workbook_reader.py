"""Workbooks read in a process of their own, with little memory and little time: a hostile file ends that process, not the server.

The guard has seen every xlsx before; of an old xls, whose inside is not looked through, these bounds are the only ones.
"""

from __future__ import annotations

import datetime
import resource
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec

from exam.kit.workbook_guard import Bounds, refusal

MOST_SECONDS = 10
MOST_MEMORY = 400 * 1024 * 1024
"""Address space of the reader, libraries and all: about 60 MB are used before it reads anything."""
MOST_SHEETS = 50
MOST_CELLS = 500_000


class DateCell(msgspec.Struct, frozen=True, array_like=True):
    """A cell that the workbook itself holds as a date or time, in ISO 8601."""

    iso: str


Cell = str | float | bool | DateCell
Sheets = list[tuple[str, list[list[Cell]]]]


def read_sheets(content: bytes, bounds: Bounds, code: str) -> Sheets:
    """The visible sheets of a workbook from A1 on, each cell as the file holds it; an empty cell is an empty text.

    Refuses what cannot be read in ten seconds and 400 MB, is encrypted, or has more cells than anybody looks through.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own module, the content goes through a pipe
            [sys.executable, "-m", __name__, str(bounds.rows), str(bounds.columns)],
            input=content, capture_output=True, timeout=MOST_SECONDS + 5, check=False, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        answer = done.stdout if done.returncode == 0 else b""
    except subprocess.TimeoutExpired:
        answer = b""
    try:
        kind, sheets = msgspec.msgpack.decode(answer, type=tuple[str, Sheets])
    except msgspec.DecodeError:
        kind, sheets = "unreadable", []
    if kind != "read":
        text, hint = _REASONS[kind]
        raise refusal(code, kind, text, hint)
    return sheets


_REASONS = {
    "unreadable": ("工作簿已损坏或内容过多,无法读取", "请用 Excel 或 WPS 打开,另存为新的 .xlsx 后再上传"),
    "encrypted": ("工作簿已加密", "请取消密码后再上传"),
    "too_many_cells": ("工作簿的行、列或单元格过多", "请删除数据以外的行和列(包括空行格式)后再上传"),
    "too_many_parts": (f"工作簿超过 {MOST_SHEETS} 个工作表", "请把名单所在的工作表另存为新的 .xlsx 后再上传"),
}


def _plain(cell: Any) -> Any:
    if isinstance(cell, (str, float, bool)):
        return cell
    if isinstance(cell, int):
        return float(cell) if abs(cell) < 2**53 else str(cell)
    if isinstance(cell, (datetime.date, datetime.time)):  # a datetime is a date
        return DateCell(cell.isoformat())
    return str(cell)


def _read(content: bytes, rows: int, columns: int) -> tuple[str, list[Any]]:
    from python_calamine import CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

    try:
        book = CalamineWorkbook.from_filelike(BytesIO(content))
    except PasswordError:
        return "encrypted", []
    shown = [
        each.name
        for each in book.sheets_metadata
        if each.typ == SheetTypeEnum.WorkSheet and each.visible == SheetVisibleEnum.Visible
    ]
    if len(shown) > MOST_SHEETS:
        return "too_many_parts", []
    found, left = [], MOST_CELLS
    for name in shown:
        sheet = book.get_sheet_by_name(name)
        left -= sheet.total_height * sheet.total_width
        if sheet.total_height > rows or sheet.total_width > columns or left < 0:
            return "too_many_cells", []
        found.append((name, [[_plain(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]))
    return "read", found


def main() -> None:
    """The reader's own process: a workbook on its input, its sheets as MessagePack on its output."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    rows, columns = (int(each) for each in sys.argv[1:3])
    sys.stdout.buffer.write(msgspec.msgpack.encode(_read(sys.stdin.buffer.read(), rows, columns)))


if __name__ == "__main__":
    main()

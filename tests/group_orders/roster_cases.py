"""Files for the tests of a roster's import: workbooks as offices write them, and such as nobody should."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import xlsxwriter

from exam.people.rules import check_character
from group_orders.facts import CohortRule

HEADER = ["姓名", "身份证号", "性别", "出生日期", "手机", "婚姻", "部门", "工号", "岗位", "职务", "分组", "备注"]
MALE, FEMALE = "450110198503150018", "450110199007220026"
EXAM_ON, TODAY = date(2026, 12, 1), date(2026, 11, 21)

MEN = CohortRule(UUID(int=1), "男职工", sex="M")
SINGLE = CohortRule(UUID(int=2), "女职工(未婚)", sex="F", marital="未婚")
MARRIED = CohortRule(UUID(int=3), "女职工(已婚)", sex="F", marital="已婚")
COHORTS = (MEN, SINGLE, MARRIED)


def id_number(n: int, born: date = date(1985, 3, 15)) -> str:
    """The n-th invented number of a birth date; an odd n is a man's."""
    body = f"450110{born:%Y%m%d}{n:03d}"
    return body + check_character(body)


def person(n: int, **more: Any) -> list[Any]:
    """A sound row under HEADER; `more` replaces cells by their header."""
    texts = ["韦小明" + "甲乙丙丁戊己庚辛壬癸"[n % 10], id_number(n), "男" if n % 2 else "女", "1985-03-15", f"1380013{n:04d}", "已婚",
             "一车间", f"E{n:04d}", "焊工", "", "", ""]  # fmt: skip
    return [more.get(label, text) for label, text in zip(HEADER, texts, strict=True)]


def xlsx(rows: Sequence[Sequence[Any]], sheet: str = "名单", more: Sequence[str] = ()) -> bytes:
    """A workbook as Excel would keep what was typed: numbers as numbers, dates as dates."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True, "strings_to_numbers": False}) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for name in more:
            book.add_worksheet(name)
        page = book.add_worksheet(sheet)
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, date):
                    page.write_datetime(number, column, value, day)  # type: ignore[arg-type]
                elif value != "":
                    page.write(number, column, value)
    return content.getvalue()


def repacked(content: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """A workbook with its inner parts changed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return made.getvalue()


def xls(cells: Sequence[tuple[int, int, str | float]], extra: bytes = b"") -> bytes:
    """An old workbook (BIFF8 in an OLE file) with these cells, row and column from 0."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    def text(value: str) -> bytes:
        return struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")

    strings = [value for _, _, value in cells if isinstance(value, str)]
    shared = struct.pack("<II", len(strings), len(strings)) + b"".join(map(text, strings))
    sheet = record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0))
    for row, column, value in cells:
        if isinstance(value, str):
            sheet += record(0xFD, struct.pack("<HHHI", row, column, 0, strings.index(value)))
        else:
            sheet += record(0x203, struct.pack("<HHHd", row, column, 0, value))
    sheet += record(0x0A, b"")
    opening = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)) + record(0xFC, shared)
    name = struct.pack("<BB", 2, 1) + "名单".encode("utf-16-le")
    place = len(opening) + 4 + 6 + len(name) + 4
    book = opening + record(0x85, struct.pack("<IH", place, 0) + name) + record(0x0A, b"") + sheet + extra
    return _ole(book.ljust(4096, b"\0"))


def _ole(stream: bytes) -> bytes:
    sectors = -(-len(stream) // 512)
    free, end, fat_mark = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    fat = [fat_mark, end, *[n + 3 for n in range(sectors - 1)], end]
    head = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)

    def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
        raw = name.encode("utf-16-le") + b"\0\0"
        return (
            raw.ljust(64, b"\0")
            + struct.pack("<HBBIII", len(raw), kind, 1, free, free, child)
            + bytes(36)
            + struct.pack("<IQ", start, size)
        )

    listing = entry("Root Entry", 5, 1, end, 0) + entry("Workbook", 2, free, 2, len(stream))
    return (
        head
        + struct.pack(f"<{len(fat)}I", *fat).ljust(512, b"\xff")
        + listing.ljust(512, b"\0")
        + stream.ljust(sectors * 512, b"\0")
    )

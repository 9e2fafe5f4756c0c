"""Workbooks that come in: refused before any reader sees them, when they are no plain xlsx or would unfold beyond their bounds.

What it stops (reliability.md AT-09, AT-10): a small file that unfolds to a hundred megabytes, thousands of sheets, a million
strings, one cell far away that makes a reader lay out millions of empty ones, a DOCTYPE, macros, external links, a password.
"""

from __future__ import annotations

import functools
import re
import zipfile
from io import BytesIO

import msgspec

from exam.kit.errors import Refused

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much a workbook may hold: its bytes, its bytes unfolded, its parts, the tags of one part, its rows and columns."""

    file_bytes: int = 5 * 1024 * 1024
    expanded_bytes: int = 60 * 1024 * 1024
    parts: int = 200
    tags: int = 2_000_000
    rows: int = 20_000
    columns: int = 60


def refusal(code: str, reason: str, text: str, hint: str) -> Refused:
    """A workbook is not taken: `code` names who asked (`catalog.workbook`)."""
    return Refused(f"{code}_{reason}", text, hint, "file")


def check_size(content: bytes, bounds: Bounds, code: str) -> None:
    """Refuses a file that is too large to look into."""
    if len(content) > bounds.file_bytes:
        raise refusal(code, "too_large", f"文件超过 {bounds.file_bytes // 1024 // 1024} MB", "请只保留需要的工作表后再上传")


def check_xlsx(content: bytes, bounds: Bounds, code: str) -> None:
    """Refuses what is no plain xlsx file, or would unfold beyond its bounds. Holds one unfolded part at a time."""
    check_size(content, bounds, code)
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            _check_parts(archive, bounds, code)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError, zipfile.zlib.error):  # type: ignore[attr-defined]
        raise _not_xlsx(code) from None


def _not_xlsx(code: str) -> Refused:
    return refusal(code, "not_xlsx", "文件不是有效的 xlsx 工作簿", "请用 Excel 或 WPS 另存为 .xlsx 后再上传")


def _check_parts(archive: zipfile.ZipFile, bounds: Bounds, code: str) -> None:
    members = archive.infolist()
    names = {each.filename for each in members}
    if len(members) > bounds.parts or len(names) < len(members):
        raise refusal(
            code, "too_many_parts", "工作簿内部文件过多或重复(例如工作表过多)", "请把需要的工作表另存为新的 .xlsx 后再上传"
        )
    if "xl/workbook.xml" not in names:
        raise _not_xlsx(code)
    if any("vbaProject" in name or "externalLink" in name or "activeX" in name for name in names):
        raise refusal(code, "active_content", "工作簿含有宏或外部链接", "请另存为不含宏和外部链接的 .xlsx")
    left = bounds.expanded_bytes
    for member in members:
        if member.flag_bits & 1:
            raise refusal(code, "encrypted", "工作簿已加密", "请取消密码后再上传")
        # The sizes in the directory may lie, so it is unfolded once, up to the bound.
        with archive.open(member) as stream:
            text = stream.read(left + 1)
        left -= len(text)
        if left < 0:
            raise refusal(code, "too_large_inside", "工作簿展开后过大", "请只保留需要的工作表,删除图片后再上传")
        if member.filename.lower().endswith((".xml", ".rels")):
            _check_xml(text, "worksheets/" in member.filename, bounds, code)


_DECLARATION = re.compile(rb"<!(?!--|\[CDATA\[)")


def _check_xml(text: bytes, is_sheet: bool, bounds: Bounds, code: str) -> None:
    if _DECLARATION.search(text) or b"\x00" in text:
        raise refusal(code, "xml", "工作簿内部格式异常", "请用 Excel 或 WPS 另存为新的 .xlsx 后再上传")
    too_far = is_sheet and _misplaced(bounds.rows, bounds.columns).search(text)
    if too_far or text.count(b"<") > bounds.tags:
        limit = f"工作表超过 {bounds.rows} 行、{bounds.columns} 列,或内容过多"
        raise refusal(code, "too_many_cells", limit, "请删除数据以外的行和列(包括空行格式)后再上传")


@functools.cache
def _misplaced(rows: int, columns: int) -> re.Pattern[bytes]:
    """Finds the first row or cell that stands beyond the bounds or does not say where it stands.

    A reader lays out every cell between the first and the last. A tag that carries no plain place of its own (`r`) would be
    counted on from the one before, out of our sight: no program of an office writes such sheets at this size.
    """
    other = r"(?:\s+(?!r\s*=)[\w:.]+\s*=\s*(?:\"[^\"<>=]*\"|'[^'<>=]*'))*"
    row, letters = _up_to(str(rows), DIGITS), _up_to(_column_name(columns), LETTERS)
    place = rf"\s+r\s*=\s*(?:\"(?:{letters})?(?:{row})\"|'(?:{letters})?(?:{row})')"
    return re.compile(rf"<(?:\w+:)?(?:c|row)(?=[\s/>])(?!{other}{place}{other}\s*/?>)".encode())


def _up_to(last: str, alphabet: str) -> str:
    """A pattern for the numerals from the first up to `last`, written without leading zeros (letters have no zero)."""
    first, any_ = alphabet.replace("0", ""), f"[{alphabet[0]}-{alphabet[-1]}]"
    lead = f"[{first[0]}-{first[-1]}]"
    patterns = [lead + any_ * (length - 1) for length in range(1, len(last))]
    for at, sign in enumerate(last):
        smaller = (first if at == 0 else alphabet).partition(sign)[0]
        if smaller:
            patterns.append(f"{last[:at]}[{smaller}]{any_ * (len(last) - at - 1)}")
    return "|".join([*patterns, last])


def _column_name(number: int) -> str:
    """A column as Excel names it: 1 is A, 28 is AB."""
    name = ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = LETTERS[rest] + name
    return name


def address(row: int, column: int) -> str:
    """A cell as Excel names it, both counted from 1: row 17, column 3 is C17."""
    return f"{_column_name(column)}{row}"

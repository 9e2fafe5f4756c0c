"""A roster's file as a table: what it really is by its content, its sheets, the row of its header, its cells as the file holds them.

Nothing is interpreted here: a number stays a number, so that the rules can refuse an ID number that Excel has rounded.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

import msgspec

from exam.kit.errors import Refused
from exam.kit.workbook_guard import Bounds, check_size, check_xlsx, refusal
from exam.kit.workbook_reader import Cell, DateCell, Sheets, read_sheets

MOST_ROWS = 20_000
MOST_COLUMNS = 60
MOST_CELL_LETTERS = 500
"""Longer than any field may be: the rest of a longer text is not kept, its being too long is told all the same."""
HEADER_ROWS = 20
"""Titles and notes may stand above the header; it is looked for this far down."""

BOUNDS = Bounds(rows=MOST_ROWS, columns=MOST_COLUMNS)
CODE = "group_orders.roster"

_SPREADSHEET = "请用 Excel 或 WPS 打开,另存为 .xlsx 后再上传"
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENDINGS = {"xlsx": (".xlsx",), "xls": (".xls",), "csv": (".csv", ".txt")}
_DELIMITERS = (",", "\t", ";")
_SAMPLE_LETTERS = 65_536
_FORMULA_TEXT = re.compile('="(.*)"', re.DOTALL)


class Sheet(msgspec.Struct, frozen=True):
    """One sheet: its name, the row of its header (from 1, as Excel counts) and every row from the first on."""

    name: str
    header_row: int
    rows: list[list[Cell]]

    @property
    def header(self) -> list[str]:
        """The texts of the header, one for each column."""
        return [text_of(cell) for cell in self.rows[self.header_row - 1]] if self.rows else []


def read(content: bytes, file_name: str, known_headers: frozenset[str]) -> list[Sheet]:
    """The sheets of a roster's file that hold anything, the most likely one first.

    `known_headers` are the header texts that the rules know (as `header_key` folds them). Refuses what is not an xlsx, xls or
    csv file by its content, contradicts its name, or exceeds the bounds; each refusal names the remedy.
    """
    check_size(content, BOUNDS, CODE)
    kind = _kind_of(content)
    ending = re.search(r"\.[^.]*$", file_name.lower())
    if ending is None or ending[0] not in _ENDINGS[kind]:
        told = f"文件名以“{ending[0][:10] if ending else '(无扩展名)'}”结尾,内容却是 {kind}"
        raise refusal(CODE, "wrong_ending", told, _SPREADSHEET)
    if kind == "csv":
        sheets: Sheets = [("csv", _read_csv(content, known_headers))]
    else:
        if kind == "xlsx":
            check_xlsx(content, BOUNDS, CODE)
        sheets = read_sheets(content, BOUNDS, CODE)
    trimmed = [(name, _trimmed(rows)) for name, rows in sheets]
    found = [_with_header(name, rows, known_headers) for name, rows in trimmed if any(any(row) for row in rows)]
    if not found:
        raise refusal(CODE, "empty", "文件中没有内容", "请确认名单已保存在文件中")
    return sorted(found, key=lambda each: -_score(each.header, known_headers))


def header_key(text: str) -> str:
    """A header's text folded for comparing: letters and digits only, small, without a note in brackets or a star."""
    plain = re.sub(r"[((【\[].*?[))】\]]", "", text)
    return "".join(sign for sign in plain.casefold() if sign.isalnum())


def text_of(cell: Cell) -> str:
    """A cell as text for showing; a whole number without its point."""
    if isinstance(cell, DateCell):
        return cell.iso.partition("T")[0]
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    return cell.strip()


# --- what the file is ------------------------------------------------------------------------------------------------


def _kind_of(content: bytes) -> str:
    if content.startswith(b"PK"):
        return "xlsx"
    if content.startswith(_OLE):
        # Names inside an OLE file are UTF-16: a workbook with a password is such a file around an encrypted package.
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise refusal(CODE, "encrypted", "工作簿已加密", "请取消密码后再上传")
        if "_VBA_PROJECT".encode("utf-16-le") in content:
            raise refusal(CODE, "active_content", "工作簿含有宏", "请另存为不含宏的 .xlsx")
        return "xls"
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<"):
        raise refusal(CODE, "markup", "文件是网页或 XML,不是 Excel 工作簿", _SPREADSHEET)
    if start.startswith((b"%pdf", b"{\\rtf", b"\xff\xd8", b"\x89png", b"rar!", b"7z")):
        raise refusal(CODE, "not_a_table", "文件不是 Excel 工作簿或 csv 文本", _SPREADSHEET)
    if not content.strip():
        raise refusal(CODE, "empty", "文件是空的", "请确认名单已保存在文件中")
    return "csv"


def _read_csv(content: bytes, known_headers: frozenset[str]) -> list[list[Cell]]:
    text = _decoded(content)
    attempts = [_split(text[:_SAMPLE_LETTERS], delimiter, HEADER_ROWS) for delimiter in _DELIMITERS]
    scores = [(max((_score(row, known_headers) for row in rows), default=0), max(map(len, rows), default=0)) for rows in attempts]
    return [list(row) for row in _split(text, _DELIMITERS[scores.index(max(scores))], None)]


def _decoded(content: bytes) -> str:
    encodings = ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise refusal(CODE, "encoding", "csv 文件的编码无法识别", "请另存为“CSV UTF-8”,或另存为 .xlsx 后再上传")


def _split(text: str, delimiter: str, most: int | None) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            rows.append([_without_wrapping(cell) for cell in row])
            if len(rows) == most:
                break
            if most is None and (len(rows) > MOST_ROWS or len(row) > 2 * MOST_COLUMNS):
                raise _too_many()
    except csv.Error:
        raise refusal(
            CODE, "csv", f"csv 第 {len(rows) + 1} 行无法读取(引号不成对或单元格过长)", "请另存为 .xlsx 后再上传"
        ) from None
    return rows


def _without_wrapping(cell: str) -> str:
    """What people write into a csv to keep Excel from taking a long number for a number: ="4501…", '4501…, a tab."""
    plain = cell.strip()
    wrapped = _FORMULA_TEXT.fullmatch(plain)
    return wrapped[1] if wrapped else plain.removeprefix("'")


# --- the table -------------------------------------------------------------------------------------------------------


def _too_many() -> Refused:
    return refusal(CODE, "too_many_cells", f"名单超过 {MOST_ROWS} 行或 {MOST_COLUMNS} 列", "请分成几个文件导入,或删除多余的行和列")


def _trimmed(rows: list[list[Cell]]) -> list[list[Cell]]:
    """Without the empty rows and columns at the end; every row as long as the longest."""
    width = 0
    height = 0
    for number, row in enumerate(rows, 1):
        used = next((place for place in range(len(row), 0, -1) if row[place - 1] not in ("", None)), 0)
        width, height = max(width, used), number if used else height
    if width > MOST_COLUMNS or height > MOST_ROWS:
        raise _too_many()
    return [[*map(_cut, row[:width]), *[""] * (width - len(row))] for row in rows[:height]]


def _cut(cell: Cell) -> Cell:
    return cell[:MOST_CELL_LETTERS] if isinstance(cell, str) else cell


def _with_header(name: str, rows: list[list[Cell]], known: frozenset[str]) -> Sheet:
    """Finds the header: the row with the most texts that a header uses, else the first that holds anything."""
    texts = [[text_of(cell) for cell in row] for row in rows[:HEADER_ROWS]]
    scores = [_score(row, known) for row in texts]
    best = max(scores)
    at = scores.index(best) if best else next((place for place, row in enumerate(texts) if any(row)), 0)
    return Sheet(name, at + 1, rows)


def _score(header: Sequence[str], known: frozenset[str]) -> int:
    return len({key for text in header if text and (key := header_key(text)) in known})

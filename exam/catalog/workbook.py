"""The catalogue as a workbook, one sheet for each kind and one for the ranges: written out, and read back with care."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from io import BytesIO
from typing import Any

import msgspec

from exam.catalog import columns
from exam.catalog.columns import COLUMNS, RANGE_COLUMNS, RANGE_SHEET, SHEETS, STRUCTS
from exam.catalog.facts import Catalogue, ReferenceRange
from exam.kit.errors import Refused
from exam.kit.sheets import workbook
from exam.kit.workbook_guard import Bounds, check_xlsx, refusal

BOUNDS = Bounds()
MOST_BYTES = BOUNDS.file_bytes
MOST_PROBLEMS = 500

ITEM_CODE = "项目编码"

_SENTENCE = re.compile(r"(科室|细项|组合项目|套餐|容器) ([^:]+):(.*)")
_SENTENCE_KINDS = {"科室": "department", "细项": "item", "组合项目": "group", "套餐": "package", "容器": "tube"}


class Problem(msgspec.Struct, frozen=True):
    """What is wrong in a workbook and where: sheet, row as Excel counts it (0: the whole sheet), column, reason, remedy."""

    sheet: str
    row: int
    column: str
    reason: str
    remedy: str


class Read(msgspec.Struct):
    """What a workbook says: its entries with their kinds, where each stands, and every problem."""

    entries: list[tuple[str, Any]]
    places: dict[tuple[str, str], int]
    problems: list[Problem]


def by_kind(catalogue: Catalogue) -> dict[str, Mapping[str, Any]]:
    """A catalogue's entries by the names of their kinds."""
    return {
        "department": catalogue.departments, "tube": catalogue.tubes, "item": catalogue.items, "group": catalogue.groups,
        "package": catalogue.packages,
    }  # fmt: skip


def write(catalogue: Catalogue) -> bytes:
    """The whole catalogue as an xlsx file. Every cell is text, so that no program rounds 3.50 or turns a code into a date."""
    found = by_kind(catalogue)
    sheets: list[tuple[str, list[str], list[list[str]]]] = [
        (
            SHEETS[kind],
            [column.label for column in each],
            [[columns.text_of(column, getattr(entry, column.name)) for column in each] for entry in found[kind].values()],
        )
        for kind, each in COLUMNS.items()
    ]
    ranges = [
        [item.code, *(columns.text_of(column, getattr(each, column.name)) for column in RANGE_COLUMNS)]
        for item in catalogue.items.values()
        for each in item.ranges
    ]
    sheets.append((RANGE_SHEET, [ITEM_CODE, *(column.label for column in RANGE_COLUMNS)], ranges))
    return workbook(sheets)


# --- reading ---------------------------------------------------------------------------------------------------------


def _refuse(reason: str, text: str, hint: str) -> Refused:
    return refusal("catalog.workbook", reason, text, hint)


def read(content: bytes) -> Read:
    """The entries of a workbook and every problem at once, each with its sheet, row and column."""
    from python_calamine import CalamineWorkbook

    check_xlsx(content, BOUNDS, "catalog.workbook")
    try:
        book = CalamineWorkbook.from_filelike(BytesIO(content))
        sheets = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names}
    except Exception:
        # The reader raises its own kinds of error; none of them is worth more to the desk than this sentence.
        raise _refuse("unreadable", "工作簿无法读取", "请用 Excel 或 WPS 另存为新的 .xlsx 后再上传") from None
    found = Read([], {}, [])
    ranges = _read_ranges(sheets, found)
    for kind, sheet in SHEETS.items():
        for row, texts in _rows(sheets, sheet, [(each.name, each.label) for each in COLUMNS[kind]], found):
            _read_entry(kind, row, texts, ranges, found)
    known = {code for kind, code in found.places if kind == "item"}
    for code, (row, _) in ranges.items():
        if code not in known:
            reason = f"项目“{code[:30]}”不在“{SHEETS['item']}”工作表中"
            found.problems.append(Problem(RANGE_SHEET, row, ITEM_CODE, reason, "请核对项目编码"))
    del found.problems[MOST_PROBLEMS:]
    return found


def _read_entry(
    kind: str, row: int, texts: dict[str, str], ranges: dict[str, tuple[int, list[ReferenceRange]]], found: Read
) -> None:
    labels = {each.name: each.label for each in COLUMNS[kind]}
    code = texts["code"].strip()
    if (kind, code) in found.places:
        first = found.places[(kind, code)]
        found.problems.append(Problem(SHEETS[kind], row, labels["code"], f"编码 {code[:30]} 与第 {first} 行重复", "请删除其中一行"))
        return
    found.places[(kind, code)] = row
    more = {"ranges": tuple(ranges[code][1])} if kind == "item" and code in ranges else {}
    entry, problems = columns.read(STRUCTS[kind], COLUMNS[kind], texts, more)
    found.problems += [Problem(SHEETS[kind], row, labels[name], reason, remedy) for name, reason, remedy in problems]
    if entry is not None:
        found.entries.append((kind, entry))


def _read_ranges(sheets: dict[str, Any], found: Read) -> dict[str, tuple[int, list[ReferenceRange]]]:
    labels = {each.name: each.label for each in RANGE_COLUMNS}
    ranges: dict[str, tuple[int, list[ReferenceRange]]] = {}
    for row, texts in _rows(sheets, RANGE_SHEET, [("item", ITEM_CODE), *labels.items()], found):
        code = texts.pop("item").strip()
        if not code:
            found.problems.append(Problem(RANGE_SHEET, row, ITEM_CODE, "不能为空", "请填写项目编码"))
            continue
        entry, problems = columns.read(ReferenceRange, RANGE_COLUMNS, texts)
        found.problems += [Problem(RANGE_SHEET, row, labels[name], reason, remedy) for name, reason, remedy in problems]
        ranges.setdefault(code, (row, []))
        if entry is not None:
            ranges[code][1].append(entry)
    return ranges


def _rows(sheets: dict[str, Any], sheet: str, wanted: list[tuple[str, str]], found: Read) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a sheet as texts by field name, with the row number that Excel shows."""
    if sheet not in sheets:
        found.problems.append(Problem(sheet, 0, "", f"缺少工作表“{sheet}”", "请在导出的目录文件上修改"))
        return
    rows = sheets[sheet]
    header = [_text(cell).strip() for cell in rows[0]] if rows else []
    names = {label: name for name, label in wanted}
    missing = [label for label in names if label not in header]
    unknown = [label for label in header if label and label not in names]
    doubled = sorted({label for label in header if label and header.count(label) > 1})
    for labels, reason in ((missing, "缺少该列"), (unknown, "不认识该列"), (doubled, "该列重复")):
        remedy = "请保持导出文件的列名,每列一次"
        found.problems += [Problem(sheet, 1, label[:50], reason, remedy) for label in labels]
    if missing or unknown or doubled:
        return
    for number, row in enumerate(rows[1:], 2):
        texts = {names[label]: _text(cell) for label, cell in zip(header, row, strict=False) if label}
        if any(text.strip() for text in texts.values()):
            yield number, texts


def _text(cell: Any) -> str:
    """A cell as text. A number has the fifteen digits that Excel shows, never the binary fraction behind them."""
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float):
        plain = format(Decimal(format(cell, ".15g")), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "" if cell is None else str(cell)


def located(sentence: str, read_book: Read) -> Problem:
    """A sentence of the catalogue's own rules, with the sheet and row of the entry that it is about."""
    match = _SENTENCE.fullmatch(sentence)
    if match is None:
        return Problem("", 0, "", sentence, "请核对目录")
    kind = _SENTENCE_KINDS[match[1]]
    row = read_book.places.get((kind, match[2]), 0)
    return Problem(SHEETS[kind], row, "", f"{match[2]}:{match[3]}", "请核对该行及其引用的编码")

"""The catalogue as a workbook: nothing is lost on the way out and back, and hostile files are refused."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import msgspec
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from exam.catalog import columns, starter, workbook
from exam.catalog.columns import COLUMNS, RANGE_COLUMNS, SHEETS, STRUCTS
from exam.catalog.facts import Catalogue, ReferenceRange
from exam.kit.errors import Refused


def by_code(entries: Any) -> dict[str, Any]:
    return dict(entries) if isinstance(entries, dict) else {each.code: each for each in entries}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    loaded = starter.load()
    return Catalogue(
        revision=1, on=date(2026, 11, 21), departments=by_code(loaded.departments), items=by_code(loaded.items),
        groups=by_code(loaded.groups), packages=by_code(loaded.packages), tubes=by_code(loaded.tubes),
    )  # fmt: skip


def cells(content: bytes) -> dict[str, list[list[Any]]]:
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    return {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names}


def book_of(sheets: dict[str, list[list[Any]]]) -> bytes:
    """A workbook as a person's own program would write it: numbers as numbers."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for column, value in enumerate(row):
                    sheet.write(number, column, value)
    return content.getvalue()


def edited(content: bytes, change: Callable[[dict[str, list[list[Any]]]], None]) -> workbook.Read:
    sheets = cells(content)
    change(sheets)
    return workbook.read(book_of(sheets))


def repacked(content: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return made.getvalue()


def test_every_field_of_every_kind_has_a_column() -> None:
    for kind, struct in STRUCTS.items():
        assert {each.name for each in COLUMNS[kind]} == {each.name for each in msgspec.structs.fields(struct)} - {"ranges"}
    assert {each.name for each in RANGE_COLUMNS} == {each.name for each in msgspec.structs.fields(ReferenceRange)}


def test_export_and_import_make_no_difference(catalogue: Catalogue) -> None:
    found = workbook.read(workbook.write(catalogue))
    assert found.problems == []
    assert columns.differences(workbook.by_kind(catalogue), found.entries) == []
    assert len(found.entries) > 250


def plain(text: str) -> str:
    """A text whose decimal numbers have lost the zeros at their ends."""
    return re.sub(r"(\d)\.(\d*?)0+(?!\d)", lambda match: f"{match[1]}.{match[2]}" if match[2] else match[1], text)


def test_a_workbook_that_another_program_saved_with_numbers_makes_no_difference_either(catalogue: Catalogue) -> None:
    def to_numbers(sheets: dict[str, list[list[Any]]]) -> None:
        for rows in sheets.values():
            for row in rows[1:]:
                row[:] = [float(cell) if str(cell).replace(".", "", 1).isdigit() and float(cell) < 1e6 else cell for cell in row]

    found = edited(workbook.write(catalogue), to_numbers)
    assert found.problems == []
    changed = columns.differences(workbook.by_kind(catalogue), found.entries)
    numeric = {"折扣系数", "参考范围", "合理下限", "合理上限"}
    # A cell that became a number cannot know how many zeros stood behind the point; nothing else may change.
    for each in changed:
        for label, old, new in each.changes:
            assert label in numeric, each
            assert plain(old) == plain(new), each


@given(st.decimals(min_value=0, max_value=99999, places=3))
def test_a_number_cell_is_read_as_the_digits_a_person_sees(number: Any) -> None:
    text = workbook._text(float(number))
    assert float(text) == float(number)
    assert "e" not in text.lower()
    assert len(text) <= 9


def test_a_computed_cell_loses_its_binary_dust() -> None:
    assert workbook._text(0.1 + 0.2) == "0.3"
    assert workbook._text(1e-7) == "0.0000001"
    assert workbook._text(18.0) == "18"
    assert workbook._text(True) == "是"


def test_all_problems_come_at_once_with_sheet_row_column_reason_and_remedy(catalogue: Catalogue) -> None:
    def spoil(sheets: dict[str, list[list[Any]]]) -> None:
        group, item, ranges = sheets["组合"], sheets["项目"], sheets["参考范围"]
        group[1][group[0].index("价格(元)")] = "十二元"
        item[2][item[0].index("结果类型")] = "随便"
        item[3][item[0].index("编码")] = "不 行"
        item[5][item[0].index("编码")] = item[4][item[0].index("编码")]
        ranges[1][ranges[0].index("下限")] = "很低"
        ranges[2][0] = "NOBODY"
        sheets["试管"][0].append("备注")
        del sheets["科室"]

    found = edited(workbook.write(catalogue), spoil)
    places = {(each.sheet, each.row, each.column) for each in found.problems}
    assert {
        ("组合", 2, "价格(元)"), ("项目", 3, "结果类型"), ("项目", 4, "编码"), ("项目", 6, "编码"), ("参考范围", 2, "下限"),
        ("参考范围", 3, "项目编码"), ("试管", 1, "备注"), ("科室", 0, ""),
    } <= places  # fmt: skip
    assert all(each.reason and each.remedy for each in found.problems)


def test_differences_tell_what_is_new_changed_and_gone(catalogue: Catalogue) -> None:
    def change(sheets: dict[str, list[list[Any]]]) -> None:
        tubes = sheets["试管"]
        name = tubes[0].index("名称")
        tubes[1][name] = "另一个名字"
        tubes.append(["NEW", "新管", *tubes[2][2:]])
        del tubes[3]

    found = edited(workbook.write(catalogue), change)
    assert found.problems == []
    differing = columns.differences(workbook.by_kind(catalogue), found.entries)
    assert sorted(each.act for each in differing) == ["changed", "new", "retired"]
    changed = next(each for each in differing if each.act == "changed")
    assert [label for label, _, _ in changed.changes] == ["名称"]


def test_no_text_of_the_catalogue_becomes_a_formula_or_a_link(catalogue: Catalogue) -> None:
    tube = next(iter(catalogue.tubes.values()))
    nasty = {text: msgspec.structs.replace(tube, code=f"X{n}", name=text) for n, text in enumerate(("=1+1", "+1", "@SUM(A1)", "http://x.y"))}
    content = workbook.write(msgspec.structs.replace(catalogue, tubes={each.code: each for each in nasty.values()}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert not any(b"<f>" in archive.read(name) or b"<hyperlink" in archive.read(name) for name in archive.namelist())
    assert [entry.name for kind, entry in workbook.read(content).entries if kind == "tube"] == list(nasty)


# --- hostile files ---------------------------------------------------------------------------------------------------


def hostile(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "text", b"code,name\n"
    yield "cut", content[: len(content) // 2]
    yield "too large", b"PK\x03\x04" + bytes(workbook.MOST_BYTES)

    def bomb(parts: dict[str, bytes]) -> None:
        parts["xl/media/image1.png"] = bytes(workbook.BOUNDS.expanded_bytes + 1)

    def far_cell(parts: dict[str, bytes]) -> None:
        sheet = "xl/worksheets/sheet1.xml"
        parts[sheet] = parts[sheet].replace(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>')

    def entity(parts: dict[str, bytes]) -> None:
        sheet = "xl/worksheets/sheet1.xml"
        declared = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
        parts[sheet] = declared + parts[sheet].split(b"?>", 1)[1]

    def macro(parts: dict[str, bytes]) -> None:
        parts["xl/vbaProject.bin"] = b"x"

    def nothing(parts: dict[str, bytes]) -> None:
        parts.pop("xl/workbook.xml")

    def many(parts: dict[str, bytes]) -> None:
        parts.update({f"xl/x{n}": b"" for n in range(workbook.BOUNDS.parts)})

    for change in (bomb, far_cell, entity, macro, nothing, many):
        yield change.__name__, repacked(content, change)


@pytest.mark.parametrize("case", range(10))
def test_a_hostile_workbook_is_refused_with_a_remedy(catalogue: Catalogue, case: int) -> None:
    name, content = list(hostile(workbook.write(catalogue)))[case]
    with pytest.raises(Refused) as refused:
        workbook.read(content)
    assert refused.value.hint, name
    assert refused.value.field == "file"


@given(st.binary(max_size=300), st.integers(0, 5000))
def test_a_damaged_workbook_is_refused_or_read_and_never_crashes(patch: bytes, place: int) -> None:
    content = bytearray(SMALL)
    place %= len(content)
    content[place : place + len(patch)] = patch
    try:
        found = workbook.read(bytes(content))
    except Refused as refused:
        assert refused.hint
    else:
        assert isinstance(found.problems, list)


def small() -> bytes:
    header = {SHEETS[kind]: [[each.label for each in fields]] for kind, fields in COLUMNS.items()}
    return book_of({**header, "参考范围": [["项目编码", *(each.label for each in RANGE_COLUMNS)]]})


SMALL = small()

"""A roster's file: read as it is, with its header found, or refused in under a second with what to do (AT-09, AT-10)."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exam.kit.errors import Refused
from exam.kit.workbook_guard import Bounds, _column_name, _misplaced, address, check_xlsx
from exam.kit.workbook_reader import DateCell
from group_orders import roster_sheet
from group_orders.roster_fields import KNOWN_HEADERS
from tests.group_orders.roster_cases import EXAM_ON, HEADER, id_number, person, repacked, xls, xlsx

SHEET = "xl/worksheets/sheet1.xml"
SMALL = xlsx([HEADER, person(1)])


def read(content: bytes, name: str = "名单.xlsx") -> roster_sheet.Sheet:
    return roster_sheet.read(content, name, KNOWN_HEADERS)[0]


def test_cells_keep_the_types_that_the_workbook_holds() -> None:
    sheet = read(xlsx([HEADER, person(1, 身份证号=450110198503150018, 手机=13800138000, 出生日期=EXAM_ON)]))
    cells = dict(zip(HEADER, sheet.rows[1], strict=False))
    assert cells["身份证号"] == 4.501101985031500e17
    assert cells["手机"] == 13800138000.0
    assert cells["出生日期"] == DateCell("2026-12-01")
    assert cells["姓名"] == "韦小明乙"


def test_the_header_is_found_under_titles_and_on_another_sheet() -> None:
    rows = [["某某公司 2026 年体检名单"], [], ["填表日期", EXAM_ON], HEADER, person(1)]
    sheet = read(xlsx(rows, more=["说明", "汇总"]))
    assert (sheet.name, sheet.header_row, sheet.header[:2]) == ("名单", 4, ["姓名", "身份证号"])
    assert address(5, 3) == "C5"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_is_read_in_any_usual_encoding_and_with_any_delimiter(encoding: str, delimiter: str) -> None:
    text = "\r\n".join(
        delimiter.join(f'"{cell}"' if "," in cell else cell for cell in row) for row in (HEADER, person(1, 部门="甲,乙"))
    )
    sheet = read(text.encode(encoding), "名单.csv")
    assert sheet.header[:3] == ["姓名", "身份证号", "性别"]
    assert sheet.rows[1][1] == id_number(1)
    assert sheet.rows[1][6] == "甲,乙"


def test_a_csv_written_around_excels_rounding_keeps_its_numbers() -> None:
    sheet = read(f'姓名,身份证号\n甲,="{id_number(1)}"\n乙,\'{id_number(3)}\n'.encode(), "a.csv")
    assert [row[1] for row in sheet.rows[1:]] == [id_number(1), id_number(3)]


def test_an_old_xls_is_read() -> None:
    sheet = read(xls([(0, 0, "姓名"), (0, 1, "身份证号"), (1, 0, "韦小明"), (1, 1, 4.5e17)]), "名单.xls")
    assert (sheet.name, sheet.rows) == ("名单", [["姓名", "身份证号"], ["韦小明", 4.5e17]])


def test_the_longest_roster_that_is_taken() -> None:
    rows = [["姓名", "身份证号"], *[[f"甲{n}", "x"] for n in range(roster_sheet.MOST_ROWS - 1)]]
    assert len(read(xlsx(rows)).rows) == roster_sheet.MOST_ROWS
    with pytest.raises(Refused, match="too_many_cells"):
        read(xlsx([*rows, ["乙", "x"]]))
    with pytest.raises(Refused, match="too_many_cells"):
        read("\n".join("a,b" for _ in range(roster_sheet.MOST_ROWS + 1)).encode(), "a.csv")


# --- what stands where -----------------------------------------------------------------------------------------------


def test_exactly_the_cells_within_the_bounds_pass() -> None:
    pattern = _misplaced(205, 60)
    for row in range(1, 2200):
        assert bool(pattern.search(b'<row r="%d">' % row)) == (row > 205), row
    for column in range(1, 800):
        found = pattern.search(f'<c r="{_column_name(column)}7" s="1"/>'.encode())
        assert bool(found) == (column > 60), column


@pytest.mark.parametrize(
    "tag",
    ['<c><v>1</v></c>', '<row>', '<x:c s="1">', "<c x=\" r='A1'\">", "<c x=' r=\"A1\"' >", '<c r="A0001">', '<c r="A&#49;">', '<c r=A1>',
     '<row r="0">', '<c a=">" r="A1">', '<c r="A1" r="XFD9">'],
)  # fmt: skip
def test_a_cell_whose_place_cannot_be_seen_is_refused(tag: str) -> None:
    assert _misplaced(100, 60).search(tag.encode())


# --- hostile files ---------------------------------------------------------------------------------------------------


def hostile() -> Iterator[tuple[str, str, bytes]]:
    """`(reason, file name, content)` of files that nobody should send."""

    def bomb(parts: dict[str, bytes]) -> None:
        parts[SHEET] += bytes(100 * 1024 * 1024)

    def sheets(parts: dict[str, bytes]) -> None:
        parts.update({f"xl/worksheets/sheet{n}.xml": b"<worksheet/>" for n in range(2, 10_001)})

    def strings(parts: dict[str, bytes]) -> None:
        parts["xl/sharedStrings.xml"] = b"<sst>" + b"<si><t>x</t></si>" * 1_000_000 + b"</sst>"

    def far(parts: dict[str, bytes]) -> None:
        parts[SHEET] = parts[SHEET].replace(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>')

    def unplaced(parts: dict[str, bytes]) -> None:
        parts[SHEET] = parts[SHEET].replace(b"</sheetData>", b"<row>" + b"<c><v>1</v></c>" * 300_000 + b"</row></sheetData>")

    def entity(parts: dict[str, bytes]) -> None:
        parts["xl/sharedStrings.xml"] = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><sst><si><t>&a;</t></si></sst>'

    def link(parts: dict[str, bytes]) -> None:
        parts["xl/externalLinks/externalLink1.xml"] = b"<externalLink/>"

    def macro(parts: dict[str, bytes]) -> None:
        parts["xl/vbaProject.bin"] = b"x"

    for reason, change in (
        ("too_large_inside", bomb), ("too_many_parts", sheets), ("too_many_cells", strings), ("too_many_cells", far),
        ("too_many_cells", unplaced), ("xml", entity), ("active_content", link), ("active_content", macro),
    ):  # fmt: skip
        yield reason, "名单.xlsx", repacked(SMALL, change)
    # A zip may name one part twice: what the guard saw is not what the reader takes.
    doubled = io.BytesIO(SMALL)
    with zipfile.ZipFile(doubled, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(SHEET, b"<x/>")
    yield "too_many_parts", "名单.xlsx", doubled.getvalue()
    package = "EncryptedPackage".encode("utf-16-le")
    yield "encrypted", "名单.xlsx", xls([(0, 0, "姓名")], package)
    yield "active_content", "名单.xls", xls([(0, 0, "姓名")], "_VBA_PROJECT_CUR".encode("utf-16-le"))
    yield "unreadable", "名单.xls", xls([(0, 0, "姓名"), (65_535, 255, 1.0)])
    yield "not_xlsx", "名单.xlsx", SMALL[: len(SMALL) // 2]
    yield "not_xlsx", "名单.xlsx", repacked(SMALL, lambda parts: parts.pop("xl/workbook.xml") and None)
    yield "unreadable", "名单.xls", xls([(0, 0, "姓名")])[:1500]
    yield "markup", "名单.xls", b"\xef\xbb\xbf <html><table><tr><td>a</td></tr></table></html>"
    yield "markup", "名单.xls", b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>'
    yield "not_a_table", "名单.csv", b"%PDF-1.7"
    yield "wrong_ending", "名单.csv", SMALL
    yield "wrong_ending", "名单.xls", SMALL
    yield "wrong_ending", "名单.xlsm", SMALL
    yield "wrong_ending", "名单", SMALL
    yield "empty", "名单.csv", b""
    yield "empty", "名单.xlsx", xlsx([])
    yield "encoding", "名单.csv", b"\x81\xff\x00\x00"
    yield "csv", "名单.csv", '姓名,身份证号\n"'.encode() + b"a" * 200_000
    yield "too_many_cells", "名单.csv", b"," * 4_000_000 + b"a"
    yield "too_large", "名单.xlsx", b"PK" + bytes(roster_sheet.BOUNDS.file_bytes)


HOSTILE = list(hostile())


@pytest.mark.parametrize(("reason", "name", "content"), HOSTILE, ids=[f"{n}-{each[0]}" for n, each in enumerate(HOSTILE)])
def test_a_hostile_file_is_refused_with_its_remedy_in_under_a_second_of_work(reason: str, name: str, content: bytes) -> None:
    def spent() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    before, peak = spent(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Refused) as refused:
        read(content, name)
    assert refused.value.code == f"group_orders.roster_{reason}"
    assert refused.value.hint
    assert refused.value.field == "file"
    assert spent() - before < 1.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 200 * 1024


ROOT = Path(__file__).parents[2]

ALONE = """
import resource, sys
from pathlib import Path
from exam.kit.errors import Refused
from group_orders import roster_fields, roster_sheet
try:
    roster_sheet.read(Path(sys.argv[1]).read_bytes(), "roster.xls", roster_fields.KNOWN_HEADERS)
except Refused as refused:
    print(refused.code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Read in a process that has no other children: what they needed would count as well."""


def test_what_the_reader_needs_is_bounded_even_where_the_guard_is_blind(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse.xls"
    sparse.write_bytes(xls([(n, 255, 1.0) for n in range(0, 65_000, 5_000)]))
    told = subprocess.run([sys.executable, "-c", ALONE, str(sparse)], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert told[0].endswith(("unreadable", "too_many_cells"))
    assert int(told[1]) < 450 * 1024


def test_an_ordinary_workbook_passes_the_guard() -> None:
    check_xlsx(SMALL, Bounds(), "x")

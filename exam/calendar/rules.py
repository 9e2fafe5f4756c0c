"""Reading a year's special days from lines of text, pure: the same lines on the screen and in a csv file."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from exam.calendar.facts import SpecialDay
from exam.kit.errors import BadInput

FIRST_YEAR, LAST_YEAR = 2000, 2200
MOST_DAYS = 120
MOST_BYTES = 64 * 1024
LONGEST_NAME = 30
MOST_PROBLEMS = 12
HEADER = ("日期", "类型", "名称")
KINDS = {"放假": True, "休": True, "上班": False, "班": False}
_RANGE = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})(?:\s*(?:至|~)\s*(\d{4}-\d{1,2}-\d{1,2}))?")
FIELD = "days"


def days_of(text: str, year: int) -> tuple[SpecialDay, ...]:
    """The special days of a year from lines `日期[至日期],放假|上班,名称`, in order of their days.

    Raises BadInput that names every wrong line: no date, another year, the same day twice, a day off that is worked, a worked day
    that is no weekend (it would be worked anyway: somebody mistyped it).
    """
    found: dict[date, SpecialDay] = {}
    problems: list[str] = []
    for number, row in enumerate(csv.reader(io.StringIO(text.replace(",", ","))), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or tuple(cells[:3]) == HEADER:
            continue
        try:
            for day in _days_of_line(cells, year):
                if day.on in found:
                    raise ValueError(f"{day.on} 重复")
                found[day.on] = day
        except ValueError as error:
            problems.append(f"第 {number} 行:{error}")
    if not problems and not found:
        problems.append("没有填写任何放假或调休上班日期")
    if len(found) > MOST_DAYS:
        problems.append(f"一年最多 {MOST_DAYS} 天")
    if problems:
        raise BadInput([(FIELD, each) for each in problems[:MOST_PROBLEMS]], code="calendar.unreadable")
    return tuple(found[on] for on in sorted(found))


def _days_of_line(cells: Sequence[str], year: int) -> Iterable[SpecialDay]:
    dates, kind, name, *more = [*cells, "", ""][: max(3, len(cells))]
    if any(more):
        raise ValueError("多于三列,应为 日期,类型,名称")
    match = _RANGE.fullmatch(dates.replace("/", "-"))
    if match is None:
        raise ValueError(f"“{dates[:30]}”不是日期,例如 {year}-10-01 或 {year}-10-01至{year}-10-07")
    first, last = _day(match[1]), _day(match[2] or match[1])
    if kind not in KINDS:
        raise ValueError(f"类型“{kind[:10]}”应为 放假 或 上班")
    if not name or len(name) > LONGEST_NAME or any(unicodedata.category(each).startswith("C") for each in name):
        raise ValueError(f"名称不能为空,且不超过 {LONGEST_NAME} 字")
    if first.year != year or last.year != year:
        raise ValueError(f"日期不在 {year} 年内")
    if last < first or (last - first).days > 31:
        raise ValueError("结束日期早于开始日期,或一段超过 31 天")
    days = [first + timedelta(days=each) for each in range((last - first).days + 1)]
    if not KINDS[kind] and any(day.weekday() < 5 for day in days):
        raise ValueError("调休上班日应为周六或周日")
    return [SpecialDay(day, KINDS[kind], name) for day in days]


def _day(text: str) -> date:
    year, month, day = (int(part) for part in text.split("-"))
    try:
        return date(year, month, day)
    except ValueError:
        raise ValueError(f"没有 {text} 这一天") from None


def lines_of(days: Sequence[SpecialDay]) -> list[tuple[str, str, str]]:
    """The days as lines, neighbouring ones of the same holiday as one; `days_of` reads them back."""
    found: list[tuple[date, date, SpecialDay]] = []
    for day in days:
        if (
            found
            and found[-1][1] + timedelta(days=1) == day.on
            and (found[-1][2].is_off, found[-1][2].name) == (day.is_off, day.name)
        ):
            found[-1] = (found[-1][0], day.on, found[-1][2])
        else:
            found.append((day.on, day.on, day))
    return [
        (f"{first}" if first == last else f"{first}至{last}", "放假" if day.is_off else "上班", day.name)
        for first, last, day in found
    ]


def text_of(days: Sequence[SpecialDay]) -> str:
    """The lines as they stand in the form and in the file."""
    return "\n".join(",".join(line) for line in lines_of(days))


def text_in(content: bytes) -> str:
    """The text of an uploaded csv, UTF-8 or as a Chinese spreadsheet program writes it (GB 18030)."""
    if len(content) > MOST_BYTES:
        raise BadInput([("file", f"文件超过 {MOST_BYTES // 1024} KB,请只保留 日期,类型,名称 三列")])
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise BadInput([("file", "文件不是文本,请另存为 csv(UTF-8)后再上传")])

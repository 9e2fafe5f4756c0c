"""Screens of the working calendar: a year at a glance, its next version from lines or a csv file, and its approval."""

from __future__ import annotations

import calendar as months
import csv
import io
from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery

from exam.calendar import rules, service
from exam.calendar.facts import CalendarVersion
from exam.kit import web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput, NotFound
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
FileData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]

LABELS = {"seen": "页面版本", "days": "日期", "source": "来源", "reason": "修改原因"}
NOTICE_FROM_MONTH = 11
"""The next year's calendar is asked for from this month on: the official notice comes out about then."""


class YearForm(msgspec.Struct, forbid_unknown_fields=True):
    """The next version of a year: its lines, where they come from, and why."""

    seen: int
    days: str = ""
    source: str = ""
    reason: str = ""


class ApproveForm(msgspec.Struct, forbid_unknown_fields=True):
    """The version that was compared."""

    seen: int


class Month(msgspec.Struct, frozen=True):
    """A month of the glance: its weeks from Monday, each day as `(number, mark, words)`; number 0 is another month's."""

    name: str
    weeks: list[list[tuple[int, str, str]]]


@web.get("/calendar", may="calendar.read")
def show_calendar(request: AnyRequest, db: web.Db, year: FromQuery[str] = "") -> web.Page:
    """A year's special days."""
    return _page(db, _year(db, year))


def _year(db: web.Db, text: str) -> int:
    year = int(text) if text.isascii() and text.isdigit() and len(text) == 4 else day_of(house_of(db).clock.now()).year
    if not rules.FIRST_YEAR <= year <= rules.LAST_YEAR:
        raise NotFound(f"没有 {year} 年的日历", f"请选择 {rules.FIRST_YEAR} 到 {rules.LAST_YEAR} 之间的年份")
    return year


def _page(db: web.Db, year: int) -> web.Page:
    versions = service.history(db, year)
    now, actor = versions[0] if versions else None, actor_of(db)
    today = day_of(house_of(db).clock.now())
    known = set(service.years(db))
    return web.page(
        db, "exam/calendar.html", year=year, now=now, versions=versions, months=_months(year, now),
        lines=rules.lines_of(now.days) if now else [], text=rules.text_of(now.days) if now else "",
        years=sorted({*known, today.year, today.year + 1, year}), known=known, may_keep=actor.may("calendar.keep"),
        may_approve=now is not None and not now.approved_by and actor.may("calendar.keep")
        and (now.author_id is None or now.author_id != actor.staff_id),
        next_missing=today.month >= NOTICE_FROM_MONTH and today.year + 1 not in known, this_year=today.year,
    )  # fmt: skip


def _months(year: int, version: CalendarVersion | None) -> list[Month]:
    special = {day.on: day for day in version.days} if version else {}
    return [
        Month(
            f"{month} 月", [[_cell(year, month, number, special) for number in week] for week in months.monthcalendar(year, month)]
        )
        for month in range(1, 13)
    ]


def _cell(year: int, month: int, number: int, special: dict[date, Any]) -> tuple[int, str, str]:
    if not number:
        return (0, "", "")
    day = date(year, month, number)
    found = special.get(day)
    if found is not None:
        return (number, "off" if found.is_off else "worked", f"{found.name}({'放假' if found.is_off else '上班'})")
    return (number, "weekend" if day.weekday() >= 5 else "", "")


@web.post("/calendar/{year:int}", may="calendar.keep")
def publish(request: AnyRequest, db: web.Db, year: FromPath[int], data: FormData) -> web.Page:
    """The next version, from the lines of the form."""
    form = read_form(data, YearForm, LABELS)
    return _published(db, year, form, form.days)


@web.post("/calendar/{year:int}/import", may="calendar.keep")
def import_file(request: AnyRequest, db: web.Db, year: FromPath[int], data: FileData) -> web.Page:
    """The next version, from a csv file of the same lines: a whole year, what is not in it is no special day."""
    upload = data.pop("file", None)
    if not isinstance(upload, UploadFile) or not upload.filename:
        raise BadInput([("file", "请选择 csv 文件")])
    form = read_form(data, YearForm, LABELS)
    return _published(db, year, form, rules.text_in(upload.file.read(rules.MOST_BYTES + 1)))


def _published(db: web.Db, year: int, form: YearForm, text: str) -> web.Page:
    kept = service.publish(db, year, form.seen, rules.days_of(text, year), form.source, form.reason)
    return web.back_to(db, f"/calendar?year={year}", toast=f"{year} 年日历已保存为第 {kept.version} 版,按工作日计算的时限已更新")


@web.post("/calendar/{year:int}/approve", may="calendar.keep")
def approve(request: AnyRequest, db: web.Db, year: FromPath[int], data: FormData) -> web.Page:
    """Somebody else compared it with the official notice."""
    service.approve(db, year, read_form(data, ApproveForm, LABELS).seen)
    return web.back_to(db, f"/calendar?year={year}", toast=f"{year} 年日历已审核")


@web.get("/calendar/{year:int}/export", may="calendar.read")
def export(request: AnyRequest, db: web.Db, year: FromPath[int]) -> Response[bytes]:
    """The newest version as csv, which `import_file` takes again."""
    versions = service.history(db, year)
    if not versions:
        raise NotFound(f"{year} 年的日历未维护", "请先填写或导入")
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows([rules.HEADER, *rules.lines_of(versions[0].days)])
    return web.download(file.getvalue().encode("utf-8-sig"), f"工作日历-{year}.csv", "text/csv; charset=utf-8")


routes = (show_calendar, publish, import_file, approve, export)

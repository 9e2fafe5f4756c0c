"""The working calendar: what holds now, a new version of a year, its approval, and the starter."""

from __future__ import annotations

from datetime import date, datetime
from importlib.resources import files
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exam.calendar.facts import CalendarChanged, CalendarVersion, SpecialDay, WorkCalendar
from exam.calendar.models import CalendarApproval, CalendarYear
from exam.calendar.rules import FIRST_YEAR, LAST_YEAR
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.prepared import PreparedStatement

LONGEST_TEXT = 200
_DAYS = tuple[SpecialDay, ...]
_REVISION = PreparedStatement(select(func.count().label("rows")).select_from(CalendarYear))
"""Rows are only ever added: their number tells whether what a process has read still holds."""


def work_calendar(db: Session) -> WorkCalendar:
    """The calendar as it is known now, of every year that is entered. One small statement; a process keeps what it read."""
    if db.info.get("changes_calendar"):
        return _read(db)  # what may still be rolled back is nobody else's
    known = _REVISION.all(db)[0].rows
    kept: tuple[int, WorkCalendar] | None = house_of(db).cache.get("calendar")
    if kept is None or kept[0] != known:
        kept = house_of(db).cache["calendar"] = (known, _read(db))
    return kept[1]


def _read(db: Session) -> WorkCalendar:
    newest: dict[int, str] = {row.year: row.days for row in db.execute(
        select(CalendarYear.year, CalendarYear.days).order_by(CalendarYear.version)
    )}  # fmt: skip
    days = [day for text in newest.values() for day in msgspec.json.decode(text, type=_DAYS)]
    return WorkCalendar(
        frozenset(day.on for day in days if day.is_off), frozenset(day.on for day in days if not day.is_off), frozenset(newest)
    )


def missing_years(db: Session, first: datetime | date | None = None, last: datetime | date | None = None) -> tuple[int, ...]:
    """The years whose calendar is missing between two moments, by default this year's."""
    today = day_of(house_of(db).clock.now())
    begin, end = (day_of(each) if isinstance(each, datetime) else each or today for each in (first, last))
    return work_calendar(db).missing(begin, end)


# --- versions --------------------------------------------------------------------------------------------------------


def years(db: Session) -> tuple[int, ...]:
    """The years that are entered, the newest first."""
    return tuple(db.scalars(select(CalendarYear.year).distinct().order_by(CalendarYear.year.desc())))


def history(db: Session, year: int) -> list[CalendarVersion]:
    """Every version of a year, the newest first."""
    rows = db.execute(
        select(CalendarYear, CalendarApproval)
        .outerjoin(CalendarApproval, CalendarApproval.calendar_id == CalendarYear.id)
        .where(CalendarYear.year == year)
        .order_by(CalendarYear.version.desc())
    )
    return [_version(*row) for row in rows]


def _version(row: CalendarYear, approval: CalendarApproval | None) -> CalendarVersion:
    return CalendarVersion(
        row.id, row.year, row.version, msgspec.json.decode(row.days, type=_DAYS), row.source, row.reason, row.author, row.author_id,
        row.at, approval.approved_by if approval else "", approval.approved_at if approval else None,
    )  # fmt: skip


def publish(db: Session, year: int, seen: int, days: tuple[SpecialDay, ...], source: str, reason: str) -> CalendarVersion:
    """Stores the next version of a year's special days; deadlines follow it at once. `seen` is the version that the screen showed."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise BadInput([("year", f"年份应在 {FIRST_YEAR} 到 {LAST_YEAR} 之间")])
    problems = [
        (field, f"{label}不能为空,且不超过 {LONGEST_TEXT} 字")
        for field, label, text in (("source", "来源", source), ("reason", "修改原因", reason))
        if not text.strip() or len(text) > LONGEST_TEXT
    ]
    if problems:
        raise BadInput(problems)
    before = history(db, year)
    newest = before[0].version if before else 0
    if newest != seen:
        raise Refused("calendar.moved_on", f"{year} 年的日历已被他人修改,您看到的不是最新版本", "请核对最新版本后再修改")
    if before and before[0].days == days and before[0].source == source.strip():
        raise Refused("calendar.same", "与现行版本完全相同,无需保存", "如需修改,请调整日期或来源", "days")
    return _store(db, year, newest + 1, days, source.strip(), reason.strip(), actor_of(db).name)


def _store(
    db: Session, year: int, version: int, days: tuple[SpecialDay, ...], source: str, reason: str, author: str
) -> CalendarVersion:  # fmt: skip
    house, actor = house_of(db), db.info.get("actor")
    row = CalendarYear(
        id=house.ids.new(), year=year, version=version, days=msgspec.json.encode(days).decode(), source=source, reason=reason,
        author=author, author_id=actor.staff_id if actor else None, at=house.clock.now(),
    )  # fmt: skip
    db.add(row)
    db.flush()
    db.info["changes_calendar"] = True
    audit.note(db, "calendar.publish", subject=f"calendar:{year}", reason=reason)
    announce(db, CalendarChanged(year))
    return _version(row, None)


def approve(db: Session, year: int, version: int) -> None:
    """Somebody other than the author compared the newest version with the official notice."""
    found, actor = history(db, year), actor_of(db)
    if not found or found[0].version != version:
        raise NotFound("该版本已不是最新", "请核对最新版本后再审核")
    if found[0].approved_by:
        raise Refused("calendar.approved", f"该版本已由 {found[0].approved_by} 审核", "无需再次审核")
    if found[0].author_id is not None and found[0].author_id == actor.staff_id:
        raise Refused("calendar.own", "不能审核自己填写的日历", "请由另一位同事对照官方通知审核")
    db.add(
        CalendarApproval(
            calendar_id=found[0].id, approved_by=actor.name, approver_id=actor.staff_id, approved_at=house_of(db).clock.now()
        )
    )
    db.flush()
    audit.note(db, "calendar.approve", subject=f"calendar:{year}")


# --- the starter -----------------------------------------------------------------------------------------------------


def load_starter(db: Session) -> None:
    """Loads the shipped years that were never entered, without an approval: a person of the centre compares them first."""
    shipped: list[dict[str, Any]] = msgspec.json.decode(files(__package__).joinpath("starter.json").read_bytes())
    known = set(years(db))
    for each in shipped:
        if each["year"] not in known:
            days = msgspec.convert(each["days"], _DAYS)
            _store(db, each["year"], 1, days, each["source"], "随程序提供,未经本中心审核", "程序预置")

"""The regulator's seven indicators of a period: their counts by month, and the lists that the counts are made of. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, func, not_, or_, select
from sqlalchemy.orm import Session

from critical_values import service as alerts
from critical_values.facts import ALERT_STATE_NAMES, AlertLine
from exam.catalog import service as catalog
from exam.kit.clock import day_of, local
from exam.kit.errors import BadInput, NotFound
from exam.kit.house import actor_of, house_of
from exam.kit.moments import month_of
from exam.kit.period import Period, day_after, first_of_month, start_of
from exam.knowledge.facts import AlertClass
from exam.staff.rules import CHIEF_SPECIALTIES, TITLES, is_senior
from exam.visits.facts import BEGUN, LINE_STATE_NAMES, LineState, Progress
from exam.visits.models import LineBoard, LineProgress, OrderLineRow, Visit, VisitBoard
from reporting import indicator_figures as told
from reporting import queries
from reporting.facts import QUESTIONNAIRES
from reporting.indicator_rules import (
    INDICATORS,
    MOST_MONTHS,
    Count,
    Figure,
    month_in,
    number_text,
    workload,
)
from results.queries import may_read_private

PAGE_SIZE = 50
MOST_EXPORTED = 50_000
STOOL_TUBE = "STO"
"""The container of a stool specimen (domain.md §2.5): whose groups indicator 4 counts."""
NO_QUESTIONNAIRES = "未安装问卷功能,不能统计"
_SENIOR = tuple(title for title in TITLES if is_senior(title))
_ALERT_MEASURES = {6: "notified", 7: "followed"}
_CLASS_NAMES = {AlertClass.CRITICAL: "危急值", AlertClass.A: "A 类", AlertClass.B: "B 类"}


class Row(msgspec.Struct, frozen=True):
    """One line of a list: its cells, and where it leads; empty when nowhere."""

    cells: tuple[str | float, ...]
    visit_no: str = ""
    alert_id: UUID | None = None


class Listing(msgspec.Struct, frozen=True):
    """One page of the list behind a count, and how many lines there are in all."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    total: int


def period_of(db: Session, since: date | None, until: date | None) -> Period:
    """The days asked for, by default the last twelve months; refuses what is none."""
    today = day_of(house_of(db).clock.now())
    until = until or today
    period = Period(since or first_of_month(until, -11), until)
    if period.until < period.since:
        raise BadInput([("until", "结束日期早于开始日期")])
    if len(period.months) > MOST_MONTHS:
        raise BadInput([("until", f"一次最多 {MOST_MONTHS} 个月")])
    return period


def figures(db: Session, period: Period) -> list[Figure]:
    """All seven in the regulator's order. The number of statements is the same however many people came."""
    reports = _report_counts(db, period)
    shares = alerts.shares_by_month(db, period)
    return [
        _signed(period, reports), _questionnaires(db, period), _workload(db, period), _stool(db, period), _days(period, reports),
        *(_of_alerts(number, shares[measure], period) for number, measure in _ALERT_MEASURES.items()),
    ]  # fmt: skip


def listing(
    db: Session, period: Period, number: int, part: str, month: str = "", offset: int = 0, most: int = PAGE_SIZE
) -> Listing:
    """One page of the list behind a count: `part`, `whole`, `rest` or `unknown` of an indicator, of a month or of the whole period."""
    if number not in INDICATORS or part not in INDICATORS[number].lists or (month and month not in period.months):
        raise NotFound("没有这个指标清单", "请从指标页面点击数字进入")
    if number in _ALERT_MEASURES:
        found, total = alerts.alerts_counted(db, period, _ALERT_MEASURES[number], part, month, offset, most)
        return Listing(_ALERT_HEADER, tuple(_alert_row(db, each) for each in found), total)
    lists: dict[int, Callable[[Session, Period, str, int, int], Listing]] = {
        1: _signed_list, 2: _questionnaire_list, 3: _workload_list, 4: _stool_list, 5: _days_list,
    }  # fmt: skip
    return lists[number](db, month_in(month, period), part, offset, most)


def _page(db: Session, found: Select[Any], order: Sequence[Any], offset: int, most: int) -> tuple[Sequence[Any], int]:
    total = db.scalar(select(func.count()).select_from(found.order_by(None).subquery())) or 0
    return db.execute(found.order_by(*order).offset(offset).limit(most)).all(), total


def _at(moment: datetime | None) -> str:
    return f"{local(moment):%Y-%m-%d %H:%M}" if moment else ""


# --- 1 and 5: reports ------------------------------------------------------------------------------------------------


def _is_chief(reports: Any) -> ColumnElement[bool]:
    return and_(reports.c.title.in_(_SENIOR), reports.c.specialty.in_(CHIEF_SPECIALTIES))


def _is_unknown(reports: Any) -> ColumnElement[bool]:
    return and_(reports.c.title.in_(_SENIOR), reports.c.specialty == "")


def _report_counts(db: Session, period: Period) -> dict[str, Any]:
    """For each month: reports, those signed as indicator 1 wants, those whose signer's specialty is unknown, and days; one statement."""
    reports = queries.first_issued(db, period).subquery()
    counted = select(
        reports.c.month, func.count().label("reports"), func.sum(case((_is_chief(reports), 1), else_=0)).label("chief"),
        func.sum(case((_is_unknown(reports), 1), else_=0)).label("unknown"), func.count(reports.c.done_at).label("timed"),
        func.sum(reports.c.days).label("days"),
    ).group_by(reports.c.month)  # fmt: skip
    return {row.month: row for row in db.execute(counted)}


def _signed(period: Period, counted: dict[str, Any]) -> Figure:
    months = {month: _count(counted.get(month), "chief", "reports") for month in period.months}
    unknown = sum(int(row.unknown) for row in counted.values())
    remarks = (f"有 {unknown} 份由副主任医师以上签署,但签字当日执业专业未登记,未计入分子",) if unknown else ()
    return Figure(INDICATORS[1], _sum(months), months, unknown, remarks)


def _days(period: Period, counted: dict[str, Any]) -> Figure:
    months = {month: _count(counted.get(month), "days", "timed") for month in period.months}
    unknown = sum(row.reports - row.timed for row in counted.values())
    remarks = (f"有 {unknown} 份没有项目全部完成时间,未计入",) if unknown else ()
    return Figure(INDICATORS[5], _sum(months), months, unknown, remarks)


def _count(row: Any, part: str, whole: str) -> Count:
    return Count(float(getattr(row, part) or 0), float(getattr(row, whole))) if row is not None else Count()


def _sum(months: dict[str, Count]) -> Count:
    return Count(sum(each.part for each in months.values()), sum(each.whole for each in months.values()))


def _signed_list(db: Session, period: Period, part: str, offset: int, most: int) -> Listing:
    reports = queries.first_issued(db, period).subquery()
    wanted = {
        "part": _is_chief(reports), "unknown": _is_unknown(reports), "rest": not_(or_(_is_chief(reports), _is_unknown(reports))),
    }  # fmt: skip
    found = select(reports)
    rows, total = _page(
        db, found.where(wanted[part]) if part in wanted else found, (reports.c.issued_at, reports.c.visit_no), offset, most
    )
    return Listing(
        ("体检号", "姓名", "报告发布时间", "签字医师", "签字时职称", "执业专业"),
        tuple(
            Row((row.visit_no, row.person_name, _at(row.issued_at), row.signer or "无签名记录", row.title or "无", row.specialty or "未登记"),
                row.visit_no)
            for row in rows
        ),
        total,
    )  # fmt: skip


def _days_list(db: Session, period: Period, part: str, offset: int, most: int) -> Listing:
    reports = queries.first_issued(db, period).subquery()
    found = select(reports).where(reports.c.done_at.is_(None) if part == "unknown" else reports.c.done_at.is_not(None))
    rows, total = _page(db, found, (reports.c.issued_at, reports.c.visit_no), offset, most)
    return Listing(
        ("体检号", "姓名", "项目全部完成时间", "报告发布时间", "天数"),
        tuple(
            Row((row.visit_no, row.person_name, _at(row.done_at), _at(row.issued_at), "" if row.days is None else round(float(row.days), 2)),
                row.visit_no)
            for row in rows
        ),
        total,
    )  # fmt: skip


# --- 2: questionnaires -----------------------------------------------------------------------------------------------


def _questionnaires(db: Session, period: Period) -> Figure:
    months = {month: _share_of(_asked(db, month_in(month, period))) for month in period.months} if _has_questionnaires(db) else {}
    if not months:
        missing = Count(why=NO_QUESTIONNAIRES)
        return Figure(INDICATORS[2], missing, dict.fromkeys(period.months, missing))
    return Figure(INDICATORS[2], _share_of(_asked(db, period)), months)


def _has_questionnaires(db: Session) -> bool:
    return bool(house_of(db).modules.fillings(QUESTIONNAIRES))


def _asked(db: Session, period: Period) -> list[tuple[Any, bool]]:
    """One row for each person who was checked in (the latest visit), and whether any of their visits has its questionnaire."""
    completed: set[UUID] = set()
    for filling in house_of(db).modules.fillings(QUESTIONNAIRES):
        completed |= filling(db, period)
    came = (
        select(Visit.id, Visit.person_id, Visit.visit_no, Visit.person_name, VisitBoard.checked_in_at)
        .join(VisitBoard, VisitBoard.visit_id == Visit.id)
        .where(
            VisitBoard.site == actor_of(db).site, VisitBoard.checked_in_at >= start_of(period.since),
            VisitBoard.checked_in_at < day_after(period.until),
        )
        .order_by(VisitBoard.checked_in_at, Visit.visit_no)
    )  # fmt: skip
    people: dict[UUID, tuple[Any, bool]] = {}
    for row in db.execute(came):
        people[row.person_id] = (row, row.id in completed or people.get(row.person_id, (None, False))[1])
    return list(people.values())


def _share_of(asked: Sequence[tuple[Any, bool]]) -> Count:
    return Count(sum(is_done for _, is_done in asked), len(asked))


def _questionnaire_list(db: Session, period: Period, part: str, offset: int, most: int) -> Listing:
    if not _has_questionnaires(db):
        raise NotFound(NO_QUESTIONNAIRES, "安装问卷功能后可查看")
    wanted = [each for each in _asked(db, period) if part == "whole" or each[1] == (part == "part")]
    rows = tuple(
        Row((row.visit_no, row.person_name, _at(row.checked_in_at), "已完成" if is_done else "未完成"), row.visit_no)
        for row, is_done in wanted[offset : offset + most]
    )
    return Listing(("体检号", "姓名", "报到时间", "问卷"), rows, len(wanted))


# --- 3: ultrasound ---------------------------------------------------------------------------------------------------

_DONE = (LineState.RESULTED.value, LineState.CONFIRMED.value)


def _ultrasound(db: Session, period: Period) -> Select[Any]:
    """The ultrasound lines with a result whose first result was stored in a period, one row each."""
    first = (
        select(LineProgress.line_id, func.min(LineProgress.at).label("at"))
        .join(LineBoard, LineBoard.line_id == LineProgress.line_id)
        .where(
            LineBoard.site == actor_of(db).site, LineBoard.department == told.ULTRASOUND, LineBoard.state.in_(_DONE),
            LineBoard.checked_in_at < day_after(period.until), LineProgress.undoes.is_(None),
            LineProgress.kind.in_((Progress.RESULTED.value, Progress.CONFIRMED.value)),
        )
        .group_by(LineProgress.line_id)
        .subquery()
    )  # fmt: skip
    return (
        select(
            OrderLineRow.id.label("line_id"), OrderLineRow.group_code, OrderLineRow.name, Visit.visit_no, Visit.person_name,
            first.c.at.label("at"), month_of(first.c.at, period).label("month"),
        )
        .join(first, first.c.line_id == OrderLineRow.id)
        .join(Visit, Visit.id == OrderLineRow.visit_id)
        .where(OrderLineRow.service_only.is_(False), first.c.at >= start_of(period.since), first.c.at < day_after(period.until))
    )  # fmt: skip


def _workload(db: Session, period: Period) -> Figure:
    lines = _ultrasound(db, period).subquery()
    counted = db.execute(
        select(lines.c.month, lines.c.group_code, func.count(), func.max(lines.c.name)).group_by(lines.c.month, lines.c.group_code)
    )
    rows = counted.all()
    known = told.told(db)
    months, whole, remarks = workload(
        period, day_of(house_of(db).clock.now()), {(row[0], row[1]): row[2] for row in rows}, told.parts_by_month(known, period),
        told.by_month(known, "posts"), told.by_month(known, "days"), {row[1]: row[3] for row in rows},
    )  # fmt: skip
    return Figure(INDICATORS[3], whole, months, 0, remarks)


def _workload_list(db: Session, period: Period, part: str, offset: int, most: int) -> Listing:
    known = told.told(db)
    if part == "whole":
        posts, days = told.newest(known, "posts"), told.newest(known, "days")
        seen = queries.ultrasound_days(db, period, told.ULTRASOUND)
        rows = [
            _staffing_row(month, posts.get(("", month)), days.get(("", month)), seen.get(month, (0, 0))) for month in period.months
        ]
        return Listing(
            ("月份", "岗位数", "工作日", "岗位数×工作日", "依据", "登记人", "参考:审核医师数", "参考:有审核的天数"),
            tuple(rows[offset : offset + most]), len(rows),
        )  # fmt: skip
    lines = _ultrasound(db, period).subquery()
    parts = told.parts_by_month(known, period)
    found, total = _page(db, select(lines), (lines.c.at, lines.c.line_id), offset, most)
    return Listing(
        ("体检号", "姓名", "超声项目", "检查完成时间", "部位数"),
        tuple(
            Row(
                (row.visit_no, row.person_name, row.name, _at(row.at), parts.get((row.month, row.group_code), "未登记")),
                row.visit_no,
            )
            for row in found
        ),
        total,
    )


def _staffing_row(month: str, posts: told.Told | None, days: told.Told | None, seen: tuple[int, int]) -> Row:
    if posts is None or days is None:
        return Row((month, "未登记", "未登记", "", "", "", *seen))
    product = number_text(float(posts.number) * float(days.number))
    return Row((month, posts.number, days.number, product, posts.source, f"{posts.put_by} {_at(posts.put_at)}", *seen))


# --- 4: stool specimens ----------------------------------------------------------------------------------------------


def _stool_lines(db: Session, period: Period) -> Any:
    """One row for each visit of a period that has a stool test ordered: when it was checked in, and whether a specimen was collected."""
    groups = {
        code
        for day in {period.since, period.until}
        for code, group in catalog.catalogue(db, day).groups.items()
        if group.tube == STOOL_TUBE
    }
    return (
        select(
            LineBoard.visit_id, func.min(LineBoard.checked_in_at).label("checked_in_at"), func.min(LineBoard.state).label("state"),
            func.max(LineBoard.reason).label("reason"), func.max(case((LineBoard.state.in_(sorted(BEGUN)), 1), else_=0)).label("collected"),
        )
        .where(
            LineBoard.site == actor_of(db).site, LineBoard.group_code.in_(sorted(groups)), LineBoard.state != LineState.REMOVED,
            LineBoard.checked_in_at >= start_of(period.since), LineBoard.checked_in_at < day_after(period.until),
        )
        .group_by(LineBoard.visit_id)
        .subquery()
    )  # fmt: skip


def _stool(db: Session, period: Period) -> Figure:
    lines = _stool_lines(db, period)
    month = month_of(lines.c.checked_in_at, period).label("month")
    by_month = select(month, lines.c.collected).subquery()
    counted = select(by_month.c.month, func.sum(by_month.c.collected), func.count()).group_by(by_month.c.month)
    found = {row[0]: Count(float(row[1]), row[2]) for row in db.execute(counted)}
    months = {each: found.get(each, Count()) for each in period.months}
    return Figure(INDICATORS[4], _sum(months), months)


def _stool_list(db: Session, period: Period, part: str, offset: int, most: int) -> Listing:
    lines = _stool_lines(db, period)
    found = select(lines, Visit.visit_no, Visit.person_name).join(Visit, Visit.id == lines.c.visit_id)
    if part != "whole":
        found = found.where(lines.c.collected == (1 if part == "part" else 0))
    rows, total = _page(db, found, (lines.c.checked_in_at, Visit.visit_no), offset, most)
    return Listing(
        ("体检号", "姓名", "报到时间", "是否留取", "项目状态", "原因"),
        tuple(
            Row((row.visit_no, row.person_name, _at(row.checked_in_at), "已留取" if row.collected else "未留取",
                 LINE_STATE_NAMES[LineState(row.state)], row.reason), row.visit_no)
            for row in rows
        ),
        total,
    )  # fmt: skip


# --- 6 and 7: alerts -------------------------------------------------------------------------------------------------

_ALERT_HEADER = ("体检号", "姓名", "类别", "异常结果", "发现时间", "通知时间", "状态")


def _of_alerts(number: int, shares: dict[str, Any], period: Period) -> Figure:
    months = {month: Count(shares[month].part, shares[month].whole) for month in period.months}
    return Figure(INDICATORS[number], Count(shares[""].part, shares[""].whole), months)


def _alert_row(db: Session, line: AlertLine) -> Row:
    """Of a private finding the list says that there is one, never which."""
    alert, card = line.alert, line.card
    is_hidden = alert.is_private and not may_read_private(actor_of(db), alert.department)
    cells = (
        card.visit_no, card.person_name, _CLASS_NAMES[alert.alert_class], "重要异常(隐私项目)" if is_hidden else alert.name,
        _at(alert.found_at), _at(alert.notified_at), ALERT_STATE_NAMES[alert.state],
    )  # fmt: skip
    return Row(cells, card.visit_no, alert.id)

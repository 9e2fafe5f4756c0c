"""Screens of the seven indicators: the page, the list behind each count with its workbook, and the figures that are told."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from sqlalchemy.orm import Session

from exam.kit import audit, sheets, web
from exam.kit.clock import day_of, local
from exam.kit.errors import BadInput
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.period import Period, first_of_month
from reporting import indicator_figures as told
from reporting import indicators
from reporting.indicator_rules import (
    INDICATORS,
    SOURCE,
    Figure,
    chart_of,
    number_text,
    rate_text,
    usual_periods,
)

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
LONGEST_PURPOSE = 200


def _period(db: Session, since: str, until: str) -> Period:
    return indicators.period_of(db, _day(since, "since"), _day(until, "until"))


def _day(text: str, field: str) -> date | None:
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        day = date.min
    if day is not None and not 2000 <= day.year <= 2100:
        raise BadInput([(field, "请填写 2000 年以后的日期,例如 2026-11-21")])
    return day


def _query(period: Period) -> str:
    return f"since={period.since}&until={period.until}"


# --- the page --------------------------------------------------------------------------------------------------------


class PeriodForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which days, which list of which month, and for what an export is wanted."""

    since: str = ""
    until: str = ""
    part: str = ""
    month: str = ""
    purpose: str = ""


@web.get("/indicators", may="reporting.see_indicators")
def show_indicators(request: AnyRequest, db: web.Db, since: FromQuery[str] = "", until: FromQuery[str] = "") -> web.Page:
    """All seven indicators of some days, by month, each with its definition; made to be printed too."""
    period = _period(db, since, until)
    now = house_of(db).clock.now()
    figures = indicators.figures(db, period)
    return web.page(
        db, "reporting/indicators.html", period=period, figures=figures, charts={each.indicator.number: chart_of(each) for each in figures},
        presets=[(name, each, _query(each)) for name, each in usual_periods(day_of(now))], query=_query(period), source=SOURCE,
        rate_text=rate_text, number_text=number_text, made_at=now,
    )  # fmt: skip


@web.post("/indicators/export", may="reporting.export_indicators", write=False)
def export_indicators(request: AnyRequest, db: web.Db, data: FormData) -> Response[bytes]:
    """All seven with their months and definitions as a workbook; audited with its purpose."""
    form = _wanted(data)
    period = _period(db, form.since, form.until)
    figures = indicators.figures(db, period)
    rows = [row for each in figures for row in _figure_rows(each, period)]
    definitions = [
        (each.indicator.number, each.indicator.name, each.indicator.definition, ";".join(each.remarks)) for each in figures
    ]
    audit.read(db, "reporting.export_indicators", f"list:indicators {period.since}–{period.until}", form.purpose)
    content = sheets.workbook(
        [("指标", ("序号", "指标", "期间", "分子", "分母", "结果", "说明"), rows), ("口径", ("序号", "指标", "定义", "备注"), definitions),
         ("说明", ("项目", "内容"), _about(db, period, form.purpose))]
    )  # fmt: skip
    return web.download(content, f"质控指标-{period.since}至{period.until}.xlsx", sheets.XLSX)


def _figure_rows(figure: Figure, period: Period) -> list[tuple[Any, ...]]:
    indicator = figure.indicator
    return [
        (indicator.number, indicator.name, name, "" if count.why else round(count.part, 2), "" if count.why else round(count.whole, 2),
         rate_text(indicator, count), count.why)
        for name, count in ((f"{period.since} 至 {period.until}", figure.whole), *figure.months.items())
    ]  # fmt: skip


def _wanted(data: dict[str, Any]) -> PeriodForm:
    form = read_form(data, PeriodForm, {"purpose": "用途"})
    if not form.purpose.strip() or len(form.purpose) > LONGEST_PURPOSE:
        raise BadInput([("purpose", f"请填写用途(最多 {LONGEST_PURPOSE} 字),例如 质控中心上报")])
    return form


def _about(db: Session, period: Period, purpose: str) -> list[tuple[str, str]]:
    return [
        ("期间", f"{period.since} 至 {period.until}"), ("指标来源", SOURCE), ("用途", purpose), ("制表人", actor_of(db).name),
        ("制表时间", f"{local(house_of(db).clock.now()):%Y-%m-%d %H:%M}"),
        ("说明", "含个人健康信息的清单仅限本机构内部及监管部门使用,不得提供给受检者单位"),
    ]  # fmt: skip


# --- the lists behind the counts --------------------------------------------------------------------------------------


@web.get("/indicators/{number:int}/list", may="reporting.see_indicators")
def show_list(
    request: AnyRequest, db: web.Db, number: FromPath[int], part: FromQuery[str] = "whole", month: FromQuery[str] = "",
    since: FromQuery[str] = "", until: FromQuery[str] = "", page: FromQuery[int] = 1,
) -> web.Page:  # fmt: skip
    """What a numerator or a denominator is made of, page by page."""
    period = _period(db, since, until)
    page = max(1, min(page, 100_000))
    found = indicators.listing(db, period, number, part, month, (page - 1) * indicators.PAGE_SIZE)
    audit.read(db, "reporting.read_indicator", f"list:indicator {number} {part} {month}".strip(), f"{len(found.rows)} 条")
    return web.page(
        db, "reporting/indicator_list.html", found=found, indicator=INDICATORS[number], part=part, month=month, period=period, page=page,
        pages=max(1, -(-found.total // indicators.PAGE_SIZE)), query=_query(period),
    )  # fmt: skip


@web.post("/indicators/{number:int}/list", may="reporting.export_indicators", write=False)
def export_list(request: AnyRequest, db: web.Db, number: FromPath[int], data: FormData) -> Response[bytes]:
    """The whole list as a workbook; audited with its purpose."""
    form = _wanted(data)
    period = _period(db, form.since, form.until)
    found = indicators.listing(db, period, number, form.part, form.month, 0, indicators.MOST_EXPORTED)
    if found.total > len(found.rows):
        raise BadInput([("purpose", f"共 {found.total} 条,超过一次可导出的 {indicators.MOST_EXPORTED} 条,请缩短日期范围")])
    indicator = INDICATORS[number]
    title = f"{indicator.number} {indicator.name}:{indicator.lists[form.part]}"
    about = [("指标", title), ("月份", form.month or "整个期间"), ("条数", str(found.total)), ("定义", indicator.definition)]
    audit.read(
        db,
        "reporting.export_indicator",
        f"list:indicator {number} {form.part} {form.month}".strip(),
        f"{form.purpose};{found.total} 条",
    )
    content = sheets.workbook(
        [
            ("清单", found.header, [row.cells for row in found.rows]),
            ("说明", ("项目", "内容"), about + _about(db, period, form.purpose)),
        ]
    )
    return web.download(
        content, f"指标{number}-{indicator.lists[form.part]}-{form.month or period.since}.xlsx".replace("/", "、"), sheets.XLSX
    )


# --- what is told for indicator 3 -------------------------------------------------------------------------------------

STAFFING_LABELS = {"month": "月份", "posts": "超声医师岗位数", "days": "实际工作日", "source": "依据"}
PARTS_LABELS = {"group": "超声项目", "month": "起始月份", "parts": "部位数", "source": "依据"}


@web.get("/indicators/figures", may="reporting.see_indicators")
def show_figures(request: AnyRequest, db: web.Db) -> web.Page:
    """Posts and working days by month and body parts by group, as they were told, with what the records show beside them."""
    today = day_of(house_of(db).clock.now())
    period = Period(first_of_month(today, -12), today)
    known = told.told(db)
    groups = told.group_names(db)
    parts = told.parts_by_month(known, period)
    return web.page(
        db, "reporting/indicator_figures.html", known=known, groups=groups, kinds=told.KIND_NAMES, months=list(reversed(period.months)),
        staffing=indicators.listing(db, period, 3, "whole"),
        lacking=[name for code, name in groups.items() if (period.months[-1], code) not in parts],
        this_month=period.months[-1],
    )  # fmt: skip


@web.post("/indicators/figures/staffing", may="reporting.tell_figures")
def set_staffing(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Notes a month's posts and working days."""
    told.set_staffing(db, read_form(data, told.Staffing, STAFFING_LABELS))
    return web.back_to(db, "/indicators/figures", toast="岗位数与工作日已登记")


@web.post("/indicators/figures/parts", may="reporting.tell_figures")
def set_parts(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Notes how many body parts a group counts."""
    told.set_parts(db, read_form(data, told.Parts, PARTS_LABELS))
    return web.back_to(db, "/indicators/figures", toast="部位数已登记")


routes = (show_indicators, export_indicators, show_list, export_list, show_figures, set_staffing, set_parts)

"""Screens of the register and of the indicators, with their workbook and paper."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromQuery

from critical_values import board, indicators, register, screens
from critical_values.facts import Share
from critical_values.pages import AnyRequest, FormData, day_in, names
from exam.kit import audit, sheets, web
from exam.kit.clock import local
from exam.kit.errors import BadInput, NotFound
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.knowledge.facts import AlertClass

MOST_SHOWN = 500
LONGEST_PURPOSE = 200


# --- the register ----------------------------------------------------------------------------------------------------


class RegisterForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which days and class, and for what an export is wanted."""

    since: str = ""
    until: str = ""
    alert_class: str = ""
    purpose: str = ""


@web.get("/alerts/register", may="critical_values.read")
def show_register(
    request: AnyRequest, db: web.Db, since: FromQuery[str] = "", until: FromQuery[str] = "", alert_class: FromQuery[str] = ""
) -> web.Page:
    """The register of some days on the screen."""
    first, last = _days(db, since, until)
    found, total = register.entries(db, first, last, _class(alert_class), MOST_SHOWN)
    audit.read(db, "critical_values.read_register", f"list:alerts {first}–{last}", f"{len(found)} 条")
    return web.page(
        db, "critical_values/register.html", found=found, total=total, most=MOST_SHOWN, since=first, until=last,
        alert_class=_class(alert_class), **names(db),
    )  # fmt: skip


@web.post("/alerts/register/export", may="critical_values.export", write=False)
def export_register(request: AnyRequest, db: web.Db, data: FormData) -> Response[bytes]:
    """The register as a workbook with every step on a second sheet; audited with its purpose."""
    form, found, first, last = _wanted(db, data, "critical_values.export_register")
    content = sheets.workbook(
        [("登记本", register.HEADER, register.rows_of(found)), ("经过", register.STEPS_HEADER, register.step_rows_of(found)),
         ("说明", ("项目", "内容"), _about(db, form, first, last, len(found)))]
    )  # fmt: skip
    return web.download(content, f"危急值登记本-{first}至{last}.xlsx", sheets.XLSX)


@web.post("/alerts/register/print", may="critical_values.export", write=False)
def print_register(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """The register for A4 landscape; audited with its purpose as an export is."""
    form, found, first, last = _wanted(db, data, "critical_values.print_register")
    return web.page(
        db, "critical_values/register_paper.html", found=found, about=_about(db, form, first, last, len(found)), since=first, until=last
    )


def _wanted(db: web.Db, data: dict[str, Any], act: str) -> tuple[RegisterForm, list[register.Entry], date, date]:
    form = read_form(data, RegisterForm, {"purpose": "用途"})
    if not form.purpose or len(form.purpose) > LONGEST_PURPOSE:
        raise BadInput([("purpose", f"请填写用途(最多 {LONGEST_PURPOSE} 字),例如 卫健委督查")])
    first, last = _days(db, form.since, form.until)
    found, total = register.entries(db, first, last, _class(form.alert_class))
    if total > len(found):
        raise BadInput([("until", f"共 {total} 条,超过一次可导出的 {register.MOST_ROWS} 条,请缩短日期范围")])
    audit.read(db, act, f"list:alerts {first}–{last}", f"{form.purpose};{len(found)} 条")
    return form, found, first, last


def _about(db: web.Db, form: RegisterForm, first: date, last: date, count: int) -> list[tuple[str, str]]:
    made_at = local(house_of(db).clock.now())
    which = screens.CLASS_NAMES[AlertClass(form.alert_class)] if _class(form.alert_class) else "全部"
    return [
        ("日期", f"{first} 至 {last}"), ("类别", which), ("条数", str(count)), ("用途", form.purpose), ("制表人", actor_of(db).name),
        ("制表时间", f"{made_at:%Y-%m-%d %H:%M}"), ("说明", "含个人健康信息,仅限本机构内部及监管部门使用,不得提供给受检者单位"),
    ]  # fmt: skip


def _days(db: web.Db, since: str, until: str) -> tuple[date, date]:
    first, last = register.first_days(db)
    found = day_in(since, "since") or first
    return found, day_in(until, "until") or max(last, found)


def _class(text: str) -> str:
    return text if text in indicators.EVERY else ""


# --- the indicators --------------------------------------------------------------------------------------------------


@web.get("/alerts/indicators", may="critical_values.read")
def show_indicators(request: AnyRequest, db: web.Db, since: FromQuery[str] = "", until: FromQuery[str] = "") -> web.Page:
    """Indicators 6 and 7 by month with what they are made of."""
    period = indicators.period_of(db, day_in(since, "since"), day_in(until, "until"))
    months, whole = indicators.figures(db, period)
    return web.page(
        db, "critical_values/indicators.html", months=months, whole=whole, period=period, chart=_chart(months),
        query=f"since={period.since}&until={period.until}", **names(db),
    )  # fmt: skip


@web.get("/alerts/indicators/alerts", may="critical_values.read")
def show_behind(
    request: AnyRequest, db: web.Db, measure: FromQuery[str] = "notified", part: FromQuery[str] = "whole", month: FromQuery[str] = "",
    alert_class: FromQuery[str] = "", since: FromQuery[str] = "", until: FromQuery[str] = "",
) -> web.Page:  # fmt: skip
    """The alerts behind one count."""
    if measure not in indicators.MEASURES or part not in indicators.PARTS:
        raise NotFound("没有这个指标", "请从指标页面点击数字进入")
    period = indicators.period_of(db, day_in(since, "since"), day_in(until, "until"))
    ids = indicators.behind(db, period, measure, part, month if month in period.months else "", _class(alert_class))
    lines = [(line, screens.shown(db, line.alert)) for line in board.lines_of(db, ids)]
    audit.read(db, "critical_values.read_indicator", f"list:alerts {measure} {part} {month}".strip(), f"{len(lines)} 条")
    return web.page(
        db, "critical_values/behind.html", lines=lines, people=len({line.card.person_id for line, _ in lines}), month=month,
        title=f"{indicators.MEASURES[measure]}:{indicators.PARTS[part]}", period=period, most=indicators.MOST_BEHIND,
        query=f"since={period.since}&until={period.until}", now=house_of(db).clock.now(), **names(db),
    )  # fmt: skip


CHART_WIDTH, CHART_HEIGHT, LEFT, TOP = 720, 220, 46, 14


class Mark(msgspec.Struct, frozen=True):
    """One month in the chart: its bar (people with important findings) and its two points."""

    month: str
    label_x: float
    bar_x: float
    bar_y: float
    bar_width: float
    bar_height: float
    count: int
    notified_y: float | None
    followed_y: float | None


class Chart(msgspec.Struct, frozen=True):
    """A drawing in SVG units: bars of people, lines of the two rates."""

    marks: tuple[Mark, ...]
    notified: str
    followed: str
    most: int


def _chart(months: list[indicators.Figures]) -> Chart:
    height, step = CHART_HEIGHT - TOP - 24, (CHART_WIDTH - LEFT - 46) / max(1, len(months))
    most = max([each.followed.whole for each in months] + [1])
    marks = []
    for place, each in enumerate(months):
        middle = LEFT + (place + 0.5) * step
        bar = height * each.followed.whole / most
        marks.append(
            Mark(
                each.month, round(middle, 1), round(middle - step * 0.3, 1), round(TOP + height - bar, 1), round(step * 0.6, 1), round(bar, 1),
                each.followed.whole, _rate_y(each.notified, height), _rate_y(each.followed, height),
            )
        )  # fmt: skip
    notified = " ".join(f"{mark.label_x},{mark.notified_y}" for mark in marks if mark.notified_y is not None)
    followed = " ".join(f"{mark.label_x},{mark.followed_y}" for mark in marks if mark.followed_y is not None)
    return Chart(tuple(marks), notified, followed, most)


def _rate_y(share: Share, height: float) -> float | None:
    return round(TOP + height * (1 - share.part / share.whole), 1) if share.whole else None


routes = (show_register, export_register, print_register, show_indicators, show_behind)

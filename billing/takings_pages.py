"""Screens of the reports: daily takings (STA-5), bookings of packages (STA-1), settled and unsettled fees of persons (STA-4)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromQuery
from sqlalchemy.orm import Session

from billing import report_lists, takings
from billing.facts import ACCOUNT_NAMES, NOBODY
from exam.kit import audit, web
from exam.kit.clock import day_of
from exam.kit.forms import read_form
from exam.kit.house import house_of
from exam.kit.period import Period, first_of_month
from exam.kit.sheets import XLSX, workbook
from exam.staff import accounts
from exam.visits.facts import CATEGORY_NAMES, VISIT_STATE_NAMES, VisitState

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
LONGEST_DAYS = 366


def period_of(db: Session, since: str, until: str, days: int = 1) -> Period:
    """The asked days; by default the last `days`. No report is over more than a year and a day."""
    today = day_of(house_of(db).clock.now())
    try:
        first, last = date.fromisoformat(since), date.fromisoformat(until)
    except ValueError:
        return Period(today - timedelta(days=days - 1), today)
    first, last = min(first, last), max(first, last)
    return Period(max(first, last - timedelta(days=LONGEST_DAYS)), last)


def presets(db: Session) -> list[tuple[str, Period]]:
    """Periods that people ask for."""
    today = day_of(house_of(db).clock.now())
    monday, month = today - timedelta(days=today.weekday()), first_of_month(today)
    before = first_of_month(today, -1)
    return [
        ("今日", Period(today, today)), ("昨日", Period(today - timedelta(days=1), today - timedelta(days=1))), ("本周", Period(monday, today)),
        ("本月", Period(month, today)), ("上月", Period(before, month - timedelta(days=1))),
    ]  # fmt: skip


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


# --- takings ---------------------------------------------------------------------------------------------------------


def _cashier_names(db: Session, found: list[takings.Flow]) -> dict[UUID, str]:
    names = {each: name for each, (name, _) in accounts.names(db, [flow.cashier_id for flow in found]).items()}
    return {NOBODY: "系统自动入账", **names}


@web.get("/takings", may="billing.reports")
def show_takings(request: AnyRequest, db: web.Db, since: FromQuery[str] = "", until: FromQuery[str] = "") -> web.Page:
    """What came in and went back on these days, by cashier, way to pay, purpose and exam category."""
    period = period_of(db, since, until)
    found = takings.of_period(db, period.since, period.until)
    names, money = _cashier_names(db, found), takings.without_cards(found)
    methods = takings.by_method(found)
    crossed: dict[str, dict[str, int]] = {}
    for flow in found:
        row = crossed.setdefault(names.get(flow.cashier_id, "—"), {})
        row[flow.method.value] = row.get(flow.method.value, 0) + flow.net_fen
    by_day = takings.add_up(money, lambda flow: flow.day, str) if period.since != period.until else []
    return web.page(
        db, "billing/takings.html", period=period, presets=presets(db), methods=methods, crossed=crossed, total=takings.total(money),
        categories=takings.add_up(money, lambda flow: flow.category, takings.category_name), by_day=by_day,
        purposes=takings.add_up(money, lambda flow: flow.purpose, takings.purpose_name),
        longest=max((abs(each.net_fen) for each in (by_day or takings.by_method(money))), default=0),
    )  # fmt: skip


@web.get("/takings/export", may="billing.reports")
def export_takings(request: AnyRequest, db: web.Db, since: FromQuery[str] = "", until: FromQuery[str] = "") -> Response[bytes]:
    """Every flow of the period as a workbook, with the sums by cashier, way and category on sheets of their own."""
    period = period_of(db, since, until)
    found = takings.of_period(db, period.since, period.until)
    names = _cashier_names(db, found)
    rows = [
        (flow.day.isoformat(), names.get(flow.cashier_id, ""), ACCOUNT_NAMES[flow.method], takings.purpose_name(flow.purpose),
         takings.category_name(flow.category), flow.in_fen / 100, flow.back_fen / 100, flow.void_fen / 100, flow.net_fen / 100, flow.count)
        for flow in found
    ]  # fmt: skip
    header = ("结账日", "收费员", "方式", "事由", "体检类别", "收款(元)", "退款(元)", "作废(元)", "净额(元)", "笔数")
    money = takings.without_cards(found)
    sheets: list[tuple[str, tuple[str, ...], Any]] = [("明细", header, rows)]
    for title, sums in (
        ("按收费员", takings.add_up(money, lambda flow: flow.cashier_id, lambda each: names.get(each, ""))), ("按方式", takings.by_method(found)),
        ("按体检类别", takings.add_up(money, lambda flow: flow.category, takings.category_name)),
    ):  # fmt: skip
        lines = [
            (each.name, each.in_fen / 100, each.back_fen / 100, each.void_fen / 100, each.net_fen / 100, each.count)
            for each in sums
        ]
        sheets.append((title, (title[1:], *header[5:]), lines))
    audit.read(db, "billing.export_takings", f"days:{period.since}..{period.until}")
    return web.download(workbook(sheets), f"收费日报_{period.since}_{period.until}.xlsx", XLSX)


# --- packages --------------------------------------------------------------------------------------------------------


@web.get("/takings/packages", may="billing.reports")
def show_packages(
    request: AnyRequest, db: web.Db, since: FromQuery[str] = "", until: FromQuery[str] = "", step: FromQuery[str] = "day",
    who: FromQuery[str] = "",
) -> web.Page:  # fmt: skip
    """Who booked which package, who came and who cancelled, by day, week or month."""
    period, step = period_of(db, since, until, 30), step if step in report_lists.STEPS else "day"
    found = [
        each
        for each in report_lists.bookings(db, period, step)
        if who not in ("person", "company") or each.is_company == (who == "company")
    ]
    packages, steps = report_lists.bars(found, "package_name"), report_lists.bars(found, "step")
    return web.page(
        db, "billing/takings_packages.html", period=period, presets=presets(db), step=step, steps_of=report_lists.STEPS, who=who, found=found,
        packages=packages, steps=steps, total=report_lists.Bar("合计", sum(each.booked for each in found), sum(each.came for each in found),
        sum(each.cancelled for each in found)),
    )  # fmt: skip


@web.get("/takings/packages/export", may="billing.reports")
def export_packages(
    request: AnyRequest, db: web.Db, since: FromQuery[str] = "", until: FromQuery[str] = "", step: FromQuery[str] = "day"
) -> Response[bytes]:  # fmt: skip
    """The bookings as a workbook."""
    period, step = period_of(db, since, until, 30), step if step in report_lists.STEPS else "day"
    rows = [
        (
            each.step,
            each.package_code,
            each.package_name,
            "单位" if each.is_company else "个人",
            each.booked,
            each.came,
            each.cancelled,
        )
        for each in report_lists.bookings(db, period, step)
    ]
    header = ("期间", "套餐编码", "套餐", "个人/单位", "预约", "到检", "取消")
    audit.read(db, "billing.export_packages", f"days:{period.since}..{period.until}")
    return web.download(workbook([("预约套餐", header, rows)]), f"预约套餐统计_{period.since}_{period.until}.xlsx", XLSX)


# --- fees ------------------------------------------------------------------------------------------------------------


class FeesForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which fees are looked for."""

    tab: str = "unsettled"
    since: str = ""
    until: str = ""
    q: str = ""
    page: str = "1"


@web.get("/takings/fees", may="billing.reports")
def show_fees(
    request: AnyRequest, db: web.Db, tab: FromQuery[str] = "unsettled", since: FromQuery[str] = "", until: FromQuery[str] = "",
    page: FromQuery[str] = "1",
) -> web.Page:  # fmt: skip
    """Persons who still owe, who have paid, and who are owed."""
    return _fees(db, FeesForm(tab, since, until, "", page))


@web.post("/takings/fees", may="billing.reports", write=False)
def find_fees(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """As `show_fees`, with the words in the body: a person's name stands in no address and no log."""
    return _fees(db, read_form(data, FeesForm))


def _fees(db: Session, form: FeesForm) -> web.Page:
    tab, period = form.tab if form.tab in report_lists.FEE_TABS else "unsettled", period_of(db, form.since, form.until, 30)
    found = report_lists.fees(db, period, "all" if form.q else tab, form.q, _number(form.page))
    audit.read(db, "billing.read_fees", "list:fees")
    return web.page(
        db, "billing/takings_fees.html", period=period, found=found, tab=tab, tabs=report_lists.FEE_TABS, q=form.q, categories=CATEGORY_NAMES,
        states=VISIT_STATE_NAMES,
    )  # fmt: skip


@web.get("/takings/fees/export", may="billing.reports")
def export_fees(
    request: AnyRequest, db: web.Db, tab: FromQuery[str] = "unsettled", since: FromQuery[str] = "", until: FromQuery[str] = ""
) -> Response[bytes]:  # fmt: skip
    """The whole list as a workbook."""
    tab, period = tab if tab in report_lists.FEE_TABS else "unsettled", period_of(db, since, until, 30)
    found = report_lists.fees(db, period, tab, most=report_lists.MOST_EXPORTED)
    rows = [
        (each.visit_no, each.person_name, CATEGORY_NAMES.get(each.category, each.category), each.organization, each.package_name,
         each.exam_on.isoformat(), VISIT_STATE_NAMES[VisitState(each.state)], each.charged_fen / 100, each.paid_fen / 100, each.due_fen / 100)
        for each in found.fees
    ]  # fmt: skip
    header = ("体检号", "姓名", "类别", "单位", "套餐", "体检日期", "状态", "个人应缴(元)", "已缴(元)", "待缴(元)")
    audit.read(db, "billing.export_fees", "list:fees")
    name = f"个人费用_{report_lists.FEE_TABS[tab]}_{period.since}_{period.until}.xlsx"
    return web.download(workbook([(report_lists.FEE_TABS[tab], header, rows)]), name, XLSX)


routes = (show_takings, export_takings, show_packages, export_packages, show_fees, find_fees, export_fees)

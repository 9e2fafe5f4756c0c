"""The regulator's seven indicators (domain.md §3.7): what each counts, a rate out of its two counts, and its small chart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from enum import StrEnum

import msgspec

from exam.kit.period import Period, first_of_month

MOST_MONTHS = 24
SOURCE = "健康体检与管理专业医疗质量控制指标(2023 年版)"


class Unit(StrEnum):
    """What a rate is told in: a percentage, days for each report, or body parts for each doctor and day."""

    PERCENT = "percent"
    DAYS = "days"
    PARTS = "parts"


UNIT_WORDS = {Unit.PERCENT: "%", Unit.DAYS: "天", Unit.PARTS: "部位/人日"}


class Indicator(msgspec.Struct, frozen=True):
    """One indicator: its words (`short` heads a column), and the lists (`part`, `whole`, `rest`, `unknown`) that may stand behind its counts."""

    number: int
    name: str
    short: str
    unit: Unit
    part_name: str
    whole_name: str
    definition: str
    lists: dict[str, str]


INDICATORS = {
    each.number: each
    for each in (
        Indicator(
            1, "高级职称医师签署报告率", "签署率", Unit.PERCENT, "高级职称医师签署", "体检报告",
            "期内首次发布的报告中,主检结论由内科或外科专业副主任医师及以上签署(终审签名)的份数 ÷ 期内首次发布的报告总数。"
            "职称以签名当时为准,专业以签字当日登记的执业专业为准;专业未登记的不计入分子。",
            {"part": "高级职称(内/外科)签署", "whole": "全部报告", "rest": "其他医师签署", "unknown": "执业专业未登记"},
        ),
        Indicator(
            2, "健康体检问卷完成率", "问卷率", Unit.PERCENT, "完成问卷", "体检人数",
            "期内报到的受检者中,完成健康体检自测问卷的人数 ÷ 期内报到的人数(一人多次体检计一人,任一次完成即计)。",
            {"part": "完成问卷", "whole": "全部报到", "rest": "未完成问卷"},
        ),
        Indicator(
            3, "超声医师日均负担超声检查部位数", "超声负担", Unit.PARTS, "超声检查部位", "岗位数×工作日",
            "期内完成的超声检查部位总数 ÷(超声医师岗位数 × 实际工作日)。部位数按各超声项目登记的部位数折算;"
            "岗位数与工作日按月登记并注明依据。只统计完整且资料齐全的月份。",
            {"part": "超声检查", "whole": "岗位与工作日"},
        ),
        Indicator(
            4, "大便标本留取率", "留便率", Unit.PERCENT, "已留取", "开具大便常规",
            "期内报到的体检中,已留取大便标本的人次 ÷ 开具大便常规的人次。退项的不计为开具;拒检、延期未留取的计入分母。",
            {"part": "已留取", "whole": "开具大便常规", "rest": "未留取"},
        ),
        Indicator(
            5, "健康体检报告平均完成时间", "报告用时", Unit.DAYS, "合计天数", "体检报告",
            "Σ(报告首次发布时间 − 全部项目完成时间)÷ 期内首次发布的报告数。按自然日计,精确到分钟;"
            "全部项目完成指发布前最后一次分科全部完成(含检验、病理)。",
            {"part": "报告与天数", "whole": "报告与天数", "unknown": "无全部完成时间"},
        ),
        Indicator(
            6, "高危异常结果通知率", "通知率", Unit.PERCENT, "完成通知", "检出高危异常",
            "期内检出高危异常结果(危急值与 A 类)的人中,完成通知的人数 ÷ 检出人数。误报与更正撤销的不计;一人多项时全部通知到才计。",
            {"part": "完成通知", "whole": "检出高危异常", "rest": "未完成通知"},
        ),
        Indicator(
            7, "重要异常结果随访率", "随访率", Unit.PERCENT, "完成随访", "检出重要异常",
            "期内检出重要异常结果(危急值、A 类与 B 类)的人中,完成随访的人数 ÷ 检出人数。失访不计为完成;一人多项时全部随访才计。",
            {"part": "完成随访", "whole": "检出重要异常", "rest": "未完成随访"},
        ),
    )
}  # fmt: skip


class Count(msgspec.Struct, frozen=True):
    """A numerator and a denominator; `why` says why there is none. What is unknown is never shown as zero."""

    part: float = 0
    whole: float = 0
    why: str = ""

    @property
    def rate(self) -> float | None:
        """The quotient; None where it is unknown or there is nothing to divide by."""
        return None if self.why or not self.whole else self.part / self.whole


class Figure(msgspec.Struct, frozen=True):
    """One indicator of a period: of the whole time, by month, and what is counted beside it (`unknown`), with remarks."""

    indicator: Indicator
    whole: Count
    months: dict[str, Count]
    unknown: int = 0
    remarks: tuple[str, ...] = ()


def rate_text(indicator: Indicator, count: Count) -> str:
    """A rate as it is read: `87.5%`, `2.4 天`, `31.2 部位/人日`, a dash where there is none."""
    if count.rate is None:
        return "–"
    if indicator.unit is Unit.PERCENT:
        return f"{100 * count.rate:.1f}%"
    return f"{count.rate:.1f} {UNIT_WORDS[indicator.unit]}"


def number_text(number: float) -> str:
    """A count without needless decimals: 12, 12.5."""
    return f"{number:.1f}".removesuffix(".0")


# --- periods ---------------------------------------------------------------------------------------------------------


def usual_periods(today: date) -> tuple[tuple[str, Period], ...]:
    """The periods that a centre reports: months, quarters, the year, the last twelve months."""
    month = first_of_month(today)
    quarter = first_of_month(today, -((today.month - 1) % 3))
    return (
        ("本月", Period(month, today)),
        ("上月", Period(first_of_month(month, -1), month - timedelta(days=1))),
        ("本季度", Period(quarter, today)),
        ("上季度", Period(first_of_month(quarter, -3), quarter - timedelta(days=1))),
        ("本年", Period(date(today.year, 1, 1), today)),
        ("近 12 个月", Period(first_of_month(today, -11), today)),
    )


def unfinished_months(period: Period, today: date) -> frozenset[str]:
    """The months of which a period holds only some days, or that are not over."""
    last = period.months[-1]
    found = {period.months[0]} if period.since.day > 1 else set()
    ends = first_of_month(period.until, 1) - timedelta(days=1)
    if period.until < ends or ends > today:
        found.add(last)
    return frozenset(found)


def month_in(month: str, period: Period) -> Period:
    """A month as far as it lies in a period; an empty month is the whole of it."""
    if not month:
        return period
    first = date.fromisoformat(f"{month}-01")
    return Period(max(first, period.since), min(first_of_month(first, 1) - timedelta(days=1), period.until))


# --- indicator 3 -----------------------------------------------------------------------------------------------------


def workload(
    period: Period, today: date, done: dict[tuple[str, str], int], parts: dict[tuple[str, str], float],
    posts: dict[str, float], days: dict[str, float], names: dict[str, str],
) -> tuple[dict[str, Count], Count, tuple[str, ...]]:  # fmt: skip
    """Body parts for each ultrasound doctor and day: by month, of all months that are known, and which are not.

    `done` and `parts` are by month and group code, `posts` and `days` by month; `names` are of groups.
    """
    unfinished = unfinished_months(period, today)
    months = {}
    for month in period.months:
        ordered = {code: count for (each, code), count in done.items() if each == month}
        lacking = [names.get(code, code) for code in sorted(ordered) if (month, code) not in parts]
        if month in unfinished:
            months[month] = Count(why="不是完整月份")
        elif month not in posts or month not in days:
            months[month] = Count(why="未登记岗位数和实际工作日")
        elif lacking:
            months[month] = Count(why=f"未登记部位数:{'、'.join(lacking)}")
        else:
            total = sum(count * parts[month, code] for code, count in ordered.items())
            months[month] = Count(total, posts[month] * days[month])
    known = [each for each in months.values() if not each.why]
    if not known:
        return months, Count(why=";".join(dict.fromkeys(each.why for each in months.values()))), ()
    left_out = tuple(f"{month} 未计入:{each.why}" for month, each in months.items() if each.why)
    return months, Count(sum(each.part for each in known), sum(each.whole for each in known)), left_out


# --- the chart -------------------------------------------------------------------------------------------------------

CHART_WIDTH, CHART_HEIGHT = 360, 116
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 16, 22
MOST_LABELS = 7


class Mark(msgspec.Struct, frozen=True):
    """One month: where it stands, its words, and its height; None where there is no rate."""

    month: str
    x: float
    y: float | None
    text: str
    is_labelled: bool


class Chart(msgspec.Struct, frozen=True):
    """A line by month in SVG units; it breaks at months without a rate. `grid` are heights with their words."""

    marks: tuple[Mark, ...]
    lines: tuple[str, ...]
    grid: tuple[tuple[float, str], ...]


def chart_of(figure: Figure) -> Chart:
    """The small chart of one indicator."""
    rates = [(month, count.rate, rate_text(figure.indicator, count)) for month, count in figure.months.items()]
    top = (
        1.0 if figure.indicator.unit is Unit.PERCENT else _round_up(max([rate for _, rate, _ in rates if rate is not None] + [1.0]))
    )
    height, step = CHART_HEIGHT - _TOP - _BOTTOM, (CHART_WIDTH - _LEFT - _RIGHT) / max(1, len(rates))
    every = -(-len(rates) // MOST_LABELS)
    marks = tuple(
        Mark(
            month, round(_LEFT + (place + 0.5) * step, 1), None if rate is None else round(_TOP + height * (1 - min(1, max(0, rate / top))), 1),
            text, (len(rates) - 1 - place) % every == 0,
        )
        for place, (month, rate, text) in enumerate(rates)
    )  # fmt: skip
    words = ("100%", "50%", "0") if figure.indicator.unit is Unit.PERCENT else (number_text(top), number_text(top / 2), "0")
    grid = tuple((round(_TOP + height * place / 2, 1), word) for place, word in enumerate(words))
    return Chart(marks, tuple(_lines(marks)), grid)


def _lines(marks: Sequence[Mark]) -> Iterable[str]:
    run: list[str] = []
    for mark in marks:
        if mark.y is None:
            if len(run) > 1:
                yield " ".join(run)
            run = []
        else:
            run.append(f"{mark.x},{mark.y}")
    if len(run) > 1:
        yield " ".join(run)


def _round_up(number: float) -> float:
    """The next round number: 1, 2, 5, 10, 20, 50 …"""
    scale = 1.0
    while True:
        for step in (1, 2, 5):
            if number <= step * scale:
                return step * scale
        scale *= 10

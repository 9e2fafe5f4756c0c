"""The regulator's indicators on both databases: each count is its list, what is unknown is not zero, and paper and workbooks are safe."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from python_calamine import load_workbook
from sqlalchemy import select

from exam.kit.audit import Audit
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.house import House
from exam.kit.period import Period
from exam.people import service as people
from exam.people.facts import NewPerson
from exam.people.rules import check_character
from exam.staff import practice
from exam.staff.models import Staff, StaffPractice
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import Milestone
from reporting import indicator_figures as told
from reporting import indicators, service
from reporting.facts import QUESTIONNAIRES
from reporting.indicator_rules import (
    INDICATORS,
    Count,
    Figure,
    chart_of,
    rate_text,
    unfinished_months,
    usual_periods,
    workload,
)
from tests.chief_review.cases import DEFAULT, OTHER, examined, finalized
from tests.conftest import Desk, actor_named
from tests.results.cases import Statements

Sit = Callable[[str], Desk]
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))
YEAR = Period(date(2026, 1, 1), date(2026, 12, 31))


def person_number(number: int) -> NewPerson:
    """One of many invented men."""
    body = f"45011019850315{number * 2 + 1:03d}"
    return NewPerson(name=f"韦小{'一二三四'[number]}", id_no=body + check_character(body), phone=f"1380010000{number}")


THIRD = person_number(3)


def figures_of(house: House, period: Period = NOVEMBER) -> dict[int, Figure]:
    with house.unit(actor_named(house, "zhao"), write=False) as db:
        return {each.indicator.number: each for each in indicators.figures(db, period)}


def list_of(house: House, number: int, part: str, period: Period = NOVEMBER, month: str = "") -> indicators.Listing:
    with house.unit(actor_named(house, "zhao"), write=False) as db:
        return indicators.listing(db, period, number, part, month)


def wait(house: House, **time: float) -> None:
    house.clock.advance(**time)  # type: ignore[attr-defined]


def issued(house: House, visit_id: UUID | None = None, login: str = "liang") -> UUID:
    """A visit with an issued report."""
    visit_id = finalized(house, visit_id, login)
    with house.unit(actor_named(house, "zhao")) as db:
        service.issue(db, visit_id)
    return visit_id


def ordered(house: House, *groups: str, person: NewPerson = OTHER) -> UUID:
    """Somebody who was checked in with some groups."""
    with house.unit(actor_named(house, "lin")) as db:
        person_id = people.register(db, person).person_id
        visit_id = visits.open_visit(db, visits.NewVisit(person_id=person_id, exam_on=date(2026, 11, 21), groups=groups))
        visits.reach(db, visit_id, Milestone.CHECKED_IN)
        tubes.plan(db, visit_id)
    return visit_id


# --- 1: who signed ---------------------------------------------------------------------------------------------------


def specialty_of(house: House, login: str, specialty: str, from_on: date) -> None:
    with house.unit(actor_named(house, "system")) as db:
        staff = db.scalars(select(Staff).where(Staff.login == login)).one()
        new = practice.NewPractice(title=staff.title, specialty=specialty, from_on=from_on, source="执业证书 110450100000000")
        practice.set_practice(db, staff.id, new)


def test_a_report_counts_by_title_and_specialty_on_the_day_of_signing(house: House) -> None:
    issued(house)  # by a surgeon
    specialty_of(house, "zhao", "妇产科专业", date(2026, 11, 1))
    issued(house, examined(house, person=OTHER), "zhao")
    specialty_of(house, "zhao", "内科专业", date(2026, 11, 21))  # said later: of the same day
    specialty_of(house, "liang", "妇产科专业", date(2026, 11, 21))
    figure = figures_of(house)[1]
    assert (figure.whole, figure.months, figure.unknown) == (Count(1, 2), {"2026-11": Count(1, 2)}, 0)
    assert [row.cells[3:] for row in list_of(house, 1, "part").rows] == [("赵慧敏", "副主任医师", "内科专业")]
    assert [row.cells[3:] for row in list_of(house, 1, "rest").rows] == [("梁国栋", "主任医师", "妇产科专业")]
    wait(house, days=1)
    specialty_of(house, "zhao", "妇产科专业", date(2026, 11, 22))  # from the day after: what was signed stays as it was
    assert figures_of(house)[1].whole == Count(1, 2)


def test_a_signer_of_unknown_specialty_is_listed_apart_and_not_in_the_numerator(sqlite_house: House) -> None:
    house = sqlite_house
    specialty_of(house, "liang", "", date(2026, 11, 1))
    issued(house)
    figure = figures_of(house)[1]
    assert (figure.whole, figure.unknown) == (Count(0, 1), 1)
    assert "未登记" in figure.remarks[0]
    assert (list_of(house, 1, "unknown").total, list_of(house, 1, "rest").total, list_of(house, 1, "whole").total) == (1, 0, 1)


def test_a_title_changes_with_its_history_and_what_was_signed_keeps_the_old_one(house: House, desk: Sit) -> None:
    issued(house)
    with house.unit(actor_named(house, "system"), write=False) as db:
        staff_id = db.scalars(select(Staff.id).where(Staff.login == "liang")).one()
    administrator = desk("system")
    form = {"title": "主治医师", "specialty": "外科专业", "from_on": "2026-11-20", "source": "更正 2026-1"}
    assert administrator.htmx(f"/staff/accounts/{staff_id}/practice", form).status_code < 400
    page = administrator.get(f"/staff/accounts/{staff_id}").text
    assert "更正 2026-1" in page and "演示数据" in page
    assert actor_named(house, "liang").title == "主治医师"
    assert [row.cells[4] for row in list_of(house, 1, "part").rows] == ["主任医师"]
    for wrong, field in (("主任", "title"), ("明天", "from_on"), ("", "source")):
        answer = administrator.htmx(f"/staff/accounts/{staff_id}/practice", {**form, field: wrong})
        assert answer.status_code == 422, wrong
    with pytest.raises(BadInput, match="不能晚于今天"):
        specialty_of(house, "liang", "外科专业", date(2026, 11, 22))
    with house.unit(None, write=False) as db:
        assert len(db.scalars(select(StaffPractice).where(StaffPractice.staff_id == staff_id)).all()) == 2


def test_an_administrator_has_no_practice(sqlite_house: House) -> None:
    with pytest.raises(Refused, match="管理员"):
        specialty_of(sqlite_house, "audit", "内科专业", date(2026, 11, 1))


# --- 5: days to the report -------------------------------------------------------------------------------------------


def test_days_run_from_the_last_section_to_the_first_issue(house: House) -> None:
    visit_id = examined(house)
    wait(house, days=2, hours=12)
    issued(house, visit_id)
    wait(house, days=3)
    with house.unit(actor_named(house, "zhao")) as db:
        service.recall(db, visit_id, "结论遗漏")
    figure = figures_of(house)[5]
    assert figure.whole.part == pytest.approx(2.5, abs=0.001) and figure.whole.whole == 1
    assert rate_text(INDICATORS[5], figure.whole) == "2.5 天"
    listed = list_of(house, 5, "part")
    assert [row.cells[4] for row in listed.rows] == [pytest.approx(2.5, abs=0.01)]
    assert figures_of(house, Period(date(2026, 10, 1), date(2026, 10, 31)))[5].whole == Count(0, 0)


# --- 4: stool specimens ----------------------------------------------------------------------------------------------


def test_a_specimen_counts_once_it_was_collected_and_a_removed_test_was_never_ordered(house: House) -> None:
    first, second, third = (
        ordered(house, "G032"),
        ordered(house, "G032", person=THIRD),
        ordered(house, "G030", "G032", person=person_number(1)),
    )
    lin = actor_named(house, "lin")
    with house.unit(lin) as db:
        tubes.collect(db, first, tubes.of_visit(db, first)[0].barcode)
    with house.unit(lin) as db:
        line = next(each for each in orders.lines(db, second) if each.group_code == "G032")
        orders.refuse(db, second, [line.id], "无法留取")
    with house.unit(lin) as db:
        line = next(each for each in orders.lines(db, third) if each.group_code == "G032")
        orders.remove_line(db, third, line.id, "受检者要求退项")
    assert figures_of(house)[4].whole == Count(1, 2)
    assert [row.cells[3:] for row in list_of(house, 4, "rest").rows] == [("未留取", "拒检", "无法留取")]
    assert list_of(house, 4, "part").total == 1


# --- 3: ultrasound ---------------------------------------------------------------------------------------------------


def tell(house: House, month: str = "2026-11", posts: str = "2.5", days: str = "21", parts: str = "5") -> None:
    with house.unit(actor_named(house, "zhao")) as db:
        told.set_staffing(db, told.Staffing(month=month, posts=posts, days=days, source="超声科排班表"))
    with house.unit(actor_named(house, "zhao")) as db:
        told.set_parts(db, told.Parts(group="G013", month="2026-01", parts=parts, source="质控中心计算办法"))


def test_the_workload_is_unknown_until_posts_days_and_parts_are_told(house: House) -> None:
    examined(house)
    assert figures_of(house)[3].whole.why == "不是完整月份"
    wait(house, days=12)
    assert figures_of(house)[3].whole.why == "未登记岗位数和实际工作日"
    with house.unit(actor_named(house, "zhao")) as db:
        told.set_staffing(db, told.Staffing(month="2026-11", posts="2", days="20", source="排班表"))
    assert figures_of(house)[3].whole == Count(why="未登记部位数:腹部彩超")
    tell(house)  # a correction: what was told last counts
    assert figures_of(house)[3].whole == Count(5, 52.5)
    year = figures_of(house, Period(date(2026, 10, 1), date(2026, 11, 30)))[3]
    assert year.whole == Count(5, 52.5) and year.remarks == ("2026-10 未计入:未登记岗位数和实际工作日",)
    assert [row.cells[2:] for row in list_of(house, 3, "part").rows] == [
        ("腹部彩超", list_of(house, 3, "part").rows[0].cells[3], 5.0)
    ]
    assert list_of(house, 3, "whole").rows[0].cells[:5] == ("2026-11", "2.5", "21", "52.5", "超声科排班表")
    assert list_of(house, 3, "whole").rows[0].cells[6:] == (1, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("month", "2026-13"),
        ("month", "2026-12"),
        ("posts", "0"),
        ("posts", "-1"),
        ("posts", "1e2"),
        ("days", "32"),
        ("days", "x"),
        ("source", " "),
    ],
)
def test_a_told_figure_that_cannot_be_is_refused_by_its_field(sqlite_house: House, field: str, value: str) -> None:
    given = {"month": "2026-11", "posts": "2", "days": "20", "source": "排班表", field: value}
    with pytest.raises(BadInput) as refused, sqlite_house.unit(actor_named(sqlite_house, "zhao")) as db:
        told.set_staffing(db, told.Staffing(**given))
    assert [name for name, _ in refused.value.problems] == [field]


def test_parts_hold_from_their_month_on_and_months_are_whole() -> None:
    period = Period(date(2026, 9, 15), date(2026, 11, 30))
    assert unfinished_months(period, date(2026, 12, 5)) == {"2026-09"}
    assert unfinished_months(period, date(2026, 11, 21)) == {"2026-09", "2026-11"}
    at = datetime(2026, 11, 1, tzinfo=UTC)
    figures = tuple(
        told.Told("parts", "G", month, number, "s", "p", at)
        for month, number in (("2026-11", "3"), ("2026-10", "2"), ("2026-10", "1"))
    )
    assert told.parts_by_month(figures, period) == {("2026-10", "G"): 2.0, ("2026-11", "G"): 3.0}
    months, whole, remarks = workload(
        period, date(2026, 12, 5), {("2026-10", "G"): 10, ("2026-11", "G"): 10}, told.parts_by_month(figures, period),
        {"2026-10": 1.0, "2026-11": 2.0}, {"2026-10": 10.0, "2026-11": 20.0}, {"G": "项目"},
    )  # fmt: skip
    assert (months["2026-10"], months["2026-11"], whole) == (Count(20, 10), Count(30, 40), Count(50, 50))
    assert remarks == ("2026-09 未计入:不是完整月份",)


# --- 2: questionnaires -----------------------------------------------------------------------------------------------


def test_questionnaires_are_not_available_and_a_filling_brings_people(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house = sqlite_house
    first, _ = ordered(house, "G030"), ordered(house, "G030", person=THIRD)
    figure = figures_of(house)[2]
    assert figure.whole.rate is None and "未安装" in figure.whole.why
    with pytest.raises(NotFound):
        list_of(house, 2, "whole")
    fillings = house.modules.fillings

    def filled(slot: Any) -> list[Any]:
        return [lambda db, period: frozenset({first})] if slot is QUESTIONNAIRES else fillings(slot)

    monkeypatch.setattr(house.modules, "fillings", filled)
    assert figures_of(house)[2].whole == Count(1, 2)
    assert [list_of(house, 2, part).total for part in ("part", "whole", "rest")] == [1, 2, 1]


# --- all -------------------------------------------------------------------------------------------------------------


def prepared(house: House) -> None:
    """Something of everything but questionnaires."""
    issued(house)
    wait(house, days=1)
    issued(house, examined(house, person=OTHER, entries={**DEFAULT, "LAB": {**DEFAULT["LAB"], "GLU": "25.0"}}))
    refusing = ordered(house, "G032", person=THIRD)
    with house.unit(actor_named(house, "lin")) as db:
        orders.refuse(db, refusing, [line.id for line in orders.lines(db, refusing) if line.group_code == "G032"], "=1+1")
    tell(house)
    wait(house, days=12)


def test_every_count_on_the_page_opens_a_list_of_that_length(house: House, desk: Sit) -> None:
    prepared(house)
    chief = desk("zhao")
    page = chief.get("/indicators?since=2026-10-01&until=2026-12-31").text
    assert "未安装问卷功能" in page and "质控指标" in page and page.count('<svg class="indicator-chart"') == 6
    links = set(re.findall(r'<a href="(/indicators/(\d)/list\?part=(\w+)[^"]*)">([\d.]+)</a>', page))
    assert {number for _, number, _, _ in links} >= {"1", "3", "4", "5"}
    for address, number, part, count in links:
        listed = chief.get(address.replace("&amp;", "&"))
        assert listed.status_code == 200, address
        total = re.search(r"共 <b>(\d+)</b> 条", listed.text)
        if number in "124" or (number == "5" and part == "whole"):
            assert (total.group(1) if total else "0") == count, address
    for bad in (
        "/indicators/9/list",
        "/indicators/1/list?part=nothing",
        "/indicators/1/list?month=2020-01",
    ):
        assert chief.get(bad).status_code == 404, bad
    assert chief.get("/indicators?since=2020-01-01").status_code == 422
    assert chief.get("/indicators?since=now").status_code == 422


def test_workbooks_are_texts_with_a_purpose_in_the_audit(house: House, desk: Sit) -> None:
    prepared(house)
    chief = desk("zhao")
    days = {"since": "2026-11-01", "until": "2026-11-30"}
    assert chief.post("/indicators/4/list", {**days, "part": "rest"}).status_code == 422
    answer = chief.post("/indicators/4/list", {**days, "part": "rest", "purpose": "质控核查"})
    assert answer.status_code == 200
    book = load_workbook(BytesIO(answer.content))
    assert [row[5] for row in book.get_sheet_by_name("清单").to_python()] == ["原因", "=1+1"]
    whole = load_workbook(BytesIO(chief.post("/indicators/export", {**days, "purpose": "上报"}).content))
    rows = whole.get_sheet_by_name("指标").to_python()
    assert [row[0] for row in rows[1:]] == [float(number) for number in range(1, 8) for _ in range(2)]
    assert "未安装问卷功能" in str(rows[3])
    with house.unit(None, write=False) as db:
        acts = {row.act: row.reason for row in db.scalars(select(Audit).where(Audit.act.like("reporting.export_indicator%")))}
    assert acts["reporting.export_indicators"] == "上报" and acts["reporting.export_indicator"].startswith("质控核查")


def test_only_who_may_sees_exports_and_tells(house: House, desk: Sit) -> None:
    assert desk("lin").get("/indicators").status_code == 403
    desk_chief = desk("qin")
    assert desk_chief.get("/indicators").status_code == 200
    assert desk_chief.get("/indicators/figures").status_code == 200
    assert desk_chief.post("/indicators/export", {"purpose": "看"}).status_code == 403
    assert desk_chief.post("/indicators/figures/staffing", {}).status_code == 403
    chief = desk("zhao")
    given = {"month": "2026-10", "posts": "3", "days": "22", "source": "排班表"}
    assert chief.htmx("/indicators/figures/staffing", given).status_code < 400
    assert (
        chief.htmx("/indicators/figures/parts", {"group": "G030", "month": "2026-10", "parts": "1", "source": "x"}).status_code
        == 422
    )
    assert "排班表" in chief.get("/indicators/figures").text


def test_the_figures_take_the_same_statements_however_many_came(house: House) -> None:
    counts = []
    figures_of(house, YEAR)  # the catalogue and the rules are read once
    for person in (OTHER, THIRD):
        ordered(house, "G032", person=person)
        with Statements(house) as seen, house.unit(actor_named(house, "zhao"), write=False) as db:
            seen.texts.clear()
            indicators.figures(db, YEAR)
            counts.append(len(seen))
    assert counts[0] == counts[1]


def test_usual_periods_are_months_quarters_and_years() -> None:
    found = dict(usual_periods(date(2026, 2, 10)))
    assert found["上月"] == Period(date(2026, 1, 1), date(2026, 1, 31))
    assert found["上季度"] == Period(date(2025, 10, 1), date(2025, 12, 31))
    assert found["近 12 个月"].since == date(2025, 3, 1) and len(found["近 12 个月"].months) == 12


def test_a_chart_breaks_where_nothing_is_known() -> None:
    months = {"2026-01": Count(1, 2), "2026-02": Count(2, 2), "2026-03": Count(), "2026-04": Count(1, 4), "2026-05": Count(why="x")}
    chart = chart_of(Figure(INDICATORS[4], Count(4, 8), months))
    assert [mark.y is None for mark in chart.marks] == [False, False, True, False, True]
    assert len(chart.lines) == 1 and len(chart.lines[0].split()) == 2
    assert rate_text(INDICATORS[4], Count()) == "–"

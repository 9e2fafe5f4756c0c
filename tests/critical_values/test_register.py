"""The register and the regulator's indicators on both databases: every column, safe cells, an audited purpose, counts that open their lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from python_calamine import load_workbook
from sqlalchemy import event, select

from critical_values import indicators, register
from critical_values import service as alerts
from critical_values.facts import CalledBack, Closed, Confirmed, CriticalAlert, Dismissed, Notice, Share
from exam.kit import audit
from exam.kit.errors import BadInput
from exam.kit.house import Actor, House
from exam.kit.period import Period
from exam.knowledge.book import Alert, AlertPolicy, Example, Rule
from exam.knowledge.facts import AlertClass, Severity
from exam.knowledge.language import Compare
from exam.people.facts import NewPerson
from exam.people.rules import check_character
from tests.conftest import Desk, actor_named
from tests.critical_values.cases import HANDLED, TEMPERATURE, TOLD, Acting, alerts_of, only, taken, with_rule
from tests.critical_values.staff import keeper
from tests.results.cases import MAN, arrive, enter

Sit = Callable[[str], Desk]
NOVEMBER = {"since": "2026-11-01", "until": "2026-11-30"}

PULSE = Rule(
    code="T-PULSE", version=1, condition=Compare("PULSE", ">=", Decimal("130")), text="心动过速", category="异常", severity=Severity.IMPORTANT,
    alert=Alert(AlertClass.B), specialist="心内科", examples=(Example(True, {"PULSE": "130"}), Example(False, {"PULSE": "129"})),
)  # fmt: skip
POLICIES = (
    AlertPolicy(
        code="T-CRITICAL", version=1, alert_class=AlertClass.CRITICAL, confirm_minutes=15, notify_minutes=30, receive_minutes=30,
        handle_minutes=60, follow_up_days=(1, 7),
    ),
    AlertPolicy(
        code="T-B", version=1, alert_class=AlertClass.B, confirm_minutes=1440, notify_minutes=0, receive_minutes=30, handle_minutes=60,
        follow_up_days=(30,), working_days=5,
    ),
)  # fmt: skip


def person(number: int) -> NewPerson:
    """One of many invented men."""
    body = f"45011019850315{number * 2 + 1:03d}"
    return NewPerson(name=f"韦小{'一二三四五六七八九十'[number % 10]}", id_no=body + check_character(body), phone=f"138001{number:05d}")


def prepared(house: House) -> None:
    """The tests' own rules and clocks."""
    with_rule(house, TEMPERATURE, PULSE, *POLICIES)  # type: ignore[arg-type]


def found(house: House, number: int = 0, **values: str) -> tuple[UUID, CriticalAlert]:
    """A person with an alert."""
    visit_id = arrive(house, actor_named(house, "lin"), person=person(number) if number else MAN)
    enter(house, actor_named(house, "wu"), visit_id, **(values or {"TEMP": "41.2"}))
    return visit_id, only(house, actor_named(house, "wu"), visit_id)


def wait(house: House, **time: float) -> None:
    """The clock goes on."""
    house.clock.advance(**time)  # type: ignore[attr-defined]


def led(house: House, alert: CriticalAlert, minutes: float = 10) -> CriticalAlert:
    """An alert that was confirmed at once, told after some minutes, handled, called back and closed."""
    wu, he = actor_named(house, "wu"), actor_named(house, "he")
    alert = taken(house, wu, alert, Confirmed("retest", "复测 41.1"))
    wait(house, minutes=minutes)
    alert = taken(house, he, alert, TOLD)
    alert = taken(house, he, alert, HANDLED)
    alert = taken(house, he, alert, CalledBack(0, "hospitalised", "phone", "肺炎", 128050, "已住院"))
    return taken(house, he, alert, Closed("已住院治疗"))


def entries_of(house: House, actor: Actor, alert_class: str = "") -> list[register.Entry]:
    with house.unit(actor, write=False) as db:
        return register.entries(db, date(2026, 11, 1), date(2026, 11, 30), alert_class)[0]


# --- the register ------------------------------------------------------------------------------------------------------


def test_a_row_of_the_register_has_every_fact_of_the_loop(house: House, acting: Acting) -> None:
    prepared(house)
    _, alert = found(house)
    wu = acting("wu")
    taken(house, wu, alert, Confirmed("retest", "复测 41.1"))
    missed = Notice("phone", "person", "韦小明", "not_reached", note="无人接听")
    taken(house, wu, only(house, wu, alert.visit_id), missed)
    wait(house, minutes=12)
    at = only(house, wu, alert.visit_id)
    for step in (TOLD, HANDLED, CalledBack(0, "hospitalised", "phone", "肺炎", 128050, "已住院"), Closed("好")):
        at = taken(house, acting("he"), at, step)
    (row,) = entries_of(house, acting("he"))
    assert (row.class_name, row.person_name, row.sex, row.department, row.name, row.result) == (
        "危急值", "韦小明", "男", "一般检查", "超高热", "体温 41.2 ℃ ↑",
    )  # fmt: skip
    assert (row.confirmed, row.confirmed_by, row.found_by) == ("复测确认:复测 41.1", "吴建国", "吴建国")
    assert (row.channel, row.recipient, row.notifier, row.read_back) == ("电话", "受检者本人 本人", "何志远", "今晚到急诊科就诊")
    assert (row.attempts, row.minutes, row.received_by) == (2, 12, "本人")
    assert (row.advice, row.referred_to, row.handled_by, row.diagnosis, row.fee) == ("急诊就诊", "急诊科", "何志远", "肺炎", "1280.50")
    assert (row.state, row.closed_by, len(row.call_backs)) == ("已结案", "何志远", 1)
    assert "T-TEMP 第 1 版" in row.rule
    assert len(row.steps) == 6


def test_the_register_is_by_days_and_class_and_refuses_impossible_days(house: House, acting: Acting) -> None:
    prepared(house)
    found(house)
    found(house, 1, PULSE="140")
    he = acting("he")
    assert [row.name for row in entries_of(house, he)] == ["超高热", "心动过速"]
    assert [row.name for row in entries_of(house, he, "b")] == ["心动过速"]
    with house.unit(he, write=False) as db:
        assert register.entries(db, date(2026, 11, 22), date(2026, 11, 30))[0] == []
        for since, until in ((date(2026, 11, 2), date(2026, 11, 1)), (date(2024, 11, 2), date(2026, 11, 1))):
            with pytest.raises(BadInput):
                register.entries(db, since, until)


def test_a_finding_told_anew_counts_from_what_opened_it_again(house: House, acting: Acting) -> None:
    prepared(house)
    visit_id, alert = found(house)
    led(house, alert)
    wait(house, hours=5)
    enter(house, acting("wu"), visit_id, base=1, TEMP="41.6")
    again = only(house, acting("wu"), visit_id)
    again = taken(house, acting("wu"), again, Confirmed("doctor"))
    wait(house, minutes=7)
    taken(house, acting("he"), again, TOLD)
    (row,) = entries_of(house, acting("he"))
    assert (row.minutes, row.attempts, row.closed_at, row.result) == (7, 1, None, "体温 41.6 ℃ ↑")


def test_the_workbook_has_the_rows_as_texts_and_nothing_that_can_run(house: House, desk: Sit) -> None:
    prepared(house)
    visit_id = arrive(house, actor_named(house, "lin"))
    enter(house, actor_named(house, "wu"), visit_id, TEMP="41.2")
    alert = only(house, actor_named(house, "wu"), visit_id)
    formula = "=HYPERLINK(\"//x\")"
    taken(house, actor_named(house, "wu"), alert, Confirmed("retest", formula))
    keep = desk(keeper(house))
    answer = keep.post("/alerts/register/export", {**NOVEMBER, "purpose": "卫健委督查"})
    assert (answer.status_code, answer.content[:2]) == (200, b"PK")
    book = load_workbook(BytesIO(answer.content))
    assert book.sheet_names == ["登记本", "经过", "说明"]
    rows = book.get_sheet_by_name("登记本").to_python()
    assert tuple(rows[0]) == register.HEADER
    row = dict(zip(rows[0], rows[1], strict=True))
    assert (row["姓名"], row["异常结果"], row["复核"]) == ("韦小明", "超高热", f"复测确认:{formula}")
    assert b"<f>" not in answer.content
    assert "单位" not in register.HEADER  # no employer stands in it
    about = dict(book.get_sheet_by_name("说明").to_python()[1:])
    assert about["用途"] == "卫健委督查"
    with house.unit(None, write=False) as db:
        told = [(row.act, row.reason) for row in db.scalars(select(audit.Audit)) if row.act == "critical_values.export_register"]
    assert told == [("critical_values.export_register", "卫健委督查;1 条")]


def test_an_export_without_a_purpose_or_a_right_is_refused(house: House, desk: Sit) -> None:
    prepared(house)
    found(house)
    keep = desk(keeper(house))
    for way in ("export", "print"):
        answer = keep.post(f"/alerts/register/{way}", NOVEMBER)
        assert (answer.status_code, "请填写用途" in answer.text) == (422, True)
        assert desk("he").post(f"/alerts/register/{way}", {**NOVEMBER, "purpose": "看看"}).status_code == 403
    paper = keep.post("/alerts/register/print", {**NOVEMBER, "purpose": "科室质控"})
    assert paper.status_code == 200
    assert "韦小明" in paper.text and "科室质控" in paper.text and "data-auto-print" in paper.text


def test_a_private_finding_is_exported_only_to_who_may_read_it(house: House, desk: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.critical_values.staff import grant

    monkeypatch.setattr(alerts, "_is_private", lambda *_: True)
    prepared(house)
    _, alert = found(house)
    led(house, alert)
    grant(house, "huang", "critical_keeper")
    chief, other = desk(keeper(house)), desk("huang")
    sees = [each.post("/alerts/register/print", {**NOVEMBER, "purpose": "督查"}).text for each in (chief, other)]
    if not other.actor.may("results.read_privacy"):
        assert [[words in text for words in ("超高热", "急诊就诊", "肺炎")] for text in sees] == [[True] * 3, [False] * 3]
        assert "重要异常(隐私项目)" in sees[1]


# --- the indicators ----------------------------------------------------------------------------------------------------


def figures_of(house: House, since: date, until: date) -> tuple[list[indicators.Figures], indicators.Figures]:
    with house.unit(actor_named(house, "he"), write=False) as db:
        return indicators.figures(db, Period(since, until))


def test_the_indicators_count_people_by_the_month_of_the_finding(house: House, acting: Acting) -> None:
    prepared(house)
    he, wu = acting("he"), acting("wu")
    _, first = found(house)  # 21 November: told after 10 minutes, closed
    led(house, first)
    _, second = found(house, 1)  # confirmed, nobody reached
    second = taken(house, wu, second, Confirmed("doctor"))
    taken(house, wu, second, Notice("phone", "person", "韦", "not_reached", note="关机"))
    _, third = found(house, 2)  # refuted: counts nowhere
    taken(house, wu, third, Dismissed("误输"))
    found(house, 3, PULSE="140")  # class B, nothing done
    wait(house, days=9, hours=17)  # 1 December, 01:00 in the centre, still November by UTC
    assert house.clock.now().month == 11
    _, late = found(house, 4)
    late = taken(house, wu, late, Confirmed("doctor"))
    wait(house, hours=3)
    taken(house, he, late, TOLD)  # told, but not in time; nobody called back
    months, whole = figures_of(house, date(2026, 10, 1), date(2026, 12, 31))
    assert [each.month for each in months] == ["2026-10", "2026-11", "2026-12"]
    october, november, december = months
    assert (october.notified, october.followed) == (Share(0, 0), Share(0, 0))
    assert october.notified.percent == "–"
    assert (november.notified, november.followed) == (Share(1, 2), Share(1, 3))
    assert (december.notified, december.followed) == (Share(1, 1), Share(0, 1))
    assert (whole.notified, whole.followed) == (Share(2, 3), Share(1, 4))
    critical = whole.by_class["critical"]
    assert (critical.found, critical.told, critical.in_time) == (3, 2, Share(1, 3))
    assert critical.median == pytest.approx((10 + 180) / 2, abs=0.1)
    assert november.by_class["critical"].median == pytest.approx(10, abs=0.1)
    assert whole.by_class["b"].median is None


def test_a_person_with_two_findings_counts_once_and_only_when_both_are_told(house: House, acting: Acting) -> None:
    prepared(house)
    visit_id, first = found(house, TEMP="41.2", PULSE="140")
    both = [each for each in alerts_of(house, acting("wu"), visit_id) if each.rule.startswith("T-")]
    assert len(both) == 2
    critical = next(each for each in both if each.alert_class == "critical")
    led(house, critical)
    _, whole = figures_of(house, date(2026, 11, 1), date(2026, 11, 30))
    assert (whole.notified, whole.followed) == (Share(1, 1), Share(0, 1))
    other = next(each for each in both if each.alert_class == "b")
    led(house, other)
    _, whole = figures_of(house, date(2026, 11, 1), date(2026, 11, 30))
    assert whole.followed == Share(1, 1)
    assert first.visit_id == visit_id


@pytest.mark.parametrize(("days", "hours", "is_in_time"), [(6, 23, True), (7, 1, False)])
def test_working_days_leave_the_weekend_out(house: House, acting: Acting, days: int, hours: int, is_in_time: bool) -> None:
    prepared(house)
    wait(house, days=2)  # Monday, 23 November 2026
    _, alert = found(house, PULSE="140")
    alert = taken(house, acting("wu"), alert, Confirmed("doctor"))
    wait(house, days=days, hours=hours)
    taken(house, acting("he"), alert, TOLD)
    _, whole = figures_of(house, date(2026, 11, 1), date(2026, 11, 30))
    assert whole.by_class["b"].in_time == Share(int(is_in_time), 1)


def test_who_is_not_due_yet_is_in_neither_part_of_the_rate(house: House, desk: Sit, acting: Acting) -> None:
    prepared(house)
    _, told = found(house)
    led(house, told)
    visit_id, waiting = found(house, 1)
    waiting = taken(house, acting("wu"), waiting, Confirmed("doctor"))
    wait(house, minutes=119)  # the last minute of its two hours
    _, whole = figures_of(house, date(2026, 11, 1), date(2026, 11, 30))
    critical = whole.by_class["critical"]
    assert (critical.found, critical.told, critical.in_time, critical.pending) == (2, 1, Share(1, 1), 1)
    he = desk("he")
    address = "/alerts/indicators/alerts?since=2026-11-01&until=2026-11-30&measure=in_time&part="
    listed = {part: he.get(address + part).text for part in ("part", "whole", "rest", "pending")}
    assert {part: str(waiting.id) in text for part, text in listed.items()} == {"part": False, "whole": False, "rest": False, "pending": True}
    assert "未到期" in he.get("/alerts/indicators?since=2026-11-01&until=2026-11-30").text
    wait(house, minutes=2)
    _, whole = figures_of(house, date(2026, 11, 1), date(2026, 11, 30))
    assert (whole.by_class["critical"].in_time, whole.by_class["critical"].pending) == (Share(1, 2), 0)
    assert str(waiting.id) in he.get(address + "rest").text
    taken(house, acting("he"), waiting, TOLD)
    assert visit_id == waiting.visit_id


def test_the_median_is_the_middle_one(house: House) -> None:
    prepared(house)
    for number, minutes in enumerate((3, 50, 8), 1):
        _, alert = found(house, number)
        led(house, alert, minutes)
    _, whole = figures_of(house, date(2026, 11, 1), date(2026, 11, 30))
    assert whole.by_class["critical"].median == pytest.approx(8, abs=0.1)


def test_every_count_opens_the_alerts_it_is_made_of(house: House, desk: Sit, acting: Acting) -> None:
    prepared(house)
    _, first = found(house)
    led(house, first)
    found(house, 1)
    found(house, 2, PULSE="140")
    he = desk("he")
    page = he.get("/alerts/indicators?since=2026-01-01&until=2026-12-31").text
    links = re.findall(r'<a href="(/alerts/indicators/alerts[^"]+)">(\d+)</a>', page)
    assert len(links) > 10
    for address, number in links:
        listed = he.get(address.replace("&amp;", "&"))
        people = re.search(r"共 <b>(\d+)</b> 人 <b>(\d+)</b> 条", listed.text)
        assert people is not None and number in people.groups(), (address, number, people.groups())
    assert he.get("/alerts/indicators/alerts?measure=nonsense").status_code == 404
    assert he.get("/alerts/indicators?since=2020-01-01").status_code == 422


def test_the_figures_take_the_same_statements_however_much_there_is(house: House) -> None:
    prepared(house)
    counts = []
    seen: list[str] = []

    def count(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT") and "critical_values" in statement:
            seen.append(statement)

    event.listen(house.engine, "before_cursor_execute", count)
    for number in (1, 2):
        found(house, number)
        seen.clear()
        figures_of(house, date(2026, 1, 1), date(2026, 11, 21) + timedelta(days=9))
        counts.append(len(seen))
    event.remove(house.engine, "before_cursor_execute", count)
    assert counts == [6, 6]

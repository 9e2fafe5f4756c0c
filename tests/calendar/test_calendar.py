"""The working calendar: reading it, keeping it, and what deadlines make of it, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from critical_values import board
from critical_values.facts import Confirmed, CriticalAlert
from critical_values.models import AlertBoard
from exam.calendar import rules, service
from exam.calendar.facts import WEEKENDS_ONLY, SpecialDay, WorkCalendar
from exam.kit.audit import Audit
from exam.kit.clock import CENTRE_ZONE, local
from exam.kit.errors import BadInput
from exam.kit.house import House
from exam.knowledge.facts import AlertClass
from tests.conftest import Desk, actor_named
from tests.critical_values.cases import TEMPERATURE, alerts_of, breaches, taken, with_rule
from tests.results.cases import arrive, enter

Sit = Callable[[str], Desk]
LINES = "2026-11-23至2026-11-24,放假,校庆\n2026-11-28,上班,校庆调休"
FORM = {"source": "本院通知 2026-12", "reason": "补充"}


def known(house: House) -> WorkCalendar:
    with house.unit(None, write=False) as db:
        return service.work_calendar(db)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CENTRE_ZONE)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_lines_are_read_and_written_back_the_same() -> None:
    days = rules.days_of(f"日期,类型,名称\n\n{LINES}", 2026)
    assert days == (
        SpecialDay(date(2026, 11, 23), True, "校庆"), SpecialDay(date(2026, 11, 24), True, "校庆"), SpecialDay(date(2026, 11, 28), False, "校庆调休"),
    )  # fmt: skip
    assert rules.text_of(days) == LINES
    assert rules.days_of("2026/11/23,休,校庆", 2026)[0].on == date(2026, 11, 23)


@pytest.mark.parametrize(("line", "words"), [
    ("", "没有填写"), ("2026-13-01,放假,元旦", "没有 2026-13-01"), ("明天,放假,元旦", "不是日期"), ("2027-01-01,放假,元旦", "不在 2026 年"),
    ("2026-01-01,休息,元旦", "应为 放假 或 上班"), ("2026-01-01,放假,", "名称不能为空"), ("2026-01-02,上班,元旦", "周六或周日"),
    ("2026-01-03至2026-01-01,放假,元旦", "早于"), ("2026-01-01,放假,元旦\n2026-01-01,放假,元旦", "重复"), ("2026-01-01,放假,元旦,再一列", "多于三列"),
])  # fmt: skip
def test_a_wrong_line_is_named_with_its_number(line: str, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        rules.days_of(line, 2026)
    assert any(words in problem for _, problem in refused.value.problems), refused.value.problems


def test_a_file_is_read_as_spreadsheets_write_it() -> None:
    assert rules.text_in("日期,类型".encode("gb18030")) == "日期,类型"
    assert rules.text_in(b"\xef\xbb\xbf" + "日期".encode()) == "日期"
    for content in (b"PK\x03\x04\x00\x00", b"x" * (rules.MOST_BYTES + 1)):
        with pytest.raises(BadInput):
            rules.text_in(content)


# --- counting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("begin", "days", "end"), [
    ("2026-09-30T16:00", 1, "2026-10-08T16:00"),  # over the national holiday
    ("2026-10-08T16:00", 2, "2026-10-10T16:00"),  # the Saturday is worked
    ("2026-02-13T09:00", 1, "2026-02-14T09:00"), ("2026-02-14T09:00", 1, "2026-02-24T09:00"), ("2026-02-27T09:00", 1, "2026-02-28T09:00"),
    ("2026-01-03T10:00", 1, "2026-01-04T10:00"), ("2026-11-20T10:00", 5, "2026-11-27T10:00"), ("2026-12-31T10:00", 1, "2027-01-01T10:00"),
])  # fmt: skip
def test_working_days_follow_the_official_year(house: House, begin: str, days: int, end: str) -> None:
    assert known(house).add_working_days(at(begin), days) == at(end)


def test_every_working_day_moves_on_and_ends_on_one(house: House) -> None:
    calendar = known(house)
    for number in range(365):
        begin = at("2026-01-01T12:00").fromordinal(date(2026, 1, 1).toordinal() + number).replace(hour=12, tzinfo=CENTRE_ZONE)
        one, two = calendar.add_working_days(begin, 1), calendar.add_working_days(begin, 2)
        assert calendar.add_working_days(one, 1) == two > one > begin
        assert calendar.is_working(local(one).date())


def test_the_shipped_year_is_the_official_one_and_unapproved(house: House) -> None:
    with house.unit(None, write=False) as db:
        found = service.history(db, 2026)
    assert (len(found), found[0].approved_by, "国办发明电〔2025〕7号" in found[0].source) == (1, "", True)
    assert (sum(day.is_off for day in found[0].days), sum(not day.is_off for day in found[0].days)) == (33, 6)
    assert known(house).missing(date(2025, 12, 1), date(2027, 1, 1)) == (2025, 2027)


# --- keeping ---------------------------------------------------------------------------------------------------------


def saved(house: House, login: str, lines: str, year: int = 2026, seen: int = 1) -> None:
    with house.unit(actor_named(house, login)) as db:
        service.publish(db, year, seen, rules.days_of(lines, year), "本院通知", "补充")


def test_a_new_version_takes_the_old_ones_place_and_loses_nothing(house: House) -> None:
    assert not known(house).is_working(date(2026, 10, 1))
    saved(house, "tan", LINES)
    assert known(house).is_working(date(2026, 10, 1)) and not known(house).is_working(date(2026, 11, 23))
    with house.unit(None, write=False) as db:
        assert [each.version for each in service.history(db, 2026)] == [2, 1]
        rows = list(
            db.execute(select(Audit.act, Audit.subject, Audit.actor).where(Audit.act == "calendar.publish", Audit.actor == "tan"))
        )
    assert [tuple(row) for row in rows] == [("calendar.publish", "calendar:2026", "tan")]
    with house.unit(actor_named(house, "he")) as db:
        service.approve(db, 2026, 2)
    for table in ("exam_calendar_year", "exam_calendar_approval"):
        with pytest.raises(DatabaseError), house.unit(None) as db:
            db.execute(text(f"delete from {table}"))


def test_what_was_rolled_back_is_not_believed(house: House) -> None:
    with pytest.raises(RuntimeError), house.unit(actor_named(house, "tan")) as db:
        service.publish(db, 2026, 1, rules.days_of(LINES, 2026), "本院通知", "补充")
        assert not service.work_calendar(db).is_working(date(2026, 11, 23))
        raise RuntimeError
    assert known(house).is_working(date(2026, 11, 23))
    assert not known(house).is_working(date(2026, 10, 1))


def alert_of_class_b(house: House) -> CriticalAlert:
    """A confirmed B finding, of which the person is to be told within five working days. It is Saturday, the 21st of November."""
    assert TEMPERATURE.alert is not None
    with_rule(
        house, msgspec.structs.replace(TEMPERATURE, alert=msgspec.structs.replace(TEMPERATURE.alert, alert_class=AlertClass.B))
    )
    visit_id = arrive(house, actor_named(house, "lin"))
    enter(house, actor_named(house, "wu"), visit_id, TEMP="41.2")
    he = actor_named(house, "he")
    alert = next(each for each in alerts_of(house, he, visit_id) if each.rule == "T-TEMP")
    return taken(house, he, alert, Confirmed("doctor"))


def test_a_deadline_moves_with_the_calendar_and_verify_agrees(house: House) -> None:
    alert = alert_of_class_b(house)
    assert local(alert.due_at).date() == date(2026, 11, 27)  # type: ignore[arg-type]
    saved(house, "tan", LINES)
    with house.unit(actor_named(house, "he"), write=False) as db:
        after = board.alert_of(db, alert.id)
        held = db.execute(select(AlertBoard.ring_at).where(AlertBoard.alert_id == alert.id)).scalar_one()
    # Monday and Tuesday are off and Saturday is worked: Wed, Thu, Fri, Sat, Mon.
    assert local(after.due_at).date() == date(2026, 11, 30)  # type: ignore[arg-type]
    assert held == after.due_at
    assert breaches(house) == []


def test_the_share_told_in_time_follows_the_calendar(house: House) -> None:
    from critical_values import indicators
    from tests.critical_values.cases import TOLD

    alert = alert_of_class_b(house)
    house.clock.advance(days=8)  # type: ignore[attr-defined]
    taken(house, actor_named(house, "he"), alert, TOLD)

    def in_time() -> tuple[int, int]:
        with house.unit(actor_named(house, "he"), write=False) as db:
            _, whole = indicators.figures(db, indicators.period_of(db, None, None))
        share = whole.by_class["b"].in_time
        return share.part, share.whole

    assert in_time() == (0, 1)  # due on the 27th, told on the 29th
    saved(house, "tan", LINES)
    assert in_time() == (1, 1)  # due on the 30th


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_year_and_says_what_is_missing(house: House, desk: Sit) -> None:
    page = desk("tan").get("/calendar").text
    for words in ("2026 年", "国庆节", "尚未审核", "2027 年节假日未维护", "2026-10-01 至 2026-10-07"):
        assert words in page, words
    assert "2027 年节假日未维护" in desk("tan").get("/calendar?year=2027").text
    assert desk("tan").get("/calendar?year=9999").status_code == 404
    assert desk("lin").get("/calendar").status_code == 403
    assert desk("lin").htmx("/calendar/2026", {"seen": "1", "days": LINES, **FORM}).status_code in (403, 409)
    assert "节假日未维护" not in desk("he").get("/alerts").text


def test_the_board_and_the_alert_say_that_the_years_calendar_is_missing(house: House, desk: Sit) -> None:
    house.clock.at = at("2026-12-29T09:00")  # type: ignore[attr-defined]
    alert = alert_of_class_b(house)
    he = desk("he")
    for url in ("/alerts", f"/alerts/{alert.id}"):
        assert "2027 年节假日未维护" in he.get(url).text, url
    saved(house, "tan", "2027-01-01,放假,元旦", 2027, 0)
    for url in ("/alerts", f"/alerts/{alert.id}"):
        assert "节假日未维护" not in he.get(url).text, url


def test_typing_importing_and_approving_by_two_people(house: House, desk: Sit) -> None:
    tan, he = desk("tan"), desk("he")
    assert tan.htmx("/calendar/2026", {"seen": "1", "days": LINES, **FORM}).headers["hx-redirect"] == "/calendar?year=2026"
    assert "校庆" in tan.get("/calendar").text
    stale = tan.htmx("/calendar/2026", {"seen": "1", "days": LINES, **FORM})
    assert (stale.status_code, "不是最新版本" in stale.text) == (409, True)
    wrong = tan.htmx("/calendar/2026", {"seen": "2", "days": "明天,放假,校庆", **FORM})
    assert (wrong.status_code, 'data-field="days"' in wrong.text, "第 1 行" in wrong.text) == (422, True, True)
    assert "审核自己" in tan.htmx("/calendar/2026/approve", {"seen": "2"}).text
    assert "审核通过" not in tan.get("/calendar").text
    assert he.htmx("/calendar/2026/approve", {"seen": "2"}).status_code == 200
    assert "尚未审核" not in he.get("/calendar").text
    content = he.get("/calendar/2026/export").content
    form = {"seen": "2", "source": "另一通知", "reason": "核对"}
    again = tan.htmx("/calendar/2026/import", form, files={"file": ("日历.csv", content, "text/csv")})
    assert again.status_code == 200, again.text
    with house.unit(None, write=False) as db:
        versions: list[Any] = service.history(db, 2026)
    assert (versions[0].version, versions[0].days == versions[1].days, versions[0].approved_by) == (3, True, "")


def test_without_any_calendar_the_weekends_are_known() -> None:
    assert WEEKENDS_ONLY.add_working_days(at("2026-11-20T10:00"), 1) == at("2026-11-23T10:00")

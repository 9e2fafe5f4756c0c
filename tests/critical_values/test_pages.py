"""The screens of alerts on both databases: the board, the loop's forms, who may do what, and what is never shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, select

from critical_values import service as alerts
from critical_values.facts import ALERT_STATE_NAMES, Confirmed, CriticalAlert
from critical_values.models import AlertStep
from exam.kit import audit
from exam.kit.house import House
from exam.visits import service as visits
from tests.conftest import Desk, actor_named
from tests.critical_values.cases import HANDLED, TOLD, only, taken, with_rule
from tests.critical_values.staff import keeper
from tests.results.cases import arrive, enter

Sit = Callable[[str], Desk]
PHONE = {"channel": "phone", "recipient": "person"}


def found(house: House, **values: Any) -> tuple[UUID, CriticalAlert]:
    """A visit in whose general examination something critical was stored, and its alert."""
    with_rule(house)
    visit_id = arrive(house, actor_named(house, "lin"))
    enter(house, actor_named(house, "wu"), visit_id, **(values or {"TEMP": "41.2"}))
    return visit_id, only(house, actor_named(house, "wu"), visit_id)


def test_the_board_shows_who_what_until_when_and_what_next(house: House, desk: Sit) -> None:
    _, alert = found(house)
    page = desk("wu").get("/alerts").text
    for words in ("危急值", "韦小明", "超高热", "体温 41.2", "待复核", "复核", "未指派", "剩 "):
        assert words in page, words
    assert f'href="/alerts/{alert.id}"' in page
    assert f'data-due="{int(alert.due_at.timestamp())}"' in page  # type: ignore[union-attr]
    assert re.search(r'data-pulse="[1-9]', page)


def test_a_late_one_stands_in_the_late_tab_in_words_too(house: House, desk: Sit) -> None:
    found(house)
    house.clock.advance(hours=2)  # type: ignore[attr-defined]
    page = desk("he").get("/alerts?tab=late").text
    assert "韦小明" in page
    assert "超时 " in page


def test_a_search_has_no_name_in_its_address_and_finds_by_class_name_and_number(house: House, desk: Sit) -> None:
    visit_id, _ = found(house)
    he = desk("he")
    with house.unit(he.actor, write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
    for form in ({"q": "韦小"}, {"q": visit_no}, {"alert_class": "critical"}, {"state": "found"}, {"department": "GEN"}, {"since": "2026-11-21"}):
        answer = he.htmx("/alerts", form)
        assert "韦小明" in answer.text, form
        assert "<html" not in answer.text
    for form in ({"q": "黄"}, {"alert_class": "b"}, {"state": "closed"}, {"department": "LAB"}, {"until": "2026-11-20"}):
        assert "韦小明" not in he.htmx("/alerts", form).text, form


def test_the_wall_tells_passers_by_no_name_and_no_finding(house: House, desk: Sit) -> None:
    found(house)
    page = desk("he").get("/alerts/wall").text
    assert "韦*明" in page
    assert "一般检查" in page
    assert [words for words in ("韦小明", "超高热", "41.2", "menu-side") if words in page] == []


def test_the_loop_is_led_to_its_end_on_its_page(house: House, desk: Sit) -> None:
    _, alert = found(house)
    wu, he = desk("wu"), desk(keeper(house))
    url = f"/alerts/{alert.id}"
    steps: list[tuple[Desk, str, dict[str, str], str]] = [
        (wu, "confirm", {"way": "retest", "note": "复测 41.1"}, "待通知"),
        (wu, "notify", {**PHONE, "recipient_name": "韦小明", "outcome": "not_reached", "note": "无人接听"}, "待通知"),
        (wu, "notify", {"channel": "in_person", "recipient": "family", "recipient_name": "黄秋燕", "outcome": "reached"}, "待接收确认"),
        (wu, "receive", {"by": "黄秋燕"}, "待处理"),
        (he, "handle", {"advice": "急诊就诊", "department": "急诊科", "is_green_channel": "on"}, "待回访"),
        (he, "call-back", {"outcome": "hospitalised", "channel": "phone", "diagnosis": "肺炎", "fee": "1280.50"}, "待结案"),
        (he, "close", {"note": "已住院治疗"}, "已结案"),
    ]  # fmt: skip
    for seen, (who, kind, form, state) in enumerate(steps):
        answer = who.htmx(f"{url}/{kind}", {"seen": str(seen), **form})
        assert answer.status_code == 200, answer.text
        assert "toast" in answer.headers["hx-trigger"]
        with house.unit(he.actor, write=False) as db:
            assert ALERT_STATE_NAMES[alerts.alert_of(db, alert.id).state] == state
    page = he.get(url).text
    for words in ("复测 41.1", "未联系上", "无人接听", "黄秋燕", "绿色通道", "¥1280.50", "肺炎", "已结案", "重新打开"):
        assert words in page, words


@pytest.mark.parametrize(
    ("kind", "form", "field"),
    [
        ("confirm", {}, "way"), ("confirm", {"way": "retest"}, "note"), ("dismiss", {}, "reason"), ("confirm", {"way": "nonsense"}, "way"),
    ],
)  # fmt: skip
def test_a_refused_step_names_its_field_and_stores_nothing(house: House, desk: Sit, kind: str, form: dict[str, str], field: str) -> None:
    _, alert = found(house)
    answer = desk("wu").htmx(f"/alerts/{alert.id}/{kind}", {"seen": "0", **form})
    assert answer.status_code == 422
    assert f'data-field="{field}"' in answer.text
    with house.unit(None, write=False) as db:
        assert db.scalars(select(AlertStep)).all() == []


def test_a_negative_or_strange_fee_is_refused_at_its_field(house: House, desk: Sit) -> None:
    visit_id, alert = found(house)
    wu, he = actor_named(house, "wu"), actor_named(house, "he")
    taken(house, he, taken(house, he, taken(house, wu, alert, Confirmed("doctor")), TOLD), HANDLED)
    for fee in ("-1", "一百"):
        form = {"seen": "3", "outcome": "visited", "channel": "phone", "fee": fee}
        answer = desk("he").htmx(f"/alerts/{alert.id}/call-back", form)
        assert (answer.status_code, 'data-field="fee"' in answer.text) in ((422, True), (409, True)), answer.text
    assert only(house, he, visit_id).state == "handled"


def test_who_looks_at_an_old_page_is_told_and_repeats_nothing(house: House, desk: Sit) -> None:
    _, alert = found(house)
    wu, he = desk("wu"), desk("he")
    assert wu.htmx(f"/alerts/{alert.id}/confirm", {"seen": "0", "way": "doctor"}).status_code == 200
    answer = he.htmx(f"/alerts/{alert.id}/dismiss", {"seen": "0", "reason": "标本溶血"})
    assert (answer.status_code, "已被他人处理" in answer.text) == (409, True)
    news = he.get(f"/alerts/{alert.id}/news?seen=0").text
    assert "吴建国" in news and "复核" in news
    assert "有新进展" not in he.get(f"/alerts/{alert.id}/news?seen=1").text


def test_another_departments_doctor_may_not_judge_a_finding_and_hears_who_may(house: House, desk: Sit) -> None:
    _, alert = found(house)
    for kind, form in (("confirm", {"way": "doctor"}), ("dismiss", {"reason": "误输"})):
        answer = desk("huang").htmx(f"/alerts/{alert.id}/{kind}", {"seen": "0", **form})
        assert answer.status_code in (403, 409)
        assert "一般检查" in answer.text and "主检医师" in answer.text
    assert "由一般检查的医师" in desk("huang").get(f"/alerts/{alert.id}").text
    # Telling the person is no judgement: whoever sees them may do it.
    assert desk("he").htmx(f"/alerts/{alert.id}/confirm", {"seen": "0", "way": "doctor"}).status_code == 200
    form = {"seen": "1", "channel": "in_person", "recipient": "person", "recipient_name": "韦小明", "outcome": "confirmed", "read_back": "去急诊"}
    assert desk("huang").htmx(f"/alerts/{alert.id}/notify", form).status_code == 200


def test_what_reaches_only_who_may_handle(house: House, desk: Sit) -> None:
    _, alert = found(house)
    wu = actor_named(house, "wu")
    taken(house, wu, taken(house, wu, alert, Confirmed("doctor")), TOLD)
    assert desk("wu").htmx(f"/alerts/{alert.id}/handle", {"seen": "2", "advice": "急诊"}).status_code in (403, 409)
    assert "您没有“处理”的权限" in desk("wu").get(f"/alerts/{alert.id}").text
    assert desk("lin").get("/alerts").status_code == 403
    assert desk("lin").get(f"/alerts/{alert.id}").status_code == 403


def test_the_shift_is_handed_over_to_a_colleague(house: House, desk: Sit) -> None:
    visit_id, alert = found(house)
    he = desk("he")
    page = he.get("/alerts/hand-over").text
    colleague = re.search(r'<option value="([0-9a-f-]{36})">赵慧敏', page)
    assert colleague is not None
    assert str(alert.id) in page
    answer = he.htmx("/alerts/hand-over", {"staff": colleague[1]})
    assert (answer.status_code, 'data-field="alert"' in answer.text or "请至少选择一项任务" in answer.text) == (422, True)
    assert he.htmx("/alerts/hand-over", {"alert": str(alert.id), "staff": str(house.ids.new())}).status_code == 422
    answer = he.htmx("/alerts/hand-over", {"alert": str(alert.id), "staff": colleague[1], "note": "18 点后再联系"})
    assert answer.headers["hx-redirect"] == "/alerts/hand-over"
    assert only(house, he.actor, visit_id).duty == "赵慧敏"
    assert "韦小明" in desk("zhao").get("/alerts?tab=mine").text
    assert "韦小明" not in he.get("/alerts?tab=mine").text


def test_every_screen_of_the_visit_carries_the_strip(house: House, desk: Sit) -> None:
    visit_id, alert = found(house)
    with house.unit(actor_named(house, "wu"), write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
    pages = {
        "wu": [f"/results/GEN/{visit_no}", f"/results/visit/{visit_no}"], "huang": [f"/results/EYE/{visit_no}"],
        "qin": [f"/registration/visits/{visit_no}"], "he": [f"/chief/{visit_no}"],
    }  # fmt: skip
    for login, urls in pages.items():
        for url in urls:
            page = desk(login).get(url).text
            assert "危急值/重要异常" in page and "超高热" in page and f'href="/alerts/{alert.id}"' in page, url
    # The desk that may not read alerts has the page as before.
    assert "alert-strip" not in desk("lin").get(f"/registration/visits/{visit_no}").text
    assert desk("huang").get(f"/alerts/visits/{visit_no}/strip").status_code == 200


def test_a_private_finding_is_named_only_to_who_may_read_it(house: House, desk: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_is_private", lambda *_: True)
    visit_id, alert = found(house)
    assert alert.is_private
    with house.unit(actor_named(house, "wu"), write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
    taken(house, actor_named(house, "wu"), alert, Confirmed("retest", "复测超高热"))
    for login, sees in (("wu", True), ("he", True), ("huang", False), ("qin", False)):
        sitting = desk(login)
        urls = ("/alerts", f"/alerts/{alert.id}", f"/alerts/visits/{visit_no}/strip", "/alerts/register", "/api/alerts")
        told = [sitting.get(url).text for url in urls]
        assert ["超高热" in text for text in told] == [sees] * 5, login
        assert all("重要异常(隐私项目)" in text for text in told) is not sees
    form = {"seen": "1", "channel": "phone", "recipient": "person", "recipient_name": "韦小明", "outcome": "reached"}
    answer = desk("huang").htmx(f"/alerts/{alert.id}/notify", form)
    assert (answer.status_code in (403, 409), "隐私项目" in answer.text) == (True, True)


def test_another_sites_alert_is_none(house: House, desk: Sit) -> None:
    from tests.house.cases import everybody

    _, alert = found(house)
    everybody(house, "02", "zhou")
    zhou = desk("zhou")
    nobody = house.ids.new()
    for path in ("", "/news"):
        answers = [zhou.get(f"/alerts/{each}{path}") for each in (alert.id, nobody)]
        assert [each.status_code for each in answers] == [404, 404]
    assert zhou.htmx(f"/alerts/{alert.id}/confirm", {"seen": "0", "way": "doctor"}).status_code in (404, 409)
    assert zhou.post(f"/api/alerts/{alert.id}/steps", json={"seen": 0, "step": {"type": "closed"}}).status_code == 404
    assert "韦小明" not in zhou.get("/alerts").text
    assert zhou.get("/api/alerts").json()["alerts"] == []


def test_programs_read_the_open_alerts_and_take_a_step(house: House, desk: Sit) -> None:
    _, alert = found(house)
    wu = desk("wu")
    answer = wu.get("/api/alerts").json()
    assert (answer["total"], answer["late"], answer["alerts"][0]["name"]) == (1, 0, "超高热")
    assert answer["pulse"] > 0
    step = {"seen": 0, "step": {"type": "confirmed", "way": "doctor"}}
    after = wu.post(f"/api/alerts/{alert.id}/steps", json=step).json()
    assert (after["state"], after["next_step"], after["version"]) == ("confirmed", "notify", 1)
    again = wu.post(f"/api/alerts/{alert.id}/steps", json=step)
    assert (again.status_code, again.json()["type"]) == (409, "critical_values.moved_on")
    missing = wu.post(f"/api/alerts/{alert.id}/steps", json={"seen": 1, "step": {"type": "handled", "advice": "急诊"}})
    assert missing.status_code == 403


def test_what_is_shown_by_itself_keeps_no_session_alive(house: House, desk: Sit) -> None:
    from exam.staff.models import SignIn

    found(house)
    wu = desk("wu")

    def last_seen() -> Any:
        with house.unit(None, write=False) as db:
            return db.scalar(select(SignIn.last_seen_at).where(SignIn.token_hash == wu.actor.session_id))

    before = last_seen()
    house.clock.advance(minutes=5)  # type: ignore[attr-defined]
    assert wu.htmx("/alerts", {"tab": "open"}, headers={"x-live": "1"}).status_code == 200
    assert last_seen() == before
    assert wu.get("/alerts").status_code == 200
    assert last_seen() > before


def test_reading_an_alert_is_written_down(house: House, desk: Sit) -> None:
    _, alert = found(house)
    desk("he").get(f"/alerts/{alert.id}")
    with house.unit(None, write=False) as db:
        acts = set(db.scalars(select(audit.Audit.act)))
    assert "critical_values.read_alert" in acts


def test_a_long_board_takes_no_more_statements_than_a_short_one(house: House, desk: Sit) -> None:
    from tests.chief_review.cases import OTHER

    found(house)
    second = arrive(house, actor_named(house, "lin"), person=OTHER)
    seen: list[str] = []

    def count(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append(statement)

    he = desk("he")
    he.get("/alerts")
    numbers = []
    event.listen(house.engine, "before_cursor_execute", count)
    for values in ({}, {"TEMP": "41.5"}):
        if values:
            enter(house, actor_named(house, "wu"), second, **values)
        seen.clear()
        assert he.get("/alerts").status_code == 200
        numbers.append(len(seen))
    event.remove(house.engine, "before_cursor_execute", count)
    assert numbers[0] == numbers[1] <= 10

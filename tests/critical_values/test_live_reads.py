"""What pages show anew by themselves is in the audit too, and who may not read alerts learns only that somebody is to stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from critical_values import service as alerts
from critical_values.facts import CalledBack, Closed, Confirmed
from exam.kit.audit import Audit
from exam.kit.house import House
from exam.visits import service as visits
from tests.conftest import Desk, actor_named
from tests.critical_values.cases import HANDLED, TOLD, taken
from tests.critical_values.test_pages import found

Sit = Callable[[str], Desk]
LIVE = {"x-live": "1"}


def rows(house: House, act: str) -> int:
    with house.unit(None, write=False) as db:
        return db.scalar(select(func.count()).where(Audit.act == act)) or 0


def visit_number(house: House, visit_id: Any) -> str:
    with house.unit(actor_named(house, "wu"), write=False) as db:
        return visits.card(db, visit_id).visit_no


def test_a_forged_header_reads_no_board_without_an_audit_row(house: House, desk: Sit) -> None:
    found(house)
    assert "韦小明" in desk("wu").htmx("/alerts", {"tab": "open"}, headers=LIVE).text
    assert rows(house, "critical_values.read_list") == 1


def test_a_board_that_shows_itself_anew_is_told_of_once_a_minute_and_every_other_view_at_once(house: House, desk: Sit) -> None:
    found(house)
    wu = desk("wu")
    wu.get("/alerts")
    for _ in range(3):
        wu.htmx("/alerts", {"tab": "open"}, headers=LIVE)
    assert rows(house, "critical_values.read_list") == 1
    for form in ({"q": "韦"}, {"q": "黄"}, {"tab": "ended"}):
        wu.htmx("/alerts", form, headers=LIVE)
    assert rows(house, "critical_values.read_list") == 4
    house.clock.advance(seconds=61)  # type: ignore[attr-defined]
    for _ in range(3):
        wu.htmx("/alerts", {"tab": "open"}, headers=LIVE)
    assert rows(house, "critical_values.read_list") == 5
    wu.htmx("/alerts", {"tab": "open"})  # somebody asks: always
    assert rows(house, "critical_values.read_list") == 6


def test_another_session_is_told_of_by_itself(house: House, desk: Sit) -> None:
    found(house)
    desk("wu").get("/alerts")
    desk("he").htmx("/alerts", {"tab": "open"}, headers=LIVE)
    assert rows(house, "critical_values.read_list") == 2


@pytest.mark.parametrize(("path", "act"), [
    ("/alerts/visits/{no}/strip", "critical_values.read_strip"), ("/alerts/{alert}/news", "critical_values.read_alert"),
])  # fmt: skip
def test_the_strip_and_the_news_are_in_the_audit_too(house: House, desk: Sit, path: str, act: str) -> None:
    visit_id, alert = found(house)
    url = path.format(no=visit_number(house, visit_id), alert=alert.id)
    wu = desk("wu")
    for _ in range(2):
        assert wu.get(url, headers=LIVE).status_code == 200
    assert rows(house, act) == 1
    wu.get(url)
    assert rows(house, act) == 2


def test_the_front_desk_learns_that_somebody_is_to_stay_and_not_why(house: House, desk: Sit) -> None:
    visit_id, alert = found(house)
    url = f"/registration/visits/{visit_number(house, visit_id)}"
    page = desk("lin").get(url).text
    assert "请让受检者留步" in page
    assert "一般检查" in page
    assert [word for word in ("超高热", "41.2", "危急值/重要异常", "待复核", f"/alerts/{alert.id}") if word in page] == []
    assert desk("qin").get(url).text.count("alert-hold") == 0  # who may read alerts has the strip with them


def test_nobody_is_kept_when_the_loop_is_at_its_end(house: House, desk: Sit) -> None:
    visit_id, alert = found(house)
    he, url = actor_named(house, "he"), f"/registration/visits/{visit_number(house, visit_id)}"
    for step in (Confirmed("doctor"), TOLD, HANDLED):
        alert = taken(house, he, alert, step)
        assert "请让受检者留步" in desk("lin").get(url).text
    for step in (CalledBack(0, "hospitalised", "phone"), Closed()):
        alert = taken(house, he, alert, step)
    assert "请让受检者留步" not in desk("lin").get(url).text


def test_a_department_that_found_something_private_is_not_named(house: House, desk: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_is_private", lambda *_: True)
    visit_id, _ = found(house)
    page = desk("lin").get(f"/registration/visits/{visit_number(house, visit_id)}").text
    assert "请让受检者留步</b>,联系 危急值管理员" in page

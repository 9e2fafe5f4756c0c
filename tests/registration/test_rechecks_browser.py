"""A recheck from the reviewer's desk to the booking, in Chromium: chosen by keyboard, booked at the desk, seen on the visit."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from exam.kit.house import House
from exam.visits import service as visits
from registration import rechecks
from tests.chief_review.cases import TODAY, finalized, started
from tests.conftest import actor_named
from tests.fixtures import houses, server

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
expect.set_options(timeout=15_000)


def signed_in(browser: Browser, base: str, login: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}, locale="zh-CN").new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{base}/sign-in")
    page.locator("[name=login]").fill(login)
    page.locator("[name=password]").fill(houses.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


def test_a_recheck_is_planned_by_the_chief_and_booked_by_the_desk(browser: Browser, sqlite_house: House) -> None:
    visit_id = started(sqlite_house)
    with sqlite_house.unit(actor_named(sqlite_house, "he"), write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
    with server.serving(sqlite_house) as base:
        chief = signed_in(browser, base, "he")
        chief.goto(f"{base}/chief/{visit_no}")
        # A line that is being written stays when the plan is saved beside it.
        first = chief.locator("[data-lines] [name=text]").first
        first.fill("正在书写的结论")
        chief.keyboard.press("Alt+r")
        expect(chief.locator("#recheck-q")).to_be_focused()
        chief.keyboard.type("G036")
        chief.keyboard.press("Enter")
        item = chief.locator(".recheck-item", has=chief.locator('[name="wanted"][value="G036"]'))
        expect(item.locator('[name="wanted"]')).to_be_checked()
        item.locator('[name="after_days"]').fill("10")
        chief.keyboard.press("Tab")
        expect(item).to_contain_text((TODAY + timedelta(days=10)).isoformat())
        # Whatever else the rules propose is unticked.
        for box in chief.locator('[name="wanted"]:not([value="G036"])').all():
            box.uncheck()
            expect(chief.locator("#recheck-plan")).to_be_visible()
        expect(first).to_have_value("正在书写的结论")
        chief.context.close()
        finalized(sqlite_house, visit_id)

        desk = signed_in(browser, base, "lin")
        desk.goto(f"{base}/registration/rechecks")
        expect(desk.get_by_text("韦小明").first).to_be_visible()
        desk.keyboard.press("F2")
        expect(desk.locator("#order-quote [value=G036]")).to_be_checked()
        expect(desk.locator("#exam_on")).to_have_value((TODAY + timedelta(days=10)).isoformat())
        desk.locator("#exam_on").fill((TODAY + timedelta(days=9)).isoformat())
        desk.keyboard.press("F2")
        desk.wait_for_url("**/registration/visits/*")
        expect(desk.locator("main")).to_contain_text("复查自")
        desk.goto(f"{base}/registration/rechecks?tab=booked")
        expect(desk.locator("main")).to_contain_text((TODAY + timedelta(days=9)).isoformat())
        desk.context.close()
    with sqlite_house.unit(actor_named(sqlite_house, "lin"), write=False) as db:
        assert [each.state for each in rechecks.of_visit(db, visit_id)].count("booked") == 1

"""The reviewer's desk in Chromium: where the focus goes after a refusal, and how long the page is."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from exam.kit.house import House
from exam.visits import service as visits
from tests.chief_review.cases import started
from tests.conftest import actor_named
from tests.fixtures import houses, server

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def opened(browser: Browser, base: str, visit_no: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}, locale="zh-CN").new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{base}/sign-in")
    page.locator("[name=login]").fill("he")
    page.locator("[name=password]").fill(houses.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    page.goto(f"{base}/chief/{visit_no}")
    return page


def test_the_focus_stays_in_the_refused_line_and_the_page_is_no_longer_than_the_screen(
    browser: Browser, sqlite_house: House
) -> None:
    visit_id = started(sqlite_house)
    with sqlite_house.unit(actor_named(sqlite_house, "he"), write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
    with server.serving(sqlite_house) as base:
        page = opened(browser, base, visit_no)
        # Many long lines: what is hidden for screen readers in them must not make the page as long as all panes together.
        for _ in range(12):
            page.keyboard.press("Alt+A")
        assert page.evaluate("document.documentElement.scrollHeight") < 1000
        texts = page.locator("[data-lines] [name=text]")
        first = texts.first.input_value()
        page.keyboard.press("F2")
        expect(page.locator("#refusal .refusal")).to_be_visible()
        expect(texts.nth(texts.count() - 12)).to_be_focused()
        expect(texts.nth(texts.count() - 12)).to_have_attribute("aria-invalid", "true")
        page.keyboard.type("戒烟")
        expect(texts.first).to_have_value(first)
        expect(texts.nth(texts.count() - 12)).to_have_value("戒烟")
        page.set_viewport_size({"width": 390, "height": 844})
        bar = page.locator(".phone-bar")
        expect(bar).to_be_in_viewport()
        expect(bar.get_by_role("button", name="初审签名")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.context.close()

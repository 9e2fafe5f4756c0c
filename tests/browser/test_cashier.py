"""The counter in Chromium, by keyboard alone: scan, Enter, Enter; several ways at once with the change; it fits a telephone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from exam.kit.house import House
from tests.billing.cashier_cases import due, sheet_of, visit_of
from tests.conftest import actor_named
from tests.fixtures import houses, server
from tests.registration.cases import numbered

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
expect.set_options(timeout=15_000)


def signed_in(browser: Browser, base: str, login: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN").new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{base}/sign-in")
    page.locator("[name=login]").fill(login)
    page.locator("[name=password]").fill(houses.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


def test_scan_enter_enter_and_two_ways_with_change(browser: Browser, sqlite_house: House) -> None:
    acting = lambda login: actor_named(sqlite_house, login)  # noqa: E731
    first, second = visit_of(sqlite_house, acting), visit_of(sqlite_house, acting, numbered(2))
    numbers = [sheet_of(sqlite_house, acting("chen"), each).card.visit_no for each in (first, second)]
    with server.serving(sqlite_house) as base:
        page = signed_in(browser, base, "chen")
        page.goto(f"{base}/cashier")
        page.keyboard.type(numbers[0])
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/cashier/visits/{numbers[0]}")
        expect(page.locator("#tendered")).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url("**/cashier/receipts/*")
        assert due(sqlite_house, first) == 0
        expect(page.locator("[name=code]")).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url("**paper=roll")
        expect(page.locator("iframe")).to_be_visible()
        page.keyboard.type(numbers[1])
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/cashier/visits/{numbers[1]}")
        whole = due(sqlite_house, second)
        page.keyboard.press("Alt+2")
        expect(page.locator("#pos_no")).to_be_focused()
        page.keyboard.type("POS0099")
        expect(page.locator("#pos")).to_have_value(f"{whole / 100:.2f}")
        page.locator("#pos").fill("100")
        expect(page.locator("#cash")).to_have_value(f"{whole / 100 - 100:.2f}")
        page.locator("#tendered").fill(f"{whole / 100 - 100 + 6.88:.2f}")
        expect(page.locator("[data-change] .number")).to_have_text("¥6.88")
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.keyboard.press("Enter")
        page.wait_for_url("**/cashier/receipts/*")
        expect(page.locator(".cashier-done .is-change b")).to_have_text("6.88")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert due(sqlite_house, second) == 0
    assert len(sheet_of(sqlite_house, acting("chen"), second).receipts[0].receipt.parts) == 2

"""A cashier counts the drawer in Chromium: the sum follows what is typed, F2 closes, a wrong count keeps what was typed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from exam.kit.house import House
from exam.kit.money import yuan
from tests.billing.close_cases import pieces, taken
from tests.conftest import actor_named
from tests.fixtures import houses, server
from tests.registration.cases import no_breaches

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)


def test_the_count_adds_itself_up_and_f2_closes(browser: Browser, sqlite_house: House) -> None:
    receipt = taken(sqlite_house, lambda login: actor_named(sqlite_house, login))
    with (
        server.serving(sqlite_house) as base,
        browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN") as context,
    ):
        page = context.new_page()
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(f"{base}/sign-in")
        page.locator("[name=login]").fill("chen")
        page.locator("[name=password]").fill(houses.PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/sign-in" not in url)
        page.goto(f"{base}/day-close")
        counted = pieces(receipt.total_fen)
        for value, number in counted.items():
            page.locator(f"[name=pieces_{value}]").fill(str(number))
        expect(page.locator("[data-counted]")).to_have_text(yuan(receipt.total_fen))
        expect(page.locator("[data-difference]")).to_have_text("相符")
        hundreds = page.locator("[name=pieces_10000]")
        hundreds.fill(str(counted[10000] - 1))
        expect(page.locator("[data-difference]")).to_have_text("短款 100.00")
        page.keyboard.press("F2")
        expect(page.locator("#refusal")).to_contain_text("短款 100.00 元")
        expect(hundreds).to_have_value(str(counted[10000] - 1))
        hundreds.fill(str(counted[10000]))
        page.keyboard.press("Alt+a")
        expect(page.locator("[name=handed]")).to_have_value(yuan(receipt.total_fen))
        page.keyboard.press("F2")
        page.wait_for_url("**/day-close/closes/*")
        expect(page.locator("main")).to_contain_text("相符")
    assert no_breaches(sqlite_house)

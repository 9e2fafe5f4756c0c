"""The walk-in form by keyboard alone, in Chromium: sex and birth date mark the packages, and nothing typed is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from exam.kit.house import House
from tests.conftest import actor_named
from tests.fixtures import houses, server
from tests.registration.cases import walk_in

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)


def signed_in(browser: Browser, base: str, width: int) -> Page:
    context = browser.new_context(viewport={"width": width, "height": 844}, locale="zh-CN")
    page = context.new_page()
    page.goto(f"{base}/sign-in")
    page.locator("[name=login]").fill("lin")
    page.locator("[name=password]").fill(houses.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


@pytest.fixture
def base(sqlite_house: House) -> Iterator[str]:
    """The address of a served house."""
    with server.serving(sqlite_house) as address:
        yield address


def test_a_walk_in_without_document_is_registered_by_keyboard(browser: Browser, base: str) -> None:
    page = signed_in(browser, base, 1280)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if "hx-include" in message.text else None)
    page.goto(f"{base}/registration/today")
    page.keyboard.press("Alt+n")
    expect(page.locator("#walk-in-form [name=name]")).to_be_focused()
    page.keyboard.type("韦小芳")
    page.keyboard.press("Tab")
    page.keyboard.press("2")
    expect(page.locator("#birth_on")).to_be_focused()
    page.locator("#birth_on").fill("1980-03-04")
    expect(page.locator("#package option", has_text="40+男性综合")).to_contain_text("不适用")
    expect(page.locator("#package")).to_have_count(1)
    page.locator("#package").select_option("P05")
    expect(page.locator("#order-quote")).to_contain_text("65–120岁")
    page.locator("#birth_on").fill("1950-03-04")
    expect(page.locator("#order-quote")).not_to_contain_text("65–120岁")
    expect(page.locator("#package")).to_have_value("P05")
    expect(page.locator("#walk-in-form [name=name]")).to_have_value("韦小芳")
    assert errors == []
    page.keyboard.press("F2")
    page.wait_for_url("**/registration/visits/*")
    expect(page.locator(".visit-card .visit-name")).to_have_text("韦小芳")


def test_on_a_phone_the_money_comes_before_the_items_and_the_name_stays_in_sight(
    browser: Browser, base: str, sqlite_house: House
) -> None:
    walk_in(sqlite_house, actor_named(sqlite_house, "lin"))
    page = signed_in(browser, base, 390)
    page.goto(f"{base}/registration/today?tile=to_pay")
    page.get_by_role("link", name="韦小明").first.click()
    receipt = page.locator("#receipt_no")
    expect(receipt).to_be_focused()
    assert receipt.evaluate("(field) => field.getBoundingClientRect().top + scrollY") < 844
    assert page.locator(".visit-card .visit-name").evaluate("(name) => name.getBoundingClientRect().top") > 0
    first_item, fees = page.locator(".visit-items"), page.locator(".visit-money")
    assert fees.evaluate("(part) => part.getBoundingClientRect().top") < first_item.evaluate("(part) => part.getBoundingClientRect().top")
    assert page.evaluate("document.documentElement.scrollWidth") == 390

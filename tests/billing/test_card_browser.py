"""Exam cards at the cashier's desk by keyboard in Chromium: sold with Enter, topped up, and refusals that keep what was typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from billing.card_models import CardRow
from exam.kit.house import House
from tests.billing.card_cases import balance, stocked, type_of
from tests.conftest import actor_named
from tests.fixtures import houses, server

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)


@pytest.fixture
def desk_page(browser: Browser, sqlite_house: House) -> Iterator[Callable[[str], Page]]:
    """`desk_page("/cards/sell")` is that page at a cashier's desk."""
    faults: list[str] = []
    with server.serving(sqlite_house) as base:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN")

        def open_page(path: str) -> Page:
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.goto(f"{base}/sign-in")
            page.locator("[name=login]").fill("chen")
            page.locator("[name=password]").fill(houses.PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "/sign-in" not in url)
            page.goto(base + path)
            return page

        yield open_page
        context.close()
    assert faults == []


def test_two_cards_are_sold_and_one_topped_up_by_keyboard(desk_page: Callable[[str], Page], sqlite_house: House) -> None:
    fang = actor_named(sqlite_house, "fang")
    numbers = stocked(sqlite_house, fang, type_of(sqlite_house, fang), 2)
    page = desk_page("/cards/sell")
    expect(page.locator("[name=first_no]")).to_be_focused()
    page.locator("[name=first_no]").fill(numbers[0])
    page.locator("[name=count]").fill("2")
    page.keyboard.press("Enter")
    expect(page.locator("#offer")).to_contain_text("应收 900.00 元")
    expect(page.locator("[name=tendered]")).to_be_focused()
    page.locator("[name=tendered]").fill("800")
    page.keyboard.press("Enter")
    expect(page.locator("#refusal")).to_contain_text("实收现金少于 900.00 元")  # and what was typed is kept
    expect(page.locator("[name=tendered]")).to_have_value("800")
    page.locator("[name=tendered]").fill("1000")
    page.keyboard.press("F2")
    page.wait_for_url("**/cards/sales/*")
    expect(page.locator("main")).to_contain_text("100.00 元(实收 1000.00)")
    page.locator("td a.number-text").first.click()
    expect(page.get_by_role("button", name="充值")).to_be_visible()
    page.keyboard.press("F2")
    expect(page.locator("#top-up-amount")).to_be_focused()
    page.locator("#top-up-amount").fill("600")
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_contain_text("最多还可存入 500.00 元")
    page.locator("#top-up-amount").fill("123.45")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("623.45")
    with sqlite_house.unit(None, write=False) as db:
        first = db.scalars(select(CardRow.id).where(CardRow.card_no == numbers[0])).one()
    assert balance(sqlite_house, first) == 62_345

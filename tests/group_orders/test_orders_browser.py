"""A company in Chromium: a round's offer with its live price, members booked over days and printed, all by keyboard."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from exam.kit.clock import day_of
from exam.kit.house import Actor, House
from group_orders import company_prints, tasks
from tests.conftest import actor_named
from tests.fixtures import houses, server
from tests.group_orders.cases import enrolled, open_round

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


def fits(page: Page) -> bool:
    page.set_viewport_size({"width": 390, "height": 844})
    narrow = bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
    page.set_viewport_size({"width": 1280, "height": 900})
    return narrow


def test_an_offer_is_priced_while_it_is_typed_and_a_company_is_booked_and_printed(browser: Browser, sqlite_house: House) -> None:
    def acting(login: str) -> Actor:
        return actor_named(sqlite_house, login)

    made = open_round(sqlite_house, acting)
    enrolled(sqlite_house, acting, made, men=3, women=2)
    day = day_of(sqlite_house.clock.now()) + timedelta(days=1)
    with server.serving(sqlite_house) as base:
        page = signed_in(browser, base, "ning")
        page.goto(f"{base}/group-orders/cohorts/{made.cohorts['男职工']}")
        expect(page.locator(".quote-own")).to_contain_text("男 45 岁 未婚:21 项,单位 593.12,个人 0.00")
        page.fill("#limit_yuan", "500")
        expect(page.locator(".quote-own")).to_contain_text("单位 500.00,个人 93.12")
        page.fill("#reason", "单位调整上限")
        page.keyboard.press("F2")
        expect(page.locator("main")).to_contain_text("方案第 2 版")
        assert fits(page)
        page.goto(f"{base}/group-orders/{made.order_id}")
        page.keyboard.press("F6")
        page.wait_for_url("**/booking")
        page.fill(f"#day_{day.isoformat()}", "999")
        expect(page.locator("#plan")).to_contain_text("只剩")
        page.keyboard.press("F3")
        expect(page.locator("#plan")).to_contain_text("共 5 人,安排 5 人")
        assert fits(page)
        page.keyboard.press("F2")
        page.wait_for_url("**/tasks/*")
        tasks.work_waiting(sqlite_house)
        expect(page.locator("#task")).to_contain_text("完成 5")
        page.keyboard.press("Escape")
        page.wait_for_url(f"**/{made.order_id}")
        page.keyboard.press("F7")
        page.wait_for_url("**/print")
        page.keyboard.press("F2")
        page.wait_for_url("**/tasks/*")
        company_prints.print_waiting(sqlite_house)
        expect(page.get_by_role("link", name="打开打印文件")).to_be_visible()
        page.goto(f"{base}/group-orders/{made.order_id}")
        page.locator("a.stat", has_text="未到检").click()
        expect(page.locator("tbody tr")).to_have_count(5)
        assert fits(page)

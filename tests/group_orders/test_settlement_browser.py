"""A company's money in Chromium: settled, approved by another person, paid by a transfer, all by keyboard; and on a telephone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from exam.kit.house import House
from tests.conftest import actor_named
from tests.fixtures import houses, server
from tests.group_orders.cases import enrolled, open_round
from tests.group_orders.settling_cases import come, sound

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
expect.set_options(timeout=15_000)
SHOTS = os.environ.get("SHOTS", "")


def signed_in(browser: Browser, base: str, login: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN").new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{base}/sign-in")
    page.locator("[name=login]").fill(login)
    page.locator("[name=password]").fill(houses.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


def look(page: Page, name: str) -> None:
    """The page fits a telephone; back to the desk's width afterwards."""
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), (name, width)
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / f"{name}-{width}.png", full_page=True)


def test_a_round_is_settled_approved_and_paid(browser: Browser, sqlite_house: House) -> None:
    house = sqlite_house
    acting = lambda login: actor_named(house, login)  # noqa: E731
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=3, women=2)
    come(house, acting, ids[0], 1)
    come(house, acting, ids[1], 2, refused=2)
    come(house, acting, ids[3], 101, sex="F")
    with server.serving(house) as base:
        ning = signed_in(browser, base, "ning")
        ning.goto(f"{base}/settlements/unsettled")
        look(ning, "unsettled")
        ning.get_by_role("link", name="第一批").click()
        expect(ning.locator("h1")).to_contain_text("第一批 结算")
        ning.keyboard.press("F3")
        ning.locator("#amount").fill("500.00")
        ning.select_option("#method", "cash")
        ning.keyboard.press("Enter")
        expect(ning.locator("main")).to_contain_text("+500.00")
        look(ning, "round")
        ning.keyboard.press("F2")
        expect(ning.locator("h1")).to_contain_text("中间结算草稿")
        ning.locator("details summary").nth(1).click()
        look(ning, "draft")
        ning.keyboard.press("F2")
        ning.wait_for_url("**/settlements/0*")
        expect(ning.locator("main")).to_contain_text("待审核")
        at = ning.url
        gan = signed_in(browser, base, "gan")
        gan.goto(at)
        look(gan, "proposed")
        gan.on("dialog", lambda dialog: dialog.accept())
        gan.keyboard.press("F2")
        expect(gan.locator("main")).to_contain_text("待收款")
        rest = gan.locator(".settle-money tr", has_text="未收").locator("td").inner_text()
        look(gan, "approved")
        deng = signed_in(browser, base, "deng")
        deng.goto(f"{base}/settlements/transfers")
        expect(deng.locator("h1")).to_contain_text("单位转账")
        deng.keyboard.press("F2")
        deng.locator("#amount").fill(rest)
        deng.locator("#payer_name").fill("桂林机械厂1X有限责任公司")
        look(deng, "record")
        deng.locator("#payer_name").press("Enter")
        deng.wait_for_url("**/settlements/transfers/0*")
        expect(deng.locator("main")).to_contain_text("户名和金额相符")
        look(deng, "transfer")
        deng.keyboard.press("F2")
        expect(deng.locator("main")).to_contain_text("已认领")
        look(deng, "matched")
        deng.goto(at)
        expect(deng.locator("main")).to_contain_text("已结清")
        deng.goto(f"{base}/settlements?tab=all")
        look(deng, "list")
        deng.goto(f"{base}/settlements/transfers?tab=all")
        look(deng, "transfers")
        deng.goto(f"{base}/settlements/arrears")
        look(deng, "arrears")
    assert sound(house) == []

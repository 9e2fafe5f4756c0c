"""A company's list in Chromium: chosen, its columns looked at, its faults read, the sound rows accepted, all by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from exam.kit.house import House
from exam.staff.models import Grant, Staff
from group_orders import roster_accepting
from tests.conftest import actor_named
from tests.fixtures import houses, server
from tests.group_orders.roster_cases import HEADER, person, xlsx
from tests.group_orders.test_roster_service import make_order

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
expect.set_options(timeout=15_000)


def signed_in(browser: Browser, base: str, login: str, width: int) -> Page:
    page = browser.new_context(viewport={"width": width, "height": 900}, locale="zh-CN").new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{base}/sign-in")
    page.locator("[name=login]").fill(login)
    page.locator("[name=password]").fill(houses.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


def does_not_overflow(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_a_list_is_imported_by_keyboard_and_fits_a_telephone(browser: Browser, sqlite_house: House, tmp_path: Path) -> None:
    actor = actor_named(sqlite_house, "qin")
    with sqlite_house.unit(actor) as db:
        order = make_order(db, actor.site)
        staff = db.scalars(select(Staff).where(Staff.login == "qin")).one()
        if db.scalar(select(Grant.id).where(Grant.staff_id == staff.id, Grant.role == "group_keeper")) is None:
            db.add(
                Grant(
                    id=sqlite_house.ids.new(), staff_id=staff.id, staff_kind="staff", role="group_keeper", site=actor.site, department="",
                    granted_by="system", granted_at=sqlite_house.clock.now(),
                )
            )  # fmt: skip
    rows = [["某厂 2026 年体检名单"], [*HEADER[:10], "家属"], *[[*person(n)[:10], ""] for n in range(1, 6)]]
    rows[4][1] = 450110198503150018
    file = tmp_path / "名单.xlsx"
    file.write_bytes(xlsx(rows))
    with server.serving(sqlite_house) as base:
        page = signed_in(browser, base, "qin", 1280)
        page.goto(f"{base}/group-orders/{order}/roster")
        page.set_input_files("input[name=file]", file)
        page.keyboard.press("F2")
        page.wait_for_url("**/columns")
        expect(page.locator("td.is-bad")).to_contain_text("以数字形式存储")
        page.select_option("#column_1", "")
        expect(page.locator("#preview [role=status]")).to_contain_text("还没有指定必需的列:证件号码")
        page.select_option("#column_1", "id_no")
        expect(page.locator("#preview [role=status]")).to_contain_text("必需的列已指定")
        page.keyboard.press("F2")
        page.wait_for_url(lambda url: not url.endswith("/columns"))
        expect(page.locator("main")).to_contain_text("B5")
        page.set_viewport_size({"width": 390, "height": 800})
        assert does_not_overflow(page)
        page.check("input[name=skips_bad]")
        page.keyboard.press("F2")
        expect(page.locator("#roster")).to_contain_text("导入中")
        roster_accepting.accept_waiting(sqlite_house)
        expect(page.locator("#roster")).to_contain_text("已导入 4 / 4 人")
        assert does_not_overflow(page)

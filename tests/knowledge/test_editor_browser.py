"""The editors driven by keyboard in Chromium: a row, an item by its initials, a dry run, a proposal, and another doctor's decision;
a clock of the critical values, and many proposals decided on at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pytest
from playwright.sync_api import Browser, Page, expect

from exam.kit.house import House, system_actor
from exam.knowledge import proposals, words
from exam.knowledge import service as store
from tests.chief_review.cases import examined
from tests.fixtures import houses, server
from tests.knowledge.cases import ITEMS

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)


@pytest.fixture
def screen(browser: Browser, sqlite_house: House) -> Iterator[Callable[[str, str], Page]]:
    """`screen("he", "/knowledge")` is a page of a browser signed in as that doctor."""
    contexts = []
    faults: list[str] = []
    with server.serving(sqlite_house) as base:

        def open_page(login: str, path: str) -> Page:
            context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN")
            contexts.append(context)
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.goto(f"{base}/sign-in")
            page.locator("[name=login]").fill(login)
            page.locator("[name=password]").fill(houses.PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "/sign-in" not in url)
            page.goto(base + path)
            return page

        yield open_page
        for context in contexts:
            context.close()
    assert faults == []


def test_a_rule_is_changed_tried_and_handed_in_by_keyboard_and_approved_by_another_doctor(
    screen: Callable[[str, str], Page], sqlite_house: House
) -> None:
    examined(sqlite_house)
    page = screen("he", "/knowledge/entries/D13/edit")
    page.locator("[name=text]").fill("空腹血糖升高")
    page.keyboard.press("Alt+a")
    expect(page.locator("#c-0-2-item-search")).to_be_focused()
    expect(page.locator("[name=text]")).to_have_value("空腹血糖升高")
    page.keyboard.type("ssy")
    page.keyboard.press("Enter")
    expect(page.locator("#c-0-2-value")).to_be_focused()
    page.keyboard.type("30")
    expect(page.locator("#verdict")).to_contain_text("收缩压 ≥ 30 mmHg")
    expect(page.locator("#verdict")).to_contain_text("不通过")  # its examples say nothing of the blood pressure
    page.locator('[data-way="0.2"] .part-acts button').click()
    expect(page.locator("#c-0-2-value")).to_have_count(0)
    page.locator("[name='c.0.0.value']").fill("7.2")
    page.locator("[name='e.0.values']").fill("空腹血糖=7.2")
    expect(page.locator("#verdict")).to_contain_text("可以提交审批")
    page.keyboard.press("F4")
    expect(page.locator("#dry-run")).to_contain_text("已试算最近的 1 份,共 1 份")
    page.keyboard.press("F2")
    expect(page.locator("[name=reason]")).to_be_focused()
    page.keyboard.type("按新指南")
    page.keyboard.press("F2")
    page.wait_for_url("**/knowledge/proposals/*")
    expect(page.locator(".changes ins").first).to_contain_text("7.2")
    address = page.url[page.url.index("/knowledge") :]

    page = screen("zhao", address)
    page.keyboard.press("F8")
    page.locator("dialog[open] [name=note]").fill("同意")
    page.keyboard.press("Control+Enter")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("main")).to_contain_text("已批准")
    with sqlite_house.unit(system_actor("01"), write=False) as db:
        last = store.history(db, "D13")[0]
        assert proposals.proposals(db) == []
    assert (last.version, last.approved) == (2, True)
    assert words.summary_of(last.entry, ITEMS) == "空腹血糖 ≥ 7.2 mmol/L 且 无糖尿病病史"


def test_what_is_typed_while_a_row_is_drawn_is_not_lost(screen: Callable[[str, str], Page]) -> None:
    page = screen("he", "/knowledge/entries/D13/edit")

    def slowly(route: object) -> None:
        page.locator("[name='e.0.values']").fill("空腹血糖=9.9")
        route.continue_()  # type: ignore[attr-defined]

    page.route("**/knowledge/draft", slowly)
    page.keyboard.press("Alt+a")
    expect(page.locator("#c-0-2-item-search")).to_be_focused()
    expect(page.locator("[name='e.0.values']")).to_have_value("空腹血糖=9.9")


def test_a_critical_clock_is_changed_by_keyboard_and_holds_from_its_day_after_another_doctor_agreed(
    screen: Callable[[str, str], Page], sqlite_house: House
) -> None:
    page = screen("he", "/knowledge/entries/ALERT-CRITICAL")
    page.keyboard.press("F2")
    page.wait_for_url("**/edit")
    page.locator("#confirm").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("10")
    expect(page.locator("#verdict")).to_contain_text("09:10 前")
    page.keyboard.press("Alt+e")
    expect(page.locator("#r-escalation-2-after")).to_be_focused()
    page.keyboard.type("20")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#verdict")).to_contain_text("第 3 级(20 分钟)应晚于第 2 级(1 小时)")
    page.locator("#r-escalation-2-after").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("90")
    expect(page.locator("#verdict")).to_contain_text("可以提交审批")
    page.locator("#valid_from").fill("2026-11-25")
    page.locator("#reason").focus()
    page.keyboard.type("本院规定十分钟内复核")
    page.keyboard.press("F2")
    page.wait_for_url("**/knowledge/proposals/*")
    expect(page.locator("main")).to_contain_text("本人提交的申请由另一位医师审批")

    page = screen("zhao", "/knowledge/proposals")
    page.keyboard.press("Alt+a")
    page.keyboard.press("F8")
    expect(page.locator("main")).to_contain_text("将会怎样")
    expect(page.locator("[name=note]")).to_be_focused()
    page.keyboard.type("同意")
    page.keyboard.press("F8")
    expect(page.locator("h1")).to_contain_text("已批准 1 项")
    with sqlite_house.unit(system_actor("01"), write=False) as db:
        confirm = [
            next(each for each in store.rules_in_force(db, day).book.policies if each.code == "ALERT-CRITICAL").confirm_minutes
            for day in (date(2026, 11, 24), date(2026, 11, 25))
        ]
        last, [done] = store.history(db, "ALERT-CRITICAL")[0], proposals.proposals(db, state="approved")
    assert confirm == [15, 10]
    assert (last.version, last.approved, last.valid_from) == (2, True, date(2026, 11, 25))
    assert (last.author, done.decision) == (done.author, "同意")
    assert done.decided_by != done.author

"""The catalogue's forms driven by keyboard in Chromium: the list of a package, a department found by its initials, a formula."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from exam.catalog import service
from exam.kit.clock import day_of
from exam.kit.house import House
from tests.fixtures import houses, server

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

Form = Callable[..., Page]


@pytest.fixture
def form(browser: Browser, sqlite_house: House) -> Iterator[Form]:
    """`form("/catalog/new/item")` is a page of the keeper of the catalogue; `scripts=False` switches scripts off."""
    contexts = []
    faults: list[str] = []
    with server.serving(sqlite_house) as base:

        def open_page(path: str, *, scripts: bool = True) -> Page:
            context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN", java_script_enabled=scripts)
            contexts.append(context)
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda line: faults.append(line.text) if line.type == "error" and "422" not in line.text else None)
            page.goto(f"{base}/sign-in")
            page.locator("[name=login]").fill("tan")
            page.locator("[name=password]").fill(houses.PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "/sign-in" not in url)
            page.goto(base + path)
            return page

        yield open_page
        for context in contexts:
            context.close()
    assert faults == []


def present(house: House) -> Any:
    with house.unit(None, write=False) as db:
        return service.catalogue(db, day_of(house.clock.now()))


def names(page: Page) -> list[str]:
    """The names in the list of chosen groups, in order."""
    return page.locator("[data-picker] .picker-name").all_inner_texts()


def test_a_package_is_put_together_by_keyboard(form: Form, sqlite_house: House) -> None:
    before = present(sqlite_house).packages["P08"]
    page = form("/catalog/entries/package/P08/edit")
    search = page.locator("#groups-search")
    assert len(names(page)) == len(before.groups)
    expect(page.locator(".picker-sum")).to_have_text("共 11 个组合,标准价合计 248.00 元,× 1.00 = 套餐价 248.00 元")
    search.focus()
    page.keyboard.type("xc")
    expect(page.locator(".found-list li").first).to_contain_text("血沉")
    page.keyboard.press("Enter")
    expect(page.locator(".picker-name").last).to_have_text("血沉")
    expect(search).to_be_focused()
    expect(search).to_have_value("")
    page.keyboard.type("甲功")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".found-list li[aria-selected=true]")).to_contain_text("甲功7项")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator(".picker-name").last).to_have_text("甲功3项")
    page.keyboard.type("g060")
    expect(page.locator(".found-list")).to_contain_text("“血沉”已在列表中")
    page.keyboard.press("Escape")
    expect(page.locator(".found-list").first).to_be_hidden()
    expect(page).to_have_url(re.compile("/edit$"))
    page.get_by_role("button", name="上移 甲功3项").press("Enter")
    assert names(page)[-2:] == ["甲功3项", "血沉"]
    page.get_by_role("button", name="移除 血沉").press("Delete")
    expect(page.locator(".picker-sum")).to_contain_text("共 12 个组合,标准价合计 338.00 元")
    page.locator("#factor").fill("0.9")
    expect(page.locator(".picker-sum")).to_contain_text("套餐价 304.20 元")
    page.locator("#reason").fill("加甲功")
    page.keyboard.press("F2")
    page.wait_for_url("**/catalog/entries/package/P08")
    after = present(sqlite_house).packages["P08"]
    assert (after.groups, after.price_fen) == ((*before.groups, "G042"), 30420)


def test_without_scripts_the_codes_are_plain_text_and_an_unknown_one_comes_back(form: Form, sqlite_house: House) -> None:
    page = form("/catalog/entries/package/P08/edit", scripts=False)
    codes = page.locator("#groups")
    expect(codes).to_be_visible()
    typed = f"{codes.input_value()} G999"
    codes.fill(typed)
    page.locator("#reason").fill("加一组")
    page.get_by_role("button", name="保存").click()
    expect(page.locator("main")).to_contain_text("目录中没有组合“G999”")
    expect(page.locator("#groups")).to_have_value(typed)
    expect(page.locator("#reason")).to_have_value("加一组")
    page.locator("#groups").fill(typed.replace("G999", "血沉"))
    page.get_by_role("button", name="保存").click()
    page.wait_for_url("**/catalog/entries/package/P08")
    assert present(sqlite_house).packages["P08"].groups[-1] == "G060"


def test_a_department_is_found_by_its_initials_and_a_code_can_be_abandoned(form: Form, sqlite_house: House) -> None:
    page = form("/catalog/entries/item/WC/edit")
    department = page.get_by_role("combobox", name="科室")
    expect(department).to_have_value("一般检查")
    department.focus()
    page.keyboard.type("nk")
    page.keyboard.press("Escape")
    expect(department).to_have_value("一般检查")
    page.keyboard.type("yk")
    page.keyboard.press("Enter")
    expect(department).to_have_value("眼科")
    page.locator("#reason").fill("换科室")
    page.keyboard.press("F2")
    page.wait_for_url("**/catalog/entries/item/WC")
    assert present(sqlite_house).items["WC"].department == "EYE"


def test_a_formula_takes_names_from_the_search_line_and_a_wrong_one_stays_on_the_page(form: Form, sqlite_house: House) -> None:
    page = form("/catalog/entries/item/WHR/edit")
    formula = page.locator("#formula")
    expect(formula).to_have_value("腰围 ÷ 臀围")
    formula.fill("腰围 ÷ ")
    page.locator("#formula-insert").focus()
    page.keyboard.type("gammagt")
    expect(page.locator(".found-list:visible")).to_contain_text("没有符合的")
    page.locator("#formula-insert").fill("GGT")
    page.keyboard.press("Enter")
    expect(formula).to_have_value("腰围 ÷ [γ-谷氨酰基转移酶]")
    expect(formula).to_be_focused()
    page.keyboard.type(" ×")
    page.locator("#reason").fill("试")
    page.keyboard.press("F2")
    expect(page.locator("#formula-problem")).to_contain_text("公式到此结束")
    expect(formula).to_be_focused()
    expect(formula).to_have_value("腰围 ÷ [γ-谷氨酰基转移酶] ×")
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    page.keyboard.press("F2")
    page.wait_for_url("**/catalog/entries/item/WHR")
    assert present(sqlite_house).items["WHR"].formula == ["/", "WC", "GGT"]


@pytest.mark.parametrize("path", ["/catalog/entries/package/P02/edit", "/catalog/entries/item/EGFR/edit", "/catalog?kind=group"])
def test_the_screens_fit_a_phone(form: Form, path: str) -> None:
    page = form(path)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("path", ["/catalog?kind=group", "/catalog/entries/group/G033"])
def test_a_long_word_does_not_widen_the_page_of_a_phone(form: Form, path: str) -> None:
    page = form(path)
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("() => document.querySelectorAll('h1, .row-title a, td.wrap, tbody td, dd').forEach((each) => each.append('W'.repeat(50)))")
    assert page.evaluate("document.documentElement.scrollWidth") == 390

"""Looking up while somebody types, in Chromium: an answer that is slow leaves nothing stale on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from exam.kit.house import House
from exam.visits import service as visits
from tests.conftest import actor_named
from tests.fixtures import houses, server
from tests.registration.cases import walk_in

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)


@pytest.fixture
def desk_page(browser: Browser, sqlite_house: House) -> Iterator[Callable[[str], Page]]:
    """`desk_page("/registration/today")` is a page of the desk."""
    with server.serving(sqlite_house) as base, browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN") as context:

        def open_page(path: str) -> Page:
            page = context.new_page()
            page.goto(f"{base}/sign-in")
            page.locator("[name=login]").fill("lin")
            page.locator("[name=password]").fill(houses.PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "/sign-in" not in url)
            page.goto(base + path)
            return page

        yield open_page


@pytest.fixture
def number(sqlite_house: House) -> str:
    """The number of a visit whose order is open."""
    lin = actor_named(sqlite_house, "lin")
    visit_id = walk_in(sqlite_house, lin).visit_id
    with sqlite_house.unit(lin, write=False) as db:
        return visits.card(db, visit_id).visit_no


def test_words_typed_while_the_first_answer_is_slow_are_looked_up_too(desk_page: Callable[[str], Page], number: str) -> None:
    page = desk_page(f"/registration/visits/{number}")
    held: list[Route] = []
    page.route("**/groups/find", lambda route: route.continue_() if held else held.append(route))
    page.evaluate("() => { window.asked = 0; document.addEventListener('htmx:confirm', () => { window.asked += 1; }); }")
    field = page.locator("#group-q")
    with page.expect_request("**/groups/find"):
        field.fill("血沉")
    field.fill("甲功")
    page.wait_for_function("() => window.asked === 2")  # typed, and the first answer is still under way
    held[0].continue_()
    expect(page.locator("#groups-found")).to_contain_text("甲功7项")
    expect(page.locator("#groups-found")).not_to_contain_text("血沉")


def test_a_second_press_of_a_button_while_the_first_is_under_way_sends_nothing(
    desk_page: Callable[[str], Page], number: str, sqlite_house: House
) -> None:
    page = desk_page(f"/registration/visits/{number}")
    held: list[Route] = []
    page.route("**/payments", lambda route: held.append(route))
    page.locator("[name=receipt_no]").first.fill("A0001")
    button = page.get_by_role("button", name="登记收款")
    with page.expect_request("**/payments"):
        button.click()
    button.click()
    with page.expect_response("**/payments"):
        held[0].continue_()
    page.wait_for_load_state("networkidle")
    assert len(held) == 1

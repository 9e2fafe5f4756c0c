"""The entry screen driven by keyboard in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, expect

from exam.kit.house import House
from exam.visits import service as visits
from results import service
from tests.conftest import actor_named
from tests.fixtures import houses, server
from tests.results.cases import GENERAL, arrive, enter

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)


@pytest.fixture
def address(sqlite_house: House) -> Iterator[str]:
    """The app on a port of its own."""
    with server.serving(sqlite_house) as base:
        yield base


@pytest.fixture
def visit(sqlite_house: House) -> tuple[UUID, str]:
    """A man who has arrived: his visit and its number."""
    lin = actor_named(sqlite_house, "lin")
    visit_id = arrive(sqlite_house, lin)
    with sqlite_house.unit(lin, write=False) as db:
        return visit_id, visits.card(db, visit_id).visit_no


@pytest.fixture
def screen(browser: Browser, sqlite_house: House, address: str) -> Iterator[Callable[[str, str], Page]]:
    """`screen("wu", "/results/MED")` is a page of a browser signed in as that doctor."""
    contexts = []
    faults: list[str] = []

    def open_page(login: str, path: str) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN")
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{address}/sign-in")
        page.locator("[name=login]").fill(login)
        page.locator("[name=password]").fill(houses.PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/sign-in" not in url)
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def stored(house: House, visit_id: UUID, department: str) -> dict[str, Any]:
    """What is stored: item -> what was written."""
    with house.unit(actor_named(house, "wu"), write=False) as db:
        found = service.department_result(db, visit_id, department)
    return {reading.item: "、".join(reading.choices) or reading.raw for reading in found.readings}


def test_a_doctor_of_many_departments_finds_one_by_its_initials(
    screen: Callable[[str, str], Page], visit: tuple[UUID, str]
) -> None:
    page = screen("lu", "/results?choose=1")
    expect(page.locator(".room")).to_have_count(5)
    expect(page.locator("#room")).to_be_focused()
    page.keyboard.type("gn")
    expect(page.locator(".room:visible")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/results/FUN")
    page = screen("wu", "/results?choose=1")
    expect(page.locator(".room")).to_have_count(3)
    expect(page.locator("#room")).to_have_count(0)


def test_everything_normal_with_one_key_then_the_number_then_sign(
    screen: Callable[[str, str], Page], sqlite_house: House, visit: tuple[UUID, str]
) -> None:
    page = screen("wu", "/results/MED")
    page.keyboard.type(visit[1])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/results/MED/{visit[1]}")
    expect(page.get_by_role("heading", level=1)).to_have_text("内科 · 韦小明")
    page.keyboard.press("F2")
    expect(page.locator("#toast")).to_contain_text("已填入 10 项正常")
    page.keyboard.type("72")
    expect(page.locator("#live")).to_contain_text("项目已录全")
    expect(page.locator("#summary")).to_have_value("内科未见明显异常")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/results/MED")
    values = stored(sqlite_house, visit[0], "MED")
    assert (values["MED_HIS"], values["MED_RHY"], values["MED_HR"]) == ("无特殊", "齐", "72")


def test_choices_by_digit_several_by_number_and_the_next_field_by_enter(
    screen: Callable[[str, str], Page], sqlite_house: House, visit: tuple[UUID, str]
) -> None:
    page = screen("wu", f"/results/MED/{visit[1]}")
    expect(page.locator("#MED_HIS-search")).to_be_focused()
    for text in ("2", "糖尿"):
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#MED_FAM-search")).to_be_focused()
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.type("110")
    page.keyboard.press("Enter")
    page.keyboard.press("3")
    page.keyboard.press("1")
    expect(page.locator("#mark-MED_HR")).to_contain_text("偏高")
    expect(page.locator("#mark-MED_RHY")).to_contain_text("异常")
    expect(page.locator("#summary")).to_have_value("心率(听诊) 110 次/分 ↑;心律:房颤律")
    page.keyboard.press("Control+S")
    expect(page.locator("#toast")).to_contain_text("已保存")
    assert stored(sqlite_house, visit[0], "MED") == {
        "MED_HIS": "高血压、糖尿病", "MED_FAM": "无特殊", "MED_HR": "110", "MED_RHY": "房颤律", "MED_MUR": "未闻及",
    }  # fmt: skip


def test_a_digit_names_the_grade_and_not_its_place(
    screen: Callable[[str, str], Page], sqlite_house: House, visit: tuple[UUID, str]
) -> None:
    page = screen("lu", f"/results/USG/{visit[1]}")
    page.locator("input[name=US_TIRADS][type=radio]").first.focus()
    page.keyboard.press("5")
    expect(page.locator("input[name=US_TIRADS][value='5']")).to_be_checked()
    page.keyboard.press("4")
    page.keyboard.press("4")
    expect(page.locator("input[name=US_TIRADS][value='4B']")).to_be_checked()


def test_a_number_out_of_range_turns_red_and_a_formula_follows_while_typing(
    screen: Callable[[str, str], Page], visit: tuple[UUID, str]
) -> None:
    page = screen("wu", f"/results/GEN/{visit[1]}")
    page.locator("#HT").fill("170")
    page.locator("#WT").fill("90")
    page.locator("#SBP").fill("165")
    expect(page.locator("#value-BMI")).to_have_text("31.1")
    expect(page.locator("#mark-SBP .flag")).to_have_text("↑")
    expect(page.locator("#SBP")).to_have_css("color", "rgb(180, 35, 24)")
    page.locator("#SBP").fill("abc")
    expect(page.locator("#mark-SBP")).to_contain_text("无法识别")
    page.keyboard.press("Control+S")
    expect(page.locator("#refusal")).to_contain_text("无法识别")
    expect(page.locator("#HT")).to_have_value("170")


def test_a_value_signed_in_the_moment_it_was_typed_is_in_the_summary(
    screen: Callable[[str, str], Page], sqlite_house: House, visit: tuple[UUID, str]
) -> None:
    page = screen("wu", f"/results/GEN/{visit[1]}")
    for item, text in {**GENERAL, "SBP": "150"}.items():
        page.locator(f"#{item}").fill(str(text))
    expect(page.locator("#summary")).to_have_value("收缩压 150 mmHg ↑")
    page.locator("#SPO2").fill("88")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/results/GEN")
    with sqlite_house.unit(actor_named(sqlite_house, "wu"), write=False) as db:
        found = service.department_result(db, visit[0], "GEN")
    assert found.state == "verified"
    assert "收缩压 150 mmHg ↑" in found.summary and "88" in found.summary


def test_what_is_wrong_with_a_value_is_said_once_in_its_row_and_no_old_confirmation_stays(
    screen: Callable[[str, str], Page], visit: tuple[UUID, str]
) -> None:
    page = screen("wu", f"/results/GEN/{visit[1]}")
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.get_by_role("button", name="采用自动小结")).to_be_in_viewport()
    button = page.get_by_role("button", name="采用自动小结").bounding_box()
    bar = page.locator(".action-bar").bounding_box()
    assert button and bar and button["y"] + button["height"] <= bar["y"]
    page.locator("#WC").fill("95")
    page.keyboard.press("Control+S")
    expect(page.locator("#toast")).to_contain_text("已保存")
    expect(page.locator("#WC")).to_have_value("95.0")
    page.locator("#SBP").fill("900")
    page.keyboard.press("Control+S")
    expect(page.locator("#refusal")).to_contain_text("超出可信范围")
    expect(page.locator("#toast")).to_be_empty()
    row = page.locator("tr:has(#SBP)")
    expect(row.locator(".problem-words")).to_be_visible()
    assert row.inner_text().count("超出可信范围") == 1
    assert row.locator(".problem-words").evaluate("each => each.getClientRects().length") == 1
    expect(page.locator(".versions")).to_have_css("list-style-type", "none")


def test_a_bad_scan_leaves_the_list_and_its_text_selected(screen: Callable[[str, str], Page], visit: tuple[UUID, str]) -> None:
    page = screen("wu", "/results/GEN")
    page.keyboard.type("99999")
    page.keyboard.press("Enter")
    expect(page.locator("#refusal .refusal")).to_be_visible()
    expect(page.locator("#work-list tbody tr")).to_have_count(1)
    expect(page.locator("#number")).to_be_focused()
    assert page.evaluate("document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd)") == "99999"


def test_the_laboratory_screen_has_sections_in_two_columns_and_aligned_cells(
    screen: Callable[[str, str], Page], visit: tuple[UUID, str]
) -> None:
    page = screen("nong", f"/results/LAB/{visit[1]}")
    boxes = page.locator(".entry-section").evaluate_all("all => all.map(each => each.getBoundingClientRect().x)")
    assert len(boxes) == 8
    assert len({round(x) for x in boxes}) == 2
    lefts = page.locator("#WBC, #RBC, #PLT").evaluate_all(
        "all => all.map(each => [each, ...each.closest('tr').querySelectorAll('.is-unit, .is-range')].map(cell => cell.getBoundingClientRect().x))"
    )
    assert lefts[0] == lefts[1] == lefts[2]
    gap = page.locator("#WBC").evaluate(
        "each => { const range = document.createRange(); range.selectNodeContents(each.closest('tr').querySelector('.is-unit'));"
        " return range.getBoundingClientRect().left - each.getBoundingClientRect().right; }"
    )
    assert gap >= 8


def test_enter_walks_through_all_sections_and_the_bar_stays_in_sight(
    screen: Callable[[str, str], Page], sqlite_house: House, visit: tuple[UUID, str]
) -> None:
    page = screen("nong", f"/results/LAB/{visit[1]}")
    bar = page.locator(".action-bar")
    order = page.locator("#entry").evaluate(
        "form => [...new Set([...form.querySelectorAll('.entry-section input:not([type=hidden])')].map(each => each.name))]"
    )
    assert order[0] == "WBC" and order[-1] == "F_OB" and len(order) == 50
    expect(page.locator("#WBC")).to_be_focused()
    for item in order:
        assert page.evaluate("document.activeElement.name") == item
        place = page.evaluate("document.activeElement.closest('tr').getBoundingClientRect().bottom")
        assert place <= bar.evaluate("each => each.getBoundingClientRect().top") + 1, item
        if item == "WBC":
            page.keyboard.type("20")
        page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_be_focused()
    expect(page.locator("#live")).to_contain_text("异常 1 项")
    expect(bar).to_be_in_viewport()
    page.keyboard.press("Control+S")
    expect(page.locator("#toast")).to_contain_text("已保存")
    assert stored(sqlite_house, visit[0], "LAB") == {"WBC": "20"}


def test_the_laboratory_screen_is_one_column_on_a_phone(screen: Callable[[str, str], Page], visit: tuple[UUID, str]) -> None:
    page = screen("nong", f"/results/LAB/{visit[1]}")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert (
        page.locator(".entry-section").evaluate_all(
            "all => new Set(all.map(each => Math.round(each.getBoundingClientRect().x))).size"
        )
        == 1
    )
    tops = page.locator("#WBC").evaluate(
        "each => ['.is-name', '.is-value', '.is-unit', '.is-range'].map(part => {"
        " const box = each.closest('tr').querySelector(part).getBoundingClientRect(); return Math.round(box.top + box.height / 2); })"
    )
    assert tops[0] < tops[1] == tops[2] == tops[3]


def test_two_doctors_see_each_others_change_and_choose_by_key(
    screen: Callable[[str, str], Page], sqlite_house: House, visit: tuple[UUID, str]
) -> None:
    page = screen("wu", f"/results/MED/{visit[1]}")
    enter(sqlite_house, actor_named(sqlite_house, "mo"), visit[0], "MED", MED_HR="75", MED_LUNG="干啰音")
    page.locator("#MED_HR").fill("80")
    page.keyboard.press("Control+S")
    dialog = page.locator("#conflict-dialog")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("莫文斌:75")
    expect(dialog).to_contain_text("我的:80")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#record")).to_have_attribute("data-version", "2")
    assert stored(sqlite_house, visit[0], "MED") == {"MED_HR": "80", "MED_LUNG": "干啰音"}


def test_a_signature_is_taken_back_with_a_reason(
    screen: Callable[[str, str], Page], sqlite_house: House, visit: tuple[UUID, str]
) -> None:
    lu = actor_named(sqlite_house, "lu")
    enter(sqlite_house, lu, visit[0], "RAD", XR_CHE="心肺膈未见异常")
    with sqlite_house.unit(lu) as db:
        service.verify(db, visit[0], "RAD", 1)
    page = screen("lu", f"/results/RAD/{visit[1]}")
    page.keyboard.press("Alt+Z")
    page.keyboard.type("片子放错人")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#entry")).to_be_visible()
    expect(page.locator(".versions")).to_contain_text("片子放错人")


def test_the_entry_screen_fits_a_phone(screen: Callable[[str, str], Page], visit: tuple[UUID, str]) -> None:
    page = screen("wu", f"/results/MED/{visit[1]}")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto(page.url.rsplit("/", 1)[0])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

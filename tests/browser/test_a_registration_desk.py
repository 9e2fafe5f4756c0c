"""The desk by hand in Chromium: drawing with an undo, a sheet that is returned, a paid visit that is cancelled and refunded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from billing import service as billing
from exam.kit.house import House
from exam.people.rules import check_character
from exam.visits import orders, tubes
from exam.visits.facts import LineState
from registration import service
from registration.facts import WalkIn
from tests.conftest import actor_named

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

expect.set_options(timeout=15_000)


def visit_of(house: House, number: int, name: str, *, is_here: bool = True) -> str:
    """A paid visit of an invented person; checked in unless `is_here` is false. Returns its number."""
    body = f"45010219770407{number:02d}1"
    lin = actor_named(house, "lin")
    with house.unit(lin) as db:
        opened = service.walk_in(db, WalkIn(name=name, id_no=body + check_character(body), package="P02"))
        service.pay(db, opened.visit_id, billing.amount_due(db, opened.visit_id), f"SJ-{number}")
        if is_here:
            service.check_in(db, opened.visit_id)
    return opened.visit_no


def barcodes_of(house: House, visit_no: str) -> list[str]:
    """The barcodes of a visit's tubes, in the order of drawing."""
    with house.unit(actor_named(house, "lin"), write=False) as db:
        return [tube.barcode for tube in tubes.of_visit(db, service.visit_of(db, visit_no).id)]


def scan(page: Page, code: str) -> None:
    """A scanner types into the field that waits for it and ends with Enter."""
    expect(page.locator("[name='code']")).to_be_focused()
    page.keyboard.type(code)
    page.keyboard.press("Enter")


def marked_text(page: Page, selector: str) -> str:
    """What a person who marks an element would copy."""
    marked = page.locator(selector).evaluate(
        "element => { const range = document.createRange(); range.selectNodeContents(element); const marks = getSelection();"
        " marks.removeAllRanges(); marks.addRange(range); const text = marks.toString(); marks.removeAllRanges(); return text }"
    )
    return str(marked)


def test_tubes_are_drawn_by_scanning_and_one_is_taken_back(screen: Callable[..., Any], demo_house: tuple[House, str]) -> None:
    house, _ = demo_house
    visit_no, other_no = visit_of(house, 11, "梁采青"), visit_of(house, 12, "陆候生")
    barcodes = barcodes_of(house, visit_no)
    window = screen("lin")
    page: Page = window.page
    assert window.open("/registration/drawing") == 200
    row = page.locator("tr", has=page.locator(f"button[hx-vals*='{visit_no}']"))
    expect(row).to_contain_text("梁*青")
    expect(row.locator("td").last).to_have_text(str(len(barcodes)))
    expect(page.locator("main")).not_to_contain_text("梁采青")
    scan(page, barcodes[0])
    expect(page.locator("#refusal")).to_contain_text("尚未扫描导检单")
    row.locator("button").click()
    expect(page.locator(".drawing-name")).to_contain_text("梁采青")
    assert marked_text(page, ".drawing-number") == visit_no
    scan(page, barcodes_of(house, other_no)[0])
    expect(page.locator("#refusal")).to_contain_text("立即停止采集")
    for count, barcode in enumerate(barcodes[:-1], 1):
        scan(page, barcode)
        expect(page.locator(".tube.is-drawn")).to_have_count(count)
    expect(page.locator("#refusal")).to_be_empty()
    page.get_by_role("button", name="撤销", exact=True).first.press("Enter")
    expect(page.locator("dialog[open] select")).to_be_focused()
    page.locator("dialog[open]").get_by_role("button", name="撤销采集").press("Enter")
    expect(page.locator(".tube.is-drawn")).to_have_count(len(barcodes) - 2)
    expect(page.locator("dialog[open]")).to_have_count(0)
    undone = page.locator(".tube:not(.is-drawn) .number-text").first.inner_text()
    scan(page, undone)
    expect(page.locator(".tube.is-drawn")).to_have_count(len(barcodes) - 1)
    expect(page.get_by_text("等候采血")).to_have_count(0)
    scan(page, barcodes[-1])
    expect(page.locator(".drawing-count")).to_contain_text("已全部采集")
    expect(page.locator("[name='code']")).to_be_focused()
    page.locator(".drawing-next").get_by_role("link", name="等候名单").press("Enter")
    expect(page.locator(f"button[hx-vals*='{other_no}']")).to_be_visible()
    expect(page.locator(f"button[hx-vals*='{visit_no}']")).to_have_count(0)
    expect(page.locator("[name='code']")).to_be_focused()
    assert window.complaints == []


def test_a_signature_is_recorded_where_it_is_missing_and_for_what_is_added(
    screen: Callable[..., Any], demo_house: tuple[House, str]
) -> None:
    house, _ = demo_house
    visit_no = visit_of(house, 15, "蓝同意")
    window = screen("lin")
    page: Page = window.page
    assert window.open(f"/registration/visits/{visit_no}") == 200
    page.locator("#group-q").press_sequentially("乙肝五项")
    page.locator("#groups-found [name='groups'][value='G050']").check()
    page.get_by_role("button", name="加入体检单").press("Enter")
    expect(page.locator("#refusal")).to_contain_text("尚未记录受检者签署")
    page.locator("#add-consent").check()
    page.get_by_role("button", name="加入体检单").press("Enter")
    expect(page.locator("#toast")).to_contain_text("已增加 1 项")
    expect(page.locator(".consent-line")).to_contain_text("已签署")
    page.get_by_role("button", name="撤回同意").press("Enter")
    expect(page.locator("dialog[open]")).to_contain_text("立即记为拒检")
    page.locator("dialog[open]").get_by_role("button", name="确认撤回知情同意").press("Enter")
    expect(page.locator("#toast")).to_contain_text("1 项记为拒检")
    row = page.locator("tr", has_text="乙肝五项")
    row.get_by_role("button", name="恢复").press("Enter")
    expect(page.locator("#refusal")).to_contain_text("“知情同意书”一栏")
    page.locator("#sign-consent").check()
    page.get_by_role("button", name="登记已签署").press("Enter")
    expect(page.locator("#toast")).to_contain_text("已登记知情同意书")
    row.get_by_role("button", name="恢复").press("Enter")
    expect(page.locator("#toast")).to_contain_text("已恢复为待检")
    expect(row).to_contain_text("待检")
    assert window.complaints == []


def test_another_amount_than_what_is_owed_is_recorded_with_a_warning(
    screen: Callable[..., Any], demo_house: tuple[House, str]
) -> None:
    house, _ = demo_house
    visit_no = visit_of(house, 16, "农退差")
    window = screen("lin")
    page: Page = window.page
    assert window.open(f"/registration/visits/{visit_no}") == 200
    page.locator("details.refund-more summary").click()
    expect(page.locator("details.refund-more .warning-line")).to_contain_text("现应退 ¥0.00")
    page.locator("#refund-amount").fill("93.12")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("已登记退费 93.12 元;多于应退金额,待缴 93.12 元")
    expect(page.locator(".money-line")).to_contain_text("待缴 ¥93.12")
    assert window.complaints == []


def test_a_returned_sheet_refuses_what_was_not_examined_and_leaves_the_list(
    screen: Callable[..., Any], demo_house: tuple[House, str]
) -> None:
    house, _ = demo_house
    visit_no = visit_of(house, 13, "覃交单")
    window = screen("lin")
    page: Page = window.page
    assert window.open("/registration/return") == 200
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    expect(page.locator("#refusal")).to_contain_text("体检号应为16位")
    expect(page.locator("[name='code']")).to_be_focused()
    scan(page, visit_no)
    expect(page.locator("#return")).to_contain_text("覃交单")
    expect(page.locator("#return .tabs")).to_have_count(0)
    page.keyboard.press("F2")
    expect(page.locator("dialog[open]")).to_contain_text("将全部记为拒检")
    expect(page.locator("dialog[open] [type=submit]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.locator("#return-manual [value=refuse]").first.check(force=True)
    page.keyboard.press("F2")
    expect(page.locator("dialog[open]")).to_contain_text("您已选择 1 项")
    expect(page.get_by_role("button", name="不,返回")).to_be_focused()
    page.get_by_role("button", name="全部拒检并交单").press("Enter")
    expect(page.locator("#toast")).to_contain_text(f"体检号 {visit_no} 已交单,自动拒检")
    expect(page.locator("#toast")).not_to_contain_text("覃交单")
    expect(page.locator("[name='code']")).to_be_focused()
    expect(page.locator("#return .tabs")).to_be_visible()
    expect(page.locator(f"a[href$='visit_no={visit_no}']")).to_have_count(0)
    with house.unit(actor_named(house, "lin"), write=False) as db:
        lines = orders.lines(db, service.visit_of(db, visit_no).id)
        states = {line.state for line in lines if not line.service_only}
        assert states == {LineState.REFUSED}
    assert window.complaints == []


def test_a_cancelled_visit_shows_what_is_to_be_given_back_until_it_was(
    screen: Callable[..., Any], demo_house: tuple[House, str]
) -> None:
    house, _ = demo_house
    visit_no = visit_of(house, 14, "莫退费", is_here=False)
    url = f"/registration/visits/{visit_no}"
    window = screen("qin")
    page: Page = window.page
    assert window.open(url) == 200
    page.get_by_role("button", name="取消登记", exact=True).press("Enter")
    expect(page.locator("dialog[open]")).to_contain_text("取消后需退费 ¥593.12")
    expect(page.locator("dialog[open] select")).to_be_focused()
    page.locator("dialog[open]").get_by_role("button", name="确认取消登记").press("Enter")
    expect(page.locator("#toast")).to_contain_text("请办理退费 593.12 元")
    expect(page.locator(".money-owed-line")).to_contain_text("需退费 ¥593.12")
    window.open("/registration/today")
    expect(page.locator(".refund-list")).to_contain_text("莫退费")
    page.locator(".refund-list").get_by_role("link", name="莫退费").press("Enter")
    page.wait_for_url(f"**{url}")
    page.locator("#refund-no").fill("TF-14")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("已登记退费 593.12 元")
    expect(page.locator(".money-owed-line")).to_have_count(0)
    expect(page.locator(".money-list")).to_contain_text("TF-14")
    page.locator(".money-list li", has_text="TF-14").get_by_role("button", name="撤销").press("Enter")
    page.locator("dialog[open]").get_by_role("button", name="撤销退费登记").press("Enter")
    expect(page.locator(".money-owed-line")).to_contain_text("需退费 ¥593.12")
    assert window.complaints == []

"""What goes wrong on a chief's day, by keyboard: a record sent back, signatures and a report taken back, and the hand-over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from exam.kit.clock import day_of
from exam.kit.house import House, system_actor
from exam.people.facts import NewPerson
from exam.staff.models import SignIn, Staff
from exam.visits import service as visits
from exam.visits.facts import VisitState
from tests.chief_review.cases import examined, finalized

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

Screens = Callable[..., Any]


@pytest.fixture
def open_as(screen: Screens, demo_house: tuple[House, str]) -> Callable[[str, str], Page]:
    """`open_as("liang", "/chief")` is somebody's page; who may sign has typed the second-factor code before."""
    house, base = demo_house
    expect.set_options(timeout=15_000)
    windows: dict[str, Any] = {}

    def open_page(login: str, path: str) -> Page:
        if login not in windows:
            windows[login] = screen(login)
            windows[login].page.set_viewport_size({"width": 1280, "height": 800})
            with house.unit(None) as db:
                own = select(Staff.id).where(Staff.login == login).scalar_subquery()
                until = house.clock.now().replace(year=2099)
                db.execute(update(SignIn).where(SignIn.staff_id == own).values(signing_until=until, signing_left=9))
        page: Page = windows[login].page
        page.goto(base + path)
        assert windows[login].complaints == []
        return page

    return open_page


def number_of(house: House, visit_id: Any) -> str:
    with house.unit(system_actor("01"), write=False) as db:
        return visits.card(db, visit_id).visit_no


def state_of(house: House, visit_no: str) -> VisitState:
    with house.unit(system_actor("01"), write=False) as db:
        return visits.card(db, visits.find_id(db, visit_no)).state


def sign(page: Page, hotkey: str) -> None:
    """The dialog shows what is signed; Enter signs it."""
    page.keyboard.press(hotkey)
    expect(page.locator("dialog[open]")).to_contain_text("签名窗口至")
    expect(page.locator("dialog[open] [type=submit]")).to_be_focused()
    page.keyboard.press("Enter")


def say_why(page: Page, hotkey: str, reason: str) -> None:
    """Opens a dialog that asks for a reason and answers it without a mouse; a reason left out is refused beside its field."""
    page.keyboard.press(hotkey)
    field = page.locator("dialog[open] textarea[name=reason]")
    field.focus()
    page.keyboard.type(reason)
    page.keyboard.press("Control+Enter")


def test_a_record_goes_back_to_its_department_and_returns_to_the_chief(
    open_as: Callable[[str, str], Page], demo_house: tuple[House, str]
) -> None:
    house, _ = demo_house
    today = day_of(house.clock.now())
    returned = NewPerson(name="覃望舒", id_no="450110197203140016", phone="13800138101")
    visit_no = number_of(house, examined(house, person=returned, on=today))

    he = open_as("he", f"/chief/{visit_no}")
    he.keyboard.press("F2")
    expect(he.locator("#review-form")).to_be_visible()
    he.keyboard.press("Alt+B")
    chosen = he.locator("dialog[open] select[name=department]")
    expect(chosen).to_be_focused()
    chosen.select_option("LAB")
    he.keyboard.press("Control+Enter")
    assert he.locator("dialog[open] textarea[name=reason]").evaluate("field => !field.validity.valid"), "a reason is asked for"
    he.locator("dialog[open] textarea[name=reason]").focus()
    he.keyboard.type("空腹血糖请复核")
    he.keyboard.press("Control+Enter")
    expect(he.locator("#toast")).to_contain_text("已退回科室")
    he.keyboard.press("Alt+4")
    expect(he.locator("main")).to_contain_text("覃望舒")
    expect(he.locator("main")).to_contain_text("空腹血糖请复核")

    nong = open_as("nong", f"/results/LAB/{visit_no}")
    expect(nong.locator("main")).to_contain_text("空腹血糖请复核")
    nong.locator("#GLU").fill("5.10")
    nong.keyboard.press("Control+Enter")
    nong.wait_for_url(lambda address: not address.endswith(visit_no))

    he = open_as("he", f"/chief/{visit_no}")
    expect(he.locator("#review")).to_contain_text("继续主检")
    he.keyboard.press("F2")
    expect(he.locator("#review-form")).to_be_visible()
    expect(he.locator("#pane-abnormal")).not_to_contain_text("空腹血糖")
    sign(he, "F9")
    expect(he.locator("#toast")).to_contain_text("初审已签名")
    assert state_of(house, visit_no) == VisitState.FIRST_REVIEWED
    finish(open_as, visit_no)
    assert state_of(house, visit_no) == VisitState.DELIVERED


def finish(open_as: Callable[[str, str], Page], visit_no: str) -> None:
    """The rest of the day: signed finally, issued, handed over."""
    liang = open_as("liang", f"/chief/{visit_no}")
    sign(liang, "F10")
    expect(liang.locator("#toast")).to_contain_text("终审已签名")
    issue(open_as, visit_no, 1)
    deliver(open_as, visit_no, "本人")


def issue(open_as: Callable[[str, str], Page], visit_no: str, number: int) -> Page:
    """Issues the report with one key."""
    zhao = open_as("zhao", f"/reports/{visit_no}")
    zhao.keyboard.press("F2")
    expect(zhao.locator("#toast")).to_contain_text(f"已发布第 {number} 版")
    return zhao


def deliver(open_as: Callable[[str, str], Page], visit_no: str, received_by: str) -> Page:
    """Somebody fetches the report at the front desk."""
    lin = open_as("lin", f"/reports/{visit_no}")
    lin.keyboard.press("F4")
    field = lin.locator("dialog[open] [name=received_by]")
    expect(field).to_be_focused()
    expect(field).to_have_value("本人")
    field.fill(received_by)
    lin.keyboard.press("Control+Enter")
    expect(lin.locator("#toast")).to_contain_text("已登记领取")
    return lin


def test_the_final_review_is_undone_and_the_report_recalled_reissued_and_delivered(
    open_as: Callable[[str, str], Page], demo_house: tuple[House, str]
) -> None:
    house, base = demo_house
    today = day_of(house.clock.now())
    person = NewPerson(name="闭月华", id_no="450103198805120021", phone="13800138102")
    visit_no = number_of(house, finalized(house, examined(house, person=person, on=today)))

    liang = open_as("liang", f"/chief/{visit_no}")
    say_why(liang, "Alt+U", "结论需要补充")
    expect(liang.locator("#toast")).to_contain_text("已撤销终审")
    expect(liang.locator("#review")).to_contain_text("待终审")
    expect(liang.locator(".sign-history")).to_contain_text("结论需要补充")
    assert state_of(house, visit_no) == VisitState.FIRST_REVIEWED
    sign(liang, "F10")
    expect(liang.locator("#toast")).to_contain_text("终审已签名")

    zhao = issue(open_as, visit_no, 1)
    liang = open_as("liang", f"/chief/{visit_no}")
    say_why(liang, "Alt+U", "再看一次")
    expect(liang.locator("#refusal")).to_contain_text("只能逐级撤销")
    expect(liang.locator("dialog[open] textarea[name=reason]")).to_have_value("再看一次")

    zhao = open_as("zhao", f"/reports/{visit_no}")
    say_why(zhao, "Alt+R", "受检者单位有误")
    expect(zhao.locator("#toast")).to_contain_text("已撤回第 1 版")
    zhao = issue(open_as, visit_no, 2)
    expect(zhao.locator("main")).to_contain_text("已被替代")
    old = zhao.request.get(f"{base}/reports/{visit_no}/pdf/1")
    assert old.body().startswith(b"%PDF") and "%E5%B7%B2%E8%A2%AB%E6%9B%BF%E4%BB%A3" in old.headers["content-disposition"]
    zhao.get_by_role("button", name="验证签章").first.click()
    expect(zhao.locator("#verdict-2")).to_contain_text("签章有效")

    lin = deliver(open_as, visit_no, "李秀英(妻)")
    expect(lin.locator("main")).to_contain_text("李秀英(妻)")
    assert state_of(house, visit_no) == VisitState.DELIVERED
    lin.get_by_role("button", name="撤销领取").wait_for()

"""One visit through the real screens, by keyboard as the staff work: from the ID number to the PDF."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from exam.catalog import service as catalog
from exam.kit.clock import day_of
from exam.kit.house import House, system_actor
from exam.staff import rules as staff_rules
from exam.staff.models import Staff
from exam.staff.service import secret_of
from rehearsal.cast import Dice
from rehearsal.values import value_of
from tests.fixtures import houses

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ID_NO, NAME = "450110198806120035", "黎远航"
RED = "rgb(180, 35, 24)"
MOST_KEYS_AT_THE_DESK = 10
GENERAL = {"HT": "172", "WT": "66", "WC": "80", "HC": "94", "SBP": "156", "DBP": "84", "PULSE": "72", "TEMP": "36.5", "SPO2": "98"}
"""The general examination of a man whose systolic pressure is high."""

expect.set_options(timeout=15_000)


class Hands:
    """Somebody at a keyboard: signs in by the form, types, scans, and counts the keys."""

    def __init__(self, window: Any) -> None:
        self.window = window
        self.page: Page = window.page
        self.page.set_viewport_size({"width": 1280, "height": 800})
        self.keys = 0

    def press(self, *keys: str) -> None:
        """Single keys, each counted."""
        for key in keys:
            self.page.keyboard.press(key)
            self.keys += 1

    def type(self, text: str) -> None:
        """What has to be typed anyway; not counted."""
        self.page.keyboard.type(text)

    def scan(self, code: str) -> None:
        """A scanner types and ends with Enter."""
        self.page.keyboard.type(code)
        self.page.keyboard.press("Enter")

    def go(self, path: str) -> None:
        """Opens a page, as a click on the menu does."""
        self.page.goto(self.window.base + path)

    def focused(self, name: str) -> None:
        """Waits until the field of that name has the keyboard."""
        expect(self.page.locator(f"[name='{name}']:focus")).to_have_count(1)


@pytest.fixture
def hands(screen: Callable[..., Any]) -> Callable[[str], Hands]:
    """`hands("lin")` signs in by the form, without a mouse."""

    def sign_in(login: str) -> Hands:
        someone = Hands(screen(""))
        someone.go("/sign-in")
        someone.focused("login")
        someone.type(login)
        someone.press("Tab")
        someone.type(houses.PASSWORD)
        someone.press("Enter")
        someone.page.wait_for_url(lambda address: "/sign-in" not in address)
        return someone

    return sign_in


def next_code(house: House, login: str) -> str:
    """A second-factor code that the rehearsal of the demonstration cannot have used up."""
    with house.unit(system_actor("01"), write=False) as db:
        staff = db.scalars(select(Staff).where(Staff.login == login)).one()
        return staff_rules.totp_code(secret_of(house, staff), staff_rules.totp_counter(house.clock.now()) + 1)


def register_pay_and_check_in(lin: Hands) -> str:
    """The desk: recognised, registered, paid, checked in with the slips shown. Returns the visit's number."""
    page = lin.page
    lin.go("/registration/today")
    lin.focused("id_no")
    lin.keys = 0
    lin.type(ID_NO)
    lin.press("Enter")
    lin.focused("name")
    lin.type(NAME)
    lin.press("F2")
    page.wait_for_url("**/registration/visits/*")
    visit_no = page.url.rpartition("/")[2]
    lin.focused("receipt_no")
    lin.type("SJ-0001")
    lin.press("Enter")
    expect(page.get_by_text("已结清")).to_be_visible()
    expect(page.locator("[data-hotkey='F8']")).to_be_focused()
    lin.press("F8")
    expect(page.locator("dialog[open] [type=submit]")).to_be_focused()
    lin.press("Enter")
    page.wait_for_url("**/slips*")
    assert lin.keys <= MOST_KEYS_AT_THE_DESK
    addresses = [frame.get_attribute("src") or "" for frame in page.locator("iframe").all()]
    assert len(addresses) >= 2, "the guide sheet and the labels are shown"
    for address in addresses:
        assert page.request.get(lin.window.base + address).body().startswith(b"%PDF")
    return visit_no


def draw(lin: Hands, visit_no: str) -> None:
    """The chair: the guide sheet, then every tube; the page is read from two metres."""
    lin.go("/registration/drawing")
    lin.focused("code")
    lin.scan(visit_no)
    expect(lin.page.locator(".drawing-name")).to_contain_text(NAME)
    barcodes = [each.inner_text() for each in lin.page.locator(".tube .number-text").all()]
    assert barcodes
    for count, barcode in enumerate(barcodes, 1):
        lin.focused("code")
        lin.scan(barcode)
        expect(lin.page.locator(".tube.is-drawn")).to_have_count(count)
    expect(lin.page.locator(".drawing-count")).to_contain_text("已全部采集")


def open_record(doctor: Hands, department: str, visit_no: str) -> None:
    """From the work list to the entry screen with one scan."""
    doctor.go(f"/results/{department}")
    doctor.focused("number")
    doctor.scan(visit_no)
    doctor.page.wait_for_url(f"**/results/{department}/{visit_no}")
    expect(doctor.page.get_by_role("heading", level=1)).to_contain_text(NAME)


def verify(doctor: Hands, visit_no: str) -> None:
    """Signs the record; the screen goes on."""
    expect(doctor.page.locator("#live")).to_contain_text("项目已录全")
    doctor.press("Control+Enter")
    doctor.page.wait_for_url(lambda address: not address.endswith(visit_no))


def examine_generally(wu: Hands, visit_no: str) -> None:
    """Numbers one after another; a high one turns red, a wrong one is refused and stays where it was typed."""
    page = wu.page
    open_record(wu, "GEN", visit_no)
    for code, value in GENERAL.items():
        wu.focused(code)
        wu.type("84x" if code == "DBP" else value)
        wu.press("Enter")
    expect(page.locator("#mark-SBP")).to_have_attribute("data-flag", "high")
    expect(page.locator("#SBP")).to_have_css("color", RED)
    wu.press("Control+Enter")
    expect(page.locator("#refusal")).to_contain_text("舒张压")
    expect(page.locator("#DBP")).to_have_value("84x")
    expect(page.locator("#SBP")).to_have_value(GENERAL["SBP"])
    page.locator("#DBP").fill(GENERAL["DBP"])
    verify(wu, visit_no)


def examine_internally(wu: Hands, visit_no: str) -> None:
    """Everything normal with one key; the focus waits in the one field that is left."""
    open_record(wu, "MED", visit_no)
    wu.press("F2")
    wu.focused("MED_HR")
    wu.type("72")
    verify(wu, visit_no)


def examine_in_the_laboratory(nong: Hands, visit_no: str, house: House) -> None:
    """Sixty values: choices with one key, numbers down the column."""
    with house.unit(system_actor("01"), write=False) as db:
        items = catalog.catalogue(db, day_of(house.clock.now())).items
    open_record(nong, "LAB", visit_no)
    nong.press("F2")
    dice = Dice("by hand")
    for field in nong.page.locator("#entry .number-row input").all():
        field.focus()
        nong.type(str(value_of(items[field.get_attribute("name") or ""], "M", 38, False, dice)))
    verify(nong, visit_no)


def return_the_sheet(lin: Hands, visit_no: str) -> None:
    """What was not examined is refused with one key and one look at how much that is."""
    lin.go("/registration/return")
    lin.focused("code")
    lin.scan(visit_no)
    expect(lin.page.locator("#return")).to_contain_text("自动拒检并交单")
    lin.press("F2")
    expect(lin.page.locator("dialog[open] [type=submit]")).to_be_focused()
    lin.press("Enter")
    expect(lin.page.locator("#toast")).to_contain_text(f"体检号 {visit_no} 已交单")


def sign(chief: Hands, code: str, hotkey: str) -> None:
    """The dialog asks for a code once, then for the signature."""
    page = chief.page
    chief.press(hotkey)
    expect(page.locator("dialog[open] [name=code]")).to_be_focused()
    chief.type(code)
    chief.press("Enter")
    expect(page.locator("dialog[open]")).to_contain_text("签名窗口至")
    expect(page.locator("dialog[open] [type=submit]")).to_be_focused()
    chief.press("Enter")


def open_review(chief: Hands, visit_no: str) -> None:
    """From the queue to the review with one scan."""
    chief.go("/chief")
    chief.focused("code")
    chief.scan(visit_no)
    chief.page.wait_for_url(f"**/chief/{visit_no}")


def test_a_visit_goes_through_the_house_by_keyboard(hands: Callable[[str], Hands], demo_house: tuple[House, str]) -> None:
    house, _ = demo_house
    lin = hands("lin")
    visit_no = register_pay_and_check_in(lin)
    draw(lin, visit_no)
    wu = hands("wu")
    examine_generally(wu, visit_no)
    examine_internally(wu, visit_no)
    return_the_sheet(lin, visit_no)
    nong = hands("nong")
    examine_in_the_laboratory(nong, visit_no, house)

    he = hands("he")
    open_review(he, visit_no)
    he.press("F2")
    expect(he.page.locator("#review-form")).to_be_visible()
    expect(he.page.locator("#review")).to_contain_text("血压")
    he.press("F2")
    sign(he, next_code(house, "he"), "F9")
    expect(he.page.locator("#toast")).to_contain_text("初审")

    zhao = hands("zhao")
    open_review(zhao, visit_no)
    sign(zhao, next_code(house, "zhao"), "F10")
    expect(zhao.page.locator("#toast")).to_contain_text("终审")

    zhao.go(f"/reports/{visit_no}")
    zhao.press("F2")
    expect(zhao.page.locator("#toast")).to_contain_text("已发布第 1 版")
    zhao.press("Alt+1")
    zhao.page.wait_for_url("**/preview*")
    expect(zhao.page.locator("main")).to_contain_text(NAME)
    with zhao.page.expect_download() as fetched:
        zhao.go(f"/reports/{visit_no}")
        zhao.page.get_by_role("link", name="下载").first.click()
    assert fetched.value.path().read_bytes().startswith(b"%PDF")
    for someone in (lin, wu, nong, he, zhao):
        assert someone.window.complaints == []

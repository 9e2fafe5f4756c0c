"""A doctor's hand-written signature from the administrator's upload to the report on screen and on paper."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader
from sqlalchemy import select

from exam.kit.clock import day_of
from exam.kit.house import House, system_actor
from exam.people.facts import NewPerson
from exam.staff.models import Staff
from exam.visits import service as visits
from reporting import service
from tests.browser.test_a_chief_desk import issue, open_as, sign
from tests.chief_review.cases import examined, first_signed
from tests.staff.handwriting import jpeg, photographed, png, written

__all__ = ["open_as"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def size_of(page: Page, selector: str) -> list[int]:
    """The pixels of a picture that the browser has loaded; a broken one has none."""
    shown = page.locator(selector).first
    expect(shown).to_be_visible()
    return shown.evaluate("async image => { await image.decode(); return [image.naturalWidth, image.naturalHeight]; }")


def test_a_signature_is_put_signed_with_and_stands_in_preview_and_file(
    open_as: Callable[[str, str], Page],
    demo_house: tuple[House, str],
) -> None:
    house, _ = demo_house
    with house.unit(None, write=False) as db:
        liang_id = db.scalars(select(Staff.id).where(Staff.login == "liang")).one()
    account = f"/staff/accounts/{liang_id}"

    system = open_as("system", account)
    system.get_by_role("button", name="上传签名图片").click()
    chooser = system.locator("dialog[open] input[type=file]")
    chooser.set_input_files({"name": "白纸.png", "mimeType": "image/png", "buffer": png(written(ink=(250, 250, 248)))})
    expect(system.locator("dialog[open] .refusal")).to_contain_text("图片上没有清楚的签名")
    expect(chooser).to_have_attribute("aria-invalid", "true")
    chooser.set_input_files({"name": "签名.jpg", "mimeType": "image/jpeg", "buffer": jpeg(photographed())})
    previewed = size_of(system, "#signature-preview img")
    assert previewed[1] == 200
    expect(system.locator("dialog[open] .refusal")).to_have_count(0)
    system.locator("dialog[open] [type=submit]").click()
    expect(system.locator("#toast")).to_contain_text("签名图片已保存")
    assert size_of(system, ".signature-line img") == previewed, "what was shown is what is kept"

    person = NewPerson(name="卢晓峰", id_no="45011019681107023X", phone="13800138105")
    visit_id = first_signed(house, examined(house, person=person, on=day_of(house.clock.now())))
    with house.unit(system_actor("01"), write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
    liang = open_as("liang", "/staff/signing")
    assert size_of(liang, ".signature-line img") == previewed, "the doctor sees it before signing"
    liang = open_as("liang", f"/chief/{visit_no}")
    sign(liang, "F10")
    expect(liang.locator("#toast")).to_contain_text("终审已签名")

    zhao = open_as("zhao", f"/reports/{visit_no}/preview")
    assert size_of(zhao, ".report-signatures img") == previewed
    issue(open_as, visit_no, 1)
    zhao = open_as("zhao", f"/reports/{visit_no}/preview?version=1")
    assert size_of(zhao, ".report-signatures img") == previewed
    with house.unit(system_actor("01"), write=False) as db:
        pdf = service.pdf(db, visit_id, 1).content
    pictures: list[Any] = [image.image for page in PdfReader(io.BytesIO(pdf)).pages for image in page.images]
    assert previewed in [list(each.size) for each in pictures if each is not None]

    system = open_as("system", account)
    system.get_by_role("button", name="撤下签名图片").click()
    system.locator("dialog[open] [name=reason]").fill("本人要求重新书写")
    system.keyboard.press("Enter")
    expect(system.locator("#toast")).to_contain_text("签名图片已撤下")
    expect(system.locator("main")).to_contain_text("没有签名图片,报告上只印姓名")
    zhao = open_as("zhao", f"/reports/{visit_no}/preview?version=1")
    assert size_of(zhao, ".report-signatures img") == previewed, "what was signed stays as it was"

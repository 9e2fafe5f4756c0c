"""The cashier's screens: what a browser may send and may not, what it is shown, and the papers."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from uuid import UUID

import openpyxl
import pytest

from billing.facts import AccountKind
from billing.receipt_paper import PaperKind, PrintedLine, PrintedPart, PrintedReceipt, receipt_pdf
from exam.kit.house import House
from registration.facts import WalkIn
from tests.billing.cashier_cases import Acting, cash, due, sheet_of, take, take_all, visit_of
from tests.conftest import Desk
from tests.registration.cases import no_breaches

Signing = Callable[[str], Desk]


def number_of(house: House, acting: Acting, visit_id: UUID) -> str:
    return sheet_of(house, acting("chen"), visit_id).card.visit_no


def form_of(desk: Desk, url: str) -> dict[str, str]:
    """The hidden fields of the form that takes money, as the page has them."""
    page = desk.get(url).text
    return {name: re.search(f'name="{name}" value="([^"]*)"', page).group(1) for name in ("key", "seen_due")}  # type: ignore[union-attr]


def test_scan_take_and_print(house: House, acting: Acting, desk: Signing) -> None:
    visit_id, chen = visit_of(house, acting), desk("chen")
    visit_no = number_of(house, acting, visit_id)
    scanned = chen.htmx("/cashier/scan", {"code": visit_no})
    assert scanned.headers["hx-redirect"] == f"/cashier/visits/{visit_no}"
    url = f"/cashier/visits/{visit_no}"
    whole = due(house, visit_id)
    taken = chen.htmx(f"{url}/take", {**form_of(chen, url), "cash": f"{whole / 100:.2f}", "tendered": f"{whole / 100 + 6.88:.2f}"})
    receipt_url = taken.headers["hx-redirect"]
    page = chen.get(receipt_url).text
    assert "找零(元)" in page
    assert ">6.88<" in page
    assert "iframe" not in page
    assert chen.get(f"{receipt_url}/pdf/roll").status_code == 404
    for count in (1, 2):
        printed = chen.htmx(f"{receipt_url}/prints", {"paper": "roll"})
        assert printed.headers["hx-redirect"] == f"{receipt_url}?paper=roll"
        assert f"{count} 次" in chen.get(receipt_url).text
    for paper in ("roll", "a5"):
        assert chen.get(f"{receipt_url}/pdf/{paper}").content.startswith(b"%PDF")
    assert chen.get(f"{receipt_url}/pdf/a3").status_code == 404
    assert due(house, visit_id) == 0


@pytest.mark.parametrize(
    "sent",
    [
        {"price": "1"}, {"discount": "0.1"}, {"paid": "1"}, {"qty": "-1"}, {"currency": "USD"}, {"cash": "-1"}, {"cash": "0.005"},
        {"cash": "1e9"}, {"cash": "NaN"}, {"cash": "Infinity"}, {"cash": "0"}, {"cash": "１０"}, {"cash": "99999999"}, {"pos": "1"},
        {"cash": "1", "seen_due": "1"}, {"cash": "1", "seen_due": "x"}, {"card": "1", "card_no": "no"}, {"cash": "1", "tendered": "0.5"},
        {"cash": ["1", "2"]},
    ],
)  # fmt: skip
def test_a_browser_does_not_say_what_something_costs(house: House, acting: Acting, desk: Signing, sent: dict[str, object]) -> None:
    """AT-26: server prices only; nothing is taken, and what was typed is kept by the page."""
    visit_id, chen = visit_of(house, acting), desk("chen")
    url = f"/cashier/visits/{number_of(house, acting, visit_id)}"
    whole = due(house, visit_id)
    form: dict[str, object] = {**form_of(chen, url), "cash": f"{whole / 100:.2f}"}
    if any(name in sent for name in ("pos", "card")):
        del form["cash"]
    answer = chen.htmx(f"{url}/take", {**form, **sent})
    assert answer.status_code in (409, 422)
    assert answer.headers["hx-retarget"] == "#refusal"
    assert due(house, visit_id) == whole
    assert sheet_of(house, acting("chen"), visit_id).receipts == ()


def test_discounts_a_browser_sends_go_by_the_limit(house: House, acting: Acting, desk: Signing) -> None:
    """AT-26."""
    visit_id, chen, fang = visit_of(house, acting), desk("chen"), desk("fang")
    url = f"/cashier/visits/{number_of(house, acting, visit_id)}"
    whole = due(house, visit_id)
    for bad in (
        {"factor": "NaN"},
        {"factor": "-1"},
        {"factor": "2"},
        {"total": "-1"},
        {"total": "0.005"},
        {"factor": "0.5", "approved_by": "x"},
    ):
        assert chen.htmx(f"{url}/discounts", {"reason": "x", **bad}).status_code in (409, 422)
    assert chen.htmx(f"{url}/discounts", {"reason": "老客户", "factor": "0.86"}).status_code == 200
    assert due(house, visit_id) == whole
    assert "待审批" in chen.get(url).text
    request_id = re.search(r"/cashier/approvals/([0-9a-f-]{36})", fang.get("/cashier/approvals").text).group(1)  # type: ignore[union-attr]
    assert chen.htmx(f"/cashier/approvals/{request_id}", {"is_approved": "yes"}).status_code == 409
    assert fang.htmx(f"/cashier/approvals/{request_id}", {"is_approved": "yes"}).status_code == 200
    assert due(house, visit_id) < whole
    assert no_breaches(house)


def test_the_same_form_twice_takes_once_and_a_changed_one_is_a_conflict(house: House, acting: Acting, desk: Signing) -> None:
    """AT-28."""
    visit_id, chen = visit_of(house, acting), desk("chen")
    url = f"/cashier/visits/{number_of(house, acting, visit_id)}"
    form = {**form_of(chen, url), "cash": "1.00"}
    first, again = (chen.htmx(f"{url}/take", form) for _ in range(2))
    assert first.headers["hx-redirect"] == again.headers["hx-redirect"]
    assert chen.htmx(f"{url}/take", {**form, "cash": "2.00"}).status_code == 409
    assert len(sheet_of(house, acting("chen"), visit_id).receipts) == 1


def test_a_refund_is_planned_confirmed_and_shown(house: House, acting: Acting, desk: Signing) -> None:
    visit_id, chen = visit_of(house, acting), desk("chen")
    take_all(house, acting("chen"), visit_id)
    sheet = sheet_of(house, acting("chen"), visit_id)
    url = f"/cashier/visits/{sheet.card.visit_no}"
    line = next(each for each in sheet.lines if each.person_fen)
    plan = chen.htmx(f"{url}/refund-plan", {"lines": str(line.id)}).text
    assert f'name="seen_fen" value="{line.person_fen}"' in plan
    form = {"key": "refund-00001", "lines": str(line.id), "reason": "受检者要求退项"}
    assert chen.htmx(f"{url}/refund", {**form, "seen_fen": "1"}).status_code == 409
    done = chen.htmx(f"{url}/refund", {**form, "seen_fen": str(line.person_fen)})
    assert "退费" in chen.get(done.headers["hx-redirect"]).text
    assert due(house, visit_id) == 0


def test_a_receipt_is_voided_and_issued_again_from_the_screen(house: House, acting: Acting, desk: Signing) -> None:
    visit_id, chen = visit_of(house, acting), desk("chen")
    receipt = take_all(house, acting("chen"), visit_id)
    url = f"/cashier/visits/{number_of(house, acting, visit_id)}"
    assert desk("lan").htmx(f"/cashier/receipts/{receipt.id}/void", {"reason": "x"}).status_code == 409
    voided = chen.htmx(f"/cashier/receipts/{receipt.id}/void", {"reason": "收款方式选错"})
    assert voided.headers["hx-redirect"] == f"{url}?reissues={receipt.id}"
    page = chen.get(voided.headers["hx-redirect"]).text
    assert f'name="reissues" value="{receipt.id}"' in page
    fields = {**form_of(chen, url), "pos": f"{receipt.total_fen / 100:.2f}", "pos_no": "0099", "reissues": str(receipt.id)}
    again = chen.htmx(f"{url}/take", fields)
    assert again.status_code == 200
    new = sheet_of(house, acting("chen"), visit_id).receipts[-1].receipt
    assert (new.reissues, new.parts[0].method) == (receipt.id, AccountKind.BANK_CARD)


def test_the_days_receipts_are_found_paged_and_exported(house: House, acting: Acting, desk: Signing) -> None:
    visit_id, chen = (
        visit_of(house, acting, WalkIn(name="=甲乙", id_no="450110198503150018", phone="13800138000", package="P02")),
        desk("chen"),
    )
    for _ in range(51):
        take(house, acting("chen"), visit_id, [cash(100)])
    visit_no = number_of(house, acting, visit_id)
    page = chen.get("/cashier").text
    assert "共 <b>51</b> 条" in page
    assert "现金 <b>¥51.00</b>" in page
    assert chen.get("/cashier?page=2").text.count("/cashier/receipts/") == 1
    assert "共 <b>51</b> 条" in chen.get(f"/cashier?q={visit_no}&day=2020-01-01").text
    assert "这一天还没有收据" in chen.get("/cashier?day=2020-01-01").text
    assert "这一天还没有收据" in desk("lan").get("/cashier?own=1").text
    book = openpyxl.load_workbook(io.BytesIO(chen.get("/cashier/export").content))
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    assert len(rows) == 52
    assert rows[1][5] == "=甲乙"
    assert rows[1][6] == 1
    assert book.worksheets[0]["F2"].data_type == "s"


@pytest.mark.parametrize("login", ["wu", "lin", "tan"])
def test_the_counter_is_for_those_who_may(house: House, acting: Acting, desk: Signing, login: str) -> None:
    visit_id, other = visit_of(house, acting), desk(login)
    visit_no = number_of(house, acting, visit_id)
    for url in ("/cashier", f"/cashier/visits/{visit_no}", "/cashier/approvals", "/cashier/discounts", "/cashier/export"):
        assert other.get(url).status_code == 403
    assert other.htmx(f"/cashier/visits/{visit_no}/take", {"key": "x" * 10, "seen_due": "1", "cash": "1"}).status_code in (403, 409)
    assert sheet_of(house, acting("chen"), visit_id).receipts == ()


def test_limits_and_schemes_are_put_from_the_screen(house: House, desk: Signing) -> None:
    deng = desk("deng")
    limit = {"role": "cashier", "least_factor": "0.9", "valid_from": "2026-12-01", "source": "院务会"}
    assert deng.htmx("/cashier/discounts/limits", limit).status_code == 200
    scheme = {"code": "D11", "name": "双十一", "factor": "0.9", "valid_from": "2026-11-21", "source": "价格会议"}
    assert deng.htmx("/cashier/discounts/schemes", scheme).status_code == 200
    page = deng.get("/cashier/discounts").text
    assert "未生效" in page
    assert "双十一" in page
    assert desk("fang").htmx("/cashier/discounts/limits", limit).status_code in (403, 409)


def test_data_on_a_receipt_is_never_markup(house: House) -> None:
    """A name that looks like markup is drawn as it is, on both papers."""
    printed = PrintedReceipt(
        title="收 款 收 据", receipt_no="R010100000001", centre_name="<b>中心</b>", about="体检费", person="<script>&amp;", visit_no="0101",
        at=house.clock.now(), cashier="陈\n秀兰", sign=1, total_fen=100, copy_no=2,
        lines=tuple(PrintedLine(f"<font size=99>项目{n}</font>" * 3, 100) for n in range(60)),
        parts=(PrintedPart("现金", 100, "", 200, 100),), note="<para>重开</para>",
    )  # fmt: skip
    for kind in PaperKind:
        assert receipt_pdf(printed, kind).startswith(b"%PDF")

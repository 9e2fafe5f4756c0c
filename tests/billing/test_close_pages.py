"""The screens of invoices, day closes and reports: a whole day by forms, refusals that keep what was typed, files, and who may."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import openpyxl
import pytest

from billing import day_close, takings
from exam.kit.house import House
from tests.billing.close_cases import TODAY, Acting, closed, pieces, segment, taken
from tests.conftest import Desk
from tests.registration.cases import no_breaches, numbered, walk_in

Signing = Callable[[str], Desk]


def key_of(page: str) -> str:
    found = re.search(r'name="key" value="([0-9a-f]+)"', page)
    assert found is not None
    return found[1]


def counted(fen: int) -> dict[str, str]:
    return {f"pieces_{value}": str(number) for value, number in pieces(fen).items() if number}


def location(answer: Any) -> str:
    assert answer.status_code in (200, 303), answer.text[:2000]
    return str(answer.headers.get("hx-redirect") or answer.headers["location"])


def sheet(content: bytes, number: int = 0) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(BytesIO(content)).worksheets[number].iter_rows(values_only=True))


def test_a_cashier_counts_and_closes_and_prints(house: House, acting: Acting, desk: Signing) -> None:
    receipt = taken(house, acting)
    chen = desk("chen")
    page = chen.get("/day-close").text
    assert "待日结班次" in page
    drawer_id = re.search(r'action="/day-close/drawers/([^"]+)"', page)
    assert drawer_id is not None
    url, key = f"/day-close/drawers/{drawer_id[1]}", key_of(page)
    refused = chen.htmx(url, {"key": key, **counted(receipt.total_fen - 100), "handed": "0"})
    assert refused.status_code == 422
    assert "短款 1.00 元" in refused.text
    wrong = chen.htmx(url, {"key": key, "pieces_100": "x", "handed": "0"})
    assert "张数应为整数" in wrong.text
    form = {"key": key, **counted(receipt.total_fen - 100), "handed": "0", "reason": "找零多付"}
    done = location(chen.post(url, form))
    assert location(chen.post(url, form)) == done, "the same form closes once"
    shown = chen.get(done).text
    assert "短款 1.00 元" in shown
    assert "找零多付" in shown
    for paper in ("a4", "roll"):
        pdf = chen.get(f"{done}/pdf/{paper}")
        assert pdf.content.startswith(b"%PDF")
    assert desk("lan").get(done).status_code == 404, "another cashier's close"
    assert "没有待日结的班次" in chen.get("/day-close").text
    assert no_breaches(house)


def test_finance_sees_who_waits_closes_for_them_and_closes_the_centre(house: House, acting: Acting, desk: Signing) -> None:
    first, second = taken(house, acting, number=1), taken(house, acting, "lan", number=2)
    closed(house, acting)
    deng = desk("deng")
    page = deng.get("/day-close/centre").text
    assert "蓝小凤" in page
    assert "办理全院日结</button>" not in page
    drawer = re.search(r'href="(/day-close/centre/drawers/[^"]+)"', page)
    assert drawer is not None
    counting = deng.get(drawer[1]).text
    form = {"key": key_of(counting), **counted(second.total_fen), "handed": "0"}
    close_url = location(deng.post(drawer[1], form))
    assert "邓会计 代结" in deng.get(close_url).text
    assert location(deng.post(f"{close_url}/undo", {"reason": "清点有误"})) == close_url
    assert "本日结已撤销" in deng.get(close_url).text
    counting = deng.get(drawer[1]).text
    location(deng.post(drawer[1], form | {"key": key_of(counting)}))
    location(deng.post("/day-close/centre", {"day": TODAY.isoformat()}))
    page = deng.get(f"/day-close/centre?day={TODAY}").text
    assert "已日结" in page
    total = first.total_fen + second.total_fen
    assert f"{total // 100}.{total % 100:02d}" in page
    assert deng.get(f"/day-close/centre/{TODAY}/pdf/a4").content.startswith(b"%PDF")
    assert deng.get("/day-close/centre/2020-01-01/pdf/a4").status_code == 404
    assert deng.get("/day-close/centre?day=nonsense").status_code == 200
    assert no_breaches(house)


def test_an_invoice_by_forms_from_the_receipt_to_the_red_one(house: House, acting: Acting, desk: Signing) -> None:
    receipt = taken(house, acting)
    fang, chen = desk("fang"), desk("chen")
    staff_id = acting("chen").staff_id
    given = {"cashier": str(staff_id), "code": "4500", "first": "00000001", "last": "00000005"}
    location(fang.post("/invoices/segments", given))
    again = fang.htmx("/invoices/segments", given)
    assert again.status_code == 422
    assert "重叠" in again.text
    assert chen.post("/invoices/segments", given).status_code == 403
    new = location(chen.post("/invoices/find-receipt", {"receipt_no": receipt.receipt_no.lower()}))
    page = chen.get(new).text
    assert "4500 00000001" in page
    form = {
        "key": key_of(page),
        "of": "receipt",
        "id": str(receipt.id),
        "medium": "paper",
        "buyer": "person",
        "title": "<b>覃志一</b>",
    }
    url = location(chen.post("/invoices/issue", form))
    assert location(chen.post("/invoices/issue", form)) == url
    assert location(chen.get(new)) == url, "it is invoiced already"
    shown = chen.get(url).text
    assert "&lt;b&gt;覃志一" in shown
    assert chen.post(f"{url}/print", {}).content.startswith(b"%PDF")
    assert "重打" in chen.get(url).text
    location(chen.post(f"{url}/spoil", {"reason": "卡纸"}))
    assert "00000002" in chen.get(url).text
    red = location(chen.post(f"{url}/redden", {"reason": "抬头写错"}))
    assert "红字发票" in chen.get(red).text
    assert chen.post(f"{red}/print", {}).content.startswith(b"%PDF")
    location(chen.post("/invoices/blank", {"reason": "撕毁"}))
    segments = chen.get("/invoices/segments").text
    assert "00000001" in segments
    assert "00000004" in segments
    assert receipt.receipt_no in chen.get("/invoices").text
    assert "没有找到发票" in chen.post("/invoices", {"q": "%"}).text
    rows = sheet(chen.get("/invoices/export").content)
    assert len(rows) == 3
    assert sum(row[7] for row in rows[1:]) == 0
    assert no_breaches(house)


def test_a_wrong_receipt_number_and_title_say_what_to_do(house: House, acting: Acting, desk: Signing) -> None:
    segment(house, acting)
    receipt = taken(house, acting)
    chen = desk("chen")
    assert "没有找到收据" in chen.htmx("/invoices/find-receipt", {"receipt_no": "R0"}).text
    page = chen.get(f"/invoices/new?of=receipt&id={receipt.id}").text
    form = {"key": key_of(page), "of": "receipt", "id": str(receipt.id), "buyer": "company", "title": "桂林机械厂", "tax_no": "123"}
    refused = chen.htmx("/invoices/issue", form)
    assert refused.status_code == 422
    assert "税号应为 18 位" in refused.text


def test_takings_add_up_by_cashier_way_and_category(house: House, acting: Acting, desk: Signing) -> None:
    first, second = taken(house, acting, number=1), taken(house, acting, "lan", number=2)
    total = first.total_fen + second.total_fen
    deng = desk("deng")
    page = deng.get("/takings").text
    for words in ("陈秀兰", "蓝小凤", "现金", "健康体检", f"{total // 100}.{total % 100:02d}"):
        assert words in page, words
    content = deng.get("/takings/export").content
    assert round(sum(row[8] for row in sheet(content)[1:]) * 100) == total
    for number in (1, 2, 3):
        assert round(sum(row[4] for row in sheet(content, number)[1:]) * 100) == total
    assert "该期间没有收款" in deng.get("/takings?since=2020-01-01&until=2020-01-02").text
    assert deng.get("/takings?since=x&until=y").status_code == 200
    with house.unit(acting("deng"), write=False) as db:
        assert takings.total(takings.of_period(db, TODAY, TODAY)).net_fen == total


@pytest.mark.parametrize("step", ["day", "week", "month"])
def test_bookings_of_packages_are_counted(house: House, acting: Acting, desk: Signing, step: str) -> None:
    for number in (1, 2, 3):
        walk_in(house, acting("lin"), numbered(number))
    deng = desk("deng")
    until = TODAY + timedelta(days=1)
    rows = sheet(deng.get(f"/takings/packages/export?since={TODAY}&until={until}&step={step}").content)
    assert [row[1:] for row in rows[1:]] == [("P02", rows[1][2], "个人", 3, 0, 0)]
    page = deng.get(f"/takings/packages?since={TODAY}&until={until}&step={step}&who=person").text
    assert "<svg" in page
    assert "没有预约" in deng.get(f"/takings/packages?since={TODAY}&until={until}&who=company").text


def test_settled_and_unsettled_fees_are_listed(house: House, acting: Acting, desk: Signing) -> None:
    receipt = taken(house, acting, number=1)
    walk_in(house, acting("lin"), numbered(2))
    deng = desk("deng")
    assert "覃志三" in deng.get("/takings/fees").text
    assert "覃志二" not in deng.get("/takings/fees").text
    assert "覃志二" in deng.get("/takings/fees?tab=settled").text
    assert "覃志二" in deng.post("/takings/fees", {"q": "覃志二"}).text
    assert "没有符合条件" in deng.post("/takings/fees", {"q": "%"}).text
    rows = sheet(deng.get("/takings/fees/export?tab=settled").content)
    assert [round(row[7] * 100) for row in rows[1:]] == [receipt.total_fen]


@pytest.mark.parametrize(
    ("login", "path"),
    [("lin", "/takings"), ("lin", "/invoices"), ("chen", "/day-close/centre"), ("deng", "/day-close"), ("wu", "/takings/fees")],
)
def test_nobody_sees_what_is_not_theirs(house: House, desk: Signing, login: str, path: str) -> None:
    assert desk(login).get(path).status_code == 403


def test_a_close_of_nothing_is_not_found(house: House, acting: Acting, desk: Signing) -> None:
    assert desk("chen").get(f"/day-close/closes/{UUID(int=9)}").status_code == 404
    assert desk("deng").get(f"/day-close/centre/drawers/{UUID(int=9)}").status_code == 404
    with house.unit(acting("chen"), write=False) as db:
        assert day_close.to_close(db) == []

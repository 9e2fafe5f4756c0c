"""The screens of exam cards: sold, topped up, lost and cancelled by somebody at a desk; and what nobody else may do."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import msgspec
import pytest
import python_calamine
from sqlalchemy import select

from billing import cards
from billing.card_models import CardActRow, CardRow, CardSaleRow
from exam.kit.audit import Audit
from exam.kit.house import House
from exam.people.models import Person
from tests.billing.card_cases import NAMED, PIN, UNNAMED, Acting, balance, pay, sold, state, stocked, type_of
from tests.conftest import Desk
from tests.registration.cases import WEI, walk_in

Signing = Callable[[str], Desk]
TYPE = {
    "name": "健康卡", "category": "exam", "is_named": "false", "face": "500", "price": "450.00", "valid_months": "36", "refund": "proportional",
    "is_reloadable": "true", "is_active": "true",
}  # fmt: skip
KEY = "k" * 32


def sale(first_no: str, **more: str) -> dict[str, str]:
    """The fields that sell a card for cash."""
    return {"key": KEY, "first_no": first_no, "count": "1", "price": "450.00", "method": "cash", "activates": "true"} | more


def test_from_a_type_to_a_card_that_is_sold(house: House, desk: Signing) -> None:
    fang, chen = desk("fang"), desk("chen")
    assert fang.post("/cards/types", TYPE).status_code == 303
    assert "健康卡" in chen.get("/cards/types").text
    made = fang.post("/cards/stock", {"key": KEY, "code": "K001", "count": "3"})
    assert made.status_code == 303
    fang.post("/cards/stock", {"key": KEY, "code": "K001", "count": "3"})  # the same form again
    with house.unit(None, write=False) as db:
        numbers = list(db.scalars(select(CardRow.card_no).order_by(CardRow.card_no)))
        batch_id = db.scalars(select(CardRow.batch_id)).first()
    assert len(numbers) == 3
    stock = fang.get("/cards/stock").text
    assert "入库 3 张" in stock
    assert '<td data-label="张数" class="number">3</td>' in stock
    assert fang.post(f"/cards/stock/{batch_id}/receive").status_code == 303
    offer = chen.htmx("/cards/sell/offer", {"first_no": numbers[0], "count": "2"}).text
    assert "应收 900.00 元" in offer
    assert "100.00 元" in offer  # the discount
    done = chen.post("/cards/sell", sale(numbers[0], count="2", price="900.00", tendered="1000"))
    again = chen.post("/cards/sell", sale(numbers[0], count="2", price="900.00", tendered="1000"))
    assert done.headers["location"] == again.headers["location"]
    page = chen.get(done.headers["location"]).text
    assert "找零" in page
    assert "100.00 元" in page
    with house.unit(None, write=False) as db:
        assert len(db.scalars(select(CardSaleRow.id)).all()) == 1
        sold_ids = db.scalars(select(CardRow.id).where(CardRow.sale_id.is_not(None))).all()
    assert [balance(house, each) for each in sold_ids] == [50_000, 50_000]
    refused = chen.htmx(done.headers["location"] + "/undo", {"reason": ""})
    assert (refused.status_code, "原因" in refused.text) == (409, True)
    assert chen.post(done.headers["location"] + "/undo", {"reason": "顾客改主意"}).status_code == 303
    assert "已撤销" in chen.get(done.headers["location"]).text
    assert [state(house, each) for each in sold_ids] == ["in_stock", "in_stock"]


def test_every_wrong_field_of_a_type_is_named(desk: Signing) -> None:
    answer = desk("fang").htmx("/cards/types", TYPE | {"name": "", "face": "x", "price": "1.234"})
    assert answer.status_code == 422
    assert "名称" in answer.text
    answer = desk("fang").htmx("/cards/types", TYPE | {"face": "1000.01", "price": "2000", "valid_months": "35"})
    for words in ("面值", "1000.00", "售价", "36 个月"):
        assert words in answer.text


def test_a_card_is_found_by_its_number_its_holder_and_not_by_half(house: House, acting: Acting, desk: Signing) -> None:
    walk_in(house, acting("lin"))
    with house.unit(None, write=False) as db:
        person_id = db.scalars(select(Person.id).where(Person.name == WEI.name)).one()
    ((card_id, number),) = sold(house, acting, NAMED, person_id=person_id, pin=PIN)
    sold(house, acting)
    chen = desk("chen")
    for text in (number, number[-6:], "韦小明", "wxm", WEI.id_no, WEI.phone):
        assert chen.post("/cards", {"q": text}).headers["location"] == f"/cards/{card_id}", text
    for text in ("%", "_", "' or 1=1", "<script>", "韦大", "9" * 3000):
        assert "没有找到体检卡" in chen.post("/cards", {"q": text}).text
    page = chen.get(f"/cards/{card_id}").text
    assert "韦小明" in page
    assert WEI.id_no not in page
    assert number in chen.get("/cards?tab=live").text.replace("</span><span>", "")
    with house.unit(None, write=False) as db:
        assert "people.read" in db.scalars(select(Audit.act)).all()


def test_lists_page_and_export_with_plain_cells(house: House, acting: Acting, desk: Signing) -> None:
    code = type_of(house, acting("fang"), msgspec.structs.replace(UNNAMED, name="=1+1<b>"))
    numbers = stocked(house, acting("fang"), code, 60)
    chen = desk("chen")
    first, second = chen.get("/cards?tab=stock").text, chen.get("/cards?tab=stock&page=2").text
    assert "第 <b>1</b> / 2 页" in first
    assert "<b>&" not in first.replace("&lt;b&gt;", "")
    assert "=1+1&lt;b&gt;" in first
    assert first.count("/cards/0") + second.count("/cards/0") == 60
    for odd in ("page=-1", "page=9999999", "tab=x", "code='", "page=%00"):
        assert chen.get(f"/cards?{odd}").status_code in (200, 422)
    export = chen.get("/cards/export?tab=stock")
    rows = python_calamine.load_workbook(BytesIO(export.content)).get_sheet_by_index(0).to_python()
    assert len(rows) == 61
    assert rows[1][:2] == [numbers[0], "=1+1<b>"]


def test_one_card_from_top_up_to_cancellation(house: House, acting: Acting, desk: Signing) -> None:
    visit_id = walk_in(house, acting("lin")).visit_id
    ((card_id, number),) = sold(house, acting)
    chen, address = desk("chen"), f"/cards/{card_id}"
    page = chen.get(address).text
    assert "最多还可充 500.00 元" in page
    top_up = {"key": KEY, "amount": "100", "method": "bank_card", "reference": "POS 9", "tendered": ""}
    assert "POS" in chen.htmx(f"{address}/top-up", top_up | {"reference": ""}).text
    assert chen.post(f"{address}/top-up", top_up).status_code == 303
    assert chen.post(f"{address}/top-up", top_up).status_code == 303  # sent twice, taken once
    assert balance(house, card_id) == 60_000
    assert chen.htmx(f"{address}/top-up", top_up | {"amount": "200"}).status_code == 409  # the key with another form
    assert chen.htmx(f"{address}/top-up", top_up | {"key": "x" * 20, "method": "card"}).status_code == 409
    pay(house, acting("lan"), number, 30_000, visit_id)
    page = chen.get(address).text
    assert "消费" in page
    assert "-300.00" in page
    assert "应退 <b>275.00 元</b>" in page  # half of 550 paid
    assert chen.htmx(f"{address}/cancel", {"key": "y" * 20, "back": "300.00", "reason": "不用了"}).status_code == 409
    assert chen.post(f"{address}/cancel", {"key": "z" * 20, "back": "275.00", "reason": "不用了"}).status_code == 303
    assert state(house, card_id) == "cancelled"
    assert "销卡退余额" in chen.get(address).text


def test_loss_replacement_and_pin_at_the_desk(house: House, acting: Acting, desk: Signing) -> None:
    walk_in(house, acting("lin"))
    number = stocked(house, acting("fang"), type_of(house, acting("fang"), NAMED))[0]
    chen, fang = desk("chen"), desk("fang")
    assert "记名卡必须登记持卡人" in chen.htmx("/cards/sell/offer", {"first_no": number, "count": "1"}).text
    assert "没有找到持卡人" in chen.htmx("/cards/sell/offer", {"first_no": number, "holder": "无此人"}).text
    assert "韦小明" in chen.htmx("/cards/sell/offer", {"first_no": number, "holder": WEI.id_no}).text
    wrong = chen.htmx("/cards/sell", sale(number, price="1000.00", holder=WEI.id_no, pin="111111"))
    assert (wrong.status_code, "过于简单" in wrong.text, "111111" in wrong.text) == (409, True, False)
    assert chen.post("/cards/sell", sale(number, price="1000.00", holder=WEI.id_no, pin=PIN)).status_code == 303
    with house.unit(None, write=False) as db:
        card_id = db.scalars(select(CardRow.id).where(CardRow.card_no == number)).one()
    address = f"/cards/{card_id}"
    assert chen.post(f"{address}/loss", {"reason": "电话挂失"}).status_code == 303
    assert "补卡" in chen.get(address).text
    new_no = stocked(house, acting("fang"), "K001")[0]
    replaced = chen.post(f"{address}/replace", {"new_no": new_no, "reason": "遗失"})
    new_address = replaced.headers["location"]
    assert "余额在新卡" in chen.get(address).text
    assert "1000.00" in chen.get(new_address).text
    for _ in range(5):
        with pytest.raises(Exception, match="pin"), house.unit(acting("chen")) as db:
            cards.part(db, new_no, "135790", 100)
    assert "已连续输错 5 次" in chen.get(new_address).text
    assert chen.post(f"{new_address}/pin", {"pin": "864209", "reason": "本人到场"}).status_code == 303
    assert chen.post(f"{new_address}/freeze", {"reason": "x"}).status_code == 403
    assert fang.post(f"{new_address}/freeze", {"reason": "来源存疑"}).status_code == 303
    assert "已冻结" in fang.get(new_address).text
    assert fang.post(f"{new_address}/unfreeze", {"reason": "已核实"}).status_code == 303


def test_data_never_becomes_markup(house: House, acting: Acting, desk: Signing) -> None:
    evil = "<img src=x onerror=alert(1)>"
    ((card_id, _),) = sold(house, acting, msgspec.structs.replace(UNNAMED, name=evil))
    chen = desk("chen")
    chen.post(f"/cards/{card_id}/pin", {"pin": PIN, "reason": evil})
    with house.unit(None, write=False) as db:
        sale_id = db.scalars(select(CardSaleRow.id)).one()
    for address in ("/cards", f"/cards/{card_id}", f"/cards/sales/{sale_id}", "/cards/types", "/cards/types/K001"):
        page = chen.get(address).text
        assert "<img src=x" not in page
        assert "&lt;img" in page
    assert "<img src=x" not in chen.htmx("/cards/sell/offer", {"first_no": evil}).text


@pytest.mark.parametrize(
    ("login", "method", "address", "status"),
    [
        ("lin", "get", "/cards", 403), ("deng", "get", "/cards", 200), ("deng", "get", "/cards/sell", 403), ("deng", "post", "/cards/sell", 403),
        ("chen", "get", "/cards/stock", 403), ("chen", "post", "/cards/types", 403), ("chen", "post", "/cards/limits", 403),
        ("chen", "post", "/cards/stock", 403), ("chen", "get", "/cards/00000000-0000-0000-0000-000000000000", 404),
        ("chen", "get", "/cards/x", 404), ("chen", "get", "/cards/sales/x", 404), ("chen", "get", "/cards/types/K999", 404),
        ("fang", "get", "/cards/types/new", 200), ("fang", "get", "/cards/stock", 200),
    ],
)  # fmt: skip
def test_who_may(desk: Signing, login: str, method: str, address: str, status: int) -> None:
    person = desk(login)
    answer: Any = person.get(address) if method == "get" else person.post(address, {})
    assert answer.status_code == status


def test_the_limits_are_changed_by_one_and_approved_by_another(house: House, desk: Signing) -> None:
    fang = desk("fang")
    assert "程序自带" in fang.get("/cards/types").text
    form = {"seen": "0", "named": "5000", "unnamed": "1000", "months": "36", "source": "办法第十八条", "reason": "已对照原文"}
    assert fang.post("/cards/limits", form).status_code == 303
    assert fang.htmx("/cards/limits", form).status_code == 409  # from an old page
    assert fang.htmx("/cards/limits/approve", {"seen": "1"}).status_code == 409
    assert "办法第十八条" in fang.get("/cards/types").text


def test_every_act_is_a_fact_of_somebody(house: House, acting: Acting) -> None:
    ((card_id, _),) = sold(house, acting)
    with house.unit(None, write=False) as db:
        rows = db.execute(
            select(CardActRow.kind, CardActRow.actor_id).where(CardActRow.card_id == card_id).order_by(CardActRow.id)
        ).all()
        fang, chen = acting("fang").staff_id, acting("chen").staff_id
    assert rows == [("make", fang), ("stock", fang), ("sell", chen), ("activate", chen)]

"""Money goes back: a payment recorded wrongly, a paid visit that is cancelled, and who is owed what until it was refunded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from billing import service as billing
from billing.models import RefundBoard, WindowPayment, WindowRefund
from exam import commands
from exam.kit.audit import Audit
from exam.kit.errors import Refused
from exam.kit.house import Actor, House
from registration import queues, service
from tests.registration.cases import arrived, no_breaches, numbered, pay_all, walk_in

Acting = Callable[[str], Actor]
Desk = Callable[[str], Any]
PRICE = 59312


def paid_visit(house: House, lin: Actor) -> tuple[UUID, str]:
    """A visit that was paid and not checked in."""
    opened = walk_in(house, lin)
    pay_all(house, lin, opened.visit_id)
    return opened.visit_id, opened.visit_no


def owed(house: House) -> list[int]:
    """What the list of refunds holds, in fen."""
    with house.unit(None, write=False) as db:
        return list(db.scalars(select(RefundBoard.amount_fen)))


def test_a_paid_visit_that_is_cancelled_is_owed_its_money_until_the_refund_is_recorded(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id, _ = paid_visit(house, lin)
    with house.unit(lin) as db:
        assert service.cancel(db, visit_id, "受检者要求取消") == PRICE
    assert owed(house) == [PRICE]
    assert no_breaches(house)
    for wrong, code in ((PRICE - 1, "refund_differs"), (PRICE + 1, "more_than_paid"), (0, "amount"), (-PRICE, "amount")):
        with pytest.raises(Refused, match=rf"billing\.{code}"), house.unit(lin) as db:
            billing.refund_at_window(db, visit_id, wrong, "")
    with house.unit(lin) as db:
        service.refund_once(db, "refund-0000001", visit_id, PRICE, " TF-1 ")
    with house.unit(lin) as db:
        service.refund_once(db, "refund-0000001", visit_id, PRICE, " TF-1 ")
    with pytest.raises(Refused, match=r"billing\.nothing_paid"), house.unit(lin) as db:
        billing.refund_at_window(db, visit_id, PRICE, "")
    with house.unit(lin, write=False) as db:
        assert [(each.amount_fen, each.receipt_no) for each in billing.refunds(db, visit_id)] == [(PRICE, "TF-1")]
        assert billing.account(db, visit_id).balance == billing.balance(db, visit_id)
        assert billing.balance(db, visit_id).due_fen == billing.balance(db, visit_id).paid_fen == 0
        assert db.scalars(select(Audit.act).where(Audit.act == "billing.refund_at_window")).all() == ["billing.refund_at_window"]
    assert owed(house) == []
    assert no_breaches(house)


def test_a_line_taken_off_after_payment_is_owed_and_an_undone_refund_is_owed_again(house: House, acting: Acting) -> None:
    from exam.visits import orders

    lin, qin = acting("lin"), acting("qin")
    visit_id = arrived(house, lin)
    with house.unit(lin) as db:
        line = next(each for each in orders.lines(db, visit_id) if each.price_fen > 0)
        service.remove_line(db, visit_id, line.id, "开错项目")
    assert owed(house) == [line.price_fen]
    with house.unit(lin) as db:
        refund_id = billing.refund_at_window(db, visit_id, line.price_fen, "")
    with house.unit(qin) as db:
        billing.undo_refund(db, visit_id, refund_id, "登记错误")
    assert owed(house) == [line.price_fen]
    assert no_breaches(house)
    with pytest.raises(Refused, match=r"kit\.not_found"), house.unit(qin) as db:
        billing.undo_refund(db, visit_id, refund_id, "登记错误")


def test_what_the_window_paid_out_is_recorded_although_the_order_changed_since(house: House, acting: Acting) -> None:
    from exam.visits import orders

    lin = acting("lin")
    visit_id = arrived(house, lin)
    with house.unit(lin) as db:
        line = next(each for each in orders.lines(db, visit_id) if each.price_fen > 0)
        service.remove_line(db, visit_id, line.id, "开错项目")
    with house.unit(lin) as db:  # the window gave the money back, and before the desk said so a group came on
        (added,) = service.add_groups(db, visit_id, ["G061"])
        price = next(each.price_fen for each in orders.lines(db, visit_id) if each.id == added)
    with pytest.raises(Refused, match=r"billing\.refund_differs"), house.unit(lin) as db:
        billing.refund_at_window(db, visit_id, line.price_fen, "TF-1")
    for wrong, code in ((PRICE + 1, "more_than_paid"), (0, "amount"), (-1, "amount")):
        with pytest.raises(Refused, match=rf"billing\.{code}"), house.unit(lin) as db:
            billing.refund_at_window(db, visit_id, wrong, "", may_differ=True)
    for _ in range(2):
        with house.unit(lin) as db:
            service.refund_once(db, "refund-0000001", visit_id, line.price_fen, "TF-1", may_differ=True)
    with house.unit(lin, write=False) as db:
        assert [each.amount_fen for each in billing.refunds(db, visit_id)] == [line.price_fen]
        assert (billing.amount_due(db, visit_id), billing.balance(db, visit_id).paid_fen) == (price, PRICE - line.price_fen)
    assert owed(house) == []
    with house.unit(lin) as db:
        billing.refund_at_window(db, visit_id, PRICE - line.price_fen, "", may_differ=True)
        assert billing.amount_due(db, visit_id) == billing.balance(db, visit_id).charged_fen
    assert no_breaches(house)


def test_the_page_records_another_amount_with_a_warning(house: House, acting: Acting, desk: Desk) -> None:
    _, visit_no = paid_visit(house, acting("lin"))
    lin = desk("lin")
    url = f"/registration/visits/{visit_no}"
    page = lin.get(url).text
    assert "登记窗口退费" in page and "现应退 ¥0.00" in page and "已在窗口退费" not in page
    form = {"key": "refund-0000001", "amount": "93.12"}
    refused = lin.htmx(f"{url}/refunds", form)
    assert refused.status_code == 409 and "退费 93.12 元与现应退 0.00 元不符" in refused.text and "实退金额不同" in refused.text
    assert "金额" in lin.htmx(f"{url}/refunds", {**form, "amount": "x", "differs": "on"}).text
    answer = lin.htmx(f"{url}/refunds", {**form, "differs": "on"})
    assert "待缴 93.12 元" in bytes.fromhex(answer.cookies["toast"].strip('"')).decode()
    assert lin.htmx(f"{url}/refunds", {**form, "differs": "on"}).status_code == 200
    visit = lin.get(f"/api/visits/{visit_no}").json()
    assert ([each["amount_fen"] for each in visit["refunds"]], visit["balance"]["due_fen"]) == ([9312], 9312)
    assert no_breaches(house)


def test_a_program_needs_a_key_for_another_amount_than_what_is_owed(house: House, acting: Acting, desk: Desk) -> None:
    _, visit_no = paid_visit(house, acting("lin"))
    lin = desk("lin")
    url = f"/api/visits/{visit_no}"
    assert lin.post(f"{url}/refunds", json={"amount_fen": 100}).json()["type"] == "billing.refund_differs"
    for _ in range(2):
        given = lin.post(f"{url}/refunds", json={"amount_fen": 100}, headers={"idempotency-key": "program-refund-1"}).json()
        assert ([each["amount_fen"] for each in given["refunds"]], given["balance"]["due_fen"]) == ([100], 100)


def test_no_refund_hides_behind_older_ones(house: House, acting: Acting, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for number in range(3):
        if number:
            house.clock.advance(days=1)  # type: ignore[attr-defined]
        lin = acting("lin")
        opened = walk_in(house, lin, numbered(number))
        pay_all(house, lin, opened.visit_id)
        with house.unit(lin) as db:
            service.cancel(db, opened.visit_id, "受检者要求取消")
        found.append(opened.visit_no)
    monkeypatch.setattr(queues, "MOST_REFUNDS", 2)
    monkeypatch.setattr(queues.refunds, "__defaults__", (1, 2))
    someone = desk("lin")

    def listed(url: str) -> list[str]:
        page = someone.get(url).text
        return sorted((each for each in found if f'visits/{each}"' in page), key=page.index)

    board = someone.get("/registration/today").text
    assert "共 3 人,列出最近 2 人" in board and 'href="/registration/refunds"' in board
    assert listed("/registration/refunds") == [found[2], found[1]]
    assert listed("/registration/refunds?page=2") == listed("/registration/refunds?page=99999999999999999999") == [found[0]]
    assert [f'visits/{each}"' in board for each in found] == [False, True, True]
    assert desk("wu").get("/registration/refunds").status_code == 403


def test_a_payment_is_undone_with_a_reason_and_not_once_its_money_went_back(house: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    visit_id, _ = paid_visit(house, lin)
    with house.unit(lin, write=False) as db:
        payment = billing.payments(db, visit_id)[0]
    for reason in ("", "  ", "长" * 201):
        with pytest.raises(Refused, match=r"billing\.reason_missing"), house.unit(qin) as db:
            billing.undo_payment(db, visit_id, payment.id, reason)
    with house.unit(lin) as db:
        service.cancel(db, visit_id, "受检者要求取消")
        billing.refund_at_window(db, visit_id, PRICE, "TF-1")
    with pytest.raises(Refused, match=r"billing\.already_refunded"), house.unit(qin) as db:
        billing.undo_payment(db, visit_id, payment.id, "登记错误")
    assert no_breaches(house)


def test_the_desk_chief_undoes_a_payment_on_the_page_and_nobody_else(house: House, acting: Acting, desk: Desk) -> None:
    _, visit_no = paid_visit(house, acting("lin"))
    lin, qin = desk("lin"), desk("qin")
    url = f"/registration/visits/{visit_no}"
    payment = lin.get(f"/api/visits/{visit_no}").json()["payments"][0]["id"]
    undo = f"{url}/payments/{payment}/undo"
    assert undo not in lin.get(url).text and undo in qin.get(url).text
    assert lin.htmx(undo, {"reason": "登记错误"}).status_code in (403, 409)
    assert qin.htmx(undo, {"reason": ""}).status_code == 409
    assert qin.htmx(undo, {"reason": "登记错误", "other": "收据作废"}).status_code == 200
    page = qin.get(url).text
    assert "已撤销" in page and undo not in page and 'name="receipt_no"' in page
    with house.unit(None, write=False) as db:
        assert db.scalars(select(WindowPayment.reason).where(WindowPayment.undoes.is_not(None))).all() == ["收据作废"]
        assert db.scalars(select(Audit.reason).where(Audit.act == "billing.undo_payment")).all() == ["收据作废"]
    assert qin.htmx(undo, {"reason": "登记错误"}).status_code in (404, 409)
    assert no_breaches(house)


def test_the_desk_sees_who_is_owed_money_until_somebody_records_the_refund(house: House, acting: Acting, desk: Desk) -> None:
    _, visit_no = paid_visit(house, acting("lin"))
    lin, qin = desk("lin"), desk("qin")
    url = f"/registration/visits/{visit_no}"
    assert "需退费" not in lin.get("/registration/today").text
    cancelled = lin.htmx(f"{url}/cancel", {"reason": "受检者要求取消"})
    assert "593.12" in bytes.fromhex(cancelled.cookies["toast"].strip('"')).decode()
    board, page = lin.get("/registration/today").text, lin.get(url).text
    assert "需退费" in board and "¥593.12" in board and "韦小明" in board
    assert "已在窗口退费 ¥593.12" in page
    form = {"key": "refund-0000001", "amount": "593.11"}
    assert "与现应退 593.12 元不符" in lin.htmx(f"{url}/refunds", form).text
    assert lin.htmx(f"{url}/refunds", {**form, "amount": "593.12", "key": "refund-0000002"}).status_code == 200
    assert "需退费" not in lin.get("/registration/today").text and "需退费" not in lin.get(url).text
    refund = lin.get(f"/api/visits/{visit_no}").json()["refunds"][0]["id"]
    assert qin.htmx(f"{url}/refunds/{refund}/undo", {"reason": "登记错误"}).status_code == 200
    assert "需退费" in lin.get("/registration/today").text


def test_programs_undo_and_refund_the_same_way(house: House, acting: Acting, desk: Desk) -> None:
    _, visit_no = paid_visit(house, acting("lin"))
    lin, qin = desk("lin"), desk("qin")
    url = f"/api/visits/{visit_no}"
    payment = lin.get(url).json()["payments"][0]["id"]
    assert lin.post(f"{url}/payments/{payment}/undo", json={"reason": "登记错误"}).status_code == 403
    undone = qin.post(f"{url}/payments/{payment}/undo", json={"reason": "登记错误"}).json()
    assert (undone["balance"]["due_fen"], undone["payments"][0]["is_undone"]) == (PRICE, True)
    lin.post(f"{url}/payments", json={"amount_fen": PRICE, "receipt_no": "A2"})
    assert lin.post(f"{url}/cancel", json={"reason": "受检者要求取消"}).json()["balance"]["due_fen"] == -PRICE
    headers = {"idempotency-key": "program-refund-1"}
    for _ in range(2):
        given = lin.post(f"{url}/refunds", json={"amount_fen": PRICE}, headers=headers).json()
        assert (given["balance"]["due_fen"], len(given["refunds"])) == (0, 1)
    again = qin.post(f"{url}/refunds/{given['refunds'][0]['id']}/undo", json={"reason": "登记错误"}).json()
    assert again["balance"]["due_fen"] == -PRICE
    assert lin.post(f"{url}/refunds/none/undo", json={"reason": "登记错误"}).status_code == 403
    assert qin.post(f"{url}/refunds/none/undo", json={"reason": "登记错误"}).status_code == 404
    assert no_breaches(house)


def test_a_list_of_refunds_that_disagrees_with_the_facts_is_found(sqlite_house: House) -> None:
    from tests.conftest import actor_named

    house, lin = sqlite_house, actor_named(sqlite_house, "lin")
    visit_id, _ = paid_visit(house, lin)
    with house.unit(lin) as db:
        service.cancel(db, visit_id, "受检者要求取消")
    with house.unit(lin) as db:
        db.delete(db.get_one(RefundBoard, visit_id))
    found = dict(commands.breaches_of(house))
    assert found["billing: the refund list shows who is owed money"] == [
        f"visit {visit_id}: the refund list says None fen, the facts say {PRICE}"
    ]


def test_giving_back_more_than_was_paid_is_found(sqlite_house: House) -> None:
    from exam.kit.db import insert_rows
    from tests.conftest import actor_named

    house, lin = sqlite_house, actor_named(sqlite_house, "lin")
    visit_id = walk_in(house, lin).visit_id
    with house.unit(lin) as db:
        row = {"id": house.ids.new(), "visit_id": visit_id, "amount_fen": 5, "receipt_no": "", "undoes": None, "reason": "",
               "at": house.clock.now(), "actor_id": None}  # fmt: skip
        insert_rows(db, WindowRefund, [row])
    assert dict(commands.breaches_of(house))["billing: nobody gets back more than was paid"] == [
        f"visit {visit_id}: 5 fen more were given back than paid"
    ]

"""Payments through a gateway as the desk and the worker see them, with a gateway that says what a test tells it to."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from billing import gateway_reconciler as reconciler
from billing import gateway_rules as rules
from billing import gateway_service as service
from billing import gateway_statement as statement
from billing.gateway_facts import GatewayOrderEnded, OrderState, RefundState
from billing.ports import Declined, Method, NotTaken, RefundWord, StatementLine, Trade, Unclear
from exam.kit.errors import Refused
from exam.kit.house import House
from tests.billing.gateway_cases import (
    AMOUNT,
    Scripted,
    breaches,
    desk_of,
    facts,
    give_back,
    opened,
    order,
    paid,
    refund_row,
    refunds,
    row_of,
    through,
    told,
    told_refunds,
    watched,
    work,
)  # fmt: skip
from tests.conftest import actor_named


@pytest.fixture
def gateway(house: House) -> Iterator[Scripted]:
    with through(house, Scripted()) as put:
        yield put


def cancel(house: House, order_id: Any) -> None:
    with house.unit(desk_of(house)) as db:
        service.cancel_order(db, order_id)


def test_the_order_is_stored_before_the_gateway_hears_of_it(house: House, gateway: Scripted) -> None:
    asked = opened(house)
    assert (gateway.asked, order(house, asked.id).state) == ([], OrderState.CREATED)

    class Looking(Scripted):
        def ask(self, seen: Any, wanted: Any) -> str:
            assert row_of(house, asked.id).state == OrderState.UNKNOWN, "on disk, in a transaction that is over"
            return super().ask(seen, wanted)

    with through(house, Looking()) as looking:
        work(house)
    assert looking.asked == [("ask", asked.order_no)]


def test_a_worker_that_died_in_the_conversation_asks_instead_of_charging_again(house: House, gateway: Scripted) -> None:
    class Dying(Scripted):
        def charge(self, seen: Any, wanted: Any, auth_code: str) -> Trade:
            raise KeyboardInterrupt

    asked = opened(house, auth_code="134567890123456789")
    with through(house, Dying()), pytest.raises(KeyboardInterrupt):
        work(house)
    assert (row_of(house, asked.id).state, work(house)) == (OrderState.UNKNOWN, 0)
    gateway.will("query", paid())
    work(house, seconds=41)
    assert gateway.asked == [("query", asked.order_no)]
    assert order(house, asked.id).state == OrderState.PAID


def test_the_customers_code_is_sealed_and_gone_after_its_use(house: House, gateway: Scripted) -> None:
    asked = opened(house, auth_code="1345 6789 0123 4567 89")
    assert b"134567890123456789" not in bytes(row_of(house, asked.id).auth_code) != b""
    gateway.will("charge", paid())
    work(house)
    assert gateway.auth_code == "134567890123456789"
    assert bytes(row_of(house, asked.id).auth_code) == b""


def test_an_old_customers_code_is_not_handed_over(house: House, gateway: Scripted) -> None:
    asked = opened(house, auth_code="134567890123456789")
    work(house, seconds=61)
    assert (gateway.asked, order(house, asked.id).state, order(house, asked.id).why) == ([], OrderState.CLOSED, "too_late")
    assert [each.why for each in told(house, GatewayOrderEnded)] == ["too_late"]


@pytest.mark.parametrize(
    ("answer", "state"), [(NotTaken("unreachable"), "created"), (Declined("NOAUTH"), "declined"), (Unclear("x"), "unknown")]
)
def test_what_is_known_of_an_order_decides_where_it_stands(house: House, gateway: Scripted, answer: Exception, state: str) -> None:
    gateway.will("ask", answer)
    asked = opened(house)
    work(house)
    assert order(house, asked.id).state == state
    assert watched(house) == (0 if state == "declined" else 1)


def test_unknown_stays_unknown_for_as_long_as_nobody_answers(house: House, gateway: Scripted) -> None:
    gateway.will("charge", Unclear("no_answer"))
    gateway.will("query", *[Unclear("no_answer")] * 40)
    asked = opened(house, auth_code="134567890123456789")
    work(house)
    for _ in range(40):
        work(house, minutes=6)
    assert order(house, asked.id).state == OrderState.UNKNOWN
    gateway.will("query", paid())
    work(house, minutes=6)
    assert order(house, asked.id).state == OrderState.PAID


def test_an_expired_order_is_asked_about_before_and_after_it_is_closed(house: House, gateway: Scripted) -> None:
    asked = opened(house)
    work(house)
    gateway.asked.clear()
    gateway.will("query", Trade("unpaid"), Trade("closed"))
    work(house, minutes=6)
    assert [kind for kind, _ in gateway.asked] == ["query", "close", "query"]
    assert order(house, asked.id).state == OrderState.CLOSED
    second = opened(house)
    work(house)
    gateway.will("query", Trade("unpaid"), paid())
    gateway.will("close", Declined("ORDERPAID"))
    work(house, minutes=6)
    assert order(house, second.id).state == OrderState.PAID, "paid in the last second: it was not cancelled, only over its time"


def test_a_second_code_for_the_same_thing_is_refused_also_of_two_cashiers_at_once(house: House, gateway: Scripted) -> None:
    asked = opened(house)
    with pytest.raises(Refused, match=r"billing.order_open"):
        opened(house)
    cancel(house, asked.id)
    opened(house)
    actor = desk_of(house)

    def open_one(_: int) -> bool:
        try:
            with house.unit(actor) as db:
                service.open_order(db, Method.WECHAT, "visit:race", AMOUNT)
        except (Refused, IntegrityError):
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(open_one, range(16))) == 1


def test_a_way_that_is_not_set_up_is_not_offered_and_refused(house: House, gateway: Scripted) -> None:
    assert service.offered(house) == (Method.WECHAT,)
    for method, problem in ((Method.ALIPAY, "not_connected"), (Method.INSURANCE, "not_connected")):
        with pytest.raises(Refused, match=rf"billing.gateway_{problem}"):
            opened(house, method)
    gateway.unset = "not_set_up"
    assert service.offered(house) == ()
    with pytest.raises(Refused, match=r"billing.gateway_not_set_up"):
        opened(house)


def test_union_pay_and_the_insurance_say_that_they_are_not_connected(house: House) -> None:
    from interfaces.payment_gateways import GATEWAYS

    assert service.offered(house) == ()
    for method in (Method.UNIONPAY, Method.INSURANCE):
        with pytest.raises(Refused, match=r"billing.gateway_not_connected"):
            opened(house, method)
        with pytest.raises(NotTaken, match="not_connected"):
            GATEWAYS[method].query(house, "EX")


@pytest.mark.parametrize("amount_fen", [0, -1, rules.MOST_FEN + 1])
def test_no_order_is_for_nothing_or_for_too_much(house: House, gateway: Scripted, amount_fen: int) -> None:
    with pytest.raises(Refused, match=r"billing.amount"):
        opened(house, amount_fen=amount_fen)


@pytest.mark.parametrize("trade", [paid(AMOUNT - 1), paid(AMOUNT * 100), paid(currency="USD")])
def test_another_amount_from_the_gateway_itself_is_disputed_and_not_booked(house: House, gateway: Scripted, trade: Trade) -> None:
    asked = opened(house)
    work(house)
    gateway.will("query", trade)
    work(house, seconds=45)
    now = order(house, asked.id)
    assert (now.state, now.paid_fen, told(house)) == (OrderState.DISPUTED, trade.amount_fen, [])
    with house.unit(desk_of(house)) as db:
        refund_id = service.return_rest(db, asked.id)
    gateway.will("refund", RefundWord("success", trade.amount_fen))
    work(house)
    assert refund_row(house, refund_id).state == RefundState.SUCCESS
    assert breaches(house) == []


def test_two_cashiers_never_give_more_back_than_came(house: House, gateway: Scripted) -> None:
    asked = opened(house)
    gateway.will("query", paid())
    work(house)
    with house.unit(desk_of(house)) as db, pytest.raises(Refused, match=r"billing.not_paid_by_gateway"):
        service.request_refund(db, asked.id, 1, "退项")
    work(house, seconds=45)

    def give(_: int) -> bool:
        try:
            give_back(house, asked.id, 5_000)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(give, range(12))) == 2
    assert sum(each.amount_fen for each in refunds(house, asked.id)) == 10_000
    with pytest.raises(Refused, match=r"billing.more_than_paid"):
        give_back(house, asked.id, AMOUNT - 10_000 + 1)
    assert breaches(house) == []


def test_a_refund_moves_by_answers_only(house: House, gateway: Scripted) -> None:
    asked = opened(house)
    gateway.will("charge")
    work(house)
    gateway.will("query", paid())
    work(house, seconds=45)
    first = give_back(house, asked.id, 1_000)
    gateway.will("refund", NotTaken("busy"), Unclear("no_answer"))
    work(house)
    assert refund_row(house, first).state == RefundState.REQUESTED
    work(house, seconds=61)
    assert refund_row(house, first).state == RefundState.UNKNOWN
    gateway.will("query_refund", RefundWord("success", 999), RefundWord("none"))
    work(house, seconds=61)
    assert (refund_row(house, first).state, refund_row(house, first).why) == (RefundState.UNKNOWN, "amount")
    work(house, seconds=61)
    assert refund_row(house, first).state == RefundState.REQUESTED, "the gateway never got it: it is handed over again"
    gateway.will("refund", RefundWord("success", 1_000, "R"))
    work(house, seconds=61)
    assert (refund_row(house, first).state, order(house, asked.id).returned_fen) == (RefundState.SUCCESS, 1_000)
    second = give_back(house, asked.id, 2_000)
    gateway.will("refund", Declined("NOT_ENOUGH"))
    work(house)
    assert (refund_row(house, second).state, refund_row(house, second).why) == (RefundState.FAILED, "NOT_ENOUGH")
    assert [(each.amount_fen, each.is_success) for each in told_refunds(house)] == [(1_000, True), (2_000, False)]
    numbers = {number for kind, number in gateway.asked if kind == "refund"}
    assert numbers == {f"{asked.order_no}R1", f"{asked.order_no}R2"}
    assert breaches(house) == []


def test_several_workers_take_each_order_once(house: House, gateway: Scripted) -> None:
    for at in range(12):
        opened(house, target=f"visit:{at}")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: reconciler.work_due(house, at_once=4), range(3)))
    asked = [number for kind, number in gateway.asked if kind == "ask"]
    assert len(asked) == len(set(asked)) == 12


def test_another_sites_order_is_not_there(house: House, gateway: Scripted) -> None:
    from exam.kit.errors import NotFound
    from exam.kit.house import system_actor

    asked = opened(house)
    with house.unit(system_actor("02")) as db, pytest.raises(NotFound):
        service.cancel_order(db, asked.id)
    assert actor_named(house, "lin").site == "01"


def test_orders_of_other_systems_in_a_statement_are_only_counted(house: House, gateway: Scripted) -> None:
    asked = opened(house)
    work(house)
    gateway.will("query", paid())
    work(house, seconds=45)
    today = date(2026, 11, 21)
    lines = (
        StatementLine(asked.order_no, "T1", AMOUNT),
        StatementLine("HIS0001", "T2", 500),
        StatementLine("EX99261121ABCDEFGHJKLM", "T3", 9),
    )
    gateway.will("statement", lines)
    assert statement.fetch(house, Method.WECHAT, today) == 0
    with house.unit(desk_of(house)) as db:
        [summary] = statement.statements(db)
    assert (summary.lines, summary.foreign, summary.paid_fen) == (1, 2, AMOUNT)


def test_a_line_that_the_statement_holds_twice_stays_open_until_somebody_explains_it(house: House, gateway: Scripted) -> None:
    asked = opened(house)
    work(house)
    gateway.will("query", paid())
    work(house, seconds=45)
    gateway.will("statement", (StatementLine(asked.order_no, "T1", AMOUNT), StatementLine(asked.order_no, "T2", AMOUNT)))
    assert statement.fetch(house, Method.WECHAT, date(2026, 11, 21)) == 1
    assert statement.explain_settled(house) == 0
    with house.unit(desk_of(house)) as db:
        [found] = statement.differences(db)
        assert (found.kind, found.ours_fen, found.theirs_fen) == ("amount", AMOUNT, 2 * AMOUNT)
        with pytest.raises(Refused, match=r"billing.explanation"):
            statement.explain(db, found.id, " ")
        statement.explain(db, found.id, "网关重复扣款,已联系退回")
    with house.unit(desk_of(house)) as db, pytest.raises(Refused, match=r"billing.explained"):
        statement.explain(db, found.id, "再写一次")
    assert breaches(house) == []


def test_verify_finds_money_that_came_twice_and_an_order_nobody_asks_about(house: House, gateway: Scripted) -> None:
    from sqlalchemy import delete, update

    from billing.gateway_models import GatewayOrderRow, GatewayWatch

    asked = opened(house)
    with house.unit(desk_of(house)) as db:
        db.execute(delete(GatewayWatch))
        db.execute(update(GatewayOrderRow).values(state="paid"))
    found = " ".join(breaches(house))
    assert asked.order_no in found
    assert "money came 0 times" in found
    assert facts(house, asked.id) == ["open"]

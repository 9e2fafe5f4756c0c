"""Receipts: taken by several ways, given back by item the way they came, voided, issued again; on both databases."""

from __future__ import annotations

import threading

import msgspec
import pytest
from sqlalchemy import func, select

from billing import cashier, discounting, drawers, receipts
from billing import service as billing
from billing.cashier_facts import Way
from billing.facts import AccountKind
from billing.models import LedgerTransaction
from billing.receipt_facts import ReceiptKind, Return
from billing.receipt_models import ReceiptRow
from exam.kit.errors import Refused
from exam.kit.house import House
from exam.visits import orders
from exam.visits.facts import LineState
from registration import service as registration
from tests.billing.cashier_cases import Acting, begin, cash, due, lines_of, pos, sheet_of, take, take_all, visit_of
from tests.registration.cases import no_breaches


def refused(code: str) -> pytest.RaisesExc[Refused]:
    return pytest.raises(Refused, check=lambda error: error.code == code)


def test_a_visit_is_paid_by_several_ways_at_once_and_the_change_is_told(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    whole = due(house, visit_id)
    receipt = take(house, chen, visit_id, [pos(10_000), cash(whole - 10_000, whole + 5_000)])
    assert due(house, visit_id) == 0
    assert receipt.total_fen == whole
    assert [(part.method, part.amount_fen, part.change_fen) for part in receipt.parts] == [
        (AccountKind.BANK_CARD, 10_000, 0),
        (AccountKind.CASH, whole - 10_000, 15_000),
    ]
    assert sum(line.amount_fen for line in receipt.lines) == whole
    assert all(line.paid_fen == line.person_fen for line in sheet_of(house, chen, visit_id).lines)
    with house.unit(chen, write=False) as db:
        assert receipts.get(db, receipt.id) == receipt
    assert no_breaches(house)


def test_a_part_payment_pays_lines_in_their_order(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    first, second = lines_of(house, visit_id)[:2]
    sheet = sheet_of(house, chen, visit_id)
    price = {line.id: line.person_fen for line in sheet.lines}
    receipt = take(house, chen, visit_id, [cash(price[first.id] + 1)])
    assert [(line.line_id, line.amount_fen) for line in receipt.lines] == [(first.id, price[first.id]), (second.id, 1)]
    assert due(house, visit_id) == sum(price.values()) - price[first.id] - 1


@pytest.mark.parametrize(
    ("ways", "code"),
    [
        ([], "billing.no_parts"),
        ([cash(0)], "billing.amount"),
        ([cash(-100), cash(200)], "billing.amount"),
        ([cash(10**9)], "billing.too_much"),
        ([cash(1_000, 999)], "billing.tendered_too_little"),
        ([pos(1_000, " ")], "billing.reference_missing"),
        ([pos(1_000, "9" * 41)], "billing.reference_too_long"),
        ([msgspec.structs.replace(pos(1_000), tendered_fen=2_000)], "billing.tendered"),
        ([Way(method=AccountKind.REVENUE, amount_fen=100)], "billing.method"),
        ([Way(method=AccountKind.PREPAYMENT, amount_fen=100)], "billing.method"),
        ([Way(method=AccountKind.WECHAT, amount_fen=100)], "billing.gateway_order_missing"),
    ],
)
def test_what_is_no_sound_payment_is_refused_whole(house: House, acting: Acting, ways: list[Way], code: str) -> None:
    visit_id = visit_of(house, acting)
    whole = due(house, visit_id)
    with refused(code):
        take(house, acting("chen"), visit_id, ways)
    assert due(house, visit_id) == whole


def test_never_more_than_is_due_and_never_by_a_stale_screen(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    whole = due(house, visit_id)
    with refused("billing.too_much"):
        take(house, chen, visit_id, [cash(whole + 1)])
    with house.unit(acting("lin")) as db:
        registration.pay(db, visit_id, 5_000, "A1")
    with refused("billing.due_changed"), house.unit(chen) as db:
        cashier.take(db, visit_id, [cash(100)], whole)
    take(house, chen, visit_id, [cash(whole - 5_000)])
    with refused("billing.too_much"):
        take(house, chen, visit_id, [cash(1)])
    assert no_breaches(house)


def test_the_same_form_takes_the_money_once_and_another_under_its_key_is_refused(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    found = []
    for _ in range(3):
        with house.unit(chen) as db:
            found.append(cashier.take_once(db, "screen-0001", visit_id, [cash(1_000)], None))
    assert len(set(found)) == 1
    with refused("kit.idempotency_reused"), house.unit(chen) as db:
        cashier.take_once(db, "screen-0001", visit_id, [cash(1_001)], None)


def test_one_key_a_hundred_times_in_parallel_takes_the_money_once(house: House, acting: Acting) -> None:
    """AT-28."""
    visit_id, chen = visit_of(house, acting), acting("chen")
    whole = due(house, visit_id)
    answers: list[object] = []

    def send(amount_fen: int) -> None:
        try:
            with house.unit(chen) as db:
                answers.append(cashier.take_once(db, "parallel-0001", visit_id, [cash(amount_fen)], None))
        except Refused as error:
            answers.append(error.code)

    send(1_000)
    threads = [threading.Thread(target=send, args=(1_000 if n % 10 else 2_000,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 101
    assert answers.count("kit.idempotency_reused") == 10
    assert len({answer for answer in answers if answer != "kit.idempotency_reused"}) == 1
    assert due(house, visit_id) == whole - 1_000
    with house.unit(None, write=False) as db:
        assert db.scalar(select(func.count()).select_from(ReceiptRow)) == 1
        assert db.scalar(select(func.count()).select_from(LedgerTransaction).where(LedgerTransaction.kind == "payment")) == 1


def test_two_cashiers_at_one_visit_take_what_is_due_once(house: House, acting: Acting) -> None:
    visit_id, whole = visit_of(house, acting), 0
    whole = due(house, visit_id)
    outcomes: list[str] = []

    def send(login: str) -> None:
        actor = acting(login)
        gate.wait()
        try:
            take(house, actor, visit_id, [cash(whole)])
            outcomes.append("taken")
        except Refused as error:
            outcomes.append(error.code)

    gate = threading.Barrier(2)
    threads = [threading.Thread(target=send, args=(login,)) for login in ("chen", "lan")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["billing.too_much", "taken"]
    assert due(house, visit_id) == 0
    assert no_breaches(house)


# --- giving back -----------------------------------------------------------------------------------------------------


def test_paid_a_hundred_given_back_thirty_leaves_seventy(house: House, acting: Acting) -> None:
    """The mistake of S5, which added what was given back to what was paid (domain.md §8.5)."""
    visit_id, chen, fang = visit_of(house, acting), acting("chen"), acting("fang")
    line = next(each for each in sheet_of(house, chen, visit_id).lines if each.person_fen >= 3_000)
    receipt = take(house, chen, visit_id, [cash(10_000)])
    with house.unit(chen) as db:
        assert billing.balance(db, visit_id).paid_fen == 10_000
    take_all(house, chen, visit_id)
    begin(house, acting("wu"), visit_id, line.id)
    with house.unit(chen) as db:
        request_id = discounting.ask_waiver(db, visit_id, line.id, 3_000, "设备故障,重新体检")
    with house.unit(fang) as db:
        discounting.decide(db, request_id, is_approved=True)
    before = sheet_of(house, chen, visit_id).balance
    with house.unit(chen) as db:
        found = cashier.give_back(db, cashier.hold(db, visit_id), [Return(receipt.parts[0].id, 3_000)], "已执行退费")
    after = sheet_of(house, chen, visit_id)
    assert after.balance.paid_fen == before.paid_fen - 3_000
    assert after.balance.due_fen == 0
    assert [(each.kind, each.total_fen, each.approved_by) for each in found] == [(ReceiptKind.REFUND, 3_000, fang.staff_id)]
    shown = next(each for each in after.receipts if each.receipt.id == receipt.id)
    assert shown.receipt.total_fen - shown.returned_fen == 7_000
    assert next(each for each in after.lines if each.id == line.id).paid_fen == line.person_fen - 3_000
    assert no_breaches(house)


def test_an_item_not_begun_is_given_back_the_way_it_was_paid(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    whole = due(house, visit_id)
    take(house, chen, visit_id, [cash(whole - 20_000), pos(20_000)])
    line = next(each for each in lines_of(house, visit_id) if each.price_fen < 20_000)
    price = next(each.person_fen for each in sheet_of(house, chen, visit_id).lines if each.id == line.id)
    with house.unit(chen) as db:
        plan = cashier.plan_refund(db, visit_id, [line.id])
        assert (plan.amount_fen, [way.method for way in plan.ways]) == (price, [AccountKind.BANK_CARD])
        with refused("billing.refund_changed"):
            cashier.refund(db, visit_id, [line.id], price + 1, "客户要求")
    with house.unit(chen) as db:
        (refund,) = cashier.refund(db, visit_id, [line.id], price, "客户要求")
    assert (refund.kind, refund.total_fen, refund.sign) == (ReceiptKind.REFUND, price, -1)
    assert due(house, visit_id) == 0
    with house.unit(None, write=False) as db:
        assert next(each for each in orders.lines(db, visit_id) if each.id == line.id).state is LineState.REMOVED
    with refused("billing.no_such_line"), house.unit(chen) as db:
        cashier.refund(db, visit_id, [line.id], price, "客户要求")
    assert no_breaches(house)


def test_a_mixed_receipt_goes_back_each_part_its_own_way(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    whole = due(house, visit_id)
    take(house, chen, visit_id, [cash(whole - 300), pos(300)])
    line = next(each for each in sheet_of(house, chen, visit_id).lines if each.person_fen > 300)
    with house.unit(chen) as db:
        (refund,) = cashier.refund(db, visit_id, [line.id], line.person_fen, "客户要求")
    assert refund.total_fen == line.person_fen
    assert {part.method for part in refund.parts} <= {AccountKind.CASH, AccountKind.BANK_CARD}
    assert all(part.part_of is not None for part in refund.parts)
    assert no_breaches(house)


def test_what_was_begun_is_not_given_back_without_a_second_person(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    take_all(house, chen, visit_id)
    line = lines_of(house, visit_id)[0]
    begin(house, acting("wu"), visit_id, line.id)
    with refused("billing.line_begun"), house.unit(chen) as db:
        cashier.refund(db, visit_id, [line.id], line.price_fen, "客户要求")
    with house.unit(chen) as db:
        request_id = discounting.ask_waiver(db, visit_id, line.id, 100, "客户投诉")
    with refused("billing.own_request"), house.unit(chen) as db:
        discounting.decide(db, request_id, is_approved=True)
    assert due(house, visit_id) == 0


def test_no_more_goes_back_than_is_owed_however_it_is_asked(house: House, acting: Acting) -> None:
    """AT-29."""
    visit_id, chen = visit_of(house, acting), acting("chen")
    receipt = take_all(house, chen, visit_id)
    part = receipt.parts[0]
    for amount_fen, code in ((1, "billing.more_than_owed"), (10**9, "billing.more_than_owed")):
        with refused(code), house.unit(chen) as db:
            cashier.give_back(db, cashier.hold(db, visit_id), [Return(part.id, amount_fen)], "测试")
    with house.unit(chen) as db, refused("billing.more_than_paid"):
        receipts.give_back(db, receipt.id, [Return(part.id, part.amount_fen + 1)], "测试")
    with refused("billing.nothing_to_refund"), house.unit(chen) as db:
        cashier.refund(db, visit_id, [], 0, "测试")
    assert due(house, visit_id) == 0


def test_two_cashiers_giving_one_line_back_give_it_back_once(house: House, acting: Acting) -> None:
    """AT-29."""
    visit_id = visit_of(house, acting)
    take_all(house, acting("chen"), visit_id)
    line = next(each for each in sheet_of(house, acting("chen"), visit_id).lines if each.person_fen)
    outcomes: list[str] = []
    gate = threading.Barrier(2)

    def send(login: str) -> None:
        actor = acting(login)
        gate.wait()
        try:
            with house.unit(actor) as db:
                cashier.refund(db, visit_id, [line.id], line.person_fen, "客户要求")
            outcomes.append("given")
        except Refused as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=send, args=(login,)) for login in ("chen", "lan")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["billing.no_such_line", "given"]
    assert due(house, visit_id) == 0
    assert no_breaches(house)


def test_a_cancelled_visit_takes_no_money_and_gives_all_back(house: House, acting: Acting) -> None:
    """AT-29: cancelled while somebody pays."""
    visit_id, chen, lin = visit_of(house, acting), acting("chen"), acting("lin")
    whole = due(house, visit_id)
    take(house, chen, visit_id, [cash(1_000)])
    with house.unit(lin) as db:
        registration.cancel(db, visit_id, "客户取消")
    with refused("billing.no_money_in"):
        take(house, chen, visit_id, [cash(whole - 1_000)])
    with house.unit(chen) as db:
        (refund,) = cashier.refund(db, visit_id, [], 1_000, "取消登记")
    assert (refund.total_fen, due(house, visit_id)) == (1_000, 0)
    assert no_breaches(house)


def test_window_money_goes_back_at_the_window_and_receipts_money_by_receipts(house: House, acting: Acting) -> None:
    visit_id, chen, lin = visit_of(house, acting), acting("chen"), acting("lin")
    lines = sheet_of(house, chen, visit_id).lines
    first = next(line for line in lines if line.person_fen)
    with house.unit(lin) as db:
        registration.pay(db, visit_id, first.person_fen, "A1")
    take_all(house, chen, visit_id)
    with house.unit(chen) as db:
        plan = cashier.plan_refund(db, visit_id, [first.id])
    assert (plan.amount_fen, plan.window_fen) == (0, first.person_fen)
    with house.unit(chen) as db:
        assert cashier.refund(db, visit_id, [first.id], 0, "客户要求") == []
    assert due(house, visit_id) == -first.person_fen
    with house.unit(lin) as db:
        billing.refund_at_window(db, visit_id, first.person_fen, "T1")
    with refused("billing.not_at_window"), house.unit(lin) as db:
        billing.refund_at_window(db, visit_id, 1, "T2", may_differ=True)
    assert due(house, visit_id) == 0
    assert no_breaches(house)


def test_what_is_freed_pays_for_what_is_added(house: House, acting: Acting) -> None:
    visit_id, chen, lin = visit_of(house, acting), acting("chen"), acting("lin")
    take_all(house, chen, visit_id)
    line = next(each for each in sheet_of(house, chen, visit_id).lines if each.person_fen)
    with house.unit(lin) as db:
        registration.remove_line(db, visit_id, line.id, "客户要求")
        orders.add_groups(db, visit_id, ["G046"])
    left = due(house, visit_id)
    if left > 0:
        take(house, chen, visit_id, [cash(left)])
    elif left < 0:
        with house.unit(chen) as db:
            cashier.refund(db, visit_id, [], -left, "退项")
    sheet = sheet_of(house, chen, visit_id)
    assert sheet.balance.due_fen == 0
    assert all(each.paid_fen == each.person_fen for each in sheet.lines)
    assert no_breaches(house)


# --- voiding and issuing again ---------------------------------------------------------------------------------------


def test_a_receipt_is_voided_on_its_day_and_issued_again_once(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    whole = due(house, visit_id)
    receipt = take_all(house, chen, visit_id)
    with refused("billing.not_own_receipt"), house.unit(acting("lan")) as db:
        cashier.void(db, receipt.id, "打错")
    with house.unit(chen) as db:
        done = cashier.void(db, receipt.id, "收款方式选错")
    assert (done.receipt_no, done.voids, due(house, visit_id)) == (f"{receipt.receipt_no}V", receipt.id, whole)
    with refused("billing.voided_already"), house.unit(chen) as db:
        cashier.void(db, receipt.id, "再来一次")
    with house.unit(chen) as db:
        again = cashier.take(db, visit_id, [pos(whole)], reissues=receipt.id)
    assert (again.reissues, again.receipt_no != receipt.receipt_no, due(house, visit_id)) == (receipt.id, True, 0)
    with house.unit(chen) as db:
        cashier.void(db, again.id, "又选错")
    with refused("billing.reissued_already"), house.unit(chen) as db:
        cashier.take(db, visit_id, [cash(whole)], reissues=receipt.id)
    assert no_breaches(house)


def test_after_the_day_or_its_close_a_receipt_is_only_given_back(house: House, acting: Acting) -> None:
    """AT-29: after day-end the refund is routed to the next day's book."""
    visit_id, chen = visit_of(house, acting), acting("chen")
    receipt = take_all(house, chen, visit_id)
    with house.unit(chen) as db:
        drawers.close(db, receipt.drawer_id)
    with refused("billing.drawer_closed"), house.unit(chen) as db:
        cashier.void(db, receipt.id, "打错")
    house.clock.advance(hours=1)  # type: ignore[attr-defined]
    line = next(each for each in sheet_of(house, chen, visit_id).lines if each.person_fen)
    with house.unit(chen) as db:
        (refund,) = cashier.refund(db, visit_id, [line.id], line.person_fen, "客户要求")
    assert refund.drawer_id != receipt.drawer_id
    assert no_breaches(house)


def test_a_receipt_of_yesterday_is_not_voided(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    receipt = take_all(house, chen, visit_id)
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    with refused("billing.not_of_today"), house.unit(chen) as db:
        cashier.void(db, receipt.id, "打错")


def test_a_receipt_of_which_money_went_back_is_not_voided(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    receipt = take_all(house, chen, visit_id)
    line = next(each for each in sheet_of(house, chen, visit_id).lines if each.person_fen)
    with house.unit(chen) as db:
        (refund,) = cashier.refund(db, visit_id, [line.id], line.person_fen, "客户要求")
    for each in (receipt.id, refund.id):
        with refused("billing.refunded_already" if each == receipt.id else "billing.not_voidable"), house.unit(chen) as db:
            cashier.void(db, each, "打错")


def test_numbers_count_on_and_prints_are_counted(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    first, second = (take(house, chen, visit_id, [cash(100)]) for _ in range(2))
    assert int(second.receipt_no[-8:]) == int(first.receipt_no[-8:]) + 1
    with house.unit(chen) as db:
        assert [receipts.note_print(db, first.id, "roll") for _ in range(3)] == [1, 2, 3]


def test_a_refund_that_another_system_did_not_pay_out_is_owed_again(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    take_all(house, chen, visit_id)
    line = next(each for each in sheet_of(house, chen, visit_id).lines if each.person_fen)
    with house.unit(chen) as db:
        (refund,) = cashier.refund(db, visit_id, [line.id], line.person_fen, "客户要求")
    with house.unit(chen) as db:
        undone = receipts.undo_refund(db, refund.id, "支付平台退款失败")
    assert (undone.sign, undone.kind, due(house, visit_id)) == (1, ReceiptKind.VOID, -line.person_fen)
    with house.unit(chen) as db:
        (again,) = cashier.refund(db, visit_id, [], line.person_fen, "再次退费")
    assert (again.total_fen, due(house, visit_id)) == (line.person_fen, 0)
    with refused("billing.no_such_refund"), house.unit(chen) as db:
        receipts.undo_refund(db, refund.id, "支付平台退款失败")


def test_progress_is_what_decides(house: House, acting: Acting) -> None:
    """A line that somebody refused may be given back; the facts say so, not a flag."""
    visit_id, chen, lin = visit_of(house, acting), acting("chen"), acting("lin")
    take_all(house, chen, visit_id)
    line = next(each for each in sheet_of(house, chen, visit_id).lines if each.person_fen)
    with house.unit(lin) as db:
        registration.check_in(db, visit_id)
    with house.unit(lin) as db:
        orders.refuse(db, visit_id, [line.id], "本人放弃")
    with house.unit(chen) as db:
        (refund,) = cashier.refund(db, visit_id, [line.id], line.person_fen, "拒检退费")
    assert refund.total_fen == line.person_fen
    assert no_breaches(house)


def test_a_drawer_is_one_for_each_cashier_until_it_is_closed(house: House, acting: Acting) -> None:
    chen, lan = acting("chen"), acting("lan")
    with house.unit(chen) as db:
        first = drawers.drawer_of(db)
        assert drawers.drawer_of(db) == first
    with house.unit(lan) as db:
        assert drawers.drawer_of(db) != first
        assert drawers.drawer_of(db, chen.staff_id) == first
    with house.unit(chen) as db:
        drawers.close(db, first)
    with refused("billing.drawer_closed_already"), house.unit(chen) as db:
        drawers.close(db, first)
    with house.unit(chen) as db:
        assert drawers.drawer_of(db) != first

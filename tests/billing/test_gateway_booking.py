"""Money of gateways in the books: one receipt for each payment, refunds when the gateway says so, and what nobody wants goes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from billing import cards, cashier, gateway_cashier, gateway_held, ledger, receipts
from billing import gateway_service as service
from billing.facts import Account, AccountKind
from billing.gateway_facts import OrderState, RefundState
from billing.gateway_models import GatewayRefundRow
from billing.ports import Method, NotTaken, RefundWord
from billing.receipt_facts import Receipt
from billing.receipt_models import DrawerRow
from exam import commands
from exam.kit.errors import Refused
from exam.kit.house import Actor, House
from exam.kit.ids import IdMaker
from group_orders import prepaying
from rehearsal.payment_gateways import Behaviour
from tests.billing.card_cases import sold
from tests.billing.cashier_cases import due, lines_of, take_all, visit_of
from tests.billing.gateway_cases import Clock, Scripted, breaches, order, paid, peers, refunds, row_of, through, work
from tests.conftest import actor_named
from tests.fixtures import houses
from tests.group_orders.cases import open_round

ROOT = Path(__file__).parents[2]
Acting = Callable[[str], Actor]
KEY = "scan-pay-0001"
WECHAT_CODE, ALIPAY_CODE = "134567890123456789", "281234567890123456"


@pytest.fixture
def gateway(house: House) -> Iterator[Scripted]:
    with through(house, Scripted()) as put:
        yield put


def ask(house: House, actor: Actor, visit_id: UUID, amount_fen: int, auth_code: str = "", key: str = KEY) -> UUID:
    with house.unit(actor) as db:
        return gateway_cashier.ask_once(db, key, visit_id, amount_fen, Method.WECHAT, auth_code)


def come(house: House, gateway: Scripted, amount_fen: int) -> None:
    """The worker hands the order over, and the gateway says that it was paid."""
    work(house)
    gateway.will("query", paid(amount_fen))
    work(house, seconds=45)


def receipts_of(house: House, visit_id: UUID) -> list[Receipt]:
    with house.unit(None, write=False) as db:
        return receipts.of_visit(db, visit_id)


def broken(house: House) -> list[tuple[str, list[str]]]:
    """What `exam verify` finds, all of it."""
    return [(name, found) for name, found in commands.breaches_of(house) if found]


def holds(house: House, account: Account) -> int:
    with house.unit(None, write=False) as db:
        return ledger.balance_of(db, account)


WECHAT = Account(AccountKind.WECHAT)


def paid_visit(house: House, gateway: Scripted, acting: Acting) -> tuple[UUID, UUID, int]:
    """A visit that was paid by WeChat; with the order and the amount."""
    visit_id = visit_of(house, acting)
    amount_fen = due(house, visit_id)
    order_id = ask(house, acting("chen"), visit_id, amount_fen)
    come(house, gateway, amount_fen)
    return visit_id, order_id, amount_fen


def test_a_payment_is_one_receipt_in_the_drawer_of_who_asked_for_it(house: House, gateway: Scripted, acting: Acting) -> None:
    visit_id, order_id, amount_fen = paid_visit(house, gateway, acting)
    [receipt] = receipts_of(house, visit_id)
    [part] = receipt.parts
    assert (part.method, part.amount_fen, part.gateway_order_id) == (AccountKind.WECHAT, amount_fen, order_id)
    assert (due(house, visit_id), order(house, order_id).state, holds(house, WECHAT)) == (0, OrderState.PAID, amount_fen)
    assert receipt.cashier_id == acting("chen").staff_id
    with house.unit(None, write=False) as db:
        assert db.get_one(DrawerRow, receipt.drawer_id).cashier_id == acting("chen").staff_id
        assert gateway_cashier.live(db, visit_id) is None
    assert broken(house) == []


def test_what_was_paid_otherwise_meanwhile_goes_back_and_is_not_kept(house: House, gateway: Scripted, acting: Acting) -> None:
    visit_id = visit_of(house, acting)
    amount_fen = due(house, visit_id)
    order_id = ask(house, acting("chen"), visit_id, amount_fen)
    work(house)
    take_all(house, acting("lan"), visit_id)
    come(house, gateway, amount_fen)
    assert (order(house, order_id).state, order(house, order_id).why) == (OrderState.PAID, "not_due")
    assert [(each.amount_fen, each.is_automatic) for each in refunds(house, order_id)] == [(amount_fen, True)]
    assert (len(receipts_of(house, visit_id)), due(house, visit_id)) == (1, 0)
    assert (holds(house, WECHAT), holds(house, gateway_held.account(order_id))) == (amount_fen, -amount_fen)
    with house.unit(acting("chen"), write=False) as db:
        assert gateway_cashier.waiting(db, order_id).stage == "returned"
    assert broken(house) == []
    gateway.will("refund", RefundWord("success", amount_fen))
    work(house)
    assert (holds(house, WECHAT), holds(house, gateway_held.account(order_id))) == (0, 0)
    assert broken(house) == []


def test_a_payment_after_the_cancellation_is_held_and_goes_back(house: House, gateway: Scripted, acting: Acting) -> None:
    visit_id = visit_of(house, acting)
    amount_fen = due(house, visit_id)
    order_id = ask(house, acting("chen"), visit_id, amount_fen)
    work(house)
    with house.unit(acting("chen")) as db:
        service.cancel_order(db, order_id)
    gateway.will("query", paid(amount_fen))
    work(house)
    assert order(house, order_id).state == OrderState.LATE
    assert (receipts_of(house, visit_id), due(house, visit_id)) == ([], amount_fen)
    assert holds(house, gateway_held.account(order_id)) == -amount_fen
    gateway.will("refund", RefundWord("failed", amount_fen, code="NOT_ENOUGH"))
    work(house)
    assert [each.state for each in refunds(house, order_id)] == [RefundState.FAILED]
    with house.unit(acting("fang")) as db:
        service.return_rest(db, order_id)
        with pytest.raises(Refused, match=r"billing.not_to_return"):
            service.return_rest(db, order_id)
    gateway.will("refund", RefundWord("success", amount_fen))
    work(house)
    assert (holds(house, WECHAT), order(house, order_id).returned_fen) == (0, amount_fen)
    assert broken(house) == []


def give_back_first_line(house: House, acting: Acting, visit_id: UUID) -> int:
    line = lines_of(house, visit_id)[0]
    with house.unit(acting("chen")) as db:
        plan = cashier.plan_refund(db, visit_id, [line.id])
        cashier.refund(db, visit_id, [line.id], plan.amount_fen, "退项")
    return plan.amount_fen


def test_a_refund_is_the_gateways_money_only_when_the_gateway_says_so(house: House, gateway: Scripted, acting: Acting) -> None:
    visit_id, order_id, amount_fen = paid_visit(house, gateway, acting)
    back_fen = give_back_first_line(house, acting, visit_id)
    refund = receipts_of(house, visit_id)[-1]
    with house.unit(acting("chen"), write=False) as db:
        assert gateway_cashier.refunds_of_receipt(db, refund.id) == [(RefundState.REQUESTED, "")]
    assert (due(house, visit_id), holds(house, WECHAT)) == (0, amount_fen), "asked for, and not gone yet"
    assert broken(house) == []
    work(house)
    assert [each.state for each in refunds(house, order_id)] == [RefundState.PROCESSING]
    assert holds(house, WECHAT) == amount_fen
    gateway.will("query_refund", RefundWord("success", back_fen))
    work(house, seconds=61)
    assert (holds(house, WECHAT), order(house, order_id).returned_fen) == (amount_fen - back_fen, back_fen)
    with house.unit(acting("chen"), write=False) as db:
        assert gateway_cashier.refunds_of_receipt(db, refund.id) == [(RefundState.SUCCESS, "")]
    assert broken(house) == []


def test_a_refund_that_failed_is_owed_again(house: House, gateway: Scripted, acting: Acting) -> None:
    visit_id, order_id, amount_fen = paid_visit(house, gateway, acting)
    back_fen = give_back_first_line(house, acting, visit_id)
    gateway.will("refund", RefundWord("failed", back_fen, code="NOT_ENOUGH"))
    work(house)
    assert (due(house, visit_id), holds(house, WECHAT), holds(house, gateway_held.account(order_id))) == (-back_fen, amount_fen, 0)
    assert broken(house) == []


def test_a_refund_that_failed_and_was_paid_after_all_is_booked_after_all(house: House, gateway: Scripted, acting: Acting) -> None:
    visit_id, order_id, amount_fen = paid_visit(house, gateway, acting)
    back_fen = give_back_first_line(house, acting, visit_id)
    gateway.will("refund", RefundWord("failed", back_fen, code="ABNORMAL"))
    work(house)
    [refund] = refunds(house, order_id)
    with house.unit(service.gateway_actor("01", Method.WECHAT)) as db:
        row = service.get_row(db, order_id, lock=True)
        service.apply_refund(db, row, db.get_one(GatewayRefundRow, refund.id), RefundWord("success", back_fen))
    assert (due(house, visit_id), holds(house, WECHAT), order(house, order_id).returned_fen) == (0, amount_fen - back_fen, back_fen)
    assert broken(house) == []


def test_money_that_is_told_of_twice_or_not_booked_is_seen_by_verify(house: House, gateway: Scripted, acting: Acting) -> None:
    _, order_id, amount_fen = paid_visit(house, gateway, acting)
    with house.unit(acting("fang")) as db:
        gateway_held.keep(db, order_id, Method.WECHAT, amount_fen, "01")
    found = " ".join(breaches(house))
    assert "the ledger holds" in found
    assert f"wechat: the ledger holds {2 * amount_fen} fen" in found


def test_without_the_look_for_a_receipt_money_would_vanish_and_verify_says_so(
    house: House, gateway: Scripted, acting: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit_id = visit_of(house, acting)
    amount_fen = due(house, visit_id)
    ask(house, acting("chen"), visit_id, amount_fen)
    work(house)
    take_all(house, acting("lan"), visit_id)
    monkeypatch.setattr(service, "is_booked", lambda *_: True)
    come(house, gateway, amount_fen)
    assert any("the ledger holds []" in text for text in breaches(house))


def test_no_more_is_asked_for_than_is_due_and_only_with_a_code_of_theirs(house: House, gateway: Scripted, acting: Acting) -> None:
    visit_id = visit_of(house, acting)
    chen = acting("chen")
    with pytest.raises(Refused, match=r"billing.too_much"):
        ask(house, chen, visit_id, due(house, visit_id) + 1)
    for code in ("999999999999999999", "12345678901234567", "abc"):
        with pytest.raises(Refused, match=r"billing.auth_code"):
            ask(house, chen, visit_id, 100, code)
    with house.unit(chen) as db, pytest.raises(Refused, match=r"billing.method"):
        gateway_cashier.ask(db, visit_id, 100, None)
    with pytest.raises(Refused, match=r"billing.gateway_not_connected"):
        ask(house, chen, visit_id, 100, ALIPAY_CODE)


def test_the_same_form_a_hundred_times_at_once_asks_once(house: House, gateway: Scripted, acting: Acting) -> None:
    visit_id = visit_of(house, acting)
    chen = acting("chen")
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: ask(house, chen, visit_id, 5_000, WECHAT_CODE), range(100)))
    assert len(found) == 1
    with house.unit(None, write=False) as db:
        assert len(service.orders_of(db, f"visit:{visit_id}")) == 1
    with pytest.raises(Refused, match=r"kit.idempotency_reused") as refused:
        ask(house, chen, visit_id, 5_001, WECHAT_CODE)
    assert refused.value.status == 409


def test_two_receipts_never_name_the_same_order(house: House, gateway: Scripted, acting: Acting) -> None:
    visit_id, order_id, _ = paid_visit(house, gateway, acting)
    part = receipts.Part(method=AccountKind.WECHAT, amount_fen=1, gateway_order_id=order_id)
    with pytest.raises(IntegrityError), house.unit(acting("chen")) as db:
        receipts.take(db, cashier.target_of(visit_id), Account(AccountKind.PERSON, visit_id), [part], visit_id=visit_id)


def test_a_worker_killed_between_the_answer_and_our_commit_takes_the_money_once(sqlite_house: House, tmp_path: Path) -> None:
    house = sqlite_house
    house.clock = Clock()
    house.ids = IdMaker(house.clock, house.random)  # two processes put facts down, in the order of one clock

    def acting(login: str) -> Actor:
        return actor_named(house, login)

    with peers(house, tmp_path / "payments", "http://127.0.0.1:9") as gateways:
        gateways.behaviour = Behaviour(callbacks="never", payer="pays")
        visit_id = visit_of(house, acting)
        amount_fen = due(house, visit_id)
        order_id = ask(house, acting("chen"), visit_id, amount_fen, WECHAT_CODE)
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "EXAM_HOME": str(tmp_path / "home"), "EXAM_KEYS": str(house.keys.folder),
            "EXAM_PAYMENTS": str(tmp_path / "payments"), "EXAM_PLUGINS": ",".join(houses.plugins),
        }  # fmt: skip
        worker = subprocess.run(
            [sys.executable, "-m", "tests.billing.dying_worker"], cwd=ROOT, env=environment, check=False, timeout=120
        )
        assert worker.returncode == -signal.SIGKILL
        kept = gateways.books.orders[order(house, order_id).order_no]
        assert (kept.state, row_of(house, order_id).state, receipts_of(house, visit_id)) == ("paid", OrderState.UNKNOWN, [])
        assert broken(house) == []
        work(house, seconds=41)
        assert (order(house, order_id).state, kept.payments) == (OrderState.PAID, 1)
        [receipt] = receipts_of(house, visit_id)
        assert (receipt.total_fen, due(house, visit_id)) == (amount_fen, 0)
        assert broken(house) == []


def test_an_unreachable_gateway_leaves_the_desk_waiting_and_not_unknown(house: House, gateway: Scripted, acting: Acting) -> None:
    visit_id = visit_of(house, acting)
    gateway.will("ask", NotTaken("unreachable"))
    order_id = ask(house, acting("chen"), visit_id, 100)
    work(house)
    with house.unit(acting("chen"), write=False) as db:
        assert gateway_cashier.waiting(db, order_id).stage == "submitting"


def asked_at(house: House, acting: Acting, target: str, amount_fen: int) -> UUID:
    with house.unit(acting("chen")) as db:
        return service.open_order(db, Method.WECHAT, target, amount_fen).id


def test_a_card_is_topped_up_by_telephone_or_the_money_goes_back(house: House, gateway: Scripted, acting: Acting) -> None:
    [(card_id, _)] = sold(house, acting)
    before_fen = -holds(house, cards.account_of(card_id))
    come_for = asked_at(house, acting, f"card_top_up:{card_id}", 10_000)
    come(house, gateway, 10_000)
    assert (order(house, come_for).why, -holds(house, cards.account_of(card_id))) == ("", before_fen + 10_000)
    too_much = asked_at(house, acting, f"card_top_up:{card_id}", 90_000)
    come(house, gateway, 90_000)
    assert (order(house, too_much).why, -holds(house, cards.account_of(card_id))) == ("not_due", before_fen + 10_000)
    assert [each.amount_fen for each in refunds(house, too_much)] == [90_000]
    assert broken(house) == []


def test_a_prepayment_by_telephone_goes_back_through_the_gateway(house: House, gateway: Scripted, acting: Acting) -> None:
    round_ = open_round(house, acting)
    order_id = asked_at(house, acting, f"prepayment:{round_.order_id}", 30_000)
    come(house, gateway, 30_000)
    with house.unit(acting("chen")) as db:
        assert prepaying.balance(db, round_.order_id) == 30_000
        [receipt] = receipts.of_target(db, receipts.Target("prepayment", round_.order_id))
        receipts.give_back(db, receipt.id, [receipts.Return(receipt.parts[0].id, 10_000)], "多缴")
    assert [(each.amount_fen, each.is_automatic) for each in refunds(house, order_id)] == [(10_000, False)]
    gateway.will("refund", RefundWord("success", 10_000))
    work(house)
    assert holds(house, WECHAT) == 20_000
    assert broken(house) == []

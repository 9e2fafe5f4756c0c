"""Exam cards: made, sold, used, lost, replaced, expired and cancelled; and what no race or wrong PIN may do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import func, select

from billing import card_lists, card_money, card_rules, card_types, card_verify, cards, receipts, verify
from billing.balances import show_due
from billing.card_facts import CardState, RefundRule
from billing.card_models import CardActRow, CardPin, CardRow, CardSaleRow
from billing.facts import AccountKind
from exam.kit.audit import Audit
from exam.kit.errors import NotFound, Refused
from exam.kit.house import House
from tests.billing.card_cases import (
    NAMED,
    PIN,
    UNNAMED,
    Acting,
    balance,
    cash,
    give_back,
    ledger_sum,
    pay,
    sold,
    state,
    stocked,
    type_of,
)
from tests.registration.cases import numbered, walk_in

MONEY = (AccountKind.CASH, AccountKind.BANK_CARD, AccountKind.TRANSFER)


def sound(house: House) -> None:
    """Every invariant of the ledger and of cards holds."""
    with house.unit(None, write=False) as db:
        checks = (*card_verify.INVARIANTS, *verify.INVARIANTS)
        assert {each.name: found for each in checks if (found := list(each.check(db)))} == {}


def visit(house: House, acting: Acting, number: int = 1) -> tuple[UUID, UUID]:
    """A registered visit and its person."""
    opened = walk_in(house, acting("lin"), numbered(number))
    with house.unit(acting("lin"), write=False) as db:
        from exam.visits import service as visits

        return opened.visit_id, visits.card(db, opened.visit_id).person_id


# --- making and selling ----------------------------------------------------------------------------------------------


def test_cards_are_made_with_numbers_in_a_row_and_sold_only_from_stock(house: House, acting: Acting) -> None:
    fang, chen = acting("fang"), acting("chen")
    code = type_of(house, fang)
    with house.unit(fang) as db:
        first, last = cards.make(db, code, 3)
    assert card_rules.range_of(first, 3)[-1] == last
    with house.unit(chen) as db, pytest.raises(Refused) as refused:
        card_money.sell(db, [first], cash(45_000))
    assert refused.value.code == "billing.card.not_possible"
    with house.unit(fang) as db:
        cards.stock(db, db.scalars(select(CardRow.batch_id).where(CardRow.card_no == first)).one())
    with house.unit(chen) as db:
        sale = card_money.sell(db, [first, last], cash(90_000))
    assert [state(house, each) for each in sale.card_ids] == ["active", "active"]
    assert [balance(house, each) for each in sale.card_ids] == [50_000, 50_000]
    sound(house)


def test_a_sale_is_a_liability_and_the_discount_its_own_account(house: House, acting: Acting) -> None:
    sold(house, acting, count=2)
    assert ledger_sum(house, [AccountKind.CARD]) == -100_000
    assert ledger_sum(house, [AccountKind.CARD_DISCOUNT]) == 10_000
    assert ledger_sum(house, [AccountKind.CASH]) == 90_000
    assert ledger_sum(house, [AccountKind.REVENUE]) == 0
    sound(house)


def test_a_sale_wants_exactly_its_price_and_money_that_is_no_card(house: House, acting: Acting) -> None:
    number = stocked(house, acting("fang"), type_of(house, acting("fang")))[0]
    for parts, code in (
        (cash(44_999), "billing.amount_differs"),
        ([*cash(44_999), *cash(2)], "billing.amount_differs"),
        ([msgspec.structs.replace(cash(45_000)[0], method=AccountKind.CARD, card_id=UUID(int=1))], "billing.method"),
    ):
        with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
            card_money.sell(db, [number], parts)
        assert refused.value.code == code
    assert ledger_sum(house, [AccountKind.CARD]) == 0


def test_a_named_card_is_sold_to_a_person_and_pays_with_a_pin(house: House, acting: Acting) -> None:
    _, person_id = visit(house, acting)
    number = stocked(house, acting("fang"), type_of(house, acting("fang"), NAMED))[0]
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        card_money.sell(db, [number], cash(100_000), pin=PIN)
    assert refused.value.code == "billing.card_holder"
    with house.unit(acting("chen")) as db:
        sale = card_money.sell(db, [number], cash(100_000), person_id=person_id)
    assert state(house, sale.card_ids[0]) == "sold"  # no PIN yet: it pays nothing
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        cards.part(db, number, "", 100)
    assert refused.value.code == "billing.card_not_active"
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        cards.activate(db, sale.card_ids[0], "")
    assert refused.value.code == "billing.pin_missing"
    with house.unit(acting("chen")) as db:
        cards.activate(db, sale.card_ids[0], PIN)
    with house.unit(acting("chen")) as db:
        part = cards.part(db, number, PIN, 100)
    assert (part.method, part.amount_fen, part.card_id) == (AccountKind.CARD, 100, sale.card_ids[0])
    sound(house)


def test_a_card_given_away_is_a_discount_without_a_receipt(house: House, acting: Acting) -> None:
    draft = msgspec.structs.replace(UNNAMED, category="event", price_fen=0)
    ((card_id, _),) = sold(house, acting, draft)
    assert balance(house, card_id) == 50_000
    assert ledger_sum(house, MONEY) == 0
    assert ledger_sum(house, [AccountKind.CARD_DISCOUNT]) == 50_000
    with house.unit(acting("chen")) as db:
        assert card_money.cancel(db, card_id, 0, "客户退回").back_fen == 0
    assert balance(house, card_id) == 0
    assert ledger_sum(house, [AccountKind.CARD_DISCOUNT]) == 0
    sound(house)


def test_a_sale_of_today_is_undone_while_no_card_of_it_was_used(house: House, acting: Acting) -> None:
    visit_id, _ = visit(house, acting)
    two = sold(house, acting, count=2)
    with house.unit(acting("chen"), write=False) as db:
        sale_id = db.scalars(select(CardSaleRow.id)).one()
    receipt = pay(house, acting("chen"), two[0][1], 100, visit_id)
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        card_money.undo_sale(db, sale_id, "买错")
    assert refused.value.code == "billing.card_used"
    with house.unit(acting("chen")) as db:
        receipts.void(db, receipt.id, "收错")
        show_due(db, visit_id, "01")
    with pytest.raises(Refused), house.unit(acting("chen")) as db:  # it was used, though all of it is back
        card_money.undo_sale(db, sale_id, "买错")
    other = sold(house, acting, count=2)
    with house.unit(acting("chen"), write=False) as db:
        last_id = db.scalars(select(CardSaleRow.id).order_by(CardSaleRow.id.desc())).first()
    assert last_id is not None
    with house.unit(acting("chen")) as db:
        assert card_money.undo_sale(db, last_id, "买错") == 2
    assert [state(house, card_id) for card_id, _ in other] == ["in_stock", "in_stock"]
    assert [balance(house, card_id) for card_id, _ in other] == [0, 0]
    with house.unit(acting("chen")) as db:  # and may be sold again
        card_money.sell(db, [other[0][1]], cash(45_000))
    sound(house)


def test_the_receipt_of_a_sale_cannot_be_voided_past_its_cards(house: House, acting: Acting) -> None:
    ((card_id, _),) = sold(house, acting)
    with house.unit(acting("chen"), write=False) as db:
        receipt_id = db.scalars(select(CardSaleRow.receipt_id)).one()
    assert receipt_id is not None
    with pytest.raises(Refused), house.unit(acting("chen")) as db:
        receipts.void(db, receipt_id, "试试")
    assert balance(house, card_id) == 50_000


# --- using -----------------------------------------------------------------------------------------------------------


def test_a_payment_is_revenue_only_when_the_card_is_used_and_goes_back_to_the_card(house: House, acting: Acting) -> None:
    visit_id, _ = visit(house, acting)
    ((card_id, number),) = sold(house, acting)
    receipt = pay(house, acting("chen"), number, 20_000, visit_id)
    assert balance(house, card_id) == 30_000
    give_back(house, acting("chen"), receipt, 5_000)
    assert balance(house, card_id) == 35_000
    with pytest.raises(Refused) as refused:
        give_back(house, acting("chen"), receipt, 15_001)
    assert refused.value.code == "billing.more_than_paid"
    with house.unit(acting("chen"), write=False) as db:
        history = card_lists.history(db, card_id)
    assert [(line.text, line.change_fen, line.balance_fen) for line in history[:2]] == [
        ("退回卡内", 5_000, 35_000), ("消费", -20_000, 30_000),
    ]  # fmt: skip
    assert history[0].visit_no
    sound(house)


def test_two_hundred_purchases_at_once_on_a_card_worth_three(house: House, acting: Acting) -> None:
    """AT-27."""
    visits = [visit(house, acting, number)[0] for number in range(1, 5)]
    ((card_id, number),) = sold(house, acting, msgspec.structs.replace(UNNAMED, face_fen=30_000, price_fen=30_000))
    chen = acting("chen")

    def buy(n: int) -> str:
        try:
            pay(house, chen, number, 10_000, visits[n % len(visits)])
        except Refused as refused:
            return refused.code
        return "won"

    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(buy, range(200)))
    assert told.count("won") == 3
    assert set(told) == {"won", "billing.balance_too_low"}
    assert balance(house, card_id) == 0
    assert ledger_sum(house, list(AccountKind)) == 0
    assert ledger_sum(house, [AccountKind.CARD]) == 0
    with house.unit(chen, write=False) as db:
        assert [line.change_fen for line in card_lists.history(db, card_id)].count(-10_000) == 3


def test_the_ledger_alone_stops_a_card_at_zero(house: House, acting: Acting) -> None:
    """The balance is moved under its condition also when nobody looked at it before."""
    visit_id, _ = visit(house, acting)
    ((card_id, number),) = sold(house, acting)
    with house.unit(acting("chen")) as db:
        part = cards.part(db, number, "", 50_000)
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        from billing.facts import Account
        from billing.receipt_facts import Target

        more = msgspec.structs.replace(part, amount_fen=50_001)
        receipts.take(db, Target("visit", visit_id), Account(AccountKind.PERSON, visit_id), [more], visit_id=visit_id)
    assert refused.value.code == "billing.balance_too_low"
    assert balance(house, card_id) == 50_000


def test_five_wrong_pins_lock_the_card_though_every_unit_was_undone(house: House, acting: Acting) -> None:
    visit_id, person_id = visit(house, acting)
    ((card_id, number),) = sold(house, acting, NAMED, person_id=person_id, pin=PIN)
    chen = acting("chen")
    for left in (4, 3, 2, 1):
        with pytest.raises(Refused) as refused, house.unit(chen) as db:
            cards.part(db, number, "000001", 100)
        assert (refused.value.code, f"{left} 次" in refused.value.text) == ("billing.pin_wrong", True)
    with house.unit(chen) as db:  # a right one forgets the wrong ones
        cards.part(db, number, PIN, 100)
    for _ in range(5):
        with pytest.raises(Refused) as refused, house.unit(chen) as db:
            cards.part(db, number, "000001", 100)
    assert refused.value.code == "billing.pin_locked"
    with pytest.raises(Refused) as refused, house.unit(chen) as db:
        cards.part(db, number, PIN, 100)
    assert refused.value.code == "billing.pin_locked"
    with house.unit(chen) as db:
        cards.set_pin(db, card_id, "730265", "本人持证件重设")
    pay(house, chen, number, 100, visit_id, "730265")
    sound(house)


def test_no_pin_is_in_the_audit_or_in_a_refusal(house: House, acting: Acting) -> None:
    _, person_id = visit(house, acting)
    ((_, number),) = sold(house, acting, NAMED, person_id=person_id, pin=PIN)
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        cards.part(db, number, "918273", 100)
    assert "918273" not in f"{refused.value.text}{refused.value.hint}{refused.value}"
    with house.unit(None, write=False) as db:
        rows = db.execute(select(Audit.act, Audit.subject, Audit.reason, Audit.rows)).all()
        hashes = db.scalars(select(CardPin.pin_hash)).all()
    told = "\n".join("|".join(row) for row in rows)
    assert "billing.card_pin" in told
    assert "918273" not in told
    assert PIN not in told
    assert hashes[0].startswith("$argon2id$")
    assert hashes[0] not in told


@pytest.mark.parametrize("pin", ["12345", "1234567", "12a456", "１２３４５６", "123456", "987654", "000000", "890123"])
def test_a_weak_pin_is_refused(pin: str) -> None:
    with pytest.raises(Refused):
        card_rules.require_pin(pin, needs_pin=True)


# --- topping up ------------------------------------------------------------------------------------------------------


def test_a_card_is_topped_up_to_its_limit_and_not_a_fen_more(house: House, acting: Acting) -> None:
    ((card_id, _),) = sold(house, acting)
    with house.unit(acting("chen")) as db:
        card_money.top_up(db, card_id, 50_000, cash(50_000))
    assert balance(house, card_id) == 100_000
    for amount_fen in (1, 0, -1):
        with pytest.raises(Refused), house.unit(acting("chen")) as db:
            card_money.top_up(db, card_id, amount_fen, cash(1))
    fixed = msgspec.structs.replace(UNNAMED, is_reloadable=False)
    ((other, _),) = sold(house, acting, fixed)
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        card_money.top_up(db, other, 1, cash(1))
    assert refused.value.code == "billing.card_not_reloadable"
    sound(house)


def test_a_top_up_of_today_is_undone_while_the_card_holds_it(house: House, acting: Acting) -> None:
    visit_id, _ = visit(house, acting)
    ((card_id, number),) = sold(house, acting)
    chen = acting("chen")
    with house.unit(chen) as db:
        card_money.top_up(db, card_id, 20_000, cash(20_000))
    with house.unit(chen) as db:
        assert card_money.undo_top_up(db, card_id, "充错卡") == 20_000
    assert (balance(house, card_id), ledger_sum(house, [AccountKind.CASH])) == (50_000, 45_000)
    with house.unit(chen, write=False) as db:
        assert card_money.cancel_offer(db, card_id).back_fen == 45_000  # the undone one counts no more
    with pytest.raises(Refused) as refused, house.unit(chen) as db:
        card_money.undo_top_up(db, card_id, "再撤一次")
    assert refused.value.code == "billing.no_top_up"
    with house.unit(chen) as db:
        card_money.top_up(db, card_id, 20_000, cash(20_000))
    pay(house, chen, number, 50_001, visit_id)
    with pytest.raises(Refused) as refused, house.unit(chen) as db:
        card_money.undo_top_up(db, card_id, "已用掉")
    assert refused.value.code == "billing.balance_too_low"
    sound(house)


def test_money_does_not_go_back_to_a_card_above_its_limit(house: House, acting: Acting) -> None:
    visit_id, _ = visit(house, acting)
    ((card_id, number),) = sold(house, acting)
    receipt = pay(house, acting("chen"), number, 10_000, visit_id)
    with house.unit(acting("chen")) as db:
        card_money.top_up(db, card_id, 60_000, cash(60_000))
    with pytest.raises(Refused) as refused:
        give_back(house, acting("chen"), receipt, 1)
    assert refused.value.code == "billing.card_limit"
    assert balance(house, card_id) == 100_000
    sound(house)


# --- lost, replaced, frozen ------------------------------------------------------------------------------------------


def test_a_named_card_is_reported_lost_found_and_replaced(house: House, acting: Acting) -> None:
    visit_id, person_id = visit(house, acting)
    ((card_id, number),) = sold(house, acting, NAMED, person_id=person_id, pin=PIN)
    chen = acting("chen")
    receipt = pay(house, chen, number, 30_000, visit_id, PIN)
    with house.unit(chen) as db:
        cards.report_loss(db, card_id, "本人挂失")
    with pytest.raises(Refused) as refused, house.unit(chen) as db:
        cards.part(db, number, PIN, 100)
    assert "已挂失" in refused.value.text
    with house.unit(chen) as db:
        cards.find_again(db, card_id, "已找回")
    with house.unit(chen) as db:
        cards.report_loss(db, card_id, "又丢了")
    with house.unit(chen, write=False) as db:
        code = card_types.newest_of(db, db.get_one(CardRow, card_id).type_id).code
    new_no = stocked(house, acting("fang"), code)[0]
    with house.unit(chen) as db:
        new_id = card_money.replace(db, card_id, new_no, "", "遗失补办")
    assert (state(house, card_id), balance(house, card_id)) == ("replaced", 0)
    assert (state(house, new_id), balance(house, new_id)) == ("active", 70_000)
    with pytest.raises(Refused), house.unit(chen) as db:
        cards.part(db, number, PIN, 100)
    with house.unit(chen) as db:  # the PIN came along
        cards.part(db, new_no, PIN, 100)
    give_back(house, chen, receipt, 30_000)  # and what was paid with the dead card goes back to the living one
    assert (balance(house, card_id), balance(house, new_id)) == (0, 100_000)
    sound(house)


def test_an_unnamed_card_cannot_be_reported_lost_but_a_damaged_one_is_replaced(house: House, acting: Acting) -> None:
    (first, second) = sold(house, acting, count=2)
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        cards.report_loss(db, first[0], "丢了")
    assert refused.value.code == "billing.card_unnamed"
    with pytest.raises(Refused), house.unit(acting("chen")) as db:
        card_money.replace(db, first[0], second[1], "", "消磁")  # sold already
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        other = stocked(house, acting("fang"), type_of(house, acting("fang"), NAMED))[0]
        card_money.replace(db, first[0], other, "", "消磁")
    assert refused.value.code == "billing.card_other_type"
    assert balance(house, first[0]) == 50_000
    sound(house)


def test_a_frozen_card_pays_nothing_and_does_not_expire(house: House, acting: Acting) -> None:
    ((card_id, number),) = sold(house, acting)
    with house.unit(acting("fang")) as db:
        cards.freeze(db, card_id, "来源存疑")
    with pytest.raises(Refused), house.unit(acting("chen")) as db:
        cards.part(db, number, "", 100)
    house.clock.advance(days=365 * 4)  # type: ignore[attr-defined]
    card_money.expire_in_background(house)
    assert (state(house, card_id), balance(house, card_id)) == ("frozen", 50_000)
    with house.unit(acting("fang")) as db:
        cards.unfreeze(db, card_id, "已核实")
    card_money.expire_in_background(house)
    assert state(house, card_id) == "expired"


def test_a_card_of_another_site_is_not_found(house: House, acting: Acting) -> None:
    ((card_id, number),) = sold(house, acting)
    away = msgspec.structs.replace(acting("chen"), site="02")
    with house.unit(away) as db:
        for ask in (lambda: cards.hold(db, card_id), lambda: cards.find(db, number), lambda: card_lists.detail(db, card_id)):
            with pytest.raises(NotFound):
                ask()
        assert card_lists.search(db, number) == ()


# --- expiring and cancelling -----------------------------------------------------------------------------------------


def test_a_card_expires_after_its_last_day_and_is_extended_with_all_it_held(house: House, acting: Acting) -> None:
    ((card_id, number), (gone_id, _)) = sold(house, acting, count=2)
    with house.unit(None, write=False) as db:
        assert str(db.get_one(CardRow, card_id).expires_on) == "2029-11-21"
    house.clock.at = house.clock.now().replace(year=2029)  # type: ignore[attr-defined]
    card_money.expire_in_background(house)
    assert state(house, card_id) == "active"  # the last day itself still counts
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        cards.part(db, number, "", 100)  # also before the job came by
    assert refused.value.code == "billing.card_expired"
    card_money.expire_in_background(house)
    assert [state(house, each) for each in (card_id, gone_id)] == ["expired", "expired"]
    assert ledger_sum(house, [AccountKind.CARD_EXPIRED]) == -100_000
    card_money.expire_in_background(house)  # once
    with house.unit(acting("fang")) as db:
        assert str(card_money.extend(db, card_id, "顾客要求")) == "2032-11-22"
    assert (state(house, card_id), balance(house, card_id)) == ("active", 50_000)
    with house.unit(acting("chen")) as db:
        cards.part(db, number, "", 50_000)
    sound(house)


def test_a_cancellation_gives_back_what_was_paid_for_the_rest_the_way_it_came(house: House, acting: Acting) -> None:
    visit_id, _ = visit(house, acting)
    ((card_id, number),) = sold(house, acting)  # 500 for 450
    chen = acting("chen")
    with house.unit(chen) as db:
        part = msgspec.structs.replace(cash(20_000)[0], method=AccountKind.BANK_CARD, reference="POS-1")
        card_money.top_up(db, card_id, 20_000, [part])
    pay(house, chen, number, 35_000, visit_id)
    with house.unit(chen) as db:
        offer = card_money.cancel_offer(db, card_id)
        assert (offer.balance_fen, offer.back_fen) == (35_000, 32_500)  # of 700 loaded, 650 were paid: one half of it
    with pytest.raises(Refused) as refused, house.unit(chen) as db:
        card_money.cancel(db, card_id, 35_000, "不再使用")
    assert refused.value.code == "billing.card_changed"
    with house.unit(chen) as db:
        card_money.cancel(db, card_id, 32_500, "不再使用")
    assert (state(house, card_id), balance(house, card_id)) == ("cancelled", 0)
    assert ledger_sum(house, [AccountKind.BANK_CARD]) == 0  # the last payment went back first, and whole
    assert ledger_sum(house, [AccountKind.CASH]) == 45_000 - 12_500
    with pytest.raises(Refused), house.unit(chen) as db:
        card_money.cancel(db, card_id, 0, "再销一次")
    sound(house)


def test_a_replaced_card_is_cancelled_by_the_payments_of_the_one_before(house: House, acting: Acting) -> None:
    _, person_id = visit(house, acting)
    ((card_id, _),) = sold(house, acting, NAMED, person_id=person_id, pin=PIN)
    chen = acting("chen")
    with house.unit(chen) as db:
        card_money.top_up(db, card_id, 5_000, cash(5_000))
        code = card_types.newest_of(db, db.get_one(CardRow, card_id).type_id).code
    new_no = stocked(house, acting("fang"), code)[0]
    with house.unit(chen) as db:
        new_id = card_money.replace(db, card_id, new_no, "", "损坏")
    with house.unit(chen) as db:
        assert card_money.cancel(db, new_id, 105_000, "不再使用").back_fen == 105_000
    assert ledger_sum(house, [AccountKind.CASH]) == 0
    assert (balance(house, card_id), balance(house, new_id)) == (0, 0)
    sound(house)


def test_a_type_that_gives_nothing_back_is_cancelled_only_empty(house: House, acting: Acting) -> None:
    visit_id, _ = visit(house, acting)
    ((card_id, number),) = sold(house, acting, msgspec.structs.replace(UNNAMED, refund=RefundRule.NONE))
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        card_money.cancel(db, card_id, 0, "不用了")
    assert refused.value.code == "billing.card_no_refund"
    pay(house, acting("chen"), number, 50_000, visit_id)
    with house.unit(acting("chen")) as db:
        card_money.cancel(db, card_id, 0, "不用了")
    assert state(house, card_id) == CardState.CANCELLED
    sound(house)


def test_money_for_a_cancelled_card_is_refused(house: House, acting: Acting) -> None:
    visit_id, _ = visit(house, acting)
    ((card_id, number),) = sold(house, acting)
    receipt = pay(house, acting("chen"), number, 50_000, visit_id)
    with house.unit(acting("chen")) as db:
        card_money.cancel(db, card_id, 0, "用完")
    with pytest.raises(Refused) as refused:
        give_back(house, acting("chen"), receipt, 100)
    assert refused.value.code == "billing.card_gone"
    assert balance(house, card_id) == 0


# --- types and limits ------------------------------------------------------------------------------------------------


def test_types_and_limits_are_versions(house: House, acting: Acting) -> None:
    fang = acting("fang")
    code = type_of(house, fang)
    with house.unit(fang) as db:
        assert card_types.change_type(db, code, 1, msgspec.structs.replace(UNNAMED, price_fen=40_000), "促销") == 2
    with pytest.raises(Refused), house.unit(fang) as db:
        card_types.change_type(db, code, 1, UNNAMED, "旧页面")
    with pytest.raises(Refused) as refused, house.unit(fang) as db:
        card_types.change_type(db, code, 2, msgspec.structs.replace(UNNAMED, face_fen=60_000), "改面值")
    assert refused.value.code == "billing.card_type_fixed"
    with house.unit(fang) as db:
        assert [each.price_fen for each in card_types.versions(db, code)] == [40_000, 45_000]
        before = card_types.limits(db)
        assert (before.version, before.approved_by) == (0, "")
        card_types.approve_limits(db, 0)
    with house.unit(fang) as db:
        new = msgspec.structs.replace(before, unnamed_most_fen=40_000, source="本院规定", reason="收紧")
        assert card_types.set_limits(db, 0, new) == 1
    with pytest.raises(Refused) as refused, house.unit(fang) as db:
        card_types.approve_limits(db, 1)
    assert refused.value.code == "billing.card_limits_own"
    number = stocked(house, fang, code)[0]
    with pytest.raises(Refused) as refused, house.unit(acting("chen")) as db:
        card_money.sell(db, [number], cash(40_000))
    assert refused.value.code == "billing.card_limit"


def test_verify_finds_what_is_wrong_with_a_card(sqlite_house: House) -> None:
    """Each invariant names its breach."""
    house = sqlite_house
    from tests.conftest import actor_named

    def acting(login: str) -> object:
        return actor_named(house, login)

    ((card_id, number),) = sold(house, acting)  # type: ignore[arg-type]
    with house.unit(acting("chen")) as db:  # type: ignore[arg-type]
        db.get_one(CardRow, card_id).state = "cancelled"
    with house.unit(None, write=False) as db:
        assert any(number in each for each in card_verify.card_states(db))
        assert any(number in each for each in card_verify.cards_hold_what_they_may(db))
        assert db.scalar(select(func.count()).select_from(CardActRow)) == 4

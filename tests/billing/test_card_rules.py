"""What may be done with a card, by the table and by money: pure, and in any order that somebody can think of."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from billing import card_lists, card_money, card_rules, card_types, card_verify, cards, verify
from billing.card_facts import STARTER_LIMITS, CardAct, CardState, RefundRule
from billing.card_models import CardRow, CardSaleRow
from exam.kit.errors import BadInput, Refused
from exam.kit.house import House
from tests.billing.card_cases import UNNAMED, balance, cash, give_back, pay, sold, stocked
from tests.conftest import actor_named
from tests.registration.cases import numbered, walk_in


@given(st.integers(1, 10**11 - 1))
def test_a_card_number_is_read_as_it_was_made_and_a_wrong_digit_is_found(sequence: int) -> None:
    number = card_rules.card_no("01", sequence)
    assert (len(number), card_rules.read_card_no(f" {number[:4]} {number[4:]}\r\n")) == (14, number)
    assert card_rules.sequence_of(number) == sequence
    wrong = number[:5] + str((int(number[5]) + 1) % 10) + number[6:]
    with pytest.raises(Refused) as refused:
        card_rules.read_card_no(wrong)
    assert refused.value.code == "billing.card_no_check"


@pytest.mark.parametrize("text", ["", "0101", "010000000000010", "<b>0100000000001", "０１00000000001", "'; drop table"])
def test_what_is_no_card_number_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        card_rules.read_card_no(text)


def test_the_limits_of_the_law_hold_for_every_type() -> None:
    wrong = msgspec.structs.replace(UNNAMED, face_fen=100_001, price_fen=100_002, valid_months=35, name="", category="x")
    with pytest.raises(BadInput) as refused:
        card_rules.require_type(wrong, STARTER_LIMITS)
    assert {field for field, _ in refused.value.problems} == {"name", "category", "face", "price", "valid_months"}
    card_rules.require_type(msgspec.structs.replace(UNNAMED, face_fen=100_000, price_fen=100_000), STARTER_LIMITS)
    named = msgspec.structs.replace(UNNAMED, is_named=True, face_fen=500_000)
    with pytest.raises(BadInput) as refused:
        card_rules.require_type(named, STARTER_LIMITS)
    assert [field for field, _ in refused.value.problems] == ["valid_months"]
    card_rules.require_type(msgspec.structs.replace(named, valid_months=None), STARTER_LIMITS)


@pytest.mark.parametrize(
    ("sold_on", "months", "last"),
    [
        (date(2026, 11, 21), 36, date(2029, 11, 21)), (date(2028, 2, 29), 36, date(2031, 2, 28)), (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2026, 12, 31), 12, date(2027, 12, 31)), (date(2026, 11, 21), None, None),
    ],
)  # fmt: skip
def test_the_last_day(sold_on: date, months: int | None, last: date | None) -> None:
    assert card_rules.expiry(sold_on, months) == last


@given(
    st.integers(0, 500_000),
    st.integers(0, 500_000),
    st.integers(0, 500_000),
    st.sampled_from([RefundRule.FULL, RefundRule.PROPORTIONAL]),
)
def test_never_more_goes_back_than_was_paid_or_is_left(loaded: int, paid: int, used: int, rule: RefundRule) -> None:
    paid, used = min(paid, loaded), min(used, loaded)
    left = loaded - used
    back = card_rules.given_back(left, loaded, paid, rule)
    assert 0 <= back <= min(left, paid)
    if not used:
        assert back == paid
    if rule is RefundRule.FULL:
        assert back == min(left, paid)


@given(st.lists(st.sampled_from(sorted(CardAct)), max_size=12))
def test_a_state_is_what_the_acts_lead_to_and_ended_cards_stay_ended(acts: list[CardAct]) -> None:
    ended = {CardState.REPLACED, CardState.CANCELLED, CardState.SCRAPPED}
    state = CardState.MADE
    for act in acts:
        try:
            after = card_rules.state_after(state, act, is_named=True)
        except Refused:
            continue
        assert state not in ended
        state = after


def test_an_unnamed_card_cannot_be_reported_lost() -> None:
    with pytest.raises(Refused) as refused:
        card_rules.state_after(CardState.ACTIVE, CardAct.REPORT_LOSS, is_named=False)
    assert refused.value.code == "billing.card_unnamed"


# --- any program of operations ---------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "top_up",
                "pay",
                "give_back",
                "freeze",
                "unfreeze",
                "replace",
                "expire",
                "extend",
                "cancel",
                "sell",
                "undo",
                "day",
                "years",
            ]
        ),
        st.integers(1, 60_000),
        st.integers(0, 2),
    ),
    min_size=3,
    max_size=14,
)


class Desk:
    """Two cashiers, some cards and a person who pays with them; whatever is refused has changed nothing."""

    def __init__(self, house: House, code: str, visits: list[UUID]) -> None:
        self.house, self.code, self.visits = house, code, visits
        self.chen, self.fang = actor_named(house, "chen"), actor_named(house, "fang")
        self.receipts: list[object] = []
        self.cards: list[UUID] = []

    def do(self, what: str, fen: int, which: int) -> None:
        before = {card_id: balance(self.house, card_id) for card_id in self.cards}
        try:
            getattr(self, what)(fen, which)
        except Refused:
            assert {card_id: balance(self.house, card_id) for card_id in self.cards} == before

    def card(self, which: int) -> UUID:
        return self.cards[which % len(self.cards)]

    def sell(self, fen: int, which: int) -> None:
        numbers = stocked(self.house, self.fang, self.code, which + 1)
        with self.house.unit(self.chen) as db:
            self.cards += card_money.sell(db, numbers, cash(45_000 * (which + 1))).card_ids

    def undo(self, fen: int, which: int) -> None:
        with self.house.unit(self.chen) as db:
            sale_id = db.get_one(CardRow, self.card(which)).sale_id
            if sale_id is not None and db.get_one(CardSaleRow, sale_id):
                card_money.undo_sale(db, sale_id, "试")

    def top_up(self, fen: int, which: int) -> None:
        with self.house.unit(self.chen) as db:
            card_money.top_up(db, self.card(which), fen, cash(fen))

    def undo_top_up(self, fen: int, which: int) -> None:
        with self.house.unit(self.chen) as db:
            card_money.undo_top_up(db, self.card(which), "试")

    def pay(self, fen: int, which: int) -> None:
        with self.house.unit(self.chen, write=False) as db:
            number = db.get_one(CardRow, self.card(which)).card_no
        self.receipts.append(pay(self.house, self.chen, number, fen, self.visits[which % len(self.visits)]))

    def give_back(self, fen: int, which: int) -> None:
        if self.receipts:
            give_back(self.house, self.chen, self.receipts[which % len(self.receipts)], fen)  # type: ignore[arg-type]

    def freeze(self, fen: int, which: int) -> None:
        with self.house.unit(self.fang) as db:
            cards.freeze(db, self.card(which), "试")

    def unfreeze(self, fen: int, which: int) -> None:
        with self.house.unit(self.fang) as db:
            cards.unfreeze(db, self.card(which), "试")

    def replace(self, fen: int, which: int) -> None:
        number = stocked(self.house, self.fang, self.code)[0]
        with self.house.unit(self.chen) as db:
            self.cards.append(card_money.replace(db, self.card(which), number, "", "试"))

    def expire(self, fen: int, which: int) -> None:
        card_money.expire_in_background(self.house)

    def extend(self, fen: int, which: int) -> None:
        with self.house.unit(self.fang) as db:
            card_money.extend(db, self.card(which), "试")

    def cancel(self, fen: int, which: int) -> None:
        with self.house.unit(self.chen) as db:
            card_money.cancel(db, self.card(which), card_money.cancel_offer(db, self.card(which)).back_fen, "试")

    def day(self, fen: int, which: int) -> None:
        self.house.clock.advance(days=1)  # type: ignore[attr-defined]

    def years(self, fen: int, which: int) -> None:
        self.house.clock.advance(days=1200)  # type: ignore[attr-defined]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_program_keeps_every_balance_the_sum_of_its_movements(sqlite_house: House, steps: list[tuple[str, int, int]]) -> None:
    """Balance = Σ credits − Σ debits, ≥ 0, ≤ the limit; and every invariant of cards and of the ledger holds."""
    house = sqlite_house
    if "desk" not in house.cache:
        visits = [walk_in(house, actor_named(house, "lin"), numbered(number)).visit_id for number in (1, 2)]
        sold(house, lambda login: actor_named(house, login))
        with house.unit(actor_named(house, "fang")) as db:
            house.cache["desk"] = (card_types.types(db)[0].code, visits)
    desk = Desk(house, *house.cache["desk"])
    desk.do("sell", 0, 0)
    for what, fen, which in steps:
        desk.do(what, fen, which)
    with house.unit(desk.chen, write=False) as db:
        for card_id in desk.cards:
            history = card_lists.history(db, card_id)
            assert history[0].balance_fen == cards.balance_of(db, card_id)
            assert all(0 <= line.balance_fen <= 100_000 for line in history)
        checks = (*card_verify.INVARIANTS, *verify.INVARIANTS)
        assert {each.name: found for each in checks if (found := list(each.check(db)))} == {}

"""AT-26 to AT-29 and AT-32: each attack fails, and succeeds as soon as the one guard against it is taken away.

AT-30 and AT-31 have theirs in `tests/billing/test_gateway_callbacks.py`, where the gateways' own handwriting is at hand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import func, select, update

from billing import (
    booking_days,
    cards,
    cashier,
    day_close,
    day_close_rules,
    discount_rules,
    discounting,
    ledger,
    receipt_rules,
)
from billing.card_models import CardRow
from billing.facts import Balance
from billing.gateway_models import GatewayOrderRow
from billing.models import GuardedBalance, LedgerTransaction, LedgerTransfer
from billing.receipt_models import ReceiptRow
from exam.kit import idempotency
from exam.kit.errors import Refused
from exam.kit.house import House
from exam.visits import service as visits
from tests.billing.card_cases import UNNAMED, sold
from tests.billing.cashier_cases import Acting, begin, cash, due, lines_of, take, take_all, visit_of
from tests.billing.close_cases import closed, drawer
from tests.conftest import Desk
from tests.registration.cases import numbered, walk_in

Sit = Callable[[str], Desk]
Nothing = Callable[..., None]


def nothing(*given: Any, **more: Any) -> None:
    """In place of a guard: lets everything pass."""


def at_once(calls: Sequence[Callable[[], Any]], threads: int = 20) -> list[str]:
    """What came of calls that begin together: `won`, or the code of the refusal."""
    gate = threading.Barrier(min(threads, len(calls)))

    def run(call: Callable[[], Any]) -> str:
        if len(calls) <= threads:
            gate.wait()
        try:
            call()
        except Refused as refused:
            return refused.code
        return "won"

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, calls))


# --- AT-26: the browser says what it costs -----------------------------------------------------------------------------

TAMPERED: dict[str, dict[str, str]] = {
    "a price": {"price": "0.01"}, "a discount": {"discount": "0.1"}, "that it is paid": {"paid": "true"}, "a quantity": {"qty": "-1"},
    "half a fen": {"cash": "0.005"}, "an exponent": {"cash": "1e9"}, "no number": {"cash": "NaN"}, "less than nothing": {"cash": "-1"},
    "too much": {"cash": "100000000"}, "another currency": {"cash": "$1.00"}, "full-width digits": {"cash": "１.00"},
    "a due of its own": {"seen_due": "1"}, "a card of its own": {"card": "1.00", "card_no": "01000000000010"},
}  # fmt: skip


@pytest.mark.parametrize("tampered", TAMPERED)
def test_a_tampered_payment_takes_nothing(house: House, acting: Acting, desk: Sit, tampered: str) -> None:
    visit_id = visit_of(house, acting)
    whole = due(house, visit_id)
    with house.unit(acting("chen"), write=False) as db:
        number = visits.card(db, visit_id).visit_no
    sound = {"key": "tampered-0001", "seen_due": str(whole), "cash": "1.00"}
    answer = desk("chen").htmx(f"/cashier/visits/{number}/take", {**sound, **TAMPERED[tampered]})
    assert answer.status_code >= 400, answer.status_code
    assert due(house, visit_id) == whole
    assert desk("chen").htmx(f"/cashier/visits/{number}/take", sound).status_code < 400
    assert due(house, visit_id) == whole - 100


def overpaid(house: House, acting: Acting) -> bool:
    visit_id = visit_of(house, acting)
    try:
        take(house, acting("chen"), visit_id, [cash(due(house, visit_id) + 1)])
    except Refused:
        return False
    return due(house, visit_id) < 0


def large_discount_alone(house: House, acting: Acting) -> bool:
    visit_id = visit_of(house, acting)
    whole = due(house, visit_id)
    with house.unit(acting("chen")) as db:
        discounting.give(db, visit_id, "熟人", factor="0.5")
    return due(house, visit_id) < whole


def own_discount_approved(house: House, acting: Acting) -> bool:
    visit_id, fang = visit_of(house, acting), acting("fang")
    with house.unit(fang) as db:
        asked = discounting.give(db, visit_id, "熟人", factor="0.5").request_id
    assert asked is not None
    try:
        with house.unit(fang) as db:
            discounting.decide(db, asked, is_approved=True)
    except Refused:
        return False
    return True


# --- AT-27: 200 purchases on a card worth three ------------------------------------------------------------------------


def card_outspent(house: House, acting: Acting, purchases: int = 200) -> bool:
    """Many at once, over real connections; whether more than three won, or the card or the ledger is not as it should be."""
    found = [walk_in(house, acting("lin"), numbered(n)).visit_id for n in range(1, 5)]
    ((card_id, number),) = sold(house, acting, msgspec.structs.replace(UNNAMED, face_fen=30_000, price_fen=30_000))
    chen = acting("chen")

    def buy(n: int) -> None:
        with house.unit(chen) as db:
            part = cards.part(db, number, "", 10_000)
            cashier.take(db, found[n % len(found)], [part])

    told = at_once([lambda n=n: buy(n) for n in range(purchases)])  # type: ignore[misc]
    with house.unit(chen, write=False) as db:
        left = db.scalar(select(GuardedBalance.balance_fen).where(GuardedBalance.of == card_id))
        spent = db.scalar(
            select(func.sum(LedgerTransfer.amount_fen)).where(LedgerTransfer.debit == "card", LedgerTransfer.debit_of == card_id)
        )
    assert set(told) <= {"won", "billing.balance_too_low", "billing.too_much"}
    return told.count("won") != 3 or left != 0 or spent != 30_000


def unheld(db: Any, *conditions: Any) -> Any:
    """Looks at a card without holding it."""
    return select(CardRow).order_by(CardRow.card_no)


def lax_balance(db: Any, account: Any, change_fen: int) -> None:
    """Read, reckon, write: what every textbook warns of, and no floor."""
    where = (GuardedBalance.kind == account.kind, GuardedBalance.of == account.of)
    before = db.scalar(select(GuardedBalance.balance_fen).where(*where))
    if before is None:
        ledger.insert_rows(db, GuardedBalance, [{"kind": account.kind.value, "of": account.of, "balance_fen": change_fen}])
    else:
        db.execute(update(GuardedBalance).where(*where).values(balance_fen=max(before + change_fen, 0)))


# --- AT-28: one key many times -----------------------------------------------------------------------------------------


def charged_twice(house: House, acting: Acting) -> bool:
    visit_id, chen = visit_of(house, acting), acting("chen")

    def send(fen: int) -> None:
        with house.unit(chen) as db:
            cashier.take_once(db, "one-key-0001", visit_id, [cash(fen)], None)

    told = at_once([lambda n=n: send(100 if n % 10 else 200) for n in range(100)])  # type: ignore[misc]
    with house.unit(None, write=False) as db:
        count = db.scalar(select(func.count()).select_from(ReceiptRow))
    return count != 1 or not 0 < told.count("kit.idempotency_reused") < 100


def acts_always(db: Any, key: str, asked: object, answer_type: Any, act: Callable[[], Any]) -> Any:
    """No memory of keys."""
    return act()


# --- AT-29: money goes back twice, too much, too late, or for what was done --------------------------------------------


def refunded_more_than_paid(house: House, acting: Acting) -> bool:
    visit_id, chen = visit_of(house, acting), acting("chen")
    paid = take(house, chen, visit_id, [cash(1_000)])
    line = lines_of(house, visit_id)[-1]
    with house.unit(acting("lin")) as db:
        from registration import service as registration

        registration.cancel(db, visit_id, "取消")
    assert line
    try:
        with house.unit(chen) as db:
            cashier.give_back(db, cashier.hold(db, visit_id), [cashier.Return(paid.parts[0].id, 1_001)], "多退")
    except Refused:
        return False
    return due(house, visit_id) > 0


def refunded_twice_at_once(house: House, acting: Acting) -> bool:
    visit_id = visit_of(house, acting)
    take_all(house, acting("chen"), visit_id)
    line = lines_of(house, visit_id)[-1]
    actors = [acting("chen"), acting("lan")]
    with house.unit(actors[0], write=False) as db:
        wanted = cashier.plan_refund(db, visit_id, [line.id]).amount_fen

    def send(n: int) -> None:
        with house.unit(actors[n]) as db:
            cashier.refund(db, visit_id, [line.id], wanted, "客户要求")

    return at_once([lambda: send(0), lambda: send(1)]).count("won") != 1


def refunded_what_was_done(house: House, acting: Acting) -> bool:
    visit_id, chen = visit_of(house, acting), acting("chen")
    take_all(house, chen, visit_id)
    line = lines_of(house, visit_id)[-1]
    begin(house, acting("lin"), visit_id, line.id)
    try:
        with house.unit(chen, write=False) as db:
            cashier.plan_refund(db, visit_id, [line.id])
    except Refused:
        return False
    return True


def voided_after_the_close(house: House, acting: Acting) -> bool:
    visit_id = visit_of(house, acting)
    paid = take_all(house, acting("chen"), visit_id)
    closed(house, acting)
    try:
        with house.unit(acting("chen")) as db:
            cashier.void(db, paid.id, "打错了")
    except Refused:
        return False
    return True


# --- AT-32: the closed day ---------------------------------------------------------------------------------------------


def closed_twice(house: House, acting: Acting) -> bool:
    visit_id = visit_of(house, acting)
    take_all(house, acting("chen"), visit_id)
    drawer_id = drawer(house, acting)
    closed(house, acting)
    try:
        with house.unit(acting("chen")) as db:
            day_close.close(db, drawer_id, day_close.Count(handed_fen=0, reason="再结一次"))
    except Refused:
        return False
    return True


def closed_with_money_on_its_way(house: House, acting: Acting) -> bool:
    visit_id = visit_of(house, acting)
    take(house, acting("chen"), visit_id, [cash(1_000)])
    now = house.clock.now()
    with house.unit(acting("chen")) as db:
        row = {
            "id": house.ids.new(), "order_no": "GW01", "site": "01", "method": "wechat", "target": f"visit:{visit_id}", "amount_fen": 100,
            "title": "体检费", "is_charge": False, "code": "", "auth_code": b"", "state": "asked", "why": "", "is_unbooked": False,
            "trade_no": "", "paid_fen": 0, "returned_fen": 0, "opened_at": now, "opened_by": acting("chen").staff_id,
            "expires_at": now + timedelta(minutes=5), "changed_at": now, "paid_at": None, "ver": 1,
        }  # fmt: skip
        ledger.insert_rows(db, GatewayOrderRow, [row])
    try:
        closed(house, acting)
    except Refused:
        return False
    return True


def closed_by_a_clock_set_back(house: House, acting: Acting) -> bool:
    take_all(house, acting("chen"), visit_of(house, acting))
    house.clock.advance(hours=-2)  # type: ignore[attr-defined]
    try:
        closed(house, acting)
    except Refused:
        return False
    return True


def booked_into_a_closed_day(house: House, acting: Acting) -> bool:
    """The clock stands on the day that the cashier closed: the next receipt counts on the day after."""
    visit_id = visit_of(house, acting)
    take(house, acting("chen"), visit_id, [cash(1_000)])
    day = house.clock.now().date()
    closed(house, acting)
    take(house, acting("chen"), visit_id, [cash(1_000)])
    with house.unit(None, write=False) as db:
        days = db.scalars(
            select(LedgerTransaction.booked_on).where(LedgerTransaction.kind == "payment").order_by(LedgerTransaction.id)
        ).all()
    assert days[0] == day
    return days[1] == day


# --- each with its guard, and without ----------------------------------------------------------------------------------

_money_of, _allot = cashier.money_of, receipt_rules.allot


def _owed_much_back(db: Any, visit_id: UUID) -> Any:
    """As it is, but whoever is owed something is owed a fortune."""
    found = _money_of(db, visit_id)
    return found if found.balance.due_fen >= 0 else _rich(visit_id, owed_back=10**6)


def _allot_anything(lines: Any, fen: int) -> Any:
    return _allot(lines, fen) if fen > 0 else []


Attack = Callable[[House, Acting], bool]
ATTACKS: dict[str, tuple[Attack, tuple[tuple[Any, str, Any], ...]]] = {
    "AT-26 more than is owed": (
        overpaid,
        ((receipt_rules, "allot", lambda lines, fen: []), (cashier, "money_of", lambda db, visit_id: _rich(visit_id))),
    ),
    "AT-26 half price alone": (large_discount_alone, ((discount_rules.Outcome, "is_within", lambda self, least: True),)),
    "AT-27 a card outspent": (card_outspent, ((ledger, "_move_balance", lax_balance), (cards, "balance_of", lambda db, card_id: 10**6))),
    "AT-28 one key many times": (charged_twice, ((idempotency, "once", acts_always),)),
    "AT-29 more than was paid": (
        refunded_more_than_paid,
        ((receipt_rules, "require_returns", lambda receipt, is_voided, returned, returns: list(receipt.parts)),
         (cashier, "money_of", lambda db, visit_id: _owed_much_back(db, visit_id)), (receipt_rules, "allot", _allot_anything)),
    ),
    "AT-29 what was done": (refunded_what_was_done, ((cashier, "_require_refundable_lines", nothing),)),
    "AT-29 void after the close": (voided_after_the_close, ((cashier.receipts.drawers, "require_open", nothing),)),
    "AT-32 money on its way": (closed_with_money_on_its_way, ((day_close_rules, "require_settled", lambda pending, now: tuple(pending)),)),
    "AT-32 a clock set back": (closed_by_a_clock_set_back, ((day_close, "_require_clock", nothing),)),
    "AT-32 into a closed day": (booked_into_a_closed_day, ((booking_days, "_CLOSED_BY_CASHIER", type("Never", (), {"first": nothing})),)),
}  # fmt: skip
GUARDED_TWICE: dict[str, Attack] = {
    "AT-26 one's own approval": own_discount_approved,
    "AT-29 refunded twice at once": refunded_twice_at_once,
    "AT-32 closed twice": closed_twice,
}
"""What the database itself refuses as well: taking the program's guard away does not let it pass."""


def _rich(visit_id: UUID, owed_back: int = 0) -> Any:
    balance = Balance(visit_id, 10**6, owed_back, 10**6 if not owed_back else -owed_back, 0)
    layout = receipt_rules.Layout((receipt_rules.LineMoney(visit_id, 0, owed_back),), {}, 0)
    return cashier.Money(balance, layout)


@contextmanager
def without(monkeypatch: pytest.MonkeyPatch, guards: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    with monkeypatch.context() as patched:
        for place, name, instead in guards:
            patched.setattr(place, name, instead)
        yield


@pytest.mark.parametrize("name", [*ATTACKS, *GUARDED_TWICE])
def test_an_attack_fails(house: House, acting: Acting, name: str) -> None:
    attack = ATTACKS[name][0] if name in ATTACKS else GUARDED_TWICE[name]
    assert not attack(house, acting)


@pytest.mark.parametrize("name", ATTACKS)
def test_without_its_guard_it_succeeds(house: House, acting: Acting, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The mutant: so the attack above really reaches what it attacks."""
    attack, guards = ATTACKS[name]
    with without(monkeypatch, guards):
        if name.startswith("AT-27"):
            assert card_outspent(house, acting, purchases=20)
        else:
            assert attack(house, acting)

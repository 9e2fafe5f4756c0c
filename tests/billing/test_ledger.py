"""The ledger: rows that can only sum to zero, balances that cannot fall below it, reversals that happen once."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from billing import ledger, verify
from billing.facts import Account, AccountKind, Move
from billing.models import GuardedBalance, LedgerTransfer
from exam import commands
from exam.kit.errors import Refused
from exam.kit.house import House
from tests.registration.cases import Acting

CARD = Account(AccountKind.CARD, UUID(int=7))
CASH, REVENUE = Account(AccountKind.CASH), Account(AccountKind.REVENUE)


def post(house: House, acting: Acting, *moves: Move) -> UUID:
    with house.unit(acting("chen")) as db:
        return ledger.post(db, ledger.Posting(kind="test", moves=moves, site="01"))


def breaches(house: House) -> list[str]:
    """What the ledger's own invariants find; those of papers would miss the paper behind an invented transaction."""
    with house.unit(None, write=False) as db:
        return [each for invariant in verify.INVARIANTS for each in invariant.check(db)]


def test_a_guarded_account_never_falls_below_zero(house: House, acting: Acting) -> None:
    post(house, acting, Move(CASH, CARD, 300))
    with pytest.raises(Refused, match=r"可用 3\.00 元,需要 3\.01 元"):
        post(house, acting, Move(CARD, REVENUE, 301))
    post(house, acting, Move(CARD, REVENUE, 300))
    with house.unit(acting("chen"), write=False) as db:
        assert ledger.guarded_balance(db, CARD) == 0
        assert ledger.flows(db, CARD) == {AccountKind.CASH: -300, AccountKind.REVENUE: 300}
    assert breaches(house) == []


def test_a_transaction_is_reversed_once(house: House, acting: Acting) -> None:
    paid = post(house, acting, Move(CASH, CARD, 300), Move(CASH, REVENUE, 50))
    with house.unit(acting("chen")) as db:
        ledger.reverse(db, paid, "test_undone")
    with house.unit(acting("chen"), write=False) as db:
        assert ledger.guarded_balance(db, CARD) == 0
        assert ledger.balance_of(db, CASH) == 0
    with pytest.raises((DBAPIError, Refused)), house.unit(acting("chen")) as db:
        ledger.reverse(db, paid, "test_undone")
    assert breaches(house) == []


@pytest.mark.parametrize("wrong", [{"amount_fen": 0}, {"amount_fen": -5}, {"credit": "cash"}])
def test_the_database_itself_refuses_a_row_that_is_no_transfer(house: House, acting: Acting, wrong: dict[str, object]) -> None:
    transaction_id = post(house, acting, Move(CASH, REVENUE, 5))
    row = {"id": UUID(int=1), "transaction_id": transaction_id, "debit": "cash", "debit_of": UUID(int=0), "credit": "revenue",
           "credit_of": UUID(int=0), "amount_fen": 5}  # fmt: skip
    with pytest.raises(DBAPIError), house.unit(acting("chen")) as db:
        db.execute(insert(LedgerTransfer).values(row | wrong))


def test_the_database_itself_refuses_to_change_a_row_or_to_overdraw_a_card(house: House, acting: Acting) -> None:
    post(house, acting, Move(CASH, CARD, 300))
    with pytest.raises(DBAPIError), house.unit(acting("chen")) as db:
        db.execute(text("update billing_transfer set amount_fen = 1"))
    with pytest.raises(DBAPIError), house.unit(acting("chen")) as db:
        db.execute(text("update billing_balance set balance_fen = -1"))


def test_verify_finds_a_balance_that_is_not_the_sum_of_its_transfers(house: House, acting: Acting) -> None:
    post(house, acting, Move(CASH, CARD, 300))
    with house.unit(acting("chen")) as db:
        db.get_one(GuardedBalance, ("card", CARD.of)).balance_fen = 301
    breaches = dict(commands.breaches_of(house))
    assert list(breaches["billing: balances are the sums of their transfers"]) == [f"card {CARD.of}: the balance says 301 fen, its transfers 300"]

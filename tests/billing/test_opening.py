"""A database from before the ledger: its visits get their transactions once, and owe what they owed."""

from __future__ import annotations

from functools import partial

from sqlalchemy import text

from billing import opening, verify
from billing import service as billing
from exam.kit.house import House
from registration import service as desk
from tests.conftest import actor_named
from tests.registration.cases import arrived, numbered, walk_in

TABLES = ("billing_transfer", "billing_transaction")


def forget_the_ledger(house: House) -> None:
    """Takes the ledger away as if it had never been there; the owner may, with the guards off."""
    with house.engine.begin() as connection:
        for table in TABLES:
            connection.execute(text(f"drop trigger {table}_no_update"))
            connection.execute(text(f"drop trigger {table}_no_delete"))
            connection.execute(text(f"delete from {table}"))


def test_visits_from_before_the_ledger_are_booked_once(sqlite_house: House) -> None:
    house, acting = sqlite_house, partial(actor_named, sqlite_house)
    paid = arrived(house, acting("lin"))
    owing = walk_in(house, acting("lin"), numbered(1)).visit_id
    back = walk_in(house, acting("lin"), numbered(2)).visit_id
    with house.unit(acting("lin")) as db:
        billing.pay_at_window(db, back, billing.amount_due(db, back), "A2")
    with house.unit(acting("lin")) as db:
        desk.cancel(db, back, "不来了")
    with house.unit(acting("lin"), write=False) as db:
        before = {each: billing.balance(db, each) for each in (paid, owing, back)}
    forget_the_ledger(house)
    with house.unit(acting("lin")) as db:
        assert opening.open_ledger(db) == 3
    with house.unit(acting("lin")) as db:
        assert opening.open_ledger(db) == 0
    with house.unit(acting("lin"), write=False) as db:
        assert {each: billing.balance(db, each) for each in (paid, owing, back)} == before
        assert [breach for each in verify.INVARIANTS for breach in each.check(db)] == []

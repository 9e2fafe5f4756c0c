"""M1 to M10: each invariant of the money as a whole finds a row that was changed behind the program's back."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from billing import cashier
from billing.cashier_facts import Way
from billing.facts import AccountKind
from billing.verify_money import INVARIANTS
from exam import commands
from exam.kit.house import House
from tests.conftest import actor_named
from tests.group_orders.cases import enrolled, open_round
from tests.registration.cases import numbered, walk_in

OTHER = uuid4().hex
ALL = {each.name: each for each in INVARIANTS}


def found_by(house: House, name: str) -> list[str]:
    with house.unit(None, write=False) as db:
        return list(ALL[name].check(db))


@pytest.fixture
def day(house: House) -> tuple[House, UUID]:
    """A paid visit at the cashier's, one paid at the window, and members of a round."""

    def acting(login: str) -> object:
        return actor_named(house, login)

    lin, chen = actor_named(house, "lin"), actor_named(house, "chen")
    visit_id = walk_in(house, lin, numbered(1)).visit_id
    with house.unit(chen) as db:
        cashier.take(
            db,
            visit_id,
            [Way(method=AccountKind.CASH, amount_fen=30000), Way(method=AccountKind.BANK_CARD, amount_fen=29312, reference="P1")],
        )
    from registration import service as registration

    other = walk_in(house, lin, numbered(2)).visit_id
    with house.unit(lin) as db:
        registration.pay(db, other, 59312, "A1")
    enrolled(house, acting, open_round(house, acting), men=1, women=1)  # type: ignore[arg-type]
    return house, visit_id


def test_a_sound_day_breaks_nothing(day: tuple[House, UUID]) -> None:
    house, _ = day
    assert [(name, found) for name, found in commands.breaches_of(house) if found] == []


MUTANTS: dict[str, tuple[str, ...]] = {
    "money moves with its paper": (
        "insert into billing_transaction (id, kind, site, visit_id, at, booked_on) "
        "select '{other}', 'payment', site, visit_id, at, booked_on from billing_transaction where kind = 'payment'",
        "insert into billing_transfer (id, transaction_id, debit, debit_of, credit, credit_of, amount_fen) "
        "select '{other}', '{other}', 'cash', '{nobody}', 'person', visit_id, 1 from billing_transaction where kind = 'payment' limit 1",
    ),
    "the window's money is what it recorded": ("update billing_window_payment set amount_fen = amount_fen - 1",),
    "all revenue is charged": (
        "insert into billing_transaction (id, kind, site, at, booked_on) "
        "select '{other}', 'order', site, at, booked_on from billing_transaction where kind = 'payment'",
        "insert into billing_transfer (id, transaction_id, debit, debit_of, credit, credit_of, amount_fen) "
        "values ('{other}', '{other}', 'reduction', '{nobody}', 'revenue', '{nobody}', 500)",
    ),
    "accounts have owners": ("update billing_transfer set debit_of = '{other}' where debit = 'person' and credit = 'revenue'",),
    "lines cost what their price list says": (
        "update exam_order_line set standard_fen = standard_fen + 1 where group_code = 'G012'",
    ),
    "a package's parts add up to its price": ("update exam_order_line set price_fen = price_fen + 1 where group_code = 'G012'",),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_row_changed_behind_the_programs_back_is_found(day: tuple[House, UUID], name: str) -> None:
    house, _ = day
    assert found_by(house, name) == []
    behind_its_back(house, [each.format(other=OTHER, nobody=UUID(int=0).hex) for each in MUTANTS[name]])
    assert found_by(house, name) != []


def behind_its_back(house: House, statements: list[str]) -> None:
    """Runs statements as somebody who may drop the guards of append-only tables."""
    from sqlalchemy import create_engine

    if house.is_sqlite:
        with house.engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            for (trigger,) in raw.execute("select name from sqlite_master where type = 'trigger'").fetchall():
                raw.execute(f"drop trigger {trigger}")
            raw.execute("PRAGMA foreign_keys = OFF")
            for statement in statements:
                raw.execute(statement)
        return
    engine = create_engine(house.settings.owner_url)  # type: ignore[union-attr]
    with engine.begin() as connection:
        connection.execute(text("set session_replication_role = replica"))  # neither triggers nor foreign keys
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_every_m_is_somebodys(house: House) -> None:
    """The list at the head of `verify_money` names invariants that there are."""
    import re

    from billing import verify_money

    names = {invariant.name for module in house.modules.all for invariant in module.invariants}
    told = re.findall(r"`([^`]+)`", " ".join((verify_money.__doc__ or "").split()))
    assert told
    for each in told:
        assert any(name == each or (each.endswith("…") and name.startswith(each[:-1].strip())) for name in names), each

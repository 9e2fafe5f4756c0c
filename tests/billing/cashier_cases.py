"""A person with a visit at the cashier's, for the tests of receipts, discounts and the cashier's screens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import select

from billing import cashier, cashier_lists
from billing import service as billing
from billing.cashier_facts import CashierSheet, Way
from billing.facts import AccountKind
from billing.receipt_facts import Receipt
from exam.kit.house import Actor, House
from exam.staff.models import Grant, Staff
from exam.visits import orders
from exam.visits.facts import LineState, OrderLine, Progress
from registration.facts import WalkIn
from tests.registration import cases

Acting = Callable[[str], Actor]


def cash(amount_fen: int, tendered_fen: int | None = None) -> Way:
    return Way(method=AccountKind.CASH, amount_fen=amount_fen, tendered_fen=tendered_fen)


def pos(amount_fen: int, reference: str = "000123") -> Way:
    return Way(method=AccountKind.BANK_CARD, amount_fen=amount_fen, reference=reference)


def visit_of(house: House, acting: Acting, new: WalkIn = cases.WEI) -> UUID:
    """A visit that is registered and owes everything."""
    return cases.walk_in(house, acting("lin"), new).visit_id


def due(house: House, visit_id: UUID) -> int:
    with house.unit(None, write=False) as db:
        return billing.amount_due(db, visit_id)


def take(house: House, actor: Actor, visit_id: UUID, ways: Sequence[Way]) -> Receipt:
    with house.unit(actor) as db:
        return cashier.take(db, visit_id, ways)


def take_all(house: House, actor: Actor, visit_id: UUID) -> Receipt:
    """All that is due, in cash."""
    return take(house, actor, visit_id, [cash(due(house, visit_id))])


def lines_of(house: House, visit_id: UUID) -> list[OrderLine]:
    """The lines that cost something and were not removed, in order."""
    with house.unit(None, write=False) as db:
        return [line for line in orders.lines(db, visit_id) if line.state is not LineState.REMOVED and line.price_fen]


def sheet_of(house: House, actor: Actor, visit_id: UUID) -> CashierSheet:
    with house.unit(actor, write=False) as db:
        return cashier_lists.sheet(db, visit_id)


def begin(house: House, actor: Actor, visit_id: UUID, line_id: UUID) -> None:
    """A department begins one line."""
    with house.unit(actor) as db:
        orders.progress(db, visit_id, [line_id], Progress.STARTED)


def grant(house: House, actor: Actor, login: str, role: str) -> None:
    """Gives a member of the cast one more role."""
    with house.unit(actor) as db:
        staff = db.scalars(select(Staff).where(Staff.login == login)).one()
        db.add(
            Grant(
                id=house.ids.new(), staff_id=staff.id, staff_kind="staff", role=role, site=actor.site, department="", granted_by="system",
                granted_at=house.clock.now(),
            )
        )  # fmt: skip

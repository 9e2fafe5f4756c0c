"""Days at the cashiers' in the tests of invoices and day closes: money taken, drawers counted, segments handed out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from uuid import UUID

from billing import day_close, invoice_numbers, invoices, receipts
from billing import service as billing
from billing.balances import show_due
from billing.day_close import Count
from billing.facts import Account, AccountKind
from billing.invoice_facts import NewInvoice
from billing.receipt_facts import LineAmount, Part, Receipt, Return, Target
from exam.kit.house import Actor, House
from tests.registration.cases import numbered, walk_in

Acting = Callable[[str], Actor]

TODAY = date(2026, 11, 21)
CREDIT_CODE = "91450100MA5KA0001X"


def taken(
    house: House, acting: Acting, login: str = "chen", *, number: int = 1, parts: tuple[Part, ...] = (), visit_id: UUID | None = None
) -> Receipt:  # fmt: skip
    """Somebody pays at a cashier's: all that is due in cash, or by the parts given."""
    visit_id = visit_id or walk_in(house, acting("lin"), numbered(number)).visit_id
    with house.unit(acting(login)) as db:
        due = billing.amount_due(db, visit_id)
        ways = parts or (Part(method=AccountKind.CASH, amount_fen=due, tendered_fen=due),)
        target, credit = Target("visit", visit_id), Account(AccountKind.PERSON, visit_id)
        receipt = receipts.take(
            db, target, credit, ways, visit_id=visit_id, lines=_lines(db, visit_id, sum(w.amount_fen for w in ways))
        )
        show_due(db, visit_id, "01")
    return receipt


def _lines(db: object, visit_id: UUID, fen: int) -> list[LineAmount]:
    """The receipt's money on the visit's lines, one after the other."""
    from billing import charging

    lines, paid = [], receipts.paid_of_lines(db, visit_id)  # type: ignore[arg-type]
    for line_id, share in sorted(charging.standing_charges(db, visit_id).items()):  # type: ignore[arg-type]
        part = min(share.person_fen - paid.get(line_id, 0), fen)
        if part > 0:
            lines.append(LineAmount(line_id, part))
            fen -= part
    return lines


def given_back(house: House, acting: Acting, receipt: Receipt, fen: int, login: str = "chen") -> Receipt:
    """Some of the first part of a receipt goes back."""
    with house.unit(acting(login)) as db:
        lines = [LineAmount(max(receipt.lines, key=lambda line: line.amount_fen).line_id, -fen)]
        done = receipts.give_back(db, receipt.id, [Return(receipt.parts[0].id, fen)], "客户要求退费", lines=lines)
        assert receipt.visit_id is not None
        show_due(db, receipt.visit_id, "01")
    return done


def pieces(fen: int) -> dict[int, int]:
    """A way to count an amount in notes and coins; what is less than the smallest coin cannot be counted."""
    from billing.day_close_rules import DENOMINATIONS

    found = {}
    for value in DENOMINATIONS:
        found[value], fen = divmod(fen, value)
    assert fen == 0, "no coin is so small"
    return found


def drawer(house: House, acting: Acting, login: str = "chen") -> UUID:
    """The drawer that this cashier would count now."""
    with house.unit(acting(login), write=False) as db:
        return day_close.to_close(db)[0].drawer_id


def closed(
    house: House, acting: Acting, login: str = "chen", *, by: str = "", extra_fen: int = 0, reason: str = "", **count: int
) -> UUID:
    """A cashier counts what the drawer should hold (and `extra_fen`), hands it all in and closes."""
    with house.unit(acting(by or login)) as db:
        found = day_close.to_close(db, acting(login).staff_id)[0]
        counted = found.opening_fen + found.cash_fen + count.get("received_fen", 0) + extra_fen
        wanted = {"handed_fen": counted} | count
        return day_close.close(db, found.drawer_id, Count(pieces=pieces(counted), reason=reason, **wanted))


def segment(
    house: House, acting: Acting, login: str = "chen", first: str = "00000001", last: str = "00000003", code: str = "4500"
) -> UUID:
    """A segment of sheets for a cashier."""
    with house.unit(acting("fang")) as db:
        staff_id = acting(login).staff_id
        assert staff_id is not None
        return invoice_numbers.give_segment(db, staff_id, code, first, last)


def invoiced(house: House, acting: Acting, receipt: Receipt, login: str = "chen", **more: object) -> UUID:
    """A paper invoice for a receipt."""
    new = NewInvoice(subject_kind="receipt", subject_id=receipt.id, **({"title": "覃志一"} | more))  # type: ignore[arg-type]
    with house.unit(acting(login)) as db:
        return invoices.issue(db, new)

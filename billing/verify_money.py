"""What must hold of money as a whole (M1 to M10 of the reliability rules), beside what each part of the room says of its own tables.

Which sentence covers what:
M1 `the ledger follows the charges`, `all revenue is charged`, `the window's money is what it recorded`, `the board shows what is due`;
M2 `balances are the sums of their transfers`, `a reversal is the opposite …`, `money moves with its paper`, `accounts have owners`, the shape
of a transfer, the triggers of append-only tables and A5 of the audit; M3 the primary key of idempotency keys, `receipts are their
transactions`; M4 `what receipts paid adds up line by line`, `no part of a receipt goes back twice`, the checks of balances and gateways;
M5 the gateways' own; M6 those of the day close; M7 `charges follow the order`, those of settlements; M8 `lines cost what their price list
says`; M9 those of invoices; M10 `charges follow the order`, `a package's parts add up to its price`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from billing import takings
from billing.day_close_models import DayClose
from billing.facts import MONEY, NOBODY, AccountKind
from billing.gateway_held import HELD, RETURNED
from billing.models import Charge, LedgerTransaction, LedgerTransfer, WindowPayment, WindowRefund
from billing.receipt_models import ReceiptRow
from billing.transfer_models import BankTransfer, TransferMatch
from exam.catalog import service as catalog
from exam.kit.module import Invariant
from exam.visits.models import OrderLineRow, Visit, VisitBoard
from exam.visits.spans import visit_spans

_MONEY = [kind.value for kind in MONEY]
_OWNED = (AccountKind.PERSON, AccountKind.ORGANIZATION, AccountKind.CARD, AccountKind.PREPAYMENT, AccountKind.GATEWAY_HELD)
"""Accounts of somebody or something; every other is the whole centre's."""

_OWN_CHECKS = (HELD, RETURNED, "window_opened", "prepayment_refunded")
"""Kinds whose papers the checks of gateways, of the window and of group orders compare."""


def money_moves_with_its_paper(db: Session) -> Iterator[str]:
    """Every transaction that moves money of ours is a receipt's, a window record's, a transfer's or a count's; each of these has one (M2)."""
    transaction, transfer = LedgerTransaction, LedgerTransfer
    moves = select(transfer.id).where(
        transfer.transaction_id == transaction.id, or_(transfer.debit.in_(_MONEY), transfer.credit.in_(_MONEY))
    )
    papers: tuple[tuple[Any, Any], ...] = (
        (ReceiptRow, ReceiptRow.transaction_id == transaction.id),
        (WindowPayment, WindowPayment.id == transaction.about),
        (WindowRefund, WindowRefund.id == transaction.about),
        (BankTransfer, BankTransfer.transaction_id.in_((transaction.id, transaction.reverses))),
        (TransferMatch, TransferMatch.transaction_id == transaction.id),
        (DayClose, DayClose.transaction_id.in_((transaction.id, transaction.reverses))),
    )
    has_none = [~select(model.id).where(is_its).exists() for model, is_its in papers]
    stray = select(transaction.id, transaction.kind).where(moves.exists(), transaction.kind.not_in(_OWN_CHECKS), *has_none)
    for transaction_id, kind in db.execute(stray):
        yield f"transaction {transaction_id} ({kind}): moves money without a paper"
    undone = select(transaction.id).where(transaction.kind == takings.DIFFERENCE_UNDONE, transaction.reverses.is_(None))
    for transaction_id in db.scalars(undone):
        yield f"transaction {transaction_id}: takes no count's difference back"


def windows_money_is_recorded(db: Session) -> Iterator[str]:
    """What the ledger says came by the hospital's window for a visit is what the window's records add up to (M1)."""
    window = AccountKind.WINDOW.value
    for span in visit_spans(db):
        kept: dict[UUID, int] = {}
        for model, sign in ((WindowPayment, 1), (WindowRefund, -1)):
            rows = select(model.visit_id, model.undoes, model.amount_fen).where(span.holds(model.visit_id))
            for row in db.execute(rows):
                kept[row.visit_id] = kept.get(row.visit_id, 0) + (-sign if row.undoes else sign) * row.amount_fen
        booked: dict[UUID, int] = {}
        for side, sign in ((LedgerTransfer.debit, 1), (LedgerTransfer.credit, -1)):
            moved = (
                select(Visit.id, func.sum(LedgerTransfer.amount_fen))
                .join(LedgerTransaction, LedgerTransaction.visit_id == Visit.id)
                .join(LedgerTransfer, LedgerTransfer.transaction_id == LedgerTransaction.id)
                # A receipt may name the window as its way, too: it has a paper of its own.
                .outerjoin(ReceiptRow, ReceiptRow.transaction_id == LedgerTransaction.id)
                .where(side == window, ReceiptRow.id.is_(None), span.holds(Visit.id))
                .group_by(Visit.id)
            )
            for visit_id, fen in db.execute(moved):
                booked[visit_id] = booked.get(visit_id, 0) + sign * int(fen)
        for visit_id in sorted(kept.keys() | booked.keys()):
            if kept.get(visit_id, 0) != booked.get(visit_id, 0):
                yield f"visit {visit_id}: the window's records say {kept.get(visit_id, 0)} fen, the ledger {booked.get(visit_id, 0)}"


def all_revenue_is_charged(db: Session) -> Iterator[str]:
    """The revenue of the whole ledger is what stands charged of all lines: none is booked past the visits (M1 in total)."""
    revenue = AccountKind.REVENUE.value
    earned = _sum(db, LedgerTransfer.credit == revenue) - _sum(db, LedgerTransfer.debit == revenue)
    charged = int(db.scalar(select(func.sum(Charge.sign * Charge.amount_fen))) or 0)
    if earned != charged:
        yield f"the ledger's revenue is {earned} fen, {charged} stand charged"


def _sum(db: Session, *where: Any) -> int:
    return int(db.scalar(select(func.sum(LedgerTransfer.amount_fen)).where(*where)) or 0)


def accounts_have_owners(db: Session) -> Iterator[str]:
    """A person's account is a visit's, owned accounts name an owner, and the centre's own none (M2)."""
    known = {kind.value for kind in AccountKind}
    owned = [kind.value for kind in _OWNED]
    for kind, of in ((LedgerTransfer.debit, LedgerTransfer.debit_of), (LedgerTransfer.credit, LedgerTransfer.credit_of)):
        wrong = select(LedgerTransfer.id, kind).where((of == NOBODY) == kind.in_(owned))
        for transfer_id, name in db.execute(wrong):
            yield f"transfer {transfer_id}: an account of kind {name} {'has no owner' if name in owned else 'is the whole centre’s'}"
        for (name,) in db.execute(select(kind).where(kind.not_in(known)).distinct()):
            yield f"there is no kind of account {name}"
        nobodys = select(of).where(kind == AccountKind.PERSON.value, ~select(Visit.id).where(Visit.id == of).exists()).distinct()
        for owner in db.scalars(nobodys):
            yield f"person {owner}: is no visit"


def lines_cost_what_their_list_says(db: Session) -> Iterator[str]:
    """A line's list price is that of the price list its visit is pinned to, and its charges name that list (M8)."""
    lists: dict[tuple[int, date], dict[str, int]] = {}
    for span in visit_spans(db):
        rows = db.execute(
            select(
                OrderLineRow.id, OrderLineRow.group_code, OrderLineRow.standard_fen, Visit.catalog_revision, Visit.catalog_on,
                Visit.exam_on,
            )
            .join(Visit, Visit.id == OrderLineRow.visit_id)
            .where(span.holds(OrderLineRow.visit_id))
        )  # fmt: skip
        for row in rows:
            key = (row.catalog_revision, row.catalog_on or row.exam_on)
            if key not in lists:
                groups = catalog.catalogue_at(db, *key).groups
                lists[key] = {code: group.price_fen for code, group in groups.items()}
            if lists[key].get(row.group_code) != row.standard_fen:
                listed = lists[key].get(row.group_code)
                yield f"line {row.id}: costs {row.standard_fen} fen, its price list {key[0]} of {key[1]} says {listed}"
        other = (
            select(Charge.id)
            .join(Visit, Visit.id == Charge.visit_id)
            .where(span.holds(Charge.visit_id), Charge.catalog_revision != Visit.catalog_revision)
        )
        for charge_id in db.scalars(other):
            yield f"charge {charge_id}: names another price list than its visit"


def packages_add_up(db: Session) -> Iterator[str]:
    """Where a visit's own package was ordered whole, the parts of its lines add up to the package's price (M10)."""
    for span in visit_spans(db):
        rows = db.execute(
            select(Visit.id, Visit.package_code, Visit.catalog_revision, Visit.catalog_on, Visit.exam_on, func.count().label("lines"),
                   func.sum(OrderLineRow.price_fen).label("fen"), func.sum(OrderLineRow.standard_fen).label("listed"))
            .join(OrderLineRow, OrderLineRow.visit_id == Visit.id)
            .join(VisitBoard, VisitBoard.visit_id == Visit.id)
            .where(span.holds(Visit.id), OrderLineRow.origin == "package", Visit.package_code != "")
            .group_by(Visit.id)
        )  # fmt: skip
        for row in rows:
            package = catalog.catalogue_at(db, row.catalog_revision, row.catalog_on or row.exam_on).packages.get(row.package_code)
            # A round's members are priced by its terms: their lines keep the list price.
            if package is None or row.lines != len(package.groups) or row.fen == row.listed:
                continue
            if int(row.fen) != package.price_fen:
                yield f"visit {row.id}: the parts of package {row.package_code} come to {row.fen} fen, it costs {package.price_fen}"


INVARIANTS = (
    Invariant("money moves with its paper", money_moves_with_its_paper),
    Invariant("the window's money is what it recorded", windows_money_is_recorded),
    Invariant("all revenue is charged", all_revenue_is_charged),
    Invariant("accounts have owners", accounts_have_owners),
    Invariant("lines cost what their price list says", lines_cost_what_their_list_says),
    Invariant("a package's parts add up to its price", packages_add_up),
)

"""What must hold of invoices and of closed days in the whole database (M6, M9), for `exam verify`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import closed_rows, day_close, takings
from billing.day_close_models import CentreClose, DayClose, OpenDay
from billing.day_close_rules import Statement
from billing.invoice_facts import LIVE
from billing.invoice_models import InvoiceCover, InvoiceNumber, InvoiceRow, InvoiceSegment
from billing.models import LedgerTransaction
from billing.receipt_models import DrawerRow, ReceiptPartRow
from exam.kit.module import Invariant


def closed_drawers_are_unchanged(db: Session) -> Iterator[str]:
    """Every close still has the digest of its drawer's rows and the sums that the ledger shows, whatever was tried since (M6)."""
    for close in day_close.closes_where(db, live_only=True):
        if closed_rows.digest_of_drawer(db, close.drawer_id, close.id).hex() != close.digest:
            yield f"day close {close.close_no}: a row of its drawer was changed, added or removed since"
        site = db.scalars(select(DrawerRow.site).where(DrawerRow.id == close.drawer_id)).one()
        shown = {each.method: each.net_fen for each in close.statement.methods}
        booked = {each.key: each.net_fen for each in takings.by_method(takings.of_drawer(db, close.drawer_id, site))}
        if shown != booked:
            yield f"day close {close.close_no}: its sums are {shown}, the ledger says {booked}"


def counts_follow_each_other(db: Session) -> Iterator[str]:
    """A drawer opens with what its cashier's last one closed with, expects its cash, and stands counted once (M6)."""
    last: dict[tuple[str, UUID], DayClose] = {}
    standing: set[UUID] = set()
    live = {close.id for close in day_close.closes_where(db, live_only=True)}
    for row in db.scalars(select(DayClose).order_by(DayClose.at, DayClose.id)):
        if row.id not in live:
            continue
        before = last.get((row.site, row.cashier_id))
        if row.before != (before.id if before else None) or row.opening_fen != (before.closing_fen if before else 0):
            yield f"day close {row.close_no}: does not open with what the last one closed with"
        cash = sum(each.net_fen for each in msgspec.json.decode(row.statement, type=Statement).methods if each.method == "cash")
        if row.expected_fen != row.opening_fen + row.received_fen + cash:
            yield f"day close {row.close_no}: expects {row.expected_fen} fen of cash, its rows say otherwise"
        if row.drawer_id in standing:
            yield f"day close {row.close_no}: its drawer was closed twice"
        standing.add(row.drawer_id)
        last[row.site, row.cashier_id] = row
    open_again = select(DrawerRow.id).where(DrawerRow.id.in_(standing), DrawerRow.closed_at.is_(None)) if standing else None
    for drawer_id in db.scalars(open_again) if open_again is not None else ():
        yield f"drawer {drawer_id}: is open though it was closed"


def closed_days_are_unchanged(db: Session) -> Iterator[str]:
    """Every day that the centre closed has the digest of its ledger rows, and nothing is booked before the first open day (M6)."""
    through: dict[str, CentreClose] = {}
    for row in db.scalars(select(CentreClose).order_by(CentreClose.day)):
        if closed_rows.digest_of_day(db, row.site, row.day) != bytes(row.digest):
            yield f"centre close {row.site} {row.day}: a row of the day was changed, added or removed since"
        through[row.site] = row
    first = {row.site: row.day for row in db.scalars(select(OpenDay))}
    for site, row in through.items():
        if first.get(site) != row.day + timedelta(days=1):
            yield f"site {site}: takes bookings from {first.get(site)}, though {row.day} was the last day closed"
        closed = {each.day for each in db.scalars(select(CentreClose).where(CentreClose.site == site))}
        booked = select(LedgerTransaction.booked_on).where(
            LedgerTransaction.site == site, LedgerTransaction.booked_on.between(min(closed), row.day)
        )
        for day in sorted(set(db.scalars(booked.distinct())) - closed):
            yield f"site {site}: {day} has bookings and was never closed, though {row.day} was"


def payments_are_on_one_invoice(db: Session) -> Iterator[str]:
    """What live invoices cover is covered once, is what was paid less what went back, and adds up to the invoice (M9)."""
    back = (
        select(ReceiptPartRow.part_of, func.sum(ReceiptPartRow.amount_fen).label("fen"))
        .where(ReceiptPartRow.part_of.is_not(None))
        .group_by(ReceiptPartRow.part_of)
        .subquery()
    )
    parts = (
        select(
            InvoiceCover.covers,
            InvoiceCover.amount_fen,
            ReceiptPartRow.amount_fen.label("paid"),
            func.coalesce(back.c.fen, 0).label("back"),
        )
        .join(ReceiptPartRow, ReceiptPartRow.id == InvoiceCover.covers)
        .outerjoin(back, back.c.part_of == InvoiceCover.covers)
        .where(InvoiceCover.is_live)
    )
    for row in db.execute(parts):
        if row.amount_fen != row.paid - int(row.back):
            yield f"receipt part {row.covers}: {row.paid - int(row.back)} fen stand paid, its live invoice is over {row.amount_fen}"
    twice = select(InvoiceCover.covers).where(InvoiceCover.is_live).group_by(InvoiceCover.covers).having(func.count() > 1)
    for covers in db.scalars(twice):
        yield f"{covers}: is on two live invoices"
    sums = (
        select(InvoiceRow.request_no, InvoiceRow.state, InvoiceRow.amount_fen, func.sum(InvoiceCover.amount_fen).label("fen"),
               func.max(InvoiceCover.is_live).label("live") if db.get_bind().dialect.name == "sqlite"
               else func.bool_or(InvoiceCover.is_live).label("live"))
        .join(InvoiceCover, InvoiceCover.invoice_id == InvoiceRow.id)
        .group_by(InvoiceRow.id)
    )  # fmt: skip
    for row in db.execute(sums):
        if int(row.fen) != row.amount_fen:
            yield f"invoice {row.request_no}: is over {row.amount_fen} fen, what it covers is {row.fen}"
        if bool(row.live) != (row.state in LIVE):
            yield f"invoice {row.request_no}: is {row.state}, its payment is {'held' if row.live else 'free'}"


def red_invoices_are_pairs(db: Session) -> Iterator[str]:
    """A red invoice that was issued is over the same amount as the one it takes back, and that one is reddened; and the other way (M9)."""
    red = {
        row.original_id: row for row in db.scalars(select(InvoiceRow).where(InvoiceRow.kind == "red", InvoiceRow.state == "issued"))
    }
    rows = db.scalars(select(InvoiceRow).where(InvoiceRow.state == "reddened")).all()
    for row in rows:
        if row.id not in red or red[row.id].amount_fen != row.amount_fen:
            yield f"invoice {row.request_no}: is reddened by no red invoice over the same amount"
    for original_id in red.keys() - {row.id for row in rows}:
        yield f"invoice {original_id}: has a red invoice and is not reddened"


def numbers_are_of_their_segments(db: Session) -> Iterator[str]:
    """Every paper invoice bears a number of a segment that was used for it, and no two segments overlap."""
    segments = db.scalars(select(InvoiceSegment).order_by(InvoiceSegment.code, InvoiceSegment.first)).all()
    for one, other in pairwise(segments):
        if one.code == other.code and other.first <= one.last:
            yield f"segments {one.code} {one.first} and {other.first} overlap"
    used = {(row.invoice_id, row.code, row.number) for row in db.scalars(select(InvoiceNumber))}
    paper = select(InvoiceRow.id, InvoiceRow.request_no, InvoiceRow.code, InvoiceRow.number).where(InvoiceRow.medium == "paper")
    for row in db.execute(paper):
        if (row.id, row.code, int(row.number or 0)) not in used:
            yield f"invoice {row.request_no}: its number {row.number} was not taken for it"
    outside = (
        select(InvoiceNumber.code, InvoiceNumber.number)
        .join(InvoiceSegment, InvoiceSegment.id == InvoiceNumber.segment_id)
        .where(
            (InvoiceNumber.number < InvoiceSegment.first) | (InvoiceNumber.number > InvoiceSegment.last)
            | (InvoiceNumber.code != InvoiceSegment.code)
        )
    )  # fmt: skip
    for code, number in db.execute(outside):
        yield f"invoice number {code} {number}: is not of its segment"


INVARIANTS = (
    Invariant("closed drawers are unchanged", closed_drawers_are_unchanged),
    Invariant("each count follows the last one", counts_follow_each_other),
    Invariant("closed days are unchanged", closed_days_are_unchanged),
    Invariant("a payment is on one live invoice", payments_are_on_one_invoice),
    Invariant("red invoices are pairs", red_invoices_are_pairs),
    Invariant("invoice numbers are of their segments", numbers_are_of_their_segments),
)

"""The digest over everything that was booked in a drawer, or in the ledger on a day: one changed, added or missing row changes it."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from billing.invoice_models import InvoiceFact, InvoiceNumber
from billing.models import LedgerTransaction, LedgerTransfer
from billing.receipt_models import ReceiptLineRow, ReceiptPartRow, ReceiptRow
from billing.takings import DIFFERENCE, DIFFERENCE_UNDONE
from exam.kit.db import Model, row_digest


def digest_of_drawer(db: Session, drawer_id: UUID, close_id: UUID) -> bytes:
    """SHA-256 over the rows of a drawer: its transactions with their transfers, its receipts, the invoice numbers it used.

    Of the differences that were posted for it only this close's own counts: an earlier count that was taken back left others.
    """
    of_close = (LedgerTransaction.kind.not_in((DIFFERENCE, DIFFERENCE_UNDONE))) | (
        (LedgerTransaction.kind == DIFFERENCE) & (LedgerTransaction.about == close_id)
    )
    transactions = select(LedgerTransaction.id).where(LedgerTransaction.drawer_id == drawer_id, of_close)
    receipts = select(ReceiptRow.id).where(ReceiptRow.drawer_id == drawer_id)
    return _digest(
        db,
        (LedgerTransaction, LedgerTransaction.id.in_(transactions)),
        (LedgerTransfer, LedgerTransfer.transaction_id.in_(transactions)),
        (ReceiptRow, ReceiptRow.drawer_id == drawer_id),
        (ReceiptPartRow, ReceiptPartRow.receipt_id.in_(receipts)),
        (ReceiptLineRow, ReceiptLineRow.receipt_id.in_(receipts)),
        (InvoiceNumber, InvoiceNumber.drawer_id == drawer_id),
        (InvoiceFact, InvoiceFact.drawer_id == drawer_id),
    )


def digest_of_day(db: Session, site: str, day: date) -> bytes:
    """SHA-256 over every transaction of a site that was booked on a day, with its transfers."""
    transactions = select(LedgerTransaction.id).where(LedgerTransaction.site == site, LedgerTransaction.booked_on == day)
    return _digest(
        db,
        (LedgerTransaction, LedgerTransaction.id.in_(transactions)),
        (LedgerTransfer, LedgerTransfer.transaction_id.in_(transactions)),
    )


def _digest(db: Session, *parts: tuple[type[Model], Any]) -> bytes:
    db.flush()
    whole = hashlib.sha256()
    for model, where in parts:
        table: Table = model.__table__  # type: ignore[assignment]
        for row in db.execute(select(table).where(where).order_by(table.c.id)).mappings():
            whole.update(f"{table.name} {row['id']} {row_digest(table, dict(row))}\n".encode())
    return whole.digest()

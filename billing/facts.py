"""Billing as frozen structs: charges, payments, what is due, and the slot through which others say who pays a line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from exam.kit.module import Slot
from exam.visits.facts import OrderLine


class Payer(StrEnum):
    """Who pays an order line."""

    PERSON = "person"
    ORGANIZATION = "organization"


LINE_PAYER: Slot[Callable[[Any, OrderLine], Payer | None]] = Slot(
    "You get the session and an order line; return who pays it, or None when you have no say. The first answer counts."
)


class Balance(msgspec.Struct, frozen=True):
    """A visit's money in fen: what was charged to the person, what was paid less what was given back, what is still due.

    A negative `due_fen` is money that the window has to give back (需退费).
    """

    visit_id: UUID
    charged_fen: int
    paid_fen: int
    due_fen: int
    organization_fen: int


class Payment(msgspec.Struct, frozen=True):
    """One payment taken at the hospital's window, with the window's receipt number; with who took it back, when and why."""

    id: UUID
    amount_fen: int
    receipt_no: str
    at: datetime
    is_undone: bool
    actor_id: UUID | None
    undone_at: datetime | None = None
    undone_by: UUID | None = None
    undone_reason: str = ""


class Refund(msgspec.Struct, frozen=True):
    """Money given back at the hospital's window; `receipt_no` is the window's own number, empty where it gave none; and its undoing."""

    id: UUID
    amount_fen: int
    receipt_no: str
    at: datetime
    is_undone: bool
    actor_id: UUID | None
    undone_at: datetime | None = None
    undone_by: UUID | None = None
    undone_reason: str = ""


class Account(msgspec.Struct, frozen=True):
    """A visit's money as the desk sees it: the balance and every payment and refund, the undone ones marked."""

    balance: Balance
    payments: tuple[Payment, ...]
    refunds: tuple[Refund, ...]


class RefundDue(msgspec.Struct, frozen=True):
    """A visit whose person is owed money, in fen."""

    visit_id: UUID
    amount_fen: int


class PaymentTaken(msgspec.Struct, frozen=True):
    """A payment was recorded, or taken back."""

    visit_id: UUID
    site: str
    amount_fen: int
    undone: bool = False


class RefundGiven(msgspec.Struct, frozen=True):
    """The window gave money back, or the record of it was taken back."""

    visit_id: UUID
    site: str
    amount_fen: int
    undone: bool = False

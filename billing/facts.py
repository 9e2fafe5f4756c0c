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
    """A visit's money in fen: what was charged to the person, what was paid at the window, what is still due."""

    visit_id: UUID
    charged_fen: int
    paid_fen: int
    due_fen: int
    organization_fen: int


class Payment(msgspec.Struct, frozen=True):
    """One payment taken at the hospital's window, with the window's receipt number."""

    id: UUID
    amount_fen: int
    receipt_no: str
    at: datetime
    is_undone: bool
    actor_id: UUID | None


class PaymentTaken(msgspec.Struct, frozen=True):
    """A payment was recorded, or taken back."""

    visit_id: UUID
    site: str
    amount_fen: int
    undone: bool = False

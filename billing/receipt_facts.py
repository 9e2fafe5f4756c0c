"""Receipts as frozen structs: what was taken or given back in one go, by which ways, in which drawer, and for which lines."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

import msgspec

from billing.facts import AccountKind


class ReceiptKind(StrEnum):
    """What a receipt says happened. A void is a paper of its own, with the number of the receipt that it takes back and a V."""

    PAYMENT = "payment"
    REFUND = "refund"
    VOID = "void"


KIND_NAMES = {ReceiptKind.PAYMENT: "收款", ReceiptKind.REFUND: "退费", ReceiptKind.VOID: "作废"}

TargetKind = Literal["visit", "card_sale", "card_top_up", "prepayment", "settlement", "transfer"]

TARGET_NAMES: dict[TargetKind, str] = {
    "visit": "体检费", "card_sale": "售卡", "card_top_up": "卡充值", "prepayment": "单位预缴", "settlement": "单位结算", "transfer": "单位转账",
}  # fmt: skip


class Target(msgspec.Struct, frozen=True):
    """What the money is for: a visit, the act of selling or topping up a card, a group order's prepayment, a settlement, a transfer."""

    kind: TargetKind
    id: UUID


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """An amount that comes in by one way. `method` is one of MONEY, or CARD (the card itself is `card_id`).

    `reference` is the POS slip's, the transfer's or the window receipt's number; `tendered_fen` what was handed over in cash.
    """

    method: AccountKind
    amount_fen: int
    reference: str = ""
    card_id: UUID | None = None
    gateway_order_id: UUID | None = None
    tendered_fen: int | None = None


class Return(msgspec.Struct, frozen=True):
    """An amount that goes back the way it came: of one part of the receipt. `reference` is the slip of the way back."""

    part_id: UUID
    amount_fen: int
    reference: str = ""


class BookedPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part as it is on a receipt; `part_of` is the part that a refund or void takes back. Amounts are positive."""

    id: UUID
    method: AccountKind
    amount_fen: int
    reference: str = ""
    card_id: UUID | None = None
    gateway_order_id: UUID | None = None
    tendered_fen: int | None = None
    part_of: UUID | None = None

    @property
    def change_fen(self) -> int:
        """What is handed back of the cash that was tendered."""
        return 0 if self.tendered_fen is None else self.tendered_fen - self.amount_fen


class LineAmount(msgspec.Struct, frozen=True):
    """By how much a receipt changes what is paid of an order line, in fen: less than nothing where money moves to other lines."""

    line_id: UUID
    amount_fen: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One receipt with its parts and, for a visit, its lines.

    `total_fen` is positive whatever its kind; `sign` is 1 where money came in and -1 where it went out.
    """

    id: UUID
    receipt_no: str
    site: str
    kind: ReceiptKind
    sign: int
    target: Target
    visit_id: UUID | None
    total_fen: int
    drawer_id: UUID
    cashier_id: UUID | None
    transaction_id: UUID
    at: datetime
    booked_on: date
    parts: tuple[BookedPart, ...]
    lines: tuple[LineAmount, ...] = ()
    voids: UUID | None = None
    reissues: UUID | None = None
    refund_of: UUID | None = None
    reason: str = ""
    approved_by: UUID | None = None


class ReceiptTaken(msgspec.Struct, frozen=True):
    """Money came in by a receipt."""

    receipt_id: UUID
    site: str
    target: Target
    total_fen: int


class ReceiptGivenBack(msgspec.Struct, frozen=True):
    """Money of a receipt went back: by a refund, or because the receipt was voided."""

    receipt_id: UUID
    of_receipt_id: UUID
    site: str
    target: Target
    total_fen: int
    is_void: bool

"""Money that came in on the bank account, as frozen structs, and what billing hears of settlements."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import msgspec


class MatchKind(StrEnum):
    """What a part of a transfer was found to be for."""

    PREPAYMENT = "prepayment"
    SETTLEMENT = "settlement"
    RETURNED = "returned"
    """It was sent back to where it came from."""


MATCH_NAMES = {MatchKind.PREPAYMENT: "单位预缴", MatchKind.SETTLEMENT: "结算单", MatchKind.RETURNED: "退回汇款方"}


class NewTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer as the bank's statement shows it. `amount_fen` is positive; the reference is the bank's own number."""

    amount_fen: int
    payer_name: str
    received_on: date
    bank_reference: str = ""
    payer_account: str = ""
    remark: str = ""


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer and how much of it is assigned. `age_days` counts from the day it came in."""

    id: UUID
    transfer_no: str
    amount_fen: int
    matched_fen: int
    payer_name: str
    received_on: date
    bank_reference: str
    payer_account: str
    remark: str
    recorded_at: datetime
    recorded_by: str
    age_days: int
    voided_at: datetime | None = None
    voided_by: str = ""
    void_reason: str = ""

    @property
    def open_fen(self) -> int:
        """What nobody knows yet what it is for."""
        return 0 if self.voided_at else self.amount_fen - self.matched_fen


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a transfer and what it is for; `undone_at` where that was taken back."""

    id: UUID
    transfer_id: UUID
    kind: MatchKind
    target_id: UUID
    amount_fen: int
    at: datetime
    by: str
    remark: str = ""
    undone_at: datetime | None = None
    undone_by: str = ""
    undone_reason: str = ""


class SettlementVoided(msgspec.Struct, frozen=True):
    """A group order's settlement is taken back. Vetoed while an invoice stands for it."""

    settlement_id: UUID
    order_id: UUID
    site: str
    reason: str

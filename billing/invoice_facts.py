"""Invoices as frozen structs: what may be invoiced, in which medium, where an invoice stands, and how numbers were used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec

from billing.ports import InvoiceItem
from exam.kit.module import Slot


class Medium(StrEnum):
    """What an invoice is made of (domain.md §8.6)."""

    PAPER = "paper"
    """A numbered sheet of a segment that a cashier holds."""
    FISCAL = "fiscal"
    """医疗收费电子票据, issued by the treasury's platform."""
    TAX = "tax"
    """数电票, issued by the tax platform."""


MEDIUM_NAMES = {Medium.PAPER: "纸质发票", Medium.FISCAL: "财政电子票据", Medium.TAX: "数电票"}


class InvoiceState(StrEnum):
    """Where an invoice stands. Only the platform's own word makes an electronic one issued or failed."""

    REQUESTED = "requested"
    UNKNOWN = "unknown"
    ISSUED = "issued"
    FAILED = "failed"
    VOIDED = "voided"
    REDDENED = "reddened"


STATE_NAMES = {
    InvoiceState.REQUESTED: "待开具", InvoiceState.UNKNOWN: "开具中", InvoiceState.ISSUED: "已开具", InvoiceState.FAILED: "开具失败",
    InvoiceState.VOIDED: "已作废", InvoiceState.REDDENED: "已红冲",
}  # fmt: skip

LIVE = (InvoiceState.REQUESTED, InvoiceState.UNKNOWN, InvoiceState.ISSUED)
"""States in which an invoice stands for its payment: what it covers cannot be on a second one (M9)."""

REASONS = {
    "not_set_up": "未配置电子票据平台", "misset": "电子票据平台配置有误", "exposed": "电子票据密钥文件权限过宽(应为 600)",
    "unreachable": "无法连接电子票据平台", "not_authorised": "电子票据平台未认可本机构的签名", "busy": "电子票据平台繁忙",
    "no_answer": "电子票据平台没有答复,正在核实", "refused": "电子票据平台拒绝开具", "amount": "平台返回的金额与申请不符",
    "number": "平台返回的票据号码缺失或重复",
}  # fmt: skip

FACT_NAMES = {
    "request": "申请开具", "submit": "提交平台", "not_taken": "平台未受理,稍后再试", "no_answer": "平台没有答复", "issue": "开具",
    "decline": "平台拒绝", "print": "打印", "spoil": "纸张损坏换号", "void": "作废", "redden": "红冲",
}  # fmt: skip

SubjectKind = Literal["receipt", "settlement"]


class Cover(msgspec.Struct, frozen=True):
    """A part of a receipt, or a settlement, and how much of it in fen the invoice stands for."""

    id: UUID
    amount_fen: int


class InvoiceSubject(msgspec.Struct, frozen=True, kw_only=True):
    """What may be invoiced now: the payment, its lines, and who it would be made out to if nobody says otherwise."""

    kind: SubjectKind
    id: UUID
    about: str
    covers: tuple[Cover, ...]
    items: tuple[InvoiceItem, ...]
    visit_id: UUID | None = None
    title: str = ""
    tax_no: str = ""

    @property
    def amount_fen(self) -> int:
        """What the invoice will be over."""
        return sum(each.amount_fen for each in self.covers)


SETTLEMENT_INVOICED: Slot[Callable[[Any, UUID], InvoiceSubject | None]] = Slot(
    "You get the session and a settlement's id; return what may be invoiced of it (its covers are settlements), or None when it is not yours."
)


class NewInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice that somebody asks for."""

    subject_kind: SubjectKind
    subject_id: UUID
    medium: Medium = Medium.PAPER
    is_company: bool = False
    title: str = ""
    tax_no: str = ""


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """One invoice. `amount_fen` is positive for a red one, too; `prints` counts how often it came out of the printer."""

    id: UUID
    request_no: str
    is_red: bool
    medium: Medium
    subject_kind: SubjectKind
    subject_id: UUID
    about: str
    title: str
    tax_no: str
    amount_fen: int
    items: tuple[InvoiceItem, ...]
    state: InvoiceState
    why: str
    code: str
    number: str
    check_code: str
    url: str
    original_id: UUID | None
    reason: str
    drawer_id: UUID
    cashier_id: UUID | None
    opened_at: datetime
    issued_at: datetime | None


class InvoiceLine(msgspec.Struct, frozen=True):
    """One thing that happened to an invoice."""

    kind: str
    number: str
    reason: str
    at: datetime
    actor_id: UUID | None


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A run of numbered sheets that one cashier holds, and what became of its numbers. Ranges are `00000001–00000007`."""

    id: UUID
    code: str
    cashier_id: UUID
    first: str
    last: str
    next: str
    used: int
    void: int
    remaining: int
    gaps: tuple[str, ...]
    void_ranges: tuple[str, ...]
    given_at: datetime


class NumberUse(msgspec.Struct, frozen=True):
    """Invoice numbers of one drawer: ranges that were used, and those that are void."""

    used: tuple[str, ...] = ()
    void: tuple[str, ...] = ()
    count: int = 0
    void_count: int = 0

"""What the cashier's screen shows of a visit, as frozen structs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from billing.facts import AccountKind, Balance, Payment, Refund
from billing.receipt_facts import Receipt
from exam.visits.facts import BEGUN, LineState, VisitCard


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to pay as the cashier typed it: for an exam card its number and PIN, for others what `Part` holds."""

    method: AccountKind
    amount_fen: int
    reference: str = ""
    tendered_fen: int | None = None
    card_no: str = ""
    card_pin: str = ""


class CashierLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line: its list price, what it costs whom, what receipts and the hospital's window paid of it, in fen."""

    id: UUID
    name: str
    department: str
    state: LineState
    standard_fen: int
    person_fen: int
    organization_fen: int
    paid_fen: int

    @property
    def discount_fen(self) -> int:
        """What is taken off the list price."""
        return max(self.standard_fen - self.person_fen - self.organization_fen, 0)

    @property
    def due_fen(self) -> int:
        """What the person still owes of it; less than nothing where it was paid and costs less now."""
        return self.person_fen - self.paid_fen

    @property
    def is_begun(self) -> bool:
        """Whether something of it was done: money goes back only with a second person's word."""
        return self.state in BEGUN


class ShownReceipt(msgspec.Struct, frozen=True):
    """A receipt with what became of it. `returned` is what went back of each part, in fen."""

    receipt: Receipt
    cashier: str
    is_voided: bool
    is_reissued: bool
    may_void: bool
    prints: int
    returned: dict[UUID, int] = {}

    @property
    def returned_fen(self) -> int:
        """What went back of it in all."""
        return sum(self.returned.values())


class CashierSheet(msgspec.Struct, frozen=True, kw_only=True):
    """A visit at the cashier's: what is owed by whom for each line, and everything that was paid and given back.

    `refundable_fen` goes back by receipts; `window_back_fen` is owed back too, but was paid at the hospital's window.
    """

    card: VisitCard
    balance: Balance
    lines: tuple[CashierLine, ...]
    receipts: tuple[ShownReceipt, ...]
    window_payments: tuple[Payment, ...]
    window_refunds: tuple[Refund, ...]
    refundable_fen: int
    window_back_fen: int

    @property
    def standard_fen(self) -> int:
        """The list prices of what is ordered."""
        return sum(line.standard_fen for line in self.lines if line.state is not LineState.REMOVED)

    @property
    def discount_fen(self) -> int:
        """What is taken off the list prices."""
        return sum(line.discount_fen for line in self.lines if line.state is not LineState.REMOVED)


class WayBack(msgspec.Struct, frozen=True):
    """One amount on its way back: by which way, of which receipt."""

    receipt_id: UUID
    receipt_no: str
    part_id: UUID
    method: AccountKind
    reference: str
    amount_fen: int


class RefundPlan(msgspec.Struct, frozen=True):
    """What taking these lines off would give back, by which ways; and what the hospital's window has to give back itself."""

    line_ids: tuple[UUID, ...]
    amount_fen: int
    ways: tuple[WayBack, ...]
    window_fen: int


class TodayRow(msgspec.Struct, frozen=True):
    """A receipt in the list."""

    id: UUID
    receipt_no: str
    kind: str
    sign: int
    target_kind: str
    total_fen: int
    methods: tuple[tuple[str, int], ...]
    at: datetime
    cashier: str
    visit_no: str
    person_name: str
    is_voided: bool
    reason: str

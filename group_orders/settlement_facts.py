"""Settlements of a round as frozen structs: what is billed, what the contract adjusts, what is paid ahead and what is left."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from exam.visits.facts import LineState, VisitState
from group_orders.facts import ReductionKind


class SettlementState(StrEnum):
    """Where a settlement stands. A draft is worked out and shown, and stored when it is proposed."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    RETURNED = "returned"
    APPROVED = "approved"
    PAID = "paid"
    VOID = "void"


SETTLEMENT_STATE_NAMES = {
    SettlementState.DRAFT: "草稿", SettlementState.PROPOSED: "待审核", SettlementState.RETURNED: "已退回", SettlementState.APPROVED: "待收款",
    SettlementState.PAID: "已结清", SettlementState.VOID: "已作废",
}  # fmt: skip

LIVE = (SettlementState.PROPOSED, SettlementState.APPROVED, SettlementState.PAID)
"""States in which a settlement holds its lines."""


class SettlementKind(StrEnum):
    """When a round is settled (domain.md §8.4)."""

    INTERIM = "interim"
    """While it is under way, any number of times."""
    FINAL = "final"
    """When it is completed; the round is settled with it."""
    SUPPLEMENT = "supplement"
    """After the final one: what was done or corrected later."""


SETTLEMENT_KIND_NAMES = {
    SettlementKind.INTERIM: "中间结算",
    SettlementKind.FINAL: "检后结算",
    SettlementKind.SUPPLEMENT: "补充结算",
}


class LineKind(StrEnum):
    """Why a line is on a settlement."""

    FIRST = "first"
    CORRECTION = "correction"
    """It is on an earlier settlement with another amount: the difference."""


class Basis(msgspec.Struct, frozen=True):
    """What a contract says about when a member counts and what of them is billed."""

    billable_when: str
    settled_by: str


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An order line that is charged to the organisation, with what was settled of it already. Amounts in fen.

    `is_covered`: it is one of the groups that the organisation ordered, not an extra. `settled_fen` None: on no settlement yet.
    """

    line_id: UUID
    visit_id: UUID
    visit_state: VisitState
    has_come: bool
    line_state: LineState
    service_only: bool
    is_covered: bool
    charged_fen: int
    settled_fen: int | None = None


class Verdict(StrEnum):
    """Why a charged line is on the next settlement or not."""

    BILLED = "billed"
    CORRECTED = "corrected"
    SETTLED = "settled"
    NOT_YET = "not_yet"
    """The member has not come as far as the contract asks."""
    NOT_DONE = "not_done"
    """The item was refused, postponed, or not done so far."""
    NOTHING = "nothing"
    """Nothing stands charged any more."""


VERDICT_NAMES = {
    Verdict.BILLED: "本次结算", Verdict.CORRECTED: "以前结算的更正", Verdict.SETTLED: "已结算", Verdict.NOT_YET: "人员未达到计费时点",
    Verdict.NOT_DONE: "项目未检、拒检或延期", Verdict.NOTHING: "已退项",
}  # fmt: skip


class Adjustment(msgspec.Struct, frozen=True):
    """What the contract takes off this settlement (less than zero) or adds to it, in fen, with the words for paper."""

    kind: ReductionKind
    amount_fen: int
    text: str


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement's sums in fen: lines + adjustments = due; due = prepaid + receivable - credited."""

    lines_fen: int
    adjusted_fen: int
    due_fen: int
    prepaid_fen: int
    receivable_fen: int
    credited_fen: int
    """What was settled too much before: it goes to the round's prepayment, to be refunded or carried over."""


class SettledLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a settlement: what it was, its list price, and the company's part that is settled, in fen."""

    line_id: UUID
    visit_id: UUID
    kind: LineKind
    name: str
    standard_fen: int
    amount_fen: int


class SettledMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member on a settlement, as they were on the list when it was made. `amount_fen` is the sum of their lines."""

    visit_id: UUID
    visit_no: str
    cohort: str
    name: str
    employee_no: str
    department: str
    exam_on: date
    package_name: str
    amount_fen: int
    lines: tuple[SettledLine, ...] = ()


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement with its sums and its acts."""

    id: UUID
    settlement_no: str
    order_id: UUID
    order_no: str
    order_name: str
    organization: str
    kind: SettlementKind
    state: SettlementState
    until_on: date | None
    basis: Basis
    sums: Sums
    adjustments: tuple[Adjustment, ...]
    paid_fen: int
    line_count: int
    member_count: int
    remark: str
    proposed_at: datetime
    proposed_by: UUID | None
    proposed_name: str
    approved_at: datetime | None
    approved_name: str
    ended_at: datetime | None
    ended_name: str
    ended_reason: str
    paid_at: datetime | None
    ver: int

    @property
    def rest_fen(self) -> int:
        """What the organisation still has to pay of it."""
        return self.sums.receivable_fen - self.paid_fen if self.state in (SettlementState.APPROVED, SettlementState.PAID) else 0


class PrepaymentKind(StrEnum):
    """What a round's prepayment moved by."""

    TAKEN = "taken"
    MATCHED = "matched"
    CREDITED = "credited"
    USED = "used"
    REFUNDED = "refunded"
    CARRIED_OUT = "carried_out"
    CARRIED_IN = "carried_in"


PREPAYMENT_NAMES = {
    PrepaymentKind.TAKEN: "收款", PrepaymentKind.MATCHED: "转账认领", PrepaymentKind.CREDITED: "结算退回", PrepaymentKind.USED: "结算使用",
    PrepaymentKind.REFUNDED: "退回单位", PrepaymentKind.CARRIED_OUT: "结转转出", PrepaymentKind.CARRIED_IN: "结转转入",
}  # fmt: skip


class PrepaymentLine(msgspec.Struct, frozen=True):
    """One move of a round's prepayment, in fen; less than zero where it went down. `balance_fen` is what it was then."""

    at: datetime
    kind: PrepaymentKind
    amount_fen: int
    balance_fen: int
    paper_no: str
    remark: str
    is_undone: bool = False


class SettlementApproved(msgspec.Struct, frozen=True):
    """A settlement was approved: it may be invoiced and paid."""

    settlement_id: UUID
    order_id: UUID
    site: str


AGES = ((30, "0–30 天"), (60, "31–60 天"), (90, "61–90 天"), (None, "90 天以上"))
"""Up to how many days each class of age goes, with its words."""

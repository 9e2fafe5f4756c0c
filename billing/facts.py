"""Billing as frozen structs: accounts, charges, payments, what is due, and the slot through which others say who pays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from exam.kit.module import Slot

NOBODY = UUID(int=0)
"""The owner of an account that belongs to the whole centre."""


class AccountKind(StrEnum):
    """What an account is about. Its owner is a visit, a group order or a card, or the whole centre (`NOBODY`)."""

    PERSON = "person"
    """What the person of a visit owes."""
    ORGANIZATION = "organization"
    """What the organisation of a group order owes."""
    REVENUE = "revenue"
    CASH = "cash"
    BANK_CARD = "bank_card"
    TRANSFER = "transfer"
    WINDOW = "window"
    """What the hospital's own window took and gave back for us."""
    WECHAT = "wechat"
    ALIPAY = "alipay"
    UNIONPAY = "unionpay"
    INSURANCE = "insurance"
    CARD = "card"
    """What an exam card still holds: owed to its holder until it is used."""
    PREPAYMENT = "prepayment"
    """What the organisation of a group order paid ahead."""
    UNMATCHED = "unmatched"
    """Money that came in by transfer and is not assigned to anybody yet."""
    GATEWAY_HELD = "gateway_held"
    """What a gateway took or keeps that is to go back through it; its owner is the gateway's order."""
    REDUCTION = "reduction"
    """What a contract takes off a settlement (满额减, 封顶), or adds to it (保底人数)."""
    CARD_DISCOUNT = "card_discount"
    """What a card was sold for less than it holds."""
    CARD_EXPIRED = "card_expired"
    """What an expired card still held."""
    CASH_DIFFERENCE = "cash_difference"
    """What the drawer had more or less than the book says."""


GUARDED = frozenset({AccountKind.CARD, AccountKind.PREPAYMENT})
"""Accounts that owe money to somebody and must not fall below zero: their balance is kept and moved under a condition."""

MONEY = (
    AccountKind.CASH, AccountKind.BANK_CARD, AccountKind.TRANSFER, AccountKind.WINDOW, AccountKind.WECHAT, AccountKind.ALIPAY,
    AccountKind.UNIONPAY, AccountKind.INSURANCE,
)  # fmt: skip
"""Accounts that hold money of ours, in the order in which a day's takings list them."""

ACCOUNT_NAMES = {
    AccountKind.PERSON: "个人应收", AccountKind.ORGANIZATION: "单位应收", AccountKind.REVENUE: "体检收入", AccountKind.CASH: "现金",
    AccountKind.BANK_CARD: "银行卡", AccountKind.TRANSFER: "单位转账", AccountKind.WINDOW: "医院窗口", AccountKind.WECHAT: "微信支付",
    AccountKind.ALIPAY: "支付宝", AccountKind.UNIONPAY: "银联", AccountKind.INSURANCE: "医保", AccountKind.CARD: "体检卡",
    AccountKind.PREPAYMENT: "单位预缴", AccountKind.UNMATCHED: "待认领转账", AccountKind.GATEWAY_HELD: "扫码待退款",
    AccountKind.REDUCTION: "合同调整",
    AccountKind.CARD_DISCOUNT: "售卡优惠", AccountKind.CARD_EXPIRED: "过期卡余额", AccountKind.CASH_DIFFERENCE: "现金长短款",
}  # fmt: skip


class Account(msgspec.Struct, frozen=True):
    """One account of the ledger."""

    kind: AccountKind
    of: UUID = NOBODY


class Move(msgspec.Struct, frozen=True):
    """An amount in fen, more than zero, that one account is debited and another credited."""

    debit: Account
    credit: Account
    amount_fen: int


class Payer(StrEnum):
    """Who pays a share of an order line."""

    PERSON = "person"
    ORGANIZATION = "organization"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a group order agreed for one visit (domain.md §8.2, the three modes of S6).

    `covered` are the groups that the organisation orders; everything else is the member's own (加项) and paid by `extras_payer`.
    Factors are decimal texts. A group's own factor counts before the general one; a `package_fen` is the agreed price of all
    that is covered together. With `limit_fen` the organisation pays at most that much for this person, the rest is theirs.
    """

    payer_id: UUID
    covered: frozenset[str]
    factor: str = "1"
    group_factors: dict[str, str] = {}
    package_fen: int | None = None
    limit_fen: int | None = None
    extras_payer: Payer = Payer.PERSON
    extras_factor: str = "1"
    pays_all: bool = False
    """Mode 金额分组: the organisation pays for whatever the member chooses, up to `limit_fen`."""


class VisitTerms(msgspec.Struct, frozen=True):
    """The terms of a visit now, and those that lines keep because they were done before the person was moved (F35).

    None for terms: a person's own order.
    """

    now: Terms | None
    kept: tuple[tuple[frozenset[UUID], Terms | None], ...] = ()


class DiscountKind(StrEnum):
    """Where a discount on the person's own part comes from."""

    BOOKING = "booking"
    """The booking coefficient (预约打折系数)."""
    MANUAL = "manual"
    WAIVER = "waiver"
    """Money given back for what was done already (已执行退费), which two people said: no least price keeps it up."""


class Discount(msgspec.Struct, frozen=True, kw_only=True):
    """A discount that stands: a factor on one line or (`line_id` None) on all of the person's part, or the total it shall cost.

    `stackable`: it multiplies what is reduced already; otherwise the lower price counts (domain.md §8.2 step 3).
    """

    kind: DiscountKind
    line_id: UUID | None = None
    factor: str | None = None
    total_fen: int | None = None
    stackable: bool = True


class PricedLine(msgspec.Struct, frozen=True, kw_only=True):
    """An order line as prices need it: its list price, what its visit froze (a package's part), and what may be taken off."""

    id: UUID
    group_code: str
    standard_fen: int
    price_fen: int
    is_discountable: bool = True
    min_fen: int = 0


class Share(msgspec.Struct, frozen=True):
    """What a line costs, in fen, and who pays how much of it; `payer_id` is the group order that pays the organisation's part."""

    person_fen: int
    organization_fen: int = 0
    payer_id: UUID | None = None

    @property
    def amount_fen(self) -> int:
        """What the line costs in all."""
        return self.person_fen + self.organization_fen


VISIT_TERMS: Slot[Callable[[Any, UUID], VisitTerms | None]] = Slot(
    "You get the session and a visit's id; return what a group order agreed for it, or None when it is a person's own. The first answer counts."
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


class VisitAccount(msgspec.Struct, frozen=True):
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

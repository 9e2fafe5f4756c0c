"""Exam cards (体检卡) as frozen structs: types, the limits of the law, cards and what happened to them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import msgspec

MOST_TRIES = 5
"""So many wrong PINs lock a card until the PIN is set anew."""

MOST_AT_ONCE = 500
"""So many cards are made, put in stock or sold in one act."""


class CardState(StrEnum):
    """Where a card stands."""

    MADE = "made"
    IN_STOCK = "in_stock"
    SOLD = "sold"
    """Sold and loaded, but it pays nothing before it is activated."""
    ACTIVE = "active"
    LOST = "lost"
    FROZEN = "frozen"
    EXPIRED = "expired"
    REPLACED = "replaced"
    """Dead: what it held is on another card."""
    CANCELLED = "cancelled"
    SCRAPPED = "scrapped"
    """Spoiled before it was ever sold."""


STATE_NAMES = {
    CardState.MADE: "已制卡", CardState.IN_STOCK: "在库", CardState.SOLD: "已售待激活", CardState.ACTIVE: "正常",
    CardState.LOST: "已挂失", CardState.FROZEN: "已冻结", CardState.EXPIRED: "已过期", CardState.REPLACED: "已补换",
    CardState.CANCELLED: "已销卡", CardState.SCRAPPED: "已作废",
}  # fmt: skip


class CardAct(StrEnum):
    """What is done with a card. Payments with it and refunds to it are receipts, not acts."""

    MAKE = "make"
    STOCK = "stock"
    SCRAP = "scrap"
    SELL = "sell"
    UNDO_SALE = "undo_sale"
    ACTIVATE = "activate"
    TOP_UP = "top_up"
    UNDO_TOP_UP = "undo_top_up"
    SET_PIN = "set_pin"
    REPORT_LOSS = "report_loss"
    FIND = "find"
    REPLACE = "replace"
    TAKE_OVER = "take_over"
    """A card from the stock takes the place of a lost or damaged one."""
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    EXPIRE = "expire"
    EXTEND = "extend"
    CANCEL = "cancel"


ACT_NAMES = {
    CardAct.MAKE: "制卡", CardAct.STOCK: "入库", CardAct.SCRAP: "作废", CardAct.SELL: "发售", CardAct.UNDO_SALE: "撤销发售",
    CardAct.ACTIVATE: "激活", CardAct.TOP_UP: "充值",
    CardAct.UNDO_TOP_UP: "撤销充值", CardAct.SET_PIN: "设置密码", CardAct.REPORT_LOSS: "挂失", CardAct.FIND: "解挂",
    CardAct.REPLACE: "补卡转出", CardAct.TAKE_OVER: "补卡转入", CardAct.FREEZE: "冻结", CardAct.UNFREEZE: "解冻",
    CardAct.EXPIRE: "过期", CardAct.EXTEND: "续期", CardAct.CANCEL: "销卡",
}  # fmt: skip

CATEGORIES = {"exam": "体检卡", "member": "会员卡", "family": "家庭卡", "group": "团检专属", "event": "活动卡"}


class RefundRule(StrEnum):
    """What is given back of a card's balance when it is cancelled."""

    PROPORTIONAL = "proportional"
    """The part of the balance that was really paid for: a card of 1000 sold for 900 gives 450 back for 500."""
    FULL = "full"
    NONE = "none"


REFUND_NAMES = {RefundRule.PROPORTIONAL: "按实付比例退", RefundRule.FULL: "按余额全退", RefundRule.NONE: "余额不退"}


class CardLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the law on single-purpose prepaid cards allows, as this centre keeps it: data with a source, in versions.

    A named card has no expiry at all, an unnamed one at least so many months. `approved_by` is empty until somebody other
    than the author compared it with the regulation.
    """

    version: int
    named_most_fen: int
    unnamed_most_fen: int
    unnamed_least_months: int
    source: str
    reason: str = ""
    author: str = ""
    author_id: UUID | None = None
    at: datetime | None = None
    approved_by: str = ""
    approved_at: datetime | None = None

    def most_fen(self, is_named: bool) -> int:
        """What a card may hold at most."""
        return self.named_most_fen if is_named else self.unnamed_most_fen


STARTER_LIMITS = CardLimits(
    version=0, named_most_fen=500_000, unnamed_most_fen=100_000, unnamed_least_months=36,
    source="《单用途商业预付卡管理办法(试行)》,凭记忆录入,未对照原文",
)  # fmt: skip
"""What counts until somebody enters a version of their own (domain.md §8.7, from memory)."""


class CardTypeDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says of a card type. `valid_months` None: it never expires."""

    name: str
    category: str
    is_named: bool
    face_fen: int
    price_fen: int
    valid_months: int | None
    is_reloadable: bool
    needs_pin: bool
    refund: RefundRule
    is_active: bool = True


class CardType(CardTypeDraft, frozen=True, kw_only=True):
    """One version of a card type: nothing of it changes, the next version takes its place."""

    id: UUID
    code: str
    version: int
    reason: str
    at: datetime


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A card as screens show it, with what it holds now in fen."""

    id: UUID
    card_no: str
    type_id: UUID
    type_name: str
    is_named: bool
    state: CardState
    face_fen: int
    balance_fen: int
    expires_on: date | None
    holder: str = ""
    organization: str = ""
    sold_at: datetime | None = None


class HistoryLine(msgspec.Struct, frozen=True):
    """One thing that happened to a card: an act, or money of a receipt, with the balance after it."""

    at: datetime
    text: str
    change_fen: int
    balance_fen: int
    by: str
    note: str = ""
    visit_no: str = ""
    receipt_id: UUID | None = None


class CancelOffer(msgspec.Struct, frozen=True):
    """What a cancellation would give back: `back_fen` of the `balance_fen`, the rest is the discount that was not earned."""

    balance_fen: int
    back_fen: int


class CardSold(msgspec.Struct, frozen=True):
    """What a sale gave: its id, its cards, and the receipt's id where anything was paid."""

    sale_id: UUID
    card_ids: tuple[UUID, ...]
    receipt_id: UUID | None

"""Daily takings (收费日报): what came in and went back by cashier, way to pay, what for and exam category, from the ledger alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import case, distinct, func, literal, select, union_all
from sqlalchemy.orm import Session

from billing.facts import ACCOUNT_NAMES, MONEY, NOBODY, AccountKind
from billing.models import LedgerTransaction, LedgerTransfer
from billing.receipt_facts import TARGET_NAMES
from billing.receipt_models import DrawerRow, ReceiptRow
from exam.kit.house import actor_of
from exam.visits.facts import CATEGORY_NAMES
from exam.visits.models import Visit

K = TypeVar("K", bound=Hashable)

METHODS = (*MONEY, AccountKind.CARD)
"""Ways to pay as a day lists them. A card's money came in when the card was sold, so it is shown apart and not added up."""

DIFFERENCE, DIFFERENCE_UNDONE = "cash_difference", "cash_difference_undone"
"""Kinds of transactions that are no takings: what a count had more or less, and its being taken back."""

_CARD_PAYS = (AccountKind.PERSON, AccountKind.ORGANIZATION, AccountKind.PREPAYMENT)
_KIND_NAMES: dict[str, str] = {
    **{str(kind): name for kind, name in TARGET_NAMES.items()},
    "window_payment": "医院窗口",
    "window_refund": "医院窗口",
    "other": "其他",
}


class Flow(msgspec.Struct, frozen=True):
    """Money of one day, cashier, way, purpose and category, in fen: what came in, what went back, what was voided, and how often."""

    day: date
    cashier_id: UUID
    method: AccountKind
    purpose: str
    category: str
    in_fen: int = 0
    back_fen: int = 0
    void_fen: int = 0
    count: int = 0

    @property
    def net_fen(self) -> int:
        """What stayed."""
        return self.in_fen - self.back_fen - self.void_fen


class Sum(msgspec.Struct, frozen=True):
    """Flows added up under one name."""

    key: str
    name: str
    in_fen: int
    back_fen: int
    void_fen: int
    net_fen: int
    count: int


def flows(db: Session, *where: Any, site: str = "") -> list[Flow]:
    """The flows of the transactions that `where` picks; one statement. A count's difference is none."""
    money = [kind.value for kind in MONEY]
    transaction, transfer = LedgerTransaction, LedgerTransfer
    cashier = func.coalesce(DrawerRow.cashier_id, transaction.actor_id)
    is_void = transaction.reverses.is_not(None)
    purpose = func.coalesce(ReceiptRow.target_kind, transaction.kind)
    selects = []
    for side, other, is_in in ((transfer.debit, transfer.credit, True), (transfer.credit, transfer.debit, False)):
        amount = func.sum(transfer.amount_fen)
        is_it = side.in_(money) | ((side == AccountKind.CARD.value) & other.in_([kind.value for kind in _CARD_PAYS]))
        selects.append(
            select(
                transaction.booked_on.label("day"), cashier.label("cashier"), side.label("method"), purpose.label("purpose"),
                func.coalesce(Visit.category, "").label("category"), case((is_void, 1), else_=0).label("is_void"),
                literal(int(is_in)).label("is_in"), amount.label("fen"),
                func.count(distinct(transaction.id)).label("times"),
            )
            .join(transfer, transfer.transaction_id == transaction.id)
            .outerjoin(DrawerRow, DrawerRow.id == transaction.drawer_id)
            .outerjoin(ReceiptRow, ReceiptRow.transaction_id == transaction.id)
            .outerjoin(Visit, Visit.id == transaction.visit_id)
            .where(
                is_it, transaction.site == (site or actor_of(db).site), transaction.kind.not_in((DIFFERENCE, DIFFERENCE_UNDONE)), *where
            )
            .group_by(transaction.booked_on, cashier, side, purpose, Visit.category, is_void)
        )  # fmt: skip
    found: dict[tuple[Any, ...], list[int]] = {}
    for row in db.execute(union_all(*selects)):
        purpose_ = str(row.purpose).removesuffix("_undone")
        key = (
            row.day,
            row.cashier or NOBODY,
            AccountKind(row.method),
            purpose_ if purpose_ in _KIND_NAMES else "other",
            row.category,
        )
        sums = found.setdefault(key, [0, 0, 0, 0])
        fen = int(row.fen)
        # A voided payment goes out, a voided refund comes in: both are taken off what they void, not added to the other column.
        if row.is_void or str(row.purpose).endswith("_undone"):
            sums[2] += -fen if row.is_in else fen
        else:
            sums[0 if row.is_in else 1] += fen
        sums[3] += int(row.times)
    return [Flow(*key, *sums) for key, sums in sorted(found.items(), key=lambda item: tuple(map(str, item[0])))]


def of_period(db: Session, since: date, until: date) -> list[Flow]:
    """The flows that were booked on these days, of the actor's site."""
    return flows(db, LedgerTransaction.booked_on.between(since, until))


def of_drawer(db: Session, drawer_id: UUID, site: str) -> list[Flow]:
    """The flows of one drawer."""
    return flows(db, LedgerTransaction.drawer_id == drawer_id, site=site)


def add_up(found: Iterable[Flow], key: Callable[[Flow], K], name: Callable[[K], str]) -> list[Sum]:
    """Flows added up by a key, in the order of the key's text; payments by card are left out where other ways are added up."""
    sums: dict[K, list[int]] = {}
    for flow in found:
        each = sums.setdefault(key(flow), [0, 0, 0, 0])
        for place, fen in enumerate((flow.in_fen, flow.back_fen, flow.void_fen, flow.count)):
            each[place] += fen
    return [
        Sum(str(value), name(value), came, back, void, came - back - void, count)
        for value, (came, back, void, count) in sorted(sums.items(), key=lambda item: str(item[0]))
    ]


def by_method(found: Iterable[Flow]) -> list[Sum]:
    """By way to pay, in the order of `METHODS`."""
    sums = {each.key: each for each in add_up(found, lambda flow: flow.method, lambda method: ACCOUNT_NAMES[method])}
    return [sums[method.value] for method in METHODS if method.value in sums]


def without_cards(found: Iterable[Flow]) -> list[Flow]:
    """The flows of money itself: what was paid by card came in when the card was sold."""
    return [flow for flow in found if flow.method != AccountKind.CARD]


def purpose_name(purpose: str) -> str:
    """What the money was for, on screens."""
    return _KIND_NAMES.get(purpose, _KIND_NAMES["other"])


def category_name(category: str) -> str:
    """The exam category, on screens; empty for money that is no visit's."""
    return CATEGORY_NAMES.get(category, category) or "非个人体检(售卡、单位款)"


def total(found: Iterable[Flow]) -> Sum:
    """All of it in one."""
    sums = add_up(found, lambda flow: "", lambda key: "合计")
    return sums[0] if sums else Sum("", "合计", 0, 0, 0, 0, 0)

"""Card types, cards in stock and sold cards for the tests of exam cards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import func, select

from billing import card_money, card_types, cards, cashier, receipts
from billing.balances import show_due
from billing.card_facts import CardTypeDraft, RefundRule
from billing.card_models import CardRow
from billing.cashier_facts import Way
from billing.facts import AccountKind
from billing.models import LedgerTransfer
from billing.receipt_facts import Part, Return
from exam.kit.house import Actor, House

Acting = Callable[[str], Actor]

UNNAMED = CardTypeDraft(
    name="健康体检卡 500", category="exam", is_named=False, face_fen=50_000, price_fen=45_000, valid_months=36, is_reloadable=True,
    needs_pin=False, refund=RefundRule.PROPORTIONAL,
)  # fmt: skip
NAMED = msgspec.structs.replace(
    UNNAMED, name="会员卡", category="member", is_named=True, face_fen=100_000, price_fen=100_000, valid_months=None, needs_pin=True,
    refund=RefundRule.FULL,
)  # fmt: skip
PIN = "482915"


def cash(amount_fen: int) -> list[Part]:
    """Paid in cash."""
    return [Part(method=AccountKind.CASH, amount_fen=amount_fen)] if amount_fen else []


def type_of(house: House, keeper: Actor, draft: CardTypeDraft = UNNAMED) -> str:
    """A card type; its code."""
    with house.unit(keeper) as db:
        return card_types.add_type(db, draft)


def stocked(house: House, keeper: Actor, code: str, count: int = 1) -> list[str]:
    """So many cards in stock; their numbers."""
    with house.unit(keeper) as db:
        first, _ = cards.make(db, code, count)
        batch_id = db.scalars(select(CardRow.batch_id).where(CardRow.card_no == first)).one()
    with house.unit(keeper) as db:
        cards.stock(db, batch_id)
        return list(db.scalars(select(CardRow.card_no).where(CardRow.batch_id == batch_id).order_by(CardRow.card_no)))


def sold(
    house: House, acting: Acting, draft: CardTypeDraft = UNNAMED, *, person_id: UUID | None = None, pin: str = "", count: int = 1
) -> list[tuple[UUID, str]]:
    """Cards that were made, stocked, sold for cash and, where they may, activated: id and number."""
    keeper = acting("fang")
    numbers = stocked(house, keeper, type_of(house, keeper, draft), count)
    with house.unit(acting("chen")) as db:
        card_money.sell(db, numbers, cash(draft.price_fen * count), person_id=person_id, pin=pin)
        return [(cards.find(db, number), number) for number in numbers]


def balance(house: House, card_id: UUID) -> int:
    """What a card holds."""
    with house.unit(None, write=False) as db:
        return cards.balance_of(db, card_id)


def state(house: House, card_id: UUID) -> str:
    """Where a card stands."""
    with house.unit(None, write=False) as db:
        return db.scalars(select(CardRow.state).where(CardRow.id == card_id)).one()


def pay(house: House, actor: Actor, number: str, amount_fen: int, visit_id: UUID, pin: str = "") -> receipts.Receipt:
    """A receipt of a visit that a card pays."""
    with house.unit(actor) as db:
        way = Way(method=AccountKind.CARD, amount_fen=amount_fen, card_no=number, card_pin=pin)
        return cashier.take(db, visit_id, [way])


def give_back(house: House, actor: Actor, receipt: receipts.Receipt, amount_fen: int) -> None:
    """Money of a visit's receipt goes back the way it came."""
    with house.unit(actor) as db:
        receipts.give_back(db, receipt.id, [Return(receipt.parts[0].id, amount_fen)], "退项")
        assert receipt.visit_id is not None
        show_due(db, receipt.visit_id, actor.site)


def ledger_sum(house: House, kinds: Sequence[AccountKind]) -> int:
    """Debits less credits of all accounts of these kinds."""
    with house.unit(None, write=False) as db:
        total = 0
        for column, sign in ((LedgerTransfer.debit, 1), (LedgerTransfer.credit, -1)):
            fen = db.scalar(select(func.sum(LedgerTransfer.amount_fen)).where(column.in_([str(kind) for kind in kinds])))
            total += sign * int(fen or 0)
        return total

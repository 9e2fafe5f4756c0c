"""What must hold of all exam cards: states follow from acts, money lies only where it may, and no card holds more than the law allows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from billing import card_rules as rules
from billing import card_types, ledger
from billing.card_facts import CardAct, CardState
from billing.card_models import CardActRow, CardRow, CardSaleRow
from billing.facts import AccountKind
from billing.models import GuardedBalance
from exam.kit.errors import Refused
from exam.kit.module import Invariant

_STREAM = {"yield_per": 5000}


def card_states(db: Session) -> Iterator[str]:
    """Every card's state is what its acts lead to; read as a stream in the order of the cards."""
    rows = db.execute(
        select(CardRow.id, CardRow.card_no, CardRow.state, CardActRow.kind)
        .outerjoin(CardActRow, CardActRow.card_id == CardRow.id)
        .order_by(CardRow.id, CardActRow.id)
        .execution_options(**_STREAM)
    )
    for (_, number, state), acts in groupby(rows, key=lambda row: (row.id, row.card_no, row.state)):
        kinds = [act.kind for act in acts if act.kind is not None]
        try:
            told = rules.state_of(kinds)
        except Refused:
            yield f"card {number}: its acts {kinds} do not follow each other"
            continue
        if told != state:
            yield f"card {number}: {state}, its acts say {told}"


def cards_hold_what_they_may(db: Session) -> Iterator[str]:
    """Only a card that was sold and not ended holds money, and none more than any version of the limits allowed (M4)."""
    versions = card_types.limits_history(db)
    most = {is_named: max(each.most_fen(is_named) for each in versions) for is_named in (True, False)}
    rows = db.execute(
        select(CardRow.card_no, CardRow.state, CardRow.is_named, GuardedBalance.balance_fen)
        .join(GuardedBalance, (GuardedBalance.of == CardRow.id) & (GuardedBalance.kind == AccountKind.CARD.value))
        .where(GuardedBalance.balance_fen > 0)
        .execution_options(**_STREAM)
    )
    for number, state, is_named, balance_fen in rows:
        if CardState(state) not in rules.HOLDING:
            yield f"card {number}: is {state} and holds {balance_fen} fen"
        if balance_fen > most[is_named]:
            yield f"card {number}: holds {balance_fen} fen, at most {most[is_named]} are allowed"


def sales_are_on_their_cards(db: Session) -> Iterator[str]:
    """What came in for a sale is on its cards: nothing is left on the sale's own account, and its acts add up to it."""
    sold = (
        select(
            CardActRow.about,
            func.count().label("count"),
            func.sum(CardActRow.amount_fen).label("face"),
            func.sum(CardActRow.paid_fen).label("paid"),
        )
        .where(CardActRow.kind == CardAct.SELL.value)
        .group_by(CardActRow.about)
        .subquery()
    )
    held = (GuardedBalance.of == CardSaleRow.id) & (GuardedBalance.kind == AccountKind.CARD.value)
    rows = db.execute(
        select(CardSaleRow, sold.c.count, sold.c.face, sold.c.paid, GuardedBalance.balance_fen)
        .outerjoin(sold, sold.c.about == CardSaleRow.id)
        .outerjoin(GuardedBalance, held)
    ).all()
    for sale, count, face, paid, left in rows:
        if left:
            yield f"card sale {sale.id}: {left} fen came in and are on no card"
        if (sale.count, sale.face_fen, sale.price_fen) != (count or 0, int(face or 0), int(paid or 0)):
            yield f"card sale {sale.id}: says {sale.count} cards of {sale.face_fen} for {sale.price_fen}, its acts {count}, {face}, {paid}"
        loaded = sum(move.amount_fen for move in ledger.moves_of(db, sale.transaction_id))
        if loaded != sale.face_fen:
            yield f"card sale {sale.id}: loaded {loaded} fen, its cards hold {sale.face_fen}"


def balances_belong_to_cards(db: Session) -> Iterator[str]:
    """Every balance of kind CARD is a card's or a sale's."""
    known = select(CardRow.id).union_all(select(CardSaleRow.id))
    stray = select(GuardedBalance.of).where(GuardedBalance.kind == AccountKind.CARD.value, GuardedBalance.of.not_in(known))
    for owner in db.scalars(stray):
        yield f"balance {owner}: belongs to no card"


def replacements_are_pairs(db: Session) -> Iterator[str]:
    """A card is replaced exactly when another took its place, with its holder and its last day."""
    after = aliased(CardRow)
    rows = db.execute(
        select(CardRow, after)
        .outerjoin(after, after.replaces_id == CardRow.id)
        .where((CardRow.state == CardState.REPLACED.value) | after.id.is_not(None))
    )
    for old, new in rows:
        if new is None or old.state != CardState.REPLACED:
            yield f"card {old.card_no}: is {old.state}, replaced by {new.card_no if new else 'none'}"
        elif (old.person_id, old.is_named) != (new.person_id, new.is_named):
            yield f"card {new.card_no}: is not of the holder whose card {old.card_no} it replaces"


def named_cards_have_holders(db: Session) -> Iterator[str]:
    """A named card that was sold has a holder and no expiry."""
    ended = (CardState.MADE.value, CardState.IN_STOCK.value, CardState.SCRAPPED.value)
    named: list[tuple[str, UUID | None]] = [
        (row.card_no, row.person_id) for row in db.execute(
            select(CardRow.card_no, CardRow.person_id, CardRow.expires_on).where(
                CardRow.is_named, CardRow.state.not_in(ended), CardRow.person_id.is_(None) | CardRow.expires_on.is_not(None)
            )
        )
    ]  # fmt: skip
    for number, person_id in named:
        yield f"card {number}: is named, its holder is {person_id}, and it expires or belongs to nobody"


INVARIANTS = (
    Invariant("a card stands where its acts say", card_states),
    Invariant("cards hold only what they may", cards_hold_what_they_may),
    Invariant("a sale's money is on its cards", sales_are_on_their_cards),
    Invariant("card balances belong to cards", balances_belong_to_cards),
    Invariant("a replaced card has one in its place", replacements_are_pairs),
    Invariant("a named card has a holder and no expiry", named_cards_have_holders),
)

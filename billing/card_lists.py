"""Cards for screens: lists by state and type, one card with its history and running balance, batches, and the export."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from billing import card_money, card_pins
from billing import card_rules as rules
from billing.card_facts import ACT_NAMES, CancelOffer, Card, CardAct, CardState, HistoryLine
from billing.card_models import CardActRow, CardRow, CardTypeRow
from billing.facts import ACCOUNT_NAMES, AccountKind
from billing.models import GuardedBalance, LedgerTransaction, LedgerTransfer
from exam.kit import audit
from exam.kit.clock import local
from exam.kit.errors import NotFound, Refused
from exam.kit.house import actor_of
from exam.people import service as people
from exam.people.models import Organization
from exam.people.models import Person as PersonRow
from exam.staff.models import Staff
from exam.visits.models import Visit

PAGE = 50
MOST_FOUND = 100
MOST_EXPORTED = 20_000

TABS = {"live": "使用中", "stock": "库存", "ended": "已结束", "all": "全部"}
_TAB_STATES = {
    "live": (CardState.SOLD, CardState.ACTIVE, CardState.LOST, CardState.FROZEN),
    "stock": (CardState.MADE, CardState.IN_STOCK),
    "ended": (CardState.EXPIRED, CardState.REPLACED, CardState.CANCELLED, CardState.SCRAPPED),
    "all": tuple(CardState),
}


class Found(msgspec.Struct, frozen=True):
    """One page of cards, and what all that fit hold together, in fen."""

    cards: tuple[Card, ...]
    total: int
    page: int
    pages: int
    balance_fen: int


def find(db: Session, tab: str, code: str = "", page: int = 1) -> Found:
    """Cards of the actor's site in the states of a tab, of one type or all, in order of their numbers."""
    statement = _cards(db).where(CardRow.state.in_(_TAB_STATES[tab]))
    if code:
        statement = statement.where(CardTypeRow.code == code)
    whole = statement.subquery()
    total, held = db.execute(select(func.count(), func.coalesce(func.sum(whole.c.balance_fen), 0)).select_from(whole)).one()
    pages = max(-(-total // PAGE), 1)
    page = min(max(page, 1), pages)
    rows = db.execute(statement.order_by(CardRow.card_no).offset((page - 1) * PAGE).limit(PAGE))
    return Found(tuple(_card(row) for row in rows), total, page, pages, int(held))


def search(db: Session, text: str) -> tuple[Card, ...]:
    """Cards by their whole number, its last four to eight digits, or whose they are: name, pinyin, document, telephone, organisation."""
    words = "".join(text.split())[:60]
    if not words:
        return ()
    fits = [CardRow.card_no == words]
    if words.isascii() and words.isdigit() and 4 <= len(words) <= 8:
        fits.append(CardRow.card_no.endswith(words, autoescape=True))
    persons = people.search_statement(db, text)
    if persons is not None:
        fits.append(CardRow.person_id.in_(persons))
    if not words.isascii():
        fits.append(Organization.name.contains(words, autoescape=True))
    rows = db.execute(_cards(db).where(or_(*fits)).order_by(CardRow.sold_at.desc(), CardRow.card_no).limit(MOST_FOUND))
    return tuple(_card(row) for row in rows)


def of_ids(db: Session, card_ids: Sequence[UUID]) -> tuple[Card, ...]:
    """These cards of the actor's site, in order of their numbers."""
    return tuple(_card(row) for row in db.execute(_cards(db).where(CardRow.id.in_(card_ids)).order_by(CardRow.card_no)))


def of_sale(db: Session, sale_id: UUID) -> tuple[Card, ...]:
    """The cards of a sale, also those that went back to the stock."""
    sold = select(CardActRow.card_id).where(CardActRow.about == sale_id, CardActRow.kind == CardAct.SELL.value)
    return tuple(_card(row) for row in db.execute(_cards(db).where(CardRow.id.in_(sold)).order_by(CardRow.card_no)))


def is_sale_standing(db: Session, sale_id: UUID) -> bool:
    """Whether a sale was not undone."""
    undone = select(CardActRow.id).where(CardActRow.about == sale_id, CardActRow.kind == CardAct.UNDO_SALE.value)
    return db.scalar(undone.limit(1)) is None


def exported(db: Session, tab: str, code: str = "") -> list[Card]:
    """As `find`, all pages at once, for a workbook."""
    statement = _cards(db).where(CardRow.state.in_(_TAB_STATES[tab]))
    if code:
        statement = statement.where(CardTypeRow.code == code)
    found = [_card(row) for row in db.execute(statement.order_by(CardRow.card_no).limit(MOST_EXPORTED))]
    audit.read(db, "billing.export_cards", f"cards:{len(found)}")
    return found


def _cards(db: Session) -> Select[*tuple[Any, ...]]:
    balance = func.coalesce(GuardedBalance.balance_fen, 0).label("balance_fen")
    return (
        select(
            CardRow.id, CardRow.card_no, CardRow.type_id, CardTypeRow.name.label("type_name"), CardRow.is_named, CardRow.state,
            CardRow.face_fen, balance, CardRow.expires_on, CardRow.sold_at, PersonRow.name.label("holder"),
            Organization.name.label("organization"),
        )
        .join(CardTypeRow, CardTypeRow.id == CardRow.type_id)
        .outerjoin(GuardedBalance, and_(GuardedBalance.of == CardRow.id, GuardedBalance.kind == AccountKind.CARD.value))
        .outerjoin(PersonRow, PersonRow.id == CardRow.person_id)
        .outerjoin(Organization, Organization.id == CardRow.organization_id)
        .where(CardRow.site == actor_of(db).site)
    )  # fmt: skip


def _card(row: Any) -> Card:
    return Card(
        id=row.id, card_no=row.card_no, type_id=row.type_id, type_name=row.type_name, is_named=row.is_named, state=CardState(row.state),
        face_fen=row.face_fen, balance_fen=row.balance_fen, expires_on=row.expires_on, holder=row.holder or "",
        organization=row.organization or "", sold_at=row.sold_at,
    )  # fmt: skip


# --- one card --------------------------------------------------------------------------------------------------------


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """One card: what may be done with it now, whose it is (masked), where it came from and what happened to it, newest first."""

    card: Card
    acts: frozenset[str]
    person: Any
    has_pin: bool
    is_locked: bool
    sale_id: UUID | None
    replaced: tuple[str, UUID] | None
    successor: tuple[str, UUID] | None
    offer: CancelOffer | None
    undoable_fen: int
    history: Sequence[HistoryLine]


def detail(db: Session, card_id: UUID) -> Detail:
    """One card of the actor's site; the reading of its holder is audited."""
    found = of_ids(db, [card_id])
    if not found:
        raise NotFound("没有找到该卡", "请核对卡号后重新查询")
    card, row = found[0], db.get_one(CardRow, card_id)
    acts = frozenset(
        kind.value
        for kind in CardAct
        if rules.CARD_STATES.may(card.state, kind) and (card.is_named or kind not in rules.NAMED_ONLY)
    )
    latest = card_money.undoable_top_up(db, card_id) if CardAct.UNDO_TOP_UP.value in acts else None
    before = db.get(CardRow, row.replaces_id) if row.replaces_id else None
    after = db.scalar(select(CardRow).where(CardRow.replaces_id == card_id))
    return Detail(
        card=card, acts=acts, person=people.person(db, row.person_id) if row.person_id else None, has_pin=card_pins.has_pin(db, card_id),
        is_locked=card_pins.is_locked(db, card_id), sale_id=row.sale_id, replaced=(before.card_no, before.id) if before else None,
        successor=(after.card_no, after.id) if after else None, offer=_offer(db, card, acts),
        undoable_fen=latest.amount_fen if latest else 0, history=history(db, card_id),
    )  # fmt: skip


def _offer(db: Session, card: Card, acts: frozenset[str]) -> CancelOffer | None:
    """What a cancellation would give back; None where it is not possible, or the type gives nothing back."""
    if CardAct.CANCEL.value not in acts:
        return None
    try:
        return card_money.cancel_offer(db, card.id)
    except Refused:
        return None


_MONEY_TEXTS = {
    "card_sale": "发售", "card_sale_undone": "撤销发售", "card_top_up": "充值", "card_replace": "补卡", "card_expire": "过期",
    "card_extend": "续期", "card_cancel": "销卡退余额", "card_refund": "销卡退余额",
}  # fmt: skip


def history(db: Session, card_id: UUID) -> list[HistoryLine]:
    """Every act and every movement of money, newest first, each with the balance after it."""
    acts = db.execute(
        select(CardActRow.__table__, Staff.name.label("by"))
        .outerjoin(Staff, Staff.id == CardActRow.actor_id)
        .where(CardActRow.card_id == card_id)
        .order_by(CardActRow.id)
    ).all()
    other = aliased(CardRow)
    names = dict(
        db.execute(
            select(other.id, other.card_no).where(other.id.in_([each.about for each in acts if each.about is not None]))
        ).all()
    )
    by_transaction = {each.transaction_id: each for each in acts if each.transaction_id is not None}
    lines: list[tuple[datetime, UUID, HistoryLine]] = []
    for money in _movements(db, card_id):
        act = by_transaction.get(money.id)
        line = HistoryLine(
            money.at, ACT_NAMES[CardAct(act.kind)] if act else _money_text(money), int(money.fen), 0, money.by or "系统",
            _note(act, names) if act else "", money.visit_no or "", act.receipt_id if act else _receipt_of(money),
        )  # fmt: skip
        lines.append((money.at, money.id, line))
    moved = {transaction_id for _, transaction_id, _ in lines}
    for act in acts:
        if act.transaction_id not in moved:
            line = HistoryLine(act.at, ACT_NAMES[CardAct(act.kind)], 0, 0, act.by or "系统", _note(act, names), "", act.receipt_id)
            lines.append((act.at, act.id, line))
    balance_fen, found = 0, []
    for _, _, line in sorted(lines, key=lambda each: each[:2]):
        balance_fen += line.change_fen
        found.append(msgspec.structs.replace(line, balance_fen=balance_fen))
    return found[::-1]


def _receipt_of(money: Any) -> UUID | None:
    """The receipt behind a movement of money; a sale, a replacement and what else only moves between accounts of cards has none."""
    return money.about if money.kind not in _MONEY_TEXTS or money.kind in ("card_top_up", "card_refund") else None


def _money_text(money: Any) -> str:
    if money.kind in _MONEY_TEXTS:
        return _MONEY_TEXTS[money.kind]
    if money.fen < 0:
        return "消费" if money.other == AccountKind.PERSON.value else f"转至{ACCOUNT_NAMES[AccountKind(money.other)]}"
    return "退回卡内"


def _note(act: Any, names: dict[UUID, str]) -> str:
    told = [act.reason]
    if act.kind in (CardAct.REPLACE, CardAct.TAKE_OVER) and act.about in names:
        told.append(("新卡 " if act.kind == CardAct.REPLACE else "原卡 ") + names[act.about])
    return ",".join(each for each in told if each)


def _movements(db: Session, card_id: UUID) -> Sequence[Any]:
    """What every transaction of the ledger did to the card, oldest first; one statement."""
    kind = AccountKind.CARD.value
    is_in = and_(LedgerTransfer.credit == kind, LedgerTransfer.credit_of == card_id)
    is_out = and_(LedgerTransfer.debit == kind, LedgerTransfer.debit_of == card_id)
    return db.execute(
        select(
            LedgerTransaction.id, LedgerTransaction.kind, LedgerTransaction.about, LedgerTransaction.at, Staff.name.label("by"), Visit.visit_no,
            func.sum(case((is_in, LedgerTransfer.amount_fen), else_=-LedgerTransfer.amount_fen)).label("fen"),
            func.min(case((is_in, LedgerTransfer.debit), else_=LedgerTransfer.credit)).label("other"),
        )
        .join(LedgerTransfer, LedgerTransfer.transaction_id == LedgerTransaction.id)
        .outerjoin(Staff, Staff.id == LedgerTransaction.actor_id)
        .outerjoin(Visit, Visit.id == LedgerTransaction.visit_id)
        .where(or_(is_in, is_out))
        .group_by(LedgerTransaction.id, LedgerTransaction.kind, LedgerTransaction.about, LedgerTransaction.at, Staff.name, Visit.visit_no)
        .order_by(LedgerTransaction.id)
    ).all()  # fmt: skip


# --- stock -----------------------------------------------------------------------------------------------------------


class Batch(msgspec.Struct, frozen=True):
    """Cards that were made together: first and last number, and how many of them are where."""

    id: UUID
    type_name: str
    first_no: str
    last_no: str
    count: int
    made: int
    in_stock: int
    made_on: date


def batches(db: Session, page: int = 1) -> tuple[list[Batch], int, int, int]:
    """One page of the site's batches, newest first, with the page, the pages and how many batches there are."""

    def in_state(state: CardState) -> Any:
        return func.sum(case((CardRow.state == state.value, 1), else_=0))

    statement = (
        select(
            CardRow.batch_id, CardTypeRow.name, func.min(CardRow.card_no).label("first_no"), func.max(CardRow.card_no).label("last_no"),
            func.count().label("size"), in_state(CardState.MADE).label("made"), in_state(CardState.IN_STOCK).label("in_stock"),
            func.min(CardActRow.at).label("made_at"),
        )
        .join(CardTypeRow, CardTypeRow.id == CardRow.type_id)
        .join(CardActRow, and_(CardActRow.card_id == CardRow.id, CardActRow.kind == CardAct.MAKE.value))
        .where(CardRow.site == actor_of(db).site)
        .group_by(CardRow.batch_id, CardTypeRow.name)
    )  # fmt: skip
    total = db.scalar(select(func.count()).select_from(statement.subquery())) or 0
    pages = max(-(-total // PAGE), 1)
    page = min(max(page, 1), pages)
    rows = db.execute(statement.order_by(CardRow.batch_id.desc()).offset((page - 1) * PAGE).limit(PAGE))
    found = [
        Batch(
            row.batch_id,
            row.name,
            row.first_no,
            row.last_no,
            row.size,
            int(row.made),
            int(row.in_stock),
            local(row.made_at).date(),
        )
        for row in rows
    ]
    return found, page, pages, total


def batch_numbers(db: Session, batch_id: UUID) -> list[Card]:
    """The cards of a batch, for whoever prints them."""
    rows = db.execute(_cards(db).where(CardRow.batch_id == batch_id).order_by(CardRow.card_no))
    found = [_card(row) for row in rows]
    if not found:
        raise NotFound("没有找到该批次", "请刷新页面查看")
    return found

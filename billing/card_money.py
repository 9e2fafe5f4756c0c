"""Money on and off exam cards: sold, topped up, moved to a replacement, expired, extended, cancelled.

A sale's money comes in on the sale's own account of kind CARD and is put on its cards in the same transaction of the database, with
the discount; so a receipt of many cards is one receipt, and money of a sale can only go back through its cards.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import card_pins, card_types, cards, ledger, receipt_rules, receipts
from billing import card_rules as rules
from billing.card_facts import CancelOffer, CardAct, CardSold, CardState, CardType
from billing.card_models import CardActRow, CardRow, CardSaleRow
from billing.facts import MONEY, Account, AccountKind, Move
from billing.gateway_facts import GatewayPaid
from billing.receipt_facts import BookedPart, Part, Receipt, Return, Target
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.house import House, actor_of, house_of, system_actor
from exam.kit.money import yuan
from exam.people import service as people

DISCOUNT = Account(AccountKind.CARD_DISCOUNT)
EXPIRED = Account(AccountKind.CARD_EXPIRED)
MOST_EXPIRED_AT_ONCE = 500


# --- selling ---------------------------------------------------------------------------------------------------------


def offer(db: Session, numbers: Sequence[str]) -> list[tuple[CardRow, CardType]]:
    """Cards that are to be sold together, each with what its type costs now. Refuses what is not in stock or not sold any more."""
    rows = cards.hold_numbers(db, numbers)
    known: dict[UUID, CardType] = {}
    limits = card_types.limits(db)
    found = []
    for row in rows:
        type_ = known.get(row.type_id) or known.setdefault(row.type_id, card_types.newest_of(db, row.type_id))
        if not type_.is_active:
            raise Refused(
                "billing.card_type_closed", f"卡 {row.card_no} 的类型“{type_.name}”已停用", "请更换其他类型的卡", "card_no"
            )
        if row.state != CardState.IN_STOCK:
            rules.state_after(row.state, CardAct.SELL, is_named=row.is_named)  # refuses in the words of its state
        rules.require_room(row.face_fen, 0, row.is_named, limits)
        found.append((row, type_))
    return found


def sell(
    db: Session, numbers: Sequence[str], parts: Sequence[Part], *, person_id: UUID | None = None, organization_id: UUID | None = None,
    activates: bool = True, pin: str = "",
) -> CardSold:  # fmt: skip
    """Sells cards and loads them with their face value; what they cost less is a discount, and nothing of it is revenue yet.

    Named cards are sold one at a time, to a person. `activates`: those that need no PIN, and one that gets its PIN, pay at once.
    """
    offered = offer(db, numbers)
    _require_buyer(db, offered, person_id, pin)
    house, today = house_of(db), day_of(house_of(db).clock.now())
    sale_id = house.ids.new()
    price_fen, face_fen = sum(type_.price_fen for _, type_ in offered), sum(row.face_fen for row, _ in offered)
    receipt = _take(db, Target("card_sale", sale_id), sale_id, parts, price_fen, "card_payment")
    moves = []
    for row, type_ in offered:
        if type_.price_fen:
            moves.append(Move(cards.account_of(sale_id), cards.account_of(row.id), type_.price_fen))
        if row.face_fen > type_.price_fen:
            moves.append(Move(DISCOUNT, cards.account_of(row.id), row.face_fen - type_.price_fen))
    site = actor_of(db).site
    transaction_id = ledger.post(db, ledger.Posting(kind="card_sale", moves=tuple(moves), site=site, about=sale_id))
    insert_rows(
        db, CardSaleRow,
        [{"id": sale_id, "site": site, "count": len(offered), "price_fen": price_fen, "face_fen": face_fen,
          "receipt_id": receipt.id if receipt else None, "transaction_id": transaction_id, "at": house.clock.now(),
          "actor_id": actor_of(db).staff_id}],
    )  # fmt: skip
    for row, type_ in offered:
        row.person_id, row.organization_id, row.sale_id = person_id, organization_id, sale_id
        row.price_fen, row.sold_at, row.expires_on = type_.price_fen, house.clock.now(), rules.expiry(today, type_.valid_months)
        cards.act(
            db, row, CardAct.SELL, amount_fen=row.face_fen, paid_fen=type_.price_fen, about=sale_id,
            receipt_id=receipt.id if receipt else None, transaction_id=transaction_id,
        )  # fmt: skip
        if activates and (pin or not type_.needs_pin):
            card_pins.store(db, row.id, pin, needs_pin=type_.needs_pin)
            cards.act(db, row, CardAct.ACTIVATE)
    cards.note(db, CardAct.SELL, f"{offered[0][0].card_no}+{len(offered)}")
    return CardSold(sale_id, tuple(row.id for row, _ in offered), receipt.id if receipt else None)


def _require_buyer(db: Session, offered: Sequence[tuple[CardRow, CardType]], person_id: UUID | None, pin: str) -> None:
    if any(row.is_named for row, _ in offered):
        if len(offered) > 1:
            raise Refused("billing.card_named_alone", "记名卡须逐张办理", "请一次只售一张记名卡", "count")
        if person_id is None:
            raise Refused("billing.card_holder", "记名卡必须登记持卡人", "请输入持卡人的证件号、电话或档案号", "holder")
    if person_id is not None:
        people.person(db, person_id)  # somebody whom this site knows; the reading is audited
    if pin and len(offered) > 1:
        raise Refused("billing.pin_of_many", "多张卡不能设同一个密码", "请售出后逐张激活并设置密码", "pin")


def _take(
    db: Session, target: Target, credit: UUID, parts: Sequence[Part], due_fen: int, kind: str, cashier_id: UUID | None = None
) -> Receipt | None:
    """The receipt; None where nothing is to be paid. Refuses more, less, and paying for a card with a card."""
    if any(part.method not in MONEY for part in parts):
        raise Refused("billing.method", "体检卡不能用于购卡或充值", "请选择其他支付方式", "method")
    if sum(part.amount_fen for part in parts) != due_fen:
        raise Refused("billing.amount_differs", f"收款金额与应收 {yuan(due_fen)} 元不符", "请核对收款金额", "amount")
    return receipts.take(db, target, cards.account_of(credit), parts, kind=kind, cashier_id=cashier_id) if due_fen else None


def undo_sale(db: Session, sale_id: UUID, reason: str) -> int:
    """Takes back a sale of today of which no card was used: the receipt is voided and the cards are in stock again; how many."""
    reason = rules.require_reason(reason, "撤销发售")
    sale = db.get(CardSaleRow, sale_id)
    if sale is None:
        raise NotFound("没有找到该次售卡", "请从卡片页面办理")
    rows = cards.hold_all(
        db, db.scalars(select(CardActRow.card_id).where(CardActRow.about == sale_id, CardActRow.kind == CardAct.SELL)).all()
    )
    for row in rows:
        if row.sale_id != sale_id:
            raise Refused("billing.card_used", f"卡 {row.card_no} 已撤销或已补换,不能撤销发售", "请刷新页面查看最新状态")
        if cards.balance_of(db, row.id) != row.face_fen or _is_used(db, row.id):
            raise Refused("billing.card_used", f"卡 {row.card_no} 已消费或充值,不能撤销发售", "请办理销卡,退还余额")
    transaction_id = ledger.reverse(db, sale.transaction_id, "card_sale_undone")
    if sale.receipt_id is not None:
        receipts.void(db, sale.receipt_id, reason)
    for row in rows:
        cards.act(db, row, CardAct.UNDO_SALE, amount_fen=row.face_fen, about=sale_id, transaction_id=transaction_id, reason=reason)
        row.person_id = row.organization_id = row.sale_id = row.price_fen = row.sold_at = row.expires_on = None
        card_pins.forget(db, row.id)
    db.flush()
    cards.note(db, CardAct.UNDO_SALE, f"{rows[0].card_no}+{len(rows)}", reason)
    return len(rows)


def _is_used(db: Session, card_id: UUID) -> bool:
    """Whether a card's money ever came from or went to anything but a sale: it paid, was paid back to, or was topped up."""
    return not set(ledger.flows(db, cards.account_of(card_id))) <= {AccountKind.CARD, AccountKind.CARD_DISCOUNT}


def on_gateway_paid(db: Session, event: GatewayPaid) -> None:
    """A top-up by telephone (`card_top_up:<card>`); what comes late, or for a card that takes none now, goes back by itself."""
    kind, _, number = event.target.partition(":")
    if kind != "card_top_up" or event.is_late:
        return
    try:
        require_top_up(db, UUID(number), event.amount_fen)
    except Refused:
        return
    part = Part(
        method=AccountKind(event.method.value),
        amount_fen=event.amount_fen,
        reference=event.trade_no[:40],
        gateway_order_id=event.order_id,
    )
    top_up(db, UUID(number), event.amount_fen, [part], cashier_id=event.cashier_id)


def require_top_up(db: Session, card_id: UUID, amount_fen: int) -> CardRow:
    """A card that may be loaded with so much now, held. Refuses one that may not."""
    row = cards.hold(db, card_id)
    type_ = card_types.newest_of(db, row.type_id)
    if not type_.is_reloadable:
        raise Refused("billing.card_not_reloadable", f"“{type_.name}”不能充值", "请办理可充值的卡类型", "amount")
    rules.state_after(row.state, CardAct.TOP_UP, is_named=row.is_named)
    cards.require_paying(db, row)
    rules.require_room(amount_fen, cards.balance_of(db, row.id), row.is_named, card_types.limits(db))
    return row


def top_up(db: Session, card_id: UUID, amount_fen: int, parts: Sequence[Part], *, cashier_id: UUID | None = None) -> Receipt:
    """Loads an active card of a type that may be topped up with what is paid, up to the limit."""
    row = require_top_up(db, card_id, amount_fen)
    act_id = house_of(db).ids.new()
    receipt = _take(db, Target("card_top_up", act_id), row.id, parts, amount_fen, "card_top_up", cashier_id)
    assert receipt is not None  # the amount is more than zero
    cards.act(
        db, row, CardAct.TOP_UP, amount_fen=amount_fen, paid_fen=amount_fen, receipt_id=receipt.id,
        transaction_id=receipt.transaction_id, act_id=act_id,
    )  # fmt: skip
    cards.note(db, CardAct.TOP_UP, row.card_no)
    return receipt


def undoable_top_up(db: Session, card_id: UUID) -> CardActRow | None:
    """The latest top-up of a card, where it is of today and stands: it can be undone."""
    latest = db.scalars(
        select(CardActRow)
        .where(CardActRow.card_id == card_id, CardActRow.kind == CardAct.TOP_UP.value)
        .order_by(CardActRow.id.desc())
        .limit(1)
    ).first()
    if latest is None or latest.receipt_id is None or day_of(latest.at) != day_of(house_of(db).clock.now()):
        return None
    return None if receipts.is_voided(db, latest.receipt_id) or receipts.returned_of(db, latest.receipt_id) else latest


def undo_top_up(db: Session, card_id: UUID, reason: str) -> int:
    """Takes the latest top-up of today back while the card still holds it: its receipt is voided. Returns the amount in fen."""
    reason = rules.require_reason(reason, "撤销充值")
    row = cards.hold(db, card_id)
    latest = undoable_top_up(db, row.id)
    if latest is None or latest.receipt_id is None:
        raise Refused("billing.no_top_up", "该卡今天没有可撤销的充值", "以前的充值请通过销卡退还余额")
    voided = receipts.void(db, latest.receipt_id, reason)
    cards.act(
        db, row, CardAct.UNDO_TOP_UP, amount_fen=latest.amount_fen, about=latest.id, receipt_id=voided.id,
        transaction_id=voided.transaction_id, reason=reason,
    )  # fmt: skip
    cards.note(db, CardAct.UNDO_TOP_UP, row.card_no, reason)
    return latest.amount_fen


# --- replacing -------------------------------------------------------------------------------------------------------


def replace(db: Session, card_id: UUID, new_no: str, pin: str, reason: str) -> UUID:
    """Moves all that a lost or damaged card holds to one of the same type from the stock; the old one is dead. Returns the new id.

    An unnamed card is replaced only while it is there (damaged): it cannot be reported lost.
    """
    reason = rules.require_reason(reason, "补卡")
    number = rules.read_card_no(new_no, "new_no")
    new_id = cards.find(db, number)
    if new_id == card_id:
        raise Refused("billing.card_same", "新卡号不能与原卡号相同", "请取一张在库的新卡", "new_no")
    both = {row.id: row for row in cards.hold_all(db, [card_id, new_id])}
    old, new = both[card_id], both[new_id]
    if card_types.newest_of(db, old.type_id).code != card_types.newest_of(db, new.type_id).code:
        raise Refused("billing.card_other_type", "新卡与原卡类型不同", "请取一张同类型的在库卡", "new_no")
    old_fen = cards.balance_of(db, old.id)
    transaction_id = None
    if old_fen:
        move = Move(cards.account_of(old.id), cards.account_of(new.id), old_fen)
        transaction_id = ledger.post(db, ledger.Posting(kind="card_replace", moves=(move,), site=old.site, about=old.id))
    cards.act(db, old, CardAct.REPLACE, amount_fen=old_fen, about=new.id, transaction_id=transaction_id, reason=reason)
    new.person_id, new.organization_id, new.price_fen = old.person_id, old.organization_id, old.price_fen
    new.sold_at, new.expires_on, new.replaces_id = old.sold_at, old.expires_on, old.id
    cards.act(db, new, CardAct.TAKE_OVER, amount_fen=old_fen, about=old.id, transaction_id=transaction_id, reason=reason)
    if pin:
        card_pins.store(db, new.id, pin, needs_pin=False)
    else:
        card_pins.copy(db, old.id, new.id)
    cards.note(db, CardAct.REPLACE, old.card_no, reason)
    return new.id


# --- expiring --------------------------------------------------------------------------------------------------------


def expire(db: Session, card_id: UUID) -> None:
    """Takes what a card holds after its last day; it can be extended, which gives all of it back."""
    row = cards.hold(db, card_id)
    if row.expires_on is None or row.expires_on >= day_of(house_of(db).clock.now()):
        raise Refused("billing.card_not_due", f"卡 {row.card_no} 未到期", "请刷新页面查看最新状态")
    left_fen = cards.balance_of(db, row.id)
    act_id, transaction_id = house_of(db).ids.new(), None
    if left_fen:
        move = Move(cards.account_of(row.id), EXPIRED, left_fen)
        transaction_id = ledger.post(db, ledger.Posting(kind="card_expire", moves=(move,), site=row.site, about=act_id))
    cards.act(db, row, CardAct.EXPIRE, amount_fen=left_fen, transaction_id=transaction_id, act_id=act_id)
    cards.note(db, CardAct.EXPIRE, row.card_no)


def extend(db: Session, card_id: UUID, reason: str) -> date:
    """Gives an expired card its balance back and as many months from today as its type has; returns the new last day."""
    reason = rules.require_reason(reason, "续期")
    row = cards.hold(db, card_id)
    months = card_types.newest_of(db, row.type_id).valid_months or card_types.limits(db).unnamed_least_months
    taken = db.scalars(
        select(CardActRow)
        .where(CardActRow.card_id == row.id, CardActRow.kind == CardAct.EXPIRE)
        .order_by(CardActRow.id.desc())
        .limit(1)
    ).first()
    back_fen = taken.amount_fen if taken else 0
    act_id, transaction_id = house_of(db).ids.new(), None
    if row.state == CardState.EXPIRED and back_fen:
        move = Move(EXPIRED, cards.account_of(row.id), back_fen)
        transaction_id = ledger.post(db, ledger.Posting(kind="card_extend", moves=(move,), site=row.site, about=act_id))
    last_on = rules.expiry(day_of(house_of(db).clock.now()), months)
    assert last_on is not None
    row.expires_on = last_on
    cards.act(db, row, CardAct.EXTEND, amount_fen=back_fen, transaction_id=transaction_id, reason=reason, act_id=act_id)
    cards.note(db, CardAct.EXTEND, row.card_no, reason)
    return last_on


def expire_in_background(house: House) -> None:
    """The nightly work: every card whose last day is over, each in a transaction of its own."""
    due = (CardRow.expires_on < day_of(house.clock.now()), CardRow.state.in_((CardState.SOLD, CardState.ACTIVE)))
    with house.unit(None, write=False) as db:
        found = db.execute(
            select(CardRow.id, CardRow.site).where(*due).order_by(CardRow.expires_on).limit(MOST_EXPIRED_AT_ONCE)
        ).all()
    for card_id, site in found:
        with house.unit(system_actor(site)) as db:
            if db.scalar(select(CardRow.id).where(CardRow.id == card_id, *due)) is not None:
                expire(db, card_id)


# --- cancelling ------------------------------------------------------------------------------------------------------


def cancel_offer(db: Session, card_id: UUID) -> CancelOffer:
    """What a cancellation of a card would give back now."""
    row = db.get_one(CardRow, card_id)
    loads = _loads(db, row)
    balance_fen = cards.balance_of(db, row.id)
    rule = card_types.newest_of(db, row.type_id).refund
    return CancelOffer(
        balance_fen, rules.given_back(balance_fen, sum(each.amount_fen for each, _ in loads), sum(fen for _, fen in loads), rule)
    )


def cancel(db: Session, card_id: UUID, seen_back_fen: int, reason: str) -> CancelOffer:
    """Ends a card and gives what is left back the way it was paid, by the rule of its type; the last payment first."""
    reason = rules.require_reason(reason, "销卡")
    row = cards.hold(db, card_id)
    rules.state_after(row.state, CardAct.CANCEL, is_named=row.is_named)
    offered = cancel_offer(db, row.id)
    if offered.back_fen != seen_back_fen:
        raise Refused("billing.card_changed", f"卡内余额已变化,现应退 {yuan(offered.back_fen)} 元", "请核对后重新办理", "back")
    unpaid_fen = offered.balance_fen - offered.back_fen
    act_id, transaction_id, receipt_id = house_of(db).ids.new(), None, None
    rest, moves, returns = offered.back_fen, [], []
    for load, paid_fen in reversed(_loads(db, row)):
        share = min(rest, paid_fen)
        if share and load.receipt_id is not None:
            source = load.about if load.kind == CardAct.SELL and load.about else load.card_id
            if (
                source != row.id
            ):  # a sale's receipt gives back from the sale's account, a top-up's of the card before from that one's
                moves.append(Move(cards.account_of(row.id), cards.account_of(source), share))
            returns.append((load.receipt_id, share))
            rest -= share
    if rest:
        raise Refused("billing.card_sources", "原付款可退金额不足", "请由收费主管核对该卡的售卡与充值收据")
    if unpaid_fen:
        moves.append(Move(cards.account_of(row.id), DISCOUNT, unpaid_fen))
    if moves:
        transaction_id = ledger.post(db, ledger.Posting(kind="card_cancel", moves=tuple(moves), site=row.site, about=act_id))
    for source_id, share in returns:
        receipt_id = receipts.give_back(db, source_id, _ways(db, source_id, share), reason, kind="card_refund").id
    cards.act(
        db, row, CardAct.CANCEL, amount_fen=offered.balance_fen, paid_fen=offered.back_fen, transaction_id=transaction_id,
        receipt_id=receipt_id, reason=reason, act_id=act_id,
    )  # fmt: skip
    cards.note(db, CardAct.CANCEL, row.card_no, reason)
    return offered


def _loads(db: Session, row: CardRow) -> list[tuple[CardActRow, int]]:
    """What a card and those it replaced were loaded with by payments that stand, oldest first, each with what of it can go back."""
    ids = [row.id]
    replaced: CardRow | None = row
    while replaced is not None and replaced.replaces_id is not None:
        ids.append(replaced.replaces_id)
        replaced = db.get(CardRow, replaced.replaces_id)
    undone = set(db.scalars(select(CardActRow.about).where(CardActRow.card_id.in_(ids), CardActRow.kind == CardAct.UNDO_SALE)))
    found = []
    kinds = (CardAct.SELL, CardAct.TOP_UP)
    for load in db.scalars(
        select(CardActRow).where(CardActRow.card_id.in_(ids), CardActRow.kind.in_(kinds)).order_by(CardActRow.id)
    ):
        if load.kind == CardAct.SELL and load.about in undone:
            continue
        if load.receipt_id is not None and receipts.is_voided(db, load.receipt_id):
            continue
        left_fen = sum(left for _, left in _left(db, load.receipt_id)) if load.receipt_id is not None else 0
        found.append((load, min(load.paid_fen, left_fen)))
    return found


def _left(db: Session, receipt_id: UUID) -> list[tuple[BookedPart, int]]:
    """The parts of a receipt with what of each did not go back yet."""
    returned = receipts.returned_of(db, receipt_id)
    return [(part, part.amount_fen - returned.get(part.id, 0)) for part in receipts.get(db, receipt_id).parts]


def _ways(db: Session, receipt_id: UUID, amount_fen: int) -> list[Return]:
    return receipt_rules.split_back(_left(db, receipt_id), amount_fen)

"""The life of an exam card without money: made, put in stock, activated, lost and found, frozen; and how it pays a part of a receipt.

Every act locks the card first, moves its state by the table in `card_rules`, and writes a fact that is never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import card_pins, card_types, ledger
from billing import card_rules as rules
from billing.card_facts import ACT_NAMES, STATE_NAMES, CardAct, CardState
from billing.card_models import CardActRow, CardRow
from billing.facts import Account, AccountKind, Move
from billing.receipt_facts import Part, ReceiptGivenBack, ReceiptTaken
from billing.receipt_models import ReceiptPartRow
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.kit.money import yuan
from exam.kit.series import next_number


def account_of(card_id: UUID) -> Account:
    """The ledger's account of what a card holds, or of what came in for a sale until it is put on its cards."""
    return Account(AccountKind.CARD, card_id)


def balance_of(db: Session, card_id: UUID) -> int:
    """What a card holds now, in fen."""
    return ledger.guarded_balance(db, account_of(card_id))


# --- finding and holding ---------------------------------------------------------------------------------------------


def hold(db: Session, card_id: UUID) -> CardRow:
    """A card of the actor's site, held until the transaction ends."""
    return _one(db, [card_id])


def hold_all(db: Session, card_ids: Iterable[UUID]) -> list[CardRow]:
    """Cards of the actor's site in the order of their numbers, held in that order so that nobody waits in a circle."""
    wanted = set(card_ids)
    rows = db.scalars(_held().where(CardRow.id.in_(wanted), CardRow.site == actor_of(db).site)).all()
    if len(rows) != len(wanted):
        raise NotFound("没有找到该卡", "请核对卡号后重新查询")
    return list(rows)


def hold_numbers(db: Session, numbers: Sequence[str]) -> list[CardRow]:
    """Cards of the actor's site by their numbers, held. Refuses a number that there is no card of."""
    rows = db.scalars(_held().where(CardRow.card_no.in_(numbers), CardRow.site == actor_of(db).site)).all()
    found = {row.card_no for row in rows}
    missing = [number for number in numbers if number not in found]
    if missing:
        raise Refused("billing.card_unknown", f"没有卡号 {missing[0]}", "请核对卡号和张数,或先制卡", "card_no")
    return list(rows)


def _one(db: Session, card_ids: Sequence[UUID]) -> CardRow:
    return hold_all(db, card_ids)[0]


def _held() -> Any:
    return select(CardRow).order_by(CardRow.card_no).with_for_update(key_share=True).execution_options(populate_existing=True)


def find(db: Session, number: str) -> UUID:
    """The id of a card of the actor's site by its scanned or typed number."""
    wanted = rules.read_card_no(number)
    found = db.scalar(select(CardRow.id).where(CardRow.card_no == wanted, CardRow.site == actor_of(db).site))
    if found is None:
        raise NotFound("没有找到该卡", "请核对卡号后重新查询")
    return found


# --- acts ------------------------------------------------------------------------------------------------------------


def act(
    db: Session, row: CardRow, kind: CardAct, *, amount_fen: int = 0, paid_fen: int = 0, about: UUID | None = None,
    receipt_id: UUID | None = None, transaction_id: UUID | None = None, reason: str = "", act_id: UUID | None = None,
) -> None:  # fmt: skip
    """Moves a held card's state and writes the fact."""
    row.state = rules.state_after(row.state, kind, is_named=row.is_named).value
    db.flush()
    insert_rows(db, CardActRow, [_fact(db, row.id, kind, amount_fen, paid_fen, about, receipt_id, transaction_id, reason, act_id)])


def _fact(
    db: Session, card_id: UUID, kind: CardAct, amount_fen: int = 0, paid_fen: int = 0, about: UUID | None = None,
    receipt_id: UUID | None = None, transaction_id: UUID | None = None, reason: str = "", act_id: UUID | None = None,
) -> dict[str, Any]:  # fmt: skip
    house = house_of(db)
    return {
        "id": act_id or house.ids.new(), "card_id": card_id, "kind": kind.value, "amount_fen": amount_fen, "paid_fen": paid_fen,
        "about": about, "receipt_id": receipt_id, "transaction_id": transaction_id, "reason": reason, "at": house.clock.now(),
        "actor_id": actor_of(db).staff_id,
    }  # fmt: skip


def note(db: Session, kind: CardAct, card_no: str, reason: str = "") -> None:
    """Names the act in the audit."""
    audit.note(db, f"billing.card_{kind.value}", subject=f"card:{card_no}", reason=reason)


def make(db: Session, code: str, count: int) -> tuple[str, str]:
    """Makes cards of a type, with numbers that follow each other; returns the first and the last number."""
    rules.require_count(count)
    type_ = card_types.newest(db, code)
    if not type_.is_active:
        raise Refused("billing.card_type_closed", f"卡类型“{type_.name}”已停用", "请选择启用的卡类型", "code")
    house, site = house_of(db), actor_of(db).site
    batch_id = house.ids.new()
    first = next_number(db, f"card:{site}", count)
    rows: list[dict[str, Any]] = [
        {
            "id": house.ids.new(), "card_no": rules.card_no(site, first + step), "site": site, "type_id": type_.id, "batch_id": batch_id,
            "is_named": type_.is_named, "face_fen": type_.face_fen, "state": CardState.MADE.value, "person_id": None,
            "organization_id": None, "sale_id": None, "price_fen": None, "sold_at": None, "expires_on": None, "replaces_id": None,
            "ver": 1,
        }
        for step in range(count)
    ]  # fmt: skip
    insert_rows(db, CardRow, rows)
    insert_rows(db, CardActRow, [_fact(db, row["id"], CardAct.MAKE, about=batch_id) for row in rows])
    note(db, CardAct.MAKE, f"{rows[0]['card_no']}+{count}")
    return rows[0]["card_no"], rows[-1]["card_no"]


def stock(db: Session, batch_id: UUID) -> int:
    """Puts the cards of a batch, come back from the printer and counted, in stock; how many they are."""
    ids = db.scalars(select(CardRow.id).where(CardRow.batch_id == batch_id, CardRow.state == CardState.MADE)).all()
    if not ids:
        raise Refused("billing.card_nothing_to_stock", "该批次没有待入库的卡", "请刷新页面查看最新状态")
    rows = hold_all(db, ids)
    for row in rows:
        act(db, row, CardAct.STOCK, about=batch_id)
    note(db, CardAct.STOCK, f"{rows[0].card_no}+{len(rows)}")
    return len(rows)


def scrap(db: Session, card_id: UUID, reason: str) -> None:
    """A card that was spoiled before it was sold."""
    _plain(db, card_id, CardAct.SCRAP, reason)


def activate(db: Session, card_id: UUID, pin: str) -> None:
    """Lets a sold card pay. A type with a PIN is activated only with one, typed by the holder."""
    row = hold(db, card_id)
    _refuse_expired(db, row, CardAct.ACTIVATE)
    card_pins.store(db, row.id, pin, needs_pin=card_types.newest_of(db, row.type_id).needs_pin)
    act(db, row, CardAct.ACTIVATE)
    note(db, CardAct.ACTIVATE, row.card_no)


def set_pin(db: Session, card_id: UUID, pin: str, reason: str) -> None:
    """Sets the PIN anew, and by that opens the lock of wrong tries. The desk has seen who the holder is."""
    reason = rules.require_reason(reason, "重设密码")
    row = hold(db, card_id)
    rules.require_pin(pin, needs_pin=True)
    card_pins.store(db, row.id, pin, needs_pin=True)
    act(db, row, CardAct.SET_PIN, reason=reason)
    note(db, CardAct.SET_PIN, row.card_no, reason)


def report_loss(db: Session, card_id: UUID, reason: str) -> None:
    """Blocks a named card that its holder lost."""
    _plain(db, card_id, CardAct.REPORT_LOSS, reason)


def find_again(db: Session, card_id: UUID, reason: str) -> None:
    """The lost card is found: it pays again."""
    _plain(db, card_id, CardAct.FIND, reason)


def freeze(db: Session, card_id: UUID, reason: str) -> None:
    """Blocks a card, whoever holds it, until it is looked into."""
    _plain(db, card_id, CardAct.FREEZE, reason)


def unfreeze(db: Session, card_id: UUID, reason: str) -> None:
    """Lets a blocked card pay again."""
    _plain(db, card_id, CardAct.UNFREEZE, reason)


def _plain(db: Session, card_id: UUID, kind: CardAct, reason: str) -> None:
    reason = rules.require_reason(reason, ACT_NAMES[kind])
    row = hold(db, card_id)
    act(db, row, kind, reason=reason)
    note(db, kind, row.card_no, reason)


# --- paying ----------------------------------------------------------------------------------------------------------


def part(db: Session, card_no: str, pin: str, amount_fen: int) -> Part:
    """The part of a receipt that a card pays: checks that the card may pay and its PIN, and holds the card until the end.

    `receipts.take` then debits it under its balance. After a wrong PIN the whole unit of work is undone: let the refusal out.
    """
    number = rules.read_card_no(card_no, "card_no")
    row = db.scalars(_held().where(CardRow.card_no == number)).first()
    if row is None:
        raise Refused("billing.card_unknown", f"没有卡号 {number}", "请核对卡号", "card_no")
    require_paying(db, row)
    card_pins.require(db, row, pin)
    if not 0 < amount_fen <= (left := balance_of(db, row.id)):
        if amount_fen <= 0:
            raise Refused("billing.amount", "体检卡金额必须大于零", "请核对金额", "amount")
        raise _too_little(left, amount_fen)
    return Part(method=AccountKind.CARD, amount_fen=amount_fen, reference=f"尾号{number[-4:]}", card_id=row.id)


def _too_little(left_fen: int, amount_fen: int) -> Refused:
    return Refused(
        "billing.balance_too_low", f"卡内余额不足:可用 {yuan(left_fen)} 元,需要 {yuan(amount_fen)} 元", "请减少刷卡金额,其余用其他方式支付",
        "amount",
    )  # fmt: skip


def require_paying(db: Session, row: CardRow) -> None:
    """Refuses a card that is not active or whose last day is over."""
    if row.state != CardState.ACTIVE:
        hints = {
            CardState.SOLD: "请先激活", CardState.LOST: "如已找回,请先办理解挂", CardState.FROZEN: "请联系收费主管",
            CardState.EXPIRED: "可由收费主管办理续期", CardState.REPLACED: "请使用补办的新卡",
        }  # fmt: skip
        state = CardState(row.state)
        raise Refused(
            "billing.card_not_active",
            f"卡 {row.card_no} {STATE_NAMES[state]},不能使用",
            hints.get(state, "请改用其他支付方式"),
            "card_no",
        )
    _refuse_expired(db, row, None)


def _refuse_expired(db: Session, row: CardRow, kind: CardAct | None) -> None:
    if row.expires_on is not None and row.expires_on < day_of(house_of(db).clock.now()):
        action = ACT_NAMES[kind] if kind else "使用"
        raise Refused(
            "billing.card_expired", f"卡 {row.card_no} 有效期至 {row.expires_on},不能{action}", "可由收费主管办理续期", "card_no"
        )


def on_receipt_taken(db: Session, event: ReceiptTaken) -> None:
    """However a receipt came about: a card that may not pay has not paid."""
    for card_id, _ in _card_parts(db, event.receipt_id):
        row = db.scalars(_held().where(CardRow.id == card_id)).first()
        if row is None:
            raise Refused("billing.card_unknown", "没有找到该体检卡", "请核对卡号", "card_no")
        require_paying(db, row)


def on_receipt_given_back(db: Session, event: ReceiptGivenBack) -> None:
    """Money that goes back to a card goes to the card that took its place; a card that is no more takes none."""
    for card_id, amount_fen in _card_parts(db, event.receipt_id):
        row = db.scalars(_held().where(CardRow.id == card_id)).one()
        first = row
        while row.state == CardState.REPLACED:
            row = db.scalars(_held().where(CardRow.replaces_id == row.id)).one()
        if row.state not in rules.HOLDING:
            raise Refused(
                "billing.card_gone", f"卡 {row.card_no} {STATE_NAMES[CardState(row.state)]},不能退回卡内",
                "过期卡请先由收费主管续期;已销卡的请由收费主管按其他方式处理",
            )  # fmt: skip
        before_fen = balance_of(db, row.id) - (amount_fen if row is first else 0)
        rules.require_room(amount_fen, before_fen, row.is_named, card_types.limits(db))
        if row is not first:
            move = Move(account_of(first.id), account_of(row.id), amount_fen)
            ledger.post(db, ledger.Posting(kind="card_replace", moves=(move,), site=event.site, about=event.receipt_id))


def _card_parts(db: Session, receipt_id: UUID) -> Sequence[tuple[UUID, int]]:
    rows = db.execute(
        select(ReceiptPartRow.card_id, ReceiptPartRow.amount_fen)
        .where(ReceiptPartRow.receipt_id == receipt_id, ReceiptPartRow.card_id.is_not(None))
        .order_by(ReceiptPartRow.card_id)
    )
    return [(row.card_id, row.amount_fen) for row in rows]

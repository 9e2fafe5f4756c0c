"""Money that came in by bank transfer: recorded, assigned in whole or in parts to what it is for, taken back, sent back.

What nobody knows yet stands on the account of unmatched transfers. Each step is one ledger transaction; nothing is edited.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec
from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing import ledger
from billing.facts import Account, AccountKind, Move
from billing.transfer_facts import Match, MatchKind, NewTransfer, Transfer
from billing.transfer_models import BankTransfer, TransferMatch
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.kit.money import yuan
from exam.kit.series import next_number

PAGE = 50
MOST_FEN = 10_000_000_000
BANK, UNMATCHED = Account(AccountKind.TRANSFER), Account(AccountKind.UNMATCHED)


def record(db: Session, new: NewTransfer) -> UUID:
    """Records a transfer as unmatched money. The same reference of the bank is recorded once."""
    return record_many(db, [new])[0]


def record_many(db: Session, many: Sequence[NewTransfer]) -> list[UUID]:
    """Records transfers, all or none of them; each refusal names the row, counted from 1."""
    house, actor = house_of(db), actor_of(db)
    now, today = house.clock.now(), day_of(house.clock.now())
    problems = [
        (field, f"第 {row} 行:{text}" if len(many) > 1 else text)
        for row, new in enumerate(many, 1)
        for field, text in problems_of(new, today)
    ]
    if problems:
        raise BadInput(problems, code="billing.transfer")
    _refuse_known(db, many)
    first = next_number(db, f"transfer:{actor.site}:{today:%y%m%d}", len(many)) if many else 0
    found = []
    for number, new in enumerate(many, first):
        transfer_id = house.ids.new()
        move = Move(BANK, UNMATCHED, new.amount_fen)
        transaction_id = ledger.post(db, ledger.Posting(kind="transfer_in", moves=(move,), site=actor.site, about=transfer_id))
        db.add(
            BankTransfer(
                id=transfer_id, transfer_no=f"ZZ{actor.site}{today:%y%m%d}{number:04d}", site=actor.site, amount_fen=new.amount_fen,
                matched_fen=0, payer_name=new.payer_name.strip(), payer_account=new.payer_account.strip(),
                bank_reference=new.bank_reference.strip(), received_on=new.received_on, remark=new.remark.strip(),
                transaction_id=transaction_id, recorded_at=now, recorded_by=actor.staff_id, recorded_name=actor.name, voided_at=None,
                voided_name="", void_reason="", ver=1,
            )
        )  # fmt: skip
        found.append(transfer_id)
    try:
        db.flush()
    except IntegrityError:  # somebody else recorded the same line in between
        raise Refused("billing.transfer_known", "同一银行流水号已登记", "请刷新列表核对", "bank_reference") from None
    audit.note(db, "billing.record_transfer", reason=f"{len(many)} 笔")
    return found


def problems_of(new: NewTransfer, today: date) -> list[tuple[str, str]]:
    """What is wrong with a transfer before anything is stored: each field with its reason."""
    problems = []
    if not 0 < new.amount_fen <= MOST_FEN:
        problems.append(("amount", "到账金额必须大于零,且不超过一亿元"))
    if not new.payer_name.strip() or len(new.payer_name.strip()) > 100:
        problems.append(("payer_name", "汇款方户名不能为空且不超过 100 字"))
    if new.received_on > today:
        problems.append(("received_on", "到账日期不能晚于今天"))
    for field, label, most in (("bank_reference", "银行流水号", 64), ("payer_account", "汇款账号", 64), ("remark", "附言", 200)):
        if len(getattr(new, field).strip()) > most:
            problems.append((field, f"{label}不超过 {most} 字"))
    return problems


def _refuse_known(db: Session, many: Sequence[NewTransfer]) -> None:
    references = [new.bank_reference.strip() for new in many if new.bank_reference.strip()]
    twice = {each for each in references if references.count(each) > 1}
    known = known_references(db, references) | twice
    if known:
        told = "、".join(sorted(known)[:5])
        raise Refused("billing.transfer_known", f"银行流水号 {told} 已登记或重复", "请核对,删除已登记的行后重试", "bank_reference")


def known_references(db: Session, references: Sequence[str]) -> set[str]:
    """Which of these references of the bank are recorded already."""
    stands = select(BankTransfer.bank_reference).where(BankTransfer.site == actor_of(db).site, BankTransfer.voided_at.is_(None))
    return set(db.scalars(stands.where(BankTransfer.bank_reference.in_(references)))) if references else set()


def get_row(db: Session, transfer_id: UUID, *, lock: bool = False) -> BankTransfer:
    """A transfer of the actor's own site."""
    statement = select(BankTransfer).where(BankTransfer.id == transfer_id, BankTransfer.site == actor_of(db).site)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    row = db.scalar(statement)
    if row is None:
        raise NotFound("没有找到该笔转账", "请从转账列表重新进入")
    return row


def void(db: Session, transfer_id: UUID, reason: str) -> None:
    """Takes the record of a transfer back that was typed wrong, while no part of it is assigned."""
    row = get_row(db, transfer_id, lock=True)
    _require_reason(reason)
    if row.voided_at is not None:
        raise Refused("billing.transfer_void", "该笔转账登记已作废", "请刷新页面查看")
    if row.matched_fen:
        raise Refused("billing.transfer_matched", f"该笔转账已认领 {yuan(row.matched_fen)} 元,不能作废", "请先撤销认领,再作废登记")
    ledger.reverse(db, row.transaction_id, "transfer_in_void")
    row.voided_at, row.voided_name, row.void_reason = house_of(db).clock.now(), actor_of(db).name, reason.strip()
    audit.note(db, "billing.void_transfer", subject=f"transfer:{row.transfer_no}", reason=reason.strip())


def _require_reason(reason: str) -> None:
    if not reason.strip() or len(reason) > 200:
        raise Refused("billing.reason_missing", "必须填写原因(不超过 200 字)", "请填写原因", "reason")


# --- assigning ---------------------------------------------------------------------------------------------------------


def match(
    db: Session, transfer_id: UUID, kind: MatchKind, target_id: UUID, credit: Account, amount_fen: int, remark: str = ""
) -> UUID:  # fmt: skip
    """Assigns a part of a transfer: the amount goes from the unmatched money to `credit`. Returns the match's id.

    The caller has checked what the target may take, and holds its row.
    """
    row = get_row(db, transfer_id, lock=True)
    open_fen = 0 if row.voided_at else row.amount_fen - row.matched_fen
    if amount_fen <= 0:
        raise Refused("billing.amount", "认领金额必须大于零", "请核对金额", "amount")
    if amount_fen > open_fen:
        raise Refused(
            "billing.transfer_exceeded",
            f"该笔转账待认领 {yuan(open_fen)} 元,不足 {yuan(amount_fen)} 元",
            "请减少金额,或另选一笔转账",
            "amount",
        )
    row.matched_fen += amount_fen
    return _write_match(db, row, kind, target_id, (Move(UNMATCHED, credit, amount_fen),), amount_fen, remark, None, None)


def send_back(db: Session, transfer_id: UUID, amount_fen: int, remark: str) -> UUID:
    """Records that a part of a transfer was sent back to its payer."""
    _require_reason(remark)
    match_id = match(db, transfer_id, MatchKind.RETURNED, transfer_id, BANK, amount_fen, remark)
    audit.note(db, "billing.send_transfer_back", subject=f"transfer:{get_row(db, transfer_id).transfer_no}", reason=remark.strip())
    return match_id


def unmatch(db: Session, match_id: UUID, reason: str) -> Match:
    """Takes an assignment back: the money is unmatched again. Refuses where a prepayment was used in between."""
    _require_reason(reason)
    found = match_of(db, match_id)
    if found.undone_at is not None:
        raise Refused("billing.match_undone", "该笔认领已撤销", "请刷新页面查看")
    row = get_row(db, found.transfer_id, lock=True)
    transaction_id = db.scalars(select(TransferMatch.transaction_id).where(TransferMatch.id == match_id)).one()
    row.matched_fen -= found.amount_fen
    try:
        _write_match(db, row, found.kind, found.target_id, (), found.amount_fen, reason.strip(), match_id, transaction_id)
        db.flush()
    except IntegrityError:
        raise Refused("billing.match_undone", "该笔认领已撤销", "请刷新页面查看") from None
    return found


def _write_match(
    db: Session, row: BankTransfer, kind: MatchKind, target_id: UUID, moves: tuple[Move, ...], amount_fen: int, reason: str,
    undoes: UUID | None, reverses: UUID | None,
) -> UUID:  # fmt: skip
    house, actor = house_of(db), actor_of(db)
    match_id = house.ids.new()
    if reverses is not None:
        transaction_id = ledger.reverse(db, reverses, "transfer_unmatched", about=match_id)
    else:
        transaction_id = ledger.post(db, ledger.Posting(kind="transfer_matched", moves=moves, site=row.site, about=match_id))
    db.flush()
    insert_rows(
        db, TransferMatch,
        [{"id": match_id, "transfer_id": row.id, "kind": kind.value, "target_id": target_id, "amount_fen": amount_fen,
          "transaction_id": transaction_id, "undoes": undoes, "reason": reason.strip(), "at": house.clock.now(),
          "actor_id": actor.staff_id, "actor_name": actor.name}],
    )  # fmt: skip
    return match_id


def match_of(db: Session, match_id: UUID) -> Match:
    """One assignment of a transfer of the actor's own site."""
    statement = select(TransferMatch.transfer_id).join(BankTransfer, BankTransfer.id == TransferMatch.transfer_id)
    transfer_id = db.scalar(
        statement.where(TransferMatch.id == match_id, TransferMatch.undoes.is_(None), BankTransfer.site == actor_of(db).site)
    )
    if transfer_id is None:
        raise NotFound("没有找到该笔认领", "请刷新页面后重试")
    return next(each for each in matches(db, transfer_id=transfer_id) if each.id == match_id)


def matches(db: Session, *, transfer_id: UUID | None = None, target_id: UUID | None = None) -> list[Match]:
    """The assignments of a transfer, or to a target, in the order they were made, the undone ones marked."""
    statement = select(TransferMatch).order_by(TransferMatch.id)
    if transfer_id is not None:
        statement = statement.where(TransferMatch.transfer_id == transfer_id)
    if target_id is not None:
        statement = statement.where(TransferMatch.target_id == target_id)
    rows = db.scalars(statement).all()
    undoing = {row.undoes: row for row in rows if row.undoes is not None}
    found = []
    for row in rows:
        if row.undoes is None:
            undone = undoing.get(row.id)
            found.append(
                Match(
                    id=row.id, transfer_id=row.transfer_id, kind=MatchKind(row.kind), target_id=row.target_id, amount_fen=row.amount_fen,
                    at=row.at, by=row.actor_name, remark=row.reason, undone_at=undone.at if undone else None,
                    undone_by=undone.actor_name if undone else "", undone_reason=undone.reason if undone else "",
                )
            )  # fmt: skip
    return found


# --- lists -------------------------------------------------------------------------------------------------------------


class Found(msgspec.Struct, frozen=True):
    """One page of transfers; sums over all that were found, in fen."""

    transfers: tuple[Transfer, ...]
    total: int
    page: int
    pages: int
    amount_fen: int
    open_fen: int


_AMOUNT = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,2})?")

TABS = {"open": "待认领", "matched": "已认领", "void": "已作废", "all": "全部"}


def find(db: Session, tab: str = "open", q: str = "", page: int = 1, size: int = PAGE) -> Found:
    """Transfers of the actor's site: unmatched money first what waits longest, else the newest first.

    `q` is a part of the payer's name, the whole number, the bank's reference, or an amount in yuan.
    """
    statement = select(BankTransfer).where(BankTransfer.site == actor_of(db).site)
    words = q.strip()[:64]
    if words:
        same = [BankTransfer.amount_fen == int(Decimal(words) * 100)] if _AMOUNT.fullmatch(words) else []
        statement = statement.where(
            or_(BankTransfer.payer_name.contains(words, autoescape=True), BankTransfer.transfer_no == words.upper(),
                BankTransfer.bank_reference == words, *same)
        )  # fmt: skip
    if tab == "void":
        statement = statement.where(BankTransfer.voided_at.is_not(None))
    elif tab != "all":
        is_open = BankTransfer.matched_fen < BankTransfer.amount_fen
        statement = statement.where(BankTransfer.voided_at.is_(None), is_open if tab == "open" else ~is_open)
    chosen = statement.subquery()
    left = func.sum(chosen.c.amount_fen - chosen.c.matched_fen)
    total, amount_fen, open_fen = db.execute(select(func.count(), func.sum(chosen.c.amount_fen), left).select_from(chosen)).one()
    pages = max(-(-total // size), 1)
    page = min(max(page, 1), pages)
    day = BankTransfer.received_on
    rows = db.scalars(
        statement.order_by(day if tab == "open" else day.desc(), BankTransfer.id).offset((page - 1) * size).limit(size)
    )
    today = day_of(house_of(db).clock.now())
    return Found(
        tuple(transfer_of(row, today) for row in rows),
        total,
        page,
        pages,
        int(amount_fen or 0),
        0 if tab == "void" else int(open_fen or 0),
    )


def transfer_of(row: BankTransfer, today: date) -> Transfer:
    """A row as it crosses the wall."""
    return Transfer(
        id=row.id, transfer_no=row.transfer_no, amount_fen=row.amount_fen, matched_fen=row.matched_fen, payer_name=row.payer_name,
        received_on=row.received_on, bank_reference=row.bank_reference, payer_account=row.payer_account, remark=row.remark,
        recorded_at=row.recorded_at, recorded_by=row.recorded_name, age_days=(today - row.received_on).days, voided_at=row.voided_at,
        voided_by=row.voided_name, void_reason=row.void_reason,
    )  # fmt: skip


def get(db: Session, transfer_id: UUID) -> Transfer:
    """One transfer of the actor's own site."""
    return transfer_of(get_row(db, transfer_id), day_of(house_of(db).clock.now()))


def open_amounts(db: Session) -> list[tuple[date, int]]:
    """The day and the unmatched rest of every transfer of the actor's site that is not wholly assigned."""
    rows = db.execute(
        select(BankTransfer.received_on, BankTransfer.amount_fen - BankTransfer.matched_fen).where(
            BankTransfer.site == actor_of(db).site,
            BankTransfer.voided_at.is_(None),
            BankTransfer.matched_fen < BankTransfer.amount_fen,
        )
    )
    return [(day, int(fen)) for day, fen in rows]

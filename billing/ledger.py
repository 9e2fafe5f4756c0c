"""The ledger: each row moves an amount from one account to another, so whatever is written sums to zero.

A transaction is what happened once (an order was charged, a payment taken); its transfers are the rows. Nothing is ever changed
or deleted: a mistake is a transaction that reverses another. Accounts that must not fall below zero (a card, a prepayment)
have a balance that is moved by a conditional update in the same transaction; every other balance is a sum over the transfers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, case, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing.booking_days import open_day
from billing.facts import GUARDED, Account, AccountKind, Move
from billing.models import GuardedBalance, LedgerTransaction, LedgerTransfer
from exam.kit.db import insert_rows
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of
from exam.kit.money import yuan
from exam.kit.prepared import PreparedStatement


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction to be written: what it is, what it is about, and its moves. `about` is the id of the paper behind it."""

    kind: str
    moves: tuple[Move, ...]
    site: str
    visit_id: UUID | None = None
    about: UUID | None = None
    drawer_id: UUID | None = None
    reverses: UUID | None = None


def post(db: Session, posting: Posting) -> UUID:
    """Writes one transaction and returns its id. Refuses one that would take a guarded account below zero."""
    return post_all(db, [posting])[0]


def post_all(db: Session, postings: Sequence[Posting]) -> list[UUID]:
    """Writes any number of transactions in two statements, and one more for each guarded account that is moved."""
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    made = house.ids.many(sum(1 + len(posting.moves) for posting in postings))
    days = {key: open_day(db, *key) for key in {(posting.site, posting.drawer_id) for posting in postings}}
    transactions: list[dict[str, Any]] = []
    transfers: list[dict[str, Any]] = []
    for posting in postings:
        transaction_id = next(made)
        transactions.append(
            {"id": transaction_id, "kind": posting.kind, "site": posting.site, "visit_id": posting.visit_id, "about": posting.about,
             "drawer_id": posting.drawer_id, "reverses": posting.reverses, "at": now,
             "booked_on": days[posting.site, posting.drawer_id], "actor_id": actor.staff_id}
        )  # fmt: skip
        transfers += [
            {"id": next(made), "transaction_id": transaction_id, "debit": move.debit.kind.value, "debit_of": move.debit.of,
             "credit": move.credit.kind.value, "credit_of": move.credit.of, "amount_fen": move.amount_fen}
            for move in posting.moves
        ]  # fmt: skip
    for account, change_fen in _changes(postings).items():
        _move_balance(db, account, change_fen)
    insert_rows(db, LedgerTransaction, transactions)
    insert_rows(db, LedgerTransfer, transfers)
    return [row["id"] for row in transactions]


def reverse(db: Session, transaction_id: UUID, kind: str, *, drawer_id: UUID | None = None, about: UUID | None = None) -> UUID:
    """Writes the opposite of a transaction. A transaction is reversed once: the database refuses a second time."""
    whole = db.get_one(LedgerTransaction, transaction_id)
    moves = tuple(Move(each.credit, each.debit, each.amount_fen) for each in moves_of(db, transaction_id))
    return post(
        db,
        Posting(
            kind=kind, moves=moves, site=whole.site, visit_id=whole.visit_id, about=about or whole.about, drawer_id=drawer_id,
            reverses=transaction_id,
        ),
    )  # fmt: skip


def moves_of(db: Session, transaction_id: UUID) -> list[Move]:
    """The moves of a transaction, in the order they were written."""
    rows = db.execute(
        select(LedgerTransfer.__table__).where(LedgerTransfer.transaction_id == transaction_id).order_by(LedgerTransfer.id)
    )
    return [
        Move(Account(AccountKind(row.debit), row.debit_of), Account(AccountKind(row.credit), row.credit_of), row.amount_fen) for row in rows
    ]


def _changes(postings: Sequence[Posting]) -> dict[Account, int]:
    """What these postings do to guarded accounts, which all owe money to somebody: a credit adds, a debit takes."""
    changes: dict[Account, int] = {}
    for posting in postings:
        for move in posting.moves:
            for account, change_fen in ((move.credit, move.amount_fen), (move.debit, -move.amount_fen)):
                if account.kind in GUARDED:
                    changes[account] = changes.get(account, 0) + change_fen
    return changes


_RAISE = PreparedStatement(
    update(GuardedBalance)
    .where(
        GuardedBalance.kind == bindparam("of_kind"), GuardedBalance.of == bindparam("of_owner"),
        GuardedBalance.balance_fen + bindparam("change_fen") >= 0,
    )
    .values(balance_fen=GuardedBalance.balance_fen + bindparam("change_fen"))
)  # fmt: skip


def _move_balance(db: Session, account: Account, change_fen: int) -> None:
    if _RAISE.run(db, of_kind=account.kind.value, of_owner=account.of, change_fen=change_fen) == 1:
        return
    if change_fen > 0:
        try:
            with db.begin_nested():
                insert_rows(db, GuardedBalance, [{"kind": account.kind.value, "of": account.of, "balance_fen": change_fen}])
            return
        except IntegrityError:  # somebody else opened the account in between
            if _RAISE.run(db, of_kind=account.kind.value, of_owner=account.of, change_fen=change_fen) == 1:
                return
    left = guarded_balance(db, account)
    raise Refused(
        "billing.balance_too_low", f"余额不足:可用 {yuan(left)} 元,需要 {yuan(-change_fen)} 元", "请核对金额,或改用其他支付方式", "amount"
    )


def guarded_balance(db: Session, account: Account) -> int:
    """What a card or a prepayment still holds, in fen."""
    found = db.scalar(select(GuardedBalance.balance_fen).where(GuardedBalance.kind == account.kind, GuardedBalance.of == account.of))
    return found or 0


def guarded_balances(db: Session, kind: AccountKind, owners: Sequence[UUID]) -> dict[UUID, int]:
    """What several cards or prepayments still hold, in fen; one statement. Those that never held anything are not in it."""
    rows = db.execute(select(GuardedBalance.of, GuardedBalance.balance_fen).where(GuardedBalance.kind == kind, GuardedBalance.of.in_(owners)))
    return {owner: int(fen) for owner, fen in rows}


def balance_of(db: Session, account: Account) -> int:
    """Debits less credits of an account, in fen, summed over its transfers."""
    return sum(flows(db, account).values())


def flows(db: Session, account: Account) -> dict[AccountKind, int]:
    """An account's debits less credits, by the kind of account on the other side; one statement."""
    is_debit = (LedgerTransfer.debit == account.kind.value) & (LedgerTransfer.debit_of == account.of)
    is_credit = (LedgerTransfer.credit == account.kind.value) & (LedgerTransfer.credit_of == account.of)
    other = case((is_debit, LedgerTransfer.credit), else_=LedgerTransfer.debit)
    signed = case((is_debit, LedgerTransfer.amount_fen), else_=-LedgerTransfer.amount_fen)
    rows = db.execute(select(other, func.sum(signed)).where(or_(is_debit, is_credit)).group_by(other))
    return {AccountKind(kind): int(amount) for kind, amount in rows}


def trial_balance(db: Session) -> dict[AccountKind, int]:
    """Every kind of account with its debits less credits, in fen; together they are nothing. For a proof, not for a screen."""
    found: dict[AccountKind, int] = {}
    for side, sign in ((LedgerTransfer.debit, 1), (LedgerTransfer.credit, -1)):
        for kind, fen in db.execute(select(side, func.sum(LedgerTransfer.amount_fen)).group_by(side)):
            found[AccountKind(kind)] = found.get(AccountKind(kind), 0) + sign * int(fen)
    return found

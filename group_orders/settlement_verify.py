"""What must hold of settlements: each line on one of them, sums that add up, and a ledger that moved just what they say (§8.8, M7)."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import ledger
from billing.facts import Account, AccountKind
from exam.kit.module import Invariant
from group_orders import settling
from group_orders.facts import OrderState
from group_orders.models import GroupOrder
from group_orders.settlement_facts import LIVE, LineKind, SettlementKind, SettlementState
from group_orders.settlement_models import SettlementHold, SettlementLineRow, SettlementMemberRow, SettlementPayment, SettlementRow


def a_line_is_settled_once(db: Session) -> Iterator[str]:
    """A line is first billed by at most one live settlement of its round, which holds it; what was returned or voided holds nothing."""
    live = select(SettlementLineRow.order_id, SettlementLineRow.line_id, SettlementLineRow.settlement_id).join(
        SettlementRow, SettlementRow.id == SettlementLineRow.settlement_id
    )
    billed: dict[tuple[UUID, UUID], UUID] = {}
    firsts = live.where(SettlementRow.state.in_(LIVE), SettlementLineRow.kind == LineKind.FIRST)
    for order_id, line_id, settlement_id in db.execute(firsts.execution_options(yield_per=5000)):
        if billed.setdefault((order_id, line_id), settlement_id) != settlement_id:
            yield f"line {line_id}: is on two live settlements, {billed[order_id, line_id]} and {settlement_id}"
    held = {(row.order_id, row.line_id): row.settlement_id for row in db.execute(select(SettlementHold.__table__))}
    for key in sorted(billed.keys() | held.keys()):
        if billed.get(key) != held.get(key):
            yield f"line {key[1]}: is held by {held.get(key)}, the lines say {billed.get(key)}"
    corrections = live.where(SettlementRow.state.in_(LIVE), SettlementLineRow.kind == LineKind.CORRECTION)
    for order_id, line_id, settlement_id in db.execute(corrections):
        if (order_id, line_id) not in billed:
            yield f"settlement {settlement_id}: corrects line {line_id}, which no live settlement bills"


def settlements_add_up(db: Session) -> Iterator[str]:
    """A settlement's total is the sum of its lines with its named adjustments, member by member; no line is settled below nothing."""
    by_line = func.sum(SettlementLineRow.amount_fen)
    counts = select(SettlementLineRow.settlement_id, by_line, func.count()).group_by(SettlementLineRow.settlement_id)
    lines = {row[0]: (int(row[1]), row[2]) for row in db.execute(counts)}
    in_members = select(SettlementMemberRow.settlement_id, func.sum(SettlementMemberRow.amount_fen), func.count())
    members = {row[0]: (int(row[1]), row[2]) for row in db.execute(in_members.group_by(SettlementMemberRow.settlement_id))}
    for row in db.scalars(select(SettlementRow)):
        moved = settling.adjustments_of(row)
        told = (row.lines_fen, row.line_count, row.member_count, row.adjusted_fen)
        found = (*lines.get(row.id, (0, 0)), members.get(row.id, (0, 0))[1], sum(each.amount_fen for each in moved))
        if told != found or members.get(row.id, (0, 0))[0] != row.lines_fen:
            yield f"settlement {row.settlement_no}: says {told}, its lines and members {found}"
    below = (
        select(SettlementLineRow.line_id)
        .join(SettlementRow, SettlementRow.id == SettlementLineRow.settlement_id)
        .where(SettlementRow.state.in_(LIVE))
        .group_by(SettlementLineRow.order_id, SettlementLineRow.line_id)
        .having(by_line < 0)
    )
    for line_id in db.scalars(below):
        yield f"line {line_id}: less than nothing is settled of it"


def settlements_moved_what_they_say(db: Session) -> Iterator[str]:
    """An approved settlement has its transaction with just its moves; a voided one was reversed; a waiting one moved nothing."""
    for row in db.scalars(select(SettlementRow)):
        wanted = settling.moves_of(row) if row.approved_at is not None else ()
        found = tuple(ledger.moves_of(db, row.transaction_id)) if row.transaction_id else ()
        if wanted != found:
            yield f"settlement {row.settlement_no}: the ledger moved {found}, it says {wanted}"
        is_reversed = row.void_transaction_id is not None
        if is_reversed != (row.state == SettlementState.VOID and row.transaction_id is not None):
            yield f"settlement {row.settlement_no}: is {row.state}, reversed: {is_reversed}"


def settlements_are_paid_as_booked(db: Session) -> Iterator[str]:
    """What is paid of a settlement is the sum of its payments, what came in for its round by the ledger is the sum of these."""
    booked = func.sum(SettlementPayment.amount_fen)
    sums = {
        row[0]: int(row[1])
        for row in db.execute(select(SettlementPayment.settlement_id, booked).group_by(SettlementPayment.settlement_id))
    }
    by_round: dict[UUID, int] = {}
    for row in db.scalars(select(SettlementRow)):
        if row.paid_fen != sums.get(row.id, 0):
            yield f"settlement {row.settlement_no}: {row.paid_fen} fen are paid, its payments say {sums.get(row.id, 0)}"
        if row.state in (SettlementState.APPROVED, SettlementState.PAID) and (row.state == SettlementState.PAID) != (
            row.paid_fen == row.receivable_fen
        ):
            yield f"settlement {row.settlement_no}: is {row.state}, {row.paid_fen} of {row.receivable_fen} fen are paid"
        by_round[row.order_id] = by_round.get(row.order_id, 0) + row.paid_fen
    own = (AccountKind.REVENUE, AccountKind.REDUCTION, AccountKind.PREPAYMENT)
    for order_id in db.scalars(select(GroupOrder.id)):
        moved = ledger.flows(db, Account(AccountKind.ORGANIZATION, order_id))
        came = -sum(fen for kind, fen in moved.items() if kind not in own)
        if came != by_round.get(order_id, 0):
            yield f"group order {order_id}: {came} fen came in by the ledger, its settlements say {by_round.get(order_id, 0)}"


def a_settled_round_has_its_final_settlement(db: Session) -> Iterator[str]:
    """A round is settled while, and only while, it has an approved final settlement."""
    final = select(SettlementRow.order_id).where(
        SettlementRow.kind == SettlementKind.FINAL, SettlementRow.state.in_((SettlementState.APPROVED, SettlementState.PAID))
    )
    have = set(db.scalars(final))
    for order_id, state in db.execute(select(GroupOrder.id, GroupOrder.state)):
        if (state in (OrderState.SETTLED, OrderState.ARCHIVED)) != (order_id in have):
            yield f"group order {order_id}: is {state}, has a final settlement: {order_id in have}"


INVARIANTS = (
    Invariant("a line is settled once", a_line_is_settled_once),
    Invariant("settlements add up", settlements_add_up),
    Invariant("settlements moved what they say", settlements_moved_what_they_say),
    Invariant("settlements are paid as booked", settlements_are_paid_as_booked),
    Invariant("a settled round has its final settlement", a_settled_round_has_its_final_settlement),
)

"""What a round's organisation pays ahead: taken at the desk or by transfer, used by settlements, sent back or carried to the next round."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from billing import ledger, receipts, transfers
from billing.facts import ACCOUNT_NAMES, Account, AccountKind, Move
from billing.gateway_facts import GatewayPaid
from billing.receipt_facts import Part, ReceiptKind, Target
from billing.transfer_facts import MatchKind
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of
from exam.kit.money import yuan
from exam.kit.series import next_number
from group_orders import members
from group_orders import settlement_rules as terms
from group_orders.facts import ORDER_STATE_NAMES, OrderState
from group_orders.models import GroupOrder
from group_orders.settlement_facts import PrepaymentKind, PrepaymentLine, SettlementState
from group_orders.settlement_models import PrepaymentAct, SettlementRow

TAKES_PREPAYMENT = (OrderState.APPROVED, OrderState.OPEN, OrderState.COMPLETED)


def balance(db: Session, order_id: UUID) -> int:
    """What is left of a round's prepayment, in fen."""
    return ledger.guarded_balance(db, account(order_id))


def account(order_id: UUID) -> Account:
    """The prepayment of a round in the ledger."""
    return Account(AccountKind.PREPAYMENT, order_id)


def _open_row(db: Session, order_id: UUID) -> GroupOrder:
    row = members.order_row(db, order_id, lock=True)
    if row.state not in TAKES_PREPAYMENT:
        shown = ORDER_STATE_NAMES[OrderState(row.state)]
        raise Refused("group_orders.no_prepayment", f"该批次当前为“{shown}”,不能收预缴款", "请在已审批、进行中或已完成的批次上收取")
    return row


def take(db: Session, order_id: UUID, part: Part) -> UUID:
    """Takes a prepayment at the desk; returns the receipt."""
    row = _open_row(db, order_id)
    receipt = receipts.take(db, Target("prepayment", order_id), account(order_id), [part], kind="prepayment")
    audit.note(db, "group_orders.take_prepayment", subject=f"group_order:{row.order_no}", reason=yuan(part.amount_fen))
    return receipt.id


def on_gateway_paid(db: Session, event: GatewayPaid) -> None:
    """A prepayment by telephone (`prepayment:<round>`); what comes late, or for a round that takes none, goes back by itself."""
    kind, _, number = event.target.partition(":")
    if kind != "prepayment" or event.is_late:
        return
    row = members.order_row(db, UUID(number), lock=True)
    if row.state not in TAKES_PREPAYMENT:
        return
    part = Part(
        method=AccountKind(event.method.value), amount_fen=event.amount_fen, reference=event.trade_no[:40], gateway_order_id=event.order_id
    )
    target = Target("prepayment", row.id)
    receipts.take(db, target, account(row.id), [part], kind="prepayment", cashier_id=event.cashier_id)
    audit.note(db, "group_orders.take_prepayment", subject=f"group_order:{row.order_no}", reason=yuan(part.amount_fen))


def take_from_transfer(db: Session, order_id: UUID, transfer_id: UUID, amount_fen: int) -> UUID:
    """Takes a part of a bank transfer as a prepayment; returns the match."""
    row = _open_row(db, order_id)
    match_id = transfers.match(db, transfer_id, MatchKind.PREPAYMENT, order_id, account(order_id), amount_fen, row.order_no)
    audit.note(db, "group_orders.match_prepayment", subject=f"group_order:{row.order_no}", reason=yuan(amount_fen))
    return match_id


def refund(db: Session, order_id: UUID, amount_fen: int, reference: str, reason: str) -> UUID:
    """Records that what is left, or a part of it, was sent back to the organisation by bank. Money at the desk goes back by its receipt."""
    row = members.order_row(db, order_id, lock=True)
    terms.require_reason(reason)
    if not reference.strip() or len(reference) > 64:
        raise Refused("group_orders.reference_missing", "退款必须填写银行付款流水号(不超过 64 字)", "请按银行回单填写", "reference")
    _require_left(db, order_id, amount_fen)
    move = Move(account(order_id), Account(AccountKind.TRANSFER), amount_fen)
    audit.note(db, "group_orders.refund_prepayment", subject=f"group_order:{row.order_no}", reason=yuan(amount_fen))
    return _write(db, row, move, reference.strip(), reason.strip(), None)


def carry_over(db: Session, order_id: UUID, to_order_id: UUID, amount_fen: int, reason: str = "") -> UUID:
    """Carries what is left, or a part of it, to another round of the same organisation that is not settled yet."""
    if order_id == to_order_id:
        raise Refused("group_orders.same_round", "不能结转到同一批次", "请选择另一批次", "to_order_id")
    both = {each: members.order_row(db, each, lock=True) for each in sorted((order_id, to_order_id))}
    row, to = both[order_id], both[to_order_id]
    if to.organization_id != row.organization_id:
        raise Refused("group_orders.other_organization", "只能结转到同一单位的批次", "请选择本单位的批次", "to_order_id")
    _open_row(db, to_order_id)
    _require_left(db, order_id, amount_fen)
    move = Move(account(order_id), account(to_order_id), amount_fen)
    audit.note(db, "group_orders.carry_prepayment", subject=f"group_order:{row.order_no}", reason=yuan(amount_fen))
    return _write(db, row, move, to.order_no, reason.strip(), to_order_id)


def _require_left(db: Session, order_id: UUID, amount_fen: int) -> None:
    left = balance(db, order_id)
    planned = db.scalar(
        select(SettlementRow.prepaid_fen).where(SettlementRow.order_id == order_id, SettlementRow.state == SettlementState.PROPOSED)
    )
    free = left - (planned or 0)
    if amount_fen <= 0:
        raise Refused("group_orders.amount", "金额必须大于零", "请核对金额", "amount")
    if amount_fen > free:
        told = f",其中 {yuan(planned)} 元待审核的结算单将使用" if planned else ""
        raise Refused(
            "group_orders.prepaid_too_little", f"预缴余额 {yuan(left)} 元{told},不足 {yuan(amount_fen)} 元", "请核对金额", "amount"
        )


def _write(db: Session, row: GroupOrder, move: Move, reference: str, reason: str, to_order_id: UUID | None) -> UUID:
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    act_id = house.ids.new()
    stored = "carried" if to_order_id else "refunded"
    act_no = f"YJ{actor.site}{day_of(now):%y%m}{next_number(db, f'prepayment:{actor.site}:{day_of(now):%y%m}'):04d}"
    transaction_id = ledger.post(db, ledger.Posting(kind=f"prepayment_{stored}", moves=(move,), site=row.site, about=act_id))
    insert_rows(
        db, PrepaymentAct,
        [{"id": act_id, "act_no": act_no, "order_id": row.id, "to_order_id": to_order_id, "kind": stored, "reference": reference,
          "amount_fen": move.amount_fen, "reason": reason, "transaction_id": transaction_id, "at": now, "actor_id": actor.staff_id,
          "actor_name": actor.name}],
    )  # fmt: skip
    return act_id


def next_rounds(db: Session, order_id: UUID) -> list[tuple[UUID, str]]:
    """The rounds of the same organisation that a rest may be carried to, the newest first."""
    row = members.order_row(db, order_id)
    rows = db.scalars(
        select(GroupOrder)
        .where(GroupOrder.organization_id == row.organization_id, GroupOrder.site == row.site, GroupOrder.id != row.id,
               GroupOrder.state.in_(TAKES_PREPAYMENT))
        .order_by(GroupOrder.opens_on.desc(), GroupOrder.id.desc())
        .limit(50)
    )  # fmt: skip
    return [(each.id, f"{each.order_no} {each.name}") for each in rows]


def history(db: Session, order_id: UUID) -> list[PrepaymentLine]:
    """Every move of a round's prepayment with its paper, the oldest first, and what it then was."""
    moved: list[tuple[object, PrepaymentKind, int, str, str, bool]] = []
    taken = receipts.of_target(db, Target("prepayment", order_id))
    voided = {each.voids for each in taken if each.voids}
    for each in taken:
        ways = "、".join(ACCOUNT_NAMES[part.method] for part in each.parts)
        sign = 1 if each.kind is ReceiptKind.PAYMENT else -1
        moved.append(
            (each.at, PrepaymentKind.TAKEN, sign * each.total_fen, each.receipt_no, each.reason or ways, each.id in voided)
        )
    for match in transfers.matches(db, target_id=order_id):
        number = transfers.get_row(db, match.transfer_id).transfer_no
        moved.append((match.at, PrepaymentKind.MATCHED, match.amount_fen, number, f"{match.by}认领", match.undone_at is not None))
        if match.undone_at:
            moved.append(
                (match.undone_at, PrepaymentKind.MATCHED, -match.amount_fen, number, f"撤销认领:{match.undone_reason}", False)
            )
    used = select(SettlementRow).where(SettlementRow.order_id == order_id, SettlementRow.transaction_id.is_not(None))
    for row in db.scalars(used):
        change = row.credited_fen - row.prepaid_fen
        kind = PrepaymentKind.CREDITED if change > 0 else PrepaymentKind.USED
        if change:
            moved.append((row.approved_at, kind, change, row.settlement_no, "", row.void_transaction_id is not None))
        if change and row.void_transaction_id is not None:
            moved.append((row.ended_at, kind, -change, row.settlement_no, f"结算单作废:{row.ended_reason}", False))
    for act in db.scalars(
        select(PrepaymentAct).where(or_(PrepaymentAct.order_id == order_id, PrepaymentAct.to_order_id == order_id))
    ):
        is_in = act.to_order_id == order_id
        kind = PrepaymentKind.CARRIED_IN if is_in else PrepaymentKind.CARRIED_OUT if act.to_order_id else PrepaymentKind.REFUNDED
        remark = " ".join(part for part in (act.reference if not is_in else "", act.reason) if part)
        moved.append((act.at, kind, act.amount_fen if is_in else -act.amount_fen, act.act_no, remark, False))
    found, left = [], 0
    for at, kind, amount_fen, number, remark, is_undone in sorted(moved, key=lambda each: each[0]):  # type: ignore[arg-type,return-value]
        left += amount_fen
        found.append(PrepaymentLine(at, kind, amount_fen, left, number, remark, is_undone))  # type: ignore[arg-type]
    return found

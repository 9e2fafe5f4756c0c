"""Settlements of a round: proposed as they were seen, approved by a second person, paid, and taken back.

Every act holds the round's row first, so that two of one round follow each other. What a settlement bills is never edited: a charge
that changes afterwards is a difference on the next one.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing import ledger, receipts, transfers
from billing.facts import Account, AccountKind, Move
from billing.receipt_facts import Part, ReceiptGivenBack, Target
from billing.transfer_facts import MatchKind, SettlementVoided
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.money import yuan
from exam.kit.series import next_number
from group_orders import members, rules
from group_orders import settlement_rules as terms
from group_orders.facts import OrderState
from group_orders.models import GroupOrder
from group_orders.settlement_drafts import Draft, draft
from group_orders.settlement_facts import (
    LIVE,
    Adjustment,
    LineKind,
    SettlementApproved,
    SettlementKind,
    SettlementState,
)
from group_orders.settlement_models import (
    SettlementHold,
    SettlementLineRow,
    SettlementMemberRow,
    SettlementPayment,
    SettlementRow,
)

REDUCTION = Account(AccountKind.REDUCTION)


def get_row(db: Session, settlement_id: UUID, *, lock: bool = False) -> SettlementRow:
    """A settlement of the actor's own site; with `lock` its round is held first, then the settlement itself."""
    of_site = select(SettlementRow).where(SettlementRow.id == settlement_id, SettlementRow.site == actor_of(db).site)
    row = db.scalar(of_site)
    if row is None:
        raise NotFound("没有找到该结算单", "请从结算列表重新进入")
    if lock:
        members.order_row(db, row.order_id, lock=True)
        row = db.scalars(of_site.with_for_update().execution_options(populate_existing=True)).one()
    return row


def of_order(db: Session, order_id: UUID) -> list[SettlementRow]:
    """Every settlement of a round, the void ones too, in the order they were proposed."""
    return list(db.scalars(select(SettlementRow).where(SettlementRow.order_id == order_id).order_by(SettlementRow.id)))


def preview(
    db: Session, order_id: UUID, kind: SettlementKind, until_on: date | None = None, prepaid_fen: int | None = None
) -> Draft:  # fmt: skip
    """What a settlement of a round would be now; nothing is stored."""
    order = members.order_row(db, order_id)
    terms.require_kind(kind, order.state)
    return draft(db, order, kind, until_on, prepaid_fen)


def propose(
    db: Session, order_id: UUID, kind: SettlementKind, until_on: date | None, digest: str, prepaid_fen: int | None = None, remark: str = ""
) -> UUID:  # fmt: skip
    """Stores a settlement as it was seen, for a second person to approve; its lines belong to no other from now on.

    Refuses when what it would be has changed since `digest`, and while another proposal of the round waits.
    """
    order = members.order_row(db, order_id, lock=True)
    terms.require_kind(kind, order.state)
    if len(remark) > 200:
        raise Refused("group_orders.remark", "备注不超过 200 字", "请缩短备注", "remark")
    waiting = db.scalar(
        select(SettlementRow.settlement_no).where(
            SettlementRow.order_id == order_id, SettlementRow.state == SettlementState.PROPOSED
        )
    )
    if waiting:
        raise Refused(
            "group_orders.settlement_waits", f"该批次的结算单 {waiting} 正在等待审核", "请先审核或退回该结算单,再做新的结算"
        )
    seen = draft(db, order, kind, until_on, prepaid_fen)
    if seen.digest != digest:
        raise Refused(
            "group_orders.settlement_changed", "结算内容在您查看后有变化,未提交", "请刷新草稿,核对最新的人数和金额后再提交"
        )
    terms.require_something(seen.line_count, kind, seen.adjustments)
    row = _store(db, order, seen, remark.strip())
    audit.note(db, "group_orders.propose_settlement", subject=f"settlement:{row.settlement_no}", reason=yuan(row.due_fen))
    return row.id


def _store(db: Session, order: GroupOrder, seen: Draft, remark: str) -> SettlementRow:
    house, actor = house_of(db), actor_of(db)
    now = house.clock.now()
    month = f"{day_of(now):%y%m}"
    row = SettlementRow(
        id=house.ids.new(), settlement_no=f"JS{actor.site}{month}{next_number(db, f'settlement:{actor.site}:{month}'):04d}",
        order_id=order.id, organization_id=order.organization_id, site=order.site, kind=seen.kind.value,
        state=terms.SETTLEMENT.move(SettlementState.DRAFT, "propose", "提交"), until_on=seen.until_on,
        billable_when=seen.basis.billable_when, settled_by=seen.basis.settled_by, adjustments=msgspec.json.encode(seen.adjustments).decode(),
        **msgspec.structs.asdict(seen.sums), paid_fen=0, line_count=seen.line_count, member_count=len(seen.members), remark=remark,
        proposed_at=now, proposed_by=actor.staff_id, proposed_name=actor.name, approved_at=None, approved_by=None, approved_name="",
        paid_at=None, ended_at=None, ended_by=None, ended_name="", ended_reason="", transaction_id=None, void_transaction_id=None, ver=1,
    )  # fmt: skip
    db.add(row)
    db.flush()
    insert_rows(
        db, SettlementMemberRow,
        [{"settlement_id": row.id, "visit_id": each.visit_id, "position": place, "visit_no": each.visit_no, "cohort": each.cohort,
          "name": each.name, "employee_no": each.employee_no, "department": each.department, "exam_on": each.exam_on,
          "package_name": each.package_name, "amount_fen": each.amount_fen} for place, each in enumerate(seen.members, 1)],
    )  # fmt: skip
    lines = [line for each in seen.members for line in each.lines]
    insert_rows(
        db, SettlementLineRow,
        [{"settlement_id": row.id, "line_id": line.line_id, "order_id": order.id, "visit_id": line.visit_id, "position": place,
          "kind": line.kind.value, "name": line.name, "standard_fen": line.standard_fen, "amount_fen": line.amount_fen}
         for place, line in enumerate(lines, 1)],
    )  # fmt: skip
    try:
        insert_rows(
            db, SettlementHold,
            [{"order_id": order.id, "line_id": line.line_id, "settlement_id": row.id} for line in lines if line.kind is LineKind.FIRST],
        )  # fmt: skip
    except IntegrityError:  # the round's row is held: only a database that was tampered with comes here
        raise Refused("group_orders.line_settled", "有项目已在另一张结算单上", "请刷新草稿后重新提交") from None
    return row


def send_back(db: Session, settlement_id: UUID, reason: str) -> None:
    """Returns a proposal, with a reason: its lines are free again."""
    row = get_row(db, settlement_id, lock=True)
    terms.require_reason(reason)
    row.state = terms.SETTLEMENT.move(row.state, "return", "退回")
    _end(db, row, reason)
    audit.note(db, "group_orders.return_settlement", subject=f"settlement:{row.settlement_no}", reason=reason.strip())


def _end(db: Session, row: SettlementRow, reason: str) -> None:
    house, actor = house_of(db), actor_of(db)
    row.ended_at, row.ended_by, row.ended_name, row.ended_reason = house.clock.now(), actor.staff_id, actor.name, reason.strip()
    db.execute(delete(SettlementHold).where(SettlementHold.settlement_id == row.id))


def approve(db: Session, settlement_id: UUID) -> None:
    """A second person approves: the prepayment is used, the contract's adjustments are booked, the rest is to be paid.

    With the final settlement the round is settled. Refuses where the prepayment has become too small in between.
    """
    row = get_row(db, settlement_id, lock=True)
    terms.require_other_person(row.proposed_by, actor_of(db).staff_id)
    row.state = terms.SETTLEMENT.move(row.state, "approve", "审核")
    house, actor = house_of(db), actor_of(db)
    moves = moves_of(row)
    if moves:
        posting = ledger.Posting(kind="settlement", moves=moves, site=row.site, about=row.id)
        row.transaction_id = ledger.post(db, posting)
    row.approved_at, row.approved_by, row.approved_name = house.clock.now(), actor.staff_id, actor.name
    if row.receivable_fen == 0:
        _book_as_paid(db, row)
    if row.kind == SettlementKind.FINAL:
        _move_round(db, row.order_id, "settle", "结算")
    audit.note(db, "group_orders.approve_settlement", subject=f"settlement:{row.settlement_no}", reason=yuan(row.due_fen))
    announce(db, SettlementApproved(row.id, row.order_id, row.site))


def moves_of(row: SettlementRow) -> tuple[Move, ...]:
    """What an approved settlement moves in the ledger besides what is paid for it afterwards."""
    organization, prepayment = Account(AccountKind.ORGANIZATION, row.order_id), Account(AccountKind.PREPAYMENT, row.order_id)
    moves = [
        Move(organization, REDUCTION, each.amount_fen) if each.amount_fen > 0 else Move(REDUCTION, organization, -each.amount_fen)
        for each in adjustments_of(row)
    ]
    if row.prepaid_fen:
        moves.append(Move(prepayment, organization, row.prepaid_fen))
    if row.credited_fen:
        moves.append(Move(organization, prepayment, row.credited_fen))
    return tuple(moves)


def adjustments_of(row: SettlementRow) -> list[Adjustment]:
    """What the contract took off a settlement or added to it."""
    return msgspec.json.decode(row.adjustments, type=list[Adjustment])


def _move_round(db: Session, order_id: UUID, action: str, label: str) -> None:
    order = members.order_row(db, order_id, lock=True)
    order.state = rules.ORDER.move(order.state, action, label)


def void(db: Session, settlement_id: UUID, reason: str) -> None:
    """Takes an approved settlement back: its lines are free, the prepayment and the adjustments are as before.

    Refuses while money is booked for it, where a later settlement corrects one of its lines, and while an invoice stands (billing
    hears of it and says so): that is voided or reddened first, because the paper must come back.
    """
    row = get_row(db, settlement_id, lock=True)
    terms.require_reason(reason)
    after = terms.SETTLEMENT.move(row.state, "void", "作废")
    if row.paid_fen:
        raise Refused(
            "group_orders.settlement_paid", f"该结算单已收款 {yuan(row.paid_fen)} 元,不能作废", "请先撤销转账认领或退回收款,再作废"
        )
    later = _corrected_by(db, row)
    if later:
        raise Refused("group_orders.settlement_corrected", f"结算单 {later} 更正了本单的项目,不能作废本单", f"请先作废 {later}")
    row.state = after
    if row.transaction_id is not None:
        row.void_transaction_id = ledger.reverse(db, row.transaction_id, "settlement_void")
    _end(db, row, reason)
    if row.kind == SettlementKind.FINAL:
        _refuse_with_supplements(db, row)
        _move_round(db, row.order_id, "unsettle", "撤销结算")
    audit.note(db, "group_orders.void_settlement", subject=f"settlement:{row.settlement_no}", reason=reason.strip())
    announce(db, SettlementVoided(row.id, row.order_id, row.site, reason.strip()))


def _corrected_by(db: Session, row: SettlementRow) -> str | None:
    """The number of a live settlement that corrects a line which this one bills first."""
    mine = select(SettlementHold.line_id).where(SettlementHold.settlement_id == row.id)
    return db.scalar(
        select(SettlementRow.settlement_no)
        .join(SettlementLineRow, SettlementLineRow.settlement_id == SettlementRow.id)
        .where(
            SettlementRow.order_id == row.order_id, SettlementRow.id != row.id, SettlementRow.state.in_(LIVE),
            SettlementLineRow.kind == LineKind.CORRECTION, SettlementLineRow.line_id.in_(mine),
        )
        .limit(1)
    )  # fmt: skip


def _refuse_with_supplements(db: Session, row: SettlementRow) -> None:
    found = db.scalar(
        select(SettlementRow.settlement_no).where(
            SettlementRow.order_id == row.order_id, SettlementRow.kind == SettlementKind.SUPPLEMENT, SettlementRow.state.in_(LIVE)
        )
    )
    if found:
        raise Refused("group_orders.supplemented", f"检后结算之后还有补充结算 {found},不能作废", f"请先作废或退回 {found}")


# --- what is paid for it -----------------------------------------------------------------------------------------------


def _require_awaited(row: SettlementRow, amount_fen: int) -> None:
    if row.state != SettlementState.APPROVED:
        terms.SETTLEMENT.move(row.state, "pay", "收款")
    terms.require_payable(amount_fen, row.receivable_fen - row.paid_fen)


def pay_by_transfer(db: Session, settlement_id: UUID, transfer_id: UUID, amount_fen: int) -> UUID:
    """Assigns a part of a bank transfer to a settlement; returns the match."""
    row = get_row(db, settlement_id, lock=True)
    _require_awaited(row, amount_fen)
    organization = Account(AccountKind.ORGANIZATION, row.order_id)
    match_id = transfers.match(db, transfer_id, MatchKind.SETTLEMENT, row.id, organization, amount_fen, row.settlement_no)
    _book(db, row, "transfer", amount_fen, match_id, "")
    audit.note(db, "group_orders.match_settlement", subject=f"settlement:{row.settlement_no}", reason=yuan(amount_fen))
    return match_id


def pay_at_desk(db: Session, settlement_id: UUID, part: Part) -> UUID:
    """Takes money for a settlement at the desk, in cash or by card; returns the receipt."""
    row = get_row(db, settlement_id, lock=True)
    _require_awaited(row, part.amount_fen)
    organization = Account(AccountKind.ORGANIZATION, row.order_id)
    receipt = receipts.take(db, Target("settlement", row.id), organization, [part], kind="settlement_payment")
    _book(db, row, "receipt", part.amount_fen, receipt.id, receipt.receipt_no)
    return receipt.id


def unmatch(db: Session, match_id: UUID, reason: str) -> None:
    """Takes the assignment of a transfer back, whatever it was for."""
    found = transfers.match_of(db, match_id)
    if found.kind is MatchKind.SETTLEMENT:
        row = get_row(db, found.target_id, lock=True)
        transfers.unmatch(db, match_id, reason)
        _book(db, row, "transfer", -found.amount_fen, match_id, reason.strip())
    else:
        if found.kind is MatchKind.PREPAYMENT:
            members.order_row(db, found.target_id, lock=True)
        transfers.unmatch(db, match_id, reason)
    audit.note(db, "group_orders.unmatch_transfer", subject=f"match:{match_id}", reason=reason.strip())


def on_receipt_given_back(db: Session, event: ReceiptGivenBack) -> None:
    """Money of a receipt for a settlement went back: so much less is paid of it."""
    if event.target.kind == "settlement":
        row = get_row(db, event.target.id, lock=True)
        _book(db, row, "receipt", -event.total_fen, event.receipt_id, "收据作废" if event.is_void else "收据退款")


def _book(db: Session, row: SettlementRow, way: str, amount_fen: int, source_id: UUID, reason: str) -> None:
    house, actor = house_of(db), actor_of(db)
    insert_rows(
        db, SettlementPayment,
        [{"id": house.ids.new(), "settlement_id": row.id, "way": way, "amount_fen": amount_fen, "source_id": source_id, "reason": reason,
          "at": house.clock.now(), "actor_id": actor.staff_id, "actor_name": actor.name}],
    )  # fmt: skip
    row.paid_fen += amount_fen
    if row.state == SettlementState.PAID and row.paid_fen < row.receivable_fen:
        row.state, row.paid_at = terms.SETTLEMENT.move(row.state, "unpay", "撤销收款"), None
    elif row.state == SettlementState.APPROVED and row.paid_fen == row.receivable_fen:
        _book_as_paid(db, row)


def _book_as_paid(db: Session, row: SettlementRow) -> None:
    row.state, row.paid_at = terms.SETTLEMENT.move(row.state, "pay", "结清"), house_of(db).clock.now()


def may_be_settled(state: str) -> tuple[SettlementKind, ...]:
    """Which settlements a round may have in its state."""
    return terms.KINDS_IN.get(OrderState(state), ())

"""The cashier: takes what a visit's person owes by several ways at once, gives back by item, voids and issues again.

Whatever moves money holds the visit first, so of two cashiers the second sees what the first did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import balances, cards, charging, gateway_service, receipt_rules, receipts
from billing.cashier_facts import RefundPlan, Way, WayBack
from billing.facts import Account, AccountKind, Balance, DiscountKind, PaymentTaken, RefundGiven
from billing.gateway_facts import GatewayPaid, GatewayRefunded
from billing.models import DiscountRow
from billing.receipt_facts import BookedPart, Part, Receipt, ReceiptKind, Return, Target
from billing.receipt_models import ReceiptPartRow, ReceiptRow
from billing.receipt_rules import Layout
from exam.kit import idempotency
from exam.kit.errors import Refused
from exam.kit.events import announce
from exam.kit.money import yuan
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import BEGUN, LINE_STATE_NAMES, LineState, VisitState
from exam.visits.models import Visit

NO_MONEY_IN = frozenset({VisitState.LISTED, VisitState.CANCELLED})
"""Nobody pays for a visit that has no day yet, or will not be."""


def target_of(visit_id: UUID) -> Target:
    """A visit, as receipts name what they are for."""
    return Target("visit", visit_id)


def hold(db: Session, visit_id: UUID) -> Visit:
    """The visit, held until the transaction ends."""
    return visits.get_row(db, visit_id, lock=True)


# --- taking ----------------------------------------------------------------------------------------------------------


def take_once(
    db: Session, key: str, visit_id: UUID, ways: Sequence[Way], seen_due_fen: int | None, reissues: UUID | None = None
) -> UUID:
    """As `take`; the same form sent any number of times takes the money once. Returns the receipt's id."""
    asked = ("take", visit_id, ways, seen_due_fen, reissues)
    return idempotency.once(db, key, asked, UUID, lambda: take(db, visit_id, ways, seen_due_fen, reissues=reissues).id)


def take(
    db: Session, visit_id: UUID, ways: Sequence[Way | Part], seen_due_fen: int | None = None, *, reissues: UUID | None = None,
    cashier_id: UUID | None = None,
) -> Receipt:  # fmt: skip
    """Takes money for a visit, never more than is due. `seen_due_fen` is what the screen showed: refused when it is another by now."""
    visit = hold(db, visit_id)
    if visits.state_of(db, visit_id) in NO_MONEY_IN:
        raise Refused("billing.no_money_in", "该体检单尚未预约或已取消,不能收款", "请核对体检单状态")
    money = money_of(db, visit_id)
    due_fen, total_fen = money.balance.due_fen, sum(way.amount_fen for way in ways)
    if seen_due_fen is not None and seen_due_fen != due_fen:
        raise Refused("billing.due_changed", f"应收已变为 {yuan(max(due_fen, 0))} 元,未收款", "请刷新页面核对后重新收款", "amount")
    if total_fen > due_fen:
        raise Refused(
            "billing.too_much", f"收款合计 {yuan(total_fen)} 元,超过应收 {yuan(max(due_fen, 0))} 元", "请核对各项金额", "amount"
        )
    parts = [way if isinstance(way, Part) else _part_of(db, way) for way in ways]
    receipt_rules.require_parts(parts)
    receipt = receipts.take(
        db, target_of(visit_id), Account(AccountKind.PERSON, visit_id), parts, visit_id=visit_id,
        lines=receipt_rules.allot(money.layout.lines, total_fen), reissues=reissues, cashier_id=cashier_id,
    )  # fmt: skip
    balances.show_due(db, visit_id, visit.site)
    announce(db, PaymentTaken(visit_id, visit.site, total_fen))
    return receipt


def _part_of(db: Session, way: Way) -> Part:
    """What was typed as a part of a receipt. A card's own rules are asked here; what a gateway took comes by `on_gateway_paid`."""
    if way.method is AccountKind.CARD:
        return cards.part(db, way.card_no, way.card_pin, way.amount_fen)
    return Part(method=way.method, amount_fen=way.amount_fen, reference=way.reference.strip(), tendered_fen=way.tendered_fen)


def on_gateway_paid(db: Session, event: GatewayPaid) -> None:
    """What a gateway took for a visit is booked in the drawer of whoever asked for it.

    What came late, or for what is not due any more, is not booked here: then it goes back by itself.
    """
    kind, _, visit_id = event.target.partition(":")
    if kind != "visit" or event.is_late or not _is_id(visit_id):
        return
    visit = hold(db, UUID(visit_id))
    if visits.state_of(db, visit.id) in NO_MONEY_IN or balances.amount_due(db, visit.id) < event.amount_fen:
        return
    part = Part(
        method=AccountKind(event.method),
        amount_fen=event.amount_fen,
        reference=event.trade_no[:40],
        gateway_order_id=event.order_id,
    )
    take(db, visit.id, [part], cashier_id=event.cashier_id)


def on_gateway_refunded(db: Session, event: GatewayRefunded) -> None:
    """A gateway that did not pay a refund out after all: the money is owed again; and one that paid it after it had said so."""
    kind, _, visit_id = event.target.partition(":")
    if kind != "visit" or event.is_automatic or not _is_id(visit_id):
        return
    visit = visits.get_row(db, UUID(visit_id), lock=True)
    about = select(ReceiptPartRow.receipt_id).join(ReceiptRow, ReceiptRow.id == ReceiptPartRow.receipt_id)
    refund_id = db.scalar(about.where(ReceiptPartRow.reference == str(event.refund_id), ReceiptRow.kind == ReceiptKind.REFUND).limit(1))
    if refund_id is None or receipts.is_voided(db, refund_id) is not event.is_success:
        return
    if event.is_success:
        _refund_after_all(db, visit, receipts.get(db, refund_id))
    else:
        receipts.undo_refund(db, refund_id, "支付平台退款失败")
    balances.show_due(db, visit.id, visit.site)
    announce(db, RefundGiven(visit.id, visit.site, event.amount_fen, undone=not event.is_success))


def _refund_after_all(db: Session, visit: Visit, undone: Receipt) -> None:
    """The same refund once more: what its money paid meanwhile is due again."""
    (part,) = undone.parts
    if undone.refund_of is None or part.part_of is None:
        raise RuntimeError("a refund names the receipt and the part that it gave back")
    lines = money_of(db, visit.id).layout.lines
    try:
        changes = receipt_rules.allot(lines, -undone.total_fen)
    except Refused:
        changes = receipt_rules.unpay(lines, undone.total_fen, receipts.get(db, undone.refund_of).lines)
    wanted = Return(part.part_of, part.amount_fen, part.reference)
    receipts.give_back(db, undone.refund_of, [wanted], "支付平台先报失败,后已退款", lines=changes, approved_by=undone.approved_by)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


# --- what is owed, line by line --------------------------------------------------------------------------------------


class Money(msgspec.Struct, frozen=True):
    """A visit's money at one moment: its balance, and how it lies over its lines."""

    balance: Balance
    layout: Layout


def money_of(db: Session, visit_id: UUID) -> Money:
    """What stands charged and paid of each line."""
    balance, charged = balances.balance(db, visit_id), charging.standing_charges(db, visit_id)
    own = [(line.id, charged[line.id].person_fen if line.id in charged else 0) for line in orders.lines(db, visit_id)]
    return Money(balance, _laid_out(db, visit_id, own, balance))


def _laid_out(db: Session, visit_id: UUID, charged: Sequence[tuple[UUID, int]], balance: Balance) -> Layout:
    paid = receipts.paid_of_lines(db, visit_id)
    return receipt_rules.lay_out(charged, paid, balance.paid_fen - sum(paid.values()))


# --- giving back -----------------------------------------------------------------------------------------------------


def plan_refund(db: Session, visit_id: UUID, line_ids: Iterable[UUID]) -> RefundPlan:
    """What taking these lines off would give back, and by which ways. Refuses a line that was begun or is removed."""
    wanted = tuple(dict.fromkeys(line_ids))
    _require_refundable_lines(db, visit_id, wanted)
    visit, every = visits.get_row(db, visit_id), orders.lines(db, visit_id)
    left = [line for line in every if line.id not in wanted]
    # Priced as the order will be: what stays may cost more without the rest.
    shares = charging.wanted_shares(
        left, visits.catalogue_of(db, visit), charging.terms_of(db, visit_id), charging.discounts_of(db, visit_id)
    )
    charged = [(line.id, shares[line.id].person_fen if line.id in shares else 0) for line in every]
    layout = _laid_out(db, visit_id, charged, balances.balance(db, visit_id))
    ways = _ways_back(db, visit_id, layout.refundable_fen, wanted) if layout.refundable_fen else ()
    return RefundPlan(wanted, layout.refundable_fen, ways, layout.window_over_fen)


def refund_once(db: Session, key: str, visit_id: UUID, line_ids: Sequence[UUID], seen_fen: int, reason: str) -> list[UUID]:
    """As `refund`; the same form sent any number of times gives back once. Returns the ids of the refunds' receipts."""
    asked = ("refund", visit_id, line_ids, seen_fen, reason)
    return idempotency.once(
        db, key, asked, list[UUID], lambda: [each.id for each in refund(db, visit_id, line_ids, seen_fen, reason)]
    )  # fmt: skip


def refund(db: Session, visit_id: UUID, line_ids: Sequence[UUID], seen_fen: int, reason: str) -> list[Receipt]:
    """Takes lines off the order of which nothing was done, and gives back what was paid too much, each amount the way it came.

    `seen_fen` is what the screen proposed: refused when it is another by now. Without lines it gives back what is owed already.
    """
    visit = visits.get_row(db, visit_id, lock=True)
    reason = receipts.require_reason(reason, "退费")
    plan = plan_refund(db, visit_id, line_ids)
    if plan.amount_fen != seen_fen:
        raise Refused(
            "billing.refund_changed", f"应退已变为 {yuan(plan.amount_fen)} 元,未退费", "请刷新页面核对后重新退费", "amount"
        )
    for line_id in plan.line_ids:
        orders.remove_line(db, visit_id, line_id, reason)
    if not plan.amount_fen:
        if not plan.line_ids:
            raise Refused("billing.nothing_to_refund", "该体检单没有应退的费用", "请先选择要退的项目")
        return []
    return give_back(db, visit, [Return(way.part_id, way.amount_fen) for way in plan.ways], reason)


def give_back(db: Session, visit: Visit, returns: Sequence[Return], reason: str) -> list[Receipt]:
    """Gives these amounts back, a refund's receipt for each receipt they came from. The visit is held; never more than is owed back."""
    money = money_of(db, visit.id)
    wanted_fen = sum(each.amount_fen for each in returns)
    if wanted_fen > min(money.layout.refundable_fen, max(-money.balance.due_fen, 0)):
        text = f"退费 {yuan(wanted_fen)} 元,超过应退 {yuan(money.layout.refundable_fen)} 元"
        raise Refused("billing.more_than_owed", text, "请先退项;已执行的项目须申请已执行退费", "amount")
    by_part = {part.id: (receipt, part) for receipt in receipts.of_visit(db, visit.id) for part in receipt.parts}
    by_receipt: dict[tuple[UUID, UUID | None], list[Return]] = {}
    for each in returns:
        if each.part_id not in by_part:
            raise Refused("billing.no_returns", "请选择要退的收款明细", "请刷新页面后重试", "amount")
        receipt, part = by_part[each.part_id]
        # What a gateway pays out has a receipt of its own: it may fail without the rest.
        by_receipt.setdefault((receipt.id, part.gateway_order_id), []).append(_sent_back(db, part, each, reason))
    approved_by = _waived_by(db, visit.id, [line.line_id for line in money.layout.lines if line.paid_fen > line.charged_fen])
    found = []
    for (receipt_id, _), several in by_receipt.items():
        amount_fen = sum(each.amount_fen for each in several)
        lines = receipt_rules.allot(money_of(db, visit.id).layout.lines, -amount_fen)
        found.append(receipts.give_back(db, receipt_id, several, reason, lines=lines, approved_by=approved_by))
        announce(db, RefundGiven(visit.id, visit.site, amount_fen))
    balances.show_due(db, visit.id, visit.site)
    return found


def _sent_back(db: Session, part: BookedPart, wanted: Return, reason: str) -> Return:
    """What came through a gateway goes back through it: it is asked in this transaction, and the refund's id is kept."""
    if part.gateway_order_id is None:
        return wanted
    refund_id = gateway_service.request_refund(db, part.gateway_order_id, wanted.amount_fen, reason)
    return Return(wanted.part_id, wanted.amount_fen, str(refund_id))


def _require_refundable_lines(db: Session, visit_id: UUID, wanted: Sequence[UUID]) -> None:
    lines = {line.id: line for line in orders.lines(db, visit_id)}
    for line_id in wanted:
        line = lines.get(line_id)
        if line is None or line.state is LineState.REMOVED:
            raise Refused("billing.no_such_line", "所选项目不在体检单中或已退项", "请刷新页面后重新选择", "lines")
        if line.state in BEGUN:
            text = f"“{line.name}”{LINE_STATE_NAMES[line.state]},不能直接退费"
            raise Refused("billing.line_begun", text, "请申请“已执行退费”,由另一位有权限的人员审批", "lines")
    if wanted and all(line.id in wanted or line.state is LineState.REMOVED for line in lines.values()):
        raise Refused("billing.last_line", "体检单至少要保留一个项目", "如不再体检,请在登记处取消登记后再退费", "lines")


def _ways_back(db: Session, visit_id: UUID, amount_fen: int, line_ids: Sequence[UUID]) -> tuple[WayBack, ...]:
    """Receipts that paid these lines first, the newest first; within one, cash last, and one way rather than two."""
    every = receipts.of_visit(db, visit_id)
    gone = {each.voids for each in every}
    standing = [each for each in every if each.kind is ReceiptKind.PAYMENT and each.id not in gone]
    standing.sort(
        key=lambda each: (any(line.line_id in line_ids and line.amount_fen > 0 for line in each.lines), each.at), reverse=True
    )
    found: list[WayBack] = []
    for receipt in standing:
        returned = receipts.returned_of(db, receipt.id)
        left = [(part, part.amount_fen - returned.get(part.id, 0)) for part in receipt.parts]
        left.sort(key=lambda each: each[0].method is not AccountKind.CASH)
        share = min(amount_fen, sum(fen for _, fen in left))
        for each in receipt_rules.split_back(left, share) if share else []:
            part = next(part for part, _ in left if part.id == each.part_id)
            found.append(WayBack(receipt.id, receipt.receipt_no, part.id, part.method, part.reference, each.amount_fen))
        amount_fen -= share
    return tuple(found)


def _waived_by(db: Session, visit_id: UUID, line_ids: Sequence[UUID]) -> UUID | None:
    """Who said yes to giving money back for what was done, where that is what these lines are owed for."""
    found: UUID | None = db.scalar(
        select(DiscountRow.approved_by)
        .where(DiscountRow.visit_id == visit_id, DiscountRow.kind == DiscountKind.WAIVER.value, DiscountRow.line_id.in_(line_ids))
        .order_by(DiscountRow.id.desc())
        .limit(1)
    )
    return found


# --- voiding and issuing again ---------------------------------------------------------------------------------------


def void(db: Session, receipt_id: UUID, reason: str) -> Receipt:
    """Voids a visit's receipt of today: what it paid is due again. Other receipts are voided where they were sold."""
    before = receipts.get(db, receipt_id)
    if before.visit_id is None or before.target.kind != "visit":
        raise Refused("billing.void_elsewhere", "该收据不是体检费收据", "请在售卡、预缴或结算页面办理")
    visit = visits.get_row(db, before.visit_id, lock=True)
    receipts.require_voidable(db, before)
    lines = receipt_rules.unpay(money_of(db, visit.id).layout.lines, before.total_fen, before.lines)
    done = receipts.void(db, receipt_id, reason, lines=lines)
    balances.show_due(db, visit.id, visit.site)
    announce(db, PaymentTaken(visit.id, visit.site, before.total_fen, undone=True))
    return done

"""What may be taken and given back, and to which lines it counts: pure, in fen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

import msgspec

from billing.facts import ACCOUNT_NAMES, MONEY, AccountKind
from billing.receipt_facts import BookedPart, LineAmount, Part, Receipt, ReceiptKind, Return
from billing.rules import MOST_FEN
from exam.kit.clock import day_of
from exam.kit.errors import Refused
from exam.kit.money import yuan

MOST_PARTS = 8
NEEDS_REFERENCE = {
    AccountKind.BANK_CARD: "POS 凭证号", AccountKind.TRANSFER: "转账流水号", AccountKind.WINDOW: "窗口收据号",
}  # fmt: skip
"""Ways whose money can be found again only by the number on somebody else's paper."""

BY_GATEWAY = frozenset({AccountKind.WECHAT, AccountKind.ALIPAY, AccountKind.UNIONPAY, AccountKind.INSURANCE})
"""Ways that another system says yes to, and through which money goes back by that system too."""


class LineMoney(msgspec.Struct, frozen=True):
    """What of a line is for receipts to pay, and what they paid of it less what they gave back, in fen; lines come in order."""

    line_id: UUID
    charged_fen: int
    paid_fen: int


class Layout(msgspec.Struct, frozen=True):
    """How money lies over a visit's lines: what of each is left for receipts to pay, what the hospital's window covers, and its rest."""

    lines: tuple[LineMoney, ...]
    covered: Mapping[UUID, int]
    window_over_fen: int

    @property
    def refundable_fen(self) -> int:
        """What receipts have to give back: what they paid beyond the charges, less what is unpaid elsewhere."""
        return max(sum(line.paid_fen - line.charged_fen for line in self.lines), 0)


def lay_out(charged: Sequence[tuple[UUID, int]], paid: Mapping[UUID, int], window_fen: int) -> Layout:
    """Charges in the order of the lines; money that no receipt brought (`window_fen`) covers what receipts left unpaid, in order."""
    left_fen = max(window_fen, 0)
    lines: list[LineMoney] = []
    covered: dict[UUID, int] = {}
    for line_id, fen in charged:
        own_fen = paid.get(line_id, 0)
        covered[line_id] = min(max(fen - own_fen, 0), left_fen)
        left_fen -= covered[line_id]
        lines.append(LineMoney(line_id, fen - covered[line_id], own_fen))
    return Layout(tuple(lines), covered, left_fen)


def require_parts(parts: Sequence[Part]) -> None:
    """Refuses parts that are not plain amounts by a known way, with the paper that belongs to it."""
    if not 0 < len(parts) <= MOST_PARTS:
        raise Refused("billing.no_parts", f"一张收据须有 1 至 {MOST_PARTS} 笔收款", "请填写收款方式与金额", "amount")
    for part in parts:
        _require_part(part)
    cards = [part.card_id for part in parts if part.card_id is not None]
    orders = [part.gateway_order_id for part in parts if part.gateway_order_id is not None]
    if len(set(cards)) < len(cards) or len(set(orders)) < len(orders):
        raise Refused("billing.part_twice", "同一张卡或同一笔扫码支付不能重复填写", "请合并为一笔", "amount")


def _require_part(part: Part) -> None:
    name = ACCOUNT_NAMES[part.method]
    if part.method not in MONEY and part.method is not AccountKind.CARD:
        raise Refused("billing.method", f"“{name}”不是收款方式", "请重新选择收款方式", "method")
    if not 0 < part.amount_fen <= MOST_FEN:
        raise Refused("billing.amount", f"{name}金额必须大于零", "请核对金额", "amount")
    if len(part.reference) > 40:
        raise Refused("billing.reference_too_long", f"{name}的凭证号不能超过 40 字", "请核对凭证号", "reference")
    paper = NEEDS_REFERENCE.get(part.method)
    if paper and not part.reference.strip():
        raise Refused("billing.reference_missing", f"{name}收款必须填写{paper}", f"请按凭条填写{paper}", "reference")
    if part.tendered_fen is not None and part.method is not AccountKind.CASH:
        raise Refused("billing.tendered", "只有现金可填写实收", "请清空实收后重试", "tendered")
    if part.tendered_fen is not None and not part.amount_fen <= part.tendered_fen <= MOST_FEN:
        raise Refused("billing.tendered_too_little", f"实收现金少于 {yuan(part.amount_fen)} 元", "请核对实收现金", "tendered")
    if (part.method is AccountKind.CARD) != (part.card_id is not None):
        raise Refused("billing.card_missing", "体检卡收款必须刷卡", "请刷卡或输入卡号", "card")
    if (part.method in BY_GATEWAY) != (part.gateway_order_id is not None):
        raise Refused("billing.gateway_order_missing", f"{name}须由扫码支付完成后入账", "请使用扫码支付", "method")


def require_voidable(receipt: Receipt, is_voided: bool, refunded_fen: int, today: date) -> None:
    """Refuses to void what is no payment, was voided or given back in part, is of another day, or was paid through a gateway."""
    if receipt.kind is not ReceiptKind.PAYMENT:
        raise Refused("billing.not_voidable", "只有收款收据可以作废", "请选择收款收据")
    if is_voided:
        raise Refused("billing.voided_already", f"收据 {receipt.receipt_no} 已作废", "请刷新页面查看")
    if refunded_fen:
        raise Refused("billing.refunded_already", f"收据 {receipt.receipt_no} 已有退费,不能作废", "请按项目办理退费")
    if day_of(receipt.at) != today:
        raise Refused("billing.not_of_today", f"收据 {receipt.receipt_no} 不是今日开具,不能作废", "请办理退费(红冲),退费记入今日账")
    if any(part.gateway_order_id is not None for part in receipt.parts):
        raise Refused("billing.gateway_not_voidable", "含扫码支付的收据不能作废", "请办理退费,款项由支付平台原路退回")


def require_returns(receipt: Receipt, is_voided: bool, returned: Mapping[UUID, int], returns: Sequence[Return]) -> list[BookedPart]:
    """The parts that money goes back to, in the order asked. Refuses more than came in by a way less what went back by it."""
    if receipt.kind is not ReceiptKind.PAYMENT or is_voided:
        raise Refused("billing.not_refundable", f"收据 {receipt.receipt_no} 不是有效的收款收据", "请刷新页面查看")
    by_id = {part.id: part for part in receipt.parts}
    wanted = [by_id.get(each.part_id) for each in returns]
    found = [part for part in wanted if part is not None]
    if not returns or len(found) < len(returns) or len({part.id for part in found}) < len(found):
        raise Refused("billing.no_returns", "请选择要退的收款明细", "请刷新页面后重试", "amount")
    for part, each in zip(found, returns, strict=True):
        left_fen = part.amount_fen - returned.get(part.id, 0)
        if each.amount_fen <= 0 or len(each.reference) > 40:
            raise Refused("billing.amount", "退费金额必须大于零", "请核对金额", "amount")
        if each.amount_fen > left_fen:
            text = f"{ACCOUNT_NAMES[part.method]}可退 {yuan(left_fen)} 元,不能退 {yuan(each.amount_fen)} 元"
            raise Refused("billing.more_than_paid", text, "请核对退费金额", "amount")
    return found


def allot(lines: Sequence[LineMoney], amount_fen: int) -> list[LineAmount]:
    """By how much each line's paid amount changes when `amount_fen` comes in (or, below zero, goes out); they add up to it.

    What is paid of a line beyond its charge is freed; with what came in it goes to the unpaid lines in their order. Freed money
    that nothing needs stays where it is, in reverse order, until it is given back. Refuses what does not go up.
    """
    over = {line.line_id: max(line.paid_fen - line.charged_fen, 0) for line in lines}
    pool = amount_fen + sum(over.values())
    if pool < 0:
        raise Refused("billing.lines_not_free", "退费金额超过已退项目在本收据上的金额", "请先退项,或核对退费金额", "amount")
    wanted = {line.line_id: min(line.paid_fen, line.charged_fen) for line in lines}
    for line in lines:
        more = min(max(line.charged_fen - line.paid_fen, 0), pool)
        wanted[line.line_id] += more
        pool -= more
    for line in reversed(lines):
        kept = min(over[line.line_id], pool)
        wanted[line.line_id] += kept
        pool -= kept
    if pool:
        raise Refused("billing.too_much", "收款金额超过应收金额", "请核对应收金额后重新输入", "amount")
    changes = [LineAmount(line.line_id, wanted[line.line_id] - line.paid_fen) for line in lines]
    return [each for each in changes if each.amount_fen]


def unpay(lines: Sequence[LineMoney], amount_fen: int, before: Sequence[LineAmount]) -> list[LineAmount]:
    """As if a receipt had not been: its amount comes off the lines that it paid, the rest from what is paid of others, last first."""
    left = {line.line_id: line.paid_fen for line in lines}
    own = {each.line_id: each.amount_fen for each in before}
    changes: dict[UUID, int] = {}
    rest = amount_fen
    for line_id, most in [*own.items(), *((line.line_id, line.paid_fen) for line in reversed(lines))]:
        share = min(rest, most, left.get(line_id, 0))
        if share > 0:
            left[line_id] -= share
            rest -= share
            changes[line_id] = changes.get(line_id, 0) - share
    if rest:
        raise Refused("billing.voided_paid_less", "该收据的金额已用于退费,不能作废", "请按项目办理退费")
    return [LineAmount(line_id, change) for line_id, change in changes.items()]


def split_back(parts: Sequence[tuple[BookedPart, int]], amount_fen: int) -> list[Return]:
    """An amount over the parts that something is left of (`left` in fen), the last taken first; fewer ways is better than many.

    A part that holds the whole amount takes it alone, so that one way gives it back.
    """
    whole = next((part for part, left in reversed(parts) if left >= amount_fen), None)
    if whole is not None:
        return [Return(whole.id, amount_fen)]
    found, rest = [], amount_fen
    for part, left in reversed(parts):
        share = min(left, rest)
        if share:
            found.append(Return(part.id, share))
            rest -= share
    if rest:
        raise Refused("billing.more_than_paid", "退费金额超过该收据可退金额", "请核对退费金额", "amount")
    return found

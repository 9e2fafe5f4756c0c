"""What is due: pure sums over charges and payments, in fen."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from billing.facts import Balance, Payer
from exam.kit.errors import Refused

MOST_FEN = 100_000_000


def balance(
    visit_id: UUID, charges: Iterable[tuple[str, int, int]], payments: Iterable[tuple[bool, int]],
    refunds: Iterable[tuple[bool, int]] = (),
) -> Balance:
    """A visit's balance from `(payer, sign, amount)` of its charges and `(is undoing, amount)` of payments and refunds."""
    listed = list(charges)
    charged = sum(sign * amount for payer, sign, amount in listed if payer == Payer.PERSON)
    owed_by_organization = sum(sign * amount for payer, sign, amount in listed if payer == Payer.ORGANIZATION)
    paid = sum(-amount if is_undoing else amount for is_undoing, amount in payments)
    paid -= sum(-amount if is_undoing else amount for is_undoing, amount in refunds)
    return Balance(visit_id, charged, paid, charged - paid, owed_by_organization)


def require_payment(amount_fen: int, due_fen: int, receipt_no: str) -> None:
    """Refuses a payment that is not positive, exceeds what is due, or carries no receipt number."""
    if not receipt_no.strip() or len(receipt_no) > 40:
        raise Refused("billing.receipt_missing", "收据号不能为空且不超过 40 字", "请填写医院窗口的收据号", "receipt_no")
    if amount_fen <= 0 or amount_fen > MOST_FEN:
        raise Refused("billing.amount", "收款金额必须大于零", "请核对金额", "amount")
    if amount_fen > due_fen:
        raise Refused("billing.too_much", "收款金额超过应收金额", "请核对应收金额后重新输入", "amount")


def require_refund(amount_fen: int, owed_fen: int, receipt_no: str) -> None:
    """Refuses to record a refund of anything but the whole amount that is owed, or with too long a receipt number."""
    if len(receipt_no) > 40:
        raise Refused("billing.receipt_too_long", "退费单号不能超过 40 字", "请核对医院窗口的退费单号", "receipt_no")
    if owed_fen <= 0:
        raise Refused("billing.nothing_owed", "该体检单没有需要退还的费用", "请刷新页面查看最新金额")
    if amount_fen != owed_fen:
        raise Refused("billing.refund_changed", "应退金额已变化,未登记退费", "请刷新页面,按最新金额办理")


def require_undoable(amount_fen: int, paid_fen: int) -> None:
    """Refuses to take back a payment of which money was already given back."""
    if amount_fen > paid_fen:
        raise Refused("billing.already_refunded", "该收款已办理退费,不能撤销", "请先撤销退费登记,再撤销收款")

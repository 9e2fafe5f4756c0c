"""What is due: pure sums over charges and payments, in fen."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from billing.facts import Balance, Payer
from exam.kit.errors import Refused

MOST_FEN = 100_000_000


def balance(visit_id: UUID, charges: Iterable[tuple[str, int, int]], payments: Iterable[tuple[bool, int]]) -> Balance:
    """A visit's balance from `(payer, sign, amount)` of its charges and `(is undoing, amount)` of its payments."""
    listed = list(charges)
    charged = sum(sign * amount for payer, sign, amount in listed if payer == Payer.PERSON)
    owed_by_organization = sum(sign * amount for payer, sign, amount in listed if payer == Payer.ORGANIZATION)
    paid = sum(-amount if is_undoing else amount for is_undoing, amount in payments)
    return Balance(visit_id, charged, paid, charged - paid, owed_by_organization)


def require_payment(amount_fen: int, due_fen: int, receipt_no: str) -> None:
    """Refuses a payment that is not positive, exceeds what is due, or carries no receipt number."""
    if not receipt_no.strip() or len(receipt_no) > 40:
        raise Refused("billing.receipt_missing", "收据号不能为空且不超过 40 字", "请填写医院窗口的收据号", "receipt_no")
    if amount_fen <= 0 or amount_fen > MOST_FEN:
        raise Refused("billing.amount", "收款金额必须大于零", "请核对金额", "amount")
    if amount_fen > due_fen:
        raise Refused("billing.too_much", "收款金额超过应收金额", "请核对应收金额后重新输入", "amount")

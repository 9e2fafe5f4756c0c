"""What the desk may record of the hospital's window: pure, in fen."""

from __future__ import annotations

from billing.facts import Balance
from exam.kit.errors import Refused
from exam.kit.money import yuan

MOST_FEN = 100_000_000


def require_payment(amount_fen: int, due_fen: int, receipt_no: str) -> None:
    """Refuses a payment that is not positive, exceeds what is due, or carries no receipt number."""
    if not receipt_no.strip() or len(receipt_no) > 40:
        raise Refused("billing.receipt_missing", "收据号不能为空且不超过 40 字", "请填写医院窗口的收据号", "receipt_no")
    if amount_fen <= 0 or amount_fen > MOST_FEN:
        raise Refused("billing.amount", "收款金额必须大于零", "请核对金额", "amount")
    if amount_fen > due_fen:
        raise Refused("billing.too_much", "收款金额超过应收金额", "请核对应收金额后重新输入", "amount")


def require_refund(amount_fen: int, balance: Balance, kept_fen: int, receipt_no: str, *, may_differ: bool) -> None:
    """Refuses to record a refund of more than was paid at the window and not given back yet (`kept_fen`), or with a bad number.

    The window may have paid out before the order changed again, so an amount other than what is owed (`-balance.due_fen`)
    is recorded too where somebody said so (`may_differ`).
    """
    if len(receipt_no) > 40:
        raise Refused("billing.receipt_too_long", "退费单号不能超过 40 字", "请核对医院窗口的退费单号", "receipt_no")
    if amount_fen <= 0:
        raise Refused("billing.amount", "退费金额必须大于零", "请核对金额", "amount")
    if balance.paid_fen <= 0:
        raise Refused("billing.nothing_paid", "该体检单没有已缴未退的费用", "请刷新页面查看最新金额", "amount")
    if amount_fen > balance.paid_fen:
        text = f"退费金额超过已缴未退的 {yuan(balance.paid_fen)} 元"
        raise Refused("billing.more_than_paid", text, "请核对窗口实际退费金额", "amount")
    if amount_fen > kept_fen:
        text = f"退费金额超过窗口已收未退的 {yuan(kept_fen)} 元"
        raise Refused("billing.not_at_window", text, "收费处收据所收的费用,请收费员在收费页办理退费", "amount")
    if amount_fen != -balance.due_fen and not may_differ:
        owed = yuan(max(-balance.due_fen, 0))
        raise Refused(
            "billing.refund_differs",
            f"退费 {yuan(amount_fen)} 元与现应退 {owed} 元不符,未登记退费",
            "请刷新页面核对;如窗口确已退出该金额,请在体检单“实退金额不同”中登记(程序接口须带 Idempotency-Key)",
            "amount",
        )


def require_undoable(amount_fen: int, paid_fen: int) -> None:
    """Refuses to take back a payment of which money was already given back."""
    if amount_fen > paid_fen:
        raise Refused("billing.already_refunded", "该收款已办理退费,不能撤销", "请先撤销退费登记,再撤销收款")

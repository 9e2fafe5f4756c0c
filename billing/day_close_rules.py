"""What holds of a day close: the count of the cash, what a drawer should hold, who may undo what, and the clock. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from billing.gateway_facts import OrderState
from billing.invoice_facts import NumberUse
from exam.kit.errors import BadInput, Refused
from exam.kit.money import yuan

DENOMINATIONS = (10000, 5000, 2000, 1000, 500, 100, 50, 10, 1)
"""Notes and coins in circulation, in fen; the last one is for all small coins, counted in fen."""

MOST_PIECES = 100_000
AGE_OF_LISTING = timedelta(minutes=10)
"""A gateway that has not told for so long does not keep the cashier from going home: its payment is listed and booked when it comes."""


class Pending(msgspec.Struct, frozen=True):
    """A gateway's payment of this cashier that is not over when the drawer is closed."""

    order_no: str
    state: str
    amount_fen: int
    is_unbooked: bool
    changed_at: datetime


class MethodSum(msgspec.Struct, frozen=True):
    """What came in, went back and was voided by one way, in fen, and the net."""

    method: str
    in_fen: int
    back_fen: int
    void_fen: int
    net_fen: int
    count: int


class PurposeSum(msgspec.Struct, frozen=True):
    """The net of one purpose, in fen."""

    purpose: str
    net_fen: int
    count: int


class Documents(msgspec.Struct, frozen=True):
    """Receipts of a drawer: how many of each kind, the first and last number, and those that were voided."""

    payments: int = 0
    refunds: int = 0
    voids: int = 0
    first_no: str = ""
    last_no: str = ""
    void_nos: tuple[str, ...] = ()


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What a close says besides its cash, frozen with it."""

    methods: tuple[MethodSum, ...] = ()
    purposes: tuple[PurposeSum, ...] = ()
    receipts: Documents = Documents()
    invoices: NumberUse = NumberUse()
    pending: tuple[Pending, ...] = ()
    pieces: dict[str, int] = {}
    closes: tuple[str, ...] = ()
    """Of the centre's close: the numbers of the cashiers' closes it rests on."""


def counted_fen(pieces: Mapping[int, int]) -> int:
    """The value of the counted notes and coins. Refuses what is no denomination and counts that no drawer holds."""
    for denomination, count in pieces.items():
        if denomination not in DENOMINATIONS or not 0 <= count <= MOST_PIECES:
            raise BadInput([(f"pieces_{denomination}", f"{yuan(denomination)} 元的张数应为 0–{MOST_PIECES} 的整数")])
    return sum(denomination * count for denomination, count in pieces.items())


def expected_fen(opening_fen: int, received_fen: int, cash_net_fen: int) -> int:
    """What the drawer should hold: what it began with, change money received, and the net of its cash rows."""
    return opening_fen + received_fen + cash_net_fen


def require_count(expected: int, counted: int, received: int, handed: int, reason: str) -> None:
    """A difference wants its reason, and nobody hands in more than was counted."""
    problems = []
    if received < 0 or handed < 0:
        problems.append(("handed", "领用备用金与上缴金额不能为负"))
    if handed > counted:
        problems.append(("handed", f"上缴 {yuan(handed)} 元多于清点 {yuan(counted)} 元"))
    difference = counted - expected
    if difference and not reason.strip():
        word = "长款" if difference > 0 else "短款"
        problems.append(
            ("reason", f"现金{word} {yuan(abs(difference))} 元(应有 {yuan(expected)},清点 {yuan(counted)}),必须填写原因")
        )
    if len(reason) > 200:
        problems.append(("reason", "差异原因不超过 200 字"))
    if problems:
        raise BadInput(problems)


def require_clock(now: datetime, seen: Sequence[datetime]) -> None:
    """Refuses to close while the clock stands before something that was already booked or closed: it was set back."""
    last = max(seen, default=now)
    if now < last:
        raise Refused(
            "billing.clock_set_back",
            "服务器时间早于本班次最后一笔记录,不能日结",
            "请系统管理员核对服务器时间,恢复后再日结",
            "clock",
        )


def require_settled(pending: Sequence[Pending], now: datetime) -> tuple[Pending, ...]:
    """The payments through gateways that are listed on the close; refuses while there is one that the cashier can still settle (AT-32).

    Money that a gateway has and nobody booked, a code that a customer may still pay, and a question of the last minutes refuse.
    One that the gateway has not answered for longer is listed.
    """
    listed = []
    for each in pending:
        is_silent = each.state in (OrderState.UNKNOWN, OrderState.CLOSING) and now - each.changed_at >= AGE_OF_LISTING
        if each.is_unbooked or not is_silent:
            why = "已到账但未入账" if each.is_unbooked else "等待付款或正在核实"
            raise Refused(
                "billing.gateway_pending", f"扫码订单 {each.order_no}({yuan(each.amount_fen)} 元){why},不能日结",
                "请在收费页入账、取消该订单,或稍后再结", "pending",
            )  # fmt: skip
        listed.append(each)
    return tuple(listed)


def require_same(by_documents: Mapping[str, int], by_ledger: Mapping[str, int]) -> None:
    """What the receipts say by each way is what the ledger says, or nothing is closed."""
    for method in sorted(by_documents.keys() | by_ledger.keys()):
        if by_documents.get(method, 0) != by_ledger.get(method, 0):
            raise Refused(
                "billing.books_differ",
                f"收据与账目不符:收据 {yuan(by_documents.get(method, 0))} 元,账目 {yuan(by_ledger.get(method, 0))} 元",
                "请勿再操作,立即通知财务与系统管理员核对",
            )

"""The rules of payments through a gateway, pure: states, when to ask again, what a word of the gateway means, what a statement shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta

import msgspec

from billing.gateway_facts import ORDER_STATE_NAMES, REFUND_STATE_NAMES, OrderState, RefundState
from billing.ports import CallbackRefused, Method, Notice, StatementLine, Trade
from exam.kit.clock import CENTRE_ZONE, local
from exam.kit.errors import Refused
from exam.kit.states import StateTable

LEAST_FEN, MOST_FEN = 1, 100_000_000

TITLE = "服务费"
"""What the customer's bill shows: nothing that tells of an examination."""

LIFE = timedelta(minutes=5)
"""How long a customer may pay an order before it is closed."""

CHARGE_LIFE = timedelta(minutes=1)
"""A code on a customer's telephone holds for a minute; after that it is not handed over any more."""

GRACE = timedelta(minutes=1)
"""After its time an order that the gateway does not know can be paid no more, also by a scan at the last second."""

LEASE = timedelta(seconds=40)
"""Longer than any call to a gateway: a worker that died in one is taken for dead after this, and the gateway is asked."""

_QUESTIONS = (3, 3, 4, 5, 5, 10, 10, 20, 30, 60, 60, 60, 120, 120, 180)
_SLOWEST = timedelta(minutes=5)

ORDER = StateTable(
    "gateway_order",
    {
        ("created", "submit"): "unknown",
        ("created", "cancel"): "closed",
        ("created", "expire"): "closed",
        ("created", "pay"): "paid",
        ("created", "dispute"): "disputed",
        ("unknown", "take"): "asked",
        ("unknown", "ask_code"): "created",
        ("unknown", "not_taken"): "created",
        ("unknown", "decline"): "declined",
        ("unknown", "pay"): "paid",
        ("unknown", "cancel"): "closing",
        ("unknown", "expire"): "closing",
        ("unknown", "close"): "closed",
        ("unknown", "return_funds"): "closed",
        ("unknown", "dispute"): "disputed",
        ("asked", "pay"): "paid",
        ("asked", "cancel"): "closing",
        ("asked", "expire"): "closing",
        ("asked", "close"): "closed",
        ("asked", "return_funds"): "closed",
        ("asked", "dispute"): "disputed",
        ("closing", "cancel"): "closing",
        ("closing", "pay"): "paid",
        ("closing", "pay_late"): "late",
        ("closing", "close"): "closed",
        ("closing", "return_funds"): "closed",
        ("closing", "dispute"): "disputed",
        ("closed", "pay_late"): "late",
        ("closed", "dispute"): "disputed",
        ("declined", "pay_late"): "late",
        ("declined", "dispute"): "disputed",
    },
    {str(state): name for state, name in ORDER_STATE_NAMES.items()},
)

REFUND = StateTable(
    "gateway_refund",
    {
        ("requested", "submit"): "unknown",
        ("requested", "succeed"): "success",
        ("unknown", "not_taken"): "requested",
        ("unknown", "decline"): "failed",
        ("unknown", "process"): "processing",
        ("unknown", "succeed"): "success",
        ("unknown", "fail"): "failed",
        ("processing", "succeed"): "success",
        ("processing", "fail"): "failed",
        ("failed", "succeed"): "success",
    },
    {str(state): name for state, name in REFUND_STATE_NAMES.items()},
)

NOTES = frozenset({"open", "no_answer", "payment_notice", "refund_notice", "ask_again", "not_booked", "second_payment", "turn_back"})
"""Facts that are kept and move nothing."""

OPEN = (OrderState.CREATED, OrderState.UNKNOWN, OrderState.ASKED, OrderState.CLOSING)
LIVE = (OrderState.CREATED, OrderState.UNKNOWN, OrderState.ASKED)
SETTLED = (OrderState.PAID, OrderState.LATE, OrderState.DISPUTED)
"""States in which the gateway has the customer's money, or had it."""

REFUND_OPEN = (RefundState.REQUESTED, RefundState.UNKNOWN, RefundState.PROCESSING)

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def order_state_after(kinds: Iterable[str]) -> OrderState:
    """Where an order stands after these facts, in their order."""
    return OrderState(_after(ORDER, str(OrderState.CREATED), kinds))


def refund_state_after(kinds: Iterable[str]) -> RefundState:
    """Where a refund stands after these facts, in their order."""
    return RefundState(_after(REFUND, str(RefundState.REQUESTED), kinds))


def _after(table: StateTable, state: str, kinds: Iterable[str]) -> str:
    for kind in kinds:
        if kind not in NOTES:
            state = table.move(state, kind)
    return state


# --- numbers and amounts ---------------------------------------------------------------------------------------------


def prefix(site: str) -> str:
    """How every order number of a site begins: a merchant's statement may hold other systems' orders too."""
    return f"EX{site}"


def order_no(site: str, day: date, random: bytes) -> str:
    """An order's number: site, day and 60 random bits, within the 32 characters that every gateway takes.

    Random, because a counter that a restored backup sets back would ask for somebody else's payment.
    """
    number = int.from_bytes(random[:8], "big") >> 4
    tail = "".join(_ALPHABET[number >> shift & 31] for shift in range(55, -1, -5))
    return f"{prefix(site)}{day:%y%m%d}{tail}"


def may_be_order_no(text: str) -> bool:
    """Whether a text has the shape of our order numbers."""
    return re.fullmatch(f"EX[0-9A-Za-z]{{1,4}}[0-9]{{6}}[{_ALPHABET}]{{12}}", text) is not None


def is_ours(text: str, site: str) -> bool:
    """Whether an order number in a statement is one of this site's."""
    return text.startswith(prefix(site)) and may_be_order_no(text)


def require_readable(notice: Notice) -> None:
    """Refuses a callback whose number or amount nobody could store."""
    told = notice.trade or notice.refund
    if told is None or not re.fullmatch(r"[A-Za-z0-9_.:=-]{1,128}", notice.event_id) or not 0 <= told.amount_fen <= MOST_FEN:
        raise CallbackRefused("unreadable")
    if notice.refund_no and clean_code(notice.refund_no) != notice.refund_no:
        raise CallbackRefused("unreadable")


def require_amount(amount_fen: int) -> None:
    """Refuses to ask for nothing, or for more than any examination costs."""
    if not LEAST_FEN <= amount_fen <= MOST_FEN:
        raise Refused("billing.amount", "收款金额必须大于零", "请核对金额", "amount")


def require_auth_code(text: str) -> str:
    """The digits of a customer's payment code (WeChat 18, Alipay 16 to 24). Refuses anything else."""
    code = text.strip().replace(" ", "")
    if not re.fullmatch(r"[0-9]{16,24}", code):
        raise Refused("billing.auth_code", "付款码无效:应为 16–24 位数字", "请让顾客刷新付款码后重新扫描", "auth_code")
    return code


def require_returnable(state: OrderState, paid_fen: int, given_fen: int, amount_fen: int) -> None:
    """Refuses a refund of an order that was not paid, or of more than was paid less all refunds that did not fail (M4)."""
    if state not in SETTLED:
        shown = ORDER_STATE_NAMES[state]
        raise Refused("billing.not_paid_by_gateway", f"该笔订单“{shown}”,不能退款", "请刷新页面查看最新状态")
    if amount_fen <= 0:
        raise Refused("billing.amount", "退款金额必须大于零", "请核对金额", "amount")
    if amount_fen > paid_fen - given_fen:
        raise Refused("billing.more_than_paid", "退款金额超过该笔订单可退的金额", "请核对已退金额后重试", "amount")


def method_of_code(code: str) -> Method:
    """Whose code a customer's telephone shows, by its first digits (WeChat 10 to 15, Alipay 25 to 30). Refuses any other."""
    if len(code) == 18 and "10" <= code[:2] <= "15":
        return Method.WECHAT
    if "25" <= code[:2] <= "30":
        return Method.ALIPAY
    raise Refused("billing.auth_code", "付款码无效:不是微信或支付宝的付款码", "请顾客打开微信或支付宝的付款码后重新扫描", "auth_code")


def clean_code(text: str) -> str:
    """A gateway's code or number as it is kept: a short word without spaces and without any sentence of its own."""
    if not text:
        return ""
    return text if re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", text) else "other"


# --- when ------------------------------------------------------------------------------------------------------------


def next_question(now: datetime, asks: int) -> datetime:
    """When to ask next: every few seconds while a customer stands at the desk, every five minutes at the latest (F28)."""
    return now + (timedelta(seconds=_QUESTIONS[asks]) if asks < len(_QUESTIONS) else _SLOWEST)


def is_too_late_to_hand_over(now: datetime, opened_at: datetime, expires_at: datetime, is_charge: bool) -> bool:
    """Whether an order that did not go out yet must not go out any more."""
    return now >= expires_at or (is_charge and now >= opened_at + CHARGE_LIFE)


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """A day of the centre's calendar as moments, the end excluded."""
    begins = datetime.combine(day, time(), CENTRE_ZONE)
    return begins, begins + timedelta(days=1)


STATEMENT_FROM = time(10, 0)
"""Both gateways promise yesterday's statement by ten in the morning."""


def statement_days(now: datetime, first: date | None, have: Iterable[date], most: int = 7) -> list[date]:
    """The days whose statement should be there and was not compared yet, the oldest first; at most the last week's."""
    if first is None:
        return []
    there = local(now)
    last = there.date() - timedelta(days=1 if there.time() >= STATEMENT_FROM else 2)
    known = set(have)
    days = [last - timedelta(days=back) for back in range(most - 1, -1, -1)]
    return [day for day in days if day >= first and day not in known]


# --- what a word means -----------------------------------------------------------------------------------------------


def mismatch(trade: Trade, amount_fen: int) -> str:
    """Why a payment is not the one that was asked for (a key of REASONS); empty when it is."""
    if trade.currency != "CNY":
        return "currency"
    return "" if trade.amount_fen == amount_fen else "amount"


def what_payment_means(state: OrderState, why: str) -> str:
    """The action that money for an order in this state is: paid, or late because nobody waits for it any more.

    An order whose time ran out while the customer was paying is paid; one that the cashier cancelled is not wanted any more.
    """
    if state in (OrderState.CLOSED, OrderState.DECLINED) or (state == OrderState.CLOSING and why == "cancelled"):
        return "pay_late"
    return "pay"


# --- statements ------------------------------------------------------------------------------------------------------


class Booked(msgspec.Struct, frozen=True):
    """One movement in our books: an order's money or a refund (`refund_no`), and whether it happened on the statement's day."""

    order_no: str
    refund_no: str
    amount_fen: int
    is_of_day: bool


class Found(msgspec.Struct, frozen=True):
    """A difference between a statement and our books."""

    kind: str
    order_no: str
    refund_no: str
    trade_no: str
    ours_fen: int
    theirs_fen: int


def compare(lines: Sequence[StatementLine], booked: Mapping[tuple[str, str], Booked]) -> list[Found]:
    """What a day's statement and our books do not agree about.

    `booked` holds the day's movements of ours and every one that a line names, keyed by `(order_no, refund_no)`. Lines of the same key
    are added up: a payment that the gateway took twice is another amount than ours.
    """
    theirs: dict[tuple[str, str], int] = {}
    trade_nos: dict[tuple[str, str], str] = {}
    for line in lines:
        key = (line.order_no, line.refund_no)
        theirs[key] = theirs.get(key, 0) + line.amount_fen
        trade_nos.setdefault(key, line.trade_no)
    found: list[Found] = []
    for key, amount in theirs.items():
        ours = booked.get(key)
        if ours is None:
            found.append(Found("long", *key, trade_nos[key], 0, amount))
        elif ours.amount_fen != amount:
            found.append(Found("amount", *key, trade_nos[key], ours.amount_fen, amount))
    missing = [each for key, each in booked.items() if each.is_of_day and key not in theirs]
    found += [Found("short", each.order_no, each.refund_no, "", each.amount_fen, 0) for each in missing]
    return found

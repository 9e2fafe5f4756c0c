"""What billing needs from outside: somebody who takes money by a code on a telephone, and says honestly what is known of it.

Unknown is an answer too. Only what a gateway itself said, asked or by a checked callback, tells that money came or did not come.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

import msgspec

from exam.kit.module import Port


class Method(StrEnum):
    """A way to pay through a gateway."""

    WECHAT = "wechat"
    ALIPAY = "alipay"
    UNIONPAY = "unionpay"
    INSURANCE = "insurance"


class GatewayProblem(Exception):
    """A gateway that did not simply do what was asked. `reason` is a key of `gateway_facts.REASONS` or the gateway's own short code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotTaken(GatewayProblem):
    """The request definitely had no effect: it may be made again under the same number."""


class Declined(GatewayProblem):
    """The gateway answered that it will not do it, and never will as it is."""


class Unclear(GatewayProblem):
    """It may have had its effect: nobody knows until the gateway was asked or sent a callback."""


class CallbackRefused(GatewayProblem):
    """A callback that is not the gateway's own, not of this minute, or not for us."""


class PaymentWanted(msgspec.Struct, frozen=True):
    """A payment to ask for. `order_no` is ours and is taken once, however often it comes; `title` names nothing medical."""

    order_no: str
    amount_fen: int
    title: str
    expires_at: datetime


class RefundWanted(msgspec.Struct, frozen=True):
    """Money to give back to where it came from, under our own number of the refund."""

    order_no: str
    refund_no: str
    amount_fen: int
    paid_fen: int
    reason: str


class Trade(msgspec.Struct, frozen=True):
    """What a gateway says of an order.

    `none`: it knows no such order (yet: some gateways make it only when somebody scans). `unpaid`: it waits. `failed`: this attempt
    will not become a payment. `returned`: it was paid and the gateway gave all of it back.
    """

    state: Literal["none", "unpaid", "failed", "closed", "paid", "returned"]
    amount_fen: int = 0
    currency: str = "CNY"
    trade_no: str = ""
    at: datetime | None = None
    code: str = ""


class RefundWord(msgspec.Struct, frozen=True):
    """What a gateway says of a refund."""

    state: Literal["none", "processing", "success", "failed"]
    amount_fen: int = 0
    reference: str = ""
    at: datetime | None = None
    code: str = ""


class Notice(msgspec.Struct, frozen=True):
    """A callback whose signature, key, merchant, application and time were checked. `refund_no` is empty for a payment's.

    Of an order's amount it says `trade`, of a refund's `refund`; which is right is for billing to say.
    """

    method: Method
    event_id: str
    order_no: str
    trade: Trade | None = None
    refund_no: str = ""
    refund: RefundWord | None = None


class StatementLine(msgspec.Struct, frozen=True):
    """One line of a gateway's statement of a day: money that came (`refund_no` empty) or went back. `amount_fen` is positive."""

    order_no: str
    trade_no: str
    amount_fen: int
    refund_no: str = ""


class PaymentGateway(Protocol):
    """A gateway. Every call may raise NotTaken, Declined or Unclear; none is made while a transaction is open."""

    method: Method

    def problem(self, house: Any) -> str:
        """Why it cannot be used at all (a key of `gateway_facts.REASONS`); empty when it is set up."""
        ...

    def ask(self, house: Any, wanted: PaymentWanted) -> str:
        """Asks for a payment; returns what the customer's telephone scans."""
        ...

    def charge(self, house: Any, wanted: PaymentWanted, auth_code: str) -> Trade:
        """Charges the code that a customer's telephone shows."""
        ...

    def query(self, house: Any, order_no: str) -> Trade:
        """What became of an order."""
        ...

    def close(self, house: Any, order_no: str, *, was_charged: bool) -> None:
        """Lets an unpaid order be paid no more. Whether that worked only the next query tells."""
        ...

    def refund(self, house: Any, wanted: RefundWanted) -> RefundWord:
        """Gives money back to where it came from."""
        ...

    def query_refund(self, house: Any, order_no: str, refund_no: str) -> RefundWord:
        """What became of a refund."""
        ...

    def read_callback(self, house: Any, headers: Mapping[str, str], body: bytes, now: datetime) -> Notice | None:
        """Checks a callback and reads it; None for one that concerns neither a payment nor a refund. Raises CallbackRefused."""
        ...

    def statement(self, house: Any, day: date) -> tuple[StatementLine, ...]:
        """The gateway's statement of a day of the centre's calendar, once it exists (T+1). Raises NotTaken while it does not."""
        ...


PAYMENT_GATEWAYS: Port[Mapping[Method, PaymentGateway]] = Port("who takes money by a code; raises NotTaken, Declined or Unclear")


# --- electronic invoices ---------------------------------------------------------------------------------------------


class InvoiceItem(msgspec.Struct, frozen=True):
    """One line of an invoice: what was paid for, and how much of it, in fen."""

    name: str
    amount_fen: int


class InvoiceWanted(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice to ask for, frozen when it was put down. `request_no` is ours and is taken once, however often it comes.

    A red one (红冲) names the code and number of the invoice that it takes back; its amounts are positive all the same.
    """

    request_no: str
    is_red: bool
    title: str
    tax_no: str
    amount_fen: int
    items: tuple[InvoiceItem, ...]
    original_code: str = ""
    original_number: str = ""
    reason: str = ""


class InvoiceTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a platform says of a request. `none`: it knows no such request; `working`: it has it and is not done."""

    state: Literal["none", "working", "issued", "failed"]
    code: str = ""
    number: str = ""
    check_code: str = ""
    url: str = ""
    amount_fen: int = 0
    reason: str = ""


class InvoiceIssuer(Protocol):
    """A platform of electronic invoices (财政电子票据, 数电票). Every call may raise NotTaken, Declined or Unclear; none in a transaction."""

    def problem(self, house: Any) -> str:
        """Why it cannot be used at all (a key of `invoice_facts.REASONS`); empty when it is set up."""
        ...

    def issue(self, house: Any, wanted: InvoiceWanted) -> InvoiceTold:
        """Asks for an invoice. The same `request_no` again is the same invoice."""
        ...

    def query(self, house: Any, request_no: str) -> InvoiceTold:
        """What became of a request."""
        ...


INVOICE_ISSUERS: Port[Mapping[str, InvoiceIssuer]] = Port("who issues electronic invoices, by medium; raises NotTaken, Declined or Unclear")

"""What the cashier's screens send, as structs with Chinese field names. Nothing in them says what something costs."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec

from billing.cashier_facts import Way
from billing.facts import AccountKind
from exam.kit.errors import Refused
from exam.kit.forms import read_form
from exam.kit.money import fen_from_yuan

F = TypeVar("F", bound=msgspec.Struct)
Text = Annotated[str, msgspec.Meta(max_length=200)]

LABELS = {
    "key": "提交标识", "seen_due": "应收金额", "cash": "现金", "tendered": "实收现金", "pos": "银行卡金额", "pos_no": "POS 凭证号",
    "transfer": "转账金额", "transfer_no": "转账流水号", "window": "窗口金额", "window_no": "窗口收据号", "card": "体检卡金额",
    "card_no": "卡号", "card_pin": "卡密码", "reissues": "重开的收据", "lines": "项目", "seen_fen": "退费金额", "reason": "原因",
    "other": "其他原因", "line": "项目", "amount": "金额", "factor": "折扣系数", "total": "折后金额", "scheme": "预约打折方案", "code": "条码",
    "paper": "纸张", "is_approved": "审批结论", "role": "岗位", "least_factor": "最低系数", "valid_from": "生效日期", "valid_until": "截止日期",
    "source": "依据", "name": "方案名称", "stackable": "可叠加", "method": "支付方式", "auth_code": "付款码",
}  # fmt: skip


def read(data: dict[str, Any], struct: type[F]) -> F:
    """The form as a struct, with every wrong field named; an unknown field is refused."""
    return read_form(data, struct, LABELS)


class ScanForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was scanned or typed: a visit's number or a tube's barcode."""

    code: Text


class TakeForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Amounts in yuan by each way; an empty one is not used. `seen_due` is what the screen showed, in fen: it is only compared."""

    key: Text
    seen_due: int
    cash: Text = ""
    tendered: Text = ""
    pos: Text = ""
    pos_no: Text = ""
    transfer: Text = ""
    transfer_no: Text = ""
    window: Text = ""
    window_no: Text = ""
    card: Text = ""
    card_no: Text = ""
    card_pin: Text = ""
    reissues: UUID | None = None

    def ways(self) -> list[Way]:
        """The ways with an amount, cash first. Refuses amounts that are none, and a form without any."""
        found = []
        if self.cash:
            tendered = fen_from_yuan(self.tendered, "tendered") if self.tendered else None
            found.append(Way(method=AccountKind.CASH, amount_fen=fen_from_yuan(self.cash, "cash"), tendered_fen=tendered))
        for method, name, amount, reference in (
            (AccountKind.BANK_CARD, "pos", self.pos, self.pos_no),
            (AccountKind.TRANSFER, "transfer", self.transfer, self.transfer_no),
            (AccountKind.WINDOW, "window", self.window, self.window_no),
        ):
            if amount:
                found.append(Way(method=method, amount_fen=fen_from_yuan(amount, name), reference=reference))
        if self.card:
            fen = fen_from_yuan(self.card, "card")
            found.append(Way(method=AccountKind.CARD, amount_fen=fen, card_no=self.card_no, card_pin=self.card_pin))
        if not found:
            raise Refused("billing.no_parts", "没有填写收款金额", "请填写现金或其他方式的金额", "cash")
        return found


class RefundPlanForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lines that are to be taken off and given back; the rest of the form is not asked yet."""

    lines: tuple[UUID, ...] = ()
    key: Text = ""
    seen_fen: Text = ""
    reason: Text = ""
    other: Text = ""


class RefundForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As planned: `seen_fen` is what the plan showed, only compared."""

    key: Text
    seen_fen: int
    lines: tuple[UUID, ...] = ()
    reason: Text = ""
    other: Text = ""

    @property
    def text(self) -> str:
        """The reason that counts."""
        return self.other.strip() or self.reason


class WaiverForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is to be given back, in yuan, of a line of which something was done."""

    line: UUID
    amount: Text
    reason: Text = ""


class ReasonForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why something is taken back; a chosen reason or one typed beside it."""

    reason: Text = ""
    other: Text = ""

    @property
    def text(self) -> str:
        """The reason that counts."""
        return self.other.strip() or self.reason


class DiscountForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A discount by hand: on one line or (empty) on the whole, as a factor or as what it shall cost in yuan."""

    line: UUID | None = None
    factor: Text = ""
    total: Text = ""
    reason: Text = ""


class SchemeForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The booking scheme a visit gets; empty for none."""

    scheme: Text = ""


class PrintForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a receipt is printed on."""

    paper: Text = "roll"


class DecisionForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Yes or no, and why not."""

    is_approved: Text
    reason: Text = ""


class LimitForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role's new limit."""

    role: Text
    least_factor: Text
    valid_from: date
    source: Text = ""


class NewSchemeForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A booking scheme or a new version of one."""

    code: Text
    name: Text
    factor: Text
    valid_from: date
    valid_until: date | None = None
    stackable: Text = ""
    source: Text = ""

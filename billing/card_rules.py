"""What may be done with an exam card: its states, limits, numbers and what a cancellation gives back; pure, in fen."""

from __future__ import annotations

import calendar
import itertools
import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from billing.card_facts import (
    ACT_NAMES,
    CATEGORIES,
    MOST_AT_ONCE,
    STATE_NAMES,
    CardAct,
    CardLimits,
    CardState,
    CardTypeDraft,
    RefundRule,
)
from exam.kit.errors import BadInput, Refused
from exam.kit.ids import check_digit, is_valid_number
from exam.kit.money import times, yuan
from exam.kit.states import StateTable

S, A = CardState, CardAct

CARD_STATES = StateTable(
    "billing.card",
    {
        (S.MADE, A.STOCK): S.IN_STOCK,
        (S.MADE, A.SCRAP): S.SCRAPPED,
        (S.IN_STOCK, A.SCRAP): S.SCRAPPED,
        (S.IN_STOCK, A.SELL): S.SOLD,
        (S.IN_STOCK, A.TAKE_OVER): S.ACTIVE,
        (S.SOLD, A.ACTIVATE): S.ACTIVE,
        (S.SOLD, A.UNDO_SALE): S.IN_STOCK,
        (S.SOLD, A.EXPIRE): S.EXPIRED,
        (S.SOLD, A.CANCEL): S.CANCELLED,
        (S.ACTIVE, A.UNDO_SALE): S.IN_STOCK,
        (S.ACTIVE, A.TOP_UP): S.ACTIVE,
        (S.ACTIVE, A.UNDO_TOP_UP): S.ACTIVE,
        (S.ACTIVE, A.SET_PIN): S.ACTIVE,
        (S.ACTIVE, A.REPORT_LOSS): S.LOST,
        (S.ACTIVE, A.REPLACE): S.REPLACED,
        (S.ACTIVE, A.FREEZE): S.FROZEN,
        (S.ACTIVE, A.EXPIRE): S.EXPIRED,
        (S.ACTIVE, A.CANCEL): S.CANCELLED,
        (S.LOST, A.FIND): S.ACTIVE,
        (S.LOST, A.REPLACE): S.REPLACED,
        (S.LOST, A.CANCEL): S.CANCELLED,
        (S.FROZEN, A.UNFREEZE): S.ACTIVE,
        (S.EXPIRED, A.EXTEND): S.ACTIVE,
    },
    {str(state): name for state, name in STATE_NAMES.items()},
)

NAMED_ONLY = frozenset({A.REPORT_LOSS, A.FIND})
"""Whoever holds an unnamed card owns it: nobody can report it lost."""

HOLDING = frozenset({S.SOLD, S.ACTIVE, S.LOST, S.FROZEN})
"""States in which a card may hold money."""

CARD_NO_LENGTH = 14
LAST_SEQUENCE = 10**11 - 1
_PIN = re.compile("[0-9]{6}")
_NAME_MOST = 30
_MONTHS_MOST = 600


def state_after(state: str, act: CardAct, *, is_named: bool) -> CardState:
    """The state after an act. Refuses one that is not possible now, or that an unnamed card does not know."""
    if act in NAMED_ONLY and not is_named:
        raise Refused("billing.card_unnamed", f"不记名卡不能{ACT_NAMES[act]}", "不记名卡视同现金,遗失不补;请改办记名卡")
    return CardState(CARD_STATES.move(str(state), act, ACT_NAMES[act]))


def state_of(acts: Sequence[str]) -> CardState | None:
    """The state that a card's acts lead to, in their order; None for no acts. Refuses acts that do not follow each other."""
    state: CardState | None = None
    for act in acts:
        is_first = act == A.MAKE and state is None
        state = S.MADE if is_first else CardState(CARD_STATES.move(str(state), act))
    return state


# --- numbers and PINs ------------------------------------------------------------------------------------------------


def card_no(site: str, sequence: int) -> str:
    """A card's number of 14 digits: site 2, sequence 11, check 1 (Damm)."""
    if not 1 <= sequence <= LAST_SEQUENCE:
        raise Refused("billing.card_series_full", "卡号流水已用完", "请联系系统管理员")
    body = f"{site}{sequence:011d}"
    return body + check_digit(body)


def sequence_of(number: str) -> int:
    """The running number inside a card's number."""
    return int(number[2:-1])


def read_card_no(text: str, field: str = "card_no") -> str:
    """The number of a scanned or typed card; takes spaces, full-width digits and what scanners add."""
    number = "".join(unicodedata.normalize("NFKC", text).split()).replace("-", "")
    if not number:
        raise Refused("billing.card_no_empty", "卡号不能为空", "请扫描或输入卡号", field)
    if len(number) != CARD_NO_LENGTH or not number.isascii() or not number.isdigit():
        raise Refused("billing.card_no", f"卡号应为 {CARD_NO_LENGTH} 位数字", "请重新扫描或输入完整卡号", field)
    if not is_valid_number(number):
        raise Refused("billing.card_no_check", "卡号校验位不正确", "号码中有数字输错,请重新扫描或核对", field)
    return number


def range_of(first: str, count: int) -> list[str]:
    """The numbers of so many cards that follow each other."""
    require_count(count)
    return [card_no(first[:2], sequence_of(first) + step) for step in range(count)]


def require_count(count: int) -> None:
    """Refuses none and too many at once."""
    if not 1 <= count <= MOST_AT_ONCE:
        raise Refused("billing.card_count", f"张数应为 1 至 {MOST_AT_ONCE}", "请修改张数,数量较多时分次办理", "count")


def require_pin(pin: str, *, needs_pin: bool) -> None:
    """Refuses a PIN that is not six digits or that everybody tries first, and a missing one where the type wants one."""
    if not pin:
        if needs_pin:
            raise Refused("billing.pin_missing", "该类卡必须设置密码", "请由持卡人输入 6 位数字密码", "pin")
        return
    if not _PIN.fullmatch(pin):
        raise Refused("billing.pin_form", "密码应为 6 位数字", "请由持卡人重新输入", "pin")
    steps = {(int(b) - int(a)) % 10 for a, b in itertools.pairwise(pin)}
    if steps in ({0}, {1}, {9}):
        raise Refused("billing.pin_weak", "密码过于简单(相同或连续数字)", "请换一个密码", "pin")


# --- types and limits ------------------------------------------------------------------------------------------------


def require_type(new: CardTypeDraft, limits: CardLimits) -> None:
    """Names everything that is wrong with a card type at once, the limits of the law among it."""
    problems: list[tuple[str, str]] = []
    if not new.name or len(new.name) > _NAME_MOST:
        problems.append(("name", f"名称:不能为空,且不超过 {_NAME_MOST} 字"))
    if new.category not in CATEGORIES:
        problems.append(("category", "类别:请选择列表中的类别"))
    most = limits.most_fen(new.is_named)
    kind = "记名卡" if new.is_named else "不记名卡"
    if not 0 < new.face_fen <= most:
        problems.append(("face", f"面值:{kind}应大于零且不超过 {yuan(most)} 元"))
    if not 0 <= new.price_fen <= max(new.face_fen, 0):
        problems.append(("price", "售价:不能小于零,也不能高于面值"))
    if new.is_named and new.valid_months is not None:
        problems.append(("valid_months", "有效期:记名卡不得设有效期,请留空"))
    if not new.is_named and new.valid_months is not None and not limits.unnamed_least_months <= new.valid_months <= _MONTHS_MOST:
        problems.append(("valid_months", f"有效期:不记名卡不得少于 {limits.unnamed_least_months} 个月,最多 {_MONTHS_MOST} 个月"))
    if problems:
        raise BadInput(problems, code="billing.card_type")


def require_same_kind(before: CardTypeDraft, after: CardTypeDraft) -> None:
    """Refuses to change what is printed on cards of a type that were already made."""
    if (before.is_named, before.face_fen) != (after.is_named, after.face_fen):
        raise Refused("billing.card_type_fixed", "记名方式和面值印在卡上,不能修改", "请停用该类型,另建一个新类型", "face")


def require_limits(limits: CardLimits) -> None:
    """Names everything that is wrong with a version of the limits at once."""
    problems: list[tuple[str, str]] = []
    for field, label, fen in (("named", "记名卡限额", limits.named_most_fen), ("unnamed", "不记名卡限额", limits.unnamed_most_fen)):
        if not 0 < fen <= 100_000_000:
            problems.append((field, f"{label}:应大于零且不超过 1000000.00 元"))
    if not 0 < limits.unnamed_least_months <= _MONTHS_MOST:
        problems.append(("months", f"不记名卡最短有效期:应为 1 至 {_MONTHS_MOST} 个月"))
    for field, label, text in (("source", "来源", limits.source), ("reason", "修改原因", limits.reason)):
        if not text or len(text) > 200:
            problems.append((field, f"{label}:不能为空,且不超过 200 字"))
    if problems:
        raise BadInput(problems, code="billing.card_limits")


def require_room(amount_fen: int, balance_fen: int, is_named: bool, limits: CardLimits) -> None:
    """Refuses to load what a card may not hold."""
    if amount_fen <= 0:
        raise Refused("billing.amount", "金额必须大于零", "请核对金额", "amount")
    most = limits.most_fen(is_named)
    if balance_fen + amount_fen > most:
        kind = "记名卡" if is_named else "不记名卡"
        raise Refused(
            "billing.card_limit", f"{kind}余额不得超过 {yuan(most)} 元,现有 {yuan(balance_fen)} 元",
            f"最多还可存入 {yuan(max(most - balance_fen, 0))} 元", "amount",
        )  # fmt: skip


def expiry(sold_on: date, months: int | None) -> date | None:
    """The last day on which a card pays: the same day so many months on, or the month's last."""
    if months is None:
        return None
    year, month = divmod(sold_on.month - 1 + months, 12)
    year, month = sold_on.year + year, month + 1
    return date(year, month, min(sold_on.day, calendar.monthrange(year, month)[1]))


def given_back(balance_fen: int, loaded_fen: int, paid_fen: int, rule: RefundRule) -> int:
    """What a cancellation gives back of a balance, of a card that was loaded with so much and paid with so much.

    Never more than was paid. Refuses where a balance is left that the type does not give back.
    """
    if rule == RefundRule.NONE and balance_fen:
        raise Refused(
            "billing.card_no_refund", f"该类卡余额不退,卡内尚有 {yuan(balance_fen)} 元", "请使用完余额后再销卡,或由主管冻结处理"
        )
    if rule == RefundRule.FULL or not loaded_fen:
        return min(balance_fen, paid_fen)
    return min(times(balance_fen, Decimal(paid_fen) / Decimal(loaded_fen)), balance_fen, paid_fen)


def require_reason(reason: str, action: str) -> str:
    """The reason, trimmed. Refuses none and a long one."""
    plain = reason.strip()
    if not plain or len(plain) > 200:
        raise Refused("billing.reason_missing", f"{action}必须填写原因(不超过 200 字)", "请填写原因", "reason")
    return plain

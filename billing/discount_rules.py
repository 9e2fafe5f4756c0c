"""How far a discount goes and who may give it: pure (domain.md §8.2 steps 3 to 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from billing.facts import Discount, DiscountKind
from exam.kit.errors import Refused
from exam.kit.money import times, yuan

_FACTOR = re.compile(r"(?:0(?:\.[0-9]{1,4})?|1(?:\.0{1,4})?)")


class Limit(msgspec.Struct, frozen=True):
    """Down to which factor a role may discount from a day on, and where that is written."""

    role: str
    least_factor: str
    valid_from: date
    source: str


class Scheme(msgspec.Struct, frozen=True):
    """A booking scheme as it holds: exam days from and until, None for no end."""

    id: UUID
    code: str
    name: str
    factor: str
    stackable: bool
    valid_from: date
    valid_until: date | None
    source: str

    def holds_on(self, day: date) -> bool:
        """Whether an exam on this day is offered it."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


class Outcome(msgspec.Struct, frozen=True):
    """What the person's lines cost without manual discounts, with those on single lines, and with all of them, in fen."""

    base: Mapping[UUID, int]
    by_line: Mapping[UUID, int]
    whole: Mapping[UUID, int]

    @property
    def before_fen(self) -> int:
        """The person's part before anything was given by hand."""
        return sum(self.base.values())

    @property
    def after_fen(self) -> int:
        """The person's part with everything that was given by hand."""
        return sum(self.whole.values())

    @property
    def is_free(self) -> bool:
        """Whether something that costs money would cost none: that always needs two people (step 5)."""
        return any(self.base[line_id] and not price for line_id, price in self.whole.items())

    def is_within(self, least: Decimal) -> bool:
        """Whether neither a line by its own discounts nor the whole falls below `least` of what it cost before."""
        lines = all(price >= times(self.base[line_id], least) for line_id, price in self.by_line.items())
        return lines and self.after_fen >= times(self.before_fen, least)


def read_factor(text: str, field: str = "factor") -> str:
    """A factor between 0 and 1 with at most four decimals, as plain digits; refuses anything else."""
    plain = text.strip()
    if not _FACTOR.fullmatch(plain):
        raise Refused("billing.factor", f"折扣系数“{plain[:12]}”无效", "请输入 0 至 1 之间的小数,最多四位,例如 0.95", field)
    return plain


def require_measure(factor: str | None, total_fen: int | None, now_fen: int) -> None:
    """Refuses a discount with no measure or two, or one that would not lower the price."""
    if (factor is None) == (total_fen is None):
        raise Refused("billing.one_measure", "请填写折扣系数或折后金额其中一项", "清空另一项后重试", "factor")
    if total_fen is not None and not 0 <= total_fen < now_fen:
        text = f"折后金额须低于现价 {yuan(now_fen)} 元且不小于零"
        raise Refused("billing.not_lower", text, "请核对折后金额", "total")
    if factor is not None and Decimal(factor) >= 1:
        raise Refused("billing.not_lower", "折扣系数须小于 1", "请输入例如 0.95", "factor")


def newest_limits(limits: Sequence[Limit], on: date) -> dict[str, Limit]:
    """The limit of each role that holds on a day; `limits` come in the order in which they were written."""
    found: dict[str, Limit] = {}
    for limit in limits:
        if limit.valid_from <= on and (limit.role not in found or limit.valid_from >= found[limit.role].valid_from):
            found[limit.role] = limit
    return found


def without_manual(discounts: Sequence[Discount]) -> list[Discount]:
    """Those that nobody gave by hand at the counter."""
    return [each for each in discounts if each.kind is DiscountKind.BOOKING]


def of_single_lines(discounts: Sequence[Discount]) -> list[Discount]:
    """Those without manual discounts on the whole."""
    return [
        each
        for each in discounts
        if each.kind is DiscountKind.BOOKING or (each.kind is DiscountKind.MANUAL and each.line_id is not None)
    ]


def require_name(name: str, label: str, most: int = 40) -> str:
    """A name without blanks around it; refuses an empty or a long one."""
    plain = name.strip()
    if not plain or len(plain) > most:
        raise Refused("billing.name", f"{label}不能为空且不超过 {most} 字", f"请填写{label}", "name")
    return plain

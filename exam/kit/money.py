"""Money: integer fen, one rounding, and splits that never lose a fen (domain.md §8.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from exam.kit.errors import Refused


def times(fen: int, factor: Decimal) -> int:
    """`fen × factor`, rounded half up to a whole fen: the only place where money is rounded."""
    return int((Decimal(fen) * factor).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def allocate(amounts: Sequence[tuple[str, int]], total: int) -> dict[str, int]:
    """Splits `total` fen over lines in proportion to their standard amounts, and the parts add up to `total`.

    Lines are taken by ascending standard amount, ties by key; each gets its rounded share and the largest takes the
    remainder; a line of price zero never receives any (domain.md §8.3, vectors there).
    """
    ordered = sorted(((amount, key) for key, amount in amounts if amount > 0))
    standard = sum(amount for amount, _ in ordered)
    parts = {key: 0 for key, _ in amounts}
    if not ordered:
        if total:
            raise Refused("money.nothing_to_split", "没有可分摊的收费项目", "请先添加收费项目")
        return parts
    factor = Decimal(total) / Decimal(standard)
    left = total
    for amount, key in ordered[:-1]:
        parts[key] = min(times(amount, factor), left)
        left -= parts[key]
    parts[ordered[-1][1]] = left
    return parts


def yuan(fen: int) -> str:
    """Fen as yuan text with two decimals, for screens and paper."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def fen_from_yuan(text: str, field: str = "amount") -> int:
    """Yuan as a person types them, to fen. Refuses more than two decimals, and anything that is not a plain amount."""
    plain = text.strip()
    if not _PLAIN_AMOUNT.fullmatch(plain):
        raise Refused("money.not_an_amount", f"金额“{text[:20]}”无效", "请输入元,最多两位小数,例如 128.50", field)
    return int(Decimal(plain.replace(",", "")) * 100)


_PLAIN_AMOUNT = re.compile(r"-?(?:[0-9]{1,10}|[0-9]{1,3}(?:,[0-9]{3}){1,2})(?:\.[0-9]{1,2})?")
"""ASCII digits with thousands in threes or none at all: `1e3`, `1,2,3` and `１０` are slips of a hand, not amounts."""

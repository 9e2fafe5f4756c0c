"""Read what somebody or some device wrote as a value: comparator and number, or openly no number."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from exam.knowledge.facts import Amount

LONGEST_TEXT = 20
"""A longer text is never a measured value; it is kept as written and not read."""

# Full-width forms as Chinese input methods and old analysers write them, and the look-alike signs of word processors.
_PLAIN = str.maketrans(
    {
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
        "\ufe64": "<",
        "\ufe65": ">",
        "\u2212": "-",
        "\u2013": "-",
        "\u2264": "<=",
        "\u2266": "<=",
        "\u2a7d": "<=",
        "\u2265": ">=",
        "\u2267": ">=",
        "\u2a7e": ">=",
        "\u3000": " ",
        "\u00a0": " ",
        "\t": " ",
    }
)

# At most nine digits before and six after the point: no measured value of an exam needs more, a barcode scanned
# into the wrong field does.
_AMOUNT = re.compile(r"(<=|>=|<|>)? *([+-]?[0-9]{1,9}(?:\.[0-9]{1,6})?)", re.ASCII)


def plain_text(text: str) -> str:
    """The text with full-width digits, signs and spaces made plain and the ends stripped."""
    return text.translate(_PLAIN).strip()


@lru_cache(maxsize=8192)
def read_amount(text: str) -> Amount:
    """Read `5.2`, `<0.5`, `≥200` in half or full width; anything else keeps its text with `number` None.

    Grades such as `1+`, `±` and `-` are not numbers (domain.md §2.2); thousands commas and exponents are refused
    because they are misread too easily (`1,234` is 1.234 for half the world).
    """
    if len(text) > LONGEST_TEXT:
        return Amount(raw=text)
    found = _AMOUNT.fullmatch(plain_text(text))
    if found is None:
        return Amount(raw=text)
    return Amount(raw=text, comparator=found.group(1) or "", number=Decimal(found.group(2)))


def decimals_of(number: Decimal) -> int:
    """How many digits are written after the point."""
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0

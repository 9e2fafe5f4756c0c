"""What a written finding states: a phrase that stands in a clause which does not deny it."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CLAUSE = re.compile(r"[,,。;;!!??\s]|但|而(?=[^且])")
"""Where a denial ends. White space is one of these: a critical finding is rather told once too often than not at all."""

_DENIED = ("未见", "未发现", "未触及", "未闻及", "未探及", "未提示", "未引出", "无", "没有", "否认", "排除", "除外", "不伴", "不考虑", "阴性")
_NOT_A_DENIAL = re.compile(
    "无痛|无症状|无名|无创|无功能|(?:不|未|不能|未能|不可|不足以|尚不能|难以|难|无法)(?:完全|绝对|彻底|明确)?(?:排除|除外)"
)
"""Words that look like a denial; what a doctor cannot rule out is stated."""


def states(text: str, phrases: Iterable[str]) -> bool:
    """Whether a text states one of the phrases; `未见气胸、胸腔积液` states neither, `右侧气胸,未见积液` the first."""
    found = tuple(phrase for phrase in phrases if phrase in text)
    return bool(found) and any(_clause_states(clause, found) for clause in _CLAUSE.split(text))


def _clause_states(clause: str, phrases: tuple[str, ...]) -> bool:
    for phrase in phrases:
        start = clause.find(phrase)
        while start >= 0:
            if not _is_denied(clause[:start], clause[start + len(phrase) :]):
                return True
            start = clause.find(phrase, start + 1)
    return False


def _is_denied(before: str, after: str) -> bool:
    """A denial goes on over a list: in `未见A、B及C` all three are denied."""
    before, after = _NOT_A_DENIAL.sub("", before), _NOT_A_DENIAL.sub("", after)
    return any(word in before for word in _DENIED) or after.startswith(("阴性", "(-)", "(-)", "已排除"))

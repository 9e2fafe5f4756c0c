"""What written findings and conclusions say: clauses, words with gaps, and which clauses speak of something else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from exam.knowledge.rules.statements import states

_CLAUSE = re.compile(r"[,,。;;!!??\s]|但")
_RELATIVES = ("父", "母", "兄", "弟", "姐", "妹", "祖", "配偶", "丈夫", "妻", "爱人", "儿子", "女儿", "家族")
_PAST = ("史", "既往", "曾", "术后", "切除", "摘除", "剔除", "根除", "治愈", "本次未见", "消失", "行")
_SUPPOSED = ("待排", "待查", "预防", "排除", "除外", "筛查")

_GAP = "[^、]{0,12}"
"""What `*` stands for: a few characters of one entry of a list."""


class Words:
    """Words to look for, ready to be asked. `*` stands for a short gap, `^` before the rest for what must not follow."""

    __slots__ = ("_firsts", "_words")

    def __init__(self, words: Iterable[str]) -> None:
        self._words = tuple((re.compile(_pattern(word)), _parts(word)[-1]) for word in words)
        self._firsts = tuple(dict.fromkeys(max(_parts(word), key=len) for word in words))

    def may_be_in(self, text: str) -> bool:
        """A quick look: False is certain."""
        return any(first in text for first in self._firsts)

    def stated_in(self, clause: str) -> bool:
        """Whether a clause states one of the words; a denied one is not stated."""
        return any(pattern.search(clause) and states(clause, (last,)) for pattern, last in self._words)

    def named_in(self, clause: str) -> bool:
        """Whether a clause names one of the words, be it denied or not."""
        return any(pattern.search(clause) for pattern, _ in self._words)


def _parts(word: str) -> tuple[str, ...]:
    return tuple(word.partition("^")[0].split("*"))


def _pattern(word: str) -> str:
    told, _, not_followed_by = word.partition("^")
    pattern = _GAP.join(re.escape(part) for part in told.split("*"))
    return f"{pattern}(?!{re.escape(not_followed_by)})" if not_followed_by else pattern


def clauses(text: str) -> Iterator[str]:
    """The parts of a text that are read by themselves; a denial or a relative does not reach beyond one."""
    return (clause for clause in _CLAUSE.split(text) if clause)


def is_of_relative(clause: str) -> bool:
    """Whether a clause speaks of somebody else in the family."""
    return any(word in clause for word in _RELATIVES)


def is_past(clause: str) -> bool:
    """Whether a clause tells of the past or of an operation, not of today's finding."""
    return any(word in clause for word in _PAST)


def is_supposed(clause: str) -> bool:
    """Whether a clause only supposes, plans or excludes."""
    return any(word in clause for word in _SUPPOSED)


def is_answered_no(clause: str) -> bool:
    """Whether a clause answers its own question with no: `手术史:无`."""
    return clause.endswith(("无", "否"))

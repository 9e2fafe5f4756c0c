"""Pinyin of any text: the syllables of its characters, and initials for searching words by keyboard."""

from __future__ import annotations

import re
from functools import lru_cache

# Readings of a character beyond the fourth are curiosities.
_READINGS_EACH = 4

_HAN = re.compile("[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_LATIN = re.compile("[a-z0-9]")


@lru_cache(maxsize=10_000)
def initials(text: str) -> str:
    """The initials of any text in its usual reading, for searching words of a catalogue: 血常规 gives `xcg`.

    Letters and digits stay, everything else goes.
    """
    return "".join(each[0][0] if is_han else each[0] for is_han, each in syllables(text))


def syllables(text: str) -> list[tuple[bool, tuple[str, ...]]]:
    """For every Han character its readings, the one of its context first; for every run of letters or digits the run."""
    found: list[tuple[bool, tuple[str, ...]]] = []
    for run in re.findall(f"(?:{_HAN.pattern})+|[A-Za-z0-9]+", text):
        if not _HAN.match(run):
            found.append((False, (run.lower(),)))
            continue
        usual = _readings_of(run)
        if len(usual) != len(run):
            # Characters unknown to the dictionary come back in one piece: read each by itself.
            usual = [[_all_of(character)[0]] for character in run]
        for character, in_context in zip(run, usual, strict=True):
            found.append((True, merge((in_context[0],), _all_of(character))))
    return [(is_han, tuple(_typed(each))) for is_han, each in found]


def merge(first: tuple[str, ...], rest: tuple[str, ...]) -> tuple[str, ...]:
    """Two lists of readings as one, the first ones first, without repetition."""
    return tuple(dict.fromkeys([*first, *rest]))[:_READINGS_EACH]


def _readings_of(text: str, *, every: bool = False) -> list[list[str]]:
    # The dictionary takes 0.15 s to load: at the first name, not at the server's start.
    from pypinyin import Style, pinyin

    found: list[list[str]] = pinyin(text, style=Style.NORMAL, heteronym=every)
    return found


@lru_cache(maxsize=10_000)
def _all_of(character: str) -> tuple[str, ...]:
    return tuple(_readings_of(character, every=True)[0])


def _typed(spellings: tuple[str, ...]) -> list[str]:
    """Spellings as keyboards have them: 吕 is typed `lv`, and stands as `lyu` in passports."""
    plain: list[str] = []
    for spelling in spellings:
        # Interjections such as "ń" leave marks that no keyboard types.
        typed = spelling.replace("ü", "v")
        if _LATIN.match(typed) and typed.isascii():
            plain.append(typed)
            if typed in ("lv", "nv"):
                plain.append(f"{typed[0]}yu")
        elif _HAN.match(spelling):
            plain.append(spelling)
    return plain or [spellings[0]]

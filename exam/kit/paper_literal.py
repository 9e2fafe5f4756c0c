"""Text as it may be shown: nothing in it may steer, hide or reorder what a reader sees. Pure."""

from __future__ import annotations

import re

_DROPPED = re.compile(
    "[\u00ad\u034f\u115f\u1160\u180b-\u180f\u200b-\u200d\u2060-\u2064\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]"
)
_SHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2065-\u206f\ufff0-\uffff\ud800-\udfff"
    "\U000e0000-\U000e00ff]"
)
_UNUSUAL = re.compile(f"{_DROPPED.pattern}|{_SHOWN.pattern}|[\t\r\u0085\u2028\u2029]")


def clean(text: str) -> str:
    """The text as it may be drawn: line ends become `\\n`, tabs a space, invisible joiners go, and every control
    character or direction override becomes a visible `[U+202E]`, so that nobody can make paper read differently."""
    if not _UNUSUAL.search(text):
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    text = re.sub("[\u0085\u2028\u2029]", "\n", text)
    text = _DROPPED.sub("", text)
    return _SHOWN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)

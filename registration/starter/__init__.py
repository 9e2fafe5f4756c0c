"""What registration ships as a starting point: a consent text of our own wording, approved by no hospital."""

from __future__ import annotations

from importlib.resources import files

import msgspec


class StarterConsent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shipped consent text with its source, and whether everyone is asked or only who has private items."""

    source: str
    asks_everyone: bool
    body: str


def load_consent() -> StarterConsent:
    """Decode the shipped text strictly."""
    return msgspec.json.decode(files(__name__).joinpath("consent.json").read_bytes(), type=StarterConsent)

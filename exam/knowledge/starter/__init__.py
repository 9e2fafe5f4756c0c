"""The rule book shipped as a starting point: own wording, thresholds from memory, not approved by any hospital."""

from __future__ import annotations

from importlib.resources import files

import msgspec

from exam.knowledge.facts import RuleBook


def load_rule_book() -> RuleBook:
    """Decode the shipped rule book strictly; an unknown field or condition is an error, not a rule less."""
    return msgspec.json.decode(files(__name__).joinpath("conclusions.json").read_bytes(), type=RuleBook)

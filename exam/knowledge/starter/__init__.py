"""The rule book shipped as a starting point: own wording, thresholds from memory, not approved by any hospital."""

from __future__ import annotations

from importlib.resources import files

import msgspec

from exam.knowledge.book import RuleBook

FILES = ("conclusions.json", "alerts.json", "templates.json", "gate.json", "summaries.json")


def load_rule_book() -> RuleBook:
    """Decode the shipped files strictly as one book; an unknown field or condition is an error, not a rule less."""
    parts = [msgspec.json.decode(files(__name__).joinpath(name).read_bytes(), type=RuleBook) for name in FILES]
    return RuleBook(
        rules=tuple(each for part in parts for each in part.rules),
        merges=tuple(each for part in parts for each in part.merges),
        policies=tuple(each for part in parts for each in part.policies),
        grades=tuple(each for part in parts for each in part.grades),
        templates=tuple(each for part in parts for each in part.templates),
        checks=tuple(each for part in parts for each in part.checks),
        summaries=tuple(each for part in parts for each in part.summaries),
    )

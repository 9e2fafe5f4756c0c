"""A review as the checks read it: every text is gathered once, not by each check."""

from __future__ import annotations

from functools import cached_property

from exam.knowledge.facts import Flag, Reading
from exam.knowledge.gate import GateInput
from exam.knowledge.rules.gate.texts import clauses


class Review:
    """A gate input with the texts that checks ask for again and again; made for one run."""

    def __init__(self, given: GateInput) -> None:
        self.given = given
        self.case = given.case
        self.readings = given.case.readings
        self.lines = tuple(line.text for line in given.lines)
        self.told = "\n".join(self.lines)
        self.claimed = "\n".join(line.text for line in given.lines if not line.is_by_rule)
        self.found_texts = (*given.summaries, *(text for reading in self.readings.values() for text in free_texts(reading)))
        self.found = "\n".join(self.found_texts)

    @cached_property
    def told_clauses(self) -> tuple[str, ...]:
        """The clauses of the conclusions."""
        return tuple(clauses(self.told))

    @cached_property
    def claimed_clauses(self) -> tuple[str, ...]:
        """The clauses of the conclusions in somebody's own words."""
        return tuple(clauses(self.claimed))

    @cached_property
    def found_clauses(self) -> tuple[str, ...]:
        """The clauses of what departments wrote."""
        return tuple(clauses(self.found))

    @cached_property
    def chosen(self) -> str:
        """All that was picked today, line by line."""
        return "\n".join(choice for reading in self.readings.values() for choice in reading.choices)

    @cached_property
    def chosen_earlier(self) -> str:
        """All that was picked at earlier visits, line by line."""
        return "\n".join(choice for reading in self.case.earlier.values() for choice in reading.choices)

    @cached_property
    def answered(self) -> frozenset[tuple[str, str]]:
        """The items and choices for which a line needs no matching words."""
        return frozenset().union(*(line.answers for line in self.given.lines))


def free_texts(reading: Reading) -> tuple[str, ...]:
    """What was written for an item in words that are none of the dictionary's choices."""
    if reading.flag is Flag.UNKNOWN or (reading.abnormal and reading.why):
        return reading.choices
    return () if reading.choices or reading.number is not None else (reading.raw,)

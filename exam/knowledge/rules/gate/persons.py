"""Checks of the person: what one of this sex or age cannot have, and organs that were taken out."""

from __future__ import annotations

from collections.abc import Iterator

from exam.knowledge.gate import NotFor, Removed
from exam.knowledge.rules.conditions import compiled
from exam.knowledge.rules.gate.prepared import Review
from exam.knowledge.rules.gate.texts import Words, clauses, is_answered_no, is_of_relative, is_past, is_supposed
from exam.knowledge.rules.gate.values import Check
from exam.knowledge.rules.wording import finding_text


def not_for(test: NotFor) -> Check:
    """Items and words that do not go with the person's sex or age."""
    is_meant, words = compiled(test.when), Words(test.words)

    def check(review: Review) -> Iterator[str]:
        if not is_meant(review.case):
            return
        for item in test.items:
            if item in review.readings:
                yield finding_text(review.readings[item])
        for place, clause in _all_clauses(review, words):
            is_said = words.stated_in(clause) if test.is_stated else words.named_in(clause)
            if is_said and not is_of_relative(clause):
                yield f"{place}“{clause}”"

    return check


def _all_clauses(review: Review, words: Words) -> Iterator[tuple[str, str]]:
    if words.may_be_in(review.told):
        yield from (("结论", clause) for clause in review.told_clauses)
    if words.may_be_in(review.found):
        yield from (("所见", clause) for clause in review.found_clauses)
    if words.may_be_in(review.chosen):
        yield from (("所见", choice) for choice in review.chosen.split("\n"))


def removed(test: Removed) -> Check:
    """An organ that was removed and is described all the same."""
    gone, there = Words(test.removed), Words(test.present)
    is_there = compiled(test.when) if test.when is not None else None

    def check(review: Review) -> Iterator[str]:
        was = _removal(review, gone)
        if not was:
            return
        described = _described(review, there)
        if described:
            yield f"“{was}”,而“{described}”"
        elif is_there is not None and is_there(review.case):
            yield f"“{was}”,而检查结果仍有该器官"

    return check


def _removal(review: Review, gone: Words) -> str:
    for text in (review.told, review.found, review.chosen, review.chosen_earlier, *review.case.subject.history):
        if not gone.may_be_in(text):
            continue
        for clause in clauses(text):
            if gone.stated_in(clause) and not is_of_relative(clause) and not (is_supposed(clause) or is_answered_no(clause)):
                return clause
    return ""


def _described(review: Review, there: Words) -> str:
    for text, parts in ((review.told, review.told_clauses), (review.found, review.found_clauses), (review.chosen, None)):
        if not there.may_be_in(text):
            continue
        for clause in parts if parts is not None else review.chosen.split("\n"):
            if there.named_in(clause) and not is_past(clause) and not is_of_relative(clause):
                return clause
    return ""

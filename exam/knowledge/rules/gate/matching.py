"""Checks of findings against conclusions: a finding nobody tells, and a conclusion that nothing supports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exam.knowledge.gate import Matching, Named
from exam.knowledge.rules.conditions import compiled, evidence
from exam.knowledge.rules.gate.prepared import Review
from exam.knowledge.rules.gate.texts import Words, is_of_relative, is_past, is_supposed
from exam.knowledge.rules.gate.values import Check
from exam.knowledge.rules.wording import finding_text


def matching(test: Matching) -> Check:
    """A finding without its conclusion, or a conclusion without its finding."""
    is_found = compiled(test.when) if test.when is not None else None
    is_supported = compiled(test.support) if test.support is not None else None
    phrases, words, claims = Words(test.phrases), Words(test.words), Words(test.claims)
    past = frozenset(test.history)

    def check(review: Review) -> Iterator[str]:
        by_value = is_found is not None and bool(is_found(review.case))
        by_words = "" if by_value else _found_in_words(review, phrases)
        if by_value or by_words:
            if not _is_told(review, words) and not (by_value and _is_answered(test, review)):
                yield f"所见有“{by_words or _found_values(test, review)}”,结论未提"
            return
        if not claims.may_be_in(review.claimed):
            return
        claimed = _claimed(review, claims)
        if not claimed or not past.isdisjoint(review.case.subject.history):
            return
        if not _is_written_of(review, (claims, phrases)) and (is_supported is None or not is_supported(review.case)):
            yield f"结论有“{claimed}”,所见没有依据"

    return check


def named(test: Named) -> Check:
    """A choice without a conclusion of its name, or such a conclusion without the choice."""
    by_choice = {(each.item, each.choice): (each, Words((each.name, *each.words))) for each in test.of}
    by_name: dict[str, list[tuple[str, str]]] = {}
    for each in test.of:
        by_name.setdefault(each.name, []).append((each.item, each.choice))
    claims = tuple((Words((name,)), pairs) for name, pairs in by_name.items())
    items = tuple(dict.fromkeys(each.item for each in test.of))

    def check(review: Review) -> Iterator[str]:
        picked = {(item, text) for item in items if item in review.readings for text in review.readings[item].choices}
        for pair in picked & by_choice.keys():
            if pair not in review.answered and not _is_told(review, by_choice[pair][1]):
                yield f"所见有“{pair[1]}”,结论未提"
        for words, pairs in claims:
            if words.may_be_in(review.claimed) and picked.isdisjoint(pairs):
                claimed = _claimed(review, words)
                if claimed and not _is_written_of(review, (words,)):
                    yield f"结论有“{claimed}”,所见没有依据"

    return check


def _is_written_of(review: Review, named: Iterable[Words]) -> bool:
    """Whether a department writes of it at all, be it of the past, or other choices name it."""
    return any(
        words.may_be_in(text) and any(words.stated_in(clause) for clause in parts if not is_of_relative(clause))
        for words in named
        for text, parts in ((review.found, review.found_clauses), (review.chosen, review.chosen.split("\n")))
    )


def _found_in_words(review: Review, phrases: Words) -> str:
    if not phrases.may_be_in(review.found):
        return ""
    found = (clause for clause in review.found_clauses if not is_past(clause) and not is_of_relative(clause) and not is_supposed(clause))
    return next((clause for clause in found if phrases.stated_in(clause)), "")


def _is_told(review: Review, words: Words) -> bool:
    return words.may_be_in(review.told) and any(words.stated_in(clause) for clause in review.told_clauses)


def _is_answered(test: Matching, review: Review) -> bool:
    """Whether a rule's own line, or a doctor by hand, answers for what was found."""
    if test.when is None or not review.answered:
        return False
    asserted = [pair for pair, is_asserted in evidence(test.when, review.case).items() if is_asserted]
    return bool(asserted) and all(pair in review.answered for pair in asserted)


def _found_values(test: Matching, review: Review) -> str:
    items = dict.fromkeys(item for item, _ in evidence(test.when, review.case)) if test.when is not None else {}
    return "、".join(finding_text(review.readings[item]) for item in items if item in review.readings)


def _claimed(review: Review, claims: Words) -> str:
    stated = (clause for clause in review.claimed_clauses if claims.stated_in(clause))
    return next((clause for clause in stated if not is_past(clause) and not is_supposed(clause)), "")

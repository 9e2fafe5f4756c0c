"""What differs between the findings that a review's lines rest on and those of now (OTH-3). Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chief_review.facts import ConclusionLine, LineChanges, ValueChange
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import Case

GONE = "已无此结果"


def changes_since(
    lines: Sequence[ConclusionLine], signed: Sequence[ConclusionLine] | None, case: Case, merges: Collection[str]
) -> LineChanges:
    """The changes since `signed`, the lines of the last signature; without one, since each line's own reasons were written.

    `merges` are the codes of merging rules, whose reasons are sentences and no findings; their parts have their own reasons.
    """
    if signed is None:
        told = {line.key: _changes(line, case, merges) for line in lines}
        return LineChanges({key: found for key, found in told.items() if found})
    before = {key: line for line in signed for key in (line.key, *line.parts)}
    by_line: dict[str, tuple[ValueChange, ...]] = {}
    new = set()
    for line in lines:
        known = [before[key] for key in (line.parts or (line.key,)) if key in before]
        if not known:
            new.add(line.key)
        found = dict.fromkeys(each for old in (known or [line]) for each in _changes(old, case, merges))
        if found:
            by_line[line.key] = tuple(found)
    present = {key for line in lines for key in (line.key, *line.parts)}
    gone = tuple(
        (line.text, _changes(line, case, merges)) for line in signed if present.isdisjoint((line.key, *line.parts))
    )  # fmt: skip
    return LineChanges(by_line, frozenset(new), gone)


def _changes(line: ConclusionLine, case: Case, merges: Collection[str]) -> tuple[ValueChange, ...]:
    found: dict[ValueChange, None] = {}
    for why in line.because:
        if why.rule in merges:
            continue
        # A note that a doctor keeps the line stands behind the findings: the shorter list decides.
        for item, before in zip(why.items, why.evidence, strict=False):
            reading = case.readings.get(item)
            after = knowledge.finding_text(reading) if reading is not None else GONE
            if before != after:
                found[ValueChange(before, after)] = None
    return tuple(found)

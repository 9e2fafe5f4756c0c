"""The time machine: a visit judged again with the rules of a day as they were known then, beside what stands in its review."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from chief_review import desk
from chief_review.facts import ConclusionLine
from exam.kit.clock import CENTRE_ZONE, day_of
from exam.kit.errors import BadInput
from exam.kit.house import house_of
from exam.knowledge import rules as knowledge
from exam.knowledge import service as rule_store
from exam.knowledge.facts import Suggestion
from exam.visits import service as visits
from exam.visits.facts import VisitCard
from results import service as results

EARLIEST = date(2000, 1, 1)


class Compared(msgspec.Struct, frozen=True):
    """One line of the comparison: what the rules of the day say, what the review says, and how they differ.

    `act` is `same`, `changed`, `only_then` (the review lacks it) or `only_stored` (the rules of the day do not say it).
    """

    act: str
    key: str
    then: Suggestion | None
    stored: ConclusionLine | None


class AsOf(msgspec.Struct, frozen=True):
    """A visit as of a day. `version` is the review's, 0 when there is none; `rules` says how many were in force."""

    card: VisitCard
    on: date
    known_at: datetime
    rules: int
    version: int
    lines: tuple[Compared, ...]


def judged(db: Session, visit_id: UUID, on: date) -> AsOf:
    """Today's results of a visit under the rules that held on a day, as they were known at its end. Raises BadInput."""
    now = house_of(db).clock.now()
    if not EARLIEST <= on <= day_of(now):
        raise BadInput([("on", f"日期:请选择 {EARLIEST} 到今天之间的日期")])
    known_at = min(now, datetime(on.year, on.month, on.day, tzinfo=CENTRE_ZONE) + timedelta(days=1))
    book = rule_store.rules_known_at(db, on, known_at)
    case = msgspec.structs.replace(results.case_of(db, visit_id), on=on)
    review = desk.review(db, visit_id)
    return AsOf(
        visits.card(db, visit_id), on, known_at, len(book.book.entries), review.version,
        _compared(knowledge.suggest(case, book), review.lines),
    )  # fmt: skip


def _compared(then: tuple[Suggestion, ...], stored: tuple[ConclusionLine, ...]) -> tuple[Compared, ...]:
    """The lines of the day in their order, then what only the review has; a line that was merged by hand stands for its parts."""
    by_key = {key: line for line in stored for key in (line.key, *line.parts)}
    lines = []
    for each in then:
        held = by_key.get(each.key)
        act = "only_then" if held is None else "same" if held.text == each.text else "changed"
        lines.append(Compared(act, each.key, each, held))
    said = {each.key for each in then}
    lines += [Compared("only_stored", line.key, None, line) for line in stored if not said & {line.key, *line.parts}]
    return tuple(lines)

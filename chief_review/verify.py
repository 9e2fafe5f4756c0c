"""What must hold of all reviews: signatures, digests, two different doctors, milestones, and decision 22."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from chief_review import rules
from chief_review.facts import FINAL, FIRST, ConclusionLine, ReviewState
from chief_review.models import ReviewRow, ReviewSignature, ReviewVersion
from exam.kit.house import actor_of
from exam.kit.module import Invariant
from exam.staff.rules import is_senior
from exam.visits.facts import VisitState
from exam.visits.models import VisitBoard
from results import service as results

_LINES = tuple[ConclusionLine, ...]
_FINISHED = (VisitState.FINAL, VisitState.PUBLISHED, VisitState.DELIVERED)


def _standing(db: Session) -> dict[UUID, dict[str, list[ReviewSignature]]]:
    rows = db.scalars(select(ReviewSignature).order_by(ReviewSignature.visit_id, ReviewSignature.number)).all()
    undone = {row.undoes for row in rows if row.undoes is not None}
    found: dict[UUID, dict[str, list[ReviewSignature]]] = {}
    for row in rows:
        if row.undoes is None and row.id not in undone:
            found.setdefault(row.visit_id, {}).setdefault(row.level, []).append(row)
    return found


def one_signature_a_level(db: Session) -> Iterator[str]:
    """S1: at most one standing signature for each level, and exactly those that the review's state needs."""
    needed = {ReviewState.OPEN: set(), ReviewState.FIRST_SIGNED: {FIRST}, ReviewState.FINAL: {FIRST, FINAL}}
    standing = _standing(db)
    for visit_id, state in db.execute(select(ReviewRow.visit_id, ReviewRow.state)):
        held = standing.pop(visit_id, {})
        for level, rows in held.items():
            if len(rows) > 1:
                yield f"visit {visit_id}: {len(rows)} standing {level} signatures"
        if set(held) != needed[ReviewState(state)]:
            yield f"visit {visit_id}: the review is {state}, its standing signatures are {sorted(held)}"
    for visit_id in standing:
        yield f"visit {visit_id}: signatures without a review"


def two_doctors(db: Session) -> Iterator[str]:
    """The final signer is neither the author nor the first signer, and is senior."""
    authors = dict(db.execute(select(ReviewRow.visit_id, ReviewRow.author_id)).all())
    for visit_id, held in _standing(db).items():
        for final in held.get(FINAL, []):
            first = held.get(FIRST)
            if final.staff_id == authors.get(visit_id) or (first and final.staff_id == first[0].staff_id):
                yield f"visit {visit_id}: the final signer wrote or first-signed the review"
            if not is_senior(final.title):
                yield f"visit {visit_id}: the final signer's title {final.title!r} is not senior"


def digests(db: Session) -> Iterator[str]:
    """Every version's digest is that of its lines, every signature's digest that of its version and its results."""
    contents: dict[tuple[UUID, int], str] = {}
    for row in db.execute(select(ReviewVersion.__table__).execution_options(yield_per=1000)):
        lines = msgspec.json.decode(row.lines, type=_LINES)
        if rules.content_digest(row.visit_id, lines, row.is_nothing_abnormal) != row.digest:
            yield f"visit {row.visit_id}: version {row.number} is not what its digest says"
        contents[(row.visit_id, row.number)] = row.digest
    for signature in db.execute(select(ReviewSignature.__table__).execution_options(yield_per=1000)):
        content = contents.get((signature.visit_id, signature.version))
        if content is None or rules.shown_digest(content, signature.basis) != signature.digest:
            yield f"visit {signature.visit_id}: signature {signature.number} is not of version {signature.version}"


def versions_chain(db: Session) -> Iterator[str]:
    """Versions are one chain from 1 to the review's version."""
    current = dict(db.execute(select(ReviewRow.visit_id, ReviewRow.version)).all())
    last: dict[UUID, tuple[int, UUID]] = {}
    columns = (ReviewVersion.visit_id, ReviewVersion.number, ReviewVersion.id, ReviewVersion.parent)
    for visit_id, number, version_id, parent in db.execute(select(*columns).order_by(ReviewVersion.visit_id, ReviewVersion.number)):
        before, before_id = last.get(visit_id, (0, None))
        if number != before + 1 or parent != before_id:
            yield f"visit {visit_id}: version {number} does not follow version {before}"
        last[visit_id] = (number, version_id)
    for visit_id, version in current.items():
        if last.get(visit_id, (0, None))[0] != version:
            yield f"visit {visit_id}: the review is at version {version}, its last version is {last.get(visit_id, (0, None))[0]}"


def milestones_agree(db: Session) -> Iterator[str]:
    """A visit is reviewed exactly as far as its review is signed."""
    boards = select(VisitBoard.visit_id, VisitBoard.state, ReviewRow.state).outerjoin(
        ReviewRow, ReviewRow.visit_id == VisitBoard.visit_id
    )
    for visit_id, visit, review in db.execute(boards):
        is_first = visit == VisitState.FIRST_REVIEWED
        is_final = visit in _FINISHED
        if is_first != (review == ReviewState.FIRST_SIGNED) or is_final != (review == ReviewState.FINAL):
            yield f"visit {visit_id}: the visit is {visit}, its review is {review}"
        if visit == VisitState.CHIEF and review is None:
            yield f"visit {visit_id}: the chief review has begun, and there is none"


def nothing_without_a_line(db: Session) -> Iterator[str]:
    """Decision 22: in every final review each flagged value has its line. One marked for re-review waits for a doctor."""
    signed = (
        select(ReviewRow.visit_id, ReviewVersion.lines, ReviewVersion.is_nothing_abnormal)
        .join(ReviewVersion, (ReviewVersion.visit_id == ReviewRow.visit_id) & (ReviewVersion.number == ReviewRow.version))
        .where(ReviewRow.site == actor_of(db).site, ReviewRow.state == ReviewState.FINAL, ReviewRow.is_rereview.is_(False))
    )
    for visit_id, lines, is_nothing in db.execute(signed).all():
        case = results.case_of(db, visit_id)
        told = msgspec.json.decode(lines, type=_LINES)
        for reading in rules.uncovered_readings(told, case):
            yield f"visit {visit_id}: {reading.item} is flagged and no line of the final review answers for it"
        if not told and not is_nothing:
            yield f"visit {visit_id}: the final review says nothing at all"


INVARIANTS = (
    Invariant("S1 one standing signature a level", one_signature_a_level),
    Invariant("S2 the final signer is a second, senior doctor", two_doctors),
    Invariant("S3 what was signed is what is stored", digests),
    Invariant("S4 review versions are one chain", versions_chain),
    Invariant("S5 milestones agree with signatures", milestones_agree),
    Invariant("S6 no flagged value without a line (decision 22)", nothing_without_a_line),
)

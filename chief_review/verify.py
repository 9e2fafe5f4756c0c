"""What must hold of all reviews: signatures, digests, two different doctors, milestones; read in spans of bounded size.

Decision 22, that no flagged value goes without a line, is checked one floor up, beside the reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from chief_review import push_rules, pushes, signing
from chief_review.facts import FINAL, FIRST, ConclusionLine, ReviewState
from chief_review.models import PushRow, ReviewRow, ReviewSignature, ReviewVersion
from exam.kit.module import Invariant
from exam.staff.rules import is_senior
from exam.visits.facts import VisitState
from exam.visits.models import VisitBoard
from exam.visits.spans import Span, spans, visit_spans
from results import service as results

_LINES = tuple[ConclusionLine, ...]
_FINISHED = (VisitState.FINAL, VisitState.PUBLISHED, VisitState.DELIVERED)


def _standing(db: Session, span: Span) -> dict[UUID, dict[str, list[Any]]]:
    table = ReviewSignature.__table__
    listed = select(table).where(span.holds(table.c.visit_id)).order_by(table.c.visit_id, table.c.number)
    rows = db.execute(listed).all()
    undone = {row.undoes for row in rows if row.undoes is not None}
    found: dict[UUID, dict[str, list[Any]]] = {}
    for row in rows:
        if row.undoes is None and row.id not in undone:
            found.setdefault(row.visit_id, {}).setdefault(row.level, []).append(row)
    return found


def one_signature_a_level(db: Session) -> Iterator[str]:
    """S1: at most one standing signature for each level, and exactly those that the review's state needs."""
    needed = {ReviewState.OPEN: set(), ReviewState.FIRST_SIGNED: {FIRST}, ReviewState.FINAL: {FIRST, FINAL}}
    for span in visit_spans(db):
        standing = _standing(db, span)
        reviews = select(ReviewRow.visit_id, ReviewRow.state).where(span.holds(ReviewRow.visit_id))
        for visit_id, state in db.execute(reviews):
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
    for span in visit_spans(db):
        listed = select(ReviewRow.visit_id, ReviewRow.author_id).where(span.holds(ReviewRow.visit_id))
        authors = dict(db.execute(listed).all())
        for visit_id, held in _standing(db, span).items():
            for final in held.get(FINAL, []):
                first = held.get(FIRST)
                if final.staff_id == authors.get(visit_id) or (first and final.staff_id == first[0].staff_id):
                    yield f"visit {visit_id}: the final signer wrote or first-signed the review"
                if not is_senior(final.title):
                    yield f"visit {visit_id}: the final signer's title {final.title!r} is not senior"


def digests(db: Session) -> Iterator[str]:
    """Every version's digest is that of its lines, every signature's digest that of its version and its results."""
    versions, signatures = ReviewVersion.__table__, ReviewSignature.__table__
    for span in visit_spans(db):
        contents: dict[tuple[UUID, int], str] = {}
        for row in db.execute(select(versions).where(span.holds(versions.c.visit_id)).execution_options(yield_per=200)):
            lines = msgspec.json.decode(row.lines, type=_LINES)
            if signing.content_digest(row.visit_id, lines, row.is_nothing_abnormal) != row.digest:
                yield f"visit {row.visit_id}: version {row.number} is not what its digest says"
            contents[(row.visit_id, row.number)] = row.digest
        for signature in db.execute(select(signatures).where(span.holds(signatures.c.visit_id))):
            content = contents.get((signature.visit_id, signature.version))
            if content is None or signing.shown_digest(content, signature.basis) != signature.digest:
                yield f"visit {signature.visit_id}: signature {signature.number} is not of version {signature.version}"


def versions_chain(db: Session) -> Iterator[str]:
    """Versions are one chain from 1 to the review's version."""
    columns = (ReviewVersion.visit_id, ReviewVersion.number, ReviewVersion.id, ReviewVersion.parent)
    for span in visit_spans(db):
        last: dict[UUID, tuple[int, UUID]] = {}
        listed = select(*columns).where(span.holds(columns[0])).order_by(ReviewVersion.visit_id, ReviewVersion.number)
        for visit_id, number, version_id, parent in db.execute(listed):
            before, before_id = last.get(visit_id, (0, None))
            if number != before + 1 or parent != before_id:
                yield f"visit {visit_id}: version {number} does not follow version {before}"
            last[visit_id] = (number, version_id)
        for visit_id, version in db.execute(select(ReviewRow.visit_id, ReviewRow.version).where(span.holds(ReviewRow.visit_id))):
            kept = last[visit_id][0] if visit_id in last else 0
            if kept != version:
                yield f"visit {visit_id}: the review is at version {version}, its last version is {kept}"


def milestones_agree(db: Session) -> Iterator[str]:
    """A visit is reviewed exactly as far as its review is signed."""
    boards = select(VisitBoard.visit_id, VisitBoard.state, ReviewRow.state).outerjoin(
        ReviewRow, ReviewRow.visit_id == VisitBoard.visit_id
    )
    for visit_id, visit, review in db.execute(boards.execution_options(yield_per=1000)):
        is_first = visit == VisitState.FIRST_REVIEWED
        is_final = visit in _FINISHED
        if is_first != (review == ReviewState.FIRST_SIGNED) or is_final != (review == ReviewState.FINAL):
            yield f"visit {visit_id}: the visit is {visit}, its review is {review}"
        if visit == VisitState.CHIEF and review is None:
            yield f"visit {visit_id}: the chief review has begun, and there is none"


def lines_rest_on_findings(db: Session) -> Iterator[str]:
    """What a final review gives as the reasons of its lines is what the results say now, unless a doctor kept the line.

    A review that is marked for re-review waits for a doctor and is left out.
    """
    for span in visit_spans(db):
        reviews = (
            select(ReviewRow.visit_id, ReviewVersion.lines)
            .join(ReviewVersion, (ReviewVersion.visit_id == ReviewRow.visit_id) & (ReviewVersion.number == ReviewRow.version))
            .where(span.holds(ReviewRow.visit_id), ReviewRow.state == ReviewState.FINAL.value, ReviewRow.is_rereview.is_(False))
        )
        told: dict[UUID, list[tuple[str, str, str]]] = {}
        for visit_id, lines in db.execute(reviews):
            told[visit_id] = [
                (line.text, item, said)
                for line in msgspec.json.decode(lines, type=_LINES) if line.kept is None
                for why in line.because if len(why.items) == len(why.evidence)
                for item, said in zip(why.items, why.evidence, strict=True)
            ]  # fmt: skip
        now = results.present_findings(db, span, {item for each in told.values() for _, item, _ in each})
        for visit_id, reasons in told.items():
            for text, item, said in dict.fromkeys(reasons):  # a rule that took another over may cite the same value twice
                name, finding = now.get(visit_id, {}).get(item, ("", ""))
                # The reasons of a merged rule are sentences; each of its parts has its findings beside them.
                if said != finding and said.startswith((f"{name} ", f"{name}:") if name else ""):
                    yield f"visit {visit_id}: the line {text!r} of the final review rests on {said!r}, which the results no longer say"


def pushes_follow(db: Session) -> Iterator[str]:
    """A push's facts are numbered 1, 2, 3 …, each was possible, and the specialist's list says what follows from them."""
    yield from pushes.PUSHES.breaches(db, spans(db, PushRow.id), lambda _, facts: pushes.told(push_rules.standing(facts)))


INVARIANTS = (
    Invariant("S1 one standing signature a level", one_signature_a_level),
    Invariant("S2 the final signer is a second, senior doctor", two_doctors),
    Invariant("S3 what was signed is what is stored", digests),
    Invariant("S4 review versions are one chain", versions_chain),
    Invariant("S5 milestones agree with signatures", milestones_agree),
    Invariant("S6 final lines rest on present findings", lines_rest_on_findings),
    Invariant("S7 pushes stand where their facts led", pushes_follow),
)

"""A visit's review with everything it rests on: the desk that the service works at, and what screens show of it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from chief_review import changes, gate, rules, signing
from chief_review.facts import (
    FINAL,
    FIRST,
    Block,
    Body,
    ConclusionLine,
    LineChanges,
    Review,
    ReviewScreen,
    ReviewState,
    Signature,
    SignatureFact,
)
from chief_review.models import ReviewRow, ReviewSignature, ReviewVersion, SignedPicture
from exam.kit.errors import Refused
from exam.kit.house import actor_of
from exam.knowledge import rules as knowledge
from exam.knowledge import service as rule_store
from exam.knowledge.book import RuleBook
from exam.knowledge.facts import Case, Suggestion
from exam.knowledge.gate import GateFinding
from exam.knowledge.rules import RecheckProposal
from exam.visits import service as visits
from exam.visits.facts import OrderLine, VisitCard
from exam.visits.models import Visit
from results import service as results
from results.facts import DepartmentResult, EarlierValue

_LINES = tuple[ConclusionLine, ...]
_KEYS = tuple[str, ...]


@dataclass
class Desk:
    """A visit's review with everything it rests on; rows stay inside this room."""

    db: Session
    visit: Visit
    row: ReviewRow | None
    stored: ReviewVersion | None
    body: Body
    signatures: list[ReviewSignature]
    pictures: dict[UUID, UUID]
    """The picture of the hand-written signature by the signature that was given with it."""
    card: VisitCard
    departments: tuple[DepartmentResult, ...]
    lines: tuple[OrderLine, ...]
    earlier: dict[str, tuple[EarlierValue, ...]]
    case: Case
    suggested: tuple[Suggestion, ...]
    is_nothing_allowed: bool
    book: RuleBook

    @property
    def basis(self) -> str:
        """The digest of the results as they are now."""
        return signing.basis_digest(self.departments)

    @property
    def shown(self) -> str:
        """The digest of what a screen shows now."""
        return signing.shown_digest(signing.content_digest(self.visit.id, self.body.lines, self.body.is_nothing_abnormal), self.basis)

    @property
    def findings(self) -> tuple[GateFinding, ...]:
        """What the contradiction gate says about the review as it is now."""
        return gate.findings(self.db, self.book, self.body.lines, self.case, self.departments, self.lines)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What stands in the way of the signature that is due."""
        return self.blocks_with(self.findings)

    def blocks_with(self, found: tuple[GateFinding, ...]) -> tuple[Block, ...]:
        """As `blocks`, when the gate has been asked already. What other rooms hold against the release counts once the final
        signature is due."""
        held = signing.signing_blocks(self.body, self.case, self.departments, self.suggested, is_nothing_allowed=self.is_nothing_allowed)
        is_final_due = self.standing(FIRST) is not None and self.standing(FINAL) is None
        others = gate.release_blocks(self.db, self.visit.id) if is_final_due else ()
        return (*held, *gate.blocks_of(found), *others)

    @property
    def due(self) -> tuple[Block, ...]:
        """What must be done before the final signature, told already to who gives the first one."""
        is_first_due = self.row is not None and self.standing(FIRST) is None
        return gate.release_blocks(self.db, self.visit.id) if is_first_due else ()

    def standing(self, level: str) -> ReviewSignature | None:
        """The signature of a level that was not undone."""
        undone = {each.undoes for each in self.signatures if each.undoes is not None}
        held = (each for each in self.signatures if each.level == level and each.undoes is None and each.id not in undone)
        return next(held, None)


def sit_down(db: Session, visit_id: UUID, *, lock: bool = False) -> Desk:
    """Reads everything about a visit's review; with `lock`, one desk at a time until the transaction ends."""
    visit = visits.get_row(db, visit_id, lock=lock)
    row = db.execute(select(ReviewRow).where(ReviewRow.visit_id == visit_id)).scalar()
    stored = None
    if row is not None and row.version:
        wanted = select(ReviewVersion).where(ReviewVersion.visit_id == visit_id, ReviewVersion.number == row.version)
        stored = db.execute(wanted).scalar_one()
    signed = db.execute(
        select(ReviewSignature, SignedPicture.picture_id)
        .outerjoin(SignedPicture, SignedPicture.signature_id == ReviewSignature.id)
        .where(ReviewSignature.visit_id == visit_id)
        .order_by(ReviewSignature.number)
    ).all()
    examined = results.examined(db, visit_id)
    case = examined.case
    book = rule_store.rules_in_force(db, case.on)
    return Desk(
        db=db, visit=visit, row=row, stored=stored, body=body_of(stored) if stored else Body(), signatures=[each for each, _ in signed],
        pictures={each.id: picture_id for each, picture_id in signed if picture_id is not None},
        card=examined.card, departments=examined.departments, lines=examined.lines, earlier=examined.earlier,
        case=case, suggested=knowledge.suggest(case, book),
        is_nothing_allowed=knowledge.is_nothing_abnormal_allowed(case, book), book=book.book,
    )  # fmt: skip


def body_of(stored: ReviewVersion) -> Body:
    return Body(
        lines=msgspec.json.decode(stored.lines, type=_LINES),
        is_nothing_abnormal=stored.is_nothing_abnormal,
        removed=msgspec.json.decode(stored.removed, type=_KEYS),
    )


# --- reading ---------------------------------------------------------------------------------------------------------


def review(db: Session, visit_id: UUID) -> Review:
    """A visit's review; version 0 with no lines before anybody opened it."""
    return to_review(sit_down(db, visit_id))


def to_review(desk: Desk) -> Review:
    """The review as other rooms see it."""
    row = desk.row
    held = [each for level in (FIRST, FINAL) if (each := desk.standing(level)) is not None]
    return Review(
        visit_id=desk.visit.id, state=ReviewState(row.state) if row else ReviewState.OPEN, version=row.version if row else 0,
        lines=desk.body.lines, is_nothing_abnormal=desk.body.is_nothing_abnormal, digest=desk.shown,
        signatures=tuple(to_signature(each, desk.pictures.get(each.id)) for each in held), author_id=row.author_id if row else None,
        author=row.author if row else "", removed=desk.body.removed, is_rereview=row.is_rereview if row else False,
        attention=row.attention if row else "", grades=knowledge.graded(desk.case, desk.book.grades),
    )  # fmt: skip


def to_signature(row: ReviewSignature, picture_id: UUID | None = None) -> Signature:
    """A signature's row as a struct, with the picture that was in force when it was given."""
    assert row.staff_id is not None  # the table refuses a signature of nobody
    return Signature(row.level, row.staff_id, row.name, row.title, row.at, row.digest, picture_id)


def suggestions(db: Session, visit_id: UUID) -> tuple[Suggestion, ...]:
    """What the rules suggest for a visit's results of this moment."""
    return sit_down(db, visit_id).suggested


def screen(db: Session, visit_id: UUID) -> ReviewScreen:
    """Everything that the reviewer's desk shows about a visit."""
    desk = sit_down(db, visit_id)
    by_key = {each.key: each for each in desk.suggested}
    is_open = desk.row is not None and desk.row.state != ReviewState.FINAL
    found = desk.findings if is_open else ()
    abnormal = [each for part in desk.departments for each in part.readings if each.flag in knowledge.OUTSTANDING]
    return ReviewScreen(
        card=desk.card, review=to_review(desk), results=desk.departments, abnormal=tuple(abnormal),
        earlier=desk.earlier, suggestions=desk.suggested,
        uncovered=rules.uncovered_readings(desk.body.lines, desk.case) if desk.row else (),
        removed=tuple(by_key[key] for key in desk.body.removed if key in by_key),
        outdated=frozenset(line.key for line in rules.outdated_lines(desk.body.lines, desk.suggested, desk.case)) if is_open else frozenset(),
        blocks=desk.blocks_with(found) if desk.row else (), warnings=tuple(each for each in found if not each.is_blocking),
        has_new_results=desk.stored is not None and desk.stored.basis != desk.basis,
        is_nothing_abnormal_allowed=desk.is_nothing_allowed,
        history=tuple(
            SignatureFact(each.level, each.name, each.title, each.at, each.undoes is not None, each.reason)
            for each in reversed(desk.signatures)
        ),
        final_refusal=_final_refusal(db, desk), changes=_changes(db, desk), proposals=proposals(desk), due=desk.due,
    )  # fmt: skip


def proposals(desk: Desk) -> tuple[RecheckProposal, ...]:
    """What the rules behind the review's lines want examined again; before it has lines, those behind the suggestions."""
    return knowledge.recheck_proposals(desk.body.lines if desk.stored is not None else desk.suggested, desk.book)


def _changes(db: Session, desk: Desk) -> LineChanges:
    """What differs from the last signature where the review comes again, else from the findings that the lines were written on."""
    if desk.row is None or (not desk.row.is_rereview and (desk.stored is None or desk.stored.basis == desk.basis)):
        return LineChanges()
    signed = next((each.version for level in (FINAL, FIRST) for each in reversed(desk.signatures) if each.level == level), None)
    lines = None
    if desk.row.is_rereview and signed is not None:
        wanted = select(ReviewVersion.lines).where(ReviewVersion.visit_id == desk.visit.id, ReviewVersion.number == signed)
        lines = msgspec.json.decode(db.execute(wanted).scalar_one(), type=_LINES)
    return changes.changes_since(desk.body.lines, lines, desk.case, {merge.code for merge in desk.book.merges})


def _final_refusal(db: Session, desk: Desk) -> str:
    if desk.row is None or desk.row.state != ReviewState.FIRST_SIGNED:
        return ""
    try:
        require_final_signer(db, desk, desk.row)
    except Refused as refused:
        return refused.text
    return ""


def require_final_signer(db: Session, desk: Desk, row: ReviewRow) -> None:
    """Refuses the actor who may not give the final signature."""
    actor, first = actor_of(db), desk.standing(FIRST)
    signing.require_final_signer(actor.staff_id, actor.title, row.author_id, to_signature(first) if first else None)

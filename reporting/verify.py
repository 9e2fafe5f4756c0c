"""What must hold of all reports: S1 to S6 of the specification, that milestones tell the same, and decision 22.

Everything is read in spans of visits or as a stream: the memory stays bounded however many visits there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exam.kit import progress
from exam.kit.errors import Refused
from exam.kit.house import house_of
from exam.kit.module import Invariant
from exam.staff import signatures as pictures
from exam.visits.facts import Milestone
from exam.visits.models import Visit, VisitMilestone
from exam.visits.rules import standing as standing_milestones
from exam.visits.spans import Span, visit_spans
from reporting import queries, rules, sealing
from reporting.document import Cover, Document, digest, signatures_of
from reporting.facts import RecordVersion, ReportKind, ReportState
from reporting.models import ReportFact, Version
from reporting.seal_pool import SealPool
from reporting.store import store_of

STANDING = (ReportState.ISSUED, ReportState.DELIVERED)


def _facts(db: Session, span: Span) -> dict[UUID, dict[int, list[Any]]]:
    table = ReportFact.__table__
    found: dict[UUID, dict[int, list[Any]]] = {}
    for row in db.execute(select(table).where(span.holds(table.c.visit_id)).order_by(table.c.id)):
        found.setdefault(row.visit_id, {}).setdefault(row.version_number, []).append(row)
    return found


def one_standing_version(db: Session) -> Iterator[str]:
    """S1, S4: at most one version of a visit stands, it is the newest, numbers have no gap, each version was issued once."""
    for span in visit_spans(db):
        numbers: dict[UUID, list[int]] = {}
        listing = select(Version.visit_id, Version.number).where(span.holds(Version.visit_id), Version.kind == ReportKind.MAIN)
        for visit_id, number in db.execute(listing.order_by(Version.visit_id, Version.number)):
            numbers.setdefault(visit_id, []).append(number)
        yield from _versions_stand(numbers, _facts(db, span))


def _versions_stand(numbers: dict[UUID, list[int]], facts: dict[UUID, dict[int, list[Any]]]) -> Iterator[str]:
    for visit_id, listed in numbers.items():
        if listed != list(range(1, len(listed) + 1)):
            yield f"visit {visit_id}: report versions {listed} have a gap"
        states = {number: rules.version_state(facts.get(visit_id, {}).get(number, ())) for number in listed}
        live = [number for number, state in states.items() if state in STANDING]
        if len(live) > 1 or (live and live != [listed[-1]]):
            yield f"visit {visit_id}: versions {live} stand at once, the newest is {listed[-1]}"
        for number, state in states.items():
            if state == ReportState.DRAFT:
                yield f"visit {visit_id}: version {number} was never issued"
            elif number != listed[-1] and state != ReportState.SUPERSEDED:
                yield f"visit {visit_id}: version {number} is {state}, a newer one exists"
    for visit_id, by_number in facts.items():
        if unknown := set(by_number) - set(numbers.get(visit_id, ())):
            yield f"visit {visit_id}: facts about versions {sorted(unknown)} that do not exist"


def files_are_what_was_signed(db: Session) -> Iterator[str]:
    """S2, S6: every version has its file, whose digest and size are the stored ones; its seal is good and of that moment."""
    house = house_of(db)
    store = store_of(house)
    columns = (
        Version.visit_id, Version.number, Version.kind, Version.pdf_sha256, Version.pdf_bytes, Version.signed_at,
        Version.drawn_sha256,
    )  # fmt: skip
    total = db.scalar(select(func.count()).select_from(Version)) or 0
    roots = sealing.trust_roots(house)
    if total and not roots:
        yield (
            f"the root certificate of the seal is missing, so that no seal of the {total} files can be checked: put the folder "
            f"{sealing.folder_of(house)} back (it lies beside the data and is no part of the copies)"
        )
    with SealPool(roots, total) as seals:
        for done, row in enumerate(db.execute(select(*columns).execution_options(yield_per=500))):
            progress.tell(db, done, total)
            name = f"visit {row.visit_id} version {row.number} {row.kind}"
            try:
                content = store.get(row.pdf_sha256)
            except Refused as refused:
                yield f"{name}: {refused.code}"
                continue
            if len(content) != row.pdf_bytes:
                yield f"{name}: the file has {len(content)} bytes, stored are {row.pdf_bytes}"
            if roots:
                yield from seals.check(name, content, row.signed_at, row.drawn_sha256)
        yield from seals.rest()


def documents_are_whole(db: Session) -> Iterator[str]:
    """S5: the stored document has its digest, names the same person, number and version everywhere, and is signed by two doctors."""
    owners = {picture_id.hex: staff_id.hex for picture_id, staff_id in pictures.owners(db).items()}
    statement = select(Version.__table__, Visit.visit_no, Visit.person_name).join(Visit, Visit.id == Version.visit_id)
    total = db.scalar(select(func.count()).select_from(Version)) or 0 if progress.is_wanted(db) else 0
    for done, row in enumerate(db.execute(statement.execution_options(yield_per=200))):
        progress.tell(db, done, total)
        name = f"visit {row.visit_id} version {row.number} {row.kind}"
        document = msgspec.json.decode(row.document, type=Document)
        if digest(document) != row.document_digest:
            yield f"{name}: the document is not the one whose digest is stored"
        header = document.header
        if (header.visit_no, header.version_no) != (row.visit_no, row.number):
            yield f"{name}: the document says visit {header.visit_no}, version {header.version_no}"
        if document.is_supplement != (row.kind == ReportKind.SUPPLEMENT):
            yield f"{name}: the document is of the other kind"
        for cover in (block for block in document.blocks if isinstance(block, Cover)):
            shown = dict(cover.lines)
            if (shown.get("姓名"), shown.get("体检号")) != (header.person.name, header.visit_no):
                yield f"{name}: the cover names another person than the page headers"
        signed = signatures_of(document)
        if len({each.signer for each in signed}) < len(rules.LEVEL_ROLES):
            yield f"{name}: it does not carry the signatures of two doctors"
        for each in signed:
            if each.put_picture and owners.get(each.put_picture) != each.signer:
                yield f"{name}: the signature of {each.role} carries a picture that was not put for that doctor"


def manifests_are_current(db: Session) -> Iterator[str]:
    """S3: a standing version shows the present results and the present review, or is marked as outdated."""
    columns = (Version.visit_id, Version.number, Version.manifest, Version.review_version)
    for span in visit_spans(db):
        facts, manifests, reviewed = _facts(db, span), queries.present_manifests(db, span), queries.review_versions(db, span)
        listing = select(*columns).where(span.holds(Version.visit_id), Version.kind == ReportKind.MAIN)
        for row in db.execute(listing):
            own = facts.get(row.visit_id, {}).get(row.number, [])
            if rules.version_state(own) not in STANDING or rules.is_outdated(own):
                continue
            manifest = msgspec.json.decode(row.manifest, type=tuple[RecordVersion, ...])
            if changed := rules.changed_departments(manifest, manifests.get(row.visit_id, ())):
                yield f"visit {row.visit_id}: version {row.number} stands as current, but {list(changed)} changed"
            if reviewed.get(row.visit_id, 0) != row.review_version:
                yield f"visit {row.visit_id}: version {row.number} is not of the present review"


def milestones_agree(db: Session) -> Iterator[str]:
    """A visit has the milestone of an issued report exactly while a version stands, and likewise of a delivered one."""
    table = VisitMilestone.__table__
    kinds = (Milestone.REPORT_ISSUED, Milestone.DELIVERED)
    for span in visit_spans(db):
        milestones: dict[UUID, list[Any]] = {}
        listing = select(table).where(span.holds(table.c.visit_id), table.c.kind.in_(kinds)).order_by(table.c.id)
        for row in db.execute(listing):
            milestones.setdefault(row.visit_id, []).append(row)
        facts = _facts(db, span)
        for visit_id in milestones.keys() | facts.keys():
            reached = {fact.kind for fact in standing_milestones(milestones.get(visit_id, ()))}
            states = {rules.version_state(own) for own in facts.get(visit_id, {}).values()}
            for milestone, holding in ((Milestone.REPORT_ISSUED, set(STANDING)), (Milestone.DELIVERED, {ReportState.DELIVERED})):
                if (milestone in reached) != bool(states & holding):
                    yield f"visit {visit_id}: milestone {milestone} is {milestone in reached}, its versions are {sorted(states)}"


def nothing_without_a_line(db: Session) -> Iterator[str]:
    """Decision 22: in every final review each flagged value has its line."""
    for span in visit_spans(db):
        for review in queries.final_reviews(db, span):
            for item in review.uncovered:
                yield f"visit {review.visit_id}: {item} is flagged and no line of the final review answers for it"
            if review.is_silent:
                yield f"visit {review.visit_id}: the final review says nothing at all"


INVARIANTS = (
    Invariant("S1 one version of a report stands", one_standing_version),
    Invariant("S2 S6 files are what was signed", files_are_what_was_signed),
    Invariant("S3 standing reports show the present results", manifests_are_current),
    Invariant("S5 documents are whole", documents_are_whole),
    Invariant("milestones agree with the versions", milestones_agree),
    Invariant("no flagged value without a line of the final review (decision 22)", nothing_without_a_line),
)

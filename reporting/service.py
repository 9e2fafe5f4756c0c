"""Reports: preview, issue, recall, hand over, and serve the stored file after checking it. Nothing is ever overwritten."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from chief_review import service as reviews
from chief_review.facts import ConclusionLine
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import NotFound, Refused, Stale
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.prepared import PreparedStatement
from exam.visits import service as visits
from exam.visits.facts import Milestone, MilestoneReached, VisitState
from reporting import contents, gathering, rules, sealing
from reporting.composing import compose, compose_supplement
from reporting.document import Document, digest, minute_text
from reporting.facts import (
    File,
    Issued,
    RecordVersion,
    ReportDelivered,
    ReportEvent,
    ReportIssued,
    ReportKind,
    ReportOutdated,
    ReportRecalled,
    ReportState,
    ReportVersion,
    Verdict,
)
from reporting.models import ReportFact, Version
from reporting.store import store_of
from results.facts import ResultStored


class Preview(msgspec.Struct, frozen=True):
    """A report that is not issued yet, as data, with what its reader should know before issuing. `lines` are the conclusions it was
    made of, `on` the day of the visit."""

    document: Document
    supplement: Document | None
    warnings: tuple[str, ...]
    lines: tuple[ConclusionLine, ...]
    on: date


class Prepared(msgspec.Struct, frozen=True):
    """A version that is drawn and sealed but not stored: its documents with their files, and what it was made of."""

    visit_id: UUID
    number: int
    signed_at: datetime
    review_version: int
    manifest: tuple[RecordVersion, ...]
    files: tuple[tuple[ReportKind, Document, sealing.Sealed], ...]
    review_digest: str = ""


# --- reading ---------------------------------------------------------------------------------------------------------


def visit_of(db: Session, visit_no: str) -> UUID:
    """The visit of a number in an address; whatever is no visit of this site is simply not found (AT-01)."""
    try:
        return visits.find_id(db, visit_no)
    except Refused:
        raise NotFound("没有找到该报告", "请核对体检号后重新查询") from None


def versions(db: Session, visit_id: UUID) -> tuple[ReportVersion, ...]:
    """All versions of a visit's report, the newest first."""
    visits.card(db, visit_id)
    columns = [column for column in Version.__table__.columns if column.key != "document"]
    rows = db.execute(select(*columns).where(Version.visit_id == visit_id).order_by(Version.number.desc())).all()
    facts = db.execute(select(ReportFact.__table__).where(ReportFact.visit_id == visit_id).order_by(ReportFact.id)).all()
    supplements = {row.number for row in rows if row.kind == ReportKind.SUPPLEMENT}
    return tuple(
        to_version(row, [fact for fact in facts if fact.version_number == row.number], row.number in supplements)
        for row in rows
        if row.kind == ReportKind.MAIN
    )


def to_version(row: Any, facts: Sequence[Any], has_supplement: bool) -> ReportVersion:
    """A version's row and its own facts as one struct."""
    held = {fact.kind: fact for fact in rules.standing(facts)}

    def of(kind: ReportEvent, name: str, default: Any) -> Any:
        return getattr(held[kind], name) if kind in held else default

    return ReportVersion(
        visit_id=row.visit_id, number=row.number, state=rules.version_state(facts), is_current=not rules.is_outdated(facts),
        has_supplement=has_supplement, document_digest=row.document_digest, drawn_sha256=row.drawn_sha256,
        pdf_sha256=row.pdf_sha256, pdf_bytes=row.pdf_bytes, review_version=row.review_version,
        manifest=msgspec.json.decode(row.manifest, type=tuple[RecordVersion, ...]), signed_at=row.signed_at,
        issued_by=row.issued_by, recalled_at=of(ReportEvent.RECALLED, "at", None),
        recall_reason=of(ReportEvent.RECALLED, "reason", ""), delivered_at=of(ReportEvent.DELIVERED, "at", None),
        received_by=of(ReportEvent.DELIVERED, "reason", ""), outdated_reason=of(ReportEvent.NOT_CURRENT, "reason", ""),
    )  # fmt: skip


def current(db: Session, visit_id: UUID) -> ReportVersion | None:
    """The version that counts: issued or handed over. It may be outdated (`is_current` is false); None after a recall."""
    return next((each for each in versions(db, visit_id) if each.is_standing), None)


def document_for(db: Session, visit_id: UUID) -> Preview:
    """The report as it would be issued now; any time, in a read unit, and nothing is stored (CHF-7)."""
    sources = _sources(db, visit_id)
    found = contents.contents(sources)
    warnings = []
    if found.private_count:
        warnings.append(f"有 {found.private_count} 项隐私内容只印在密封的补充报告中,不出现在本报告中。")
    if found.withheld_items:
        warnings.append(f"依规定本类体检不得报告的项目已略去:{'、'.join(found.withheld_items)}。")
    warnings += [f"结论“{text}”涉及本类体检不得检查的项目,发布前须由主检删除。" for text in found.withheld_conclusions]
    if not found.report.signatures:
        warnings.append("主检、终审尚未签名。")
    lines = sources.review.lines if sources.review else ()
    return Preview(compose(found.report), compose_supplement(found.report), tuple(warnings), lines, sources.card.exam_on)


def stored_document(db: Session, visit_id: UUID, number: int, kind: ReportKind = ReportKind.MAIN) -> Document:
    """The document that a stored version was drawn from."""
    return msgspec.json.decode(_row(db, visit_id, number, kind).document, type=Document)


def pdf(db: Session, visit_id: UUID, number: int, kind: ReportKind = ReportKind.MAIN) -> File:
    """The stored file of a version, checked before it is handed out; its name tells when it no longer counts (S2, S4)."""
    card, row = visits.card(db, visit_id), _row(db, visit_id, number, kind)
    found = next(each for each in versions(db, visit_id) if each.number == number)
    content = store_of(house_of(db)).get(row.pdf_sha256)
    mark = {ReportState.RECALLED: "已撤回_", ReportState.SUPERSEDED: "已被替代_"}.get(found.state, "")
    mark = mark or ("" if found.is_current else "结果已更正_")
    what = "隐私补充报告" if kind == ReportKind.SUPPLEMENT else "体检报告"
    return File(content, f"{mark}{what}_{_in_file_name(card.person_name)}_{card.visit_no}_第{number}版.pdf", found.state)


def current_pdf(db: Session, visit_id: UUID) -> File:
    """The file that counts now. Refuses after a recall, and while a newer result waits for its review (S3, S4)."""
    standing = current(db, visit_id)
    if standing is None:
        raise NotFound("没有已发布的报告", "请等待报告发布")
    if not standing.is_current:
        raise Refused("reporting.outdated", "结果已更正,报告正在复核,暂不提供", "请等待更正后的报告发布")
    return pdf(db, visit_id, standing.number)


def _in_file_name(name: str) -> str:
    """A name without what could hide a file's kind or leave its folder; the header's own coding is the web's (AT-18)."""
    return "".join(c for c in name if unicodedata.category(c)[0] not in "CZ" and c not in '/\\:*?"<>|.')[:30]


def _row(db: Session, visit_id: UUID, number: int, kind: ReportKind) -> Version:
    visits.card(db, visit_id)
    row = db.scalar(select(Version).where(Version.visit_id == visit_id, Version.number == number, Version.kind == kind))
    if row is None:
        raise NotFound("没有这一版报告", "请从报告列表中选择")
    return row


def _sources(db: Session, visit_id: UUID) -> contents.Sources:
    visits.card(db, visit_id)
    last = db.scalar(select(func.max(Version.number)).where(Version.visit_id == visit_id)) or 0
    return gathering.sources(db, visit_id, number=last + 1, replaces=last)


# --- issuing ---------------------------------------------------------------------------------------------------------


def issue(db: Session, visit_id: UUID) -> Issued:
    """Issues the report: composed, drawn, sealed, stored; then the milestone. Only after the final review (T16)."""
    return record(db, prepare(db, visit_id))


def issue_off_turn(db: Session, visit_id: UUID) -> Issued:
    """As `issue`, for a read unit: draws and seals while no writer waits, then records in a write unit of its own."""
    house = house_of(db)
    prepared = prepare(db, visit_id, lock=False)
    with house.unit(actor_of(db)) as later:
        later.info.update({name: db.info[name] for name in ("act", "terminal", "correlation") if name in db.info})
        return record_unchanged(later, prepared)


def record_unchanged(db: Session, prepared: Prepared) -> Issued:
    """Records what was prepared in an earlier unit, unless something changed since: what was drawn is what is issued."""
    visits.get_row(db, prepared.visit_id, lock=True)
    sources = _sources(db, prepared.visit_id)
    digest_now = sources.review.digest if sources.review else ""
    if (sources.number, sources.manifest, digest_now) != (prepared.number, prepared.manifest, prepared.review_digest):
        raise Stale("生成报告期间结果或结论有变化", "请刷新后重新发布")
    return record(db, prepared)


def prepare(db: Session, visit_id: UUID, *, lock: bool = True) -> Prepared:
    """Draws and seals the next version. Everything that can be refused is refused here, before anything is written."""
    house = house_of(db)
    visits.get_row(db, visit_id, lock=lock)
    rules.require_issue(visits.state_of(db, visit_id))
    sources = _sources(db, visit_id)
    review = sources.review
    rules.require_signatures(review.signatures if review else (), review.digest if review else "")
    reviews.require_releasable(db, visit_id)
    found = contents.contents(sources)
    contents.require_printable(found)
    signed_at = house.clock.now().replace(microsecond=0)
    documents = ((ReportKind.MAIN, compose(found.report)), (ReportKind.SUPPLEMENT, compose_supplement(found.report)))
    files = tuple((kind, one, sealing.sealed(db, one, signed_at)) for kind, one in documents if one is not None)
    return Prepared(
        visit_id, sources.number, signed_at, review.version if review else 0, sources.manifest, files,
        review.digest if review else "",
    )  # fmt: skip


def record(db: Session, prepared: Prepared) -> Issued:
    """Stores the files, then the rows that name them, and reaches the milestone."""
    house, actor = house_of(db), actor_of(db)
    visit = visits.get_row(db, prepared.visit_id, lock=True)
    now, store = house.clock.now(), store_of(house)
    rows = [
        {
            "id": house.ids.new(), "visit_id": prepared.visit_id, "number": prepared.number, "kind": kind.value,
            "document": msgspec.json.encode(document).decode(), "document_digest": digest(document),
            "drawn_sha256": hashlib.sha256(file.drawn).hexdigest(), "pdf_sha256": store.put(file.pdf),
            "pdf_bytes": len(file.pdf), "review_version": prepared.review_version,
            "manifest": msgspec.json.encode(prepared.manifest).decode(), "signed_at": prepared.signed_at,
            "issued_by": actor.staff_id, "at": now,
        }
        for kind, document, file in prepared.files
    ]  # fmt: skip
    for earlier in versions(db, prepared.visit_id):
        if earlier.state == ReportState.RECALLED:
            add_fact(db, prepared.visit_id, earlier.number, ReportEvent.SUPERSEDED, f"由第 {prepared.number} 版替代")
    insert_rows(db, Version, rows)
    add_fact(db, prepared.visit_id, prepared.number, ReportEvent.ISSUED, "")
    visits.reach(db, prepared.visit_id, Milestone.REPORT_ISSUED)
    audit.note(db, "reporting.issue", subject=f"visit:{visit.visit_no}")
    announce(db, ReportIssued(prepared.visit_id, visit.site, prepared.number))
    missing = "".join(dict.fromkeys("".join(file.missing_characters for _, _, file in prepared.files)))
    return Issued(prepared.number, missing)


def recall(db: Session, visit_id: UUID, reason: str, *, is_examinee_told: bool = False) -> int:
    """Recalls the issued version, with a reason; it is kept for ever. Returns its number (RPT-1c, T16).

    What was handed over is recalled only when the examinee was told that their copy is void. Afterwards the final review
    can be undone and the chief reviews again (OTH-2), or the same review is issued as a new version.
    """
    visit = visits.get_row(db, visit_id, lock=True)
    reason = rules.require_reason(reason)
    standing = current(db, visit_id)
    rules.require_recall(standing.state if standing else None, is_examinee_told)
    assert standing is not None
    add_fact(db, visit_id, standing.number, ReportEvent.RECALLED, reason)
    if standing.state == ReportState.DELIVERED:
        visits.undo(db, visit_id, Milestone.DELIVERED, reason)
    visits.undo(db, visit_id, Milestone.REPORT_ISSUED, reason)
    audit.note(db, "reporting.recall", subject=f"visit:{visit.visit_no}", reason=reason)
    announce(db, ReportRecalled(visit_id, visit.site, standing.number, reason))
    return standing.number


def deliver(db: Session, visit_id: UUID, received_by: str = "本人") -> int:
    """Records that the report was handed over, and to whom. Returns the version's number."""
    visit = visits.get_row(db, visit_id, lock=True)
    standing = current(db, visit_id)
    received_by = rules.require_deliver(
        standing.state if standing else None, standing.is_current if standing else False, received_by
    )
    assert standing is not None
    add_fact(db, visit_id, standing.number, ReportEvent.DELIVERED, received_by)
    visits.reach(db, visit_id, Milestone.DELIVERED, received_by)
    audit.note(db, "reporting.deliver", subject=f"visit:{visit.visit_no}")
    announce(db, ReportDelivered(visit_id, visit.site, standing.number))
    return standing.number


def undo_delivery(db: Session, visit_id: UUID, reason: str) -> None:
    """Takes a wrong entry of a hand-over back, with a reason."""
    visit = visits.get_row(db, visit_id, lock=True)
    standing = current(db, visit_id)
    if standing is None or standing.state != ReportState.DELIVERED:
        raise Refused("reporting.not_delivered", "该报告尚未登记领取,无需撤销", "请刷新页面查看最新状态")
    facts = db.execute(select(ReportFact.__table__).where(ReportFact.visit_id == visit_id).order_by(ReportFact.id)).all()
    delivered = [fact for fact in rules.standing(facts) if fact.kind == ReportEvent.DELIVERED]
    add_fact(db, visit_id, standing.number, ReportEvent.DELIVERED, rules.require_reason(reason), undoes=delivered[-1].id)
    visits.undo(db, visit_id, Milestone.DELIVERED, reason)
    audit.note(db, "reporting.undo_delivery", subject=f"visit:{visit.visit_no}", reason=reason)
    announce(db, ReportDelivered(visit_id, visit.site, standing.number, undone=True))


def add_fact(
    db: Session, visit_id: UUID, number: int, kind: ReportEvent, reason: str, undoes: UUID | None = None
) -> None:
    """Adds one fact about a version, by who acts, now."""
    house, actor = house_of(db), actor_of(db)
    insert_rows(
        db,
        ReportFact,
        [{"id": house.ids.new(), "visit_id": visit_id, "version_number": number, "kind": kind.value, "reason": reason,
          "at": house.clock.now(), "actor_id": actor.staff_id, "undoes": undoes}],
    )  # fmt: skip


# --- what happens elsewhere ------------------------------------------------------------------------------------------


def on_milestone(db: Session, event: MilestoneReached) -> None:
    """Vetoes undoing the final review while a version is issued: recall first (decision 6)."""
    if event.milestone == Milestone.FINAL_REVIEWED and event.undone and current(db, event.visit_id) is not None:
        raise Refused("reporting.recall_first", "报告已发布,不能撤销终审", "请先撤回报告,再撤销终审")


def on_result_stored(db: Session, event: ResultStored) -> None:
    """A result came in after the report was issued: what was issued is not current any more (S3, decision 6)."""
    standing = next((each for each in _standing_anywhere(db, event.visit_id)), None)
    if standing is None or rules.is_outdated(standing[1]):
        return
    manifest = msgspec.json.decode(standing[0].manifest, type=tuple[RecordVersion, ...])
    if RecordVersion(event.department, event.version) in manifest:
        return
    add_fact(db, event.visit_id, standing[0].number, ReportEvent.NOT_CURRENT, f"{event.department} 结果更正")
    announce(db, ReportOutdated(event.visit_id, event.site, standing[0].number, event.department))


_MAIN_VERSIONS = PreparedStatement(
    select(Version.number, Version.manifest).where(Version.visit_id == bindparam("of_visit"), Version.kind == ReportKind.MAIN)
)


def _standing_anywhere(db: Session, visit_id: UUID) -> list[tuple[Any, list[Any]]]:
    """The standing version with its facts, whatever site acts: results also arrive from outside."""
    rows = _MAIN_VERSIONS.all(db, of_visit=visit_id)
    if not rows:
        return []
    facts = db.execute(select(ReportFact.__table__).where(ReportFact.visit_id == visit_id).order_by(ReportFact.id)).all()
    grouped = [(row, [fact for fact in facts if fact.version_number == row.number]) for row in rows]
    return [each for each in grouped if rules.version_state(each[1]) in (ReportState.ISSUED, ReportState.DELIVERED)]


# --- checking --------------------------------------------------------------------------------------------------------


def check(db: Session, visit_id: UUID, number: int, kind: ReportKind = ReportKind.MAIN) -> Verdict:
    """Checks a stored file as an outsider would: the stored digest, the seal, who sealed it and when, and whether it counts."""
    house, row = house_of(db), _row(db, visit_id, number, kind)
    version = next(each for each in versions(db, visit_id) if each.number == number)
    try:
        content = store_of(house).get(row.pdf_sha256)
    except Refused as refused:
        return Verdict(False, False, refused.text, (("文件与存档一致", False, refused.text),), pdf_sha256=row.pdf_sha256)
    from reporting.seal import verify as verify_seal

    found = verify_seal(content, sealing.trust_roots(house))
    is_same = found.file_digest == row.pdf_sha256 and len(content) == row.pdf_bytes
    shown = rules.REPORT.titles[version.state]
    lines = (
        ("文件与存档一致", is_same, "SHA-256 相符" if is_same else "SHA-256 不符"),
        ("签章校验", found.is_valid, "通过" if found.is_valid else "；".join(found.problems)),
        ("签章后无改动", found.covers_whole_file and found.is_certified_no_changes, "签章覆盖整个文件,并禁止任何修改"),
        ("签章人受信任", found.is_trusted, found.signer_name or "未知"),
        ("签章时间与发布时间一致", found.signed_at == row.signed_at, minute_text(found.signed_at)),
        ("是当前有效版本", version.is_standing and version.is_current, shown if version.is_current else f"{shown},结果已更正"),
    )
    is_valid = is_same and found.is_valid and found.signed_at == row.signed_at
    headline = "签章有效,文件未被改动" if is_valid else "签章无效,请勿使用该文件"
    if is_valid and not lines[-1][1]:
        headline += ",但本版已不是当前报告"
    return Verdict(is_valid, lines[-1][1], headline, lines, found.signer_name, found.signed_at, row.pdf_sha256)


def is_waiting(db: Session, visit_id: UUID) -> bool:
    """Whether the report can be issued now as far as the visit's state goes."""
    return visits.state_of(db, visit_id) == VisitState.FINAL

"""Chief review: start, write, regenerate, two signatures by two doctors, their undoing, and returning to a department."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from chief_review import gate, rules, signing
from chief_review.desk import Desk, require_final_signer, review, screen, sit_down, suggestions, to_review
from chief_review.facts import (
    FINAL,
    FIRST,
    Body,
    ConclusionLine,
    EditedLine,
    QueueFilters,
    Review,
    ReviewConflict,
    ReviewFinalized,
    ReviewReopened,
    ReviewState,
)
from chief_review.glance import range_mark, waited
from chief_review.models import ReviewRow, ReviewSignature, ReviewVersion, SignedPicture
from chief_review.queue import FINAL_DAYS, MOST_EXPORTED, next_in_queue, queue
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import Refused
from exam.kit.events import announce
from exam.kit.house import actor_of, house_of
from exam.kit.prepared import PreparedStatement
from exam.staff import service as staff
from exam.staff import signatures as pictures
from exam.visits import orders
from exam.visits import rules as visit_rules
from exam.visits import service as visits
from exam.visits.facts import VISIT_STATE_NAMES, Milestone, VisitState
from results import service as results
from results.facts import RecordReopened, ResultStored

__all__ = [
    "FINAL_DAYS",
    "MOST_EXPORTED",
    "QueueFilters",
    "merge",
    "next_in_queue",
    "on_record_reopened",
    "on_result_stored",
    "queue",
    "range_mark",
    "regenerate",
    "require_releasable",
    "return_to_department",
    "review",
    "save",
    "screen",
    "sign_final",
    "sign_first",
    "start",
    "suggestions",
    "undo_final",
    "undo_first",
    "waited",
]

# --- writing ---------------------------------------------------------------------------------------------------------


def start(db: Session, visit_id: UUID) -> Review:
    """Opens the review for writing (开始主检): the first time with every suggestion, later brought up to new results.

    Refuses a visit whose departments are not done. Opening one that is open already changes nothing.
    """
    desk = sit_down(db, visit_id, lock=True)
    state = visits.state_of(db, visit_id)
    if state == VisitState.CHIEF and desk.row is not None:
        return to_review(desk)
    if state != VisitState.SECTIONS_DONE:
        shown = VISIT_STATE_NAMES[state]
        raise Refused("chief_review.not_ready", f"体检单当前为“{shown}”,不能开始主检", "请等各科室审核完成并交单后再主检")
    now, actor = house_of(db).clock.now(), actor_of(db)
    if desk.row is None:
        desk.row = ReviewRow(
            visit_id=visit_id, site=desk.visit.site, state=ReviewState.OPEN.value, version=0, author_id=actor.staff_id,
            author=actor.name, is_rereview=False, attention="", started_at=now, ver=1,
        )  # fmt: skip
        db.add(desk.row)
        db.flush()
        _add_version(db, desk, rules.first_body(desk.suggested), "开始主检")
    else:
        _add_version(db, desk, rules.regenerated(desk.body, desk.suggested, desk.case), "按最新结果刷新建议")
        desk.row.attention = desk.row.attention if desk.row.is_rereview else ""
    visits.reach(db, visit_id, Milestone.CHIEF_STARTED)
    audit.note(db, "chief_review.start", subject=f"visit:{desk.visit.visit_no}")
    return to_review(desk)


def save(
    db: Session, visit_id: UUID, base_version: int, lines: Sequence[EditedLine | ConclusionLine], is_nothing_abnormal: bool,
    *, act: str = "save", chosen: Sequence[str] = (), reason: str = "",
) -> Review:  # fmt: skip
    """Stores the lines in their order as the next version, after what `act` makes of them (`rules.acted`: merge, restore …).

    `keep:KEY` keeps a line whose findings have changed; it needs a `reason`.
    Raises ReviewConflict when somebody saved after `base_version`; nothing is stored when nothing differs.
    """

    def change(desk: Desk) -> Body:
        body = rules.edited(desk.body, lines, desk.suggested, desk.case)
        body = msgspec.structs.replace(body, is_nothing_abnormal=is_nothing_abnormal)
        verb, _, key = act.partition(":")
        if verb == "keep":
            now, as_of = house_of(db).clock.now(), _known_since(db, visit_id, body, key)
            return rules.kept(body, key, reason, actor_of(db).name, now, as_of, desk.suggested, desk.case)
        return rules.acted(body, act, chosen, desk.case, desk.suggested)

    return _write(db, visit_id, base_version, change, reason.strip() if act.startswith("keep:") else "")


def _known_since(db: Session, visit_id: UUID, body: Body, key: str) -> datetime | None:
    """When the findings were as a line's reasons tell them: when a version first said one of these reasons."""
    told = {why for line in body.lines if line.key == key for why in line.because}
    listed = select(ReviewVersion.at, ReviewVersion.lines).where(ReviewVersion.visit_id == visit_id).order_by(ReviewVersion.number)
    for at, lines in db.execute(listed):
        if told & {why for line in msgspec.json.decode(lines, type=tuple[ConclusionLine, ...]) for why in line.because}:
            return at
    return None


def regenerate(db: Session, visit_id: UUID, base_version: int) -> Review:
    """Brings the lines up to the suggestions of this moment; a doctor's own words, deletions and order stay (M16)."""
    return _write(db, visit_id, base_version, lambda desk: rules.regenerated(desk.body, desk.suggested, desk.case), "刷新建议")


def merge(db: Session, visit_id: UUID, base_version: int, keys: Sequence[str]) -> Review:
    """Makes one line of several."""
    return _write(db, visit_id, base_version, lambda desk: rules.merged(desk.body, keys), "合并结论")


def _write(db: Session, visit_id: UUID, base_version: int, change: Callable[[Desk], Body], reason: str) -> Review:
    desk = sit_down(db, visit_id, lock=True)
    row = _opened(desk)
    rules.REVIEW.move(row.state, "save", "修改主检结论")
    if visits.state_of(db, visit_id) != VisitState.CHIEF:
        raise Refused("chief_review.not_started", "该体检单已退回科室或尚未开始主检,不能修改结论", "请等科室完成后重新开始主检")
    if row.version != base_version:
        raise ReviewConflict(to_review(desk), row.author)
    _add_version(db, desk, change(desk), reason)
    audit.note(db, "chief_review.save", subject=f"visit:{desk.visit.visit_no}", reason=reason)
    return to_review(desk)


def _opened(desk: Desk) -> ReviewRow:
    if desk.row is None:
        raise Refused("chief_review.not_started", "该体检单尚未开始主检", "请先点击“开始主检”")
    return desk.row


def _add_version(db: Session, desk: Desk, body: Body, reason: str) -> None:
    """Stores a version if it differs from the last one in words, deletions or in what it rests on."""
    row, actor, house = _opened(desk), actor_of(db), house_of(db)
    if desk.stored is not None and body == desk.body and desk.stored.basis == desk.basis:
        return
    version = {
        "id": house.ids.new(), "visit_id": desk.visit.id, "number": row.version + 1,
        "parent": desk.stored.id if desk.stored else None, "lines": msgspec.json.encode(body.lines).decode(),
        "is_nothing_abnormal": body.is_nothing_abnormal, "removed": msgspec.json.encode(body.removed).decode(),
        "digest": signing.content_digest(desk.visit.id, body.lines, body.is_nothing_abnormal), "basis": desk.basis,
        "at": house.clock.now(), "actor_id": actor.staff_id, "actor": actor.name, "reason": reason,
    }  # fmt: skip
    insert_rows(db, ReviewVersion, [version])
    if (body.lines, body.is_nothing_abnormal) != (desk.body.lines, desk.body.is_nothing_abnormal) or not row.version:
        row.author_id, row.author = actor.staff_id, actor.name
    row.version += 1
    db.flush()
    desk.stored = db.get_one(ReviewVersion, version["id"])
    desk.body = body


# --- signing ---------------------------------------------------------------------------------------------------------


def sign_first(db: Session, visit_id: UUID, digest: str) -> Review:
    """The first signature (初审) under exactly what was shown; results are locked from now on (T13)."""
    desk = sit_down(db, visit_id, lock=True)
    row = _opened(desk)
    _refuse_signed(desk, FIRST)
    row.state = rules.REVIEW.move(row.state, "sign_first", "初审签名")
    signing.require_shown(digest, desk.shown)
    signing.require_no_block(desk.blocks)
    staff.use_signature(db)
    _sign(db, desk, FIRST)
    results.lock(db, visit_id)
    visits.reach(db, visit_id, Milestone.FIRST_REVIEWED)
    audit.note(db, "chief_review.sign_first", subject=f"visit:{desk.visit.visit_no}")
    return to_review(desk)


def sign_final(db: Session, visit_id: UUID, digest: str) -> Review:
    """The final signature (终审), by another doctor with the needed title, under exactly what was shown (T15)."""
    desk = sit_down(db, visit_id, lock=True)
    row = _opened(desk)
    _refuse_signed(desk, FINAL)
    row.state = rules.REVIEW.move(row.state, "sign_final", "终审签名")
    signing.require_shown(digest, desk.shown)
    require_final_signer(db, desk, row)
    first = desk.standing(FIRST)
    if first is not None:
        signing.require_shown(first.digest, desk.shown)
    signing.require_no_block(desk.blocks)
    staff.use_signature(db)
    _sign(db, desk, FINAL)
    row.is_rereview, row.attention = False, ""
    visits.reach(db, visit_id, Milestone.FINAL_REVIEWED)
    audit.note(db, "chief_review.sign_final", subject=f"visit:{desk.visit.visit_no}")
    announce(db, ReviewFinalized(visit_id, desk.visit.site, row.version))
    return to_review(desk)


def require_releasable(db: Session, visit_id: UUID) -> None:
    """Refuses the release of a report while a blocking check of the gate, or another room, speaks against it."""
    desk = sit_down(db, visit_id)
    signing.require_no_block((*gate.blocks_of(desk.findings), *gate.release_blocks(db, visit_id)))


def _refuse_signed(desk: Desk, level: str) -> None:
    """The second of two doctors who sign at once hears who was first."""
    held = desk.standing(level)
    if held is not None:
        name = "初审" if level == FIRST else "终审"
        raise Refused("chief_review.signed", f"{held.name}已完成{name}签名,未重复签名", "请刷新页面查看最新状态")


def _sign(db: Session, desk: Desk, level: str, undoes: ReviewSignature | None = None, reason: str = "") -> None:
    row, actor, house = _opened(desk), actor_of(db), house_of(db)
    number = (db.scalar(select(func.max(ReviewSignature.number)).where(ReviewSignature.visit_id == desk.visit.id)) or 0) + 1
    signature_id = house.ids.new()
    insert_rows(
        db,
        ReviewSignature,
        [{"id": signature_id, "visit_id": desk.visit.id, "number": number, "level": level,
          "version": undoes.version if undoes else row.version, "digest": undoes.digest if undoes else desk.shown,
          "basis": undoes.basis if undoes else desk.basis, "staff_id": actor.staff_id, "name": actor.name, "title": actor.title,
          "at": house.clock.now(), "undoes": undoes.id if undoes else None, "reason": reason}],
    )  # fmt: skip
    db.flush()
    desk.signatures.append(db.get_one(ReviewSignature, signature_id))
    picture_id = None if undoes else pictures.in_force(db, actor.staff_id)
    if picture_id is not None:
        insert_rows(db, SignedPicture, [{"signature_id": signature_id, "picture_id": picture_id}])
        desk.pictures[signature_id] = picture_id


# --- taking back -----------------------------------------------------------------------------------------------------


def undo_first(db: Session, visit_id: UUID, reason: str) -> Review:
    """Takes the first signature back (撤销初审, 退回主检): the lines may be changed again, departments may be returned to."""
    reason = rules.require_reason(reason, "撤销初审")
    desk = sit_down(db, visit_id, lock=True)
    _undo_first(db, desk, reason)
    audit.note(db, "chief_review.undo_first", subject=f"visit:{desk.visit.visit_no}", reason=reason)
    return to_review(desk)


def _undo_first(db: Session, desk: Desk, reason: str) -> None:
    row = _opened(desk)
    row.state = rules.REVIEW.move(row.state, "undo_first", "撤销初审")
    held = desk.standing(FIRST)
    if held is not None:
        _sign(db, desk, FIRST, held, reason)
    visits.undo(db, desk.visit.id, Milestone.FIRST_REVIEWED, reason)
    results.unlock(db, desk.visit.id)


def undo_final(db: Session, visit_id: UUID, reason: str) -> Review:
    """Takes the final signature back (撤销终审, OTH-2): the first one still stands, and the re-review goes before the others.

    Refused while the report is issued (recall it first); listeners of ReviewReopened may veto.
    """
    reason = rules.require_reason(reason, "撤销终审")
    desk = sit_down(db, visit_id, lock=True)
    row = _opened(desk)
    row.state = rules.REVIEW.move(row.state, "undo_final", "撤销终审")
    held = desk.standing(FINAL)
    if held is not None:
        _sign(db, desk, FINAL, held, reason)
    row.is_rereview, row.attention = True, reason
    visits.undo(db, visit_id, Milestone.FINAL_REVIEWED, reason)
    audit.note(db, "chief_review.undo_final", subject=f"visit:{desk.visit.visit_no}", reason=reason)
    announce(db, ReviewReopened(visit_id, desk.visit.site, reason))
    return to_review(desk)


def return_to_department(db: Session, visit_id: UUID, department: str, reason: str) -> None:
    """Sends one department's record back with a reason (T14); only before the first signature. The lines are kept."""
    reason = rules.require_reason(reason, "退回科室")
    visit = visits.get_row(db, visit_id, lock=True)
    row = db.execute(select(ReviewRow).where(ReviewRow.visit_id == visit_id)).scalar()
    if row is not None:
        rules.REVIEW.move(row.state, "return", "退回科室")
        row.attention = f"已退回科室:{reason}"
    if visits.state_of(db, visit_id) == VisitState.CHIEF:
        visits.undo(db, visit_id, Milestone.CHIEF_STARTED, reason)
    results.return_for_correction(db, visit_id, department, reason)
    audit.note(db, "chief_review.return", subject=f"visit:{visit.visit_no}", reason=reason)


# --- what happens below ----------------------------------------------------------------------------------------------


def on_record_reopened(db: Session, event: RecordReopened) -> None:
    """A department opened its record again: the review falls back until it is signed once more."""
    _fall_back(db, event.visit_id, f"科室撤销审核:{event.reason}", must_reopen=True)


def on_result_stored(db: Session, event: ResultStored) -> None:
    """Values changed under a review: an open one falls back if something is waited for, a first signature no longer
    stands, and a final review is marked for re-review (decision 6)."""
    _fall_back(db, event.visit_id, "科室结果有更正", must_reopen=False)


_HAS_REVIEW = PreparedStatement(select(ReviewRow.visit_id).where(ReviewRow.visit_id == bindparam("of_visit")))


def _fall_back(db: Session, visit_id: UUID, reason: str, *, must_reopen: bool) -> None:
    # Asked at every saving of results, long before there is a review of most visits.
    if _HAS_REVIEW.first(db, of_visit=visit_id) is None:
        return
    row = db.get_one(ReviewRow, visit_id)
    if row.state == ReviewState.FINAL:
        row.is_rereview, row.attention = True, reason
        return
    if row.state == ReviewState.FIRST_SIGNED:
        _undo_first(db, sit_down(db, visit_id, lock=True), reason)
        row.is_rereview, row.attention = True, reason
    lines = [(line.state, line.service_only) for line in orders.lines(db, visit_id)]
    is_waiting = must_reopen or not visit_rules.are_sections_done(lines)
    if is_waiting and visits.state_of(db, visit_id) == VisitState.CHIEF:
        row.attention = reason
        visits.undo(db, visit_id, Milestone.CHIEF_STARTED, reason)

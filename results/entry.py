"""Writing results: enter, verify, take back, receive from outside. Every change is a new version; nothing is overwritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.catalog.facts import ValueType
from exam.kit import audit
from exam.kit.db import insert_rows, update_row
from exam.kit.errors import BadInput, Forbidden, Refused, Stale
from exam.kit.events import announce
from exam.kit.house import Actor, actor_of, house_of
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import Case, Reading
from exam.knowledge.summary_wording import SummaryWording
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineState, Progress
from results import queries, rules, summaries
from results.facts import (
    SUMMARY,
    Change,
    Conflict,
    DeliveredValue,
    DepartmentResult,
    Entered,
    Entry,
    EntryConflict,
    RecordReopened,
    RecordState,
    RecordVerified,
    ResultStored,
    UnseenValues,
    VersionKind,
)
from results.models import Record, Value, Version


@dataclass
class Desk:
    """One department's record of a visit, locked for a change, with what is needed to judge it."""

    found: queries.VisitResults
    record: queries.RecordRow
    sheet: rules.Sheet
    readings: dict[str, Reading]
    name: str
    wording: SummaryWording

    @property
    def draft(self) -> str:
        """What the system would write as summary of the present readings."""
        return summaries.draft_summary(self.name, self.sheet, self.readings, self.wording).text

    def result(self) -> DepartmentResult:
        """The record as other rooms see it, after the change."""
        return queries.result_of(self.found, self.record, self.sheet, self.readings)


def require_department(db: Session, permission: str, department: str) -> Actor:
    """The actor, if the permission holds for this department (科室权限); refuses otherwise."""
    actor = actor_of(db)
    if not actor.serves(permission, department):
        raise Forbidden("results.not_your_department", "您没有该科室的操作权限", "如需使用,请联系安全管理员授予该科室的权限")
    return actor


def sit_down(db: Session, visit_id: UUID, department: str) -> Desk:
    """Locks the visit and loads a department's record for a change: two people at once take turns from here."""
    visits.lock(db, visit_id)
    found = queries.load(db, visit_id, department)
    record = queries.record_of(found, department)
    wording = queries.wording_of(db, found, department)
    return Desk(found, record, found.sheet(department), found.readings(record), found.department_name(department), wording)


# --- entering --------------------------------------------------------------------------------------------------------


def enter(db: Session, visit_id: UUID, department: str, entry: Entry) -> DepartmentResult:
    """Stores what a doctor typed as a new version, merged with what others stored since the screen was shown.

    Raises BadInput with every wrong item, EntryConflict where two people changed the same item. Without any change
    there is no new version.
    """
    return take_in(db, visit_id, department, entry).result


def take_in(db: Session, visit_id: UUID, department: str, entry: Entry) -> Entered:
    """As `enter`; says too which values of somebody else came in with it."""
    require_department(db, "results.enter", department)
    desk = sit_down(db, visit_id, department)
    merged = _enter(db, desk, entry)
    return Entered(desk.result(), merged, _actors_since(db, desk.record, entry.base_version) if merged else "")


def _enter(db: Session, desk: Desk, entry: Entry, *, is_signing: bool = False) -> tuple[Change, ...]:
    rules.require_open_for_entry(desk.found.state, RecordState(desk.record.state))
    problems = rules.entry_problems(desk.sheet, entry.values)
    if not 0 <= entry.base_version <= desk.record.version:
        problems.append(("base_version", "页面所依据的版本不存在,请刷新页面后重试"))
    if problems:
        raise BadInput(problems)
    summary = None
    if entry.summary is not None:
        summary = rules.require_text(entry.summary, rules.LONGEST_SUMMARY, "科室小结", SUMMARY)
    before, shown_draft = desk.draft, entry.shown_draft.strip()
    subject = desk.found.subject()
    theirs = {code: rules.as_written(reading) for code, reading in desk.readings.items()}
    is_stale = entry.base_version != desk.record.version
    base, base_summary = queries.texts_at(db, desk.record, entry.base_version) if is_stale else (theirs, desk.record.summary)
    mine = rules.as_was_written(desk.sheet.items, rules.handed_in(desk.sheet, entry.values, subject), base, theirs)
    merged = rules.merge(base, theirs, mine)
    conflicts = [rules.conflict_of(desk.sheet, each) for each in merged.conflicts]
    if is_stale and summary is not None:
        seen = rules.judged(desk.sheet, {**base, **mine}, subject, desk.readings)
        drafts = ("", before, shown_draft, summaries.draft_summary(desk.name, desk.sheet, seen, desk.wording).text)
        if summary == base_summary or summary in drafts:
            # Left alone; but where only our own words stood, the draft was taken on purpose.
            summary = "" if summary != base_summary and desk.record.summary == base_summary else None
        elif desk.record.summary not in (*drafts, base_summary, summary):
            conflicts.append(Conflict(SUMMARY, "科室小结", (base_summary,), (desk.record.summary,), (summary,)))
    if conflicts:
        raise EntryConflict(tuple(conflicts), merged.changed, desk.record.version, _last_actor(db, desk.record))
    readings = rules.judged(desk.sheet, {**theirs, **merged.changed}, subject, desk.readings)
    drafted = summaries.draft_summary(desk.name, desk.sheet, readings, desk.wording).text
    new_summary = summaries.next_summary(desk.record.summary, before, drafted, summary, shown_draft)
    unseen = _unseen(desk, base, base_summary, theirs, mine, before, new_summary) if is_stale else ()
    if unseen and is_signing:
        raise UnseenValues(unseen, _actors_since(db, desk.record, entry.base_version))
    _store(db, desk, readings, new_summary, VersionKind.ENTERED, base=entry.base_version)
    return unseen


def _unseen(
    desk: Desk, base: Mapping[str, rules.Texts], base_summary: str, theirs: Mapping[str, rules.Texts],
    mine: Mapping[str, rules.Texts], draft: str, summary: str,
) -> tuple[Change, ...]:  # fmt: skip
    """What holds after the entry though the screen did not show it. A formula and a draft follow from the values."""
    items = desk.sheet.items
    taken = [
        code for code in rules.taken_over(base, theirs, mine)
        if code not in items or items[code].value_type is not ValueType.CALCULATED
    ]  # fmt: skip
    was, now = ({code: side.get(code, ()) for code in taken} for side in (base, theirs))
    if summary == desk.record.summary and summary not in ("", draft, base_summary):
        was[SUMMARY], now[SUMMARY] = rules.as_texts(base_summary), (summary,)
    return rules.changes(items, was, now)


def _actors_since(db: Session, record: queries.RecordRow, number: int) -> str:
    """Who else stored versions after that number; ourselves when it was nobody else, in another window."""
    listed = select(Version.actor).where(Version.record_id == record.id, Version.number > number).order_by(Version.number)
    names = list(dict.fromkeys(db.scalars(listed)))
    return "、".join([name for name in names if name != actor_of(db).name] or names)


def _last_actor(db: Session, record: queries.RecordRow) -> str:
    version = db.get(Version, record.version_id) if record.version_id else None
    return version.actor if version else ""


def _store(
    db: Session, desk: Desk, readings: dict[str, Reading], summary: str, kind: VersionKind, *, base: int,
    delivered: frozenset[str] = frozenset(), reason: str = "",
) -> bool:  # fmt: skip
    """Writes a version with its values if anything differs, moves lines, tells others. Returns whether it did."""
    record = desk.record
    changed = tuple(code for code in readings.keys() | desk.readings.keys() if readings.get(code) != desk.readings.get(code))
    if not changed and summary == record.summary:
        return False
    if kind == VersionKind.ENTERED:
        record.state = rules.RECORD.move(record.state, "save", "暂存")
    elif record.state == RecordState.OPEN:
        record.state = RecordState.SAVED
    rows_before = desk.found.values.get(record.values_id, {}) if record.values_id else {}
    record.summary = summary
    version_id = house_of(db).ids.new()
    _add_version(db, record, version_id, kind, base=base, values_id=version_id, reason=reason)
    rows = [
        _row(version_id, record.visit_id, reading, code in delivered or _was_delivered(rows_before, code, changed))
        for code, reading in readings.items()
    ]
    insert_rows(db, Value, rows)
    desk.readings = readings
    _move_lines(db, desk)
    audit.note(db, "results.enter", subject=f"visit:{desk.found.visit.visit_no}", reason=reason)
    order = {code: place for place, code in enumerate(desk.sheet.items)}
    items = tuple(sorted(changed, key=lambda code: order.get(code, len(order))))
    db.info[queries.STORED] = Case(
        desk.found.subject(rules.history_of(readings)), desk.found.visit.exam_on, readings, is_partial=True,
        complete=queries.own_items(db, desk.found, record.department),
    )  # fmt: skip
    announce(db, ResultStored(record.visit_id, record.site, record.department, record.version, items))
    return True


def _was_delivered(rows: Mapping[str, Any], code: str, changed: Sequence[str]) -> bool:
    return code not in changed and code in rows and rows[code].judged_by == "delivered"


def _row(version_id: UUID, visit_id: UUID, reading: Reading, is_delivered: bool) -> dict[str, Any]:
    return {
        "version_id": version_id, "item_code": reading.item, "visit_id": visit_id, "raw": reading.raw, "raw_unit": reading.raw_unit,
        "choices": msgspec.json.encode(reading.choices).decode() if reading.choices else "", "comparator": reading.comparator,
        "number_text": "" if reading.number is None else f"{reading.number:f}", "unit": reading.unit, "flag": reading.flag.value,
        "range_text": reading.range_text, "low": "" if reading.low is None else f"{reading.low:f}",
        "high": "" if reading.high is None else f"{reading.high:f}", "judged_by": "delivered" if is_delivered else "catalog",
        "why": reading.why,
    }  # fmt: skip


def _add_version(
    db: Session, record: queries.RecordRow, version_id: UUID, kind: VersionKind, *, base: int, values_id: UUID, reason: str = "",
    actor_name: str = "",
) -> None:  # fmt: skip
    actor, now = actor_of(db), house_of(db).clock.now()
    number, parent = record.version + 1, record.version_id
    insert_rows(
        db,
        Version,
        [{"id": version_id, "record_id": record.id, "visit_id": record.visit_id, "number": number, "parent": parent, "base": base,
          "values_id": values_id, "summary": record.summary, "at": now, "actor_id": actor.staff_id,
          "actor": actor_name or actor.name, "reason": reason, "kind": kind.value}],
    )  # fmt: skip
    record.version, record.version_id, record.values_id = number, version_id, values_id
    _save_record(db, record)


def _save_record(db: Session, record: queries.RecordRow) -> None:
    record.ver = update_row(db, Record, vars(record))["ver"]


def _move_lines(db: Session, desk: Desk) -> None:
    """Brings the order lines up to what was entered: resulted, started, or back."""
    targets = rules.line_targets(desk.found.catalogue, desk.sheet, desk.readings)
    state = {line.id: line.state for line in desk.sheet.lines}
    visit_id = desk.record.visit_id
    not_whole = [each for each, target in targets.items() if target != "all" and state[each] == LineState.RESULTED]
    emptied = [each for each, target in targets.items() if target == "none" and state[each] == LineState.STARTED]
    if not_whole:
        orders.withdraw(db, visit_id, not_whole, (Progress.RESULTED,), "结果已更改")
    if emptied:
        orders.withdraw(db, visit_id, emptied, (Progress.STARTED,), "结果已清空")
    settled = (LineState.RESULTED, LineState.CONFIRMED)
    whole = [each for each, target in targets.items() if target == "all" and state[each] not in settled]
    if whole:
        orders.progress(db, visit_id, whole, Progress.RESULTED)
    part = [each for each, target in targets.items() if target == "some"]
    begun = [line.id for line in orders.lines(db, visit_id) if line.id in part and line.state in _NOT_BEGUN] if part else []
    if begun:
        orders.progress(db, visit_id, begun, Progress.STARTED)


_NOT_BEGUN = (LineState.PENDING, LineState.POSTPONED)


# --- signing and taking back -----------------------------------------------------------------------------------------


def verify(db: Session, visit_id: UUID, department: str, seen_version: int) -> DepartmentResult:
    """Signs a department's record (T10): complete, with a summary, and exactly the version that the doctor saw."""
    require_department(db, "results.verify", department)
    desk = sit_down(db, visit_id, department)
    if desk.record.version != seen_version:
        raise Stale(f"本科室结果已被{_last_actor(db, desk.record) or '他人'}修改,您看到的不是最新内容", "请核对最新结果后再审核")
    _verify(db, desk)
    return desk.result()


def finish(db: Session, visit_id: UUID, department: str, entry: Entry) -> DepartmentResult:
    """Stores what was typed and signs it, in one act. Raises UnseenValues where a signature would also stand under values of
    somebody else that the screen did not show (T10); nothing is stored then."""
    require_department(db, "results.enter", department)
    require_department(db, "results.verify", department)
    desk = sit_down(db, visit_id, department)
    _enter(db, desk, entry, is_signing=True)
    _verify(db, desk)
    return desk.result()


def _verify(db: Session, desk: Desk, signed_by: str = "") -> None:
    rules.require_open_for_entry(desk.found.state, RecordState(desk.record.state), "审核")
    rules.require_complete(desk.sheet, desk.readings)
    record, actor = desk.record, actor_of(db)
    record.state = rules.RECORD.move(record.state, "verify", "审核")
    record.summary = record.summary or desk.draft
    summaries.require_honest_summary(desk.name, record.summary, desk.sheet.items, desk.readings, desk.wording)
    record.doctor_id, record.doctor = (None, signed_by) if signed_by else (actor.staff_id, actor.name)
    record.verified_at = house_of(db).clock.now()
    version_id = house_of(db).ids.new()
    _add_version(
        db, record, version_id, VersionKind.VERIFIED, base=record.version, values_id=record.values_id or version_id,
        actor_name=signed_by,
    )  # fmt: skip
    targets = rules.line_targets(desk.found.catalogue, desk.sheet, desk.readings)
    orders.progress(db, record.visit_id, [each for each, target in targets.items() if target == "all"], Progress.CONFIRMED)
    audit.note(db, "results.verify", subject=f"visit:{desk.found.visit.visit_no}")
    announce(db, RecordVerified(record.visit_id, record.site, record.department, record.version))


def reopen(db: Session, visit_id: UUID, department: str, reason: str) -> DepartmentResult:
    """A doctor of the department takes the signature back, with a reason (OTH-1), while the chief has not locked it."""
    require_department(db, "results.reopen", department)
    desk = sit_down(db, visit_id, department)
    if desk.record.state == RecordState.LOCKED:
        rules.require_not_closed(desk.found.state, "撤销审核")
        raise Refused("results.locked", "主检已引用本科室结果,不能撤销审核", "请联系主检医师退回本科室")
    _reopen(db, desk, "reopen", "撤销审核", reason)
    audit.note(db, "results.reopen", subject=f"visit:{desk.found.visit.visit_no}", reason=reason.strip())
    return desk.result()


def return_for_correction(db: Session, visit_id: UUID, department: str, reason: str) -> DepartmentResult:
    """The chief sends a department's record back (T14). The chief's room asks for the permission."""
    desk = sit_down(db, visit_id, department)
    _reopen(db, desk, "return", "退回", reason)
    audit.note(db, "results.return_for_correction", subject=f"visit:{desk.found.visit.visit_no}", reason=reason.strip())
    return desk.result()


def _reopen(db: Session, desk: Desk, action: str, label: str, reason: str) -> None:
    rules.require_not_closed(desk.found.state, label)
    if not reason.strip():
        raise Refused("results.reason_missing", f"{label}必须填写原因", "请填写原因", "reason")
    reason = rules.require_text(reason, rules.LONGEST_REASON, "原因", "reason")
    record = desk.record
    record.state = rules.RECORD.move(record.state, action, label)
    record.doctor_id, record.doctor, record.verified_at = None, "", None
    version_id = house_of(db).ids.new()
    _add_version(
        db, record, version_id, VersionKind.REOPENED, base=record.version, values_id=record.values_id or version_id, reason=reason
    )
    confirmed = [line.id for line in desk.sheet.lines if line.state == LineState.CONFIRMED]
    if confirmed:
        orders.withdraw(db, record.visit_id, confirmed, (Progress.CONFIRMED,), reason)
    announce(db, RecordReopened(record.visit_id, record.site, record.department, reason))


def reopen_for_new_lines(db: Session, visit_id: UUID, department: str, reason: str) -> None:
    """A signed record of which something is waited for again (加项, 弃检恢复) is opened by itself."""
    desk = sit_down(db, visit_id, department)
    if desk.record.state == RecordState.VERIFIED:
        _reopen(db, desk, "reopen", "撤销审核", reason)


# --- from outside ----------------------------------------------------------------------------------------------------


def receive(
    db: Session, visit_id: UUID, department: str, delivered: Sequence[DeliveredValue], *, signed_by: str = "", reason: str = ""
) -> DepartmentResult:
    """Stores what a laboratory or device delivered, as a version of its own kind, at once and whatever the visit's state.

    Values are judged in their own unit by their own range. With `signed_by`, the name of who confirmed them outside, a
    complete record is signed in that name; a correction of a signed record keeps it signed (decision 6: the chief's room
    hears of it by ResultStored and reviews again).
    """
    desk = sit_down(db, visit_id, department)
    rules.require_arrived(desk.found.state)
    problems = rules.entry_problems(desk.sheet, {each.item: each.raw for each in delivered}, is_delivered=True)
    if problems:
        raise BadInput(problems)
    subject = desk.found.subject()
    readings = dict(desk.readings)
    for each in delivered:
        item = desk.sheet.items[each.item]
        readings[each.item] = knowledge.judge(item, each.raw, each.unit, subject, each.lab_range)
    readings = {code: reading for code, reading in readings.items() if rules.has_value(reading)}
    readings = rules.with_computed(desk.sheet, readings, subject)
    drafted = summaries.draft_summary(desk.name, desk.sheet, readings, desk.wording).text
    summary = summaries.next_summary(desk.record.summary, desk.draft, drafted, None)
    is_signed = desk.record.state in (RecordState.VERIFIED, RecordState.LOCKED)
    if (is_signed or signed_by) and summaries.summary_problem(
        desk.name, summary, desk.sheet.items, readings, desk.wording
    ):
        # Nobody stands at a screen to put the words right, and they must not contradict the values under a signature.
        summary = drafted
    own_range = frozenset(each.item for each in delivered if each.lab_range is not None)
    kept_reason = rules.plain(reason)[: rules.LONGEST_REASON]
    _store(db, desk, readings, summary, VersionKind.IMPORTED, base=desk.record.version, delivered=own_range, reason=kept_reason)
    if is_signed:
        _confirm_whole_lines(db, visit_id, department)
    if signed_by and not is_signed and readings and not rules.missing_items(desk.sheet, readings):
        _verify(db, desk, signed_by)
    # Read anew: a review that heard of the correction may have unlocked the record meanwhile.
    return queries.department_result(db, visit_id, department)


def _confirm_whole_lines(db: Session, visit_id: UUID, department: str) -> None:
    """A line that became whole under a signature that stands is confirmed with it: nobody will sign it again."""
    whole = [line.id for line in orders.lines_of_department(db, visit_id, department) if line.state == LineState.RESULTED]
    if whole:
        orders.progress(db, visit_id, whole, Progress.CONFIRMED)

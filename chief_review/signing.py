"""Who may sign a review and what stands in the way, and the digests that a signature is under. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

import msgspec

from chief_review.facts import Block, Body, ConclusionLine, Signature
from chief_review.rules import SERIOUS_CATEGORIES, outdated_lines, uncovered_readings
from exam.kit.errors import Refused
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import Case, Reading, Suggestion
from exam.staff.rules import is_senior
from results.facts import DepartmentResult, RecordState

_SIGNED = (RecordState.VERIFIED, RecordState.LOCKED)


def signing_blocks(
    body: Body, case: Case, departments: Sequence[DepartmentResult], suggestions: Sequence[Suggestion], *, is_nothing_allowed: bool
) -> tuple[Block, ...]:
    """Everything that stands in the way of a signature, each with its remedy (T13, decision 22)."""
    found: list[Block] = []
    unsigned = [each.department_name for each in departments if each.is_expected and each.state not in _SIGNED]
    if unsigned:
        text = f"以下科室尚未审核:{'、'.join(unsigned)}"
        found.append(Block("chief_review.departments_open", text, "请科室完成审核,或由前台办理拒检、延期"))
    uncovered = uncovered_readings(body.lines, case)
    if uncovered:
        names = ";".join(knowledge.finding_text(each) for each in uncovered[:12])
        more = f"等 {len(uncovered)} 项" if len(uncovered) > 12 else ""
        text = f"以下异常结果没有对应结论:{names}{more}"
        found.append(Block("chief_review.uncovered", text, "请补充结论,或将其归入已有结论"))
    outdated = outdated_lines(body.lines, suggestions, case)
    if outdated:
        names = "、".join(f"“{line.text[:40]}”" for line in outdated[:6])
        more = f"等 {len(outdated)} 条" if len(outdated) > 6 else ""
        text = f"以下结论的依据已变化:{names}{more}"
        found.append(Block("chief_review.outdated", text, "请逐条删除、采用最新建议,或填写原因后保留"))
    if body.is_nothing_abnormal:
        serious = [line.text for line in body.lines if line.category in SERIOUS_CATEGORIES]
        if serious:
            text = f"已勾选“未见明显异常”,但仍有异常结论:{serious[0]}"
            found.append(Block("chief_review.nothing_contradicts", text, "请取消勾选,或删除该结论"))
        if not is_nothing_allowed:
            found.append(Block("chief_review.nothing_refused", "存在异常结果,不能下“未见明显异常”", "请取消勾选并填写结论"))
    elif not body.lines:
        found.append(Block("chief_review.no_line", "没有任何结论", "请填写结论,或明确勾选“未见明显异常”"))
    return tuple(found)


def require_no_block(blocks: Sequence[Block]) -> None:
    """Refuses to sign while anything stands in the way, and names every reason."""
    if blocks:
        raise Refused(blocks[0].code, ";".join(each.text for each in blocks), ";".join(dict.fromkeys(each.hint for each in blocks)))


def require_shown(shown: str, current: str) -> None:
    """Refuses a signature under something else than what the screen showed (AT-45)."""
    if shown != current:
        text = "内容已变化,与您看到的不一致:结论或检查结果在您打开页面后有修改"
        raise Refused("chief_review.digest_changed", text, "请核对最新内容后再签名")


def require_final_signer(staff_id: UUID | None, title: str, author_id: UUID | None, first: Signature | None) -> None:
    """Refuses a final signature by the author or first signer, or without 副高 title (T15, 健康体检管理暂行规定 第十六条)."""
    if staff_id is None or (first is not None and staff_id == first.staff_id):
        text = "您已完成初审签名,终审医师不能与主检(初审)医师为同一人"
        raise Refused("chief_review.same_doctor", text, "请由另一位副主任医师以上职称的医师终审")
    if staff_id == author_id:
        text = "您修改过这份主检结论,不能再作终审签名"
        raise Refused("chief_review.same_doctor", text, "请由另一位未修改过结论的副主任医师以上职称的医师终审")
    if not is_senior(title):
        shown = title or "无"
        text = f"终审需要副主任医师及以上职称,您的职称为“{shown}”"
        raise Refused("chief_review.title_too_low", text, "请由副主任医师或主任医师终审")


# --- digests ---------------------------------------------------------------------------------------------------------


def content_digest(visit_id: UUID, lines: Sequence[ConclusionLine], is_nothing_abnormal: bool) -> str:
    """SHA-256 over what a version says: the visit, the lines in order with all their parts, and the explicit statement."""
    return hashlib.sha256(msgspec.json.encode([str(visit_id), list(lines), is_nothing_abnormal])).hexdigest()


def basis_digest(departments: Sequence[DepartmentResult]) -> str:
    """SHA-256 over the results that a review rests on: values, flags and ranges, and every department's summary."""
    told = [[each.department, each.summary, [_told(reading) for reading in each.readings]] for each in departments]
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


def _told(reading: Reading) -> list[object]:
    number = None if reading.number is None else f"{reading.number:f}"
    value = [reading.item, reading.raw, reading.comparator, number, reading.unit, list(reading.choices)]
    return [*value, reading.flag.value, reading.range_text]


def shown_digest(content: str, basis: str) -> str:
    """SHA-256 over what the screen shows: what the review says and what it rests on. This is what a doctor signs."""
    return hashlib.sha256(f"{content}:{basis}".encode()).hexdigest()

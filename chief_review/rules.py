"""What a review may say and who may sign it: editing lines, regenerating them (M16), what blocks signing, digests."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from chief_review.facts import (
    REVIEW_STATE_NAMES,
    Block,
    Body,
    ConclusionLine,
    EditedLine,
    Signature,
)
from exam.kit.errors import BadInput, Refused
from exam.kit.states import StateTable
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import Case, Reading, Suggestion
from exam.staff.rules import is_senior
from results.facts import DepartmentResult, RecordState

REVIEW = StateTable(
    "review",
    {
        ("open", "save"): "open",
        ("open", "return"): "open",
        ("open", "sign_first"): "first_signed",
        ("first_signed", "undo_first"): "open",
        ("first_signed", "sign_final"): "final",
        ("final", "undo_final"): "first_signed",
    },
    {str(state): name for state, name in REVIEW_STATE_NAMES.items()},
)

LONGEST_TEXT = 300
LONGEST_ADVICE = 2_000
LONGEST_REASON = 500
MOST_LINES = 200
MERGED_BY = ";"

SERIOUS_CATEGORIES = frozenset({"疾病", "高危", "异常"})
_CATEGORY_WEIGHT = {"疾病": 0, "高危": 1, "异常": 2, "提示": 3, "正常变异": 4}

_SIGNED = (RecordState.VERIFIED, RecordState.LOCKED)


# --- lines -----------------------------------------------------------------------------------------------------------


def line_of(suggestion: Suggestion) -> ConclusionLine:
    """A suggestion as a line that nobody has touched."""
    return ConclusionLine(
        key=suggestion.key, text=suggestion.text, category=suggestion.category, severity=suggestion.severity,
        advice=suggestion.advice, lifestyle=suggestion.lifestyle, specialist=suggestion.specialist, because=suggestion.because,
        covers=suggestion.covers, covers_choices=suggestion.covers_choices,
    )  # fmt: skip


def first_body(suggestions: Sequence[Suggestion]) -> Body:
    """What a review says before anybody touched it: every suggestion in the order of the report."""
    return Body(lines=tuple(line_of(each) for each in suggestions))


def is_outdated(line: ConclusionLine, suggestions: Mapping[str, Suggestion]) -> bool:
    """Whether the findings that a line was made of are gone, while a doctor's words keep it (shown, never dropped: M16)."""
    return line.origin in ("merged", "reworded") and not any(key in suggestions for key in _sources(line) if not _is_manual(key))


def _sources(line: ConclusionLine) -> tuple[str, ...]:
    return line.parts or (line.key,)


def _is_manual(key: str) -> bool:
    return key.startswith("manual:")


def edited(body: Body, handed_in: Sequence[EditedLine | ConclusionLine], suggestions: Sequence[Suggestion], case: Case) -> Body:
    """The body after an editor handed in its lines in their order: additions, rewordings, removals, restored suggestions.

    Reasons and what a line answers for come from the body before or from the suggestions, never from the editor.
    """
    _require_texts(handed_in)
    before = {line.key: line for line in body.lines}
    suggested = {each.key: each for each in suggestions}
    number = max((int(key[7:]) for key in _all_keys(body) if _is_manual(key) and key[7:].isdigit()), default=0)
    lines: list[ConclusionLine] = []
    for each in handed_in:
        known = before.get(each.key) or (line_of(suggested[each.key]) if each.key in suggested else None)
        if known is None and each.key:
            raise Refused("chief_review.unknown_line", "提交的结论中有一条已不存在", "请刷新页面后重新修改", "text")
        if known is None:
            number += 1
            known = ConclusionLine(key=f"manual:{number}", text="", origin="manual")
            known = attached(known, each.covers, case)
        lines.append(_reworded(known, each))
    keys = [line.key for line in lines]
    if len(set(keys)) != len(keys):
        raise Refused("chief_review.line_twice", "同一条结论提交了两次", "请刷新页面后重新修改", "text")
    gone = [key for line in body.lines if line.key not in keys for key in _sources(line) if not _is_manual(key)]
    back = {key for line in lines for key in _sources(line)}
    removed = tuple(key for key in dict.fromkeys((*body.removed, *gone)) if key not in back)
    return Body(lines=tuple(lines), is_nothing_abnormal=body.is_nothing_abnormal, removed=removed)


def _all_keys(body: Body) -> list[str]:
    return [key for line in body.lines for key in (line.key, *line.parts)] + list(body.removed)


def _reworded(line: ConclusionLine, words: EditedLine | ConclusionLine) -> ConclusionLine:
    new = msgspec.structs.replace(
        line, text=" ".join(words.text.split()), category=words.category, severity=words.severity, advice=_paragraph(words.advice),
        lifestyle=_paragraph(words.lifestyle), specialist=words.specialist.strip(),
    )  # fmt: skip
    if new == line or line.origin != "rule":
        return new
    return msgspec.structs.replace(new, origin="reworded")


def _paragraph(text: str) -> str:
    return "\n".join(part.rstrip() for part in text.replace("\r\n", "\n").strip().split("\n"))


def _require_texts(lines: Sequence[EditedLine | ConclusionLine]) -> None:
    if len(lines) > MOST_LINES:
        raise Refused("chief_review.too_many_lines", f"结论超过 {MOST_LINES} 条", "请合并或删除部分结论", "text")
    problems: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.text.strip():
            problems.append(("text", f"第 {number} 条结论没有内容"))
        for field, label, most in (
            ("text", "结论", LONGEST_TEXT), ("advice", "建议", LONGEST_ADVICE), ("lifestyle", "生活指导", LONGEST_ADVICE),
            ("specialist", "就诊科室", LONGEST_TEXT),
        ):  # fmt: skip
            written = getattr(line, field)
            if len(written) > most:
                problems.append((field, f"第 {number} 条{label}超过 {most} 字"))
            if not is_plain(written):
                problems.append((field, f"第 {number} 条{label}含有不能保存的控制字符"))
    if problems:
        raise BadInput(problems, code="chief_review.lines")


def is_plain(text: str) -> bool:
    """Whether a text holds no control characters and no halves of surrogate pairs, which databases cannot keep."""
    return all(each in "\n\r\t" or unicodedata.category(each) not in ("Cc", "Cs") for each in text)


def require_reason(reason: str, label: str) -> str:
    """A reason as it is stored; refuses an empty, overlong or unprintable one."""
    text = reason.strip()
    if not text:
        raise Refused("chief_review.reason_missing", f"{label}必须填写原因", "请填写原因", "reason")
    if len(text) > LONGEST_REASON or not is_plain(text):
        raise Refused("chief_review.reason", f"原因过长或含有控制字符(最多 {LONGEST_REASON} 字)", "请修改后重试", "reason")
    return text


def attached(line: ConclusionLine, items: Iterable[str], case: Case) -> ConclusionLine:
    """The line answering for further flagged items of today, with every abnormal choice that they have now."""
    new = [case.readings[code] for code in dict.fromkeys(items) if code in case.readings and code not in line.attached]
    new = [reading for reading in new if reading.flag in knowledge.OUTSTANDING]
    if not new:
        return line
    pairs = [(reading.item, choice) for reading in new for choice in reading.abnormal]
    return msgspec.structs.replace(
        line,
        attached=(*line.attached, *(reading.item for reading in new)),
        covers=_joined(line.covers, [reading.item for reading in new]),
        covers_choices=tuple(dict.fromkeys((*line.covers_choices, *pairs))),
        origin="reworded" if line.origin == "rule" else line.origin,
    )


def _joined(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def merged(body: Body, keys: Sequence[str]) -> Body:
    """Two or more lines become one at the place of the first: keys, reasons and what they answer for are joined."""
    chosen = [line for line in body.lines if line.key in keys]
    if len(chosen) < 2:
        raise Refused("chief_review.merge_two", "合并至少需要选择两条结论", "请先勾选要合并的结论", "chosen")
    parts = tuple(dict.fromkeys(key for line in chosen for key in _sources(line)))
    one = ConclusionLine(
        key="+".join(parts), parts=parts, origin="merged",
        text=_texts([line.text for line in chosen]),
        category=min((line.category for line in chosen), key=lambda name: _CATEGORY_WEIGHT.get(name, 2)),
        severity=max(line.severity for line in chosen),
        advice=_texts([line.advice for line in chosen]), lifestyle=_texts([line.lifestyle for line in chosen]),
        specialist=_texts([line.specialist for line in chosen], "/"),
        because=tuple(dict.fromkeys(each for line in chosen for each in line.because)),
        covers=_joined((), [item for line in chosen for item in line.covers]),
        covers_choices=tuple(dict.fromkeys(pair for line in chosen for pair in line.covers_choices)),
        attached=_joined((), [item for line in chosen for item in line.attached]),
    )  # fmt: skip
    if len(one.text) > LONGEST_TEXT:
        raise Refused("chief_review.merge_long", f"合并后的结论超过 {LONGEST_TEXT} 字", "请先精简各条结论的文字", "chosen")
    lines = tuple(one if line is chosen[0] else line for line in body.lines if line is chosen[0] or line not in chosen)
    return msgspec.structs.replace(body, lines=lines)


def _texts(texts: Sequence[str], separator: str = MERGED_BY) -> str:
    return separator.join(dict.fromkeys(text for text in texts if text))


def restored(body: Body, key: str, suggestions: Sequence[Suggestion]) -> Body:
    """A deleted suggestion comes back, at its suggested place."""
    if key not in {each.key for each in suggestions}:
        raise Refused("chief_review.not_suggested", "该条建议已不再适用", "请刷新页面查看最新建议")
    return regenerated(msgspec.structs.replace(body, removed=tuple(each for each in body.removed if each != key)), suggestions)


def covered(body: Body, item: str, case: Case) -> Body:
    """A new line in the plainest words for one flagged item."""
    reading = case.readings.get(item)
    if reading is None or reading.flag not in knowledge.OUTSTANDING:
        raise Refused("chief_review.not_flagged", "该项目没有异常结果", "请刷新页面查看最新结果")
    number = max((int(key[7:]) for key in _all_keys(body) if _is_manual(key) and key[7:].isdigit()), default=0) + 1
    line = ConclusionLine(
        key=f"manual:{number}", text=knowledge.plain_line(reading)[:LONGEST_TEXT], advice="结合临床,必要时复查", origin="manual",
    )  # fmt: skip
    return msgspec.structs.replace(body, lines=(*body.lines, attached(line, [item], case)))


def attached_to(body: Body, item: str, keys: Sequence[str], case: Case) -> Body:
    """One flagged item goes under a line that is there already."""
    if len(keys) != 1 or keys[0] not in {line.key for line in body.lines}:
        raise Refused("chief_review.attach_one", "请先勾选一条结论,再把异常项目归入该条", "在结论左侧勾选一条", "chosen")
    lines = tuple(attached(line, [item], case) if line.key == keys[0] else line for line in body.lines)
    return msgspec.structs.replace(body, lines=lines)


def regenerated(body: Body, suggestions: Sequence[Suggestion]) -> Body:
    """The body brought up to new suggestions (M16): untouched lines follow them, a doctor's own stay, deleted ones stay away.

    The order stays as the doctor left it; a new suggestion goes behind the one that precedes it in the suggested order.
    """
    by_key = {each.key: each for each in suggestions}
    lines = [_refreshed(line, by_key) for line in body.lines if line.origin != "rule" or line.key in by_key]
    held = {key for line in lines for key in _sources(line)}
    for place, suggestion in enumerate(suggestions):
        if suggestion.key in held or suggestion.key in body.removed:
            continue
        before = {each.key for each in suggestions[:place]}
        after = max((n for n, line in enumerate(lines, 1) if before & set(_sources(line))), default=0)
        lines.insert(after, line_of(suggestion))
    return msgspec.structs.replace(body, lines=tuple(lines))


def _refreshed(line: ConclusionLine, suggestions: Mapping[str, Suggestion]) -> ConclusionLine:
    found = [suggestions[key] for key in _sources(line) if key in suggestions]
    if line.origin == "rule":
        return line_of(found[0])
    kept = [pair for pair in line.covers_choices if pair[0] in line.attached]
    return msgspec.structs.replace(
        line,
        covers=_joined([item for each in found for item in each.covers], line.attached),
        covers_choices=tuple(dict.fromkeys([*(pair for each in found for pair in each.covers_choices), *kept])),
        because=tuple(dict.fromkeys(why for each in found for why in each.because)) or line.because,
    )


# --- acts of the editor ----------------------------------------------------------------------------------------------


def acted(body: Body, act: str, chosen: Sequence[str], case: Case, suggestions: Sequence[Suggestion]) -> Body:
    """What a button of the editor makes of the lines that were just handed in.

    `save`, `merge` (the chosen lines), `regenerate`, `restore:KEY`, `cover:ITEM`, `attach:ITEM` (to the chosen line).
    """
    verb, _, argument = act.partition(":")
    match verb:
        case "save":
            return body
        case "merge":
            return merged(body, chosen)
        case "regenerate":
            return regenerated(body, suggestions)
        case "restore":
            return restored(body, argument, suggestions)
        case "cover":
            return covered(body, argument, case)
        case "attach":
            return attached_to(body, argument, chosen, case)
    raise Refused("chief_review.unknown_act", "不能识别的操作", "请刷新页面后重试")


# --- signing ---------------------------------------------------------------------------------------------------------


def uncovered_readings(lines: Sequence[ConclusionLine], case: Case) -> tuple[Reading, ...]:
    """The flagged readings that no line answers for (decision 22)."""
    answers = tuple(
        Suggestion(line.key, line.text, line.category, line.severity, covers=line.covers, covers_choices=line.covers_choices)
        for line in lines
    )
    return tuple(case.readings[code] for code in knowledge.uncovered_items(case, answers))


def signing_blocks(
    body: Body, case: Case, departments: Sequence[DepartmentResult], *, is_nothing_allowed: bool
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
        text = "您看到的内容与当前内容不一致:结论或检查结果在您打开页面后有变化"
        raise Refused("chief_review.digest_changed", text, "请核对最新内容后再签名")


def require_final_signer(staff_id: UUID | None, title: str, author_id: UUID | None, first: Signature | None) -> None:
    """Refuses a final signature by the author or first signer, or without 副高 title (T15, 健康体检管理暂行规定 第十六条)."""
    if staff_id is None or staff_id == author_id or (first is not None and staff_id == first.staff_id):
        text = "终审医师不能与主检(初审)医师为同一人"
        raise Refused("chief_review.same_doctor", text, "请由另一位副主任医师以上职称的医师终审")
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

"""What a review may say: editing lines, regenerating them (M16), lines whose findings have changed, what has no line."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from chief_review.facts import (
    REVIEW_STATE_NAMES,
    Body,
    ConclusionLine,
    EditedLine,
    Kept,
)
from exam.kit.clock import local
from exam.kit.errors import BadInput, Refused
from exam.kit.states import StateTable
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import Because, Case, Reading, Suggestion

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

_Told = tuple[str, tuple[str, ...], tuple[str, ...]]

SERIOUS_CATEGORIES = frozenset({"疾病", "高危", "异常"})
_CATEGORY_WEIGHT = {"疾病": 0, "高危": 1, "异常": 2, "提示": 3, "正常变异": 4}


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


def is_outdated(line: ConclusionLine, suggestions: Mapping[str, Suggestion], case: Case) -> bool:
    """Whether a line rests on findings that are not there any more: one of its sources is no longer suggested, or one of its
    reasons no longer holds. It is shown and never dropped (M16), but nobody signs it before it was renewed, or expressly kept."""
    now = _reasons_now(line, suggestions, case)
    if all(key in suggestions for key in _sources(line) if not _is_manual(key)) and {_told_reason(each) for each in line.because} <= now:
        return False
    return line.kept is None or line.kept.against != _reasons_digest(now)


def outdated_lines(lines: Iterable[ConclusionLine], suggestions: Sequence[Suggestion], case: Case) -> tuple[ConclusionLine, ...]:
    """The lines that stand in the way of a signature because their findings have changed."""
    by_key = {each.key: each for each in suggestions}
    return tuple(line for line in lines if is_outdated(line, by_key, case))


def _reasons(line: ConclusionLine, suggestions: Mapping[str, Suggestion], case: Case) -> tuple[Because, ...]:
    """The reasons that a line has now: of its sources that are still suggested, and of what was put under it by hand."""
    found = [why for key in _sources(line) if key in suggestions for why in suggestions[key].because]
    own = [_plain_reason(case.readings[item]) for item in line.attached if item in case.readings]
    return tuple(dict.fromkeys((*found, *own)))


def _reasons_now(line: ConclusionLine, suggestions: Mapping[str, Suggestion], case: Case) -> frozenset[_Told]:
    return frozenset(_told_reason(each) for each in _reasons(line, suggestions, case))


def _told_reason(why: Because) -> _Told:
    """A reason without its rule's version: another wording of the book changes no finding."""
    return why.rule, why.items, why.evidence


def _reasons_digest(now: Iterable[_Told]) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted(now))).hexdigest()


def _plain_reason(reading: Reading) -> Because:
    return Because("plain", 1, (reading.item,), (knowledge.finding_text(reading),))


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
        lines.append(_reworded(known, each, suggested, case))
    keys = [line.key for line in lines]
    if len(set(keys)) != len(keys):
        raise Refused("chief_review.line_twice", "同一条结论提交了两次", "请刷新页面后重新修改", "text")
    gone = [key for line in body.lines if line.key not in keys for key in _sources(line) if not _is_manual(key)]
    back = {key for line in lines for key in _sources(line)}
    removed = tuple(key for key in dict.fromkeys((*body.removed, *gone)) if key not in back)
    return Body(lines=tuple(lines), is_nothing_abnormal=body.is_nothing_abnormal, removed=removed)


def _all_keys(body: Body) -> list[str]:
    return [key for line in body.lines for key in (line.key, *line.parts)] + list(body.removed)


def _reworded(
    line: ConclusionLine, words: EditedLine | ConclusionLine, suggestions: Mapping[str, Suggestion], case: Case
) -> ConclusionLine:
    """The line in the editor's words. Who rewrites a line sees the present findings: where all its sources are still there it
    is brought up to date with that."""
    new = msgspec.structs.replace(
        line, text=" ".join(words.text.split()), category=words.category, severity=words.severity, advice=_paragraph(words.advice),
        lifestyle=_paragraph(words.lifestyle), specialist=words.specialist.strip(),
    )  # fmt: skip
    if new == line:
        return new
    new = msgspec.structs.replace(_not_kept(new), origin="reworded" if line.origin == "rule" else line.origin)
    if any(key not in suggestions for key in _sources(line) if not _is_manual(key)):
        return new
    return msgspec.structs.replace(new, because=_reasons(line, suggestions, case))


def _paragraph(text: str) -> str:
    return "\n".join(part.rstrip() for part in text.replace("\r\n", "\n").strip().split("\n"))


def _require_texts(lines: Sequence[EditedLine | ConclusionLine]) -> None:
    if len(lines) > MOST_LINES:
        raise Refused("chief_review.too_many_lines", f"结论超过 {MOST_LINES} 条", "请合并或删除部分结论", "text")
    # A field is named with its line: every line has a `text`.
    problems: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.text.strip():
            problems.append((f"text.{number}", f"第 {number} 条结论没有内容"))
        for field, label, most in (
            ("text", "结论", LONGEST_TEXT), ("advice", "建议", LONGEST_ADVICE), ("lifestyle", "生活指导", LONGEST_ADVICE),
            ("specialist", "就诊科室", LONGEST_TEXT),
        ):  # fmt: skip
            written = getattr(line, field)
            if len(written) > most:
                problems.append((f"{field}.{number}", f"第 {number} 条{label}超过 {most} 字"))
            if not is_plain(written):
                problems.append((f"{field}.{number}", f"第 {number} 条{label}含有不能保存的控制字符"))
    if problems:
        raise BadInput(problems, code="chief_review.lines")


def is_plain(text: str) -> bool:
    """Whether a text holds no control characters and no halves of surrogate pairs, which databases cannot keep."""
    return all(each in "\n\r\t" or unicodedata.category(each) not in ("Cc", "Cs") for each in text)


def require_reason(reason: str, label: str, field: str = "reason") -> str:
    """A reason as it is stored; refuses an empty, overlong or unprintable one."""
    text = reason.strip()
    if not text:
        raise Refused("chief_review.reason_missing", f"{label}必须填写原因", "请填写原因", field)
    if len(text) > LONGEST_REASON or not is_plain(text):
        raise Refused("chief_review.reason", f"原因过长或含有控制字符(最多 {LONGEST_REASON} 字)", "请修改后重试", field)
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
        because=tuple(dict.fromkeys((*line.because, *(_plain_reason(reading) for reading in new)))),
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
        because=tuple(dict.fromkeys(each for line in chosen for each in _not_kept(line).because)),
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


def restored(body: Body, key: str, suggestions: Sequence[Suggestion], case: Case) -> Body:
    """A deleted suggestion comes back, at its suggested place."""
    if key not in {each.key for each in suggestions}:
        raise Refused("chief_review.not_suggested", "该条建议已不再适用", "请刷新页面查看最新建议")
    return regenerated(msgspec.structs.replace(body, removed=tuple(each for each in body.removed if each != key)), suggestions, case)


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


def regenerated(body: Body, suggestions: Sequence[Suggestion], case: Case) -> Body:
    """The body brought up to new suggestions (M16): untouched lines follow them, a doctor's own stay, deleted ones stay away.

    The order stays as the doctor left it; a new suggestion goes behind the one that precedes it in the suggested order.
    """
    by_key = {each.key: each for each in suggestions}
    lines = [_refreshed(line, by_key, case) for line in body.lines if line.origin != "rule" or line.key in by_key]
    held = {key for line in lines for key in _sources(line)}
    for place, suggestion in enumerate(suggestions):
        if suggestion.key in held or suggestion.key in body.removed:
            continue
        before = {each.key for each in suggestions[:place]}
        after = max((n for n, line in enumerate(lines, 1) if before & set(_sources(line))), default=0)
        lines.insert(after, line_of(suggestion))
    return msgspec.structs.replace(body, lines=tuple(lines))


def _refreshed(line: ConclusionLine, suggestions: Mapping[str, Suggestion], case: Case) -> ConclusionLine:
    """A doctor's words stay; what they answer for follows. Their reasons follow only while they still hold: words about other
    findings keep the old ones, which marks them as outdated."""
    found = [suggestions[key] for key in _sources(line) if key in suggestions]
    if line.origin == "rule":
        return line_of(found[0])
    kept = [pair for pair in line.covers_choices if pair[0] in line.attached]
    line = msgspec.structs.replace(
        line,
        covers=_joined([item for each in found for item in each.covers], line.attached),
        covers_choices=tuple(dict.fromkeys([*(pair for each in found for pair in each.covers_choices), *kept])),
    )
    now = _reasons_now(line, suggestions, case)
    is_whole = len(found) == sum(not _is_manual(key) for key in _sources(line))
    if is_whole and {_told_reason(each) for each in _not_kept(line).because} <= now:
        return msgspec.structs.replace(line, because=_reasons(line, suggestions, case), kept=None)
    return line


def renewed(body: Body, key: str, suggestions: Sequence[Suggestion], case: Case) -> Body:
    """A line gives way to what is suggested now for its sources; where nothing is, it is deleted."""
    line = _line_with(body, key)
    sources = set(_sources(line))
    rest = msgspec.structs.replace(
        body, lines=tuple(each for each in body.lines if each is not line),
        removed=tuple(each for each in body.removed if each not in sources),
    )  # fmt: skip
    return regenerated(rest, suggestions, case)


def kept(
    body: Body, key: str, reason: str, by: str, at: datetime, as_of: datetime | None, suggestions: Sequence[Suggestion], case: Case
) -> Body:
    """A doctor keeps a line whose findings have changed, with a reason. Its reasons say from now on as of when they are.

    `as_of`: when the findings were as the line's reasons tell them.
    """
    line = _line_with(body, key)
    by_key = {each.key: each for each in suggestions}
    if not is_outdated(line, by_key, case):
        raise Refused("chief_review.not_outdated", "该条结论的依据没有变化,无需保留确认", "请刷新页面查看最新内容")
    reason = require_reason(reason, "保留依据已变化的结论", f"reason.{body.lines.index(line) + 1}")
    when = f"{local(as_of):%Y-%m-%d %H:%M} 的结果" if as_of else "修改前的结果"
    note = f"以上依据为{when},之后已更正;{by} {local(at):%Y-%m-%d %H:%M} 保留,原因:{reason}"
    line = _not_kept(line)
    told = line.because or (Because("plain", 1, (), ()),)
    because = (*told[:-1], msgspec.structs.replace(told[-1], evidence=(*told[-1].evidence, note)))
    against = _reasons_digest(_reasons_now(line, by_key, case))
    # A doctor's own from now on: another regeneration must not let it go or write over it.
    origin = "reworded" if line.origin == "rule" else line.origin
    new = msgspec.structs.replace(line, because=because, kept=Kept(reason, by, at, note, against), origin=origin)
    return msgspec.structs.replace(body, lines=tuple(new if each.key == key else each for each in body.lines))


def _not_kept(line: ConclusionLine) -> ConclusionLine:
    """The line as nobody keeps it: without the note among its reasons."""
    if line.kept is None:
        return line
    note = line.kept.note
    because = (msgspec.structs.replace(each, evidence=tuple(one for one in each.evidence if one != note)) for each in line.because)
    return msgspec.structs.replace(line, because=tuple(each for each in because if each.evidence), kept=None)


def _line_with(body: Body, key: str) -> ConclusionLine:
    found = next((line for line in body.lines if line.key == key), None)
    if found is None:
        raise Refused("chief_review.unknown_line", "这条结论已不存在", "请刷新页面后重新修改")
    return found


# --- acts of the editor ----------------------------------------------------------------------------------------------


def acted(body: Body, act: str, chosen: Sequence[str], case: Case, suggestions: Sequence[Suggestion]) -> Body:
    """What a button of the editor makes of the lines that were just handed in.

    `save`, `merge` (the chosen lines), `regenerate`, `restore:KEY`, `renew:KEY`, `cover:ITEM`, `attach:ITEM` (to the chosen
    line). `keep:KEY` needs a reason and the clock: `kept`.
    """
    verb, _, argument = act.partition(":")
    match verb:
        case "save":
            return body
        case "merge":
            return merged(body, chosen)
        case "regenerate":
            return regenerated(body, suggestions, case)
        case "restore":
            return restored(body, argument, suggestions, case)
        case "renew":
            return renewed(body, argument, suggestions, case)
        case "cover":
            return covered(body, argument, case)
        case "attach":
            return attached_to(body, argument, chosen, case)
    raise Refused("chief_review.unknown_act", "不能识别的操作", "请刷新页面后重试")


def uncovered_readings(lines: Sequence[ConclusionLine], case: Case) -> tuple[Reading, ...]:
    """The flagged readings that no line answers for (decision 22)."""
    answers = tuple(
        Suggestion(line.key, line.text, line.category, line.severity, covers=line.covers, covers_choices=line.covers_choices)
        for line in lines
    )
    return tuple(case.readings[code] for code in knowledge.uncovered_items(case, answers))

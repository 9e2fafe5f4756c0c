"""What may happen to a record and what its values mean: states, missing items, merging two people's entries, judging."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from exam.catalog import rules as catalog_rules
from exam.catalog.facts import Catalogue, Item, ValueType
from exam.kit.errors import Refused
from exam.kit.states import StateTable
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import Flag, Reading, Subject
from exam.visits.facts import VISIT_STATE_NAMES, LineState, OrderLine, VisitState
from results.facts import RECORD_STATE_NAMES, SUMMARY, Change, Conflict, RecordState

RECORD = StateTable(
    "record",
    {
        ("open", "save"): "saved",
        ("open", "verify"): "verified",
        ("saved", "save"): "saved",
        ("saved", "verify"): "verified",
        ("verified", "reopen"): "saved",
        ("verified", "lock"): "locked",
        ("locked", "unlock"): "verified",
        ("locked", "return"): "saved",
        ("verified", "return"): "saved",
    },
    {str(state): name for state, name in RECORD_STATE_NAMES.items()},
)

LONGEST_VALUE = 2_000
LONGEST_NUMBER = 40
LONGEST_SUMMARY = 4_000
LONGEST_REASON = 500
MOST_CHOICES = 100

IDLE_LINES = frozenset({LineState.REFUSED, LineState.POSTPONED, LineState.REMOVED})
"""Lines of which nothing is waited for."""

_BEFORE_ARRIVAL = frozenset({VisitState.LISTED, VisitState.BOOKED, VisitState.REGISTERED})
_CLOSED = frozenset({VisitState.FINAL, VisitState.PUBLISHED, VisitState.DELIVERED, VisitState.CANCELLED})

Texts = tuple[str, ...]


class Sheet(msgspec.Struct, frozen=True):
    """What a department has to fill in for one visit: its lines, the items to enter, and those that must not stay empty."""

    lines: tuple[OrderLine, ...]
    items: dict[str, Item]
    required: frozenset[str]
    privacy: frozenset[str]


class Merged(msgspec.Struct, frozen=True):
    """Two people's entries put together: what our entry changes, and what needs a decision."""

    changed: dict[str, Texts]
    conflicts: tuple[tuple[str, Texts, Texts, Texts], ...]


# --- what there is to fill in ----------------------------------------------------------------------------------------


def sheet_of(catalogue: Catalogue, lines: Iterable[OrderLine], department: str, sex: str) -> Sheet:
    """A department's sheet: items of its lines without those of the other sex and of refused or removed lines.

    Items of postponed lines may be entered (补检) but are not required; computed and optional items never are.
    """
    own = tuple(line for line in lines if line.department == department and not line.service_only)
    open_lines = [line for line in own if line.state not in (LineState.REFUSED, LineState.REMOVED)]
    groups = [catalogue.groups[line.group_code] for line in open_lines if line.group_code in catalogue.groups]
    items = {item.code: item for item in catalog_rules.items_of(catalogue, groups, sex)}
    due = {
        code for line in open_lines if line.state != LineState.POSTPONED and line.group_code in catalogue.groups
        for code in catalogue.groups[line.group_code].items
    }  # fmt: skip
    private_groups = {code for group in groups if group.privacy for code in group.items}
    return Sheet(
        lines=own,
        items=items,
        required=frozenset(code for code, item in items.items() if code in due and is_required(item)),
        privacy=frozenset(code for code, item in items.items() if item.privacy or code in private_groups),
    )


def is_required(item: Item) -> bool:
    """Whether an item must have a value before its line is done: not an optional one, and not one that is computed."""
    return not item.optional and item.value_type is not ValueType.CALCULATED


def missing_items(sheet: Sheet, readings: Mapping[str, Reading]) -> tuple[str, ...]:
    """Codes of the required items without a value, in catalogue order."""
    return tuple(code for code in sheet.items if code in sheet.required and not has_value(readings.get(code)))


def has_value(reading: Reading | None) -> bool:
    """Whether something was written down."""
    return reading is not None and bool(reading.number is not None or reading.choices or reading.raw.strip())


def line_targets(catalogue: Catalogue, sheet: Sheet, readings: Mapping[str, Reading]) -> dict[UUID, str]:
    """What each line of the sheet has: `all` its required items, `some` value, or `none`, by the line's id."""
    targets = {}
    for line in sheet.lines:
        group = catalogue.groups.get(line.group_code)
        if group is None or line.state in (LineState.REFUSED, LineState.REMOVED):
            continue
        own = [code for code in group.items if code in sheet.items]
        required = [code for code in own if is_required(sheet.items[code])]
        have = [code for code in own if has_value(readings.get(code))]
        is_whole = bool(have) and all(has_value(readings.get(code)) for code in required)
        targets[line.id] = "all" if is_whole else "some" if have else "none"
    return targets


def normal_values(items: Iterable[Item]) -> dict[str, str]:
    """What “everything normal” fills in: the normal text, else the first choice that is not abnormal; numbers stay empty."""
    found = {}
    for item in items:
        text = normal_value(item)
        if text is not None:
            found[item.code] = text
    return found


def normal_value(item: Item) -> str | None:
    """The normal answer of a choice or text item; None for numbers, and where the catalogue knows none."""
    if item.value_type in (ValueType.NUMBER, ValueType.CALCULATED):
        return None
    texts = [choice.text for choice in item.choices]
    if item.normal_text and (not texts or item.normal_text in texts):
        return item.normal_text
    return next((choice.text for choice in item.choices if not choice.abnormal), None)


# --- what was handed in ----------------------------------------------------------------------------------------------


def as_texts(raw: str | Sequence[str]) -> Texts:
    """An entry as a tuple of its non-empty texts; () clears the value."""
    parts = (raw,) if isinstance(raw, str) else raw
    return tuple(dict.fromkeys(text for part in parts if (text := part.strip())))


def as_written(reading: Reading | None) -> Texts:
    """What stands in a reading, in the form that entries have: the choices, or the text.

    A number that was delivered in another unit is shown, and typed, in the dictionary's.
    """
    if reading is None:
        return ()
    if reading.number is not None and reading.raw_unit not in ("", reading.unit):
        return (f"{reading.comparator}{reading.number:f}",)
    return reading.choices or as_texts(reading.raw)


def handed_in(sheet: Sheet, values: Mapping[str, str | Sequence[str]], subject: Subject) -> dict[str, Texts]:
    """The typed values in the form that readings have: a choice by its name in the dictionary, computed items left out."""
    return {
        code: _named_in_dictionary(sheet.items[code], raw, subject)
        for code, raw in values.items()
        if sheet.items[code].value_type is not ValueType.CALCULATED
    }


def _named_in_dictionary(item: Item, raw: str | Sequence[str], subject: Subject) -> Texts:
    texts = raw if isinstance(raw, str) else as_texts(raw)
    if item.choices:
        return as_written(knowledge.judge(item, texts, "", subject))
    return as_texts(texts if isinstance(texts, str) else ";".join(texts))


def entry_problems(sheet: Sheet, values: Mapping[str, str | Sequence[str]], *, is_delivered: bool = False) -> list[tuple[str, str]]:
    """Everything wrong with an entry, as `(item code, Chinese sentence)`.

    A delivered value may be implausible or unknown to the dictionary: it is stored and judged, nobody typed it.
    """
    problems = []
    for code, raw in values.items():
        item = sheet.items.get(code)
        if item is None:
            problems.append((code[:40], f"“{plain(code)[:40]}”不在本科室此人的检查项目中"))
            continue
        problem = _text_problem(item, raw, is_delivered)
        if not problem and not is_delivered:
            is_computed = item.value_type is ValueType.CALCULATED and bool(as_texts(raw))
            problem = f"{item.name}由系统计算,不能手工填写" if is_computed else knowledge.check_entry(item, raw)
        if problem:
            problems.append((code, problem))
    return problems


def _text_problem(item: Item, raw: str | Sequence[str], is_delivered: bool) -> str | None:
    parts = [raw] if isinstance(raw, str) else list(raw)
    if len(parts) > MOST_CHOICES or any(len(part) > LONGEST_VALUE for part in parts):
        return f"{item.name}:内容过长(最多 {LONGEST_VALUE} 字)"
    if any(plain(part) != part for part in parts):
        return f"{item.name}:含有不能保存的控制字符"
    if is_delivered:
        return None
    if item.value_type is ValueType.NUMBER and len("".join(parts)) > LONGEST_NUMBER:
        return f"{item.name}应为数值,填写内容过长"
    if item.value_type is not ValueType.MULTI and len(as_texts(parts)) > 1:
        return f"{item.name}只能填写一个值"
    return None


def plain(text: str) -> str:
    """The text without control characters and halves of surrogate pairs, which databases cannot keep; lines may break."""
    return "".join(each for each in text if each in "\n\r\t" or unicodedata.category(each) not in ("Cc", "Cs"))


def require_text(text: str, most: int, label: str, field: str) -> str:
    """A summary or reason as it may be stored. Refuses one that is too long or holds control characters."""
    if len(text) > most:
        raise Refused("results.too_long", f"{label}过长,最多 {most} 字", "请精简后重试", field)
    if plain(text) != text:
        raise Refused("results.control_character", f"{label}含有不能保存的控制字符", "请删除后重新输入", field)
    return text.strip()


def merge(base: Mapping[str, Texts], theirs: Mapping[str, Texts], mine: Mapping[str, Texts]) -> Merged:
    """Three-way merge by item: `base` is what our screen showed, `theirs` what holds now, `mine` what we hand in.

    What we did not change stays theirs; what only we changed is ours; the same change by both is no conflict.
    """
    changed: dict[str, Texts] = {}
    conflicts = []
    for item, own in mine.items():
        before, now = base.get(item, ()), theirs.get(item, ())
        if own in (before, now):
            continue
        if now == before:
            changed[item] = own
        else:
            conflicts.append((item, before, now, own))
    return Merged(changed, tuple(conflicts))


def taken_over(base: Mapping[str, Texts], theirs: Mapping[str, Texts], mine: Mapping[str, Texts]) -> tuple[str, ...]:
    """Items that hold somebody else's value after a merge without conflicts: what we handed in, or saw, is another one."""
    return tuple(
        item for item in {**base, **theirs}
        if theirs.get(item, ()) != base.get(item, ()) and mine.get(item, base.get(item, ())) != theirs.get(item, ())
    )  # fmt: skip


def as_was_written(items: Mapping[str, Item], mine: Mapping[str, Texts], *stored: Mapping[str, Texts]) -> dict[str, Texts]:
    """An entry in which a number that comes back as the screen showed it (`shown_text`) is what was written down: no change."""
    found = dict(mine)
    for code, own in mine.items():
        for texts in stored:
            written = texts.get(code, ())
            if len(written) == 1 and own == (shown_text(items[code], written[0]),):
                found[code] = written
    return found


def shown_text(item: Item, text: str) -> str:
    """A written number with the item's decimals, as the summary and the report print it; any other text as it is."""
    if item.choices or item.value_type is not ValueType.NUMBER or not _PLAIN_NUMBER.fullmatch(text):
        return text
    return knowledge.number_text(Decimal(text), item.decimals)


_PLAIN_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


def conflict_of(sheet: Sheet, found: tuple[str, Texts, Texts, Texts]) -> Conflict:
    """A conflict with the item's name."""
    item, base, theirs, mine = found
    return Conflict(item, name_of(sheet, item), base, theirs, mine)


def name_of(sheet: Sheet, item: str) -> str:
    """An item's name; the summary's for `summary`."""
    return "科室小结" if item == SUMMARY else sheet.items[item].name if item in sheet.items else item


# --- what it means ---------------------------------------------------------------------------------------------------


def judged(sheet: Sheet, texts: Mapping[str, Texts], subject: Subject, kept: Mapping[str, Reading]) -> dict[str, Reading]:
    """The whole record judged: `texts` are all values by item, `kept` readings are taken over where the text is the same.

    A delivered value keeps the range it came with. Computed items are made anew from the others.
    """
    readings: dict[str, Reading] = {}
    for code, item in sheet.items.items():
        written = texts.get(code, ())
        if item.value_type is ValueType.CALCULATED or not written:
            continue
        old = kept.get(code)
        if old is not None and as_written(old) == written:
            readings[code] = old
        else:
            readings[code] = knowledge.judge(item, written[0] if len(written) == 1 else written, "", subject)
    return with_computed(sheet, readings, subject)


def with_computed(sheet: Sheet, readings: Mapping[str, Reading], subject: Subject) -> dict[str, Reading]:
    """Readings with the computed items made anew; one that has all its inputs and yet no value says why."""
    found = dict(readings)
    for code, computed in knowledge.compute_all(sheet.items, {**readings}, subject).items():
        item = sheet.items[code]
        found.pop(code, None)
        if computed.number is not None:
            found[code] = knowledge.judge(item, f"{computed.number:f}", "", subject)
        elif computed.inputs and all(each in found for each in computed.inputs):
            found[code] = Reading(
                item=code, name=item.name, raw="", unit=item.unit, flag=Flag.NONE, why=computed.why, department=item.department,
                method=item.method,
            )  # fmt: skip
    return {code: found[code] for code in sheet.items if code in found}


def history_of(readings: Mapping[str, Reading]) -> frozenset[str]:
    """Known histories as the rules ask for them: what was picked under 既往史 today."""
    told = readings.get(HISTORY_ITEM)
    return frozenset(told.choices) if told is not None else frozenset()


HISTORY_ITEM = "MED_HIS"


def changes(sheet_items: Mapping[str, Item], before: Mapping[str, Texts], after: Mapping[str, Texts]) -> tuple[Change, ...]:
    """What differs between two versions, in catalogue order; items that the sheet no longer has come last."""
    order = {code: place for place, code in enumerate(sheet_items)}
    codes = sorted(before.keys() | after.keys(), key=lambda code: (order.get(code, len(order)), code))
    found = []
    for code in codes:
        old, new = before.get(code, ()), after.get(code, ())
        if old != new:
            name = "科室小结" if code == SUMMARY else sheet_items[code].name if code in sheet_items else code
            found.append(Change(code, name, "、".join(old), "、".join(new)))
    return tuple(found)


# --- what may happen -------------------------------------------------------------------------------------------------


def require_open_for_entry(visit: VisitState, record: RecordState, label: str = "录入结果") -> None:
    """Refuses entry before check-in, after the final review, and into a signed or locked record."""
    if visit in _BEFORE_ARRIVAL:
        raise Refused("results.not_checked_in", f"受检者尚未报到,不能{label}", "请先在前台办理报到")
    require_not_closed(visit, label)
    if record == RecordState.LOCKED:
        raise Refused("results.locked", f"主检已引用本科室结果,不能{label}", "请联系主检医师退回本科室")
    if record == RecordState.VERIFIED:
        raise Refused("results.verified", f"本科室结果已审核,不能{label}", "如需修改,请先撤销审核并填写原因")


def require_arrived(visit: VisitState) -> None:
    """Refuses results of somebody who has not arrived, or whose visit was cancelled."""
    if visit in _BEFORE_ARRIVAL or visit == VisitState.CANCELLED:
        shown = VISIT_STATE_NAMES[visit]
        raise Refused("results.not_checked_in", f"体检单当前为“{shown}”,不能接收结果", "请核对体检号,或先办理报到")


def require_not_closed(visit: VisitState, label: str) -> None:
    """Refuses a change of results once the visit has its final review, or was cancelled (T14)."""
    if visit in _CLOSED:
        shown = VISIT_STATE_NAMES[visit]
        hint = "该体检单已取消" if visit == VisitState.CANCELLED else "请先由主检医师撤销终审"
        raise Refused("results.closed", f"体检单当前为“{shown}”,不能{label}", hint)


def require_complete(sheet: Sheet, readings: Mapping[str, Reading]) -> None:
    """Refuses a signature while a required item is empty, and names each (T10)."""
    missing = missing_items(sheet, readings)
    if missing:
        names = "、".join(sheet.items[code].name for code in missing[:12])
        more = f"等 {len(missing)} 项" if len(missing) > 12 else ""
        text = f"以下项目没有结果:{names}{more}"
        raise Refused("results.items_missing", text, "请补录,或由前台办理拒检、延期", missing[0])
    if not readings and any(line.state not in IDLE_LINES for line in sheet.lines):
        raise Refused("results.items_missing", "本科室没有任何结果", "请先录入结果")

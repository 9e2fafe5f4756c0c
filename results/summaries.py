"""A department's summary: drafted by the system, kept where a doctor wrote it, and never signed against the values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from exam.catalog.facts import Item
from exam.kit.errors import Refused
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import FLAG_SIGNS, DepartmentSummary, Reading
from exam.knowledge.rules.wording import FLAG_WORDS
from exam.knowledge.summary_wording import STANDARD, SummaryWording
from results.facts import SUMMARY
from results.rules import Sheet, missing_items

REMEDY = "请点“采用自动小结”(Alt+5),或按目前的结果改写小结"

_BRACKETS = re.compile(r"[(\uff08][^()\uff08\uff09]*[)\uff09]$")
_QUOTED = re.compile(r"\s*[:\uff1a为]?\s*[<>≤≥]?=?\s*(\d+(?:\.\d+)?)([^;\uff1b,\uff0c。、\n↑↓*]{0,24})([↑↓*])")
"""What stands behind an item's name where a value is quoted as the draft does it: number, unit, sign of the flag."""

_EARLIER = re.compile(r"(?:上次|前次|去年|既往|历史)[^;\uff1b,\uff0c。\n]{0,4}$")
"""Words before a name that make the value behind it an earlier one."""


def draft_summary(
    department_name: str, sheet: Sheet, readings: Mapping[str, Reading], wording: SummaryWording = STANDARD
) -> DepartmentSummary:
    """The drafted summary of a department (domain.md §4.3), in the words that the book has for it."""
    return knowledge.summarize(department_name, readings.values(), bool(readings) and not missing_items(sheet, readings), wording)


def next_summary(stored: str, stored_draft: str, new_draft: str, handed_in: str | None, shown_draft: str = "") -> str:
    """The summary after an entry: what the doctor wrote stays; what the system had drafted is drafted anew.

    `handed_in` None means that the doctor left the field alone. An emptied field, and one that still says the draft which
    the screen showed, follow what is saved: the screen may have drafted from values that were changed a moment later.
    """
    if handed_in is None:
        return new_draft if stored in ("", stored_draft) else stored
    return new_draft if handed_in in ("", stored_draft, shown_draft) else handed_in


def require_honest_summary(
    department_name: str, summary: str, items: Mapping[str, Item], readings: Mapping[str, Reading], wording: SummaryWording = STANDARD
) -> None:
    """Refuses a summary that contradicts the values: “未见明显异常” beside a flagged one (decision 22), a flagged one left out,
    or a value quoted that is no longer there."""
    problem = summary_problem(department_name, summary, items, readings, wording)
    if problem is not None:
        raise Refused(*problem, REMEDY, SUMMARY)


def summary_problem(
    department_name: str, summary: str, items: Mapping[str, Item], readings: Mapping[str, Reading], wording: SummaryWording = STANDARD
) -> tuple[str, str] | None:
    """Code and Chinese sentence of what a summary says wrongly; None when it agrees with the values."""
    flagged = [each for each in readings.values() if each.flag in knowledge.OUTSTANDING]
    own = knowledge.nothing_text(department_name, wording)
    nothing = {knowledge.NOTHING_ABNORMAL, f"{department_name}{knowledge.NOTHING_ABNORMAL}", own}
    said_nothing = summary.strip().rstrip("。.;\uff1b")
    if said_nothing in nothing and flagged:
        names = "、".join(each.name for each in flagged[:5])
        told = own if said_nothing == own and knowledge.NOTHING_ABNORMAL not in own else knowledge.NOTHING_ABNORMAL
        return "results.summary_contradicts", f"小结写“{told}”,但{names}有异常"
    mentions = tuple(_mentions(summary, items, readings))
    begins = sorted({begin for _, begin, _ in mentions} | {len(summary)})
    for code, begin, end in mentions:
        # What stands behind the next name is about the next name.
        said = summary[: next(each for each in begins if each >= end)]
        wrong = _misquoted(said, begin, end, items.get(code), readings.get(code), wording)
        if wrong:
            return "results.summary_outdated", wrong
    named = {code for code, _, _ in mentions}
    omitted = [each for each in flagged if each.item not in named and not _says_choices(summary, each)]
    if omitted:
        texts = "、".join(knowledge.finding_text(each) for each in omitted[:5])
        more = f"等 {len(omitted)} 项" if len(omitted) > 5 else ""
        return "results.summary_omits", f"小结没有写到异常结果:{texts}{more}"
    return None


def _mentions(summary: str, items: Mapping[str, Item], readings: Mapping[str, Reading]) -> Iterator[tuple[str, int, int]]:
    """Where the summary names which item: code, begin and end of the name. The longest name wins, as 非高密度脂蛋白胆固醇
    holds another item's name; a name without its bracket counts where only one item has it."""
    names: dict[str, list[str]] = {}
    told = {code: item.name for code, item in items.items()} | {code: each.name for code, each in readings.items()}
    for code, name in told.items():
        for each in dict.fromkeys((name, _BRACKETS.sub("", name))):
            names.setdefault(each, []).append(code)
    full = set(told.values())
    known = {name: codes for name, codes in names.items() if name and (name in full or len(codes) == 1)}
    if not known:
        return
    pattern = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    for found in re.finditer(pattern, summary):
        for code in known[found[0]]:
            yield code, found.start(), found.end()


def _misquoted(
    summary: str, begin: int, end: int, item: Item | None, reading: Reading | None, wording: SummaryWording
) -> str:
    """What is wrong with the value that stands behind a name; empty when none is quoted or it is the present one."""
    if _EARLIER.search(summary[:begin]):
        return ""
    name = summary[begin:end]
    quoted = _QUOTED.match(summary, end)
    if quoted is not None:
        number, sign = Decimal(quoted[1]), quoted[3]
        if reading is None or sign != FLAG_SIGNS[reading.flag] or number not in _numbers(reading):
            return _outdated(name, f"{quoted[1]}{quoted[2].rstrip()} {sign}", reading)
    own = knowledge.quoting(wording.number).match(summary, end)
    if own is not None and (reading is None or not _says_so(own.groupdict(), reading)):
        return _outdated(name, own[0].strip(), reading)
    lead, tail = wording.choice.removeprefix("{name}").split("{value}")
    behind = next((each for each in (":", "\uff1a", lead) if summary.startswith(each, end)), None)
    if item is None or not item.choices or behind is None:
        return ""
    clause = re.split(r"[;\uff1b。\n]", summary[end + len(behind) :], maxsplit=1)[0]
    said = [each.strip() for each in clause.removesuffix(tail).split("、")]
    picked = reading.choices if reading is not None else ()
    gone = [choice.text for choice in item.choices if choice.text in said and choice.text not in picked]
    return _outdated(name, gone[0], reading) if gone else ""


def _says_so(quoted: Mapping[str, str | None], reading: Reading) -> bool:
    """Whether a value quoted in the words of the book is the present one."""
    sign, word = quoted.get("sign"), quoted.get("word")
    return (
        Decimal(quoted["number"] or "0") in _numbers(reading)
        and sign in (None, FLAG_SIGNS[reading.flag]) and word in (None, FLAG_WORDS.get(reading.flag))
    )  # fmt: skip


def _outdated(name: str, said: str, reading: Reading | None) -> str:
    text = knowledge.finding_text(reading) if reading is not None else ""
    now = text[len(reading.name) :].lstrip(": ") if reading is not None else "没有结果"
    return f"小结写“{name} {said}”,与目前结果不符(目前:{now})"


def _numbers(reading: Reading) -> tuple[Decimal, ...]:
    """The present value in the dictionary's unit and as it was delivered."""
    delivered = knowledge.read_amount(reading.raw).number
    return tuple(each for each in (reading.number, delivered) if each is not None)


def _says_choices(summary: str, reading: Reading) -> bool:
    """Whether the summary says every abnormal choice of a reading, with or without its bracket: 脂肪肝 for 脂肪肝(轻度)."""
    return bool(reading.abnormal) and all(
        text in summary or ((bare := _BRACKETS.sub("", text)) != "" and bare in summary) for text in reading.abnormal
    )

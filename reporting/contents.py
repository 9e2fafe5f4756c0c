"""What of a visit goes into its report, and what into the sealed supplement: pure, from what the other rooms handed over."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import msgspec

from chief_review.facts import ConclusionLine, Review
from exam.catalog.facts import Catalogue, DepartmentKind
from exam.kit.errors import Refused
from exam.knowledge.facts import FLAG_SIGNS, Flag, Reading, Severity
from exam.knowledge.rules.summaries import summarize, wording_for
from exam.knowledge.rules.wording import number_text
from exam.knowledge.summary_wording import SummaryWording
from exam.visits.facts import CATEGORY_NAMES, LineState, OrderLine, VisitCard
from registration.recheck_facts import RecheckLine, RecheckState
from reporting import document, rules
from reporting.facts import RecordVersion
from results.facts import DepartmentResult

SEX_NAMES = {"M": "男", "F": "女"}
SIGNS = {"<=": "≤", ">=": "≥"}
ABNORMAL = frozenset({Flag.LOW, Flag.HIGH, Flag.ABNORMAL})
NOT_DONE = {LineState.REFUSED: "refused", LineState.POSTPONED: "postponed"}
DONE = frozenset({LineState.CONFIRMED, LineState.REMOVED})

NOTICE_TEXT = "本次检查发现 A 类重要异常结果：{text}。请立即到相应专科就诊。"
NOTICE_TEXT_B = "本次检查发现 B 类重要异常结果：{text}。请尽快到相应专科进一步检查。"
"""How the page for important results says it (text of this product; classes as in domain.md §3)."""


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was read of one visit. `number` is the version to be made, `replaces` the one before it or 0.

    `earlier` are the latest earlier values by item as printed, `earlier_on` the day of the last visit that gave one.
    """

    centre_name: str
    card: VisitCard
    masked_id_number: str
    catalogue: Catalogue
    departments: tuple[DepartmentResult, ...]
    lines: tuple[OrderLine, ...]
    review: Review | None = None
    earlier: dict[str, str] = {}
    earlier_on: str = ""
    rechecks: tuple[RecheckLine, ...] = ()
    wordings: tuple[SummaryWording, ...] = ()
    number: int = 1
    replaces: int = 0
    is_demo: bool = False

    @property
    def manifest(self) -> tuple[RecordVersion, ...]:
        """The record versions that the report is made of."""
        return tuple(RecordVersion(each.department, each.version) for each in self.departments)


class Contents(msgspec.Struct, frozen=True):
    """The report's parts, and what was kept out of them because this category of exam must not report it."""

    report: document.ReportInput
    withheld_items: tuple[str, ...] = ()
    withheld_conclusions: tuple[str, ...] = ()

    @property
    def private_count(self) -> int:
        """How many parts stand in the supplement alone; a summary is none of its own."""
        with_results = [part for part in self.report.departments if part.readings]
        parts: Sequence[Sequence[document.DepartmentResult | document.Conclusion | document.NotDoneLine | document.RecheckLine]] = (
            with_results, self.report.conclusions, self.report.not_done, self.report.rechecks,
        )  # fmt: skip
        return sum(one.is_private for part in parts for one in part)


def contents(sources: Sources) -> Contents:
    """Sorts everything into open, private and withheld parts."""
    private_items = {item for each in sources.departments for item in each.privacy_items}
    privacy = rules.privacy_of(sources.catalogue, sources.card.category, private_items)
    departments: list[document.DepartmentResult] = []
    withheld: list[str] = []
    for each in sources.departments:
        withheld.extend(reading.name for reading in each.readings if privacy.is_barred((reading.item,)))
        departments.extend(_department(sources, each, privacy))
    review_lines = sources.review.lines if sources.review else ()
    withheld_lines = tuple(line.text for line in review_lines if _is_barred(line, privacy))
    typed = typed_words(reading for each in sources.departments for reading in each.readings)
    conclusions = tuple(_conclusion(line, privacy, typed) for line in review_lines if not _is_barred(line, privacy))
    report = document.ReportInput(
        header=_header(sources),
        departments=tuple(departments),
        conclusions=conclusions,
        signatures=rules.signature_block(sources.review.signatures, is_demo=sources.is_demo) if sources.review else (),
        not_done=tuple(_not_done(sources, privacy)),
        notices=tuple(_notices(conclusions)),
        reading_notes=_reading_notes(sources, departments),
        rechecks=tuple(_rechecks(sources, privacy)),
        grades=_grades(sources.review, privacy),
    )
    return Contents(report, tuple(withheld), withheld_lines)


def _grades(review: Review | None, privacy: rules.Privacy) -> tuple[document.Grade, ...]:
    return tuple(
        document.Grade(each.name, each.grade, "、".join(each.evidence), privacy.is_private(each.items))
        for each in (review.grades if review else ()) if not privacy.is_barred(each.items)
    )  # fmt: skip


def _rechecks(sources: Sources, privacy: rules.Privacy) -> Iterable[document.RecheckLine]:
    """What the final review ordered to be examined again, as far as it still stands."""
    for line in sources.rechecks:
        groups = line.recheck.groups
        if line.recheck.state is RecheckState.CANCELLED or not privacy.barred_groups.isdisjoint(groups):
            continue
        is_private = line.recheck.is_private or not privacy.groups.isdisjoint(groups) or privacy.is_private((), *line.group_names)
        yield document.RecheckLine("、".join(line.group_names), line.recheck.due_on, is_private)


def _reading_notes(sources: Sources, departments: Sequence[document.DepartmentResult]) -> tuple[str, ...]:
    if not any(reading.previous_value for part in departments if not part.is_private for reading in part.readings):
        return document.READING_NOTES
    return (*document.READING_NOTES, document.EARLIER_NOTE.format(day=sources.earlier_on))


def require_printable(found: Contents) -> None:
    """Refuses a report whose conclusions speak of what this category of exam must not report."""
    if found.withheld_conclusions:
        first = found.withheld_conclusions[0][:30]
        raise Refused(
            "reporting.barred_conclusion",
            f"结论“{first}”涉及本类体检依规定不得检查的项目,不能写入报告",
            "请由主检删除该结论后再发布",
        )


def _header(sources: Sources) -> document.Header:
    card = sources.card
    return document.Header(
        centre_name=sources.centre_name,
        title=f"{CATEGORY_NAMES.get(card.category, '健康体检')}报告",
        visit_no=card.visit_no,
        person=document.Person(
            card.person_name, SEX_NAMES.get(card.sex, card.sex), f"{card.age} 岁", sources.masked_id_number, card.organization
        ),
        package=card.package_name,
        exam_on=card.exam_on,
        version_no=sources.number,
        replaces_text=f"（替代第 {sources.replaces} 版）" if sources.replaces else "",
    )


# --- departments -----------------------------------------------------------------------------------------------------


def _department(
    sources: Sources, result: DepartmentResult, privacy: rules.Privacy
) -> Iterable[document.DepartmentResult]:
    """A department's parts: the laboratory's one for each ordered group, private readings in parts of their own.

    A summary over private readings too is never split by its words: the open part gets one drafted from the open readings
    alone, so that nothing private can slip through a sentence. The supplement gets the doctor's own words, or, where the
    doctor left the draft as it was, a draft over the private readings alone.

    A summary over several groups stands in a part of its own behind them: under the last group it would read as that
    group's.
    """
    printable = [each for each in result.readings if not privacy.is_barred((each.item,))]
    private = [each for each in printable if privacy.is_private((each.item,))]
    opened = [each for each in printable if not privacy.is_private((each.item,))]
    is_mixed = len(opened) < len(result.readings) or privacy.is_private((), result.summary)
    is_barred = len(printable) < len(result.readings) or privacy.is_barred((), result.summary)

    wording = wording_for(sources.wordings, result.department, sources.card.exam_on)

    def draft(readings: Sequence[Reading]) -> str:
        return summarize(result.department_name, readings, not result.missing, wording).text if readings else ""

    is_draft = is_barred or result.summary == draft(result.readings)
    typed = typed_words(result.readings)
    open_summary = punctuated(draft(opened), typed) if is_mixed or is_draft else result.summary
    private_summary = punctuated(draft(private), typed) if is_draft else result.summary
    for readings, summary, is_private in ((opened, open_summary, False), (private, private_summary, True)):
        parts = [(result.department_name, *part) for part in _grouped(sources, result, readings)]
        if len(parts) > 1 and summary:
            parts.append((f"{result.department_name}小结", "", []))
        for place, (title, group_name, listed) in enumerate(parts):
            yield document.DepartmentResult(
                department=title,
                readings=tuple(_reading(sources, each) for each in listed),
                summary=summary if place == len(parts) - 1 else "",
                doctor=result.doctor,
                confirmed_at=result.verified_at,
                group_name=group_name,
                is_laboratory=result.kind == DepartmentKind.LAB,
                is_private=is_private,
            )


def _grouped(sources: Sources, result: DepartmentResult, readings: Sequence[Reading]) -> list[tuple[str, list[Reading]]]:
    """The readings under the names of the groups that were ordered; a department other than the laboratory is one list."""
    if not readings:
        return []
    if result.kind != DepartmentKind.LAB:
        return [("", list(readings))]
    left = list(readings)
    parts = []
    for line in sources.lines:
        group = sources.catalogue.groups.get(line.group_code)
        if group is None or line.department != result.department or line.state == LineState.REMOVED:
            continue
        own = [each for each in left if each.item in group.items]
        if own:
            parts.append((group.name, own))
            left = [each for each in left if each.item not in group.items]
    return [*parts, ("其他", left)] if parts and left else parts or [("", left)]


def shown_value(reading: Reading) -> tuple[str, str]:
    """A reading's value and unit as printed: the picked choices, the number in the dictionary's unit, or the text as delivered."""
    if reading.choices:
        return "、".join(reading.choices), ""
    if reading.number is None:
        return reading.raw.strip(), reading.raw_unit
    sign = SIGNS.get(reading.comparator, reading.comparator)
    return f"{sign}{number_text(reading.number, reading.decimals)}", reading.unit


def _reading(sources: Sources, reading: Reading) -> document.Reading:
    value, unit = shown_value(reading)
    return document.Reading(
        name=reading.name,
        value=value,
        unit=unit,
        range_text=reading.range_text,
        flag_sign=FLAG_SIGNS[reading.flag],
        is_abnormal=reading.flag in ABNORMAL,
        previous_value=sources.earlier.get(reading.item, ""),
    )


# --- the signs of the system's own sentences ---------------------------------------------------------------------------


# The rules, the starting knowledge and the drafts write `,;:` as a keyboard gives them, and a site's own knowledge does
# likewise; on paper they stand beside the full-width signs of this room. They are made one here and not in the knowledge,
# because an installed centre has its knowledge in the database and a doctor signs the lines as the screen shows them. Only
# what nobody touched (`origin` is `rule`, an unchanged draft, evidence) is changed: a doctor's words stay as typed.


def typed_words(readings: Iterable[Reading]) -> Collection[str]:
    """Results in words: the system repeats them in its sentences, but they are a doctor's or a device's."""
    return {each.raw.strip() for each in readings if each.number is None and not each.choices and _HALF.search(each.raw)}


def punctuated(text: str, typed: Collection[str] = ()) -> str:
    """A sentence of the system with Chinese commas, semicolons and colons wherever a Chinese character stands beside them.

    Between figures and letters (numbers, ratios, times, units, codes) nothing changes, nor inside any of `typed`.
    """
    if not typed:
        return _HALF.sub(_full_width, text)
    kept = "|".join(re.escape(each) for each in sorted(typed, key=len, reverse=True))
    return "".join(
        part if place % 2 else _HALF.sub(_full_width, part) for place, part in enumerate(re.split(f"({kept})", text))
    )


_CHINESE = "\u4e00-\u9fff\u3001-\u301f\uff08\uff09"
_HALF = re.compile(f"(?<=[{_CHINESE}])[,;:] ?|[,;:](?=[{_CHINESE}])")


def _full_width(found: re.Match[str]) -> str:
    return found[0][0].translate({0x2C: "\uff0c", 0x3B: "\uff1b", 0x3A: "\uff1a"})


# --- conclusions and what was not done -------------------------------------------------------------------------------


def _said(line: ConclusionLine) -> tuple[list[str], list[str]]:
    items = [*line.covers, *line.attached, *(item for item, _ in line.covers_choices)]
    items += [item for because in line.because for item in because.items]
    return items, [line.text, *(evidence for because in line.because for evidence in because.evidence)]


def _is_barred(line: ConclusionLine, privacy: rules.Privacy) -> bool:
    items, texts = _said(line)
    return privacy.is_barred(items, *texts)


def _conclusion(line: ConclusionLine, privacy: rules.Privacy, typed: Collection[str]) -> document.Conclusion:
    items, texts = _said(line)
    is_own = line.origin == "rule"

    def own(text: str) -> str:
        return punctuated(text, typed) if is_own else text

    note = line.kept.note if line.kept is not None else None  # it holds the reason that a doctor typed
    told = (one for because in line.because for one in because.evidence)
    evidence = dict.fromkeys(one if one == note else punctuated(one, typed) for one in told)
    return document.Conclusion(
        text=own(line.text),
        severity=int(line.severity),
        advice=own(line.advice),
        lifestyle=own(line.lifestyle),
        because=tuple(evidence),
        recheck_text=f"建议就诊科室：{line.specialist}" if line.specialist else "",
        is_private=privacy.is_private(items, *texts),
    )


def _notices(conclusions: Sequence[document.Conclusion]) -> Iterable[str]:
    """The notice of important results, of the open conclusions alone; the private ones are told in person."""
    for severity, text in ((Severity.CRITICAL, NOTICE_TEXT), (Severity.IMPORTANT, NOTICE_TEXT_B)):
        found = [one.text.rstrip("。;；") for one in conclusions if one.severity == severity and not one.is_private]
        if found:
            yield text.format(text="；".join(found))


def _not_done(sources: Sources, privacy: rules.Privacy) -> Iterable[document.NotDoneLine]:
    departments = sources.catalogue.departments
    for line in sources.lines:
        if line.service_only or line.state in DONE or line.group_code in privacy.barred_groups:
            continue
        known = departments.get(line.department)
        yield document.NotDoneLine(
            group_name=line.name,
            department=known.name if known else line.department,
            state=NOT_DONE.get(line.state, "not_done"),
            reason=line.reason,
            until_on=line.due_on,
            is_private=line.group_code in privacy.groups or privacy.is_private((), line.name),
        )

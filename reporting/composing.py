"""The chapters of a report made of what the rooms gathered: cover, summary, conclusions, results, what was not done, signatures."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from exam.kit.paper_literal import clean
from exam.knowledge.facts import Severity
from exam.knowledge.rules import printed_unit
from reporting.document import (
    AbnormalSummary,
    Block,
    Conclusion,
    ConclusionList,
    Cover,
    DepartmentResult,
    Document,
    GradeTable,
    Header,
    Heading,
    NotDoneLine,
    NotDoneTable,
    Notice,
    NumberedConclusion,
    Paragraphs,
    ReportInput,
    ResultTable,
    SeverityGroup,
    Signatures,
    SummaryLine,
    chinese_date,
)

SEVERITY_LABELS = {
    Severity.CRITICAL: "A类重要异常",
    Severity.IMPORTANT: "B类重要异常",
    Severity.SPECIALIST: "建议专科就诊",
    Severity.RECHECK: "建议复查或干预",
    Severity.MILD: "轻度异常",
    Severity.HINT: "健康提示",
}
"""What a reader sees for each weight (labels of this product, not of a standard)."""

NOT_DONE_LABELS = {"refused": "拒检", "postponed": "延期", "not_done": "未检"}


def unit_on_paper(unit: str) -> str:
    """A unit as printed: UCUM's `10*9/L` and the keyboard's `10^9/L` become `10⁹/L`, `kg/m2` becomes `kg/m²`."""

    def raised(found: re.Match[str]) -> str:
        return "10" + found[1].translate(str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"))

    unit = re.sub(r"10[*^]([+-]?\d+)", raised, unit)
    return re.sub(r"(?<![A-Za-z])([cm]?m)([23])\b", lambda found: found[1] + {"2": "²", "3": "³"}[found[2]], unit)


def compose(report: ReportInput, include_privacy: bool = False) -> Document:
    """The report's chapters in the order of domain.md §10.3, as far as there is something to say in them.

    Without `include_privacy` nothing of the private items appears, not even in a count: they belong in the
    supplement (`compose_supplement`), and this version may be handed on."""
    report = _literal(report)
    departments = tuple(part for part in report.departments if include_privacy or not part.is_private)
    conclusions = tuple(one for one in report.conclusions if include_privacy or not one.is_private)
    not_done = tuple(line for line in report.not_done if include_privacy or not line.is_private)
    return _composed(report, departments, conclusions, not_done, is_supplement=False)


def compose_supplement(report: ReportInput) -> Document | None:
    """The sealed supplement with the private items alone, or None when there are none."""
    report = _literal(report)
    departments = tuple(part for part in report.departments if part.is_private)
    conclusions = tuple(one for one in report.conclusions if one.is_private)
    not_done = tuple(line for line in report.not_done if line.is_private)
    if not (departments or conclusions or not_done or any(line.is_private for line in report.rechecks)):
        return None
    return _composed(report, departments, conclusions, not_done, is_supplement=True)


def _literal(value: Any) -> Any:
    """The same facts with every text made literal, so that screen, paper and the signed digest hold the same signs."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, tuple):
        return tuple(_literal(one) for one in value)
    if isinstance(value, msgspec.Struct):
        return type(value)(*(_literal(getattr(value, field)) for field in value.__struct_fields__))
    return value


def _composed(
    report: ReportInput,
    departments: tuple[DepartmentResult, ...],
    conclusions: tuple[Conclusion, ...],
    not_done: tuple[NotDoneLine, ...],
    is_supplement: bool,
) -> Document:
    blocks: list[Block] = [_cover(report.header, is_supplement)]
    numbers = iter("一二三四五六七八九十")

    def heading(text: str, note: str = "", starts_page: bool = False) -> None:
        blocks.append(Heading(next(numbers), text, note, starts_page))

    numbered = _numbered(conclusions)
    heading("阅读说明", starts_page=True)
    blocks.append(Paragraphs(report.reading_notes, is_numbered=True))
    if report.notices and not is_supplement:
        blocks.append(Notice("重要异常结果告知", report.notices))
    heading("异常结果汇总", "按严重程度排列")
    blocks.append(_summary(departments, numbered))
    if numbered:
        heading("主检结论与建议")
        blocks.append(ConclusionList(numbered))
    grades = tuple(one for one in report.grades if not one.is_private)
    if grades and not is_supplement:
        heading("健康分级", "A 为最好,E 为治疗中")
        blocks.append(GradeTable(grades))
    rechecks = tuple(one for one in report.rechecks if one.is_private == is_supplement)
    if rechecks:
        heading("复查计划", "请按期到体检中心复查")
        blocks.append(Paragraphs(tuple(f"{one.names}：{chinese_date(one.due_on)}前" for one in rechecks), is_numbered=True))
    others = [part for part in departments if not part.is_laboratory]
    laboratory = [part for part in departments if part.is_laboratory]
    for title, parts in (("各科检查结果", others), ("检验结果", laboratory)):
        if parts:
            heading(title)
            blocks.extend(_table(part) for part in parts)
    if not_done:
        heading("未检、拒检与延期项目")
        blocks.append(NotDoneTable(tuple(_not_done(line) for line in not_done)))
    heading("签名")
    blocks.append(Signatures(report.signatures, report.closing))
    return Document(report.header, tuple(blocks), is_supplement)


def _cover(header: Header, is_supplement: bool) -> Cover:
    person = header.person
    pairs = (
        ("姓名", person.name),
        ("性别", person.sex),
        ("年龄", person.age_text),
        ("证件号码", person.masked_id_number),
        ("工作单位", person.organization),
        ("体检套餐", header.package),
        ("体检日期", chinese_date(header.exam_on)),
        ("体检号", header.visit_no),
        ("报告版本", f"第 {header.version_no} 版{header.replaces_text}"),
    )
    notice = "隐私项目补充报告 · 仅供本人拆阅" if is_supplement else ""
    return Cover(tuple(pair for pair in pairs if pair[1]), notice)


def _numbered(conclusions: tuple[Conclusion, ...]) -> tuple[NumberedConclusion, ...]:
    return tuple(
        NumberedConclusion(
            number=number,
            text=one.text,
            severity=one.severity,
            label=severity_label(one.severity),
            advice=one.advice,
            lifestyle=one.lifestyle,
            because=one.because,
            recheck_text=one.recheck_text,
        )
        for number, one in enumerate(conclusions, start=1)
    )


def _summary(departments: tuple[DepartmentResult, ...], numbered: tuple[NumberedConclusion, ...]) -> AbnormalSummary:
    weights = sorted({one.severity for one in numbered}, reverse=True)
    groups = tuple(
        SeverityGroup(
            weight,
            severity_label(weight),
            tuple(SummaryLine(one.number, one.text) for one in numbered if one.severity == weight),
        )
        for weight in weights
    )
    readings = [reading for part in departments for reading in part.readings]
    abnormal_count = sum(reading.is_abnormal for reading in readings)
    text = ""
    if not groups:
        text = "异常结果见各科检查结果与检验结果。" if abnormal_count else "本次所检项目未列出需要提示的异常结果。"
    return AbnormalSummary(len(readings), abnormal_count, len(numbered), groups, text)


def _table(part: DepartmentResult) -> ResultTable:
    readings = tuple(msgspec.structs.replace(reading, unit=unit_on_paper(printed_unit(reading.unit))) for reading in part.readings)
    return ResultTable(
        department=part.department,
        group_name=part.group_name,
        readings=readings,
        has_previous=any(reading.previous_value for reading in readings),
        abnormal_count=sum(reading.is_abnormal for reading in readings),
        summary=part.summary,
        doctor=part.doctor,
        confirmed_at=part.confirmed_at,
    )


def _not_done(line: NotDoneLine) -> tuple[str, str, str, str]:
    reason = line.reason
    if line.until_on:
        reason = f"{reason}{'，' if reason else ''}延期至 {line.until_on.isoformat()}"
    return line.group_name, line.department, NOT_DONE_LABELS.get(line.state, line.state), reason


def severity_label(severity: int) -> str:
    """The words for a weight; an unknown one is a plain finding rather than an error on paper."""
    return next((label for known, label in SEVERITY_LABELS.items() if known == severity), "异常")

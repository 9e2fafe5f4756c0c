"""A report as data: the preview on screen and the PDF both draw this, and what is signed is the digest of this."""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime
from typing import Any

import msgspec

from exam.kit.clock import local
from exam.kit.paper_literal import clean
from exam.knowledge.facts import Severity
from exam.knowledge.rules import printed_unit

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

READING_NOTES = (
    "本报告依据本次体检当日的检查结果作出，仅反映受检当时的健康状况；医学检查存在局限，未发现异常不等于没有疾病。",
    "结果后的“↑”“↓”表示高于或低于参考范围，红色为异常结果；参考范围因性别、年龄、检测方法而不同，以本报告所列为准。",
    "请先阅读“异常结果汇总”和“主检结论与建议”。标注“A类”“B类”的结果请尽快按建议就诊或复查。",
    "如对结果有疑问，请携带本报告到体检中心咨询。本报告不作为诊断证明，请妥善保管并注意个人信息安全。",
)
"""The notes on reading the report when a centre has not written its own (text of this product)."""

EARLIER_NOTE = "“上次结果”是受检者在本机构最近一次做该项目的结果（最近一次体检：{day}），供对比参考；检测方法不同时不宜直接比较。"
"""The further note when earlier values stand beside the present ones."""


PRINTED_NAME = "name"
"""In place of a picture in a signature's `picture_id`: the printed name stands alone."""


class Person(msgspec.Struct, frozen=True):
    """The examinee as printed. The ID number comes masked; this room never sees the whole one."""

    name: str
    sex: str
    age_text: str
    masked_id_number: str = ""
    organization: str = ""


class Header(msgspec.Struct, frozen=True):
    """What stands on every page and on the cover."""

    centre_name: str
    title: str
    visit_no: str
    person: Person
    package: str
    exam_on: date
    version_no: int
    centre_lines: tuple[str, ...] = ()
    replaces_text: str = ""


class Reading(msgspec.Struct, frozen=True):
    """One item's value as reported: `flag_sign` is `↑`, `↓`, `*` or empty; `previous_value` is the last visit's."""

    name: str
    value: str
    unit: str = ""
    range_text: str = ""
    flag_sign: str = ""
    is_abnormal: bool = False
    previous_value: str = ""


class DepartmentResult(msgspec.Struct, frozen=True):
    """One department's confirmed part. Private items come in a part of their own, so that no summary mixes the two."""

    department: str
    readings: tuple[Reading, ...]
    summary: str = ""
    doctor: str = ""
    confirmed_at: datetime | None = None
    group_name: str = ""
    is_laboratory: bool = False
    is_private: bool = False


class Conclusion(msgspec.Struct, frozen=True):
    """One conclusion of the chief reviewer, in the reviewer's order. `because` lists what it rests on."""

    text: str
    severity: int
    advice: str = ""
    lifestyle: str = ""
    because: tuple[str, ...] = ()
    recheck_text: str = ""
    is_private: bool = False


class NotDoneLine(msgspec.Struct, frozen=True):
    """One ordered group without a result: `state` is refused, postponed or not_done."""

    group_name: str
    department: str
    state: str
    reason: str = ""
    until_on: date | None = None
    is_private: bool = False


class Signature(msgspec.Struct, frozen=True):
    """Who signed in which role, and with which picture of the hand-written signature.

    `picture_id` is `<account>.<picture>` for one that was put, `<account>.name` for the printed name alone, and `<account>` for a
    name drawn as if by hand (demonstrations, and reports from before pictures could be put). Ids are in hex without hyphens.
    """

    role: str
    name: str
    title: str = ""
    signed_at: datetime | None = None
    picture_id: str = ""

    @property
    def signed_text(self) -> str:
        """When, to the minute; empty when unsigned."""
        return minute_text(self.signed_at)

    @property
    def signer(self) -> str:
        """The account that signed, as the id says it."""
        return self.picture_id.partition(".")[0]

    @property
    def put_picture(self) -> str:
        """The picture that was put for the account; empty when the id names none."""
        picture = self.picture_id.partition(".")[2]
        return "" if picture == PRINTED_NAME else picture

    @property
    def is_name_drawn(self) -> bool:
        """Whether the name is drawn as if by hand."""
        return bool(self.picture_id) and "." not in self.picture_id


class ReportInput(msgspec.Struct, frozen=True):
    """Everything a report is made of, read from the other rooms before."""

    header: Header
    departments: tuple[DepartmentResult, ...]
    conclusions: tuple[Conclusion, ...]
    signatures: tuple[Signature, ...]
    not_done: tuple[NotDoneLine, ...] = ()
    reading_notes: tuple[str, ...] = READING_NOTES
    notices: tuple[str, ...] = ()
    closing: str = ""


class Drawable(msgspec.Struct, frozen=True):
    """What every block knows of itself."""

    @property
    def kind(self) -> str:
        """The block's tag, for templates."""
        return str(self.__struct_config__.tag)


class Cover(Drawable, frozen=True, tag="cover"):
    """The first page: label and value pairs."""

    lines: tuple[tuple[str, str], ...]
    notice: str = ""


class Heading(Drawable, frozen=True, tag="heading"):
    """A chapter's title, numbered in Chinese; `starts_page` asks for a fresh page."""

    number: str
    text: str
    note: str = ""
    starts_page: bool = False


class Paragraphs(Drawable, frozen=True, tag="paragraphs"):
    """Plain paragraphs, numbered when `is_numbered`."""

    lines: tuple[str, ...]
    is_numbered: bool = False


class Notice(Drawable, frozen=True, tag="notice"):
    """A framed text that must not be overlooked."""

    title: str
    lines: tuple[str, ...]


class SummaryLine(msgspec.Struct, frozen=True):
    """One line of the summary: the conclusion's number further on, and its text."""

    number: int
    text: str


class SeverityGroup(msgspec.Struct, frozen=True):
    """The conclusions of one weight."""

    severity: int
    label: str
    lines: tuple[SummaryLine, ...]


class AbnormalSummary(Drawable, frozen=True, tag="abnormal_summary"):
    """What was found, heaviest first, and how many items were examined and abnormal."""

    item_count: int
    abnormal_count: int
    conclusion_count: int
    groups: tuple[SeverityGroup, ...]
    text: str = ""


class NumberedConclusion(msgspec.Struct, frozen=True):
    """A conclusion with its number and the label of its weight."""

    number: int
    text: str
    severity: int
    label: str
    advice: str
    lifestyle: str
    because: tuple[str, ...]
    recheck_text: str


class ConclusionList(Drawable, frozen=True, tag="conclusions"):
    """Conclusions, advice and lifestyle guidance in the reviewer's order."""

    conclusions: tuple[NumberedConclusion, ...]


class ResultTable(Drawable, frozen=True, tag="results"):
    """One department's results."""

    department: str
    group_name: str
    readings: tuple[Reading, ...]
    has_previous: bool
    abnormal_count: int
    summary: str
    doctor: str
    confirmed_at: datetime | None

    @property
    def signed_text(self) -> str:
        """The examining doctor and when the part was confirmed, in words; empty when neither is known."""
        doctor = f"检查医生：{self.doctor}" if self.doctor else ""
        return "    ".join(part for part in (doctor, minute_text(self.confirmed_at)) if part)


class NotDoneTable(Drawable, frozen=True, tag="not_done"):
    """Ordered, but without a result; with the reason."""

    lines: tuple[tuple[str, str, str, str], ...]
    """Group, department, state in words, reason."""


class Signatures(Drawable, frozen=True, tag="signatures"):
    """Who answers for the report, beside the place of the centre's seal."""

    signatures: tuple[Signature, ...]
    closing: str


Block = (
    Cover | Heading | Paragraphs | Notice | AbnormalSummary | ConclusionList | ResultTable | NotDoneTable | Signatures
)


class Document(msgspec.Struct, frozen=True):
    """A whole report. `is_supplement` marks the sealed one that holds the private items alone."""

    header: Header
    blocks: tuple[Block, ...]
    is_supplement: bool = False


def signatures_of(document: Document) -> list[Signature]:
    """Every signature of a document."""
    return [each for block in document.blocks if isinstance(block, Signatures) for each in block.signatures]


def digest(document: Document) -> str:
    """SHA-256 of the canonical JSON, in hex: what the doctors sign and what tells one version from another."""
    return hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()


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
    if not (departments or conclusions or not_done):
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


def chinese_date(day: date) -> str:
    """A day as Chinese paper writes it, for example 2026年11月21日."""
    return f"{day.year}年{day.month}月{day.day}日"


def minute_text(moment: datetime | None) -> str:
    """A moment to the minute on the centre's wall clock; empty for none."""
    return f"{local(moment):%Y-%m-%d %H:%M}" if moment else ""

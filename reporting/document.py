"""A report as data: the preview on screen and the PDF both draw this, and what is signed is the digest of this."""

from __future__ import annotations

import hashlib
from datetime import date, datetime

import msgspec

from exam.kit.clock import local

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


GRADE_LABELS = {"A": "未见异常", "B": "轻度异常", "C": "需复查或改善", "D": "需进一步检查或治疗", "E": "治疗中"}
"""What the grades mean (domain.md §4.3)."""


class Grade(msgspec.Struct, frozen=True):
    """The grade of one domain, such as blood pressure, and the values it follows from."""

    name: str
    grade: str
    values: str
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


class RecheckLine(msgspec.Struct, frozen=True):
    """What shall be examined again (复查), and until which day."""

    names: str
    due_on: date
    is_private: bool = False


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
    grades: tuple[Grade, ...] = ()
    rechecks: tuple[RecheckLine, ...] = ()


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


class GradeTable(Drawable, frozen=True, tag="grades"):
    """Each domain's grade A to E."""

    lines: tuple[Grade, ...]

    @property
    def labels(self) -> dict[str, str]:
        """The grades in order with their meanings, for templates."""
        return GRADE_LABELS


class Signatures(Drawable, frozen=True, tag="signatures"):
    """Who answers for the report, beside the place of the centre's seal."""

    signatures: tuple[Signature, ...]
    closing: str


Block = (
    Cover | Heading | Paragraphs | Notice | AbnormalSummary | ConclusionList | ResultTable | NotDoneTable | GradeTable
    | Signatures
)  # fmt: skip


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


def chinese_date(day: date) -> str:
    """A day as Chinese paper writes it, for example 2026年11月21日."""
    return f"{day.year}年{day.month}月{day.day}日"


def minute_text(moment: datetime | None) -> str:
    """A moment to the minute on the centre's wall clock; empty for none."""
    return f"{local(moment):%Y-%m-%d %H:%M}" if moment else ""

"""What a report says, in which order, and what it keeps to itself."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import DictLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined

from reporting import document as document_room
from reporting.composing import compose, compose_supplement, unit_on_paper
from reporting.document import (
    AbnormalSummary,
    Conclusion,
    ConclusionList,
    DepartmentResult,
    Document,
    Heading,
    Reading,
    ResultTable,
    digest,
)
from tests.reporting.cases import HOSTILE, a_report

PRIVATE_WORDS = ("乙肝", "梅毒", "感染科", "隐私")


def kinds(document: Document) -> list[str]:
    return [block.kind for block in document.blocks]


def only(document: Document, kind: type) -> object:
    return next(block for block in document.blocks if isinstance(block, kind))


def test_the_chapters_come_in_the_order_of_the_specification() -> None:
    document = compose(a_report())
    chapters = [block.text for block in document.blocks if isinstance(block, Heading)]
    assert chapters == [
        "阅读说明",
        "异常结果汇总",
        "主检结论与建议",
        "各科检查结果",
        "检验结果",
        "未检、拒检与延期项目",
        "签名",
    ]
    assert [block.number for block in document.blocks if isinstance(block, Heading)] == list("一二三四五六七")
    assert kinds(document)[0] == "cover"


def test_a_chapter_without_content_is_left_out_and_the_numbers_close_up() -> None:
    document = compose(a_report(departments=(), conclusions=(), not_done=()))
    headings = [(block.number, block.text) for block in document.blocks if isinstance(block, Heading)]
    assert headings == [("一", "阅读说明"), ("二", "异常结果汇总"), ("三", "签名")]


def test_the_main_report_gives_no_hint_of_private_items() -> None:
    document = compose(a_report())
    written = msgspec.json.encode(document).decode()
    assert not [word for word in PRIVATE_WORDS if word in written]
    summary = only(document, AbnormalSummary)
    assert isinstance(summary, AbnormalSummary)
    assert (summary.item_count, summary.abnormal_count, summary.conclusion_count) == (4, 2, 2)


def test_the_supplement_holds_the_private_items_alone() -> None:
    supplement = compose_supplement(a_report())
    assert supplement is not None and supplement.is_supplement
    tables = [block for block in supplement.blocks if isinstance(block, ResultTable)]
    assert [table.group_name for table in tables] == ["乙肝五项"]
    written = msgspec.json.encode(supplement).decode()
    assert "血钾" not in written and "A 类重要异常" not in written and "梅毒2项" in written


def test_there_is_no_supplement_without_private_items() -> None:
    report = a_report()
    public = msgspec.structs.replace(
        report,
        departments=tuple(part for part in report.departments if not part.is_private),
        conclusions=tuple(one for one in report.conclusions if not one.is_private),
        not_done=tuple(line for line in report.not_done if not line.is_private),
    )
    assert compose_supplement(public) is None
    assert digest(compose(public)) == digest(compose(report))


def test_with_privacy_included_everything_is_there() -> None:
    written = msgspec.json.encode(compose(a_report(), include_privacy=True)).decode()
    assert "乙肝表面抗原阳性" in written and "血钾" in written


def test_the_summary_puts_the_heaviest_first_and_conclusions_keep_the_reviewers_order() -> None:
    document = compose(a_report())
    summary, listed = only(document, AbnormalSummary), only(document, ConclusionList)
    assert isinstance(summary, AbnormalSummary) and isinstance(listed, ConclusionList)
    assert [(group.label, [line.number for line in group.lines]) for group in summary.groups] == [
        ("A类重要异常", [2]),
        ("建议专科就诊", [1]),
    ]
    assert [one.text for one in listed.conclusions] == ["血压升高(152/94 mmHg)", "高钾血症"]


@given(st.lists(st.integers(min_value=-1, max_value=9), max_size=12))
def test_every_conclusion_is_in_the_summary_exactly_once(weights: list[int]) -> None:
    conclusions = tuple(Conclusion(f"结论{place}", weight) for place, weight in enumerate(weights))
    summary = only(compose(a_report(conclusions=conclusions)), AbnormalSummary)
    assert isinstance(summary, AbnormalSummary)
    numbers = [line.number for group in summary.groups for line in group.lines]
    assert sorted(numbers) == list(range(1, len(weights) + 1))
    found = [group.severity for group in summary.groups]
    assert found == sorted(set(weights), reverse=True)


def test_abnormal_values_without_a_conclusion_are_never_called_normal() -> None:
    summary = only(compose(a_report(conclusions=())), AbnormalSummary)
    assert isinstance(summary, AbnormalSummary)
    assert summary.abnormal_count == 2 and summary.text == "异常结果见各科检查结果与检验结果。"


@pytest.mark.parametrize(
    ("unit", "printed"),
    [
        ("10*9/L", "10⁹/L"),
        ("10^12/L", "10¹²/L"),
        ("×10^9/L", "×10⁹/L"),
        ("kg/m2", "kg/m²"),
        ("mL/min/1.73m2", "mL/min/1.73m²"),
        ("mmol/L", "mmol/L"),
        ("CO2", "CO2"),
        ("", ""),
    ],
)
def test_units_are_printed_with_raised_figures(unit: str, printed: str) -> None:
    assert unit_on_paper(unit) == printed


def test_the_digest_is_the_same_for_the_same_facts_and_another_for_any_other() -> None:
    assert digest(compose(a_report())) == digest(compose(a_report()))
    assert len(digest(compose(a_report()))) == 64
    assert digest(compose(a_report(closing="祝您健康。"))) != digest(compose(a_report()))


def test_a_document_survives_its_own_json() -> None:
    document = compose(a_report())
    again = msgspec.json.decode(msgspec.json.encode(document), type=Document)
    assert again == document and digest(again) == digest(document)


def test_direction_overrides_are_made_visible_before_anything_is_signed() -> None:
    document = compose(a_report(closing="正常\u202e常异\u0007"))
    assert "正常[U+202E]常异[U+0007]" in msgspec.json.encode(document).decode()


def test_the_preview_draws_every_block_and_escapes_every_text() -> None:
    page = '{% from "reporting/_document.html" import report_document %}{{ report_document(document) }}'
    loader = PrefixLoader(
        {
            "reporting": FileSystemLoader(f"{document_room.__file__.rsplit('/', 1)[0]}/templates"),
            "test": DictLoader({"page.html": page}),
        }
    )
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    report = a_report(closing="\n".join(HOSTILE), notices=HOSTILE)
    document = compose(report, include_privacy=True)
    html = environment.get_template("test/page.html").render(document=document)
    assert "<script>" not in html and "&lt;script&gt;" in html and "{{7*7}}" in html and "49" not in html
    assert "style=" not in html
    for block in document.blocks:
        assert f"report-{MARKS[block.kind]}" in html
    for text in ("梅志远", "高钾血症", "乙肝表面抗原", "152", "↑", "设备检修", "何慧敏", "2026-11-23 10:30", "10⁹/L"):
        assert text in html


MARKS = {
    "cover": "cover",
    "heading": "heading",
    "paragraphs": "notes",
    "notice": "notice",
    "abnormal_summary": "counts",
    "conclusions": "conclusions",
    "results": "results",
    "not_done": "table",
    "signatures": "signatures",
}


def test_units_of_a_table_are_printed_as_people_read_them() -> None:
    readings = (Reading("收缩压", "152", "mm[Hg]"), Reading("尿沉渣白细胞", "3.4", "/[HPF]"), Reading("血小板", "438", "10*9/L"))
    report = a_report(departments=(DepartmentResult("一般检查", readings),))
    tables = [block for block in compose(report).blocks if isinstance(block, ResultTable)]
    assert [reading.unit for reading in tables[0].readings] == ["mmHg", "/HP", "×10⁹/L"]

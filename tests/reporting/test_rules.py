"""What may happen to a report, and what stands in which of its two parts: without any database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chief_review.facts import ConclusionLine, Review, ReviewState, Signature
from exam.catalog.starter import as_catalogue, load
from exam.kit.errors import Refused
from exam.knowledge.facts import Because, Flag, Reading, Severity
from exam.knowledge.rules.summaries import summarize
from exam.visits.facts import LineState, OrderLine, VisitCard, VisitState
from reporting import contents, rules
from reporting.composing import compose, compose_supplement
from reporting.document import Document, ResultTable
from reporting.facts import RecordVersion, ReportEvent, ReportState
from tests.reporting.staging import HBSAG, HEPATITIS, LIVER, READINGS, general, laboratory

CATALOGUE = as_catalogue(load(), 1, date(2026, 11, 21))
NOW = datetime(2026, 11, 21, tzinfo=UTC)
VISIT = UUID(int=1)
_ids = count(10)


@dataclass(frozen=True)
class Fact:
    """A stored fact, as the rules read one."""

    kind: str
    undoes: UUID | None = None
    id: UUID = VISIT


def facts(*kinds: str) -> list[Fact]:
    return [Fact(kind, None, UUID(int=next(_ids))) for kind in kinds]


# --- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ((), "draft"),
        (("issued",), "issued"),
        (("issued", "delivered"), "delivered"),
        (("issued", "recalled"), "recalled"),
        (("issued", "delivered", "recalled"), "recalled"),
        (("issued", "recalled", "superseded"), "superseded"),
        (("issued", "not_current"), "issued"),
        (("issued", "not_current", "recalled", "superseded"), "superseded"),
    ],
)
def test_a_version_stands_where_its_facts_say(kinds: tuple[str, ...], state: str) -> None:
    assert rules.version_state(facts(*kinds)) == state


def test_an_undone_hand_over_leaves_the_version_issued() -> None:
    listed = facts("issued", "delivered")
    listed.append(Fact("delivered", listed[1].id, UUID(int=next(_ids))))
    assert rules.version_state(listed) == ReportState.ISSUED


@given(st.lists(st.sampled_from(list(ReportEvent)), max_size=8))
def test_nothing_leads_back_from_superseded(kinds: list[ReportEvent]) -> None:
    before = rules.version_state(facts(*kinds))
    after = rules.version_state(facts(*kinds, "issued", "delivered"))
    assert before != ReportState.SUPERSEDED or after == ReportState.SUPERSEDED


@pytest.mark.parametrize("state", [state for state in VisitState if state != VisitState.FINAL])
def test_only_a_finally_reviewed_visit_is_issued(state: VisitState) -> None:
    with pytest.raises(Refused) as refused:
        rules.require_issue(state)
    assert refused.value.hint


def test_a_finally_reviewed_visit_may_be_issued() -> None:
    assert rules.require_issue(VisitState.FINAL) is None


def test_what_was_handed_over_is_recalled_only_after_the_examinee_was_told() -> None:
    with pytest.raises(Refused, match=r"reporting\.delivered"):
        rules.require_recall(ReportState.DELIVERED, is_examinee_told=False)
    rules.require_recall(ReportState.DELIVERED, is_examinee_told=True)
    with pytest.raises(Refused, match=r"reporting\.nothing_issued"):
        rules.require_recall(None, is_examinee_told=True)


@pytest.mark.parametrize("reason", ["", "  ", "错" * 201])
def test_a_recall_needs_a_reason_of_reasonable_length(reason: str) -> None:
    with pytest.raises(Refused) as refused:
        rules.require_reason(reason)
    assert refused.value.field == "reason"


def test_an_outdated_report_is_not_handed_over() -> None:
    with pytest.raises(Refused, match=r"reporting\.outdated"):
        rules.require_deliver(ReportState.ISSUED, False, "本人")
    assert rules.require_deliver(ReportState.ISSUED, True, " 本人 ") == "本人"


def test_a_manifest_tells_which_departments_changed() -> None:
    before = (RecordVersion("GEN", 1), RecordVersion("LAB", 2))
    assert rules.changed_departments(before, before) == ()
    assert rules.changed_departments(before, (RecordVersion("GEN", 1), RecordVersion("LAB", 3))) == ("LAB",)
    assert rules.changed_departments(before, (*before, RecordVersion("ECG", 1))) == ("ECG",)


# --- signatures ------------------------------------------------------------------------------------------------------


def signature(level: str, doctor: int) -> Signature:
    return Signature(level, UUID(int=doctor), f"医师{doctor}", "主任医师", NOW, "d")


@pytest.mark.parametrize(
    ("signatures", "code"),
    [
        ((), "reporting.signature_missing"),
        ((signature("first", 1),), "reporting.signature_missing"),
        ((signature("final", 1),), "reporting.signature_missing"),
        ((signature("first", 1), signature("final", 1)), "reporting.same_doctor"),
    ],
)
def test_a_report_needs_two_different_doctors(signatures: tuple[Signature, ...], code: str) -> None:
    with pytest.raises(Refused, match=code):
        rules.require_signatures(signatures, "d")


def test_a_result_that_came_after_the_signatures_stops_the_report() -> None:
    signed = (signature("first", 1), signature("final", 2))
    assert rules.require_signatures(signed, "d") is None
    with pytest.raises(Refused, match=r"reporting\.signed_before"):
        rules.require_signatures(signed, "another")


def test_nobody_but_the_two_doctors_stands_in_the_signature_block() -> None:
    block = rules.signature_block((signature("final", 2), signature("department", 3), signature("first", 1)))
    assert [(each.role, each.name) for each in block] == [("主检医师", "医师1"), ("终审医师", "医师2")]


# --- privacy ---------------------------------------------------------------------------------------------------------


def line(code: str, state: LineState = LineState.CONFIRMED, reason: str = "") -> OrderLine:
    group = CATALOGUE.groups[code]
    return OrderLine(UUID(int=next(_ids)), VISIT, code, group.name, group.department, group.price_fen, "package", state, reason)


def sources(category: str = "health", **changes: object) -> contents.Sources:
    card = VisitCard(
        VISIT, "0101261121000123", "01", UUID(int=2), "韦小明", "M", 41, category, date(2026, 11, 21), VisitState.FINAL,
        package_name="套餐",
    )  # fmt: skip
    signed = (signature("first", 1), signature("final", 2))
    given = {
        "centre_name": "体检中心", "card": card, "masked_id_number": "4501**********0018", "catalogue": CATALOGUE,
        "departments": (general(), laboratory(*READINGS, HBSAG, summary="ALT 升高;乙肝表面抗原阳性")),
        "lines": (line("G001"), line("G030"), line("G050"), line("G052", LineState.REFUSED, "本人拒绝")),
        "review": Review(VISIT, ReviewState.FINAL, 1, (LIVER, HEPATITIS), False, "d", signed),
    }  # fmt: skip
    return contents.Sources(**{**given, **changes})  # type: ignore[arg-type]


def everything_in(document: Document | None) -> str:
    return "" if document is None else repr(document)


def test_private_things_stand_in_the_supplement_alone() -> None:
    found = contents.contents(sources())
    main, supplement = everything_in(compose(found.report)), everything_in(compose_supplement(found.report))
    for word in ("乙肝", "HIV"):
        assert word not in main
        assert word in supplement
    assert "丙氨酸氨基转移酶" in main
    assert "丙氨酸氨基转移酶升高" not in supplement
    assert found.private_count == 3


def test_a_summary_written_over_private_readings_is_drafted_anew_for_the_open_part() -> None:
    tables = [block for block in compose(contents.contents(sources()).report).blocks if isinstance(block, ResultTable)]
    laboratory_summary = "".join(table.summary for table in tables if table.department.startswith("检验科"))
    assert "丙氨酸氨基转移酶" in laboratory_summary
    assert "乙肝" not in laboratory_summary


def test_a_draft_over_both_is_drafted_for_each_and_a_doctors_words_stay_together_in_the_supplement() -> None:
    drafted = summarize("检验科", (*READINGS, HBSAG), True).text
    for summary, is_split in ((drafted, True), ("转氨酶高,考虑与乙肝有关", False)):
        part = laboratory(*READINGS, HBSAG, summary=summary)
        found = contents.contents(sources(departments=(part,))).report.departments
        private = next(each.summary for each in found if each.is_private)
        assert ("丙氨酸" not in private and "乙肝" in private) if is_split else private == summary


@pytest.mark.parametrize(
    "text", ["乙肝病毒携带", "HBsAg(+)", "ＨＩＶ初筛有反应", "梅毒抗体阳性,请复查", "丙肝抗体阳性"]
)  # fmt: skip
def test_a_hand_written_conclusion_about_a_private_matter_is_recognised(text: str) -> None:
    review = Review(VISIT, ReviewState.FINAL, 1, (LIVER, ConclusionLine("m", text, origin="manual")), False, "d")
    found = contents.contents(sources(review=review))
    assert text not in everything_in(compose(found.report))
    assert [one.is_private for one in found.report.conclusions] == [False, True]


@pytest.mark.parametrize("category", ["entry", "school"])
def test_entry_and_school_reports_never_print_what_is_barred(category: str) -> None:
    found = contents.contents(sources(category))
    printed = everything_in(compose(found.report)) + everything_in(compose_supplement(found.report))
    for word in ("乙肝", "HIV", "HBSAG"):
        assert word not in printed
    assert found.withheld_items == ("乙肝表面抗原",)
    with pytest.raises(Refused, match="barred_conclusion"):
        contents.require_printable(found)


def test_a_health_report_withholds_nothing() -> None:
    found = contents.contents(sources())
    assert (found.withheld_items, found.withheld_conclusions) == ((), ())
    assert contents.require_printable(found) is None


def test_no_private_critical_result_is_told_on_the_open_notice() -> None:
    lines = (
        ConclusionLine("a", "血钾危急值", severity=Severity.CRITICAL),
        ConclusionLine("b", "HIV抗体初筛有反应", severity=Severity.CRITICAL, covers=("HIVAB",)),
    )
    found = contents.contents(sources(review=Review(VISIT, ReviewState.FINAL, 1, lines, False, "d")))
    assert len(found.report.notices) == 1
    assert "血钾" in found.report.notices[0]
    assert "HIV" not in found.report.notices[0]


def test_the_laboratory_is_printed_by_ordered_group() -> None:
    found = [part for part in contents.contents(sources()).report.departments if part.is_laboratory]
    assert [part.group_name for part in found] == [CATALOGUE.groups["G030"].name, "其他", "", CATALOGUE.groups["G050"].name]


def test_the_summary_of_several_groups_stands_in_a_part_of_its_own_behind_them() -> None:
    words = "血象正常,转氨酶偏高,见建议"
    several = laboratory(*READINGS, summary=words)
    found = [part for part in contents.contents(sources(departments=(several,))).report.departments if part.is_laboratory]
    assert [(part.department, len(part.readings), part.summary) for part in found] == [
        ("检验科", 1, ""), ("检验科", 1, ""), ("检验科小结", 0, words),
    ]  # fmt: skip
    assert (found[-1].doctor, found[-1].confirmed_at) == (several.doctor, several.verified_at)
    single = laboratory(READINGS[0], summary=words)
    found = [part for part in contents.contents(sources(departments=(single,))).report.departments if part.is_laboratory]
    assert [(part.department, part.summary) for part in found] == [("检验科", words)]


# --- the signs of the system's own sentences ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("结合临床,必要时复查;戒酒", "结合临床，必要时复查；戒酒"),
        ("尿素 偏高(9.38 mmol/L,参考 2.6–7.5)", "尿素 偏高(9.38 mmol/L，参考 2.6–7.5)"),
        ("心律:早搏; 血钾 6.8 mmol/L ↑", "心律：早搏；血钾 6.8 mmol/L ↑"),
        ("空腹至8:00,共1,200 mL,滴度1:160", "空腹至8:00，共1,200 mL，滴度1:160"),
        ("mL/min/1.73m2;I10,E78", "mL/min/1.73m2;I10,E78"),
        ("", ""),
    ],
)
def test_a_sentence_of_the_system_is_printed_with_chinese_signs_and_figures_and_codes_as_they_are(text: str, printed: str) -> None:
    assert contents.punctuated(text) == printed
    assert contents.punctuated(printed) == printed


def test_only_what_no_doctor_wrote_gets_other_signs() -> None:
    words = "右肺:结节,建议复查"
    finding = Reading("CTF", "所见", words, flag=Flag.ABNORMAL)
    rule = ConclusionLine(
        "r", f"所见 异常({words},参考 无)", advice="三月后,复查", lifestyle="戒烟;限酒",
        because=(Because("P", 1, ("CTF",), (f"所见 {words} *", "心律:早搏")),),
    )  # fmt: skip
    typed = ConclusionLine("m", "血脂高,已服药", advice="继续服药;随访", lifestyle="少油,少盐", origin="reworded")
    given = sources(
        departments=(laboratory(finding, summary=summarize("检验科", (finding,), True).text), general("血压正常,心率齐")),
        review=Review(VISIT, ReviewState.FINAL, 1, (rule, typed), False, "d"),
    )
    first, second = contents.contents(given).report.conclusions
    assert (first.text, first.advice, first.lifestyle) == (f"所见 异常({words}，参考 无)", "三月后，复查", "戒烟；限酒")
    assert first.because == (f"所见 {words} *", "心律：早搏")
    assert (second.text, second.advice, second.lifestyle) == ("血脂高,已服药", "继续服药;随访", "少油,少盐")
    summaries = {part.department: part.summary for part in contents.contents(given).report.departments}
    assert summaries["一般检查"] == "血压正常,心率齐"
    assert words in summaries["检验科"]


def test_a_draft_that_the_doctor_left_is_printed_with_chinese_signs() -> None:
    beat = Reading("HR", "心律", "早搏", choices=("早搏",), flag=Flag.ABNORMAL, abnormal=("早搏",))
    part = laboratory(beat, READINGS[1], summary=summarize("检验科", (beat, READINGS[1]), True).text)
    given = sources(departments=(part,), lines=())
    assert [each.summary for each in contents.contents(given).report.departments] == ["心律：早搏；丙氨酸氨基转移酶 62 U/L ↑"]


def test_a_second_version_says_what_it_replaces() -> None:
    header = contents.contents(sources(number=2, replaces=1)).report.header
    assert (header.version_no, header.replaces_text) == (2, "（替代第 1 版）")

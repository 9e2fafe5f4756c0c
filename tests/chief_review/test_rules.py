"""Editing, regenerating and blocking, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chief_review import rules, signing
from chief_review.facts import Body, ConclusionLine, EditedLine, Signature
from exam.kit.errors import BadInput, Refused
from exam.knowledge.facts import Case, Severity
from exam.knowledge.rules import suggest, uncovered_items
from results.facts import DepartmentResult, RecordState
from tests.knowledge.cases import RULES, case_of

VISIT = UUID(int=1)
HE, LIANG, ZHAO = UUID(int=11), UUID(int=12), UUID(int=13)
CASE = case_of({"GLU": "7.40", "TC": "6.50", "TG": "2.80", "ALT": "88", "US_ABD": ("脂肪肝(轻度)", "胆囊结石")})
SUGGESTED = suggest(CASE, RULES)
FIRST = rules.first_body(SUGGESTED)
HEALTHY = case_of({"GLU": "5.20", "TC": "4.50"})


def as_edited(body: Body, **words: str) -> list[EditedLine]:
    """The lines as an editor hands them in, unchanged; `words` rewords the first one."""
    lines = [
        EditedLine(
            key=line.key, text=line.text, category=line.category, severity=line.severity, advice=line.advice,
            lifestyle=line.lifestyle, specialist=line.specialist,
        )
        for line in body.lines
    ]  # fmt: skip
    if words:
        import msgspec

        lines[0] = msgspec.structs.replace(lines[0], **words)
    return lines


def edit(body: Body, lines: list[EditedLine], case: Case = CASE) -> Body:
    return rules.edited(body, lines, suggest(case, RULES), case)


def department(state: RecordState = RecordState.VERIFIED, *, is_expected: bool = True) -> DepartmentResult:
    return DepartmentResult("LAB", "检验科", "lab", state, 1, (), (), "", is_expected=is_expected)


# --- editing ---------------------------------------------------------------------------------------------------------


def test_handing_the_lines_in_unchanged_changes_nothing() -> None:
    assert edit(FIRST, as_edited(FIRST)) == FIRST


def test_a_reworded_line_keeps_its_reason_and_what_it_answers_for() -> None:
    line = edit(FIRST, as_edited(FIRST, text="空腹血糖 7.4,请复查")).lines[0]
    assert (line.text, line.origin) == ("空腹血糖 7.4,请复查", "reworded")
    assert (line.because, line.covers) == (FIRST.lines[0].because, FIRST.lines[0].covers)


def test_an_editor_cannot_make_a_line_answer_for_something_else() -> None:
    lines = as_edited(FIRST)[:1]
    import msgspec

    forged = edit(FIRST, [msgspec.structs.replace(lines[0], covers=tuple(CASE.readings))])
    assert forged.lines[0].covers == FIRST.lines[0].covers
    assert {reading.item for reading in rules.uncovered_readings(forged.lines, CASE)} >= {"TC", "US_ABD"}


def test_a_new_line_by_hand_gets_a_key_of_its_own_and_covers_only_flagged_items() -> None:
    lines = [*as_edited(FIRST), EditedLine(text="建议戒烟"), EditedLine(text="关注肝功能", covers=("ALT", "HGB", "NONE"))]
    new = edit(FIRST, lines).lines[-2:]
    assert [(line.key, line.origin, line.covers) for line in new] == [("manual:1", "manual", ()), ("manual:2", "manual", ("ALT",))]


def test_a_deleted_suggestion_is_remembered_and_comes_back_at_its_place() -> None:
    less = edit(FIRST, as_edited(FIRST)[1:])
    assert less.removed == (FIRST.lines[0].key,)
    again = rules.acted(less, f"restore:{FIRST.lines[0].key}", (), CASE, SUGGESTED)
    assert again == FIRST


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([EditedLine(text="  ")], "text.1"),
        ([EditedLine(text="长" * 301)], "text.1"),
        ([EditedLine(text="好", advice="长" * 2001)], "advice.1"),
        ([EditedLine(text="响铃\a")], "text.1"),
    ],
)
def test_unusable_words_are_refused_by_field(lines: list[EditedLine], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        edit(FIRST, lines)
    assert refused.value.field == field


def test_a_line_handed_in_twice_or_unknown_is_refused() -> None:
    with pytest.raises(Refused, match="line_twice"):
        edit(FIRST, as_edited(FIRST)[:1] * 2)
    with pytest.raises(Refused, match="unknown_line"):
        edit(FIRST, [EditedLine(key="manual:9", text="不存在")])


# --- merging ---------------------------------------------------------------------------------------------------------


def test_merging_joins_keys_words_reasons_and_coverage_at_the_first_place() -> None:
    keys = [FIRST.lines[0].key, FIRST.lines[2].key]
    body = rules.merged(FIRST, keys)
    one = body.lines[0]
    assert (len(body.lines), one.origin, one.parts) == (len(FIRST.lines) - 1, "merged", tuple(keys))
    assert one.text == f"{FIRST.lines[0].text};{FIRST.lines[2].text}"
    assert one.severity == max(FIRST.lines[0].severity, FIRST.lines[2].severity)
    assert set(one.because) == {*FIRST.lines[0].because, *FIRST.lines[2].because}
    assert rules.uncovered_readings(body.lines, CASE) == ()


def test_merging_needs_two_lines() -> None:
    with pytest.raises(Refused, match="merge_two"):
        rules.merged(FIRST, [FIRST.lines[0].key])


def test_deleting_a_merged_line_leaves_every_part_deleted_and_its_values_without_a_line() -> None:
    body = rules.merged(FIRST, [line.key for line in FIRST.lines])
    empty = edit(body, [])
    assert set(empty.removed) == {line.key for line in FIRST.lines}
    flagged = {code for code, reading in CASE.readings.items() if reading.flag in rules.knowledge.OUTSTANDING}
    assert {reading.item for reading in rules.uncovered_readings(empty.lines, CASE)} == flagged


# --- regenerating (M16) ----------------------------------------------------------------------------------------------


def test_regenerating_keeps_a_doctors_lines_words_order_and_deletions() -> None:
    edited = as_edited(FIRST)
    edited.reverse()
    deleted = edited.pop()
    body = edit(FIRST, [*edited, EditedLine(text="建议戒烟")])
    body = edit(body, as_edited(body, text="改写后的第一条"))
    again = rules.regenerated(body, SUGGESTED, CASE)
    assert [line.text for line in again.lines] == [line.text for line in body.lines]
    assert deleted.key in again.removed


def test_a_corrected_value_takes_its_untouched_line_away_and_brings_the_new_one() -> None:
    later = case_of({"GLU": "6.50", "TC": "6.50", "TG": "2.80", "ALT": "88", "US_ABD": ("脂肪肝(轻度)", "胆囊结石")})
    body = rules.regenerated(FIRST, suggest(later, RULES), later)
    assert "B02" not in {line.key for line in body.lines} and "D12" in {line.key for line in body.lines}
    assert rules.uncovered_readings(body.lines, later) == ()


def test_a_reworded_line_whose_finding_is_gone_stays_answers_for_nothing_and_is_shown_as_outdated() -> None:
    body = edit(FIRST, as_edited(FIRST, text="医生自己的话"))
    suggested = suggest(HEALTHY, RULES)
    line = rules.regenerated(body, suggested, HEALTHY).lines[0]
    assert (line.text, line.covers) == ("医生自己的话", ())
    assert rules.is_outdated(line, {each.key: each for each in suggested}, HEALTHY)


def test_an_attached_item_stays_with_its_line_when_suggestions_change() -> None:
    body = edit(FIRST, as_edited(FIRST)[:1])
    body = rules.acted(body, "attach:US_ABD", [body.lines[0].key], CASE, SUGGESTED)
    assert set(body.lines[0].covers_choices) == {("US_ABD", "脂肪肝(轻度)"), ("US_ABD", "胆囊结石")}
    again = rules.regenerated(body, SUGGESTED, CASE)
    assert "US_ABD" in again.lines[0].covers


LATER = case_of({"GLU": "8.80", "TC": "6.50", "TG": "2.80", "ALT": "88", "US_ABD": ("脂肪肝(轻度)", "胆囊结石")})
"""As CASE, with another fasting glucose that the same rule speaks of."""
WELL = case_of({"GLU": "5.20", "TC": "6.50", "TG": "2.80", "ALT": "88", "US_ABD": ("脂肪肝(轻度)", "胆囊结石")})
"""As CASE, with a normal fasting glucose."""
AT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def brought_up(body: Body, case: Case) -> Body:
    return rules.regenerated(body, suggest(case, RULES), case)


def keep(body: Body, key: str, reason: str = "患者近期确诊", case: Case = WELL) -> Body:
    return rules.kept(body, key, reason, "何志远", AT, AT, suggest(case, RULES), case)


def test_a_merged_line_is_outdated_when_any_of_its_sources_is_gone() -> None:
    body = brought_up(rules.merged(FIRST, [FIRST.lines[0].key, FIRST.lines[1].key]), WELL)
    assert [line.key for line in rules.outdated_lines(body.lines, suggest(WELL, RULES), WELL)] == [body.lines[0].key]
    assert blocks(body, WELL) == ["chief_review.outdated"]


def test_words_about_other_values_are_outdated_until_a_doctor_rewrites_them() -> None:
    body = brought_up(edit(FIRST, as_edited(FIRST, advice="血糖 7.4,控制饮食")), LATER)
    assert blocks(body, LATER) == ["chief_review.outdated"]
    body = edit(body, as_edited(body, advice="血糖 8.8,控制饮食"), LATER)
    assert blocks(body, LATER) == []
    assert "8.80" in str(body.lines[0].because) and "7.40" not in str(body.lines[0].because)


def test_an_untouched_line_is_outdated_until_the_suggestions_are_refreshed() -> None:
    assert "chief_review.outdated" in blocks(FIRST, LATER)
    assert blocks(brought_up(FIRST, LATER), LATER) == []


def test_a_line_that_quotes_one_value_is_outdated_when_that_value_is_corrected() -> None:
    body = rules.acted(edit(FIRST, as_edited(FIRST)[1:]), "cover:GLU", (), CASE, SUGGESTED)
    assert "7.40" in body.lines[-1].text and blocks(body) == []
    assert "chief_review.outdated" in blocks(brought_up(body, WELL), WELL)
    body = rules.acted(edit(FIRST, as_edited(FIRST)[1:]), "attach:GLU", [FIRST.lines[1].key], CASE, SUGGESTED)
    assert "chief_review.outdated" in blocks(brought_up(body, WELL), WELL)


def test_an_outdated_line_may_be_kept_with_a_reason_and_says_as_of_when() -> None:
    body = brought_up(edit(FIRST, as_edited(FIRST, advice="继续服药")), WELL)
    key = body.lines[0].key
    with pytest.raises(Refused, match="reason_missing") as refused:
        keep(body, key, "  ")
    assert refused.value.field == "reason.1"
    body = keep(body, key)
    line = body.lines[0]
    assert blocks(body, WELL) == [] and brought_up(body, WELL) == body and edit(body, as_edited(body), WELL) == body
    assert line.kept is not None and (line.kept.reason, line.kept.by) == ("患者近期确诊", "何志远")
    evidence = [text for why in line.because for text in why.evidence]
    assert "2026-11-21 10:00 的结果" in evidence[-1] and "患者近期确诊" in evidence[-1]
    with pytest.raises(Refused, match="not_outdated"):
        keep(body, key)


def test_a_kept_line_survives_whatever_else_is_brought_up_to_date() -> None:
    key = FIRST.lines[0].key
    body = keep(FIRST, key)  # an untouched line of the rule that no longer speaks
    assert key in {line.key for line in brought_up(body, WELL).lines}
    assert brought_up(body, WELL).lines[0].kept is not None


def test_a_kept_line_is_outdated_again_when_its_words_or_findings_change_again() -> None:
    kept = keep(brought_up(edit(FIRST, as_edited(FIRST, advice="继续服药")), WELL), FIRST.lines[0].key)
    reworded = edit(kept, as_edited(kept, advice="继续服药,复查"), WELL)
    assert blocks(reworded, WELL) == ["chief_review.outdated"] and "保留" not in str(reworded.lines[0].because)
    assert blocks(brought_up(kept, LATER), LATER) == ["chief_review.outdated"]
    back = brought_up(kept, CASE)
    assert blocks(back) == [] and back.lines[0].kept is None and "保留" not in str(back.lines[0].because)


def test_a_renewed_line_gives_way_to_what_is_suggested_now() -> None:
    body = rules.merged(FIRST, [FIRST.lines[0].key, FIRST.lines[1].key])
    key = body.lines[0].key
    body = rules.acted(brought_up(body, WELL), f"renew:{key}", (), WELL, suggest(WELL, RULES))
    assert key not in {line.key for line in body.lines} and FIRST.lines[1].key in {line.key for line in body.lines}
    assert blocks(body, WELL) == [] and body.removed == ()


@given(st.lists(st.integers(0, len(FIRST.lines) - 1), unique=True), st.booleans())
def test_whatever_is_deleted_is_either_answered_for_or_named(kept: list[int], is_manual_added: bool) -> None:
    lines = [as_edited(FIRST)[each] for each in kept] + ([EditedLine(text="其他")] if is_manual_added else [])
    body = edit(FIRST, lines)
    covered = {item for line in body.lines for item in line.covers}
    named = {reading.item for reading in rules.uncovered_readings(body.lines, CASE)}
    flagged = {code for code, reading in CASE.readings.items() if reading.flag in rules.knowledge.OUTSTANDING}
    assert flagged <= covered | named
    for item in named:
        body = rules.acted(body, f"cover:{item}", (), CASE, SUGGESTED)
    assert rules.uncovered_readings(body.lines, CASE) == ()
    assert rules.regenerated(rules.regenerated(body, SUGGESTED, CASE), SUGGESTED, CASE) == rules.regenerated(body, SUGGESTED, CASE)


def test_the_shipped_suggestions_answer_for_every_flagged_value() -> None:
    assert uncovered_items(CASE, SUGGESTED) == ()


# --- what blocks a signature -----------------------------------------------------------------------------------------


def blocks(body: Body, case: Case = CASE, *departments: DepartmentResult, allowed: bool = False) -> list[str]:
    found = signing.signing_blocks(body, case, departments or (department(),), suggest(case, RULES), is_nothing_allowed=allowed)
    return [each.code for each in found]


def test_a_complete_review_has_no_block() -> None:
    assert blocks(FIRST) == []


def test_a_flagged_value_without_a_line_blocks_and_is_named() -> None:
    body = edit(FIRST, as_edited(FIRST)[1:])
    found = signing.signing_blocks(body, CASE, (department(),), SUGGESTED, is_nothing_allowed=False)
    assert [each.code for each in found] == ["chief_review.uncovered"]
    assert "空腹血糖 7.40 mmol/L ↑" in found[0].text


def test_nothing_abnormal_is_refused_while_a_value_is_flagged_or_a_line_says_otherwise() -> None:
    import msgspec

    body = msgspec.structs.replace(FIRST, is_nothing_abnormal=True)
    assert blocks(body) == ["chief_review.nothing_contradicts", "chief_review.nothing_refused"]


def test_no_line_needs_the_explicit_statement() -> None:
    assert blocks(Body(), HEALTHY, allowed=True) == ["chief_review.no_line"]
    assert blocks(Body(is_nothing_abnormal=True), HEALTHY, allowed=True) == []


def test_an_unsigned_department_blocks_unless_nothing_is_expected_of_it() -> None:
    assert blocks(FIRST, CASE, department(RecordState.SAVED)) == ["chief_review.departments_open"]
    assert blocks(FIRST, CASE, department(RecordState.OPEN, is_expected=False)) == []


@pytest.mark.parametrize(
    ("signer", "title", "author", "first", "code"),
    [
        (LIANG, "主任医师", HE, HE, ""),
        (ZHAO, "副主任医师", HE, HE, ""),
        (HE, "主任医师", HE, HE, "same_doctor"),
        (LIANG, "主任医师", LIANG, HE, "same_doctor"),
        (LIANG, "主任医师", HE, LIANG, "same_doctor"),
        (ZHAO, "主治医师", HE, HE, "title_too_low"),
        (ZHAO, "副主任护师", HE, HE, "title_too_low"),
        (ZHAO, "", HE, HE, "title_too_low"),
        (None, "主任医师", HE, HE, "same_doctor"),
    ],
)
def test_the_final_signer_is_a_second_senior_physician(
    signer: UUID | None, title: str, author: UUID, first: UUID, code: str
) -> None:
    from datetime import UTC, datetime

    held = Signature("first", first, "某", "主治医师", datetime(2026, 11, 21, tzinfo=UTC), "d")
    if not code:
        signing.require_final_signer(signer, title, author, held)
        assert signer not in (author, first)
    else:
        with pytest.raises(Refused, match=code):
            signing.require_final_signer(signer, title, author, held)


# --- digests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("author", "first", "text"), [(LIANG, HE, "您修改过"), (HE, LIANG, "您已完成初审签名")])
def test_who_may_not_sign_finally_hears_the_true_reason(author: UUID, first: UUID, text: str) -> None:
    held = Signature("first", first, "某医师", "主任医师", AT, "")
    with pytest.raises(Refused, match="same_doctor") as refused:
        signing.require_final_signer(LIANG, "主任医师", author, held)
    assert text in refused.value.text


def test_every_part_of_a_line_the_order_and_the_visit_change_the_digest() -> None:
    line = FIRST.lines[0]
    variants = [
        (VISIT, FIRST.lines, False),
        (VISIT, FIRST.lines, True),
        (UUID(int=2), FIRST.lines, False),
        (VISIT, FIRST.lines[::-1], False),
        (VISIT, FIRST.lines[1:], False),
        (VISIT, (ConclusionLine(key=line.key, text=line.text, severity=Severity.HINT), *FIRST.lines[1:]), False),
    ]
    assert len({signing.content_digest(*each) for each in variants}) == len(variants)

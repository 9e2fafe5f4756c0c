"""A roster's rows: every fault at once, at its cell, with reason and remedy; nothing that Excel lost is guessed."""

from __future__ import annotations

import time
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.kit.workbook_reader import Cell, DateCell
from exam.people.facts import IdKind
from group_orders import roster_fields, roster_rules
from group_orders.facts import CohortRule
from group_orders.roster_cells import BadCell, read_birth, read_phone
from group_orders.roster_rules import CheckedRow, Fitting, Roster, check, cohort_for
from tests.group_orders.roster_cases import COHORTS, EXAM_ON, FEMALE, HEADER, MALE, MARRIED, MEN, SINGLE, TODAY, id_number, person

LONG = [*HEADER, "证件类型", "与员工关系", "员工工号"]
MAPPING = roster_fields.guess(LONG, {})
ROSTER = Roster(COHORTS, EXAM_ON, TODAY)


def checked(*rows: list[Any], roster: Roster = ROSTER) -> list[CheckedRow]:
    return check([(number, [*row, *[""] * (len(LONG) - len(row))]) for number, row in enumerate(rows, 2)], MAPPING, roster)


def faults(row: list[Any], roster: Roster = ROSTER) -> dict[str, str]:
    """`{cell: reason}` of one row in line 2."""
    (only,) = checked(row, roster=roster)
    assert all(each.remedy for each in only.problems)
    assert (only.draft is None) == bool(only.problems)
    return {each.cell: each.reason for each in only.problems}


def with_more(row: list[Any], **more: Any) -> list[Any]:
    return [more.get(label, cell) for label, cell in zip(LONG, [*row, "", "", ""], strict=True)]


def test_a_sound_row_becomes_a_draft() -> None:
    (row,) = checked(person(1))
    draft = row.draft
    assert draft is not None
    assert (draft.row, draft.name, draft.id_no, draft.sex, draft.birth_on) == (2, "韦小明乙", id_number(1), "M", date(1985, 3, 15))
    assert (draft.phone, draft.department, draft.employee_no, draft.cohort_id) == ("13800130001", "一车间", "E0001", MEN.cohort_id)
    assert row.warnings == ()


def test_every_wrong_cell_of_every_row_is_told_at_once() -> None:
    rows = checked(
        person(
            1, 姓名="", 身份证号="450110198502300019", 性别="男人", 手机="12345", 出生日期="1985-02-30", 婚姻="不详", 分组="男职"
        ),
        person(3, 身份证号=MALE[:-1] + "9"),
    )
    assert [each.cell for each in rows[0].problems] == ["A2", "E2", "B2", "C2", "D2", "F2", "K2"]
    assert [(each.cell, each.reason) for each in rows[1].problems] == [("B3", "证件号码校验位不正确")]
    assert "男职工" in rows[0].problems[-1].remedy


@pytest.mark.parametrize("cell", [4.5011019850315e17, 450110198503150018.0, "4.50110E+17", "4.5011019850315e17", "45E+16"])
def test_an_id_number_that_excel_rounded_is_refused_never_guessed(cell: Cell) -> None:
    reason = faults(person(1, 身份证号=cell))["B2"]
    assert "末几位已" in reason


@pytest.mark.parametrize("cell", [12345678.0, DateCell("1985-03-15"), True, 130503670401001.0])
def test_any_other_cell_that_is_no_text_is_no_id_number(cell: Cell) -> None:
    assert "B2" in faults(person(1, 身份证号=cell))


@pytest.mark.parametrize(
    "text",
    [MALE, f" {MALE} ", "45011019850315 0018", "\uff14\uff15\uff10110198503150018", f"'{MALE}", MALE + "\u200b", "\u00a0" + MALE],
)
def test_what_an_input_method_adds_to_a_number_makes_no_difference(text: str) -> None:
    (row,) = checked(person(1, 身份证号=text, 性别="男"))
    assert row.draft is not None and row.draft.id_no == MALE


def test_the_vectors_of_the_numbering_hold() -> None:
    (old,) = checked(person(1, 身份证号="130503670401001", 出生日期="", 性别=""))
    assert old.draft is not None and old.draft.id_no == "130503196704010016"
    assert any("15位" in each.reason for each in old.warnings)
    (lower,) = checked(person(1, 身份证号="11010519491231002x", 出生日期="1949-12-31", 性别="女"))
    assert lower.draft is not None and lower.draft.id_no.endswith("X")
    for wrong in ("11010519491231002Y", "110105194912310021", "450110198502300019", "4501101985031500", "11010519491231"):
        assert "B2" in faults(person(1, 身份证号=wrong, 出生日期="", 性别="")), wrong


@pytest.mark.parametrize("text", ["12345678", "1234567890", "45011019850X", "G1234567"])
def test_a_number_that_only_looks_like_another_document_needs_its_kind(text: str) -> None:
    assert "证件类型" in next(each.remedy for each in checked(person(1, 身份证号=text))[0].problems if each.cell == "B2")


def test_other_documents_say_their_kind_and_bring_sex_and_birth_date() -> None:
    (row,) = checked(with_more(person(1, 身份证号="G1234567"), 证件类型="护照"))
    assert row.draft is not None and row.draft.id_kind is IdKind.PASSPORT
    assert set(faults(with_more(person(1, 身份证号="G1234567", 性别="", 出生日期=""), 证件类型="护照"))) == {"C2", "D2"}
    assert "护照" in checked(with_more(person(1, 身份证号="G1234567"), 证件类型="护照本"))[0].problems[0].remedy
    (without,) = checked(with_more(person(1, 身份证号=""), 证件类型="无证件"))
    assert without.draft is not None and without.draft.id_no == ""
    assert faults(person(1, 身份证号=""))["B2"] == "证件号码未填写"


def test_sex_and_birth_date_must_agree_with_the_number() -> None:
    assert faults(person(1, 性别="女", 出生日期="1985-03-16")) == {"C2": "性别与证件号码不一致", "D2": "出生日期与证件号码不一致"}


@pytest.mark.parametrize(
    ("cell", "born"),
    [
        ("1985-03-15", date(1985, 3, 15)), ("1985/3/5", date(1985, 3, 5)), ("1985.03.15", date(1985, 3, 15)), ("19850315", date(1985, 3, 15)),
        ("1985年3月15日", date(1985, 3, 15)), ("1985 年 3 月 15 日", date(1985, 3, 15)), (19850315.0, date(1985, 3, 15)),
        (DateCell("1985-03-15"), date(1985, 3, 15)), (DateCell("1985-03-15T00:00:00"), date(1985, 3, 15)),
        ("1985-03-15 00:00:00", date(1985, 3, 15)), ("\uff11985-03-15", date(1985, 3, 15)),
    ],
)  # fmt: skip
def test_a_birth_date_in_any_plain_way(cell: Cell, born: date) -> None:
    assert read_birth(cell) == born


@pytest.mark.parametrize(
    "cell", [31121.0, "31121", "85-3-15", "1985-13-01", "1985-02-30", "15/03/1985", "一九八五年", True, DateCell("12:30")]
)
def test_a_birth_date_that_would_have_to_be_guessed_is_refused(cell: Cell) -> None:
    with pytest.raises(BadCell):
        read_birth(cell)


@pytest.mark.parametrize(
    "cell", [13800138000.0, "13800138000", "138 0013 8000", "+86-13800138000", "\uff11\uff13\uff18 0013 8000", "'13800138000"]
)
def test_a_phone_kept_as_a_whole_number_is_exact(cell: Cell) -> None:
    assert read_phone(cell) == "13800138000"


@pytest.mark.parametrize("cell", [1.38e10 + 0.5, 1e17, -13800138000.0, float("inf"), "1.38E+10", "138001380001"])
def test_a_phone_that_is_none_is_refused(cell: Cell) -> None:
    assert "E2" in faults(person(1, 手机=cell))


def test_whoever_is_in_the_file_twice_is_named_on_every_row() -> None:
    rows = checked(person(1), person(3), person(1, 工号="E0003"), person(5, 姓名="x" * 51))
    assert [[each.reason for each in row.problems] for row in rows] == [
        ["第 2 行与第 4 行证件号码相同"],
        ["第 3 行与第 4 行工号相同"],
        ["第 4 行与第 2 行证件号码相同", "第 4 行与第 3 行工号相同"],
        ["姓名超过 50 个字"],
    ]
    old, new = "130503670401001", "130503196704010016"
    basics = {"出生日期": "", "性别": ""}
    both = checked(person(1, 身份证号=old, **basics), person(3, 身份证号=new, **basics))
    assert all("证件号码相同" in row.problems[0].reason for row in both)


def test_an_empty_line_between_the_rows_is_no_row() -> None:
    assert [row.row for row in checked(person(1), [""] * len(HEADER), person(3))] == [2, 4]


def test_texts_have_bounds_and_no_control_characters() -> None:
    long = checked(person(1, 部门="部" * 101, 备注="备" * 201, 工号="1" * 41, 岗位="焊\u0007工"))[0]
    assert {each.cell for each in long.problems} == {"G2", "L2", "H2", "I2"}
    (row,) = checked(person(1, 部门="研发部\n(一)  组", 工号=1001.0))
    assert row.draft is not None and (row.draft.department, row.draft.employee_no) == ("研发部 (一) 组", "1001")
    assert "H2" in faults(person(1, 工号=1001.5))


# --- cohorts


def test_a_cohort_comes_from_its_column_or_from_its_rules() -> None:
    assert [row.draft and row.draft.cohort_id for row in checked(person(2, 婚姻="未婚"), person(4), person(6, 分组=" 女职工(未婚) "))] == [
        SINGLE.cohort_id, MARRIED.cohort_id, SINGLE.cohort_id,
    ]  # fmt: skip


def test_a_cohort_that_fits_nobody_or_twice_is_told() -> None:
    assert "没有符合条件的分组(女,体检日 41 岁,离异)" in faults(person(2, 婚姻="离异"))["K2"]
    both = msgspec.structs.replace(ROSTER, cohorts=(*COHORTS, CohortRule(UUID(int=9), "四十岁以上", age_from=40)))
    assert "同时符合 2 个分组:男职工、四十岁以上" in faults(person(1), both)["K2"]
    assert "分组“男职工”的条件:限男性" in faults(person(2, 分组="男职工"))["K2"]
    assert "没有名为“管理层”的分组" in faults(person(1, 分组="管理层"))["K2"]


def test_a_cohort_chosen_in_the_file_against_its_age_is_a_warning() -> None:
    young = msgspec.structs.replace(ROSTER, cohorts=(CohortRule(UUID(int=9), "青年", age_to=30),))
    (row,) = checked(person(1, 分组="青年"), roster=young)
    assert row.draft is not None and "限 0–30 岁(体检日 41 岁)" in row.warnings[0].reason


def test_cohorts_look_at_the_age_on_the_exam_day_at_jobs_and_posts() -> None:
    rule = CohortRule(UUID(int=9), "焊工 41 岁起", age_from=41, jobs=("焊工", "电焊工"), posts=("班长",))
    fit = Fitting("M", date(1985, 12, 1), "", "\uff21焊工", "班长")
    assert cohort_for(msgspec.structs.replace(fit, job="电焊工"), [rule], EXAM_ON) == (rule,)
    assert cohort_for(msgspec.structs.replace(fit, job="电焊工"), [rule], date(2026, 11, 30)) == ()
    assert cohort_for(fit, [rule], EXAM_ON) == ()
    assert cohort_for(msgspec.structs.replace(fit, job="焊工", post="科长"), [rule], EXAM_ON) == ()


# --- families


def test_a_relative_names_an_employee_of_the_file_or_of_the_order() -> None:
    family = with_more(person(2, 工号=""), 与员工关系="配偶", 员工工号="E0001")
    rows = checked(person(1), family)
    assert rows[1].draft is not None and (rows[1].draft.relation, rows[1].draft.of_employee_no) == ("配偶", "E0001")
    assert "O2" in faults(family)
    known = msgspec.structs.replace(ROSTER, employee_nos=frozenset({"E0001"}))
    assert faults(family, known) == {}
    assert "O2" in faults(with_more(person(2), 与员工关系="配偶"))
    assert "N2" in faults(with_more(person(2), 员工工号="E0001"))
    assert faults(with_more(person(2), 与员工关系="本人", 员工工号="E0002")) == {}


# --- columns


def test_headers_are_recognised_in_the_words_of_companies() -> None:
    header = ["序号", "员 工 姓 名 *", "身份证号码(18位)", "联系电话", "所在部门", "体检套餐", "婚否", "岗位/工种"]
    assert roster_fields.guess(header, {}) == {
        "name": 1, "id_no": 2, "phone": 3, "department": 4, "cohort": 5, "marital": 6, "job": 7
    }  # fmt: skip


def test_what_a_company_meant_last_time_comes_before_the_usual_meaning() -> None:
    header = ["姓名", "证件", "科室", "编号"]
    mapping = {"name": 0, "id_no": 1, "employee_no": 3}
    learnt = roster_fields.lesson(header, mapping)
    assert roster_fields.guess(["编号", "科室", "姓名", "证件"], learnt) == {"employee_no": 0, "name": 2, "id_no": 3}
    assert roster_rules.required_columns({"name": 0}) == ["证件号码"]


def test_every_field_of_the_draft_has_a_column() -> None:
    names = {each.name for each in roster_fields.FIELDS}
    assert {each.name for each in msgspec.structs.fields(roster_rules.MemberDraft)} - {"row", "person_id", "cohort_id"} == names - {
        "cohort"
    }


# --- any cell at all


CELLS = st.one_of(
    st.text(max_size=40), st.floats(), st.booleans(), st.dates().map(lambda day: DateCell(day.isoformat())), st.just(FEMALE)
)


@given(st.lists(st.lists(CELLS, min_size=len(LONG), max_size=len(LONG)), max_size=4))
def test_no_cell_makes_the_check_fail(rows: list[list[Cell]]) -> None:
    for row in checked(*rows):
        assert (row.draft is None) == bool(row.problems)


def test_ten_thousand_rows_are_judged_in_a_moment() -> None:
    rows = [(n + 2, [*person(1, 身份证号=id_number(n % 1000, date(1960 + n // 1000, 1, 1)), 出生日期="", 性别="", 分组="男职工", 工号=f"E{n}"),
                     "", "", ""]) for n in range(10_000)]  # fmt: skip
    began = time.process_time()
    found = check(rows, MAPPING, ROSTER)
    assert time.process_time() - began < 1.5
    assert len(found) == 10_000

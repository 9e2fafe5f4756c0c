"""Reading what was entered: the case for the rules, statement counts, the work list, on both databases."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from exam.catalog import service as catalog
from exam.catalog import starter
from exam.kit.house import House
from exam.knowledge.language import Change
from exam.knowledge.rules import holds
from exam.people.facts import IdKind, NewPerson
from exam.visits import orders
from exam.visits import service as visits
from results import screen
from results import service as results
from results.facts import DeliveredValue, WorkFilter
from tests.results.cases import GENERAL, TODAY, Acting, Statements, arrive, enter, verify

# --- reading ---------------------------------------------------------------------------------------------------------


def two_years(house: House, acting: Acting) -> UUID:
    earlier = arrive(house, acting("lin"), on=date(2025, 11, 20))
    enter(house, acting("wu"), earlier, **{**GENERAL, "WT": "60.0"})
    verify(house, acting("wu"), earlier)
    enter(house, acting("wu"), earlier, "MED", MED_HR="61")
    visit_id = arrive(house, acting("lin"))
    enter(house, acting("wu"), visit_id, **GENERAL)
    enter(house, acting("wu"), visit_id, "MED", MED_HIS="糖尿病")
    return visit_id


def test_the_case_has_todays_values_the_history_and_signed_earlier_values(house: House, acting: Acting) -> None:
    visit_id = two_years(house, acting)
    with house.unit(acting("he"), write=False) as db:
        case = results.case_of(db, visit_id)
        earlier = results.earlier_values(db, visit_id, "GEN")
    assert case.readings["WT"].number == Decimal("65.0") and case.earlier["WT"].number == Decimal("60.0")
    assert "MED_HR" not in case.earlier
    assert (case.subject.sex, case.subject.age, case.subject.history) == ("M", 41, frozenset({"糖尿病"}))
    assert [value.exam_on for value in earlier["WT"]] == ["2025-11-20"]


def test_reading_takes_a_fixed_number_of_statements(house: House, acting: Acting) -> None:
    visit_id = two_years(house, acting)
    he = acting("he")
    for read, most in (
        (lambda db: results.department_results(db, visit_id), 3),
        (lambda db: results.readings(db, visit_id), 3),
        (lambda db: results.case_of(db, visit_id), 4),
        (lambda db: results.earlier_values(db, visit_id), 2),
        (lambda db: results.versions(db, visit_id, "GEN"), 3),
        (lambda db: results.work_list(db, "GEN", TODAY), 2),
    ):
        with house.unit(he, write=False) as db:
            read(db)
        with house.unit(he, write=False) as db, Statements(house) as counted:
            read(db)
        assert len(counted) <= most, counted.texts


def test_entering_sixty_values_takes_no_more_statements_than_entering_two(house: House, acting: Acting) -> None:
    nong = acting("nong")
    visit_id = arrive(house, acting("lin"))
    with house.unit(nong, write=False) as db:
        missing = results.department_result(db, visit_id, "LAB").missing
    with Statements(house) as few:
        enter(house, nong, visit_id, "LAB", GLU="5.0", UREA="5.0")
    with house.unit(nong, write=False) as db:
        catalogue = visits.catalogue_of(db, visits.card(db, visit_id))
    numbers = {code: "5" for code in missing if not catalogue.items[code].choices and code not in ("GLU", "UREA")}
    with Statements(house) as many, house.unit(nong) as db:
        results.receive(db, visit_id, "LAB", [DeliveredValue(code, text) for code, text in numbers.items()])
    assert len(numbers) > 30
    assert len(many) <= len(few) + 6 * 8, many.texts


# --- work list -------------------------------------------------------------------------------------------------------


def people_waiting(house: House, acting: Acting) -> list[UUID]:
    found = []
    for number, name in enumerate(("甲一", "乙二", "丙三")):
        person = NewPerson(
            name=name, id_kind=IdKind.PASSPORT, id_no=f"E1234567{number}", sex="M", birth_on=date(1985, 3, 15)
        )  # fmt: skip
        found.append(arrive(house, acting("lin"), person=person))
        house.clock.advance(minutes=5)  # type: ignore[attr-defined]
    return found


def test_the_work_list_is_in_order_of_arrival_and_follows_the_work(house: House, acting: Acting) -> None:
    wu = acting("wu")
    waiting = people_waiting(house, acting)
    with house.unit(wu, write=False) as db:
        first = results.work_list(db, "GEN", TODAY)
    assert [row.person_name for row in first.rows] == ["甲一", "乙二", "丙三"]
    assert first.counts == {"to_do": 3, "done": 0, "skipped": 0, "all": 3}
    enter(house, wu, waiting[0], **GENERAL)
    verify(house, wu, waiting[0])
    with house.unit(acting("lin")) as db:
        lines = {line.group_code: line.id for line in orders.lines(db, waiting[1])}
        orders.refuse(db, waiting[1], [lines["G001"]], "不做")
    with house.unit(wu, write=False) as db:
        now = results.work_list(db, "GEN", TODAY)
        done = results.work_list(db, "GEN", TODAY, WorkFilter.DONE)
        following = results.next_visit_no(db, "GEN", TODAY, first.rows[0].visit_no)
        nobody = results.next_visit_no(db, "GEN", TODAY, first.rows[2].visit_no)
        rooms = {each.code: (each.to_do, each.done) for each in results.departments_of_actor(db)}
    assert now.counts == {"to_do": 1, "done": 1, "skipped": 1, "all": 3}
    assert ([row.person_name for row in now.rows], [row.doctor for row in done.rows]) == (["丙三"], ["吴建国"])
    assert (following, nobody) == (first.rows[2].visit_no, "")
    assert rooms == {"GEN": (1, 1), "MED": (3, 0), "SUR": (3, 0)}


def test_somebody_who_did_not_arrive_or_was_postponed_to_another_day_does_not_wait(house: House, acting: Acting) -> None:
    wu, lin = acting("wu"), acting("lin")
    visit_id = arrive(house, lin)
    due = date(2026, 11, 28)
    with house.unit(lin) as db:
        lines = {line.group_code: line.id for line in orders.lines(db, visit_id)}
        orders.postpone(db, visit_id, lines["G003"], due, "改日")
    with house.unit(wu, write=False) as db:
        assert results.work_list(db, "SUR", TODAY).counts["to_do"] == 0
        assert results.work_list(db, "SUR", due).counts["to_do"] == 1
        assert results.work_list(db, "GEN", due).counts["all"] == 0


def test_normal_values_leave_numbers_alone() -> None:
    items = {item.code: item for item in starter.load().items}
    found = results.normal_values([items["HT"], items["BMI"], items["MED_HIS"], items["SUR_SKIN"]])
    assert set(found) == {"MED_HIS", "SUR_SKIN"} and found["MED_HIS"] == "无特殊"


def test_a_refused_private_group_is_not_told_to_other_departments(house: House, acting: Acting) -> None:
    visit_id = arrive(house, acting("lin"))
    with house.unit(acting("lin")) as db:
        added = orders.add_groups(db, visit_id, ["G052", "G054"])
        orders.refuse(db, visit_id, added, "本人拒绝")
    told: dict[str, set[str]] = {}
    for login in ("wu", "nong", "he"):
        with house.unit(acting(login), write=False) as db:
            told[login] = {line.group_code for sheet in screen.reading_sheets(db, visit_id) for line in sheet.lines}
    assert told["wu"] == {"G054"}, "a doctor of another department"
    assert told["nong"] == {"G052", "G054"}, "the laboratory itself"
    assert told["he"] == {"G052", "G054"}, "a chief may read private items"


def test_after_a_change_of_method_nothing_is_compared_with_what_was_before(house: House, acting: Acting) -> None:
    wu = acting("wu")
    earlier = arrive(house, acting("lin"), on=date(2025, 11, 20))
    enter(house, wu, earlier, **{**GENERAL, "SBP": "100"})
    verify(house, wu, earlier)
    with house.unit(acting("tan")) as db:
        item = catalog.catalogue(db, TODAY).items["SBP"]
        changed = msgspec.structs.replace(item, method="动态血压仪")
        catalog.save(db, changed, valid_from=TODAY, reason="更换血压计", seen_revision=catalog.revision(db))
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, **GENERAL)
    with house.unit(wu, write=False) as db:
        rows = {row.name: row for row in screen.entry_screen(db, visit_id, "GEN").history}
        fields = [field for band in screen.entry_screen(db, visit_id, "GEN").bands for section in band for field in section.fields]
        case = results.case_of(db, visit_id)
    assert [point.breaks for point in rows["收缩压"].points] == ["", "方法不同"]
    assert (rows["收缩压"].change, rows["舒张压"].change) == ("方法不同", "无变化")
    assert {field.code: field.change for field in fields}["DBP"] == "无变化"
    assert holds(Change("SBP", ">=", Decimal(10)), case) is None
    assert holds(Change("DBP", ">=", Decimal(0)), case) is True

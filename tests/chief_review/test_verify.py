"""`exam verify` finds what raw SQL does to a review."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from chief_review import verify
from chief_review.models import ReviewRow, ReviewVersion
from exam.kit.db import insert_rows
from exam.kit.house import House, system_actor
from exam.people.facts import NewPerson
from exam.visits import spans
from tests.chief_review.cases import OTHER, breaches, examined, finalized
from tests.results.cases import Statements

TAMPERING = [
    ("update chief_review_review set state = 'open'", "S1"),
    ("update chief_review_review set author_id = (select id from exam_staff where login = 'liang')", "S2"),
    ("update chief_review_review set version = 7", "S4"),
    ("update chief_review_review set state = 'first_signed'", "S5"),
]


@pytest.mark.parametrize(("statement", "invariant"), TAMPERING)
def test_an_edit_by_raw_sql_is_found(house: House, statement: str, invariant: str) -> None:
    finalized(house)
    assert breaches(house) == []
    with house.unit(None) as db:
        db.execute(text(statement))
    assert any(f"chief_review: {invariant} " in name for name, _ in breaches(house))


def test_versions_and_signatures_cannot_be_changed_even_by_raw_sql(house: House) -> None:
    finalized(house)
    for statement in (
        "update chief_review_version set lines = '[]'",
        "delete from chief_review_signature",
        "update chief_review_signature set name = '某人'",
    ):
        with pytest.raises(Exception, match=r"append-only|permission|denied|fact"), house.unit(None) as db:
            db.execute(text(statement))
    assert breaches(house) == []


def test_a_flagged_value_without_a_line_in_a_final_review_is_found(house: House) -> None:
    visit_id = finalized(house)
    with house.unit(None) as db:
        told = db.execute(select(ReviewVersion.__table__).order_by(ReviewVersion.number.desc())).mappings().first()
        assert told is not None
        silent = {**told, "id": house.ids.new(), "number": told["number"] + 1, "parent": told["id"], "lines": "[]"}
        insert_rows(db, ReviewVersion, [silent])
        db.execute(text("update chief_review_review set version = version + 1"))
    found = next(found for name, found in breaches(house) if "decision 22" in name)
    about = {text.removeprefix(f"visit {visit_id}: ").split(" ")[0] for text in found}
    assert about == {"TC", "TG", "NHDL", "GLU", "US_ABD", "the"}  # "the final review says nothing at all"
    with house.unit(None) as db:
        db.execute(text("update chief_review_review set is_rereview = true"))
    assert not [name for name, _ in breaches(house) if "decision 22" in name]


def test_a_final_line_that_rests_on_a_corrected_value_is_found(house: House) -> None:
    visit_id = finalized(house)
    with house.unit(None) as db:
        told = db.execute(select(ReviewVersion.__table__).order_by(ReviewVersion.number.desc())).mappings().first()
        assert told is not None and "空腹血糖 7.40 mmol/L" in told["lines"]
        lines = told["lines"].replace("空腹血糖 7.40 mmol/L", "空腹血糖 9.90 mmol/L")
        insert_rows(db, ReviewVersion, [{**told, "id": house.ids.new(), "number": told["number"] + 1, "parent": told["id"], "lines": lines}])
        db.execute(text("update chief_review_review set version = version + 1"))
    found = next(found for name, found in breaches(house) if "S6 final lines" in name)
    assert len(found) == 1 and str(visit_id) in found[0] and "9.90" in found[0]


def test_the_checks_read_many_visits_with_the_statements_of_one_and_find_the_same_in_any_span(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def checked() -> tuple[list[str], int]:
        with house.unit(system_actor("01"), write=False) as db, Statements(house) as statements:
            found = sorted(text for each in verify.INVARIANTS for text in each.check(db))
            return found, len(statements)

    finalized(house)
    alone = checked()
    assert alone[0] == []
    for person in (OTHER, NewPerson(name="陈大文", id_no="450110199003070016", phone="13800138002")):
        finalized(house, examined(house, person=person))
    assert checked() == alone
    with house.unit(None) as db:
        first = db.scalars(select(ReviewRow.visit_id).order_by(ReviewRow.visit_id)).first()
        db.execute(ReviewRow.__table__.update().where(ReviewRow.visit_id == first).values(state="open", version=9))
    found, _ = checked()
    assert len(found) == 3
    monkeypatch.setattr(spans, "SPAN", 1)
    assert checked()[0] == found

"""`exam verify` finds what raw SQL does to a review."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from exam.kit.house import House
from tests.chief_review.cases import breaches, finalized

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

"""`exam verify` reads every room in spans: the same findings whatever their size, and the statements of one span for many visits."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from billing import verify as billing
from exam.kit.house import House, system_actor
from exam.people.facts import NewPerson
from exam.visits import spans
from exam.visits import verify as visits
from registration import verify as registration
from results import verify as results
from tests.chief_review.cases import OTHER, examined, finalized
from tests.results.cases import Statements

INVARIANTS = (*visits.INVARIANTS, *billing.INVARIANTS, *registration.INVARIANTS, *results.INVARIANTS)
THIRD = NewPerson(name="陈大文", id_no="450110199003070016", phone="13800138002")

PLANTED = {
    "update exam_line_board set state = 'refused', reason = '无' where department = 'LAB'": (
        "the board says refused, the facts say", "reason or due day differs",
    ),
    "update exam_line_board set state = 'started' where department = 'LAB'": ("is started, the record of LAB",),
    "update exam_line_board set state = 'removed' where department = 'LAB'": ("fen stand charged",),
    "update exam_visit_board set state = 'booked', checked_in_at = null, amount_due_fen = amount_due_fen + 7": (
        "the board says booked, the facts say", "checked_in_at differs", "fen due, the facts say", "the board counts",
    ),
    "insert into billing_refund_board (visit_id, site, amount_fen) select id, site, 5 from exam_visit": (
        "the refund list says 5 fen, the facts say None",
    ),
    "update results_record set version = version + 1 where department = 'LAB'": ("the last one kept is",),
    "update results_record set department = 'NONE' where department = 'LAB'": ("without a record of LAB",),
    "update exam_visit set visit_no = substr(visit_no, 1, 15) || 'x', catalog_on = '1900-01-01'": (
        "wrong check digit", "is not in the visit's catalogue",
    ),
}  # fmt: skip


def checked(house: House) -> tuple[list[str], int]:
    """What the invariants of the rooms find, and how many statements that took."""
    with house.unit(system_actor("01"), write=False) as db, Statements(house) as statements:
        found = sorted(each for invariant in INVARIANTS for each in invariant.check(db))
        return found, len(statements)


def test_what_is_planted_in_many_visits_is_found_in_each_whatever_the_span(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    finalized(house)
    checked(house)  # the catalogue is kept from here on
    alone = checked(house)
    assert alone[0] == []
    for person in (OTHER, THIRD):
        finalized(house, examined(house, person=person))
    assert checked(house) == alone
    for statement, expected in PLANTED.items():
        with house.session() as db:
            db.execute(text(statement))
            by_span = []
            for size in (spans.SPAN, 1, 2):
                with monkeypatch.context() as patch:
                    patch.setattr(spans, "SPAN", size)
                    by_span.append(sorted(each for invariant in INVARIANTS for each in invariant.check(db)))
            db.rollback()
        house.turn.give()
        assert by_span[0] == by_span[1] == by_span[2]
        for words in expected:
            assert sum(words in each for each in by_span[0]) >= (1 if words == "the board counts" else 3), (statement, words)

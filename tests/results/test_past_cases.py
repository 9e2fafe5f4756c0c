"""Finished visits as cases for dry runs: the same case as the desk's, few statements however many visits, other sites unseen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from exam.kit.house import Actor, House, system_actor
from exam.knowledge.facts import PAST_CASES
from exam.visits.spans import Span
from results import past_cases, stored_cases
from results import service as results
from tests.chief_review.cases import MAN, OTHER, TODAY, examined
from tests.results.cases import Statements, arrive

Acting = Callable[[str], Actor]


def test_a_past_case_is_the_case_that_the_desk_judges_with_its_earlier_values(house: House, acting: Acting) -> None:
    before = examined(house, {"LAB": {"TC": "5.00", "TG": "1.00", "HDL": "1.30", "LDL": "2.50", "GLU": "5.00"},
                              "USG": {"US_ABD": ["肝、胆、胰、脾、双肾未见明显异常"]}}, person=MAN, on=TODAY - timedelta(days=300))  # fmt: skip
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    now = examined(house, person=MAN)
    other = examined(house, person=OTHER)
    arrive(house, acting("lin"), on=TODAY - timedelta(days=5))  # not finished
    with house.unit(acting("he"), write=False) as db:
        past = past_cases.past_cases(db, 100)
        found = {each.visit_id: each for each in past.cases}
        expected = {visit_id: results.case_of(db, visit_id) for visit_id in (before, now, other)}
    assert past.total == 3
    assert {visit_id: each.case for visit_id, each in found.items()} == expected
    assert str(found[now].case.earlier["GLU"].number) == "5.00"
    assert found[other].case.earlier == {}
    assert found[now].url.endswith(found[now].visit_no)


def test_the_latest_come_first_and_no_more_than_are_wanted(house: House, acting: Acting, monkeypatch: pytest.MonkeyPatch) -> None:
    for person, days in ((MAN, 300), (OTHER, 200), (MAN, 100)):
        examined(house, person=person, on=TODAY - timedelta(days=days))
    monkeypatch.setattr(past_cases, "SPAN", 2)
    with house.unit(acting("he"), write=False) as db:
        past = past_cases.past_cases(db, 100)
        days = [each.exam_on for each in past.cases]
        assert days == sorted(days, reverse=True)
        assert len(days) == past.total == 3
        few = past_cases.past_cases(db, 1)
        assert (few.total, len(list(few.cases))) == (1, 1)


def test_a_span_takes_as_many_statements_for_three_visits_as_for_one(house: House, acting: Acting) -> None:
    he = acting("he")
    counts = []
    for person in (MAN, OTHER, MAN):
        examined(house, person=person, on=TODAY - timedelta(days=len(counts)))
        with house.unit(he, write=False) as db:
            list(past_cases.past_cases(db, 100).cases)  # the catalogues are kept from here on
        with Statements(house) as statements, house.unit(he, write=False) as db:
            list(past_cases.past_cases(db, 100).cases)
        counts.append(len(statements))
    assert counts[1] == counts[0]
    assert counts[2] <= counts[0] + 1  # one more for who has been here before


def test_the_stored_cases_of_a_span_are_read_a_few_at_a_time_and_none_is_left_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [examined(house, person=person, on=TODAY - timedelta(days=days)) for person, days in ((MAN, 300), (OTHER, 200), (MAN, 0))]
    monkeypatch.setattr(stored_cases, "SPAN", 2)
    read: list[int] = []
    whole = stored_cases.cases_of
    monkeypatch.setattr(stored_cases, "cases_of", lambda db, site, rows: (read.append(len(rows)), whole(db, site, rows))[1])
    with house.unit(system_actor("01"), write=False) as db:
        found = {each.visit_id: each.case for each in results.cases_in_span(db, Span(None, None))}
        assert found == {visit_id: results.case_of(db, visit_id) for visit_id in made}
    assert read == [2, 1]


def test_another_sites_visits_are_not_among_them(house: House) -> None:
    examined(house)
    with house.unit(system_actor("02"), write=False) as db:
        assert past_cases.past_cases(db, 100).total == 0
        assert list(past_cases.past_cases(db, 100).cases) == []


def test_the_slot_is_filled_once(house: House) -> None:
    assert house.modules.fillings(PAST_CASES) == [past_cases.past_cases]

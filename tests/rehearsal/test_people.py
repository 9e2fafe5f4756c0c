"""The people of a rehearsal are as ill as those of a real centre, and the table that says so can be read."""

from __future__ import annotations

import time
from datetime import date

import pytest

from exam.knowledge.starter import load_rule_book
from rehearsal.cast import Invented, invent
from rehearsal.people import SHOWN_DAY, main, ordered_items, visitors
from rehearsal.prevalence import SHARES, Alerts, Visitor, case_of, shares_of

COUNT = 20_000


@pytest.fixture(scope="module")
def everybody() -> list[tuple[Invented, Visitor]]:
    return list(visitors("people", COUNT))


def test_findings_are_as_common_as_expected(everybody: list[tuple[Invented, Visitor]]) -> None:
    found = shares_of(visitor for _, visitor in everybody)
    assert [(share.name, round(percent, 2)) for share, _, _, percent in found if not share.low <= percent <= share.high] == []


def test_other_seeds_give_other_people_who_are_as_ill() -> None:
    # Fewer people: a share of some percent may leave its band by three standard errors.
    count = 3000
    for share, _, of, percent in shares_of(visitor for _, visitor in visitors("another town", count)):
        middle = (share.low + share.high) / 2
        leeway = 300 * (middle / 100 * (1 - middle / 100) / of) ** 0.5
        assert share.low - leeway <= percent <= share.high + leeway, (share.name, percent)


def test_about_seven_in_a_hundred_carry_an_important_finding_and_a_tenth_of_them_an_urgent_one(
    everybody: list[tuple[Invented, Visitor]],
) -> None:
    alerts = Alerts(load_rule_book())
    assert len(alerts.names) > 45  # the critical ranges, 19 A and 30 B rules are there
    for person, visitor in everybody[:5000]:
        alerts.add(case_of(visitor.body, visitor.values, ordered_items(person)))
    assert 0.06 <= alerts.carriers / alerts.people <= 0.085
    assert 0.05 <= alerts.urgent / alerts.carriers <= 0.17
    # Not one finding makes the seven percent: they are spread over the rules as in life.
    assert len(alerts.by_rule) > 30
    assert max(alerts.by_rule.values()) < 0.3 * alerts.carriers


def test_people_are_made_quickly() -> None:
    began = time.process_time()
    assert sum(1 for _ in visitors("quick", 1000)) == 1000
    assert time.process_time() - began < 1.5


def test_who_comes_again_is_the_same_person() -> None:
    person = next(invent("a", date(2026, 11, 20), 1))
    assert person.health == next(invent("a", date(2026, 11, 20), 1)).health
    assert (person.health.sex, person.health.birth_on) == (person.sex, person.birth_on)


def test_a_person_is_examined_for_what_was_ordered() -> None:
    for person in invent("orders", SHOWN_DAY, 200):
        codes = ordered_items(person)
        assert ("PSA" in codes) == (person.package == "P03")
        assert person.sex == "F" or "US_BRE" not in codes


def test_the_table_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "60"]) == 0
    printed = capsys.readouterr().out
    assert all(share.name in printed for share in SHARES)
    assert "carry one" in printed and "a second" in printed

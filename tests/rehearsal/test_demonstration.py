"""The people of a demonstration: somebody for the alert board, nobody urgent in a released report, and earlier years."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from exam.kit.clock import SystemClock
from exam.kit.house import House, system_actor
from exam.knowledge.facts import AlertClass
from exam.people import service as people
from rehearsal.cast import ORGANIZATIONS, invent
from rehearsal.commands import DEMO_STAGES, add_organizations
from rehearsal.day import Stage
from rehearsal.earlier import DAYS_BACK, ClockBehind, as_of
from rehearsal.people import SHOWN_DAY, classes_of, demonstrated
from rehearsal.prevalence import URGENT


@pytest.mark.parametrize("seed", ["demo-1", "demo-2"])
def test_a_demonstration_has_alerts_to_show_and_none_in_the_way_of_a_report(seed: str) -> None:
    can_alert = [stage is Stage.SECTIONS_DONE for stage in DEMO_STAGES]
    people = demonstrated(seed, SHOWN_DAY, can_alert)
    found = [classes_of(person, SHOWN_DAY) for person in people]
    assert len(people) == len(DEMO_STAGES)
    shown = [classes for classes, can in zip(found, can_alert, strict=True) if can]
    assert any(classes & URGENT for classes in shown)
    assert any(AlertClass.B in classes for classes in shown)
    assert not any(classes & URGENT for classes, can in zip(found, can_alert, strict=True) if not can)
    assert [person.id_no for person in people] == [person.id_no for person in demonstrated(seed, SHOWN_DAY, can_alert)]


def test_who_came_in_earlier_years_was_old_enough_and_well() -> None:
    day = SHOWN_DAY - timedelta(days=DAYS_BACK[0])
    came = [(person, earlier) for person in invent("years", SHOWN_DAY, 150) if (earlier := as_of(person, day))]
    assert len(came) > 60
    for person, earlier in came:
        age = earlier.health.age_on(day)
        assert (earlier.id_no, earlier.health) == (person.id_no, person.health)
        assert age >= 40 or earlier.package == "P02"
        assert classes_of(earlier, day) == frozenset()
    child = next(person for person in invent("years", SHOWN_DAY, 150) if person.health.age_on(day) < 20)
    assert as_of(child, day) is None
    assert as_of(msgspec.structs.replace(came[0][0], package="P01"), day) is None


def test_a_clock_behind_runs_like_any_other() -> None:
    behind = ClockBehind(364)
    difference = SystemClock().now() - behind.now()
    assert timedelta(days=364) - timedelta(seconds=5) < difference < timedelta(days=364, seconds=5)
    assert behind.now() <= behind.now()


def test_a_demonstration_of_an_earlier_version_keeps_its_organisations(house: House) -> None:
    with house.unit(system_actor("01")) as db:
        add_organizations(db)
        add_organizations(db)
        assert {code for _, code, _ in people.organizations(db)} == {code for code, _ in ORGANIZATIONS}

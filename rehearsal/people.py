"""The people of a rehearsal at a glance: `python -m rehearsal.people --count 20000` prints how common what is among them."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache

from exam.catalog.starter import load
from exam.knowledge.facts import AlertClass
from exam.knowledge.starter import load_rule_book
from rehearsal.bodies import Body
from rehearsal.cast import Invented, invent
from rehearsal.prevalence import URGENT, Alerts, Visitor, case_of, shares_of
from rehearsal.values import ITEMS, values_of

_STARTER = load()
_GROUPS = {group.code: group.items for group in _STARTER.groups}
_PACKAGES = {package.code: package.groups for package in _STARTER.packages}

SHOWN_DAY = date(2026, 11, 20)
"""The day of the tables: a table must not change overnight."""


def ordered_items(person: Invented) -> tuple[str, ...]:
    """The items of a person's package and added groups, without those of the other sex."""
    codes = dict.fromkeys(code for group in (*_PACKAGES[person.package], *person.extra) for code in _GROUPS[group])
    return tuple(code for code in codes if ITEMS[code].sex in (None, person.sex))


def visitors(seed: str, count: int, day: date = SHOWN_DAY) -> Iterator[tuple[Invented, Visitor]]:
    """So many people of a day with everything that could be measured in them."""
    for person in invent(seed, day, count):
        yield person, Visitor(Body(person.health, day))


@lru_cache(maxsize=1)
def _alerts() -> Alerts:
    return Alerts(load_rule_book())


def classes_of(person: Invented, day: date) -> frozenset[AlertClass]:
    """The classes of the important findings that the person's package will bring to light on a day."""
    body = Body(person.health, day)
    return _alerts().add(case_of(body, values_of(body), ordered_items(person)))


def demonstrated(seed: str, today: date, can_alert: Sequence[bool]) -> list[Invented]:
    """The people of a demonstration, one for each place: of those that can, one with an urgent and one with a B-class finding.

    Where a place cannot (its report is to be released before anybody answers an alert), nobody has an urgent one.
    """
    people = list(invent(seed, today, len(can_alert)))
    spare = iter(invent(f"{seed}-spare", today, 2000))
    places = [place for place, can in enumerate(can_alert) if can]
    for place, can in enumerate(can_alert):
        if not can and classes_of(people[place], today) & URGENT:
            people[place] = next((each for each in spare if not classes_of(each, today)), people[place])
    for place, wanted in zip((*places[:1], *places[-1:]), (URGENT, frozenset({AlertClass.B})), strict=False):
        people[place] = next((each for each in spare if classes_of(each, today) & wanted), people[place])
    return people


def main(arguments: list[str]) -> int:
    """Prints both tables and the speed."""
    parser = ArgumentParser(prog="python -m rehearsal.people", description=__doc__)
    parser.add_argument("--count", type=int, default=20000, help="how many people (default 20000)")
    parser.add_argument("--seed", default="people", help="the same seed gives the same people")
    asked = parser.parse_args(arguments)
    began = time.perf_counter()
    everybody = list(visitors(asked.seed, asked.count))
    took = time.perf_counter() - began
    print(f"{asked.count} people in {took:.1f} s: {asked.count / took:.0f} a second\n")
    print(f"{'share of people, all items measured':52} {'found':>7} {'expected':>12}  source")
    for share, count, of, percent in shares_of(visitor for _, visitor in everybody):
        mark = "" if share.low <= percent <= share.high else "  <-- outside"
        print(f"{percent:6.2f} %  {count:6}/{of:<6} {share.low:5g}–{share.high:<5g} {share.source:8} {share.name}{mark}")
    alerts = Alerts(load_rule_book())
    items: dict[tuple[str, str, tuple[str, ...]], tuple[str, ...]] = {}
    for person, visitor in everybody:
        key = (person.package, person.sex, person.extra)
        codes = items.get(key) or items.setdefault(key, ordered_items(person))
        alerts.add(case_of(visitor.body, visitor.values, codes))
    print(f"\nimportant findings among what the package of each person examines ({len(alerts.names)} rules)")
    print(f"{100 * alerts.carriers / alerts.people:6.2f} %  carry one; {100 * alerts.urgent / alerts.people:.2f} % of class A or critical")
    for code, count in sorted(alerts.by_rule.items(), key=lambda each: -each[1]):
        print(f"{100 * count / alerts.people:6.2f} %  {count:6}  {code} {alerts.names[code]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

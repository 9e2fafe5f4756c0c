"""What one department's values say of alerts: never a wrong no, and seldom a needless look at the whole visit."""

from __future__ import annotations

import msgspec

from exam.knowledge.facts import Case
from exam.knowledge.rules import CompiledRules, alerts_of, may_alert
from exam.knowledge.starter import load_rule_book
from rehearsal.bodies import Body
from rehearsal.people import ITEMS, SHOWN_DAY, case_of, ordered_items, values_of, visitors

BOOK = CompiledRules(load_rule_book())
DEPARTMENTS = {item.department for item in ITEMS.values()}
OWN = {each: frozenset(code for code, item in ITEMS.items() if item.department == each) for each in DEPARTMENTS}


def part_of(case: Case, department: str) -> Case:
    """What the department's own saving knows: its values, and nothing of the others, of earlier visits or of histories."""
    own = OWN[department]
    subject = msgspec.structs.replace(case.subject, history=frozenset())
    readings = {code: reading for code, reading in case.readings.items() if code in own}
    return Case(subject, case.on, readings, {}, is_partial=True, complete=own)


def test_no_alert_is_missed_and_most_savings_ask_for_nothing_more() -> None:
    asked = saved = 0
    for person, _ in visitors("may", 400):
        body = Body(person.health, SHOWN_DAY)
        case = case_of(body, values_of(body), ordered_items(person))
        found = {item for alert in alerts_of(case, BOOK) for item in alert.items}
        for department in {reading.department for reading in case.readings.values()}:
            part = part_of(case, department)
            changed = set(part.readings)
            looks = may_alert(part, BOOK, changed)
            assert looks or found.isdisjoint(changed), (person.id_no, department)
            asked, saved = asked + looks, saved + 1
    assert saved > 2000
    assert asked < saved * 0.2, f"{asked} of {saved} savings look at the whole visit"

"""Rules, people and steps for the tests of alerts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from uuid import UUID

from critical_values import service as alerts
from critical_values.facts import Confirmed, CriticalAlert, Handled, Notice
from exam import commands
from exam.kit.house import Actor, House
from exam.knowledge import service as rule_store
from exam.knowledge.book import Alert, AlertPolicy, Escalation, Example, Rule
from exam.knowledge.facts import AlertClass, Severity
from exam.knowledge.language import Compare
from tests.conftest import actor_named

TODAY = date(2026, 11, 21)
Acting = Callable[[str], Actor]

POLICY = AlertPolicy(
    code="T-POLICY", version=1, alert_class=AlertClass.A, confirm_minutes=15, notify_minutes=120, receive_minutes=30,
    handle_minutes=240, follow_up_days=(1, 7),
    escalation=(Escalation(30, "critical_values.head"), Escalation(60, "critical_values.direct")),
)  # fmt: skip

TEMPERATURE = Rule(
    code="T-TEMP", version=1, condition=Compare("TEMP", ">=", Decimal("41")), text="超高热", category="疾病", severity=Severity.CRITICAL,
    alert=Alert(AlertClass.CRITICAL), specialist="急诊科",
    examples=(Example(True, {"TEMP": "41.0"}), Example(False, {"TEMP": "40.9"})),
)  # fmt: skip
"""A rule of the tests' own, so that they do not depend on what is shipped."""


def with_rule(house: House, *rules: Rule) -> None:
    """Publishes the tests' own rules, effective from a year ago."""
    with house.unit(actor_named(house, "tan")) as db:
        rule_store.publish(db, rules or (TEMPERATURE,), valid_from=date(2025, 1, 1), reason="测试用规则")


def alerts_of(house: House, actor: Actor, visit_id: UUID) -> tuple[CriticalAlert, ...]:
    """A visit's alerts."""
    with house.unit(actor, write=False) as db:
        return alerts.alerts_of_visit(db, visit_id)


def only(house: House, actor: Actor, visit_id: UUID) -> CriticalAlert:
    """The one alert of a visit by the tests' own rule."""
    return next(each for each in alerts_of(house, actor, visit_id) if each.rule.startswith("T-"))


def taken(house: House, actor: Actor, alert: CriticalAlert, step: alerts.Act) -> CriticalAlert:
    """One step, from a screen that shows the alert as given."""
    with house.unit(actor) as db:
        return alerts.take(db, alert.id, alert.ver, step)


TOLD = Notice("phone", "person", "本人", "confirmed", read_back="今晚到急诊科就诊")
HANDLED = Handled("急诊就诊", "急诊科")


def tell_all(house: House, visit_id: UUID, login: str = "he") -> None:
    """Everybody concerned is told of every open alert of a visit, so that its report may be released."""
    actor = actor_named(house, login)
    for alert in alerts_of(house, actor, visit_id):
        if alert.state == "found":
            alert = taken(house, actor, alert, Confirmed("doctor"))
        if alert.state == "confirmed":
            taken(house, actor, alert, TOLD)


def breaches(house: House) -> list[tuple[str, list[str]]]:
    """What does not hold of this room and those below."""
    own = ("exam:", "results:", "critical_values:")
    return [(name, found) for name, found in commands.breaches_of(house) if found and name.startswith(own)]

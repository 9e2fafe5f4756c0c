"""Which critical and important findings a case has, and quickly whether a few new values can have made any."""

from __future__ import annotations

from collections.abc import Collection

from exam.knowledge.book import Rule
from exam.knowledge.facts import AlertClass, Case, FiredAlert
from exam.knowledge.rules.conclusions import CompiledRules, is_in_force
from exam.knowledge.rules.conditions import evidence
from exam.knowledge.rules.wording import finding_text

_WEIGHT = {AlertClass.CRITICAL: 2, AlertClass.A: 1, AlertClass.B: 0}


def alerts_of(case: Case, rules: CompiledRules) -> tuple[FiredAlert, ...]:
    """The alerts of a case, the most urgent first; of the rules of one hierarchy only the weightiest speaks."""
    found: dict[str, FiredAlert] = {}
    weight: dict[str, tuple[int, int]] = {}
    for rule, test in rules.alerts:
        if not is_in_force(rule, case.on) or not test(case):
            continue
        fired = _fired(rule, case)
        if fired is None:
            continue
        key = rule.hierarchy or rule.code
        mine = (_WEIGHT[fired.alert_class], rule.rank)
        if key not in found or mine > weight[key]:
            found[key], weight[key] = fired, mine
    return tuple(sorted(found.values(), key=lambda each: (-_WEIGHT[each.alert_class], each.rule)))


def may_alert(part: Case, rules: CompiledRules, changed: Collection[str]) -> bool:
    """Whether a visit without any alert may have one now that these items changed, as far as a part of it tells.

    False is certain: only what asks for a changed item can have become true by the change.
    """
    return any(could(part) is not False for items, could in rules.ways if not items.isdisjoint(changed))


def _fired(rule: Rule, case: Case) -> FiredAlert | None:
    alert = rule.alert
    assert alert is not None
    seen = evidence(rule.condition, case)
    items = tuple(dict.fromkeys(item for item, _ in seen))
    told = tuple(dict.fromkeys(item for (item, _), asserts in seen.items() if asserts)) or items
    if alert.departments and not any(case.readings[item].department in alert.departments for item in told if item in case.readings):
        return None
    department = next((case.readings[item].department for item in told if item in case.readings), "")
    return FiredAlert(
        rule=rule.code, version=rule.version, alert_class=alert.alert_class, name=alert.name or rule.text, department=department,
        items=items, evidence=tuple(finding_text(case.readings[item]) for item in items if item in case.readings),
        specialist=rule.specialist, advice=rule.advice, follow_up_days=alert.follow_up_days,
    )  # fmt: skip

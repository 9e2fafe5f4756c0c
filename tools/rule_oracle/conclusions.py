"""From true conditions to lines and alerts, step by step as domain.md §4.3 lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from exam.knowledge import language as say
from exam.knowledge.book import Merge, Rule, RuleBook
from tools.rule_oracle.conditions import Visit, states, truth
from tools.rule_oracle.values import Value

PLACES = ("疾病", "高危", "异常", "提示", "正常变异")
OUTSTANDING = ("low", "high", "abnormal", "unknown")
URGENCY = {"critical": 3, "a": 2, "b": 1}

Part = tuple[str, str]
"""An item, and one of its choices or nothing: what a line answers for."""


@dataclass
class Line:
    """A conclusion: the entries it comes from and what it answers for."""

    code: str
    text: str
    category: str
    severity: int
    order: int
    codes: set[str] = field(default_factory=set)
    diseases: frozenset[str] = frozenset()
    ladders: set[str] = field(default_factory=set)
    answers: set[Part] = field(default_factory=set)

    def place(self) -> tuple[int, int]:
        """A before B before diseases, and so on (M14)."""
        urgent = {5: 0, 4: 1}.get(self.severity, 2)
        return urgent, 0 if urgent < 2 else PLACES.index(self.category)


def in_force(entry: Rule | Merge, on: date) -> bool:
    """Whether an entry holds on a day. The second day (停用日期) is the first on which it no longer does."""
    return (entry.valid_from is None or entry.valid_from <= on) and (entry.valid_to is None or on < entry.valid_to)


def fired(book: RuleBook, visit: Visit, on: date) -> list[Rule]:
    """Every rule whose condition is true."""
    return [rule for rule in book.rules if in_force(rule, on) and truth(rule.condition, visit) is True]


def asserted(condition: say.Condition, visit: Visit) -> set[Part]:
    """Today's values that a true condition says something of; not what it only excludes, nor earlier values."""
    match condition:
        case say.AllOf(of=of) | say.AnyOf(of=of) | say.AtLeast(of=of):
            return {part for each in of if truth(each, visit) is True for part in asserted(each, visit)}
        case say.Chosen(item=item, any_of=any_of):
            return {(item, pick) for pick in visit.today[item].choices if pick in any_of}
        case say.Flagged(item=item):
            return _all_of(visit.today[item])
        case say.Says(item=item, any_of=any_of):
            value = visit.today[item]
            told = {(item, pick) for pick in value.choices if any(states(pick, phrase) for phrase in any_of)}
            return told if value.choices else {(item, "")}
        case say.Compare(item=item) | say.Between(item=item) | say.LimitMultiple(item=item) | say.Change(item=item):
            return {(item, "")}
    return set()


def _all_of(value: Value) -> set[Part]:
    return {(value.item, pick) for pick in value.choices} or {(value.item, "")}


def seen(condition: say.Condition, visit: Visit) -> set[str]:
    """Today's items that a true condition has looked at: also those it excludes, and those whose earlier value it asks for."""
    match condition:
        case say.AllOf(of=of) | say.AnyOf(of=of) | say.AtLeast(of=of):
            return {item for each in of if truth(each, visit) is True for item in seen(each, visit)}
        case say.Not(condition=inner):
            return _named(inner) & visit.today.keys()
        case say.Age() | say.Sex() | say.History() | say.Missing():
            return set()
    return _named(condition) & visit.today.keys()


def _named(condition: say.Condition) -> set[str]:
    match condition:
        case say.AllOf(of=of) | say.AnyOf(of=of) | say.AtLeast(of=of):
            return {item for each in of for item in _named(each)}
        case say.Not(condition=inner):
            return _named(inner)
        case say.Age() | say.Sex() | say.History() | say.Missing():
            return set()
    return {condition.item}


def answered(rule: Rule, visit: Visit) -> set[Part]:
    """The values that the line of a rule answers for."""
    mine = asserted(rule.condition, visit)
    if rule.covers is not None:
        mine = {part for part in mine if part[0] in rule.covers}
    for each in rule.also_covers:
        if truth(each, visit) is True:
            mine |= _all_of(visit.today[each.item])
    return mine


Organ = tuple[str, tuple[str, ...], str, tuple[str, ...]]
"""A sign of the physical examination and its choices, an ultrasound item and its findings: of one organ. None means any."""


def lines(book: RuleBook, visit: Visit, on: date, organs: Sequence[Organ] = ()) -> list[Line]:
    """The suggested conclusions, without order; plain lines have the code `plain`."""
    speaking = fired(book, visit, on)
    drafted = _after_hierarchies(speaking, visit)
    for merge in book.merges:
        if in_force(merge, on):
            drafted = _merged(merge, drafted)
    drafted = _after_second_findings(_after_twins(drafted))
    told = {part for line in drafted for part in line.answers}
    for value in visit.today.values():
        for part in outstanding(value):
            if part not in told:
                drafted.append(Line("plain", "", "异常", 2 if value.flag == "unknown" else 1, 0, {"plain"}, answers={part}))
    for organ in organs:
        drafted = _after_scan(organ, drafted, visit)
    return drafted


def _after_scan(organ: Organ, drafted: list[Line], visit: Visit) -> list[Line]:
    """Ultrasound wins, the sign is kept as evidence (M11); a sign that weighs more, or one nobody can read, stays itself."""
    sign, felt, scan, found = organ
    if not all(item in visit.today and visit.today[item].flag in OUTSTANDING for item in (sign, scan)):
        return drafted

    def is_of(part: Part, item: str, choices: tuple[str, ...]) -> bool:
        return part[0] == item and (not choices or part[1] in choices) and part[1] not in visit.today[item].unread

    scanned = [line for line in drafted if any(is_of(part, scan, found) for part in line.answers)]
    if not scanned:
        return drafted
    winner = max(scanned, key=lambda line: line.severity)
    kept = []
    for line in drafted:
        is_sign = bool(line.answers) and all(is_of(part, sign, felt) for part in line.answers)
        if is_sign and line is not winner and line.severity <= winner.severity:
            winner.codes |= line.codes
            winner.answers |= line.answers
        else:
            kept.append(line)
    return kept


def outstanding(value: Value) -> list[Part]:
    """What of a value needs a line (decision 22)."""
    if value.flag not in OUTSTANDING:
        return []
    return [(value.item, pick) for pick in value.abnormal] or [(value.item, "")]


def _after_hierarchies(speaking: list[Rule], visit: Visit) -> list[Line]:
    highest: dict[str, int] = {}
    for rule in speaking:
        if rule.hierarchy:
            highest[rule.hierarchy] = max(rule.rank, highest.get(rule.hierarchy, rule.rank))
    kept: list[Line] = []
    heads: dict[str, Line] = {}
    for rule in speaking:
        if not rule.hierarchy or rule.rank == highest[rule.hierarchy]:
            line = Line(
                rule.code, rule.text, rule.category, int(rule.severity), rule.order, {rule.code}, frozenset(rule.icd10),
                {rule.hierarchy} - {""}, answered(rule, visit),
            )  # fmt: skip
            kept.append(line)
            heads.setdefault(rule.hierarchy, line)
    for rule in speaking:  # what a lower one saw belongs to the higher one, which speaks for both
        if rule.hierarchy and rule.rank < highest[rule.hierarchy]:
            heads[rule.hierarchy].codes.add(rule.code)
            heads[rule.hierarchy].answers |= answered(rule, visit)
    return kept


def _merged(merge: Merge, drafted: list[Line]) -> list[Line]:
    first = [line for code in merge.of for line in drafted if line.code == code]
    others = [[line for code in codes for line in drafted if line.code == code] for codes in merge.with_one_of]
    if len(first) < merge.at_least or not first or not all(others):
        return drafted
    used: list[Line] = []
    for line in [*first, *(each for group in others for each in group)]:
        if line not in used:
            used.append(line)
    worst = max(used, key=lambda line: line.severity)
    new = Line(
        merge.code,
        merge.text.replace("{first}", first[0].text),
        merge.category or min((line.category for line in used), key=PLACES.index),
        int(worst.severity if merge.severity is None else merge.severity),
        merge.order if merge.order is not None else min(line.order for line in used),
        {merge.code}.union(*(line.codes for line in used)),
        answers=set().union(*(line.answers for line in used)),
    )
    rest = [line for line in drafted if line not in used]
    return [*rest, new]


def _after_twins(drafted: list[Line]) -> list[Line]:
    kept: dict[str, Line] = {}
    for line in drafted:
        twin = kept.setdefault(line.text, line)
        if twin is not line:
            twin.codes |= line.codes
            twin.answers |= line.answers
            twin.severity = max(twin.severity, line.severity)
            twin.category = min(twin.category, line.category, key=PLACES.index)
            twin.order = min(twin.order, line.order)
            twin.diseases |= line.diseases
            twin.ladders |= line.ladders
    return list(kept.values())


def _after_second_findings(drafted: list[Line]) -> list[Line]:
    """Of one disease (by its ICD-10 codes) seen in two examinations, the later line goes up in the earlier one (M13)."""
    waiting = sorted(drafted, key=lambda line: line.order)
    told: list[Line] = []
    while waiting:
        line = waiting.pop(0)
        for earlier in told:
            if _tells_the_same(earlier, line):
                earlier.codes |= line.codes
                earlier.answers |= line.answers
                earlier.ladders |= line.ladders
                break
        else:
            told.append(line)
    return told


def _tells_the_same(one: Line, two: Line) -> bool:
    if not one.diseases or one.diseases != two.diseases:
        return False
    if one.severity != two.severity or one.category != two.category:
        return False  # a milder or a heavier one is another conclusion
    if one.ladders & two.ladders or _side_of(one) != _side_of(two):
        return False
    examined = [{item for item, _ in line.answers} for line in (one, two)]
    return all(examined) and not examined[0] & examined[1]


def _side_of(line: Line) -> set[str]:
    said = line.text + "".join(pick for _, pick in line.answers)
    return {side for side in "左右双" if side in said}


def alerts(book: RuleBook, visit: Visit, on: date) -> set[tuple[str, str]]:
    """Which rules call for an alert, and of which class: of one hierarchy only the most urgent, then the highest."""
    best: dict[str, tuple[tuple[int, int], str, str]] = {}
    for rule in fired(book, visit, on):
        if rule.alert is None:
            continue
        if rule.alert.departments:
            told = {item for item, _ in asserted(rule.condition, visit)} or seen(rule.condition, visit)
            if not any(visit.today[item].department in rule.alert.departments for item in told):
                continue
        weight = (URGENCY[rule.alert.alert_class.value], rule.rank)
        key = rule.hierarchy or rule.code
        if key not in best or weight > best[key][0]:
            best[key] = (weight, rule.code, rule.alert.alert_class.value)
    return {(code, alert_class) for _, code, alert_class in best.values()}

"""From a judged case to suggested conclusions: fire the rules, keep the most severe, merge, and leave nothing without a line.

The order of work is domain.md §4.3: hierarchies (M01, M07), merges (M02, M04, M05, M06, M08, M10), duplicates (M13), then a
plain line for every flagged value nobody answered for (decision 22), one line for an organ that was felt and scanned (M11),
then the order of the report (M14).
"""

from __future__ import annotations

import re
from datetime import date

from exam.knowledge.book import Merge, Rule, RuleBook
from exam.knowledge.facts import Because, Case, Category, Flag, Reading, Severity, Suggestion
from exam.knowledge.rules.conditions import Test, compiled, condition_items, could_hold, evidence, ways_of
from exam.knowledge.rules.wording import OUTSTANDING, finding_text, plain_line

PLAIN_RULE = "plain"
"""The rule code of lines that no rule wrote."""

PLAIN_ORDER = 900
LONGEST_FINDING = 40

_PLACE = re.compile(r"\{(?:first|others|values)\}")
_IN_BRACKETS = re.compile(r"[(\uff08](\{first\}|\{others\})[)\uff09]")
_BRACKET = re.compile(r"[(\uff08]([^()\uff08\uff09]*)[)\uff09]$")
_SIDES = re.compile("[左右双]")

CATEGORY_ORDER: dict[str, int] = {"疾病": 2, "高危": 3, "异常": 4, "提示": 5, "正常变异": 6}

HARMLESS_CATEGORIES: frozenset[str] = frozenset({"提示", "正常变异"})

_LIVER = ("脂肪肝(轻度)", "脂肪肝(中度)", "脂肪肝(重度)", "肝囊肿", "肝血管瘤", "肝实质回声增粗", "肝硬化", "肝占位性病变")
_KIDNEYS = ("肾囊肿", "肾结石", "肾错构瘤", "肾积水(轻度)", "肾积水(中度)", "肾积水(重度)", "肾占位性病变", "肾萎缩")
_UTERUS = ("子宫肌瘤", "子宫腺肌症", "子宫内膜增厚", "绝经后子宫内膜增厚(≥5mm)", "子宫内膜息肉可能")
_OVARIES = ("卵巢囊肿", "卵巢囊实性或实性包块", "多囊卵巢样改变", "附件区包块")

SAME_ORGAN: tuple[tuple[str, tuple[str, ...], str, tuple[str, ...]], ...] = (
    ("MED_LIV", (), "US_ABD", _LIVER),
    ("MED_SPL", (), "US_ABD", ("脾大", "脾囊肿", "脾占位性病变")),
    ("MED_KID", (), "US_ABD", _KIDNEYS),
    ("MED_MUR", (), "US_ECHO", ()),
    ("SUR_THY", (), "US_THY", ()),
    ("SUR_BRE", ("增生", "结节"), "US_BRE", ()),
    ("SUR_PRO", (), "US_PRO", ()),
    ("GYN_UTE", (), "US_UTE", _UTERUS),
    ("GYN_ADN", (), "US_UTE", _OVARIES),
    ("SUR_LN", ("颈部肿大",), "US_THY", ("颈部淋巴结肿大",)),
    ("SUR_LN", ("腋下肿大",), "US_BRE", ("腋窝淋巴结肿大",)),
)
"""Which sign of the physical examination and which ultrasound finding are of one organ (M11): item and choices of each,
no choices meaning any. Source: memory; the codes and choices are the starter catalogue's."""


class _Line:
    """A conclusion in the making."""

    __slots__ = (
        "advice",
        "because",
        "category",
        "covers",
        "hierarchies",
        "icd10",
        "key",
        "lifestyle",
        "order",
        "rules",
        "severity",
        "shown",
        "sides",
        "specialist",
        "text",
    )

    def __init__(self, key: str, text: str, category: Category, severity: Severity, order: int) -> None:
        self.key = key
        self.text = text
        self.category: Category = category
        self.severity = severity
        self.order = order
        self.advice = self.lifestyle = self.specialist = ""
        self.because: tuple[Because, ...] = ()
        self.covers: dict[tuple[str, str], None] = {}
        self.shown: dict[str, None] = {}
        self.rules: tuple[str, ...] = ()
        self.icd10: tuple[str, ...] = ()
        self.hierarchies: frozenset[str] = frozenset()
        self.sides: frozenset[str] = frozenset()

    def take_over(self, other: _Line) -> None:
        """Answer for everything the other line answered for."""
        self.because += other.because
        self.covers.update(other.covers)
        self.shown.update(other.shown)
        self.rules += other.rules


class CompiledRules:
    """A rule book ready to be asked; build it once per book and keep it."""

    __slots__ = ("alerts", "book", "merges", "rules", "ways")

    def __init__(self, book: RuleBook) -> None:
        self.book = book
        self.merges = book.merges
        self.rules: tuple[tuple[Rule, Test], ...] = tuple((rule, compiled(rule.condition)) for rule in book.rules)
        self.alerts = tuple((rule, test) for rule, test in self.rules if rule.alert)
        self.ways = tuple(
            (frozenset(condition_items(way)), could_hold(way)) for rule, _ in self.alerts for way in ways_of(rule.condition)
        )

    def fired(self, case: Case) -> list[Rule]:
        """The rules in force on the day of the case whose condition is true, before any merging."""
        return [rule for rule, test in self.rules if is_in_force(rule, case.on) and test(case)]


def suggest(case: Case, rules: CompiledRules | RuleBook) -> tuple[Suggestion, ...]:
    """The suggested conclusions in report order; every flagged reading is in the `covers` of at least one of them."""
    ready = rules if isinstance(rules, CompiledRules) else CompiledRules(rules)
    lines = _keep_highest([(rule, _line_of(rule, case)) for rule in ready.fired(case)], case)
    for merge in ready.merges:
        if is_in_force(merge, case.on):
            lines = _merged(lines, merge, case)
    lines = _of_one_disease(_without_twins(lines))
    covered = {pair for line in lines for pair in line.covers}
    for place, reading in enumerate(case.readings.values()):
        lines.extend(_plain(reading, choice, PLAIN_ORDER + place) for choice in _open_choices(reading, covered))
    lines = _ultrasound_wins(lines, case)
    lines.sort(key=_place)
    return tuple(_suggestion(line) for line in lines)


def is_nothing_abnormal_allowed(case: Case, rules: CompiledRules | RuleBook) -> bool:
    """May the chief write “未见明显异常”? Not while a flagged value exists, a rule speaks of one, or nothing was examined."""
    if not case.readings or any(reading.flag in OUTSTANDING for reading in case.readings.values()):
        return False
    return all(line.category in HARMLESS_CATEGORIES for line in suggest(case, rules))


def uncovered_items(case: Case, suggestions: tuple[Suggestion, ...]) -> tuple[str, ...]:
    """The flagged readings that no line answers for, for instance after the chief removed one (decision 22)."""
    covered = {(item, "") for suggestion in suggestions for item in suggestion.covers}
    covered.update(pair for suggestion in suggestions for pair in suggestion.covers_choices)
    return tuple(reading.item for reading in case.readings.values() if _open_choices(reading, covered))


def _open_choices(reading: Reading, covered: set[tuple[str, str]]) -> tuple[str, ...]:
    """What of a flagged reading nobody answers for: choices of an item with choices, one empty text for a number."""
    if reading.flag not in OUTSTANDING:
        return ()
    if reading.abnormal:
        return tuple(text for text in reading.abnormal if (reading.item, text) not in covered)
    return () if any(item == reading.item for item, _ in covered) else ("",)


def is_in_force(dated: Rule | Merge, on: date) -> bool:
    """Whether an entry holds on a day."""
    if dated.valid_from is not None and on < dated.valid_from:
        return False
    return dated.valid_to is None or on < dated.valid_to


def _line_of(rule: Rule, case: Case) -> _Line:
    line = _Line(rule.code, rule.text, rule.category, rule.severity, rule.order)
    line.advice, line.lifestyle, line.specialist = rule.advice, rule.lifestyle, rule.specialist
    line.rules = (rule.code,)
    line.icd10 = tuple(sorted(set(rule.icd10)))
    line.hierarchies = frozenset((rule.hierarchy,) if rule.hierarchy else ())
    line.sides = frozenset(_SIDES.findall(rule.text))
    for (item, choice), asserts in evidence(rule.condition, case).items():
        line.shown[item] = None
        if asserts and (rule.covers is None or item in rule.covers):
            line.covers[(item, choice)] = None
    for extra in rule.also_covers:
        reading = case.readings.get(extra.item)
        if reading is not None and reading.flag in extra.any_of:
            line.shown[extra.item] = None
            line.covers.update(((extra.item, text), None) for text in reading.abnormal or ("",))
    if "{values}" in rule.text:
        told = "、".join(_briefly(item, choice, case) for item, choice in line.covers)
        line.text = rule.text.replace("{values}", told or "见各科结果")
    texts = tuple(finding_text(case.readings[item]) for item in line.shown)
    line.because = (Because(rule=rule.code, version=rule.version, items=tuple(line.shown), evidence=texts),)
    return line


def _keep_highest(fired: list[tuple[Rule, _Line]], case: Case) -> list[_Line]:
    highest: dict[str, int] = {}
    for rule, _ in fired:
        if rule.hierarchy:
            highest[rule.hierarchy] = max(rule.rank, highest.get(rule.hierarchy, rule.rank))
    kept: list[_Line] = []
    winners: dict[str, _Line] = {}
    for rule, line in fired:
        if not rule.hierarchy or rule.rank == highest[rule.hierarchy]:
            kept.append(line)
            winners.setdefault(rule.hierarchy, line)
    for rule, line in fired:
        if rule.hierarchy and rule.rank < highest[rule.hierarchy]:
            winner = winners[rule.hierarchy]
            # The value of a suppressed line still has to be readable: it is named behind the text that stays.
            new = [pair for pair in line.covers if all(pair not in other.covers for other in kept)]
            winner.take_over(line)
            if new:
                winner.text = _with_bracket(winner.text, _values(new, case))
    return kept


def _merged(lines: list[_Line], merge: Merge, case: Case) -> list[_Line]:
    members = [line for line in lines if line.key in merge.of]
    if len(members) < merge.at_least:
        return lines
    partners: list[_Line] = []
    for group in merge.with_one_of:
        found = [line for line in lines if line.key in group]
        if not found:
            return lines
        partners.extend(found)
    everybody = members + partners
    first = members[0]
    covers = {pair: None for line in everybody for pair in line.covers}
    words = {"{first}": first.text, "{others}": "、".join(line.text for line in partners), "{values}": _values(list(covers), case)}
    # A text that goes into brackets brings none of its own.
    inner = {"{first}": _without_bracket(first.text), "{others}": "、".join(_without_bracket(line.text) for line in partners)}
    text = _IN_BRACKETS.sub(lambda found: found[0].replace(found[1], inner[found[1]]), merge.text)
    text = _PLACE.sub(lambda found: words[found[0]], text)
    severity = merge.severity if merge.severity is not None else max(line.severity for line in everybody)
    weightiest = min(everybody, key=lambda line: CATEGORY_ORDER[line.category])
    merged = _Line(merge.code, text, merge.category or weightiest.category, severity, merge.order or first.order)
    merged.advice = (merge.advice or "{advice}").replace("{advice}", _joined([line.advice for line in everybody]))
    merged.lifestyle = merge.lifestyle or _joined([line.lifestyle for line in everybody])
    merged.specialist = merge.specialist or _joined([line.specialist for line in everybody], "/")
    merged.because = (
        Because(
            rule=merge.code,
            version=merge.version,
            items=tuple(dict.fromkeys(item for item, _ in covers)),
            evidence=tuple(line.text for line in everybody),
        ),
    )
    for line in everybody:
        merged.take_over(line)
    return [merged if line is first else line for line in lines if line is first or line not in everybody]


def _ultrasound_wins(lines: list[_Line], case: Case) -> list[_Line]:
    """A sign that was felt stands behind the ultrasound line of its organ; a weightier sign keeps its own line (M11)."""
    for sign, felt, scan, seen in SAME_ORGAN:
        found = [case.readings[code] for code in (sign, scan) if code in case.readings]
        # A text that nobody could read is no sign of anything; it keeps its own line, with the reason.
        if len(found) < 2 or any(each.flag not in OUTSTANDING or each.why for each in found):
            continue
        scanned = [line for line in lines if _answers_for(line, scan, seen)]
        if not scanned:
            continue
        winner = max(scanned, key=lambda line: line.severity)
        for line in [line for line in lines if line.covers and all(_is_one_of(pair, sign, felt) for pair in line.covers)]:
            if line is not winner and line.severity <= winner.severity:
                winner.take_over(line)
                lines.remove(line)
    return lines


def _answers_for(line: _Line, item: str, choices: tuple[str, ...]) -> bool:
    return any(_is_one_of(pair, item, choices) for pair in line.covers)


def _is_one_of(pair: tuple[str, str], item: str, choices: tuple[str, ...]) -> bool:
    return pair[0] == item and (not choices or pair[1] in choices)


def _without_twins(lines: list[_Line]) -> list[_Line]:
    by_text: dict[str, _Line] = {}
    for line in lines:
        twin = by_text.get(line.text)
        if twin is None:
            by_text[line.text] = line
            continue
        twin.severity = max(twin.severity, line.severity)
        _join(twin, line)
    return list(by_text.values())


def _of_one_disease(lines: list[_Line]) -> list[_Line]:
    """Lines that tell of one disease, found twice, become one (M13 by ICD-10 code): the first in the report keeps its words, the
    other's values stand behind it as evidence, with its advice.

    The same codes alone do not make a duplicate, for a code is coarser than a conclusion: E78.5 holds every blood lipid, E04.1 the
    harmless nodule and the suspicious one, N63 the left breast and the right one. So nothing is put together that differs in

    * severity or category: the milder words would be lost, or the heavier advice watered down;
    * side, as the text and the choices say it: a lump on the left is no evidence of one on the right;

    nor what stands in a common hierarchy (that has its own order, and equal ranks are meant to stand side by side), nor what
    answers for a common item (two statements of one examination are two findings), nor what answers for no value at all (a
    history is no second finding). What is left is the same disease seen by two examinations: a fatty liver by ultrasound and
    by CT. Lines of merges have no codes of their own, as they speak of more than one disease, and stay apart.
    """
    kept: list[_Line] = []
    for line in sorted(lines, key=lambda each: each.order):
        same = next((each for each in kept if _is_same_disease(each, line)), None)
        if same is None:
            kept.append(line)
        else:
            _join(same, line)
    return kept


def _is_same_disease(one: _Line, other: _Line) -> bool:
    return (
        bool(one.icd10)
        and one.icd10 == other.icd10
        and (one.category, one.severity) == (other.category, other.severity)
        and _sides(one) == _sides(other)
        and one.hierarchies.isdisjoint(other.hierarchies)
        and bool(one.covers) and bool(other.covers)
        and {item for item, _ in one.covers}.isdisjoint(item for item, _ in other.covers)
    )  # fmt: skip


def _sides(line: _Line) -> set[str]:
    return {*line.sides, *(side for _, choice in line.covers for side in _SIDES.findall(choice))}


def _join(line: _Line, other: _Line) -> None:
    """Puts another line behind one whose words stay: everything that it answers for and advises, and the earlier place."""
    line.order = min(line.order, other.order)
    line.advice = _joined([line.advice, other.advice])
    line.lifestyle = _joined([line.lifestyle, other.lifestyle])
    line.specialist = _joined([line.specialist, other.specialist], "/")
    line.icd10 = tuple(sorted({*line.icd10, *other.icd10}))
    line.hierarchies |= other.hierarchies
    line.sides |= other.sides
    line.take_over(other)


def _with_bracket(text: str, more: str) -> str:
    """More behind a text, in its own last bracket where it ends with one: `血压升高(3级范围,舒张压 95 mmHg ↑)`."""
    return f"{text[:-1]},{more}{text[-1]}" if _BRACKET.search(text) else f"{text}({more})"


def _without_bracket(text: str) -> str:
    """A text that will stand in brackets: `重度贫血(血红蛋白危急值)` as `重度贫血,血红蛋白危急值`."""
    return _BRACKET.sub(r",\1", text)


def _values(pairs: list[tuple[str, str]], case: Case) -> str:
    """A choice is named with its item: `3+` by itself says nothing."""
    return ",".join(f"{case.readings[item].name}:{choice}" if choice else finding_text(case.readings[item]) for item, choice in pairs)


def _briefly(item: str, choice: str, case: Case) -> str:
    """What was found, under a text that says already what it is of; of a long description its beginning."""
    told = choice or finding_text(case.readings[item])
    return told if len(told) <= LONGEST_FINDING else f"{told[:LONGEST_FINDING]}…"


def _plain(reading: Reading, choice: str, order: int) -> _Line:
    is_unknown = reading.flag is Flag.UNKNOWN
    key = f"{PLAIN_RULE}:{reading.item}:{choice}" if choice else f"{PLAIN_RULE}:{reading.item}"
    severity = Severity.RECHECK if is_unknown else Severity.MILD
    line = _Line(key, plain_line(reading, choice), "异常", severity, order)
    line.advice = "请核实结果后再下结论" if is_unknown else "结合临床,必要时复查"
    line.covers[(reading.item, choice)] = None
    line.because = (Because(PLAIN_RULE, 1, (reading.item,), (finding_text(reading),)),)
    return line


def _place(line: _Line) -> tuple[int, int, int, str]:
    group = CATEGORY_ORDER[line.category]
    if line.severity >= Severity.CRITICAL:
        group = 0
    elif line.severity >= Severity.IMPORTANT:
        group = 1
    return (group, line.order, -int(line.severity), line.key)


def _joined(texts: list[str], separator: str = ";") -> str:
    return separator.join(dict.fromkeys(text for text in texts if text))


def _suggestion(line: _Line) -> Suggestion:
    return Suggestion(
        key=line.key,
        text=line.text,
        category=line.category,
        severity=line.severity,
        advice=line.advice,
        lifestyle=line.lifestyle,
        specialist=line.specialist,
        because=line.because,
        covers=tuple(dict.fromkeys(item for item, _ in line.covers)),
        covers_choices=tuple((item, choice) for item, choice in line.covers if choice),
    )

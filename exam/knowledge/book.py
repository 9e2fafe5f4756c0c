"""Rules as data: conclusions with their examples, merges, alerts, and the dated book that holds them."""

from __future__ import annotations

from datetime import date
from typing import Literal, TypeAlias

import msgspec

from exam.knowledge.facts import AlertClass, Category, Severity
from exam.knowledge.gate import GateCheck
from exam.knowledge.language import Condition, Flagged
from exam.knowledge.message_template import MessageTemplate
from exam.knowledge.summary_wording import SummaryWording


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person a rule must fire on, or must not. Values are as somebody writes them; the catalogue judges them."""

    fires: bool
    values: dict[str, str | tuple[str, ...]]
    sex: Literal["M", "F"] = "M"
    age: int = 45
    history: tuple[str, ...] = ()
    earlier: dict[str, str | tuple[str, ...]] = {}


class Alert(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What makes a rule a critical one: its class, the name on the board, and when the person is called back.

    With `departments` only findings of these count. `follow_up_days` overrides the class's policy.
    """

    alert_class: AlertClass
    name: str = ""
    departments: tuple[str, ...] = ()
    follow_up_days: tuple[int, ...] = ()


class Recheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be examined again (复查项目): item groups, and in how many days."""

    groups: tuple[str, ...]
    after_days: int


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a conclusion is suggested, and with which words.

    `{values}` in `text` names what was found, for a rule about many findings.
    `covers` says which flagged values the line answers for: None means every value that made it fire, a list narrows
    these down. `also_covers` adds values that the line explains though it does not ask for them. Of the rules of one
    `hierarchy` only the highest `rank` stays. `order` is the organ system's place in the report. `icd10` are the codes of the
    disease that the conclusion names (`K76.0`), empty for a sign or a value that names none.
    """

    code: str
    version: int
    condition: Condition
    text: str
    category: Category
    severity: Severity
    advice: str = ""
    lifestyle: str = ""
    specialist: str = ""
    hierarchy: str = ""
    rank: int = 0
    order: int = 500
    covers: tuple[str, ...] | None = None
    also_covers: tuple[Flagged, ...] = ()
    alert: Alert | None = None
    recheck: Recheck | None = None
    icd10: tuple[str, ...] = ()
    source: str = ""
    approved: bool = False
    valid_from: date | None = None
    valid_to: date | None = None
    examples: tuple[Example, ...] = ()


class Merge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Several fired rules become one line (domain.md §4.3).

    At least `at_least` of `of` must have fired and, for every list in `with_one_of`, one of that list too. In `text`
    `{first}` is the text of the first fired rule of `of`, `{others}` the texts of `with_one_of` and `{values}` lists the
    values. Advice and severity left out are taken from the merged rules; `{advice}` in an advice is what these say.
    """

    code: str
    version: int
    text: str
    of: tuple[str, ...]
    at_least: int = 1
    with_one_of: tuple[tuple[str, ...], ...] = ()
    category: Category | None = None
    severity: Severity | None = None
    advice: str = ""
    lifestyle: str = ""
    specialist: str = ""
    order: int | None = None
    source: str = ""
    approved: bool = False
    valid_from: date | None = None
    valid_to: date | None = None


class Escalation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """After so many minutes without notice the next in line is told: staff with this permission."""

    after_minutes: int
    to: str


class AlertPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The clocks of one alert class (domain.md §3.6). Minutes run from the step before; `follow_up_days` from the notice.

    With `working_days` the time to the notice is counted in working days instead of `notify_minutes`.
    """

    code: str
    version: int
    alert_class: AlertClass
    confirm_minutes: int
    notify_minutes: int
    receive_minutes: int
    handle_minutes: int
    follow_up_days: tuple[int, ...]
    working_days: int = 0
    escalation: tuple[Escalation, ...] = ()
    blocks_release: bool = True
    source: str = ""
    approved: bool = False
    valid_from: date | None = None
    valid_to: date | None = None


class GradeStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One grade of a scale and when it holds."""

    grade: Literal["A", "B", "C", "D", "E"]
    condition: Condition


class GradeScale(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Grades A to E of one domain, such as blood pressure; the first step that holds, in the order given, is the grade."""

    code: str
    version: int
    name: str
    steps: tuple[GradeStep, ...]
    source: str = ""
    approved: bool = False
    valid_from: date | None = None
    valid_to: date | None = None


class RuleBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Every entry that holds on a day, as one dated set."""

    rules: tuple[Rule, ...] = ()
    merges: tuple[Merge, ...] = ()
    policies: tuple[AlertPolicy, ...] = ()
    grades: tuple[GradeScale, ...] = ()
    templates: tuple[MessageTemplate, ...] = ()
    checks: tuple[GateCheck, ...] = ()
    summaries: tuple[SummaryWording, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, in the order in which the store keeps them."""
        return (*self.rules, *self.merges, *self.policies, *self.grades, *self.templates, *self.checks, *self.summaries)


Entry: TypeAlias = Rule | Merge | AlertPolicy | GradeScale | MessageTemplate | GateCheck | SummaryWording

KINDS: dict[
    str,
    type[Rule] | type[Merge] | type[AlertPolicy] | type[GradeScale] | type[MessageTemplate] | type[GateCheck] | type[SummaryWording],
] = {
    "rule": Rule,
    "merge": Merge,
    "policy": AlertPolicy,
    "grade": GradeScale,
    "template": MessageTemplate,
    "check": GateCheck,
    "summary": SummaryWording,
}
"""How the store names the kinds of entries."""

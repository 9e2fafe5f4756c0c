"""Which kinds of entries have a form, and what is wrong with such an entry however it was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from exam.knowledge import check_form, grade_form, policy_form, summary_form, template_form
from exam.knowledge.book import AlertPolicy, Entry, GradeScale
from exam.knowledge.entry_form import EntryForm, Items, Problems
from exam.knowledge.message_template import MessageTemplate

FORMS: Mapping[str, EntryForm] = {
    each.kind: each for each in (policy_form.FORM, template_form.FORM, grade_form.FORM, check_form.FORM, summary_form.FORM)
}
"""The forms by kind; a rule has its own (`rule_form`), and what is not here is written as text."""

NEW_KINDS = {kind: form for kind, form in FORMS.items() if form.empty is not None}
"""The kinds of which a new entry can be begun on a form."""

_CAN_SHOW: Mapping[str, Callable[[Entry, Items], bool]] = {"grade": grade_form.can_show, "check": check_form.can_show}


def form_for(kind: str, entry: Entry, items: Items) -> EntryForm | None:
    """The form of an entry; None when its kind has none, or when the entry says more than a form can."""
    can_show = _CAN_SHOW.get(kind)
    return FORMS.get(kind) if can_show is None or can_show(entry, items) else None


def kind_problems(entry: Entry, items: Items) -> Problems:
    """What keeps a policy, a scale or a template from being proposed or approved."""
    match entry:
        case AlertPolicy():
            return policy_form.policy_problems(entry)
        case GradeScale():
            return grade_form.scale_problems(entry, items)
        case MessageTemplate():
            return template_form.template_problems(entry, items)
        case _:
            return []

"""The recheck plan of a review (复查计划): what the rules propose, what the doctors made of it, what is ordered of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

import msgspec

from exam.kit.errors import BadInput, Refused
from exam.knowledge.rules import RecheckProposal
from registration.recheck_facts import NewRecheck

MOST_DAYS = 1096
MOST_ITEMS = 40
MANUAL_DAYS = 90
"""In how many days what a doctor adds is examined again, until the doctor says otherwise."""


class PlanItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Groups to be examined again in `after_days` days, counted from the final signature.

    `proposed_days` is what the rules said, 0 for what a doctor added; `rules` are `code@version`.
    """

    groups: tuple[str, ...]
    after_days: int
    reason: str = ""
    rules: tuple[str, ...] = ()
    proposed_days: int = 0
    is_wanted: bool = True
    is_private: bool = False

    @property
    def key(self) -> str:
        """What stays the same when the plan is made anew."""
        return "+".join(self.groups)

    @property
    def is_manual(self) -> bool:
        """Whether a doctor added it."""
        return not self.proposed_days


class PlanChoice(msgspec.Struct, frozen=True):
    """One item as the screen hands it in."""

    key: str
    after_days: int
    is_wanted: bool


def plan(
    proposals: Sequence[RecheckProposal],
    stored: Sequence[PlanItem],
    private_items: Collection[str],
    private_groups: Collection[str] = (),
) -> tuple[PlanItem, ...]:
    """The plan of this moment: today's proposals with what was chosen of them before, then what doctors added.

    A day that a doctor changed stays; one that nobody touched follows the rules. What no rule proposes any more falls away.
    """
    held = {each.key: each for each in stored}
    found: list[PlanItem] = []
    for proposal in proposals:
        item = PlanItem(
            proposal.groups, proposal.after_days, proposal.reason, proposal.rules, proposal.after_days,
            is_private=not (set(proposal.items).isdisjoint(private_items) and set(proposal.groups).isdisjoint(private_groups)),
        )  # fmt: skip
        before = held.get(item.key)
        if before is not None:
            days = proposal.after_days if before.after_days == before.proposed_days else before.after_days
            item = msgspec.structs.replace(item, after_days=days, is_wanted=before.is_wanted)
        found.append(item)
    keys = {item.key for item in found}
    return (*found, *(each for each in stored if each.is_manual and each.key not in keys))


def chosen(items: Sequence[PlanItem], choices: Sequence[PlanChoice]) -> tuple[PlanItem, ...]:
    """The plan with what the screen says of each item; an item that the screen did not show stays as it is."""
    by_key = {each.key: each for each in choices}
    problems = [
        (f"after_days.{number}", f"复查天数须在 1 到 {MOST_DAYS} 之间")
        for number, each in enumerate(choices, 1) if not 1 <= each.after_days <= MOST_DAYS
    ]  # fmt: skip
    if problems:
        raise BadInput(problems, code="chief_review.recheck_days")
    return tuple(
        msgspec.structs.replace(item, after_days=by_key[item.key].after_days, is_wanted=by_key[item.key].is_wanted)
        if item.key in by_key else item
        for item in items
    )  # fmt: skip


def added(items: Sequence[PlanItem], group: str, is_private: bool) -> tuple[PlanItem, ...]:
    """The plan with one more group, by a doctor's hand. One that is there already is wanted again."""
    if len(items) >= MOST_ITEMS:
        raise Refused("chief_review.recheck_many", f"复查计划最多 {MOST_ITEMS} 项", "请先删除部分项目", "q")
    if any(group in item.groups for item in items):
        return tuple(msgspec.structs.replace(item, is_wanted=True) if group in item.groups else item for item in items)
    return (*items, PlanItem((group,), MANUAL_DAYS, "医师要求复查", is_private=is_private))


def removed(items: Sequence[PlanItem], key: str) -> tuple[PlanItem, ...]:
    """The plan without what a doctor had added; what a rule proposes can only be unticked."""
    return tuple(item for item in items if not (item.is_manual and item.key == key))


def ordered(items: Sequence[PlanItem], signed_on: date) -> tuple[NewRecheck, ...]:
    """What the final signature of a day orders: every wanted item, counted from that day."""
    return tuple(
        NewRecheck(
            groups=item.groups, due_on=signed_on + timedelta(days=item.after_days), reason=item.reason, rule=",".join(item.rules),
            is_private=item.is_private,
        )
        for item in items if item.is_wanted
    )  # fmt: skip


def names_of(item: PlanItem, names: Mapping[str, str]) -> str:
    """An item's groups as they are called."""
    return "、".join(names.get(code, code) for code in item.groups)

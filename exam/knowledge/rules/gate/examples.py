"""Run the examples that a check carries, and tell everything that is wrong with a check before it is approved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import msgspec

from exam.catalog.facts import Item
from exam.knowledge.facts import Case, Reading, Subject
from exam.knowledge.gate import (
    Alone,
    Bounds,
    GateCheck,
    GateExample,
    GateInput,
    GateLine,
    GateOrder,
    GateTest,
    Named,
    NotFor,
    Relation,
    Sided,
    Unchanged,
)
from exam.knowledge.language import Chosen, Condition
from exam.knowledge.rules.conditions import condition_items, leaves
from exam.knowledge.rules.flags import judge
from exam.knowledge.rules.formulas import formula_items
from exam.knowledge.rules.gate import compiled_test
from exam.knowledge.rules.gate.prepared import Review


def example_input(example: GateExample, items: Mapping[str, Item], on: date) -> GateInput:
    """The example as a review; values are in the catalogue's units."""
    subject = Subject(sex=example.sex, age=example.age, history=frozenset(example.history))

    def judged(values: Mapping[str, str | tuple[str, ...]]) -> dict[str, Reading]:
        return {code: judge(items[code], raw, "", subject) for code, raw in values.items()}

    return GateInput(
        case=Case(subject=subject, on=on, readings=judged(example.values), earlier=judged(example.earlier)),
        summaries=example.summaries, lines=tuple(GateLine(text) for text in example.conclusions),
        orders=tuple(GateOrder(name, state) for name, state in example.orders.items()),
        alerts_without_notice=example.alerts_without_notice,
    )  # fmt: skip


def check_problems(check: GateCheck, items: Mapping[str, Item], on: date) -> tuple[str, ...]:
    """What keeps a check from being used, in Chinese: unknown items or choices, missing or failing examples."""
    used = [code for example in check.examples for code in (*example.values, *example.earlier)]
    problems = [f"项目字典中没有 {code}" for code in dict.fromkeys([*_items(check.test), *used]) if code not in items]
    problems += _unknown_choices(check.test, items)
    if not {True, False} <= {example.hits for example in check.examples}:
        problems.append("至少要有一个应命中和一个不应命中的例子")
    if not problems:
        test = compiled_test(check.test)
        for number, example in enumerate(check.examples, start=1):
            is_hit = any(True for _ in test(Review(example_input(example, items, on))))
            if is_hit is not example.hits:
                problems.append(f"第 {number} 个例子{'应命中而未命中' if example.hits else '不应命中却命中了'}")
    return tuple(problems)


def checks_problems(checks: Iterable[GateCheck], items: Mapping[str, Item], on: date) -> tuple[str, ...]:
    """The problems of several checks, each with its code."""
    return tuple(f"{check.code}:{problem}" for check in checks for problem in check_problems(check, items, on))


def conditions_of(test: GateTest) -> Iterator[Condition]:
    """Every condition that a test asks."""
    if isinstance(test, Sided):
        yield from (mark.when for mark in test.marks)
        return
    for name in test.__struct_fields__:
        value = getattr(test, name)
        if isinstance(value, msgspec.Struct):
            yield value  # type: ignore[misc]  # of the fields of a test only conditions are structs


def _items(test: GateTest) -> list[str]:
    found = [item for condition in conditions_of(test) for item in condition_items(condition)]
    match test:
        case Bounds(of=of):
            found += [bound.item for bound in of]
        case Relation(left=left, right=right):
            found += [*formula_items(left), *formula_items(right)]
        case Unchanged(items=items) | NotFor(items=items):
            found += items
        case Named(of=choices):
            found += [each.item for each in choices]
        case Alone(of=pairs):
            found += [item for item, _ in pairs]
        case _:
            pass
    return found


def _unknown_choices(test: GateTest, items: Mapping[str, Item]) -> list[str]:
    named = [(part.item, text) for condition in conditions_of(test) for part in leaves(condition)
             if isinstance(part, Chosen) for text in part.any_of]  # fmt: skip
    named += list(test.of) if isinstance(test, Alone) else []
    named += [(each.item, each.choice) for each in test.of] if isinstance(test, Named) else []
    known = {code: {choice.text for choice in item.choices} for code, item in items.items() if item.choices}
    return [f"{items[code].name}没有“{text}”这一选项" for code, text in named if code in known and text not in known[code]]

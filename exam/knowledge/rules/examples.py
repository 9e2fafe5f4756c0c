"""Run the examples a rule carries, and tell everything that is wrong with a rule before it is approved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from exam.catalog.facts import Item
from exam.knowledge.book import Example, Rule, RuleBook
from exam.knowledge.facts import Case, Reading, Subject
from exam.knowledge.language import Between, Chosen, Compare, Condition, EarlierChosen
from exam.knowledge.rules.conditions import condition_items, holds, leaves
from exam.knowledge.rules.flags import judge
from exam.knowledge.rules.gate.examples import checks_problems
from exam.knowledge.rules.summaries import wordings_problems
from exam.knowledge.rules.units import printed_unit


def example_case(example: Example, items: Mapping[str, Item], on: date) -> Case:
    """The example as a judged case; values are in the catalogue's units."""
    subject = Subject(sex=example.sex, age=example.age, history=frozenset(example.history))

    def judged(values: Mapping[str, str | tuple[str, ...]]) -> dict[str, Reading]:
        return {code: judge(items[code], raw, "", subject) for code, raw in values.items()}

    return Case(subject=subject, on=on, readings=judged(example.values), earlier=judged(example.earlier))


def rule_problems(rule: Rule, items: Mapping[str, Item], on: date) -> tuple[str, ...]:
    """What keeps a rule from being used, in Chinese: unknown items or choices, missing or failing examples."""
    problems: list[str] = []
    mentioned = condition_items(rule.condition)
    named = [*mentioned, *(rule.covers or ()), *(extra.item for extra in rule.also_covers)]
    used = [code for example in rule.examples for code in (*example.values, *example.earlier)]
    problems += [f"项目字典中没有 {code}" for code in dict.fromkeys([*named, *used]) if code not in items]
    problems += [f"条件中没有用到 {code}" for code in rule.covers or () if code not in mentioned]
    problems += _unknown_choices(rule.condition, items)
    problems += _other_units(rule.condition, items)
    if not {True, False} <= {example.fires for example in rule.examples}:
        problems.append("至少要有一个应触发和一个不应触发的例子")
    if not problems:
        for number, example in enumerate(rule.examples, start=1):
            if bool(holds(rule.condition, example_case(example, items, on))) is not example.fires:
                problems.append(f"第 {number} 个例子{'应触发而未触发' if example.fires else '不应触发却触发了'}")
    return tuple(problems)


def book_problems(book: RuleBook, items: Mapping[str, Item], on: date) -> tuple[str, ...]:
    """What is wrong with a whole rule book: every rule's problems, codes used twice, merges of rules that are not there."""
    problems = [f"{rule.code}:{problem}" for rule in book.rules for problem in rule_problems(rule, items, on)]
    codes = [entry.code for entry in book.entries]
    problems += [f"编号 {code} 重复" for code in dict.fromkeys(codes) if codes.count(code) > 1]
    known = set(codes)
    for merge in book.merges:
        named = (*merge.of, *(code for group in merge.with_one_of for code in group))
        problems += [f"{merge.code}:没有规则 {code}" for code in dict.fromkeys(named) if code not in known]
    return (*problems, *checks_problems(book.checks, items, on), *wordings_problems(book.summaries, items))


def _unknown_choices(condition: Condition, items: Mapping[str, Item]) -> list[str]:
    found: list[str] = []
    for part in leaves(condition):
        item = items.get(part.item) if isinstance(part, Chosen | EarlierChosen) else None
        if item is not None and isinstance(part, Chosen | EarlierChosen) and item.choices:
            known = {choice.text for choice in item.choices}
            found += [f"{item.name}没有“{text}”这一选项" for text in part.any_of if text not in known]
    return found


def _other_units(condition: Condition, items: Mapping[str, Item]) -> list[str]:
    found: list[str] = []
    for part in leaves(condition):
        if isinstance(part, Compare | Between) and part.unit and part.item in items:
            item = items[part.item]
            if part.unit != item.unit:
                found.append(f"{item.name}的单位是“{printed_unit(item.unit)}”,条件中写的是“{printed_unit(part.unit)}”,请改用项目目录的单位")
    return found

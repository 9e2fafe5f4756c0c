"""The shipped catalogue and rule book, read once, and a maker of judged cases."""

from __future__ import annotations

from datetime import date

from exam.catalog.facts import Item
from exam.catalog.starter import load
from exam.knowledge.book import RuleBook
from exam.knowledge.facts import Case, Reading, Subject
from exam.knowledge.rules import CompiledRules, judge
from exam.knowledge.starter import load_rule_book

ON = date(2026, 11, 21)
ITEMS: dict[str, Item] = {item.code: item for item in load().items}
BOOK: RuleBook = load_rule_book()
RULES = CompiledRules(BOOK)
MAN = Subject(sex="M", age=45)
WOMAN = Subject(sex="F", age=45)


def case_of(
    values: dict[str, str | tuple[str, ...]],
    subject: Subject = MAN,
    earlier: dict[str, str | tuple[str, ...]] | None = None,
) -> Case:
    """A case judged by the shipped catalogue, values in its units."""

    def judged(raw_values: dict[str, str | tuple[str, ...]]) -> dict[str, Reading]:
        return {code: judge(ITEMS[code], raw, "", subject) for code, raw in raw_values.items()}

    return Case(subject=subject, on=ON, readings=judged(values), earlier=judged(earlier or {}))

"""What the rules behind a line propose to examine again: merged by group, at the earliest day, outranked rules silent."""

from __future__ import annotations

from datetime import date

from exam.knowledge import rules
from exam.knowledge.book import Recheck, Rule, RuleBook
from exam.knowledge.facts import Because, Case, Flag, Reading, Severity, Subject, Suggestion
from exam.knowledge.language import Flagged
from exam.knowledge.rules import RecheckProposal


def rule(code: str, groups: tuple[str, ...], days: int, *, hierarchy: str = "", rank: int = 0, item: str = "GLU") -> Rule:
    return Rule(
        code=code, version=3, condition=Flagged(item, ("high",)), text=f"结论{code}", category="异常", severity=Severity.RECHECK, hierarchy=hierarchy,
        rank=rank, recheck=Recheck(groups, days) if groups else None,
    )  # fmt: skip


def line(text: str, *codes: str) -> Suggestion:
    return Suggestion(codes[0], text, "异常", Severity.RECHECK, because=tuple(Because(code, 3, ("GLU",), ("葡萄糖",)) for code in codes))


def test_a_group_that_two_rules_want_comes_once_at_the_earliest_day() -> None:
    book = RuleBook(rules=(rule("A", ("G1", "G2"), 90), rule("B", ("G1",), 30)))
    found = rules.recheck_proposals([line("甲", "A"), line("乙", "B")], book)
    assert found == (
        RecheckProposal(("G1",), 30, "甲;乙", ("A@3", "B@3"), ("GLU",)), RecheckProposal(("G2",), 90, "甲", ("A@3",), ("GLU",)),
    )  # fmt: skip


def test_groups_of_one_rule_stay_together() -> None:
    book = RuleBook(rules=(rule("A", ("G1", "G2"), 90),))
    assert [each.groups for each in rules.recheck_proposals([line("甲", "A")], book)] == [("G1", "G2")]


def test_a_rule_that_its_hierarchy_outranks_proposes_nothing_although_it_is_among_the_reasons() -> None:
    mild, severe = rule("MILD", ("G1",), 7, hierarchy="H", rank=1), rule("SEVERE", ("G2",), 30, hierarchy="H", rank=2)
    book = RuleBook(rules=(mild, severe))
    found = rules.recheck_proposals([line("重", "SEVERE", "MILD")], book)
    assert [(each.groups, each.after_days) for each in found] == [(("G2",), 30)]


def test_where_the_higher_rule_has_no_recheck_that_of_the_lower_one_stands() -> None:
    mild, severe = rule("MILD", ("G1",), 7, hierarchy="H", rank=1), rule("SEVERE", (), 0, hierarchy="H", rank=2)
    found = rules.recheck_proposals([line("重", "SEVERE", "MILD")], RuleBook(rules=(mild, severe)))
    assert [(each.groups, each.rules) for each in found] == [(("G1",), ("MILD@3",))]


def test_a_line_that_was_deleted_a_rule_without_recheck_and_an_unknown_rule_propose_nothing() -> None:
    book = RuleBook(rules=(rule("A", ("G1",), 90), rule("B", (), 0)))
    assert rules.recheck_proposals([line("乙", "B"), line("丙", "plain"), line("丁", "GONE")], book) == ()


def test_what_a_case_suggests_leads_to_its_proposals() -> None:
    written = rule("A", ("G036",), 30, item="GLU")
    book = RuleBook(rules=(written,))
    reading = Reading("GLU", "葡萄糖", "7.4", flag=Flag.HIGH)
    case = Case(Subject("M", 45), date(2026, 11, 21), {"GLU": reading})
    suggested = rules.suggest(case, book)
    assert [each.groups for each in rules.recheck_proposals(suggested, rules.CompiledRules(book))] == [("G036",)]

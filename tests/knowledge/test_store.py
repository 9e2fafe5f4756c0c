"""The rule store on both databases: the starter book, new versions by effective date, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import msgspec
import pytest

from exam.catalog import service as catalog
from exam.catalog.facts import ValueType
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.house import Actor, House
from exam.knowledge import service as store
from exam.knowledge.book import Example, Rule, RuleBook
from exam.knowledge.language import Compare
from exam.knowledge.rules import suggest
from exam.knowledge.starter import load_rule_book
from tests.knowledge.cases import case_of

TODAY = date(2026, 11, 21)
Acting = Callable[[str], Actor]


def rule_named(code: str) -> Rule:
    return next(rule for rule in load_rule_book().rules if rule.code == code)


def test_a_fresh_house_holds_the_shipped_book_in_its_order(house: House, acting: Acting) -> None:
    book = load_rule_book()
    with house.unit(acting("tan"), write=False) as db:
        found = store.rules_in_force(db, TODAY).book
        assert store.revision(db) == 1
    assert [rule.code for rule in found.rules] == [rule.code for rule in book.rules]
    assert [merge.code for merge in found.merges] == [merge.code for merge in book.merges]


def test_loading_the_starter_twice_changes_nothing(house: House, acting: Acting) -> None:
    with house.unit(acting("tan")) as db:
        assert store.load_starter(db) is False
        assert store.revision(db) == 1


def test_a_shipped_rule_that_the_hospitals_catalogue_cannot_hold_is_left_out_and_stops_no_upgrade(
    house: House, acting: Acting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    glucose = rule_named("D13")
    strange = msgspec.structs.replace(
        glucose, code="N-1", condition=Compare("NOT_HERE", ">=", Decimal(1)),
        examples=(Example(True, {"NOT_HERE": "2"}), Example(False, {"NOT_HERE": "0"})),
    )  # fmt: skip
    fitting = msgspec.structs.replace(rule_named("D18"), code="N-2")
    both = msgspec.structs.replace(load_rule_book().merges[0], code="N-3", of=("N-1", "N-2"))
    shipped = RuleBook(rules=(*load_rule_book().rules, strange, fitting), merges=(both,))
    monkeypatch.setattr(store.starter, "load_rule_book", lambda: shipped)
    with house.unit(acting("tan")) as db:
        in_words = msgspec.structs.replace(catalog.catalogue(db, TODAY).items["GLU"], value_type=ValueType.TEXT, unit="", ranges=())
        catalog.change(db, [in_words], valid_from=TODAY, source="test", reason="改为文字结果")  # what D13 asks does not fit any more
    with house.unit(acting("tan")) as db:
        assert store.load_starter(db) is True
        assert store.load_starter(db) is False
        assert [each.code for each in store.rules_in_force(db, TODAY).book.entries if each.code.startswith("N-")] == ["N-2"]
    left_out = [each.getMessage() for each in caplog.records if each.name == "exam.knowledge"]
    assert left_out[:2] == [
        "shipped rule left out: N-1:项目字典中没有 NOT_HERE",
        "shipped rule left out: N-3:没有规则 N-1",
    ]


def test_a_new_version_holds_from_its_day_and_the_old_one_before(house: House, acting: Acting) -> None:
    changed = msgspec.structs.replace(rule_named("D13"), text="空腹血糖明显升高", source="hospital", approved=True)
    begins = TODAY + timedelta(days=10)
    with house.unit(acting("tan")) as db:
        assert store.publish(db, [changed], valid_from=begins, reason="改为本院用语") == 2
    with house.unit(acting("tan"), write=False) as db:
        before = {rule.code: rule for rule in store.rules_in_force(db, begins - timedelta(days=1)).book.rules}
        after = {rule.code: rule for rule in store.rules_in_force(db, begins).book.rules}
        history = store.history(db, "D13")
    assert (before["D13"].version, before["D13"].text) == (1, rule_named("D13").text)
    assert (after["D13"].version, after["D13"].text) == (2, "空腹血糖明显升高")
    assert list(before) == list(after)
    assert [(each.version, each.approved, each.author) for each in history] == [(2, True, "谭静怡"), (1, False, "系统")]


def test_suggestions_of_the_stored_book_are_those_of_the_shipped_one(house: House, acting: Acting) -> None:
    case = case_of({"GLU": "7.40", "TC": "6.50", "TG": "2.80", "ALT": "88"})
    with house.unit(acting("tan"), write=False) as db:
        stored = suggest(case, store.rules_in_force(db, case.on))
    assert stored == suggest(case, load_rule_book())


def test_compiled_rules_are_kept_by_revision_and_day(house: House, acting: Acting) -> None:
    tan = acting("tan")
    with house.unit(tan, write=False) as db:
        first = store.rules_in_force(db, TODAY)
        assert store.rules_in_force(db, TODAY) is first
    with house.unit(tan) as db:
        store.publish(db, [rule_named("D13")], valid_from=TODAY, reason="复核")
    with house.unit(tan, write=False) as db:
        assert store.rules_in_force(db, TODAY) is not first


def test_a_rule_whose_own_example_fails_is_refused_and_nothing_stays(house: House, acting: Acting) -> None:
    rule = rule_named("D13")
    wrong = msgspec.structs.replace(
        rule, examples=tuple(msgspec.structs.replace(each, fires=not each.fires) for each in rule.examples)
    )
    with pytest.raises(BadInput, match="D13"), house.unit(acting("tan")) as db:
        store.publish(db, [wrong], valid_from=TODAY, reason="试改")
    with house.unit(acting("tan"), write=False) as db:
        assert (store.revision(db), len(store.history(db, "D13"))) == (1, 1)


def test_a_change_needs_a_reason_and_an_unknown_rule_is_not_found(house: House, acting: Acting) -> None:
    with pytest.raises(Refused, match="reason_missing"), house.unit(acting("tan")) as db:
        store.publish(db, [rule_named("D13")], valid_from=TODAY, reason="  ")
    with pytest.raises(NotFound), house.unit(acting("tan"), write=False) as db:
        store.history(db, "D999")

"""What a new version's starter catalogue has beyond a hospital's own: proposed as a workbook, taken over by an import."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from exam.catalog import service, starter, workbook
from exam.catalog_commands import COMMANDS
from exam.kit.house import Actor, House, system_actor
from exam.knowledge import service as knowledge
from exam.knowledge.book import Example, RuleBook
from exam.knowledge.language import Compare
from exam.knowledge.starter import load_rule_book

TODAY = date(2026, 11, 21)
Acting = Callable[[str], Actor]


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A starter of a later version: a size beside the thyroid, a test of its own, one in a tube that it brings along, and a group
    of something that the hospital retired."""
    shipped = starter.load()
    items, groups = {each.code: each for each in shipped.items}, {each.code: each for each in shipped.groups}
    tubes = {each.code: each for each in shipped.tubes}
    size = msgspec.structs.replace(items["US_THY_MM"], code="NEW_MM", name="新大小", order=1)
    test = msgspec.structs.replace(items["AMY"], code="NEW_LAB", name="新检验", order=2)
    tube = msgspec.structs.replace(tubes["SST"], code="NEWT", name="新管")
    own = msgspec.structs.replace(groups["G081"], code="G901", name="新组合", items=("NEW_LAB",), tube="NEWT")
    of_retired = msgspec.structs.replace(groups["G081"], code="G902", name="旧检验的组合", items=("AMY",))
    wider = msgspec.structs.replace(groups["G014"], items=(*groups["G014"].items, "NEW_MM"), price_fen=1)
    later = starter.StarterCatalogue(
        departments=shipped.departments, items=(*shipped.items, size, test), packages=shipped.packages,
        groups=(*({**groups, "G014": wider}).values(), own, of_retired), tubes=(*shipped.tubes, tube),
    )  # fmt: skip
    monkeypatch.setattr(starter, "load", lambda: later)


def retire_amylase(house: House, acting: Acting) -> None:
    with house.unit(acting("tan")) as db:
        now = service.catalogue(db, TODAY)
        service.change(db, [], retired=[now.groups["G081"], now.items["AMY"]], valid_from=TODAY, source="test", reason="不再开展")


def test_a_catalogue_that_has_everything_is_offered_nothing(house: House, acting: Acting) -> None:
    with house.unit(acting("tan"), write=False) as db:
        found, added = service.with_shipped(db)
        assert (found, added) == (service.catalogue(db, TODAY), ())


@pytest.mark.usefixtures("newer")
def test_what_was_never_there_is_offered_and_nothing_retired_or_changed_comes_back(house: House, acting: Acting) -> None:
    retire_amylase(house, acting)
    with house.unit(acting("tan"), write=False) as db:
        now = service.catalogue(db, TODAY)
        found, added = service.with_shipped(db)
        assert set(added) == {"tube:NEWT", "item:NEW_MM", "item:NEW_LAB", "group:G901", "group:G014"}
        assert service.catalogue(db, TODAY) == now
    thyroid = found.groups["G014"]
    assert thyroid == msgspec.structs.replace(now.groups["G014"], items=(*now.groups["G014"].items, "NEW_MM"))
    assert found.packages == now.packages


@pytest.mark.usefixtures("newer")
def test_the_offer_is_taken_over_by_a_workbook_and_then_the_rules_of_it_come_too(
    house: House, acting: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = next(rule for rule in load_rule_book().rules if rule.code == "D62-MM")
    rule = msgspec.structs.replace(
        model, code="N-1", condition=Compare("NEW_MM", "<", Decimal(6), "mm"), recheck=None,
        examples=(Example(True, {"NEW_MM": "5.0"}), Example(False, {"NEW_MM": "6.0"})),
    )  # fmt: skip
    monkeypatch.setattr("exam.knowledge.service.starter.load_rule_book", lambda: RuleBook(rules=(*load_rule_book().rules, rule)))
    with house.unit(acting("tan")) as db:
        assert knowledge.load_starter(db) is False
    with house.unit(acting("tan")) as db:
        content = workbook.write(service.with_shipped(db)[0])
        read = workbook.read(content)
        assert read.problems == []
        differing = service.compare(db, [entry for _, entry in read.entries], TODAY)
        assert {(each.kind, each.code) for each in differing if each.act != "retired"} == {
            ("tube", "NEWT"), ("item", "NEW_MM"), ("item", "NEW_LAB"), ("group", "G901"), ("group", "G902"), ("group", "G014"),
        }  # fmt: skip
        assert [each for each in differing if each.act == "retired"] == []
        entries = [entry for _, entry in read.entries]
        service.replace(db, entries, valid_from=TODAY, reason="随版本补充", seen_revision=service.revision(db))
    with house.unit(acting("tan")) as db:
        assert service.with_shipped(db)[1] == ()
        assert knowledge.load_starter(db) is True
        assert "N-1" in {each.code for each in knowledge.rules_in_force(db, TODAY).book.rules}


@pytest.mark.usefixtures("newer")
def test_the_command_writes_the_workbook_and_stores_nothing(
    sqlite_house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "additions.xlsx"
    (command,) = COMMANDS
    parser = ArgumentParser()
    command.add_arguments(parser)
    assert command.run(sqlite_house.settings, parser.parse_args([str(path)])) == 0
    assert "item:NEW_MM" in capsys.readouterr().out
    assert ("item", "NEW_MM") in workbook.read(path.read_bytes()).places
    with sqlite_house.unit(system_actor("01"), write=False) as db:
        assert service.revision(db) == 1

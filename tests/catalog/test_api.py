"""The catalogue's items for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from exam.catalog import service
from exam.catalog.facts import Item
from exam.kit.clock import day_of
from exam.kit.house import House
from tests.conftest import Desk

Desks = Callable[[str], Desk]
URL = "/api/catalog/items"


def items(desk: Desk, **query: Any) -> dict[str, dict[str, Any]]:
    answer = desk.get(URL, params={"size": 500, **query})
    assert answer.status_code == 200, answer.text
    return {each["code"]: each for each in answer.json()["items"]}


def catalogue_items(house: House) -> dict[str, Item]:
    with house.unit(None, write=False) as db:
        return service.catalogue(db, day_of(house.clock.now())).items


def test_an_item_says_what_a_value_of_it_must_look_like(desk: Desks) -> None:
    found = items(desk("wu"))
    height = found["HT"]
    assert (height["name"], height["department"], height["value_type"], height["computed"]) == ("身高", "GEN", "number", False)
    assert (height["unit"], height["decimals"]) == ("cm", 1)
    assert (height["plausible_low"], height["plausible_high"]) == ("50", "250")
    mass = found["BMI"]
    assert (mass["computed"], mass["value_type"], mass["unit"], mass["unit_text"]) == (True, "calculated", "kg/m2", "kg/m²")
    assert [(each["text"], each["low"], each["high"], each["sex"], each["age_from"]) for each in mass["ranges"]] == [
        ("18.5–23.9", "18.5", "23.9", None, 18)
    ]


def test_ranges_by_sex_and_choices_with_their_marks_are_those_of_the_catalogue(desk: Desks, house: House) -> None:
    found, known = items(desk("wu")), catalogue_items(house)
    assert set(found) == set(known)
    assert any(each["sex"] for item in found.values() for each in item["ranges"])
    assert any(each["abnormal"] for item in found.values() for each in item["choices"])
    for code, item in known.items():
        assert [(each["text"], each["abnormal"]) for each in found[code]["choices"]] == [
            (each.text, each.abnormal) for each in item.choices
        ]
        assert [(each["sex"], each["low"], each["high_open"]) for each in found[code]["ranges"]] == [
            (each.sex, each.low, each.high_open) for each in item.ranges
        ]
        assert found[code]["sex"] == item.sex


def test_pages_and_departments_part_the_list(desk: Desks, house: House) -> None:
    wu, known = desk("wu"), catalogue_items(house)
    first = wu.get(URL, params={"size": 7}).json()
    assert (first["count"], first["pages"], first["page"], len(first["items"])) == (len(known), -(-len(known) // 7), 1, 7)
    listed = [each["code"] for page in range(1, first["pages"] + 1)
              for each in wu.get(URL, params={"size": 7, "page": page}).json()["items"]]  # fmt: skip
    assert listed == list(known)
    assert set(items(wu, department="EYE")) == {code for code, item in known.items() if item.department == "EYE"}


def test_a_day_has_its_own_items(desk: Desks) -> None:
    wu = desk("wu")
    assert wu.get(URL, params={"on": "2020-01-01"}).json()["items"] == []
    assert wu.get(URL).json()["on"] == "2026-11-21"


@pytest.mark.parametrize(
    ("query", "field"), [({"on": "2026-13-01"}, "on"), ({"size": "0"}, "size"), ({"page": "0"}, "page"), ({"department": "NIX"}, "department")]
)  # fmt: skip
def test_a_wrong_question_is_refused_with_its_field(desk: Desks, query: dict[str, str], field: str) -> None:
    answer = desk("wu").get(URL, params=query)
    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (422, field)


def test_who_may_not_read_the_catalogue_gets_nothing(desk: Desks) -> None:
    assert desk("audit").get(URL).status_code == 403

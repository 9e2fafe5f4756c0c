"""The embedded database looks at its tables again as they grow, and at the large ones by night."""

from __future__ import annotations

import pytest

from exam.kit import table_statistics
from exam.kit.house import House, system_actor
from exam.people import service as people


@pytest.mark.parametrize(
    ("known", "rows", "hour", "due"),
    [
        (0, 0, 10, False),
        (0, 1, 10, True),
        (100, 149, 10, False),
        (100, 150, 10, True),
        (150, 100, 10, True),
        (200_000, 300_000, 10, False),
        (200_000, 300_000, 3, True),
        (200_000, 300_000, 20, True),
        (200_000, 800_000, 10, True),
        (0, 300_000, 10, True),
    ],
)
def test_when_a_table_is_looked_at_again(known: int, rows: int, hour: int, due: bool) -> None:
    assert table_statistics.is_due(known, rows, hour) is due


def test_what_is_known_of_a_table_follows_its_growth(sqlite_house: House) -> None:
    def known() -> str | None:
        with sqlite_house.engine.connect() as connection:
            stat = connection.exec_driver_sql("select stat from sqlite_stat1 where tbl = 'exam_organization'").scalar()
        return None if stat is None else str(stat).split()[0]

    def add(first: int, last: int) -> None:
        with sqlite_house.unit(system_actor("01")) as db:
            for number in range(first, last):
                people.add_organization(db, f"A{number}", f"第 {number} 糖厂")

    add(0, 10)
    table_statistics.refresh(sqlite_house)
    assert known() == "10"
    add(10, 14)
    table_statistics.refresh(sqlite_house)
    assert known() == "10"
    add(14, 15)
    table_statistics.refresh(sqlite_house)
    assert known() == "15"
    with sqlite_house.unit(system_actor("01")) as db:  # the writers' turn was given back
        people.add_organization(db, "B1", "最后一厂")

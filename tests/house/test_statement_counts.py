"""How many statements a page takes is fixed: a query in a loop shows here before it shows in a hospital."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from exam.kit.house import House, system_actor
from exam.visits import service as visits
from tests.chief_review.cases import finalized
from tests.conftest import Desk

MOST = {
    "/chief": 9,
    "/chief/{no}": 23,
    "/reports": 3,
    "/reports/{no}": 7,
    "/reports/{no}/preview": 29,
    "/registration/today": 7,
    "/registration/visits/{no}": 17,
    "/results/GEN": 5,
    "/results/LAB/{no}": 11,
}


@pytest.mark.parametrize("path", MOST)
def test_a_page_takes_no_more_statements_than_it_is_known_to(house: House, desk: Callable[[str], Desk], path: str) -> None:
    visit_id = finalized(house)
    with house.unit(system_actor("01"), write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
    login = "lin" if "registration" in path else "nong" if "LAB" in path else "wu" if "results" in path else "zhao"
    someone = desk(login)
    url = path.format(no=visit_no)
    assert someone.get(url).status_code == 200  # the catalogue and the rules are kept from here on
    seen: list[str] = []

    def count(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if not statement.lstrip().upper().startswith(("BEGIN", "PRAGMA", "SAVEPOINT")) and "exam_audit" not in statement:
            seen.append(statement)

    event.listen(house.engine, "before_cursor_execute", count)
    assert someone.get(url).status_code == 200
    event.remove(house.engine, "before_cursor_execute", count)
    assert 1 <= len(seen) <= MOST[path], "\n".join(seen)

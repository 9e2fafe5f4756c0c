"""Where somebody lands after signing in: at the desk that is the most their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Desk

Desks = Callable[[str], Desk]


@pytest.mark.parametrize(
    ("login", "url"),
    [
        ("lin", "/registration/today"), ("qin", "/registration/today"), ("wu", "/results"), ("mo", "/results"), ("zhao", "/chief"),
        ("he", "/chief"), ("system", "/staff"), ("security", "/staff/rights"), ("audit", "/audit"),
    ],
)  # fmt: skip
def test_everybody_begins_at_their_own_desk(desk: Desks, login: str, url: str) -> None:
    answer = desk(login).get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, url)


def test_the_notices_lead_on_to_that_desk_and_to_every_other(desk: Desks) -> None:
    wu, _elsewhere = desk("wu"), desk("wu")
    page = wu.get("/staff/notices").text
    assert 'href="/results" autofocus>继续,进入“分科”</a>' in page
    assert 'href="/registration/find"' in page.replace('action="/registration/find"', ""), "the menu is there too"

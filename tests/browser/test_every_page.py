"""Every page in Chromium, at the desk's and the phone's width: it opens, the console is silent, nothing bars anybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from exam.kit.house import House, system_actor
from exam.visits.facts import VisitState
from exam.visits.models import Visit, VisitBoard

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AXE = Path(__file__).parent.parent.parent / "node_modules" / "axe-core"
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]

PAGES: dict[str, tuple[str, ...]] = {
    "": ("/sign-in",),
    "lin": (
        "/", "/registration", "/registration/today", "/people", "/staff/password", "/registration/find?q=韦", "{in_exam}", "{registered}",
    ),
    "qin": ("/reports",),
    "wu": ("/results", "/results/GEN", "/results/MED", "/results/GEN/{checked_in}", "/results/GEN/{published}"),
    "nong": ("/results/LAB/{sheet_returned}",),
    "he": ("/chief", "/chief/{sections_done}", "/chief/{first_reviewed}", "/chief/{published}", "/staff/signing"),
    "zhao": ("/reports", "/reports/{published}", "/reports/{published}/preview"),
    "tan": ("/catalog", "/catalog/item", "/catalog/item/GLU", "/catalog/group/G030", "/catalog/package/P02"),
    "system": ("/staff",),
    "security": ("/staff/rights",),
    "audit": ("/audit",),
}  # fmt: skip
CASES = [(login, path) for login, paths in PAGES.items() for path in paths]


@pytest.fixture(scope="session")
def numbers(demo_house: tuple[House, str]) -> dict[str, str]:
    """A visit number for every state."""
    house, _ = demo_house
    with house.unit(system_actor("01"), write=False) as db:
        rows = db.execute(select(VisitBoard.state, Visit.visit_no).join(Visit, Visit.id == VisitBoard.visit_id))
        found = {str(state): visit_no for state, visit_no in rows}
    assert {state.value for state in (VisitState.CHECKED_IN, VisitState.SECTIONS_DONE, VisitState.PUBLISHED)} <= set(found)
    return found


def filled(path: str, numbers: dict[str, str]) -> str:
    """A page's address with a visit of that state in it."""
    if path.startswith("{"):
        return f"/registration/visits/{numbers[path.strip('{}')]}"
    return path.format(**numbers)


@pytest.mark.parametrize(("login", "path"), CASES)
def test_a_page_opens_without_a_complaint(
    screen: Callable[..., Any], numbers: dict[str, str], login: str, path: str, request: pytest.FixtureRequest
) -> None:
    window = screen(login)
    for width in (1280, 390):
        assert window.open(filled(path, numbers), width) == 200
        window.page.wait_for_load_state("load")
        overflow = window.page.locator("html").evaluate("element => element.scrollWidth - element.clientWidth")
        assert overflow <= 1, f"{path} is wider than {width} px"
        folder = request.config.rootpath / "test-results"
        folder.mkdir(exist_ok=True)
        name = f"{login or 'nobody'}{path}".replace("/", "-").replace("{", "").replace("}", "").split("?")[0]
        window.page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
    assert window.complaints == []


@pytest.mark.parametrize(("login", "path"), CASES)
def test_a_page_bars_nobody(screen: Callable[..., Any], numbers: dict[str, str], login: str, path: str) -> None:
    window = screen(login, bypass_csp=True)
    found = []
    for width in (1280, 390):
        window.open(filled(path, numbers), width)
        window.page.add_script_tag(path=AXE / "axe.min.js")
        result = window.page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
        found += [
            f"{width}: {each['id']}: {each['help']} {each['nodes'][0]['html'][:160]}" for each in result["violations"]
        ]
    assert found == []

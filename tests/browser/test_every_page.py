"""Every page in Chromium, at the desk's and the phone's width: it opens, the console is silent, nothing bars anybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exam.kit.clock import day_of
from exam.kit.house import House
from exam.visits.facts import VisitState
from tests.browser.pages import FILES, FRAGMENTS, PAGES, numbers_of

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AXE = Path(__file__).parent.parent.parent / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]
VIOLATIONS = """async rules => (await axe.run(document, {runOnly: rules, resultTypes: ["violations"]})).violations.map(
    each => `${each.id}: ${each.help} ${each.nodes[0].html.slice(0, 160)}`)"""
"""What the checker finds against a page. What it finds in order is a hundred times as much, and costs as much again to carry over."""
ROUTES = Path(__file__).parent.parent / "house" / "routes.txt"
WIDTHS = (1280, 390)
NOT_OPENED = {
    "/cashier/scan-pay/{order_id:str}",  # the line of an order that waits: no gateway is set up where the pages are opened
    "/group-orders/tasks/{task_id:str}/file",
    "/group-orders/rosters/{batch_id:str}", "/group-orders/rosters/{batch_id:str}/columns", "/group-orders/rosters/{batch_id:str}/faults",
    "/group-orders/{order_id:str}/roster", "/group-orders/{order_id:str}/roster/template",
    "/alerts/stream", "/alerts/{alert_id:str}/attachments/{attachment_id:str}", "/favicon.ico", "/knowledge/dry-runs/{run_id:str}",
    "/knowledge/dry-runs/{run_id:str}/progress",
    "/knowledge/proposals/{proposal_id:str}", "/reports/{visit_no:str}/supplement/{number:str}",
    "/staff/accounts/{staff_id:str}/signature/{picture_id:str}", "/staff/signing/picture",
}  # fmt: skip
"""A stream of events is no page (tests/critical_values/test_stream.py), and the editor's own test opens a dry run and a proposal.

A company's print is read by tests/group_orders/test_booking.py. A company's list is walked through by tests/group_orders/test_roster_browser.py.
The demonstration has no private examination, so no supplement, and neither a signature picture nor a call-back's file was put in it."""


def cases(paths: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """`(login, path)` for every path of a list."""
    return [(login, path) for login, some in paths.items() for path in some]


@pytest.fixture(scope="session")
def numbers(demo_house: tuple[House, str]) -> dict[str, str]:
    """What fills the addresses; there is a visit in every state a page is opened for."""
    house, _ = demo_house
    found = numbers_of(house, day_of(house.clock.now()).isoformat())
    assert {state.value for state in (VisitState.CHECKED_IN, VisitState.SECTIONS_DONE, VisitState.PUBLISHED)} <= set(found)
    return found


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker's source."""
    return AXE.read_text(encoding="utf-8")


def test_no_page_is_forgotten() -> None:
    listed = [path.partition("?")[0].split("/") for paths in (PAGES, FRAGMENTS, FILES) for _, path in cases(paths)]
    for line in ROUTES.read_text(encoding="utf-8").splitlines():
        method, route = line.split()[:2]
        if method != "GET" or route.startswith("/api/") or route in NOT_OPENED:
            continue
        wanted = route.split("/")
        fits = [
            path for path in listed if len(path) == len(wanted) and all(a == b or b[:1] == "{" for a, b in zip(path, wanted, strict=True))
        ]
        assert fits, f"{route} stands in no list of tests/browser/pages.py"


@pytest.mark.parametrize(("login", "path"), cases(PAGES))
def test_a_page_opens_without_a_complaint_and_bars_nobody(
    screen: Callable[..., Any], numbers: dict[str, str], axe: str, login: str, path: str, request: pytest.FixtureRequest
) -> None:
    window = screen(login)
    folder = request.config.rootpath / "test-results"
    folder.mkdir(exist_ok=True)
    name = "".join(letter if letter.isalnum() or letter == "_" else "-" for letter in f"{login or 'nobody'}{path}").strip("-")
    found = []
    for width in WIDTHS:
        assert window.open(path.format(**numbers), width) == 200
        overflow = window.page.locator("html").evaluate("element => element.scrollWidth - element.clientWidth")
        assert overflow <= 1, f"{path} is wider than {width} px"
        window.page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        assert window.complaints == []
        # Evaluated, not put into the page: the page's own policy stays in force.
        window.page.evaluate(axe)
        found += [f"{width}: {violation}" for violation in window.page.evaluate(VIOLATIONS, RULES)]
    assert found == []


@pytest.mark.parametrize("login", list(FRAGMENTS))
def test_a_part_of_a_page_answers(screen: Callable[..., Any], numbers: dict[str, str], login: str) -> None:
    window = screen(login)
    for path in FRAGMENTS[login]:
        answer = window.page.request.get(window.base + path.format(**numbers), max_redirects=1)
        assert answer.status == 200, path


BEGINNINGS = {"/knowledge/export": b"{", "/calendar/2026/export": "\ufeff日期,".encode()}
"""How files begin that are neither a PDF nor a workbook."""


@pytest.mark.parametrize("login", list(FILES))
def test_a_file_arrives_as_a_file(screen: Callable[..., Any], numbers: dict[str, str], login: str) -> None:
    window = screen(login)
    for path in FILES[login]:
        answer = window.page.request.get(window.base + path.format(**numbers))
        assert answer.status == 200, path
        start = b"%PDF" if "/pdf" in path else BEGINNINGS.get(path, b"PK")
        assert answer.body().startswith(start), path
        assert "attachment" in answer.headers["content-disposition"] or start == b"%PDF"

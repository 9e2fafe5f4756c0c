"""Chromium over the real application with a demonstration day in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import select

from exam.kit import auth
from exam.kit.clock import SystemClock, day_of
from exam.kit.house import House, system_actor
from exam.staff import accounts
from exam.staff.models import Staff
from exam.staff.service import open_session
from rehearsal.cast import invent
from rehearsal.commands import DEMO_STAGES
from rehearsal.day import Centre
from rehearsal.desk import Stopwatch
from tests.fixtures import houses, server


@pytest.fixture(scope="session")
def demo_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, str]]:
    """A house with a demonstration day, served; made once for the whole run of these tests."""
    for house in houses.template("sqlite", tmp_path_factory).copy(tmp_path_factory.mktemp("demo") / "home"):
        house.clock = SystemClock()
        house.ids._clock = house.clock
        today = day_of(house.clock.now())
        stages = DEMO_STAGES[::2]

        def code(login: str, house: House = house) -> str:
            with house.unit(system_actor("01"), write=False) as db:
                return accounts.present_code(db, login)

        with server.serving(house) as base:
            watch = Stopwatch()
            centre = Centre(base, houses.PASSWORD, code, watch, "browser")
            people = zip(invent("browser", today, len(stages)), stages, strict=True)
            centre.play(((number, person, stage) for number, (person, stage) in enumerate(people)), workers=2)
            assert watch.errors == {}
            yield house, base


class Screen:
    """A browser signed in as one member of the cast; it collects everything the console complains about."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(f"pageerror: {error}"))
        page.on("console", self._listen)

    def _listen(self, message: Any) -> None:
        # The browser itself notes every refused request; a refusal on purpose is no fault.
        if message.type == "error" and "status of 4" not in message.text:
            self.complaints.append(message.text)

    def open(self, path: str, width: int = 1280) -> int:
        """Opens a page at a width and gives its status."""
        self.page.set_viewport_size({"width": width, "height": 800 if width > 500 else 844})
        answer = self.page.goto(self.base + path)
        assert answer is not None
        return answer.status


@pytest.fixture
def screen(browser: Browser, demo_house: tuple[House, str]) -> Iterator[Callable[..., Screen]]:
    """`screen("lin")` is a signed-in browser window; `bypass_csp=True` lets the accessibility checker in."""
    house, base = demo_house
    contexts = []

    def make(login: str, **options: Any) -> Screen:
        context = browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai", **options)
        contexts.append(context)
        if login:
            with house.unit(None) as db:
                staff = db.scalars(select(Staff).where(Staff.login == login)).one()
                token = open_session(db, staff.id, "browser")
            context.add_cookies(
                [{"name": auth.COOKIE, "value": token, "url": base.replace("http:", "https:"), "secure": True, "httpOnly": True}]
            )
        return Screen(context.new_page(), base)

    yield make
    for context in contexts:
        context.close()

"""Fixtures for every test. `house` and what builds on it run on SQLite and on PostgreSQL; `sqlite_house` on one."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from sqlalchemy import select

from exam.kit import auth
from exam.kit.house import Actor, House
from exam.staff.models import Staff
from exam.staff.service import authenticate, open_session
from tests.fixtures import houses, postgresql, server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-plugins", action="store_true", help="run the house with the core rooms only")


def pytest_configure(config: pytest.Config) -> None:
    houses.plugins = () if config.getoption("--without-plugins") else ("rehearsal",)
    # Where pytest makes `tmp_path`. No test cuts the power, so none needs a disk to wait for.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", postgresql.fastest())
    if not hasattr(config, "workerinput") and postgresql.ENVIRONMENT not in os.environ:
        folder = postgresql.start()
        if folder is None and os.environ.get("CI"):
            raise pytest.UsageError("PostgreSQL is missing, and CI skips no peer")
        if folder is not None:
            os.environ[postgresql.ENVIRONMENT] = str(folder)
            config.stash[_cluster] = folder


def pytest_collection_finish() -> None:
    """Spares the search for garbage what is loaded by now and stays, and has it done less often: it took a fifth of the run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 20)


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(_cluster, None)
    if folder is not None:
        postgresql.stop(folder)
        del os.environ[postgresql.ENVIRONMENT]


_cluster = pytest.StashKey[Path]()


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with the cast and the starter catalogue, its clock frozen at eight in the morning; once per database."""
    if request.param == "postgresql" and postgresql.ENVIRONMENT not in os.environ:
        pytest.skip("PostgreSQL is not installed")
    yield from houses.template(request.param, tmp_path_factory).copy(tmp_path / "home")


@pytest.fixture
def sqlite_house(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """As `house`, on the embedded database only."""
    yield from houses.template("sqlite", tmp_path_factory).copy(tmp_path / "home")


def actor_named(house: House, login: str) -> Actor:
    """A member of the cast with the rights of this moment, in a session of their own."""
    with house.unit(None) as db:
        staff = db.scalars(select(Staff).where(Staff.login == login)).one()
        token = open_session(db, staff.id, "test")
    with house.unit(None, write=False) as db:
        return authenticate(db, token)


@pytest.fixture
def acting(house: House) -> Callable[[str], Actor]:
    """`acting("lin")` is the actor of that login."""
    return lambda login: actor_named(house, login)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium, kept from calling home."""
    return {**browser_type_launch_args, "executable_path": server.CHROMIUM, "args": server.ARGUMENTS}


class Desk:
    """A browser or program at one desk: signed in as somebody, sending the session's CSRF token."""

    def __init__(self, client: TestClient[Any], house: House, login: str) -> None:
        with house.unit(None) as db:
            staff = db.scalars(select(Staff).where(Staff.login == login)).one()
            self.token = open_session(db, staff.id, "test")
        with house.unit(None, write=False) as db:
            self.actor = authenticate(db, self.token)
        self.client = client
        self.headers = {"cookie": f"{auth.COOKIE}={self.token}", "x-csrf-token": self.actor.csrf}

    def get(self, url: str, **options: Any) -> Any:
        """A page or JSON."""
        return self.client.get(url, headers={**self.headers, **options.pop("headers", {})}, follow_redirects=False, **options)

    def post(self, url: str, data: dict[str, Any] | None = None, **options: Any) -> Any:
        """A form (`data=`) or JSON (`json=`)."""
        return self.client.post(
            url, data=data, headers={**self.headers, **options.pop("headers", {})}, follow_redirects=False, **options
        )

    def htmx(self, url: str, data: dict[str, Any] | None = None, **options: Any) -> Any:
        """A form sent by htmx."""
        return self.post(url, data, headers={"hx-request": "true", **options.pop("headers", {})}, **options)


@pytest.fixture
def client(house: House) -> Iterator[TestClient[Any]]:
    """The app over `house`, with nobody signed in."""
    with TestClient(server.app_over(house), base_url="https://testserver.local", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def desk(client: TestClient[Any], house: House) -> Callable[[str], Desk]:
    """`desk("lin")` is a browser signed in as that member of the cast."""
    return lambda login: Desk(client, house, login)

"""A PostgreSQL server that may lose what it acknowledged, or damage names, is refused before anything is entrusted to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from exam.kit.errors import Refused
from exam.kit.server_checks import problems_of, require_safe_server
from tests.fixtures import postgresql

SAFE = {
    "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "server_encoding": "UTF8",
    "server_version": "15.13", "server_version_num": "150013",
}  # fmt: skip


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A cluster as `initdb` makes it, with the settings that are safe."""
    if postgresql.ENVIRONMENT not in os.environ:
        pytest.skip("PostgreSQL is not installed")
    folder = postgresql.start(options="")
    assert folder is not None
    yield str(folder)
    postgresql.stop(folder)


def run(cluster: str, *statements: str) -> None:
    with psycopg.connect(f"host={cluster} user=postgres dbname=postgres", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def role(cluster: str) -> Iterator[str]:
    """A role of this test's own, gone with whatever was set for it."""
    run(cluster, "create role desk login")
    yield "desk"
    run(cluster, "drop role desk", "alter system reset all", "select pg_reload_conf()")


def test_a_server_as_it_comes_is_accepted(cluster: str, role: str) -> None:
    require_safe_server(postgresql.url(cluster, "postgres", role))


def test_the_embedded_database_needs_no_server() -> None:
    require_safe_server("")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_server_that_does_not_write_through_is_refused(cluster: str, role: str, name: str) -> None:
    run(cluster, f"alter system set {name} = off")
    run(cluster, "select pg_reload_conf()")
    with psycopg.connect(f"host={cluster} user=postgres dbname=postgres") as connection:
        while connection.execute(f"show {name}").fetchone() != ("off",):
            pass  # the reloading is asynchronous
    with pytest.raises(Refused, match=r"server\.unsafe") as refused:
        require_safe_server(postgresql.url(cluster, "postgres", role))
    assert f"{name} is off" in refused.value.text
    assert f"set {name} = on" in refused.value.text


@pytest.mark.parametrize("value", ["off", "local"])
def test_a_role_whose_commits_do_not_wait_is_refused(cluster: str, role: str, value: str) -> None:
    run(cluster, f"alter role {role} set synchronous_commit = {value}")
    with pytest.raises(Refused, match=f"synchronous_commit is {value}"):
        require_safe_server(postgresql.url(cluster, "postgres", role))


@pytest.mark.parametrize("value", ["on", "remote_apply", "remote_write"])
def test_commits_that_are_on_this_disk_at_least_are_accepted(value: str) -> None:
    assert problems_of({**SAFE, "synchronous_commit": value}) == []


def test_a_database_that_cannot_hold_chinese_is_refused(cluster: str, role: str) -> None:
    run(cluster, "create database latin encoding 'SQL_ASCII' locale 'C' template template0")
    with pytest.raises(Refused, match="encoding is SQL_ASCII"):
        require_safe_server(postgresql.url(cluster, "latin", role))


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"server\.unreachable"):
        require_safe_server(postgresql.url(str(tmp_path), "postgres"))


def test_an_old_server_is_refused_and_every_problem_is_named_at_once() -> None:
    old = {**SAFE, "server_version": "14.11", "server_version_num": "140011", "fsync": "off"}
    problems = problems_of(old)
    assert len(problems) == 2
    assert "version 14.11: 15 or newer" in problems[1]
    assert problems_of({**SAFE, "server_version_num": "180001"}) == []


@pytest.mark.parametrize("command", ["serve", "worker", "migrate"])
def test_nothing_starts_on_an_unsafe_server(tmp_path: Path, command: str) -> None:
    if postgresql.ENVIRONMENT not in os.environ:
        pytest.skip("PostgreSQL is not installed")
    # The server of the test run is quick and not durable: just what has to be refused.
    url = postgresql.url(os.environ[postgresql.ENVIRONMENT], "postgres")
    repository = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-m", "exam.cli", command], cwd=repository, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(repository), "EXAM_HOME": str(tmp_path), "EXAM_DATABASE_URL": url},
    )  # fmt: skip
    assert ended.returncode == 1
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        assert f"{name} is off" in ended.stderr
    assert list(tmp_path.iterdir()) == []

"""The PostgreSQL part of docs/backup.md, run as it is written: pgBackRest copies, a drill, a restore to a moment."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from exam import commands, settings
from exam.kit.house import House
from tests.durability.desk import register
from tests.durability.test_kills import present
from tests.fixtures import postgresql

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "backup.md"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("pgbackrest") is None, reason="pgBackRest is not installed"),
    pytest.mark.skipif(postgresql.programs() is None, reason="PostgreSQL is not installed"),
]


def blocks(heading: str) -> list[str]:
    """The fenced blocks below a heading of the page, in order."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n### {heading}\n")
    assert rest, heading
    return re.findall(r"```\w+\n(.*?)```", re.split(r"\n##+ ", rest)[0], re.DOTALL)


class Place:
    """The folders of the page, moved below a scratch folder; the cluster's own user runs what that user has to run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "exam"
        self.moves = {
            "/srv/": f"{folder}/",
            "pgbackrest --": f"pgbackrest --config={folder}/pgbackrest.conf --",
            "pg1-port=5432": f"pg1-port=5432\npg1-socket-path={folder}",
            "[global]": f"[global]\nlog-path={folder}/log\nlock-path={folder}/lock\nspool-path={folder}/spool",
            "pg_ctl ": f"{postgresql.programs()}/pg_ctl ",
            "psql ": f"psql -h {folder} ",
            "?port=5433": f"?host={folder}&port=5433",
            "exam verify": f"{sys.executable} -m exam.cli verify",
        }

    def moved(self, text: str) -> str:
        """A text of the page with the folders of this place."""
        for of_page, of_place in self.moves.items():
            text = text.replace(of_page, of_place)
        return text

    def run(self, block: str) -> str:
        """Runs a block of the page as the user that its first line names."""
        script = "set -euo pipefail\n" + self.moved(block)
        is_postgres = os.geteuid() == 0 and block.startswith("# as postgres\n")
        command = ["runuser", "-u", "postgres", "--", "bash", "-c", script] if is_postgres else ["bash", "-c", script]
        own = {"PYTHONPATH": str(ROOT), "PGUSER": "postgres"}
        with tempfile.TemporaryFile("w+") as output:  # not a pipe: a started server would keep that open
            ended = subprocess.run(
                command, stdout=output, stderr=output, cwd="/", env={**os.environ, **own}, timeout=600, check=False
            )
            output.seek(0)
            said = output.read()
        assert ended.returncode == 0, f"{script}\n{said}"
        return said

    def query(self, statement: str) -> str:
        """The one value that a statement gives."""
        with psycopg.connect(f"host={self.folder} user=postgres dbname=exam", autocommit=True) as connection:
            row = connection.execute(statement).fetchone()
        assert row is not None
        return str(row[0])

    def open(self) -> House:
        """The house over the cluster."""
        return commands.open_house(self.settings)

    @property
    def settings(self) -> settings.Settings:
        """Those of an installation on this cluster."""
        url = f"@/exam?host={self.folder}"
        environment = {"EXAM_HOME": str(self.home), "EXAM_KEYS": f"{self.folder}/exam-keys"}
        environment["EXAM_DATABASE_URL"] = f"postgresql+psycopg://exam_app{url}"
        environment["EXAM_OWNER_URL"] = f"postgresql+psycopg://exam_owner{url}"
        return settings.read(environment)


@pytest.fixture
def place() -> Iterator[Place]:
    """A cluster set up as the page says, with an installation in it."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    place = Place(folder)
    for name in ("db", "pgbackrest", "log", "lock", "spool"):
        (folder / name).mkdir()
    server, repository = blocks("Once")[:2]
    (folder / "pgbackrest.conf").write_text(place.moved(repository))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    folder.chmod(0o755)
    programs = postgresql.programs()
    place.run(f"# as postgres\n{programs}/initdb -D /srv/db/main -U postgres -A trust -E UTF8 --locale=C.UTF-8 --data-checksums")
    with (folder / "db" / "main" / "postgresql.conf").open("a") as file:
        file.write(f"{place.moved(server)}\nlisten_addresses = ''\nunix_socket_directories = '{folder}'\n")
    place.run("# as postgres\npg_ctl -D /srv/db/main -w -l /srv/db/main.log start")
    try:
        place.run(
            "psql -c 'create role exam_owner login' -c 'create role exam_app login' -c 'create database exam owner exam_owner'"
        )
        yield place
    finally:
        for name in ("main", "drill"):
            if (folder / "db" / name / "postmaster.pid").exists():
                place.run(f"# as postgres\npg_ctl -D /srv/db/{name} -m immediate -w stop")
        shutil.rmtree(folder)


def failures(house: House) -> list[str]:
    return [breach for _, found in commands.breaches_of(house) for breach in found]


def test_the_page_works_as_it_is_written(place: Place) -> None:
    house = commands.set_up(place.settings)
    for folder in (place.home / "seal", place.home / "data" / "reports"):
        folder.mkdir(exist_ok=True)
    place.run(blocks("Once")[2])
    user, *lines = blocks("Copies")[0].splitlines()
    full, incremental, info = (f"{user}\n{line}" for line in lines)
    register(house, 1)
    place.run(full)
    register(house, 2)
    commands.anchor(house)
    place.run(incremental)
    assert "incr backup" in place.run(info)
    assert "aes-256-cbc" in place.run(info)

    # The drill: everything acknowledged so far, also what came after the last copy, is there and verified.
    before = {register(house, number) for number in range(3, 6)}
    commands.anchor(house)
    prepare, restore, verify, *clean_up = blocks("Drill")
    place.run(prepare)
    place.run(restore)
    verdict = place.run(verify)
    assert "FAIL" not in verdict
    assert verdict.count("ok  ") > 10
    drilled = place.run("psql -p 5433 -d exam -Atc 'select visit_no from exam_visit'")
    assert before <= set(drilled.split())
    for block in clean_up:
        place.run(block)

    # The restore: to a moment; what came later is gone, named by the anchor, and its numbers are not given out again.
    moment = datetime.fromisoformat(place.query("select now()")).astimezone(UTC)
    kept = present(house)
    late = register(house, 9)
    commands.anchor(house)
    place.run("# as postgres\npgbackrest --stanza=exam check")
    house.engine.dispose()
    back, afterwards = blocks("Restore")
    assert "'2026-11-21 14:30:00+08'" in back
    place.run(back.replace("2026-11-21 14:30:00+08", f"{moment:%Y-%m-%d %H:%M:%S.%f}+00"))
    while place.query("select pg_is_in_recovery()") == "True":
        pass
    house = place.open()
    assert present(house) == kept
    assert failures(house)
    assert all("tail was cut" in breach for breach in failures(house))
    assert register(house, 10) > late
    commands.anchor(house)
    assert failures(house) == []
    place.run(afterwards)
    house.engine.dispose()

"""The comparison of every row with the audit: what it finds whatever the batch, what it leaves behind, and a disk without room."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update

from exam.kit import audit, recorded_rows
from exam.kit.house import House, system_actor
from exam.kit.side_file import SideFile
from exam.people import service as people
from exam.people.models import Organization

TABLE = Organization.__table__


def breaches(house: House) -> list[str]:
    with house.unit(None, write=False) as db:
        return sorted(audit.row_breaches(db))


@pytest.fixture
def planted(house: House) -> list[str]:
    """An edit, a deletion and a stranger by raw SQL among honest rows; what must be found of them."""
    with house.unit(system_actor("01")) as db:
        edited, gone, _ = (people.add_organization(db, f"A{number}", f"第{number}糖厂") for number in range(3))
    for name in ("一厂", "二厂"):  # an honest row with several records
        with house.unit(system_actor("01")) as db:
            db.get_one(Organization, gone).name = name
    assert breaches(house) == []
    with house.engine.execution_options(write=True).begin() as connection:
        stranger = {**connection.execute(TABLE.select().where(TABLE.c.id == edited)).mappings().one()}
        stranger |= {"id": house.ids.new(), "code": "A9"}
        connection.execute(insert(TABLE), [stranger])
        connection.execute(update(TABLE).where(TABLE.c.id == edited).values(name="别名"))
        connection.execute(delete(TABLE).where(TABLE.c.id == gone))
    house.turn.give()
    return sorted(
        [
            f"exam_organization {edited}: its content differs from what the audit recorded",
            f"exam_organization {gone}: the audit knows it, the table does not",
            f"exam_organization {stranger['id']}: no audit row knows it",
        ]
    )


@pytest.mark.parametrize("batch", [1, 7, recorded_rows.CHUNK])
def test_an_edit_a_deletion_and_a_stranger_are_found_whatever_the_batch(
    house: House, planted: list[str], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_rows, "CHUNK", batch)
    assert breaches(house) == planted


def test_nothing_stays_in_the_data_folder(sqlite_house: House) -> None:
    assert breaches(sqlite_house) == []
    assert {path.name.partition("-")[0] for path in sqlite_house.data.iterdir()} <= {"exam.db", "ballast"}


def test_a_disk_without_room_is_said_and_people_keep_theirs(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_rows, "CHUNK", 5)
    monkeypatch.setattr(sqlite_house.space, "free_bytes", lambda: recorded_rows.KEEP_FREE_BYTES - 1)
    assert breaches(sqlite_house) == ["not compared: less than 512 MB are free on the disk of the data folder"]


def test_the_side_file_has_no_name_and_nothing_readable_in_it(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exam.kit.side_file.CACHE_KIB", 64)
    opened = set(_files_of_this_process())
    with SideFile(sqlite_house.data, ("digest",)) as side:
        side.add((0, f"the key of row {number}", number, "0123456789abcdef") for number in range(20_000))
        (path,) = _files_of_this_process() - opened
        assert "(deleted)" in path
        assert sum(1 for _ in side.select("SELECT key FROM rows")) == 20_000
        content = _content_of(path)
    assert len(content) > 100_000
    assert b"the key of row" not in content


def _files_of_this_process() -> set[str]:
    return {target for _, target in _handles() if "/.side-" in target}


def _content_of(target: str) -> bytes:
    handle = next(handle for handle, each in _handles() if each == target)
    return handle.read_bytes()


def _handles() -> Iterator[tuple[Path, str]]:
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            yield handle, str(handle.readlink())

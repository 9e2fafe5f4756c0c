"""Seals checked in several processes: the same findings in the same order as in one, and no key outside this process."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import pytest

from reporting import seal_pool
from reporting.demo_authority import make_demo_authority
from reporting.seal_pool import SealPool
from tests.reporting.test_seal import CENTRE, NOW, load, plain_pdf, sign

File = tuple[str, bytes]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], list[File]]:
    """Certificates, and files that were sealed by them: every third one is changed afterwards."""
    authority = make_demo_authority(tmp_path_factory.mktemp("seal") / "demo", CENTRE, NOW)
    sealed = sign(load(authority), plain_pdf())
    changed = sealed.replace(b"%%EOF", b"%%EOG", 1)
    assert changed != sealed
    return [authority.root_certificate_path.read_bytes()], [(f"file {n}", changed if n % 3 == 0 else sealed) for n in range(14)]


def found(roots: list[bytes], files: list[File]) -> tuple[list[str], int]:
    """What a pool says of these files, and how many processes it has."""
    drawn = hashlib.sha256(plain_pdf()).hexdigest()
    with SealPool(roots, len(files)) as pool:
        breaches = [each for name, content in files for each in pool.check(name, content, NOW, drawn)]
        return [*breaches, *pool.rest()], pool.processes


def test_several_processes_find_the_same_in_the_same_order_as_one(
    material: tuple[list[bytes], list[File]], monkeypatch: pytest.MonkeyPatch
) -> None:
    roots, files = material
    alone, processes = found(roots, files)
    assert processes == 1
    assert [each.partition(":")[0] for each in alone] == [f"file {n}" for n in range(0, 14, 3) for _ in range(2)]
    monkeypatch.setattr(seal_pool, "WORTH_IT", len(files))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    assert found(roots, files) == (alone, 2)


def test_a_pool_that_is_left_early_ends_its_processes(
    material: tuple[list[bytes], list[File]], monkeypatch: pytest.MonkeyPatch
) -> None:
    roots, files = material
    monkeypatch.setattr(seal_pool, "WORTH_IT", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    before = children()
    with pytest.raises(RuntimeError, match="enough"), SealPool(roots, 2) as pool:
        assert list(pool.check("file", files[1][1], NOW, "")) == []
        assert children() != before
        raise RuntimeError("enough")
    assert children() == before


def children() -> set[str]:
    """The processes that this one started, but for the one that watches over them all."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread or process that ended meanwhile
            for child in (task / "children").read_text().split():
                if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.add(child)
    return found

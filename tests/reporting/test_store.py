"""The store of sealed reports: what goes in comes out unchanged, or is refused."""

from __future__ import annotations

import hashlib
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exam.kit.errors import Refused
from exam.kit.house import House
from reporting.store import Store


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(min_size=1, max_size=3000))
def test_what_is_stored_comes_back_under_its_own_digest(sqlite_house: House, content: bytes) -> None:
    store = Store(sqlite_house)
    digest = store.put(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert store.get(digest) == content


def test_the_same_content_is_written_once_and_left_alone(sqlite_house: House) -> None:
    store = Store(sqlite_house)
    path = store.path_of(store.put(b"%PDF-1.7 report"))
    before = (path.stat().st_mtime_ns, path.read_bytes())
    store.put(b"%PDF-1.7 report")
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    assert path.stat().st_mode & 0o077 == 0


def test_nothing_readable_lies_on_the_disk(sqlite_house: House) -> None:
    store = Store(sqlite_house)
    path = store.path_of(store.put("%PDF-1.7 韦小明 乙肝表面抗原阳性".encode()))
    assert b"PDF" not in path.read_bytes()
    assert "乙肝".encode() not in path.read_bytes()


@pytest.mark.parametrize("where", [0, 5, 13, 40, -1])
def test_one_flipped_bit_anywhere_is_refused_and_alarmed(
    sqlite_house: House, where: int, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(sqlite_house)
    digest = store.put(b"%PDF-1.7 " + b"x" * 100)
    path = store.path_of(digest)
    damaged = bytearray(path.read_bytes())
    damaged[where] ^= 1
    path.write_bytes(bytes(damaged))
    with caplog.at_level(logging.CRITICAL), pytest.raises(Refused) as refused:
        store.get(digest)
    assert refused.value.code == "reporting.damaged"
    assert "损坏" in refused.value.text
    assert "damaged" in caplog.text


def test_a_missing_file_is_refused_and_a_damaged_one_is_mended_by_storing_again(sqlite_house: House) -> None:
    store = Store(sqlite_house)
    digest = store.put(b"%PDF-1.7 report")
    store.path_of(digest).unlink()
    with pytest.raises(Refused, match=r"reporting\.file_missing"):
        store.get(digest)
    store.path_of(digest).write_bytes(b"rubbish")
    assert store.put(b"%PDF-1.7 report") == digest
    assert store.get(digest) == b"%PDF-1.7 report"


def test_a_file_put_in_the_place_of_another_is_refused(sqlite_house: House) -> None:
    store = Store(sqlite_house)
    one, other = store.put(b"one"), store.put(b"other")
    store.path_of(one).write_bytes(store.path_of(other).read_bytes())
    with pytest.raises(Refused, match=r"reporting\.damaged"):
        store.get(one)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "a" * 63 + "/"])
def test_only_a_digest_is_ever_part_of_a_path(sqlite_house: House, name: str) -> None:
    with pytest.raises(ValueError):
        Store(sqlite_house).path_of(name)


def test_no_half_written_file_stays_behind(sqlite_house: House) -> None:
    store = Store(sqlite_house)
    path = store.path_of(store.put(b"%PDF-1.7 report"))
    assert [each.name for each in path.parent.iterdir()] == [path.name]

"""Numbered series survive a restore; keys are exposed to nobody; sealed fields open only in their own place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.kit.errors import Refused
from exam.kit.house import House, system_actor
from exam.kit.keys import FieldCipher, Keys
from exam.kit.random import SeededRandom
from exam.kit.series import Series, next_number


def test_numbers_follow_each_other(house: House) -> None:
    with house.unit(system_actor("01")) as db:
        assert [next_number(db, "visit:01:01:261121") for _ in range(3)] == [1, 2, 3]
        assert next_number(db, "visit:01:01:261122") == 1


def test_a_rolled_back_number_is_skipped_and_never_given_again(house: House) -> None:
    with pytest.raises(ZeroDivisionError), house.unit(system_actor("01")) as db:
        assert next_number(db, "s") == 1
        raise ZeroDivisionError
    with house.unit(system_actor("01")) as db:
        assert next_number(db, "s") == 2


def test_after_a_restore_the_next_number_comes_after_every_number_ever_given(house: House) -> None:
    with house.unit(system_actor("01")) as db:
        for _ in range(5):
            next_number(db, "s")
    with house.unit(system_actor("01")) as db:
        db.get_one(Series, "s").last = 2
    with house.unit(system_actor("01")) as db:
        assert next_number(db, "s") == 6
        assert next_number(db, "s", count=10) == 7
        assert next_number(db, "s") == 17


def test_a_mark_and_its_name_are_on_the_disk_before_the_number_is_given_out(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").stat().st_ino))
    with sqlite_house.unit(system_actor("01")) as db:
        next_number(db, "s")
        marks = sqlite_house.data.parent / "anchor" / "series.json"
        assert synced == [marks.stat().st_ino, marks.parent.stat().st_ino]


def test_a_mark_half_written_in_a_crash_is_never_read(sqlite_house: House) -> None:
    with sqlite_house.unit(system_actor("01")) as db:
        next_number(db, "s", count=5)
    marks = sqlite_house.data.parent / "anchor" / "series.json"
    whole = marks.read_bytes()
    for length in range(len(whole)):
        marks.with_name(f".{marks.name}.partial").write_bytes(whole[:length])
        with sqlite_house.unit(system_actor("01")) as db:
            assert next_number(db, "s") == 6 + length


def test_a_key_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "keys"

    def power_cut(handle: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr("os.fsync", power_cut)
        Keys.make(folder, SeededRandom("a"))
    assert list(folder.glob("*.key")) == []
    keys = Keys.make(folder, SeededRandom("b"))
    assert len(keys["database"]) == 32
    assert sorted(path.suffix for path in folder.iterdir()) == [".key"] * 5


@pytest.mark.parametrize("content", ["", "00", "no key at all", "00" * 31])
def test_a_damaged_key_is_refused_with_its_name(tmp_path: Path, content: str) -> None:
    Keys.make(tmp_path / "keys", SeededRandom("a"))
    (tmp_path / "keys" / "anchor.key").write_text(content)
    with pytest.raises(Refused, match=r"anchor\.key"):
        Keys.make(tmp_path / "keys", SeededRandom("a"))


def test_keys_are_made_once_with_mode_600(tmp_path: Path) -> None:
    keys = Keys.make(tmp_path / "keys", SeededRandom("a"))
    again = Keys.make(tmp_path / "keys", SeededRandom("b"))
    assert keys["fields"] == again["fields"] and len(keys["fields"]) == 32
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Keys.make(tmp_path / "keys", SeededRandom("a"))
    (tmp_path / "keys" / "fields.key").chmod(0o644)
    with pytest.raises(Refused, match="exposed"):
        Keys(tmp_path / "keys")


def test_a_missing_key_is_refused_with_its_name(tmp_path: Path) -> None:
    Keys.make(tmp_path / "keys", SeededRandom("a"))
    (tmp_path / "keys" / "index.key").unlink()
    with pytest.raises(Refused, match=r"index\.key"):
        Keys(tmp_path / "keys")


@pytest.fixture(scope="module")
def cipher(tmp_path_factory: pytest.TempPathFactory) -> FieldCipher:
    random = SeededRandom("cipher")
    return FieldCipher(Keys.make(tmp_path_factory.mktemp("keys"), random), random)


@given(words=st.text(max_size=80))
def test_a_sealed_text_opens_to_itself(cipher: FieldCipher, words: str) -> None:
    assert cipher.open(cipher.seal(words, "t.c:1"), "t.c:1") == words


@given(words=st.text(min_size=1, max_size=40), flip=st.integers(0, 200))
def test_a_moved_or_changed_sealed_text_does_not_open(cipher: FieldCipher, words: str, flip: int) -> None:
    sealed = cipher.seal(words, "t.c:1")
    with pytest.raises(Refused):
        cipher.open(sealed, "t.c:2")
    changed = bytearray(sealed)
    changed[1 + flip % (len(sealed) - 1)] ^= 1
    with pytest.raises(Refused):
        cipher.open(bytes(changed), "t.c:1")


def test_equal_texts_seal_differently_and_index_equally(cipher: FieldCipher) -> None:
    assert cipher.seal("450110198503150018", "a:1") != cipher.seal("450110198503150018", "a:1")
    assert cipher.blind_index("id", "x") == cipher.blind_index("id", "x") != cipher.blind_index("phone", "x")

"""The demonstration authority: private, complete, made once, and plainly named."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from exam.kit.errors import Refused
from reporting.demo_authority import DemoAuthority, demo_authority, make_demo_authority
from reporting.seal import Seal
from reporting.seal_check import to_certificate
from reporting.seal_picture import seal_picture

CENTRE = "示范市第一人民医院健康管理中心"
NOW = datetime(2026, 11, 21, 2, 30, 5, tzinfo=UTC)


def load(authority: DemoAuthority) -> Seal:
    return Seal.load(authority.signer_key_path, authority.signer_certificate_path, seal_picture(CENTRE, is_demo=True))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> DemoAuthority:
    return make_demo_authority(tmp_path_factory.mktemp("seal") / "demo", CENTRE, NOW)


def test_the_demo_files_are_private_and_complete(authority: DemoAuthority) -> None:
    assert authority.is_complete()
    assert {path.name for path in authority.folder.iterdir()} == {path.name for path in authority.paths()}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in authority.paths())
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700


def test_making_the_demo_authority_again_changes_nothing(authority: DemoAuthority) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in authority.paths()}
    assert make_demo_authority(authority.folder, "别的名字", NOW + timedelta(days=400)) == authority
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in authority.paths()} == before


def test_an_incomplete_or_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    places = demo_authority(tmp_path / "demo")
    places.folder.mkdir()
    places.root_key_path.write_text("half of an authority")
    with pytest.raises(Refused) as refusal:
        make_demo_authority(places.folder, CENTRE, NOW)
    assert refusal.value.code == "seal.authority_folder_occupied"
    assert places.root_key_path.read_text() == "half of an authority"
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_two_makers_at_once_end_with_one_authority(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as threads:
        made = list(threads.map(lambda _: make_demo_authority(tmp_path / "demo", CENTRE, NOW), range(3)))
    assert made[0] == made[1] == made[2]
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    assert load(made[0]).fingerprint == load(made[2]).fingerprint


def test_the_names_in_the_demo_certificates_say_that_it_is_a_demo(authority: DemoAuthority, tmp_path: Path) -> None:
    long = make_demo_authority(tmp_path / "long", "很长的名称" * 20, NOW)
    for path in (
        authority.root_certificate_path,
        authority.signer_certificate_path,
        long.root_certificate_path,
        long.signer_certificate_path,
    ):
        subject = to_certificate(path.read_bytes()).subject.native
        assert subject["common_name"].startswith("演示 DEMO")
        assert len(subject["common_name"].encode()) <= 64
        assert "演示 DEMO" in subject["organizational_unit_name"]


def test_a_key_that_others_can_read_or_of_another_certificate_is_refused(
    authority: DemoAuthority, tmp_path: Path
) -> None:
    other = make_demo_authority(tmp_path / "other", CENTRE, NOW)
    cases = ((msgspec.structs.replace(authority, signer_key_path=other.signer_key_path), "seal.key_mismatch"),)
    for places, code in cases:
        with pytest.raises(Refused) as refusal:
            load(places)
        assert refusal.value.code == code
    other.signer_key_path.chmod(0o640)
    with pytest.raises(Refused) as refusal:
        load(other)
    assert refusal.value.code == "seal.key_exposed"
    other.signer_key_path.unlink()
    with pytest.raises(Refused) as refusal:
        load(other)
    assert refusal.value.code == "seal.file_missing"

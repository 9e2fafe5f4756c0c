"""Full backup, log shipping, restore and drill on the embedded database, while it is written."""

from __future__ import annotations

import shutil
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select, text

from exam import backup, commands, settings
from exam.backup_chain import DATABASE, Generation, folders, newest
from exam.backup_drill import drill
from exam.backup_restore import open_restored, record, restore
from exam.backup_ship import KEPT, require_apart, ship
from exam.kit import series
from exam.kit.audit import Audit
from exam.kit.clock import FrozenClock
from exam.kit.errors import Refused
from exam.kit.house import House, system_actor
from exam.kit.keys import Keys
from exam.kit.random import SeededRandom
from exam.people.models import Person
from tests.durability.desk import register


def numbers_in(house: House) -> set[str]:
    with house.unit(system_actor("01"), write=False) as db:
        return set(db.scalars(text("select visit_no from exam_visit")))


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    return tmp_path / "copies"


@pytest.fixture
def restored_house(sqlite_house: House, copies: Path, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Restores into a new home and opens it."""
    opened: list[House] = []

    def make(name: str = "restored", **options: object) -> House:
        data = tmp_path / name / "data"
        restore(copies, data, sqlite_house.keys, **options)  # type: ignore[arg-type]
        house = open_restored(sqlite_house.settings, data)
        opened.append(house)
        return house

    yield make
    for house in opened:
        house.engine.dispose()


def test_every_commit_acknowledged_before_the_last_shipping_is_there_after_a_restore(
    sqlite_house: House, copies: Path, restored_house: Callable[..., House]
) -> None:
    acknowledged: set[str] = set()
    for number in range(12):
        acknowledged.add(register(sqlite_house, number))
        if number % 2:
            ship(sqlite_house, copies)
    late = register(sqlite_house, 99)
    found = numbers_in(restored_house())
    assert found == acknowledged
    assert late not in found
    assert len(folders(copies)) == 1


def test_a_restored_database_keeps_every_invariant(sqlite_house: House, copies: Path, restored_house: Callable[..., House]) -> None:
    for number in range(4):
        register(sqlite_house, number)
        ship(sqlite_house, copies)
    house = restored_house()
    assert [(name, found) for name, found in commands.breaches_of(house) if found] == []


def test_shipping_while_four_desks_write_loses_and_halves_nothing(
    sqlite_house: House, copies: Path, restored_house: Callable[..., House]
) -> None:
    stop = threading.Event()
    acknowledged: list[str] = []
    failures: list[BaseException] = []

    def write(desk: int) -> None:
        number = desk * 500
        try:
            while not stop.is_set():
                acknowledged.append(register(sqlite_house, number))
                number += 1
        except BaseException as error:
            failures.append(error)

    desks = [threading.Thread(target=write, args=(desk,)) for desk in range(4)]
    for desk in desks:
        desk.start()
    before: set[str] = set()
    while len(before) < 60 and not failures:
        before = set(acknowledged)
        ship(sqlite_house, copies)
    stop.set()
    for desk in desks:
        desk.join()
    assert failures == []
    house = restored_house()
    assert before <= numbers_in(house) <= set(acknowledged)
    assert [(name, found) for name, found in commands.breaches_of(house) if found] == []


def test_a_log_that_restarts_begins_a_new_epoch_of_the_same_generation(
    sqlite_house: House, copies: Path, restored_house: Callable[..., House]
) -> None:
    acknowledged = set()
    for number in range(5):
        acknowledged.add(register(sqlite_house, number))
        ship(sqlite_house, copies)  # everything is folded, so the next write restarts the log
    generation = Generation(folders(copies)[0], sqlite_house.keys["anchor"])
    assert [line.epoch for line in generation.pieces()] == [1, 2, 3, 4, 5]
    assert numbers_in(restored_house()) == acknowledged


def test_a_log_longer_than_its_limit_is_folded_whole(
    sqlite_house: House, copies: Path, monkeypatch: pytest.MonkeyPatch, restored_house: Callable[..., House]
) -> None:
    monkeypatch.setattr("exam.backup_ship.LONGEST_LOG_BYTES", 1)
    acknowledged = {register(sqlite_house, 1)}
    ship(sqlite_house, copies)
    with sqlite_house.engine.connect() as connection:
        row = connection.exec_driver_sql("PRAGMA wal_checkpoint(NOOP)").one()
    assert row[1] == row[2] > 0
    acknowledged.add(register(sqlite_house, 2))
    ship(sqlite_house, copies)
    assert numbers_in(restored_house()) == acknowledged


def test_a_log_folded_by_somebody_else_begins_a_new_generation(
    sqlite_house: House, copies: Path, restored_house: Callable[..., House]
) -> None:
    acknowledged = {register(sqlite_house, 1)}
    ship(sqlite_house, copies)
    acknowledged.add(register(sqlite_house, 2))
    sqlite_house.engine.dispose()  # the last connection folds the log when it closes, and removes it
    assert not (sqlite_house.data / f"{DATABASE}-wal").exists()
    acknowledged.add(register(sqlite_house, 3))
    ship(sqlite_house, copies)
    assert len(folders(copies)) == 2
    assert numbers_in(restored_house()) == acknowledged


def test_until_restores_the_state_of_that_moment(sqlite_house: House, copies: Path, restored_house: Callable[..., House]) -> None:
    clock = sqlite_house.clock
    assert isinstance(clock, FrozenClock)
    first = register(sqlite_house, 1)
    ship(sqlite_house, copies)
    noon = clock.now() + timedelta(minutes=30)
    clock.advance(hours=1)
    second = register(sqlite_house, 2)
    ship(sqlite_house, copies)
    assert numbers_in(restored_house("until", until=noon)) == {first}
    assert numbers_in(restored_house("all")) == {first, second}
    with pytest.raises(Refused, match=r"backup\.none"):
        restored_house("too-early", until=clock.now() - timedelta(days=1))


def test_a_number_given_out_after_the_last_shipping_is_never_given_out_again(
    sqlite_house: House, copies: Path, tmp_path: Path, restored_house: Callable[..., House]
) -> None:
    register(sqlite_house, 1)
    ship(sqlite_house, copies)
    on_paper = register(sqlite_house, 2)  # lost with the machine, but printed
    house = restored_house()
    assert register(house, 3) > on_paper
    with house.unit(system_actor("01")) as db:
        assert series.next_number(db, "of-this-test") == 1


def test_the_marks_of_this_machine_win_over_those_in_the_copies(sqlite_house: House, copies: Path) -> None:
    register(sqlite_house, 1)
    ship(sqlite_house, copies)
    register(sqlite_house, 2)
    marks = sqlite_house.data.parent / "anchor" / "series.json"
    before = marks.read_bytes()
    sqlite_house.engine.dispose()
    sqlite_house.data.rename(sqlite_house.data.with_name("data.broken"))
    restore(copies, sqlite_house.data, sqlite_house.keys)
    assert marks.read_bytes() == before


def test_the_audit_names_the_restore_and_what_the_anchor_remembers_beyond_it(sqlite_house: House, copies: Path) -> None:
    register(sqlite_house, 1)
    ship(sqlite_house, copies)
    for number in range(2, 12):
        register(sqlite_house, number)
    commands.anchor(sqlite_house)
    sqlite_house.engine.dispose()
    sqlite_house.data.rename(sqlite_house.data.with_name("data.broken"))
    restored = restore(copies, sqlite_house.data, sqlite_house.keys)
    house = open_restored(sqlite_house.settings, sqlite_house.data)
    assert "is gone (the tail was cut)" in record(house, restored)
    with house.unit(system_actor("01"), write=False) as db:
        act = db.scalars(select(Audit).where(Audit.act == "backup.restore")).one()
        assert act.subject == f"backup:{restored.generation}" and "tail was cut" in act.reason
    assert [(name, found) for name, found in commands.breaches_of(house) if found] == []
    house.engine.dispose()


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_piece_is_refused_and_named(sqlite_house: House, copies: Path, tmp_path: Path, damage: str) -> None:
    for number in range(3):
        register(sqlite_house, number)
        ship(sqlite_house, copies)
    piece = sorted(copies.glob("full-*/wal/*.wal"))[1]
    content = bytearray(piece.read_bytes())
    if damage == "flip":
        content[5000] ^= 1
        piece.write_bytes(content)
    elif damage == "cut":
        piece.write_bytes(content[:-100])
    else:
        piece.unlink()
    with pytest.raises(Refused, match="piece_damaged") as refused:
        restore(copies, tmp_path / "r" / "data", sqlite_house.keys)
    assert piece.name in refused.value.text


def test_a_damaged_snapshot_or_chain_is_refused(sqlite_house: House, copies: Path, tmp_path: Path) -> None:
    register(sqlite_house, 1)
    generation = ship(sqlite_house, copies)
    spare = tmp_path / "spare"
    shutil.copytree(generation.folder, spare / generation.folder.name)
    snapshot = generation.folder / DATABASE
    content = bytearray(snapshot.read_bytes())
    content[len(content) // 2] ^= 1
    snapshot.write_bytes(content)
    with pytest.raises(Refused, match="snapshot_damaged"):
        restore(copies, tmp_path / "r" / "data", sqlite_house.keys)
    chain = spare / generation.folder.name / "chain.jsonl"
    lines = chain.read_bytes().splitlines(keepends=True)
    chain.write_bytes(b"".join([lines[0], *lines[2:]]))
    with pytest.raises(Refused, match="chain_broken"):
        restore(spare, tmp_path / "s" / "data", sqlite_house.keys)


def test_a_torn_last_line_of_the_chain_is_forgotten_and_shipped_again(
    sqlite_house: House, copies: Path, restored_house: Callable[..., House]
) -> None:
    acknowledged = {register(sqlite_house, 1)}
    generation = ship(sqlite_house, copies)
    acknowledged.add(register(sqlite_house, 2))
    with (generation.folder / "chain.jsonl").open("ab") as file:
        file.write(b'{"line":{"kind":"wal","at"')
    ship(sqlite_house, copies)
    assert numbers_in(restored_house()) == acknowledged
    assert len(folders(copies)) == 1


def test_an_anchor_line_that_a_power_cut_took_back_does_not_spoil_the_copy(
    sqlite_house: House, copies: Path, restored_house: Callable[..., House]
) -> None:
    anchor = sqlite_house.anchor.path
    for number in range(2):
        register(sqlite_house, number)
        commands.anchor(sqlite_house)
    ship(sqlite_house, copies)
    anchor.write_bytes(anchor.read_bytes()[:-30])  # the copy has the whole line, the disk has not
    register(sqlite_house, 2)
    commands.anchor(sqlite_house)
    ship(sqlite_house, copies)
    assert (copies / "anchor" / "audit.log").read_bytes() == anchor.read_bytes()
    assert len(list((copies / "anchor").glob("audit.before-*"))) == 1
    house = restored_house()
    with house.unit(None, write=False) as db:
        assert list(house.anchor.breaches(db)) == []


def test_the_anchors_lines_of_earlier_months_are_copied_and_restored(
    sqlite_house: House, copies: Path, restored_house: Callable[..., House]
) -> None:
    anchor = sqlite_house.anchor
    register(sqlite_house, 1)
    commands.anchor(sqlite_house)
    ship(sqlite_house, copies)
    register(sqlite_house, 2)
    commands.anchor(sqlite_house)  # the copy has not this line when the month ends
    sqlite_house.clock.advance(seconds=40 * 86400)  # type: ignore[attr-defined]
    register(sqlite_house, 3)
    commands.anchor(sqlite_house)
    ship(sqlite_house, copies)
    present = {path.name: path.read_bytes() for path in (*anchor.kept(), anchor.path)}
    assert sorted(present) == ["audit-2026-11.log", "audit.log"]
    assert {path.name: path.read_bytes() for path in (copies / "anchor").glob("audit*")} == present
    house = restored_house()
    assert {path.name: path.read_bytes() for path in house.anchor.path.parent.glob("audit*")} == present
    with house.unit(None, write=False) as db:
        assert list(house.anchor.breaches(db)) == []


@pytest.mark.parametrize("name", ["backup", "drill"])
def test_on_postgresql_the_page_of_its_own_tools_is_named(tmp_path: Path, name: str) -> None:
    url = "postgresql+psycopg://exam_app@/exam?host=/nowhere"
    home = settings.read({"EXAM_HOME": str(tmp_path), "EXAM_COPIES": str(tmp_path / "copies"), "EXAM_DATABASE_URL": url})
    Keys.make(home.keys, SeededRandom("a"))
    command = next(each for each in backup.COMMANDS if each.name == name)
    with pytest.raises(Refused, match=r"backup\.postgresql"):
        command.run(home, Namespace(to="", source="", side=""))


def test_a_full_target_is_refused(sqlite_house: House, copies: Path) -> None:
    ship(sqlite_house, copies)
    with pytest.raises(Refused, match="not_empty"):
        restore(copies, sqlite_house.data, sqlite_house.keys)


def test_copies_may_not_lie_in_the_data_nor_with_the_keys(tmp_path: Path) -> None:
    data, keys = tmp_path / "home" / "data", tmp_path / "home" / "keys"
    for folder, code in ((data / "copies", "inside_data"), (tmp_path, "inside_data"), (keys / "copies", "beside_keys")):
        with pytest.raises(Refused, match=code):
            require_apart(folder, data, keys)
    assert require_apart(tmp_path / "copies", data, keys).is_dir()


def test_no_key_and_no_plain_name_is_in_the_copies(sqlite_house: House, copies: Path) -> None:
    register(sqlite_house, 1)
    ship(sqlite_house, copies)
    secrets = [path.read_text().strip() for path in sqlite_house.keys.folder.glob("*.key")]
    forbidden = [bytes.fromhex(each) for each in secrets] + [each.encode() for each in secrets]
    forbidden += ["赵赵赵钱".encode(), b"13800000001"]
    for path in copies.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [each for each in forbidden if each in content], path.name


def test_a_full_backup_is_due_every_night_and_old_ones_go(sqlite_house: House, copies: Path) -> None:
    clock = sqlite_house.clock
    assert isinstance(clock, FrozenClock)
    ship(sqlite_house, copies)
    clock.advance(hours=17)  # one in the morning
    ship(sqlite_house, copies)
    assert len(folders(copies)) == 1
    clock.advance(hours=2)
    ship(sqlite_house, copies)
    assert len(folders(copies)) == 2
    for _ in range(KEPT):
        clock.advance(hours=24)
        ship(sqlite_house, copies)
    assert len(folders(copies)) == KEPT


def test_report_files_are_copied_once_and_come_back(
    sqlite_house: House, copies: Path, restored_house: Callable[..., House]
) -> None:
    folder = sqlite_house.data / "reports" / "ab"
    folder.mkdir(parents=True)
    (folder / "one.pdf").write_bytes(b"%PDF one")
    ship(sqlite_house, copies)
    first = (copies / "reports" / "ab" / "one.pdf").stat().st_ino
    (folder / "two.pdf").write_bytes(b"%PDF two")
    register(sqlite_house, 1)
    ship(sqlite_house, copies)
    assert (copies / "reports" / "ab" / "one.pdf").stat().st_ino == first
    house = restored_house()
    assert (house.data / "reports" / "ab" / "two.pdf").read_bytes() == b"%PDF two"


def test_a_drill_compares_the_restored_copy_with_the_live_database(sqlite_house: House, copies: Path) -> None:
    for number in range(3):
        register(sqlite_house, number)
    is_good, page = drill(sqlite_house.settings, copies, sqlite_house.clock, sqlite_house)
    assert is_good, page
    assert "各表内容摘要与在用库相同" in page and "结论        备份可用" in page
    assert [path.read_text() for path in copies.glob("drill-*.txt")] == [page]
    assert not list(copies.glob("drill-*/"))


def test_a_repaired_report_file_is_copied_again_and_a_drill_finds_one_that_differs(sqlite_house: House, copies: Path) -> None:
    folder = sqlite_house.data / "reports" / "cd"
    folder.mkdir(parents=True)
    (folder / "x.pdf.sealed").write_bytes(b"sealed")
    ship(sqlite_house, copies)
    (folder / "new").write_bytes(b"sealed anew")
    (folder / "new").replace(folder / "x.pdf.sealed")
    register(sqlite_house, 1)
    assert drill(sqlite_house.settings, copies, sqlite_house.clock, sqlite_house)[0]
    assert (copies / "reports" / "cd" / "x.pdf.sealed").read_bytes() == b"sealed anew"
    (copies / "reports" / "cd" / "x.pdf.sealed").write_bytes(b"rotten")
    is_good, page = drill(sqlite_house.settings, copies, sqlite_house.clock, sqlite_house)
    assert not is_good
    assert "x.pdf.sealed: 与在用文件不同" in page


def test_a_drill_finds_a_bit_that_rotted_in_the_copies(sqlite_house: House, copies: Path) -> None:
    register(sqlite_house, 1)
    generation = ship(sqlite_house, copies)
    snapshot = generation.folder / DATABASE
    content = bytearray(snapshot.read_bytes())
    content[9000] ^= 4
    snapshot.write_bytes(content)
    with pytest.raises(Refused, match="snapshot_damaged"):
        drill(sqlite_house.settings, copies, sqlite_house.clock, None)


def test_a_drill_says_which_table_differs(sqlite_house: House, copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(sqlite_house, 1)
    monkeypatch.setattr("exam.backup_drill._digest", lambda side, table: str(id(side)) if table == "exam_person" else "")
    is_good, page = drill(sqlite_house.settings, copies, sqlite_house.clock, sqlite_house)
    assert not is_good
    assert "exam_person: 内容不同" in page


def test_the_worker_ships_and_folds_where_a_folder_is_set(sqlite_house: House, copies: Path) -> None:
    sqlite_house.settings = msgspec.structs.replace(sqlite_house.settings, copies=str(copies))
    register(sqlite_house, 1)
    commands.checkpoint(sqlite_house)
    generation = newest(copies, sqlite_house.keys["anchor"])
    assert generation is not None and generation.pieces()
    assert max(job.every for module in sqlite_house.modules.all for job in module.jobs if job.name == "checkpoint") <= 10


def test_postgresql_is_sent_to_its_own_tools(house: House, copies: Path) -> None:
    if house.is_sqlite:
        assert ship(house, copies).manifest.counts["exam_person"] == 0
    else:
        with pytest.raises(Refused, match=r"backup\.postgresql"):
            ship(house, copies)


def test_the_manifest_counts_what_the_snapshot_holds(sqlite_house: House, copies: Path) -> None:
    register(sqlite_house, 1)
    manifest = ship(sqlite_house, copies, full=True).manifest
    with sqlite_house.unit(system_actor("01"), write=False) as db:
        assert manifest.counts["exam_person"] == db.scalar(select(func.count()).select_from(Person)) == 1
        assert manifest.counts["exam_audit"] == db.scalar(select(func.count()).select_from(Audit))
    assert sum(seq for seq, _ in manifest.heads.values()) == manifest.counts["exam_audit"]
    assert manifest.schema_revision


def test_times_on_the_command_line_are_those_of_the_centre() -> None:
    assert backup.moment("2026-11-21T14:30").isoformat() == "2026-11-21T06:30:00+00:00"
    assert backup.moment("2026-11-21T14:30+00:00").isoformat() == "2026-11-21T14:30:00+00:00"
    with pytest.raises(Refused, match=r"backup\.time"):
        backup.moment("half past two")


def test_copies_need_a_folder_and_not_a_file(tmp_path: Path) -> None:
    data, keys = tmp_path / "home" / "data", tmp_path / "home" / "keys"
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Refused, match=r"backup\.not_a_folder.*路径上有同名文件"):
            require_apart(path, data, keys)


def test_restoring_from_nothing_makes_nothing(sqlite_house: House, tmp_path: Path) -> None:
    command = next(each for each in backup.COMMANDS if each.name == "restore")
    for source in (tmp_path / "nothing", Path(__file__)):
        arguments = Namespace(source=str(source), to=str(tmp_path / "restored" / "data"), until="")
        with pytest.raises(Refused, match=r"backup\.no_such_folder"):
            command.run(sqlite_house.settings, arguments)
    assert not (tmp_path / "nothing").exists()
    assert not (tmp_path / "restored").exists()


def test_a_restore_says_that_the_seal_must_be_put_beside_it(
    sqlite_house: House, copies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ship(sqlite_house, copies)
    command = next(each for each in backup.COMMANDS if each.name == "restore")
    for name, has_seal in (("without", False), ("with", True)):
        if has_seal:
            shutil.copytree(sqlite_house.data.parent / "seal", tmp_path / name / "seal")
        arguments = Namespace(source=str(copies), to=str(tmp_path / name / "data"), until="")
        assert command.run(sqlite_house.settings, arguments) == 0
        assert (f"缺少签章目录 {tmp_path / name / 'seal'}" in capsys.readouterr().err) != has_seal
    parser = ArgumentParser()
    command.add_arguments(parser)
    assert "`seal`" in parser.format_help()

"""Reports issued in the background: drawn while others write, each in units of its own, by hand or by itself."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from exam.kit import audit, jobs
from exam.kit import house as kit
from exam.kit.errors import Refused
from exam.kit.events import announce
from exam.kit.house import Actor, House, system_actor
from exam.visits.facts import Milestone
from reporting import batches, sealing, service, verify
from reporting.document import Document
from tests.conftest import Desk, actor_named
from tests.reporting.staging import READINGS, Acting, Stage, general, laboratory, stage_of, visit_to

OTHER_ID = "450110199003070016"


@pytest.fixture
def stage(house: House, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The rooms below as stand-ins."""
    return stage_of(house, monkeypatch)


@pytest.fixture
def stage_below(sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The same for the embedded database alone."""
    return stage_of(sqlite_house, monkeypatch)


@pytest.fixture
def chief(acting: Acting) -> Actor:
    """A chief reviewer."""
    return acting("zhao")


def breaches(house: House) -> list[str]:
    """What reporting's own invariants and the audit say."""
    with house.unit(system_actor("01"), write=False) as db:
        found = [text for invariant in verify.INVARIANTS for text in invariant.check(db)]
        return [*found, *audit.breaches(db), *audit.row_breaches(db)]


def test_a_batch_is_issued_in_the_background_and_tells_what_was_refused(
    house: House, acting: Acting, chief: Actor, stage: Stage
) -> None:
    good, _ = visit_to(house, acting("lin"))
    early, _ = visit_to(house, acting("lin"), Milestone.FIRST_REVIEWED, name="陈大文", id_no=OTHER_ID)
    with house.unit(chief) as db:
        batch_id = batches.issue_many(db, [good, early, good])
    jobs.run_jobs(house)
    with house.unit(chief, write=False) as db:
        batch = batches.batch(db, batch_id)
        assert [line.state for line in batch.lines] == ["done", "refused"]
        assert "终审" in batch.lines[1].text
        assert batch.is_finished and batch.percent == 100
        assert service.versions(db, good)[0].issued_by == chief.staff_id
        assert service.versions(db, early) == ()
    assert breaches(house) == []


def test_a_batch_draws_while_others_write_and_draws_anew_what_changed_meanwhile(
    house: House, acting: Acting, chief: Actor, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    with house.unit(chief) as db:
        batch_id = batches.issue_many(db, [visit_id])
    drawn: list[int] = []

    def slowly(*given: object) -> sealing.Sealed:
        # Another person writes while this report is drawn, which would wait for ever if drawing held the writer.
        visit_to(house, acting("lin"), Milestone.FIRST_REVIEWED, name="陈大文", id_no=OTHER_ID)
        stage.version += not drawn
        stage.departments = (general(), laboratory(*READINGS, version=3))
        drawn.append(len(given))
        monkeypatch.setattr(service.sealing, "sealed", real)
        return real(*given)  # type: ignore[arg-type]

    real = sealing.sealed
    monkeypatch.setattr(service.sealing, "sealed", slowly)
    batches.issue_waiting(house)
    with house.unit(chief, write=False) as db:
        assert drawn and batches.batch(db, batch_id).count("waiting") == 1
        assert service.versions(db, visit_id) == ()
    batches.issue_waiting(house)
    with house.unit(chief, write=False) as db:
        assert batches.batch(db, batch_id).count("done") == 1
        assert [each.version for each in service.versions(db, visit_id)[0].manifest] == [1, 3]
    assert breaches(house) == []


def test_a_crash_while_a_batch_is_issued_leaves_a_request_waiting_or_dealt_with(
    house: House, acting: Acting, chief: Actor, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits_ = [visit_to(house, acting("lin"))[0], visit_to(house, acting("lin"), name="陈大文", id_no=OTHER_ID)[0]]
    with house.unit(chief) as db:
        batch_id = batches.issue_many(db, visits_)

    def told() -> list[tuple[str, int]]:
        with house.unit(chief, write=False) as db:
            states = [line.state for line in batches.batch(db, batch_id).lines]
            return [(state, len(service.versions(db, each))) for state, each in zip(states, visits_, strict=True)]

    class PowerCut(BaseException):
        """The process ends here."""

    def cut(at: str) -> None:
        def crash_point(house: House, name: str) -> None:
            # Not in the thread that writes down who read what: the cut is to fall into the issuing.
            if name == at and threading.current_thread() is threading.main_thread():
                raise PowerCut

        monkeypatch.setattr(kit, "crash_point", crash_point)

    for at, expected in (
        ("before_commit", [("waiting", 0), ("waiting", 0)]),
        ("after_commit", [("done", 1), ("waiting", 0)]),
        ("nowhere", [("done", 1), ("done", 1)]),
    ):
        cut(at)
        try:
            batches.issue_waiting(house)
        except PowerCut:
            assert at != "nowhere"
        cut("nowhere")
        assert told() == expected
    assert breaches(house) == []


def test_a_report_that_cannot_be_drawn_keeps_no_other_one_waiting(
    house: House, acting: Acting, chief: Actor, stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = visit_to(house, acting("lin"))[0], visit_to(house, acting("lin"), name="陈大文", id_no=OTHER_ID)[0]
    real = sealing.sealed

    def failing(given: House, document: Document, at: object) -> sealing.Sealed:
        if document.header.person.name == "韦小明":
            raise ZeroDivisionError("韦小明")
        return real(given, document, at)  # type: ignore[arg-type]

    monkeypatch.setattr(service.sealing, "sealed", failing)
    with house.unit(chief) as db:
        batch_id = batches.issue_many(db, [bad, good])
    batches.issue_waiting(house)
    with house.unit(chief, write=False) as db:
        lines = batches.batch(db, batch_id).lines
        assert [line.state for line in lines] == ["refused", "done"]
        assert "系统管理员" in lines[0].text
    assert "ZeroDivisionError" in caplog.text and "韦小明" not in caplog.text
    assert breaches(house) == []


@pytest.mark.parametrize(
    "fault", [NoConnectionFree("no connection"), OSError(errno.EIO, "disk"), StaleDataError("changed")], ids=lambda each: type(each).__name__
)
def test_a_passing_fault_leaves_the_request_for_the_next_round(
    house: House, acting: Acting, chief: Actor, stage: Stage, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    with house.unit(chief) as db:
        batch_id = batches.issue_many(db, [visit_id])

    def failing(*_: object) -> None:
        raise fault

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(service, "record_unchanged", failing)
        batches.issue_waiting(house)
    for expected in ("waiting", "done"):
        with house.unit(chief, write=False) as db:
            assert [line.state for line in batches.batch(db, batch_id).lines] == [expected]
        batches.issue_waiting(house)
    assert breaches(house) == []


def refused_below(folder: Path, number: int) -> OSError:
    """What the system says of a file in a folder."""
    return OSError(number, "refused", str(folder / "file"))


def test_a_lasting_fault_is_told_with_its_reason_until_the_report_is_issued(
    house: House, acting: Acting, chief: Actor, stage: Stage, desk: Callable[[str], Desk], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (bad, number), (good, _) = visit_to(house, acting("lin")), visit_to(house, acting("lin"), name="陈大文", id_no=OTHER_ID)
    with house.unit(chief) as db:
        batch_id = batches.issue_many(db, [bad])
    real = service.prepare

    def failing(db: Session, visit_id: UUID, *, lock: bool = True) -> service.Prepared:
        if visit_id == bad:
            raise refused_below(sealing.folder_of(house), errno.ENOENT)
        return real(db, visit_id, lock=lock)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(service, "prepare", failing)
        meanwhile.setattr(batches, "MOST_IN_ROUND", 1)
        for _ in range(3):
            batches.issue_waiting(house)
        with house.unit(chief) as db:
            later = batches.issue_many(db, [good])
        batches.issue_waiting(house)  # one a round: what failed stands behind what was never tried
        pages = {path: desk("zhao").get(path).text for path in (f"/reports/batches/{batch_id}", "/reports", f"/reports/{number}")}
    assert {path: "电子章文件缺失" in page and "自动重试" in page for path, page in pages.items()} == dict.fromkeys(pages, True)
    assert str(house.data) not in "".join(pages.values())
    with house.unit(chief, write=False) as db:
        assert (batches.batch(db, batch_id).held_up, batches.batch(db, later).count("done")) == (1, 1)
    told = [each for each in caplog.records if each.name == "reporting.batches" and each.levelname == "ERROR"]
    assert len(told) == 1
    batches.issue_waiting(house)
    with house.unit(chief, write=False) as db:
        [line] = batches.batch(db, batch_id).lines
        assert (line.state, line.text, batches.issuing(db)) == ("done", "已发布第 1 版", batches.Issuing(False, 0, ""))
    assert "自动重试" not in desk("zhao").get("/reports").text
    assert breaches(house) == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OSError(errno.ENOSPC, "full"), "报告文件磁盘空间不足"),
        (refused_below(Path("data"), errno.EROFS), "报告文件磁盘为只读"),
        (OSError("strange"), "报告文件无法读写"),
        (Refused("space.full", "磁盘空间不足", ""), "磁盘空间不足"),
    ],
    ids=["full", "read only", "strange", "nearly full"],
)
def test_a_fault_of_the_disk_has_words_of_its_own(
    sqlite_house: House, stage_below: Stage, monkeypatch: pytest.MonkeyPatch, fault: Exception, words: str
) -> None:
    zhao = actor_named(sqlite_house, "zhao")
    visit_id, _ = visit_to(sqlite_house, actor_named(sqlite_house, "lin"))
    with sqlite_house.unit(zhao) as db:
        batch_id = batches.issue_many(db, [visit_id])

    def failing(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(service, "prepare", failing)
    batches.issue_waiting(sqlite_house)
    with sqlite_house.unit(zhao, write=False) as db:
        [line] = batches.batch(db, batch_id).lines
    assert line.state == "waiting"
    assert line.text.startswith(f"发布失败:{words}。系统每隔几秒自动重试")


def test_a_request_that_is_older_than_a_recall_issues_nothing(
    house: House, acting: Acting, chief: Actor, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    visit_id, visit_no = visit_to(house, acting("lin"))
    with house.unit(chief) as db:
        old = batches.issue_many(db, [visit_id])
    house.clock.advance(seconds=1)  # type: ignore[attr-defined]
    with house.unit(chief) as db:
        service.issue(db, visit_id)
    with house.unit(chief) as db:
        service.recall(db, visit_id, "结论有误")
    batches.issue_waiting(house)
    with house.unit(chief, write=False) as db:
        [line] = batches.batch(db, old).lines
        assert (line.state, line.text) == ("refused", "申请之后报告已发布或撤回。请重新申请")
        assert [each.number for each in service.versions(db, visit_id)] == [1]
    told = [record.getMessage() for record in caplog.records if record.name == "reporting.batches"]
    assert told == ["a report was refused: reporting.overtaken"]
    assert not [each for each in ("韦小明", visit_no) if each in caplog.text]
    house.clock.advance(seconds=1)  # type: ignore[attr-defined]
    with house.unit(chief) as db:
        batches.issue_many(db, [visit_id])
    batches.issue_waiting(house)
    with house.unit(chief, write=False) as db:
        assert [each.number for each in service.versions(db, visit_id)] == [2, 1]
    assert breaches(house) == []


def test_a_report_is_issued_by_itself_only_where_that_was_turned_on(
    house: House, acting: Acting, chief: Actor, stage: Stage
) -> None:
    from chief_review.facts import ReviewFinalized

    visit_id, _ = visit_to(house, acting("lin"))
    for is_on in (False, True):
        with house.unit(chief) as db:
            batches.set_issued_automatically(db, is_on)
            announce(db, ReviewFinalized(visit_id, "01", 1))
        while jobs.deliver(house):
            pass
        batches.issue_waiting(house)
        with house.unit(chief, write=False) as db:
            assert [each.issued_by for each in service.versions(db, visit_id)] == [None] * is_on
    assert breaches(house) == []

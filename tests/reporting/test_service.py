"""Reports through their service, on both databases: issue, check, recall, issue again, hand over."""

from __future__ import annotations

import hashlib
import logging
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import func, select

from exam.kit import audit
from exam.kit.errors import NotFound, Refused
from exam.kit.house import Actor, House, system_actor
from exam.visits import service as visits
from exam.visits.facts import Milestone, VisitState
from reporting import queries, sealing, service, verify
from reporting.document import Document, digest
from reporting.facts import ReportKind, ReportState
from reporting.models import Version
from reporting.queries import Tab
from reporting.seal import verify as verify_seal
from reporting.store import store_of
from results.facts import ResultStored
from tests.reporting.cases import HOSTILE
from tests.reporting.staging import HBSAG, LIVER, READINGS, Acting, Stage, general, laboratory, stage_of, visit_to

OTHER_ID = "450110199003070016"


@pytest.fixture
def stage(house: House, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The rooms below as stand-ins."""
    return stage_of(house, monkeypatch)


@pytest.fixture
def chief(acting: Acting) -> Actor:
    """A chief reviewer."""
    return acting("zhao")


def issue(house: House, actor: Actor, visit_id: UUID) -> int:
    with house.unit(actor) as db:
        return service.issue(db, visit_id).number


def breaches(house: House) -> list[str]:
    """What reporting's own invariants and the audit say."""
    found: list[str] = []
    with house.unit(system_actor("01"), write=False) as db:
        for invariant in verify.INVARIANTS:
            found += invariant.check(db)
        found += audit.breaches(db)
        found += audit.row_breaches(db)
    return found


# --- issuing ---------------------------------------------------------------------------------------------------------


def test_an_issued_report_is_sealed_stored_and_served_unchanged(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    visit_id, visit_no = visit_to(house, acting("lin"))
    assert issue(house, chief, visit_id) == 1
    with house.unit(chief, write=False) as db:
        version = service.versions(db, visit_id)[0]
        file = service.pdf(db, visit_id, 1)
        verdict = service.check(db, visit_id, 1)
        assert visits.state_of(db, visit_id) == VisitState.PUBLISHED
        assert service.current_pdf(db, visit_id).content == file.content
    assert hashlib.sha256(file.content).hexdigest() == version.pdf_sha256
    assert len(file.content) == version.pdf_bytes
    assert file.name == f"体检报告_韦小明_{visit_no}_第1版.pdf"
    assert verify_seal(file.content, sealing.trust_roots(house)).is_valid
    assert verdict.is_valid and verdict.is_standing and all(is_good for _, is_good, _ in verdict.lines)
    assert (version.state, version.is_current, version.has_supplement) == (ReportState.ISSUED, True, True)
    assert breaches(house) == []


def test_the_stored_document_draws_the_same_bytes_again(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    issue(house, chief, visit_id)
    with house.unit(chief, write=False) as db:
        version = service.versions(db, visit_id)[0]
        document = service.stored_document(db, visit_id, 1)
        again = sealing.drawn(db, document, version.signed_at)
    assert digest(document) == version.document_digest
    assert hashlib.sha256(again.pdf).hexdigest() == version.drawn_sha256


def test_preview_and_issue_show_the_same_document(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    with house.unit(chief, write=False) as db:
        previewed = service.document_for(db, visit_id)
    issue(house, chief, visit_id)
    with house.unit(chief, write=False) as db:
        assert service.stored_document(db, visit_id, 1) == previewed.document
        assert service.stored_document(db, visit_id, 1, ReportKind.SUPPLEMENT) == previewed.supplement


def test_the_private_items_are_in_the_supplement_file_alone(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    issue(house, chief, visit_id)
    with house.unit(chief, write=False) as db:
        main = msgspec.json.encode(service.stored_document(db, visit_id, 1)).decode()
        supplement = msgspec.json.encode(service.stored_document(db, visit_id, 1, ReportKind.SUPPLEMENT)).decode()
    assert "乙肝" not in main
    assert "乙肝表面抗原" in supplement


def test_a_report_without_private_items_has_no_supplement(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    stage.departments, stage.lines = (general(), laboratory(*READINGS)), (LIVER,)
    visit_id, _ = visit_to(house, acting("lin"), groups=())
    issue(house, chief, visit_id)
    with house.unit(chief, write=False) as db:
        assert not service.versions(db, visit_id)[0].has_supplement
        with pytest.raises(NotFound):
            service.pdf(db, visit_id, 1, ReportKind.SUPPLEMENT)


@pytest.mark.parametrize("last", [Milestone.CHIEF_STARTED, Milestone.FIRST_REVIEWED])
def test_nothing_is_issued_before_the_final_review(
    house: House, acting: Acting, chief: Actor, stage: Stage, last: Milestone
) -> None:
    visit_id, _ = visit_to(house, acting("lin"), last)
    with pytest.raises(Refused, match=r"reporting\.not_final"):
        issue(house, chief, visit_id)
    with house.unit(chief, write=False) as db:
        assert service.versions(db, visit_id) == ()
        assert service.document_for(db, visit_id).document.header.version_no == 1


def test_a_report_is_not_issued_twice_nor_with_one_signature(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    stage.signers = (("first", "he"),)
    with pytest.raises(Refused, match="signature_missing"):
        issue(house, chief, visit_id)
    stage.signers = (("first", "he"), ("final", "zhao"))
    issue(house, chief, visit_id)
    with pytest.raises(Refused, match="issued_already"):
        issue(house, chief, visit_id)
    assert breaches(house) == []


def test_a_refused_issue_leaves_no_row(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    visit_id, _ = visit_to(house, acting("lin"), package="P01", groups=(), category="entry")
    with pytest.raises(Refused, match="barred_conclusion"):
        issue(house, chief, visit_id)
    with house.unit(None, write=False) as db:
        assert db.scalar(select(func.count()).select_from(Version)) == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_doctor_types_is_printed_as_typed(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    from tests.conftest import actor_named

    stage = stage_of(sqlite_house, monkeypatch)
    stage.departments = (general(summary=text, doctor=text[:12]),)
    stage.lines = (msgspec.structs.replace(LIVER, text=text, advice=text, lifestyle=text),)
    visit_id, _ = visit_to(sqlite_house, actor_named(sqlite_house, "lin"), groups=())
    chief = actor_named(sqlite_house, "zhao")
    issue(sqlite_house, chief, visit_id)
    with sqlite_house.unit(chief, write=False) as db:
        assert service.check(db, visit_id, 1).is_valid
        shown = repr(service.stored_document(db, visit_id, 1))
    assert repr(text)[1:-1].split("\\\\n")[0] in shown
    assert breaches(sqlite_house) == []


# --- recall and re-issue ---------------------------------------------------------------------------------------------


def test_a_recall_keeps_the_version_and_the_next_one_supersedes_it(
    house: House, acting: Acting, chief: Actor, stage: Stage
) -> None:
    visit_id, visit_no = visit_to(house, acting("lin"))
    issue(house, chief, visit_id)
    with house.unit(chief, write=False) as db:
        first = service.pdf(db, visit_id, 1).content
    with house.unit(chief) as db:
        assert service.recall(db, visit_id, "结论有误") == 1
    with house.unit(chief, write=False) as db:
        assert visits.state_of(db, visit_id) == VisitState.FINAL
        assert service.current(db, visit_id) is None
        with pytest.raises(NotFound):
            service.current_pdf(db, visit_id)
        kept = service.pdf(db, visit_id, 1)
        assert kept.content == first
        assert kept.name.startswith("已撤回_")
    stage.lines, stage.version = (LIVER,), 2
    assert issue(house, chief, visit_id) == 2
    with house.unit(chief, write=False) as db:
        second, old = service.versions(db, visit_id)
        assert (second.number, second.state, old.number, old.state) == (2, ReportState.ISSUED, 1, ReportState.SUPERSEDED)
        assert old.recall_reason == "结论有误"
        assert service.pdf(db, visit_id, 1).content == first
        assert service.pdf(db, visit_id, 1).name == f"已被替代_体检报告_韦小明_{visit_no}_第1版.pdf"
        assert "替代第 1 版" in repr(service.stored_document(db, visit_id, 2))
        verdict = service.check(db, visit_id, 1)
        assert verdict.is_valid and not verdict.is_standing
    assert breaches(house) == []


def test_undoing_the_final_review_is_vetoed_while_a_report_is_issued(
    house: House, acting: Acting, chief: Actor, stage: Stage
) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    issue(house, chief, visit_id)
    with pytest.raises(Refused) as refused, house.unit(chief) as db:
        visits.undo(db, visit_id, Milestone.FINAL_REVIEWED, "重新主检")
    assert "撤回" in refused.value.hint
    with house.unit(chief) as db:
        service.recall(db, visit_id, "重新主检")
        visits.undo(db, visit_id, Milestone.FINAL_REVIEWED, "重新主检")
        assert visits.state_of(db, visit_id) == VisitState.FIRST_REVIEWED


def test_the_listener_itself_vetoes_whoever_calls(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    issue(house, chief, visit_id)
    with pytest.raises(Refused, match="recall_first"), house.unit(chief) as db:
        service.on_milestone(db, visits.MilestoneReached(visit_id, "01", Milestone.FINAL_REVIEWED, undone=True))


def test_a_delivered_report_is_recalled_only_after_the_examinee_was_told(
    house: House, acting: Acting, chief: Actor, stage: Stage
) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    issue(house, chief, visit_id)
    with house.unit(acting("lin")) as db:
        service.deliver(db, visit_id, "本人")
        assert visits.state_of(db, visit_id) == VisitState.DELIVERED
    with pytest.raises(Refused, match=r"reporting\.delivered"), house.unit(chief) as db:
        service.recall(db, visit_id, "结论有误")
    with house.unit(chief) as db:
        service.recall(db, visit_id, "结论有误", is_examinee_told=True)
        assert visits.state_of(db, visit_id) == VisitState.FINAL
    assert breaches(house) == []


def test_a_hand_over_entered_by_mistake_is_taken_back(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    issue(house, chief, visit_id)
    with house.unit(acting("lin")) as db:
        service.deliver(db, visit_id, "李秀英(妻)")
    with house.unit(acting("lin")) as db:
        service.undo_delivery(db, visit_id, "登记错人")
    with house.unit(chief, write=False) as db:
        version = service.versions(db, visit_id)[0]
        assert (version.state, version.received_by) == (ReportState.ISSUED, "")
    assert breaches(house) == []


def test_a_later_result_marks_the_report_and_stops_its_delivery(
    house: House, acting: Acting, chief: Actor, stage: Stage
) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    issue(house, chief, visit_id)
    stage.departments = (general(), laboratory(*READINGS, HBSAG, version=3))
    with house.unit(system_actor("01")) as db:
        service.on_result_stored(db, ResultStored(visit_id, "01", "LAB", 3, ("ALT",)))
        service.on_result_stored(db, ResultStored(visit_id, "01", "LAB", 3, ("WBC",)))
    with house.unit(chief, write=False) as db:
        standing = service.current(db, visit_id)
        assert standing is not None and not standing.is_current
        with pytest.raises(Refused, match=r"reporting\.outdated"):
            service.current_pdf(db, visit_id)
        assert not service.check(db, visit_id, 1).is_standing
    with pytest.raises(Refused, match=r"reporting\.outdated"), house.unit(acting("lin")) as db:
        service.deliver(db, visit_id)
    assert breaches(house) == []


def test_the_invariant_finds_a_changed_result_that_nobody_marked(
    house: House, acting: Acting, chief: Actor, stage: Stage
) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    issue(house, chief, visit_id)
    stage.departments = (general(), laboratory(*READINGS, HBSAG, version=3))
    assert any("LAB" in breach for breach in breaches(house))


# --- damage and strangers --------------------------------------------------------------------------------------------


def test_a_flipped_byte_is_refused_alarmed_and_found_by_verify(
    house: House, acting: Acting, chief: Actor, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    issue(house, chief, visit_id)
    with house.unit(chief, write=False) as db:
        path = store_of(house).path_of(service.versions(db, visit_id)[0].pdf_sha256)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0x10
    path.write_bytes(bytes(damaged))
    with caplog.at_level(logging.CRITICAL), house.unit(chief, write=False) as db:
        with pytest.raises(Refused, match=r"reporting\.damaged"):
            service.pdf(db, visit_id, 1)
        assert not service.check(db, visit_id, 1).is_valid
    assert "damaged" in caplog.text
    assert any("reporting.damaged" in breach for breach in breaches(house))


def test_another_site_finds_no_report(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    issue(house, chief, visit_id)
    stranger = Actor(staff_id=None, login="zhou", name="周", site="02")
    with house.unit(stranger, write=False) as db:
        for read in (service.versions, service.document_for, service.current_pdf):
            with pytest.raises(NotFound):
                read(db, visit_id)
        with pytest.raises(NotFound):
            service.pdf(db, visit_id, 1)
        assert queries.find(db, Tab.ISSUED).total == 0


# --- lists -----------------------------------------------------------------------------------------------------------


def test_the_three_lists_follow_the_report(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    visit_id, visit_no = visit_to(house, acting("lin"))

    def totals() -> tuple[int, ...]:
        with house.unit(chief, write=False) as db:
            return tuple(queries.find(db, tab).total for tab in Tab)

    assert totals() == (1, 0, 0)
    issue(house, chief, visit_id)
    assert totals() == (0, 1, 0)
    with house.unit(chief) as db:
        service.recall(db, visit_id, "结论有误")
    with house.unit(chief, write=False) as db:
        assert queries.find(db, Tab.RECALLED, visit_no).rows[0].recall_reason == "结论有误"
        assert queries.find(db, Tab.WAITING).rows[0].number == 1
    issue(house, chief, visit_id)
    assert totals() == (0, 1, 0)
    with house.unit(chief, write=False) as db:
        for text in ("韦小", "weixm", "wxm", visit_no, f"{visit_no}01", "0018"):
            assert queries.find(db, Tab.ISSUED, text).total == (text != "weixm"), text
        for text in ("%", "_", "韦%", "'; drop table", "李"):
            assert queries.find(db, Tab.ISSUED, text).total == 0


def test_a_stored_document_reads_back_as_it_was(house: House, acting: Acting, chief: Actor, stage: Stage) -> None:
    visit_id, _ = visit_to(house, acting("lin"))
    with house.unit(chief, write=False) as db:
        document = service.document_for(db, visit_id).document
    assert msgspec.json.decode(msgspec.json.encode(document), type=Document) == document

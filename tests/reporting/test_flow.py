"""From the signed results to the report and back, through the real rooms below; every invariant of the house holds."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from chief_review import service as reviews
from chief_review.facts import ReviewState
from exam.kit.errors import Refused
from exam.kit.house import House, system_actor
from reporting import service
from reporting.document import Paragraphs, ResultTable
from reporting.facts import ReportState
from results import service as results
from results.facts import DeliveredValue
from tests.chief_review.cases import HEALTHY_LIPIDS, TODAY, ULTRASOUND, breaches, examined, finalized, shown, signer
from tests.conftest import actor_named


def sign_again(house: House, visit_id: UUID) -> None:
    with house.unit(signer(house, "liang")) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)


def test_a_report_is_issued_recalled_reviewed_again_and_issued_anew(house: House) -> None:
    visit_id = finalized(house)
    chief = actor_named(house, "zhao")
    with house.unit(chief) as db:
        assert service.issue(db, visit_id).number == 1
    assert breaches(house) == []
    with pytest.raises(Refused), house.unit(signer(house, "liang")) as db:
        reviews.undo_final(db, visit_id, "重新主检")
    assert shown(house, visit_id).state == ReviewState.FINAL
    with house.unit(chief) as db:
        service.recall(db, visit_id, "结论遗漏")
    with house.unit(signer(house, "liang")) as db:
        reviews.undo_final(db, visit_id, "结论遗漏")
    assert breaches(house) == []
    sign_again(house, visit_id)
    with house.unit(chief) as db:
        assert service.issue(db, visit_id).number == 2
    with house.unit(chief, write=False) as db:
        assert [each.state for each in service.versions(db, visit_id)] == [ReportState.ISSUED, ReportState.SUPERSEDED]
        text = repr(service.stored_document(db, visit_id, 2))
    assert "脂肪肝" in text and "甘油三酯" in text
    assert breaches(house) == []


def test_a_correction_from_outside_marks_the_report_and_needs_new_signatures(house: House) -> None:
    visit_id = finalized(house)
    chief = actor_named(house, "zhao")
    with house.unit(chief) as db:
        service.issue(db, visit_id)
    with house.unit(system_actor("01")) as db:
        results.receive(db, visit_id, "LAB", [DeliveredValue("TG", "5.90", "mmol/L")], reason="检验系统更正")
    with house.unit(chief, write=False) as db:
        standing = service.current(db, visit_id)
        assert standing is not None and not standing.is_current
    assert breaches(house) == []
    with house.unit(chief) as db:
        service.recall(db, visit_id, "甘油三酯更正")
    with pytest.raises(Refused, match=r"reporting\.signed_before"), house.unit(chief) as db:
        service.issue(db, visit_id)


def test_values_of_an_earlier_visit_stand_beside_the_present_ones_with_their_day(house: House) -> None:
    finalized(house, examined(house, on=TODAY - timedelta(days=365)))
    present = finalized(house, examined(house, {"LAB": {**HEALTHY_LIPIDS, "GLU": "7.40"}, "USG": ULTRASOUND}))
    with house.unit(actor_named(house, "zhao"), write=False) as db:
        document = service.document_for(db, present).document
    tables = [block for block in document.blocks if isinstance(block, ResultTable)]
    printed = {each.name: (each.value, each.previous_value) for table in tables for each in table.readings}
    assert ("4.50", "6.50") in printed.values() and ("7.40", "7.40") in printed.values()
    notes = next(block for block in document.blocks if isinstance(block, Paragraphs)).lines
    assert "最近一次体检：2025-11-21" in notes[-1]


def test_a_report_drawn_beside_the_writers_is_refused_when_something_changed_meanwhile(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit_id = finalized(house)
    chief = actor_named(house, "zhao")
    real = service.sealing.sealed

    def slowly(*given: object) -> object:
        monkeypatch.setattr(service.sealing, "sealed", real)
        with house.unit(system_actor("01")) as db:
            results.receive(db, visit_id, "LAB", [DeliveredValue("TG", "5.90", "mmol/L")], reason="检验系统更正")
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(service.sealing, "sealed", slowly)
    with pytest.raises(Refused, match="stale"), house.unit(chief, write=False) as db:
        service.issue_off_turn(db, visit_id)
    with house.unit(chief, write=False) as db:
        assert service.versions(db, visit_id) == ()
    assert breaches(house) == []

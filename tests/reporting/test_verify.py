"""`exam verify` over reports: many visits with the statements of one, and the same findings whatever the span."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from exam.kit.house import House, system_actor
from exam.people.facts import NewPerson
from exam.visits import spans
from reporting import seal_check, sealing, service, verify
from reporting.demo_authority import demo_authority, make_demo_authority
from reporting.store import store_of
from tests.chief_review.cases import OTHER, examined, finalized
from tests.conftest import actor_named
from tests.results.cases import Statements


def checked(house: House) -> tuple[list[str], int]:
    """What all invariants find, and how many statements that took."""
    with house.unit(system_actor("01"), write=False) as db, Statements(house) as statements:
        found = sorted(text for each in verify.INVARIANTS for text in each.check(db))
        return found, len(statements)


def issued(house: House, person: NewPerson | None = None) -> None:
    visit_id = finalized(house, examined(house, person=person) if person else None)
    with house.unit(actor_named(house, "zhao")) as db:
        service.issue(db, visit_id)


def test_the_checks_read_many_visits_with_the_statements_of_one_and_find_the_same_in_any_span(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued(house)
    checked(house)  # the catalogue is kept from here on
    alone = checked(house)
    assert alone[0] == []
    issued(house, OTHER)
    issued(house, NewPerson(name="陈大文", id_no="450110199003070016", phone="13800138002"))
    assert checked(house) == alone
    with house.unit(None) as db:
        db.execute(text("update results_record set version = version + 1 where department = 'LAB'"))
        db.execute(text("update chief_review_review set version = 0 where author_id is not null"))
    found, _ = checked(house)
    assert sum("stands as current, but ['LAB'] changed" in each for each in found) == 3
    assert sum("not of the present review" in each for each in found) == 3
    monkeypatch.setattr(spans, "SPAN", 1)
    assert checked(house)[0] == found


def test_a_department_whose_orders_were_removed_stays_in_a_report_while_it_has_values(house: House) -> None:
    issued(house)
    with house.unit(None) as db:
        db.execute(text("update exam_line_board set state = 'removed' where department = 'LAB'"))
    assert not [each for each in checked(house)[0] if "changed" in each], "what has values stays, ordered or not"


def a_report_of(house: House) -> bytes:
    with house.unit(None, write=False) as db:
        return store_of(house).get(db.execute(text("select pdf_sha256 from reporting_version")).scalars().first())


def test_a_missing_root_certificate_is_said_once_and_no_seal_is_called_wrong(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    issued(house)
    issued(house, OTHER)
    sealing.folder_of(house).rename(house.data.parent / "elsewhere")
    [told] = checked(house)[0]
    assert "the root certificate of the seal is missing" in told
    assert str(house.data.parent / "seal") in told
    assert seal_check.verify(a_report_of(house), []).problems == (seal_check.NO_ROOT,)


def test_a_seal_of_another_authority_is_refused_without_the_librarys_traces(
    sqlite_house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = sqlite_house
    issued(house)
    make_demo_authority(tmp_path / "other", "别家", house.clock.now())
    other = demo_authority(tmp_path / "other").root_certificate_path.read_bytes()
    assert seal_check.NOT_TRUSTED in seal_check.verify(a_report_of(house), [other]).problems
    assert [record.name for record in caplog.records if record.name.startswith("pyhanko")] == []

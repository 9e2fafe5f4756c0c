"""The report names what shall be examined again; what was re-reviewed is issued before the others, and the desk sees why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from chief_review import service as reviews
from exam.kit.house import House, system_actor
from registration import rechecks
from registration.recheck_facts import NewRecheck
from reporting import batches, queries, service
from reporting.document import Document, Heading, Paragraphs
from tests.chief_review.cases import OTHER, TODAY, examined, finalized, signer
from tests.conftest import Desk, actor_named


def order(house: House, visit_id: UUID, group: str, days: int, *, is_private: bool = False) -> UUID:
    with house.unit(system_actor("01")) as db:
        new = NewRecheck(groups=(group,), due_on=TODAY + timedelta(days=days), reason="复查", is_private=is_private)
        return rechecks.order(db, visit_id, [new])[0]


def chapter(document: Document | None) -> tuple[str, ...]:
    """The lines of the chapter on rechecks; empty where there is none."""
    blocks = document.blocks if document else ()
    place = next((number for number, each in enumerate(blocks) if isinstance(each, Heading) and each.text == "复查计划"), None)
    if place is None:
        return ()
    lines = blocks[place + 1]
    assert isinstance(lines, Paragraphs)
    return lines.lines


def test_the_report_says_what_to_examine_again_and_until_when(house: House) -> None:
    visit_id = finalized(house)
    with house.unit(system_actor("01")) as db:
        rechecks.withdraw(db, visit_id, "重新开立")
    with house.unit(actor_named(house, "zhao"), write=False) as db:
        assert chapter(service.document_for(db, visit_id).document) == ()
    open_id = order(house, visit_id, "G036", 30)
    order(house, visit_id, "G038", 60)
    order(house, visit_id, "G043", 90, is_private=True)
    with house.unit(system_actor("01")) as db:
        rechecks.cancel(db, open_id, "重复")
    with house.unit(actor_named(house, "zhao"), write=False) as db:
        preview = service.document_for(db, visit_id)
    (line,) = chapter(preview.document)
    assert "2027年1月20日前" in line.replace(" ", "")
    assert len(chapter(preview.supplement)) == 1


def again(house: House, visit_id: UUID) -> None:
    """The final signature is taken back and given once more."""
    with house.unit(actor_named(house, "liang")) as db:
        reviews.undo_final(db, visit_id, "补充结论")
    with house.unit(signer(house, "liang")) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)


def two_waiting(house: House) -> tuple[UUID, UUID]:
    first = finalized(house)
    second = finalized(house, examined(house, person=OTHER))
    again(house, second)
    return first, second


def test_a_rereviewed_report_jumps_the_list_and_says_why(house: House, desk: Callable[[str], Desk]) -> None:
    first, second = two_waiting(house)
    with house.unit(actor_named(house, "zhao"), write=False) as db:
        rows = queries.find(db, queries.Tab.WAITING).rows
    assert [(row.visit_id, row.is_rereviewed) for row in rows] == [(second, True), (first, False)]
    page = desk("zhao").get("/reports").text
    assert "重审,优先发布" in page and page.index("黄秋燕") < page.index("韦小明")


def test_a_rereviewed_report_is_issued_before_the_others_of_the_batch(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = two_waiting(house)
    with house.unit(actor_named(house, "zhao")) as db:
        batches.issue_many(db, [first, second])
    issued: list[Any] = []
    monkeypatch.setattr(batches, "_issue_one", lambda house, request: issued.append(request.visit_id))
    batches.issue_waiting(house)
    assert issued == [second, first]

"""The time machine: a visit under the rules of another day, and the mark of rules that nobody approved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from chief_review import as_of
from exam.kit.errors import BadInput
from exam.kit.house import House
from exam.knowledge import proposals
from exam.knowledge import service as store
from exam.visits import service as visits
from tests.chief_review.cases import TODAY, examined, finalized, started
from tests.conftest import actor_named
from tests.knowledge.test_store import rule_named

Desks = Callable[[str], Any]
CODE = "D18"


def retitle(house: House, text: str, days: int = 0) -> None:
    """He proposes another wording of the cholesterol rule, Zhao approves it from a day on."""
    import msgspec

    with house.unit(actor_named(house, "he")) as db:
        last = store.history(db, CODE)[0]
        entry = msgspec.structs.replace(last.entry, text=text)
        day = TODAY + timedelta(days=days)
        made = proposals.propose(db, entry, base_version=last.version, valid_from=day, reason="用语")
    with house.unit(actor_named(house, "zhao")) as db:
        proposals.approve(db, made, note="同意")


LAB = {"LAB": {"TC": "6.50", "TG": "1.00", "HDL": "1.30", "LDL": "2.50", "GLU": "5.00"}, "USG": {"US_ABD": ["肝、胆、胰、脾、双肾未见明显异常"]}}


def test_a_visit_is_judged_with_the_rules_of_a_day_as_known_then(house: House) -> None:
    visit_id = started(house, visit_id=examined(house, LAB))
    old = rule_named(CODE).text
    house.clock.advance(days=10)  # type: ignore[attr-defined]
    retitle(house, "胆固醇明显升高", days=10)
    with house.unit(actor_named(house, "he"), write=False) as db:
        then = as_of.judged(db, visit_id, TODAY)
        now = as_of.judged(db, visit_id, TODAY + timedelta(days=10))
        between = as_of.judged(db, visit_id, TODAY + timedelta(days=9))
    assert [(each.act, each.then.text if each.then else "") for each in then.lines if each.key == CODE] == [("same", old)]
    assert [(each.act, each.then.text if each.then else "") for each in now.lines if each.key == CODE] == [("changed", "胆固醇明显升高")]
    assert [each.act for each in between.lines] == ["same"] * len(between.lines)
    assert all(each.act in ("same", "changed") for each in now.lines)


def test_a_day_to_come_or_no_day_is_refused(house: House, desk: Desks) -> None:
    visit_id = examined(house, LAB)
    with house.unit(actor_named(house, "he"), write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
        with pytest.raises(BadInput):
            as_of.judged(db, visit_id, TODAY + timedelta(days=1))
    he = desk("he")
    for day in ("2026-02-30", "nonsense", (TODAY + timedelta(days=1)).isoformat(), "1000-01-01"):
        assert he.get(f"/chief/{visit_no}/as-of?on={day}").status_code == 422
    assert desk("lin").get(f"/chief/{visit_no}/as-of").status_code == 403


def test_the_page_shows_both_sides_and_marks_rules_that_nobody_approved(house: House, desk: Desks) -> None:
    visit_id = finalized(house, examined(house, LAB))
    retitle(house, "胆固醇明显升高")
    he = desk("he")
    with house.unit(he.actor, write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
    page = unescape(he.get(f"/chief/{visit_no}/as-of?on={TODAY}").text)
    assert "文字不同" in page
    assert "胆固醇明显升高" in page
    assert rule_named(CODE).text in page
    assert page.count("未批准") == 1  # the stored line spoke by the shipped version, today's is approved


def test_the_desk_marks_a_reason_by_a_rule_that_nobody_approved_until_somebody_does(house: House, desk: Desks) -> None:
    visit_id = started(house, visit_id=examined(house, LAB))
    he = desk("he")
    with house.unit(he.actor, write=False) as db:
        visit_no = visits.card(db, visit_id).visit_no
    assert "规则未批准" in unescape(he.get(f"/chief/{visit_no}").text)
    with house.unit(actor_named(house, "zhao")) as db:
        proposals.approve_version(db, CODE, 1, note="已核对")
    assert "规则未批准" not in unescape(he.get(f"/chief/{visit_no}").text)

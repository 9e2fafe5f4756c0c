"""What paper that is carried openly says: no private item by name, no advice that concerns the other sex."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from exam.kit.house import Actor, House
from registration import consents, printing, service
from registration.facts import WalkIn
from registration.rules import advice_for
from tests.registration.cases import pay_all, walk_in
from tests.reporting.reading import joined, text_of

Acting = Callable[[str], Actor]
PRIVATE = ("G050", "G052")


def with_private_items(house: House, actor: Actor, new: WalkIn) -> UUID:
    visit_id = walk_in(house, actor, new).visit_id
    pay_all(house, actor, visit_id)
    with house.unit(actor) as db:
        consents.give(db, visit_id, consents.text_in_force(db).version)
        service.check_in(db, visit_id)
    return visit_id


def test_guide_sheet_and_labels_name_no_private_item(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = with_private_items(house, lin, WalkIn(name="韦小明", id_no="450110198503150018", package="P03", groups=PRIVATE))
    with house.unit(lin) as db:
        sheet, labels = joined(text_of(printing.guide_sheet(db, visit_id))), joined(text_of(printing.labels(db, visit_id, [])))
    for paper in (sheet, labels):
        assert "HIV" not in paper and "乙肝" not in paper and "知情同意" not in paper
    assert "隐私项目2项" in sheet and "隐私项目" in labels and "血常规五分类" in labels


def test_a_mans_sheet_has_no_womens_advice_and_no_stop_without_him(house: House, acting: Acting) -> None:
    lin = acting("lin")
    visit_id = with_private_items(house, lin, WalkIn(name="韦小明", id_no="450110198503150018", package="P03", groups=PRIVATE))
    with house.unit(lin) as db:
        sheet = joined(text_of(printing.guide_sheet(db, visit_id)))
        forms = joined(text_of(printing.request_forms(db, visit_id, [])))
    for paper in (sheet, forms):
        assert not [word for word in ("女性", "经期", "备孕", "怀孕") if word in paper]
    assert "取下金属饰物" in sheet and "取下金属饰物" in forms and "留中段尿" in sheet
    assert "主检室" not in sheet and "静脉采血" not in sheet and "弃检签字" not in sheet
    assert sheet.count("拒检人签字") >= 2, "the hint names the column as it is headed"


@pytest.mark.parametrize(
    ("text", "sex", "kept"),
    [
        ("留中段尿,女性避开经期", "M", "留中段尿"),
        ("留中段尿,女性避开经期", "F", "留中段尿,女性避开经期"),
        ("备孕、怀孕或可能怀孕者不做;取下金属饰物", "M", "取下金属饰物"),
        ("避开经期", "M", ""),
        ("采血后按压 5 分钟。", "M", "采血后按压 5 分钟。"),
    ],
)
def test_advice_keeps_only_the_clauses_that_concern_the_person(text: str, sex: str, kept: str) -> None:
    assert advice_for(text, sex) == kept

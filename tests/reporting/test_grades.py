"""The grades A to E in the report: from the day's scales, on paper and on screen, never a private one."""

from __future__ import annotations

from exam.kit.house import House
from exam.kit.paper import fonts
from reporting.composing import compose, compose_supplement
from reporting.contents import contents
from reporting.document import Grade, GradeTable
from reporting.gathering import sources
from reporting.pdf import draw
from tests.chief_review.cases import examined
from tests.conftest import actor_named
from tests.reporting.cases import DRAWN_AT, a_report
from tests.reporting.reading import text_of

GRADES = (Grade("血压", "C", "收缩压 145 mmHg ↑、舒张压 88 mmHg"), Grade("乙肝", "B", "隐私", is_private=True))


def test_each_domain_stands_with_its_grade_its_meaning_and_its_values() -> None:
    document = compose(a_report(grades=GRADES))
    assert [block.lines for block in document.blocks if isinstance(block, GradeTable)] == [GRADES[:1]]
    text = text_of(draw(document, DRAWN_AT, fonts()).pdf)
    assert "健康分级" in text and "需复查或改善" in text and "收缩压 145 mmHg" in text
    assert "隐私" not in text.split("健康分级")[1].split("各科检查结果")[0]


def test_a_supplement_has_none() -> None:
    supplement = compose_supplement(a_report(grades=GRADES))
    assert supplement is None or not [block for block in supplement.blocks if isinstance(block, GradeTable)]


def test_the_grades_are_those_of_the_visits_values(house: House) -> None:
    visit_id = examined(house)
    with house.unit(actor_named(house, "zhao"), write=False) as db:
        found = {each.name: (each.grade, each.values) for each in contents(sources(db, visit_id, 1, 0)).report.grades}
    assert found["空腹血糖"] == ("D", "空腹血糖 7.40 mmol/L ↑")
    assert "血压" not in found

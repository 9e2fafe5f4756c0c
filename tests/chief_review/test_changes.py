"""OTH-3: a result that changes after the conclusion reopens the review with the changed lines marked, before and after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from uuid import UUID

from chief_review import changes
from chief_review import service as reviews
from chief_review.facts import ConclusionLine, LineChanges, ValueChange
from exam.kit.house import House, system_actor
from exam.knowledge.facts import Because, Case, Flag, Reading, Subject
from results import service as results
from results.facts import DeliveredValue
from tests.chief_review.cases import finalized, first_signed, signer, started
from tests.chief_review.test_service import Acting, lines_of
from tests.conftest import Desk

SUGAR = Reading("GLU", "葡萄糖", "5.20", flag=Flag.NORMAL)


def line(key: str, *reasons: tuple[str, str, str], parts: tuple[str, ...] = ()) -> ConclusionLine:
    return ConclusionLine(key, f"结论{key}", parts=parts, because=tuple(Because(rule, 1, (item,), (said,)) for rule, item, said in reasons))


CASE = Case(Subject("M", 41), date(2026, 11, 21), {"GLU": SUGAR})
WAS = ("D13", "GLU", "葡萄糖 7.40 mmol/L ↑")


def test_a_signed_line_whose_value_changed_says_both_values_also_when_its_reasons_follow_already() -> None:
    found = changes.changes_since([line("D13", ("D13", "GLU", "葡萄糖 5.20"))], [line("D13", WAS)], CASE, ())
    (change,) = found.by_line["D13"]
    assert change.before == WAS[2] and change.after.startswith("葡萄糖") and found.new == frozenset() == frozenset(found.gone)


def test_new_lines_are_named_and_signed_ones_that_are_no_more_are_not_forgotten() -> None:
    found = changes.changes_since([line("D20")], [line("D13", WAS)], CASE, ())
    assert found.new == {"D20"}
    assert [(text, len(each)) for text, each in found.gone] == [("结论D13", 1)]


def test_the_parts_of_a_merged_line_were_signed_and_a_merging_rule_has_no_findings_of_its_own() -> None:
    merged = line("D13+D20", parts=("D13", "D20"))
    assert changes.changes_since([merged], [line("D13", WAS)], CASE, ()).by_line["D13+D20"][0].before == WAS[2]
    assert changes.changes_since([merged], [line("D13", WAS)], CASE, {"D13"}) == LineChanges()


def test_a_result_that_is_gone_is_said_to_be() -> None:
    found = changes.changes_since([line("X", ("X", "HBA1C", "糖化血红蛋白 7.0 ↑"))], None, CASE, ())
    assert found.by_line == {"X": (ValueChange("糖化血红蛋白 7.0 ↑", changes.GONE),)}


def correct(house: House, visit_id: UUID, value: str) -> None:
    """The laboratory delivers another value from outside."""
    with house.unit(system_actor("01")) as db:
        results.receive(db, visit_id, "LAB", [DeliveredValue("GLU", value, "mmol/L")], reason="检验科更正")


def changes_on_screen(house: House, visit_id: UUID) -> LineChanges:
    with house.unit(system_actor("01"), write=False) as db:
        return reviews.screen(db, visit_id).changes


def of_sugar(found: LineChanges) -> list[ValueChange]:
    return [change for each in found.by_line.values() for change in each if "7.40" in change.before]


def test_a_correction_after_the_final_signature_marks_the_lines_until_they_are_signed_again(
    house: House, acting: Acting, desk: Callable[[str], Desk]
) -> None:
    visit_id = finalized(house)
    assert changes_on_screen(house, visit_id) == LineChanges()
    correct(house, visit_id, "5.20")
    assert of_sugar(changes_on_screen(house, visit_id))
    with house.unit(acting("liang")) as db:
        reviews.undo_final(db, visit_id, "血糖更正")
    with house.unit(acting("liang")) as db:
        reviews.undo_first(db, visit_id, "血糖更正")
    with house.unit(system_actor("01"), write=False) as db:
        visit_no = reviews.screen(db, visit_id).card.visit_no
    page = desk("he").get(f"/chief/{visit_no}").text
    assert "line-changes" in page and "7.40" in page and "5.20" in page and "重审" in page
    with house.unit(acting("he")) as db:
        review = reviews.regenerate(db, visit_id, reviews.review(db, visit_id).version)
        reviews.save(db, visit_id, review.version, lines_of(review), False)
    found = changes_on_screen(house, visit_id)
    assert of_sugar(found) or any("7.40" in change.before for _, each in found.gone for change in each)
    with house.unit(signer(house, "he")) as db:
        reviews.sign_first(db, visit_id, reviews.review(db, visit_id).digest)
    with house.unit(signer(house, "liang")) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)
    assert changes_on_screen(house, visit_id) == LineChanges()


def test_a_correction_under_a_first_signature_shows_what_changed_since_it(house: House) -> None:
    visit_id = first_signed(house)
    correct(house, visit_id, "5.20")
    assert of_sugar(changes_on_screen(house, visit_id))


def test_an_open_review_shows_what_its_lines_no_longer_rest_on(house: House) -> None:
    visit_id = started(house)
    assert changes_on_screen(house, visit_id) == LineChanges()
    correct(house, visit_id, "5.20")
    assert of_sugar(changes_on_screen(house, visit_id))

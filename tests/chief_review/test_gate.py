"""The contradiction gate at the desk: refused signatures with a named remedy, what clears them, warnings, and the release."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec
import pytest

from chief_review import service as reviews
from chief_review.facts import RELEASE_BLOCKS, Block, ConclusionLine, EditedLine, ReviewState
from chief_review.gate import line_of, own_words, release_blocks
from critical_values import service as critical_values
from exam.kit.errors import Refused
from exam.kit.house import Actor, House
from exam.knowledge import service as rule_store
from exam.knowledge.facts import Flag, Reading
from exam.knowledge.gate import GateCheck, GateExample, Holds
from exam.knowledge.language import Flagged
from reporting import service as reports
from results.facts import DepartmentResult, RecordState
from tests.chief_review.cases import (
    DEFAULT,
    LIPIDS,
    TODAY,
    breaches,
    enter,
    examined,
    finalized,
    first_signed,
    shown,
    signer,
    started,
)
from tests.conftest import Desk
from tests.critical_values.cases import tell_all

Acting = Callable[[str], Actor]


def sign_first(house: House, visit_id: UUID) -> None:
    with house.unit(signer(house, "he")) as db:
        reviews.sign_first(db, visit_id, reviews.review(db, visit_id).digest)


def add_line(house: House, actor: Actor, visit_id: UUID, text: str) -> None:
    review = shown(house, visit_id)
    with house.unit(actor) as db:
        reviews.save(db, visit_id, review.version, [*review.lines, EditedLine(text=text)], False)


def warnings_of(house: House, actor: Actor, visit_id: UUID) -> list[str]:
    with house.unit(actor, write=False) as db:
        return [each.code for each in reviews.screen(db, visit_id).warnings]


def test_a_womans_organ_in_a_mans_conclusion_refuses_the_signature_until_it_is_gone(house: House, acting: Acting) -> None:
    visit_id = started(house)
    add_line(house, acting("he"), visit_id, "子宫肌瘤")
    with house.unit(acting("he"), write=False) as db:
        (block,) = reviews.screen(db, visit_id).blocks
    assert (block.code, "子宫肌瘤" in block.text, "修改结论" in block.hint) == ("chief_review.gate", True, True)
    with pytest.raises(Refused, match="gate") as refused:
        sign_first(house, visit_id)
    assert "男性受检者" in refused.value.text and "核对受检者性别" in refused.value.hint
    review = shown(house, visit_id)
    with house.unit(acting("he")) as db:
        reviews.save(db, visit_id, review.version, review.lines[:-1], False)
    sign_first(house, visit_id)
    assert shown(house, visit_id).state == ReviewState.FIRST_SIGNED
    assert breaches(house) == []


def test_a_glucose_in_the_other_unit_is_cleared_by_the_departments_correction(house: House, acting: Acting) -> None:
    visit_id = started(house, visit_id=examined(house, {**DEFAULT, "LAB": {**DEFAULT["LAB"], "GLU": "79.00"}}))
    with pytest.raises(Refused, match="gate") as refused:
        sign_first(house, visit_id)
    assert "空腹血糖 79.00" in refused.value.text and "mg/dL" in refused.value.text and "退回科室" in refused.value.hint
    with house.unit(acting("he")) as db:
        reviews.return_to_department(db, visit_id, "LAB", "血糖单位请核对")
    enter(house, visit_id, "LAB", {"GLU": "7.90"})
    started(house, visit_id=visit_id)
    sign_first(house, visit_id)
    assert breaches(house) == []


def test_the_final_signature_is_refused_as_well(house: House, acting: Acting) -> None:
    visit_id = first_signed(house)
    with house.unit(acting("he")) as db:
        rule_store.publish(db, [_new_check()], valid_from=TODAY, reason="核查要求")
    with pytest.raises(Refused, match="gate") as refused, house.unit(signer(house, "liang")) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)
    assert "血糖须复测" in refused.value.text and refused.value.hint == "请复测血糖"


def test_a_warning_is_shown_and_blocks_nothing(house: House, acting: Acting, desk: Callable[[str], Desk]) -> None:
    visit_id = started(house)
    assert warnings_of(house, acting("he"), visit_id) == []
    add_line(house, acting("he"), visit_id, "胆囊息肉")
    assert warnings_of(house, acting("he"), visit_id) == ["MATCH_GALLBLADDER_POLYP"]
    with house.unit(acting("he"), write=False) as db:
        screen = reviews.screen(db, visit_id)
    page = desk("he").get(f"/chief/{screen.card.visit_no}").text
    assert "发布前核查" in page and "结论有“胆囊息肉”" in page and "提示 1 项" in page
    sign_first(house, visit_id)


def test_a_rules_finding_in_other_words_is_warned_of_until_a_doctor_answers_for_it(house: House, acting: Acting) -> None:
    visit_id = started(house)
    review = shown(house, visit_id)
    other = [msgspec.structs.replace(line, text="胆囊切面异常") if line.key == "D57" else line for line in review.lines]
    with house.unit(acting("he")) as db:
        reviews.save(db, visit_id, review.version, other, False)
    assert warnings_of(house, acting("he"), visit_id) == ["MATCH_GALLSTONE"]
    reworded = next(line for line in shown(house, visit_id).lines if line.key == "D57")
    assert line_of(reworded).answers == frozenset() and not line_of(reworded).is_by_rule
    by_hand = msgspec.structs.replace(reworded, attached=("US_ABD",))
    assert ("US_ABD", "胆囊结石") in line_of(by_hand).answers


def test_an_untouched_line_of_a_rule_answers_for_what_it_covers() -> None:
    line = ConclusionLine("X", "腹部超声重要异常", covers=("US_ABD", "TG"), covers_choices=(("US_ABD", "胆囊结石"),))
    assert line_of(line).answers == {("US_ABD", ""), ("TG", ""), ("US_ABD", "胆囊结石")} and line_of(line).is_by_rule


def test_a_summary_counts_only_where_somebody_wrote_it() -> None:
    reading = Reading("US_ABD", "腹部超声", "胆囊结石", choices=("胆囊结石",), flag=Flag.ABNORMAL, abnormal=("胆囊结石",))
    drafted = DepartmentResult("USG", "超声科", "imaging", RecordState.VERIFIED, 1, (reading,), (), "腹部超声:胆囊结石;左肾囊肿12mm")
    assert own_words(drafted) == "左肾囊肿12mm"


def test_another_rooms_block_counts_from_the_final_signature_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    held: dict[UUID, tuple[Block, ...]] = {}
    visit_id = started(house)
    held[visit_id] = (Block("x.told", "危急值尚未通知", "请先通知受检者"),)
    filled = {**house.modules._slots, id(RELEASE_BLOCKS): [lambda db, of_visit: held.get(of_visit, ())]}
    monkeypatch.setattr(house.modules, "_slots", filled)
    tell_all(house, visit_id)
    sign_first(house, visit_id)
    with pytest.raises(Refused, match="told") as refused:
        finalized_by_liang(house, visit_id)
    assert refused.value.hint == "请先通知受检者"
    block = held.pop(visit_id)
    finalized_by_liang(house, visit_id)
    held[visit_id] = block
    with pytest.raises(Refused, match="told"), house.unit(signer(house, "liang")) as db:
        reports.issue(db, visit_id)
    held.clear()
    with house.unit(signer(house, "liang")) as db:
        assert reports.issue(db, visit_id).number == 1


def finalized_by_liang(house: House, visit_id: UUID) -> None:
    with house.unit(signer(house, "liang")) as db:
        reviews.sign_final(db, visit_id, reviews.review(db, visit_id).digest)


def test_the_gate_is_asked_once_more_when_the_report_is_issued(house: House, acting: Acting) -> None:
    visit_id = finalized(house)
    with house.unit(acting("he")) as db:
        rule_store.publish(db, [_new_check()], valid_from=TODAY, reason="核查要求")
    with pytest.raises(Refused, match="gate") as refused, house.unit(acting("liang")) as db:
        reports.issue(db, visit_id)
    assert "血糖须复测" in refused.value.text
    with house.unit(acting("he")) as db:
        warning = msgspec.structs.replace(_new_check(), is_blocking=False)
        rule_store.publish(db, [warning], valid_from=TODAY, reason="改为提示")
    with house.unit(acting("liang")) as db:
        assert reports.issue(db, visit_id).number == 1


def test_a_check_whose_examples_fail_is_not_stored(house: House, acting: Acting) -> None:
    wrong = msgspec.structs.replace(_new_check(), examples=(GateExample(True, {"GLU": "5.00"}), GateExample(False, {"GLU": "5.10"})))
    with pytest.raises(Refused, match="第 1 个例子应命中而未命中"), house.unit(acting("he")) as db:
        rule_store.publish(db, [wrong], valid_from=TODAY, reason="核查要求")


def _new_check() -> GateCheck:
    return GateCheck(
        "GATE_TEST", 1, Holds(Flagged("GLU", ("high",))), "血糖须复测", "请复测血糖", is_blocking=True, source="本院规定",
        examples=(GateExample(True, {"GLU": "9.00"}), GateExample(False, {"GLU": "5.00"})),
    )  # fmt: skip


@pytest.mark.parametrize("is_private", [False, True])
def test_what_keeps_a_report_back_names_no_private_finding(
    house: House, acting: Acting, is_private: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(critical_values, "_is_private", lambda *_: is_private)
    visit_id = examined(house, {**DEFAULT, "LAB": {**LIPIDS, "GLU": "28.0"}})
    with house.unit(acting("he"), write=False) as db:
        names = [each.name for each in critical_values.untold(db, visit_id)]
        (block,) = release_blocks(db, visit_id)
    assert names
    assert all((name in block.text) is not is_private for name in names)
    assert ("隐私项目" in block.text) is is_private

"""Alerts through the services, on both databases: found with the result, led through the loop, told when late, never lost."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from critical_values import board
from critical_values import service as alerts
from critical_values.facts import AlertState, BoardFilters, CalledBack, Closed, Confirmed, Dismissed, Notice, Reopened, StepTaken
from critical_values.models import AlertStep
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.events import Event
from exam.kit.house import Actor, House
from exam.knowledge import service as rule_store
from results import service as results
from results.facts import DeliveredValue, Entry
from tests.chief_review.cases import OTHER
from tests.critical_values.cases import HANDLED, TEMPERATURE, TOLD, Acting, alerts_of, breaches, only, taken, with_rule
from tests.results.cases import GENERAL, MAN, Statements, arrive, enter

HOT = {**GENERAL, "TEMP": "41.2"}


def test_a_critical_value_is_on_the_board_with_the_result_that_made_it(house: House, acting: Acting) -> None:
    with_rule(house)
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, TEMP="41.2")
    alert = only(house, wu, visit_id)
    assert (alert.rule, alert.alert_class, alert.state, alert.department) == ("T-TEMP", "critical", "found", "GEN")
    assert alert.evidence == ("体温 41.2 ℃ ↑",)
    assert (alert.found_by, alert.next_step) == (wu.name, "confirm")
    assert breaches(house) == []


def test_one_delivered_by_a_device_is_found_too(house: House, acting: Acting) -> None:
    with_rule(house)
    visit_id = arrive(house, acting("lin"))
    with house.unit(acting("wu")) as db:
        results.receive(db, visit_id, "GEN", [DeliveredValue("TEMP", "41.0", "℃")])
    assert only(house, acting("wu"), visit_id).state is AlertState.FOUND


def test_the_same_value_again_makes_no_second_alert(house: House, acting: Acting) -> None:
    with_rule(house)
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, TEMP="41.2")
    enter(house, wu, visit_id, base=1, SBP="120")
    assert len([each for each in alerts_of(house, wu, visit_id) if each.rule == "T-TEMP"]) == 1
    assert only(house, wu, visit_id).ver == 0


def test_a_corrected_value_that_still_is_critical_is_told_anew(house: House, acting: Acting) -> None:
    with_rule(house)
    wu, he = acting("wu"), acting("he")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, TEMP="41.2")
    alert = taken(house, wu, only(house, wu, visit_id), Confirmed("retest", "复测 41.1"))
    taken(house, he, alert, TOLD)
    enter(house, wu, visit_id, base=1, TEMP="41.6")
    again = only(house, wu, visit_id)
    assert (again.state, again.evidence, again.attempts) == ("found", ("体温 41.6 ℃ ↑",), 0)
    assert breaches(house) == []


def test_a_corrected_value_that_is_not_critical_any_more_leaves_a_trace_and_is_told_to_who_was_told(house: House, acting: Acting) -> None:
    with_rule(house)
    wu, he = acting("wu"), acting("he")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, TEMP="41.2")
    taken(house, he, taken(house, wu, only(house, wu, visit_id), Confirmed("doctor")), TOLD)
    enter(house, wu, visit_id, base=1, TEMP="36.5")
    gone = only(house, wu, visit_id)
    assert (gone.state, gone.next_step, gone.evidence) == ("superseded", "tell_correction", ("体温 36.5 ℃",))
    told = taken(house, he, gone, Notice("phone", "person", "韦小明", "reached"))
    assert not told.is_open
    enter(house, wu, visit_id, base=2, TEMP="41.9")
    back = only(house, wu, visit_id)
    assert (back.state, back.evidence, back.id) == ("found", ("体温 41.9 ℃ ↑",), gone.id)
    assert breaches(house) == []


def test_the_whole_loop_to_its_end(house: House, acting: Acting) -> None:
    with_rule(house)
    wu, he = acting("wu"), acting("he")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, TEMP="41.2")
    alert = taken(house, wu, only(house, wu, visit_id), Confirmed("doctor"))
    for step in (TOLD, HANDLED, CalledBack(1, "visited", "phone"), CalledBack(1, "visited", "phone", diagnosis="败血症", fee_fen=123_45), Closed()):
        alert = taken(house, he, alert, step)
    assert (alert.state, alert.is_open, alert.due_at) == ("closed", False, None)
    with house.unit(he, write=False) as db:
        steps = alerts.screen(db, alert.id).steps
    rounds = [each.step.round for each in steps if isinstance(each.step, CalledBack)]
    assert rounds == [1, 2]
    assert [each.number for each in steps] == list(range(1, 7))
    assert breaches(house) == []


def test_a_step_needs_its_facts_its_turn_and_the_latest_screen(house: House, acting: Acting) -> None:
    with_rule(house)
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, TEMP="41.2")
    alert = only(house, wu, visit_id)
    with pytest.raises(BadInput) as lacking:
        taken(house, wu, alert, Dismissed(""))
    assert lacking.value.field == "reason"
    with pytest.raises(Refused) as early:
        taken(house, wu, alert, Closed())
    assert early.value.code == "critical_values.not_possible"
    taken(house, wu, alert, Confirmed("doctor"))
    with pytest.raises(Refused) as late:
        taken(house, wu, alert, Dismissed("溶血"))
    assert late.value.code == "critical_values.moved_on"
    assert only(house, wu, visit_id).ver == 1


def test_a_dismissed_alert_can_be_opened_again_with_a_reason(house: House, acting: Acting) -> None:
    with_rule(house)
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, TEMP="41.2")
    gone = taken(house, wu, only(house, wu, visit_id), Dismissed("体温计故障"))
    assert not gone.is_open
    assert taken(house, wu, gone, Reopened("换体温计复测仍高")).next_step == "confirm"


def test_when_a_clock_runs_out_the_next_in_line_is_told_once(house: House, acting: Acting) -> None:
    with_rule(house)
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, TEMP="41.2")
    alert = only(house, wu, visit_id)
    with house.unit(wu, write=False) as db:
        policy = alerts.board.policy_in_force(db, alert.alert_class)
    levels = []
    for minutes in (policy.escalation[0].after_minutes - 1, 2, 0, policy.escalation[1].after_minutes):
        house.clock.advance(minutes=minutes)  # type: ignore[attr-defined]
        alerts.escalate_due(house)
        levels.append(only(house, wu, visit_id).level)
    assert levels == [0, 1, 1, 2]
    with house.unit(wu, write=False) as db:
        told = db.scalars(select(Event.kind).where(Event.visit_id == visit_id, Event.kind == "CriticalAlertOverdue")).all()
    assert len(told) == 2
    assert breaches(house) == []


def test_a_shift_hands_over_what_is_open(house: House, acting: Acting) -> None:
    with_rule(house)
    wu, lu = acting("wu"), acting("lu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, TEMP="41.2")
    alert = only(house, wu, visit_id)
    assert lu.staff_id is not None
    with house.unit(wu) as db:
        assert alerts.hand_over(db, [alert.id], lu.staff_id, lu.name, "夜班") == 1
        assert alerts.hand_over(db, [alert.id], lu.staff_id, lu.name) == 0
    with house.unit(lu, write=False) as db:
        mine = alerts.board.alert_list(db, BoardFilters(tab="mine"))
    assert [line.alert.id for line in mine.lines] == [alert.id]
    assert mine.counts["mine"] == 1


def test_another_site_sees_nothing_of_it(house: House, acting: Acting) -> None:
    with_rule(house)
    wu, zhou = acting("wu"), Actor(None, "zhou", "周", "02", permissions=frozenset({"critical_values.read", "critical_values.confirm"}))
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, TEMP="41.2")
    alert = only(house, wu, visit_id)
    assert alerts_of(house, zhou, visit_id) == ()
    with pytest.raises(NotFound):
        taken(house, zhou, alert, Confirmed("doctor"))
    with house.unit(zhou, write=False) as db:
        assert alerts.board.alert_list(db, BoardFilters(tab="all")).total == 0
        assert alerts.pulse(db, "02") == 0


def test_an_ordinary_value_asks_one_question_more(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    enter(house, wu, visit_id, SBP="120")
    with house.unit(wu, write=False) as db:
        rule_store.rules_in_force(db, house.clock.now().date())
    with Statements(house) as seen:
        enter(house, wu, visit_id, base=1, DBP="80")
    assert len([text for text in seen.texts if "critical_values" in text]) == 1
    assert not [text for text in seen.texts if "critical_values" in text and text.startswith("INSERT")]


def test_what_is_not_on_the_board_is_found_by_verify(house: House, acting: Acting, monkeypatch: pytest.MonkeyPatch) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    monkeypatch.setattr(house.modules, "_listeners", {})  # as if the listener had been forgotten
    enter(house, wu, visit_id, TEMP="41.2")
    house.clock.advance(minutes=1)  # type: ignore[attr-defined]
    with_rule(house)
    # The rule was published after the value was stored: nobody could have known.
    assert breaches(house) == []
    house.clock.advance(minutes=1)  # type: ignore[attr-defined]
    enter(house, wu, visit_id, base=1, TEMP="41.3")
    assert any("T-TEMP" in text for _, found in breaches(house) for text in found)


def test_a_result_and_its_alert_are_stored_together_or_not_at_all(house: House, acting: Acting) -> None:
    with_rule(house)
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    with pytest.raises(ZeroDivisionError), house.unit(wu) as db:
        results.take_in(db, visit_id, "GEN", Entry(base_version=0, values={"TEMP": "41.2"}))
        raise ZeroDivisionError
    assert alerts_of(house, wu, visit_id) == ()
    with house.unit(wu, write=False) as db:
        assert db.scalars(select(AlertStep)).all() == []
        assert results.department_result(db, visit_id, "GEN").version == 0


def test_rules_in_force_are_those_of_the_day_of_storing(house: House, acting: Acting) -> None:
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    tomorrow = house.clock.now().date() + timedelta(days=1)
    with house.unit(acting("tan")) as db:
        rule_store.publish(db, [TEMPERATURE], valid_from=tomorrow, reason="明日起执行")
    enter(house, wu, visit_id, TEMP="41.2")
    assert "T-TEMP" not in {each.rule for each in alerts_of(house, wu, visit_id)}
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    enter(house, wu, visit_id, base=1, TEMP="41.3")
    assert only(house, wu, visit_id).rule == "T-TEMP"


def test_one_that_cannot_be_told_keeps_nobody_behind_it_waiting(house: House, acting: Acting, monkeypatch: pytest.MonkeyPatch) -> None:
    with_rule(house)
    wu = acting("wu")
    first, second = (arrive(house, acting("lin"), person=person) for person in (MAN, OTHER))
    for visit_id in (first, second):
        enter(house, wu, visit_id, TEMP="41.2")
        house.clock.advance(seconds=1)  # type: ignore[attr-defined]
    broken, steps_of = only(house, wu, first).id, board.steps_of

    def steps(db: Session, alert_id: UUID) -> tuple[StepTaken, ...]:
        if alert_id == broken:
            raise ValueError("cannot be read")
        return steps_of(db, alert_id)

    monkeypatch.setattr(board, "steps_of", steps)
    house.clock.advance(hours=1)  # type: ignore[attr-defined]
    alerts.escalate_due(house)
    monkeypatch.undo()
    assert (only(house, wu, first).level, only(house, wu, second).level) == (0, 1)


def test_an_alert_that_stands_superseded_answers_for_no_finding(house: House, acting: Acting, monkeypatch: pytest.MonkeyPatch) -> None:
    with_rule(house)
    wu = acting("wu")
    visit_id = arrive(house, acting("lin"))
    house.clock.advance(minutes=1)  # type: ignore[attr-defined]
    enter(house, wu, visit_id, TEMP="41.2")
    enter(house, wu, visit_id, base=1, TEMP="36.5")
    monkeypatch.setattr(house.modules, "_listeners", {})
    house.clock.advance(minutes=1)  # type: ignore[attr-defined]
    enter(house, wu, visit_id, base=2, TEMP="41.9")
    assert any("T-TEMP" in text for _, found in breaches(house) for text in found)

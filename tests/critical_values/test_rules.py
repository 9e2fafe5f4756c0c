"""The loop and its clocks as tables: what may follow what, what a step needs, when it is due and who is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from critical_values import rules
from critical_values.facts import (
    ENDED,
    AlertState,
    CalledBack,
    Changed,
    Closed,
    Confirmed,
    Dismissed,
    Escalated,
    HandedOver,
    Handled,
    Notice,
    Received,
    Reopened,
    Step,
    StepTaken,
    Superseded,
)
from exam.kit.errors import BadInput, Refused
from exam.knowledge.facts import AlertClass
from tests.critical_values.cases import POLICY

FOUND_AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)  # a Friday, 10:00 at the centre
CONFIRMED = Confirmed("doctor")
TOLD = Notice("phone", "person", "韦小明", "confirmed", read_back="马上去急诊")
REACHED = Notice("phone", "family", "韦大明", "reached")
MISSED = Notice("phone", "person", "韦小明", "not_reached", note="无人接听")
SENT = Notice("sms", "person", "韦小明", "sent")
RECEIVED = Received("内分泌科 黄医生")
HANDLED = Handled("立即就诊", "内分泌科")
VISITED = CalledBack(1, "visited", "phone", diagnosis="糖尿病酮症")
CHANGED = Changed(("钾 6.9 mmol/L ↑",), 1, AlertClass.A)
GONE = Superseded(("钾 4.1 mmol/L",))


def steps(*each: Step, every: timedelta = timedelta(minutes=5)) -> tuple[StepTaken, ...]:
    return tuple(StepTaken(n, FOUND_AT + every * n, "吴", step) for n, step in enumerate(each, 1))


def standing(*each: Step) -> rules.Standing:
    return rules.standing(FOUND_AT, (1, 7), steps(*each), POLICY)


@pytest.mark.parametrize(
    ("taken", "state", "waits_for"),
    [
        ((), "found", "confirm"),
        ((CONFIRMED,), "confirmed", "notify"),
        ((Dismissed("溶血标本"),), "dismissed", ""),
        ((CONFIRMED, MISSED), "confirmed", "notify"),
        ((CONFIRMED, SENT), "confirmed", "notify"),
        ((CONFIRMED, REACHED), "notified", "receive"),
        ((CONFIRMED, TOLD), "received", "handle"),
        ((CONFIRMED, REACHED, RECEIVED), "received", "handle"),
        ((CONFIRMED, TOLD, HANDLED), "handled", "call_back"),
        ((CONFIRMED, TOLD, HANDLED, VISITED), "handled", "call_back"),
        ((CONFIRMED, TOLD, HANDLED, VISITED, VISITED), "called_back", "close"),
        ((CONFIRMED, TOLD, HANDLED, CalledBack(1, "hospitalised", "phone")), "called_back", "close"),
        ((CONFIRMED, TOLD, HANDLED, VISITED, VISITED, Closed()), "closed", ""),
        ((CONFIRMED, TOLD, CHANGED), "found", "confirm"),
        ((CONFIRMED, GONE), "superseded", ""),
        ((CONFIRMED, TOLD, GONE), "superseded", "tell_correction"),
        ((CONFIRMED, TOLD, GONE, MISSED), "superseded", "tell_correction"),
        ((CONFIRMED, TOLD, GONE, TOLD), "superseded", ""),
        ((CONFIRMED, TOLD, CHANGED, GONE), "superseded", "tell_correction"),
        ((CONFIRMED, TOLD, GONE, TOLD, Reopened("再次达到标准"), GONE), "superseded", ""),
        ((CONFIRMED, TOLD, CHANGED, Dismissed("溶血")), "dismissed", "tell_correction"),
        ((CONFIRMED, TOLD, CHANGED, Dismissed("溶血"), TOLD), "dismissed", ""),
        ((GONE, Reopened("再次达到标准"), CHANGED), "found", "confirm"),
    ],
)
def test_the_state_follows_from_the_steps(taken: tuple[Step, ...], state: str, waits_for: str) -> None:
    found = standing(*taken)
    assert (found.state, found.next_step) == (state, waits_for)
    assert (found.due_at is None) is (waits_for == "")


@pytest.mark.parametrize(
    "taken",
    [
        (TOLD,), (RECEIVED,), (HANDLED,), (VISITED,), (Closed(),), (MISSED,), (Reopened("x"),),
        (CONFIRMED, CONFIRMED), (CONFIRMED, Closed()), (CONFIRMED, HANDLED), (CONFIRMED, REACHED, HANDLED),
        (CONFIRMED, TOLD, Closed()), (CONFIRMED, TOLD, HANDLED, Closed()), (CONFIRMED, TOLD, HANDLED, VISITED, Closed()),
        (CONFIRMED, TOLD, Dismissed("x")), (Dismissed("x"), CONFIRMED), (GONE, CONFIRMED), (GONE, GONE),
    ],
)  # fmt: skip
def test_nothing_is_skipped(taken: tuple[Step, ...]) -> None:
    with pytest.raises(Refused) as refused:
        standing(*taken)
    assert refused.value.code == "critical_values.not_possible"


@pytest.mark.parametrize(
    ("taken", "due_minutes", "ring_minutes"),
    [
        ((), 15, 30),
        ((CONFIRMED,), 5 + 120, 5 + 30),
        ((CONFIRMED, MISSED), 5 + 120, 5 + 30),
        ((CONFIRMED, Escalated(1, "critical_values.head", "notify")), 5 + 120, 5 + 60),
        ((CONFIRMED, REACHED), 10 + 30, 10 + 30),
        ((CONFIRMED, REACHED, Escalated(1, "critical_values.head", "receive")), 10 + 30, 10 + 30 + 30),
        ((CONFIRMED, TOLD), 10 + 240, 10 + 240),
        ((CONFIRMED, TOLD, HANDLED), 10 + 24 * 60, 10 + 24 * 60),
        ((CONFIRMED, TOLD, HANDLED, VISITED), 10 + 7 * 24 * 60, 10 + 7 * 24 * 60),
    ],
)
def test_the_clocks(taken: tuple[Step, ...], due_minutes: int, ring_minutes: int) -> None:
    found = standing(*taken)
    assert found.due_at == FOUND_AT + timedelta(minutes=due_minutes)
    assert found.ring_at == FOUND_AT + timedelta(minutes=ring_minutes)


def test_after_the_last_one_in_line_nobody_else_is_told() -> None:
    told = (CONFIRMED, Escalated(1, "critical_values.head", "notify"), Escalated(2, "critical_values.direct", "notify"))
    assert (standing(*told).level, standing(*told).ring_at) == (2, None)
    assert standing(*told, TOLD).level == 0


def test_working_days_leave_the_weekend_out() -> None:
    policy = msgspec.structs.replace(POLICY, working_days=5, escalation=POLICY.escalation[:1])
    found = rules.standing(FOUND_AT, (30,), steps(CONFIRMED), policy)
    assert found.due_at == FOUND_AT + timedelta(days=7, minutes=5)
    assert found.ring_at == found.due_at


def test_a_hand_over_changes_the_duty_and_no_clock() -> None:
    colleague = UUID(int=7)
    before, after = standing(CONFIRMED), standing(CONFIRMED, HandedOver(colleague, "陆医生"))
    assert (after.duty_id, after.duty) == (colleague, "陆医生")
    assert (after.due_at, after.ring_at, after.state) == (before.due_at, before.ring_at, before.state)


@pytest.mark.parametrize(
    ("step", "field"),
    [
        (Dismissed("  "), "reason"),
        (Reopened(""), "reason"),
        (Confirmed("retest"), "note"),
        (Notice("phone", "person", "", "reached"), "recipient_name"),
        (Notice("phone", "person", "韦小明", "confirmed"), "read_back"),
        (Notice("phone", "person", "韦小明", "not_reached"), "note"),
        (Received(""), "by"),
        (Handled(" "), "advice"),
        (Handled("就诊" * 300), "advice"),
        (Handled("就诊\x07"), "advice"),
        (CalledBack(1, "refused", "phone"), "note"),
        (CalledBack(1, "lost", "phone", note="打不通"), "outcome"),
        (CalledBack(1, "visited", "phone", fee_fen=-1), "fee_fen"),
    ],
)
def test_a_step_without_its_facts_is_refused_by_field(step: Step, field: str) -> None:
    with pytest.raises(BadInput) as refused:
        rules.require_facts(step, AlertClass.A, steps(CONFIRMED, TOLD, HANDLED))
    assert [name for name, _ in refused.value.problems] == [field]


def test_somebody_is_lost_only_after_two_ways_were_tried() -> None:
    lost = CalledBack(1, "lost", "sms", note="电话、短信均无回应")
    assert rules.step_problems(lost, AlertClass.A, steps(CONFIRMED, TOLD, HANDLED)) == []


@pytest.mark.parametrize(
    ("taken", "is_blocked"),
    [((), True), ((CONFIRMED,), True), ((CONFIRMED, MISSED), False), ((CONFIRMED, TOLD), False), ((Dismissed("x"),), False),
     ((GONE,), False), ((CONFIRMED, TOLD, CHANGED), True)],
)  # fmt: skip
def test_a_report_waits_for_a_notice_or_a_logged_attempt(taken: tuple[Step, ...], is_blocked: bool) -> None:
    found = standing(*taken)
    assert rules.blocks_release(found.state, found.attempts, POLICY) is is_blocked
    assert not rules.blocks_release(found.state, found.attempts, msgspec.structs.replace(POLICY, blocks_release=False))


_ANY_STEP = st.sampled_from(
    [CONFIRMED, TOLD, REACHED, MISSED, SENT, RECEIVED, HANDLED, VISITED, Closed(), Dismissed("x"), CHANGED, GONE, Reopened("y"),
     HandedOver(UUID(int=7), "陆医生"), CalledBack(1, "died", "phone", note="x")]
)  # fmt: skip


@given(st.lists(_ANY_STEP, max_size=14))
def test_whatever_is_tried_an_alert_waits_for_something_or_has_ended_with_proof(tried: list[Step]) -> None:
    kept: list[Step] = []
    for step in tried:
        try:
            standing(*kept, step)
        except Refused:
            continue
        kept.append(step)
    found = standing(*kept)
    assert (found.state in ENDED) or found.next_step
    if found.state is AlertState.CLOSED:
        last = [type(each) for each in kept[max((n for n, each in enumerate(kept, 1) if isinstance(each, Changed | Reopened)), default=0) :]]
        assert {Confirmed, Notice, Handled, CalledBack, Closed} <= set(last)

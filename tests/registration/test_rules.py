"""The desk's rules, without any database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.catalog import starter
from exam.catalog.facts import Catalogue
from exam.kit.errors import BadInput, Refused
from exam.visits.facts import LineState, OrderLine, VisitState
from registration import rules
from registration.facts import BoardRow, OpenLineChoice, Tile

DAY = date(2026, 11, 21)
AT_EIGHT = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
LATE = datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)


def row(state: VisitState, **more: object) -> BoardRow:
    return BoardRow(DAY, state, **more)  # type: ignore[arg-type]


def line(number: int, state: LineState = LineState.PENDING, **more: object) -> OrderLine:
    return OrderLine(UUID(int=number), UUID(int=99), f"G{number:03d}", f"项目{number}", "LAB", 100, "package", state, **more)  # type: ignore[arg-type]


def holds(each: BoardRow, day: date = DAY) -> set[Tile]:
    return {tile for tile, predicate in rules.PREDICATES.items() if predicate(each, day)}


# --- the board ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        (row(VisitState.BOOKED), {Tile.BOOKED}),
        (row(VisitState.BOOKED, amount_due_fen=5), {Tile.BOOKED}),
        (row(VisitState.REGISTERED, registered_at=AT_EIGHT), set()),
        (row(VisitState.REGISTERED, registered_at=AT_EIGHT, amount_due_fen=5), {Tile.TO_PAY}),
        (row(VisitState.REGISTERED, registered_at=AT_EIGHT, amount_due_fen=-5), set()),
        (row(VisitState.CHECKED_IN, registered_at=AT_EIGHT, checked_in_at=AT_EIGHT), {Tile.CHECKED_IN}),
        (
            row(VisitState.IN_EXAM, registered_at=AT_EIGHT, checked_in_at=AT_EIGHT, blood_drawn_at=LATE, amount_due_fen=1),
            {Tile.TO_PAY, Tile.CHECKED_IN, Tile.BLOOD_DRAWN},
        ),
        (
            row(
                VisitState.SHEET_RETURNED,
                registered_at=AT_EIGHT,
                checked_in_at=AT_EIGHT,
                blood_drawn_at=LATE,
                sheet_returned_at=LATE,
            ),
            {Tile.CHECKED_IN, Tile.BLOOD_DRAWN, Tile.EXAMINED},
        ),
        (row(VisitState.SHEET_RETURNED, checked_in_at=AT_EIGHT, sheet_returned_at=MIDNIGHT), {Tile.CHECKED_IN}),
        (row(VisitState.CANCELLED, registered_at=AT_EIGHT, checked_in_at=AT_EIGHT, amount_due_fen=5), set()),
    ],
)
def test_each_count_is_a_predicate_of_its_own(each: BoardRow, expected: set[Tile]) -> None:
    assert holds(each) == expected


@given(
    st.sampled_from(list(VisitState)), st.integers(-2, 2),
    st.lists(st.one_of(st.none(), st.integers(-30, 30)), min_size=4, max_size=4), st.integers(-3, 3),
)  # fmt: skip
def test_a_visit_of_another_day_is_in_no_count(state: VisitState, days: int, hours: list[int | None], due: int) -> None:
    moments = [None if hour is None else AT_EIGHT + timedelta(hours=hour) for hour in hours]
    each = BoardRow(DAY + timedelta(days=days), state, *moments, due)
    assert days == 0 or holds(each) == set()


# --- places ------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 5000), st.integers(0, 6000))
def test_a_place_is_given_exactly_while_one_is_left(capacity: int, taken: int) -> None:
    if taken < capacity:
        rules.require_place(DAY, capacity, taken)
    else:
        with pytest.raises(Refused) as refused:
            rules.require_place(DAY, capacity, taken)
        assert (refused.value.field, bool(refused.value.hint)) == ("exam_on", True)


@pytest.mark.parametrize("capacity", [-1, 5001, 10**12])
def test_an_impossible_number_of_places_is_refused(capacity: int) -> None:
    with pytest.raises(Refused, match="名额应为"):
        rules.require_capacity(capacity)


@pytest.mark.parametrize("reason", ["", " ", "错", "长" * 201])
def test_a_reason_has_two_to_two_hundred_characters(reason: str) -> None:
    with pytest.raises(Refused, match="必须填写原因"):
        rules.require_reason(reason, "退项")


# --- sheet return ------------------------------------------------------------------------------------------------------


def test_only_pending_examinations_are_open_at_return() -> None:
    lines = [line(n, state) for n, state in enumerate(LineState)] + [line(50, service_only=True)]
    assert [each.state for each in rules.open_lines(lines)] == [LineState.PENDING]


def test_every_open_line_wants_its_own_sound_choice() -> None:
    lines = (line(1), line(2), line(3), line(4))
    choices = [
        OpenLineChoice(UUID(int=1), "refuse", "受检者拒绝"), OpenLineChoice(UUID(int=2), "refuse", " "),
        OpenLineChoice(UUID(int=3), "postpone", "", DAY), OpenLineChoice(UUID(int=77), "refuse", "受检者拒绝"),
    ]  # fmt: skip
    with pytest.raises(BadInput) as refused:
        rules.check_choices(lines, choices, DAY)
    assert [field.partition("-")[0] for field, _ in refused.value.problems] == ["reason", "due", "choice", "choices"]


def test_sound_choices_pass() -> None:
    choices = [OpenLineChoice(UUID(int=1), "refuse", "受检者拒绝"), OpenLineChoice(UUID(int=2), "postpone", "", DAY + timedelta(1))]
    rules.check_choices((line(1), line(2)), choices, DAY)
    assert {choice.choice for choice in choices} == {"refuse", "postpone"}


@pytest.mark.parametrize(
    ("state", "lines", "collected", "code"),
    [
        (VisitState.IN_EXAM, [], 1, "registration.tubes_collected"),
        (VisitState.IN_EXAM, [line(1, LineState.STARTED)], 0, "registration.already_examined"),
        (VisitState.CHECKED_IN, [line(1, LineState.CONFIRMED)], 0, "registration.already_examined"),
        (VisitState.PUBLISHED, [], 0, "registration.not_cancellable"),
    ],
)
def test_what_was_begun_is_not_cancelled(state: VisitState, lines: list[OrderLine], collected: int, code: str) -> None:
    with pytest.raises(Refused) as refused:
        rules.require_cancellable(state, lines, collected)
    assert refused.value.code == code and refused.value.hint


# --- packages and groups -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    loaded = starter.load()

    def keyed(part: object) -> dict[str, object]:
        return dict(part) if isinstance(part, dict) else {each.code: each for each in part}  # type: ignore[attr-defined]

    return Catalogue(
        1, DAY, keyed(loaded.departments), keyed(loaded.items), keyed(loaded.groups), keyed(loaded.packages), keyed(loaded.tubes)  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sex", "age", "last", "expected"),
    [
        ("M", 41, "", "P03"),
        ("F", 41, "", "P04"),
        ("F", 30, "", "P02"),
        ("M", 30, "P06", "P06"),
        ("M", 41, "P04", "P03"),
        ("M", 41, "P02", "P02"),
    ],
)
def test_the_package_offered_fits_sex_and_age_and_last_time(
    catalogue: Catalogue, sex: str, age: int, last: str, expected: str
) -> None:
    assert rules.preselect(rules.package_choices(catalogue, sex, age), last) == expected


def test_a_quote_counts_a_group_of_the_package_once_and_says_so(catalogue: Catalogue) -> None:
    alone = rules.quote(catalogue, "P02", (), "M", 41, "health")
    twice = rules.quote(catalogue, "P02", ("G030",), "M", 41, "health")
    more = rules.quote(catalogue, "P02", ("G061",), "M", 41, "health")
    assert (alone.total_fen, twice.total_fen, more.total_fen) == (59312, 59312, 61312)
    assert twice.warnings == ("“血常规五分类”已在套餐中,不重复收费",)
    assert any("仅适用于女性" in text for text in rules.quote(catalogue, "P02", ("G016",), "M", 41, "health").blocked)


def test_groups_are_found_by_name_initials_and_code(catalogue: Catalogue) -> None:
    initials = {"G061": "xx", "G014": "jzxcc"}
    for text in ("血型", "XX", "g061", " 血 型 "):
        assert rules.matching_groups(catalogue, initials, text)[0].code == "G061", text
    assert rules.matching_groups(catalogue, initials, "") == ()
    assert len(rules.matching_groups(catalogue, initials, "彩超")) > 3


def test_a_group_inside_a_larger_one_cannot_be_added_and_a_larger_one_tells_what_it_replaces(catalogue: Catalogue) -> None:
    (smaller,) = rules.group_choices(catalogue, ["G033"], [catalogue.groups["G034"]], "M", 41, "health")
    (larger,) = rules.group_choices(catalogue, ["G034"], [catalogue.groups["G033"]], "M", 41, "health")
    (other,) = rules.group_choices(catalogue, [], [catalogue.groups["G016"]], "M", 41, "health")
    assert "已包含" in smaller.blocked and not larger.blocked
    assert any("将替代" in text for text in larger.warnings) and "仅适用于女性" in other.blocked


def test_what_a_group_includes_through_another_counts_as_included(catalogue: Catalogue) -> None:
    """G033 ⊃ G034 as shipped; a site puts a still larger one above it."""
    whole = msgspec.structs.replace(catalogue.groups["G033"], code="G933", name="肝功能全项", includes=("G033",))
    nested = msgspec.structs.replace(catalogue, groups={**catalogue.groups, "G933": whole})
    (larger,) = rules.group_choices(nested, ["G034"], [whole], "M", 41, "health")
    (drawn,) = rules.group_choices(nested, ["G034"], [whole], "M", 41, "health", frozenset({"G034"}))
    (smaller,) = rules.group_choices(nested, ["G933"], [nested.groups["G034"]], "M", 41, "health")
    assert len(larger.warnings) == 1 and larger.warnings[0].startswith("将替代")
    assert "不能替代" in drawn.blocked and "已包含" in smaller.blocked

"""The rules of settlements, by property and by case: who counts, what is billed, what the contract adjusts, how the sums add up."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exam.kit.errors import Refused
from exam.visits.facts import LineState, VisitState
from group_orders import settlement_rules as rules
from group_orders.facts import Reduction, ReductionKind
from group_orders.settlement_facts import Basis, Candidate, SettlementKind, Verdict

OFF, LEAST, CAP = ReductionKind.OFF_FROM, ReductionKind.AT_LEAST, ReductionKind.CAP
BASES = st.builds(
    Basis, st.sampled_from(["registered", "checked_in", "examined", "reported"]), st.sampled_from(["package", "item"])
)
AMOUNT = st.integers(0, 100_000)
REDUCTIONS = st.lists(
    st.one_of(
        st.tuples(st.integers(1, 50_000), st.integers(0, 100_000)).map(lambda each: Reduction(OFF, sum(each), each[0])),
        st.integers(1, 300_000).map(lambda fen: Reduction(LEAST, 0, fen)),
        st.integers(1, 300_000).map(lambda fen: Reduction(CAP, 0, fen)),
    ),
    max_size=4,
)  # fmt: skip
KINDS = st.sampled_from(SettlementKind)


def line(**more: object) -> Candidate:
    fields = {
        "line_id": UUID(int=1), "visit_id": UUID(int=2), "visit_state": VisitState.CHECKED_IN, "has_come": True,
        "line_state": LineState.CONFIRMED, "service_only": False, "is_covered": True, "charged_fen": 1000, "settled_fen": None,
    }  # fmt: skip
    return Candidate(**(fields | more))  # type: ignore[arg-type]


LINES = st.builds(
    line, visit_state=st.sampled_from(VisitState), has_come=st.booleans(), line_state=st.sampled_from(LineState),
    service_only=st.booleans(), is_covered=st.booleans(), charged_fen=AMOUNT, settled_fen=st.none() | AMOUNT,
)  # fmt: skip


@pytest.mark.parametrize(
    ("when", "state", "counts"),
    [
        ("registered", VisitState.BOOKED, False), ("registered", VisitState.REGISTERED, True), ("checked_in", VisitState.REGISTERED, False),
        ("checked_in", VisitState.CHECKED_IN, True), ("examined", VisitState.IN_EXAM, False), ("examined", VisitState.SHEET_RETURNED, True),
        ("reported", VisitState.FINAL, False), ("reported", VisitState.PUBLISHED, True), ("reported", VisitState.DELIVERED, True),
        ("registered", VisitState.CANCELLED, False), ("registered", VisitState.LISTED, False),
    ],
)  # fmt: skip
def test_a_member_counts_from_where_the_contract_says(when: str, state: VisitState, counts: bool) -> None:
    found = rules.verdict(line(visit_state=state), Basis(when, "item"))
    assert (found is Verdict.BILLED) == counts
    assert found in (Verdict.BILLED, Verdict.NOT_YET)


@pytest.mark.parametrize(
    ("state", "by_item", "by_package"),
    [
        (LineState.CONFIRMED, True, True), (LineState.SAMPLED, True, True), (LineState.REFUSED, False, True),
        (LineState.POSTPONED, False, True), (LineState.PENDING, False, True),
    ],
)  # fmt: skip
def test_by_item_only_what_was_done_is_billed_by_package_all_that_was_ordered(
    state: LineState, by_item: bool, by_package: bool
) -> None:
    for settled_by, is_billed in (("item", by_item), ("package", by_package)):
        found = rules.verdict(line(line_state=state), Basis("checked_in", settled_by))
        assert found is (Verdict.BILLED if is_billed else Verdict.NOT_DONE)


def test_an_extra_is_billed_only_when_done_and_a_service_when_the_member_came() -> None:
    by_package, by_item = Basis("checked_in", "package"), Basis("checked_in", "item")
    assert rules.verdict(line(is_covered=False, line_state=LineState.REFUSED), by_package) is Verdict.NOT_DONE
    assert rules.verdict(line(service_only=True, line_state=LineState.PENDING), by_item) is Verdict.BILLED
    assert rules.verdict(line(charged_fen=0), by_item) is Verdict.NOTHING


@given(LINES, BASES)
def test_a_line_is_on_the_next_settlement_with_just_what_is_missing_to_what_should_be_settled(
    each: Candidate, basis: Basis
) -> None:
    found, now = rules.verdict(each, basis), rules.amount_now(each, basis)
    if each.settled_fen is None:
        assert found not in (Verdict.CORRECTED, Verdict.SETTLED)
        assert (found is Verdict.BILLED) <= (now == each.charged_fen > 0)
    else:
        assert (found is Verdict.CORRECTED) == (now != 0)
        assert each.settled_fen + now in (0, each.charged_fen)
    # After it, nothing is left to correct.
    after = line(**{name: getattr(each, name) for name in each.__struct_fields__} | {"settled_fen": (each.settled_fen or 0) + now})
    assert rules.verdict(after, basis) is Verdict.SETTLED


@given(REDUCTIONS, st.lists(st.tuples(AMOUNT, st.booleans()), min_size=1, max_size=6))
def test_a_round_settled_in_parts_comes_to_what_it_comes_to_at_once(
    reductions: list[Reduction], parts: list[tuple[int, bool]]
) -> None:
    """Interim settlements, some of them voided again, and the final one: together the adjustments of the whole."""
    earlier: dict[ReductionKind, int] = {}
    total = 0
    for place, (fen, is_kept) in enumerate(parts):
        kind = SettlementKind.FINAL if place == len(parts) - 1 else SettlementKind.INTERIM
        found = rules.adjustments(reductions, kind, total + fen, earlier)
        if is_kept or kind is SettlementKind.FINAL:
            total += fen
            for each in found:
                earlier[each.kind] = earlier.get(each.kind, 0) + each.amount_fen
    at_once = rules.adjustments(reductions, SettlementKind.FINAL, total, {})
    assert {kind: fen for kind, fen in earlier.items() if fen} == {each.kind: each.amount_fen for each in at_once}
    due = total + sum(each.amount_fen for each in at_once)
    caps = [each.amount_fen for each in reductions if each.kind is CAP]
    floors = [each.amount_fen for each in reductions if each.kind is LEAST]
    assert due >= 0
    assert not caps or due <= min(caps)
    assert not floors or due >= min(max(floors), min(caps, default=max(floors)))


@given(REDUCTIONS, AMOUNT, KINDS, AMOUNT, st.none() | AMOUNT)
def test_a_settlement_adds_up_and_uses_no_more_of_the_prepayment_than_there_is(
    reductions: list[Reduction], lines_fen: int, kind: SettlementKind, balance: int, wanted: int | None
) -> None:
    adjusted = rules.adjustments(reductions, kind, lines_fen, {})
    try:
        sums = rules.sums(lines_fen, adjusted, balance, wanted)
    except Refused:
        assert wanted is not None and wanted > min(balance, max(lines_fen + sum(each.amount_fen for each in adjusted), 0))
        return
    assert sums.due_fen == lines_fen + sum(each.amount_fen for each in adjusted)
    assert sums.due_fen == sums.prepaid_fen + sums.receivable_fen - sums.credited_fen
    assert min(sums.prepaid_fen, sums.receivable_fen, sums.credited_fen) >= 0
    assert sums.prepaid_fen <= balance
    assert not (sums.receivable_fen and sums.credited_fen)


def test_reductions_by_case() -> None:
    steps = [Reduction(OFF, 10_000, 500), Reduction(OFF, 20_000, 1_500)]
    adjust = rules.adjustments
    assert adjust(steps, SettlementKind.INTERIM, 9_999, {}) == ()
    [one] = adjust(steps, SettlementKind.INTERIM, 10_000, {})
    assert (one.kind, one.amount_fen, one.text) == (OFF, -500, "满额减:累计满 100.00 元减 5.00 元")
    [more] = adjust(steps, SettlementKind.INTERIM, 25_000, {OFF: -500})
    assert more.amount_fen == -1_000 and more.text.endswith("(扣除以前已调整)")
    assert adjust([Reduction(LEAST, 0, 8_000)], SettlementKind.INTERIM, 5_000, {}) == ()
    [least] = adjust([Reduction(LEAST, 0, 8_000)], SettlementKind.FINAL, 5_000, {})
    assert (least.amount_fen, least.text) == (3_000, "保底:本批次不低于 80.00 元")
    [cap] = adjust([Reduction(CAP, 0, 4_000)], SettlementKind.INTERIM, 5_000, {})
    assert (cap.amount_fen, cap.text) == (-1_000, "封顶:本批次不超过 40.00 元")


def test_too_much_settled_before_becomes_prepayment() -> None:
    sums = rules.sums(-700, (), 5_000)
    assert (sums.due_fen, sums.prepaid_fen, sums.receivable_fen, sums.credited_fen) == (-700, 0, 0, 700)


def test_a_digest_follows_lines_and_adjustments_only() -> None:
    amounts = {UUID(int=1): 5, UUID(int=2): 7}
    same = rules.digest_of(SettlementKind.INTERIM, dict(reversed(amounts.items())), ())
    assert rules.digest_of(SettlementKind.INTERIM, amounts, ()) == same
    assert rules.digest_of(SettlementKind.FINAL, amounts, ()) != same
    assert rules.digest_of(SettlementKind.INTERIM, amounts | {UUID(int=2): 8}, ()) != same


@pytest.mark.parametrize(
    ("payer", "name", "fits"),
    [
        ("桂林机械厂有限责任公司", "桂林机械厂", True), ("桂林机械厂", "桂林机械厂(集团)有限公司", True), ("南宁糖业股份有限公司", "南宁糖业", True),
        ("张三", "桂林机械厂", False), ("", "桂林机械厂", False), ("公司", "公司", False), ("桂林", "桂林机械厂", False),
    ],
)  # fmt: skip
def test_a_payer_fits_an_organisation_by_its_name_without_the_legal_form(payer: str, name: str, fits: bool) -> None:
    assert rules.fits(payer, ["", name]) == fits


def test_a_transfer_is_likeliest_by_name_and_amount() -> None:
    assert [rules.likelihood(100, wanted, named) for wanted, named in ((100, True), (90, True), (100, False), (90, False), (None, True))] == [
        3, 2, 1, 0, 2,
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 400), AMOUNT)))
def test_ages_lose_nothing(owed: list[tuple[int, int]]) -> None:
    today = date(2026, 11, 21)
    found = rules.by_age([(today - timedelta(days=days), fen) for days, fen in owed], today)
    assert sum(found) == sum(fen for _, fen in owed)


@pytest.mark.parametrize(("days", "place"), [(0, 0), (30, 0), (31, 1), (60, 1), (61, 2), (90, 2), (91, 3), (1000, 3)])
def test_a_debt_s_class_of_age(days: int, place: int) -> None:
    today = date(2026, 11, 21)
    assert rules.age_class(today - timedelta(days=days), today) == place


def test_nobody_approves_their_own_settlement() -> None:
    with pytest.raises(Refused, match="自己提交"):
        rules.require_other_person(UUID(int=1), UUID(int=1))
    rules.require_other_person(UUID(int=1), UUID(int=2))


def test_a_round_has_the_settlements_of_its_state() -> None:
    rules.require_kind(SettlementKind.INTERIM, "open")
    rules.require_kind(SettlementKind.FINAL, "completed")
    for kind, state in ((SettlementKind.FINAL, "open"), (SettlementKind.INTERIM, "draft"), (SettlementKind.INTERIM, "settled")):
        with pytest.raises(Refused, match="不能做"):
            rules.require_kind(kind, state)

"""Discounts: limits that are data, a second person above them, booking schemes, and what no discount may do."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID, uuid5

import pytest

from billing import cashier, charging, discount_rules, discounting, price_rules
from billing.discounting import Given
from billing.facts import Discount, DiscountKind, PricedLine
from exam.kit.errors import Refused
from exam.kit.house import House
from tests.billing.cashier_cases import Acting, begin, due, grant, sheet_of, take_all, visit_of
from tests.registration.cases import TODAY, TOMORROW, no_breaches


def refused(code: str) -> pytest.RaisesExc[Refused]:
    return pytest.raises(Refused, check=lambda error: error.code == code)


def give(house: House, acting: Acting, login: str, visit_id: UUID, **measure: object) -> Given:
    with house.unit(acting(login)) as db:
        return discounting.give(db, visit_id, "老客户", **measure)  # type: ignore[arg-type]


def costly(house: House, acting: Acting, visit_id: UUID) -> UUID:
    """A line that takes a discount, the dearest."""
    return max(sheet_of(house, acting("chen"), visit_id).lines, key=lambda line: line.person_fen).id


# --- what the arithmetic says ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "good"), [("0.95", True), ("0", True), ("1", True), ("1.0000", True), ("0.12345", False), ("NaN", False),
                                            ("-0.5", False), ("1.5", False), ("1e-1", False), ("", False), ("０.9", False), (".9", False),
                                            ("Infinity", False), ("0x1", False), ("0.9\n", True)])  # fmt: skip
def test_a_factor_is_plain_digits_between_nought_and_one(text: str, good: bool) -> None:
    """AT-26."""
    if good:
        assert 0 <= Decimal(discount_rules.read_factor(text)) <= 1
    else:
        with refused("billing.factor"):
            discount_rules.read_factor(text)


def _line(n: int, fen: int, **more: object) -> PricedLine:
    fields = {"id": uuid5(UUID(int=0), str(n)), "group_code": f"G{n:03d}", "standard_fen": fen, "price_fen": fen} | more
    return PricedLine(**fields)  # type: ignore[arg-type]


def test_a_waiver_goes_below_the_least_price_and_a_discount_does_not() -> None:
    line = _line(1, 10_000, min_fen=8_000)
    low = Discount(kind=DiscountKind.MANUAL, line_id=line.id, factor="0.5")
    waived = Discount(kind=DiscountKind.WAIVER, line_id=line.id, total_fen=7_000)
    assert price_rules.shares([line], None, [low])[line.id].person_fen == 8_000
    assert price_rules.shares([line], None, [low, waived])[line.id].person_fen == 7_000
    dearer = Discount(kind=DiscountKind.WAIVER, line_id=line.id, total_fen=9_000)
    assert price_rules.shares([line], None, [low, dearer])[line.id].person_fen == 8_000


def test_the_newest_limit_that_holds_counts() -> None:
    limits = [
        discount_rules.Limit("cashier", "0.95", date(2026, 1, 1), "a"),
        discount_rules.Limit("cashier", "0.9", date(2026, 12, 1), "b"),
        discount_rules.Limit("cashier", "0.97", date(2026, 6, 1), "c"),
    ]
    assert discount_rules.newest_limits(limits, date(2026, 11, 21))["cashier"].least_factor == "0.97"
    assert discount_rules.newest_limits(limits, date(2026, 12, 1))["cashier"].least_factor == "0.9"
    assert discount_rules.newest_limits(limits, date(2025, 12, 1)) == {}


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("login", "factor", "stands"), [("chen", "0.95", True), ("chen", "0.9499", False), ("fang", "0.85", True),
                                                         ("fang", "0.8499", False), ("qin", "0.85", True), ("deng", "0.99", False)])  # fmt: skip
def test_what_a_role_may_give_on_its_own_word(house: House, acting: Acting, login: str, factor: str, stands: bool) -> None:
    visit_id = visit_of(house, acting)
    whole = due(house, visit_id)
    given = give(house, acting, login, visit_id, factor=factor)
    assert (given.discount_id is not None, given.request_id is None) == (stands, stands)
    assert (due(house, visit_id) < whole) == stands
    assert no_breaches(house)


def test_small_discounts_do_not_add_up_to_a_large_one(house: House, acting: Acting) -> None:
    """AT-26: within the limit each, beyond it together."""
    visit_id = visit_of(house, acting)
    whole = due(house, visit_id)
    assert give(house, acting, "chen", visit_id, factor="0.97").discount_id
    assert give(house, acting, "chen", visit_id, factor="0.97").request_id
    assert due(house, visit_id) >= round(whole * 0.95)
    line_id = costly(house, acting, visit_id)
    assert give(house, acting, "chen", visit_id, line_id=line_id, factor="0.5").request_id


def test_a_total_is_measured_like_a_factor(house: House, acting: Acting) -> None:
    visit_id = visit_of(house, acting)
    whole = due(house, visit_id)
    assert give(house, acting, "chen", visit_id, total_fen=whole // 2).request_id
    assert give(house, acting, "chen", visit_id, total_fen=whole - 100).discount_id
    assert due(house, visit_id) == whole - 100
    for bad in (whole, whole + 1, -1):
        with refused("billing.not_lower"):
            give(house, acting, "chen", visit_id, total_fen=bad)
    with refused("billing.one_measure"):
        give(house, acting, "chen", visit_id)
    with refused("billing.one_measure"):
        give(house, acting, "chen", visit_id, total_fen=1, factor="0.95")
    assert no_breaches(house)


def test_a_free_item_needs_two_people_whoever_asks(house: House, acting: Acting) -> None:
    visit_id = visit_of(house, acting)
    grant(house, acting("lin"), "deng", "director")
    grant(house, acting("lin"), "gan", "director")
    line_id = costly(house, acting, visit_id)
    whole = due(house, visit_id)
    given = give(house, acting, "deng", visit_id, line_id=line_id, factor="0")
    assert given.request_id is not None
    with refused("billing.own_request"), house.unit(acting("deng")) as db:
        discounting.decide(db, given.request_id, is_approved=True)
    with refused("billing.beyond_limit"), house.unit(acting("fang")) as db:
        discounting.decide(db, given.request_id, is_approved=True)
    with house.unit(acting("gan")) as db:
        discounting.decide(db, given.request_id, is_approved=True)
    assert due(house, visit_id) < whole
    with refused("billing.decided"), house.unit(acting("fang")) as db:
        discounting.decide(db, given.request_id, is_approved=False, reason="晚了")
    assert no_breaches(house)


def test_a_request_refused_changes_nothing_and_is_listed(house: House, acting: Acting) -> None:
    visit_id = visit_of(house, acting)
    whole = due(house, visit_id)
    given = give(house, acting, "chen", visit_id, factor="0.9")
    assert given.request_id is not None
    with house.unit(acting("fang")) as db:
        assert [each.id for each in discounting.waiting(db)] == [given.request_id]
        assert discounting.waiting_count(db) == 1
        with refused("billing.reason_missing"):
            discounting.decide(db, given.request_id, is_approved=False)
    with house.unit(acting("fang")) as db:
        discounting.decide(db, given.request_id, is_approved=False, reason="不符合规定")
    with house.unit(acting("fang")) as db:
        assert discounting.waiting(db) == []
        assert [(each.id, each.is_approved) for each in discounting.decided(db)] == [(given.request_id, False)]
    assert due(house, visit_id) == whole


def test_an_approved_discount_names_both_and_can_be_taken_back(house: House, acting: Acting) -> None:
    visit_id, chen, fang = visit_of(house, acting), acting("chen"), acting("fang")
    whole = due(house, visit_id)
    given = give(house, acting, "chen", visit_id, factor="0.86")
    assert given.request_id is not None
    with house.unit(fang) as db:
        discounting.decide(db, given.request_id, is_approved=True)
    with house.unit(chen) as db:
        (standing,) = discounting.standing(db, visit_id)
        assert (standing.actor_id, standing.approved_by) == (chen.staff_id, fang.staff_id)
        discounting.undo(db, visit_id, standing.id, "给错")
    assert due(house, visit_id) == whole
    assert no_breaches(house)


def test_a_limit_is_a_version_from_a_day_on_and_nobody_widens_their_own(house: House, acting: Acting) -> None:
    deng, chen_id = acting("deng"), acting("chen").staff_id
    with house.unit(deng) as db:
        discounting.set_limit(db, "cashier", "0.9", TOMORROW, "院务会 11 月")
        assert discounting.least_of(db, chen_id) == Decimal("0.95")
        discounting.set_limit(db, "cashier", "0.97", TODAY, "院务会 11 月")
        assert discounting.least_of(db, chen_id) == Decimal("0.97")
        with refused("billing.in_past"):
            discounting.set_limit(db, "cashier", "0.9", date(2026, 11, 20), "补")
        with refused("billing.unknown_role"):
            discounting.set_limit(db, "boss", "0.9", TODAY, "x")
        with refused("billing.own_limit"):
            discounting.set_limit(db, "finance", "0.5", TODAY, "自定")
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    with house.unit(acting("deng")) as db:
        assert discounting.least_of(db, chen_id) == Decimal("0.9")


# --- booking schemes -------------------------------------------------------------------------------------------------


def put(house: House, acting: Acting, code: str, factor: str, *, stackable: bool = True, until: date | None = None) -> None:
    with house.unit(acting("deng")) as db:
        discounting.put_scheme(
            db, code, f"方案{code}", factor, stackable=stackable, valid_from=TODAY, valid_until=until, source="价格会议"
        )  # fmt: skip


def test_a_visit_has_one_scheme_at_a_time(house: House, acting: Acting) -> None:
    visit_id, chen = visit_of(house, acting), acting("chen")
    whole = due(house, visit_id)
    put(house, acting, "a", "0.9")
    put(house, acting, "B", "0.8")
    with house.unit(chen) as db:
        assert [scheme.code for scheme in discounting.offered(db, TODAY)] == ["A", "B"]
        discounting.apply_scheme(db, visit_id, "A")
    after_a = due(house, visit_id)
    assert whole * 0.9 - 30 <= after_a <= whole * 0.9 + 120  # what takes no discount costs its own
    with house.unit(chen) as db:
        discounting.apply_scheme(db, visit_id, "B")
        assert len(discounting.standing(db, visit_id)) == 1
    assert due(house, visit_id) < after_a
    with house.unit(chen) as db:
        discounting.apply_scheme(db, visit_id, "")
    assert due(house, visit_id) == whole
    with refused("billing.no_scheme"), house.unit(chen) as db:
        discounting.apply_scheme(db, visit_id, "C")
    assert no_breaches(house)


def test_a_scheme_is_data_with_versions_and_days(house: House, acting: Acting) -> None:
    visit_id = visit_of(house, acting)
    put(house, acting, "A", "0.9", until=TODAY)
    with house.unit(acting("deng")) as db:
        assert discounting.offered(db, TOMORROW) == []
        for factor in ("0", "1", "1.2", "NaN"):
            with refused("billing.factor"):
                discounting.put_scheme(db, "X", "某方案", factor, stackable=True, valid_from=TODAY, valid_until=None, source="x")
        with refused("billing.scheme_days"):
            discounting.put_scheme(db, "X", "某方案", "0.9", stackable=True, valid_from=TOMORROW, valid_until=TODAY, source="x")
    with house.unit(acting("chen")) as db:
        discounting.apply_scheme(db, visit_id, "A")
    before = due(house, visit_id)
    put(house, acting, "A", "0.5")
    assert due(house, visit_id) == before  # what was given stands
    with house.unit(acting("chen")) as db:
        assert charging.discounts_of(db, visit_id)[0].factor == "0.9"


# --- money back for what was done ------------------------------------------------------------------------------------


def test_a_waiver_is_asked_approved_and_then_owed_back(house: House, acting: Acting) -> None:
    visit_id, chen, fang = visit_of(house, acting), acting("chen"), acting("fang")
    line_id = costly(house, acting, visit_id)
    take_all(house, chen, visit_id)
    begin(house, acting("wu"), visit_id, line_id)
    price = next(line.person_fen for line in sheet_of(house, chen, visit_id).lines if line.id == line_id)
    for bad in (0, -1, price + 1):
        with refused("billing.more_than_charged"), house.unit(chen) as db:
            discounting.ask_waiver(db, visit_id, line_id, bad, "x")
    with house.unit(chen) as db:
        first = discounting.ask_waiver(db, visit_id, line_id, price, "设备故障")
        second = discounting.ask_waiver(db, visit_id, line_id, 100, "设备故障")
    with house.unit(fang) as db:
        discounting.decide(db, first, is_approved=True)
    with refused("billing.request_stale"), house.unit(fang) as db:
        discounting.decide(db, second, is_approved=True)
    assert due(house, visit_id) == -price
    with house.unit(chen) as db:
        (standing,) = discounting.standing(db, visit_id)
        with refused("billing.waiver_stands"):
            discounting.undo(db, visit_id, standing.id, "改")
        (refund,) = cashier.refund(db, visit_id, [], price, "已执行退费")
    assert (refund.total_fen, refund.approved_by, due(house, visit_id)) == (price, fang.staff_id, 0)
    assert no_breaches(house)

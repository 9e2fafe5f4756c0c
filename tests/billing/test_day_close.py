"""The day close: counted, explained, shut for good, and followed by an open day (M6, AT-32)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing import centre_close, day_close, ledger, receipts, takings
from billing import day_close_rules as rules
from billing.day_close import Count
from billing.day_close_models import DayClose, OpenDay
from billing.facts import Account, AccountKind, Move
from billing.gateway_models import GatewayOrderRow
from billing.models import LedgerTransaction
from billing.receipt_facts import Part
from exam import commands
from exam.kit.errors import BadInput, Forbidden, Refused
from exam.kit.house import House
from tests.billing.close_cases import TODAY, Acting, closed, drawer, given_back, pieces, taken
from tests.registration.cases import no_breaches, numbered, walk_in


def breaches(house: House) -> str:
    """Every breach, in one text."""
    return "\n".join(text for _, found in commands.breaches_of(house) for text in found)


def close_of(house: House, acting: Acting, close_id: UUID, login: str = "chen") -> day_close.Closed:
    with house.unit(acting(login), write=False) as db:
        return day_close.get(db, close_id)


# --- sums ------------------------------------------------------------------------------------------------------------


def test_a_close_says_what_came_in_and_went_back_by_each_way(house: House, acting: Acting) -> None:
    first = taken(house, acting, number=1)
    second = walk_in(house, acting("lin"), numbered(2)).visit_id
    card = Part(method=AccountKind.BANK_CARD, amount_fen=10000, reference="POS1")
    taken(house, acting, parts=(card, Part(method=AccountKind.CASH, amount_fen=5000)), visit_id=second)
    given_back(house, acting, first, 2000)
    found = close_of(house, acting, closed(house, acting))
    sums = {each.method: (each.in_fen, each.back_fen, each.net_fen) for each in found.statement.methods}
    assert sums == {"cash": (first.total_fen + 5000, 2000, first.total_fen + 3000), "bank_card": (10000, 0, 10000)}
    assert found.expected_fen == first.total_fen + 3000
    assert found.difference_fen == 0
    documents = found.statement.receipts
    assert (documents.payments, documents.refunds, documents.voids) == (2, 1, 0)
    assert documents.first_no == first.receipt_no
    assert breaches(house) == ""


def test_a_voided_receipt_is_taken_off_and_listed(house: House, acting: Acting) -> None:
    first, second = taken(house, acting, number=1), taken(house, acting, number=2)
    with house.unit(acting("chen")) as db:
        receipts.void(db, first.id, "录入错误")
    found = close_of(house, acting, closed(house, acting))
    assert [(each.void_fen, each.net_fen) for each in found.statement.methods] == [(first.total_fen, second.total_fen)]
    assert found.statement.receipts.void_nos == (f"{first.receipt_no}V",)


@given(
    st.lists(st.tuples(st.sampled_from(rules.DENOMINATIONS), st.integers(0, 500)), max_size=8), st.integers(0, 10**7), st.integers(0, 10**6),
    st.integers(-(10**7), 10**7),
)  # fmt: skip
def test_counts_and_expectations_add_up_to_the_fen(counted: list[tuple[int, int]], opening: int, received: int, cash: int) -> None:
    by_value = dict(counted)
    assert rules.counted_fen(by_value) == sum(value * number for value, number in by_value.items())
    expected = rules.expected_fen(opening, received, cash)
    difference = rules.counted_fen(by_value) - expected
    if difference:
        with pytest.raises(BadInput, match=f"{abs(difference) // 100}\\.{abs(difference) % 100:02d}"):
            rules.require_count(expected, expected + difference, received, 0, "")
    else:
        rules.require_count(expected, expected, received, 0, "")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["chen", "lan"]), st.sampled_from(list(takings.METHODS)), st.sampled_from(["visit", "card_sale"]),
            st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_however_flows_are_added_up_the_whole_is_the_same(rows: list[tuple[str, AccountKind, str, int, int, int]]) -> None:
    ids = {"chen": UUID(int=1), "lan": UUID(int=2)}
    found = [
        takings.Flow(TODAY, ids[who], method, purpose, "", came, back, void, 1) for who, method, purpose, came, back, void in rows
    ]
    whole = takings.total(found)
    for parts in (
        takings.by_method(found), takings.add_up(found, lambda flow: flow.cashier_id, str),
        takings.add_up(found, lambda flow: (flow.method, flow.purpose), str),
    ):  # fmt: skip
        assert sum(each.net_fen for each in parts) == whole.net_fen == whole.in_fen - whole.back_fen - whole.void_fen
        assert sum(each.count for each in parts) == whole.count


# --- the count -------------------------------------------------------------------------------------------------------


def test_a_difference_wants_its_reason_and_is_booked(house: House, acting: Acting) -> None:
    taken(house, acting)
    with pytest.raises(BadInput, match=r"短款 1\.00 元"):
        closed(house, acting, extra_fen=-100)
    close_id = closed(house, acting, extra_fen=-100, reason="找零多付")
    assert close_of(house, acting, close_id).difference_fen == -100
    with house.unit(acting("chen"), write=False) as db:
        assert ledger.flows(db, Account(AccountKind.CASH_DIFFERENCE)) == {AccountKind.CASH: 100}
        assert takings.total(takings.of_period(db, TODAY, TODAY)).back_fen == 0, "a difference is no refund"
    assert no_breaches(house)


def test_the_next_drawer_opens_with_what_stayed_in_the_last(house: House, acting: Acting) -> None:
    first = taken(house, acting)
    closed(house, acting, received_fen=20000, handed_fen=first.total_fen)
    house.clock.advance(days=1)
    second = taken(house, acting, number=2)
    found = close_of(house, acting, closed(house, acting))
    assert found.opening_fen == 20000
    assert found.expected_fen == 20000 + second.total_fen
    assert no_breaches(house)


def test_more_than_was_counted_cannot_be_handed_in(house: House, acting: Acting) -> None:
    receipt = taken(house, acting)
    with pytest.raises(BadInput, match="多于清点"):
        closed(house, acting, handed_fen=receipt.total_fen + 1)


# --- AT-32 -----------------------------------------------------------------------------------------------------------


def test_a_drawer_is_closed_once(house: House, acting: Acting) -> None:
    """Without the look at the drawer's closes (and the unique attempt) the difference would be booked twice."""
    taken(house, acting)
    drawer_id = drawer(house, acting)
    closed(house, acting)
    with pytest.raises(Refused, match="已经日结"), house.unit(acting("chen")) as db:
        day_close.close(db, drawer_id, Count())


def test_of_two_closes_at_once_the_database_takes_one(house: House, acting: Acting) -> None:
    """Without the unique attempt, two screens that both saw an open drawer would both close it."""
    taken(house, acting)
    close_id = closed(house, acting)
    with pytest.raises(DBAPIError), house.unit(acting("chen")) as db:
        db.execute(text("insert into billing_day_close select * from billing_day_close"))
    with house.unit(acting("chen"), write=False) as db:
        row = db.get_one(DayClose, close_id)
        assert row.attempt == 1


def test_what_is_booked_after_a_close_counts_on_the_next_day(house: House, acting: Acting) -> None:
    """Without `open_day` in the ledger the receipt would fall into the day that was closed."""
    first = taken(house, acting)
    close_id = closed(house, acting)
    second = taken(house, acting, number=2)
    assert (first.booked_on, second.booked_on) == (TODAY, TODAY + timedelta(days=1))
    assert second.drawer_id != first.drawer_id
    back = given_back(house, acting, first, 100)
    assert (back.drawer_id, back.booked_on) == (second.drawer_id, second.booked_on)
    with pytest.raises(Refused, match="已日结"), house.unit(acting("chen")) as db:
        receipts.void(db, first.id, "录入错误")
    assert close_of(house, acting, close_id).statement.receipts.payments == 1
    other = taken(house, acting, "lan", number=3)
    assert other.booked_on == TODAY, "another cashier's day is open"
    assert no_breaches(house)


@pytest.mark.parametrize(
    "change",
    [
        "update billing_transfer set amount_fen = amount_fen + 1",
        "update billing_receipt set total_fen = total_fen + 1",
        "update billing_receipt_part set reference = 'x'",
        "update billing_transaction set at = '2026-11-20 01:00:00'",
        "delete from billing_receipt_line",
    ],
)
def test_a_changed_row_of_a_closed_drawer_is_found(sqlite_house: House, change: str) -> None:
    """Somebody with the database's own tools takes the guards away. Without the digest nobody would see it by the close."""
    from tests.conftest import actor_named

    house = sqlite_house

    def acting(login: str) -> object:
        return actor_named(house, login)

    taken(house, acting)  # type: ignore[arg-type]
    closed(house, acting)  # type: ignore[arg-type]
    assert "day close" not in breaches(house)
    with house.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        table = change.split()[2 if change.startswith("delete") else 1]
        for (name,) in raw.execute("select name from sqlite_master where type = 'trigger' and tbl_name = ?", (table,)).fetchall():
            raw.execute(f"drop trigger {name}")
        raw.execute(change)
    assert "a row of its drawer was changed" in breaches(house)


def test_a_row_that_is_added_to_a_closed_drawer_is_found(house: House, acting: Acting) -> None:
    taken(house, acting)
    drawer_id = drawer(house, acting)
    closed(house, acting)
    cash, revenue = Account(AccountKind.CASH), Account(AccountKind.REVENUE)
    with house.unit(acting("chen")) as db:
        ledger.post(db, ledger.Posting(kind="payment", moves=(Move(cash, revenue, 5),), site="01", drawer_id=drawer_id))
    assert "a row of its drawer was changed, added or removed" in breaches(house)


def _order(house: House, acting: Acting, state: str, *, is_unbooked: bool = False, minutes: int = 0) -> None:
    """A payment through a gateway that chen began and that is not over."""
    now = house.clock.now() - timedelta(minutes=minutes)
    with house.unit(acting("chen")) as db:
        db.add(
            GatewayOrderRow(
                id=house.ids.new(), order_no=f"P{state}", site="01", method="wechat", target=f"t:{state}", amount_fen=5000, title="体检费",
                is_charge=False, auth_code=b"", code="", state=state, why="", is_unbooked=is_unbooked, trade_no="", paid_fen=0,
                returned_fen=0, opened_at=now, opened_by=acting("chen").staff_id, expires_at=now, changed_at=now, paid_at=None, ver=1,
            )
        )  # fmt: skip


@pytest.mark.parametrize(("state", "is_unbooked"), [("asked", False), ("created", False), ("unknown", False), ("paid", True)])
def test_an_unposted_payment_refuses_the_close(house: House, acting: Acting, state: str, is_unbooked: bool) -> None:
    """Without `require_settled` the money would arrive for a day that nobody counts any more."""
    taken(house, acting)
    _order(house, acting, state, is_unbooked=is_unbooked)
    with pytest.raises(Refused, match=f"P{state}.*不能日结"):
        closed(house, acting)
    assert drawer(house, acting)


def test_a_payment_that_the_gateway_keeps_silent_about_is_listed(house: House, acting: Acting) -> None:
    taken(house, acting)
    _order(house, acting, "unknown", minutes=11)
    found = close_of(house, acting, closed(house, acting))
    assert [each.order_no for each in found.statement.pending] == ["Punknown"]


def test_a_clock_that_was_set_back_closes_nothing(house: House, acting: Acting) -> None:
    """Without `require_clock` a day could be closed that already has later rows, and closed again tomorrow."""
    taken(house, acting)
    house.clock.advance(hours=-1)
    with pytest.raises(Refused, match="服务器时间早于"):
        closed(house, acting)


def test_a_clock_that_was_set_back_books_into_no_closed_day(house: House, acting: Acting) -> None:
    taken(house, acting)
    closed(house, acting)
    with house.unit(acting("deng")) as db:
        centre_close.close(db, TODAY)
    house.clock.advance(days=-2)
    visit_id = walk_in(house, acting("lin"), numbered(2)).visit_id
    with house.unit(acting("deng"), write=False) as db:
        days = {row.booked_on for row in db.query(LedgerTransaction).where(LedgerTransaction.visit_id == visit_id)}
    assert days == {TODAY + timedelta(days=1)}


def test_only_the_cashier_or_finance_closes_a_drawer(house: House, acting: Acting) -> None:
    taken(house, acting)
    drawer_id = drawer(house, acting)
    with pytest.raises(Forbidden, match="本人的班次"), house.unit(acting("lan")) as db:
        day_close.close(db, drawer_id, Count())
    assert close_of(house, acting, closed(house, acting, by="deng")).actor_id == acting("deng").staff_id


def test_receipts_that_differ_from_the_ledger_close_nothing(house: House, acting: Acting) -> None:
    taken(house, acting)
    cash, revenue = Account(AccountKind.CASH), Account(AccountKind.REVENUE)
    with house.unit(acting("chen")) as db:
        ledger.post(
            db,
            ledger.Posting(
                kind="payment", moves=(Move(cash, revenue, 500),), site="01", drawer_id=day_close.to_close(db)[0].drawer_id
            ),
        )
    with pytest.raises(Refused, match="收据与账目不符"):
        closed(house, acting)


# --- undoing ---------------------------------------------------------------------------------------------------------


def test_finance_takes_a_count_back_and_the_drawer_is_counted_again(house: House, acting: Acting) -> None:
    taken(house, acting)
    first = closed(house, acting, extra_fen=500, reason="清点有误")
    with pytest.raises(Refused, match="必须填写原因"), house.unit(acting("deng")) as db:
        day_close.undo(db, first, " ")
    with house.unit(acting("deng")) as db:
        day_close.undo(db, first, "清点错误,重新清点")
    with house.unit(acting("deng"), write=False) as db:
        assert ledger.balance_of(db, Account(AccountKind.CASH_DIFFERENCE)) == 0
    assert close_of(house, acting, first).undone_reason == "清点错误,重新清点"
    second = closed(house, acting)
    assert close_of(house, acting, second).difference_fen == 0
    assert no_breaches(house)


def test_closes_are_undone_from_the_last_one_on_and_not_by_oneself(house: House, acting: Acting) -> None:
    taken(house, acting, "fang")
    first = closed(house, acting, "fang")
    house.clock.advance(days=1)
    taken(house, acting, "fang", number=2)
    second = closed(house, acting, "fang")
    with pytest.raises(Forbidden, match="本人"), house.unit(acting("fang")) as db:
        day_close.undo(db, second, "重新清点")
    with pytest.raises(Refused, match="依次撤销"), house.unit(acting("deng")) as db:
        day_close.undo(db, first, "重新清点")
    with house.unit(acting("deng")) as db:
        day_close.undo(db, second, "重新清点")
        day_close.undo(db, first, "重新清点")
    with house.unit(acting("deng"), write=False) as db:
        later = day_close.to_close(db, acting("fang").staff_id)[1].drawer_id
    with pytest.raises(Refused, match="更早的班次"), house.unit(acting("fang")) as db:
        day_close.close(db, later, Count())
    closed(house, acting, "fang")
    closed(house, acting, "fang")
    assert no_breaches(house)


# --- the centre ------------------------------------------------------------------------------------------------------


def test_the_centre_closes_when_every_drawer_is_counted_and_its_sums_are_the_ledgers(house: House, acting: Acting) -> None:
    first, second = taken(house, acting, number=1), taken(house, acting, "lan", number=2)
    closed(house, acting)
    with pytest.raises(Refused, match="还有 1 个班次未日结"), house.unit(acting("deng")) as db:
        centre_close.close(db, TODAY)
    closed(house, acting, "lan")
    with house.unit(acting("deng")) as db:
        centre_close.close(db, TODAY)
    with house.unit(acting("deng"), write=False) as db:
        found = centre_close.day_of_centre(db, TODAY)
        assert sum(each.net_fen for each in found.statement.methods) == first.total_fen + second.total_fen
        assert ledger.balance_of(db, Account(AccountKind.CASH)) == first.total_fen + second.total_fen
        assert len(found.statement.closes) == 2
        assert db.get_one(OpenDay, "01").day == TODAY + timedelta(days=1)
    assert no_breaches(house)


def test_a_centres_day_is_closed_once_in_order_and_not_ahead(house: House, acting: Acting) -> None:
    taken(house, acting)
    closed(house, acting)
    tomorrow, later = TODAY + timedelta(days=1), TODAY + timedelta(days=2)
    with pytest.raises(Refused, match="尚未到来"), house.unit(acting("deng")) as db:
        centre_close.close(db, tomorrow)
    with house.unit(acting("deng")) as db:
        centre_close.close(db, TODAY)
    with pytest.raises(Refused, match="已全院日结"), house.unit(acting("deng")) as db:
        centre_close.close(db, TODAY)
    house.clock.advance(days=1)
    taken(house, acting, number=2)
    closed(house, acting)
    house.clock.advance(days=1)
    with pytest.raises(Refused, match=f"{tomorrow} 尚未全院日结"), house.unit(acting("deng")) as db:
        centre_close.close(db, later)
    assert no_breaches(house)


def test_after_the_centres_close_nothing_is_undone_and_charges_count_tomorrow(house: House, acting: Acting) -> None:
    taken(house, acting)
    close_id = closed(house, acting)
    with house.unit(acting("deng")) as db:
        centre_close.close(db, TODAY)
    with pytest.raises(Refused, match="已全院日结,不能撤销"), house.unit(acting("deng")) as db:
        day_close.undo(db, close_id, "重新清点")
    visit_id = walk_in(house, acting("lin"), numbered(5)).visit_id
    with house.unit(acting("deng"), write=False) as db:
        assert {row.booked_on for row in db.query(LedgerTransaction).where(LedgerTransaction.visit_id == visit_id)} == {
            TODAY + timedelta(days=1)
        }
    assert no_breaches(house)


def test_the_ways_to_count_are_the_coins_there_are() -> None:
    assert rules.counted_fen(pieces(123450)) == 123450
    with pytest.raises(BadInput, match="张数"):
        rules.counted_fen({100: -1})
    with pytest.raises(BadInput, match="张数"):
        rules.counted_fen({300: 1})


@pytest.mark.parametrize("point", ["day_close", "centre_close", "before_commit"])
def test_a_process_that_is_killed_in_a_close_leaves_nothing_half(house: House, acting: Acting, point: str) -> None:
    """The crash points of the close: whatever ends the process there, the drawer is open or wholly closed."""
    taken(house, acting)
    if point == "centre_close":
        closed(house, acting)
    settings = house.settings

    class Killed(BaseException):
        pass

    class Dying:
        crash_at = point

        def __getattr__(self, name: str) -> object:
            return getattr(settings, name)

        def crash(self) -> None:
            raise Killed

    cashier, finance = acting("chen"), acting("deng")
    house.settings = Dying()
    with pytest.raises(Killed):
        if point == "centre_close":
            with house.unit(finance) as db:
                centre_close.close(db, TODAY)
        else:
            with house.unit(cashier) as db:
                found = day_close.to_close(db)[0]
                day_close.close(db, found.drawer_id, Count(pieces=pieces(found.cash_fen), handed_fen=found.cash_fen))
    house.settings = settings
    if point == "centre_close":
        with house.unit(acting("deng"), write=False) as db:
            assert centre_close.closed_days(db) == []
    else:
        assert close_of(house, acting, closed(house, acting)).difference_fen == 0
    assert no_breaches(house)

"""Members of a round: enrolled with their visits and charges, recognised at the desk, moved between cohorts, taken off again."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from billing import service as billing
from exam import commands
from exam.kit.errors import Refused
from exam.kit.house import House
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import LineState, VisitState
from group_orders import members, service
from group_orders.facts import Offer, OfferMode
from group_orders.models import Member
from registration import service as desk
from registration.facts import WalkIn
from tests.group_orders.cases import Acting, draft, enrolled, open_round

TODAY = date(2026, 11, 21)


def sound(house: House) -> list[tuple[str, list[str]]]:
    return [(name, list(found)) for name, found in commands.breaches_of(house) if found]


def test_members_are_listed_with_their_orders_and_charged_to_the_company(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=2, women=1)
    with house.unit(acting("ning"), write=False) as db:
        rows = [db.get_one(Member, each) for each in ids]
        cards = [visits.card(db, row.visit_id) for row in rows]
        assert {card.state for card in cards} == {VisitState.LISTED}
        assert {card.exam_on for card in cards} == {date(2026, 12, 31)}
        man, woman = rows[0].visit_id, rows[2].visit_id
        assert billing.balance(db, man).organization_fen == 59312  # domain.md §8.3: P02 at 0.88
        assert billing.balance(db, man).due_fen == 0
        # 674.00 + 90.00 at 0.8 is 611.20; the company pays 600.00 at most.
        assert (billing.balance(db, woman).organization_fen, billing.balance(db, woman).due_fen) == (60000, 1120)
        assert visits.card(db, woman).amount_due_fen == 1120
        assert service.owed(db, round_.order_id) == 2 * 59312 + 60000
        assert desk.taken(db, date(2026, 12, 31)) == 0
    assert sound(house) == []


def test_a_member_who_comes_to_the_desk_is_registered_on_the_list(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    [member_id] = enrolled(house, acting, round_, men=1, women=0)
    known = draft(1, round_.cohorts["男职工"])
    with house.unit(acting("lin")) as db:
        opened = desk.walk_in(db, WalkIn(name=known.name, id_no=known.id_no))
    with house.unit(acting("lin")) as db:
        assert opened.visit_id == db.get_one(Member, member_id).visit_id
        desk.check_in(db, opened.visit_id)
        card = visits.card(db, opened.visit_id)
        assert (card.state, card.exam_on) == (VisitState.CHECKED_IN, TODAY)
    with house.unit(acting("lin")) as db:
        desk.add_groups(db, opened.visit_id, ["G014" if "G014" not in _codes(db, opened.visit_id) else "G018"])
    with house.unit(acting("lin")) as db:
        assert billing.balance(db, opened.visit_id).due_fen == 11000  # the member's own carotid scan
    assert sound(house) == []


def _codes(db: object, visit_id: object) -> set[str]:
    return {line.group_code for line in orders.lines(db, visit_id) if line.state is not LineState.REMOVED}  # type: ignore[arg-type]


def test_a_list_is_taken_back_while_nobody_has_come(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    batch = house.ids.new()
    with house.unit(acting("ning")) as db:
        members.enrol(db, round_.order_id, batch, [draft(n, round_.cohorts["男职工"]) for n in (1, 2)])
    with house.unit(acting("ning")) as db:
        assert members.withdraw_batch(db, batch, "名单有误") == 2
    with house.unit(acting("ning"), write=False) as db:
        assert service.owed(db, round_.order_id) == 0
        rows = db.scalars(select(Member)).all()
        assert all(row.left_at is not None for row in rows)
        assert {visits.card(db, row.visit_id).state for row in rows} == {VisitState.CANCELLED}
    assert sound(house) == []
    enrolled(house, acting, round_, men=2, women=0)  # the same persons may be listed again
    assert sound(house) == []


def test_a_batch_of_which_somebody_came_is_not_taken_back(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    batch = house.ids.new()
    first = draft(1, round_.cohorts["男职工"])
    with house.unit(acting("ning")) as db:
        members.enrol(db, round_.order_id, batch, [first, draft(2, round_.cohorts["男职工"])])
    with house.unit(acting("lin")) as db:
        desk.walk_in(db, WalkIn(name=first.name, id_no=first.id_no))
    with pytest.raises(Refused, match="已预约或到检"), house.unit(acting("ning")) as db:
        members.withdraw_batch(db, batch, "名单有误")
    with house.unit(acting("ning"), write=False) as db:
        assert db.scalars(select(Member).where(Member.left_at.is_not(None))).all() == []
    assert sound(house) == []


def test_a_member_moved_to_another_cohort_gets_its_groups_and_its_terms(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting, women=Offer(mode=OfferMode.DISCOUNT, package="P01", factor="0.9"))
    [member_id] = enrolled(house, acting, round_, men=1, women=0)
    with house.unit(acting("ning")) as db:
        members.move_to_cohort(db, member_id, round_.cohorts["女职工"])
    with house.unit(acting("ning"), write=False) as db:
        visit_id = db.get_one(Member, member_id).visit_id
        assert billing.balance(db, visit_id).organization_fen == 21060
        assert len(_codes(db, visit_id)) == 12
    assert sound(house) == []


def test_the_same_person_is_on_a_list_once(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=1, women=0)
    with pytest.raises(Refused, match="已在该批次名单中"):
        enrolled(house, acting, round_, men=1, women=0)


def test_a_round_is_completed_when_nobody_is_under_way(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=2, women=0)
    first = draft(1, round_.cohorts["男职工"])
    with house.unit(acting("lin")) as db:
        opened = desk.walk_in(db, WalkIn(name=first.name, id_no=first.id_no))
    with pytest.raises(Refused, match="尚有 1 人"), house.unit(acting("gan")) as db:
        service.complete(db, round_.order_id, "")
    with house.unit(acting("lin")) as db:
        desk.cancel(db, opened.visit_id, "不来了")
    with house.unit(acting("gan")) as db:
        assert service.complete(db, round_.order_id, "年度体检结束") == 1
    with house.unit(acting("ning"), write=False) as db:
        assert service.owed(db, round_.order_id) == 0
        assert members.order_row(db, round_.order_id).state == "completed"
    assert sound(house) == []

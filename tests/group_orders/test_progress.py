"""Counts of rounds and the lists behind them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec

from exam.kit.clock import day_of
from exam.kit.house import Actor, House
from exam.visits import service as visits
from exam.visits.facts import Milestone
from group_orders import member_lists, members, progress
from group_orders.member_lists import MemberFilters
from group_orders.models import Member
from group_orders.progress import Counts, MemberTab, RoundTab
from registration import service as registration
from tests.group_orders.cases import draft, enrolled, open_round

Acting = Callable[[str], Actor]


def test_counts_follow_what_members_do(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    first, second, third = enrolled(house, acting, round_, men=2, women=1)
    lin, day = acting("lin"), day_of(house.clock.now()) + timedelta(days=1)
    with house.unit(lin) as db:
        registration.rebook(db, db.get_one(Member, second).visit_id, day)
    with house.unit(lin) as db:
        registration.register(db, db.get_one(Member, first).visit_id)
    with house.unit(lin) as db:
        visit_id = db.get_one(Member, first).visit_id
        visits.reach(db, visit_id, Milestone.CHECKED_IN)
    with house.unit(acting("ning"), write=False) as db:
        counts = progress.of_order(db, round_.order_id)
        assert counts == Counts(expected=3, booked=2, registered=1, checked_in=1)
        assert counts.absent == 2 and counts.percent(counts.booked) == 66
        assert progress.by_cohort(db, round_.order_id)[round_.cohorts["女职工"]] == Counts(expected=1)
        assert list(progress.by_department(db, round_.order_id)) == ["一车间"]
        listed = {tab: member_lists.member_list(db, round_.order_id, MemberFilters(tab)) for tab in MemberTab}
        assert {line.id for line in listed[MemberTab.ABSENT].lines} == {second, third}
        assert [line.id for line in listed[MemberTab.CHECKED_IN].lines] == [first]
        assert all(listed[tab].total == len(listed[tab].lines) == listed[MemberTab.ALL].counts[tab] for tab in MemberTab)
        assert member_lists.booked_days(db, round_.order_id) == {day_of(house.clock.now()): 1, day: 1}


def test_who_left_is_counted_nowhere_and_listed_apart(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    first, _ = enrolled(house, acting, round_, men=2, women=0)
    with house.unit(acting("ning")) as db:
        members.withdraw(db, [members.member_row(db, first)], "离职")
    with house.unit(acting("ning"), write=False) as db:
        assert progress.of_order(db, round_.order_id).expected == 1
        left = member_lists.member_list(db, round_.order_id, MemberFilters(MemberTab.LEFT))
        assert [(line.id, line.left_reason) for line in left.lines] == [(first, "离职")]
        assert left.counts[MemberTab.ABSENT] == 1


def test_a_round_of_another_site_is_neither_counted_nor_found(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_)
    elsewhere = msgspec.structs.replace(acting("ning"), site="09")
    with house.unit(elsewhere, write=False) as db:
        assert progress.rounds(db, RoundTab.ALL).total == 0
        assert progress.of_order(db, round_.order_id) == Counts()
        assert member_lists.member_list(db, round_.order_id, MemberFilters()).total == 0


def test_unfinished_companies_are_those_with_a_round_under_way(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    other = open_round(house, acting, code="91450100MA5KA0002X")
    with house.unit(acting("ning"), write=False) as db:
        unfinished = progress.rounds(db, RoundTab.UNFINISHED)
        assert unfinished.organizations == 2 and {line.id for line in unfinished.lines} == {round_.order_id, other.order_id}
        assert progress.rounds(db, RoundTab.UNFINISHED, "glj").total == 2
        assert progress.rounds(db, RoundTab.UNFINISHED, "桂林机械厂1").total == 1
        assert progress.rounds(db, RoundTab.COMPLETED).lines == ()
        assert progress.rounds(db, RoundTab.ALL, contract_id=other.contract_id).total == 1
        assert progress.years_of(db, round_.organization_id)[0].year == 2026


def test_family_stands_right_after_its_employee(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    men, women = round_.cohorts["男职工"], round_.cohorts["女职工"]
    drafts = [
        draft(3, men, employee_no="E3"), draft(1, men, employee_no="E1"),
        draft(101, women, sex="F", employee_no="", relation="配偶", of_employee_no="E1", department=""),
        draft(2, men, employee_no="E2", department=""),
    ]  # fmt: skip
    with house.unit(acting("ning")) as db:
        three, one, wife, two = members.enrol(db, round_.order_id, None, drafts)
    with house.unit(acting("ning"), write=False) as db:
        listed = member_lists.member_list(db, round_.order_id, MemberFilters())
        assert [line.id for line in listed.lines] == [one, wife, three, two]
        assert listed.lines[1].of_name == draft(1, men).name
        assert [line.id for line in member_lists.family_of(db, members.member_row(db, one))] == [wife]
        nobody = member_lists.member_list(db, round_.order_id, MemberFilters(department=""))
        assert {line.id for line in nobody.lines} == {wife, two}


def test_a_list_comes_in_pages(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=9, women=6)
    with house.unit(acting("ning"), write=False) as db:
        page = member_lists.member_list(db, round_.order_id, MemberFilters(), page=2, size=10)
        assert (page.page, page.pages, page.total, len(page.lines)) == (2, 2, 15, 5)
        last = member_lists.member_list(db, round_.order_id, MemberFilters(), page=99, size=10)
        assert last.page == 2

"""Booking a company over days, reminding it, printing for it: what is asked for, and what the worker does of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import msgspec
import pytest
from pypdf import PdfReader
from sqlalchemy import func, select

from exam.kit.clock import day_of
from exam.kit.errors import BadInput, Refused
from exam.kit.house import Actor, House
from exam.messages import service as messages
from exam.messages.facts import ConsentKind, Occasion
from exam.messages.models import Message
from exam.visits import service as visits
from exam.visits.facts import Milestone, VisitState
from exam.visits.models import Visit, VisitBoard
from group_orders import booking, company_prints, members, progress, tasks
from group_orders.member_lists import MemberFilters
from group_orders.models import Member
from group_orders.progress import MemberTab
from registration import printing, slips
from registration import service as registration
from registration.facts import SlipKind
from tests.group_orders.cases import CLOSES, MEN, Round, draft, enrolled, open_round

Acting = Callable[[str], Actor]
UNBOOKED, BOOKED = MemberFilters(MemberTab.UNBOOKED), MemberFilters(MemberTab.BOOKED)


@pytest.fixture(autouse=True)
def centre_phone(house: House) -> None:
    """The reminder names the centre's phone."""
    house.settings = msgspec.structs.replace(house.settings, centre_phone="0771-1234567")


def days_from(house: House, count: int) -> list[date]:
    return [day_of(house.clock.now()) + timedelta(days=1 + number) for number in range(count)]


def work(house: House) -> None:
    """The worker's rounds until nothing goes on."""
    for _ in range(50):
        if not tasks.waiting_tasks(house, tasks.BOOK, tasks.UNBOOK, tasks.REMIND):
            return
        tasks.work_waiting(house)


def booked(house: House, acting: Acting, round_: Round, asked: dict[date, int]) -> tasks.Task:
    with house.unit(acting("ning")) as db:
        task_id = booking.book(db, round_.order_id, UNBOOKED, asked)
    work(house)
    with house.unit(acting("ning"), write=False) as db:
        return tasks.task(db, task_id)


def state_of(house: House, acting: Acting, member_id: UUID) -> tuple[VisitState, date]:
    with house.unit(acting("ning"), write=False) as db:
        card = visits.card(db, db.get_one(Member, member_id).visit_id)
        return card.state, card.exam_on


def test_members_fall_on_days_in_order_and_are_booked(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=3, women=2)
    first, second = days_from(house, 2)
    with house.unit(acting("ning"), write=False) as db:
        plan = booking.plan(db, round_.order_id, UNBOOKED, {second: 1, first: 3})
        assert [(each.places.day, each.count, each.departments) for each in plan.days] == [
            (first, 3, (("一车间", 3),)), (second, 1, (("一车间", 1),)),
        ]  # fmt: skip
        assert (plan.total, plan.left_over) == (5, 1) and [each.member_id for each in plan.chosen] == ids[:4]
    task = booked(house, acting, round_, {first: 3, second: 1})
    assert (task.state, task.total, task.done, task.refused) == ("done", 4, 4, 0)
    assert [state_of(house, acting, each) for each in ids[2:4]] == [(VisitState.BOOKED, first), (VisitState.BOOKED, second)]
    assert state_of(house, acting, ids[4])[0] is VisitState.LISTED
    with house.unit(acting("ning"), write=False) as db:
        assert registration.taken(db, first) == 3 and progress.of_order(db, round_.order_id).booked == 4


def test_the_last_day_of_the_round_is_a_day_like_others(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    member_id = enrolled(house, acting, round_, men=1, women=0)[0]
    assert booked(house, acting, round_, {CLOSES: 1}).done == 1
    assert state_of(house, acting, member_id) == (VisitState.BOOKED, CLOSES)


def test_more_than_a_part_is_booked_and_a_stopped_task_stays_stopped(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=tasks.PART + 5, women=0)
    day = days_from(house, 1)[0]
    with house.unit(acting("ning")) as db:
        task_id = booking.book(db, round_.order_id, UNBOOKED, {day: tasks.PART + 5})
    with pytest.raises(Refused, match="正在进行"), house.unit(acting("ning")) as db:
        booking.book(db, round_.order_id, UNBOOKED, {day: 1})
    row = tasks.waiting_tasks(house, tasks.BOOK)[0]
    assert tasks._work_next(house, tasks.asker(row), task_id)
    with house.unit(acting("ning")) as db:
        tasks.act(db, task_id, "cancel")
    work(house)
    with house.unit(acting("ning"), write=False) as db:
        assert (tasks.task(db, task_id).state, tasks.task(db, task_id).done) == ("cancelled", tasks.PART)
        assert registration.taken(db, day) == tasks.PART


def test_a_full_day_is_refused_by_name(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=3, women=0)
    first, second = days_from(house, 2)
    with house.unit(acting("qin")) as db:
        registration.set_capacity(db, first, 2)
        registration.set_capacity(db, second, 0)
    with pytest.raises(BadInput) as refused, house.unit(acting("ning")) as db:
        booking.book(db, round_.order_id, UNBOOKED, {first: 3, second: 1, CLOSES + timedelta(days=1): 1})
    assert [field for field, _ in refused.value.problems] == [f"day_{first}", f"day_{second}", f"day_{CLOSES + timedelta(days=1)}"]
    assert "只剩 2 个名额,不能安排 3 人" in refused.value.text and "名额已满" in refused.value.text
    with pytest.raises(BadInput, match="至少在一个日期"), house.unit(acting("ning")) as db:
        booking.book(db, round_.order_id, UNBOOKED, {})


def test_a_day_that_fills_up_meanwhile_leaves_the_last_ones_with_the_reason(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=4, women=0)
    day = days_from(house, 1)[0]
    with house.unit(acting("ning")) as db:
        task_id = booking.book(db, round_.order_id, UNBOOKED, {day: 4})
    with house.unit(acting("qin")) as db:
        registration.set_capacity(db, day, 3)
    work(house)
    with house.unit(acting("ning"), write=False) as db:
        task = tasks.task(db, task_id)
        assert (task.state, task.done, task.refused) == ("done", 3, 1)
        assert task.refusals[0].member_id == ids[3] and "已满" in task.refusals[0].text
        assert registration.taken(db, day) == 3


def test_booked_members_are_moved_and_given_back(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=2, women=0)
    first, second = days_from(house, 2)
    booked(house, acting, round_, {first: 2})
    with house.unit(acting("ning")) as db:
        booking.book(db, round_.order_id, MemberFilters(MemberTab.BOOKED, day=first), {second: 1})
    work(house)
    assert [state_of(house, acting, each)[1] for each in ids] == [second, first]
    with pytest.raises(Refused, match="必须填写原因"), house.unit(acting("ning")) as db:
        booking.unbook(db, round_.order_id, BOOKED, " ")
    with house.unit(acting("ning")) as db:
        booking.unbook(db, round_.order_id, BOOKED, "工期调整")
    work(house)
    assert [state_of(house, acting, each) for each in ids] == [(VisitState.LISTED, CLOSES)] * 2
    with house.unit(acting("ning"), write=False) as db:
        assert registration.taken(db, first) == registration.taken(db, second) == 0


def test_a_day_on_which_the_offer_does_not_hold_is_refused(house: House, acting: Acting) -> None:
    first, second = days_from(house, 2)
    round_ = open_round(house, acting, men=msgspec.structs.replace(MEN, valid_until=first))
    enrolled(house, acting, round_, men=2, women=0)
    task = booked(house, acting, round_, {first: 1, second: 1})
    assert (task.done, task.refused) == (1, 1) and f"至 {first})" in task.refusals[0].text


def test_who_left_the_list_meanwhile_is_not_booked(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=2, women=0)
    with house.unit(acting("ning")) as db:
        task_id = booking.book(db, round_.order_id, UNBOOKED, {days_from(house, 1)[0]: 2})
    with house.unit(acting("ning")) as db:
        members.withdraw(db, [members.member_row(db, ids[0])], "离职")
    work(house)
    with house.unit(acting("ning"), write=False) as db:
        task = tasks.task(db, task_id)
        assert (task.done, task.refused, task.refusals[0].member_id) == (1, 1, ids[0]) and "已移出名单" in task.refusals[0].text


# --- reminding -------------------------------------------------------------------------------------------------------


def test_who_has_not_come_is_reminded_once_a_day(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=2, women=0)
    with house.unit(acting("lin")) as db:
        registration.register(db, db.get_one(Member, ids[0]).visit_id)
    with house.unit(acting("lin")) as db:
        visits.reach(db, db.get_one(Member, ids[0]).visit_id, Milestone.CHECKED_IN)
    with house.unit(acting("qin")) as db:
        messages.record_consent(db, db.get_one(Member, ids[1]).person_id, ConsentKind.GIVEN)
    done = []
    for _ in range(2):
        with house.unit(acting("ning")) as db:
            task_id = booking.remind(db, round_.order_id, MemberFilters())
        work(house)
        with house.unit(acting("ning"), write=False) as db:
            done.append(tasks.task(db, task_id))
    assert [(each.total, each.done, each.refused) for each in done] == [(1, 1, 0), (1, 0, 1)]
    assert "今天已提醒过" in done[1].refusals[0].text
    with house.unit(acting("ning"), write=False) as db:
        row = db.scalars(select(Message).where(Message.occasion == Occasion.GROUP_EXAM.value)).one()
        assert row.person_id == db.get_one(Member, ids[1]).person_id and row.template_code == "MSG_GROUP_EXAM"
        text = house.cipher.open(row.text, f"exam_message.text:{row.id}")
        assert "请在12月31日前" in text
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    with house.unit(acting("ning")) as db:
        booking.remind(db, round_.order_id, MemberFilters())
    work(house)
    with house.unit(acting("ning"), write=False) as db:
        assert db.scalar(select(func.count()).select_from(Message).where(Message.occasion == Occasion.GROUP_EXAM.value)) == 2


def test_nobody_without_consent_is_written_to_and_the_task_says_so(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=2, women=0)
    with house.unit(acting("ning")) as db:
        task_id = booking.remind(db, round_.order_id, UNBOOKED)
    work(house)
    with house.unit(acting("ning"), write=False) as db:
        assert tasks.held_back(db, task_id) == [("短信暂缓:受检者未同意接收短信", 2)]
        assert set(db.scalars(select(Message.state))) == {"held"}


# --- printing --------------------------------------------------------------------------------------------------------


def printed(house: House, acting: Acting, round_: Round, kind: SlipKind, order: str = "department") -> tasks.Task:
    with house.unit(acting("ning")) as db:
        task_id = company_prints.start(db, round_.order_id, kind, MemberFilters(), order)
    company_prints.print_waiting(house)
    with house.unit(acting("ning"), write=False) as db:
        return tasks.task(db, task_id)


def test_guide_sheets_of_a_company_are_one_file_in_order(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    men = round_.cohorts["男职工"]
    with house.unit(acting("ning")) as db:
        ids = members.enrol(
            db, round_.order_id, None,
            [draft(1, men, department="二车间"), draft(2, men, department="一车间"), draft(3, men, department="一车间")],
        )  # fmt: skip
    first, second = days_from(house, 2)
    booked(house, acting, round_, {first: 1, second: 1})
    task = printed(house, acting, round_, SlipKind.GUIDE_SHEET)
    assert (task.state, task.total, task.done, task.refused, task.has_file) == ("done", 2, 2, 0, True)
    with house.unit(acting("ning"), write=False) as db:
        content, name = company_prints.file_of(db, task.id)
        numbers = [db.scalars(select(Visit.visit_no).join(Member, Member.visit_id == Visit.id).where(Member.id == each)).one() for each in ids]
        assert printing.copies_of(db, db.get_one(Member, ids[1]).visit_id) == {("guide_sheet", ""): 1}
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]
    assert [[number for number in numbers if number in page] for page in pages] == [[numbers[1]], [numbers[2]]]
    assert name == "导检单 第一批 2人.pdf" and all("第 1 / 1 页" in page for page in pages)
    assert content not in company_prints.CompanyPrints(house).path_of(_digest(house, acting, task.id)).read_bytes()


def _digest(house: House, acting: Acting, task_id: UUID) -> str:
    with house.unit(acting("ning"), write=False) as db:
        return tasks.task_row(db, task_id).file_digest


def test_labels_are_numbered_ahead_and_used_at_the_check_in(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=1, women=0)
    booked(house, acting, round_, {days_from(house, 1)[0]: 1})
    task = printed(house, acting, round_, SlipKind.LABEL)
    assert (task.state, task.done) == ("done", 1)
    with house.unit(acting("ning"), write=False) as db:
        content, _ = company_prints.file_of(db, task.id)
        visit_id = db.get_one(Member, ids[0]).visit_id
        ahead = [label.barcode for label in printing.labels_of(db, visit_id)]
    assert len(PdfReader(io.BytesIO(content)).pages) == len(ahead) > 1
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    with house.unit(acting("lin")) as db:
        registration.register(db, visit_id)
    with house.unit(acting("lin")) as db:
        registration.check_in(db, visit_id)
    with house.unit(acting("lin"), write=False) as db:
        assert [label.barcode for label in printing.labels_of(db, visit_id)] == ahead


def test_whose_day_was_taken_back_is_left_out_with_the_reason(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=2, women=0)
    booked(house, acting, round_, {days_from(house, 1)[0]: 2})
    with house.unit(acting("ning")) as db:
        task_id = company_prints.start(db, round_.order_id, SlipKind.GUIDE_SHEET, MemberFilters(), "name")
    with house.unit(acting("ning")) as db:
        tasks.unbook(db, members.member_row(db, ids[0]), "出差")
    company_prints.print_waiting(house)
    with house.unit(acting("ning"), write=False) as db:
        task = tasks.task(db, task_id)
        assert (task.state, task.done, task.refused) == ("done", 1, 1) and "未预约" in task.refusals[0].text
        assert len(PdfReader(io.BytesIO(company_prints.file_of(db, task_id)[0])).pages) == 1


def test_an_interrupted_print_is_drawn_whole_and_logged_once(house: House, acting: Acting, monkeypatch: pytest.MonkeyPatch) -> None:
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=2, women=0)
    booked(house, acting, round_, {days_from(house, 1)[0]: 2})
    with house.unit(acting("ning")) as db:
        task_id = company_prints.start(db, round_.order_id, SlipKind.GUIDE_SHEET, MemberFilters(), "name")

    def torn(*_: object) -> bytes:
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(slips, "guide_sheets_pdf", torn)
        company_prints.print_waiting(house)
    company_prints.print_waiting(house)
    with house.unit(acting("ning"), write=False) as db:
        task = tasks.task(db, task_id)
        assert (task.state, task.done, task.has_file) == ("done", 2, True)
        assert len(PdfReader(io.BytesIO(company_prints.file_of(db, task_id)[0])).pages) == 2
        assert printing.copies_of(db, db.get_one(Member, ids[0]).visit_id) == {("guide_sheet", ""): 1}


def test_files_go_after_their_time(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=1, women=0)
    booked(house, acting, round_, {days_from(house, 1)[0]: 1})
    task = printed(house, acting, round_, SlipKind.GUIDE_SHEET)
    path = company_prints.CompanyPrints(house).path_of(_digest(house, acting, task.id))
    company_prints.forget_files(house)
    assert path.exists()
    house.clock.advance(days=company_prints.KEPT.days, hours=1)  # type: ignore[attr-defined]
    company_prints.forget_files(house)
    assert not path.exists()
    with pytest.raises(Refused, match="尚未生成,或已超过保留期"), house.unit(acting("ning"), write=False) as db:
        company_prints.file_of(db, task.id)


def test_boards_agree_with_the_facts_after_all_of_it(house: House, acting: Acting) -> None:
    from exam.visits import verify

    round_ = open_round(house, acting)
    enrolled(house, acting, round_, men=2, women=1)
    booked(house, acting, round_, {days_from(house, 1)[0]: 2})
    printed(house, acting, round_, SlipKind.LABEL)
    with house.unit(acting("ning")) as db:
        booking.unbook(db, round_.order_id, BOOKED, "工期调整")
    work(house)
    with house.unit(acting("ning"), write=False) as db:
        for invariant in verify.INVARIANTS:
            assert list(invariant.check(db)) == [], invariant.name
        assert set(db.scalars(select(VisitBoard.state))) == {"listed"}

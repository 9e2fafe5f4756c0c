"""Settlements of a round on both databases: what they bill, two people, prepayments, transfers, corrections, voids, races."""

from __future__ import annotations

import threading
from datetime import date

import pytest
from sqlalchemy import func, select

from billing import ledger, receipts, transfers
from billing.facts import Account, AccountKind
from billing.receipt_facts import Part, Return, Target
from billing.transfer_facts import NewTransfer, SettlementVoided
from exam.kit.errors import BadInput, Refused
from exam.kit.events import Event
from exam.kit.house import House
from exam.visits import orders
from exam.visits.facts import LineState
from group_orders import members, prepaying, service, settlement_lists, settling
from group_orders.facts import Offer, OfferMode, Reduction, ReductionKind
from group_orders.models import Member
from group_orders.settlement_facts import SettlementState, Verdict
from group_orders.settlement_models import SettlementLineRow, SettlementRow
from registration import service as desk
from tests.group_orders.cases import Acting, Round, enrolled, open_round
from tests.group_orders.settling_cases import (
    FINAL,
    INTERIM,
    SUPPLEMENT,
    approved,
    come,
    complete,
    hand_in,
    propose,
    row_of,
    sound,
    transferred,
)

MAN = 59312  # domain.md §8.3: P02 at 0.88


def _left(house: House, acting: Acting, round_: Round) -> dict[Verdict, tuple[int, int]]:
    with house.unit(acting("ning"), write=False) as db:
        return {each.verdict: (each.members, each.amount_fen) for each in settling.preview(db, round_.order_id, INTERIM).left}


def test_only_those_who_came_are_billed_and_each_line_once(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    first, second, third = enrolled(house, acting, round_, men=2, women=1)
    come(house, acting, first, 1)
    one = approved(house, acting, round_)
    row = row_of(house, acting, one)
    assert (row.lines_fen, row.due_fen, row.receivable_fen, row.member_count, row.state) == (MAN, MAN, MAN, 1, "approved")
    assert _left(house, acting, round_) == {Verdict.SETTLED: (1, MAN), Verdict.NOT_YET: (2, MAN + 60000)}
    come(house, acting, third, 101, sex="F")
    two = row_of(house, acting, approved(house, acting, round_))
    assert (two.lines_fen, two.member_count) == (60000, 1)  # 611.20, of which the company pays 600.00 at most
    with pytest.raises(Refused, match="没有可结算"):
        propose(house, acting, round_)
    come(house, acting, second, 2)
    assert row_of(house, acting, propose(house, acting, round_)).lines_fen == MAN
    assert sound(house) == []


@pytest.mark.parametrize(("settled_by", "is_less"), [("item", True), ("package", False)])
def test_what_was_refused_is_billed_only_by_package(house: House, acting: Acting, settled_by: str, is_less: bool) -> None:
    round_ = open_round(house, acting, settled_by=settled_by)
    [member] = enrolled(house, acting, round_, men=1, women=0)
    visit_id = come(house, acting, member, 1, refused=2)
    row = row_of(house, acting, propose(house, acting, round_))
    with house.unit(acting("ning"), write=False) as db:
        refused = [line.id for line in orders.lines(db, visit_id) if line.state is LineState.REFUSED]
        billed = set(db.scalars(select(SettlementLineRow.line_id).where(SettlementLineRow.settlement_id == row.id)))
    assert len(refused) == 2
    assert billed.isdisjoint(refused) == is_less
    assert (row.lines_fen < MAN) == is_less
    assert sound(house) == []


def test_an_interim_settlement_takes_members_up_to_a_day(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    [member] = enrolled(house, acting, round_, men=1, women=0)
    come(house, acting, member, 1)
    with house.unit(acting("ning"), write=False) as db:
        early = settling.preview(db, round_.order_id, INTERIM, date(2026, 11, 20))
        today = settling.preview(db, round_.order_id, INTERIM, date(2026, 11, 21))
    assert (early.line_count, today.sums.lines_fen) == (0, MAN)


def test_a_second_person_approves_and_what_was_seen_is_what_is_stored(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    first, second = enrolled(house, acting, round_, men=2, women=0)
    come(house, acting, first, 1)
    with house.unit(acting("gan"), write=False) as db:
        digest = settling.preview(db, round_.order_id, INTERIM).digest
    come(house, acting, second, 2)
    with pytest.raises(Refused, match="有变化"), house.unit(acting("gan")) as db:
        settling.propose(db, round_.order_id, INTERIM, None, digest)
    with house.unit(acting("gan")) as db:
        digest = settling.preview(db, round_.order_id, INTERIM).digest
        settlement_id = settling.propose(db, round_.order_id, INTERIM, None, digest)
    with pytest.raises(Refused, match="自己提交"), house.unit(acting("gan")) as db:
        settling.approve(db, settlement_id)
    with house.unit(acting("deng")) as db:
        settling.approve(db, settlement_id)
    with pytest.raises(Refused, match="当前状态为“待收款”"), house.unit(acting("deng")) as db:
        settling.approve(db, settlement_id)


def test_a_returned_proposal_frees_its_lines(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    [member] = enrolled(house, acting, round_, men=1, women=0)
    come(house, acting, member, 1)
    settlement_id = propose(house, acting, round_)
    with pytest.raises(Refused, match="等待审核"):
        propose(house, acting, round_)
    with pytest.raises(Refused, match="原因"), house.unit(acting("gan")) as db:
        settling.send_back(db, settlement_id, " ")
    with house.unit(acting("gan")) as db:
        settling.send_back(db, settlement_id, "单价待核对")
    assert row_of(house, acting, settlement_id).state == "returned"
    assert row_of(house, acting, propose(house, acting, round_)).lines_fen == MAN
    assert sound(house) == []


def test_the_prepayment_is_used_and_comes_back_to_the_fen_when_the_settlement_is_voided(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    [member] = enrolled(house, acting, round_, men=1, women=0)
    come(house, acting, member, 1)
    with house.unit(acting("ning")) as db:
        prepaying.take(db, round_.order_id, Part(method=AccountKind.BANK_CARD, amount_fen=50000, reference="POS1"))
    settlement_id = approved(house, acting, round_)
    row = row_of(house, acting, settlement_id)
    assert (row.prepaid_fen, row.receivable_fen) == (50000, MAN - 50000)
    with house.unit(acting("ning"), write=False) as db:
        assert prepaying.balance(db, round_.order_id) == 0
        assert service.owed(db, round_.order_id) == MAN - 50000
        assert [each.balance_fen for each in prepaying.history(db, round_.order_id)] == [50000, 0]
    assert sound(house) == []
    with house.unit(acting("gan")) as db:
        settling.void(db, settlement_id, "单位要求重开")
    with house.unit(acting("ning"), write=False) as db:
        assert prepaying.balance(db, round_.order_id) == 50000
        assert service.owed(db, round_.order_id) == MAN
        assert [each.balance_fen for each in prepaying.history(db, round_.order_id)] == [50000, 0, 50000]
        told = db.scalars(select(Event.body).where(Event.kind == SettlementVoided.__name__)).all()
        assert len(told) == 1 and str(settlement_id) in told[0]
    assert sound(house) == []
    again = row_of(house, acting, approved(house, acting, round_, prepaid=10000))
    assert (again.prepaid_fen, again.receivable_fen, again.lines_fen) == (10000, MAN - 10000, MAN)
    assert sound(house) == []


def test_no_more_is_used_or_sent_back_than_was_paid_ahead(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    [member] = enrolled(house, acting, round_, men=1, women=0)
    come(house, acting, member, 1)
    with house.unit(acting("ning")) as db:
        receipt_id = prepaying.take(db, round_.order_id, Part(method=AccountKind.CASH, amount_fen=60000))
    with pytest.raises(Refused, match=r"超出可用范围"):
        propose(house, acting, round_, prepaid=60000)
    settlement_id = propose(house, acting, round_)
    with pytest.raises(Refused, match="待审核的结算单将使用"), house.unit(acting("gan")) as db:
        prepaying.refund(db, round_.order_id, 60000, "B1", "退回")
    with house.unit(acting("ning")) as db:  # the cashier gives the receipt back all the same: the approval finds too little
        receipt = receipts.get(db, receipt_id)
        receipts.give_back(db, receipt_id, [Return(receipt.parts[0].id, 60000)], "单位要求退回")
    with pytest.raises(Refused, match="余额不足"), house.unit(acting("gan")) as db:
        settling.approve(db, settlement_id)
    assert row_of(house, acting, settlement_id).state == "proposed"
    assert sound(house) == []


def test_what_is_left_is_sent_back_or_carried_to_the_next_round(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    other = open_round(house, acting, code="91450100MA5KA0002X")
    with house.unit(acting("ning")) as db:
        prepaying.take(db, round_.order_id, Part(method=AccountKind.TRANSFER, amount_fen=10000, reference="N1"))
    with pytest.raises(Refused, match="同一单位"), house.unit(acting("gan")) as db:
        prepaying.carry_over(db, round_.order_id, other.order_id, 1)
    complete(house, acting, round_)
    with house.unit(acting("ning")) as db:
        from group_orders.facts import NewOrder
        from tests.group_orders.cases import CLOSES, OPENS

        next_id = service.add_order(db, NewOrder(contract_id=round_.contract_id, name="第二批", opens_on=OPENS, closes_on=CLOSES))
    with pytest.raises(Refused, match="草稿"), house.unit(acting("gan")) as db:
        prepaying.carry_over(db, round_.order_id, next_id, 4000)
    with house.unit(acting("ning")) as db:
        from group_orders.facts import NewCohort
        from tests.group_orders.cases import MEN

        cohort = service.add_cohort(db, next_id, NewCohort(name="全体"))
        service.set_offer(db, cohort, MEN, "")
    with house.unit(acting("gan")) as db:
        service.approve(db, next_id)
    with house.unit(acting("gan")) as db:
        prepaying.carry_over(db, round_.order_id, next_id, 4000, "结转")
    with house.unit(acting("gan")) as db:
        prepaying.refund(db, round_.order_id, 6000, "OUT-1", "批次结束")
    with pytest.raises(Refused, match="不足"), house.unit(acting("gan")) as db:
        prepaying.refund(db, round_.order_id, 1, "OUT-2", "批次结束")
    with house.unit(acting("ning"), write=False) as db:
        assert [prepaying.balance(db, each) for each in (round_.order_id, next_id)] == [0, 4000]
        assert [each.amount_fen for each in prepaying.history(db, round_.order_id)] == [10000, -4000, -6000]
        assert [each.amount_fen for each in prepaying.history(db, next_id)] == [4000]
    assert sound(house) == []


def test_a_transfer_pays_a_settlement_in_parts_and_is_taken_back(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    [member] = enrolled(house, acting, round_, men=1, women=0)
    come(house, acting, member, 1)
    settlement_id = approved(house, acting, round_)
    transfer_id = transferred(house, acting, MAN + 20000)
    with house.unit(acting("deng"), write=False) as db:
        [best, prepay] = settlement_lists.suggestions(db, transfers.get(db, transfer_id))
        assert (best.target_id, best.amount_fen, best.likelihood) == (settlement_id, MAN, 2)
        assert (prepay.kind, prepay.target_id) == ("prepayment", round_.order_id)
    with pytest.raises(Refused, match="超过该结算单待收"), house.unit(acting("deng")) as db:
        settling.pay_by_transfer(db, settlement_id, transfer_id, MAN + 1)
    with house.unit(acting("deng")) as db:
        settling.pay_by_transfer(db, settlement_id, transfer_id, 30000)
    assert row_of(house, acting, settlement_id).state == "approved"
    with house.unit(acting("deng")) as db:
        match_id = settling.pay_by_transfer(db, settlement_id, transfer_id, MAN - 30000)
    with house.unit(acting("deng")) as db:
        prepaying.take_from_transfer(db, round_.order_id, transfer_id, 20000)
    row = row_of(house, acting, settlement_id)
    assert (row.state, row.paid_fen) == ("paid", MAN)
    with house.unit(acting("deng"), write=False) as db:
        assert transfers.get(db, transfer_id).open_fen == 0
        assert service.owed(db, round_.order_id) == 0
        assert prepaying.balance(db, round_.order_id) == 20000
    assert sound(house) == []
    with pytest.raises(Refused, match="已收款"), house.unit(acting("gan")) as db:
        settling.void(db, settlement_id, "重开")
    with house.unit(acting("deng")) as db:
        settling.unmatch(db, match_id, "认领有误")
    with pytest.raises(Refused, match="已撤销"), house.unit(acting("deng")) as db:
        settling.unmatch(db, match_id, "认领有误")
    row = row_of(house, acting, settlement_id)
    assert (row.state, row.paid_fen, row.paid_at) == ("approved", 30000, None)
    with house.unit(acting("deng"), write=False) as db:
        assert transfers.get(db, transfer_id).open_fen == MAN - 30000
        assert [each.name for each in settlement_lists.arrears(db)] == ["桂林机械厂1X"]
        assert settlement_lists.arrears(db)[0].by_age == (MAN - 30000, 0, 0, 0)
    assert sound(house) == []


def test_a_settlement_is_paid_at_the_desk_and_its_receipt_voided(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    [member] = enrolled(house, acting, round_, men=1, women=0)
    come(house, acting, member, 1)
    settlement_id = approved(house, acting, round_)
    with house.unit(acting("deng")) as db:
        receipt_id = settling.pay_at_desk(db, settlement_id, Part(method=AccountKind.BANK_CARD, amount_fen=MAN, reference="P1"))
    assert row_of(house, acting, settlement_id).state == "paid"
    with house.unit(acting("deng")) as db:
        assert receipts.get(db, receipt_id).target == Target("settlement", settlement_id)
        receipts.void(db, receipt_id, "刷错卡")
    row = row_of(house, acting, settlement_id)
    assert (row.state, row.paid_fen) == ("approved", 0)
    assert sound(house) == []


def test_a_line_taken_off_after_its_settlement_is_a_difference_on_the_next(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    first, second = enrolled(house, acting, round_, men=2, women=0)
    visit_id = come(house, acting, first, 1)
    one = approved(house, acting, round_)
    with house.unit(acting("wu")) as db:
        line = next(each for each in orders.lines(db, visit_id) if each.state is LineState.RESULTED)
        from exam.visits.facts import Progress

        orders.withdraw(db, visit_id, [line.id], (Progress.RESULTED, Progress.STARTED), "录错人")
    with house.unit(acting("lin")) as db:
        desk.remove_line(db, visit_id, line.id, "退项")
    with house.unit(acting("ning"), write=False) as db:
        seen = settling.preview(db, round_.order_id, INTERIM)
        assert seen.correction_count >= 1 and seen.sums.due_fen < 0 and seen.sums.credited_fen == -seen.sums.due_fen
    two = approved(house, acting, round_)
    back = row_of(house, acting, two).credited_fen
    with house.unit(acting("ning"), write=False) as db:
        assert prepaying.balance(db, round_.order_id) == back > 0
    assert row_of(house, acting, one).lines_fen == MAN  # never edited
    assert sound(house) == []
    with pytest.raises(Refused, match="更正了本单的项目"), house.unit(acting("gan")) as db:
        settling.void(db, one, "重开")
    come(house, acting, second, 2)
    three = row_of(house, acting, approved(house, acting, round_))
    assert (three.lines_fen, three.prepaid_fen, three.receivable_fen) == (MAN, back, MAN - back)
    with pytest.raises(Refused, match="余额不足"), house.unit(acting("gan")) as db:
        settling.void(db, two, "重开")  # what it credited was used in between
    assert sound(house) == []


def test_the_contract_adjusts_the_round_as_a_whole(house: House, acting: Acting) -> None:
    reductions = (Reduction(ReductionKind.OFF_FROM, 100000, 5000), Reduction(ReductionKind.AT_LEAST, 0, 200000))
    round_ = open_round(house, acting, reductions=reductions)
    ids = enrolled(house, acting, round_, men=2, women=0)
    visit_ids = [come(house, acting, ids[0], 1)]
    one = row_of(house, acting, approved(house, acting, round_))
    assert (one.adjusted_fen, one.due_fen) == (0, MAN)
    visit_ids.append(come(house, acting, ids[1], 2))
    two = row_of(house, acting, approved(house, acting, round_))
    assert (two.adjusted_fen, two.due_fen) == (-5000, MAN - 5000)  # 1186.24 in all: from 1000 on, 50 less
    hand_in(house, acting, visit_ids)
    complete(house, acting, round_)
    final = row_of(house, acting, approved(house, acting, round_, FINAL))
    assert (final.line_count, final.adjusted_fen) == (0, 200000 - (2 * MAN - 5000))
    with house.unit(acting("ning"), write=False) as db:
        assert service.owed(db, round_.order_id) == 200000
        assert ledger.balance_of(db, Account(AccountKind.REDUCTION)) == 2 * MAN - 200000
    assert sound(house) == []


def test_the_final_settlement_settles_the_round_and_its_void_reopens_it(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    [member] = enrolled(house, acting, round_, men=1, women=0)
    visit_id = come(house, acting, member, 1, refused=1)
    with pytest.raises(Refused, match="不能做检后结算"):
        propose(house, acting, round_, FINAL)
    hand_in(house, acting, [visit_id])
    complete(house, acting, round_)
    final = approved(house, acting, round_, FINAL)
    with house.unit(acting("ning"), write=False) as db:
        assert members.order_row(db, round_.order_id).state == "settled"
    assert sound(house) == []
    with pytest.raises(Refused, match="没有可结算"):
        propose(house, acting, round_, SUPPLEMENT)
    with house.unit(acting("gan")) as db:
        settling.void(db, final, "漏计")
    with house.unit(acting("ning"), write=False) as db:
        assert members.order_row(db, round_.order_id).state == "completed"
    assert sound(house) == []


def test_a_member_who_moves_to_another_round_keeps_what_was_done_on_the_old_one(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting, women=Offer(mode=OfferMode.DISCOUNT, package="P01", factor="0.9"))
    [member] = enrolled(house, acting, round_, men=1, women=0)
    visit_id = come(house, acting, member, 1, refused=0)
    one = row_of(house, acting, approved(house, acting, round_))
    with house.unit(acting("ning")) as db:
        members.move_to_cohort(db, member, round_.cohorts["女职工"])
    with house.unit(acting("ning"), write=False) as db:
        # What was done stays under the terms it was done by (F35): nothing to correct.
        assert settling.preview(db, round_.order_id, INTERIM).correction_count == 0
        assert db.get_one(Member, member).visit_id == visit_id
    assert row_of(house, acting, one.id).lines_fen == MAN
    assert sound(house) == []


def test_two_settlements_of_one_round_at_once_one_wins(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=2, women=0)
    for n, member in enumerate(ids, 1):
        come(house, acting, member, n)
    actors = [acting("ning"), acting("gan"), acting("deng")]
    with house.unit(actors[0], write=False) as db:
        digest = settling.preview(db, round_.order_id, INTERIM).digest
    gate, ended = threading.Barrier(3), []

    def one(actor: object) -> None:
        gate.wait()
        try:
            with house.unit(actor) as db:  # type: ignore[arg-type]
                settling.propose(db, round_.order_id, INTERIM, None, digest)
            ended.append("stored")
        except Refused as refused:
            ended.append(refused.code)

    threads = [threading.Thread(target=one, args=(actor,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["group_orders.settlement_waits"] * 2 + ["stored"]
    assert sound(house) == []


def test_two_who_match_the_last_of_a_transfer_one_wins(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    transfer_id = transferred(house, acting, 1000)
    actors = [acting("ning"), acting("deng")]
    gate, ended = threading.Barrier(2), []

    def one(actor: object) -> None:
        gate.wait()
        try:
            with house.unit(actor) as db:  # type: ignore[arg-type]
                prepaying.take_from_transfer(db, round_.order_id, transfer_id, 800)
            ended.append("taken")
        except Refused as refused:
            ended.append(refused.code)

    threads = [threading.Thread(target=one, args=(actor,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["billing.transfer_exceeded", "taken"]
    assert sound(house) == []


def test_transfers_are_recorded_once_voided_and_sent_back(house: House, acting: Acting) -> None:
    transfer_id = transferred(house, acting, 5000, reference="BANK-1")
    with pytest.raises(Refused, match="已登记"):
        transferred(house, acting, 5000, reference="BANK-1")
    with pytest.raises(BadInput) as bad, house.unit(acting("deng")) as db:
        transfers.record(db, NewTransfer(amount_fen=0, payer_name=" ", received_on=date(2026, 11, 22)))
    assert [field for field, _ in bad.value.problems] == ["amount", "payer_name", "received_on"]
    with house.unit(acting("deng")) as db:
        match_id = transfers.send_back(db, transfer_id, 2000, "汇错账户")
    with pytest.raises(Refused, match="已认领"), house.unit(acting("deng")) as db:
        transfers.void(db, transfer_id, "重复")
    with house.unit(acting("deng"), write=False) as db:
        found = transfers.find(db)
        assert (found.total, found.open_fen, settlement_lists.unmatched_by_age(db)) == (1, 3000, (3000, 0, 0, 0))
        assert [transfers.find(db, "all", q).total for q in ("桂林", "BANK-1", "50.00", "50", "51", "BANK")] == [1, 1, 1, 1, 0, 0]
    assert sound(house) == []
    with house.unit(acting("deng")) as db:
        settling.unmatch(db, match_id, "未退成")
    with house.unit(acting("deng")) as db:
        transfers.void(db, transfer_id, "重复登记")
    assert sound(house) == []
    transferred(house, acting, 5000, reference="BANK-1")  # the same line of the statement, typed right this time
    assert sound(house) == []


def test_a_used_prepayment_is_not_unmatched(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    [member] = enrolled(house, acting, round_, men=1, women=0)
    come(house, acting, member, 1)
    transfer_id = transferred(house, acting, MAN)
    with house.unit(acting("deng")) as db:
        match_id = prepaying.take_from_transfer(db, round_.order_id, transfer_id, MAN)
    settlement_id = approved(house, acting, round_)
    assert row_of(house, acting, settlement_id).state == SettlementState.PAID
    with pytest.raises(Refused, match="余额不足"), house.unit(acting("deng")) as db:
        settling.unmatch(db, match_id, "认领有误")
    with house.unit(acting("gan")) as db:
        settling.void(db, settlement_id, "重开")
    with house.unit(acting("deng")) as db:
        settling.unmatch(db, match_id, "认领有误")
    assert sound(house) == []


def test_the_lists_tell_what_is_settled_and_what_not(house: House, acting: Acting) -> None:
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=2, women=0)
    come(house, acting, ids[0], 1)
    propose(house, acting, round_)
    with house.unit(acting("deng"), write=False) as db:
        [found] = settlement_lists.unsettled(db).rounds
        assert (found.charged_fen, found.settled_fen, found.waiting_fen, found.unsettled_fen) == (2 * MAN, MAN, MAN, MAN)
        counts = {tab: settlement_lists.find(db, settlement_lists.Query(tab)).total for tab in settlement_lists.TABS}
        assert counts == {"open": 1, "proposed": 1, "approved": 0, "paid": 0, "ended": 0, "all": 1}
        number = db.scalars(select(SettlementRow.settlement_no)).one()
        for words, total in (("机械", 1), (number, 1), (number[-4:], 1), ("没有", 0)):
            assert settlement_lists.find(db, settlement_lists.Query("all", words)).total == total
        assert settlement_lists.find(db, settlement_lists.Query("all", until=date(2026, 11, 20))).total == 0


def test_the_invariants_tell_a_line_on_two_settlements(sqlite_house: House) -> None:
    from tests.conftest import actor_named

    house = sqlite_house
    acting = lambda login: actor_named(house, login)  # noqa: E731
    round_ = open_round(house, acting)
    ids = enrolled(house, acting, round_, men=2, women=0)
    come(house, acting, ids[0], 1)
    one = approved(house, acting, round_)
    come(house, acting, ids[1], 2)
    two = approved(house, acting, round_)
    with house.unit(acting("ning")) as db:
        line = db.scalars(select(SettlementLineRow).where(SettlementLineRow.settlement_id == one)).first()
        assert line is not None
        db.add(
            SettlementLineRow(
                settlement_id=two, line_id=line.line_id, order_id=line.order_id, visit_id=line.visit_id, position=99, kind="first",
                name=line.name, standard_fen=line.standard_fen, amount_fen=line.amount_fen,
            )
        )  # fmt: skip
    assert {name for name, _ in sound(house)} >= {"group_orders: a line is settled once", "group_orders: settlements add up"}
    with house.unit(acting("ning"), write=False) as db:
        assert db.scalar(select(func.count()).select_from(SettlementRow)) == 2

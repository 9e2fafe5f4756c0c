"""Invoices: numbers by segment that are never used twice, one live invoice for a payment, void, red, and a platform that fails (M9)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from billing import invoice_numbers, invoice_reconciler, invoices, receipts
from billing import invoice_rules as rules
from billing.facts import AccountKind
from billing.invoice_facts import Invoice, InvoiceState, Medium, NewInvoice
from billing.invoice_models import InvoiceCover, InvoiceFact
from billing.receipt_facts import Part
from exam import commands
from exam.kit.errors import BadInput, Forbidden, Refused
from exam.kit.house import House
from exam.kit.period import Period
from group_orders.rules import read_credit_code
from rehearsal import e_invoice_peer as peer
from tests.billing.close_cases import CREDIT_CODE, TODAY, Acting, closed, given_back, invoiced, segment, taken
from tests.registration.cases import no_breaches

VALID_CODE = "91350100M000100Y43"


def invoice(house: House, acting: Acting, invoice_id: UUID) -> Invoice:
    with house.unit(acting("chen"), write=False) as db:
        return invoices.get(db, invoice_id)


def breaches(house: House) -> str:
    return "\n".join(text for _, found in commands.breaches_of(house) for text in found)


# --- rules -----------------------------------------------------------------------------------------------------------


def test_a_companys_tax_number_is_checked_as_gb_32100_says() -> None:
    assert rules.read_tax_number(" 91350100m000100y43 ") == VALID_CODE == read_credit_code(VALID_CODE)
    for wrong in ("", "91350100M000100Y4", "91350100M000100Y44", "91350100I000100Y43", "9135０100M000100Y43"):
        with pytest.raises(BadInput, match="税号"):
            rules.read_tax_number(wrong)


@given(st.integers(0, 16), st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"))
def test_one_wrong_character_of_a_tax_number_is_always_found(place: int, character: str) -> None:
    wrong = VALID_CODE[:place] + character + VALID_CODE[place + 1 :]
    if wrong != VALID_CODE:
        with pytest.raises(BadInput):
            rules.read_tax_number(wrong)


@given(st.sets(st.integers(1, 300)))
def test_ranges_name_exactly_the_numbers(numbers: set[int]) -> None:
    named: set[int] = set()
    for run in rules.ranges(numbers, 4):
        first, _, last = run.partition("–")
        named |= set(range(int(first), int(last or first) + 1))
    assert named == numbers


@pytest.mark.parametrize(
    ("code", "first", "last"),
    [("", "1", "2"), ("4500", "x", "2"), ("4500", "2", "1"), ("4500", "01", "2"), ("4500", "0", "9"), ("4500", "000001", "900000")],
)
def test_a_segment_that_cannot_be_is_refused(code: str, first: str, last: str) -> None:
    with pytest.raises(BadInput):
        rules.read_segment(code, first, last)


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_numbers_come_one_after_the_other_and_end_with_the_segment(house: House, acting: Acting) -> None:
    segment(house, acting)
    receipts_ = [taken(house, acting, number=number) for number in range(1, 5)]
    made = [invoice(house, acting, invoiced(house, acting, receipt)) for receipt in receipts_[:3]]
    assert [each.number for each in made] == ["00000001", "00000002", "00000003"]
    with pytest.raises(Refused, match="没有可用的发票号"):
        invoiced(house, acting, receipts_[3])
    segment(house, acting, first="00000011", last="00000012")
    assert invoice(house, acting, invoiced(house, acting, receipts_[3])).number == "00000011"
    assert no_breaches(house)


def test_a_number_whose_transaction_failed_is_a_gap_and_never_used_again(house: House, acting: Acting) -> None:
    segment(house, acting)
    receipt = taken(house, acting)
    with pytest.raises(ZeroDivisionError), house.unit(acting("chen")) as db:
        invoices.issue(db, NewInvoice(subject_kind="receipt", subject_id=receipt.id, title="覃志一"))
        raise ZeroDivisionError
    assert invoice(house, acting, invoiced(house, acting, receipt)).number == "00000002"
    with house.unit(acting("chen"), write=False) as db:
        found = invoice_numbers.segments(db)[0]
    assert (found.used, found.void, found.remaining, found.gaps, found.next) == (1, 0, 1, ("00000001",), "00000003")


def test_a_number_is_not_used_twice_after_a_restore(house: House, acting: Acting) -> None:
    """The series' mark stands outside the database: without it the restored database would give the number again."""
    segment(house, acting)
    first, second = taken(house, acting, number=1), taken(house, acting, number=2)
    assert invoice(house, acting, invoiced(house, acting, first)).number == "00000001"
    with house.unit(acting("chen")) as db:
        db.execute(text("update exam_series set last = 0 where name like 'invoice:%'"))  # as an older copy has it
    assert invoice(house, acting, invoiced(house, acting, second)).number == "00000002"


def test_segments_do_not_overlap(house: House, acting: Acting) -> None:
    segment(house, acting)
    with pytest.raises(BadInput, match="重叠"):
        segment(house, acting, "lan", "00000003", "00000009")
    segment(house, acting, "lan", "00000003", "00000009", code="4501")
    segment(house, acting, "lan", "00000004", "00000009")


def test_a_blank_sheet_that_was_spoiled_is_void(house: House, acting: Acting) -> None:
    segment(house, acting)
    with house.unit(acting("chen")) as db:
        assert invoice_numbers.void_blank(db, "卡纸撕毁") == "00000001"
    assert invoice(house, acting, invoiced(house, acting, taken(house, acting))).number == "00000002"
    with house.unit(acting("chen"), write=False) as db:
        found = invoice_numbers.segments(db)[0]
    assert (found.used, found.void, found.void_ranges) == (1, 1, ("00000001",))


# --- one live invoice ------------------------------------------------------------------------------------------------


def test_a_payment_is_on_one_live_invoice(house: House, acting: Acting) -> None:
    segment(house, acting)
    receipt = taken(house, acting)
    first = invoiced(house, acting, receipt)
    with pytest.raises(Refused, match="不能重复开票"):
        invoiced(house, acting, receipt)
    with pytest.raises(DBAPIError), house.unit(acting("chen")) as db:
        row = db.scalars(select(InvoiceCover).where(InvoiceCover.invoice_id == first)).one()
        db.add(InvoiceCover(id=house.ids.new(), invoice_id=first, covers=row.covers, amount_fen=1, is_live=True))
        db.flush()
    with house.unit(acting("chen")) as db:
        invoices.void(db, first, "抬头写错")
    assert invoice(house, acting, invoiced(house, acting, receipt)).state == InvoiceState.ISSUED
    assert no_breaches(house)


def test_money_goes_back_only_when_no_invoice_stands_for_it(house: House, acting: Acting) -> None:
    segment(house, acting)
    receipt = taken(house, acting)
    first = invoiced(house, acting, receipt)
    with pytest.raises(Refused, match="已开发票 4500 00000001"):
        given_back(house, acting, receipt, 500)
    with house.unit(acting("chen")) as db:
        invoices.redden(db, first, "退部分项目")
    given_back(house, acting, receipt, 500)
    assert invoice(house, acting, invoiced(house, acting, receipt)).amount_fen == receipt.total_fen - 500
    assert no_breaches(house)


def test_what_a_company_pays_and_what_a_card_pays_is_invoiced_elsewhere(house: House, acting: Acting) -> None:
    segment(house, acting)
    receipt = taken(house, acting)
    with house.unit(acting("chen")) as db:
        receipts.void(db, receipt.id, "录入错误")
    with pytest.raises(Refused, match="不是有效的收款收据"):
        invoiced(house, acting, receipt)


def test_titles_are_read_with_care(house: House, acting: Acting) -> None:
    segment(house, acting)
    receipt = taken(house, acting)
    with pytest.raises(BadInput, match="校验位"):
        invoiced(house, acting, receipt, is_company=True, title="桂林机械厂", tax_no="91350100M000100Y44")
    with pytest.raises(BadInput, match="抬头"):
        invoiced(house, acting, receipt, title=" ")
    with pytest.raises(BadInput, match="个人发票不填税号"):
        invoiced(house, acting, receipt, tax_no=VALID_CODE)
    made = invoice(house, acting, invoiced(house, acting, receipt, is_company=True, title="桂林机械厂", tax_no=VALID_CODE))
    assert (made.title, made.tax_no, made.number) == ("桂林机械厂", VALID_CODE, "00000001")
    assert sum(each.amount_fen for each in made.items) == made.amount_fen == receipt.total_fen


# --- print, spoil, void, red -----------------------------------------------------------------------------------------


def test_a_reprint_keeps_the_number_and_a_spoiled_sheet_does_not(house: House, acting: Acting) -> None:
    segment(house, acting)
    made = invoiced(house, acting, taken(house, acting))
    for count in (1, 2):
        with house.unit(acting("chen")) as db:
            assert invoices.note_print(db, made) == count
    with house.unit(acting("chen")) as db:
        assert invoices.spoil(db, made, "打印机卡纸") == "00000002"
    with house.unit(acting("chen")) as db:
        assert invoices.note_print(db, made) == 1
        found = invoice_numbers.segments(db)[0]
    assert (found.used, found.void, found.remaining, found.void_ranges) == (1, 1, 1, ("00000001",))
    assert no_breaches(house)


def test_an_invoice_is_voided_on_its_day_before_the_close_and_reddened_afterwards(house: House, acting: Acting) -> None:
    """Without `require_voidable` a void would change the counts of a drawer that finance has already."""
    segment(house, acting, last="00000009")
    first, second = taken(house, acting, number=1), taken(house, acting, number=2)
    early, late = invoiced(house, acting, first), invoiced(house, acting, second)
    with pytest.raises(Forbidden, match="本人开具"), house.unit(acting("lan")) as db:
        invoices.void(db, early, "抬头写错")
    with house.unit(acting("chen")) as db:
        invoices.void(db, early, "抬头写错")
    closed(house, acting)
    with pytest.raises(Refused, match="已日结,不能作废"), house.unit(acting("chen")) as db:
        invoices.void(db, late, "抬头写错")
    with house.unit(acting("chen")) as db:
        red_id = invoices.redden(db, late, "抬头写错")
    red, blue = invoice(house, acting, red_id), invoice(house, acting, late)
    assert (red.is_red, red.original_id, red.amount_fen, red.number) == (True, late, blue.amount_fen, "00000003")
    assert blue.state == InvoiceState.REDDENED
    for again in (late, red_id):
        with pytest.raises(Refused), house.unit(acting("chen")) as db:
            invoices.redden(db, again, "再次红冲")
    invoiced(house, acting, second)
    assert no_breaches(house)


def test_the_day_close_counts_the_invoices_of_its_drawer(house: House, acting: Acting) -> None:
    from billing import day_close

    segment(house, acting, last="00000009")
    made = [invoiced(house, acting, taken(house, acting, number=number)) for number in (1, 2, 3)]
    with house.unit(acting("chen")) as db:
        invoices.void(db, made[1], "抬头写错")
    close_id = closed(house, acting)
    with house.unit(acting("chen"), write=False) as db:
        use = day_close.get(db, close_id).statement.invoices
    assert (use.used, use.void, use.count, use.void_count) == (("4500 00000001–00000003",), ("00000002",), 3, 1)


def test_a_second_live_invoice_by_hand_is_found(sqlite_house: House) -> None:
    from tests.conftest import actor_named

    house = sqlite_house
    acting: Acting = lambda login: actor_named(house, login)  # noqa: E731
    segment(house, acting)
    made = invoiced(house, acting, taken(house, acting))
    with house.unit(acting("chen")) as db:
        db.execute(text("drop index uq_billing_invoice_cover_live"))
        row = db.scalars(select(InvoiceCover).where(InvoiceCover.invoice_id == made)).one()
        db.add(InvoiceCover(id=house.ids.new(), invoice_id=made, covers=row.covers, amount_fen=row.amount_fen, is_live=True))
    assert "is on two live invoices" in breaches(house)


def test_invoices_are_found_by_number_receipt_and_title(house: House, acting: Acting) -> None:
    segment(house, acting)
    receipt = taken(house, acting)
    invoiced(house, acting, receipt)
    period = Period(TODAY, TODAY)
    with house.unit(acting("chen"), write=False) as db:
        for words in ("00001", receipt.receipt_no, "覃志"):
            assert invoices.find(db, period, q=words).total == 1, words
        for words in ("%", "_", "99999"):
            assert invoices.find(db, period, q=words).total == 0, words
        assert invoices.find(db, period, state="voided").total == 0


# --- a platform over sockets -----------------------------------------------------------------------------------------


@pytest.fixture
def platform(house: House, tmp_path: Path) -> Iterator[peer.Platform]:
    """A platform on this machine that the house knows; its clock is not asked for, as the house's is held still."""
    papers = tmp_path / "invoices"
    held = peer.Platform(b"")
    held.checks_time = False
    server = peer.serve(0, held)
    held.key = peer.make_papers(papers, server.server_port)
    house.settings = msgspec.structs.replace(house.settings, invoices=str(papers))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield held
    server.shutdown()
    server.server_close()
    thread.join(5)


def asked(house: House, acting: Acting, number: int = 1) -> UUID:
    return invoiced(house, acting, taken(house, acting, number=number), medium=Medium.FISCAL)


def work(house: House, rounds: int = 1) -> None:
    for _ in range(rounds):
        invoice_reconciler.work_due(house)
        house.clock.advance(minutes=11)


def test_an_electronic_invoice_is_issued_by_its_platforms_word(house: House, acting: Acting, platform: peer.Platform) -> None:
    made = asked(house, acting)
    assert invoice(house, acting, made).state == InvoiceState.REQUESTED
    work(house)
    found = invoice(house, acting, made)
    assert (found.state, found.code, found.number) == (InvoiceState.ISSUED, "26450000", "0000000001")
    assert found.check_code
    assert no_breaches(house)


@pytest.mark.parametrize("mode", ["drop", "fault", "forge"])
def test_a_lost_answer_leaves_it_unknown_and_the_question_settles_it(
    house: House, acting: Acting, platform: peer.Platform, mode: str
) -> None:
    platform.behaviour = peer.Behaviour(mode=mode)  # type: ignore[arg-type]
    made = asked(house, acting)
    work(house)
    assert invoice(house, acting, made).state == InvoiceState.UNKNOWN
    with pytest.raises(Refused, match="已开发票"):
        given_back(house, acting, taken_of(house, acting, made), 100)
    platform.behaviour = peer.Behaviour()
    work(house)
    assert invoice(house, acting, made).state == InvoiceState.ISSUED
    assert [each.posts for each in platform.kept.values()] == [1], "one request is one invoice"
    assert no_breaches(house)


def taken_of(house: House, acting: Acting, invoice_id: UUID) -> receipts.Receipt:
    with house.unit(acting("chen"), write=False) as db:
        return receipts.get(db, invoices.get(db, invoice_id).subject_id)


def test_a_busy_platform_is_asked_again_and_a_slow_one_waited_for(house: House, acting: Acting, platform: peer.Platform) -> None:
    platform.behaviour = peer.Behaviour(mode="busy")
    made = asked(house, acting)
    work(house)
    assert invoice(house, acting, made).state == InvoiceState.REQUESTED
    platform.behaviour = peer.Behaviour(mode="slow", working=2)
    work(house, 2)
    assert invoice(house, acting, made).state == InvoiceState.UNKNOWN
    work(house)
    assert invoice(house, acting, made).state == InvoiceState.ISSUED


def test_a_refused_request_frees_its_payment(house: House, acting: Acting, platform: peer.Platform) -> None:
    platform.behaviour = peer.Behaviour(mode="refuse")
    made = asked(house, acting)
    work(house)
    assert invoice(house, acting, made).state == InvoiceState.FAILED
    segment(house, acting)
    invoiced(house, acting, taken_of(house, acting, made))
    assert no_breaches(house)


@pytest.mark.parametrize(("mode", "why"), [("wrong", "amount"), ("repeat", "number")])
def test_an_answer_that_cannot_be_is_not_believed(
    house: House, acting: Acting, platform: peer.Platform, mode: str, why: str
) -> None:
    asked(house, acting, 1)
    work(house)
    platform.behaviour = peer.Behaviour(mode=mode)  # type: ignore[arg-type]
    made = asked(house, acting, 2)
    work(house)
    found = invoice(house, acting, made)
    assert (found.state, found.why) == (InvoiceState.UNKNOWN, why)


def test_a_red_electronic_invoice_takes_the_blue_one_back_when_it_is_issued(
    house: House, acting: Acting, platform: peer.Platform
) -> None:
    made = asked(house, acting)
    work(house)
    with house.unit(acting("chen")) as db:
        red_id = invoices.redden(db, made, "客户退费")
    with pytest.raises(Refused, match="已申请红冲"), house.unit(acting("chen")) as db:
        invoices.redden(db, made, "客户退费")
    assert invoice(house, acting, made).state == InvoiceState.ISSUED, "until the platform has said so"
    work(house)
    assert invoice(house, acting, made).state == InvoiceState.REDDENED
    red = next(each.asked for each in platform.kept.values() if each.asked.is_red)
    assert red.original_number == "0000000001"
    assert invoice(house, acting, red_id).state == InvoiceState.ISSUED
    with pytest.raises(Refused, match="不能作废"), house.unit(acting("chen")) as db:
        invoices.void(db, red_id, "误开")
    with house.unit(acting("chen"), write=False) as db:
        kinds = list(db.scalars(select(InvoiceFact.kind).where(InvoiceFact.invoice_id == red_id).order_by(InvoiceFact.id)))
    assert kinds == ["request", "submit", "issue"]
    assert no_breaches(house)


def test_without_a_platform_paper_still_works(house: House, acting: Acting) -> None:
    segment(house, acting)
    receipt = taken(house, acting, parts=(Part(method=AccountKind.BANK_CARD, amount_fen=500, reference="P1"),))
    with pytest.raises(Refused, match="未配置电子票据平台"):
        invoiced(house, acting, receipt, medium=Medium.TAX)
    assert invoice(house, acting, invoiced(house, acting, receipt)).number == "00000001"


def test_a_key_that_others_can_read_is_not_used(house: House, platform: peer.Platform) -> None:
    from interfaces.e_invoices import setting_of

    folder = Path(house.settings.invoices)
    assert setting_of(str(folder), "tax")[1] == ""
    (folder / "peer.key").chmod(0o644)
    assert setting_of(str(folder), "tax")[1] == "exposed"
    (folder / "tax.toml").write_text('url = "http://invoices.example"\nissuer = "x"\nkey = "peer.key"\n')
    (folder / "peer.key").chmod(0o600)
    assert setting_of(str(folder), "tax")[1] == "misset", "titles travel only over TLS"
    assert CREDIT_CODE

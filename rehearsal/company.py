"""A company's round from the roster to the closed day: `exam rehearse --company N`, which ends with the proof of the balance.

The company's desk, the cashier and finance work through the rooms' own services, the day itself is walked by the robots of `day`
over HTTP. Who is booked yesterday comes today: the office works by a clock one day behind before the doors open.
"""

from __future__ import annotations

import io
import secrets
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import xlsxwriter
from sqlalchemy import select

from billing import balances, centre_close, day_close, invoice_numbers, invoices, ledger, transfers
from billing.facts import MONEY, AccountKind, Payer
from billing.invoice_facts import NewInvoice
from billing.receipt_facts import Part
from billing.transfer_facts import NewTransfer
from exam import commands
from exam.app import make_house
from exam.kit.clock import day_of
from exam.kit.house import Actor, House, system_actor
from exam.kit.money import yuan
from exam.people import service as people
from exam.settings import Settings
from exam.staff.demo import make_staff
from exam.staff.models import Staff
from exam.staff.service import authenticate, open_session
from group_orders import (
    booking,
    prepaying,
    roster_accepting,
    roster_fields,
    roster_sheet,
    roster_staging,
    service,
    settling,
    tasks,
)
from group_orders import members as members_of_round
from group_orders.facts import NewCohort, NewContract, NewOrder, Offer, OfferMode, Reduction, ReductionKind
from group_orders.member_lists import MemberFilters
from group_orders.progress import MemberTab
from group_orders.settlement_facts import SettlementKind
from rehearsal.cast import Invented, invent
from rehearsal.commands import code_of, demo_password
from rehearsal.day import Centre, Journey, Stage
from rehearsal.desk import Answered, Stopwatch
from rehearsal.earlier import ClockBehind, serving

T = TypeVar("T")
COMPANY = ("91450100MA5KA0001U", "桂林机械厂")
HEADER = ("姓名", "身份证号", "性别", "手机", "部门", "工号")
OFFERS = {
    "男职工": ("M", Offer(mode=OfferMode.ITEMS, package="P02", factor="0.88")),
    "女职工": ("F", Offer(mode=OfferMode.ITEMS, package="P02", groups=("G015",), factor="0.8", limit_fen=60000)),
}
EXTRAS = ("G018", "G026")
"""What members add and pay themselves; each third one does."""

PREPAID_FEN = 100_000
ABSENT_EVERY = 7
"""One in so many does not come: the completed round takes them off."""


class MemberJourney(Journey):
    """A member's way: as anybody's, but what they owe themselves is paid at the cashier's."""

    def pay(self) -> None:
        """Each third member adds something of their own, and pays what is theirs in cash."""
        lin, chen = self.centre.desks["lin"], self.centre.desks["chen"]
        if self.number % 3 == 0:
            lin.post("add groups", f"/api/visits/{self.visit_no}/lines", {"groups": [EXTRAS[self.number // 3 % 2]]})
        self._look()
        due = self.visit["balance"]["due_fen"]
        if due > 0:
            fields = {"key": f"company-{self.number:06d}", "seen_due": str(due), "cash": yuan(due)}
            chen.send_form("take money", f"/cashier/visits/{self.visit_no}/take", fields)


class Office:
    """Who works at the company's desk and at the cashier's, over one house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._actors: dict[str, Actor] = {}

    def actor(self, login: str) -> Actor:
        """A member of the cast with their rights."""
        if login not in self._actors:
            with self.house.unit(system_actor(self.house.site)) as db:
                token = open_session(db, db.scalars(select(Staff.id).where(Staff.login == login)).one(), "rehearsal")
            with self.house.unit(None, write=False) as db:
                self._actors[login] = authenticate(db, token)
        return self._actors[login]

    def do(self, login: str, what: Callable[[Any], T]) -> T:
        """One unit of work of somebody."""
        with self.house.unit(self.actor(login)) as db:
            return what(db)


def roster(invented: Sequence[Invented]) -> bytes:
    """The list as the company's office writes it."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet("名单")
        sheet.write_row(0, 0, HEADER)
        for n, each in enumerate(invented, 1):
            sex = "男" if each.sex == "M" else "女"
            sheet.write_row(n, 0, (each.name, each.id_no, sex, each.phone, f"{'一二三'[n % 3]}车间", f"E{n:05d}"))
    return content.getvalue()


# --- before the day ----------------------------------------------------------------------------------------------------


def open_round(office: Office, today: date) -> UUID:
    """Contract, round and cohorts: put down by one, approved and opened by another."""
    with office.house.unit(office.actor("ning")) as db:
        found = {code: organization_id for organization_id, code, _ in people.organizations(db)}
        organization_id = found.get(COMPANY[0]) or people.add_organization(db, *COMPANY)
    new = NewContract(
        organization_id=organization_id, name="年度体检", starts_on=today - timedelta(days=1), ends_on=today + timedelta(days=364),
        billable_when="checked_in", settled_by="item", reductions=(Reduction(ReductionKind.OFF_FROM, 500_000, 20_000),),
    )  # fmt: skip
    contract_id = office.do("ning", lambda db: service.add_contract(db, new))
    round_ = NewOrder(
        contract_id=contract_id, name="第一批", opens_on=today - timedelta(days=1), closes_on=today + timedelta(days=30)
    )
    order_id = office.do("ning", lambda db: service.add_order(db, round_))
    for name, (sex, offer) in OFFERS.items():
        cohort = NewCohort(name=name, sex=sex)
        cohort_id = office.do("ning", lambda db, cohort=cohort: service.add_cohort(db, order_id, cohort))  # type: ignore[misc]
        office.do("ning", lambda db, cohort_id=cohort_id, offer=offer: service.set_offer(db, cohort_id, offer, ""))  # type: ignore[misc]
    office.do("gan", lambda db: service.approve(db, order_id))
    office.do("gan", lambda db: service.act(db, order_id, "open"))
    return order_id


def import_roster(office: Office, order_id: UUID, content: bytes) -> None:
    """Uploads, checks and accepts the list, and enrols it as the worker would."""
    sheets = roster_sheet.read(content, "名单.xlsx", roster_fields.KNOWN_HEADERS)
    batch_id = office.do("ning", lambda db: roster_staging.store(db, order_id, "名单.xlsx", content, sheets))

    def check(db: Any) -> None:
        batch = roster_staging.batch(db, batch_id)
        header, _ = roster_staging.sample(db, batch, 0, batch.header_row)
        judged = roster_staging.judge(db, batch_id, 0, batch.header_row, roster_fields.guess(header, {}))
        roster_staging.keep(db, batch_id, judged, batch.ver)

    office.do("ning", check)
    office.do("ning", lambda db: roster_accepting.accept(db, batch_id, roster_staging.batch(db, batch_id).ver, skips_bad=False))
    while office.do("ning", lambda db: roster_staging.batch(db, batch_id).state) == "accepting":
        roster_accepting.accept_waiting(office.house)


def book(office: Office, order_id: UUID, day: date, count: int) -> None:
    """Gives everybody the day, as far as it has places; the others come as the list allows."""
    places = office.do(
        "ning", lambda db: {each.day: each.left for each in booking.days(db, members_of_round.order_row(db, order_id))}
    )
    asked = min(count, places.get(day, 0))
    if asked:
        task_id = office.do("ning", lambda db: booking.book(db, order_id, MemberFilters(tab=MemberTab.UNBOOKED), {day: asked}))
        while office.do("ning", lambda db: tasks.task(db, task_id).state) == "running":
            tasks.work_waiting(office.house)


# --- the day and after -------------------------------------------------------------------------------------------------


def walk(centre: Centre, invented: Sequence[tuple[int, Invented]], workers: int) -> None:
    """The members come and go through the rooms; an error ends one visit and is counted."""

    def come(each: tuple[int, Invented]) -> None:
        try:
            MemberJourney(centre, *each).go(Stage.SECTIONS_DONE)
        except Answered as refused:
            centre.watch.failed(refused.step, str(refused))
        except Exception as error:
            centre.watch.failed("journey", f"{type(error).__name__}: {error}")

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(come, invented))


def settle(office: Office, order_id: UUID, kind: SettlementKind, today: date) -> UUID:
    """One proposes, another approves; the bank brings the rest, finance assigns it, the cashier writes the invoice."""

    def propose(db: Any) -> UUID:
        seen = settling.preview(db, order_id, kind)
        return settling.propose(db, order_id, kind, None, seen.digest)

    settlement_id = office.do("ning", propose)
    office.do("gan", lambda db: settling.approve(db, settlement_id))
    row = office.do("deng", lambda db: _figures(settling.get_row(db, settlement_id)))
    if row["receivable_fen"]:
        new = NewTransfer(
            amount_fen=row["receivable_fen"], payer_name=COMPANY[1], received_on=today, bank_reference=row["settlement_no"]
        )
        transfer_id = office.do("deng", lambda db: transfers.record(db, new))
        office.do("deng", lambda db: settling.pay_by_transfer(db, settlement_id, transfer_id, row["receivable_fen"]))
    if row["due_fen"] > 0:
        wanted = NewInvoice(
            subject_kind="settlement", subject_id=settlement_id, is_company=True, title=COMPANY[1], tax_no=COMPANY[0]
        )
        office.do("chen", lambda db: invoices.issue(db, wanted))
    return settlement_id


def _figures(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("settlement_no", "due_fen", "prepaid_fen", "receivable_fen", "paid_fen")}


def close_day(office: Office, today: date) -> None:
    """The cashier counts and shuts the drawer, finance closes every day that has bookings."""
    for drawer in office.do("chen", day_close.to_close):
        counted, pieces = drawer.opening_fen + drawer.cash_fen, {}
        for value in day_close.DENOMINATIONS:
            pieces[value], counted = divmod(counted, value)
        handed = day_close.counted_fen(pieces)
        count = day_close.Count(pieces=pieces, handed_fen=handed, reason="零头" if counted else "")
        office.do("chen", lambda db, drawer=drawer, count=count: day_close.close(db, drawer.drawer_id, count))  # type: ignore[misc]
    while (day := office.do("deng", centre_close.next_day_to_close)) <= today:
        office.do("deng", lambda db, day=day: centre_close.close(db, day))  # type: ignore[misc]
        if day == today:
            break


# --- the proof ---------------------------------------------------------------------------------------------------------


def proof(office: Office, order_id: UUID, members: int, came: int) -> list[str]:
    """Prints the balance of the whole ledger; what does not add up."""
    with office.house.unit(office.actor("deng"), write=False) as db:
        accounts, charged = ledger.trial_balance(db), balances.charged_in_all(db)
        settled = [_figures(row) for row in settling.of_order(db, order_id)]
        prepaid = prepaying.balance(db, order_id)
    person, company = charged.get(Payer.PERSON, 0), charged.get(Payer.ORGANIZATION, 0)
    money = sum(accounts.get(kind, 0) for kind in MONEY)
    receivable = accounts.get(AccountKind.PERSON, 0) + accounts.get(AccountKind.ORGANIZATION, 0)
    reduced, difference = accounts.get(AccountKind.REDUCTION, 0), accounts.get(AccountKind.CASH_DIFFERENCE, 0)
    owed = -accounts.get(AccountKind.PREPAYMENT, 0) - accounts.get(AccountKind.UNMATCHED, 0) - accounts.get(AccountKind.CARD, 0)
    for label, fen in (
        ("个人应收(自费项目)", person), ("单位应收(分组项目)", company), ("应收合计", person + company), ("实收款项", money),
        ("合同减免", reduced), ("现金长短款", difference), ("未结应收", receivable), ("预缴余额", prepaid), ("借贷合计", sum(accounts.values())),
    ):  # fmt: skip
        print(f"{label:　<12}{yuan(fen):>14}")
    for each in settled:
        print(
            f"结算单 {each['settlement_no']}: 应结 {yuan(each['due_fen'])},预缴 {yuan(each['prepaid_fen'])},到账 {yuan(each['paid_fen'])}"
        )
    print(f"名单 {members} 人,到检 {came} 人,结算单 {len(settled)} 张")
    due = sum(each["due_fen"] for each in settled)
    return [
        text for text, holds in (
            ("the ledger does not sum to zero", sum(accounts.values()) == 0),
            ("charges differ from revenue", person + company == -accounts.get(AccountKind.REVENUE, 0)),
            ("charges are not what was paid, reduced, still owed, less what is held for others",
             person + company == money + reduced + difference + receivable - owed),
            ("somebody still owes for themselves", accounts.get(AccountKind.PERSON, 0) == 0),
            ("the settlements and what is open are not what stands charged", due + reduced + accounts.get(AccountKind.ORGANIZATION, 0) == company),
        ) if not holds
    ]  # fmt: skip


def rehearse(settings: Settings, arguments: Namespace) -> int:
    """Plays a company's round and prints the proof of its balance; 1 where anything does not hold."""
    commands.require_fonts()
    with tempfile.TemporaryDirectory(prefix="rehearsal") as folder:
        if not settings.database_url:
            home = Path(folder)
            settings = msgspec.structs.replace(settings, data=home / "data", keys=home / "keys", demo=True)
        if "rehearsal" not in settings.plugins:
            settings = msgspec.structs.replace(settings, plugins=(*settings.plugins, "rehearsal"))
        house = commands.set_up(settings, clock=ClockBehind(1))
        password = demo_password(settings)
        with house.unit(system_actor(house.site)) as db:
            make_staff(db, password)
        seed = arguments.seed or secrets.token_hex(4)
        today = day_of(house.clock.now()) + timedelta(days=1)
        invented = [
            msgspec.structs.replace(each, extra=(), refuses=n % 9 == 4)
            for n, each in enumerate(invent(seed, today, arguments.company))
        ]
        print(f"seed {seed}, a company of {len(invented)}", flush=True)
        order_id = open_round(Office(house), today)
        import_roster(Office(house), order_id, roster(invented))
        book(Office(house), order_id, today, len(invented))
        house.engine.dispose()
        watch = Stopwatch()
        house = make_house(settings)
        office = Office(house)
        cashier_id = office.actor("chen").staff_id
        assert cashier_id is not None
        office.do("fang", lambda db: invoice_numbers.give_segment(db, cashier_id, "4500", "00000001", "00000099"))
        office.do("chen", lambda db: prepaying.take(db, order_id, Part(method=AccountKind.CASH, amount_fen=PREPAID_FEN)))
        coming = [(n, each) for n, each in enumerate(invented) if n % ABSENT_EVERY != ABSENT_EVERY - 2]
        half = (len(coming) + 1) // 2
        with serving(house) as base:
            centre = Centre(base, password, lambda login: code_of(house, login), watch, seed)
            walk(centre, coming[:half], arguments.workers)
            settle(office, order_id, SettlementKind.INTERIM, today)
            walk(centre, coming[half:], arguments.workers)
        for step, errors in watch.errors.items():
            print(f"{step}: {len(errors)} errors, first: {errors[0]}")
        absent = [n for n in range(len(invented)) if n not in {n for n, _ in coming}]
        bad = [] if not watch.error_count else ["some visits did not end"]
        if not bad:
            _end(office, order_id, today, len(absent))
            bad = proof(office, order_id, len(invented), len(coming))
        for text in bad:
            print(f"FAIL {text}")
        for name, breaches in commands.breaches_of(house):
            if breaches:
                print(f"FAIL {name}: {breaches[0]}")
                bad.append(name)
        print("收支平衡,账实相符" if not bad else f"{len(bad)} 项不符")
        house.engine.dispose()
    return 1 if bad else 0


def _end(office: Office, order_id: UUID, today: date, absent: int) -> None:
    """The absent are let go, the round is completed and settled, and the day is closed."""
    listed = MemberFilters(tab=MemberTab.BOOKED)
    if absent:
        task_id = office.do("ning", lambda db: booking.unbook(db, order_id, listed, "未到检"))
        while office.do("ning", lambda db: tasks.task(db, task_id).state) == "running":
            tasks.work_waiting(office.house)
    office.do("gan", lambda db: service.complete(db, order_id, "年度体检结束"))
    settle(office, order_id, SettlementKind.FINAL, today)
    close_day(office, today)

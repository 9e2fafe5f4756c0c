"""Every page a member of staff can open, by login: the list the browser tests walk through, and the numbers that fill it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import cashier, centre_close, discounting, gateway_service, gateway_statement, receipts
from billing.card_models import CardRow
from billing.cashier_facts import Way
from billing.facts import AccountKind
from billing.ports import Method, StatementLine
from chief_review import pushes
from chief_review.push_facts import ChosenFinding
from critical_values.models import AlertRow
from exam.kit.clock import day_of
from exam.kit.house import Actor, House, house_of, system_actor
from exam.messages.models import Message
from exam.staff.models import Staff
from exam.visits import service as visits
from exam.visits.models import OrderLineRow, Visit, VisitBoard
from group_orders import booking, company_prints, members, tasks
from group_orders.member_lists import MemberFilters
from group_orders.progress import MemberTab
from registration import rechecks
from registration.facts import SlipKind
from registration.recheck_facts import NewRecheck
from reporting import batches
from results import service as results
from results.facts import Entry
from tests.billing import close_cases
from tests.billing.card_cases import sold
from tests.billing.gateway_cases import Scripted, opened, paid, through
from tests.conftest import actor_named
from tests.group_orders.cases import draft, enrolled, open_round
from tests.group_orders.settling_cases import approved, come, transferred

PAGES: dict[str, tuple[str, ...]] = {
    "": ("/sign-in",),
    "lin": (
        "/", "/registration", "/registration/today", "/registration/today?tile=to_pay", "/registration/find", "/registration/refunds",
        "/registration/bookings", "/registration/bookings?day={today}", "/registration/drawing",
        "/registration/return", "/registration/visits/{booked}", "/registration/visits/{registered}",
        "/registration/visits/{checked_in}", "/registration/visits/{in_exam}", "/registration/visits/{sheet_returned}",
        "/registration/visits/{published}", "/registration/visits/{checked_in}/slips?slip=guide_sheet:", "/people",
        "/people/{person}", "/organizations", "/staff/password", "/staff/notices", "/reports", "/catalog",
        "/registration/rechecks", "/registration/rechecks?tab=later", "/registration/rechecks/{recheck}/book",
    ),
    "qin": (
        "/registration/visits/{registered}", "/registration/visits/{checked_in}", "/registration/bookings?day={today}",
        "/people/{person}/correct", "/organizations", "/messages", "/messages/{message}", "/messages/consents/{person}", "/notices",
        "/reports?tab=issued", "/reports/{published}", "/payments/orders", "/payments/orders?tab=all", "/payments/orders/{gateway_order}",
        "/payments/statements",
    ),
    "wu": (
        "/results", "/results/GEN", "/results/MED", "/results/GEN/{checked_in}", "/results/MED/{in_exam}", "/results/SUR/{sections_done}",
        "/results/GEN/{published}", "/results/visit/{in_exam}",
    ),
    "huang": ("/results/EYE/{checked_in}", "/results/ENT/{in_exam}"),
    "lu": ("/results/ECG/{checked_in}", "/results/USG/{in_exam}", "/results/RAD", "/results/RAD/{sheet_returned}"),
    "nong": ("/results/LAB", "/results/LAB/{sheet_returned}", "/results/LAB/{sections_done}"),
    "he": (
        "/chief", "/chief?tab=first_signed", "/chief?tab=final", "/chief/{in_exam}", "/chief/{sections_done}", "/chief/{first_reviewed}",
        "/chief/{final}", "/chief/{published}", "/specialists",
        "/specialists?tab=done", "/staff/signing", "/results/visit/{sections_done}", "/chief/{final}/as-of",
        "/knowledge", "/knowledge?mark=unapproved&kind=merge", "/knowledge/entries/D13", "/knowledge/entries/M02", "/knowledge/new",
        "/knowledge/entries/D25/edit", "/knowledge/entries/M02/edit", "/knowledge/entries/ALERT-CRITICAL/edit",
        "/knowledge/entries/G-BP/edit", "/knowledge/entries/MSG_CRITICAL/edit", "/knowledge/entries/MATCH_BP_HIGH/edit",
        "/knowledge/entries/GATE_VITAL/edit", "/knowledge/entries/D25/edit?view=text", "/knowledge/new/grade",
        "/knowledge/proposals", "/knowledge/import",
        "/alerts", "/alerts?tab=late", "/alerts?tab=ended", "/alerts/wall", "/alerts/hand-over", "/alerts/register", "/alerts/indicators",
        "/alerts/indicators/alerts?measure=notified&part=whole", "/alerts/{alert}",
    ),
    "zhao": (
        "/reports", "/reports?tab=issued", "/reports/{final}", "/reports/{published}", "/reports/{published}/preview",
        "/reports/{final}/preview", "/reports/batches/{batch}", "/indicators", "/indicators/1/list", "/indicators/3/list?part=whole",
        "/indicators/4/list?part=rest", "/indicators/6/list", "/indicators/figures",
    ),
    "tan": (
        "/catalog", "/catalog?kind=group", "/catalog?kind=package", "/catalog?kind=department", "/catalog?kind=tube",
        "/catalog/entries/item/GLU", "/catalog/entries/group/G030", "/catalog/entries/package/P02", "/catalog/entries/item/GLU/edit",
        "/catalog/entries/group/G030/edit", "/catalog/entries/package/P02/edit", "/catalog/new/item", "/catalog/new/tube",
        "/catalog/import", "/calendar", "/calendar?year=2027",
    ),
    "chen": (
        "/cashier", "/cashier?q={checked_in}", "/cashier/visits/{registered}", "/cashier/visits/{in_exam}", "/cashier/visits/{paid_visit}",
        "/cashier/receipts/{receipt}", "/cashier/receipts/{receipt}?paper=roll",
        "/day-close", "/invoices", "/invoices/segments", "/invoices/new?of=receipt&id={receipt}", "/invoices/{invoice}",
    ),
    "fang": (
        "/cashier/approvals",
        "/cards", "/cards?tab=stock", "/cards?tab=all", "/cards/sell", "/cards/{card}", "/cards/sales/{card_sale}", "/cards/types",
        "/cards/types/new", "/cards/types/K001", "/cards/stock",
    ),
    "ning": (
        "/group-orders", "/group-orders?tab=all", "/group-orders/organizations", "/group-orders/organizations/{organization}",
        "/group-orders/contracts/{contract}", "/group-orders/{round}", "/group-orders/{round}/complete", "/group-orders/cohorts/{cohort}",
        "/group-orders/{round}/members", "/group-orders/{round}/members?tab=absent", "/group-orders/{round}/members/add",
        "/group-orders/members/{member}", "/group-orders/members/{member}/replace", "/group-orders/{round}/booking",
        "/group-orders/{round}/booking?who=booked", "/group-orders/{round}/print", "/group-orders/tasks/{task}",
    ),
    "system": ("/staff", "/staff/accounts/{staff}"),
    "deng": (
        "/day-close/centre", "/day-close/centre/drawers/{drawer}", "/day-close/closes/{day_close}", "/takings", "/takings/packages",
        "/takings/fees", "/takings/fees?tab=settled", "/cashier/discounts", "/settlements", "/settlements?tab=all",
        "/settlements/{settlement}", "/settlements/unsettled", "/settlements/arrears",
        "/settlements/arrears?age=0", "/settlements/transfers", "/settlements/transfers/{transfer}", "/group-orders/{settled_round}/settlements",
        "/group-orders/{settled_round}/settlements/draft?kind=interim",
    ),
    "security": ("/staff/rights", "/staff/rights/roles/doctor", "/staff/recoveries"),
    "audit": ("/audit", "/audit/touched", "/audit/acts/1/1"),
}  # fmt: skip
"""`{state}` stands for a visit number in that state."""

FRAGMENTS: dict[str, tuple[str, ...]] = {
    "lin": (
        "/registration/visits/{registered}/lines/{line}/ask/refuse", "/registration/rechecks/{recheck}/ask/cancel",
        "/registration/visits/{registered}/lines/{line}/ask/remove", "/registration/visits/{registered}/lines/{line}/ask/postpone",
    ),
    "zhao": ("/reports/{published}/verify/1",),
    "chen": ("/cashier/visits/{registered}/scan-pay", "/cashier/visits/{registered}/scan-pay/live"),
    "wu": (
        "/results/GEN/find?number={checked_in}", "/results/GEN/{checked_in}/news?seen=0", "/alerts/visits/{checked_in}/strip",
    ),
    "he": ("/alerts/{alert}/news?seen=0", "/chief/find?code={sections_done}", "/chief/{sections_done}/push", "/specialists/{push}/ask/visit"),
}  # fmt: skip
"""Parts of a page that htmx asks for."""

FILES: dict[str, tuple[str, ...]] = {
    "lin": (
        "/registration/visits/{checked_in}/pdf/guide_sheet", "/registration/visits/{checked_in}/pdf/label",
        "/registration/visits/{checked_in}/pdf/request_form",
    ),
    "qin": ("/registration/export.xlsx", "/messages/export"),
    "zhao": ("/reports/{published}/pdf/1", "/reports/{published}/pdf/1?download=1", "/reports/export?tab=issued"),
    "he": ("/chief/export", "/knowledge/export", "/knowledge/export.xlsx"),
    "tan": ("/catalog/export", "/calendar/2026/export"),
    "chen": ("/cashier/receipts/{receipt}/pdf/roll", "/cashier/receipts/{receipt}/pdf/a5", "/cashier/export", "/invoices/export"),
    "fang": ("/cards/export?tab=all", "/cards/stock/{card_batch}/export"),
    "deng": (
        "/day-close/closes/{day_close}/pdf/a4", "/day-close/centre/{closed_day}/pdf/a4", "/takings/export", "/takings/packages/export",
        "/takings/fees/export", "/settlements/export", "/settlements/unsettled/export", "/settlements/arrears/export",
        "/settlements/transfers/export",
        "/settlements/{settlement}/statement/xlsx", "/settlements/{settlement}/statement/pdf", "/settlements/{settlement}/own-parts",
    ),
    "audit": ("/audit/export",),
    "ning": ("/group-orders/export", "/group-orders/organizations/export"),
}  # fmt: skip


def _recheck_and_push(db: Session, visit_id: UUID) -> tuple[str, str]:
    """One recheck that is due, and one push to a specialist."""
    today = day_of(house_of(db).clock.now())
    new = NewRecheck(groups=("G030",), due_on=today + timedelta(days=7), reason="请按期复查")
    ordered = rechecks.order(db, visit_id, [new])
    recheck_id = ordered[0] if ordered else rechecks.of_visit(db, visit_id)[0].id
    keys = [each.finding.key for each in pushes.options(db, visit_id)]
    pushed = pushes.push(db, visit_id, [ChosenFinding(keys[0], "内科")], is_told=False) if keys else ()
    return str(recheck_id), str(pushed[0]) if pushed else ""


def numbers_of(house: House, today: str) -> dict[str, str]:
    """What fills the addresses: a visit number for every state, and one person, member of staff, order line and batch.

    Of the visits in a state it is one with the most services: a short package leaves out departments whose pages are listed above.
    """
    services = select(func.count()).where(OrderLineRow.visit_id == Visit.id).scalar_subquery()
    with house.unit(system_actor(house.site)) as db:
        rows = list(
            db.execute(
                select(VisitBoard.state, Visit.visit_no, Visit.id, Visit.person_id)
                .join(Visit, Visit.id == VisitBoard.visit_id)
                .order_by(services, Visit.visit_no)
            )
        )
        found = {str(state): visit_no for state, visit_no, _, _ in rows}
        registered = next(visit_id for _, visit_no, visit_id, _ in rows if visit_no == found["registered"])
        final = [visit_id for state, _, visit_id, _ in rows if state == "final"]
        found["person"] = next(str(person_id) for _, visit_no, _, person_id in rows if visit_no == found["published"])
        found["message"] = str(db.scalars(select(Message.id).order_by(Message.queued_at.desc()).limit(1)).one())
        found["staff"] = str(db.scalars(select(Staff.id).where(Staff.login == "wu")).one())
        found["line"] = str(db.scalars(select(OrderLineRow.id).where(OrderLineRow.visit_id == registered).limit(1)).one())
        found["batch"] = str(batches.issue_many(db, final[:1]))
        found["recheck"], found["push"] = _recheck_and_push(db, final[0])
    found["alert"] = _an_alert(house, found["checked_in"])
    found["gateway_order"] = _a_gateway_order(house)
    found |= _a_round(house)
    found |= _a_card(house)
    found |= _a_receipt(house)
    found |= _a_close(house)
    found |= _a_settlement(house)
    return {**found, "today": today}


def _a_close(house: House) -> dict[str, str]:
    """A cashier's invoice and close, the drawer that still waits, and a day of the centre that was closed: the first, before all of it."""

    def acting(login: str) -> Actor:
        return actor_named(house, login)

    close_cases.segment(house, acting, "lan")
    receipt = close_cases.taken(house, acting, "lan", number=77)
    invoice_id = close_cases.invoiced(house, acting, receipt, "lan")
    close_id = close_cases.closed(house, acting, "lan")
    day = day_of(house.clock.now()) - timedelta(days=1)
    with house.unit(acting("deng")) as db:
        centre_close.close(db, day)
    drawer_id = close_cases.drawer(house, acting, "chen")
    return {"invoice": str(invoice_id), "day_close": str(close_id), "drawer": str(drawer_id), "closed_day": day.isoformat()}


def _a_receipt(house: House) -> dict[str, str]:
    """A visit that paid a part in cash, a discount that waits for a second person, and the receipt, printed once."""
    chen = actor_named(house, "chen")
    with house.unit(chen) as db:
        due = select(Visit).join(VisitBoard, VisitBoard.visit_id == Visit.id)
        visit = db.scalars(due.where(VisitBoard.state == "registered", VisitBoard.amount_due_fen > 10_000).limit(1)).one()
        receipt = cashier.take(db, visit.id, [Way(method=AccountKind.CASH, amount_fen=5_000, tendered_fen=10_000)])
        receipts.note_print(db, receipt.id, "roll")
        discounting.give(db, visit.id, "老客户", factor="0.5")
    return {"receipt": str(receipt.id), "paid_visit": visit.visit_no}


def _a_card(house: House) -> dict[str, str]:
    """A sold card, its sale and its batch."""
    ((card_id, _),) = sold(house, lambda login: actor_named(house, login))
    with house.unit(None, write=False) as db:
        row = db.get_one(CardRow, card_id)
        return {"card": str(row.id), "card_sale": str(row.sale_id), "card_batch": str(row.batch_id)}


def _a_settlement(house: House) -> dict[str, str]:
    """A round of which one came, its approved settlement, and a transfer that may pay it."""
    acting = lambda login: actor_named(house, login)  # noqa: E731
    round_ = open_round(house, acting, code="91450100MA5KA0009X")
    with house.unit(acting("ning")) as db:
        [member_id] = members.enrol(db, round_.order_id, None, [draft(400, round_.cohorts["男职工"])])
    come(house, acting, member_id, 400)
    settlement_id = approved(house, acting, round_)
    transfer_id = transferred(house, acting, 100_000, payer="桂林机械厂9X")
    return {"settlement": str(settlement_id), "settled_round": str(round_.order_id), "transfer": str(transfer_id)}


def _a_gateway_order(house: House) -> str:
    """A payment that came after the cashier cancelled it, and a statement that has one more."""
    day = day_of(house.clock.now()) - timedelta(days=1)
    with through(house, Scripted()) as gateway:
        made = opened(house, target="page")
        with house.unit(actor_named(house, "qin")) as db:
            row = gateway_service.get_row(db, made.id, lock=True)
            gateway_service.cancel_order(db, row.id)
            gateway_service.apply_trade(db, row, paid())
        gateway.will("statement", (StatementLine(f"{made.order_no[:-2]}ZZ", "T2", 100),))
        gateway_statement.fetch(house, Method.WECHAT, day)
    return str(made.id)


def _a_round(house: House) -> dict[str, str]:
    """A company's round with members, one of them booked, and what was done for many at once: a booking and a print."""
    def acting(login: str) -> Actor:
        return actor_named(house, login)

    made = open_round(house, acting)
    listed = enrolled(house, acting, made, men=2, women=1)
    day = day_of(house.clock.now()) + timedelta(days=1)
    with house.unit(acting("ning")) as db:
        task_id = booking.book(db, made.order_id, MemberFilters(MemberTab.UNBOOKED), {day: 1})
    tasks.work_waiting(house)
    with house.unit(acting("ning")) as db:
        print_id = company_prints.start(db, made.order_id, SlipKind.GUIDE_SHEET, MemberFilters(), "name")
    company_prints.print_waiting(house)
    return {
        "round": str(made.order_id), "contract": str(made.contract_id), "organization": str(made.organization_id),
        "cohort": str(made.cohorts["女职工"]), "member": str(listed[-1]), "task": str(task_id), "print": str(print_id),
    }


def _an_alert(house: House, visit_no: str) -> str:
    """The newest alert; where the day brought none, one is made by a blood pressure that nobody overlooks."""
    newest = select(AlertRow.id).order_by(AlertRow.found_at.desc()).limit(1)
    wu = actor_named(house, "wu")
    with house.unit(wu) as db:
        if db.scalar(newest) is None:
            visit_id = visits.find_id(db, visit_no)
            version = results.department_result(db, visit_id, "GEN").version
            results.enter(db, visit_id, "GEN", Entry(base_version=version, values={"SBP": "196", "DBP": "124"}))
    with house.unit(wu, write=False) as db:
        return str(db.scalars(newest).one())

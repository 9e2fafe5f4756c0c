"""Every page a member of staff can open, by login: the list the browser tests walk through, and the numbers that fill it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing import gateway_service, gateway_statement
from billing.ports import Method, StatementLine
from chief_review import pushes
from chief_review.push_facts import ChosenFinding
from critical_values.models import AlertRow
from exam.kit.clock import day_of
from exam.kit.house import House, house_of, system_actor
from exam.messages.models import Message
from exam.staff.models import Staff
from exam.visits import service as visits
from exam.visits.models import OrderLineRow, Visit, VisitBoard
from registration import rechecks
from registration.recheck_facts import NewRecheck
from reporting import batches
from results import service as results
from results.facts import Entry
from tests.billing.gateway_cases import Scripted, opened, paid, through
from tests.conftest import actor_named

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
    "system": ("/staff", "/staff/accounts/{staff}"),
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
    "audit": ("/audit/export",),
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
    return {**found, "today": today}


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

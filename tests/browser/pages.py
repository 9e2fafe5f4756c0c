"""Every page a member of staff can open, by login: the list the browser tests walk through, and the numbers that fill it."""

from __future__ import annotations

from sqlalchemy import func, select

from exam.kit.house import House, system_actor
from exam.staff.models import Staff
from exam.visits.models import OrderLineRow, Visit, VisitBoard
from reporting import batches

PAGES: dict[str, tuple[str, ...]] = {
    "": ("/sign-in",),
    "lin": (
        "/", "/registration", "/registration/today", "/registration/today?tile=to_pay", "/registration/find", "/registration/refunds",
        "/registration/bookings", "/registration/bookings?day={today}", "/registration/drawing",
        "/registration/return", "/registration/visits/{booked}", "/registration/visits/{registered}",
        "/registration/visits/{checked_in}", "/registration/visits/{in_exam}", "/registration/visits/{sheet_returned}",
        "/registration/visits/{published}", "/registration/visits/{checked_in}/slips?slip=guide_sheet:", "/people",
        "/people/{person}", "/organizations", "/staff/password", "/staff/notices", "/reports", "/catalog",
    ),
    "qin": (
        "/registration/visits/{registered}", "/registration/visits/{checked_in}", "/registration/bookings?day={today}",
        "/people/{person}/correct", "/organizations", "/reports?tab=issued", "/reports/{published}",
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
        "/chief/{final}", "/chief/{published}", "/staff/signing", "/results/visit/{sections_done}",
    ),
    "zhao": (
        "/reports", "/reports?tab=issued", "/reports/{final}", "/reports/{published}", "/reports/{published}/preview",
        "/reports/{final}/preview", "/reports/batches/{batch}",
    ),
    "tan": (
        "/catalog", "/catalog?kind=group", "/catalog?kind=package", "/catalog?kind=department", "/catalog?kind=tube",
        "/catalog/entries/item/GLU", "/catalog/entries/group/G030", "/catalog/entries/package/P02", "/catalog/entries/item/GLU/edit",
        "/catalog/entries/group/G030/edit", "/catalog/entries/package/P02/edit", "/catalog/new/item", "/catalog/new/tube",
        "/catalog/import",
    ),
    "system": ("/staff", "/staff/accounts/{staff}"),
    "security": ("/staff/rights", "/staff/rights/roles/doctor", "/staff/recoveries"),
    "audit": ("/audit", "/audit/touched", "/audit/acts/1/1"),
}  # fmt: skip
"""`{state}` stands for a visit number in that state."""

FRAGMENTS: dict[str, tuple[str, ...]] = {
    "lin": (
        "/registration/visits/{registered}/lines/{line}/ask/refuse",
        "/registration/visits/{registered}/lines/{line}/ask/remove", "/registration/visits/{registered}/lines/{line}/ask/postpone",
    ),
    "zhao": ("/reports/{published}/verify/1",),
    "wu": ("/results/GEN/find?number={checked_in}", "/results/GEN/{checked_in}/news?seen=0"),
    "he": ("/chief/find?code={sections_done}",),
}  # fmt: skip
"""Parts of a page that htmx asks for."""

FILES: dict[str, tuple[str, ...]] = {
    "lin": (
        "/registration/visits/{checked_in}/pdf/guide_sheet", "/registration/visits/{checked_in}/pdf/label",
        "/registration/visits/{checked_in}/pdf/request_form",
    ),
    "qin": ("/registration/export.xlsx",),
    "zhao": ("/reports/{published}/pdf/1", "/reports/{published}/pdf/1?download=1", "/reports/export?tab=issued"),
    "he": ("/chief/export",),
    "tan": ("/catalog/export",),
    "audit": ("/audit/export",),
}  # fmt: skip


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
        found["staff"] = str(db.scalars(select(Staff.id).where(Staff.login == "wu")).one())
        found["line"] = str(db.scalars(select(OrderLineRow.id).where(OrderLineRow.visit_id == registered).limit(1)).one())
        found["batch"] = str(batches.issue_many(db, final[:1]))
    return {**found, "today": today}

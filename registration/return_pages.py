"""The screen of sheet return: scan the guide sheet, settle what is open by itself or by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from litestar.params import FromPath, FromQuery
from sqlalchemy.orm import Session

from exam.kit import audit, web
from exam.kit.errors import BadInput
from exam.kit.house import house_of
from exam.visits import orders
from exam.visits import service as visits
from registration import queues, rules, service
from registration.facts import POSTPONE_REASONS, REFUSAL_REASONS, OpenLineChoice, SheetTab
from registration.forms import AnyRequest, FormData, ScanForm, read, refuse_control_characters

RETURN = "/registration/return"


@web.get(RETURN, may="registration.return_sheet")
def show_return(
    request: AnyRequest, db: web.Db, visit_no: FromQuery[str] = "", tab: FromQuery[str] = "", page: FromQuery[int] = 1
) -> web.Page:
    """One visit's sheet, or the sheets that are still out."""
    if visit_no:
        return web.page(db, "registration/return.html", sheets=None, **_values(db, visit_no))
    chosen = SheetTab.EARLIER if tab == SheetTab.EARLIER else SheetTab.TODAY
    return web.page(
        db, "registration/return.html", card=None, sheets=queues.sheets_out(db, chosen, page), url=f"{RETURN}?tab={chosen.value}",
        now=house_of(db).clock.now(),
    )  # fmt: skip


@web.post("/registration/return/scan", may="registration.return_sheet")
def scan_return(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """A sheet was scanned: what of it is still open."""
    visit_id = visits.find_id(db, read(data, ScanForm).code)
    return web.page(db, "registration/_return.html", **_values(db, visits.card(db, visit_id).visit_no))


def _values(db: Session, visit_no: str) -> dict[str, Any]:
    visit = service.visit_of(db, visit_no)
    audit.read(db, "registration.read_visit", f"visit:{visit.visit_no}")
    lines = orders.lines(db, visit.id)
    departments = visits.catalogue_of(db, visit).departments
    return {
        "card": visits.card(db, visit.id), "open_lines": rules.open_lines(lines), "lines": lines,
        "departments": {code: department.name for code, department in departments.items()},
        "reasons": rules.reasons_for(dict.fromkeys((*REFUSAL_REASONS, *POSTPONE_REASONS)), visit.sex),
        "url": f"/registration/return/{visit.visit_no}",
    }  # fmt: skip


@web.post("/registration/return/{visit_no:str}/ask", may="registration.return_sheet", write=False)
def ask_auto(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """The question before everything left is refused at once; it counts the choices on the page that would be lost."""
    visit = service.visit_of(db, visit_no)
    left = rules.open_lines(orders.lines(db, visit.id))
    open_ids = {f"choice-{line.id}" for line in left}
    chosen = sum(name in open_ids and bool(value) for name, value in data.items())
    return web.page(
        db, "registration/_return_ask.html", left=left, chosen=chosen, url=f"/registration/return/{visit.visit_no}/auto"
    )


@web.post("/registration/return/{visit_no:str}/auto", may="registration.return_sheet")
def return_auto(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> web.Page:
    """Takes the sheet back; every open line is refused with "交单时未检"."""
    visit = service.visit_of(db, visit_no)
    count = service.return_sheet(db, visit.id)
    return _returned(db, visit.visit_no, f",自动拒检 {count} 项" if count else "")


@web.post("/registration/return/{visit_no:str}/manual", may="registration.return_sheet")
def return_manual(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Takes the sheet back with one choice for each open line."""
    visit = service.visit_of(db, visit_no)
    service.return_sheet(db, visit.id, read_choices(data))
    return _returned(db, visit.visit_no)


def _returned(db: Session, visit_no: str, more: str = "") -> web.Page:
    """Back to the list. The confirmation travels in a cookie, so it names the visit and never the person."""
    return web.back_to(db, RETURN, toast=f"体检号 {visit_no} 已交单{more}")


def read_choices(data: dict[str, Any]) -> tuple[OpenLineChoice, ...]:
    """The choices of the manual form: `choice-ID`, `reason-ID` and `due-ID` for each open line."""
    refuse_control_characters(data)
    texts = {name: str(value).strip() for name, value in data.items()}
    choices = []
    for name, choice in texts.items():
        part, _, line_id = name.partition("-")
        if part not in ("choice", "reason", "due") or not line_id:
            raise BadInput([(name[:40], f"含有未知字段“{name[:30]}”")])
        if part == "choice":
            due = texts.get(f"due-{line_id}", "")
            try:
                due_on = msgspec.convert(due, date, strict=False) if due else None
            except (msgspec.ValidationError, ValueError):
                raise BadInput([(f"due-{line_id}", "延期日期:请填写日期,例如 2026-12-01")]) from None
            choices.append(OpenLineChoice(web.uuid_of(line_id), choice, texts.get(f"reason-{line_id}", "")[:200], due_on))
    return tuple(choices)


routes = (show_return, scan_return, ask_auto, return_auto, return_manual)

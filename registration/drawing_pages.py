"""The drawing chair's screen: scanner only, big, with sound."""

from __future__ import annotations

from exam.kit import web
from registration import drawing, service
from registration.facts import UNDO_REASONS
from registration.forms import AnyRequest, FormData, ReasonForm, ScanForm, UndoDrawForm, read


@web.get("/registration/drawing", may="registration.draw")
def show_drawing(request: AnyRequest, db: web.Db) -> web.Page:
    """The chair, waiting for a guide sheet."""
    return web.page(db, "registration/drawing.html", drawing=None, reasons=UNDO_REASONS)


@web.post("/registration/drawing/scan", may="registration.draw")
def scan(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """One scan: a guide sheet opens its visit, a tube is collected."""
    form = read(data, ScanForm)
    return web.page(db, "registration/_drawing.html", drawing=drawing.scan(db, form.code, form.visit_no), reasons=UNDO_REASONS)


@web.post("/registration/drawing/undo", may="registration.draw")
def undo(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Takes one tube back."""
    form = read(data, UndoDrawForm)
    visit = service.visit_of(db, form.visit_no)
    found = drawing.undo(db, visit.id, form.barcode, ReasonForm(form.reason, form.other).text)
    return web.page(db, "registration/_drawing.html", drawing=found, reasons=UNDO_REASONS)


routes = (show_drawing, scan, undo)

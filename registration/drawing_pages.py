"""The drawing chair's screen: scanner only, big, with sound."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from exam.kit import web
from registration import drawing, queues, service
from registration.facts import UNDO_REASONS
from registration.forms import AnyRequest, FormData, ReasonForm, ScanForm, UndoDrawForm, read


@web.get("/registration/drawing", may="registration.draw")
def show_drawing(request: AnyRequest, db: web.Db) -> web.Page:
    """The chair, waiting for a guide sheet, with everybody who waits for it."""
    return web.page(db, "registration/drawing.html", **_values(db, None))


@web.post("/registration/drawing/scan", may="registration.draw")
def scan(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """One scan: a guide sheet opens its visit, a tube is collected."""
    form = read(data, ScanForm)
    return web.page(db, "registration/_drawing.html", **_values(db, drawing.scan(db, form.code, form.visit_no)))


@web.post("/registration/drawing/undo", may="registration.draw")
def undo(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Takes one tube back."""
    form = read(data, UndoDrawForm)
    visit = service.visit_of(db, form.visit_no)
    found = drawing.undo(db, visit.id, form.barcode, ReasonForm(form.reason, form.other).text)
    return web.page(db, "registration/_drawing.html", **_values(db, found))


def _values(db: Session, found: drawing.Drawing | None) -> dict[str, Any]:
    """What the chair shows; the queue only on the empty chair's own page, so that no scan counts it while the others wait to write."""
    return {"drawing": found, "reasons": UNDO_REASONS, "queue": queues.drawing_queue(db) if found is None else None}


routes = (show_drawing, scan, undo)

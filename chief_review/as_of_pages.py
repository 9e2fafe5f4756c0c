"""The screen of the time machine: a visit judged as of a day."""

from __future__ import annotations

from datetime import date
from typing import Any

from litestar import Request
from litestar.params import FromPath, FromQuery

from chief_review import as_of
from chief_review.facts import ORIGIN_NAMES, SEVERITY_NAMES
from exam.kit import audit, web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput
from exam.kit.house import house_of
from exam.knowledge import proposals
from exam.visits import service as visits

ACTS = {"same": ("相同", "grey"), "changed": ("文字不同", "amber"), "only_then": ("主检没有", "red"), "only_stored": ("当日规则没有", "blue")}


@web.get("/chief/{visit_no:str}/as-of", may="chief_review.queue")
def show_as_of(request: Request[Any, Any, Any], db: web.Db, visit_no: FromPath[str], on: FromQuery[str] = "") -> web.Page:
    """What the rules of a day, as known then, say about a visit, and what differs from its review."""
    visit_id = visits.find_id(db, visit_no)
    today = day_of(house_of(db).clock.now())
    try:
        day = date.fromisoformat(on.strip()) if on.strip() else visits.card(db, visit_id).exam_on
    except ValueError:
        raise BadInput([("on", "日期:请填写日期,例如 2026-11-21")]) from None
    found = as_of.judged(db, visit_id, min(day, today) if not on.strip() else day)
    audit.read(db, "chief_review.as_of", f"visit:{found.card.visit_no}")
    spoken = [(why.rule, why.version) for line in found.lines for each in (line.then, line.stored) if each for why in each.because]
    return web.page(
        db, "chief_review/as_of.html", found=found, card=found.card, today=today, acts=ACTS, origins=ORIGIN_NAMES,
        severity_names=SEVERITY_NAMES, unapproved=proposals.unapproved(db, spoken, found.on),
        differing=sum(line.act != "same" for line in found.lines),
    )  # fmt: skip


routes = (show_as_of,)

"""The worker's part of electronic invoices: hands requests to their platform, and asks until it has said what became of each.

Before a platform hears of a request it is `unknown` on disk, and no unit of work is open while one is spoken to. A request may be
made again under the same number: the platform takes it once.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from billing import invoices
from billing.invoice_facts import InvoiceState
from billing.invoice_models import InvoiceRow, InvoiceWatch
from billing.ports import INVOICE_ISSUERS, Declined, GatewayProblem, InvoiceIssuer, InvoiceTold, InvoiceWanted, NotTaken
from exam.kit import audit
from exam.kit.errors import trace_of
from exam.kit.house import House, system_actor

log = logging.getLogger("billing.invoices")

MOST_IN_ROUND = 50
SHORTEST, LONGEST = timedelta(seconds=5), timedelta(minutes=10)
"""Between two questions about the same invoice: they double from the one to the other."""


def next_question(now: datetime, asks: int) -> datetime:
    """When to ask again after so many questions."""
    wait: timedelta = min(SHORTEST * 2 ** min(asks, 10), LONGEST)
    return now + wait


def work_due(house: House) -> int:
    """One round over whatever is due; returns how many requests it dealt with."""
    with house.unit(None, write=False) as db:
        due = db.execute(
            select(InvoiceWatch.id, InvoiceWatch.asks, InvoiceRow.medium)
            .join(InvoiceRow, InvoiceRow.id == InvoiceWatch.id)
            .where(InvoiceWatch.due_at <= house.clock.now())
            .order_by(InvoiceWatch.due_at)
            .limit(MOST_IN_ROUND)
        ).all()
    issuers = house.modules.provided(INVOICE_ISSUERS)
    done = 0
    for invoice_id, asks, medium in due:
        issuer = issuers.get(medium)
        if issuer is None or issuer.problem(house) or not _claim(house, invoice_id, asks):
            continue
        try:
            _attend(house, issuer, invoice_id)
            done += 1
        except StaleDataError:  # somebody else was quicker
            pass
        except Exception as error:  # one that cannot be read or stored must not keep those behind it waiting
            log.error("invoice %s was not dealt with\n%s", invoice_id, trace_of(error))
    return done


def work_in_background(house: House) -> None:
    """The job: one round."""
    work_due(house)


def _claim(house: House, invoice_id: UUID, asks: int) -> bool:
    now = house.clock.now()
    with house.unit(None) as db:
        changed = db.execute(
            update(InvoiceWatch)
            .where(InvoiceWatch.id == invoice_id, InvoiceWatch.asks == asks, InvoiceWatch.due_at <= now)
            .values(asks=asks + 1, due_at=next_question(now, asks))
        )
        return changed.rowcount == 1  # type: ignore[attr-defined, no-any-return]


def _attend(house: House, issuer: InvoiceIssuer, invoice_id: UUID) -> None:
    taken = _take(house, invoice_id)
    if taken is None:
        return
    wanted, is_new = taken
    try:
        told = issuer.issue(house, wanted) if is_new else issuer.query(house, wanted.request_no)
    except NotTaken as problem:
        _record(house, invoice_id, InvoiceTold(state="none") if is_new else None, problem.reason)
    except Declined as problem:
        _record(house, invoice_id, InvoiceTold(state="failed", reason=problem.reason) if is_new else None, problem.reason)
    except GatewayProblem as problem:
        _record(house, invoice_id, None, problem.reason)
    else:
        _record(house, invoice_id, told, "")


def _take(house: House, invoice_id: UUID) -> tuple[InvoiceWanted, bool] | None:
    """What to ask for, and whether it is handed over (True) or only asked about. None when nothing is to be done any more."""
    with house.unit(system_actor(house.site)) as db:
        row = _locked(db, invoice_id)
        if row is None or row.state not in (InvoiceState.REQUESTED, InvoiceState.UNKNOWN):
            db.execute(delete(InvoiceWatch).where(InvoiceWatch.id == invoice_id))
            return None
        is_new = row.state == InvoiceState.REQUESTED
        if is_new:
            audit.note(db, "billing.invoice_submit", subject=f"invoice:{row.request_no}")
            invoices.move(db, row, "submit", "no_answer")
        return invoices.wanted_of(db, row), is_new


def _record(house: House, invoice_id: UUID, told: InvoiceTold | None, reason: str) -> None:
    with house.unit(system_actor(house.site)) as db:
        row = _locked(db, invoice_id)
        if row is None or row.state != InvoiceState.UNKNOWN:
            return
        if told is not None:
            invoices.apply_told(db, row, told)
        if reason:
            row.why = reason[:60]
        if row.state != InvoiceState.UNKNOWN:
            audit.note(db, "billing.invoice_answer", subject=f"invoice:{row.request_no}", result=row.state)
        if row.state in (InvoiceState.ISSUED, InvoiceState.FAILED):
            db.execute(delete(InvoiceWatch).where(InvoiceWatch.id == invoice_id))


def _locked(db: Session, invoice_id: UUID) -> InvoiceRow | None:
    row = db.scalar(select(InvoiceRow).where(InvoiceRow.id == invoice_id).with_for_update())
    if row is not None:
        db.info["actor"] = system_actor(row.site)
    return row

"""Segments of invoice numbers: handed to a cashier, used one after the other, and never twice, not even after a restore."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import drawers
from billing import invoice_rules as rules
from billing.invoice_facts import NumberUse, Segment
from billing.invoice_models import InvoiceFact, InvoiceNumber, InvoiceSegment
from exam.kit import audit
from exam.kit.db import insert_rows
from exam.kit.errors import BadInput, Refused
from exam.kit.house import actor_of, house_of
from exam.kit.series import Series, next_number
from exam.staff import accounts


def give_segment(db: Session, cashier_id: UUID, code: str, first: str, last: str) -> UUID:
    """Hands a segment to a cashier. Refuses one that overlaps another with the same code, whoever holds that."""
    house, actor = house_of(db), actor_of(db)
    code, first_no, last_no, width = rules.read_segment(code, first, last)
    if cashier_id not in accounts.names(db, [cashier_id]):
        raise BadInput([("cashier", "请选择收费员")])
    next_number(db, "invoice_segments")  # two who hand out segments at once do it one after the other
    overlapping = db.scalars(
        select(InvoiceSegment)
        .where(InvoiceSegment.code == code, InvoiceSegment.first <= last_no, InvoiceSegment.last >= first_no)
        .limit(1)
    ).first()
    if overlapping is not None:
        run = rules.ranges(range(overlapping.first, overlapping.last + 1), overlapping.width)[0]
        raise BadInput([("first", f"与已领用号段 {code} {run} 重叠,请核对起止号")])
    segment_id = house.ids.new()
    row = {
        "id": segment_id, "site": actor.site, "cashier_id": cashier_id, "code": code, "first": first_no, "last": last_no, "width": width,
        "given_at": house.clock.now(), "given_by": actor.staff_id,
    }  # fmt: skip
    insert_rows(db, InvoiceSegment, [row])
    audit.note(db, "billing.invoice_segment", subject=f"invoice_segment:{code}-{first_no}")
    return segment_id


def take(db: Session, invoice_id: UUID | None) -> tuple[str, str]:
    """The next number of the actor's oldest segment that has any left, as code and number; the sheet is used from here on.

    Whoever takes it holds the segment until the transaction ends. A number whose transaction is rolled back is never given again:
    it shows as a gap, and its sheet is voided by hand.
    """
    house, actor = house_of(db), actor_of(db)
    for row in _held(db, actor.staff_id):
        if row.first + _given(db, row.id) > row.last:
            continue
        number = row.first + next_number(db, _series(row.id)) - 1
        if number > row.last:
            continue
        insert_rows(
            db, InvoiceNumber,
            [{"id": house.ids.new(), "segment_id": row.id, "invoice_id": invoice_id, "code": row.code, "number": number,
              "drawer_id": drawers.drawer_of(db), "at": house.clock.now(), "actor_id": actor.staff_id}],
        )  # fmt: skip
        return row.code, f"{number:0{row.width}d}"
    raise Refused("billing.no_invoice_numbers", "没有可用的发票号", "请向收费主管领用新的发票号段", "medium")


def void_blank(db: Session, reason: str) -> str:
    """Voids the next sheet of the actor's pad, which was spoiled before anything was printed on it; returns its number."""
    if not reason.strip() or len(reason) > 200:
        raise Refused("billing.reason_missing", "作废空白发票必须填写原因(不超过 200 字)", "请填写原因", "reason")
    code, number = take(db, None)
    audit.note(db, "billing.invoice_blank", subject=f"invoice:{code}-{number}", reason=reason)
    return number


def next_sheet(db: Session) -> str:
    """The number that the actor's next sheet should bear; empty where there is none left."""
    for row in _held(db, actor_of(db).staff_id):
        number = row.first + _given(db, row.id)
        if number <= row.last:
            return f"{row.code} {number:0{row.width}d}"
    return ""


def segments(db: Session, cashier_id: UUID | None = None) -> list[Segment]:
    """The segments of one cashier, or of all of the site, the newest first, with what became of their numbers."""
    statement = select(InvoiceSegment).where(InvoiceSegment.site == actor_of(db).site).order_by(InvoiceSegment.given_at.desc())
    if cashier_id is not None:
        statement = statement.where(InvoiceSegment.cashier_id == cashier_id)
    return [_segment(db, row) for row in db.scalars(statement)]


def _segment(db: Session, row: InvoiceSegment) -> Segment:
    taken = set(db.scalars(select(InvoiceNumber.number).where(InvoiceNumber.segment_id == row.id)))
    void = _voided(db, row) & taken
    after = min(row.first + _given(db, row.id), row.last + 1)
    return Segment(
        id=row.id, code=row.code, cashier_id=row.cashier_id, first=f"{row.first:0{row.width}d}", last=f"{row.last:0{row.width}d}",
        next=f"{after:0{row.width}d}" if after <= row.last else "", used=len(taken) - len(void), void=len(void),
        remaining=row.last + 1 - after, gaps=rules.ranges(set(range(row.first, after)) - taken, row.width),
        void_ranges=rules.ranges(void, row.width), given_at=row.given_at,
    )  # fmt: skip


def _voided(db: Session, row: InvoiceSegment) -> set[int]:
    """The numbers of a segment that no invoice bears any more: blank sheets, spoiled ones, and those of voided invoices."""
    blank = db.scalars(select(InvoiceNumber.number).where(InvoiceNumber.segment_id == row.id, InvoiceNumber.invoice_id.is_(None)))
    told = db.scalars(
        select(InvoiceFact.number)
        .join(InvoiceNumber, InvoiceNumber.invoice_id == InvoiceFact.invoice_id)
        .where(InvoiceNumber.segment_id == row.id, InvoiceFact.kind.in_(("void", "spoil")))
    )
    # A spoiled sheet and the next one may be of two segments: only numbers within this one are its own.
    return set(blank) | {number for number in map(int, told) if row.first <= number <= row.last}


def of_drawer(db: Session, drawer_id: UUID) -> NumberUse:
    """The invoice numbers that were used in a drawer, as ranges, and those that became void in it."""
    rows = db.execute(
        select(InvoiceNumber.code, InvoiceNumber.number, InvoiceNumber.invoice_id, InvoiceSegment.width)
        .join(InvoiceSegment, InvoiceSegment.id == InvoiceNumber.segment_id)
        .where(InvoiceNumber.drawer_id == drawer_id)
    ).all()
    facts = db.execute(
        select(InvoiceFact.number).where(InvoiceFact.drawer_id == drawer_id, InvoiceFact.kind.in_(("void", "spoil")))
    ).scalars()
    void = sorted([*facts, *(f"{row.number:0{row.width}d}" for row in rows if row.invoice_id is None)])
    used: list[str] = []
    for code, width in sorted({(row.code, row.width) for row in rows}):
        runs = rules.ranges((row.number for row in rows if (row.code, row.width) == (code, width)), width)
        used += [f"{code} {run}" for run in runs]
    return NumberUse(tuple(used), tuple(void), len(rows), len(void))


def _held(db: Session, cashier_id: UUID | None) -> list[InvoiceSegment]:
    statement = select(InvoiceSegment).where(InvoiceSegment.site == actor_of(db).site, InvoiceSegment.cashier_id == cashier_id)
    return list(db.scalars(statement.order_by(InvoiceSegment.given_at, InvoiceSegment.id)))


def _series(segment_id: UUID) -> str:
    return f"invoice:{segment_id}"


def _given(db: Session, segment_id: UUID) -> int:
    """How many numbers of a segment were given out, those of rolled back transactions among them."""
    return db.scalar(select(Series.last).where(Series.name == _series(segment_id))) or 0

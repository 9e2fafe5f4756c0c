"""Invoices: issued for a receipt or a settlement, printed, put on a new sheet, voided, reddened (domain.md §8.6).

A payment is on one live invoice at most: the database's index on what invoices cover holds it (M9). Electronic ones are put down
here and issued by their platform afterwards (`invoice_reconciler`); only its word makes them issued.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing import drawers, invoice_numbers, receipts
from billing import invoice_rules as rules
from billing.facts import AccountKind
from billing.invoice_facts import (
    LIVE,
    MEDIUM_NAMES,
    REASONS,
    SETTLEMENT_INVOICED,
    Cover,
    Invoice,
    InvoiceLine,
    InvoiceState,
    InvoiceSubject,
    Medium,
    NewInvoice,
    NumberUse,
)
from billing.invoice_models import InvoiceCover, InvoiceFact, InvoiceRow, InvoiceWatch
from billing.ports import INVOICE_ISSUERS, InvoiceItem, InvoiceTold, InvoiceWanted
from billing.receipt_facts import TARGET_NAMES, ReceiptGivenBack, ReceiptKind
from billing.transfer_facts import SettlementVoided
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.db import insert_rows
from exam.kit.errors import Forbidden, NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.kit.period import Period, day_after, start_of
from exam.kit.series import next_number
from exam.visits import orders
from exam.visits import service as visits

PAGE = 50


def subject_of(db: Session, kind: str, subject_id: UUID) -> InvoiceSubject:
    """What may be invoiced of a receipt or a settlement now. Refuses what is invoiced elsewhere, and what was given back."""
    if kind == "receipt":
        return _of_receipt(db, subject_id)
    for fill in house_of(db).modules.fillings(SETTLEMENT_INVOICED):
        found = fill(db, subject_id)
        if found is not None:
            return found
    raise NotFound("没有找到可开票的结算", "请从结算单页面开票")


def _of_receipt(db: Session, receipt_id: UUID) -> InvoiceSubject:
    receipt = receipts.get(db, receipt_id)
    if receipt.kind is not ReceiptKind.PAYMENT or receipts.is_voided(db, receipt_id):
        raise Refused("billing.not_invoiceable", f"收据 {receipt.receipt_no} 不是有效的收款收据", "请选择有效的收款收据开票")
    if receipt.target.kind in ("prepayment", "settlement", "transfer"):
        raise Refused("billing.invoiced_by_settlement", "单位款项按结算单开票,不按收据开票", "请在单位结算单页面开票")
    back = receipts.returned_of(db, receipt_id)
    # What a card pays was invoiced when the card was sold.
    left = {part.id: part.amount_fen - back.get(part.id, 0) for part in receipt.parts if part.method != AccountKind.CARD}
    covers = tuple(Cover(part_id, fen) for part_id, fen in left.items() if fen > 0)
    if not covers:
        raise Refused(
            "billing.nothing_to_invoice", f"收据 {receipt.receipt_no} 没有可开票的金额", "体检卡支付在售卡时开票;已退款项不再开票"
        )
    total = sum(each.amount_fen for each in covers)
    title = ""
    if receipt.visit_id is not None:
        title = visits.get_row(db, receipt.visit_id).person_name
    return InvoiceSubject(
        kind="receipt", id=receipt_id, about=receipt.receipt_no, covers=covers, items=_items(db, receipt, total), visit_id=receipt.visit_id,
        title=title,
    )  # fmt: skip


def _items(db: Session, receipt: Any, total: int) -> tuple[InvoiceItem, ...]:
    """The lines that the receipt paid for, where they add up to what is invoiced; else what it was for in one."""
    names = {line.id: line.name for line in orders.lines(db, receipt.visit_id)} if receipt.visit_id is not None else {}
    items = tuple(
        InvoiceItem(names.get(each.line_id, "体检项目"), each.amount_fen) for each in receipt.lines if each.amount_fen > 0
    )
    if items and sum(each.amount_fen for each in items) == total:
        return items
    return (InvoiceItem(TARGET_NAMES[receipt.target.kind], total),)


def issue(db: Session, new: NewInvoice) -> UUID:
    """Issues an invoice: on the next sheet of the actor's segment, or by asking its platform. Returns its id.

    Refuses a payment that is on a live invoice, a title or tax number that is wrong, and a medium that is not set up.
    """
    house = house_of(db)
    title, tax_no = rules.read_buyer(new.is_company, new.title, new.tax_no)
    subject = subject_of(db, new.subject_kind, new.subject_id)
    _require_medium(db, new.medium)
    fields = {
        "kind": "blue", "medium": new.medium.value, "subject_kind": subject.kind, "subject_id": subject.id, "visit_id": subject.visit_id,
        "about": subject.about, "title": title, "tax_no": tax_no, "amount_fen": subject.amount_fen,
        "items": msgspec.json.encode(subject.items).decode(), "original_id": None, "reason": "",
    }  # fmt: skip
    row = _put_down(db, fields)
    try:
        with db.begin_nested():
            insert_rows(
                db, InvoiceCover,
                [{"id": house.ids.new(), "invoice_id": row.id, "covers": each.id, "amount_fen": each.amount_fen, "is_live": True}
                 for each in subject.covers],
            )  # fmt: skip
    except IntegrityError:
        raise Refused(
            "billing.invoiced_already", f"{subject.about} 已开具发票,不能重复开票", "请重打原发票,或先作废、红冲后再开"
        ) from None
    _begin(db, row)
    audit.note(db, "billing.invoice", subject=f"invoice:{row.request_no}")
    return row.id


def spoil(db: Session, invoice_id: UUID, reason: str) -> str:
    """The sheet was spoiled: the same invoice goes on the next one, and the old number is void. Returns the new number."""
    row = _locked(db, invoice_id)
    reason = receipts.require_reason(reason, "换号重打")
    if row.medium != Medium.PAPER or row.state != InvoiceState.ISSUED:
        raise Refused("billing.not_a_sheet", "只有已开具的纸质发票可以换号重打", "电子票据请直接重打")
    _add_fact(db, row, "spoil", number=row.number, reason=reason, drawer_id=drawers.drawer_of(db))
    row.code, row.number = invoice_numbers.take(db, row.id)
    _add_fact(db, row, "issue", number=row.number)
    db.flush()
    audit.note(db, "billing.invoice_spoil", subject=f"invoice:{row.request_no}", reason=reason)
    return row.number


def note_print(db: Session, invoice_id: UUID) -> int:
    """Counts one print; returns which one it is, beginning at 1. The number stays the same."""
    row = _locked(db, invoice_id)
    if row.state not in (InvoiceState.ISSUED, InvoiceState.REDDENED):
        raise Refused("billing.not_printable", "该发票未开具或已作废,不能打印", "请刷新页面查看最新状态")
    _add_fact(db, row, "print", number=row.number)
    audit.note(db, "billing.invoice_print", subject=f"invoice:{row.request_no}")
    return prints_of(db, row.id, row.number)


def prints_of(db: Session, invoice_id: UUID, number: str) -> int:
    """How often an invoice was printed under this number."""
    count = select(func.count()).select_from(InvoiceFact)
    where = (InvoiceFact.invoice_id == invoice_id, InvoiceFact.kind == "print", InvoiceFact.number == number)
    return db.scalar(count.where(*where)) or 0


def void(db: Session, invoice_id: UUID, reason: str) -> None:
    """Voids a paper invoice of today before its drawer is closed; its payment may be invoiced again."""
    house, actor = house_of(db), actor_of(db)
    row = _locked(db, invoice_id)
    reason = receipts.require_reason(reason, "作废")
    drawer = drawers.get_row(db, row.drawer_id, lock=True)
    rules.require_voidable(
        row.medium, row.state, row.kind == "red", day_of(row.issued_at or row.opened_at), day_of(house.clock.now()),
        is_drawer_open=drawer.closed_at is None,
    )  # fmt: skip
    if row.cashier_id != actor.staff_id and not actor.may("billing.approve"):
        raise Forbidden("billing.not_own_invoice", "只能作废本人开具的发票", "请由开具人作废,或由收费主管办理")
    row.state = rules.INVOICE.move(row.state, "void", "作废")
    _release(db, row)
    _add_fact(db, row, "void", number=row.number, reason=reason, drawer_id=row.drawer_id)
    db.flush()
    audit.note(db, "billing.invoice_void", subject=f"invoice:{row.request_no}", reason=reason)


def redden(db: Session, invoice_id: UUID, reason: str) -> UUID:
    """Takes an invoice back by a red one over the same amount that names it; returns the red one's id.

    On paper that is done at once. An electronic one stands until its platform has issued the red one.
    """
    row = _locked(db, invoice_id)
    reason = receipts.require_reason(reason, "红冲")
    rules.require_reddenable(row.state, row.kind == "red")
    _require_medium(db, Medium(row.medium))
    same = ("medium", "subject_kind", "subject_id", "visit_id", "about", "title", "tax_no", "amount_fen", "items")
    try:
        with db.begin_nested():
            red = _put_down(
                db, {name: getattr(row, name) for name in same} | {"kind": "red", "original_id": row.id, "reason": reason}
            )
    except IntegrityError:
        raise Refused("billing.reddened_already", "该发票已申请红冲", "请刷新页面查看红字发票") from None
    _begin(db, red)
    audit.note(db, "billing.invoice_redden", subject=f"invoice:{row.request_no}", reason=reason)
    return red.id


def on_receipt_given_back(db: Session, event: ReceiptGivenBack) -> None:
    """Money does not go back while an invoice stands for it: the invoice is taken back first."""
    parts = [part.id for part in receipts.get(db, event.of_receipt_id).parts]
    standing = db.execute(
        select(InvoiceRow.code, InvoiceRow.number)
        .join(InvoiceCover, InvoiceCover.invoice_id == InvoiceRow.id)
        .where(InvoiceCover.covers.in_(parts), InvoiceCover.is_live)
    ).first()
    if standing is not None:
        number = f"{standing.code} {standing.number}".strip() or "(开具中)"
        raise Refused("billing.invoice_stands", f"该收据已开发票 {number},不能退费或作废", "请先收回并作废或红冲发票,再办理退费")


def on_settlement_voided(db: Session, event: SettlementVoided) -> None:
    """A settlement is not voided while an invoice stands for it."""
    standing = live_of(db, "settlement", event.settlement_id)
    if standing is not None:
        number = f"{standing.code} {standing.number}".strip() or "(开具中)"
        raise Refused("billing.invoice_stands", f"该结算单已开发票 {number},不能作废", "请先作废或红冲发票,再作废结算单")


# --- what the platforms' answers do ----------------------------------------------------------------------------------


def apply_told(db: Session, row: InvoiceRow, told: InvoiceTold) -> None:
    """Puts a platform's word down. A number that is missing or taken, and another amount, leave the invoice unknown for somebody to see."""
    if told.state == "issued":
        problem = (
            "amount" if told.amount_fen != row.amount_fen else "" if told.number and not _is_taken(db, row, told) else "number"
        )
        if problem:
            row.why = problem
            return
        row.code, row.number, row.check_code, row.url = told.code[:40], told.number[:40], told.check_code[:40], told.url[:400]
        _issued(db, row)
    elif told.state == "failed":
        decline(db, row, told.reason or "refused")
    elif told.state == "none":
        move(db, row, "not_taken", "no_answer")


def decline(db: Session, row: InvoiceRow, reason: str) -> None:
    """The platform will not issue it: what it covers is free again."""
    move(db, row, "decline", reason)
    _release(db, row)


def move(db: Session, row: InvoiceRow, action: str, why: str = "") -> None:
    """One step of an electronic invoice, with its fact."""
    row.state = rules.INVOICE.move(row.state, action)
    row.why = why[:60]
    _add_fact(db, row, action, reason=row.why)
    db.flush()


def wanted_of(db: Session, row: InvoiceRow) -> InvoiceWanted:
    """The request as it was put down; it is the same whenever it is sent."""
    original = db.get_one(InvoiceRow, row.original_id) if row.original_id is not None else None
    return InvoiceWanted(
        request_no=row.request_no, is_red=row.kind == "red", title=row.title, tax_no=row.tax_no, amount_fen=row.amount_fen,
        items=msgspec.json.decode(row.items, type=tuple[InvoiceItem, ...]), original_code=original.code if original else "",
        original_number=original.number if original else "", reason=row.reason,
    )  # fmt: skip


def _is_taken(db: Session, row: InvoiceRow, told: InvoiceTold) -> bool:
    same = (InvoiceRow.medium == row.medium, InvoiceRow.code == told.code[:40], InvoiceRow.number == told.number[:40])
    return db.scalar(select(InvoiceRow.id).where(*same, InvoiceRow.id != row.id)) is not None


# --- rows ------------------------------------------------------------------------------------------------------------


def _require_medium(db: Session, medium: Medium) -> None:
    problem = media(db)[medium]
    if problem:
        raise Refused(
            "billing.medium_not_ready",
            f"{MEDIUM_NAMES[medium]}:{REASONS.get(problem, problem)}",
            "请改用纸质发票,或联系系统管理员",
            "medium",
        )


def media(db: Session) -> dict[Medium, str]:
    """Every medium and why it is not offered; empty where it is. Paper always is, as long as there are numbers."""
    house = house_of(db)
    issuers = house.modules.provided(INVOICE_ISSUERS)
    found = {Medium.PAPER: ""}
    for medium in (Medium.FISCAL, Medium.TAX):
        issuer = issuers.get(medium)
        found[medium] = issuer.problem(house) if issuer is not None else "not_set_up"
    return found


def _put_down(db: Session, fields: dict[str, Any]) -> InvoiceRow:
    house, actor = house_of(db), actor_of(db)
    request_no = f"F{actor.site}{house.device}{next_number(db, f'invoice_request:{actor.site}:{house.device}'):08d}"
    now, is_paper = house.clock.now(), fields["medium"] == Medium.PAPER
    invoice_id = house.ids.new()
    row = InvoiceRow(
        id=invoice_id, request_no=request_no, site=actor.site, state="requested", why="", code="", number="", check_code="", url="",
        drawer_id=drawers.drawer_of(db), cashier_id=actor.staff_id, opened_at=now, issued_at=now if is_paper else None, ver=1, **fields,
    )  # fmt: skip
    db.add(row)
    db.flush()
    return row


def _begin(db: Session, row: InvoiceRow) -> None:
    """The sheet gets its number last, after everything that may be refused; the platform is asked after the commit."""
    if row.medium == Medium.PAPER:
        row.code, row.number = invoice_numbers.take(db, row.id)
        _issued(db, row)
        return
    _add_fact(db, row, "request", reason=row.reason)
    insert_rows(db, InvoiceWatch, [{"id": row.id, "asks": 0, "due_at": house_of(db).clock.now()}])


def _issued(db: Session, row: InvoiceRow) -> None:
    row.state, row.why = InvoiceState.ISSUED.value, ""
    row.issued_at = house_of(db).clock.now()
    _add_fact(db, row, "issue", number=row.number, reason=row.reason)
    if row.original_id is not None:
        original = _locked(db, row.original_id)
        original.state = rules.INVOICE.move(original.state, "redden", "红冲")
        _release(db, original)
        _add_fact(db, original, "redden", number=row.number, reason=row.reason)
    db.flush()


def _release(db: Session, row: InvoiceRow) -> None:
    for cover in db.scalars(select(InvoiceCover).where(InvoiceCover.invoice_id == row.id, InvoiceCover.is_live)):
        cover.is_live = False


def _add_fact(
    db: Session, row: InvoiceRow, kind: str, *, number: str = "", reason: str = "", drawer_id: UUID | None = None
) -> None:
    house, actor = house_of(db), actor_of(db)
    fields = {
        "id": house.ids.new(), "invoice_id": row.id, "kind": kind, "number": number, "reason": reason, "drawer_id": drawer_id,
        "at": house.clock.now(), "actor_id": actor.staff_id,
    }  # fmt: skip
    insert_rows(db, InvoiceFact, [fields])


def _locked(db: Session, invoice_id: UUID) -> InvoiceRow:
    row = db.scalar(
        select(InvoiceRow)
        .where(InvoiceRow.id == invoice_id, InvoiceRow.site == actor_of(db).site)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound("没有找到该发票", "请核对发票号后重新查询")
    return row


# --- reading ---------------------------------------------------------------------------------------------------------


def invoice_of(row: InvoiceRow) -> Invoice:
    """A row as a struct."""
    return Invoice(
        id=row.id, request_no=row.request_no, is_red=row.kind == "red", medium=Medium(row.medium),
        subject_kind=row.subject_kind,  # type: ignore[arg-type]
        subject_id=row.subject_id, about=row.about, title=row.title, tax_no=row.tax_no, amount_fen=row.amount_fen,
        items=msgspec.json.decode(row.items, type=tuple[InvoiceItem, ...]), state=InvoiceState(row.state), why=row.why, code=row.code,
        number=row.number, check_code=row.check_code, url=row.url, original_id=row.original_id, reason=row.reason,
        drawer_id=row.drawer_id, cashier_id=row.cashier_id, opened_at=row.opened_at, issued_at=row.issued_at,
    )  # fmt: skip


def get(db: Session, invoice_id: UUID) -> Invoice:
    """One invoice of the actor's site."""
    row = db.scalar(select(InvoiceRow).where(InvoiceRow.id == invoice_id, InvoiceRow.site == actor_of(db).site))
    if row is None:
        raise NotFound("没有找到该发票", "请核对发票号后重新查询")
    return invoice_of(row)


def red_of(db: Session, invoice_id: UUID) -> Invoice | None:
    """The red invoice that takes this one back, or is about to."""
    row = db.scalar(select(InvoiceRow).where(InvoiceRow.original_id == invoice_id, InvoiceRow.state != InvoiceState.FAILED.value))
    return invoice_of(row) if row is not None else None


def live_of(db: Session, subject_kind: str, subject_id: UUID) -> Invoice | None:
    """The invoice that stands for a receipt or settlement, if there is one."""
    is_it = (InvoiceRow.subject_kind == subject_kind, InvoiceRow.subject_id == subject_id, InvoiceRow.kind == "blue")
    row = db.scalar(select(InvoiceRow).where(*is_it, InvoiceRow.state.in_(LIVE)).limit(1))
    return invoice_of(row) if row is not None else None


def history(db: Session, invoice_id: UUID) -> list[InvoiceLine]:
    """What happened to an invoice, the oldest first."""
    rows = db.scalars(select(InvoiceFact).where(InvoiceFact.invoice_id == invoice_id).order_by(InvoiceFact.id))
    return [InvoiceLine(row.kind, row.number, row.reason, row.at, row.actor_id) for row in rows]


class Found(msgspec.Struct, frozen=True):
    """One page of invoices, the newest first."""

    invoices: Sequence[Invoice]
    total: int
    page: int
    pages: int


def find(db: Session, period: Period, state: str = "", q: str = "", page: int = 1, most: int = PAGE) -> Found:
    """Invoices of the actor's site by day, state, and number, receipt number or title."""
    where: list[Any] = [InvoiceRow.site == actor_of(db).site]
    words = q.strip()[:64]
    if words:
        same = [
            InvoiceRow.number.endswith(words, autoescape=True),
            InvoiceRow.about == words,
            InvoiceRow.title.startswith(words, autoescape=True),
        ]
        where.append(or_(*same))
    else:
        where += [InvoiceRow.opened_at >= start_of(period.since), InvoiceRow.opened_at < day_after(period.until)]
    if state in list(InvoiceState):
        where.append(InvoiceRow.state == state)
    total = db.scalar(select(func.count()).select_from(InvoiceRow).where(*where)) or 0
    pages = max(-(-total // most), 1)
    page = min(max(page, 1), pages)
    rows = db.scalars(
        select(InvoiceRow)
        .where(*where)
        .order_by(InvoiceRow.opened_at.desc(), InvoiceRow.id.desc())
        .offset((page - 1) * most)
        .limit(most)
    )
    return Found([invoice_of(row) for row in rows], total, page, pages)


def today_of(db: Session) -> date:
    """The centre's day."""
    return day_of(house_of(db).clock.now())


def numbers_of_drawer(db: Session, drawer_id: UUID) -> NumberUse:
    """The invoice numbers that were used in a drawer, and those that became void in it."""
    return invoice_numbers.of_drawer(db, drawer_id)

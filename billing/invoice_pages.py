"""Screens of invoices: the list, one invoice with its history, issuing for a receipt, and the segments of numbers."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import invoice_numbers, invoices
from billing.invoice_facts import FACT_NAMES, MEDIUM_NAMES, REASONS, STATE_NAMES, InvoiceState, Medium, NewInvoice
from billing.invoice_paper import PrintedInvoice, invoice_pdf
from billing.receipt_models import ReceiptRow
from billing.takings_pages import period_of, presets
from exam.kit import audit, idempotency, web
from exam.kit.errors import NotFound
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.sheets import XLSX, workbook
from exam.staff import accounts
from exam.staff.models import Staff

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
TONES = {
    InvoiceState.REQUESTED: "blue", InvoiceState.UNKNOWN: "amber", InvoiceState.ISSUED: "green", InvoiceState.FAILED: "red",
    InvoiceState.VOIDED: "grey", InvoiceState.REDDENED: "red",
}  # fmt: skip
WORDS: dict[str, Any] = {"states": STATE_NAMES, "tones": TONES, "media": MEDIUM_NAMES, "reasons": REASONS, "fact_names": FACT_NAMES}
MOST_EXPORTED = 20_000


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


# --- list ------------------------------------------------------------------------------------------------------------


class ListForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which invoices are looked for."""

    since: str = ""
    until: str = ""
    state: str = ""
    q: str = ""
    page: str = "1"


@web.get("/invoices", may="billing.invoice")
def show_invoices(
    request: AnyRequest, db: web.Db, since: FromQuery[str] = "", until: FromQuery[str] = "", status: FromQuery[str] = "",
    page: FromQuery[str] = "1",
) -> web.Page:  # fmt: skip
    """The invoices of these days."""
    return _list(db, ListForm(since, until, status, "", page))


@web.post("/invoices", may="billing.invoice", write=False)
def find_invoices(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """As `show_invoices`, with the words in the body: a person's name stands in no address and no log."""
    return _list(db, read_form(data, ListForm))


def _list(db: Session, form: ListForm) -> web.Page:
    period = period_of(db, form.since, form.until, 7)
    found = invoices.find(db, period, form.state, form.q, _number(form.page))
    return web.page(
        db, "billing/invoices.html", found=found, period=period, presets=presets(db), state=form.state, q=form.q,
        next_sheet=invoice_numbers.next_sheet(db), names=accounts.names(db, [each.cashier_id for each in found.invoices]), **WORDS,
    )  # fmt: skip


@web.get("/invoices/export", may="billing.invoice")
def export(
    request: AnyRequest, db: web.Db, since: FromQuery[str] = "", until: FromQuery[str] = "", status: FromQuery[str] = ""
) -> Response[bytes]:  # fmt: skip
    """The whole list as a workbook."""
    period = period_of(db, since, until, 7)
    found = invoices.find(db, period, status, most=MOST_EXPORTED)
    names = accounts.names(db, [each.cashier_id for each in found.invoices])
    header = ("代码", "号码", "种类", "红蓝", "抬头", "税号", "依据", "金额(元)", "状态", "开票日期", "经办人")
    rows = [
        (each.code, each.number, MEDIUM_NAMES[each.medium], "红字" if each.is_red else "蓝字", each.title, each.tax_no, each.about,
         (-each.amount_fen if each.is_red else each.amount_fen) / 100, STATE_NAMES[each.state],
         f"{each.issued_at:%Y-%m-%d}" if each.issued_at else "", names[each.cashier_id][0] if each.cashier_id in names else "")
        for each in found.invoices
    ]  # fmt: skip
    audit.read(db, "billing.export_invoices", f"days:{period.since}..{period.until}")
    return web.download(workbook([("发票", header, rows)]), f"发票_{period.since}_{period.until}.xlsx", XLSX)


# --- issuing ---------------------------------------------------------------------------------------------------------


class ReceiptForm(msgspec.Struct, forbid_unknown_fields=True):
    """The receipt that was scanned or typed."""

    receipt_no: str


@web.post("/invoices/find-receipt", may="billing.invoice", write=False)
def find_receipt(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Goes to the receipt's invoice, or to issuing one."""
    number = read_form(data, ReceiptForm, {"receipt_no": "收据号"}).receipt_no.upper()
    receipt_id = db.scalar(select(ReceiptRow.id).where(ReceiptRow.receipt_no == number, ReceiptRow.site == actor_of(db).site))
    if receipt_id is None:
        raise NotFound(f"没有找到收据 {number[:30]}", "请核对收据号")
    standing = invoices.live_of(db, "receipt", receipt_id)
    return web.back_to(db, f"/invoices/{standing.id}" if standing else f"/invoices/new?of=receipt&id={receipt_id}")


@web.get("/invoices/new", may="billing.invoice")
def show_new(request: AnyRequest, db: web.Db, of: FromQuery[str] = "receipt", id: FromQuery[str] = "") -> web.Page:
    """What a receipt or settlement would be invoiced over, and to whom."""
    subject_id = web.uuid_of(id)
    kind = "settlement" if of == "settlement" else "receipt"
    standing = invoices.live_of(db, kind, subject_id)
    if standing is not None:
        return web.back_to(db, f"/invoices/{standing.id}", toast="该款项已开票")
    return web.page(
        db, "billing/invoice_new.html", subject=invoices.subject_of(db, kind, subject_id), ready=invoices.media(db),
        next_sheet=invoice_numbers.next_sheet(db), key=house_of(db).ids.new().hex, **WORDS,
    )  # fmt: skip


class IssueForm(msgspec.Struct, forbid_unknown_fields=True):
    """An invoice as it is asked for."""

    key: str
    of: str
    id: str
    medium: Medium = Medium.PAPER
    buyer: str = "person"
    title: str = ""
    tax_no: str = ""


@web.post("/invoices/issue", may="billing.invoice")
def issue(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Issues it; the same form sent twice makes one invoice."""
    form = read_form(data, IssueForm, {"title": "发票抬头", "tax_no": "税号", "medium": "票据种类"})
    new = NewInvoice(
        subject_kind="settlement" if form.of == "settlement" else "receipt", subject_id=web.uuid_of(form.id), medium=form.medium,
        is_company=form.buyer == "company", title=form.title, tax_no=form.tax_no,
    )  # fmt: skip
    invoice_id = idempotency.once(db, form.key, new, UUID, lambda: invoices.issue(db, new))
    return web.back_to(
        db, f"/invoices/{invoice_id}", toast="已开具,请打印" if form.medium is Medium.PAPER else "已提交,平台开具后自动更新"
    )


# --- one invoice -----------------------------------------------------------------------------------------------------


@web.get("/invoices/{invoice_id:str}", may="billing.invoice")
def show_invoice(request: AnyRequest, db: web.Db, invoice_id: FromPath[str]) -> web.Page:
    """One invoice: its lines, what happened, and what can be done with it."""
    found = invoices.get(db, web.uuid_of(invoice_id))
    other = invoices.get(db, found.original_id) if found.original_id else invoices.red_of(db, found.id)
    lines = invoices.history(db, found.id)
    names = accounts.names(db, [found.cashier_id, *(each.actor_id for each in lines)])
    return web.page(
        db, "billing/invoice.html", invoice=found, other=other, lines=lines, names=names, next_sheet=invoice_numbers.next_sheet(db),
        prints=invoices.prints_of(db, found.id, found.number), **WORDS,
    )  # fmt: skip


class EmptyForm(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing but the click."""


@web.post("/invoices/{invoice_id:str}/print", may="billing.invoice")
def print_invoice(request: AnyRequest, db: web.Db, invoice_id: FromPath[str], data: FormData) -> Response[bytes]:
    """Prints it once more, under its number; every print is counted."""
    read_form(data, EmptyForm)
    found = invoices.get(db, web.uuid_of(invoice_id))
    copy_no = invoices.note_print(db, found.id)
    original = invoices.get(db, found.original_id) if found.original_id else None
    names = accounts.names(db, [found.cashier_id])
    house = house_of(db)
    printed = PrintedInvoice(
        invoice=found, centre_name=getattr(house.settings, "centre_name", ""), cashier=names[found.cashier_id][0] if found.cashier_id else "",
        original=f"{original.code} {original.number}" if original else "", copy_no=copy_no, printed_at=house.clock.now(),
    )  # fmt: skip
    return web.download(invoice_pdf(printed), f"发票_{found.number}.pdf", "application/pdf", inline=True)


class ReasonForm(msgspec.Struct, forbid_unknown_fields=True):
    """Why."""

    reason: str = ""


@web.post("/invoices/{invoice_id:str}/spoil", may="billing.invoice")
def spoil(request: AnyRequest, db: web.Db, invoice_id: FromPath[str], data: FormData) -> web.Page:
    """Puts it on the next sheet, because this one was spoiled."""
    wanted, form = web.uuid_of(invoice_id), read_form(data, ReasonForm)
    number = invoices.spoil(db, wanted, form.reason)
    return web.back_to(db, f"/invoices/{wanted}", toast=f"已换号 {number},请重新打印")


@web.post("/invoices/{invoice_id:str}/void", may="billing.invoice")
def void(request: AnyRequest, db: web.Db, invoice_id: FromPath[str], data: FormData) -> web.Page:
    """Voids it."""
    wanted, form = web.uuid_of(invoice_id), read_form(data, ReasonForm)
    invoices.void(db, wanted, form.reason)
    return web.back_to(db, f"/invoices/{wanted}", toast="已作废")


@web.post("/invoices/{invoice_id:str}/redden", may="billing.invoice")
def redden(request: AnyRequest, db: web.Db, invoice_id: FromPath[str], data: FormData) -> web.Page:
    """Takes it back by a red one."""
    wanted, form = web.uuid_of(invoice_id), read_form(data, ReasonForm)
    red_id = invoices.redden(db, wanted, form.reason)
    return web.back_to(db, f"/invoices/{red_id}", toast="已开具红字发票" if invoices.get(db, red_id).number else "已提交红冲申请")


# --- segments --------------------------------------------------------------------------------------------------------


@web.get("/invoices/segments", may="billing.invoice")
def show_segments(request: AnyRequest, db: web.Db) -> web.Page:
    """Who holds which numbers, and what became of them: all for who hands them out, one's own for a cashier."""
    actor = actor_of(db)
    found = invoice_numbers.segments(db, None if actor.may("billing.approve") else actor.staff_id)
    cashiers = list(
        db.execute(
            select(Staff.id, Staff.name).where(Staff.site == actor.site, Staff.active, Staff.kind == "staff").order_by(Staff.login)
        )
    )
    return web.page(
        db, "billing/invoice_segments.html", segments=found, names=accounts.names(db, [each.cashier_id for each in found]),
        cashiers=[(str(row.id), row.name) for row in cashiers], next_sheet=invoice_numbers.next_sheet(db),
    )  # fmt: skip


class SegmentForm(msgspec.Struct, forbid_unknown_fields=True):
    """A segment that is handed out."""

    cashier: str
    code: str
    first: str
    last: str


@web.post("/invoices/segments", may="billing.approve")
def give_segment(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Hands a segment to a cashier."""
    form = read_form(data, SegmentForm, {"cashier": "收费员", "code": "票据代码", "first": "起始号", "last": "终止号"})
    invoice_numbers.give_segment(db, web.uuid_of(form.cashier), form.code, form.first, form.last)
    return web.back_to(db, "/invoices/segments", toast="已登记号段")


@web.post("/invoices/blank", may="billing.invoice")
def void_blank(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Voids the next sheet of one's pad."""
    number = invoice_numbers.void_blank(db, read_form(data, ReasonForm).reason)
    return web.back_to(db, "/invoices/segments", toast=f"已作废空白发票 {number}")


routes = (
    show_invoices, find_invoices, export, find_receipt, show_new, issue, show_invoice, print_invoice, spoil, void, redden, show_segments,
    give_segment, void_blank,
)  # fmt: skip

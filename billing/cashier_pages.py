"""The cashier's screens: scan, take, print; give back, void, issue again; the day's receipts."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from sqlalchemy.orm import Session

from billing import cashier, cashier_lists, discounting, gateway_cashier, receipts
from billing.cashier_facts import TodayRow
from billing.cashier_forms import PrintForm, ReasonForm, RefundForm, RefundPlanForm, ScanForm, TakeForm, WaiverForm, read
from billing.facts import ACCOUNT_NAMES
from billing.gateway_facts import REFUND_STATE_NAMES, REFUND_TONES
from billing.receipt_facts import KIND_NAMES, TARGET_NAMES, ReceiptKind
from billing.receipt_paper import PAPER_NAMES, PaperKind, PrintedLine, PrintedPart, PrintedReceipt, receipt_pdf
from exam.kit import audit, web
from exam.kit.clock import day_of, local
from exam.kit.errors import NotFound
from exam.kit.house import actor_of, house_of
from exam.kit.money import fen_from_yuan, yuan
from exam.kit.sheets import XLSX, workbook
from exam.visits import orders
from exam.visits import service as visits
from exam.visits.facts import VisitCard

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

TONES = {ReceiptKind.PAYMENT: "green", ReceiptKind.REFUND: "amber", ReceiptKind.VOID: "red"}
REFUND_REASONS = ("受检者要求退项", "项目无法开展", "重复收费", "拒检退费", "取消体检")
VOID_REASONS = ("收款方式选错", "金额录错", "收错人", "受检者改用其他方式")
WORDS: dict[str, Any] = {"kinds": KIND_NAMES, "tones": TONES, "targets": TARGET_NAMES, "methods": ACCOUNT_NAMES}


def address_of(visit_no: str) -> str:
    """A visit at the cashier's."""
    return f"/cashier/visits/{visit_no}"


def _visit(db: Session, visit_no: str) -> VisitCard:
    return visits.card_of(db, visit_no)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def _asked(db: Session, day: str, q: str, own: str) -> cashier_lists.Asked:
    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        wanted = day_of(house_of(db).clock.now())
    return cashier_lists.Asked(wanted, q.strip()[:40], own == "1")


# --- scan and take ---------------------------------------------------------------------------------------------------


@web.get("/cashier", may="billing.read")
def show_counter(
    request: AnyRequest,
    db: web.Db,
    day: FromQuery[str] = "",
    q: FromQuery[str] = "",
    own: FromQuery[str] = "",
    page: FromQuery[str] = "1",
) -> web.Page:
    """The counter, waiting for a guide sheet, over the day's receipts."""
    asked = _asked(db, day, q, own)
    return web.page(
        db, "billing/cashier.html", asked=asked, found=cashier_lists.find(db, asked, _number(page)),
        today=day_of(house_of(db).clock.now()), requests=discounting.waiting_count(db), **WORDS,
    )  # fmt: skip


@web.post("/cashier/scan", may="billing.read", write=False)
def scan(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """A scanned guide sheet or tube opens its visit."""
    form = read(data, ScanForm)
    return web.back_to(db, address_of(visits.card(db, visits.find_id(db, form.code)).visit_no))


@web.get("/cashier/visits/{visit_no:str}", may="billing.read")
def show_visit(request: AnyRequest, db: web.Db, visit_no: FromPath[str], reissues: FromQuery[str] = "") -> web.Page:
    """What a visit owes by whom for each line, and the ways to pay it."""
    card = _visit(db, visit_no)
    audit.read(db, "billing.read_visit", f"visit:{card.visit_no}")
    sheet = cashier_lists.sheet(db, card.id)
    standing, requests = discounting.standing(db, card.id), discounting.requests_of(db, card.id)
    reissued = next(
        (each for each in sheet.receipts if str(each.receipt.id) == reissues and each.is_voided and not each.is_reissued), None
    )
    people = [each.actor_id for each in standing] + [each.approved_by for each in standing] + [each.actor_id for each in requests]
    return web.page(
        db, "billing/cashier_visit.html", sheet=sheet, card=card, url=address_of(card.visit_no), key=house_of(db).ids.new().hex,
        standing=standing, requests=[each for each in requests if each.is_approved is None], line_names={line.id: line.name for line in sheet.lines},
        names=cashier_lists.names_of(db, people), schemes=discounting.offered(db, card.exam_on), reissued=reissued,
        least=discounting.least_of(db, actor_of(db).staff_id), takes_money=card.state not in cashier.NO_MONEY_IN,
        refund_reasons=REFUND_REASONS, void_reasons=VOID_REASONS, strips=visits.strips(db, card), **WORDS,
    )  # fmt: skip


@web.post("/cashier/visits/{visit_no:str}/take", may="billing.take_payment")
def take(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Takes the money, once however often the form is sent."""
    form = read(data, TakeForm)
    card = _visit(db, visit_no)
    receipt_id = cashier.take_once(db, form.key, card.id, form.ways(), form.seen_due, form.reissues)
    return web.back_to(db, f"/cashier/receipts/{receipt_id}", toast="已收款")


# --- giving back -----------------------------------------------------------------------------------------------------


@web.post("/cashier/visits/{visit_no:str}/refund-plan", may="billing.refund", write=False)
def plan_refund(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """What taking these lines off would give back, and by which ways."""
    form = read(data, RefundPlanForm)
    card = _visit(db, visit_no)
    return web.page(db, "billing/_cashier_refund.html", plan=cashier.plan_refund(db, card.id, form.lines), methods=ACCOUNT_NAMES)


@web.post("/cashier/visits/{visit_no:str}/refund", may="billing.refund")
def refund(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Takes the lines off and gives the money back, once however often the form is sent."""
    form = read(data, RefundForm)
    card = _visit(db, visit_no)
    found = cashier.refund_once(db, form.key, card.id, form.lines, form.seen_fen, form.text)
    if len(found) == 1:
        return web.back_to(db, f"/cashier/receipts/{found[0]}", toast="已退费")
    return web.back_to(db, address_of(card.visit_no), toast=f"已退费,共 {len(found)} 张退费单" if found else "已退项,无需退款")


@web.post("/cashier/visits/{visit_no:str}/waivers", may="billing.refund")
def ask_waiver(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Asks a second person to let money go back for what was done already."""
    form = read(data, WaiverForm)
    card = _visit(db, visit_no)
    discounting.ask_waiver(db, card.id, form.line, fen_from_yuan(form.amount), form.reason)
    return web.back_to(db, address_of(card.visit_no), toast="已提交审批,批准后可退费")


@web.post("/cashier/receipts/{receipt_id:str}/void", may="billing.refund")
def void(request: AnyRequest, db: web.Db, receipt_id: FromPath[str], data: FormData) -> web.Page:
    """Voids a receipt of today; the same screen then issues it again."""
    done = cashier.void(db, web.uuid_of(receipt_id), read(data, ReasonForm).text)
    visit_no = visits.card(db, done.visit_id).visit_no if done.visit_id else ""
    return web.back_to(db, f"{address_of(visit_no)}?reissues={done.voids}", toast="已作废,可直接重开")


# --- receipts --------------------------------------------------------------------------------------------------------


@web.get("/cashier/receipts/{receipt_id:str}", may="billing.read")
def show_receipt(request: AnyRequest, db: web.Db, receipt_id: FromPath[str], paper: FromQuery[str] = "") -> web.Page:
    """A receipt: the change large, its print, and the field for the next guide sheet."""
    found = receipts.get(db, web.uuid_of(receipt_id))
    (shown,) = cashier_lists.shown(db, [found])
    card = visits.card(db, found.visit_id) if found.visit_id else None
    lines = {line.id: line.name for line in orders.lines(db, found.visit_id)} if found.visit_id else {}
    audit.read(db, "billing.read_receipt", f"receipt:{found.receipt_no}")
    others = cashier_lists.shown(
        db, [each for each in receipts.of_target(db, found.target) if found.id in (each.voids, each.refund_of)]
    )
    return web.page(
        db, "billing/cashier_receipt.html", shown=shown, receipt=found, card=card, lines=lines, others=others,
        paper=paper if paper in PAPER_NAMES and shown.prints else "", papers=PAPER_NAMES, void_reasons=VOID_REASONS,
        due_fen=card.amount_due_fen if card else 0, visit_url=address_of(card.visit_no) if card else "",
        gateway_refunds=gateway_cashier.refunds_of_receipt(db, found.id), refund_states=REFUND_STATE_NAMES, refund_tones=REFUND_TONES, **WORDS,
    )  # fmt: skip


@web.post("/cashier/receipts/{receipt_id:str}/prints", may="billing.read")
def print_receipt(request: AnyRequest, db: web.Db, receipt_id: FromPath[str], data: FormData) -> web.Page:
    """Counts a print and shows it."""
    kind = _paper(read(data, PrintForm).paper)
    found = receipts.get(db, web.uuid_of(receipt_id))
    count = receipts.note_print(db, found.id, kind.value)
    audit.note(db, "billing.print_receipt", subject=f"receipt:{found.receipt_no}")
    toast = "已打印" if count == 1 else f"第 {count} 次打印"
    return web.back_to(db, f"/cashier/receipts/{found.id}?paper={kind.value}", toast=toast)


@web.get("/cashier/receipts/{receipt_id:str}/pdf/{paper:str}", may="billing.read")
def show_pdf(request: AnyRequest, db: web.Db, receipt_id: FromPath[str], paper: FromPath[str]) -> Response[bytes]:
    """A receipt as it is printed. One that was never printed has no paper."""
    kind = _paper(paper)
    found = receipts.get(db, web.uuid_of(receipt_id))
    (shown,) = cashier_lists.shown(db, [found])
    if not shown.prints:
        raise NotFound("该收据尚未打印", "请在收据页面点击打印")
    audit.read(db, "billing.read_receipt", f"receipt:{found.receipt_no}", kind.value)
    content = receipt_pdf(_printed(db, shown), kind)
    return web.download(content, f"收据-{found.receipt_no}.pdf", "application/pdf", inline=True)


def _paper(text: str) -> PaperKind:
    try:
        return PaperKind(text)
    except ValueError:
        raise NotFound("没有这种纸张", "请从页面上的按钮打印") from None


def _printed(db: Session, shown: Any) -> PrintedReceipt:
    receipt = shown.receipt
    card = visits.card(db, receipt.visit_id) if receipt.visit_id else None
    names = {line.id: line.name for line in orders.lines(db, receipt.visit_id)} if receipt.visit_id else {}
    before = {each: receipts.get(db, each).receipt_no for each in (receipt.voids, receipt.refund_of, receipt.reissues) if each}
    note = ""
    if receipt.voids:
        note = f"作废收据 {before[receipt.voids]},原因:{receipt.reason}"
    elif receipt.refund_of:
        note = f"退收据 {before[receipt.refund_of]} 的款项,原因:{receipt.reason}"
    elif receipt.reissues:
        note = f"重开,原收据 {before[receipt.reissues]} 已作废"
    title = {ReceiptKind.PAYMENT: "收 款 收 据", ReceiptKind.REFUND: "退 费 单", ReceiptKind.VOID: "作 废 凭 证"}[receipt.kind]
    return PrintedReceipt(
        title=title, receipt_no=receipt.receipt_no, centre_name=house_of(db).settings.centre_name if house_of(db).settings else "",
        about=TARGET_NAMES[receipt.target.kind], person=card.person_name if card else "", visit_no=card.visit_no if card else "",
        at=receipt.at, cashier=shown.cashier, sign=receipt.sign, total_fen=receipt.total_fen,
        lines=tuple(PrintedLine(names.get(line.line_id, ""), line.amount_fen) for line in receipt.lines),
        parts=tuple(
            PrintedPart(
                ACCOUNT_NAMES[part.method], part.amount_fen, "" if part.gateway_order_id and receipt.sign < 0 else part.reference,
                part.tendered_fen, part.change_fen,
            )
            for part in receipt.parts
        ),
        note=note, copy_no=shown.prints, is_voided=shown.is_voided,
    )  # fmt: skip


@web.get("/cashier/export", may="billing.reports")
def export(
    request: AnyRequest, db: web.Db, day: FromQuery[str] = "", q: FromQuery[str] = "", own: FromQuery[str] = ""
) -> Response[bytes]:
    """The receipts of the list as a workbook, amounts in yuan, what went out below zero."""
    asked = _asked(db, day, q, own)
    rows = cashier_lists.everything(db, asked)
    audit.read(db, "billing.export_receipts", f"day:{asked.day}", f"{len(rows)}")
    header = ("收据号", "时间", "类型", "事由", "体检号", "姓名", "金额(元)", "收款方式", "收费员", "状态", "原因")
    content = workbook([("收据", header, (_row(each) for each in rows))])
    return web.download(content, f"收据-{asked.day}.xlsx", XLSX)


def _row(each: TodayRow) -> tuple[Any, ...]:
    ways = "、".join(f"{name} {yuan(each.sign * fen)}" for name, fen in each.methods)
    return (
        each.receipt_no, f"{local(each.at):%Y-%m-%d %H:%M:%S}", KIND_NAMES[ReceiptKind(each.kind)], dict(TARGET_NAMES)[each.target_kind],  # type: ignore[index]
        each.visit_no, each.person_name, each.sign * each.total_fen / 100, ways, each.cashier, "已作废" if each.is_voided else "有效",
        each.reason,
    )  # fmt: skip


routes = (
    show_counter, scan, show_visit, take, plan_refund, refund, ask_waiver, void, show_receipt, print_receipt, show_pdf, export,
)  # fmt: skip

"""Screens of one visit: its page, check-in with the choice of slips, the order's changes, money, prints, undo."""

from __future__ import annotations

from urllib.parse import urlencode

from litestar import Response
from litestar.params import FromPath, FromQuery
from sqlalchemy.orm import Session

from billing import service as billing
from exam.kit import audit, web
from exam.kit.errors import NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.kit.money import fen_from_yuan, yuan
from exam.visits import orders
from exam.visits import service as visits
from registration import consents, facts, printing, recognition, rules, service, sheet
from registration.facts import SLIP_NAMES, Printable, SlipKind
from registration.forms import (
    AnyRequest,
    DayForm,
    FormData,
    GroupsForm,
    PaymentForm,
    ReasonForm,
    RefundForm,
    SignedForm,
    SlipsForm,
    read,
)

PDF = "application/pdf"
LINE_ACTIONS = {
    "refuse": ("拒检", facts.REFUSAL_REASONS),
    "postpone": ("延期", facts.POSTPONE_REASONS),
    "remove": ("退项", facts.REMOVE_REASONS),
}


def address_of(visit_no: str) -> str:
    """A visit's page."""
    return f"/registration/visits/{visit_no}"


@web.get("/registration/visits/{visit_no:str}", may="registration.read")
def show_visit(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> web.Page:
    """One visit with everything the desk may do to it."""
    found, actor = sheet.visit_sheet(db, visit_no), actor_of(db)
    may_undo_own = actor.may("registration.undo_own_return") and found.was_returned_by(actor.staff_id)
    return web.page(
        db, "registration/visit.html", sheet=found,
        undo_return_way="undo-return" if actor.may("registration.undo") else "undo-own-return" if may_undo_own else "",
        card=found.card, url=address_of(found.card.visit_no), strips=visits.strips(db, found.card),
        key=house_of(db).ids.new().hex, slip_names=SLIP_NAMES, undo_reasons=facts.UNDO_REASONS, cancel_reasons=facts.CANCEL_REASONS,
        payment_reasons=facts.PAYMENT_UNDO_REASONS, withdrawal_reasons=facts.WITHDRAWAL_REASONS, giver_names=facts.CONSENT_GIVER_NAMES,
    )  # fmt: skip


# --- arriving ----------------------------------------------------------------------------------------------------------


@web.post("/registration/visits/{visit_no:str}/register", may="registration.register")
def register(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> web.Page:
    """A booking becomes a registration."""
    service.register(db, service.visit_of(db, visit_no).id)
    return web.back_to(db, address_of(visit_no), toast="已登记")


@web.post("/registration/visits/{visit_no:str}/check-in", may="registration.check_in")
def check_in(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Checks the person in, with the consent that was ticked as signed, and prints what was ticked."""
    form = read(data, SlipsForm)
    visit = service.visit_of(db, visit_no)
    if form.consent is not None:
        consents.give(db, visit.id, form.consent)
    service.check_in(db, visit.id)
    return _after_printing(db, visit_no, _record(db, visit_no, form.slips) if form.slips else (), "已报到")


@web.post("/registration/visits/{visit_no:str}/prints", may="registration.print")
def print_slips(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Prints or reprints what was ticked, counted."""
    return _after_printing(db, visit_no, _record(db, visit_no, read(data, SlipsForm).slips), "已记录打印")


def _record(db: Session, visit_no: str, slips: tuple[str, ...]) -> tuple[Printable, ...]:
    """`label` stands for every label, `label:…` for one."""
    visit = service.visit_of(db, visit_no)
    wanted: list[tuple[str, str]] = []
    for each in slips:
        kind, colon, subject = each.partition(":")
        if colon or kind == SlipKind.GUIDE_SHEET:
            wanted.append((kind, subject))
        else:
            wanted += [(one.kind.value, one.subject) for one in printing.printables(db, visit.id) if one.kind == kind]
    return printing.record(db, visit.id, wanted)


def _after_printing(db: Session, visit_no: str, printed: tuple[Printable, ...], toast: str) -> web.Page:
    if not printed:
        return web.back_to(db, address_of(visit_no), toast=toast)
    query = urlencode([("slip", f"{each.kind.value}:{each.subject}") for each in printed])
    return web.back_to(db, f"{address_of(visit_no)}/slips?{query}", toast=toast)


@web.get("/registration/visits/{visit_no:str}/slips", may="registration.print")
def show_slips(request: AnyRequest, db: web.Db, visit_no: FromPath[str], slip: FromQuery[list[str] | None] = None) -> web.Page:
    """The slips that were just printed, as PDF previews side by side."""
    visit = service.visit_of(db, visit_no)
    found = visits.card(db, visit.id)
    audit.read(db, "registration.read_slips", f"visit:{found.visit_no}")
    subjects: dict[str, list[str]] = {}
    for each in slip or []:
        kind, _, subject = each.partition(":")
        subjects.setdefault(kind, []).append(subject)
    files = [
        (
            SLIP_NAMES[kind],
            f"{address_of(found.visit_no)}/pdf/{kind.value}?{urlencode([('subject', each) for each in subjects[kind] if each])}",
        )
        for kind in SlipKind if kind in subjects
    ]  # fmt: skip
    return web.page(db, "registration/slips.html", card=found, files=files, url=address_of(found.visit_no))


@web.get("/registration/visits/{visit_no:str}/pdf/{kind:str}", may="registration.print")
def show_pdf(
    request: AnyRequest, db: web.Db, visit_no: FromPath[str], kind: FromPath[str], subject: FromQuery[list[str] | None] = None
) -> Response[bytes]:
    """One kind of slip as a PDF, or the consent form, which is signed before any slip may be printed."""
    visit = service.visit_of(db, visit_no)
    audit.read(db, "registration.read_slips", f"visit:{visit.visit_no}", kind[:20])
    if kind == "consent":
        return web.download(consents.form_of(db, visit.id), f"知情同意书-{visit.visit_no}.pdf", PDF, inline=True)
    if kind == SlipKind.GUIDE_SHEET:
        content = printing.guide_sheet(db, visit.id)
    elif kind == SlipKind.LABEL:
        content = printing.labels(db, visit.id, subject or [])
    elif kind == SlipKind.REQUEST_FORM:
        content = printing.request_forms(db, visit.id, subject or [])
    else:
        raise NotFound
    return web.download(content, f"{SLIP_NAMES[SlipKind(kind)]}-{visit.visit_no}.pdf", PDF, inline=True)


# --- money -------------------------------------------------------------------------------------------------------------


@web.post("/registration/visits/{visit_no:str}/payments", may="billing.pay_at_window")
def pay(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Records a payment at the window, once however often the form is sent."""
    form = read(data, PaymentForm)
    visit = service.visit_of(db, visit_no)
    service.pay_once(db, form.key, visit.id, fen_from_yuan(form.amount), form.receipt_no)
    return web.back_to(db, address_of(visit_no), toast="已登记收款")


@web.post("/registration/visits/{visit_no:str}/payments/{payment_id:str}/undo", may="billing.undo_payment")
def undo_payment(request: AnyRequest, db: web.Db, visit_no: FromPath[str], payment_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a payment that was recorded wrongly back."""
    form = read(data, ReasonForm)
    billing.undo_payment(db, service.visit_of(db, visit_no).id, web.uuid_of(payment_id), form.text)
    return web.back_to(db, address_of(visit_no), toast="已撤销收款登记")


@web.post("/registration/visits/{visit_no:str}/refunds", may="billing.refund_at_window")
def refund(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Records that the window gave the money back, once however often the form is sent."""
    form = read(data, RefundForm)
    visit, amount_fen = service.visit_of(db, visit_no), fen_from_yuan(form.amount)
    service.refund_once(db, form.key, visit.id, amount_fen, form.receipt_no, may_differ=bool(form.differs))
    due_fen = billing.amount_due(db, visit.id)
    left = f";多于应退金额,待缴 {yuan(due_fen)} 元" if due_fen > 0 else f";尚需退费 {yuan(-due_fen)} 元" if due_fen < 0 else ""
    return web.back_to(db, address_of(visit_no), toast=f"已登记退费 {yuan(amount_fen)} 元{left}")


@web.post("/registration/visits/{visit_no:str}/refunds/{refund_id:str}/undo", may="billing.undo_payment")
def undo_refund(request: AnyRequest, db: web.Db, visit_no: FromPath[str], refund_id: FromPath[str], data: FormData) -> web.Page:
    """Takes the record of a refund back: the money is owed again."""
    form = read(data, ReasonForm)
    billing.undo_refund(db, service.visit_of(db, visit_no).id, web.uuid_of(refund_id), form.text)
    return web.back_to(db, address_of(visit_no), toast="已撤销退费登记")


# --- consent -----------------------------------------------------------------------------------------------------------


@web.post("/registration/visits/{visit_no:str}/consent", may="registration.check_in")
def give_consent(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Records the consent that was ticked as signed, at any time of the visit."""
    form = read(data, SignedForm)
    if form.consent is None:
        raise Refused("registration.consent_not_ticked", "未勾选“已阅读并签署”", "请在签字后勾选,再登记", "consent")
    consents.give(db, service.visit_of(db, visit_no).id, form.consent)
    return web.back_to(db, address_of(visit_no), toast="已登记知情同意书")


@web.post("/registration/visits/{visit_no:str}/withdraw-consent", may="registration.check_in")
def withdraw_consent(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Takes the consent back; private items of a visit underway that were not sampled are refused at once."""
    count = consents.withdraw(db, service.visit_of(db, visit_no).id, read(data, ReasonForm).text)
    return web.back_to(db, address_of(visit_no), toast=f"已撤回同意,{count} 项记为拒检" if count else "已撤回同意,没有项目因此记为拒检")


# --- the order ---------------------------------------------------------------------------------------------------------


@web.post("/registration/visits/{visit_no:str}/groups/find", may="registration.change_order", write=False)
def find_groups(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Groups that may be added, with what speaks against each. The words travel in the body: a private item stands in no log."""
    form = read(data, GroupsForm)
    visit = service.visit_of(db, visit_no)
    found = recognition.groups_for_visit(db, visit.id, form.q)
    needs_consent = any(each.is_private and not each.is_ordered and not each.blocked for each in found)
    asked = consents.asked_before_adding(db, visit.id) if needs_consent else None
    return web.page(db, "registration/_groups.html", found=found, q=form.q, asked=asked, url=address_of(visit.visit_no))


@web.post("/registration/visits/{visit_no:str}/groups", may="registration.change_order")
def add_groups(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Adds the ticked groups."""
    form = read(data, GroupsForm)
    service.add_groups(db, service.visit_of(db, visit_no).id, form.groups, form.consent)
    return web.back_to(db, address_of(visit_no), toast=f"已增加 {len(form.groups)} 项")


@web.get("/registration/visits/{visit_no:str}/lines/{line_id:str}/ask/{action:str}", may="registration.read")
def ask_line(request: AnyRequest, db: web.Db, visit_no: FromPath[str], line_id: FromPath[str], action: FromPath[str]) -> web.Page:
    """The question before a line is refused, postponed or taken off."""
    visit = service.visit_of(db, visit_no)
    line = next((each for each in orders.lines(db, visit.id) if each.id == web.uuid_of(line_id)), None)
    if line is None or action not in LINE_ACTIONS:
        raise NotFound("没有找到该项目", "请刷新页面后重试")
    title, usual = LINE_ACTIONS[action]
    return web.page(
        db, "registration/_line_action.html", line=line, title=title, reasons=rules.reasons_for(usual, visit.sex), action=action,
        url=f"{address_of(visit.visit_no)}/lines/{line.id}/{action}", today=service.today_of(db),
    )  # fmt: skip


@web.post("/registration/visits/{visit_no:str}/lines/{line_id:str}/refuse", may="registration.refuse")
def refuse_line(request: AnyRequest, db: web.Db, visit_no: FromPath[str], line_id: FromPath[str], data: FormData) -> web.Page:
    """The person refuses a line."""
    form = read(data, ReasonForm)
    service.refuse_line(db, service.visit_of(db, visit_no).id, [web.uuid_of(line_id)], form.text)
    return web.back_to(db, address_of(visit_no), toast="已记录拒检")


@web.post("/registration/visits/{visit_no:str}/lines/{line_id:str}/postpone", may="registration.change_order")
def postpone_line(request: AnyRequest, db: web.Db, visit_no: FromPath[str], line_id: FromPath[str], data: FormData) -> web.Page:
    """A line is done on a later day."""
    form = read(data, ReasonForm)
    visit = service.visit_of(db, visit_no)
    service.postpone_line(db, visit.id, web.uuid_of(line_id), form.due_on or service.today_of(db), form.text)
    return web.back_to(db, address_of(visit_no), toast="已延期")


@web.post("/registration/visits/{visit_no:str}/lines/{line_id:str}/remove", may="registration.change_order")
def remove_line(request: AnyRequest, db: web.Db, visit_no: FromPath[str], line_id: FromPath[str], data: FormData) -> web.Page:
    """A line is taken off the order."""
    form = read(data, ReasonForm)
    service.remove_line(db, service.visit_of(db, visit_no).id, web.uuid_of(line_id), form.text)
    return web.back_to(db, address_of(visit_no), toast="已退项")


@web.post("/registration/visits/{visit_no:str}/lines/{line_id:str}/resume", may="registration.refuse")
def resume_line(request: AnyRequest, db: web.Db, visit_no: FromPath[str], line_id: FromPath[str]) -> web.Page:
    """A refused or postponed line is to be examined after all."""
    service.resume_line(db, service.visit_of(db, visit_no).id, web.uuid_of(line_id))
    return web.back_to(db, address_of(visit_no), toast="已恢复为待检")


# --- taking back -------------------------------------------------------------------------------------------------------


@web.post("/registration/visits/{visit_no:str}/day", may="registration.book")
def rebook(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Moves the visit to another day."""
    form = read(data, DayForm)
    service.rebook(db, service.visit_of(db, visit_no).id, form.exam_on)
    return web.back_to(db, address_of(visit_no), toast=f"已改期到 {form.exam_on.isoformat()}")


@web.post("/registration/visits/{visit_no:str}/cancel", may="registration.cancel")
def cancel(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Cancels the visit."""
    refund_fen = service.cancel(db, service.visit_of(db, visit_no).id, read(data, ReasonForm).text)
    toast = f"已取消登记,请办理退费 {yuan(refund_fen)} 元" if refund_fen else "已取消登记"
    return web.back_to(db, address_of(visit_no), toast=toast)


@web.post("/registration/visits/{visit_no:str}/undo-check-in", may="registration.undo")
def undo_check_in(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Takes the check-in back."""
    service.undo_check_in(db, service.visit_of(db, visit_no).id, read(data, ReasonForm).text)
    return web.back_to(db, address_of(visit_no), toast="已取消报到")


@web.post("/registration/visits/{visit_no:str}/undo-return", may="registration.undo")
def undo_return(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Gives the sheet back."""
    return _given_back(db, visit_no, service.undo_return(db, service.visit_of(db, visit_no).id, read(data, ReasonForm).text))


@web.post("/registration/visits/{visit_no:str}/undo-own-return", may="registration.undo_own_return")
def undo_own_return(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Gives back the sheet that the same person took today."""
    return _given_back(db, visit_no, service.undo_own_return(db, service.visit_of(db, visit_no).id, read(data, ReasonForm).text))


def _given_back(db: Session, visit_no: str, count: int) -> web.Page:
    left = f";{count} 个隐私项目没有有效的知情同意书,仍为拒检" if count else ""
    return web.back_to(db, address_of(visit_no), toast=f"已撤销交单{left}")


routes = (
    show_visit, register, check_in, print_slips, show_slips, show_pdf, pay, undo_payment, refund, undo_refund, give_consent,
    withdraw_consent, find_groups, add_groups, ask_line, refuse_line, postpone_line, remove_line, resume_line, rebook, cancel, undo_check_in,
    undo_return, undo_own_return,
)  # fmt: skip

"""The desk for programs: people, visits, check-in, the order, money, tubes, sheet return, lists. JSON in and out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody
from sqlalchemy.orm import Session

from billing import service as billing
from billing.facts import Balance, Payment, Refund
from exam.catalog import service as catalog
from exam.catalog.facts import ItemGroup, Package
from exam.kit import audit, web
from exam.people import service as people
from exam.people.facts import Person
from exam.visits import orders, tubes
from exam.visits import service as visits
from exam.visits.facts import OrderLine, TubeCard, VisitCard
from registration import board, consents, drawing, printing, recognition, service
from registration.facts import Board, ConsentAsked, DayPlaces, Opened, OpenLineChoice, Printable, Recognised, WalkIn
from registration.forms import AnyRequest, refuse_control_characters

IdempotencyHeader = Annotated[str, HeaderParameter(name="idempotency-key")]
Words = Annotated[str, msgspec.Meta(max_length=200)]


class VisitAnswer(msgspec.Struct):
    """A visit with its order, tubes, money and what may be printed."""

    card: VisitCard
    lines: tuple[OrderLine, ...]
    tubes: tuple[TubeCard, ...]
    balance: Balance
    payments: tuple[Payment, ...]
    refunds: tuple[Refund, ...]
    consent: ConsentAsked | None
    printables: tuple[Printable, ...]


class LookUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document number; in the body, so that it stands in no log."""

    id_no: Words


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number, name, pinyin, last four, phone or company, and which page."""

    q: Words
    page: int = 1


class GroupCodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups to be added; `consent` is the version of the consent text that was signed for private ones."""

    groups: tuple[str, ...]
    consent: int | None = None


class LineIds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines to be refused, with the reason."""

    line_ids: tuple[UUID, ...]
    reason: Words


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why."""

    reason: Words


class Postponement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Until when, and why."""

    due_on: date
    reason: Words


class PaymentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was paid at the window, in fen."""

    amount_fen: int
    receipt_no: Words


class RefundBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the window gave back, in fen. An amount other than what is owed is recorded only with an idempotency key."""

    amount_fen: int
    receipt_no: Words = ""


class ConsentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version of the consent text that was signed."""

    version: int


class TubeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tube's barcode."""

    barcode: Words


class TubeUndo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tube's barcode, and why it is taken back."""

    barcode: Words
    reason: Words


class ReturnBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without `choices` every open line is refused by itself."""

    choices: tuple[OpenLineChoice, ...] | None = None


class PrintBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to print, as `kind:subject`."""

    slips: tuple[str, ...]


class DayBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another day."""

    exam_on: date


def answer(db: Session, visit_id: UUID) -> VisitAnswer:
    """A visit as it stands now."""
    card = visits.card(db, visit_id)
    lines, cards = orders.lines(db, visit_id), tubes.of_visit(db, visit_id)
    money = billing.account(db, visit_id)
    return VisitAnswer(
        card, lines, cards, money.balance, money.payments, money.refunds, consents.asked_of(db, card, lines),
        printing.printables_of(db, card, lines, cards),
    )  # fmt: skip


def act_on(db: Session, visit_no: str, act: Callable[[UUID], object], body: msgspec.Struct | None = None) -> VisitAnswer:
    """Finds the visit, does `act` to it, and answers with the visit as it stands then. `body` may hold no control characters."""
    visit_id = service.visit_of(db, visit_no).id
    refuse_control_characters(body)
    act(visit_id)
    return answer(db, visit_id)


# --- looking up --------------------------------------------------------------------------------------------------------


@web.get("/api/catalog/packages", may="registration.read")
def list_packages(request: AnyRequest, db: web.Db) -> list[Package]:
    """Today's packages."""
    return list(catalog.catalogue(db, service.today_of(db)).packages.values())


@web.get("/api/catalog/groups", may="registration.read")
def list_groups(request: AnyRequest, db: web.Db) -> list[ItemGroup]:
    """Today's groups."""
    return list(catalog.catalogue(db, service.today_of(db)).groups.values())


@web.post("/api/people/recognise", may="registration.register")
def recognise_person(request: AnyRequest, db: web.Db, data: JSONBody[LookUp]) -> Recognised:
    """What a document number tells, with the file that has it."""
    refuse_control_characters(data)
    return recognition.recognise(db, data.id_no)


@web.get("/api/people/{person_id:str}", may="people.read")
def read_person(request: AnyRequest, db: web.Db, person_id: FromPath[str]) -> Person:
    """A person, masked."""
    return people.person(db, web.uuid_of(person_id))


@web.get("/api/board", may="registration.board")
def read_board(request: AnyRequest, db: web.Db, day: FromQuery[date | None] = None) -> Board:
    """The five counts of a day."""
    return board.board(db, day or service.today_of(db))


@web.get("/api/calendar", may="registration.book")
def read_calendar(request: AnyRequest, db: web.Db, day: FromQuery[date | None] = None) -> list[DayPlaces]:
    """The places of the month of a day."""
    chosen = day or service.today_of(db)
    return list(board.calendar(db, chosen.year, chosen.month))


@web.get("/api/visits", may="registration.read")
def list_visits(
    request: AnyRequest, db: web.Db, day: FromQuery[date | None] = None, tile: FromQuery[str] = "", page: FromQuery[int] = 1
) -> board.Page:
    """The visits of a day, or those behind one of its counts."""
    return board.day_list(db, day or service.today_of(db), board.tile_of(tile), page)


@web.post("/api/visits/search", may="registration.read")
def search_visits(request: AnyRequest, db: web.Db, data: JSONBody[Query]) -> board.Found:
    """Visits and people by any of the desk's search words; in the body, so that they stand in no log."""
    refuse_control_characters(data)
    return board.find(db, data.q, data.page)


# --- opening and arriving ----------------------------------------------------------------------------------------------


@web.post("/api/visits", may="registration.register", status_code=201)
def open_visit(request: AnyRequest, db: web.Db, data: JSONBody[WalkIn], idempotency_key: IdempotencyHeader = "") -> Opened:
    """Registers a person and opens the visit, or books one for `exam_on`. The header `idempotency-key` makes repeats safe."""
    refuse_control_characters(data)
    return service.walk_in_once(db, idempotency_key, data) if idempotency_key else service.walk_in(db, data)


@web.get("/api/visits/{visit_no:str}", may="registration.read")
def read_visit(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> VisitAnswer:
    """A visit with everything the desk knows of it."""
    visit = service.visit_of(db, visit_no)
    audit.read(db, "registration.read_visit", f"visit:{visit.visit_no}")
    return answer(db, visit.id)


@web.post("/api/visits/{visit_no:str}/register", may="registration.register")
def register(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> VisitAnswer:
    """A booking becomes a registration."""
    return act_on(db, visit_no, lambda visit_id: service.register(db, visit_id))


@web.post("/api/visits/{visit_no:str}/check-in", may="registration.check_in")
def check_in(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> VisitAnswer:
    """The person is here."""
    return act_on(db, visit_no, lambda visit_id: service.check_in(db, visit_id))


@web.post("/api/visits/{visit_no:str}/undo-check-in", may="registration.undo")
def undo_check_in(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[Reason]) -> VisitAnswer:
    """Takes a check-in back."""
    return act_on(db, visit_no, lambda visit_id: service.undo_check_in(db, visit_id, data.reason), data)


@web.post("/api/visits/{visit_no:str}/day", may="registration.book")
def rebook(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[DayBody]) -> VisitAnswer:
    """Moves a visit to another day."""
    return act_on(db, visit_no, lambda visit_id: service.rebook(db, visit_id, data.exam_on))


@web.post("/api/visits/{visit_no:str}/cancel", may="registration.cancel")
def cancel(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[Reason]) -> VisitAnswer:
    """Cancels a visit of which nothing was done."""
    return act_on(db, visit_no, lambda visit_id: service.cancel(db, visit_id, data.reason), data)


@web.post("/api/visits/{visit_no:str}/payments", may="billing.pay_at_window")
def pay(
    request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[PaymentBody], idempotency_key: IdempotencyHeader = ""
) -> VisitAnswer:
    """Records a payment at the window."""

    def record(visit_id: UUID) -> UUID:
        if idempotency_key:
            return service.pay_once(db, idempotency_key, visit_id, data.amount_fen, data.receipt_no)
        return service.pay(db, visit_id, data.amount_fen, data.receipt_no)

    return act_on(db, visit_no, record, data)


@web.post("/api/visits/{visit_no:str}/payments/{payment_id:str}/undo", may="billing.undo_payment")
def undo_payment(
    request: AnyRequest, db: web.Db, visit_no: FromPath[str], payment_id: FromPath[str], data: JSONBody[Reason]
) -> VisitAnswer:
    """Takes a recorded payment back."""
    payment = web.uuid_of(payment_id)
    return act_on(db, visit_no, lambda visit_id: billing.undo_payment(db, visit_id, payment, data.reason), data)


@web.post("/api/visits/{visit_no:str}/refunds", may="billing.refund_at_window")
def refund(
    request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[RefundBody], idempotency_key: IdempotencyHeader = ""
) -> VisitAnswer:
    """Records what the window gave back; with an idempotency key also another amount than what is owed."""

    def record(visit_id: UUID) -> UUID:
        if idempotency_key:
            return service.refund_once(db, idempotency_key, visit_id, data.amount_fen, data.receipt_no, may_differ=True)
        return billing.refund_at_window(db, visit_id, data.amount_fen, data.receipt_no)

    return act_on(db, visit_no, record, data)


@web.post("/api/visits/{visit_no:str}/refunds/{refund_id:str}/undo", may="billing.undo_payment")
def undo_refund(
    request: AnyRequest, db: web.Db, visit_no: FromPath[str], refund_id: FromPath[str], data: JSONBody[Reason]
) -> VisitAnswer:
    """Takes the record of a refund back."""
    given = web.uuid_of(refund_id)
    return act_on(db, visit_no, lambda visit_id: billing.undo_refund(db, visit_id, given, data.reason), data)


@web.post("/api/visits/{visit_no:str}/consent", may="registration.check_in")
def give_consent(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[ConsentBody]) -> VisitAnswer:
    """The person signed the consent text that the visit's answer shows."""
    return act_on(db, visit_no, lambda visit_id: consents.give(db, visit_id, data.version, "program"))


@web.post("/api/visits/{visit_no:str}/withdraw-consent", may="registration.check_in")
def withdraw_consent(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[Reason]) -> VisitAnswer:
    """The person takes the consent back."""
    return act_on(db, visit_no, lambda visit_id: consents.withdraw(db, visit_id, data.reason), data)


# --- the order ---------------------------------------------------------------------------------------------------------


@web.post("/api/visits/{visit_no:str}/lines", may="registration.change_order")
def add_lines(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[GroupCodes]) -> VisitAnswer:
    """Adds groups."""
    return act_on(db, visit_no, lambda visit_id: service.add_groups(db, visit_id, data.groups, data.consent, "program"), data)


@web.post("/api/visits/{visit_no:str}/lines/refuse", may="registration.refuse")
def refuse_lines(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[LineIds]) -> VisitAnswer:
    """The person refuses lines."""
    return act_on(db, visit_no, lambda visit_id: service.refuse_line(db, visit_id, data.line_ids, data.reason), data)


@web.post("/api/visits/{visit_no:str}/lines/{line_id:str}/remove", may="registration.change_order")
def remove_line(
    request: AnyRequest, db: web.Db, visit_no: FromPath[str], line_id: FromPath[str], data: JSONBody[Reason]
) -> VisitAnswer:
    """Takes a line off."""
    return act_on(db, visit_no, lambda visit_id: service.remove_line(db, visit_id, web.uuid_of(line_id), data.reason), data)


@web.post("/api/visits/{visit_no:str}/lines/{line_id:str}/postpone", may="registration.change_order")
def postpone_line(
    request: AnyRequest, db: web.Db, visit_no: FromPath[str], line_id: FromPath[str], data: JSONBody[Postponement]
) -> VisitAnswer:
    """A line is done later."""
    return act_on(db, visit_no, lambda visit_id: service.postpone_line(db, visit_id, web.uuid_of(line_id), data.due_on, data.reason), data)


@web.post("/api/visits/{visit_no:str}/lines/{line_id:str}/resume", may="registration.refuse")
def resume_line(request: AnyRequest, db: web.Db, visit_no: FromPath[str], line_id: FromPath[str]) -> VisitAnswer:
    """A refused or postponed line is to be examined after all."""
    return act_on(db, visit_no, lambda visit_id: service.resume_line(db, visit_id, web.uuid_of(line_id)))


# --- tubes, slips, sheet -----------------------------------------------------------------------------------------------


@web.post("/api/visits/{visit_no:str}/tubes/collect", may="registration.draw")
def collect_tube(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[TubeBody]) -> VisitAnswer:
    """A tube was drawn; its barcode must be this visit's."""
    return act_on(db, visit_no, lambda visit_id: drawing.collect(db, visit_id, data.barcode))


@web.post("/api/visits/{visit_no:str}/tubes/undo", may="registration.draw")
def undo_tube(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[TubeUndo]) -> VisitAnswer:
    """Takes a collection back."""
    return act_on(db, visit_no, lambda visit_id: drawing.undo(db, visit_id, data.barcode, data.reason), data)


@web.post("/api/visits/{visit_no:str}/prints", may="registration.print")
def print_slips(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[PrintBody]) -> list[Printable]:
    """Counts a print of each slip."""
    refuse_control_characters(data)
    pairs = [(kind, subject) for kind, _, subject in (each.partition(":") for each in data.slips)]
    return list(printing.record(db, service.visit_of(db, visit_no).id, pairs))


@web.post("/api/visits/{visit_no:str}/return", may="registration.return_sheet")
def return_sheet(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[ReturnBody]) -> VisitAnswer:
    """Takes the guide sheet back."""
    return act_on(db, visit_no, lambda visit_id: service.return_sheet(db, visit_id, data.choices), data)


@web.post("/api/visits/{visit_no:str}/undo-return", may="registration.undo")
def undo_return(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: JSONBody[Reason]) -> VisitAnswer:
    """Gives the sheet back."""
    return act_on(db, visit_no, lambda visit_id: service.undo_return(db, visit_id, data.reason), data)


routes = (
    list_packages, list_groups, recognise_person, read_person, read_board, read_calendar, list_visits, search_visits, open_visit,
    read_visit, register, check_in, undo_check_in, rebook, cancel, pay, undo_payment, refund, undo_refund, give_consent,
    withdraw_consent, add_lines, refuse_lines, remove_line, postpone_line,
    resume_line, collect_tube, undo_tube, print_slips, return_sheet, undo_return,
)  # fmt: skip

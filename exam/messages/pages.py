"""Screens of messages: the list with search and export, one message, consent to SMS, and everybody's own inbox of notices."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from sqlalchemy.orm import Session

from exam.kit import audit, auth, web
from exam.kit.clock import day_of, local
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.sheets import XLSX, workbook
from exam.messages import listing, notices, service
from exam.messages.facts import CONSENT_NAMES, DELIVERY_STATE_NAMES, OCCASION_NAMES, REASONS, ConsentKind, DeliveryState
from exam.messages.ports import MESSAGE_SENDER
from exam.people import service as people

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

TONES = {
    DeliveryState.WAITING: "blue", DeliveryState.HELD: "amber", DeliveryState.UNKNOWN: "amber", DeliveryState.SENT: "cyan",
    DeliveryState.DELIVERED: "green", DeliveryState.FAILED: "red", DeliveryState.EXPIRED: "red",
}  # fmt: skip
RESENDABLE = (DeliveryState.FAILED, DeliveryState.EXPIRED, DeliveryState.UNKNOWN, DeliveryState.HELD)


class ListForm(msgspec.Struct, forbid_unknown_fields=True):
    """What is looked for, as the search form says it; the page is a button's."""

    q: str = ""
    state: str = ""
    occasion: str = ""
    days: str = "7"
    page: str = "1"

    def wanted(self) -> listing.Wanted:
        """As the list takes it; what is no number counts as the default."""
        return listing.Wanted(self.q, self.state, self.occasion, _number(self.days, 7), _number(self.page, 1))


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else default


# --- the list --------------------------------------------------------------------------------------------------------


@web.get("/messages", may="messages.read")
def show_messages(
    request: AnyRequest, db: web.Db, status: FromQuery[str] = "", occasion: FromQuery[str] = "", days: FromQuery[str] = "7",
    page: FromQuery[str] = "1",
) -> web.Page:  # fmt: skip
    """The messages of the last days."""
    return _list(db, ListForm(state=status, occasion=occasion, days=days, page=page))


@web.post("/messages", may="messages.read", write=False)
def find_messages(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """As `show_messages`, with the words in the body: a person's name stands in no address and no log."""
    return _list(db, read_form(data, ListForm))


def _list(db: Session, form: ListForm) -> web.Page:
    house = house_of(db)
    wanted = form.wanted()
    found = listing.find(db, wanted)
    audit.read(db, "messages.read", "list:messages")
    problem = house.modules.provided(MESSAGE_SENDER).problem(house)
    return web.page(
        db, "exam/messages_list.html", found=found, wanted=wanted, states=DELIVERY_STATE_NAMES, occasions=OCCASION_NAMES,
        tones=TONES, days=listing.DAYS, gateway_problem=REASONS.get(problem, problem), resendable=RESENDABLE,
    )  # fmt: skip


@web.get("/messages/export", may="messages.read")
def export(
    request: AnyRequest, db: web.Db, status: FromQuery[str] = "", occasion: FromQuery[str] = "", days: FromQuery[str] = "7"
) -> Response[bytes]:
    """The whole list as a workbook."""
    return _export(db, ListForm(state=status, occasion=occasion, days=days))


@web.post("/messages/export", may="messages.read", write=False)
def export_found(request: AnyRequest, db: web.Db, data: FormData) -> Response[bytes]:
    """What was looked for as a workbook: phones masked, no texts."""
    return _export(db, read_form(data, ListForm))


def _export(db: Session, form: ListForm) -> Response[bytes]:
    found = listing.find(db, msgspec.structs.replace(form.wanted(), page=1), listing.MOST_EXPORTED)
    audit.read(db, "messages.export", "list:messages")
    header = ("登记时间", "场景", "接收人", "手机号", "体检号", "模板", "条数", "状态", "原因", "提交次数", "状态时间")
    rows = [
        (_moment(line.queued_at), OCCASION_NAMES[line.occasion], line.to_name, line.phone_masked, line.visit_no, line.template,
         line.segments, DELIVERY_STATE_NAMES[line.state], line.why, line.tries, _moment(line.changed_at))
        for line in found.lines
    ]  # fmt: skip
    return web.download(workbook([("短信", header, rows)]), f"短信_{day_of(house_of(db).clock.now()):%Y%m%d}.xlsx", XLSX)


def _moment(moment: datetime) -> str:
    return f"{local(moment):%Y-%m-%d %H:%M}"


# --- one message -----------------------------------------------------------------------------------------------------


@web.get("/messages/{message_id:str}", may="messages.read")
def show_message(request: AnyRequest, db: web.Db, message_id: FromPath[str]) -> web.Page:
    """One message: its text, where it stands, and what happened to it."""
    detail = listing.detail(db, web.uuid_of(message_id))
    can_resend = detail.line.state in RESENDABLE and detail.resent_as is None
    return web.page(
        db, "exam/messages_message.html", detail=detail, states=DELIVERY_STATE_NAMES, occasions=OCCASION_NAMES, tones=TONES,
        can_resend=can_resend,
    )  # fmt: skip


@web.post("/messages/{message_id:str}/resend", may="messages.send")
def resend(request: AnyRequest, db: web.Db, message_id: FromPath[str]) -> web.Page:
    """Sends a message again."""
    sent = service.resend(db, web.uuid_of(message_id))
    return web.back_to(db, f"/messages/{sent}", toast="已登记重发")


# --- consent ---------------------------------------------------------------------------------------------------------


@web.get("/messages/consents/{person_id:str}", may="messages.consent")
def show_consent(request: AnyRequest, db: web.Db, person_id: FromPath[str]) -> web.Page:
    """Whether a person takes SMS, since when and who wrote it down, with the messages they were sent."""
    return _consent_page(db, web.uuid_of(person_id))


def _consent_page(db: Session, person_id: UUID) -> web.Page:
    person = people.person(db, person_id)
    return web.page(
        db, "exam/messages_consent.html", person=person, consents=service.consents_of(db, person_id),
        consent=service.consent_of(db, person_id), lines=listing.of_person(db, person_id), states=DELIVERY_STATE_NAMES, tones=TONES,
        occasions=OCCASION_NAMES, names={str(kind): name for kind, name in CONSENT_NAMES.items()}, may_read=actor_of(db).may("messages.read"),
    )  # fmt: skip


class ConsentForm(msgspec.Struct, forbid_unknown_fields=True):
    """What the person said."""

    kind: ConsentKind


@web.post("/messages/consents/{person_id:str}", may="messages.consent")
def record_consent(request: AnyRequest, db: web.Db, person_id: FromPath[str], data: FormData) -> web.Page:
    """Writes down that a person agrees to SMS, or takes it back."""
    form = read_form(data, ConsentForm, {"kind": "短信同意"})
    person = people.person(db, web.uuid_of(person_id))
    service.record_consent(db, person.id, form.kind)
    return web.back_to(db, f"/messages/consents/{person.id}", toast=f"已登记:{CONSENT_NAMES[form.kind]}接收短信")


# --- the inbox -------------------------------------------------------------------------------------------------------


class NoticeAnswer(msgspec.Struct):
    """A notice in one's own inbox; `read_at` is None while it is unread."""

    id: UUID
    at: datetime
    text: str
    link: str
    read_at: datetime | None


class InboxAnswer(msgspec.Struct):
    """One page of one's own notices."""

    unread: int
    total: int
    page: int
    pages: int
    notices: list[NoticeAnswer]


@web.get("/notices", may=auth.SIGNED_IN)
def show_notices(request: AnyRequest, db: web.Db, page: FromQuery[str] = "1") -> web.Page:
    """The inbox of whoever is signed in, and where they take SMS."""
    found = notices.inbox(db, _number(page, 1))
    return web.page(db, "exam/messages_notices.html", found=found, phone=service.own_phone_masked(db))


@web.get("/api/notices", may=auth.SIGNED_IN)
def list_notices(request: AnyRequest, db: web.Db, page: FromQuery[int] = 1) -> InboxAnswer:
    """One's own notices, newest first."""
    found = notices.inbox(db, page)
    lines = [NoticeAnswer(each.id, each.at, each.text, each.link, each.read_at) for each in found.lines]
    return InboxAnswer(found.unread, found.total, found.page, found.pages, lines)


@web.post("/notices/{notice_id:str}/open", may=auth.SIGNED_IN)
def open_notice(request: AnyRequest, db: web.Db, notice_id: FromPath[str]) -> web.Page:
    """Marks a notice as read and goes where it leads."""
    return web.back_to(db, notices.mark_read(db, web.uuid_of(notice_id)) or "/notices")


@web.post("/notices/read", may=auth.SIGNED_IN)
def read_all(request: AnyRequest, db: web.Db) -> web.Page:
    """Marks all of one's own notices as read."""
    count = notices.mark_all_read(db)
    return web.back_to(db, "/notices", toast=f"已将 {count} 条通知标为已读" if count else "没有未读通知")


class PhoneForm(msgspec.Struct, forbid_unknown_fields=True):
    """Where one takes SMS; empty for nowhere."""

    phone: str = ""


@web.post("/notices/phone", may=auth.SIGNED_IN)
def set_phone(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Where the actor takes SMS."""
    form = read_form(data, PhoneForm, {"phone": "手机号"})
    service.set_own_phone(db, form.phone)
    return web.back_to(db, "/notices", toast="已保存接收短信的手机号" if form.phone else "已取消接收短信")


routes = (
    show_messages, find_messages, export, export_found, show_message, resend, show_consent, record_consent, show_notices, list_notices,
    open_notice, read_all, set_phone,
)  # fmt: skip

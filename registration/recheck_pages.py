"""Screens of rechecks: what falls due with search and export, booking one with person and groups filled in, putting off, cancelling."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromPath, FromQuery
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.kit import idempotency, sheets, web
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.messages import service as messages
from exam.people import service as people
from exam.people.rules import age_on
from exam.visits import service as visits
from exam.visits.facts import CATEGORY_NAMES, VisitCard, VisitStrip
from registration import recheck_lists, recheck_rules, rechecks, recognition, service, telling
from registration.facts import NewBooking, Opened
from registration.forms import AnyRequest, FormData, OrderForm, ReasonForm, Text, read
from registration.recheck_facts import (
    RECHECK_CANCEL_REASONS,
    RECHECK_STATE_NAMES,
    RECHECK_TAB_NAMES,
    Recheck,
    RecheckState,
    RecheckTab,
)
from registration.recheck_lists import RecheckFilters

RECHECKS = "/registration/rechecks"
ACTIONS = {"cancel": "取消复查", "postpone": "改复查日期", "undo": "恢复复查", "history": "经过"}


class FindForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is looked for among rechecks; the page is a button's."""

    tab: RecheckTab = RecheckTab.DUE
    q: Text = ""
    group: Text = ""
    since: date | None = None
    until: date | None = None
    page: int = 1

    @property
    def filters(self) -> RecheckFilters:
        """The filters of the list."""
        if self.group and not self.group.isalnum():
            raise BadInput([("group", "复查项目:请从列表中选择")])
        return RecheckFilters(self.tab, self.q, self.group, self.since, self.until)


FIND_LABELS = {"tab": "名单", "q": "查找", "group": "复查项目", "since": "复查日期从", "until": "到", "page": "页码"}


# --- the lists -------------------------------------------------------------------------------------------------------


@web.get(RECHECKS, may="registration.book")
def show_rechecks(
    request: AnyRequest, db: web.Db, tab: FromQuery[RecheckTab] = RecheckTab.DUE, page: FromQuery[int] = 1
) -> web.Page:
    """What falls due, is overdue, is booked or has ended."""
    return _list_page(db, RecheckFilters(tab=tab), page)


@web.post(RECHECKS, may="registration.book", write=False)
def find_rechecks(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """As `show_rechecks`, with the words in the body: a name stands in no address and no log."""
    form = _find_form(data)
    return _list_page(db, form.filters, form.page)


def _find_form(data: dict[str, Any]) -> FindForm:
    return read({name: value for name, value in data.items() if name in FIND_LABELS}, FindForm)


def _list_page(db: Session, filters: RecheckFilters, page: int) -> web.Page:
    listed = recheck_lists.recheck_list(db, filters, page)
    groups = catalog.catalogue(db, service.today_of(db)).groups
    return web.page(
        db, "registration/rechecks.html", listed=listed, filters=filters, tabs=RECHECK_TAB_NAMES, states=RECHECK_STATE_NAMES,
        groups=[(code, group.name) for code, group in groups.items()], is_searched=filters != RecheckFilters(tab=filters.tab),
        fields={
            "tab": filters.tab.value, "q": filters.q, "group": filters.group,
            "since": filters.since.isoformat() if filters.since else "", "until": filters.until.isoformat() if filters.until else "",
        },
    )  # fmt: skip


@web.post(f"{RECHECKS}/export", may="registration.export", write=False)
def export_rechecks(request: AnyRequest, db: web.Db, data: FormData) -> Response[bytes]:
    """What was looked for, as a workbook; the export is audited."""
    filters = _find_form(data).filters
    name = f"复查名单-{RECHECK_TAB_NAMES[filters.tab]}-{service.today_of(db).isoformat()}.xlsx"
    return web.download(recheck_lists.recheck_sheet(db, filters), name, sheets.XLSX)


# --- booking one -----------------------------------------------------------------------------------------------------


@web.get(f"{RECHECKS}/{{recheck_id:str}}/book", may="registration.book")
def show_booking(request: AnyRequest, db: web.Db, recheck_id: FromPath[str]) -> web.Page:
    """The booking form with the person and the groups filled in."""
    found = rechecks.recheck(db, web.uuid_of(recheck_id))
    if found.state is not RecheckState.OPEN:
        shown = RECHECK_STATE_NAMES[found.state]
        raise Refused("registration.recheck_not_open", f"该复查计划当前为“{shown}”,不能预约", "请刷新复查名单后重试")
    return web.page(db, "registration/recheck_booking.html", **_booking_values(db, found))


def _booking_values(db: Session, found: Recheck) -> dict[str, Any]:
    today = service.today_of(db)
    origin = visits.card(db, found.visit_id)
    person = people.person(db, found.person_id)
    # The last day that was asked for, tomorrow where that is past.
    day = found.due_on if found.due_on > today else today + timedelta(days=1)
    held = catalog.catalogue(db, day).groups
    others = [each for each in rechecks.open_of_person(db, found.person_id) if each.id != found.id]
    chosen = tuple(code for code in found.groups if code in held)
    more = tuple(dict.fromkeys(code for each in others for code in each.groups if code in held and code not in chosen))
    priced = recognition.quote(db, day, "", chosen, person.sex, person.birth_on)
    choices = {each.code: each for each in recognition.choices_of(db, day, (*chosen, *more), person.sex, person.birth_on)}
    age = age_on(person.birth_on, day)
    return {
        "recheck": found, "origin": origin, "person": person, "age": age, "day": day, "today": today, "key": house_of(db).ids.new().hex,
        "gone": tuple(code for code in found.groups if code not in held), "others": others, "quote": priced, "q": "",
        "chosen": [choices[code] for code in chosen], "found": [choices[code] for code in more],
        "package": "", "is_refit": False, "categories": list(CATEGORY_NAMES.items()), "url": f"{RECHECKS}/{found.id}/book",
        "package_options": [
            (each.code, f"{each.name}{'(不适用)' if each.blocked else ''}")
            for each in recognition.packages(db, day, person.sex, age)
        ],
        "sms_consent": messages.consent_of(db, found.person_id), "may_record_sms": actor_of(db).may("messages.consent"),
        "taken": service.taken(db, day), "capacity": service.capacity_of(db, day),
    }  # fmt: skip


@web.post(f"{RECHECKS}/{{recheck_id:str}}/book", may="registration.book")
def book(request: AnyRequest, db: web.Db, recheck_id: FromPath[str], data: FormData) -> web.Page:
    """Books the visit and marks every recheck of the person that its order answers; once however often Enter is struck."""
    form = read(data, OrderForm)
    found = rechecks.recheck(db, web.uuid_of(recheck_id))
    if form.exam_on is None:
        raise BadInput([("exam_on", "体检日期:不能为空")])
    new = NewBooking(
        person_id=found.person_id, exam_on=form.exam_on, package=form.package, groups=tuple(dict.fromkeys(form.groups)),
        category=form.category, urgent=bool(form.urgent),
    )  # fmt: skip
    wanted = ("recheck", found.id, new, bool(form.takes_sms))
    opened = idempotency.once(db, form.key, wanted, Opened, lambda: _booked(db, found, new, bool(form.takes_sms)))
    toast = ";".join((f"已预约复查,体检号 {opened.visit_no}", *opened.warnings))
    return web.back_to(db, f"/registration/visits/{opened.visit_no}", toast=toast)


def _booked(db: Session, found: Recheck, new: NewBooking, takes_sms: bool) -> Opened:
    if takes_sms:
        telling.agree_to_sms(db, found.person_id)
    opened = service.book(db, new)
    rechecks.book(db, [found.id, *(each.id for each in rechecks.open_of_person(db, found.person_id))], opened.visit_id)
    return opened


# --- other acts ------------------------------------------------------------------------------------------------------


@web.get(f"{RECHECKS}/{{recheck_id:str}}/ask/{{action:str}}", may="registration.book")
def ask(request: AnyRequest, db: web.Db, recheck_id: FromPath[str], action: FromPath[str]) -> web.Page:
    """The question before a recheck is cancelled, put off or wanted again; or what happened to it."""
    found = rechecks.recheck(db, web.uuid_of(recheck_id))
    if action not in ACTIONS:
        raise NotFound
    groups = catalog.catalogue(db, service.today_of(db)).groups
    return web.page(
        db, "registration/_recheck_action.html", recheck=found, action=action, title=ACTIONS[action],
        group_names=[groups[code].name if code in groups else code for code in found.groups],
        card=visits.card(db, found.visit_id), reasons=RECHECK_CANCEL_REASONS, today=service.today_of(db),
        last=service.today_of(db) + timedelta(days=recheck_rules.MOST_DAYS), steps=rechecks.steps(db, found.id),
        url=f"{RECHECKS}/{found.id}/{action}",
    )  # fmt: skip


@web.post(f"{RECHECKS}/{{recheck_id:str}}/cancel", may="registration.book")
def cancel(request: AnyRequest, db: web.Db, recheck_id: FromPath[str], data: FormData) -> web.Page:
    """It is not wanted any more."""
    rechecks.cancel(db, web.uuid_of(recheck_id), read(data, ReasonForm).text)
    return web.back_to(db, f"{RECHECKS}?tab={RecheckTab.ENDED.value}", toast="已取消复查")


@web.post(f"{RECHECKS}/{{recheck_id:str}}/postpone", may="registration.book")
def postpone(request: AnyRequest, db: web.Db, recheck_id: FromPath[str], data: FormData) -> web.Page:
    """It shall be examined until another day."""
    form = read(data, ReasonForm)
    found = rechecks.postpone(db, web.uuid_of(recheck_id), form.due_on, form.text)
    return web.back_to(db, RECHECKS, toast=f"复查日期已改为 {found.due_on.isoformat()}")


@web.post(f"{RECHECKS}/{{recheck_id:str}}/undo", may="registration.book")
def undo(request: AnyRequest, db: web.Db, recheck_id: FromPath[str], data: FormData) -> web.Page:
    """A cancelled one is wanted again."""
    rechecks.undo(db, web.uuid_of(recheck_id), read(data, ReasonForm).text)
    return web.back_to(db, RECHECKS, toast="已恢复复查")


def visit_strip(db: Session, card: VisitCard) -> VisitStrip | None:
    """Fills VISIT_STRIPS: which visits' rechecks this one is booked for."""
    origins = recheck_lists.origins_of_visit(db, card.id)
    return VisitStrip("registration/_recheck_strip.html", origins) if origins else None


routes = (show_rechecks, find_rechecks, export_rechecks, show_booking, book, ask, cancel, postpone, undo)

"""Screens of results: choose a department, its work list, the entry screen, and a person's results over all departments."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery, QueryParameter

from exam.kit import audit, web
from exam.kit.clock import day_of
from exam.kit.errors import NotFound, Refused
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.pinyin import initials
from exam.visits import service as visits
from results import rules, screen, service
from results.facts import (
    SUMMARY,
    VERSION_KIND_NAMES,
    WORK_FILTER_NAMES,
    Entry,
    EntryConflict,
    UnseenValues,
    WorkFilter,
    told_change,
)

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

SHOWN_DRAFT = "shown_draft"
"""The field with the draft that stood on the screen when the form was sent."""

REMEMBERED = "results_department"
"""The cookie with the department that this browser showed last."""


class ReasonForm(msgspec.Struct, forbid_unknown_fields=True):
    """Why a signature is taken back."""

    reason: str = ""


class Base(msgspec.Struct, forbid_unknown_fields=True):
    """The version that the screen showed."""

    base_version: int


def _today(db: web.Db) -> date:
    return day_of(house_of(db).clock.now())


def _day(db: web.Db, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return _today(db)


def _values(data: dict[str, Any]) -> dict[str, str | list[str]]:
    """The typed values by item code: everything in the form but its own small-letter fields."""
    found: dict[str, str | list[str]] = {}
    for name, raw in data.items():
        if name in (SUMMARY, SHOWN_DRAFT, "base_version") or name.startswith("pick."):
            continue
        texts = rules.as_texts([str(each) for each in raw] if isinstance(raw, list) else str(raw))
        found[name] = list(texts) if len(texts) > 1 else texts[0] if texts else ""
    return found


def _entry(data: dict[str, Any]) -> Entry:
    """A form as an entry. Where a conflict was settled, an item picked as `theirs` is left out."""
    base = read_form({"base_version": data.get("base_version", "")}, Base, {"base_version": "页面版本"}).base_version
    theirs = {name.removeprefix("pick.") for name, pick in data.items() if name.startswith("pick.") and pick == "theirs"}
    values = {name: value for name, value in _values(data).items() if name not in theirs}
    summary, draft = (str(data.get(name, "")).replace("\r\n", "\n") for name in (SUMMARY, SHOWN_DRAFT))
    is_left = SUMMARY in theirs or SUMMARY not in data
    return Entry(base_version=base, values=values, summary=None if is_left else summary, shown_draft=draft)


# --- choosing and waiting --------------------------------------------------------------------------------------------


@web.get("/results", may="results.work_list")
def choose_department(request: AnyRequest, db: web.Db, choose: FromQuery[str] = "") -> web.Page:
    """The departments of the doctor with their counts; the one shown last, or the only one, opens by itself."""
    rooms = service.departments_of_actor(db)
    codes = [room.code for room in rooms]
    remembered = codes[0] if len(codes) == 1 else request.cookies.get(REMEMBERED, "")
    if remembered in codes and not choose:
        return web.back_to(db, f"/results/{remembered}")
    return web.page(db, "results/departments.html", rooms=[(room, initials(room.name)) for room in rooms])


@web.get("/results/{department:str}", may="results.work_list")
def show_work_list(
    request: AnyRequest, db: web.Db, department: FromPath[str], day: FromQuery[str] = "",
    wanted: Annotated[str, QueryParameter(name="state")] = "to_do",
    page: FromQuery[int] = 1,
) -> web.Page:  # fmt: skip
    """A department's work list in order of arrival."""
    service.require_department(db, "results.work_list", department)
    rooms = service.departments_of_actor(db)
    room = next((each for each in rooms if each.code == department), None)
    if room is None:
        raise NotFound("没有这个科室", "请从科室列表中选择")
    shown = WorkFilter(wanted) if wanted in list(WorkFilter) else WorkFilter.TO_DO
    on = _day(db, day)
    work = service.work_list(db, department, on, shown, page)
    filters = [(each.value, name, work.counts[each]) for each, name in WORK_FILTER_NAMES.items()]
    response = web.page(
        db, "results/work_list.html", room=room, rooms=rooms, work=work, shown=shown.value, filters=filters, day=on,
        is_today=on == _today(db),
    )  # fmt: skip
    response.set_cookie(key=REMEMBERED, value=department, max_age=90 * 86400, secure=True, httponly=True, samesite="lax")
    return response


@web.get("/results/{department:str}/find", may="results.work_list")
def find_person(request: AnyRequest, db: web.Db, department: FromPath[str], number: FromQuery[str] = "") -> web.Page:
    """A scanned visit number or tube barcode jumps to the entry screen."""
    service.require_department(db, "results.work_list", department)
    try:
        visit_id = visits.find_id(db, number)
        service.department_result(db, visit_id, department)
    except Refused as refused:
        # Beside the field, so that the list stays and the next scan may follow at once.
        refused.field = "number"
        raise
    return web.back_to(db, f"/results/{department}/{visits.card(db, visit_id).visit_no}")


@web.get("/results/visit/{visit_no:str}", may="results.read")
def show_visit(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> web.Page:
    """A person's results of one visit over all departments, with the way to the other visits (QRY-3)."""
    visit_id = visits.find_id(db, visit_no)
    card = visits.card(db, visit_id)
    sheets = screen.reading_sheets(db, visit_id)
    others = [each for each in visits.of_person(db, card.person_id) if each.id != visit_id]
    audit.read(db, "results.read_visit", f"visit:{card.visit_no}")
    return web.page(db, "results/visit.html", card=card, sheets=sheets, others=others, strips=visits.strips(db, card))


# --- the entry screen ------------------------------------------------------------------------------------------------


@web.get("/results/{department:str}/{visit_no:str}", may="results.work_list")
def show_entry(request: AnyRequest, db: web.Db, department: FromPath[str], visit_no: FromPath[str]) -> web.Page:
    """The entry screen."""
    service.require_department(db, "results.work_list", department)
    view = screen.entry_screen(db, visits.find_id(db, visit_no), department)
    audit.read(db, "results.read_record", f"visit:{view.card.visit_no}", department)
    strips = visits.strips(db, view.card)
    return web.page(db, "results/entry.html", view=view, kinds=VERSION_KIND_NAMES, unseen=None, strips=strips)


def _record(db: web.Db, department: str, visit_no: str, toast: str, unseen: UnseenValues | None = None) -> web.Page:
    db.flush()
    view = screen.entry_screen(db, visits.find_id(db, visit_no), department)
    headers = {"HX-Trigger": json.dumps({"toast": {"text": toast, "tone": "amber" if unseen else "green"}})}
    return web.page(db, "results/_record.html", view=view, kinds=VERSION_KIND_NAMES, unseen=unseen, headers=headers)


@web.post("/results/{department:str}/{visit_no:str}/check", may="results.enter", write=False)
def check(request: AnyRequest, db: web.Db, department: FromPath[str], visit_no: FromPath[str], data: FormData) -> web.Page:
    """Flags, formulas and the drafted summary of what is being typed; nothing is stored."""
    service.require_department(db, "results.enter", department)
    found = screen.live(db, visits.find_id(db, visit_no), department, _values(data))
    return web.page(db, "results/_live.html", live=found)


@web.post("/results/{department:str}/{visit_no:str}/save", may="results.enter")
def save(request: AnyRequest, db: web.Db, department: FromPath[str], visit_no: FromPath[str], data: FormData) -> web.Page:
    """Stores what was typed; shows both values where somebody else changed the same item."""
    entry = _entry(data)
    try:
        entered = service.take_in(db, visits.find_id(db, visit_no), department, entry)
    except EntryConflict as conflict:
        return _conflict(db, department, visit_no, entry, conflict)
    came_in = "、".join(told_change(each) for each in entered.merged)
    return _record(db, department, visit_no, f"已保存;并入 {entered.by} 修改的 {came_in}" if came_in else "已保存")


@web.post("/results/{department:str}/{visit_no:str}/verify", may="results.verify")
def verify(request: AnyRequest, db: web.Db, department: FromPath[str], visit_no: FromPath[str], data: FormData) -> web.Page:
    """Stores and signs, and calls the next person. Where somebody else's values came in, it stores and shows them unsigned."""
    entry, visit_id = _entry(data), visits.find_id(db, visit_no)
    try:
        service.finish(db, visit_id, department, entry)
    except EntryConflict as conflict:
        return _conflict(db, department, visit_no, entry, conflict)
    except UnseenValues as unseen:
        service.enter(db, visit_id, department, entry)
        return _record(db, department, visit_no, "已保存,尚未审核", unseen)
    following = service.next_visit_no(db, department, _today(db), visit_no)
    toast = "已审核" if following else "已审核,本科室暂无候检人员"
    return web.back_to(db, f"/results/{department}/{following}" if following else f"/results/{department}", toast=toast)


def _conflict(db: web.Db, department: str, visit_no: str, entry: Entry, conflict: EntryConflict) -> web.Page:
    """Nothing was stored yet: the doctor chooses item by item."""
    headers = {"HX-Retarget": "#conflict", "HX-Reswap": "innerHTML"}
    return web.page(
        db, "results/_conflict.html", status=409, headers=headers, conflict=conflict, department=department, visit_no=visit_no,
        entry=entry,
    )  # fmt: skip


@web.post("/results/{department:str}/{visit_no:str}/reopen", may="results.reopen")
def reopen(request: AnyRequest, db: web.Db, department: FromPath[str], visit_no: FromPath[str], data: FormData) -> web.Page:
    """Takes the signature back, with a reason."""
    form = read_form(data, ReasonForm, {"reason": "原因"})
    service.reopen(db, visits.find_id(db, visit_no), department, form.reason)
    return _record(db, department, visit_no, "已撤销审核,可以修改")


@web.get("/results/{department:str}/{visit_no:str}/news", may="results.work_list")
def show_news(
    request: AnyRequest, db: web.Db, department: FromPath[str], visit_no: FromPath[str], seen: FromQuery[int] = 0
) -> web.Page:
    """Whether somebody else changed the record since it was shown."""
    service.require_department(db, "results.work_list", department)
    by = screen.news(db, visits.find_id(db, visit_no), department, seen)
    return web.page(db, "results/_news.html", by=by, own=by == actor_of(db).name, department=department, visit_no=visit_no)


routes = (
    choose_department,
    show_work_list,
    find_person,
    show_visit,
    show_entry,
    check,
    save,
    verify,
    reopen,
    show_news,
)

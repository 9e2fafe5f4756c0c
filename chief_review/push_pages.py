"""Screens of pushes: the dialog on the reviewer's desk, and the specialist's lists with what came of each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from litestar.params import FromPath, FromQuery
from sqlalchemy.orm import Session

from chief_review import push_lists, pushes
from chief_review.pages import AnyRequest, FormData
from chief_review.push_facts import (
    NOT_COMING_REASONS,
    PUSH_STATE_NAMES,
    PUSH_TAB_NAMES,
    SMS_QUEUED,
    TOLD_CHANNELS,
    URGENCY_NAMES,
    ChosenFinding,
    PushTab,
)
from chief_review.push_lists import PushFilters
from exam.kit import audit, web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput, NotFound
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.money import fen_from_yuan
from exam.visits import service as visits

SPECIALISTS = "/specialists"
COUNTED_DAYS = 30
ACTIONS = {"visit": "已就诊", "not-coming": "未来就诊", "tell": "告知受检者", "undo": "撤销", "history": "查看"}


class PushForm(msgspec.Struct, forbid_unknown_fields=True):
    """The findings of the dialog in their order with the department of each, and which of them are ticked."""

    chosen: list[str] = []
    key: list[str] = []
    specialist: list[str] = []
    urgency: str = "routine"
    note: str = ""
    is_told: str = ""


PUSH_LABELS = {
    "chosen": "发现", "specialist": "就诊科室", "urgency": "紧急程度", "note": "备注", "is_told": "短信提醒", "reason": "原因", "diagnosis": "诊断",
    "fee": "费用", "channel": "告知方式", "tab": "名单", "q": "查找", "page": "页码",
}  # fmt: skip


# --- the reviewer's desk ---------------------------------------------------------------------------------------------


@web.get("/chief/{visit_no:str}/push", may="chief_review.write")
def ask_push(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> web.Page:
    """What may be pushed: the open alerts and the conclusions, each with the department that it names."""
    visit_id = visits.find_id(db, visit_no)
    return web.page(
        db, "chief_review/_push_form.html", options=pushes.options(db, visit_id), url=f"/chief/{visit_no}/push",
        specialists=pushes.specialists(db), urgencies=list(URGENCY_NAMES.items()),
    )  # fmt: skip


@web.post("/chief/{visit_no:str}/push", may="chief_review.write")
def push(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Pushes what is ticked."""
    form = read_form(data, PushForm, PUSH_LABELS)
    # A department that was left empty comes as nothing in a form of one line: the lists are read from the body itself.
    departments = data.get("specialist", [])
    departments = departments if isinstance(departments, list) else [departments]
    if len(form.key) != len(departments):
        raise BadInput([("specialist", "提交的内容不完整,请刷新页面后重试")])
    named = dict(zip(form.key, (str(each) for each in departments), strict=True))
    chosen = [ChosenFinding(key, named.get(key, "")) for key in form.chosen]
    visit_id = visits.find_id(db, visit_no)
    sent = pushes.push(db, visit_id, chosen, urgency=form.urgency, note=form.note, is_told=bool(form.is_told))
    told = [each for each in pushes.of_visit(db, visit_id) if each.id in sent]
    held = next((f";短信未发:{each.standing.sms}" for each in told if each.standing.sms not in ("", SMS_QUEUED)), "")
    return web.back_to(db, f"/chief/{visit_no}", toast=f"已推送 {'、'.join(each.specialist for each in told)}{held}")


class ReasonForm(msgspec.Struct, forbid_unknown_fields=True):
    """Why; a typed reason goes before a chosen one."""

    reason: str = ""
    other: str = ""

    @property
    def text(self) -> str:
        """The reason that counts."""
        return self.other.strip() or self.reason


@web.post("/chief/{visit_no:str}/push/{push_id:str}/withdraw", may="chief_review.write")
def withdraw(request: AnyRequest, db: web.Db, visit_no: FromPath[str], push_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a push back."""
    visit_id = visits.find_id(db, visit_no)
    known = next((each for each in pushes.of_visit(db, visit_id) if each.id == web.uuid_of(push_id)), None)
    if known is None:
        raise NotFound
    pushes.withdraw(db, known.id, read_form(data, ReasonForm, PUSH_LABELS).text)
    return web.back_to(db, f"/chief/{visit_no}", toast="已撤回推送")


# --- the specialist's lists ------------------------------------------------------------------------------------------


class FindForm(msgspec.Struct, forbid_unknown_fields=True):
    """What is looked for; the page is a button's."""

    tab: PushTab = PushTab.NEW
    specialist: str = ""
    q: str = ""
    page: int = 1


@web.get(SPECIALISTS, may=pushes.PERMISSION)
def show_pushes(request: AnyRequest, db: web.Db, tab: FromQuery[PushTab] = PushTab.NEW, page: FromQuery[int] = 1) -> web.Page:
    """The pushes of the actor's departments."""
    return _list_page(db, PushFilters(tab=tab), page)


@web.post(SPECIALISTS, may=pushes.PERMISSION, write=False)
def find_pushes(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """As `show_pushes`, with the words in the body."""
    data.pop("csrf", None)
    form = read_form(data, FindForm, PUSH_LABELS)
    return _list_page(db, PushFilters(form.tab, form.specialist, form.q), form.page)


def _list_page(db: Session, filters: PushFilters, page: int) -> web.Page:
    listed = push_lists.push_list(db, filters, page)
    today = day_of(house_of(db).clock.now())
    audit.read(db, "chief_review.read_pushes", f"pushes:{filters.tab.value}")
    limited = actor_of(db).scopes.get(pushes.PERMISSION)
    return web.page(
        db, "chief_review/specialists.html", listed=listed, filters=filters, tabs=PUSH_TAB_NAMES, states=PUSH_STATE_NAMES,
        urgencies=URGENCY_NAMES, counted=push_lists.counts_by_specialist(db, today - timedelta(days=COUNTED_DAYS - 1), today),
        counted_days=COUNTED_DAYS, is_searched=bool(filters.q or filters.specialist),
        specialists=sorted(limited) if limited is not None else pushes.specialists(db),
        fields={"tab": filters.tab.value, "q": filters.q, "specialist": filters.specialist},
    )  # fmt: skip


@web.get(f"{SPECIALISTS}/{{push_id:str}}/ask/{{action:str}}", may=pushes.PERMISSION)
def ask(request: AnyRequest, db: web.Db, push_id: FromPath[str], action: FromPath[str]) -> web.Page:
    """One push with its findings and history, and the form of what is to be recorded."""
    found = pushes.find(db, web.uuid_of(push_id))
    if action not in ACTIONS:
        raise NotFound
    card = visits.card(db, found.visit_id)
    audit.read(db, "chief_review.read_push", f"visit:{card.visit_no}", found.specialist)
    return web.page(
        db, "chief_review/_push_action.html", push=found, card=card, action=action, title=ACTIONS[action], states=PUSH_STATE_NAMES,
        steps=pushes.steps(db, found.id), channels=list(TOLD_CHANNELS.items()), reasons=NOT_COMING_REASONS, urgencies=URGENCY_NAMES,
        url=f"{SPECIALISTS}/{found.id}/{action}",
    )  # fmt: skip


@web.post(f"{SPECIALISTS}/{{push_id:str}}/see", may=pushes.PERMISSION)
def see(request: AnyRequest, db: web.Db, push_id: FromPath[str]) -> web.Page:
    """The specialist has read it."""
    pushes.see(db, web.uuid_of(push_id))
    return web.back_to(db, SPECIALISTS, toast="已阅")


class TellForm(msgspec.Struct, forbid_unknown_fields=True):
    """How the person was told."""

    channel: str


@web.post(f"{SPECIALISTS}/{{push_id:str}}/tell", may=pushes.PERMISSION)
def tell(request: AnyRequest, db: web.Db, push_id: FromPath[str], data: FormData) -> web.Page:
    """The person was told, or gets one more SMS."""
    pushes.tell(db, web.uuid_of(push_id), read_form(data, TellForm, PUSH_LABELS).channel)
    return web.back_to(db, f"{SPECIALISTS}?tab={PushTab.WAITING.value}", toast="已登记告知")


class VisitForm(msgspec.Struct, forbid_unknown_fields=True):
    """What the specialist found, and what it cost in yuan."""

    diagnosis: str = ""
    fee: str = ""


@web.post(f"{SPECIALISTS}/{{push_id:str}}/visit", may=pushes.PERMISSION)
def record_visit(request: AnyRequest, db: web.Db, push_id: FromPath[str], data: FormData) -> web.Page:
    """The person came."""
    form = read_form(data, VisitForm, PUSH_LABELS)
    pushes.record_visit(db, web.uuid_of(push_id), form.diagnosis, fen_from_yuan(form.fee) if form.fee else None)
    return web.back_to(db, f"{SPECIALISTS}?tab={PushTab.DONE.value}", toast="已登记就诊")


@web.post(f"{SPECIALISTS}/{{push_id:str}}/not-coming", may=pushes.PERMISSION)
def record_not_coming(request: AnyRequest, db: web.Db, push_id: FromPath[str], data: FormData) -> web.Page:
    """The person does not come."""
    pushes.record_not_coming(db, web.uuid_of(push_id), read_form(data, ReasonForm, PUSH_LABELS).text)
    return web.back_to(db, f"{SPECIALISTS}?tab={PushTab.DONE.value}", toast="已登记未来就诊")


@web.post(f"{SPECIALISTS}/{{push_id:str}}/undo", may=pushes.PERMISSION)
def undo(request: AnyRequest, db: web.Db, push_id: FromPath[str], data: FormData) -> web.Page:
    """The last state is taken back."""
    pushes.undo(db, web.uuid_of(push_id), read_form(data, ReasonForm, PUSH_LABELS).text)
    return web.back_to(db, SPECIALISTS, toast="已撤销")


routes: tuple[Any, ...] = (
    ask_push, push, withdraw, show_pushes, find_pushes, ask, see, tell, record_visit, record_not_coming, undo,
)  # fmt: skip

"""Screens of one alert: its page with the loop, each step's form, and handing over at the change of shifts."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath, FromQuery

from critical_values import attachments, board, facts, forms, rules, screens, service, telling
from critical_values.facts import BoardFilters, CriticalAlert, StepTaken
from critical_values.pages import AnyRequest, FileData, FormData, names, shown_by_itself, told
from exam.kit import audit, uploads, web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput, NotFound
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.knowledge import service as rule_store
from exam.visits import service as visits

CHOICES: dict[str, Any] = {
    "ways": list(facts.CONFIRM_WAYS.items()), "channels": list(facts.NOTICE_CHANNELS.items()),
    "recipients": list(facts.NOTICE_RECIPIENTS.items()), "notice_outcomes": list(facts.NOTICE_OUTCOMES.items()),
    "call_back_outcomes": list(facts.CALL_BACK_OUTCOMES.items()),
}  # fmt: skip
MOST_AT_ONCE = 200
_HANDLED = (facts.AlertState.HANDLED, facts.AlertState.CALLED_BACK, facts.AlertState.CLOSED)
SMS = facts.Notice("sms", "person", "", "sent")
HEADS = {"critical_values.head": "科主任", "critical_values.direct": "中心主任"}


# --- one alert -------------------------------------------------------------------------------------------------------


@web.get("/alerts/{alert_id:str}", may="critical_values.read")
def show_alert(request: AnyRequest, db: web.Db, alert_id: FromPath[str]) -> web.Page:
    """An alert's page."""
    return _page(db, web.uuid_of(alert_id), "critical_values/alert.html")


def _page(db: web.Db, alert_id: UUID, template: str, toast: str = "") -> web.Page:
    found = service.screen(db, alert_id)
    alert, card = found.line.alert, found.line.card
    told(db, "critical_values.read_alert", f"visit:{card.visit_no}", screens.CLASS_NAMES[alert.alert_class], alert.id)
    shown = screens.shown(db, alert)
    actor, now = actor_of(db), house_of(db).clock.now()
    next_step = screens.NEXT_MAY.get(alert.next_step)
    headers = {"HX-Trigger": json.dumps({"toast": {"text": toast}})} if toast else None
    return web.page(
        db, template, headers=headers, alert=alert, card=card, shown=shown, now=now, url=f"/alerts/{alert.id}",
        steps=screens.timeline(found.steps, shown.is_hidden), ladder=_ladder(db, alert, found.steps), **names(db), **CHOICES,
        may_next=next_step is not None and screens.may_take(actor, alert, next_step), may=_acts(db, alert),
        colleagues=screens.colleagues(db) if alert.is_open else (), strips=visits.strips(db, card),
        rounds=sum(isinstance(each.step, facts.CalledBack) for each in service.since_opened(found.steps)) + 1,
        files={} if shown.is_hidden else attachments.of_alert(db, alert.id), most_file=attachments.MOST_BYTES // 1024 // 1024,
        missing_years=screens.missing_years(db, alert), rule_url=_rule_url(db, alert), last_notice=_last_notice(found.steps),
        final_state=alert.state in facts.ENDED,
    )  # fmt: skip


def _acts(db: web.Db, alert: CriticalAlert) -> set[str]:
    """What else may be done now beside the next step."""
    actor, table = actor_of(db), rules.ALERT
    found = set()
    if table.may(alert.state, "dismiss") and screens.may_take(actor, alert, facts.Dismissed):
        found.add("dismiss")
    if alert.next_step == "receive" and screens.may_take(actor, alert, facts.Notice):
        found.add("notify")
    if alert.next_step in ("notify", "receive") and screens.may_take(actor, alert, facts.Notice):
        found.add("send")
    if table.may(alert.state, "reopen") and screens.may_take(actor, alert, facts.Reopened):
        found.add("reopen")
    if screens.may_take(actor, alert, facts.Handled) and alert.state in _HANDLED:
        found.add("attach")
    if alert.is_open and actor.may("critical_values.notify"):
        found.add("hand_over")
    if actor.may("people.reveal"):
        found.add("reveal")
    if actor.may("results.read"):
        found.add("results")
    return found


def _ladder(db: web.Db, alert: CriticalAlert, steps: tuple[StepTaken, ...]) -> list[tuple[str, int, bool]]:
    """Who is told when a clock runs out: `(who, minutes, whether they were told already)`."""
    policies = rule_store.rules_in_force(db, day_of(alert.found_at)).book.policies
    policy = rules.policy_of(alert.alert_class, policies)
    return [
        (HEADS.get(each.to, each.to), each.after_minutes, number <= alert.level) for number, each in enumerate(policy.escalation, 1)
    ] if alert.is_open else []  # fmt: skip


def _last_notice(steps: tuple[StepTaken, ...]) -> facts.Notice | None:
    return next((each.step for each in reversed(steps) if isinstance(each.step, facts.Notice)), None)


def _rule_url(db: web.Db, alert: CriticalAlert) -> str:
    """The rule's page, where the knowledge room has one and the actor may open it."""
    entry = next((each for each in house_of(db).modules.menu if each.url == "/knowledge"), None)
    return f"/knowledge/entries/{alert.rule}" if entry is not None and actor_of(db).may(entry.may) else ""


@web.get("/alerts/{alert_id:str}/news", may="critical_values.read")
def show_alert_news(request: AnyRequest, db: web.Db, alert_id: FromPath[str], seen: FromQuery[int] = 0) -> web.Page:
    """Whether the alert went on since its page was shown."""
    shown_by_itself(request, db)
    found = service.screen(db, web.uuid_of(alert_id))
    shown, card = screens.shown(db, found.line.alert), found.line.card
    told(db, "critical_values.read_alert", f"visit:{card.visit_no}", screens.CLASS_NAMES[found.line.alert.alert_class], found.line.alert.id)
    newer = screens.timeline([each for each in found.steps if each.number > max(seen, 0)], shown.is_hidden)
    return web.page(
        db, "critical_values/_news.html", newer=newer, url=f"/alerts/{found.line.alert.id}", seen=seen,
        pulse=service.pulse(db, actor_of(db).site),
    )  # fmt: skip


# --- the loop --------------------------------------------------------------------------------------------------------

WITH_FILES = ("handle", "call-back")
DONE = {
    "confirm": "已确认属实", "dismiss": "已排除误报", "notify": "已登记通知", "receive": "已登记接收", "handle": "已登记处理",
    "call-back": "已登记回访", "close": "已结案", "reopen": "已重新打开",
}  # fmt: skip


def _take(db: web.Db, alert_id: str, kind: str, data: dict[str, Any]) -> web.Page:
    of_alert = web.uuid_of(alert_id)
    alert = service.alert_of(db, of_alert)
    given = data.pop(attachments.FIELD, None) if kind in WITH_FILES else None
    seen, step = forms.read(kind, data)
    screens.require_may_take(db, alert, step)
    files = attachments.handed_in(db, given)
    after = service.take(db, of_alert, seen, step)
    if files:
        attachments.keep(db, of_alert, after.ver, files)
    db.flush()
    if db.info["request"].headers.get("hx-request"):
        return _page(db, of_alert, "critical_values/_alert.html", DONE[kind])
    return web.back_to(db, f"/alerts/{of_alert}", toast=DONE[kind])


@web.post("/alerts/{alert_id:str}/confirm", may="critical_values.confirm")
def confirm(request: AnyRequest, db: web.Db, alert_id: FromPath[str], data: FormData) -> web.Page:
    """复核: the finding is real."""
    return _take(db, alert_id, "confirm", data)


@web.post("/alerts/{alert_id:str}/dismiss", may="critical_values.confirm")
def dismiss(request: AnyRequest, db: web.Db, alert_id: FromPath[str], data: FormData) -> web.Page:
    """排除误报."""
    return _take(db, alert_id, "dismiss", data)


@web.post("/alerts/{alert_id:str}/notify", may="critical_values.notify")
def notify(request: AnyRequest, db: web.Db, alert_id: FromPath[str], data: FormData) -> web.Page:
    """通知: one attempt, whatever came of it."""
    return _take(db, alert_id, "notify", data)


class SendForm(msgspec.Struct, forbid_unknown_fields=True):
    """给受检者发短信: the words are the template's."""

    seen: int


@web.post("/alerts/{alert_id:str}/send-message", may="critical_values.notify")
def send_message(request: AnyRequest, db: web.Db, alert_id: FromPath[str], data: FormData) -> web.Page:
    """通知 by an SMS of the system; refused with the reason where it would not go out."""
    of_alert = web.uuid_of(alert_id)
    form = read_form(data, SendForm, forms.LABELS)
    screens.require_may_take(db, service.alert_of(db, of_alert), SMS)
    telling.send(db, of_alert, form.seen)
    db.flush()
    if db.info["request"].headers.get("hx-request"):
        return _page(db, of_alert, "critical_values/_alert.html", "短信已提交发送")
    return web.back_to(db, f"/alerts/{of_alert}", toast="短信已提交发送")


@web.post("/alerts/{alert_id:str}/receive", may="critical_values.notify")
def receive(request: AnyRequest, db: web.Db, alert_id: FromPath[str], data: FormData) -> web.Page:
    """接收确认."""
    return _take(db, alert_id, "receive", data)


async def _either_form(request: AnyRequest) -> None:
    """A step with files comes as multipart, one without them may come as an ordinary form."""
    await request.form()


@web.post("/alerts/{alert_id:str}/handle", may="critical_values.handle", before_request=_either_form)
def handle(request: AnyRequest, db: web.Db, alert_id: FromPath[str], data: FileData) -> web.Page:
    """处理."""
    return _take(db, alert_id, "handle", data)


@web.post("/alerts/{alert_id:str}/call-back", may="critical_values.handle", before_request=_either_form)
def call_back(request: AnyRequest, db: web.Db, alert_id: FromPath[str], data: FileData) -> web.Page:
    """回访."""
    return _take(db, alert_id, "call-back", data)


@web.post("/alerts/{alert_id:str}/close", may="critical_values.handle")
def close(request: AnyRequest, db: web.Db, alert_id: FromPath[str], data: FormData) -> web.Page:
    """结案."""
    return _take(db, alert_id, "close", data)


@web.post("/alerts/{alert_id:str}/reopen", may="critical_values.confirm")
def reopen(request: AnyRequest, db: web.Db, alert_id: FromPath[str], data: FormData) -> web.Page:
    """重新打开."""
    return _take(db, alert_id, "reopen", data)


# --- files -----------------------------------------------------------------------------------------------------------


class AttachForm(msgspec.Struct, forbid_unknown_fields=True):
    """To which step the files belong."""

    step: int


@web.post("/alerts/{alert_id:str}/attachments", may="critical_values.handle")
def attach(request: AnyRequest, db: web.Db, alert_id: FromPath[str], data: FileData) -> web.Page:
    """补充附件: what came after the step was logged, also when the alert is closed."""
    of_alert = web.uuid_of(alert_id)
    alert = service.alert_of(db, of_alert)
    given = data.pop(attachments.FIELD, None)
    form = read_form(data, AttachForm, {"step": "所属步骤"})
    screens.require_may_take(db, alert, facts.Handled(""))
    attachments.add(db, alert, form.step, attachments.handed_in(db, given))
    if db.info["request"].headers.get("hx-request"):
        return _page(db, of_alert, "critical_values/_alert.html", "附件已保存")
    return web.back_to(db, f"/alerts/{of_alert}", toast="附件已保存")


@web.get("/alerts/{alert_id:str}/attachments/{attachment_id:str}", may="critical_values.read")
def show_attachment(request: AnyRequest, db: web.Db, alert_id: FromPath[str], attachment_id: FromPath[str]) -> Response[bytes]:
    """One file; of a private finding only for who may read it."""
    alert = service.alert_of(db, web.uuid_of(alert_id))
    if screens.shown(db, alert).is_hidden:
        raise NotFound("没有这个附件", "请从危急值页面打开")
    found, content = attachments.content(db, alert, web.uuid_of(attachment_id))
    audit.read(db, "critical_values.read_attachment", f"alert:{alert.id}", f"{found.id}")
    return web.download(content, found.name, uploads.MEDIA_TYPES[found.kind], inline=True)


# --- the change of shifts --------------------------------------------------------------------------------------------


class HandOverForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which alerts go to whom; `next` is the page that comes after."""

    alert: list[str] = []
    staff: str = ""
    note: str = ""
    next: str = ""


HAND_OVER_LABELS = {"alert": "任务", "staff": "接班人", "note": "交班说明"}


@web.get("/alerts/hand-over", may="critical_values.notify")
def show_hand_over(request: AnyRequest, db: web.Db) -> web.Page:
    """Every open alert, to be given to a colleague with a note; one's own are ticked."""
    found = board.alert_list(db, BoardFilters(), 1, MOST_AT_ONCE)
    lines = [(line, screens.shown(db, line.alert)) for line in found.lines]
    return web.page(
        db, "critical_values/hand_over.html", lines=lines, colleagues=screens.colleagues(db), total=found.total, most=MOST_AT_ONCE,
        now=house_of(db).clock.now(), **names(db),
    )  # fmt: skip


@web.post("/alerts/hand-over", may="critical_values.notify")
def hand_over(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Gives the chosen alerts to a colleague."""
    form = read_form(data, HandOverForm, HAND_OVER_LABELS)
    problems = []
    if not form.alert:
        problems.append(("alert", "请至少选择一项任务"))
    chosen = next((each for each in screens.colleagues(db) if str(each.id) == form.staff), None)
    if chosen is None:
        problems.append(("staff", "请选择接班人"))
    if problems or chosen is None:
        raise BadInput(problems)
    moved = service.hand_over(db, [web.uuid_of(each) for each in form.alert[:MOST_AT_ONCE]], chosen.id, chosen.name, form.note)
    url = form.next if form.next == "/alerts" or form.next == f"/alerts/{form.alert[0]}" else "/alerts/hand-over"
    return web.back_to(db, url, toast=f"已将 {moved} 项交给 {chosen.name}" if moved else "所选任务已由该同事负责,未变动")


routes = (
    show_hand_over, hand_over, show_alert, show_alert_news, confirm, dismiss, notify, send_message, receive, handle, call_back, close, reopen,
    attach, show_attachment,
)  # fmt: skip

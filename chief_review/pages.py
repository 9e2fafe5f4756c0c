"""Screens of chief review: the queue, the reviewer's desk, signatures and their undoing."""

from __future__ import annotations

import zlib
from datetime import date
from typing import Annotated, Any, get_args

import msgspec
from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery

from chief_review import pushes, recheck_plan, service
from chief_review.facts import (
    CATEGORIES,
    FINAL,
    FIRST,
    GRADE_NAMES,
    LEVEL_NAMES,
    ORIGIN_NAMES,
    QUEUE_TAB_NAMES,
    REVIEW_PANEL,
    REVIEW_STATE_NAMES,
    SEVERITY_NAMES,
    ConclusionLine,
    EditedLine,
    QueueFilters,
    QueueRow,
    QueueTab,
    ReviewScreen,
)
from chief_review.push_facts import PUSH_STATE_NAMES
from exam.kit import audit, sheets, web
from exam.kit.clock import local
from exam.kit.errors import BadInput
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.knowledge import proposals
from exam.knowledge import rules as knowledge
from exam.knowledge.facts import Category, Reading, Suggestion
from exam.staff import service as staff
from exam.visits import service as visits
from exam.visits.facts import VISIT_STATE_NAMES
from results.facts import RECORD_STATE_NAMES

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

EXPORT_HEADER = (
    "体检号", "姓名", "性别", "年龄", "单位", "套餐", "体检日期", "分科完成", "状态", "主检", "初审", "终审", "终审时间",
)  # fmt: skip
LINE_FIELDS = ("key", "text", "category", "severity", "advice", "lifestyle", "specialist")


# --- the queue -------------------------------------------------------------------------------------------------------


@web.get("/chief", may="chief_review.queue")
def show_queue(
    request: AnyRequest, db: web.Db, tab: FromQuery[QueueTab] = QueueTab.WAITING, page: FromQuery[int] = 1
) -> web.Page:
    """The queue in order of completion."""
    return _queue(db, QueueFilters(tab=tab), page)


class QueueForm(msgspec.Struct, forbid_unknown_fields=True):
    """What is looked for, as the search form says it; the page is a button's."""

    tab: QueueTab = QueueTab.WAITING
    name: str = ""
    organization: str = ""
    since: str = ""
    until: str = ""
    page: int = 1


@web.post("/chief", may="chief_review.queue", write=False)
def search_queue(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """As `show_queue`, with the words in the body: a person's name stands in no address and no log."""
    form = read_form(data, QueueForm)
    return _queue(db, _filters(form), form.page)


def _queue(db: web.Db, filters: QueueFilters, page: int) -> web.Page:
    found = service.queue(db, filters, page)
    now = house_of(db).clock.now()
    return web.page(
        db, "chief_review/queue.html", queue=found, filters=filters, tabs=QUEUE_TAB_NAMES, severity_names=SEVERITY_NAMES,
        waits={row.card.id: service.waited(row.card.sections_done_at, now) for row in found.rows}, is_searched=_is_searched(filters),
    )  # fmt: skip


@web.get("/chief/export", may="chief_review.queue")
def export_queue(request: AnyRequest, db: web.Db, tab: FromQuery[QueueTab] = QueueTab.WAITING) -> Response[bytes]:
    """A whole tab of the queue as a workbook; the export is audited."""
    return _export(db, QueueForm(tab=tab))


@web.post("/chief/export", may="chief_review.queue", write=False)
def export_found(request: AnyRequest, db: web.Db, data: FormData) -> Response[bytes]:
    """What was looked for, as a workbook; the export is audited."""
    return _export(db, read_form(data, QueueForm))


def _export(db: web.Db, form: QueueForm) -> Response[bytes]:
    found = service.queue(db, _filters(form), size=service.MOST_EXPORTED)
    audit.read(db, "chief_review.export", f"queue:{form.tab.value}", f"{len(found.rows)} 行")
    title = QUEUE_TAB_NAMES[form.tab]
    content = sheets.workbook([(title, EXPORT_HEADER, [_export_row(row) for row in found.rows])])
    return web.download(content, f"主检队列-{title}.xlsx", sheets.XLSX)


class CodeForm(msgspec.Struct, forbid_unknown_fields=True):
    """What was scanned or typed."""

    code: str = ""


@web.get("/chief/find", may="chief_review.queue")
def find(request: AnyRequest, db: web.Db, code: FromQuery[str] = "") -> web.Page:
    """Opens the visit of a number, from a link."""
    return _opened(db, code)


@web.post("/chief/find", may="chief_review.queue", write=False)
def find_typed(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """As `find`, of what was scanned or typed: a scanner may read an identity card as well."""
    return _opened(db, read_form(data, CodeForm).code)


def _opened(db: web.Db, code: str) -> web.Page:
    return web.back_to(db, f"/chief/{visits.card(db, visits.find_id(db, code)).visit_no}")


def _is_searched(filters: QueueFilters) -> bool:
    return bool(filters.name or filters.organization or filters.since or filters.until)


def _filters(form: QueueForm) -> QueueFilters:
    return QueueFilters(
        tab=form.tab, name=form.name, since=_day(form.since, "since"), until=_day(form.until, "until"),
        organization=form.organization,
    )  # fmt: skip


def _day(text: str, field: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadInput([(field, "请填写日期,例如 2026-11-21")]) from None


def _export_row(row: QueueRow) -> tuple[Any, ...]:
    card = row.card
    return (
        card.visit_no, card.person_name, "男" if card.sex == "M" else "女", card.age, card.organization, card.package_name,
        card.exam_on.isoformat(), f"{local(card.sections_done_at):%Y-%m-%d %H:%M}" if card.sections_done_at else "",
        VISIT_STATE_NAMES[card.state], row.author, row.first_signer, row.final_signer,
        f"{local(row.final_at):%Y-%m-%d %H:%M}" if row.final_at else "",
    )  # fmt: skip


# --- the desk --------------------------------------------------------------------------------------------------------


@web.get("/chief/{visit_no:str}", may="chief_review.queue")
def show_review(request: AnyRequest, db: web.Db, visit_no: FromPath[str], open: FromQuery[str] = "") -> web.Page:
    """The reviewer's desk: results, conclusions, signatures. `open=sign` opens the signing dialog."""
    visit_id = visits.find_id(db, visit_no)
    found = service.screen(db, visit_id)
    audit.read(db, "chief_review.read_review", f"visit:{found.card.visit_no}")
    return web.page(db, "chief_review/review.html", opens_signing=open == "sign", strips=visits.strips(db, found.card), **_values(db, found))


def _values(db: web.Db, found: ReviewScreen) -> dict[str, Any]:
    actor = actor_of(db)
    panels = [panel for fill in house_of(db).modules.fillings(REVIEW_PANEL) if (panel := fill(db, found.card, found.review))]
    return {
        "screen": found, "card": found.card, "review": found.review, "panels": panels, "window": staff.signing_window(db),
        "limits": staff.signing_limits(house_of(db)), "url": f"/chief/{found.card.visit_no}",
        "shows_privacy": actor.may("results.read_privacy"), "categories": [(each, each) for each in CATEGORIES],
        "severities": [(int(each), name) for each, name in SEVERITY_NAMES.items()], "origins": ORIGIN_NAMES,
        "state_names": REVIEW_STATE_NAMES, "record_states": RECORD_STATE_NAMES, "levels": LEVEL_NAMES,
        "bare_value": _bare_value, "printed_unit": knowledge.printed_unit, "finding_text": knowledge.finding_text,
        "history_days": _history_days(found), "slug_of": _slug_of, "range_mark": service.range_mark,
        "plan": recheck_plan.plan_screen(db, found), "pushes": pushes.of_visit(db, found.card.id), "push_states": PUSH_STATE_NAMES,
        "unapproved": _unapproved(db, found), "grades": _grades(found, actor.may("results.read_privacy")), "grade_names": GRADE_NAMES,
        "change_text": knowledge.change_text, "trend_points": knowledge.trend_points,
    }  # fmt: skip


def _unapproved(db: web.Db, found: ReviewScreen) -> frozenset[tuple[str, int]]:
    """The rules behind the lines on the screen that no doctor has approved."""
    lines: tuple[ConclusionLine | Suggestion, ...] = (*found.review.lines, *found.suggestions)
    return proposals.unapproved(db, [(why.rule, why.version) for line in lines for why in line.because], found.card.exam_on)


def _grades(found: ReviewScreen, shows_privacy: bool) -> list[knowledge.Graded]:
    """The grade of each domain; one that follows from a private item only to whom such items are shown."""
    private = {item for result in found.results for item in result.privacy_items}
    return [each for each in found.review.grades if shows_privacy or private.isdisjoint(each.items)]


def _bare_value(reading: Reading) -> str:
    """A value without its unit, which stands beside it in a dense table."""
    return knowledge.value_text(reading if reading.number is None else msgspec.structs.replace(reading, unit=""))


def _slug_of(key: str) -> str:
    """A line's key as part of an element's id."""
    return f"{zlib.crc32(key.encode()):08x}"


def _history_days(found: ReviewScreen) -> list[str]:
    """The days of the last four earlier visits, newest first."""
    days = {value.exam_on for values in found.earlier.values() for value in values}
    return sorted(days, reverse=True)[:4]


@web.post("/chief/{visit_no:str}/start", may="chief_review.write")
def start(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Opens the review for writing."""
    service.start(db, visits.find_id(db, visit_no))
    return web.back_to(db, f"/chief/{visit_no}", toast="已开始主检")


class SaveForm(msgspec.Struct, forbid_unknown_fields=True):
    """The editor's own fields beside the lines: which version it shows, the explicit statement, the button, what was ticked, and for
    every line whose findings have changed its key and why it is kept."""

    base_version: int
    act: str = "save"
    is_nothing_abnormal: str = ""
    chosen: list[str] = []
    reason_key: list[str] = []
    reason: list[str] = []


SAVE_LABELS = {
    "base_version": "页面版本", "act": "操作", "is_nothing_abnormal": "未见明显异常", "chosen": "所选结论", "reason_key": "保留的结论",
    "reason": "保留原因",
}  # fmt: skip


@web.post("/chief/{visit_no:str}/save", may="chief_review.write")
def save(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Stores the lines, does what the button says, and shows the desk anew."""
    lines = _lines_of(data)
    form = read_form({name: value for name, value in data.items() if name not in LINE_FIELDS}, SaveForm, SAVE_LABELS)
    visit_id = visits.find_id(db, visit_no)
    nothing = bool(form.is_nothing_abnormal)
    reasons = dict(zip(form.reason_key, form.reason, strict=False))
    reason = reasons.get(form.act.removeprefix("keep:"), "")
    service.save(db, visit_id, form.base_version, lines, nothing, act=form.act, chosen=form.chosen, reason=reason)
    values = _values(db, service.screen(db, visit_id))
    return web.page(db, "chief_review/_review.html", headers={"HX-Trigger": '{"reviewSaved": true}'}, **values)


def _lines_of(data: dict[str, Any]) -> list[EditedLine]:
    """The repeated fields of the lines, in the order in which they stand on the page."""
    columns = {name: _listed(data.get(name)) for name in LINE_FIELDS}
    if len({len(values) for values in columns.values()}) != 1:
        raise BadInput([("text", "提交的结论不完整,请刷新页面后重试")])
    lines = []
    for number in range(len(columns["key"])):
        texts = {name: str(values[number]) for name, values in columns.items()}
        if texts["category"] not in get_args(Category) or texts["severity"] not in {"0", "1", "2", "3", "4", "5"}:
            raise BadInput([("category", f"第 {number + 1} 条结论的类别或程度无效")])
        lines.append(msgspec.convert({**texts, "severity": int(texts["severity"])}, EditedLine))
    return lines


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


# --- signatures ------------------------------------------------------------------------------------------------------


class SignForm(msgspec.Struct, forbid_unknown_fields=True):
    """The digest of what the page showed."""

    digest: str


@web.post("/chief/{visit_no:str}/sign-first", may="chief_review.sign_first")
def sign_first(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """The first signature; back to the queue."""
    form = read_form(data, SignForm)
    service.sign_first(db, visits.find_id(db, visit_no), form.digest)
    return web.back_to(db, "/chief", toast="初审已签名,结果已锁定,等待终审")


@web.post("/chief/{visit_no:str}/sign-final", may="chief_review.sign_final")
def sign_final(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """The final signature; back to those who wait for one."""
    form = read_form(data, SignForm)
    service.sign_final(db, visits.find_id(db, visit_no), form.digest)
    return web.back_to(db, f"/chief?tab={QueueTab.FIRST_SIGNED.value}", toast="终审已签名,可以发布报告")


class ReasonForm(msgspec.Struct, forbid_unknown_fields=True):
    """Why a signature is taken back."""

    reason: str = ""
    level: str = FIRST


@web.post("/chief/{visit_no:str}/undo", may="chief_review.undo")
def undo(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Takes one signature back, the final one before the first one."""
    form = read_form(data, ReasonForm, {"reason": "原因"})
    visit_id = visits.find_id(db, visit_no)
    (service.undo_final if form.level == FINAL else service.undo_first)(db, visit_id, form.reason)
    return web.back_to(db, f"/chief/{visit_no}", toast=f"已撤销{LEVEL_NAMES[FINAL if form.level == FINAL else FIRST]}")


class ReturnForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which department gets its record back, and why."""

    department: str = ""
    reason: str = ""


@web.post("/chief/{visit_no:str}/return", may="chief_review.return")
def return_to_department(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Sends a department's record back."""
    form = read_form(data, ReturnForm, {"reason": "原因", "department": "科室"})
    if not form.department:
        raise BadInput([("department", "请选择要退回的科室")])
    service.return_to_department(db, visits.find_id(db, visit_no), form.department, form.reason)
    return web.back_to(db, "/chief", toast="已退回科室,结论已保留")


routes = (
    show_queue, search_queue, export_queue, export_found, find, find_typed, show_review, start, save, sign_first, sign_final, undo,
    return_to_department,
)  # fmt: skip

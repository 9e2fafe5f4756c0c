"""Screens of reports: the three lists, a visit's versions, the preview, the files, and a batch's progress."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from sqlalchemy.orm import Session

from chief_review.facts import PanelLink, Review, ReviewPanel
from exam.kit import audit, web
from exam.kit.clock import day_of, local
from exam.kit.errors import NotFound
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.sheets import XLSX, workbook
from exam.knowledge import proposals
from exam.people.facts import SEX_NAMES
from exam.staff import accounts
from exam.visits import service as visits
from exam.visits.facts import CATEGORY_NAMES, VISIT_STATE_NAMES, VisitCard, VisitState
from reporting import batches, contents, queries, sealing, service
from reporting.facts import REPORT_STATE_NAMES, ReportKind
from reporting.queries import TAB_NAMES, Tab

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]


def _tab(text: str) -> Tab:
    return Tab(text) if text in list(Tab) else Tab.WAITING


def _number_of(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


# --- lists -----------------------------------------------------------------------------------------------------------


class BoardForm(msgspec.Struct, forbid_unknown_fields=True):
    """What is looked for, as the search form says it; the page is a button's."""

    tab: str = "waiting"
    q: str = ""
    days: str = "30"
    page: str = "1"


@web.get("/reports", may="reporting.read")
def board(
    request: AnyRequest, db: web.Db, tab: FromQuery[str] = "waiting", days: FromQuery[str] = "30", page: FromQuery[str] = "1"
) -> web.Page:
    """Reports waiting to be issued, issued, recalled."""
    return _board(db, BoardForm(tab=tab, days=days, page=page))


@web.post("/reports", may="reporting.read", write=False)
def search_board(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """As `board`, with the words in the body: a person's name stands in no address and no log."""
    return _board(db, read_form(data, BoardForm))


def _board(db: Session, form: BoardForm) -> web.Page:
    chosen, back = _tab(form.tab), _number_of(form.days)
    found = queries.find(db, chosen, form.q, back, _number_of(form.page))
    return web.page(
        db, "reporting/board.html", found=found, tab=chosen, tabs=TAB_NAMES, q=form.q, days=back,
        choices=queries.DAYS, issuing=batches.issuing(db),
    )  # fmt: skip


@web.get("/reports/export", may="reporting.read")
def export(
    request: AnyRequest, db: web.Db, tab: FromQuery[str] = "waiting", days: FromQuery[str] = "30"
) -> Response[bytes]:
    """The whole list as a workbook."""
    return _export(db, BoardForm(tab=tab, days=days))


@web.post("/reports/export", may="reporting.read", write=False)
def export_found(request: AnyRequest, db: web.Db, data: FormData) -> Response[bytes]:
    """What was looked for as a workbook."""
    return _export(db, read_form(data, BoardForm))


def _export(db: Session, form: BoardForm) -> Response[bytes]:
    chosen = _tab(form.tab)
    found = queries.find(db, chosen, form.q, _number_of(form.days), 1, queries.MOST_EXPORTED)
    audit.read(db, "reporting.export", f"list:{chosen}")
    header = ("体检号", "姓名", "性别", "年龄", "类别", "单位", "套餐", "体检日期", "状态", "版本", "发布时间", "撤回原因")
    rows = [
        (row.visit_no, row.person_name, SEX_NAMES[row.sex], row.age, CATEGORY_NAMES.get(row.category, row.category),
         row.organization, row.package_name, row.exam_on.isoformat(), VISIT_STATE_NAMES[VisitState(row.state)],
         row.number or "", f"{local(row.signed_at):%Y-%m-%d %H:%M}" if row.signed_at else "", row.recall_reason)
        for row in found.rows
    ]  # fmt: skip
    name = f"体检报告_{TAB_NAMES[chosen]}_{day_of(house_of(db).clock.now()):%Y%m%d}.xlsx"
    return web.download(workbook([(TAB_NAMES[chosen], header, rows)]), name, XLSX)


@web.post("/reports/issue", may="reporting.issue")
def issue_many(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Asks for the chosen reports to be issued in the background, and shows the progress."""
    chosen = data.get("visit_no", [])
    numbers = chosen if isinstance(chosen, list) else [chosen]
    batch_id = batches.issue_many(db, [service.visit_of(db, str(number)) for number in numbers])
    return web.back_to(db, f"/reports/batches/{batch_id}")


@web.get("/reports/batches/{batch_id:str}", may="reporting.issue")
def show_batch(request: AnyRequest, db: web.Db, batch_id: FromPath[str]) -> web.Page:
    """A batch's progress; asks again by itself until it is finished."""
    is_fragment = bool(request.headers.get("hx-request"))
    template = "reporting/_batch.html" if is_fragment else "reporting/batch.html"
    return web.page(db, template, batch=batches.batch(db, web.uuid_of(batch_id)))


@web.post("/reports/setting", may="reporting.issue")
def change_setting(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Issuing by itself after the final signature: on or off."""
    is_on = data.get("is_issued_automatically") == "on"
    batches.set_issued_automatically(db, is_on)
    return web.back_to(db, "/reports", toast="已开启终审后自动发布" if is_on else "已关闭自动发布")


# --- one visit -------------------------------------------------------------------------------------------------------


@web.get("/reports/{visit_no:str}", may="reporting.read")
def show(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> web.Page:
    """A visit's versions and what can be done with them."""
    visit_id = service.visit_of(db, visit_no)
    audit.read(db, "reporting.read_report", f"visit:{visit_no}")
    versions, card = service.versions(db, visit_id), visits.card(db, visit_id)
    is_waiting = card.state == VisitState.FINAL
    names = accounts.names(db, [each.issued_by for each in versions])
    return web.page(
        db, "reporting/report.html", card=card, versions=versions, states=REPORT_STATE_NAMES, names=names, is_waiting=is_waiting,
        standing=next((each for each in versions if each.is_standing), None),
        fault=batches.fault_of(db, visit_id) if is_waiting else "",
    )  # fmt: skip


@web.get("/reports/{visit_no:str}/preview", may="reporting.read")
def preview(
    request: AnyRequest, db: web.Db, visit_no: FromPath[str], version: FromQuery[str] = "", kind: FromQuery[str] = "main"
) -> web.Page:
    """The report on screen: the wanted version, else the one that counts, else as it would be issued now."""
    visit_id, wanted = service.visit_of(db, visit_no), _kind(db, kind)
    audit.read(db, "reporting.preview", f"visit:{visit_no}", reason=wanted.value)
    number, has_supplement, versions = _number_of(version), False, service.versions(db, visit_id)
    if not version:
        # While results are corrected the version that stands is no answer: what comes after it is being made.
        number = next((each.number for each in versions if each.is_standing and each.is_current), 0)
    warnings: tuple[str, ...] = ()
    rules: dict[str, list[tuple[str, int, bool]]] = {}
    stored = next((each for each in versions if each.number == number), None)
    if number:
        document = service.stored_document(db, visit_id, number, wanted)
        has_supplement = stored is not None and stored.has_supplement
    else:
        found = service.document_for(db, visit_id)
        chosen = found.supplement if wanted == ReportKind.SUPPLEMENT else found.document
        if chosen is None:
            raise NotFound("没有隐私补充报告", "本次体检没有隐私项目")
        document, warnings, has_supplement = chosen, found.warnings, found.supplement is not None
        rules = _rules_behind(db, found)
    return web.page(
        db, "reporting/preview.html", document=document, number=number, warnings=warnings, visit_no=visit_no, stored=stored,
        states=REPORT_STATE_NAMES, is_supplement=wanted == ReportKind.SUPPLEMENT, has_supplement=has_supplement,
        is_waiting=service.is_waiting(db, visit_id), pictures=sealing.picture_addresses(db, document),
        rules=rules,
    )  # fmt: skip


def _rules_behind(db: Session, preview: service.Preview) -> dict[str, list[tuple[str, int, bool]]]:
    """The rules that made each conclusion of a preview, by its text as it is written there: code, version, whether approved.
    For who may read the rules."""
    if not actor_of(db).may("knowledge.read"):
        return {}
    made = {line.text: [(each.rule, each.version) for each in line.because if each.rule != "plain"] for line in preview.lines}
    wanting = proposals.unapproved(db, [each for rules in made.values() for each in rules], preview.on)
    told = {text: [(code, version, (code, version) not in wanting) for code, version in rules] for text, rules in made.items() if rules}
    return told | {contents.punctuated(text): rules for text, rules in told.items()}


def _kind(db: Session, text: str) -> ReportKind:
    if text != ReportKind.SUPPLEMENT:
        return ReportKind.MAIN
    require_private(db)
    return ReportKind.SUPPLEMENT


def require_private(db: Session) -> None:
    """The sealed supplement is for those who may read it; to others it does not exist."""
    if not actor_of(db).may("reporting.read_private"):
        raise NotFound("没有这一版报告", "请从报告列表中选择")


def _file(db: Session, visit_no: str, number: str, kind: ReportKind, is_download: bool) -> Response[bytes]:
    found = service.pdf(db, service.visit_of(db, visit_no), _number_of(number), kind)
    audit.read(db, "reporting.read_file", f"visit:{visit_no}", reason=f"{kind}:{number}")
    return web.download(found.content, found.name, "application/pdf", inline=not is_download)


@web.get("/reports/{visit_no:str}/pdf/{number:str}", may="reporting.read")
def show_pdf(
    request: AnyRequest, db: web.Db, visit_no: FromPath[str], number: FromPath[str], download: FromQuery[str] = ""
) -> Response[bytes]:
    """The sealed file of a version."""
    return _file(db, visit_no, number, ReportKind.MAIN, bool(download))


@web.get("/reports/{visit_no:str}/supplement/{number:str}", may="reporting.read_private")
def show_supplement(
    request: AnyRequest, db: web.Db, visit_no: FromPath[str], number: FromPath[str], download: FromQuery[str] = ""
) -> Response[bytes]:
    """The sealed supplement of a version."""
    return _file(db, visit_no, number, ReportKind.SUPPLEMENT, bool(download))


@web.get("/reports/{visit_no:str}/verify/{number:str}", may="reporting.read")
def show_verdict(
    request: AnyRequest, db: web.Db, visit_no: FromPath[str], number: FromPath[str], kind: FromQuery[str] = "main"
) -> web.Page:
    """The check of a version's seal and file, in words."""
    wanted = _kind(db, kind)
    verdict = service.check(db, service.visit_of(db, visit_no), _number_of(number), wanted)
    return web.page(db, "reporting/_verdict.html", verdict=verdict, number=_number_of(number), kind=wanted)


@web.post("/reports/{visit_no:str}/issue", may="reporting.issue", write=False)
def issue(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> web.Page:
    """Issues one report now."""
    issued = service.issue_off_turn(db, service.visit_of(db, visit_no))
    toast = f"已发布第 {issued.number} 版{batches.missing_text(issued.missing_characters)}"
    return web.back_to(db, f"/reports/{visit_no}", toast=toast)


@web.post("/reports/{visit_no:str}/recall", may="reporting.recall")
def recall(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Recalls the issued version."""
    is_told = data.get("is_examinee_told") == "on"
    number = service.recall(db, service.visit_of(db, visit_no), str(data.get("reason", "")), is_examinee_told=is_told)
    return web.back_to(db, f"/reports/{visit_no}", toast=f"已撤回第 {number} 版")


@web.post("/reports/{visit_no:str}/deliver", may="reporting.deliver")
def deliver(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Records who took the report."""
    service.deliver(db, service.visit_of(db, visit_no), str(data.get("received_by", "")))
    return web.back_to(db, f"/reports/{visit_no}", toast="已登记领取")


@web.post("/reports/{visit_no:str}/undo-delivery", may="reporting.deliver")
def undo_delivery(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Takes a wrong entry of a hand-over back."""
    service.undo_delivery(db, service.visit_of(db, visit_no), str(data.get("reason", "")))
    return web.back_to(db, f"/reports/{visit_no}", toast="已撤销领取登记")


def review_panel(db: Session, card: VisitCard, review: Review) -> ReviewPanel | None:
    """Fills the chief's REVIEW_PANEL: the way to the preview, and to the versions when there are any (CHF-7)."""
    if not actor_of(db).may("reporting.read"):
        return None
    url = f"/reports/{card.visit_no}"
    links = [PanelLink("预览报告", f"{url}/preview", "report-medical")]
    latest = next(iter(service.versions(db, card.id)), None)
    text = "尚未发布"
    if latest is not None:
        text = f"第 {latest.number} 版{REPORT_STATE_NAMES[latest.state]}{'' if latest.is_current else ',结果已更正'}"
        links.append(PanelLink("报告版本", url, "history", is_new_tab=False))
    return ReviewPanel("体检报告", text, tuple(links))


routes = (
    board, search_board, export, export_found, issue_many, show_batch, change_setting, show, preview, show_pdf, show_supplement,
    show_verdict, issue, recall, deliver, undo_delivery,
)  # fmt: skip

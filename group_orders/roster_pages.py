"""Screens of a roster's import: upload, columns, what is wrong and who is who, acceptance with its progress, undo."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from sqlalchemy.orm import Session

from exam.kit import masks, upload_scanners, web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput, Refused
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.sheets import XLSX
from exam.kit.workbook_guard import address
from exam.kit.workbook_reader import Cell
from exam.people.facts import ID_KIND_NAMES, SEX_NAMES
from group_orders import roster_accepting, roster_fields, roster_rules, roster_sheet, roster_staging, roster_template
from group_orders.roster_facts import ROSTER_STATE_NAMES, Batch, RosterState
from group_orders.roster_rules import CheckedRow, Problem

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
FileData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]

MAY = "group_orders.import"
PAGE_SIZE = 50
TABS = {"problems": "错误", "conflicts": "身份冲突", "warnings": "提示", "rows": "名单预览"}
STANDINGS = {"new": "新建档案", "known": "已有档案", "conflict": "身份冲突", "member": "已在本批次名单中", "": ""}

_LONG_NUMBER = re.compile(r"[0-9.eE+ ]{10,}[0-9Xx]?")


class CheckForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which sheet, where its header is, and the version that was seen."""

    sheet: int
    header_row: int
    ver: int = 0


class DecideForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with one row in conflict; without a row, with all that are open."""

    ver: int
    decision: str = ""
    row: int | None = None


class AcceptForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Accepting a batch; `skips_bad`: faulty rows are left out."""

    ver: int
    skips_bad: bool = False


class UndoForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a batch is taken back."""

    reason: Annotated[str, msgspec.Meta(max_length=200)]


LABELS = {
    "header_row": "表头所在行",
    "sheet": "工作表",
    "reason": "撤销原因",
    "ver": "版本",
    "row": "行",
    "skips_bad": "跳过错误行",
}


@contextmanager
def _later(db: Session) -> Iterator[Session]:
    """A short unit that writes, after this request's reading and thinking is done: no other desk waits for a long file."""
    with house_of(db).unit(actor_of(db)) as later:
        later.info.update({name: db.info[name] for name in ("act", "terminal", "correlation") if name in db.info})
        yield later


# --- upload ----------------------------------------------------------------------------------------------------------


@web.get("/group-orders/{order_id:str}/roster", may=MAY)
def show_upload(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> web.Page:
    """The form that takes a roster, and what was uploaded so far."""
    order = roster_staging.order_info(db, web.uuid_of(order_id))
    return web.page(
        db, "group_orders/roster.html", order=order, batches=roster_staging.batches(db, order), states=ROSTER_STATE_NAMES,
        cohorts=roster_staging.cohort_rules(db, order.id), most_rows=roster_sheet.MOST_ROWS,
        most_bytes=roster_sheet.BOUNDS.file_bytes // 1024 // 1024, url=f"/group-orders/{order.id}",
    )  # fmt: skip


@web.get("/group-orders/{order_id:str}/roster/template", may=MAY)
def download_template(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> Response[bytes]:
    """The centre's template with this order's cohorts to choose from."""
    order = roster_staging.order_info(db, web.uuid_of(order_id))
    content = roster_template.template([each.name for each in roster_staging.cohort_rules(db, order.id)])
    return web.download(content, f"体检名单模板 {order.name}.xlsx", XLSX)


@web.post("/group-orders/{order_id:str}/roster", may=MAY, write=False)
def upload(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FileData) -> web.Page:
    """Reads a file and keeps its cells; nobody is registered."""
    file = data.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise BadInput([("file", "名单文件:请选择 xlsx、xls 或 csv 文件")])
    order = roster_staging.order_info(db, web.uuid_of(order_id))
    content = file.file.read(roster_sheet.BOUNDS.file_bytes + 1)
    upload_scanners.scan(db, content)
    name = re.split(r"[\\/]", file.filename)[-1]
    sheets = roster_sheet.read(content, name, roster_fields.KNOWN_HEADERS)
    with _later(db) as later:
        batch_id = roster_staging.store(later, order.id, name, content, sheets)
    return web.back_to(db, f"/group-orders/rosters/{batch_id}/columns", toast="文件已读取,请核对各列")


# --- columns ---------------------------------------------------------------------------------------------------------


@web.get("/group-orders/rosters/{batch_id:str}/columns", may=MAY)
def show_columns(
    request: AnyRequest, db: web.Db, batch_id: FromPath[str], sheet: FromQuery[int | None] = None, header_row: FromQuery[int | None] = None
) -> web.Page:  # fmt: skip
    """Which column means what, guessed by the company's last roster and the headers, with the first rows as they would be read."""
    batch = _waiting(roster_staging.batch(db, web.uuid_of(batch_id)))
    at = batch.sheet if sheet is None else sheet
    is_same = at == batch.sheet and header_row in (None, batch.header_row)
    row = header_row or (
        batch.header_row if at == batch.sheet else batch.sheets[at].header_row if 0 <= at < len(batch.sheets) else 1
    )
    header, rows = roster_staging.sample(db, batch, at, row)
    known = roster_staging.remembered(db, batch.organization_id)
    mapping = batch.mapping if batch.mapping and is_same else roster_fields.guess(header, known)
    return _columns_page(db, batch, at, row, header, rows, mapping, bool(known), "group_orders/roster_columns.html")


@web.post("/group-orders/rosters/{batch_id:str}/columns/preview", may=MAY, write=False)
def preview_columns(request: AnyRequest, db: web.Db, batch_id: FromPath[str], data: FormData) -> web.Page:
    """The first rows as the chosen columns would be read."""
    batch = _waiting(roster_staging.batch(db, web.uuid_of(batch_id)))
    mapping, form = _read_mapping(data)
    header, rows = roster_staging.sample(db, batch, form.sheet, form.header_row)
    return _columns_page(db, batch, form.sheet, form.header_row, header, rows, mapping, False, "group_orders/_roster_preview.html")


def _waiting(batch: Batch) -> Batch:
    if batch.state not in (RosterState.READ, RosterState.CHECKED):
        raise Refused(
            "group_orders.roster_not_waiting", f"该次导入{ROSTER_STATE_NAMES[batch.state]},不能再对应列", "请返回导入记录查看"
        )
    return batch


def _read_mapping(data: dict[str, Any]) -> tuple[dict[str, int], CheckForm]:
    """The chosen field of every column; one field for two columns is refused."""
    mapping: dict[str, int] = {}
    problems = []
    for name in [each for each in data if re.fullmatch(r"column_[0-9]{1,2}", each)]:
        field, place = str(data.pop(name)), int(name.removeprefix("column_"))
        if field in mapping:
            problems.append((name, f"“{roster_fields.LABELS[field]}”被指定了两列"))
        elif field in roster_fields.BY_NAME:
            mapping[field] = place
    if problems:
        raise BadInput(problems)
    return mapping, read_form(data, CheckForm, LABELS)


def _columns_page(
    db: Session, batch: Batch, sheet: int, header_row: int, header: list[str], rows: list[tuple[int, list[Cell]]],
    mapping: dict[str, int], is_remembered: bool, template: str,
) -> web.Page:  # fmt: skip
    roster = roster_rules.Roster(
        roster_staging.cohort_rules(db, batch.order_id), batch.opens_on, day_of(house_of(db).clock.now())
    )  # fmt: skip
    mapping = {name: place for name, place in mapping.items() if place < len(header)}
    # A family may name an employee further down than these rows.
    found = {
        each.cell: each
        for row in roster_rules.check(rows, mapping, roster)
        for each in row.problems
        if each.field != "of_employee_no"
    }
    field_at = {place: name for name, place in mapping.items()}
    return web.page(
        db, template, batch=batch, sheet=sheet, header_row=header_row, header=header, field_at=field_at,
        fields=[(each.name, each.label) for each in roster_fields.FIELDS], missing=roster_rules.required_columns(mapping),
        rows=[
            (number, [(_shown(cell, field_at.get(place, "")), found.get(address(number, place + 1))) for place, cell in enumerate(row)])
            for number, row in rows
        ],
        is_remembered=is_remembered, states=ROSTER_STATE_NAMES, url=f"/group-orders/rosters/{batch.id}",
    )  # fmt: skip


def _shown(cell: Cell, field: str) -> str:
    """A cell for the screen: numbers of documents and phones are masked, wherever they stand."""
    text = roster_sheet.text_of(cell)[:60]
    if field == "id_no":
        return masks.mask_id(text)
    if field == "phone":
        return masks.mask_phone(text)
    return masks.mask_id(text) if _LONG_NUMBER.fullmatch(text) else text


@web.post("/group-orders/rosters/{batch_id:str}/check", may=MAY, write=False)
def check(request: AnyRequest, db: web.Db, batch_id: FromPath[str], data: FormData) -> web.Page:
    """Judges every row; what comes of it is stored in a short unit of its own."""
    mapping, form = _read_mapping(data)
    judged = roster_staging.judge(db, web.uuid_of(batch_id), form.sheet, form.header_row, mapping)
    with _later(db) as later:
        roster_staging.keep(later, web.uuid_of(batch_id), judged, form.ver)
    return web.back_to(db, f"/group-orders/rosters/{batch_id}")


# --- what came of it -------------------------------------------------------------------------------------------------


@web.get("/group-orders/rosters/{batch_id:str}", may=MAY)
def show_batch(
    request: AnyRequest, db: web.Db, batch_id: FromPath[str], tab: FromQuery[str] = "", field: FromQuery[str] = "", page: FromQuery[int] = 1
) -> web.Page:  # fmt: skip
    """A batch as far as it is: its columns, its faults and persons, its progress, its end."""
    batch = roster_staging.batch(db, web.uuid_of(batch_id))
    if batch.state == RosterState.READ:
        return web.back_to(db, f"/group-orders/rosters/{batch.id}/columns")
    if batch.state != RosterState.CHECKED:
        is_fragment = bool(request.headers.get("hx-request"))
        template = "group_orders/_roster_progress.html" if is_fragment else "group_orders/roster_progress.html"
        return web.page(db, template, batch=batch, states=ROSTER_STATE_NAMES)
    rows = roster_staging.checked_rows(db, batch.id)
    lists: dict[str, list[Any]] = {
        "problems": _listed(rows, "problems"), "warnings": _listed(rows, "warnings"),
        "conflicts": [row for row in rows if row.standing == "conflict"],
        "rows": [row for row in rows if row.draft is not None],
    }  # fmt: skip
    chosen = tab if tab in TABS else next((name for name in ("problems", "conflicts") if lists[name]), "rows")
    columns = _columns_of(lists[chosen]) if chosen in ("problems", "warnings") else []
    shown = [each for each in lists[chosen] if not field or not columns or each[1].field == field]
    pages = max(1, -(-len(shown) // PAGE_SIZE))
    at = min(max(page, 1), pages)
    cohorts = {each.cohort_id: each.name for each in roster_staging.cohort_rules(db, batch.order_id)}
    return web.page(
        db, "group_orders/roster_checked.html", batch=batch, tab=chosen, tabs=TABS, counts={name: len(found) for name, found in lists.items()},
        columns=columns, field=field if columns else "", page=at, pages=pages, total=len(shown),
        shown=[_line(each, cohorts) if chosen in ("rows", "conflicts") else each for each in shown[(at - 1) * PAGE_SIZE : at * PAGE_SIZE]],
        standings=STANDINGS, decisions=roster_staging.DECISIONS, states=ROSTER_STATE_NAMES, url=f"/group-orders/rosters/{batch.id}",
    )  # fmt: skip


def _listed(rows: Iterable[CheckedRow], name: str) -> list[tuple[CheckedRow, Problem]]:
    return [(row, each) for row in rows for each in getattr(row, name)]


def _columns_of(found: Iterable[tuple[CheckedRow, Problem]]) -> list[tuple[str, str, int]]:
    counts: dict[str, int] = {}
    for _, each in found:
        counts[each.field] = counts.get(each.field, 0) + 1
    return [(name, label, counts[name]) for name, label in (*roster_fields.LABELS.items(), ("", "其他")) if name and name in counts]


def _line(row: CheckedRow, cohorts: dict[UUID, str]) -> dict[str, Any]:
    """A row for the screen, its numbers masked."""
    draft = row.draft
    if draft is None:
        return {"row": row.row, "name": row.name}
    return {
        "row": row.row, "name": draft.name, "sex": SEX_NAMES.get(draft.sex, ""), "birth_on": draft.birth_on,
        "id_kind": ID_KIND_NAMES[draft.id_kind], "id_no": masks.mask_id(draft.id_no), "phone": masks.mask_phone(draft.phone),
        "department": draft.department, "employee_no": draft.employee_no, "cohort": cohorts.get(draft.cohort_id, ""),
        "relation": draft.relation, "of_employee_no": draft.of_employee_no, "standing": row.standing, "file": row.file,
        "decision": row.decision,
    }  # fmt: skip


@web.get("/group-orders/rosters/{batch_id:str}/faults", may=MAY)
def download_faults(request: AnyRequest, db: web.Db, batch_id: FromPath[str]) -> Response[bytes]:
    """Every fault and warning with its cell, as a workbook for the company."""
    batch = roster_staging.batch(db, web.uuid_of(batch_id))
    content = roster_template.faults(roster_staging.checked_rows(db, batch.id))
    return web.download(content, f"错误清单 {batch.file_name}.xlsx", XLSX)


@web.post("/group-orders/rosters/{batch_id:str}/decide", may=MAY)
def decide(request: AnyRequest, db: web.Db, batch_id: FromPath[str], data: FormData) -> web.Page:
    """What to do with a number that stands under another name."""
    form = read_form(data, DecideForm, LABELS)
    roster_staging.decide(db, web.uuid_of(batch_id), form.row, form.decision, form.ver)
    return web.back_to(db, f"/group-orders/rosters/{batch_id}?tab=conflicts")


# --- accepting, giving up, taking back -------------------------------------------------------------------------------


@web.post("/group-orders/rosters/{batch_id:str}/accept", may=MAY)
def accept(request: AnyRequest, db: web.Db, batch_id: FromPath[str], data: FormData) -> web.Page:
    """Lets the worker enrol the sound rows."""
    form = read_form(data, AcceptForm, LABELS)
    roster_accepting.accept(db, web.uuid_of(batch_id), form.ver, skips_bad=form.skips_bad)
    return web.back_to(db, f"/group-orders/rosters/{batch_id}", toast="开始导入")


@web.post("/group-orders/rosters/{batch_id:str}/discard", may=MAY)
def discard(request: AnyRequest, db: web.Db, batch_id: FromPath[str], data: FormData) -> web.Page:
    """Gives a roster up."""
    batch = roster_staging.batch(db, web.uuid_of(batch_id))
    roster_staging.discard(db, batch.id)
    return web.back_to(db, f"/group-orders/{batch.order_id}/roster", toast="已放弃该次导入")


@web.post("/group-orders/rosters/{batch_id:str}/undo", may=MAY)
def undo(request: AnyRequest, db: web.Db, batch_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a whole batch off the order again."""
    batch = roster_staging.batch(db, web.uuid_of(batch_id))
    roster_accepting.undo(db, batch.id, read_form(data, UndoForm, LABELS).reason)
    return web.back_to(db, f"/group-orders/{batch.order_id}/roster", toast="已撤销该次导入")


routes = (
    show_upload, download_template, upload, show_columns, preview_columns, check, show_batch, download_faults, decide, accept, discard, undo,
)  # fmt: skip

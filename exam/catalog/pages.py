"""Screens of the catalogue: look up, history, change with a day and a reason, and the whole of it as a workbook."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery

from exam.catalog import columns, entry_form, service, words, workbook
from exam.catalog.columns import COLUMNS, RANGE_COLUMNS, SHEETS
from exam.catalog.facts import Catalogue, Item, ItemGroup, Package
from exam.kit import web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.house import actor_of, house_of
from exam.kit.pinyin import initials
from exam.kit.sheets import XLSX

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
FileData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]

PAGE_SIZE = 50
MOST_SHOWN = 300

LIST_COLUMNS = {
    "department": ("name", "code", "kind", "location"),
    "item": ("name", "code", "department", "value_type", "unit", "source"),
    "group": ("name", "code", "department", "price_fen", "tube", "sex"),
    "package": ("name", "code", "price_fen", "factor", "sex", "category"),
    "tube": ("name", "code", "colour", "additive", "merge", "draw_order"),
}


def _today(db: web.Db) -> date:
    return day_of(house_of(db).clock.now())


def _day(text: str, field: str, default: date) -> date:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else default
    except ValueError:
        raise BadInput([(field, "日期:请填写日期,例如 2026-03-07")]) from None


def _kind(kind: str) -> str:
    if kind not in COLUMNS:
        raise NotFound("没有该类目录", "请从列表中选择")
    return kind


def _matches(entry: Any, text: str) -> bool:
    wanted = text.casefold()
    return wanted in entry.code.casefold() or wanted in entry.name.casefold() or wanted in initials(entry.name)


@web.get("/catalog", may="catalog.read")
def show_catalog(
    request: AnyRequest, db: web.Db, kind: FromQuery[str] = "item", q: FromQuery[str] = "", on: FromQuery[str] = "",
    department: FromQuery[str] = "", page: FromQuery[int] = 1,
) -> web.Page:  # fmt: skip
    """One kind of entries as they hold on a day, by name, code or pinyin initials, and by department."""
    day, text = _day(on, "on", _today(db)), q.strip()[:50]
    catalogue = service.catalogue(db, day)
    kinds = workbook.by_kind(catalogue)
    names = columns.names_of(kinds)
    entries = kinds[_kind(kind)].values()
    room = department if department in catalogue.departments and kind in ("item", "group") else ""
    found = [each for each in entries if (not text or _matches(each, text)) and (not room or each.department == room)]
    pages = max(1, -(-len(found) // PAGE_SIZE))
    at = min(max(page, 1), pages)
    by_name = {each.name: each for each in COLUMNS[kind]}
    shown = [by_name[name] for name in LIST_COLUMNS[kind]]
    rows = [
        (
            entry.code,
            getattr(entry, "source", ""),
            [columns.shown(each, getattr(entry, each.name), names) for each in shown],
        )
        for entry in found[(at - 1) * PAGE_SIZE : at * PAGE_SIZE]
    ]
    return web.page(
        db, "exam/catalog_list.html", kind=kind, kinds=SHEETS, q=text, on=day, today=_today(db),
        shown=[(each, columns.label_of(each)) for each in shown], rows=rows, page=at, pages=pages, total=len(found), department=room,
        departments=entry_form.known_entries(catalogue)["department"] if kind in ("item", "group") else [],
        may_change=actor_of(db).may("catalog.change"),
    )  # fmt: skip


@web.get("/catalog/entries/{kind:str}/{code:str}", may="catalog.read")
def show_entry(request: AnyRequest, db: web.Db, kind: FromPath[str], code: FromPath[str]) -> web.Page:
    """One entry as it is today, and every version with what it changed."""
    versions = service.history(db, _kind(kind), code)
    catalogue = service.catalogue(db, _today(db))
    kinds = workbook.by_kind(catalogue)
    names = columns.names_of(kinds)
    steps = [
        columns.changes_between(kind, versions[place + 1].entry, each.entry, names) if place + 1 < len(versions) else []
        for place, each in enumerate(versions)
    ]
    newest = versions[0]
    present = kinds[kind].get(code)
    entry = present or newest.entry
    # What an entry holds stands in a table of its own.
    held = {"items"} if kind == "group" else {"groups"} if kind == "package" else set()
    hidden = {columns.label_of(each) for each in COLUMNS[kind] if each.name in {*held, "age_from", "age_to"}}
    facts = [(label, text) for label, text in columns.facts_of(kind, entry, names) if label not in hidden]
    if isinstance(entry, (ItemGroup, Package)):
        facts.append(("适用年龄", columns.age_text(entry.age_from, entry.age_to) or "不限"))
    if isinstance(entry, Item) and words.common_unit(entry.unit) != entry.unit:
        facts.append(("接口用单位", f"{entry.unit}(UCUM)"))
    return web.page(
        db, "exam/catalog_entry.html", kind=kind, kind_name=SHEETS[kind], newest=newest, present=present, today=_today(db),
        facts=facts, content=_content(catalogue, kind, entry), entry=entry, history=list(zip(versions, steps, strict=True)),
        revision=service.revision(db), may_change=actor_of(db).may("catalog.change"),
    )  # fmt: skip


def _content(catalogue: Catalogue, kind: str, entry: Any) -> list[dict[str, Any]]:
    """The items of a group or the groups of a package, in order, as rows for a table."""
    if kind == "group":
        items = [catalogue.items[code] for code in entry.items if code in catalogue.items]
        types = columns.VALUE_TYPES
        return [
            {"code": each.code, "name": each.name, "type": types[each.value_type], "unit": words.common_unit(each.unit),
             "ranges": [columns.range_line(row) for row in each.ranges]}
            for each in items
        ]  # fmt: skip
    if kind == "package":
        rooms = catalogue.departments
        groups = [catalogue.groups[code] for code in entry.groups if code in catalogue.groups]
        return [
            {"code": each.code, "name": each.name, "fen": each.price_fen, "count": len(each.items),
             "department": rooms[each.department].name if each.department in rooms else each.department}
            for each in groups
        ]  # fmt: skip
    return []


# --- changing --------------------------------------------------------------------------------------------------------


def _form_page(
    db: web.Db, kind: str, entry: Any, is_new: bool, sent: dict[str, Any] | None = None, refused: BadInput | None = None
) -> web.Page:
    """The form of an entry, or again what was `sent` with everything that is wrong in it."""
    catalogue = service.catalogue(db, _today(db))
    names = columns.names_of(workbook.by_kind(catalogue))
    texts, ranges = entry_form.texts_of(kind, entry, names) if sent is None else entry_form.typed(kind, sent)
    return web.page(
        db, "exam/catalog_form.html", status=422 if refused else 200, kind=kind, kind_name=SHEETS[kind], entry=entry, is_new=is_new,
        sections=entry_form.sections_of(kind), texts=texts, ranges=ranges, range_columns=RANGE_COLUMNS, today=_today(db),
        revision=service.revision(db), known=entry_form.known_entries(catalogue), sources=[*words.SOURCES.values(), "WS/T 404/405"],
        units=sorted({words.common_unit(each.unit) for each in catalogue.items.values()} - {""}),
        ucum=entry.unit if kind == "item" and entry and words.common_unit(entry.unit) != entry.unit else "",
        refused=refused, problems=dict(reversed(refused.problems)) if refused else {}, sent=sent or {},
    )  # fmt: skip


def _save(db: web.Db, kind: str, data: dict[str, Any], entry: Any) -> web.Page:
    """Stores what a form says; `entry` is what it changes. A form sent without htmx comes back with everything typed."""
    try:
        valid_from = _day(str(data.get("valid_from", "")), "valid_from", _today(db))
        catalogue = service.catalogue(db, valid_from)
        found = entry_form.read(kind, data, columns.names_of(workbook.by_kind(catalogue)), catalogue.groups)
    except BadInput as refused:
        if db.info["request"].headers.get("hx-request"):
            raise
        return _form_page(db, kind, entry, entry is None, data, refused)
    seen = str(data.get("seen", ""))
    repriced = service.save(
        db, found, valid_from=valid_from, reason=str(data.get("reason", ""))[:500], is_new=entry is None,
        seen_revision=int(seen) if seen.isdigit() and len(seen) < 10 else -1,
    )  # fmt: skip
    more = f",同时更新 {len(repriced)} 个套餐的价格" if repriced else ""
    return web.back_to(db, f"/catalog/entries/{kind}/{found.code}", toast=f"已保存{more}")


@web.get("/catalog/new/{kind:str}", may="catalog.change")
def show_new(request: AnyRequest, db: web.Db, kind: FromPath[str]) -> web.Page:
    """The empty form of a kind."""
    return _form_page(db, _kind(kind), None, is_new=True)


@web.post("/catalog/new/{kind:str}", may="catalog.change")
def add_entry(request: AnyRequest, db: web.Db, kind: FromPath[str], data: FormData) -> web.Page:
    """A new entry."""
    return _save(db, _kind(kind), data, None)


@web.get("/catalog/entries/{kind:str}/{code:str}/edit", may="catalog.change")
def show_edit(request: AnyRequest, db: web.Db, kind: FromPath[str], code: FromPath[str]) -> web.Page:
    """The form of an entry, filled with its newest version."""
    return _form_page(db, kind, service.history(db, _kind(kind), code)[0].entry, is_new=False)


@web.post("/catalog/entries/{kind:str}/{code:str}", may="catalog.change")
def change_entry(request: AnyRequest, db: web.Db, kind: FromPath[str], code: FromPath[str], data: FormData) -> web.Page:
    """A new version of an entry; its code never changes."""
    newest = service.history(db, _kind(kind), code)[0].entry
    return _save(db, kind, {**data, "code": code}, newest)


@web.post("/catalog/entries/{kind:str}/{code:str}/retire", may="catalog.change")
def retire_entry(request: AnyRequest, db: web.Db, kind: FromPath[str], code: FromPath[str], data: FormData) -> web.Page:
    """Ends an entry on a day."""
    valid_from = _day(str(data.get("valid_from", "")), "valid_from", _today(db))
    seen = str(data.get("seen", ""))
    service.retire(
        db, _kind(kind), code, valid_from=valid_from, reason=str(data.get("reason", ""))[:500],
        seen_revision=int(seen) if seen.isdigit() and len(seen) < 10 else -1,
    )  # fmt: skip
    return web.back_to(db, f"/catalog/entries/{kind}/{code}", toast="已停用")


# --- the whole catalogue as a workbook -------------------------------------------------------------------------------


@web.get("/catalog/export", may="catalog.read")
def export_catalog(request: AnyRequest, db: web.Db) -> Response[bytes]:
    """Today's catalogue, one sheet for each kind."""
    content = workbook.write(service.catalogue(db, _today(db)))
    return web.download(content, f"体检目录 {_today(db)}.xlsx", XLSX)


@web.get("/catalog/import", may="catalog.change")
def show_import(request: AnyRequest, db: web.Db) -> web.Page:
    """The form that takes a workbook."""
    return web.page(db, "exam/catalog_import.html", today=_today(db), most=workbook.MOST_BYTES // 1024 // 1024)


@web.post("/catalog/import", may="catalog.change")
def preview_import(request: AnyRequest, db: web.Db, data: FileData) -> web.Page:
    """What a workbook would change, or everything that is wrong with it; nothing is stored."""
    upload = data.get("file")
    if not isinstance(upload, UploadFile):
        raise BadInput([("file", "请选择文件")])
    valid_from = _day(str(data.get("valid_from", "")), "valid_from", _today(db))
    found = workbook.read(upload.file.read(workbook.MOST_BYTES + 1))
    entries = [entry for _, entry in found.entries]
    if not found.problems:
        found.problems = [workbook.located(each, found) for each in service.problems_of(db, entries, valid_from)]
    differing = [] if found.problems else service.compare(db, entries, valid_from)
    counts = {act: sum(each.act == act for each in differing) for act in ("new", "changed", "retired")}
    return web.page(
        db, "exam/catalog_preview.html", problems=found.problems, most_problems=workbook.MOST_PROBLEMS,
        differing=differing[:MOST_SHOWN], counts=counts, kinds=SHEETS, valid_from=valid_from, revision=service.revision(db),
        entries="" if found.problems else msgspec.json.encode(found.entries).decode(),
    )  # fmt: skip


@web.post("/catalog/import/accept", may="catalog.change")
def accept_import(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Makes a previewed workbook the catalogue; everything is checked again."""
    valid_from = _day(str(data.get("valid_from", "")), "valid_from", _today(db))
    try:
        pairs = msgspec.json.decode(str(data.get("entries", "")), type=list[tuple[str, msgspec.Raw]])
        entries = [msgspec.json.decode(raw, type=columns.STRUCTS[kind]) for kind, raw in pairs]
    except (msgspec.DecodeError, KeyError, RecursionError):
        raise Refused("catalog.preview_lost", "预览内容已失效", "请重新上传文件") from None
    seen = str(data.get("seen", ""))
    service.replace(
        db, entries, valid_from=valid_from, reason=str(data.get("reason", ""))[:500],
        seen_revision=int(seen) if seen.isdigit() and len(seen) < 10 else -1,
    )  # fmt: skip
    return web.back_to(db, "/catalog", toast="目录已导入")


routes = (
    show_catalog, show_entry, show_new, add_entry, show_edit, change_entry, retire_entry, export_catalog, show_import,
    preview_import, accept_import,
)  # fmt: skip

"""Screens of the catalogue: look up, history, change with a day and a reason, and the whole of it as a workbook."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery

from exam.catalog import columns, rules, service, workbook
from exam.catalog.columns import COLUMNS, RANGE_COLUMNS, SHEETS
from exam.catalog.facts import ReferenceRange
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
SPARE_RANGES = 3
MOST_RANGES = 60
MOST_SHOWN = 300

LIST_COLUMNS = {
    "department": ("code", "name", "kind", "location"),
    "item": ("code", "name", "department", "value_type", "unit"),
    "group": ("code", "name", "department", "price_fen", "tube", "sex"),
    "package": ("code", "name", "price_fen", "factor", "sex", "category"),
    "tube": ("code", "name", "colour", "additive", "merge", "draw_order"),
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
    page: FromQuery[int] = 1,
) -> web.Page:  # fmt: skip
    """One kind of entries as they hold on a day, by name, code or pinyin initials."""
    day, text = _day(on, "on", _today(db)), q.strip()[:50]
    kinds = workbook.by_kind(service.catalogue(db, day))
    entries = kinds[_kind(kind)].values()
    found = [each for each in entries if not text or _matches(each, text)]
    pages = max(1, -(-len(found) // PAGE_SIZE))
    at = min(max(page, 1), pages)
    shown = [each for each in COLUMNS[kind] if each.name in LIST_COLUMNS[kind]]
    on_page = found[(at - 1) * PAGE_SIZE : at * PAGE_SIZE]
    rows = [[columns.text_of(each, getattr(entry, each.name)) for each in shown] for entry in on_page]
    names = {place: kinds[each.options["kind"]] for place, each in enumerate(shown) if each.name in ("department", "tube")}
    rows = [
        [f"{text} {names[place][text].name}" if place in names and text in names[place] else text for place, text in enumerate(row)]
        for row in rows
    ]
    return web.page(
        db, "exam/catalog_list.html", kind=kind, kinds=SHEETS, q=text, on=day, today=_today(db), shown=shown, rows=rows,
        page=at, pages=pages, total=len(found), may_change=actor_of(db).may("catalog.change"),
    )  # fmt: skip


@web.get("/catalog/entries/{kind:str}/{code:str}", may="catalog.read")
def show_entry(request: AnyRequest, db: web.Db, kind: FromPath[str], code: FromPath[str]) -> web.Page:
    """One entry as it is today, and every version with what it changed."""
    versions = service.history(db, _kind(kind), code)
    steps = [
        columns.changes_between(kind, versions[place + 1].entry, each.entry) if place + 1 < len(versions) else []
        for place, each in enumerate(versions)
    ]
    newest = versions[0]
    present = workbook.by_kind(service.catalogue(db, _today(db)))[kind].get(code)
    return web.page(
        db, "exam/catalog_entry.html", kind=kind, kind_name=SHEETS[kind], newest=newest, present=present, today=_today(db),
        facts=columns.facts_of(kind, present or newest.entry), history=list(zip(versions, steps, strict=True)),
        revision=service.revision(db), may_change=actor_of(db).may("catalog.change"),
    )  # fmt: skip


# --- changing --------------------------------------------------------------------------------------------------------


def _form_page(db: web.Db, kind: str, entry: Any, is_new: bool) -> web.Page:
    catalogue = workbook.by_kind(service.catalogue(db, _today(db)))
    fields = [each for each in COLUMNS[kind] if not (kind == "package" and each.name == "price_fen")]
    defaults = {each.name: columns.default_of(columns.STRUCTS[kind], each.name) for each in fields}
    values = {each.name: getattr(entry, each.name) if entry else defaults[each.name] for each in fields}
    is_given = {name: entry is not None or value is not None for name, value in values.items()}
    texts = {each.name: columns.text_of(each, values[each.name]) if is_given[each.name] else "" for each in fields}
    ranges: list[dict[str, str]] = []
    if kind == "item":
        empty = {"age_from": "0", "age_to": "150"}
        present = entry.ranges if entry else ()
        ranges = [{each.name: columns.text_of(each, getattr(row, each.name)) for each in RANGE_COLUMNS} for row in present]
        ranges += [empty] * SPARE_RANGES
    return web.page(
        db, "exam/catalog_form.html", kind=kind, kind_name=SHEETS[kind], entry=entry, is_new=is_new, fields=fields, texts=texts,
        ranges=ranges, range_columns=RANGE_COLUMNS, today=_today(db), revision=service.revision(db),
        references={each: [(code, f"{code} {row.name}") for code, row in rows.items()] for each, rows in catalogue.items()},
    )  # fmt: skip


def _read_ranges(data: dict[str, Any]) -> tuple[list[ReferenceRange], list[tuple[str, str]]]:
    """The ranges of an item's form: rows `range.0.low` and so on; a row without bounds is an empty one."""
    found, problems = [], []
    for row in range(MOST_RANGES):
        texts = {each.name: str(data.get(f"range.{row}.{each.name}", "")) for each in RANGE_COLUMNS}
        if not texts["low"].strip() and not texts["high"].strip():
            continue
        entry, wrong = columns.read(ReferenceRange, RANGE_COLUMNS, texts)
        labels = {each.name: each.label for each in RANGE_COLUMNS}
        place = f"参考范围第{row + 1}行"
        problems += [(f"range.{row}.{name}", f"{place} {labels[name]}:{reason},{remedy}") for name, reason, remedy in wrong]
        if entry is not None:
            found.append(entry)
    return found, problems


def _read_entry(db: web.Db, kind: str, data: dict[str, Any], valid_from: date) -> Any:
    labels = {each.name: each.label for each in COLUMNS[kind]}
    texts = {name: str(data.get(name, "")) for name in labels}
    more: dict[str, Any] = {}
    fields = COLUMNS[kind]
    problems: list[tuple[str, str]] = []
    if kind == "item":
        more["ranges"], problems = _read_ranges(data)
        more["ranges"] = tuple(more["ranges"])
    if kind == "package":
        fields = tuple(each for each in fields if each.name != "price_fen")
        more["price_fen"] = 0
    entry, wrong = columns.read(columns.STRUCTS[kind], fields, texts, more)
    problems += [(name, f"{labels[name]}:{reason},{remedy}") for name, reason, remedy in wrong]
    if problems:
        raise BadInput(problems)
    if kind == "package":
        groups = service.catalogue(db, valid_from).groups
        price = rules.package_price([groups[code] for code in entry.groups if code in groups], entry.factor)
        entry = msgspec.structs.replace(entry, price_fen=price)
    return entry


def _save(db: web.Db, kind: str, data: dict[str, Any], *, is_new: bool) -> web.Page:
    valid_from = _day(str(data.get("valid_from", "")), "valid_from", _today(db))
    entry = _read_entry(db, kind, data, valid_from)
    seen = str(data.get("seen", ""))
    repriced = service.save(
        db, entry, valid_from=valid_from, reason=str(data.get("reason", ""))[:500], is_new=is_new,
        seen_revision=int(seen) if seen.isdigit() and len(seen) < 10 else -1,
    )  # fmt: skip
    more = f",同时更新 {len(repriced)} 个套餐的价格" if repriced else ""
    return web.back_to(db, f"/catalog/entries/{kind}/{entry.code}", toast=f"已保存{more}")


@web.get("/catalog/new/{kind:str}", may="catalog.change")
def show_new(request: AnyRequest, db: web.Db, kind: FromPath[str]) -> web.Page:
    """The empty form of a kind."""
    return _form_page(db, _kind(kind), None, is_new=True)


@web.post("/catalog/new/{kind:str}", may="catalog.change")
def add_entry(request: AnyRequest, db: web.Db, kind: FromPath[str], data: FormData) -> web.Page:
    """A new entry."""
    return _save(db, _kind(kind), data, is_new=True)


@web.get("/catalog/entries/{kind:str}/{code:str}/edit", may="catalog.change")
def show_edit(request: AnyRequest, db: web.Db, kind: FromPath[str], code: FromPath[str]) -> web.Page:
    """The form of an entry, filled with its newest version."""
    return _form_page(db, kind, service.history(db, _kind(kind), code)[0].entry, is_new=False)


@web.post("/catalog/entries/{kind:str}/{code:str}", may="catalog.change")
def change_entry(request: AnyRequest, db: web.Db, kind: FromPath[str], code: FromPath[str], data: FormData) -> web.Page:
    """A new version of an entry; its code never changes."""
    service.history(db, _kind(kind), code)
    return _save(db, kind, {**data, "code": code}, is_new=False)


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

"""The rule book as a file on screen: export, and import with its differences to accept line by line."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body

from exam.kit import sheets, web
from exam.kit.errors import BadInput, Refused, Stale
from exam.knowledge import exchange, service, words
from exam.knowledge.book import KINDS, Entry
from exam.knowledge.facts import ALERT_CLASS_NAMES
from exam.knowledge.pages import AnyRequest, FormData, day_in, rows_of, text_in, today_of, whole_in

FileData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]

HEADER = ("编号", "种类", "结论", "条件", "等级", "建议", "就诊科室", "版本", "批准", "生效日期", "来源")


@web.get("/knowledge/export", may="knowledge.read")
def export_book(request: AnyRequest, db: web.Db) -> Response[bytes]:
    """The whole book as one readable file."""
    return web.download(exchange.export(db), f"知识库 {today_of(db)}.json", "application/json")


@web.get("/knowledge/export.xlsx", may="knowledge.read")
def export_list(request: AnyRequest, db: web.Db) -> Response[bytes]:
    """The list in words, for reading and printing; it cannot be imported."""
    rows = []
    for row in rows_of(db):
        version, entry = row.standing.version, row.standing.version.entry
        rows.append(
            (
                row.code, words.KIND_NAMES.get(row.kind, row.kind), row.title, row.summary,
                ALERT_CLASS_NAMES[row.alert_class] if row.alert_class else "", getattr(entry, "advice", ""),
                getattr(entry, "specialist", ""), version.version, "已停用" if row.is_ended else "已批准" if version.approved else "未批准",
                version.valid_from.isoformat(), row.source,
            )
        )  # fmt: skip
    return web.download(sheets.workbook([("知识库", HEADER, rows)]), f"知识库 {today_of(db)}.xlsx", sheets.XLSX)


@web.get("/knowledge/import", may="knowledge.propose")
def show_import(request: AnyRequest, db: web.Db) -> web.Page:
    """The form that takes a file."""
    return web.page(db, "exam/knowledge_import.html", most=exchange.MOST_BYTES // 1024 // 1024)


@web.post("/knowledge/import", may="knowledge.propose", write=False)
def preview_import(request: AnyRequest, db: web.Db, data: FileData) -> web.Page:
    """What a file would change, line by line, or everything that is wrong with it; nothing is stored."""
    upload = data.get("file")
    if not isinstance(upload, UploadFile):
        raise BadInput([("file", "请选择文件")])
    found = exchange.read(upload.file.read(exchange.MOST_BYTES + 1))
    differing = [] if found.problems else exchange.compare(db, found.entries)
    changed = [each for each in differing if each.act != "same"]
    carried = {each.code: (each.kind, None if each.act == "ended" else each.entry) for each in changed}
    return web.page(
        db, "exam/knowledge_preview.html", problems=found.problems, most_problems=exchange.MOST_PROBLEMS, differing=changed,
        counts={act: sum(each.act == act for each in differing) for act in exchange.ACT_NAMES}, acts=exchange.ACT_NAMES,
        kind_names=words.KIND_NAMES, revision=service.revision(db), today=today_of(db), carried=msgspec.json.encode(carried).decode(),
    )  # fmt: skip


@web.post("/knowledge/import/accept", may="knowledge.propose")
def accept_import(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Makes proposals of the ticked lines; everything is read and compared again."""
    chosen = data.get("chosen", [])
    codes = {str(each) for each in (chosen if isinstance(chosen, list) else [chosen])}
    carried = _carried(str(data.get("carried", "")))
    if whole_in(data, "seen") != service.revision(db):
        raise Stale("知识库已被他人修改", "请重新上传文件,核对差别后再提交")
    given = exchange.compare(db, [entry for entry in carried.values() if entry is not None])
    wanted = [each for each in given if each.code in codes & carried.keys() and each.act != "same"]
    day = day_in(data, "valid_from", "生效日期", today_of(db))
    made = exchange.accept(db, wanted, valid_from=day, reason=text_in(data, "reason"))
    return web.back_to(db, "/knowledge/proposals", toast=f"已提交 {len(made)} 条,等待另一位医师审批")


def _carried(text: str) -> dict[str, Entry | None]:
    """The lines that a preview showed, by code; None for what the file no longer has."""
    lost = Refused("knowledge.preview_lost", "预览内容已失效", "请重新上传文件")
    try:
        raw = msgspec.json.decode(text.encode(), type=dict[str, tuple[str, dict[str, Any] | None]])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise lost from None
    found: dict[str, Entry | None] = {}
    for code, (kind, body) in raw.items():
        entry = exchange.read_entry(kind, body)[0] if body is not None and kind in KINDS else None
        if body is not None and entry is None:
            raise lost
        found[code] = entry
    return found


routes = (export_book, export_list, show_import, preview_import, accept_import)

"""Screens of the auditor: what happened, an export, and whom somebody touched."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from litestar import Response
from litestar.params import FromQuery

from exam.kit import web
from exam.kit.clock import day_of, local
from exam.kit.errors import BadInput
from exam.kit.house import house_of
from exam.kit.sheets import XLSX, workbook
from exam.staff import audit_trail
from exam.staff.audit_trail import Filter
from exam.staff.pages import AnyRequest

HEADER = ("时间", "操作人", "终端", "操作", "操作编码", "结果", "对象", "原因", "改动行数", "链", "序号")


def _filter(db: web.Db, day_from: str, day_to: str, **words: str) -> Filter:
    """The filter of an address; without days, the last seven."""
    today = day_of(house_of(db).clock.now())
    days, problems = [], []
    for name, label, text, default in (
        ("day_from", "起始日期", day_from, today - timedelta(days=6)),
        ("day_to", "截止日期", day_to, today),
    ):
        try:
            days.append(date.fromisoformat(text) if text.strip() else default)
        except ValueError:
            problems.append((name, f"{label}:请填写日期,例如 2026-03-07"))
    if problems:
        raise BadInput(problems)
    return Filter(min(days), max(days), **{name: word.strip()[:100] for name, word in words.items()})


def _address(wanted: Filter, **more: Any) -> str:
    words = {"actor": wanted.actor, "subject": wanted.subject, "act": wanted.act, "result": wanted.result}
    kept = {"day_from": wanted.day_from, "day_to": wanted.day_to, **{name: word for name, word in words.items() if word}, **more}
    return urlencode(kept)


@web.get("/audit", may="audit.read")
def show_audit(
    request: AnyRequest, db: web.Db, day_from: FromQuery[str] = "", day_to: FromQuery[str] = "", actor: FromQuery[str] = "",
    subject: FromQuery[str] = "", act: FromQuery[str] = "", result: FromQuery[str] = "", page: FromQuery[int] = 1,
) -> web.Page:  # fmt: skip
    """The acts of a filter, page by page."""
    wanted = _filter(db, day_from, day_to, actor=actor, subject=subject, act=act, result=result)
    found, total = audit_trail.lines(db, wanted, page)
    return web.page(
        db, "exam/audit_log.html", wanted=wanted, lines=found, total=total, page=max(page, 1), results=audit_trail.RESULTS,
        pages=max(1, -(-total // audit_trail.PAGE_SIZE)), address=_address(wanted), acts=audit_trail.ACT_NAMES,
    )  # fmt: skip


@web.get("/audit/export", may="audit.read")
def export_audit(
    request: AnyRequest, db: web.Db, day_from: FromQuery[str] = "", day_to: FromQuery[str] = "", actor: FromQuery[str] = "",
    subject: FromQuery[str] = "", act: FromQuery[str] = "", result: FromQuery[str] = "",
) -> Response[bytes]:  # fmt: skip
    """The acts of a filter as a workbook."""
    wanted = _filter(db, day_from, day_to, actor=actor, subject=subject, act=act, result=result)
    rows = (
        (local(each.at).strftime("%Y-%m-%d %H:%M:%S"), each.actor, each.terminal, each.act_name, each.act, each.result,
         each.subject, each.reason, each.rows, each.writer, each.seq)
        for each in audit_trail.export(db, wanted)
    )  # fmt: skip
    name = f"审计日志 {wanted.day_from} 至 {wanted.day_to}.xlsx"
    return web.download(workbook([("审计日志", HEADER, rows)]), name, XLSX)


@web.get("/audit/touched", may="audit.read")
def show_touched(
    request: AnyRequest, db: web.Db, day_from: FromQuery[str] = "", day_to: FromQuery[str] = "", actor: FromQuery[str] = ""
) -> web.Page:
    """Whom or what somebody read or changed."""
    wanted = _filter(db, day_from, day_to, actor=actor)
    found = audit_trail.touched(db, wanted) if wanted.actor else []
    return web.page(db, "exam/audit_touched.html", wanted=wanted, found=found, most=audit_trail.MOST_TOUCHED, address=_address)


routes = (show_audit, export_audit, show_touched)

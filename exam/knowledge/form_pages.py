"""Writing a policy, a scale, a check or a template on screen: the form, its buttons, its live check, and handing it in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar.params import FromPath, FromQuery

from exam.catalog import service as catalog
from exam.catalog.entry_form import known_entries
from exam.catalog.words import SOURCES
from exam.kit import web
from exam.kit.errors import BadInput, NotFound
from exam.knowledge import entry_form, proposals, service, words
from exam.knowledge.book import Entry
from exam.knowledge.entry_form import Draft, EntryForm, Shown
from exam.knowledge.forms import FORMS, NEW_KINDS
from exam.knowledge.gate import GateCheck
from exam.knowledge.pages import AnyRequest, FormData, day_in, items_of, text_in, today_of, whole_in
from exam.knowledge.rule_form import item_named

PAGE = "exam/knowledge_entry_form.html"


@web.get("/knowledge/new/{kind:str}", may="knowledge.propose")
def show_new_entry(request: AnyRequest, db: web.Db, kind: FromPath[str], like: FromQuery[str] = "") -> web.Page:
    """The form of a new entry of a kind, empty or like another one."""
    form = NEW_KINDS.get(kind)
    if form is None or form.empty is None:
        raise NotFound("没有这种新建页面", "可以新建结论规则、分级标准、矛盾检查和消息模板")
    draft = form.empty()
    if like:
        present = service.history(db, like)[0].entry
        if service.kind_of(present) == kind:
            draft = form.draft_of(present, items_of(db))
            draft.texts |= {"code": "", "is_on": "yes"}
    return form_page(db, form, draft, None, {})


def form_page(
    db: web.Db, form: EntryForm, draft: Draft, newest: service.RuleVersion | None, sent: Mapping[str, Any],
    refused: BadInput | None = None, focus: str = "",
) -> web.Page:  # fmt: skip
    """The whole page with a form on it."""
    return web.page(
        db, PAGE, status=422 if refused else 200, refused=refused, known=known_entries(catalog.catalogue(db, today_of(db))),
        sources=list(SOURCES.values()), title_words=words.title_of(newest.entry) if newest else "",
        shown=_shown(db, form, draft, newest) if newest or refused else Shown(),
        base_version=text_in(sent, "base_version") or (newest.version if newest else 0), today=today_of(db), sent=sent,
        **_values(db, form, draft, newest, refused, focus),
    )  # fmt: skip


def _values(
    db: web.Db, form: EntryForm, draft: Draft, newest: service.RuleVersion | None, refused: BadInput | None, focus: str
) -> dict[str, Any]:
    """What the part of the form that its buttons redraw is drawn from."""
    items = items_of(db)
    for part in [each for root in draft.conditions.values() for each in _parts_of(root)]:
        part.texts["item"] = item_named(part.text("item"), items) or part.text("item")
    for row in [row for rows in draft.tables.values() for row in rows if "item" in row]:
        row["item"] = item_named(row["item"], items) or row["item"]
    return {
        **form.options(items), "form": form, "draft": draft, "newest": newest, "code": newest.code if newest else "", "focus": focus,
        "kind_name": words.KIND_NAMES[form.kind], "draft_url": f"/knowledge/draft/{form.kind}",
        "problems": dict(reversed(refused.problems)) if refused else {},
        "class_name": words.field_words("alert_class", getattr(newest.entry, "alert_class", None)) if newest else "",
    }  # fmt: skip


def _parts_of(part: Any) -> list[Any]:
    return [part, *(inner for each in part.parts for inner in _parts_of(each))]


def _shown(db: web.Db, form: EntryForm, draft: Draft, newest: service.RuleVersion | None) -> Shown:
    """What the entry as typed means, and what is wrong with it."""
    items = items_of(db)
    try:
        entry = form.read(draft, items, newest.entry if newest else None)
    except BadInput as refused:
        return Shown(problems=entry_form.told(refused.problems))
    problems = proposals.problems_of(db, entry)
    shown = Shown() if any(field == "" for field, _ in problems) else form.shown(entry, items, today_of(db))
    return msgspec.structs.replace(shown, problems=entry_form.told(problems))


def _form_named(kind: str) -> EntryForm:
    form = FORMS.get(kind)
    if form is None:
        raise NotFound("没有这种表单", "请从知识库列表中打开条目修改")
    return form


def _newest_of(db: web.Db, form: EntryForm, data: Mapping[str, Any]) -> service.RuleVersion | None:
    """The entry that a form changes; nothing for a new one."""
    of = text_in(data, "of")
    if not of and form.empty is None:
        raise NotFound("没有指明要修改的条目", "请从知识库列表中打开条目修改")
    newest = service.history(db, of)[0] if of else None
    if newest is not None and service.kind_of(newest.entry) != form.kind:
        raise NotFound(f"{of[:40]} 不是{words.KIND_NAMES[form.kind]}", "请从知识库列表中打开条目修改")
    return newest


@web.post("/knowledge/draft/{kind:str}", may="knowledge.propose", write=False)
def redraw_entry(request: AnyRequest, db: web.Db, kind: FromPath[str], data: FormData) -> web.Page:
    """The form after one of its buttons, with everything that was typed."""
    form = _form_named(kind)
    newest = _newest_of(db, form, data)
    draft, focus = entry_form.acted(form, entry_form.typed(form, data), text_in(data, "act"))
    if not request.headers.get("hx-request"):
        return form_page(db, form, draft, newest, data, focus=focus)
    return web.page(db, form.parts, headers={"HX-Trigger-After-Settle": "redrawn"}, **_values(db, form, draft, newest, None, focus))


@web.post("/knowledge/check/{kind:str}", may="knowledge.propose", write=False)
def check_entry(request: AnyRequest, db: web.Db, kind: FromPath[str], data: FormData) -> web.Page:
    """What the entry as typed means, with its examples tried; nothing is stored."""
    form = _form_named(kind)
    newest = _newest_of(db, form, data)
    return web.page(db, "exam/knowledge_shown.html", shown=_shown(db, form, entry_form.typed(form, data), newest))


@web.post("/knowledge/propose/{kind:str}", may="knowledge.propose")
def propose_entry(request: AnyRequest, db: web.Db, kind: FromPath[str], data: FormData) -> web.Page:
    """Hands an entry in. A form sent without htmx comes back with everything typed."""
    form = _form_named(kind)
    newest = _newest_of(db, form, data)
    draft = entry_form.typed(form, data)
    try:
        day = day_in(data, "valid_from", "生效日期", today_of(db))
        entry = form.read(draft, items_of(db), newest.entry if newest else None)
        if isinstance(entry, GateCheck) and draft.text("is_on") != "yes":
            entry = _switched_off(entry, newest, day)
        made = proposals.propose(
            db, entry, base_version=whole_in(data, "base_version"), valid_from=day, reason=text_in(data, "reason")
        )
    except BadInput as refused:
        if request.headers.get("hx-request"):
            raise
        return form_page(db, form, draft, newest, data, refused)
    return web.back_to(db, f"/knowledge/proposals/{made}", toast="已提交,等待另一位医师审批")


def _switched_off(entry: GateCheck, newest: service.RuleVersion | None, day: Any) -> Entry:
    """A check that is not in use from a day on; one that had ended before stays so."""
    ended = newest.entry.valid_to if newest is not None else None
    return msgspec.structs.replace(entry, valid_to=ended if ended is not None and ended <= day else day)


routes = (show_new_entry, redraw_entry, check_entry, propose_entry)

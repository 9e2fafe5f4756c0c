"""Writing a rule on screen: the form, its live check, the dry run over past visits, and handing it in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, get_args

import msgspec
from litestar.params import FromPath, FromQuery

from exam.catalog import service as catalog
from exam.catalog.entry_form import known_entries
from exam.catalog.words import SOURCES
from exam.kit import web
from exam.kit.errors import BadInput, Refused
from exam.knowledge import dry_run, exchange, forms, proposals, rule_form, rule_reading, service, soundness, words
from exam.knowledge.book import Entry, Merge, Rule
from exam.knowledge.facts import ALERT_CLASS_NAMES, Category
from exam.knowledge.form_pages import form_page
from exam.knowledge.pages import AnyRequest, FormData, day_in, items_of, members_of, rows_of, text_in, today_of, whole_in
from exam.knowledge.rule_form import Draft
from exam.knowledge.rules import printed_unit

FRAGMENT = "exam/knowledge_parts.html"


@web.get("/knowledge/new", may="knowledge.propose")
def show_new(request: AnyRequest, db: web.Db, like: FromQuery[str] = "") -> web.Page:
    """The form of a new rule, empty or like another one."""
    draft = rule_form.empty_draft()
    if like:
        present = service.history(db, like)[0].entry
        if isinstance(present, Rule):
            draft = rule_form.draft_of(present, items_of(db))
            draft.texts["code"] = ""
    return _form_page(db, draft, None, {})


@web.get("/knowledge/entries/{code:str}/edit", may="knowledge.propose")
def show_edit(request: AnyRequest, db: web.Db, code: FromPath[str], view: FromQuery[str] = "") -> web.Page:
    """The form of an entry, filled with its newest version; as text for who asks for it, and for what no form can say."""
    newest = service.history(db, code)[0]
    if view != "text":
        if isinstance(newest.entry, Rule):
            return _form_page(db, rule_form.draft_of(newest.entry, items_of(db)), newest, {})
        form = forms.form_for(service.kind_of(newest.entry), newest.entry, items_of(db))
        if form is not None:
            return form_page(db, form, form.draft_of(newest.entry, items_of(db)), newest, {})
    return _text_page(db, newest, _as_text(newest.entry), {})


def _form_page(
    db: web.Db, draft: Draft, newest: service.RuleVersion | None, sent: Mapping[str, Any], refused: BadInput | None = None, focus: str = ""
) -> web.Page:  # fmt: skip
    return web.page(
        db, "exam/knowledge_form.html", status=422 if refused else 200, newest=newest, known=_known(db), refused=refused,
        title_words=words.title_of(newest.entry) if newest else "", **_draft_values(db, draft, sent, newest, refused, focus),
    )  # fmt: skip


def _known(db: web.Db) -> dict[str, Any]:
    return known_entries(catalog.catalogue(db, today_of(db)))


def _draft_values(
    db: web.Db, draft: Draft, sent: Mapping[str, Any], newest: service.RuleVersion | None, refused: BadInput | None, focus: str
) -> dict[str, Any]:
    """What the form and its parts are drawn from."""
    items = items_of(db)
    verdict = BLANK if newest is None and refused is None and draft == rule_form.empty_draft() else _verdict(db, draft, newest)
    for part in _parts_of(draft.condition):
        # What was typed as a name or in initials is shown as the item it means.
        part.texts["item"] = rule_form.item_named(part.text("item"), items) or part.text("item")
    base = newest.version if newest else 0
    return {
        "draft": draft, "items": items, "groups": rule_form.GROUPS, "simple": rule_form.SIMPLE, "edges": rule_form.EDGES,
        "without_item": rule_form.WITHOUT_ITEM, "signs": words.RELATION_SIGNS, "flags": words.FLAG_NAMES,
        "categories": [(each, each) for each in get_args(Category)],
        "severities": [(str(int(each)), name) for each, name in words.SEVERITY_WORDS.items()],
        "alerts": [(each.value, name) for each, name in ALERT_CLASS_NAMES.items()], "sources": list(SOURCES.values()),
        "printed_unit": printed_unit, "base_version": text_in(sent, "base_version") or base, "today": today_of(db), "focus": focus,
        "code": newest.code if newest else "", "sent": sent, "problems": dict(reversed(refused.problems)) if refused else {},
        "verdict": verdict, "most_levels": soundness.MOST_LEVELS, "draft_url": "/knowledge/draft",
    }  # fmt: skip


def _parts_of(part: rule_form.Part) -> list[rule_form.Part]:
    return [part, *(inner for each in part.parts for inner in _parts_of(each))]


class Live(msgspec.Struct, frozen=True):
    """What the rule as typed means: in words, with each example tried, and what is still missing."""

    words: str
    tried: tuple[soundness.Verdict, ...]
    problems: tuple[str, ...]


BLANK = Live("", (), ())
"""Nothing has been typed yet: that is no mistake."""


def _verdict(db: web.Db, draft: Draft, newest: service.RuleVersion | None) -> Live:
    items = items_of(db)
    try:
        rule = rule_reading.read(draft, items, _present(newest))
    except BadInput as refused:
        return Live("", (), tuple(dict.fromkeys(text for _, text in refused.problems))[:8])
    tried = tuple(soundness.verdicts(rule, items, today_of(db)))
    problems = tuple(dict.fromkeys(text for _, text in proposals.problems_of(db, rule)))[:8]
    return Live(words.condition_words(rule.condition, items) if not soundness.condition_problems(rule.condition) else "", tried, problems)


def _present(newest: service.RuleVersion | None) -> Rule | None:
    return newest.entry if newest is not None and isinstance(newest.entry, Rule) else None


def _newest_of(db: web.Db, data: Mapping[str, Any]) -> service.RuleVersion | None:
    """The entry that a form changes; nothing for a new one."""
    of = text_in(data, "of")
    return service.history(db, of)[0] if of else None


@web.post("/knowledge/draft", may="knowledge.propose", write=False)
def redraw(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """The form's condition and examples after one of its buttons, with everything that was typed."""
    newest = _newest_of(db, data)
    draft, focus = rule_form.acted(rule_form.typed(data), text_in(data, "act"))
    if not request.headers.get("hx-request"):
        return _form_page(db, draft, newest, data, focus=focus)
    values = _draft_values(db, draft, data, newest, None, focus)
    return web.page(db, FRAGMENT, headers={"HX-Trigger-After-Settle": "redrawn"}, **values)


@web.post("/knowledge/check", may="knowledge.propose", write=False)
def check(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """The rule as typed in words, and its examples tried; nothing is stored."""
    newest = _newest_of(db, data)
    draft = rule_form.typed(data)
    return web.page(db, "exam/knowledge_verdict.html", verdict=_verdict(db, draft, newest))


@web.post("/knowledge/propose", may="knowledge.propose")
def propose(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Hands a rule in. A form sent without htmx comes back with everything typed."""
    newest = _newest_of(db, data)
    draft = rule_form.typed(data)
    try:
        rule = rule_reading.read(draft, items_of(db), _present(newest))
        day = day_in(data, "valid_from", "生效日期", today_of(db))
        made = proposals.propose(
            db, rule, base_version=whole_in(data, "base_version"), valid_from=day, reason=text_in(data, "reason")
        )  # fmt: skip
    except BadInput as refused:
        if request.headers.get("hx-request"):
            raise
        return _form_page(db, draft, newest, data, refused)
    return web.back_to(db, f"/knowledge/proposals/{made}", toast="已提交,等待另一位医师审批")


# --- an entry as text ------------------------------------------------------------------------------------------------


def _as_text(entry: Entry) -> str:
    plain = msgspec.to_builtins(entry)
    for name in ("code", "version", "approved", "valid_from"):
        plain.pop(name, None)
    return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()


def _text_page(
    db: web.Db, newest: service.RuleVersion, body: str, sent: Mapping[str, Any], refused: BadInput | None = None
) -> web.Page:
    kind = service.kind_of(newest.entry)
    has_form = isinstance(newest.entry, Rule) or forms.form_for(kind, newest.entry, items_of(db)) is not None
    return web.page(
        db, "exam/knowledge_text.html", status=422 if refused else 200, newest=newest, kind_name=words.KIND_NAMES.get(kind, kind), body=body,
        title_words=words.title_of(newest.entry), sent=sent, refused=refused, today=today_of(db), has_form=has_form,
        problems=dict(reversed(refused.problems)) if refused else {}, labels=_labels(newest.entry), told=_told(db, newest, body),
        is_beyond_form=kind in forms.FORMS and not has_form,
    )  # fmt: skip


class Told(msgspec.Struct, frozen=True):
    """What a text means: every field in words, the entries it names with their titles, and what is wrong with it."""

    facts: tuple[tuple[str, str], ...] = ()
    members: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()


def _told(db: web.Db, newest: service.RuleVersion, body: str) -> Told:
    try:
        entry = _entry_of_text(newest, body)
    except BadInput as refused:
        return Told(problems=tuple(text for _, text in refused.problems)[:8])
    facts = tuple(each for each in words.facts_of(entry, items_of(db)) if each[1])
    problems = tuple(dict.fromkeys(text for _, text in proposals.problems_of(db, entry)))[:8]
    return Told(facts, tuple(members_of(entry, {row.code: row for row in rows_of(db)})) if isinstance(entry, Merge) else (), problems)


@web.post("/knowledge/entries/{code:str}/text/check", may="knowledge.propose", write=False)
def check_text(request: AnyRequest, db: web.Db, code: FromPath[str], data: FormData) -> web.Page:
    """What the text as typed means, and what is wrong with it; nothing is stored."""
    newest = service.history(db, code)[0]
    return web.page(db, "exam/knowledge_told.html", told=_told(db, newest, str(data.get("body", ""))))


def _labels(entry: Entry) -> list[tuple[str, str]]:
    hidden = ("code", "version", "approved", "valid_from")
    return [
        (each.name, words.FIELD_LABELS[each.name]) for each in msgspec.structs.fields(entry)
        if each.name in words.FIELD_LABELS and each.name not in hidden
    ]  # fmt: skip


@web.post("/knowledge/entries/{code:str}/text", may="knowledge.propose")
def propose_text(request: AnyRequest, db: web.Db, code: FromPath[str], data: FormData) -> web.Page:
    """Hands in an entry that was changed as text."""
    newest = service.history(db, code)[0]
    body = str(data.get("body", ""))
    try:
        entry = _entry_of_text(newest, body)
        day = day_in(data, "valid_from", "生效日期", today_of(db))
        made = proposals.propose(
            db, entry, base_version=whole_in(data, "base_version"), valid_from=day, reason=text_in(data, "reason")
        )  # fmt: skip
    except BadInput as refused:
        if request.headers.get("hx-request"):
            raise
        return _text_page(db, newest, body, data, refused)
    return web.back_to(db, f"/knowledge/proposals/{made}", toast="已提交,等待另一位医师审批")


def _entry_of_text(newest: service.RuleVersion, body: str) -> Entry:
    raw = exchange.decoded(body)
    entry, problems = exchange.read_entry(service.kind_of(newest.entry), {**raw, "code": newest.code})
    if entry is None:
        raise BadInput([("body", f"{way}:{text}" if way else text) for way, text in problems[:20]])
    return entry


# --- the dry run -----------------------------------------------------------------------------------------------------


@web.post("/knowledge/try", may="knowledge.propose", write=False)
def try_form(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Begins a dry run of the rule as typed; the page shows how far it is."""
    newest = _newest_of(db, data)
    rule = rule_reading.read(rule_form.typed(data), items_of(db), _present(newest))
    problems = proposals.problems_of(db, rule)
    if problems:
        raise BadInput(problems[:20], code="knowledge.unsound")
    day = max(day_in(data, "valid_from", "生效日期", today_of(db)), today_of(db))
    return _begun(db, rule, day)


@web.post("/knowledge/entries/{code:str}/try", may="knowledge.propose", write=False)
def try_entry(request: AnyRequest, db: web.Db, code: FromPath[str], data: FormData) -> web.Page:
    """Begins a dry run of an entry as it is: on whom it speaks."""
    newest = service.history(db, code)[0]
    return _begun(db, newest.entry, max(today_of(db), newest.valid_from))


@web.post("/knowledge/proposals/{proposal_id:str}/try", may="knowledge.read", write=False)
def try_proposal(request: AnyRequest, db: web.Db, proposal_id: FromPath[str], data: FormData) -> web.Page:
    """Begins a dry run of a proposal, for who decides on it."""
    found = proposals.proposal(db, web.uuid_of(proposal_id))
    return _begun(db, found.entry, max(today_of(db), found.valid_from))


def _begun(db: web.Db, entry: Entry, day: date) -> web.Page:
    if service.kind_of(entry) not in dry_run.KINDS:
        raise Refused("knowledge.no_dry_run", "这种规则不产生结论,不能试运行", "结论规则和合并规则可以试运行")
    run = dry_run.start(db, [entry], day)
    return web.page(db, "exam/knowledge_run.html", run=run)


@web.get("/knowledge/dry-runs/{run_id:str}/progress", may="knowledge.read")
def show_progress(request: AnyRequest, db: web.Db, run_id: FromPath[str]) -> web.Page:
    """How far a dry run is; asks again by itself until it is done."""
    return web.page(db, "exam/knowledge_run.html", run=dry_run.found(db, web.uuid_of(run_id)))


@web.get("/knowledge/dry-runs/{run_id:str}", may="knowledge.read")
def show_run(
    request: AnyRequest, db: web.Db, run_id: FromPath[str], only: FromQuery[str] = "", page: FromQuery[int] = 1
) -> web.Page:
    """The visits of a dry run: who loses a conclusion, who gains one, on whom the rule speaks."""
    run = dry_run.found(db, web.uuid_of(run_id))
    rows, at, pages = dry_run.pages_of(found := dry_run.listed(run, only), page)
    return web.page(
        db, "exam/knowledge_dry_run.html", run=run, rows=rows, only=only if only in dry_run.LISTS else "", page=at, pages=pages,
        total=len(found), lists=dry_run.LISTS, most=dry_run.MOST_LISTED,
    )  # fmt: skip


routes = (
    show_new, show_edit, redraw, check, propose, propose_text, check_text, try_form, try_entry, try_proposal, show_progress, show_run,
)  # fmt: skip

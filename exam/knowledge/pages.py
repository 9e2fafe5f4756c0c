"""Screens of the knowledge base: the list, an entry with its history, and the proposals with their decisions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery

from exam.catalog import service as catalog
from exam.catalog.facts import Item
from exam.catalog.words import source_name
from exam.kit import web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput
from exam.kit.house import actor_of, house_of
from exam.kit.pinyin import initials
from exam.knowledge import check_form, forms, proposals, service, soundness, words
from exam.knowledge.book import KINDS, Entry, Merge, Rule
from exam.knowledge.facts import ALERT_CLASS_NAMES, AlertClass
from exam.knowledge.gate import GateCheck
from exam.knowledge.message_template import MessageTemplate
from exam.knowledge.proposals import STATE_NAMES, Proposal, Standing
from exam.knowledge.rules import condition_items

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

PAGE_SIZE = 50

MARKS = {"unapproved": "未批准", "approved": "已批准", "waiting": "有待审批", "ended": "已停用"}
HIDDEN_FACTS = ("code", "version", "approved", "valid_from", "condition", "text")


class Row(msgspec.Struct, frozen=True):
    """One entry as the list shows it."""

    code: str
    kind: str
    title: str
    summary: str
    source: str
    standing: Standing
    alert_class: AlertClass | None
    is_ended: bool


def today_of(db: web.Db) -> date:
    """The centre's day."""
    return day_of(house_of(db).clock.now())


def items_of(db: web.Db) -> Mapping[str, Item]:
    """Today's items by code."""
    return catalog.catalogue(db, today_of(db)).items


def day_in(data: Mapping[str, Any], field: str, label: str, default: date) -> date:
    """A day as a form sends it. Raises BadInput."""
    text = str(data.get(field, "")).strip()
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise BadInput([(field, f"{label}:请填写日期,例如 2026-12-01")]) from None


def whole_in(data: Mapping[str, Any], field: str) -> int:
    """A version or revision that a page carries; -1 for anything that is no number, so that it fits nothing."""
    text = str(data.get(field, ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def text_in(data: Mapping[str, Any], field: str) -> str:
    """A text as a form sends it, cut where nobody could have meant it."""
    return str(data.get(field, ""))[:2000]


# --- the list --------------------------------------------------------------------------------------------------------


@web.get("/knowledge", may="knowledge.read")
def show_list(
    request: AnyRequest, db: web.Db, q: FromQuery[str] = "", kind: FromQuery[str] = "", mark: FromQuery[str] = "",
    alert: FromQuery[str] = "", page: FromQuery[int] = 1,
) -> web.Page:  # fmt: skip
    """Every entry with its mark, by code, words or item, by kind, mark and class."""
    text = q.strip()[:50]
    everything = rows_of(db)
    found = [row for row in everything if _fits(row, text, kind, mark, alert)]
    pages = max(1, -(-len(found) // PAGE_SIZE))
    at = min(max(page, 1), pages)
    actor = actor_of(db)
    return web.page(
        db, "exam/knowledge_list.html", rows=found[(at - 1) * PAGE_SIZE : at * PAGE_SIZE], page=at, pages=pages, total=len(found), q=text,
        kind=kind if kind in KINDS else "", mark=mark if mark in MARKS else "", alert=alert, marks=MARKS, kind_names=_kinds(),
        alert_names={str(each): name for each, name in ALERT_CLASS_NAMES.items()}, counts=_counts(everything),
        may_propose=actor.may("knowledge.propose"), today=today_of(db), standing=_standing(db, everything), new_kinds=tuple(forms.NEW_KINDS),
    )  # fmt: skip


def _standing(db: web.Db, rows: list[Row]) -> list[tuple[str, str, str]]:
    """What is wrong with entries in force: code, title and sentence of each."""
    titles = {row.code: row.title for row in rows}
    return [(code, titles.get(code, code), text) for code, text in service.standing_problems(db)]


def rows_of(db: web.Db) -> list[Row]:
    """Every entry of the book as the list shows it."""
    items, today = items_of(db), today_of(db)
    found = []
    for each in proposals.newest(db):
        entry = each.version.entry
        alert = getattr(entry, "alert", None)
        alert_class = alert.alert_class if alert is not None else getattr(entry, "alert_class", None)
        is_ended = entry.valid_to is not None and entry.valid_to <= max(today, each.version.valid_from)
        found.append(
            Row(
                each.version.code, each.kind, words.title_of(entry), words.summary_of(entry, items), source_name(entry.source), each,
                alert_class, is_ended,
            )
        )  # fmt: skip
    return found


def _kinds() -> dict[str, str]:
    return {kind: words.KIND_NAMES.get(kind, kind) for kind in KINDS}


def _counts(rows: list[Row]) -> dict[str, int]:
    return {mark: sum(_has_mark(row, mark) for row in rows) for mark in MARKS}


def _has_mark(row: Row, mark: str) -> bool:
    if mark == "ended":
        return row.is_ended
    if mark == "waiting":
        return row.standing.waiting > 0
    return not row.is_ended and row.standing.version.approved is (mark == "approved")


def _fits(row: Row, text: str, kind: str, mark: str, alert: str) -> bool:
    if kind in KINDS and row.kind != kind:
        return False
    if mark in MARKS and not _has_mark(row, mark):
        return False
    if alert and str(row.alert_class or "") != alert:
        return False
    wanted = text.casefold()
    entry = row.standing.version.entry
    items = {code for _, condition in soundness.conditions_of(entry) for code in condition_items(condition)}
    return (
        not wanted
        or wanted in row.code.casefold()
        or wanted in row.title.casefold()
        or wanted in row.summary.casefold()
        or wanted in initials(row.title)
        or any(wanted == code.casefold() for code in items)
    )


# --- one entry -------------------------------------------------------------------------------------------------------


@web.get("/knowledge/entries/{code:str}", may="knowledge.read")
def show_entry(request: AnyRequest, db: web.Db, code: FromPath[str]) -> web.Page:
    """One entry: when it speaks, what it says, its examples tried now, its proposals, and every version with what it changed."""
    versions = service.history(db, code)
    newest = versions[0]
    items, today, actor = items_of(db), today_of(db), actor_of(db)
    kind = service.kind_of(newest.entry)
    of_code = proposals.proposals(db, code=code, limit=50)
    steps = [
        words.differences(versions[place + 1].entry, each.entry, items) if place + 1 < len(versions) else []
        for place, each in enumerate(versions)
    ]
    rows = {row.code: row for row in rows_of(db)}
    problems = [text for _, text in proposals.problems_of(db, newest.entry)]
    hidden = (*HIDDEN_FACTS, "examples") if kind in ("rule", "check") else HIDDEN_FACTS  # these examples have a table of their own
    return web.page(
        db, "exam/knowledge_entry.html", newest=newest, entry=newest.entry, kind=kind, kind_name=words.KIND_NAMES.get(kind, kind),
        title_words=words.title_of(newest.entry), summary=words.summary_of(newest.entry, items),
        facts=words.facts_of(newest.entry, items, hidden=hidden), examples=_tried(newest.entry, items, today), problems=problems,
        history=list(zip(versions, steps, strict=True)), approvers=_approvers(db, code, of_code), proposals=of_code,
        states=STATE_NAMES, today=today, row=rows[code], may_propose=actor.may("knowledge.propose"),
        may_approve=actor.may("knowledge.approve") and not newest.approved and newest.author != actor.name,
        next_code=_next_unapproved(rows, code), members=members_of(newest.entry, rows), tries=kind in ("rule", "merge"),
        copies="/knowledge/new?like=" if kind == "rule" else f"/knowledge/new/{kind}?like=" if kind in forms.NEW_KINDS else "",
    )  # fmt: skip


def _tried(entry: Any, items: Mapping[str, Item], on: date) -> list[tuple[str, bool, soundness.Verdict]]:
    if isinstance(entry, GateCheck):
        told = [(words.gate_example_words(each, items), each.hits) for each in entry.examples]
        return [(text, hits, verdict) for (text, hits), verdict in zip(told, check_form.tried(entry, items, on), strict=True)]
    if not isinstance(entry, Rule):
        return []
    tried = soundness.verdicts(entry, items, on)
    return [
        (words.example_words(each, items), each.fires, verdict) for each, verdict in zip(entry.examples, tried, strict=True)
    ]  # fmt: skip


def _approvers(db: web.Db, code: str, of_code: list[Proposal]) -> dict[int, str]:
    """Who approved which version: as it stands, or by deciding on the proposal that became it."""
    found = {each.base_version + 1: each.decided_by for each in of_code if each.state == proposals.APPROVED}
    return found | {version: row.name for version, row in proposals.approvals_of(db, code).items()}


def members_of(entry: Entry, rows: Mapping[str, Row]) -> list[tuple[str, str]]:
    """The entries that a merge speaks of, with what each is about; a code by itself says nothing to a doctor."""
    if not isinstance(entry, Merge):
        return []
    codes = dict.fromkeys([*entry.of, *(code for group in entry.with_one_of for code in group)])
    return [(code, rows[code].title) for code in codes if code in rows]


def _next_unapproved(rows: Mapping[str, Row], code: str) -> str:
    codes = list(rows)
    at = codes.index(code)
    return next((each for each in (*codes[at + 1 :], *codes[:at]) if _has_mark(rows[each], "unapproved")), "")


@web.post("/knowledge/entries/{code:str}/approve", may="knowledge.approve")
def approve_entry(request: AnyRequest, db: web.Db, code: FromPath[str], data: FormData) -> web.Page:
    """Signs the newest version as it stands."""
    proposals.approve_version(db, code, whole_in(data, "version"), note=text_in(data, "note"))
    return web.back_to(db, f"/knowledge/entries/{code}", toast=f"已批准 {code}")


@web.post("/knowledge/entries/{code:str}/end", may="knowledge.propose")
def end_entry(request: AnyRequest, db: web.Db, code: FromPath[str], data: FormData) -> web.Page:
    """Proposes that the entry ends on a day."""
    day = day_in(data, "valid_from", "停用日期", today_of(db))
    made = proposals.propose_end(db, code, base_version=whole_in(data, "version"), valid_from=day, reason=text_in(data, "reason"))
    return web.back_to(db, f"/knowledge/proposals/{made}", toast="已提交停用申请,等待另一位医师审批")


# --- proposals -------------------------------------------------------------------------------------------------------


@web.get("/knowledge/proposals", may="knowledge.read")
def show_proposals(request: AnyRequest, db: web.Db, show: FromQuery[str] = proposals.OPEN) -> web.Page:
    """Proposals of a state with what each changes, in words."""
    shown = show if show in STATE_NAMES else proposals.OPEN
    found = proposals.proposals(db, state=shown, limit=200)
    return web.page(
        db, "exam/knowledge_proposals.html", found=[(each, changes_of(db, each)) for each in found], state=shown, states=STATE_NAMES,
        kind_names=words.KIND_NAMES, titles={each.id: words.title_of(each.entry) for each in found}, own=actor_of(db).staff_id,
        may_approve=shown == proposals.OPEN and actor_of(db).may("knowledge.approve"),
    )  # fmt: skip


def changes_of(db: web.Db, proposal: Proposal) -> list[tuple[str, str, str]]:
    """What a proposal changes, against the version that its author saw, in words."""
    items = items_of(db)
    if proposal.base_version == 0:
        return words.differences(None, proposal.entry, items)
    versions = {each.version: each.entry for each in service.history(db, proposal.code)}
    return words.differences(versions.get(proposal.base_version), proposal.entry, items)


@web.get("/knowledge/proposals/{proposal_id:str}", may="knowledge.read")
def show_proposal(request: AnyRequest, db: web.Db, proposal_id: FromPath[str]) -> web.Page:
    """One proposal: what it changes, its examples tried now, and the decision."""
    found = proposals.proposal(db, web.uuid_of(proposal_id))
    items, today, actor = items_of(db), today_of(db), actor_of(db)
    is_own = found.author_id is not None and found.author_id == actor.staff_id
    is_open = found.state == proposals.OPEN
    held = proposals.newest_version(db, found.code)
    others = [each.id for each in proposals.proposals(db) if each.id != found.id and each.author_id != actor.staff_id]
    return web.page(
        db, "exam/knowledge_proposal.html", proposal=found, title_words=words.title_of(found.entry), changes=changes_of(db, found),
        kind_name=words.KIND_NAMES.get(found.kind, found.kind), states=STATE_NAMES, today=today, examples=_tried(found.entry, items, today),
        problems=[text for _, text in proposals.problems_of(db, found.entry)] if is_open else [], held=held,
        is_stale=is_open and held != found.base_version, is_own=is_own, begins=max(found.valid_from, today),
        may_decide=is_open and not is_own and actor.may("knowledge.approve"), may_withdraw=is_open and is_own,
        next_id=others[0] if others else None, tries=found.kind in ("rule", "merge"), summary=words.summary_of(found.entry, items),
        allows_findings=isinstance(found.entry, MessageTemplate) and found.entry.allows_findings,
    )  # fmt: skip


@web.post("/knowledge/proposals/{proposal_id:str}/approve", may="knowledge.approve")
def approve_proposal(request: AnyRequest, db: web.Db, proposal_id: FromPath[str], data: FormData) -> web.Page:
    """Makes a proposal the newest version."""
    wanted = web.uuid_of(proposal_id)
    day = day_in(data, "valid_from", "生效日期", today_of(db)) if str(data.get("valid_from", "")).strip() else None
    allows_findings = text_in(data, "allows_findings") == "yes"
    proposals.approve(db, wanted, note=text_in(data, "note"), valid_from=day, allows_findings=allows_findings)
    return web.back_to(db, f"/knowledge/proposals/{wanted}", toast="已批准")


@web.post("/knowledge/proposals/{proposal_id:str}/reject", may="knowledge.approve")
def reject_proposal(request: AnyRequest, db: web.Db, proposal_id: FromPath[str], data: FormData) -> web.Page:
    """Turns a proposal down."""
    wanted = web.uuid_of(proposal_id)
    proposals.reject(db, wanted, note=text_in(data, "note"))
    return web.back_to(db, f"/knowledge/proposals/{wanted}", toast="已退回")


@web.post("/knowledge/proposals/{proposal_id:str}/withdraw", may="knowledge.propose")
def withdraw_proposal(request: AnyRequest, db: web.Db, proposal_id: FromPath[str], data: FormData) -> web.Page:
    """Takes one's own proposal back."""
    wanted = web.uuid_of(proposal_id)
    proposals.withdraw(db, wanted)
    return web.back_to(db, f"/knowledge/proposals/{wanted}", toast="已撤回")


routes = (
    show_list, show_entry, approve_entry, end_entry, show_proposals, show_proposal, approve_proposal, reject_proposal, withdraw_proposal,
)  # fmt: skip

"""Deciding on many proposals on screen: what was ticked, what would come of it, a dry run of all together, and the one act."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from exam.kit import web
from exam.kit.errors import BadInput, Refused
from exam.knowledge import deciding, dry_run, words
from exam.knowledge.deciding import Decision
from exam.knowledge.pages import AnyRequest, FormData, changes_of, text_in, today_of


@web.post("/knowledge/decisions", may="knowledge.approve", write=False)
def review_chosen(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """The ticked proposals with what each changes and what would come of approving it; nothing is stored."""
    return _review(db, _chosen(data), {})


def _chosen(data: Mapping[str, Any]) -> list[UUID]:
    sent = data.get("chosen", [])
    return [web.uuid_of(str(each)) for each in (sent if isinstance(sent, list) else [sent])]


def _review(db: web.Db, chosen: list[UUID], sent: Mapping[str, Any], refused: BadInput | None = None) -> web.Page:
    found = deciding.foreseen(db, chosen, is_approval=True)
    turned = {each.proposal.id: each.why_not for each in deciding.foreseen(db, chosen, is_approval=False)}
    return web.page(
        db, "exam/knowledge_decisions.html", status=422 if refused else 200, refused=refused, sent=sent, is_done=False, is_approval=True,
        found=[(each, changes_of(db, each.proposal)) for each in found], turned=turned, kind_names=words.KIND_NAMES,
        titles={each.proposal.id: words.title_of(each.proposal.entry) for each in found},
        may_try=any(each.proposal.kind in dry_run.KINDS and not each.why_not for each in found),
        counts=(sum(not each.why_not for each in found), sum(not why for why in turned.values())),
    )  # fmt: skip


@web.post("/knowledge/decisions/done", may="knowledge.approve", write=False)
def decide_chosen(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Approves or turns down all that were ticked, each in a transaction of its own, and shows what became of each."""
    chosen, is_approval = _chosen(data), text_in(data, "act") == "approve"
    try:
        if text_in(data, "act") not in ("approve", "reject"):
            raise BadInput([("act", "请选择批准或退回")])
        done = deciding.decide_each(db, chosen, is_approval=is_approval, note=text_in(data, "note"))
    except BadInput as refused:
        return _review(db, chosen, data, refused)
    return _done_page(db, done, is_approval)


def _done_page(db: web.Db, done: list[Decision], is_approval: bool) -> web.Page:
    return web.page(
        db, "exam/knowledge_decisions.html", refused=None, sent={}, is_done=True, is_approval=is_approval, found=[(each, []) for each in done],
        turned={}, kind_names=words.KIND_NAMES, titles={each.proposal.id: words.title_of(each.proposal.entry) for each in done},
        may_try=False, counts=(sum(not each.why_not for each in done), 0),
    )  # fmt: skip


@web.post("/knowledge/decisions/try", may="knowledge.approve", write=False)
def try_chosen(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Begins a dry run of all ticked rules and merges together, as of the day on which the last of them begins."""
    fit = [each for each in deciding.foreseen(db, _chosen(data), is_approval=True) if not each.why_not]
    entries = [each.proposal.entry for each in fit if each.proposal.kind in dry_run.KINDS]
    if not entries:
        raise Refused("knowledge.no_dry_run", "所选申请都不产生结论,不能试运行", "结论规则和合并规则可以试运行")
    day = max([today_of(db), *(each.begins for each in fit)])
    return web.page(db, "exam/knowledge_run.html", run=dry_run.start(db, entries, day))


routes = (review_chosen, decide_chosen, try_chosen)

"""The recheck plan's own form on the reviewer's desk: it is swapped alone, so that no unsaved line is lost."""

from __future__ import annotations

import json

import msgspec
from litestar.params import FromPath

from chief_review import recheck_plan
from chief_review.pages import AnyRequest, FormData
from chief_review.plan_rules import PlanChoice
from exam.kit import web
from exam.kit.errors import BadInput, Refused
from exam.kit.forms import read_form
from exam.visits import service as visits

LABELS = {"base_number": "计划版本", "key": "项目", "after_days": "复查天数", "wanted": "勾选", "q": "增加项目", "act": "操作"}


class PlanForm(msgspec.Struct, forbid_unknown_fields=True):
    """The items in the order of the page, which of them are ticked, what was typed to add one, and the button."""

    base_number: int = 0
    key: list[str] = []
    after_days: list[int] = []
    wanted: list[str] = []
    q: str = ""
    act: str = "save"


@web.post("/chief/{visit_no:str}/rechecks", may="chief_review.write")
def save_plan(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Stores the plan; with `q` the one matching group is added, or those that match are shown to choose from."""
    form = read_form(data, PlanForm, LABELS)
    if len(form.key) != len(form.after_days):
        raise BadInput([("after_days", "提交的复查计划不完整,请刷新页面后重试")])
    visit_id = visits.find_id(db, visit_no)
    choices = [PlanChoice(key, days, key in form.wanted) for key, days in zip(form.key, form.after_days, strict=True)]
    verb, _, argument = form.act.partition(":")
    found = recheck_plan.groups_matching(db, visit_id, form.q) if verb == "save" and form.q else ()
    if verb == "save" and form.q and not found:
        raise Refused("chief_review.unknown_group", f"没有匹配“{form.q[:20]}”的项目", "请输入项目名称、拼音首字母或编号", "q")
    add = argument if verb == "add" else found[0].code if len(found) == 1 else ""
    shown = recheck_plan.save(db, visit_id, form.base_number, choices, add=add, remove=argument if verb == "remove" else "")
    if len(found) > 1:
        shown = msgspec.structs.replace(shown, found=found, q=form.q)
    return web.page(
        db, "chief_review/_rechecks.html", headers={"HX-Trigger": json.dumps({"toast": {"text": "复查计划已保存"}})},
        plan=shown, url=f"/chief/{visit_no}",
    )  # fmt: skip


routes = (save_plan,)

"""Screens of one round: its state and progress, its cohorts with their offers, booking over days, printing, and the tasks behind."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from litestar import Response
from litestar.params import FromPath, FromQuery
from sqlalchemy.orm import Session

from exam.catalog import service as catalog
from exam.catalog.entry_form import known_entries
from exam.catalog.facts import Catalogue
from exam.kit import web
from exam.kit.errors import Refused
from exam.kit.house import actor_of
from exam.kit.pinyin import initials
from exam.staff import accounts as staff
from exam.visits.facts import CATEGORY_NAMES
from group_orders import booking, company_prints, member_lists, members, progress, rounds, rules, service, tasks
from group_orders.facts import OFFER_MODE_NAMES, ORDER_STATE_NAMES, OrderState
from group_orders.forms import (
    CHOICES,
    AnyRequest,
    CohortForm,
    FindForm,
    FormData,
    OfferForm,
    PrintForm,
    ReasonForm,
    RoundForm,
    asked_days,
    offer_texts,
    read,
)
from group_orders.member_lists import MemberFilters
from group_orders.models import Cohort, GroupOrder
from group_orders.progress import MEMBER_TAB_NAMES, MemberTab
from group_orders.roster_fields import MARITAL_STATES
from registration.facts import SLIP_NAMES, SlipKind

PDF = "application/pdf"
COHORTS = "/group-orders/cohorts"
TASKS = "/group-orders/tasks"
DONE_WORDS = {"approve": "批次已审批", "return": "已退回草稿", "open": "批次已开放", "reopen": "批次已恢复", "archive": "批次已归档"}


def url_of(order_id: UUID) -> str:
    """A round's page."""
    return f"/group-orders/{order_id}"


# --- the round -------------------------------------------------------------------------------------------------------


@web.get("/group-orders/{order_id:str}", may="group_orders.read")
def show_order(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> web.Page:
    """One round: where it stands, how far it is by cohort and department, what can be done next."""
    row = members.order_row(db, web.uuid_of(order_id))
    actor = actor_of(db)
    cohorts = service.cohorts_of(db, row.id)
    is_own = row.created_by is not None and row.created_by == actor.staff_id
    return web.page(
        db, "group_orders/order.html", order=progress.round_line(db, row), row=row, url=url_of(row.id), states=ORDER_STATE_NAMES,
        contract=service.contract_row(db, row.contract_id), cohorts=_cohort_lines(db, cohorts), by_cohort=progress.by_cohort(db, row.id),
        by_department=progress.by_department(db, row.id), tabs=MEMBER_TAB_NAMES, category=CATEGORY_NAMES.get(row.category, row.category),
        names=staff.names(db, [row.created_by, row.approved_by]), is_own=is_own, tasks=tasks.tasks_of(db, row.id, 5),
        task_names=tasks.TASK_NAMES, task_states=rules.TASK.titles, can=_can(row), marital=MARITAL_STATES,
        next_days=(row.closes_on, service.contract_row(db, row.contract_id).ends_on), categories=list(CATEGORY_NAMES.items()),
    )  # fmt: skip


def _can(row: GroupOrder) -> dict[str, bool]:
    may = {action: rules.ORDER.may(row.state, action) for action in ("approve", "return", "open", "complete", "reopen", "archive")}
    takes = row.state in rules.TAKES_MEMBERS
    has_begun = row.state not in (OrderState.DRAFT, OrderState.APPROVED)
    return may | {"change": row.state == OrderState.DRAFT or takes, "members": takes, "next": has_begun}


def _cohort_lines(db: Session, cohorts: list[tuple[Cohort, Any]]) -> list[dict[str, Any]]:
    catalogue = catalog.catalogue(db, service.today_of(db))
    found = []
    for cohort, terms in cohorts:
        offer = members.offer_of(terms) if terms is not None else None
        rule = rounds.rule_of(cohort)
        found.append({
            "id": cohort.id, "name": cohort.name, "rule": rule_words(rule), "revision": terms.revision if terms is not None else 0,
            "offer": offer, "package": catalogue.packages[offer.package].name if offer and offer.package in catalogue.packages else "",
            "mode": OFFER_MODE_NAMES[offer.mode] if offer else "",
        })  # fmt: skip
    return found


def rule_words(rule: Any) -> str:
    """Whom a cohort takes, in words."""
    words = [{"M": "男", "F": "女", None: ""}[rule.sex]]
    if (rule.age_from, rule.age_to) != (0, 150):
        words.append(f"{rule.age_from}–{rule.age_to} 岁")
    words += [rule.marital or "", "、".join(rule.jobs), "、".join(rule.posts)]
    return " ".join(word for word in words if word) or "不限"


@web.post("/group-orders/{order_id:str}/approve", may="group_orders.approve")
def approve(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> web.Page:
    """A second person approves the round."""
    service.approve(db, web.uuid_of(order_id))
    return web.back_to(db, url_of(web.uuid_of(order_id)), toast=DONE_WORDS["approve"])


@web.post("/group-orders/{order_id:str}/act/{action:str}", may="group_orders.manage")
def act(request: AnyRequest, db: web.Db, order_id: FromPath[str], action: FromPath[str], data: FormData) -> web.Page:
    """Opens, returns, reopens or archives a round."""
    reason = read(data, ReasonForm).reason
    if action in ("return", "reopen") and not reason.strip():
        raise Refused("group_orders.reason_missing", "退回或恢复批次必须填写原因", "请填写原因", "reason")
    service.act(db, web.uuid_of(order_id), action, reason)
    return web.back_to(db, url_of(web.uuid_of(order_id)), toast=DONE_WORDS[action])


@web.get("/group-orders/{order_id:str}/complete", may="group_orders.manage")
def show_completion(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> web.Page:
    """Before a round is completed: who never came, by name."""
    row = members.order_row(db, web.uuid_of(order_id))
    absent = member_lists.member_list(db, row.id, MemberFilters(MemberTab.UNBOOKED), size=500)
    counts = progress.of_order(db, row.id)
    under_way = counts.booked - counts.finished
    return web.page(
        db, "group_orders/order_complete.html", order=progress.round_line(db, row), absent=absent, under_way=under_way, url=url_of(row.id)
    )


@web.post("/group-orders/{order_id:str}/complete", may="group_orders.manage")
def complete(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """The round is over (T19)."""
    gone = service.complete(db, web.uuid_of(order_id), read(data, ReasonForm).reason)
    return web.back_to(db, url_of(web.uuid_of(order_id)), toast=f"批次已完成,未到检 {gone} 人已移出名单")


@web.post("/group-orders/{order_id:str}/next", may="group_orders.manage")
def next_round(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """The next round, with this one's cohorts."""
    row = members.order_row(db, web.uuid_of(order_id))
    next_id, missing = rounds.next_round(db, row.id, read(data, RoundForm).order(row.contract_id))
    told = f";分组“{'、'.join(missing)}”的方案含已停用项目,请重新设置" if missing else ""
    return web.back_to(db, url_of(next_id), toast=f"下一批次已建立,已沿用分组和方案{told}")


# --- cohorts ---------------------------------------------------------------------------------------------------------


@web.post("/group-orders/{order_id:str}/cohorts", may="group_orders.manage")
def add_cohort(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """A new cohort; its offer comes next."""
    cohort_id = service.add_cohort(db, web.uuid_of(order_id), read(data, CohortForm).cohort)
    return web.back_to(db, f"{COHORTS}/{cohort_id}", toast="分组已建立,请设置体检方案")


@web.get(f"{COHORTS}/{{cohort_id:str}}", may="group_orders.read")
def show_cohort(request: AnyRequest, db: web.Db, cohort_id: FromPath[str]) -> web.Page:
    """A cohort: its rule, what it gets with a live price preview, and every version with its reason."""
    cohort = service.cohort_row(db, web.uuid_of(cohort_id))
    order = members.order_row(db, cohort.order_id)
    versions = rounds.versions(db, cohort.id)
    catalogue = catalog.catalogue(db, service.today_of(db))
    offers = [members.offer_of(each) for each in versions]
    rule = rounds.rule_of(cohort)
    texts = {"mode": "items", "factor": "1", "extras_factor": "1", "extras_payer": "person"}
    return web.page(
        db, "group_orders/cohort.html", cohort=cohort, order=progress.round_line(db, order), rule=rule, rule_words=rule_words(rule),
        versions=list(zip(versions, (_told(offer, catalogue) for offer in offers), strict=True)),
        names=staff.names(db, [each.actor_id for each in versions]), modes=list(OFFER_MODE_NAMES.items()),
        texts=texts | (offer_texts(offers[0], catalogue) if offers else {}), choice_rows=range(1, CHOICES + 1),
        shown_choices=min(len(offers[0].choices) + 1, CHOICES) if offers else 1, known=known_entries(catalogue)["group"],
        packages=_packages(catalogue), marital=MARITAL_STATES, url=f"{COHORTS}/{cohort.id}", order_url=url_of(order.id),
        counts=progress.by_cohort(db, order.id).get(cohort.id, progress.Counts()), can=_can(order), today=service.today_of(db),
        may_manage=actor_of(db).may("group_orders.manage"), last_texts=texts,
    )  # fmt: skip


def _packages(catalogue: Catalogue) -> list[dict[str, str]]:
    return [{"code": code, "name": f"{each.name}", "initials": initials(each.name)} for code, each in catalogue.packages.items()]


def _told(offer: Any, catalogue: Catalogue) -> list[str]:
    """What an offer says, in words."""
    def named(codes: Any) -> str:
        return "、".join(catalogue.groups[code].name if code in catalogue.groups else code for code in codes)

    found = [OFFER_MODE_NAMES[offer.mode]]
    if offer.package:
        found.append(f"套餐 {catalogue.packages[offer.package].name if offer.package in catalogue.packages else offer.package}")
    if offer.groups:
        found.append(f"项目 {named(offer.groups)}")
    found += [f"{choice.label}({len(choice.groups)} 选 {choice.choose}):{named(choice.groups)}" for choice in offer.choices]
    if offer.package_fen is not None:
        found.append(f"协议价 {offer.package_fen / 100:.2f}")
    if offer.factor != "1":
        found.append(f"系数 {offer.factor}")
    found += [f"{named([code])} 系数 {factor}" for code, factor in offer.group_factors.items()]
    if offer.limit_fen is not None:
        found.append(f"每人上限 {offer.limit_fen / 100:.2f}")
    extras = f" 系数 {offer.extras_factor}" if offer.extras_factor != "1" else ""
    found.append(f"加项{'单位' if offer.extras_payer == 'organization' else '个人'}付{extras}")
    if offer.valid_from or offer.valid_until:
        found.append(f"有效期 {offer.valid_from or ''} 至 {offer.valid_until or ''}")
    return found


@web.post(f"{COHORTS}/{{cohort_id:str}}", may="group_orders.manage")
def change_cohort(request: AnyRequest, db: web.Db, cohort_id: FromPath[str], data: FormData) -> web.Page:
    """Changes whom a cohort takes."""
    form = read(data, CohortForm)
    rounds.change_cohort(db, web.uuid_of(cohort_id), form.cohort, form.ver)
    return web.back_to(db, f"{COHORTS}/{web.uuid_of(cohort_id)}", toast="分组条件已保存")


@web.post(f"{COHORTS}/{{cohort_id:str}}/drop", may="group_orders.manage")
def drop_cohort(request: AnyRequest, db: web.Db, cohort_id: FromPath[str]) -> web.Page:
    """Takes an empty cohort out of the round."""
    cohort = service.cohort_row(db, web.uuid_of(cohort_id))
    rounds.drop_cohort(db, cohort.id)
    return web.back_to(db, url_of(cohort.order_id), toast="分组已停用")


@web.post(f"{COHORTS}/{{cohort_id:str}}/offer", may="group_orders.manage")
def set_offer(request: AnyRequest, db: web.Db, cohort_id: FromPath[str], data: FormData) -> web.Page:
    """A new version of what a cohort gets."""
    form = read(data, OfferForm)
    offer = form.offer(catalog.catalogue(db, service.today_of(db)))
    service.set_offer(db, web.uuid_of(cohort_id), offer, form.reason)
    return web.back_to(db, f"{COHORTS}/{web.uuid_of(cohort_id)}", toast="方案已保存;已在名单中的人员保持原方案")


@web.post(f"{COHORTS}/{{cohort_id:str}}/offer/preview", may="group_orders.read", write=False)
def preview_offer(request: AnyRequest, db: web.Db, cohort_id: FromPath[str], data: FormData) -> web.Page:
    """What the offer that is being typed comes to, for somebody and for typical members."""
    cohort = service.cohort_row(db, web.uuid_of(cohort_id))
    order, rule = members.order_row(db, cohort.order_id), rounds.rule_of(cohort)
    quotes, problems, own = [], [], None
    try:
        form = read(data, OfferForm)
        offer = form.offer(catalog.catalogue(db, service.today_of(db)))
        quotes = rounds.quote(db, order, offer, rounds.samples_of(rule))
        if form.sample_age is not None and 0 <= form.sample_age <= 120:
            own = rounds.quote(db, order, offer, [rounds.Sample(form.sample_sex or rule.sex or "M", form.sample_age)])[0]
    except Refused as refused:
        problems = [text for _, text in getattr(refused, "problems", [("", refused.text)])]
    marital = str(data.get("sample_marital", ""))[:10]
    return web.page(db, "group_orders/cohort_preview.html", quotes=quotes, own=own, problems=problems, marital=marital)


# --- booking over days, reminding ------------------------------------------------------------------------------------


@web.get("/group-orders/{order_id:str}/booking", may="group_orders.book")
def show_booking(
    request: AnyRequest, db: web.Db, order_id: FromPath[str], who: FromQuery[MemberTab] = MemberTab.UNBOOKED, cohort: FromQuery[str] = "",
    department: FromQuery[str] = "", day: FromQuery[date | None] = None,
) -> web.Page:  # fmt: skip
    """Whom to book, and the days with their places."""
    row = members.order_row(db, web.uuid_of(order_id))
    data = {"tab": who.value, "cohort": cohort, "department": department, "day": day.isoformat() if day else ""}
    form = read(data, FindForm)
    return web.page(
        db, "group_orders/order_booking.html", order=progress.round_line(db, row), url=url_of(row.id), days=booking.days(db, row),
        chosen=len(member_lists.chosen(db, row.id, form.filters)), who=who, fields=data, takes=row.state in rules.TAKES_MEMBERS,
        cohorts=[(each.id, each.name) for each, _ in service.cohorts_of(db, row.id)], departments=_departments(db, row.id),
        booked=progress_days(db, row.id),
    )  # fmt: skip


def progress_days(db: Session, order_id: UUID) -> list[tuple[date, int]]:
    """The days on which a round's members are booked."""
    return list(member_lists.booked_days(db, order_id).items())


def _departments(db: Session, order_id: UUID) -> list[tuple[str, str]]:
    return [(each or "-", each or "未填部门") for each in member_lists.departments(db, order_id)]


@web.post("/group-orders/{order_id:str}/booking/preview", may="group_orders.book", write=False)
def preview_booking(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """How the chosen members would fall on the days."""
    plan, problem = None, None
    try:
        plan = booking.plan(db, web.uuid_of(order_id), _who(data), asked_days(data))
    except Refused as refused:
        problem = refused
    return web.page(db, "group_orders/order_booking_plan.html", plan=plan, problem=problem)


def _who(data: dict[str, Any]) -> MemberFilters:
    return read({name: data[name] for name in ("tab", "cohort", "department", "day") if name in data}, FindForm).filters


@web.post("/group-orders/{order_id:str}/booking", may="group_orders.book")
def book(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """Books everybody as the preview showed it."""
    task_id = booking.book(db, web.uuid_of(order_id), _who(data), asked_days(data))
    return web.back_to(db, f"{TASKS}/{task_id}", toast="已开始批量预约")


@web.post("/group-orders/{order_id:str}/unbooking", may="group_orders.book")
def unbook(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """Takes the days of the chosen members back."""
    task_id = booking.unbook(db, web.uuid_of(order_id), _who(data), read({"reason": data.get("reason", "")}, ReasonForm).reason)
    return web.back_to(db, f"{TASKS}/{task_id}", toast="已开始取消预约")


@web.post("/group-orders/{order_id:str}/remind", may="group_orders.book")
def remind(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """One SMS to everybody who has not come."""
    task_id = booking.remind(db, web.uuid_of(order_id), read({name: value for name, value in data.items() if name != "page"}, FindForm).filters)
    return web.back_to(db, f"{TASKS}/{task_id}", toast="已开始发送提醒")


# --- printing --------------------------------------------------------------------------------------------------------


@web.get("/group-orders/{order_id:str}/print", may="group_orders.book")
def show_printing(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> web.Page:
    """What to print for whom, and the files that are kept."""
    row = members.order_row(db, web.uuid_of(order_id))
    files = [each for each in tasks.tasks_of(db, row.id, 30) if each.kind == tasks.PRINT]
    return web.page(
        db, "group_orders/order_print.html", order=progress.round_line(db, row), url=url_of(row.id), files=files, slips=SLIP_NAMES,
        kinds=[(kind.value, SLIP_NAMES[kind]) for kind in (SlipKind.GUIDE_SHEET, SlipKind.LABEL)], orders=list(company_prints.ORDERS.items()),
        cohorts=[(each.id, each.name) for each, _ in service.cohorts_of(db, row.id)], departments=_departments(db, row.id),
        days=[(day.isoformat(), f"{day.isoformat()} {count} 人") for day, count in progress_days(db, row.id)], task_states=rules.TASK.titles,
        kept_days=company_prints.KEPT.days,
    )  # fmt: skip


@web.post("/group-orders/{order_id:str}/print", may="group_orders.book")
def start_printing(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """Asks for one file."""
    form = read(data, PrintForm)
    kind = next((each for each in SlipKind if each.value == form.kind), SlipKind.REQUEST_FORM)
    task_id = company_prints.start(db, web.uuid_of(order_id), kind, form.filters, form.order)
    return web.back_to(db, f"{TASKS}/{task_id}", toast="已开始生成打印文件")


# --- tasks -----------------------------------------------------------------------------------------------------------


@web.get(f"{TASKS}/{{task_id:str}}", may="group_orders.book")
def show_task(request: AnyRequest, db: web.Db, task_id: FromPath[str]) -> web.Page:
    """A task with its progress; the fragment swaps itself while it goes on."""
    found = tasks.task(db, web.uuid_of(task_id))
    row = members.order_row(db, found.order_id)
    template = "group_orders/order_task_progress.html" if request.headers.get("hx-request") else "group_orders/order_task.html"
    return web.page(
        db, template, task=found, order=progress.round_line(db, row), url=url_of(row.id), task_names=tasks.TASK_NAMES,
        task_states=rules.TASK.titles, slips=SLIP_NAMES, held=tasks.held_back(db, found.id) if found.kind == tasks.REMIND else [],
    )  # fmt: skip


@web.post(f"{TASKS}/{{task_id:str}}/{{action:str}}", may="group_orders.book")
def act_on_task(request: AnyRequest, db: web.Db, task_id: FromPath[str], action: FromPath[str]) -> web.Page:
    """Stops a task, or goes on with one that was stopped by a fault."""
    tasks.act(db, web.uuid_of(task_id), action)
    return web.back_to(db, f"{TASKS}/{web.uuid_of(task_id)}", toast="已停止" if action == "cancel" else "已继续")


@web.get(f"{TASKS}/{{task_id:str}}/file", may="group_orders.book")
def download_file(request: AnyRequest, db: web.Db, task_id: FromPath[str]) -> Response[bytes]:
    """A print's file."""
    content, name = company_prints.file_of(db, web.uuid_of(task_id))
    return web.download(content, name, PDF, inline=True)


routes = (
    show_order, approve, act, show_completion, complete, next_round, add_cohort, show_cohort, change_cohort, drop_cohort, set_offer,
    preview_offer, show_booking, preview_booking, book, unbook, remind, show_printing, start_printing, show_task, act_on_task, download_file,
)  # fmt: skip

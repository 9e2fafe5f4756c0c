"""Screens of discounts: given at the counter, decided by a second person, and the limits and schemes behind them."""

from __future__ import annotations

from litestar.params import FromPath
from sqlalchemy import select

from billing import cashier_lists, discounting
from billing.cashier_forms import DecisionForm, DiscountForm, LimitForm, NewSchemeForm, ReasonForm, SchemeForm, read
from billing.cashier_pages import AnyRequest, FormData, address_of
from billing.discount_rules import newest_limits
from billing.facts import DiscountKind
from exam.kit import web
from exam.kit.clock import day_of
from exam.kit.house import house_of
from exam.kit.money import fen_from_yuan
from exam.staff.models import Role
from exam.visits import service as visits

KIND_NAMES = {DiscountKind.BOOKING: "预约打折", DiscountKind.MANUAL: "手工打折", DiscountKind.WAIVER: "已执行退费"}


@web.post("/cashier/visits/{visit_no:str}/discounts", may="billing.discount")
def give(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """A discount by hand; beyond the giver's own limit it waits for a second person."""
    form = read(data, DiscountForm)
    card = visits.card_of(db, visit_no)
    total_fen = fen_from_yuan(form.total, "total") if form.total else None
    given = discounting.give(db, card.id, form.reason, line_id=form.line, factor=form.factor or None, total_fen=total_fen)
    toast = "已打折" if given.discount_id else "超出本人权限,已提交审批"
    return web.back_to(db, address_of(card.visit_no), toast=toast)


@web.post("/cashier/visits/{visit_no:str}/discounts/{discount_id:str}/undo", may="billing.discount")
def undo(request: AnyRequest, db: web.Db, visit_no: FromPath[str], discount_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a discount back."""
    card = visits.card_of(db, visit_no)
    discounting.undo(db, card.id, web.uuid_of(discount_id), read(data, ReasonForm).text)
    return web.back_to(db, address_of(card.visit_no), toast="已撤销折扣")


@web.post("/cashier/visits/{visit_no:str}/scheme", may="billing.discount")
def choose_scheme(request: AnyRequest, db: web.Db, visit_no: FromPath[str], data: FormData) -> web.Page:
    """Gives the visit a booking scheme, or takes it off."""
    form = read(data, SchemeForm)
    card = visits.card_of(db, visit_no)
    discounting.apply_scheme(db, card.id, form.scheme)
    return web.back_to(db, address_of(card.visit_no), toast="已更新预约打折方案")


@web.get("/cashier/approvals", may="billing.approve")
def show_approvals(request: AnyRequest, db: web.Db) -> web.Page:
    """What waits for a second person, and what was decided last."""
    waiting, decided = discounting.waiting(db), discounting.decided(db)
    people = [each.actor_id for each in (*waiting, *decided)] + [each.decided_by for each in decided]
    cards = {card.id: card for card in visits.cards(db, list({each.visit_id for each in (*waiting, *decided)}))}
    return web.page(
        db, "billing/cashier_approvals.html", waiting=waiting, decided=decided, cards=cards, names=cashier_lists.names_of(db, people),
        kinds=KIND_NAMES, total=discounting.waiting_count(db),
    )  # fmt: skip


@web.post("/cashier/approvals/{request_id:str}", may="billing.approve")
def decide(request: AnyRequest, db: web.Db, request_id: FromPath[str], data: FormData) -> web.Page:
    """Says yes or no."""
    form = read(data, DecisionForm)
    is_approved = form.is_approved == "yes"
    discounting.decide(db, web.uuid_of(request_id), is_approved=is_approved, reason=form.reason)
    return web.back_to(db, "/cashier/approvals", toast="已批准" if is_approved else "已驳回")


@web.get("/cashier/discounts", may="billing.keep_discounts")
def show_settings(request: AnyRequest, db: web.Db) -> web.Page:
    """How much each role may take off, and the booking schemes."""
    today = day_of(house_of(db).clock.now())
    limits = discounting.limits(db)
    roles = list(db.execute(select(Role.code, Role.name).order_by(Role.code)))
    return web.page(
        db, "billing/cashier_discounts.html", now=newest_limits(limits, today), later=[each for each in limits if each.valid_from > today],
        roles=[(role.code, role.name) for role in roles], schemes=discounting.schemes(db), today=today,
    )  # fmt: skip


@web.post("/cashier/discounts/limits", may="billing.keep_discounts")
def set_limit(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """A role's new limit from a day on."""
    form = read(data, LimitForm)
    discounting.set_limit(db, form.role, form.least_factor, form.valid_from, form.source)
    return web.back_to(db, "/cashier/discounts", toast="已登记打折权限")


@web.post("/cashier/discounts/schemes", may="billing.keep_discounts")
def put_scheme(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """A booking scheme or a new version of one."""
    form = read(data, NewSchemeForm)
    discounting.put_scheme(
        db, form.code, form.name, form.factor, stackable=bool(form.stackable), valid_from=form.valid_from, valid_until=form.valid_until,
        source=form.source,
    )  # fmt: skip
    return web.back_to(db, "/cashier/discounts", toast="已登记预约打折方案")


routes = (give, undo, choose_scheme, show_approvals, decide, show_settings, set_limit, put_scheme)

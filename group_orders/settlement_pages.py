"""Screens of settlements: records, what is not settled, arrears, one round's money, a draft, one settlement and its papers."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from sqlalchemy.orm import Session

from billing.facts import ACCOUNT_NAMES, AccountKind
from billing.receipt_facts import Part
from exam.kit import audit, web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput
from exam.kit.forms import read_form
from exam.kit.house import house_of
from exam.kit.idempotency import once
from exam.kit.money import fen_from_yuan
from exam.kit.sheets import XLSX, workbook
from exam.people import service as people
from group_orders import members, prepaying, service, settling, statement, statement_paper
from group_orders import settlement_lists as lists
from group_orders.facts import BILLABLE_WHEN_NAMES, ORDER_STATE_NAMES, SETTLED_BY_NAMES
from group_orders.models import GroupOrder
from group_orders.settlement_drafts import Draft
from group_orders.settlement_facts import (
    PREPAYMENT_NAMES,
    SETTLEMENT_KIND_NAMES,
    SETTLEMENT_STATE_NAMES,
    VERDICT_NAMES,
    SettledMember,
    SettlementKind,
    SettlementState,
)

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

READ, SETTLE, APPROVE = "billing.read", "billing.settle", "billing.approve_settlement"
PAGE_SIZE = 50
TONES = {
    SettlementState.DRAFT: "grey", SettlementState.PROPOSED: "amber", SettlementState.RETURNED: "grey", SettlementState.APPROVED: "blue",
    SettlementState.PAID: "green", SettlementState.VOID: "red",
}  # fmt: skip
DESK_METHODS = (AccountKind.TRANSFER, AccountKind.BANK_CARD, AccountKind.CASH, AccountKind.WINDOW)
"""How a company pays at our desk: each way that no gateway has to answer for."""
WORDS: dict[str, Any] = {
    "kinds": SETTLEMENT_KIND_NAMES, "states": SETTLEMENT_STATE_NAMES, "tones": TONES, "whens": BILLABLE_WHEN_NAMES, "bys": SETTLED_BY_NAMES,
    "order_states": ORDER_STATE_NAMES, "methods": [(kind.value, ACCOUNT_NAMES[kind]) for kind in DESK_METHODS],
}  # fmt: skip
LABELS = {
    "kind": "结算类型", "until_on": "到检截止日期", "prepaid": "使用预缴", "remark": "备注", "reason": "原因", "amount": "金额", "method": "方式",
    "reference": "凭证号", "to_order_id": "转入批次", "digest": "草稿", "key": "提交标识",
}  # fmt: skip


def day_or_none(text: str, field: str = "") -> date | None:
    """A day of a query or form; nothing where nothing is typed. Refuses what is no day."""
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise BadInput([(field, "日期格式应为 2026-11-21")]) from None


def _today(db: Session) -> date:
    return day_of(house_of(db).clock.now())


def count_of(text: str) -> int:
    """A page's number, 1 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 7 else 1


# --- lists -------------------------------------------------------------------------------------------------------------


@web.get("/settlements", may=READ)
def show_settlements(
    request: AnyRequest, db: web.Db, tab: FromQuery[str] = "open", q: FromQuery[str] = "", since: FromQuery[str] = "",
    until: FromQuery[str] = "", page: FromQuery[str] = "1",
) -> web.Page:  # fmt: skip
    """Settlements by state, words and days."""
    tab = tab if tab in lists.TABS else "open"
    query = lists.Query(tab, q.strip()[:64], day_or_none(since, "since"), day_or_none(until, "until"))
    return web.page(
        db, "group_orders/settlements.html", found=lists.find(db, query, count_of(page)), query=query, tabs=lists.TABS, **WORDS
    )


@web.get("/settlements/export", may=READ)
def export_settlements(
    request: AnyRequest, db: web.Db, tab: FromQuery[str] = "all", q: FromQuery[str] = "", since: FromQuery[str] = "",
    until: FromQuery[str] = "",
) -> Response[bytes]:  # fmt: skip
    """The list as a workbook, all pages."""
    query = lists.Query(tab if tab in lists.TABS else "all", q, day_or_none(since, "since"), day_or_none(until, "until"))
    found = lists.find(db, query, 1, lists.EXPORT_MOST)
    audit.read(db, "group_orders.export_settlements", "settlements")
    return web.download(statement.settlements_workbook(found.settlements), f"结算记录 {_today(db)}.xlsx", XLSX)


@web.get("/settlements/unsettled", may=READ)
def show_unsettled(request: AnyRequest, db: web.Db, q: FromQuery[str] = "", page: FromQuery[str] = "1") -> web.Page:
    """Rounds with what is settled of them and what not."""
    found = lists.unsettled(db, q, count_of(page))
    return web.page(db, "group_orders/settle_rounds.html", found=found, q=q.strip()[:64], tabs=lists.TABS, **WORDS)


@web.get("/settlements/unsettled/export", may=READ)
def export_unsettled(request: AnyRequest, db: web.Db, q: FromQuery[str] = "") -> Response[bytes]:
    """The same as a workbook, all pages."""
    header = (
        "批次号",
        "批次",
        "单位",
        "状态",
        "截止日期",
        "单位应承担(元)",
        "已结算(元)",
        "其中待审核(元)",
        "未结算(元)",
        "预缴余额(元)",
    )
    rows = [
        (each.order_no, each.name, each.organization, ORDER_STATE_NAMES[each.state], each.closes_on.isoformat(),
         *(fen / 100 for fen in (each.charged_fen, each.settled_fen, each.waiting_fen, each.unsettled_fen, each.prepaid_fen)))
        for each in lists.unsettled(db, q, 1, lists.EXPORT_MOST).rounds
    ]  # fmt: skip
    audit.read(db, "group_orders.export_unsettled", "settlements")
    return web.download(workbook([("已结未结", header, rows)]), f"团检已结未结 {_today(db)}.xlsx", XLSX)


@web.get("/settlements/arrears", may=READ)
def show_arrears(request: AnyRequest, db: web.Db, organization: FromQuery[str] = "", age: FromQuery[str] = "") -> web.Page:
    """Who owes for how long; of one organisation or age the settlements behind it."""
    chosen, place = _chosen(organization, age)
    debtors = lists.arrears(db)
    return web.page(
        db, "group_orders/settle_arrears.html", debtors=debtors, ages=lists.AGE_NAMES, organization=chosen, age=place,
        name=people.organization_name(db, chosen) if chosen else "", today=_today(db), tabs=lists.TABS,
        behind=lists.owing(db, chosen, place) if chosen or place is not None else (), unmatched=lists.unmatched_by_age(db), **WORDS,
    )  # fmt: skip


def _chosen(organization: str, age: str) -> tuple[UUID | None, int | None]:
    place = int(age) if age.isascii() and age.isdigit() and int(age) < len(lists.AGE_NAMES) else None
    return (web.uuid_of(organization) if organization else None), place


@web.get("/settlements/arrears/export", may=READ)
def export_arrears(request: AnyRequest, db: web.Db) -> Response[bytes]:
    """The arrears and the settlements behind them as a workbook."""
    debtors = [
        (each.name, *(fen / 100 for fen in each.by_age), each.owed_fen / 100, each.settlements) for each in lists.arrears(db)
    ]
    behind = [
        (each.organization, each.settlement_no, f"{each.order_no} {each.order_name}", each.sums.receivable_fen / 100, each.paid_fen / 100,
         each.rest_fen / 100, day_of(each.approved_at or each.proposed_at).isoformat(),
         (_today(db) - day_of(each.approved_at or each.proposed_at)).days)
        for each in lists.owing(db)
    ]  # fmt: skip
    names = ("单位", *(f"{name}(元)" for name in lists.AGE_NAMES), "合计(元)", "结算单数")
    details = ("单位", "结算单号", "批次", "应付(元)", "已收(元)", "未收(元)", "审核日期", "账龄(天)")
    audit.read(db, "group_orders.export_arrears", "settlements")
    return web.download(
        workbook([("欠款账龄", names, debtors), ("结算单", details, behind)]), f"单位欠款账龄 {_today(db)}.xlsx", XLSX
    )


# --- one round ---------------------------------------------------------------------------------------------------------


@web.get("/group-orders/{order_id:str}/settlements", may=READ)
def show_round(request: AnyRequest, db: web.Db, order_id: FromPath[str]) -> web.Page:
    """A round's money: what was settled, what was paid ahead, what may be done now."""
    order = members.order_row(db, web.uuid_of(order_id))
    contract = service.contract_row(db, order.contract_id)
    made = lists.of_round(db, order.id)
    return web.page(
        db, "group_orders/settle_round.html", order=order, organization=people.organization_name(db, order.organization_id),
        contract=contract, settlements=made, history=prepaying.history(db, order.id), balance_fen=prepaying.balance(db, order.id),
        waiting=next((each for each in made if each.state is SettlementState.PROPOSED), None),
        may=settling.may_be_settled(order.state), takes=order.state in prepaying.TAKES_PREPAYMENT, next_rounds=prepaying.next_rounds(db, order.id),
        sums=_sums_of(db, order), acts=PREPAYMENT_NAMES, key=house_of(db).ids.new().hex, url=f"/group-orders/{order.id}", **WORDS,
    )  # fmt: skip


def _sums_of(db: Session, order: GroupOrder) -> dict[str, int]:
    made = [each for each in lists.of_round(db, order.id) if each.state in (SettlementState.APPROVED, SettlementState.PAID)]
    return {
        "charged": lists.charged_of(db, order.id), "settled": sum(each.sums.lines_fen for each in made),
        "due": sum(each.sums.due_fen for each in made), "rest": sum(each.rest_fen for each in made),
    }  # fmt: skip


class DraftForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A draft to be proposed as it was seen."""

    kind: SettlementKind
    digest: str
    until_on: date | None = None
    prepaid: str = ""
    remark: Annotated[str, msgspec.Meta(max_length=200)] = ""


@web.get("/group-orders/{order_id:str}/settlements/draft", may=SETTLE)
def show_draft(
    request: AnyRequest, db: web.Db, order_id: FromPath[str], kind: FromQuery[str] = "", until_on: FromQuery[str] = "",
    q: FromQuery[str] = "", page: FromQuery[str] = "1",
) -> web.Page:  # fmt: skip
    """What a settlement would be now, member by member and line by line; nothing is stored."""
    order = members.order_row(db, web.uuid_of(order_id))
    allowed = settling.may_be_settled(order.state)
    chosen = SettlementKind(kind) if kind in tuple(SettlementKind) else allowed[0] if allowed else SettlementKind.INTERIM
    until = day_or_none(until_on, "until_on")
    seen = settling.preview(db, order.id, chosen, until)
    words = q.strip()[:64]
    found = [each for each in seen.members if _is_meant(each, words)]
    pages = max(-(-len(found) // PAGE_SIZE), 1)
    at = min(count_of(page), pages)
    return web.page(
        db, "group_orders/settle_draft.html", order=order, draft=seen, organization=people.organization_name(db, order.organization_id),
        members=found[(at - 1) * PAGE_SIZE : at * PAGE_SIZE], total=len(found), page=at, pages=pages, q=words, allowed=allowed,
        kind_options=[(each.value, SETTLEMENT_KIND_NAMES[each]) for each in allowed],
        verdicts=VERDICT_NAMES, cohorts=_by_cohort(seen), url=f"/group-orders/{order.id}/settlements", **WORDS,
    )  # fmt: skip


def _is_meant(member: SettledMember, words: str) -> bool:
    return not words or words in member.name or words in (member.employee_no, member.visit_no, member.cohort)


def _by_cohort(seen: Draft) -> list[tuple[str, int, int, int]]:
    """Each cohort with how many members, how many lines, and what they come to in fen."""
    found: dict[str, list[int]] = {}
    for each in seen.members:
        sums = found.setdefault(each.cohort, [0, 0, 0])
        for place, more in enumerate((1, len(each.lines), each.amount_fen)):
            sums[place] += more
    return [(name, *sums) for name, sums in found.items()]  # type: ignore[misc]


@web.post("/group-orders/{order_id:str}/settlements", may=SETTLE)
def propose(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """Proposes the draft that was seen."""
    form = read_form(data, DraftForm, LABELS)
    prepaid_fen = fen_from_yuan(form.prepaid, "prepaid") if form.prepaid.strip() else None
    settlement_id = settling.propose(db, web.uuid_of(order_id), form.kind, form.until_on, form.digest, prepaid_fen, form.remark)
    return web.back_to(db, f"/settlements/{settlement_id}", toast="已提交审核")


# --- prepayments -------------------------------------------------------------------------------------------------------


class MoneyForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money taken at the desk."""

    amount: str
    method: AccountKind
    key: str
    reference: str = ""


class OutForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prepayment sent back by bank, or carried over."""

    amount: str
    key: str
    reason: str = ""
    reference: str = ""
    to_order_id: str = ""


def part_of(form: MoneyForm) -> Part:
    """What was typed as a part of a receipt. Refuses a way that is not taken here."""
    if form.method not in DESK_METHODS:
        raise BadInput([("method", "请选择收款方式")])
    return Part(method=form.method, amount_fen=fen_from_yuan(form.amount), reference=form.reference)


@web.post("/group-orders/{order_id:str}/prepayment", may=SETTLE)
def take_prepayment(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a prepayment; sent twice, once."""
    form, order = read_form(data, MoneyForm, LABELS), web.uuid_of(order_id)
    once(db, form.key, (order, form), UUID, lambda: prepaying.take(db, order, part_of(form)))
    return web.back_to(db, f"/group-orders/{order}/settlements", toast="已收预缴款")


@web.post("/group-orders/{order_id:str}/prepayment/refund", may=APPROVE)
def refund_prepayment(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """Records that a rest was sent back by bank; sent twice, once."""
    form, order = read_form(data, OutForm, LABELS), web.uuid_of(order_id)
    amount_fen = fen_from_yuan(form.amount)
    once(db, form.key, (order, form), UUID, lambda: prepaying.refund(db, order, amount_fen, form.reference, form.reason))
    return web.back_to(db, f"/group-orders/{order}/settlements", toast="已登记退款")


@web.post("/group-orders/{order_id:str}/prepayment/carry", may=SETTLE)
def carry_prepayment(request: AnyRequest, db: web.Db, order_id: FromPath[str], data: FormData) -> web.Page:
    """Carries a rest to another round; sent twice, once."""
    form, order = read_form(data, OutForm, LABELS), web.uuid_of(order_id)
    if not form.to_order_id:
        raise BadInput([("to_order_id", "请选择转入的批次")])
    to, amount_fen = web.uuid_of(form.to_order_id), fen_from_yuan(form.amount)
    once(db, form.key, (order, form), UUID, lambda: prepaying.carry_over(db, order, to, amount_fen, form.reason))
    return web.back_to(db, f"/group-orders/{order}/settlements", toast="已结转")


# --- one settlement ----------------------------------------------------------------------------------------------------


@web.get("/settlements/{settlement_id:str}", may=READ)
def show_settlement(
    request: AnyRequest, db: web.Db, settlement_id: FromPath[str], q: FromQuery[str] = "", page: FromQuery[str] = "1"
) -> web.Page:
    """One settlement: its sums, its acts, what was paid for it, its members and lines."""
    made = lists.get(db, web.uuid_of(settlement_id))
    return web.page(
        db, "group_orders/settlement.html", made=made, found=lists.members_of(db, made.id, q, count_of(page)), q=q.strip()[:64],
        payments=lists.payments_of(db, made.id), totals=statement.totals_of(statement.Statement(made, (), "", made.proposed_at)),
        key=house_of(db).ids.new().hex, url=f"/settlements/{made.id}", **WORDS,
    )  # fmt: skip


class ReasonForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why something is taken back."""

    reason: Annotated[str, msgspec.Meta(max_length=200)]


@web.post("/settlements/{settlement_id:str}/approve", may=APPROVE)
def approve(request: AnyRequest, db: web.Db, settlement_id: FromPath[str]) -> web.Page:
    """A second person approves."""
    settling.approve(db, web.uuid_of(settlement_id))
    return web.back_to(db, f"/settlements/{settlement_id}", toast="已审核")


@web.post("/settlements/{settlement_id:str}/return", may=SETTLE)
def send_back(request: AnyRequest, db: web.Db, settlement_id: FromPath[str], data: FormData) -> web.Page:
    """Returns or withdraws a proposal."""
    settling.send_back(db, web.uuid_of(settlement_id), read_form(data, ReasonForm, LABELS).reason)
    return web.back_to(db, f"/settlements/{settlement_id}", toast="已退回")


@web.post("/settlements/{settlement_id:str}/void", may=APPROVE)
def void(request: AnyRequest, db: web.Db, settlement_id: FromPath[str], data: FormData) -> web.Page:
    """Takes an approved settlement back."""
    settling.void(db, web.uuid_of(settlement_id), read_form(data, ReasonForm, LABELS).reason)
    return web.back_to(db, f"/settlements/{settlement_id}", toast="已作废")


@web.post("/settlements/{settlement_id:str}/pay", may=SETTLE)
def pay(request: AnyRequest, db: web.Db, settlement_id: FromPath[str], data: FormData) -> web.Page:
    """Takes money for a settlement at the desk; sent twice, once."""
    form, settlement = read_form(data, MoneyForm, LABELS), web.uuid_of(settlement_id)
    once(db, form.key, (settlement, form), UUID, lambda: settling.pay_at_desk(db, settlement, part_of(form)))
    return web.back_to(db, f"/settlements/{settlement}", toast="已收款")


@web.get("/settlements/{settlement_id:str}/statement/{form:str}", may=READ)
def download_statement(request: AnyRequest, db: web.Db, settlement_id: FromPath[str], form: FromPath[str]) -> Response[bytes]:
    """The statement for the company, as a workbook or on paper."""
    made = lists.get(db, web.uuid_of(settlement_id))
    audit.read(db, "group_orders.settlement_statement", f"settlement:{made.settlement_no}")
    name = f"团检结算单 {made.organization} {made.settlement_no}"
    if form == "pdf":
        return web.download(
            statement_paper.statement_pdf(statement.statement_of(db, made)), f"{name}.pdf", "application/pdf", inline=True
        )
    return web.download(statement.statement_workbook(statement.statement_of(db, made)), f"{name}.xlsx", XLSX)


@web.get("/settlements/{settlement_id:str}/own-parts", may=READ)
def download_own_parts(request: AnyRequest, db: web.Db, settlement_id: FromPath[str]) -> Response[bytes]:
    """What the members pay themselves, for the centre."""
    made = lists.get(db, web.uuid_of(settlement_id))
    audit.read(db, "group_orders.own_parts", f"settlement:{made.settlement_no}")
    return web.download(statement.own_parts_workbook(db, made), f"个人自付明细 {made.settlement_no}.xlsx", XLSX)


routes = (
    show_settlements, export_settlements, show_unsettled, export_unsettled, show_arrears, export_arrears, show_round, show_draft, propose,
    take_prepayment, refund_prepayment, carry_prepayment, show_settlement, approve, send_back, void, pay, download_statement,
    download_own_parts,
)  # fmt: skip

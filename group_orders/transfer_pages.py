"""Screens of money that came in on the bank account: the list, recording and importing, and what one transfer is for."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from sqlalchemy.orm import Session

from billing import transfers
from billing.transfer_facts import MATCH_NAMES, Match, MatchKind, NewTransfer
from exam.kit import audit, upload_scanners, web
from exam.kit.clock import day_of
from exam.kit.errors import BadInput
from exam.kit.forms import read_form
from exam.kit.house import house_of
from exam.kit.idempotency import once
from exam.kit.money import fen_from_yuan
from exam.kit.sheets import XLSX, workbook
from group_orders import members, prepaying, roster_sheet, settling, transfer_import
from group_orders import settlement_lists as lists
from group_orders.settlement_pages import LABELS, READ, SETTLE, FormData, ReasonForm, count_of

AnyRequest = Request[Any, Any, Any]
FileData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]
HERE = "/settlements/transfers"
WORDS = LABELS | {
    "payer_name": "汇款方户名", "received_on": "到账日期", "bank_reference": "银行流水号", "payer_account": "汇款账号", "remark": "附言",
    "target": "用途", "target_id": "用途",
}  # fmt: skip


class TransferForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transfer as it is typed."""

    amount: str
    payer_name: str
    received_on: date
    key: str
    bank_reference: str = ""
    payer_account: str = ""
    remark: str = ""


class MatchForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a part of a transfer is for: `settlement:…`, `prepayment:…` or `returned`."""

    target: str
    amount: str
    key: str
    reason: str = ""


@web.get(HERE, may=READ)
def show_transfers(
    request: AnyRequest, db: web.Db, tab: FromQuery[str] = "open", q: FromQuery[str] = "", page: FromQuery[str] = "1"
) -> web.Page:
    """Transfers: unmatched first what waits longest."""
    tab = tab if tab in transfers.TABS else "open"
    return web.page(
        db, "group_orders/settle_transfers.html", found=transfers.find(db, tab, q, count_of(page)), tab=tab, q=q.strip()[:64],
        kinds=transfers.TABS, tabs=lists.TABS, ages=lists.AGE_NAMES, unmatched=lists.unmatched_by_age(db),
        today=day_of(house_of(db).clock.now()), key=house_of(db).ids.new().hex, most_bytes=roster_sheet.BOUNDS.file_bytes // 1024 // 1024,
    )  # fmt: skip


@web.get(HERE + "/export", may=READ)
def export_transfers(request: AnyRequest, db: web.Db, tab: FromQuery[str] = "all", q: FromQuery[str] = "") -> Response[bytes]:
    """The list as a workbook, all pages."""
    found = transfers.find(db, tab if tab in transfers.TABS else "all", q, 1, lists.EXPORT_MOST)
    header = (
        "转账编号", "到账日期", "汇款方户名", "汇款账号", "银行流水号", "附言", "金额(元)", "已认领(元)", "待认领(元)", "账龄(天)", "登记人",
        "状态",
    )  # fmt: skip
    rows = [
        (each.transfer_no, each.received_on.isoformat(), each.payer_name, each.payer_account, each.bank_reference, each.remark,
         each.amount_fen / 100, each.matched_fen / 100, each.open_fen / 100, each.age_days, each.recorded_by, state_of(each))
        for each in found.transfers
    ]  # fmt: skip
    audit.read(db, "billing.export_transfers", "transfers")
    return web.download(workbook([("单位转账", header, rows)]), f"单位转账 {day_of(house_of(db).clock.now())}.xlsx", XLSX)


def state_of(each: Any) -> str:
    """Where a transfer stands, in words."""
    return "已作废" if each.voided_at else "待认领" if not each.matched_fen else "已认领" if not each.open_fen else "部分认领"


@web.post(HERE, may=SETTLE)
def record(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Records a transfer; sent twice, once."""
    form = read_form(data, TransferForm, WORDS)
    new = NewTransfer(
        amount_fen=fen_from_yuan(form.amount), payer_name=form.payer_name, received_on=form.received_on, bank_reference=form.bank_reference,
        payer_account=form.payer_account, remark=form.remark,
    )  # fmt: skip
    transfer_id = once(db, form.key, form, UUID, lambda: transfers.record(db, new))
    return web.back_to(db, f"{HERE}/{transfer_id}", toast="已登记,请认领")


@web.post(HERE + "/import", may=SETTLE)
def import_statement(request: AnyRequest, db: web.Db, data: FileData) -> web.Page:
    """Records what came in by a bank's statement, all of it or, with any fault, nothing."""
    file = data.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise BadInput([("file", "银行流水:请选择 xlsx、xls 或 csv 文件")])
    content = file.file.read(roster_sheet.BOUNDS.file_bytes + 1)
    upload_scanners.scan(db, content)
    done = transfer_import.record(db, *transfer_import.read(content, file.filename))
    return web.back_to(db, HERE, toast=f"已登记 {done.recorded} 笔,{done.known} 笔已登记过,{done.passed} 行不是收入")


@web.get(HERE + "/{transfer_id:str}", may=READ)
def show_transfer(request: AnyRequest, db: web.Db, transfer_id: FromPath[str], q: FromQuery[str] = "") -> web.Page:
    """One transfer: what it is for, and what the rest of it may be for."""
    found = transfers.get(db, web.uuid_of(transfer_id))
    matches = transfers.matches(db, transfer_id=found.id)
    return web.page(
        db, "group_orders/settle_transfer.html", transfer=found, state=state_of(found), names=MATCH_NAMES,
        matches=[(each, *_target_of(db, each)) for each in matches],
        suggestions=lists.suggestions(db, found, q) if found.open_fen else [], q=q.strip()[:64], key=house_of(db).ids.new().hex,
        url=f"{HERE}/{found.id}",
    )  # fmt: skip


def _target_of(db: Session, each: Match) -> tuple[str, str]:
    """What a match is for in words, and where to see it."""
    if each.kind is MatchKind.SETTLEMENT:
        made = lists.get(db, each.target_id)
        return f"{made.settlement_no} {made.organization}", f"/settlements/{made.id}"
    if each.kind is MatchKind.PREPAYMENT:
        order = members.order_row(db, each.target_id)
        return f"{order.order_no} {order.name}", f"/group-orders/{order.id}/settlements"
    return each.remark, ""


@web.post(HERE + "/{transfer_id:str}/match", may=SETTLE)
def match(request: AnyRequest, db: web.Db, transfer_id: FromPath[str], data: FormData) -> web.Page:
    """Assigns a part of a transfer; sent twice, once."""
    form, transfer = read_form(data, MatchForm, WORDS), web.uuid_of(transfer_id)
    amount_fen = fen_from_yuan(form.amount)
    kind, _, target = form.target.partition(":")

    def act() -> UUID:
        if kind == MatchKind.SETTLEMENT:
            return settling.pay_by_transfer(db, web.uuid_of(target), transfer, amount_fen)
        if kind == MatchKind.PREPAYMENT:
            return prepaying.take_from_transfer(db, web.uuid_of(target), transfer, amount_fen)
        if kind == MatchKind.RETURNED:
            return transfers.send_back(db, transfer, amount_fen, form.reason)
        raise BadInput([("target", "请选择该笔转账的用途")])

    once(db, form.key, (transfer, form), UUID, act)
    return web.back_to(db, f"{HERE}/{transfer}", toast="已登记退回" if kind == MatchKind.RETURNED else "已认领")


@web.post(HERE + "/{transfer_id:str}/void", may=SETTLE)
def void(request: AnyRequest, db: web.Db, transfer_id: FromPath[str], data: FormData) -> web.Page:
    """Takes the record of a transfer back."""
    transfers.void(db, web.uuid_of(transfer_id), read_form(data, ReasonForm, WORDS).reason)
    return web.back_to(db, f"{HERE}/{transfer_id}", toast="已作废")


@web.post("/settlements/matches/{match_id:str}/undo", may=SETTLE)
def unmatch(request: AnyRequest, db: web.Db, match_id: FromPath[str], data: FormData) -> web.Page:
    """Takes an assignment back."""
    found = transfers.match_of(db, web.uuid_of(match_id))
    settling.unmatch(db, found.id, read_form(data, ReasonForm, WORDS).reason)
    return web.back_to(db, f"{HERE}/{found.transfer_id}", toast="已撤销认领")


routes = (show_transfers, export_transfers, record, import_statement, show_transfer, match, void, unmatch)

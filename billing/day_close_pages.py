"""Screens of the day close: a cashier counts the drawer, finance looks at all of them and closes the day of the centre."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from sqlalchemy.orm import Session

from billing import centre_close, close_paper, day_close, takings
from billing.close_paper import PrintedClose, Table
from billing.day_close import Closed, Count
from billing.day_close_rules import DENOMINATIONS, Statement
from billing.facts import ACCOUNT_NAMES, NOBODY, AccountKind
from exam.kit import audit, idempotency, web
from exam.kit.clock import day_of, local
from exam.kit.errors import BadInput, NotFound
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.money import fen_from_yuan, yuan
from exam.staff import accounts

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
PAPERS = {"a4": "A4", "roll": "80 mm 小票"}


def _day(text: str, default: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return default


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def _names(db: Session, ids: list[UUID | None]) -> dict[UUID | None, str]:
    """Names by id; money of no cashier is the system's."""
    found: dict[UUID | None, str] = {each: name for each, (name, _) in accounts.names(db, ids).items()}
    return {NOBODY: "系统自动入账", None: "系统", **found}


def _words(db: Session, ids: list[UUID | None]) -> dict[str, Any]:
    return {
        "names": _names(db, ids), "methods": {str(kind): name for kind, name in ACCOUNT_NAMES.items()}, "purpose_name": takings.purpose_name,
        "denominations": [(value, f"{value // 100} 元" if value >= 100 else f"{value // 10} 角" if value >= 10 else "分币(分)")
                          for value in DENOMINATIONS],
    }  # fmt: skip


# --- one's own drawer ------------------------------------------------------------------------------------------------


@web.get("/day-close", may="billing.close_day")
def show_own(request: AnyRequest, db: web.Db, page: FromQuery[str] = "1") -> web.Page:
    """The actor's drawer as it would be closed now, over the closes of the last months."""
    actor, today = actor_of(db), day_of(house_of(db).clock.now())
    drawers = day_close.to_close(db)
    found = day_close.find(db, today - timedelta(days=366), today + timedelta(days=31), actor.staff_id, _number(page))
    ids = [actor.staff_id, *(each.actor_id for each in found.closes)]
    return web.page(
        db, "billing/day_close.html", drawers=drawers, found=found, key=house_of(db).ids.new().hex, card=AccountKind.CARD.value,
        action="/day-close/drawers", here_url="/day-close", **_words(db, ids),
    )  # fmt: skip


@web.get("/day-close/centre/drawers/{drawer_id:str}", may="billing.close_centre")
def show_drawer(request: AnyRequest, db: web.Db, drawer_id: FromPath[str]) -> web.Page:
    """Another's drawer, for finance to close where its cashier cannot."""
    wanted = web.uuid_of(drawer_id)
    drawers = [each for each in day_close.all_to_close(db) if each.drawer_id == wanted]
    if not drawers:
        raise NotFound("该班次已日结或不存在", "请返回全院日结查看")
    return web.page(
        db, "billing/day_close.html", drawers=drawers, found=None, key=house_of(db).ids.new().hex, card=AccountKind.CARD.value,
        action="/day-close/centre/drawers", here_url="/day-close/centre", **_words(db, [drawers[0].cashier_id]),
    )  # fmt: skip


class CloseForm(msgspec.Struct, forbid_unknown_fields=True):
    """What was counted: pieces of each denomination, and amounts in yuan."""

    key: str = ""
    pieces_10000: str = ""
    pieces_5000: str = ""
    pieces_2000: str = ""
    pieces_1000: str = ""
    pieces_500: str = ""
    pieces_100: str = ""
    pieces_50: str = ""
    pieces_10: str = ""
    pieces_1: str = ""
    received: str = "0"
    handed: str = "0"
    reason: str = ""

    def count(self) -> Count:
        """The count, with every wrong field named at once."""
        problems, pieces = [], {}
        for value in DENOMINATIONS:
            text = getattr(self, f"pieces_{value}") or "0"
            if not (text.isascii() and text.isdigit() and len(text) < 7):
                problems.append((f"pieces_{value}", "张数应为整数"))
            else:
                pieces[value] = int(text)
        if problems:
            raise BadInput(problems)
        received, handed = fen_from_yuan(self.received, "received"), fen_from_yuan(self.handed, "handed")
        return Count(pieces=pieces, received_fen=received, handed_fen=handed, reason=self.reason)


@web.post("/day-close/drawers/{drawer_id:str}", may="billing.close_day")
def close(request: AnyRequest, db: web.Db, drawer_id: FromPath[str], data: FormData) -> web.Page:
    """Closes one's own drawer."""
    return _close(db, web.uuid_of(drawer_id), data)


@web.post("/day-close/centre/drawers/{drawer_id:str}", may="billing.close_centre")
def close_for(request: AnyRequest, db: web.Db, drawer_id: FromPath[str], data: FormData) -> web.Page:
    """Closes another's drawer."""
    return _close(db, web.uuid_of(drawer_id), data)


def _close(db: Session, drawer_id: UUID, data: dict[str, Any]) -> web.Page:
    form = read_form(data, CloseForm)
    count = form.count()
    asked = ("day_close", drawer_id, msgspec.structs.asdict(form))
    close_id = idempotency.once(db, form.key, asked, UUID, lambda: day_close.close(db, drawer_id, count))
    return web.back_to(db, f"/day-close/closes/{close_id}", toast="已日结")


# --- closes ----------------------------------------------------------------------------------------------------------


@web.get("/day-close/closes/{close_id:str}", may="billing.read")
def show_close(request: AnyRequest, db: web.Db, close_id: FromPath[str]) -> web.Page:
    """One close."""
    closed = _seen(db, web.uuid_of(close_id))
    ids = [closed.cashier_id, closed.actor_id, closed.undone_by]
    return web.page(db, "billing/day_close_done.html", closed=closed, papers=PAPERS, card=AccountKind.CARD.value, **_words(db, ids))


def _seen(db: Session, close_id: UUID) -> Closed:
    """One's own close, or anybody's for who closes the centre."""
    actor, closed = actor_of(db), day_close.get(db, close_id)
    if closed.cashier_id != actor.staff_id and not actor.may("billing.close_centre"):
        raise NotFound("没有找到该日结单", "请刷新列表后重试")
    return closed


@web.get("/day-close/closes/{close_id:str}/pdf/{paper:str}", may="billing.read")
def print_close(request: AnyRequest, db: web.Db, close_id: FromPath[str], paper: FromPath[str]) -> Response[bytes]:
    """One close on paper."""
    closed = _seen(db, web.uuid_of(close_id))
    names = _names(db, [closed.cashier_id, closed.actor_id])
    facts = (
        ("结账日", closed.day.isoformat()), ("收费员", names[closed.cashier_id]),
        ("开班", f"{local(closed.opened_at):%Y-%m-%d %H:%M}"), ("日结", f"{local(closed.at):%Y-%m-%d %H:%M}"),
        ("期初现金", yuan(closed.opening_fen)), ("领用备用金", yuan(closed.received_fen)), ("应有现金", yuan(closed.expected_fen)),
        ("清点现金", yuan(closed.counted_fen)), ("差异", day_close.total_cash_text(closed)), ("上缴现金", yuan(closed.handed_fen)),
        ("期末留存", yuan(closed.closing_fen)), ("经办人", names[closed.actor_id]),
    )  # fmt: skip
    notes = [f"差异原因:{closed.reason}"] if closed.reason else []
    notes += [f"本日结已于 {local(closed.undone_at):%Y-%m-%d %H:%M} 撤销:{closed.undone_reason}"] if closed.undone_at else []
    notes += [f"未了扫码订单 {each.order_no} {yuan(each.amount_fen)} 元" for each in closed.statement.pending]
    notes += [f"班次摘要 {closed.digest}"]
    printed = _printed(db, "收费员日结单", closed.close_no, facts, closed.statement, notes, ("收费员", "复核", "财务"))
    audit.read(db, "billing.print_close", f"day_close:{closed.close_no}")
    return web.download(close_paper.close_pdf(printed, paper), f"日结单_{closed.close_no}.pdf", "application/pdf", inline=True)


def _printed(
    db: Session, title: str, number: str, facts: tuple[tuple[str, str], ...], statement: Statement, notes: list[str],
    signers: tuple[str, ...],
) -> PrintedClose:  # fmt: skip
    house = house_of(db)
    house.anchor.write(db, house.clock.now())  # the heads on paper are those of this moment, this close among them
    money = [each for each in statement.methods if each.method != AccountKind.CARD]
    methods = Table(
        "收款方式", ("方式", "收款", "退款", "作废", "净额"),
        tuple((ACCOUNT_NAMES[AccountKind(each.method)] + ("(不计入合计)" if each.method == AccountKind.CARD else ""), yuan(each.in_fen),
               yuan(each.back_fen), yuan(each.void_fen), yuan(each.net_fen)) for each in statement.methods),
        ("合计", *(yuan(sum(getattr(each, name) for each in money)) for name in ("in_fen", "back_fen", "void_fen", "net_fen"))),
    )  # fmt: skip
    purposes = Table(
        "款项", ("事由", "净额"), tuple((takings.purpose_name(each.purpose), yuan(each.net_fen)) for each in statement.purposes)
    )
    receipts, invoices = statement.receipts, statement.invoices
    documents = Table(
        "单据", ("单据", "数量"),
        (("收款收据", str(receipts.payments)), ("退费收据", str(receipts.refunds)), ("作废收据", str(receipts.voids)),
         ("发票", str(invoices.count)), ("作废发票", str(invoices.void_count))),
    )  # fmt: skip
    numbers = [f"收据号 {receipts.first_no} 至 {receipts.last_no}"] if receipts.first_no else []
    numbers += [f"作废收据 {'、'.join(receipts.void_nos)}"] if receipts.void_nos else []
    numbers += [f"发票号 {'、'.join(invoices.used)}"] if invoices.used else []
    numbers += [f"作废发票 {'、'.join(invoices.void)}"] if invoices.void else []
    at, heads = house.anchor.last()
    return PrintedClose(
        title=title, number=number, centre_name=getattr(house.settings, "centre_name", ""), facts=facts,
        tables=(methods, purposes, documents), notes=(*numbers, *notes),
        heads=(at, *(f"{writer}:{seq} {head}" for writer, (seq, head) in heads.items() if seq)), signers=signers,
        printed_at=house.clock.now(),
    )  # fmt: skip


class UndoForm(msgspec.Struct, forbid_unknown_fields=True):
    """Why a close is taken back."""

    reason: str = ""


@web.post("/day-close/closes/{close_id:str}/undo", may="billing.close_centre")
def undo(request: AnyRequest, db: web.Db, close_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a close back, so that the drawer is counted again."""
    form = read_form(data, UndoForm)
    wanted = web.uuid_of(close_id)
    day_close.undo(db, wanted, form.reason)
    return web.back_to(db, f"/day-close/closes/{wanted}", toast="已撤销日结,请重新清点")


# --- the centre ------------------------------------------------------------------------------------------------------


@web.get("/day-close/centre", may="billing.close_centre")
def show_centre(request: AnyRequest, db: web.Db, day: FromQuery[str] = "") -> web.Page:
    """A day of the whole centre: its sums, the cashiers' closes, and who has not counted yet."""
    wanted = _day(day, centre_close.next_day_to_close(db))
    found, waiting = centre_close.day_of_centre(db, wanted), day_close.all_to_close(db)
    closed_days = centre_close.closed_days(db)
    cashiers = [*(each.cashier_id for each in found.closes), *(each.cashier_id for each in waiting)]
    ids = [found.closed_by, *cashiers, *(actor for _, _, actor in closed_days)]
    return web.page(
        db, "billing/day_close_centre.html", found=found, waiting=waiting, closed_days=closed_days, papers=PAPERS,
        card=AccountKind.CARD.value, cash_text=day_close.total_cash_text, today=day_of(house_of(db).clock.now()), **_words(db, ids),
    )  # fmt: skip


class CentreForm(msgspec.Struct, forbid_unknown_fields=True):
    """The day to close."""

    day: date


@web.post("/day-close/centre", may="billing.close_centre")
def close_centre(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Closes a day of the centre for good."""
    form = read_form(data, CentreForm, {"day": "日期"})
    centre_close.close(db, form.day)
    return web.back_to(db, f"/day-close/centre?day={form.day}", toast=f"{form.day} 已全院日结")


@web.get("/day-close/centre/{day:str}/pdf/{paper:str}", may="billing.close_centre")
def print_centre(request: AnyRequest, db: web.Db, day: FromPath[str], paper: FromPath[str]) -> Response[bytes]:
    """A closed day of the centre on paper."""
    found = centre_close.day_of_centre(db, _day(day, date.min))
    if found.closed_at is None:
        raise NotFound("该日尚未全院日结", "请先办理全院日结")
    names = _names(db, [found.closed_by, *(each.cashier_id for each in found.closes)])
    facts = (
        ("结账日", found.day.isoformat()), ("班次", str(len(found.closes))), ("日结", f"{local(found.closed_at):%Y-%m-%d %H:%M}"),
        ("经办人", names[found.closed_by]), ("上缴现金", yuan(sum(each.handed_fen for each in found.closes))),
        ("长短款", yuan(sum(each.difference_fen for each in found.closes))),
    )  # fmt: skip
    notes = [
        f"{each.close_no} {names[each.cashier_id]} 清点 {yuan(each.counted_fen)} 上缴 {yuan(each.handed_fen)} {day_close.total_cash_text(each)}"
        for each in found.closes
    ]
    printed = _printed(
        db, "全院日结单", found.day.isoformat(), facts, found.statement, [*notes, f"当日摘要 {found.digest}"], ("财务", "复核")
    )
    audit.read(db, "billing.print_close", f"centre_close:{found.day}")
    return web.download(close_paper.close_pdf(printed, paper), f"全院日结单_{found.day}.pdf", "application/pdf", inline=True)


routes = (show_own, show_drawer, close, close_for, show_close, print_close, undo, show_centre, close_centre, print_centre)

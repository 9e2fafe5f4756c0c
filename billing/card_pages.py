"""Screens of exam cards at the cashier's: lists, one card with its history, selling, and everything that is done with a card."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery

from billing import card_lists as lists
from billing import card_money, card_types, cards, receipts
from billing import card_rules as rules
from billing.card_facts import CATEGORIES, MOST_AT_ONCE, STATE_NAMES, Card, CardState
from billing.card_models import CardSaleRow
from billing.facts import ACCOUNT_NAMES, AccountKind
from billing.receipt_facts import Part
from exam.kit import web
from exam.kit.clock import local
from exam.kit.errors import NotFound, Refused
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.idempotency import once
from exam.kit.money import fen_from_yuan, yuan
from exam.kit.sheets import XLSX, workbook
from exam.people import service as people
from exam.people.facts import Person

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

TONES = {
    CardState.MADE: "grey", CardState.IN_STOCK: "cyan", CardState.SOLD: "blue", CardState.ACTIVE: "green", CardState.LOST: "red",
    CardState.FROZEN: "red", CardState.EXPIRED: "amber", CardState.REPLACED: "grey", CardState.CANCELLED: "grey",
    CardState.SCRAPPED: "grey",
}  # fmt: skip
METHODS = (AccountKind.CASH, AccountKind.BANK_CARD, AccountKind.TRANSFER)
"""Ways to pay for a card; a card is not bought with a card."""

WORDS: dict[str, Any] = {
    "states": STATE_NAMES, "tones": TONES, "categories": CATEGORIES, "methods": [(kind.value, ACCOUNT_NAMES[kind]) for kind in METHODS],
}  # fmt: skip
LABELS = {
    "first_no": "首卡号", "count": "张数", "holder": "持卡人", "organization": "单位", "method": "收款方式", "reference": "凭证号",
    "tendered": "实收现金", "pin": "密码", "amount": "金额", "reason": "原因", "new_no": "新卡号", "price": "应收", "back": "应退", "key": "提交标识",
    "activates": "售出即激活",
}  # fmt: skip
EXPORT_HEADER = ("卡号", "类型", "记名方式", "状态", "面值(元)", "余额(元)", "有效期至", "持卡人", "单位", "售出时间")
MOST_ORGANIZATIONS = 200


class SaleForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which cards, and for whom."""

    first_no: str
    count: int = 1
    holder: str = ""
    organization: UUID | None = None


class PaidSaleForm(SaleForm, forbid_unknown_fields=True):
    """The same, and how it is paid; `price` is what the screen showed."""

    key: str = ""
    price: str = ""
    method: AccountKind = AccountKind.CASH
    reference: str = ""
    tendered: str = ""
    pin: str = ""
    activates: bool = False


class TopUpForm(msgspec.Struct, forbid_unknown_fields=True):
    """How much is loaded, and how it is paid."""

    key: str
    amount: str
    method: AccountKind = AccountKind.CASH
    reference: str = ""
    tendered: str = ""


class PinForm(msgspec.Struct, forbid_unknown_fields=True):
    """A new PIN, and why."""

    pin: str = ""
    reason: str = ""


class ReasonForm(msgspec.Struct, forbid_unknown_fields=True):
    """Why."""

    reason: str = ""


class ReplaceForm(msgspec.Struct, forbid_unknown_fields=True):
    """The card that takes the place, its PIN where it gets another, and why."""

    new_no: str
    pin: str = ""
    reason: str = ""


class CancelForm(msgspec.Struct, forbid_unknown_fields=True):
    """What the screen said would be given back, and why."""

    key: str
    back: str
    reason: str = ""


# --- lists -----------------------------------------------------------------------------------------------------------


@web.get("/cards", may="billing.read")
def show_cards(
    request: AnyRequest, db: web.Db, tab: FromQuery[str] = "live", code: FromQuery[str] = "", page: FromQuery[str] = "1"
) -> web.Page:
    """Cards by state and type."""
    tab = tab if tab in lists.TABS else "live"
    types = card_types.types(db)
    code = code if code in {each.code for each in types} else ""
    return web.page(
        db, "billing/cards.html", found=lists.find(db, tab, code, _number(page)), cards=None, tab=tab, tabs=lists.TABS, code=code,
        types=types, q="", most=lists.MOST_FOUND, **WORDS,
    )  # fmt: skip


@web.post("/cards", may="billing.read", write=False)
def find_cards(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Cards by number or holder. The words are in the body: a typed document number stands in no address and no log."""
    text = str(data.get("q", "")).strip()[:60]
    found = lists.search(db, text)
    if len(found) == 1:
        return web.back_to(db, f"/cards/{found[0].id}")
    return web.page(
        db, "billing/cards.html", found=None, cards=found, tab="", tabs=lists.TABS, code="", types=card_types.types(db), q=text,
        most=lists.MOST_FOUND, **WORDS,
    )  # fmt: skip


@web.get("/cards/export", may="billing.read")
def export_cards(request: AnyRequest, db: web.Db, tab: FromQuery[str] = "live", code: FromQuery[str] = "") -> Response[bytes]:
    """The list as a workbook."""
    tab = tab if tab in lists.TABS else "live"
    rows = [_cells(card) for card in lists.exported(db, tab, code[:10])]
    return web.download(workbook([("体检卡", EXPORT_HEADER, rows)]), f"体检卡-{lists.TABS[tab]}.xlsx", XLSX)


def _cells(card: Card) -> tuple[Any, ...]:
    sold = card.sold_at
    return (
        card.card_no, card.type_name, "记名" if card.is_named else "不记名", STATE_NAMES[card.state], card.face_fen / 100,
        card.balance_fen / 100, card.expires_on.isoformat() if card.expires_on else "", card.holder, card.organization,
        f"{local(sold):%Y-%m-%d %H:%M}" if sold else "",
    )  # fmt: skip


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


# --- selling ---------------------------------------------------------------------------------------------------------


@web.get("/cards/sell", may="billing.sell_cards")
def show_sale(request: AnyRequest, db: web.Db, first_no: FromQuery[str] = "") -> web.Page:
    """The form of a sale: the first number, how many, for whom."""
    organizations = [(id_, name) for id_, _, name in people.organizations(db, limit=MOST_ORGANIZATIONS)]
    return web.page(db, "billing/card_sell.html", organizations=organizations, most=MOST_AT_ONCE, first_no=first_no[:20], **WORDS)


@web.post("/cards/sell/offer", may="billing.sell_cards", write=False)
def offer_sale(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """What these cards cost and hold, and the form to pay."""
    form = read_form(data, SaleForm, LABELS)
    holder = _holder(db, form.holder)
    offered = card_money.offer(db, rules.range_of(rules.read_card_no(form.first_no, "first_no"), form.count))
    shown = lists.of_ids(db, [row.id for row, _ in offered])
    is_named = any(card.is_named for card in shown)
    if is_named and holder is None:
        raise Refused("billing.card_holder", "记名卡必须登记持卡人", "请输入持卡人的证件号、电话或档案号", "holder")
    return web.page(
        db, "billing/_card_offer.html", form=form, cards=shown, holder=holder, key=house_of(db).ids.new().hex,
        price_fen=sum(type_.price_fen for _, type_ in offered), face_fen=sum(row.face_fen for row, _ in offered), is_named=is_named,
        needs_pin=any(type_.needs_pin for _, type_ in offered), lasts=sorted({type_.valid_months or 0 for _, type_ in offered}),
        organization=people.organization_name(db, form.organization), **WORDS,
    )  # fmt: skip


def _holder(db: web.Db, text: str) -> Person | None:
    """The one person whom a typed document number, telephone, file number or name means; None for an empty text."""
    if not text.strip():
        return None
    found = people.search(db, text)
    if not found:
        raise Refused(
            "billing.card_holder_unknown", "没有找到持卡人的档案", "请核对证件号、电话或档案号;新顾客请先在登记处建档", "holder"
        )
    if len(found) > 1:
        raise Refused("billing.card_holder_many", f"有 {len(found)} 人符合,不能确定持卡人", "请输入完整证件号或档案号", "holder")
    return people.person(db, found[0].id)


@web.post("/cards/sell", may="billing.sell_cards")
def sell(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Takes the money and loads the cards."""
    form = read_form(data, PaidSaleForm, LABELS)
    asked = ("sell_cards", msgspec.structs.replace(form, pin=""))  # a PIN is not even kept as part of a digest
    sale_id = once(db, form.key, asked, UUID, lambda: _sell(db, form))
    return web.back_to(db, f"/cards/sales/{sale_id}", toast="已售出")


def _sell(db: web.Db, form: PaidSaleForm) -> UUID:
    holder = _holder(db, form.holder)
    numbers = rules.range_of(rules.read_card_no(form.first_no, "first_no"), form.count)
    price_fen = fen_from_yuan(form.price, "price")
    parts = [_part(price_fen, form.method, form.reference, form.tendered)] if price_fen else []
    return card_money.sell(
        db, numbers, parts, person_id=holder.id if holder else None, organization_id=form.organization, activates=form.activates,
        pin=form.pin,
    ).sale_id  # fmt: skip


def _part(amount_fen: int, method: AccountKind, reference: str, tendered: str) -> Part:
    if method not in METHODS:
        raise Refused("billing.method", "体检卡不能用该方式购买", "请选择现金、银行卡或单位转账", "method")
    handed = fen_from_yuan(tendered, "tendered") if tendered.strip() and method is AccountKind.CASH else None
    return Part(method=method, amount_fen=amount_fen, reference=reference, tendered_fen=handed)


@web.get("/cards/sales/{sale_id:str}", may="billing.read")
def show_sale_done(request: AnyRequest, db: web.Db, sale_id: FromPath[str]) -> web.Page:
    """A sale: its cards, its receipt, and whether it can be undone."""
    sale = db.get(CardSaleRow, web.uuid_of(sale_id))
    if sale is None or sale.site != actor_of(db).site:
        raise NotFound("没有找到该次售卡", "请从卡片页面打开")
    sold = lists.of_sale(db, sale.id)
    receipt = receipts.get(db, sale.receipt_id) if sale.receipt_id else None
    is_undone = not lists.is_sale_standing(db, sale.id)
    may_undo = not is_undone and actor_of(db).may("billing.refund")
    return web.page(
        db, "billing/card_sale.html", sale=sale, cards=sold, receipt=receipt, is_undone=is_undone, may_undo=may_undo,
        ways=[(ACCOUNT_NAMES[part.method], part) for part in receipt.parts] if receipt else [], **WORDS,
    )  # fmt: skip


@web.post("/cards/sales/{sale_id:str}/undo", may="billing.refund")
def undo_sale(request: AnyRequest, db: web.Db, sale_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a sale of today back: the receipt is voided, the cards are in stock again."""
    form = read_form(data, ReasonForm, LABELS)
    count = card_money.undo_sale(db, web.uuid_of(sale_id), form.reason)
    return web.back_to(db, f"/cards/sales/{web.uuid_of(sale_id)}", toast=f"已撤销发售,{count} 张卡退回库存")


# --- one card --------------------------------------------------------------------------------------------------------


@web.get("/cards/{card_id:str}", may="billing.read")
def show_card(request: AnyRequest, db: web.Db, card_id: FromPath[str]) -> web.Page:
    """A card: what it holds, whose it is, what happened to it, and what may be done."""
    detail = lists.detail(db, web.uuid_of(card_id))
    type_ = card_types.newest_of(db, detail.card.type_id)
    limits = card_types.limits(db)
    return web.page(
        db, "billing/card.html", detail=detail, type=type_, key=house_of(db).ids.new().hex,
        room_fen=max(limits.most_fen(detail.card.is_named) - detail.card.balance_fen, 0), **WORDS,
    )  # fmt: skip


def _done(db: web.Db, card_id: UUID, toast: str) -> web.Page:
    return web.back_to(db, f"/cards/{card_id}", toast=toast)


@web.post("/cards/{card_id:str}/activate", may="billing.sell_cards")
def activate(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Lets a sold card pay."""
    form = read_form(data, PinForm, LABELS)
    cards.activate(db, web.uuid_of(card_id), form.pin)
    return _done(db, web.uuid_of(card_id), "已激活")


@web.post("/cards/{card_id:str}/top-up", may="billing.sell_cards")
def top_up(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Loads what is paid."""
    form = read_form(data, TopUpForm, LABELS)
    amount_fen = fen_from_yuan(form.amount)
    part = _part(amount_fen, form.method, form.reference, form.tendered)
    asked = ("top_up", card_id, form)
    receipt_no = once(
        db, form.key, asked, str, lambda: card_money.top_up(db, web.uuid_of(card_id), amount_fen, [part]).receipt_no
    )  # fmt: skip
    change = f",找零 {yuan(part.tendered_fen - amount_fen)} 元" if part.tendered_fen else ""
    return _done(db, web.uuid_of(card_id), f"已充值 {yuan(amount_fen)} 元,收据 {receipt_no}{change}")


@web.post("/cards/{card_id:str}/undo-top-up", may="billing.refund")
def undo_top_up(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Takes the latest top-up of today back."""
    fen = card_money.undo_top_up(db, web.uuid_of(card_id), read_form(data, ReasonForm, LABELS).reason)
    return _done(db, web.uuid_of(card_id), f"已撤销充值 {yuan(fen)} 元,收据已作废")


@web.post("/cards/{card_id:str}/pin", may="billing.sell_cards")
def set_pin(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Sets the PIN anew."""
    form = read_form(data, PinForm, LABELS)
    cards.set_pin(db, web.uuid_of(card_id), form.pin, form.reason)
    return _done(db, web.uuid_of(card_id), "密码已重设")


@web.post("/cards/{card_id:str}/loss", may="billing.sell_cards")
def report_loss(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Blocks a lost named card."""
    cards.report_loss(db, web.uuid_of(card_id), read_form(data, ReasonForm, LABELS).reason)
    return _done(db, web.uuid_of(card_id), "已挂失")


@web.post("/cards/{card_id:str}/found", may="billing.sell_cards")
def find_again(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Takes the report of a loss back."""
    cards.find_again(db, web.uuid_of(card_id), read_form(data, ReasonForm, LABELS).reason)
    return _done(db, web.uuid_of(card_id), "已解挂")


@web.post("/cards/{card_id:str}/replace", may="billing.sell_cards")
def replace(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Moves the balance to a card from the stock."""
    form = read_form(data, ReplaceForm, LABELS)
    new_id = card_money.replace(db, web.uuid_of(card_id), form.new_no, form.pin, form.reason)
    return _done(db, new_id, "已补卡,余额已转入本卡")


@web.post("/cards/{card_id:str}/freeze", may="billing.keep_cards")
def freeze(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Blocks a card."""
    cards.freeze(db, web.uuid_of(card_id), read_form(data, ReasonForm, LABELS).reason)
    return _done(db, web.uuid_of(card_id), "已冻结")


@web.post("/cards/{card_id:str}/unfreeze", may="billing.keep_cards")
def unfreeze(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Lets a blocked card pay again."""
    cards.unfreeze(db, web.uuid_of(card_id), read_form(data, ReasonForm, LABELS).reason)
    return _done(db, web.uuid_of(card_id), "已解冻")


@web.post("/cards/{card_id:str}/extend", may="billing.keep_cards")
def extend(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Gives an expired card its balance back."""
    last_on = card_money.extend(db, web.uuid_of(card_id), read_form(data, ReasonForm, LABELS).reason)
    return _done(db, web.uuid_of(card_id), f"已续期至 {last_on},余额已恢复")


@web.post("/cards/{card_id:str}/scrap", may="billing.keep_cards")
def scrap(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Takes a spoiled card out of the stock."""
    cards.scrap(db, web.uuid_of(card_id), read_form(data, ReasonForm, LABELS).reason)
    return _done(db, web.uuid_of(card_id), "已作废")


@web.post("/cards/{card_id:str}/cancel", may="billing.refund")
def cancel(request: AnyRequest, db: web.Db, card_id: FromPath[str], data: FormData) -> web.Page:
    """Ends a card and gives back what is left."""
    form = read_form(data, CancelForm, LABELS)
    back_fen = fen_from_yuan(form.back, "back")
    asked = ("cancel_card", card_id, form)
    once(db, form.key, asked, int, lambda: card_money.cancel(db, web.uuid_of(card_id), back_fen, form.reason).back_fen)
    return _done(db, web.uuid_of(card_id), f"已销卡,退 {yuan(back_fen)} 元")


routes = (
    show_cards, find_cards, export_cards, show_sale, offer_sale, sell, show_sale_done, undo_sale, show_card, activate, top_up, undo_top_up, set_pin,
    report_loss, find_again, replace, freeze, unfreeze, extend, scrap, cancel,
)  # fmt: skip

"""Screens for whoever keeps exam cards: types in versions, the limits of the law, making cards and putting them in stock."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery

from billing import card_lists as lists
from billing import card_types, cards
from billing.card_facts import CATEGORIES, MOST_AT_ONCE, REFUND_NAMES, CardLimits, CardTypeDraft, RefundRule
from exam.kit import web
from exam.kit.errors import BadInput, Refused
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.idempotency import once
from exam.kit.money import fen_from_yuan
from exam.kit.sheets import XLSX, workbook

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

LABELS = {
    "name": "名称", "category": "类别", "is_named": "记名方式", "face": "面值", "price": "售价", "valid_months": "有效期", "refund": "销卡退款",
    "is_reloadable": "可充值", "needs_pin": "须设密码", "is_active": "启用", "reason": "修改原因", "seen": "页面版本", "code": "卡类型",
    "count": "张数", "named": "记名卡限额", "unnamed": "不记名卡限额", "months": "不记名卡最短有效期", "source": "来源", "key": "提交标识",
}  # fmt: skip


class TypeForm(msgspec.Struct, forbid_unknown_fields=True):
    """A card type as it is typed; `seen` is the version on the page, 0 for a new type."""

    name: str
    category: str
    face: str
    price: str
    refund: RefundRule
    is_named: bool = False
    valid_months: int | None = None
    is_reloadable: bool = False
    needs_pin: bool = False
    is_active: bool = False
    seen: int = 0
    reason: str = ""

    def draft(self) -> CardTypeDraft:
        """The same in fen. Names both amounts that are none."""
        amounts, problems = {}, []
        for field in ("face", "price"):
            try:
                amounts[field] = fen_from_yuan(getattr(self, field), field)
            except Refused as refused:
                problems.append((field, refused.text))
        if problems:
            raise BadInput(problems)
        return CardTypeDraft(
            name=self.name, category=self.category, is_named=self.is_named, face_fen=amounts["face"], price_fen=amounts["price"],
            valid_months=self.valid_months, is_reloadable=self.is_reloadable, needs_pin=self.needs_pin, refund=self.refund,
            is_active=self.is_active,
        )  # fmt: skip


class LimitsForm(msgspec.Struct, forbid_unknown_fields=True):
    """The next version of the limits."""

    seen: int
    named: str
    unnamed: str
    months: int
    source: str = ""
    reason: str = ""


class SeenForm(msgspec.Struct, forbid_unknown_fields=True):
    """The version that was compared."""

    seen: int


class MakeForm(msgspec.Struct, forbid_unknown_fields=True):
    """How many cards of which type."""

    key: str
    code: str
    count: int


@web.get("/cards/types", may="billing.read")
def show_types(request: AnyRequest, db: web.Db) -> web.Page:
    """The card types, and the limits of the law with their source."""
    limits, actor = card_types.limits_history(db), actor_of(db)
    now = limits[0]
    may_keep = actor.may("billing.keep_cards")
    return web.page(
        db, "billing/card_types.html", types=card_types.types(db), limits=now, limits_history=limits, may_keep=may_keep,
        may_approve=may_keep and not now.approved_by and (now.author_id is None or now.author_id != actor.staff_id),
        categories=CATEGORIES, refunds=REFUND_NAMES,
    )  # fmt: skip


@web.get("/cards/types/new", may="billing.keep_cards")
def show_new_type(request: AnyRequest, db: web.Db) -> web.Page:
    """The form of a new type."""
    return _type_page(db, "")


@web.get("/cards/types/{code:str}", may="billing.read")
def show_type(request: AnyRequest, db: web.Db, code: FromPath[str]) -> web.Page:
    """One type with its versions."""
    return _type_page(db, code)


def _type_page(db: web.Db, code: str) -> web.Page:
    versions = card_types.versions(db, code) if code else []
    now = card_types.newest(db, code) if code else None
    return web.page(
        db, "billing/card_type.html", now=now, versions=versions, limits=card_types.limits(db), categories=CATEGORIES,
        refunds=REFUND_NAMES, may_keep=actor_of(db).may("billing.keep_cards"),
    )  # fmt: skip


@web.post("/cards/types", may="billing.keep_cards")
def add_type(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Stores a new type."""
    code = card_types.add_type(db, read_form(data, TypeForm, LABELS).draft())
    return web.back_to(db, f"/cards/types/{code}", toast="卡类型已新建")


@web.post("/cards/types/{code:str}", may="billing.keep_cards")
def change_type(request: AnyRequest, db: web.Db, code: FromPath[str], data: FormData) -> web.Page:
    """Stores the next version of a type."""
    form = read_form(data, TypeForm, LABELS)
    version = card_types.change_type(db, code, form.seen, form.draft(), form.reason)
    return web.back_to(db, f"/cards/types/{code}", toast=f"已保存第 {version} 版")


@web.post("/cards/limits", may="billing.keep_cards")
def set_limits(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Stores the next version of the limits."""
    form = read_form(data, LimitsForm, LABELS)
    new = CardLimits(
        version=form.seen, named_most_fen=fen_from_yuan(form.named, "named"), unnamed_most_fen=fen_from_yuan(form.unnamed, "unnamed"),
        unnamed_least_months=form.months, source=form.source, reason=form.reason,
    )  # fmt: skip
    version = card_types.set_limits(db, form.seen, new)
    return web.back_to(db, "/cards/types", toast=f"限额已保存为第 {version} 版,请由他人审核")


@web.post("/cards/limits/approve", may="billing.keep_cards")
def approve_limits(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Somebody other than the author compared them with the regulation."""
    card_types.approve_limits(db, read_form(data, SeenForm, LABELS).seen)
    return web.back_to(db, "/cards/types", toast="限额已审核")


# --- stock -----------------------------------------------------------------------------------------------------------


@web.get("/cards/stock", may="billing.keep_cards")
def show_stock(request: AnyRequest, db: web.Db, page: FromQuery[str] = "1") -> web.Page:
    """Batches, and the form to make one."""
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1
    found, number, pages, total = lists.batches(db, number)
    types = [(each.code, each.name) for each in card_types.types(db) if each.is_active]
    return web.page(
        db, "billing/card_stock.html", batches=found, page=number, pages=pages, total=total, types=types, most=MOST_AT_ONCE,
        key=house_of(db).ids.new().hex,
    )  # fmt: skip


@web.post("/cards/stock", may="billing.keep_cards")
def make(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Makes cards: gives out their numbers."""
    form = read_form(data, MakeForm, LABELS)
    first, last = once(db, form.key, ("make_cards", form), tuple[str, str], lambda: cards.make(db, form.code, form.count))
    return web.back_to(db, "/cards/stock", toast=f"已制卡 {form.count} 张:{first} 至 {last}")


@web.post("/cards/stock/{batch_id:str}/receive", may="billing.keep_cards")
def receive(request: AnyRequest, db: web.Db, batch_id: FromPath[str]) -> web.Page:
    """Puts a batch in stock."""
    count = cards.stock(db, web.uuid_of(batch_id))
    return web.back_to(db, "/cards/stock", toast=f"已入库 {count} 张")


@web.get("/cards/stock/{batch_id:str}/export", may="billing.keep_cards")
def export_batch(request: AnyRequest, db: web.Db, batch_id: FromPath[str]) -> Response[bytes]:
    """The numbers of a batch for whoever prints the cards."""
    rows = [(card.card_no, card.type_name, card.face_fen / 100) for card in lists.batch_numbers(db, web.uuid_of(batch_id))]
    return web.download(workbook([("卡号", ("卡号", "类型", "面值(元)"), rows)]), f"制卡-{rows[0][0]}.xlsx", XLSX)


routes = (
    show_types, show_new_type, show_type, add_type, change_type, set_limits, approve_limits, show_stock, make, receive, export_batch,
)  # fmt: skip

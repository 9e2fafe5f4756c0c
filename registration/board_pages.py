"""Screens of the desk's day: the board with its five counts, the quick walk-in, and search."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from litestar import Response
from litestar.params import FromQuery
from sqlalchemy.orm import Session

from exam.kit import ids, web
from exam.kit.errors import Refused
from exam.kit.house import actor_of, house_of
from exam.kit.money import yuan
from exam.people import service as people
from exam.people.facts import ID_KIND_NAMES, IdKind
from exam.people.rules import age_on, guess_kind
from exam.visits.facts import CATEGORY_NAMES
from registration import board, consents, queues, recognition, service
from registration.facts import MARITAL_WORDS, TILE_NAMES, PackageChoice, Recognised, Tile
from registration.forms import AnyRequest, ConsentTextForm, FindForm, FormData, OrderForm, RecogniseForm, read

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BOARD = "/registration/today"
TILE_TONES = {Tile.BOOKED: "", Tile.TO_PAY: "amber", Tile.CHECKED_IN: "blue", Tile.BLOOD_DRAWN: "blue", Tile.EXAMINED: "green"}


@web.get("/registration", may="registration.board")
def show_board(
    request: AnyRequest, db: web.Db, day: FromQuery[date | None] = None, tile: FromQuery[str] = "", page: FromQuery[int] = 1
) -> web.Page:
    """The day's counts and the list behind one of them."""
    return _board_page(db, day, tile, page)


@web.get(BOARD, may="registration.board")
def show_today(
    request: AnyRequest, db: web.Db, day: FromQuery[date | None] = None, tile: FromQuery[str] = "", page: FromQuery[int] = 1
) -> web.Page:
    """The same board under the menu's address, which no other page's address begins with."""
    return _board_page(db, day, tile, page)


def _board_page(db: Session, day: date | None, tile: str, page: int) -> web.Page:
    today = service.today_of(db)
    chosen, shown = day or today, board.tile_of(tile)
    counts = board.board(db, chosen)
    tiles = [(each, TILE_NAMES[each], getattr(counts, each.value), TILE_TONES[each]) for each in Tile]
    listed = board.day_list(db, chosen, shown, page)
    base = f"{BOARD}?day={chosen.isoformat()}"
    may_change_consent = actor_of(db).may("registration.consent_text")
    return web.page(
        db, "registration/board.html", board=counts, tiles=tiles, tile=shown, listed=listed,
        refunds=queues.refunds(db, size=queues.MOST_REFUNDS), consent=consents.text_in_force(db) if may_change_consent else None,
        title=TILE_NAMES[shown] if shown else "全部",
        day=chosen, is_today=chosen == today, base=base, url=f"{base}&tile={shown.value if shown else ''}",
    )  # fmt: skip


@web.get("/registration/export.xlsx", may="registration.export")
def export_day(request: AnyRequest, db: web.Db, day: FromQuery[date | None] = None, tile: FromQuery[str] = "") -> Response[bytes]:
    """The day's list as a workbook."""
    chosen, shown = day or service.today_of(db), board.tile_of(tile)
    name = f"体检名单-{chosen.isoformat()}-{TILE_NAMES[shown] if shown else '全部'}.xlsx"
    return web.download(board.day_sheet(db, chosen, shown), name, XLSX)


@web.get("/registration/refunds", may="registration.board")
def show_refunds(request: AnyRequest, db: web.Db, page: FromQuery[int] = 1) -> web.Page:
    """Everybody who is owed money, the latest first."""
    return web.page(db, "registration/refunds.html", refunds=queues.refunds(db, page))


@web.get("/registration/find", may="registration.read")
def show_find(request: AnyRequest, db: web.Db) -> web.Page:
    """The search, empty: words travel in the body of `find` only, so a name or document number stands in no address or log."""
    return web.page(db, "registration/find.html", q="", found=None)


@web.post("/registration/find", may="registration.read", write=False)
def find(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Visits and people by number, name, pinyin, last four, document, phone or company; a whole number opens its visit."""
    words = "".join(character for character in str(data.get("q", ""))[:60] if character.isprintable())
    form = read({"q": words, "page": data.get("page", "")}, FindForm)
    found = board.find(db, form.q, form.page)
    if found.exact:
        return web.back_to(db, f"/registration/visits/{found.exact}")
    return web.page(db, "registration/find.html", q=form.q, found=found)


@web.post("/registration/recognise", may="registration.register")
def recognise(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """A document number was typed or read: who it is, and the form to register or book. A visit's code opens its visit."""
    form = read(data, RecogniseForm)
    if guess_kind(form.id_no) is None and (visit_no := _visit_no_in(form.id_no)):
        return web.back_to(db, f"/registration/visits/{service.visit_of(db, visit_no).visit_no}")
    known = recognition.recognise(db, form.id_no, form.exam_on)
    return web.page(db, "registration/_walk_in.html", **walk_in_values(db, known, form))


@web.post("/registration/without-document", may="registration.register")
def without_document(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """The form for somebody who has no document with them."""
    form = read({**data, "id_no": "无"}, RecogniseForm)
    values = walk_in_values(db, Recognised(IdKind.NONE, ""), form)
    return web.page(db, "registration/_walk_in.html", **{**values, "id_no": ""})


def walk_in_values(db: Session, known: Recognised, form: RecogniseForm) -> dict[str, Any]:
    """What the form of a walk-in or booking shows."""
    day = form.exam_on or service.today_of(db)
    return {
        "known": known, "sms_consent": known.sms_consent, "may_record_sms": actor_of(db).may("messages.consent"), "id_no": form.id_no,
        "exam_on": form.exam_on, "key": house_of(db).ids.new().hex,
        "kind_name": ID_KIND_NAMES[known.id_kind], "package_options": _package_options(recognition.packages(db, day, known.sex, known.age)),
        "is_refit": False, "today": service.today_of(db), "marital_words": [(word, word) for word in MARITAL_WORDS],
        "package": known.package, "categories": list(CATEGORY_NAMES.items()), "chosen": (), "found": (), "q": "",
        "organizations": [(str(each[0]), each[2]) for each in people.organizations(db, limit=300)],
        "quote": recognition.quote(db, day, known.package, (), known.sex, known.birth_on),
    }  # fmt: skip


def _package_options(choices: Sequence[PackageChoice]) -> list[tuple[str, str]]:
    """The packages as the list shows them; what does not fit the person's sex or age is marked, and may be looked at."""
    return [(each.code, f"{each.name} ¥{yuan(each.price_fen)}{'(不适用)' if each.blocked else ''}") for each in choices]


@web.post("/registration/quote", may="registration.register", write=False)
def show_quote(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """What the order would cost, what contradicts it, and the groups that match what is looked for.

    With `basics`, sex or birth date changed: the marks in the list of packages come too.
    """
    # Two requests include the search field, one of them twice; its value is the same.
    form = read({**data, "q": data["q"][-1]} if isinstance(data.get("q"), list) else data, OrderForm)
    day = form.exam_on or service.today_of(db)
    sex, birth_on = recognition.basics(db, form.id_no, form.sex, form.birth_on)
    extra = tuple(dict.fromkeys(form.groups))
    offered = recognition.offer(db, day, form.package, extra, form.q, sex, birth_on, form.category)
    options: list[tuple[str, str]] = []
    if form.basics:
        age = age_on(birth_on, day) if birth_on is not None and birth_on <= day else None
        options = _package_options(recognition.packages(db, day, sex, age))
    return web.page(
        db, "registration/_quote.html", quote=offered.quote, chosen=offered.chosen, found=offered.found, q=form.q,
        is_refit=bool(form.basics), package_options=options, package=form.package,
    )  # fmt: skip


@web.post("/registration/walk-ins", may="registration.register")
def open_walk_in(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Registers the person and opens the visit, once however often Enter is struck."""
    form = read(data, OrderForm)
    opened = service.walk_in_once(db, form.key, form.walk_in())
    done = "已预约" if form.exam_on else "已登记"
    toast = ";".join((f"{done},体检号 {opened.visit_no}", *opened.warnings))
    return web.back_to(db, f"/registration/visits/{opened.visit_no}", toast=toast)


@web.post("/registration/consent-text", may="registration.consent_text")
def publish_consent_text(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Puts a new version of the consent text in force."""
    form = read(data, ConsentTextForm)
    text = consents.publish(db, form.body, form.source, bool(form.asks_everyone))
    return web.back_to(db, BOARD, toast=f"知情同意书第 {text.version} 版已生效")


def _visit_no_in(text: str) -> str:
    try:
        return ids.read_visit_no(text)
    except Refused:
        return ""


routes = (
    show_board, show_today, export_day, show_refunds, show_find, find, recognise, without_document, show_quote, open_walk_in,
    publish_consent_text,
)  # fmt: skip

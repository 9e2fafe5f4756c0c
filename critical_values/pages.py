"""Screens of alerts: the board and the wall, their live stream, and the strip that other rooms show."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from litestar.response import Stream

from critical_values import board, rules, screens, service, stream
from critical_values.facts import ALERT_STATE_NAMES, BoardFilters
from exam.kit import audit, web
from exam.kit.errors import BadInput, Refused
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.masks import mask_name
from exam.visits import service as visits

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
FileData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]

TAB_NAMES = {"open": "待办", "late": "超时", "mine": "我负责的", "ended": "已结束"}
ON_THE_WALL = 13
"""As many as fit on a monitor without scrolling; the rest is counted."""
BY_ITSELF = "x-live"
"""The header of a request that a page makes by itself. Anybody may send it: it gives nothing, it only keeps no session alive."""
LIVE_SECONDS = 60
"""How long a view that shows itself anew is told of by the audit row of its last showing."""
_MOST_VIEWS = 5000


def shown_by_itself(request: AnyRequest, db: web.Db) -> None:
    """A page that asks without anybody's act keeps no session alive: an empty chair is signed out as always."""
    if request.headers.get(BY_ITSELF):
        db.info.pop("later", None)


def told(db: web.Db, act: str, subject: str, reason: str, view: Hashable = None) -> None:
    """Records that alerts were read: always when somebody asks, and for a page that shows itself anew once a minute.

    What is left out is only the very same view (`view`: the filters and the page) of the same session within that minute, so a
    request that wears the header without being one of our pages' sees nothing that the audit does not tell of.
    """
    actor, now = actor_of(db), house_of(db).clock.now()
    views: dict[Hashable, datetime] = house_of(db).cache.setdefault("critical_values.views", {})
    key = (actor.session_id or actor.login, act, subject, view)
    last = views.get(key)
    is_live = bool(db.info["request"].headers.get(BY_ITSELF))
    if is_live and last is not None and timedelta() <= now - last < timedelta(seconds=LIVE_SECONDS):
        return
    if len(views) >= _MOST_VIEWS:
        views.clear()  # more rows than needed, never fewer
    views[key] = now
    audit.read(db, act, subject, reason)


# --- the board -------------------------------------------------------------------------------------------------------


class BoardForm(msgspec.Struct, forbid_unknown_fields=True):
    """What is looked for; the page is a button's."""

    tab: str = "open"
    alert_class: str = ""
    state: str = ""
    department: str = ""
    q: str = ""
    since: str = ""
    until: str = ""
    page: int = 1


LABELS = {"since": "发现日期", "until": "发现日期", "page": "页码"}


@web.get("/alerts", may="critical_values.read")
def show_board(
    request: AnyRequest, db: web.Db, tab: FromQuery[str] = "open", alert_class: FromQuery[str] = "", department: FromQuery[str] = "",
    page: FromQuery[int] = 1,
) -> web.Page:  # fmt: skip
    """The board: what is due first stands first."""
    return _board(db, BoardForm(tab=tab, alert_class=alert_class, department=department, page=page), "critical_values/board.html")


@web.post("/alerts", may="critical_values.read", write=False)
def search_board(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """The list alone, searched or shown anew; a person's name stands in no address."""
    shown_by_itself(request, db)
    is_part = bool(request.headers.get("hx-request"))
    form = read_form(data, BoardForm, LABELS)
    return _board(db, form, "critical_values/_list.html" if is_part else "critical_values/board.html")


def _board(db: web.Db, form: BoardForm, template: str) -> web.Page:
    filters = BoardFilters(
        tab=form.tab if form.tab in TAB_NAMES else "open", alert_class=form.alert_class, state=form.state, department=form.department,
        q=form.q, since=day_in(form.since, "since"), until=day_in(form.until, "until"),
    )  # fmt: skip
    pulse = service.pulse(db, actor_of(db).site)  # before the list, which may then only be newer
    found = board.alert_list(db, filters, form.page)
    counts = {**found.counts, "ended": screens.ended_count(db)}
    told(db, "critical_values.read_list", "list:alerts", f"{len(found.lines)} 条", (filters, found.page))
    return web.page(
        db, template, found=found, lines=[(line, screens.shown(db, line.alert)) for line in found.lines], filters=filters,
        tabs=TAB_NAMES, counts=counts, pulse=pulse, missing_years=screens.missing_of_board(db), now=house_of(db).clock.now(), **names(db),
        is_searched=bool(filters.q or filters.alert_class or filters.state or filters.department or filters.since or filters.until),
    )  # fmt: skip


def names(db: web.Db) -> dict[str, Any]:
    """The words that every page of alerts needs."""
    return {
        "class_names": screens.CLASS_NAMES, "class_words": screens.CLASS_WORDS, "state_names": ALERT_STATE_NAMES,
        "step_names": rules.NEXT_STEP_NAMES, "explained": screens.EXPLAINED, "departments": screens.department_names(db),
    }  # fmt: skip


def day_in(text: str, field: str) -> date | None:
    """A day of a form; refuses what is none."""
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        raise BadInput([(field, "请填写日期,例如 2026-11-21")]) from None
    if day is not None and not 1900 <= day.year <= 2200:
        raise BadInput([(field, "日期的年份应在 1900 到 2200 之间")])
    return day


# --- the wall --------------------------------------------------------------------------------------------------------


@web.get("/alerts/wall", may="critical_values.read")
def show_wall(request: AnyRequest, db: web.Db) -> web.Page:
    """The board for a monitor on the wall: no menu, names partly masked, no finding."""
    is_part = bool(request.headers.get("hx-request"))
    pulse = service.pulse(db, actor_of(db).site)
    found = board.alert_list(db, BoardFilters(), 1, ON_THE_WALL)
    lines = [(line, mask_name(line.card.person_name), screens.shown(db, line.alert).clock) for line in found.lines]
    return web.page(
        db, "critical_values/_wall.html" if is_part else "critical_values/wall.html", lines=lines, found=found, pulse=pulse,
        now=house_of(db).clock.now(), **names(db),
    )  # fmt: skip


# --- live ------------------------------------------------------------------------------------------------------------

STREAM_HEADERS = {"x-accel-buffering": "no"}


@web.get("/alerts/stream", may="critical_values.read")
def follow(request: AnyRequest, db: web.Db, wall: FromQuery[str] = "") -> Response[Any]:
    """Server-sent events: the site's numbers with every change (`stream.Beacon`). A monitor on the wall stays signed in by it."""
    if "text/event-stream" not in request.headers.get("accept", ""):
        refused = Refused("critical_values.not_a_stream", "该地址只供页面自动更新使用", "请打开危急值看板")
        refused.status = 406
        raise refused
    if not wall:
        db.info.pop("later", None)
    return Stream(stream.events(house_of(db), actor_of(db).site), media_type="text/event-stream", headers=STREAM_HEADERS)


@web.get("/alerts/visits/{visit_no:str}/strip", may="critical_values.read")
def show_strip(request: AnyRequest, db: web.Db, visit_no: FromPath[str]) -> web.Page:
    """The strip under a visit's card, shown anew."""
    shown_by_itself(request, db)
    strip = screens.visit_strip(db, visits.card(db, visits.find_id(db, visit_no)))
    told(db, "critical_values.read_strip", f"visit:{visit_no}", "")
    return web.page(db, "critical_values/_strip.html", strip=strip)


routes = (show_board, search_board, show_wall, follow, show_strip)

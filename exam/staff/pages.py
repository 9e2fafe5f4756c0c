"""Screens of signing in: sign-in and sign-out, what to know after it, the way home, one's own password, and the signing window."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromQuery

from exam.kit import auth, web
from exam.kit.errors import BadInput
from exam.kit.forms import read_form
from exam.kit.house import actor_of, house_of
from exam.kit.module import MenuEntry
from exam.staff import credentials, service, signatures
from exam.staff.cookies import change_own_password, clear_session_cookie, open_window, set_session_cookie
from exam.staff.models import Staff
from exam.staff.passwords import days_left, password_profile

AnyRequest = Request[Any, Any, Any]
FormData = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

SIGN_IN = "/sign-in"
NOTICES = "/staff/notices"


class SignInForm(msgspec.Struct, forbid_unknown_fields=True):
    """What the sign-in form asks. A missing field is refused like a wrong one, so every field has a default."""

    login: str = ""
    password: str = ""
    code: str = ""


class PasswordForm(msgspec.Struct, forbid_unknown_fields=True):
    """One's own password, the new one twice."""

    old: str
    password: str
    again: str


PASSWORD_LABELS = {"old": "原密码", "password": "新密码", "again": "再次输入新密码"}


@web.get(SIGN_IN, may=auth.OPEN)
def show_sign_in(request: AnyRequest, db: web.Db) -> web.Page:
    """The sign-in form."""
    return web.page(db, "exam/staff_sign_in.html")


@web.post(SIGN_IN, may=auth.OPEN)
def sign_in(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Opens a session under a new token. `db` stays untouched: the service opens its own units of work."""
    form = SignInForm(**{name: str(data.get(name, "")) for name in ("login", "password", "code")})
    signed_in = credentials.sign_in(
        house_of(db), form.login, form.password, form.code, db.info["terminal"], request.cookies.get(auth.COOKIE, "")
    )
    has_news = bool(signed_in.others) or signed_in.password_days_left is not None
    response = web.back_to(db, auth.CHANGE_PASSWORD_URL if signed_in.must_change_password else NOTICES if has_news else "/")
    set_session_cookie(response, signed_in.token)
    return response


@web.get(NOTICES, may=auth.SIGNED_IN)
def show_notices(request: AnyRequest, db: web.Db) -> web.Page:
    """What somebody is to know after signing in: where else the account is signed in, and that the password expires soon."""
    actor = actor_of(db)
    if actor.must_change_password:
        return web.back_to(db, auth.CHANGE_PASSWORD_URL)
    others, left = _news(db)
    if not others and left is None:
        return web.back_to(db, "/")
    return web.page(db, "exam/staff_notices.html", others=others, days_left=left, first=_first_desk(db))


@web.post("/staff/notices/sign-out-others", may=auth.SIGNED_IN)
def sign_out_others(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Signs the own account out everywhere but here."""
    service.end_other_sessions(db)
    return web.back_to(db, NOTICES, toast="其他登录已退出")


def _news(db: web.Db) -> tuple[list[service.LiveSession], int | None]:
    """The own account's other live sessions, and the days left of its password when they are few."""
    actor = actor_of(db)
    staff = db.get_one(Staff, actor.staff_id)
    return service.sessions_of(db, staff.id, but=actor.session_id), days_left(house_of(db), staff)


@web.post("/sign-out", may=auth.SIGNED_IN)
def sign_out(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Ends the session on the server, then in the browser."""
    service.sign_out(db)
    response = web.back_to(db, SIGN_IN, toast="已退出登录")
    clear_session_cookie(response)
    return response


@web.get("/", may=auth.SIGNED_IN)
def home(request: AnyRequest, db: web.Db) -> web.Page:
    """Sends everybody to the first desk they may use; who may use none is told whom to ask."""
    actor = actor_of(db)
    if actor.must_change_password:
        return web.back_to(db, auth.CHANGE_PASSWORD_URL)
    first = _first_desk(db)
    return web.back_to(db, first.url) if first else web.page(db, "exam/home.html")


def _first_desk(db: web.Db) -> MenuEntry | None:
    """The page that is the most the actor's own: a chief's queue, the desk's board, a doctor's work list, an administrator's page."""
    actor = actor_of(db)
    return next((entry for entry in house_of(db).modules.homes if actor.may(entry.may)), None)


@web.get("/favicon.ico", may=auth.OPEN)
def favicon(request: AnyRequest, db: web.Db) -> web.Page:
    """Browsers ask for it by this name whatever the page says."""
    return web.back_to(db, "/static/exam/favicon.svg")


@web.get(auth.CHANGE_PASSWORD_URL, may=auth.SIGNED_IN)
def show_password(request: AnyRequest, db: web.Db) -> web.Page:
    """The form for one's own password, with the policy in words."""
    others, left = _news(db)
    return web.page(db, "exam/staff_password.html", profile=password_profile(house_of(db)), others=others, days_left=left)


@web.post(auth.CHANGE_PASSWORD_URL, may=auth.SIGNED_IN)
def change_password(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Changes one's own password; every session ends and this browser gets a new one."""
    form = read_form(data, PasswordForm, PASSWORD_LABELS)
    if form.password != form.again:
        raise BadInput([("again", "两次输入的新密码不一致")])
    changed = change_own_password(db, form.old, form.password)
    response = web.back_to(db, "/", toast="密码已修改")
    set_session_cookie(response, changed.token)
    return response


class CodeForm(msgspec.Struct, forbid_unknown_fields=True):
    """A second-factor code, and where to go on afterwards."""

    code: str
    next: str = "/"


@web.get("/staff/signing", may=auth.SIGNED_IN)
def show_signing(request: AnyRequest, db: web.Db, next: FromQuery[str] = "/") -> web.Page:
    """Whether the signing window is open, and the form that opens it."""
    values: Any = {"window": service.signing_window(db), "next": web_path(next), "limits": service.signing_limits(house_of(db))}
    values["has_picture"] = signatures.in_force(db, actor_of(db).staff_id) is not None
    return web.page(db, "exam/staff_signing.html", **values)


@web.post("/staff/signing", may=auth.SIGNED_IN)
def open_signing(request: AnyRequest, db: web.Db, data: FormData) -> web.Page:
    """Opens the signing window of this session."""
    form = read_form(data, CodeForm, {"code": "动态码"})
    open_window(db, form.code)
    return web.back_to(db, web_path(form.next), toast="签名已开启")


def web_path(text: str) -> str:
    """A way back inside this system; anything that could lead elsewhere becomes the home page."""
    is_inside = text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if is_inside and text.isprintable() and len(text) <= 300 else "/"


routes = (
    show_sign_in, sign_in, show_notices, sign_out_others, sign_out, home, favicon, show_password, change_password, show_signing,
    open_signing,
)  # fmt: skip
